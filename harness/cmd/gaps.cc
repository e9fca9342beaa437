// SPDX-License-Identifier: GPL-2.0-only
// svma gaps PID: what is free between the VMAs, and where a mapping of a given size would go.
#include <fmt/format.h>

#include <memory>

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
  uint64_t low = 0x10000;  // vm.mmap_min_addr of Debian
  uint64_t high = kTaskSize;
  bool bottom_up = false;
};

int search(Device& device, const GapOptions& options, bool json) {
  if (options.align == 0 || (options.align & (options.align - 1)) != 0)
    throw Error("gaps: --align {} is not a power of two", options.align);
  svma_gap question{};
  question.pid = options.pid;
  question.flags = options.bottom_up ? 0 : SVMA_GAP_TOPDOWN;
  question.length = options.length;
  question.low_limit = options.low;
  question.high_limit = options.high;
  question.align_mask = options.align - 1;
  const auto address = device.gap(question);
  if (json)
    fmt::print("{}\n", json_text(Json{{"address", address ? Json(hex(*address)) : Json()}}));
  else
    fmt::print("{}\n", address ? hex(*address) : "no room");
  return kExitEqual;
}

int show_gaps(const GapOptions& options, bool json) {
  Device device;
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  if (options.length != 0) return search(device, options, json);
  const auto gaps = free_ranges(layout_of(snapshot), options.low, options.high);
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
  command->add_option("--low", options->low, "Lowest start, inclusive");
  command->add_option("--high", options->high, "End of the search, exclusive");
  command->add_flag("--bottom-up", options->bottom_up, "Search from the low end");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return show_gaps(*options, invocation.json); };
  });
}

}  // namespace svma
