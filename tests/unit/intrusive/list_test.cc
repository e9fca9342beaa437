// SPDX-License-Identifier: GPL-2.0-only
#include "intrusive/list.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace svma {
namespace {

struct Item {
  ListNode<Item> links;
};
using Items = List<Item, &Item::links>;

// The elements forwards, after checking that backwards they are the same.
std::vector<Item*> contents(const Items& list) {
  std::vector<Item*> forwards;
  for (Item* item = list.head(); item; item = Items::next(item)) forwards.push_back(item);
  std::vector<Item*> backwards;
  for (Item* item = list.tail(); item; item = Items::prev(item)) backwards.push_back(item);
  std::reverse(backwards.begin(), backwards.end());
  EXPECT_EQ(forwards, backwards);
  return forwards;
}

TEST(List, Fresh_IsEmpty) {
  Items list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.head(), nullptr);
  EXPECT_EQ(list.tail(), nullptr);
}

TEST(List, InsertAfterNull_GoesToTheHead) {
  Items list;
  Item a, b;
  list.insert_after(nullptr, &a);
  list.insert_after(nullptr, &b);
  EXPECT_EQ(contents(list), (std::vector<Item*>{&b, &a}));
}

TEST(List, InsertAfterElement_GoesBehindIt) {
  Items list;
  Item a, b, c;
  list.insert_after(nullptr, &a);
  list.insert_after(&a, &c);
  list.insert_after(&a, &b);
  EXPECT_EQ(contents(list), (std::vector<Item*>{&a, &b, &c}));
  EXPECT_EQ(list.tail(), &c);
}

TEST(List, EraseEachPosition_LeavesTheRestInOrder) {
  for (int erased = 0; erased < 3; ++erased) {
    Items list;
    Item items[3];
    std::vector<Item*> expected;
    for (int i = 2; i >= 0; --i) list.insert_after(nullptr, &items[i]);
    for (int i = 0; i < 3; ++i) {
      if (i != erased) expected.push_back(&items[i]);
    }
    list.erase(&items[erased]);
    EXPECT_EQ(contents(list), expected);
  }
}

TEST(List, RandomOperations_MatchAVector) {
  std::mt19937 random(1);
  Items list;
  std::vector<Item> items(64);
  std::vector<Item*> model;
  std::vector<Item*> unused;
  for (Item& item : items) unused.push_back(&item);
  for (int step = 0; step < 2000; ++step) {
    if (!unused.empty() && random() % 2) {
      const std::size_t at = random() % (model.size() + 1);
      Item* const item = unused.back();
      unused.pop_back();
      list.insert_after(at ? model[at - 1] : nullptr, item);
      model.insert(model.begin() + static_cast<long>(at), item);
    } else if (!model.empty()) {
      const std::size_t at = random() % model.size();
      list.erase(model[at]);
      unused.push_back(model[at]);
      model.erase(model.begin() + static_cast<long>(at));
    }
    ASSERT_EQ(contents(list), model) << "step " << step;
  }
}

}  // namespace
}  // namespace svma
