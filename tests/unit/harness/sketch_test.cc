// SPDX-License-Identifier: GPL-2.0-only
#include "lib/sketch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "lib/render.hpp"

namespace svma {
namespace {

constexpr uint64_t kMapped = 0x8100073, kReadOnly = 0x8100071;

svma_extent vma(uint64_t start, uint64_t end, uint64_t flags = kMapped) {
  return {start, end, flags, start >> 12, 0, 0, 0};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(Sketch, KeptTooMuch_IsMarkedWhereItIs) {
  const svma_extent predicted[] = {vma(0x10000, 0x12000), vma(0x14000, 0x16000, kReadOnly)};
  const svma_extent observed[] = {vma(0x10000, 0x14000), vma(0x14000, 0x16000, kReadOnly)};
  EXPECT_EQ(sketch(predicted, observed, ""),
            "          10000  +2000  +4000  +6000\n"
            "predicted |AAAAAA|      |BBBBBB|\n"
            "observed  |AAAAAAAAAAAAA|BBBBBB|\n"
            "                 ^^^^^^^\n"
            "          A  rw-p, anonymous, pgoff 10 at 10000\n"
            "          B  r--p, anonymous, pgoff 14 at 14000\n");
}

// Two that should be one: the same letter with a bar between.
TEST(Sketch, NotMerged_OnlyTheBarDiffers) {
  const svma_extent predicted[] = {vma(0x10000, 0x14000)};
  const svma_extent observed[] = {vma(0x10000, 0x12000), vma(0x12000, 0x14000)};
  const auto lines = lines_of(sketch(predicted, observed, ""));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(std::count(lines[3].begin(), lines[3].end(), '^'), 1);
  EXPECT_EQ(lines[2][lines[3].find('^')], '|');
  EXPECT_EQ(lines[1][lines[3].find('^')], 'A');
}

TEST(Sketch, OtherFlags_OtherLetter) {
  const svma_extent predicted[] = {vma(0x10000, 0x14000)};
  const svma_extent observed[] = {vma(0x10000, 0x14000, kReadOnly)};
  const std::string text = sketch(predicted, observed, "");
  EXPECT_NE(text.find("|AAA"), std::string::npos) << text;
  EXPECT_NE(text.find("|BBB"), std::string::npos) << text;
}

TEST(Sketch, Equal_HasNoMarks) {
  const svma_extent side[] = {vma(0x10000, 0x14000)};
  EXPECT_EQ(sketch(side, side, "").find('^'), std::string::npos);
}

TEST(Sketch, OneSideEmpty_SaysNothing) {
  const svma_extent side[] = {vma(0x10000, 0x14000)};
  EXPECT_NE(sketch({}, side, "").find("predicted nothing\n"), std::string::npos);
  EXPECT_NE(sketch(side, {}, "").find("observed  nothing\n"), std::string::npos);
  EXPECT_EQ(sketch({}, {}, ""), "");
}

// Six VMAs on each side, nothing in common, up to the end of user space: still lines of one screen.
TEST(Sketch, FullSides_StayNarrow) {
  std::vector<svma_extent> predicted, observed;
  for (uint64_t i = 0; i < SVMA_REPORT_EXTENTS; ++i) {
    const uint64_t at = 0x10000 + (i << 40);
    predicted.push_back(vma(at, at + 0x2000));
    observed.push_back(vma(at + 0x10000000, at + 0x20000000, kReadOnly));
  }
  const auto lines = lines_of(sketch(predicted, observed, "  "));
  for (const std::string& line : lines) EXPECT_LT(line.size(), 140u) << line;
}

Finding finding_of_the_module() {
  svma_divergence divergence{};
  divergence.mm_id = 3;
  divergence.seq = 12;
  divergence.pid = 41;
  divergence.operation = SVMA_OP_MUNMAP;
  divergence.field = SVMA_FIELD_FLAGS;
  divergence.args[0] = 0x12000;
  divergence.args[1] = 0x14000;
  divergence.predicted.start = divergence.observed.start = 0x10000;
  divergence.predicted.end = divergence.observed.end = 0x12000;
  divergence.predicted.flags = kMapped;
  divergence.observed.flags = kReadOnly;
  Finding finding = to_finding(divergence);
  svma_report report{};
  report.divergence = divergence;
  report.tid = 42;
  snprintf(report.task, sizeof(report.task), "worker");
  report.predicted = report.observed = 1;
  report.predicted_map[0] = vma(0x10000, 0x12000);
  report.observed_map[0] = vma(0x10000, 0x12000, kReadOnly);
  report.frames = 2;
  snprintf(report.stack[0], sizeof(report.stack[0]), "do_munmap+0x1/0x2");
  snprintf(report.stack[1], sizeof(report.stack[1]), "__x64_sys_munmap+0x3/0x4");
  finding.report = report;
  svma_journal_entry entry{};
  entry.id = 9;
  entry.operation = SVMA_OP_MUNMAP;
  finding.before.push_back(entry);
  return finding;
}

TEST(FindingText, OfTheModule_HasCallTaskMapsStackAndHistory) {
  const Finding finding = finding_of_the_module();
  const std::string text = findings_text({&finding, 1});
  for (const char* part :
       {"divergence: flags of process 41", "after     munmap 12000-14000 = 0, by task 42 (worker)",
        "(write only here)", "predicted |AAA", "observed  |BBB", "stack     do_munmap+0x1/0x2",
        "__x64_sys_munmap+0x3/0x4", "munmap 0-0"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(FindingsText, SameOperation_HistoryOnce) {
  const Finding findings[] = {finding_of_the_module(), finding_of_the_module()};
  const std::string text = findings_text(findings);
  const size_t history = text.find("the last operations");
  ASSERT_NE(history, std::string::npos);
  EXPECT_EQ(text.find("the last operations", history + 1), std::string::npos);
}

}  // namespace
}  // namespace svma
