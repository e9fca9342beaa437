// SPDX-License-Identifier: GPL-2.0-only
#include "naive_tables.hpp"

#include <cstdio>

namespace svma::test {
namespace {

bool bit(u64 entry, unsigned number) { return (entry >> number & 1) != 0; }

// The bits [low, high] of an entry.
u64 field(u64 entry, unsigned high, unsigned low) {
  u64 value = 0;
  for (unsigned i = high + 1; i-- > low;) value = value * 2 + bit(entry, i);
  return value;
}

bool one_of(u64 type, const u8* types, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (types[i] == type) return true;
  }
  return false;
}

struct FlagOfBit {
  unsigned number;
  u32 flag;
};

constexpr FlagOfBit kFlagsOfTable[] = {{1, SVMA_CORE_PTE_WRITE},
                                       {2, SVMA_CORE_PTE_USER},
                                       {5, SVMA_CORE_PTE_ACCESSED},
                                       {6, SVMA_CORE_PTE_DIRTY}};
constexpr FlagOfBit kFlagsOfPage[] = {{3, SVMA_CORE_PTE_WRITE_THROUGH},
                                      {4, SVMA_CORE_PTE_NO_CACHE},
                                      {10, SVMA_CORE_PTE_UFFD_WP},
                                      {11, SVMA_CORE_PTE_SOFT_DIRTY}};

class Naive {
 public:
  Naive(const FakeMemory& memory, const svma_pgtable& pgtable)
      : memory_(memory), pgtable_(pgtable) {}

  static unsigned shift(unsigned level) {
    constexpr unsigned kShifts[] = {0, 12, 21, 30, 39, 48, 57};
    return kShifts[level];
  }

  NaiveEntry decode(unsigned level, u64 e) const {
    NaiveEntry out;
    out.shift = shift(level);
    for (unsigned i = 0; i < 64; ++i) {
      if (bit(e, i) && i != 5 && i != 6) break;
      if (i == 63) return out;
    }
    out.kind = SVMA_CORE_ENTRY_BAD;
    const bool there = bit(e, 0);
    if (there && level > 1 && !bit(e, 7)) return table(level, e, out);
    if (level > 3) return out;
    const bool page = there || (level == 1 ? bit(e, 8) : bit(e, 7));
    if (page) return mapped(level, e, out);
    return swapped(level, e, out);
  }

  // What struct page adds.
  NaiveEntry with_frame(NaiveEntry entry) const {
    if (entry.kind != SVMA_CORE_ENTRY_PAGE && entry.kind != SVMA_CORE_ENTRY_SPECIAL) return entry;
    const u32 frame = memory_.frame(entry.target);
    if (frame & SVMA_FRAME_ZERO) {
      entry.kind = SVMA_CORE_ENTRY_ZERO;
    } else if (!(frame & SVMA_FRAME_KNOWN)) {
      entry.kind = SVMA_CORE_ENTRY_SPECIAL;
    } else if (entry.kind == SVMA_CORE_ENTRY_PAGE) {
      if (frame & SVMA_FRAME_ANON) entry.flags |= SVMA_CORE_PTE_ANON;
      if (frame & SVMA_FRAME_FILE) entry.flags |= SVMA_CORE_PTE_FILE;
      if (frame & SVMA_FRAME_SHMEM) entry.flags |= SVMA_CORE_PTE_SHMEM;
    }
    return entry;
  }

  static bool is_mapped(const NaiveEntry& entry) {
    return entry.kind == SVMA_CORE_ENTRY_PAGE || entry.kind == SVMA_CORE_ENTRY_ZERO ||
           entry.kind == SVMA_CORE_ENTRY_SPECIAL;
  }

  // Of WRITE, EXEC, USER.
  u32 allows(unsigned level, const NaiveEntry& entry) const {
    if (entry.flags & SVMA_CORE_PTE_PROTNONE) return 0;
    return (entry.flags & 7) | (level == pgtable_.levels ? SVMA_CORE_PTE_EXEC : 0);
  }

 private:
  u64 frame_limit_bits() const { return pgtable_.frame_mask >> 12; }

