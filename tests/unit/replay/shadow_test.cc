// SPDX-License-Identifier: GPL-2.0-only
// Predictions against a live side that the test writes down: the right one is equal, a wrong one is
// reported once, by operation and field, and adopted.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "abi/core_api.h"
#include "live_mm.hpp"
#include "os_services.hpp"
#include "replay/facts.hpp"
#include "vma/vma.hpp"

namespace svma::test {
namespace {

constexpr svma_u64 kPrivate = 0x100073;  // rw-p, VM_ACCOUNT
constexpr svma_u64 kSoftDirty = 0x8000000;
constexpr svma_u64 kMapped = kPrivate | kSoftDirty;
constexpr svma_u64 kReadOnly = 0x71;
constexpr svma_u64 kAsked = 0x73;  // what mmap is called with: VM_ACCOUNT comes later
constexpr svma_u64 kStack = kMapped | 0x100;
constexpr svma_u64 kBase = 0x10000;

class ShadowTest : public ::testing::Test {
 protected:
  explicit ShadowTest(const char* profile = "6.1") : memory_(svma_core_shadow_size() + 64) {
    const auto at = (reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t{63};
    shadow_ = svma_core_shadow_init(reinterpret_cast<void*>(at), profile, 256 << 12, nullptr, 0);
  }
  ~ShadowTest() override {
    fail_allocation(0);
    svma_core_shadow_clear(shadow_);
    EXPECT_EQ(allocations_outstanding(), 0u);
  }

  void load() { ASSERT_EQ(load_whole(shadow_, &live_), 0); }

  static svma_op make(svma_u32 kind, std::initializer_list<svma_u64> args, svma_s64 result = 0) {
    svma_op op{};
    op.kind = kind;
    op.map_count_limit = 65530;
    op.result = result;
    op.rlimits = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    std::copy(args.begin(), args.end(), op.args);
    return op;
  }

  // The operation happens; `after` writes down what the live side became.
  template <typename After>
  svma_verdict apply(const svma_op& op, After after) {
    svma_verdict verdict{};
    svma_core_begin(shadow_, &op, &live_, &verdict);
    after();
    live_.count();
    svma_core_end(shadow_, &op, &live_, &verdict);
    svma_core_release(shadow_, &live_, 0, 1, &verdict);
    expect_invariants();
    return verdict;
  }

  // An unmap notes the high-water mark before it lowers total_vm.
  void note_hiwater() {
    live_.totals.hiwater_vm = std::max(live_.totals.hiwater_vm, live_.totals.total_vm);
  }

  void expect_invariants() {
    char what[32] = "";
    svma_u64 where = 0;
    EXPECT_EQ(svma_core_verify(shadow_, what, sizeof(what), &where), 0) << what << " at " << where;
  }

  static void expect_equal(const svma_verdict& verdict) {
    EXPECT_GT(verdict.compared, 6u);  // six totals, and at least one VMA
    EXPECT_EQ(verdict.equal, verdict.compared)
        << "field " << verdict.mismatch[0].field << " predicted "
        << verdict.mismatch[0].predicted_value << " observed "
        << verdict.mismatch[0].observed_value;
    EXPECT_EQ(verdict.divergent, 0u);
    EXPECT_EQ(verdict.unmodelled, 0);
    EXPECT_EQ(verdict.suspect, 0);
  }

  std::vector<char> memory_;
  svma_shadow* shadow_;
  FakeLive live_;
};

TEST_F(ShadowTest, Init_UnknownProfile_IsRefused) {
  std::vector<char> memory(svma_core_shadow_size());
  EXPECT_EQ(svma_core_shadow_init(memory.data(), "no such kernel", 0, nullptr, 0), nullptr);
}

TEST_F(ShadowTest, Mmap_BesideCompatible_Merges) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  const auto verdict =
      apply(make(SVMA_CORE_MMAP, {kBase + 0x2000, 0x1000, kAsked, (kBase + 0x2000) >> 12},
                 kBase + 0x2000),
            [&] { live_.vmas[0].end += 0x1000; });
  expect_equal(verdict);
}

TEST_F(ShadowTest, Mmap_BetweenTwoCompatible_JoinsAll) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.add(kBase + 0x2000, kBase + 0x3000, kMapped);
  load();
  const auto verdict =
      apply(make(SVMA_CORE_MMAP, {kBase + 0x1000, 0x1000, kAsked, (kBase + 0x1000) >> 12},
                 kBase + 0x1000),
            [&] {
              live_.vmas[0].end = kBase + 0x3000;
              live_.vmas.pop_back();
            });
  expect_equal(verdict);
}

// The kernel's tree has a VMA that is right in itself under addresses of another.
TEST_F(ShadowTest, Mmap_TreeHasVmaElsewhere_IsADivergence) {
  load();
  const auto verdict = apply(make(SVMA_CORE_MMAP, {kBase, 0x2000, kAsked, kBase >> 12}, kBase),
                             [&] { live_.add(kBase, kBase + 0x2000, kMapped).misplaced = 1; });
  ASSERT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, u32{SVMA_CORE_FIELD_STRUCTURE});
}

TEST_F(ShadowTest, Mmap_NeighbourHasPolicy_StaysApart) {
  live_.add(kBase, kBase + 0x1000, kMapped).policy = 7;
  load();
  const auto verdict =
      apply(make(SVMA_CORE_MMAP, {kBase + 0x1000, 0x1000, kAsked, (kBase + 0x1000) >> 12},
                 kBase + 0x1000),
            [&] { live_.add(kBase + 0x1000, kBase + 0x2000, kMapped); });
  expect_equal(verdict);
}

TEST_F(ShadowTest, Mmap_FailedBeforeUnmapping_ChangesNothing) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MMAP, {kBase, 0x1000, kAsked, kBase >> 12}, -12), [] {}));
}

