// SPDX-License-Identifier: GPL-2.0-only
//
// What stops an address space from growing: mm/mmap.c may_expand_vm() and acct_stack_growth() in
// v6.1, on the shadow's own counters. The limits themselves are inputs (Fact::kResource).
#pragma once

#include "abi/core_api.h"
#include "replay/semantics.hpp"
#include "vma/accounting.hpp"

namespace svma {

// Whether `pages` more of a mapping with `flags` stay within RLIMIT_AS and RLIMIT_DATA. A soft
// RLIMIT_DATA of 0 counts as the hard one.
constexpr bool may_expand_vm(const Accounting& acct, const svma_rlimits& limits, VmFlags flags,
                             u64 pages) {
  if (acct.total_vm.value() + pages > limits.as >> kPageShift) return false;
  if (!is_data_mapping(flags)) return true;
  const u64 data = acct.data_vm.value() + pages;
  if (data <= limits.data >> kPageShift) return true;
  return limits.data == 0 && data <= limits.data_max >> kPageShift;
}

// mm/mlock.c mlock_fixup(), and mm/internal.h vma_supports_mlock() since v6.12.
constexpr VmFlags kNeverLocked = kVmSpecial | kVmHugetlb | kVmDroppable;

// What mprotect_fixup() makes of the flags it is called with: VM_ACCOUNT follows VM_WRITE.
inline VmFlags mprotect_accounts(const Semantics& semantics, const Vma& vma, VmFlags flags) {
  if (flags & kVmWrite) {
    const bool counted = vma.has(kVmAccount | kVmWrite | kVmHugetlb | kVmShared | kVmNoReserve);
    return counted ? flags : flags | kVmAccount;
  }
  const bool unfaulted = vma.attrs.anonymous && vma.attrs.anon_vma == 0;
  return unfaulted && semantics.mprotect_drops_account ? flags & ~kVmAccount : flags;
}

}  // namespace svma
