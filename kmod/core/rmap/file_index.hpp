// SPDX-License-Identifier: GPL-2.0-only
//
// The files that somebody maps, by their identity.
//
// Invariants: each FileRmap that is in here is in the bucket of its id; no two have the same id.
// Complexity: O(1) expected for as many as there are buckets; memory is fixed, the links are in the
// FileRmaps themselves. Locking: as Rmap.
#pragma once

#include "rmap/rmap_vma.hpp"

namespace svma {

class FileIndex {
 public:
  FileIndex() = default;
  FileIndex(const FileIndex&) = delete;
  FileIndex& operator=(const FileIndex&) = delete;

  u64 count() const { return count_; }

  // RETURNS: null when nobody maps it.
  FileRmap* find(FileId id) const {
    FileRmap* candidate = buckets_[bucket_of(id)];
    while (candidate && !(candidate->id == id)) candidate = candidate->same_bucket;
    return candidate;
  }

  // REQUIRES: no other one has this id.
  void add(FileRmap* file) {
    FileRmap*& first = buckets_[bucket_of(file->id)];
    file->same_bucket = first;
    first = file;
    ++count_;
  }

  // REQUIRES: it is in here.
  void remove(FileRmap* file) {
    FileRmap** link = &buckets_[bucket_of(file->id)];
    while (*link != file) link = &(*link)->same_bucket;
    *link = file->same_bucket;
    --count_;
  }

  // visit(const FileRmap&) for each, in no order, until it returns false; O(buckets + files).
  template <class Visitor>
  void for_each(Visitor visit) const {
    for (const FileRmap* file : buckets_) {
      for (; file; file = file->same_bucket) {
        if (!visit(*file)) return;
      }
    }
  }

 private:
  static constexpr unsigned kBits = 12;

  // Numbers of inodes are small and dense, those of devices nearly all alike. The multiplier is
  // 2^64 / phi.
  static unsigned bucket_of(FileId id) {
    const u64 mixed = id.ino + (u64{id.dev} << 40);
    return static_cast<unsigned>((mixed * 0x9e3779b97f4a7c15) >> (64 - kBits));
  }

  FileRmap* buckets_[1u << kBits] = {};
  u64 count_ = 0;
};

}  // namespace svma
