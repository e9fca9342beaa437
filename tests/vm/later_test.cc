// SPDX-License-Identifier: GPL-2.0-only
//
// What kernels after 6.1 have, or do otherwise. Where the profile in use says that they don't, most
// of these tests have nothing to do.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr long kMseal = 462;
constexpr int kSetMemoryMerge = 67;
constexpr uint64_t kRw = PROT_READ | PROT_WRITE;
constexpr uint64_t kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr uint64_t kHuge = 2ull << 20;

class Later : public Tracee {
 protected:
  static bool Knows(const char* choice) { return Choice(choice) == "yes"; }
};

TEST_F(Later, Sealed_RefusesAllThatWouldChangeIt) {
  if (puppet_.Syscall(kMseal, {At(0), 0, 0}).value != 0) return;
  Map(0, 8);
  Do("mseal", kMseal, {At(2), 4 * kPage, 0});
  EXPECT_EQ(ArenaVmas(), 3u);
  Do("mseal again, and more", kMseal, {At(1), 5 * kPage, 0});
  EXPECT_EQ(ArenaVmas(), 3u);
  Fail("mseal over a hole", ENOMEM, kMseal, {At(0), 10 * kPage, 0});
  Fail("munmap inside", EPERM, SYS_munmap, {At(3), kPage});
  Fail("munmap across", EPERM, SYS_munmap, {At(0), 8 * kPage});
  Fail("munmap across the end", EPERM, SYS_munmap, {At(5), 3 * kPage});
  Fail("mprotect", EPERM, SYS_mprotect, {At(0), 8 * kPage, PROT_READ});
  Fail("mremap", EPERM, SYS_mremap, {At(3), kPage, 2 * kPage, MREMAP_MAYMOVE});
  Fail("mremap over it", EPERM, SYS_mremap,
       {At(7), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(3)});
  Fail("mmap over it", EPERM, SYS_mmap, {At(3), kPage, kRw, kAnonymous | MAP_FIXED, ~0ull, 0});
  Fail("mmap across its start", EPERM, SYS_mmap,
       {At(0), 4 * kPage, kRw, kAnonymous | MAP_FIXED, ~0ull, 0});
  Do("MADV_DONTFORK of what is writable", SYS_madvise, {At(3), kPage, MADV_DONTFORK});
  Do("mlock", SYS_mlock, {At(0), 8 * kPage});
  Map(20, 4, PROT_READ);
  Do("mseal what is read-only", kMseal, {At(20), 4 * kPage, 0});
  Fail("MADV_WIPEONFORK", EPERM, SYS_madvise, {At(21), kPage, MADV_WIPEONFORK});
  Do("MADV_DONTDUMP", SYS_madvise, {At(21), kPage, MADV_DONTDUMP});
}

TEST_F(Later, Sealed_AtTheStartOfARange_CutStays) {
  if (puppet_.Syscall(kMseal, {At(0), 0, 0}).value != 0) return;
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Do("mseal", kMseal, {At(4), 4 * kPage, 0});
  Fail("munmap", EPERM, SYS_munmap, {At(2), 4 * kPage});
  EXPECT_EQ(ArenaVmas(), 3u);
}

TEST_F(Later, Droppable_FlagsOfItsOwn) {
  if (!Knows("mmap_knows_droppable")) return;
  constexpr uint64_t kDroppable = 8 | MAP_ANONYMOUS;
  Do("mmap", SYS_mmap, {At(0), 4 * kPage, kRw, kDroppable | MAP_FIXED, ~0ull, 0});
  Do("anywhere", SYS_mmap, {0, 4 * kPage, kRw, kDroppable, ~0ull, 0});
  Fail("MADV_KEEPONFORK", EINVAL, SYS_madvise, {At(0), kPage, MADV_KEEPONFORK});
  Fail("MADV_DODUMP", EINVAL, SYS_madvise, {At(0), kPage, MADV_DODUMP});
  Do("MADV_MERGEABLE", SYS_madvise, {At(0), kPage, MADV_MERGEABLE});
  Do("mlock", SYS_mlock, {At(0), 2 * kPage});
  Do("mlockall", SYS_mlockall, {MCL_FUTURE});
  Do("mmap once more", SYS_mmap, {At(8), 4 * kPage, kRw, kDroppable | MAP_FIXED, ~0ull, 0});
  Do("munlockall", SYS_munlockall, {});
}

