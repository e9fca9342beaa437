// SPDX-License-Identifier: GPL-2.0-only
//
// System calls against their steps: every step right, one wrong at a time, and ends that come too
// early.
#include "replay/call.hpp"

#include <gtest/gtest.h>

#include <string_view>

#include "call_fixture.hpp"

namespace svma {
namespace {

using test::CallTest;
using test::kMapped;

constexpr u64 kProtRead = 1, kProtReadWrite = 3;

class MprotectCall : public CallTest {
 protected:
  static constexpr VmFlags kReadOnly = kMapped & ~kVmWrite;

  svma_call call_ = make(SVMA_CALL_MPROTECT, {at(1), 6 * kPageSize, kProtRead, ~u64{0}, 0});
  u32 protect(u64 first, u64 last, VmFlags flags = kReadOnly) {
    return step(call_, SVMA_CORE_MPROTECT, {at(first), at(last), flags});
  }
};

// AAAABBBB, mprotect of [1, 7)
TEST_F(MprotectCall, EveryStepRight_NothingDiffers) {
  map(0, 4);
  map(4, 4, kMapped | kVmDontCopy);
  EXPECT_EQ(protect(1, 4), 0u);
  EXPECT_EQ(protect(4, 7, kReadOnly | kVmDontCopy), 0u);
  EXPECT_EQ(end(call_, 0), 0u);
}

TEST_F(MprotectCall, StepBeginsElsewhere_Differs) {
  map(0, 8);
  EXPECT_EQ(protect(2, 7), 1u);
}

TEST_F(MprotectCall, StepEndsElsewhere_Differs) {
  map(0, 8);
  EXPECT_EQ(protect(1, 6), 1u);
}

TEST_F(MprotectCall, StepHasOtherFlags_Differs) {
  map(0, 8);
  EXPECT_EQ(protect(1, 7, kMapped), 1u);
}

TEST_F(MprotectCall, StepBeyondTheEnd_Differs) {
  map(0, 8);
  EXPECT_EQ(protect(1, 7), 0u);
  EXPECT_EQ(protect(7, 8), 1u);
}

// The first step joined its part with B: the next one is C.
TEST_F(MprotectCall, StepMergedWithTheNext_SkipsIt) {
  map(0, 2);
  map(2, 2, kReadOnly);
  map(4, 4);
  EXPECT_EQ(protect(1, 2), 0u);
  unmap(1, 4);
  map(1, 3, kReadOnly);
  EXPECT_EQ(protect(4, 7), 0u);
  EXPECT_EQ(end(call_, 0), 0u);
}

TEST_F(MprotectCall, StopsAtAHole_MustSayNoMemory) {
  map(0, 4);
  EXPECT_EQ(protect(1, 4), 0u);
  svma_call copy = call_;
  EXPECT_EQ(end(call_, -kENOMEM), 0u);
  EXPECT_EQ(end(copy, 0), 1u);
}

TEST_F(MprotectCall, StopsEarlyWithSuccess_Differs) {
  map(0, 4);
  map(4, 4);
  EXPECT_EQ(protect(1, 4), 0u);
  EXPECT_EQ(end(call_, 0), 1u);
}

TEST_F(MprotectCall, NextVmaForbidsIt_MustSayDenied) {
  map(0, 4);
  map(4, 4, kVmRead | kVmMayRead);
  call_.args[2] = kProtReadWrite;
  EXPECT_EQ(protect(1, 4, kMapped), 0u);
  svma_call copy = call_;
  EXPECT_EQ(end(call_, -kEACCES), 0u);
  EXPECT_EQ(end(copy, -kENOMEM), 1u);
}

TEST_F(MprotectCall, StepFailed_EndsWithItsError) {
  map(0, 8);
  EXPECT_EQ(protect(1, 7), 0u);
  call_.failed = -kENOMEM;
  svma_call copy = call_;
  EXPECT_EQ(end(call_, -kENOMEM), 0u);
  EXPECT_EQ(end(copy, 0), 1u);
}

TEST_F(MprotectCall, GivenKey_IsPartOfTheFlags) {
  map(0, 8);
  call_.args[3] = 5;
  svma_call copy = call_;
  EXPECT_EQ(step(call_, SVMA_CORE_MPROTECT, {at(1), at(7), kReadOnly | (u64{5} << 32)}), 0u);
  EXPECT_EQ(step(copy, SVMA_CORE_MPROTECT, {at(1), at(7), kReadOnly}), 1u);
}

TEST_F(CallTest, Mlock_FlagsAreReplaced) {
  map(0, 4, kMapped | kVmLocked);
  svma_call call = make(SVMA_CALL_MLOCK, {at(0), 4 * kPageSize, kVmLockedMask});
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(4), kMapped | kVmLockedMask}), 0u);
  EXPECT_EQ(end(call, 0), 0u);
}

