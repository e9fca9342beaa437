// SPDX-License-Identifier: GPL-2.0-only
#include "base/select.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

TEST(SelectAbove, UnsignedComparison_PicksOneOfTheTwo) {
  int a = 0;
  int b = 0;
  EXPECT_EQ(select_above(2, 1, &a, &b), &a);
  EXPECT_EQ(select_above(1, 1, &a, &b), &b);
  EXPECT_EQ(select_above(0, 1, &a, &b), &b);
  EXPECT_EQ(select_above(~u64{0}, 1, &a, &b), &a) << "not signed";
}

TEST(SelectAbove, Null_IsAPointerLikeOthers) {
  int a = 0;
  int* const none = nullptr;
  EXPECT_EQ(select_above(2, 1, none, &a), nullptr);
  EXPECT_EQ(select_above(1, 2, &a, none), nullptr);
}

}  // namespace
}  // namespace svma