TEST_F(ShadowTest, Mmap_FailedAfterUnmapping_LeavesHole) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.add(kBase + 0x9000, kBase + 0xa000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x1000, kAsked, kBase >> 12}, -12);
  op.steps = SVMA_STEP_UNMAPPED | SVMA_STEP_NO_MEMORY;
  const auto verdict = apply(op, [&] {
    note_hiwater();
    live_.vmas.erase(live_.vmas.begin());
  });
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts_by_kind[static_cast<u8>(Fact::kResource)], 1);
}

TEST_F(ShadowTest, Mmap_BeyondAddressSpaceLimit_FailureIsPredicted) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase + 0x5000, 0x2000, kAsked, 0}, -12);
  op.rlimits.as = 0x2000;
  const auto verdict = apply(op, [] {});
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts, 0u);
}

// Limits are asked before anything is unmapped.
TEST_F(ShadowTest, Mmap_BeyondAddressSpaceLimit_UnmapsNothing) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.add(kBase + 0x9000, kBase + 0xa000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x4000, kAsked, kBase >> 12}, -12);
  op.rlimits.as = 0x2000;
  op.steps = SVMA_STEP_UNMAPPED;
  const auto verdict = apply(op, [&] {
    note_hiwater();
    live_.vmas.erase(live_.vmas.begin());
  });
  EXPECT_GT(verdict.divergent, 0u);
  EXPECT_EQ(verdict.mismatch[0].field, u32{SVMA_CORE_FIELD_LAYOUT});
}

TEST_F(ShadowTest, Mmap_ReturnsStartOfNeighbour_IsADivergence) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  const auto verdict =
      apply(make(SVMA_CORE_MMAP, {kBase + 0x2000, 0x1000, kAsked, (kBase + 0x2000) >> 12}, kBase),
            [&] { live_.vmas[0].end += 0x1000; });
  ASSERT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, u32{SVMA_CORE_FIELD_RESULT});
}

TEST_F(ShadowTest, Mmap_SucceedsBeyondAddressSpaceLimit_IsADivergence) {
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x2000, kAsked, kBase >> 12}, kBase);
  op.rlimits.as = 0x1000;
  const auto verdict = apply(op, [&] { live_.add(kBase, kBase + 0x2000, kMapped); });
  ASSERT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, u32{SVMA_CORE_FIELD_RESULT});
}

// A hard limit counts where the soft one of RLIMIT_DATA is 0; what is replaced need not fit again.
TEST_F(ShadowTest, Mmap_LimitsOfData_AsInTheKernel) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x4000, kAsked, kBase >> 12}, kBase);
  op.rlimits.data = 0x4000;
  expect_equal(apply(op, [&] { note_hiwater(); }));
  op.rlimits.data = 0;
  op.rlimits.data_max = 0x4000;
  expect_equal(apply(op, [&] { note_hiwater(); }));
}

TEST_F(ShadowTest, Munmap_Middle_SplitsInTwo) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MUNMAP, {kBase + 0x1000, kBase + 0x2000}), [&] {
    note_hiwater();
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x2000, kBase + 0x3000, kMapped);
  }));
}

TEST_F(ShadowTest, Munmap_MiddleAtTheLimit_FailureIsPredicted) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MUNMAP, {kBase + 0x1000, kBase + 0x2000}, -12);
  op.map_count_limit = 1;
  const auto verdict = apply(op, [] {});
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts, 0u);
}

// hugetlbfs lets nobody cut a huge page: the first cut stays, the second is refused.
TEST_F(ShadowTest, Munmap_EndInsideAHugePage_FirstCutStays) {
  constexpr svma_u64 kHuge = 0x200000, kAligned = 0x40000000;
  live_.add(kAligned, kAligned + 4 * kHuge, kMapped | kVmHugetlb).split_shift = 21;
  load();
  expect_equal(
      apply(make(SVMA_CORE_MUNMAP, {kAligned + kHuge, kAligned + 2 * kHuge + 0x1000}, -22), [&] {
        live_.vmas[0].end = kAligned + kHuge;
        live_.add(kAligned + kHuge, kAligned + 4 * kHuge, kMapped | kVmHugetlb).split_shift = 21;
      }));
}

// AAAA....BBBBCCCC, advice from A's middle to C's middle; B refuses nothing, the hole is passed.
TEST_F(ShadowTest, Madvise_OverAHole_ChangesBothSides) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  live_.add(kBase + 0x8000, kBase + 0xc000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MADVISE, {kBase + 0x2000, kBase + 0xa000, 10}), [&] {
    live_.vmas[0].end = kBase + 0x2000;
    live_.vmas[1].start = kBase + 0xa000;
    live_.vmas[1].pgoff += 2;
    live_.add(kBase + 0x2000, kBase + 0x4000, kMapped | kVmDontCopy);
    live_.add(kBase + 0x8000, kBase + 0xa000, kMapped | kVmDontCopy);
  }));
}

TEST_F(ShadowTest, Madvise_RefusedByAFile_StopsThere) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.add(kBase + 0x1000, kBase + 0x2000, kMapped).file = 7;
  live_.add(kBase + 0x2000, kBase + 0x3000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MADVISE, {kBase, kBase + 0x3000, 18}),
                     [&] { live_.vmas[0].flags |= kVmWipeOnFork; }));
}

// A signal interrupts the unsharing of pages: a fact, and the end of the call.
TEST_F(ShadowTest, Madvise_KsmGivesUp_StopsThere) {
  constexpr svma_u64 kUnmergeable = 13;
  for (svma_u64 at : {kBase, kBase + 0x2000, kBase + 0x4000})
    live_.add(at, at + 0x1000, kMapped | kVmMergeable);
  load();
  const auto verdict =
      apply(make(SVMA_CORE_MADVISE, {kBase, kBase + 0x5000, kUnmergeable, 1, kBase + 0x2000}),
            [&] { live_.vmas[0].flags &= ~kVmMergeable; });
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts, 1u);
}

