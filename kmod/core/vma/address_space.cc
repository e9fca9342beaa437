// SPDX-License-Identifier: GPL-2.0-only
#include "vma/address_space.hpp"

#include "base/select.hpp"

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

// The order of steps is that of gap.hpp: list, leaf, raise, lower from the successor, rebalance.
[[gnu::always_inline]] inline void AddressSpace::link_at(Vma* vma, VmaLinks links) {
  SVMA_DCHECK(*links.rb_link == nullptr);
  const GapAugment& gaps = tree_.augment();
  Vma* const successor = links.next;
  const u64 old_gap = successor ? gaps.compute_gap(successor) : 0;
  vma->note_grows_down();
  list_.insert_after(links.prev, vma);
  tree_.link(vma, RbPosition{links.rb_parent, links.rb_link});
  vma->rb_subtree_gap = gaps.compute_gap(vma);
  gaps.raise_ancestors(vma);
  if (successor) gaps.lower(successor, old_gap);
  tree_.rebalance_linked(vma);
  ++map_count_;
}

void AddressSpace::vma_link(Vma* vma, const VmaLinks& links) { link_at(vma, links); }

Status AddressSpace::insert(Vma* vma) {
  if (vma->range().empty() || !vma->range().page_aligned()) return Status::error(kEINVAL);
  VmaLinks links;
  if (!descend(vma->range(), &links)) return Status::error(kENOMEM);
  link_at(vma, links);
  return kOk;
}

void AddressSpace::unlink(Vma* vma) {
  const GapAugment& gaps = tree_.augment();
  Vma* const successor = next(vma);
  list_.erase(vma);
  const GapErase gap_erase(gaps, vma, successor);
  if (gap_erase.applies()) [[likely]] {
    tree_.erase_with(vma, successor, gap_erase);
  } else {
    gaps.raise(successor, gap_erase.joined_gap());
    tree_.erase(vma);
  }
  --map_count_;
}

void AddressSpace::clear() {
  Vma* vma = first();
  while (vma) {
    Vma* const following = next(vma);
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
  if (start_changed) tree_.propagate(vma);
  if (end_changed && above) tree_.propagate(above);
}

void AddressSpace::set_flags(Vma* vma, VmFlags flags) {
  vma->attrs.vm_flags = flags;
  if (vma->grows_down() == vma->has(kVmGrowsDown)) return;
  vma->note_grows_down();
  tree_.propagate(vma);
}

void AddressSpace::set_attrs(Vma* vma, const VmaAttrs& attrs) {
  vma->attrs = attrs;
  set_flags(vma, attrs.vm_flags);
}

namespace {

// The survivor covers pages of `from` from now on, so it must be findable from their anon_vma. The
// kernel clones the whole chain, hence singular stays what it was.
void import_anon_vma(Vma* survivor, const Vma* from) {
  if (survivor->attrs.anon_vma || !from->attrs.anon_vma) return;
  survivor->attrs.anon_vma = from->attrs.anon_vma;
  survivor->attrs.anon_singular = from->attrs.anon_singular;
}

}  // namespace

void AddressSpace::vma_adjust(Vma* vma, AddrRange range, PageOffset pgoff, Vma* insert,
                              Vma* expand) {
  Vma* const above = next(vma);
  if (insert || !above || (range.end <= above->vm_start && expand != above)) {
    set_bounds(vma, range, pgoff);
    if (insert) {
      const Status linked = this->insert(insert);
      SVMA_CHECK(linked.ok());
    }
  } else if (range.end >= above->vm_end && expand == above) {  // case 8
    import_anon_vma(above, vma);
    remove_vma(vma);
    set_bounds(above, range, pgoff);
  } else if (range.end >= above->vm_end) {  // cases 1, 6, 7
    Vma* const beyond = range.end > above->vm_end ? next(above) : nullptr;
    SVMA_DCHECK(!beyond || range.end == beyond->vm_end);
    import_anon_vma(vma, beyond && !above->attrs.anon_vma ? beyond : above);
    remove_vma(above);
    if (beyond) remove_vma(beyond);
    set_bounds(vma, range, pgoff);
  } else if (range.end > above->vm_start) {  // case 5: the boundary moves up
    const PageCount moved = AddrRange{above->vm_start, range.end}.pages();
    import_anon_vma(vma, above);
    set_bounds(above, {range.end, above->vm_end}, above->attrs.vm_pgoff + moved);
    set_bounds(vma, range, pgoff);
  } else {  // case 4: the boundary moves down
    const PageCount moved = AddrRange{range.end, vma->vm_end}.pages();
    SVMA_DCHECK(above->vm_start == vma->vm_end);
    import_anon_vma(above, vma);
    set_bounds(vma, range, pgoff);
    set_bounds(above, {range.end, above->vm_end}, above->attrs.vm_pgoff - moved);
  }
}

Status AddressSpace::split_vma(Vma* vma, VirtAddr addr, SplitSide side, VmaReserve& reserve) {
  SVMA_DCHECK(addr.page_aligned() && vma->vm_start < addr && addr < vma->vm_end);
  Vma* const fresh = vm_area_dup(reserve, *vma);
  if (!fresh) return Status::error(kENOMEM);
  const PageOffset pgoff_at_addr = vma->attrs.vm_pgoff + AddrRange{vma->vm_start, addr}.pages();
  if (side == SplitSide::kNewBelow) {
    fresh->vm_end = addr;
    vma_adjust(vma, {addr, vma->vm_end}, pgoff_at_addr, fresh, nullptr);
  } else {
    fresh->vm_start = addr;
    fresh->attrs.vm_pgoff = pgoff_at_addr;
    vma_adjust(vma, {vma->vm_start, addr}, vma->attrs.vm_pgoff, fresh, nullptr);
  }
  return kOk;
}

void AddressSpace::vma_expand(Vma* vma, AddrRange range, PageOffset pgoff, Vma* next) {
  SVMA_DCHECK(range.contains(vma->range()));
  if (next && next != vma && range.end == next->vm_end) {
    import_anon_vma(vma, next);
    remove_vma(next);
  }
  set_bounds(vma, range, pgoff);
}

Status AddressSpace::expand_downwards(Vma* vma, VirtAddr addr) {
  if (!vma->has(kVmGrowsDown)) return Status::error(kEFAULT);
  const VirtAddr start = addr.page_down();
  if (start >= vma->vm_start) return kOk;
  const PageCount grow = AddrRange{start, vma->vm_start}.pages();
  const Vma* const below = prev(vma);
  if (below && start < below->vm_end) return Status::error(kENOMEM);
  if (grow.value() > vma->attrs.vm_pgoff.value()) return Status::error(kENOMEM);
  set_bounds(vma, {start, vma->vm_end}, vma->attrs.vm_pgoff - grow);
  return kOk;
}

void AddressSpace::remove_vma(Vma* vma) {
  unlink(vma);
  vm_area_free(vma);
}

}  // namespace svma
