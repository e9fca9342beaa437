// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include "lib/error.hpp"
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

}  // namespace
}  // namespace svma
