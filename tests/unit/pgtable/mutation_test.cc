// SPDX-License-Identifier: GPL-2.0-only
//
// Teeth: with each mutation of page tables switched on, the checks of random tables must fail, and
// say what was meant to be found; without, the same steps pass (random_test.cc). In a process of
// its own each, since what else follows from a mutation is anybody's guess.
#include "base/mutation.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "table_world.hpp"

namespace svma::test {
namespace {

struct Case {
  Mutation mutation;
  const char* name;
  const char* caught_as;  // a regular expression
};

#define CASE(name, caught_as) \
  { Mutation::pgtable_##name, #name, caught_as }

const Case kCases[] = {
    CASE(index_off_by_one_bit, "runs: |way to "),
    CASE(nx_ignored, "runs: |way to "),
    CASE(upper_ignored, "runs: "),
    CASE(inversion_forgotten, "runs: |way to "),
    CASE(protnone_empty, "runs: |way to "),
    CASE(huge_pat_in_frame, "runs: |way to "),
    CASE(swap_soft_dirty, "runs: |way to "),
    CASE(migration_as_swap,
         "runs: .*kind (6|10) .*type 2[3-9] |runs: .*type 2[3-9] .*kind (6|10) |way to "),
    CASE(1g_as_2m, "runs: .*shift 21 .* instead of .*shift 30 "),
    CASE(zero_as_anon, "runs: .* instead of .*kind 3 |way to "),
    CASE(hole_too_far, "runs: |sums: |tables met: "),
    CASE(table_twice, "tables met: |sums: number 2[0-4] "),
    CASE(huge_not_clipped, "sums: number "),
    CASE(run_joins_permissions, "runs: .*flags"),
};

#define COUNT(name) +1
static_assert(sizeof(kCases) / sizeof(kCases[0]) == 0 SVMA_PGTABLE_MUTATIONS(COUNT),
              "each mutation has its case");

class PgtableMutation : public testing::TestWithParam<Case> {};

TEST_P(PgtableMutation, Checks_FindIt) {
  const auto mutated_run = [] {
    active_mutation = GetParam().mutation;
    for (u64 seed = 1; seed <= 200; ++seed) {
      std::mt19937_64 random(seed);
      const auto choose = [&](u64 limit) { return random() % limit; };
      TableWorld world(x86::kKernels[seed % 4], 4 + seed / 4 % 2);
      for (int step = 0; step < 20; ++step) {
        world.random_step(choose);
        const std::string wrong = world.check(choose);
        if (wrong.empty()) continue;
        std::fprintf(stderr, "%s\n", wrong.c_str());
        std::abort();
      }
    }
    std::exit(EXIT_SUCCESS);
  };
  EXPECT_DEATH(mutated_run(), GetParam().caught_as);
}

INSTANTIATE_TEST_SUITE_P(All, PgtableMutation, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace svma::test
