// SPDX-License-Identifier: GPL-2.0-only
#include "replay/plan.hpp"

#include "replay/compare.hpp"
#include "replay/facts.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
Plan PlanCheck::next() const {
  if (has(kUnknown | kLost) || call_.limits_moved != 0) return Plan::nothing();
  switch (call_.kind) {
    case SVMA_CALL_MREMAP:
      return next_of_mremap();
    case SVMA_CALL_BRK:
      return next_of_brk();
    case SVMA_CALL_MBIND:
      return next_of_mbind();
    default:
      return Plan::nothing();
  }
}

// mm/mmap.c mlock_future_check() in v6.1, but for the capability that may allow it all the same.
bool PlanCheck::over_memlock(VmFlags flags, u64 bytes) const {
  if (!(flags & kVmLocked)) return false;
  const u64 locked = (bytes >> kPageShift) + space_.acct().locked_vm.value();
  return locked > call_.rlimits.memlock >> kPageShift;
}

// A step that differs is reported once; what the call does after that is anybody's guess.
void PlanCheck::step(const svma_op& op, svma_verdict& verdict) {
  const Plan plan = next();
  if (plan.unknown) return;
  if (!compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, plan.step, op.kind)) {
    call_.state |= kLost;
    return;
  }
  for (u32 i = 0; i < plan.nr_args; ++i) {
    if ((plan.unknown_args >> i) & 1) continue;
    compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, plan.args[i], op.args[i]);
  }
  if (op.kind == SVMA_CORE_MREMAP_MOVE && plan.unknown_args != 0) {
    count_fact(verdict, Fact::kAddress);
  }
  note_step(op);
}

void PlanCheck::note_step(const svma_op& op) {
  call_.state |= kStepped;
  switch (op.kind) {
    case SVMA_CORE_MREMAP_EXPAND:
      return decide_growth({op.args[1], op.args[2]});
    case SVMA_CORE_MREMAP_MOVE:
      return note_move(op);
    case SVMA_CORE_MBIND:
      if (const Vma* const vma = space_.find_vma(VirtAddr(op.args[3]))) {
        call_.cursor = (rebinds(*vma, op) ? vma->vm_start : vma->vm_end).value();
      }
      return;
    default:
      return;
  }
}

// Each of the three takes the lock once; what is given up later is not the call's own.
void PlanCheck::release() {
  if (has(kReleased)) return;
  const Plan plan = next();
  call_.state |= kReleased;
  if (plan.unknown) call_.state |= kUnknown;
  if (plan.may_be_refused) call_.state |= kRefusable;
  call_.expected = plan.result;
  if (plan.step == SVMA_CORE_NONE) return;
  call_.state |= kPending;
  call_.expected = plan.step;
}

// brk() refuses by telling where the heap ends. -EFAULT of do_mbind() is about holes and nothing
// else.
bool PlanCheck::is_refusal(i64 result) const {
  if (call_.kind == SVMA_CALL_BRK) return static_cast<u64>(result) == call_.heap;
  return is_error(result) && !(call_.kind == SVMA_CALL_MBIND && result == -kEFAULT);
}

// Whether the arguments alone are wrong, so that the lock is not even taken.
bool PlanCheck::refuses_at_once() const {
  return call_.kind == SVMA_CALL_MREMAP
             ? !mremap_arguments_valid()
             : call_.kind == SVMA_CALL_MBIND && mbind_arguments_invalid();
}

void PlanCheck::end(i64 result, svma_verdict& verdict) const {
  const u64 returned = static_cast<u64>(result);
  if (!has(kReleased)) {
    if (refuses_at_once()) {
      compare_value(verdict, SVMA_CORE_FIELD_RESULT, static_cast<u64>(-kEINVAL), returned);
    }
    return;  // else it was killed before it had the lock
  }
  if (call_.kind == SVMA_CALL_BRK) {
    compare_value(verdict, SVMA_CORE_FIELD_RESULT, call_.brk, returned);
  }
  if (has(kLost)) return;
  if (has(kUnknown)) return count_fact(verdict, Fact::kResource);
  const bool as_planned = !has(kPending) && result == call_.expected;
  if (!as_planned && has(kRefusable) && is_refusal(result)) {
    return count_fact(verdict, Fact::kFailure);
  }
  if (has(kPending)) {
    compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, static_cast<u64>(call_.expected),
                  SVMA_CORE_NONE);
  } else {
    compare_value(verdict, SVMA_CORE_FIELD_RESULT, static_cast<u64>(call_.expected), returned);
  }
}

}  // namespace svma
