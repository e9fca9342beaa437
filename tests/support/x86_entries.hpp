// SPDX-License-Identifier: GPL-2.0-only
//
// Entries of page tables of x86-64 as the kernel makes them, by what it calls their bits; and how
// the kernels number what is not present.
#pragma once

#include "abi/core_api.h"
#include "base/types.hpp"

namespace svma::test::x86 {

inline constexpr u64 kPresent = 1, kRw = 2, kUser = 4, kPwt = 8, kPcd = 16, kAccessed = 32,
                     kDirty = 64, kPse = 128, kPat = 128, kGlobal = 256, kProtNone = 256,
                     kSpecial = 512, kUffdWp = 1024, kSoftDirty = 2048, kPatLarge = 4096;
inline constexpr u64 kNx = u64{1} << 63;
inline constexpr u64 kSoftW4Before = u64{1} << 58;  // in 5.10 and 6.1
inline constexpr u64 kSavedDirty = u64{1} << 58;    // in 6.12 and 7.3
inline constexpr u64 kDevmap = u64{1} << 57;        // in 6.12
inline constexpr u64 kSwpSoftDirty = kRw, kSwpUffdWp = kUser, kSwpExclusive = kPwt;

// _PAGE_TABLE, and a private page that was written to.
inline constexpr u64 kTable = kPresent | kRw | kUser | kAccessed | kDirty;
inline constexpr u64 kPage = kTable | kNx;

inline constexpr u64 kFullMask = 0xffffffffff000;

constexpr u64 pkey(u64 key) { return key << 59; }

// pfn_pte() of what is present.
constexpr u64 present(u64 frame, u64 bits) { return frame << 12 | bits; }

// pfn_pte(), pfn_pmd() and pfn_pud() of what is not: inverted from 1 << `shift` on.
constexpr u64 kept(u64 frame, u64 bits, unsigned shift = 12) {
  const u64 inverted = kFullMask & ~((u64{1} << shift) - 1);
  return (~(frame << 12) & inverted) | bits;
}

// __swp_entry()
constexpr u64 swapped(u64 type, u64 offset, u64 bits = 0) {
  return (~offset << 14 >> 5) | type << 59 | bits;
}

struct Kernel {
  const char* name;
  svma_swap_kinds swap;
  u8 dirty_bit;
  u8 special_bit;
};

// include/linux/swap.h and arch/x86/include/asm/pgtable_types.h of each, as Debian configures it.
inline constexpr Kernel kKernels[] = {
    {"5.10", {{28, 29, 255}, 27, 255, {30, 31, 255, 255}, 255, {}}, 0, 58},
    {"6.1", {{23, 24, 25}, 22, 30, {26, 27, 28, 29}, 31, {}}, 0, 58},
    {"6.12", {{24, 25, 26}, 23, 31, {27, 28, 29, 30}, 255, {}}, 58, 57},
    {"7.3", {{25, 26, 27}, 24, 31, {28, 29, 30, 255}, 255, {}}, 58, 0},
};

constexpr svma_pgtable pgtable_of(const Kernel& kernel, unsigned levels, u64 root,
                                  u64 frame_mask = kFullMask) {
  return {.root = root,
          .frame_mask = frame_mask,
          .levels = static_cast<u8>(levels),
          .dirty_bit = kernel.dirty_bit,
          .special_bit = kernel.special_bit,
          .ignored_bit = 0,
          .reserved = {},
          .swap = kernel.swap};
}

}  // namespace svma::test::x86
