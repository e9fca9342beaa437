// SPDX-License-Identifier: GPL-2.0-only
// One check from start to end: a program or a running process, tracked and compared until it ends.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "lib/tally.hpp"

namespace svma {

// REQUIRES: either a command or a pid.
struct CheckOptions {
  std::vector<std::string> command;
  pid_t pid = 0;
  unsigned interval_ms = 50;
  double timeout_s = 0;   // 0: none
  double duration_s = 0;  // with pid; 0: until it ends
  bool no_descendants = false;
  bool wait_descendants = false;
  bool no_freeze = false;
  bool no_stream = false;
  bool structure = false;    // the kernel's own tree must have been compared
  bool pages = false;        // compare page tables, too
  std::string journal_file;  // empty: none
};

// Runs the check, and writes the journals of all its mms if asked to. Throws when it can't be done.
CheckReport run_check(const CheckOptions& options);

}  // namespace svma
