// SPDX-License-Identifier: GPL-2.0-only
// What `svma` throws when it can't do its work: one line for the user.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace svma {

// Message form: "what was wrong; what to do". main prints it and exits with kExitCouldNotCheck.
class Error : public std::runtime_error {
 public:
  template <typename... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// The system's text for an errno value.
std::string errno_text(int error);

inline constexpr int kExitEqual = 0;
inline constexpr int kExitDivergent = 1;
inline constexpr int kExitCouldNotCheck = 2;

}  // namespace svma
