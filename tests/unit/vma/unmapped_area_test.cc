// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <random>

#include "map_fixture.hpp"
#include "naive_model.hpp"
#include "vma/address_space.hpp"

namespace svma {
namespace {

using test::kReadWrite;
using test::MapFixture;

class UnmappedArea : public MapFixture {
 protected:
  // A request for `pages` within the drawn map.
  UnmappedAreaInfo ask(u64 pages, std::size_t low, std::size_t high) const {
    UnmappedAreaInfo info;
    info.length = pages * kPageSize;
    info.low_limit = at(low);
    info.high_limit = at(high);
    return info;
  }

  // Results as page numbers of the map; -1 if there is none.
  long lowest(const UnmappedAreaInfo& info) const { return page(mm_.unmapped_area(info)); }
  long highest(const UnmappedAreaInfo& info) const { return page(mm_.unmapped_area_topdown(info)); }

 private:
  static long page(Result<VirtAddr> addr) {
    if (!addr.ok()) {
      EXPECT_EQ(addr.err(), -kENOMEM);
      return -1;
    }
    EXPECT_TRUE(addr->page_aligned());
    return static_cast<long>(addr->page_number()) -
           static_cast<long>(VirtAddr(kBase).page_number());
  }
};

TEST_F(UnmappedArea, NothingMapped_GivesTheLimits) {
  EXPECT_EQ(lowest(ask(2, 3, 9)), 3);
  EXPECT_EQ(highest(ask(2, 3, 9)), 7);
}

TEST_F(UnmappedArea, SeveralHoles_FirstThatFitsFromEachEnd) {
  draw("A.B..C...D..E.F");
  EXPECT_EQ(lowest(ask(1, 0, 15)), 1);
  EXPECT_EQ(lowest(ask(2, 0, 15)), 3);
  EXPECT_EQ(lowest(ask(3, 0, 15)), 6);
  EXPECT_EQ(lowest(ask(4, 0, 15)), -1);
  EXPECT_EQ(highest(ask(1, 0, 15)), 13);
  EXPECT_EQ(highest(ask(2, 0, 15)), 10);
  EXPECT_EQ(highest(ask(3, 0, 15)), 6);
  EXPECT_EQ(highest(ask(4, 0, 15)), -1);
}

TEST_F(UnmappedArea, LimitsInsideAHole_ClipIt) {
  draw("A......B");
  EXPECT_EQ(lowest(ask(2, 3, 8)), 3);
  EXPECT_EQ(highest(ask(2, 0, 5)), 3);
  EXPECT_EQ(lowest(ask(2, 3, 5)), 3);
  EXPECT_EQ(highest(ask(2, 3, 5)), 3);
  EXPECT_EQ(lowest(ask(3, 3, 5)), -1);
  EXPECT_EQ(highest(ask(3, 3, 5)), -1);
}

TEST_F(UnmappedArea, LimitsInsideAVma_SkipIt) {
  draw("AAAA..BBBB..CC");
  EXPECT_EQ(lowest(ask(1, 2, 14)), 4);
  EXPECT_EQ(highest(ask(1, 0, 8)), 5);
  EXPECT_EQ(lowest(ask(1, 6, 10)), -1);
  EXPECT_EQ(highest(ask(1, 6, 10)), -1);
}

TEST_F(UnmappedArea, SpaceAboveAll_IsUsedLastFromBelowFirstFromAbove) {
  draw("A.B");
  EXPECT_EQ(lowest(ask(1, 0, 9)), 1);
  EXPECT_EQ(lowest(ask(2, 0, 9)), 3);
  EXPECT_EQ(highest(ask(2, 0, 9)), 7);
  EXPECT_EQ(lowest(ask(7, 0, 9)), -1);
}

TEST_F(UnmappedArea, SpaceBelowAll_IsAGapToo) {
  draw("...A");
  EXPECT_EQ(lowest(ask(2, 0, 4)), 0);
  EXPECT_EQ(highest(ask(2, 0, 4)), 1);
}

TEST_F(UnmappedArea, ImpossibleRequests_AreRefused) {
  UnmappedAreaInfo info = ask(1, 0, 4);
  info.length = ~u64{0} - 1;
  info.align_mask = kPageSize;
  EXPECT_EQ(lowest(info), -1) << "length and mask wrap around";
  EXPECT_EQ(highest(info), -1);
  EXPECT_EQ(lowest(ask(1, 4, 4)), -1);
  EXPECT_EQ(highest(ask(1, 4, 3)), -1);
  info = ask(1, 0, 4);
  info.length = kBase + 5 * kPageSize;
  EXPECT_EQ(lowest(info), -1) << "longer than everything below high_limit";
  EXPECT_EQ(highest(info), -1);
}

TEST_F(UnmappedArea, Alignment_IsPaidFor) {
  draw("A....B.........C");
  UnmappedAreaInfo info = ask(1, 0, 16);
  info.align_mask = 4 * kPageSize - 1;  // room for 1 + 4 pages less a byte is asked for
  EXPECT_EQ(lowest(info), 8);
  EXPECT_EQ(highest(info), 12);
  info.align_offset = 2 * kPageSize;
  EXPECT_EQ(lowest(info), 6);
  EXPECT_EQ(highest(info), 14);
}

TEST_F(UnmappedArea, StackAbove_KeepsItsGuardGapFree) {
  draw("A" + std::string(300, '.') + "S", [](char name, VmaAttrs& attrs) {
    if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
  });
  EXPECT_EQ(highest(ask(1, 0, 302)), 301 - 256 - 1);
  EXPECT_EQ(lowest(ask(44, 0, 302)), 1);
  EXPECT_EQ(lowest(ask(45, 0, 302)), -1);
}

// The fault described in unmapped_area.cc. The guard gap of S reaches below B, so that the gap
// "owned" by S ends before that of B; walking down from S, the search gives up before it has seen
// the gap beneath B.
TEST_F(UnmappedArea, GuardGapReachesBelowTheVmaUnderTheStack_GapIsMissed) {
  draw("A" + std::string(300, '.') + "B.S", [](char name, VmaAttrs& attrs) {
    if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
  });
  // Enough for the subtree of S to be looked at: a hole above it.
  draw(std::string(700, '.') + "T");
  EXPECT_EQ(highest(ask(10, 290, 301)), -1);
  EXPECT_EQ(lowest(ask(10, 290, 301)), 290);
}

TEST_F(UnmappedArea, RandomRequests_MatchTheNaiveModel) {
  for (u32 seed = 1; seed <= 6; ++seed) {
    std::mt19937 random(seed);
    test::NaiveModel model(mm_.stack_guard_gap());
    for (int i = 0; i < 60; ++i) {
      const u64 first = random() % 1000;
      const AddrRange where{at(first), at(first + 1 + random() % 6)};
      stock(1);
      Vma* const vma = reserve_.take();
      vma->vm_start = where.start;
      vma->vm_end = where.end;
      if (!mm_.insert(vma).ok()) {
        reserve_.give_back(vma);
        continue;
      }
      ASSERT_TRUE(model.insert({where.start.value(), where.end.value(), vma->attrs}));
    }
    check(false);
    for (int i = 0; i < 2000; ++i) {
      UnmappedAreaInfo info = ask(1 + random() % 60, random() % 500, 500 + random() % 600);
      info.align_mask = random() % 2 ? 0 : ((kPageSize << (random() % 5)) - 1) & kPageMask;
      info.align_offset = (random() % 64) * kPageSize;
      const Result<VirtAddr> low = mm_.unmapped_area(info);
      const Result<VirtAddr> high = mm_.unmapped_area_topdown(info);
      ASSERT_EQ(low.value_or(VirtAddr(0)).value(), model.lowest_fit(info).value_or(0));
      ASSERT_EQ(high.value_or(VirtAddr(0)).value(), model.highest_fit(info).value_or(0));
    }
    mm_.clear();
  }
}

}  // namespace
}  // namespace svma
