// SPDX-License-Identifier: GPL-2.0-only
// Reproducible random numbers: the same seed draws the same numbers on every system.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace svma::generate {

// splitmix64's output function: every bit of the input reaches every bit of the output.
constexpr uint64_t mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

constexpr uint64_t mix(uint64_t a, uint64_t b) { return mix(mix(a) + b + 0x9e3779b97f4a7c15); }

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }

  // In [0, limit). REQUIRES: limit != 0. The bias is far below what a test could see.
  uint64_t below(uint64_t limit) { return next() % limit; }

  // In [low, high], both inclusive.
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }

  bool one_in(uint64_t count) { return below(count) == 0; }

  // Each of `bits` with probability 1/2.
  uint64_t some_of(uint64_t bits) { return next() & bits; }

  // 1, 2, 3 ... with falling probability, at most `limit`: small sizes are the interesting ones.
  uint64_t small(uint64_t limit) {
    const uint64_t top = 1ull << below(7);
    const uint64_t value = between(1, top);
    return value < limit ? value : limit;
  }

  template <typename T, size_t N>
  const T& pick(const T (&values)[N]) {
    return values[below(N)];
  }
  template <typename T, size_t N>
  T& pick(std::array<T, N>& values) {
    return values[below(N)];
  }

 private:
  uint64_t state_;
};

}  // namespace svma::generate
