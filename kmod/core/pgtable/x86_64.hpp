// SPDX-License-Identifier: GPL-2.0-only
//
// Page tables of x86-64, with four or five levels, as Linux fills them in. The same in 5.10, 6.1,
// 6.12 and 7.3 but for what is said here; arch/x86/include/asm/pgtable{,_types,_64,-invert}.h.
//
//            63  62..59 58..52 51..............12 11 10  9  8 7 6 5 4   3   2    1  0
//   present  NX  pkey   soft   frame              SD WP  SP G S D A PCD PWT User RW 1
//   kept     NX  pkey   soft   frame, inverted    SD WP  SP 1 S D A             RW 0   PROT_NONE
//   swapped  type       offset, inverted .............9] 0 0 . . .  E   WP   SD 0
//
// SD soft-dirty, WP userfaultfd-wp, SP special, S a huge page (in a pte: PAT, which is bit 12 of a
// huge one), E exclusive (since 1493a1913e34, v5.19).
//
// What is not present and not empty has its frame or offset inverted, so that the processor does
// not speculate with it (L1TF; since v4.19, PROT_NONE by 6b28baca9b1f). Of huge pages the kernel
// inverts only what is above their offset (pmd_modify()), except of hugetlbfs, which handles them
// as ptes (huge_pte_modify()): the offset is all zeros or all ones.
//
// The soft bits 57 and 58 have moved. 58 is _PAGE_DEVMAP in 5.10 and 6.1. In 6.12 and 7.3 it is
// _PAGE_SAVED_DIRTY, which stands in for D where RW is off; 57 is _PAGE_DEVMAP in 6.12, and nothing
// in 7.3 (since d438d2734170, v6.17). So the module tells them (struct svma_pgtable). A pte with
// _PAGE_DEVMAP is special as well, a pmd or pud is not.
//
// Frames in what is not present take MAX_PHYSMEM_BITS; above them a migration entry may say that
// the page was accessed and dirty (since 2e3468778dbe, v6.1, if the swap offset has room). Markers
// exist since 679d10331910, v5.19. What is swapped is so in pages, and only migration entries,
// those of hugetlbfs and, in 7.3, of device memory stand for a huge page.
#pragma once

#include "base/mutation.hpp"
#include "pgtable/pte_policy.hpp"

namespace svma {

template <unsigned Levels>
class X86_64 {
  static_assert(Levels == 4 || Levels == 5);

 public:
  static constexpr unsigned kLevels = Levels;
  static constexpr unsigned kEntries = 512;
  // Half of what the root maps; the other half is the kernel's.
  static constexpr u64 kUserEnd = u64{1} << (Levels == 5 ? 56 : 47);

  explicit X86_64(const svma_pgtable& pgtable)
      : frame_mask_(pgtable.frame_mask & kFrameField),
        ignored_(bit_or_none(pgtable.ignored_bit) & kFrameField),
        may_differ_(frame_mask_ & ~ignored_),
        dirty_(kDirty | bit_or_none(pgtable.dirty_bit)),
        special_(kSpecial | bit_or_none(pgtable.special_bit)),
        never_(kSoft & ~(dirty_ | special_)),
        nx_(mutated(Mutation::pgtable_nx_ignored) ? 0 : kNx),
        swap_soft_dirty_(mutated(Mutation::pgtable_swap_soft_dirty) ? kUser : kWrite),
        migration_(mutated(Mutation::pgtable_migration_as_swap)
                       ? 0
                       : type_bit(pgtable.swap.migration[0]) | type_bit(pgtable.swap.migration[1]) |
                             type_bit(pgtable.swap.migration[2])),
        hwpoison_(type_bit(pgtable.swap.hwpoison)),
        marker_(type_bit(pgtable.swap.marker)),
        device_(type_bit(pgtable.swap.device[0]) | type_bit(pgtable.swap.device[1]) |
                type_bit(pgtable.swap.device[2]) | type_bit(pgtable.swap.device[3])),
        swapin_error_(type_bit(pgtable.swap.swapin_error)) {}

  static constexpr unsigned shift(unsigned level) { return kPageShift + kIndexBits * (level - 1); }

  static unsigned index(VirtAddr addr, unsigned level) {
    const unsigned wrong = mutated(Mutation::pgtable_index_off_by_one_bit) ? 1 : 0;
    return static_cast<unsigned>(addr.value() >> (shift(level) + wrong)) & (kEntries - 1);
  }

  // Some processors set A and D in what is empty: pte_none(), _PAGE_KNL_ERRATUM_MASK.
  static bool empty(u64 entry) { return (entry & ~(kAccessed | kDirty)) == 0; }

  static bool present(u64 entry) { return (entry & kPresent) != 0; }

