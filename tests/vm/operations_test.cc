// SPDX-License-Identifier: GPL-2.0-only
//
// Each system call that changes a layout, in a tracked process: after every step the shadow must be
// what /proc/PID/maps shows, and the module must have predicted it.
//
// The pictures show pages of the arena, A and B being different VMAs and a blank none.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

class Mmap : public Tracee {};
class Munmap : public Tracee {};
class Brk : public Tracee {};
class Mprotect : public Tracee {};
class Mlock : public Tracee {};
class Madvise : public Tracee {};
class Mremap : public Tracee {};
class Stack : public Tracee {};
class Special : public Tracee {};
class Failing : public Tracee {};
class Threads : public Tracee {};
class Forked : public Tracee {
 protected:
  Forked() : Tracee(SVMA_TRACK_DESCENDANTS) {}
};

int64_t OpenTemporary(Words words) {
  char name[] = "/tmp/svma-guest-XXXXXX";
  int fd = mkstemp(name);
  if (fd < 0 || unlink(name) || ftruncate(fd, words[0])) return -1;
  return fd;
}

// --- mmap

TEST_F(Mmap, AnonymousChosenByKernel_Layout_Equal) {
  for (uint64_t pages : {1, 3, 700}) {
    Do("mmap", SYS_mmap, {0, pages * kPage, kReadWrite, kPrivate, ~0ull, 0});
  }
}

// With five levels of page tables whoever names a place there gets one there, by any search.
TEST_F(Mmap, HintAboveTheLower47Bits_SearchedAsFarUp) {
  constexpr uint64_t kHigh = uint64_t{1} << 50;
  const bool five = ReadFile("/proc/cpuinfo").find(" la57") != std::string::npos;
  const auto is_high = [](int64_t address) { return (address >> 47) != 0; };
  const int64_t first = Do("a hint", SYS_mmap, {kHigh, kPage, kReadWrite, kPrivate, ~0ull, 0});
  EXPECT_EQ(is_high(first), five);
  if (five) {
    EXPECT_EQ(first, static_cast<int64_t>(kHigh));
  }
  const int64_t second =
      Do("a taken hint", SYS_mmap, {kHigh, 2 * kPage, kReadWrite, kPrivate, ~0ull, 0});
  EXPECT_EQ(is_high(second), five);
  if (five) {  // else it is above TASK_SIZE, which mremap() refuses
    const int64_t moved = Do("a taken hint of mremap", SYS_mremap,
                             {static_cast<uint64_t>(second), 2 * kPage, 2 * kPage,
                              MREMAP_MAYMOVE | MREMAP_DONTUNMAP, kHigh});
    EXPECT_TRUE(is_high(moved));
  }
  EXPECT_FALSE(is_high(Do("no hint", SYS_mmap, {0, kPage, kReadWrite, kPrivate, ~0ull, 0})));
}

TEST_F(Mmap, Adjacent_SameKind_Merge) {
  Map(0, 2);  // AA
  Map(2, 2);  // AAAA
  EXPECT_EQ(ArenaVmas(), 1u);
  Map(6, 2);  // AAAA  BB
  EXPECT_EQ(ArenaVmas(), 2u);
  Map(4, 2);  // AAAAAAAA
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mmap, Adjacent_BeforeAndTouched_Merge) {
  Map(4, 2);
  Touch(4, 1);
  Map(2, 2);
  Touch(2, 2);
  Map(8, 2);
  Touch(8, 2);
  Map(6, 2);
}

TEST_F(Mmap, BetweenOtherKinds_NoMerge) {
  Map(0, 2, PROT_READ);
  Map(4, 2, PROT_READ | PROT_EXEC);
  Map(2, 2, kReadWrite);
  EXPECT_EQ(ArenaVmas(), 3u);
}

TEST_F(Mmap, FixedOverSeveral_Replaced) {
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Map(10, 4);
  Touch(0, 4);
  Map(2, 10, PROT_NONE, kPrivate | MAP_FIXED);  // A BBBBBBBBBB C
  EXPECT_EQ(ArenaVmas(), 3u);
  Map(0, 14, kReadWrite, kPrivate | MAP_FIXED);
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mmap, File_PrivateAndShared_MergeByOffset) {
  int fd = puppet_.Run(OpenTemporary, {16 * kPage}).value;
  ASSERT_GE(fd, 0);
  Map(0, 2, kReadWrite, MAP_PRIVATE, fd, 0);
  Map(2, 2, kReadWrite, MAP_PRIVATE, fd, 2);  // continues the file
  EXPECT_EQ(ArenaVmas(), 1u);
  Map(4, 2, kReadWrite, MAP_PRIVATE, fd, 8);  // does not
  EXPECT_EQ(ArenaVmas(), 2u);
  Map(6, 2, kReadWrite, MAP_SHARED, fd, 10);
  Map(8, 2, kReadWrite, MAP_SHARED, fd, 12);
  EXPECT_EQ(ArenaVmas(), 3u);
  Touch(0, 10);
  Unmap(1, 1);
  Map(1, 1, kReadWrite, MAP_PRIVATE, fd, 1);
  Do("close", SYS_close, {static_cast<uint64_t>(fd)});
  Unmap(0, 10);
}

TEST_F(Mmap, SharedReadOnlyFile_Layout_Equal) {
  int fd = puppet_.Syscall(SYS_open, {reinterpret_cast<uint64_t>("/bin/bash"), O_RDONLY}).value;
  ASSERT_GE(fd, 0);
  Map(0, 4, PROT_READ, MAP_SHARED, fd, 1);
  Map(4, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 5);
  Protect(5, 1, PROT_READ);
}

