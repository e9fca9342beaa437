// SPDX-License-Identifier: GPL-2.0-only
#include "lib/journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "lib/calls.hpp"
#include "lib/layout.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

constexpr uint64_t kVmSoftDirty = 0x8000000;
constexpr size_t kMaxCallWidth = 72;  // longer calls push their line to the right

using Range = std::pair<uint64_t, uint64_t>;

bool contains(const Range& range, uint64_t address) {
  return range.first <= address && address < range.second;
}

bool about_the_whole(const svma_journal_entry& entry) {
  return entry.operation == SVMA_OP_ATTACH || entry.operation == SVMA_OP_FORK ||
         entry.operation == SVMA_OP_EXEC || entry.operation == SVMA_OP_EXIT;
}

// The range in which this operation makes something new, even where the same was before.
Range made_anew(const svma_journal_entry& entry) {
  if (failed(entry.result)) return {};
  switch (entry.operation) {
    case SVMA_OP_MMAP:
    case SVMA_OP_BRK:
      return {entry.args[0], entry.args[0] + entry.args[1]};
    case SVMA_OP_MREMAP_MOVE:
      return {entry.args[4], entry.args[4] + entry.args[3]};
    case SVMA_OP_INSERT:
      return {entry.start, entry.end};
    default:
      return {};
  }
}

// What the entry says about the address; nullopt: nothing.
std::optional<Owner> told_by(const svma_journal_entry& entry, uint64_t address) {
  for (const svma_extent& vma : extents(entry))
    if (contains({vma.start, vma.end}, address)) return Owner{Owner::State::kMapped, vma};
  bool touched = about_the_whole(entry);
  for (const Range& range : touched_ranges(entry)) touched |= contains(range, address);
  if (!touched) return std::nullopt;
  // The list is in address order: when it is full and was cut, it tells nothing about what lies
  // above it.
  const bool full = entry.bits & SVMA_JOURNAL_CUT && entry.vmas == SVMA_JOURNAL_EXTENTS;
  if (full && address >= entry.vma[SVMA_JOURNAL_EXTENTS - 1].end && address < entry.end)
    return Owner{};
  return Owner{Owner::State::kNone, {}};
}

bool same_mapping(const svma_extent& a, const svma_extent& b) {
  return ((a.flags ^ b.flags) & ~kVmSoftDirty) == 0 && a.ino == b.ino && a.dev == b.dev &&
         a.pgoff - a.start / kPageSize == b.pgoff - b.start / kPageSize;
}

bool same_owner(const Owner& a, const Owner& b) {
  return a.state == b.state && (a.state != Owner::State::kMapped || same_mapping(a.vma, b.vma));
}

std::string task_text(const svma_journal_entry& entry) {
  return fmt::format("{:>7} {:<15}", entry.tid,
                     std::string(entry.comm, strnlen(entry.comm, sizeof(entry.comm))));
}

std::string took_text(const svma_journal_entry& entry) {
  if (entry.end_ns <= entry.begin_ns) return "";
  return fmt::format("{:.1f} us", static_cast<double>(entry.end_ns - entry.begin_ns) / 1000);
}

// One VMA in the light of the range that was touched: its bounds only where they are others.
std::string extent_text(const svma_extent& vma, uint64_t start, uint64_t end) {
  std::string text = flags_text(vma.flags);
  if (vma.ino != 0 || vma.dev != 0) text += ' ' + file_text(vma.dev, vma.ino);
  return vma.start == start && vma.end == end ? text : range_text(vma.start, vma.end) + ' ' + text;
}

std::string afterwards(const svma_journal_entry& entry) {
  if (entry.start == entry.end) return "";
  if (about_the_whole(entry)) return "a layout in " + range_text(entry.start, entry.end);
  std::string text;
  for (const svma_extent& vma : extents(entry))
    text += (text.empty() ? "" : ", ") + extent_text(vma, entry.start, entry.end);
  if (text.empty()) return entry.bits & SVMA_JOURNAL_CUT ? "..." : "nothing";
  return text + (entry.bits & SVMA_JOURNAL_CUT ? ", ..." : "");
}

const char* mark_of(const svma_journal_entry& entry) {
  return entry.bits & SVMA_JOURNAL_DIVERGED     ? "!"
         : entry.bits & SVMA_JOURNAL_UNMODELLED ? "?"
                                                : " ";
}

