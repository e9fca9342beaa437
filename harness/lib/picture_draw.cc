// SPDX-License-Identifier: GPL-2.0-only
#include "lib/picture_draw.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "lib/layout.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

constexpr double kWidth = 1600;
constexpr double kMargin = 20;
constexpr double kInner = kWidth - 2 * kMargin;
constexpr double kText = 11;
constexpr double kSmall = 9;
constexpr double kTiny = 7.5;

constexpr const char* kInk = "#222222";
constexpr const char* kFaint = "#bbbbbb";
constexpr const char* kPaper = "#ffffff";
constexpr const char* kPanel = "#f7f7f7";
constexpr const char* kRedNode = "#f9d0c4";
constexpr const char* kRedEdge = "#c0392b";
constexpr const char* kBlackNode = "#d0d0d0";
constexpr const char* kTable = "#e8eef4";

const char* kind_colour(VmaKind kind) {
  switch (kind) {
    case VmaKind::kAnon:
      return fill_colour(Fill::kAnon);
    case VmaKind::kFile:
      return fill_colour(Fill::kFile);
    case VmaKind::kShared:
      return fill_colour(Fill::kShmem);
    case VmaKind::kSpecial:
      return fill_colour(Fill::kSpecial);
    case VmaKind::kMixed:
      return "#e4dcc8";
  }
  return kPaper;
}

std::string pages_text(uint64_t pages) { return size_text(pages * kPageSize); }

std::string usage_title(const Usage& usage) {
  std::string text;
  for (size_t i = 0; i < kFills; ++i)
    if (usage.pages[i])
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", usage.pages[i],
                          fill_name(static_cast<Fill>(i)));
  if (usage.huge) text += fmt::format(", {} of these in huge pages", usage.huge);
  return text.empty() ? "no pages" : text + " (pages of 4 KiB)";
}

std::string row_title(const PictureRow& row, size_t number) {
  return fmt::format("#{} {:x}-{:x} {} {} {}; {}", number, row.start, row.end,
                     row.permissions.empty() ? "various" : row.permissions, size_text(row.bytes),
                     row.name, usage_title(row.usage));
}

class Painter {
 public:
  explicit Painter(const Picture& picture) : picture_(picture) {}

  Drawing paint() {
    drawing_.width = kWidth;
    drawing_.title = picture_.headline;
    heading();
    chain();
    legend();
    address_bar();
    vma_list();
    tree();
    if (picture_.has_pages) {
      tables();
      walks();
      frames();
    }
    drawing_.height = y_ + kMargin;
    return std::move(drawing_);
  }

 private:
  void box(double x, double y, double width, double height, const std::string& fill,
           const std::string& title = "", const std::string& stroke = kInk,
           double stroke_width = 0.7) {
    drawing_.boxes.push_back({x, y, width, height, fill, stroke, stroke_width, title});
  }
  void label(double x, double y, const std::string& text, double size = kText,
             Anchor anchor = Anchor::kStart, bool bold = false, const std::string& title = "") {
    drawing_.labels.push_back({x, y, size, text, anchor, bold, title});
  }
  // In the middle of a box, if there is room for it. RETURNS: whether there was.
  bool inside(const Box& in, const std::string& text, double size) {
    Label one{in.x + in.width / 2,
              in.y + in.height / 2 + 0.33 * size,
              size,
              text,
              Anchor::kMiddle,
              false,
              in.title};
    if (one.width() > in.width - 2 || size > in.height) return false;
    drawing_.labels.push_back(one);
    return true;
  }

  void panel(const std::string& title, const std::string& remark = "") {
    y_ += 16;
    label(kMargin, y_ + 12, title, 13, Anchor::kStart, true);
    if (!remark.empty()) {
      const double from = kMargin + text_length(title) * 13 * 0.6 + 16;
      label(from, y_ + 12, shortened(remark, (kWidth - kMargin - from) / (10 * 0.6)), 10);
    }
    y_ += 22;
  }

