// SPDX-License-Identifier: GPL-2.0-only
//
// Random tables, also garbage: runs, sums and ways are those of the naive model, whatever the
// budget of each part.
#include <gtest/gtest.h>

#include <random>

#include "table_world.hpp"

namespace svma::test {
namespace {

using Param = std::tuple<unsigned, unsigned>;  // kernel, levels

class RandomTables : public testing::TestWithParam<Param> {};

TEST_P(RandomTables, AreAsTheNaiveModelSaysThem) {
  bool met[SVMA_CORE_ENTRY_BAD + 1][3] = {};
  for (u64 seed = 1; seed <= 400; ++seed) {
    std::mt19937_64 random(seed);
    const auto choose = [&](u64 limit) { return random() % limit; };
    TableWorld world(x86::kKernels[std::get<0>(GetParam())], std::get<1>(GetParam()));
    for (int step = 0; step < 20; ++step) {
      world.random_step(choose);
      if (step % 2) continue;
      ASSERT_EQ(world.check(choose), "") << "seed " << seed << " step " << step;
    }
    ASSERT_GE(world.comparisons(), 20u);
    for (u32 kind = 0; kind <= SVMA_CORE_ENTRY_BAD; ++kind) {
      for (unsigned level = 0; level < 3; ++level)
        met[kind][level] |= world.met(kind, 12 + 9 * level);
    }
  }
  // Else it was no test of them.
  const bool markers = std::get<0>(GetParam()) != 0;
  for (u32 kind = SVMA_CORE_ENTRY_PAGE; kind <= SVMA_CORE_ENTRY_BAD; ++kind) {
    for (unsigned level = 0; level < 3; ++level) {
      const bool never = (kind == SVMA_CORE_ENTRY_SWAP && level > 0) ||
                         (kind == SVMA_CORE_ENTRY_ZERO && level == 2) ||
                         (kind == SVMA_CORE_ENTRY_MARKER && !markers);
      EXPECT_EQ(met[kind][level], !never) << "kind " << kind << " level " << level + 1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, RandomTables,
                         testing::Combine(testing::Range(0u, 4u), testing::Values(4u, 5u)));

}  // namespace
}  // namespace svma::test
