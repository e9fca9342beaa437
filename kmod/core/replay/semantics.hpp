// SPDX-License-Identifier: GPL-2.0-only
//
// What differs between kernels, as named choices. The algorithms ask for a choice, never for a
// version; a kernel is one value of this struct. Each choice cites where it comes from.
#pragma once

#include "base/choice.hpp"
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

  // A search stays above vm.mmap_min_addr, whatever its lower limit. v6.4, 6b008640db73 "mm: move
  // 'mmap_min_addr' logic from callers into vm_unmapped_area()".
  bool search_minds_min_addr;

  // A search between limits that are less than its length apart finds nothing; in 6.1
  // mas_empty_area_rev() may still answer with room below the lower limit, if nothing is mapped
  // above. lib/maple_tree.c mas_empty_area_rev() in v6.12.
  bool search_measures_limits;

  // Without a hint, what is as long as huge pages, and has no file with a search of its own, is
  // placed at the boundary of one: room for one huge page more is looked for first. v6.7,
  // efa7df3e3bb5 "mm: align larger anonymous mappings on THP boundaries", and for such lengths only
  // since v6.12, d4148aeab412 "mm, mmap: limit THP alignment of anonymous mappings to PMD-aligned
  // sizes".
  bool places_at_huge_pages;

  // Mappings of hugetlbfs are searched for by functions of its own, with limits of their own. Until
  // v6.13, 7bd3f1e1a9ae "mm: make hugetlb mappings go through mm_get_unmapped_area_vmflags".
  bool hugetlb_has_own_search;

  // The page below a shadow stack stays free. v6.6, 0266e7c53647 "mm: Add guard pages around a
  // shadow stack".
  bool shadow_stacks_have_guard;

  // vm_ops->close forbids a merge only where a VMA that has it would go; before, whenever a
  // neighbour had it. v6.12, 01c373e9a5ce "mm: rework vm_ops->close() handling on VMA merge".
  bool close_forbids_removal_only;

  // A merge with the VMA below that is given up because the VMA itself would go, and has
  // vm_ops->close, leaves the iterator at the one below: mprotect(), mlock(), mlockall() and
  // mbind() come to the same VMA once more, where nothing is left to do. mm/vma.c
  // vma_merge_existing_range() in v6.12.
  bool given_up_merge_repeats_step;

  // mmap_region() tries to grow a neighbour with vma_expand() and asks the VMA below whether it
  // goes with the anon_vma of the one above; before and after, it called vma_merge() or
  // vma_merge_new_range(), which ask each side alone first. From v6.1, 4dd1b84140c1 "mm/mmap: use
  // advanced maple tree API for mmap_region()", until v6.12, cacded5e42b9 "mm: avoid using
  // vma_merge() for new VMAs".
  bool mmap_expands_neighbours;

  // mmap_region() cuts the VMAs at both ends of a fixed mapping before limits and overcommit are
  // asked, and what they refuse stays mapped, but cut; before, limits were asked first and
  // overcommit after the range was unmapped. v6.12, f8d112a4e657 "mm/mmap: avoid zeroing vma tree
  // in mmap_region()" and 4f87153e82c4 "mm: change failure of MAP_FIXED to restoring the gap on
  // failure".
  bool mmap_cuts_first;

  // Where an unmap cuts a VMA, the new one stays mapped and the old one goes; before, the other way
  // round. What stays then has a chain that was cloned. In v6.12 mm/vma.c vms_gather_munmap_vmas(),
  // not in v6.1 mm/mmap.c do_mas_align_munmap().
  bool munmap_keeps_clones;

  // When a driver has changed vm_flags, mmap_region() tries to merge once more, with the file and
  // offset of the call; before, with those the driver may have put into the VMA. v6.12,
  // cacded5e42b9 as above.
  bool mmap_remerges_as_asked;

  // MAP_STACK keeps huge pages away. v6.7, c4608d1bf7c6 "mm: mmap: map MAP_STACK to VM_NOHUGEPAGE".
  bool mmap_stack_without_huge_pages;

  // MAP_ABOVE4G moves the lower end of a search from the top down. v6.6, 29f890d1050f "x86/mm:
  // Introduce MAP_ABOVE4G".
  bool mmap_knows_above_4g;

  // There is a third kind of mapping, MAP_DROPPABLE. v6.11, 9651fcedf7b9 "mm: add MAP_DROPPABLE for
  // designating always lazily freeable mappings".
  bool mmap_knows_droppable;

  // mprotect() takes VM_ACCOUNT off a mapping that becomes read-only and has no anon_vma. v6.6,
  // "mm/mprotect: allow unfaulted VMAs to be unaccounted on mprotect()".
  bool mprotect_drops_account;

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

  // mlockall() comes once more to a VMA that has just become part of a merged one above it; before
  // and after, it went on behind the merged one. From v6.1, 33108b05f39b "mm/mlock: use vma
  // iterator and maple state instead of vma linked list", until v6.3, 37598f5a9d8b "mlock: convert
  // mlock to vma iterator".
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

  // ... and may still merge with the VMA on the other side of its new place when that touches its
  // source. v6.12, cacded5e42b9 "mm: avoid using vma_merge() for new VMAs", in which copy_vma()
  // gets both neighbours.
  bool dontunmap_merges_beyond;

  // MREMAP_DONTUNMAP of the middle of an accounted VMA marks the VMA above it VM_ACCOUNT, as if the
  // source had been split. An oversight of mm/mremap.c move_vma() in 5.10.262.
  bool dontunmap_accounts_next;

  // mbind() from within a VMA at address 0 passes over that VMA, for the same reason as the next
  // one. From v6.1, 66850be55e8e "mm/mempolicy: use vma iterator & maple state instead of vma
  // linked list", until v6.3, f10c2abcdac4 "mempolicy: convert to vma iterator".
  bool mbind_passes_vma_at_zero;

  // A range that begins in a VMA at address 0: userfaultfd_register() and
  // userfaultfd_unregister() pass over the second VMA of it, since mas_prev() at 0 leaves the
  // iterator without a place and the mas_next() that should bring it back goes one too far. From
  // v6.1, 69dbe6daf104 "userfaultfd: use maple tree iterator to iterate VMAs", until v6.3,
  // 11a9b90274f6 "userfaultfd: use vma iterator".
  bool uffd_passes_second_at_zero;

  // mbind() comes once more to a VMA that has just become part of a merged one; after, it goes on
  // behind the merged one. From v6.1 until v6.3, as above.
  bool mbind_revisits_merged;

  // That a page lies where MPOL_MF_STRICT forbids it is what mbind() says at last, also when a VMA
  // refused its policy. mm/mempolicy.c do_mbind() in v6.12.
  bool mbind_strict_outranks;

  // userfaultfd_register() and userfaultfd_unregister() hand the vm_pgoff of the whole VMA to
  // vma_merge(), also when the range begins inside it: such a range never merges. Until v6.4,
  // 5543d3c43c41 "mm/uffd: allow vma to merge as much as possible".
  bool uffd_merges_at_vma_pgoff;

  // What userfaultfd changes about a merged VMA are its own flags alone; before, the VMA got those
  // of the range, VM_SOFTDIRTY included. mm/userfaultfd.c userfaultfd_set_ctx() in v6.12.
  bool uffd_leaves_soft_dirty;

  // VM_UFFD_MINOR is bit 38, not 37, which is VM_SHADOW_STACK now. v6.6, fb47a799cc5c "mm: Move
  // VM_UFFD_MINOR_BIT from 37 to 38".
  bool uffd_minor_is_bit_38;

  // High flags moved once more: VM_UFFD_MINOR is bit 41, VM_SEALED 42, not 63. include/linux/mm.h
  // in v7.3.
  bool high_flags_renumbered;

  // userfaultfd has a fourth mode, VM_UFFD_RWP, bit 43. mm/userfaultfd.c userfaultfd_register() in
  // v7.3.
  bool uffd_knows_rwp;

  // Either of two VMAs may bring the anon_vma that the other one lacks; see AnonRule. v6.16,
  // 879bca0a2c4f "mm/vma: fix incorrectly disallowed anonymous VMA merges".
  bool merge_takes_anon_vma_of_range;

  // VM_SOFTDIRTY and VM_MAYBE_GUARD of a part are those of the whole after a merge. v6.19,
  // 64212ba02e66 "mm: implement sticky VMA flags".
  bool merge_keeps_sticky_flags;

  // Guard regions mark their VMA, VM_MAYBE_GUARD. v6.19, 5dba5cc2e0ff "mm: introduce VM_MAYBE_GUARD
  // and make visible in /proc/$pid/smaps".
  bool madvise_marks_guards;

  // MADV_DOFORK refuses all special VMAs; before, those with VM_IO. mm/madvise.c
  // madvise_vma_behavior() in v7.3.
  bool dofork_refuses_special;

  // Anonymous pages of private file mappings are indexed by the address at which they were first
  // faulted in, not by the offset in the file, so those indices must continue each other in a
  // merge. mm/vma.c needs_adjacent_anon_pgoff() in v7.3.
  bool files_have_anon_index;

  // A driver that changes flags, offset or file of a mapping does so before a merge is tried, where
  // it has the new hook. v6.16, c84bf6dd2b83 "mm: introduce new .mmap_prepare() file callback".
  bool mmap_prepares_first;

  // When a driver's old hook changed vm_flags, a merge is tried once more. Until v6.16, "mm/vma:
  // remove mmap() retry merge".
  bool mmap_retries_merge;

  // Where KSM may merge everything, a new mapping is marked before a merge with its neighbours is
  // tried, if no driver can object; before, only one that did not merge was. v6.17, cf7e7a3503df
  // "mm: prevent KSM from breaking VMA merging for new VMAs".
  bool ksm_marks_before_merge;

  // mremap() to a fixed address of the same size moves all VMAs of its range, one after the other.
  // v6.17, d23cb648e365 "mm/mremap: permit mremap() move of multiple VMAs".
  bool mremap_moves_many;

  // mremap() tests addresses and lengths before it takes the lock, and the VMA before it unmaps
  // anything. v6.17, 3215eaceca87 "mm/mremap: refactor initial parameter sanity checks".
  bool mremap_checks_first;

  // mremap() wants room for as many more VMAs as it may make, at its beginning and before a move,
  // 4 and 2, or one more for MREMAP_DONTUNMAP; before, three and five were to be left, with a fixed
  // address at its beginning. mm/mremap.c __check_map_count_against_split() in v7.3.
  bool mremap_counts_exactly;

  // The copy of a VMA whose userfaultfd does not follow mremap() never merges. mm/vma.c
  // vma_merge_copied_range() in v7.3.
  bool mremap_isolates_deaf_uffd;

  VmFlags uffd_minor() const {
    if (high_flags_renumbered) return kVmUffdMinor << 4;
    return uffd_minor_is_bit_38 ? kVmUffdMinor << 1 : kVmUffdMinor;
  }
  VmFlags uffd_rwp() const { return uffd_knows_rwp ? u64{1} << 43 : 0; }
  VmFlags uffd_flags() const { return kVmUffdMissing | kVmUffdWp | uffd_minor() | uffd_rwp(); }
  VmFlags sealed() const { return high_flags_renumbered ? u64{1} << 42 : kVmSealed; }
  VmFlags sticky() const { return merge_keeps_sticky_flags ? kVmSoftDirty | kVmMaybeGuard : 0; }
  MergeRules merge_rules() const {
    return {
        .close = close_forbids_removal_only ? CloseRule::kNeverRemoved : CloseRule::kNeverMerged,
        .anon =
            merge_takes_anon_vma_of_range ? AnonRule::kEitherBrings : AnonRule::kNeighbourBrings,
        .sticky = sticky()};
  }
};

// The choice number `index`, from 0 in the order above. RETURNS: false behind the last one.
bool describe_choice(const Semantics& semantics, u32 index, Choice& choice);
u32 choice_count();

// The profile of that name ("6.1"), or nullptr.
const Semantics* find_semantics(const char* name);

}  // namespace svma