  void heading() {
    y_ = kMargin;
    label(kMargin, y_ + 16, shortened(picture_.headline, 150), 17, Anchor::kStart, true);
    y_ += 26;
    if (!picture_.note.empty()) {
      label(kMargin, y_ + 10, shortened(picture_.note, 220));
      y_ += 18;
    }
  }

  // task -> mm -> VMAs -> tables -> frames.
  void chain() {
    const svma_totals& totals = picture_.totals;
    struct Link {
      std::string title, first, second;
    };
    std::vector<Link> links = {
        {"task", fmt::format("pid {}", picture_.pid), shortened(picture_.comm, 24)},
        {fmt::format("mm {}", picture_.mm_id),
         fmt::format("total_vm {}", pages_text(totals.total_vm)),
         fmt::format("data {} exec {} stack {}", pages_text(totals.data_vm),
                     pages_text(totals.exec_vm), pages_text(totals.stack_vm))},
        {fmt::format("{} VMAs", picture_.tree.nodes.size()),
         fmt::format("red-black tree of height {}", picture_.tree.height),
         fmt::format("{} black nodes on every way down", picture_.tree.black_height)}};
    if (picture_.has_pages) {
      links.push_back(
          {fmt::format("{} page tables", picture_.tables()),
           fmt::format("{} in {} levels", pages_text(picture_.tables()), picture_.levels.size()),
           fmt::format("{} swapped, {} zero pages", picture_.usage.of(Fill::kSwap),
                       picture_.usage.of(Fill::kZero))});
      links.push_back(
          {fmt::format("{} frames", picture_.frames.frames),
           fmt::format("{} in {} runs", pages_text(picture_.frames.frames), picture_.frames.runs),
           fmt::format("resident {} pages", picture_.usage.resident())});
    }
    constexpr double kGap = 30, kHeight = 56;
    const double width = (kInner - kGap * (links.size() - 1)) / links.size();
    for (size_t i = 0; i < links.size(); ++i) {
      const double x = kMargin + i * (width + kGap);
      box(x, y_, width, kHeight, kTable);
      label(x + 8, y_ + 17, links[i].title, 13, Anchor::kStart, true);
      const size_t room = (width - 16) / (kSmall * 0.6);
      label(x + 8, y_ + 33, shortened(links[i].first, room), kSmall);
      label(x + 8, y_ + 47, shortened(links[i].second, room), kSmall);
      if (i) drawing_.lines.push_back({x - kGap + 1, y_ + 28, x - 2, y_ + 28, true});
    }
    y_ += kHeight + 12;
  }

  void swatch(double& x, const std::string& colour, const std::string& text,
              const std::string& stroke = kInk, double stroke_width = 0.7) {
    box(x, y_, 14, 12, colour, "", stroke, stroke_width);
    label(x + 19, y_ + 10, text, 10);
    x += 19 + text_length(text) * 6 + 16;
  }

  void legend() {
    double x = kMargin;
    for (size_t i = 0; i < kFills; ++i)
      swatch(x, fill_colour(static_cast<Fill>(i)), fill_name(static_cast<Fill>(i)));
    swatch(x, kind_colour(VmaKind::kMixed), "mixed VMAs");
    swatch(x, kPaper, "empty");
    box(x, y_ + 9, 14, 3, kInk, "", kInk, 0);
    label(x + 19, y_ + 10, "in huge pages", 10);
    y_ += 16;
  }

