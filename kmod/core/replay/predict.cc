// SPDX-License-Identifier: GPL-2.0-only
#include "replay/predict.hpp"

#include "base/mutation.hpp"
#include "replay/advice.hpp"
#include "replay/compare.hpp"
#include "replay/limits.hpp"
#include "replay/plan.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// What a driver's ->mmap() may change in vm_flags; access rights and sharing it may not.
constexpr VmFlags kDriverFlags = kVmIo | kVmPfnMap | kVmMixedMap | kVmDontExpand | kVmDontDump |
                                 kVmDontCopy | kVmHugetlb | kVmHugePage | kVmNoHugePage |
                                 kVmNoReserve | kVmAccount | kVmMayRead | kVmMayWrite | kVmMayExec |
                                 kVmWipeOnFork;

// include/linux/mm.h VM_STACK_INCOMPLETE_SETUP: a stack that exec is still moving about.
constexpr VmFlags kStackIncompleteSetup = kVmRandRead | kVmSeqRead;

// mm/mmap.c accountable_mapping(): private and writable. hugetlbfs has its own accounting; there
// the driver's ->mmap() decides (Fact::kDriverAttrs).
constexpr bool accountable_mapping(VmFlags flags) {
  return (flags & (kVmNoReserve | kVmShared | kVmWrite)) == kVmWrite;
}

// What of `range` lies in the VMA.
AddrRange part_of(const Vma& vma, AddrRange range) {
  return {vma.vm_start > range.start ? vma.vm_start : range.start,
          vma.vm_end < range.end ? vma.vm_end : range.end};
}

PageOffset pgoff_at(const Vma& vma, VirtAddr addr) {
  return vma.attrs.vm_pgoff + PageCount((addr - vma.vm_start) >> kPageShift);
}

// No user address reaches this, with five levels of page tables either.
constexpr u64 kUserEnd = u64{1} << 56;

constexpr bool is_aligned(u64 bytes) { return (bytes & ~kPageMask) == 0; }

constexpr bool is_range(u64 start, u64 end) {
  return start < end && is_aligned(start) && is_aligned(end);
}

constexpr bool is_user_range(u64 start, u64 end) { return end <= kUserEnd && is_range(start, end); }

constexpr bool is_user_extent(u64 start, u64 length) {
  return length <= kUserEnd && start <= kUserEnd && is_user_range(start, start + length);
}

// Whether the kernel may have called the function with such arguments. The algorithms of vma/ take
// their callers' duties as done, so nothing else may get to them.
bool is_plausible(const svma_op& op) {
  const u64* const args = op.args;
  switch (op.kind) {
    case SVMA_CORE_MMAP:
    case SVMA_CORE_BRK:
      return is_user_extent(args[0], args[1]);
    case SVMA_CORE_MUNMAP:
    case SVMA_CORE_MPROTECT:
    case SVMA_CORE_MLOCK:
    case SVMA_CORE_MODIFY:
      return is_user_range(args[0], args[1]);
    case SVMA_CORE_MADVISE:  // these reach as far as the caller said, mapped or not
    case SVMA_CORE_MBIND:
    case SVMA_CORE_MSEAL:
      return is_range(args[0], args[1]);
    case SVMA_CORE_MREMAP_MOVE:  // a length of 0 doubles a shared mapping
      return is_user_extent(args[4], args[3]) &&
             (is_user_extent(args[1], args[2]) || (args[2] == 0 && is_aligned(args[1])));
    case SVMA_CORE_MREMAP_EXPAND:  // the new length is what the caller said, too
      return is_aligned(args[0]) && is_aligned(args[2]);
    case SVMA_CORE_STACK_SHIFT:
      return is_aligned(args[1]);
    case SVMA_CORE_INSERT:
      return is_user_range(op.vma.start, op.vma.end);
    default:
      return true;
  }
}

}  // namespace

Status Predictor::apply(const svma_op& op, Touched& touched) {
  if (!is_plausible(op)) return Status::error(kEOPNOTSUPP);
  switch (op.kind) {
    case SVMA_CORE_MMAP:
      return mmap(op, touched);
    case SVMA_CORE_MUNMAP:
      return munmap(op, touched);
    case SVMA_CORE_BRK:
      return brk(op, touched);
    case SVMA_CORE_MPROTECT:
      return mprotect(op, touched);
    case SVMA_CORE_MREMAP_MOVE:
      return mremap_move(op, touched);
    case SVMA_CORE_MREMAP_EXPAND:
      return mremap_expand(op, touched);
    case SVMA_CORE_MLOCK:
      return mlock(op, touched);
    case SVMA_CORE_MODIFY:
      return modify(op, touched);
    case SVMA_CORE_MADVISE:
      return madvise(op, touched);
    case SVMA_CORE_MBIND:
      return mbind(op, touched);
    case SVMA_CORE_MSEAL:
      return mseal(op, touched);
    case SVMA_CORE_CLEAR_REFS:
      return clear_refs(touched);
    case SVMA_CORE_OTHER:
      return offer_all_to_ksm(op, touched);
    case SVMA_CORE_STACK_GROWTH:
      return stack_growth(op, touched);
    case SVMA_CORE_INSERT:
      return insert(op, touched);
    case SVMA_CORE_STACK_SHIFT:
      return stack_shift(op, touched);
    default:
      return Status::error(kEOPNOTSUPP);
  }
}

void Predictor::account_locked(VmFlags flags, i64 pages) {
  if (flags & kVmLocked) space_.acct().locked_vm += PageCount(static_cast<u64>(pages));
}

