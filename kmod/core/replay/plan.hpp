// SPDX-License-Identifier: GPL-2.0-only
//
// The course of mremap(), brk() and mbind(). What such a call does next follows, at each moment
// while it holds mmap_lock, from its arguments and the layout:
//
//     mremap(FIXED, to a smaller size)
//
//     target mapped? --yes--> unmap it     Each question is answered by the layout alone: once the
//          | no                            target is unmapped, the answer to the first is no.
//     tail mapped? ----yes--> unmap it
//          | no
//     allowed? --------no---> -errno
//          | yes
//          +----------------> move, then the new address
//
// So a plan is one function from there to the next step or to the end. It is asked at each step,
// for what the step must be, and when the lock is given up, for what the call must return. What the
// layout does not decide (a capability, a driver, memory) may end a call early; a plan says where.
#pragma once

#include "abi/core_api.h"
#include "base/types.hpp"
#include "replay/semantics.hpp"
#include "vma/address_space.hpp"

namespace svma {

constexpr u64 page_align(u64 bytes) { return (bytes + kPageSize - 1) & kPageMask; }

// include/uapi/linux/mman.h
constexpr u64 kMremapMayMove = 1, kMremapFixed = 2, kMremapDontUnmap = 4;

// What comes next in a call.
struct Plan {
  static constexpr u32 kMaxArgs = 6;

  u32 step = SVMA_CORE_NONE;    // svma_op.kind; NONE: the call ends with `result`
  u32 nr_args = 0;              // of the step: how many must be as in `args`
  u32 unknown_args = 0;         // bit per argument that only the kernel knows
  bool may_be_refused = false;  // it may end here for reasons outside the layout
  bool unknown = false;         // nothing can be said about this call any more
  u64 args[kMaxArgs] = {};
  i64 result = 0;

  static constexpr Plan ends(i64 result, bool may_be_refused = false) {
    Plan plan;
    plan.result = result;
    plan.may_be_refused = may_be_refused;
    return plan;
  }
  static constexpr Plan nothing() {
    Plan plan;
    plan.unknown = true;
    return plan;
  }
  template <class... Args>
  static constexpr Plan does(u32 step, Args... args) {
    Plan plan;
    plan.step = step;
    ((plan.args[plan.nr_args++] = static_cast<u64>(args)), ...);
    return plan;
  }
};

// Holds a call against its plan. The three entry points are those of CallCheck.
class PlanCheck {
 public:
  PlanCheck(const Semantics& semantics, const AddressSpace& space, svma_call& call)
      : semantics_(semantics), space_(space), call_(call) {}

  static bool covers(const svma_call& call) {
    return call.kind == SVMA_CALL_MREMAP || call.kind == SVMA_CALL_BRK ||
           call.kind == SVMA_CALL_MBIND;
  }

  void step(const svma_op& op, svma_verdict& verdict);
  void release();
  void end(i64 result, svma_verdict& verdict) const;

 private:
  // svma_call.state
  enum State : u32 {
    kStepped = 1,     // at least one step was made
    kResized = 2,     // mremap: vma_to_resize() was entered; with kMoves, a move follows
    kMoves = 4,       // mremap
    kMoved = 8,       // mremap: move_vma() was entered
    kReleased = 16,   // the lock was given up: svma_call.expected is what to return, unless
    kPending = 32,    // a step should have come before that, and svma_call.expected is its kind
    kRefusable = 64,  // Plan.may_be_refused
    kUnknown = 128,   // Plan.unknown
    kLost = 256,      // a step differed
  };

  // Of mremap(), in bytes, rounded up to what the VMA is made of.
  struct Lengths {
    u64 before;
    u64 after;
  };
  // What vma_to_resize() answers: 0 or -errno.
  struct Resize {
    i64 refusal;
    bool may_be_refused;  // a capability decides
  };

  Plan next() const;
  void note_step(const svma_op& op);
  bool is_refusal(i64 result) const;
  bool refuses_at_once() const;
  bool over_memlock(VmFlags flags, u64 bytes) const;
  bool has(u32 state) const { return (call_.state & state) != 0; }

  // plan_mremap.cc
  bool mremap_arguments_valid() const;
  const Vma* mremap_vma() const;
  bool mremap_lengths(const Vma* vma, Lengths& lengths) const;
  Plan next_of_mremap() const;
  Plan unmap_tail(const Lengths& lengths) const;
  bool target_valid(const Lengths& lengths) const;
  Plan mremap_to(const Vma* vma, Lengths lengths) const;
  Resize vma_to_resize(const Vma& vma, const Lengths& lengths) const;
  bool expandable(const Vma& vma, u64 more) const;
  void decide_growth(Lengths lengths);
  Lengths asked_lengths() const;
  bool whole_pages(const Vma& vma, u64 addresses, Lengths& lengths) const;
  Plan make_room(Lengths& lengths) const;
  bool copy_fits(const Vma& vma, const Lengths& lengths) const;
  Plan next_of_checked_mremap() const;
  Resize check_prep_vma(const Vma& vma, Lengths& lengths) const;
  Plan checked_mremap_to(const Vma& vma, Lengths lengths) const;
  Plan next_of_moves() const;
  void note_move(const svma_op& op);
  Plan move(const Vma& vma, const Lengths& lengths) const;

  // plan_brk.cc
  Plan next_of_brk() const;
  Plan grow_brk(u64 old_end, u64 new_end) const;

  // plan_mbind.cc
  AddrRange bound_range() const;
  bool mbind_arguments_invalid() const;
  const Vma* first_bound(AddrRange range) const;
  const Vma* next_bound(AddrRange range) const;
  bool rebinds(const Vma& vma, const svma_op& op) const;
  Plan next_of_mbind() const;

  const Semantics& semantics_;
  const AddressSpace& space_;
  svma_call& call_;
};

}  // namespace svma
