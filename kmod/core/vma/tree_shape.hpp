// SPDX-License-Identifier: GPL-2.0-only
//
// How deep the VMAs lie in the tree, which is what a lookup costs: find_vma() of an address inside
// a VMA looks at that VMA and all nodes above it.
//
//          B           depth 1      height  = 3
//        /   \                      visited = 1 + 2 + 2 + 3 = 8, on average 2.0 for each VMA
//       A     D        2
//            /
//           C          3
#pragma once

#include "vma/address_space.hpp"

namespace svma {

struct TreeShape {
  u32 vmas = 0;
  u32 height = 0;   // nodes on the longest way down
  u64 visited = 0;  // nodes looked at when each VMA is looked up once, together
};

// Adds `limit` VMAs at most to `shape`, from the first one that ends above `from`.
// RETURNS: the first one that was left, null when none was. O(limit * log n).
inline const Vma* add_shape(const AddressSpace& space, VirtAddr from, u32 limit, TreeShape& shape) {
  const Vma* vma = space.find_vma(from);
  for (; vma && limit; vma = AddressSpace::next(vma), --limit) {
    u32 depth = 1;
    for (const Vma* at = space.tree().parent(vma); at; at = space.tree().parent(at)) ++depth;
    ++shape.vmas;
    shape.visited += depth;
    if (depth > shape.height) shape.height = depth;
  }
  return vma;
}

}  // namespace svma
