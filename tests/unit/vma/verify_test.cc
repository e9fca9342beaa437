// SPDX-License-Identifier: GPL-2.0-only
#include "vma/verify.hpp"

#include <gtest/gtest.h>

#include "map_fixture.hpp"

namespace svma {

// Opens what cannot be damaged from outside.
class VerifierTestPeer {
 public:
  static u32& map_count(AddressSpace& mm) { return mm.map_count_; }
  static AddressSpace::VmaList& list(AddressSpace& mm) { return mm.list_; }
};

namespace {

using test::MapFixture;

// B is the root, A and C its children, D below C.
class Verify : public MapFixture {
 protected:
  Verify() { draw("AA.BB..CC...DD"); }

  void expect_found(const char* invariant, char at = '\0') {
    VerifyReport report;
    EXPECT_FALSE(verify(mm_, &report, {.accounting = true}));
    EXPECT_STREQ(report.invariant, invariant);
    if (at) {
      EXPECT_EQ(report.addr, vma(at)->vm_start);
    }
    EXPECT_FALSE(verify(mm_, nullptr, {.accounting = true}));
  }
};

TEST_F(Verify, Sound_ReportsNothing) {
  VerifyReport report;
  EXPECT_TRUE(verify(mm_, &report));
  EXPECT_EQ(report.invariant, nullptr);
  EXPECT_TRUE(verify(mm_, nullptr));
}

TEST_F(Verify, RememberedVmaThatIsNotLinked_IsNamed) {
  Vma stranger;
  mm_.mmap_cache().update(vma('C'));
  EXPECT_TRUE(verify(mm_, nullptr));
  mm_.mmap_cache().update(&stranger);
  expect_found("mmap_cache");
  mm_.mmap_cache().forget();
}

TEST_F(Verify, RedRoot_IsNamed) {
  vma('B')->rb.set_red();
  expect_found("rb_root_red", 'B');
  vma('B')->rb.set_black();
}

TEST_F(Verify, RedUnderRed_IsNamed) {
  vma('C')->rb.set_red();
  expect_found("rb_red_red", 'D');
  vma('C')->rb.set_black();
}

TEST_F(Verify, UnequalBlackHeight_IsNamed) {
  vma('D')->rb.set_black();
  expect_found("rb_black_height", 'D');
  vma('D')->rb.set_red();
}

TEST_F(Verify, WrongParent_IsNamed) {
  vma('A')->rb.set_parent(&vma('C')->rb);
  expect_found("rb_parent", 'A');
  vma('A')->rb.set_parent(&vma('B')->rb);
}

TEST_F(Verify, EmptyRange_IsNamed) {
  vma('C')->vm_end = vma('C')->vm_start;
  expect_found("empty_range", 'C');
}

TEST_F(Verify, UnalignedBound_IsNamed) {
  vma('C')->vm_end = vma('C')->vm_end - 1;
  expect_found("page_alignment", 'C');
}

TEST_F(Verify, WrongOrder_IsNamed) {
  vma('C')->vm_start = at(0);
  vma('B')->vm_start = at(1);
  vma('A')->vm_end = at(1);
  expect_found("rb_order", 'C');
}

TEST_F(Verify, Overlap_IsNamed) {
  vma('B')->vm_end = at(8);
  expect_found("overlap", 'C');
}

TEST_F(Verify, FlagsChangedBehindItsBack_IsNamed) {
  vma('C')->attrs.vm_flags |= kVmGrowsDown;
  expect_found("grows_down", 'C');
}

TEST_F(Verify, BrokenForwardLink_IsNamed) {
  Vma* const c = vma('C');
  vma('B')->list.next = vma('D');
  expect_found("list_next", 'B');
  vma('B')->list.next = c;
}

TEST_F(Verify, BrokenBackwardLink_IsNamed) {
  vma('C')->list.prev = vma('A');
  expect_found("list_prev", 'C');
  vma('C')->list.prev = vma('B');
}

TEST_F(Verify, ListInACircle_IsNamed) {
  vma('D')->list.next = vma('A');
  VerifyReport report;
  EXPECT_FALSE(verify(mm_, &report));
  EXPECT_STREQ(report.invariant, "list_next");
  vma('D')->list.next = nullptr;
}

TEST_F(Verify, VmaMissingInTheList_IsNamed) {
  Vma* const a = vma('A');
  VerifierTestPeer::list(mm_).erase(a);
  VerifyReport report;
  EXPECT_FALSE(verify(mm_, &report));
  EXPECT_STREQ(report.invariant, "list_head");
  VerifierTestPeer::list(mm_).insert_after(nullptr, a);
}

TEST_F(Verify, WrongGap_IsNamedWithBothNumbers) {
  vma('C')->rb_subtree_gap += 1;
  VerifyReport report;
  EXPECT_FALSE(verify(mm_, &report));
  EXPECT_STREQ(report.invariant, "rb_subtree_gap");
  EXPECT_EQ(report.expected + 1, report.found);
  EXPECT_EQ(report.addr, vma('C')->vm_start);
}

TEST_F(Verify, GapTooLargeAtTheLeaf_IsNotHiddenByItsParents) {
  vma('D')->rb_subtree_gap = ~u64{0};
  expect_found("rb_subtree_gap");
}

TEST_F(Verify, WrongMapCount_IsNamed) {
  ++VerifierTestPeer::map_count(mm_);
  expect_found("map_count");
  --VerifierTestPeer::map_count(mm_);
}

TEST_F(Verify, WrongCounters_AreNamedOnlyWhenAsked) {
  const Accounting right = mm_.acct();
  mm_.acct().total_vm += PageCount(1);
  expect_found("total_vm");
  EXPECT_TRUE(verify(mm_, nullptr)) << "not asked for";
  mm_.acct() = right;
  mm_.acct().data_vm += PageCount(1);
  expect_found("data_vm");
  mm_.acct() = right;
  mm_.acct().exec_vm += PageCount(1);
  expect_found("exec_vm");
  mm_.acct() = right;
  mm_.acct().stack_vm += PageCount(1);
  expect_found("stack_vm");
  mm_.acct() = right;
  mm_.acct().locked_vm += PageCount(1);
  expect_found("locked_vm");
}

}  // namespace
}  // namespace svma
