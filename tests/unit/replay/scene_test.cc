// SPDX-License-Identifier: GPL-2.0-only
// What a call on a shadow leaves for journal and report: the ranges touched, what they hold, and
// both sides around the first difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "abi/core_api.h"
#include "live_mm.hpp"
#include "os_services.hpp"

namespace svma::test {
namespace {

constexpr svma_u64 kMapped = 0x8100073;  // rw-p, VM_ACCOUNT, VM_SOFTDIRTY
constexpr svma_u64 kReadOnly = kMapped & ~svma_u64{2};
constexpr svma_u64 kBase = 0x10000;

constexpr svma_u64 at(svma_u64 page) { return kBase + page * 0x1000; }

class SceneTest : public ::testing::Test {
 protected:
  SceneTest() : memory_(svma_core_shadow_size() + 64) {
    const auto aligned = (reinterpret_cast<uintptr_t>(memory_.data()) + 63) & ~uintptr_t{63};
    shadow_ = svma_core_shadow_init(reinterpret_cast<void*>(aligned), "6.1", 256 << 12, nullptr, 0);
  }
  ~SceneTest() override {
    svma_core_shadow_clear(shadow_);
    EXPECT_EQ(allocations_outstanding(), 0u);
  }

  void load() { ASSERT_EQ(load_whole(shadow_, &live_), 0); }

  // The operation happens; `after` writes down what the live side became.
  template <typename After>
  svma_verdict apply(svma_u32 kind, std::initializer_list<svma_u64> args, After after,
                     svma_s64 result = 0) {
    svma_op op{};
    op.kind = kind;
    op.map_count_limit = 65530;
    op.result = result;
    op.rlimits = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    std::copy(args.begin(), args.end(), op.args);
    svma_verdict verdict{};
    svma_core_begin(shadow_, &op, &live_, &verdict);
    after();
    live_.count();
    svma_core_end(shadow_, &op, &live_, &verdict);
    return verdict;
  }

  static std::vector<std::pair<svma_u64, svma_u64>> listed(const svma_core_extent* extents,
                                                           svma_u32 count) {
    std::vector<std::pair<svma_u64, svma_u64>> pairs;
    for (svma_u32 i = 0; i < count; ++i) pairs.emplace_back(extents[i].start, extents[i].end);
    return pairs;
  }
  static auto after(const svma_scene& scene) { return listed(scene.vma, scene.vmas); }
  static auto predicted(const svma_scene& s) { return listed(s.predicted_map, s.predicted); }
  static auto observed(const svma_scene& s) { return listed(s.observed_map, s.observed); }

  using Extents = std::vector<std::pair<svma_u64, svma_u64>>;

