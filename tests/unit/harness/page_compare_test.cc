// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_compare.hpp"

#include <gtest/gtest.h>

#include <unordered_map>

namespace svma::test {
namespace {

constexpr uint64_t kStart = 0x100000000000;
constexpr uint64_t kEntryFlags = SVMA_PTE_USER | SVMA_PTE_ACCESSED;
constexpr uint64_t kReferenced = 1 << 2, kDirty = 1 << 4, kAnon = 1 << 12, kSwapBacked = 1 << 14,
                   kHead = 1 << 15, kTail = 1 << 16;

svma_page_run run_of(uint64_t page, uint64_t target, uint32_t count, uint32_t flags,
                     uint8_t kind = SVMA_ENTRY_PAGE, uint8_t shift = kPageShift) {
  svma_page_run run{};
  run.start = kStart + page * kPageSize;
  run.target = target;
  run.count = count;
  run.flags = flags | kEntryFlags;
  run.kind = kind;
  run.page_shift = shift;
  return run;
}

svma_page_run anon(uint64_t page, uint64_t frame, uint32_t count = 1) {
  return run_of(page, frame, count, SVMA_PTE_ANON | SVMA_PTE_WRITE | SVMA_PTE_DIRTY);
}

svma_page_run swapped(uint64_t page, uint16_t type, uint64_t offset, uint32_t count = 1) {
  svma_page_run run = run_of(page, offset, count, 0, SVMA_ENTRY_SWAP);
  run.swap_type = type;
  return run;
}

Vma vma_of(uint64_t pages, uint64_t flags = kVmRead | kVmWrite) {
  return {kStart, kStart + pages * kPageSize, flags, 0, 0, 0};
}

// `mapcount` and flags of `count` single frames from `first` on.
Frames frames_of(uint64_t first, uint64_t count, uint64_t mapcount, uint64_t flags) {
  std::unordered_map<uint64_t, FrameState> states;
  for (uint64_t i = 0; i < count; ++i) states[first + i] = {mapcount, PageFlags(flags)};
  return Frames(std::move(states));
}

PageEntry present(uint64_t frame, uint64_t bits = 0) {
  return PageEntry(PageEntry::kPresent | frame | bits);
}

constexpr ProcTraits kAll{.pagemap_uffd_wp = true, .referenced = true};

Comparison pagemap(const Vma& vma, std::vector<PageEntry> words, std::vector<svma_page_run> runs,
                   const Frames& frames, const ProcTraits& traits = kAll) {
  uint64_t moved = 0;
  const auto result = compare_pagemap(vma, vma.start, words, runs, runs, frames, traits, moved);
  EXPECT_EQ(moved, 0u);
  return result;
}

TEST(PageRuns, Cut_KeepsWhatEachAddressMaps) {
  const std::vector runs{anon(0, 100, 8), anon(10, 300, 2)};
  const auto inside = runs_in(runs, kStart + 3 * kPageSize, kStart + 11 * kPageSize);
  ASSERT_EQ(inside.size(), 2u);
  EXPECT_EQ(inside[0].start, kStart + 3 * kPageSize);
  EXPECT_EQ(inside[0].target, 103u);
  EXPECT_EQ(inside[0].count, 5u);
  EXPECT_EQ(inside[1].count, 1u);
}

TEST(PageRuns, Joined_OnlyWhatFollows) {
  const std::vector runs{anon(0, 100, 2), anon(2, 102, 3), anon(5, 200), anon(7, 202)};
  const auto result = joined(runs);
  ASSERT_EQ(result.size(), 3u);
  EXPECT_EQ(result[0].count, 5u);
  EXPECT_FALSE(same_runs(runs, result));
  EXPECT_TRUE(same_runs(result, joined(result)));
}

TEST(PageRuns, Frames_SameAsFarAsSmapsMinds) {
  const std::vector runs{anon(0, 100, 2)};
  const Frames frames = frames_of(100, 2, 1, kAnon);
  EXPECT_TRUE(same_frames(runs, frames, frames_of(100, 3, 1, kAnon | 1))) << "locked, and one more";
  EXPECT_FALSE(same_frames(runs, frames, frames_of(100, 2, 2, kAnon)));
  EXPECT_FALSE(same_frames(runs, frames, frames_of(100, 2, 1, kAnon | kDirty)));
  EXPECT_FALSE(same_frames(runs, frames, frames_of(100, 1, 1, kAnon)));
}

TEST(PageRuns, Cursor_AlsoBackwards) {
  const std::vector runs{anon(1, 100, 2), anon(6, 200)};
  RunCursor cursor(runs);
  const auto at = [&](uint64_t page) { return cursor.at(kStart + page * kPageSize); };
  EXPECT_EQ(at(0), nullptr);
  EXPECT_EQ(at(2), &runs[0]);
  EXPECT_EQ(at(3), nullptr);
  EXPECT_EQ(at(6), &runs[1]);
  EXPECT_EQ(at(7), nullptr);
  EXPECT_EQ(at(1), &runs[0]);
}

TEST(Pagemap, SamePages_Equal) {
  const auto result = pagemap(vma_of(4),
                              {present(100, PageEntry::kExclusive), PageEntry(),
                               PageEntry(PageEntry::kSwapped | 9 << 5 | 2), PageEntry()},
                              {anon(0, 100), swapped(2, 2, 9)}, frames_of(100, 1, 1, kAnon));
  EXPECT_EQ(result.compared, 2u) << "empty on both sides is nothing";
  EXPECT_EQ(result.equal, 2u);
}

TEST(Pagemap, EachBit_Differs) {
  const Frames frames = frames_of(100, 1, 1, kAnon);
  const uint64_t right = PageEntry::kPresent | PageEntry::kExclusive | 100;
  for (const uint64_t bit :
       {uint64_t{1}, PageEntry::kSoftDirty, PageEntry::kExclusive, PageEntry::kUffdWp,
        PageEntry::kFile, PageEntry::kSwapped, PageEntry::kPresent}) {
    const auto result = pagemap(vma_of(1), {PageEntry(right ^ bit)}, {anon(0, 100)}, frames);
    EXPECT_EQ(result.divergent, 1u) << std::hex << bit;
  }
}

TEST(Pagemap, OneSideEmpty_Differs) {
  EXPECT_EQ(pagemap(vma_of(1), {PageEntry()}, {anon(0, 100)}, Frames()).divergent, 1u);
  EXPECT_EQ(pagemap(vma_of(1), {present(100)}, {}, Frames()).divergent, 1u);
}

TEST(Pagemap, UffdWp_OnlyWhereTheKernelShowsIt) {
  svma_page_run run = anon(0, 100);
  run.flags |= SVMA_PTE_UFFD_WP;
  EXPECT_EQ(pagemap(vma_of(1), {present(100)}, {run}, Frames()).divergent, 1u);
  EXPECT_EQ(pagemap(vma_of(1), {present(100)}, {run}, Frames(), {false, true}).equal, 1u);
}

TEST(Pagemap, SoftDirtyVma_MarksEveryPage) {
  const Vma vma = vma_of(2, kVmRead | kVmSoftDirty);
  const auto result =
      pagemap(vma, {present(100, PageEntry::kSoftDirty), PageEntry(PageEntry::kSoftDirty)},
              {anon(0, 100)}, Frames());
  EXPECT_EQ(result.compared, 1u);
  EXPECT_EQ(result.equal, 1u);
}

TEST(Pagemap, HugePage_FrameOfEachPart) {
  const svma_page_run run = run_of(0, 512, 1, SVMA_PTE_ANON, SVMA_ENTRY_PAGE, kPmdShift);
  std::vector<PageEntry> words;
  for (uint64_t i = 0; i < 512; ++i) words.push_back(present(512 + i));
  EXPECT_EQ(pagemap(vma_of(512), words, {run}, Frames()).equal, 512u);
  words[300] = present(512);
  EXPECT_EQ(pagemap(vma_of(512), words, {run}, Frames()).divergent, 1u);
}

TEST(Pagemap, ZeroPages_AllTheSameFrame) {
  const svma_page_run run = run_of(0, 7, 2, 0, SVMA_ENTRY_ZERO);
  EXPECT_EQ(pagemap(vma_of(2), {present(7), present(7)}, {run}, Frames()).equal, 2u);
  EXPECT_EQ(pagemap(vma_of(2), {present(7), present(8)}, {run}, Frames()).divergent, 1u);
}

TEST(Pagemap, PfnMapping_IsNotWalked) {
  const Vma vma = vma_of(1, kVmRead | kVmPfnMap);
  const svma_page_run run = run_of(0, 7, 1, 0, SVMA_ENTRY_SPECIAL);
  EXPECT_EQ(pagemap(vma, {PageEntry()}, {run}, Frames()).equal, 1u);
  EXPECT_EQ(pagemap(vma, {present(7)}, {run}, Frames()).divergent, 1u);
  EXPECT_EQ(smaps_sums(vma, std::vector{anon(0, 100)}, Frames())->rss, 0u);
}

TEST(Pagemap, SwappedHugetlb_LooksEmpty) {
  const svma_page_run run = run_of(0, 9, 1, 0, SVMA_ENTRY_MIGRATION, kPmdShift);
  EXPECT_EQ(pagemap(vma_of(512, kVmRead | kVmHugetlb), {PageEntry()}, {run}, Frames()).equal, 1u);
}

TEST(Pagemap, PageThatChanged_Moved) {
  uint64_t moved = 0;
  const std::vector<PageEntry> words{present(100), present(200), present(300)};
  std::vector before{anon(0, 100), anon(1, 200), anon(2, 300)}, after{anon(0, 101), anon(2, 300)};
  after[1].flags &= ~SVMA_PTE_ACCESSED;
  const auto result =
      compare_pagemap(vma_of(3), kStart, words, before, after, Frames(), kAll, moved);
  EXPECT_EQ(moved, 2u) << "another frame; nothing any more";
  EXPECT_EQ(result.compared, 1u) << "the processor's own bits don't count";
  EXPECT_EQ(result.equal, 1u);
}

TEST(SmapsSums, SharedPage_ShareRoundedDown) {
  const auto sums = smaps_sums(vma_of(3), std::vector{anon(0, 100, 3)},
                               frames_of(100, 3, 3, kAnon | kSwapBacked));
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->rss, 3 * kPageSize);
  EXPECT_EQ(sums->pss, 3 * ((kPageSize << kPssShift) / 3));
  EXPECT_EQ(sums->pss >> kPssShift, 4095u) << "each page's share is rounded by itself";
  EXPECT_EQ(sums->shared_dirty, 3 * kPageSize);
  EXPECT_EQ(sums->private_dirty, 0u);
  EXPECT_EQ(sums->anonymous, 3 * kPageSize);
}

TEST(SmapsSums, DirtyByEntryOrPage) {
  svma_page_run clean = run_of(0, 100, 1, SVMA_PTE_FILE);
  clean.flags &= ~SVMA_PTE_ACCESSED;
  const auto of = [&](uint64_t flags) {
    return *smaps_sums(vma_of(1), std::vector{clean}, frames_of(100, 1, 1, flags));
  };
  EXPECT_EQ(of(0).private_clean, kPageSize);
  EXPECT_EQ(of(0).referenced, 0u);
  EXPECT_EQ(of(kDirty).private_dirty, kPageSize);
  EXPECT_EQ(of(kReferenced).referenced, kPageSize);
  EXPECT_EQ(of(kDirty).pss_dirty, kPageSize << kPssShift);
}

TEST(SmapsSums, LazyFree_AnonymousWithoutSwapClean) {
  const svma_page_run run = run_of(0, 100, 1, SVMA_PTE_ANON);
  const auto of = [&](uint64_t flags) {
    return smaps_sums(vma_of(1), std::vector{run}, frames_of(100, 1, 1, flags))->lazy_free;
  };
  EXPECT_EQ(of(kAnon), kPageSize);
  EXPECT_EQ(of(kAnon | kSwapBacked), 0u);
  EXPECT_EQ(of(kAnon | kDirty), 0u);
}

TEST(SmapsSums, HugePage_FlagsOfItsHead) {
  std::unordered_map<uint64_t, FrameState> states;
  for (uint64_t i = 0; i < 512; ++i)
    states[512 + i] = {1, PageFlags(i ? kTail : kHead | kDirty | kSwapBacked)};
  const Frames frames(std::move(states));
  const auto sums =
      smaps_sums(vma_of(512),
                 std::vector{run_of(0, 512, 1, SVMA_PTE_FILE, SVMA_ENTRY_PAGE, kPmdShift)}, frames);
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->shmem_huge, 512 * kPageSize);
  EXPECT_EQ(sums->file_huge, 0u);
  EXPECT_EQ(sums->private_dirty, 512 * kPageSize);
}

