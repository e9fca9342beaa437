// SPDX-License-Identifier: GPL-2.0-only
// What a check found, and the verdict on it. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/answers.hpp"
#include "lib/compare.hpp"
#include "lib/step_name.hpp"
#include "uapi/svma.h"

namespace svma {

// Answers of one mm or of all. Invariants: compared == equal + divergent + moved.
struct Tally {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t divergent = 0;
  uint64_t moved = 0;
  uint64_t samples = 0;        // that counted
  uint64_t moved_samples = 0;  // that did not
  uint64_t not_clean = 0;      // samples not taken because the module did not vouch for the shadow
  uint64_t vanished = 0;       // samples not taken because the process ended meanwhile

  void add(const Comparison& comparison);
  void add_moved(uint64_t answers);
  void add(const QuestionTally& questions);
};

// Chains of anon_vmas against those that BPF reads: VMAs, each as a whole. They are part of a
// Tally, too. Invariants: compared == equal + divergent; what moved is not compared.
struct RmapTally {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t divergent = 0;
  uint64_t moved = 0;
  uint64_t unsure = 0;  // equal as chains; what they count was not compared, relatives were busy
  uint64_t cut = 0;     // of the compared ones: only the beginning of the chain was

  void add(const Comparison& comparison);
};

// Answers of one kind about page tables. They are part of a Tally, too. Invariants: compared ==
// equal + divergent; what moved is not compared.
struct PageCounts {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t divergent = 0;
  uint64_t moved = 0;

  void add(const Comparison& comparison);
};

// What `svma check --pages` compared.
struct PageTally {
  PageCounts pages;     // of 4 KiB, each with pagemap
  PageCounts vmas;      // the sums of smaps
  PageCounts entries;   // runs of entries, each with its VMA and kpageflags
  PageCounts tables;    // ranges without a VMA, in which there may be no table
  PageCounts counters;  // of /proc/PID/status
  PageCounts walks;     // addresses to which BPF walked by itself, each with all its levels
  std::string walks_state = "on";  // or why BPF does not
  PageCounts scan;                 // pages again, each with PAGEMAP_SCAN
  std::string scan_state = "on";   // or why there is none
  uint64_t looks = 0;
  uint64_t moved_looks = 0;  // that compared nothing

  uint64_t divergent() const;
  uint64_t moved() const;
};

// One tracked mm, as it was last seen.
struct ProcessSummary {
  uint64_t mm_id = 0;
  pid_t pid = 0;
  std::string comm;
  uint32_t health = SVMA_GONE;
  uint64_t operations = 0;
  size_t vmas = 0;
  Tally tally;
};

// One divergence with its place, found by the harness or reported by the module.
struct Finding {
  std::string found_by;  // "harness" or "module"
  uint64_t mm_id = 0;
  pid_t pid = 0;
  std::string comm;
  std::optional<StepName> step;  // of svma-generate, when the task's name says one
  std::string operation;         // "" when not known
  std::string call;              // the operation with its arguments in words
  std::vector<uint64_t> args;
  int64_t result = 0;
  std::string result_text;  // in words
  uint64_t seq = 0;
  uint64_t last_equal_seq = 0;    // harness: it was still equal at this moment; 0: never was
  std::optional<bool> confirmed;  // harness: a second reading at once found the same
  Difference difference;
  std::optional<svma_report> report;       // module: neighbourhoods, task, stack
  std::vector<svma_journal_entry> before;  // the last operations: module: up to this one; harness:
                                           // up to the moment of the comparison
};

// The fields of the verdict line.
struct Verdict {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t divergent = 0;
  uint64_t moved = 0;
  uint64_t unmodelled = 0;
  uint64_t missed = 0;
  uint64_t resyncs = 0;
  uint64_t operations = 0;

  bool operator==(const Verdict&) const = default;
};

// All that `svma check` reports.
struct CheckReport {
  std::vector<std::string> command;  // empty with -p
  pid_t pid = 0;                     // the process first tracked
  std::string kernel;
  std::string module_version;
  std::string mutation = "none";  // what the module has switched on for a test
  std::string freezer;            // "on", "off" or why it is not available
  uint64_t freezes = 0;
  uint64_t duration_ms = 0;
  std::optional<int> exit_status;
  std::optional<int> exit_signal;
  bool timed_out = false;
  Tally harness;                 // questions included
  std::string road;              // how the live layout was read
  std::string stream;            // "on", "off" or why it is not available
  std::string query;             // PROCMAP_QUERY: "on" or why it is absent
  QuestionCounts queries;        // its answers
  QuestionTally questions{};     // single answers of the live kernel
  uint64_t dropped_answers = 0;  // that were lost before anybody saw them
  uint64_t missed_sections = 0;  // AnswerStream::missed_sections()
  svma_stats module{};
  bool structure_wanted = false;            // --structure
  std::optional<svma_structure> structure;  // nullopt: the module does not know of it
  std::optional<svma_rmap_stats> rmap;      // likewise
  std::string rmap_road;          // of the oracle of reverse mapping, or why there is none
  RmapTally rmap_oracle;          // contained in `harness`
  std::string rmap_events_state;  // "on", or why there are none
  RmapTally rmap_events;          // by events; contained in `harness`
  uint64_t rmap_events_lost = 0;
  std::optional<PageTally> pages;         // --pages; contained in `harness`
  std::vector<Finding> divergences;       // the first ones
  std::vector<Finding> unmodelled;        // the module's reports of operations without a prediction
  std::vector<ProcessSummary> processes;  // the ones with most operations first
  size_t processes_checked = 0;
};

// How many divergences a report lists.
inline constexpr size_t kMaxFindings = 32;

// Adds up both judges: what the harness compared, and what the module found wrong by itself.
Verdict verdict_of(const Tally& harness, const svma_counts& module);

// VMAs whose reverse mapping was compared by either judge, and those of them that were equal.
struct RmapVerdict {
  uint64_t compared = 0;
  uint64_t equal = 0;
};
RmapVerdict rmap_verdict_of(const CheckReport& report);

// Exit status for a report; `why` is a line for the user when it isn't kExitEqual.
int exit_code_of(const CheckReport& report, std::string& why);

// A module's report in the harness's words.
Finding to_finding(const svma_divergence& report);

// How many operations before a divergence are shown.
inline constexpr size_t kOperationsBefore = 5;

// Those of `entries` that led to the moment `seq`: the last ones with no later number.
std::vector<svma_journal_entry> leading_to(std::span<const svma_journal_entry> entries,
                                           uint64_t seq);

}  // namespace svma
