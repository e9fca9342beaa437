// SPDX-License-Identifier: GPL-2.0-only
// The live kernel's answers to single questions against the shadow's. Pure: no system call, no
// clock.
//
//   generation    ...7]        [8         8]      [9     9      9]     [10 ...
//   write section      [=====]              [===]               [====]
//   answers                ^   a          b         c    d    e
//   sample                                        |g=9 ... g=9|
//
// A generation is the time between two sections under the mmap_lock held for writing, so its layout
// is one. BPF stamps each answer with the generation it was given in. A sample that counts (the
// shadow's seq is the same before and after, see sampler.hpp) and that lies in one generation says
// what the shadow's layout is in it: a *window*. The answers of that generation, c, d, e, can then
// be judged, wherever the sample was in it. All others have moved.
//
// A search for free space is answered inside a section, just before the layout changes. It is
// judged by the prediction that the module has written into its journal, if it has.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bpf/svma_answers.h"
#include "lib/compare.hpp"
#include "uapi/svma.h"

namespace svma {

inline constexpr std::string_view kRoadAnswers = "bpf answers";

// "find_vma" for SVMA_ANSWER_FIND_VMA.
const char* question_name(unsigned kind);

// Invariants: compared == equal + divergent + moved.
struct QuestionCounts {
  uint64_t compared = 0;
  uint64_t equal = 0;
  uint64_t divergent = 0;
  uint64_t moved = 0;

  void add(const QuestionCounts& other);
  void add_moved(uint64_t answers);
};

// By enum svma_answer_kind.
using QuestionTally = std::array<QuestionCounts, SVMA_ANSWER_KINDS>;

// Answers that were decided on.
struct Judgement {
  QuestionTally counts;
  std::vector<Difference> differences;
};

// What the answer implies for the layout it was given about: compared is 1, or 0 when it implies
// nothing. REQUIRES: not a search.
// `moves_many`: on this kernel mremap() to a fixed address may move several VMAs (v6.17).
Comparison compare_answer(const svma_answer& answer, const Layout& shadow, bool moves_many = false);

// The answers about one mm that wait for their window. Invariants: at most kMaxPending of each sort
// wait; what is more has moved, the oldest first.
class AnswerJudge {
 public:
  static constexpr size_t kMaxPending = 4096;

  // `moves_many`: see compare_answer().
  explicit AnswerJudge(bool moves_many = false) : moves_many_(moves_many) {}

  // The shadow's layout is `layout` in this generation.
  void open_window(uint64_t generation, uint64_t seq, Layout layout);

  void take(const svma_answer& answer);

  // The module's journal, in order; entries that are no searches are ignored.
  void take_journal(std::span<const svma_journal_entry> entries);

  // Whether answers wait that are younger than the window.
  bool wants_window() const;
  bool wants_journal() const { return !searches_.empty(); }

  // Decides what can be decided.
  void judge(Judgement& judgement);
  // The same for searches, after take_journal(): one that is not found twice has moved.
  void judge_searches(Judgement& judgement);
  // Generations counted until `now_ns` (CLOCK_MONOTONIC) may be those of other layouts: answers
  // given by then have moved, those that are still on their way, too.
  void distrust(uint64_t now_ns);
  // Nothing more will come: all that waits has moved.
  void give_up(Judgement& judgement);

  uint64_t window_seq() const { return seq_; }

 private:
  struct Search {
    svma_answer answer;
    bool missed_once = false;
  };

  bool settle(const svma_answer& answer, Judgement& judgement) const;
  std::vector<const svma_journal_entry*> pair_searches() const;

  bool moves_many_;
  std::optional<uint64_t> generation_;  // of the window
  uint64_t seq_ = 0;
  Layout layout_;
  std::deque<svma_answer> waiting_;
  std::deque<Search> searches_;
  std::deque<svma_journal_entry> predictions_;  // not matched yet
  QuestionTally overflow_{};
  uint64_t trusted_from_ns_ = 0;
};

}  // namespace svma
