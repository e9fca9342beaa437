// SPDX-License-Identifier: GPL-2.0-only
//
// mremap() against its plan: each path, each error that the layout decides,
// and for each a kernel that does something else.
#include "replay/plan.hpp"

#include <gtest/gtest.h>

#include "call_fixture.hpp"
#include "replay/facts.hpp"

namespace svma {
namespace {

using test::CallTest;
using test::kMapped;

constexpr u64 kTask = (u64{1} << 47) - kPageSize;
constexpr u64 kMayMove = kMremapMayMove;
constexpr u64 kFixed = kMremapMayMove | kMremapFixed;
constexpr u64 kDontUnmap = kMremapMayMove | kMremapDontUnmap;

class PlanTest : public CallTest {
 protected:
  // What the kernel would find: no limits.
  static void unlimited(svma_call& call) {
    call.rlimits = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    call.map_count_limit = 65530;
  }

  u32 unmaps(svma_call& call, u64 start, u64 end) {
    return step(call, SVMA_CORE_MUNMAP, {start, end});
  }
};

// --- mremap

class MremapPlan : public PlanTest {
 protected:
  // Lengths and addresses in pages.
  svma_call call(u64 from, u64 before, u64 after, u64 flags = 0, u64 to = 0) {
    svma_call c = raw(at(from), before * kPageSize, after * kPageSize, flags, at(to));
    return c;
  }
  svma_call raw(u64 addr, u64 before, u64 after, u64 flags, u64 target) {
    svma_call c =
        make(SVMA_CALL_MREMAP, {addr, before, after, flags, target, kTask, /*min_addr=*/0x10000});
    unlimited(c);
    return c;
  }
  u32 resizes(svma_call& c, u64 from, u64 before, u64 after) {
    return step(c, SVMA_CORE_MREMAP_EXPAND,
                {at(from), before * kPageSize, after * kPageSize, kTask});
  }
  u32 moves(svma_call& c, u64 vma, u64 from, u64 before, u64 after, u64 to, u64 flags) {
    return step(c, SVMA_CORE_MREMAP_MOVE,
                {at(vma), at(from), before * kPageSize, after * kPageSize, at(to), flags});
  }
  // The call ends with this error, and neither with success nor with another one.
  void expect_error(const svma_call& c, int error) {
    for (i64 result : {i64{-error}, i64{-kESRCH}, static_cast<i64>(c.args[0])}) {
      svma_call copy = c;
      EXPECT_EQ(end(copy, result), result == -error ? 0u : 1u) << result;
    }
  }
};

TEST_F(MremapPlan, BadArguments_RefusedWithoutTheLock) {
  map(0, 4);
  const u64 page = kPageSize;
  for (const svma_call& bad :
       {raw(at(0), page, page, 8, 0), raw(at(0), page, page, kMremapFixed, at(9)),
        raw(at(0), page, page, kMremapDontUnmap, 0), raw(at(0), page, 2 * page, kDontUnmap, 0),
        raw(at(0) + 1, page, page, 0, 0), raw(at(0), page, 0, 0, 0),
        raw(at(0), page, ~0ull, 0, 0)}) {
    svma_call c = bad;
    EXPECT_EQ(returns(c, -kEINVAL).divergent, 0u);
    EXPECT_EQ(returns(c, static_cast<i64>(at(0))).divergent, 1u);
  }
}

TEST_F(MremapPlan, KilledBeforeItHadTheLock_IsNotJudged) {
  svma_call c = call(0, 1, 2);
  EXPECT_EQ(returns(c, -4 /* EINTR */).compared, 0u);
}

TEST_F(MremapPlan, NothingMapped_Efault) { expect_error(call(0, 1, 2), kEFAULT); }

TEST_F(MremapPlan, SameSize_ReturnsTheAddress) {
  map(0, 4);
  svma_call c = call(1, 2, 2);
  svma_call copy = c;
  EXPECT_EQ(end(c, static_cast<i64>(at(1))), 0u);
  EXPECT_EQ(end(copy, static_cast<i64>(at(0))), 1u);
}

TEST_F(MremapPlan, Shrinks_UnmapsTheTail) {
  map(0, 8);
  svma_call c = call(0, 8, 3);
  svma_call copy = c;
  EXPECT_EQ(unmaps(copy, at(4), at(8)), 1u);
  EXPECT_EQ(unmaps(c, at(3), at(8)), 0u);
  unmap(3, 8);
  EXPECT_EQ(end(c, static_cast<i64>(at(0))), 0u);
}

TEST_F(MremapPlan, ShrinksWithoutUnmapping_Differs) {
  map(0, 8);
  svma_call c = call(0, 8, 3);
  EXPECT_EQ(end(c, static_cast<i64>(at(0))), 1u);
}

TEST_F(MremapPlan, TailIsAHole_NoStep) {
  map(0, 3);
  svma_call c = call(0, 8, 3);
  EXPECT_EQ(end(c, static_cast<i64>(at(0))), 0u);
}

TEST_F(MremapPlan, TailBeyondTheUsersHalf_Einval) {
  map(0, 4);
  expect_error(raw(at(0), kTask, kPageSize, 0, 0), kEINVAL);
}

TEST_F(MremapPlan, UnmapFailed_EndsWithItsError) {
  map(0, 8);
  svma_call c = call(2, 4, 1);
  EXPECT_EQ(unmaps(c, at(3), at(6)), 0u);
  c.failed = -kENOMEM;
  expect_error(c, kENOMEM);
}

TEST_F(MremapPlan, RoomBehind_GrowsInPlace) {
  map(0, 4);
  svma_call c = call(1, 3, 6);
  EXPECT_EQ(resizes(c, 1, 3, 6), 0u);
  svma_call copy = c;
  unmap(0, 4);
  map(0, 7);
  EXPECT_EQ(end(c, static_cast<i64>(at(1))), 0u);
  EXPECT_EQ(end(copy, static_cast<i64>(at(0))), 1u);
}

TEST_F(MremapPlan, GrowsInPlaceWithoutMemory_IsAFact) {
  map(0, 4);
  svma_call c = call(0, 4, 6);
  EXPECT_EQ(resizes(c, 0, 4, 6), 0u);
  release(c);
  const svma_verdict verdict = returns(c, -kENOMEM);
  EXPECT_EQ(verdict.divergent, 0u);
  EXPECT_EQ(verdict.facts_by_kind[static_cast<u8>(Fact::kFailure)], 1u);
}

TEST_F(MremapPlan, ResizeWithOtherLengths_Differs) {
  map(0, 4);
  svma_call c = call(0, 4, 6);
  EXPECT_EQ(resizes(c, 0, 3, 6), 1u);
}

TEST_F(MremapPlan, SpecialVma_DoesNotGrowInPlace) {
  map(0, 4, kMapped | kVmMixedMap);
  svma_call c = call(0, 4, 6, kMayMove);
  EXPECT_EQ(resizes(c, 0, 4, 6), 0u);
  expect_error(c, kENOMEM);
}

TEST_F(MremapPlan, NoRoom_EnomemUnlessItMayMove) {
  map(0, 4);
  map(5, 1);
  svma_call c = call(0, 4, 6);
  EXPECT_EQ(resizes(c, 0, 4, 6), 0u);
  expect_error(c, kENOMEM);
}

TEST_F(MremapPlan, NoRoom_MovesToWhatWasFound) {
  map(0, 4);
  map(5, 1);
  svma_call c = call(0, 4, 6, kMayMove);
  EXPECT_EQ(resizes(c, 0, 4, 6), 0u);
  svma_call early = c;
  EXPECT_EQ(end(early, static_cast<i64>(at(0))), 1u);  // it has not grown
  c.searched = at(40);
  svma_call copy = c;
  EXPECT_EQ(moves(copy, 0, 0, 4, 6, 41, kMayMove), 1u);
  EXPECT_EQ(moves(c, 0, 0, 4, 6, 40, kMayMove), 0u);
  svma_call failed = c;
  failed.failed = -kENOMEM;
  EXPECT_EQ(end(c, static_cast<i64>(at(40))), 0u);
  expect_error(failed, kENOMEM);
}

TEST_F(MremapPlan, PartOfAVma_MovesEvenWithRoomBehind) {
  map(0, 4);
  svma_call c = call(0, 2, 6, kMayMove);
  EXPECT_EQ(resizes(c, 0, 2, 6), 0u);
  c.searched = at(40);
  EXPECT_EQ(moves(c, 0, 0, 2, 6, 40, kMayMove), 0u);
}

TEST_F(MremapPlan, FileMoves_AddressIsAFact) {
  map(0, 2);
  map(2, 1);
  vma_at(0).attrs.file = 7;
  svma_call c = call(0, 2, 6, kMayMove);
  EXPECT_EQ(resizes(c, 0, 2, 6), 0u);
  c.searched = at(40);
  EXPECT_EQ(moves(c, 0, 0, 2, 6, 90, kMayMove), 0u);
}

TEST_F(MremapPlan, PrivateMappingDuplicated_Einval) {
  map(0, 4);
  svma_call c = call(0, 0, 2, kMayMove);
  EXPECT_EQ(resizes(c, 0, 0, 2), 0u);
  expect_error(c, kEINVAL);
}

TEST_F(MremapPlan, BeyondTheEndOfTheVma_Efault) {
  map(0, 4);
  map(4, 4, kMapped | kVmDontCopy);
  svma_call c = call(0, 6, 8, kMayMove);
  EXPECT_EQ(resizes(c, 0, 6, 8), 0u);
  expect_error(c, kEFAULT);
}

TEST_F(MremapPlan, MayNotExpand_Efault) {
  map(0, 4, kMapped | kVmDontExpand);
  svma_call c = call(0, 4, 8, kMayMove);
  EXPECT_EQ(resizes(c, 0, 4, 8), 0u);
  expect_error(c, kEFAULT);
}

TEST_F(MremapPlan, OffsetWraps_Einval) {
  map(0, 4);
  vma_at(0).attrs.vm_pgoff = PageOffset(~0ull - 4);
  svma_call c = call(0, 4, 8, kMayMove);
  EXPECT_EQ(resizes(c, 0, 4, 8), 0u);
  expect_error(c, kEINVAL);
}

TEST_F(MremapPlan, OverRlimitAs_Enomem) {
  map(0, 4);
  svma_call c = call(0, 4, 8, kMayMove);
  c.rlimits.as = 3 * kPageSize;
  EXPECT_EQ(resizes(c, 0, 4, 8), 0u);
  expect_error(c, kENOMEM);
}

// With CAP_IPC_LOCK it grows, without it is -EAGAIN.
TEST_F(MremapPlan, OverRlimitMemlock_CapabilityDecides) {
  map(0, 4, kMapped | kVmLocked);
  svma_call c = call(0, 4, 8);
  c.rlimits.memlock = 2 * kPageSize;
  EXPECT_EQ(resizes(c, 0, 4, 8), 0u);
  svma_call copy = c;
  EXPECT_EQ(end(c, -kEAGAIN), 0u);
  EXPECT_EQ(end(copy, static_cast<i64>(at(0))), 0u);
}

TEST_F(MremapPlan, WithinRlimitMemlock_MustNotStopAtIt) {
  map(0, 4, kMapped | kVmLocked);
  map(4, 1);
  svma_call c = call(0, 4, 8);
  c.rlimits.memlock = 4 * kPageSize;
  EXPECT_EQ(resizes(c, 0, 4, 8), 0u);
  expect_error(c, kENOMEM);
}

TEST_F(MremapPlan, Fixed_UnmapsTheTargetThenTheTailThenMoves) {
  map(0, 8);
  map(20, 2);
  svma_call c = call(0, 8, 3, kFixed, 20);
  svma_call copy = c;
  EXPECT_EQ(unmaps(copy, at(3), at(8)), 2u);  // out of order
  EXPECT_EQ(unmaps(c, at(20), at(23)), 0u);
  unmap(20, 23);
  EXPECT_EQ(unmaps(c, at(3), at(8)), 0u);
  unmap(3, 8);
  EXPECT_EQ(moves(c, 0, 0, 3, 3, 20, kFixed), 0u);
  EXPECT_EQ(end(c, static_cast<i64>(at(20))), 0u);
}

TEST_F(MremapPlan, FixedWithoutUnmappingTheTarget_Differs) {
  map(0, 2);
  map(20, 2);
  svma_call c = call(0, 2, 2, kFixed, 20);
  EXPECT_EQ(moves(c, 0, 0, 2, 2, 20, kFixed), 1u);
}

TEST_F(MremapPlan, FixedToABadPlace_Einval) {
  map(0, 4);
  expect_error(raw(at(0), kPageSize, kPageSize, kFixed, at(20) + 1), kEINVAL);
  expect_error(raw(at(0), kPageSize, kPageSize, kFixed, kTask), kEINVAL);
  expect_error(call(0, 4, 4, kFixed, 3), kEINVAL);  // over its source
}

TEST_F(MremapPlan, FixedNearTheMapLimit_Enomem) {
  map(0, 4);
  svma_call c = call(0, 4, 4, kFixed, 20);
  c.map_count_limit = 6;
  expect_error(c, kENOMEM);
  c.map_count_limit = 7;
  EXPECT_EQ(moves(c, 0, 0, 4, 4, 20, kFixed), 0u);
}

TEST_F(MremapPlan, DontUnmap_TakesAFreeHintElseWhatWasFound) {
  map(0, 4);
  svma_call c = call(0, 4, 4, kDontUnmap, 20);
  c.searched = at(50);
  svma_call copy = c;
  EXPECT_EQ(moves(copy, 0, 0, 4, 4, 20, kDontUnmap), 0u);
  map(22, 1);
  EXPECT_EQ(moves(c, 0, 0, 4, 4, 50, kDontUnmap), 0u);
}

TEST_F(MremapPlan, DontUnmapOverRlimitAs_Enomem) {
  map(0, 4);
  svma_call c = call(0, 4, 4, kDontUnmap, 20);
  c.rlimits.as = 3 * kPageSize;
  expect_error(c, kENOMEM);
}

TEST_F(MremapPlan, DontUnmapOfSpecialVma_Einval) {
  map(0, 4, kMapped | kVmDontExpand);
  expect_error(call(0, 4, 4, kDontUnmap, 20), kEINVAL);
}

TEST_F(MremapPlan, HugePages_DoNotGrowAndMoveAsWholes) {
  map_at(u64{1} << 30, 1024, kMapped | kVmHugetlb | kVmShared | kVmMayShare);
  space_.find_vma(VirtAddr(0))->attrs.split_shift = 21;
  const u64 start = u64{1} << 30, huge = u64{1} << 21;
  expect_error(raw(start, huge, 2 * huge, kMayMove, 0), kEINVAL);
  expect_error(raw(start + kPageSize, huge, huge, kMayMove, 0), kEINVAL);
  svma_call c = raw(start, 2 * huge, kPageSize, kMayMove, 0);
  EXPECT_EQ(unmaps(c, start + huge, start + 2 * huge), 0u);
}

}  // namespace
}  // namespace svma
