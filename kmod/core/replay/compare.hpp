// SPDX-License-Identifier: GPL-2.0-only
//
// Observe the live side, compare it with the prediction, adopt it where they differ, so that one
// error is reported once.
#pragma once

#include "replay/shadow.hpp"

namespace svma {

// Counts one answer that is a number. RETURNS: whether it is equal.
bool compare_value(svma_verdict& verdict, u32 field, u64 predicted, u64 observed);

class Comparer {
 public:
  // `steps`: svma_op.steps; what went on beside the operation under VMA locks, or inside it, may
  // have given some VMA an anon_vma (Fact::kAnonVma) or marked it (Fact::kOrder).
  // `forked`: of a child, right after the fork.
  Comparer(AddressSpace& space, RmapFollower& rmap, const void* mm, svma_verdict& verdict,
           u32 steps = 0, bool forked = false)
      : space_(space), rmap_(rmap), mm_(mm), verdict_(verdict), steps_(steps), forked_(forked) {}

  // Compares every VMA that touches `range`, and one neighbour on each side.
  void compare_layout(AddrRange range);

  // Replaces what the shadow has in `range` by what is there live, without counting a comparison.
  void adopt_layout(AddrRange range);

  // Compares the counters; `paged` false leaves out those that an unmap under the read lock still
  // changes. `announced` false: no operation was seen that could explain a difference.
  // `hiwater` false leaves out hiwater_vm, which fork sets only later.
  void compare_totals(bool paged, bool announced, bool hiwater = true);
  void adopt_totals();

 private:
  void compare_pair(Vma* vma, const svma_live_vma* live);
  bool take_first_fault(Vma& vma, const svma_live_vma& live);
  void predict_faults(AddrRange range);
  u32 differing_field(Vma& vma, const svma_live_vma& live);
  void compare_counter(u32 field, u64 predicted, u64 observed, bool announced);
  void count(u32 field, const Vma* vma, const svma_live_vma* live);
  svma_mismatch* new_mismatch(u32 field);
  void touch(AddrRange range);
  void capture(AddrRange around);

  AddressSpace& space_;
  RmapFollower& rmap_;
  const void* mm_;
  svma_verdict& verdict_;
  const u32 steps_;
  const bool forked_;
  const Vma* adopted_ =
      nullptr;  // whose chain was taken over just now: there is nothing to compare
};

}  // namespace svma
