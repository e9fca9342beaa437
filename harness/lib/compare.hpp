// SPDX-License-Identifier: GPL-2.0-only
// Comparing what the shadow says with what the live kernel said. Pure: no system call, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/layout.hpp"

namespace svma {

// The roads to the live side, as reports name them.
inline constexpr std::string_view kRoadBpf = "bpf iterator";
inline constexpr std::string_view kRoadStatus = "/proc/PID/status";
inline constexpr std::string_view kRoadSmaps = "/proc/PID/smaps";
inline constexpr std::string_view kRoadQuery = "PROCMAP_QUERY";

// One answer on which shadow and live side differ.
struct Difference {
  std::string road;
  std::string field;     // "layout", "flags,pgoff", "total_vm", "find_vma", ...
  uint64_t address = 0;  // 0 for counters
  std::string shadow;
  std::string live;

  bool operator==(const Difference&) const = default;
};

// Invariants: compared == equal + divergent, and divergent == differences.size().
struct Comparison {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t divergent = 0;
  std::vector<Difference> differences;

  void add_equal();
  void add_difference(Difference difference);
  void add(Comparison other);
};

// find_vma(addr) as one side answers it: the first VMA with end > addr, and the last with end <=
// addr.
struct Lookup {
  std::optional<Vma> vma;
  std::optional<Vma> prev;

  bool operator==(const Lookup&) const = default;
};

// Counters of /proc/PID/status, in pages. exec_vm is VmExe + VmLib, which is exact: both are whole
// pages.
struct StatusCounters {
  uint64_t total_vm = 0;
  uint64_t data_vm = 0;
  uint64_t exec_vm = 0;
  uint64_t stack_vm = 0;
  uint64_t locked_vm = 0;
};

// Compares VMA by VMA: one answer for each record. The two lists are aligned by address, so that
// one missing or additional VMA is one divergence and the rest still compares equal.
Comparison compare_layouts(const Layout& shadow, const Layout& live, std::string_view road);

// Six answers: the mm's own totals; and a seventh, map_count against the number of live VMAs.
Comparison compare_totals(const Totals& shadow, const Totals& live, size_t live_vmas);

// Five answers: the counters of /proc/PID/status.
Comparison compare_status(const Totals& shadow, const StatusCounters& live);

// As many answers as smaps has records. Only what smaps can show takes part: kSmapsFlags, and pgoff
// of files.
Comparison compare_smaps(const Layout& shadow, const Layout& live);

// The vm_flags that PROCMAP_QUERY tells.
inline constexpr uint64_t kQueryFlags = kVmRead | kVmWrite | kVmExec | kVmMayShare;

// Two answers: the VMA that covers `address`, and that or the first one behind it.
// `shadow`: find_vma(address) on the shadow.
Comparison compare_query(uint64_t address, const Lookup& shadow, const std::optional<Vma>& covering,
                         const std::optional<Vma>& next);

// As many answers as the walk has records, by what PROCMAP_QUERY tells of each.
Comparison compare_query_walk(const Layout& shadow, const Layout& live);

// One answer: find_vma(address) on the shadow against the same question asked of the live layout.
Comparison compare_lookup(uint64_t address, const Lookup& shadow, const Layout& live);

// find_vma and its lower neighbour on a layout. O(log n).
Lookup find_in(const Layout& layout, uint64_t address);

// Addresses worth asking about, spread over the layout by `random`: starts, last bytes, ends, the
// middle of holes.
std::vector<uint64_t> pick_addresses(const Layout& layout, unsigned count, uint64_t random);

}  // namespace svma
