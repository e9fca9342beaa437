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
     .mmap_expands_neighbours = false,
     .brk_grows_given_vma = false,
     .mmap_keeps_denywrite = true,
     .mremap_growth_merges = false,
     .dontunmap_isolates_source = false,
     .dontunmap_resets_pgoff = false,
     .dontunmap_accounts_next = true,
     .uffd_passes_second_at_zero = false,
     .uffd_merges_at_vma_pgoff = true},
    // Debian's 6.1.192.
    {.name = "6.1",
     .gap_rule = GapRule::kHoles,
     .mmap_expands_neighbours = true,
     .brk_grows_given_vma = true,
     .mmap_keeps_denywrite = false,
     .mremap_growth_merges = true,
     .dontunmap_isolates_source = true,
     .dontunmap_resets_pgoff = true,
     .dontunmap_accounts_next = false,
     .uffd_passes_second_at_zero = true,
     .uffd_merges_at_vma_pgoff = true},
};

constexpr bool same_name(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

}  // namespace

const Semantics* find_semantics(const char* name) {
  for (const Semantics& profile : kProfiles) {
    if (same_name(profile.name, name)) return &profile;
  }
  return nullptr;
}

}  // namespace svma
