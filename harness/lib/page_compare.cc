// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "lib/names.hpp"

namespace svma {
namespace {

constexpr uint32_t kBySelf = SVMA_PTE_ACCESSED | SVMA_PTE_DIRTY;
constexpr uint32_t kKeyMask = 15;

uint64_t entry_bytes(const svma_page_run& run) { return uint64_t{1} << run.page_shift; }

bool maps_memory(const svma_page_run& run) {
  return run.kind == SVMA_ENTRY_PAGE || run.kind == SVMA_ENTRY_ZERO ||
         run.kind == SVMA_ENTRY_SPECIAL;
}

const Vma* vma_at(const Layout& layout, uint64_t address) {
  const auto found =
      std::upper_bound(layout.begin(), layout.end(), address,
                       [](uint64_t place, const Vma& vma) { return place < vma.end; });
  return found != layout.end() && found->start <= address ? &*found : nullptr;
}

// Where the VMA above `address` begins. REQUIRES: `address` is in none.
uint64_t next_start(const Layout& layout, uint64_t address) {
  const auto found =
      std::upper_bound(layout.begin(), layout.end(), address,
                       [](uint64_t place, const Vma& vma) { return place < vma.start; });
  return found != layout.end() ? found->start : SVMA_NONE;
}

// Index of the first run that ends above `address`.
size_t first_above(std::span<const svma_page_run> runs, uint64_t address) {
  return std::upper_bound(
             runs.begin(), runs.end(), address,
             [](uint64_t place, const svma_page_run& run) { return place < end_of(run); }) -
         runs.begin();
}

std::string word_text(uint64_t word) {
  std::string text;
  if (word & PageEntry::kPresent) text += "present ";
  if (word & PageEntry::kSwapped) text += "swapped ";
  if (word & PageEntry::kFile) text += "file ";
  if (word & PageEntry::kUffdWp) text += "uffd-wp ";
  if (word & PageEntry::kExclusive) text += "exclusive ";
  if (word & PageEntry::kSoftDirty) text += "soft-dirty ";
  return text + fmt::format("{} {:#x}", word & PageEntry::kSwapped ? "slot" : "frame",
                            word & PageEntry::kPlace);
}

void set(PagemapWord& word, uint64_t bit, bool value) {
  word.mask |= bit;
  if (value) word.value |= bit;
}

// Of a page that is there.
void expect_owner(PagemapWord& word, const svma_page_run& run, uint64_t address, bool hugetlb,
                  const Frames& frames) {
  const uint64_t frame = target_at(run, address);
  const FrameState* const state = frames.find(frame);
  if (run.flags & (SVMA_PTE_ANON | SVMA_PTE_FILE))
    set(word, PageEntry::kFile, run.flags & SVMA_PTE_FILE);
  else if (state)
    set(word, PageEntry::kFile, !frames.shared_flags(frame).anonymous());
  if (hugetlb || !state) return;
  const FrameState* const first = frames.find(frame - (address % entry_bytes(run)) / kPageSize);
  const bool alone = state->mapcount == 1;
  if (first && alone == (first->mapcount == 1)) set(word, PageEntry::kExclusive, alone);
}

void expect_place(PagemapWord& word, const svma_page_run& run, uint64_t address) {
  const uint64_t target = target_at(run, address);
  word.mask |= PageEntry::kPlace;
  if (maps_memory(run))
    word.value |= target;
  else
    word.value |= (target << PageEntry::kSwapTypeBits | run.swap_type) & PageEntry::kPlace;
}

std::string outside_text(const svma_page_run& run, uint64_t from, uint64_t to) {
  return fmt::format("{} at {:x}-{:x}", entry_kind_name(run.kind), from, to);
}

// What of an entry its VMA does not allow; "" for nothing.
std::string excess(const svma_page_run& run, const Vma& vma) {
  if (run.kind == SVMA_ENTRY_BAD) return "nothing that the kernel writes";
  if (!maps_memory(run)) return "";
  if ((run.flags & SVMA_PTE_WRITE) && !(vma.flags & kVmWrite)) return "writable";
  if ((run.flags & SVMA_PTE_EXEC) && !(vma.flags & kVmExec)) return "executable";
  if (run.flags & SVMA_PTE_PROTNONE) return "";
  if (!(run.flags & SVMA_PTE_USER)) return "out of user space's reach";
  const uint32_t key = run.flags >> SVMA_PTE_PKEY_SHIFT & kKeyMask;
  // A driver chooses the protection of what is special.
  if (run.kind != SVMA_ENTRY_SPECIAL && key != (vma.flags >> kVmPkeyShift & kKeyMask))
    return fmt::format("with protection key {}", key);
  return "";
}

// Whose the module says the pages in [from, to) are, against kpageflags; "" for no contradiction.
std::string wrong_owner(const svma_page_run& run, uint64_t from, uint64_t to, bool hugetlb,
                        const Frames& frames) {
  if (run.kind != SVMA_ENTRY_PAGE) return "";
  const bool anon = run.flags & SVMA_PTE_ANON, shmem = run.flags & SVMA_PTE_SHMEM;
  for (uint64_t address = from; address < to; address += kPageSize) {
    const uint64_t frame = target_at(run, address);
    if (!frames.find(frame)) continue;
    const PageFlags flags = frames.shared_flags(frame);
    if (flags.anonymous() != anon)
      return fmt::format("frame {:#x} at {:x} is {}anonymous", frame, address,
                         flags.anonymous() ? "" : "not ");
    if ((run.flags & SVMA_PTE_FILE) && !hugetlb && flags.swap_backed() != shmem)
      return fmt::format("frame {:#x} at {:x} is {}shmem's", frame, address,
                         flags.swap_backed() ? "" : "not ");
  }
  return "";
}

void add_page(SmapsSums& sums, const svma_page_run& run, PageFlags flags, uint64_t mapcount,
              bool locked) {
  const bool dirty = (run.flags & SVMA_PTE_DIRTY) || flags.dirty();
  const uint64_t pss = (kPageSize << kPssShift) / std::max<uint64_t>(mapcount, 1);
  sums.rss += kPageSize;
  sums.pss += pss;
  if (locked) sums.locked += pss;
  if (dirty) sums.pss_dirty += pss;
  if (run.flags & SVMA_PTE_ANON) {
    sums.anonymous += kPageSize;
    if (!flags.swap_backed() && !dirty) sums.lazy_free += kPageSize;
  }
  if ((run.flags & SVMA_PTE_ACCESSED) || flags.referenced()) sums.referenced += kPageSize;
  uint64_t& part = mapcount < 2 ? (dirty ? sums.private_dirty : sums.private_clean)
                                : (dirty ? sums.shared_dirty : sums.shared_clean);
  part += kPageSize;
}

void add_huge(SmapsSums& sums, const svma_page_run& run, PageFlags flags) {
  const uint64_t bytes = run.count * entry_bytes(run);
  if (run.flags & SVMA_PTE_ANON)
    sums.anon_huge += bytes;
  else if (flags.swap_backed())
    sums.shmem_huge += bytes;
  else
    sums.file_huge += bytes;
}

// The value of a "Name:   123 kB" line, in pages.
std::optional<uint64_t> pages_of(std::string_view text, std::string_view name) {
  const size_t at = text.find(fmt::format("\n{}:", name));
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + name.size() + 2);
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  uint64_t kilobytes = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), kilobytes).ec != std::errc())
    return std::nullopt;
  return kilobytes * 1024 / kPageSize;
}

}  // namespace

