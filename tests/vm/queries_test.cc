// SPDX-License-Identifier: GPL-2.0-only
//
// Lookups and gap searches, against naive searches over the snapshot.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr uint64_t kTaskSize = 0x7ffffffff000;
constexpr uint64_t kGrowsDown = 0x100;
constexpr uint64_t kReadOnly = PROT_READ, kNone = PROT_NONE;

// A layout with holes of many sizes, a file, and a mapping that keeps its distance.
class Queries : public Tracee {
 protected:
  void SetUp() override {
    Tracee::SetUp();
    std::mt19937 random(20240601);
    uint64_t page = 0;
    for (int i = 0; i < 120; i++) {
      uint64_t pages = 1 + random() % 9;
      Answer answer =
          puppet_.Syscall(SYS_mmap, {At(page), pages * kPage, i % 2 ? kReadOnly : kNone,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ull, 0});
      ASSERT_EQ(static_cast<uint64_t>(answer.value), At(page));
      page += pages + (random() % 3 ? random() % 40 : 0);
    }
    Map(page + 400, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
    // Not inside its guard gap: there vm_start_gap() does not grow with vm_start, and the kernel's
    // own search may then miss a hole.
    Map(page + 100, 4, PROT_READ);
    vmas_ = device_.Snapshot(id_);
    ASSERT_GT(vmas_.size(), 100u);
  }

  void ExpectFind(uint64_t addr) {
    auto find = Argument<svma_find>();
    find.mm_id = id_;
    find.addr = addr;
    ASSERT_EQ(device_.Ask(SVMA_IOC_FIND, &find), 0);
    const svma_vma* next = nullptr;
    const svma_vma* prev = nullptr;
    for (const svma_vma& vma : vmas_) {
      if (vma.end <= addr) prev = &vma;
      if (vma.end > addr && !next) next = &vma;
    }
    ASSERT_EQ(find.found, (next ? 1u : 0u) | (prev ? 2u : 0u)) << std::hex << addr;
    if (next) {
      EXPECT_EQ(memcmp(&find.vma, next, sizeof(*next)), 0) << std::hex << addr;
    }
    if (prev) {
      EXPECT_EQ(memcmp(&find.prev, prev, sizeof(*prev)), 0) << std::hex << addr;
    }
  }

  // unmapped_area(): the hole must hold the length and the worst alignment loss. Where gaps are
  // whole holes, one whose guard gap the place found reaches into is passed upwards, and downwards
  // what is left of it is used; otherwise that is the gap.
  std::optional<uint64_t> NaiveGap(const svma_gap& ask) const {
    std::optional<uint64_t> best;
    uint64_t below = 0;
    uint64_t need = ask.length + ask.align_mask;
    auto consider = [&](uint64_t start, uint64_t end, uint64_t guard) {
      start = std::max<uint64_t>(start, ask.low_limit);
      end = std::min<uint64_t>(end, ask.high_limit);
      if (start > end || end - start < need) return;
      if (ask.flags & SVMA_GAP_TOPDOWN) {
        uint64_t at = end - ask.length;
        best = at - ((at - ask.align_offset) & ask.align_mask);
      } else if (!best) {
        const uint64_t at = start + ((ask.align_offset - start) & ask.align_mask);
        if (guard >= at + need - 1) best = at;
      }
    };
    for (const svma_vma& vma : vmas_) {
      uint64_t guard = ~0ull;
      uint64_t top = vma.start;
      if (vma.flags & kGrowsDown) guard = top > kStackGuardGap ? top - kStackGuardGap : 0;
      if ((ask.flags & SVMA_GAP_TOPDOWN) || !GapsAreWholeHoles()) top = std::min(top, guard);
      if (top > below) consider(below, top, guard);
      below = vma.end;
    }
    consider(below, ~0ull, ~0ull);
    return best;
  }

  void ExpectGap(svma_gap ask) {
    static const bool minds = Choice("search_minds_min_addr") == "yes";
    svma_gap question = ask;
    if (minds) {
      const uint64_t min_addr = std::stoull(ReadFile("/proc/sys/vm/mmap_min_addr"));
      question.low_limit = std::max<uint64_t>(ask.low_limit, min_addr);
    }
    std::optional<uint64_t> naive = NaiveGap(question);
    ASSERT_EQ(device_.Ask(SVMA_IOC_GAP, &ask), 0);
    SCOPED_TRACE(testing::Message()
                 << std::hex << "length " << ask.length << " low " << ask.low_limit << " high "
                 << ask.high_limit << " mask " << ask.align_mask << " offset " << ask.align_offset
                 << " flags " << ask.flags);
    ASSERT_EQ(ask.error, naive ? 0u : static_cast<uint32_t>(ENOMEM));
    EXPECT_EQ(ask.result, naive.value_or(0));
  }

  std::vector<svma_vma> vmas_;
};

TEST_F(Queries, Find_StartsEndsAndHoles_AsNaive) {
  for (const svma_vma& vma : vmas_) {
    for (uint64_t addr :
         {vma.start - 1, vma.start, vma.start + kPage, vma.end - 1, vma.end, vma.end + kPage}) {
      ExpectFind(addr);
    }
  }
  for (uint64_t addr : {0ul, kPage, kTaskSize, ~0ul - 1, ~0ul}) ExpectFind(addr);
}

// v6.1 does not hold the length against the limits, whose answer then lies below the lower one;
// its callers never ask so (EmptyArea.WindowShorterThanTheRequest of the unit tests).
TEST_F(Queries, Gap_ManyLengthsAndLimits_AsNaive) {
  const bool minds_window = !GapsAreWholeHoles() || Choice("search_measures_limits") == "yes";
  std::mt19937_64 random(7);
  for (uint32_t flags : {0u, SVMA_GAP_TOPDOWN}) {
    for (int i = 0; i < 4000; i++) {
      auto ask = Argument<svma_gap>();
      ask.flags = flags;
      ask.mm_id = id_;
      ask.length = (1 + random() % (i % 4 ? 45 : 4000)) * kPage;
      const svma_vma& one = vmas_[random() % vmas_.size()];
      const svma_vma& two = vmas_[random() % vmas_.size()];
      uint64_t low = i % 5 ? one.start + (random() % 20) * kPage : kPage;
      uint64_t high = i % 3 ? two.end + (random() % 50) * kPage : kTaskSize;
      ask.low_limit = std::min(low, high);
      ask.high_limit = std::min(std::max(low, high), kTaskSize);
      if (i % 2) {
        ask.align_mask = (kPage << (random() % 10)) - 1;
        ask.align_offset = (random() % 8) * kPage;
      }
      const uint64_t window = ask.high_limit - ask.low_limit;
      if (minds_window || window >= ask.length + ask.align_mask) ExpectGap(ask);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Queries, Gap_TooLong_Enomem) {
  auto ask = Argument<svma_gap>();
  ask.mm_id = id_;
  ask.length = kTaskSize & ~(kPage - 1);
  ask.high_limit = kTaskSize;
  for (uint32_t flags : {0u, SVMA_GAP_TOPDOWN}) {
    ask.flags = flags;
    ExpectGap(ask);
  }
  ask.low_limit = ask.high_limit = kArena;
  ask.length = kPage;
  ExpectGap(ask);
}

TEST_F(Queries, Gap_SenselessArguments_Einval) {
  auto good = Argument<svma_gap>();
  good.mm_id = id_;
  good.length = kPage;
  good.high_limit = kTaskSize;
  EXPECT_EQ(device_.Ask(SVMA_IOC_GAP, &good), 0);
  auto bad = [&](auto change) {
    svma_gap ask = good;
    change(ask);
    EXPECT_EQ(device_.Ask(SVMA_IOC_GAP, &ask), EINVAL);
  };
  bad([](svma_gap& ask) { ask.length = 0; });
  bad([](svma_gap& ask) { ask.length = 1; });
  bad([](svma_gap& ask) { ask.low_limit = ask.high_limit + 1; });
  bad([](svma_gap& ask) { ask.high_limit = ~0ull; });
  bad([](svma_gap& ask) { ask.align_mask = 5; });
}

TEST_F(Queries, Snapshot_ChunksOf7_EqualChunksOf512) {
  for (uint32_t chunk : {1u, 7u, 100u}) {
    std::vector<svma_vma> parts = device_.Snapshot(id_, chunk);
    ASSERT_EQ(parts.size(), vmas_.size());
    EXPECT_EQ(memcmp(parts.data(), vmas_.data(), parts.size() * sizeof(parts[0])), 0);
  }
}

TEST_F(Queries, Snapshot_MoreThan512_AllThere) {
  for (uint64_t i = 0; i < 1500; i++) {
    puppet_.Syscall(SYS_mmap, {At(100000 + 2 * i), kPage, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ull, 0});
  }
  Check("1500 mmaps");
  EXPECT_GT(device_.Snapshot(id_).size(), 1500u);
  EXPECT_GT(device_.Snapshot(id_, 10000).size(), 1500u);
}

TEST_F(Queries, Tree_AfterManyChanges_RedBlackWithRightGaps) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 400; i++) {
    uint64_t at = At(random() % 4000), length = (1 + random() % 30) * kPage;
    if (random() % 3) {
      puppet_.Syscall(SYS_mmap, {at, length, random() % 2 ? kReadOnly : kNone,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ull, 0});
    } else {
      puppet_.Syscall(SYS_munmap, {at, length});
    }
    ASSERT_EQ(TreeFault(device_.Snapshot(id_)), "") << "step " << i;
  }
  Check("400 random changes");
}

// Wherever the kernel has a red-black tree of its own it was compared while the layout was made.
TEST_F(Queries, Structure_WhereTheKernelHasATree_ComparedAndEqual) {
  auto structure = Argument<svma_structure>();
  ASSERT_EQ(device_.Ask(SVMA_IOC_STRUCTURE, &structure), 0);
  EXPECT_EQ(structure.compared, structure.equal);
  EXPECT_EQ(structure.differs, 0u);
  if (structure.has_tree) {
    EXPECT_GT(structure.compared, 1000u);
  } else {
    EXPECT_EQ(structure.compared, 0u);
  }
  structure.flags = SVMA_STATS_MODULE;
  const uint64_t own = structure.compared;
  ASSERT_EQ(device_.Ask(SVMA_IOC_STRUCTURE, &structure), 0);
  EXPECT_GE(structure.compared, own);
  structure.flags = ~0u;
  EXPECT_EQ(device_.Ask(SVMA_IOC_STRUCTURE, &structure), EINVAL);
}

TEST(Semantics, Choices_EachOnceOfTheProfileOfThisKernel) {
  Device device;
  utsname names{};
  ASSERT_EQ(uname(&names), 0);
  std::set<std::string> seen;
  auto choice = Argument<svma_semantic>();
  for (; device.Ask(SVMA_IOC_SEMANTIC, &choice) == 0; choice.index++) {
    const std::string profile = choice.profile;
    EXPECT_EQ(std::string(names.release).substr(0, profile.size() + 1), profile + ".");
    EXPECT_TRUE(seen.insert(choice.name).second) << choice.name;
    EXPECT_NE(std::string(choice.value), "");
    EXPECT_NE(std::string(choice.source), "");
  }
  EXPECT_GT(seen.size(), 10u);
  EXPECT_EQ(device.Ask(SVMA_IOC_SEMANTIC, &choice), ENOENT);
}

}  // namespace
}  // namespace guest
