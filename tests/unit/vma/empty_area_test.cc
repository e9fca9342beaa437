// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

#include "vma/address_space.hpp"

namespace svma {
namespace {

constexpr u64 kBase = 0x10000000;
constexpr u64 kGuard = 4 * kPageSize;

u64 page(u64 n) { return kBase + n * kPageSize; }

// One hole, exclusive end; `grows_down` is the VMA above it.
struct Hole {
  u64 begin = 0;
  u64 end = 0;
  bool grows_down = false;
};

class EmptyArea : public ::testing::Test {
 protected:
  ~EmptyArea() override { space_.clear(); }

  void map(u64 first, u64 pages, bool grows_down = false) {
    VmaReserve reserve;
    ASSERT_TRUE(reserve.fill(1).ok());
    Vma* const vma = reserve.take();
    vma->vm_start = VirtAddr(page(first));
    vma->vm_end = VirtAddr(page(first + pages));
    if (grows_down) vma->attrs.vm_flags |= kVmGrowsDown;
    if (!space_.insert(vma).ok()) reserve.give_back(vma);
  }

  static UnmappedAreaInfo ask(u64 pages, u64 low, u64 high) {
    UnmappedAreaInfo info;
    info.length = pages * kPageSize;
    info.low_limit = VirtAddr(page(low));
    info.high_limit = VirtAddr(page(high));
    return info;
  }

  long lowest(const UnmappedAreaInfo& info) const { return number(space_.unmapped_area(info)); }
  long highest(const UnmappedAreaInfo& info) const {
    return number(space_.unmapped_area_topdown(info));
  }

  static long number(Result<VirtAddr> addr) {
    return addr.ok() ? static_cast<long>((addr->value() - kBase) >> kPageShift) : -1;
  }

  std::vector<Hole> holes() const {
    std::vector<Hole> all;
    u64 below = 0;
    for (const Vma* vma = space_.first(); vma; vma = AddressSpace::next(vma)) {
      if (vma->vm_start.value() > below)
        all.push_back({below, vma->vm_start.value(), vma->has(kVmGrowsDown)});
      below = vma->vm_end.value();
    }
    all.push_back({below, ~u64{0}, false});
    return all;
  }

  // The stack above the hole begins where it ends.
  static u64 guard_start(const Hole& hole) { return hole.end > kGuard ? hole.end - kGuard : 0; }