  PteView decode(unsigned level, u64 entry) const {
    if (entry & kPresent) [[likely]] {
      if (level == 1) return page<false>(level, entry);
      if ((entry & kPse) == 0) return next_table(level, entry);
      return level <= kHighestPage ? page<false>(level, entry) : bad();
    }
    if (empty(entry)) return {};
    if (level > kHighestPage) return bad();
    // While a huge page is split it is neither present nor PROT_NONE (pmd_mkinvalid()).
    if (entry & (level == 1 ? kProtNone : kPse)) return page<true>(level, entry);
    return absent(level, entry);
  }

  // A frame above frame_mask_ is bad, so it is no part of what may differ.
  bool alike(u64 one, u64 other) const { return ((one ^ other) & ~may_differ_) == 0; }

  u64 frame(u64 entry) const { return (entry & may_differ_) >> kPageShift; }

  u64 table(const PteView& view) const { return view.target << kPageShift; }

  u32 passes(unsigned level, const PteView& view) const {
    // Page table isolation sets NX in the kernel's copy of the root, for all of user space; the
    // copy with which the process runs has not got it (__pti_set_user_pgtbl(), since v4.15).
    if (level == kLevels) return (view.flags & kPermissions) | SVMA_CORE_PTE_EXEC;
    if (view.flags & SVMA_CORE_PTE_PROTNONE) return 0;
    return view.flags & kPermissions;
  }

 private:
  static constexpr unsigned kIndexBits = 9;
  static constexpr unsigned kHighestPage = 3;

  static constexpr u64 kPresent = u64{1} << 0;
  static constexpr u64 kWrite = u64{1} << 1;
  static constexpr u64 kUser = u64{1} << 2;
  static constexpr u64 kWriteThrough = u64{1} << 3;
  static constexpr u64 kNoCache = u64{1} << 4;
  static constexpr u64 kAccessed = u64{1} << 5;
  static constexpr u64 kDirty = u64{1} << 6;
  static constexpr u64 kPse = u64{1} << 7;
  static constexpr u64 kProtNone = u64{1} << 8;  // of what is not present; else global
  static constexpr u64 kSpecial = u64{1} << 9;
  static constexpr u64 kPatLarge = u64{1} << 12;
  static constexpr u64 kFrameField = (u64{1} << 52) - kPageSize;
  static constexpr u64 kSoft = u64{0x7f} << 52;
  static constexpr unsigned kPkeyShift = 59;
  static constexpr u64 kNx = u64{1} << 63;

  static constexpr u64 kSwapExclusive = kWriteThrough;
  static constexpr unsigned kSwapTypeShift = 59;
  static constexpr unsigned kSwapOffsetShift = 9;
  // SWP_PFN_BITS: MAX_PHYSMEM_BITS in pages.
  static constexpr unsigned kPfnBits = (Levels == 5 ? 52 : 46) - kPageShift;
  static constexpr u64 kMarkers = 7;  // PTE_MARKER_MASK
  static constexpr u64 kMarkerUffdWp = 1;
  static constexpr u64 kMarkerPoisoned = 2;

  static constexpr u64 bit_or_none(u8 number) { return number ? u64{1} << (number & 63) : 0; }
  static constexpr u32 type_bit(u8 type) { return type < 32 ? u32{1} << type : 0; }

  static constexpr PteView bad() { return {.kind = SVMA_CORE_ENTRY_BAD}; }

  // `bits` of the entry, moved up or down so that the lowest of them becomes `flag`.
  static constexpr u32 moved(u64 entry, u64 bits, u32 flag) {
    const u64 lowest = bits & -bits;
    return static_cast<u32>(lowest > flag ? (entry & bits) / (lowest / flag)
                                          : (entry & bits) * (flag / lowest));
  }

  u32 flags_of(u64 entry) const {
    return moved(entry, kWrite, SVMA_CORE_PTE_WRITE) | moved(entry, kUser, SVMA_CORE_PTE_USER) |
           moved(entry, kAccessed, SVMA_CORE_PTE_ACCESSED) |
           ((entry & dirty_) ? SVMA_CORE_PTE_DIRTY : 0) | ((entry & nx_) ? 0 : SVMA_CORE_PTE_EXEC);
  }

  PteView next_table(unsigned level, u64 entry) const {
    // pud_bad() and its like. NX is only ever in the root, see passes().
    const u64 good = kPresent | kWrite | kUser | kAccessed | kDirty | frame_mask_ | ignored_ |
                     (level == kLevels ? kNx : 0);
    if (entry & ~good) return bad();
    return {.target = (entry & frame_mask_) >> kPageShift,
            .flags = flags_of(entry),
            .kind = SVMA_CORE_ENTRY_TABLE};
  }