uint64_t end_of(const svma_page_run& run) { return run.start + run.count * entry_bytes(run); }

uint64_t target_at(const svma_page_run& run, uint64_t address) {
  if (run.kind == SVMA_ENTRY_MARKER || run.kind == SVMA_ENTRY_BAD) return run.target;
  // All entries of a run of zero pages map the same one.
  const uint64_t offset = address - run.start;
  return run.target +
         (run.kind == SVMA_ENTRY_ZERO ? offset % entry_bytes(run) : offset) / kPageSize;
}

bool same_entry(const svma_page_run* a, const svma_page_run* b, uint64_t address) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->kind == b->kind && a->page_shift == b->page_shift && a->swap_type == b->swap_type &&
         (a->flags & ~kBySelf) == (b->flags & ~kBySelf) &&
         target_at(*a, address) == target_at(*b, address);
}

std::vector<svma_page_run> runs_in(std::span<const svma_page_run> runs, uint64_t start,
                                   uint64_t end) {
  std::vector<svma_page_run> inside;
  for (const svma_page_run& run : runs.subspan(first_above(runs, start))) {
    if (run.start >= end) break;
    const uint64_t from = std::max<uint64_t>(run.start, start), to = std::min(end_of(run), end);
    svma_page_run part = run;
    part.start = from;
    part.target = target_at(run, from);
    part.count = (to - from + entry_bytes(run) - 1) / entry_bytes(run);
    inside.push_back(part);
  }
  return inside;
}

