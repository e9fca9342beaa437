// SPDX-License-Identifier: GPL-2.0-only
#include "lib/json.hpp"

#include <fmt/format.h>

#include <cstring>
#include <iterator>

#include "lib/error.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

std::string device_number(uint32_t dev) {
  return fmt::format("{:x}:{:x}", dev >> kDevMinorBits, dev & ((1u << kDevMinorBits) - 1));
}

Json by_operation(const __u64 (&counts)[SVMA_OP_COUNT]) {
  Json json = Json::object();
  for (uint32_t op = 0; op < SVMA_OP_COUNT; ++op)
    if (counts[op]) json[operation_name(op)] = counts[op];
  return json;
}

Json to_json(const svma_counts& counts) {
  return {
      {"operations", counts.operations},
      {"compared", counts.compared},
      {"equal", counts.equal},
      {"divergent", counts.divergent},
      {"unmodelled", counts.unmodelled},
      {"missed", counts.missed},
      {"resyncs", counts.resyncs},
      {"facts", counts.facts},
      {"by_operation", by_operation(counts.by_operation)},
      {"unmodelled_by_operation", by_operation(counts.unmodelled_by_operation)},
  };
}

Json to_json(const Owner& owner) {
  switch (owner.state) {
    case Owner::State::kUnknown:
      return {{"state", "unknown"}};
    case Owner::State::kNone:
      return {{"state", "nothing"}};
    case Owner::State::kMapped:
      break;
  }
  return {{"state", "mapped"}, {"vma", svma::to_json(owner.vma)}};
}

Json map_of(const svma_extent* map, uint32_t count) {
  Json json = Json::array();
  for (uint32_t i = 0; i < count && i < SVMA_REPORT_EXTENTS; ++i)
    json.push_back(svma::to_json(map[i]));
  return json;
}

Json to_json(const svma_report& report) {
  Json stack = Json::array();
  for (uint32_t i = 0; i < report.frames && i < SVMA_REPORT_FRAMES; ++i)
    stack.push_back(
        std::string(report.stack[i], strnlen(report.stack[i], sizeof(report.stack[i]))));
  return {
      {"tid", report.tid},
      {"task", std::string(report.task, strnlen(report.task, sizeof(report.task)))},
      {"predicted", map_of(report.predicted_map, report.predicted)},
      {"observed", map_of(report.observed_map, report.observed)},
      {"stack", stack},
  };
}

Json to_json(const Finding& finding) {
  const Difference& difference = finding.difference;
  Json json = {
      {"found_by", finding.found_by}, {"road", difference.road}, {"mm_id", finding.mm_id},
      {"pid", finding.pid},           {"comm", finding.comm},    {"field", difference.field},
  };
  if (finding.step) {
    json["generator_seed"] = finding.step->seed;
    json["generator_step"] = finding.step->step;
  }
  json["address"] = difference.address ? Json(hex(difference.address)) : Json();
  json["shadow"] = difference.shadow;
  json["live"] = difference.live;
  json["seq"] = finding.seq;
  if (finding.operation.empty()) {
    json["operation"] = nullptr;
    json["last_equal_seq"] = finding.last_equal_seq;
  } else {
    Json args = Json::array();
    for (uint64_t argument : finding.args) args.push_back(hex(argument));
    json["operation"] = finding.operation;
    json["call"] = finding.call;
    json["args"] = args;
    json["result"] = finding.result;
  }
  if (finding.confirmed) json["confirmed"] = *finding.confirmed;
  if (finding.report) json["report"] = to_json(*finding.report);
  json["before"] = Json::array();
  for (const svma_journal_entry& entry : finding.before)
    json["before"].push_back(svma::to_json(entry));
  return json;
}

Json to_json(const std::vector<Finding>& findings) {
  Json json = Json::array();
  for (const Finding& finding : findings) json.push_back(to_json(finding));
  return json;
}

Json to_json(const ProcessSummary& process) {
  const Tally& tally = process.tally;
  return {
      {"mm_id", process.mm_id},       {"pid", process.pid},
      {"comm", process.comm},         {"health", health_name(process.health)},
      {"vmas", process.vmas},         {"operations", process.operations},
      {"samples", tally.samples},     {"moved_samples", tally.moved_samples},
      {"compared", tally.compared},   {"equal", tally.equal},
      {"divergent", tally.divergent}, {"moved", tally.moved},
      {"not_clean", tally.not_clean}, {"vanished", tally.vanished},
  };
}

