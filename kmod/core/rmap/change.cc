// SPDX-License-Identifier: GPL-2.0-only
//
// What changes of VMAs mean for reverse mapping, after __vma_adjust(), vma_prepare(),
// vma_complete(), __split_vma(), copy_vma() and dup_mmap() in v5.10, v6.1, v6.12 and v7.3.
//
// The bounds of a VMA are its key in every tree it is in, so it leaves them all, changes, and comes
// back, behind everything that starts at the same index.
#include "base/check.hpp"
#include "base/mutation.hpp"
#include "rmap/chain.hpp"
#include "rmap/rmap.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

namespace {

void anon_vma_interval_tree_pre_update_vma(RmapVma* vma) {
  if (mutated(Mutation::rmap_stale_bounds)) return;
  for (AnonVmaChain* avc = vma->anon_vma_chain.head(); avc; avc = AvcList::next(avc)) {
    anon_vma_interval_tree_remove(avc);
  }
}

void anon_vma_interval_tree_post_update_vma(RmapVma* vma) {
  if (mutated(Mutation::rmap_stale_bounds)) return;
  for (AnonVmaChain* avc = vma->anon_vma_chain.head(); avc; avc = AvcList::next(avc)) {
    anon_vma_interval_tree_insert(avc);
  }
}

PageOffset page_offset_of(VirtAddr addr) { return PageOffset(addr.page_number()); }

}  // namespace

// --- pages of files

void Rmap::vma_link_file(RmapVma* vma) { vma->mapping->i_mmap.insert(vma); }

// dup_mmap(), in all four kernels.
void Rmap::insert_behind(RmapVma* vma, RmapVma* source) {
  if (mutated(Mutation::rmap_fork_file_behind)) return vma_link_file(vma);
  vma->mapping->i_mmap.insert_after(vma, source);
}

void Rmap::remove_shared_vm_struct(RmapVma* vma) {
  vma->mapping->i_mmap.erase(vma);
  vma->mapping = nullptr;
}

// --- changes

RmapNeed Rmap::adjust_needs(const RmapChange& change) {
  if (!change.importer || change.importer->anon_vma) return {};
  const RmapNeed own = change.exporter ? clone_needs(*change.exporter) : RmapNeed{};
  const RmapNeed copied = change.copied_from ? clone_needs(*change.copied_from) : RmapNeed{};
  return {own.avcs ? own.avcs : copied.avcs, 0};
}

// All four kernels in this order. Of the VMAs that are swallowed, the file is done with before the
// anon_vmas, since those are given up after the locks.
void Rmap::commit(const RmapChange& change) {
  RmapVma* const vma = change.vma;
  RmapVma* const above = change.adj_next;
  if (change.insert && mutated(Mutation::file_split_forgotten)) change.insert->mapping = nullptr;
  if (change.insert && change.insert->mapping) vma_link_file(change.insert);
  anon_vma_interval_tree_pre_update_vma(vma);
  if (above) anon_vma_interval_tree_pre_update_vma(above);
  if (vma->mapping) {
    vma->mapping->i_mmap.erase(vma);
    if (above) above->mapping->i_mmap.erase(above);
  }
  vma->bounds = change.bounds;
  if (above) above->bounds = above->bounds.with_start(change.adj_start);
  if (vma->mapping) {
    if (above) vma_link_file(above);
    vma_link_file(vma);
    if (change.remove) remove_shared_vm_struct(change.remove);
    if (change.remove2) remove_shared_vm_struct(change.remove2);
  }
  anon_vma_interval_tree_post_update_vma(vma);
  if (above) anon_vma_interval_tree_post_update_vma(above);
  if (change.remove) unlink_anon_vmas(change.remove);
  if (change.remove2) unlink_anon_vmas(change.remove2);
}

