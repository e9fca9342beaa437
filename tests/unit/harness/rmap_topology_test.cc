// SPDX-License-Identifier: GPL-2.0-only
#include "lib/rmap_topology.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <set>

namespace svma {
namespace {

constexpr uint64_t kStart = 0x10000;

// The first name is the VMA's own, the last one everybody's root and parent.
RmapChain chain(uint64_t start, std::initializer_list<uint64_t> names) {
  RmapChain chain{.start = start, .end = start + 0x1000, .links = {}};
  const uint64_t root = *(names.end() - 1);
  for (const uint64_t name : names)
    chain.links.push_back({.anon_vma = name,
                           .root = root,
                           .parent = root,
                           .own = name == *names.begin(),
                           .refcount = 1,
                           .children = 1,
                           .active_vmas = 1});
  return chain;
}

class Topologies : public testing::Test {
 protected:
  RmapComparison compare(RmapTopology shadow, RmapTopology live) {
    const RmapComparison result = compare_topologies(
        shadow, live, renaming_, [this](uint64_t name) { return alive_.contains(name); });
    EXPECT_EQ(result.compared, result.equal + result.differences.size());
    return result;
  }
  RmapComparison compare(const RmapChain& shadow, const RmapChain& live) {
    return compare(RmapTopology{{shadow}}, RmapTopology{{live}});
  }
  // The field of the only difference, of the VMA at kStart.
  std::string differing(const RmapChain& shadow, const RmapChain& live) {
    const RmapComparison result = compare(shadow, live);
    if (result.differences.size() != 1) return "";
    EXPECT_EQ(result.differences[0].difference.address, kStart);
    counted_ = result.differences[0].counted;
    shadow_ = result.differences[0].difference.shadow;
    live_ = result.differences[0].difference.live;
    return result.differences[0].difference.field;
  }