// mm/mmap.c mmap_region(): unmap what is there, grow a neighbour if one is compatible, else a new
// VMA whose driver may still change it.
Status Predictor::mmap(const svma_op& op, Touched& touched) {
  const VirtAddr start(op.args[0]);
  const AddrRange range{start, start + op.args[1]};
  touched.add(range);

  VmaReserve reserve;
  if (Status s = reserve.fill(3); !s.ok()) return s;  // two splits of the unmap, one new VMA
  const bool within_limits = mmap_within_limits(op, range);
  if (is_error(op.result)) {
    explain_failure(op, within_limits);
    return mmap_failed(op, range, within_limits, reserve);
  }
  judge_limits(op, within_limits);
  // Also when it has become one with a neighbour, or a driver had its say.
  compare_value(verdict_, SVMA_CORE_FIELD_RESULT, start.value(), static_cast<u64>(op.result));
  if (Status s = space_.do_munmap(range, reserve, op.map_count_limit); !s.ok()) return s;

  VmaAttrs attrs = attrs_of(op.vma);
  attrs.vm_flags = op.args[2];
  attrs.vm_pgoff = PageOffset(op.args[3]);
  attrs.anonymous = attrs.file == 0 && !(attrs.vm_flags & kVmShared);
  if (accountable_mapping(attrs.vm_flags)) attrs.vm_flags |= kVmAccount;
  const bool prepared = semantics_.mmap_prepares_first && op.vma.prepared != 0;
  if (prepared) {
    count_fact(Fact::kDriver);
    take_prepared_attrs(range, attrs);
  }
  // Where no driver can change its mind any more, or none is there.
  const bool marked_early = semantics_.ksm_marks_before_merge && (attrs.file == 0 || prepared);
  if (op.args[4] != 0 && marked_early) attrs.vm_flags = offered_to_ksm(attrs.vm_flags);

  VmFlags account = attrs.vm_flags;
  Vma* vma = join_neighbour(range, attrs);
  if (vma == nullptr) {
    const Driver driver = prepared                       ? Driver::kDone
                          : attrs.file != 0              ? Driver::kOfFile
                          : (attrs.vm_flags & kVmShared) ? Driver::kOfSharedMemory
                                                         : Driver::kDone;
    vma = map_new(range, attrs, driver, reserve);
    if (op.args[4] != 0 && !marked_early) {
      vma->attrs.vm_flags = offered_to_ksm(vma->attrs.vm_flags);
    }
    account = vma->attrs.vm_flags;
  }

  const i64 pages = static_cast<i64>(range.pages().value());
  space_.vm_stat_account(account, pages);
  if (mutated(Mutation::mmap_total_vm)) space_.acct().total_vm += PageCount(1);
  if (account & kVmLocked) {
    if ((account & kNeverLocked) || op.vma.lock_exempt) {
      vma->attrs.vm_flags &= ~kVmLockedMask;
    } else {
      account_locked(account, pages);
    }
  }
  if (!mutated(Mutation::mmap_not_softdirty)) vma->attrs.vm_flags |= kVmSoftDirty;
  return kOk;
}

// The first test of mmap_region(): what a fixed mapping replaces need not fit once more.
bool Predictor::mmap_within_limits(const svma_op& op, AddrRange range) const {
  const VmFlags flags = op.args[2];
  const u64 pages = range.pages().value();
  if (may_expand_vm(space_.acct(), op.rlimits, flags, pages)) return true;
  const u64 replaced = space_.count_vma_pages_range(range).value();
  return may_expand_vm(space_.acct(), op.rlimits, flags, pages - replaced);
}

// The kernel said yes, and so should the limits, if they are those that it asked: another thread
// may have set others meanwhile.
void Predictor::judge_limits(const svma_op& op, bool within_limits) {
  if (op.steps & SVMA_STEP_LIMITS_MOVED) return count_fact(Fact::kResource);
  compare_value(verdict_, SVMA_CORE_FIELD_RESULT, within_limits, true);
}

// The kernel said no. Either the limits of the address space say so, too, which is a prediction, or
// the reason lies outside: a sealed memfd, for one, is refused before limits are asked.
void Predictor::explain_failure(const svma_op& op, bool within_limits) {
  if (!within_limits && op.result == -kENOMEM) {
    compare_value(verdict_, SVMA_CORE_FIELD_RESULT, static_cast<u64>(-kENOMEM),
                  static_cast<u64>(op.result));
  } else {
    count_fact((op.steps & SVMA_STEP_NO_MEMORY) ? Fact::kResource : Fact::kFailure);
  }
}

// A failed mmap_region() has done nothing, or has unmapped its range already: limits are asked
// before that, overcommit and drivers after. Where the range is cut out first, limits and
// overcommit leave it at that, and drivers are asked after unmapping.
Status Predictor::mmap_failed(const svma_op& op, AddrRange range, bool within_limits,
                              VmaReserve& reserve) {
  const bool refused_first =
      !within_limits && op.result == -kENOMEM && !(op.steps & SVMA_STEP_LIMITS_MOVED);
  if ((op.steps & SVMA_STEP_UNMAPPED) && refused_first) return kOk;
  if (op.steps & SVMA_STEP_UNMAPPED) return space_.do_munmap(range, reserve, ~0u);
  if (semantics_.mmap_cuts_first && (op.steps & SVMA_STEP_CUT)) return cut_out(range, reserve);
  if (op.steps & SVMA_STEP_UNMAP_FAILED) return unmap_halfway(range, op.map_count_limit, reserve);
  return kOk;
}

// Of an unmap that cuts off the beginning of its range.
SplitSide Predictor::cut_side() const {
  return semantics_.munmap_keeps_clones ? SplitSide::kNewBelow : SplitSide::kNewAbove;
}

// Splits at both ends of `range`, where a VMA reaches across.
Status Predictor::cut_out(AddrRange range, VmaReserve& reserve) {
  const VirtAddr ends[] = {range.start, range.end};
  for (const VirtAddr at : ends) {
    Vma* const vma = space_.find_vma(at);
    if (vma == nullptr || vma->vm_start >= at) continue;
    const SplitSide side = at == range.start ? cut_side() : SplitSide::kNewAbove;
    if (Status s = space_.split_vma(vma, at, side, reserve); !s.ok()) return s;
  }
  return kOk;
}

Vma* Predictor::join_neighbour(AddrRange range, const VmaAttrs& attrs) {
  if (semantics_.mmap_expands_neighbours) return expand_neighbour(range, attrs);
  return merge_below(range, attrs);
}

// vma_merge() as those call it who look for a place next to the VMA below, with or without one
// there.
Vma* Predictor::merge_below(AddrRange range, const VmaAttrs& attrs) {
  Vma* prev = nullptr;
  const Vma* const next = space_.find_vma_prev(range.start, &prev);
  const bool below = prev != nullptr && prev->vm_end == range.start;
  const bool above = next != nullptr && next->vm_start == range.end;
  if ((below && mutated(Mutation::skip_merge_below)) ||
      (above && mutated(Mutation::skip_merge_above))) {
    return nullptr;
  }
  return space_.vma_merge(prev, range, attrs);
}

