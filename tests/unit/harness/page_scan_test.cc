// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_scan.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "lib/page_compare.hpp"

namespace svma::test {
namespace {

constexpr uint64_t kStart = 0x100000000000;
constexpr uint64_t kUffdWpVma = 0x1000;
constexpr ScanTraits kOld{.categories = 0xff, .written_everywhere = true};
constexpr ScanTraits kNew{.categories = 0x1ff, .written_everywhere = false};

svma_page_run run_of(uint64_t page, uint8_t kind, uint32_t flags, uint32_t count = 1,
                     uint8_t shift = kPageShift) {
  svma_page_run run{};
  run.start = kStart + page * kPageSize;
  run.target = 100 + page;
  run.count = count;
  run.flags = flags;
  run.kind = kind;
  run.page_shift = shift;
  return run;
}

uint64_t categories(const svma_page_run& run, uint64_t vm_flags = 0,
                    const ScanTraits& traits = kNew) {
  return expected_categories(&run, run.start, vm_flags, Frames(), traits).value;
}

TEST(Scan, Kinds) {
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_PAGE, SVMA_PTE_ANON)), kScanPresent);
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_PAGE, SVMA_PTE_FILE)), kScanPresent | kScanFile);
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_PAGE, SVMA_PTE_ANON, 1, kPmdShift)),
            kScanPresent | kScanHuge);
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_ZERO, 0)), kScanPresent | kScanPfnZero);
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_SWAP, SVMA_PTE_SOFT_DIRTY)),
            kScanSwapped | kScanSoftDirty);
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_PAGE, SVMA_PTE_ANON), kVmSoftDirty),
            kScanPresent | kScanSoftDirty);
  EXPECT_EQ(categories(run_of(0, SVMA_ENTRY_SWAP, 0), kVmHugetlb), kScanSwapped | kScanHuge);
}

TEST(Scan, Guard_OnlyWhereItIsKnown) {
  svma_page_run guard = run_of(0, SVMA_ENTRY_MARKER, 0);
  guard.target = SVMA_MARKER_GUARD;
  EXPECT_EQ(categories(guard), kScanSwapped | kScanGuard);
  EXPECT_EQ(categories(guard, 0, kOld), kScanSwapped | kScanWritten);
}

TEST(Scan, Written_IsWhatIsNotMarked) {
  const svma_page_run plain = run_of(0, SVMA_ENTRY_PAGE, SVMA_PTE_ANON);
  const svma_page_run marked = run_of(0, SVMA_ENTRY_PAGE, SVMA_PTE_ANON | SVMA_PTE_UFFD_WP);
  EXPECT_EQ(categories(plain, 0, kOld), kScanPresent | kScanWritten);
  EXPECT_EQ(categories(marked, 0, kOld), kScanPresent);
  EXPECT_EQ(categories(plain, kUffdWpVma), kScanPresent | kScanWritten);
  EXPECT_EQ(categories(marked, kUffdWpVma), kScanPresent);
}

TEST(Scan, WhoseIsNotKnown_IsNotJudged) {
  const svma_page_run migrating = run_of(0, SVMA_ENTRY_MIGRATION, 0);
  EXPECT_FALSE(expected_categories(&migrating, kStart, 0, Frames(), kNew).mask & kScanFile);
  const svma_page_run plain = run_of(0, SVMA_ENTRY_PAGE, 0);
  EXPECT_FALSE(expected_categories(&plain, kStart, 0, Frames(), kNew).mask & kScanFile);
  EXPECT_TRUE(expected_categories(&plain, kStart, 0, Frames(), kNew).mask & kScanWpAllowed);
  EXPECT_FALSE(expected_categories(&plain, kStart, kUffdWpVma, Frames(), kNew).mask &
               kScanWpAllowed);
}

Comparison compared(std::vector<ScanRegion> regions, std::vector<svma_page_run> runs,
                    uint64_t vm_flags = 0) {
  const Vma vma{kStart, kStart + 64 * kPageSize, vm_flags, 0, 0, 0};
  uint64_t moved = 0;
  const auto result =
      compare_scan(vma, vma.start, vma.end, regions, runs, runs, Frames(), kNew, moved);
  EXPECT_EQ(moved, 0u);
  return result;
}

ScanRegion region(uint64_t from, uint64_t to, uint64_t bits) {
  return {kStart + from * kPageSize, kStart + to * kPageSize, bits};
}

TEST(Scan, EachPageThatEitherSideHas) {
  const std::vector runs{run_of(3, SVMA_ENTRY_PAGE, SVMA_PTE_ANON, 4),
                         run_of(10, SVMA_ENTRY_ZERO, 0, 2)};
  const ScanRegion pages = region(3, 7, kScanPresent);
  const ScanRegion zero = region(10, 12, kScanPresent | kScanPfnZero);
  EXPECT_EQ(compared({pages, zero}, runs).equal, 6u);
  EXPECT_EQ(compared({pages}, runs).divergent, 2u) << "not told";
  EXPECT_EQ(compared({pages, zero, region(20, 23, kScanSwapped)}, runs).divergent, 3u)
      << "told, but not there";
  for (uint64_t bit = 1; bit < 0x200; bit <<= 1)
    EXPECT_EQ(compared({region(3, 7, kScanPresent ^ bit), zero}, runs).divergent, 4u) << bit;
}

TEST(Scan, PfnMap_IsNotScanned) {
  const std::vector runs{run_of(3, SVMA_ENTRY_SPECIAL, 0, 4)};
  EXPECT_EQ(compared({}, runs, kVmPfnMap).compared, 0u);
  EXPECT_EQ(compared({region(3, 4, kScanPresent)}, runs, kVmPfnMap).divergent, 1u);
}

TEST(Scan, ChangedMeanwhile_Moved) {
  const Vma vma{kStart, kStart + 64 * kPageSize, 0, 0, 0, 0};
  const std::vector runs{run_of(3, SVMA_ENTRY_PAGE, SVMA_PTE_ANON, 4)};
  uint64_t moved = 0;
  EXPECT_EQ(compare_scan(vma, vma.start, vma.end, {}, runs, {}, Frames(), kNew, moved).compared,
            0u);
  EXPECT_EQ(moved, 4u);
}

}  // namespace
}  // namespace svma::test
