// SPDX-License-Identifier: GPL-2.0-only
//
// What madvise() does to vm_flags: mm/madvise.c madvise_vma_behavior(), mm/ksm.c ksm_madvise(),
// mm/khugepaged.c hugepage_madvise() in v6.1.
#pragma once

#include "base/status.hpp"
#include "replay/semantics.hpp"
#include "vma/vma.hpp"

namespace svma {

// include/uapi/asm-generic/mman-common.h; only advice that changes vm_flags.
enum class Advice : i32 {
  kNormal = 0,
  kRandom = 1,
  kSequential = 2,
  kDontFork = 10,
  kDoFork = 11,
  kMergeable = 12,
  kUnmergeable = 13,
  kHugePage = 14,
  kNoHugePage = 15,
  kDontDump = 16,
  kDoDump = 17,
  kWipeOnFork = 18,
  kKeepOnFork = 19,
};

// Whether the advice goes through the mmap_lock held for writing and may change vm_flags.
bool advice_changes_flags(i32 advice);

// The flags of a VMA in an mm in which KSM may merge everything: mm/ksm.c ksm_add_vma() in v6.12,
// ksm_vma_flags() in v6.17.
VmFlags offered_to_ksm(VmFlags flags);

// Whether only the task knows if a sealed VMA may lose its pages: arch_vma_access_permitted() asks
// its protection keys.
bool seal_depends_on_key(const Semantics& semantics, const Vma& vma, i32 advice);

// Applies the advice to `flags`, which are those of `vma`. RETURNS: -EINVAL when `vma` refuses it.
Status advised_flags(const Semantics& semantics, const Vma& vma, i32 advice, VmFlags& flags);

}  // namespace svma
