// SPDX-License-Identifier: GPL-2.0-only
// svma walk: the page tables of a process, down to one address or over a range.
#include <fmt/format.h>

#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/names.hpp"
#include "lib/page_table.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

struct WalkOptions {
  pid_t pid = 0;
  std::string address;
  std::string range;
  bool all = false;
  bool summary = false;
};

Json to_json(const svma_walk& walk) {
  Json levels = Json::array();
  for (uint32_t i = 0; i < walk.count; i++) {
    const svma_walk_level& level = walk.level[i];
    levels.push_back({{"level", level_name(level.level, level.level == walk.table_levels)},
                      {"table", hex(level.table)},
                      {"index", level.index},
                      {"entry", hex(level.entry)},
                      {"kind", entry_kind_name(level.kind)},
                      {"target", level.target},
                      {"swap_type", level.swap_type},
                      {"flags", pte_flag_names(level.flags)}});
  }
  Json json{{"mm_id", walk.mm_id},
            {"health", health_name(walk.health)},
            {"seq", walk.seq},
            {"address", hex(walk.addr)},
            {"table_levels", walk.table_levels},
            {"page_size", uint64_t{1} << walk.page_shift},
            {"allowed", pte_flag_names(walk.allowed)},
            {"levels", levels}};
  if (walk.vma_start != SVMA_NONE) {
    json["vma"] = {
        {"start", hex(walk.vma_start)}, {"end", hex(walk.vma_end)}, {"flags", hex(walk.vma_flags)}};
  }
  return json;
}

Json to_json(const svma_page_run& run) {
  return {{"start", hex(run.start)},
          {"count", run.count},
          {"page_size", uint64_t{1} << run.page_shift},
          {"kind", entry_kind_name(run.kind)},
          {"target", run.target},
          {"swap_type", run.swap_type},
          {"flags", pte_flag_names(run.flags)}};
}

Json to_json(const svma_page_sum& sum) {
  return {{"start", hex(sum.start)},
          {"end", hex(sum.end)},
          {"flags", hex(sum.vma_flags)},
          {"present", sum.present},
          {"anon", sum.anon},
          {"file", sum.file},
          {"shmem", sum.shmem},
          {"zero", sum.zero},
          {"special", sum.special},
          {"swap", sum.swap},
          {"migration", sum.migration},
          {"hwpoison", sum.hwpoison},
          {"device", sum.device},
          {"marker", sum.marker},
          {"bad", sum.bad},
          {"protnone", sum.protnone},
          {"writable", sum.writable},
          {"accessed", sum.accessed},
          {"dirty", sum.dirty},
          {"soft_dirty", sum.soft_dirty},
          {"uffd_wp", sum.uffd_wp},
          {"huge_2m", sum.huge_2m},
          {"huge_1g", sum.huge_1g},
          {"tables", sum.tables}};
}

int show_way(Device& device, const WalkOptions& options, bool json) {
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  const auto walk = device.walk(options.pid, parse_address(options.address));
  if (!walk) throw Error("process {} ended while it was looked at", options.pid);
  fmt::print("{}", json ? json_text(to_json(*walk)) + "\n" : headline(snapshot) + walk_text(*walk));
  return kExitEqual;
}

int show_range(Device& device, const WalkOptions& options, bool json) {
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  const auto [start, end] =
      options.all ? std::pair<uint64_t, uint64_t>{0, SVMA_NONE} : parse_range(options.range);
  const uint64_t mm_id = snapshot.mm.mm_id;
  const auto tables =
      options.summary ? device.page_sums(mm_id, start, end) : device.page_runs(mm_id, start, end);
  if (!tables) throw Error("process {}: it ended, or never let go of its mmap_lock", options.pid);
  std::vector<HugePart> huge;
  if (options.summary) {
    const auto runs = device.page_runs(mm_id, start, end);
    if (runs) huge = huge_parts(runs->runs);
  }
  if (json) {
    Json list = Json::array();
    for (const svma_page_run& run : tables->runs) list.push_back(to_json(run));
    for (const svma_page_sum& sum : tables->sums) list.push_back(to_json(sum));
    Json ranges = Json::array();
    for (const HugePart& part : huge)
      ranges.push_back({{"start", hex(part.start)}, {"end", hex(part.end)}});
    Json out{{"mm_id", mm_id},
             {"health", health_name(tables->health)},
             {"seq", tables->seq},
             {"tables", tables->tables},
             {"entries", tables->entries},
             {"parts", tables->parts},
             {"moved", tables->moved},
             {"longest_ns", tables->longest_ns},
             {options.summary ? "vmas" : "runs", list}};
    if (options.summary) out["huge"] = ranges;
    fmt::print("{}\n", json_text(out));
    return kExitEqual;
  }
  fmt::print("{}{}", headline(snapshot),
             options.summary ? sums_text(*tables) : runs_text(tables->runs));
  for (const HugePart& part : huge) fmt::print("huge pages in {:x}-{:x}\n", part.start, part.end);
  return kExitEqual;
}

int show_walk(const WalkOptions& options, bool json) {
  const int questions = !options.address.empty() + !options.range.empty() + options.all;
  if (questions != 1) throw Error("say one of ADDR, --range LO-HI and --all");
  if (options.summary && !options.address.empty())
    throw Error("--summary is for --range and --all");
  Device device;
  return options.address.empty() ? show_range(device, options, json)
                                 : show_way(device, options, json);
}

}  // namespace

void add_walk(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "walk", "Show the page tables of a process: the way down to an address, or a range");
  auto options = std::make_shared<WalkOptions>();
  command->add_option("PID", options->pid, "Process")->required()->check(kPidRange);
  command->add_option("ADDR", options->address, "Address, hexadecimal");
  command->add_option("--range", options->range,
                      "LO-HI, hexadecimal: what is mapped there, entry by entry");
  command->add_flag("--all", options->all, "The same of all of user space");
  command->add_flag("--summary", options->summary, "Count what each VMA has instead");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return show_walk(*options, invocation.json); };
  });
}

}  // namespace svma