// The vdso does not let itself be moved in part: copied, refused, unmapped. Only caches have heard.
TEST_F(ShadowTest, MremapMove_RefusedByTheDriver_LeavesNothing) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MREMAP_MOVE,
                    {kBase, kBase, 0x2000, 0x2000, kBase + 0x10000, /*MAYMOVE*/ 1}, -22);
  op.steps = SVMA_STEP_UNDONE;
  const auto verdict = apply(op, [] {});
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts, 1u);
}

// Another thread raised RLIMIT_AS between the probe's look at it and the kernel's.
TEST_F(ShadowTest, Mmap_LimitsMovedMeanwhile_ResultIsAFact) {
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x1000, kMapped, kBase >> 12}, kBase);
  op.rlimits.as = 0;
  const auto map = [&] { live_.add(kBase, kBase + 0x1000, kMapped | kVmSoftDirty); };
  op.steps = SVMA_STEP_LIMITS_MOVED;
  const auto verdict = apply(op, map);
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts, 1u);
}

TEST_F(ShadowTest, Mmap_BeyondTheLimits_Differs) {
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x1000, kMapped, kBase >> 12}, kBase);
  op.rlimits.as = 0;
  const auto map = [&] { live_.add(kBase, kBase + 0x1000, kMapped | kVmSoftDirty); };
  EXPECT_EQ(apply(op, map).divergent, 1u);
}

TEST_F(ShadowTest, Madvise_AtTheLimitOfMaps_StopsAfterTheFirstSplit) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MADVISE, {kBase + 0x1000, kBase + 0x2000, 10});
  op.map_count_limit = 2;
  expect_equal(apply(op, [&] {
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x1000, kBase + 0x4000, kMapped);
  }));
}

TEST_F(ShadowTest, Mbind_PartOfOneVma_SplitsByPolicy) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  const svma_op op = make(SVMA_CORE_MBIND, {kBase + 0x1000, kBase + 0x9000, 5, kBase});
  expect_equal(apply(op, [&] {
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x1000, kBase + 0x4000, kMapped).policy = 5;
  }));
}

TEST_F(ShadowTest, ClearRefs_TakesAllSoftDirtyMarksOff) {
  live_.add(kBase, kBase + 0x1000, kMapped | kVmSoftDirty);
  live_.add(kBase + 0x3000, kBase + 0x4000, kMapped | kVmSoftDirty);
  load();
  expect_equal(apply(make(SVMA_CORE_CLEAR_REFS, {}), [&] {
    for (auto& vma : live_.vmas) vma.flags &= ~kVmSoftDirty;
  }));
}

// v6.1 hands the vm_pgoff of the whole VMA to vma_merge(), so the upper half does not join C.
TEST_F(ShadowTest, Userfaultfd_HalfOfAVmaBesideARegisteredOne_StaysApart) {
  const svma_u64 registered = kMapped | kVmUffdMissing;
  live_.add(kBase, kBase + 0x4000, kMapped);
  live_.add(kBase + 0x4000, kBase + 0x6000, registered).uffd_ctx = 9;
  load();
  expect_equal(
      apply(make(SVMA_CORE_MODIFY, {kBase + 0x2000, kBase + 0x4000, registered, 9, 0, 0}), [&] {
        live_.vmas[0].end = kBase + 0x2000;
        live_.add(kBase + 0x2000, kBase + 0x4000, registered).uffd_ctx = 9;
      }));
}

// An anon_vma appears by a fault, and only where a fault was seen.
TEST_F(ShadowTest, AnonVmaAppears_OnlyWithAFault) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MPROTECT, {kBase, kBase + 0x1000, kReadOnly | kSoftDirty});
  const auto give = [&] {
    live_.vmas[0].anon_vma = 77;
    live_.vmas[0].anon_singular = 1;
  };
  op.args[2] = kMapped;
  op.steps = SVMA_STEP_FAULTED;
  const auto with_fault = apply(op, give);
  expect_equal(with_fault);
  EXPECT_EQ(with_fault.facts_by_kind[static_cast<u8>(Fact::kAnonVma)], 1);
  op.steps = 0;
  const auto without = apply(op, [&] { live_.vmas[0].anon_vma = 78; });
  ASSERT_EQ(without.divergent, 1u);
  EXPECT_EQ(without.mismatch[0].field, u32{SVMA_CORE_FIELD_ANON_VMA});
}

// The pages of the vdso: nobody may cut them.
TEST_F(ShadowTest, Munmap_PartOfASpecialMapping_RefusalIsPredicted) {
  live_.add(kBase, kBase + 0x4000, kMapped).split_shift = SVMA_NEVER_SPLIT;
  load();
  expect_equal(apply(make(SVMA_CORE_MUNMAP, {kBase + 0x1000, kBase + 0x2000}, -22), [] {}));
}

// A child has its parent's hiwater_vm until dup_mm() sets it.
TEST_F(ShadowTest, Fork_HighWaterMark_ComparedFromItsEndOn) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  svma_verdict verdict{};
  live_.totals.hiwater_vm = 500;
  svma_core_audit(shadow_, &live_, 1, &verdict);
  svma_core_release(shadow_, &live_, 0, 1, &verdict);
  EXPECT_EQ(verdict.divergent, 0u);
  svma_core_fork_done(shadow_);
  live_.totals.hiwater_vm = 4;
  svma_core_release(shadow_, &live_, 0, 1, &verdict);
  EXPECT_EQ(verdict.divergent, 0u);
  live_.totals.hiwater_vm = 500;
  svma_core_release(shadow_, &live_, 0, 1, &verdict);
  EXPECT_EQ(verdict.divergent, 1u);
}

