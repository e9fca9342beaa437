// SPDX-License-Identifier: GPL-2.0-only
//
// `svma check --pages` on a process that is stopped: everything must be equal.
#pragma once

#include <sys/types.h>

#include <string>

namespace guest {

// Waits until a process that was just started stops itself, and stops its group. RETURNS: -1, or
// the status with which it exited instead.
int WaitStopped(pid_t pid);

// Checks a process that is stopped. RETURNS: the report.
std::string CheckStopped(pid_t pid);

// Each kind of answer was compared and equal; at least so many pages.
void ExpectAllEqual(const std::string& json, const std::string& what, long pages);

}  // namespace guest