std::vector<svma_page_run> joined(std::span<const svma_page_run> runs) {
  std::vector<svma_page_run> result;
  for (const svma_page_run& run : runs) {
    svma_page_run* const last = result.empty() ? nullptr : &result.back();
    if (last && end_of(*last) == run.start && last->kind == run.kind && last->flags == run.flags &&
        last->page_shift == run.page_shift && last->swap_type == run.swap_type &&
        target_at(*last, run.start) == run.target)
      last->count += run.count;
    else
      result.push_back(run);
  }
  return result;
}

bool same_runs(std::span<const svma_page_run> a, std::span<const svma_page_run> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const svma_page_run& x, const svma_page_run& y) {
                      return x.start == y.start && x.target == y.target && x.count == y.count &&
                             x.flags == y.flags && x.swap_type == y.swap_type && x.kind == y.kind &&
                             x.page_shift == y.page_shift;
                    });
}

bool same_frames(std::span<const svma_page_run> runs, const Frames& a, const Frames& b) {
  const auto same = [&](uint64_t frame) {
    const FrameState *const x = a.find(frame), *const y = b.find(frame);
    if (!x || !y) return x == y;
    const PageFlags p = a.shared_flags(frame), q = b.shared_flags(frame);
    return x->mapcount == y->mapcount && p.anonymous() == q.anonymous() && p.dirty() == q.dirty() &&
           p.swap_backed() == q.swap_backed() && p.referenced() == q.referenced();
  };
  for (const svma_page_run& run : runs) {
    if (run.kind != SVMA_ENTRY_PAGE) continue;
    for (uint64_t address = run.start; address < end_of(run); address += kPageSize)
      if (!same(target_at(run, address))) return false;
  }
  return true;
}

const svma_page_run* RunCursor::at(uint64_t address) {
  // The same run as before, or the next one; else it is looked for.
  if (next_ < runs_.size() && end_of(runs_[next_]) <= address) ++next_;
  if ((next_ > 0 && address < end_of(runs_[next_ - 1])) ||
      (next_ < runs_.size() && end_of(runs_[next_]) <= address))
    next_ = first_above(runs_, address);
  return next_ < runs_.size() && runs_[next_].start <= address ? &runs_[next_] : nullptr;
}

