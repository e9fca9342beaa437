// SPDX-License-Identifier: GPL-2.0-only
//
// What is in the frames that entries map, of one page or of many that are alike.
#pragma once

#include "abi/os_services.h"
#include "base/mutation.hpp"
#include "pgtable/pte_policy.hpp"

namespace svma {

// What decode() says of an entry that maps a frame.
constexpr bool has_frame(u8 kind) {
  return kind == SVMA_CORE_ENTRY_PAGE || kind == SVMA_CORE_ENTRY_SPECIAL;
}

// By how much targets of neighbours differ in a run.
constexpr u64 target_step(u8 kind, u8 shift) {
  switch (kind) {
    case SVMA_CORE_ENTRY_ZERO:
    case SVMA_CORE_ENTRY_MARKER:
    case SVMA_CORE_ENTRY_BAD:
      return 0;
    case SVMA_CORE_ENTRY_SWAP:
      return 1;
    default:
      return u64{1} << (shift - kPageShift);
  }
}

// What the entry says, and svma_os_frames() of its frame.
// REQUIRES: has_frame(view.kind).
inline PteView with_frame_bits(PteView view, u64 told) {
  view.target = told & ((u64{1} << SVMA_FRAME_SHIFT) - 1);
  const u32 frame = static_cast<u32>(told >> SVMA_FRAME_SHIFT);
  // The zero page is special, too, and is told apart (vm_normal_page() does not).
  if ((frame & SVMA_FRAME_ZERO) && !mutated(Mutation::pgtable_zero_as_anon)) {
    view.kind = SVMA_CORE_ENTRY_ZERO;
  } else if ((frame & SVMA_FRAME_KNOWN) == 0) {
    view.kind = SVMA_CORE_ENTRY_SPECIAL;
  }
  if (view.kind != SVMA_CORE_ENTRY_PAGE) return view;
  static_assert(SVMA_FRAME_ANON << 15 == SVMA_CORE_PTE_ANON &&
                SVMA_FRAME_FILE << 15 == SVMA_CORE_PTE_FILE &&
                SVMA_FRAME_SHMEM << 15 == SVMA_CORE_PTE_SHMEM);
  view.flags |= (frame & (SVMA_FRAME_ANON | SVMA_FRAME_FILE | SVMA_FRAME_SHMEM)) << 15;
  return view;
}

inline PteView look_at_frame(const PteView& view) {
  if (!has_frame(view.kind)) return view;
  u64 told = view.target;
  svma_os_frames(&told, 1);
  return with_frame_bits(view, told);
}

// Pages of one table of the lowest level, in its order, whose entries are alike but for the frame.
// There may be holes between them.
struct Pages {
  static constexpr unsigned kMost = 64;

  u64 entry = 0;  // of the last that was decoded; all are like it
  PteView view;   // its view, by itself
  unsigned count = 0;
  u16 index[kMost];  // in the table
  u64 frame[kMost];  // later with what svma_os_frames() says

  void begin(u64 first, const PteView& first_view, unsigned at) {
    entry = first;
    view = first_view;
    index[0] = static_cast<u16>(at);
    frame[0] = view.target;
    count = 1;
  }

  // Of how many from `first` on svma_os_frames() says the same; of `total`.
  unsigned of_a_kind(unsigned first, unsigned total) const {
    unsigned i = first + 1;
    while (i < total && (frame[i] ^ frame[first]) >> SVMA_FRAME_SHIFT == 0) ++i;
    return i - first;
  }

  // Likewise, and are neighbours in frames `step` apart.
  unsigned in_a_row(unsigned first, unsigned total, u64 step) const {
    // They are in the table's order, so two numbers show that there is no hole among them.
    const bool no_hole = unsigned{index[total - 1]} - index[first] == total - 1 - first;
    u64 next = frame[first] + step;
    unsigned i = first + 1;
    if (no_hole) {
      for (; i < total && frame[i] == next; ++i) next += step;
    } else {
      for (; i < total && frame[i] == next && index[i] == index[i - 1] + 1; ++i) next += step;
    }
    return i - first;
  }
};

}  // namespace svma
