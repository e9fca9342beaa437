// SPDX-License-Identifier: GPL-2.0-only
// svma-generate: random sequences of all calls that change an address space, the same for the same
// seed.
//
// Step N of seed S draws its call and its arguments from S and N alone, so any subset of the steps
// can be executed by itself (--steps): what is left of a failing sequence stays the same. Each seed
// runs in a process of its own. A thread's name says the step it is in: lib/step_name.hpp.
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "lib/step_name.hpp"
#include "workload/generate/step.hpp"

namespace svma::generate {
namespace {

using std::chrono::steady_clock;

constexpr int kExitFailed = 2;
constexpr int kExitTimeout = 4;
constexpr unsigned kMaxThreads = 64;

struct Options {
  uint32_t seed = 1;
  uint32_t seeds = 1;
  uint32_t ops = 1000;
  unsigned threads = 1;
  std::vector<std::string> only;
  std::vector<std::string> skip;
  std::string steps;
  double timeout_s = 0;
  uint32_t map_count = 0;
  bool verbose = false;
  bool quiet = false;
  bool no_name = false;
  bool aslr = false;
  bool list = false;
  bool child = false;
};

// What a seed chooses for its whole run.
struct Mode {
  bool huge;                // huge ranges, and then little memory may be locked
  bool bottom_up;           // the layout of old, by personality
  bool read_implies_exec;   // likewise
  bool userfaultfd_events;  // a thread reads them
  uint64_t lock_limit;      // RLIMIT_MEMLOCK, bytes

  explicit Mode(uint32_t seed) {
    Random random(mix(seed, ~0ull));
    huge = !random.one_in(4);
    bottom_up = random.one_in(4);
    read_implies_exec = random.one_in(10);
    userfaultfd_events = random.one_in(4);
    const uint64_t limits[] = {64 * kPage, 8 * kMiB, huge ? 64 * kMiB : 512 * kMiB};
    lock_limit = random.pick(limits);
  }
};

// --- one seed, in its own process ---

class SeedRun {
 public:
  explicit SeedRun(const Options& options) : options_(options), mode_(options.seed) {}

  int run();

 private:
  void choose_calls();
  void choose_steps();
  void choose_limits();
  void start_threads();
  void work(unsigned thread);
  void read_events();
  void execute(uint32_t step, Worker& worker, Line& line);
  bool wanted(const char* name) const;

  const Options& options_;
  const Mode mode_;
  Program program_;
  std::vector<const Call*> calls_;
  std::vector<const Call*> simple_;
  std::vector<bool> chosen_;  // by step
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::atomic<unsigned> waiting_{0};
  std::atomic<unsigned> ended_{0};
  std::atomic<bool> go_{false};
  std::atomic<uint64_t> executed_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> digest_{0};
};

bool SeedRun::wanted(const char* name) const {
  auto names = [name](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  return (options_.only.empty() || names(options_.only)) && !names(options_.skip);
}

void SeedRun::choose_calls() {
  for (const Call& call : all_calls()) {
    if (!wanted(call.name)) continue;
    calls_.push_back(&call);
    if (!call.compound) simple_.push_back(&call);
  }
  if (calls_.empty()) throw std::runtime_error("no call is left; see svma-generate --list");
  program_.calls = calls_;
  program_.simple = simple_;
}

// "3,7,10-20"; nothing means all.
void SeedRun::choose_steps() {
  chosen_.assign(options_.ops, options_.steps.empty());
  const char* text = options_.steps.c_str();
  while (*text != '\0') {
    char* end = nullptr;
    const unsigned long first = std::strtoul(text, &end, 10);
    if (end == text) throw std::runtime_error("--steps: want numbers like 3,7,10-20");
    unsigned long last = first;
    if (*end == '-') last = std::strtoul(end + 1, &end, 10);
    for (unsigned long step = first; step <= last && step < chosen_.size(); ++step)
      chosen_[step] = true;
    text = *end == ',' ? end + 1 : end;
    if (text == end && *end != '\0')
      throw std::runtime_error("--steps: want numbers like 3,7,10-20");
  }
}

// Without CAP_IPC_LOCK the limit bounds the memory that can be locked.
void SeedRun::choose_limits() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) == 0) {
    for (auto* set : {&data[0].effective, &data[0].permitted}) *set &= ~(1u << CAP_IPC_LOCK);
    syscall(SYS_capset, &header, data);
  }
  rlimit lock{};
  getrlimit(RLIMIT_MEMLOCK, &lock);
  lock.rlim_cur = std::min<rlim_t>(mode_.lock_limit, lock.rlim_max);
  setrlimit(RLIMIT_MEMLOCK, &lock);
  const int now = personality(0xffffffff);
  if (mode_.read_implies_exec) personality(static_cast<unsigned>(now) | READ_IMPLIES_EXEC);
}

