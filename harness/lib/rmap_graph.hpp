// SPDX-License-Identifier: GPL-2.0-only
// Which VMA is linked to which anon_vma, rebuilt from what was put into the trees of anon_vmas and
// taken out. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "bpf/svma_rmap.h"
#include "lib/rmap_topology.hpp"

namespace svma {

// Invariants: holds the entries of every mm that was born since it began or since lost().
class RmapGraph {
 public:
  void apply(const svma_rmap_event& event);

  // Events went by: nothing is known any more.
  void lost();

  // The chains of an mm as sets: of each entry only its anon_vma is told, in no order. nullopt: it
  // is not known from its birth on.
  std::optional<RmapTopology> topology(uint64_t mm_cookie) const;

 private:
  struct Entry {
    uint64_t start;
    uint64_t end;
    uint64_t anon_vma;
  };

  void remove(uint64_t entry);

  std::unordered_map<uint64_t, std::unordered_map<uint64_t, Entry>> mms_;  // mm, entry
  std::unordered_map<uint64_t, uint64_t> mm_of_;                           // by entry
};

// Compares VMA by VMA: both must have the same anon_vmas, by the names that `renaming` knows.
RmapComparison compare_membership(const RmapTopology& shadow, const RmapTopology& live,
                                  const RmapRenaming& renaming);

}  // namespace svma
