// SPDX-License-Identifier: GPL-2.0-only
//
// Entries by themselves: each kind at each level, with four and five levels, of each kernel; each
// bit means what it should, and nothing else does.
#include "pgtable/x86_64.hpp"

#include <gtest/gtest.h>

#include "x86_entries.hpp"

namespace svma {

bool operator==(const PteView& a, const PteView& b) {
  return a.kind == b.kind && a.flags == b.flags && a.target == b.target &&
         a.swap_type == b.swap_type;
}

void PrintTo(const PteView& view, std::ostream* out) {
  *out << "kind " << unsigned{view.kind} << " flags 0x" << std::hex << view.flags << " target 0x"
       << view.target << " type " << std::dec << view.swap_type;
}

namespace test {
namespace {

using namespace x86;

constexpr u32 kW = SVMA_CORE_PTE_WRITE, kX = SVMA_CORE_PTE_EXEC, kU = SVMA_CORE_PTE_USER,
              kAcc = SVMA_CORE_PTE_ACCESSED, kDty = SVMA_CORE_PTE_DIRTY,
              kNone = SVMA_CORE_PTE_PROTNONE;
constexpr u64 kFrame = 0x12345;
constexpr u64 kHuge = 0x3200;        // 2 MiB
constexpr u64 kHuger = 0x40000 * 5;  // 1 GiB

template <unsigned Levels>
PteView decode_with(const svma_pgtable& pgtable, unsigned level, u64 entry) {
  return X86_64<Levels>(pgtable).decode(level, entry);
}

class X86Entry : public testing::TestWithParam<std::tuple<unsigned, unsigned>> {
 protected:
  PteView decode(unsigned level, u64 entry) const {
    return levels() == 5 ? decode_with<5>(pgtable(), level, entry)
                         : decode_with<4>(pgtable(), level, entry);
  }

  const Kernel& kernel() const { return kKernels[std::get<0>(GetParam())]; }
  unsigned levels() const { return std::get<1>(GetParam()); }
  svma_pgtable pgtable() const { return pgtable_of(kernel(), levels(), 0x1000, mask_); }

  void expect_bad(unsigned level, u64 entry) const {
    EXPECT_EQ(decode(level, entry), (PteView{.kind = SVMA_CORE_ENTRY_BAD}))
        << "level " << level << " entry 0x" << std::hex << entry;
  }

