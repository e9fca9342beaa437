// SPDX-License-Identifier: GPL-2.0-only
#include "vma/merge.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <random>

#include "map_fixture.hpp"

namespace svma {
namespace {

using test::kRead;
using test::kReadWrite;
using test::MapFixture;

// One of the eight pictures. VMAs in `like_request` have the attributes of the request, others lack
// write permission.
struct Picture {
  MergeCase merge_case;
  const char* before;
  const char* request;
  const char* like_request;
  const char* after;
  char survivor;
  // What is left to do if the lower / upper neighbour does not fit after all.
  MergeCase without_prev;
  MergeCase without_next;
};

constexpr MergeCase kNone = MergeCase::kNone;
constexpr MergeCase k1 = MergeCase::k1PrevTakesAllOfNext;
constexpr MergeCase k2 = MergeCase::k2PrevGrowsIntoHole;
constexpr MergeCase k3 = MergeCase::k3NextGrowsIntoHole;
constexpr MergeCase k4 = MergeCase::k4NextTakesEndOfPrev;
constexpr MergeCase k5 = MergeCase::k5PrevTakesStartOfNext;
constexpr MergeCase k6 = MergeCase::k6PrevTakesNextAndNextNext;
constexpr MergeCase k7 = MergeCase::k7PrevTakesNext;
constexpr MergeCase k8 = MergeCase::k8NextNextTakesNext;

const Picture kPictures[] = {
    // case  before          request         fit    after           survivor
    {k1, "PPPP....NNNN", "....AAAA....", "PN", "PPPPPPPPPPPP", 'P', k3, k2},
    {k2, "PPPP....NNNN", "....AAAA....", "P", "PPPPPPPPNNNN", 'P', kNone, k2},
    {k2, "PPPP......NN", "....AAAA....", "PN", "PPPPPPPP..NN", 'P', kNone, k2},
    {k2, "PPPP........", "....AAAA....", "P", "PPPPPPPP....", 'P', kNone, k2},
    {k3, "PPPP....NNNN", "....AAAA....", "N", "PPPPNNNNNNNN", 'N', k3, kNone},
    {k3, "PP......NNNN", "....AAAA....", "PN", "PP..NNNNNNNN", 'N', k3, kNone},
    {k3, "........NNNN", "....AAAA....", "N", "....NNNNNNNN", 'N', k3, kNone},
    {k4, "PPPPPPNNNN..", "..AAAA......", "N", "PPNNNNNNNN..", 'N', k4, kNone},
    {k5, "PPPPNNNNNN..", "....AAAA....", "P", "PPPPPPPPNN..", 'P', kNone, k5},
    {k6, "PPPPNNNNXXXX", "....AAAA....", "PX", "PPPPPPPPPPPP", 'P', k8, k7},
    {k7, "PPPPNNNNXXXX", "....AAAA....", "P", "PPPPPPPPXXXX", 'P', kNone, k7},
    {k7, "PPPPNNNN..XX", "....AAAA....", "PX", "PPPPPPPP..XX", 'P', kNone, k7},
    {k8, "PPPPNNNNXXXX", "....AAAA....", "X", "PPPPXXXXXXXX", 'X', k8, kNone},
    {k8, "....NNNNXXXX", "....AAAA....", "X", "....XXXXXXXX", 'X', k8, kNone},
};

// A way in which a neighbour may not fit, and what it is called.
struct Misfit {
  const char* what;
  MergeVerdict verdict;
  void (*change)(VmaAttrs&);
};

const Misfit kMisfits[] = {
    {"flags", MergeVerdict::kFlags, [](VmaAttrs& a) { a.vm_flags ^= kVmExec; }},
    {"locked", MergeVerdict::kFlags, [](VmaAttrs& a) { a.vm_flags ^= kVmLocked; }},
    {"protection key", MergeVerdict::kFlags, [](VmaAttrs& a) { a.vm_flags ^= u64{1} << 32; }},
    {"file", MergeVerdict::kFile, [](VmaAttrs& a) { a.file = 0xf11e; }},
    {"close operation", MergeVerdict::kClose, [](VmaAttrs& a) { a.has_close = true; }},
    {"userfaultfd", MergeVerdict::kUffd, [](VmaAttrs& a) { a.uffd_ctx = 0xffd; }},
    {"name", MergeVerdict::kName, [](VmaAttrs& a) { a.anon_name = 5; }},
    {"page offset", MergeVerdict::kPgoff,
     [](VmaAttrs& a) { a.vm_pgoff = a.vm_pgoff + PageCount(1); }},
    {"policy", MergeVerdict::kPolicy, [](VmaAttrs& a) { a.vm_policy = 3; }},
    {"anon_vma shared with a fork", MergeVerdict::kAnonVma, [](VmaAttrs& a) { a.anon_vma = 0xa; }},
};

class VmaMerge : public MapFixture, public testing::WithParamInterface<Picture> {
 protected:
  void draw_picture(const Picture& picture,
                    const std::function<void(char, VmaAttrs&)>& change = {}) {
    draw(picture.before, [&](char name, VmaAttrs& attrs) {
      const bool fits = std::string(picture.like_request).find(name) != std::string::npos;
      attrs.vm_flags = fits ? kReadWrite : kRead;
      if (change) change(name, attrs);
    });
  }

