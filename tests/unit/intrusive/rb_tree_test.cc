// SPDX-License-Identifier: GPL-2.0-only
#include "intrusive/rb_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "intrusive/rb_check.hpp"

namespace svma {
namespace {

struct Item {
  RbNode rb;
  u32 key = 0;
};

const Item* item_of(const RbNode* node) { return reinterpret_cast<const Item*>(node); }

class Tree {
 public:
  void insert(Item* item) {
    RbPosition position{nullptr, &root_.node};
    while (*position.link) {
      position.parent = *position.link;
      position.link = &position.parent->child[item->key > item_of(position.parent)->key];
    }
    rb_link_node(&item->rb, position);
    rb_insert_rebalance(&root_, &item->rb, RbNoCallbacks());
  }

  void erase(Item* item) { rb_erase(&root_, &item->rb, RbNoCallbacks()); }

  std::vector<u32> keys(RbSide towards) const {
    std::vector<u32> keys;
    for (const RbNode* node = rb_extreme(root_, other_side(towards)); node;
         node = rb_neighbour(node, towards)) {
      keys.push_back(item_of(node)->key);
    }
    return keys;
  }

  // "(3b (1r) (5r))": keys and colours, children in brackets.
  std::string shape() const { return shape(root_.node); }

  const RbRoot& root() const { return root_; }

 private:
  static std::string shape(const RbNode* node) {
    if (!node) return "()";
    std::string text = "(" + std::to_string(item_of(node)->key) + (node->is_red() ? "r" : "b");
    if (node->left() || node->right()) {
      text += " " + shape(node->left()) + " " + shape(node->right());
    }
    return text + ")";
  }

  RbRoot root_;
};

class RbTree : public testing::Test {
 protected:
  static constexpr u32 kItems = 512;

  RbTree() : items_(kItems) {
    for (u32 i = 0; i < kItems; ++i) items_[i].key = i;
  }

  void insert(u32 key) {
    tree_.insert(&items_[key]);
    model_.insert(key);
    check();
  }

  void erase(u32 key) {
    tree_.erase(&items_[key]);
    model_.erase(key);
    check();
  }

  void check() {
    const RbCheckResult result = rb_check(tree_.root());
    ASSERT_EQ(result.defect, RbDefect::kNone) << to_string(result.defect);
    ASSERT_EQ(result.nodes, model_.size());
    const std::vector<u32> expected(model_.begin(), model_.end());
    ASSERT_EQ(tree_.keys(kRbRight), expected);
    std::vector<u32> backwards = tree_.keys(kRbLeft);
    std::reverse(backwards.begin(), backwards.end());
    ASSERT_EQ(backwards, expected);
  }

  std::vector<Item> items_;
  Tree tree_;
  std::set<u32> model_;
};

TEST_F(RbTree, Empty_HasNoFirstAndNoLast) {
  EXPECT_EQ(rb_first(tree_.root()), nullptr);
  EXPECT_EQ(rb_last(tree_.root()), nullptr);
}

TEST_F(RbTree, InsertAscending_StaysBalanced) {
  for (u32 key = 0; key < kItems; ++key) insert(key);
  EXPECT_LE(rb_check(tree_.root()).black_height, 9u);
}

TEST_F(RbTree, InsertDescending_StaysBalanced) {
  for (u32 key = kItems; key-- > 0;) insert(key);
  EXPECT_LE(rb_check(tree_.root()).black_height, 9u);
}

TEST_F(RbTree, RandomOperations_MatchStdSet) {
  for (u32 seed = 1; seed <= 8; ++seed) {
    std::mt19937 random(seed);
    for (int step = 0; step < 1500; ++step) {
      const u32 key = static_cast<u32>(random() % (seed * 60));
      model_.count(key) ? erase(key) : insert(key);
      if (HasFatalFailure()) FAIL() << "seed " << seed << " step " << step;
    }
    while (!model_.empty()) erase(*model_.begin());
  }
}

// Every way to insert and erase five keys: all shapes of small trees, all cases of both
// rebalancings.
TEST_F(RbTree, AllOrdersOfFewKeys_KeepTheInvariants) {
  std::vector<u32> in{0, 1, 2, 3, 4};
  do {
    std::vector<u32> out{0, 1, 2, 3, 4};
    do {
      for (const u32 key : in) insert(key);
      for (const u32 key : out) erase(key);
      ASSERT_FALSE(HasFatalFailure());
    } while (std::next_permutation(out.begin(), out.end()));
  } while (std::next_permutation(in.begin(), in.end()));
}

TEST_F(RbTree, InsertWithRedUncle_Recolours) {
  for (const u32 key : {2u, 1u, 3u}) insert(key);
  EXPECT_EQ(tree_.shape(), "(2b (1r) (3r))");
  insert(4);
  EXPECT_EQ(tree_.shape(), "(2b (1b) (3b () (4r)))");
}

TEST_F(RbTree, InsertOuterAndInner_EndInTheSameShape) {
  for (const u32 key : {3u, 2u, 1u}) insert(key);
  const std::string outer = tree_.shape();
  for (const u32 key : {1u, 2u, 3u}) erase(key);
  for (const u32 key : {3u, 1u, 2u}) insert(key);
  EXPECT_EQ(outer, "(2b (1r) (3r))");
  EXPECT_EQ(tree_.shape(), outer);
}

TEST_F(RbTree, EraseNodeWithTwoChildren_PutsSuccessorThere) {
  for (const u32 key : {4u, 2u, 6u, 1u, 3u, 5u, 7u}) insert(key);
  EXPECT_EQ(tree_.shape(), "(4b (2b (1r) (3r)) (6b (5r) (7r)))");
  erase(4);
  EXPECT_EQ(tree_.shape(), "(5b (2b (1r) (3r)) (6b () (7r)))");
}

// Both nephews red: one rotation, decided by the outer one, leaves the inner one red.
TEST_F(RbTree, EraseWithTwoRedNephews_RotatesOnce) {
  for (const u32 key : {2u, 1u, 4u, 3u, 5u}) insert(key);
  EXPECT_EQ(tree_.shape(), "(2b (1b) (4b (3r) (5r)))");
  erase(1);
  EXPECT_EQ(tree_.shape(), "(4b (2b () (3r)) (5b))");
}

// The shape after a long fixed sequence, as a number. lib/rbtree.c of v6.1, compiled in user space
// and given the same sequence, ends in the same number.
TEST_F(RbTree, LongSequence_EndsInTheShapeOfLinux) {
  u64 digest = 0xcbf29ce484222325;
  u64 lcg = 42;
  const auto mix = [&](u64 value) { digest = (digest ^ value) * 0x100000001b3; };
  for (int step = 0; step < 20000; ++step) {
    lcg = lcg * 6364136223846793005 + 1442695040888963407;
    const u32 key = static_cast<u32>((lcg >> 33) % kItems);
    model_.count(key) ? (tree_.erase(&items_[key]), model_.erase(key))
                      : (tree_.insert(&items_[key]), model_.insert(key).second);
    if (step % 64) continue;
    for (const RbNode* node = rb_first(tree_.root()); node; node = rb_next(node)) {
      mix(item_of(node)->key);
      mix(node->is_red());
      mix(node->parent() ? item_of(node->parent())->key : kItems);
    }
  }
  EXPECT_EQ(digest, 0x6d9f5d6de6b2f358) << std::hex << digest;
}

}  // namespace
}  // namespace svma
