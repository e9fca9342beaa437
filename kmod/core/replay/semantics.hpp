// SPDX-License-Identifier: GPL-2.0-only
//
// What differs between kernels, as named choices. The algorithms ask for a choice, never for a
// version; a kernel is one value of this struct. Each choice cites where it comes from.
#pragma once

#include "base/types.hpp"
#include "vma/address_space.hpp"

namespace svma {

struct Semantics {
  const char* name;

  // How vm_unmapped_area() looks for room: over gaps that leave guard gaps out, or over whole
  // holes. v6.1, 3499a13168da "mm/mmap: use maple tree for unmapped_area{_topdown}".
  GapRule gap_rule;

  // mmap_region() tries to grow a neighbour with vma_expand() and only neighbours without a
  // mempolicy take part; before, it called vma_merge(), which compares policies. v6.1, 4dd1b84140c1
  // "mm/mmap: use advanced maple tree API for mmap_region()".
  bool mmap_expands_neighbours;

  // do_brk_flags() grows the VMA it was given and never joins the one above; before, vma_merge()
  // looked at both sides. v6.1, 2e7ce7d354f2 "mm/mmap: change do_brk_flags() to expand existing VMA
  // and add do_brk_munmap()".
  bool brk_grows_given_vma;

  // MREMAP_DONTUNMAP of a whole VMA drops its anon_vma and gives an anonymous one the vm_pgoff of
  // an unfaulted VMA. v5.13 drops it; the vm_pgoff came by a stable backport, present in 6.1.192
  // (mm/mremap.c move_vma()).
  bool dontunmap_resets_pgoff;

  // userfaultfd_register() and userfaultfd_unregister() hand the vm_pgoff of the whole VMA to
  // vma_merge(), also when the range begins inside it: such a range never merges. Until v6.4,
  // 5543d3c43c41 "mm/uffd: allow vma to merge as much as possible".
  bool uffd_merges_at_vma_pgoff;
};

// The profile of that name ("6.1"), or nullptr.
const Semantics* find_semantics(const char* name);

}  // namespace svma
