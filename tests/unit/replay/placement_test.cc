// SPDX-License-Identifier: GPL-2.0-only
//
// Where an address may come from: each kind of call, each layout, and one limit wrong at a time.
#include "replay/placement.hpp"

#include <gtest/gtest.h>

#include "replay/facts.hpp"
#include "vma/reserve.hpp"

namespace svma {
namespace {

constexpr u64 kWindow = (u64{1} << 47) - kPageSize;
constexpr u64 kBase = 0x7ffff0000000, kLegacyBase = 0x2aaaaaaab000;
constexpr u64 kIa32End = 0xffffe000, kIa32Base = 0xf7f00000, kIa32LegacyBase = 0x55554000;
constexpr u64 kMap32Bit = 0x40;
constexpr u64 kHugeMask = (u64{2} << 20) - kPageSize;

constexpr svma_placement k64{kBase, kLegacyBase, kWindow, kWindow, kWindow, SVMA_PLACEMENT_TOPDOWN,
                             0};
constexpr svma_placement k64Legacy{kLegacyBase, kLegacyBase, kWindow, kWindow, kWindow, 0, 0};
// Five levels of page tables.
constexpr u64 kFullSize = (u64{1} << 56) - kPageSize;
constexpr svma_placement kLarge{
    kBase, kLegacyBase, kWindow, kFullSize, kFullSize, SVMA_PLACEMENT_TOPDOWN, 0};
constexpr svma_placement kLargeLegacy{kLegacyBase, kLegacyBase, kWindow, kFullSize,
                                      kFullSize,   0,           0};
// int $0x80 in a 64-bit program, and in one of its own kind.
constexpr svma_placement kInt80{kIa32Base, kIa32LegacyBase,
                                kIa32End,  kWindow,
                                kWindow,   SVMA_PLACEMENT_TOPDOWN | SVMA_PLACEMENT_COMPAT,
                                0};
constexpr svma_placement kInt80Legacy{kIa32LegacyBase, kIa32LegacyBase,       kIa32End, kWindow,
                                      kWindow,         SVMA_PLACEMENT_COMPAT, 0};
constexpr svma_placement kIa32{kIa32Base, kIa32LegacyBase,
                               kIa32End,  kIa32End,
                               kWindow,   SVMA_PLACEMENT_TOPDOWN | SVMA_PLACEMENT_COMPAT,
                               0};

class PlacementTest : public ::testing::Test {
 protected:
  ~PlacementTest() override { space_.clear(); }

  // Mismatches of a search within these limits.
  static u32 search(const svma_placement& where, u64 low, u64 high, bool topdown,
                    u64 align_mask = 0, const svma_call* call = nullptr, u32* facts = nullptr) {
    svma_op op{};
    op.kind = SVMA_CORE_SEARCH;
    op.args[0] = kPageSize;
    op.args[1] = low;
    op.args[2] = high;
    op.args[3] = align_mask;
    op.args[5] = topdown;
    svma_verdict verdict{};
    Placement(*find_semantics("6.1"), where).check_limits(op, call, verdict);
    EXPECT_GE(verdict.compared, 2u);
    if (facts != nullptr) *facts = verdict.facts_by_kind[static_cast<u8>(Fact::kAddress)];
    return verdict.divergent;
  }

  static svma_call map_32bit() {
    svma_call call{};
    call.kind = SVMA_CALL_MMAP;
    call.args[3] = kMap32Bit;
    return call;
  }

  bool takes(const svma_placement& where, u64 hint, u64 pages, u64 flags = 0) {
    return Placement(*find_semantics("6.1"), where)
        .takes_hint(space_, hint, pages * kPageSize, flags);
  }

