// SPDX-License-Identifier: GPL-2.0-only
// What /proc says about pages: which frame is behind an address, and what the kernel knows of the
// frame. Documentation/admin-guide/mm/pagemap.rst in v6.12.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

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

  bool same_page(PageEntry other) const {
    return holds() && present() == other.present() && swapped() == other.swapped() &&
           (raw_ & kPlace) == (other.raw_ & kPlace);
  }

 private:
  static constexpr uint64_t kPresent = uint64_t{1} << 63;
  static constexpr uint64_t kSwapped = uint64_t{1} << 62;
  static constexpr uint64_t kPlace = (uint64_t{1} << 55) - 1;

  uint64_t raw_ = 0;
};

// Of a frame: kpageflags(5) bits, include/uapi/linux/kernel-page-flags.h.
class PageFlags {
 public:
  PageFlags() = default;
  explicit PageFlags(uint64_t raw) : raw_(raw) {}

  bool anonymous() const { return has(12); }
  bool compound() const { return has(15) || has(16) || has(17) || has(22); }
  bool ksm() const { return has(21); }
  bool zero_page() const { return has(24); }

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
};

// Files of /proc, opened once. Only root gets frame numbers.
class Pages {
 public:
  // Throws when they can't be read.
  Pages();

  // nullopt: the process has gone.
  std::optional<PageEntry> entry(pid_t pid, uint64_t address) const;
  FrameState frame(uint64_t frame) const;

 private:
  Fd counts_;
  Fd flags_;
};

}  // namespace svma
