// SPDX-License-Identifier: GPL-2.0-only
//
// mm/mremap.c mremap(), mremap_to() and vma_to_resize() in v6.1, and before; then do_mremap(),
// remap_move() and check_prep_vma() in v7.3 (Semantics::mremap_checks_first). What move_vma() does
// is a step.
#include "base/mutation.hpp"
#include "replay/limits.hpp"
#include "replay/placement.hpp"
#include "replay/plan.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// svma_call.args
enum MremapArg : u32 {
  kMremapAddr,
  kMremapOldLen,
  kMremapNewLen,
  kMremapFlags,
  kMremapNewAddr,
  kMremapTaskSize,
  kMremapMinAddr
};

constexpr u64 align_up(u64 bytes, u64 unit) { return (bytes + unit - 1) & ~(unit - 1); }

}  // namespace

// Whether it goes on to take the lock.
bool PlanCheck::mremap_arguments_valid() const {
  const u64 flags = call_.args[kMremapFlags];
  if (flags & ~(kMremapMayMove | kMremapFixed | kMremapDontUnmap)) return false;
  if ((flags & (kMremapFixed | kMremapDontUnmap)) && !(flags & kMremapMayMove)) return false;
  const Lengths lengths = asked_lengths();
  const bool same_size = semantics_.mremap_checks_first
                             ? lengths.before == lengths.after
                             : call_.args[kMremapOldLen] == call_.args[kMremapNewLen];
  if ((flags & kMremapDontUnmap) && !same_size) return false;
  if (!VirtAddr(call_.args[kMremapAddr]).page_aligned() || lengths.after == 0) return false;
  if (!semantics_.mremap_checks_first) return true;
  return lengths.after <= call_.args[kMremapTaskSize] &&
         (!(flags & (kMremapFixed | kMremapDontUnmap)) || target_valid(lengths));
}

PlanCheck::Lengths PlanCheck::asked_lengths() const {
  return {page_align(call_.args[kMremapOldLen]), page_align(call_.args[kMremapNewLen])};
}

const Vma* PlanCheck::mremap_vma() const {
  const VirtAddr addr(call_.args[kMremapAddr]);
  const Vma* const vma = space_.find_vma(addr);
  return vma != nullptr && vma->vm_start <= addr ? vma : nullptr;
}

// Huge pages move as wholes and do not grow.
bool PlanCheck::mremap_lengths(const Vma* vma, Lengths& lengths) const {
  lengths = asked_lengths();
  return !semantics_.mremap_moves_hugetlb ||
         whole_pages(*vma, call_.args[kMremapAddr] | call_.args[kMremapNewAddr], lengths);
}

bool PlanCheck::whole_pages(const Vma& vma, u64 addresses, Lengths& lengths) const {
  if (!vma.has(kVmHugetlb)) return true;
  const u64 unit = u64{1} << vma.attrs.split_shift;
  lengths = {align_up(lengths.before, unit), align_up(lengths.after, unit)};
  return (addresses & (unit - 1)) == 0 && lengths.after <= lengths.before;
}

Plan PlanCheck::next_of_mremap() const {
  if (call_.failed != 0) return Plan::ends(call_.failed);
  if (semantics_.mremap_checks_first) return next_of_checked_mremap();
  if (has(kMoved) || (has(kResized) && !has(kMoves))) {
    return Plan::ends(call_.expected, has(kRefusable));
  }
  if (!mremap_arguments_valid()) return Plan::ends(-kEINVAL);
  const Vma* const vma = mremap_vma();
  if (vma == nullptr && semantics_.mremap_moves_hugetlb) return Plan::ends(-kEFAULT);
  if (vma != nullptr && vma->has(semantics_.sealed())) return Plan::ends(-kEPERM);
  Lengths lengths;
  if (!mremap_lengths(vma, lengths)) return Plan::ends(-kEINVAL);
  if (call_.args[kMremapFlags] & (kMremapFixed | kMremapDontUnmap)) return mremap_to(vma, lengths);
  if (lengths.before >= lengths.after) return unmap_tail(lengths);
  if (has(kMoves)) return move(*vma, lengths);
  return Plan::does(SVMA_CORE_MREMAP_EXPAND, call_.args[kMremapAddr], lengths.before, lengths.after,
                    call_.args[kMremapTaskSize]);
}

