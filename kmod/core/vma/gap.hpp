// SPDX-License-Identifier: GPL-2.0-only
//
// The gap augmentation: how the next mmap finds a hole without looking at every VMA.
//
// APPROACH. Each VMA owns one gap: the unmapped bytes between its predecessor and itself. It also
// stores rb_subtree_gap, the largest gap owned by any VMA of its subtree. A search for `length`
// bytes never enters a subtree whose rb_subtree_gap is smaller; it meets the lowest (or highest)
// fitting gap in O(log n). The one hole that no VMA owns, above the last, is covered by
// highest_vm_end.
//
//        0        [ A ]      [ B ] [    C    ]              [ D ]        TASK_SIZE
//        |--------|   |------|   |-|         |--------------|   |--------- ...
//         gap(A)       gap(B)   gap(C)           gap(D)          highest_vm_end
//
//                         B                  rb_subtree_gap(A) = gap(A)
//                       /   \                rb_subtree_gap(C) = gap(C)
//                      A     D               rb_subtree_gap(D) = max(gap(D), gap(C))
//                           /                rb_subtree_gap(B) = max of all four
//                          C
//
// FORMULAS (v5.10: mm/mmap.c vma_compute_gap(), include/linux/mm.h vm_start_gap(), vm_end_gap())
//
//   vm_start_gap(v) = v.vm_start                                   for ordinary VMAs,
//                     max(v.vm_start - stack_guard_gap, 0)         for VM_GROWSDOWN ones;
//   vm_end_gap(v)   = v.vm_end                                     (x86 has no VM_GROWSUP);
//   gap(v)          = max(vm_start_gap(v) - vm_end_gap(prev(v)), 0)    with vm_end_gap(none) = 0;
//   rb_subtree_gap(v) = max(gap(v), rb_subtree_gap(left(v)), rb_subtree_gap(right(v))).
//
// So the room below a stack in which it may still grow belongs to no gap.
//
// KEEPING IT UP TO DATE. gap(v) depends on v and on its *list* predecessor, so linking or unlinking
// v changes two gaps: its own and that of its successor s, and with them perhaps every ancestor of
// both. The plain way is recompute() upwards until nothing changes; it reads both children of each
// ancestor, one of which is usually not in the cache. Three observations save most of that.
//
// (1) Insert. Before rebalancing, v is a leaf and s one of its ancestors. Below s, gaps can only
//     have appeared: raise() the ancestors to gap(v), reading nothing else, and stop at the first
//     that is as large already.
// (2) From s on, the gap of s has been cut into smaller ones: lower(). An ancestor with a value
//     above the old gap of s has it from elsewhere, and ends the walk.
//
//         s    gap 9 -> 4       raise: v and p become 3
//        / \                    lower from s, whose gap was 9: recompute s, then its parent ...
//       p   .                   as long as the value found is 9 and changes
//      / \                                                                                  .
//     .   v    gap 3
//
// (3) Erase. The gap of s grows over v and the gap below v: raise(s). It becomes at least gap(v):
//     whatever v and s have above them in common is done with. What is left lies between the two:
//      - v has two children: then s is the lowest VMA right of v and takes its place, where the
//        larger of v's value and the new gap is right, again without a look at the children.
//        On the way down to where s was: lower() from its old gap.
//      - v has at most one child: VMAs between v and its ancestor s lose gap(v): lower().
//     The exception is v inside the guard gap of a stack s: gap(v) may exceed what s gains. Then
//     the plain way is taken.
//
// Rotations: the node that moves up inherits the value (same set of VMAs), the one that moves down
// is recomputed.
//
// Complexity: O(log n) worst case for each update; reads stop where values stop changing.
// Locking: none here; the caller serialises all access.
#pragma once

#include "base/check.hpp"
#include "base/types.hpp"
#include "intrusive/rb_set.hpp"
#include "vma/vma.hpp"

namespace svma {

// 256 pages unless the boot parameter stack_guard_gap= says otherwise (mm/mmap.c, v5.10 to v6.1).
inline constexpr u64 kDefaultStackGuardGap = u64{256} << kPageShift;  // bytes

class GapAugment {
 public:
  constexpr GapAugment() = default;
  explicit constexpr GapAugment(u64 stack_guard_gap) : stack_guard_gap_(stack_guard_gap) {}

  u64 stack_guard_gap() const { return stack_guard_gap_; }  // bytes

  // The address below `vma` up to which nothing else should be placed.
  u64 vm_start_gap(const Vma* vma) const {
    const u64 start = vma->vm_start.value();
    if (!vma->grows_down()) [[likely]] {
      return start;
    }
    return start > stack_guard_gap_ ? start - stack_guard_gap_ : 0;
  }

