// SPDX-License-Identifier: GPL-2.0-only
//
// From virtual addresses down to frames, over any format of page tables (pgtable/pte_policy.hpp).
//
// A walk is at one address in one table. It passes over the entries that are empty, hands to its
// sink those that map something, and goes down at the first that leads to a table. Behind the end
// of a table it goes up:
//
//   level 3   [ .  .  T  .  T  . ]       .  empty: passed over, 1 GiB each
//                     |     |            T  down
//   level 2     [T  H  . ]  ...          H  a huge page: to the sink
//                |     |
//   level 1   [pp.pp] ^ at the end of the table up, and on behind its entry
//
// Most of a walk is at the lowest level, and most entries there are like their neighbours. So
// entries are passed over eight at once, and pages whose entries differ in the frame alone are
// decoded once, their frames looked up together, and counted together (pgtable/pages.hpp).
//
// The tables belong to a process that runs, so entries change at any time, and each is read once.
// Nothing is believed of what they say but that svma_os_table() refuses what is not memory: a walk
// is never deeper than the format's levels, goes forward in the address space only, and ends when
// its budget of entries is used up, whatever the tables hold (also each other, or themselves). It
// goes on where it ended by walk.next alone: nothing of a table is remembered, since it may be
// gone.
#pragma once

#include "abi/os_services.h"
#include "base/mutation.hpp"
#include "pgtable/pages.hpp"
#include "pgtable/pte_policy.hpp"

namespace svma {

// Neighbouring entries that are not empty, lead to no table, and are alike; mostly it is one.
struct MappedEntries {
  u64 start;       // first byte that they map; may be below what was asked for
  u64 clip_start;  // [clip_start, clip_end): what was asked for of them
  u64 clip_end;
  PteView view;  // of the first, with the permissions of all levels
  u32 count;     // more than 1: of pages
  u8 shift;      // each maps 1 << shift bytes
};

// Takes what a walk finds.
template <class S>
concept WalkSink = requires(S& sink, const MappedEntries& entries, unsigned level) {
  // An entry that maps more than what is asked for is taken as a whole, else as far as is asked.
  { S::kTakesWhole } -> std::convertible_to<bool>;
  // Where pages are and in which frames is minded: taken together are neighbours alone, in frames
  // that are target_step() apart. Else all that are alike, and `start` and the clip say how many.
  { S::kMindsPlaces } -> std::convertible_to<bool>;
  // RETURNS: false when there is no room for them; the walk ends before the first.
  { sink.take(entries) } -> std::same_as<bool>;
  // A table is met for the first time.
  { sink.met_table(level) } -> std::same_as<void>;
};

template <PtePolicy Policy, WalkSink Sink>
class Walker {
 public:
  Walker(const Policy& policy, u64 root, svma_core_walk& walk, Sink& sink)
      : policy_(policy), walk_(walk), sink_(sink), at_(walk.next & kPageMask) {
    path_[Policy::kLevels] = {svma_os_table(root), kPermissions};
    turn();
  }

  // walk.next and walk.end were changed. Goes up as far as the way down to the new place is another
  // one: level_'s table holds both.
  void turn() {
    const u64 was = at_;
    at_ = walk_.next & kPageMask;
    end_ = walk_.end >= Policy::kUserEnd ? Policy::kUserEnd : (walk_.end + ~kPageMask) & kPageMask;
    while (level_ < Policy::kLevels && ((was ^ at_) >> Policy::shift(level_ + 1)) != 0) ++level_;
    moved_ = false;
  }

  bool spent(u32 budget) const { return entries_ >= budget; }

  // Walks until the end, until about `budget` entries were looked at since it was made, or the sink
  // is full. Takes at least one step forward if the sink lets it.
  void run(u32 budget) {
    const u64 before = entries_;
    while (at_ < end_ && (entries_ < budget || !moved_) && !full_) step(budget);
    walk_.entries += entries_ - before;
    if (at_ < end_) {
      walk_.next = at_;
      return;
    }
    if (walk_.next < walk_.end) walk_.next = walk_.end;
    if (walk_.next < taken_) walk_.next = taken_;
  }

 private:
  struct Table {
    const u64* entries;  // nullptr: there is no memory where it should be
    u32 allowed;
  };

  u64 span() const { return u64{1} << Policy::shift(level_); }
  u64 table_span() const { return span() * Policy::kEntries; }

  // The rest of the table we are in, as far as it is asked for and the budget reaches.
  void step(u32 budget) {
    const u64 table_end = (at_ & ~(table_span() - 1)) + table_span();
    const u64 first = at_ & ~(span() - 1);
    const u64 stop = table_end < end_ ? table_end : end_;
    if (path_[level_].entries == nullptr) {
      leave_unreadable(table_end);
      return;
    }
    meet_table(table_end);
    const unsigned index = Policy::index(VirtAddr(at_), level_);
    const u64 left = ((stop - 1 - first) >> Policy::shift(level_)) + 1;
    const unsigned count = affordable(left, Policy::kEntries - index, budget);
    if (!scan(index, count, first)) return;
    while (level_ < Policy::kLevels && (at_ & (table_span() - 1)) == 0) ++level_;
  }

