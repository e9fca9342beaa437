// SPDX-License-Identifier: GPL-2.0-only
#include "replay/predict.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// A kernel function that returns an address says "error" with the last page of the address space.
constexpr bool is_error(i64 result) { return result < 0 && result >= -4095; }

// What a driver's ->mmap() may change in vm_flags; access rights and sharing it may not.
constexpr VmFlags kDriverFlags = kVmIo | kVmPfnMap | kVmMixedMap | kVmDontExpand | kVmDontDump |
                                 kVmDontCopy | kVmHugetlb | kVmHugePage | kVmNoHugePage |
                                 kVmNoReserve | kVmAccount | kVmMayRead | kVmMayWrite | kVmMayExec |
                                 kVmWipeOnFork;

// include/linux/mm.h VM_STACK_INCOMPLETE_SETUP: a stack that exec is still moving about.
constexpr VmFlags kStackIncompleteSetup = kVmRandRead | kVmSeqRead;

// include/uapi/linux/mman.h
constexpr u64 kMremapDontUnmap = 4;

// mm/mmap.c accountable_mapping(): private and writable. hugetlbfs has its own accounting; there
// the driver's ->mmap() decides (Fact::kDriverAttrs).
constexpr bool accountable_mapping(VmFlags flags) {
  return (flags & (kVmNoReserve | kVmShared | kVmWrite)) == kVmWrite;
}

PageOffset pgoff_at(const Vma& vma, VirtAddr addr) {
  return vma.attrs.vm_pgoff + PageCount((addr - vma.vm_start) >> kPageShift);
}

}  // namespace

Status Predictor::apply(const svma_op& op, Touched& touched) {
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

// mm/mmap.c mmap_region() in v6.1: unmap what is there, grow a neighbour if one is compatible, else
// a new VMA whose driver may still change it.
Status Predictor::mmap(const svma_op& op, Touched& touched) {
  const VirtAddr start(op.args[0]);
  const AddrRange range{start, start + op.args[1]};
  touched.add(range);

  VmaReserve reserve;
  if (Status s = reserve.fill(3); !s.ok()) return s;  // two splits of the unmap, one new VMA
  if (is_error(op.result)) return mmap_failed(range, reserve);
  if (Status s = space_.do_munmap(range, reserve, op.map_count_limit); !s.ok()) return s;

  VmaAttrs attrs = attrs_of(op.vma);
  attrs.vm_flags = op.args[2];
  attrs.vm_pgoff = PageOffset(op.args[3]);
  if (accountable_mapping(attrs.vm_flags)) attrs.vm_flags |= kVmAccount;

  VmFlags account = attrs.vm_flags;
  Vma* vma = expand_neighbour(range, attrs);
  if (vma == nullptr) {
    const bool shared_anon = attrs.file == 0 && (attrs.vm_flags & kVmShared);
    vma = map_new(range, attrs, shared_anon, reserve);
    account = vma->attrs.vm_flags;
  }

  const i64 pages = static_cast<i64>(range.pages().value());
  space_.vm_stat_account(account, pages);
  if (account & kVmLocked) {
    if ((account & (kVmSpecial | kVmHugetlb)) || op.vma.lock_exempt) {
      vma->attrs.vm_flags &= ~kVmLockedMask;
    } else {
      account_locked(account, pages);
    }
  }
  vma->attrs.vm_flags |= kVmSoftDirty;
  return kOk;
}

// A failed mmap_region() has done nothing, or has unmapped its range already: which of the two
// depends on where it failed (limits before, overcommit and drivers after).
Status Predictor::mmap_failed(AddrRange range, VmaReserve& reserve) {
  if (space_.find_vma_intersection(range) == nullptr) return kOk;
  svma_live_vma live;
  count_fact(Fact::kPartialFailure);
  const bool still_there =
      svma_os_live_find(mm_, range.start.value(), &live) == 0 && live.start < range.end.value();
  return still_there ? kOk : space_.do_munmap(range, reserve, ~0u);
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
          MergeVerdict::kMergeable) {
    merged.end = next->vm_end;
    vma = next;
    pgoff = next->attrs.vm_pgoff - range.pages();
    wanted.anon_vma = next->attrs.anon_vma;
    wanted.uffd_ctx = next->attrs.uffd_ctx;
  }
  if (prev != nullptr && prev->vm_end == range.start && prev->attrs.vm_policy == 0 &&
      can_vma_merge_after(*prev, wanted, attrs.vm_pgoff) == MergeVerdict::kMergeable) {
    merged.start = prev->vm_start;
    vma = prev;
    pgoff = prev->attrs.vm_pgoff;
  }
  if (vma != nullptr) space_.vma_expand(vma, merged, pgoff, next);
  return vma;
}

