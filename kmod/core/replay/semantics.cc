// SPDX-License-Identifier: GPL-2.0-only
#include "replay/semantics.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

constexpr Semantics kProfiles[] = {
    // Debian's 5.10.262.
    {.name = "5.10",
     .gap_rule = GapRule::kLessGuardGap,
     .has_vmacache = true,
     .search_minds_min_addr = false,
     .search_measures_limits = false,
     .places_at_huge_pages = false,
     .close_forbids_removal_only = false,
     .given_up_merge_repeats_step = false,
     .mmap_expands_neighbours = false,
     .mmap_cuts_first = false,
     .mmap_remerges_as_asked = false,
     .mmap_stack_without_huge_pages = false,
     .mmap_knows_above_4g = false,
     .mmap_knows_droppable = false,
     .mprotect_drops_account = false,
     .brk_grows_given_vma = false,
     .brk_shrinks_only_vmas = false,
     .mmap_keeps_denywrite = true,
     .mlockall_revisits_merged = false,
     .mremap_growth_merges = false,
     .mremap_moves_hugetlb = false,
     .dontunmap_takes_files = false,
     .dontunmap_isolates_source = false,
     .dontunmap_resets_pgoff = false,
     .dontunmap_merges_beyond = false,
     .dontunmap_accounts_next = true,
     .mbind_passes_vma_at_zero = false,
     .uffd_passes_second_at_zero = false,
     .mbind_revisits_merged = false,
     .uffd_merges_at_vma_pgoff = true,
     .uffd_leaves_soft_dirty = false,
     .uffd_minor_is_bit_38 = false},
    // Debian's 6.1.192.
    {.name = "6.1",
     .gap_rule = GapRule::kHoles,
     .has_vmacache = false,
     .search_minds_min_addr = false,
     .search_measures_limits = false,
     .places_at_huge_pages = false,
     .close_forbids_removal_only = false,
     .given_up_merge_repeats_step = false,
     .mmap_expands_neighbours = true,
     .mmap_cuts_first = false,
     .mmap_remerges_as_asked = false,
     .mmap_stack_without_huge_pages = false,
     .mmap_knows_above_4g = false,
     .mmap_knows_droppable = false,
     .mprotect_drops_account = false,
     .brk_grows_given_vma = true,
     .brk_shrinks_only_vmas = true,
     .mmap_keeps_denywrite = false,
     .mlockall_revisits_merged = true,
     .mremap_growth_merges = true,
     .mremap_moves_hugetlb = true,
     .dontunmap_takes_files = true,
     .dontunmap_isolates_source = true,
     .dontunmap_resets_pgoff = true,
     .dontunmap_merges_beyond = false,
     .dontunmap_accounts_next = false,
     .mbind_passes_vma_at_zero = true,
     .uffd_passes_second_at_zero = true,
     .mbind_revisits_merged = true,
     .uffd_merges_at_vma_pgoff = true,
     .uffd_leaves_soft_dirty = false,
     .uffd_minor_is_bit_38 = false},
    // Debian's 6.12.117.
    {.name = "6.12",
     .gap_rule = GapRule::kHoles,
     .has_vmacache = false,
     .search_minds_min_addr = true,
     .search_measures_limits = true,
     .places_at_huge_pages = true,
     .close_forbids_removal_only = true,
     .given_up_merge_repeats_step = true,
     .mmap_expands_neighbours = false,
     .mmap_cuts_first = true,
     .mmap_remerges_as_asked = true,
     .mmap_stack_without_huge_pages = true,
     .mmap_knows_above_4g = true,
     .mmap_knows_droppable = true,
     .mprotect_drops_account = true,
     .brk_grows_given_vma = true,
     .brk_shrinks_only_vmas = true,
     .mmap_keeps_denywrite = false,
     .mlockall_revisits_merged = false,
     .mremap_growth_merges = true,
     .mremap_moves_hugetlb = true,
     .dontunmap_takes_files = true,
     .dontunmap_isolates_source = true,
     .dontunmap_resets_pgoff = true,
     .dontunmap_merges_beyond = true,
     .dontunmap_accounts_next = false,
     .mbind_passes_vma_at_zero = false,
     .uffd_passes_second_at_zero = false,
     .mbind_revisits_merged = false,
     .uffd_merges_at_vma_pgoff = false,
     .uffd_leaves_soft_dirty = true,
     .uffd_minor_is_bit_38 = true},
};

struct Row {
  const char* name;
  bool Semantics::*value;
  const char* source;
};

