// SPDX-License-Identifier: GPL-2.0-only
//
// Page tables by chance, in a small memory: some well-formed, some garbage, and checks that hold
// for all of them. `choose(n)` is a number below n, from a generator or from a fuzzer's input.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "abi/core_api.h"
#include "fake_memory.hpp"
#include "naive_tables.hpp"
#include "x86_entries.hpp"

namespace svma::test {

class TableWorld {
 public:
  using Choose = std::function<u64(u64 limit)>;

  // With so many tables at most, at 1, 2, ... pages; when there are no more, those that are there
  // are used again.
  TableWorld(const x86::Kernel& kernel, unsigned levels, unsigned most_tables = 24);

  // Changes some entries.
  void random_step(const Choose& choose);

  // Walks over some range in parts, as runs and as sums, and down to some addresses.
  // RETURNS: what differs from the naive model, or "".
  std::string check(const Choose& choose);

  // Of runs, sums and ways.
  u64 comparisons() const { return comparisons_; }

  // Whether a compared entry was of this kind, and mapped so much.
  bool met(u32 kind, unsigned shift) const { return met_[kind] >> shift & 1; }

  u64 user_end() const { return u64{1} << (pgtable_.levels == 5 ? 56 : 47); }
  const svma_pgtable& pgtable() const { return pgtable_; }
  FakeMemory& memory() { return memory_; }

  // Makes the way down to `level` where it is missing.
  // RETURNS: the entry for `addr` at that level.
  u64& entry(u64 addr, unsigned level);

  // An address near a place where something begins or ends.
  u64 some_address(const Choose& choose) const;

 private:
  u64 some_frame(const Choose& choose) const;
  u64 some_page(const Choose& choose, unsigned level) const;
  u64 some_absent(const Choose& choose) const;
  u64 some_entry(const Choose& choose, unsigned level) const;
  u64 another_table();
  void map_neighbours(const Choose& choose);
  void scribble(const Choose& choose);
  std::string check_runs(const NaiveWalk& naive, u64 start, const Choose& choose);
  std::string check_sums(const NaiveWalk& naive, u64 start, const Choose& choose);
  std::string check_way(u64 addr);

  FakeMemory memory_;
  svma_pgtable pgtable_;
  const unsigned most_tables_;
  unsigned tables_ = 0;
  u64 comparisons_ = 0;
  u64 met_[SVMA_CORE_ENTRY_BAD + 1] = {};
};

// The entries that runs stand for.
std::vector<NaiveEntry> entries_of(const std::vector<svma_core_run>& runs);

}  // namespace svma::test
