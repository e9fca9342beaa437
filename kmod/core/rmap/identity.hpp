// SPDX-License-Identifier: GPL-2.0-only
//
// Which live anon_vma a shadow one stands for: a bijection between those of both sides that are
// known to each other.
//
// Invariants: each AnonVma with an identity is in exactly one bucket; no two in it have the same.
// Complexity: O(1) expected for as many as there are buckets; memory is fixed, the links are in the
// anon_vmas themselves. Locking: as Rmap.
#pragma once

#include "rmap/rmap_vma.hpp"

namespace svma {

class AnonVmaIndex {
 public:
  AnonVmaIndex() = default;
  AnonVmaIndex(const AnonVmaIndex&) = delete;
  AnonVmaIndex& operator=(const AnonVmaIndex&) = delete;

  // RETURNS: null when nobody has it. REQUIRES: `identity` is not 0.
  AnonVma* find(u64 identity) const {
    AnonVma* candidate = buckets_[bucket_of(identity)];
    while (candidate && candidate->identity != identity) candidate = candidate->same_bucket;
    return candidate;
  }

  // REQUIRES: `anon_vma` has none, and nobody has this one.
  void bind(AnonVma* anon_vma, u64 identity) {
    AnonVma*& first = buckets_[bucket_of(identity)];
    anon_vma->identity = identity;
    anon_vma->same_bucket = first;
    first = anon_vma;
  }

  void unbind(AnonVma* anon_vma) {
    if (anon_vma->identity == 0) return;
    AnonVma** link = &buckets_[bucket_of(anon_vma->identity)];
    while (*link != anon_vma) link = &(*link)->same_bucket;
    *link = anon_vma->same_bucket;
    anon_vma->identity = 0;
  }

 private:
  static constexpr unsigned kBits = 12;

  // Addresses of a slab: the low bits are all alike. The multiplier is 2^64 / phi.
  static unsigned bucket_of(u64 identity) {
    return static_cast<unsigned>((identity * 0x9e3779b97f4a7c15) >> (64 - kBits));
  }

  AnonVma* buckets_[1u << kBits] = {};
};

}  // namespace svma
