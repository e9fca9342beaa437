// SPDX-License-Identifier: GPL-2.0-only
// What `svma picture` shows of a process: its VMAs, their tree, its page tables and the memory
// behind them, folded to what fits on a page. Pure; how it is drawn is in picture_draw, _text and
// _dot.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/tree.hpp"
#include "uapi/svma.h"

namespace svma {

// What a page or an entry holds; each has a colour.
enum class Fill { kAnon, kFile, kShmem, kPresent, kZero, kSpecial, kSwap, kOther };
inline constexpr size_t kFills = 8;

// "anonymous"; kPresent is what no struct page tells the kind of.
const char* fill_name(Fill fill);

// Of an entry of a page table: SVMA_ENTRY_ and SVMA_PTE_.
Fill entry_fill(uint32_t kind, uint32_t flags);

// Pages of 4 KiB by what they are; `huge`, in huge pages of any size, is part of these.
struct Usage {
  std::array<uint64_t, kFills> pages{};
  uint64_t huge = 0;

  void add(const Usage& other);
  uint64_t total() const;
  uint64_t of(Fill fill) const { return pages[static_cast<size_t>(fill)]; }
  uint64_t& of(Fill fill) { return pages[static_cast<size_t>(fill)]; }
  // What takes memory of the process's own account: without zero and special pages.
  uint64_t resident() const {
    return of(Fill::kAnon) + of(Fill::kFile) + of(Fill::kShmem) + of(Fill::kPresent);
  }
  bool operator==(const Usage&) const = default;
};

enum class VmaKind { kAnon, kFile, kShared, kSpecial, kMixed };

// One VMA, or neighbours folded into one.
struct PictureRow {
  size_t first = 0;  // VMA
  size_t count = 0;
  uint64_t start = 0;  // bytes; of all of it, holes between the VMAs included
  uint64_t end = 0;
  uint64_t bytes = 0;       // without these holes
  uint64_t hole_below = 0;  // bytes free down to the row before
  VmaKind kind = VmaKind::kAnon;
  std::string permissions;  // "rw-p"; "" of VMAs that differ
  std::string name;         // "137 mappings: libfoo.so" of several
  Usage usage;
};

// A VMA in the tree as it is drawn, or (`folded`) all below a place in it.
struct PictureNode {
  size_t vma = 0;
  size_t folded = 0;   // how many VMAs it stands for, 0: it is one
  size_t parent = 0;   // among the nodes; of the root its own
  uint32_t depth = 0;  // 0 at the root
  uint32_t slot = 0;   // from the left, of 1 << depth
  size_t row = 0;      // in which the VMA is listed
};

// The tables of one level and what their entries are.
struct PictureLevel {
  uint32_t level = 0;  // as in svma_walk_level
  uint64_t tables = 0;
  uint64_t lead_on = 0;                    // to a table of the next level
  std::array<uint64_t, kFills> entries{};  // that hold something themselves

  uint64_t slots() const { return tables * 512; }
  uint64_t used() const;
  uint64_t empty() const { return slots() > used() ? slots() - used() : 0; }
};

// Frames that follow each other and are of one kind.
struct FrameRun {
  uint64_t frame = 0;
  uint64_t count = 0;
  Fill fill = Fill::kAnon;
  bool huge = false;

  bool operator==(const FrameRun&) const = default;
};

// A part of the strip of frames: a run, or neighbouring runs folded.
struct FrameCell {
  uint64_t first = 0;
  uint64_t last = 0;  // inclusive
  uint64_t runs = 0;
  Usage usage;
};

struct PictureFrames {
  std::vector<FrameCell> cells;
  uint64_t runs = 0;
  uint64_t frames = 0;  // each once
  uint64_t again = 0;   // mappings of a frame that is mapped elsewhere in this mm
  uint64_t longest = 0;
  uint64_t swap_slots = 0;
  std::array<uint64_t, 5> lengths{};  // runs of 1, 2-7, 8-63, 64-511, 512 or more frames
};

struct PictureInput {
  pid_t pid = 0;
  std::string comm;
  std::string health;
  uint64_t mm_id = 0;
  uint64_t seq = 0;
  svma_totals totals{};
  std::vector<svma_vma> vmas;
  std::map<uint64_t, std::string> names;  // by start, as /proc/PID/maps has them
  bool has_pages = false;                 // page tables were read
  std::vector<svma_page_sum> sums;
  std::vector<svma_page_run> runs;
  std::array<uint64_t, SVMA_TABLE_LEVELS> tables{};  // by level - 1
  std::vector<svma_walk> walks;
  std::string note;  // what is doubtful about it
};

struct PictureLimits {
  size_t rows = 64;
  size_t cells = 200;
  uint32_t depth = 6;  // of the tree; one less where folded counts are long
};

struct Picture {
  std::string headline;
  std::string note;
  pid_t pid = 0;
  std::string comm;
  uint64_t mm_id = 0;
  svma_totals totals{};
  Tree tree;
  std::vector<PictureRow> rows;
  std::vector<PictureNode> nodes;
  bool has_pages = false;
  Usage usage;                       // of all rows, and what was found outside of them
  Usage stray;                       // of the latter
  std::vector<PictureLevel> levels;  // the root's first
  PictureFrames frames;
  std::vector<svma_walk> walks;

  uint64_t tables() const;
};

Picture build_picture(const PictureInput& input, const PictureLimits& limits = {});

// Where walks down the page tables tell most: one address of each kind of memory that there is.
std::vector<uint64_t> sample_addresses(const std::vector<svma_vma>& vmas,
                                       const std::vector<svma_page_run>& runs);

// Names by start, of the text of /proc/PID/maps.
std::map<uint64_t, std::string> names_of_maps(const std::string& maps);

// "pgd" for 5, or for 4 where that is the root.

// "anonymous rwx", "swap offset 12", of the entry at which a walk ends.
std::string walk_end(const svma_walk& walk);

// The last `width` characters of a name, "…" before them.
std::string shortened(const std::string& name, size_t width);

// Characters of UTF-8.
size_t text_length(const std::string& text);

}  // namespace svma
