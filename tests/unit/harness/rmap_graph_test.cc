// SPDX-License-Identifier: GPL-2.0-only
#include "lib/rmap_graph.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

namespace svma {
namespace {

constexpr uint64_t kMm = 7;
constexpr uint64_t kStart = 0x10000;

// Names 1, 2, 3 of the shadow are 10, 20, 30 of the live side.
class Graph : public testing::Test {
 protected:
  Graph() {
    const auto nobody = [](uint64_t) { return false; };
    for (const uint64_t name : {1, 2, 3}) renaming_.join(name, 10 * name, nobody);
    bear();
  }
  void bear() {
    svma_rmap_event event{};
    event.kind = SVMA_RMAP_BORN;
    event.mm_cookie = kMm;
    graph_.apply(event);
  }
  void insert(uint64_t entry, uint64_t anon_vma, uint64_t start = kStart, uint64_t mm = kMm) {
    svma_rmap_event event{};
    event.kind = SVMA_RMAP_INSERTED;
    event.mm_cookie = mm;
    event.entry = entry;
    event.anon_vma = anon_vma;
    event.start = start;
    event.end = start + 0x1000;
    graph_.apply(event);
  }
  void remove(uint64_t entry) {
    svma_rmap_event event{};
    event.kind = SVMA_RMAP_REMOVED;
    event.entry = entry;
    graph_.apply(event);
  }

  // The shadow has one VMA, with these.
  RmapComparison against(std::initializer_list<uint64_t> names, uint64_t start = kStart) {
    RmapChain chain{.start = start, .end = start + 0x1000, .links = {}};
    for (const uint64_t name : names) chain.links.push_back({.anon_vma = name});
    const RmapComparison result =
        compare_membership(RmapTopology{{chain}}, *graph_.topology(kMm), renaming_);
    EXPECT_EQ(result.compared, result.equal + result.differences.size());
    return result;
  }

  RmapRenaming renaming_;
  RmapGraph graph_;
};

TEST_F(Graph, InsertsInAnyOrder_AreTheSet) {
  insert(100, 10);
  insert(101, 30);
  insert(102, 20);
  EXPECT_EQ(against({3, 2, 1}).equal, 1u);
}

TEST_F(Graph, OneMoreOrOneLess_Differs) {
  insert(100, 10);
  insert(101, 20);
  const RmapComparison result = against({2});
  ASSERT_EQ(result.differences.size(), 1u);
  EXPECT_EQ(result.differences[0].difference.road, "bpf rmap events");
  EXPECT_EQ(result.differences[0].difference.address, kStart);
  EXPECT_EQ(result.differences[0].difference.shadow, "until 11000 linked to 2");
  EXPECT_EQ(result.differences[0].difference.live, "until 11000 linked to 1 2");
  EXPECT_EQ(against({3, 2, 1}).differences.size(), 1u);
}

TEST_F(Graph, UnknownOne_Differs) {
  insert(100, 40);
  EXPECT_EQ(against({1}).differences.size(), 1u);
}

TEST_F(Graph, Removed_IsGone) {
  insert(100, 10);
  insert(101, 20);
  remove(100);
  EXPECT_EQ(against({2}).equal, 1u);
  remove(101);
  const RmapComparison result = against({2});
  ASSERT_EQ(result.differences.size(), 1u);
  EXPECT_EQ(result.differences[0].difference.live, "linked to nothing");
}

TEST_F(Graph, InsertedAnew_IsWhereItIsNow) {
  insert(100, 10);
  remove(100);
  insert(100, 10, 0x20000);
  EXPECT_EQ(against({1}, 0x20000).equal, 1u);
  insert(100, 20, 0x30000);  // its removal was not told
  EXPECT_EQ(against({2}, 0x30000).compared, 1u);
}

TEST_F(Graph, VmaThatTheShadowHasNot_Differs) {
  insert(100, 10);
  const RmapComparison result = against({1}, 0x50000);
  EXPECT_EQ(result.compared, 2u);
  EXPECT_EQ(result.equal, 0u);
}

TEST_F(Graph, OtherMms_AreNotMixedIn) {
  insert(100, 10);
  insert(101, 20, kStart, 8);
  EXPECT_EQ(against({1}).equal, 1u);
  EXPECT_FALSE(graph_.topology(8)) << "not known from its birth on";
}

TEST_F(Graph, Lost_NothingIsKnown) {
  insert(100, 10);
  graph_.lost();
  EXPECT_FALSE(graph_.topology(kMm));
  remove(100);
  bear();
  EXPECT_EQ(graph_.topology(kMm)->chains.size(), 0u);
}

}  // namespace
}  // namespace svma
