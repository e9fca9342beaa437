// SPDX-License-Identifier: GPL-2.0-only
// Compares the shadow's reverse mapping with the live one as BPF reads it.
//
//   chains: stamp C1     BPF pass     chains: stamp C2
//
// C1 == C2 and not busy both times: no VMA of this mm got another chain meanwhile. What an anon_vma
// counts, and whether a live one is the one that it was, depends on relatives, too. So a difference
// is looked at again at a *quiet* moment: no tracked mm changed and none was taken apart from
// before the reading until after it. Only one that is there then stands.
//
// A second account of the live side is put together from events (RmapGraph), and is compared at the
// same moments.
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
#include "lib/rmap_graph.hpp"
#include "lib/rmap_topology.hpp"
#include "lib/tally.hpp"

namespace svma {

class RmapCheck {
 public:
  // `wanted`: false attaches nothing and compares nothing.
  RmapCheck(Device& device, uint64_t cookie_factor, bool wanted);

  // One comparison of the mm that `pid` has, known to BPF by `mm_cookie`. What it counts is in
  // tally(), too.
  struct Sample {
    Comparison comparison;
    uint64_t moved = 0;  // VMAs
  };
  Sample sample(uint64_t mm_id, pid_t pid, uint64_t mm_cookie);

  // Takes the events that are there, so that the ring does not fill up.
  void drain();

  // Drops what is kept of all processes but these.
  void retain(const std::unordered_set<pid_t>& pids);

  const RmapTally& tally() const { return tally_; }
  // The same for what events tell; "on", or why there are none, and how many were lost.
  const RmapTally& events() const { return events_; }
  std::string events_state() const { return oracle_ ? oracle_->events_state() : road_; }
  uint64_t lost() const { return lost_; }
  // "iter/task_vma"; "off" or "none on this kernel: ...": nothing is ever compared.
  const std::string& road() const { return road_; }

 private:
  struct Reading {
    RmapTopology shadow;
    RmapTopology live;
    std::optional<RmapTopology> linked;  // by events
    bool quiet = false;
  };
  using Moments = std::map<uint64_t, uint64_t>;  // mm_id -> stamp

  std::optional<Moments> moments();
  std::optional<Reading> read(uint64_t mm_id, pid_t pid, uint64_t mm_cookie, bool quiet);
  std::optional<Reading> read_unmoved(uint64_t mm_id, pid_t pid, uint64_t mm_cookie);
  std::unordered_set<uint64_t> names_in_shadows();
  struct Found {
    RmapComparison chains;
    RmapComparison links;

    bool equal() const { return chains.differences.empty() && links.differences.empty(); }
  };

  bool caught_up();
  Found compare(const Reading& reading);
  static Sample settle(const RmapComparison& comparison, bool quiet, RmapTally& tally);

  Device& device_;
  std::unique_ptr<OracleRmap> oracle_;
  std::string road_;
  RmapRenaming renaming_;
  size_t prune_at_ = 0;
  RmapTally tally_;
  RmapGraph graph_;
  RmapTally events_;
  uint64_t lost_ = 0;
  uint64_t silences_ = 0;
  uint64_t read_last_ = 0;  // VMAs of the reading that moved last
};

}  // namespace svma
