// SPDX-License-Identifier: GPL-2.0-only
//
// The probe table, and what happens when somebody takes the probes away.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "tracee.hpp"

namespace guest {
namespace {

const char kSwitch[] = "/sys/kernel/debug/kprobes/enabled";

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

TEST_F(Probes, Disarmed_SuspectThenResyncedWhenArmed) {
  uint64_t failures = device_.Stats(SVMA_STATS_MODULE).canary_failures;
  ASSERT_EQ(WriteFile(kSwitch, "0"), 0);
  EXPECT_TRUE(WaitFor([&] { return Mm().health != SVMA_CLEAN; }, 1000));
  EXPECT_EQ(Mm().health, static_cast<uint32_t>(SVMA_SUSPECT));
  // Unseen.
  puppet_.Syscall(SYS_mmap, {At(0), 4 * kPage, PROT_READ,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ull, 0});
  puppet_.Syscall(SYS_munmap, {At(1), kPage});
  EXPECT_GT(device_.Stats(SVMA_STATS_MODULE).canary_failures, failures);
  ASSERT_EQ(WriteFile(kSwitch, "1"), 0);
  EXPECT_TRUE(WaitFor([&] { return Mm().health == SVMA_CLEAN; }, 2000));
  EXPECT_GE(Mm().counts.resyncs, 1u);
  EXPECT_GE(device_.Stats(0).counts.missed, 1u);
  Check("resync");
  Map(8, 4);
  Protect(9, 1, PROT_READ);
  Unmap(0, 16);
}

}  // namespace
}  // namespace guest
