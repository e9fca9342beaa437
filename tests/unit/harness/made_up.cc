// SPDX-License-Identifier: GPL-2.0-only
#include "made_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace svma::test {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kGrowsDown = 0x100;
constexpr uint64_t kGuard = 256 * kPage;

class Linker {
 public:
  explicit Linker(std::vector<svma_vma>& vmas) : vmas_(vmas) {
    for (size_t left = vmas.size(); left > 1; left /= 2) ++last_;
  }

  // Halves until nothing is left: all ways down end in the last two levels, so with the last one
  // red they have as many black nodes. RETURNS: the largest gap.
  uint64_t link(size_t from, size_t to, uint64_t parent, uint32_t depth) {
    if (from >= to) return 0;
    const size_t middle = from + (to - from) / 2;
    svma_vma& vma = vmas_[middle];
    vma.parent = parent;
    vma.depth = depth;
    if (depth && depth == last_) vma.bits |= SVMA_VMA_RED;
    const uint64_t low = middle ? vmas_[middle - 1].end : 0;
    uint64_t high = vma.start;
    if (vma.flags & kGrowsDown) high = high > kGuard ? high - kGuard : 0;
    return vma.gap =
               std::max({high > low ? high - low : 0, link(from, middle, vma.start, depth + 1),
                         link(middle + 1, to, vma.start, depth + 1)});
  }

 private:
  std::vector<svma_vma>& vmas_;
  uint32_t last_ = 0;
};

class Maker {
 public:
  PictureInput make(size_t count) {
    const size_t libraries = count / 8;
    at_ = 0x55d0a3c00000;
    file("/usr/bin/python3.11", 4, 1);
    named(0x132, 3, "[heap]");
    at_ = 0x7f12c0000000;
    while (input_.vmas.size() + libraries * 4 + 4 < count) anonymous();
    for (size_t i = 0; i < libraries && input_.vmas.size() + 8 <= count; ++i)
      file(fmt::format("/usr/lib/x86_64-linux-gnu/libexample-{}<&>.so.{}", i, i % 7), 4, 100 + i);
    while (input_.vmas.size() + 3 < count) anonymous();
    at_ = 0x7ffd30000000;
    named(33, 3 | kGrowsDown, "[stack]");
    at_ += 0x21000;
    named(4, 1, "[vvar]");
    named(2, 5, "[vdso]");
    finish();
    return std::move(input_);
  }

 private:
  void vma(uint64_t pages, uint64_t flags, const std::string& name, uint64_t ino) {
    svma_vma one{};
    one.start = at_;
    one.end = at_ += pages * kPage;
    one.flags = flags | 0x70;
    one.ino = ino;
    one.dev = ino ? 0x800001 : 0;
    if (!name.empty()) input_.names[one.start] = name;
    input_.vmas.push_back(one);
    fill(one);
  }
  void named(uint64_t pages, uint64_t flags, const std::string& name) {
    vma(pages, flags, name, 0);
  }

  void file(const std::string& path, size_t segments, uint64_t ino) {
    constexpr uint64_t kFlags[] = {1, 5, 1, 3};
    for (size_t i = 0; i < segments; ++i) vma(1 + random_() % 300, kFlags[i], path, ino);
  }

  void anonymous() {
    if (random_() % 3 == 0) at_ += (1 + random_() % 2000) * kPage;
    if (random_() % 50 == 0) at_ += uint64_t{1 + random_() % 4} << 30;
    const uint64_t pages = random_() % 20 ? 1 + random_() % 64 : 512 * (1 + random_() % 8);
    vma(pages, random_() % 8 ? 3 : 3 | 8, "", random_() % 40 ? 0 : 5000);
  }