void SeedRun::execute(uint32_t step, Worker& worker, Line& line) {
  if (!options_.no_name) {
    char name[kThreadNameSize];
    write_step_name({options_.seed, step}, name);
    prctl(PR_SET_NAME, name);
  }
  Context context(program_, worker, line, step);
  line.add("seed {} step {} ", options_.seed, step);
  const Done done = run_step(context, program_.calls);
  add_result(line, done.result);
  if (line.enabled()) line.print();
  const uint64_t call = static_cast<uint64_t>(done.call - all_calls().data());
  // When the reader of events gets to run is nobody's choice.
  const bool steady = done.call->steady && !mode_.userfaultfd_events;
  const int error = steady ? done.result.error : 0;
  const uint64_t outcome =
      call * 1024 + static_cast<uint64_t>(error) * 2 + (steady && done.result.refused);
  digest_ += mix(step, outcome);
  executed_ += 1;
  failed_ += done.result.error != 0;
}

// Thread T executes the steps N with N mod threads = T. It never returns from its last step: what
// the steps left of the address space need not bear the end of a thread.
void SeedRun::work(unsigned thread) {
  Worker& worker = *workers_[thread];
  Line& line = *lines_[thread];
  prepare_thread_for_touching(worker);
  ++waiting_;
  waiting_.notify_all();
  go_.wait(false);
  for (uint32_t step = thread; step < options_.ops; step += options_.threads)
    if (chosen_[step]) execute(step, worker, line);
  ++ended_;
  ended_.notify_all();
}

void SeedRun::start_threads() {
  auto start = [](auto function) { std::thread(function).detach(); };
  for (unsigned i = 1; i < options_.threads; ++i)
    start([this, i] {
      work(i);
      for (;;) pause();
    });
  const unsigned readers = mode_.userfaultfd_events ? 1 : 0;
  if (readers != 0) start([this] { read_events(); });
  const unsigned others = options_.threads - 1 + readers;
  for (unsigned waiting; (waiting = waiting_) < others;) waiting_.wait(waiting);
}

// Takes the events of all userfaultfds: until it does, the call that made one waits. A descriptor
// that is gone, or is another file by now, does no harm.
void SeedRun::read_events() {
  ++waiting_;
  waiting_.notify_all();
  for (;;) {
    pollfd polled[2 * kMaxThreads];
    nfds_t count = 0;
    for (const auto& worker : workers_)
      for (const auto& fd : worker->uffd) polled[count++] = {fd, POLLIN, 0};
    poll(polled, count, 1);
    for (nfds_t i = 0; i < count; ++i) {
      uffd_msg message;
      if (!(polled[i].revents & POLLIN)) continue;
      if (read(polled[i].fd, &message, sizeof(message)) != sizeof(message)) continue;
      // The descriptor of a fork's child: closing it unregisters all of the child's ranges.
      if (message.event == UFFD_EVENT_FORK) close(static_cast<int>(message.arg.fork.ufd));
    }
  }
}

int SeedRun::run() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  choose_calls();
  choose_steps();
  program_.seed = options_.seed;
  program_.userfaultfd_events = mode_.userfaultfd_events;
  program_.world.set_up(mode_.huge);
  choose_limits();  // threads inherit capabilities and personality
  for (unsigned i = 0; i < options_.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    lines_.push_back(std::make_unique<Line>(options_.verbose));
  }
  start_threads();
  volatile char stack[256 * 1024];  // faulted in now, while no limit is low
  for (size_t i = 0; i < sizeof(stack); i += kPage) stack[i] = 0;
  program_.world.keep_what_is_mapped();
  go_ = true;
  go_.notify_all();
  work(0);
  for (unsigned ended; (ended = ended_) < options_.threads;) ended_.wait(ended);

  if (options_.quiet) _exit(0);
  Line result(true);
  result.add("seed {} ops {} failed {} digest {:016x}", options_.seed, executed_.load(),
             failed_.load(), digest_.load());
  result.print();
  _exit(0);
}

// --- all seeds ---

// The system-wide limit of VMAs per process, put back at the end.
class MapCountLimit {
 public:
  explicit MapCountLimit(uint32_t limit) {
    if (limit == 0) return;
    std::ifstream(kPath) >> old_;
    if (!(std::ofstream(kPath) << limit << std::flush))
      throw std::runtime_error("--map-count: needs root");
  }
  ~MapCountLimit() {
    if (old_ != 0) std::ofstream(kPath) << old_;
  }
  MapCountLimit(const MapCountLimit&) = delete;
  MapCountLimit& operator=(const MapCountLimit&) = delete;

 private:
  static constexpr const char* kPath = "/proc/sys/vm/max_map_count";
  uint32_t old_ = 0;
};

std::string own_path() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size < 0) throw std::runtime_error("/proc/self/exe cannot be read; mount /proc");
  return {path, static_cast<size_t>(size)};
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

