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

  // find_vma() looks into the task's vmacache first, so that hits and misses can be followed. Until
  // v6.1, 7964cf8caa4d "mm: remove vmacache".
  bool has_vmacache;

  // mmap_region() tries to grow a neighbour with vma_expand() and only neighbours without a
  // mempolicy take part; before, it called vma_merge(), which compares policies. v6.1, 4dd1b84140c1
  // "mm/mmap: use advanced maple tree API for mmap_region()".
  bool mmap_expands_neighbours;

  // do_brk_flags() grows the VMA it was given and never joins the one above; before, vma_merge()
  // looked at both sides. v6.1, 2e7ce7d354f2 "mm/mmap: change do_brk_flags() to expand existing VMA
  // and add do_brk_munmap()".
  bool brk_grows_given_vma;

  // brk() that gives back where nothing is mapped fails; before, it succeeded. v6.1, 2e7ce7d354f2
  // as above.
  bool brk_shrinks_only_vmas;

  // MAP_DENYWRITE, which only the kernel's own callers of do_mmap() can give, is kept in vm_flags.
  // Until v5.15, 8d0920bde5eb "mm: remove VM_DENYWRITE".
  bool mmap_keeps_denywrite;

  // mlockall() comes once more to a VMA that has just become part of a merged one above it; before,
  // it went on behind the merged one. v6.1, 33108b05f39b "mm/mlock: use vma iterator and maple
  // state instead of vma linked list".
  bool mlockall_revisits_merged;

  // mremap() that grows a VMA where it is may join it with the one above; before, __vma_adjust()
  // only moved its end. v6.0, ca3d76b0aa80 "mm: add merging after mremap resize".
  bool mremap_growth_merges;

  // mremap() begins with a look at the VMA, since it moves huge pages, too. v5.16, 550a7d60bd5e
  // "mm, hugepages: add mremap() support for hugepage backed vma".
  bool mremap_moves_hugetlb;

  // MREMAP_DONTUNMAP takes all but special mappings; before, only private anonymous ones. v5.13,
  // a4609387859f "mm: extend MREMAP_DONTUNMAP to non-anonymous mappings".
  bool dontunmap_takes_files;

  // MREMAP_DONTUNMAP: the copy may not become one VMA with its source, a source that is mlocked is
  // split beforehand, and one that is moved as a whole loses its anon_vma. v5.13 for the anon_vma,
  // 1583aa278f5f "mm: mremap: unlink anon_vmas when mremap with MREMAP_DONTUNMAP success"; the rest
  // in mm/mremap.c move_vma() of 6.1.192.
  bool dontunmap_isolates_source;

  // ... and an anonymous one gets the vm_pgoff of an unfaulted VMA. By a stable backport, present
  // in 6.1.192 (mm/mremap.c move_vma()).
  bool dontunmap_resets_pgoff;

  // MREMAP_DONTUNMAP of the middle of an accounted VMA marks the VMA above it VM_ACCOUNT, as if the
  // source had been split. An oversight of mm/mremap.c move_vma() in 5.10.262.
  bool dontunmap_accounts_next;

  // mbind() from within a VMA at address 0 passes over that VMA, for the same reason as the next
  // one. v6.1, 66850be55e8e "mm/mempolicy: use vma iterator & maple state instead of vma linked
  // list".
  bool mbind_passes_vma_at_zero;

  // A range that begins with a VMA at address 0: userfaultfd_register() and
  // userfaultfd_unregister() pass over the second VMA of it, since mas_prev() at 0 leaves the
  // iterator without a place and the mas_next() that should bring it back goes one too far. v6.1,
  // 69dbe6daf104 "userfaultfd: use maple tree iterator to iterate VMAs".
  bool uffd_passes_second_at_zero;

  // userfaultfd_register() and userfaultfd_unregister() hand the vm_pgoff of the whole VMA to
  // vma_merge(), also when the range begins inside it: such a range never merges. Until v6.4,
  // 5543d3c43c41 "mm/uffd: allow vma to merge as much as possible".
  bool uffd_merges_at_vma_pgoff;
};

// One choice of a profile, in words: its name above, its value, and where it comes from.
struct Choice {
  const char* name;
  const char* value;
  const char* source;
};

// The choice number `index`, from 0 in the order above. RETURNS: false behind the last one.
bool describe_choice(const Semantics& semantics, u32 index, Choice& choice);

// The profile of that name ("6.1"), or nullptr.
const Semantics* find_semantics(const char* name);

}  // namespace svma