  AddressSpace space_;
};

TEST_F(PlacementTest, Above4G_MovesTheLowerEndWhereItIsKnown) {
  svma_call call{};
  call.kind = SVMA_CALL_MMAP;
  call.args[3] = 0x80;
  EXPECT_EQ(search(k64, kPageSize, kBase, true, 0, &call), 0u);
  svma_op op{};
  op.args[1] = u64{1} << 32;
  op.args[2] = kBase;
  op.args[5] = 1;
  svma_verdict verdict{};
  Placement(*find_semantics("6.12"), k64).check_limits(op, &call, verdict);
  EXPECT_EQ(verdict.divergent, 0u);
}

// The search was for one huge page more than is mapped.
TEST_F(PlacementTest, Unhinted_OfHugeLength_BeginsWithAHugePage) {
  constexpr u64 kHuge = u64{2} << 20;
  svma_call call{};
  call.searched_length = 3 * kHuge;
  const Placement placement(*find_semantics("6.12"), k64);
  call.searched = kHuge * 9 + 0x5000;
  EXPECT_EQ(placement.place_unhinted(call, 2 * kHuge, 0), kHuge * 10);
  EXPECT_EQ(placement.place_unhinted(call, 2 * kHuge, 0x3000), kHuge * 10 + 0x3000);
  call.searched = kHuge * 9;
  EXPECT_EQ(placement.place_unhinted(call, 2 * kHuge, 0), kHuge * 10);
  EXPECT_EQ(Placement(*find_semantics("6.12"), k64Legacy).place_unhinted(call, 2 * kHuge, 0),
            kHuge * 9);
  EXPECT_EQ(Placement(*find_semantics("6.1"), k64).place_unhinted(call, 2 * kHuge, 0), kHuge * 9);
  call.searched_length = 2 * kHuge;
  EXPECT_EQ(placement.place_unhinted(call, 2 * kHuge, 0), kHuge * 9);
}

TEST_F(PlacementTest, TopDown_FromABasePageToTheBaseOfTheCall) {
  EXPECT_EQ(search(k64, kPageSize, kBase, true), 0u);
  EXPECT_EQ(search(kInt80, kPageSize, kIa32Base, true), 0u);
  EXPECT_EQ(search(kInt80, kPageSize, kBase, true), 1u);
  EXPECT_EQ(search(k64, 0, kBase, true), 1u);
}

TEST_F(PlacementTest, BottomUp_FromTheLegacyBaseToTheEndOfTheCall) {
  EXPECT_EQ(search(k64, kLegacyBase, kWindow, false), 0u);
  EXPECT_EQ(search(k64Legacy, kLegacyBase, kWindow, false), 0u);
  EXPECT_EQ(search(kInt80, kIa32LegacyBase, kIa32End, false), 0u);
  EXPECT_EQ(search(kInt80, kIa32LegacyBase, kWindow, false), 1u);
}

// All of the address space is searched for whoever names a place above the lower 47 bits.
TEST_F(PlacementTest, HintAboveTheWindow_ReachesTheFullSize) {
  constexpr u64 kHigh = u64{1} << 50;
  svma_call call{};
  call.kind = SVMA_CALL_MMAP;
  call.args[0] = kHigh;
  EXPECT_EQ(search(kLarge, kPageSize, kBase + kFullSize - kWindow, true, 0, &call), 0u);
  EXPECT_EQ(search(kLarge, kPageSize, kBase, true, 0, &call), 1u);
  EXPECT_EQ(search(kLarge, kLegacyBase, kFullSize, false, 0, &call), 0u);
  EXPECT_EQ(search(kLarge, kLegacyBase, kWindow, false, 0, &call), 1u);
  EXPECT_EQ(search(kLarge, kLegacyBase, kFullSize, false), 1u);
  EXPECT_EQ(search(kInt80, kPageSize, kIa32Base, true, 0, &call), 0u);
  // The last page below the window, from anywhere inside it.
  call.args[0] = kWindow + 0xfff;
  EXPECT_EQ(search(kLarge, kPageSize, kBase, true, 0, &call), 0u);

  // mremap() has a hint with MREMAP_DONTUNMAP alone.
  call = {};
  call.kind = SVMA_CALL_MREMAP;
  call.args[4] = kHigh;
  EXPECT_EQ(search(kLarge, kPageSize, kBase, true, 0, &call), 0u);
  call.args[3] = 1 | 4;
  EXPECT_EQ(search(kLarge, kPageSize, kBase + kFullSize - kWindow, true, 0, &call), 0u);

  EXPECT_TRUE(takes(kLarge, kHigh, 1));
  EXPECT_TRUE(takes(kLargeLegacy, kHigh, 1));
  EXPECT_FALSE(takes(kLargeLegacy, kFullSize, 1));
  EXPECT_FALSE(takes(k64Legacy, kHigh, 1));
}

TEST_F(PlacementTest, TopDownInTheLegacyLayout_Differs) {
  EXPECT_EQ(search(k64Legacy, kPageSize, kLegacyBase, true), 1u);
}

TEST_F(PlacementTest, HugePages_FallBackToAThirdOfTheTask) {
  EXPECT_EQ(search(kInt80, kPageSize, kIa32Base, true, kHugeMask), 0u);
  EXPECT_EQ(search(kInt80, kLegacyBase, kWindow, false, kHugeMask), 0u);
  EXPECT_EQ(search(kInt80, kIa32LegacyBase, kIa32End, false, kHugeMask), 2u);
  EXPECT_EQ(search(kInt80Legacy, kIa32LegacyBase, kIa32End, false, kHugeMask), 0u);
}

TEST_F(PlacementTest, Map32Bit_InTheSecondGigabyte) {
  const svma_call call = map_32bit();
  EXPECT_EQ(search(k64, 0x40000000, 0x80000000, false, 0, &call), 0u);
  EXPECT_EQ(search(k64, 0x40001000, 0x80000000, false, 0, &call), 1u);
  EXPECT_EQ(search(k64, kPageSize, kBase, true, 0, &call), 3u);
  svma_placement random = k64;
  random.flags |= SVMA_PLACEMENT_RANDOM;
  u32 facts = 0;
  EXPECT_EQ(search(random, 0x41fff000, 0x80000000, false, 0, &call, &facts), 0u);
  EXPECT_EQ(facts, 1u);
  EXPECT_EQ(search(random, 0x42000000, 0x80000000, false, 0, &call), 1u);
}

TEST_F(PlacementTest, Map32BitIn32BitCall_MeansNothing) {
  const svma_call call = map_32bit();
  EXPECT_EQ(search(kInt80, kPageSize, kIa32Base, true, 0, &call), 0u);
  EXPECT_EQ(search(kInt80, 0x40000000, 0x80000000, false, 0, &call), 2u);
}

TEST_F(PlacementTest, Hint_TopDown_JudgedByTheTask) {
  EXPECT_TRUE(takes(k64, kWindow - kPageSize, 1));
  EXPECT_FALSE(takes(k64, kWindow - kPageSize, 2));
  EXPECT_TRUE(takes(kInt80, kIa32End, 2));
  EXPECT_FALSE(takes(kIa32, kIa32End - kPageSize, 2));
  EXPECT_FALSE(takes(k64, kPageSize, kWindow));
}

TEST_F(PlacementTest, Hint_BottomUp_JudgedByTheEndOfTheSearch) {
  EXPECT_TRUE(takes(kInt80Legacy, kIa32End - kPageSize, 1));
  EXPECT_FALSE(takes(kInt80Legacy, kIa32End, 1));
  EXPECT_TRUE(takes(k64Legacy, kIa32End, 1));
}

TEST_F(PlacementTest, Hint_Map32Bit_BelowTwoGigabytes) {
  EXPECT_TRUE(takes(k64, 0x10000, 1, kMap32Bit));
  EXPECT_TRUE(takes(k64, 0x7ffff000, 1, kMap32Bit));
  EXPECT_FALSE(takes(k64, 0x7ffff000, 2, kMap32Bit));
  EXPECT_TRUE(takes(kIa32, 0x7ffff000, 2, kMap32Bit));
}

TEST_F(PlacementTest, Hint_InUseOrGuarded_IsNotTaken) {
  VmaReserve reserve;
  ASSERT_TRUE(reserve.fill(1).ok());
  Vma* const stack = reserve.take();
  stack->vm_start = VirtAddr(0x20000000);
  stack->vm_end = VirtAddr(0x20001000);
  stack->attrs.vm_flags = kVmGrowsDown;
  ASSERT_TRUE(space_.insert(stack).ok());
  EXPECT_FALSE(takes(kIa32, 0x20000000, 1));
  EXPECT_FALSE(takes(kIa32, 0x1fffe000, 1));
  EXPECT_TRUE(takes(kIa32, 0x1fe00000, 1));
  EXPECT_TRUE(takes(kIa32, 0x20001000, 1));
}

}  // namespace
}  // namespace svma
