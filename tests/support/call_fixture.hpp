// SPDX-License-Identifier: GPL-2.0-only
// A layout, and a system call that is made on it step by step.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>

#include "replay/call.hpp"
#include "vma/reserve.hpp"

namespace svma::test {

constexpr u64 kBase = 0x7f0000000000;
constexpr VmFlags kMapped = kVmRead | kVmWrite | kVmMayRead | kVmMayWrite | kVmMayExec;

class CallTest : public ::testing::Test {
 protected:
  ~CallTest() override { space_.clear(); }

  void map(u64 page, u64 pages, VmFlags flags = kMapped) { map_at(at(page), pages, flags); }

  void map_at(u64 address, u64 pages, VmFlags flags = kMapped) {
    VmaReserve reserve;
    ASSERT_TRUE(reserve.fill(1).ok());
    Vma* const vma = reserve.take();
    vma->vm_start = VirtAddr(address);
    vma->vm_end = VirtAddr(address + pages * kPageSize);
    vma->attrs.vm_flags = flags;
    vma->attrs.vm_pgoff = PageOffset(address >> kPageShift);
    ASSERT_TRUE(space_.insert(vma).ok());
  }

  void unmap(u64 first, u64 last) {
    VmaReserve reserve;
    ASSERT_TRUE(reserve.fill(2).ok());
    ASSERT_TRUE(space_.do_munmap({VirtAddr(at(first)), VirtAddr(at(last))}, reserve, ~0u).ok());
  }

  static u64 at(u64 page) { return kBase + page * kPageSize; }
  Vma& vma_at(u64 page) { return *space_.find_vma(VirtAddr(at(page))); }

  static svma_call make(u32 kind, std::initializer_list<u64> args) {
    svma_call call{};
    call.kind = kind;
    u32 i = 0;
    for (u64 arg : args) call.args[i++] = arg;
    return call;
  }

  // Mismatches of one step.
  u32 step(svma_call& call, u32 kind, std::initializer_list<u64> args) {
    svma_op op{};
    op.kind = kind;
    u32 i = 0;
    for (u64 arg : args) op.args[i++] = arg;
    svma_verdict verdict{};
    CallCheck(*find_semantics(profile_), space_, call).step(op, verdict);
    EXPECT_GT(verdict.compared, 0u);
    return verdict.divergent;
  }

  void release(svma_call& call) { CallCheck(*find_semantics(profile_), space_, call).release(); }

  // Mismatches of the end, the lock having been given up. REQUIRES: nothing is called after it.
  u32 end(svma_call& call, i64 result) {
    release(call);
    return returns(call, result).divergent;
  }

  svma_verdict returns(svma_call& call, i64 result) {
    svma_verdict verdict{};
    CallCheck(*find_semantics(profile_), space_, call).end(result, verdict);
    return verdict;
  }

  const char* profile_ = "6.1";
  // Of the rules for merging only the profile's own choices are asked.
  AddressSpace space_{
      kDefaultStackGuardGap, GapRule::kLessGuardGap, {.close = CloseRule::kNeverRemoved}};
};

}  // namespace svma::test
