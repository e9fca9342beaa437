// SPDX-License-Identifier: GPL-2.0-only
// A live side made of plain values, behind svma_os_live_find() and svma_os_live_totals().
#pragma once

#include <map>
#include <vector>

#include "abi/core_api.h"
#include "vma/address_space.hpp"

namespace svma::test {

struct FakeLive {
  std::vector<svma_live_vma> vmas;  // in address order
  svma_live_totals totals{};
  bool says_anonymous = false;  // `anonymous` is as each VMA has it; else it is who has no file
  svma_u64 brk = 0;
  std::map<svma_u64, svma_live_chain> chains;  // by vm_start
  const AddressSpace* tree = nullptr;  // what the kernel's own red-black tree looks like, if any

  // Adds a VMA and accounts for it as private data.
  svma_live_vma& add(svma_u64 start, svma_u64 end, svma_u64 flags = 0x8100073);

  // Sets the totals to the sums over all VMAs, as the kernel would have them.
  void count();
};

// Takes over all of `mm` in one part into a shadow that is empty, and is so again after an error,
// which is returned.
int load_whole(svma_shadow* shadow, const void* mm);

}  // namespace svma::test
