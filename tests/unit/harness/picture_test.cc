// SPDX-License-Identifier: GPL-2.0-only
// Pictures of made-up processes: nothing is lost, nothing is counted twice, nothing overlaps.
#include "lib/picture.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "lib/layout.hpp"
#include "lib/picture_draw.hpp"
#include "lib/picture_svg.hpp"
#include "lib/picture_text.hpp"
#include "made_up.hpp"

namespace svma::test {
namespace {

class PictureOf : public testing::TestWithParam<size_t> {
 protected:
  PictureOf() : input_(made_up(GetParam())), picture_(build_picture(input_)) {}

  PictureInput input_;
  Picture picture_;
};

TEST_P(PictureOf, Rows_EveryVmaOnce) {
  EXPECT_EQ(picture_.tree.faults, std::vector<std::string>{}) << "the made-up tree is wrong";
  EXPECT_LE(picture_.rows.size(), PictureLimits().rows);
  size_t next = 0;
  for (const PictureRow& row : picture_.rows) {
    ASSERT_EQ(row.first, next);
    ASSERT_GE(row.count, 1u);
    next += row.count;
    uint64_t bytes = 0;
    for (size_t i = row.first; i < next; ++i) bytes += input_.vmas[i].end - input_.vmas[i].start;
    EXPECT_EQ(row.bytes, bytes);
    EXPECT_EQ(row.start, input_.vmas[row.first].start);
    EXPECT_EQ(row.end, input_.vmas[next - 1].end);
  }
  EXPECT_EQ(next, input_.vmas.size());
  if (GetParam() <= PictureLimits().rows) {
    EXPECT_EQ(picture_.rows.size(), GetParam());
  }
}

TEST_P(PictureOf, Rows_HeapAndStackAreNotFolded) {
  for (const char* name : {"[heap]", "[stack]", "[vdso]"})
    EXPECT_EQ(std::count_if(picture_.rows.begin(), picture_.rows.end(),
                            [&](const PictureRow& row) { return row.name == name; }),
              1)
        << name;
}

TEST_P(PictureOf, Nodes_EveryVmaOnce) {
  size_t shown = 0;
  std::set<std::pair<uint32_t, uint32_t>> places;
  for (const PictureNode& node : picture_.nodes) {
    shown += node.folded ? node.folded : 1;
    EXPECT_TRUE(places.emplace(node.depth, node.slot).second) << "two nodes in one place";
    if (!node.folded) {
      EXPECT_EQ(picture_.tree.nodes[node.vma].vma.depth, node.depth);
    }
    if (!node.depth) continue;
    const PictureNode& parent = picture_.nodes[node.parent];
    EXPECT_EQ(parent.depth + 1, node.depth);
    EXPECT_EQ(parent.slot, node.slot / 2);
    EXPECT_EQ(node.vma > parent.vma, node.slot % 2 == 1) << "left is lower";
  }
  EXPECT_EQ(shown, input_.vmas.size());
}

TEST_P(PictureOf, Usage_AddsUpToWhatWasRead) {
  Usage rows, frames;
  for (const PictureRow& row : picture_.rows) rows.add(row.usage);
  EXPECT_EQ(rows, picture_.usage);
  EXPECT_EQ(picture_.stray.total(), 0u);
  uint64_t anon = 0, file = 0, shmem = 0, swap = 0, zero = 0, present = 0, huge = 0;
  for (const svma_page_sum& sum : input_.sums) {
    anon += sum.anon;
    file += sum.file;
    shmem += sum.shmem;
    swap += sum.swap;
    zero += sum.zero;
    present += sum.present;
    huge += sum.huge_2m;
  }
  EXPECT_EQ(rows.of(Fill::kAnon), anon);
  EXPECT_EQ(rows.of(Fill::kFile), file);
  EXPECT_EQ(rows.of(Fill::kShmem), shmem);
  EXPECT_EQ(rows.of(Fill::kSwap), swap);
  EXPECT_EQ(rows.of(Fill::kZero), zero);
  EXPECT_EQ(rows.resident(), present);
  EXPECT_EQ(rows.huge, huge);
  // The frames come by another road, from the runs.
  for (const FrameCell& cell : picture_.frames.cells) frames.add(cell.usage);
  EXPECT_EQ(frames.total(), present);
  EXPECT_EQ(frames.total(), picture_.frames.frames);
  EXPECT_EQ(frames.of(Fill::kAnon), anon);
  EXPECT_EQ(frames.huge, huge);
  EXPECT_EQ(picture_.frames.swap_slots, swap);
  EXPECT_LE(picture_.frames.cells.size(), PictureLimits().cells);
  uint64_t runs = 0, by_length = 0;
  for (const FrameCell& cell : picture_.frames.cells) runs += cell.runs;
  for (uint64_t count : picture_.frames.lengths) by_length += count;
  EXPECT_EQ(runs, picture_.frames.runs);
  EXPECT_EQ(by_length, picture_.frames.runs);
}

TEST_P(PictureOf, Levels_EntriesAreThoseOfTheRuns) {
  ASSERT_EQ(picture_.levels.size(), 4u);
  EXPECT_EQ(picture_.levels[0].tables, 1u);
  uint64_t pages = 0;
  for (size_t i = 0; i < picture_.levels.size(); ++i) {
    const PictureLevel& level = picture_.levels[i];
    EXPECT_EQ(level.used() + level.empty(), level.slots());
    if (i) {
      EXPECT_EQ(picture_.levels[i - 1].lead_on, level.tables);
    }
    for (uint64_t count : level.entries) pages += count << (9 * (level.level - 1));
  }
  EXPECT_EQ(pages, picture_.usage.total());
}

TEST_P(PictureOf, Drawing_LabelsStayApartAndOnThePaper) {
  const Drawing drawing = draw(picture_);
  ASSERT_GT(drawing.labels.size(), 20u);
  std::vector<const Label*> labels;
  for (const Label& label : drawing.labels) {
    EXPECT_GE(label.left(), 0) << label.text;
    EXPECT_LE(label.right(), drawing.width) << label.text;
    EXPECT_GE(label.top(), 0) << label.text;
    EXPECT_LE(label.bottom(), drawing.height) << label.text;
    labels.push_back(&label);
  }
  for (size_t i = 0; i < labels.size(); ++i)
    for (size_t j = i + 1; j < labels.size(); ++j) {
      const Label &a = *labels[i], &b = *labels[j];
      const bool apart = a.right() <= b.left() || b.right() <= a.left() || a.bottom() <= b.top() ||
                         b.bottom() <= a.top();
      EXPECT_TRUE(apart) << "\"" << a.text << "\" and \"" << b.text << "\"";
    }
  for (const Box& box : drawing.boxes) {
    EXPECT_GE(box.width, 0);
    EXPECT_GE(box.x, 0) << box.title;
    EXPECT_LE(box.x + box.width, drawing.width + 0.01) << box.title;
    EXPECT_LE(box.y + box.height, drawing.height) << box.title;
  }
}

// Start tags and end tags in order, attributes in quotes, nothing outside of them that XML forbids.
void expect_well_formed(const std::string& text) {
  std::vector<std::string> open;
  size_t elements = 0;
  for (size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) {
    const size_t end = text.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = text.substr(at + 1, end - at - 1);
    ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
    at = end;
    if (tag.starts_with("?") || tag.starts_with("!")) continue;
    ++elements;
    EXPECT_EQ(std::count(tag.begin(), tag.end(), '"') % 2, 0) << tag;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.starts_with("/")) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ("/" + open.back(), tag);
      open.pop_back();
    } else if (!tag.ends_with("/")) {
      open.push_back(name);
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_GT(elements, 50u);
  for (size_t at = text.find('&'); at != std::string::npos; at = text.find('&', at + 1)) {
    const std::string entity = text.substr(at, text.find(';', at) - at + 1);
    EXPECT_TRUE(entity == "&amp;" || entity == "&lt;" || entity == "&gt;" || entity == "&quot;")
        << entity;
  }
}

TEST_P(PictureOf, Svg_WellFormedAndTellsEveryRow) {
  const std::string svg = svg_text(draw(picture_));
  expect_well_formed(svg);
  expect_well_formed(html_text(draw(picture_)));
  const std::string text = picture_text(picture_), dot = picture_dot(picture_);
  for (const PictureRow& row : picture_.rows) {
    const std::string range = fmt::format("{:x}-{:x}", row.start, row.end);
    for (const std::string* one : {&svg, &text, &dot})
      EXPECT_NE(one->find(range), std::string::npos) << range;
  }
  EXPECT_EQ(std::count(dot.begin(), dot.end(), '{'), std::count(dot.begin(), dot.end(), '}'));
}

INSTANTIATE_TEST_SUITE_P(Sizes, PictureOf, testing::Values(20, 64, 65, 200, 2000, 8000),
                         testing::PrintToStringParamName());

TEST(Picture, Empty_HasItsHeading) {
  PictureInput input;
  input.pid = 7;
  input.comm = "gone";
  const Picture picture = build_picture(input);
  EXPECT_TRUE(picture.rows.empty());
  EXPECT_NE(svg_text(draw(picture)).find("pid 7 (gone)"), std::string::npos);
  EXPECT_NE(picture_text(picture).find("pid 7 (gone)"), std::string::npos);
  EXPECT_NE(picture_dot(picture).find("task 7"), std::string::npos);
}

// Fewer rows than VMAs with names of their own: those are folded, too.
TEST(Picture, FewRows_AreKeptToWhateverIsFolded) {
  for (size_t rows : {1, 2, 5}) {
    const Picture picture = build_picture(made_up(200), {.rows = rows});
    EXPECT_LE(picture.rows.size(), rows);
    size_t count = 0;
    for (const PictureRow& row : picture.rows) count += row.count;
    EXPECT_EQ(count, 200u);
  }
}

TEST(Picture, BrokenTree_IsNotDrawn) {
  PictureInput input = made_up(20);
  input.vmas[3].parent = input.vmas[3].start;
  const Picture picture = build_picture(input);
  EXPECT_FALSE(picture.tree.faults.empty());
  EXPECT_TRUE(picture.nodes.empty());
  EXPECT_NE(svg_text(draw(picture)).find("it has faults"), std::string::npos);
}

// With and without the guard gap below a stack: both are ways to count, but only one at a time.
TEST(Picture, GapsBelowStacks_EitherWayIsATree) {
  PictureInput input = made_up(20);
  const size_t stack = 17;
  ASSERT_TRUE(input.vmas[stack].flags & 0x100);
  for (svma_vma& vma : input.vmas) vma.flags &= ~uint64_t{0x100};
  link_tree(input.vmas);
  input.vmas[stack].flags |= 0x100;
  EXPECT_FALSE(build_picture(input).nodes.empty());
  input.vmas[stack].gap += kPageSize;
  EXPECT_TRUE(build_picture(input).nodes.empty());
}

// What the page tables hold outside of the VMAs that the shadow had: it changed meanwhile.
TEST(Picture, StrayPages_AreCountedAndTold) {
  PictureInput input = made_up(20);
  svma_page_sum stray{};
  stray.start = 0x1000;
  stray.end = 0x3000;
  stray.anon = stray.present = 2;
  input.sums.push_back(stray);
  const Picture picture = build_picture(input);
  EXPECT_EQ(picture.stray.of(Fill::kAnon), 2u);
  EXPECT_NE(picture_text(picture).find("2 of these in VMAs that changed meanwhile"),
            std::string::npos);
}

svma_page_run run_of(uint64_t start, uint64_t frame, uint32_t count, uint32_t flags,
                     uint8_t shift = 12) {
  svma_page_run run{};
  run.start = start;
  run.target = frame;
  run.count = count;
  run.flags = flags;
  run.kind = SVMA_ENTRY_PAGE;
  run.page_shift = shift;
  return run;
}

// Neighbours in memory are one run wherever they are mapped; what is mapped twice counts once.
TEST(Picture, Frames_ByPlaceInMemoryEachOnce) {
  PictureInput input;
  input.runs = {run_of(0x1000, 100, 4, SVMA_PTE_ANON),
                run_of(0x9000, 104, 4, SVMA_PTE_ANON),
                run_of(0x20000, 106, 4, SVMA_PTE_ANON),
                run_of(0x30000, 50, 1, SVMA_PTE_FILE),
                run_of(0x40000, 51, 1, SVMA_PTE_FILE | SVMA_PTE_SHMEM),
                run_of(0x200000, 512, 1, SVMA_PTE_ANON, 21)};
  const PictureFrames frames = build_picture(input).frames;
  ASSERT_EQ(frames.cells.size(), 4u);
  EXPECT_EQ(frames.cells[0].first, 50u);
  EXPECT_EQ(frames.cells[1].usage.of(Fill::kShmem), 1u);
  EXPECT_EQ(frames.cells[2].first, 100u);
  EXPECT_EQ(frames.cells[2].last, 109u);
  EXPECT_EQ(frames.again, 2u);
  EXPECT_EQ(frames.cells[3].usage.huge, 512u);
  EXPECT_EQ(frames.frames, 10u + 2 + 512);
  EXPECT_EQ(frames.longest, 512u);
  EXPECT_EQ(frames.lengths, (std::array<uint64_t, 5>{2, 0, 1, 0, 1}));
}

TEST(Picture, Samples_OneOfEachKind) {
  std::vector<svma_vma> vmas(1);
  vmas[0].start = 0x7ff000;
  vmas[0].end = 0x800000;
  vmas[0].flags = 0x100;
  EXPECT_EQ(sample_addresses(vmas, {run_of(0x1000, 1, 1, SVMA_PTE_ANON),
                                    run_of(0x2000, 9, 1, SVMA_PTE_ANON | SVMA_PTE_DIRTY),
                                    run_of(0x3000, 5, 1, SVMA_PTE_FILE | SVMA_PTE_EXEC),
                                    run_of(0x200000, 512, 1, SVMA_PTE_ANON, 21)}),
            (std::vector<uint64_t>{0x1000, 0x3000, 0x200000, 0x7ff000}));
  EXPECT_TRUE(sample_addresses({}, {}).empty());
}

TEST(Picture, Names_AsMapsHasThem) {
  const auto names = names_of_maps(
      "00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/a b  c\n"
      "00e03000-00e24000 rw-p 00000000 00:00 0           [heap]\n"
      "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n");
  EXPECT_EQ(names.at(0x400000), "/usr/bin/a b  c");
  EXPECT_EQ(names.at(0xe03000), "[heap]");
  EXPECT_EQ(names.count(0x7f0000000000), 0u);
}

TEST(Picture, Shortened_KeepsWholeCharacters) {
  EXPECT_EQ(shortened("short", 10), "short");
  EXPECT_EQ(shortened("/usr/lib/libc.so.6", 10), "…libc.so.6");
  EXPECT_EQ(shortened("137 mappings", 6), "137 m…");
  EXPECT_EQ(shortened("/a/äöüäöüäöü", 5), "…üäöü");
  EXPECT_EQ(shortened("äöüäöüäöü", 5), "äöüä…");
  EXPECT_EQ(text_length("äö…"), 3u);
}

TEST(Picture, Escaping_WhatXmlCantHave) {
  EXPECT_EQ(xml_escaped("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
  EXPECT_EQ(xml_escaped("tab\there\x01"), "tab?here?");
  EXPECT_EQ(xml_escaped("\xc3\xa4 \xff \xc3"), "\xc3\xa4 ? ?");
  EXPECT_EQ(xml_escaped("\xed\xa0\x80"), "???") << "half of a surrogate pair";
  EXPECT_EQ(xml_escaped("\xc0\xbc"), "??") << "a longer form of <";
}

}  // namespace
}  // namespace svma::test
