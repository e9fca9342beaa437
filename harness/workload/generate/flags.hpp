// SPDX-License-Identifier: GPL-2.0-only
// Names of flags and numbers in printed steps.
#pragma once

#include <cstdint>
#include <span>

#include "workload/generate/step.hpp"

namespace svma::generate {

struct NamedNumber {
  uint64_t number;
  const char* name;
};

// "FIXED|PRIVATE|0x40000000"; "0" when none is set.
inline void add_flags(Line& line, uint64_t value, std::span<const NamedNumber> names) {
  if (!line.enabled()) return;
  const char* separator = "";
  for (const NamedNumber& flag : names) {
    if (flag.number == 0 || (value & flag.number) != flag.number) continue;
    line.add("{}{}", separator, flag.name);
    separator = "|";
    value &= ~flag.number;
  }
  if (value != 0 || *separator == '\0') line.add("{}{:#x}", separator, value);
}

// The name of one of several numbers, else the number.
inline void add_name(Line& line, uint64_t value, std::span<const NamedNumber> names) {
  for (const NamedNumber& entry : names) {
    if (entry.number == value) return line.add("{}", entry.name);
  }
  line.add("{}", static_cast<int64_t>(value));
}

}  // namespace svma::generate
