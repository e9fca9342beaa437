// SPDX-License-Identifier: GPL-2.0-only
#include "lib/ddmin.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace svma {
namespace {

Steps all_steps(uint32_t count) {
  Steps steps(count);
  std::iota(steps.begin(), steps.end(), 0);
  return steps;
}

// Fails when all of `needed` are there; checks that it gets ascending steps.
struct Oracle {
  Steps needed;
  size_t calls = 0;

  bool operator()(const Steps& steps) {
    ++calls;
    EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
    return std::includes(steps.begin(), steps.end(), needed.begin(), needed.end());
  }
};

Shrunk shrink(uint32_t count, Oracle& oracle, size_t most_runs = 1000) {
  return ddmin(all_steps(count), std::ref(oracle), most_runs);
}

TEST(Ddmin, OneStepMatters_OneRun) {
  Oracle oracle{{999}};
  const Shrunk shrunk = shrink(1000, oracle);
  EXPECT_EQ(shrunk.steps, Steps{999});
  EXPECT_TRUE(shrunk.minimal);
  EXPECT_EQ(shrunk.runs, 1u);
}

TEST(Ddmin, ThreeStepsFarApart_FoundInFewRuns) {
  Oracle oracle{{0, 500, 1999}};
  const Shrunk shrunk = shrink(2000, oracle);
  EXPECT_EQ(shrunk.steps, oracle.needed);
  EXPECT_TRUE(shrunk.minimal);
  EXPECT_EQ(shrunk.runs, oracle.calls);
  EXPECT_LE(shrunk.runs, 40u);
}

TEST(Ddmin, LastStepDoesNotMatter_IsLeftOut) {
  Oracle oracle{{3, 4}};
  EXPECT_EQ(shrink(100, oracle).steps, oracle.needed);
}

TEST(Ddmin, AllStepsMatter_AllStay) {
  Oracle oracle{all_steps(12)};
  const Shrunk shrunk = shrink(12, oracle);
  EXPECT_EQ(shrunk.steps, oracle.needed);
  EXPECT_TRUE(shrunk.minimal);
}

// Any two of the even steps: not monotone in the way bisection likes it.
TEST(Ddmin, EitherOfManyPairs_EndsWithOnePair) {
  auto fails = [](const Steps& steps) {
    return std::count_if(steps.begin(), steps.end(), [](uint32_t s) { return s % 2 == 0; }) == 2 ||
           steps.size() == 64;
  };
  const Shrunk shrunk = ddmin(all_steps(64), fails, 1000);
  EXPECT_TRUE(fails(shrunk.steps));
  EXPECT_EQ(shrunk.steps.size(), 2u);
}

TEST(Ddmin, RunsUsedUp_StillFailsAndSaysSo) {
  Oracle oracle{{0, 500, 1999}};
  const Shrunk shrunk = shrink(2000, oracle, 5);
  EXPECT_FALSE(shrunk.minimal);
  EXPECT_EQ(shrunk.runs, 5u);
  EXPECT_TRUE(oracle(shrunk.steps));
}

TEST(StepsText, Runs_AreWrittenAsRanges) {
  EXPECT_EQ(steps_text({}), "");
  EXPECT_EQ(steps_text({3, 7, 10, 11, 12, 20}), "3,7,10-12,20");
  EXPECT_EQ(steps_text({0, 1}), "0-1");
}

}  // namespace
}  // namespace svma
