// SPDX-License-Identifier: GPL-2.0-only
//
// Page tables as the module reads them, of a process that has made each kind of entry; and while
// others change them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr uint64_t kHuge = 512;  // pages
constexpr uint32_t kPermissions = SVMA_PTE_WRITE | SVMA_PTE_EXEC | SVMA_PTE_USER;

int64_t ReadPages(Words words) {
  for (uint64_t i = 0; i < words[1]; i++)
    (void)*reinterpret_cast<volatile char*>(words[0] + i * kPage);
  return 0;
}

// Words: start, length. Registers for write protection and protects.
int64_t WriteProtect(Words words) {
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
  if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) return -1;
  uffdio_register registered{};
  registered.range = {words[0], words[1]};
  registered.mode = UFFDIO_REGISTER_MODE_WP;
  uffdio_writeprotect protect{};
  protect.range = registered.range;
  protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  return ioctl(fd, UFFDIO_REGISTER, &registered) || ioctl(fd, UFFDIO_WRITEPROTECT, &protect);
}

// Words: page of the arena, rounds. Maps, writes, makes huge, splits, unmaps.
int64_t Churn(Words words) {
  char* const at = reinterpret_cast<char*>(kArena + words[0] * kPage);
  for (uint64_t i = 0; i < words[1]; i++) {
    if (mmap(at, 2 * kHuge * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) == MAP_FAILED)
      return -1;
    if (i % 2) madvise(at, 2 * kHuge * kPage, MADV_HUGEPAGE);
    for (uint64_t page = 0; page < 2 * kHuge; page += 7) at[page * kPage] = 1;
    mprotect(at + 5 * kPage, kPage, PROT_READ);
    madvise(at + 100 * kPage, 300 * kPage, MADV_DONTNEED);
    munmap(at, 2 * kHuge * kPage);
  }
  return 0;
}

class Walk : public Tracee {
 protected:
  svma_walk Way(uint64_t address) {
    auto walk = Argument<svma_walk>();
    walk.pid = puppet_.pid();
    walk.addr = address;
    EXPECT_EQ(device_.Ask(SVMA_IOC_WALK, &walk), 0);
    EXPECT_GE(walk.count, 1u);
    return walk;
  }
  bool SeesHoles() {
    auto version = Argument<svma_version>();
    version.abi = SVMA_ABI_VERSION;
    EXPECT_EQ(device_.Ask(SVMA_IOC_VERSION, &version), 0);
    return version.features & SVMA_FEATURE_HOLES;
  }
  svma_walk_level Last(uint64_t page) {
    const svma_walk walk = Way(At(page));
    return walk.level[walk.count - 1];
  }

  // The last entry of a page is of this kind, maps 1 << shift bytes, and has these flags of `mask`;
  // its frame is the one that pagemap knows.
  void Expect(const std::string& what, uint64_t page, uint32_t kind, uint32_t shift, uint32_t flags,
              uint32_t mask) {
    const svma_walk walk = Way(At(page));
    const svma_walk_level& last = walk.level[walk.count - 1];
    EXPECT_EQ(last.kind, kind) << what;
    EXPECT_EQ(walk.page_shift, shift) << what;
    EXPECT_EQ(last.flags & mask, flags & mask) << what;
    EXPECT_LE(walk.vma_start, At(page)) << what;
    EXPECT_GT(walk.vma_end, At(page)) << what;
    for (uint32_t i = 0; i + 1 < walk.count; i++) {
      EXPECT_EQ(walk.level[i].kind, uint32_t{SVMA_ENTRY_TABLE}) << what;
      EXPECT_EQ(walk.level[i + 1].table, walk.level[i].target * kPage) << what;
    }
    if (kind != SVMA_ENTRY_PAGE && kind != SVMA_ENTRY_ZERO) return;
    const uint64_t word = Pagemap(puppet_.pid(), At(page))[0];
    const uint64_t within = At(page) / kPage & ((uint64_t{1} << (shift - 12)) - 1);
    ASSERT_TRUE(word & kPagemapPresent) << what;
    EXPECT_EQ(word & kPagemapPlace, last.target + within) << what;
  }

