// SPDX-License-Identifier: GPL-2.0-only
#include "lib/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "lib/journal.hpp"
#include "lib/names.hpp"
#include "lib/sketch.hpp"

namespace svma {
namespace {

constexpr size_t kMaxProcessLines = 10;

std::string device_text(uint32_t dev) {
  return fmt::format("{:02x}:{:02x}", dev >> kDevMinorBits, dev & ((1u << kDevMinorBits) - 1));
}

std::string bounded(const char* text, size_t size) { return {text, strnlen(text, size)}; }

// Neighbourhoods and stack of a module's report.
std::string details_text(const svma_report& report) {
  const auto side = [](const svma_extent* map, uint32_t count) {
    return std::span(map, std::min<size_t>(count, SVMA_REPORT_EXTENTS));
  };
  std::string text = sketch(side(report.predicted_map, report.predicted),
                            side(report.observed_map, report.observed), "  ");
  for (uint32_t i = 0; i < std::min<uint32_t>(report.frames, SVMA_REPORT_FRAMES); ++i)
    text += fmt::format("  {:<10}{}\n", i == 0 ? "stack" : "",
                        bounded(report.stack[i], sizeof(report.stack[i])));
  return text;
}

bool same_history(const Finding& a, const Finding& b) {
  return a.mm_id == b.mm_id && !a.before.empty() && !b.before.empty() &&
         a.before.back().id == b.before.back().id;
}

std::string before_text(const Finding& finding) {
  if (finding.before.empty()) return "";
  std::string text = "  the last operations, times relative to the last one\n";
  for (const svma_journal_entry& entry : finding.before)
    text += "   " + entry_text(entry, finding.before.back().begin_ns);
  return text;
}

std::string operation_text(const Finding& finding) {
  if (finding.operation.empty())
    return fmt::format("  between   moment {} and moment {}\n", finding.last_equal_seq,
                       finding.seq);
  std::string text = fmt::format("  after     {} = {}", finding.call, finding.result_text);
  if (finding.report)
    text += fmt::format(", by task {} ({})", finding.report->tid,
                        bounded(finding.report->task, sizeof(finding.report->task)));
  return text + '\n';
}

std::string operations_table(const svma_counts& counts) {
  std::string text;
  for (uint32_t op = 0; op < SVMA_OP_COUNT; ++op) {
    if (!counts.by_operation[op] && !counts.unmodelled_by_operation[op]) continue;
    text += fmt::format("  {:<16}{:>12}{:>12}\n", operation_name(op), counts.by_operation[op],
                        counts.unmodelled_by_operation[op]);
  }
  if (text.empty()) return text;
  return fmt::format("  {:<16}{:>12}{:>12}\n", "operation", "applied", "unmodelled") + text;
}

std::string question_line(std::string_view name, const QuestionCounts& counts) {
  if (!counts.compared) return "";
  return fmt::format("  {:<16}{:>12}{:>12}{:>12}{:>12}\n", name, counts.compared, counts.equal,
                     counts.divergent, counts.moved);
}

std::string questions_table(const CheckReport& report) {
  std::string text;
  for (unsigned kind = 0; kind < SVMA_ANSWER_KINDS; ++kind)
    text += question_line(question_name(kind), report.questions[kind]);
  text += question_line(kRoadQuery, report.queries);
  if (!text.empty())
    text = fmt::format("  {:<16}{:>12}{:>12}{:>12}{:>12}\n", "question", "compared", "equal",
                       "divergent", "moved") +
           text;
  if (report.dropped_answers)
    text += fmt::format("  {} answers of the live kernel were lost, the ring was full\n",
                        report.dropped_answers);
  if (report.missed_sections)
    text +=
        fmt::format("  {} ends of write sections were not counted; answers about them have moved\n",
                    report.missed_sections);
  if (report.stream != "on" && report.stream != "off")
    text += fmt::format("  no single answers: {}\n", report.stream);
  return text;
}

// "R 7f00-7f08 gap=0x1000", as the nodes of svma tree.
std::string tree_node_text(const svma_tree_node& node) {
  if (node.start == SVMA_NONE) return "-";
  return fmt::format("{} {:x}-{:x} gap={:#x}", node.red ? 'R' : 'B', node.start, node.end,
                     node.gap);
}

std::string structure_text(const CheckReport& report) {
  if (!report.structure || !report.structure->has_tree) return "";
  const svma_structure& structure = *report.structure;
  std::string text = fmt::format("  the kernel's own tree: {} nodes compared, {} equal\n",
                                 structure.compared, structure.equal);
  if (!structure.differs) return text;
  static constexpr const char* kPlaces[SVMA_CORNER_NODES] = {"node", "parent", "left", "right"};
  text += fmt::format("  {:<8}{:<56}{}\n", "", "shadow", "kernel");
  for (unsigned i = 0; i < SVMA_CORNER_NODES; ++i)
    text += fmt::format("  {:<8}{:<56}{}\n", kPlaces[i], tree_node_text(structure.predicted[i]),
                        tree_node_text(structure.observed[i]));
  return text;
}

std::string rmap_text(const CheckReport& report) {
  std::string text;
  if (report.rmap)
    text = fmt::format(
        "  reverse mapping: rmap_compared={} rmap_equal={} rmap_cut={} rmap_unsure={}\n",
        report.rmap->compared, report.rmap->equal, report.rmap->cut, report.rmap->unsure);
  const RmapTally& oracle = report.rmap_oracle;
  const RmapTally& events = report.rmap_events;
  text += fmt::format("  rmap oracle: {}; compared={} equal={} divergent={} moved={} unsure={}\n",
                      report.rmap_road, oracle.compared, oracle.equal, oracle.divergent,
                      oracle.moved, oracle.unsure);
  return text +
         fmt::format("  rmap events: {}; compared={} equal={} divergent={} moved={} lost={}\n",
                     report.rmap_events_state, events.compared, events.equal, events.divergent,
                     events.moved, report.rmap_events_lost);
}

std::string page_counts_text(std::string_view name, const PageCounts& counts) {
  return fmt::format("  {:<16}{:>12}{:>12}{:>12}{:>12}\n", name, counts.compared, counts.equal,
                     counts.divergent, counts.moved);
}

// Of what may not be there.
std::string oracle_counts_text(std::string_view name, std::string_view state,
                               const PageCounts& counts) {
  if (state == "on") return page_counts_text(name, counts);
  return fmt::format("  {:<20}{}\n", name, state);
}

std::string pages_text(const CheckReport& report) {
  if (!report.pages) return "";
  const PageTally& tally = *report.pages;
  return fmt::format("  {:<16}{:>12}{:>12}{:>12}{:>12}\n", "page tables", "compared", "equal",
                     "divergent", "moved") +
         page_counts_text("pages", tally.pages) + page_counts_text("VMAs", tally.vmas) +
         page_counts_text("entries", tally.entries) + page_counts_text("holes", tally.tables) +
         page_counts_text("counters", tally.counters) +
         oracle_counts_text("BPF walks", tally.walks_state, tally.walks) +
         oracle_counts_text("PAGEMAP_SCAN", tally.scan_state, tally.scan) +
         fmt::format(
             "  page tables: pages_compared={} pages_equal={} pages_moved={} pages_divergent={} "
             "looks={} moved_looks={}\n",
             tally.pages.compared, tally.pages.equal, tally.pages.moved, tally.divergent(),
             tally.looks, tally.moved_looks);
}

std::string processes_table(const CheckReport& report) {
  if (report.processes.empty()) return "";
  std::string text = fmt::format("  {:>7} {:<16}{:>7}{:>12}{:>12}{:>10}{:>10}\n", "pid", "program",
                                 "VMAs", "operations", "compared", "divergent", "moved");
  size_t lines = std::min(report.processes.size(), kMaxProcessLines);
  for (const ProcessSummary& process : std::span(report.processes).first(lines))
    text += fmt::format("  {:>7} {:<16}{:>7}{:>12}{:>12}{:>10}{:>10}\n", process.pid, process.comm,
                        process.vmas, process.operations, process.tally.compared,
                        process.tally.divergent, process.tally.moved);
  if (report.processes_checked > lines)
    text += fmt::format("  and {} more address spaces\n", report.processes_checked - lines);
  return text;
}

// Draws what hangs below a node; `indent` is what stands left of it. As deep as the tree is high.
void draw_children(const Tree& tree, size_t index, const std::string& indent, std::string& text);

void draw_node(const Tree& tree, size_t index, const std::string& lead, std::string& text) {
  const svma_vma& vma = tree.nodes[index].vma;
  text += fmt::format("{}{} {:x}-{:x} {} gap={:#x}\n", lead, vma.bits & SVMA_VMA_RED ? 'R' : 'B',
                      vma.start, vma.end, permissions(vma.flags), vma.gap);
}

void draw_children(const Tree& tree, size_t index, const std::string& indent, std::string& text) {
  const TreeNode& node = tree.nodes[index];
  if (node.left != kNoNode) {
    const bool last = node.right == kNoNode;
    draw_node(tree, node.left, indent + (last ? "└─l " : "├─l "), text);
    draw_children(tree, node.left, indent + (last ? "    " : "│   "), text);
  }
  if (node.right != kNoNode) {
    draw_node(tree, node.right, indent + "└─r ", text);
    draw_children(tree, node.right, indent + "    ", text);
  }
}

}  // namespace

std::string permissions(uint64_t flags) {
  return {flags & kVmRead ? 'r' : '-', flags & kVmWrite ? 'w' : '-', flags & kVmExec ? 'x' : '-',
          flags & kVmMayShare ? 's' : 'p'};
}

std::string vma_text(const Vma& vma) {
  return fmt::format("{:x}-{:x} {} flags={:#x} pgoff={:#x} dev={} ino={}", vma.start, vma.end,
                     permissions(vma.flags), vma.flags, vma.pgoff, device_text(vma.dev), vma.ino);
}

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  return unit ? fmt::format("{:.1f} {}", size, kUnits[unit]) : fmt::format("{} B", bytes);
}

