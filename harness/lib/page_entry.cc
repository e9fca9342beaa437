// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_entry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "lib/page_compare.hpp"

namespace svma {
namespace {

constexpr uint64_t kPresent = 1, kRw = 2, kUs = 4, kLarge = 1 << 7, kProtNone = 1 << 8;
constexpr uint64_t kAccessedDirty = 0x60;  // some processors set these in what is empty
constexpr uint64_t kNoExecute = uint64_t{1} << 63;
constexpr uint64_t kPhysical = (uint64_t{1} << 52) - 1;

// Where the module ends.
WalkEnd end_of_run(const svma_page_run& run, uint64_t address) {
  WalkEnd end;
  end.empty = false;
  end.maps =
      run.kind == SVMA_ENTRY_PAGE || run.kind == SVMA_ENTRY_ZERO || run.kind == SVMA_ENTRY_SPECIAL;
  end.kept = end.maps && (run.flags & SVMA_PTE_PROTNONE);
  end.shift = run.page_shift;
  if (!end.maps) {
    end.type = run.swap_type;
    end.target = target_at(run, address >> run.page_shift << run.page_shift);
    return end;
  }
  end.target = target_at(run, address);
  end.write = run.flags & SVMA_PTE_WRITE;
  end.exec = run.flags & SVMA_PTE_EXEC;
  end.user = run.flags & SVMA_PTE_USER;
  end.key = run.flags >> SVMA_PTE_PKEY_SHIFT & 15;
  return end;
}

// What of an offset the module does not tell. One that names a frame may have notes above it (v6.1:
// 2e3468778dbe), at MAX_PHYSMEM_BITS; what could not be swapped in has a frame that is of no use
// (v6.1, make_swapin_error_entry()). The numbers of types differ from kernel to kernel, so which
// ones these are is known from the module.
void drop_untold(WalkEnd& end, const svma_page_run& run, unsigned levels) {
  if (run.kind == SVMA_ENTRY_MIGRATION || run.kind == SVMA_ENTRY_HWPOISON ||
      run.kind == SVMA_ENTRY_DEVICE)
    end.target &= (uint64_t{1} << ((levels == 5 ? 52 : 46) - kPageShift)) - 1;
  if (run.kind == SVMA_ENTRY_MARKER && run.target == SVMA_MARKER_POISONED) end.target = run.target;
}

std::string end_text(const WalkEnd& end) {
  if (end.empty) return "empty";
  if (!end.maps) return fmt::format("type {} offset {:#x}", end.type, end.target);
  return fmt::format("{}frame {:#x} of {} KiB {}{}{} key {}", end.kept ? "kept " : "", end.target,
                     uint64_t{1} << (end.shift - 10), end.write ? "w" : "-", end.exec ? "x" : "-",
                     end.user ? "u" : "-", end.key);
}

std::optional<Difference> difference_at(const PairOfWalks& pair, const svma_page_run* run) {
  const uint64_t address = pair.live.addr;
  Comparison levels = compare_walks(pair.module, pair.live, /*running=*/true);
  if (levels.divergent != 0) return std::move(levels.differences.front());
  const WalkEnd live = end_of_walk(pair.live);
  WalkEnd told = run ? end_of_run(*run, address) : WalkEnd();
  // Of nothing it is not told how large it is.
  if (run == nullptr) told.shift = live.shift;
  WalkEnd expected = live;
  if (run) drop_untold(expected, *run, pair.live.levels);
  if (told == expected) return std::nullopt;
  return Difference{std::string(kRoadPageTables), "end", address, end_text(told),
                    end_text(expected)};
}

}  // namespace

WalkEnd end_of_walk(const svma_bpf_walk& walk) {
  const unsigned last = std::clamp(walk.last, 1u, unsigned{SVMA_BPF_LEVELS});
  const uint64_t entry = walk.entry[last - 1];
  WalkEnd end;
  end.shift = kPageShift + 9 * (last - 1);
  if ((entry & ~kAccessedDirty) == 0) return end;
  end.empty = false;
  const bool present = entry & kPresent;
  end.kept = !present && (entry & (last == 1 ? kProtNone : kLarge));
  end.maps = present || end.kept;
  if (!end.maps) {
    end.type = entry >> 59;
    end.target = (~entry & ((uint64_t{1} << 59) - 1)) >> 9;
    return end;
  }
  const uint64_t within = (uint64_t{1} << end.shift) - 1;
  end.target =
      (((end.kept ? ~entry : entry) & kPhysical & ~within) | (walk.addr & within)) >> kPageShift;
  end.key = entry >> 59 & 15;
  if (end.kept) return end;
  end.write = end.exec = end.user = true;
  for (unsigned level = last; level <= walk.levels; ++level) {
    end.write &= (walk.entry[level - 1] & kRw) != 0;
    end.user &= (walk.entry[level - 1] & kUs) != 0;
    // The root that the kernel uses is not the one that the process has, with page table isolation
    // (__pti_set_user_pgtbl()).
    if (level < walk.levels) end.exec &= (walk.entry[level - 1] & kNoExecute) == 0;
  }
  return end;
}

Comparison compare_bpf_walks(std::span<const PairOfWalks> walks,
                             std::span<const svma_page_run> before,
                             std::span<const svma_page_run> after, uint64_t& moved) {
  Comparison comparison;
  RunCursor first(before), second(after);
  for (const PairOfWalks& pair : walks) {
    const svma_page_run* const run = first.at(pair.live.addr);
    if (!same_entry(run, second.at(pair.live.addr), pair.live.addr)) {
      ++moved;
      continue;
    }
    if (auto difference = difference_at(pair, run))
      comparison.add_difference(*std::move(difference));
    else
      comparison.add_equal();
  }
  return comparison;
}

std::vector<uint64_t> places_to_walk(uint64_t start, uint64_t end,
                                     std::span<const svma_page_run> runs, size_t most,
                                     uint64_t salt) {
  const auto inside = runs_in(runs, start, end);
  // The last entry may map more than is in the range.
  const auto pages_of = [end](const svma_page_run& run) {
    return (std::min(end_of(run), end) - run.start) / kPageSize;
  };
  uint64_t held = 0;
  for (const svma_page_run& run : inside) held += pages_of(run);
  std::vector<uint64_t> places{start, end - kPageSize};
  std::mt19937_64 random(salt ^ start);
  // One of each of `parts` equal parts of `pages` pages.
  const auto spread = [&](uint64_t pages, size_t parts, auto place_of) {
    for (size_t i = 0; i < parts && pages != 0; ++i) {
      const uint64_t low = pages * i / parts, high = pages * (i + 1) / parts;
      places.push_back(place_of(low + random() % std::max<uint64_t>(high - low, 1)));
    }
  };
  spread((end - start) / kPageSize, (most - 2) / 2,
         [&](uint64_t page) { return start + page * kPageSize; });
  spread(held, most - 2 - (most - 2) / 2, [&](uint64_t page) -> uint64_t {
    for (const svma_page_run& run : inside) {
      const uint64_t pages = pages_of(run);
      if (page < pages) return run.start + page * kPageSize;
      page -= pages;
    }
    return start;
  });
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

}  // namespace svma
