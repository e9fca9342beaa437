// SPDX-License-Identifier: GPL-2.0-only
// Reverse mapping of one address space, as the shadow and the live kernel have it: for each VMA the
// chain of anon_vmas that its pages may belong to. Pure: no system call, no clock.
//
// Both sides tell anon_vmas by names of their own, so they are compared *up to renaming*: they are
// equal if there is a renaming, one to one, that makes one of the other. It is found on the way, by
// position in the chains, and kept for the whole run: what was the same anon_vma once stays it.
//
//   shadow   12*  9   3        12 = a, 9 = c, 3 = b; * the VMA's own
//   live     a*   c   b        then    12* 3  against  a* c    differs at position 1
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "lib/compare.hpp"
#include "uapi/svma.h"

namespace svma {

inline constexpr std::string_view kRoadRmap = "bpf rmap";
inline constexpr std::string_view kRoadRmapEvents = "bpf rmap events";

// One entry of a chain. Names are the side's own; root and parent of a root are itself.
struct RmapLink {
  uint64_t anon_vma = 0;
  uint64_t root = 0;
  uint64_t parent = 0;
  bool own = false;     // vma->anon_vma
  bool abroad = false;  // shadow: VMAs that nobody tracks may count in it
  uint32_t refcount = 0;
  uint32_t children = 0;  // with one counter: degree
  uint32_t active_vmas = 0;
};

// Of one VMA, which has at least one entry.
struct RmapChain {
  uint64_t start = 0;  // bytes, [start, end)
  uint64_t end = 0;
  std::vector<RmapLink> links;  // in the order of the VMA's list
  bool cut = false;             // the list goes on
};

// Invariants: by address.
struct RmapTopology {
  std::vector<RmapChain> chains;
  bool one_counter = false;  // live: children is the sum of both counts
};

// The shadow's answer to SVMA_IOC_CHAINS.
RmapTopology to_topology(std::span<const svma_chain_link> links);

// Which name of the live side each of the shadow's has.
// Invariants: one to one.
class RmapRenaming {
 public:
  // Whether an anon_vma of this name is still in any shadow.
  using Alive = std::function<bool(uint64_t shadow)>;

  // Makes a pair of two names. RETURNS: false when one of them has another partner. A partner that
  // is in no shadow any more is none: memory of the live one was used again, or the shadow was
  // loaded anew.
  bool join(uint64_t shadow, uint64_t live, const Alive& alive);

  // Takes back what was joined since the last keep().
  void undo();
  void keep() { joined_.clear(); }

  // 0: none. A shadow's names are never 0.
  uint64_t shadow_of(uint64_t live) const;

  size_t size() const { return live_of_.size(); }
  // Forgets all pairs but those of these names.
  void retain(const std::unordered_set<uint64_t>& shadow);

 private:
  std::unordered_map<uint64_t, uint64_t> live_of_;
  std::unordered_map<uint64_t, uint64_t> shadow_of_;
  std::vector<uint64_t> joined_;  // shadow's names since keep()
};

// A VMA whose chains differ, and in what first. `counted`: the chains are the same, but an anon_vma
// counts otherwise, which relatives may be about to change.
struct RmapDifference {
  Difference difference;
  bool counted = false;
};

// Invariants: compared == equal + differences.size(). VMAs.
struct RmapComparison {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t cut = 0;  // of the compared ones: only the beginning of the chain was
  std::vector<RmapDifference> differences;
};

// Compares VMA by VMA. Pairs that a VMA with equal chains implies are joined, those of other VMAs
// are not. Counts take part where nobody abroad does; a live refcount may be higher (KSM and
// migration hold anon_vmas, too).
RmapComparison compare_topologies(const RmapTopology& shadow, const RmapTopology& live,
                                  RmapRenaming& renaming, const RmapRenaming::Alive& alive);

}  // namespace svma
