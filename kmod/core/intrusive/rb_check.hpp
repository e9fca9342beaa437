// SPDX-License-Identifier: GPL-2.0-only
//
// Checks the invariants of rb_tree.hpp on any tree, even a damaged one: it terminates and follows
// no pointer that it has not reason to trust, as long as child pointers are null or point to nodes.
// Complexity: O(n) time, O(1) memory: it walks by parent pointers.
#pragma once

#include "intrusive/rb_tree.hpp"

namespace svma {

enum class RbDefect : u8 {
  kNone,
  kRootHasParent,
  kRootRed,
  kWrongParent,  // a child does not point back to its parent
  kRedRed,       // a red node has a red child
  kBlackHeight,  // two paths meet different numbers of black nodes
};

constexpr const char* to_string(RbDefect defect) {
  switch (defect) {
    case RbDefect::kNone:
      return "none";
    case RbDefect::kRootHasParent:
      return "rb_root_parent";
    case RbDefect::kRootRed:
      return "rb_root_red";
    case RbDefect::kWrongParent:
      return "rb_parent";
    case RbDefect::kRedRed:
      return "rb_red_red";
    case RbDefect::kBlackHeight:
      return "rb_black_height";
  }
  return "?";
}

struct RbCheckResult {
  RbDefect defect = RbDefect::kNone;
  const RbNode* node = nullptr;  // where
  u64 nodes = 0;                 // how many were visited; all of them when there is no defect
  u64 black_height = 0;          // black nodes on each path
};

namespace rb_internal {

// A depth-first walk with the number of black nodes between the root and `at`, inclusive.
//
// That it ends: a step down is taken only to a child that points back, so each node has one way
// in, and the walk is over a tree even if someone else's pointers lead into it.
class CheckWalk {
 public:
  explicit CheckWalk(const RbNode* root) : root_(root), at_(root) {}

  RbCheckResult run() {
    if (!root_) return result_;
    if (root_->parent()) return fail(RbDefect::kRootHasParent, root_);
    if (root_->is_red()) return fail(RbDefect::kRootRed, root_);
    const RbNode* from = nullptr;
    while (at_) {
      const RbNode* const came_from = from;
      from = at_;
      if (came_from == at_->parent()) {
        enter();
        at_ = step(at_->left() ? kRbLeft : kRbRight);
      } else if (came_from == at_->left() && at_->right()) {
        at_ = step(kRbRight);
      } else {
        leave();
      }
      if (result_.defect != RbDefect::kNone) return result_;
    }
    return result_;
  }

 private:
  RbCheckResult fail(RbDefect defect, const RbNode* node) {
    result_.defect = defect;
    result_.node = node;
    return result_;
  }

  void enter() {
    ++result_.nodes;
    if (at_->is_black()) ++blacks_;
    if (at_->left() && at_->right()) {
      if (at_->left() == at_->right()) fail(RbDefect::kWrongParent, at_->right());
      return;
    }
    // At least one link is null: a path ends here.
    if (result_.black_height == 0) result_.black_height = blacks_;
    if (result_.black_height != blacks_) fail(RbDefect::kBlackHeight, at_);
  }

  void leave() {
    if (at_->is_black()) --blacks_;
    at_ = at_ == root_ ? nullptr : at_->parent();
  }

  const RbNode* step(RbSide side) {
    const RbNode* const child = at_->child[side];
    if (!child) {
      leave();
      return at_;
    }
    if (child->parent() != at_) fail(RbDefect::kWrongParent, child);
    if (at_->is_red() && child->is_red()) fail(RbDefect::kRedRed, child);
    return child;
  }

  const RbNode* const root_;
  const RbNode* at_;
  u64 blacks_ = 0;
  RbCheckResult result_;
};

}  // namespace rb_internal

// RETURNS: the first defect in depth-first order.
inline RbCheckResult rb_check(const RbRoot& root) {
  return rb_internal::CheckWalk(root.node).run();
}

}  // namespace svma
