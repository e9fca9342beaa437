// SPDX-License-Identifier: GPL-2.0-only
#include "lib/sketch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <vector>

#include "lib/calls.hpp"
#include "lib/layout.hpp"

namespace svma {
namespace {

constexpr size_t kMinWidth = 4;     // columns of the smallest segment, its left bar included
constexpr size_t kMaxWidth = 14;    // of the largest, unless a label needs more
constexpr size_t kMaxColumns = 96;  // beyond which labels have to fit where they can

using Side = std::span<const svma_extent>;

// What makes two pieces the same mapping; the offset is that of address 0.
using Identity = std::tuple<uint64_t, uint64_t, uint32_t, uint64_t>;

Identity identity_of(const svma_extent& vma) {
  return {vma.flags, vma.ino, vma.dev, vma.pgoff - vma.start / kPageSize};
}

class Sketch {
 public:
  Sketch(Side predicted, Side observed) : predicted_(predicted), observed_(observed) {
    find_borders();
    find_columns();
    for (Side side : {predicted, observed})
      for (const svma_extent& vma : side) name(vma);
  }

  std::string labels() const;
  std::string row(Side side) const;
  std::string marks() const;
  std::vector<std::string> legend() const;

 private:
  void find_borders();
  void find_columns();
  void name(const svma_extent& vma);
  size_t column(uint64_t address) const {
    return columns_[std::lower_bound(borders_.begin(), borders_.end(), address) - borders_.begin()];
  }
  std::string label(size_t i) const {
    return i == 0 ? fmt::format("{:x}", borders_[0])
                  : fmt::format("+{:x}", borders_[i] - borders_[0]);
  }

  Side predicted_;
  Side observed_;
  std::vector<uint64_t> borders_;  // addresses, ascending
  std::vector<size_t> columns_;    // of each of them
  std::map<Identity, char> letters_;
  std::vector<std::pair<char, svma_extent>> named_;  // the first piece of each letter
};

void Sketch::find_borders() {
  for (Side side : {predicted_, observed_}) {
    for (const svma_extent& vma : side) {
      borders_.push_back(vma.start);
      borders_.push_back(vma.end);
    }
  }
  std::sort(borders_.begin(), borders_.end());
  borders_.erase(std::unique(borders_.begin(), borders_.end()), borders_.end());
}

void Sketch::find_columns() {
  auto place = [this](size_t widest, bool room_for_labels) {
    columns_.assign(1, 0);
    for (size_t i = 0; i + 1 < borders_.size(); ++i) {
      const uint64_t pages = (borders_[i + 1] - borders_[i]) / kPageSize;
      size_t width = std::min<size_t>(kMinWidth + std::bit_width(pages), widest);
      if (room_for_labels) width = std::max(width, label(i).size() + 2);
      columns_.push_back(columns_.back() + width);
    }
  };
  place(kMaxWidth, true);
  if (columns_.back() > kMaxColumns) place(kMinWidth + 1, false);
}

void Sketch::name(const svma_extent& vma) {
  const auto [known, is_new] = letters_.try_emplace(identity_of(vma), 'A' + letters_.size());
  if (is_new) named_.emplace_back(known->second, vma);
}

std::string Sketch::labels() const {
  std::string text;
  for (size_t i = 0; i < borders_.size(); ++i) {
    if (i != 0 && columns_[i] < text.size() + 1) continue;
    text.resize(columns_[i], ' ');
    text += label(i);
  }
  return text;
}

std::string Sketch::row(Side side) const {
  std::string text(columns_.back() + 1, ' ');
  for (const svma_extent& vma : side) {
    const size_t from = column(vma.start), to = column(vma.end);
    std::fill(text.begin() + from, text.begin() + to, letters_.at(identity_of(vma)));
    text[from] = text[to] = '|';
  }
  return text;
}

// Under every column in which the rows differ, without the gap that a bar on both sides would
// leave.
std::string Sketch::marks() const {
  const std::string upper = row(predicted_), lower = row(observed_);
  std::string text(upper.size(), ' ');
  for (size_t i = 0; i < upper.size(); ++i)
    if (upper[i] != lower[i]) text[i] = '^';
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::vector<std::string> Sketch::legend() const {
  std::vector<std::string> lines;
  for (const auto& [letter, vma] : named_)
    lines.push_back(fmt::format("{}  {}, {}, pgoff {:x} at {:x}", letter, flags_text(vma.flags),
                                file_text(vma.dev, vma.ino), vma.pgoff, vma.start));
  return lines;
}

void trim(std::string& text) { text.erase(text.find_last_not_of(' ') + 1); }

}  // namespace

std::string sketch(Side predicted, Side observed, const std::string& indent) {
  if (predicted.empty() && observed.empty()) return "";
  const Sketch picture(predicted, observed);
  std::string text;
  auto line = [&](const char* title, std::string content) {
    trim(content);
    if (!content.empty()) text += fmt::format("{}{:<10}{}\n", indent, title, content);
  };
  line("", picture.labels());
  line("predicted", predicted.empty() ? "nothing" : picture.row(predicted));
  line("observed", observed.empty() ? "nothing" : picture.row(observed));
  line("", picture.marks());
  for (const std::string& entry : picture.legend()) line("", entry);
  return text;
}

}  // namespace svma
