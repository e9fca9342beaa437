// SPDX-License-Identifier: GPL-2.0-only
//
// The typed face of rb_tree.hpp: an ordered set of T threaded through its elements, with an
// augmentation. Everything is resolved at compile time; there is no indirect call.
//
// Invariants: those of rb_tree.hpp; in-order neighbours are in the owner's order;
// augment().check(x) holds for each element between two operations. Complexity: insert, erase and
// searches O(log n); augment_path_* O(log n), usually far less. Locking: none here; the caller
// serialises all access.
#pragma once

#include <concepts>

#include "base/check.hpp"
#include "intrusive/rb_tree.hpp"

namespace svma {

// Where in a T its RbNode is, and back.
template <class H, class T>
concept RbHook = requires(T* element, RbNode* node) {
  { H::node(element) } -> std::same_as<RbNode*>;
  { H::element(node) } -> std::same_as<T*>;
};

// A value kept in each element and computed from the element and its two children.
//   recompute(x)  sets it from x and its children, whose values are right; returns: it changed
//   check(x)      whether it is what recompute would set
//   copy(a, b)    gives b the value of a: b has taken the place of a above the same set of elements
template <class A, class T>
concept Augment = requires(const A& augment, T* element, const T* const_element) {
  { augment.recompute(element) } -> std::same_as<bool>;
  augment.copy(element, element);
  { augment.check(const_element) } -> std::same_as<bool>;
};

struct NoAugment {
  template <class T>
  bool recompute(T*) const {
    return false;
  }
  template <class T>
  void copy(T*, T*) const {}
  template <class T>
  bool check(const T*) const {
    return true;
  }
};

template <class T, RbHook<T> Hook, Augment<T> A = NoAugment>
class RbSet {
 public:
  constexpr RbSet() = default;
  explicit constexpr RbSet(A augment) : augment_(augment) {}
  RbSet(const RbSet&) = delete;
  RbSet& operator=(const RbSet&) = delete;

  bool empty() const { return root_.node == nullptr; }
  T* root() const { return element(root_.node); }
  T* first() const { return element(rb_first(root_)); }
  T* last() const { return element(rb_last(root_)); }
  static T* next(const T* x) { return element(rb_next(node(x))); }
  static T* prev(const T* x) { return element(rb_prev(node(x))); }
  static T* parent(const T* x) { return element(node(x)->parent()); }
  static T* left(const T* x) { return element(node(x)->left()); }
  static T* right(const T* x) { return element(node(x)->right()); }
  static bool is_red(const T* x) { return node(x)->is_red(); }

  RbRoot& rb_root() { return root_; }
  const RbRoot& rb_root() const { return root_; }
  A& augment() { return augment_; }
  const A& augment() const { return augment_; }

  // The first element for which `is_at_or_after` holds, or null.
  // REQUIRES: it is false for a prefix of the order and true for the rest.
  template <class Predicate>
  T* find_first(Predicate is_at_or_after) const {
    T* found = nullptr;
    RbNode* at = root_.node;
    while (at) {
      T* const x = element(at);
      const bool hit = is_at_or_after(static_cast<const T&>(*x));
      if (hit) found = x;
      at = at->child[hit ? kRbLeft : kRbRight];
    }
    return found;
  }

  // The place of a new element: behind all elements for which `goes_before` holds.
  // REQUIRES: as for find_first, with true and false exchanged.
  template <class Predicate>
  RbPosition find_position(Predicate goes_before) {
    RbPosition position{nullptr, &root_.node};
    while (*position.link) {
      position.parent = *position.link;
      const bool before = goes_before(static_cast<const T&>(*element(position.parent)));
      position.link = &position.parent->child[before ? kRbRight : kRbLeft];
    }
    return position;
  }

  // REQUIRES: `position` was found for `x` and the tree has not changed since.
  void insert(T* x, RbPosition position) {
    rb_link_node(node(x), position);
    augment_.recompute(x);
    callbacks().propagate(position.parent, nullptr);
    rb_insert_rebalance(&root_, node(x), callbacks());
  }

  // insert() in two steps, for an augmentation that knows a cheaper way to update the path between
  // them.
  void link(T* x, RbPosition position) { rb_link_node(node(x), position); }
  void rebalance_linked(T* x) { rb_insert_rebalance(&root_, node(x), callbacks()); }

  // REQUIRES: `x` is in this set.
  void erase(T* x) { rb_erase(&root_, node(x), callbacks()); }

  // erase() for an owner that knows the successor of `x` (null if it is the last) and has an
  // augmentation that can make use of knowing what is going.
  template <RbCallbacks C>
  void erase_with(T* x, T* successor, const C& callbacks) {
    rb_erase(&root_, node(x), successor ? node(successor) : nullptr, callbacks);
  }

  // Something the value of `x` depends on has changed: brings it and its ancestors up to date.
  void propagate(T* x) { callbacks().propagate(node(x), nullptr); }

  // Forgets all elements without touching them.
  void reset() { root_.node = nullptr; }

 private:
  static RbNode* node(const T* x) { return Hook::node(const_cast<T*>(x)); }
  static T* element(RbNode* n) { return n ? Hook::element(n) : nullptr; }

  struct Callbacks {
    const A& augment;

    void propagate(RbNode* from, RbNode* stop) const {
      while (from != stop && augment.recompute(Hook::element(from))) from = from->parent();
    }
    void rotated(RbNode* down, RbNode* up) const {
      augment.copy(Hook::element(down), Hook::element(up));
      augment.recompute(Hook::element(down));
    }
    void erased_below(RbNode* parent) const { propagate(parent, nullptr); }
    void replaced(RbNode* gone, RbNode* successor, RbNode* hole) const {
      augment.copy(Hook::element(gone), Hook::element(successor));
      propagate(hole, successor);
      propagate(successor, nullptr);
    }
  };
  Callbacks callbacks() const { return Callbacks{augment_}; }

  RbRoot root_;
  [[no_unique_address]] A augment_{};
};

}  // namespace svma
