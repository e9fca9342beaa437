// SPDX-License-Identifier: GPL-2.0-only
//
// Keeps the reverse mapping of one shadow in step, and compares it with the live one.
//
//     what happens to the VMAs    VmaObserver: split, merged, moved, unmapped
//     first_fault(), fork()       what concerns no VMA's bounds
//     compare()                   live chain against the shadow's
//
// FILES. A VMA with a file is in the tree of that file from its insertion to its removal, keyed by
// dev and inode. The order of those that start at the same page is the kernel's: behind all that
// are there, but directly behind the parent's for a fork. Of VMAs that were there when the shadow
// was loaded it is that of loading; theirs in the kernel nobody knows.
//
// The live tree is not compared. What could be read of it with nothing but mmap_lock is the VMA's
// own node, vma->shared, and that says nothing: no kernel clears the node when it is erased, and
// vm_area_dup() copies that of its source, so it does not tell whether it is linked; its parents
// and children belong to other mms, which change and free them under i_mmap_rwsem alone; and that
// its rb_subtree_last reaches its own last page is true of any VMA that ever was in a tree and has
// not grown, whatever the shadow holds (mm/interval_tree.c, kernel/fork.c and mm/mmap.c in v5.10,
// v6.1 and v6.12; mm/vma_init.c and mm/vma.c in v7.3). i_mmap_rwsem itself may be held by who runs
// into a probe: retract_page_tables() in mm/khugepaged.c in v5.10 and v6.1 takes an mmap_lock and
// gives it up under it. So who may map a page is held against page tables, from user space.
//
// RENAMING. An anon_vma is an object: the identity of a new one can't be computed. So the shadow's
// gets its identity when it is first compared, and keeps it as long as both live; the index of Rmap
// sees to it that no two have the same. Which entries a chain has, in which order, and whether a
// fault or a fork took an anon_vma that was there or a new one, is predicted.
//
// An identity may turn up anew while another shadow anon_vma has it: the live object was freed by
// an operation of another mm that is still open, and its memory is in use again. The older one is
// evicted; it is about to go, and if it is ever compared again, that is a divergence.
//
// SHARED. Relatives change what an anon_vma counts whenever they like, each in step with its own
// shadow only. A difference in that is one when nobody else is in the middle of something.
//
// Locking: takes the lock of svma_os_rmap_lock() in each of its functions.
#pragma once

#include "abi/core_api.h"
#include "rmap/rmap.hpp"
#include "vma/address_space.hpp"

namespace svma {

class RmapLock {
 public:
  RmapLock() { svma_os_rmap_lock(); }
  ~RmapLock() { svma_os_rmap_unlock(); }
  RmapLock(const RmapLock&) = delete;
  RmapLock& operator=(const RmapLock&) = delete;
};

// What all shadows share.
struct SharedRmap : Rmap {
  using Rmap::Rmap;
  // Too large for a stack; under the lock.
  svma_live_chain live{};
  ChainLink links[SVMA_CORE_CHAIN] = {};
};

class RmapFollower : private VmaObserver {
 public:
  RmapFollower();
  RmapFollower(const RmapFollower&) = delete;
  RmapFollower& operator=(const RmapFollower&) = delete;

  // REQUIRES: `space` is empty and outlives this.
  void follow(AddressSpace& space, SharedRmap& rmap, u64 owner);

  // A VMA of any shadow, as it is told to who asks for sharers.
  static svma_core_sharer sharer_of(const RmapVma& vma, VirtAddr address);

  // Follows again after failed(). REQUIRES: the address space is empty.
  void restart();

  // A pool ran empty: the shadow is out of reverse mapping until it is loaded anew.
  bool failed() const { return shared_ != nullptr && !following_; }

  // Takes the live chain of `vma` over in place of what it has.
  void adopt(Vma& vma, const void* mm);
  // The same in parts of `most` entries. `done`: those so far; 0 at first, and when it is complete.
  // RETURNS: how many were taken.
  u32 adopt_part(Vma& vma, const void* mm, u32& done, u32 most);

