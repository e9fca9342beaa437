// SPDX-License-Identifier: GPL-2.0-only
// svma tree PID: the shadow's red-black tree, with colours and gaps.
#include "lib/tree.hpp"

#include <fmt/format.h>

#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/render.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

int show_tree(pid_t pid, bool json) {
  Device device;
  const TreeSnapshot snapshot = shadow_of(device, pid);
  const Tree tree = build_tree(snapshot.vmas);
  if (json)
    fmt::print("{}\n", json_text(to_json(tree)));
  else
    fmt::print("{}{}", headline(snapshot), tree_text(tree));
  return tree.faults.empty() ? kExitEqual : kExitDivergent;
}

}  // namespace

void add_tree(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("tree", "Draw the shadow's red-black tree of a process");
  auto pid = std::make_shared<pid_t>();
  command->add_option("PID", *pid, "Process")->required()->check(kPidRange);
  command->callback([&invocation, pid] {
    invocation.run = [&invocation, pid] { return show_tree(*pid, invocation.json); };
  });
}

}  // namespace svma
