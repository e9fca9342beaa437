// SPDX-License-Identifier: GPL-2.0-only
//
// The steps of linking, unlinking and unmapping one by one, each with what holds after it and what
// does not yet.
#include "vma/link.hpp"

#include <gtest/gtest.h>

#include "map_fixture.hpp"

namespace svma {

class AddressSpaceTestPeer {
 public:
  explicit AddressSpaceTestPeer(AddressSpace& mm) : mm_(mm) {}

  void vma_link_list(Vma* vma, Vma* prev) { mm_.vma_link_list(vma, prev); }
  void vma_link_rb(Vma* vma, const VmaLinks& links) { mm_.vma_link_rb(vma, links); }
  void vma_unlink_list(Vma* vma) { mm_.vma_unlink_list(vma); }
  void vma_rb_erase(Vma* vma, Vma* successor) { mm_.vma_rb_erase(vma, successor); }
  void vma_gap_update(Vma* vma) { mm_.vma_gap_update(vma); }
  u32& map_count() { return mm_.map_count_; }

  Vma* detach_vmas_to_be_unmapped(Vma* vma, VirtAddr end) {
    return mm_.detach_vmas_to_be_unmapped(vma, end);
  }
  static PgtableBounds unmap_region(const Vma* prev, const Vma* next) {
    return AddressSpace::unmap_region(prev, next);
  }
  void remove_vma_list(Vma* detached) { mm_.remove_vma_list(detached); }

 private:
  AddressSpace& mm_;
};

namespace {

using test::MapFixture;

class Steps : public MapFixture {
 protected:
  // The first invariant that does not hold, "" if all do.
  std::string violated() const {
    VerifyReport report;
    return verify(mm_, &report) ? "" : report.invariant;
  }

  Vma* fresh(AddrRange where) {
    stock(1);
    Vma* const vma = reserve_.take();
    vma->vm_start = where.start;
    vma->vm_end = where.end;
    return vma;
  }