  RmapRenaming renaming_;
  std::set<uint64_t> alive_{1, 2, 3, 4, 5, 6, 7, 8, 9};
  bool counted_ = false;
  std::string shadow_, live_;
};

TEST_F(Topologies, OtherNames_AreEqual) {
  const RmapComparison result =
      compare(RmapTopology{{chain(kStart, {3, 2, 1}), chain(0x20000, {2, 1})}},
              RmapTopology{{chain(kStart, {900, 77, 500}), chain(0x20000, {77, 500})}});
  EXPECT_EQ(result.compared, 2u);
  EXPECT_EQ(result.equal, 2u);
}

TEST_F(Topologies, NothingOnBothSides_ComparesNothing) {
  EXPECT_EQ(compare(RmapTopology{}, RmapTopology{}).compared, 0u);
}

TEST_F(Topologies, OtherOrder_Differs) {
  ASSERT_EQ(compare(chain(0x20000, {3, 2, 1}), chain(0x20000, {30, 20, 10})).equal, 1u);
  EXPECT_EQ(differing(chain(kStart, {3, 2, 1}), chain(kStart, {30, 10, 20})), "anon_vma_chain");
  EXPECT_EQ(shadow_, "position 1: 2, chain 3* 2 1");
  EXPECT_EQ(live_, "position 1: 1, chain 3* 1 2");
  EXPECT_FALSE(counted_);
}

// Nothing is known of either, so it is told by what hangs on them.
TEST_F(Topologies, OtherOrderOfUnknownOnes_DiffersByRoot) {
  RmapChain live = chain(kStart, {20, 10});
  live.links[0].root = live.links[1].root = 20;
  EXPECT_EQ(differing(chain(kStart, {2, 1}), live), "anon_vma.root");
}

TEST_F(Topologies, OneMissing_DiffersAtTheEnd) {
  EXPECT_EQ(differing(chain(kStart, {3, 1}), chain(kStart, {30, 20, 10})), "anon_vma_chain");
  EXPECT_EQ(differing(chain(kStart, {3, 2, 1}), chain(kStart, {30, 20})), "anon_vma_chain");
  EXPECT_EQ(shadow_, "position 2: 1, chain 3* 2 1");
  EXPECT_EQ(live_, "position 2: nothing, chain 3* 2");
}

TEST_F(Topologies, NoChainOnOneSide_Differs) {
  EXPECT_EQ(compare(RmapTopology{{chain(kStart, {1})}}, RmapTopology{}).differences.size(), 1u);
  const RmapComparison result = compare(RmapTopology{{chain(0x20000, {1})}},
                                        RmapTopology{{chain(kStart, {10}), chain(0x20000, {20})}});
  EXPECT_EQ(result.compared, 2u);
  ASSERT_EQ(result.differences.size(), 1u);
  EXPECT_EQ(result.differences[0].difference.address, kStart);
  EXPECT_EQ(result.differences[0].difference.shadow, "no chain");
}

// Either side has two where the other has one.
TEST_F(Topologies, TwoMergedIntoOne_Differs) {
  EXPECT_EQ(compare(RmapTopology{{chain(kStart, {1}), chain(0x20000, {2})}},
                    RmapTopology{{chain(kStart, {10}), chain(0x20000, {10})}})
                .differences.size(),
            1u);
  EXPECT_EQ(compare(RmapTopology{{chain(kStart, {3}), chain(0x20000, {3})}},
                    RmapTopology{{chain(kStart, {30}), chain(0x20000, {31})}})
                .differences.size(),
            1u);
}

TEST_F(Topologies, OtherOneLater_Differs) {
  ASSERT_EQ(compare(chain(kStart, {2, 1}), chain(kStart, {20, 10})).equal, 1u);
  EXPECT_EQ(differing(chain(kStart, {2, 1}), chain(kStart, {21, 10})), "anon_vma_chain");
  EXPECT_EQ(live_, "position 0: new, chain new* 1");
  EXPECT_EQ(compare(chain(kStart, {2, 1}), chain(kStart, {20, 10})).equal, 1u);
}

TEST_F(Topologies, MemoryUsedAgain_IsNoDifference) {
  ASSERT_EQ(compare(chain(kStart, {2, 1}), chain(kStart, {20, 10})).equal, 1u);
  EXPECT_EQ(differing(chain(kStart, {3, 1}), chain(kStart, {20, 10})), "anon_vma_chain");
  alive_.erase(2);
  EXPECT_EQ(compare(chain(kStart, {3, 1}), chain(kStart, {20, 10})).equal, 1u);
  EXPECT_EQ(renaming_.shadow_of(20), 3u);
}

// A VMA that differs must not make those after it differ.
TEST_F(Topologies, ChainThatDiffers_JoinsNothing) {
  RmapChain wrong = chain(kStart, {2, 1});
  wrong.links[1].own = true;
  EXPECT_EQ(differing(wrong, chain(kStart, {10, 20})), "anon_vma");
  EXPECT_EQ(renaming_.size(), 0u);
  EXPECT_EQ(compare(chain(kStart, {2, 1}), chain(kStart, {20, 10})).equal, 1u);
}

TEST_F(Topologies, OtherParent_Differs) {
  RmapChain live = chain(kStart, {30, 20, 10});
  live.links[0].parent = 20;
  EXPECT_EQ(differing(chain(kStart, {3, 2, 1}), live), "anon_vma.parent");
}

TEST_F(Topologies, OtherEnd_Differs) {
  RmapChain live = chain(kStart, {10});
  live.end += 0x1000;
  EXPECT_EQ(differing(chain(kStart, {1}), live), "layout");
}

TEST_F(Topologies, OtherCounts_DifferUnlessAbroad) {
  RmapChain shadow = chain(kStart, {2, 1});
  RmapChain live = chain(kStart, {20, 10});
  live.links[1].children = 2;
  EXPECT_EQ(differing(shadow, live), "num_children");
  EXPECT_TRUE(counted_);
  EXPECT_EQ(shadow_, "position 1: 1 has 1, chain 2* 1");
  EXPECT_EQ(live_, "position 1: 1 has 2, chain 2* 1");
  live.links[0].active_vmas = 0;
  EXPECT_EQ(differing(shadow, live), "num_active_vmas");
  shadow.links[0].abroad = shadow.links[1].abroad = true;
  EXPECT_EQ(compare(shadow, live).equal, 1u);
}

TEST_F(Topologies, LiveRefcount_MayBeHigherOnly) {
  RmapChain live = chain(kStart, {10});
  live.links[0].refcount = 5;
  EXPECT_EQ(compare(chain(kStart, {1}), live).equal, 1u);
  live.links[0].refcount = 0;
  EXPECT_EQ(differing(chain(kStart, {1}), live), "refcount");
}

TEST_F(Topologies, OneCounter_IsTheSumOfBoth) {
  RmapChain live = chain(kStart, {10});
  live.links[0].children = 2;
  live.links[0].active_vmas = 0;
  EXPECT_EQ(compare(RmapTopology{{chain(kStart, {1})}}, RmapTopology{{live}, true}).equal, 1u);
  live.links[0].children = 1;
  const RmapComparison result =
      compare(RmapTopology{{chain(kStart, {1})}}, RmapTopology{{live}, true});
  ASSERT_EQ(result.differences.size(), 1u);
  EXPECT_EQ(result.differences[0].difference.field, "degree");
}

TEST_F(Topologies, CutChain_ComparesItsBeginning) {
  RmapChain live = chain(kStart, {30, 20, 10});
  live.cut = true;
  live.links.pop_back();
  const RmapComparison result = compare(chain(kStart, {3, 2, 1}), live);
  EXPECT_EQ(result.equal, 1u);
  EXPECT_EQ(result.cut, 1u);
  EXPECT_EQ(differing(chain(kStart, {3}), live), "anon_vma_chain");
}

TEST_F(Topologies, Retain_ForgetsTheOthers) {
  ASSERT_EQ(compare(chain(kStart, {2, 1}), chain(kStart, {20, 10})).equal, 1u);
  renaming_.retain({1});
  EXPECT_EQ(renaming_.size(), 1u);
  EXPECT_EQ(renaming_.shadow_of(20), 0u);
  EXPECT_EQ(renaming_.shadow_of(10), 1u);
}

TEST(ToTopology, LinksOfOneVma_BecomeOneChain) {
  const svma_chain_link links[] = {
      {.start = 4096,
       .end = 8192,
       .anon_vma = 2,
       .root = 1,
       .parent = 1,
       .bits = SVMA_LINK_OWN,
       .refcount = 1,
       .children = 0,
       .active_vmas = 3},
      {.start = 4096,
       .end = 8192,
       .anon_vma = 1,
       .root = 1,
       .parent = 1,
       .bits = SVMA_LINK_ABROAD,
       .refcount = 2,
       .children = 2,
       .active_vmas = 0},
      {.start = 8192,
       .end = 12288,
       .anon_vma = 1,
       .root = 1,
       .parent = 1,
       .bits = SVMA_LINK_OWN,
       .refcount = 2,
       .children = 2,
       .active_vmas = 0},
  };
  const RmapTopology topology = to_topology(links);
  ASSERT_EQ(topology.chains.size(), 2u);
  ASSERT_EQ(topology.chains[0].links.size(), 2u);
  EXPECT_TRUE(topology.chains[0].links[0].own);
  EXPECT_FALSE(topology.chains[0].links[0].abroad);
  EXPECT_TRUE(topology.chains[0].links[1].abroad);
  EXPECT_EQ(topology.chains[0].links[0].active_vmas, 3u);
  EXPECT_EQ(topology.chains[1].start, 8192u);
  EXPECT_EQ(topology.chains[1].end, 12288u);
}

}  // namespace
}  // namespace svma
