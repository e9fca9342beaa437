// SPDX-License-Identifier: GPL-2.0-only
// svma gaps PID: what is free between the VMAs, and where a mapping of a given size would go.
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"
#include "lib/tree.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

struct GapOptions {
  pid_t pid = 0;
  uint64_t length = 0;  // 0: list all
  uint64_t align = kPageSize;
  std::string limit;  // "LO-HI"; empty: those of a plain mmap()
  bool bottom_up = false;
};

// vm.mmap_min_addr of Debian: what is below can't be mapped by anybody but root.
constexpr uint64_t kLowest = 0x10000;

svma_gap question_of(const GapOptions& options, const svma_limits& limits) {
  svma_gap question{};
  question.pid = options.pid;
  question.mm_id = limits.mm_id;
  // As mmap() does; the mask as its callers give it, which decides how much room is asked for.
  question.length = (options.length + kPageSize - 1) & ~(kPageSize - 1);
  question.align_mask = (options.align - 1) & ~(kPageSize - 1);
  question.flags = limits.topdown && !options.bottom_up ? SVMA_GAP_TOPDOWN : 0;
  if (!options.limit.empty()) {
    const auto [low, high] = parse_range(options.limit);
    question.low_limit = low;
    question.high_limit = high;
  } else if (limits.topdown && options.bottom_up) {
    question.low_limit = limits.fallback_low;
    question.high_limit = limits.fallback_high;
  } else {
    question.low_limit = limits.low_limit;
    question.high_limit = limits.high_limit;
  }
  return question;
}

bool places_at_huge_pages(Device& device) {
  for (const svma_semantic& choice : device.semantics()) {
    if (std::string_view(choice.name) == "places_at_huge_pages")
      return std::string_view(choice.value) == "yes";
  }
  return false;
}

// A mapping without a hint. Some kernels put what is as long as huge pages where one begins, if
// there is room for one more; 32-bit programs are spared.
std::optional<uint64_t> place_unhinted(Device& device, const svma_gap& question,
                                       const svma_limits& limits) {
  constexpr uint64_t kHugePage = 2u << 20;
  const bool huge = question.length % kHugePage == 0 && question.align_mask == 0 &&
                    limits.task_size > UINT32_MAX && places_at_huge_pages(device);
  if (!huge) return device.place(question, limits);
  svma_gap padded = question;
  padded.length += kHugePage;
  const auto found = device.place(padded, limits);
  if (!found) return device.place(question, limits);
  const uint64_t up = -*found % kHugePage;
  return *found + (limits.topdown && up == 0 ? kHugePage : up);
}

int search(Device& device, const TreeSnapshot& snapshot, const GapOptions& options, bool json) {
  if (options.align == 0 || (options.align & (options.align - 1)) != 0)
    throw Error("gaps: --align {} is not a power of two", options.align);
  auto limits = device.limits(snapshot.mm.mm_id);
  if (!limits) throw Error("process {}: it ended before it could be asked", options.pid);
  const svma_gap question = question_of(options, *limits);
  // A range or a direction of one's own is searched as it is.
  const bool as_it_is = !options.limit.empty() || options.bottom_up;
  if (as_it_is) limits->fallback_high = 0;
  const auto address =
      as_it_is ? device.place(question, *limits) : place_unhinted(device, question, *limits);
  if (!json) {
    fmt::print("{}\n", address ? hex(*address) : "no room");
    return kExitEqual;
  }
  fmt::print("{}\n", json_text(Json{{"address", address ? Json(hex(*address)) : Json()},
                                    {"length", question.length},
                                    {"top_down", (question.flags & SVMA_GAP_TOPDOWN) != 0},
                                    {"low_limit", hex(question.low_limit)},
                                    {"high_limit", hex(question.high_limit)}}));
  return kExitEqual;
}

int show_gaps(const GapOptions& options, bool json) {
  Device device;
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  if (options.length != 0) return search(device, snapshot, options, json);
  const auto limits = device.limits(snapshot.mm.mm_id);
  const uint64_t end = limits ? limits->task_size : kTaskSize;  // less for a 32-bit program
  const auto [low, high] =
      options.limit.empty() ? std::pair(kLowest, end) : parse_range(options.limit);
  const auto gaps = free_ranges(layout_of(snapshot), low, high);
  if (json)
    fmt::print("{}\n", json_text(to_json(gaps)));
  else
    fmt::print("{}{}", headline(snapshot), gaps_text(gaps));
  return kExitEqual;
}

}  // namespace

void add_gaps(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("gaps", "List free ranges, or search one as mmap would");
  auto options = std::make_shared<GapOptions>();
  const CLI::AsSizeValue size(false);
  command->add_option("PID", options->pid, "Process")->required()->check(kPidRange);
  command->add_option("--len", options->length, "Search room for so many bytes (K, M, G)")
      ->transform(size);
  command->add_option("--align", options->align, "Alignment in bytes")->transform(size);
  command->add_option("--limit", options->limit,
                      "Search LO-HI only, hexadecimal; default: where a plain mmap() searches");
  command->add_flag("--bottom-up", options->bottom_up,
                    "Search from the low end, as the legacy layout and MAP_32BIT do");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return show_gaps(*options, invocation.json); };
  });
}

}  // namespace svma