// As above, but all that can be refused is refused before the first step, and to a fixed address
// several VMAs may move.
Plan PlanCheck::next_of_checked_mremap() const {
  if (!mremap_arguments_valid()) return Plan::ends(-kEINVAL);
  const u64 flags = call_.args[kMremapFlags];
  if (!has(kStepped)) {
    const u32 more = (flags & kMremapDontUnmap) ? 5 : 4;
    if (space_.map_count() + more > call_.map_count_limit) return Plan::ends(-kENOMEM);
  }
  Lengths lengths = asked_lengths();
  if ((flags & kMremapFixed) && lengths.before == lengths.after) return next_of_moves();
  if (has(kMoved) || (has(kResized) && !has(kMoves))) {
    return Plan::ends(call_.expected, has(kRefusable));
  }
  const Vma* const vma = mremap_vma();
  if (vma == nullptr) return Plan::ends(-kEFAULT);
  const bool chosen = (flags & (kMremapFixed | kMremapDontUnmap)) != 0;
  if (!chosen && lengths.before < lengths.after && !has(kResized)) {
    return Plan::does(SVMA_CORE_MREMAP_EXPAND, call_.args[kMremapAddr], lengths.before,
                      lengths.after, call_.args[kMremapTaskSize]);
  }
  const Resize check = check_prep_vma(*vma, lengths);
  if (!has(kStepped) && check.refusal != 0) return Plan::ends(check.refusal, check.may_be_refused);
  if (chosen) {
    Plan plan = checked_mremap_to(*vma, lengths);
    if (check.may_be_refused) plan.may_be_refused = true;
    return plan;
  }
  return has(kMoves) ? move(*vma, lengths) : unmap_tail(lengths);
}

// What the VMA forbids. `lengths` are rounded up to what it is made of.
PlanCheck::Resize PlanCheck::check_prep_vma(const Vma& vma, Lengths& lengths) const {
  if (vma.has(semantics_.sealed())) return {-kEPERM, false};
  if (!mremap_lengths(&vma, lengths)) return {-kEINVAL, false};
  const bool chosen = (call_.args[kMremapFlags] & (kMremapFixed | kMremapDontUnmap)) != 0;
  if (!chosen && lengths.before >= lengths.after) return {0, false};
  // What a shrinking one cuts off may lie in other VMAs.
  return vma_to_resize(
      vma, {lengths.before < lengths.after ? lengths.before : lengths.after, lengths.after});
}

Plan PlanCheck::checked_mremap_to(const Vma& vma, Lengths lengths) const {
  const Plan first = make_room(lengths);
  if (first.step != SVMA_CORE_NONE || first.result < 0) return first;
  if (!copy_fits(vma, lengths)) return Plan::ends(-kENOMEM);
  return move(vma, lengths);
}

// With MREMAP_DONTUNMAP there will be more pages.
bool PlanCheck::copy_fits(const Vma& vma, const Lengths& lengths) const {
  return !(call_.args[kMremapFlags] & kMremapDontUnmap) ||
         may_expand_vm(space_.acct(), call_.rlimits, vma.attrs.vm_flags,
                       lengths.before >> kPageShift);
}

// Every VMA of the range moves, and what is unmapped between them stays so:
//
//     AAAA..BBBB..CCCC        svma_call.cursor: where the last one ended
//      |-----------|          svma_call.passed: where its copy ended
//      aaa..bbbb..c
Plan PlanCheck::next_of_moves() const {
  const u64 flags = call_.args[kMremapFlags];
  const VirtAddr start(call_.args[kMremapAddr]);
  const VirtAddr end = start + asked_lengths().before;
  const bool seen = has(kMoved);
  const Vma* const vma = space_.find_vma(seen ? VirtAddr(call_.cursor) : start);
  if (vma == nullptr || vma->vm_start >= end) return Plan::ends(seen ? call_.expected : -kEFAULT);
  if (!seen && start < vma->vm_start) return Plan::ends(-kEFAULT);
  const bool alone = !seen && vma->vm_end >= end;
  if (!alone && vma->has(semantics_.uffd_flags())) return Plan::ends(-kEFAULT);

  const VirtAddr from = vma->vm_start > start ? vma->vm_start : start;
  const u64 bytes = (vma->vm_end < end ? vma->vm_end : end) - from;
  const VirtAddr target(seen ? call_.passed + (vma->vm_start - VirtAddr(call_.cursor))
                             : call_.args[kMremapNewAddr]);
  // A file with a search of its own refuses to be one of several, before anything else is asked.
  const bool may_be_refused = !alone && vma->attrs.file != 0;
  if (vma->has(semantics_.sealed())) return Plan::ends(-kEPERM, may_be_refused);
  Lengths lengths{bytes, bytes};
  if (!whole_pages(*vma, from.value() | target.value(), lengths) ||
      ((flags & kMremapDontUnmap) && vma->has(kVmDontExpand | kVmPfnMap))) {
    return Plan::ends(-kEINVAL, may_be_refused);
  }
  if (space_.find_vma_intersection({target, target + lengths.after}) != nullptr) {
    Plan plan = Plan::does(SVMA_CORE_MUNMAP, target.value(), target.value() + lengths.after);
    plan.may_be_refused = may_be_refused;
    return plan;
  }
  if (!copy_fits(*vma, lengths)) return Plan::ends(-kENOMEM, may_be_refused);
  Plan plan = Plan::does(SVMA_CORE_MREMAP_MOVE, vma->vm_start.value(), from.value(), lengths.before,
                         lengths.after, target.value(), flags);
  plan.may_be_refused = true;  // as in move()
  return plan;
}

