// SPDX-License-Identifier: GPL-2.0-only
#include "replay/call.hpp"

#include "replay/compare.hpp"
#include "replay/facts.hpp"
#include "replay/limits.hpp"
#include "replay/placement.hpp"
#include "replay/plan.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// include/uapi/asm-generic/mman-common.h, arch/x86/include/uapi/asm/mman.h
constexpr u64 kProtRead = 1, kProtWrite = 2, kProtExec = 4, kProtGrowsDown = 0x01000000;
constexpr u64 kMapShared = 1, kMapType = 0xf, kMapFixed = 0x10, kMapGrowsDown = 0x100,
              kMapDenyWrite = 0x800, kMapLocked = 0x2000, kMapNoReserve = 0x4000,
              kMapStack = 0x20000, kMapSync = 0x80000, kMapFixedNoReplace = 0x100000;
constexpr u64 kMapPrivate = 2, kMapDroppable = 8;  // of kMapType
constexpr u64 kMclCurrent = 1, kMclFuture = 2, kMclOnFault = 4;

constexpr VmFlags prot_bits(u64 prot) {
  return ((prot & kProtRead) ? kVmRead : 0) | ((prot & kProtWrite) ? kVmWrite : 0) |
         ((prot & kProtExec) ? kVmExec : 0);
}

}  // namespace

void CallCheck::step(const svma_op& op, svma_verdict& verdict) {
  if (PlanCheck::covers(call_)) return PlanCheck(semantics_, space_, call_).step(op, verdict);
  if (call_.kind == SVMA_CALL_MMAP) return mmap_step(op, verdict);
  if (call_.kind == SVMA_CALL_MUNMAP) return munmap_step(op, verdict);
  Step expected;
  const State state = next_step(expected);
  if (state == kStopped) {
    const VmFlags unknown = expected.unknown;
    compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, expected.range.start.value(), op.args[0]);
    compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, expected.range.end.value(), op.args[1]);
    compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, expected.vm_flags & ~unknown,
                  op.args[2] & ~unknown);
    if (is_uffd()) {
      compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, expected.uffd_ctx, op.args[3]);
    }
  } else {
    compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, SVMA_CORE_NO_VMA, op.args[0]);
  }
  call_.state |= kStepped;
  call_.cursor = repeats_step(op) ? op.args[0] : op.args[1];
}

// Where its VMA stays apart from the one below because it must not go.
bool CallCheck::repeats_step(const svma_op& op) const {
  if (!semantics_.given_up_merge_repeats_step || is_uffd()) return false;
  const Vma* const vma = space_.find_vma(VirtAddr(op.args[0]));
  if (vma == nullptr || vma->attrs.vm_flags == op.args[2]) return false;
  VmaAttrs attrs = vma->attrs;
  attrs.vm_flags = op.args[2];
  if (op.kind == SVMA_CORE_MPROTECT) {
    attrs.vm_flags = mprotect_accounts(semantics_, *vma, op.args[2]);
  } else if (vma->has(kNeverLocked) || op.vma.lock_exempt) {
    return false;
  }
  return space_.only_close_forbids_merge_below({VirtAddr(op.args[0]), VirtAddr(op.args[1])}, attrs);
}

// Where the call begins, once the lock is held.
void CallCheck::begin_range() {
  if (call_.end != 0) return;
  const u64 start = call_.args[0];
  switch (call_.kind) {
    case SVMA_CALL_MLOCKALL:
      // With MCL_FUTURE alone apply_mlockall_flags() returns before it looks at a VMA.
      call_.end = ~u64{0};
      if ((call_.args[0] & (kMclCurrent | kMclFuture)) == kMclFuture) call_.cursor = call_.end;
      return;
    case SVMA_CALL_MPROTECT: {
      call_.cursor = start;
      call_.end = start + page_align(call_.args[1]);
      const Vma* const vma = space_.find_vma(VirtAddr(start));
      if ((call_.args[2] & kProtGrowsDown) && vma != nullptr) call_.cursor = vma->vm_start.value();
      return;
    }
    default:
      call_.cursor = start;
      call_.end = start + call_.args[1];
  }
  if (is_uffd() && semantics_.uffd_passes_second_at_zero) {
    const Vma* const first = space_.find_vma(VirtAddr(start));
    const Vma* const second = first != nullptr ? AddressSpace::next(first) : nullptr;
    if (second != nullptr && first->vm_start.value() == 0) call_.passed = second->vm_start.value();
  }
}

