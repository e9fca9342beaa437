// SPDX-License-Identifier: GPL-2.0-only
//
// Where the kernel looks for room when it chooses an address, and whether it takes a hint instead:
// arch/x86/kernel/sys_x86_64.c, arch/x86/mm/mmap.c and arch/x86/mm/hugetlbpage.c in v6.1.
//
// Which bases count depends on the system call, not on the program: int $0x80 from 64-bit code is
// served from the 32-bit bases, and every mm has both pairs.
//
//     0                legacy_base            base                    end
//     |--------------------|-------------------|-----------------------|
//      <------------- from the top down -------|                        first
//                          |------- from the bottom up --------------->  when that fails; with the
//                                                                       legacy layout at once
//
// A hint above `end` moves base and end up to the top of the address space, by full_size - end:
// with five levels of page tables that is far.
//
// MAP_32BIT in a 64-bit call is searched from the bottom up in [1 GiB, 2 GiB), whose lower end
// moves up by a random part of 32 MiB each time.
#pragma once

#include "abi/core_api.h"
#include "base/types.hpp"
#include "replay/semantics.hpp"
#include "vma/address_space.hpp"

namespace svma {

class Placement {
 public:
  Placement(const Semantics& semantics, const svma_placement& facts)
      : semantics_(semantics), facts_(facts) {}

  // Compares the limits of a search (SVMA_CORE_SEARCH) with those it must have. `call`: the system
  // call inside which it happened, or NULL.
  void check_limits(const svma_op& search, const svma_call* call, svma_verdict& verdict) const;

  // Whether a mapping of `length` bytes is put at `hint`, which is not 0 and page-aligned.
  // `map_flags`: MAP_ flags.
  bool takes_hint(const AddressSpace& space, u64 hint, u64 length, u64 map_flags) const;

  // What becomes of the result of the last search of `call`, which was for a mapping of `length`
  // bytes without a hint and without a search of its file's own. `offset`: in the file, bytes.
  //
  //     found by a search for one huge page more         v
  //     huge pages                          |-------|-------|-------|-------|
  //     the mapping                                         |-------|-------
  u64 place_unhinted(const svma_call& call, u64 length, u64 offset) const;

 private:
  bool has(u32 flag) const { return (facts_.flags & flag) != 0; }
  bool low_2gb(u64 map_flags) const;
  bool by_hugetlb(const svma_op& search) const;
  bool reaches_full(u64 hint) const;
  AddrRange bottom_up(const svma_op& search, u64 hint) const;

  const Semantics& semantics_;
  const svma_placement& facts_;
};

}  // namespace svma
