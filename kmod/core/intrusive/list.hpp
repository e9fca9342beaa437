// SPDX-License-Identifier: GPL-2.0-only
//
// A doubly linked list threaded through its elements, ended by null at both sides. Null ends
// instead of a sentinel let next() and prev() work from an element alone, as vm_next and vm_prev do
// up to v6.0.
//
// Invariants: head is null iff tail is null; x.next.prev == x and x.prev.next == x for each x in
// the list; head has no prev and tail no next.
// Complexity: all operations O(1).
// Locking: none here; the caller serialises all access.
#pragma once

#include "base/check.hpp"

namespace svma {

template <class T>
struct ListNode {
  T* prev = nullptr;
  T* next = nullptr;
};

// `node` is the member of T through which this list runs: one list per element and member.
template <class T, ListNode<T> T::*node>
class List {
 public:
  constexpr List() = default;
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const { return head_ == nullptr; }
  T* head() const { return head_; }
  T* tail() const { return tail_; }
  static T* next(const T* element) { return (element->*node).next; }
  static T* prev(const T* element) { return (element->*node).prev; }

  // Puts `element` behind `prev`, or at the head when `prev` is null.
  // REQUIRES: `element` is in no list through this member.
  void insert_after(T* prev, T* element) {
    T* const next = prev ? (prev->*node).next : head_;
    (element->*node).prev = prev;
    (element->*node).next = next;
    (prev ? (prev->*node).next : head_) = element;
    (next ? (next->*node).prev : tail_) = element;
  }

  // Takes `element` out. Its own links keep pointing at its former neighbours.
  // REQUIRES: `element` is in this list.
  void erase(T* element) {
    T* const prev = (element->*node).prev;
    T* const next = (element->*node).next;
    SVMA_DCHECK((prev ? (prev->*node).next : head_) == element);
    SVMA_DCHECK((next ? (next->*node).prev : tail_) == element);
    (prev ? (prev->*node).next : head_) = next;
    (next ? (next->*node).prev : tail_) = prev;
  }

  void reset() { head_ = tail_ = nullptr; }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
};

}  // namespace svma