Json to_json(const svma_tree_shape& shape) {
  Json json = {
      {"tree", tree_kind_name(shape.kind)},
      {"height", shape.height},
      {"vmas", shape.vmas},
      {"visited", shape.visited},
      {"bytes", shape.bytes},
      {"truncated", shape.truncated != 0},
  };
  json["levels"] = Json::array();
  for (uint32_t i = 0; i < shape.levels && i < SVMA_TREE_LEVELS; ++i) {
    const svma_tree_level& level = shape.level[i];
    json["levels"].push_back({{"nodes", level.nodes},
                              {"slots", level.slots},
                              {"used", level.used},
                              {"empty", level.empty}});
  }
  return json;
}

Json to_json(const QuestionCounts& counts) {
  return {{"compared", counts.compared},
          {"equal", counts.equal},
          {"divergent", counts.divergent},
          {"moved", counts.moved}};
}

Json oracles_of(const CheckReport& report) {
  Json query = {{"state", report.query}};
  query.update(to_json(report.queries));
  return {{"procmap_query", query}};
}

Json to_json(const PageCounts& counts) {
  return {{"compared", counts.compared},
          {"equal", counts.equal},
          {"divergent", counts.divergent},
          {"moved", counts.moved}};
}

// pages_compared and so on are of single pages; pages_divergent is of all that --pages looks at.
void add_pages(const PageTally& tally, Json& json) {
  json["pages_compared"] = tally.pages.compared;
  json["pages_equal"] = tally.pages.equal;
  json["pages_moved"] = tally.pages.moved;
  json["pages_divergent"] = tally.divergent();
  Json walks = {{"state", tally.walks_state}}, scan = {{"state", tally.scan_state}};
  walks.update(to_json(tally.walks));
  scan.update(to_json(tally.scan));
  json["page_tables"] = {{"pages", to_json(tally.pages)},
                         {"vmas", to_json(tally.vmas)},
                         {"entries", to_json(tally.entries)},
                         {"tables", to_json(tally.tables)},
                         {"counters", to_json(tally.counters)},
                         {"bpf", walks},
                         {"pagemap_scan", scan},
                         {"looks", tally.looks},
                         {"moved_looks", tally.moved_looks}};
}

Json rmap_of(const CheckReport& report) {
  const RmapTally& oracle = report.rmap_oracle;
  const RmapTally& events = report.rmap_events;
  Json json = {{"module", nullptr},
               {"oracle",
                {{"road", report.rmap_road},
                 {"compared", oracle.compared},
                 {"equal", oracle.equal},
                 {"divergent", oracle.divergent},
                 {"moved", oracle.moved},
                 {"unsure", oracle.unsure},
                 {"cut", oracle.cut}}},
               {"events",
                {{"state", report.rmap_events_state},
                 {"compared", events.compared},
                 {"equal", events.equal},
                 {"divergent", events.divergent},
                 {"moved", events.moved},
                 {"lost", report.rmap_events_lost}}}};
  if (report.rmap)
    json["module"] = {{"compared", report.rmap->compared},
                      {"equal", report.rmap->equal},
                      {"unsure", report.rmap->unsure},
                      {"cut", report.rmap->cut}};
  return json;
}

Json questions_of(const CheckReport& report) {
  Json json = {{"stream", report.stream}};
  for (unsigned kind = 0; kind < SVMA_ANSWER_KINDS; ++kind) {
    json[question_name(kind)] = to_json(report.questions[kind]);
  }
  json["dropped"] = report.dropped_answers;
  json["missed_sections"] = report.missed_sections;
  return json;
}

Json command_of(const CheckReport& report) {
  if (report.command.empty()) return nullptr;
  return report.command;
}

template <typename Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

const char* word_for(int exit_code) {
  return exit_code == kExitEqual       ? "equal"
         : exit_code == kExitDivergent ? "divergent"
                                       : "not checked";
}

void add_verdict(Json& json, const Verdict& verdict) {
  json["compared"] = verdict.compared;
  json["equal"] = verdict.equal;
  json["divergent"] = verdict.divergent;
  json["moved"] = verdict.moved;
  json["unmodelled"] = verdict.unmodelled;
  json["missed"] = verdict.missed;
  json["resyncs"] = verdict.resyncs;
  json["operations"] = verdict.operations;
}

}  // namespace

