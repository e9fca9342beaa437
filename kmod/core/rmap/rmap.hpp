// SPDX-License-Identifier: GPL-2.0-only
//
// Reverse mapping, as mm/rmap.c and the rmap side of mm/mmap.c (mm/vma.c) keep it. Function names
// are the kernel's. Where to read them:
//   anon_vma.cc  anon_vma_prepare, anon_vma_clone, anon_vma_fork, unlink_anon_vmas, dup_anon_vma
//   adopt.cc     the chains of VMAs that were there before
//   file.cc      trees of files, made and given back
//   change.cc    what moves, splits, merges and copies VMAs
//   walk.hpp     rmap_walk_anon, rmap_walk_file, vma_address
//   verify.hpp   the invariants
//
// One Rmap serves all address spaces, since anon_vmas connect them. It decides nothing that is
// decided elsewhere: which VMAs merge, where a mapping goes.
//
// FAILURE. What may need memory takes it from a reserve. A reserve filled beforehand with what
// *_needs() says never runs out. One that does run out stands for an allocation that failed in the
// kernel at that point: then the kernel's own way back is taken, and nothing has changed but,
// perhaps, the shape of some trees.
//
// Complexity: for a VMA with k chain entries in trees of at most n, clone, fork, unlink and changes
// of bounds O(k log n); prepare O(log n). Locking: the caller serialises all access.
#pragma once

#include "base/status.hpp"
#include "base/types.hpp"
#include "rmap/file_index.hpp"
#include "rmap/identity.hpp"
#include "rmap/reserve.hpp"
#include "rmap/rmap_vma.hpp"
#include "rmap/semantics.hpp"

namespace svma {

// What a chain is cloned for; mm/vma.h enum vma_operation in v7.3.
enum class CloneKind : u8 { kSplit, kMergeUnfaulted, kRemap, kFork };

// A change of bounds and all that must happen together with it: mm/vma.h struct vma_prepare.
struct RmapChange {
  RmapVma* vma = nullptr;
  RmapBounds bounds;            // what `vma` gets
  RmapVma* adj_next = nullptr;  // the one above, whose start becomes
  VirtAddr adj_start;           // this
  RmapVma* insert = nullptr;    // not yet in the tree of its file
  RmapVma* remove = nullptr;    // swallowed; the lower one if there are two
  RmapVma* remove2 = nullptr;

  // If `importer` has no anon_vma and one of the others does, it gets a clone of that one's chain
  // first: it will cover pages of theirs. `copied_from` is the source of a moving mremap().
  RmapVma* importer = nullptr;
  const RmapVma* exporter = nullptr;
  const RmapVma* copied_from = nullptr;
};

// An entry of a live chain: identities of its anon_vma and of that one's root and parent.
struct ChainLink {
  u64 anon_vma;
  u64 root;
  u64 parent;
};

class Rmap {
 public:
  explicit Rmap(const RmapSemantics& semantics) : semantics_(semantics) {}
  Rmap(const Rmap&) = delete;
  Rmap& operator=(const Rmap&) = delete;

  const RmapSemantics& semantics() const { return semantics_; }
  const AnonVmaList& anon_vmas() const { return anon_vmas_; }
  u64 anon_vma_count() const { return anon_vma_count_; }
  u64 avc_count() const { return avc_count_; }

  // --- anonymous pages: anon_vma.cc

  // The first write fault: makes sure that `vma` has an anon_vma, that of a neighbour if it can be
  // shared. `prev` and `next` may be null; they need not touch `vma`.
  Status anon_vma_prepare(RmapVma* vma, const RmapVma* prev, const RmapVma* next,
                          RmapReserve& reserve);
  static constexpr RmapNeed prepare_needs() { return {1, 1}; }

  // Gives `dst` a chain like that of `src`.
  // REQUIRES: `dst` has no chain; its anon_vma is that of `src`, at fork null.
  // RETURNS: -ENOMEM; `dst` has no anon_vma then.
  Status anon_vma_clone(RmapVma* dst, const RmapVma* src, CloneKind kind, RmapReserve& reserve);
  static RmapNeed clone_needs(const RmapVma& src);

  // Gives `child` the chain of `parent`, and an anon_vma of its own on top or one that nobody uses.
  // REQUIRES: `child` is a copy of `parent` without a chain.
  Status anon_vma_fork(RmapVma* child, const RmapVma* parent, RmapReserve& reserve);
  static RmapNeed fork_needs(const RmapVma& parent);

  // Takes `vma` out of all anon_vmas, and gives those back that nothing is left of.
  void unlink_anon_vmas(RmapVma* vma);

  // If `dst` has no anon_vma and `src` does, clones the chain. unlink_anon_vmas() takes it back.
  Status dup_anon_vma(RmapVma* dst, const RmapVma* src, RmapReserve& reserve);

  // --- what is there already: adopt.cc

  // Gives `vma` a part of the chain that the live one has: anon_vmas that are known by their
  // identity, and new ones for the others, which get their place among the former.
  // REQUIRES: `vma` has no anon_vma, and no chain but what is behind `links`, which are in the
  // order of the list. RETURNS: -ENOMEM; `vma` then is as it was.
  Status adopt_chain(RmapVma* vma, const ChainLink* links, unsigned count, RmapReserve& reserve);
  // And its own anon_vma, or none for 0. REQUIRES: its chain is complete.
  void adopt_own(RmapVma* vma, u64 anon_vma);
  static RmapNeed adopt_needs(unsigned count) { return {count, count}; }

