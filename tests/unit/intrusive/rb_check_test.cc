// SPDX-License-Identifier: GPL-2.0-only
#include "intrusive/rb_check.hpp"

#include <gtest/gtest.h>

#include <array>

namespace svma {
namespace {

// The tree (3b (1r (0b) (2b)) (5b () (6r))), of which each test damages something.
class RbCheck : public testing::Test {
 protected:
  RbCheck() {
    root_.node = &nodes_[3];
    nodes_[3].set_black();
    hang(3, kRbLeft, 1, RbColor::kRed);
    hang(1, kRbLeft, 0, RbColor::kBlack);
    hang(1, kRbRight, 2, RbColor::kBlack);
    hang(3, kRbRight, 5, RbColor::kBlack);
    hang(5, kRbRight, 6, RbColor::kRed);
  }

  void hang(int parent, RbSide side, int child, RbColor color) {
    nodes_[parent].child[side] = &nodes_[child];
    nodes_[child].set_parent(&nodes_[parent]);
    nodes_[child].set_color(color);
  }

  void expect(RbDefect defect, int at) {
    const RbCheckResult result = rb_check(root_);
    EXPECT_EQ(result.defect, defect) << to_string(result.defect);
    EXPECT_EQ(result.node, &nodes_[at]);
  }

  std::array<RbNode, 8> nodes_;
  RbRoot root_;
};

TEST_F(RbCheck, SoundTree_IsCountedAndMeasured) {
  const RbCheckResult result = rb_check(root_);
  EXPECT_EQ(result.defect, RbDefect::kNone);
  EXPECT_EQ(result.nodes, 6u);
  EXPECT_EQ(result.black_height, 2u);
}

TEST_F(RbCheck, EmptyTree_IsSound) {
  root_.node = nullptr;
  EXPECT_EQ(rb_check(root_).defect, RbDefect::kNone);
  EXPECT_EQ(rb_check(root_).nodes, 0u);
}

TEST_F(RbCheck, RedRoot_IsFound) {
  nodes_[3].set_red();
  expect(RbDefect::kRootRed, 3);
}

TEST_F(RbCheck, RootWithParent_IsFound) {
  nodes_[3].set_parent(&nodes_[7]);
  expect(RbDefect::kRootHasParent, 3);
}

TEST_F(RbCheck, RedUnderRed_IsFound) {
  nodes_[0].set_red();
  expect(RbDefect::kRedRed, 0);
}

TEST_F(RbCheck, UnequalBlackHeight_IsFound) {
  nodes_[6].set_black();
  expect(RbDefect::kBlackHeight, 6);
}

TEST_F(RbCheck, MissingSubtree_IsFoundAsBlackHeight) {
  nodes_[1].child[kRbRight] = nullptr;
  expect(RbDefect::kBlackHeight, 0);  // the first path that differs from the shortened one
}

TEST_F(RbCheck, ChildOfSomebodyElse_IsFound) {
  nodes_[5].child[kRbLeft] = &nodes_[2];
  expect(RbDefect::kWrongParent, 2);
}

TEST_F(RbCheck, SameChildTwice_IsFound) {
  nodes_[1].child[kRbRight] = &nodes_[0];
  expect(RbDefect::kWrongParent, 0);
}

TEST_F(RbCheck, CycleThroughAnAncestor_Ends) {
  nodes_[6].child[kRbRight] = &nodes_[5];
  expect(RbDefect::kWrongParent, 5);
  nodes_[6].child[kRbRight] = &nodes_[3];
  expect(RbDefect::kWrongParent, 3);
}

TEST(RbDefect, EachOne_HasAName) {
  for (int i = 0; i <= static_cast<int>(RbDefect::kBlackHeight); ++i) {
    EXPECT_STRNE(to_string(static_cast<RbDefect>(i)), "?");
  }
}

}  // namespace
}  // namespace svma
