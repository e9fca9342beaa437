// SPDX-License-Identifier: GPL-2.0-only
//
// anon_vmas and their chains, after mm/rmap.c in v5.10, v6.1, v6.12 and v7.3.
//
// WHY REUSE. Each fork puts one anon_vma on top of the chain. A daemon that forks, lets the parent
// exit and goes on as the child would grow it without end. So a child takes an anon_vma that
// nobody faults into any more and that has one child at most, instead of a new one:
//
//      init --fork--> a --fork--> b --fork--> c        init's VMA has the root, R
//      chain of a: A R     (init and a have exited)
//      chain of b: B A R
//      chain of c: B A R   and c faults into A, which has no VMA and the one child B
//
// With more children it is left alone, so that walks over the pages of one branch need not meet
// the other. The root never qualifies: it counts as its own child.
#include "base/check.hpp"
#include "base/mutation.hpp"
#include "rmap/chain.hpp"
#include "rmap/rmap.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

namespace {

// VM_READ, VM_WRITE, VM_EXEC and VM_SOFTDIRTY: what mprotect() or time may change.
constexpr u64 kSharableFlags = 0x8000007;
constexpr u64 kMaybeGuardFlag = 0x800;  // VM_MAYBE_GUARD

unsigned chain_length(const RmapVma& vma) {
  unsigned length = 0;
  for (const AnonVmaChain* avc = vma.anon_vma_chain.head(); avc; avc = AvcList::next(avc)) ++length;
  return length;
}

}  // namespace

// --- memory

AnonVma* Rmap::anon_vma_alloc(RmapReserve& reserve) {
  AnonVma* const anon_vma = reserve.take_anon_vma();
  if (!anon_vma) return nullptr;
  anon_vma->refcount = 1;
  anon_vma->root = anon_vma->parent = anon_vma;
  anon_vma->number = ++last_number_;
  anon_vmas_.insert_after(anon_vmas_.tail(), anon_vma);
  ++anon_vma_count_;
  return anon_vma;
}

void Rmap::anon_vma_free(AnonVma* anon_vma) {
  SVMA_DCHECK(anon_vma->rb_root.empty());
  index_.unbind(anon_vma);
  anon_vmas_.erase(anon_vma);
  --anon_vma_count_;
  svma_os_anon_vma_free(anon_vma);
}

void Rmap::put_anon_vma(AnonVma* anon_vma) {
  if (--anon_vma->refcount != 0) return;
  AnonVma* const root = anon_vma->root;
  anon_vma_free(anon_vma);
  if (root != anon_vma && --root->refcount == 0) anon_vma_free(root);
}

AnonVmaChain* Rmap::anon_vma_chain_alloc(RmapReserve& reserve) {
  AnonVmaChain* const avc = reserve.take_avc();
  if (avc) ++avc_count_;
  return avc;
}

void Rmap::anon_vma_chain_free(AnonVmaChain* avc) {
  if (mutated(Mutation::rmap_avc_leaked)) return;
  --avc_count_;
  svma_os_avc_free(avc);
}

// --- the first fault

// They touch, are alike but for what mprotect() may change, and one continues the other's indices.
bool Rmap::anon_vma_compatible(const RmapVma& a, const RmapVma& b) const {
  const u64 ignored =
      kSharableFlags | (semantics_.prepare_ignores_guard ? kMaybeGuardFlag : u64{0});
  const PageCount pages = a.bounds.range.pages();
  return a.bounds.range.end == b.bounds.range.start && a.attrs.policy == b.attrs.policy &&
         a.attrs.file == b.attrs.file && ((a.attrs.vm_flags ^ b.attrs.vm_flags) & ~ignored) == 0 &&
         b.bounds.pgoff == a.bounds.pgoff + pages &&
         b.bounds.anon_pgoff == a.bounds.anon_pgoff + pages;
}

// A chain of several entries comes from a fork; sharing that would tie VMAs to pages of processes
// that they have nothing to do with.
AnonVma* Rmap::reusable_anon_vma(const RmapVma* old, const RmapVma& a, const RmapVma& b) const {
  if (!anon_vma_compatible(a, b)) return nullptr;
  const bool singular = old->chain_is_singular() || mutated(Mutation::rmap_prepare_shares_forked);
  return old->anon_vma && singular ? old->anon_vma : nullptr;
}

AnonVma* Rmap::find_mergeable_anon_vma(const RmapVma* vma, const RmapVma* prev,
                                       const RmapVma* next) const {
  if (mutated(Mutation::rmap_prepare_alone)) return nullptr;
  AnonVma* const above = next ? reusable_anon_vma(next, *vma, *next) : nullptr;
  if (above || !prev) return above;
  return reusable_anon_vma(prev, *prev, *vma);
}

