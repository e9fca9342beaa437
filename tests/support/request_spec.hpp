// SPDX-License-Identifier: GPL-2.0-only
//
// What uapi/svma.h says of each request's argument, written down a second time, as a table: for
// tests of what the module's first look at a request lets through (kmod/shim/request.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

extern "C" {
#include "shim/request.h"
}

namespace svma::test {

constexpr std::size_t kNowhere = ~std::size_t{0};
constexpr std::uint64_t kTaskSize4Levels = (1ull << 47) - 4096;

struct RequestSpec {
  const char* name;
  unsigned command;
  std::size_t flags = kNowhere;     // offset in bytes
  std::uint32_t known = 0;          // flags that mean something
  std::size_t reserved = kNowhere;  // offset of what must be zero
};

#define SVMA_PLAIN(NAME) \
  RequestSpec { #NAME, SVMA_IOC_##NAME }
#define SVMA_FLAGS(NAME, type, known) \
  RequestSpec { #NAME, SVMA_IOC_##NAME, offsetof(type, flags), known }
#define SVMA_FLAGS_RESERVED(NAME, type, known) \
  RequestSpec { #NAME, SVMA_IOC_##NAME, offsetof(type, flags), known, offsetof(type, reserved) }

inline const std::array kRequests = {
    RequestSpec{"VERSION", SVMA_IOC_VERSION, kNowhere, 0, offsetof(svma_version, reserved)},
    SVMA_FLAGS_RESERVED(TRACK, svma_track, SVMA_TRACK_DESCENDANTS | SVMA_TRACK_CHILDREN),
    SVMA_FLAGS_RESERVED(UNTRACK, svma_untrack, 0),
    SVMA_FLAGS(LIST, svma_list, SVMA_LIST_MINE),
    SVMA_PLAIN(MM),
    SVMA_FLAGS(SNAPSHOT, svma_snapshot, 0),
    SVMA_FLAGS_RESERVED(FIND, svma_find, 0),
    SVMA_FLAGS_RESERVED(GAP, svma_gap, SVMA_GAP_TOPDOWN),
    SVMA_FLAGS(STATS, svma_stats, SVMA_STATS_MODULE),
    SVMA_FLAGS(PROBES, svma_probes, 0),
    SVMA_FLAGS(DIVERGENCES, svma_divergences, 0),
    SVMA_FLAGS(FACTS, svma_facts, SVMA_STATS_MODULE),
    SVMA_FLAGS(JOURNAL, svma_journal, SVMA_JOURNAL_AFTER),
    SVMA_FLAGS_RESERVED(REPORT, svma_report, 0),
    SVMA_FLAGS(WHY, svma_why, 0),
    SVMA_FLAGS(LIMITS, svma_limits, 0),
    SVMA_PLAIN(SEMANTIC),
    SVMA_FLAGS(STRUCTURE, svma_structure, SVMA_STATS_MODULE),
    SVMA_FLAGS(SHAPE, svma_shape, 0),
    SVMA_FLAGS_RESERVED(RMAP, svma_rmap_stats, SVMA_STATS_MODULE),
    SVMA_FLAGS_RESERVED(CHAINS, svma_chains, 0),
    SVMA_FLAGS_RESERVED(SHARERS, svma_sharers, SVMA_SHARERS_FILE),
    SVMA_FLAGS(WALK, svma_walk, 0),
    SVMA_FLAGS(PAGES, svma_pages, SVMA_PAGES_SUMS),
};

#undef SVMA_PLAIN
#undef SVMA_FLAGS
#undef SVMA_FLAGS_RESERVED

// As many bytes as the request's argument has, and not one more.
class RequestArgument {
 public:
  explicit RequestArgument(unsigned command) : bytes_(_IOC_SIZE(command), '\0') {
    put32(0, static_cast<std::uint32_t>(bytes_.size()));
  }
  std::size_t size() const { return bytes_.size(); }
  char* data() { return bytes_.data(); }
  std::uint32_t get32(std::size_t at) const { return get<std::uint32_t>(at); }
  std::uint64_t get64(std::size_t at) const { return get<std::uint64_t>(at); }
  void put32(std::size_t at, std::uint32_t value) { std::memcpy(&bytes_[at], &value, 4); }
  void put64(std::size_t at, std::uint64_t value) { std::memcpy(&bytes_[at], &value, 8); }
  const svma_argument* argument() const {
    return reinterpret_cast<const svma_argument*>(bytes_.data());
  }
  const std::string& bytes() const { return bytes_; }

 private:
  template <typename T>
  T get(std::size_t at) const {
    T value;
    std::memcpy(&value, &bytes_[at], sizeof(value));
    return value;
  }

  std::string bytes_;
};

// Whether the ranges that the request names are ones the header allows.
inline bool ranges_allowed(unsigned command, const RequestArgument& a, std::uint64_t task_size) {
  const auto at = [&](std::size_t offset) { return a.get64(offset); };
  const auto whole_pages = [](std::uint64_t bytes) { return (bytes & 4095) == 0; };
  switch (command) {
    case SVMA_IOC_TRACK: {
      const auto pid = static_cast<std::int32_t>(a.get32(offsetof(svma_track, pid)));
      const bool children = a.get32(offsetof(svma_track, flags)) & SVMA_TRACK_CHILDREN;
      return children ? pid == 0 : pid >= 1;
    }
    case SVMA_IOC_GAP: {
      const std::uint64_t length = at(offsetof(svma_gap, length));
      std::uint64_t mask = at(offsetof(svma_gap, align_mask));
      if (mask >= 4096 && whole_pages(mask)) mask += 4095;
      bool ones_then_zeros = true;
      for (; mask != 0; mask >>= 1) ones_then_zeros = ones_then_zeros && (mask & 1);
      return length >= 4096 && whole_pages(length) && ones_then_zeros &&
             at(offsetof(svma_gap, high_limit)) <= task_size &&
             at(offsetof(svma_gap, low_limit)) <= at(offsetof(svma_gap, high_limit));
    }
    case SVMA_IOC_SHAPE: {
      const std::uint64_t length = at(offsetof(svma_shape, length));
      return whole_pages(length) && length <= task_size;
    }
    case SVMA_IOC_SHARERS:
      return a.get32(offsetof(svma_sharers, flags)) == 0 ||
             (at(offsetof(svma_sharers, mm_id)) == 0 && a.get32(offsetof(svma_sharers, pid)) == 0);
    case SVMA_IOC_WALK:
      return at(offsetof(svma_walk, addr)) < task_size;
    case SVMA_IOC_PAGES: {
      const std::uint64_t start = at(offsetof(svma_pages, start));
      std::uint64_t end = at(offsetof(svma_pages, end));
      if (end == SVMA_NONE) end = task_size;
      return a.get32(offsetof(svma_pages, capacity)) != 0 && start < end && end <= task_size &&
             whole_pages(start) && whole_pages(end);
    }
    default:
      return true;
  }
}

inline bool allowed(const RequestSpec& spec, const RequestArgument& a, std::uint64_t task_size) {
  if (a.get32(0) != a.size()) return false;
  if (spec.flags != kNowhere && (a.get32(spec.flags) & ~spec.known)) return false;
  if (spec.reserved != kNowhere && a.get32(spec.reserved) != 0) return false;
  return ranges_allowed(spec.command, a, task_size);
}

}  // namespace svma::test
