// SPDX-License-Identifier: GPL-2.0-only
//
// What a walk has to know about a format of page tables, as a concept: pgtable/walker.hpp is
// written against it, and pgtable/x86_64.hpp fulfils it.
//
//   level   maps per entry (x86-64)
//     5       256 TiB    pgd
//     4       512 GiB    p4d, or pgd with four levels
//     3         1 GiB    pud: may map a page itself
//     2         2 MiB    pmd: may map a page itself
//     1         4 KiB    pte
#pragma once

#include <concepts>

#include "abi/core_api.h"
#include "base/types.hpp"

namespace svma {

// One entry, put into words.
struct PteView {
  u64 target = 0;     // frame, offset in a swap area, bits of a marker; see struct svma_walk_level
  u32 flags = 0;      // SVMA_CORE_PTE_
  u16 swap_type = 0;  // of what is not present
  u8 kind = SVMA_CORE_ENTRY_NONE;
};

// The page's permissions, which each level may take away.
inline constexpr u32 kPermissions = SVMA_CORE_PTE_WRITE | SVMA_CORE_PTE_EXEC | SVMA_CORE_PTE_USER;

constexpr bool maps_frame(u8 kind) {
  return kind == SVMA_CORE_ENTRY_PAGE || kind == SVMA_CORE_ENTRY_ZERO ||
         kind == SVMA_CORE_ENTRY_SPECIAL;
}

// `level` is 1 for the lowest. All are pure functions of their arguments and of the policy.
template <class P>
concept PtePolicy = requires(const P policy, unsigned level, VirtAddr addr, u64 entry,
                             const PteView& view) {
  // How many levels; entries of a table; the first byte behind user space, in which no address is
  // out of the reach of the root's table.
  { P::kLevels } -> std::convertible_to<unsigned>;
  { P::kEntries } -> std::convertible_to<unsigned>;
  { P::kUserEnd } -> std::convertible_to<u64>;
  // Bytes that an entry maps, as a power of two; below 64 for the root's table as a whole, too.
  { P::shift(level) } -> std::same_as<unsigned>;
  // Which entry of its table is the one for an address.
  { P::index(addr, level) } -> std::same_as<unsigned>;
  // Nothing at all; what decode() calls NONE, and faster. Decided by which bits are set at all.
  { P::empty(entry) } -> std::same_as<bool>;
  // The entry by itself. A frame that is mapped is PAGE or SPECIAL: whether it is the zero page,
  // and what is in it, is not written in page tables.
  { policy.decode(level, entry) } -> std::same_as<PteView>;
  // A page or a table, not one of the kinds that are not present.
  { P::present(entry) } -> std::same_as<bool>;
  // Of two entries of the lowest level, one of them present: they differ in a frame at most,
  // frame(), which is what decode() calls the target, and in nothing else that it says.
  { policy.alike(entry, entry) } -> std::same_as<bool>;
  { policy.frame(entry) } -> std::same_as<u64>;
  // Of a TABLE: its physical address.
  { policy.table(view) } -> std::same_as<u64>;
  // Which of kPermissions this entry leaves to what is below it, or to its page.
  { policy.passes(level, view) } -> std::same_as<u32>;
};

}  // namespace svma
