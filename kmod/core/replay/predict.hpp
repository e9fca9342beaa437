// SPDX-License-Identifier: GPL-2.0-only
//
// The kernel's operations, run on the shadow: one function per operation, in the kernel's own order
// of steps, built from the algorithms of vma/.
#pragma once

#include "replay/facts.hpp"
#include "replay/shadow.hpp"

namespace svma {

// What a prediction touched, to be observed afterwards. mremap touches two places.
struct Touched {
  AddrRange range[2];
  u32 count = 0;

  void add(AddrRange r) { range[count++] = r; }
};

class Predictor {
 public:
  Predictor(Shadow& shadow, const void* mm, svma_verdict& verdict)
      : semantics_(*shadow.semantics_),
        space_(shadow.space_),
        rmap_(shadow.rmap_),
        mm_(mm),
        verdict_(verdict) {}

  // -ENOMEM: the pool ran empty and nothing was changed; -EOPNOTSUPP: no prediction for this
  // operation, or its arguments are none that the kernel could have called it with.
  Status apply(const svma_op& op, Touched& touched);

 private:
  // What mprotect, mlock, madvise, mbind and userfaultfd have in common: part of one VMA gets other
  // attributes.
  struct Change {
    AddrRange range;
    VmFlags vm_flags;
    bool others;  // also the three below
    u64 uffd_ctx;
    u32 vm_policy;
    u32 anon_name;
    u32 map_count_limit;
    bool kernel_failed;
    bool at_vma_pgoff;       // vma_merge() gets the vm_pgoff of the whole VMA
    bool leaves_soft_dirty;  // VM_SOFTDIRTY of a merged VMA stays what it is
  };

  // What a driver has still to do with a new mapping.
  enum class Driver : u8 { kDone, kOfFile, kOfSharedMemory };

  Status mmap(const svma_op& op, Touched& touched);
  Status mmap_failed(const svma_op& op, AddrRange range, bool within_limits, VmaReserve& reserve);
  bool mmap_within_limits(const svma_op& op, AddrRange range) const;
  void judge_limits(const svma_op& op, bool within_limits);
  void explain_failure(const svma_op& op, bool within_limits);
  Status munmap(const svma_op& op, Touched& touched);
  Status brk(const svma_op& op, Touched& touched);
  Status mprotect(const svma_op& op, Touched& touched);
  Status mlock(const svma_op& op, Touched& touched);
  Status modify(const svma_op& op, Touched& touched);
  Status madvise(const svma_op& op, Touched& touched);
  Status mbind(const svma_op& op, Touched& touched);
  Status mseal(const svma_op& op, Touched& touched);
  Result<Vma*> bind(const svma_op& op, Vma& vma, AddrRange part, VmaReserve& reserve);
  Status clear_refs(Touched& touched);
  Status offer_all_to_ksm(const svma_op& op, Touched& touched);
  Status mremap_move(const svma_op& op, Touched& touched);
  Status mremap_expand(const svma_op& op, Touched& touched);
  Status stack_growth(const svma_op& op, Touched& touched);
  i64 stack_growth_result(const svma_op& op, const Vma& vma, VirtAddr addr) const;
  Status stack_shift(const svma_op& op, Touched& touched);
  Status insert(const svma_op& op, Touched& touched);

  Vma* join_neighbour(AddrRange range, const VmaAttrs& attrs);
  Vma* merge_below(AddrRange range, const VmaAttrs& attrs);
  Vma* brk_joins(const svma_op& op, AddrRange range, const VmaAttrs& attrs);
  Vma* expand_neighbour(AddrRange range, const VmaAttrs& attrs);
  Vma* map_new(AddrRange range, VmaAttrs attrs, Driver driver, VmaReserve& reserve);
  void take_prepared_attrs(AddrRange range, VmaAttrs& attrs);
  void take_driver_attrs(AddrRange range, VmaAttrs& attrs);
  Result<Vma*> change(const Change& change, VmaReserve& reserve);
  Status split_around(Vma* vma, const Change& change, VmaReserve& reserve);
  Status split_within_limit(Vma* vma, VirtAddr addr, SplitSide side, u32 limit,
                            VmaReserve& reserve);
  SplitSide cut_side() const;
  Status cut_out(AddrRange range, VmaReserve& reserve);
  Status unmap_refusal(AddrRange range, u32 map_count_limit) const;
  Status unmap_halfway(AddrRange range, u32 map_count_limit, VmaReserve& reserve);
  bool too_many_to_move(const Vma& vma, bool dontunmap, u32 limit) const;
  bool userfaultfd_follows(const Vma& vma, VirtAddr copy);
  AnonShift shift_of_copy(const Vma& vma, VirtAddr from, VirtAddr to) const;
  void prepare_userfaultfd(Vma* copy);
  Status mremap_undone(Vma* vma, AddrRange from, AddrRange to);
  void leave_source(Vma* vma, const Vma* copy, AddrRange from);
  Status split_for_dontunmap(Vma* vma, AddrRange old_range, VmaReserve& reserve);
  void account_locked(VmFlags flags, i64 pages);
  void count_fact(Fact fact) { svma::count_fact(verdict_, fact); }

  const Semantics& semantics_;
  AddressSpace& space_;
  RmapFollower& rmap_;
  const void* mm_;
  svma_verdict& verdict_;
};

}  // namespace svma
