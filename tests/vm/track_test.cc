// SPDX-License-Identifier: GPL-2.0-only
//
// What begins to be tracked, what follows it, and what ends it.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr int kKthreadd = 2;

// The tracked mm of a process as its descriptor lists it; mm_id 0 when it is not there.
svma_mm Listed(const Device& device, int pid) {
  for (const svma_mm& mm : device.List()) {
    if (mm.pid == pid) return mm;
  }
  return {};
}

bool NothingTracked() {
  Device device;
  svma_stats stats = device.Stats(SVMA_STATS_MODULE);
  auto rmap = Argument<svma_rmap_stats>();
  return stats.tracked == 0 && stats.vmas == 0 && device.Ask(SVMA_IOC_RMAP, &rmap) == 0 &&
         rmap.anon_vmas == 0 && rmap.chain_links == 0 && rmap.files == 0;
}

int64_t ExecSleep(Words) { return execlp("sleep", "sleep", "100", nullptr); }

int64_t ForkSleeper(Words) {
  pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  return pid;
}

int64_t ForkExecSleep(Words) {
  pid_t pid = fork();
  if (pid == 0) {
    execlp("sleep", "sleep", "100", nullptr);
    _exit(127);
  }
  return pid;
}

int64_t VforkExecSleep(Words) {
  pid_t pid = vfork();
  if (pid == 0) {
    execlp("sleep", "sleep", "100", nullptr);
    _exit(127);
  }
  return pid;
}

class Track : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(WaitFor(NothingTracked)); }
  void TearDown() override {
    EXPECT_TRUE(WaitFor(NothingTracked)) << ReadFile(SVMA_DEBUGFS "/stats");
  }
};

TEST_F(Track, NoSuchPid_Esrch) {
  Device device;
  EXPECT_EQ(device.Track(4194303, 0), ESRCH);
}

TEST_F(Track, NoPidAtAll_Einval) {
  Device device;
  EXPECT_EQ(device.Track(0, 0), EINVAL);
  EXPECT_EQ(device.Track(-1, 0), EINVAL);
  EXPECT_EQ(device.Track(getpid(), SVMA_TRACK_CHILDREN), EINVAL);
}

TEST_F(Track, KernelThread_Einval) {
  Device device;
  EXPECT_EQ(device.Track(kKthreadd, 0), EINVAL);
}

TEST_F(Track, Zombie_Esrch) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
  Device device;
  EXPECT_EQ(device.Track(pid, 0), ESRCH);
  Reap(pid);
  EXPECT_EQ(device.Track(pid, 0), ESRCH);
}

TEST_F(Track, ExitsAtOnce_TrackedOrEsrch) {
  Device device;
  for (int i = 0; i < 100; i++) {
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    int error = device.Track(pid, SVMA_TRACK_DESCENDANTS);
    EXPECT_TRUE(error == 0 || error == ESRCH) << strerror(error);
    Reap(pid);
  }
  EXPECT_TRUE(WaitFor([&] { return device.List().empty(); }));
  EXPECT_EQ(device.Stats(0).counts.divergent, 0u);
}

TEST_F(Track, AlreadyTracked_Ebusy) {
  Puppet puppet;
  Device device, other;
  EXPECT_EQ(device.Track(puppet.pid(), 0), 0);
  EXPECT_EQ(device.Track(puppet.pid(), 0), EBUSY);
  EXPECT_EQ(other.Track(puppet.pid(), 0), EBUSY);
  EXPECT_EQ(other.Untrack(puppet.pid()), ENOENT);
  EXPECT_EQ(device.Untrack(puppet.pid()), 0);
  EXPECT_EQ(other.Track(puppet.pid(), 0), 0);
}

TEST_F(Track, NotTracked_UntrackEnoent) {
  Puppet puppet;
  Device device;
  uint64_t id = 0;
  EXPECT_EQ(device.Untrack(puppet.pid()), ENOENT);
  EXPECT_EQ(device.Untrack(4194303), ENOENT);
  EXPECT_EQ(device.Untrack(0, 1ull << 50), ENOENT);
  EXPECT_EQ(device.Track(puppet.pid(), 0, &id), 0);
  EXPECT_EQ(device.Untrack(0, id), 0);
  EXPECT_EQ(device.Untrack(0, id), ENOENT);
}

TEST_F(Track, Ids_NeverReused) {
  Puppet puppet;
  Device device;
  uint64_t before = 0;
  for (int i = 0; i < 20; i++) {
    uint64_t id = 0;
    ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
    EXPECT_GT(id, before);
    before = id;
    ASSERT_EQ(device.Untrack(0, id), 0);
  }
}