  unsigned affordable(u64 left, unsigned in_table, u32 budget) const {
    // Always true, but for Mutation::pgtable_index_off_by_one_bit.
    const u64 count = left < in_table ? left : in_table;
    const u64 most = entries_ < budget ? budget - entries_ : 1;
    return static_cast<unsigned>(count < most ? count : most);
  }

  // RETURNS: whether it came to the end of `count` entries, and not down or to the end of the room.
  bool scan(unsigned index, unsigned count, u64 first) {
    const u64* const entries = path_[level_].entries;
    const unsigned stop = index + count;
    base_ = first - index * span();
    first_ = index;
    unsigned i = index;
    while (i < stop) {
      const u64 entry = read(entries + i);
      if (Policy::empty(entry)) {
        i = behind_empty(entries, i + 1, stop);
      } else if (!meet(entries, i, stop, entry)) {
        return false;
      }
    }
    if (!give_pages()) return false;
    entries_ += count;
    move_to(base_ + i * span());
    return true;
  }

  static u64 read(const u64* entry) { return __atomic_load_n(entry, __ATOMIC_RELAXED); }

  // Empty is what has certain bits only, so entries are when all their bits together are.
  template <unsigned kCount>
  static bool all_empty(const u64* entries) {
    u64 bits = 0;
#pragma GCC unroll 8
    for (unsigned i = 0; i < kCount; ++i) bits |= read(entries + i);
    return Policy::empty(bits);
  }

  // Adds `entry`, which is entries[i], and those behind it that are alike, to the pages that were
  // met. RETURNS: the index of the next one.
  unsigned gather(const u64* entries, unsigned i, unsigned stop, u64 entry) {
    const Policy policy = policy_;
    const u64 first = pages_.entry;
    unsigned count = pages_.count;
    const unsigned room = Pages::kMost - count;
    const unsigned end = stop - i < room ? stop : i + room;
    do {
      pages_.index[count] = static_cast<u16>(i);
      pages_.frame[count] = policy.frame(entry);
      ++count;
      if (++i == end) break;
      entry = read(entries + i);
    } while (policy.alike(first, entry));
    pages_.count = count;
    return i;
  }

  // The first from `first` on that is not empty, else `stop`.
  static unsigned behind_empty(const u64* entries, unsigned first, unsigned stop) {
    unsigned i = first;
    while (i + 8 <= stop && all_empty<8>(entries + i)) i += 8;
    if (i + 4 <= stop && all_empty<4>(entries + i)) i += 4;
    if (i != first && mutated(Mutation::pgtable_hole_too_far)) ++i;
    while (i < stop && Policy::empty(read(entries + i))) ++i;
    return i;
  }

  // `entry`, which is entries[i], is not empty. RETURNS: whether to go on, from `i`, which is
  // moved.
  bool meet(const u64* entries, unsigned& i, unsigned stop, u64 entry) {
    if (level_ == 1 && Policy::present(entry) && policy_.alike(pages_.entry, entry)) {
      if (pages_.count == Pages::kMost && !give_pages()) return false;
      i = gather(entries, i, stop, entry);
      return true;
    }
    return meet_other(i++, entry);
  }

  // What is not empty, and not like the pages that were met. RETURNS: whether to go on behind it.
  bool meet_other(unsigned index, u64 entry) {
    if (!give_pages()) return false;
    const PteView view = policy_.decode(level_, entry);
    if (level_ == 1 && Policy::present(entry) && has_frame(view.kind)) {
      pages_.begin(entry, view, index);
      return true;
    }
    if (view.kind == SVMA_CORE_ENTRY_TABLE) {
      entries_ += index - first_ + 1;
      go_down(base_ + index * span(), view);
      return false;
    }
    return give(base_ + index * span(), Policy::shift(level_), look_at_frame(view)) ||
           stop_at(index);
  }

  // Hands over the pages that were met since the last time. RETURNS: as meet().
  bool give_pages() {
    const unsigned count = pages_.count;
    if (count == 0) return true;
    pages_.count = 0;
    svma_os_frames(pages_.frame, count);
    const PteView allowed = with_permissions(pages_.view);
    for (unsigned i = 0; i < count;) {
      const PteView view = with_frame_bits(allowed, pages_.frame[i]);
      const unsigned alike = Sink::kMindsPlaces
                                 ? pages_.in_a_row(i, count, target_step(view.kind, kPageShift))
                                 : pages_.of_a_kind(i, count);
      const u64 start = base_ + pages_.index[i] * kPageSize;
      if (!hand_over(start, kPageShift, view, alike)) return stop_at(pages_.index[i]);
      i += alike;
    }
    return true;
  }

