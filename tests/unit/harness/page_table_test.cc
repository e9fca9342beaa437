// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_table.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "lib/names.hpp"

namespace svma {
namespace {

svma_walk way_to_a_page() {
  svma_walk walk{};
  walk.addr = 0x100000001234;
  walk.table_levels = 4;
  walk.vma_start = 0x100000000000;
  walk.vma_end = 0x100000004000;
  walk.vma_flags = 3;
  walk.count = 4;
  walk.page_shift = 12;
  walk.allowed = SVMA_PTE_WRITE | SVMA_PTE_USER;
  for (uint32_t i = 0; i < 4; i++) {
    const bool last = i == 3;
    walk.level[i].level = 4 - i;
    walk.level[i].index = i ? i - 1 : 32;
    walk.level[i].table = 0x1000 * (i + 1);
    walk.level[i].target = i + 2;
    walk.level[i].kind = last ? SVMA_ENTRY_PAGE : SVMA_ENTRY_TABLE;
    walk.level[i].flags = SVMA_PTE_WRITE | SVMA_PTE_USER | (last ? SVMA_PTE_DIRTY : 0);
    walk.level[i].entry = 0x67 + 0x1000 * (i + 2);
  }
  return walk;
}

svma_page_run run_of(uint64_t start, uint32_t count, uint8_t kind, uint8_t shift) {
  svma_page_run run{};
  run.start = start;
  run.count = count;
  run.kind = kind;
  run.page_shift = shift;
  return run;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(PageTableText, Walk_NamesEachLevelAndWhatIsAllowed) {
  const std::string text = walk_text(way_to_a_page());
  EXPECT_TRUE(has(text, "100000001234 is in 100000000000-100000004000")) << text;
  EXPECT_TRUE(has(text, "= pgd[32] pud[0] pmd[1] pte[2] + 234\n")) << text;
  EXPECT_TRUE(has(text, "table at 0x2000; write user")) << text;
  EXPECT_TRUE(has(text, "page frame 0x5; write user dirty")) << text;
  EXPECT_TRUE(
      has(text, "4.0 KiB at frame 0x5; all levels together allow: read, write; from user mode"))
      << text;
}

TEST(PageTableText, Walk_HoleAndSwap_SaySo) {
  svma_walk walk = way_to_a_page();
  walk.vma_start = SVMA_NONE;
  walk.level[3].kind = SVMA_ENTRY_NONE;
  EXPECT_TRUE(has(walk_text(walk), "is in no VMA")) << walk_text(walk);
  EXPECT_TRUE(has(walk_text(walk), "nothing is mapped in these 4.0 KiB")) << walk_text(walk);
  walk.level[3].kind = SVMA_ENTRY_SWAP;
  walk.level[3].swap_type = 2;
  EXPECT_TRUE(has(walk_text(walk), "swap area 2 offset 0x5")) << walk_text(walk);
  EXPECT_TRUE(has(walk_text(walk), "no page is present: swap")) << walk_text(walk);
}

TEST(PageTableText, Walk_ProtNone_IsNotAllowed) {
  svma_walk walk = way_to_a_page();
  walk.level[3].flags |= SVMA_PTE_PROTNONE;
  EXPECT_TRUE(has(walk_text(walk), "which the processor may not touch")) << walk_text(walk);
}

// A huge page further in: the frame is that of the address.
TEST(PageTableText, Walk_InsideAHugePage_FrameOfTheAddress) {
  svma_walk walk = way_to_a_page();
  walk.count = 3;
  walk.page_shift = 21;
  walk.level[2].kind = SVMA_ENTRY_PAGE;
  walk.level[2].target = 0x200;
  EXPECT_TRUE(has(walk_text(walk), "2.0 MiB at frame 0x201")) << walk_text(walk);
}

TEST(PageTableText, LevelNames_HighestIsThePgd) {
  EXPECT_EQ(level_name(1, false), "pte");
  EXPECT_EQ(level_name(4, false), "p4d");
  EXPECT_EQ(level_name(4, true), "pgd");
  EXPECT_EQ(level_name(5, true), "pgd");
}

TEST(PageTableText, FlagNames_KeyIsANumber) {
  const auto names = pte_flag_names(SVMA_PTE_USER | SVMA_PTE_SHMEM | 5u << SVMA_PTE_PKEY_SHIFT);
  EXPECT_EQ(names, (std::vector<std::string>{"user", "shmem", "pkey=5"}));
}

// Each counter is added to its own.
TEST(PageTableSums, Total_AddsEachCounter) {
  constexpr size_t kFirst = offsetof(svma_page_sum, present) / sizeof(uint64_t);
  constexpr size_t kAll = sizeof(svma_page_sum) / sizeof(uint64_t);
  uint64_t words[2][kAll] = {};
  for (size_t i = kFirst; i < kAll; i++) {
    words[0][i] = i;
    words[1][i] = 1000 * i;
  }
  svma_page_sum sums[2];
  std::memcpy(sums, words, sizeof(words));
  const svma_page_sum total = total_of(sums);
  uint64_t found[kAll];
  std::memcpy(found, &total, sizeof(total));
  for (size_t i = kFirst; i < kAll; i++) EXPECT_EQ(found[i], 1001 * i) << i;
  EXPECT_EQ(total.start, 0u);
}

TEST(PageTableSums, HugeParts_NeighboursAreJoined) {
  const svma_page_run runs[] = {
      run_of(0x200000, 2, SVMA_ENTRY_PAGE, 21), run_of(0x600000, 1, SVMA_ENTRY_ZERO, 21),
      run_of(0x800000, 512, SVMA_ENTRY_PAGE, 12), run_of(0xa00000, 1, SVMA_ENTRY_PAGE, 21)};
  const auto parts = huge_parts(runs);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].start, 0x200000u);
  EXPECT_EQ(parts[0].end, 0x800000u);
  EXPECT_EQ(parts[1].start, 0xa00000u);
  EXPECT_EQ(parts[1].end, 0xc00000u);
}

TEST(PageTableSums, Text_RootOfFourLevelsIsThePgd) {
  PageTables tables;
  tables.tables = {3, 2, 1, 1, 0};
  EXPECT_TRUE(has(sums_text(tables), "tables: 1 pgd, 1 pud, 2 pmd, 3 pte (28.0 KiB)"))
      << sums_text(tables);
}

}  // namespace
}  // namespace svma
