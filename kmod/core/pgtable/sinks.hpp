// SPDX-License-Identifier: GPL-2.0-only
//
// What is made of a walk: runs of neighbouring entries, or sums.
#pragma once

#include "pgtable/walker.hpp"

namespace svma {

// Runs, in an array of the caller's. What goes on where the last run ends joins it.
class RunSink {
 public:
  static constexpr bool kTakesWhole = true;
  static constexpr bool kMindsPlaces = true;

  RunSink(svma_core_run* runs, u32& count, u32 room) : runs_(runs), count_(count), room_(room) {}

  [[gnu::always_inline]] bool take(const MappedEntries& entries) {
    const PteView& view = entries.view;
    if (count_ != 0 && joins(runs_[count_ - 1], entries)) {
      runs_[count_ - 1].count += entries.count;
      return true;
    }
    if (count_ >= room_) return false;
    const bool wrong = entries.shift == 30 && mutated(Mutation::pgtable_1g_as_2m);
    runs_[count_++] = {.start = entries.start,
                       .target = view.target,
                       .count = entries.count,
                       .flags = view.flags,
                       .swap_type = view.swap_type,
                       .kind = view.kind,
                       .page_shift = wrong ? u8{21} : entries.shift,
                       .reserved = 0};
    return true;
  }

  void met_table(unsigned) {}

 private:
  static bool joins(const svma_core_run& run, const MappedEntries& entries) {
    const PteView& view = entries.view;
    const u32 minded = mutated(Mutation::pgtable_run_joins_permissions) ? ~kPermissions : ~u32{0};
    return entries.start == run.start + (u64{run.count} << run.page_shift) &&
           view.target == run.target + run.count * target_step(view.kind, entries.shift) &&
           ((view.flags ^ run.flags) & minded) == 0 && view.kind == run.kind &&
           entries.shift == run.page_shift && view.swap_type == run.swap_type &&
           run.count <= ~u32{0} - entries.count;
  }

  svma_core_run* runs_;
  u32& count_;
  u32 room_;
};

// Sums, of what is inside the range alone.
class SumSink {
 public:
  static constexpr bool kTakesWhole = false;
  static constexpr bool kMindsPlaces = false;

  explicit SumSink(svma_core_sum& sum) : sum_(&sum) {}

  void turn_to(svma_core_sum& sum) { sum_ = &sum; }

  bool take(const MappedEntries& entries) {
    const u64 bytes = mutated(Mutation::pgtable_huge_not_clipped)
                          ? u64{entries.count} << entries.shift
                          : entries.clip_end - entries.clip_start;
    const u64 pages = bytes >> kPageShift;
    const u32 flags = entries.view.flags;
    counter(entries.view.kind) += pages;
    if (!maps_frame(entries.view.kind)) return true;
    if (flags & SVMA_CORE_PTE_WRITE) sum_->writable += pages;
    if (flags & SVMA_CORE_PTE_ACCESSED) sum_->accessed += pages;
    if (flags & SVMA_CORE_PTE_DIRTY) sum_->dirty += pages;
    if (flags & SVMA_CORE_PTE_SOFT_DIRTY) sum_->soft_dirty += pages;
    if (flags & SVMA_CORE_PTE_UFFD_WP) sum_->uffd_wp += pages;
    if (entries.view.kind == SVMA_CORE_ENTRY_SPECIAL) return true;
    if (entries.shift == 21) sum_->huge_2m += pages;
    if (entries.shift == 30) sum_->huge_1g += pages;
    if (entries.view.kind == SVMA_CORE_ENTRY_PAGE) add_content(flags, pages);
    return true;
  }

  void met_table(unsigned level) { ++sum_->tables[level - 1]; }

 private:
  void add_content(u32 flags, u64 pages) {
    if (flags & SVMA_CORE_PTE_PROTNONE) sum_->protnone += pages;
    if (flags & SVMA_CORE_PTE_ANON) sum_->anon += pages;
    if (flags & SVMA_CORE_PTE_SHMEM) {
      sum_->shmem += pages;
    } else if (flags & SVMA_CORE_PTE_FILE) {
      sum_->file += pages;
    }
  }

  u64& counter(u8 kind) {
    switch (kind) {
      case SVMA_CORE_ENTRY_PAGE:
        return sum_->present;
      case SVMA_CORE_ENTRY_ZERO:
        return sum_->zero;
      case SVMA_CORE_ENTRY_SPECIAL:
        return sum_->special;
      case SVMA_CORE_ENTRY_SWAP:
        return sum_->swap;
      case SVMA_CORE_ENTRY_MIGRATION:
        return sum_->migration;
      case SVMA_CORE_ENTRY_HWPOISON:
        return sum_->hwpoison;
      case SVMA_CORE_ENTRY_DEVICE:
        return sum_->device;
      case SVMA_CORE_ENTRY_MARKER:
        return sum_->marker;
      default:
        return sum_->bad;
    }
  }

  svma_core_sum* sum_;
};

static_assert(WalkSink<RunSink> && WalkSink<SumSink>);

// As svma_core_sum_up() says.
template <PtePolicy Policy>
u32 sum_ranges(const Policy& policy, u64 root, svma_core_walk& walk, u32 budget,
               svma_core_range_sum* range, u32 count) {
  SumSink sink(range[0].sum);
  Walker<Policy, SumSink> walker(policy, root, walk, sink);
  for (u32 i = 0; i < count; ++i) {
    if (i != 0 && walker.spent(budget)) return i;
    if (walk.next < range[i].start) walk.next = range[i].start;
    walk.end = range[i].end;
    sink.turn_to(range[i].sum);
    walker.turn();
    walker.run(budget);
    if (walk.next < walk.end) return i;
  }
  return count;
}

}  // namespace svma
