// SPDX-License-Identifier: GPL-2.0-only
//
// A system call against its steps. The kernel works through mprotect() or mlock() one VMA at a
// time, and each of these steps is an operation of its own. Whether they are the right ones is
// asked here:
//
//     mprotect(A + 1, 7)        AAAABBBB....      step [A+1, A end), then step [B, B end), then a
//     hole:
//               |------|                          the call must return -ENOMEM
//
// Each step's range and flags follow from the call's arguments and the layout at that moment; when
// the lock is given up, the layout says why there was no further step; and what the call returns
// has to agree with that.
//
// mmap() has one step, mmap_region(), whose address, flags and offset follow from the call, too.
// mremap(), brk() and mbind() have a plan: plan.hpp.
#pragma once

#include "abi/core_api.h"
#include "base/types.hpp"
#include "replay/semantics.hpp"
#include "vma/address_space.hpp"

namespace svma {

class CallCheck {
 public:
  CallCheck(const Semantics& semantics, const AddressSpace& space, svma_call& call)
      : semantics_(semantics), space_(space), call_(call) {}

  // A step begins: compares its arguments.
  void step(const svma_op& op, svma_verdict& verdict);

  // The lock is given up: notes how the call should end.
  void release();

  // The call has returned.
  void end(i64 result, svma_verdict& verdict);

 private:
  // svma_call.state
  enum State : u32 {
    kBegun = 0,
    kDone = 1,     // the whole range was worked through
    kHole = 2,     // a hole follows: -ENOMEM
    kDenied = 3,   // the next VMA's VM_MAY* flags forbid it: -EACCES
    kStopped = 4,  // a step would have been possible
    kStateMask = 7,
    kStepped = 8,  // at least one step was made
  };

  struct Step {
    AddrRange range;
    VmFlags vm_flags = 0;
    VmFlags unknown = 0;  // bits of vm_flags that only the kernel knows
    u64 uffd_ctx = 0;
  };

  void mmap_step(const svma_op& op, svma_verdict& verdict);
  VmFlags mmap_flags(VmFlags& unknown) const;
  bool is_droppable() const;
  bool predicts_address(const svma_op& op, u64& address) const;
  void munmap_step(const svma_op& op, svma_verdict& verdict) const;
  void begin_range();
  bool repeats_step(const svma_op& op) const;
  State next_step(Step& step);
  State next_uffd_step(Step& step) const;
  bool ends_locked() const;
  bool is_uffd() const;
  VmFlags protected_flags(const Vma& vma, VmFlags& unknown) const;

  const Semantics& semantics_;
  const AddressSpace& space_;
  svma_call& call_;
};

}  // namespace svma
