// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_check.hpp"

#include <bpf/btf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "lib/error.hpp"
#include "lib/oracle_proc.hpp"

namespace svma {
namespace {

constexpr int kConfirmations = 3;
constexpr int kMostTries = 8;
constexpr std::chrono::milliseconds kBetweenTries(3);
constexpr uint64_t kPagesOfLook = 16384;    // that are mapped, but for the last look
constexpr uint64_t kSpan = 1 << kPmdShift;  // what a table spans: read at once
constexpr uint64_t kEmptySpans = 64;        // of a look, in which the module found nothing
constexpr uint64_t kCounters = 6;           // of status that are compared
constexpr size_t kBarrenOfLook = 64;
constexpr size_t kWalksOfVma = 16;
constexpr size_t kWalksOfLook = 1024, kWalksOfWholeLook = 4096;  // both ends of a VMA go on top

// Anonymous memory of this process, write-protected by userfaultfd, as pagemap shows it.
bool pagemap_shows_uffd_wp() {
  const Fd uffd(static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  uffdio_api api{UFFD_API, UFFD_FEATURE_PAGEFAULT_FLAG_WP, 0};
  if (!uffd || ioctl(uffd.get(), UFFDIO_API, &api) != 0) return false;
  void* const memory = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) return false;
  const uint64_t address = reinterpret_cast<uint64_t>(memory);
  uffdio_register area{};
  area.range = {address, kPageSize};
  area.mode = UFFDIO_REGISTER_MODE_WP;
  uffdio_writeprotect protect{};
  protect.range = area.range;
  protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  bool shown = false;
  if (ioctl(uffd.get(), UFFDIO_REGISTER, &area) == 0 &&
      ioctl(uffd.get(), UFFDIO_WRITEPROTECT, &protect) == 0) {
    const auto entry = Pages().entry(getpid(), address);
    shown = entry && (entry->raw() & PageEntry::kUffdWp);
  }
  munmap(memory, kPageSize);
  return shown;
}

// Whether the mm's counters are those of SPLIT_RSS_COUNTING (v6.1 and before).
bool kernel_splits_rss() {
  btf* const types = btf__load_vmlinux_btf();
  if (types == nullptr) throw Error("/sys/kernel/btf/vmlinux: {}", errno_text(errno));
  const bool splits = btf__find_by_name_kind(types, "mm_rss_stat", BTF_KIND_STRUCT) > 0;
  btf__free(types);
  return splits;
}

uint64_t threads_of(std::string_view status) {
  const size_t at = status.find("\nThreads:");
  uint64_t threads = 1;
  if (at != std::string_view::npos) {
    status.remove_prefix(status.find_first_of("0123456789", at));
    std::from_chars(status.data(), status.data() + status.size(), threads);
  }
  return threads;
}

bool same_place(const Difference& a, const Difference& b) {
  return a.road == b.road && a.address == b.address && (a.address != 0 || a.field == b.field);
}

// Takes away what is not in `again`. RETURNS: how many that were.
uint64_t keep_common(Comparison& comparison, const Comparison& again) {
  const uint64_t gone = std::erase_if(comparison.differences, [&](const Difference& difference) {
    return std::none_of(again.differences.begin(), again.differences.end(),
                        [&](const Difference& other) { return same_place(difference, other); });
  });
  comparison.divergent -= gone;
  comparison.compared -= gone;
  return gone;
}

// Likewise what depends on sharers.
uint64_t drop_shared(Comparison& comparison) {
  const uint64_t gone = std::erase_if(comparison.differences, depends_on_sharers);
  comparison.divergent -= gone;
  comparison.compared -= gone;
  return gone;
}

uint64_t drop_all(Comparison& comparison) { return keep_common(comparison, Comparison()); }

bool same_counts(const PageTables& a, const PageTables& b) {
  return a.tables == b.tables &&
         std::equal(a.sums.begin(), a.sums.end(), b.sums.begin(), b.sums.end(),
                    [](const svma_page_sum& x, const svma_page_sum& y) {
                      return x.start == y.start && x.end == y.end && x.present == y.present &&
                             x.anon == y.anon && x.file == y.file && x.shmem == y.shmem &&
                             x.swap == y.swap && x.migration == y.migration;
                    });
}

}  // namespace

// PG_young is for those two, who clear accessed bits: idle page tracking and DAMON.
ProcTraits proc_traits() {
  return {.pagemap_uffd_wp = pagemap_shows_uffd_wp(),
          .referenced = access("/sys/kernel/mm/page_idle/bitmap", F_OK) != 0 &&
                        access("/sys/kernel/mm/damon", F_OK) != 0};
}

PageCheck::PageCheck(Device& device, uint64_t cookie_factor)
    : device_(device),
      oracle_(OraclePages::create(cookie_factor, walks_state_)),
      traits_(proc_traits()),
      scan_(scan_traits(scan_state_)),
      threads_keep_counts_(kernel_splits_rss()) {}

PageCheck::Window PageCheck::choose_window(uint64_t mm_id, pid_t pid, bool whole) {
  const auto text = read_proc_file(fmt::format("/proc/{}/smaps", pid));
  const auto records = parse_smaps_records(text.value_or(""));
  const auto pages_of = [](const SmapsRecord& record) {
    return (record.rss.value_or(0) + record.swap.value_or(0) + record.shared_hugetlb.value_or(0) +
            record.private_hugetlb.value_or(0)) *
           1024 / kPageSize;
  };
  uint64_t all = 0;
  for (const SmapsRecord& record : records) all += pages_of(record);
  if (whole || all <= kPagesOfLook) return {};

  uint64_t& next = next_[mm_id];
  Window window{next, next};
  uint64_t pages = 0;
  for (const SmapsRecord& record : records) {
    if (record.end <= next) continue;
    pages += pages_of(record);
    if (pages > kPagesOfLook) break;
    window.end = record.end;
  }
  if (window.end == window.start) {
    const auto large = std::find_if(records.begin(), records.end(),
                                    [&](const auto& record) { return record.end > next; });
    if (large != records.end()) {
      window.start = std::max(next, large->start);
      window.end = std::min(window.start + kPagesOfLook * kPageSize, large->end);
    }
  }
  next = records.empty() || window.end >= records.back().end ? 0 : window.end;
  if (window.end == window.start) window.end = window.start + kPagesOfLook * kPageSize;
  return window;
}

// Around what the module has found, and a little of what it has not.
bool PageCheck::read_words(pid_t pid, const Window& window, Reading& reading) {
  uint64_t empty = kEmptySpans;
  const Fd pagemap = open_pagemap(pid);
  if (!pagemap) return false;
  for (const Vma& vma : reading.layout) {
    const uint64_t end = std::min(vma.end, window.end);
    uint64_t at = std::max(vma.start, window.start);
    while (at < end) {
      const auto run = std::upper_bound(
          reading.before.begin(), reading.before.end(), at,
          [](uint64_t place, const svma_page_run& other) { return place < end_of(other); });
      const bool found = run != reading.before.end() && run->start < end;
      const uint64_t occupied = found ? std::max<uint64_t>(run->start, at) : end;
      uint64_t stop = std::min((at / kSpan + 1) * kSpan, end);
      if (occupied >= stop) {
        if (empty == 0) {
          // Up to the span that has something, or to the end.
          at = std::max(stop, std::min(occupied / kSpan * kSpan, end));
          continue;
        }
        --empty;
      }
      auto entries = read_pagemap(pagemap, at, (stop - at) / kPageSize);
      if (entries.size() != (stop - at) / kPageSize) return false;
      reading.words.push_back({at, std::move(entries)});
      at = stop;
    }
  }
  return true;
}

Frames PageCheck::read_frames(const Reading& reading) const {
  std::vector<uint64_t> wanted;
  for (const svma_page_run& run : reading.before) {
    if (run.kind != SVMA_ENTRY_PAGE) continue;
    // Of what is larger than a table spans, which is hugetlb's, the first frame is enough.
    const uint64_t step = run.page_shift > kPmdShift ? uint64_t{1} << run.page_shift : kPageSize;
    for (uint64_t address = run.start; address < end_of(run); address += step)
      wanted.push_back(target_at(run, address));
  }
  return pages_.frames(std::move(wanted));
}

std::optional<PageCheck::Counters> PageCheck::read_counters(uint64_t mm_id, pid_t pid,
                                                            uint64_t deposited) {
  const auto before = device_.page_sums(mm_id, 0, SVMA_NONE);
  const auto status = read_proc_file(fmt::format("/proc/{}/status", pid));
  const auto after = device_.page_sums(mm_id, 0, SVMA_NONE);
  if (!before || !after || !status || before->moved || after->moved ||
      !same_counts(*before, *after))
    return std::nullopt;
  auto tables = counters_of(before->sums, before->tables, deposited);
  const auto printed = parse_page_counters(*status);
  if (!tables || !printed) return std::nullopt;
  Peak& peak = peaks_[mm_id];
  if (printed->peak < peak.printed) peak.seen = 0;  // by clear_refs, see proc(5)
  peak = {std::max(peak.seen, tables->peak), printed->peak};
  tables->peak = peak.seen;
  return Counters{*tables, *printed,
                  threads_keep_counts_ ? error_of_threads(threads_of(*status))
                                       : error_of_processors(get_nprocs())};
}

// As many of each VMA; of very many VMAs, those whose turn it is.
std::vector<uint64_t> PageCheck::choose_places(const Reading& reading) const {
  const Window& window = reading.window;
  std::vector<const Vma*> vmas;
  for (const Vma& vma : reading.layout)
    if (vma.start < window.end && vma.end > window.start) vmas.push_back(&vma);
  std::vector<uint64_t> places;
  const size_t of_each =
      std::clamp<size_t>(window.walks / std::max<size_t>(vmas.size(), 1), 2, kWalksOfVma);
  const size_t step = std::max<size_t>(vmas.size() * of_each / window.walks, 1);
  for (size_t i = window.salt % step; i < vmas.size(); i += step) {
    const auto some =
        places_to_walk(std::max(vmas[i]->start, window.start), std::min(vmas[i]->end, window.end),
                       reading.before, of_each, window.salt);
    places.insert(places.end(), some.begin(), some.end());
  }
  return places;
}

// The module first, then BPF, which reads by itself.
bool PageCheck::read_walks(uint64_t mm_id, pid_t pid, Reading& reading) {
  if (!oracle_) return true;
  const std::vector<uint64_t> places = choose_places(reading);
  std::vector<svma_walk> module;
  for (uint64_t place : places) {
    const auto walk = device_.walk(pid, place);
    if (!walk || walk->mm_id != mm_id) return false;
    module.push_back(*walk);
  }
  const auto live = oracle_->walk(pid, places);
  if (live.size() != places.size()) return false;
  for (size_t i = 0; i < places.size(); ++i) {
    if (live[i].last == 0) return false;
    reading.walks.push_back({module[i], live[i]});
  }
  return true;
}

bool PageCheck::read_barren(uint64_t mm_id, const Window& window, Reading& reading) {
  if (!device_.sees_holes()) return true;
  for (const Barren& range :
       barren_ranges(reading.layout, window.start, window.end, kBarrenOfLook)) {
    // The last table spans a page more than user space has.
    const auto tables = device_.page_runs(mm_id, range.start, std::min(range.end, kTaskSize));
    if (!tables) return false;
    reading.barren.push_back(range);
    if (tables->tables[range.level - 1] != 0) reading.fertile.push_back(range);
  }
  return true;
}

// nullopt: the layout moved, or is not known.
std::optional<PageCheck::Reading> PageCheck::read(uint64_t mm_id, pid_t pid, const Window& window) {
  const auto view = device_.snapshot(mm_id);
  if (!view || view->health != SVMA_CLEAN || view->busy) return std::nullopt;
  Reading reading;
  reading.window = window;
  reading.layout = view->layout;
  const auto faults = faults_of(pid);
  const auto before = device_.page_runs(mm_id, window.start, window.end);
  if (!before) return std::nullopt;
  reading.before = joined(before->runs);
  reading.frames = read_frames(reading);
  if (!read_words(pid, window, reading)) return std::nullopt;
  if (scan_.categories != 0) {
    auto scanned = scan_pages(pid, window.start, std::min(window.end, kTaskSize), scan_);
    if (!scanned) return std::nullopt;
    reading.scanned = *std::move(scanned);
  }
  const auto smaps = read_proc_file(fmt::format("/proc/{}/smaps", pid));
  if (!smaps) return std::nullopt;
  reading.smaps = parse_smaps_records(*smaps);
  if (window.all())
    reading.counters = read_counters(mm_id, pid, deposited_tables(reading.layout, reading.before));
  if (!read_walks(mm_id, pid, reading)) return std::nullopt;
  if (!read_barren(mm_id, window, reading)) return std::nullopt;
  reading.frames_after = read_frames(reading);
  const auto after = device_.page_runs(mm_id, window.start, window.end);
  if (!after) return std::nullopt;
  reading.after = joined(after->runs);
  reading.quiet = faults && faults == faults_of(pid);
  const auto moment = device_.moment_of_pid(pid);
  if (!moment || moment->mm_id != mm_id || moment->seq != view->seq || moment->health != SVMA_CLEAN)
    return std::nullopt;
  return reading;
}

void PageCheck::compare_vmas(const Reading& reading, Found& found) const {
  auto record = reading.smaps.begin();
  for (const Vma& vma : reading.layout) {
    while (record != reading.smaps.end() && record->end <= vma.start) ++record;
    // What is in the window in part only has more than was read.
    if (vma.start < reading.window.start || vma.end > reading.window.end) continue;
    if (record == reading.smaps.end() || record->start != vma.start || record->end != vma.end) {
      ++found.vmas_moved;
      continue;
    }
    const auto before = runs_in(reading.before, vma.start, vma.end);
    const auto sums = smaps_sums(vma, before, reading.frames);
    if (!sums || !same_frames(before, reading.frames, reading.frames_after) ||
        !same_runs(before, runs_in(reading.after, vma.start, vma.end))) {
      ++found.vmas_moved;
      continue;
    }
    found.vmas.add(compare_smaps_sums(vma, *sums, *record, traits_));
  }
}

void PageCheck::compare_scanned(const Reading& reading, Found& found) const {
  if (scan_.categories == 0) return;
  for (const Vma& vma : reading.layout) {
    const uint64_t start = std::max(vma.start, reading.window.start);
    const uint64_t end = std::min(vma.end, reading.window.end);
    if (start < end)
      found.scan.add(compare_scan(vma, start, end, reading.scanned, reading.before, reading.after,
                                  reading.frames, scan_, found.scan_moved));
  }
}

PageCheck::Found PageCheck::compare(const Reading& reading) const {
  Found found;
  found.quiet = reading.quiet;
  for (const Words& words : reading.words) {
    const auto vma =
        std::upper_bound(reading.layout.begin(), reading.layout.end(), words.start,
                         [](uint64_t place, const Vma& other) { return place < other.end; });
    found.pages.add(compare_pagemap(*vma, words.start, words.entries, reading.before, reading.after,
                                    reading.frames, traits_, found.pages_moved));
  }
  compare_scanned(reading, found);
  compare_vmas(reading, found);
  found.entries = compare_entries_with_layout(reading.layout, reading.before, reading.frames);
  for (const Barren& range : reading.barren) {
    if (std::find(reading.fertile.begin(), reading.fertile.end(), range) == reading.fertile.end())
      found.tables.add_equal();
    else
      found.tables.add_difference(
          {std::string(kRoadLayout), "table", range.start, "no VMA",
           fmt::format("tables of level {} up to {:x}", range.level, range.end)});
  }
  found.walks = compare_bpf_walks(reading.walks, reading.before, reading.after, found.walks_moved);
  // Huge pages were looked at before the sums were, and who faults all the time has more of them by
  // then: the tables behind these would be missing in VmPTE, reading after reading.
  if (reading.counters && same_huge_pages(reading.before, reading.after))
    found.counters = compare_page_counters(reading.counters->tables, reading.counters->status,
                                           reading.counters->error);
  else if (reading.window.all())
    found.counters_moved = kCounters;
  return found;
}

// Looks again at what differs, until it has done so often enough.
void PageCheck::settle(Found& found, uint64_t mm_id, pid_t pid, const Window& window, bool still,
                       const Stop& stop) {
  Comparison Found::*const kKinds[] = {&Found::pages,  &Found::vmas,     &Found::entries,
                                       &Found::tables, &Found::counters, &Found::walks,
                                       &Found::scan};
  PageCounts PageTally::*const kTallies[] = {
      &PageTally::pages,    &PageTally::vmas,  &PageTally::entries, &PageTally::tables,
      &PageTally::counters, &PageTally::walks, &PageTally::scan};
  const auto differs = [&] {
    return std::any_of(std::begin(kKinds), std::end(kKinds),
                       [&](auto kind) { return (found.*kind).divergent != 0; });
  };
  uint64_t gone[std::size(kKinds)] = {};
  int confirmed = 0;
  bool proven = still, quiet = found.quiet;
  const auto look_again = [&] {
    const auto again = read(mm_id, pid, window);
    if (!again) return false;
    ++confirmed;
    const Found other = compare(*again);
    quiet |= other.quiet;
    for (size_t kind = 0; kind < std::size(kKinds); ++kind)
      gone[kind] += keep_common(found.*kKinds[kind], other.*kKinds[kind]);
    return true;
  };
  int tries = 0;
  for (; tries < kMostTries && confirmed < kConfirmations && differs(); ++tries) {
    std::this_thread::sleep_for(kBetweenTries);
    look_again();
  }
  if (!still && confirmed == kConfirmations && differs()) {
    const auto stopped = stop();
    proven = stopped && look_again();
  }
  for (; tries < kMostTries && !proven && !quiet && differs(); ++tries) {
    std::this_thread::sleep_for(kBetweenTries);
    look_again();
  }
  for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
    if (!still && (confirmed < kConfirmations || !(proven || quiet)))
      gone[kind] += drop_all(found.*kKinds[kind]);
    if (!still) gone[kind] += drop_shared(found.*kKinds[kind]);
    (tally_.*kTallies[kind]).add(found.*kKinds[kind]);
    (tally_.*kTallies[kind]).moved += gone[kind];
  }
  tally_.pages.moved += found.pages_moved;
  tally_.vmas.moved += found.vmas_moved;
  tally_.walks.moved += found.walks_moved;
  tally_.scan.moved += found.scan_moved;
  tally_.counters.moved += found.counters_moved;
}

PageCheck::Sample PageCheck::look(uint64_t mm_id, pid_t pid, bool whole, bool still,
                                  const Stop& stop) {
  Window window = choose_window(mm_id, pid, whole);
  window.salt = tally_.looks;
  window.walks = whole ? kWalksOfWholeLook : kWalksOfLook;
  ++tally_.looks;
  const auto reading = read(mm_id, pid, window);
  if (!reading) {
    ++tally_.moved_looks;
    return {.comparison = {}, .moved = 0, .all_moved = true};
  }
  const uint64_t moved = tally_.moved();
  Found found = compare(*reading);
  settle(found, mm_id, pid, window, still, stop);
  Sample sample;
  for (Comparison* kind : {&found.pages, &found.vmas, &found.entries, &found.tables,
                           &found.counters, &found.walks, &found.scan})
    sample.comparison.add(std::move(*kind));
  sample.moved = tally_.moved() - moved;
  return sample;
}

void PageCheck::retain(const std::unordered_set<uint64_t>& mm_ids) {
  const auto ended = [&](const auto& entry) { return !mm_ids.contains(entry.first); };
  std::erase_if(next_, ended);
  std::erase_if(peaks_, ended);
}

}  // namespace svma
