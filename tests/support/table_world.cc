// SPDX-License-Identifier: GPL-2.0-only
#include "table_world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace svma::test {
namespace {

// Frames of all sorts, above the tables.
constexpr u64 kAnon = 0x1000, kFile = 0x2000, kShmem = 0x3000, kPlain = 0x4000,
              kHoleInMemory = 0x5000, kZero = 0x6000, kHugeZero = 0x6200, kHigh = 0x40000;
constexpr u64 kMostEntries = 3000;

unsigned shift_of(unsigned level) { return 3 + 9 * level; }

std::string text(const char* format, auto... values) {
  char buffer[400];
  std::snprintf(buffer, sizeof(buffer), format, values...);
  return buffer;
}

}  // namespace

std::vector<NaiveEntry> entries_of(const std::vector<svma_core_run>& runs) {
  std::vector<NaiveEntry> entries;
  for (const svma_core_run& run : runs) {
    u64 step = u64{1} << (run.page_shift - 12);
    if (run.kind == SVMA_CORE_ENTRY_SWAP) step = 1;
    if (run.kind == SVMA_CORE_ENTRY_ZERO || run.kind == SVMA_CORE_ENTRY_MARKER ||
        run.kind == SVMA_CORE_ENTRY_BAD) {
      step = 0;
    }
    for (u64 i = 0; i < run.count; ++i) {
      entries.push_back({run.start + (i << run.page_shift), run.page_shift, run.kind, run.flags,
                         run.swap_type, run.target + i * step});
    }
  }
  return entries;
}

TableWorld::TableWorld(const x86::Kernel& kernel, unsigned levels, unsigned most_tables)
    : pgtable_(x86::pgtable_of(kernel, levels, 0x1000, (u64{1} << 46) - kPageSize)),
      most_tables_(most_tables) {
  memory_.table(another_table());
  const u32 known = SVMA_FRAME_KNOWN;
  memory_.set_frames(kAnon, 0x1000, known | SVMA_FRAME_ANON);
  memory_.set_frames(kFile, 0x1000, known | SVMA_FRAME_FILE);
  memory_.set_frames(kShmem, 0x1000, known | SVMA_FRAME_FILE | SVMA_FRAME_SHMEM);
  memory_.set_frames(kPlain, 0x1000, known);
  memory_.set_frames(kZero, 1, known | SVMA_FRAME_ZERO);
  memory_.set_frames(kHugeZero, 512, known | SVMA_FRAME_ZERO);
  memory_.set_frames(kHigh, 1 << 19, known | SVMA_FRAME_ANON);
}

u64 TableWorld::another_table() { return u64{1 + tables_++ % most_tables_} << kPageShift; }

u64& TableWorld::entry(u64 addr, unsigned level) {
  u64 table = pgtable_.root;
  for (unsigned at = pgtable_.levels; at > level; --at) {
    u64& up = memory_.table(table)[addr >> shift_of(at) & 511];
    const u64 next = up & pgtable_.frame_mask;
    const bool leads_down = (up & x86::kPresent) && !(up & x86::kPse) && memory_.find_table(next);
    if (!leads_down) up = another_table() | x86::kTable;
    table = up & pgtable_.frame_mask;
    memory_.table(table);
  }
  return memory_.table(table)[addr >> shift_of(level) & 511];
}

u64 TableWorld::some_address(const Choose& choose) const {
  const u64 end = user_end();
  u64 near = 0;
  switch (choose(6)) {
    case 0:
      near = 0;
      break;
    case 1:
      near = end;
      break;
    case 2:
      near = u64{1} << 21;
      break;
    case 3:
      near = u64{1} << 30;
      break;
    case 4:
      near = u64{1} << 39;
      break;
    default:
      near = (u64{1} << 39) + (u64{3} << 30) + (u64{64} << 21);
      break;
  }
  constexpr u64 kSteps[] = {1, 2, 16, 63, 64, 65, 511, 512, 513, 1024};
  const u64 off = kSteps[choose(10)] << kPageShift;
  const u64 up = choose(4) == 0 ? off << 9 : off;
  if (near < up) return near + up;
  if (near + up >= end) return near - up;
  return choose(2) ? near + up : near - up;
}

u64 TableWorld::some_frame(const Choose& choose) const {
  constexpr u64 kBases[] = {kAnon,         kAnon, kFile,     kShmem, kPlain,
                            kHoleInMemory, kZero, kHugeZero, kHigh};
  return kBases[choose(9)] + choose(4);
}

