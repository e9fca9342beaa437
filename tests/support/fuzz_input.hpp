// SPDX-License-Identifier: GPL-2.0-only
//
// What the fuzz targets have in common: how they read their input, and that they compared at all.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "abi/core_api.h"
#include "base/types.hpp"

namespace svma::test {

// The input, byte by byte; behind its end come zeros.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  u64 next() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  u64 below(u64 limit) { return next() % limit; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

// Counts comparisons over all inputs. When the process ends, tells how many there were, and turns
// success into failure if there were none (as in a merge of corpora, whose work is done by
// children).
class ComparisonCount {
 public:
  ~ComparisonCount() {
    std::fprintf(stderr, "stat::comparisons: %llu\n", count_);
    if (count_ == 0) std::_Exit(EXIT_FAILURE);
  }
  void operator++() { ++count_; }
  void operator+=(u64 more) { count_ += more; }

 private:
  u64 count_ = 0;
};

// With SVMA_MUTATION in the environment the core is wrong on purpose, and a crash is what should
// follow (base/mutation.hpp).
inline int switch_mutation_on() {
  const char* const mutation = std::getenv("SVMA_MUTATION");
  if (mutation != nullptr && svma_core_mutate(mutation) != 0) {
    std::fprintf(stderr, "no such mutation: %s\n", mutation);
    std::exit(EXIT_FAILURE);
  }
  return 0;
}

}  // namespace svma::test
