// SPDX-License-Identifier: GPL-2.0-only
//
// Random lives of processes: tests/support/rmap_world.hpp checks core/rmap after each step.
#include <gtest/gtest.h>

#include <algorithm>
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

// Five generations, each of which splits, merges and writes; then they exit in any order.
TEST_P(RmapRandom, FiveGenerations_ExitInAnyOrder) {
  constexpr u64 kFirst = RmapWorld::kFirstPage;
  for (u64 seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    RmapWorld world(*find_rmap_semantics(GetParam()));
    std::vector<int> line{world.new_mm()};
    ASSERT_TRUE(world.mmap(line[0], kFirst, kFirst + 12, RmapWorld::Kind::kAnonymous));
    ASSERT_TRUE(world.mmap(line[0], kFirst + 20, kFirst + 26, RmapWorld::Kind::kPrivateFile, 0, 3));
    const auto live_a_little = [&](int mm) {
      for (int i = 0; i < 4; ++i) {
        const u64 page = kFirst + random() % 26;
        world.touch(mm, page);
        ASSERT_EQ(world.check(), "") << "seed " << seed;
        const u64 first = kFirst + random() % 12;
        world.mprotect(mm, first, std::min(first + 1 + random() % 6, kFirst + 12), random() % 2);
        ASSERT_EQ(world.check(), "") << "seed " << seed;
      }
    };
    live_a_little(line[0]);
    for (int depth = 1; depth <= 5; ++depth) {
      line.push_back(world.fork(line[static_cast<std::size_t>(random() % line.size())]));
      ASSERT_EQ(world.check(), "") << "seed " << seed;
      for (const int mm : line) live_a_little(mm);
    }
    std::shuffle(line.begin(), line.end(), random);
    for (const int mm : line) {
      world.exit(mm);
      ASSERT_EQ(world.check(), "") << "seed " << seed;
    }
    EXPECT_EQ(world.rmap().anon_vma_count(), 0u);
    EXPECT_EQ(world.rmap().avc_count(), 0u);
  }
  EXPECT_EQ(allocations_outstanding(), 0u);
}

// The same steps with the first allocation failing, then with the second, until none fails.
TEST_P(RmapRandom, EachAllocationThatFails_LeavesAllInOrder) {
  constexpr u64 kFirst = RmapWorld::kFirstPage;
  std::uint64_t nth = 1;
  for (;; ++nth) {
    RmapWorld world(*find_rmap_semantics(GetParam()));
    const int mm = world.new_mm();
    int child = NaiveRmap::kNone, grandchild = NaiveRmap::kNone;
    const std::function<void()> steps[] = {
        [&] { world.mmap(mm, kFirst, kFirst + 8, RmapWorld::Kind::kAnonymous); },
        [&] { world.touch(mm, kFirst + 3); },
        [&] { child = world.fork(mm); },
        [&] { grandchild = child > 0 ? world.fork(child) : child; },
        [&] { world.mprotect(mm, kFirst + 2, kFirst + 4, false); },
        [&] { world.mprotect(mm, kFirst + 2, kFirst + 4, true); },
        [&] { world.mmap(mm, kFirst + 10, kFirst + 12, RmapWorld::Kind::kAnonymous); },
        [&] { world.mmap(mm, kFirst + 14, kFirst + 16, RmapWorld::Kind::kAnonymous); },
        [&] { world.touch(mm, kFirst + 14); },
        [&] { world.mmap(mm, kFirst + 12, kFirst + 14, RmapWorld::Kind::kAnonymous); },
        [&] { world.mremap(mm, kFirst + 1, kFirst + 6, kFirst + 20); },
        [&] { world.mremap(mm, kFirst + 20, kFirst + 25, kFirst + 30, true); },
        [&] {
          if (grandchild > 0) world.munmap(grandchild, kFirst + 2, kFirst + 5);
        },
        [&] {
          if (child > 0) world.exit(child);
        },
        [&] {
          if (grandchild > 0) world.fork(grandchild);
        },
    };
    fail_allocation(nth);
    for (std::size_t i = 0; i < std::size(steps); ++i) {
      steps[i]();
      ASSERT_EQ(world.check(), "") << "allocation " << nth << " step " << i;
    }
    const bool failed = allocations_asked() >= nth;
    fail_allocation(0);
    if (!failed) break;
  }
  EXPECT_GT(nth, 20u);
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
