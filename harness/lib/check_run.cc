// SPDX-License-Identifier: GPL-2.0-only
#include "lib/check_run.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <random>

#include "lib/checker.hpp"
#include "lib/error.hpp"
#include "lib/journal.hpp"
#include "lib/json.hpp"
#include "lib/program.hpp"

namespace svma {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class Check {
 public:
  explicit Check(const CheckOptions& options)
      : options_(options), checker_(std::random_device()(), !options.no_stream, options.pages) {}

  CheckReport run();
  std::vector<Journal> journals() { return checker_.journals(); }

 private:
  void start();
  void follow();
  bool step();
  void take_signals();
  bool over() const;
  void show_progress();
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  const CheckOptions& options_;
  Signals signals_;
  Checker checker_;
  std::unique_ptr<Freezer> freezer_;
  std::string freezer_state_ = "off";
  std::optional<Program> program_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_progress_ = begin_;
  bool interrupted_ = false;
  bool timed_out_ = false;
};

void Check::start() {
  const uint32_t flags = options_.no_descendants ? 0 : SVMA_TRACK_DESCENDANTS;
  Device& device = checker_.device();
  if (options_.pid != 0) {
    if (!device.track(options_.pid, flags))
      throw Error("process {}: somebody tracks it already; end that check first", options_.pid);
    return;
  }
  if (!options_.no_freeze) {
    freezer_ = Freezer::create(freezer_state_);
    if (freezer_) freezer_state_ = "on";
  }
  program_.emplace(options_.command);
  if (freezer_ && !freezer_->add(program_->pid())) {
    freezer_.reset();
    freezer_state_ = "the program could not be moved to a cgroup";
  }
  checker_.use_freezer(freezer_.get());
  if (!device.track(program_->pid(), flags))
    throw Error("process {}: somebody tracks it already; end that check first", program_->pid());
  program_->release();
}

void Check::take_signals() {
  while (auto signal = signals_.next()) {
    if (signal->ssi_signo == SIGCHLD) continue;
    interrupted_ = true;
    if (program_) program_->signal(static_cast<int>(signal->ssi_signo));
  }
  if (program_) program_->reap();
}

bool Check::over() const {
  if (timed_out_) return true;
  if (!program_) return interrupted_ || checker_.tracked() == 0;
  if (!program_->ended()) return false;
  return !options_.wait_descendants || interrupted_ || checker_.tracked() == 0;
}

void Check::show_progress() {
  if (!isatty(STDERR_FILENO) || Clock::now() < next_progress_) return;
  next_progress_ = Clock::now() + milliseconds(500);
  fmt::print(stderr, "\rsvma: {:.0f} s {} \x1b[K", seconds(), checker_.progress());
}

// One round: wait for a burst, a signal or the next moment; then compare. RETURNS: whether to go
// on.
bool Check::step() {
  pollfd fds[] = {{checker_.device().fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
  poll(fds, 2, static_cast<int>(options_.interval_ms));
  take_signals();
  if (options_.timeout_s > 0 && seconds() > options_.timeout_s) {
    timed_out_ = true;
    if (program_) program_->signal(SIGKILL);
  }
  if (!program_ && options_.duration_s > 0 && seconds() > options_.duration_s) return false;
  checker_.look(/*final_look=*/false);
  show_progress();
  return !over();
}

void Check::follow() {
  while (step()) continue;
  // What is left (descendants, or the process of -p) gets one more look, in depth.
  checker_.look(/*final_look=*/true);
  if (program_) program_->reap();
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\x1b[K");
}

CheckReport Check::run() {
  start();
  try {
    follow();
  } catch (...) {
    if (program_) program_->signal(SIGKILL);
    throw;
  }
  CheckReport report;
  report.command = options_.command;
  report.structure_wanted = options_.structure;
  report.pid = program_ ? program_->pid() : options_.pid;
  report.freezer = freezer_state_;
  report.timed_out = timed_out_;
  if (program_ && program_->status()) {
    report.exit_status = program_->status()->code;
    if (program_->status()->signal != 0) report.exit_signal = program_->status()->signal;
  }
  checker_.finish(report);
  report.duration_ms = static_cast<uint64_t>(seconds() * 1000);
  return report;
}

void write_journals(std::ofstream& file, const std::vector<Journal>& journals) {
  Json json = Json::array();
  for (const Journal& journal : journals) json.push_back(to_json(journal));
  file << json_text(Json{{"journals", json}}) << '\n';
}

}  // namespace

CheckReport run_check(const CheckOptions& options) {
  // A file that can't be written should be known before the program runs, not after.
  std::ofstream journal_file;
  if (!options.journal_file.empty()) {
    journal_file.open(options.journal_file);
    if (!journal_file)
      throw Error("{}: cannot be written; choose another file", options.journal_file);
  }
  Check check(options);
  CheckReport report = check.run();
  if (journal_file.is_open()) write_journals(journal_file, check.journals());
  return report;
}

}  // namespace svma