PagemapWord expected_word(const svma_page_run* run, uint64_t address, uint64_t vm_flags,
                          const Frames& frames, const ProcTraits& traits) {
  PagemapWord word;
  const bool hugetlb = vm_flags & kVmHugetlb;
  if (run == nullptr || (vm_flags & kVmPfnMap))
    return {vm_flags & kVmSoftDirty ? PageEntry::kSoftDirty : 0, ~uint64_t{0}};
  if (run->kind == SVMA_ENTRY_BAD) return word;
  set(word, PageEntry::kPresent, maps_memory(*run));
  // What is not present of hugetlb looks empty (pagemap_hugetlb_range()).
  set(word, PageEntry::kSwapped, !maps_memory(*run) && !hugetlb);
  set(word, PageEntry::kSoftDirty,
      (vm_flags & kVmSoftDirty) || (!hugetlb && (run->flags & SVMA_PTE_SOFT_DIRTY)));
  if (traits.pagemap_uffd_wp) set(word, PageEntry::kUffdWp, run->flags & SVMA_PTE_UFFD_WP);
  if (run->kind == SVMA_ENTRY_MARKER || (hugetlb && !maps_memory(*run))) return word;
  expect_place(word, *run, address);
  if (run->kind == SVMA_ENTRY_PAGE) {
    expect_owner(word, *run, address, hugetlb, frames);
  } else if (run->kind == SVMA_ENTRY_SWAP || (run->page_shift == kPageShift && maps_memory(*run))) {
    set(word, PageEntry::kFile, false);
    set(word, PageEntry::kExclusive, false);
  }
  return word;
}

Comparison compare_pagemap(const Vma& vma, uint64_t start, std::span<const PageEntry> words,
                           std::span<const svma_page_run> before,
                           std::span<const svma_page_run> after, const Frames& frames,
                           const ProcTraits& traits, uint64_t& moved) {
  Comparison comparison;
  RunCursor first(before), second(after);
  const uint64_t empty = vma.flags & kVmSoftDirty ? PageEntry::kSoftDirty : 0;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint64_t address = start + i * kPageSize, raw = words[i].raw();
    const svma_page_run *const run = first.at(address), *const again = second.at(address);
    if (!run && !again && raw == empty) continue;
    if (!same_entry(run, again, address)) {
      ++moved;
      continue;
    }
    const PagemapWord expected = expected_word(run, address, vma.flags, frames, traits);
    const uint64_t wrong = (raw & expected.mask) ^ expected.value;
    if (wrong == 0)
      comparison.add_equal();
    else
      comparison.add_difference({std::string(kRoadPagemap),
                                 wrong == PageEntry::kExclusive ? "exclusive" : "page", address,
                                 run_text(run, address) + "; expected " + word_text(expected.value),
                                 word_text(raw)});
  }
  return comparison;
}

std::optional<SmapsSums> smaps_sums(const Vma& vma, std::span<const svma_page_run> runs,
                                    const Frames& frames) {
  SmapsSums sums;
  if (vma.flags & kVmPfnMap) return sums;
  for (const svma_page_run& run : runs) {
    const uint64_t end = end_of(run);
    if (vma.flags & kVmHugetlb) {
      if (run.kind == SVMA_ENTRY_PAGE) sums.hugetlb += end - run.start;
      if (run.kind == SVMA_ENTRY_MIGRATION) return std::nullopt;
      continue;
    }
    switch (run.kind) {
      case SVMA_ENTRY_SWAP:
        sums.swap += end - run.start;
        break;
      case SVMA_ENTRY_PAGE:
        if (run.page_shift == kPmdShift) add_huge(sums, run, frames.shared_flags(run.target));
        for (uint64_t address = run.start; address < end; address += kPageSize) {
          const uint64_t frame = target_at(run, address);
          const FrameState* const state = frames.find(frame);
          if (!state) return std::nullopt;
          add_page(sums, run, frames.shared_flags(frame), state->mapcount, vma.flags & kVmLocked);
        }
        break;
      case SVMA_ENTRY_ZERO:
      case SVMA_ENTRY_SPECIAL:
      case SVMA_ENTRY_MARKER:
        break;
      default:
        return std::nullopt;
    }
  }
  return sums;
}

