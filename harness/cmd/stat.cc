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
      const svma_stats stats = Device().stats(SVMA_STATS_MODULE);
      if (invocation.json)
        fmt::print("{}\n", json_text(to_json(stats)));
      else
        fmt::print("{}", stats_text(stats));
      return kExitEqual;
    };
  });
}

}  // namespace svma