std::string hex(uint64_t value) { return fmt::format("{:#x}", value); }

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Json to_json(const CheckReport& report, int exit_code, const std::string& why) {
  const Tally& harness = report.harness;
  Json json;
  add_verdict(json, verdict_of(harness, report.module.counts));
  json["structure_compared"] = report.structure ? report.structure->compared : 0;
  json["structure_equal"] = report.structure ? report.structure->equal : 0;
  json["rmap_compared"] = rmap_verdict_of(report).compared;
  json["rmap_equal"] = rmap_verdict_of(report).equal;
  json["rmap_cut"] = report.rmap ? report.rmap->cut : 0;
  json["rmap_unsure"] = report.rmap ? report.rmap->unsure : 0;
  json["rmap"] = rmap_of(report);
  if (report.pages) add_pages(*report.pages, json);
  json["verdict"] = word_for(exit_code);
  json["exit_code"] = exit_code;
  json["why"] = why.empty() ? Json() : Json(why);
  json["command"] = command_of(report);
  json["pid"] = report.pid;
  json["exit_status"] = or_null(report.exit_status);
  json["exit_signal"] = or_null(report.exit_signal);
  json["timed_out"] = report.timed_out;
  json["kernel"] = report.kernel;
  json["module_version"] = report.module_version;
  json["duration_ms"] = report.duration_ms;
  json["oracle"] = {report.road, kRoadStatus, kRoadSmaps, kRoadAnswers};
  if (report.query == "on") json["oracle"].push_back(kRoadQuery);
  json["oracles"] = oracles_of(report);
  json["harness"] = {
      {"compared", harness.compared},   {"equal", harness.equal},
      {"divergent", harness.divergent}, {"moved", harness.moved},
      {"samples", harness.samples},     {"moved_samples", harness.moved_samples},
      {"not_clean", harness.not_clean}, {"vanished", harness.vanished},
      {"mutation", report.mutation},    {"freezer", report.freezer},
      {"freezes", report.freezes},
  };
  json["questions"] = questions_of(report);
  json["module"] = to_json(report.module);
  json["by_operation"] = by_operation(report.module.counts.by_operation);
  json["unmodelled_by_operation"] = by_operation(report.module.counts.unmodelled_by_operation);
  json["divergences"] = to_json(report.divergences);
  json["unmodelled_reports"] = to_json(report.unmodelled);
  json["processes_checked"] = report.processes_checked;
  json["processes"] = Json::array();
  for (const ProcessSummary& process : report.processes)
    json["processes"].push_back(to_json(process));
  return json;
}

Json to_json(const Vma& vma) {
  return {
      {"start", hex(vma.start)}, {"end", hex(vma.end)}, {"permissions", permissions(vma.flags)},
      {"flags", hex(vma.flags)}, {"pgoff", vma.pgoff},  {"dev", device_number(vma.dev)},
      {"ino", vma.ino},
  };
}

Json to_json(const Totals& totals) {
  return {
      {"map_count", totals.map_count}, {"total_vm", totals.total_vm},
      {"data_vm", totals.data_vm},     {"exec_vm", totals.exec_vm},
      {"stack_vm", totals.stack_vm},   {"locked_vm", totals.locked_vm},
  };
}

Json to_json(const Tree& tree) {
  auto start_of = [&tree](size_t index) {
    return index == kNoNode ? Json() : Json(hex(tree.nodes[index].vma.start));
  };
  Json nodes = Json::array();
  for (const TreeNode& node : tree.nodes) {
    const svma_vma& vma = node.vma;
    nodes.push_back({
        {"start", hex(vma.start)},
        {"end", hex(vma.end)},
        {"colour", vma.bits & SVMA_VMA_RED ? "red" : "black"},
        {"depth", vma.depth},
        {"gap", hex(vma.gap)},
        {"parent", vma.parent == SVMA_NONE ? Json() : Json(hex(vma.parent))},
        {"left", start_of(node.left)},
        {"right", start_of(node.right)},
    });
  }
  return {
      {"root", start_of(tree.root)},  {"height", tree.height}, {"black_height", tree.black_height},
      {"valid", tree.faults.empty()}, {"faults", tree.faults}, {"nodes", nodes},
  };
}

Json to_json(const std::vector<FreeRange>& gaps) {
  Json json = Json::array();
  for (const FreeRange& gap : gaps)
    json.push_back({{"start", hex(gap.start)}, {"end", hex(gap.end)}, {"size", gap.size()}});
  return json;
}

Json to_json(const svma_stats& stats) {
  Json json = to_json(stats.counts);
  json["tracked"] = stats.tracked;
  json["tracked_ever"] = stats.tracked_ever;
  json["vmas"] = stats.vmas;
  json["memory"] = stats.memory;
  json["memory_cap"] = stats.memory_cap;
  json["pool_free"] = stats.pool_free;
  json["pool_empty"] = stats.pool_empty;
  json["canary_failures"] = stats.canary_failures;
  return json;
}

Json to_json(const svma_facts& facts) {
  Json json = Json::object();
  for (uint32_t kind = 0; kind < SVMA_FACT_COUNT; ++kind)
    if (facts.count[kind]) json[fact_name(kind)] = facts.count[kind];
  return json;
}