std::string verdict_line(const Verdict& verdict) {
  return fmt::format(
      "svma: compared={} equal={} divergent={} moved={} unmodelled={} missed={} resyncs={} "
      "operations={}",
      verdict.compared, verdict.equal, verdict.divergent, verdict.moved, verdict.unmodelled,
      verdict.missed, verdict.resyncs, verdict.operations);
}

std::string finding_text(const Finding& finding) {
  const Difference& difference = finding.difference;
  std::string text =
      fmt::format("divergence: {} of process {} ({})", difference.field, finding.pid, finding.comm);
  if (finding.step)
    text += fmt::format(", seed {} step {},", finding.step->seed, finding.step->step);
  if (difference.address) text += fmt::format(" at {:x}", difference.address);
  text += fmt::format(", found by the {} ({})", finding.found_by, difference.road);
  if (finding.confirmed) text += *finding.confirmed ? ", confirmed" : ", gone when read again";
  text += '\n' + operation_text(finding);
  text += fmt::format("  shadow    {}\n  live      {}\n", difference.shadow, difference.live);
  if (finding.report) text += details_text(*finding.report);
  return text;
}

std::string findings_text(std::span<const Finding> findings) {
  std::string text;
  for (size_t i = 0; i < findings.size(); ++i) {
    text += finding_text(findings[i]);
    // Several differences after one operation have one history.
    if (i + 1 == findings.size() || !same_history(findings[i], findings[i + 1]))
      text += before_text(findings[i]);
  }
  return text;
}