  // As the callers in the kernel do: the last VMA that starts below the request.
  Vma* prev_of(AddrRange request) const {
    Vma* prev = nullptr;
    Vma* const vma = mm_.find_vma_prev(request.start, &prev);
    return vma && vma->vm_start < request.start ? vma : prev;
  }

  Vma* merge(const Picture& picture, const VmaAttrs& attrs) {
    const AddrRange request = range(picture.request);
    const u64 total_before = mm_.acct().total_vm.value();
    Vma* const merged = mm_.vma_merge(prev_of(request), request, attrs);
    EXPECT_EQ(mm_.acct().total_vm.value(), total_before) << "merge does not account";
    check(false);
    return merged;
  }

  MergePlan plan(const Picture& picture) const {
    const AddrRange request = range(picture.request);
    return mm_.plan_merge(prev_of(request), request, anonymous(request.start));
  }
};

TEST_P(VmaMerge, EverythingFits_GivesTheDrawnResult) {
  const Picture& picture = GetParam();
  draw_picture(picture);
  EXPECT_EQ(plan(picture).merge_case, picture.merge_case);
  Vma* const merged = merge(picture, anonymous(range(picture.request).start));
  ASSERT_NE(merged, nullptr);
  EXPECT_EQ(merged, vma(picture.survivor));
  EXPECT_EQ(this->picture(), picture.after);
  for (const Vma* vma = mm_.first(); vma; vma = AddressSpace::next(vma)) {
    EXPECT_EQ(vma->attrs.vm_pgoff.value(), vma->vm_start.page_number()) << "offset follows address";
  }
}

TEST_P(VmaMerge, OneNeighbourDoesNotFit_IsNamedAndLeftAlone) {
  const Picture& picture = GetParam();
  for (const Misfit& misfit : kMisfits) {
    for (const bool prev_misfits : {true, false}) {
      SCOPED_TRACE(std::string(misfit.what) + (prev_misfits ? " of prev" : " of next"));
      draw_picture(picture);
      const MergePlan whole = plan(picture);
      const bool joins_prev = whole.with_prev == MergeVerdict::kMergeable;
      const bool joins_next = whole.with_next == MergeVerdict::kMergeable;
      if (prev_misfits ? joins_prev : joins_next) {
        misfit.change((prev_misfits ? whole.prev : whole.next)->attrs);
        const MergePlan rest = plan(picture);
        EXPECT_EQ(rest.merge_case, prev_misfits ? picture.without_prev : picture.without_next);
        EXPECT_EQ(prev_misfits ? rest.with_prev : rest.with_next, misfit.verdict)
            << to_string(prev_misfits ? rest.with_prev : rest.with_next);
        const std::string before = this->picture();
        const Vma* const merged = merge(picture, anonymous(range(picture.request).start));
        EXPECT_EQ(merged == nullptr, rest.merge_case == kNone);
        if (!merged) {
          EXPECT_EQ(this->picture(), before);
        }
      }
      mm_.clear();
    }
  }
}

TEST_P(VmaMerge, SpecialRequest_NeverMerges) {
  const Picture& picture = GetParam();
  for (const VmFlags special : {kVmIo, kVmDontExpand, kVmPfnMap, kVmMixedMap}) {
    draw_picture(picture, [&](char, VmaAttrs& attrs) { attrs.vm_flags |= special; });
    const AddrRange request = range(picture.request);
    const VmaAttrs attrs = anonymous(request.start, kReadWrite | special);
    EXPECT_EQ(mm_.plan_merge(prev_of(request), request, attrs).with_prev, MergeVerdict::kSpecial);
    EXPECT_EQ(merge(picture, attrs), nullptr);
    EXPECT_EQ(this->picture(), picture.before);
    mm_.clear();
  }
}

TEST_P(VmaMerge, SoftDirtyDiffers_MergesAllTheSame) {
  const Picture& picture = GetParam();
  draw_picture(picture);
  Vma* const merged =
      merge(picture, anonymous(range(picture.request).start, kReadWrite | kVmSoftDirty));
  ASSERT_NE(merged, nullptr);
  EXPECT_EQ(this->picture(), picture.after);
  EXPECT_EQ(merged->attrs.vm_flags, kReadWrite) << "the caller marks the result";
}

TEST_P(VmaMerge, FileMapping_NeedsContinuousOffsets) {
  const Picture& picture = GetParam();
  draw_picture(picture, [](char, VmaAttrs& attrs) {
    attrs.file = 0xf11e;
    attrs.vm_pgoff = attrs.vm_pgoff - PageCount(0x100);
  });
  VmaAttrs attrs = anonymous(range(picture.request).start);
  attrs.file = 0xf11e;
  EXPECT_EQ(merge(picture, attrs), nullptr);
  attrs.vm_pgoff = attrs.vm_pgoff - PageCount(0x100);
  EXPECT_NE(merge(picture, attrs), nullptr);
  EXPECT_EQ(this->picture(), picture.after);
}

TEST_P(VmaMerge, RequestHasAnonVmaAndNeighbourNone_DoesNotMerge) {
  const Picture& picture = GetParam();
  draw_picture(picture);
  VmaAttrs attrs = anonymous(range(picture.request).start);
  attrs.anon_vma = 0xa;
  EXPECT_EQ(merge(picture, attrs), nullptr);
  EXPECT_EQ(this->picture(), picture.before);
}

TEST_P(VmaMerge, SameAnonVmaSharedWithAFork_Merges) {
  const Picture& picture = GetParam();
  draw_picture(picture, [](char, VmaAttrs& attrs) { attrs.anon_vma = 0xa; });
  VmaAttrs attrs = anonymous(range(picture.request).start);
  attrs.anon_vma = 0xa;
  ASSERT_NE(merge(picture, attrs), nullptr);
  EXPECT_EQ(this->picture(), picture.after);
}

std::string picture_name(const testing::TestParamInfo<Picture>& param) {
  return "Case" + std::to_string(static_cast<int>(param.param.merge_case)) + "Picture" +
         std::to_string(param.index);
}

INSTANTIATE_TEST_SUITE_P(AllCases, VmaMerge, testing::ValuesIn(kPictures), picture_name);

class VmaMergeAnonVma : public MapFixture {
 protected:
  // Draws "PPPP....NNNN" or "PPPPMMMMNNNN" with these anon_vmas, singular ones unless negative.
  void draw_with(const std::string& map, int p, int m, int n) {
    draw(map, [&](char name, VmaAttrs& attrs) {
      const int id = name == 'P' ? p : name == 'M' ? m : n;
      attrs.anon_vma = static_cast<u64>(id < 0 ? -id : id);
      attrs.anon_singular = id > 0;
      if (name == 'M') attrs.vm_flags = kRead;
    });
  }

