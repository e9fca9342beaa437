// SPDX-License-Identifier: GPL-2.0-only
#include "rmap/semantics.hpp"

#include "base/text.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// Each kernel is the one before it with changes.

// Debian's 5.10.262.
constexpr RmapSemantics kRmap5_10 = {.name = "5.10",
                                     .counts_degree = false,
                                     .clone_allocates_first = false,
                                     .clone_reverses_chain = false,
                                     .fork_allocates_first = false,
                                     .anon_pgoff_apart = false,
                                     .copy_merge_takes_chain = false,
                                     .removes_one_by_one = true,
                                     .dontunmap_unfaults = false,
                                     .prepare_ignores_guard = false};

// Debian's 6.1.192.
constexpr RmapSemantics kRmap6_1 = [] {
  RmapSemantics s = kRmap5_10;
  s.name = "6.1";
  s.removes_one_by_one = false;
  s.dontunmap_unfaults = true;
  return s;
}();

// Debian's 6.12.117.
constexpr RmapSemantics kRmap6_12 = [] {
  RmapSemantics s = kRmap6_1;
  s.name = "6.12";
  return s;
}();

// Debian's 7.3.4.
constexpr RmapSemantics kRmap7_3 = [] {
  RmapSemantics s = kRmap6_12;
  s.name = "7.3";
  s.clone_allocates_first = true;
  s.clone_reverses_chain = true;
  s.fork_allocates_first = true;
  s.anon_pgoff_apart = true;
  s.copy_merge_takes_chain = true;
  s.prepare_ignores_guard = true;
  return s;
}();

// v5.10.
constexpr RmapSemantics kRmapDegree = [] {
  RmapSemantics s = kRmap5_10;
  s.name = "degree";
  s.counts_degree = true;
  return s;
}();

constexpr const RmapSemantics* kRmapProfiles[] = {&kRmap5_10, &kRmap6_1, &kRmap6_12, &kRmap7_3,
                                                  &kRmapDegree};

struct RmapRow {
  const char* name;
  bool RmapSemantics::*value;
  const char* source;
};

constexpr RmapRow kRmapRows[] = {
    {"rmap_counts_degree", &RmapSemantics::counts_degree, "until v6.0 2555283eb40d"},
    {"rmap_clone_allocates_first", &RmapSemantics::clone_allocates_first, "v7.0 bfc2b13b05a1"},
    {"rmap_clone_reverses_chain", &RmapSemantics::clone_reverses_chain, "v7.0 bfc2b13b05a1"},
    {"rmap_fork_allocates_first", &RmapSemantics::fork_allocates_first, "7.3 anon_vma_fork()"},
    {"rmap_anon_pgoff_apart", &RmapSemantics::anon_pgoff_apart, "7.3 vma_start_anon_pgoff()"},
    {"rmap_copy_merge_takes_chain", &RmapSemantics::copy_merge_takes_chain, "7.3 vma_expand()"},
    {"rmap_removes_one_by_one", &RmapSemantics::removes_one_by_one, "5.10 __vma_adjust()"},
    {"rmap_dontunmap_unfaults", &RmapSemantics::dontunmap_unfaults, "v5.13 1583aa278f5f"},
    {"rmap_prepare_ignores_guard", &RmapSemantics::prepare_ignores_guard,
     "7.3 anon_vma_compatible()"},
};

}  // namespace

bool describe_rmap_choice(const RmapSemantics& semantics, u32 index, Choice& choice) {
  if (index >= sizeof(kRmapRows) / sizeof(kRmapRows[0])) return false;
  const RmapRow& row = kRmapRows[index];
  choice = {row.name, semantics.*row.value ? "yes" : "no", row.source};
  return true;
}

const RmapSemantics* find_rmap_semantics(const char* name) {
  for (const RmapSemantics* const profile : kRmapProfiles) {
    if (same_text(profile->name, name)) return profile;
  }
  return nullptr;
}

}  // namespace svma
