// SPDX-License-Identifier: GPL-2.0-only
#include "replay/placement.hpp"

#include "base/mutation.hpp"
#include "replay/compare.hpp"
#include "replay/facts.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

constexpr u64 kMap32Bit = 0x40, kMapAbove4G = 0x80;
constexpr u64 kMap32BitLow = 0x40000000, kMap32BitHigh = 0x80000000, kMap32BitRandom = 0x02000000;

// The highest user address below which mmap() stays unless it is asked for more: 47 bits.
constexpr u64 kDefaultMapWindow = (u64{1} << 47) - kPageSize;

// Only hugetlb_get_unmapped_area() aligns as much; align_va_addr= stays below 64 KiB.
constexpr u64 kHugePage = u64{2} << 20;
constexpr u64 kHugeAlignMask = kHugePage - kPageSize;

// What get_unmapped_area() was given by `call`, or NULL; 0: nothing. do_mmap() rounds it down,
// mremap_to() passes it on when it isn't the place itself.
u64 hint_of(const svma_call* call) {
  constexpr u64 kFixed = 2, kDontUnmap = 4;  // MREMAP_
  if (call == nullptr) return 0;
  if (call->kind == SVMA_CALL_MMAP) return call->args[0] & kPageMask;
  const bool moves_to =
      call->kind == SVMA_CALL_MREMAP && (call->args[3] & (kFixed | kDontUnmap)) == kDontUnmap;
  return moves_to ? call->args[4] : 0;
}

}  // namespace

// find_start_end(): the flag means nothing to 32-bit calls.
bool Placement::low_2gb(u64 map_flags) const {
  return (map_flags & kMap32Bit) != 0 && !has(SVMA_PLACEMENT_COMPAT);
}

bool Placement::by_hugetlb(const svma_op& search) const {
  return semantics_.hugetlb_has_own_search && search.args[3] >= kHugeAlignMask;
}

// task_size_64bit(addr > DEFAULT_MAP_WINDOW).
bool Placement::reaches_full(u64 hint) const {
  return hint > kDefaultMapWindow && !has(SVMA_PLACEMENT_COMPAT);
}

// hugetlb_get_unmapped_area_topdown() falls back to TASK_UNMAPPED_BASE, a third of the task's own
// size and not randomised, where all others use mmap_legacy_base.
AddrRange Placement::bottom_up(const svma_op& search, u64 hint) const {
  if (by_hugetlb(search) && has(SVMA_PLACEMENT_TOPDOWN)) {
    const u64 low = facts_.task_size < kDefaultMapWindow ? facts_.task_size : kDefaultMapWindow;
    return {VirtAddr((low / 3 + kPageSize - 1) & kPageMask), VirtAddr(low)};
  }
  return {VirtAddr(facts_.legacy_base),
          VirtAddr(reaches_full(hint) ? facts_.full_size : facts_.end)};
}

void Placement::check_limits(const svma_op& search, const svma_call* call,
                             svma_verdict& verdict) const {
  const bool mmap = call != nullptr && call->kind == SVMA_CALL_MMAP;
  const bool huge = by_hugetlb(search);
  const bool low_only = mmap && !huge && low_2gb(call->args[3]);
  const u64 low = search.args[1];
  const u64 hint = hint_of(call);
  const u64 up = reaches_full(hint) ? facts_.full_size - kDefaultMapWindow : 0;
  AddrRange expected = {VirtAddr(kPageSize), VirtAddr(facts_.base + up)};
  if (mmap && !huge && semantics_.mmap_knows_above_4g && (call->args[3] & kMapAbove4G) &&
      !has(SVMA_PLACEMENT_COMPAT)) {
    expected.start = VirtAddr(u64{1} << 32);
  }
  if (low_only) {
    expected = {VirtAddr(kMap32BitLow), VirtAddr(kMap32BitHigh)};
    if (has(SVMA_PLACEMENT_RANDOM) && low > kMap32BitLow && low < kMap32BitLow + kMap32BitRandom) {
      count_fact(verdict, Fact::kAddress);
      expected.start = VirtAddr(low);
    }
  } else if (search.args[5] == 0) {
    expected = bottom_up(search, hint);
  }
  if (mutated(Mutation::search_other_limit)) expected.end = expected.end - kPageSize;
  const bool topdown = has(SVMA_PLACEMENT_TOPDOWN) && !low_only;
  if (search.args[5] != 0) compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, topdown, true);
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, expected.start.value(), low);
  compare_value(verdict, SVMA_CORE_FIELD_ARGUMENT, expected.end.value(), search.args[2]);
}

// mm/huge_memory.c __thp_get_unmapped_area(). When there is no room for one huge page more, there
// is another search, for the length alone.
u64 Placement::place_unhinted(const svma_call& call, u64 length, u64 offset) const {
  const bool padded = semantics_.places_at_huge_pages && (length & (kHugePage - 1)) == 0 &&
                      call.searched_length == length + kHugePage;
  if (!padded || call.searched == 0) return call.searched;
  const u64 up = (offset - call.searched) & (kHugePage - 1);
  return call.searched + (has(SVMA_PLACEMENT_TOPDOWN) && up == 0 ? kHugePage : up);
}

// arch_get_unmapped_area_topdown() asks mmap_address_hint_valid(), by the size of the *task*;
// arch_get_unmapped_area() minds the end of its own search.
bool Placement::takes_hint(const AddressSpace& space, u64 hint, u64 length, u64 map_flags) const {
  const bool low_only = low_2gb(map_flags);
  const bool topdown = has(SVMA_PLACEMENT_TOPDOWN) && !low_only;
  const u64 above = reaches_full(hint) ? facts_.full_size : facts_.end;
  const u64 end = topdown ? facts_.task_size : low_only ? kMap32BitHigh : above;
  if (length > end || hint > end - length) return false;
  if (topdown && (hint > kDefaultMapWindow) != (hint + length > kDefaultMapWindow)) return false;
  const Vma* const next = space.find_vma(VirtAddr(hint));
  return next == nullptr || hint + length <= space.vm_start_gap(next).value();
}

}  // namespace svma
