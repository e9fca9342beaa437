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
// How later kernels search is in empty_area.cc.
#include "vma/address_space.hpp"
#include "vma/gap_walk.hpp"

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

}  // namespace

Result<VirtAddr> AddressSpace::unmapped_area(const UnmappedAreaInfo& info) const {
  if (gap_rule_ == GapRule::kHoles) return unmapped_area_by_holes(info);
  const Result<GapLimits> limits = GapLimits::of(info);
  if (!limits.ok()) return limits.status();
  const auto worth = [&](const GapWalk& at) { return at.gap_end() >= limits->lowest_end; };

  u64 gap_start = highest_vm_end().value();  // used if no VMA's gap fits: the space above all
  GapWalk walk(tree_.augment(), tree_.root(), limits->length, kRbLeft, info.visited);
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
  if (gap_rule_ == GapRule::kHoles) return unmapped_area_topdown_by_holes(info);
  const Result<GapLimits> limits = GapLimits::of(info);
  if (!limits.ok()) return limits.status();
  const auto worth = [&](const GapWalk& at) { return at.gap_start() <= limits->highest_start; };

  u64 gap_end = info.high_limit.value();
  if (highest_vm_end().value() > limits->highest_start) {  // the space above all does not do
    GapWalk walk(tree_.augment(), tree_.root(), limits->length, kRbRight, info.visited);
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
