// SPDX-License-Identifier: GPL-2.0-only
//
// The units of memory management as types, so that bytes are never taken for pages, an address
// never for a length, and a range is one object. All are one machine word and pass in registers.
#pragma once

#include <compare>
#include <cstddef>

#include "base/status.hpp"

namespace svma {

// u64 is `unsigned long long` as in the kernel (include/asm-generic/int-ll64.h), so that one
// declaration in a C header serves both sides.
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;
static_assert(sizeof(u16) == 2 && sizeof(u32) == 4 && sizeof(u64) == 8 && sizeof(void*) == 8);

inline constexpr unsigned kPageShift = 12;
inline constexpr u64 kPageSize = u64{1} << kPageShift;
inline constexpr u64 kPageMask =
    ~(kPageSize - 1);  // as PAGE_MASK: keeps the page, drops the offset

// A number of pages.
class PageCount {
 public:
  constexpr PageCount() = default;
  explicit constexpr PageCount(u64 pages) : pages_(pages) {}

  constexpr u64 value() const { return pages_; }
  constexpr u64 bytes() const { return pages_ << kPageShift; }

  friend constexpr auto operator<=>(PageCount, PageCount) = default;
  friend constexpr PageCount operator+(PageCount a, PageCount b) {
    return PageCount(a.pages_ + b.pages_);
  }
  friend constexpr PageCount operator-(PageCount a, PageCount b) {
    return PageCount(a.pages_ - b.pages_);
  }
  constexpr PageCount& operator+=(PageCount other) { return *this = *this + other; }
  constexpr PageCount& operator-=(PageCount other) { return *this = *this - other; }

 private:
  u64 pages_ = 0;
};

// A user virtual address.
class VirtAddr {
 public:
  constexpr VirtAddr() = default;
  explicit constexpr VirtAddr(u64 value) : value_(value) {}

  constexpr u64 value() const { return value_; }
  constexpr bool page_aligned() const { return (value_ & ~kPageMask) == 0; }
  constexpr VirtAddr page_down() const { return VirtAddr(value_ & kPageMask); }
  constexpr u64 page_number() const { return value_ >> kPageShift; }

  friend constexpr auto operator<=>(VirtAddr, VirtAddr) = default;
  // Spelled out, since gcc 12 makes two branches of each comparison that goes through <=>.
  friend constexpr bool operator<(VirtAddr a, VirtAddr b) { return a.value_ < b.value_; }
  friend constexpr bool operator>(VirtAddr a, VirtAddr b) { return a.value_ > b.value_; }
  friend constexpr bool operator<=(VirtAddr a, VirtAddr b) { return a.value_ <= b.value_; }
  friend constexpr bool operator>=(VirtAddr a, VirtAddr b) { return a.value_ >= b.value_; }
  friend constexpr VirtAddr operator+(VirtAddr a, u64 bytes) { return VirtAddr(a.value_ + bytes); }
  friend constexpr VirtAddr operator-(VirtAddr a, u64 bytes) { return VirtAddr(a.value_ - bytes); }
  friend constexpr u64 operator-(VirtAddr a, VirtAddr b) { return a.value_ - b.value_; }  // bytes
  friend constexpr VirtAddr operator+(VirtAddr a, PageCount n) { return a + n.bytes(); }
  friend constexpr VirtAddr operator-(VirtAddr a, PageCount n) { return a - n.bytes(); }

 private:
  u64 value_ = 0;
};

// An offset in pages into whatever is mapped (vm_pgoff). Wraps like the kernel's unsigned long.
class PageOffset {
 public:
  constexpr PageOffset() = default;
  explicit constexpr PageOffset(u64 pages) : pages_(pages) {}

  constexpr u64 value() const { return pages_; }

  friend constexpr auto operator<=>(PageOffset, PageOffset) = default;
  friend constexpr PageOffset operator+(PageOffset a, PageCount n) {
    return PageOffset(a.pages_ + n.value());
  }
  friend constexpr PageOffset operator-(PageOffset a, PageCount n) {
    return PageOffset(a.pages_ - n.value());
  }

 private:
  u64 pages_ = 0;
};

// A physical page frame number.
class Pfn {
 public:
  constexpr Pfn() = default;
  explicit constexpr Pfn(u64 value) : value_(value) {}

  constexpr u64 value() const { return value_; }

  friend constexpr auto operator<=>(Pfn, Pfn) = default;

 private:
  u64 value_ = 0;
};

// Half-open [start, end). A range with end <= start holds nothing. An end of 2^64 cannot be
// expressed and does not occur: user addresses stop far below.
struct AddrRange {
  VirtAddr start;
  VirtAddr end;

  // [start, start + bytes), or -EINVAL when that wraps around.
  static constexpr Result<AddrRange> from_len(VirtAddr start, u64 bytes) {
    const VirtAddr end = start + bytes;
    if (end < start) return Status::error(kEINVAL);
    return AddrRange{start, end};
  }

  constexpr bool empty() const { return end <= start; }
  constexpr u64 bytes() const { return empty() ? 0 : end - start; }
  constexpr PageCount pages() const { return PageCount(bytes() >> kPageShift); }
  constexpr bool page_aligned() const { return start.page_aligned() && end.page_aligned(); }

  constexpr bool contains(VirtAddr addr) const { return start <= addr && addr < end; }
  constexpr bool contains(AddrRange other) const {
    return start <= other.start && other.end <= end;
  }
  constexpr bool overlaps(AddrRange other) const {
    return !empty() && !other.empty() && start < other.end && other.start < end;
  }

  friend constexpr bool operator==(AddrRange, AddrRange) = default;
};

}  // namespace svma
