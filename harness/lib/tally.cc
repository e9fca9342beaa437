// SPDX-License-Identifier: GPL-2.0-only
#include "lib/tally.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "lib/calls.hpp"
#include "lib/error.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

// Whether a report of this field is about two numbers instead of two VMAs.
bool is_number(uint32_t field) {
  switch (field) {
    case SVMA_FIELD_ADDRESS:
    case SVMA_FIELD_LOOKUP:
    case SVMA_FIELD_HIWATER_VM:
    case SVMA_FIELD_ARGUMENT:
    case SVMA_FIELD_RESULT:
      return true;
    default:
      return field >= SVMA_FIELD_MAP_COUNT && field <= SVMA_FIELD_LOCKED_VM;
  }
}

std::string number_text(uint32_t field, uint64_t value) {
  switch (field) {
    case SVMA_FIELD_ADDRESS:
    case SVMA_FIELD_ARGUMENT:
      return fmt::format("{:#x}", value);
    case SVMA_FIELD_RESULT:
      return std::to_string(static_cast<int64_t>(value));
    case SVMA_FIELD_LOOKUP:
      return value != 0 ? "the VMA that the tree finds" : "another VMA";
    default:
      return std::to_string(value);
  }
}

std::string reported_vma(const svma_vma& vma) {
  if (vma.start == SVMA_NONE) return "no VMA";
  return vma_text({vma.start, vma.end, vma.flags, vma.pgoff, vma.ino, vma.dev});
}

// Fields that a VMA's usual text does not show.
std::string reported_value(const svma_vma& vma, uint32_t field) {
  if (vma.start == SVMA_NONE) return "no VMA";
  switch (field) {
    case SVMA_FIELD_POLICY:
      return fmt::format("{} policy {:x}", reported_vma(vma), vma.policy);
    case SVMA_FIELD_UFFD:
      return fmt::format("{} userfaultfd {:x}", reported_vma(vma), vma.uffd_ctx);
    case SVMA_FIELD_NAME:
      return fmt::format("{} name {:x}", reported_vma(vma), vma.anon_name);
    case SVMA_FIELD_ANON_VMA:
      return fmt::format("{} anon_vma {:x}", reported_vma(vma), vma.anon_vma);
    case SVMA_FIELD_FILE:
      return fmt::format("{} file {:x}", reported_vma(vma), vma.file);
    default:
      return reported_vma(vma);
  }
}

// Flags that only one side has, by name.
std::string flags_of_one_side(const svma_vma& side, const svma_vma& other) {
  const std::string names = side.start == SVMA_NONE || other.start == SVMA_NONE
                                ? ""
                                : flag_names(side.flags & ~other.flags);
  return names.empty() ? "" : fmt::format("  ({} only here)", names);
}

}  // namespace

void Tally::add(const Comparison& comparison) {
  compared += comparison.compared;
  equal += comparison.equal;
  divergent += comparison.divergent;
}

void Tally::add_moved(uint64_t answers) {
  compared += answers;
  moved += answers;
}

void Tally::add(const QuestionTally& questions) {
  for (const QuestionCounts& counts : questions) {
    compared += counts.compared;
    equal += counts.equal;
    divergent += counts.divergent;
    moved += counts.moved;
  }
}

void RmapTally::add(const Comparison& comparison) {
  compared += comparison.compared;
  equal += comparison.equal;
  divergent += comparison.divergent;
}

void PageCounts::add(const Comparison& comparison) {
  compared += comparison.compared;
  equal += comparison.equal;
  divergent += comparison.divergent;
}

uint64_t PageTally::divergent() const {
  return pages.divergent + vmas.divergent + entries.divergent + tables.divergent +
         counters.divergent + walks.divergent + scan.divergent;
}

uint64_t PageTally::moved() const {
  return pages.moved + vmas.moved + entries.moved + tables.moved + counters.moved + walks.moved +
         scan.moved;
}

RmapVerdict rmap_verdict_of(const CheckReport& report) {
  RmapVerdict verdict{report.rmap_oracle.compared + report.rmap_events.compared,
                      report.rmap_oracle.equal + report.rmap_events.equal};
  if (report.rmap) {
    verdict.compared += report.rmap->compared;
    verdict.equal += report.rmap->equal;
  }
  return verdict;
}

