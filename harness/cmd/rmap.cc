// SPDX-License-Identifier: GPL-2.0-only
// svma rmap: who maps a page, and the family tree of a process's anon_vmas.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/family.hpp"
#include "lib/page_look.hpp"
#include "lib/sharers.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

struct RmapOptions {
  pid_t pid = 0;
  std::string address;
  std::string file;
  int64_t page = -1;  // -1: any
  bool tree = false;
  bool dot = false;
  bool all = false;
};

int show_page(const RmapOptions& options, bool json) {
  const uint64_t address = parse_address(options.address);
  Device device;
  const Pages pages;
  if (options.all) track_everybody(device);
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  std::string wrong;
  const PageLook look = look_at_page(device, pages, snapshot, address, wrong);
  if (json) {
    Json answer = {{"pid", options.pid}, {"address", hex(address)}};
    answer.update(to_json(look.page, look.candidates, wrong));
    fmt::print("{}\n", json_text(answer));
  } else {
    fmt::print("{}{:x}: {}\n{}", headline(snapshot), address, page_text(look.page),
               sharers_text(look.page, look.candidates));
    if (!wrong.empty()) fmt::print("DIVERGENT: {}\n", wrong);
  }
  return wrong.empty() ? kExitEqual : kExitDivergent;
}

int show_file(const RmapOptions& options, bool json) {
  struct stat info;
  if (stat(options.file.c_str(), &info) != 0)
    throw Error("{}: {}", options.file, errno_text(errno));
  Device device;
  const Pages pages;
  if (options.all) track_everybody(device);
  const uint32_t dev = major(info.st_dev) << 20 | minor(info.st_dev);
  const uint64_t number = options.page < 0 ? SVMA_NONE : options.page;
  const Sharers sharers = device.sharers_of_file(dev, info.st_ino, number);
  SharedPage page;
  page.dev = dev;
  page.ino = info.st_ino;
  page.page = options.page < 0 ? 0 : options.page;
  page.abroad = true;
  page.cut = sharers.total > sharers.vmas.size();
  const std::vector<Candidate> candidates = look_at_candidates(device, pages, sharers.vmas);
  // The page that the file's mappings have in common; a private one may be a copy by now.
  for (const Candidate& candidate : candidates) {
    if (options.page < 0 || !candidate.entry || !candidate.entry->present()) continue;
    const FrameState frame = pages.frame(candidate.entry->frame());
    if (frame.flags.anonymous() || page.frame) continue;
    page.entry = *candidate.entry;
    page.frame = frame;
  }
  std::string wrong;
  if (page.frame)
    wrong = contradiction(page, candidates, 0, not_in_tree(device, pages, page, candidates));
  if (json) {
    fmt::print("{}\n", json_text(to_json(page, candidates, wrong)));
  } else {
    fmt::print("{}: {}\n{}", options.file, page_text(page), sharers_text(page, candidates));
    if (!wrong.empty()) fmt::print("DIVERGENT: {}\n", wrong);
  }
  return wrong.empty() ? kExitEqual : kExitDivergent;
}

int show_family(const RmapOptions& options, bool json) {
  Device device;
  if (options.all) track_everybody(device);
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  std::vector<ProcessChains> processes;
  for (const auto& [mm_id, mm] : tracked_mms(device)) {
    auto chains = device.chains(mm_id);
    if (!chains) continue;
    processes.push_back({mm.pid, comm_of(mm), std::move(chains->links)});
    if (mm_id == snapshot.mm.mm_id) std::swap(processes.front(), processes.back());
  }
  if (processes.empty() || processes.front().pid != options.pid)
    throw Error("process {}: it changes faster than its chains can be read; try again",
                options.pid);
  const Family family = build_family(processes);
  if (options.dot)
    fmt::print("{}", family_dot(family));
  else if (json)
    fmt::print("{}\n", json_text(to_json(family)));
  else
    fmt::print("{}{}", headline(snapshot), family_text(family));
  return kExitEqual;
}

int run(const RmapOptions& options, bool json) {
  if (!options.file.empty()) {
    if (options.pid) throw Error("rmap: PID and --file exclude each other");
    return show_file(options, json);
  }
  if (!options.pid)
    throw Error("rmap: PID and ADDR, --tree PID, or --file PATH; see svma rmap --help");
  if (options.tree) return show_family(options, json);
  if (options.address.empty()) throw Error("rmap: an address is missing; see svma rmap --help");
  return show_page(options, json);
}

}  // namespace

void add_rmap(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("rmap", "Tell who maps a page, and verify it page by page");
  auto options = std::make_shared<RmapOptions>();
  auto* pid = command->add_option("PID", options->pid, "Process")->check(kPidRange);
  auto* address =
      command->add_option("ADDR", options->address, "Any address in the page, hexadecimal");
  auto* tree = command->add_flag("--tree", options->tree, "Draw the family tree of its anon_vmas");
  command->add_flag("--dot", options->dot, "With --tree: for Graphviz")->needs(tree);
  auto* file = command->add_option("--file", options->file, "Who maps this file")
                   ->excludes(pid)
                   ->excludes(address)
                   ->excludes(tree);
  command->add_option("--page", options->page, "With --file: this page of it, from 0")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 52))
      ->needs(file);
  tree->excludes(address);
  command->add_flag("--all", options->all,
                    "Track every process for the moment, so that all who share are found");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return run(*options, invocation.json); };
  });
}

}  // namespace svma