constexpr Row kRows[] = {
    {"has_vmacache", &Semantics::has_vmacache, "until v6.1 7964cf8caa4d"},
    {"search_minds_min_addr", &Semantics::search_minds_min_addr, "v6.4 6b008640db73"},
    {"search_measures_limits", &Semantics::search_measures_limits, "6.12 mas_empty_area_rev()"},
    {"places_at_huge_pages", &Semantics::places_at_huge_pages,
     "v6.7 efa7df3e3bb5, v6.12 d4148aeab412"},
    {"close_forbids_removal_only", &Semantics::close_forbids_removal_only, "v6.12 01c373e9a5ce"},
    {"given_up_merge_repeats_step", &Semantics::given_up_merge_repeats_step,
     "6.12 vma_merge_existing_range()"},
    {"mmap_expands_neighbours", &Semantics::mmap_expands_neighbours,
     "v6.1 4dd1b84140c1 until v6.12 cacded5e42b9"},
    {"mmap_cuts_first", &Semantics::mmap_cuts_first, "v6.12 f8d112a4e657, 4f87153e82c4"},
    {"mmap_remerges_as_asked", &Semantics::mmap_remerges_as_asked, "v6.12 cacded5e42b9"},
    {"mmap_stack_without_huge_pages", &Semantics::mmap_stack_without_huge_pages,
     "v6.7 c4608d1bf7c6"},
    {"mmap_knows_above_4g", &Semantics::mmap_knows_above_4g, "v6.6 29f890d1050f"},
    {"mmap_knows_droppable", &Semantics::mmap_knows_droppable, "v6.11 9651fcedf7b9"},
    {"mprotect_drops_account", &Semantics::mprotect_drops_account, "v6.6 mprotect_fixup()"},
    {"brk_grows_given_vma", &Semantics::brk_grows_given_vma, "v6.1 2e7ce7d354f2"},
    {"brk_shrinks_only_vmas", &Semantics::brk_shrinks_only_vmas, "v6.1 2e7ce7d354f2"},
    {"mmap_keeps_denywrite", &Semantics::mmap_keeps_denywrite, "until v5.15 8d0920bde5eb"},
    {"mlockall_revisits_merged", &Semantics::mlockall_revisits_merged,
     "v6.1 33108b05f39b until v6.3 37598f5a9d8b"},
    {"mremap_growth_merges", &Semantics::mremap_growth_merges, "v6.0 ca3d76b0aa80"},
    {"mremap_moves_hugetlb", &Semantics::mremap_moves_hugetlb, "v5.16 550a7d60bd5e"},
    {"dontunmap_takes_files", &Semantics::dontunmap_takes_files, "v5.13 a4609387859f"},
    {"dontunmap_isolates_source", &Semantics::dontunmap_isolates_source,
     "v5.13 1583aa278f5f, 6.1.192 move_vma()"},
    {"dontunmap_resets_pgoff", &Semantics::dontunmap_resets_pgoff, "6.1.192 move_vma()"},
    {"dontunmap_merges_beyond", &Semantics::dontunmap_merges_beyond, "v6.12 cacded5e42b9"},
    {"dontunmap_accounts_next", &Semantics::dontunmap_accounts_next, "5.10.262 move_vma()"},
    {"mbind_passes_vma_at_zero", &Semantics::mbind_passes_vma_at_zero,
     "v6.1 66850be55e8e until v6.3 f10c2abcdac4"},
    {"uffd_passes_second_at_zero", &Semantics::uffd_passes_second_at_zero,
     "v6.1 69dbe6daf104 until v6.3 11a9b90274f6"},
    {"mbind_revisits_merged", &Semantics::mbind_revisits_merged, "v6.1 until v6.3 f10c2abcdac4"},
    {"uffd_merges_at_vma_pgoff", &Semantics::uffd_merges_at_vma_pgoff, "until v6.4 5543d3c43c41"},
    {"uffd_leaves_soft_dirty", &Semantics::uffd_leaves_soft_dirty, "6.12 userfaultfd_set_ctx()"},
    {"uffd_minor_is_bit_38", &Semantics::uffd_minor_is_bit_38, "v6.6 fb47a799cc5c"},
};

constexpr bool same_name(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

}  // namespace

bool describe_choice(const Semantics& semantics, u32 index, Choice& choice) {
  if (index == 0) {
    const bool holes = semantics.gap_rule == GapRule::kHoles;
    choice = {"gap_rule", holes ? "holes" : "less_guard_gap", "v6.1 3499a13168da"};
    return true;
  }
  if (index > sizeof(kRows) / sizeof(kRows[0])) return false;
  const Row& row = kRows[index - 1];
  choice = {row.name, semantics.*row.value ? "yes" : "no", row.source};
  return true;
}

const Semantics* find_semantics(const char* name) {
  for (const Semantics& profile : kProfiles) {
    if (same_name(profile.name, name)) return &profile;
  }
  return nullptr;
}

}  // namespace svma
