// SPDX-License-Identifier: GPL-2.0-only
//
// The probe table, and what happens when somebody takes the probes away.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <compare>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tracee.hpp"

namespace guest {
namespace {

const char kSwitch[] = "/sys/kernel/debug/kprobes/enabled";
const char kFtrace[] = "/proc/sys/kernel/ftrace_enabled";

class Probes : public Tracee {
 protected:
  Probes() : Tracee(SVMA_TRACK_DESCENDANTS) {}
  void TearDown() override {
    WriteFile(kSwitch, "1");
    Tracee::TearDown();
  }
  svma_mm Mm() {
    svma_mm mm;
    EXPECT_EQ(device_.Mm(0, id_, &mm), 0);
    return mm;
  }
  // What kprobes itself says all probes missed since the module was loaded.
  uint64_t Missed() {
    uint64_t sum = 0;
    for (const svma_probe& probe : device_.Probes()) sum += probe.missed;
    return sum;
  }
};

// Everything that has a probe, once.
int64_t Everything(Words) {
  auto at = [](uint64_t page) { return reinterpret_cast<char*>(kArena + page * kPage); };
  const int protection = PROT_READ | PROT_WRITE;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (mmap(at(0), 8 * kPage, protection, flags, -1, 0) != at(0)) return 1;
  *at(1) = 1;
  if (mprotect(at(2), kPage, PROT_READ) || mlock(at(4), kPage)) return 2;
  if (madvise(at(6), kPage, MADV_DONTFORK) || munmap(at(7), kPage)) return 3;
  if (mremap(at(6), kPage, 2 * kPage, 0) != at(6)) return 4;
  if (mremap(at(1), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, at(20)) != at(20)) return 5;
  if (mmap(at(3000), kPage, protection, flags | MAP_GROWSDOWN, -1, 0) != at(3000)) return 6;
  *at(2999) = 1;
  madvise(at(3), kPage, 102 /* MADV_GUARD_INSTALL */);  // unknown to older kernels, as the next are
  prctl(67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0);
  prctl(67, 0, 0, 0, 0);
  if (sbrk(16 * kPage) == reinterpret_cast<void*>(-1)) return 7;
  const unsigned long node = 1;
  if (syscall(SYS_mbind, at(3), kPage, 2 /* MPOL_BIND */, &node, 8, 0)) return 8;
  const int uffd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
  uffdio_api api{};
  api.api = UFFD_API;
  uffdio_register range{};
  range.range = {reinterpret_cast<uint64_t>(at(0)), kPage};
  range.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &range) || close(uffd))
    return 11;
  if (mlockall(MCL_CURRENT) || munlockall()) return 9;
  const int clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (write(clear_refs, "4\n", 2) != 2 || close(clear_refs)) return 10;
  syscall(462 /* mseal */, at(0), kPage, 0);
  pid_t pid = fork();
  if (pid == 0) {
    execlp("true", "true", nullptr);
    _exit(127);
  }
  int status = 1;
  waitpid(pid, &status, 0);
  return status;
}

TEST_F(Probes, Table_RequiredRows_FoundArmedAndHit) {
  std::map<std::string, uint64_t> before;
  for (const svma_probe& probe : device_.Probes()) before[probe.symbol] = probe.hits;
  EXPECT_GE(before.size(), 15u);
  Run("everything", Everything);
  for (const svma_probe& probe : device_.Probes()) {
    if (!(probe.state & SVMA_PROBE_REQUIRED)) continue;
    EXPECT_TRUE(probe.state & SVMA_PROBE_FOUND) << probe.symbol;
    EXPECT_TRUE(probe.state & SVMA_PROBE_ARMED) << probe.symbol;
    EXPECT_GT(probe.hits, before[probe.symbol]) << probe.symbol;
    EXPECT_EQ(probe.missed, 0u) << probe.symbol;
    EXPECT_GT(strnlen(probe.role, sizeof(probe.role)), 0u) << probe.symbol;
  }
}

TEST_F(Probes, Table_Debugfs_SaysTheSame) {
  std::string text = ReadFile(SVMA_DEBUGFS "/probes");
  for (const svma_probe& probe : device_.Probes()) {
    EXPECT_NE(text.find(std::string("\n") + probe.symbol + " "), std::string::npos) << probe.symbol;
  }
}

// The kinds of kprobes that are silenced separately: through ftrace, or by a breakpoint, which may
// have become a jump; each at entry ('k') or at return ('r').
struct Kind {
  bool ftrace;
  char type;
  auto operator<=>(const Kind&) const = default;
};