TEST(SmapsSums, WhatIsNotCounted) {
  const auto sums =
      smaps_sums(vma_of(4),
                 std::vector{run_of(0, 7, 1, 0, SVMA_ENTRY_ZERO),
                             run_of(1, 8, 1, 0, SVMA_ENTRY_SPECIAL), swapped(2, 0, 5, 2)},
                 Frames());
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->rss, 0u);
  EXPECT_EQ(sums->swap, 2 * kPageSize);
  EXPECT_FALSE(smaps_sums(vma_of(1), std::vector{anon(0, 100)}, Frames())) << "unknown frame";
  EXPECT_FALSE(
      smaps_sums(vma_of(1), std::vector{run_of(0, 9, 1, 0, SVMA_ENTRY_MIGRATION)}, Frames()));
}

TEST(SmapsSums, Locked_OfLockedVmaOnly) {
  const Frames frames = frames_of(100, 1, 2, kAnon);
  const std::vector runs{anon(0, 100)};
  EXPECT_EQ(smaps_sums(vma_of(1), runs, frames)->locked, 0u);
  EXPECT_EQ(smaps_sums(vma_of(1, kVmRead | kVmLocked), runs, frames)->locked >> kPssShift, 2048u);
}

TEST(SmapsSums, Compared_FieldsByName) {
  SmapsSums sums;
  sums.rss = 2 * kPageSize;
  sums.anonymous = kPageSize;
  SmapsRecord record;
  record.rss = 8;
  record.anonymous = 4;
  record.protection_key = 0;
  EXPECT_EQ(compare_smaps_sums(vma_of(2), sums, record, kAll).equal, 1u);
  record.rss = 4;
  record.protection_key = 1;
  const auto result = compare_smaps_sums(vma_of(2), sums, record, kAll);
  ASSERT_EQ(result.divergent, 1u);
  EXPECT_EQ(result.differences[0].field, "Rss,ProtectionKey");
  EXPECT_EQ(result.differences[0].address, kStart);
}

