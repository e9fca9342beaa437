// SPDX-License-Identifier: GPL-2.0-only
#include "lib/picture_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lib/layout.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

// One letter for each kind of page, in the order of Fill.
constexpr char kLetters[kFills + 1] = "AFS*0xw!";
constexpr size_t kBarWidth = 20;
constexpr size_t kLineWidth = 110;

std::string pages_text(uint64_t pages) { return size_text(pages * kPageSize); }

char kind_letter(VmaKind kind) {
  switch (kind) {
    case VmaKind::kAnon:
      return 'A';
    case VmaKind::kFile:
      return 'F';
    case VmaKind::kShared:
      return 'S';
    case VmaKind::kSpecial:
      return 'x';
    case VmaKind::kMixed:
      return '+';
  }
  return '?';
}

// "12 anonymous, 3 file".
std::string fills_text(const std::array<uint64_t, kFills>& counts) {
  std::string text;
  for (size_t i = 0; i < kFills; ++i)
    if (counts[i])
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", counts[i],
                          fill_name(static_cast<Fill>(i)));
  return text;
}

std::string bar(const Usage& usage, uint64_t whole, size_t width) {
  std::string text;
  for (size_t i = 0; i < kFills && whole; ++i) {
    if (!usage.pages[i]) continue;
    const double part = std::ceil(double(width) * usage.pages[i] / whole);
    text.append(static_cast<size_t>(std::min<double>(part, width)), kLetters[i]);
  }
  text.resize(width, '.');
  return text;
}

std::string heading_text(const Picture& picture) {
  const svma_totals& totals = picture.totals;
  std::string text = picture.headline + "\n";
  if (!picture.note.empty()) text += picture.note + "\n";
  text += fmt::format(
      "\ntask {} ({})\n  -> mm {}: total_vm {}, data {}, exec {}, stack {}, locked {}\n",
      picture.pid, picture.comm, picture.mm_id, pages_text(totals.total_vm),
      pages_text(totals.data_vm), pages_text(totals.exec_vm), pages_text(totals.stack_vm),
      pages_text(totals.locked_vm));
  text +=
      fmt::format("    -> {} VMAs: red-black tree of height {}, {} black nodes on every way down\n",
                  picture.tree.nodes.size(), picture.tree.height, picture.tree.black_height);
  if (!picture.has_pages) return text;
  const std::string fills = fills_text(picture.usage.pages);
  text +=
      fmt::format("      -> {} page tables: {}\n        -> pages of 4 KiB: {}\n", picture.tables(),
                  pages_text(picture.tables()), fills.empty() ? "none" : fills);
  if (picture.usage.huge)
    text += fmt::format("           {} of these in huge pages\n", picture.usage.huge);
  if (picture.stray.total())
    text += fmt::format("           {} of these in VMAs that changed meanwhile\n",
                        picture.stray.total());
  return text;
}

// A letter for each row as often as the logarithm of its size tells; "~" where a hole is cut short.
std::string bar_text(const Picture& picture) {
  constexpr uint64_t kTold = uint64_t{1} << 30;
  std::string text =
      "\naddress space, low to high: A anonymous, F file, S shared, x special, + mixed\n";
  std::string line = "  ";
  for (size_t i = 0; i < picture.rows.size(); ++i) {
    const PictureRow& row = picture.rows[i];
    std::string part;
    if (i && row.hole_below >= kTold)
      part = fmt::format("~{}~", size_text(row.hole_below));
    else if (i && row.hole_below)
      part = ".";
    const auto length = static_cast<size_t>(1 + std::log2(double(row.bytes / kPageSize + 1)) / 4);
    part += std::string(length, kind_letter(row.kind));
    if (line.size() + part.size() > kLineWidth) {
      text += line + "\n";
      line = "  ";
    }
    line += part;
  }
  return text + line + "\n";
}

std::string rows_text(const Picture& picture) {
  std::string text = "\nVMAs by address";
  if (picture.has_pages)
    text +=
        "; the bar: A anonymous, F file, S shared memory, * other page, 0 zero page, x special, "
        "w swapped, ! other entry, . nothing";
  text += "\n";
  for (size_t i = 0; i < picture.rows.size(); ++i) {
    const PictureRow& row = picture.rows[i];
    text += fmt::format("{:>4} {:>12x}-{:<12x} {:>9} {:<4} ", i + 1, row.start, row.end,
                        size_text(row.bytes), row.permissions.empty() ? "..." : row.permissions);
    if (picture.has_pages)
      text += fmt::format("[{}] {:>9} ", bar(row.usage, row.bytes / kPageSize, kBarWidth),
                          row.usage.total() ? pages_text(row.usage.total()) : "-");
    text += row.name + "\n";
  }
  return text;
}