  // A first fault gave `vma` its anon_vma: a neighbour's or a new one. `alone`: see
  // svma_core_anon_vma(); else it is taken over.
  // RETURNS: whether it was predicted; else there is nothing to compare.
  bool prepare(Vma& vma, const void* mm, bool alone, svma_verdict& verdict);

  // The same, and compares.
  void first_fault(Vma& vma, const void* mm, bool alone, svma_verdict& verdict);

  // MREMAP_DONTUNMAP has moved all pages of `vma` away.
  void unfault(Vma& vma);

  // In dup_mmap(): what is inserted from now on is a copy of `parent`; null: no more.
  // REQUIRES: may_fork_from() the follower of `parent`.
  void set_fork_source(Vma* parent);
  // One VMA of dup_mmap(). REQUIRES: `child` is inserted.
  void fork(Vma& child, Vma& parent);
  // A parent whose chains are not known has no child that could be followed.
  bool may_fork_from(const RmapFollower& parent) const { return !following_ || parent.following_; }

  // Compares the chain of `vma` with the live one, and takes that over if they differ. `forked`:
  // what fork() predicted, while relatives went on.
  void compare(Vma& vma, const void* mm, bool forked, svma_verdict& verdict);

  // Takes all VMAs out. `ended`: see svma_core_rmap_leave().
  void leave(bool ended);
  // Others than are followed come to share all its anon_vmas.
  void share_abroad();
  // The first invariant that does not hold of what `vma` is linked into, or null.
  const char* verify(const Vma& vma) const;
  // After a load, in parts as adopt_part(): which anon_vmas of `vma` have VMAs that nobody follows?
  u32 judge_shared(const Vma& vma, const void* mm, u32& done, u32 most);

  // See svma_core_chains() and svma_core_sharers().
  u32 links(u64& from, u32& skip, svma_core_link* out, u32 room, u32& more) const;
  u64 sharers(const Vma& vma, VirtAddr addr, svma_core_page& page, svma_core_sharer* out,
              u32 room) const;

 private:
  static void on_inserted(VmaObserver& self, Vma& vma);
  static void on_bounds_moved(VmaObserver& self, Vma& vma);
  static void on_splitting(VmaObserver& self, Vma& vma, Vma& fresh, VirtAddr addr, SplitSide side);
  static void on_copied(VmaObserver& self, Vma& copy, const Vma& source);
  static void on_imported(VmaObserver& self, Vma& to, const Vma& from);
  static void on_removed(VmaObserver& self, Vma& vma);

  bool renew(Vma& vma);
  bool renew_file(RmapVma* mine, const VmaAttrs& attrs, RmapVma* source);
  void unlink(RmapVma* vma);
  void leave_locked(bool ended);
  void share_abroad_locked();
  bool note(Status status);
  u32 adopt_some(Vma& vma, const void* mm, u32& done, u32 most);
  void adopt_locked(Vma& vma, const void* mm);
  u32 differing_field(const RmapVma& vma, const svma_live_chain& live, u64& mine, u64& seen);
  static u32 differing_count(const RmapVma& vma, const svma_live_chain& live, u64& mine, u64& seen,
                             AnonVma*& which);
  bool is_mine(const AnonVma& anon_vma) const;
  bool same_identity(AnonVma* mine, u64 seen);
  static void report(u32 field, u64 mine, u64 seen, const Vma& vma, const void* mm,
                     svma_verdict& verdict);
  bool sure_of_fork(const RmapVma& vma, const void* mm) const;

  SharedRmap* shared_ = nullptr;
  bool following_ = false;
  u64 born_ = 0;  // Rmap::generation() when this began: of a child, before its dup_mmap()
  u64 own_ = 0;   // by how much this has raised it since
  u64 owner_ = 0;
  // The fork of which share_abroad() was told takes over what is faulted in before it copies, too:
  // anon_vmas made since are not judged by what they count.
  bool abroad_ = false;
  RmapVma* fork_source_ = nullptr;
  AddressSpace* space_ = nullptr;
};

}  // namespace svma
