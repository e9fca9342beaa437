// SPDX-License-Identifier: GPL-2.0-only
#include "rmap/semantics.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

constexpr RmapSemantics kRmapProfiles[] = {
    // Debian's 5.10.262.
    {.name = "5.10",
     .counts_degree = false,
     .clone_allocates_first = false,
     .clone_reverses_chain = false,
     .fork_allocates_first = false,
     .anon_pgoff_apart = false,
     .copy_merge_takes_chain = false,
     .removes_one_by_one = true,
     .dontunmap_unfaults = false,
     .prepare_ignores_guard = false},
    // Debian's 6.1.192.
    {.name = "6.1",
     .counts_degree = false,
     .clone_allocates_first = false,
     .clone_reverses_chain = false,
     .fork_allocates_first = false,
     .anon_pgoff_apart = false,
     .copy_merge_takes_chain = false,
     .removes_one_by_one = false,
     .dontunmap_unfaults = true,
     .prepare_ignores_guard = false},
    // Debian's 6.12.117.
    {.name = "6.12",
     .counts_degree = false,
     .clone_allocates_first = false,
     .clone_reverses_chain = false,
     .fork_allocates_first = false,
     .anon_pgoff_apart = false,
     .copy_merge_takes_chain = false,
     .removes_one_by_one = false,
     .dontunmap_unfaults = true,
     .prepare_ignores_guard = false},
    // Debian's 7.3.4.
    {.name = "7.3",
     .counts_degree = false,
     .clone_allocates_first = true,
     .clone_reverses_chain = true,
     .fork_allocates_first = true,
     .anon_pgoff_apart = true,
     .copy_merge_takes_chain = true,
     .removes_one_by_one = false,
     .dontunmap_unfaults = true,
     .prepare_ignores_guard = true},
    // v5.10.
    {.name = "degree",
     .counts_degree = true,
     .clone_allocates_first = false,
     .clone_reverses_chain = false,
     .fork_allocates_first = false,
     .anon_pgoff_apart = false,
     .copy_merge_takes_chain = false,
     .removes_one_by_one = true,
     .dontunmap_unfaults = false,
     .prepare_ignores_guard = false},
};

bool same_profile_name(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

const RmapSemantics* find_rmap_semantics(const char* name) {
  for (const RmapSemantics& profile : kRmapProfiles) {
    if (same_profile_name(profile.name, name)) return &profile;
  }
  return nullptr;
}

}  // namespace svma
