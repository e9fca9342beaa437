// SPDX-License-Identifier: GPL-2.0-only
//
// mremap(), brk() and mbind() against their plans: each path, each error that the layout decides,
// and for each a kernel that does something else.
#include "replay/plan.hpp"

#include <gtest/gtest.h>

#include <string_view>

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
    c.placement.end = c.placement.task_size = kTask;
    c.placement.flags = SVMA_PLACEMENT_TOPDOWN;
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

// Another thread sets limits meanwhile: which of them the kernel asked is not known.
TEST_F(MremapPlan, LimitsMoved_NothingIsSaid) {
  map(0, 4);
  svma_call c = call(0, 4, 8, kMremapMayMove);
  c.limits_moved = 1;
  svma_verdict verdict{};
  svma_op op{};
  op.kind = SVMA_CORE_MUNMAP;
  CallCheck(*find_semantics("6.1"), space_, c).step(op, verdict);
  EXPECT_EQ(verdict.compared, 0u);
  release(c);
  verdict = returns(c, -kENOMEM);
  EXPECT_EQ(verdict.compared, 0u);
  EXPECT_EQ(verdict.facts, 1u);
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

// --- brk

class BrkPlan : public PlanTest {
 protected:
  static constexpr u64 kHeapPages = 4;

  BrkPlan() { map(0, kHeapPages); }

  // The heap is [0, 4), its last page in use by half.
  static u64 heap_end() { return at(kHeapPages) - 0x800; }
  static svma_call call(u64 brk) {
    svma_call c = make(SVMA_CALL_BRK, {brk, heap_end(), at(0), at(0), /*data=*/0x1000, kTask, 0});
    unlimited(c);
    c.heap = heap_end();
    return c;
  }
  u32 grows(svma_call& c, u64 first, u64 pages, u64 below = at(0)) {
    return step(c, SVMA_CORE_BRK, {at(first), pages * kPageSize, 0, below});
  }
  // Mismatches of its end; the heap then ends where the call says.
  u32 ends(svma_call c, u64 result) {
    c.brk = result;
    return end(c, static_cast<i64>(result));
  }
};

TEST_F(BrkPlan, BelowTheStart_Unchanged) {
  EXPECT_EQ(ends(call(0), heap_end()), 0u);
  EXPECT_EQ(ends(call(at(0) - 1), at(0) - 1), 1u);
}

TEST_F(BrkPlan, WithinThePage_IsWhatWasAsked) {
  EXPECT_EQ(ends(call(at(4)), at(4)), 0u);
  EXPECT_EQ(ends(call(at(4)), heap_end()), 1u);
}

TEST_F(BrkPlan, ReturnsAnotherEndThanItHas_Differs) {
  svma_call c = call(at(4));
  c.brk = heap_end();
  EXPECT_EQ(end(c, static_cast<i64>(at(4))), 1u);
}

TEST_F(BrkPlan, Grows_OneStep) {
  svma_call c = call(at(5) + 1);
  svma_call copy = c;
  EXPECT_EQ(grows(copy, 4, 1), 1u);
  EXPECT_EQ(grows(c, 4, 2), 0u);
  EXPECT_EQ(ends(c, at(5) + 1), 0u);
  EXPECT_EQ(ends(c, heap_end()), 1u);
  c.failed = -kENOMEM;
  EXPECT_EQ(ends(c, heap_end()), 0u);
}

TEST_F(BrkPlan, GrowsWithoutMapping_Differs) { EXPECT_EQ(ends(call(at(6)), at(6)), 1u); }

TEST_F(BrkPlan, DoesNotGrowForNoReason_Differs) { EXPECT_EQ(ends(call(at(6)), heap_end()), 1u); }

// The VMA that may grow is the last one below, if it reaches into the heap.
TEST_F(BrkPlan, NothingOfTheHeapMapped_GivesNoVmaToGrow) {
  unmap(0, kHeapPages);
  map_at(at(0) - 2 * kPageSize, 2);
  svma_call c = call(at(5));
  svma_call copy = c;
  EXPECT_EQ(grows(c, 4, 1, SVMA_CORE_NO_VMA), 0u);
  EXPECT_EQ(grows(copy, 4, 1, at(0) - 2 * kPageSize), 1u);
}

TEST_F(BrkPlan, NextVmaInTheWay_Unchanged) {
  map(8, 1);
  EXPECT_EQ(ends(call(at(8)), heap_end()), 0u);  // a page must be left
  svma_call c = call(at(7));
  EXPECT_EQ(grows(c, 4, 3), 0u);
}

TEST_F(BrkPlan, GuardGapInTheWay_Unchanged) {
  map(400, 1, kMapped | kVmGrowsDown);
  EXPECT_EQ(ends(call(at(145)), heap_end()), 0u);
}

TEST_F(BrkPlan, BeyondTheUsersHalf_Unchanged) {
  EXPECT_EQ(ends(call(kTask + 2 * kPageSize), heap_end()), 0u);
  EXPECT_EQ(ends(call(~0ull), heap_end()), 0u);
}

TEST_F(BrkPlan, OverRlimitData_Unchanged) {
  svma_call c = call(at(8));
  c.rlimits.data = 9 * kPageSize - 1;
  EXPECT_EQ(ends(c, heap_end()), 0u);
  c.rlimits.data = 9 * kPageSize;
  EXPECT_EQ(grows(c, 4, 4), 0u);
}

TEST_F(BrkPlan, OverRlimitMemlock_CapabilityDecides) {
  svma_call c = call(at(8));
  c.def_flags = kVmLocked;
  c.rlimits.memlock = kPageSize;
  EXPECT_EQ(ends(c, heap_end()), 0u);
  EXPECT_EQ(grows(c, 4, 4), 0u);
}

TEST_F(BrkPlan, Shrinks_Unmaps) {
  svma_call c = call(at(1) + 5);
  svma_call copy = c;
  EXPECT_EQ(unmaps(copy, at(1), at(4)), 1u);
  EXPECT_EQ(unmaps(c, at(2), at(4)), 0u);
  svma_call failed = c;
  failed.failed = -kENOMEM;
  unmap(2, 4);
  EXPECT_EQ(ends(c, at(1) + 5), 0u);
  EXPECT_EQ(ends(failed, heap_end()), 0u);
}

TEST_F(BrkPlan, ShrinksOverAHole_Unchanged) {
  unmap(2, 4);
  EXPECT_EQ(ends(call(at(2)), heap_end()), 0u);
}

// prctl(), or another thread: only that the call says what it did is sure.
TEST_F(BrkPlan, EndMovedMeanwhile_IsNotJudged) {
  svma_call c = call(at(8));
  c.heap += kPageSize;
  svma_call copy = c;
  EXPECT_EQ(ends(c, at(8)), 0u);
  copy.brk = at(8);
  EXPECT_EQ(end(copy, static_cast<i64>(at(9))), 1u);
}

// --- mbind

class MbindPlan : public PlanTest {
 protected:
  static constexpr u64 kDefault = 0, kBind = 2;
  static constexpr u64 kStrict = 1, kMove = 2, kMoveAll = 4;
  static constexpr int kEIO = 5;

  svma_call call(u64 first, u64 last, u64 mode = kBind, u64 flags = 0) {
    return make(SVMA_CALL_MBIND, {at(first), (last - first) * kPageSize, mode, flags});
  }
  u32 binds(svma_call& c, u64 first, u64 last, u64 vma, u64 policy = 9) {
    return step(c, SVMA_CORE_MBIND, {at(first), at(last), policy, at(vma)});
  }
};

// AAAABBBB, mbind of [1, 6)
TEST_F(MbindPlan, EveryVmaVisited_NothingDiffers) {
  map(0, 4);
  map(4, 4, kMapped | kVmDontCopy);
  svma_call c = call(1, 6);
  EXPECT_EQ(binds(c, 1, 6, 0), 0u);
  svma_call early = c;
  EXPECT_EQ(end(early, 0), 1u);
  EXPECT_EQ(binds(c, 1, 6, 4), 0u);
  svma_call copy = c;
  EXPECT_EQ(end(c, 0), 0u);
  EXPECT_EQ(end(copy, -kENOMEM), 1u);
}

TEST_F(MbindPlan, AnotherVmaVisited_Differs) {
  map(0, 4);
  map(4, 4, kMapped | kVmDontCopy);
  svma_call c = call(1, 6);
  EXPECT_EQ(binds(c, 1, 6, 4), 1u);
}

TEST_F(MbindPlan, OneVmaTooMany_Differs) {
  map(0, 4);
  map(4, 4, kMapped | kVmDontCopy);
  svma_call c = call(1, 4);
  EXPECT_EQ(binds(c, 1, 4, 0), 0u);
  EXPECT_EQ(binds(c, 1, 4, 4), 1u);
}

// B has the policy: A becomes part of it, and what they are now is visited again.
TEST_F(MbindPlan, MergedWithTheNext_VisitedAgain) {
  map(0, 4);
  map(4, 4);
  svma_call c = call(2, 8);
  EXPECT_EQ(binds(c, 2, 8, 0), 0u);
  unmap(2, 8);
  map(2, 6);
  EXPECT_EQ(binds(c, 2, 8, 2), 0u);
  EXPECT_EQ(end(c, 0), 0u);
}

TEST_F(MbindPlan, MergedWithWhatIsBehindTheRange_NotVisitedAgain) {
  map(0, 8);
  svma_call c = call(0, 4);
  EXPECT_EQ(binds(c, 0, 4, 0), 0u);
  svma_call whole = call(0, 8);
  EXPECT_EQ(binds(whole, 0, 8, 0), 0u);
  unmap(0, 8);
  map(0, 12);
  EXPECT_EQ(end(c, 0), 0u);
  EXPECT_EQ(end(whole, 0), 0u);
}

TEST_F(MbindPlan, StepFailed_EndsWithItsError) {
  map(0, 8);
  svma_call c = call(2, 6);
  EXPECT_EQ(binds(c, 2, 6, 0), 0u);
  c.failed = -kENOMEM;
  svma_call copy = c;
  EXPECT_EQ(end(c, -kENOMEM), 0u);
  EXPECT_EQ(end(copy, 0), 1u);
}

TEST_F(MbindPlan, Hole_EfaultAheadOfAllSteps) {
  map(0, 4);
  map(6, 2);
  for (auto [first, last] : {std::pair<u64, u64>{2, 8}, {2, 6}, {4, 8}, {4, 6}}) {
    svma_call c = call(first, last);
    svma_call copy = c, refused = c;
    EXPECT_EQ(end(c, -kEFAULT), 0u);
    EXPECT_EQ(end(copy, 0), 1u);
    EXPECT_EQ(end(refused, -kEINVAL), 0u);  // the policy did not suit the nodes
  }
  svma_call c = call(2, 8);
  EXPECT_EQ(binds(c, 2, 8, 0), 1u);
}

TEST_F(MbindPlan, NoHole_MustNotSayEfault) {
  map(0, 8);
  svma_call c = call(2, 8);
  EXPECT_EQ(end(c, -kEFAULT), 1u);
}

TEST_F(MbindPlan, DefaultPolicy_PassesHoles) {
  map(0, 4);
  map(6, 2);
  svma_call c = call(2, 8, kDefault);
  EXPECT_EQ(binds(c, 2, 8, 0, 0), 0u);
  EXPECT_EQ(binds(c, 2, 8, 6, 0), 0u);
  EXPECT_EQ(end(c, 0), 0u);
  svma_call nothing = call(4, 6, kDefault);
  EXPECT_EQ(end(nothing, -kEFAULT), 0u);
  svma_call with_policy = call(2, 8, kDefault);
  EXPECT_EQ(binds(with_policy, 2, 8, 0, 9), 1u);
}

TEST_F(MbindPlan, HoleWithMove_IsNotJudged) {
  map(0, 4);
  map(6, 2);
  svma_call c = call(2, 8, kBind, kMove | kStrict);
  svma_call copy = c;
  EXPECT_EQ(end(c, -kEFAULT), 0u);
  EXPECT_EQ(end(copy, -kEIO), 0u);
}

TEST_F(MbindPlan, Strict_PagesDecide) {
  map(0, 8);
  svma_call c = call(2, 8, kBind, kStrict);
  svma_call refused = c;
  EXPECT_EQ(end(refused, -kEIO), 0u);
  EXPECT_EQ(binds(c, 2, 8, 0), 0u);
  svma_call copy = c;
  EXPECT_EQ(end(c, 0), 0u);
  EXPECT_EQ(end(copy, -kEIO), 0u);
}

// Until v6.7 the step's error was the call's, whatever the pages said.
TEST_F(MbindPlan, StrictAfterAFailedStep_PagesDecideAsTheProfileSays) {
  map(0, 8);
  for (const char* const profile : {"6.1", "6.12"}) {
    profile_ = profile;
    svma_call c = call(2, 6, kBind, kStrict);
    EXPECT_EQ(binds(c, 2, 6, 0), 0u);
    c.failed = -kEINVAL;
    EXPECT_EQ(end(c, -kEIO), profile == std::string_view("6.1") ? 1u : 0u);
  }
}

TEST_F(MbindPlan, BadArguments_RefusedWithoutTheLock) {
  map(0, 8);
  svma_call flags = call(0, 1, kBind, 16);
  svma_call unaligned = call(0, 1);
  unaligned.args[0] += 1;
  svma_call wraps = call(0, 1);
  wraps.args[1] = ~0ull << 20;
  for (svma_call* bad : {&flags, &unaligned, &wraps}) {
    EXPECT_EQ(returns(*bad, -kEINVAL).divergent, 0u);
    EXPECT_EQ(returns(*bad, 0).divergent, 1u);
  }
  unaligned.args[3] = kMoveAll;
  EXPECT_EQ(returns(unaligned, -kEPERM).divergent, 0u);
}

// [0, 4)BBBB: what begins at address 0 is passed over unless the range begins there, too.
TEST_F(MbindPlan, VmaAtAddressZero_PassedOver) {
  map_at(0, 4);
  map_at(4 * kPageSize, 4, kMapped | kVmDontCopy);
  const u64 end_of_range = 8 * kPageSize;
  svma_call inside = make(SVMA_CALL_MBIND, {kPageSize, end_of_range - kPageSize, kBind, 0});
  EXPECT_EQ(step(inside, SVMA_CORE_MBIND, {kPageSize, end_of_range, 9, 4 * kPageSize}), 0u);
  EXPECT_EQ(end(inside, 0), 0u);
  svma_call whole = make(SVMA_CALL_MBIND, {0, end_of_range, kBind, 0});
  EXPECT_EQ(step(whole, SVMA_CORE_MBIND, {0, end_of_range, 9, 0}), 0u);
  svma_call alone = make(SVMA_CALL_MBIND, {kPageSize, kPageSize, kBind, 0});
  EXPECT_EQ(end(alone, 0), 0u);
}

// --- mremap of v7.3: what can be refused is refused first, and several VMAs may move

class CheckedMremapPlan : public MremapPlan {
 protected:
  CheckedMremapPlan() { profile_ = "7.3"; }
};

TEST_F(CheckedMremapPlan, TooLongOrTargetBeyondTheTask_RefusedWithoutTheLock) {
  map(0, 4);
  for (const svma_call& c : {raw(at(0), kPageSize, kTask + kPageSize, kMayMove, 0),
                             raw(at(0), kPageSize, kPageSize, kFixed, kTask),
                             raw(at(0), kPageSize, kPageSize, kFixed, at(9) + 1)}) {
    EXPECT_EQ(returns(const_cast<svma_call&>(c), -kEINVAL).divergent, 0u);
    EXPECT_EQ(returns(const_cast<svma_call&>(c), -kENOMEM).divergent, 1u);
  }
}

TEST_F(CheckedMremapPlan, SourceMissing_TargetStaysMapped) {
  map(20, 2);
  svma_call c = call(0, 8, 3, kFixed, 20);
  svma_call copy = c;
  EXPECT_EQ(unmaps(copy, at(20), at(23)), 1u);
  expect_error(c, kEFAULT);
}

TEST_F(CheckedMremapPlan, GrowthOfSealed_StepThenEperm) {
  map(0, 2, kMapped | u64{1} << 42);
  svma_call c = call(0, 2, 3);
  EXPECT_EQ(resizes(c, 0, 2, 3), 0u);
  expect_error(c, kEPERM);
}

TEST_F(CheckedMremapPlan, NearTheMapLimit_EnomemWhateverIsAsked) {
  map(0, 4);
  for (svma_call c : {call(0, 4, 4), call(0, 4, 2), call(0, 2, 2, kFixed, 20)}) {
    c.map_count_limit = 4;
    expect_error(c, kENOMEM);
    c.map_count_limit = 5;
    if (c.args[1] == c.args[2] && c.args[3] == 0) {
      EXPECT_EQ(end(c, static_cast<i64>(at(0))), 0u);
    }
  }
}

// Lengths count in pages: DONTUNMAP of part of a page is no resize.
TEST_F(CheckedMremapPlan, DontUnmapOfPartsOfAPage_Moves) {
  map(0, 1);
  svma_call c = raw(at(0), 0x800, 0x1000, kDontUnmap | kFixed, at(20));
  EXPECT_EQ(moves(c, 0, 0, 1, 1, 20, kDontUnmap | kFixed), 0u);
  EXPECT_EQ(end(c, static_cast<i64>(at(20))), 0u);
}

//     AAAA..BB        moves from the middle of A to the middle of B, over what is there
TEST_F(CheckedMremapPlan, FixedSameSize_EachVmaOfTheRangeMoves) {
  map(0, 4);
  map(6, 4, kMapped & ~kVmWrite);
  map(26, 1);
  svma_call c = call(2, 6, 6, kFixed, 22);
  EXPECT_EQ(moves(c, 0, 2, 2, 2, 22, kFixed), 0u);
  unmap(2, 4);
  map(22, 2);
  svma_call copy = c;
  EXPECT_EQ(moves(copy, 6, 6, 2, 2, 26, kFixed), 1u) << "what is in the way goes first";
  copy = c;
  EXPECT_EQ(end(copy, static_cast<i64>(at(22))), 1u) << "there is another one to move";
  EXPECT_EQ(unmaps(c, at(26), at(28)), 0u);
  unmap(26, 28);
  copy = c;
  EXPECT_GT(moves(copy, 6, 6, 2, 2, 25, kFixed), 0u) << "the hole between them stays as wide";
  EXPECT_EQ(moves(c, 6, 6, 2, 2, 26, kFixed), 0u);
  unmap(6, 8);
  map(26, 2);
  copy = c;
  EXPECT_EQ(end(copy, static_cast<i64>(at(26))), 1u) << "the result is where the first one is";
  EXPECT_EQ(end(c, static_cast<i64>(at(22))), 0u);
}

TEST_F(CheckedMremapPlan, FixedSameSize_HoleFirstOrNothing_Efault) {
  map(2, 2);
  expect_error(call(0, 4, 4, kFixed, 20), kEFAULT);
  expect_error(call(10, 4, 4, kFixed, 20), kEFAULT);
}

// Which files can't be one of several is their own affair, and asked before there is room for it.
TEST_F(CheckedMremapPlan, DontUnmapOfSeveral_NoRoomForTheCopy_AFileMayRefuseFirst) {
  map(0, 2);
  map(2, 2, kMapped & ~kVmWrite);
  svma_call c = call(0, 4, 4, kDontUnmap | kFixed, 20);
  c.rlimits.as = kPageSize;
  expect_error(c, kENOMEM);
  vma_at(0).attrs.file = 7;
  svma_call copy = c;
  EXPECT_EQ(end(copy, -kEFAULT), 0u);
  copy = c;
  EXPECT_EQ(end(copy, -kENOMEM), 0u);
  EXPECT_EQ(end(c, static_cast<i64>(at(20))), 1u);
}

TEST_F(CheckedMremapPlan, FixedSameSize_WatchedAmongOthers_Efault) {
  map(0, 2, kMapped | kVmUffdMissing);
  map(2, 2);
  expect_error(call(0, 4, 4, kFixed, 20), kEFAULT);
  svma_call alone = call(0, 2, 2, kFixed, 20);
  EXPECT_EQ(moves(alone, 0, 0, 2, 2, 20, kFixed), 0u);
}

}  // namespace
}  // namespace svma