  // With those of all levels.
  PteView with_permissions(PteView view) const {
    const u32 above =
        mutated(Mutation::pgtable_upper_ignored) ? kPermissions : path_[level_].allowed;
    view.flags = (view.flags & ~kPermissions) | (policy_.passes(level_, view) & above);
    return view;
  }

  // RETURNS: whether there was room.
  bool give(u64 start, unsigned shift, const PteView& view) {
    return hand_over(start, shift, maps_frame(view.kind) ? with_permissions(view) : view, 1);
  }

  // Likewise.
  bool hand_over(u64 start, unsigned shift, const PteView& view, u32 count) {
    const u64 end = start + (u64{count} << shift);
    const MappedEntries entries{.start = start,
                                .clip_start = start < at_ ? at_ : start,
                                .clip_end = end < end_ ? end : end_,
                                .view = view,
                                .count = count,
                                .shift = static_cast<u8>(shift)};
    if (!sink_.take(entries)) return false;
    if (Sink::kTakesWhole) taken_ = end;
    return true;
  }

  void go_down(u64 start, const PteView& view) {
    if (start > at_) move_to(start);
    const u32 allowed = path_[level_].allowed & policy_.passes(level_, view);
    --level_;
    path_[level_] = {svma_os_table(policy_.table(view)), allowed};
  }

  // Ends the walk before this entry of the table. RETURNS: false, for the callers'.
  bool stop_at(unsigned index) {
    const u64 start = base_ + index * span();
    entries_ += index - first_;
    if (start > at_) at_ = start;
    full_ = true;
    return false;
  }

  void move_to(u64 address) {
    at_ = address;
    moved_ = true;
  }

  // There is no memory where the table should be: what leads there is bad.
  void leave_unreadable(u64 table_end) {
    const unsigned shift = Policy::shift(level_ + 1);
    if (!give(table_end - table_span(), shift, {.kind = SVMA_CORE_ENTRY_BAD})) {
      full_ = true;
      return;
    }
    move_to(table_end);
    while (level_ < Policy::kLevels && (at_ & (table_span() - 1)) == 0) ++level_;
  }

  void meet_table(u64 table_end) {
    u64& below = walk_.below[level_ - 1];
    if (at_ < below && !mutated(Mutation::pgtable_table_twice)) return;
    below = table_end;
    ++walk_.tables[level_ - 1];
    sink_.met_table(level_);
  }

  const Policy& policy_;
  svma_core_walk& walk_;
  Sink& sink_;
  u64 at_;
  u64 end_;
  u64 taken_ = 0;  // end of the last entry that was taken as a whole
  u64 entries_ = 0;
  unsigned level_ = Policy::kLevels;
  bool moved_ = false;
  bool full_ = false;
  Table path_[Policy::kLevels + 1];  // by level; those at level_ and above are set
  // Of the scan that goes on: what the table's entry 0 maps, the first entry looked at.
  u64 base_ = 0;
  unsigned first_ = 0;
  Pages pages_;  // met in it, and not yet handed over
};

// Walks on, as svma_core_runs() says.
template <PtePolicy Policy, WalkSink Sink>
void walk_range(const Policy& policy, u64 root, svma_core_walk& walk, u32 budget, Sink& sink) {
  Walker<Policy, Sink>(policy, root, walk, sink).run(budget);
}

// The entries from the root down to `addr`, `most` of them.
template <PtePolicy Policy>
void find_way(const Policy& policy, u64 root, VirtAddr addr, u32 most, svma_core_way& out) {
  out = {};
  if (addr.value() >= Policy::kUserEnd) return;
  u64 table = root;
  u32 allowed = kPermissions;
  for (unsigned level = Policy::kLevels; level != 0 && out.count < most; --level) {
    const unsigned index = Policy::index(addr, level);
    const u64* const entries = svma_os_table(table);
    if (entries == nullptr) {
      // There is no memory where the table should be.
      if (out.count != 0) out.level[out.count - 1].kind = SVMA_CORE_ENTRY_BAD;
      return;
    }
    const u64 entry = __atomic_load_n(entries + index, __ATOMIC_RELAXED);
    const PteView view = look_at_frame(policy.decode(level, entry));
    out.page_shift = Policy::shift(level);
    out.level[out.count++] = {.table = table,
                              .entry = entry,
                              .target = view.target,
                              .level = level,
                              .index = index,
                              .kind = view.kind,
                              .flags = view.flags,
                              .swap_type = view.swap_type,
                              .reserved = 0};
    allowed &= policy.passes(level, view);
    if (maps_frame(view.kind)) out.allowed = allowed;
    if (view.kind != SVMA_CORE_ENTRY_TABLE) return;
    table = policy.table(view);
  }
}

}  // namespace svma
