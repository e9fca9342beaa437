// SPDX-License-Identifier: GPL-2.0-only
// PAGEMAP_SCAN, what it must say by what the module told of page tables, and whether it does.
//
// The ioctl on /proc/PID/pagemap (52526ca7fdb9, v6.7) tells ranges of pages by category. The rules
// are those of fs/proc/task_mmu.c in v6.12 and v7.3 (pagemap_page_category(), _thp_, _hugetlb_):
//   - PAGE_IS_WRITTEN is what is not marked by userfaultfd-wp; in v7.3 only in VMAs that are
//     registered for it, in v6.12 in all. A page of this process tells which (ScanTraits).
//   - PAGE_IS_HUGE is a huge page in one entry, and everything of hugetlbfs.
//   - PAGE_IS_FILE asks for the page as vm_normal_page() does: not the zero pages, whose huge one
//     pagemap itself calls a file's up to v6.12.
//   - Unlike in pagemap, PAGE_IS_SOFT_DIRTY and _SWAPPED are told of hugetlbfs, too.
//   - PAGE_IS_WPALLOWED depends on features of a userfaultfd that nothing shows; it is compared
//     where there is none. PAGE_IS_GUARD is there in v7.3.
//   - VMAs with VM_PFNMAP are left out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/compare.hpp"
#include "lib/layout.hpp"
#include "lib/pages.hpp"
#include "uapi/svma.h"

namespace svma {

inline constexpr std::string_view kRoadScan = "PAGEMAP_SCAN";

// Categories, include/uapi/linux/fs.h in v7.3.
inline constexpr uint64_t kScanWpAllowed = 1 << 0;
inline constexpr uint64_t kScanWritten = 1 << 1;
inline constexpr uint64_t kScanFile = 1 << 2;
inline constexpr uint64_t kScanPresent = 1 << 3;
inline constexpr uint64_t kScanSwapped = 1 << 4;
inline constexpr uint64_t kScanPfnZero = 1 << 5;
inline constexpr uint64_t kScanHuge = 1 << 6;
inline constexpr uint64_t kScanSoftDirty = 1 << 7;
inline constexpr uint64_t kScanGuard = 1 << 8;

// What this kernel can tell.
struct ScanTraits {
  uint64_t categories = 0;         // that it knows; 0: it does not scan
  bool written_everywhere = true;  // else in VMAs with VM_UFFD_WP
};

// Neighbouring pages of the same categories; struct page_region.
struct ScanRegion {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t categories = 0;
};

// Asks about a page of this process. `state`: "on", or why it does not scan.
ScanTraits scan_traits(std::string& state);

// What is present or swapped in [start, end). nullopt: the process has ended.
std::optional<std::vector<ScanRegion>> scan_pages(pid_t pid, uint64_t start, uint64_t end,
                                                  const ScanTraits& traits);

// What must be said of a page: the categories of `mask` are those of `value`.
struct ScanWord {
  uint64_t value = 0;
  uint64_t mask = 0;
};
// `run`: nullptr when there is no entry.
ScanWord expected_categories(const svma_page_run* run, uint64_t address, uint64_t vm_flags,
                             const Frames& frames, const ScanTraits& traits);

// One answer for each page of the VMA in [start, end) that either side has something for, and that
// `before` and `after` agree on; the others are added to `moved`.
Comparison compare_scan(const Vma& vma, uint64_t start, uint64_t end,
                        std::span<const ScanRegion> regions, std::span<const svma_page_run> before,
                        std::span<const svma_page_run> after, const Frames& frames,
                        const ScanTraits& traits, uint64_t& moved);

}  // namespace svma
