// SPDX-License-Identifier: GPL-2.0-only
// svma why PID ADDR: why the VMA at an address is not one with its neighbours.
#include "lib/why.hpp"

#include <fmt/format.h>

#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

int show_why(pid_t pid, uint64_t address, bool json) {
  Device device;
  const TreeSnapshot snapshot = shadow_of(device, pid);
  const auto why = device.why(snapshot.mm.mm_id, address);
  if (!why) throw Error("process {}: it ended before its shadow could be read", pid);
  if (!(why->found & 1))
    throw Error("process {}: there is no VMA at {:#x}; svma maps {} lists them", pid, address, pid);
  if (json)
    fmt::print("{}\n", json_text(to_json(*why)));
  else
    fmt::print("{}{}", headline(snapshot), why_text(*why));
  return kExitEqual;
}

}  // namespace

void add_why(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("why", "Tell why a VMA did not merge with its neighbours");
  auto pid = std::make_shared<pid_t>();
  auto address = std::make_shared<std::string>();
  command->add_option("PID", *pid, "Process")->required()->check(kPidRange);
  command->add_option("ADDR", *address, "Any address in the VMA, hexadecimal")->required();
  command->callback([&invocation, pid, address] {
    invocation.run = [&invocation, pid, address] {
      return show_why(*pid, parse_address(*address), invocation.json);
    };
  });
}

}  // namespace svma