// The two checks of mmap_region() in v6.1. They differ from vma_merge(): a neighbour with any
// mempolicy is out, and with both neighbours fitting, the lower one is asked for compatibility with
// the upper one's anon_vma.
//
//     PPPP.....NNNN       PPPP.....NNNN      PPPP.....NNNN
//         |new|               |new|              |new|
//     PPPPPPPPPPPPP       PPPPPPPPPNNNN      PPPPNNNNNNNNN
Vma* Predictor::expand_neighbour(AddrRange range, const VmaAttrs& attrs) {
  if (attrs.vm_flags & kVmSpecial) return nullptr;
  Vma* prev = nullptr;
  Vma* next = space_.find_vma_prev(range.start, &prev);
  Vma* vma = nullptr;
  AddrRange merged = range;
  PageOffset pgoff = attrs.vm_pgoff;
  VmaAttrs wanted = attrs;

  if (next != nullptr && next->vm_start == range.end && next->attrs.vm_policy == 0 &&
      can_vma_merge_before(*next, wanted, attrs.vm_pgoff + range.pages()) ==
          MergeVerdict::kMergeable &&
      !mutated(Mutation::skip_merge_above)) {
    merged.end = next->vm_end;
    vma = next;
    pgoff = next->attrs.vm_pgoff - range.pages();
    wanted.anon_vma = next->attrs.anon_vma;
    wanted.uffd_ctx = next->attrs.uffd_ctx;
  }
  if (prev != nullptr && prev->vm_end == range.start && prev->attrs.vm_policy == 0 &&
      can_vma_merge_after(*prev, wanted, attrs.vm_pgoff) == MergeVerdict::kMergeable &&
      !mutated(Mutation::skip_merge_below)) {
    merged.start = prev->vm_start;
    vma = prev;
    pgoff = prev->attrs.vm_pgoff;
  }
  if (vma != nullptr) space_.vma_expand(vma, merged, pgoff, next);
  return vma;
}

Vma* Predictor::map_new(AddrRange range, VmaAttrs attrs, Driver driver, VmaReserve& reserve) {
  VmaAttrs asked = attrs;
  if (driver != Driver::kDone) {
    count_fact(driver == Driver::kOfSharedMemory ? Fact::kSharedAnon : Fact::kDriver);
    take_driver_attrs(range, attrs);
  }
  // A driver that changed the flags may have made the range fit its neighbour after all.
  if (semantics_.mmap_retries_merge && driver == Driver::kOfFile &&
      attrs.vm_flags != asked.vm_flags) {
    Vma* prev = nullptr;
    space_.find_vma_prev(range.start, &prev);
    asked.vm_flags = attrs.vm_flags;
    const VmaAttrs& wanted = semantics_.mmap_remerges_as_asked ? asked : attrs;
    if (prev != nullptr) {
      if (Vma* merged = space_.vma_merge(prev, range, wanted)) return merged;
    }
  }
  Vma* vma = reserve.take();
  vma->vm_start = range.start;
  vma->vm_end = range.end;
  vma->attrs = attrs;
  if (mutated(Mutation::mmap_wrong_pgoff) && attrs.file != 0) {
    vma->attrs.vm_pgoff = vma->attrs.vm_pgoff + PageCount(1);
  }
  SVMA_CHECK(space_.insert(vma).ok());
  return vma;
}

// Of a mapping that stands alone all is the driver's. Of one that merged only what a driver marks
// and no program can: taking more over would find every merge right.
void Predictor::take_prepared_attrs(AddrRange range, VmaAttrs& attrs) {
  constexpr VmFlags kOfDriverAlone = kVmIo | kVmPfnMap | kVmMixedMap | kVmDontExpand | kVmHugetlb;
  svma_live_vma live;
  if (svma_os_live_find(mm_, range.start.value(), &live) != 0) return;
  if (live.start == range.start.value() && live.end == range.end.value()) {
    take_driver_attrs(range, attrs);
  } else if (live.start <= range.start.value()) {
    attrs.vm_flags |= live.flags & kOfDriverAlone;
    attrs.has_close = live.has_close != 0;
    attrs.anonymous = live.anonymous != 0;
    attrs.split_shift = live.split_shift;
  }
}

void Predictor::take_driver_attrs(AddrRange range, VmaAttrs& attrs) {
  svma_live_vma live;
  if (svma_os_live_find(mm_, range.start.value(), &live) != 0 || live.start > range.start.value())
    return;
  const VmaAttrs seen = attrs_of(live);
  attrs.vm_flags = (attrs.vm_flags & ~kDriverFlags) | (seen.vm_flags & kDriverFlags);
  attrs.vm_pgoff = seen.vm_pgoff + PageCount((range.start.value() - live.start) >> kPageShift);
  attrs.file = seen.file;
  attrs.ino = seen.ino;
  attrs.dev = seen.dev;
  attrs.has_close = seen.has_close;
  attrs.anonymous = seen.anonymous;
  attrs.split_shift = seen.split_shift;
}

// mm/mmap.c do_mas_align_munmap().
Status Predictor::munmap(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;
  const Status refusal = unmap_refusal(range, op.map_count_limit);
  if (op.result < 0) {
    if (refusal.ok()) {
      count_fact(Fact::kFailure);
      return kOk;
    }
    compare_value(verdict_, SVMA_CORE_FIELD_RESULT, static_cast<u64>(refusal.err()),
                  static_cast<u64>(op.result));
    return unmap_halfway(range, op.map_count_limit, reserve);
  }
  compare_value(verdict_, SVMA_CORE_FIELD_RESULT, static_cast<u64>(refusal.err()), 0);
  if (mutated(Mutation::munmap_one_page_more)) {
    return space_.do_munmap({range.start, range.end + kPageSize}, reserve, ~0u);
  }
  if (mutated(Mutation::munmap_keeps_last)) {
    const Vma* const last = space_.find_vma(range.end - 1);
    if (last != nullptr && last->vm_start > range.start && last->vm_start < range.end) {
      return space_.do_munmap({range.start, last->vm_start}, reserve, ~0u);
    }
  }
  const PageCount locked = space_.acct().locked_vm;
  const Status done = space_.do_munmap(range, reserve, ~0u);
  if (mutated(Mutation::munmap_locked_vm)) space_.acct().locked_vm = locked;
  return done;
}

