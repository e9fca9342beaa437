// SPDX-License-Identifier: GPL-2.0-only
//
// An interval tree: intervals [start, last], both inclusive, of which several may overlap or be
// equal; the question is which of them meet a given one.
//
// APPROACH. A red-black tree in the order of `start` finds where intervals begin, but one that
// began long before may still last. So each element also stores subtree_last, the largest `last` of
// its subtree: a subtree whose subtree_last lies below the question holds no answer.
//
//      0   2   4   6   8  10                       C [4,5] 11
//      A---A                                      /           \                             .
//        B-----------------B                A [0,2] 11     D [8,9] 9
//              C---C                              \                                         .
//                      D---D                     B [1,11] 11
//
//      question [10,10]: C.subtree_last = 11 is enough, go left; A is enough but has no left child,
//      and does not last; go right: B is an answer. Then up to C, which does not last;
//      D.subtree_last = 9 is not enough: done.
//
// ORDER. Answers come in the order of `start`; of those that start alike, the one inserted first
// comes first, unless insert_after() put another behind a certain one. It is the order in which
// Linux walks the mappings of a page (include/linux/interval_tree_generic.h, the same from v5.10 to
// v7.3), and since the tree below makes the same decisions as lib/rbtree.c, its shape is the same,
// too.
//
// Invariants: those of rb_tree.hpp; start(x) <= start(next(x)); subtree_last as above; first() is
// the leftmost element. Neither start nor last of an element changes while it is in the tree.
// Complexity: insert, erase, first O(log n); all m answers to a question O(log n + m log n) at
// worst, usually O(log n + m). Nothing recurses. Locking: none here; the caller serialises access.
#pragma once

#include "base/check.hpp"
#include "intrusive/rb_set.hpp"

namespace svma {

// What the interval of an element is, and where its subtree_last is kept.
template <class I, class T>
concept IntervalOf = requires(T* element, const T* const_element) {
  { I::start(const_element) } -> std::same_as<u64>;
  { I::last(const_element) } -> std::same_as<u64>;
  { I::subtree_last(element) } -> std::same_as<u64&>;
};

template <class T, RbHook<T> Hook, IntervalOf<T> Interval>
class LastAugment {
 public:
  bool recompute(T* x) const {
    const u64 last = computed(x);
    if (Interval::subtree_last(x) == last) return false;
    Interval::subtree_last(x) = last;
    return true;
  }
  void copy(T* from, T* to) const { Interval::subtree_last(to) = Interval::subtree_last(from); }
  bool check(const T* x) const { return subtree_last(x) == computed(x); }

  static u64 subtree_last(const T* x) { return Interval::subtree_last(const_cast<T*>(x)); }

 private:
  static u64 computed(const T* x) {
    const RbNode* const node = Hook::node(const_cast<T*>(x));
    u64 last = Interval::last(x);
    for (RbNode* const child : node->child) {
      if (!child) continue;
      const u64 below = subtree_last(Hook::element(child));
      last = below > last ? below : last;
    }
    return last;
  }
};

template <class T, RbHook<T> Hook, IntervalOf<T> Interval>
class IntervalTree {
 public:
  using Augmentation = LastAugment<T, Hook, Interval>;
  using Set = RbSet<T, Hook, Augmentation>;

  constexpr IntervalTree() = default;
  IntervalTree(const IntervalTree&) = delete;
  IntervalTree& operator=(const IntervalTree&) = delete;

  bool empty() const { return set_.empty(); }
  T* first() const { return leftmost_; }
  static T* next(const T* x) { return Set::next(x); }
  const Set& set() const { return set_; }

  // Behind all elements that start before or with `x`.
  // REQUIRES: `x` is in no tree through this hook.
  void insert(T* x) {
    const u64 start = Interval::start(x);
    const u64 last = Interval::last(x);
    RbPosition position{nullptr, &set_.rb_root().node};
    bool leftmost = true;
    while (*position.link) {
      position.parent = *position.link;
      T* const at = Hook::element(position.parent);
      if (Interval::subtree_last(at) < last) Interval::subtree_last(at) = last;
      const bool before = start < Interval::start(at);
      if (!before) leftmost = false;
      position.link = &position.parent->child[before ? kRbLeft : kRbRight];
    }
    if (leftmost) leftmost_ = x;
    link(x, position, last);
  }

  // Directly behind `prev`.
  // REQUIRES: `prev` is in this tree and starts where `x` does; `x` is in no tree.
  void insert_after(T* x, T* prev) {
    SVMA_DCHECK(Interval::start(x) == Interval::start(prev));
    const u64 last = Interval::last(x);
    RbPosition position{Hook::node(prev), &Hook::node(prev)->child[kRbRight]};
    while (*position.link) {
      position.parent = *position.link;
      position.link = &position.parent->child[kRbLeft];
    }
    for (T* at = Hook::element(position.parent); at && Interval::subtree_last(at) < last;
         at = Set::parent(at)) {
      Interval::subtree_last(at) = last;
    }
    link(x, position, last);
  }

  // REQUIRES: `x` is in this tree.
  void erase(T* x) {
    if (x == leftmost_) leftmost_ = Set::next(x);
    set_.erase(x);
  }

  // The first element that meets [first, last], or null.
  T* iter_first(u64 first, u64 last) const {
    if (!leftmost_ || Interval::start(leftmost_) > last) return nullptr;
    return first_in_subtree(set_.root(), first, last);
  }

  // The one that meets [first, last] after `x`, which does, or null.
  static T* iter_next(const T* x, u64 first, u64 last) {
    T* const right = Set::right(x);
    if (right && Augmentation::subtree_last(right) >= first) {
      return first_in_subtree(right, first, last);
    }
    for (T* up = Set::parent(x); up; x = up, up = Set::parent(up)) {
      if (Set::right(up) == x) continue;  // it and all that is left of it lies behind us
      if (Interval::start(up) > last) return nullptr;
      if (Interval::last(up) >= first) return up;
      T* const beyond = Set::right(up);
      if (beyond && Augmentation::subtree_last(beyond) >= first) {
        return first_in_subtree(beyond, first, last);
      }
    }
    return nullptr;
  }

 private:
  void link(T* x, RbPosition position, u64 last) {
    Interval::subtree_last(x) = last;
    set_.link(x, position);
    set_.rebalance_linked(x);
  }

  // Goes left as long as something there lasts long enough: either the leftmost such element is the
  // answer, or it starts too late, and then so does all that is right of it.
  static T* first_in_subtree(T* x, u64 first, u64 last) {
    while (x && Augmentation::subtree_last(x) >= first) {
      T* const left = Set::left(x);
      if (left && Augmentation::subtree_last(left) >= first) {
        x = left;
        continue;
      }
      if (Interval::start(x) > last) return nullptr;
      if (Interval::last(x) >= first) return x;
      x = Set::right(x);
    }
    return nullptr;
  }

  Set set_;
  T* leftmost_ = nullptr;
};

}  // namespace svma