TEST(SmapsSums, SwapOfFile_MayBeMore) {
  SmapsSums sums;
  sums.swap = kPageSize;
  SmapsRecord record;
  record.swap = 8;
  Vma file = vma_of(1);
  file.dev = 1;
  EXPECT_EQ(compare_smaps_sums(file, sums, record, kAll).equal, 1u);
  EXPECT_EQ(compare_smaps_sums(vma_of(1), sums, record, kAll).divergent, 1u);
  record.swap = 0;
  EXPECT_EQ(compare_smaps_sums(file, sums, record, kAll).divergent, 1u);
}

TEST(EntriesAndLayout, Allowed_Equal) {
  const auto result = compare_entries_with_layout({vma_of(2)}, std::vector{anon(0, 100, 2)},
                                                  frames_of(100, 2, 1, kAnon));
  EXPECT_EQ(result.equal, 1u);
  EXPECT_EQ(result.divergent, 0u);
}

TEST(EntriesAndLayout, OutsideOfVmas_Differs) {
  const Layout layout{vma_of(2)};
  const auto result = compare_entries_with_layout(layout, std::vector{anon(1, 100, 2)}, Frames());
  EXPECT_EQ(result.equal, 1u);
  ASSERT_EQ(result.divergent, 1u);
  EXPECT_EQ(result.differences[0].address, kStart + 2 * kPageSize);
}

