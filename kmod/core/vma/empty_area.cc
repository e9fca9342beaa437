// SPDX-License-Identifier: GPL-2.0-only
//
// The search for unmapped space as Linux does it since v6.1: mm/mmap.c unmapped_area() and
// unmapped_area_topdown() over lib/maple_tree.c mas_empty_area() and mas_empty_area_rev(), here on
// the red-black tree with rb_subtree_gap counting whole holes (GapRule::kHoles).
//
// A hole is looked for without regard to guard gaps; only then the VMA above it is asked. If that
// one is a stack and the place found reaches into its guard gap, the search starts again:
//
//        [ A ]                  .guard.[ S ]       [ B ]
//             |----- hole ------------|
//     up:   the place found ends in the guard: go on above S, even if what is left would do;
//     down: likewise: go on from the start of the guard, so that the same hole may still do.
//
// Three things follow that v5.10 did otherwise:
//  - upwards, a hole that a guard gap spoils is lost as a whole;
//  - no hole is missed because a guard gap reaches below the VMA before it;
//  - the highest hole of sufficient length that begins low enough is *the* candidate: if the lower
//    limit cuts it too short, the search fails; it never looks for space between the limits alone.
#include "base/mutation.hpp"
#include "vma/address_space.hpp"
#include "vma/gap_walk.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Result<AddressSpace::EmptyArea> AddressSpace::empty_area(u64 min, u64 max, u64 size,
                                                         u32* visited) const {
  if (min >= max) return Status::error(kEINVAL);
  if (size > max - min + 1 && max - min + 1 != 0) return Status::error(kEBUSY);
  const u64 lowest_end = min + size;  // a hole that ends before this is too low
  const auto worth = [&](const GapWalk& at) { return at.gap_end() >= lowest_end; };

  GapWalk walk(tree_.augment(), tree_.root(), size, kRbLeft, visited);
  walk.descend(worth);
  while (walk.vma()) {
    const u64 begin = walk.gap_start() > min ? walk.gap_start() : min;
    if (begin > max) return Status::error(kEBUSY);
    const u64 end = walk.gap_end() <= max ? walk.gap_end() : max + 1;  // exclusive
    if (end > begin && end - begin >= size) return EmptyArea{begin, begin + size - 1, walk.vma()};
    if (walk.advance()) walk.descend(worth);
  }
  const u64 above_all = highest_vm_end().value();
  const u64 begin = above_all > min ? above_all : min;
  if (begin > max || max - begin < size - 1) return Status::error(kEBUSY);
  return EmptyArea{begin, begin + size - 1, nullptr};
}

Result<AddressSpace::EmptyArea> AddressSpace::empty_area_rev(u64 min, u64 max, u64 size,
                                                             u32* visited) const {
  if (min >= max) return Status::error(kEINVAL);
  if (size - 1 > max) return Status::error(kEBUSY);
  const u64 highest_start = max - (size - 1);  // a hole that begins above this is too high
  if (highest_vm_end().value() <= highest_start) return EmptyArea{highest_start, max, nullptr};
  const auto worth = [&](const GapWalk& at) { return at.gap_start() <= highest_start; };

  GapWalk walk(tree_.augment(), tree_.root(), size, kRbRight, visited);
  walk.descend(worth);
  for (; walk.vma(); walk.advance() ? walk.descend(worth) : void()) {
    if (walk.gap_end() <= min) break;
    const bool long_enough =
        walk.gap_end() > walk.gap_start() && walk.gap_end() - walk.gap_start() >= size;
    if (!long_enough || walk.gap_start() > highest_start) continue;
    if (walk.gap_end() - min < size) break;  // the candidate, and the lower limit cuts it
    const u64 last = walk.gap_end() - 1 < max ? walk.gap_end() - 1 : max;
    return EmptyArea{last - (size - 1), last, walk.vma()};
  }
  return Status::error(kEBUSY);
}

Result<VirtAddr> AddressSpace::unmapped_area_by_holes(const UnmappedAreaInfo& info) const {
  // With the worst loss to alignment.
  const u64 length = info.length + info.align_mask + info.start_gap;
  if (length < info.length) return Status::error(kENOMEM);
  u64 low = info.low_limit.value();
  for (;;) {
    const Result<EmptyArea> found =
        empty_area(low, info.high_limit.value() - 1, length, info.visited);
    if (!found.ok()) return Status::error(kENOMEM);
    const u64 lowest = found->first + info.start_gap;
    const u64 at = lowest + ((info.align_offset - lowest) & info.align_mask);
    const Vma* const above = found->above;
    if (!above || !has_start_gap(above) || mutated(Mutation::search_ignores_guard)) {
      return VirtAddr(at);
    }
    if (vm_start_gap(above).value() >= at + length - 1) return VirtAddr(at);
    low = above->vm_end.value();
  }
}

Result<VirtAddr> AddressSpace::unmapped_area_topdown_by_holes(const UnmappedAreaInfo& info) const {
  const u64 length = info.length + info.align_mask + info.start_gap;
  if (length < info.length) return Status::error(kENOMEM);
  u64 high = info.high_limit.value();
  for (;;) {
    const Result<EmptyArea> found =
        empty_area_rev(info.low_limit.value(), high - 1, length, info.visited);
    if (!found.ok()) return Status::error(kENOMEM);
    const u64 highest = found->last + 1 - info.length;
    const u64 at = highest - ((highest - info.align_offset) & info.align_mask);
    const Vma* const above = found->above;
    if (!above || !has_start_gap(above) || mutated(Mutation::search_ignores_guard)) {
      return VirtAddr(at);
    }
    if (vm_start_gap(above).value() > found->last) return VirtAddr(at);
    high = vm_start_gap(above).value();
  }
}

}  // namespace svma
