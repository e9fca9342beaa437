// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_scan.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "lib/error.hpp"
#include "lib/fd.hpp"
#include "lib/page_compare.hpp"

namespace svma {
namespace {

constexpr uint64_t kBase = kScanWpAllowed | kScanWritten | kScanFile | kScanPresent | kScanSwapped |
                           kScanPfnZero | kScanHuge | kScanSoftDirty;
constexpr uint64_t kVmUffdWp = 0x1000;

// struct pm_scan_arg, include/uapi/linux/fs.h in v6.12; older headers have none.
struct ScanQuestion {
  uint64_t size = sizeof(ScanQuestion);
  uint64_t flags = 0;
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t walk_end = 0;
  uint64_t vec = 0;
  uint64_t vec_len = 0;
  uint64_t max_pages = 0;
  uint64_t category_inverted = 0;
  uint64_t category_mask = 0;
  uint64_t category_anyof_mask = 0;
  uint64_t return_mask = 0;
};
constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanQuestion);

// RETURNS: how many regions there are, or -1.
int scan_part(const Fd& pagemap, ScanQuestion& question, std::vector<ScanRegion>& part,
              uint64_t categories) {
  question.vec = reinterpret_cast<uint64_t>(part.data());
  question.vec_len = part.size();
  question.category_anyof_mask = kScanPresent | kScanSwapped;
  question.return_mask = categories;
  return ioctl(pagemap.get(), kPagemapScan, &question);
}

void set(ScanWord& word, uint64_t bit, bool value) {
  word.mask |= bit;
  if (value) word.value |= bit;
}

std::string categories_text(uint64_t categories) {
  static constexpr const char* kNames[] = {
      "wp-allowed", "written", "file", "present", "swapped", "zero", "huge", "soft-dirty", "guard"};
  std::string text;
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (categories >> i & 1) text += fmt::format("{}{}", text.empty() ? "" : " ", kNames[i]);
  return text.empty() ? "nothing" : text;
}

void expect_owner(ScanWord& word, const svma_page_run& run, uint64_t address,
                  const Frames& frames) {
  const uint64_t frame = target_at(run, address);
  if (run.flags & (SVMA_PTE_ANON | SVMA_PTE_FILE))
    set(word, kScanFile, run.flags & SVMA_PTE_FILE);
  else if (frames.find(frame))
    set(word, kScanFile, !frames.shared_flags(frame).anonymous());
}

const ScanRegion* region_at(std::span<const ScanRegion> regions, uint64_t address) {
  const auto found =
      std::upper_bound(regions.begin(), regions.end(), address,
                       [](uint64_t place, const ScanRegion& region) { return place < region.end; });
  return found != regions.end() && found->start <= address ? &*found : nullptr;
}

// Where either side may have something next, at or behind `address`.
uint64_t next_of_interest(std::span<const ScanRegion> regions, std::span<const svma_page_run> runs,
                          uint64_t address) {
  const auto region =
      std::upper_bound(regions.begin(), regions.end(), address,
                       [](uint64_t place, const ScanRegion& other) { return place < other.end; });
  const auto run = std::upper_bound(
      runs.begin(), runs.end(), address,
      [](uint64_t place, const svma_page_run& other) { return place < end_of(other); });
  return std::max<uint64_t>(address,
                            std::min<uint64_t>(region == regions.end() ? SVMA_NONE : region->start,
                                               run == runs.end() ? SVMA_NONE : run->start));
}

}  // namespace

ScanTraits scan_traits(std::string& state) {
  ScanTraits traits;
  void* const memory = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  const Fd pagemap = open_pagemap(getpid());
  std::vector<ScanRegion> regions(1);
  ScanQuestion question;
  question.start = reinterpret_cast<uint64_t>(memory);
  question.end = question.start + kPageSize;
  for (const uint64_t categories : {kBase | kScanGuard, kBase}) {
    if (memory == MAP_FAILED || scan_part(pagemap, question, regions, categories) != 1) continue;
    traits = {categories, (regions[0].categories & kScanWritten) != 0};
    break;
  }
  // Kernels without it have no ioctl there at all.
  state = traits.categories ? "on" : fmt::format("not available ({})", errno_text(errno));
  if (memory != MAP_FAILED) munmap(memory, kPageSize);
  return traits;
}

