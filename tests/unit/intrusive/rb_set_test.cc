// SPDX-License-Identifier: GPL-2.0-only
#include "intrusive/rb_set.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "base/memory.hpp"
#include "intrusive/rb_check.hpp"

namespace svma {
namespace {

struct Item {
  RbNode rb;
  u32 key = 0;
  u64 weight = 0;
  u64 sum = 0;  // of the weights in the subtree
};

struct Hook {
  static RbNode* node(Item* item) { return &item->rb; }
  static Item* element(RbNode* node) { return SVMA_CONTAINER_OF(node, Item, rb); }
};

// Unlike a maximum, a sum changes all the way to the root: no stale value can hide.
struct SumAugment {
  static u64 sum_of(const RbNode* node) {
    return node ? Hook::element(const_cast<RbNode*>(node))->sum : 0;
  }
  static u64 compute(const Item* item) {
    return item->weight + sum_of(item->rb.left()) + sum_of(item->rb.right());
  }
  bool recompute(Item* item) const {
    const u64 sum = compute(item);
    const bool changed = sum != item->sum;
    item->sum = sum;
    return changed;
  }
  void copy(Item* from, Item* to) const { to->sum = from->sum; }
  bool check(const Item* item) const { return item->sum == compute(item); }
};

using Plain = RbSet<Item, Hook>;
using Summed = RbSet<Item, Hook, SumAugment>;

static_assert(sizeof(Plain) == sizeof(RbRoot), "no augmentation, no space");
static_assert(Augment<SumAugment, Item>);
static_assert(!Augment<int, Item>);

template <class Set>
void insert(Set& set, Item* item) {
  set.insert(item, set.find_position([&](const Item& other) { return other.key < item->key; }));
}

TEST(RbSet, FindFirst_IsTheLowerBound) {
  Plain set;
  std::vector<Item> items(5);
  for (u32 i = 0; i < 5; ++i) {
    items[i].key = 10 * (i + 1);
    insert(set, &items[i]);
  }
  const auto at_least = [&](u32 key) {
    return set.find_first([&](const Item& item) { return item.key >= key; });
  };
  EXPECT_EQ(at_least(0), &items[0]);
  EXPECT_EQ(at_least(20), &items[1]);
  EXPECT_EQ(at_least(21), &items[2]);
  EXPECT_EQ(at_least(51), nullptr);
}

TEST(RbSet, Neighbours_AreInOrder) {
  Plain set;
  std::vector<Item> items(3);
  for (u32 i = 0; i < 3; ++i) {
    items[i].key = i;
    insert(set, &items[i]);
  }
  EXPECT_EQ(set.first(), &items[0]);
  EXPECT_EQ(set.last(), &items[2]);
  EXPECT_EQ(set.root(), &items[1]);
  EXPECT_EQ(Plain::next(&items[0]), &items[1]);
  EXPECT_EQ(Plain::prev(&items[2]), &items[1]);
  EXPECT_EQ(Plain::next(&items[2]), nullptr);
  EXPECT_EQ(Plain::parent(&items[2]), &items[1]);
  EXPECT_EQ(Plain::left(&items[1]), &items[0]);
  EXPECT_EQ(Plain::right(&items[1]), &items[2]);
  EXPECT_TRUE(Plain::is_red(&items[0]));
}

TEST(RbSet, Reset_Forgets) {
  Plain set;
  Item item;
  insert(set, &item);
  EXPECT_FALSE(set.empty());
  set.reset();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.first(), nullptr);
}

TEST(RbSet, RandomOperations_KeepTheAugmentationExact) {
  std::mt19937 random(7);
  Summed set;
  std::vector<Item> items(200);
  std::map<u32, Item*> model;
  for (int step = 0; step < 6000; ++step) {
    const u32 key = static_cast<u32>(random() % items.size());
    Item* const item = &items[key];
    if (!model.count(key)) {
      item->key = key;
      item->weight = random() % 100;
      insert(set, item);
      model[key] = item;
    } else if (random() % 3 == 0) {
      item->weight = random() % 100;
      set.propagate(item);
    } else {
      set.erase(item);
      model.erase(key);
    }
    ASSERT_EQ(rb_check(set.rb_root()).defect, RbDefect::kNone) << "step " << step;
    auto expected = model.begin();
    for (const Item* x = set.first(); x; x = Summed::next(x), ++expected) {
      ASSERT_EQ(x, expected->second) << "step " << step;
      ASSERT_TRUE(set.augment().check(x)) << "step " << step;
    }
    ASSERT_EQ(expected, model.end()) << "step " << step;
  }
}

}  // namespace
}  // namespace svma