  std::vector<char> memory_;
  svma_shadow* shadow_;
  FakeLive live_;
};

// AAAA -> A  A
TEST_F(SceneTest, End_Munmap_HullIsTheRangeAndHoldsNothing) {
  live_.add(at(0), at(4), kMapped);
  load();
  const auto verdict = apply(SVMA_CORE_MUNMAP, {at(1), at(3)}, [&] {
    live_.vmas[0].end = at(1);
    live_.add(at(3), at(4), kMapped);
  });
  ASSERT_NE(verdict.scene, nullptr);
  EXPECT_EQ(verdict.scene->start, at(1));
  EXPECT_EQ(verdict.scene->end, at(3));
  EXPECT_EQ(after(*verdict.scene), Extents{});
  EXPECT_EQ(verdict.scene->cut, 0);
  EXPECT_EQ(verdict.scene->captured, 0);
  EXPECT_EQ(verdict.scene->complete, 1);
}

// A.. -> AAA: the whole of the VMA that the range is part of.
TEST_F(SceneTest, End_MmapMerges_ListsWholeVma) {
  live_.add(at(0), at(1), kMapped);
  load();
  const auto verdict = apply(
      SVMA_CORE_MMAP, {at(1), 0x2000, 0x73, at(1) >> 12}, [&] { live_.vmas[0].end = at(3); },
      static_cast<svma_s64>(at(1)));
  EXPECT_EQ(verdict.scene->start, at(1));
  EXPECT_EQ(verdict.scene->end, at(3));
  EXPECT_EQ(after(*verdict.scene), (Extents{{at(0), at(3)}}));
}

// AA..CC..... -> ....CC...AA: what lies between the two places is not touched and said to be left
// out.
TEST_F(SceneTest, End_MremapOverAnother_ListsBothPlacesAndSaysCut) {
  live_.add(at(0), at(2), kMapped);
  live_.add(at(4), at(6), kReadOnly);
  load();
  const auto verdict = apply(
      SVMA_CORE_MREMAP_MOVE, {at(0), at(0), 0x2000, 0x2000, at(9), 1},
      [&] {
        live_.vmas.erase(live_.vmas.begin());
        live_.add(at(9), at(11), kMapped);
      },
      static_cast<svma_s64>(at(9)));
  EXPECT_EQ(verdict.divergent, 0u);
  EXPECT_EQ(verdict.scene->start, at(0));
  EXPECT_EQ(verdict.scene->end, at(11));
  EXPECT_EQ(after(*verdict.scene), (Extents{{at(9), at(11)}}));
  EXPECT_EQ(verdict.scene->cut, 1);
}

TEST_F(SceneTest, Survey_MoreThanFits_FirstOnesAndCut) {
  for (svma_u64 i = 0; i < 6; ++i) live_.add(at(2 * i), at(2 * i + 1), kMapped);
  load();
  const svma_scene* scene = svma_core_survey(shadow_);
  EXPECT_EQ(scene->start, at(0));
  EXPECT_EQ(scene->end, at(11));
  EXPECT_EQ(scene->vmas, static_cast<svma_u32>(SVMA_CORE_SCENE_EXTENTS));
  EXPECT_EQ(scene->cut, 1);
}

TEST_F(SceneTest, Survey_Empty_IsEmpty) {
  const svma_scene* scene = svma_core_survey(shadow_);
  EXPECT_EQ(scene->vmas, 0u);
  EXPECT_EQ(scene->cut, 0);
}

// predicted  A B  .  C        observed  A B BB  C
TEST_F(SceneTest, End_LiveKeptTooMuch_CapturesBothSidesBeforeAdopting) {
  live_.add(at(0), at(2), kReadOnly);
  live_.add(at(2), at(8), kMapped);
  live_.add(at(9), at(10), kReadOnly);
  live_.add(at(20), at(21), kReadOnly);
  load();
  const auto verdict = apply(SVMA_CORE_MUNMAP, {at(4), at(8)}, [&] { live_.vmas[1].end = at(6); });
  EXPECT_EQ(verdict.mismatch[0].field, static_cast<svma_u32>(SVMA_CORE_FIELD_LAYOUT));
  EXPECT_EQ(verdict.scene->captured, 1);
  EXPECT_EQ(predicted(*verdict.scene), (Extents{{at(0), at(2)}, {at(2), at(4)}, {at(9), at(10)}}));
  EXPECT_EQ(observed(*verdict.scene), (Extents{{at(0), at(2)}, {at(2), at(6)}, {at(9), at(10)}}));
  // What is left is what was adopted.
  EXPECT_EQ(after(*verdict.scene), (Extents{{at(2), at(6)}}));
}

// predicted  A   B        observed  A..B: one VMA more on one side than on the other.
TEST_F(SceneTest, End_VmaMissingLive_ObservedIsOneShorter) {
  live_.add(at(0), at(1), kReadOnly);
  live_.add(at(5), at(6), kReadOnly);
  load();
  const auto verdict = apply(
      SVMA_CORE_MMAP, {at(3), 0x1000, 0x73, at(3) >> 12}, [] {}, static_cast<svma_s64>(at(3)));
  EXPECT_GE(verdict.divergent, 1u);
  EXPECT_EQ(predicted(*verdict.scene), (Extents{{at(0), at(1)}, {at(3), at(4)}, {at(5), at(6)}}));
  EXPECT_EQ(observed(*verdict.scene), (Extents{{at(0), at(1)}, {at(5), at(6)}}));
}

// predicted  A BBBB AA C        observed  A BBBBB A C: both sides end with the same VMA.
TEST_F(SceneTest, End_UpperNeighboursDiffer_BothSidesReachAsFar) {
  live_.add(at(0), at(8), kMapped);
  live_.add(at(8), at(9), kReadOnly);
  load();
  const auto verdict = apply(SVMA_CORE_MPROTECT, {at(2), at(4), kReadOnly}, [&] {
    live_.vmas[0].end = at(2);
    live_.add(at(2), at(5), kReadOnly);
    live_.add(at(5), at(8), kMapped);
  });
  EXPECT_EQ(predicted(*verdict.scene),
            (Extents{{at(0), at(2)}, {at(2), at(4)}, {at(4), at(8)}, {at(8), at(9)}}));
  EXPECT_EQ(observed(*verdict.scene),
            (Extents{{at(0), at(2)}, {at(2), at(5)}, {at(5), at(8)}, {at(8), at(9)}}));
}

// One side is full: what the other has beyond it is not shown as if it were missing there.
TEST_F(SceneTest, End_OneSideFull_OtherEndsWithIt) {
  for (svma_u64 i = 0; i < 10; ++i) live_.add(at(2 * i), at(2 * i + 1), kMapped);
  load();
  const auto verdict = apply(SVMA_CORE_MUNMAP, {at(0), at(18)}, [&] {
    live_.vmas.clear();
    live_.add(at(0), at(18), kReadOnly);
    live_.add(at(18), at(19), kMapped);
    live_.add(at(30), at(31), kMapped);
  });
  EXPECT_GE(verdict.divergent, 1u);
  EXPECT_EQ(predicted(*verdict.scene), (Extents{{at(18), at(19)}}));
  EXPECT_EQ(observed(*verdict.scene), (Extents{{at(0), at(18)}, {at(18), at(19)}}));
}

TEST_F(SceneTest, End_FlagsDiffer_CapturesThem) {
  live_.add(at(0), at(3), kMapped);
  load();
  const auto verdict = apply(SVMA_CORE_MPROTECT, {at(0), at(3), kReadOnly},
                             [&] { live_.vmas[0].flags = kMapped & ~3ull; });
  ASSERT_EQ(verdict.scene->predicted, 1u);
  ASSERT_EQ(verdict.scene->observed, 1u);
  EXPECT_EQ(verdict.scene->predicted_map[0].flags, kReadOnly);
  EXPECT_EQ(verdict.scene->observed_map[0].flags, kMapped & ~3ull);
}

TEST_F(SceneTest, End_TwentyDifferences_NoMoreThanFits) {
  for (svma_u64 i = 0; i < 20; ++i) live_.add(at(2 * i), at(2 * i + 1), kMapped);
  load();
  const auto verdict = apply(SVMA_CORE_MUNMAP, {at(0), at(100)}, [] {});
  EXPECT_GE(verdict.divergent, 10u);
  EXPECT_EQ(verdict.scene->captured, 1);
  EXPECT_LE(verdict.scene->observed, static_cast<svma_u32>(SVMA_CORE_SIDE_EXTENTS));
  EXPECT_EQ(verdict.scene->vmas, static_cast<svma_u32>(SVMA_CORE_SCENE_EXTENTS));
  EXPECT_EQ(verdict.scene->cut, 1);
}

// A counter has no address; it is shown with the operation before it.
TEST_F(SceneTest, Release_CounterDiffers_CapturesTheLastOperation) {
  live_.add(at(0), at(4), kMapped);
  live_.add(at(50), at(51), kMapped);
  load();
  apply(SVMA_CORE_MUNMAP, {at(2), at(4)}, [&] {
    live_.totals.hiwater_vm = live_.totals.total_vm;
    live_.vmas[0].end = at(2);
  });
  ++live_.totals.locked_vm;
  svma_verdict verdict{};
  svma_core_release(shadow_, &live_, 0, 1, &verdict);
  EXPECT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.scene->complete, 0);
  EXPECT_EQ(predicted(*verdict.scene), (Extents{{at(0), at(2)}, {at(50), at(51)}}));
  EXPECT_EQ(observed(*verdict.scene), predicted(*verdict.scene));
}

// An operation without a prediction is adopted: the report shows what was there and what came.
TEST_F(SceneTest, End_PoolEmpty_CapturesBeforeAndAfter) {
  live_.add(at(0), at(3), kMapped);
  load();
  fail_allocation(1);
  const auto verdict = apply(SVMA_CORE_MUNMAP, {at(1), at(2)}, [&] {
    live_.vmas[0].end = at(1);
    live_.add(at(2), at(3), kMapped);
  });
  fail_allocation(0);
  EXPECT_EQ(verdict.unmodelled, 1);
  EXPECT_EQ(predicted(*verdict.scene), (Extents{{at(0), at(3)}}));
  EXPECT_EQ(observed(*verdict.scene), (Extents{{at(0), at(1)}, {at(2), at(3)}}));
}

}  // namespace
}  // namespace svma::test
