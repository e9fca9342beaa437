// SPDX-License-Identifier: GPL-2.0-only
// /dev/svma: every ioctl of uapi/svma.h as a function. Failures are thrown as Error, in words.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/fd.hpp"
#include "lib/journal.hpp"
#include "lib/sources.hpp"
#include "uapi/svma.h"

namespace svma {

// Shadow with its tree, as `svma maps|tree|gaps` show it.
struct TreeSnapshot {
  svma_mm mm{};
  uint64_t seq = 0;
  uint32_t health = SVMA_GONE;
  Totals totals;
  std::vector<svma_vma> vmas;
};

struct DivergenceReports {
  std::vector<svma_divergence> reports;
  uint64_t lost = 0;
};

// The chains of an mm: SVMA_IOC_CHAINS. Two with the same stamp that are not busy are the same.
struct Chains {
  std::vector<svma_chain_link> links;  // by VMA, each in the order of its list
  uint64_t stamp = 0;
  uint32_t health = SVMA_GONE;
  bool busy = false;
};

// Who may map a page: SVMA_IOC_SHARERS.
struct Sharers {
  std::vector<svma_sharer> vmas;
  uint64_t total = 0;  // more than vmas.size(): the module stopped there
  uint32_t dev = 0;
  uint64_t ino = 0;  // of the file that is mapped there, 0: none
  uint64_t page = 0;
  uint64_t anon_vma = 0;
  bool abroad = false;  // there may be others, who are not tracked
};

// What page tables hold in a range: SVMA_IOC_PAGES, put together from as many calls as it takes. A
// large range is not one moment.
struct PageTables {
  std::vector<svma_page_run> runs;  // of page_runs()
  std::vector<svma_page_sum> sums;  // of page_sums(), one for each VMA; moved ones in pieces
  uint64_t mm_id = 0;
  uint64_t seq = 0;  // of the shadow, at the last part
  uint32_t health = SVMA_GONE;
  uint64_t parts = 0;                                // how often the mmap_lock was taken
  uint64_t moved = 0;                                // VMAs that changed between two of them
  uint64_t longest_ns = 0;                           // for which it was held
  uint64_t entries = 0;                              // looked at
  std::array<uint64_t, SVMA_TABLE_LEVELS> tables{};  // by level - 1, each once
};

Vma to_vma(const svma_vma& record);
Totals to_totals(const svma_totals& totals);

// Invariants: open, and both sides speak the same ABI version. What it tracks ends with it.
class Device : public ShadowSource {
 public:
  // Opens the device and agrees on the version.
  Device();

  int fd() const { return fd_.get(); }
  const svma_version& version() const { return version_; }
  // Whether page tables are looked at where there is no VMA.
  bool sees_holes() const { return version_.features & SVMA_FEATURE_HOLES; }

  // Starts to track; RETURNS: false when somebody tracks the process already.
  bool track(pid_t pid, uint32_t flags);

  // The mms that this descriptor tracks. Re-arms poll().
  std::vector<svma_mm> list_mine();
  // Those that anybody tracks.
  std::vector<svma_mm> list_all();

  std::optional<svma_mm> mm_of_pid(pid_t pid);

  // Whole shadow of the mm of `pid`, one moment; retried while it moves. nullopt: not tracked.
  std::optional<TreeSnapshot> tree(pid_t pid);

  // Next free address by the shadow's own search; nullopt: no room. REQUIRES: `pid` is tracked.
  std::optional<uint64_t> gap(svma_gap question);

  // What bounds a search for a plain mmap(). nullopt: not tracked, or it ends just now.
  std::optional<svma_limits> limits(uint64_t mm_id);

  // Where a plain mmap() of `question.length` would go: the search of question.flags within its
  // limits, and where that fails the second one of `limits`; nowhere beyond the task's size.
  // REQUIRES: `pid` is tracked.
  std::optional<uint64_t> place(svma_gap question, const svma_limits& limits);

  // The merge conditions of the VMA at an address. nullopt: not tracked.
  std::optional<svma_why> why(uint64_t mm_id, uint64_t address);

  svma_stats stats(uint32_t flags);

  // Facts by kind; nullopt: the module does not count them by kind.
  std::optional<svma_facts> facts(uint32_t flags);

  std::vector<svma_probe> probes();
  // The choices of the semantics profile in use, in the module's order.
  std::vector<svma_semantic> semantics();
  // Comparisons with the kernel's own red-black tree; nullopt: the module has none.
  std::optional<svma_structure> structure(uint32_t flags);
  // Both trees of an mm, and what a search for `length` bytes (0: none) looks at in the shadow's.
  svma_shape shape(uint64_t mm_id, uint64_t length);
  // Comparisons of chains of anon_vmas; nullopt: the module does not know of them.
  std::optional<svma_rmap_stats> rmap(uint32_t flags);
  // The chains of all VMAs of an mm, as its shadow had them at one moment; nullopt: it is not
  // tracked any more, or changes too fast.
  std::optional<Chains> chains(uint64_t mm_id);
  // Who may map the page at `address`; of page `page` of the file `dev`:`ino`.
  Sharers sharers(pid_t pid, uint64_t address);
  Sharers sharers_of_file(uint32_t dev, uint64_t ino, uint64_t page);
  // The page tables down to `address`; nullopt: not tracked, or it ends just now. Throws when the
  // address is not one of user space.
  std::optional<svma_walk> walk(pid_t pid, uint64_t address);
  // What is mapped in [start, end), entry by entry or VMA by VMA; end SVMA_NONE: to the end of user
  // space. nullopt: not tracked, it ends just now, or never let go of its mmap_lock.
  std::optional<PageTables> page_runs(uint64_t mm_id, uint64_t start, uint64_t end);
  std::optional<PageTables> page_sums(uint64_t mm_id, uint64_t start, uint64_t end);
  DivergenceReports divergences(uint32_t capacity);

  // All about report number `index` of divergences(); nullopt past the last one.
  std::optional<svma_report> report(uint32_t index);

  // Entries from number `from` on, of the mm `mm_id` or, when that is 0, of the newest mm of `pid`;
  // also of one that has ended. nullopt: no such journal.
  std::optional<Journal> journal(uint64_t mm_id, pid_t pid, uint64_t from = 1);

  // The journal of the next mm that this descriptor tracks or has tracked, in order of mm_id.
  std::optional<Journal> journal_after(uint64_t mm_id);

  // ShadowSource.
  std::optional<ShadowView> snapshot(uint64_t mm_id) override;
  std::optional<ShadowMoment> moment_of_pid(pid_t pid) override;
  std::optional<ShadowLookup> find(uint64_t mm_id, uint64_t address) override;

 private:
  // RETURNS: 0, or the errno value.
  int call(unsigned long request, void* argument);
  // Throws on any errno but `tolerated`. RETURNS: whether it succeeded.
  bool call_or_throw(unsigned long request, void* argument, const char* name, int tolerated = 0);
  std::optional<Journal> read_journal(svma_journal question);
  // Fills `vmas` from start to end of the layout; false when not tracked or when it moved between
  // two parts.
  bool read_parts(svma_snapshot& question, std::vector<svma_vma>& vmas);
  Sharers read_sharers(svma_sharers question);
  // Asks until all of the range is told.
  template <typename Record>
  std::optional<PageTables> read_pages(svma_pages question, std::vector<Record> PageTables::*kind);
  std::vector<svma_mm> list(uint32_t flags);

  Fd fd_;
  svma_version version_{};
};

}  // namespace svma
