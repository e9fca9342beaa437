// SPDX-License-Identifier: GPL-2.0-only
//
// A second, simple-minded address space to hold against the real one: a sorted vector, linear
// scans, no tree, no cached value. It shares the value types of the core and none of its logic.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vma/address_space.hpp"

namespace svma::test {

struct NaiveVma {
  u64 start = 0;
  u64 end = 0;
  VmaAttrs attrs;

  u64 pages() const { return (end - start) / kPageSize; }
  bool operator==(const NaiveVma&) const = default;
};

class NaiveModel {
 public:
  explicit NaiveModel(u64 stack_guard_gap) : stack_guard_gap_(stack_guard_gap) {}

  const std::vector<NaiveVma>& vmas() const { return vmas_; }

  // Indices; nothing found is nullopt.
  std::optional<std::size_t> find(u64 addr) const;
  std::optional<std::size_t> find_intersection(u64 start, u64 end) const;
  bool free_range(u64 start, u64 end) const { return !find_intersection(start, end); }

  bool insert(const NaiveVma& vma);
  void erase(std::size_t index) { vmas_.erase(vmas_.begin() + static_cast<long>(index)); }
  void split(std::size_t index, u64 addr);
  void set_flags(std::size_t index, VmFlags flags) { vmas_[index].attrs.vm_flags = flags; }
  void set_attrs(std::size_t index, const VmaAttrs& attrs) { vmas_[index].attrs = attrs; }
  void set_anonymous(std::size_t index, bool anonymous) {
    vmas_[index].attrs.anonymous = anonymous;
  }
  bool expand_downwards(std::size_t index, u64 addr);

  // How many VMAs more there are between cutting at both ends and removing.
  unsigned munmap_cuts(u64 start, u64 end) const;
  bool munmap_exceeds(u64 start, u64 end, u32 max_map_count) const;
  void munmap(u64 start, u64 end);

  // The range, mapped or not, gets `attrs` and is then joined with each neighbour that fits. If
  // none does, nothing changes. RETURNS: whether it was joined.
  bool merge(u64 start, u64 end, const VmaAttrs& attrs);

  // Whether a range that gets `attrs` may be joined with `neighbour`, which ends where the range
  // starts, or starts where it ends.
  static bool joins_below(const NaiveVma& neighbour, const VmaAttrs& attrs);
  static bool joins_above(const NaiveVma& neighbour, const VmaAttrs& attrs, u64 pages);

  // vma_expand over the VMA above (if `over_next`) to `start`, `end`.
  void expand(std::size_t index, u64 start, u64 end, u64 pgoff, bool over_next);

  // vma_adjust in its forms: the VMA and the next one meet at `addr` instead; the VMA covers the
  // `count` next ones as well; the next one takes its place; it is alone in getting new bounds. The
  // gaining VMA takes over an anon_vma if it has none.
  void move_boundary(std::size_t index, u64 addr);
  void swallow(std::size_t index, std::size_t count);
  void yield(std::size_t index);
  void set_bounds(std::size_t index, u64 start, u64 end);

  // What mremap does with the VMA before it unmaps it. `pgoff` is that of the first page copied.
  enum class Copied { kOccupied, kMerged, kNew };
  Copied copy(std::size_t index, u64 start, u64 end, u64 pgoff, bool keep);

  std::optional<u64> lowest_fit(const UnmappedAreaInfo& info) const;
  std::optional<u64> highest_fit(const UnmappedAreaInfo& info) const;
  bool fits_at(u64 addr, const UnmappedAreaInfo& info) const;

  // The same as the kernel searches since v6.1, hole by hole: guard gaps are only asked about once
  // a hole is found (GapRule::kHoles, what follows from it is told in vma/empty_area.cc).
  std::optional<u64> lowest_in_holes(const UnmappedAreaInfo& info) const;
  std::optional<u64> highest_in_holes(const UnmappedAreaInfo& info) const;

  // Whether the ends of gaps do not rise with their addresses, because a guard gap reaches below
  // the VMA beneath a stack. The search of v5.10 may then miss gaps (unmapped_area.cc).
  bool gap_ends_out_of_order() const;

  // Where `vma` begins, and below it the guard gap if it is a stack.
  u64 guarded_start(const NaiveVma& vma) const;

  // total, data, exec, stack, locked: counted afresh.
  Accounting count() const;

  std::string to_string() const;

 private:
  struct Gap {
    u64 start;
    u64 end;
  };
  std::vector<Gap> gaps() const;
  struct Hole {
    u64 start;
    u64 end;    // exclusive; of the last one, which ends nowhere, the highest number
    u64 guard;  // where the guard gap of a stack above begins, else the end
  };
  std::vector<Hole> holes() const;
  void inherit(VmaAttrs& heir, const VmaAttrs& from) const;

  std::vector<NaiveVma> vmas_;
  u64 stack_guard_gap_;
};

// The same address space as seen by both; empty if equal, else what differs.
std::string difference(const AddressSpace& mm, const NaiveModel& model);

}  // namespace svma::test
