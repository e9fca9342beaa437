// SPDX-License-Identifier: GPL-2.0-only
//
// A VMA of a shadow and its part in reverse mapping, in one block of the pool. Neither layer knows
// of the other; here they meet.
#pragma once

#include <cstddef>

#include "base/memory.hpp"
#include "rmap/rmap_vma.hpp"
#include "vma/vma.hpp"

namespace svma {

struct ShadowVma {
  Vma vma;
  RmapVma rmap;  // comes to life when the VMA is linked, if anybody follows reverse mapping
};
static_assert(offsetof(ShadowVma, vma) == 0, "the pool's blocks are taken for VMAs");
static_assert(sizeof(ShadowVma) == 256 && alignof(ShadowVma) == 64);

inline RmapVma* beside(Vma& vma) { return &reinterpret_cast<ShadowVma*>(&vma)->rmap; }
inline const RmapVma* beside(const Vma& vma) {
  return &reinterpret_cast<const ShadowVma*>(&vma)->rmap;
}

}  // namespace svma