// mm/mprotect.c do_mprotect_pkey() and mm/mlock.c apply_vma_lock_flags(): the VMA at the cursor,
// or, when the last step merged it with the next, the one behind. apply_mlockall_flags() passes
// holes.
CallCheck::State CallCheck::next_step(Step& step) {
  begin_range();
  if (is_uffd()) return next_uffd_step(step);
  const bool all = call_.kind == SVMA_CALL_MLOCKALL;
  VirtAddr cursor(call_.cursor);
  if (!(all && semantics_.mlockall_revisits_merged) && (call_.state & kStepped)) {
    const Vma* const last = space_.find_vma(cursor - 1);
    if (last != nullptr && last->vm_start < cursor) cursor = last->vm_end;
  }
  if (cursor.value() >= call_.end) return kDone;
  const Vma* const vma = space_.find_vma(cursor);
  if (vma == nullptr) return all ? kDone : kHole;
  if (vma->vm_start > cursor && !all) return kHole;
  step.range.start = all ? vma->vm_start : cursor;
  step.range.end = vma->vm_end.value() < call_.end ? vma->vm_end : VirtAddr(call_.end);
  if (call_.kind == SVMA_CALL_MPROTECT) {
    step.vm_flags = protected_flags(*vma, step.unknown);
    // VM_MAYREAD and its kin are four bits above what they allow.
    if (step.vm_flags & ~(step.vm_flags >> 4) & kVmAccessFlags) return kDenied;
    return kStopped;
  }
  VmFlags lock = call_.args[2];
  if (all) {
    lock = (call_.args[0] & kMclCurrent) ? kVmLocked : 0;
    if (lock != 0 && (call_.args[0] & kMclOnFault)) lock |= kVmLockOnFault;
  }
  step.vm_flags = (vma->attrs.vm_flags & ~kVmLockedMask) | lock;
  return kStopped;
}

// What is probed of mlock() and mlockall() returns before the lock is given up.
bool CallCheck::ends_locked() const {
  return call_.kind == SVMA_CALL_MLOCK || call_.kind == SVMA_CALL_MLOCKALL;
}

bool CallCheck::is_uffd() const {
  return call_.kind == SVMA_CALL_UFFD_REGISTER || call_.kind == SVMA_CALL_UFFD_UNREGISTER;
}

// fs/userfaultfd.c userfaultfd_register() and userfaultfd_unregister(): holes are passed, and what
// is registered (or not) as wanted already.
CallCheck::State CallCheck::next_uffd_step(Step& step) const {
  const bool registers = call_.kind == SVMA_CALL_UFFD_REGISTER;
  VmFlags wanted = 0;
  if (call_.args[2] & 1) wanted |= kVmUffdMissing;
  if (call_.args[2] & 2) wanted |= kVmUffdWp;
  if (call_.args[2] & 4) wanted |= semantics_.uffd_minor();
  if (call_.args[2] & 8) wanted |= semantics_.uffd_rwp();
  VirtAddr cursor(call_.cursor);
  if (call_.state & kStepped) {
    const Vma* const last = space_.find_vma(cursor - 1);
    if (last != nullptr && last->vm_start < cursor) cursor = last->vm_end;
  }
  const VirtAddr end(call_.end);
  for (const Vma* vma = space_.find_vma(cursor); vma != nullptr && vma->vm_start < end;
       vma = AddressSpace::next(vma)) {
    const bool as_wanted =
        registers ? vma->attrs.uffd_ctx == call_.args[3] && (vma->attrs.vm_flags & wanted) == wanted
                  : vma->attrs.uffd_ctx == 0;
    if (as_wanted || vma->vm_end <= cursor) continue;
    if (call_.passed != 0 && vma->vm_start.value() == call_.passed) continue;
    step.range = {vma->vm_start > cursor ? vma->vm_start : cursor,
                  vma->vm_end < end ? vma->vm_end : end};
    step.vm_flags = (vma->attrs.vm_flags & ~semantics_.uffd_flags()) | (registers ? wanted : 0);
    step.uffd_ctx = registers ? call_.args[3] : 0;
    return kStopped;
  }
  return kDone;
}