TEST_F(ShadowTest, Fork_ContextTakenBack_IsAFact) {
  live_.add(kBase, kBase + 0x1000, kMapped | kVmUffdMissing).uffd_ctx = 9;
  load();
  live_.vmas[0].uffd_ctx = 0;
  live_.vmas[0].flags = kMapped;
  svma_verdict verdict{};
  svma_core_fork_undelivered(shadow_, &live_, &verdict);
  EXPECT_EQ(verdict.facts_by_kind[static_cast<u8>(Fact::kFork)], 1);
  svma_core_audit(shadow_, &live_, 0, &verdict);
  EXPECT_EQ(verdict.divergent, 0u);
}

// An answer that is below the lower limit, and looks like no answer.
TEST_F(ShadowTest, Search_NothingFits_AddressZeroDiffers) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  const svma_op op = make(SVMA_CORE_SEARCH, {kBase, 0x1000, kBase, 0, 0, 1}, 0);
  svma_verdict verdict{};
  svma_placement where{};
  where.base = kBase;
  where.flags = SVMA_PLACEMENT_TOPDOWN;
  svma_u64 predicted = 0;
  svma_core_search(shadow_, &op, &where, nullptr, &predicted, &verdict);
  ASSERT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, u32{SVMA_CORE_FIELD_ADDRESS});
}

TEST_F(ShadowTest, Search_OtherAddressThanTheKernel_IsADivergence) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_SEARCH, {0x1000, 0x1000, kBase + 0x10000, 0, 0, 1}, kBase + 0xf000);
  svma_placement where{};
  where.base = kBase + 0x10000;
  where.flags = SVMA_PLACEMENT_TOPDOWN;
  svma_verdict verdict{};
  svma_u64 predicted = 0;
  svma_core_search(shadow_, &op, &where, nullptr, &predicted, &verdict);
  EXPECT_EQ(predicted, kBase + 0xf000);
  EXPECT_EQ(verdict.divergent, 0u);
  op.result = kBase + 0xe000;
  svma_core_search(shadow_, &op, &where, nullptr, &predicted, &verdict);
  ASSERT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, u32{SVMA_CORE_FIELD_ADDRESS});
}

TEST_F(ShadowTest, Brk_AtGivenVma_Grows) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_BRK, {kBase + 0x1000, 0x2000, kPrivate, kBase}),
                     [&] { live_.vmas[0].end += 0x2000; }));
}

TEST_F(ShadowTest, Brk_NoVmaGiven_IsNewDespiteNeighbour) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_BRK, {kBase + 0x1000, 0x1000, kPrivate, SVMA_CORE_NO_VMA}),
                     [&] { live_.add(kBase + 0x1000, kBase + 0x2000, kMapped); }));
}

TEST_F(ShadowTest, Mprotect_Middle_SplitsAndBackMerges) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  const svma_u64 read_only = kMapped & ~svma_u64{2};
  expect_equal(apply(make(SVMA_CORE_MPROTECT, {kBase + 0x1000, kBase + 0x2000, read_only}), [&] {
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x1000, kBase + 0x2000, read_only);
    live_.add(kBase + 0x2000, kBase + 0x3000, kMapped);
  }));
  expect_equal(apply(make(SVMA_CORE_MPROTECT, {kBase + 0x1000, kBase + 0x2000, kMapped}), [&] {
    live_.vmas.resize(1);
    live_.vmas[0].end = kBase + 0x3000;
  }));
}

TEST_F(ShadowTest, Mprotect_BecomesWritable_IsAccounted) {
  live_.add(kBase, kBase + 0x1000, kReadOnly);
  load();
  expect_equal(apply(make(SVMA_CORE_MPROTECT, {kBase, kBase + 0x1000, kReadOnly | 2}),
                     [&] { live_.vmas[0].flags = kReadOnly | 2 | 0x100000; }));
}

TEST_F(ShadowTest, Mprotect_AtMapCountLimit_KeepsFirstSplit) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MPROTECT, {kBase + 0x1000, kBase + 0x2000, kReadOnly}, -12);
  op.map_count_limit = 2;
  expect_equal(apply(op, [&] {
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x1000, kBase + 0x3000, kMapped);
  }));
}

TEST_F(ShadowTest, Mlock_Whole_CountsPages) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MLOCK, {kBase, kBase + 0x3000, kMapped | 0x2000}),
                     [&] { live_.vmas[0].flags |= 0x2000; }));
}

TEST_F(ShadowTest, Modify_Tail_SplitsOnce) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  const svma_u64 dont_dump = kMapped | 0x4000000;
  expect_equal(
      apply(make(SVMA_CORE_MODIFY, {kBase + 0x1000, kBase + 0x3000, dont_dump, 0, 0, 0}), [&] {
        live_.vmas[0].end = kBase + 0x1000;
        live_.add(kBase + 0x1000, kBase + 0x3000, dont_dump);
      }));
}

TEST_F(ShadowTest, MremapMove_Unfaulted_TakesNewOffset) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  const svma_u64 to = kBase + 0x100000;
  expect_equal(apply(
      make(SVMA_CORE_MREMAP_MOVE, {kBase, kBase, 0x2000, 0x3000, to, 1}, static_cast<svma_s64>(to)),
      [&] {
        live_.vmas.clear();
        live_.add(to, to + 0x3000, kMapped);
      }));
}

TEST_F(ShadowTest, MremapExpand_RoomAbove_Grows) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MREMAP_EXPAND, {kBase, 0x2000, 0x4000, svma_u64{1} << 47}),
                     [&] { live_.vmas[0].end = kBase + 0x4000; }));
}

