// SPDX-License-Identifier: GPL-2.0-only
#include "vma/tree_shape.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "map_fixture.hpp"

namespace svma {
namespace {

using test::MapFixture;

// From the root down, where add_shape() climbs from each VMA.
void recompute(const AddressSpace& space, const Vma* vma, u32 depth, TreeShape& shape) {
  if (!vma) return;
  ++shape.vmas;
  shape.visited += depth;
  shape.height = std::max(shape.height, depth);
  recompute(space, space.tree().left(vma), depth + 1, shape);
  recompute(space, space.tree().right(vma), depth + 1, shape);
}

class Shape : public MapFixture {
 protected:
  // In pieces of `limit`.
  TreeShape shape(u32 limit) const {
    TreeShape shape;
    VirtAddr from(0);
    while (const Vma* next = add_shape(mm_, from, limit, shape)) from = next->vm_start;
    return shape;
  }

  void expect_as_recomputed() const {
    TreeShape naive;
    recompute(mm_, mm_.tree().root(), 1, naive);
    EXPECT_EQ(naive.vmas, mm_.map_count());
    for (u32 limit : {1u, 3u, 100000u}) {
      const TreeShape told = shape(limit);
      EXPECT_EQ(told.vmas, naive.vmas) << limit;
      EXPECT_EQ(told.height, naive.height) << limit;
      EXPECT_EQ(told.visited, naive.visited) << limit;
    }
    EXPECT_GE(naive.height, std::log2(naive.vmas + 1));
    EXPECT_LE(naive.height, 2 * std::log2(naive.vmas + 1));
  }

  void map(u64 page) {
    stock(1);
    Vma* const vma = reserve_.take();
    vma->vm_start = at(page);
    vma->vm_end = at(page + 1);
    if (!mm_.insert(vma).ok()) reserve_.give_back(vma);
  }

  // What the search for `pages` pages above the first one looks at.
  u32 visited(u64 pages, bool topdown = false) const {
    u32 count = 0;
    UnmappedAreaInfo info;
    info.length = pages * kPageSize;
    info.low_limit = at(0);
    info.high_limit = at(100);
    const VirtAddr without = search(info, topdown);
    info.visited = &count;
    EXPECT_EQ(search(info, topdown), without);
    return count;
  }
  VirtAddr search(const UnmappedAreaInfo& info, bool topdown) const {
    return (topdown ? mm_.unmapped_area_topdown(info) : mm_.unmapped_area(info))
        .value_or(VirtAddr(0));
  }
};

TEST_F(Shape, Empty_IsFlat) {
  const TreeShape told = shape(10);
  EXPECT_EQ(told.vmas, 0u);
  EXPECT_EQ(told.height, 0u);
  EXPECT_EQ(told.visited, 0u);
}

TEST_F(Shape, FourVmas_AsDrawnInTheHeader) {
  draw("A..B.CC...D");
  const TreeShape told = shape(10);
  EXPECT_EQ(told.vmas, 4u);
  EXPECT_EQ(told.height, 3u);
  EXPECT_EQ(told.visited, 8u);
}

TEST_F(Shape, AscendingInserts_AsRecomputed) {
  for (u64 page = 0; page < 1000; ++page) map(2 * page);
  expect_as_recomputed();
}

TEST_F(Shape, RandomInsertsAndUnmaps_AsRecomputed) {
  std::mt19937 random(20240611);
  for (int i = 0; i < 3000; ++i) {
    map(random() % 4000);
    if (i % 3 == 0) {
      stock(AddressSpace::kMunmapReserve);
      const u64 page = random() % 4000;
      ASSERT_TRUE(mm_.do_munmap({at(page), at(page + 3)}, reserve_, 65530).ok());
    }
    if (i % 250 == 0) expect_as_recomputed();
  }
}

/*
 *      B         A..B.CC...D, rb_subtree_gap in pages: B many, A many, C 3, D 3
 *    /   \
 *   A     C      3 pages upwards: B, A (too low), B again (2 only), C (1 only), D
 *          \
 *           D
 */
TEST_F(Shape, Search_CountsEachNodeAsOftenAsItIsComeBy) {
  draw("A..B.CC...D");
  EXPECT_EQ(visited(3), 5u);
}

TEST_F(Shape, SearchThatTheRootRulesOut_LooksAtItAlone) {
  draw("A..B.CC...D");
  UnmappedAreaInfo info;
  u32 count = 0;
  info.length = kBase + 3 * kPageSize;
  info.high_limit = at(100);
  info.visited = &count;
  EXPECT_FALSE(mm_.unmapped_area(info).ok());
  EXPECT_EQ(count, 1u);
}

TEST_F(Shape, SearchDownAboveAll_LooksAtNothing) {
  draw("A..B.CC...D");
  EXPECT_EQ(visited(3, true), 0u);
}

}  // namespace
}  // namespace svma