Vma* Predictor::map_new(AddrRange range, VmaAttrs attrs, bool shared_anon, VmaReserve& reserve) {
  const VmFlags asked = attrs.vm_flags;
  if (attrs.file != 0 || shared_anon) {
    count_fact(shared_anon ? Fact::kSharedAnon : Fact::kDriverAttrs);
    take_driver_attrs(range, attrs);
  }
  // A driver that changed the flags may have made the range fit its neighbour after all.
  if (attrs.file != 0 && !shared_anon && attrs.vm_flags != asked) {
    Vma* prev = nullptr;
    space_.find_vma_prev(range.start, &prev);
    if (prev != nullptr) {
      if (Vma* merged = space_.vma_merge(prev, range, attrs)) return merged;
    }
  }
  Vma* vma = reserve.take();
  vma->vm_start = range.start;
  vma->vm_end = range.end;
  vma->attrs = attrs;
  SVMA_CHECK(space_.insert(vma).ok());
  return vma;
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
}

// mm/mmap.c do_mas_align_munmap(). On failure v6.1 has changed nothing when it failed for
// map_count.
Status Predictor::munmap(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  if (op.result < 0) return kOk;
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;
  return space_.do_munmap(range, reserve, op.map_count_limit);
}

// mm/mmap.c do_brk_flags().
Status Predictor::brk(const svma_op& op, Touched& touched) {
  const VirtAddr start(op.args[0]);
  const AddrRange range{start, start + op.args[1]};
  touched.add(range);
  if (op.result < 0) return kOk;

  VmaReserve reserve;
  if (Status s = reserve.fill(1); !s.ok()) return s;
  VmaAttrs attrs{};
  attrs.vm_flags = op.args[2];
  attrs.vm_pgoff = PageOffset(start.page_number());

  Vma* vma = nullptr;
  if (op.args[3] != SVMA_CORE_NO_VMA) vma = space_.find_vma(VirtAddr(op.args[3]));
  if (vma != nullptr && vma->vm_end == start && vma->attrs.vm_policy == 0 &&
      can_vma_merge_after(*vma, attrs, attrs.vm_pgoff) == MergeVerdict::kMergeable) {
    space_.vma_expand(vma, {vma->vm_start, range.end}, vma->attrs.vm_pgoff, nullptr);
  } else {
    vma = reserve.take();
    vma->vm_start = range.start;
    vma->vm_end = range.end;
    vma->attrs = attrs;
    if (Status s = space_.insert(vma); !s.ok()) {
      vm_area_free(vma);
      return kOk;  // something is mapped there that the shadow should not have: the comparison
                   // tells
    }
  }
  space_.acct().total_vm += range.pages();
  space_.acct().data_vm += range.pages();
  account_locked(attrs.vm_flags, static_cast<i64>(range.pages().value()));
  vma->attrs.vm_flags |= kVmSoftDirty;
  return kOk;
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
  Vma* merged = change.kernel_failed ? nullptr : space_.vma_merge(prev, change.range, attrs);
  if (merged != nullptr) {
    vma = merged;
  } else if (Status s = split_around(vma, change, reserve); !s.ok()) {
    return s;
  }
  if (change.kernel_failed) return vma;
  vma->attrs.vm_flags = change.vm_flags;
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
    if (space_.map_count() + splits <= limit) return kOk;
  }
  if (below) {
    if (space_.map_count() >= limit) return Status::error(kENOMEM);
    if (Status s = space_.split_vma(vma, change.range.start, SplitSide::kNewBelow, reserve);
        !s.ok()) {
      return s;
    }
  }
  if (above) {
    if (space_.map_count() >= limit) return Status::error(kENOMEM);
    if (Status s = space_.split_vma(vma, change.range.end, SplitSide::kNewAbove, reserve);
        !s.ok()) {
      return s;
    }
  }
  return kOk;
}