std::string report_text(const CheckReport& report) {
  std::string text = findings_text(report.divergences);
  const Verdict verdict = verdict_of(report.harness, report.module.counts);
  if (verdict.divergent > report.divergences.size())
    text += fmt::format("and {} more divergences\n", verdict.divergent - report.divergences.size());
  text += processes_table(report) + operations_table(report.module.counts) +
          questions_table(report) + structure_text(report) + rmap_text(report) + pages_text(report);
  text += fmt::format(
      "  {} samples against {}{}, {} moved, {} freezes, {:.1f} s; inside the module {} compared\n",
      report.harness.samples, report.road,
      report.query == "on" ? fmt::format(" and {}", kRoadQuery) : "", report.harness.moved_samples,
      report.freezes, static_cast<double>(report.duration_ms) / 1000,
      report.module.counts.compared);
  if (report.mutation != "none")
    text += fmt::format("  mutation {}: the module predicts wrongly on purpose\n", report.mutation);
  return text;
}

std::string maps_text(const Layout& layout) {
  std::string text;
  for (const Vma& vma : layout)
    text +=
        fmt::format("{:08x}-{:08x} {} {:08x} {} {}\n", vma.start, vma.end, permissions(vma.flags),
                    vma.has_file() ? vma.pgoff * kPageSize : 0, device_text(vma.dev), vma.ino);
  return text;
}

