// SPDX-License-Identifier: GPL-2.0-only
// svma generate: run the generator of random mm calls under the same check as any program, and
// shrink a sequence that fails.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "cmd/commands.hpp"
#include "cmd/show_report.hpp"
#include "lib/check_run.hpp"
#include "lib/ddmin.hpp"
#include "lib/error.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

constexpr const char* kGenerator = "svma-generate";

struct GenerateOptions {
  uint32_t seed = 1;
  uint32_t seeds = 1;
  uint32_t ops = 1000;
  unsigned threads = 1;
  std::string only;
  std::string skip;
  uint32_t map_count = 0;
  double timeout_s = 0;
  bool shrink = false;
  size_t most_runs = 60;
  std::string kind;  // "operation:field"; empty: any
  std::string json_file;
};

// What makes two findings the same one: where in which operation, not with which addresses.
struct Kind {
  std::string operation;
  std::string field;

  explicit Kind(const Finding& finding)
      : operation(finding.operation), field(finding.difference.field) {}
  bool operator==(const Kind&) const = default;
  std::string text() const { return operation + ':' + field; }
};

// The generator's command line for some seeds, all steps.
std::vector<std::string> command_for(const GenerateOptions& options, uint32_t seed, uint32_t seeds,
                                     uint32_t ops) {
  std::vector<std::string> command = {kGenerator, "--seed", std::to_string(seed), "--ops",
                                      std::to_string(ops)};
  auto add = [&command](const char* name, const std::string& value) {
    command.insert(command.end(), {name, value});
  };
  if (seeds != 1) add("--seeds", std::to_string(seeds));
  if (options.threads != 1) add("--threads", std::to_string(options.threads));
  if (!options.only.empty()) add("--only", options.only);
  if (!options.skip.empty()) add("--skip", options.skip);
  if (options.map_count != 0) add("--map-count", std::to_string(options.map_count));
  return command;
}

CheckReport check_command(const GenerateOptions& options, std::vector<std::string> command) {
  CheckOptions check;
  check.command = std::move(command);
  check.timeout_s = options.timeout_s;
  return run_check(check);
}

// The first finding that names its step; of this kind, unless it is empty.
std::optional<Finding> first_finding(const CheckReport& report, const std::string& kind) {
  for (const auto* list : {&report.divergences, &report.unmodelled}) {
    const auto found = std::find_if(list->begin(), list->end(), [&kind](const Finding& finding) {
      return finding.step.has_value() && (kind.empty() || Kind(finding).text() == kind);
    });
    if (found != list->end()) return *found;
  }
  return std::nullopt;
}

bool has_kind(const CheckReport& report, const Kind& kind) {
  auto same = [&kind](const Finding& finding) { return Kind(finding) == kind; };
  return std::any_of(report.divergences.begin(), report.divergences.end(), same) ||
         std::any_of(report.unmodelled.begin(), report.unmodelled.end(), same);
}

// Runs subsets of the steps of one failing seed until what is left is minimal.
class Reproducer {
 public:
  Reproducer(const GenerateOptions& options, const Finding& finding)
      : options_(options), finding_(finding), kind_(finding) {}

  // RETURNS: the report in words and JSON.
  Json shrink();

 private:
  bool fails(const Steps& steps);
  std::vector<std::string> command(const Steps& steps) const;

  const GenerateOptions& options_;
  const Finding& finding_;
  const Kind kind_;
  CheckReport last_failing_;
};

std::vector<std::string> Reproducer::command(const Steps& steps) const {
  auto command = command_for(options_, finding_.step->seed, 1, finding_.step->step + 1);
  command.insert(command.end(), {"--steps", steps_text(steps)});
  return command;
}

bool Reproducer::fails(const Steps& steps) {
  auto quiet = command(steps);
  quiet.push_back("--quiet");
  CheckReport report = check_command(options_, quiet);
  if (!has_kind(report, kind_)) return false;
  last_failing_ = std::move(report);
  return true;
}