// The protection key is kept, given, or, for PROT_EXEC alone, one that the kernel allocates.
VmFlags CallCheck::protected_flags(const Vma& vma, VmFlags& unknown) const {
  u64 prot = call_.args[2];
  if (call_.args[4] != 0 && (prot & kProtRead) && vma.has(kVmMayExec)) prot |= kProtExec;
  const i64 pkey = static_cast<i64>(call_.args[3]);
  const VmFlags kept = vma.attrs.vm_flags & ~(kVmAccessFlags | kVmPkeyMask);
  if (pkey >= 0) return kept | prot_bits(prot) | (static_cast<VmFlags>(pkey) << 32);
  const VmFlags own = vma.attrs.vm_flags & kVmPkeyMask;
  if (own != 0 || (prot & (kProtRead | kProtWrite | kProtExec)) == kProtExec) unknown = kVmPkeyMask;
  return kept | prot_bits(prot) | own;
}

void CallCheck::release() {
  if (PlanCheck::covers(call_)) return PlanCheck(semantics_, space_, call_).release();
  if (call_.kind != SVMA_CALL_MPROTECT && call_.kind != SVMA_CALL_MLOCK &&
      call_.kind != SVMA_CALL_MLOCKALL && !is_uffd()) {
    return;
  }
  Step unused;
  const State state = next_step(unused);
  call_.state = (call_.state & ~u32{kStateMask}) | state;
}

// A step that failed ends the call, with the step's error. Else it may stop for reasons of its own
// where a step was possible: a security module or a driver refused, a pkey is not allocated.
// mlock() has none between its steps.
void CallCheck::end(i64 result, svma_verdict& verdict) {
  if (PlanCheck::covers(call_)) return PlanCheck(semantics_, space_, call_).end(result, verdict);
  if (ends_locked() && (call_.state & kStateMask) == kBegun) release();
  if (call_.failed != 0 && call_.kind != SVMA_CALL_MLOCKALL) {  // mlockall() goes on regardless
    compare_value(verdict, SVMA_CORE_FIELD_RESULT, static_cast<u64>(call_.failed),
                  static_cast<u64>(result));
    return;
  }
  if (is_uffd() && result != 0) {  // refused, or the answer could not be written back
    count_fact(verdict, Fact::kFailure);
    return;
  }
  i64 expected = 0;
  switch (call_.state & kStateMask) {
    case kBegun:
      return;  // it never got the lock, or had nothing to do
    case kDone:
      break;
    case kHole:
      expected = -kENOMEM;
      break;
    case kDenied:
      expected = -kEACCES;
      break;
    default:
      if (result == 0) break;  // compared below: it should have gone on
      if (call_.kind == SVMA_CALL_MLOCK && (call_.state & kStepped)) break;
      count_fact(verdict, Fact::kFailure);
      return;
  }
  const bool went_short = (call_.state & kStateMask) == kStopped;
  if (!(call_.state & kStepped) && result != expected) {
    count_fact(verdict, Fact::kFailure);  // refused before the first step
    return;
  }
  compare_value(verdict, SVMA_CORE_FIELD_RESULT, static_cast<u64>(went_short ? 1 : expected),
                static_cast<u64>(result));
}

void CallCheck::munmap_step(const svma_op& op, svma_verdict& verdict) const {
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, call_.args[0], op.args[0]);
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, call_.args[0] + page_align(call_.args[1]),
                op.args[1]);
}