TEST_F(ShadowTest, StackGrowth_OnePage_MovesStartAndOffset) {
  live_.add(kBase + 0x200000, kBase + 0x201000, kStack);
  load();
  expect_equal(apply(make(SVMA_CORE_STACK_GROWTH, {kBase + 0x200000, kBase + 0x1ff123, 0}), [&] {
    live_.vmas[0].start -= 0x1000;
    live_.vmas[0].pgoff -= 1;
  }));
}

// The caller may say any new length, and a move that fails ends there.
TEST_F(ShadowTest, MremapExpand_LengthBeyondAllAddresses_ChangesNothing) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  for (const svma_u64 length : {~0xfffull, ~0xfffull - kBase, svma_u64{1} << 60}) {
    expect_equal(
        apply(make(SVMA_CORE_MREMAP_EXPAND, {kBase, 0x2000, length, svma_u64{1} << 47}), [] {}));
  }
}

TEST_F(ShadowTest, Madvise_ToTheEndOfAllAddresses_ReachesTheLastVma) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  expect_equal(apply(make(SVMA_CORE_MADVISE, {kBase, ~0xfffull, 10}),
                     [&] { live_.vmas[0].flags |= kVmDontCopy; }));
}

// Found by the fuzzer: the algorithms below take their callers' duties as done.
TEST_F(ShadowTest, End_ArgumentsThatNoKernelHas_AreNotPredicted) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  const svma_op ops[] = {
      make(SVMA_CORE_MMAP, {~0xfffull, 0x2000, kAsked, 0}),
      make(SVMA_CORE_MMAP, {kBase, 0, kAsked, 0}),
      make(SVMA_CORE_BRK, {kBase + 1, 0x1000, kPrivate, SVMA_CORE_NO_VMA}),
      make(SVMA_CORE_MUNMAP, {kBase + 0x2000, kBase + 0x1000}),
      make(SVMA_CORE_MPROTECT, {kBase + 0x10, kBase + 0x1000, kReadOnly}),
      make(SVMA_CORE_MLOCK, {kBase, kBase, kMapped | kVmLocked}),
      make(SVMA_CORE_MODIFY, {kBase, kBase + 0x1001, kMapped, 9, 0, 0}),
      make(SVMA_CORE_MREMAP_MOVE, {kBase, kBase, 0x1000, 0, kBase + 0x8000, 1}),
      make(SVMA_CORE_STACK_SHIFT, {kBase, kBase + 0x1000}),
      make(SVMA_CORE_INSERT, {0}),
  };
  for (const svma_op& op : ops) {
    svma_verdict verdict{};
    svma_core_begin(shadow_, &op, &live_, &verdict);
    svma_core_end(shadow_, &op, &live_, &verdict);
    EXPECT_EQ(verdict.unmodelled, 1) << "operation " << op.kind;
    EXPECT_EQ(verdict.suspect, 1) << "operation " << op.kind;
    EXPECT_EQ(verdict.divergent, 0u) << "operation " << op.kind;
    expect_invariants();
  }
}

// AAAA.SSSS: there is no room two pages further down, nor for a copy of more than there is.
TEST_F(ShadowTest, End_SuccessThatTheLayoutForbids_ChangesNothing) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  live_.add(kBase + 0x5000, kBase + 0x9000, kStack);
  load();
  expect_equal(apply(make(SVMA_CORE_STACK_SHIFT, {kBase + 0x5000, 0x2000}), [] {}));
  expect_equal(apply(
      make(SVMA_CORE_MREMAP_MOVE, {kBase, kBase + 0x1000, 0x4000, 0x4000, kBase + 0x20000, 1}),
      [] {}));
  svma_op op = make(SVMA_CORE_MBIND, {kBase + 0x4000, kBase + 0x5000, 5});
  op.vma.start = kBase;
  svma_verdict verdict{};
  svma_core_end(shadow_, &op, &live_, &verdict);
  EXPECT_EQ(verdict.divergent, 0u);
  expect_invariants();
}

TEST_F(ShadowTest, Fork_DontCopyAndLocked_StayBehind) {
  live_.add(kBase, kBase + 0x1000, kMapped | 0x2000);
  live_.add(kBase + 0x2000, kBase + 0x3000, kMapped | 0x20000);
  load();
  FakeLive child_live;
  child_live.add(kBase, kBase + 0x1000, kMapped).anon_vma = 5;
  std::vector<char> memory(svma_core_shadow_size() + 64);
  const auto at = (reinterpret_cast<uintptr_t>(memory.data()) + 63) & ~uintptr_t{63};
  svma_shadow* child =
      svma_core_shadow_init(reinterpret_cast<void*>(at), "6.1", 256 << 12, nullptr, 0);
  ASSERT_EQ(svma_core_fork(child, shadow_), 0);
  svma_verdict verdict{};
  svma_core_audit(child, &child_live, 1, &verdict);
  expect_equal(verdict);
  svma_core_shadow_clear(child);
}

TEST_F(ShadowTest, End_LiveStartsElsewhere_ReportsLayoutOnceAndAdopts) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  const auto op = make(SVMA_CORE_MUNMAP, {kBase, kBase + 0x1000});
  const auto verdict = apply(op, [&] {
    live_.vmas[0].start += 0x2000;  // one page too many
    live_.vmas[0].pgoff += 2;
  });
  EXPECT_GE(verdict.divergent, 1u);
  ASSERT_GE(verdict.mismatches, 1);
  EXPECT_EQ(verdict.mismatch[0].field, SVMA_CORE_FIELD_LAYOUT);
  expect_equal(apply(make(SVMA_CORE_MUNMAP, {kBase, kBase + 0x1000}), [] {}));
}