TEST(EntriesAndLayout, MoreThanTheVmaAllows_Differs) {
  const auto divergent = [](uint64_t vm_flags, uint32_t flags) {
    return compare_entries_with_layout({vma_of(1, vm_flags)},
                                       std::vector{run_of(0, 100, 1, flags | SVMA_PTE_ANON)},
                                       Frames())
        .divergent;
  };
  EXPECT_EQ(divergent(kVmRead, 0), 0u);
  EXPECT_EQ(divergent(kVmRead, SVMA_PTE_WRITE), 1u);
  EXPECT_EQ(divergent(kVmRead | kVmWrite, SVMA_PTE_WRITE), 0u);
  EXPECT_EQ(divergent(kVmRead, SVMA_PTE_EXEC), 1u);
  EXPECT_EQ(divergent(kVmRead | kVmExec, SVMA_PTE_EXEC), 0u);
  EXPECT_EQ(divergent(kVmRead, 3u << SVMA_PTE_PKEY_SHIFT), 1u);
  EXPECT_EQ(divergent(kVmRead | uint64_t{3} << kVmPkeyShift, 3u << SVMA_PTE_PKEY_SHIFT), 0u);
  EXPECT_EQ(divergent(kVmRead | uint64_t{3} << kVmPkeyShift, 0), 1u);
}