// At the entry of move_vma(), while its VMA is there.
void PlanCheck::note_move(const svma_op& op) {
  if (!has(kMoved)) call_.expected = static_cast<i64>(op.args[4]);
  call_.state |= kMoved;
  const Vma* const vma = space_.find_vma(VirtAddr(op.args[1]));
  call_.cursor = vma != nullptr ? vma->vm_end.value() : op.args[1] + op.args[2];
  call_.passed = op.args[4] + op.args[3];
}

// What is cut off is unmapped, if there is anything.
Plan PlanCheck::unmap_tail(const Lengths& lengths) const {
  const u64 addr = call_.args[kMremapAddr];
  const u64 task_size = call_.args[kMremapTaskSize];
  const VirtAddr start(addr + lengths.after);
  const u64 length = lengths.before - lengths.after;
  if (length == 0) return Plan::ends(static_cast<i64>(addr));
  if (start.value() > task_size || length > task_size - start.value()) return Plan::ends(-kEINVAL);
  if (space_.find_vma_intersection({start, start + length}) == nullptr) {
    return Plan::ends(static_cast<i64>(addr));
  }
  return Plan::does(SVMA_CORE_MUNMAP, start.value(), start.value() + length);
}

// In the user's half, and not over the source.
bool PlanCheck::target_valid(const Lengths& lengths) const {
  const u64 addr = call_.args[kMremapAddr];
  const u64 target = call_.args[kMremapNewAddr];
  const u64 task_size = call_.args[kMremapTaskSize];
  if (!VirtAddr(target).page_aligned()) return false;
  if (lengths.after > task_size || target > task_size - lengths.after) return false;
  return addr + lengths.before <= target || target + lengths.after <= addr;
}

// What is in the way of the target, then what is longer than it, is unmapped. RETURNS: that step,
// or an error, or an end with 0: there is room.
Plan PlanCheck::make_room(Lengths& lengths) const {
  const VirtAddr target(call_.args[kMremapNewAddr]);
  if ((call_.args[kMremapFlags] & kMremapFixed) &&
      space_.find_vma_intersection({target, target + lengths.after}) != nullptr) {
    return Plan::does(SVMA_CORE_MUNMAP, target.value(), target.value() + lengths.after);
  }
  if (lengths.before > lengths.after) {
    const Plan cut = unmap_tail(lengths);
    if (cut.step != SVMA_CORE_NONE || cut.result < 0) return cut;
    lengths.before = lengths.after;
  }
  return Plan::ends(0);
}

Plan PlanCheck::mremap_to(const Vma* vma, Lengths lengths) const {
  if (!target_valid(lengths)) return Plan::ends(-kEINVAL);
  // Asked once, ahead of what may raise it.
  if (!has(kStepped) && i64{space_.map_count()} + 2 >= i64{call_.map_count_limit} - 3) {
    return Plan::ends(-kENOMEM);
  }
  const Plan first = make_room(lengths);
  if (first.step != SVMA_CORE_NONE || first.result < 0) return first;
  if (vma == nullptr) return Plan::ends(-kEFAULT);
  const Resize resize = vma_to_resize(*vma, lengths);
  if (resize.refusal != 0) return Plan::ends(resize.refusal, resize.may_be_refused);
  if (!copy_fits(*vma, lengths)) return Plan::ends(-kENOMEM);
  return move(*vma, lengths);
}

