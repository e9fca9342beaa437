// SPDX-License-Identifier: GPL-2.0-only
#include "base/types.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace svma {
namespace {

AddrRange range(u64 start, u64 end) { return {VirtAddr(start), VirtAddr(end)}; }

TEST(VirtAddr, Arithmetic_CountsBytes) {
  const VirtAddr addr(0x1000);
  EXPECT_EQ((addr + 0x234).value(), 0x1234u);
  EXPECT_EQ((addr - 0x1000).value(), 0u);
  EXPECT_EQ(VirtAddr(0x5000) - addr, 0x4000u);
  EXPECT_EQ(addr + PageCount(2), VirtAddr(0x3000));
  EXPECT_EQ(VirtAddr(0x3000) - PageCount(2), addr);
}

TEST(VirtAddr, Alignment_IsToPages) {
  EXPECT_TRUE(VirtAddr(0x2000).page_aligned());
  EXPECT_FALSE(VirtAddr(0x2001).page_aligned());
  EXPECT_EQ(VirtAddr(0x2fff).page_down(), VirtAddr(0x2000));
  EXPECT_EQ(VirtAddr(0x2fff).page_number(), 2u);
}

TEST(UnitTypes, DifferentUnits_DoNotConvert) {
  EXPECT_FALSE((std::is_convertible_v<u64, VirtAddr>));
  EXPECT_FALSE((std::is_convertible_v<VirtAddr, u64>));
  EXPECT_FALSE((std::is_convertible_v<PageCount, PageOffset>));
  EXPECT_FALSE((std::is_convertible_v<u64, PageCount>));
  EXPECT_FALSE((std::is_convertible_v<Pfn, VirtAddr>));
}

TEST(PageCount, Bytes_ArePagesTimesPageSize) {
  EXPECT_EQ(PageCount(3).bytes(), 3 * kPageSize);
  EXPECT_EQ(PageCount(3) + PageCount(4), PageCount(7));
  EXPECT_EQ(PageCount(7) - PageCount(4), PageCount(3));
}

TEST(PageOffset, Minus_UndoesPlus) {
  EXPECT_EQ(PageOffset(5) + PageCount(3), PageOffset(8));
  EXPECT_EQ(PageOffset(8) - PageCount(3), PageOffset(5));
}

TEST(AddrRange, Half_OpenAtTheEnd) {
  const AddrRange r = range(0x1000, 0x3000);
  EXPECT_TRUE(r.contains(VirtAddr(0x1000)));
  EXPECT_TRUE(r.contains(VirtAddr(0x2fff)));
  EXPECT_FALSE(r.contains(VirtAddr(0x3000)));
  EXPECT_EQ(r.pages(), PageCount(2));
  EXPECT_EQ(r.bytes(), 0x2000u);
}

TEST(AddrRange, Touching_IsNotOverlapping) {
  EXPECT_FALSE(range(0x1000, 0x2000).overlaps(range(0x2000, 0x3000)));
  EXPECT_TRUE(range(0x1000, 0x2001).overlaps(range(0x2000, 0x3000)));
  EXPECT_TRUE(range(0x0, 0x9000).overlaps(range(0x2000, 0x3000)));
}

TEST(AddrRange, Empty_HoldsAndOverlapsNothing) {
  const AddrRange nothing = range(0x2000, 0x2000);
  EXPECT_TRUE(nothing.empty());
  EXPECT_TRUE(range(0x3000, 0x2000).empty());
  EXPECT_EQ(range(0x3000, 0x2000).bytes(), 0u);
  EXPECT_FALSE(nothing.contains(VirtAddr(0x2000)));
  EXPECT_FALSE(range(0x1000, 0x3000).overlaps(nothing));
}

TEST(AddrRange, FromLen_RefusesToWrap) {
  EXPECT_EQ(AddrRange::from_len(VirtAddr(0x1000), 0x1000)->end, VirtAddr(0x2000));
  EXPECT_EQ(AddrRange::from_len(VirtAddr(~u64{0} - 10), 11).err(), -kEINVAL);
  EXPECT_TRUE(AddrRange::from_len(VirtAddr(~u64{0} - 10), 10).ok());
}

}  // namespace
}  // namespace svma
