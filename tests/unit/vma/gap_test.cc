// SPDX-License-Identifier: GPL-2.0-only
#include "vma/gap.hpp"

#include <gtest/gtest.h>

#include "map_fixture.hpp"

namespace svma {
namespace {

using test::MapFixture;

class Gap : public MapFixture {
 protected:
  u64 own_gap(char name) const { return mm_.tree().augment().compute_gap(vma(name)); }
  u64 subtree_gap(char name) const { return vma(name)->rb_subtree_gap; }
};

constexpr u64 pages(u64 n) { return n * kPageSize; }

TEST_F(Gap, FirstVma_OwnsTheSpaceDownToZero) {
  draw("..A");
  EXPECT_EQ(own_gap('A'), kBase + pages(2));
}

TEST_F(Gap, EachVma_OwnsTheHoleBelowIt) {
  draw("A..B.CC...D");
  EXPECT_EQ(own_gap('B'), pages(2));
  EXPECT_EQ(own_gap('C'), pages(1));
  EXPECT_EQ(own_gap('D'), pages(3));
}

TEST_F(Gap, Subtree_HoldsItsMaximum) {
  draw("A..B.CC...D");  // B is the root, with A and C, D below C
  EXPECT_EQ(mm_.tree().root(), vma('B'));
  EXPECT_EQ(subtree_gap('B'), kBase);
  EXPECT_EQ(subtree_gap('C'), pages(3));
  EXPECT_EQ(subtree_gap('D'), pages(3));
}

TEST_F(Gap, StackGuard_BelongsToNoGap) {
  draw("A" + std::string(300, '.') + "S", [](char name, VmaAttrs& attrs) {
    if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
  });
  EXPECT_EQ(own_gap('S'), pages(300 - 256));
  EXPECT_EQ(mm_.vm_start_gap(vma('S')), vma('S')->vm_start - pages(256));
  EXPECT_EQ(mm_.vm_start_gap(vma('A')), vma('A')->vm_start);
}

TEST_F(Gap, StackCloserThanItsGuard_OwnsNothing) {
  draw("A...S", [](char name, VmaAttrs& attrs) {
    if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
  });
  EXPECT_EQ(own_gap('S'), 0u);
}

TEST(GapAugment, GuardBelowAddressZero_StopsThere) {
  Vma stack;
  stack.vm_start = VirtAddr(pages(5));
  stack.vm_end = VirtAddr(pages(6));
  stack.attrs.vm_flags = kVmGrowsDown;
  stack.note_grows_down();
  EXPECT_EQ(GapAugment(pages(4)).vm_start_gap(&stack), pages(1));
  EXPECT_EQ(GapAugment(pages(5)).vm_start_gap(&stack), 0u);
  EXPECT_EQ(GapAugment(pages(6)).vm_start_gap(&stack), 0u);
}

TEST_F(Gap, FlagsGainGrowsDown_GapShrinksByTheGuard) {
  draw("A" + std::string(300, '.') + "S");
  EXPECT_EQ(own_gap('S'), pages(300));
  mm_.set_flags(vma('S'), vma('S')->attrs.vm_flags | kVmGrowsDown);
  check(false);
  EXPECT_EQ(subtree_gap('S'), pages(300 - 256));
}

// A mapping fixed into the guard gap makes a larger gap below itself than the stack had.
TEST_F(Gap, InsertInsideTheGuard_RaisesAllAncestors) {
  draw("A" + std::string(300, '.') + "S", [](char name, VmaAttrs& attrs) {
    if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
  });
  draw(std::string(250, '.') + "F");
  EXPECT_EQ(own_gap('F'), pages(249));
  EXPECT_EQ(own_gap('S'), 0u);
  Vma* const fixed = vma('F');
  mm_.unlink(fixed);
  reserve_.give_back(fixed);
  check(false);
  EXPECT_EQ(own_gap('S'), pages(44));
}

TEST_F(Gap, UnlinkBetweenTwo_JoinsTheirGaps) {
  draw("A..B...C");
  Vma* const b = vma('B');
  mm_.unlink(b);
  reserve_.give_back(b);
  mm_.vm_stat_account(test::kReadWrite, -1);
  check();
  EXPECT_EQ(own_gap('C'), pages(6));
}

}  // namespace
}  // namespace svma
