// SPDX-License-Identifier: GPL-2.0-only
//
// The shadow's tree against "the kernel's", which is another AddressSpace here. Where both were
// built by the same steps they are the same tree; where not, each kind of difference is found.
#include "replay/structure.hpp"

#include <gtest/gtest.h>

#include <random>

#include "live_mm.hpp"
#include "os_services.hpp"
#include "replay/shadow.hpp"

namespace svma {
namespace {

constexpr u64 kBase = 0x10000000;

class Structure : public testing::Test {
 protected:
  ~Structure() override {
    kernel_.clear();
    shadow_.clear();
  }

  static void map(AddressSpace& space, u64 page, u64 pages = 1, VmFlags flags = 0) {
    svma_live_vma live{};
    live.start = kBase + page * kPageSize;
    live.end = live.start + pages * kPageSize;
    live.flags = flags;
    ASSERT_TRUE(insert_copy(space, live).ok());
  }
  static void unmap(AddressSpace& space, u64 page, u64 pages) {
    VmaReserve reserve;
    ASSERT_TRUE(reserve.fill(2).ok());
    const VirtAddr start(kBase + page * kPageSize);
    ASSERT_TRUE(space.do_munmap({start, start + pages * kPageSize}, reserve, ~0u).ok());
  }
  bool equal_all() {
    live_.tree = &kernel_;
    svma_verdict verdict{};
    const bool equal = StructureCheck(shadow_, &live_, verdict).compare_all(predicted_, observed_);
    EXPECT_EQ(equal, verdict.structure_compared == verdict.structure_equal);
    compared_ = verdict.structure_compared;
    return equal;
  }
  bool equal_at(u64 page) {
    live_.tree = &kernel_;
    svma_verdict verdict{};
    return StructureCheck(shadow_, &live_, verdict)
        .compare_path(VirtAddr(kBase + page * kPageSize), predicted_, observed_);
  }

  AddressSpace kernel_, shadow_;
  test::FakeLive live_;
  svma_corner predicted_{}, observed_{};
  u32 compared_ = 0;
};

TEST_F(Structure, NoTreeInThisKernel_NothingIsCompared) {
  svma_verdict verdict{};
  EXPECT_TRUE(StructureCheck(shadow_, &live_, verdict).compare_all(predicted_, observed_));
  EXPECT_EQ(verdict.structure_compared, 0u);
}

TEST_F(Structure, SameSteps_SameTreeNodeByNode) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 2000; ++i) {
    const u64 page = random() % 400, pages = 1 + random() % 6;
    for (AddressSpace* space : {&kernel_, &shadow_}) {
      unmap(*space, page, pages);
      if (i % 3) map(*space, page, pages, i % 7 ? 0 : kVmGrowsDown);
    }
    ASSERT_TRUE(equal_at(page)) << i;
    ASSERT_TRUE(equal_all()) << i;
    EXPECT_EQ(compared_, kernel_.map_count() + 1);
  }
}

TEST_F(Structure, OtherOrder_OtherShape) {
  for (u64 page : {0, 2, 4, 6, 8, 10}) map(kernel_, page);
  for (u64 page : {10, 8, 6, 4, 2, 0}) map(shadow_, page);
  kernel_.set_vmacache_seqnum(shadow_.vmacache_seqnum());
  EXPECT_FALSE(equal_all());
  EXPECT_NE(predicted_.node[0].start, observed_.node[0].start);
}

TEST_F(Structure, GapOfOneNode_IsNoticedOnItsPath) {
  for (AddressSpace* space : {&kernel_, &shadow_}) {
    for (u64 page : {0, 2, 4, 6}) map(*space, page);
  }
  kernel_.find_vma(VirtAddr(kBase + 6 * kPageSize))->rb_subtree_gap += kPageSize;
  EXPECT_TRUE(equal_at(0));
  EXPECT_FALSE(equal_at(6));
  EXPECT_EQ(observed_.node[0].gap, predicted_.node[0].gap + kPageSize);
  EXPECT_EQ(predicted_.node[0].start, kBase + 6 * kPageSize);
}

TEST_F(Structure, SequenceNumberOfTheVmacache_IsCompared) {
  for (AddressSpace* space : {&kernel_, &shadow_}) map(*space, 0);
  EXPECT_TRUE(equal_all());
  kernel_.set_vmacache_seqnum(kernel_.vmacache_seqnum() + 1);
  EXPECT_FALSE(equal_all());
}

// A process that is attached later: the shape is copied, and then kept.
TEST_F(Structure, LoadedFromAnyShape_IsTheSameAndStaysIt) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 300; ++i) {
    const u64 page = random() % 300;
    unmap(kernel_, page, 1 + random() % 4);
    if (i % 4) map(kernel_, page);
  }
  for (Vma* vma = kernel_.first(); vma; vma = AddressSpace::next(vma))
    live_.vmas.push_back(record_of(*vma));
  live_.totals.map_count = kernel_.map_count();
  live_.tree = &kernel_;

  Shadow shadow(*find_semantics("5.10"), kDefaultStackGuardGap);
  svma_load progress{};
  while (progress.stage != SVMA_LOAD_DONE) {
    ASSERT_TRUE(shadow.load_part(&live_, progress, 3).ok());
  }
  svma_verdict verdict{};
  shadow.compare_structure(&live_, verdict);
  EXPECT_EQ(verdict.structure_compared, kernel_.map_count() + 1);
  EXPECT_EQ(verdict.structure_equal, verdict.structure_compared);
  EXPECT_FALSE(shadow.structure_differs(predicted_, observed_));

  map(kernel_, 1000);  // which nobody told the shadow
  shadow.compare_structure(&live_, verdict);
  EXPECT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.suspect, 1u);
  EXPECT_TRUE(shadow.structure_differs(predicted_, observed_));
  shadow.clear();
}