  Vma* merge(u64 anon_vma) {
    VmaAttrs attrs = anonymous(at(4));
    attrs.anon_vma = anon_vma;
    Vma* const merged = mm_.vma_merge(vma('P'), {at(4), at(8)}, attrs);
    check(false);
    return merged;
  }
};

TEST_F(VmaMergeAnonVma, BothSidesOwnDifferentOnes_OnlyPrevMerges) {
  draw_with("PPPP....NNNN", 1, 0, 2);
  EXPECT_EQ(mm_.plan_merge(vma('P'), {at(4), at(8)}, anonymous(at(4))).with_next,
            MergeVerdict::kBothAnonVma);
  EXPECT_EQ(merge(0), vma('P'));
  EXPECT_EQ(picture(), "PPPPPPPPNNNN");
  EXPECT_EQ(vma('N')->attrs.anon_vma, 2u);
}

TEST_F(VmaMergeAnonVma, MappedBetweenDifferentOnes_OnlyPrevMerges) {
  draw_with("PPPPMMMMNNNN", 1, 0, 2);
  EXPECT_EQ(merge(0), vma('P'));
  EXPECT_EQ(picture(), "PPPPPPPPNNNN");
}

TEST_F(VmaMergeAnonVma, Case1OnlyNextOwnsOne_PrevTakesItOver) {
  draw_with("PPPP....NNNN", 0, 0, 2);
  ASSERT_EQ(merge(0), vma('P'));
  EXPECT_EQ(picture(), "PPPPPPPPPPPP");
  EXPECT_EQ(vma('P')->attrs.anon_vma, 2u);
  EXPECT_TRUE(vma('P')->attrs.anon_singular);
}

TEST_F(VmaMergeAnonVma, Case6OnlyNextNextOwnsOne_PrevTakesItOver) {
  draw_with("PPPPMMMMNNNN", 0, 0, 3);
  ASSERT_EQ(merge(0), vma('P'));
  EXPECT_EQ(picture(), "PPPPPPPPPPPP");
  EXPECT_EQ(vma('P')->attrs.anon_vma, 3u);
  EXPECT_TRUE(vma('P')->attrs.anon_singular);
}

TEST_F(VmaMergeAnonVma, Case7RequestSaysNoneButMidOwnsOne_PrevTakesItOver) {
  // Not a call the kernel makes (mprotect passes the anon_vma of mid); the rule of __vma_adjust
  // still holds.
  draw_with("PPPPMMMMNNNN", 0, -7, 9);
  mm_.set_flags(vma('N'), kRead);
  ASSERT_EQ(merge(0), vma('P'));
  EXPECT_EQ(picture(), "PPPPPPPPNNNN");
  EXPECT_EQ(vma('P')->attrs.anon_vma, 7u);
  EXPECT_FALSE(vma('P')->attrs.anon_singular);
}

TEST_F(VmaMergeAnonVma, PrevOwnsOneWithLongChain_RequestWithoutDoesNotJoinIt) {
  draw_with("PPPP....NNNN", -1, 0, 0);
  EXPECT_EQ(merge(0), vma('N'));
  EXPECT_EQ(picture(), "PPPPNNNNNNNN");
}

// AnonRule::kEitherBrings and sticky flags.
TEST(LaterMergeRules, AnonVmaOfTheRange_ComesAlongUnlessForked) {
  const MergeRules rules{.anon = AnonRule::kEitherBrings};
  Vma below;
  below.vm_start = VirtAddr(0x1000);
  below.vm_end = VirtAddr(0x2000);
  below.attrs.vm_pgoff = PageOffset(1);
  VmaAttrs attrs;
  attrs.vm_pgoff = PageOffset(2);
  attrs.anon_vma = 7;
  attrs.anon_singular = true;
  const AddrRange range{VirtAddr(0x2000), VirtAddr(0x3000)};
  const auto verdict = [&](const MergeRules& by) {
    return verdict_with_prev(&below, range, attrs, CloseAsked::kOfNobody, by);
  };
  EXPECT_EQ(verdict(rules), MergeVerdict::kMergeable);
  EXPECT_EQ(verdict(kFirstMergeRules), MergeVerdict::kAnonVma);
  attrs.anon_singular = false;
  EXPECT_EQ(verdict(rules), MergeVerdict::kAnonVma);
  std::swap(attrs.anon_vma, below.attrs.anon_vma);
  EXPECT_EQ(verdict(rules), MergeVerdict::kAnonVma) << "the neighbour's, too, must be singular";
  below.attrs.anon_singular = true;
  EXPECT_EQ(verdict(rules), MergeVerdict::kMergeable);
}

TEST(LaterMergeRules, PrivateFile_AnonymousIndicesMustContinueEachOther) {
  Vma below;
  below.vm_end = VirtAddr(0x2000);
  VmaAttrs attrs;
  attrs.vm_pgoff = PageOffset(2);
  attrs.file = below.attrs.file = 7;
  attrs.vm_flags = below.attrs.vm_flags = kVmMayWrite;
  attrs.anon_shift = AnonShift::between(VirtAddr(0x5000), VirtAddr(0x2000));
  const AddrRange range{VirtAddr(0x2000), VirtAddr(0x3000)};
  EXPECT_EQ(verdict_with_prev(&below, range, attrs), MergeVerdict::kAnonPgoff);
  below.attrs.anon_shift = AnonShift::between(VirtAddr(0x15000), VirtAddr(0x12000));
  EXPECT_EQ(verdict_with_prev(&below, range, attrs), MergeVerdict::kMergeable);
  attrs.anon_shift = {};
  attrs.vm_flags = below.attrs.vm_flags = kVmMayWrite | kVmShared;
  EXPECT_EQ(verdict_with_prev(&below, range, attrs), MergeVerdict::kMergeable) << "is never asked";
}

TEST(AnonShift, ThereAndBack_IsNone) {
  const VirtAddr here(0x7fffdeadb000), there(0x1000);
  const AnonShift away = AnonShift::between(here, there);
  EXPECT_NE(away, AnonShift());
  EXPECT_EQ(away.plus(AnonShift::between(there, here)), AnonShift());
  EXPECT_EQ(
      AnonShift::between(here, VirtAddr(0x2000)).plus(AnonShift::between(VirtAddr(0x2000), there)),
      away);
}

// CloseRule::kNeverRemoved, on a space of its own.
class VmaMergeClose : public testing::Test {
 protected:
  explicit VmaMergeClose(const MergeRules& rules = {.close = CloseRule::kNeverRemoved})
      : mm_(0, GapRule::kHoles, rules) {}
  ~VmaMergeClose() override { mm_.clear(); }

