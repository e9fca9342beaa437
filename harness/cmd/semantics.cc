// SPDX-License-Identifier: GPL-2.0-only
// svma semantics: in what the running kernel's mm differs from others, by the module's account.
#include <fmt/format.h>

#include "cmd/commands.hpp"
#include "lib/device.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"

namespace svma {

void add_semantics(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "semantics", "Show the semantics profile in use: each choice, its value, and its source");
  command->callback([&invocation] {
    invocation.run = [&invocation] {
      const auto choices = Device().semantics();
      if (invocation.json)
        fmt::print("{}\n", json_text(to_json(choices)));
      else
        fmt::print("{}", semantics_text(choices));
      return kExitEqual;
    };
  });
}

}  // namespace svma