TEST(EntriesAndLayout, OwnerAgainstKpageflags) {
  const auto divergent = [](uint32_t entry, uint64_t frame) {
    return compare_entries_with_layout({vma_of(1)}, std::vector{run_of(0, 100, 1, entry)},
                                       frames_of(100, 1, 1, frame))
        .divergent;
  };
  EXPECT_EQ(divergent(SVMA_PTE_ANON, kAnon | kSwapBacked), 0u);
  EXPECT_EQ(divergent(SVMA_PTE_ANON, 0), 1u);
  EXPECT_EQ(divergent(SVMA_PTE_FILE, kAnon), 1u);
  EXPECT_EQ(divergent(SVMA_PTE_FILE, kSwapBacked), 1u);
  EXPECT_EQ(divergent(SVMA_PTE_FILE | SVMA_PTE_SHMEM, kSwapBacked), 0u);
  EXPECT_EQ(divergent(0, 0), 0u) << "a page of a driver";
}

TEST(Barren, Holes_AsLargeAsTables) {
  constexpr uint64_t k2M = 1 << 21, k1G = 1 << 30, k512G = uint64_t{1} << 39;
  const Layout layout{{k512G + k2M, k512G + k2M + kPageSize, 0, 0, 0, 0},
                      {k512G + 3 * k2M, k512G + 3 * k2M + kPageSize, 0, 0, 0, 0}};
  const auto ranges = barren_ranges(layout, 0, SVMA_NONE, 100);
  const std::vector<Barren> expected{
      {0, k512G, 3},
      {0, k512G, 2},
      {0, k512G + k2M, 1},
      {k512G + 2 * k2M, k512G + 3 * k2M, 1},
      {2 * k512G, uint64_t{1} << 47, 3},
      {k512G + k1G, uint64_t{1} << 47, 2},
      {k512G + 4 * k2M, uint64_t{1} << 47, 1},
  };
  EXPECT_EQ(ranges, expected);
  EXPECT_EQ(barren_ranges(layout, 0, SVMA_NONE, 2).size(), 2u);
}

