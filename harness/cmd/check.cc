// SPDX-License-Identifier: GPL-2.0-only
// svma check: run a program, or watch one that runs, and compare shadow and live side until it
// ends.
#include <memory>

#include "cmd/commands.hpp"
#include "cmd/show_report.hpp"
#include "lib/check_run.hpp"
#include "lib/error.hpp"

namespace svma {
namespace {

int check(const CheckOptions& options, const std::string& json_file, bool json) {
  if (options.command.empty() == (options.pid == 0))
    throw Error(
        "check: give either a command (svma check -- CMD) or a process (svma check -p PID)");
  ReportFile file(json_file);
  return show_report(file.keep_reason([&] { return run_check(options); }), json, file);
}

}  // namespace

void add_check(CLI::App& app, Invocation& invocation) {
  auto* command =
      app.add_subcommand("check", "Cross-check a program from exec to exit, or a running process");
  auto options = std::make_shared<CheckOptions>();
  auto json_file = std::make_shared<std::string>();
  command->add_option("COMMAND", options->command, "Program and its arguments, after --");
  command->add_option("-p,--pid", options->pid, "Watch a running process")->check(kPidRange);
  command->add_option("--interval", options->interval_ms, "Milliseconds between two looks")
      ->check(CLI::Range(1, 60000))
      ->capture_default_str();
  command->add_option("--timeout", options->timeout_s, "Kill the program after so many seconds");
  command->add_option("--duration", options->duration_s,
                      "With -p: stop watching after so many seconds");
  command->add_flag("--no-descendants", options->no_descendants, "Don't follow forks");
  command->add_flag("--wait-descendants", options->wait_descendants,
                    "Go on until every tracked process has ended");
  command->add_flag("--no-freeze", options->no_freeze,
                    "Never stop a busy program for the moment of a comparison");
  command->add_flag("--no-stream", options->no_stream,
                    "Attach nothing to functions of the kernel: single answers are not recorded, "
                    "reverse mapping is compared by the module alone");
  command->add_flag("--structure", options->structure,
                    "Fail unless the kernel's own red-black tree was compared, node by node");
  command->add_flag("--pages", options->pages,
                    "Compare page tables, too, with what /proc says of each page");
  command->add_option("--json-file", *json_file, "Also write the report as JSON to this file");
  command->add_option("--journal", options->journal_file,
                      "Write the journals of all its address spaces as JSON to this file");
  command->callback([&invocation, options, json_file] {
    invocation.run = [&invocation, options, json_file] {
      return check(*options, *json_file, invocation.json);
    };
  });
}

}  // namespace svma
