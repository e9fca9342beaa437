// SPDX-License-Identifier: GPL-2.0-only
//
// How both searches for unmapped space go through the tree; gap.hpp has the article on the gaps.
#pragma once

#include "base/mutation.hpp"
#include "vma/address_space.hpp"

namespace svma {

// A walk over the VMAs in one direction that enters only subtrees with a gap of at least `length`.
class GapWalk {
 public:
  // `visited`: if given, counts the nodes looked at, one as often as it is come by.
  GapWalk(const GapAugment& gaps, Vma* root, u64 length, RbSide near, u32* visited = nullptr)
      : gaps_(gaps), length_(length), near_(near), visited_(visited), vma_(promising(root)) {}

  Vma* vma() const { return vma_; }
  u64 gap_start() const { return GapAugment::vm_end_gap(vma_->list.prev); }
  u64 gap_end() const {
    if (mutated(Mutation::search_ignores_guard)) return vma_->vm_start.value();
    return gaps_.vm_start_gap(vma_);
  }

  // Goes down towards the near side as long as `worth` says of the current VMA that gaps on that
  // side of it may still be within the limits.
  template <class Worth>
  void descend(Worth worth) {
    while (vma_ && worth(*this)) {
      Vma* const below = child(near_);
      if (!below) return;
      vma_ = below;
    }
  }

  // Enters the far subtree, or climbs to the next VMA whose near subtree is done with.
  // RETURNS: true if a subtree was entered and descend() is due.
  bool advance() {
    if (Vma* const below = child(other_side(near_))) {
      vma_ = below;
      return true;
    }
    RbNode* node = &vma_->rb;
    RbNode* parent = node->parent();
    while (parent && node != parent->child[near_]) {
      count();
      node = parent;
      parent = node->parent();
    }
    if (parent) count();
    vma_ = parent ? VmaRbHook::element(parent) : nullptr;
    return false;
  }

 private:
  void count() const {
    if (visited_) ++*visited_;
  }
  Vma* promising(Vma* vma) const {
    if (!vma) return nullptr;
    count();
    return vma->rb_subtree_gap >= length_ ? vma : nullptr;
  }
  Vma* child(RbSide side) const {
    RbNode* const node = vma_->rb.child[side];
    return node ? promising(VmaRbHook::element(node)) : nullptr;
  }

  const GapAugment& gaps_;
  const u64 length_;
  const RbSide near_;
  u32* const visited_;
  Vma* vma_;
};

}  // namespace svma
