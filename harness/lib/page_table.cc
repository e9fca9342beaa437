// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

constexpr uint64_t kPageSize = 4096;

std::string flags_text(uint32_t flags) {
  return fmt::format("{}", fmt::join(pte_flag_names(flags), " "));
}

bool has_frame(uint32_t kind) {
  switch (kind) {
    case SVMA_ENTRY_TABLE:
    case SVMA_ENTRY_PAGE:
    case SVMA_ENTRY_ZERO:
    case SVMA_ENTRY_SPECIAL:
    case SVMA_ENTRY_MIGRATION:
    case SVMA_ENTRY_HWPOISON:
    case SVMA_ENTRY_DEVICE:
      return true;
    default:
      return false;
  }
}

std::string target_text(uint32_t kind, uint64_t target, uint32_t swap_type) {
  if (kind == SVMA_ENTRY_SWAP) return fmt::format("area {} offset {:#x}", swap_type, target);
  if (kind == SVMA_ENTRY_TABLE) return fmt::format("at {:#x}", target * kPageSize);
  return has_frame(kind) ? fmt::format("frame {:#x}", target) : "";
}

std::string allowed_text(uint32_t allowed) {
  std::string text = "read";
  if (allowed & SVMA_PTE_WRITE) text += ", write";
  if (allowed & SVMA_PTE_EXEC) text += ", execute";
  return text + (allowed & SVMA_PTE_USER ? "; from user mode" : "; from the kernel alone");
}

// "pgd[32] pud[0] pmd[0] pte[1] + 234"
std::string split_text(const svma_walk& walk) {
  std::string text;
  for (uint32_t i = 0; i < walk.count; i++) {
    const svma_walk_level& level = walk.level[i];
    text += fmt::format("{}[{}] ", level_name(level.level, level.level == walk.table_levels),
                        level.index);
  }
  const uint64_t offset = walk.addr & ((uint64_t{1} << walk.page_shift) - 1);
  return fmt::format("{}+ {:x}", text, offset);
}

std::string outcome_text(const svma_walk& walk) {
  const svma_walk_level& last = walk.level[walk.count - 1];
  const uint64_t size = uint64_t{1} << walk.page_shift;
  switch (last.kind) {
    case SVMA_ENTRY_NONE:
      return fmt::format("nothing is mapped in these {}\n", size_text(size));
    case SVMA_ENTRY_PAGE:
    case SVMA_ENTRY_ZERO:
    case SVMA_ENTRY_SPECIAL: {
      const uint64_t within = (walk.addr & (size - 1)) / kPageSize;
      if (last.flags & SVMA_PTE_PROTNONE) {
        return fmt::format("{} at frame {:#x}, which the processor may not touch\n",
                           size_text(size), last.target + within);
      }
      return fmt::format("{} at frame {:#x}; all levels together allow: {}\n", size_text(size),
                         last.target + within, allowed_text(walk.allowed));
    }
    default:
      return fmt::format("no page is present: {}\n", entry_kind_name(last.kind));
  }
}

std::string tables_text(const std::array<uint64_t, SVMA_TABLE_LEVELS>& tables) {
  // The root is met in every walk.
  const uint32_t levels = tables.back() ? SVMA_TABLE_LEVELS : SVMA_TABLE_LEVELS - 1;
  std::string text;
  uint64_t all = 0;
  for (size_t i = tables.size(); i-- > 0;) {
    if (tables[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", tables[i],
                        level_name(i + 1, i + 1 == levels));
    all += tables[i];
  }
  return fmt::format("tables: {} ({})\n", text.empty() ? "none" : text, size_text(all * kPageSize));
}

}  // namespace

