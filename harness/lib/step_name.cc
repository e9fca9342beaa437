// SPDX-License-Identifier: GPL-2.0-only
#include "lib/step_name.hpp"

namespace svma {
namespace {

constexpr uint32_t kBase = 36;
constexpr size_t kMaxDigits = 7;  // of a 32-bit number
constexpr char kDigits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

size_t write_number(uint32_t value, char* text) {
  char reversed[kMaxDigits];
  size_t count = 0;
  do {
    reversed[count++] = kDigits[value % kBase];
    value /= kBase;
  } while (value != 0);
  for (size_t i = 0; i < count; ++i) text[i] = reversed[count - 1 - i];
  return count;
}

std::optional<uint32_t> parse_number(std::string_view text) {
  if (text.empty() || text.size() > kMaxDigits || (text[0] == '0' && text.size() > 1))
    return std::nullopt;
  uint64_t value = 0;
  for (char digit : text) {
    const size_t at = std::string_view(kDigits, kBase).find(digit);
    if (at == std::string_view::npos) return std::nullopt;
    value = value * kBase + at;
  }
  if (value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(value);
}

}  // namespace

size_t write_step_name(StepName name, char (&text)[kThreadNameSize]) {
  size_t size = 0;
  text[size++] = 'g';
  size += write_number(name.seed, text + size);
  text[size++] = '.';
  size += write_number(name.step, text + size);
  text[size] = '\0';
  return size;
}

std::string to_text(StepName name) {
  char text[kThreadNameSize];
  return {text, write_step_name(name, text)};
}

std::optional<StepName> parse_step_name(std::string_view text) {
  const size_t dot = text.find('.');
  if (text.size() >= kThreadNameSize || !text.starts_with('g') || dot == std::string_view::npos)
    return std::nullopt;
  const auto seed = parse_number(text.substr(1, dot - 1));
  const auto step = parse_number(text.substr(dot + 1));
  if (!seed || !step || *step > kMaxStep) return std::nullopt;
  return StepName{*seed, *step};
}

}  // namespace svma
