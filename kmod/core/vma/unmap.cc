// SPDX-License-Identifier: GPL-2.0-only
//
// do_munmap, after mm/mmap.c do_mas_align_munmap() in v6.1; __do_munmap() in v5.10 does the same.
//
//             [------- range -------)
//       AAAAAAAAAA     BBBB     CCCCCCCC
//       AAAAAAaaaa     BBBB     ccCCCCCC      split: small letters are new VMAs,
//       AAAAAA                    CCCCCC      so that A and C remain the VMAs they were
#include "vma/address_space.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Status AddressSpace::do_munmap(AddrRange range, VmaReserve& reserve, u32 max_map_count) {
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
    const Status split = split_vma(vma, range.start, SplitSide::kNewAbove, reserve);
    SVMA_CHECK(split.ok());
    vma = next(vma);
  }
  if (cut_above) {
    Vma* const straddling = find_vma(range.end);
    const Status split = split_vma(straddling, range.end, SplitSide::kNewBelow, reserve);
    SVMA_CHECK(split.ok());
    if (vma == straddling) vma = prev(straddling);
  }
  detach_vmas_to_be_unmapped(vma, range.end);
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

void AddressSpace::detach_vmas_to_be_unmapped(Vma* vma, VirtAddr end) {
  update_hiwater_vm(acct_);
  while (vma && vma->vm_start < end) {
    Vma* const following = next(vma);
    const PageCount pages = vma->pages();
    if (vma->has(kVmLocked)) acct_.locked_vm -= pages;
    vm_stat_account(vma->attrs.vm_flags, -static_cast<i64>(pages.value()));
    remove_vma(vma);
    vma = following;
  }
}

}  // namespace svma