  NaiveEntry table(unsigned level, u64 e, NaiveEntry out) const {
    for (unsigned i = 0; i < 64; ++i) {
      const bool good = i <= 2 || i == 5 || i == 6 || (i == 63 && level == pgtable_.levels) ||
                        (i >= 12 && i < 52 && bit(pgtable_.frame_mask, i));
      if (bit(e, i) && !good) return out;
    }
    out.kind = SVMA_CORE_ENTRY_TABLE;
    out.target = field(e, 51, 12);
    for (const FlagOfBit& of : kFlagsOfTable) {
      if (bit(e, of.number)) out.flags |= of.flag;
    }
    if (!bit(e, 63)) out.flags |= SVMA_CORE_PTE_EXEC;
    if (pgtable_.dirty_bit && bit(e, pgtable_.dirty_bit)) out.flags |= SVMA_CORE_PTE_DIRTY;
    return out;
  }

  NaiveEntry mapped(unsigned level, u64 e, NaiveEntry out) const {
    for (unsigned i = 52; i <= 58; ++i) {
      if (bit(e, i) && i != pgtable_.dirty_bit && i != pgtable_.special_bit) return out;
    }
    u64 frame = field(e, 51, 12);
    if (!bit(e, 0)) frame = ~frame & ((u64{1} << 40) - 1);
    bool pat = bit(e, 7);
    if (level > 1) {
      const u64 offset = field(e, shift(level) - 1, 13);
      const bool ones = offset == (u64{1} << (shift(level) - 13)) - 1;
      if (offset != 0 && (!ones || bit(e, 0))) return out;
      pat = bit(e, 12) != (offset != 0);
      const unsigned below = shift(level) - 12;
      frame = frame >> below << below;
    }
    if (frame & ~frame_limit_bits()) return out;
    out.target = frame;
    out.kind = bit(e, 9) || (pgtable_.special_bit && bit(e, pgtable_.special_bit))
                   ? SVMA_CORE_ENTRY_SPECIAL
                   : SVMA_CORE_ENTRY_PAGE;
    for (const FlagOfBit& of : kFlagsOfTable) {
      if (bit(e, of.number)) out.flags |= of.flag;
    }
    for (const FlagOfBit& of : kFlagsOfPage) {
      if (bit(e, of.number)) out.flags |= of.flag;
    }
    if (pgtable_.dirty_bit && bit(e, pgtable_.dirty_bit)) out.flags |= SVMA_CORE_PTE_DIRTY;
    if (!bit(e, 63)) out.flags |= SVMA_CORE_PTE_EXEC;
    if (pat) out.flags |= SVMA_CORE_PTE_PAT;
    if (!bit(e, 0)) out.flags |= SVMA_CORE_PTE_PROTNONE;
    if (bit(e, 0) && bit(e, 8)) out.flags |= SVMA_CORE_PTE_GLOBAL;
    out.flags |= static_cast<u32>(field(e, 62, 59)) << SVMA_CORE_PTE_PKEY_SHIFT;
    return out;
  }