// The root at the left margin, higher addresses below.
class TreeDrawing {
 public:
  explicit TreeDrawing(const Picture& picture) : picture_(picture) {
    children_.resize(picture.nodes.size());
    for (size_t i = 1; i < picture.nodes.size(); ++i)
      children_[picture.nodes[i].parent].push_back(i);
  }

  std::string draw() {
    if (picture_.nodes.empty()) return "";
    text_ = "\nred-black tree: colour, start, largest gap below, number in the list\n";
    draw_subtree(0, "  ", "  ");
    return text_;
  }

 private:
  // Goes as deep as the tree is drawn.
  void draw_subtree(size_t index, const std::string& first, const std::string& rest) {
    const PictureNode& node = picture_.nodes[index];
    if (node.folded) {
      text_ += fmt::format("{}+ {} more\n", first, node.folded);
      return;
    }
    const svma_vma& vma = picture_.tree.nodes[node.vma].vma;
    text_ += fmt::format("{}{} {:x} gap {} #{}\n", first, vma.bits & SVMA_VMA_RED ? "R" : "B",
                         vma.start, size_text(vma.gap), node.row + 1);
    for (size_t i = 0; i < children_[index].size(); ++i) {
      const size_t child = children_[index][i];
      const char* const side = picture_.nodes[child].slot % 2 ? "r " : "l ";
      const bool last = i + 1 == children_[index].size();
      draw_subtree(child, rest + (last ? "`-" : "|-") + side, rest + (last ? "    " : "|   "));
    }
  }

  const Picture& picture_;
  std::vector<std::vector<size_t>> children_;
  std::string text_;
};

std::string tables_text(const Picture& picture) {
  std::string text = "\npage tables, from the root: what their entries hold\n";
  for (const PictureLevel& level : picture.levels) {
    text += fmt::format("  {} {:>7} table{} ",
                        level_name(level.level, &level == &picture.levels.front()), level.tables,
                        level.tables == 1 ? ": " : "s:");
    if (level.lead_on) text += fmt::format("{} lead on, ", level.lead_on);
    const std::string fills = fills_text(level.entries);
    text += fmt::format("{}{}{} empty\n", fills, fills.empty() ? "" : ", ", level.empty());
  }
  if (picture.walks.empty()) return text;
  text += "\nways down; u w x: user, write, execute as all levels together allow\n";
  for (const svma_walk& walk : picture.walks) {
    text += fmt::format("  {:>12x}", walk.addr);
    for (uint32_t i = 0; i < walk.count; ++i)
      text += fmt::format(" > {}[{}] {:x}", level_name(walk.level[i].level, !i),
                          walk.level[i].index, walk.level[i].entry);
    text += " > " + walk_end(walk) + "\n";
  }
  return text;
}

std::string frames_text(const Picture& picture) {
  const PictureFrames& frames = picture.frames;
  std::string text = fmt::format(
      "\nphysical memory: {} frames in {} runs of consecutive ones, the longest {}\n"
      "  runs of 1: {}, 2-7: {}, 8-63: {}, 64-511: {}, 512 or more: {}; mapped again: {}; swap "
      "slots: {}\n",
      frames.frames, frames.runs, frames.longest, frames.lengths[0], frames.lengths[1],
      frames.lengths[2], frames.lengths[3], frames.lengths[4], frames.again, frames.swap_slots);
  std::string line;
  for (const FrameCell& cell : frames.cells) {
    std::string part = fmt::format("{:x}+{}", cell.first, cell.usage.total());
    for (size_t i = 0; i < kFills; ++i)
      if (cell.usage.pages[i]) part += kLetters[i];
    if (cell.usage.huge) part += "H";
    if (cell.runs > 1) part += fmt::format("/{}", cell.runs);
    if (line.size() + part.size() + 1 > kLineWidth) {
      text += " " + line + "\n";
      line.clear();
    }
    line += " " + part;
  }
  if (frames.cells.empty()) return text;
  return text + " " + line +
         "\n  first frame + frames, kinds by letter, H: huge pages, / how many runs are folded\n";
}