  // Rows are as wide as the logarithm of their size tells, and holes larger than a VMA may be are
  // cut short: no scale has room for both.
  void address_bar() {
    const auto& rows = picture_.rows;
    panel("Address space",
          "low to high; widths grow with the logarithm of sizes, holes are cut short; "
          "numbers are those of the list below");
    if (rows.empty()) return;
    constexpr double kHeight = 34, kNarrow = 4, kWide = 48;
    // The widest holes are told.
    std::vector<uint64_t> holes;
    for (size_t i = 1; i < rows.size(); ++i) holes.push_back(rows[i].hole_below);
    std::sort(holes.rbegin(), holes.rend());
    constexpr size_t kTold = 8;
    const uint64_t told = std::max<uint64_t>(holes.size() > kTold ? holes[kTold - 1] : 1, 1 << 20);
    double fixed = 0, weight = 0;
    const auto weight_of = [](const PictureRow& row) {
      return 2.0 + std::log2(static_cast<double>(row.bytes / kPageSize + 1));
    };
    for (size_t i = 0; i < rows.size(); ++i) {
      weight += weight_of(rows[i]);
      if (i && rows[i].hole_below) fixed += rows[i].hole_below >= told ? kWide : kNarrow;
    }
    const double unit = (kInner - fixed) / weight;
    double x = kMargin;
    std::vector<double> free_from(3, 0);
    for (size_t i = 0; i < rows.size(); ++i) {
      const PictureRow& row = rows[i];
      const bool wide = i && row.hole_below >= told;
      if (i && row.hole_below) {
        const double hole = wide ? kWide : kNarrow;
        const Box gap{x,      y_ + 8, hole, kHeight - 16,
                      kPaper, kFaint, 0.5,  "free: " + size_text(row.hole_below)};
        drawing_.boxes.push_back(gap);
        if (wide) inside(gap, short_size(row.hole_below), kTiny);
        x += hole;
      }
      const Box one{x,    y_,  weight_of(row) * unit, kHeight, kind_colour(row.kind),
                    kInk, 0.5, row_title(row, i + 1)};
      drawing_.boxes.push_back(one);
      inside(one, std::to_string(i + 1), kSmall);
      // Where a cluster begins. Labels that would meet go a line lower, or are left out.
      if (!i || wide) {
        const std::string address = fmt::format("{:x}", row.start);
        for (size_t line = 0; line < free_from.size(); ++line) {
          if (x < free_from[line]) continue;
          const double width = text_length(address) * kSmall * 0.6;
          const double at = std::min(x, kMargin + kInner - width);
          if (at < free_from[line]) continue;
          label(at, y_ + kHeight + 11 + line * 11, address, kSmall);
          free_from[line] = at + width + 8;
          break;
        }
      }
      x += one.width;
    }
    y_ += kHeight + 38;
  }

  // "42.1T", of a hole.
  static std::string short_size(uint64_t bytes) {
    std::string text = size_text(bytes);
    const size_t space = text.find(' ');
    return space == std::string::npos ? text : text.substr(0, space) + text.substr(space + 1, 1);
  }

  void usage_bar(double x, double y, double width, double height, const Usage& usage,
                 uint64_t whole, const std::string& title) {
    box(x, y, width, height, kPaper, title, kFaint);
    if (!whole) return;
    double at = x;
    for (size_t i = 0; i < kFills; ++i) {
      if (!usage.pages[i]) continue;
      // Something always shows.
      const double part = std::max(width * std::min(1.0, double(usage.pages[i]) / whole), 1.5);
      const double fits = std::min(part, x + width - at);
      if (fits <= 0) break;
      box(at, y, fits, height, fill_colour(static_cast<Fill>(i)), title, kInk, 0.3);
      at += fits;
    }
    if (usage.huge)
      box(x, y + height - 2.5, std::max(1.5, std::min(width, width * double(usage.huge) / whole)),
          2.5, kInk, title, kInk, 0);
  }