Comparison compare_smaps_sums(const Vma& vma, const SmapsSums& sums, const SmapsRecord& record,
                              const ProcTraits& traits) {
  std::string names, calculated, printed;
  const auto check_number = [&](const char* name, uint64_t value, std::optional<uint64_t> line) {
    if (!line || value == *line) return;
    const char* const comma = names.empty() ? "" : ", ";
    names += fmt::format("{}{}", names.empty() ? "" : ",", name);
    calculated += fmt::format("{}{} {}", comma, name, value);
    printed += fmt::format("{}{} {}", comma, name, *line);
  };
  const auto check = [&](const char* name, uint64_t bytes, std::optional<uint64_t> kilobytes) {
    check_number(name, bytes >> 10, kilobytes);
  };
  check("Rss", sums.rss, record.rss);
  check("Pss", sums.pss >> kPssShift, record.pss);
  check("Pss_Dirty", sums.pss_dirty >> kPssShift, record.pss_dirty);
  check("Shared_Clean", sums.shared_clean, record.shared_clean);
  check("Shared_Dirty", sums.shared_dirty, record.shared_dirty);
  check("Private_Clean", sums.private_clean, record.private_clean);
  check("Private_Dirty", sums.private_dirty, record.private_dirty);
  if (traits.referenced) check("Referenced", sums.referenced, record.referenced);
  check("Anonymous", sums.anonymous, record.anonymous);
  check("LazyFree", sums.lazy_free, record.lazy_free);
  check("AnonHugePages", sums.anon_huge, record.anon_huge);
  check("ShmemPmdMapped", sums.shmem_huge, record.shmem_huge);
  check("FilePmdMapped", sums.file_huge, record.file_huge);
  check("Locked", sums.locked >> kPssShift, record.locked);
  if (record.shared_hugetlb && record.private_hugetlb)
    check("Hugetlb", sums.hugetlb, *record.shared_hugetlb + *record.private_hugetlb);
  if (!vma.has_file() || (record.swap && *record.swap < sums.swap >> 10))
    check("Swap", sums.swap, record.swap);
  check_number("ProtectionKey", vma.flags >> kVmPkeyShift & kKeyMask, record.protection_key);
  Comparison comparison;
  if (names.empty())
    comparison.add_equal();
  else
    comparison.add_difference(
        {std::string(kRoadSmapsPages), names, vma.start, calculated, printed});
  return comparison;
}

bool depends_on_sharers(const Difference& difference) {
  static constexpr std::string_view kShared[] = {"exclusive",     "Pss",          "Pss_Dirty",
                                                 "Shared_Clean",  "Shared_Dirty", "Private_Clean",
                                                 "Private_Dirty", "Locked"};
  std::string_view rest = difference.field;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (std::find(std::begin(kShared), std::end(kShared), rest.substr(0, comma)) ==
        std::end(kShared))
      return false;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return true;
}

Comparison compare_entries_with_layout(const Layout& layout, std::span<const svma_page_run> runs,
                                       const Frames& frames) {
  Comparison comparison;
  for (const svma_page_run& run : runs) {
    for (uint64_t from = run.start, to; from < end_of(run); from = to) {
      const Vma* const vma = vma_at(layout, from);
      to = std::min(end_of(run), vma ? vma->end : next_start(layout, from));
      std::string wrong = "outside of all VMAs", live = outside_text(run, from, to);
      if (vma) {
        wrong = excess(run, *vma);
        live = run_text(&run, from);
        if (wrong.empty() &&
            !(wrong = wrong_owner(run, from, to, vma->flags & kVmHugetlb, frames)).empty())
          wrong = "of another kind: " + wrong;
      }
      if (wrong.empty())
        comparison.add_equal();
      else
        comparison.add_difference(
            {std::string(kRoadLayout), "entry", from,
             vma ? fmt::format("{:x}-{:x} flags={:#x}", vma->start, vma->end, vma->flags)
                 : "no VMA",
             live + ", " + wrong});
    }
  }
  return comparison;
}