TEST_F(ShadowTest, End_LiveFlagsDiffer_ReportsFlags) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  const auto verdict = apply(make(SVMA_CORE_MPROTECT, {kBase, kBase + 0x3000, kMapped & ~2ull}),
                             [&] { live_.vmas[0].flags = kMapped & ~3ull; });
  ASSERT_GE(verdict.mismatches, 1);
  EXPECT_EQ(verdict.mismatch[0].field, SVMA_CORE_FIELD_FLAGS);
}

TEST_F(ShadowTest, Release_CounterDiffersAfterOperation_IsDivergent) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  ++live_.totals.locked_vm;
  svma_verdict verdict{};
  svma_core_release(shadow_, &live_, 0, 1, &verdict);
  EXPECT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, SVMA_CORE_FIELD_LOCKED_VM);
}

TEST_F(ShadowTest, Release_CounterDiffersUnannounced_IsUnmodelled) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  ++live_.totals.locked_vm;
  svma_verdict verdict{};
  svma_core_release(shadow_, &live_, 0, 0, &verdict);
  EXPECT_EQ(verdict.divergent, 0u);
  EXPECT_EQ(verdict.unmodelled, 1);
}

TEST_F(ShadowTest, Release_VmaCountDiffers_IsSuspect) {
  live_.add(kBase, kBase + 0x3000, kMapped);
  load();
  ++live_.totals.map_count;
  svma_verdict verdict{};
  svma_core_release(shadow_, &live_, 0, 0, &verdict);
  EXPECT_EQ(verdict.suspect, 1);
}

// An empty pool: the operation is adopted, said to be unmodelled, and nothing leaks.
TEST_F(ShadowTest, End_EveryAllocationFailsInTurn_IsSuspectAndConsistent) {
  for (std::uint64_t n = 1; n <= 4; ++n) {
    svma_core_shadow_clear(shadow_);
    live_.vmas.clear();
    live_.add(kBase, kBase + 0x3000, kMapped);
    load();
    fail_allocation(n);
    svma_verdict verdict{};
    const auto op = make(SVMA_CORE_MUNMAP, {kBase + 0x1000, kBase + 0x2000});
    svma_core_begin(shadow_, &op, &live_, &verdict);
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x2000, kBase + 0x3000, kMapped);
    svma_core_end(shadow_, &op, &live_, &verdict);
    EXPECT_EQ(verdict.suspect, n <= 2) << "allocation " << n;
    EXPECT_EQ(verdict.divergent, 0u);
    expect_invariants();
    fail_allocation(0);
  }
}

// What v6.12 does otherwise.
class Shadow612 : public ShadowTest {
 protected:
  Shadow612() : ShadowTest("6.12") {}
};

// Limits are asked when the range is cut out already: AAAA becomes AaaA.
TEST_F(Shadow612, Mmap_BeyondTheLimits_LeavesItsRangeCutOut) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase + 0x1000, 0x2000, kAsked, (kBase >> 12) + 1}, -12);
  op.rlimits.as = 0x1000;
  op.steps = SVMA_STEP_CUT;
  const auto verdict = apply(op, [&] {
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x1000, kBase + 0x3000, kMapped);
    live_.add(kBase + 0x3000, kBase + 0x4000, kMapped);
  });
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts, 0u);
}

TEST_F(Shadow612, Mmap_DriverFails_LeavesAHole) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MMAP, {kBase, 0x2000, kAsked, 0}, -19);
  op.steps = SVMA_STEP_CUT | SVMA_STEP_UNMAPPED;
  expect_equal(apply(op, [&] {
    note_hiwater();
    live_.vmas[0].start += 0x2000;
    live_.vmas[0].pgoff += 2;
  }));
}

// Both sides fit, but the upper one has vm_ops->close and must not go: the lower one grows alone.
TEST_F(Shadow612, Mmap_NextMustNotGo_OnlyPrevGrows) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.add(kBase + 0x2000, kBase + 0x3000, kMapped).has_close = 1;
  load();
  expect_equal(apply(
      make(SVMA_CORE_MMAP, {kBase + 0x1000, 0x1000, kAsked, (kBase >> 12) + 1}, kBase + 0x1000),
      [&] { live_.vmas[0].end += 0x1000; }));
}

TEST_F(Shadow612, Mprotect_ReadOnlyWithoutAnonVma_IsNotAccountedAnyMore) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  live_.add(kBase + 0x4000, kBase + 0x5000, kMapped).anon_vma = 7;
  live_.vmas[1].anon_singular = 1;
  load();
  const svma_u64 wanted = kMapped & ~kVmWrite;
  expect_equal(apply(make(SVMA_CORE_MPROTECT, {kBase, kBase + 0x2000, wanted}),
                     [&] { live_.vmas[0].flags = wanted & ~kVmAccount; }));
  expect_equal(apply(make(SVMA_CORE_MPROTECT, {kBase + 0x4000, kBase + 0x5000, wanted}),
                     [&] { live_.vmas[1].flags = wanted; }));
}

// AAAA....BB: sealing stops nowhere but at a hole, and then changes nothing.
TEST_F(Shadow612, Mseal_WholeRangeMapped_SplitsAndSeals) {
  live_.add(kBase, kBase + 0x4000, kMapped);
  live_.add(kBase + 0x4000, kBase + 0x6000, kReadOnly);
  load();
  expect_equal(apply(make(SVMA_CORE_MSEAL, {kBase + 0x2000, kBase + 0x6000}), [&] {
    live_.vmas[0].end = kBase + 0x2000;
    live_.vmas[1].flags |= kVmSealed;
    live_.add(kBase + 0x2000, kBase + 0x4000, kMapped | kVmSealed);
  }));
  expect_equal(apply(make(SVMA_CORE_MSEAL, {kBase, kBase + 0x8000}), [] {}));
}

