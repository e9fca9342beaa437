// SPDX-License-Identifier: GPL-2.0-only
//
// do_munmap, after mm/mmap.c do_mas_align_munmap() in v6.1; __do_munmap() in v5.10 does the same.
//
//             [------- range -------)
//       AAAAAAAAAA     BBBB     CCCCCCCC
//       AAAAAAaaaa     BBBB     ccCCCCCC      split: small letters are new VMAs,
//       AAAAAA                    CCCCCC      so that A and C remain the VMAs they were;
//                                             the other way round with set_munmap_keeps_clones()
//
//       find        find_vma_intersection()                          A
//       split       split_vma() twice, at most
//       detach      detach_vmas_to_be_unmapped()     out of tree and list: aaaa -> BBBB -> cc
//       unmap       unmap_region()                   pages and page tables
//       remove      remove_vma_list()                account, free
#include "base/mutation.hpp"
#include "vma/address_space.hpp"
#include "vma/link.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Status AddressSpace::do_munmap(AddrRange range, VmaReserve& reserve, u32 max_map_count,
                               PgtableBounds* pgtables) {
  if (range.empty() || !range.page_aligned()) return Status::error(kEINVAL);
  Vma* vma = find_vma_intersection(range);
  if (!vma) return kOk;

  // Everything that can fail is asked before anything is changed.
  Vma* const highest = find_vma_intersection({range.end - kPageSize, range.end});
  const bool cut_below = vma->vm_start < range.start;
  const bool cut_above = highest && highest->vm_end > range.end;
  if (munmap_needs_more_maps(range, max_map_count)) return Status::error(kENOMEM);
  if (reserve.available() < unsigned{cut_below} + unsigned{cut_above}) {
    return Status::error(kENOMEM);
  }

  if (cut_below) {
    const SplitSide side = munmap_keeps_clones_ ? SplitSide::kNewBelow : SplitSide::kNewAbove;
    const Status split = split_vma(vma, range.start, side, reserve);
    SVMA_CHECK(split.ok());
    vma = find_vma(range.start);
  }
  if (cut_above) {
    Vma* const straddling = find_vma(range.end);
    const SplitSide side = munmap_keeps_clones_ ? SplitSide::kNewAbove : SplitSide::kNewBelow;
    const Status split = split_vma(straddling, range.end, side, reserve);
    SVMA_CHECK(split.ok());
    if (vma == straddling) vma = find_vma(range.end - kPageSize);
  }
  const Vma* const below = prev(vma);
  Vma* const detached = detach_vmas_to_be_unmapped(vma, range.end);
  const PgtableBounds bounds = unmap_region(below, below ? next(below) : first());
  if (pgtables) *pgtables = bounds;
  remove_vma_list(detached);
  return kOk;
}

bool AddressSpace::munmap_needs_more_maps(AddrRange range, u32 max_map_count) const {
  const Vma* const vma = find_vma_intersection(range);
  return vma && vma->vm_start < range.start && range.end < vma->vm_end &&
         map_count_ >= max_map_count;
}

PageCount AddressSpace::count_vma_pages_range(AddrRange range) const {
  PageCount pages;
  for (const Vma* vma = find_vma_intersection(range); vma && vma->vm_start < range.end;
       vma = next(vma)) {
    const AddrRange part{vma->vm_start > range.start ? vma->vm_start : range.start,
                         vma->vm_end < range.end ? vma->vm_end : range.end};
    pages += part.pages();
  }
  return pages;
}

// Takes all VMAs from `vma` on that start below `end` out of tree and list, in address order, and
// out of locked_vm: from here on nobody can find them. They stay chained to each other.
//
//     list   A <-> b <-> c <-> D        A <-> D
//     RETURNS: b                        null <- b <-> c -> null
Vma* AddressSpace::detach_vmas_to_be_unmapped(Vma* vma, VirtAddr end) {
  Vma* const detached = vma;
  Vma* tail = nullptr;
  while (vma && vma->vm_start < end) {
    Vma* const following = next(vma);
    if (vma->has(kVmLocked)) acct_.locked_vm -= vma->pages();
    unlink_uncached(vma);
    vma->list.prev = tail;
    tail = vma;
    vma = following;
  }
  if (tail) tail->list.next = nullptr;
  mmap_cache_.forget();
  if (!mutated(Mutation::stale_vmacache)) vmacache_invalidate();
  return detached;
}

// The kernel's function frees the pages and then, by free_pgtables(), page tables. A table may
// serve more than the range: only what lies between the neighbours is not in use any more.
//
//     map      PPPP......[- range -)....NNNN
//                  |--------------------|        floor = end of P, 0 without
//                floor              ceiling      ceiling = start of N, 0 (no limit) without
//
// There are no page tables here yet: what is computed are the bounds.
PgtableBounds AddressSpace::unmap_region(const Vma* prev, const Vma* next) {
  return {prev ? prev->vm_end : VirtAddr(0), next ? next->vm_start : VirtAddr(0)};
}

// Accounts for and frees what detach_vmas_to_be_unmapped() has chained. total_vm is about to
// shrink, so its high-water mark is noted first.
void AddressSpace::remove_vma_list(Vma* detached) {
  if (!mutated(Mutation::hiwater_forgotten)) update_hiwater_vm(acct_);
  while (Vma* const vma = detached) {
    detached = next(vma);
    vm_stat_account(vma->attrs.vm_flags, -static_cast<i64>(vma->pages().value()));
    if (observer_) observer_->removed(*observer_, *vma);
    vm_area_free(vma);
  }
}

}  // namespace svma