// What /sys/kernel/debug/kprobes/list says of the probes at functions that `wanted` picks.
std::set<Kind> KindsOf(const std::function<bool(const std::string& symbol)>& wanted) {
  std::set<Kind> kinds;
  std::istringstream lines(ReadFile("/sys/kernel/debug/kprobes/list"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string address, type, place;
    words >> address >> type >> place;
    if (!wanted(place.substr(0, place.find('+')))) continue;
    kinds.insert({line.find("[FTRACE]") != std::string::npos, type[0]});
  }
  return kinds;
}

// Before a breakpoint becomes a jump, and where it never does, handlers run in an exception that
// counts as NMI. On a debug kernel lockdep says which locks may not be taken like that. So it is
// for functions without a place for ftrace, as those of system calls; others never come that way.
TEST_F(Probes, BreakpointsThatStay_EverythingEqual) {
  Setting jumps("/proc/sys/debug/kprobes-optimization");
  ASSERT_EQ(jumps.Set("0"), 0);
  EXPECT_EQ(ReadFile("/sys/kernel/debug/kprobes/list").find("[OPTIMIZED]"), std::string::npos);
  const uint64_t missed = Missed();
  std::map<std::string, uint64_t> before;
  for (const svma_probe& probe : device_.Probes()) before[probe.symbol] = probe.hits;
  const auto ours = [&](const std::string& symbol) { return before.count(symbol) != 0; };
  EXPECT_EQ(KindsOf(ours).count({false, 'r'}), 1u);
  Run("everything", Everything);
  for (const svma_probe& probe : device_.Probes()) {
    if (!(probe.state & SVMA_PROBE_REQUIRED)) continue;
    EXPECT_GT(probe.hits, before[probe.symbol]) << probe.symbol;
  }
  EXPECT_EQ(Missed(), missed);
  EXPECT_EQ(device_.Stats(0).counts.divergent, 0u);
}

TEST_F(Probes, Canaries_OneOfEachKindInTheTable) {
  std::set<std::string> table;
  for (const svma_probe& probe : device_.Probes()) table.insert(probe.symbol);
  const auto canaries =
      KindsOf([](const std::string& symbol) { return symbol.starts_with("svma_canary"); });
  const auto used = KindsOf([&](const std::string& symbol) { return table.contains(symbol); });
  EXPECT_GE(used.size(), 2u);
  for (const Kind& kind : used)
    EXPECT_TRUE(canaries.contains(kind)) << (kind.ftrace ? "ftrace " : "breakpoint ") << kind.type;
}

// words: threads, pages. Each of the threads changes a protection and waits for the lock, since a
// fork has to copy the tables of so many pages under it. They do so once a fork: as many that never
// rest would keep the kernel's own threads waiting, and RCU would complain.
int64_t ProtectDuringForks(Words words) {
  constexpr int kForks = 2;
  static pthread_barrier_t start;
  pthread_barrier_init(&start, nullptr, static_cast<unsigned>(words[0] + 1));
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  char* const arena = reinterpret_cast<char*>(kArena);
  char* const large = arena + (words[0] + 1) * kPage;
  if (mmap(arena, words[0] * kPage, PROT_READ, flags, -1, 0) != arena) return 1;
  if (mmap(large, words[1] * kPage, PROT_WRITE, flags | MAP_POPULATE, -1, 0) != large) return 2;
  const auto run = [](void* page) -> void* {
    void* failed = nullptr;
    for (int i = 0; i < kForks; i++) {
      pthread_barrier_wait(&start);
      if (mprotect(page, kPage, i % 2 ? PROT_READ : PROT_NONE)) failed = page;
    }
    return failed;
  };
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 16 * kPage);
  std::vector<pthread_t> threads(words[0]);
  for (size_t i = 0; i < threads.size(); i++)
    if (pthread_create(&threads[i], &small, run, arena + i * kPage)) return 3;
  // It would be one of many otherwise.
  const sched_param first{1};
  if (sched_setscheduler(0, SCHED_FIFO, &first)) return 6;
  for (int i = 0; i < kForks; i++) {
    // The last to come, so that it has the lock before all others.
    usleep(200'000);
    pthread_barrier_wait(&start);
    const pid_t child = fork();
    if (child == 0) _exit(0);
    if (child < 0 || waitpid(child, nullptr, 0) != child) return 4;
  }
  int64_t failed = 0;
  for (const pthread_t thread : threads) {
    void* result = nullptr;
    failed += pthread_join(thread, &result) || result ? 1 : 0;
  }
  const sched_param others{0};
  if (sched_setscheduler(0, SCHED_OTHER, &others)) return 7;
  if (munmap(arena, (words[0] + 1 + words[1]) * kPage)) return 8;
  return failed ? 5 : 0;
}

// A return probe that is inside of as many calls as it has room for misses the next.
TEST_F(Probes, MoreCallsAtOnceThanAReturnProbeHolds_MissedThenResynced) {
  constexpr uint64_t kThreads = 640, kPages = 32 << 10;
  const uint64_t missed = Missed();
  // On a busy machine not all of them may come to the lock while one fork holds it.
  for (int i = 0; i < 10 && Missed() == missed; i++)
    ASSERT_EQ(puppet_.Run(ProtectDuringForks, {kThreads, kPages}).value, 0);
  EXPECT_GT(Missed(), missed);
  // Whoever asks learns of it at once, or it has been caught up with already.
  const svma_mm mm = Mm();
  EXPECT_TRUE(mm.health != SVMA_CLEAN || mm.counts.resyncs > 0) << mm.health;
  EXPECT_TRUE(WaitFor([&] { return Mm().health == SVMA_CLEAN; }, 5000));
  EXPECT_GE(Mm().counts.resyncs, 1u);
  EXPECT_GE(device_.Stats(0).counts.missed, 1u);
  EXPECT_EQ(device_.Stats(0).counts.divergent, 0u);
  Check("resync");
  Map(100000, 4);
  Protect(100001, 1, PROT_READ);
  Unmap(100000, 16);
}

// Probes that go silent without a word: nothing is counted as missed by kprobes itself.
class Silenced : public Probes {
 protected:
  void TearDown() override {
    WriteFile(kFtrace, "1");
    Probes::TearDown();
  }

  // Calls whose own probe is of the one kind, and whose steps are of the other.
  void MixedCalls() {
    const int64_t end = puppet_.Syscall(SYS_brk, {0}).value;
    puppet_.Syscall(SYS_brk, {static_cast<uint64_t>(end) + 16 * kPage});
    puppet_.Syscall(SYS_brk, {static_cast<uint64_t>(end)});
    puppet_.Syscall(SYS_mremap, {At(40), 2 * kPage, kPage, 0, 0});
    puppet_.Syscall(SYS_mremap, {At(40), kPage, 2 * kPage, 0, 0});
  }
  void Unseen() {
    puppet_.Syscall(SYS_mmap, {At(0), 4 * kPage, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ull, 0});
    puppet_.Syscall(SYS_munmap, {At(1), kPage});
  }
  uint64_t Hits(const std::string& symbol) {
    for (const svma_probe& probe : device_.Probes())
      if (probe.symbol == symbol) return probe.hits;
    return 0;
  }
  uint64_t Failures() { return device_.Stats(SVMA_STATS_MODULE).canary_failures; }

  // `path` has been written to.
  void ExpectNoticedAndResynced(const char* path) {
    const uint64_t failures = Failures(), missed = Missed();
    EXPECT_EQ(Mm().health, static_cast<uint32_t>(SVMA_SUSPECT));  // to whoever asks, at once
    Unseen();
    MixedCalls();
    // The worker looks every 100 ms, so it has looked by the end.
    EXPECT_FALSE(WaitFor([&] { return Mm().health != SVMA_SUSPECT; }, 500));
    EXPECT_GT(Failures(), failures);
    EXPECT_NE(Difference(device_.Snapshot(id_), ProcMaps(puppet_.pid())), "");
    EXPECT_EQ(WriteFile(path, "1"), 0);
    EXPECT_TRUE(WaitFor([&] { return Mm().health == SVMA_CLEAN; }, 2000));
    EXPECT_GE(Mm().counts.resyncs, 1u);
    EXPECT_GE(device_.Stats(0).counts.missed, 1u);
    EXPECT_EQ(Missed(), missed);
    Check("resync");
    Map(8, 4);
    Protect(9, 1, PROT_READ);
    Unmap(0, 16);
  }
};

TEST_F(Silenced, Kprobes_SuspectThenResyncedWhenArmed) {
  Map(40, 2);
  ASSERT_EQ(WriteFile(kSwitch, "0"), 0);
  ExpectNoticedAndResynced(kSwitch);
}

// v7.3 refuses to disable ftrace (kernel/trace/ftrace.c ftrace_enable_sysctl()).
TEST_F(Silenced, Ftrace_SuspectThenResyncedWhenEnabled) {
  Map(40, 2);
  const int error = WriteFile(kFtrace, "0");
  if (error == EOPNOTSUPP) {
    const uint64_t failures = Failures();
    Map(8, 4);
    Protect(9, 1, PROT_READ);
    EXPECT_FALSE(WaitFor([&] { return Mm().health != SVMA_CLEAN; }, 500));
    EXPECT_EQ(Failures(), failures);
    return;
  }
  ASSERT_EQ(error, 0);
  ExpectNoticedAndResynced(kFtrace);
}

// The calls' own probes still fire, and see no steps.
TEST_F(Silenced, FtraceBeforeItIsNoticed_NoFalseDivergence) {
  Map(40, 2);
  for (int i = 0; i < 20; i++) {
    if (WriteFile(kFtrace, "0") == EOPNOTSUPP) return;
    const uint64_t seen = Hits("__do_sys_brk");
    MixedCalls();
    EXPECT_GE(Hits("__do_sys_brk"), seen + 3);
    EXPECT_EQ(Mm().health, static_cast<uint32_t>(SVMA_SUSPECT));
    ASSERT_EQ(WriteFile(kFtrace, "1"), 0);
    EXPECT_TRUE(WaitFor([&] { return Mm().health == SVMA_CLEAN; }, 2000));
    Check("resync");
  }
}

// Nor when they are off for so short a time that nobody has asked, and no canary has been called.
TEST_F(Silenced, OffForAMoment_NoFalseDivergence) {
  Map(40, 2);
  for (const char* path : {kFtrace, kSwitch}) {
    for (int i = 0; i < 10; i++) {
      if (WriteFile(path, "0") == EOPNOTSUPP) break;
      Unseen();
      MixedCalls();
      ASSERT_EQ(WriteFile(path, "1"), 0);
      MixedCalls();
      puppet_.Syscall(SYS_munmap, {At(0), 16 * kPage});
      EXPECT_TRUE(WaitFor([&] { return Mm().health == SVMA_CLEAN; }, 2000));
      Check("resync");
    }
  }
  EXPECT_GE(Mm().counts.resyncs, 10u);
}

// Words: 1 for ftrace, else kprobes. Off, a mapping, on, as fast as it can be done.
int64_t OffAndOn(Words words) {
  const int fd = open(words[0] ? kFtrace : kSwitch, O_WRONLY | O_CLOEXEC);
  if (write(fd, "0", 1) != 1) return errno;
  mmap(reinterpret_cast<void*>(kArena), 4 * kPage, PROT_READ,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (pwrite(fd, "1", 1, 0) != 1) return -1;
  close(fd);
  return 0;
}

// Nor is a shadow called clean that lost something then, though nothing has happened since.
TEST_F(Silenced, OffForAMoment_NotCleanUntilLoadedAgain) {
  for (const uint64_t ftrace : {1, 0}) {
    for (int i = 0; i < 10; i++) {
      const uint64_t missed = device_.Stats(0).counts.missed;
      const int64_t answer = puppet_.Run(OffAndOn, {ftrace}).value;
      if (answer == EOPNOTSUPP) break;
      ASSERT_EQ(answer, 0);
      const bool clean = Mm().health == SVMA_CLEAN;
      const std::string difference = Difference(device_.Snapshot(id_), ProcMaps(puppet_.pid()));
      EXPECT_TRUE(!clean || difference.empty()) << difference;
      EXPECT_TRUE(WaitFor([&] { return Mm().health == SVMA_CLEAN; }, 2000));
      EXPECT_GT(device_.Stats(0).counts.missed, missed);
      puppet_.Syscall(SYS_munmap, {At(0), 16 * kPage});
      Check("resync");
    }
  }
  EXPECT_GE(Mm().counts.resyncs, 10u);
}

// A check during which that happens must not pass.
TEST_F(Silenced, Ftrace_CheckFails) {
  // Without the stream of answers, whose probes would not let v5.10 disable ftrace.
  const char command[] =
      "/opt/svma/bin/svma check --no-stream -- sleep 3 >/tmp/silenced.log 2>&1; "
      "echo $? >/tmp/silenced";
  unlink("/tmp/silenced");
  const pid_t pid = Spawn({"bash", "-c", command});
  EXPECT_TRUE(WaitFor([&] { return device_.List(0).size() == 2; }, 10000));
  const int error = WriteFile(kFtrace, "0");
  if (error == EOPNOTSUPP) {
    Reap(pid);
    EXPECT_EQ(ReadFile("/tmp/silenced"), "0\n") << ReadFile("/tmp/silenced.log");
    return;
  }
  EXPECT_EQ(error, 0);
  EXPECT_FALSE(WaitFor([&] { return Mm().health != SVMA_SUSPECT; }, 500));
  EXPECT_EQ(WriteFile(kFtrace, "1"), 0);
  Reap(pid);
  // On a slow machine it may not have come to compare anything before, and says so.
  const std::string log = ReadFile("/tmp/silenced.log");
  const bool compared = log.find("nothing was compared") == std::string::npos;
  EXPECT_EQ(ReadFile("/tmp/silenced"), compared ? "1\n" : "2\n") << log;
  if (compared) {
    EXPECT_NE(log.find("probe hits were missed"), std::string::npos) << log;
  }
  // What was lost is no fault of the kernel's.
  EXPECT_EQ(log.find("divergence:"), std::string::npos) << log;
}

}  // namespace
}  // namespace guest