PlanCheck::Resize PlanCheck::vma_to_resize(const Vma& vma, const Lengths& lengths) const {
  const VirtAddr addr(call_.args[kMremapAddr]);
  const VmFlags flags = vma.attrs.vm_flags;
  const bool rigid = (flags & (kVmDontExpand | kVmPfnMap)) != 0;
  if (lengths.before == 0 && !(flags & (kVmShared | kVmMayShare))) return {-kEINVAL, false};
  if (call_.args[kMremapFlags] & kMremapDontUnmap) {
    const bool refused =
        semantics_.dontunmap_takes_files ? rigid : !vma.attrs.anonymous || vma.has(kVmShared);
    if (refused) return {-kEINVAL, false};
  }
  if (!semantics_.mremap_moves_hugetlb && vma.has(kVmHugetlb)) return {-kEINVAL, false};
  if (lengths.before > vma.vm_end - addr) return {-kEFAULT, false};
  if (lengths.after == lengths.before) return {0, false};
  const u64 pgoff = ((addr - vma.vm_start) >> kPageShift) + vma.attrs.vm_pgoff.value();
  if (pgoff + (lengths.after >> kPageShift) < pgoff) return {-kEINVAL, false};
  if (rigid) return {-kEFAULT, false};
  const u64 more = lengths.after - lengths.before;
  const bool fits = may_expand_vm(space_.acct(), call_.rlimits, flags, more >> kPageShift);
  return {fits ? 0 : -kENOMEM, over_memlock(flags, more)};
}

// vma_expandable(): nothing in the way, and the end within the user's half.
bool PlanCheck::expandable(const Vma& vma, u64 more) const {
  if (mutated(Mutation::mremap_call_moves)) return false;
  const u64 task_size = call_.args[kMremapTaskSize];
  const AddrRange extension{vma.vm_end, vma.vm_end + more};
  if (extension.end < extension.start) return false;
  if (space_.find_vma_intersection(extension) != nullptr) return false;
  const u64 length = extension.end - vma.vm_start;
  return length <= task_size && vma.vm_start.value() <= task_size - length;
}

// Asked at the entry of vma_to_resize(), as long as the layout is what the kernel decides by.
//
//     AAAA....    AAAAAAAA    to the end of the VMA, and room behind it: it grows
//     AAAABBBB    AAAABBBB    anything else: another place, or -ENOMEM
//      |-|
void PlanCheck::decide_growth(Lengths lengths) {
  const Vma* const vma = mremap_vma();
  call_.state |= kResized;
  if (vma == nullptr || vma->vm_start.value() < call_.args[kMremapMinAddr]) {
    call_.state |= kUnknown;  // below vm.mmap_min_addr a capability decides
    return;
  }
  const Resize resize =
      semantics_.mremap_checks_first ? check_prep_vma(*vma, lengths) : vma_to_resize(*vma, lengths);
  call_.expected = resize.refusal;
  if (resize.may_be_refused) call_.state |= kRefusable;
  if (resize.refusal != 0) return;
  const u64 addr = call_.args[kMremapAddr];
  if (lengths.before == lengths.after) {  // in whole huge pages
    call_.expected = static_cast<i64>(addr);
  } else if (lengths.before == vma->vm_end.value() - addr &&
             expandable(*vma, lengths.after - lengths.before)) {
    // vma_merge() refuses special VMAs; one with vm_ops->close may grow without it.
    const bool alone = vma->attrs.has_close && !semantics_.close_forbids_removal_only;
    const bool merges = !semantics_.mremap_growth_merges || !vma->has(kVmSpecial) || alone;
    call_.expected = merges ? static_cast<i64>(addr) : -kENOMEM;
    if (merges) call_.state |= kRefusable;  // for want of memory
  } else if (call_.args[kMremapFlags] & kMremapMayMove) {
    call_.state |= kMoves;
  } else {
    call_.expected = -kENOMEM;
  }
}

// get_unmapped_area() and move_vma(). Where a file goes may be its file system's choice.
Plan PlanCheck::move(const Vma& vma, const Lengths& lengths) const {
  const u64 flags = call_.args[kMremapFlags];
  const u64 hint = (flags & kMremapDontUnmap) ? call_.args[kMremapNewAddr] : 0;
  const Placement placement(semantics_, call_.placement);
  u64 target = hint == 0 ? placement.place_unhinted(call_, lengths.after, 0) : call_.searched;
  if (flags & kMremapFixed) {
    target = call_.args[kMremapNewAddr];
  } else if (vma.attrs.file != 0 || vma.has(kVmMayShare)) {
    target = 0;
  } else if (hint != 0 && placement.takes_hint(space_, hint, lengths.after, /*map_flags=*/0)) {
    target = hint;
  }
  Plan plan = Plan::does(SVMA_CORE_MREMAP_MOVE, vma.vm_start.value(), call_.args[kMremapAddr],
                         lengths.before, lengths.after, target, flags);
  if (target == 0 && !(flags & kMremapFixed)) plan.unknown_args = 1u << 4;
  plan.may_be_refused = true;  // a security module or vm.mmap_min_addr; no room; memlock
  return plan;
}

}  // namespace svma
