// SPDX-License-Identifier: GPL-2.0-only
#include "replay/semantics.hpp"

#include "base/text.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// Each kernel is the one before it with changes, so that it says what is particular to it.

// Debian's 5.10.262.
constexpr Semantics k5_10 = {.name = "5.10",
                             .gap_rule = GapRule::kLessGuardGap,
                             .has_vmacache = true,
                             .search_minds_min_addr = false,
                             .search_measures_limits = false,
                             .places_at_huge_pages = false,
                             .hugetlb_has_own_search = true,
                             .shadow_stacks_have_guard = false,
                             .close_forbids_removal_only = false,
                             .given_up_merge_repeats_step = false,
                             .mmap_expands_neighbours = false,
                             .mmap_cuts_first = false,
                             .munmap_keeps_clones = false,
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
                             .mbind_strict_outranks = false,
                             .uffd_merges_at_vma_pgoff = true,
                             .uffd_leaves_soft_dirty = false,
                             .uffd_minor_is_bit_38 = false,
                             .high_flags_renumbered = false,
                             .uffd_knows_rwp = false,
                             .merge_takes_anon_vma_of_range = false,
                             .merge_keeps_sticky_flags = false,
                             .madvise_marks_guards = false,
                             .dofork_refuses_special = false,
                             .files_have_anon_index = false,
                             .mmap_prepares_first = false,
                             .mmap_retries_merge = true,
                             .ksm_marks_before_merge = false,
                             .mremap_moves_many = false,
                             .mremap_checks_first = false,
                             .mremap_counts_exactly = false,
                             .mremap_isolates_deaf_uffd = false};

// Debian's 6.1.192.
constexpr Semantics k6_1 = [] {
  Semantics s = k5_10;
  s.name = "6.1";
  s.gap_rule = GapRule::kHoles;
  s.has_vmacache = false;
  s.mmap_expands_neighbours = true;
  s.brk_grows_given_vma = true;
  s.brk_shrinks_only_vmas = true;
  s.mmap_keeps_denywrite = false;
  s.mlockall_revisits_merged = true;
  s.mremap_growth_merges = true;
  s.mremap_moves_hugetlb = true;
  s.dontunmap_takes_files = true;
  s.dontunmap_isolates_source = true;
  s.dontunmap_resets_pgoff = true;
  s.dontunmap_accounts_next = false;
  s.mbind_passes_vma_at_zero = true;
  s.uffd_passes_second_at_zero = true;
  s.mbind_revisits_merged = true;
  return s;
}();

// Debian's 6.12.117.
constexpr Semantics k6_12 = [] {
  Semantics s = k6_1;
  s.name = "6.12";
  s.search_minds_min_addr = true;
  s.search_measures_limits = true;
  s.places_at_huge_pages = true;
  s.shadow_stacks_have_guard = true;
  s.close_forbids_removal_only = true;
  s.given_up_merge_repeats_step = true;
  s.mmap_expands_neighbours = false;
  s.mmap_cuts_first = true;
  s.munmap_keeps_clones = true;
  s.mmap_remerges_as_asked = true;
  s.mmap_stack_without_huge_pages = true;
  s.mmap_knows_above_4g = true;
  s.mmap_knows_droppable = true;
  s.mprotect_drops_account = true;
  s.mlockall_revisits_merged = false;
  s.dontunmap_merges_beyond = true;
  s.mbind_passes_vma_at_zero = false;
  s.uffd_passes_second_at_zero = false;
  s.mbind_revisits_merged = false;
  s.mbind_strict_outranks = true;
  s.uffd_merges_at_vma_pgoff = false;
  s.uffd_leaves_soft_dirty = true;
  s.uffd_minor_is_bit_38 = true;
  return s;
}();

// Debian's 7.3.4.
constexpr Semantics k7_3 = [] {
  Semantics s = k6_12;
  s.name = "7.3";
  s.hugetlb_has_own_search = false;
  s.mmap_remerges_as_asked = false;
  s.uffd_minor_is_bit_38 = false;
  s.high_flags_renumbered = true;
  s.uffd_knows_rwp = true;
  s.merge_takes_anon_vma_of_range = true;
  s.merge_keeps_sticky_flags = true;
  s.madvise_marks_guards = true;
  s.dofork_refuses_special = true;
  s.files_have_anon_index = true;
  s.mmap_prepares_first = true;
  s.mmap_retries_merge = false;
  s.ksm_marks_before_merge = true;
  s.mremap_moves_many = true;
  s.mremap_checks_first = true;
  s.mremap_counts_exactly = true;
  s.mremap_isolates_deaf_uffd = true;
  return s;
}();

