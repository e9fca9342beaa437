// SPDX-License-Identifier: GPL-2.0-only
#include "cmd/commands.hpp"

#include <charconv>

#include "lib/error.hpp"

namespace svma {

uint64_t parse_address(const std::string& text) {
  const size_t skip = text.starts_with("0x") || text.starts_with("0X") ? 2 : 0;
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + skip, end, value, 16);
  if (error != std::errc() || stop != end)
    throw Error("{}: not an address; write it in hexadecimal, as svma maps does", text);
  return value;
}

std::pair<uint64_t, uint64_t> parse_range(const std::string& text) {
  const size_t dash = text.find('-');
  if (dash == std::string::npos)
    throw Error("{}: not a range; write LO-HI, both hexadecimal", text);
  const std::pair range{parse_address(text.substr(0, dash)), parse_address(text.substr(dash + 1))};
  if (range.first >= range.second) throw Error("{}: the range is empty; write LO-HI", text);
  return range;
}

}  // namespace svma