// Its function returns before the lock is given up.
TEST_F(CallTest, Mlock_StopsBeforeTheNextVma_Differs) {
  for (const i64 result : {i64{-kENOMEM}, i64{0}}) {
    space_.clear();
    map(0, 2);
    map(2, 2, kMapped & ~kVmWrite);
    svma_call call = make(SVMA_CALL_MLOCK, {at(0), 4 * kPageSize, kVmLocked});
    EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(2), kMapped | kVmLocked}), 0u);
    EXPECT_EQ(returns(call, result).divergent, 1u);
  }
}

TEST_F(CallTest, Mlock_StopsAtAHole_MustSayNoMemory) {
  map(0, 2);
  svma_call call = make(SVMA_CALL_MLOCK, {at(0), 4 * kPageSize, kVmLocked});
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(2), kMapped | kVmLocked}), 0u);
  svma_call copy = call;
  EXPECT_EQ(returns(call, -kENOMEM).divergent, 0u);
  EXPECT_EQ(returns(copy, 0).divergent, 1u);
}

TEST_F(CallTest, Mlockall_PassesHolesAndTakesWholeVmas) {
  map(0, 4);
  map(10, 4);
  svma_call call = make(SVMA_CALL_MLOCKALL, {1});
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(4), kMapped | kVmLocked}), 0u);
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(10), at(14), kMapped | kVmLocked}), 0u);
  EXPECT_EQ(end(call, 0), 0u);
}

// Found by the fuzzer: this one is about mappings to come.
TEST_F(CallTest, Mlockall_FutureOnly_HasNoSteps) {
  map(0, 4);
  svma_call call = make(SVMA_CALL_MLOCKALL, {2});
  EXPECT_EQ(end(call, 0), 0u);
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(4), kMapped}), 1u);
  svma_call on_fault = make(SVMA_CALL_MLOCKALL, {2 | 4});
  EXPECT_EQ(end(on_fault, 0), 0u);
}

// v6.12 goes on behind a merged VMA.
TEST_F(CallTest, Mlockall_AfterAMerge_GoesOnBehindIt) {
  profile_ = "6.12";
  map(0, 2);
  map(2, 2, kMapped | kVmLocked);
  map(8, 2);
  svma_call call = make(SVMA_CALL_MLOCKALL, {1});
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(2), kMapped | kVmLocked}), 0u);
  unmap(0, 4);
  map(0, 4, kMapped | kVmLocked);
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(8), at(10), kMapped | kVmLocked}), 0u);
  EXPECT_EQ(end(call, 0), 0u);
}

// Found by a guest test: B must not go, so it does not become one with A, and the iterator of v6.12
// is left at A.
TEST_F(CallTest, Mprotect_VmaMustNotGo_IsVisitedTwice) {
  constexpr VmFlags kShared = kMapped | kVmShared;
  for (const char* const profile : {"6.1", "6.12"}) {
    profile_ = profile;
    space_.clear();
    map(0, 2, kShared);
    map(2, 2, kShared & ~kVmWrite);
    vma_at(0).attrs.has_close = vma_at(2).attrs.has_close = true;
    svma_call call = make(SVMA_CALL_MPROTECT, {at(2), 2 * kPageSize, kProtReadWrite, ~u64{0}, 0});
    EXPECT_EQ(step(call, SVMA_CORE_MPROTECT, {at(2), at(4), kShared}), 0u);
    vma_at(2).attrs.vm_flags = kShared;
    const bool again = std::string_view(profile) == "6.12";
    EXPECT_EQ(step(call, SVMA_CORE_MPROTECT, {at(2), at(4), kShared}), again ? 0u : 1u);
    EXPECT_EQ(end(call, 0), 0u);
  }
}

TEST_F(CallTest, Mprotect_PartOfSuchAVma_IsVisitedOnce) {
  constexpr VmFlags kShared = kMapped | kVmShared;
  profile_ = "6.12";
  map(0, 2, kShared);
  map(2, 2, kShared & ~kVmWrite);
  vma_at(0).attrs.has_close = vma_at(2).attrs.has_close = true;
  svma_call call = make(SVMA_CALL_MPROTECT, {at(2), kPageSize, kProtReadWrite, ~u64{0}, 0});
  EXPECT_EQ(step(call, SVMA_CORE_MPROTECT, {at(2), at(3), kShared}), 0u);
  EXPECT_EQ(end(call, 0), 0u);
}