  static VirtAddr at(u64 page) { return VirtAddr(0x100000 + page * kPageSize); }

  Vma* map(u64 first, u64 last, VmFlags flags, bool has_close) {
    VmaReserve reserve;
    EXPECT_TRUE(reserve.fill(1).ok());
    Vma* const vma = reserve.take();
    vma->vm_start = at(first);
    vma->vm_end = at(last);
    vma->attrs = attrs(first, flags, has_close);
    EXPECT_TRUE(mm_.insert(vma).ok());
    return vma;
  }

  static VmaAttrs attrs(u64 first, VmFlags flags = kReadWrite, bool has_close = false) {
    VmaAttrs attrs;
    attrs.vm_flags = flags;
    attrs.vm_pgoff = PageOffset(first);
    attrs.file = 7;
    attrs.has_close = has_close;
    return attrs;
  }

  AddressSpace mm_;
};

TEST_F(VmaMergeClose, IntoAHole_BothNeighboursGrow) {
  Vma* const prev = map(0, 2, kReadWrite, true);
  Vma* const next = map(8, 9, kReadWrite, true);
  EXPECT_EQ(mm_.vma_merge(prev, {at(2), at(3)}, attrs(2)), prev);
  EXPECT_EQ(mm_.vma_merge(prev, {at(7), at(8)}, attrs(7)), next);
  EXPECT_EQ(mm_.map_count(), 2u);
}

class VmaMergeSticky : public VmaMergeClose {
 protected:
  VmaMergeSticky() : VmaMergeClose({.sticky = kVmSoftDirty | kVmMaybeGuard}) {}
};

TEST_F(VmaMergeSticky, OfAnyPart_IsOnTheWhole) {
  Vma* const prev = map(0, 2, kReadWrite | kVmMaybeGuard, false);
  map(3, 4, kReadWrite, false);
  map(5, 6, kReadWrite | kVmSoftDirty, false);
  ASSERT_EQ(mm_.vma_merge(prev, {at(2), at(3)}, attrs(2)), prev);
  EXPECT_EQ(prev->vm_end, at(4));
  EXPECT_EQ(prev->attrs.vm_flags, kReadWrite | kVmMaybeGuard);
  ASSERT_EQ(mm_.vma_merge(prev, {at(4), at(5)}, attrs(4)), prev);
  EXPECT_EQ(prev->attrs.vm_flags, kReadWrite | kVmMaybeGuard | kVmSoftDirty);
  EXPECT_EQ(mm_.map_count(), 1u);
}

TEST_F(VmaMergeSticky, OfANeighbourThatStays_IsNot) {
  Vma* const prev = map(0, 2, kReadWrite, false);
  map(3, 4, kVmRead | kVmMaybeGuard, false);
  ASSERT_EQ(mm_.vma_merge(prev, {at(2), at(3)}, attrs(2)), prev);
  EXPECT_EQ(prev->attrs.vm_flags, kReadWrite);
}

TEST_F(VmaMergeClose, FillingAHole_NextDoesNotGo) {
  Vma* const prev = map(0, 2, kReadWrite, true);
  map(3, 5, kReadWrite, true);
  const MergePlan plan = mm_.plan_merge(prev, {at(2), at(3)}, attrs(2));
  EXPECT_EQ(plan.merge_case, MergeCase::k2PrevGrowsIntoHole);
  EXPECT_EQ(plan.with_next, MergeVerdict::kClose);
}

TEST_F(VmaMergeClose, PartOfAVma_MergesAsNobodyGoes) {
  Vma* const prev = map(0, 4, kReadWrite, true);
  map(4, 8, kRead, true);
  EXPECT_EQ(mm_.plan_merge(prev, {at(4), at(6)}, attrs(4, kReadWrite, true)).merge_case,
            MergeCase::k5PrevTakesStartOfNext);
}

TEST_F(VmaMergeClose, WholeVma_WouldGoAndDoesNot) {
  Vma* const prev = map(0, 4, kReadWrite, true);
  map(4, 8, kRead, true);
  map(8, 9, kReadWrite, true);
  const MergePlan plan = mm_.plan_merge(prev, {at(4), at(8)}, attrs(4, kReadWrite, true));
  EXPECT_EQ(plan.merge_case, MergeCase::kNone);
  EXPECT_EQ(plan.with_prev, MergeVerdict::kClose);
}

// Kept apart from its source, a copy may still join the VMA on its other side.
TEST_F(VmaMergeClose, CopyBesideItsSource_JoinsTheOtherNeighbour) {
  Vma* source = map(0, 2, kReadWrite, false);
  Vma* const next = map(4, 6, kReadWrite, false);
  for (Vma* const vma : {source, next}) {
    vma->attrs.file = 0;
    vma->attrs.anonymous = true;
    vma->attrs.vm_pgoff = PageOffset(vma->vm_start.page_number());
  }
  CopyRequest request{.to = {at(2), at(4)}, .pgoff = source->attrs.vm_pgoff, .keep_source = true};
  request.merges_beyond_source = true;
  VmaReserve reserve;
  const Result<Vma*> copy = mm_.copy_vma(&source, request, reserve);
  ASSERT_TRUE(copy.ok());
  EXPECT_EQ(*copy, next);
  EXPECT_EQ(next->vm_start, at(2));
  EXPECT_EQ(source->vm_end, at(2));
}

TEST_F(VmaMergeAnonVma, SurvivorWithOne_KeepsItsOwn) {
  draw_with("PPPP....NNNN", 1, 0, 1);
  vma('N')->attrs.anon_singular = false;
  ASSERT_EQ(merge(1), vma('P'));
  EXPECT_EQ(vma('P')->attrs.anon_vma, 1u);
  EXPECT_TRUE(vma('P')->attrs.anon_singular);
}

TEST(MergeRules, AnonVma_TruthTable) {
  Vma single;
  single.attrs.anon_vma = 1;
  single.attrs.anon_singular = true;
  Vma shared = single;
  shared.attrs.anon_singular = false;
  const Vma none;
  EXPECT_TRUE(is_mergeable_anon_vma(0, 0, &none));
  EXPECT_TRUE(is_mergeable_anon_vma(0, 1, &single));
  EXPECT_FALSE(is_mergeable_anon_vma(0, 1, &shared));
  EXPECT_FALSE(is_mergeable_anon_vma(1, 0, &none)) << "an empty chain is not singular";
  EXPECT_TRUE(is_mergeable_anon_vma(1, 1, &shared));
  EXPECT_FALSE(is_mergeable_anon_vma(2, 1, &single));
  EXPECT_TRUE(is_mergeable_anon_vma(0, 1, nullptr));
  EXPECT_TRUE(is_mergeable_anon_vma(1, 0, nullptr));
  EXPECT_FALSE(is_mergeable_anon_vma(2, 1, nullptr));
}

TEST(MergeRules, NoNeighbourAndGap_HaveTheirOwnVerdict) {
  const AddrRange range{VirtAddr(0x3000), VirtAddr(0x4000)};
  Vma below;
  below.vm_start = VirtAddr(0x1000);
  below.vm_end = VirtAddr(0x2000);
  Vma above;
  above.vm_start = VirtAddr(0x5000);
  above.vm_end = VirtAddr(0x6000);
  EXPECT_EQ(verdict_with_prev(nullptr, range, VmaAttrs()), MergeVerdict::kNoNeighbour);
  EXPECT_EQ(verdict_with_next(nullptr, range, VmaAttrs()), MergeVerdict::kNoNeighbour);
  EXPECT_EQ(verdict_with_prev(&below, range, VmaAttrs()), MergeVerdict::kNotAdjacent);
  EXPECT_EQ(verdict_with_next(&above, range, VmaAttrs()), MergeVerdict::kNotAdjacent);
}

TEST(MergeRules, InodeAndDevice_AreNotCompared) {
  Vma vma;
  VmaAttrs attrs;
  attrs.ino = 4711;
  attrs.dev = 8;
  EXPECT_EQ(is_mergeable_vma(vma, attrs), MergeVerdict::kMergeable);
}

TEST(MergeRules, SeveralMisfits_TheFirstInKernelOrderIsNamed) {
  Vma vma;
  VmaAttrs attrs;
  attrs.vm_flags = kVmRead;
  attrs.file = 1;
  attrs.uffd_ctx = 1;
  EXPECT_EQ(is_mergeable_vma(vma, attrs), MergeVerdict::kFlags);
  vma.attrs.vm_flags = kVmRead;
  EXPECT_EQ(is_mergeable_vma(vma, attrs), MergeVerdict::kFile);
  vma.attrs.file = 1;
  EXPECT_EQ(is_mergeable_vma(vma, attrs), MergeVerdict::kUffd);
}

// What explain_merge() answers, against the functions that decide.
class ExplainMerge : public testing::Test {
 protected:
  static bool all_asked_hold(const MergeExplanation& explanation) {
    for (const MergeAnswer& answer : explanation.answers) {
      if (answer.asked && !answer.held) return false;
    }
    return true;
  }

