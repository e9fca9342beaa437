// SPDX-License-Identifier: GPL-2.0-only
//
// Memory for VMAs, taken before anything is changed, so that no operation can fail half-way.
#pragma once

#include "base/status.hpp"
#include "base/types.hpp"
#include "vma/vma.hpp"

// Supplied by whoever hosts the core: one block of sizeof(svma::Vma) bytes aligned to
// alignof(svma::Vma) (128 and 64), or null. In the module: a slab cache, or a pool where sleeping
// is not allowed.
extern "C" void* svma_os_vm_area_alloc(void);
extern "C" void svma_os_vm_area_free(void* vma);

namespace svma {

// A stock of unused VMAs. Operations that may need new ones take a reserve that was filled
// before; what is left over goes back when the reserve goes out of scope.
//
// Invariant: the stock is chained through list.next, otherwise has default values, and holds
// available() blocks.
// Complexity: fill O(n), take O(1).
// Locking: none; a reserve belongs to one operation.
class VmaReserve {
 public:
  VmaReserve() = default;
  VmaReserve(const VmaReserve&) = delete;
  VmaReserve& operator=(const VmaReserve&) = delete;
  ~VmaReserve() { release(); }

  // Brings the stock to at least `n`.
  // RETURNS: -ENOMEM when that fails; the stock is then what it was before.
  Status fill(unsigned n);

  unsigned available() const { return available_; }

  // RETURNS: a VMA with default values, or null when the stock is empty.
  Vma* take();

  // Gives an unlinked VMA to the stock.
  void give_back(Vma* vma);

  // Gives the whole stock back to the host.
  void release();

 private:
  Vma* stock_ = nullptr;
  unsigned available_ = 0;
};

// The kernel's names for the same thing (kernel/fork.c in v6.1).
inline Vma* vm_area_alloc(VmaReserve& reserve) { return reserve.take(); }

// A copy of bounds and attributes, in no tree and no list.
Vma* vm_area_dup(VmaReserve& reserve, const Vma& vma);

// Gives an unlinked VMA back to the host. Null is allowed.
void vm_area_free(Vma* vma);

}  // namespace svma