  NaiveEntry swapped(unsigned level, u64 e, const NaiveEntry& bad) const {
    if (bit(e, 4) || bit(e, 7)) return bad;
    NaiveEntry out = bad;
    const svma_swap_kinds& kinds = pgtable_.swap;
    const u64 type = field(e, 63, 59);
    const u64 offset = field(~e, 58, 9);
    const unsigned pfn_bits = pgtable_.levels == 5 ? 40 : 34;
    const u64 pfn = offset & ((u64{1} << pfn_bits) - 1);
    const u64 above = offset >> pfn_bits;
    out.swap_type = static_cast<u32>(type);
    if (bit(e, 1)) out.flags |= SVMA_CORE_PTE_SOFT_DIRTY;
    if (bit(e, 2)) out.flags |= SVMA_CORE_PTE_UFFD_WP;
    if (bit(e, 3)) out.flags |= SVMA_CORE_PTE_EXCLUSIVE;
    if (type == kinds.marker || type == kinds.swapin_error) {
      const u64 marks = type == kinds.marker ? offset : 2;
      if (marks == 0 || marks > 7) return bad;
      if (marks & 1) out.flags |= SVMA_CORE_PTE_UFFD_WP;
      out.kind = SVMA_CORE_ENTRY_MARKER;
      out.target = marks;
      return out;
    }
    const bool migration = one_of(type, kinds.migration, 3);
    if (migration || type == kinds.hwpoison || one_of(type, kinds.device, 4)) {
      if (above > (migration ? 3 : 0) || (pfn & ~frame_limit_bits())) return bad;
      if (above & 1) out.flags |= SVMA_CORE_PTE_ACCESSED;
      if (above & 2) out.flags |= SVMA_CORE_PTE_DIRTY;
      out.target = pfn;
      out.kind = migration                ? SVMA_CORE_ENTRY_MIGRATION
                 : type == kinds.hwpoison ? SVMA_CORE_ENTRY_HWPOISON
                                          : SVMA_CORE_ENTRY_DEVICE;
      return out;
    }
    if (level > 1) return bad;
    out.kind = SVMA_CORE_ENTRY_SWAP;
    out.target = offset;
    return out;
  }

  const FakeMemory& memory_;
  const svma_pgtable& pgtable_;
};

class Recursion {
 public:
  Recursion(const FakeMemory& memory, const svma_pgtable& pgtable, u64 start, u64 end, u64 most)
      : memory_(memory), pgtable_(pgtable), naive_(memory, pgtable), start_(start), most_(most) {
    walk_.end = end;
  }

  NaiveWalk run() {
    visit(pgtable_.levels, pgtable_.root, 0, 7);
    return walk_;
  }

 private:
  void visit(unsigned level, u64 address, u64 base, u32 allowed) {
    const FakeMemory::Table* const table = memory_.find_table(address);
    if (table == nullptr) {
      walk_.entries.push_back({base, Naive::shift(level + 1), SVMA_CORE_ENTRY_BAD, 0, 0, 0});
      return;
    }
    ++walk_.tables[level - 1];
    for (unsigned i = 0; i < 512; ++i) {
      const u64 from = base + i * (u64{1} << Naive::shift(level));
      const u64 to = from + (u64{1} << Naive::shift(level));
      if (to <= start_ || from >= walk_.end) continue;
      if (++seen_ > most_) {
        walk_.end = from > start_ ? from : start_;
        return;
      }
      NaiveEntry entry = naive_.decode(level, (*table)[i]);
      if (entry.kind == SVMA_CORE_ENTRY_NONE) continue;
      if (entry.kind == SVMA_CORE_ENTRY_TABLE) {
        visit(level - 1, entry.target << 12, from, allowed & naive_.allows(level, entry));
        continue;
      }
      entry.start = from;
      entry = naive_.with_frame(entry);
      if (Naive::is_mapped(entry)) {
        entry.flags = (entry.flags & ~7u) | (naive_.allows(level, entry) & allowed);
      }
      walk_.entries.push_back(entry);
    }
  }

  const FakeMemory& memory_;
  const svma_pgtable& pgtable_;
  const Naive naive_;
  const u64 start_;
  const u64 most_;
  u64 seen_ = 0;
  NaiveWalk walk_;
};

}  // namespace

std::string to_string(const NaiveEntry& entry) {
  char text[160];
  std::snprintf(text, sizeof(text), "%#llx shift %u kind %u flags %#x type %u target %#llx",
                entry.start, entry.shift, entry.kind, entry.flags, entry.swap_type, entry.target);
  return text;
}

NaiveWalk naive_walk(const FakeMemory& memory, const svma_pgtable& pgtable, u64 start, u64 end,
                     u64 most_entries) {
  NaiveWalk walk = Recursion(memory, pgtable, start, end, most_entries).run();
  if (walk.end == end) return walk;
  // Up to where it came, and nothing that was begun there.
  return Recursion(memory, pgtable, start, walk.end, ~u64{0}).run();
}