  void vma_list() {
    panel("VMAs", "the list, by address; the bar shows how much of each is there, and what it is");
    constexpr double kRow = 16;
    const auto& rows = picture_.rows;
    const size_t columns = rows.size() > 8 ? 2 : 1;
    const size_t lines = (rows.size() + columns - 1) / columns;
    const double column = kInner / 2;
    for (size_t i = 0; i < rows.size(); ++i) {
      const PictureRow& row = rows[i];
      const double x = kMargin + (i / std::max<size_t>(lines, 1)) * column;
      const double y = y_ + (i % std::max<size_t>(lines, 1)) * kRow;
      const std::string title = row_title(row, i + 1);
      box(x, y + 2, 26, kRow - 4, kind_colour(row.kind), title, kInk, 0.5);
      label(x + 13, y + 11.5, std::to_string(i + 1), kSmall, Anchor::kMiddle);
      label(x + 32, y + 12, fmt::format("{:x}-{:x}", row.start, row.end), 10, Anchor::kStart, false,
            title);
      label(x + 246, y + 12, size_text(row.bytes), 10, Anchor::kEnd);
      label(x + 254, y + 12, row.permissions.empty() ? "…" : row.permissions, 10);
      label(x + 284, y + 12, shortened(row.name, 50), 10, Anchor::kStart, row.count > 1, title);
      if (!picture_.has_pages) continue;
      const uint64_t there = row.usage.total();
      usage_bar(x + 596, y + 3, 110, kRow - 6, row.usage, row.bytes / kPageSize, title);
      label(x + column - 12, y + 12, there ? short_size(there * kPageSize) : "-", 10, Anchor::kEnd);
    }
    y_ += lines * kRow + 2;
  }

  void tree() {
    panel("Red-black tree",
          picture_.nodes.empty()
              ? "not drawn: it has faults, see svma tree"
              : "start of each VMA and the largest gap below its node; then numbers in the list "
                "alone; then how many more are below");
    if (picture_.nodes.empty()) return;
    double x = kWidth - kMargin - 210;
    y_ -= 20;
    swatch(x, kRedNode, "red (R)", kRedEdge, 1.5);
    swatch(x, kBlackNode, "black (B)", kInk, 1.5);
    y_ += 22;
    uint32_t deepest = 0;
    for (const PictureNode& node : picture_.nodes) {
      deepest = std::max(deepest, node.depth);
      const auto [nx, ny] = place(node);
      if (node.depth) {
        const auto [px, py] = place(picture_.nodes[node.parent]);
        drawing_.lines.push_back({px, py, nx, ny, false});
      }
      draw_node(node, nx, ny);
    }
    y_ += deepest * kTreeStep + 34;
  }

  static constexpr double kTreeStep = 44;
  static constexpr uint32_t kFullDepth = 4;  // a slot there has room for an address

  std::pair<double, double> place(const PictureNode& node) const {
    const double slot = kInner / (uint64_t{1} << node.depth);
    return {kMargin + slot * (node.slot + 0.5), y_ + 14 + node.depth * kTreeStep};
  }

  void draw_node(const PictureNode& node, double x, double y) {
    const double slot = kInner / (uint64_t{1} << node.depth);
    const svma_vma& vma = picture_.tree.nodes[node.vma].vma;
    if (node.folded) {
      const double width = std::min(slot - 1.5, 40.0);
      const Box fold{x - width / 2, y - 8,  width, 16,
                     kPanel,        kFaint, 0.7,   fmt::format("{} more VMAs below", node.folded)};
      drawing_.boxes.push_back(fold);
      const std::string count = std::to_string(node.folded);
      if (!inside(fold, "+" + count, kTiny)) inside(fold, count, std::min(kTiny, width / 1.5));
      return;
    }
    const bool red = vma.bits & SVMA_VMA_RED;
    const std::string title = fmt::format("{:x}-{:x} {} largest gap below {} #{} {}", vma.start,
                                          vma.end, red ? "red" : "black", size_text(vma.gap),
                                          node.row + 1, picture_.rows[node.row].name);
    const bool full = node.depth <= kFullDepth;
    const double width = full ? 90 : std::min(slot - 4, 34.0);
    const double height = full ? 28 : 17;
    const Box one{x - width / 2,
                  y - height / 2,
                  width,
                  height,
                  red ? kRedNode : kBlackNode,
                  red ? kRedEdge : kInk,
                  1.5,
                  title};
    drawing_.boxes.push_back(one);
    if (!full) {
      const std::string number = std::to_string(node.row + 1);
      if (!inside(one, (red ? "R" : "B") + number, kSmall)) inside(one, number, kSmall);
      return;
    }
    inside({one.x, one.y, width, height / 2 + 1, "", "", 0, title}, fmt::format("{:x}", vma.start),
           kSmall);
    inside({one.x, one.y + height / 2 - 1, width, height / 2, "", "", 0, title},
           fmt::format("{} gap {}", red ? "R" : "B", short_size(vma.gap)), 8);
  }