// AABBCC, A becomes one with B: v6.1 comes to the whole once more, v6.12 goes on with C.
TEST_F(CallTest, Mbind_AfterAMerge_GoesOnBehindIt) {
  constexpr u64 kPolicy = 5, kBind = 2;
  profile_ = "6.12";
  map(0, 2);
  map(2, 2);
  map(4, 2);
  vma_at(2).attrs.vm_policy = kPolicy;
  svma_call call = make(SVMA_CALL_MBIND, {at(0), 6 * kPageSize, kBind, 0});
  EXPECT_EQ(step(call, SVMA_CORE_MBIND, {at(0), at(6), kPolicy, at(0)}), 0u);
  unmap(0, 4);
  map(0, 4);
  vma_at(0).attrs.vm_policy = kPolicy;
  EXPECT_EQ(step(call, SVMA_CORE_MBIND, {at(0), at(6), kPolicy, at(4)}), 0u);
  EXPECT_EQ(end(call, 0), 0u);
}

TEST_F(CallTest, Mmap_FlagsOfLaterKernels) {
  const auto flags = [&](u64 map_flags, VmFlags wanted) {
    svma_call call =
        make(SVMA_CALL_MMAP, {at(0), kPageSize, kProtReadWrite, map_flags, 0, 0, 0, 0});
    return step(call, SVMA_CORE_MMAP, {at(0), kPageSize, wanted, at(0) >> kPageShift});
  };
  constexpr u64 kFixedStack = 0x20032, kFixedDroppable = 0x38;
  EXPECT_EQ(flags(kFixedStack, kMapped), 0u);
  profile_ = "6.12";
  EXPECT_EQ(flags(kFixedStack, kMapped | kVmNoHugePage), 0u);
  EXPECT_EQ(
      flags(kFixedDroppable, kMapped | kVmDroppable | kVmNoReserve | kVmWipeOnFork | kVmDontDump),
      0u);
}

TEST_F(CallTest, Mlockall_LeavesOneOut_Differs) {
  map(0, 4);
  map(10, 4);
  svma_call call = make(SVMA_CALL_MLOCKALL, {1});
  EXPECT_EQ(step(call, SVMA_CORE_MLOCK, {at(0), at(4), kMapped | kVmLocked}), 0u);
  EXPECT_EQ(end(call, 0), 1u);
}

TEST_F(CallTest, Munmap_LengthIsRoundedUp) {
  svma_call call = make(SVMA_CALL_MUNMAP, {at(0), kPageSize + 1});
  EXPECT_EQ(step(call, SVMA_CORE_MUNMAP, {at(0), at(2), 0}), 0u);
  EXPECT_EQ(step(call, SVMA_CORE_MUNMAP, {at(0), at(1), 0}), 1u);
}

// [A no][B registered][C no]: A and C are steps, B is as wanted.
TEST_F(CallTest, UffdRegister_SkipsWhatIsRegistered) {
  map(0, 2);
  map(2, 2, kMapped | kVmUffdMissing);
  vma_at(2).attrs.uffd_ctx = 9;
  map(6, 2);
  svma_call call = make(SVMA_CALL_UFFD_REGISTER, {at(1), 6 * kPageSize, 1, 9});
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY, {at(1), at(2), kMapped | kVmUffdMissing, 9}), 0u);
  svma_call copy = call;
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY, {at(6), at(7), kMapped | kVmUffdMissing, 9}), 0u);
  EXPECT_EQ(step(copy, SVMA_CORE_MODIFY, {at(6), at(7), kMapped | kVmUffdWp, 8}), 2u);
  EXPECT_EQ(end(copy, -kENOMEM), 0u);
}

// Only where there is a VMA at address 0; see Semantics::uffd_passes_second_at_zero.
TEST_F(CallTest, UffdRegister_FromAddressZero_PassesTheSecondVma) {
  for (u64 page : {0, 2, 4}) {
    map_at(page * kPageSize, 2, kMapped | (page == 2 ? kVmWrite : 0));
  }
  svma_call call = make(SVMA_CALL_UFFD_REGISTER, {0, 6 * kPageSize, 1, 9});
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY, {0, 2 * kPageSize, kMapped | kVmUffdMissing, 9}), 0u);
  svma_call copy = call;
  EXPECT_EQ(
      step(call, SVMA_CORE_MODIFY, {4 * kPageSize, 6 * kPageSize, kMapped | kVmUffdMissing, 9}),
      0u);
  EXPECT_EQ(end(call, 0), 0u);
  EXPECT_GT(
      step(copy, SVMA_CORE_MODIFY, {2 * kPageSize, 4 * kPageSize, kMapped | kVmUffdMissing, 9}),
      0u);
}

TEST_F(CallTest, UffdRegister_FromInsideTheVmaAtZero_PassesTheSecondVma) {
  for (u64 page : {0, 2, 4}) {
    map_at(page * kPageSize, 2, kMapped | (page == 2 ? kVmWrite : 0));
  }
  svma_call call = make(SVMA_CALL_UFFD_REGISTER, {kPageSize, 5 * kPageSize, 1, 9});
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY, {kPageSize, 2 * kPageSize, kMapped | kVmUffdMissing, 9}),
            0u);
  EXPECT_EQ(
      step(call, SVMA_CORE_MODIFY, {4 * kPageSize, 6 * kPageSize, kMapped | kVmUffdMissing, 9}),
      0u);
  EXPECT_EQ(end(call, 0), 0u);
}

