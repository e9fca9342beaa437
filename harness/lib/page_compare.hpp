// SPDX-License-Identifier: GPL-2.0-only
// What the module says of page tables, held against pagemap, smaps, /proc/PID/status and the
// layout. Pure.
//
// Everything is calculated from the module's runs and from what /proc/kpagecount and
// /proc/kpageflags say of the frames in them, by the rules of fs/proc/task_mmu.c and
// fs/proc/page.c. These are the same from v5.10 to v7.3 but for:
//   - neither walks a VMA with VM_PFNMAP (walk_page_test() in mm/pagewalk.c); on all of them;
//   - userfaultfd-wp is in pagemap in v6.1, not in v5.10;
//   - the huge zero page is a page of a file in pagemap up to v6.12, and none in v7.3;
//   - all 512 entries of a huge page get one exclusive bit, that of the first, but in v6.12;
//   - migration entries count as private pages in smaps up to v6.1, later as shared ones. They come
//     and go, so a VMA that has one is not compared;
//   - counters of /proc/PID/status are summed up over all CPUs in v6.12.117 and v7.3 (task_mem());
//     before v6.2 (f1a7941243c1) each thread keeps back what its last faults have counted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/svma_pages.h"
#include "lib/compare.hpp"
#include "lib/pages.hpp"
#include "lib/smaps.hpp"
#include "uapi/svma.h"

namespace svma {

inline constexpr std::string_view kRoadPagemap = "/proc/PID/pagemap";
inline constexpr std::string_view kRoadSmapsPages = "/proc/PID/smaps, pages";
inline constexpr std::string_view kRoadPageTables = "bpf page tables";
inline constexpr std::string_view kRoadLayout = "page tables and layout";

inline constexpr uint64_t kVmPfnMap = 0x400;
inline constexpr uint64_t kVmLocked = 0x2000;
inline constexpr uint64_t kVmHugetlb = 0x400000;
inline constexpr uint64_t kVmSoftDirty = 0x08000000;
inline constexpr unsigned kVmPkeyShift = 32;  // VM_PKEY_BIT0; four of them on x86

inline constexpr unsigned kPageShift = 12;
inline constexpr unsigned kPmdShift = 21;

// What this kernel's /proc can tell.
struct ProcTraits {
  bool pagemap_uffd_wp = true;
  // A page is referenced by its entry or PG_referenced. Where there is CONFIG_PAGE_IDLE_FLAG, for
  // DAMON or idle page tracking, PG_young, too, which kpageflags does not show.
  bool referenced = true;
};

// End of the last entry, exclusive.
uint64_t end_of(const svma_page_run& run);
// What the entry that maps `address` holds there: of a page in the middle of a huge one its own
// frame. REQUIRES: `address` is in the run.
uint64_t target_at(const svma_page_run& run, uint64_t address);

// Whether both say the same of an address, accessed and dirty bits aside. nullptr: no entry.
bool same_entry(const svma_page_run* a, const svma_page_run* b, uint64_t address);

// What of the runs lies in [start, end), cut there. REQUIRES: they are ascending, as everywhere
// here.
std::vector<svma_page_run> runs_in(std::span<const svma_page_run> runs, uint64_t start,
                                   uint64_t end);
// Joins runs that the end of a call has cut.
std::vector<svma_page_run> joined(std::span<const svma_page_run> runs);
// Whether both say the same, accessed and dirty bits included.
bool same_runs(std::span<const svma_page_run> a, std::span<const svma_page_run> b);

// Whether both say the same of all frames that the runs map, as far as smaps depends on it.
bool same_frames(std::span<const svma_page_run> runs, const Frames& a, const Frames& b);

// Looks up pages in runs by address, cheapest for neighbours.
class RunCursor {
 public:
  explicit RunCursor(std::span<const svma_page_run> runs) : runs_(runs) {}
  // nullptr: no entry.
  const svma_page_run* at(uint64_t address);