TEST_F(Shadow612, Sealed_RefusesMunmapMprotectAndMmap) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  live_.add(kBase + 0x2000, kBase + 0x4000, kMapped | kVmSealed);
  load();
  // The cut at the start was made before the sealed one was met.
  expect_equal(apply(make(SVMA_CORE_MUNMAP, {kBase + 0x1000, kBase + 0x3000}, -1), [&] {
    live_.vmas[0].end = kBase + 0x1000;
    live_.add(kBase + 0x1000, kBase + 0x2000, kMapped);
  }));
  expect_equal(
      apply(make(SVMA_CORE_MPROTECT, {kBase + 0x2000, kBase + 0x3000, kReadOnly}, -1), [] {}));
  svma_op op = make(SVMA_CORE_MMAP, {kBase + 0x3000, 0x1000, kAsked, 0}, -1);
  op.steps = SVMA_STEP_UNMAP_FAILED;
  expect_equal(apply(op, [] {}));
}

TEST_F(Shadow612, Munmap_OfSealedSucceeds_IsADivergence) {
  live_.add(kBase, kBase + 0x2000, kMapped | kVmSealed);
  load();
  const auto verdict = apply(make(SVMA_CORE_MUNMAP, {kBase, kBase + 0x2000}), [&] {
    note_hiwater();
    live_.vmas.clear();
  });
  EXPECT_EQ(verdict.divergent, 1u);
}

// Registered by its own flags: the merged VMA keeps its soft-dirty mark.
TEST_F(Shadow612, Userfaultfd_MergedVma_KeepsItsSoftDirtyMark) {
  const svma_u64 registered = kMapped | kVmUffdMissing;
  live_.add(kBase, kBase + 0x2000, registered).uffd_ctx = 9;
  live_.add(kBase + 0x2000, kBase + 0x4000, kMapped & ~kSoftDirty);
  load();
  expect_equal(apply(
      make(SVMA_CORE_MODIFY, {kBase + 0x2000, kBase + 0x4000, registered & ~kSoftDirty, 9, 0, 0}),
      [&] {
        live_.vmas[0].end = kBase + 0x4000;
        live_.vmas.pop_back();
      }));
}

// At the page offset of the range, not of the VMA: the upper half joins the registered one.
TEST_F(Shadow612, Userfaultfd_HalfOfAVmaBesideARegisteredOne_Merges) {
  const svma_u64 registered = kMapped | kVmUffdMissing;
  live_.add(kBase, kBase + 0x4000, kMapped);
  live_.add(kBase + 0x4000, kBase + 0x6000, registered).uffd_ctx = 9;
  load();
  expect_equal(
      apply(make(SVMA_CORE_MODIFY, {kBase + 0x2000, kBase + 0x4000, registered, 9, 0, 0}), [&] {
        live_.vmas[0].end = kBase + 0x2000;
        live_.vmas[1].start = kBase + 0x2000;
        live_.vmas[1].pgoff -= 2;
      }));
}

TEST_F(Shadow612, Search_StaysAboveMinAddrAndMeasuresItsLimits) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  load();
  const auto answer = [&](std::initializer_list<svma_u64> args, svma_s64 result) {
    const svma_op op = make(SVMA_CORE_SEARCH, args, result);
    svma_verdict verdict{};
    svma_u64 predicted = 0;
    svma_core_search(shadow_, &op, nullptr, nullptr, &predicted, &verdict);
    EXPECT_EQ(verdict.divergent, 0u);
    return predicted;
  };
  EXPECT_EQ(answer({0x1000, 0x1000, kBase, 0, 0, 1, 0, kBase - 0x1000}, kBase - 0x1000),
            kBase - 0x1000);
  EXPECT_EQ(answer({0x2000, 0x1000, kBase, 0, 0, 1, 0, kBase - 0x1000}, -12), 0u);
  EXPECT_EQ(answer({0x2000, kBase, kBase + 0x1000, 0, 0, 1, 0, 0}, -12), 0u);
  // A shadow stack keeps a page below itself free.
  EXPECT_EQ(answer({0x1000, 0, kBase, 0, 0, 0, 0x1000, 0}, 0x1000), 0x1000u);
}

TEST_F(Shadow612, Droppable_IsNeverLockedAndKeepsItsFlags) {
  const svma_u64 droppable = 0x73 | kVmDroppable | kVmNoReserve | kVmWipeOnFork | kVmDontDump;
  load();
  expect_equal(
      apply(make(SVMA_CORE_MMAP, {kBase, 0x1000, droppable | kVmLocked, kBase >> 12}, kBase),
            [&] { live_.add(kBase, kBase + 0x1000, droppable | kSoftDirty); }));
  expect_equal(apply(make(SVMA_CORE_MADVISE, {kBase, kBase + 0x1000, 17}), [] {}));
  expect_equal(apply(make(SVMA_CORE_MADVISE, {kBase, kBase + 0x1000, 19}), [] {}));
}

// prctl(PR_SET_MEMORY_MERGE), on and off; a new VMA is offered as well, what it joins is not.
TEST_F(Shadow612, KsmIsOfferedAll_FlagsOfAllThatFit) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.add(kBase + 0x4000, kBase + 0x5000, kMapped | kVmShared);
  load();
  expect_equal(apply(make(SVMA_CORE_OTHER, {1, 0}), [&] { live_.vmas[0].flags |= kVmMergeable; }));
  expect_equal(apply(
      make(SVMA_CORE_MMAP, {kBase + 0x8000, 0x1000, kAsked, (kBase >> 12) + 8, 1}, kBase + 0x8000),
      [&] { live_.add(kBase + 0x8000, kBase + 0x9000, kMapped | kVmMergeable); }));
  expect_equal(apply(make(SVMA_CORE_OTHER, {0, 1}), [&] {
    for (auto& vma : live_.vmas) vma.flags &= ~kVmMergeable;
  }));
}

