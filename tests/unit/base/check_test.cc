// SPDX-License-Identifier: GPL-2.0-only
#include "base/check.hpp"

#include <gtest/gtest.h>

namespace {

TEST(CheckDeathTest, FalseCondition_ReportsItsText) {
  EXPECT_DEATH(SVMA_CHECK(1 + 1 == 3), "check failed: 1 \\+ 1 == 3");
}

TEST(CheckDeathTest, DcheckInTests_IsEvaluated) {
  EXPECT_DEATH(SVMA_DCHECK(false), "check failed: false");
}

TEST(Check, TrueCondition_IsEvaluatedOnce) {
  int evaluations = 0;
  SVMA_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

}  // namespace