// Inside of a quoted string of dot.
std::string quoted(const std::string& text) {
  std::string result;
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  return result;
}

std::string dot_tree(const Picture& picture) {
  std::string text;
  for (size_t i = 0; i < picture.nodes.size(); ++i) {
    const PictureNode& node = picture.nodes[i];
    if (node.folded) {
      text += fmt::format("  n{} [shape=plaintext, label=\"{} more\"];\n", i, node.folded);
    } else {
      const svma_vma& vma = picture.tree.nodes[node.vma].vma;
      const PictureRow& row = picture.rows[node.row];
      text += fmt::format(
          "  n{} [label=\"{:x}-{:x}\\n{} {}\\ngap {}\", color={}, style=filled, "
          "fillcolor=\"{}\"];\n",
          i, vma.start, vma.end, permissions(vma.flags),
          quoted(row.count == 1 ? row.name : fmt::format("#{}", node.row + 1)), size_text(vma.gap),
          vma.bits & SVMA_VMA_RED ? "red" : "black",
          vma.bits & SVMA_VMA_RED ? "#f9d0c4" : "#d0d0d0");
    }
    if (i)
      text += fmt::format("  n{} -> n{} [label={}];\n", node.parent, i, node.slot % 2 ? "r" : "l");
  }
  return text;
}

std::string dot_rows(const Picture& picture) {
  std::string text = "  list [shape=box, label=\"";
  for (size_t i = 0; i < picture.rows.size(); ++i) {
    const PictureRow& row = picture.rows[i];
    text += fmt::format("{} {:x}-{:x} {} {} {}\\l", i + 1, row.start, row.end, row.permissions,
                        quoted(row.name), quoted(fills_text(row.usage.pages)));
  }
  return text + "\"];\n  mm -> list [label=\"list\"];\n";
}

std::string dot_tables(const Picture& picture) {
  std::string text, above = "mm";
  for (const PictureLevel& level : picture.levels) {
    const std::string name = fmt::format("level{}", level.level);
    const std::string fills = fills_text(level.entries);
    text +=
        fmt::format("  {} [shape=box3d, label=\"{}: {} tables\\n{}{}{} empty\"];\n  {} -> {};\n",
                    name, level_name(level.level, &level == &picture.levels.front()), level.tables,
                    fills, fills.empty() ? "" : "\\n", level.empty(), above, name);
    above = name;
  }
  for (size_t i = 0; i < picture.walks.size(); ++i) {
    const svma_walk& walk = picture.walks[i];
    std::string way = fmt::format("{:x}", walk.addr);
    for (uint32_t j = 0; j < walk.count; ++j)
      way += fmt::format("\\n{}[{}] {:x}", level_name(walk.level[j].level, !j), walk.level[j].index,
                         walk.level[j].entry);
    text +=
        fmt::format("  walk{} [shape=box, label=\"{}\\n{}\"];\n  {} -> walk{} [style=dotted];\n", i,
                    way, quoted(walk_end(walk)), above, i);
  }
  text +=
      fmt::format("  frames [shape=cylinder, label=\"{} frames\\nin {} runs\"];\n  {} -> frames;\n",
                  picture.frames.frames, picture.frames.runs, above);
  return text;
}

}  // namespace

std::string picture_text(const Picture& picture) {
  std::string text =
      heading_text(picture) + bar_text(picture) + rows_text(picture) + TreeDrawing(picture).draw();
  if (picture.has_pages) text += tables_text(picture) + frames_text(picture);
  return text;
}

std::string picture_dot(const Picture& picture) {
  std::string text = fmt::format(
      "digraph picture {{\n  label=\"{}\";\n  node [fontname=monospace];\n"
      "  task [shape=box, label=\"task {}\\n{}\"];\n  mm [shape=box, label=\"mm {}\\n{} VMAs\"];\n"
      "  task -> mm;\n",
      quoted(picture.headline), picture.pid, quoted(picture.comm), picture.mm_id,
      picture.tree.nodes.size());
  text += dot_rows(picture) + dot_tree(picture);
  if (!picture.nodes.empty()) text += "  mm -> n0 [label=\"tree\"];\n";
  if (picture.has_pages) text += dot_tables(picture);
  return text + "}\n";
}

}  // namespace svma
