// SPDX-License-Identifier: GPL-2.0-only
// Compares the shadow's reverse mapping with the live one as BPF reads it.
//
//   chains: stamp C1     BPF pass     chains: stamp C2
//
// C1 == C2 and not busy both times: no VMA of this mm got another chain meanwhile. What an anon_vma
// counts, and whether a live one is the one that it was, depends on relatives, too. So a difference
// is looked at again at a *quiet* moment: no tracked mm changed and none was taken apart from
// before the reading until after it. Only one that is there then stands.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "lib/device.hpp"
#include "lib/oracle_rmap.hpp"
#include "lib/rmap_topology.hpp"
#include "lib/tally.hpp"

namespace svma {

class RmapCheck {
 public:
  RmapCheck(Device& device, uint64_t cookie_factor);

  // One comparison of the mm that `pid` has, known to BPF by `mm_cookie`. What it counts is in
  // tally(), too.
  struct Sample {
    Comparison comparison;
    uint64_t moved = 0;  // VMAs
  };
  Sample sample(uint64_t mm_id, pid_t pid, uint64_t mm_cookie);

  // Drops what is kept of all processes but these.
  void retain(const std::unordered_set<pid_t>& pids);

  const RmapTally& tally() const { return tally_; }
  // "iter/task_vma", or "none on this kernel: ..." and nothing is ever compared.
  const std::string& road() const { return road_; }

 private:
  struct Reading {
    RmapTopology shadow;
    RmapTopology live;
    bool quiet = false;
  };
  using Moments = std::map<uint64_t, uint64_t>;  // mm_id -> stamp

  std::optional<Moments> moments();
  std::optional<Reading> read(uint64_t mm_id, pid_t pid, uint64_t mm_cookie, bool quiet);
  std::optional<Reading> read_unmoved(uint64_t mm_id, pid_t pid, uint64_t mm_cookie);
  std::unordered_set<uint64_t> names_in_shadows();
  RmapComparison compare(const Reading& reading);
  Sample settle(const RmapComparison& comparison, bool quiet);

  Device& device_;
  std::unique_ptr<OracleRmap> oracle_;
  std::string road_;
  RmapRenaming renaming_;
  size_t prune_at_ = 0;
  RmapTally tally_;
  uint64_t read_last_ = 0;  // VMAs of the reading that moved last
};

}  // namespace svma
