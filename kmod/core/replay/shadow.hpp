// SPDX-License-Identifier: GPL-2.0-only
//
// The shadow of one address space, kept in step operation by operation.
//
//     begin(op)    the write lock is held, nothing has changed yet: learn what faults changed since
//     end(op)      the live side has changed: predict, observe the neighbourhood, compare, adopt
//     release()    the lock is about to be given up: compare the totals
//
// A prediction runs the shadow's own algorithms on the operation's arguments. What it may take from
// elsewhere is listed in facts.hpp, and each use is counted.
//
// A system call that works through several VMAs is a sequence of such operations (one per VMA, as
// the kernel has a function for that), and call.hpp checks that the sequence is the right one.
//
// Locking: the caller serialises everything on one shadow and holds mmap_lock as abi/core_api.h
// says.
#pragma once

#include "abi/core_api.h"
#include "base/status.hpp"
#include "base/types.hpp"
#include "replay/rmap_follower.hpp"
#include "replay/semantics.hpp"
#include "vma/address_space.hpp"
#include "vma/reserve.hpp"
#include "vma/vmacache.hpp"

namespace svma {

// Conversions between the plain C records at the border and the core's own types.
VmaAttrs attrs_of(const svma_live_vma& live);
AddrRange range_of(const svma_live_vma& live);
svma_live_vma record_of(const Vma& vma);

// A new VMA with the bounds and attributes of `live`, linked into `space`; `as`: with
// AddressSpace::insert_as() in that colour. REQUIRES: nothing is there. RETURNS: -ENOMEM when the
// pool is empty.
Status insert_copy(AddressSpace& space, const svma_live_vma& live, const RbColor* as = nullptr);

struct Touched;

class Shadow {
 public:
  Shadow(const Semantics& semantics, u64 stack_guard_gap)
      : semantics_(&semantics),
        space_(stack_guard_gap, semantics.gap_rule, semantics.merge_rules(),
               semantics.shadow_stacks_have_guard ? kVmShadowStack : 0) {
    space_.set_munmap_keeps_clones(semantics.munmap_keeps_clones);
  }
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  // Follows reverse mapping from now on. REQUIRES: empty.
  void follow(SharedRmap& rmap, u64 owner) { rmap_.follow(space_, rmap, owner); }
  void leave_rmap(bool ended) { rmap_.leave(ended); }
  void share_abroad() { rmap_.share_abroad(); }
  const RmapFollower& rmap() const { return rmap_; }

  void clear() { space_.clear(); }

  // See svma_core_load_part(). After an error clear() is due.
  Status load_part(const void* mm, svma_load& progress, u32 budget);
  // Predicts what dup_mmap() makes of `parent`. REQUIRES: empty. -ENOMEM when the pool
  // ran empty; it is empty again then.
  Status fork_from(const Shadow& parent);

  void begin(const svma_op& op, const void* mm, svma_verdict& verdict);
  void end(const svma_op& op, const void* mm, svma_verdict& verdict);
  void release(const void* mm, bool downgraded, bool announced, svma_verdict& verdict);
  void audit(const void* mm, bool take_facts, svma_verdict& verdict);
  // An address search. RETURNS: the shadow's own answer, 0 for -ENOMEM.
  u64 search(const svma_op& op, svma_verdict& verdict);
  // vm_unmapped_area(). `min_addr`: vm.mmap_min_addr, bytes.
  Result<VirtAddr> unmapped_area(UnmappedAreaInfo info, bool topdown, u64 min_addr) const;
  void first_fault(const svma_live_vma& live, const void* mm, bool alone, svma_verdict& verdict);
  void note_guard(VirtAddr addr, i64 result, svma_verdict& verdict);
  // Both of a child: userfaultfd took its context back; dup_mm() is through.
  void drop_undelivered_uffd(const void* mm, svma_verdict& verdict);
  void fork_done();

  const char* verify_rmap(const Vma& vma) const { return rmap_.verify(vma); }

  const AddressSpace& space() const { return space_; }
  const Semantics& semantics() const { return *semantics_; }

  // What the kernel's vmacache of `task` was asked, and what was put into it. `hit`: vm_start of
  // what it answered with, SVMA_CORE_NO_VMA for a miss. What happens while
  // the layout changes is not known exactly; nothing is said of that cache until its next flush.
  void vmacache_find(u32 task, VirtAddr addr, u64 hit, bool in_flux, svma_verdict& verdict);
  void vmacache_update(u32 task, VirtAddr addr, VirtAddr start, bool in_flux);

  // The whole tree against the kernel's own, where it has one.
  void compare_structure(const void* mm, svma_verdict& verdict);
  // RETURNS: whether it has differed; where it first did.
  bool structure_differs(svma_corner& predicted, svma_corner& observed) const;
  // mm->brk as it was when the lock was last given up; 0: not seen yet.
  u64 heap_end() const { return heap_end_; }

 private:
  friend class Predictor;
  friend class Comparer;
  friend class CallCheck;

  AddrRange range_at_entry(const svma_op& op) const;

  // The vmacache of one task that works on this mm. A task that was not seen for long loses its
  // place to another one, as if it had been flushed.
  struct TaskCache {
    u32 task = 0;
    u32 last_use = 0;
    // Of a kernel that has a vmacache: nothing is known of the task's; nothing but that its number
    // is the one here; its slots are the same.
    enum : u8 { kUnknown, kInStep, kSame } state = kUnknown;
    VmaCache cache;
  };
  static constexpr u32 kTaskCaches = 8;

  TaskCache& cache_of(u32 task);
  void compare_lookup(VmaCache& cache, VirtAddr addr, svma_verdict& verdict);

  Status load_layout(const void* mm, svma_load& progress, u32 budget);
  Status load_tree(const void* mm, const svma_live_tree& tree, svma_load& progress, u32 budget);
  Status load_chains(const void* mm, svma_load& progress, u32 budget);
  void finish_load(const void* mm);
  void compare_structure_at(const void* mm, const Touched& touched, svma_verdict& verdict);
  void note_structure(bool equal, svma_verdict& verdict);

  const Semantics* semantics_;
  AddressSpace space_;
  RmapFollower rmap_;
  bool structure_differs_ = false;
  svma_corner predicted_corner_{};
  svma_corner observed_corner_{};
  TaskCache caches_[kTaskCaches];
  u32 lookups_ = 0;
  u64 heap_end_ = 0;
  bool hiwater_unsure_ = false;  // a stack grew beside an unmap that was to raise it
  bool forking_ = false;         // a child whose hiwater_vm is still its parent's
};

}  // namespace svma
