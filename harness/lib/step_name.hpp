// SPDX-License-Identifier: GPL-2.0-only
// Seed and step of svma-generate as the name of the thread that executes it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace svma {

// One step of the generator.
struct StepName {
  uint32_t seed = 0;
  uint32_t step = 0;

  bool operator==(const StepName&) const = default;
};

// A seed has up to 7 digits, so a step may have 6.
inline constexpr uint32_t kMaxStep = 2176782335;  // 36^6 - 1

// What a thread name holds, its final zero included.
inline constexpr size_t kThreadNameSize = 16;

// Writes "g<seed>.<step>", both in base 36 with capital letters: 15 characters at most. RETURNS:
// the number of characters. REQUIRES: step <= kMaxStep. CONTEXT: async-signal-safe.
size_t write_step_name(StepName name, char (&text)[kThreadNameSize]);

// The same as a string.
std::string to_text(StepName name);

// RETURNS: nullopt unless `text` has exactly the form that write_step_name() writes.
std::optional<StepName> parse_step_name(std::string_view text);

}  // namespace svma