constexpr const Semantics* kProfiles[] = {&k5_10, &k6_1, &k6_12, &k7_3};

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
    {"hugetlb_has_own_search", &Semantics::hugetlb_has_own_search, "until v6.13 7bd3f1e1a9ae"},
    {"shadow_stacks_have_guard", &Semantics::shadow_stacks_have_guard, "v6.6 0266e7c53647"},
    {"close_forbids_removal_only", &Semantics::close_forbids_removal_only, "v6.12 01c373e9a5ce"},
    {"given_up_merge_repeats_step", &Semantics::given_up_merge_repeats_step,
     "6.12 vma_merge_existing_range()"},
    {"mmap_expands_neighbours", &Semantics::mmap_expands_neighbours,
     "v6.1 4dd1b84140c1 until v6.12 cacded5e42b9"},
    {"mmap_cuts_first", &Semantics::mmap_cuts_first, "v6.12 f8d112a4e657, 4f87153e82c4"},
    {"munmap_keeps_clones", &Semantics::munmap_keeps_clones, "6.12 vms_gather_munmap_vmas()"},
    {"mmap_remerges_as_asked", &Semantics::mmap_remerges_as_asked,
     "v6.12 cacded5e42b9 until v6.16"},
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
    {"mbind_strict_outranks", &Semantics::mbind_strict_outranks, "6.12 do_mbind()"},
    {"uffd_merges_at_vma_pgoff", &Semantics::uffd_merges_at_vma_pgoff, "until v6.4 5543d3c43c41"},
    {"uffd_leaves_soft_dirty", &Semantics::uffd_leaves_soft_dirty, "6.12 userfaultfd_set_ctx()"},
    {"uffd_minor_is_bit_38", &Semantics::uffd_minor_is_bit_38, "v6.6 fb47a799cc5c until 7.3"},
    {"high_flags_renumbered", &Semantics::high_flags_renumbered, "7.3 include/linux/mm.h"},
    {"uffd_knows_rwp", &Semantics::uffd_knows_rwp, "7.3 userfaultfd_register()"},
    {"merge_takes_anon_vma_of_range", &Semantics::merge_takes_anon_vma_of_range,
     "v6.16 879bca0a2c4f"},
    {"merge_keeps_sticky_flags", &Semantics::merge_keeps_sticky_flags, "v6.19 64212ba02e66"},
    {"madvise_marks_guards", &Semantics::madvise_marks_guards, "v6.19 5dba5cc2e0ff"},
    {"dofork_refuses_special", &Semantics::dofork_refuses_special, "7.3 madvise_vma_behavior()"},
    {"files_have_anon_index", &Semantics::files_have_anon_index, "7.3 needs_adjacent_anon_pgoff()"},
    {"mmap_prepares_first", &Semantics::mmap_prepares_first, "v6.16 c84bf6dd2b83"},
    {"mmap_retries_merge", &Semantics::mmap_retries_merge, "until v6.16"},
    {"ksm_marks_before_merge", &Semantics::ksm_marks_before_merge, "v6.17 cf7e7a3503df"},
    {"mremap_moves_many", &Semantics::mremap_moves_many, "v6.17 d23cb648e365"},
    {"mremap_checks_first", &Semantics::mremap_checks_first, "v6.17 3215eaceca87"},
    {"mremap_counts_exactly", &Semantics::mremap_counts_exactly,
     "7.3 __check_map_count_against_split()"},
    {"mremap_isolates_deaf_uffd", &Semantics::mremap_isolates_deaf_uffd,
     "7.3 vma_merge_copied_range()"},
};

}  // namespace

bool describe_choice(const Semantics& semantics, u32 index, Choice& choice) {
  if (index == 0) {
    const bool holes = semantics.gap_rule == GapRule::kHoles;
    choice = {"gap_rule", holes ? "holes" : "less_guard_gap", "v6.1 3499a13168da"};
    return true;
  }
  if (index >= choice_count()) return false;
  const Row& row = kRows[index - 1];
  choice = {row.name, semantics.*row.value ? "yes" : "no", row.source};
  return true;
}

u32 choice_count() { return 1 + sizeof(kRows) / sizeof(kRows[0]); }

const Semantics* find_semantics(const char* name) {
  for (const Semantics* const profile : kProfiles) {
    if (same_text(profile->name, name)) return profile;
  }
  return nullptr;
}

}  // namespace svma