  // Few values of each attribute, so that pairs often agree.
  VmaAttrs random_attrs() {
    VmaAttrs attrs;
    attrs.vm_flags = pick({kVmRead, kVmRead, kVmRead | kVmSoftDirty, kVmRead | kVmWrite});
    if (one_in(16)) attrs.vm_flags |= kVmIo;
    attrs.file = pick({0, 0, 0, 1});
    attrs.has_close = one_in(8);
    attrs.uffd_ctx = one_in(8);
    attrs.anon_name = static_cast<u32>(one_in(8));
    attrs.vm_policy = static_cast<u32>(one_in(8));
    attrs.anon_vma = pick({0, 0, 1, 2});
    attrs.anon_singular = attrs.anon_vma != 0 && !one_in(3);
    return attrs;
  }

  u64 pick(std::initializer_list<u64> choices) {
    return choices.begin()[random_() % choices.size()];
  }
  bool one_in(unsigned n) { return random_() % n == 0; }

  std::mt19937_64 random_{20240607};
};

TEST_F(ExplainMerge, RandomPairs_AllAskedHoldExactlyWhenMergeable) {
  unsigned mergeable = 0;
  for (int i = 0; i < 50000; ++i) {
    const AddrRange range{VirtAddr(0x10000), VirtAddr(0x10000) + PageCount(1 + random_() % 4)};
    VmaAttrs attrs = random_attrs();
    attrs.vm_pgoff = PageOffset(16);
    Vma vma;
    vma.attrs = random_attrs();
    const PageCount pages(1 + random_() % 4);
    const PageCount hole(one_in(8));
    const bool below = one_in(2);
    vma.vm_start = below ? range.start - hole - pages : range.end + hole;
    vma.vm_end = vma.vm_start + pages;
    vma.attrs.vm_pgoff = PageOffset(vma.vm_start.page_number() + (one_in(8) ? 1 : 0));
    const Vma* const neighbour = one_in(16) ? nullptr : &vma;

    const MergeExplanation explanation =
        explain_merge({below ? MergeSide::kPrev : MergeSide::kNext, neighbour, range, attrs});
    const MergeVerdict verdict = below ? verdict_with_prev(neighbour, range, attrs)
                                       : verdict_with_next(neighbour, range, attrs);
    ASSERT_EQ(all_asked_hold(explanation), verdict == MergeVerdict::kMergeable)
        << i << ' ' << to_string(verdict);
    ASSERT_EQ(explanation.mergeable, verdict == MergeVerdict::kMergeable);
    mergeable += explanation.mergeable;

    if (!neighbour || !explanation.answers[static_cast<int>(MergeCondition::kAdjacent)].held ||
        (attrs.vm_flags & kVmSpecial) || vma.attrs.vm_policy != attrs.vm_policy) {
      continue;
    }
    const MergeVerdict inner =
        below ? can_vma_merge_after(vma, attrs, attrs.vm_pgoff)
              : can_vma_merge_before(vma, attrs, attrs.vm_pgoff + range.pages());
    ASSERT_EQ(explanation.mergeable, inner == MergeVerdict::kMergeable) << i;
  }
  EXPECT_GT(mergeable, 1000u);
}

TEST_F(ExplainMerge, SeveralMisfits_EachIsAnsweredWithItsValues) {
  Vma prev;
  prev.vm_start = VirtAddr(0x1000);
  prev.vm_end = VirtAddr(0x3000);
  prev.attrs.vm_flags = kVmRead;
  prev.attrs.vm_pgoff = PageOffset(1);
  prev.attrs.anon_vma = 7;
  VmaAttrs attrs;
  attrs.vm_flags = kVmRead | kVmWrite;
  attrs.vm_pgoff = PageOffset(4);
  attrs.uffd_ctx = 9;
  const MergeExplanation explanation =
      explain_merge({MergeSide::kPrev, &prev, {VirtAddr(0x3000), VirtAddr(0x4000)}, attrs});
  const auto answer = [&](MergeCondition condition) {
    return explanation.answers[static_cast<int>(condition)];
  };
  EXPECT_FALSE(explanation.mergeable);
  EXPECT_TRUE(answer(MergeCondition::kAdjacent).held);
  EXPECT_FALSE(answer(MergeCondition::kFlags).held);
  EXPECT_EQ(answer(MergeCondition::kFlags).lower, u64{kVmRead});
  EXPECT_EQ(answer(MergeCondition::kFlags).upper, kVmRead | kVmWrite);
  EXPECT_FALSE(answer(MergeCondition::kUffd).held);
  EXPECT_TRUE(answer(MergeCondition::kAnonVma).held) << "one is missing";
  EXPECT_TRUE(answer(MergeCondition::kSingular).asked);
  EXPECT_FALSE(answer(MergeCondition::kSingular).held);
  EXPECT_FALSE(answer(MergeCondition::kPgoff).held);
  EXPECT_EQ(answer(MergeCondition::kPgoff).lower, 3u) << "expected";
  EXPECT_EQ(answer(MergeCondition::kPgoff).upper, 4u) << "found";
}

TEST_F(ExplainMerge, NoNeighbour_NothingElseIsAskedOfIt) {
  const VmaAttrs attrs;
  const MergeExplanation explanation =
      explain_merge({MergeSide::kNext, nullptr, {VirtAddr(0x3000), VirtAddr(0x4000)}, attrs});
  EXPECT_FALSE(explanation.mergeable);
  for (unsigned i = 0; i < kMergeConditions; ++i) {
    const auto condition = static_cast<MergeCondition>(i);
    EXPECT_EQ(explanation.answers[i].asked,
              condition == MergeCondition::kNeighbour || condition == MergeCondition::kSpecial);
  }
}

TEST(MergeVerdict, EachOne_HasAName) {
  for (int i = 0; i <= static_cast<int>(MergeVerdict::kBothAnonVma); ++i) {
    EXPECT_STRNE(to_string(static_cast<MergeVerdict>(i)), "?");
  }
}

}  // namespace
}  // namespace svma