Json to_json(const svma_rmap_stats& rmap) {
  return {{"compared", rmap.compared},
          {"equal", rmap.equal},
          {"cut", rmap.cut},
          {"unsure", rmap.unsure},
          {"anon_vmas", rmap.anon_vmas},
          {"anon_vma_bytes", rmap.anon_vma_bytes},
          {"chain_links", rmap.chain_links},
          {"chain_link_bytes", rmap.chain_link_bytes},
          {"files", rmap.files},
          {"file_bytes", rmap.file_bytes}};
}

Json to_json(const svma_shape& shape) {
  Json json = {
      {"mm_id", shape.mm_id},
      {"seq", shape.seq},
      {"health", health_name(shape.health)},
      {"map_count", shape.map_count},
      {"shadow", to_json(shape.shadow)},
      {"kernel", to_json(shape.live)},
  };
  if (shape.length)
    json["search"] = {{"length", shape.length},
                      {"visited", shape.search_visited},
                      {"found", shape.found ? Json(hex(shape.found)) : Json()}};
  return json;
}

Json to_json(std::span<const svma_semantic> choices) {
  auto text = [](const auto& field) { return std::string(field, strnlen(field, sizeof(field))); };
  Json json{{"profile", choices.empty() ? "" : text(choices[0].profile)}};
  for (const svma_semantic& choice : choices)
    json["choices"].push_back({{"name", text(choice.name)},
                               {"value", text(choice.value)},
                               {"source", text(choice.source)}});
  return json;
}

Json to_json(std::span<const svma_probe> probes) {
  Json json = Json::array();
  for (const svma_probe& probe : probes)
    json.push_back({
        {"symbol", std::string(probe.symbol, strnlen(probe.symbol, sizeof(probe.symbol)))},
        {"role", std::string(probe.role, strnlen(probe.role, sizeof(probe.role)))},
        {"return", (probe.state & SVMA_PROBE_RETURN) != 0},
        {"found", (probe.state & SVMA_PROBE_FOUND) != 0},
        {"armed", (probe.state & SVMA_PROBE_ARMED) != 0},
        {"required", (probe.state & SVMA_PROBE_REQUIRED) != 0},
        {"hits", probe.hits},
        {"missed", probe.missed},
    });
  return json;
}

Json to_json(const svma_extent& vma) {
  return {
      {"start", hex(vma.start)}, {"end", hex(vma.end)}, {"permissions", permissions(vma.flags)},
      {"flags", hex(vma.flags)}, {"pgoff", vma.pgoff},  {"dev", device_number(vma.dev)},
      {"ino", vma.ino},
  };
}

Json to_json(const svma_journal_entry& entry) {
  Json args = Json::array();
  for (uint64_t argument : entry.args) args.push_back(hex(argument));
  Json after = Json::array();
  for (const svma_extent& vma : extents(entry)) after.push_back(to_json(vma));
  Json json = {
      {"id", entry.id},
      {"seq", entry.seq},
      {"begin_ns", entry.begin_ns},
      {"end_ns", entry.end_ns},
      {"tid", entry.tid},
      {"comm", std::string(entry.comm, strnlen(entry.comm, sizeof(entry.comm)))},
      {"operation", operation_name(entry.operation)},
      {"call", call_of(entry)},
      {"args", args},
      {"result", entry.result},
      {"start", hex(entry.start)},
      {"end", hex(entry.end)},
      {"after", after},
      {"cut", (entry.bits & SVMA_JOURNAL_CUT) != 0},
      {"diverged", (entry.bits & SVMA_JOURNAL_DIVERGED) != 0},
      {"unmodelled", (entry.bits & SVMA_JOURNAL_UNMODELLED) != 0},
  };
  if (entry.operation == SVMA_OP_SEARCH) json["predicted"] = hex(entry.predicted);
  return json;
}

Json to_json(const Journal& journal) {
  Json entries = Json::array();
  for (const svma_journal_entry& entry : journal.entries) entries.push_back(to_json(entry));
  return {
      {"pid", journal.pid}, {"mm_id", journal.mm_id}, {"lost", journal.lost}, {"entries", entries}};
}

Json owners_json(const Journal& journal, uint64_t address) {
  Json changes = Json::array();
  for (const OwnerChange& change : owners_at(journal.entries, address))
    changes.push_back({{"entry", to_json(journal.entries[change.index])},
                       {"before", to_json(change.before)},
                       {"after", to_json(change.after)}});
  return {{"pid", journal.pid},
          {"mm_id", journal.mm_id},
          {"lost", journal.lost},
          {"address", hex(address)},
          {"changes", changes}};
}

}  // namespace svma
