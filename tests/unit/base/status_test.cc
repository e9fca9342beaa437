// SPDX-License-Identifier: GPL-2.0-only
#include "base/status.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

TEST(Status, Default_IsSuccess) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(kOk.err(), 0);
}

TEST(Status, Error_HoldsNegativeErrno) {
  const Status status = Status::error(kENOMEM);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.err(), -12);
}

TEST(Status, FromRaw_TakesWhatAKernelFunctionReturns) {
  EXPECT_TRUE(Status::from_raw(0).ok());
  EXPECT_EQ(Status::from_raw(-22), Status::error(kEINVAL));
}

TEST(Result, Value_IsReadable) {
  const Result<int> result = 7;
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.err(), 0);
  EXPECT_EQ(*result, 7);
  EXPECT_EQ(result.value(), 7);
  EXPECT_EQ(result.value_or(9), 7);
}

TEST(Result, Error_HasNoValue) {
  const Result<int> result = Status::error(kEEXIST);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.err(), -kEEXIST);
  EXPECT_EQ(result.status(), Status::error(kEEXIST));
  EXPECT_EQ(result.value_or(9), 9);
}

static_assert(Result<int>(3).ok(), "usable at compile time");

}  // namespace
}  // namespace svma