  svma_pages Ask(uint32_t flags, uint64_t start, uint64_t end, void* buffer, uint32_t capacity) {
    auto pages = Argument<svma_pages>();
    pages.flags = flags;
    pages.pid = puppet_.pid();
    pages.start = start;
    pages.end = end;
    pages.capacity = capacity;
    pages.buffer = reinterpret_cast<uint64_t>(buffer);
    EXPECT_EQ(device_.Ask(SVMA_IOC_PAGES, &pages), 0);
    return pages;
  }
  std::vector<svma_page_run> Runs(uint64_t page, uint64_t pages) {
    std::vector<svma_page_run> runs(4096);
    runs.resize(Ask(0, At(page), At(page + pages), runs.data(), runs.size()).count);
    return runs;
  }
  svma_page_sum Sum(uint64_t page, uint64_t pages) {
    svma_page_sum sum{};
    EXPECT_EQ(Ask(SVMA_PAGES_SUMS, At(page), At(page + pages), &sum, 1).count, 1u);
    return sum;
  }
};

TEST_F(Walk, EachKindOfPage_IsTold) {
  Map(0, 8);
  Touch(0, 4);
  Expect("written", 1, SVMA_ENTRY_PAGE, 12,
         SVMA_PTE_WRITE | SVMA_PTE_USER | SVMA_PTE_DIRTY | SVMA_PTE_ACCESSED | SVMA_PTE_ANON,
         kPermissions | SVMA_PTE_DIRTY | SVMA_PTE_ACCESSED | SVMA_PTE_ANON | SVMA_PTE_FILE);
  Run("read", ReadPages, {At(5), 1});
  Expect("read first", 5, SVMA_ENTRY_ZERO, 12, SVMA_PTE_USER, kPermissions);
  EXPECT_EQ(Last(6).kind, uint32_t{SVMA_ENTRY_NONE});
  Protect(1, 1, PROT_NONE);
  Expect("PROT_NONE", 1, SVMA_ENTRY_PAGE, 12, SVMA_PTE_PROTNONE | SVMA_PTE_ANON,
         SVMA_PTE_PROTNONE | SVMA_PTE_ANON);
  EXPECT_EQ(Way(At(1)).allowed, 0u);
  Protect(2, 1, PROT_READ);
  Expect("read only", 2, SVMA_ENTRY_PAGE, 12, SVMA_PTE_USER, kPermissions);
  Protect(2, 1, PROT_READ | PROT_EXEC);
  Expect("executable", 2, SVMA_ENTRY_PAGE, 12, SVMA_PTE_USER | SVMA_PTE_EXEC, kPermissions);

  Map(100, 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  Touch(100, 2);
  Expect("shmem", 100, SVMA_ENTRY_PAGE, 12, SVMA_PTE_FILE | SVMA_PTE_SHMEM,
         SVMA_PTE_FILE | SVMA_PTE_SHMEM | SVMA_PTE_ANON);
  const Answer there = puppet_.Syscall(
      SYS_openat,
      {static_cast<uint64_t>(AT_FDCWD), reinterpret_cast<uint64_t>("/proc/self/exe"), O_RDONLY});
  ASSERT_GE(there.value, 0);
  Map(200, 4, PROT_READ, MAP_PRIVATE, static_cast<int>(there.value));
  Run("read the file", ReadPages, {At(200), 1});
  // The guest's root may be a tmpfs.
  Expect("file", 200, SVMA_ENTRY_PAGE, 12, SVMA_PTE_FILE,
         SVMA_PTE_FILE | SVMA_PTE_ANON | SVMA_PTE_WRITE);
}

TEST_F(Walk, HugePages_EndAtTheMiddleLevel_UntilTheyAreSplit) {
  Map(0, 4 * kHuge);
  ASSERT_EQ(puppet_.Syscall(SYS_madvise, {At(0), 4 * kHuge * kPage, MADV_HUGEPAGE}).value, 0);
  Touch(kHuge, 1);
  Run("read", ReadPages, {At(2 * kHuge), 1});
  Expect("huge", kHuge + 77, SVMA_ENTRY_PAGE, 21, SVMA_PTE_WRITE | SVMA_PTE_ANON,
         SVMA_PTE_WRITE | SVMA_PTE_ANON);
  Expect("huge zero page", 2 * kHuge + 3, SVMA_ENTRY_ZERO, 21, 0, SVMA_PTE_WRITE);
  svma_page_sum sum = Sum(0, 4 * kHuge);
  EXPECT_EQ(sum.present, kHuge);
  EXPECT_EQ(sum.zero, kHuge);
  EXPECT_EQ(sum.huge_2m, 2 * kHuge);
  Protect(kHuge + 5, 1, PROT_READ);
  Expect("split", kHuge + 77, SVMA_ENTRY_PAGE, 12, SVMA_PTE_WRITE | SVMA_PTE_ANON,
         SVMA_PTE_WRITE | SVMA_PTE_ANON);
  Expect("read only", kHuge + 5, SVMA_ENTRY_PAGE, 12, 0, SVMA_PTE_WRITE);
  sum = Sum(kHuge + 5, 1);
  EXPECT_EQ(sum.present, 1u);
  EXPECT_EQ(sum.huge_2m, 0u);
  EXPECT_EQ(sum.writable, 0u);
}

TEST_F(Walk, Hugetlb_IsAHugePage) {
  WriteFile("/proc/sys/vm/nr_hugepages", "2");
  Map(kHuge, kHuge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB);
  Touch(kHuge, 1);
  Expect("hugetlb", kHuge + 9, SVMA_ENTRY_PAGE, 21, SVMA_PTE_WRITE | SVMA_PTE_FILE,
         SVMA_PTE_WRITE | SVMA_PTE_FILE | SVMA_PTE_ANON);
  Unmap(kHuge, kHuge);
  WriteFile("/proc/sys/vm/nr_hugepages", "0");
}

TEST_F(Walk, SwappedOut_AreaAndOffsetAreThoseOfPagemap) {
  const SwapFile swap;
  Map(0, 4);
  Touch(0, 4);
  PageOut(0, 4);
  const svma_walk_level last = Last(1);
  ASSERT_EQ(last.kind, uint32_t{SVMA_ENTRY_SWAP});
  const uint64_t word = Pagemap(puppet_.pid(), At(1))[0] & kPagemapPlace;
  EXPECT_EQ(last.swap_type, word & 31);
  EXPECT_EQ(last.target, word >> 5);
  EXPECT_EQ(Sum(0, 4).swap, 4u);
  Touch(1, 1);
  Expect("back again", 1, SVMA_ENTRY_PAGE, 12, SVMA_PTE_ANON, SVMA_PTE_ANON);
}

TEST_F(Walk, WriteProtectedByUserfaultfd_IsMarked) {
  Map(0, 4);
  Touch(0, 2);
  Run("protect", WriteProtect, {At(0), 4 * kPage});
  Expect("protected", 1, SVMA_ENTRY_PAGE, 12, SVMA_PTE_UFFD_WP, SVMA_PTE_UFFD_WP | SVMA_PTE_WRITE);
  EXPECT_EQ(Sum(0, 4).uffd_wp, 2u);
}

TEST_F(Walk, SoftDirty_IsTakenOffAndSet) {
  Map(0, 4);
  Touch(0, 4);
  EXPECT_EQ(Sum(0, 4).soft_dirty, 4u);
  ASSERT_EQ(WriteFile("/proc/" + std::to_string(puppet_.pid()) + "/clear_refs", "4"), 0);
  EXPECT_EQ(Sum(0, 4).soft_dirty, 0u);
  Touch(2, 1);
  EXPECT_EQ(Sum(0, 4).soft_dirty, 1u);
  Expect("written again", 2, SVMA_ENTRY_PAGE, 12, SVMA_PTE_SOFT_DIRTY, SVMA_PTE_SOFT_DIRTY);
}

TEST_F(Walk, Hole_EndsAtTheLevelWhereItIs) {
  const svma_walk walk = Way(uint64_t{0x300000000000});
  EXPECT_EQ(walk.level[0].level, walk.table_levels);
  // What is below 1 << 48 has one entry of the fifth level in common; below it is looked at only
  // where tables can't go meanwhile.
  const bool deep = walk.table_levels == 5 && SeesHoles();
  ASSERT_EQ(walk.count, deep ? 2u : 1u);
  const bool leads_on = walk.table_levels == 5 && !deep;
  EXPECT_EQ(walk.level[walk.count - 1].kind,
            uint32_t{leads_on ? SVMA_ENTRY_TABLE : SVMA_ENTRY_NONE});
  EXPECT_EQ(walk.vma_start, SVMA_NONE);
  EXPECT_EQ(walk.allowed, 0u);
}

// With five levels user space is larger, for who asks for it by a hint.
TEST_F(Walk, HighAddress_FiveLevelsOrNoAddress) {
  constexpr uint64_t kHigh = uint64_t{1} << 50;
  const svma_walk low = Way(At(0));
  const uint64_t at = static_cast<uint64_t>(
      Do("map", SYS_mmap,
         {kHigh, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~uint64_t{0}, 0}));
  if (low.table_levels == 4) {
    EXPECT_LT(at, uint64_t{1} << 47);
    auto walk = Argument<svma_walk>();
    walk.pid = puppet_.pid();
    walk.addr = kHigh;
    EXPECT_EQ(device_.Ask(SVMA_IOC_WALK, &walk), EINVAL);
    return;
  }
  ASSERT_EQ(low.table_levels, 5u);
  ASSERT_EQ(at, kHigh);
  Run("read", ReadPages, {kHigh, 1});
  const svma_walk high = Way(kHigh);
  ASSERT_EQ(high.count, 5u);
  EXPECT_EQ(high.level[0].level, 5u);
  EXPECT_EQ(high.level[0].index, kHigh >> 48);
  EXPECT_EQ(high.level[4].kind, uint32_t{SVMA_ENTRY_ZERO});
  EXPECT_EQ(high.level[4].target, Pagemap(puppet_.pid(), kHigh)[0] & kPagemapPlace);
}

// 64 GiB with a page in each: holes are passed over at the level where they are.
TEST_F(Walk, Sparse64GiB_FewEntriesAreLookedAt) {
  constexpr uint64_t kGiB = 1 << 18;
  Map(0, 64 * kGiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  puppet_.Syscall(SYS_madvise, {At(0), 64 * kGiB * kPage, MADV_NOHUGEPAGE});
  for (uint64_t i = 0; i < 64; i++) Touch(i * kGiB + 7 * i, 1);
  std::vector<svma_page_run> runs(128);
  const svma_pages pages = Ask(0, At(0), At(64 * kGiB), runs.data(), runs.size());
  ASSERT_EQ(pages.count, 64u);
  EXPECT_EQ(pages.start, At(64 * kGiB));
  for (uint64_t i = 0; i < 64; i++) EXPECT_EQ(runs[i].start, At(i * kGiB + 7 * i));
  EXPECT_EQ(pages.tables[0], 64u);
  EXPECT_EQ(pages.tables[1], 64u);
  // A table of each of two levels for each page, and what leads there.
  EXPECT_LT(pages.entries, 64u * 1200);
}

// Each answer a VMA at a time, until all are told.
TEST_F(Walk, ManyVmas_EachOnce) {
  constexpr uint64_t kVmas = 4000;
  Map(0, 2 * kVmas);
  for (uint64_t i = 0; i < kVmas; i++) puppet_.Syscall(SYS_mprotect, {At(2 * i), kPage, PROT_READ});
  Touch(1, 1);
  std::vector<svma_page_sum> part(512);
  uint64_t told = 0, pages = 0, at = At(0);
  while (at < At(2 * kVmas)) {
    const svma_pages answer = Ask(SVMA_PAGES_SUMS, at, At(2 * kVmas), part.data(), part.size());
    ASSERT_GT(answer.count, 0u);
    for (uint32_t i = 0; i < answer.count; i++) {
      EXPECT_EQ(part[i].end - part[i].start, kPage);
      pages += part[i].present;
    }
    told += answer.count;
    at = answer.start;
  }
  EXPECT_EQ(told, 2 * kVmas);
  EXPECT_EQ(pages, 1u);
}

// Words: bytes. Its whole VMA gets other flags again and again.
int64_t ChangeFlags(Words words) {
  const timespec pause{.tv_sec = 0, .tv_nsec = 300000};
  for (bool fork = false;; fork = !fork) {
    madvise(reinterpret_cast<char*>(kArena), words[0], fork ? MADV_DOFORK : MADV_DONTFORK);
    nanosleep(&pause, nullptr);
  }
}

void StayOnFirstProcessor(pid_t pid) {
  cpu_set_t first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  ASSERT_EQ(sched_setaffinity(pid, sizeof(first), &first), 0);
}

// The VMA that is summed up changes between two parts, and fills the only record with its first
// piece: nothing is written behind the buffer, and what it tells ends with the piece. Both are on
// one processor, where the real-time one gets its turn as soon as the lock is given up.
TEST_F(Walk, OneRecordWhileItsVmaChanges_StaysInTheBuffer) {
  constexpr uint64_t kPages = 128 * kHuge;
  Map(0, kPages);
  puppet_.Syscall(SYS_madvise, {At(0), kPages * kPage, MADV_NOHUGEPAGE});
  Touch(0, kPages);
  StayOnFirstProcessor(puppet_.pid());
  const sched_param first{.sched_priority = 1};
  ASSERT_EQ(sched_setscheduler(puppet_.pid(), SCHED_FIFO, &first), 0);
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  StayOnFirstProcessor(0);
  puppet_.Send(ChangeFlags, {kPages * kPage});
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  uint64_t moved = 0, parts = 0;
  while (moved < 3 && !HasFailure() && std::chrono::steady_clock::now() < end) {
    svma_page_sum sums[3];
    memset(sums, 0x5a, sizeof(sums));
    const svma_pages answer = Ask(SVMA_PAGES_SUMS, At(0), At(kPages), sums, 1);
    moved += answer.moved;
    parts += answer.parts;
    const auto* const behind = reinterpret_cast<const unsigned char*>(&sums[1]);
    for (size_t i = 0; i < 2 * sizeof(sums[0]); i++) ASSERT_EQ(behind[i], 0x5a);
    EXPECT_EQ(answer.count, 1u);
    EXPECT_EQ(answer.start, sums[0].end);
    EXPECT_LE(sums[0].present, (sums[0].end - sums[0].start) / kPage);
  }
  EXPECT_GE(moved, 3u) << parts << " parts";
  EXPECT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  puppet_.Kill();
}

TEST_F(Walk, BadQuestions_AreRefused) {
  auto walk = Argument<svma_walk>();
  walk.pid = puppet_.pid();
  walk.addr = uint64_t{1} << 63;
  EXPECT_EQ(device_.Ask(SVMA_IOC_WALK, &walk), EINVAL);
  walk.addr = At(0);
  walk.flags = 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_WALK, &walk), EINVAL);
  walk.flags = 0;
  walk.pid = 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_WALK, &walk), ENOENT);
  svma_page_run run;
  const auto ask = [&](uint64_t start, uint64_t end, uint32_t capacity, uint32_t flags, void* to) {
    auto pages = Argument<svma_pages>();
    pages.pid = puppet_.pid();
    pages.start = start;
    pages.end = end;
    pages.capacity = capacity;
    pages.flags = flags;
    pages.buffer = reinterpret_cast<uint64_t>(to);
    return device_.Ask(SVMA_IOC_PAGES, &pages);
  };
  EXPECT_EQ(ask(At(1), At(1), 1, 0, &run), EINVAL);
  EXPECT_EQ(ask(At(0) + 1, At(1), 1, 0, &run), EINVAL);
  EXPECT_EQ(ask(At(0), uint64_t{1} << 63, 1, 0, &run), EINVAL);
  EXPECT_EQ(ask(At(0), At(1), 0, 0, &run), EINVAL);
  EXPECT_EQ(ask(At(0), At(1), 1, 2, &run), EINVAL);
  Map(0, 1);
  Touch(0, 1);
  EXPECT_EQ(ask(At(0), At(1), 1, 0, nullptr), EFAULT);
  EXPECT_EQ(ask(At(0), At(1), 0xffffffff, 0, &run), 0);
  EXPECT_EQ(run.count, 1u);
}

