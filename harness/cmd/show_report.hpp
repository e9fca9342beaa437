// SPDX-License-Identifier: GPL-2.0-only
// How a subcommand that checks hands over what it found: stdout, a file, an exit status.
#pragma once

#include <fstream>
#include <functional>
#include <string>

#include "lib/json.hpp"
#include "lib/tally.hpp"

namespace svma {

// The file of --json-file.
class ReportFile {
 public:
  // Opens it: a file that can't be written should be known before the program runs, not after. No
  // file when `path` is empty.
  explicit ReportFile(const std::string& path);

  // RETURNS: what `check` does; when it throws, the file holds the reason: a program that reads it
  // must not take an empty one for a verdict.
  CheckReport keep_reason(const std::function<CheckReport()>& check);

  void write(const Json& json);

 private:
  std::ofstream file_;
};

// `more`: what a subcommand adds or says otherwise, by name. RETURNS: svma's exit status.
int show_report(const CheckReport& report, bool json, ReportFile& file,
                const Json& more = Json::object());

}  // namespace svma
