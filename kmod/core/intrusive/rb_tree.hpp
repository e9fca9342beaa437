// SPDX-License-Identifier: GPL-2.0-only
//
// Red-black tree algorithms on bare nodes. They know neither keys nor elements: the caller finds
// the place (rb_set.hpp has helpers), these keep the tree balanced and an augmentation up to date.
//
// Invariants:
//  1. a node is red or black, the root is black;
//  2. a red node has no red child;
//  3. every path from a node down to a null link meets the same number of black nodes;
//  4. x->child[s]->parent() == x for each child, the root has no parent.
// From 2 and 3: height <= 2*log2(n + 1), so a million nodes are at most 40 levels.
//
// Given the same sequence of insertions and erasures, shape and colours come out exactly as those
// of lib/rbtree.c in Linux (v5.10 and v6.1 agree): on a kernel that still keeps VMAs in an rbtree,
// shadow and live tree are compared node by node. What pins the outcome down, beyond textbook
// rules:
//  - a node with two children is replaced by its in-order *successor*;
//  - a node with one child is replaced by it, the child inheriting the colour, without rebalancing;
//  - when both children of the sibling are red, the outer one decides (one rotation, not two).
//
// Complexity: insert O(log n) for recolouring, at most 2 rotations; erase O(log n), at most 3
// rotations; first, last, next, prev O(log n), amortised O(1) over a traversal. Nothing recurses.
// Locking: none here; the caller serialises all access.
#pragma once

#include "base/check.hpp"
#include "base/types.hpp"

namespace svma {

// Left and right mirror each other: each algorithm is written once, for "this side" and "the
// other".
enum RbSide : unsigned { kRbLeft = 0, kRbRight = 1 };
constexpr RbSide other_side(RbSide side) { return static_cast<RbSide>(side ^ 1u); }

enum class RbColor : u64 { kRed = 0, kBlack = 1 };

struct RbNode {
  // The address of the parent; nodes are at least 8-byte aligned, which leaves room for the colour
  // in bit 0 and for one bit in which the owner of the node may keep something that must share its
  // cache line. The algorithms leave that bit alone.
  u64 parent_color = 0;
  RbNode* child[2] = {nullptr, nullptr};

  RbNode* parent() const { return reinterpret_cast<RbNode*>(parent_color & ~u64{3}); }
  RbNode* left() const { return child[kRbLeft]; }
  RbNode* right() const { return child[kRbRight]; }
  RbColor color() const { return static_cast<RbColor>(parent_color & 1); }
  bool is_red() const { return color() == RbColor::kRed; }
  bool is_black() const { return color() == RbColor::kBlack; }
  bool owner_bit() const { return (parent_color & 2) != 0; }

