// SPDX-License-Identifier: GPL-2.0-only
//
// A naive model of core/pgtable: all entries of a range by recursion, bit by bit, from the fake
// memory. Slow, and limited to so many entries.
#pragma once

#include <string>
#include <vector>

#include "abi/core_api.h"
#include "fake_memory.hpp"

namespace svma::test {

struct NaiveEntry {
  u64 start = 0;
  unsigned shift = 0;
  u32 kind = 0;
  u32 flags = 0;
  u32 swap_type = 0;
  u64 target = 0;

  bool operator==(const NaiveEntry&) const = default;
};

std::string to_string(const NaiveEntry& entry);

struct NaiveWalk {
  std::vector<NaiveEntry> entries;  // in order; those at the ends as a whole
  u64 tables[SVMA_CORE_TABLE_LEVELS] = {};
  u64 end = 0;  // where it ended: as asked, or where it had looked at too much
};

// What is mapped in [start, end); both are multiples of the page size, and below the end of user
// space.
NaiveWalk naive_walk(const FakeMemory& memory, const svma_pgtable& pgtable, u64 start, u64 end,
                     u64 most_entries);

// What the entries come to in [start, end).
svma_core_sum naive_sum(const NaiveWalk& walk, u64 start, u64 end);

// The way down to an address.
svma_core_way naive_way(const FakeMemory& memory, const svma_pgtable& pgtable, u64 addr);

}  // namespace svma::test
