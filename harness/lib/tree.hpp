// SPDX-License-Identifier: GPL-2.0-only
// The shadow's red-black tree put together again from a snapshot's parent links, and its free
// ranges. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/layout.hpp"
#include "uapi/svma.h"

namespace svma {

inline constexpr size_t kNoNode = SIZE_MAX;

// One node: the record, and its children as indices.
struct TreeNode {
  svma_vma vma{};
  size_t left = kNoNode;
  size_t right = kNoNode;
};

// Nodes in address order. `faults` names what makes it no red-black tree with gaps, by node; empty:
// it is valid.
struct Tree {
  std::vector<TreeNode> nodes;
  size_t root = kNoNode;
  size_t height = 0;        // nodes on the longest way down
  size_t black_height = 0;  // black nodes on every way down
  std::vector<std::string> faults;
};

// Links the nodes and checks: one root, order, depth, no red parent of a red child, equal black
// heights, gaps.
Tree build_tree(std::span<const svma_vma> vmas);

// A range without a VMA, bytes, [start, end).
struct FreeRange {
  uint64_t start = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - start; }
  bool operator==(const FreeRange&) const = default;
};

// What is free in [low, high).
std::vector<FreeRange> free_ranges(const Layout& layout, uint64_t low, uint64_t high);

}  // namespace svma