TEST(PageCounters, Status_InPages) {
  const auto counters = parse_page_counters(
      "Name:\tx\nRssAnon:\t     40 kB\nRssFile:\t 400 kB\nRssShmem:\t 8 kB\nVmPTE:\t 44 kB\n"
      "VmSwap:\t 4 kB\nVmHWM:\t 480 kB\n");
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->anon, 10u);
  EXPECT_EQ(counters->file, 100u);
  EXPECT_EQ(counters->shmem, 2u);
  EXPECT_EQ(counters->page_tables, 11u);
  EXPECT_EQ(counters->swap, 1u);
  EXPECT_EQ(counters->peak, 120u);
  EXPECT_FALSE(parse_page_counters("Name:\tx\nState:\tZ (zombie)\n"));
}

TEST(PageCounters, Sums_WithoutHugetlb) {
  svma_page_sum sum{}, huge{}, moving{};
  sum.present = 10;
  sum.anon = 4;
  sum.shmem = 1;
  sum.file = 3;
  sum.swap = 2;
  huge.vma_flags = kVmHugetlb;
  huge.present = 512;
  moving.migration = 1;
  const auto counters = counters_of(std::vector{sum, huge}, {7, 3, 2, 1, 0}, 1);
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->anon, 4u);
  EXPECT_EQ(counters->file, 5u) << "what is of no kind counts as a file's";
  EXPECT_EQ(counters->shmem, 1u);
  EXPECT_EQ(counters->swap, 2u);
  EXPECT_EQ(counters->page_tables, 13u) << "the root is not counted";
  EXPECT_EQ(counters->peak, 10u) << "hugetlb does not count";
  EXPECT_FALSE(counters_of(std::vector{moving}, {}, 0));
}

TEST(PageCounters, Compared_WithinTheError) {
  const PageCounters tables{100, 100, 100, 100, 10, 300};
  PageCounters status = tables;
  EXPECT_EQ(compare_page_counters(tables, status, {}).equal, 6u);
  status.anon -= 66;
  EXPECT_EQ(compare_page_counters(tables, status, error_of_threads(1)).equal, 6u);
  EXPECT_EQ(compare_page_counters(tables, status, {}).divergent, 1u);
  status.anon -= 1;
  EXPECT_EQ(compare_page_counters(tables, status, error_of_threads(1)).divergent, 1u);
  EXPECT_EQ(compare_page_counters(tables, status, error_of_threads(2)).divergent, 0u);
  status.page_tables += 1;
  EXPECT_EQ(compare_page_counters(tables, status, error_of_threads(2)).divergent, 1u)
      << "tables are counted one by one";
}

TEST(PageCounters, Peak_NotBelowWhatWasSeen) {
  PageCounters tables{10, 10, 10, 0, 1, 1000};
  PageCounters status = tables;
  status.peak = 1'000'000;  // more than was seen is nobody's fault
  EXPECT_EQ(compare_page_counters(tables, status, {}).divergent, 0u);
  status.peak = 999;
  EXPECT_EQ(compare_page_counters(tables, status, {}).divergent, 1u);
  EXPECT_EQ(compare_page_counters(tables, status, error_of_processors(1)).divergent, 0u);
  status.peak = 1000 - 2 * 3 * 32 - 1;
  EXPECT_EQ(compare_page_counters(tables, status, error_of_processors(2)).divergent, 1u);
  EXPECT_EQ(compare_page_counters(tables, status, error_of_processors(20)).divergent, 0u);
}

TEST(PageCounters, Deposited_BehindHugePages) {
  const std::vector runs{run_of(0, 512, 2, SVMA_PTE_ANON, SVMA_ENTRY_PAGE, kPmdShift),
                         run_of(1024, 512, 1, SVMA_PTE_FILE, SVMA_ENTRY_PAGE, kPmdShift),
                         run_of(1536, 7, 1, 0, SVMA_ENTRY_ZERO, kPmdShift), anon(2048, 99)};
  EXPECT_EQ(deposited_tables({vma_of(4096)}, runs), 3u);
  EXPECT_EQ(deposited_tables({vma_of(4096, kVmHugetlb)}, runs), 0u);
}