// There mas_prev() finds something below.
TEST_F(CallTest, UffdRegister_FromInsideAnotherVma_PassesNone) {
  for (u64 page : {1, 2, 4}) {
    map_at(page * kPageSize, page == 1 ? 1 : 2, kMapped | (page == 2 ? kVmWrite : 0));
  }
  svma_call call = make(SVMA_CALL_UFFD_REGISTER, {kPageSize, 5 * kPageSize, 1, 9});
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY, {kPageSize, 2 * kPageSize, kMapped | kVmUffdMissing, 9}),
            0u);
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY,
                 {2 * kPageSize, 4 * kPageSize, kMapped | kVmWrite | kVmUffdMissing, 9}),
            0u);
}

TEST_F(CallTest, UffdUnregister_LeavesOneOut_Differs) {
  for (u64 page : {0, 4}) {
    map(page, 2, kMapped | kVmUffdMissing);
    vma_at(page).attrs.uffd_ctx = 9;
  }
  svma_call call = make(SVMA_CALL_UFFD_UNREGISTER, {at(0), 6 * kPageSize});
  EXPECT_EQ(step(call, SVMA_CORE_MODIFY, {at(0), at(2), kMapped}), 0u);
  EXPECT_EQ(end(call, 0), 1u);
}

class MmapCall : public CallTest {
 protected:
  static constexpr u64 kPrivateAnon = 0x22, kFixed = 0x10, kGrowsDown = 0x100, kTask = u64{1} << 47;
  static constexpr VmFlags kFlags = kVmRead | kVmWrite | kVmMayRead | kVmMayWrite | kVmMayExec;

  svma_call call(u64 hint, u64 flags) {
    svma_call c = make(SVMA_CALL_MMAP, {hint, 2 * kPageSize, kProtReadWrite, flags});
    c.placement.end = c.placement.task_size = kTask;
    c.placement.flags = SVMA_PLACEMENT_TOPDOWN;
    return c;
  }
  u32 mapped(svma_call& c, u64 address, VmFlags flags = kFlags) {
    return step(c, SVMA_CORE_MMAP, {address, 2 * kPageSize, flags, address >> kPageShift});
  }
};

TEST_F(MmapCall, Fixed_IsWhereItWasAsked) {
  svma_call c = call(at(3), kPrivateAnon | kFixed);
  EXPECT_EQ(mapped(c, at(3)), 0u);
  EXPECT_EQ(mapped(c, at(4)), 1u);
}

TEST_F(MmapCall, FreeHint_IsTaken) {
  svma_call c = call(at(3) + 5, kPrivateAnon);
  EXPECT_EQ(mapped(c, at(3)), 0u);
  EXPECT_EQ(mapped(c, at(9)), 1u);
}

TEST_F(MmapCall, HintThatIsTaken_IsSearched) {
  map(3, 1);
  svma_call c = call(at(3), kPrivateAnon);
  c.searched = at(50);
  EXPECT_EQ(mapped(c, at(50)), 0u);
  EXPECT_EQ(mapped(c, at(3)), 1u);
}

TEST_F(MmapCall, HintInAGuardGap_IsSearched) {
  map(300, 4, kMapped | kVmGrowsDown);
  svma_call c = call(at(297), kPrivateAnon);
  c.searched = at(10);
  EXPECT_EQ(mapped(c, at(10)), 0u);
}

TEST_F(MmapCall, Flags_FollowFromProtAndFlags) {
  svma_call c = call(at(3), kPrivateAnon | kFixed | kGrowsDown);
  EXPECT_EQ(mapped(c, at(3), kFlags | kVmGrowsDown), 0u);
  EXPECT_EQ(mapped(c, at(3), kFlags), 1u);
}

TEST_F(MmapCall, SharedReadOnlyFile_MayNotBeWritten) {
  svma_call c =
      make(SVMA_CALL_MMAP, {at(3), 2 * kPageSize, kProtRead, 0x11, 7, 0, SVMA_FILE_THERE});
  const VmFlags flags = kVmRead | kVmMayRead | kVmMayExec | kVmMayShare;
  EXPECT_EQ(step(c, SVMA_CORE_MMAP, {at(3), 2 * kPageSize, flags, 7}), 0u);
  EXPECT_EQ(step(c, SVMA_CORE_MMAP, {at(3), 2 * kPageSize, flags | kVmShared, 7}), 1u);
  EXPECT_EQ(step(c, SVMA_CORE_MMAP, {at(3), 2 * kPageSize, flags, 8}), 1u);
}

}  // namespace
}  // namespace svma
