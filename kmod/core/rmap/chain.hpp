// SPDX-License-Identifier: GPL-2.0-only
//
// The two sides of a chain entry, in one step each: shared by anon_vma.cc and change.cc.
#pragma once

#include "base/mutation.hpp"
#include "rmap/rmap_vma.hpp"

namespace svma {

// Into the list of `vma`, at its head.
inline void anon_vma_chain_assign(RmapVma* vma, AnonVmaChain* avc, AnonVma* anon_vma) {
  avc->vma = vma;
  avc->anon_vma = anon_vma;
  AnonVmaChain* const behind =
      mutated(Mutation::rmap_chain_at_tail) ? vma->anon_vma_chain.tail() : nullptr;
  vma->anon_vma_chain.insert_after(behind, avc);
}

// Into the tree of its anon_vma, by the bounds that its VMA has now.
inline void anon_vma_interval_tree_insert(AnonVmaChain* avc) {
  const RmapBounds& bounds = avc->vma->bounds;
  avc->cached_start = bounds.anon_pgoff.value();
  avc->cached_last = last_index(bounds.anon_pgoff, bounds.range.pages());
  avc->anon_vma->rb_root.insert(avc);
}

inline void anon_vma_interval_tree_remove(AnonVmaChain* avc) { avc->anon_vma->rb_root.erase(avc); }

}  // namespace svma