u64 TableWorld::some_page(const Choose& choose, unsigned level) const {
  constexpr u64 kBits[] = {x86::kRw,       x86::kUser,       x86::kPwt,    x86::kPcd,
                           x86::kAccessed, x86::kDirty,      x86::kUffdWp, x86::kSoftDirty,
                           x86::kSpecial,  x86::kSavedDirty, x86::kDevmap, x86::kNx};
  u64 bits = x86::kPage;
  if (choose(3) == 0) bits ^= kBits[choose(12)];
  if (choose(3) == 0) bits ^= kBits[choose(12)];
  if (choose(8) == 0) bits |= x86::pkey(choose(16));
  u64 frame = some_frame(choose);
  if (choose(16) == 0) frame |= u64{1} << (33 + choose(7));
  if (level > 1) {
    bits |= x86::kPse;
    if (choose(4) == 0) bits |= x86::kPatLarge;
    if (choose(16) != 0) frame &= ~u64{511};
    if (level > 2 && choose(16) != 0) frame = frame >> 18 << 18;
  } else if (choose(4) == 0) {
    bits |= x86::kPat;
  }
  if (choose(4) != 0) return x86::present(frame, bits | (choose(8) ? 0 : x86::kGlobal));
  // Of hugetlbfs the whole field is inverted, and PAT with it.
  const unsigned shift = choose(2) ? 12 : shift_of(level);
  const u64 kept = x86::kept(frame, bits & ~x86::kPresent & ~x86::kPatLarge, shift);
  return kept | (choose(8) ? x86::kProtNone : 0);
}

u64 TableWorld::some_absent(const Choose& choose) const {
  u64 bits = 0;
  if (choose(4) == 0) bits |= choose(8) << 1;
  if (choose(16) == 0) bits |= x86::kPse | x86::kPcd;
  const svma_swap_kinds& swap = pgtable_.swap;
  const u8 kinds[] = {swap.migration[0], swap.migration[1], swap.hwpoison,
                      swap.marker,       swap.device[0],    swap.device[1]};
  const u64 type = choose(2) ? choose(32) : kinds[choose(6)] % 32;
  switch (choose(5)) {
    case 0:
    case 2:
      return x86::swapped(type, 1 + choose(8), bits);
    case 1:
      return x86::swapped(type, some_frame(choose) | choose(8) << (pgtable_.levels == 5 ? 40 : 34),
                          bits);
    default:
      return x86::swapped(type, some_frame(choose), bits);
  }
}

u64 TableWorld::some_entry(const Choose& choose, unsigned level) const {
  switch (choose(8)) {
    case 0:
      return 0;
    case 1:
      return x86::kAccessed | (choose(2) ? x86::kDirty : 0);
    case 2:
    case 3:
      return some_absent(choose);
    default:
      return some_page(choose, level);
  }
}

void TableWorld::map_neighbours(const Choose& choose) {
  const u64 addr = some_address(choose);
  constexpr unsigned kLevels[] = {1, 1, 1, 2, 2, 3, 3, 4};
  const unsigned level = kLevels[choose(8)];
  constexpr u64 kCounts[] = {1, 2, 3, 15, 16, 17, 64, 65};
  const u64 count = kCounts[choose(8)];
  u64 value = some_entry(choose, level);
  // Frames that follow each other, in what is present.
  const u64 step = (value & x86::kPresent) && choose(4) ? u64{1} << shift_of(level) : 0;
  const u64 other = choose(count);
  const u64 differs = choose(4) ? 0 : choose(2) ? x86::kRw : x86::kNx;
  for (u64 i = 0; i < count; ++i, value += step) {
    const u64 at = addr + (i << shift_of(level));
    if (at < user_end()) entry(at, level) = i == other ? value ^ differs : value;
  }
}

void TableWorld::scribble(const Choose& choose) {
  const u64 table = (1 + choose(most_tables_ + 1)) << kPageShift;
  if (!memory_.find_table(table)) return;
  u64& entry = memory_.table(table)[choose(2) ? choose(4) : choose(512)];
  switch (choose(4)) {
    case 0:  // any bits
      entry = 0;
      for (unsigned i = 0; i < 8; ++i) entry = entry << 8 | choose(256);
      return;
    case 1:  // leads to any table, or out of memory
      entry = (1 + choose(most_tables_ + 2)) << kPageShift | x86::kTable;
      return;
    case 2:
      entry ^= u64{1} << choose(64);
      return;
    default:
      entry = 0;
  }
}

void TableWorld::random_step(const Choose& choose) {
  switch (choose(8)) {
    case 0:
      scribble(choose);
      return;
    case 1:  // takes a permission away from all that is below
      entry(some_address(choose), 2 + static_cast<unsigned>(choose(pgtable_.levels - 1))) &=
          ~(choose(2) ? x86::kRw : x86::kUser);
      return;
    default:
      map_neighbours(choose);
  }
}

