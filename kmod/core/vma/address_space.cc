// SPDX-License-Identifier: GPL-2.0-only
#include "vma/address_space.hpp"

#include "base/select.hpp"
#include "vma/link.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Vma* AddressSpace::find_vma_prev(VirtAddr addr, Vma** prev) const {
  Vma* const vma = find_vma(addr);
  *prev = vma ? AddressSpace::prev(vma) : last();
  return vma;
}

Vma* AddressSpace::find_vma_intersection(AddrRange range) const {
  if (range.empty()) return nullptr;
  Vma* const vma = find_vma(range.start);
  return vma && vma->vm_start < range.end ? vma : nullptr;
}

// The descent of find_vma_links(), for `range` that no VMA overlaps; false if one does.
[[gnu::always_inline]] inline bool AddressSpace::descend(AddrRange range, VmaLinks* links) const {
  RbNode* parent = nullptr;
  Vma* successor = nullptr;
  for (RbNode* node = tree_.rb_root().node; node;) {
    Vma* const vma = VmaRbHook::element(node);
    const u64 end = vma->vm_end.value();
    parent = node;
    successor = select_above(end, range.start.value(), vma, successor);
    node = select_above(end, range.start.value(), node->left(), node->right());
  }
  // The first VMA that ends above the start of the range is the one that would overlap it.
  if (successor && successor->vm_start < range.end) return false;
  // The tree is only read here, but the caller gets the link through which it will change it.
  RbRoot& root = const_cast<RbRoot&>(tree_.rb_root());
  links->next = successor;
  links->prev = successor ? prev(successor) : last();
  links->rb_parent = parent;
  links->rb_link = !parent
                       ? &root.node
                       : &parent->child[successor && parent == &successor->rb ? kRbLeft : kRbRight];
  return true;
}

Result<VmaLinks> AddressSpace::find_vma_links(AddrRange range) const {
  VmaLinks links;
  if (!descend(range, &links)) return Status::error(kENOMEM);
  return links;
}

[[gnu::always_inline]] inline void AddressSpace::link_at(Vma* vma, const VmaLinks& links) {
  vma_link_list(vma, links.prev);
  vma_link_rb(vma, links);
  ++map_count_;
}

void AddressSpace::vma_link(Vma* vma, const VmaLinks& links) {
  link_at(vma, links);
  if (observer_) observer_->inserted(*observer_, *vma);
}

Status AddressSpace::insert(Vma* vma) {
  const Status inserted = insert_unobserved(vma);
  if (inserted.ok() && observer_) observer_->inserted(*observer_, *vma);
  return inserted;
}

Status AddressSpace::insert_unobserved(Vma* vma) {
  if (vma->range().empty() || !vma->range().page_aligned()) return Status::error(kEINVAL);
  VmaLinks links;
  if (!descend(vma->range(), &links)) return Status::error(kENOMEM);
  link_at(vma, links);
  return kOk;
}

Status AddressSpace::insert_as(Vma* vma, RbColor color) {
  if (vma->range().empty() || !vma->range().page_aligned()) return Status::error(kEINVAL);
  VmaLinks links;
  if (!descend(vma->range(), &links)) return Status::error(kENOMEM);
  vma_link_list(vma, links.prev);
  vma_link_leaf(vma, links);
  vma->rb.set_color(color);
  ++map_count_;
  if (observer_) observer_->inserted(*observer_, *vma);
  return kOk;
}

void AddressSpace::unlink(Vma* vma) {
  unlink_uncached(vma);
  mmap_cache_.unlinked(vma, prev(vma));
  vmacache_invalidate();
}

void AddressSpace::clear() {
  mmap_cache_.forget();
  vmacache_invalidate();
  Vma* vma = first();
  while (vma) {
    Vma* const following = next(vma);
    if (observer_) observer_->removed(*observer_, *vma);
    vm_area_free(vma);
    vma = following;
  }
  list_.reset();
  tree_.reset();
  map_count_ = 0;
  acct_ = Accounting{};
}

void AddressSpace::set_bounds(Vma* vma, AddrRange range, PageOffset pgoff) {
  Vma* const below = prev(vma);
  Vma* const above = next(vma);
  SVMA_DCHECK(!range.empty() && range.page_aligned());
  SVMA_DCHECK(!below || below->vm_end <= range.start);
  SVMA_DCHECK(!above || range.end <= above->vm_start);
  const bool start_changed = vma->vm_start != range.start;
  const bool end_changed = vma->vm_end != range.end;
  vma->vm_start = range.start;
  vma->vm_end = range.end;
  vma->attrs.vm_pgoff = pgoff;
  if (start_changed) vma_gap_update(vma);
  if (end_changed && above) vma_gap_update(above);
  if (observer_) observer_->bounds_moved(*observer_, *vma);
}

void AddressSpace::set_flags(Vma* vma, VmFlags flags) {
  vma->attrs.vm_flags = flags;
  if (vma->grows_down() == vma->has(kVmGrowsDown)) return;
  vma->note_grows_down();
  vma_gap_update(vma);
}

void AddressSpace::set_attrs(Vma* vma, const VmaAttrs& attrs) {
  vma->attrs = attrs;
  set_flags(vma, attrs.vm_flags);
}

void AddressSpace::remove_vma(Vma* vma) {
  unlink(vma);
  if (observer_) observer_->removed(*observer_, *vma);
  vm_area_free(vma);
}

}  // namespace svma
