// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"
#include "lib/tally.hpp"

namespace svma {
namespace {

CheckReport equal_report() {
  CheckReport report;
  report.harness.compared = 12;
  report.harness.equal = 10;
  report.harness.moved = 2;
  report.module.counts.operations = 7;
  return report;
}

int code_of(const CheckReport& report) {
  std::string why;
  return exit_code_of(report, why);
}

TEST(VerdictLine, AllFields_InTheFixedForm) {
  EXPECT_EQ(
      verdict_line({1, 2, 3, 4, 5, 6, 7, 8}),
      "svma: compared=1 equal=2 divergent=3 moved=4 unmodelled=5 missed=6 resyncs=7 operations=8");
}

TEST(Verdict, ModuleDivergences_CountOnBothSidesOfTheSum) {
  CheckReport report = equal_report();
  report.module.counts.divergent = 3;
  const Verdict verdict = verdict_of(report.harness, report.module.counts);
  EXPECT_EQ(verdict.divergent, 3u);
  EXPECT_EQ(verdict.compared, verdict.equal + verdict.divergent + verdict.moved);
}

TEST(ExitCode, AllEqual_Is0) { EXPECT_EQ(code_of(equal_report()), kExitEqual); }

TEST(ExitCode, HarnessDivergence_Is1) {
  CheckReport report = equal_report();
  report.harness.divergent = 1;
  EXPECT_EQ(code_of(report), kExitDivergent);
}

TEST(ExitCode, ModuleDivergence_Is1) {
  CheckReport report = equal_report();
  report.module.counts.divergent = 1;
  EXPECT_EQ(code_of(report), kExitDivergent);
}

TEST(ExitCode, MissedProbe_Is1) {
  CheckReport report = equal_report();
  report.module.counts.missed = 1;
  EXPECT_EQ(code_of(report), kExitDivergent);
}

TEST(ExitCode, NothingOrOnlyMoved_Is2) {
  EXPECT_EQ(code_of(CheckReport{}), kExitCouldNotCheck);
  CheckReport report;
  report.harness.compared = report.harness.moved = 5;
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
}

TEST(ExitCode, StructureWantedAndNotCompared_Is2) {
  CheckReport report = equal_report();
  report.structure_wanted = true;
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
  report.structure = svma_structure{};
  report.structure->has_tree = 1;
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
  report.structure->compared = report.structure->equal = 5;
  EXPECT_EQ(code_of(report), kExitEqual);
}

CheckReport rmap_report() {
  CheckReport report = equal_report();
  report.rmap = svma_rmap_stats{};
  report.rmap->compared = 100;
  report.rmap->equal = 99;
  report.rmap_road = "iter/task_vma";
  report.rmap_oracle = {
      .compared = 8, .equal = 7, .divergent = 1, .moved = 3, .unsure = 2, .cut = 4};
  report.rmap_events_state = "on";
  report.rmap_events = {.compared = 20, .equal = 20, .moved = 5};
  report.rmap_events_lost = 6;
  return report;
}

TEST(RmapVerdict, BothJudges_AreSummedInJson) {
  const Json json = to_json(rmap_report(), 0, "");
  EXPECT_EQ(json["rmap_compared"], 128);
  EXPECT_EQ(json["rmap_equal"], 126);
  EXPECT_EQ(json["rmap"]["module"]["compared"], 100);
  EXPECT_EQ(json["rmap"]["module"]["equal"], 99);
  const Json& oracle = json["rmap"]["oracle"];
  EXPECT_EQ(oracle["road"], "iter/task_vma");
  EXPECT_EQ(oracle["compared"], 8);
  EXPECT_EQ(oracle["equal"], 7);
  EXPECT_EQ(oracle["divergent"], 1);
  EXPECT_EQ(oracle["moved"], 3);
  EXPECT_EQ(oracle["unsure"], 2);
  EXPECT_EQ(oracle["cut"], 4);
  const Json& events = json["rmap"]["events"];
  EXPECT_EQ(events["state"], "on");
  EXPECT_EQ(events["compared"], 20);
  EXPECT_EQ(events["equal"], 20);
  EXPECT_EQ(events["divergent"], 0);
  EXPECT_EQ(events["moved"], 5);
  EXPECT_EQ(events["lost"], 6);
}

TEST(RmapVerdict, ModuleThatKnowsNothing_IsNull) {
  CheckReport report = rmap_report();
  report.rmap.reset();
  const Json json = to_json(report, 0, "");
  EXPECT_TRUE(json["rmap"]["module"].is_null());
  EXPECT_EQ(json["rmap_compared"], 28);
}

TEST(RmapVerdict, Text_HasALineOfItsOwn) {
  CheckReport report = rmap_report();
  EXPECT_NE(report_text(report).find(
                "  rmap oracle: iter/task_vma; compared=8 equal=7 divergent=1 moved=3 unsure=2\n"),
            std::string::npos);
  EXPECT_NE(report_text(report).find(
                "  rmap events: on; compared=20 equal=20 divergent=0 moved=5 lost=6\n"),
            std::string::npos);
  report.rmap_road = "none on this kernel: no BPF";
  report.rmap_oracle = {};
  EXPECT_NE(report_text(report).find("  rmap oracle: none on this kernel: no BPF; compared=0"),
            std::string::npos);
}

CheckReport pages_report() {
  CheckReport report = equal_report();
  report.pages.emplace();
  report.pages->pages = {.compared = 100, .equal = 99, .divergent = 1, .moved = 4};
  report.pages->vmas = {.compared = 20, .equal = 18, .divergent = 2, .moved = 1};
  report.pages->walks = {.compared = 30, .equal = 30, .divergent = 0, .moved = 2};
  report.pages->scan = {.compared = 99, .equal = 99, .divergent = 0, .moved = 4};
  report.pages->looks = 3;
  return report;
}

TEST(Pages, Json_TopLevelCountsPagesAndAllFindings) {
  const Json json = to_json(pages_report(), 0, "");
  EXPECT_EQ(json["pages_compared"], 100);
  EXPECT_EQ(json["pages_equal"], 99);
  EXPECT_EQ(json["pages_moved"], 4);
  EXPECT_EQ(json["pages_divergent"], 3);
  EXPECT_EQ(json["page_tables"]["vmas"]["equal"], 18);
  EXPECT_EQ(json["page_tables"]["bpf"]["compared"], 30);
  EXPECT_FALSE(to_json(equal_report(), 0, "").contains("pages_compared"));
}

TEST(Pages, Text_HasALineOfItsOwn) {
  EXPECT_NE(report_text(pages_report())
                .find("page tables: pages_compared=100 pages_equal=99 pages_moved=4 "
                      "pages_divergent=3 looks=3"),
            std::string::npos);
  EXPECT_EQ(report_text(equal_report()).find("pages_compared"), std::string::npos);
}

TEST(Pages, NothingWalkedToByBpf_Is2WhereThereIsBpf) {
  CheckReport report = pages_report();
  report.pages->walks = {};
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
  report.pages->walks_state = "cannot load the BPF program";
  EXPECT_EQ(code_of(report), kExitEqual);
  EXPECT_NE(report_text(report).find("cannot load the BPF program"), std::string::npos);
}

TEST(Pages, NothingScanned_Is2WhereThereIsAScan) {
  CheckReport report = pages_report();
  report.pages->scan = {};
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
  report.pages->scan_state = "not available";
  EXPECT_EQ(code_of(report), kExitEqual);
}

TEST(Pages, NoneCompared_Is2) {
  CheckReport report = pages_report();
  EXPECT_EQ(code_of(report), kExitEqual);
  report.pages->pages.compared = 0;
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
  report.pages->looks = 0;
  EXPECT_EQ(code_of(report), kExitCouldNotCheck);
}

}  // namespace
}  // namespace svma
