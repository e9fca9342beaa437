// SPDX-License-Identifier: GPL-2.0-only
//
// Who may map this page? The answers are VMAs that could: reverse mapping does not know whether
// the page table of each has the page. None that does have it is missing.
#pragma once

#include "base/mutation.hpp"
#include "base/status.hpp"
#include "base/types.hpp"
#include "rmap/rmap_vma.hpp"

namespace svma {

// Where the first page of [index, index + pages) that a VMA maps would be in it, if page i of the
// VMA has index `first` + i. mm/internal.h vma_address() in v6.12.
// RETURNS: -EFAULT when it maps none. (The kernel shifts before it compares, and is fooled by an
// index 2^52 pages away; a walk never asks for that.)
inline Result<VirtAddr> vma_address(AddrRange range, PageOffset first, PageOffset index,
                                    PageCount pages) {
  if (index >= first) {
    const PageCount up(index.value() - first.value());
    if (up >= range.pages()) return Status::error(kEFAULT);
    return range.start + up + (mutated(Mutation::rmap_address_off_by_one) ? kPageSize : 0);
  }
  if (last_index(index, pages) >= first.value()) return range.start;
  return Status::error(kEFAULT);
}

// Calls visit(const RmapVma&, VirtAddr) for each VMA that may map one of the pages of `anon_vma`
// with the indices [index, index + pages), in the kernel's order, until it returns false. The
// address is that of the first of them.
// REQUIRES: `pages` > 0; `visit` changes nothing.
template <class Visitor>
void rmap_walk_anon(const AnonVma& anon_vma, PageOffset index, PageCount pages, Visitor visit) {
  const u64 first = index.value();
  const u64 last = last_index(index, pages);
  for (const AnonVmaChain* avc = anon_vma.rb_root.iter_first(first, last); avc;
       avc = AvcTree::iter_next(avc, first, last)) {
    const RmapBounds& bounds = avc->vma->bounds;
    const Result<VirtAddr> address = vma_address(bounds.range, bounds.anon_pgoff, index, pages);
    if (address.ok() && !visit(static_cast<const RmapVma&>(*avc->vma), *address)) return;
  }
}

// The same for pages of a file.
template <class Visitor>
void rmap_walk_file(const FileRmap& file, PageOffset index, PageCount pages, Visitor visit) {
  const u64 first = index.value();
  const u64 last = last_index(index, pages);
  for (const RmapVma* vma = file.i_mmap.iter_first(first, last); vma;
       vma = FileTree::iter_next(vma, first, last)) {
    const Result<VirtAddr> address =
        vma_address(vma->bounds.range, vma->bounds.pgoff, index, pages);
    if (address.ok() && !visit(*vma, *address)) return;
  }
}

}  // namespace svma