  AddressSpace space_{kGuard, GapRule::kHoles};
};

// Hole by hole, from below; the kernel's rule for guard gaps is in empty_area.cc.
std::optional<u64> naive_lowest(const std::vector<Hole>& holes, const UnmappedAreaInfo& info) {
  const u64 length = info.length + info.align_mask;
  u64 low = info.low_limit.value();
  for (const Hole& hole : holes) {
    const u64 begin = std::max(hole.begin, low);
    const u64 end = std::min(hole.end, info.high_limit.value());
    if (end <= begin || end - begin < length) continue;
    const u64 at = begin + ((info.align_offset - begin) & info.align_mask);
    if (!hole.grows_down || (hole.end > kGuard ? hole.end - kGuard : 0) >= at + length - 1)
      return at;
  }
  return std::nullopt;
}

TEST_F(EmptyArea, NothingMapped_GivesTheLimits) {
  EXPECT_EQ(lowest(ask(2, 3, 9)), 3);
  EXPECT_EQ(highest(ask(2, 3, 9)), 7);
}

// Found by the generator: a hole that ends at address 0 is none.
TEST_F(EmptyArea, SomethingMappedAtZero_NoHoleBelowIt) {
  VmaReserve reserve;
  ASSERT_TRUE(reserve.fill(1).ok());
  Vma* const lowest_vma = reserve.take();
  lowest_vma->vm_start = VirtAddr(0);
  lowest_vma->vm_end = VirtAddr(kPageSize);
  ASSERT_TRUE(space_.insert(lowest_vma).ok());
  map(0, 20);
  EXPECT_EQ(lowest(ask(4, 0, 30)), 20);
  EXPECT_EQ(highest(ask(4, 0, 10)), -1);
}

TEST_F(EmptyArea, StackAbove_UpwardsLosesTheWholeHole) {
  map(0, 1);
  map(10, 1, true);  // hole [1, 10), guard from 6
  map(20, 1);
  EXPECT_EQ(lowest(ask(5, 0, 30)), 1);
  EXPECT_EQ(lowest(ask(6, 0, 30)), 11);  // [1, 7) reaches into the guard: on above the stack
}

TEST_F(EmptyArea, StackAbove_DownwardsUsesWhatIsLeft) {
  map(0, 1);
  map(10, 1, true);
  EXPECT_EQ(highest(ask(5, 0, 10)), 1);
  EXPECT_EQ(highest(ask(6, 0, 10)), -1);
}

// The candidate is the highest hole that is long enough, even if the lower limit cuts it too short
// and another one would do: it does not matter here, since all others are lower still.
TEST_F(EmptyArea, LowerLimitCutsTheCandidate_NoAnswer) {
  map(0, 1);
  map(5, 1);
  EXPECT_EQ(highest(ask(4, 2, 6)), -1);
  EXPECT_EQ(highest(ask(3, 2, 6)), 2);
}

// As mas_empty_area_rev() in v6.1: only the hole is held against the limits, not what lies between
// them. No caller of the kernel asks so.
TEST_F(EmptyArea, WindowShorterThanTheRequest_AnswerReachesBelowTheLowerLimit) {
  map(0, 1);
  map(100, 1);
  EXPECT_EQ(highest(ask(8, 20, 24)), 16);
  EXPECT_EQ(lowest(ask(8, 20, 24)), -1);
}

TEST_F(EmptyArea, LengthPlusAlignmentOverflows_NoAnswer) {
  UnmappedAreaInfo info = ask(1, 0, 10);
  info.length = ~u64{0} - kPageSize;
  info.align_mask = 0x200000 - 1;
  EXPECT_EQ(lowest(info), -1);
  EXPECT_EQ(highest(info), -1);
}

TEST_F(EmptyArea, RandomRequests_MatchTheNaiveSearch) {
  for (u32 seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 60; ++i) map(random() % 1000, 1 + random() % 6, random() % 8 == 0);
    const std::vector<Hole> all = holes();
    for (int i = 0; i < 2000; ++i) {
      UnmappedAreaInfo info = ask(1 + random() % 60, random() % 500, 500 + random() % 600);
      info.align_mask = random() % 2 ? 0 : ((kPageSize << (random() % 5)) - 1) & kPageMask;
      info.align_offset = (random() % 64) * kPageSize;
      ASSERT_EQ(space_.unmapped_area(info).value_or(VirtAddr(0)).value(),
                naive_lowest(all, info).value_or(0))
          << "seed " << seed << " request " << i;
      // From above: whatever is found is a hole with its guard gap kept, within the limits, and
      // nothing higher of that length is.
      const Result<VirtAddr> high = space_.unmapped_area_topdown(info);
      std::optional<u64> best;
      for (const Hole& hole : all) {
        const u64 end = hole.grows_down ? std::max(hole.begin, guard_start(hole)) : hole.end;
        const u64 top = std::min(end, info.high_limit.value());
        const u64 bottom = std::max(hole.begin, info.low_limit.value());
        const u64 length = info.length + info.align_mask;
        if (top <= bottom || top - bottom < length) continue;
        const u64 at = top - info.length;
        best = at - ((at - info.align_offset) & info.align_mask);
      }
      const bool window_too_short =
          info.high_limit - info.low_limit < info.length + info.align_mask;
      if (window_too_short) continue;  // see WindowShorterThanTheRequest
      if (high.ok()) {
        ASSERT_TRUE(best.has_value()) << "seed " << seed << " request " << i;
        ASSERT_EQ(high->value(), *best) << "seed " << seed << " request " << i;
      } else {
        // The only answers that may be missed are in a hole the lower limit cuts (empty_area.cc).
        ASSERT_EQ(best.value_or(0), 0u) << "seed " << seed << " request " << i;
      }
    }
    space_.clear();
  }
}

// Where a flag says shadow stack, the page below it stays free, and it counts as a stack.
TEST(ShadowStack, PageBelowStaysFree) {
  constexpr VmFlags kShadowStack = kVmShadowStack;
  AddressSpace space(kGuard, GapRule::kHoles, kFirstMergeRules, kShadowStack);
  AddressSpace without(kGuard, GapRule::kHoles);
  for (AddressSpace* one : {&space, &without}) {
    VmaReserve reserve;
    ASSERT_TRUE(reserve.fill(1).ok());
    Vma* const vma = reserve.take();
    vma->vm_start = VirtAddr(page(10));
    vma->vm_end = VirtAddr(page(11));
    vma->attrs.vm_flags = kVmWrite | kShadowStack;
    ASSERT_TRUE(one->insert(vma).ok());
    one->vm_stat_account(vma->attrs.vm_flags, 1);
  }
  UnmappedAreaInfo info;
  info.length = kPageSize;
  info.low_limit = VirtAddr(page(5));
  info.high_limit = VirtAddr(page(11));
  EXPECT_EQ(space.unmapped_area_topdown(info)->value(), page(8));
  EXPECT_EQ(without.unmapped_area_topdown(info)->value(), page(9));
  info.low_limit = VirtAddr(page(9));
  EXPECT_FALSE(space.unmapped_area(info).ok());
  EXPECT_EQ(without.unmapped_area(info)->value(), page(9));
  EXPECT_EQ(space.acct().stack_vm.value(), 1u);
  EXPECT_EQ(without.acct().data_vm.value(), 1u);
  space.clear();
  without.clear();
}

}  // namespace
}  // namespace svma
