// SPDX-License-Identifier: GPL-2.0-only
//
// mmap_cache: the one VMA that an mm_struct remembered before v3.15 (commit 615d6e8756c8 replaced
// it by vmacache.hpp, since threads took it away from each other). Rules of mm/mmap.c in v3.14:
//
//     find_vma() found V in the tree            remembered: V, even if the address is below it
//     V is unlinked (merge)                     remembered: the VMA before V, or none
//     VMAs are detached to be unmapped          remembered: none
//
// Invariant: null, or a VMA that is linked in the mm. Complexity: O(1). Locking: the caller's, as
// for the address space; a lookup writes, too.
#pragma once

#include "vma/vma.hpp"

namespace svma {

class MmapCache {
 public:
  // RETURNS: the VMA remembered, if it contains `addr`, else null.
  Vma* find(VirtAddr addr) const { return vma_ && vma_->range().contains(addr) ? vma_ : nullptr; }
  void update(Vma* vma) { vma_ = vma; }
  void unlinked(const Vma* vma, Vma* prev) {
    if (vma_ == vma) vma_ = prev;
  }
  void forget() { vma_ = nullptr; }

  const Vma* vma() const { return vma_; }

 private:
  Vma* vma_ = nullptr;
};

}  // namespace svma