TEST_F(ShadowTest, Load_EveryAllocationFailsInTurn_IsEmptyAgain) {
  for (int i = 0; i < 5; ++i) live_.add(kBase + 0x10000 * i, kBase + 0x10000 * i + 0x1000);
  for (std::uint64_t n = 1; n <= 5; ++n) {
    fail_allocation(n);
    EXPECT_EQ(load_whole(shadow_, &live_), -12);
    EXPECT_EQ(allocations_outstanding(), 0u);
  }
  fail_allocation(0);
  load();
  expect_invariants();
}

class Shadow73 : public ShadowTest {
 protected:
  Shadow73() : ShadowTest("7.3") {}

  // madvise(MADV_GUARD_INSTALL) of one VMA.
  svma_verdict guard(svma_u64 addr, svma_s64 result) {
    svma_verdict verdict{};
    svma_core_guard(shadow_, addr, result, &verdict);
    return verdict;
  }
};

TEST_F(Shadow73, SoftDirtyOfAPart_IsThatOfTheWhole) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  live_.add(kBase + 0x2000, kBase + 0x4000, kReadOnly | kVmAccount);
  live_.vmas[0].anon_vma = live_.vmas[1].anon_vma = 7;
  load();
  expect_equal(apply(make(SVMA_CORE_MPROTECT, {kBase + 0x2000, kBase + 0x4000, kPrivate}), [&] {
    live_.vmas.pop_back();
    live_.vmas[0].end = kBase + 0x4000;
  }));
}

TEST_F(Shadow73, Guard_MarksUnlessLockedAndStaysInAMerge) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  live_.add(kBase + 0x4000, kBase + 0x5000, kMapped | kVmLocked);
  live_.totals.locked_vm = 1;
  load();
  EXPECT_EQ(guard(kBase, 0).divergent, 0u);
  EXPECT_EQ(guard(kBase + 0x4000, -22).divergent, 0u);
  EXPECT_EQ(guard(kBase + 0x4000, 0).divergent, 1u);
  EXPECT_EQ(guard(kBase, -22).divergent, 1u);
  expect_equal(apply(
      make(SVMA_CORE_MMAP, {kBase + 0x2000, 0x1000, kAsked, (kBase >> 12) + 2}, kBase + 0x2000),
      [&] {
        live_.vmas[0].end = kBase + 0x3000;
        live_.vmas[0].flags |= kVmMaybeGuard;
      }));
}

// Seen live before the marking function has returned, which is a matter of order.
TEST_F(Shadow73, GuardBesideAnOperation_IsTakenOver) {
  live_.add(kBase, kBase + 0x2000, kMapped);
  load();
  svma_op op = make(SVMA_CORE_MPROTECT, {kBase, kBase + 0x2000, kMapped});
  op.steps = SVMA_STEP_GUARDED;
  const auto verdict = apply(op, [&] { live_.vmas[0].flags |= kVmMaybeGuard; });
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts_by_kind[static_cast<u8>(Fact::kOrder)], 1);
  op.steps = 0;
  op.args[2] |= kVmMaybeGuard;
  EXPECT_EQ(apply(op, [&] { live_.vmas[0].flags &= ~kVmMaybeGuard; }).divergent, 1u);
}

TEST_F(Shadow73, Dofork_RefusedBySpecialVmas) {
  live_.add(kBase, kBase + 0x1000, kMapped | kVmDontExpand | kVmDontCopy);
  load();
  expect_equal(apply(make(SVMA_CORE_MADVISE, {kBase, kBase + 0x1000, 11}), [] {}));
}

// A kernel that joins what does not continue in the file, or is marked otherwise, must not be
// believed.
TEST_F(Shadow73, Mmap_PreparedAndWronglyMerged_IsADivergence) {
  for (const bool other_offset : {true, false}) {
    live_.vmas.clear();
    live_.add(kBase, kBase + 0x1000, kMapped | (other_offset ? 0 : kVmDontDump));
    live_.vmas[0].file = 9;
    live_.count();
    svma_core_shadow_clear(shadow_);
    load();
    const svma_u64 pgoff = (kBase >> 12) + (other_offset ? 77 : 1);
    svma_op op = make(SVMA_CORE_MMAP, {kBase + 0x1000, 0x1000, kAsked, pgoff}, kBase + 0x1000);
    op.vma.file = 9;
    op.vma.prepared = 1;
    EXPECT_GT(apply(op, [&] { live_.vmas[0].end = kBase + 0x2000; }).divergent, 0u) << other_offset;
  }
}

// The driver adds VM_MIXEDMAP before a merge is tried: special VMAs do not merge.
TEST_F(Shadow73, Mmap_PreparedByTheDriver_ItsFlagsDecideTheMerge) {
  live_.add(kBase, kBase + 0x1000, kMapped);
  live_.vmas[0].file = 9;
  load();
  svma_op op =
      make(SVMA_CORE_MMAP, {kBase + 0x1000, 0x1000, kAsked, (kBase >> 12) + 1}, kBase + 0x1000);
  op.vma.file = 9;
  op.vma.prepared = 1;
  const auto verdict = apply(op, [&] {
    live_.add(kBase + 0x1000, kBase + 0x2000, kMapped | kVmMixedMap);
    live_.vmas.back().file = 9;
  });
  expect_equal(verdict);
  EXPECT_EQ(verdict.facts_by_kind[static_cast<u8>(Fact::kDriver)], 1);
}

}  // namespace
}  // namespace svma::test