std::vector<Barren> barren_ranges(const Layout& layout, uint64_t from, uint64_t to, size_t most) {
  constexpr uint64_t kEnd = uint64_t{1} << 47;  // what four levels of tables span of user space
  std::vector<Barren> ranges;
  uint64_t begin = 0;
  for (size_t i = 0; i <= layout.size(); ++i) {
    const uint64_t end = i < layout.size() ? layout[i].start : kEnd;
    for (unsigned level = 3; level >= 1; --level) {
      const uint64_t span = uint64_t{1} << (kPageShift + 9 * level);
      const uint64_t first = (std::max(begin, from) + span - 1) / span * span;
      const uint64_t last = std::min(end, to) / span * span;
      if (first < last && ranges.size() < most) ranges.push_back({first, last, level});
    }
    if (i < layout.size()) begin = layout[i].end;
  }
  return ranges;
}

std::optional<PageCounters> parse_page_counters(std::string_view status) {
  const auto anon = pages_of(status, "RssAnon"), file = pages_of(status, "RssFile"),
             shmem = pages_of(status, "RssShmem"), swap = pages_of(status, "VmSwap"),
             tables = pages_of(status, "VmPTE"), peak = pages_of(status, "VmHWM");
  if (!anon || !file || !shmem || !swap || !tables || !peak) return std::nullopt;
  return PageCounters{*anon, *file, *shmem, *swap, *tables, *peak};
}

std::optional<PageCounters> counters_of(std::span<const svma_page_sum> sums,
                                        const std::array<uint64_t, SVMA_TABLE_LEVELS>& tables,
                                        uint64_t deposited) {
  // Tables of the level p4d are not counted, nor is the root (mm_inc_nr_puds() is the highest).
  PageCounters counters;
  counters.page_tables = tables[0] + tables[1] + tables[2] + deposited;
  for (const svma_page_sum& sum : sums) {
    if (sum.migration || sum.device) return std::nullopt;
    if (sum.vma_flags & kVmHugetlb) continue;
    counters.anon += sum.anon;
    counters.shmem += sum.shmem;
    // What is of no kind that the module knows is counted as a file's: pages of drivers, the vdso.
    counters.file += sum.present - sum.anon - sum.shmem;
    counters.swap += sum.swap;
  }
  counters.peak = counters.resident();
  return counters;
}

uint64_t deposited_tables(const Layout& layout, std::span<const svma_page_run> runs) {
  uint64_t tables = 0;
  for (const svma_page_run& run : runs) {
    if (run.page_shift != kPmdShift) continue;
    const Vma* const vma = vma_at(layout, run.start);
    if (vma && (vma->flags & kVmHugetlb)) continue;
    if (run.kind == SVMA_ENTRY_ZERO || (run.kind == SVMA_ENTRY_PAGE && (run.flags & SVMA_PTE_ANON)))
      tables += run.count;
  }
  return tables;
}

bool same_huge_pages(std::span<const svma_page_run> a, std::span<const svma_page_run> b) {
  const auto huge = [](std::span<const svma_page_run> runs) {
    std::vector<std::pair<uint64_t, uint64_t>> pages;  // where, and which frame or offset
    for (const svma_page_run& run : runs)
      for (uint64_t i = 0; run.page_shift == kPmdShift && i < run.count; ++i) {
        const uint64_t address = run.start + i * entry_bytes(run);
        pages.emplace_back(address, target_at(run, address));
      }
    return pages;
  };
  return huge(a) == huge(b);
}

CounterError error_of_threads(uint64_t threads) {
  constexpr uint64_t kFaults = 66, kPagesOfFault = 17;
  CounterError error{kFaults * threads, kFaults * kPagesOfFault * threads, kFaults * threads};
  error.peak = error.anon + 2 * error.file;
  return error;
}

CounterError error_of_processors(uint64_t processors) {
  constexpr uint64_t kCounters = 3, kLeast = 32;
  CounterError error;
  error.peak = kCounters * processors * std::max(kLeast, 2 * processors);
  return error;
}

