// SPDX-License-Identifier: GPL-2.0-only
//
// Freestanding: there is no strcmp().
#pragma once

namespace svma {

constexpr bool same_text(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

}  // namespace svma