  void set_parent(RbNode* parent) {
    parent_color = reinterpret_cast<u64>(parent) | (parent_color & 3);
  }
  void set_parent_and_color_of(const RbNode* other) {
    parent_color = (other->parent_color & ~u64{2}) | (parent_color & 2);
  }
  void set_color(RbColor color) {
    parent_color = (parent_color & ~u64{1}) | static_cast<u64>(color);
  }
  void set_red() { parent_color &= ~u64{1}; }
  void set_black() { parent_color |= 1; }
  void set_owner_bit(bool bit) { parent_color = (parent_color & ~u64{2}) | (u64{bit} << 1); }
};
static_assert(sizeof(RbNode) == 24);

struct RbRoot {
  RbNode* node = nullptr;
};

// Where a new node goes: a null link and the node it hangs from (null: the link is the root's).
struct RbPosition {
  RbNode* parent = nullptr;
  RbNode** link = nullptr;
};

// What the algorithms tell whoever keeps a value per node that depends on the node's subtree:
//   rotated(down, up)
//     `up` has taken the place of `down`, which is now its child.
//   erased_below(parent)
//     A node below `parent` (null: it was the root) has gone; its only child or nothing is there.
//   replaced(node, successor, hole)
//     `successor` has taken the place of `node`, which has gone, and is missing where it was: below
//     `hole`, which is `successor` itself if that was a child of `node`.
template <class C>
concept RbCallbacks = requires(const C& callbacks, RbNode* node) {
  callbacks.rotated(node, node);
  callbacks.erased_below(node);
  callbacks.replaced(node, node, node);
};

struct RbNoCallbacks {
  void rotated(RbNode*, RbNode*) const {}
  void erased_below(RbNode*) const {}
  void replaced(RbNode*, RbNode*, RbNode*) const {}
};

namespace rb_internal {

inline bool is_black_or_null(const RbNode* node) { return !node || node->is_black(); }

// The link that leads to `node`, whose parent is `parent`.
inline RbNode** link_to(RbRoot* root, RbNode* node, RbNode* parent) {
  return parent ? &parent->child[parent->child[kRbRight] == node] : &root->node;
}

// Rotates `down` towards `side`; its child on the other side moves up. Nodes keep their colours.
//
//      down                  up
//     /    \                /  \                                                            .
//    a      up     -->   down   c        (side = left)
//          /  \          /  \                                                               .
//         b    c        a    b
template <RbCallbacks C>
inline void rotate(RbRoot* root, RbNode* down, RbSide side, const C& callbacks) {
  RbNode* const up = down->child[other_side(side)];
  RbNode* const inner = up->child[side];
  RbNode* const parent = down->parent();
  *link_to(root, down, parent) = up;
  down->child[other_side(side)] = inner;
  if (inner) inner->set_parent(down);
  up->child[side] = down;
  up->set_parent(parent);
  down->set_parent(up);
  callbacks.rotated(down, up);
}

}  // namespace rb_internal

// Hangs `node` into the tree as a red leaf. The tree may now break invariants 1 and 2 until
// rb_insert_rebalance, before which the caller brings the augmentation of the path up to date.
inline void rb_link_node(RbNode* node, RbPosition position) {
  node->set_parent(position.parent);
  node->set_red();
  node->child[kRbLeft] = node->child[kRbRight] = nullptr;
  *position.link = node;
}

// Restores the invariants after rb_link_node(node).
//
// `node` is red. While its parent p is red too (so the grandparent g exists and is black):
//
//        g                    G  goes on        g                   P
//       / \    uncle red     / \  as node      / \    uncle black  / \                      .
//      p   u   --------->   P   U             p   U   ----------> n   g
//     /        recolour    /                 /        rotate g         \                    .
//    n                    n                 n         and end           U
//
// (capitals are black). If n is the inner grandchild, rotating p first makes it the outer one.
template <RbCallbacks C>
inline void rb_insert_rebalance(RbRoot* root, RbNode* node, const C& callbacks) {
  RbNode* parent = node->parent();
  while (parent && parent->is_red()) {
    RbNode* const grand = parent->parent();
    const RbSide side = parent == grand->left() ? kRbLeft : kRbRight;
    RbNode* const uncle = grand->child[other_side(side)];
    if (uncle && uncle->is_red()) {
      uncle->set_black();
      parent->set_black();
      grand->set_red();
      node = grand;
      parent = grand->parent();
      continue;
    }
    if (node == parent->child[other_side(side)]) {
      rb_internal::rotate(root, parent, side, callbacks);
      parent = node;
    }
    parent->set_black();
    grand->set_red();
    rb_internal::rotate(root, grand, other_side(side), callbacks);
    return;  // a black node now heads the subtree that a black node headed before
  }
  if (!parent) node->set_black();
}

namespace rb_internal {

// Takes `node`, which has two children, out by putting its successor s into its place:
//
//      (n)              (s)
//      / \              / \         `c`, the right child of s, moves up to where s was. When s is
//     x   y    -->     x   y        the right child of n itself, y is s and c stays below it.
//        /                /
//      (s)              (c)
//        \                                                                                  .
//        (c)
//
// RETURNS: the node below which a black node is missing, or null.
template <RbCallbacks C>
inline RbNode* replace_by_successor(RbRoot* root, RbNode* node, RbNode* successor,
                                    const C& callbacks) {
  RbNode* const child = successor->right();
  const bool successor_was_black = successor->is_black();
  RbNode* hole = successor;  // the parent of the place from which a node vanished
  if (successor != node->right()) {
    hole = successor->parent();
    hole->child[kRbLeft] = child;
    successor->child[kRbRight] = node->right();
    node->right()->set_parent(successor);
  }
  successor->child[kRbLeft] = node->left();
  node->left()->set_parent(successor);
  *link_to(root, node, node->parent()) = successor;
  successor->set_parent_and_color_of(node);
  if (child) {
    child->set_parent(hole);
    child->set_black();  // it was red, being an only child; black it fills in for s
  }
  callbacks.replaced(node, successor, hole);
  return successor_was_black && !child ? hole : nullptr;
}

// Takes `node` out of the tree; may break invariant 3.
// RETURNS: the node below which a black node is missing, or null.
template <RbCallbacks C>
inline RbNode* unlink(RbRoot* root, RbNode* node, RbNode* successor, const C& callbacks) {
  if (node->left() && node->right()) {
    return replace_by_successor(root, node, successor, callbacks);
  }
  RbNode* const child = node->left() ? node->left() : node->right();
  RbNode* const parent = node->parent();
  const bool was_black = node->is_black();
  *link_to(root, node, parent) = child;
  // By invariant 3 an only child is a red leaf and `node` is black: it takes over place and colour.
  if (child) child->set_parent_and_color_of(node);
  callbacks.erased_below(parent);
  return was_black && !child ? parent : nullptr;
}

// Restores invariant 3 when all paths through one child of `parent` (the side is found out: at
// first it is the null one) lack a black node. n is the lacking side, s its sibling, (x) of either
// colour:
//
//   A: s red            B: no red nephew     C: inner nephew red   D: outer nephew red
//      P         S         (p)      (p)         (p)     (p)           (p)      (s)
//     / \       / \        / \      / \         / \     / \           / \      / \          .
//    n   s --> p   y      n   S -> n   s       n   S-> n   X         n   S -> P   Y
//       / \   / \            / \      / \         / \       \           / \  / \            .
//      X   Y n   X          X   Y    X   Y       x   Y       s        (x)  y n (x)
//    on to B, C or D      p red: blacken it    then D                and finished
//                         else go on at p
template <RbCallbacks C>
inline void erase_rebalance(RbRoot* root, RbNode* parent, const C& callbacks) {
  RbNode* node = nullptr;
  while (parent) {
    const RbSide side = parent->right() == node ? kRbRight : kRbLeft;
    RbNode* sibling = parent->child[other_side(side)];
    if (sibling->is_red()) {  // A
      sibling->set_black();
      parent->set_red();
      rotate(root, parent, side, callbacks);
      sibling = parent->child[other_side(side)];
    }
    if (is_black_or_null(sibling->child[other_side(side)])) {
      RbNode* const inner = sibling->child[side];
      if (is_black_or_null(inner)) {  // B
        sibling->set_red();
        if (parent->is_red()) {
          parent->set_black();
          return;
        }
        node = parent;
        parent = node->parent();
        continue;
      }
      // C; the colours of the two are settled in D
      rotate(root, sibling, other_side(side), callbacks);
      sibling = inner;
    }
    sibling->set_color(parent->color());  // D
    parent->set_black();
    sibling->child[other_side(side)]->set_black();
    rotate(root, parent, side, callbacks);
    return;
  }
}

}  // namespace rb_internal

// The outermost node on one side, or null for an empty tree.
inline RbNode* rb_extreme(const RbRoot& root, RbSide side) {
  RbNode* node = root.node;
  while (node && node->child[side]) node = node->child[side];
  return node;
}
inline RbNode* rb_first(const RbRoot& root) { return rb_extreme(root, kRbLeft); }
inline RbNode* rb_last(const RbRoot& root) { return rb_extreme(root, kRbRight); }

// The in-order neighbour of `node` towards `side`, or null.
inline RbNode* rb_neighbour(const RbNode* node, RbSide side) {
  if (RbNode* below = node->child[side]) {
    while (below->child[other_side(side)]) below = below->child[other_side(side)];
    return below;
  }
  RbNode* parent = node->parent();
  while (parent && node == parent->child[side]) {
    node = parent;
    parent = node->parent();
  }
  return parent;
}
inline RbNode* rb_next(const RbNode* node) { return rb_neighbour(node, kRbRight); }
inline RbNode* rb_prev(const RbNode* node) { return rb_neighbour(node, kRbLeft); }

// Takes `node` out of the tree. Its own fields are left as they were.
// `successor` is its in-order successor or null; a caller with a list knows it without a search.
// REQUIRES: `node` is in the tree of `root`, and the augmentation of every node is right.
template <RbCallbacks C>
inline void rb_erase(RbRoot* root, RbNode* node, RbNode* successor, const C& callbacks) {
  RbNode* const hole = rb_internal::unlink(root, node, successor, callbacks);
  if (hole) rb_internal::erase_rebalance(root, hole, callbacks);
}

template <RbCallbacks C>
inline void rb_erase(RbRoot* root, RbNode* node, const C& callbacks) {
  rb_erase(root, node, rb_next(node), callbacks);
}

}  // namespace svma