  // Pages in a VMA, in runs; in the order of addresses, as the module tells them.
  void fill(const svma_vma& of) {
    svma_page_sum sum{};
    sum.start = of.start;
    sum.end = of.end;
    for (uint64_t at = of.start; at < of.end;) {
      const uint64_t left = (of.end - at) / kPage;
      if (at % (512 * kPage) == 0 && left >= 512 && !of.ino) {
        run(at, 1, SVMA_ENTRY_PAGE, SVMA_PTE_ANON | SVMA_PTE_WRITE, 21, 512);
        sum.anon += 512;
        sum.present += 512;
        sum.huge_2m += 512;
        at += 512 * kPage;
        continue;
      }
      const uint64_t pages = std::min<uint64_t>(left, 1 + random_() % 20);
      const bool shared = of.flags & 8;
      switch (random_() % 12) {
        case 0:
          run(at, pages, SVMA_ENTRY_SWAP, 0, 12, 1);
          sum.swap += pages;
          break;
        case 1:
          run(at, pages, SVMA_ENTRY_ZERO, 0, 12, 0);
          sum.zero += pages;
          break;
        case 2:
        case 3:
        case 4:
          break;
        default: {
          const uint32_t kind = shared   ? SVMA_PTE_FILE | SVMA_PTE_SHMEM
                                : of.ino ? SVMA_PTE_FILE
                                         : SVMA_PTE_ANON;
          run(at, pages, SVMA_ENTRY_PAGE, kind | (of.flags & 4 ? SVMA_PTE_EXEC : 0), 12, 1);
          (shared ? sum.shmem : of.ino ? sum.file : sum.anon) += pages;
          sum.present += pages;
        }
      }
      at += pages * kPage;
    }
    input_.sums.push_back(sum);
  }

  void run(uint64_t start, uint64_t count, uint32_t kind, uint32_t flags, uint8_t shift,
           uint64_t frames) {
    svma_page_run one{};
    one.start = start;
    one.count = count;
    one.kind = kind;
    one.flags = flags;
    one.page_shift = shift;
    if (frames > 1) frame_ = (frame_ + 511) / 512 * 512;
    one.target = frame_;
    frame_ += count * frames + (random_() % 3 ? 0 : random_() % 900);
    input_.runs.push_back(one);
  }

  void finish() {
    link_tree(input_.vmas);
    input_.pid = 4711;
    input_.comm = "made <up> & odd";
    input_.health = "clean";
    input_.mm_id = 12;
    input_.seq = 345;
    input_.has_pages = true;
    input_.totals.map_count = input_.vmas.size();
    for (const svma_vma& one : input_.vmas) input_.totals.total_vm += (one.end - one.start) / kPage;
    // As many tables as the ranges need.
    for (uint32_t level = 1; level <= 4; ++level) {
      const uint32_t shift = 12 + 9 * level;
      uint64_t last = SVMA_NONE;
      for (const svma_page_run& one : input_.runs) {
        if (level == 1 && one.page_shift > 12) continue;
        const uint64_t end = one.start + (uint64_t{one.count} << one.page_shift) - 1;
        for (uint64_t table = one.start >> shift; table <= end >> shift; ++table) {
          if (table == last) continue;
          ++input_.tables[level - 1];
          last = table;
        }
      }
    }
    for (uint64_t address : sample_addresses(input_.vmas, input_.runs)) walk_to(address);
  }

  void walk_to(uint64_t address) {
    svma_walk walk{};
    walk.addr = address;
    walk.table_levels = 4;
    for (uint32_t level = 4; level >= 1; --level) {
      svma_walk_level& one = walk.level[walk.count++];
      one.level = level;
      one.index = address >> (3 + 9 * level) & 511;
      one.table = 0x1234000 + level * kPage;
      one.entry = 0x80000000deadb067;
      one.kind = SVMA_ENTRY_TABLE;
    }
    svma_walk_level& last = walk.level[3];
    for (const svma_page_run& run : input_.runs) {
      if (address < run.start || address >= run.start + (uint64_t{run.count} << run.page_shift))
        continue;
      if (run.page_shift > 12) walk.count = 3;
      svma_walk_level& end = walk.level[walk.count - 1];
      end.kind = run.kind;
      end.flags = run.flags;
      end.target = run.target;
      walk.page_shift = run.page_shift;
      walk.allowed = SVMA_PTE_USER | SVMA_PTE_WRITE;
      input_.walks.push_back(walk);
      return;
    }
    last.kind = SVMA_ENTRY_NONE;
    last.entry = 0;
    input_.walks.push_back(walk);
  }

  PictureInput input_;
  std::mt19937 random_{7};
  uint64_t at_ = 0;
  uint64_t frame_ = 0x8000;
};

}  // namespace

void link_tree(std::vector<svma_vma>& vmas) { Linker(vmas).link(0, vmas.size(), SVMA_NONE, 0); }

PictureInput made_up(size_t count) { return Maker().make(count); }

}  // namespace svma::test
