// SPDX-License-Identifier: GPL-2.0-only
//
// copy_vma(), the first half of a moving mremap; after mm/mmap.c in v6.1.
//
//       SSSS........           SSSS....PPPP....         PPPP....SSSS        SSSS....
//               |to|                       |to|             |to|                |to|
//       SSSS....ssss           SSSS....PPPPPPPP         PPPPPPPPPPPP        SSSSSSSS
//       a new VMA              merged (case 2, or 1, 3)   self-merge: S has become a part of P,
//                                                         or has grown itself
//
// What decides is the page offset. Pages that were faulted in are found by it, so it moves along,
// and the copy continues a neighbour only by chance. An anonymous VMA without any (no anon_vma) is
// free to take the offset that its new address suggests; then it fits what is there, and if its new
// place touches the old one even itself.
#include "vma/address_space.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Result<Vma*> AddressSpace::copy_vma(Vma** vma, const CopyRequest& request, VmaReserve& reserve) {
  const AddrRange to = request.to;
  const Vma* const source = *vma;
  const AddrRange source_range = source->range();  // the merge may free the source
  VmaAttrs attrs = source->attrs;
  attrs.vm_pgoff = request.pgoff;
  const bool faulted_in_anon_vma = !attrs.anonymous || attrs.anon_vma != 0;
  if (!faulted_in_anon_vma) attrs.vm_pgoff = PageOffset(to.start.page_number());
  attrs.anon_shift = attrs.anon_vma != 0 ? request.anon_shift : AnonShift();

  Vma* prev = nullptr;
  const Vma* const above = find_vma_prev(to.start, &prev);
  if (above && above->vm_start < to.end) return Status::error(kENOMEM);

  // Source and copy must stay apart if both are kept. Only if they touch could they be merged.
  const bool touch = to.start == source_range.end || to.end == source_range.start;
  const Vma* const apart = !faulted_in_anon_vma && request.keep_source && touch ? source : nullptr;
  const bool may_merge = request.merges && (apart == nullptr || request.merges_beyond_source);
  if (Vma* const merged = may_merge ? vma_merge(prev, to, attrs, apart) : nullptr) {
    if (merged->range().contains(source_range.start)) {
      SVMA_DCHECK(!faulted_in_anon_vma);
      *vma = merged;
    } else {
      import_anon_vma(merged, source);  // AnonRule::kEitherBrings
    }
    return merged;
  }

  Vma* const copy = vm_area_alloc(reserve);
  if (!copy) return Status::error(kENOMEM);
  copy->vm_start = to.start;
  copy->vm_end = to.end;
  copy->attrs = attrs;
  const Status linked = insert(copy);
  SVMA_CHECK(linked.ok());
  if (observer_) observer_->copied(*observer_, *copy, *source);
  return copy;
}

}  // namespace svma
