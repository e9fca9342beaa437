// SPDX-License-Identifier: GPL-2.0-only
#include "lib/sharers.hpp"

#include <gtest/gtest.h>

namespace svma::test {
namespace {

constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kExclusive = uint64_t{1} << 56;
constexpr uint64_t kAnon = 1 << 12;

SharedPage page_in(uint64_t frame, uint64_t mapcount, uint64_t flags = kAnon) {
  SharedPage page;
  page.entry = PageEntry(kPresent | frame);
  page.frame = FrameState{mapcount, PageFlags(flags)};
  page.anon_vma = 5;
  return page;
}

Candidate candidate(pid_t pid, std::optional<PageEntry> entry) {
  return {{uint64_t(pid), 0x1000, 0x3000, 0x2000}, pid, "prog", entry};
}

Candidate maps(pid_t pid, uint64_t frame) { return candidate(pid, PageEntry(kPresent | frame)); }

TEST(PageEntry, SamePage_PlaceAndKindCount) {
  const PageEntry page(kPresent | 77);
  EXPECT_TRUE(page.same_page(PageEntry(kPresent | kExclusive | 77)));
  EXPECT_FALSE(page.same_page(PageEntry(kPresent | 78)));
  EXPECT_FALSE(page.same_page(PageEntry(kSwapped | 77)));
  EXPECT_TRUE(PageEntry(kSwapped | 77).same_page(PageEntry(kSwapped | 77)));
  EXPECT_FALSE(PageEntry().same_page(PageEntry())) << "no page is not the same page";
}

TEST(Sharers, State_EachKind) {
  const SharedPage page = page_in(7, 1);
  EXPECT_EQ(state_of(maps(1, 7), page), SharerState::kMaps);
  EXPECT_EQ(state_of(maps(1, 8), page), SharerState::kOther);
  EXPECT_EQ(state_of(candidate(1, PageEntry(kSwapped | 7)), page), SharerState::kOther);
  EXPECT_EQ(state_of(candidate(1, PageEntry()), page), SharerState::kNothing);
  EXPECT_EQ(state_of(candidate(1, std::nullopt), page), SharerState::kGone);
}

TEST(Sharers, AllFound_NoContradiction) {
  const std::vector<Candidate> candidates{maps(1, 7), maps(2, 7), maps(3, 9)};
  const SharedPage page = page_in(7, 2);
  EXPECT_EQ(count_mappers(page, candidates), 2u);
  EXPECT_EQ(contradiction(page, candidates, 0), "");
  EXPECT_NE(sharers_text(page, candidates).find("3 VMAs may map it, 2 do; that is all of them"),
            std::string::npos)
      << sharers_text(page, candidates);
}

TEST(Sharers, OneMissing_ContradictsUnlessAbroad) {
  const std::vector<Candidate> candidates{maps(1, 7)};
  SharedPage page = page_in(7, 2);
  EXPECT_EQ(contradiction(page, candidates, 0),
            "all who may map it are tracked, but of 2 only 1 are found");
  page.abroad = true;
  EXPECT_EQ(contradiction(page, candidates, 0), "");
  EXPECT_NE(sharers_text(page, candidates).find("1 more mappings are of processes"),
            std::string::npos);
}

TEST(Sharers, OneInvented_Contradicts) {
  EXPECT_EQ(contradiction(page_in(7, 1), {maps(1, 7), maps(2, 7)}, 0),
            "2 VMAs map it, the kernel counts 1");
}

TEST(Sharers, AskedOneMissing_Contradicts) {
  EXPECT_EQ(contradiction(page_in(7, 1), {maps(2, 7)}, std::nullopt),
            "the VMA that maps the page is not among those that may");
}

TEST(Sharers, MapperLeftOut_ContradictsIfItMapsThisPage) {
  SharedPage page = page_in(7, 3, 0);
  page.abroad = true;
  EXPECT_EQ(contradiction(page, {maps(1, 7)}, 0, {maps(2, 8)}), "");
  EXPECT_EQ(contradiction(page, {maps(1, 7)}, 0, {maps(2, 7)}),
            "process 2 maps it at 2000 and is not among those that may");
}

TEST(Sharers, AddressIn_FirstLastAndBeyond) {
  Vma vma;
  vma.start = 0x10000;
  vma.end = 0x13000;
  vma.pgoff = 5;
  EXPECT_EQ(address_in(vma, 4), std::nullopt);
  EXPECT_EQ(address_in(vma, 5), 0x10000u);
  EXPECT_EQ(address_in(vma, 7), 0x12000u);
  EXPECT_EQ(address_in(vma, 8), std::nullopt);
}

TEST(Sharers, CountOfOtherWays_NotHeldAgainst) {
  for (const unsigned bit : {15u, 16u, 17u, 21u, 22u, 24u}) {
    const SharedPage page = page_in(7, 100, kAnon | 1u << bit);
    EXPECT_FALSE(count_is_known(page)) << bit;
    EXPECT_EQ(contradiction(page, {maps(1, 7)}, 0), "") << bit;
  }
  SharedPage cut = page_in(7, 100);
  cut.cut = true;
  EXPECT_FALSE(count_is_known(cut));
}

TEST(Sharers, Json_SaysWhatIsKnown) {
  SharedPage page = page_in(0x1a, 2);
  page.abroad = true;
  const Json json = to_json(page, {maps(4, 0x1a)}, "");
  EXPECT_EQ(json["frame"], "0x1a");
  EXPECT_EQ(json["mapcount"], 2);
  EXPECT_EQ(json["mappers"], 1);
  EXPECT_EQ(json["all_tracked"], false);
  EXPECT_EQ(json["candidates"][0]["state"], "maps it");
  EXPECT_TRUE(json["contradiction"].is_null());
  EXPECT_FALSE(json.contains("file"));
}

TEST(Sharers, PageText_SwappedAndFile) {
  SharedPage page;
  EXPECT_EQ(page_text(page), "no page is there yet");
  page.entry = PageEntry(kSwapped | 0x20);
  page.ino = 9;
  page.dev = 8u << 20 | 1;
  page.page = 3;
  EXPECT_EQ(page_text(page), "swapped out, slot 0x20; page 3 of file 08:01 inode 9");
}

}  // namespace
}  // namespace svma::test