TEST_F(Later, MapStack_AsTheProfileSays) {
  Map(0, 4, kRw, kAnonymous | MAP_STACK);
  Do("anywhere", SYS_mmap, {0, 8 << 20, kRw, kAnonymous | MAP_STACK | MAP_NORESERVE, ~0ull, 0});
}

// The module holds each of these addresses against its own.
TEST_F(Later, HugeLengths_GoWhereTheProfileSays) {
  for (uint64_t pages : {512, 511, 513, 1024, 512, 5120}) {
    Do("mmap", SYS_mmap, {0, pages * kPage, kRw, kAnonymous | MAP_NORESERVE, ~0ull, 0});
  }
  Do("by a hint", SYS_mmap, {At(0), kHuge, kRw, kAnonymous | MAP_NORESERVE, ~0ull, 0});
  Map(512, 1);
  Do("mremap that moves", SYS_mremap, {At(0), kHuge, 2 * kHuge, MREMAP_MAYMOVE});
  Do("below 2 GiB", SYS_mmap, {0, kHuge, kRw, kAnonymous | MAP_32BIT | MAP_NORESERVE, ~0ull, 0});
  const uint64_t kept = Do("mmap", SYS_mmap, {0, kHuge, kRw, kAnonymous | MAP_NORESERVE, ~0ull, 0});
  Do("MREMAP_DONTUNMAP", SYS_mremap, {kept, kHuge, kHuge, MREMAP_MAYMOVE | 4, 0});
  const int zero =
      puppet_.Syscall(SYS_open, {reinterpret_cast<uint64_t>("/dev/zero"), O_RDWR}).value;
  ASSERT_GE(zero, 0);
  Do("/dev/zero", SYS_mmap, {0, kHuge, kRw, MAP_PRIVATE, static_cast<uint64_t>(zero), 0});
  Do("above 4 GiB", SYS_mmap, {0, kPage, kRw, kAnonymous | 0x80, ~0ull, 0});
}

// The middle is to become data, which RLIMIT_DATA forbids: it stays, cut out or not.
TEST_F(Later, FixedBeyondTheLimits_IsCutWhereCutsComeFirst) {
  Map(0, 4, PROT_READ);
  static const rlimit small = {kPage, RLIM_INFINITY};
  Do("RLIMIT_DATA", SYS_prlimit64, {0, RLIMIT_DATA, reinterpret_cast<uint64_t>(&small), 0});
  Fail("mmap", ENOMEM, SYS_mmap, {At(1), 2 * kPage, kRw, kAnonymous | MAP_FIXED, ~0ull, 0});
  EXPECT_EQ(ArenaVmas(), Knows("mmap_cuts_first") ? 3u : 1u);
  static const rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  Do("no limit", SYS_prlimit64, {0, RLIMIT_DATA, reinterpret_cast<uint64_t>(&none), 0});
  Do("mmap", SYS_mmap, {At(1), 2 * kPage, kRw, kAnonymous | MAP_FIXED, ~0ull, 0});
}

TEST_F(Later, ReadOnlyUnfaulted_IsAccountedAsTheProfileSays) {
  Map(0, 6);
  Touch(4, 1);
  Protect(0, 2, PROT_READ);
  Protect(2, 2, PROT_NONE);
  Protect(0, 6, PROT_READ);
  Protect(0, 6, PROT_READ | PROT_WRITE);
  EXPECT_EQ(ArenaVmas(), 1u);
}

