// SPDX-License-Identifier: GPL-2.0-only
// svma probes: the coverage table of the module's probes.
#include <fmt/format.h>

#include "cmd/commands.hpp"
#include "lib/device.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"

namespace svma {

void add_probes(CLI::App& app, Invocation& invocation) {
  auto* command =
      app.add_subcommand("probes", "Show the module's probes: found, armed, hits, missed");
  command->callback([&invocation] {
    invocation.run = [&invocation] {
      const auto probes = Device().probes();
      if (invocation.json)
        fmt::print("{}\n", json_text(to_json(probes)));
      else
        fmt::print("{}", probes_text(probes));
      return kExitEqual;
    };
  });
}

}  // namespace svma
