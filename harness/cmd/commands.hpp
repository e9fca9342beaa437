// SPDX-License-Identifier: GPL-2.0-only
// The subcommands. Each adds itself to the command line and stores in `run` what main shall do.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace svma {

// What every subcommand gets from the options before it, and what it leaves for main.
struct Invocation {
  bool json = false;
  std::function<int()> run;  // RETURNS: svma's exit status
};

// PID_MAX_LIMIT of the kernel.
inline const CLI::Range kPidRange(1, 4194304);

// "7ffe1000" or "0x7ffe1000". Throws when it is no hexadecimal number.
uint64_t parse_address(const std::string& text);

// "LO-HI" as parse_address() reads each; LO < HI.
std::pair<uint64_t, uint64_t> parse_range(const std::string& text);

void add_check(CLI::App& app, Invocation& invocation);
void add_generate(CLI::App& app, Invocation& invocation);
void add_maps(CLI::App& app, Invocation& invocation);
void add_tree(CLI::App& app, Invocation& invocation);
void add_gaps(CLI::App& app, Invocation& invocation);
void add_journal(CLI::App& app, Invocation& invocation);
void add_why(CLI::App& app, Invocation& invocation);
void add_stat(CLI::App& app, Invocation& invocation);
void add_probes(CLI::App& app, Invocation& invocation);
void add_rmap(CLI::App& app, Invocation& invocation);
void add_walk(CLI::App& app, Invocation& invocation);
void add_page(CLI::App& app, Invocation& invocation);
void add_semantics(CLI::App& app, Invocation& invocation);
void add_layout(CLI::App& app, Invocation& invocation);
void add_picture(CLI::App& app, Invocation& invocation);

}  // namespace svma
