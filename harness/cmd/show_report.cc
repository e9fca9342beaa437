// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/show_report.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "lib/error.hpp"
#include "lib/render.hpp"

namespace svma {

ReportFile::ReportFile(const std::string& path) {
  if (path.empty()) return;
  file_.open(path);
  if (!file_) throw Error("{}: cannot be written; choose another file", path);
}

CheckReport ReportFile::keep_reason(const std::function<CheckReport()>& check) {
  try {
    return check();
  } catch (const std::exception& error) {
    write(Json{{"exit_code", kExitCouldNotCheck}, {"why", error.what()}});
    throw;
  }
}

void ReportFile::write(const Json& json) {
  if (file_.is_open()) file_ << json_text(json) << '\n';
}

int show_report(const CheckReport& report, bool json, ReportFile& file, const Json& more) {
  std::string why;
  Json whole = to_json(report, exit_code_of(report, why), why);
  whole.update(more);
  file.write(whole);
  if (json) {
    fmt::print("{}\n", json_text(whole));
  } else {
    fmt::print("{}{}\n", report_text(report),
               verdict_line(verdict_of(report.harness, report.module.counts)));
  }
  std::fflush(stdout);
  if (!whole["why"].is_null()) fmt::print(stderr, "svma: {}\n", whole["why"].get<std::string>());
  return whole["exit_code"];
}

}  // namespace svma
