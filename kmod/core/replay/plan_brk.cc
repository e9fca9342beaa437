// SPDX-License-Identifier: GPL-2.0-only
//
// mm/mmap.c brk() in v6.1, and before. svma_call.heap is where the heap ends before the call.
#include "base/mutation.hpp"
#include "replay/plan.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// svma_call.args
enum BrkArg : u32 {
  kBrkWanted,
  kBrkAtEntry,
  kBrkLowest,
  kBrkStart,
  kBrkDataSize,
  kBrkTaskSize,
  kBrkMinAddr
};

}  // namespace

// The heap's end is known when the last release of the lock and the entry of the call agree on it;
// prctl() and exec move it without the lock.
Plan PlanCheck::next_of_brk() const {
  const u64 heap = call_.heap;
  const u64 brk = call_.args[kBrkWanted];
  if (heap == 0 || heap != call_.args[kBrkAtEntry]) return Plan::nothing();
  const i64 unchanged = static_cast<i64>(heap);
  if (call_.failed != 0) return Plan::ends(unchanged);
  const i64 moved = static_cast<i64>(brk);
  if (has(kStepped)) return Plan::ends(moved);

  // check_data_rlimit()
  const u64 limit = call_.rlimits.data;
  const bool over_limit =
      limit != ~u64{0} && brk - call_.args[kBrkStart] + call_.args[kBrkDataSize] > limit;
  if (brk < call_.args[kBrkLowest] || over_limit) return Plan::ends(unchanged);
  const u64 new_end = page_align(brk);
  const u64 old_end = page_align(heap);
  if (new_end == old_end) return Plan::ends(moved);
  if (brk > heap) return grow_brk(old_end, new_end);
  const AddrRange given_back{VirtAddr(new_end), VirtAddr(old_end)};
  if (space_.find_vma_intersection(given_back) == nullptr) {
    return Plan::ends(semantics_.brk_shrinks_only_vmas ? unchanged : moved);
  }
  return Plan::does(SVMA_CORE_MUNMAP, new_end, old_end);
}

// The distance to the next VMA, and check_brk_limits(), which used to be inside of do_brk_flags().
// The VMA that this one may grow, where it is given one: the last one below, unless that ends where
// the heap starts or before.
Plan PlanCheck::grow_brk(u64 old_end, u64 new_end) const {
  const u64 heap = call_.heap;
  const u64 task_size = call_.args[kBrkTaskSize];
  u64 length = new_end - old_end;  // wraps, as there, when brk is near 2^64
  const i64 unchanged = static_cast<i64>(heap);
  if (length > task_size || old_end > task_size - length) return Plan::ends(unchanged);
  const Vma* const next = space_.find_vma(VirtAddr(old_end));
  if (next != nullptr && VirtAddr(new_end + kPageSize) > space_.vm_start_gap(next)) {
    return Plan::ends(unchanged);
  }
  if (mutated(Mutation::brk_call_longer)) length += kPageSize;
  Plan plan = Plan::does(SVMA_CORE_BRK, old_end, length, 0, SVMA_CORE_NO_VMA);
  plan.unknown_args = 1u << 2;
  const Vma* const below = next != nullptr ? AddressSpace::prev(next) : space_.last();
  if (semantics_.brk_grows_given_vma && below != nullptr &&
      below->vm_end.value() > call_.args[kBrkStart]) {
    plan.args[3] = below->vm_start.value();
  }
  plan.may_be_refused = old_end < call_.args[kBrkMinAddr] || over_memlock(call_.def_flags, length);
  return plan;
}

}  // namespace svma