  u64 mask_ = kFullMask;
};

TEST_P(X86Entry, NothingButAccessedAndDirty_IsEmpty) {
  for (unsigned level = 1; level <= levels(); ++level) {
    for (const u64 entry : {u64{0}, kAccessed, kDirty, kAccessed | kDirty}) {
      EXPECT_EQ(decode(level, entry), PteView{});
      EXPECT_TRUE(X86_64<4>::empty(entry));
    }
  }
  for (unsigned bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(X86_64<4>::empty(u64{1} << bit), bit == 5 || bit == 6) << bit;
  }
}

TEST_P(X86Entry, Table_IsOneAtEachLevelAboveTheLowest) {
  for (unsigned level = 2; level <= levels(); ++level) {
    EXPECT_EQ(decode(level, present(kFrame, kTable)), (PteView{.target = kFrame,
                                                               .flags = kW | kU | kX | kAcc | kDty,
                                                               .kind = SVMA_CORE_ENTRY_TABLE}));
    EXPECT_EQ(decode(level, present(kFrame, kPresent)),
              (PteView{.target = kFrame, .flags = kX, .kind = SVMA_CORE_ENTRY_TABLE}));
  }
}

TEST_P(X86Entry, TableWithBitsThatAreNoTables_IsBad) {
  for (unsigned level = 2; level <= levels(); ++level) {
    for (const u64 bit : {kPwt, kPcd, kGlobal, kSpecial, kUffdWp, kSoftDirty}) {
      expect_bad(level, present(kFrame, kTable | bit));
    }
    for (unsigned bit = 52; bit < 63; ++bit) {
      expect_bad(level, present(kFrame, kTable) | u64{1} << bit);
    }
    if (level != levels()) expect_bad(level, present(kFrame, kTable | kNx));
  }
}

TEST_P(X86Entry, NxOfTheRoot_IsSeenAndTakesNothingAway) {
  const PteView view = decode(levels(), present(kFrame, kTable | kNx));
  EXPECT_EQ(view.kind, SVMA_CORE_ENTRY_TABLE);
  EXPECT_EQ(view.flags & kX, 0u);
  EXPECT_EQ(
      levels() == 5 ? X86_64<5>(pgtable()).passes(5, view) : X86_64<4>(pgtable()).passes(4, view),
      kPermissions);
}

TEST_P(X86Entry, PageSizeBit_IsReservedAboveTheThirdLevel) {
  for (unsigned level = 4; level <= levels(); ++level) {
    expect_bad(level, present(0, kPage | kPse));
    expect_bad(level, kept(0, kPse | kProtNone, 39));
    expect_bad(level, swapped(kernel().swap.migration[0], kFrame));
    expect_bad(level, kProtNone);
  }
}

TEST_P(X86Entry, Page_IsOneAtTheThreeLowestLevels) {
  const auto page = [](u64 frame, u32 flags) {
    return PteView{.target = frame, .flags = flags, .kind = SVMA_CORE_ENTRY_PAGE};
  };
  constexpr u32 kFlags = kW | kU | kAcc | kDty;
  EXPECT_EQ(decode(1, present(kFrame, kPage)), page(kFrame, kFlags));
  EXPECT_EQ(decode(2, present(kHuge, kPage | kPse)), page(kHuge, kFlags));
  EXPECT_EQ(decode(3, present(kHuger, kPage | kPse)), page(kHuger, kFlags));
  EXPECT_EQ(decode(1, present(kFrame, kPage | kPat)), page(kFrame, kFlags | SVMA_CORE_PTE_PAT));
  EXPECT_EQ(decode(2, present(kHuge, kPage | kPse | kPatLarge)),
            page(kHuge, kFlags | SVMA_CORE_PTE_PAT));
  EXPECT_EQ(decode(3, present(kHuger, kPage | kPse | kPatLarge)),
            page(kHuger, kFlags | SVMA_CORE_PTE_PAT));
}

TEST_P(X86Entry, EachBitOfAPage_IsItsFlag) {
  constexpr struct {
    u64 bit;
    u32 flag;
  } kBits[] = {{kRw, kW},
               {kUser, kU},
               {kPwt, SVMA_CORE_PTE_WRITE_THROUGH},
               {kPcd, SVMA_CORE_PTE_NO_CACHE},
               {kAccessed, kAcc},
               {kDirty, kDty},
               {kGlobal, SVMA_CORE_PTE_GLOBAL},
               {kUffdWp, SVMA_CORE_PTE_UFFD_WP},
               {kSoftDirty, SVMA_CORE_PTE_SOFT_DIRTY},
               {pkey(1), u32{1} << SVMA_CORE_PTE_PKEY_SHIFT},
               {pkey(2), u32{2} << SVMA_CORE_PTE_PKEY_SHIFT},
               {pkey(4), u32{4} << SVMA_CORE_PTE_PKEY_SHIFT},
               {pkey(8), u32{8} << SVMA_CORE_PTE_PKEY_SHIFT}};
  for (unsigned level = 1; level <= 3; ++level) {
    const u64 huge = level > 1 ? kPse : 0;
    for (const auto& [bit, flag] : kBits) {
      EXPECT_EQ(decode(level, present(kHuger, kPresent | kNx | huge | bit)),
                (PteView{.target = kHuger, .flags = flag, .kind = SVMA_CORE_ENTRY_PAGE}))
          << "level " << level << " bit 0x" << std::hex << bit;
    }
    EXPECT_EQ(decode(level, present(kHuger, kPresent | huge)).flags, kX);
    EXPECT_EQ(decode(level, present(kHuger, kPresent | kNx | huge | kSpecial)).kind,
              SVMA_CORE_ENTRY_SPECIAL);
  }
}

TEST_P(X86Entry, SoftBitsAbove52_MeanWhatTheKernelSaysOrNothing) {
  const bool saved_dirty = kernel().dirty_bit == 58;
  for (unsigned level = 1; level <= 3; ++level) {
    const u64 entry = present(kHuger, kPresent | kNx | (level > 1 ? kPse : 0));
    for (unsigned bit = 52; bit <= 56; ++bit) expect_bad(level, entry | u64{1} << bit);
    const PteView high = decode(level, entry | kSavedDirty);
    EXPECT_EQ(high.kind, saved_dirty ? SVMA_CORE_ENTRY_PAGE : SVMA_CORE_ENTRY_SPECIAL);
    EXPECT_EQ(high.flags, saved_dirty ? kDty : 0);
    if (kernel().special_bit == 57) {
      EXPECT_EQ(decode(level, entry | kDevmap).kind, SVMA_CORE_ENTRY_SPECIAL);
    } else {
      expect_bad(level, entry | kDevmap);
    }
  }
}

TEST_P(X86Entry, FrameBeyondTheMask_IsBad) {
  mask_ = (u64{1} << 40) - kPageSize;
  const u64 last = (u64{1} << 28) - 1;
  EXPECT_EQ(decode(1, present(last, kPage)).target, last);
  EXPECT_EQ(decode(1, kept(last, kProtNone)).target, last);
  EXPECT_EQ(decode(2, present(last, kTable)).target, last);
  EXPECT_EQ(decode(1, swapped(kernel().swap.hwpoison, last)).target, last);
  expect_bad(1, present(last + 1, kPage));
  expect_bad(1, kept(last + 1, kProtNone));
  expect_bad(2, present(last + 1, kTable));
  expect_bad(2, present(last + 1, kPage | kPse));
  expect_bad(1, swapped(kernel().swap.hwpoison, last + 1));
}

TEST_P(X86Entry, EncryptionBit_IsIgnored) {
  svma_pgtable encrypted = pgtable_of(kernel(), 4, 0x1000, (u64{1} << 47) - kPageSize);
  encrypted.ignored_bit = 47;
  const u64 bit = u64{1} << 47;
  const X86_64<4> policy(encrypted);
  EXPECT_EQ(policy.decode(1, present(kFrame, kPage | bit)).target, kFrame);
  EXPECT_EQ(policy.decode(2, present(kFrame, kTable | bit)).target, kFrame);
  EXPECT_EQ(policy.decode(2, present(kHuge, kPage | kPse | bit)).target, kHuge);
  for (const u64 kept_bit : {u64{0}, bit}) {
    EXPECT_EQ(policy.decode(1, (kept(kFrame, kProtNone) & ~bit) | kept_bit).target, kFrame);
  }
}

TEST_P(X86Entry, OffsetInAHugePagesFrame_IsBad) {
  for (unsigned bit = 13; bit < 30; ++bit) {
    if (bit < 21) expect_bad(2, present(kHuger, kPage | kPse) | u64{1} << bit);
    expect_bad(3, present(kHuger, kPage | kPse) | u64{1} << bit);
    expect_bad(3, kept(kHuger, kPse | kProtNone, 30) | u64{1} << bit);
    expect_bad(3, kept(kHuger, kPse | kProtNone, 12) & ~(u64{1} << bit));
  }
}

TEST_P(X86Entry, ProtNone_KeepsItsPageAndFlags) {
  constexpr u64 kBits = kProtNone | kAccessed | kDirty | kSoftDirty | kNx;
  constexpr u32 kFlags = kNone | kAcc | kDty | SVMA_CORE_PTE_SOFT_DIRTY;
  const auto page = [](u64 frame, u32 flags) {
    return PteView{.target = frame, .flags = flags, .kind = SVMA_CORE_ENTRY_PAGE};
  };
  EXPECT_EQ(decode(1, kept(kFrame, kBits)), page(kFrame, kFlags));
  EXPECT_EQ(decode(1, kept(0, kBits)), page(0, kFlags));
  EXPECT_EQ(decode(1, kept(kFrame, kBits | kPat)), page(kFrame, kFlags | SVMA_CORE_PTE_PAT));
  EXPECT_EQ(decode(2, kept(kHuge, kBits | kPse, 21)), page(kHuge, kFlags));
  EXPECT_EQ(decode(2, kept(kHuge, kBits | kPse | kPatLarge, 21)),
            page(kHuge, kFlags | SVMA_CORE_PTE_PAT));
  EXPECT_EQ(decode(3, kept(kHuger, kBits | kPse, 30)), page(kHuger, kFlags));
  // As hugetlbfs does it.
  EXPECT_EQ(decode(2, kept(kHuge, kBits | kPse, 12)), page(kHuge, kFlags));
  EXPECT_EQ(decode(3, kept(kHuger, kBits | kPse, 12)), page(kHuger, kFlags));
  EXPECT_EQ(decode(3, kept(kHuger, kBits | kPse, 12) & ~kPatLarge),
            page(kHuger, kFlags | SVMA_CORE_PTE_PAT));
}

TEST_P(X86Entry, ProtNone_LetsTheProcessorDoNothing) {
  const X86_64<4> policy(pgtable_of(kernel(), 4, 0x1000));
  const PteView view = policy.decode(1, kept(kFrame, kProtNone | kRw | kUser));
  EXPECT_EQ(view.flags & kPermissions, kPermissions);
  EXPECT_EQ(policy.passes(1, view), 0u);
}

TEST_P(X86Entry, HugePageThatIsBeingSplit_IsKept) {
  for (unsigned level = 2; level <= 3; ++level) {
    const PteView view = decode(level, kept(kHuger, kPse | kRw | kUser | kNx, 12 + 9 * level - 9));
    EXPECT_EQ(view,
              (PteView{.target = kHuger, .flags = kNone | kW | kU, .kind = SVMA_CORE_ENTRY_PAGE}));
  }
}

TEST_P(X86Entry, ProtNoneAboveTheLowestLevelWithoutPageSize_IsNoPage) {
  for (unsigned level = 2; level <= levels(); ++level) {
    EXPECT_NE(decode(level, kept(kHuger, kProtNone, 30)).kind, SVMA_CORE_ENTRY_PAGE);
  }
}

TEST_P(X86Entry, Swap_HasItsAreaAndOffset) {
  // The very last one of area 0 would be an empty entry.
  constexpr u64 kLast = (u64{1} << 50) - 2;
  for (const u64 offset : {u64{1}, u64{0x123456}, kLast}) {
    for (const unsigned type : {0u, 1u, 21u}) {
      EXPECT_EQ(decode(1, swapped(type, offset)), (PteView{.target = offset,
                                                           .swap_type = static_cast<u16>(type),
                                                           .kind = SVMA_CORE_ENTRY_SWAP}));
    }
  }
  EXPECT_EQ(decode(1, swapped(1, 7, kSwpSoftDirty)).flags, SVMA_CORE_PTE_SOFT_DIRTY);
  EXPECT_EQ(decode(1, swapped(1, 7, kSwpUffdWp)).flags, SVMA_CORE_PTE_UFFD_WP);
  EXPECT_EQ(decode(1, swapped(1, 7, kSwpExclusive)).flags, SVMA_CORE_PTE_EXCLUSIVE);
  // Which some processors set in what is not present.
  EXPECT_EQ(decode(1, swapped(1, 7, kAccessed | kDirty)).flags, 0u);
  expect_bad(1, swapped(1, 7, kPcd));
  expect_bad(1, swapped(1, 7, kPse));
  for (unsigned level = 2; level <= levels(); ++level) expect_bad(level, swapped(1, 7));
}

TEST_P(X86Entry, EachTypeOfWhatIsNotPresent_IsItsKind) {
  const svma_swap_kinds& swap = kernel().swap;
  for (unsigned type = 0; type < 32; ++type) {
    const auto is = [&](u8 number) { return number == type; };
    u8 kind = SVMA_CORE_ENTRY_SWAP;
    for (const u8 number : swap.migration) {
      if (is(number)) kind = SVMA_CORE_ENTRY_MIGRATION;
    }
    for (const u8 number : swap.device) {
      if (is(number)) kind = SVMA_CORE_ENTRY_DEVICE;
    }
    if (is(swap.hwpoison)) kind = SVMA_CORE_ENTRY_HWPOISON;
    if (is(swap.marker) || is(swap.swapin_error)) kind = SVMA_CORE_ENTRY_MARKER;
    for (unsigned level = 1; level <= 3; ++level) {
      const bool swap_of_huge = level > 1 && kind == SVMA_CORE_ENTRY_SWAP;
      const PteView view = decode(level, swapped(type, 2, kSwpSoftDirty));
      if (swap_of_huge) {
        EXPECT_EQ(view.kind, SVMA_CORE_ENTRY_BAD) << type;
        continue;
      }
      EXPECT_EQ(view.kind, kind) << type;
      EXPECT_EQ(view.flags, SVMA_CORE_PTE_SOFT_DIRTY);
      EXPECT_EQ(view.target, 2u);
      EXPECT_EQ(view.swap_type, type);
    }
  }
}

TEST_P(X86Entry, FrameOfWhatIsNotPresent_IsWithoutWhatIsAboveIt) {
  const unsigned bits = levels() == 5 ? 40 : 34;
  const u64 last = (u64{1} << bits) - 1;
  const u64 above = u64{1} << bits;
  const u8 migration = kernel().swap.migration[0];
  for (unsigned level = 1; level <= 3; ++level) {
    EXPECT_EQ(decode(level, swapped(migration, last)).target, last);
    EXPECT_EQ(decode(level, swapped(migration, last)).flags, 0u);
    EXPECT_EQ(decode(level, swapped(migration, last | above)).target, last);
    EXPECT_EQ(decode(level, swapped(migration, last | above)).flags, kAcc);
    EXPECT_EQ(decode(level, swapped(migration, kFrame | above * 2)).flags, kDty);
    EXPECT_EQ(decode(level, swapped(migration, kFrame | above * 3)).flags, kAcc | kDty);
    expect_bad(level, swapped(migration, kFrame | above * 4));
    for (const u8 type : {kernel().swap.hwpoison, kernel().swap.device[0]}) {
      EXPECT_EQ(decode(level, swapped(type, last)).target, last);
      expect_bad(level, swapped(type, kFrame | above));
    }
  }
}

TEST_P(X86Entry, Marker_TellsWhatItMarks) {
  const u8 type = kernel().swap.marker;
  if (type == 255) {
    EXPECT_EQ(std::string(kernel().name), "5.10");
    return;
  }
  for (unsigned level = 1; level <= 3; ++level) {
    for (u64 marks = 1; marks <= 7; ++marks) {
      EXPECT_EQ(decode(level, swapped(type, marks)),
                (PteView{.target = marks,
                         .flags = marks & 1 ? SVMA_CORE_PTE_UFFD_WP : 0,
                         .swap_type = type,
                         .kind = SVMA_CORE_ENTRY_MARKER}));
    }
    expect_bad(level, swapped(type, 0));
    expect_bad(level, swapped(type, 8));
  }
}

INSTANTIATE_TEST_SUITE_P(All, X86Entry,
                         testing::Combine(testing::Range(0u, 4u), testing::Values(4u, 5u)));

TEST(X86Entry, SwapinErrorOf61_IsAPoisonMarkerWhateverItsFrame) {
  const X86_64<4> policy(pgtable_of(kKernels[1], 4, 0x1000));
  const PteView view = policy.decode(1, swapped(31, kFrame));
  EXPECT_EQ(view, (PteView{.target = 2, .swap_type = 31, .kind = SVMA_CORE_ENTRY_MARKER}));
}

TEST(X86Entry, Index_IsOfTheLevel) {
  const VirtAddr addr((u64{1} << 48) | u64{2} << 39 | u64{3} << 30 | u64{4} << 21 | u64{5} << 12);
  for (unsigned level = 1; level <= 5; ++level) {
    EXPECT_EQ(X86_64<5>::index(addr + 0xfff, level), 6 - level);
    EXPECT_EQ(X86_64<5>::index(VirtAddr(X86_64<5>::kUserEnd - 1), level), level == 5 ? 255u : 511u);
  }
}

}  // namespace
}  // namespace test
}  // namespace svma