 private:
  std::span<const svma_page_run> runs_;
  size_t next_ = 0;
};

// What pagemap must say of a page: the bits of `mask` are those of `value`.
struct PagemapWord {
  uint64_t value = 0;
  uint64_t mask = 0;
};

// `run`: nullptr when there is no entry.
PagemapWord expected_word(const svma_page_run* run, uint64_t address, uint64_t vm_flags,
                          const Frames& frames, const ProcTraits& traits);

// One answer for each page of [start, start + words) that either side has something for, and that
// `before` and `after` agree on; the others are added to `moved`. REQUIRES: all in one VMA.
Comparison compare_pagemap(const Vma& vma, uint64_t start, std::span<const PageEntry> words,
                           std::span<const svma_page_run> before,
                           std::span<const svma_page_run> after, const Frames& frames,
                           const ProcTraits& traits, uint64_t& moved);

// What smaps prints of a VMA, in bytes; *pss are shifted by kPssShift.
struct SmapsSums {
  uint64_t rss = 0, pss = 0, pss_dirty = 0;
  uint64_t shared_clean = 0, shared_dirty = 0, private_clean = 0, private_dirty = 0;
  uint64_t referenced = 0, anonymous = 0, lazy_free = 0;
  uint64_t anon_huge = 0, shmem_huge = 0, file_huge = 0;
  uint64_t hugetlb = 0;  // shared and private together: shared tables are not visible
  uint64_t swap = 0;     // without what a shmem file has swapped out
  uint64_t locked = 0;   // shifted, too
};
inline constexpr unsigned kPssShift = 12;

// nullopt: there is an entry that smaps counts in a way of its own kernel (migration, device), or a
// frame that kpagecount does not know. REQUIRES: `runs` are those of the VMA.
std::optional<SmapsSums> smaps_sums(const Vma& vma, std::span<const svma_page_run> runs,
                                    const Frames& frames);

// One answer: all fields of the VMA. Swap of a file may be more than its page tables tell.
Comparison compare_smaps_sums(const Vma& vma, const SmapsSums& sums, const SmapsRecord& record,
                              const ProcTraits& traits);

// Whether nothing differs but what also changes when somebody else maps or unmaps the page: Pss,
// shared and private sums, the exclusive bit of pagemap.
bool depends_on_sharers(const Difference& difference);

// One answer for each run: it lies in a VMA, and allows nothing that the VMA does not. `window`:
// what the runs were read of.
Comparison compare_entries_with_layout(const Layout& layout, std::span<const svma_page_run> runs,
                                       const Frames& frames);

// A range in which no table of `level` may be, since it is as large as what one spans and no VMA
// reaches into it: free_pgtables() frees these with the last VMA.
struct Barren {
  uint64_t start = 0;
  uint64_t end = 0;
  unsigned level = 0;  // 1 pte, 2 pmd, 3 pud

  bool operator==(const Barren&) const = default;
};

// Those of the holes of a layout between `from` and `to`. At most `most`, the largest level first
// in each hole.
std::vector<Barren> barren_ranges(const Layout& layout, uint64_t from, uint64_t to, size_t most);

// Counters of /proc/PID/status, in pages; page_tables in tables.
struct PageCounters {
  uint64_t anon = 0;
  uint64_t file = 0;
  uint64_t shmem = 0;
  uint64_t swap = 0;
  uint64_t page_tables = 0;
  uint64_t peak = 0;  // the most of the first three together; of sums: as far as it was seen

  uint64_t resident() const { return anon + file + shmem; }
};
std::optional<PageCounters> parse_page_counters(std::string_view status);

// The same from what the module counted. nullopt: something is being migrated, whose kind isn't
// known.
std::optional<PageCounters> counters_of(std::span<const svma_page_sum> sums,
                                        const std::array<uint64_t, SVMA_TABLE_LEVELS>& tables,
                                        uint64_t deposited);

// Page tables that wait behind huge pages for the day they are split: one for each anonymous and
// each huge zero page of 2 MiB. They count in VmPTE (mm_inc_nr_ptes in mm/huge_memory.c, v5.10 to
// v7.3).
uint64_t deposited_tables(const Layout& layout, std::span<const svma_page_run> runs);

// Whether both have the same huge pages of 2 MiB at the same places, so that as many tables waited
// behind them all the time from the one reading to the other.
bool same_huge_pages(std::span<const svma_page_run> a, std::span<const svma_page_run> b);

// How far a counter may be from the truth, in pages.
struct CounterError {
  uint64_t anon = 0;
  uint64_t file = 0;  // likewise shmem: a fault maps up to 16 pages around it
  uint64_t swap = 0;
  uint64_t peak = 0;
};
// Before v6.2: a thread hands on what it counted when it has had more than 64 faults
// (check_sync_rss_stat() in mm/memory.c).
CounterError error_of_threads(uint64_t threads);
// Since then: the peak is noted from what processors have not kept to themselves
// (get_mm_counter() and percpu_counter_batch in v6.12).
CounterError error_of_processors(uint64_t processors);

// Six answers. VmHWM is not less than what was ever seen: the kernel notes it before it takes pages
// away (update_hiwater_rss()).
Comparison compare_page_counters(const PageCounters& tables, const PageCounters& status,
                                 const CounterError& error);

// One answer: the raw entries of all levels down to the last one, accessed and dirty bits aside
// when `running`.
Comparison compare_walks(const svma_walk& module, const svma_bpf_walk& live, bool running);

// "page frame 0x1234 write anonymous" of an entry.
std::string run_text(const svma_page_run* run, uint64_t address);

}  // namespace svma