Status Rmap::adjust(const RmapChange& change, RmapReserve& reserve) {
  if (change.importer && change.exporter) {
    const Status imported = dup_anon_vma(change.importer, change.exporter, reserve);
    if (!imported.ok()) return imported;
  }
  if (change.importer && change.copied_from && semantics_.copy_merge_takes_chain) {
    const Status imported = dup_anon_vma(change.importer, change.copied_from, reserve);
    if (!imported.ok()) return imported;
  }
  if (!change.remove2 || !semantics_.removes_one_by_one) {
    commit(change);
    return kOk;
  }
  RmapChange lower = change;
  lower.bounds = change.bounds.with_end(change.remove->bounds.range.end);
  lower.remove2 = nullptr;
  commit(lower);
  RmapChange upper = change;
  upper.remove = change.remove2;
  upper.remove2 = nullptr;
  commit(upper);
  return kOk;
}

// --- split, copy, fork

//     new_below   AAAAAAAA  -->  aaaaAAAA        else   AAAAAAAA  -->  AAAAaaaa
//                     | addr                                | addr
Status Rmap::split_vma(RmapVma* vma, RmapVma* fresh, VirtAddr addr, bool new_below,
                       RmapReserve& reserve) {
  SVMA_DCHECK(vma->bounds.range.start < addr && addr < vma->bounds.range.end);
  const RmapBounds below = vma->bounds.with_end(addr);
  const RmapBounds above = vma->bounds.with_start(addr);
  fresh->bounds = new_below ? below : above;
  const Status cloned = anon_vma_clone(fresh, vma, CloneKind::kSplit, reserve);
  if (!cloned.ok()) return cloned;
  RmapChange change;
  change.vma = vma;
  change.bounds = new_below ? above : below;
  change.insert = fresh;
  commit(change);
  return kOk;
}

// A VMA that has no pages yet takes the offsets that its new place suggests, and so fits its new
// neighbours; those of a file are not for it to choose.
RmapBounds Rmap::copy_bounds(const RmapVma& source, VirtAddr from, AddrRange to) const {
  RmapBounds bounds = source.bounds.with_start(from);
  bounds.range = to;
  if (!source.anon_vma) {
    if (semantics_.anon_pgoff_apart) bounds.anon_pgoff = page_offset_of(to.start);
    if (source.attrs.anonymous) bounds.pgoff = bounds.anon_pgoff = page_offset_of(to.start);
  }
  return bounds;
}

Status Rmap::copy_vma(RmapVma* copy, const RmapVma* source, const RmapBounds& bounds,
                      RmapReserve& reserve) {
  copy->bounds = bounds;
  const Status cloned = anon_vma_clone(copy, source, CloneKind::kRemap, reserve);
  if (!cloned.ok()) return cloned;
  if (copy->mapping) vma_link_file(copy);
  return kOk;
}

Status Rmap::fork_vma(RmapVma* child, RmapVma* parent, bool wipe, RmapReserve& reserve) {
  if (wipe) {
    child->anon_vma = nullptr;
  } else {
    const Status forked = anon_vma_fork(child, parent, reserve);
    if (!forked.ok()) return forked;
  }
  if (child->mapping) insert_behind(child, parent);
  return kOk;
}

// 5.10 keeps it all: what is faulted in next gets the indices of what has moved away.
void Rmap::dontunmap_complete(RmapVma* vma) {
  if (!semantics_.dontunmap_unfaults) return;
  unlink_anon_vmas(vma);
  const PageOffset unfaulted = page_offset_of(vma->bounds.range.start);
  if (semantics_.anon_pgoff_apart) vma->bounds.anon_pgoff = unfaulted;
  if (vma->attrs.anonymous && !vma->attrs.file) {
    vma->bounds.pgoff = vma->bounds.anon_pgoff = unfaulted;
  }
}

void Rmap::free_vma(RmapVma* vma) {
  unlink_anon_vmas(vma);
  if (vma->mapping) remove_shared_vm_struct(vma);
}

}  // namespace svma
