// SPDX-License-Identifier: GPL-2.0-only
#include "lib/pages.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "lib/error.hpp"
#include "lib/layout.hpp"

namespace svma {
namespace {

// One of the 64-bit words that these files are made of.
std::optional<uint64_t> word_at(const Fd& file, uint64_t index) {
  uint64_t word = 0;
  if (pread(file.get(), &word, sizeof(word), index * sizeof(word)) != sizeof(word))
    return std::nullopt;
  return word;
}

Fd open_or_throw(const char* path) {
  Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) throw Error("{}: {}; only root may read it", path, errno_text(errno));
  return file;
}

// As many words as there are, at most `count`.
std::vector<uint64_t> words_at(const Fd& file, uint64_t index, uint64_t count) {
  std::vector<uint64_t> words(count);
  size_t got = 0;
  while (got < words.size()) {
    const ssize_t bytes = pread(file.get(), words.data() + got, (words.size() - got) * 8,
                                static_cast<off_t>((index + got) * 8));
    if (bytes < 8) break;
    got += bytes / 8;
  }
  words.resize(got);
  return words;
}

struct BitName {
  unsigned bit;
  const char* name;
};

// include/uapi/linux/kernel-page-flags.h and include/linux/kernel-page-flags.h, v7.3; a bit never
// gets another meaning.
constexpr BitName kFlagNames[] = {
    {0, "locked"},         {1, "error"},      {2, "referenced"},   {3, "uptodate"},
    {4, "dirty"},          {5, "lru"},        {6, "active"},       {7, "slab"},
    {8, "writeback"},      {9, "reclaim"},    {10, "buddy"},       {11, "mmap"},
    {12, "anonymous"},     {13, "swapcache"}, {14, "swapbacked"},  {15, "compound_head"},
    {16, "compound_tail"}, {17, "huge"},      {18, "unevictable"}, {19, "hwpoison"},
    {20, "nopage"},        {21, "ksm"},       {22, "thp"},         {23, "offline"},
    {24, "zero_page"},     {25, "idle_page"}, {26, "pgtable"},     {32, "reserved"},
    {33, "mlocked"},       {34, "owner_2"},   {35, "private"},     {36, "private_2"},
    {37, "owner_private"}, {38, "arch"},      {39, "uncached"},    {40, "softdirty"},
    {41, "arch_2"},        {42, "arch_3"},
};

}  // namespace

std::string page_flag_names(PageFlags flags) {
  std::string names;
  for (const BitName& flag : kFlagNames)
    if (flags.raw() >> flag.bit & 1) names += (names.empty() ? "" : " ") + std::string(flag.name);
  return names.empty() ? "-" : names;
}

const FrameState* Frames::find(uint64_t frame) const {
  const auto found = states_.find(frame);
  return found == states_.end() ? nullptr : &found->second;
}

PageFlags Frames::shared_flags(uint64_t frame) const {
  const FrameState* const own = find(frame);
  if (own == nullptr) return PageFlags();
  if (!own->flags.tail()) return own->flags;
  for (unsigned order = 1; order <= kMostOrder; ++order)
    if (const FrameState* head = find(head_at_order(frame, order)); head && head->flags.head())
      return head->flags;
  return own->flags;
}

Pages::Pages()
    : counts_(open_or_throw("/proc/kpagecount")),
      flags_(open_or_throw("/proc/kpageflags")),
      cgroups_(open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC)) {}

Fd open_pagemap(pid_t pid) {
  return Fd(open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
}

std::vector<PageEntry> read_pagemap(const Fd& pagemap, uint64_t address, uint64_t count) {
  std::vector<PageEntry> entries;
  entries.reserve(count);
  for (uint64_t word : words_at(pagemap, address / kPageSize, count)) entries.emplace_back(word);
  return entries;
}

// Neighbours are read at once, and what lies between near ones with them.
void Pages::load(std::vector<uint64_t>& wanted,
                 std::unordered_map<uint64_t, FrameState>& states) const {
  constexpr uint64_t kNear = 16, kMost = 4096;
  std::sort(wanted.begin(), wanted.end());
  for (size_t i = 0; i < wanted.size();) {
    const uint64_t first = wanted[i];
    uint64_t last = first;
    for (; i < wanted.size() && wanted[i] - last <= kNear && wanted[i] - first < kMost; ++i)
      last = wanted[i];
    const auto counts = words_at(counts_, first, last - first + 1);
    const auto flags = words_at(flags_, first, counts.size());
    for (size_t j = 0; j < flags.size(); ++j)
      states.insert_or_assign(first + j, FrameState{counts[j], PageFlags(flags[j])});
  }
}

Frames Pages::frames(std::vector<uint64_t> wanted) const {
  std::unordered_map<uint64_t, FrameState> states;
  load(wanted, states);
  std::vector<uint64_t> headless;
  for (uint64_t frame : wanted)
    if (const auto state = states.find(frame); state != states.end() && state->second.flags.tail())
      headless.push_back(frame);
  for (unsigned order = 1; order <= kMostOrder && !headless.empty(); ++order) {
    std::vector<uint64_t> heads;
    for (uint64_t frame : headless)
      if (const uint64_t head = head_at_order(frame, order); !states.contains(head))
        heads.push_back(head);
    load(heads, states);
    std::erase_if(headless, [&](uint64_t frame) {
      const auto head = states.find(head_at_order(frame, order));
      return head != states.end() && head->second.flags.head();
    });
  }
  return Frames(std::move(states));
}

std::optional<uint64_t> Pages::cgroup(uint64_t frame) const {
  if (!cgroups_) return std::nullopt;
  return word_at(cgroups_, frame);
}

std::optional<PageEntry> Pages::entry(pid_t pid, uint64_t address) const {
  const Fd pagemap = open_pagemap(pid);
  if (!pagemap) return std::nullopt;
  const auto word = word_at(pagemap, address / kPageSize);
  if (!word) return std::nullopt;
  return PageEntry(*word);
}

FrameState Pages::frame(uint64_t frame) const {
  const auto count = word_at(counts_, frame), flags = word_at(flags_, frame);
  if (!count || !flags) throw Error("/proc/kpagecount: frame {:#x} is not there", frame);
  return {*count, PageFlags(*flags)};
}

}  // namespace svma