Json Reproducer::shrink() {
  Steps steps(finding_.step->step + 1);
  for (uint32_t step = 0; step < steps.size(); ++step) steps[step] = step;
  fmt::print(stderr, "svma: shrinking seed {} step {}\n", finding_.step->seed, finding_.step->step);
  if (!fails(steps)) return Json{{"reproduced", false}};
  const Shrunk shrunk = ddmin(
      steps, [this](const Steps& part) { return fails(part); }, options_.most_runs);
  Json found = Json::array();
  for (const auto* list : {&last_failing_.divergences, &last_failing_.unmodelled})
    for (const Finding& finding : *list)
      if (Kind(finding) == kind_) found.push_back(finding_text(finding));
  return Json{{"reproduced", true},
              {"minimal", shrunk.minimal},
              {"runs", shrunk.runs},
              {"steps", shrunk.steps},
              {"command", fmt::format("{}", fmt::join(command(shrunk.steps), " "))},
              {"findings", found}};
}

// What the generator prints with --verbose, run by itself: what each step is and comes to.
std::string described(const std::string& command) {
  std::string text;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen((command + " --verbose").c_str(), "r"),
                                                   pclose);
  char buffer[4096];
  while (pipe && std::fgets(buffer, sizeof(buffer), pipe.get()) != nullptr) text += buffer;
  return text;
}

std::string shrunk_text(const Json& shrunk) {
  if (!shrunk["reproduced"])
    return "the same steps alone did not show it again: it needs more than one seed's steps\n";
  std::string text =
      fmt::format("{} to {} steps in {} runs:\n  {}\n{}",
                  shrunk["minimal"] ? "shrunk" : "not minimal yet, shrunk", shrunk["steps"].size(),
                  shrunk["runs"].get<size_t>(), shrunk["command"].get<std::string>(),
                  shrunk["described"].get<std::string>());
  for (const auto& finding : shrunk["findings"]) text += finding.get<std::string>();
  return text;
}

int generate(const GenerateOptions& options, bool json) {
  ReportFile file(options.json_file);
  const CheckReport report = file.keep_reason([&] {
    return check_command(options, command_for(options, options.seed, options.seeds, options.ops));
  });
  if (report.exit_status.value_or(0) != 0)
    throw Error("{} ended with status {} and did not execute all steps", kGenerator,
                *report.exit_status);
  const uint64_t steps = uint64_t{options.seeds} * options.ops;
  Json more = {{"generator",
                {{"seed", options.seed},
                 {"seeds", options.seeds},
                 {"steps", steps},
                 {"threads", options.threads}}}};
  const auto finding = first_finding(report, options.kind);
  if (options.shrink && finding) {
    Json shrunk = Reproducer(options, *finding).shrink();
    if (shrunk["reproduced"]) shrunk["described"] = described(shrunk["command"].get<std::string>());
    if (!json) fmt::print("{}", shrunk_text(shrunk));
    more["shrunk"] = shrunk;
  }
  if (!json)
    for (const Finding& unmodelled : report.unmodelled) fmt::print("{}", finding_text(unmodelled));
  const int status = show_report(report, json, file, more);
  const Verdict verdict = verdict_of(report.harness, report.module.counts);
  return status == kExitEqual && (verdict.unmodelled || verdict.resyncs) ? kExitDivergent : status;
}

}  // namespace

void add_generate(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "generate", "Cross-check random sequences of mm calls, and shrink what fails");
  auto options = std::make_shared<GenerateOptions>();
  command->add_option("--seed", options->seed, "First seed")->capture_default_str();
  command->add_option("--seeds", options->seeds, "How many seeds")->capture_default_str();
  command->add_option("--ops", options->ops, "Steps per seed")->capture_default_str();
  command->add_option("--threads", options->threads, "Threads per seed")->capture_default_str();
  command->add_option("--only", options->only, "Only these calls; svma-generate --list names them");
  command->add_option("--skip", options->skip, "Not these calls");
  command->add_option("--map-count", options->map_count,
                      "Lower the system's limit of mappings per process meanwhile");
  command->add_option("--timeout", options->timeout_s, "Kill a run after so many seconds");
  command->add_flag("--shrink", options->shrink,
                    "Find a minimal sequence that shows the first finding again");
  command->add_option("--kind", options->kind,
                      "With --shrink: the first finding of this kind, as in mprotect:layout");
  command->add_option("--runs", options->most_runs, "With --shrink: at most so many runs")
      ->capture_default_str();
  command->add_option("--json-file", options->json_file,
                      "Also write the report as JSON to this file");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return generate(*options, invocation.json); };
  });
}

}  // namespace svma