Status Rmap::anon_vma_prepare(RmapVma* vma, const RmapVma* prev, const RmapVma* next,
                              RmapReserve& reserve) {
  if (vma->anon_vma) return kOk;
  AnonVmaChain* const avc = anon_vma_chain_alloc(reserve);
  if (!avc) return Status::error(kENOMEM);
  AnonVma* anon_vma = find_mergeable_anon_vma(vma, prev, next);
  if (!anon_vma) {
    anon_vma = anon_vma_alloc(reserve);
    if (!anon_vma) {
      anon_vma_chain_free(avc);
      return Status::error(kENOMEM);
    }
    ++anon_vma->num_children;  // a root is its own child
  }
  vma->anon_vma = anon_vma;
  anon_vma_chain_assign(vma, avc, anon_vma);
  anon_vma_interval_tree_insert(avc);
  ++anon_vma->num_active_vmas;
  ++generation_;
  return kOk;
}

// --- clones

RmapNeed Rmap::clone_needs(const RmapVma& src) { return {chain_length(src), 0}; }

// Whether to fault into `anon_vma` of the chain of `src` from now on.
void Rmap::maybe_reuse_anon_vma(RmapVma* dst, const RmapVma& src, AnonVma* anon_vma) const {
  if (dst->anon_vma || mutated(Mutation::rmap_never_reuses)) return;
  const u32 children = anon_vma->num_children;
  const u32 active = anon_vma->num_active_vmas;
  const u32 most = mutated(Mutation::rmap_reuses_branching) ? 3 : 2;
  const bool unused = semantics_.counts_degree ? anon_vma != src.anon_vma && children + active < 2
                                               : children < most && active == 0;
  if (unused || (mutated(Mutation::rmap_reuses_active) && children < 2)) dst->anon_vma = anon_vma;
}

Status Rmap::anon_vma_clone(RmapVma* dst, const RmapVma* src, CloneKind kind,
                            RmapReserve& reserve) {
  SVMA_DCHECK(dst->anon_vma_chain.empty());
  SVMA_DCHECK(dst->anon_vma == (kind == CloneKind::kFork ? nullptr : src->anon_vma));
  // Else the two could not have merged: is_mergeable_anon_vma() in all four kernels.
  SVMA_DCHECK(kind != CloneKind::kMergeUnfaulted || src->chain_is_singular());
  if (!src->anon_vma) return kOk;
  const Status cloned = semantics_.clone_allocates_first
                            ? clone_at_once(dst, src, kind, reserve)
                            : clone_entry_by_entry(dst, src, kind, reserve);
  if (!cloned.ok()) return cloned;
  ++generation_;
  if (dst->anon_vma && !mutated(Mutation::rmap_clone_not_active)) ++dst->anon_vma->num_active_vmas;
  return kOk;
}

Status Rmap::clone_entry_by_entry(RmapVma* dst, const RmapVma* src, CloneKind kind,
                                  RmapReserve& reserve) {
  const AnonVmaChain* from = src->anon_vma_chain.tail();
  if (mutated(Mutation::rmap_clone_misses_root) && AvcList::prev(from)) from = AvcList::prev(from);
  for (; from; from = AvcList::prev(from)) {
    AnonVmaChain* const avc = anon_vma_chain_alloc(reserve);
    if (!avc) {
      dst->anon_vma = nullptr;  // it is not counted there yet
      if (!mutated(Mutation::rmap_undo_forgotten)) unlink_anon_vmas(dst);
      return Status::error(kENOMEM);
    }
    anon_vma_chain_assign(dst, avc, from->anon_vma);
    anon_vma_interval_tree_insert(avc);
    if (kind == CloneKind::kFork) maybe_reuse_anon_vma(dst, *src, avc->anon_vma);
  }
  return kOk;
}

Status Rmap::clone_at_once(RmapVma* dst, const RmapVma* src, CloneKind kind, RmapReserve& reserve) {
  for (const AnonVmaChain* from = src->anon_vma_chain.head(); from; from = AvcList::next(from)) {
    AnonVmaChain* const avc = anon_vma_chain_alloc(reserve);
    if (!avc) {
      while (AnonVmaChain* const first = dst->anon_vma_chain.head()) {
        dst->anon_vma_chain.erase(first);
        anon_vma_chain_free(first);
      }
      dst->anon_vma = nullptr;
      return Status::error(kENOMEM);
    }
    anon_vma_chain_assign(dst, avc, from->anon_vma);
  }
  for (AnonVmaChain* avc = dst->anon_vma_chain.tail(); avc; avc = AvcList::prev(avc)) {
    anon_vma_interval_tree_insert(avc);
    if (kind == CloneKind::kFork) maybe_reuse_anon_vma(dst, *src, avc->anon_vma);
  }
  return kOk;
}

