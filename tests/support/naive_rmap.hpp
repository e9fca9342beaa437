// SPDX-License-Identifier: GPL-2.0-only
//
// Reverse mapping as one would explain it: anon_vmas and VMAs are numbers, who is in what is in
// maps, and what the kernel counts is counted when it is asked for. Slow; the model that core/rmap
// is held against, structure by structure.
#pragma once

#include <map>
#include <vector>

#include "rmap/rmap_vma.hpp"
#include "rmap/semantics.hpp"

namespace svma::test {

class NaiveRmap {
 public:
  static constexpr int kNone = -1;

  struct VmaState {
    RmapBounds bounds;
    int anon_vma = kNone;
    std::vector<int> chain;  // anon_vmas, as the list has them
    int file = kNone;
  };
  struct AnonVmaState {
    int parent = kNone;
    int root = kNone;
    std::multimap<u64, int> vmas;  // by first index; equal ones in order of insertion
  };

  explicit NaiveRmap(const RmapSemantics& semantics) : semantics_(semantics) {}

  const std::map<int, VmaState>& vmas() const { return vmas_; }
  const std::map<int, AnonVmaState>& anon_vmas() const { return anon_vmas_; }
  const VmaState& vma(int id) const { return vmas_.at(id); }
  const std::multimap<u64, int>& file(int id) { return files_[id]; }

  // Those whose parent it is and that have VMAs; a root is its own child.
  std::size_t children(int anon_vma) const;
  // VMAs that fault into it.
  std::size_t active(int anon_vma) const;

  void add(int vma, const RmapBounds& bounds, int file);
  void prepare(int vma, int shared);  // kNone: with a new one
  void clone(int dst, int src, bool fork);
  void fork(int child, int parent);
  void unlink(int vma);                 // out of all anon_vmas
  void remove(int vma);                 // out of everything
  void link_file(int vma, int behind);  // kNone: behind all that start alike

  // Some VMAs change their bounds together: first all leave, then they come back in this order.
  struct Change {
    int vma;
    RmapBounds bounds;
  };
  void change(const std::vector<Change>& in_file_order, const std::vector<Change>& in_anon_order);
  void set_bounds(int vma, const RmapBounds& bounds) { vmas_.at(vma).bounds = bounds; }

 private:
  void enter(int anon_vma, int vma);
  void leave(int anon_vma, int vma);
  static void erase(std::multimap<u64, int>& from, int vma);

  const RmapSemantics& semantics_;
  std::map<int, VmaState> vmas_;
  std::map<int, AnonVmaState> anon_vmas_;  // those with VMAs
  std::map<int, std::multimap<u64, int>> files_;
  int next_anon_vma_ = 0;
};

}  // namespace svma::test
