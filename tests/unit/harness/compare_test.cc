// SPDX-License-Identifier: GPL-2.0-only
#include "lib/compare.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

Layout three() {
  return {{0x1000, 0x2000, 0x73, 1, 0, 0},
          {0x2000, 0x5000, 0x71, 2, 7, 9},
          {0x8000, 0x9000, 0x75, 8, 0, 0}};
}

void expect_sum(const Comparison& comparison) {
  EXPECT_EQ(comparison.compared, comparison.equal + comparison.divergent);
  EXPECT_EQ(comparison.divergent, comparison.differences.size());
}

TEST(CompareLayouts, Same_AllEqual) {
  const auto comparison = compare_layouts(three(), three(), kRoadBpf);
  EXPECT_EQ(comparison.compared, 3u);
  EXPECT_EQ(comparison.equal, 3u);
  expect_sum(comparison);
}

TEST(CompareLayouts, EachFieldChanged_IsNamed) {
  const struct {
    void (*change)(Vma&);
    const char* field;
  } cases[] = {
      {[](Vma& vma) { vma.flags ^= 2; }, "flags"},
      {[](Vma& vma) { vma.pgoff += 1; }, "pgoff"},
  };
  for (const auto& change : cases) {
    Layout live = three();
    change.change(live[1]);
    const auto comparison = compare_layouts(three(), live, kRoadBpf);
    ASSERT_EQ(comparison.divergent, 1u) << change.field;
    EXPECT_EQ(comparison.equal, 2u);
    EXPECT_NE(comparison.differences[0].field.find(change.field), std::string::npos);
    EXPECT_EQ(comparison.differences[0].address, 0x2000u);
    expect_sum(comparison);
  }
}

TEST(CompareLayouts, OtherFile_IsDivergent) {
  Layout live = three();
  live[1].ino = 8;
  EXPECT_EQ(compare_layouts(three(), live, kRoadBpf).divergent, 1u);
  live = three();
  live[1].dev = 10;
  EXPECT_EQ(compare_layouts(three(), live, kRoadBpf).divergent, 1u);
}

TEST(CompareLayouts, OneMissing_IsOneDivergence) {
  Layout live = three();
  live.erase(live.begin());
  const auto comparison = compare_layouts(three(), live, kRoadBpf);
  EXPECT_EQ(comparison.divergent, 1u);
  EXPECT_EQ(comparison.equal, 2u);
  expect_sum(comparison);
}

TEST(CompareLayouts, OneTooMany_IsOneDivergence) {
  Layout live = three();
  live.push_back({0xa000, 0xb000, 0x73, 10, 0, 0});
  const auto comparison = compare_layouts(three(), live, kRoadBpf);
  EXPECT_EQ(comparison.divergent, 1u);
  EXPECT_EQ(comparison.equal, 3u);
}

TEST(CompareLayouts, SplitLive_IsDivergent) {
  Layout live = three();
  live[1].end = 0x3000;
  live.insert(live.begin() + 2, Vma{0x3000, 0x5000, 0x71, 3, 7, 9});
  EXPECT_GE(compare_layouts(three(), live, kRoadBpf).divergent, 1u);
}

TEST(CompareLayouts, BothEmpty_ComparesNothing) {
  EXPECT_EQ(compare_layouts({}, {}, kRoadBpf).compared, 0u);
}

TEST(CompareTotals, EachCounterChanged_IsDivergent) {
  const Totals totals{3, 10, 5, 1, 2, 4};
  EXPECT_EQ(compare_totals(totals, totals, 3).divergent, 0u);
  for (uint64_t Totals::*counter : {&Totals::map_count, &Totals::total_vm, &Totals::data_vm,
                                    &Totals::exec_vm, &Totals::stack_vm, &Totals::locked_vm}) {
    Totals live = totals;
    ++(live.*counter);
    EXPECT_EQ(compare_totals(totals, live, 3).divergent, 1u);
  }
  EXPECT_EQ(compare_totals(totals, totals, 4).divergent, 1u);
}

TEST(CompareLookup, AnswerOfAnotherAddress_IsDivergent) {
  const Layout live = three();
  for (uint64_t address : {0x0, 0x1000, 0x1fff, 0x2000, 0x5000, 0x8fff, 0x9000}) {
    EXPECT_EQ(compare_lookup(address, find_in(live, address), live).divergent, 0u) << address;
  }
  EXPECT_EQ(compare_lookup(0x1000, find_in(live, 0x2000), live).divergent, 1u);
  EXPECT_EQ(compare_lookup(0x9000, find_in(live, 0x8fff), live).divergent, 1u);
}

TEST(FindIn, Hole_GivesVmaAboveAndPrevBelow) {
  const Lookup lookup = find_in(three(), 0x6000);
  ASSERT_TRUE(lookup.vma && lookup.prev);
  EXPECT_EQ(lookup.vma->start, 0x8000u);
  EXPECT_EQ(lookup.prev->start, 0x2000u);
}

Lookup found_at(uint64_t address) { return find_in(three(), address); }

// What the ioctl says of the second VMA: rwxs and the file's offset.
Vma second_shown() { return {0x2000, 0x5000, 0x01, 2, 7, 9}; }

TEST(CompareQuery, Covered_BothWaysEqual) {
  const auto comparison = compare_query(0x2000, found_at(0x2000), second_shown(), second_shown());
  EXPECT_EQ(comparison.compared, 2u);
  EXPECT_EQ(comparison.equal, 2u);
  expect_sum(comparison);
}

// Anonymous memory has no offset there, whatever its pgoff.
TEST(CompareQuery, InAGap_OnlyTheNextIsThere) {
  const Vma next{0x8000, 0x9000, 0x05, 0, 0, 0};
  EXPECT_EQ(compare_query(0x6000, found_at(0x6000), std::nullopt, next).equal, 2u);
  const auto comparison = compare_query(0x6000, found_at(0x6000), next, next);
  ASSERT_EQ(comparison.divergent, 1u);
  EXPECT_EQ(comparison.differences[0].field, "covering VMA");
  EXPECT_EQ(comparison.differences[0].address, 0x6000u);
}

TEST(CompareQuery, BehindTheLast_NothingIsFound) {
  EXPECT_EQ(compare_query(0x9000, found_at(0x9000), std::nullopt, std::nullopt).equal, 2u);
}

TEST(CompareQuery, EachFieldChanged_IsDivergent) {
  void (*const changes[])(Vma&) = {[](Vma& vma) { vma.start += kPageSize; },
                                   [](Vma& vma) { vma.end -= kPageSize; },
                                   [](Vma& vma) { vma.flags ^= kVmMayShare; },
                                   [](Vma& vma) { vma.pgoff += 1; },
                                   [](Vma& vma) { vma.ino += 1; },
                                   [](Vma& vma) { vma.dev += 1; }};
  for (const auto change : changes) {
    Vma live = second_shown();
    change(live);
    EXPECT_EQ(compare_query(0x3000, found_at(0x3000), live, live).divergent, 2u);
  }
}

}  // namespace
}  // namespace svma
