// SPDX-License-Identifier: GPL-2.0-only
//
// Where the kernel still keeps its VMAs in a red-black tree and a list (until v6.0), the shadow of
// an mm must have the same ones: the same node at each place, with the same colour, the same
// rb_subtree_gap and the same neighbours in the list.
//
//     shadow                     live               both trees are gone down at the same time, so
//        B black                    B black         that equal shapes need no look-up:
//       / |                        / |              - the path to an address, O(log n), after each
//      A  D red                   A  D red            operation, at both ends of what it touched;
//        / |                        / |             - the whole tree, O(n), at the end of an mm.
//       C  E                       C  F <- differs
//
// A tree that differs is not compared any more until the shadow is loaded anew, with the live
// shape.
#pragma once

#include "abi/core_api.h"
#include "base/status.hpp"
#include "vma/address_space.hpp"

namespace svma {

class StructureCheck {
 public:
  // Locking: mmap_lock as for any comparison.
  StructureCheck(const AddressSpace& space, const void* mm, svma_verdict& verdict)
      : space_(space), mm_(mm), verdict_(verdict) {}

  // RETURNS: false when they differ; `predicted` and `observed` are the first place, then.
  bool compare_path(VirtAddr addr, svma_corner& predicted, svma_corner& observed);
  bool compare_all(svma_corner& predicted, svma_corner& observed);

 private:
  bool count(bool equal);
  bool compare_holder(const svma_live_tree& tree);
  bool same(const Vma& vma, u64 node, u64 parent, svma_live_node& live);
  void capture(const Vma* vma, u64 node, svma_corner& predicted, svma_corner& observed) const;

  const AddressSpace& space_;
  const void* mm_;
  svma_verdict& verdict_;
};

// Whether this kernel has such a tree; what there is to say of it.
inline bool live_tree(const void* mm, svma_live_tree& tree) {
  return svma_os_live_tree(mm, &tree) == 0;
}

}  // namespace svma
