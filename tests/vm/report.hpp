// SPDX-License-Identifier: GPL-2.0-only
//
// `svma check`, and numbers out of its report.
#pragma once

#include <initializer_list>
#include <string>

namespace guest {

// A number of the report, or -1; `path` names the keys on the way, the last one included.
long Number(const std::string& json, std::initializer_list<const char*> path);

// Runs `svma check OPTIONS -- COMMAND`, which must find everything equal. RETURNS: the report.
std::string CheckCommand(const std::string& command, const std::string& options = "");

}  // namespace guest