// Nobody said so, but the node where the load was to go on is not there any more.
TEST_F(Structure, LoadedInParts_NextNodeIsGone_Enoent) {
  for (u64 page = 0; page < 64; page += 2) map(kernel_, page);
  for (Vma* vma = kernel_.first(); vma; vma = AddressSpace::next(vma))
    live_.vmas.push_back(record_of(*vma));
  live_.tree = &kernel_;
  Shadow shadow(*find_semantics("5.10"), kDefaultStackGuardGap);
  svma_load progress{};
  while (progress.stage <= SVMA_LOAD_LAYOUT && shadow.space().map_count() < 10) {
    ASSERT_TRUE(shadow.load_part(&live_, progress, 3).ok());
  }
  unmap(kernel_, (progress.at - kBase) / kPageSize, 1);
  EXPECT_EQ(shadow.load_part(&live_, progress, 3).err(), -kENOENT);
  shadow.clear();
  EXPECT_EQ(test::allocations_outstanding(), kernel_.map_count());
}

// --- the vmacache of such a kernel, followed through what it was asked

class Followed : public testing::Test {
 protected:
  static constexpr u32 kTask = 7;
  static constexpr u64 kMiss = SVMA_CORE_NO_VMA;

  Followed() {
    live_.add(kBase, kBase + 0x1000);
    live_.add(kBase + 0x2000, kBase + 0x3000);
    svma_load progress{};
    while (progress.stage != SVMA_LOAD_DONE && shadow_.load_part(&live_, progress, ~u32{0}).ok()) {
    }
    EXPECT_EQ(progress.stage, svma_u32{SVMA_LOAD_DONE});
  }
  ~Followed() override { shadow_.clear(); }

  // RETURNS: how many answers were compared, or -1 when one differed.
  int find(u64 addr, u64 hit, bool in_flux = false, u32 task = kTask) {
    svma_verdict verdict{};
    shadow_.vmacache_find(task, VirtAddr(addr), hit, in_flux, verdict);
    return verdict.divergent ? -1 : static_cast<int>(verdict.compared);
  }
  void update(u64 addr, u64 start, bool in_flux = false) {
    shadow_.vmacache_update(kTask, VirtAddr(addr), VirtAddr(start), in_flux);
  }
  // Something is unmapped, which raises the mm's number.
  void unmap_second() {
    svma_op op{};
    op.kind = SVMA_CORE_MUNMAP;
    op.map_count_limit = 65530;
    op.args[0] = kBase + 0x2000;
    op.args[1] = kBase + 0x3000;
    live_.vmas.pop_back();
    svma_verdict verdict{};
    shadow_.end(op, &live_, verdict);
    ASSERT_EQ(verdict.divergent, 0u);
  }
  // From here on the shadow knows what the task's cache holds: nothing.
  void come_to_know() {
    EXPECT_EQ(find(kBase, kBase), 0);  // nothing is known yet
    unmap_second();
    EXPECT_EQ(find(kBase, kMiss), 1);
  }

  test::FakeLive live_;
  Shadow shadow_{*find_semantics("5.10"), kDefaultStackGuardGap};
};

TEST_F(Followed, AfterAFlush_HitsAndMissesAreKnown) {
  come_to_know();
  update(kBase, kBase);
  EXPECT_EQ(find(kBase + 0xfff, kBase), 1);
  EXPECT_EQ(find(kBase + 0x1000, kMiss), 1);
}

TEST_F(Followed, WrongAnswer_IsNoticed) {
  come_to_know();
  EXPECT_EQ(find(kBase, kBase), -1);
  update(kBase, kBase);
  EXPECT_EQ(find(kBase, kMiss), -1);
  EXPECT_EQ(find(kBase, kBase + 0x2000), -1);  // a hit, but another VMA
}

// Which of a growing stack and an unmap beside it came first is not seen: hiwater_vm is then a
// fact, once.
TEST_F(Followed, StackGrewBesideAnUnmap_HiwaterIsTakenOnce) {
  live_.totals.hiwater_vm = 99;
  svma_op op{};
  op.kind = SVMA_CORE_STACK_GROWTH;
  op.args[0] = op.args[1] = kBase;
  op.steps = SVMA_STEP_BESIDE_UNMAP | SVMA_STEP_MORE_GREW;
  svma_verdict verdict{};
  shadow_.end(op, &live_, verdict);
  verdict = {};
  shadow_.release(&live_, false, true, verdict);
  EXPECT_EQ(verdict.divergent, 0u);
  EXPECT_EQ(verdict.facts, 1u);
  live_.totals.hiwater_vm = 100;
  verdict = {};
  shadow_.release(&live_, false, true, verdict);
  EXPECT_EQ(verdict.divergent, 1u);
}

TEST_F(Followed, WithoutAFlushOrInFlux_NothingIsSaid) {
  EXPECT_EQ(find(kBase, kMiss), 0);
  update(kBase, kBase);
  EXPECT_EQ(find(kBase, kMiss), 0);
  unmap_second();
  EXPECT_EQ(find(kBase, kMiss), 1);
  EXPECT_EQ(find(kBase, kMiss, /*in_flux=*/true), 0);
  EXPECT_EQ(find(kBase, kBase), 0);  // what was put in meanwhile is not known
}

TEST_F(Followed, TooManyTasks_AForgottenOneIsUnknown) {
  come_to_know();
  for (u32 other = 100; other < 120; ++other) EXPECT_EQ(find(kBase, kBase, false, other), 0);
  EXPECT_EQ(find(kBase, kBase), 0);
}

}  // namespace
}  // namespace svma