uint64_t origin_of(const Journal& journal) {
  return journal.entries.empty() ? 0 : uint64_t{journal.entries.front().begin_ns};
}

}  // namespace

std::span<const svma_extent> extents(const svma_journal_entry& entry) {
  return {entry.vma, std::min<size_t>(entry.vmas, SVMA_JOURNAL_EXTENTS)};
}

std::vector<Range> touched_ranges(const svma_journal_entry& entry) {
  if (entry.operation == SVMA_OP_MREMAP_MOVE)
    return {{entry.args[4], entry.args[4] + entry.args[3]},
            {entry.args[1], entry.args[1] + entry.args[2]}};
  if (entry.start >= entry.end) return {};
  return {{entry.start, entry.end}};
}

std::string call_of(const svma_journal_entry& entry) {
  std::string text = call_text(entry.operation, Arguments(entry.args), entry.start, entry.end);
  if (entry.operation == SVMA_OP_SEARCH)
    text +=
        entry.predicted ? fmt::format(", predicted {:x}", entry.predicted) : ", predicted no room";
  return text;
}

std::vector<OwnerChange> owners_at(std::span<const svma_journal_entry> entries, uint64_t address) {
  std::vector<OwnerChange> changes;
  Owner owner;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto told = told_by(entries[i], address);
    if (!told) continue;
    const bool anew =
        told->state == Owner::State::kMapped && contains(made_anew(entries[i]), address);
    if (anew || !same_owner(owner, *told)) changes.push_back({i, owner, *told});
    owner = *told;
  }
  return changes;
}

std::string owner_text(const Owner& owner) {
  switch (owner.state) {
    case Owner::State::kNone:
      return "nothing";
    case Owner::State::kUnknown:
      return "not known";
    case Owner::State::kMapped:
      break;
  }
  const svma_extent& vma = owner.vma;
  return fmt::format("{} {}, {}, pgoff {:x}", range_text(vma.start, vma.end), flags_text(vma.flags),
                     file_text(vma.dev, vma.ino), vma.pgoff);
}

std::string entry_text(const svma_journal_entry& entry, uint64_t origin_ns, size_t call_width) {
  const double seconds =
      static_cast<double>(static_cast<int64_t>(entry.begin_ns - origin_ns)) / 1'000'000'000;
  const std::string call = call_of(entry);
  std::string text = fmt::format("{}{:>6} {:>12.6f} {:>11} {} {:<{}} = {}", mark_of(entry),
                                 entry.id, seconds, took_text(entry), task_text(entry), call,
                                 call_width, result_text(entry.operation, entry.result));
  const std::string left = afterwards(entry);
  return text + (left.empty() ? "" : "  -> " + left) + '\n';
}

std::string journal_headline(const Journal& journal) {
  return fmt::format("pid {}, mm {}: {} entries{}\n", journal.pid, journal.mm_id,
                     journal.entries.size(),
                     journal.lost ? fmt::format(", {} before them are lost", journal.lost) : "");
}

std::string journal_text(const Journal& journal) {
  size_t width = 0;
  for (const svma_journal_entry& entry : journal.entries) {
    const size_t length = call_of(entry).size();
    if (length <= kMaxCallWidth) width = std::max(width, length);
  }
  std::string text = journal_headline(journal);
  if (!journal.entries.empty())
    text +=
        fmt::format(" {:>6} {:>12} {:>11} {:>7} {:<15} {:<{}} = {}\n", "entry", "seconds", "took",
                    "task", "", "operation", width, "result  -> what is there afterwards");
  for (const svma_journal_entry& entry : journal.entries)
    text += entry_text(entry, origin_of(journal), width);
  return text;
}

std::string owners_text(const Journal& journal, uint64_t address) {
  std::string text = journal_headline(journal);
  const auto changes = owners_at(journal.entries, address);
  if (changes.empty()) return text + fmt::format("no entry is about {:x}\n", address);
  text += fmt::format("{:x} was owned by\n", address);
  for (const OwnerChange& change : changes) {
    const svma_journal_entry& entry = journal.entries[change.index];
    const double seconds = static_cast<double>(entry.end_ns - origin_of(journal)) / 1'000'000'000;
    text += fmt::format("{}{:>6} {:>12.6f}  {}\n{:>24}{} {} = {}\n", mark_of(entry), entry.id,
                        seconds, owner_text(change.after), "", task_text(entry), call_of(entry),
                        result_text(entry.operation, entry.result));
  }
  return text;
}

}  // namespace svma
