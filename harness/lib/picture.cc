// SPDX-License-Identifier: GPL-2.0-only
#include "lib/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "lib/layout.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

constexpr uint64_t kVmShared = 0x8;
constexpr uint64_t kVmGrowsDown = 0x100;
// Rows on both sides of a larger hole are folded into one only when nothing else helps.
constexpr uint64_t kWideHole = uint64_t{1} << 30;
constexpr size_t kNamesTold = 3;
// A folded count under the last level that is drawn must fit into a slot there.
constexpr size_t kTwoDigits = 99;

Usage usage_of(const svma_page_sum& sum) {
  Usage usage;
  const uint64_t known = sum.anon + sum.file + sum.shmem;
  usage.of(Fill::kAnon) = sum.anon;
  usage.of(Fill::kFile) = sum.file;
  usage.of(Fill::kShmem) = sum.shmem;
  usage.of(Fill::kPresent) = sum.present > known ? sum.present - known : 0;
  usage.of(Fill::kZero) = sum.zero;
  usage.of(Fill::kSpecial) = sum.special;
  usage.of(Fill::kSwap) = sum.swap;
  usage.of(Fill::kOther) = sum.migration + sum.hwpoison + sum.device + sum.marker + sum.bad;
  usage.huge = sum.huge_2m + sum.huge_1g;
  return usage;
}

// A file by its last part; devices, of which "zero (deleted)" would tell little, whole.
std::string base_name(const std::string& path) {
  const size_t slash = path.rfind('/');
  const bool whole = slash == std::string::npos || slash + 1 == path.size();
  return whole || path.starts_with("/dev/") ? path : path.substr(slash + 1);
}

class Rows {
 public:
  Rows(const PictureInput& input, size_t limit) : input_(input), limit_(limit) {}

  std::vector<PictureRow> fold() {
    for (size_t i = 0; i < input_.vmas.size(); ++i) rows_.push_back(row_of(i));
    // Those of one name are folded first, then those of one kind, at last whatever lies side by
    // side; few at a time, so that rows stand for about as many VMAs each.
    const size_t all = 8 * input_.vmas.size();
    for (size_t most = 8; rows_.size() > limit_; most *= 2) {
      const bool over_holes = most > 2 * all;
      const bool over_names = most > 4 * all;
      const auto fold_up_to = [&](size_t count, auto same) {
        if (rows_.size() <= limit_) return;
        const auto may = [&](const PictureRow& a, const PictureRow& b) {
          const bool near = over_holes || b.hole_below < kWideHole;
          return a.count + b.count <= count && near && same(a, b);
        };
        merge(may, over_names);
      };
      fold_up_to(most, [](const auto& a, const auto& b) { return a.name == b.name; });
      fold_up_to(most / 2, [](const auto& a, const auto& b) { return a.kind == b.kind; });
      fold_up_to(most / 8, [](const auto&, const auto&) { return true; });
    }
    for (PictureRow& row : rows_)
      if (row.count > 1) row.name = folded_name(row);
    return std::move(rows_);
  }

 private:
  PictureRow row_of(size_t index) const {
    const svma_vma& vma = input_.vmas[index];
    PictureRow row;
    row.first = index;
    row.count = 1;
    row.start = vma.start;
    row.end = vma.end;
    row.bytes = vma.end - vma.start;
    row.hole_below = vma.start - (index ? input_.vmas[index - 1].end : 0);
    row.permissions = permissions(vma.flags);
    row.name = name_of(vma);
    row.kind = kind_of(vma, row.name);
    return row;
  }

  std::string name_of(const svma_vma& vma) const {
    if (const auto found = input_.names.find(vma.start);
        found != input_.names.end() && !found->second.empty())
      return found->second;
    if (vma.ino || vma.dev)
      return fmt::format("inode {} of {:x}:{:x}", vma.ino, vma.dev >> kDevMinorBits,
                         vma.dev & ((1u << kDevMinorBits) - 1));
    return "anonymous";
  }

  static VmaKind kind_of(const svma_vma& vma, const std::string& name) {
    if (name.starts_with("[v")) return VmaKind::kSpecial;  // vdso, vvar, vvar_vclock
    if (vma.flags & kVmShared) return VmaKind::kShared;
    return vma.ino || vma.dev ? VmaKind::kFile : VmaKind::kAnon;
  }

  // The heap, the stack and their like stand for themselves as long as possible.
  static bool has_own_name(const PictureRow& row) {
    return row.count == 1 && row.name.starts_with("[") && !row.name.starts_with("[anon");
  }