std::string tree_text(const Tree& tree) {
  std::string text;
  if (tree.root != kNoNode) {
    draw_node(tree, tree.root, "", text);
    draw_children(tree, tree.root, "", text);
  }
  for (const std::string& fault : tree.faults) text += "fault: " + fault + '\n';
  return text + fmt::format("{} nodes, height {}, black height {}, {}\n", tree.nodes.size(),
                            tree.height, tree.black_height,
                            tree.faults.empty() ? "valid" : "NOT valid");
}

std::string gaps_text(const std::vector<FreeRange>& gaps) {
  std::string text;
  FreeRange largest;
  for (const FreeRange& gap : gaps) {
    text += fmt::format("{:08x}-{:08x} {}\n", gap.start, gap.end, size_text(gap.size()));
    if (gap.size() > largest.size()) largest = gap;
  }
  return text + fmt::format("{} gaps, largest {:x}-{:x} {}\n", gaps.size(), largest.start,
                            largest.end, size_text(largest.size()));
}

std::string stats_text(const svma_stats& stats) {
  const svma_counts& counts = stats.counts;
  return fmt::format(
             "tracked now      {}\ntracked ever     {}\noperations       {}\ncompared         {}\n"
             "equal            {}\ndivergent        {}\nunmodelled       {}\nmissed           {}\n"
             "resyncs          {}\nfacts            {}\nVMAs             {}\nmemory           {} "
             "of {}\n"
             "pool free        {}\npool empty       {}\ncanary failures  {}\n",
             stats.tracked, stats.tracked_ever, counts.operations, counts.compared, counts.equal,
             counts.divergent, counts.unmodelled, counts.missed, counts.resyncs, counts.facts,
             stats.vmas, size_text(stats.memory), size_text(stats.memory_cap), stats.pool_free,
             stats.pool_empty, stats.canary_failures) +
         operations_table(counts);
}

std::string rmap_stats_text(const svma_rmap_stats& rmap) {
  std::string text =
      fmt::format("rmap compared    {}\nrmap equal       {}\n", rmap.compared, rmap.equal);
  const auto row = [&](const char* name, uint64_t count, uint32_t bytes) {
    text +=
        fmt::format("{:<17}{}, {} bytes each, {}\n", name, count, bytes, size_text(count * bytes));
  };
  row("anon_vmas", rmap.anon_vmas, rmap.anon_vma_bytes);
  row("chain entries", rmap.chain_links, rmap.chain_link_bytes);
  row("mapped files", rmap.files, rmap.file_bytes);
  return text;
}