TEST_F(Mmap, SharedAnonymous_EachItsOwnFile) {
  Map(0, 2, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  Map(2, 2, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  EXPECT_EQ(ArenaVmas(), 2u);
  Touch(0, 4);
  Unmap(1, 2);
}

TEST_F(Mmap, Flags_NoreserveLockedStackGrowsdown_Equal) {
  Map(0, 4, kReadWrite, kPrivate | MAP_NORESERVE);
  Map(4, 4, kReadWrite, kPrivate);
  Map(8, 4, kReadWrite, kPrivate | MAP_LOCKED);
  Map(12, 4, kReadWrite, kPrivate | MAP_POPULATE);
  Map(16, 4, kReadWrite, kPrivate | MAP_STACK);
  Map(2000, 4, kReadWrite, kPrivate | MAP_GROWSDOWN);
}

TEST_F(Mmap, DevZeroPrivate_Layout_Equal) {
  int fd = puppet_.Syscall(SYS_open, {reinterpret_cast<uint64_t>("/dev/zero"), O_RDWR}).value;
  ASSERT_GE(fd, 0);
  Map(0, 4, kReadWrite, MAP_PRIVATE, fd, 0);
  Map(4, 4, kReadWrite, MAP_PRIVATE, fd, 4);
  Touch(0, 8);
  Map(8, 4, kReadWrite, MAP_SHARED, fd, 0);
  Protect(2, 2, PROT_READ);
  Protect(2, 2, kReadWrite);
  Unmap(1, 4);
  Do("mremap", SYS_mremap, {At(8), 4 * kPage, 2 * kPage, 0});
}

TEST_F(Mmap, Memfd_Layout_Equal) {
  int fd = puppet_.Syscall(SYS_memfd_create, {reinterpret_cast<uint64_t>("svma"), 0}).value;
  ASSERT_GE(fd, 0);
  ASSERT_EQ(puppet_.Syscall(SYS_ftruncate, {static_cast<uint64_t>(fd), 16 * kPage}).value, 0);
  Map(0, 4, kReadWrite, MAP_SHARED, fd, 0);
  Map(4, 4, kReadWrite, MAP_SHARED, fd, 4);
  EXPECT_EQ(ArenaVmas(), 1u);
  Touch(0, 8);
  Unmap(3, 2);
}

// --- munmap

TEST_F(Munmap, HeadMiddleTail_Layout_Equal) {
  Map(0, 16);
  Unmap(0, 2);
  Unmap(14, 2);
  Unmap(6, 4);
  EXPECT_EQ(ArenaVmas(), 2u);
  Unmap(2, 4);
  Unmap(10, 4);
  EXPECT_EQ(ArenaVmas(), 0u);
}

TEST_F(Munmap, Touched_MiddleThenRefilled_Merges) {
  Map(0, 9);
  Touch(0, 9);
  Unmap(3, 3);
  Map(3, 3);
  Touch(3, 3);
  Unmap(0, 9);
}

TEST_F(Munmap, Several_WithHolesAndParts_Gone) {
  for (int i = 0; i < 8; i++) Map(4 * i, 3, i % 2 ? PROT_READ : kReadWrite);
  Unmap(1, 28);
  EXPECT_EQ(ArenaVmas(), 2u);
  Unmap(0, 64);
  EXPECT_EQ(ArenaVmas(), 0u);
}

TEST_F(Munmap, Nothing_Succeeds) { Unmap(100, 100); }

// --- brk

TEST_F(Brk, GrowShrink_Layout_Equal) {
  uint64_t top = Do("brk 0", SYS_brk, {0});
  Do("grow", SYS_brk, {top + 10 * kPage});
  Do("grow more", SYS_brk, {top + 100 * kPage + 17});
  Do("shrink", SYS_brk, {top + 50 * kPage});
  Do("shrink", SYS_brk, {top + 5});
  Do("grow", SYS_brk, {top + 20 * kPage});
  Do("all back", SYS_brk, {top});
}

TEST_F(Brk, OntoAnotherMapping_Refused) {
  uint64_t top = Do("brk 0", SYS_brk, {0});
  uint64_t page = (top + kPage - 1) & ~(kPage - 1);
  Do("obstacle", SYS_mmap,
     {page + 4 * kPage, kPage, PROT_READ, kPrivate | MAP_FIXED_NOREPLACE, ~0ull, 0});
  EXPECT_EQ(static_cast<uint64_t>(Do("brk", SYS_brk, {page + 16 * kPage})), top);
}

TEST_F(Brk, PartOfHeapProtected_NewVmaNextToIt) {
  uint64_t top = Do("brk 0", SYS_brk, {0});
  uint64_t page = (top + kPage - 1) & ~(kPage - 1);
  Do("grow", SYS_brk, {page + 8 * kPage});
  Do("mprotect", SYS_mprotect, {page + 6 * kPage, 2 * kPage, PROT_READ});
  Do("grow", SYS_brk, {page + 16 * kPage});
  Do("shrink over both", SYS_brk, {page + kPage});
}

TEST_F(Brk, Refused_EndStaysWhereItWas) {
  const uint64_t top = Do("brk 0", SYS_brk, {0});
  Do("grow", SYS_brk, {top + 8 * kPage});
  const uint64_t heap = top + 8 * kPage;
  EXPECT_EQ(static_cast<uint64_t>(Do("below its start", SYS_brk, {kPage})), heap);
  EXPECT_EQ(static_cast<uint64_t>(Do("beyond the user's half", SYS_brk, {1ull << 47})), heap);
  EXPECT_EQ(static_cast<uint64_t>(Do("wraps around", SYS_brk, {~0ull})), heap);
  EXPECT_EQ(static_cast<uint64_t>(Do("within its page", SYS_brk, {heap - 5})), heap - 5);
  const rlimit limit{16 * kPage, RLIM_INFINITY};
  rlimit before{};
  ASSERT_EQ(prlimit(puppet_.pid(), RLIMIT_DATA, &limit, &before), 0);
  EXPECT_EQ(static_cast<uint64_t>(Do("over RLIMIT_DATA", SYS_brk, {heap + 64 * kPage})), heap - 5);
  ASSERT_EQ(prlimit(puppet_.pid(), RLIMIT_DATA, &before, nullptr), 0);
  const uint64_t page = (heap + kPage - 1) & ~(kPage - 1);
  Do("hole", SYS_munmap, {page - 2 * kPage, 2 * kPage});
  const bool refused = Choice("brk_shrinks_only_vmas") == "yes";
  EXPECT_EQ(static_cast<uint64_t>(Do("shrink over a hole", SYS_brk, {page - 2 * kPage})),
            refused ? heap - 5 : page - 2 * kPage);
  Do("shrink", SYS_brk, {page - 3 * kPage});
}

// Nobody tells the module of this one, and it takes no lock that the module sees.
TEST_F(Brk, MovedByPrctl_NextCallFollows) {
  const uint64_t top = Do("brk 0", SYS_brk, {0});
  Do("grow", SYS_brk, {top + 8 * kPage});
  Do("PR_SET_MM_BRK", SYS_prctl, {PR_SET_MM, PR_SET_MM_BRK, top + 6 * kPage, 0, 0});
  EXPECT_EQ(static_cast<uint64_t>(Do("brk 0", SYS_brk, {0})), top + 6 * kPage);
  Do("shrink", SYS_brk, {top + 2 * kPage});
}

// --- mprotect

TEST_F(Mprotect, MiddleHeadTailAndBack_MergesAgain) {
  Map(0, 12);
  Protect(4, 4, PROT_READ);
  EXPECT_EQ(ArenaVmas(), 3u);
  Protect(4, 4, kReadWrite);
  EXPECT_EQ(ArenaVmas(), 1u);
  Protect(0, 4, PROT_NONE);
  Protect(0, 4, kReadWrite);
  Protect(8, 4, PROT_READ | PROT_EXEC);
  Protect(8, 4, kReadWrite);
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mprotect, TouchedParts_Layout_Equal) {
  Map(0, 12);
  Touch(0, 12);
  Protect(4, 4, PROT_READ);
  Protect(2, 4, PROT_READ);  // boundary moves
  Protect(4, 6, kReadWrite);
  Protect(0, 12, PROT_NONE);
  Protect(0, 12, kReadWrite);
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mprotect, UntouchedSplitThenTouched_MergesAgain) {
  Map(0, 12);
  Protect(4, 4, PROT_READ);
  Touch(0, 4);
  Touch(8, 4);
  Protect(4, 4, kReadWrite);
  Touch(4, 4);
  Protect(0, 12, PROT_READ);
}

TEST_F(Mprotect, AcrossSeveral_Layout_Equal) {
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Map(8, 4, PROT_NONE);
  Map(12, 4, PROT_READ | PROT_EXEC);
  Protect(2, 12, PROT_READ);
  Protect(0, 16, kReadWrite);
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mprotect, NoneToWritable_ChargedAndKept) {
  Map(0, 8, PROT_NONE);
  Protect(2, 4, kReadWrite);
  Touch(2, 4);
  Protect(2, 4, PROT_NONE);  // VM_ACCOUNT stays: no merge
  EXPECT_EQ(ArenaVmas(), 3u);
}

TEST_F(Mprotect, GrowsDown_Layout_Equal) {
  Map(1000, 4, kReadWrite, kPrivate | MAP_GROWSDOWN);
  Do("mprotect", SYS_mprotect, {At(1002), kPage, PROT_READ | PROT_GROWSDOWN});
}

// --- mlock

TEST_F(Mlock, PartsAndBack_Layout_Equal) {
  Map(0, 12);
  Do("mlock", SYS_mlock, {At(4), 4 * kPage});
  EXPECT_EQ(ArenaVmas(), 3u);
  Do("mlock again", SYS_mlock, {At(4), 4 * kPage});
  Do("mlock head", SYS_mlock, {At(0), 4 * kPage});
  // The tail was never touched: a VMA that has an anon_vma does not merge with one behind it that
  // has none, unless it may bring its own.
  Do("munlock all", SYS_munlock, {At(0), 12 * kPage});
  EXPECT_EQ(ArenaVmas(), Choice("merge_takes_anon_vma_of_range") == "yes" ? 1u : 2u);
  Do("mlock2 ONFAULT", SYS_mlock2, {At(2), 4 * kPage, 1});
  Do("mlock over it", SYS_mlock, {At(0), 12 * kPage});
  Protect(3, 2, PROT_READ);
  Unmap(2, 4);
  Do("munlock", SYS_munlock, {At(0), 2 * kPage});
}

TEST_F(Mlock, Mlockall_CurrentFutureAndBack_Equal) {
  Map(0, 4);
  Do("mlockall current", SYS_mlockall, {MCL_CURRENT});
  Map(8, 4);
  Do("mlockall future", SYS_mlockall, {MCL_FUTURE});
  Map(16, 4);
  Do("brk", SYS_brk, {Do("brk 0", SYS_brk, {0}) + 8 * kPage});
  Do("mlockall current, on fault", SYS_mlockall, {MCL_CURRENT | MCL_FUTURE | 4});
  Map(24, 4);
  Do("munlockall", SYS_munlockall, {});
  Map(32, 4);
}

// --- madvise, mbind, userfaultfd

TEST_F(Madvise, EveryAdvice_OnPartAndBack_Equal) {
  const struct {
    const char* name;
    uint64_t on, off;
  } kAdvice[] = {{"DONTFORK", MADV_DONTFORK, MADV_DOFORK},
                 {"DONTDUMP", MADV_DONTDUMP, MADV_DODUMP},
                 {"HUGEPAGE", MADV_HUGEPAGE, MADV_NOHUGEPAGE},
                 {"NOHUGEPAGE", MADV_NOHUGEPAGE, MADV_HUGEPAGE},
                 {"SEQUENTIAL", MADV_SEQUENTIAL, MADV_NORMAL},
                 {"RANDOM", MADV_RANDOM, MADV_NORMAL},
                 {"WIPEONFORK", MADV_WIPEONFORK, MADV_KEEPONFORK},
                 {"DONTNEED", MADV_DONTNEED, MADV_DONTNEED},
                 {"WILLNEED", MADV_WILLNEED, MADV_NORMAL},
                 {"FREE", MADV_FREE, MADV_FREE},
                 {"COLD", MADV_COLD, MADV_PAGEOUT},
                 {"MERGEABLE", MADV_MERGEABLE, MADV_UNMERGEABLE}};
  for (const auto& advice : kAdvice) {
    Map(0, 12);
    Touch(0, 6);
    Do(std::string(advice.name) + " middle", SYS_madvise, {At(4), 4 * kPage, advice.on});
    Do(std::string(advice.name) + " head", SYS_madvise, {At(0), 4 * kPage, advice.on});
    Do(std::string(advice.name) + " back", SYS_madvise, {At(2), 4 * kPage, advice.off});
    Do(std::string(advice.name) + " all back", SYS_madvise, {At(0), 12 * kPage, advice.off});
    Unmap(0, 12);
  }
}

TEST_F(Madvise, NamedAnonymous_Layout_Equal) {
  Map(0, 12);
  // Kernels without CONFIG_ANON_VMA_NAME refuse it.
  puppet_.Syscall(SYS_prctl, {0x53564d41, 0, At(4), 4 * kPage, reinterpret_cast<uint64_t>("svma")});
  Check("prctl ANON_NAME");
  puppet_.Syscall(SYS_prctl, {0x53564d41, 0, At(4), 4 * kPage, 0});
  Check("prctl ANON_NAME off");
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Madvise, Hole_HalfDone_Enomem) {
  Map(0, 4);
  Map(6, 4);
  Fail("DONTFORK over a hole", ENOMEM, SYS_madvise, {At(2), 6 * kPage, MADV_DONTFORK});
}

TEST_F(Special, Mbind_PartAndBack_MergesAgain) {
  static const unsigned long node0 = 1;
  uint64_t nodes = reinterpret_cast<uint64_t>(&node0);
  Map(0, 12);
  Touch(0, 12);
  Do("mbind BIND", SYS_mbind, {At(4), 4 * kPage, 2, nodes, 64, 0});
  EXPECT_EQ(ArenaVmas(), 3u);
  Do("mbind same again", SYS_mbind, {At(2), 4 * kPage, 2, nodes, 64, 0});
  Do("mbind PREFERRED", SYS_mbind, {At(6), 4 * kPage, 1, nodes, 64, 0});
  Do("mbind DEFAULT", SYS_mbind, {At(0), 12 * kPage, 0, 0, 0, 0});
  EXPECT_EQ(ArenaVmas(), 1u);
}

// The kernel does not fill in the nodes of a local policy: they are those of whatever policy had
// its memory before.
TEST_F(Special, MbindLocalInMemoryOfOtherPolicies_AreOnePolicy) {
  static const unsigned long node0 = 1, node1 = 2;
  constexpr uint64_t kDefault = 0, kPreferred = 1, kBind = 2, kLocal = 4, kRelative = 1 << 14;
  const auto before = [&](uint64_t mode, const unsigned long& nodes) {
    Do("mbind before", SYS_mbind, {At(8), kPage, mode, reinterpret_cast<uint64_t>(&nodes), 64, 0});
  };
  Map(0, 12);
  before(kBind, node0);
  Do("mbind LOCAL", SYS_mbind, {At(2), 2 * kPage, kLocal, 0, 0, 0});
  before(kBind | kRelative, node1);
  Do("mbind LOCAL", SYS_mbind, {At(4), 2 * kPage, kLocal, 0, 0, 0});
  EXPECT_EQ(ArenaVmas(), 5u);
  before(kBind | kRelative, node0);
  Do("mbind PREFERRED none", SYS_mbind, {At(6), kPage, kPreferred, 0, 0, 0});
  EXPECT_EQ(ArenaVmas(), 5u);
  before(kBind | kRelative, node1);
  Do("mbind LOCAL again", SYS_mbind, {At(2), 2 * kPage, kLocal, 0, 0, 0});
  Do("mbind DEFAULT", SYS_mbind, {At(0), 12 * kPage, kDefault, 0, 0, 0});
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Special, Mbind_HolesAndErrors_FollowFromTheLayout) {
  static const unsigned long node0 = 1, node9 = 1 << 9;
  const uint64_t nodes = reinterpret_cast<uint64_t>(&node0);
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Map(10, 4);
  Touch(0, 4);
  Do("over two", SYS_mbind, {At(2), 4 * kPage, 2, nodes, 64, 0});
  EXPECT_EQ(ArenaVmas(), 5u);
  Do("the rest joins", SYS_mbind, {At(0), 8 * kPage, 2, nodes, 64, 1 /* MPOL_MF_STRICT */});
  EXPECT_EQ(ArenaVmas(), 3u);
  Fail("hole in the middle", EFAULT, SYS_mbind, {At(6), 6 * kPage, 2, nodes, 64, 0});
  Fail("hole at the start", EFAULT, SYS_mbind, {At(8), 4 * kPage, 2, nodes, 64, 2});
  Fail("hole at the end", EFAULT, SYS_mbind, {At(12), 4 * kPage, 2, nodes, 64, 0});
  Fail("nothing but a hole", EFAULT, SYS_mbind, {At(20), kPage, 0, 0, 0, 0});
  Fail("bad flags", EINVAL, SYS_mbind, {At(0), kPage, 2, nodes, 64, 64});
  Fail("unaligned", EINVAL, SYS_mbind, {At(0) + 1, kPage, 2, nodes, 64, 0});
  Fail("no such node", EINVAL, SYS_mbind,
       {At(0), kPage, 2, reinterpret_cast<uint64_t>(&node9), 64, 0});
  Do("no length", SYS_mbind, {At(0), 0, 2, nodes, 64, 0});
  Do("default over holes", SYS_mbind, {At(0), 20 * kPage, 0, 0, 0, 0});
  EXPECT_EQ(ArenaVmas(), 3u);
}

// Linux 6.1 leaves a VMA that begins at address 0 out when the range begins behind its first page:
// kmod/core/replay/plan_mbind.cc. The call says 0, and the policy is not there.
TEST_F(Special, MbindInsideAVmaAtAddressZero_PolicyIsAsTheProfileSays) {
  const uint64_t mode = Choice("mbind_passes_vma_at_zero") == "yes" ? 0 : 2;
  Do("at 0", SYS_mmap, {0, 4 * kPage, kReadWrite, kPrivate | MAP_FIXED, ~0ull, 0});
  Run("mbind", [](Words) -> int64_t {
    const unsigned long node0 = 1;
    return syscall(SYS_mbind, kPage, kPage, 2 /* MPOL_BIND */, &node0, 64, 0);
  });
  Run("get_mempolicy",
      [](Words words) -> int64_t {
        int mode = -1;
        if (syscall(SYS_get_mempolicy, &mode, nullptr, 0, kPage, 2 /* MPOL_F_ADDR */)) return -1;
        return mode == static_cast<int>(words[0]) ? 0 : -1;
      },
      {mode});
  Do("munmap", SYS_munmap, {0, 4 * kPage});
}

TEST_F(Special, Userfaultfd_RegisterUnregister_MergesAgain) {
  int fd = puppet_.Syscall(SYS_userfaultfd, {O_CLOEXEC}).value;
  ASSERT_GE(fd, 0);
  static uffdio_api api;
  static uffdio_register range;
  auto ask = [](Words words) -> int64_t {
    api = {UFFD_API, 0, 0};
    range = {{words[1], words[2]}, UFFDIO_REGISTER_MODE_MISSING, 0};
    if (words[3] == 0) return ioctl(words[0], UFFDIO_API, &api);
    if (words[3] == 1) return ioctl(words[0], UFFDIO_REGISTER, &range);
    return ioctl(words[0], UFFDIO_UNREGISTER, &range.range);
  };
  uint64_t uffd = fd;
  Map(0, 12);
  Run("api", ask, {uffd, 0, 0, 0});
  Run("register middle", ask, {uffd, At(4), 4 * kPage, 1});
  EXPECT_EQ(ArenaVmas(), 3u);
  Run("unregister part", ask, {uffd, At(5), 1 * kPage, 2});
  Run("unregister rest", ask, {uffd, At(4), 4 * kPage, 2});
  EXPECT_EQ(ArenaVmas(), 1u);
  Run("register all", ask, {uffd, At(0), 12 * kPage, 1});
  Unmap(4, 2);
  Do("mremap", SYS_mremap, {At(6), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(40)});
  Do("close unregisters", SYS_close, {uffd});
}

TEST_F(Special, Shm_AttachDetach_Equal) {
  int64_t shm = puppet_.Syscall(SYS_shmget, {IPC_PRIVATE, 8 * kPage, IPC_CREAT | 0600}).value;
  ASSERT_GE(shm, 0);
  uint64_t id = shm;
  Do("shmat", SYS_shmat, {id, At(0), 0});
  Touch(0, 8);
  Do("shmat read only", SYS_shmat, {id, At(16), SHM_RDONLY});
  Protect(2, 2, PROT_READ);
  Do("shmdt", SYS_shmdt, {At(0)});
  Do("shmat remap", SYS_shmat, {id, At(16), SHM_REMAP});
  Do("shmdt", SYS_shmdt, {At(16)});
  Do("remove", SYS_shmctl, {id, IPC_RMID, 0});
}

TEST_F(Special, RemapFilePages_Layout_Equal) {
  int fd = puppet_.Run(OpenTemporary, {16 * kPage}).value;
  ASSERT_GE(fd, 0);
  Map(0, 8, kReadWrite, MAP_SHARED, fd, 0);
  Do("remap_file_pages", SYS_remap_file_pages, {At(2), 2 * kPage, 0, 8, 0});
  EXPECT_EQ(ArenaVmas(), 3u);
  Do("remap_file_pages back", SYS_remap_file_pages, {At(2), 2 * kPage, 0, 2, 0});
  EXPECT_EQ(ArenaVmas(), 1u);
}

// --- mremap

TEST_F(Mremap, Refused_ErrorFollowsFromArgumentsAndLayout) {
  Map(0, 4);
  Map(6, 2, PROT_READ);
  const uint64_t may_move = MREMAP_MAYMOVE, fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
  Fail("unknown flag", EINVAL, SYS_mremap, {At(0), kPage, kPage, 16, 0});
  Fail("FIXED without MAYMOVE", EINVAL, SYS_mremap, {At(0), kPage, kPage, MREMAP_FIXED, At(32)});
  Fail("no length", EINVAL, SYS_mremap, {At(0), kPage, 0, may_move, 0});
  Fail("hole", EFAULT, SYS_mremap, {At(4), kPage, 2 * kPage, may_move, 0});
  Fail("private duplicate", EINVAL, SYS_mremap, {At(0), 0, 2 * kPage, may_move, 0});
  Fail("over the end", EFAULT, SYS_mremap, {At(0), 5 * kPage, 9 * kPage, may_move, 0});
  Fail("no room", ENOMEM, SYS_mremap, {At(0), 4 * kPage, 8 * kPage, 0, 0});
  Fail("part of a VMA", ENOMEM, SYS_mremap, {At(0), 2 * kPage, 3 * kPage, 0, 0});
  const bool checks_first = Choice("mremap_checks_first") == "yes";
  Fail("too large", checks_first ? EINVAL : ENOMEM, SYS_mremap,
       {At(0), 4 * kPage, 1ull << 47, may_move, 0});
  Fail("unaligned target", EINVAL, SYS_mremap, {At(0), kPage, kPage, fixed, At(32) + 1});
  Fail("over itself", EINVAL, SYS_mremap, {At(0), 4 * kPage, 4 * kPage, fixed, At(2)});
  Fail("target may be gone when the source is found to be", EFAULT, SYS_mremap,
       {At(0), 6 * kPage, 9 * kPage, fixed, At(6)});
  EXPECT_EQ(ArenaVmas(), checks_first ? 2u : 1u);
  Unmap(6, 2);
  const rlimit memlock{2 * kPage, 2 * kPage};
  Do("mlock", SYS_mlock, {At(0), 4 * kPage});
  ASSERT_EQ(prlimit(puppet_.pid(), RLIMIT_MEMLOCK, &memlock, nullptr), 0);
  Do("over RLIMIT_MEMLOCK, with the capability", SYS_mremap, {At(0), 4 * kPage, 8 * kPage, 0, 0});
}

TEST_F(Mremap, SameSize_Nothing) {
  Map(0, 4);
  Do("whole", SYS_mremap, {At(0), 4 * kPage, 4 * kPage, 0, 0});
  Do("part", SYS_mremap, {At(1), 2 * kPage - 5, kPage + 1, MREMAP_MAYMOVE, 0});
  Do("fixed", SYS_mremap, {At(1), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(40)});
  EXPECT_EQ(ArenaVmas(), 3u);
}

TEST_F(Mremap, ShrinkAndGrowInPlace_Layout_Equal) {
  Map(0, 8);
  Do("shrink", SYS_mremap, {At(0), 8 * kPage, 3 * kPage, 0});
  Do("grow", SYS_mremap, {At(0), 3 * kPage, 6 * kPage, 0});
  Touch(0, 6);
  Do("grow touched", SYS_mremap, {At(0), 6 * kPage, 7 * kPage, 0});
  Map(10, 2);
  Do("grow up to the next", SYS_mremap, {At(0), 7 * kPage, 10 * kPage, 0});
  Do("shrink middle", SYS_mremap, {At(2), 4 * kPage, 1 * kPage, 0});
}

TEST_F(Mremap, GrowTailOfSplit_Layout_Equal) {
  Map(0, 8);
  Protect(0, 4, PROT_READ);
  Do("grow tail", SYS_mremap, {At(6), 2 * kPage, 6 * kPage, 0});
}

TEST_F(Mremap, GrowLocked_LockedVmFollows) {
  Map(0, 4, kReadWrite, kPrivate | MAP_LOCKED);
  Do("grow", SYS_mremap, {At(0), 4 * kPage, 8 * kPage, 0});
  Do("move", SYS_mremap, {At(0), 8 * kPage, 12 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(32)});
}

TEST_F(Mremap, MoveBecauseOfNeighbour_Layout_Equal) {
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Do("move", SYS_mremap, {At(0), 4 * kPage, 16 * kPage, MREMAP_MAYMOVE});
}

TEST_F(Mremap, FixedUntouched_NewPgoff) {
  Map(0, 8);
  Do("move middle", SYS_mremap,
     {At(2), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(32)});
  Do("move back", SYS_mremap, {At(32), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(2)});
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mremap, FixedTouched_KeepsPgoffAndMergesBack) {
  Map(0, 8);
  Touch(0, 8);
  Do("move middle", SYS_mremap,
     {At(2), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(32)});
  EXPECT_EQ(ArenaVmas(), 3u);
  Do("move back", SYS_mremap, {At(32), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(2)});
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Mremap, FixedOverSeveral_GrowAndShrink) {
  Map(0, 4);
  Touch(0, 4);
  for (int i = 0; i < 4; i++) Map(32 + 3 * i, 2, i % 2 ? PROT_READ : kReadWrite);
  Do("grow onto others", SYS_mremap,
     {At(0), 4 * kPage, 8 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(33)});
  Do("shrink elsewhere", SYS_mremap,
     {At(33), 8 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(64)});
}

TEST_F(Mremap, DontunmapUntouchedAndTouched_SourceStays) {
  uint64_t flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
  Map(0, 4);
  Do("untouched", SYS_mremap, {At(0), 4 * kPage, 4 * kPage, flags, 0});
  Map(16, 4);
  Touch(16, 4);
  Do("touched", SYS_mremap, {At(16), 4 * kPage, 4 * kPage, flags, 0});
  Do("fixed", SYS_mremap, {At(16), 4 * kPage, 4 * kPage, flags | MREMAP_FIXED, At(64)});
  Touch(16, 2);
  Map(80, 4, kReadWrite, kPrivate | MAP_LOCKED);
  Do("locked", SYS_mremap, {At(80), 4 * kPage, 4 * kPage, flags | MREMAP_FIXED, At(96)});
}

TEST_F(Mremap, OldLengthZeroOfShared_Duplicated) {
  Map(0, 4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  Do("duplicate", SYS_mremap, {At(0), 0, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(32)});
  EXPECT_EQ(ArenaVmas(), 2u);
}

TEST_F(Mremap, File_MoveAndGrow_Equal) {
  int fd = puppet_.Run(OpenTemporary, {16 * kPage}).value;
  ASSERT_GE(fd, 0);
  Map(0, 4, kReadWrite, MAP_SHARED, fd, 2);
  Do("grow", SYS_mremap, {At(0), 4 * kPage, 6 * kPage, 0});
  Do("move tail", SYS_mremap, {At(3), 3 * kPage, 3 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(32)});
}

// --- the stack

TEST_F(Stack, DeepRecursion_Grows) {
  struct Deep {
    static __attribute__((noinline)) int64_t Down(uint64_t depth) {
      volatile char frame[16384];
      frame[0] = depth;
      int64_t below = depth ? Down(depth - 1) : 0;
      return below + frame[0] - static_cast<char>(depth);
    }
  };
  for (uint64_t depth : {4, 32, 128, 256}) {
    Run("recursion " + std::to_string(depth),
        [](Words words) -> int64_t { return Deep::Down(words[0]); }, {depth});
  }
}

TEST_F(Stack, GrowsdownMapping_GrowsByFault) {
  Map(1000, 4, kReadWrite, kPrivate | MAP_GROWSDOWN);
  Touch(999, 1);
  Touch(990, 1);
  Map(700, 2);
  Touch(960, 1);
}

// --- calls that fail

TEST_F(Failing, BadArguments_NothingChanges) {
  Map(0, 8);
  size_t before = ArenaVmas();
  Fail("NOREPLACE", EEXIST, SYS_mmap,
       {At(4), 8 * kPage, PROT_READ, kPrivate | MAP_FIXED_NOREPLACE, ~0ull, 0});
  Fail("length 0", EINVAL, SYS_mmap, {At(64), 0, PROT_READ, kPrivate, ~0ull, 0});
  Fail("bad fd", EBADF, SYS_mmap, {At(64), kPage, PROT_READ, MAP_PRIVATE, 999, 0});
  Fail("fixed beyond the end", ENOMEM, SYS_mmap,
       {0x7ffffffff000, 2 * kPage, PROT_READ, kPrivate | MAP_FIXED, ~0ull, 0});
  Fail("unaligned munmap", EINVAL, SYS_munmap, {At(1) + 1, kPage});
  Fail("munmap length 0", EINVAL, SYS_munmap, {At(1), 0});
  Fail("munmap beyond", EINVAL, SYS_munmap, {~0ull << 12, kPage});
  Fail("unaligned mprotect", EINVAL, SYS_mprotect, {At(1) + 1, kPage, PROT_READ});
  Fail("mprotect of nothing", ENOMEM, SYS_mprotect, {At(64), kPage, PROT_READ});
  Fail("mremap of nothing", EFAULT, SYS_mremap, {At(64), kPage, 2 * kPage, MREMAP_MAYMOVE});
  Fail("mremap beyond the VMA", EFAULT, SYS_mremap, {At(4), 8 * kPage, 9 * kPage, MREMAP_MAYMOVE});
  Fail("mremap onto itself", EINVAL, SYS_mremap,
       {At(0), 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(2)});
  Fail("madvise of nothing", ENOMEM, SYS_madvise, {At(64), kPage, MADV_DONTFORK});
  Fail("mlock of nothing", ENOMEM, SYS_mlock, {At(64), kPage});
  EXPECT_EQ(ArenaVmas(), before);
}

TEST_F(Failing, MremapNoRoomInPlace_Enomem) {
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Fail("grow", ENOMEM, SYS_mremap, {At(0), 4 * kPage, 6 * kPage, 0});
  Unmap(0, 2);
  Map(0, 2);
}

TEST_F(Failing, MprotectOverHole_HalfDone) {
  Map(0, 4);
  Map(6, 4);
  Fail("mprotect", ENOMEM, SYS_mprotect, {At(2), 6 * kPage, PROT_READ});
  EXPECT_EQ(ArenaVmas(), 3u);
}

TEST_F(Failing, MlockOverHole_HalfDone) {
  Map(0, 4);
  Map(6, 4);
  Fail("mlock", ENOMEM, SYS_mlock, {At(2), 6 * kPage});
}

TEST_F(Failing, MprotectForbiddenByFile_Eacces) {
  int fd = puppet_.Syscall(SYS_open, {reinterpret_cast<uint64_t>("/bin/bash"), O_RDONLY}).value;
  ASSERT_GE(fd, 0);
  Map(0, 4);
  Map(4, 4, PROT_READ, MAP_SHARED, fd, 0);
  Fail("mprotect", EACCES, SYS_mprotect, {At(2), 4 * kPage, kReadWrite | PROT_EXEC});
}

TEST_F(Failing, AddressSpaceLimit_Enomem) {
  static const uint64_t limit[2] = {1ull << 30, 1ull << 30};
  Map(0, 4);
  Do("RLIMIT_AS", SYS_prlimit64, {0, 9, reinterpret_cast<uint64_t>(limit), 0});
  Fail("mmap", ENOMEM, SYS_mmap, {0, 1ull << 31, PROT_READ, kPrivate, ~0ull, 0});
  Fail("mremap", ENOMEM, SYS_mremap, {At(0), 4 * kPage, 1ull << 31, MREMAP_MAYMOVE});
}

TEST_F(Failing, TooManyVmas_Enomem) {
  Setting limit("/proc/sys/vm/max_map_count");
  ASSERT_EQ(limit.Set("60"), 0);
  Map(0, 200);
  auto checker = [](Words words) -> int64_t {
    for (uint64_t i = 1; i < 199; i += 2) {
      if (mprotect(reinterpret_cast<void*>(words[0] + i * kPage), kPage, PROT_READ)) return errno;
    }
    return 0;
  };
  EXPECT_EQ(puppet_.Run(checker, {At(0)}).value, ENOMEM);
  Check("mprotect up to the limit");
  Fail("munmap of a middle", ENOMEM, SYS_munmap, {At(150), kPage});
  Map(300, 1);  // mmap may exceed the limit by one
  Fail("mmap", ENOMEM, SYS_mmap,
       {At(310), kPage, PROT_READ, kPrivate | MAP_FIXED_NOREPLACE, ~0ull, 0});
}

// --- fork

int64_t ForkAndWait(Words) {
  pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  return pid;
}

// Overcommit says no at the first accounted VMA, with the child half copied.
TEST_F(Forked, RefusedHalfWay_ParentEqualChildForgotten) {
  constexpr char kMode[] = "/proc/sys/vm/overcommit_memory";
  constexpr char kLimit[] = "/proc/sys/vm/overcommit_kbytes";
  Map(0, 16);
  Touch(0, 16);
  const std::string mode = ReadFile(kMode), ratio = ReadFile("/proc/sys/vm/overcommit_ratio");
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(WriteFile(kLimit, "1"), 0);
    ASSERT_EQ(WriteFile(kMode, "2"), 0);
    const Answer answer = puppet_.Run([](Words) -> int64_t {
      const pid_t pid = fork();
      if (pid == 0) _exit(0);
      return pid < 0 ? errno : 0;
    });
    WriteFile(kMode, mode);
    WriteFile("/proc/sys/vm/overcommit_ratio", ratio);
    ASSERT_EQ(answer.value, ENOMEM);
    Check("fork that failed");
  }
  EXPECT_EQ(device_.List(0).size(), 1u);
}

TEST_F(Forked, TouchedMemory_ParentModifies_BothEqual) {
  Map(0, 8);
  Touch(0, 4);
  Map(10, 4, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  Map(16, 4);
  Do("DONTFORK", SYS_madvise, {At(17), kPage, MADV_DONTFORK});
  Do("mlock", SYS_mlock, {At(2), kPage});
  int pid = puppet_.Run(ForkAndWait).value;
  ASSERT_GT(pid, 0);
  svma_mm child{};
  EXPECT_TRUE(WaitFor([&] {
    return device_.Mm(pid, 0, &child) == 0 && child.health == SVMA_CLEAN && child.pid == pid;
  }));
  EXPECT_TRUE(child.flags & SVMA_MM_DESCENDANTS);
  EXPECT_FALSE(child.flags & SVMA_MM_FROM_EXEC);
  Seen seen;
  Check("fork");
  CheckMm("fork, child", pid, child.mm_id, &seen);
  Touch(0, 8);
  Protect(2, 2, PROT_READ);
  Unmap(16, 4);
  Protect(2, 2, kReadWrite);
  Map(8, 2);
  CheckMm("parent's changes, child", pid, child.mm_id, &seen);
  kill(pid, SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return device_.Mm(0, child.mm_id, &child) == ENOENT; }));
}

// What a child does on its own, step by step by signals to itself: all at once, then it sleeps.
int64_t ForkAndModify(Words words) {
  pid_t pid = fork();
  if (pid) return pid;
  auto at = [&](uint64_t page) { return reinterpret_cast<char*>(words[0] + page * kPage); };
  for (int i = 0; i < 8; i++) *at(i) = 2;
  mprotect(at(2), 2 * kPage, PROT_READ);
  mmap(at(8), 2 * kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0);
  *at(8) = 1;
  munmap(at(5), kPage);
  mmap(at(5), kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0);
  mremap(at(0), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, at(40));
  mremap(at(40), 2 * kPage, 4 * kPage, 0);
  mprotect(at(2), 2 * kPage, kReadWrite);
  pid_t grandchild = fork();
  if (grandchild == 0) munmap(at(2), 2 * kPage);
  for (;;) pause();
}

TEST_F(Forked, TouchedMemory_ChildAndParentModify_AllEqual) {
  Map(0, 8);
  Touch(0, 8);
  int pid = puppet_.Run(ForkAndModify, {kArena}).value;
  ASSERT_GT(pid, 0);
  Touch(0, 8);
  Map(8, 4);
  Protect(4, 2, PROT_READ);
  Protect(4, 2, kReadWrite);
  // Three of us, once all are asleep.
  std::vector<svma_mm> mms;
  EXPECT_TRUE(WaitFor([&] { return (mms = device_.List()).size() == 3; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  for (const svma_mm& mm : device_.List()) {
    if (mm.mm_id == id_) continue;
    Seen seen;
    CheckMm("modifications of a descendant", mm.pid, mm.mm_id, &seen);
    kill(mm.pid, SIGKILL);
  }
}

TEST_F(Forked, ManyChildrenThatExit_ParentStaysClean) {
  Run("100 forks", [](Words) -> int64_t {
    for (int i = 0; i < 100; i++) {
      pid_t pid = fork();
      if (pid == 0) _exit(0);
      if (waitpid(pid, nullptr, 0) != pid) return 1;
    }
    return 0;
  });
  EXPECT_TRUE(WaitFor([&] { return device_.Stats(0).tracked == 1; }));
  svma_stats stats = device_.Stats(0);
  EXPECT_EQ(stats.tracked_ever, 101u);
  EXPECT_EQ(stats.counts.by_operation[SVMA_OP_FORK], 100u);
  EXPECT_EQ(stats.counts.divergent, 0u);
  EXPECT_EQ(stats.counts.missed, 0u);
}

// --- threads

void* MessAbout(void* seed) {
  std::mt19937_64 random(reinterpret_cast<uint64_t>(seed));
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2 * Patience());
  while (std::chrono::steady_clock::now() < end) {
    // Small, so that threads meet: 64 pages for all of them.
    uint64_t page = random() % 64;
    uint64_t length = (1 + random() % 8) * kPage;
    char* at = reinterpret_cast<char*>(kArena + page * kPage);
    switch (random() % 4) {
      case 0:
        munmap(at, length);
        break;
      case 1:
        mprotect(at, length, random() % 2 ? PROT_READ : kReadWrite);
        break;
      default:
        mmap(at, length, kReadWrite, kPrivate | MAP_FIXED | (random() % 2 ? MAP_POPULATE : 0), -1,
             0);
        break;
    }
  }
  return nullptr;
}

// The heap's end is the only one there is: threads contend for it, too.
void* MoveAbout(void* seed) {
  static const uint64_t heap = syscall(SYS_brk, 0);
  const unsigned long node0 = 1;
  std::mt19937_64 random(reinterpret_cast<uint64_t>(seed));
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2 * Patience());
  while (std::chrono::steady_clock::now() < end) {
    const uint64_t at = kArena + random() % 64 * kPage, to = kArena + random() % 64 * kPage;
    const uint64_t length = (1 + random() % 8) * kPage, wanted = (1 + random() % 8) * kPage;
    switch (random() % 6) {
      case 0:
        syscall(SYS_mremap, at, length, wanted, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        break;
      case 1:
        syscall(SYS_mremap, at, length, wanted, 0, 0);
        break;
      case 2:
        syscall(SYS_mbind, at, length, random() % 2 * 2, &node0, 64, 0);
        break;
      case 3:
        mmap(reinterpret_cast<void*>(at), length, kReadWrite, kPrivate | MAP_FIXED, -1, 0);
        break;
      default:
        syscall(SYS_brk, heap + random() % 64 * (kPage / 2));
        break;
    }
  }
  return nullptr;
}

int64_t RunEight(void* (*function)(void*)) {
  pthread_t threads[8];
  for (uint64_t i = 0; i < 8; i++) {
    if (pthread_create(&threads[i], nullptr, function, reinterpret_cast<void*>(i + 1))) return 1;
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  return 0;
}

TEST_F(Threads, EightThatMove_CallsEndAsPredicted) {
  Run("8 threads", [](Words) { return RunEight(MoveAbout); });
  svma_mm mm;
  ASSERT_EQ(device_.Mm(0, id_, &mm), 0);
  EXPECT_GT(mm.counts.by_operation[SVMA_OP_BRK], 10u);
  EXPECT_GT(mm.counts.by_operation[SVMA_OP_MBIND], 10u);
  EXPECT_GT(mm.counts.by_operation[SVMA_OP_MREMAP_MOVE], 10u);
  EXPECT_EQ(mm.counts.resyncs, 0u);
}

TEST_F(Threads, EightAtRandom_LayoutEqualAfterwards) {
  Run("8 threads", [](Words) { return RunEight(MessAbout); });
  svma_mm mm;
  ASSERT_EQ(device_.Mm(0, id_, &mm), 0);
  EXPECT_GT(mm.counts.operations, 100u);
  EXPECT_EQ(mm.counts.resyncs, 0u);
}

}  // namespace
}  // namespace guest
