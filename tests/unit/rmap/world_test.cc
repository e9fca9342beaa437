// SPDX-License-Identifier: GPL-2.0-only
//
// Random lives of processes: tests/support/rmap_world.hpp checks core/rmap after each step.
#include <gtest/gtest.h>

#include <random>

#include "os_services.hpp"
#include "rmap_world.hpp"

namespace svma::test {
namespace {

class RmapRandom : public testing::TestWithParam<const char*> {};

TEST_P(RmapRandom, Steps_AgreeWithModelAndPages) {
  for (const u64 seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    std::mt19937_64 random(seed);
    RmapWorld world(*find_rmap_semantics(GetParam()));
    for (int step = 0; step < 700; ++step) {
      world.random_step([&](u64 limit) { return random() % limit; });
      ASSERT_EQ(world.check(), "")
          << "seed " << seed << " step " << step << ": " << world.last_step();
    }
  }
  EXPECT_EQ(allocations_outstanding(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Kernels, RmapRandom, testing::Values("5.10", "6.1", "6.12", "7.3"),
                         [](const auto& kernel) {
                           std::string name = kernel.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

}  // namespace
}  // namespace svma::test