// mm/mprotect.c mprotect_fixup().
Status Predictor::mprotect(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;

  const Vma* vma = space_.find_vma(range.start);
  if (vma == nullptr) return kOk;
  const VmFlags old_flags = vma->attrs.vm_flags;
  VmFlags flags = op.args[2];
  if (flags != old_flags) {
    if ((flags & kVmWrite) &&
        !(old_flags & (kVmAccount | kVmWrite | kVmHugetlb | kVmShared | kVmNoReserve))) {
      flags |= kVmAccount;
    }
    const Result<Vma*> changed = change({.range = range,
                                         .vm_flags = flags,
                                         .others = false,
                                         .uffd_ctx = 0,
                                         .vm_policy = 0,
                                         .anon_name = 0,
                                         .map_count_limit = op.map_count_limit,
                                         .kernel_failed = op.result < 0},
                                        reserve);
    if (!changed.ok() || op.result < 0) return kOk;
    const i64 pages = static_cast<i64>(range.pages().value());
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
  if (flags == old_flags || (old_flags & (kVmSpecial | kVmHugetlb)) || op.vma.lock_exempt)
    return kOk;

  const Result<Vma*> changed = change({.range = range,
                                       .vm_flags = flags,
                                       .others = false,
                                       .uffd_ctx = 0,
                                       .vm_policy = 0,
                                       .anon_name = 0,
                                       .map_count_limit = op.map_count_limit,
                                       .kernel_failed = op.result < 0},
                                      reserve);
  if (!changed.ok() || op.result < 0) return kOk;
  i64 pages = static_cast<i64>(range.pages().value());
  if (!(flags & kVmLocked)) {
    pages = -pages;
  } else if (old_flags & kVmLocked) {
    pages = 0;
  }
  account_locked(kVmLocked, pages);
  return kOk;
}

// madvise_update_vma(), mbind_range(), userfaultfd register, unregister and release: v6.1 calls
// vma_merge() with these arguments, then splits.
Status Predictor::modify(const svma_op& op, Touched& touched) {
  const AddrRange range{VirtAddr(op.args[0]), VirtAddr(op.args[1])};
  touched.add(range);
  VmaReserve reserve;
  if (Status s = reserve.fill(2); !s.ok()) return s;
  (void)change({.range = range,
                .vm_flags = op.args[2],
                .others = true,
                .uffd_ctx = op.args[3],
                .vm_policy = static_cast<u32>(op.args[4]),
                .anon_name = static_cast<u32>(op.args[5]),
                .map_count_limit = op.map_count_limit,
                .kernel_failed = false},
               reserve);
  return kOk;
}

// mm/mmap.c copy_vma(): the same mapping once more at `to`. *vma changes when it was merged with
// its own copy, which only an unfaulted anonymous VMA can be.
Result<Vma*> Predictor::copy_vma(Vma** vma, AddrRange to, PageOffset pgoff, bool keep_source,
                                 VmaReserve& reserve) {
  Vma* source = *vma;
  const VirtAddr source_start = source->vm_start;
  bool can_self_merge = false;
  if (source->attrs.file == 0 && source->attrs.anon_vma == 0) {
    pgoff = PageOffset(to.start.page_number());
    can_self_merge = true;
  }
  Vma* prev = nullptr;
  Vma* above = space_.find_vma_prev(to.start, &prev);
  if (above != nullptr && above->vm_start < to.end) return Status::error(kENOMEM);

  VmaAttrs attrs = source->attrs;
  attrs.vm_pgoff = pgoff;
  const bool touches = to.start == source->vm_end || source->vm_start == to.end;
  Vma* merged = nullptr;
  if (!(can_self_merge && keep_source && touches)) merged = space_.vma_merge(prev, to, attrs);
  if (merged != nullptr) {
    if (merged->vm_start <= source_start && source_start < merged->vm_end) *vma = merged;
    return merged;
  }
  Vma* copy = reserve.take();
  copy->vm_start = to.start;
  copy->vm_end = to.end;
  copy->attrs = attrs;
  SVMA_CHECK(space_.insert(copy).ok());
  return copy;
}

// The splits that move_vma() does ahead of time so that mlocked pages are counted right.
Status Predictor::split_for_dontunmap(Vma* vma, AddrRange old_range, VmaReserve& reserve) {
  if (!(vma->attrs.vm_flags & kVmLocked)) return kOk;
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
  count_fact(Fact::kRemapEvents);
  if (svma_os_live_find(mm_, copy->vm_start.value(), &live) != 0 || live.uffd_ctx != 0) return;
  copy->attrs.uffd_ctx = 0;
  copy->attrs.vm_flags &= ~kVmUffdFlags;
}

// mm/mremap.c move_vma(): copy, then unmap the source or, with MREMAP_DONTUNMAP, leave it empty.
// The concealing of VM_ACCOUNT in between leaves no trace in the layout.
Status Predictor::mremap_move(const svma_op& op, Touched& touched) {
  const AddrRange from{VirtAddr(op.args[1]), VirtAddr(op.args[1]) + op.args[2]};
  const AddrRange to{VirtAddr(op.args[4]), VirtAddr(op.args[4]) + op.args[3]};
  const bool dontunmap = (op.args[5] & kMremapDontUnmap) != 0;
  touched.add(to);
  touched.add(from);
  if (is_error(op.result)) return kOk;
  Vma* vma = space_.find_vma(from.start);
  if (vma == nullptr || vma->vm_start > from.start) return kOk;

  VmaReserve reserve;
  if (Status s = reserve.fill(5); !s.ok()) return s;
  if (dontunmap) {
    if (Status s = split_for_dontunmap(vma, from, reserve); !s.ok()) return s;
  }
  const Result<Vma*> copy = copy_vma(&vma, to, pgoff_at(*vma, from.start), dontunmap, reserve);
  if (!copy.ok()) return kOk;
  prepare_userfaultfd(*copy);

  const i64 new_pages = static_cast<i64>(to.pages().value());
  const VmFlags flags = vma->attrs.vm_flags;
  space_.vm_stat_account(flags, new_pages);
  if (dontunmap) {
    vma->attrs.vm_flags &= ~kVmLockedMask;
    if (vma->vm_start == from.start && vma->vm_end == from.end) {
      vma->attrs.anon_vma = 0;
      vma->attrs.anon_singular = false;
      if (vma->attrs.file == 0 && semantics_.dontunmap_resets_pgoff) {
        vma->attrs.vm_pgoff = PageOffset(vma->vm_start.page_number());
      }
    }
    return kOk;
  }
  if (!from.empty()) {
    if (Status s = space_.do_munmap(from, reserve, ~0u); !s.ok()) return s;
  }
  account_locked(flags, new_pages);
  return kOk;
}

// mm/mremap.c: growing where it is. vma_merge() on the extension grows the VMA and may swallow the
// next; a VMA with vm_ops->close, which never merges, is grown by itself.
Status Predictor::mremap_expand(const svma_op& op, Touched& touched) {
  const VirtAddr addr(op.args[0]);
  Vma* vma = space_.find_vma(addr);
  if (vma == nullptr || vma->vm_start > addr) return kOk;
  const VirtAddr end = addr + op.args[2];
  const AddrRange extension{vma->vm_end, end};
  touched.add({vma->vm_start, end});
  if (op.args[1] != vma->vm_end - addr || end.value() > op.args[3]) return kOk;
  if (space_.find_vma_intersection(extension) != nullptr) return kOk;

  VmaAttrs attrs = vma->attrs;
  attrs.vm_pgoff = pgoff_at(*vma, vma->vm_end);
  if (vma->attrs.has_close) {
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
  if (op.result != 0 || addr >= vma->vm_start) return kOk;
  const i64 pages = static_cast<i64>((vma->vm_start - addr) >> kPageShift);
  if (!space_.expand_downwards(vma, addr).ok())
    return kOk;  // predicted a failure: the comparison tells
  space_.vm_stat_account(vma->attrs.vm_flags, pages);
  account_locked(vma->attrs.vm_flags, pages);
  return kOk;
}

// fs/exec.c shift_arg_pages(): grow over both places, move the tables, shrink. vm_pgoff stays.
Status Predictor::stack_shift(const svma_op& op, Touched& touched) {
  Vma* vma = space_.find_vma(VirtAddr(op.args[0]));
  if (vma == nullptr) return kOk;
  const AddrRange old_range{vma->vm_start, vma->vm_end};
  const AddrRange new_range{old_range.start - op.args[1], old_range.end - op.args[1]};
  touched.add({new_range.start, old_range.end});
  if (op.result != 0) return kOk;
  space_.set_bounds(vma, {new_range.start, old_range.end}, vma->attrs.vm_pgoff);
  space_.set_bounds(vma, new_range, vma->attrs.vm_pgoff);
  return kOk;
}

// mm/mmap.c insert_vm_struct(), with the accounting its callers do: __install_special_mapping() by
// vm_stat_account(), __bprm_mm_init() by setting both counters to the one page of the first stack.
Status Predictor::insert(const svma_op& op, Touched& touched) {
  const AddrRange range = range_of(op.vma);
  touched.add(range);
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
