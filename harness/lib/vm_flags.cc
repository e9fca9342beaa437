// SPDX-License-Identifier: GPL-2.0-only
#include "lib/vm_flags.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace svma {
namespace {

// include/linux/mm.h of v6.1; bit 37 is VM_SHADOW_STACK since v6.6, bit 11 was VM_DENYWRITE until
// v5.15 and is VM_MAYBE_GUARD since v6.19. A protection key is a number in
// four bits, shown bit by bit.
constexpr const char* kFlagNames[64] = {
    "VM_READ",      "VM_WRITE",        "VM_EXEC",       "VM_SHARED",
    "VM_MAYREAD",   "VM_MAYWRITE",     "VM_MAYEXEC",    "VM_MAYSHARE",
    "VM_GROWSDOWN", "VM_UFFD_MISSING", "VM_PFNMAP",     "VM_DENYWRITE/VM_MAYBE_GUARD",
    "VM_UFFD_WP",   "VM_LOCKED",       "VM_IO",         "VM_SEQ_READ",
    "VM_RAND_READ", "VM_DONTCOPY",     "VM_DONTEXPAND", "VM_LOCKONFAULT",
    "VM_ACCOUNT",   "VM_NORESERVE",    "VM_HUGETLB",    "VM_SYNC",
    "VM_PAT",       "VM_WIPEONFORK",   "VM_DONTDUMP",   "VM_SOFTDIRTY",
    "VM_MIXEDMAP",  "VM_HUGEPAGE",     "VM_NOHUGEPAGE", "VM_MERGEABLE",
    "VM_PKEY_BIT0", "VM_PKEY_BIT1",    "VM_PKEY_BIT2",  "VM_PKEY_BIT3",
    nullptr,        "VM_UFFD_MINOR",
};

// Bits that no kernel before v6.6 has: VM_SEALED is of v6.10, VM_DROPPABLE of v6.11; the last three
// are those of v7.3.
const char* later_flag_name(unsigned bit) {
  switch (bit) {
    case 63:
      return "VM_SEALED";
    case 40:
      return "VM_DROPPABLE";
    case 38:
    case 41:
      return "VM_UFFD_MINOR";
    case 42:
      return "VM_SEALED";
    case 43:
      return "VM_UFFD_RWP";
    default:
      return kFlagNames[bit];
  }
}

}  // namespace

std::vector<std::string> vm_flag_names(uint64_t flags) {
  std::vector<std::string> names;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if (!(flags >> bit & 1)) continue;
    const char* const name = later_flag_name(bit);
    names.push_back(name ? name : fmt::format("bit {}", bit));
  }
  return names;
}

std::string vm_flags_text(uint64_t flags) {
  return flags ? fmt::format("{}", fmt::join(vm_flag_names(flags), " ")) : "none";
}

}  // namespace svma
