// SPDX-License-Identifier: GPL-2.0-only
//
// The one checker of an AddressSpace, used by unit tests, fuzzer, load-time self-test and debugfs
// alike. It trusts nothing but that pointers are null or point to VMAs, and terminates on damaged
// structures.
#pragma once

#include "base/types.hpp"
#include "vma/address_space.hpp"

namespace svma {

struct VerifyOptions {
  // Also add up all VMAs and compare with total, data, exec, stack and locked_vm. Not while an
  // operation is between linking and accounting.
  bool accounting = false;
};

// The first invariant found violated. `invariant` is one of:
//   tree (rb_check.hpp)   rb_root_parent rb_root_red rb_parent rb_red_red rb_black_height
//   bounds                empty_range page_alignment rb_order overlap
//   list == tree          list_head list_next list_prev list_tail
//   derived values        grows_down rb_subtree_gap highest_vm_end map_count
//   lookup cache          mmap_cache
//   accounting            total_vm data_vm exec_vm stack_vm locked_vm
struct VerifyReport {
  const char* invariant = nullptr;  // null: none
  VirtAddr addr;     // vm_start of the VMA where it shows, 0 if it is about the whole
  u64 expected = 0;  // where the invariant is about a number
  u64 found = 0;
};

// RETURNS: true if all invariants hold. `report` may be null. Complexity: O(n) time, O(1) memory.
bool verify(const AddressSpace& mm, VerifyReport* report, VerifyOptions options = {});

}  // namespace svma
