// SPDX-License-Identifier: GPL-2.0-only
//
// Who is told of what happens to the VMAs of an address space: reverse mapping, which this layer
// does not know. A table of functions instead of a template parameter, since the algorithms are no
// templates, and instead of a base class, since the core has none of those.
#pragma once

#include "vma/vma.hpp"

namespace svma {

enum class SplitSide : u8;

// Complexity and locking: those of the observer. None of the functions may change the address
// space.
struct VmaObserver {
  void (*inserted)(VmaObserver& self, Vma& vma);  // into tree and list, not by a split
  void (*bounds_moved)(VmaObserver& self, Vma& vma);
  // `fresh`, a copy of `vma`, has its bounds and is in nothing; `vma` is as it was.
  void (*splitting)(VmaObserver& self, Vma& vma, Vma& fresh, VirtAddr addr, SplitSide side);
  void (*copied)(VmaObserver& self, Vma& copy, const Vma& source);  // after inserted()
  // `to` has no anon_vma and takes that of `from` over; `from` may be about to go.
  void (*imported)(VmaObserver& self, Vma& to, const Vma& from);
  void (*removed)(VmaObserver& self, Vma& vma);  // out of everything, about to be freed
};

}  // namespace svma