Status Rmap::dup_anon_vma(RmapVma* dst, const RmapVma* src, RmapReserve& reserve) {
  if (!src->anon_vma || dst->anon_vma || mutated(Mutation::rmap_import_forgotten)) return kOk;
  dst->anon_vma = src->anon_vma;
  return anon_vma_clone(dst, src, CloneKind::kMergeUnfaulted, reserve);
}

// --- fork

RmapNeed Rmap::fork_needs(const RmapVma& parent) {
  if (!parent.anon_vma) return {};
  return {chain_length(parent) + 1, 1};
}

Status Rmap::anon_vma_fork(RmapVma* child, const RmapVma* parent, RmapReserve& reserve) {
  if (!parent->anon_vma) return kOk;
  child->anon_vma = nullptr;
  return semantics_.fork_allocates_first ? allocate_then_fork(child, parent, reserve)
                                         : fork_then_allocate(child, parent, reserve);
}

Status Rmap::fork_then_allocate(RmapVma* child, const RmapVma* parent, RmapReserve& reserve) {
  const Status cloned = anon_vma_clone(child, parent, CloneKind::kFork, reserve);
  if (!cloned.ok() || child->anon_vma) return cloned;
  AnonVma* const anon_vma = anon_vma_alloc(reserve);
  AnonVmaChain* const avc = anon_vma ? anon_vma_chain_alloc(reserve) : nullptr;
  if (!avc) {
    if (anon_vma) put_anon_vma(anon_vma);
    unlink_anon_vmas(child);
    return Status::error(kENOMEM);
  }
  add_own_anon_vma(child, parent, anon_vma, avc);
  return kOk;
}

Status Rmap::allocate_then_fork(RmapVma* child, const RmapVma* parent, RmapReserve& reserve) {
  AnonVma* const anon_vma = anon_vma_alloc(reserve);
  if (!anon_vma) return Status::error(kENOMEM);
  AnonVmaChain* const avc = anon_vma_chain_alloc(reserve);
  if (!avc) {
    put_anon_vma(anon_vma);
    return Status::error(kENOMEM);
  }
  const Status cloned = anon_vma_clone(child, parent, CloneKind::kFork, reserve);
  if (!cloned.ok() || child->anon_vma) {
    put_anon_vma(anon_vma);
    anon_vma_chain_free(avc);
    return cloned;
  }
  add_own_anon_vma(child, parent, anon_vma, avc);
  return kOk;
}

void Rmap::add_own_anon_vma(RmapVma* child, const RmapVma* parent, AnonVma* anon_vma,
                            AnonVmaChain* avc) {
  AnonVma* const root = parent->anon_vma->root;
  anon_vma->root = root;
  anon_vma->parent = mutated(Mutation::rmap_wrong_parent) ? root : parent->anon_vma;
  ++root->refcount;
  if (mutated(Mutation::rmap_root_held_twice)) ++root->refcount;
  child->anon_vma = anon_vma;
  anon_vma_chain_assign(child, avc, anon_vma);
  anon_vma_interval_tree_insert(avc);
  ++anon_vma->num_active_vmas;
  if (!mutated(Mutation::rmap_child_not_counted)) ++anon_vma->parent->num_children;
}

// --- the end

// In two rounds, since an anon_vma that goes in the second may be the parent of one that the first
// has yet to come to.
void Rmap::unlink_anon_vmas(RmapVma* vma) {
  if (!vma->anon_vma_chain.empty()) ++generation_;
  AnonVmaChain* next = nullptr;
  for (AnonVmaChain* avc = vma->anon_vma_chain.head(); avc; avc = next) {
    next = AvcList::next(avc);
    AnonVma* const anon_vma = avc->anon_vma;
    anon_vma_interval_tree_remove(avc);
    if (anon_vma->rb_root.empty()) {
      --anon_vma->parent->num_children;
      continue;
    }
    vma->anon_vma_chain.erase(avc);
    anon_vma_chain_free(avc);
  }
  if (vma->anon_vma && !mutated(Mutation::rmap_unlink_still_active)) {
    --vma->anon_vma->num_active_vmas;
  }
  vma->anon_vma = nullptr;
  while (AnonVmaChain* const avc = vma->anon_vma_chain.head()) {
    put_anon_vma(avc->anon_vma);
    vma->anon_vma_chain.erase(avc);
    anon_vma_chain_free(avc);
  }
}

}  // namespace svma
