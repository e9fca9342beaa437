// SPDX-License-Identifier: GPL-2.0-only
//
// The shadow of one vm_area_struct. What searches, iteration and the gap augmentation touch fits in
// the first cache line; what merging compares and reports show fills the second.
#pragma once

#include <cstddef>

#include "base/types.hpp"
#include "intrusive/list.hpp"
#include "intrusive/rb_tree.hpp"

namespace svma {

// vm_flags with the bit values of x86-64: include/linux/mm.h in v6.1. Those that v5.10 has are the
// same there.
using VmFlags = u64;
inline constexpr VmFlags kVmRead = 0x1;
inline constexpr VmFlags kVmWrite = 0x2;
inline constexpr VmFlags kVmExec = 0x4;
inline constexpr VmFlags kVmShared = 0x8;
inline constexpr VmFlags kVmMayRead = 0x10;
inline constexpr VmFlags kVmMayWrite = 0x20;
inline constexpr VmFlags kVmMayExec = 0x40;
inline constexpr VmFlags kVmMayShare = 0x80;
inline constexpr VmFlags kVmGrowsDown = 0x100;
inline constexpr VmFlags kVmUffdMissing = 0x200;
inline constexpr VmFlags kVmPfnMap = 0x400;
inline constexpr VmFlags kVmDenyWrite = 0x800;
inline constexpr VmFlags kVmUffdWp = 0x1000;
inline constexpr VmFlags kVmLocked = 0x2000;
inline constexpr VmFlags kVmIo = 0x4000;
inline constexpr VmFlags kVmSeqRead = 0x8000;
inline constexpr VmFlags kVmRandRead = 0x10000;
inline constexpr VmFlags kVmDontCopy = 0x20000;
inline constexpr VmFlags kVmDontExpand = 0x40000;
inline constexpr VmFlags kVmLockOnFault = 0x80000;
inline constexpr VmFlags kVmAccount = 0x100000;
inline constexpr VmFlags kVmNoReserve = 0x200000;
inline constexpr VmFlags kVmHugetlb = 0x400000;
inline constexpr VmFlags kVmSync = 0x800000;
inline constexpr VmFlags kVmPat = 0x1000000;  // VM_ARCH_1 on x86
inline constexpr VmFlags kVmWipeOnFork = 0x2000000;
inline constexpr VmFlags kVmDontDump = 0x4000000;
inline constexpr VmFlags kVmSoftDirty = 0x8000000;
inline constexpr VmFlags kVmMixedMap = 0x10000000;
inline constexpr VmFlags kVmHugePage = 0x20000000;
inline constexpr VmFlags kVmNoHugePage = 0x40000000;
inline constexpr VmFlags kVmMergeable = 0x80000000;  // KSM
inline constexpr VmFlags kVmPkeyMask = u64{0xf} << 32;
inline constexpr VmFlags kVmUffdMinor = u64{1}
                                        << 37;  // another since v6.6: Semantics::uffd_minor()
inline constexpr VmFlags kVmShadowStack = u64{1} << 37;  // since v6.6
inline constexpr VmFlags kVmDroppable = u64{1} << 40;    // since v6.11, as is the next; no kernel
inline constexpr VmFlags kVmSealed = u64{1} << 63;       // before uses these bits
inline constexpr VmFlags kVmMaybeGuard = 0x800;          // since v6.19; VM_DENYWRITE until v5.15

inline constexpr VmFlags kVmStack = kVmGrowsDown;  // x86 has no stacks that grow up
inline constexpr VmFlags kVmAccessFlags = kVmRead | kVmWrite | kVmExec;
inline constexpr VmFlags kVmSpecial = kVmIo | kVmDontExpand | kVmPfnMap | kVmMixedMap;
inline constexpr VmFlags kVmLockedMask = kVmLocked | kVmLockOnFault;

// How many pages the anonymous pages of a mapping are indexed away from the address at which they
// are, in a form that takes two bytes: modulo the largest prime below 1 << 16, so that sums are
// those of the distances, and that distances between places one would choose stay distinct.
class AnonShift {
 public:
  constexpr AnonShift() = default;
  // From what svma_live_vma holds. 0: each page has the index of its address.
  explicit constexpr AnonShift(u16 residue) : residue_(residue) {}
  // Of pages with the index of `from`, found at `to`.
  static constexpr AnonShift between(VirtAddr from, VirtAddr to) {
    const u64 index = from.page_number() % kModulus, place = to.page_number() % kModulus;
    return AnonShift(static_cast<u16>((index + kModulus - place) % kModulus));
  }
  constexpr AnonShift plus(AnonShift other) const {
    return AnonShift(static_cast<u16>((u32{residue_} + other.residue_) % kModulus));
  }
  constexpr u16 residue() const { return residue_; }
  friend constexpr bool operator==(AnonShift, AnonShift) = default;

