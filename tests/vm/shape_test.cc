// SPDX-License-Identifier: GPL-2.0-only
//
// The shape of both trees, against what is known of each: the snapshot of the shadow's, the rules
// of the kernel's.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "tracee.hpp"

namespace guest {
namespace {

// Words: first page, number. Every other one is read-only, every fourth is followed by a hole.
int64_t MapMany(Words words) {
  uint64_t page = words[0];
  for (uint64_t i = 0; i < words[1]; i++) {
    char* const at = reinterpret_cast<char*>(kArena + page * kPage);
    if (mmap(at, kPage, i % 2 ? PROT_READ : PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at)
      return 1;
    page += i % 4 == 3 ? 2 : 1;
  }
  return 0;
}

// Maps and unmaps until it is killed.
int64_t NeverRest(Words) {
  for (uint64_t i = 0;; i++) {
    uint64_t words[] = {3000 * (i % 50), 40};
    munmap(reinterpret_cast<char*>(kArena + 3000 * ((i + 25) % 50) * kPage), 100 * kPage);
    MapMany(words);
  }
}

class Shape : public Tracee {
 protected:
  svma_shape Ask(uint64_t length = 0) {
    auto shape = Argument<svma_shape>();
    shape.mm_id = id_;
    shape.length = length;
    EXPECT_EQ(device_.AskUntilFree(SVMA_IOC_SHAPE, &shape, EBUSY), 0);
    return shape;
  }

  // RETURNS: all 0 when it moved each time.
  svma_shape AskMoving() {
    auto shape = Argument<svma_shape>();
    shape.mm_id = id_;
    const int error = device_.AskUntilFree(SVMA_IOC_SHAPE, &shape, EBUSY);
    if (error == EAGAIN) return {};
    EXPECT_EQ(error, 0);
    EXPECT_EQ(shape.health, static_cast<uint32_t>(SVMA_CLEAN));
    EXPECT_EQ(shape.shadow.vmas, shape.map_count);
    ExpectLive(shape);
    return shape;
  }

  static void ExpectMaple(const svma_tree_shape& tree) {
    ASSERT_EQ(tree.kind, static_cast<uint32_t>(SVMA_TREE_MAPLE));
    ASSERT_EQ(tree.levels, tree.height);
    ASSERT_GE(tree.levels, 1u);
    EXPECT_EQ(tree.level[0].nodes, 1u);
    uint64_t nodes = 0;
    for (uint32_t i = 0; i < tree.levels; i++) {
      const svma_tree_level& level = tree.level[i];
      const bool leaf = i + 1 == tree.levels;
      nodes += level.nodes;
      EXPECT_EQ(level.slots, level.nodes * (leaf ? 16 : 10)) << i;
      EXPECT_LE(level.used, level.slots) << i;
      // What lib/maple_tree.c calls mt_min_slots: 6 of a leaf, 4 of a node with gaps.
      if (i) {
        EXPECT_GE(level.used, level.nodes * (leaf ? 6 : 4)) << i;
      }
      if (!leaf) {
        EXPECT_EQ(level.empty, 0u) << i;
        EXPECT_EQ(level.used, tree.level[i + 1].nodes) << i;
      }
    }
    const svma_tree_level& leaves = tree.level[tree.levels - 1];
    EXPECT_EQ(leaves.used - leaves.empty, tree.vmas);
    EXPECT_EQ(tree.bytes, nodes * 256);
    EXPECT_EQ(tree.visited, uint64_t{tree.vmas} * tree.height);
    EXPECT_GE(tree.height, std::ceil(std::log(leaves.used / 16.0) / std::log(10.0) + 1 - 1e-9));
    EXPECT_LE(tree.height, std::log(leaves.used / 6.0) / std::log(4.0) + 2);
  }

  void ExpectLive(const svma_shape& shape) {
    EXPECT_EQ(shape.live.truncated, 0u);
    EXPECT_EQ(shape.live.vmas, shape.map_count);
    auto structure = Argument<svma_structure>();
    ASSERT_EQ(device_.Ask(SVMA_IOC_STRUCTURE, &structure), 0);
    if (structure.has_tree)
      EXPECT_EQ(memcmp(&shape.live, &shape.shadow, sizeof(shape.live)), 0);
    else
      ExpectMaple(shape.live);
  }

  // At rest.
  void ExpectRight() {
    const svma_shape shape = Ask();
    EXPECT_EQ(shape.health, static_cast<uint32_t>(SVMA_CLEAN));
    const auto vmas = device_.Snapshot(id_);
    uint64_t visited = 0;
    uint32_t height = 0;
    for (const svma_vma& vma : vmas) {
      visited += vma.depth + 1;
      height = std::max(height, vma.depth + 1);
    }
    EXPECT_EQ(vmas.size(), ProcMaps(puppet_.pid()).size());
    EXPECT_EQ(shape.map_count, vmas.size());
    EXPECT_EQ(shape.shadow.kind, static_cast<uint32_t>(SVMA_TREE_RED_BLACK));
    EXPECT_EQ(shape.shadow.vmas, vmas.size());
    EXPECT_EQ(shape.shadow.visited, visited);
    EXPECT_EQ(shape.shadow.height, height);
    EXPECT_EQ(shape.shadow.bytes, vmas.size() * 48);
    EXPECT_GE(height, std::log2(vmas.size() + 1));
    EXPECT_LE(height, 2 * std::log2(vmas.size() + 1));
    ExpectLive(shape);
  }
};

TEST_F(Shape, FewVmas_BothTreesAsTheyAre) { ExpectRight(); }

TEST_F(Shape, AThousandVmas_BothTreesAsTheyAre) {
  Run("a thousand", MapMany, {0, 1000});
  EXPECT_GT(Ask().map_count, 1000u);
  ExpectRight();
  // Nodes that have lost some of their VMAs.
  for (uint64_t page = 0; page < 1000; page += 50) Unmap(page, 30);
  ExpectRight();
}

// 1024 VMAs are looked at under the shadow's lock in one go.
TEST_F(Shape, MoreThanOneGo_BothTreesAsTheyAre) {
  Run("five thousand", MapMany, {0, 5000});
  ExpectRight();
}

// Each answer is of one moment, wherever that is.
TEST_F(Shape, WhileItMoves_BothTreesHaveTheSameVmas) {
  Run("some", MapMany, {300000, 500});
  const uint64_t first = Ask().seq;
  puppet_.Send(NeverRest);
  ASSERT_TRUE(WaitFor([&] {
    const svma_shape shape = AskMoving();
    return shape.size != 0 && shape.seq != first;
  }));
  int moments = 0, asked = 0;
  for (uint64_t before = 0; moments < 200;) {
    ASSERT_LT(asked++, 100000);
    const svma_shape shape = AskMoving();
    ASSERT_FALSE(HasFailure());
    if (shape.size == 0) continue;
    moments += shape.seq != before;
    before = shape.seq;
  }
  puppet_.Kill();
}

// They take several holds of the lock, between which it moves.
TEST_F(Shape, WhileManyMove_NoAnswerOrOneOfAMoment) {
  const uint64_t many = VmasToMake(20'000);
  Run("many", MapMany, {300000, many});
  const uint64_t first = Ask().seq;
  puppet_.Send(NeverRest);
  ASSERT_TRUE(WaitFor([&] {
    svma_mm mm{};
    return device_.Mm(0, id_, &mm) == 0 && mm.seq > first + 100;
  }));
  for (int asked = 0; asked < 10 && !HasFailure(); asked++) AskMoving();
  // However often it moved, at rest there is an answer.
  kill(puppet_.pid(), SIGSTOP);
  EXPECT_TRUE(WaitFor([&] { return HasFailure() || AskMoving().size != 0; }));
  puppet_.Kill();
}

TEST_F(Shape, Search_FindsWhatGapFinds) {
  Run("a thousand", MapMany, {0, 1000});
  auto limits = Argument<svma_limits>();
  limits.mm_id = id_;
  ASSERT_EQ(device_.Ask(SVMA_IOC_LIMITS, &limits), 0);
  for (uint64_t length : {kPage, 16 * kPage, kPage << 18}) {
    auto gap = Argument<svma_gap>();
    gap.mm_id = id_;
    gap.flags = limits.topdown ? SVMA_GAP_TOPDOWN : 0;
    gap.length = length;
    gap.low_limit = limits.low_limit;
    gap.high_limit = limits.high_limit;
    ASSERT_EQ(device_.Ask(SVMA_IOC_GAP, &gap), 0);
    const svma_shape shape = Ask(length);
    EXPECT_EQ(shape.found, gap.result) << length;
    EXPECT_GE(shape.search_visited, 1u) << length;
    EXPECT_LE(shape.search_visited, 2 * shape.shadow.vmas) << length;
  }
  EXPECT_EQ(Ask().search_visited, 0u);
}

TEST_F(Shape, BadArguments_AreRefused) {
  auto shape = Argument<svma_shape>();
  shape.mm_id = id_;
  shape.flags = 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHAPE, &shape), EINVAL);
  shape.flags = 0;
  shape.length = kPage + 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHAPE, &shape), EINVAL);
  shape.length = ~uint64_t{0} << 12;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHAPE, &shape), EINVAL);
  shape.length = 0;
  shape.mm_id = id_ + 1000;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHAPE, &shape), ENOENT);
}

}  // namespace
}  // namespace guest