  AnonVmaIndex& index() { return index_; }
  const AnonVmaIndex& index() const { return index_; }
  // Raised by all that changes what an anon_vma counts.
  u64 generation() const { return generation_; }
  void raise_generation() { ++generation_; }

  // --- pages of files: file.cc, and below what changes use: change.cc

  // Puts `vma` into the tree of a file; `source`: directly behind this one, whose copy it is.
  // REQUIRES: `vma` is in no tree of a file; `source` is in that of this file, or null.
  // RETURNS: -ENOMEM when nobody maps the file yet and the reserve has no tree for it.
  Status link_file(RmapVma* vma, FileId id, RmapVma* source, RmapReserve& reserve);
  RmapNeed link_file_needs(FileId id) const { return {0, 0, files_.find(id) ? 0u : 1u}; }

  // Takes `vma` out of the tree that link_file() has put it into, if any, and gives the tree back
  // when it was the last.
  void unlink_file_vma(RmapVma* vma);

  const FileIndex& files() const { return files_; }

  // REQUIRES: `vma` has a file and is in no tree of one; for remove_shared_vm_struct() it is.
  void vma_link_file(RmapVma* vma);
  void insert_behind(RmapVma* vma, RmapVma* source);
  void remove_shared_vm_struct(RmapVma* vma);

  // --- changes of VMAs: change.cc

  // REQUIRES: `vma` and `adj_next` are in the tree of their file, if they have one; so are those
  // that are removed, which this takes out of everything.
  // RETURNS: -ENOMEM if the importer could not get its chain; then nothing is changed.
  Status adjust(const RmapChange& change, RmapReserve& reserve);
  static RmapNeed adjust_needs(const RmapChange& change);

  // Makes `fresh`, a copy of `vma`, the part above or below `addr`.
  // RETURNS: -ENOMEM; `vma` is then as it was and `fresh` in nothing.
  Status split_vma(RmapVma* vma, RmapVma* fresh, VirtAddr addr, bool new_below,
                   RmapReserve& reserve);

  // Makes `copy`, a copy of `source`, a VMA at `bounds`, for a moving mremap().
  Status copy_vma(RmapVma* copy, const RmapVma* source, const RmapBounds& bounds,
                  RmapReserve& reserve);
  // The bounds for `to`, which receives what is at `from` in `source`.
  RmapBounds copy_bounds(const RmapVma& source, VirtAddr from, AddrRange to) const;

  // One VMA of dup_mmap(): `child` is a copy of `parent` in another mm. `wipe`: VM_WIPEONFORK.
  Status fork_vma(RmapVma* child, RmapVma* parent, bool wipe, RmapReserve& reserve);

  // All pages of `vma` have moved away and MREMAP_DONTUNMAP keeps it.
  void dontunmap_complete(RmapVma* vma);

  // `vma` goes away: out of all trees and lists, in the order of free_pgtables().
  void free_vma(RmapVma* vma);

 private:
  AnonVma* anon_vma_alloc(RmapReserve& reserve);
  void anon_vma_free(AnonVma* anon_vma);
  void put_anon_vma(AnonVma* anon_vma);
  AnonVmaChain* anon_vma_chain_alloc(RmapReserve& reserve);
  void anon_vma_chain_free(AnonVmaChain* avc);

  AnonVma* find_mergeable_anon_vma(const RmapVma* vma, const RmapVma* prev,
                                   const RmapVma* next) const;
  AnonVma* reusable_anon_vma(const RmapVma* old, const RmapVma& a, const RmapVma& b) const;
  bool anon_vma_compatible(const RmapVma& a, const RmapVma& b) const;

  Status clone_entry_by_entry(RmapVma* dst, const RmapVma* src, CloneKind kind,
                              RmapReserve& reserve);
  Status clone_at_once(RmapVma* dst, const RmapVma* src, CloneKind kind, RmapReserve& reserve);
  void maybe_reuse_anon_vma(RmapVma* dst, const RmapVma& src, AnonVma* anon_vma) const;
  Status fork_then_allocate(RmapVma* child, const RmapVma* parent, RmapReserve& reserve);
  Status allocate_then_fork(RmapVma* child, const RmapVma* parent, RmapReserve& reserve);
  void add_own_anon_vma(RmapVma* child, const RmapVma* parent, AnonVma* anon_vma,
                        AnonVmaChain* avc);

  void commit(const RmapChange& change);

  AnonVma* adopt(const ChainLink& link, RmapReserve& reserve);
  void give_place(AnonVma* anon_vma, const ChainLink& link);

  const RmapSemantics& semantics_;
  AnonVmaList anon_vmas_;
  u64 anon_vma_count_ = 0;
  u64 last_number_ = 0;
  u64 avc_count_ = 0;  // allocated and not freed
  AnonVmaIndex index_;
  FileIndex files_;
  u64 generation_ = 0;
};

}  // namespace svma
