// SPDX-License-Identifier: GPL-2.0-only
#include "replay/semantics.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

constexpr Semantics kProfiles[] = {
    // Debian's 6.1.192.
    {.name = "6.1",
     .gap_rule = GapRule::kHoles,
     .mmap_expands_neighbours = true,
     .brk_grows_given_vma = true,
     .dontunmap_resets_pgoff = true,
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
