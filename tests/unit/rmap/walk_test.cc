// SPDX-License-Identifier: GPL-2.0-only
#include "rmap/walk.hpp"

#include "rmap_fixture.hpp"

namespace svma::test {
namespace {

constexpr AddrRange pages(u64 first, u64 end) {
  return {VirtAddr(first * kPageSize), VirtAddr(end * kPageSize)};
}

// VMA pages 10 to 13 have the indices 5 to 8.
TEST(VmaAddress, Inside_IsTheDistanceOfTheIndices) {
  const AddrRange vma = pages(10, 14);
  EXPECT_EQ(*vma_address(vma, PageOffset(5), PageOffset(5), PageCount(1)),
            VirtAddr(10 * kPageSize));
  EXPECT_EQ(*vma_address(vma, PageOffset(5), PageOffset(8), PageCount(1)),
            VirtAddr(13 * kPageSize));
}

TEST(VmaAddress, Outside_IsNone) {
  const AddrRange vma = pages(10, 14);
  EXPECT_EQ(vma_address(vma, PageOffset(5), PageOffset(9), PageCount(1)).err(), -kEFAULT);
  EXPECT_EQ(vma_address(vma, PageOffset(5), PageOffset(4), PageCount(1)).err(), -kEFAULT);
  EXPECT_EQ(vma_address(vma, PageOffset(5), PageOffset(~u64{0}), PageCount(1)).err(), -kEFAULT);
}

// A large folio that begins below the VMA is met at its start.
TEST(VmaAddress, RangeThatBeginsBelow_IsTheStart) {
  const AddrRange vma = pages(10, 14);
  EXPECT_EQ(*vma_address(vma, PageOffset(5), PageOffset(2), PageCount(4)),
            VirtAddr(10 * kPageSize));
  EXPECT_EQ(vma_address(vma, PageOffset(5), PageOffset(1), PageCount(4)).err(), -kEFAULT);
}

// A moved stack that has grown below the index 0 would have gone negative: its indices wrap.
TEST(VmaAddress, IndicesThatWrap_AreNotMistaken) {
  const AddrRange vma = pages(10, 14);
  const PageOffset minus_two(~u64{0} - 1);
  EXPECT_EQ(*vma_address(vma, minus_two, minus_two, PageCount(1)), VirtAddr(10 * kPageSize));
  EXPECT_EQ(*vma_address(vma, minus_two, PageOffset(~u64{0}), PageCount(1)),
            VirtAddr(11 * kPageSize));
  EXPECT_EQ(vma_address(vma, minus_two, PageOffset(0), PageCount(1)).err(), -kEFAULT);
}

class RmapWalk : public RmapFixture {};

TEST_F(RmapWalk, Anon_GivesMmVmaAndAddress) {
  RmapVma* const vma = make_faulted(10, 14);
  vma->mm = 7;
  RmapVma* const child = fork(vma);
  child->mm = 8;
  std::vector<std::pair<u64, VirtAddr>> found;
  rmap_walk_anon(*vma->anon_vma, PageOffset(12), PageCount(1),
                 [&](const RmapVma& each, VirtAddr address) {
                   found.emplace_back(each.mm, address);
                   return true;
                 });
  const std::vector<std::pair<u64, VirtAddr>> expected{{7, at(12)}, {8, at(12)}};
  EXPECT_EQ(found, expected);
}

TEST_F(RmapWalk, Visitor_CanEndIt) {
  RmapVma* const vma = make_faulted(10, 14);
  fork(vma);
  fork(vma);
  int visits = 0;
  rmap_walk_anon(*vma->anon_vma, PageOffset(12), PageCount(1),
                 [&](const RmapVma&, VirtAddr) { return ++visits < 2; });
  EXPECT_EQ(visits, 2);
  FileRmap file;
  for (RmapVma& each : vmas_) {
    each.mapping = &file;
    rmap_.vma_link_file(&each);
  }
  visits = 0;
  rmap_walk_file(file, PageOffset(12), PageCount(1),
                 [&](const RmapVma&, VirtAddr) { return ++visits < 2; });
  EXPECT_EQ(visits, 2);
}

// What the child writes after the fork is nobody else's.
TEST_F(RmapWalk, Anon_FindsFewerTheYoungerTheOwner) {
  RmapVma* const parent = make_faulted(10, 14);
  RmapVma* const child = fork(parent);
  EXPECT_EQ(walk(parent->anon_vma, 10).size(), 2u);
  EXPECT_EQ(walk(child->anon_vma, 10), std::vector<const RmapVma*>{child});
  EXPECT_EQ(walk(child->anon_vma, 14).size(), 0u);
}

}  // namespace
}  // namespace svma::test