  template <typename Same>
  void merge(Same same, bool over_names) {
    std::vector<PictureRow> merged;
    for (PictureRow& row : rows_) {
      const bool free =
          over_names || (!has_own_name(row) && !(merged.empty() || has_own_name(merged.back())));
      if (merged.empty() || !free || !same(merged.back(), row)) {
        merged.push_back(std::move(row));
        continue;
      }
      PictureRow& into = merged.back();
      into.count += row.count;
      into.end = row.end;
      into.bytes += row.bytes;
      if (into.permissions != row.permissions) into.permissions.clear();
      if (into.kind != row.kind) into.kind = VmaKind::kMixed;
      if (into.name != row.name) into.name.clear();
    }
    rows_ = std::move(merged);
  }

  // The names that most of its VMAs have.
  std::string folded_name(const PictureRow& row) const {
    std::map<std::string, size_t> counts;
    for (size_t i = row.first; i < row.first + row.count; ++i)
      ++counts[base_name(name_of(input_.vmas[i]))];
    std::vector<std::pair<size_t, std::string>> ranked;
    for (const auto& [name, count] : counts) ranked.emplace_back(count, name);
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::string text = fmt::format("{} mappings: ", row.count);
    for (size_t i = 0; i < ranked.size() && i < kNamesTold; ++i)
      text += (i ? ", " : "") + ranked[i].second;
    if (ranked.size() > kNamesTold) text += fmt::format(" and {} more", ranked.size() - kNamesTold);
    return text;
  }

  const PictureInput& input_;
  size_t limit_;
  std::vector<PictureRow> rows_;
};

// What the page tables hold, to the rows. A part of a VMA that changed has its own record, and what
// lies in no VMA of the shadow is stray.
void spread_usage(const PictureInput& input, Picture& picture) {
  for (const svma_page_sum& sum : input.sums) {
    const Usage usage = usage_of(sum);
    picture.usage.add(usage);
    auto row =
        std::upper_bound(picture.rows.begin(), picture.rows.end(), sum.start,
                         [](uint64_t start, const PictureRow& one) { return start < one.start; });
    if (row == picture.rows.begin() || sum.start >= (--row)->end)
      picture.stray.add(usage);
    else
      row->usage.add(usage);
  }
}

size_t row_of_vma(const std::vector<PictureRow>& rows, size_t vma) {
  const auto row =
      std::upper_bound(rows.begin(), rows.end(), vma,
                       [](size_t index, const PictureRow& one) { return index < one.first; });
  return row - rows.begin() - 1;
}

class Nodes {
 public:
  Nodes(const Picture& picture, uint32_t depth) : picture_(picture), deepest_(depth) {
    below_.resize(picture.tree.nodes.size(), 0);
  }

  std::vector<PictureNode> draw() {
    // A tree with faults may have cycles; none is drawn.
    if (picture_.tree.root == kNoNode || !picture_.tree.faults.empty()) return {};
    count_below(picture_.tree.root);
    if (largest_fold(picture_.tree.root, 0) > kTwoDigits) --deepest_;
    add(picture_.tree.root, 0, 0, 0);
    return std::move(nodes_);
  }

 private:
  size_t count_below(size_t index) {
    if (index == kNoNode) return 0;
    const TreeNode& node = picture_.tree.nodes[index];
    return below_[index] = 1 + count_below(node.left) + count_below(node.right);
  }

  size_t largest_fold(size_t index, uint32_t depth) const {
    if (index == kNoNode) return 0;
    if (depth > deepest_) return below_[index];
    const TreeNode& node = picture_.tree.nodes[index];
    return std::max(largest_fold(node.left, depth + 1), largest_fold(node.right, depth + 1));
  }

  void add(size_t index, uint32_t depth, uint32_t slot, size_t parent) {
    if (index == kNoNode) return;
    const size_t own = nodes_.size();
    const bool folded = depth > deepest_;
    nodes_.push_back(
        {index, folded ? below_[index] : 0, parent, depth, slot, row_of_vma(picture_.rows, index)});
    if (folded) return;
    const TreeNode& node = picture_.tree.nodes[index];
    add(node.left, depth + 1, 2 * slot, own);
    add(node.right, depth + 1, 2 * slot + 1, own);
  }

  const Picture& picture_;
  uint32_t deepest_;
  std::vector<size_t> below_;
  std::vector<PictureNode> nodes_;
};

// Of the table with entries of 1 << shift bytes. What is not mapped by anything may be that of a
// root.
uint32_t level_of_shift(uint32_t shift) { return shift < 12 ? 1 : 1 + (shift - 12) / 9; }

