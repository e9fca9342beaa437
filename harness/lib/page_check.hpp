// SPDX-License-Identifier: GPL-2.0-only
// Compares the module's reading of page tables with what /proc says of them.
//
//   layout S1   runs   frames   pagemap and its scan, smaps, status, BPF   frames   runs   layout
//   S2
//
// S1 == S2: the same layout. Faults change pages without changing the layout, so a page counts only
// if both runs say the same of it, a VMA's sums only if nothing in it changed, accessed and dirty
// bits and its frames' counts included. What differs is read again; only what differs every time
// stands, anything else has moved. A process that is stopped shows no such movement.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "lib/device.hpp"
#include "lib/freezer.hpp"
#include "lib/oracle_pages.hpp"
#include "lib/page_compare.hpp"
#include "lib/page_entry.hpp"
#include "lib/page_scan.hpp"
#include "lib/pages.hpp"
#include "lib/tally.hpp"

namespace svma {

// REQUIRES: nothing; throws where /proc/kpageflags can't be read.
ProcTraits proc_traits();

class PageCheck {
 public:
  // `cookie_factor` is that of OracleBpf.
  PageCheck(Device& device, uint64_t cookie_factor);

  // One look at the mm that `pid` has. `whole`: all of it; else a part of bounded size, the next
  // one of a large process each time. `still`: the whole family is stopped; else what depends on
  // how many map a page may differ from one file of /proc to the next, again and again, as when a
  // relative forks all the time: such differences have moved. A page that is given back and taken
  // again all the time may look the same before and after, and be gone in between, reading after
  // reading; so what still differs must differ in a reading during which the process took no fault,
  // too: while `stop` holds the family, or by chance. What it counts is in tally(), too.
  using Stop = std::function<std::unique_ptr<Freezer::Frozen>()>;  // null: it can't be
  struct Sample {
    Comparison comparison;
    uint64_t moved = 0;
    bool all_moved = false;  // nothing was compared
  };
  Sample look(uint64_t mm_id, pid_t pid, bool whole, bool still, const Stop& stop);

  // Drops what is kept of all mms but these.
  void retain(const std::unordered_set<uint64_t>& mm_ids);

  const PageTally& tally() const { return tally_; }
  // "on", or why BPF reads no page tables here.
  const std::string& walks_state() const { return walks_state_; }
  // "on", or why there is no PAGEMAP_SCAN.
  const std::string& scan_state() const { return scan_state_; }

 private:
  // Half-open; all of user space: what is counted for the whole process is compared, too.
  struct Window {
    uint64_t start = 0;
    uint64_t end = SVMA_NONE;
    uint64_t salt = 0;  // chooses the addresses that BPF walks to
    size_t walks = 0;   // how many, about

    bool all() const { return start == 0 && end == SVMA_NONE; }
  };

  // Neighbouring entries of pagemap in one VMA.
  struct Words {
    uint64_t start = 0;
    std::vector<PageEntry> entries;
  };

  // Of the pages that a process has at once.
  struct Peak {
    uint64_t seen = 0;
    uint64_t printed = 0;
  };

  struct Counters {
    PageCounters tables;
    PageCounters status;
    CounterError error;
  };

  struct Reading {
    Window window;
    bool quiet = false;  // no fault meanwhile
    Layout layout;
    std::vector<svma_page_run> before;
    std::vector<svma_page_run> after;
    Frames frames;
    Frames frames_after;
    std::vector<Words> words;
    std::vector<ScanRegion> scanned;
    std::vector<SmapsRecord> smaps;
    std::optional<Counters> counters;
    std::vector<PairOfWalks> walks;
    std::vector<Barren> barren;   // that were looked at
    std::vector<Barren> fertile;  // those of them in which there is a table
  };

  // The kinds of answers, as PageTally has them.
  struct Found {
    Comparison pages, vmas, entries, tables, counters, walks, scan;
    uint64_t pages_moved = 0, vmas_moved = 0, walks_moved = 0, scan_moved = 0;
    uint64_t counters_moved = 0;
    bool quiet = false;  // as the reading was
  };

  Window choose_window(uint64_t mm_id, pid_t pid, bool whole);
  std::optional<Reading> read(uint64_t mm_id, pid_t pid, const Window& window);
  bool read_words(pid_t pid, const Window& window, Reading& reading);
  Frames read_frames(const Reading& reading) const;
  std::optional<Counters> read_counters(uint64_t mm_id, pid_t pid, uint64_t deposited);
  std::vector<uint64_t> choose_places(const Reading& reading) const;
  bool read_walks(uint64_t mm_id, pid_t pid, Reading& reading);
  bool read_barren(uint64_t mm_id, const Window& window, Reading& reading);
  Found compare(const Reading& reading) const;
  void compare_scanned(const Reading& reading, Found& found) const;
  void compare_vmas(const Reading& reading, Found& found) const;
  void settle(Found& found, uint64_t mm_id, pid_t pid, const Window& window, bool still,
              const Stop& stop);

  Device& device_;
  Pages pages_;
  std::string walks_state_ = "on";
  std::unique_ptr<OraclePages> oracle_;  // null: not here
  ProcTraits traits_;
  std::string scan_state_ = "on";
  ScanTraits scan_;
  bool threads_keep_counts_;
  PageTally tally_;
  std::map<uint64_t, uint64_t> next_;  // mm_id -> where the next look begins
  std::map<uint64_t, Peak> peaks_;     // by mm_id
};

}  // namespace svma
