// SPDX-License-Identifier: GPL-2.0-only
#include "vma/vma.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

// Where searches and updates look must be one line; the same facts are asserted in the header, here
// they are also shown in a failure.
TEST(Vma, HotPart_IsOneCacheLine) {
  EXPECT_EQ(alignof(Vma), 64u);
  EXPECT_EQ(offsetof(Vma, attrs), 64u);
  EXPECT_EQ(sizeof(Vma), 128u);
}

TEST(Vma, EndPgoff_IsThatOfTheNextPage) {
  Vma vma;
  vma.vm_start = VirtAddr(0x5000);
  vma.vm_end = VirtAddr(0x8000);
  vma.attrs.vm_pgoff = PageOffset(10);
  EXPECT_EQ(vma.pages(), PageCount(3));
  EXPECT_EQ(vma.end_pgoff(), PageOffset(13));
}

TEST(Vma, Has_MeansAnyOf) {
  Vma vma;
  vma.attrs.vm_flags = kVmRead | kVmLocked;
  EXPECT_TRUE(vma.has(kVmLocked | kVmIo));
  EXPECT_FALSE(vma.has(kVmSpecial));
}

TEST(VmFlags, Special_IsWhatNeverMerges) {
  EXPECT_EQ(kVmSpecial, kVmIo | kVmDontExpand | kVmPfnMap | kVmMixedMap);
  EXPECT_EQ(kVmSpecial, 0x10044400u);
}

}  // namespace
}  // namespace svma