std::vector<PictureLevel> levels_of(const PictureInput& input) {
  std::vector<PictureLevel> levels;
  for (uint32_t level = SVMA_TABLE_LEVELS; level >= 1; --level) {
    const uint64_t tables = input.tables[level - 1];
    if (!tables && levels.empty()) continue;
    PictureLevel one;
    one.level = level;
    one.tables = tables;
    one.lead_on = level > 1 ? input.tables[level - 2] : 0;
    levels.push_back(one);
  }
  for (const svma_page_run& run : input.runs)
    for (PictureLevel& one : levels)
      if (one.level == level_of_shift(run.page_shift))
        one.entries[static_cast<size_t>(entry_fill(run.kind, run.flags))] += run.count;
  return levels;
}

// Runs of frames by frame, each frame once.
std::vector<FrameRun> frame_runs(const std::vector<svma_page_run>& runs, PictureFrames& frames) {
  std::vector<FrameRun> all;
  for (const svma_page_run& run : runs) {
    if (run.kind != SVMA_ENTRY_PAGE && run.kind != SVMA_ENTRY_SWAP) continue;
    const uint64_t per_entry = uint64_t{1} << (run.page_shift - 12);
    if (run.kind == SVMA_ENTRY_SWAP) {
      frames.swap_slots += run.count * per_entry;
      continue;
    }
    all.push_back(
        {run.target, run.count * per_entry, entry_fill(run.kind, run.flags), run.page_shift > 12});
  }
  std::sort(all.begin(), all.end(),
            [](const FrameRun& a, const FrameRun& b) { return a.frame < b.frame; });
  std::vector<FrameRun> merged;
  uint64_t end = 0;
  for (FrameRun run : all) {
    const uint64_t known = run.frame < end ? std::min(end - run.frame, run.count) : 0;
    frames.again += known;
    run.frame += known;
    run.count -= known;
    if (!run.count) continue;
    end = run.frame + run.count;
    if (!merged.empty()) {
      FrameRun& last = merged.back();
      if (last.frame + last.count == run.frame && last.fill == run.fill && last.huge == run.huge) {
        last.count += run.count;
        continue;
      }
    }
    merged.push_back(run);
  }
  return merged;
}

PictureFrames frames_of(const std::vector<svma_page_run>& runs, size_t limit) {
  PictureFrames frames;
  const std::vector<FrameRun> merged = frame_runs(runs, frames);
  frames.runs = merged.size();
  const size_t per_cell = std::max<size_t>(1, (merged.size() + limit - 1) / limit);
  for (size_t i = 0; i < merged.size(); ++i) {
    const FrameRun& run = merged[i];
    if (i % per_cell == 0) frames.cells.push_back({run.frame, 0, 0, {}});
    FrameCell& cell = frames.cells.back();
    cell.last = run.frame + run.count - 1;
    ++cell.runs;
    cell.usage.of(run.fill) += run.count;
    if (run.huge) cell.usage.huge += run.count;
    frames.frames += run.count;
    frames.longest = std::max(frames.longest, run.count);
    // 1, 2-7, 8-63, 64-511, 512 and more.
    const size_t length = run.count == 1 ? 0 : 1 + (std::bit_width(run.count) - 1) / 3;
    ++frames.lengths[std::min(length, frames.lengths.size() - 1)];
  }
  return frames;
}

std::string rights(uint32_t flags) {
  return fmt::format("{}{}{}", flags & SVMA_PTE_USER ? "u" : "-",
                     flags & SVMA_PTE_WRITE ? "w" : "-", flags & SVMA_PTE_EXEC ? "x" : "-");
}

}  // namespace

const char* fill_name(Fill fill) {
  constexpr const char* kNames[kFills] = {"anonymous", "file",    "shared memory", "other page",
                                          "zero page", "special", "swapped",       "other entry"};
  return kNames[static_cast<size_t>(fill)];
}

Fill entry_fill(uint32_t kind, uint32_t flags) {
  switch (kind) {
    case SVMA_ENTRY_PAGE:
      if (flags & SVMA_PTE_ANON) return Fill::kAnon;
      if (flags & SVMA_PTE_SHMEM) return Fill::kShmem;
      return flags & SVMA_PTE_FILE ? Fill::kFile : Fill::kPresent;
    case SVMA_ENTRY_ZERO:
      return Fill::kZero;
    case SVMA_ENTRY_SPECIAL:
      return Fill::kSpecial;
    case SVMA_ENTRY_SWAP:
      return Fill::kSwap;
    default:
      return Fill::kOther;
  }
}

void Usage::add(const Usage& other) {
  for (size_t i = 0; i < kFills; ++i) pages[i] += other.pages[i];
  huge += other.huge;
}

uint64_t Usage::total() const { return std::accumulate(pages.begin(), pages.end(), uint64_t{0}); }

uint64_t PictureLevel::used() const {
  return lead_on + std::accumulate(entries.begin(), entries.end(), uint64_t{0});
}