Verdict verdict_of(const Tally& harness, const svma_counts& module) {
  return {
      .compared = harness.compared + module.divergent,
      .equal = harness.equal,
      .divergent = harness.divergent + module.divergent,
      .moved = harness.moved,
      .unmodelled = module.unmodelled,
      .missed = module.missed,
      .resyncs = module.resyncs,
      .operations = module.operations,
  };
}

int exit_code_of(const CheckReport& report, std::string& why) {
  const Tally& harness = report.harness;
  const Verdict verdict = verdict_of(harness, report.module.counts);
  if (verdict.divergent) {
    why = fmt::format("{} divergent answers, {} found by the harness, {} by the module",
                      verdict.divergent, harness.divergent, report.module.counts.divergent);
    return kExitDivergent;
  }
  if (harness.compared == harness.moved) {
    why = harness.moved
              ? "nothing was compared: the layout moved in every sample; check a longer run"
          : harness.not_clean
              ? "nothing was compared: the shadow was never clean; see svma probes and dmesg"
              : "nothing was compared: the process ended too early; check a longer run";
    return kExitCouldNotCheck;
  }
  if (report.structure_wanted && (!report.structure || report.structure->compared == 0)) {
    why = report.structure && report.structure->has_tree
              ? "--structure: no tree was compared; check a longer run"
              : "--structure: this kernel keeps its VMAs in no red-black tree; v6.0 was the last";
    return kExitCouldNotCheck;
  }
  if (report.pages && report.pages->pages.compared == 0) {
    why = report.pages->looks == 0
              ? "--pages: no page was compared: the process ended too early; check a longer run"
              : "--pages: no page was compared: all moved while they were read; check a longer run";
    return kExitCouldNotCheck;
  }
  if (report.pages && report.pages->walks_state == "on" && report.pages->walks.compared == 0) {
    why = "--pages: BPF walked to no address that stayed as it was; check a longer run";
    return kExitCouldNotCheck;
  }
  if (report.pages && report.pages->scan_state == "on" && report.pages->scan.compared == 0) {
    why = "--pages: PAGEMAP_SCAN found no page that stayed as it was; check a longer run";
    return kExitCouldNotCheck;
  }
  if (verdict.missed) {
    why = fmt::format(
        "{} probe hits were missed, so not every operation was checked; see svma probes",
        verdict.missed);
    return kExitDivergent;
  }
  return kExitEqual;
}

Finding to_finding(const svma_divergence& report) {
  const bool number = is_number(report.field);
  const svma_vma& place = report.observed.start != SVMA_NONE ? report.observed : report.predicted;
  Finding finding;
  finding.found_by = "module";
  finding.mm_id = report.mm_id;
  finding.pid = report.pid;
  finding.comm.assign(report.comm, strnlen(report.comm, sizeof(report.comm)));
  finding.step = parse_step_name(finding.comm);
  finding.operation = operation_name(report.operation);
  finding.call = call_text(report.operation, Arguments(report.args), place.start, place.end);
  finding.result_text = result_text(report.operation, report.result);
  finding.args.assign(std::begin(report.args), std::end(report.args));
  finding.result = report.result;
  finding.seq = report.seq;
  finding.difference = {"inside the module", field_name(report.field),
                        number || place.start == SVMA_NONE ? 0 : uint64_t{place.start},
                        number ? number_text(report.field, report.predicted_value)
                               : reported_value(report.predicted, report.field),
                        number ? number_text(report.field, report.observed_value)
                               : reported_value(report.observed, report.field)};
  if (report.field >= SVMA_FIELD_CHAIN && report.field <= SVMA_FIELD_ACTIVE_VMAS) {
    finding.difference.shadow += fmt::format("; {}", report.predicted_value);
    finding.difference.live += fmt::format("; {}", report.observed_value);
  }
  if (report.field == SVMA_FIELD_FLAGS) {
    finding.difference.shadow += flags_of_one_side(report.predicted, report.observed);
    finding.difference.live += flags_of_one_side(report.observed, report.predicted);
  }
  return finding;
}

std::vector<svma_journal_entry> leading_to(std::span<const svma_journal_entry> entries,
                                           uint64_t seq) {
  auto end = std::find_if(entries.begin(), entries.end(),
                          [seq](const svma_journal_entry& entry) { return entry.seq > seq; });
  // Faults since then change no layout.
  while (end != entries.begin() && std::prev(end)->operation == SVMA_OP_ANON_VMA) --end;
  const auto begin = end - std::min<ptrdiff_t>(end - entries.begin(), kOperationsBefore);
  return {begin, end};
}

}  // namespace svma