// Why the layout itself forbids to unmap `range`: too many VMAs, one that is sealed, or one that
// can't be cut there.
Status Predictor::unmap_refusal(AddrRange range, u32 map_count_limit) const {
  if (space_.munmap_needs_more_maps(range, map_count_limit)) return Status::error(kENOMEM);
  const Vma* const first = space_.find_vma_intersection(range);
  const Vma* const last = space_.find_vma(range.end - 1);
  if (first != nullptr && first->vm_start < range.start) {
    if (first->has(semantics_.sealed())) return Status::error(kEPERM);
    if (!first->may_split(range.start)) return Status::error(kEINVAL);
  }
  for (const Vma* vma = first; vma != nullptr && vma->vm_start < range.end;
       vma = AddressSpace::next(vma)) {
    if (vma->has(semantics_.sealed())) return Status::error(kEPERM);
  }
  if (last != nullptr && last->vm_start < range.end && range.end < last->vm_end &&
      !last->may_split(range.end)) {
    return Status::error(kEINVAL);
  }
  return kOk;
}

// An unmap that is refused at the end of its range has cut its beginning already.
Status Predictor::unmap_halfway(AddrRange range, u32 map_count_limit, VmaReserve& reserve) {
  if (space_.munmap_needs_more_maps(range, map_count_limit)) return kOk;
  Vma* const first = space_.find_vma_intersection(range);
  if (first == nullptr || first->vm_start >= range.start || first->has(semantics_.sealed()) ||
      !first->may_split(range.start)) {
    return kOk;
  }
  return space_.split_vma(first, range.start, cut_side(), reserve);
}

// mm/mmap.c do_brk_flags().
Status Predictor::brk(const svma_op& op, Touched& touched) {
  const VirtAddr start(op.args[0]);
  const AddrRange range{start, start + op.args[1]};
  touched.add(range);
  const bool within_limits =
      may_expand_vm(space_.acct(), op.rlimits, op.args[2], range.pages().value()) &&
      space_.map_count() <= op.map_count_limit;
  if (op.result < 0) {
    explain_failure(op, within_limits);
    return kOk;
  }
  judge_limits(op, within_limits);

  VmaReserve reserve;
  if (Status s = reserve.fill(3); !s.ok()) return s;  // as mmap()
  if (Status s = space_.do_munmap(range, reserve, ~0u); !s.ok()) return s;
  VmaAttrs attrs{};
  attrs.vm_flags = op.args[2];
  attrs.vm_pgoff = PageOffset(start.page_number());
  attrs.anonymous = true;
  const bool marked_early = semantics_.ksm_marks_before_merge;
  if (op.args[4] != 0 && marked_early) attrs.vm_flags = offered_to_ksm(attrs.vm_flags);

  Vma* vma = brk_joins(op, range, attrs);
  if (vma == nullptr) {
    vma = reserve.take();
    vma->vm_start = range.start;
    vma->vm_end = range.end;
    vma->attrs = attrs;
    if (Status s = space_.insert(vma); !s.ok()) {
      vm_area_free(vma);
      return kOk;  // something is mapped there that the shadow should not have: the comparison
                   // tells
    }
    if (op.args[4] != 0 && !marked_early) {
      vma->attrs.vm_flags = offered_to_ksm(vma->attrs.vm_flags);
    }
  }
  space_.acct().total_vm += range.pages();
  if (!mutated(Mutation::brk_data_vm)) space_.acct().data_vm += range.pages();
  account_locked(attrs.vm_flags, static_cast<i64>(range.pages().value()));
  vma->attrs.vm_flags |= kVmSoftDirty;
  return kOk;
}

Vma* Predictor::brk_joins(const svma_op& op, AddrRange range, const VmaAttrs& attrs) {
  if (mutated(Mutation::brk_never_merges)) return nullptr;
  if (!semantics_.brk_grows_given_vma) return merge_below(range, attrs);
  if (op.args[3] == SVMA_CORE_NO_VMA) return nullptr;
  Vma* const vma = space_.find_vma(VirtAddr(op.args[3]));
  if (vma == nullptr || vma->vm_end != range.start || vma->attrs.vm_policy != 0 ||
      can_vma_merge_after(*vma, attrs, attrs.vm_pgoff, space_.merge_rules()) !=
          MergeVerdict::kMergeable) {
    return nullptr;
  }
  space_.vma_expand(vma, {vma->vm_start, range.end}, vma->attrs.vm_pgoff, nullptr);
  return vma;
}

// Merge with a neighbour or split at both ends; then the attributes.
//
//     AAAAAAAA      PPPPAAAA           AAAANNNN
//       |--|            |--|           |--|
//     AABBBBAA      PPPPPPPA  or ...   (case numbers: vma_merge() in vma/address_space.hpp)
//
// RETURNS: the VMA that has the new attributes; -ENOENT when the range is not inside one VMA;
// -ENOMEM when the kernel's own limit stops it, with the splits done before that in place as in
// Linux.
Result<Vma*> Predictor::change(const Change& change, VmaReserve& reserve) {
  Vma* prev = nullptr;
  Vma* vma = space_.find_vma_prev(change.range.start, &prev);
  if (vma == nullptr || vma->vm_start > change.range.start || vma->vm_end < change.range.end) {
    return Status::error(kENOENT);
  }
  if (change.range.start > vma->vm_start) prev = vma;

  VmaAttrs attrs = vma->attrs;
  attrs.vm_flags = change.vm_flags;
  attrs.vm_pgoff = pgoff_at(*vma, change.range.start);
  if (change.others) {
    attrs.uffd_ctx = change.uffd_ctx;
    attrs.vm_policy = change.vm_policy;
    attrs.anon_name = change.anon_name;
  }
  if (change.at_vma_pgoff) attrs.vm_pgoff = vma->attrs.vm_pgoff;
  const bool merges = !change.kernel_failed && !mutated(Mutation::skip_merge);
  Vma* merged = merges ? space_.vma_merge(prev, change.range, attrs) : nullptr;
  if (merged != nullptr) {
    vma = merged;
  } else if (Status s = split_around(vma, change, reserve); !s.ok()) {
    return s;
  }
  if (change.kernel_failed) return vma;
  VmFlags left = change.leaves_soft_dirty ? kVmSoftDirty : 0;
  if (merged != nullptr || change.leaves_soft_dirty) left |= semantics_.sticky();
  vma->attrs.vm_flags = (change.vm_flags & ~left) | (vma->attrs.vm_flags & left);
  if (change.others) {
    vma->attrs.uffd_ctx = attrs.uffd_ctx;
    vma->attrs.vm_policy = attrs.vm_policy;
    vma->attrs.anon_name = attrs.anon_name;
  }
  return vma;
}

