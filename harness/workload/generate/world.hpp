// SPDX-License-Identifier: GPL-2.0-only
// What the steps work on: windows of address space at fixed places, files, and what must stay
// whole.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "workload/generate/random.hpp"

namespace svma::generate {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kMiB = 1 << 20;
inline constexpr uint64_t kGiB = 1 << 30;
inline constexpr uint64_t kTiB = 1ull << 40;
inline constexpr uint64_t kTaskSize = 0x7ffffffff000;
inline constexpr uint64_t kFilePages = 64;

constexpr uint64_t page_up(uint64_t value) { return (value + kPage - 1) & -kPage; }

// Half-open, in bytes; may be nonsense on purpose.
struct Range {
  uint64_t start = 0;
  uint64_t size = 0;

  uint64_t end() const { return start + size; }
};

// Parts of the address space that belong to the steps alone.
//
//     small    dense overlaps, page by page        grow   for mappings that grow down, mostly empty
//     medium   room for huge pages                 low    where MAP_32BIT puts things
//     huge     GiB and TiB, never touched          heap   above the first brk
enum WindowId { kSmall, kMedium, kHuge, kGrow, kLow, kHeap, kWindows };

// Mappings whose place the kernel chose, remembered by number.
class Slots {
 public:
  static constexpr size_t kCount = 24;

  Range at(size_t index) const { return slots_[index % kCount]; }
  void set(size_t index, Range range) { slots_[index % kCount] = range; }

 private:
  std::array<Range, kCount> slots_{};
};

struct File {
  const char* name;
  int fd;
};

// Invariants: after set_up(), kept_ never changes and covers all that this program needs to live.
class World {
 public:
  // Opens the files and reserves the windows. `huge`: with huge ranges. Throws.
  void set_up(bool huge);

  // Takes down what is mapped now as what steps must not change. Call it last. Throws.
  void keep_what_is_mapped();

  // Whether a step may do anything it likes to the range: the kernel refuses it, or all of it is
  // ours.
  bool safe(Range range) const;

  Range window(WindowId id) const { return windows_[id]; }
  bool in_window(uint64_t address) const;
  bool has_huge() const { return huge_; }

  // A range for a call: mostly aligned and in a window, sometimes a slot or the vDSO, sometimes
  // nonsense.
  Range range(Random& random, const Slots& slots) const;
  // The same, never nonsense and never huge.
  Range modest_range(Random& random, const Slots& slots) const;

  const File& file(Random& random) const { return files_[random.below(file_count_)]; }
  int pidfd() const { return pidfd_; }
  uint64_t first_brk() const { return windows_[kHeap].start; }
  uint64_t stack_low() const { return stack_low_; }

 private:
  Range in(WindowId id, Random& random) const;
  Range near_slot(Random& random, const Slots& slots) const;
  void add_file(const char* name, int fd);
  void open_files();
  void keep(Range range);
  void keep_heap();

  std::array<Range, kWindows> windows_{};
  std::array<Range, 128> kept_{};
  size_t kept_count_ = 0;
  std::array<File, 12> files_{};
  size_t file_count_ = 0;
  int pidfd_ = -1;
  uint64_t stack_low_ = 0;
  Range vdso_;  // and what belongs to it
  bool huge_ = false;
};

}  // namespace svma::generate