TEST_F(Later, KsmForAll_OnAndOff) {
  if (puppet_.Syscall(SYS_prctl, {kSetMemoryMerge, 1, 0, 0, 0}).value != 0) return;
  Check("on");
  Map(0, 4);
  Map(4, 4, PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
  Map(12, 2, PROT_READ);
  Run("brk", [](Words) -> int64_t { return sbrk(4 * kPage) == reinterpret_cast<void*>(-1); });
  Do("on again", SYS_prctl, {kSetMemoryMerge, 1, 0, 0, 0});
  Do("off", SYS_prctl, {kSetMemoryMerge, 0, 0, 0, 0});
  Map(10, 2);
}

// VM_UFFD_MINOR is not the same bit everywhere.
TEST_F(Later, UserfaultfdMinor_OfSharedMemory) {
  const int fd = puppet_.Syscall(SYS_userfaultfd, {O_CLOEXEC}).value;
  ASSERT_GE(fd, 0);
  static uffdio_api api;
  static uffdio_register range;
  const auto ask = [](Words words) -> int64_t {
    api = {UFFD_API, 0, 0};
    if (words[1] == 0) return ioctl(words[0], UFFDIO_API, &api);
    range = {{words[1], words[2]}, 4 /* UFFDIO_REGISTER_MODE_MINOR */, 0};
    return words[3] ? ioctl(words[0], UFFDIO_REGISTER, &range)
                    : ioctl(words[0], UFFDIO_UNREGISTER, &range.range);
  };
  const uint64_t uffd = fd;
  const int memory = puppet_.Syscall(SYS_memfd_create, {reinterpret_cast<uint64_t>("m"), 0}).value;
  Do("ftruncate", SYS_ftruncate, {static_cast<uint64_t>(memory), 8 * kPage});
  Map(0, 8, kRw, MAP_SHARED, memory);
  Run("api", ask, {uffd, 0, 0, 0});
  if (puppet_.Run(ask, {uffd, At(2), 2 * kPage, 1}).value != 0) return;
  Check("register");
  EXPECT_EQ(ArenaVmas(), 3u);
  Run("unregister", ask, {uffd, At(2), 2 * kPage, 0});
  EXPECT_EQ(ArenaVmas(), 1u);
}

// SysV memory has vm_ops->close: no VMA of it goes by a merge, but some may grow.
TEST_F(Later, SharedSegment_MergesAsTheProfileSays) {
  const uint64_t id = puppet_.Syscall(SYS_shmget, {0 /* IPC_PRIVATE */, 8 * kPage, 01600}).value;
  Do("shmat", SYS_shmat, {id, At(0), 0});
  puppet_.Syscall(SYS_shmctl, {id, 0 /* IPC_RMID */, 0});
  Protect(4, 4, PROT_READ);
  Protect(4, 2, kRw);
  EXPECT_EQ(ArenaVmas(), Knows("close_forbids_removal_only") ? 2u : 3u);
  Protect(4, 4, kRw);
  Do("mlock", SYS_mlock, {At(2), 4 * kPage});
  Do("mlock all", SYS_mlock, {At(0), 8 * kPage});
  Do("munlock", SYS_munlock, {At(0), 8 * kPage});
  Do("mlockall", SYS_mlockall, {MCL_CURRENT});
  Do("munlockall", SYS_munlockall, {});
  static const unsigned long node0 = 1;
  const uint64_t nodes = reinterpret_cast<uint64_t>(&node0);
  Do("mbind", SYS_mbind, {At(0), 2 * kPage, 2, nodes, 64, 0});
  Do("mbind more", SYS_mbind, {At(0), 8 * kPage, 2, nodes, 64, 0});
  Do("MADV_DONTFORK", SYS_madvise, {At(0), 3 * kPage, MADV_DONTFORK});
  Do("MADV_DONTFORK more", SYS_madvise, {At(3), 5 * kPage, MADV_DONTFORK});
  Do("shmdt", SYS_shmdt, {At(0)});
}

// The copy touches its source on one side, and what it fits on the other.
TEST_F(Later, DontUnmapBetween_MergesBeyondItsSource) {
  if (!Knows("dontunmap_isolates_source")) return;
  Map(0, 2);
  Map(4, 2);
  Do("mremap", SYS_mremap, {At(0), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED | 4, At(2)});
  EXPECT_EQ(ArenaVmas(), Knows("dontunmap_merges_beyond") ? 2u : 3u);
}

// --- v6.16 and later

constexpr uint64_t kFixed = MREMAP_MAYMOVE | MREMAP_FIXED, kDontUnmap = 4;
constexpr uint64_t kGuardInstall = 102, kGuardRemove = 103;

TEST_F(Later, FixedMove_TakesAllVmasOfItsRange) {
  if (!Knows("mremap_moves_many")) return;
  Map(0, 2);
  Map(2, 2, PROT_READ);
  Map(6, 2, kRw, MAP_SHARED | MAP_ANONYMOUS);
  Touch(0, 2);
  Map(18, 4);  // in the way of the second, and of what lies before it
  Do("over a hole", SYS_mremap, {At(1), 6 * kPage, 6 * kPage, kFixed, At(20)});
  EXPECT_EQ(ArenaVmas(), 6u);
  Fail("from a hole", EFAULT, SYS_mremap, {At(1), 7 * kPage, 7 * kPage, kFixed, At(40)});
  Fail("of nothing", EFAULT, SYS_mremap, {At(50), kPage, kPage, kFixed, At(40)});
  Do("kept", SYS_mremap, {At(20), 6 * kPage, 6 * kPage, kFixed | kDontUnmap, At(60)});
  Do("back", SYS_mremap, {At(60), 6 * kPage, 6 * kPage, kFixed, At(1)});
  Do("mlock", SYS_mlock, {At(2), 2 * kPage});
  Do("locked, kept", SYS_mremap, {At(0), 8 * kPage, 8 * kPage, kFixed | kDontUnmap, At(80)});
}

TEST_F(Later, FixedMove_StopsAtWhatIsSealedOrWatched) {
  if (!Knows("mremap_moves_many")) return;
  Map(0, 2);
  Map(2, 2, PROT_READ);
  Map(4, 2);
  Do("mseal", kMseal, {At(2), 2 * kPage, 0});
  Fail("sealed", EPERM, SYS_mremap, {At(0), 6 * kPage, 6 * kPage, kFixed, At(20)});
  EXPECT_EQ(ArenaVmas(), 3u) << "the first one has moved";
  Map(40, 2);
  Map(42, 2, PROT_READ | PROT_EXEC);
  const int fd = puppet_.Syscall(SYS_userfaultfd, {O_CLOEXEC}).value;
  ASSERT_GE(fd, 0);
  static uffdio_api api;
  static uffdio_register range;
  Run("register",
      [](Words words) -> int64_t {
        api = {UFFD_API, 0, 0};
        range = {{words[1], words[2]}, UFFDIO_REGISTER_MODE_MISSING, 0};
        return ioctl(words[0], UFFDIO_API, &api) || ioctl(words[0], UFFDIO_REGISTER, &range);
      },
      {static_cast<uint64_t>(fd), At(42), 2 * kPage});
  Fail("watched", EFAULT, SYS_mremap, {At(40), 4 * kPage, 4 * kPage, kFixed, At(60)});
  Map(50, 2);
  Do("the watched one alone, beside what it would fit", SYS_mremap,
     {At(42), 2 * kPage, 2 * kPage, kFixed, At(52)});
}

TEST_F(Later, SoftDirty_OfAMergedVmaAsTheProfileSays) {
  const auto clear = [](Words) -> int64_t {
    const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    const bool written = write(fd, "4\n", 2) == 2;
    return close(fd) || !written;
  };
  Map(0, 4);
  Map(4, 4, PROT_READ);
  Run("clear", clear);
  Map(8, 2, PROT_READ);
  Protect(0, 4, PROT_READ);
  Protect(6, 2, kRw);
  Protect(6, 2, PROT_READ);
  Run("clear again", clear);
  Map(12, 2, PROT_READ);
  Do("mremap beside it", SYS_mremap, {At(0), 2 * kPage, 2 * kPage, kFixed, At(10)});
}

TEST_F(Later, GuardRegions_MarkTheirVma) {
  Map(0, 8);
  if (puppet_.Syscall(SYS_madvise, {At(0), 0, kGuardInstall}).value != 0) return;
  Do("install", SYS_madvise, {At(2), 2 * kPage, kGuardInstall});
  Map(8, 2);
  Map(12, 2);
  Protect(6, 4, PROT_READ);
  Do("install in several", SYS_madvise, {At(5), 4 * kPage, kGuardInstall});
  Protect(6, 4, kRw);
  EXPECT_EQ(ArenaVmas(), 2u);
  Do("remove", SYS_madvise, {At(2), 2 * kPage, kGuardRemove});
  Do("move", SYS_mremap, {At(0), 4 * kPage, 4 * kPage, kFixed, At(14)});
  Do("mlock", SYS_mlock, {At(14), 2 * kPage});
  Fail("locked", EINVAL, SYS_madvise, {At(14), kPage, kGuardInstall});
  Fail("over a hole", ENOMEM, SYS_madvise, {At(8), 5 * kPage, kGuardInstall});
}

// The second half was never written to, so its pages have the index of their new place.
TEST_F(Later, PrivateFileMoved_MergesAsTheProfileSays) {
  const int fd = puppet_.Syscall(SYS_memfd_create, {reinterpret_cast<uint64_t>("f"), 0}).value;
  Do("ftruncate", SYS_ftruncate, {static_cast<uint64_t>(fd), 8 * kPage});
  Map(0, 8, kRw, MAP_PRIVATE, fd, 0);
  Touch(0, 8);
  Do("one half", SYS_mremap, {At(0), 4 * kPage, 4 * kPage, kFixed, At(20)});
  Do("the other", SYS_mremap, {At(4), 4 * kPage, 4 * kPage, kFixed, At(24)});
  EXPECT_EQ(ArenaVmas(), 1u);
  Do("a part", SYS_mremap, {At(20), 4 * kPage, 4 * kPage, kFixed, At(40)});
  Map(50, 4, kRw, MAP_PRIVATE, fd, 4);
  Do("a part of a new one", SYS_mremap, {At(50), 4 * kPage, 4 * kPage, kFixed, At(44)});
  EXPECT_EQ(ArenaVmas(), Knows("files_have_anon_index") ? 3u : 2u);
  if (!Knows("dontunmap_takes_files")) return;
  Do("kept", SYS_mremap, {At(40), 4 * kPage, 4 * kPage, kFixed | kDontUnmap, At(60)});
  Map(64, 4, kRw, MAP_PRIVATE, fd, 4);
}

TEST_F(Later, KsmForAll_NewOnesMergeAsTheProfileSays) {
  if (puppet_.Syscall(SYS_prctl, {kSetMemoryMerge, 1, 0, 0, 0}).value != 0) return;
  Check("on");
  const int fd = puppet_.Syscall(SYS_memfd_create, {reinterpret_cast<uint64_t>("f"), 0}).value;
  Do("ftruncate", SYS_ftruncate, {static_cast<uint64_t>(fd), 8 * kPage});
  Map(0, 2);
  Map(2, 2);
  Map(10, 2, kRw, MAP_PRIVATE, fd, 0);
  Map(12, 2, kRw, MAP_PRIVATE, fd, 2);
  EXPECT_EQ(ArenaVmas(), Knows("ksm_marks_before_merge") ? 2u : 4u);
  Run("brk", [](Words) -> int64_t { return sbrk(4 * kPage) == reinterpret_cast<void*>(-1); });
  Run("brk", [](Words) -> int64_t { return sbrk(4 * kPage) == reinterpret_cast<void*>(-1); });
}

TEST_F(Later, TouchedBesideUntouched_MergesAsTheProfileSays) {
  Map(2, 2);
  Touch(2, 2);
  Protect(2, 2, PROT_READ);
  Map(0, 2);
  Protect(2, 2, kRw);
  EXPECT_EQ(ArenaVmas(), Knows("merge_takes_anon_vma_of_range") ? 1u : 2u);
}

TEST_F(Later, MapCount_LeavesRoomForAMoveAsTheProfileSays) {
  Setting limit("/proc/sys/vm/max_map_count");
  ASSERT_EQ(limit.Set(std::to_string(VmasToMake(65530))), 0);
  Run("many", [](Words) -> int64_t {
    const auto at = [](uint64_t page) { return reinterpret_cast<void*>(At(page)); };
    if (mmap(at(0), 65520 * kPage, PROT_READ, kAnonymous | MAP_FIXED | MAP_NORESERVE, -1, 0) !=
        at(0)) {
      return 1;
    }
    for (uint64_t page = 0; page < 65520; page += 2) {
      if (mprotect(at(page), kPage, PROT_NONE)) return 0;  // as many as there may be
    }
    return 2;
  });
  Fail("move", ENOMEM, SYS_mremap, {At(1), kPage, kPage, kFixed, At(70000)});
  // One look at so many VMAs takes seconds.
  for (unsigned i = 0; i < 6; ++i) {
    EXPECT_EQ(puppet_.Syscall(SYS_munmap, {At(2 * i), kPage}).value, 0);
    puppet_.Syscall(SYS_mremap, {At(1), kPage, 2 * kPage, kFixed, At(70000)});
    puppet_.Syscall(SYS_mremap, {At(21), kPage, kPage, kFixed | kDontUnmap, At(70004)});
    Check("one VMA less, a move, a move that keeps");
  }
}

}  // namespace
}  // namespace guest