svma_core_sum naive_sum(const NaiveWalk& walk, u64 start, u64 end) {
  svma_core_sum sum{};
  for (const NaiveEntry& entry : walk.entries) {
    u64 pages = 0;
    // Counted at the ends of the range alone, for pages of 1 GiB are many.
    const u64 last = entry.start + (u64{1} << entry.shift);
    const u64 from = entry.start < start ? start : entry.start;
    const u64 to = last > end ? end : last;
    if (to > from) pages = (to - from) / 4096;
    const bool page = entry.kind == SVMA_CORE_ENTRY_PAGE;
    const bool zero = entry.kind == SVMA_CORE_ENTRY_ZERO;
    const bool special = entry.kind == SVMA_CORE_ENTRY_SPECIAL;
    const auto add = [&](u64& counter, bool counts) { counter += counts ? pages : 0; };
    add(sum.present, page);
    add(sum.anon, page && (entry.flags & SVMA_CORE_PTE_ANON));
    add(sum.shmem, page && (entry.flags & SVMA_CORE_PTE_SHMEM));
    add(sum.file,
        page && (entry.flags & SVMA_CORE_PTE_FILE) && !(entry.flags & SVMA_CORE_PTE_SHMEM));
    add(sum.protnone, page && (entry.flags & SVMA_CORE_PTE_PROTNONE));
    add(sum.zero, zero);
    add(sum.special, special);
    add(sum.swap, entry.kind == SVMA_CORE_ENTRY_SWAP);
    add(sum.migration, entry.kind == SVMA_CORE_ENTRY_MIGRATION);
    add(sum.hwpoison, entry.kind == SVMA_CORE_ENTRY_HWPOISON);
    add(sum.device, entry.kind == SVMA_CORE_ENTRY_DEVICE);
    add(sum.marker, entry.kind == SVMA_CORE_ENTRY_MARKER);
    add(sum.bad, entry.kind == SVMA_CORE_ENTRY_BAD);
    const bool mapped = page || zero || special;
    add(sum.writable, mapped && (entry.flags & SVMA_CORE_PTE_WRITE));
    add(sum.accessed, mapped && (entry.flags & SVMA_CORE_PTE_ACCESSED));
    add(sum.dirty, mapped && (entry.flags & SVMA_CORE_PTE_DIRTY));
    add(sum.soft_dirty, mapped && (entry.flags & SVMA_CORE_PTE_SOFT_DIRTY));
    add(sum.uffd_wp, mapped && (entry.flags & SVMA_CORE_PTE_UFFD_WP));
    add(sum.huge_2m, (page || zero) && entry.shift == 21);
    add(sum.huge_1g, (page || zero) && entry.shift == 30);
  }
  for (unsigned i = 0; i < SVMA_CORE_TABLE_LEVELS; ++i) sum.tables[i] = walk.tables[i];
  return sum;
}

svma_core_way naive_way(const FakeMemory& memory, const svma_pgtable& pgtable, u64 addr) {
  const Naive naive(memory, pgtable);
  svma_core_way way{};
  u64 address = pgtable.root;
  u32 allowed = 7;
  for (unsigned level = pgtable.levels; level > 0; --level) {
    const FakeMemory::Table* const table = memory.find_table(address);
    if (table == nullptr) {
      if (way.count > 0) way.level[way.count - 1].kind = SVMA_CORE_ENTRY_BAD;
      break;
    }
    const unsigned index = addr / (u64{1} << Naive::shift(level)) % 512;
    const NaiveEntry entry = naive.with_frame(naive.decode(level, (*table)[index]));
    svma_core_level& out = way.level[way.count++];
    out.table = address;
    out.entry = (*table)[index];
    out.target = entry.target;
    out.level = level;
    out.index = index;
    out.kind = entry.kind;
    out.flags = entry.flags;
    out.swap_type = entry.swap_type;
    way.page_shift = entry.shift;
    allowed &= naive.allows(level, entry);
    if (Naive::is_mapped(entry)) way.allowed = allowed;
    if (entry.kind != SVMA_CORE_ENTRY_TABLE) break;
    address = entry.target << 12;
  }
  return way;
}

}  // namespace svma::test
