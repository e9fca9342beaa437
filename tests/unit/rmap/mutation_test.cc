// SPDX-License-Identifier: GPL-2.0-only
//
// Teeth: with each mutation of reverse mapping switched on, the checks must fail, and say what was
// meant to be found; without, the same steps pass. In a process of its own each, since what else
// follows from a mutation is anybody's guess.
#include "base/mutation.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "os_services.hpp"
#include "rmap_world.hpp"

namespace svma::test {
namespace {

constexpr int kSteps = 600;

// Random steps, in each third of which an allocation fails.
// RETURNS: what the checks said first, or "".
std::string run(RmapWorld& world, u64 seed) {
  std::mt19937_64 random(seed);
  for (int step = 0; step < kSteps; ++step) {
    fail_allocation(step % 3 == 0 ? 1 + random() % 4 : 0);
    world.random_step([&](u64 limit) { return random() % limit; });
    fail_allocation(0);
    const std::string wrong = world.check();
    if (!wrong.empty()) return wrong;
  }
  return "";
}

struct Case {
  Mutation mutation;
  const char* name;
  const char* caught_as;  // a regular expression
};

#define CASE(name, caught_as) \
  { Mutation::rmap_##name, #name, caught_as }

const Case kCases[] = {
    // By the verifier.
    CASE(clone_misses_root, "verify: parent_not_in_chain"),
    CASE(clone_not_active, "verify: num_active_vmas"),
    CASE(child_not_counted, "verify: num_children"),
    CASE(root_held_twice, "verify: refcount"),
    CASE(prepare_shares_forked, "verify: parent_not_in_chain"),
    CASE(stale_bounds, "verify: cached_bounds"),
    CASE(avc_leaked, "verify: avc_count"),
    CASE(unlink_still_active, "verify: num_active_vmas"),
    // What is left is sound in itself, and is not what the model has.
    CASE(undo_forgotten, "what failed has left something behind"),
    CASE(chain_at_tail, "chains differ"),
    CASE(wrong_parent, "num_children differs|parents differ|lengths of chains differ"),
    CASE(never_reuses, "lengths of chains differ"),
    CASE(reuses_branching, "lengths of chains differ"),
    CASE(reuses_active, "lengths of chains differ"),
    CASE(prepare_alone, "chains differ"),
    CASE(import_forgotten, "lengths of chains differ"),
    CASE(fork_file_behind, "order of a walk over a file differs"),
    // The pages know.
    CASE(address_off_by_one, "a walk (finds an address outside|misses who maps)"),
};

#define COUNT(name) +1
static_assert(sizeof(kCases) / sizeof(kCases[0]) == 0 SVMA_RMAP_MUTATIONS(COUNT),
              "each mutation has its case");

class RmapMutation : public testing::TestWithParam<Case> {};

TEST_P(RmapMutation, Checks_FindIt) {
  const auto mutated_run = [] {
    active_mutation = GetParam().mutation;
    for (u64 seed = 1; seed <= 8; ++seed) {
      // Never torn down: who knows what it looks like.
      RmapWorld* const world = new RmapWorld(*find_rmap_semantics("6.1"));
      const std::string wrong = run(*world, seed);
      if (wrong.empty()) continue;
      std::fprintf(stderr, "%s\n", wrong.c_str());
      std::abort();
    }
    std::exit(EXIT_SUCCESS);
  };
  EXPECT_DEATH(mutated_run(), GetParam().caught_as);
}

INSTANTIATE_TEST_SUITE_P(All, RmapMutation, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(RmapMutation, None_ChecksPassThoughAllocationsFail) {
  for (const char* const kernel : {"5.10", "6.1", "6.12", "7.3"}) {
    for (u64 seed = 1; seed <= 8; ++seed) {
      RmapWorld world(*find_rmap_semantics(kernel));
      EXPECT_EQ(run(world, seed), "") << kernel << " seed " << seed << " " << world.last_step();
    }
  }
  EXPECT_EQ(allocations_outstanding(), 0u);
}

}  // namespace
}  // namespace svma::test