std::string walk_text(const svma_walk& walk) {
  std::string text = walk.vma_start == SVMA_NONE
                         ? fmt::format("{:x} is in no VMA\n", walk.addr)
                         : fmt::format("{:x} is in {:x}-{:x} {}\n", walk.addr, walk.vma_start,
                                       walk.vma_end, permissions(walk.vma_flags));
  text += fmt::format("= {}\n\n", split_text(walk));
  if (walk.count) text += fmt::format("root table at {:#x}\n", walk.level[0].table);
  for (uint32_t i = 0; i < walk.count; i++) {
    const svma_walk_level& level = walk.level[i];
    const std::string indent = i ? fmt::format("{:>{}}", "`- ", 3 * i) : "";
    text += fmt::format(
        "{:<4}{:>7}  {}{:016x}  {}", level_name(level.level, level.level == walk.table_levels),
        fmt::format("[{}]", level.index), indent, level.entry, entry_kind_name(level.kind));
    const std::string target = target_text(level.kind, level.target, level.swap_type);
    if (!target.empty()) text += " " + target;
    if (level.flags) text += "; " + flags_text(level.flags);
    text += "\n";
  }
  return text + "\n" + (walk.count ? outcome_text(walk) : "");
}

std::string runs_text(std::span<const svma_page_run> runs) {
  std::string text = "start-end                          entries  size   what\n";
  for (const svma_page_run& run : runs) {
    const uint64_t size = uint64_t{1} << run.page_shift;
    text += fmt::format("{:<33} {:>8}  {:<5}  {} {}; {}\n",
                        fmt::format("{:x}-{:x}", run.start, run.start + run.count * size),
                        run.count, size_text(size), entry_kind_name(run.kind),
                        target_text(run.kind, run.target, run.swap_type), flags_text(run.flags));
  }
  return text;
}

svma_page_sum total_of(std::span<const svma_page_sum> sums) {
  svma_page_sum total{};
  for (const svma_page_sum& sum : sums) {
    // Behind start, end and vma_flags there are counters and nothing else.
    const auto* from = &sum.present;
    auto* to = &total.present;
    constexpr size_t kCounters =
        (sizeof(sum) - offsetof(svma_page_sum, present)) / sizeof(uint64_t);
    for (size_t i = 0; i < kCounters; i++) to[i] += from[i];
  }
  return total;
}

std::string sums_text(const PageTables& tables) {
  std::string text =
      fmt::format("{:<26} {:<5}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}{:>9}{:>9}{:>6}{:>5}{:>7}\n",
                  "VMA", "", "present", "anon", "file", "shmem", "zero", "swap", "other",
                  "accessed", "dirty", "2M", "1G", "tables");
  const auto line = [](const std::string& name, const std::string& flags,
                       const svma_page_sum& sum) {
    uint64_t tables_here = 0;
    for (const uint64_t count : sum.tables) tables_here += count;
    const uint64_t other =
        sum.special + sum.migration + sum.hwpoison + sum.device + sum.marker + sum.bad;
    return fmt::format("{:<26} {:<5}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>7}{:>9}{:>9}{:>6}{:>5}{:>7}\n",
                       name, flags, sum.present, sum.anon, sum.file, sum.shmem, sum.zero, sum.swap,
                       other, sum.accessed, sum.dirty, sum.huge_2m / 512, sum.huge_1g / 262144,
                       tables_here);
  };
  for (const svma_page_sum& sum : tables.sums) {
    text += line(fmt::format("{:x}-{:x}", sum.start, sum.end), permissions(sum.vma_flags), sum);
  }
  text += line("all", "", total_of(tables.sums));
  text += tables_text(tables.tables);
  return text +
         fmt::format("{} entries looked at in {} parts, the lock held for {} us at most{}\n",
                     tables.entries, tables.parts, (tables.longest_ns + 999) / 1000,
                     tables.moved ? fmt::format("; {} VMAs changed meanwhile", tables.moved) : "");
}

std::vector<HugePart> huge_parts(std::span<const svma_page_run> runs) {
  std::vector<HugePart> parts;
  for (const svma_page_run& run : runs) {
    if (run.page_shift == 12) continue;
    const uint64_t end = run.start + (uint64_t{run.count} << run.page_shift);
    if (!parts.empty() && parts.back().end == run.start) {
      parts.back().end = end;
    } else {
      parts.push_back({run.start, end});
    }
  }
  return parts;
}

}  // namespace svma
