// SPDX-License-Identifier: GPL-2.0-only
// svma journal PID: what was done to an address space, and who has owned an address.
#include "lib/journal.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include "cmd/commands.hpp"
#include "lib/device.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"

namespace svma {
namespace {

struct JournalOptions {
  pid_t pid = 0;
  uint64_t mm_id = 0;
  std::optional<uint64_t> address;
  size_t last = 0;  // 0: all
  bool follow = false;
};

Journal journal_of(Device& device, const JournalOptions& options) {
  if (options.pid == 0 && options.mm_id == 0)
    throw Error("journal: give a process (svma journal PID) or an address space (--mm ID)");
  auto journal = device.journal(options.mm_id, options.pid);
  if (journal) return *std::move(journal);
  if (options.mm_id != 0)
    throw Error("mm {}: no journal; it was never tracked, or its tracking has ended",
                options.mm_id);
  throw Error(
      "process {}: no journal, since nobody tracks it; use svma check -p {}, or write its pid to "
      "{}/track",
      options.pid, options.pid, SVMA_DEBUGFS);
}

// Until the mm ends. New entries appear five times a second.
void follow(Device& device, const Journal& shown) {
  constexpr std::chrono::milliseconds kPause(200);
  const uint64_t origin = shown.entries.empty() ? 0 : uint64_t{shown.entries.front().begin_ns};
  uint64_t next = shown.entries.empty() ? 1 : shown.entries.back().id + 1;
  bool ended = !shown.entries.empty() && shown.entries.back().operation == SVMA_OP_EXIT;
  while (!ended) {
    std::fflush(stdout);
    std::this_thread::sleep_for(kPause);
    const auto news = device.journal(shown.mm_id, 0, next);
    if (!news) return;
    if (news->lost) fmt::print("  ... {} entries are lost\n", news->lost);
    for (const svma_journal_entry& entry : news->entries) {
      fmt::print("{}", entry_text(entry, origin));
      next = entry.id + 1;
      ended = entry.operation == SVMA_OP_EXIT;
    }
  }
}

int show_journal(const JournalOptions& options, bool json) {
  Device device;
  Journal journal = journal_of(device, options);
  if (options.address) {
    if (json)
      fmt::print("{}\n", json_text(owners_json(journal, *options.address)));
    else
      fmt::print("{}", owners_text(journal, *options.address));
    return kExitEqual;
  }
  if (options.last != 0 && journal.entries.size() > options.last)
    journal.entries.erase(journal.entries.begin(), journal.entries.end() - options.last);
  if (json) {
    fmt::print("{}\n", json_text(to_json(journal)));
    return kExitEqual;
  }
  fmt::print("{}", journal_text(journal));
  if (options.follow) follow(device, journal);
  return kExitEqual;
}

}  // namespace

void add_journal(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "journal",
      "Show what was done to an address space; also after its end, while it was tracked");
  auto options = std::make_shared<JournalOptions>();
  command->add_option("PID", options->pid, "Process")->check(kPidRange);
  command->add_option("--mm", options->mm_id, "One of several address spaces that a process had");
  command->add_option("--at", options->address, "Show who has owned this address (0x...)");
  command->add_option("--last", options->last, "Show the last so many entries only");
  command->add_flag("--follow", options->follow, "Go on until the process ends");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return show_journal(*options, invocation.json); };
  });
}

}  // namespace svma
