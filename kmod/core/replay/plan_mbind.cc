// SPDX-License-Identifier: GPL-2.0-only
//
// mm/mempolicy.c do_mbind() in v6.1. Whether the policy suits the task's nodes, and whether pages
// lie where it wants them (MPOL_MF_STRICT), is not part of a layout.
#include "base/mutation.hpp"
#include "replay/plan.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// svma_call.args
enum MbindArg : u32 { kMbindStart, kMbindLength, kMbindMode, kMbindFlags };

// include/uapi/linux/mempolicy.h
constexpr u64 kMpolDefault = 0;
constexpr u64 kMpolStrict = 1, kMpolMove = 2, kMpolMoveAll = 4, kMpolValid = 7;

}  // namespace

AddrRange PlanCheck::bound_range() const {
  const VirtAddr start(call_.args[kMbindStart]);
  return {start, start + page_align(call_.args[kMbindLength])};
}

// Wrong whatever the caller is allowed to do: MPOL_MF_MOVE_ALL asks for a capability first.
bool PlanCheck::mbind_arguments_invalid() const {
  const u64 flags = call_.args[kMbindFlags];
  if (flags & ~kMpolValid) return true;
  const AddrRange range = bound_range();
  return !(flags & kMpolMoveAll) && (!range.start.page_aligned() || range.end < range.start);
}

// The first VMA that gets the policy. The iterator goes back to the one below first. From within a
// VMA that begins at address 0, below which there is nothing, it does not come back to that VMA:
// mas_prev() in v6.1 stays on it, and mas_find() goes on behind it. Such a VMA keeps its policy,
// and the call says 0.
const Vma* PlanCheck::first_bound(AddrRange range) const {
  const Vma* const vma = space_.find_vma(range.start);
  const bool passed_over = semantics_.mbind_passes_vma_at_zero && vma->vm_start == VirtAddr(0) &&
                           range.start != VirtAddr(0);
  return passed_over ? AddressSpace::next(vma) : vma;
}

// Whether it comes to `vma` once more: see Semantics.
bool PlanCheck::rebinds(const Vma& vma, const svma_op& op) const {
  const u32 policy = static_cast<u32>(op.args[2]);
  if (!semantics_.given_up_merge_repeats_step || vma.attrs.vm_policy == policy) return false;
  const AddrRange range = bound_range();
  VmaAttrs attrs = vma.attrs;
  attrs.vm_policy = policy;
  return range.contains(vma.range()) && space_.only_close_forbids_merge_below(vma.range(), attrs);
}

// The one behind the last visited one, as that was before, or as it has become by merging.
const Vma* PlanCheck::next_bound(AddrRange range) const {
  VirtAddr behind(call_.cursor);
  const Vma* const last = space_.find_vma(behind - 1);
  if (!semantics_.mbind_revisits_merged && last != nullptr && last->vm_start < behind) {
    behind = last->vm_end;
  }
  if (behind >= range.end || mutated(Mutation::mbind_call_stops)) return nullptr;
  return space_.find_vma(behind);
}

// queue_pages_range() looks over the whole range before the first VMA gets its policy:
//
//     AAAA....BBBB        the default policy passes holes, unless there is nothing else
//       |-------|         any other meets one: -EFAULT
Plan PlanCheck::next_of_mbind() const {
  const bool is_default = call_.args[kMbindMode] == kMpolDefault;
  const u64 flags = call_.args[kMbindFlags];
  const bool strict = (flags & kMpolStrict) != 0 && !is_default;
  if (call_.failed != 0) {
    return Plan::ends(call_.failed, /*may_be_refused=*/strict && semantics_.mbind_strict_outranks);
  }
  const AddrRange range = bound_range();
  if (space_.find_vma_intersection(range) == nullptr) {
    return Plan::ends(-kEFAULT, /*may_be_refused=*/true);
  }
  if (!is_default && !has(kStepped) && space_.count_vma_pages_range(range) != range.pages()) {
    // A page that can't be moved makes it forget the hole.
    if (flags & (kMpolMove | kMpolMoveAll)) return Plan::nothing();
    return Plan::ends(-kEFAULT, /*may_be_refused=*/true);
  }
  const Vma* const vma = has(kStepped) ? next_bound(range) : first_bound(range);
  if (vma == nullptr || vma->vm_start >= range.end) {
    return Plan::ends(0, /*may_be_refused=*/strict || !has(kStepped));
  }
  Plan plan =
      Plan::does(SVMA_CORE_MBIND, range.start.value(), range.end.value(), 0, vma->vm_start.value());
  if (!is_default) plan.unknown_args = 1u << 2;  // the digest of a policy that is the caller's
  plan.may_be_refused = !has(kStepped);
  return plan;
}

}  // namespace svma
