// SPDX-License-Identifier: GPL-2.0-only
#include "lib/tree.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace svma {
namespace {

constexpr uint64_t kVmGrowsDown = 0x100;
constexpr uint64_t kStackGuardGap = 256 * kPageSize;  // unless booted with stack_guard_gap=

size_t index_of(std::span<const svma_vma> vmas, uint64_t start) {
  auto at = std::lower_bound(vmas.begin(), vmas.end(), start,
                             [](const svma_vma& vma, uint64_t key) { return vma.start < key; });
  return at != vmas.end() && at->start == start ? at - vmas.begin() : kNoNode;
}

// What lies free directly below a VMA, as vma_compute_gap() of v6.0 counts it; or, where the guard
// gap of a stack is no part of the tree's business (the semantics profile says so), all of it.
uint64_t gap_below(const std::vector<TreeNode>& nodes, size_t index, bool whole_holes) {
  const svma_vma& vma = nodes[index].vma;
  uint64_t low = index ? nodes[index - 1].vma.end : 0;
  uint64_t high = vma.start;
  if (!whole_holes && (vma.flags & kVmGrowsDown))
    high = high > kStackGuardGap ? high - kStackGuardGap : 0;
  return high > low ? high - low : 0;
}

// What is true of a whole subtree.
struct Subtree {
  size_t height = 0;
  size_t black_height = 0;
  uint64_t gap = 0;
};

class Checker {
 public:
  Checker(Tree& tree, bool whole_holes) : tree_(tree), whole_holes_(whole_holes) {}

  // Goes as deep as the tree is high. build_tree() has made sure that there are no cycles.
  Subtree check(size_t index, uint32_t depth) {
    if (index == kNoNode) return {};
    const TreeNode& node = tree_.nodes[index];
    const Subtree left = check(node.left, depth + 1), right = check(node.right, depth + 1);
    const bool red = node.vma.bits & SVMA_VMA_RED;
    const uint64_t gap =
        std::max({gap_below(tree_.nodes, index, whole_holes_), left.gap, right.gap});
    require(node.vma.depth == depth, index, "has a wrong depth");
    require(!red || !(is_red(node.left) || is_red(node.right)), index,
            "is red and has a red child");
    require(left.black_height == right.black_height, index, "has unequal black heights below it");
    require(node.vma.gap == gap, index, "has a wrong gap");
    return {1 + std::max(left.height, right.height), left.black_height + !red, gap};
  }

  void require(bool holds, size_t index, const char* fault) {
    if (!holds) tree_.faults.push_back(fmt::format("{:x} {}", tree_.nodes[index].vma.start, fault));
  }

 private:
  bool is_red(size_t index) const {
    return index != kNoNode && (tree_.nodes[index].vma.bits & SVMA_VMA_RED);
  }

  Tree& tree_;
  bool whole_holes_;
};

// Hangs each node under its parent. Children are on the side their address says, so order holds by
// construction.
void link_nodes(Tree& tree, std::span<const svma_vma> vmas, Checker& checker) {
  for (size_t i = 0; i < vmas.size(); ++i) {
    if (vmas[i].parent == SVMA_NONE) {
      checker.require(tree.root == kNoNode, i, "is a second root");
      if (tree.root == kNoNode) tree.root = i;
      continue;
    }
    size_t parent = index_of(vmas, vmas[i].parent);
    checker.require(parent != kNoNode && parent != i, i, "has a parent that does not exist");
    if (parent == kNoNode || parent == i) continue;
    size_t& side = i < parent ? tree.nodes[parent].left : tree.nodes[parent].right;
    checker.require(side == kNoNode, i, "is a third child");
    if (side == kNoNode) side = i;
  }
}

// Every node has one parent and there is one root: then "all are reached from the root" means "no
// cycle".
size_t reached(const Tree& tree) {
  std::vector<size_t> stack;
  if (tree.root != kNoNode) stack.push_back(tree.root);
  size_t count = 0;
  while (!stack.empty()) {
    const TreeNode& node = tree.nodes[stack.back()];
    stack.pop_back();
    ++count;
    for (size_t child : {node.left, node.right})
      if (child != kNoNode) stack.push_back(child);
  }
  return count;
}

Tree build_tree(std::span<const svma_vma> vmas, bool whole_holes) {
  Tree tree;
  for (const svma_vma& vma : vmas) tree.nodes.push_back({.vma = vma});
  Checker checker(tree, whole_holes);
  link_nodes(tree, vmas, checker);
  if (tree.root == kNoNode) {
    if (!vmas.empty()) tree.faults.push_back("there is no root");
    return tree;
  }
  size_t count = reached(tree);
  if (count != vmas.size())
    tree.faults.push_back(fmt::format("{} nodes can't be reached", vmas.size() - count));
  checker.require(!(vmas[tree.root].bits & SVMA_VMA_RED), tree.root, "is the root and red");
  Subtree whole = checker.check(tree.root, 0);
  tree.height = whole.height;
  tree.black_height = whole.black_height;
  return tree;
}

}  // namespace

// One way of counting gaps must hold for all nodes.
Tree build_tree(std::span<const svma_vma> vmas) {
  Tree tree = build_tree(vmas, false);
  if (tree.faults.empty()) return tree;
  Tree whole = build_tree(vmas, true);
  return whole.faults.empty() ? whole : tree;
}

std::vector<FreeRange> free_ranges(const Layout& layout, uint64_t low, uint64_t high) {
  std::vector<FreeRange> ranges;
  uint64_t at = low;
  for (const Vma& vma : layout) {
    uint64_t end = std::min(vma.start, high);
    if (end > at) ranges.push_back({at, end});
    at = std::max(at, vma.end);
  }
  if (high > at) ranges.push_back({at, high});
  return ranges;
}

}  // namespace svma
