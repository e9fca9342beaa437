// SPDX-License-Identifier: GPL-2.0-only
// Entries of page tables that BPF has read raw, decoded here once more, and what the module says of
// the same address. Pure; shares nothing with the module's own decoder.
//
// What a present entry says is the processor's business (Intel SDM volume 3, 4.5). What the rest
// says is Linux's, the same from v5.10 to v7.3 (arch/x86/include/asm/pgtable_64.h,
// pgtable-invert.h): bit 8 of a pte, bit 7 of a higher entry keeps a page that the processor may
// not touch, with its frame inverted; anything else is a type in the five highest bits over an
// inverted offset from bit 9 on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bpf/svma_pages.h"
#include "lib/compare.hpp"
#include "lib/layout.hpp"
#include "uapi/svma.h"

namespace svma {

// What one walk ends at, for the page of 4 KiB at its address.
struct WalkEnd {
  bool empty = true;
  bool maps = false;  // a frame, kept ones included; else a type and an offset
  bool kept = false;
  unsigned shift = 12;  // the entry maps or could map 1 << shift bytes
  uint64_t target = 0;  // frame of the page, or offset in the entry
  unsigned type = 0;
  bool write = false, exec = false, user = false;  // what all levels together allow
  unsigned key = 0;

  bool operator==(const WalkEnd&) const = default;
};

// REQUIRES: at least the root's entry was read.
WalkEnd end_of_walk(const svma_bpf_walk& walk);

// An address that both were asked about, the module by SVMA_IOC_WALK.
struct PairOfWalks {
  svma_walk module;
  svma_bpf_walk live;
};

// One answer for each address on which `before` and `after` agree: the raw entries of all levels
// are those of SVMA_IOC_WALK, and where they end is what SVMA_IOC_PAGES told. The others are added
// to `moved`.
Comparison compare_bpf_walks(std::span<const PairOfWalks> walks,
                             std::span<const svma_page_run> before,
                             std::span<const svma_page_run> after, uint64_t& moved);

// Addresses to walk to in the part of a VMA that is in [start, end), ascending, each once: the
// first and the last page, and others, half of them spread over the whole part and half over
// what `runs` holds. `salt` chooses which. RETURNS: `most` at most. REQUIRES: most >= 2.
std::vector<uint64_t> places_to_walk(uint64_t start, uint64_t end,
                                     std::span<const svma_page_run> runs, size_t most,
                                     uint64_t salt);

}  // namespace svma
