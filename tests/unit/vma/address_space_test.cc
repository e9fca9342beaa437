// SPDX-License-Identifier: GPL-2.0-only
#include "vma/address_space.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "map_fixture.hpp"
#include "naive_model.hpp"
#include "os_services.hpp"

namespace svma {
namespace {

using test::kRead;
using test::kReadWrite;
using test::MapFixture;

class FindVma : public MapFixture {};

TEST_F(FindVma, EachAddress_GivesTheFirstVmaEndingAbove) {
  draw(".AA..B.");
  const char expected[] = {'A', 'A', 'A', 'B', 'B', 'B', '\0'};
  for (std::size_t page = 0; page < 7; ++page) {
    const Vma* const found = expected[page] ? vma(expected[page]) : nullptr;
    EXPECT_EQ(mm_.find_vma(at(page)), found) << "page " << page;
    EXPECT_EQ(mm_.find_vma(at(page) + (kPageSize - 1)), found) << "page " << page;
  }
  EXPECT_EQ(mm_.find_vma(VirtAddr(0)), vma('A'));
  EXPECT_EQ(mm_.find_vma(VirtAddr(~u64{0})), nullptr);
}

TEST_F(FindVma, Empty_FindsNothing) {
  Vma* prev = nullptr;
  EXPECT_EQ(mm_.find_vma(VirtAddr(0)), nullptr);
  EXPECT_EQ(mm_.find_vma_prev(VirtAddr(0), &prev), nullptr);
  EXPECT_EQ(prev, nullptr);
  EXPECT_EQ(mm_.first(), nullptr);
  EXPECT_EQ(mm_.last(), nullptr);
  EXPECT_EQ(mm_.highest_vm_end(), VirtAddr(0));
  check();
}

TEST_F(FindVma, Prev_IsTheOneBelowEvenBehindTheLast) {
  draw(".AA..B.");
  Vma* prev = nullptr;
  EXPECT_EQ(mm_.find_vma_prev(at(0), &prev), vma('A'));
  EXPECT_EQ(prev, nullptr);
  EXPECT_EQ(mm_.find_vma_prev(at(3), &prev), vma('B'));
  EXPECT_EQ(prev, vma('A'));
  EXPECT_EQ(mm_.find_vma_prev(at(6), &prev), nullptr);
  EXPECT_EQ(prev, vma('B'));
}

TEST_F(FindVma, Intersection_NeedsAByteInCommon) {
  draw(".AA..B.");
  EXPECT_EQ(mm_.find_vma_intersection({at(0), at(1)}), nullptr);
  EXPECT_EQ(mm_.find_vma_intersection({at(0), at(1) + 1}), vma('A'));
  EXPECT_EQ(mm_.find_vma_intersection({at(3), at(5)}), nullptr);
  EXPECT_EQ(mm_.find_vma_intersection({at(2), at(6)}), vma('A'));
  EXPECT_EQ(mm_.find_vma_intersection({at(1), at(1)}), nullptr);
}

class Linking : public MapFixture {
 protected:
  Vma* fresh(AddrRange where) {
    stock(1);
    Vma* const vma = reserve_.take();
    vma->vm_start = where.start;
    vma->vm_end = where.end;
    return vma;
  }
};

TEST_F(Linking, LinksOfAFreeRange_NamePredecessor) {
  draw(".AA..B.");
  const Result<VmaLinks> links = mm_.find_vma_links({at(3), at(5)});
  ASSERT_TRUE(links.ok());
  EXPECT_EQ(links->prev, vma('A'));
  EXPECT_EQ(*links->rb_link, nullptr);
  EXPECT_EQ(mm_.find_vma_links({at(0), at(1)})->prev, nullptr);
  EXPECT_EQ(mm_.find_vma_links({at(6), at(9)})->prev, vma('B'));
}

TEST_F(Linking, OverlapOfAnyKind_IsRefused) {
  draw(".AAA.B.");
  for (const char* map : {"AA", ".A", "..A", "...AA", ".AAA", "AAAAAAA", "....AA"}) {
    Vma* const vma = fresh(range(map));
    EXPECT_EQ(mm_.insert(vma).err(), -kENOMEM) << map;
    reserve_.give_back(vma);
    check();
  }
}

TEST_F(Linking, BadBounds_AreRefused) {
  for (const AddrRange bad : {AddrRange{at(1), at(1)}, AddrRange{at(2), at(1)},
                              AddrRange{at(0) + 1, at(1)}, AddrRange{at(0), at(1) - 1}}) {
    Vma* const vma = fresh(bad);
    EXPECT_EQ(mm_.insert(vma).err(), -kEINVAL);
    reserve_.give_back(vma);
  }
}

TEST_F(Linking, LinkAndUnlink_KeepTotals) {
  draw("A.B.C");
  EXPECT_EQ(mm_.map_count(), 3u);
  EXPECT_EQ(mm_.highest_vm_end(), at(5));
  for (const char name : {'C', 'A', 'B'}) {
    Vma* const gone = vma(name);
    mm_.unlink(gone);
    reserve_.give_back(gone);
    check(false);
  }
  EXPECT_EQ(mm_.map_count(), 0u);
  EXPECT_EQ(mm_.highest_vm_end(), VirtAddr(0));
}

TEST_F(Linking, Clear_ForgetsEverything) {
  draw("AA.BB");
  mm_.clear();
  check();
  EXPECT_EQ(mm_.map_count(), 0u);
  EXPECT_EQ(mm_.acct(), Accounting());
  draw("C.D");
  EXPECT_EQ(picture(), "C.D");
}

TEST_F(Linking, RandomOperations_MatchTheNaiveModel) {
  for (u32 seed = 1; seed <= 4; ++seed) {
    std::mt19937 random(seed);
    test::NaiveModel model(mm_.stack_guard_gap());
    for (int step = 0; step < 1500; ++step) {
      const u64 first = random() % 200;
      const u64 pages = 1 + random() % 4;
      const AddrRange where{at(first), at(first + pages)};
      if (random() % 2) {
        Vma* const vma = fresh(where);
        vma->attrs = anonymous(where.start, random() % 8 ? kReadWrite : kReadWrite | kVmGrowsDown);
        const bool linked = mm_.insert(vma).ok();
        ASSERT_EQ(linked, model.insert({where.start.value(), where.end.value(), vma->attrs}));
        if (!linked) reserve_.give_back(vma);
      } else if (Vma* const vma = mm_.find_vma(where.start)) {
        model.erase(*model.find(where.start.value()));
        mm_.unlink(vma);
        reserve_.give_back(vma);
      }
      check(false);
      ASSERT_EQ(difference(mm_, model), "") << "seed " << seed << " step " << step;
      ASSERT_FALSE(HasFailure()) << "seed " << seed << " step " << step;
    }
    mm_.clear();
  }
}

class SplitVma : public MapFixture {};

TEST_F(SplitVma, NewAbove_LowerPartKeepsIdentity) {
  draw(".AAAA.");
  stock(1);
  ASSERT_TRUE(mm_.split_vma(vma('A'), at(3), SplitSide::kNewAbove, reserve_).ok());
  check();
  EXPECT_EQ(picture(), ".AAaa.");
  EXPECT_EQ(AddressSpace::next(vma('A'))->attrs.vm_pgoff.value(), at(3).page_number());
  EXPECT_EQ(vma('A')->attrs.vm_pgoff.value(), at(1).page_number());
}

TEST_F(SplitVma, NewBelow_UpperPartKeepsIdentity) {
  draw(".AAAA.");
  stock(1);
  ASSERT_TRUE(mm_.split_vma(vma('A'), at(2), SplitSide::kNewBelow, reserve_).ok());
  check();
  EXPECT_EQ(picture(), ".aAAA.");
  EXPECT_EQ(vma('A')->attrs.vm_pgoff.value(), at(2).page_number());
  EXPECT_EQ(AddressSpace::prev(vma('A'))->attrs.vm_pgoff.value(), at(1).page_number());
}

TEST_F(SplitVma, AllAttributes_AreInherited) {
  draw("AAAA", [](char, VmaAttrs& attrs) {
    attrs.vm_flags = kRead | kVmLocked;
    attrs.file = 1;
    attrs.dev = 3;
    attrs.vm_policy = 4;
    attrs.anon_vma = 5;
    attrs.uffd_ctx = 6;
    attrs.anon_name = 7;
    attrs.has_close = true;
    attrs.anon_singular = true;
  });
  for (const SplitSide side : {SplitSide::kNewAbove, SplitSide::kNewBelow}) {
    stock(1);
    Vma* const whole = vma('A');
    const VirtAddr cut = whole->vm_start + PageCount(side == SplitSide::kNewAbove ? 2 : 1);
    ASSERT_TRUE(mm_.split_vma(whole, cut, side, reserve_).ok());
    check();
    VmaAttrs upper = mm_.find_vma(cut)->attrs;
    EXPECT_EQ(upper.vm_pgoff.value(), cut.page_number());
    const Vma* const below = AddressSpace::prev(mm_.find_vma(cut));
    upper.vm_pgoff = below->attrs.vm_pgoff;
    EXPECT_EQ(upper, below->attrs);
  }
}

TEST_F(SplitVma, NoMemory_ChangesNothing) {
  draw(".AAAA.");
  EXPECT_EQ(mm_.split_vma(vma('A'), at(3), SplitSide::kNewAbove, reserve_).err(), -kENOMEM);
  check();
  EXPECT_EQ(picture(), ".AAAA.");
  EXPECT_EQ(vma('A')->pages(), PageCount(4));
}

TEST_F(SplitVma, ThenMerge_IsAsBefore) {
  draw("AAAAAA");
  stock(1);
  ASSERT_TRUE(mm_.split_vma(vma('A'), at(4), SplitSide::kNewAbove, reserve_).ok());
  mm_.set_flags(mm_.find_vma(at(4)), kRead);
  EXPECT_EQ(mm_.vma_merge(vma('A'), {at(4), at(6)}, anonymous(at(4))), vma('A'));
  check();
  EXPECT_EQ(picture(), "AAAAAA");
}

class VmaExpand : public MapFixture {};

TEST_F(VmaExpand, IntoAHole_MovesEitherEnd) {
  draw("..AA..B");
  mm_.vma_expand(vma('A'), {at(1), at(5)}, PageOffset(9), vma('B'));
  check(false);
  EXPECT_EQ(picture(), ".AAAA.B");
  EXPECT_EQ(vma('A')->attrs.vm_pgoff, PageOffset(9));
}

TEST_F(VmaExpand, OverNext_FreesItAndTakesItsAnonVma) {
  draw("AA..BB", [](char name, VmaAttrs& attrs) {
    attrs.anon_vma = name == 'B' ? 5 : 0;
    attrs.anon_singular = name == 'B';
  });
  mm_.vma_expand(vma('A'), {at(0), at(6)}, vma('A')->attrs.vm_pgoff, vma('B'));
  check(false);
  EXPECT_EQ(picture(), "AAAAAA");
  EXPECT_EQ(vma('A')->attrs.anon_vma, 5u);
  EXPECT_TRUE(vma('A')->attrs.anon_singular);
}

TEST_F(VmaExpand, NextIsItself_GrowsDownwards) {
  draw("A..BB");
  mm_.vma_expand(vma('B'), {at(2), at(5)}, PageOffset(1), vma('B'));
  check(false);
  EXPECT_EQ(picture(), "A.BBB");
}

class ExpandDownwards : public MapFixture {
 protected:
  void draw_stack(const std::string& map) {
    draw(map, [](char name, VmaAttrs& attrs) {
      if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
    });
  }
};

TEST_F(ExpandDownwards, AddressBelow_MovesStartToItsPage) {
  draw_stack("A.....SS");
  ASSERT_TRUE(mm_.expand_downwards(vma('S'), at(4) + 123).ok());
  check(false);
  EXPECT_EQ(picture(), "A...SSSS");
  EXPECT_EQ(vma('S')->attrs.vm_pgoff.value(), at(4).page_number());
}

TEST_F(ExpandDownwards, AddressInside_ChangesNothing) {
  draw_stack("A.....SS");
  EXPECT_TRUE(mm_.expand_downwards(vma('S'), at(7)).ok());
  check();
  EXPECT_EQ(picture(), "A.....SS");
}

TEST_F(ExpandDownwards, NotAStack_IsRefused) {
  draw_stack("A.....SS");
  EXPECT_EQ(mm_.expand_downwards(vma('A'), VirtAddr(kBase - kPageSize)).err(), -kEFAULT);
  check();
}

TEST_F(ExpandDownwards, OntoAnotherVma_IsRefused) {
  draw_stack("AA....SS");
  EXPECT_EQ(mm_.expand_downwards(vma('S'), at(1)).err(), -kENOMEM);
  check();
  EXPECT_EQ(picture(), "AA....SS");
}

TEST_F(ExpandDownwards, OffsetWouldBecomeNegative_IsRefused) {
  draw_stack("......SS");
  vma('S')->attrs.vm_pgoff = PageOffset(2);
  EXPECT_EQ(mm_.expand_downwards(vma('S'), at(3)).err(), -kENOMEM);
  check();
  ASSERT_TRUE(mm_.expand_downwards(vma('S'), at(4)).ok());
  EXPECT_EQ(vma('S')->attrs.vm_pgoff, PageOffset(0));
  check(false);
}

class VmaAdjust : public MapFixture {};

TEST_F(VmaAdjust, NothingAbove_OnlyMovesBounds) {
  draw("A..SSS");
  mm_.vma_adjust(vma('S'), {at(1), at(4)}, PageOffset(3), nullptr, nullptr);
  check(false);
  EXPECT_EQ(picture(), "ASSS..");
  EXPECT_EQ(mm_.highest_vm_end(), at(4));
}

TEST_F(VmaAdjust, ShrinkAwayFromNext_LeavesAHole) {
  draw("AAAABB");
  mm_.vma_adjust(vma('A'), {at(0), at(2)}, vma('A')->attrs.vm_pgoff, nullptr, nullptr);
  check(false);
  EXPECT_EQ(picture(), "AA..BB");
}

TEST_F(VmaAdjust, BoundaryBetweenNeighbours_MovesBothWays) {
  draw("AAAABBBB");
  mm_.vma_adjust(vma('A'), {at(0), at(6)}, vma('A')->attrs.vm_pgoff, nullptr, vma('A'));
  check();
  EXPECT_EQ(picture(), "AAAAAABB");
  mm_.vma_adjust(vma('A'), {at(0), at(1)}, vma('A')->attrs.vm_pgoff, nullptr, vma('B'));
  check();
  EXPECT_EQ(picture(), "ABBBBBBB");
  EXPECT_EQ(vma('B')->attrs.vm_pgoff.value(), at(1).page_number());
}

TEST_F(VmaAdjust, ShrinkingGivesPagesAway_AnonVmaGoesAlong) {
  draw("AAAABBBB", [](char name, VmaAttrs& attrs) {
    attrs.anon_vma = name == 'A' ? 3 : 0;
    attrs.anon_singular = name == 'A';
  });
  mm_.vma_adjust(vma('A'), {at(0), at(2)}, vma('A')->attrs.vm_pgoff, nullptr, vma('B'));
  check();
  EXPECT_EQ(vma('B')->attrs.anon_vma, 3u);
  EXPECT_TRUE(vma('B')->attrs.anon_singular);
}

}  // namespace
}  // namespace svma