// The tables come and go, huge pages are made and split while they are read. What is read is what
// was there: frames where they can be, nothing that the kernel never writes.
TEST_F(Walk, WhileTablesComeAndGo_NothingBadIsRead) {
  puppet_.Send(Churn, {0, 100000});
  uint64_t entries = 0, told = 0;
  EXPECT_TRUE(WaitFor(
      [&] {
        std::vector<svma_page_run> runs(4096);
        const svma_pages answer = Ask(0, At(0), At(2 * kHuge), runs.data(), runs.size());
        entries += answer.entries;
        told += answer.count;
        for (uint32_t i = 0; i < answer.count; i++) {
          EXPECT_TRUE(runs[i].kind == SVMA_ENTRY_PAGE || runs[i].kind == SVMA_ENTRY_ZERO ||
                      runs[i].kind == SVMA_ENTRY_MIGRATION)
              << +runs[i].kind;
        }
        Way(At(kHuge + 3));
        return HasFailure() || told >= 100;
      },
      20'000))
      << told << " runs told";
  RecordProperty("entries", entries);
  // It ends while it is read: whoever reads may be the last to let go of the mm.
  std::thread killer([&] {
    usleep(20'000);
    puppet_.Kill();
  });
  int end = 0;
  while (end == 0) {
    auto pages = Argument<svma_pages>();
    std::vector<svma_page_run> runs(4096);
    pages.mm_id = id_;
    pages.end = SVMA_NONE;
    pages.capacity = runs.size();
    pages.buffer = reinterpret_cast<uint64_t>(runs.data());
    end = device_.Ask(SVMA_IOC_PAGES, &pages);
  }
  killer.join();
  EXPECT_TRUE(end == ENOENT || end == ESRCH) << end;
  auto walk = Argument<svma_walk>();
  walk.mm_id = id_;
  walk.addr = At(0);
  const int error = device_.Ask(SVMA_IOC_WALK, &walk);
  EXPECT_TRUE(error == ENOENT || error == ESRCH) << error;
}

}  // namespace
}  // namespace guest
