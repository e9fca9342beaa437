// SPDX-License-Identifier: GPL-2.0-only
// svma stat: what the module counted since it was loaded; with --structure, how deep the trees of a
// process are.
#include <fmt/format.h>

#include <memory>

#include "cmd/commands.hpp"
#include "lib/device.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

struct StatOptions {
  bool structure = false;
  pid_t pid = 0;
  uint64_t length = kPageSize;  // of the search
};

int show_counts(bool json) {
  Device device;
  const svma_stats stats = device.stats(SVMA_STATS_MODULE);
  const auto facts = device.facts(SVMA_STATS_MODULE);
  const auto rmap = device.rmap(SVMA_STATS_MODULE);
  if (json) {
    Json counts = to_json(stats);
    if (facts) counts["facts_by_kind"] = to_json(*facts);
    if (rmap) counts["rmap"] = to_json(*rmap);
    fmt::print("{}\n", json_text(counts));
  } else {
    fmt::print("{}{}{}", stats_text(stats), rmap ? rmap_stats_text(*rmap) : "",
               facts ? facts_text(*facts) : "");
  }
  return kExitEqual;
}

int show_structure(const StatOptions& options, bool json) {
  if (options.length % kPageSize != 0 || options.length > kTaskSize)
    throw Error("stat: --len {} is no number of whole pages that a process has room for",
                options.length);
  Device device;
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  const svma_shape shape = device.shape(snapshot.mm.mm_id, options.length);
  if (json)
    fmt::print("{}\n", json_text(to_json(shape)));
  else
    fmt::print("{}{}", headline(snapshot), shape_text(shape));
  return kExitEqual;
}

}  // namespace

void add_stat(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "stat", "Show the module's statistics, or the shape of a process's trees of VMAs");
  auto options = std::make_shared<StatOptions>();
  auto* structure = command->add_flag("--structure", options->structure,
                                      "Depth and size of the shadow's tree and the kernel's own");
  auto* pid = command->add_option("-p,--pid", options->pid, "With --structure: of this process")
                  ->check(kPidRange)
                  ->needs(structure);
  structure->needs(pid);
  command
      ->add_option("--len", options->length,
                   "With --structure: also search room for so many bytes (K, M, G)")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str()
      ->needs(structure);
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] {
      return options->structure ? show_structure(*options, invocation.json)
                                : show_counts(invocation.json);
    };
  });
}

}  // namespace svma
