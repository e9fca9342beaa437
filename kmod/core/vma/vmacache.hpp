// SPDX-License-Identifier: GPL-2.0-only
//
// vmacache: each task remembers four VMAs of its mm, so that find_vma() need not descend the tree.
// Rules of mm/vmacache.c in v5.10 (v3.15 to v6.0).
//
//     task 1  seqnum 7   [ A | . | C | . ]        mm  vmacache_seqnum 8
//     task 2  seqnum 8   [ . | . | C | D ]
//
//     slot of an address: (addr >> 21) & 3, where page tables begin
//     lookup   task.seqnum != mm.seqnum: forget all four, take the mm's number, miss (task 1)
//              else look into all four, from the address's own slot on, for one that contains it
//     update   after a miss, what the tree gave goes into the address's slot
//     a VMA leaves the mm: ++mm.seqnum, and that is all; nobody goes looking for tasks
//
// A VMA that changes its bounds stays remembered: its bounds are read at each lookup.
//
// Invariants:
//  - A slot is dereferenced only if the numbers are equal. Whatever takes a VMA out of an
//    AddressSpace (unlink, detach_vmas_to_be_unmapped, clear) raises the mm's number before the
//    VMA's memory is given back. So a slot that is dereferenced points to a VMA that is linked.
//  - A cache follows one mm. Where the task gets another one (fork, exec, exit), it is told by
//    set_mm() and forgets all, so that numbers of different mms are never compared.
//  - Numbers never come round: 64 bits. Until v4.19 they had 32, and what was to be done at the
//    overflow, flushing the caches of all tasks, was left out for a task alone with its mm: after
//    2^32 changes its slots were valid again (CVE-2018-17182, commit 7a9cdebdcc17).
//
// Complexity: lookup and update O(1), invalidation O(1) for any number of tasks. Locking: the
// caller's, for the mm as for each lookup; a cache is used by its task alone.
#pragma once

#include "base/types.hpp"
#include "vma/address_space.hpp"

namespace svma {

class VmaCache {
 public:
  static constexpr unsigned kBits = 2;           // VMACACHE_BITS
  static constexpr unsigned kSize = 1 << kBits;  // VMACACHE_SIZE
  static constexpr unsigned kPmdShift = 21;      // VMACACHE_SHIFT where there is an MMU

  // VMACACHE_HASH().
  static constexpr unsigned hash(VirtAddr addr) {
    return static_cast<unsigned>(addr.value() >> kPmdShift) & (kSize - 1);
  }

  VmaCache() = default;
  explicit VmaCache(const AddressSpace* mm) : mm_(mm) {}

  // current->mm becomes `mm`: copy_mm(), exec_mmap(); null for a kernel thread.
  void set_mm(const AddressSpace* mm) {
    mm_ = mm;
    vmacache_flush();
  }

  void vmacache_flush() {
    for (Vma*& slot : vmas_) slot = nullptr;
  }

  // Whether the slots may be used for `mm`. If they are out of date, they are brought up to date,
  // empty, and the answer is still no.
  bool vmacache_valid(const AddressSpace& mm) {
    if (mm_ != &mm) return false;
    if (seqnum_ == mm.vmacache_seqnum()) return true;
    seqnum_ = mm.vmacache_seqnum();
    vmacache_flush();
    return false;
  }

  // RETURNS: a VMA of `mm` that contains `addr`, or null if none is remembered.
  Vma* vmacache_find(const AddressSpace& mm, VirtAddr addr) {
    if (!vmacache_valid(mm)) return nullptr;
    for (unsigned i = 0; i < kSize; ++i) {
      Vma* const vma = vmas_[(hash(addr) + i) % kSize];
      if (vma && vma->range().contains(addr)) return vma;
    }
    return nullptr;
  }

  // `vma` is what find_vma(addr) gives, or null, which is not remembered.
  // REQUIRES: vmacache_find() was called after the last change of `mm`: as in the kernel, the
  // number is not looked at.
  void vmacache_update(const AddressSpace& mm, VirtAddr addr, Vma* vma) {
    if (mm_ != &mm || !vma) return;
    SVMA_DCHECK(seqnum_ == mm.vmacache_seqnum());
    vmas_[hash(addr)] = vma;
  }

  // To show and to compare; not to be dereferenced unless vmacache_valid().
  const Vma* slot(unsigned index) const { return vmas_[index]; }
  u64 seqnum() const { return seqnum_; }

 private:
  friend class VmaCacheTestPeer;

  const AddressSpace* mm_ = nullptr;
  u64 seqnum_ = 0;
  Vma* vmas_[kSize] = {};
};

// find_vma() as it was from v3.15 to v6.0: the task's cache, then the tree.
inline Vma* find_vma_cached(const AddressSpace& mm, VmaCache& cache, VirtAddr addr) {
  if (Vma* const hit = cache.vmacache_find(mm, addr)) return hit;
  Vma* const vma = mm.find_vma(addr);
  cache.vmacache_update(mm, addr, vma);
  return vma;
}

// find_vma() as it was before v3.15: the mm's cache, then the tree.
inline Vma* find_vma_mmap_cached(AddressSpace& mm, VirtAddr addr) {
  if (Vma* const hit = mm.mmap_cache().find(addr)) return hit;
  Vma* const vma = mm.find_vma(addr);
  if (vma) mm.mmap_cache().update(vma);
  return vma;
}

}  // namespace svma
