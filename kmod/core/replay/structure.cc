// SPDX-License-Identifier: GPL-2.0-only
#include "replay/structure.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

constexpr u64 kNone = SVMA_CORE_NO_VMA;

u64 start_of(const Vma* vma) { return vma != nullptr ? vma->vm_start.value() : kNone; }

const Vma* child_of(const Vma& vma, RbSide side) {
  RbNode* const node = vma.rb.child[side];
  return node != nullptr ? VmaRbHook::element(node) : nullptr;
}

}  // namespace

bool StructureCheck::count(bool equal) {
  ++verdict_.structure_compared;
  if (equal) ++verdict_.structure_equal;
  return equal;
}

bool StructureCheck::compare_holder(const svma_live_tree& tree) {
  return count((tree.root != 0) == (space_.tree().root() != nullptr) &&
               tree.first == start_of(space_.first()) &&
               tree.highest_vm_end == space_.highest_vm_end().value() &&
               tree.vmacache_seqnum == space_.vmacache_seqnum());
}

bool StructureCheck::same(const Vma& vma, u64 node, u64 parent, svma_live_node& live) {
  svma_os_live_node(node, &live);
  return count(live.start == vma.vm_start.value() && live.end == vma.vm_end.value() &&
               live.gap == vma.rb_subtree_gap && live.parent == parent &&
               (live.red != 0) == vma.rb.is_red() &&
               (live.left != 0) == (vma.rb.left() != nullptr) &&
               (live.right != 0) == (vma.rb.right() != nullptr) &&
               live.prev == start_of(AddressSpace::prev(&vma)) &&
               live.next == start_of(AddressSpace::next(&vma)));
}

bool StructureCheck::compare_path(VirtAddr addr, svma_corner& predicted, svma_corner& observed) {
  svma_live_tree tree;
  if (!live_tree(mm_, tree)) return true;
  const Vma* vma = space_.tree().root();
  u64 node = tree.root, parent = 0;
  bool equal = compare_holder(tree);
  while (equal && vma != nullptr) {
    svma_live_node live;
    equal = same(*vma, node, parent, live);
    if (!equal || vma->range().contains(addr)) break;
    const RbSide side = addr < vma->vm_start ? kRbLeft : kRbRight;
    vma = child_of(*vma, side);
    parent = node;
    node = side == kRbLeft ? live.left : live.right;
  }
  if (!equal) capture(vma, node, predicted, observed);
  return equal;
}

// In preorder, without a stack: down while there is a child, else up to where a right one is left.
bool StructureCheck::compare_all(svma_corner& predicted, svma_corner& observed) {
  svma_live_tree tree;
  if (!live_tree(mm_, tree)) return true;
  const Vma* vma = space_.tree().root();
  u64 node = tree.root, parent = 0;
  bool equal = compare_holder(tree);
  while (equal && vma != nullptr) {
    svma_live_node live;
    equal = same(*vma, node, parent, live);
    if (!equal) break;
    const Vma* below = child_of(*vma, kRbLeft);
    u64 next = live.left;
    if (below == nullptr) {
      below = child_of(*vma, kRbRight);
      next = live.right;
    }
    while (below == nullptr) {
      const Vma* const above = space_.tree().parent(vma);
      if (above == nullptr) return true;
      const bool was_left = child_of(*above, kRbLeft) == vma;
      node = live.parent;
      svma_os_live_node(node, &live);
      vma = above;
      if (!was_left) continue;
      below = child_of(*vma, kRbRight);
      next = live.right;
    }
    parent = node;
    vma = below;
    node = next;
  }
  if (!equal) capture(vma, node, predicted, observed);
  return equal;
}

void StructureCheck::capture(const Vma* vma, u64 node, svma_corner& predicted,
                             svma_corner& observed) const {
  for (unsigned i = 0; i < SVMA_CORE_CORNER; ++i) {
    predicted.node[i] = {.start = kNone, .end = 0, .gap = 0, .red = 0, .reserved = 0};
    observed.node[i] = predicted.node[i];
  }
  if (vma != nullptr) {
    const Vma* const around[] = {vma, space_.tree().parent(vma), child_of(*vma, kRbLeft),
                                 child_of(*vma, kRbRight)};
    for (unsigned i = 0; i < SVMA_CORE_CORNER; ++i) {
      if (around[i] == nullptr) continue;
      predicted.node[i] = {.start = around[i]->vm_start.value(),
                           .end = around[i]->vm_end.value(),
                           .gap = around[i]->rb_subtree_gap,
                           .red = around[i]->rb.is_red(),
                           .reserved = 0};
    }
  }
  if (node == 0) return;
  svma_live_node live;
  svma_os_live_node(node, &live);
  const u64 around[] = {node, live.parent, live.left, live.right};
  for (unsigned i = 0; i < SVMA_CORE_CORNER; ++i) {
    if (around[i] == 0) continue;
    svma_os_live_node(around[i], &live);
    observed.node[i] = {
        .start = live.start, .end = live.end, .gap = live.gap, .red = live.red, .reserved = 0};
  }
}

}  // namespace svma