  // The address from which on something can be placed above `vma`; null stands for address 0.
  static u64 vm_end_gap(const Vma* vma) { return vma ? vma->vm_end.value() : 0; }

  // The room between two neighbours, in bytes; `below` null stands for address 0.
  u64 gap_between(const Vma* below, const Vma* above) const {
    const u64 gap_start = vm_end_gap(below);
    const u64 gap_end = vm_start_gap(above);
    return gap_end > gap_start ? gap_end - gap_start : 0;
  }

  // gap(v) of the article, in bytes.
  u64 compute_gap(const Vma* vma) const { return gap_between(vma->list.prev, vma); }

  // The concept Augment of intrusive/rb_set.hpp.
  bool recompute(Vma* vma) const {
    const u64 gap = subtree_gap(vma);
    if (gap == vma->rb_subtree_gap) return false;
    vma->rb_subtree_gap = gap;
    return true;
  }
  void copy(Vma* from, Vma* to) const { to->rb_subtree_gap = from->rb_subtree_gap; }
  bool check(const Vma* vma) const { return vma->rb_subtree_gap == subtree_gap(vma); }

  // Some gap in the subtree of `vma` is now `gap`, and none became smaller.
  void raise(Vma* vma, u64 gap) const {
    while (vma && vma->rb_subtree_gap < gap) {
      vma->rb_subtree_gap = gap;
      vma = parent(vma);
    }
  }

  // `vma` has a value larger than some of its ancestors may know.
  void raise_ancestors(Vma* vma) const { raise(parent(vma), vma->rb_subtree_gap); }

  // A gap of `old_gap` bytes owned by `vma` has shrunk or was split up; nothing else changed.
  void lower(Vma* vma, u64 old_gap) const {
    while (vma && vma->rb_subtree_gap == old_gap && recompute(vma)) vma = parent(vma);
  }

 private:
  static Vma* parent(Vma* vma) {
    RbNode* const node = vma->rb.parent();
    return node ? VmaRbHook::element(node) : nullptr;
  }

  static u64 subtree_gap_of(const RbNode* node) {
    return VmaRbHook::element(const_cast<RbNode*>(node))->rb_subtree_gap;
  }

  // The largest of the three parts. Written so that it compiles to conditional moves: which part is
  // the largest cannot be predicted.
  u64 subtree_gap(const Vma* vma) const {
    static constexpr Vma kNone;
    const RbNode* const left = vma->rb.left() ? vma->rb.left() : &kNone.rb;
    const RbNode* const right = vma->rb.right() ? vma->rb.right() : &kNone.rb;
    const u64 own = compute_gap(vma);
    const u64 below_left = subtree_gap_of(left);
    const u64 below_right = subtree_gap_of(right);
    const u64 below = below_left > below_right ? below_left : below_right;
    return own > below ? own : below;
  }

  u64 stack_guard_gap_ = kDefaultStackGuardGap;
};
static_assert(Augment<GapAugment, Vma>);

// Keeps the gaps right while a VMA is erased from the tree: observation (3) of the article.
// REQUIRES: the VMA is out of the list already, while its own links there still stand. Use only if
// applies().
class GapErase {
 public:
  GapErase(const GapAugment& gaps, const Vma* vma, Vma* successor)
      : gaps_(gaps), successor_(successor), gap_(gaps.compute_gap(vma)) {
    if (successor) joined_gap_ = gaps.compute_gap(successor);
  }

  bool applies() const { return !successor_ || joined_gap_ >= gap_; }
  u64 joined_gap() const { return joined_gap_; }

  void rotated(RbNode* down, RbNode* up) const {
    gaps_.copy(VmaRbHook::element(down), VmaRbHook::element(up));
    gaps_.recompute(VmaRbHook::element(down));
  }

  void erased_below(RbNode* parent) const {
    gaps_.raise(successor_, joined_gap_);
    if (parent) gaps_.lower(VmaRbHook::element(parent), gap_);
  }

  void replaced(RbNode* gone, RbNode* successor, RbNode* hole) const {
    SVMA_DCHECK(VmaRbHook::element(successor) == successor_);
    gaps_.copy(VmaRbHook::element(gone), successor_);
    gaps_.raise(successor_, joined_gap_);
    if (hole == successor) return;
    gaps_.lower(VmaRbHook::element(hole), gaps_.gap_between(VmaRbHook::element(gone), successor_));
  }

 private:
  const GapAugment& gaps_;
  Vma* const successor_;
  const u64 gap_;       // of the VMA that goes
  u64 joined_gap_ = 0;  // of the successor, without it
};
static_assert(RbCallbacks<GapErase>);

}  // namespace svma