  void tables() {
    panel("Page tables", "of each level: how many there are, and what their 512 entries each hold");
    for (const PictureLevel& level : picture_.levels) {
      const bool root = &level == &picture_.levels.front();
      label(kMargin, y_ + 13,
            fmt::format("{} {:>7} table{}", level_name(level.level, root), level.tables,
                        level.tables == 1 ? "" : "s"),
            kText, Anchor::kStart, true);
      const double x = kMargin + 150, width = 520;
      const std::string text = level_text(level);
      box(x, y_ + 2, width, 14, kPaper, text, kFaint);
      double at = x;
      const auto part = [&](uint64_t count, const std::string& colour, const std::string& what) {
        if (!count || !level.slots()) return;
        const double wide =
            std::min(std::max(width * double(count) / level.slots(), 2.0), x + width - at);
        if (wide <= 0) return;
        box(at, y_ + 2, wide, 14, colour, fmt::format("{} {}", count, what), kInk, 0.3);
        at += wide;
      };
      part(level.lead_on, kTable, "lead on");
      for (size_t i = 0; i < kFills; ++i)
        part(level.entries[i], fill_colour(static_cast<Fill>(i)), fill_name(static_cast<Fill>(i)));
      label(x + width + 12, y_ + 13, shortened(text, 130), 10);
      y_ += 20;
    }
  }

