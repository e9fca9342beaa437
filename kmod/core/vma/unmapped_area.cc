// SPDX-License-Identifier: GPL-2.0-only
//
// The search for unmapped space over rb_subtree_gap; read gap.hpp first. The results are those of
// mm/mmap.c unmapped_area() and unmapped_area_topdown() in v5.10.
//
// A gap [gap_start, gap_end) fits if, after clipping it to the limits, `length` bytes remain. With
// length taken to include the worst loss to alignment, and because the limits are at least that far
// apart, this is
//
//     gap_end - gap_start >= length
//     gap_end             >= low_limit + length
//     gap_start           <= high_limit - length
//
//     low_limit                  low + length     high - length                     high_limit
//        |------------------------------|               |------------------------------|
//           a gap must not end before here ^          ^ nor begin behind here
//
// and the tree is walked in order, from the low end or from the high end, without entering a
// subtree that has no gap of `length` bytes or lies wholly on the wrong side of the limit that
// comes first.
//
// Faithful to a fault: the walk takes gap ends to rise with addresses. Below a VM_GROWSDOWN VMA the
// gap ends stack_guard_gap early, possibly below the VMA before it, so that a small gap beneath
// *that* one, near a limit, can be missed. Which one is missed depends on the shape of the tree. So
// it was in v5.10.
//
// v6.1 searches the maple tree instead (mm/mmap.c unmapped_area() there). Three results can differ:
//  - it looks for a hole between VMAs of length + align_mask without regard to guard gaps, and only
//    then tests the VMA beside it; upwards it goes on behind a hole that a guard gap spoils, even
//    if what the guard gap leaves of it would do;
//  - downwards it goes on from the start of the guard gap, so there the same hole may still do;
//  - it cannot miss a gap as above, since it asks for holes one by one.
#include "vma/address_space.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

namespace {

// The limits as the formulas above want them, in bytes; a hopeless request is refused here.
struct GapLimits {
  u64 length;         // with the worst loss to alignment
  u64 lowest_end;     // a gap must not end below this
  u64 highest_start;  // nor begin above this

  static Result<GapLimits> of(const UnmappedAreaInfo& info) {
    const u64 length = info.length + info.align_mask;
    const u64 high = info.high_limit.value();
    const u64 low = info.low_limit.value();
    if (length < info.length) return Status::error(kENOMEM);
    if (high < length || low > high - length) return Status::error(kENOMEM);
    return GapLimits{length, low + length, high - length};
  }

  bool fits(u64 gap_start, u64 gap_end) const {
    return gap_start <= highest_start && gap_end >= lowest_end && gap_end > gap_start &&
           gap_end - gap_start >= length;
  }
};

// A walk over the VMAs in one direction that enters only subtrees with a gap of at least `length`.
class GapWalk {
 public:
  GapWalk(const GapAugment& gaps, Vma* root, u64 length, RbSide near)
      : gaps_(gaps), length_(length), near_(near), vma_(promising(root)) {}

  Vma* vma() const { return vma_; }
  u64 gap_start() const { return GapAugment::vm_end_gap(vma_->list.prev); }
  u64 gap_end() const { return gaps_.vm_start_gap(vma_); }

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
      node = parent;
      parent = node->parent();
    }
    vma_ = parent ? VmaRbHook::element(parent) : nullptr;
    return false;
  }

 private:
  Vma* promising(Vma* vma) const { return vma && vma->rb_subtree_gap >= length_ ? vma : nullptr; }
  Vma* child(RbSide side) const {
    RbNode* const node = vma_->rb.child[side];
    return node ? promising(VmaRbHook::element(node)) : nullptr;
  }

  const GapAugment& gaps_;
  const u64 length_;
  const RbSide near_;
  Vma* vma_;
};

}  // namespace

Result<VirtAddr> AddressSpace::unmapped_area(const UnmappedAreaInfo& info) const {
  const Result<GapLimits> limits = GapLimits::of(info);
  if (!limits.ok()) return limits.status();
  const auto worth = [&](const GapWalk& at) { return at.gap_end() >= limits->lowest_end; };

  u64 gap_start = highest_vm_end().value();  // used if no VMA's gap fits: the space above all
  GapWalk walk(tree_.augment(), tree_.root(), limits->length, kRbLeft);
  walk.descend(worth);
  while (walk.vma()) {
    if (walk.gap_start() > limits->highest_start) return Status::error(kENOMEM);
    if (limits->fits(walk.gap_start(), walk.gap_end())) {
      gap_start = walk.gap_start();
      break;
    }
    if (walk.advance()) walk.descend(worth);
  }
  if (gap_start > limits->highest_start) return Status::error(kENOMEM);
  if (gap_start < info.low_limit.value()) gap_start = info.low_limit.value();
  return VirtAddr(gap_start + ((info.align_offset - gap_start) & info.align_mask));
}

Result<VirtAddr> AddressSpace::unmapped_area_topdown(const UnmappedAreaInfo& info) const {
  const Result<GapLimits> limits = GapLimits::of(info);
  if (!limits.ok()) return limits.status();
  const auto worth = [&](const GapWalk& at) { return at.gap_start() <= limits->highest_start; };

  u64 gap_end = info.high_limit.value();
  if (highest_vm_end().value() > limits->highest_start) {  // the space above all does not do
    GapWalk walk(tree_.augment(), tree_.root(), limits->length, kRbRight);
    walk.descend(worth);
    while (walk.vma() && !limits->fits(walk.gap_start(), walk.gap_end())) {
      if (walk.gap_end() < limits->lowest_end) return Status::error(kENOMEM);
      if (walk.advance()) walk.descend(worth);
    }
    if (!walk.vma()) return Status::error(kENOMEM);
    if (gap_end > walk.gap_end()) gap_end = walk.gap_end();
  }
  const u64 highest = gap_end - info.length;
  return VirtAddr(highest - ((highest - info.align_offset) & info.align_mask));
}

}  // namespace svma