std::optional<std::vector<ScanRegion>> scan_pages(pid_t pid, uint64_t start, uint64_t end,
                                                  const ScanTraits& traits) {
  constexpr size_t kPart = 512;
  const Fd pagemap = open_pagemap(pid);
  if (!pagemap) return std::nullopt;
  std::vector<ScanRegion> regions, part(kPart);
  ScanQuestion question;
  question.end = end;
  for (question.start = start; question.start < end; question.start = question.walk_end) {
    const int count = scan_part(pagemap, question, part, traits.categories);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == ESRCH) return std::nullopt;
    if (count < 0) throw Error("/proc/{}/pagemap: PAGEMAP_SCAN: {}", pid, errno_text(errno));
    regions.insert(regions.end(), part.begin(), part.begin() + count);
  }
  return regions;
}

ScanWord expected_categories(const svma_page_run* run, uint64_t address, uint64_t vm_flags,
                             const Frames& frames, const ScanTraits& traits) {
  const uint64_t wp_allowed = vm_flags & kVmUffdWp ? 0 : kScanWpAllowed;
  if (run == nullptr || (vm_flags & kVmPfnMap)) return {0, ~uint64_t{0}};
  if (run->kind == SVMA_ENTRY_BAD) return {};
  const bool hugetlb = vm_flags & kVmHugetlb, uffd_wp = run->flags & SVMA_PTE_UFFD_WP;
  const bool present = run->kind == SVMA_ENTRY_PAGE || run->kind == SVMA_ENTRY_ZERO ||
                       run->kind == SVMA_ENTRY_SPECIAL;
  ScanWord word{0, wp_allowed};
  set(word, kScanPresent, present);
  set(word, kScanSwapped, !present);
  set(word, kScanPfnZero, run->kind == SVMA_ENTRY_ZERO);
  set(word, kScanHuge, hugetlb || run->page_shift > kPageShift);
  set(word, kScanWritten, !uffd_wp && (traits.written_everywhere || (vm_flags & kVmUffdWp)));
  set(word, kScanSoftDirty, (vm_flags & kVmSoftDirty) || (run->flags & SVMA_PTE_SOFT_DIRTY));
  set(word, kScanGuard, run->kind == SVMA_ENTRY_MARKER && (run->target & SVMA_MARKER_GUARD));
  if (run->kind == SVMA_ENTRY_PAGE) expect_owner(word, *run, address, frames);
  // Whose the page is that migrates or is broken the module does not tell.
  else if (run->kind != SVMA_ENTRY_MIGRATION && run->kind != SVMA_ENTRY_HWPOISON &&
           run->kind != SVMA_ENTRY_DEVICE)
    set(word, kScanFile, false);
  word.mask &= traits.categories;
  word.value &= traits.categories;
  return word;
}

Comparison compare_scan(const Vma& vma, uint64_t start, uint64_t end,
                        std::span<const ScanRegion> regions, std::span<const svma_page_run> before,
                        std::span<const svma_page_run> after, const Frames& frames,
                        const ScanTraits& traits, uint64_t& moved) {
  Comparison comparison;
  RunCursor first(before), second(after);
  for (uint64_t address = next_of_interest(regions, before, start); address < end;
       address = next_of_interest(regions, before, address + kPageSize)) {
    const svma_page_run *const run = first.at(address), *const again = second.at(address);
    if (!same_entry(run, again, address)) {
      ++moved;
      continue;
    }
    const ScanRegion* const region = region_at(regions, address);
    const uint64_t told = region ? region->categories : 0;
    const ScanWord expected = expected_categories(run, address, vma.flags, frames, traits);
    // Not scanned, or nothing that the kernel writes, which others report.
    if (expected.mask == 0 || (region == nullptr && (vma.flags & kVmPfnMap))) continue;
    if ((told & expected.mask) == expected.value)
      comparison.add_equal();
    else
      comparison.add_difference(
          {std::string(kRoadScan), "page", address,
           run_text(run, address) + "; expected " + categories_text(expected.value),
           categories_text(told)});
  }
  return comparison;
}

}  // namespace svma