  AddressSpaceTestPeer steps_{mm_};
};

TEST_F(Steps, LinkListThenRb_ThenCountIsAllThatIsMissing) {
  draw("AA..BB....CC");
  Vma* const vma = fresh({at(7), at(9)});
  const Result<VmaLinks> links = mm_.find_vma_links(vma->range());
  ASSERT_TRUE(links.ok());

  steps_.vma_link_list(vma, links->prev);
  EXPECT_EQ(AddressSpace::next(this->vma('B')), vma);
  EXPECT_EQ(AddressSpace::prev(vma), this->vma('B'));
  EXPECT_EQ(AddressSpace::next(vma), this->vma('C'));
  EXPECT_EQ(AddressSpace::prev(this->vma('C')), vma);
  EXPECT_EQ(mm_.find_vma(at(7)), this->vma('C')) << "not in the tree yet";
  EXPECT_EQ(violated(), "list_next");

  steps_.vma_link_rb(vma, *links);
  EXPECT_EQ(mm_.find_vma(at(7)), vma);
  EXPECT_EQ(violated(), "map_count");
  ++steps_.map_count();
  EXPECT_EQ(violated(), "");
}

TEST_F(Steps, LinkListAtEitherEnd_MovesHeadAndTail) {
  draw("..BB..");
  for (const AddrRange where : {AddrRange{at(0), at(1)}, AddrRange{at(5), at(6)}}) {
    Vma* const vma = fresh(where);
    const Result<VmaLinks> links = mm_.find_vma_links(where);
    ASSERT_TRUE(links.ok());
    steps_.vma_link_list(vma, links->prev);
    EXPECT_EQ(links->prev ? mm_.last() : mm_.first(), vma);
    steps_.vma_link_rb(vma, *links);
    ++steps_.map_count();
    EXPECT_EQ(violated(), "");
  }
  EXPECT_EQ(mm_.highest_vm_end(), at(6));
}

TEST_F(Steps, UnlinkListThenRbErase_ThenCountIsAllThatIsWrong) {
  draw("AA..BB....CC.DD");
  Vma* const gone = vma('B');
  Vma* const successor = AddressSpace::next(gone);
  steps_.vma_unlink_list(gone);
  EXPECT_EQ(AddressSpace::next(vma('A')), vma('C'));
  EXPECT_EQ(AddressSpace::prev(vma('C')), vma('A'));
  EXPECT_EQ(mm_.find_vma(at(4)), gone) << "still in the tree";
  EXPECT_NE(violated(), "");

  steps_.vma_rb_erase(gone, successor);
  EXPECT_EQ(mm_.find_vma(at(4)), vma('C'));
  EXPECT_EQ(violated(), "map_count");
  --steps_.map_count();
  EXPECT_EQ(violated(), "");
  reserve_.give_back(gone);
}

TEST_F(Steps, RbEraseInsideAGuardGap_TakesThePlainWay) {
  // S keeps 256 pages below it free, in which B lies: what B leaves is no gap.
  draw("A.B.SS", [](char name, VmaAttrs& attrs) {
    if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
  });
  Vma* const gone = vma('B');
  steps_.vma_unlink_list(gone);
  steps_.vma_rb_erase(gone, vma('S'));
  --steps_.map_count();
  EXPECT_EQ(violated(), "");
  reserve_.give_back(gone);
}

TEST_F(Steps, GapUpdate_ReachesTheRoot) {
  draw("AA.BB.CC.DD.EE.FF.GG");
  Vma* const leaf = vma('G');
  leaf->vm_start = leaf->vm_start + PageCount(1);
  EXPECT_EQ(violated(), "rb_subtree_gap");
  steps_.vma_gap_update(leaf);
  EXPECT_EQ(violated(), "");
  leaf->vm_start = leaf->vm_start - PageCount(2);
  EXPECT_EQ(violated(), "rb_subtree_gap");
  steps_.vma_gap_update(leaf);
  EXPECT_EQ(violated(), "");
}

TEST_F(Steps, FindVmaLinks_PlacesAreWhereTheDescentEnds) {
  draw("..BB..CC..DD");
  for (const char* map : {"A", "....AA", "........AA", "............A", ".....A"}) {
    const AddrRange where = range(map);
    const Result<VmaLinks> links = mm_.find_vma_links(where);
    ASSERT_TRUE(links.ok());
    Vma* prev = nullptr;
    EXPECT_EQ(links->next, mm_.find_vma_prev(where.start, &prev));
    EXPECT_EQ(links->prev, prev);
    ASSERT_NE(links->rb_parent, nullptr);
    const Vma* const parent = VmaRbHook::element(links->rb_parent);
    EXPECT_EQ(links->rb_link,
              &links->rb_parent->child[where.start < parent->vm_start ? kRbLeft : kRbRight]);
    EXPECT_EQ(*links->rb_link, nullptr);
    EXPECT_TRUE(parent == links->prev || parent == links->next);
  }
}

TEST_F(Steps, Detach_ChainsWhatIsGoneAndHidesIt) {
  draw("A.BB.CCD.E", [](char name, VmaAttrs& attrs) {
    if (name == 'C') attrs.vm_flags |= kVmLocked;
  });
  Vma* const expected[] = {vma('B'), vma('C'), vma('D')};
  const Accounting before = mm_.acct();
  Vma* const detached = steps_.detach_vmas_to_be_unmapped(expected[0], at(9));

  EXPECT_EQ(picture(), "A........E");
  EXPECT_EQ(violated(), "");
  EXPECT_EQ(mm_.find_vma(at(2)), vma('E'));
  const Vma* prev = nullptr;
  const Vma* at = detached;
  for (const Vma* vma : expected) {
    ASSERT_EQ(at, vma);
    EXPECT_EQ(AddressSpace::prev(at), prev);
    prev = at;
    at = AddressSpace::next(at);
  }
  EXPECT_EQ(at, nullptr);
  EXPECT_EQ(mm_.acct().locked_vm, PageCount(0)) << "nobody can find what was locked";
  EXPECT_EQ(mm_.acct().total_vm, before.total_vm) << "the rest is counted when it is removed";
  steps_.remove_vma_list(detached);
  check();
}

TEST_F(Steps, RemoveVmaList_NotesHighWaterThenCountsDown) {
  draw("AAABB");
  Vma* const detached = steps_.detach_vmas_to_be_unmapped(vma('A'), at(3));
  EXPECT_EQ(mm_.acct().hiwater_vm, PageCount(0));
  steps_.remove_vma_list(detached);
  EXPECT_EQ(mm_.acct().hiwater_vm, PageCount(5));
  EXPECT_EQ(mm_.acct().total_vm, PageCount(2));
  check();
}

struct Region {
  const char* before;
  const char* request;
  int floor;    // pages from the first character; -1: none
  int ceiling;  // likewise
};

const Region kRegions[] = {
    {"PPUUNN", "..UU..", 2, 4},       {"PP.UU.NN", "...UU...", 2, 6},
    {"UUUU", "UUUU", -1, -1},         {"..UU..NN", "..UU....", -1, 6},
    {"PP..UU..", "....UU..", 2, -1},  {"PPPPPP", "..UU..", 2, 4},
    {"PPPP.UU.", "..UUUUU.", 2, -1},  {"PP.AA.BBB", "...UUUUU.", 2, 8},
    {"PP....UU", "...UUUUU", 2, -1},  {"A.BBBBBB.C", "...UU.....", 3, 5},
    {"P.A.B.C.N", "..UUUUU..", 1, 8},
};

class UnmapRegion : public MapFixture, public testing::WithParamInterface<Region> {};

TEST_P(UnmapRegion, Bounds_AreTheNeighboursOfWhatIsUnmapped) {
  const Region& region = GetParam();
  draw(region.before);
  stock(AddressSpace::kMunmapReserve);
  const auto bound = [&](int page) {
    return page < 0 ? VirtAddr(0) : at(static_cast<std::size_t>(page));
  };
  PgtableBounds bounds{VirtAddr(1), VirtAddr(1)};
  ASSERT_TRUE(mm_.do_munmap(range(region.request), reserve_, 65530, &bounds).ok());
  EXPECT_EQ(bounds.floor, bound(region.floor));
  EXPECT_EQ(bounds.ceiling, bound(region.ceiling));
  check();
}

INSTANTIATE_TEST_SUITE_P(Pictures, UnmapRegion, testing::ValuesIn(kRegions));

TEST_F(Steps, UnmapRegionOfNothing_GivesNoBounds) {
  draw("AA..BB");
  const PgtableBounds untouched{VirtAddr(1), VirtAddr(2)};
  PgtableBounds bounds = untouched;
  ASSERT_TRUE(mm_.do_munmap({at(2), at(4)}, reserve_, 65530, &bounds).ok());
  EXPECT_EQ(bounds, untouched);
  EXPECT_EQ(mm_.do_munmap({at(1), at(3)}, reserve_, 65530, &bounds).err(), -kENOMEM);
  EXPECT_EQ(bounds, untouched);
}

TEST(UnmapRegionAlone, NoNeighbours_NoLimits) {
  EXPECT_EQ(AddressSpaceTestPeer::unmap_region(nullptr, nullptr), PgtableBounds());
}

}  // namespace
}  // namespace svma
