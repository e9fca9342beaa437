// SPDX-License-Identifier: GPL-2.0-only
// What /proc says about pages: which frame is behind an address, and what the kernel knows of the
// frame. Documentation/admin-guide/mm/pagemap.rst in v6.12.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/fd.hpp"

namespace svma {

// An entry of /proc/PID/pagemap. Two that are equal, and hold a page, name the same page.
class PageEntry {
 public:
  PageEntry() = default;
  explicit PageEntry(uint64_t raw) : raw_(raw) {}

  bool present() const { return raw_ & kPresent; }
  bool swapped() const { return raw_ & kSwapped; }
  bool holds() const { return present() || swapped(); }
  // REQUIRES: present().
  uint64_t frame() const { return raw_ & kPlace; }
  // REQUIRES: swapped(). Type and offset, as pagemap packs them.
  uint64_t slot() const { return raw_ & kPlace; }
  uint64_t raw() const { return raw_; }

  // The bits of the word. Type and offset of a swap slot share kPlace: type in the lowest five.
  static constexpr uint64_t kPresent = uint64_t{1} << 63;
  static constexpr uint64_t kSwapped = uint64_t{1} << 62;
  static constexpr uint64_t kFile = uint64_t{1} << 61;  // of a file, or shared anonymous
  static constexpr uint64_t kUffdWp = uint64_t{1} << 57;
  static constexpr uint64_t kExclusive = uint64_t{1} << 56;
  static constexpr uint64_t kSoftDirty = uint64_t{1} << 55;
  static constexpr uint64_t kPlace = (uint64_t{1} << 55) - 1;
  static constexpr unsigned kSwapTypeBits = 5;

  bool same_page(PageEntry other) const {
    return holds() && present() == other.present() && swapped() == other.swapped() &&
           (raw_ & kPlace) == (other.raw_ & kPlace);
  }

 private:
  uint64_t raw_ = 0;
};

// Of a frame: kpageflags(5) bits, include/uapi/linux/kernel-page-flags.h.
class PageFlags {
 public:
  PageFlags() = default;
  explicit PageFlags(uint64_t raw) : raw_(raw) {}

  bool referenced() const { return has(2); }
  bool dirty() const { return has(4); }
  bool anonymous() const { return has(12); }
  bool swap_backed() const { return has(14); }
  bool head() const { return has(15); }
  bool tail() const { return has(16); }
  bool compound() const { return has(15) || has(16) || has(17) || has(22); }
  bool ksm() const { return has(21); }
  bool zero_page() const { return has(24); }
  uint64_t raw() const { return raw_; }
  bool operator==(const PageFlags&) const = default;

  // v6.12 calls each anonymous page one of KSM's (fs/proc/page.c stable_page_flags()
  // tests a mask as if it were a bit); there are none outside of VM_MERGEABLE.
  PageFlags without_ksm() const { return PageFlags(raw_ & ~(uint64_t{1} << 21)); }

 private:
  bool has(unsigned bit) const { return raw_ >> bit & 1; }

  uint64_t raw_ = 0;
};

struct FrameState {
  uint64_t mapcount = 0;  // entries of page tables; of a compound page perhaps their average
  PageFlags flags;

  bool operator==(const FrameState&) const = default;
};

// What is known of some frames at about one moment.
class Frames {
 public:
  Frames() = default;
  explicit Frames(std::unordered_map<uint64_t, FrameState> states) : states_(std::move(states)) {}

  // nullptr: it is not among those that were asked for.
  const FrameState* find(uint64_t frame) const;
  // Flags of the first page of its compound page, which are those of all: before v6.10
  // kpageflags tells for others what is in their own word. Of a single page its own.
  PageFlags shared_flags(uint64_t frame) const;

 private:
  std::unordered_map<uint64_t, FrameState> states_;
};

// The frame that may be the first one of the compound page of order `order` that `frame` is in.
// They are aligned to their size; so the first of order 1, 2, 3 ... that is a head is it.
constexpr uint64_t head_at_order(uint64_t frame, unsigned order) {
  return frame & ~((uint64_t{1} << order) - 1);
}
inline constexpr unsigned kMostOrder = 18;  // 1 GiB

// The names of the bits that are set, as tools/mm/page-types has them; "-" for none.
std::string page_flag_names(PageFlags flags);

// /proc/PID/pagemap; not open: the process has ended.
Fd open_pagemap(pid_t pid);
// Of `count` pages from `address` on; fewer at the end of user space, or of the process.
std::vector<PageEntry> read_pagemap(const Fd& pagemap, uint64_t address, uint64_t count);

// Files of /proc, opened once. Only root gets frame numbers.
class Pages {
 public:
  // Throws when they can't be read.
  Pages();

  // nullopt: the process has gone.
  std::optional<PageEntry> entry(pid_t pid, uint64_t address) const;
  FrameState frame(uint64_t frame) const;
  // Of all these, and of the heads of their compound pages. What is no memory is left out.
  Frames frames(std::vector<uint64_t> wanted) const;
  // Inode of the memory cgroup that pays for the frame, 0: none. nullopt: the kernel does not tell.
  std::optional<uint64_t> cgroup(uint64_t frame) const;

 private:
  void load(std::vector<uint64_t>& wanted, std::unordered_map<uint64_t, FrameState>& states) const;

  Fd counts_;
  Fd flags_;
  Fd cgroups_;  // may be absent: CONFIG_MEMCG
};

}  // namespace svma
