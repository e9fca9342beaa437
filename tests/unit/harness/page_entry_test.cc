// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_entry.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "lib/pages.hpp"

namespace svma::test {
namespace {

constexpr uint64_t kStart = 0x100000200000;
constexpr uint64_t kTableEntry = 0x5067, kNx = uint64_t{1} << 63;

svma_bpf_walk walk_to(uint64_t address, unsigned last, uint64_t entry, unsigned levels = 4) {
  svma_bpf_walk walk{};
  walk.addr = address;
  walk.levels = levels;
  walk.last = last;
  for (unsigned level = last + 1; level <= levels; ++level) walk.entry[level - 1] = kTableEntry;
  walk.entry[last - 1] = entry;
  return walk;
}

PairOfWalks pair_of(const svma_bpf_walk& live) {
  PairOfWalks pair{};
  pair.live = live;
  pair.module.addr = live.addr;
  pair.module.table_levels = live.levels;
  pair.module.count = live.levels - live.last + 1;
  for (uint32_t i = 0; i < pair.module.count; ++i) {
    pair.module.level[i].level = live.levels - i;
    pair.module.level[i].entry = live.entry[live.levels - i - 1];
  }
  return pair;
}

svma_page_run run_at(uint64_t start, uint8_t kind, uint64_t target, uint32_t flags = 0,
                     uint8_t shift = 12) {
  svma_page_run run{};
  run.start = start;
  run.target = target;
  run.count = 1;
  run.flags = flags;
  run.kind = kind;
  run.page_shift = shift;
  return run;
}

// What of two that agree: divergent answers.
uint64_t divergent(const svma_bpf_walk& live, std::vector<svma_page_run> runs) {
  uint64_t moved = 0;
  const std::vector pairs{pair_of(live)};
  const auto result = compare_bpf_walks(pairs, runs, runs, moved);
  EXPECT_EQ(result.compared, 1u);
  EXPECT_EQ(moved, 0u);
  return result.divergent;
}

TEST(WalkEnd, Page_FrameAndWhatAllLevelsAllow) {
  svma_bpf_walk walk = walk_to(kStart, 1, 0x1234067 | kNx | uint64_t{5} << 59);
  WalkEnd end = end_of_walk(walk);
  EXPECT_TRUE(end.maps && !end.kept && end.write && end.user && !end.exec);
  EXPECT_EQ(end.target, 0x1234u);
  EXPECT_EQ(end.shift, 12u);
  EXPECT_EQ(end.key, 5u);
  walk.entry[1] &= ~uint64_t{2};
  EXPECT_FALSE(end_of_walk(walk).write) << "one level is enough";
  walk.entry[0] &= ~kNx;
  walk.entry[3] |= kNx;
  EXPECT_TRUE(end_of_walk(walk).exec) << "the root is not the one in use";
  walk.entry[2] |= kNx;
  EXPECT_FALSE(end_of_walk(walk).exec);
}

TEST(WalkEnd, HugePage_FrameOfThePageInIt) {
  EXPECT_EQ(end_of_walk(walk_to(kStart + 7 * kPageSize, 2, 0x40000000e7)).target, 0x4000007u);
  EXPECT_EQ(end_of_walk(walk_to(kStart, 2, 0x40000000e7)).shift, 21u);
  EXPECT_EQ(end_of_walk(walk_to(uint64_t{1} << 40 | 3 << 12, 3, 0x40000000e7)).target, 0x4000003u);
}

TEST(WalkEnd, Kept_InvertedAndNotAllowed) {
  const uint64_t kept = (~uint64_t{0x1234000} & ((uint64_t{1} << 52) - 4096)) | 0x100 | 0x62;
  const WalkEnd end = end_of_walk(walk_to(kStart, 1, kept));
  EXPECT_TRUE(end.maps && end.kept && !end.write && !end.user && !end.exec);
  EXPECT_EQ(end.target, 0x1234u);
  // Of a huge one its own offset may be inverted or not.
  const uint64_t huge = ~uint64_t{0x1200000} & ((uint64_t{1} << 52) - 4096);
  for (const uint64_t offset : {uint64_t{0}, uint64_t{0x1ff000}}) {
    const uint64_t entry = (huge & ~uint64_t{0x1ff000}) | offset | 0x80;
    EXPECT_EQ(end_of_walk(walk_to(kStart + kPageSize, 2, entry)).target, 0x1201u);
  }
}

TEST(WalkEnd, NotThere_TypeAndOffset) {
  const uint64_t entry =
      uint64_t{7} << 59 | ((~(uint64_t{0x98765} << 9)) & (((uint64_t{1} << 50) - 1) << 9));
  const WalkEnd end = end_of_walk(walk_to(kStart, 1, entry));
  EXPECT_FALSE(end.empty || end.maps);
  EXPECT_EQ(end.type, 7u);
  EXPECT_EQ(end.target, 0x98765u);
  EXPECT_TRUE(end_of_walk(walk_to(kStart, 1, 0x60)).empty);
  EXPECT_TRUE(end_of_walk(walk_to(kStart, 3, 0)).empty);
}

TEST(BpfWalks, Page_EachFieldMatters) {
  const svma_bpf_walk live = walk_to(kStart, 1, 0x1234067 | kNx);
  const uint32_t flags = SVMA_PTE_WRITE | SVMA_PTE_USER;
  const svma_page_run right = run_at(kStart, SVMA_ENTRY_PAGE, 0x1234, flags);
  EXPECT_EQ(divergent(live, {right}), 0u);
  EXPECT_EQ(divergent(live, {}), 1u) << "nothing";
  EXPECT_EQ(divergent(live, {run_at(kStart, SVMA_ENTRY_PAGE, 0x1235, flags)}), 1u);
  EXPECT_EQ(divergent(live, {run_at(kStart, SVMA_ENTRY_SWAP, 0x1234, flags)}), 1u);
  EXPECT_EQ(divergent(live, {run_at(kStart, SVMA_ENTRY_PAGE, 0x1234, flags, 21)}), 1u);
  for (const uint32_t bit :
       {SVMA_PTE_WRITE, SVMA_PTE_EXEC, SVMA_PTE_USER, SVMA_PTE_PROTNONE, 1u << SVMA_PTE_PKEY_SHIFT})
    EXPECT_EQ(divergent(live, {run_at(kStart, SVMA_ENTRY_PAGE, 0x1234, flags ^ bit)}), 1u) << bit;
}

TEST(BpfWalks, NotThere_TypeAndOffsetMatter) {
  const uint64_t offset = uint64_t{1} << 34 | 0x500;  // accessed, above 46 bits of physical address
  const uint64_t entry = uint64_t{3} << 59 | ((~(offset << 9)) & (((uint64_t{1} << 50) - 1) << 9));
  svma_page_run run = run_at(kStart, SVMA_ENTRY_MIGRATION, 0x500);
  run.swap_type = 3;
  EXPECT_EQ(divergent(walk_to(kStart, 1, entry), {run}), 0u) << "the note is no part of the frame";
  run.kind = SVMA_ENTRY_SWAP;
  EXPECT_EQ(divergent(walk_to(kStart, 1, entry), {run}), 1u);
  run.target = offset;
  EXPECT_EQ(divergent(walk_to(kStart, 1, entry), {run}), 0u);
  run.swap_type = 4;
  EXPECT_EQ(divergent(walk_to(kStart, 1, entry), {run}), 1u);
}

TEST(BpfWalks, MigrationOfAHugePage_OneEntryForAll) {
  const uint64_t entry =
      uint64_t{3} << 59 | ((~(uint64_t{0x600} << 9)) & (((uint64_t{1} << 50) - 1) << 9));
  svma_page_run run = run_at(kStart, SVMA_ENTRY_MIGRATION, 0x600, 0, 21);
  run.swap_type = 3;
  EXPECT_EQ(divergent(walk_to(kStart + 5 * kPageSize, 2, entry), {run}), 0u);
}

TEST(BpfWalks, Levels_DifferBeforeTheEnd) {
  PairOfWalks pair = pair_of(walk_to(kStart, 1, 0x1234067));
  pair.module.level[1].entry ^= 0x1000;
  const std::vector runs{
      run_at(kStart, SVMA_ENTRY_PAGE, 0x1234, SVMA_PTE_WRITE | SVMA_PTE_EXEC | SVMA_PTE_USER)};
  uint64_t moved = 0;
  EXPECT_EQ(compare_bpf_walks({&pair, 1}, runs, runs, moved).divergent, 1u);
}

TEST(BpfWalks, ChangedMeanwhile_Moved) {
  const PairOfWalks pair = pair_of(walk_to(kStart, 1, 0));
  const std::vector before{run_at(kStart, SVMA_ENTRY_PAGE, 0x1234)};
  uint64_t moved = 0;
  EXPECT_EQ(compare_bpf_walks({&pair, 1}, before, {}, moved).compared, 0u);
  EXPECT_EQ(moved, 1u);
  EXPECT_EQ(compare_bpf_walks({&pair, 1}, {}, {}, moved).equal, 1u);
}

TEST(Places, EndsAreAlwaysThere_AndWhatIsHeldIsMet) {
  const uint64_t pages = 1 << 20, end = kStart + pages * kPageSize;
  svma_page_run held = run_at(kStart + 1000 * kPageSize, SVMA_ENTRY_PAGE, 1);
  held.count = 3;
  for (uint64_t salt = 0; salt < 50; ++salt) {
    const auto places = places_to_walk(kStart, end, std::span(&held, 1), 16, salt);
    ASSERT_LE(places.size(), 16u);
    ASSERT_GE(places.size(), 10u);
    EXPECT_EQ(places.front(), kStart);
    EXPECT_EQ(places.back(), end - kPageSize);
    unsigned met = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      EXPECT_EQ(places[i] % kPageSize, 0u);
      EXPECT_TRUE(i == 0 || places[i - 1] < places[i]);
      met += places[i] >= held.start && places[i] < held.start + 3 * kPageSize;
    }
    EXPECT_EQ(met, 3u);
  }
  EXPECT_NE(places_to_walk(kStart, end, {}, 16, 1), places_to_walk(kStart, end, {}, 16, 2));
  EXPECT_EQ(places_to_walk(kStart, kStart + kPageSize, {}, 16, 1), std::vector{kStart});
}

TEST(Places, PartOfAHugePage_NotBeyondIt) {
  const svma_page_run huge = run_at(kStart, SVMA_ENTRY_PAGE, 512, 0, 21);
  const uint64_t start = kStart + 16 * kPageSize, end = kStart + 32 * kPageSize;
  for (uint64_t salt = 0; salt < 50; ++salt)
    for (const uint64_t place : places_to_walk(start, end, std::span(&huge, 1), 16, salt)) {
      EXPECT_TRUE(place >= start && place < end) << salt;
    }
}

}  // namespace
}  // namespace svma::test