TEST(PageCounters, HugePages_SameOnlyAtTheSamePlaces) {
  const auto huge = [](uint64_t page, uint64_t frame, uint32_t count) {
    return run_of(page, frame, count, SVMA_PTE_ANON, SVMA_ENTRY_PAGE, kPmdShift);
  };
  const std::vector one{huge(0, 512, 2), anon(1024, 99)};
  EXPECT_TRUE(same_huge_pages(one, std::vector{huge(0, 512, 1), huge(512, 1024, 1)}))
      << "cut elsewhere, and small pages do not matter";
  EXPECT_FALSE(same_huge_pages(one, std::vector{huge(0, 512, 1)}));
  EXPECT_FALSE(same_huge_pages(one, std::vector{huge(0, 512, 1), huge(512, 4096, 1)}));
  EXPECT_FALSE(same_huge_pages(one, std::vector{huge(0, 512, 1), huge(1024, 1024, 1)}));
}

svma_walk module_walk() {
  svma_walk walk{};
  walk.addr = kStart;
  walk.table_levels = 4;
  walk.count = 4;
  for (uint32_t i = 0; i < 4; ++i) {
    walk.level[i].level = 4 - i;
    walk.level[i].entry = 0x1067 + 0x1000 * i;
  }
  return walk;
}

svma_bpf_walk live_walk() {
  svma_bpf_walk walk{};
  walk.addr = kStart;
  walk.levels = 4;
  walk.last = 1;
  for (unsigned i = 0; i < 4; ++i) walk.entry[3 - i] = 0x1067 + 0x1000 * i;
  return walk;
}

TEST(Walks, SameEntries_Equal) {
  EXPECT_EQ(compare_walks(module_walk(), live_walk(), false).equal, 1u);
}

TEST(Walks, EachLevel_Differs) {
  for (unsigned level = 0; level < 4; ++level) {
    svma_bpf_walk live = live_walk();
    live.entry[level] ^= 2;
    EXPECT_EQ(compare_walks(module_walk(), live, true).divergent, 1u) << level;
  }
}

TEST(Walks, BitsOfTheProcessor_OnlyWhileItRuns) {
  svma_bpf_walk live = live_walk();
  live.entry[0] ^= 0x60;
  EXPECT_EQ(compare_walks(module_walk(), live, true).equal, 1u);
  EXPECT_EQ(compare_walks(module_walk(), live, false).divergent, 1u);
}

TEST(Walks, OtherDepth_Differs) {
  svma_bpf_walk live = live_walk();
  live.last = 2;
  EXPECT_EQ(compare_walks(module_walk(), live, false).divergent, 1u);
  live = live_walk();
  live.levels = 5;
  EXPECT_EQ(compare_walks(module_walk(), live, false).divergent, 1u);
  svma_walk module = module_walk();
  module.count = 3;
  EXPECT_EQ(compare_walks(module, live_walk(), false).divergent, 1u) << "BPF went on";
}

TEST(PageFlags, Names) {
  EXPECT_EQ(page_flag_names(PageFlags(kDirty | kAnon)), "dirty anonymous");
  EXPECT_EQ(page_flag_names(PageFlags(0)), "-");
}

TEST(DependsOnSharers, OnlySumsAndBitsOfSharing) {
  const auto of = [](const char* field) {
    Difference difference;
    difference.field = field;
    return depends_on_sharers(difference);
  };
  EXPECT_TRUE(of("Pss"));
  EXPECT_TRUE(of("Pss,Pss_Dirty"));
  EXPECT_TRUE(of("Shared_Dirty,Private_Dirty"));
  EXPECT_TRUE(of("exclusive"));
  EXPECT_FALSE(of("page"));
  EXPECT_FALSE(of("Rss,Pss"));
  EXPECT_FALSE(of("Pss,Anonymous"));
}

}  // namespace
}  // namespace svma::test
