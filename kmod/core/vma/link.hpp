// SPDX-License-Identifier: GPL-2.0-only
//
// The steps of linking and unlinking, after mm/mmap.c in v5.10: __vma_link_list(), __vma_link_rb(),
// __vma_unlink_list(), vma_rb_erase(), vma_gap_update(). Between two of them list and tree
// disagree.
//
//     list   A <-> C   --list-->  A <-> B <-> C              A <-> B <-> C
//     tree     C                    C              --rb-->     C         and rebalance: B above
//             /                    /                          /          A and C
//            A                    A                          A
//                                                             \                                 .
//                                                              B
//
// The list comes first in both directions: a gap is computed from the list (gap.hpp), and the tree
// keeps the gaps right while it changes. In v5.10 it is the tree that is erased from first, since
// its gaps are brought up to date afterwards; the outcome is the same.
#pragma once

#include "base/mutation.hpp"
#include "vma/address_space.hpp"

namespace svma {

// REQUIRES: `prev` is the last VMA below `vma`, null if there is none.
[[gnu::always_inline]] inline void AddressSpace::vma_link_list(Vma* vma, Vma* prev) {
  list_.insert_after(prev, vma);
}

// The order of steps is that of gap.hpp: leaf, raise, lower from the successor, rebalance.
// REQUIRES: `vma` is in the list; `links` was found before it was.
[[gnu::always_inline]] inline void AddressSpace::vma_link_rb(Vma* vma, const VmaLinks& links) {
  vma_link_leaf(vma, links);
  tree_.rebalance_linked(vma);
}

// All of it but the rebalancing.
[[gnu::always_inline]] inline void AddressSpace::vma_link_leaf(Vma* vma, const VmaLinks& links) {
  SVMA_DCHECK(*links.rb_link == nullptr);
  const GapAugment& gaps = tree_.augment();
  Vma* const successor = links.next;
  const u64 old_gap = successor ? gaps.gap_between(links.prev, successor) : 0;
  vma->note_grows_down();
  tree_.link(vma, RbPosition{links.rb_parent, links.rb_link});
  vma->rb_subtree_gap = gaps.compute_gap(vma);
  gaps.raise_ancestors(vma);
  if (successor) gaps.lower(successor, old_gap);
}

// The links of `vma` itself keep pointing at its former neighbours.
[[gnu::always_inline]] inline void AddressSpace::vma_unlink_list(Vma* vma) { list_.erase(vma); }

// REQUIRES: `vma` is out of the list already; `successor` is the VMA that followed it there.
[[gnu::always_inline]] inline void AddressSpace::vma_rb_erase(Vma* vma, Vma* successor) {
  const GapAugment& gaps = tree_.augment();
  const u64 gap_before = successor ? successor->rb_subtree_gap : 0;
  const GapErase gap_erase(gaps, vma, successor);
  if (gap_erase.applies()) [[likely]] {
    tree_.erase_with(vma, successor, gap_erase);
  } else {
    gaps.raise(successor, gap_erase.joined_gap());
    tree_.erase(vma);
  }
  if (mutated(Mutation::gap_not_updated) && successor) successor->rb_subtree_gap = gap_before;
}

// Both, and the count. What the lookup caches need to know is the caller's.
[[gnu::always_inline]] inline void AddressSpace::unlink_uncached(Vma* vma) {
  Vma* const successor = next(vma);
  vma_unlink_list(vma);
  vma_rb_erase(vma, successor);
  --map_count_;
}

// The gap below `vma` has changed: brings its rb_subtree_gap and that of its ancestors up to date.
//
//     start of B moves down:    A     B         A  B          B and each ancestor are recomputed,
//                               |-gap-|  -->    |gap|         up to the first that stays the same
inline void AddressSpace::vma_gap_update(Vma* vma) { tree_.propagate(vma); }

}  // namespace svma