 private:
  static constexpr u32 kModulus = 65521;
  u16 residue_ = 0;
};

// All that a VMA is beside its bounds: plain values. Objects of the kernel appear as numbers whose
// only meaning is equality (in the module, their addresses); 0 means that there is none.
struct VmaAttrs {
  VmFlags vm_flags = 0;
  PageOffset vm_pgoff;
  u64 file = 0;      // struct file; 0 is anonymous
  u64 ino = 0;       // with dev: for people and for the cross-check, never compared by merge
  u64 anon_vma = 0;  // struct anon_vma
  u64 uffd_ctx = 0;  // struct userfaultfd_ctx
  u32 dev = 0;
  u32 vm_policy = 0;  // the *content* of the mempolicy: equal policies have equal ids
  u32 anon_name = 0;  // likewise the name given by PR_SET_VMA_ANON_NAME
  // Private mappings of files only, where the kernel keeps it (AnonPageIndex): by how far the index
  // of their anonymous pages is off from the page number of their address.
  AnonShift anon_shift;
  bool has_close : 1 = false;      // vm_ops->close exists: see CloseRule
  bool anon_singular : 1 = false;  // the anon_vma chain has exactly one entry; not when it has none
  // vma_is_anonymous(): no vm_ops. Not the same as `file == 0`: a private mapping of /dev/zero is
  // anonymous and keeps its file (drivers/char/mem.c mmap_zero()), the vdso has none and is not.
  bool anonymous : 1 = false;
  // vm_ops->may_split allows multiples of 1 << split_shift only; 0: any page, 63: none.
  u8 split_shift = 0;

  friend constexpr bool operator==(const VmaAttrs&, const VmaAttrs&) = default;
};
static_assert(sizeof(VmaAttrs) == 64);

// Of a file and copied on write: include/linux/mm.h is_cow_mapping().
constexpr bool is_private_file(const VmaAttrs& attrs) {
  return attrs.file != 0 && (attrs.vm_flags & (kVmShared | kVmMayWrite)) == kVmMayWrite;
}

// Invariants, while linked into an AddressSpace: bounds are page-aligned, vm_start < vm_end; bounds
// and kVmGrowsDown change only through the AddressSpace (set_bounds, set_flags, set_attrs and what
// builds on them), since order and gaps depend on them. Other attributes may be written directly.
struct alignas(64) Vma {
  RbNode rb;               // in address order; first, so that element and node share an address
  VirtAddr vm_start;       // inclusive
  VirtAddr vm_end;         // exclusive
  u64 rb_subtree_gap = 0;  // bytes; see gap.hpp
  ListNode<Vma> list;      // vm_prev, vm_next
  VmaAttrs attrs;

  constexpr AddrRange range() const { return {vm_start, vm_end}; }
  constexpr PageCount pages() const { return range().pages(); }
  constexpr bool has(VmFlags any) const { return (attrs.vm_flags & any) != 0; }

  // Whether its driver allows a split at `addr`.
  constexpr bool may_split(VirtAddr addr) const {
    return (addr.value() & ((u64{1} << attrs.split_shift) - 1)) == 0;
  }

  // Whether vm_flags has VM_GROWSDOWN, kept in the hot part: the gap augmentation asks at each
  // step.
  bool grows_down() const { return rb.owner_bit(); }
  void note_grows_down() { rb.set_owner_bit(has(kVmGrowsDown)); }

  // The page offset that a VMA continuing this one at vm_end would have.
  constexpr PageOffset end_pgoff() const { return attrs.vm_pgoff + pages(); }
};
static_assert(offsetof(Vma, rb) == 0);
static_assert(offsetof(Vma, attrs) == 64, "the hot part is one cache line");
static_assert(sizeof(Vma) == 128 && alignof(Vma) == 64);

struct VmaRbHook {
  static RbNode* node(Vma* vma) { return &vma->rb; }
  static Vma* element(RbNode* node) { return reinterpret_cast<Vma*>(node); }
};

// Where a new VMA goes; valid until the next change of the address space.
struct VmaLinks {
  Vma* prev = nullptr;  // the last VMA below
  Vma* next = nullptr;  // the first VMA above
  RbNode* rb_parent = nullptr;
  RbNode** rb_link = nullptr;
};

}  // namespace svma