uint64_t Picture::tables() const {
  uint64_t count = 0;
  for (const PictureLevel& level : levels) count += level.tables;
  return count;
}

Picture build_picture(const PictureInput& input, const PictureLimits& limits) {
  Picture picture;
  picture.headline = fmt::format("pid {} ({}): {}, {} VMAs, seq {}", input.pid, input.comm,
                                 input.health, input.vmas.size(), input.seq);
  picture.note = input.note;
  picture.pid = input.pid;
  picture.comm = input.comm;
  picture.mm_id = input.mm_id;
  picture.totals = input.totals;
  picture.tree = build_tree(input.vmas);
  picture.rows = Rows(input, std::max<size_t>(limits.rows, 1)).fold();
  picture.nodes = Nodes(picture, limits.depth).draw();
  picture.has_pages = input.has_pages;
  spread_usage(input, picture);
  picture.levels = levels_of(input);
  picture.frames = frames_of(input.runs, std::max<size_t>(limits.cells, 1));
  picture.walks = input.walks;
  return picture;
}

std::vector<uint64_t> sample_addresses(const std::vector<svma_vma>& vmas,
                                       const std::vector<svma_page_run>& runs) {
  constexpr uint32_t kKept = SVMA_PTE_EXEC | SVMA_PTE_ANON | SVMA_PTE_FILE | SVMA_PTE_SHMEM;
  constexpr size_t kMost = 8;
  std::map<uint32_t, uint64_t> first;  // by what tells samples apart
  for (const svma_page_run& run : runs)
    first.try_emplace(run.kind << 28 | uint32_t{run.page_shift} << 22 | (run.flags & kKept),
                      run.start);
  std::vector<uint64_t> addresses;
  for (const auto& [key, address] : first) addresses.push_back(address);
  for (const svma_vma& vma : vmas)
    if (vma.flags & kVmGrowsDown) addresses.push_back(vma.end - kPageSize);
  // And one where there is nothing yet: as far as the tables lead.
  if (addresses.empty() && !vmas.empty()) addresses.push_back(vmas.front().start);
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  while (addresses.size() > kMost) addresses.erase(addresses.begin() + addresses.size() / 2);
  return addresses;
}

std::map<uint64_t, std::string> names_of_maps(const std::string& maps) {
  constexpr int kColumnsBeforeName = 5;
  std::map<uint64_t, std::string> names;
  for (size_t at = 0; at < maps.size();) {
    const size_t end = std::min(maps.find('\n', at), maps.size());
    const std::string line = maps.substr(at, end - at);
    at = end + 1;
    size_t column = 0;
    for (int i = 0; i < kColumnsBeforeName && column != std::string::npos; ++i)
      column = line.find_first_not_of(' ', line.find(' ', column));
    const size_t dash = line.find('-');
    if (dash == std::string::npos || column == std::string::npos) continue;
    names[std::stoull(line.substr(0, dash), nullptr, 16)] = line.substr(column);
  }
  return names;
}

std::string walk_end(const svma_walk& walk) {
  if (!walk.count) return "nothing";
  const svma_walk_level& last = walk.level[walk.count - 1];
  switch (last.kind) {
    case SVMA_ENTRY_NONE:
      return "empty";
    case SVMA_ENTRY_PAGE:
      return fmt::format("frame {:x} {} {}{}", last.target,
                         fill_name(entry_fill(last.kind, last.flags)), rights(walk.allowed),
                         walk.page_shift > 12 ? " huge" : "");
    case SVMA_ENTRY_ZERO:
      return fmt::format("frame {:x} zero page", last.target);
    case SVMA_ENTRY_SPECIAL:
      return fmt::format("frame {:x} special {}", last.target, rights(walk.allowed));
    case SVMA_ENTRY_SWAP:
      return fmt::format("swap area {} offset {:x}", last.swap_type, last.target);
    default:
      return "not present: " + entry_kind_name(last.kind);
  }
}

size_t text_length(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](unsigned char byte) { return (byte & 0xc0) != 0x80; });
}

std::string shortened(const std::string& name, size_t width) {
  if (text_length(name) <= width) return name;
  // Paths tell most at their end, other names at their beginning. Whole characters only.
  const size_t keep = width ? width - 1 : 0;
  if (!name.starts_with("/")) {
    size_t end = 0;
    for (size_t left = keep; end < name.size();) {
      size_t next = end + 1;
      while (next < name.size() && (name[next] & 0xc0) == 0x80) ++next;
      if (!left--) break;
      end = next;
    }
    return name.substr(0, end) + "…";
  }
  size_t begin = name.size();
  for (size_t left = keep; begin && left; --left) do
      --begin;
    while (begin && (name[begin] & 0xc0) == 0x80);
  return "…" + name.substr(begin);
}

}  // namespace svma