  static std::string level_text(const PictureLevel& level) {
    std::string text;
    if (level.lead_on) text = fmt::format("{} lead on", level.lead_on);
    for (size_t i = 0; i < kFills; ++i)
      if (level.entries[i])
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", level.entries[i],
                            fill_name(static_cast<Fill>(i)));
    return text + fmt::format("{}{} empty", text.empty() ? "" : ", ", level.empty());
  }

  // From an address through its tables to the frame.
  void walks() {
    if (picture_.walks.empty()) return;
    panel("Ways down",
          "from an address of each kind of memory through the tables to the frame; "
          "u w x: user, write, execute as all levels together allow");
    constexpr double kHeight = 30, kStep = 38, kFirst = 150, kLast = 250, kArrow = 16;
    for (const svma_walk& walk : picture_.walks) {
      label(kMargin, y_ + 19, fmt::format("{:x}", walk.addr), kText, Anchor::kStart, true);
      const uint32_t most = std::max(walk.table_levels, walk.count);
      const double width = (kInner - kFirst - kLast) / std::max(most, 1u) - kArrow;
      double x = kMargin + kFirst;
      for (uint32_t i = 0; i < walk.count; ++i) {
        const svma_walk_level& one = walk.level[i];
        drawing_.lines.push_back({i ? x - kArrow : x - 40, y_ + 15, x - 1, y_ + 15, true});
        box(x, y_, width, kHeight, kTable);
        label(x + 6, y_ + 12,
              fmt::format("{}[{}] of table {:x}", level_name(one.level, !i), one.index, one.table),
              kSmall);
        label(x + 6, y_ + 24, fmt::format("= {:x}", one.entry), kSmall);
        x += width + kArrow;
      }
      drawing_.lines.push_back({x - kArrow, y_ + 15, x - 1, y_ + 15, true});
      box(x, y_, std::min(kLast, kMargin + kInner - x), kHeight, walk_colour(walk));
      label(x + 6, y_ + 19, shortened(walk_end(walk), (std::min(kLast, kWidth - x) - 12) / 6), 10);
      y_ += kStep;
    }
  }

  static std::string walk_colour(const svma_walk& walk) {
    if (!walk.count) return kPaper;
    const svma_walk_level& last = walk.level[walk.count - 1];
    return last.kind == SVMA_ENTRY_NONE ? kPaper : fill_colour(entry_fill(last.kind, last.flags));
  }

  void frames() {
    const PictureFrames& frames = picture_.frames;
    panel(
        "Physical memory",
        fmt::format("{} frames in {} runs of consecutive ones, the longest {}; runs of 1: {}, 2-7: "
                    "{}, 8-63: {}, 64-511: {}, 512 or more: {}; mapped again: {}; swap slots: {}",
                    frames.frames, frames.runs, frames.longest, frames.lengths[0],
                    frames.lengths[1], frames.lengths[2], frames.lengths[3], frames.lengths[4],
                    frames.again, frames.swap_slots));
    constexpr size_t kPerLine = 50;
    constexpr double kHeight = 26, kLeft = 80, kRight = 80;
    for (size_t from = 0; from < frames.cells.size(); from += kPerLine) {
      const size_t to = std::min(from + kPerLine, frames.cells.size());
      double weight = 0;
      const auto weight_of = [](const FrameCell& cell) {
        return 3.0 + std::log2(static_cast<double>(cell.usage.total() + 1));
      };
      for (size_t i = from; i < to; ++i) weight += weight_of(frames.cells[i]);
      // A few runs need not fill a line.
      const double unit = std::min((kInner - kLeft - kRight) / weight, 14.0);
      label(kMargin, y_ + 17, fmt::format("{:x}", frames.cells[from].first), kSmall);
      double x = kMargin + kLeft;
      for (size_t i = from; i < to; ++i) {
        const FrameCell& cell = frames.cells[i];
        draw_cell(cell, x, weight_of(cell) * unit - 1.5, kHeight);
        x += weight_of(cell) * unit;
      }
      label(x + 6, y_ + 17, fmt::format("{:x}", frames.cells[to - 1].last), kSmall);
      y_ += kHeight + 8;
    }
  }

  // What there is of each kind as layers, so that folded runs look as single ones do.
  void draw_cell(const FrameCell& cell, double x, double width, double height) {
    const std::string title = fmt::format("frames {:x} to {:x}{}: {}", cell.first, cell.last,
                                          cell.runs > 1 ? fmt::format(", {} runs", cell.runs) : "",
                                          usage_title(cell.usage));
    const uint64_t total = cell.usage.total();
    double at = y_;
    for (size_t i = 0; i < kFills; ++i) {
      if (!cell.usage.pages[i]) continue;
      const double part = height * double(cell.usage.pages[i]) / total;
      box(x, at, width, part, fill_colour(static_cast<Fill>(i)), title, kInk, 0.3);
      at += part;
    }
    if (cell.usage.huge)
      box(x, y_ + height - 3, width * std::min(1.0, double(cell.usage.huge) / total), 3, kInk,
          title, kInk, 0);
    inside({x, y_, width, height - 3, "", "", 0, title}, std::to_string(total), kTiny);
  }

  const Picture& picture_;
  Drawing drawing_;
  double y_ = 0;
};

}  // namespace

double Label::left() const {
  switch (anchor) {
    case Anchor::kStart:
      return x;
    case Anchor::kMiddle:
      return x - width() / 2;
    case Anchor::kEnd:
      return x - width();
  }
  return x;
}

Drawing draw(const Picture& picture) { return Painter(picture).paint(); }

const char* fill_colour(Fill fill) {
  // After M. Okabe and K. Ito, "Color universal design"; lighter where text stands on it.
  constexpr const char* kColours[kFills] = {"#f0b040", "#7cc4ee", "#3fb894", "#a8a8a8",
                                            "#e3e3e3", "#d9a3c4", "#f4ea6a", "#e08050"};
  return kColours[static_cast<size_t>(fill)];
}

}  // namespace svma
