// SPDX-License-Identifier: GPL-2.0-only
// svma maps PID: the shadow's layout, like /proc/PID/maps.
#include <fmt/format.h>

#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

int show_maps(pid_t pid, bool json) {
  Device device;
  const TreeSnapshot snapshot = shadow_of(device, pid);
  if (!json) {
    fmt::print("{}{}", headline(snapshot), maps_text(layout_of(snapshot)));
    return kExitEqual;
  }
  Json vmas = Json::array();
  for (const Vma& vma : layout_of(snapshot)) vmas.push_back(to_json(vma));
  fmt::print("{}\n", json_text(Json{{"pid", snapshot.mm.pid},
                                    {"mm_id", snapshot.mm.mm_id},
                                    {"seq", snapshot.seq},
                                    {"health", health_name(snapshot.health)},
                                    {"totals", to_json(snapshot.totals)},
                                    {"vmas", vmas}}));
  return kExitEqual;
}

}  // namespace

void add_maps(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("maps", "Show the shadow's layout of a process");
  auto pid = std::make_shared<pid_t>();
  command->add_option("PID", *pid, "Process")->required()->check(kPidRange);
  command->callback([&invocation, pid] {
    invocation.run = [&invocation, pid] { return show_maps(*pid, invocation.json); };
  });
}

}  // namespace svma