// The command line of one seed's process.
std::vector<std::string> child_arguments(const Options& options, uint32_t seed) {
  std::vector<std::string> arguments = {"svma-generate", "--child", fmt::format("--seed={}", seed),
                                        fmt::format("--ops={}", options.ops),
                                        fmt::format("--threads={}", options.threads)};
  if (!options.only.empty()) arguments.push_back("--only=" + joined(options.only));
  if (!options.skip.empty()) arguments.push_back("--skip=" + joined(options.skip));
  if (!options.steps.empty()) arguments.push_back("--steps=" + options.steps);
  if (options.verbose) arguments.push_back("--verbose");
  if (options.quiet) arguments.push_back("--quiet");
  if (options.no_name) arguments.push_back("--no-name");
  return arguments;
}

[[noreturn]] void become_seed(const Options& options, uint32_t seed, const sigset_t& signals) {
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  unsigned long persona = options.aslr ? 0 : ADDR_NO_RANDOMIZE;
  if (Mode(seed).bottom_up) persona |= ADDR_COMPAT_LAYOUT;
  personality(persona);
  std::vector<std::string> arguments = child_arguments(options, seed);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  static char* const environment[] = {nullptr};  // its size would move the stack
  execve(own_path().c_str(), pointers.data(), environment);
  _exit(kExitFailed);
}

// The name of a thread of the process: where it stands.
std::string standing_at(pid_t pid) {
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
  const auto step = parse_step_name(name);
  return step ? fmt::format("in step {}", step->step) : "before its first step";
}

class AllSeeds {
 public:
  explicit AllSeeds(const Options& options) : options_(options) {
    sigemptyset(&signals_);
    for (int signal : {SIGCHLD, SIGINT, SIGTERM}) sigaddset(&signals_, signal);
    sigprocmask(SIG_BLOCK, &signals_, nullptr);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
  }

  int run() {
    MapCountLimit limit(options_.map_count);
    for (uint32_t i = 0; i < options_.seeds; ++i) {
      if (const int status = run_seed(options_.seed + i); status != 0) return status;
    }
    return 0;
  }

 private:
  int run_seed(uint32_t seed);
  // RETURNS: false when the time is over or somebody asked us to end.
  bool wait_for_end(pid_t pid, int& status);

  const Options& options_;
  sigset_t signals_;
  steady_clock::time_point begin_ = steady_clock::now();
};

bool AllSeeds::wait_for_end(pid_t pid, int& status) {
  for (;;) {
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
      if (ended == pid) return true;
    const timespec second = {1, 0};
    const int signal = sigtimedwait(&signals_, nullptr, &second);
    if (signal == SIGINT || signal == SIGTERM) return false;
    const std::chrono::duration<double> passed = steady_clock::now() - begin_;
    if (options_.timeout_s > 0 && passed.count() > options_.timeout_s) return false;
  }
}

int AllSeeds::run_seed(uint32_t seed) {
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("cannot fork");
  if (pid == 0) become_seed(options_, seed, signals_);
  int status = 0;
  if (!wait_for_end(pid, status)) {
    fmt::print(stderr, "svma-generate: seed {} stopped {}\n", seed, standing_at(pid));
    kill(pid, SIGKILL);
    while (waitpid(-1, nullptr, 0) > 0) continue;  // its children die with it
    return kExitTimeout;
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  fmt::print(stderr, "svma-generate: seed {} was killed by signal {}\n", seed, WTERMSIG(status));
  return kExitFailed;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--seed", options.seed, "First seed")->capture_default_str();
  app.add_option("--seeds", options.seeds, "How many seeds, one after the other")
      ->capture_default_str();
  app.add_option("--ops", options.ops, "Steps per seed")
      ->check(CLI::Range(1u, kMaxStep))
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "Threads per seed; step N belongs to thread N mod THREADS")
      ->check(CLI::Range(1u, kMaxThreads))
      ->capture_default_str();
  app.add_option("--only", options.only, "Only these calls")->delimiter(',');
  app.add_option("--skip", options.skip, "Not these calls")->delimiter(',');
  app.add_option("--steps", options.steps, "Execute only these steps, as in 3,7,10-20");
  app.add_option("--timeout", options.timeout_s, "Give up after so many seconds, with status 4");
  app.add_option("--map-count", options.map_count,
                 "Lower the system's limit of mappings per process meanwhile");
  app.add_flag("--verbose", options.verbose, "Print each step");
  app.add_flag("--quiet", options.quiet, "Print nothing, not even a line per seed");
  app.add_flag("--no-name", options.no_name, "Don't name threads after their steps");
  app.add_flag("--aslr", options.aslr, "Let the kernel place things at random");
  app.add_flag("--list", options.list, "Print the names of the calls");
  app.add_flag("--child", options.child)->group("");
}

int run(const Options& options) {
  if (options.list) {
    for (const Call& call : all_calls()) fmt::print("{}\n", call.name);
    return 0;
  }
  return options.child ? SeedRun(options).run() : AllSeeds(options).run();
}

}  // namespace
}  // namespace svma::generate

int main(int argc, char** argv) {
  CLI::App app("Random sequences of all calls that change an address space.", "svma-generate");
  svma::generate::Options options;
  svma::generate::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    return svma::generate::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "svma-generate: {}\n", error.what());
    return svma::generate::kExitFailed;
  }
}