// mm/mmap.c do_mmap() on the way to mmap_region(addr, len, vm_flags, pgoff).
void CallCheck::mmap_step(const svma_op& op, svma_verdict& verdict) {
  if (op.kind != SVMA_CORE_MMAP) return;
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, page_align(call_.args[1]), op.args[1]);
  VmFlags unknown = 0;
  const VmFlags flags = mmap_flags(unknown);
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, flags & ~unknown, op.args[2] & ~unknown);
  u64 address = 0;
  if (predicts_address(op, address)) {
    compare_value(verdict, SVMA_CORE_FIELD_ADDRESS, address, op.args[0]);
  } else {
    count_fact(verdict, Fact::kAddress);
  }
  const bool file = (call_.args[6] & SVMA_FILE_THERE) != 0;
  const bool shared = (call_.args[3] & kMapType) == kMapShared;
  const u64 pgoff = file ? call_.args[4] : shared ? 0 : op.args[0] >> kPageShift;
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, pgoff, op.args[3]);
}

VmFlags CallCheck::mmap_flags(VmFlags& unknown) const {
  u64 prot = call_.args[2];
  const u64 flags = call_.args[3];
  const u64 file = call_.args[6];
  const bool noexec = (file & SVMA_FILE_NOEXEC) != 0;
  if ((prot & kProtRead) && (file & SVMA_TASK_READ_IMPLIES_EXEC) && !noexec) prot |= kProtExec;
  if ((prot & 7) == kProtExec) unknown |= kVmPkeyMask;

  VmFlags vm_flags = prot_bits(prot) | call_.args[5] | kVmMayRead | kVmMayWrite | kVmMayExec;
  if (flags & kMapGrowsDown) vm_flags |= kVmGrowsDown;
  if ((flags & kMapDenyWrite) && semantics_.mmap_keeps_denywrite) vm_flags |= kVmDenyWrite;
  if (flags & kMapLocked) vm_flags |= kVmLocked;
  if (flags & kMapSync) vm_flags |= kVmSync;
  if ((flags & kMapStack) && semantics_.mmap_stack_without_huge_pages) vm_flags |= kVmNoHugePage;
  if (is_droppable()) {
    vm_flags |= kVmDroppable | kVmNoReserve | kVmWipeOnFork | kVmDontDump;
  } else if ((flags & kMapType) != kMapPrivate) {
    vm_flags |= kVmShared | kVmMayShare;
    if ((file & SVMA_FILE_THERE) && !(file & SVMA_FILE_WRITABLE)) {
      vm_flags &= ~(kVmMayWrite | kVmShared);
    } else if (file & SVMA_FILE_OWN_SEARCH) {
      unknown |= kVmMayWrite;  // a memfd may be sealed
    }
  }
  if (noexec) vm_flags &= ~kVmMayExec;
  if ((flags & kMapNoReserve) &&
      (!(file & SVMA_TASK_STRICT_OVERCOMMIT) || (file & SVMA_FILE_HUGE))) {
    vm_flags |= kVmNoReserve;
  }
  return vm_flags;
}

bool CallCheck::is_droppable() const {
  return semantics_.mmap_knows_droppable && (call_.args[3] & kMapType) == kMapDroppable;
}

// A fixed address is taken as it is; a free hint, too; else it is what the last search found. A
// file may have its own idea.
bool CallCheck::predicts_address(const svma_op& op, u64& address) const {
  const u64 hint = call_.args[0];
  const u64 flags = call_.args[3];
  const u64 length = op.args[1];
  if (flags & (kMapFixed | kMapFixedNoReplace)) {
    address = hint;
    return true;
  }
  const bool shared = (flags & kMapType) != kMapPrivate && !is_droppable();
  if (shared || (call_.args[6] & SVMA_FILE_OWN_SEARCH)) return false;
  u64 at = hint & kPageMask;
  if (at != 0 && at < call_.args[7]) at = page_align(call_.args[7]);
  const Placement placement(semantics_, call_.placement);
  if (at != 0 && placement.takes_hint(space_, at, length, flags)) {
    address = at;
    return true;
  }
  const u64 offset = (call_.args[6] & SVMA_FILE_THERE) ? call_.args[4] << kPageShift : 0;
  address = at == 0 ? placement.place_unhinted(call_, length, offset) : call_.searched;
  return at != 0 || call_.searched != 0;
}

}  // namespace svma
