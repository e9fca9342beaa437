// SPDX-License-Identifier: GPL-2.0-only
// svma stat: what the module counted since it was loaded.
#include <fmt/format.h>

#include "cmd/commands.hpp"
#include "lib/device.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"

namespace svma {

void add_stat(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("stat", "Show the module's statistics");
  command->callback([&invocation] {
    invocation.run = [&invocation] {
      Device device;
      const svma_stats stats = device.stats(SVMA_STATS_MODULE);
      const auto facts = device.facts(SVMA_STATS_MODULE);
      if (invocation.json) {
        Json json = to_json(stats);
        if (facts) json["facts_by_kind"] = to_json(*facts);
        fmt::print("{}\n", json_text(json));
      } else {
        fmt::print("{}{}", stats_text(stats), facts ? facts_text(*facts) : "");
      }
      return kExitEqual;
    };
  });
}

}  // namespace svma