TEST_F(Track, Children_ExecIsFollowedFromEmpty) {
  const std::string kSleeping = std::to_string(SYS_clock_nanosleep) + " ";
  Device device;
  ASSERT_EQ(device.Track(0, SVMA_TRACK_CHILDREN), 0);
  pid_t pid = Spawn({"/usr/bin/sleep", "100"});
  svma_mm mm{};
  EXPECT_TRUE(WaitFor(
      [&] {
        mm = Listed(device, pid);
        return mm.mm_id && mm.health == SVMA_CLEAN && std::string(mm.comm) == "sleep";
      },
      10'000));
  EXPECT_EQ(mm.flags, SVMA_MM_FROM_EXEC | SVMA_MM_OWNED);
  EXPECT_EQ(mm.counts.by_operation[SVMA_OP_EXEC], 1u);
  EXPECT_TRUE(WaitFor([&] {
    return Difference(device.Snapshot(mm.mm_id), ProcMaps(pid)).empty() &&
           ReadFile("/proc/" + std::to_string(pid) + "/syscall").starts_with(kSleeping);
  })) << Difference(device.Snapshot(mm.mm_id), ProcMaps(pid));
  KillAndReap(pid);
  EXPECT_TRUE(WaitFor([&] { return device.List().empty(); }));
  svma_stats stats = device.Stats(0);
  EXPECT_EQ(stats.counts.divergent, 0u);
  EXPECT_EQ(stats.counts.unmodelled, 0u);
  EXPECT_EQ(stats.counts.missed, 0u);
  EXPECT_EQ(stats.tracked_ever, 1u);
}

TEST_F(Track, Children_WithDescendants_PipelineIsClean) {
  Device device;
  ASSERT_EQ(device.Track(0, SVMA_TRACK_CHILDREN | SVMA_TRACK_DESCENDANTS), 0);
  Reap(Spawn(
      {"bash", "-c", "for i in 1 2 3; do ls -l /usr/bin | sort | tail -n 1 >/dev/null; done"}));
  Reap(Spawn({"python3", "-c", "import json, threading; x = [b'.' * 4096 for _ in range(9999)]"}));
  EXPECT_TRUE(WaitFor([&] { return device.List().empty(); }));
  svma_stats stats = device.Stats(0);
  EXPECT_GT(stats.tracked_ever, 10u);
  EXPECT_GT(stats.counts.operations, 500u);
  EXPECT_EQ(stats.counts.divergent, 0u);
  EXPECT_EQ(stats.counts.unmodelled, 0u);
  EXPECT_EQ(stats.counts.missed, 0u);
  for (const svma_divergence& report : device.Divergences()) {
    ADD_FAILURE() << report.comm << ": operation " << report.operation << " field " << report.field
                  << std::hex << " args " << report.args[0] << " " << report.args[1] << " "
                  << report.args[2] << " predicted " << report.predicted.start << "-"
                  << report.predicted.end << " observed " << report.observed.start << "-"
                  << report.observed.end << std::dec << " values " << report.predicted_value << " "
                  << report.observed_value;
  }
}

TEST_F(Track, RunningProgram_CommAndPidAreItsOwn) {
  Device device;
  pid_t pid = Spawn({"/usr/bin/sleep", "100"});
  std::string comm = "/proc/" + std::to_string(pid) + "/comm";
  ASSERT_TRUE(WaitFor([&] { return ReadFile(comm) == "sleep\n"; }));
  uint64_t id = 0;
  ASSERT_EQ(device.Track(pid, 0, &id), 0);
  svma_mm mm;
  ASSERT_EQ(device.Mm(0, id, &mm), 0);
  EXPECT_STREQ(mm.comm, "sleep");
  EXPECT_EQ(mm.pid, pid);
  EXPECT_EQ(mm.flags, SVMA_MM_OWNED);
  KillAndReap(pid);
}

TEST_F(Track, Children_ExecFails_NothingStaysTracked) {
  Device device;
  ASSERT_EQ(device.Track(0, SVMA_TRACK_CHILDREN), 0);
  Reap(Spawn({"/no/such/program"}));
  Reap(Spawn({"/etc/passwd"}));
  EXPECT_TRUE(WaitFor([&] { return device.List().empty(); }));
  EXPECT_EQ(device.Stats(0).counts.divergent, 0u);
  EXPECT_EQ(device.Stats(0).counts.missed, 0u);
}

TEST_F(Track, OwnExecFails_OldMmStaysClean) {
  Puppet puppet;
  Device device;
  uint64_t id = 0;
  ASSERT_EQ(device.Track(puppet.pid(), SVMA_TRACK_DESCENDANTS, &id), 0);
  for (const char* path : {"/no/such/program", "/etc/passwd"}) {
    static const char* const words[] = {"program", nullptr};
    Answer answer = puppet.Syscall(
        SYS_execve, {reinterpret_cast<uint64_t>(path), reinterpret_cast<uint64_t>(words), 0});
    EXPECT_EQ(answer.value, -1);
    EXPECT_TRUE(WaitFor([&] { return device.List().size() == 1; }));
  }
  svma_mm mm = Listed(device, puppet.pid());
  EXPECT_EQ(mm.mm_id, id);
  EXPECT_EQ(mm.health, static_cast<uint32_t>(SVMA_CLEAN));
  EXPECT_EQ(Difference(device.Snapshot(id), ProcMaps(puppet.pid())), "");
  EXPECT_EQ(device.Stats(0).counts.divergent, 0u);
}

TEST_F(Track, Children_OfSomebodyElse_NotFollowed) {
  Puppet puppet;
  Device device;
  ASSERT_EQ(device.Track(0, SVMA_TRACK_CHILDREN), 0);
  int pid = puppet.Run(ForkExecSleep).value;
  ASSERT_GT(pid, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(Listed(device, pid).mm_id, 0u);
  kill(pid, SIGKILL);
}

TEST_F(Track, Descendants_ForkVforkExec_Followed) {
  Puppet puppet;
  Device device;
  ASSERT_EQ(device.Track(puppet.pid(), SVMA_TRACK_DESCENDANTS), 0);
  const struct {
    int64_t (*function)(Words);
    uint32_t from_exec;
    const char* name;
  } kWays[] = {{ForkSleeper, 0, "fork"},
               {ForkExecSleep, SVMA_MM_FROM_EXEC, "fork and exec"},
               {VforkExecSleep, SVMA_MM_FROM_EXEC, "vfork and exec"}};
  for (const auto& way : kWays) {
    SCOPED_TRACE(way.name);
    int pid = puppet.Run(way.function).value;
    ASSERT_GT(pid, 0);
    svma_mm mm{};
    EXPECT_TRUE(WaitFor([&] {
      mm = Listed(device, pid);
      return mm.mm_id && mm.health == SVMA_CLEAN && (mm.flags & SVMA_MM_FROM_EXEC) == way.from_exec;
    })) << "flags "
        << mm.flags << " health " << mm.health;
    EXPECT_TRUE(mm.flags & SVMA_MM_DESCENDANTS);
    EXPECT_TRUE(
        WaitFor([&] { return Difference(device.Snapshot(mm.mm_id), ProcMaps(pid)).empty(); }));
    EXPECT_EQ(TreeFault(device.Snapshot(mm.mm_id)), "");
    kill(pid, SIGKILL);
    EXPECT_TRUE(WaitFor([&] { return Listed(device, pid).mm_id == 0; }));
  }
  svma_stats stats = device.Stats(0);
  EXPECT_EQ(stats.counts.divergent, 0u);
  EXPECT_EQ(stats.counts.unmodelled, 0u);
  EXPECT_EQ(stats.counts.missed, 0u);
}

TEST_F(Track, NoDescendants_ForkVforkExec_NotFollowed) {
  Puppet puppet;
  Device device;
  ASSERT_EQ(device.Track(puppet.pid(), 0), 0);
  for (auto function : {ForkSleeper, ForkExecSleep, VforkExecSleep}) {
    int pid = puppet.Run(function).value;
    ASSERT_GT(pid, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(device.List().size(), 1u);
    kill(pid, SIGKILL);
  }
  svma_mm mm = Listed(device, puppet.pid());
  EXPECT_EQ(mm.health, static_cast<uint32_t>(SVMA_CLEAN));
  EXPECT_EQ(mm.counts.divergent, 0u);
}

TEST_F(Track, OwnExec_WithoutDescendants_FollowedAsNewMm) {
  Puppet puppet;
  Device device;
  uint64_t id = 0;
  ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
  puppet.Send(ExecSleep);
  svma_mm mm{};
  EXPECT_TRUE(WaitFor([&] {
    mm = Listed(device, puppet.pid());
    return mm.mm_id > id && mm.health == SVMA_CLEAN;
  }));
  EXPECT_TRUE(mm.flags & SVMA_MM_FROM_EXEC);
  EXPECT_TRUE(WaitFor([&] { return device.List().size() == 1; }));
  EXPECT_TRUE(WaitFor(
      [&] { return Difference(device.Snapshot(mm.mm_id), ProcMaps(puppet.pid())).empty(); }));
}

TEST_F(Track, DescriptorClosed_EverythingUntracked) {
  Puppet one, two;
  Device device, observer;
  ASSERT_EQ(device.Track(one.pid(), SVMA_TRACK_DESCENDANTS), 0);
  ASSERT_EQ(device.Track(two.pid(), SVMA_TRACK_DESCENDANTS), 0);
  int pid = one.Run(ForkSleeper).value;
  EXPECT_TRUE(WaitFor([&] { return observer.Stats(SVMA_STATS_MODULE).tracked == 3; }));
  EXPECT_GT(observer.Stats(SVMA_STATS_MODULE).vmas, 0u);
  device.Close();
  EXPECT_TRUE(WaitFor([&] {
    svma_stats stats = observer.Stats(SVMA_STATS_MODULE);
    return stats.tracked == 0 && stats.vmas == 0;
  }));
  kill(pid, SIGKILL);
}

TEST_F(Track, HolderKilled_NothingStaysTracked) {
  Puppet puppet;
  Device observer;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t holder = fork();
  if (holder == 0) {
    Device device;
    char error = device.Track(puppet.pid(), SVMA_TRACK_DESCENDANTS);
    if (write(ready[1], &error, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char error = 1;
  EXPECT_EQ(read(ready[0], &error, 1), 1);
  EXPECT_EQ(error, 0);
  EXPECT_EQ(observer.Stats(SVMA_STATS_MODULE).tracked, 1u);
  KillAndReap(holder);
  EXPECT_TRUE(WaitFor([&] { return observer.Stats(SVMA_STATS_MODULE).tracked == 0; }));
  EXPECT_EQ(observer.Track(puppet.pid(), 0), 0);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(Track, List_MineOnly_LeavesOthersOut) {
  Puppet one, two;
  Device device, other;
  ASSERT_EQ(device.Track(one.pid(), 0), 0);
  ASSERT_EQ(other.Track(two.pid(), 0), 0);
  EXPECT_EQ(device.List(SVMA_LIST_MINE).size(), 1u);
  EXPECT_EQ(device.List(0).size(), 2u);
  for (const svma_mm& mm : device.List(0)) {
    EXPECT_EQ(bool(mm.flags & SVMA_MM_OWNED), mm.pid == one.pid());
  }
}

class MemoryCap : public Tracee {
 protected:
  Setting cap_{"/sys/module/svma/parameters/memory_cap_mb"};
};

TEST_F(MemoryCap, Reached_TrackEnospcAndTrackedStaysClean) {
  ASSERT_EQ(cap_.Set("1"), 0);
  Puppet other;
  EXPECT_EQ(device_.Track(other.pid(), 0), ENOSPC);
  EXPECT_EQ(device_.Stats(0).memory_cap, 1u << 20);
  for (uint64_t i = 0; i < 100; i++) Map(2 * i, 1, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
  for (uint64_t i = 0; i < 100; i += 3) Unmap(2 * i, 1);
  EXPECT_EQ(device_.Stats(0).pool_empty, 0u);
  ASSERT_EQ(cap_.PutBack(), 0);
  EXPECT_EQ(device_.Track(other.pid(), 0), 0);
}

class Poll : public Tracee {
 protected:
  bool Readable(int milliseconds) {
    pollfd ask{device_.fd(), POLLIN, 0};
    return poll(&ask, 1, milliseconds) == 1 && ask.revents & POLLIN;
  }
};

TEST_F(Poll, BurstOfOperations_ReadableUntilList) {
  device_.List();
  EXPECT_FALSE(Readable(0));
  for (uint64_t i = 0; i < 100; i++) {
    puppet_.Syscall(
        SYS_mmap, {At(2 * i), kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ull, 0});
  }
  EXPECT_TRUE(Readable(1000));
  device_.List();
  EXPECT_FALSE(Readable(0));
}

TEST_F(Poll, SetChanged_Readable) {
  device_.List();
  EXPECT_FALSE(Readable(0));
  puppet_.Kill();
  EXPECT_TRUE(Readable(2000));
}

}  // namespace
}  // namespace guest