  template <bool kKept>
  PteView page(unsigned level, u64 entry) const {
    if (entry & never_) [[unlikely]]
      return bad();
    const bool invert = kKept && !mutated(Mutation::pgtable_inversion_forgotten);
    u64 frame = (invert ? ~entry : entry) & kFrameField & ~ignored_;
    bool pat = entry & kPse;
    if (level > 1) {
      const u64 offset = ((u64{1} << shift(level)) - 1) & kFrameField;
      const u64 unused = offset & ~kPatLarge & ~ignored_;
      const bool whole = kKept && (entry & unused) == unused;
      if (!whole && (entry & unused) != 0) return bad();
      pat = ((entry & kPatLarge) != 0) != whole;
      if (!mutated(Mutation::pgtable_huge_pat_in_frame)) frame &= ~offset;
    }
    if (frame & ~frame_mask_) [[unlikely]]
      return bad();
    if (kKept && mutated(Mutation::pgtable_protnone_empty)) return {};
    u32 flags = flags_of(entry) | moved(entry, u64{1} << 11, SVMA_CORE_PTE_SOFT_DIRTY) |
                moved(entry, u64{1} << 10, SVMA_CORE_PTE_UFFD_WP) |
                moved(entry, kWriteThrough | kNoCache, SVMA_CORE_PTE_WRITE_THROUGH) |
                (pat ? SVMA_CORE_PTE_PAT : 0) |
                (static_cast<u32>(entry >> kPkeyShift & 15) << SVMA_CORE_PTE_PKEY_SHIFT);
    flags |= kKept ? SVMA_CORE_PTE_PROTNONE : moved(entry, kProtNone, SVMA_CORE_PTE_GLOBAL);
    const bool special = entry & special_;
    return {.target = frame >> kPageShift,
            .flags = flags,
            .kind = static_cast<u8>(special ? SVMA_CORE_ENTRY_SPECIAL : SVMA_CORE_ENTRY_PAGE)};
  }

  PteView absent(unsigned level, u64 entry) const {
    if (entry & (kPse | kNoCache)) return bad();
    const unsigned type = static_cast<unsigned>(entry >> kSwapTypeShift);
    const u64 unshifted = mutated(Mutation::pgtable_inversion_forgotten) ? entry : ~entry;
    const u64 offset = (unshifted << 5) >> (5 + kSwapOffsetShift);
    PteView view{.target = offset,
                 .flags = ((entry & swap_soft_dirty_) ? SVMA_CORE_PTE_SOFT_DIRTY : 0) |
                          ((entry & kUser) ? SVMA_CORE_PTE_UFFD_WP : 0) |
                          ((entry & kSwapExclusive) ? SVMA_CORE_PTE_EXCLUSIVE : 0),
                 .swap_type = static_cast<u16>(type)};
    const u32 kind = u32{1} << type;
    if (kind & marker_) return marker(view, offset);
    if (kind & swapin_error_) return marker(view, kMarkerPoisoned);
    if (kind & migration_) return with_frame(view, SVMA_CORE_ENTRY_MIGRATION, 3);
    if (kind & hwpoison_) return with_frame(view, SVMA_CORE_ENTRY_HWPOISON, 0);
    if (kind & device_) return with_frame(view, SVMA_CORE_ENTRY_DEVICE, 0);
    // A swapped huge page is swapped as pages.
    if (level > 1) return bad();
    view.kind = SVMA_CORE_ENTRY_SWAP;
    return view;
  }

  static PteView marker(PteView view, u64 marks) {
    if (marks == 0 || (marks & ~kMarkers) != 0) return bad();
    view.kind = SVMA_CORE_ENTRY_MARKER;
    view.target = marks;
    if (marks & kMarkerUffdWp) view.flags |= SVMA_CORE_PTE_UFFD_WP;
    return view;
  }

  // `notes`: which of the bits above the frame may be set: 1 accessed, 2 dirty.
  PteView with_frame(PteView view, u8 kind, u64 notes) const {
    const u64 above = view.target >> kPfnBits;
    view.target &= (u64{1} << kPfnBits) - 1;
    if ((above & ~notes) != 0 || ((view.target << kPageShift) & ~frame_mask_) != 0) return bad();
    view.kind = kind;
    if (above & 1) view.flags |= SVMA_CORE_PTE_ACCESSED;
    if (above & 2) view.flags |= SVMA_CORE_PTE_DIRTY;
    return view;
  }

  u64 frame_mask_;
  u64 ignored_;
  u64 may_differ_;  // the frame, of pages that are alike
  u64 dirty_;
  u64 special_;
  u64 never_;  // bits of a page that the kernel does not use
  u64 nx_;
  u64 swap_soft_dirty_;
  // Types of swap entries, a bit each.
  u32 migration_;
  u32 hwpoison_;
  u32 marker_;
  u32 device_;
  u32 swapin_error_;
};

static_assert(PtePolicy<X86_64<4>> && PtePolicy<X86_64<5>>);

}  // namespace svma