Comparison compare_page_counters(const PageCounters& tables, const PageCounters& status,
                                 const CounterError& error) {
  Comparison comparison;
  const auto check = [&](const char* name, uint64_t calculated, uint64_t printed, uint64_t most) {
    if (std::max(calculated, printed) - std::min(calculated, printed) <= most)
      comparison.add_equal();
    else
      comparison.add_difference({std::string(kRoadStatus), name, 0,
                                 fmt::format("{} pages (within {})", calculated, most),
                                 fmt::format("{} pages", printed)});
  };
  check("RssAnon", tables.anon, status.anon, error.anon);
  check("RssFile", tables.file, status.file, error.file);
  check("RssShmem", tables.shmem, status.shmem, error.file);
  check("VmSwap", tables.swap, status.swap, error.swap);
  check("VmPTE", tables.page_tables, status.page_tables, 0);
  check("VmHWM", std::max(tables.peak, status.peak), status.peak, error.peak);
  return comparison;
}

Comparison compare_walks(const svma_walk& module, const svma_bpf_walk& live, bool running) {
  // In all levels of x86-64 page tables, whether they lead on or map something.
  constexpr uint64_t kAccessed = 1 << 5, kDirty = 1 << 6;
  const uint64_t minded = running ? ~(kAccessed | kDirty) : ~uint64_t{0};
  std::string ours, theirs;
  bool equal =
      module.table_levels == live.levels && module.count >= 1 && module.count <= SVMA_TABLE_LEVELS;
  for (uint32_t i = 0; equal && i < module.count; ++i) {
    const svma_walk_level& level = module.level[i];
    const bool read =
        level.level >= 1 && level.level <= SVMA_BPF_LEVELS && level.level >= live.last;
    const uint64_t entry = read ? live.entry[level.level - 1] : 0;
    if (!read || ((level.entry ^ entry) & minded)) {
      equal = false;
      ours = fmt::format("level {}: {:#x}", level.level, uint64_t{level.entry});
      theirs = read ? fmt::format("{:#x}", entry) : "not reached";
    }
  }
  if (equal && module.level[module.count - 1].level != live.last) {
    equal = false;
    ours = fmt::format("ends at level {}", module.level[module.count - 1].level);
    theirs = fmt::format("ends at level {}", live.last);
  }
  if (!equal && ours.empty()) {
    ours = fmt::format("{} of {} levels", module.count, module.table_levels);
    theirs = fmt::format("{} levels", live.levels);
  }
  Comparison comparison;
  if (equal)
    comparison.add_equal();
  else
    comparison.add_difference({std::string(kRoadPageTables), "walk", module.addr, ours, theirs});
  return comparison;
}

std::string run_text(const svma_page_run* run, uint64_t address) {
  if (run == nullptr) return "no entry";
  std::string text = entry_kind_name(run->kind);
  if (run->page_shift != kPageShift) text += fmt::format(" of {} KiB", entry_bytes(*run) >> 10);
  if (maps_memory(*run))
    text += fmt::format(" frame {:#x}", target_at(*run, address));
  else
    text += fmt::format(" type {} offset {:#x}", run->swap_type, target_at(*run, address));
  static constexpr struct {
    uint32_t bit;
    const char* name;
  } kNames[] = {{SVMA_PTE_WRITE, "write"},
                {SVMA_PTE_EXEC, "exec"},
                {SVMA_PTE_ACCESSED, "accessed"},
                {SVMA_PTE_DIRTY, "dirty"},
                {SVMA_PTE_SOFT_DIRTY, "soft-dirty"},
                {SVMA_PTE_UFFD_WP, "uffd-wp"},
                {SVMA_PTE_PROTNONE, "protnone"},
                {SVMA_PTE_ANON, "anonymous"},
                {SVMA_PTE_FILE, "file"},
                {SVMA_PTE_SHMEM, "shmem"}};
  for (const auto& flag : kNames)
    if (run->flags & flag.bit) text += fmt::format(" {}", flag.name);
  return text;
}

}  // namespace svma
