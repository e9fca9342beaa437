// SPDX-License-Identifier: GPL-2.0-only
// The running cross-check of all mms that one descriptor tracks: when to sample, what to make of
// it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "lib/answer_stream.hpp"
#include "lib/answers.hpp"
#include "lib/device.hpp"
#include "lib/freezer.hpp"
#include "lib/oracle_bpf.hpp"
#include "lib/oracle_proc.hpp"
#include "lib/oracle_query.hpp"
#include "lib/page_check.hpp"
#include "lib/rmap_check.hpp"
#include "lib/sampler.hpp"
#include "lib/tally.hpp"

namespace svma {

class Checker {
 public:
  // `stream`: also compare the live kernel's answers to single questions, and its reverse mapping.
  // `pages`: also its page tables.
  Checker(uint64_t random_seed, bool stream, bool pages);

  Device& device() { return device_; }

  // Lets busy families be stopped for a moment by `freezer`, which may be null.
  void use_freezer(Freezer* freezer) { freezer_ = freezer; }

  // Compares every mm whose shadow changed since it was last found equal. `final_look`: all of
  // them, in depth.
  void look(bool final_look);

  // How many mms are tracked now, as of the last look.
  size_t tracked() const { return tracked_; }

  // Progress in one line.
  std::string progress() const;

  // The journals of all mms that were tracked, ended ones as far as the module keeps them.
  std::vector<Journal> journals();

  // Adds what was found to a report: tallies, findings, processes, and the module's own counts.
  void finish(CheckReport& report);

 private:
  using Clock = std::chrono::steady_clock;

  struct State {
    ProcessSummary summary;
    uint64_t equal_seq = 0;  // last moment found equal
    uint64_t seen_seq = 0;   // last moment compared, so that a difference is counted once
    uint64_t samples = 0;
    unsigned moved_in_a_row = 0;
    uint64_t cookie = 0;  // of the mm, 0: not known yet
    AnswerJudge judge;
    uint64_t journal_from = 1;
    uint64_t live_cookie = 0;  // of the last sample that counted
    uint64_t facts = 0;        // first faults among them: they change chains, but not the layout
    Clock::time_point next_pages;  // not before then its page tables are looked at again
    bool pages_moved = false;      // when they were looked at last
    uint64_t reported = 0;  // what the module had found in it when reports were last collected
  };

  void look_at(const svma_mm& mm, bool final_look);
  Outcome sample_once(State& state, bool final_look);
  void keep_differences(State& state, const Sample& sample);
  void look_at_rmap(State& state);
  bool look_at_pages(State& state, bool whole, bool still);
  void pages_now_and_then(State& state, bool final_look);
  static Finding finding_of(const State& state, uint64_t seq, const Difference& difference);
  void keep_finding(const State& state, uint64_t seq, const Difference& difference);
  void collect_reports();
  // Stops the family for as long as that lives. RETURNS: null when it can't be.
  std::unique_ptr<Freezer::Frozen> freeze();
  void look_while_frozen(State& state);
  void forget_ended(const std::vector<svma_mm>& mms);

  // The stream of answers; nothing happens without one.
  void follow(State& state, uint64_t cookie);
  std::optional<uint64_t> generation_of(const State& state) const;
  void distrust_generations();
  void open_window(State& state, std::optional<uint64_t> before, Sample& sample);
  void renew_window(State& state);
  void drain_answers();
  void judge_answers(State& state);
  void read_journal(State& state);
  void end_answers(State& state);
  void count(State& state, const Judgement& judgement);

  Device device_;
  OracleBpf live_;
  OracleProc proc_;
  OracleQuery query_;
  Sampler sampler_;
  RmapCheck rmap_;
  std::optional<PageCheck> pages_;
  Freezer* freezer_ = nullptr;
  std::map<uint64_t, State> states_;  // by mm_id, ended ones included
  std::vector<Finding> findings_;
  std::unique_ptr<AnswerStream> stream_;
  std::string stream_state_ = "off";
  uint64_t missed_sections_ = 0;
  bool moves_many_ = false;
  std::unordered_map<uint64_t, uint64_t> owners_;  // cookie -> mm_id
  QuestionTally questions_{};
  QuestionCounts queries_;           // of PROCMAP_QUERY
  QuestionTally orphans_{};          // answers about an mm that is not compared any more
  std::vector<Finding> reports_;     // the module's, in its order
  std::vector<Finding> unmodelled_;  // likewise
  uint32_t reports_seen_ = 0;
  uint64_t freezes_ = 0;
  size_t tracked_ = 0;
};

}  // namespace svma
