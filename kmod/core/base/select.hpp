// SPDX-License-Identifier: GPL-2.0-only
//
// A choice between two pointers without a branch.
//
// Which way a search turns at a node is a coin toss: a branch is mispredicted every other level, at
// some fifteen cycles each. A conditional move costs one. Compilers (gcc 12, clang 14) make a
// branch of `?:` when the result is an address to load from next, since for lists that is the
// better guess; so it is spelled out. Measured on find_vma: 30 % less time in up to 5000 VMAs, no
// difference in a million, where the time goes to memory.
#pragma once

#include "base/types.hpp"

namespace svma {

// RETURNS: a > b ? if_above : otherwise.
template <class T>
[[gnu::always_inline]] inline T* select_above(u64 a, u64 b, T* if_above, T* otherwise) {
#if defined(__x86_64__)
  asm("cmp %[b], %[a]\n\tcmova %[if_above], %[otherwise]"
      : [otherwise] "+r"(otherwise)
      : [if_above] "r"(if_above), [a] "r"(a), [b] "r"(b)
      : "cc");
  return otherwise;
#else
  return a > b ? if_above : otherwise;
#endif
}

}  // namespace svma
