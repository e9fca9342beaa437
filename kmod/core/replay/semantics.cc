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
     .mmap_expands_neighbours = false,
     .brk_grows_given_vma = false,
     .brk_shrinks_only_vmas = false,
     .mmap_keeps_denywrite = true,
     .mlockall_revisits_merged = false,
     .mremap_growth_merges = false,
     .mremap_moves_hugetlb = false,
     .dontunmap_takes_files = false,
     .dontunmap_isolates_source = false,
     .dontunmap_resets_pgoff = false,
     .dontunmap_accounts_next = true,
     .mbind_passes_vma_at_zero = false,
     .uffd_passes_second_at_zero = false,
     .uffd_merges_at_vma_pgoff = true},
    // Debian's 6.1.192.
    {.name = "6.1",
     .gap_rule = GapRule::kHoles,
     .has_vmacache = false,
     .mmap_expands_neighbours = true,
     .brk_grows_given_vma = true,
     .brk_shrinks_only_vmas = true,
     .mmap_keeps_denywrite = false,
     .mlockall_revisits_merged = true,
     .mremap_growth_merges = true,
     .mremap_moves_hugetlb = true,
     .dontunmap_takes_files = true,
     .dontunmap_isolates_source = true,
     .dontunmap_resets_pgoff = true,
     .dontunmap_accounts_next = false,
     .mbind_passes_vma_at_zero = true,
     .uffd_passes_second_at_zero = true,
     .uffd_merges_at_vma_pgoff = true},
};

struct Row {
  const char* name;
  bool Semantics::*value;
  const char* source;
};

constexpr Row kRows[] = {
    {"has_vmacache", &Semantics::has_vmacache, "until v6.1 7964cf8caa4d"},
    {"mmap_expands_neighbours", &Semantics::mmap_expands_neighbours, "v6.1 4dd1b84140c1"},
    {"brk_grows_given_vma", &Semantics::brk_grows_given_vma, "v6.1 2e7ce7d354f2"},
    {"brk_shrinks_only_vmas", &Semantics::brk_shrinks_only_vmas, "v6.1 2e7ce7d354f2"},
    {"mmap_keeps_denywrite", &Semantics::mmap_keeps_denywrite, "until v5.15 8d0920bde5eb"},
    {"mlockall_revisits_merged", &Semantics::mlockall_revisits_merged, "v6.1 33108b05f39b"},
    {"mremap_growth_merges", &Semantics::mremap_growth_merges, "v6.0 ca3d76b0aa80"},
    {"mremap_moves_hugetlb", &Semantics::mremap_moves_hugetlb, "v5.16 550a7d60bd5e"},
    {"dontunmap_takes_files", &Semantics::dontunmap_takes_files, "v5.13 a4609387859f"},
    {"dontunmap_isolates_source", &Semantics::dontunmap_isolates_source,
     "v5.13 1583aa278f5f, 6.1.192 move_vma()"},
    {"dontunmap_resets_pgoff", &Semantics::dontunmap_resets_pgoff, "6.1.192 move_vma()"},
    {"dontunmap_accounts_next", &Semantics::dontunmap_accounts_next, "5.10.262 move_vma()"},
    {"mbind_passes_vma_at_zero", &Semantics::mbind_passes_vma_at_zero, "v6.1 66850be55e8e"},
    {"uffd_passes_second_at_zero", &Semantics::uffd_passes_second_at_zero, "v6.1 69dbe6daf104"},
    {"uffd_merges_at_vma_pgoff", &Semantics::uffd_merges_at_vma_pgoff, "until v6.4 5543d3c43c41"},
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