std::string TableWorld::check_runs(const NaiveWalk& naive, u64 start, const Choose& choose) {
  std::vector<svma_core_run> runs;
  svma_core_walk walk{};
  walk.next = start;
  walk.end = naive.end;
  while (walk.next < walk.end) {
    const svma_core_walk before = walk;
    const u32 budget = static_cast<u32>(choose(8) ? choose(200) : 100000);
    const u32 room = static_cast<u32>(runs.size() + choose(6));
    const std::size_t known = runs.size();
    runs.resize(room);
    u32 count = static_cast<u32>(known);
    svma_core_runs(&pgtable_, &walk, budget, runs.data(), &count, room);
    runs.resize(count);
    if (walk.next < before.next || (walk.next == before.next && count < room)) {
      return text("no step forward at %#llx", before.next);
    }
    if (walk.next == before.next && room == known) {
      // The last run could not be continued: it needs room.
      runs.resize(count + 1);
      svma_core_runs(&pgtable_, &walk, 1, runs.data(), &count, count + 1);
      runs.resize(count);
      if (walk.next == before.next) return text("no step forward with room at %#llx", before.next);
    }
    if (walk.entries - before.entries > budget + 2 * SVMA_CORE_TABLE_LEVELS + 2) {
      return text("%llu entries with a budget of %u", walk.entries - before.entries, budget);
    }
  }
  const std::vector<NaiveEntry> entries = entries_of(runs);
  const auto [was, should] =
      std::mismatch(entries.begin(), entries.end(), naive.entries.begin(), naive.entries.end());
  if (was != entries.end() || should != naive.entries.end()) {
    return "runs: " + (was != entries.end() ? to_string(*was) : "nothing") + " instead of " +
           (should != naive.entries.end() ? to_string(*should) : "nothing");
  }
  if (std::memcmp(walk.tables, naive.tables, sizeof(walk.tables)) != 0) {
    return text("tables met: %llu %llu %llu %llu instead of %llu %llu %llu %llu", walk.tables[0],
                walk.tables[1], walk.tables[2], walk.tables[3], naive.tables[0], naive.tables[1],
                naive.tables[2], naive.tables[3]);
  }
  comparisons_ += entries.size() + 1;
  return "";
}

namespace {

void add(svma_core_sum& to, const svma_core_sum& from) {
  u64* const counters = &to.present;
  for (unsigned i = 0; i < sizeof(to) / sizeof(u64); ++i) counters[i] += (&from.present)[i];
}

}  // namespace

// In pieces, each to its own end, as of VMAs that lie side by side; several in one go.
std::string TableWorld::check_sums(const NaiveWalk& naive, u64 start, const Choose& choose) {
  svma_core_sum sum{};
  svma_core_walk walk{};
  std::vector<svma_core_range_sum> pieces;
  u64 behind = start;
  while (walk.next < naive.end) {
    while (behind < naive.end && (pieces.empty() || choose(4) != 0)) {
      const u64 piece = (1 + choose(600)) << kPageShift;
      const u64 end = choose(3) && naive.end - behind > piece ? behind + piece : naive.end;
      pieces.push_back({.start = behind, .end = end, .vma_flags = 0, .sum = {}});
      behind = end;
    }
    const u64 before = walk.next;
    const u32 budget = static_cast<u32>(choose(8) ? choose(200) : 100000);
    const u32 done =
        svma_core_sum_up(&pgtable_, &walk, budget, pieces.data(), static_cast<u32>(pieces.size()));
    if (walk.next <= before || (done != 0 && walk.next < pieces[done - 1].end) ||
        (done < pieces.size() && walk.next >= pieces[done].end)) {
      return text("sums: from %#llx to %#llx, %u pieces done", before, walk.next, done);
    }
    for (u32 i = 0; i < done; ++i) add(sum, pieces[i].sum);
    pieces.erase(pieces.begin(), pieces.begin() + done);
  }
  const svma_core_sum should = naive_sum(naive, start, naive.end);
  const u64* const counted = &sum.present;
  const u64* const expected = &should.present;
  for (unsigned i = 0; i < sizeof(sum) / sizeof(u64); ++i) {
    if (counted[i] != expected[i]) {
      return text("sums: number %u is %llu instead of %llu", i, counted[i], expected[i]);
    }
  }
  ++comparisons_;
  return "";
}

std::string TableWorld::check_way(u64 addr) {
  svma_core_way way;
  std::memset(&way, 0xa5, sizeof(way));
  svma_core_find_way(&pgtable_, addr, ~0u, &way);
  const svma_core_way should = naive_way(memory_, pgtable_, addr);
  if (std::memcmp(&way, &should, sizeof(way)) != 0) {
    return text("way to %#llx: %u levels instead of %u, allowed %u instead of %u", addr, way.count,
                should.count, way.allowed, should.allowed);
  }
  ++comparisons_;
  return "";
}

std::string TableWorld::check(const Choose& choose) {
  u64 start = some_address(choose);
  u64 end = choose(4) ? some_address(choose) : user_end();
  if (choose(4) == 0) start = 0;
  if (end < start) std::swap(start, end);
  if (end == start) end += kPageSize;
  const NaiveWalk naive = naive_walk(memory_, pgtable_, start, end, kMostEntries);
  for (const NaiveEntry& entry : naive.entries) met_[entry.kind] |= u64{1} << entry.shift;
  std::string wrong = check_runs(naive, start, choose);
  if (wrong.empty()) wrong = check_sums(naive, start, choose);
  if (wrong.empty()) wrong = check_way(some_address(choose) + choose(4096));
  if (wrong.empty() && !naive.entries.empty()) {
    const u64 entry = naive.entries[choose(naive.entries.size())].start;
    wrong = check_way(entry);
  }
  if (!wrong.empty()) wrong += text(" [%#llx, %#llx)", start, naive.end);
  return wrong;
}

}  // namespace svma::test
