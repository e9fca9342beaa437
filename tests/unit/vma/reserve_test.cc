// SPDX-License-Identifier: GPL-2.0-only
#include "vma/reserve.hpp"

#include <gtest/gtest.h>

#include "os_services.hpp"

namespace svma {
namespace {

class Reserve : public testing::Test {
 protected:
  ~Reserve() override {
    test::fail_allocation(0);
    EXPECT_EQ(test::allocations_outstanding(), 0u) << "leak";
  }
};

TEST_F(Reserve, Fill_BringsStockToN) {
  VmaReserve reserve;
  ASSERT_TRUE(reserve.fill(3).ok());
  EXPECT_EQ(reserve.available(), 3u);
  ASSERT_TRUE(reserve.fill(2).ok());
  EXPECT_EQ(reserve.available(), 3u);
  ASSERT_TRUE(reserve.fill(5).ok());
  EXPECT_EQ(reserve.available(), 5u);
  EXPECT_EQ(test::allocations_outstanding(), 5u);
}

TEST_F(Reserve, FillWithNthAllocationFailing_LeavesStockAsItWas) {
  for (unsigned nth = 1; nth <= 4; ++nth) {
    VmaReserve reserve;
    ASSERT_TRUE(reserve.fill(2).ok());
    test::fail_allocation(nth);
    EXPECT_EQ(reserve.fill(6), Status::error(kENOMEM));
    EXPECT_EQ(reserve.available(), 2u);
    EXPECT_EQ(test::allocations_outstanding(), 2u);
    test::fail_allocation(0);
    EXPECT_TRUE(reserve.fill(6).ok());
  }
}

TEST_F(Reserve, Take_GivesDefaultValues) {
  VmaReserve reserve;
  ASSERT_TRUE(reserve.fill(1).ok());
  Vma* const vma = vm_area_alloc(reserve);
  ASSERT_NE(vma, nullptr);
  EXPECT_EQ(vma->attrs, VmaAttrs());
  EXPECT_EQ(vma->vm_start, VirtAddr());
  EXPECT_EQ(vma->list.next, nullptr);
  vm_area_free(vma);
}

TEST_F(Reserve, TakeFromEmpty_IsNull) {
  VmaReserve reserve;
  EXPECT_EQ(vm_area_alloc(reserve), nullptr);
  EXPECT_EQ(vm_area_dup(reserve, Vma()), nullptr);
}

TEST_F(Reserve, Dup_CopiesValuesAndNoLinks) {
  Vma original;
  original.vm_start = VirtAddr(0x1000);
  original.vm_end = VirtAddr(0x2000);
  original.attrs.file = 7;
  original.list.next = &original;
  VmaReserve reserve;
  ASSERT_TRUE(reserve.fill(1).ok());
  Vma* const copy = vm_area_dup(reserve, original);
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->range(), original.range());
  EXPECT_EQ(copy->attrs, original.attrs);
  EXPECT_EQ(copy->list.next, nullptr);
  reserve.give_back(copy);
  EXPECT_EQ(reserve.available(), 1u);
}

TEST_F(Reserve, FreeOfNull_IsAllowed) { vm_area_free(nullptr); }

}  // namespace
}  // namespace svma