// The VMA stays the middle part: split_vma(new_below) at the start, then above at the end. When the
// kernel failed for another reason than map_count, it did so before the first split.
Status Predictor::split_around(Vma* vma, const Change& change, VmaReserve& reserve) {
  const u32 limit = change.map_count_limit;
  const bool below = change.range.start != vma->vm_start;
  const bool above = change.range.end != vma->vm_end;
  if (change.kernel_failed) {
    const u32 splits = (below ? 1 : 0) + (above ? 1 : 0);
    const bool refused = (below && !vma->may_split(change.range.start)) ||
                         (above && !vma->may_split(change.range.end));
    if (space_.map_count() + splits <= limit && !refused) return kOk;
  }
  if (below) {
    if (Status s =
            split_within_limit(vma, change.range.start, SplitSide::kNewBelow, limit, reserve);
        !s.ok()) {
      return s;
    }
  }
  if (above) {
    return split_within_limit(vma, change.range.end, SplitSide::kNewAbove, limit, reserve);
  }
  return kOk;
}

// mm/mmap.c split_vma(), with its two reasons to refuse.
Status Predictor::split_within_limit(Vma* vma, VirtAddr addr, SplitSide side, u32 limit,
                                     VmaReserve& reserve) {
  if (space_.map_count() >= limit) return Status::error(kENOMEM);
  if (!vma->may_split(addr)) return Status::error(kEINVAL);
  return space_.split_vma(vma, addr, side, reserve);
}

// mm/mprotect.c mprotect_fixup().
Status Predictor::mprotect(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;

  const Vma* vma = space_.find_vma(range.start);
  if (vma == nullptr) return kOk;
  if (vma->has(semantics_.sealed())) {
    compare_value(verdict_, SVMA_CORE_FIELD_RESULT, static_cast<u64>(-kEPERM),
                  static_cast<u64>(op.result));
    return kOk;
  }
  const VmFlags old_flags = vma->attrs.vm_flags;
  VmFlags flags = op.args[2];
  if (flags != old_flags) {
    const u64 count = range.pages().value();
    const bool within_limits = !(flags & kVmWrite) ||
                               may_expand_vm(space_.acct(), op.rlimits, flags, count) ||
                               !may_expand_vm(space_.acct(), op.rlimits, old_flags, count);
    if (op.result < 0 && (!within_limits || (op.steps & SVMA_STEP_NO_MEMORY))) {
      explain_failure(op, within_limits);
      return kOk;
    }
    judge_limits(op, within_limits);
    const VmFlags given = flags;
    flags = mprotect_accounts(semantics_, *vma, flags);
    if (mutated(Mutation::mprotect_no_account)) flags &= given;
    const Result<Vma*> changed = change({.range = range,
                                         .vm_flags = flags,
                                         .others = false,
                                         .uffd_ctx = 0,
                                         .vm_policy = 0,
                                         .anon_name = 0,
                                         .map_count_limit = op.map_count_limit,
                                         .kernel_failed = op.result < 0,
                                         .at_vma_pgoff = false,
                                         .leaves_soft_dirty = false},
                                        reserve);
    if (!changed.ok() || op.result < 0) return kOk;
    if (mutated(Mutation::mprotect_wrong_account)) return kOk;
    const i64 pages = static_cast<i64>(count);
    space_.vm_stat_account(old_flags, -pages);
    space_.vm_stat_account(flags, pages);
  }
  return kOk;
}

// mm/mlock.c mlock_fixup().
Status Predictor::mlock(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;

  const Vma* vma = space_.find_vma(range.start);
  if (vma == nullptr) return kOk;
  const VmFlags old_flags = vma->attrs.vm_flags;
  const VmFlags flags = op.args[2];
  if (flags == old_flags || (old_flags & kNeverLocked) || op.vma.lock_exempt) return kOk;

  const Result<Vma*> changed = change({.range = range,
                                       .vm_flags = flags,
                                       .others = false,
                                       .uffd_ctx = 0,
                                       .vm_policy = 0,
                                       .anon_name = 0,
                                       .map_count_limit = op.map_count_limit,
                                       .kernel_failed = op.result < 0,
                                       .at_vma_pgoff = false,
                                       .leaves_soft_dirty = false},
                                      reserve);
  if (!changed.ok() || op.result < 0) return kOk;
  i64 pages = static_cast<i64>(range.pages().value());
  if (!(flags & kVmLocked)) {
    pages = -pages;
  } else if (old_flags & kVmLocked) {
    pages = 0;
  }
  if (!mutated(Mutation::mlock_locked_vm)) account_locked(kVmLocked, pages);
  return kOk;
}

// fs/userfaultfd.c userfaultfd_register(), _unregister() and _release(), one VMA's part of the
// range.
Status Predictor::modify(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;
  VmFlags flags = op.args[2];
  if (mutated(Mutation::uffd_keeps_flags)) flags &= ~semantics_.uffd_flags();
  (void)change({.range = range,
                .vm_flags = flags,
                .others = true,
                .uffd_ctx = op.args[3],
                .vm_policy = static_cast<u32>(op.args[4]),
                .anon_name = static_cast<u32>(op.args[5]),
                .map_count_limit = op.map_count_limit,
                .kernel_failed = false,
                .at_vma_pgoff = semantics_.uffd_merges_at_vma_pgoff,
                .leaves_soft_dirty = semantics_.uffd_leaves_soft_dirty},
               reserve);
  return kOk;
}

