// SPDX-License-Identifier: GPL-2.0-only
//
// Which counter a VMA's pages go to: mm/internal.h and vm_stat_account() in mm/mmap.c, v6.1 (the
// same since v4.6). The three classes exclude each other; total_vm counts every page.
#pragma once

#include "base/types.hpp"
#include "vma/vma.hpp"

namespace svma {

// As in mm_struct, in pages.
struct Accounting {
  PageCount total_vm;
  PageCount data_vm;
  PageCount exec_vm;
  PageCount stack_vm;
  PageCount locked_vm;   // pages of VMAs with VM_LOCKED
  PageCount hiwater_vm;  // largest total_vm; kept lazily, see update_hiwater_vm()

  friend constexpr bool operator==(const Accounting&, const Accounting&) = default;
};

// Code: executable, neither writable nor stack.
constexpr bool is_exec_mapping(VmFlags flags) {
  return (flags & (kVmExec | kVmWrite | kVmStack)) == kVmExec;
}

// Grows by itself, even if executable or writable.
constexpr bool is_stack_mapping(VmFlags flags) { return (flags & kVmStack) == kVmStack; }

// Private and writable, not stack.
constexpr bool is_data_mapping(VmFlags flags) {
  return (flags & (kVmWrite | kVmShared | kVmStack)) == kVmWrite;
}

// Adds `pages`, which may be negative, to total_vm and to the counter of the class of `flags`.
constexpr void vm_stat_account(Accounting& acct, VmFlags flags, i64 pages) {
  const PageCount delta{static_cast<u64>(pages)};  // two's complement: adding it subtracts
  acct.total_vm += delta;
  if (is_exec_mapping(flags)) {
    acct.exec_vm += delta;
  } else if (is_stack_mapping(flags)) {
    acct.stack_vm += delta;
  } else if (is_data_mapping(flags)) {
    acct.data_vm += delta;
  }
}

// The kernel notes the high-water mark only before total_vm shrinks (mm/mmap.c remove_mt() in
// v6.1), so between two such moments total_vm may exceed it.
constexpr void update_hiwater_vm(Accounting& acct) {
  if (acct.hiwater_vm < acct.total_vm) acct.hiwater_vm = acct.total_vm;
}

}  // namespace svma