std::string shape_text(const svma_shape& shape) {
  const svma_tree_shape sides[] = {shape.shadow, shape.live};
  std::string text = fmt::format("  {:<28}{:>16}{:>16}\n", "", "shadow", "kernel");
  const auto row = [&](const char* name, auto value_of) {
    text += fmt::format("  {:<28}{:>16}{:>16}\n", name, value_of(sides[0]), value_of(sides[1]));
  };
  const auto per_vma = [](const svma_tree_shape& side, uint64_t sum) {
    return side.vmas ? fmt::format("{:.2f}", static_cast<double>(sum) / side.vmas) : "-";
  };
  row("tree", [](const auto& side) { return tree_kind_name(side.kind); });
  row("VMAs", [](const auto& side) { return std::to_string(side.vmas); });
  row("height", [](const auto& side) { return std::to_string(side.height); });
  row("nodes per lookup, average", [&](const auto& side) { return per_vma(side, side.visited); });
  row("nodes per lookup, most", [](const auto& side) { return std::to_string(side.height); });
  row("bytes", [](const auto& side) { return std::to_string(side.bytes); });
  row("bytes per VMA", [&](const auto& side) { return per_vma(side, side.bytes); });
  if (shape.length)
    text += fmt::format("  search of {}: {} nodes of the shadow, found {}\n",
                        size_text(shape.length), shape.search_visited,
                        shape.found ? fmt::format("{:x}", shape.found) : "nothing");
  if (shape.live.levels)
    text += fmt::format("  {:<8}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "level", "nodes", "slots",
                        "used", "free", "empty");
  for (uint32_t i = 0; i < std::min<uint32_t>(shape.live.levels, SVMA_TREE_LEVELS); ++i) {
    const svma_tree_level& level = shape.live.level[i];
    text += fmt::format("  {:<8}{:>10}{:>10}{:>10}{:>10}{:>10}\n", i + 1, level.nodes, level.slots,
                        level.used, level.slots - level.used, level.empty);
  }
  if (shape.live.truncated) text += "  truncated: not all of the kernel's tree was counted\n";
  return text;
}

std::string facts_text(const svma_facts& facts) {
  std::string text;
  for (uint32_t kind = 0; kind < SVMA_FACT_COUNT; ++kind)
    if (facts.count[kind])
      text += fmt::format("  {:<16}{:>12}\n", fact_name(kind), facts.count[kind]);
  return text.empty() ? text : fmt::format("  {:<16}{:>12}\n", "fact", "taken") + text;
}

std::string probes_text(std::span<const svma_probe> probes) {
  std::string text = fmt::format("{:<32}{:<26}{:<8}{:<7}{:<7}{:<9}{:>12}{:>10}\n", "symbol", "role",
                                 "kind", "found", "armed", "required", "hits", "missed");
  auto yes = [](const svma_probe& probe, uint32_t bit) { return probe.state & bit ? "yes" : "no"; };
  for (const svma_probe& probe : probes)
    text += fmt::format(
        "{:<32}{:<26}{:<8}{:<7}{:<7}{:<9}{:>12}{:>10}\n",
        bounded(probe.symbol, sizeof(probe.symbol)), bounded(probe.role, sizeof(probe.role)),
        probe.state & SVMA_PROBE_RETURN ? "return" : "entry", yes(probe, SVMA_PROBE_FOUND),
        yes(probe, SVMA_PROBE_ARMED), yes(probe, SVMA_PROBE_REQUIRED), probe.hits, probe.missed);
  return text;
}

std::string semantics_text(std::span<const svma_semantic> choices) {
  std::string text;
  for (const svma_semantic& choice : choices) {
    if (text.empty())
      text = fmt::format("profile {}\n", bounded(choice.profile, sizeof(choice.profile)));
    text += fmt::format("  {:<28}{:<16}{}\n", bounded(choice.name, sizeof(choice.name)),
                        bounded(choice.value, sizeof(choice.value)),
                        bounded(choice.source, sizeof(choice.source)));
  }
  return text;
}

}  // namespace svma