// mm/madvise.c madvise_walk_vmas() with madvise_vma_behavior(), for advice that changes vm_flags.
// Holes are passed over, the first refusal ends it; what was done before that stays.
//
//       |------------- advice -----------|
//     AAAAAA....BBBB(special)CCCC....DDDDDDDD
//     AAaaaa....BBBB      stops here if B refuses, else goes on; a hole does not stop it
Status Predictor::madvise(const svma_op& op, Touched& touched) {
  AddrRange left{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(left);
  while (Vma* const vma = space_.find_vma(left.start)) {
    if (vma->vm_start >= left.end) break;
    const AddrRange part = part_of(*vma, left);
    VmFlags flags = vma->attrs.vm_flags;
    if (op.args[3] != 0 && part.start.value() == op.args[4]) {
      count_fact(Fact::kFailure);
      break;
    }
    if (seal_depends_on_key(semantics_, *vma, static_cast<i32>(op.args[2]))) {
      count_fact(Fact::kResource);
      return Status::error(kEOPNOTSUPP);
    }
    if (!advised_flags(semantics_, *vma, static_cast<i32>(op.args[2]), flags).ok()) break;
    if (mutated(Mutation::madvise_wrong_flag)) flags |= kVmDontDump;
    left.start = vma->vm_end;
    if (flags == vma->attrs.vm_flags) continue;
    VmaReserve reserve;
    if (Status s = reserve.fill(2); !s.ok()) return s;
    const Result<Vma*> changed = change({.range = part,
                                         .vm_flags = flags,
                                         .others = false,
                                         .uffd_ctx = 0,
                                         .vm_policy = 0,
                                         .anon_name = 0,
                                         .map_count_limit = op.map_count_limit,
                                         .kernel_failed = false,
                                         .at_vma_pgoff = false,
                                         .leaves_soft_dirty = false},
                                        reserve);
    if (!changed.ok()) break;  // too many VMAs
    if ((*changed)->vm_end > left.start) left.start = (*changed)->vm_end;
  }
  return kOk;
}

// mm/mempolicy.c mbind_range(): of one VMA, or before v6.1 of all in the range.
Status Predictor::mbind(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  if (op.args[3] != SVMA_CORE_NO_VMA) {
    Vma* const vma = space_.find_vma(VirtAddr(op.args[3]));
    if (vma == nullptr) return kOk;
    const AddrRange part = part_of(*vma, range);
    if (part.empty()) return kOk;
    touched.add(part);
    VmaReserve reserve;
    if (Status s = reserve.fill(2); !s.ok()) return s;
    (void)bind(op, *vma, part, reserve);
    return kOk;
  }
  touched.add(range);
  for (VirtAddr at = range.start; at < range.end;) {
    Vma* const vma = space_.find_vma(at);
    if (vma == nullptr || vma->vm_start >= range.end) break;
    VmaReserve reserve;
    if (Status s = reserve.fill(2); !s.ok()) return s;
    const Result<Vma*> bound = bind(op, *vma, part_of(*vma, {at, range.end}), reserve);
    if (!bound.ok()) break;  // too many VMAs
    at = (*bound)->vm_end;
    if (mutated(Mutation::mbind_call_stops)) break;
  }
  return kOk;
}

// RETURNS: the VMA that has the policy now.
Result<Vma*> Predictor::bind(const svma_op& op, Vma& vma, AddrRange part, VmaReserve& reserve) {
  const u32 policy = static_cast<u32>(op.args[2]);
  if (vma.attrs.vm_policy == policy || mutated(Mutation::mbind_ignored)) return &vma;
  return change({.range = part,
                 .vm_flags = vma.attrs.vm_flags,
                 .others = true,
                 .uffd_ctx = vma.attrs.uffd_ctx,
                 .vm_policy = policy,
                 .anon_name = vma.attrs.anon_name,
                 .map_count_limit = op.map_count_limit,
                 .kernel_failed = op.result < 0,
                 .at_vma_pgoff = false,
                 .leaves_soft_dirty = true},
                reserve);
}

// mm/mseal.c do_mseal(): a hole forbids all, else one VMA after another is sealed.
Status Predictor::mseal(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  if (space_.count_vma_pages_range(range) != range.pages()) return kOk;
  for (VirtAddr at = range.start; at < range.end;) {
    const Vma* const vma = space_.find_vma(at);
    const AddrRange part = part_of(*vma, {at, range.end});
    at = part.end;
    if (vma->has(semantics_.sealed())) continue;
    VmaReserve reserve;
    if (Status s = reserve.fill(2); !s.ok()) return s;
    const Result<Vma*> sealed = change({.range = part,
                                        .vm_flags = vma->attrs.vm_flags | semantics_.sealed(),
                                        .others = false,
                                        .uffd_ctx = 0,
                                        .vm_policy = 0,
                                        .anon_name = 0,
                                        .map_count_limit = op.map_count_limit,
                                        .kernel_failed = false,
                                        .at_vma_pgoff = false,
                                        .leaves_soft_dirty = true},
                                       reserve);
    if (!sealed.ok()) break;  // too many VMAs
  }
  return kOk;
}

// fs/proc/task_mmu.c clear_refs_write() with "4".
Status Predictor::clear_refs(Touched& touched) {
  touched.add({VirtAddr(0), VirtAddr(~u64{0})});
  for (Vma* vma = space_.first(); vma != nullptr; vma = AddressSpace::next(vma)) {
    vma->attrs.vm_flags &= ~kVmSoftDirty;
  }
  return kOk;
}

// mm/ksm.c ksm_enable_merge_any() and ksm_disable_merge_any(). What can't be taken back from KSM is
// offered again.
Status Predictor::offer_all_to_ksm(const svma_op& op, Touched& touched) {
  const bool offer = op.args[0] != 0, was_offered = op.args[1] != 0;
  touched.add({VirtAddr(0), VirtAddr(~u64{0})});
  if (op.result != 0) count_fact(Fact::kFailure);
  if (offer == was_offered || (offer && op.result != 0)) return kOk;
  for (Vma* vma = space_.first(); vma != nullptr; vma = AddressSpace::next(vma)) {
    if (offer || op.result != 0) {
      vma->attrs.vm_flags = offered_to_ksm(vma->attrs.vm_flags);
    } else {
      vma->attrs.vm_flags &= ~kVmMergeable;
    }
  }
  return kOk;
}

// The splits that move_vma() does ahead of time so that mlocked pages are counted right.
Status Predictor::split_for_dontunmap(Vma* vma, AddrRange old_range, VmaReserve& reserve) {
  if (!(vma->attrs.vm_flags & kVmLocked) || !semantics_.dontunmap_isolates_source) return kOk;
  if (vma->vm_start != old_range.start) {
    if (Status s = space_.split_vma(vma, old_range.start, SplitSide::kNewBelow, reserve); !s.ok()) {
      return s;
    }
  }
  if (vma->vm_end != old_range.end) {
    return space_.split_vma(vma, old_range.end, SplitSide::kNewAbove, reserve);
  }
  return kOk;
}

// fs/userfaultfd.c mremap_userfaultfd_prep(): without UFFD_FEATURE_EVENT_REMAP the new place is not
// registered. The features are not part of a VMA.
void Predictor::prepare_userfaultfd(Vma* copy) {
  if (copy->attrs.uffd_ctx == 0) return;
  svma_live_vma live;
  count_fact(Fact::kRemapEvent);
  if (svma_os_live_find(mm_, copy->vm_start.value(), &live) != 0 || live.uffd_ctx != 0) return;
  copy->attrs.uffd_ctx = 0;
  copy->attrs.vm_flags &= ~semantics_.uffd_flags();
}

// Before v7.3 three were to be left.
bool Predictor::too_many_to_move(const Vma& vma, bool dontunmap, u32 limit) const {
  if (!semantics_.mremap_counts_exactly) return limit < 3 || space_.map_count() >= limit - 3;
  const u32 splits = dontunmap && vma.has(kVmLocked) ? 1 : 0;
  return space_.map_count() + 2 + splits > limit;
}

// Whether the userfaultfd of `vma`, if there is one, asked to be told of mremap(). Only the copy
// says so.
bool Predictor::userfaultfd_follows(const Vma& vma, VirtAddr copy) {
  if (vma.attrs.uffd_ctx == 0 || !semantics_.mremap_isolates_deaf_uffd) return true;
  svma_live_vma live;
  return svma_os_live_find(mm_, copy.value(), &live) == 0 && live.uffd_ctx != 0;
}

// The pages keep their index and change their place.
AnonShift Predictor::shift_of_copy(const Vma& vma, VirtAddr from, VirtAddr to) const {
  if (!semantics_.files_have_anon_index || !is_private_file(vma.attrs)) return {};
  return vma.attrs.anon_shift.plus(AnonShift::between(from, to));
}

// mm/mremap.c move_vma(): copy, then unmap the source or, with MREMAP_DONTUNMAP, leave it empty.
// The concealing of VM_ACCOUNT in between leaves no trace in the layout.
Status Predictor::mremap_move(const svma_op& op, Touched& touched) {
  const AddrRange from{VirtAddr(op.args[1]), VirtAddr(op.args[1]) + op.args[2]};
  const AddrRange to{VirtAddr(op.args[4]), VirtAddr(op.args[4]) + op.args[3]};
  const bool dontunmap = (op.args[5] & kMremapDontUnmap) != 0;
  touched.add(to);
  touched.add(from);
  Vma* vma = space_.find_vma(from.start);
  if (vma == nullptr || vma->vm_start > from.start || vma->vm_end < from.end) return kOk;
  const bool too_many = too_many_to_move(*vma, dontunmap, op.map_count_limit);
  if (is_error(op.result)) {
    explain_failure(op, !too_many);
    if (op.steps & SVMA_STEP_UNDONE) return mremap_undone(vma, from, to);
    if (too_many || !dontunmap || !(op.steps & SVMA_STEP_NO_MEMORY)) return kOk;
    VmaReserve splits;  // overcommit is asked after the splits that MREMAP_DONTUNMAP needs
    if (Status s = splits.fill(2); !s.ok()) return s;
    return split_for_dontunmap(vma, from, splits);
  }
  compare_value(verdict_, SVMA_CORE_FIELD_RESULT, too_many, false);

  VmaReserve reserve;
  if (Status s = reserve.fill(5); !s.ok()) return s;
  if (dontunmap) {
    if (Status s = split_for_dontunmap(vma, from, reserve); !s.ok()) return s;
  }
  const PageOffset pgoff =
      mutated(Mutation::mremap_wrong_pgoff) ? vma->attrs.vm_pgoff : pgoff_at(*vma, from.start);
  const CopyRequest request{.to = to,
                            .pgoff = pgoff,
                            .keep_source = dontunmap && semantics_.dontunmap_isolates_source,
                            .merges_beyond_source = semantics_.dontunmap_merges_beyond,
                            .merges = userfaultfd_follows(*vma, to.start),
                            .anon_shift = shift_of_copy(*vma, from.start, to.start)};
  const Result<Vma*> copy = space_.copy_vma(&vma, request, reserve);
  if (!copy.ok()) return kOk;
  prepare_userfaultfd(*copy);

  const i64 new_pages = static_cast<i64>(to.pages().value());
  const VmFlags flags = vma->attrs.vm_flags;
  space_.vm_stat_account(flags, new_pages);
  if (dontunmap) {
    leave_source(vma, *copy, from);
    return kOk;
  }
  const PageCount hiwater = space_.acct().hiwater_vm;  // total_vm is too high for a moment
  if (!from.empty() && !mutated(Mutation::mremap_keeps_source)) {
    if (Status s = space_.do_munmap(from, reserve, ~0u); !s.ok()) return s;
  }
  account_locked(flags, new_pages);
  space_.acct().hiwater_vm = hiwater;
  return kOk;
}

// The driver's ->mremap() said no, when the copy was there already: it is unmapped again. Nothing
// of it is left but the shape of the tree and what the caches were told.
Status Predictor::mremap_undone(Vma* vma, AddrRange from, AddrRange to) {
  VmaReserve reserve;
  if (Status s = reserve.fill(3); !s.ok()) return s;
  const Accounting before = space_.acct();
  const CopyRequest request{.to = to, .pgoff = pgoff_at(*vma, from.start), .keep_source = false};
  if (!space_.copy_vma(&vma, request, reserve).ok()) return kOk;
  if (Status s = space_.do_munmap(to, reserve, ~0u); !s.ok()) return s;
  space_.acct() = before;
  return kOk;
}

// What MREMAP_DONTUNMAP makes of the source. Where it merged with its copy, that is `vma`, too.
void Predictor::leave_source(Vma* vma, const Vma* copy, AddrRange from) {
  vma->attrs.vm_flags &= ~kVmLockedMask;
  if (semantics_.dontunmap_accounts_next && vma->has(kVmAccount) && copy != vma &&
      vma->vm_start < from.start && from.end < vma->vm_end) {
    if (Vma* const next = AddressSpace::next(vma)) next->attrs.vm_flags |= kVmAccount;
  }
  if (vma->vm_start != from.start || vma->vm_end != from.end) return;
  if (semantics_.dontunmap_isolates_source) {
    vma->attrs.anon_vma = 0;
    vma->attrs.anon_singular = false;
    vma->attrs.anon_shift = {};
    rmap_.unfault(*vma);
  }
  if (vma->attrs.anonymous && vma->attrs.file == 0 && semantics_.dontunmap_resets_pgoff) {
    vma->attrs.vm_pgoff = PageOffset(vma->vm_start.page_number());
  }
}

// mm/mremap.c: growing where it is. vma_merge() on the extension grows the VMA and may swallow the
// next; a VMA with vm_ops->close, where that forbids all merging, is grown by itself, as are all in
// kernels that do not try.
Status Predictor::mremap_expand(const svma_op& op, Touched& touched) {
  const VirtAddr addr(op.args[0]);
  Vma* vma = space_.find_vma(addr);
  if (vma == nullptr || vma->vm_start > addr) return kOk;
  VirtAddr end = addr + op.args[2];
  if (mutated(Mutation::mremap_expand_short) && end - kPageSize > vma->vm_end) {
    end = end - kPageSize;
  }
  // Behind the end of user space, or wrapped around: nothing grows.
  const bool possible = end > vma->vm_end && end.value() <= op.args[3] && end.value() <= kUserEnd;
  touched.add({vma->vm_start, possible ? end : vma->vm_end});
  if (!possible || op.args[1] != vma->vm_end - addr) return kOk;
  const AddrRange extension{vma->vm_end, end};
  if (space_.find_vma_intersection(extension) != nullptr) return kOk;
  if (op.steps & SVMA_STEP_NO_MEMORY) {
    count_fact(Fact::kResource);
    return kOk;
  }

  VmaAttrs attrs = vma->attrs;
  attrs.vm_pgoff = pgoff_at(*vma, vma->vm_end);
  const bool never_merges = vma->attrs.has_close && !semantics_.close_forbids_removal_only;
  if (never_merges || !semantics_.mremap_growth_merges) {
    space_.vma_expand(vma, {vma->vm_start, end}, vma->attrs.vm_pgoff, nullptr);
  } else {
    vma = space_.vma_merge(vma, extension, attrs);
    if (vma == nullptr) return kOk;
  }
  const i64 pages = static_cast<i64>(extension.pages().value());
  space_.vm_stat_account(vma->attrs.vm_flags, pages);
  account_locked(vma->attrs.vm_flags, pages);
  return kOk;
}

// mm/mmap.c expand_downwards().
Status Predictor::stack_growth(const svma_op& op, Touched& touched) {
  Vma* vma = space_.find_vma(VirtAddr(op.args[0]));
  if (vma == nullptr) return kOk;
  // fs/exec.c setup_arg_pages(): between moving the stack and growing it, exec takes its marks off.
  if (op.args[2] != 0) vma->attrs.vm_flags &= ~kStackIncompleteSetup;
  const VirtAddr addr = VirtAddr(op.args[1]).page_down();
  touched.add({addr < vma->vm_start ? addr : vma->vm_start, vma->vm_end});
  const i64 result = stack_growth_result(op, *vma, addr);
  if (result != op.result && (op.steps & SVMA_STEP_LIMITS_MOVED)) {
    count_fact(Fact::kResource);
  } else if (op.result != 0 && result == 0) {
    count_fact((op.steps & SVMA_STEP_NO_MEMORY) ? Fact::kResource : Fact::kFailure);
    return kOk;
  } else {
    compare_value(verdict_, SVMA_CORE_FIELD_RESULT, static_cast<u64>(result),
                  static_cast<u64>(op.result));
  }
  if (op.result != 0 || addr >= vma->vm_start) return kOk;
  const PageOffset pgoff = vma->attrs.vm_pgoff;
  const i64 pages = static_cast<i64>((vma->vm_start - addr) >> kPageShift);
  if (!space_.expand_downwards(vma, addr).ok())
    return kOk;  // predicted a failure: the comparison tells
  if (mutated(Mutation::stack_wrong_pgoff)) vma->attrs.vm_pgoff = pgoff;
  space_.vm_stat_account(vma->attrs.vm_flags, pages);
  account_locked(vma->attrs.vm_flags, pages);
  return kOk;
}

// What expand_downwards() and acct_stack_growth() answer, as far as the address space decides.
i64 Predictor::stack_growth_result(const svma_op& op, const Vma& vma, VirtAddr addr) const {
  if (!vma.has(kVmGrowsDown)) return -kEFAULT;
  if (addr.value() < op.args[3]) return -kEPERM;  // vm.mmap_min_addr
  const Vma* const below = AddressSpace::prev(&vma);
  if (below != nullptr && !below->has(kVmGrowsDown) && below->has(kVmAccessFlags) &&
      addr - below->vm_end < space_.stack_guard_gap()) {
    return -kENOMEM;
  }
  if (addr >= vma.vm_start) return 0;
  const AddrRange grow{addr, vma.vm_start};
  if (grow.pages().value() > vma.attrs.vm_pgoff.value()) return -kENOMEM;
  if (!may_expand_vm(space_.acct(), op.rlimits, vma.attrs.vm_flags, grow.pages().value())) {
    return -kENOMEM;
  }
  return vma.vm_end - addr > op.rlimits.stack ? -kENOMEM : 0;
}

// fs/exec.c shift_arg_pages(): grow over both places, move the tables, shrink. vm_pgoff stays.
Status Predictor::stack_shift(const svma_op& op, Touched& touched) {
  Vma* vma = space_.find_vma(VirtAddr(op.args[0]));
  if (vma == nullptr) return kOk;
  const AddrRange old_range{vma->vm_start, vma->vm_end};
  const AddrRange new_range{old_range.start - op.args[1], old_range.end - op.args[1]};
  if (op.args[1] > old_range.start.value()) return Status::error(kEOPNOTSUPP);
  touched.add({new_range.start, old_range.end});
  // Something is in the way: predicted -EFAULT, and if the kernel moved it, the comparison tells.
  if (op.result != 0 || space_.find_vma(new_range.start) != vma) return kOk;
  space_.set_bounds(vma, {new_range.start, old_range.end}, vma->attrs.vm_pgoff);
  space_.set_bounds(vma, new_range, vma->attrs.vm_pgoff);
  return kOk;
}

// mm/mmap.c insert_vm_struct(), with the accounting its callers do: __install_special_mapping() by
// vm_stat_account(), __bprm_mm_init() by setting both counters to the one page of the first stack.
Status Predictor::insert(const svma_op& op, Touched& touched) {
  const AddrRange range = range_of(op.vma);
  touched.add(range);
  count_fact(Fact::kSpecial);
  if (op.result != 0) return kOk;
  VmaReserve reserve;
  if (Status s = reserve.fill(1); !s.ok()) return s;
  Vma* vma = reserve.take();
  vma->vm_start = range.start;
  vma->vm_end = range.end;
  vma->attrs = attrs_of(op.vma);
  if (op.args[0] != 0) vma->attrs.vm_pgoff = PageOffset(range.start.page_number());
  if (Status s = space_.insert(vma); !s.ok()) {
    vm_area_free(vma);
    return kOk;  // predicted -ENOMEM, and the kernel inserted it: the comparison tells
  }
  space_.vm_stat_account(vma->attrs.vm_flags, static_cast<i64>(range.pages().value()));
  return kOk;
}

}  // namespace svma
