// SPDX-License-Identifier: GPL-2.0-only
#include "lib/answers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include "lib/render.hpp"

namespace svma {
namespace {

constexpr const char* kQuestions[] = {"find_vma", "unmapped_area", "mmap",
                                      "munmap",   "brk",           "mremap"};
static_assert(std::size(kQuestions) == SVMA_ANSWER_KINDS);

constexpr uint64_t kMremapFixed = 2, kMremapDontUnmap = 4;

// How far the time stamps of a function's return, taken by two observers, may be apart: either may
// have been interrupted in between.
constexpr uint64_t kSlackNs = 2'000'000;

uint64_t page_up(uint64_t bytes) { return (bytes + kPageSize - 1) & ~(kPageSize - 1); }

struct Range {
  uint64_t start;
  uint64_t end;
};

std::string text_of(const Range& range) { return fmt::format("{:x}-{:x}", range.start, range.end); }

// "" when one VMA covers all of the range, else what is there instead.
std::string not_covered(const Layout& layout, const Range& range) {
  const auto vma = find_in(layout, range.start).vma;
  if (vma && vma->start <= range.start && vma->end >= range.end) return "";
  return vma ? vma_text(*vma) : "no VMA";
}

// "" when no VMA intersects the range, else the first that does.
std::string not_free(const Layout& layout, const Range& range) {
  if (range.start >= range.end) return "";
  const auto vma = find_in(layout, range.start).vma;
  return !vma || vma->start >= range.end ? "" : vma_text(*vma);
}

Comparison judged(const svma_answer& answer, uint64_t address, const std::string& shadow,
                  const std::string& live) {
  Comparison result;
  if (shadow.empty())
    result.add_equal();
  else
    result.add_difference(
        {std::string(kRoadAnswers), question_name(answer.kind), address, shadow,
         fmt::format("{}({:#x}, {:#x}, {:#x}) = {:#x}: {}", question_name(answer.kind),
                     answer.args[0], answer.args[1], answer.args[2], answer.result, live)});
  return result;
}

Comparison compare_find_vma(const svma_answer& answer, const Layout& shadow) {
  const auto vma = find_in(shadow, answer.args[0]).vma;
  const bool equal = answer.result == 0
                         ? !vma
                         : vma && vma->start == answer.vma_start && vma->end == answer.vma_end &&
                               vma->flags == answer.vma_flags;
  const std::string live = answer.result ? fmt::format("{:x}-{:x} flags={:#x}", answer.vma_start,
                                                       answer.vma_end, answer.vma_flags)
                                         : "no VMA";
  return judged(answer, answer.args[0], equal ? "" : vma ? vma_text(*vma) : "no VMA", live);
}

Comparison compare_covered(const svma_answer& answer, const Layout& shadow, const Range& range) {
  return judged(answer, range.start, not_covered(shadow, range), text_of(range) + " is mapped");
}

Comparison compare_free(const svma_answer& answer, const Layout& shadow, const Range& range) {
  return judged(answer, range.start, not_free(shadow, range), text_of(range) + " is free");
}

Comparison compare_brk(const svma_answer& answer, const Layout& shadow) {
  const uint64_t before = page_up(answer.args[1]), after = page_up(answer.result);
  if (after > before) return compare_covered(answer, shadow, {before, after});
  if (after < before) return compare_free(answer, shadow, {after, before});
  return {};
}

Comparison compare_mremap(const svma_answer& answer, const Layout& shadow, bool moves_many) {
  const uint64_t from = answer.args[0], to = answer.result;
  const uint64_t old_length = page_up(answer.args[1]), new_length = page_up(answer.args[2]);
  const Range left =
      to != from ? Range{from, from + old_length} : Range{from + new_length, from + old_length};
  const bool keeps_old = answer.args[3] & kMremapDontUnmap;
  if (!keeps_old && !not_free(shadow, left).empty()) return compare_free(answer, shadow, left);
  // Shrinking only unmaps the rest; what stays may be several VMAs, or none.
  if (to == from && new_length <= old_length) return compare_free(answer, shadow, left);
  // Several VMAs, with the holes between them: only where the first one is can be told.
  if (moves_many && (answer.args[3] & kMremapFixed) && new_length == old_length) {
    return compare_covered(answer, shadow, {to, to + kPageSize});
  }
  return compare_covered(answer, shadow, {to, to + new_length});
}

uint64_t count_of(uint64_t generation) { return generation >> SVMA_GENERATION_TID_BITS; }

uint64_t distance(const svma_answer& search, const svma_journal_entry& entry) {
  return search.time_ns > entry.end_ns ? search.time_ns - entry.end_ns
                                       : entry.end_ns - search.time_ns;
}

bool same_search(const svma_answer& search, const svma_journal_entry& entry) {
  return search.result == entry.result &&
         std::equal(std::begin(search.args), std::end(search.args), std::begin(entry.args));
}

void add(Judgement& judgement, unsigned kind, const Comparison& comparison) {
  judgement.counts[kind].add(
      {comparison.compared, comparison.equal, comparison.divergent, /*moved=*/0});
  std::copy(comparison.differences.begin(), comparison.differences.end(),
            std::back_inserter(judgement.differences));
}

}  // namespace

const char* question_name(unsigned kind) { return kQuestions[kind]; }

void QuestionCounts::add(const QuestionCounts& other) {
  compared += other.compared;
  equal += other.equal;
  divergent += other.divergent;
  moved += other.moved;
}

void QuestionCounts::add_moved(uint64_t answers) {
  compared += answers;
  moved += answers;
}

Comparison compare_answer(const svma_answer& answer, const Layout& shadow, bool moves_many) {
  const uint64_t result = answer.result;
  switch (answer.kind) {
    case SVMA_ANSWER_FIND_VMA:
      return compare_find_vma(answer, shadow);
    case SVMA_ANSWER_MMAP:
      return compare_covered(answer, shadow, {result, result + page_up(answer.args[1])});
    case SVMA_ANSWER_MUNMAP:
      return compare_free(answer, shadow,
                          {answer.args[0], answer.args[0] + page_up(answer.args[1])});
    case SVMA_ANSWER_BRK:
      return compare_brk(answer, shadow);
    case SVMA_ANSWER_MREMAP:
      return compare_mremap(answer, shadow, moves_many);
    default:
      return {};
  }
}

void AnswerJudge::open_window(uint64_t generation, uint64_t seq, Layout layout) {
  generation_ = generation;
  seq_ = seq;
  layout_ = std::move(layout);
}

void AnswerJudge::take(const svma_answer& answer) {
  if (answer.kind >= SVMA_ANSWER_KINDS) return;
  if (answer.kind == SVMA_ANSWER_UNMAPPED_AREA) {
    searches_.push_back({answer});
    if (searches_.size() <= kMaxPending) return;
    overflow_[answer.kind].add_moved(1);
    searches_.pop_front();
    return;
  }
  if (answer.time_ns < trusted_from_ns_) {
    overflow_[answer.kind].add_moved(1);
    return;
  }
  waiting_.push_back(answer);
  if (waiting_.size() <= kMaxPending) return;
  overflow_[waiting_.front().kind].add_moved(1);
  waiting_.pop_front();
}

void AnswerJudge::take_journal(std::span<const svma_journal_entry> entries) {
  for (const svma_journal_entry& entry : entries) {
    if (entry.operation != SVMA_OP_SEARCH) continue;
    predictions_.push_back(entry);
    if (predictions_.size() > kMaxPending) predictions_.pop_front();
  }
}

bool AnswerJudge::wants_window() const {
  return std::any_of(waiting_.begin(), waiting_.end(), [this](const svma_answer& answer) {
    return !(answer.bits & SVMA_ANSWER_OVERTAKEN) &&
           (!generation_ || count_of(answer.generation) > count_of(*generation_));
  });
}

// RETURNS: whether it is decided.
bool AnswerJudge::settle(const svma_answer& answer, Judgement& judgement) const {
  if (answer.bits & SVMA_ANSWER_OVERTAKEN) {
    judgement.counts[answer.kind].add_moved(1);
    return true;
  }
  if (!generation_ || count_of(answer.generation) > count_of(*generation_)) return false;
  if (answer.generation == *generation_)
    add(judgement, answer.kind, compare_answer(answer, layout_, moves_many_));
  else
    judgement.counts[answer.kind].add_moved(1);
  return true;
}

void AnswerJudge::judge(Judgement& judgement) {
  for (unsigned kind = 0; kind < SVMA_ANSWER_KINDS; ++kind)
    judgement.counts[kind].add(std::exchange(overflow_[kind], {}));
  std::erase_if(waiting_, [&](const svma_answer& answer) { return settle(answer, judgement); });
}

// The entry of each search, null where there is none. A thread's searches follow each other, so
// both accounts of one are each other's nearest in time; programs repeat themselves, so arguments
// alone would take the one for the other where a record is missing. For the same reason both
// observers must have seen the same result: what is judged is the prediction beside it.
std::vector<const svma_journal_entry*> AnswerJudge::pair_searches() const {
  struct Best {
    size_t search;
    uint64_t distance;
  };
  std::vector<const svma_journal_entry*> pairs(searches_.size());
  std::unordered_map<uint64_t, Best> best_of;  // by id of the entry
  for (size_t i = 0; i < searches_.size(); ++i) {
    const svma_answer& search = searches_[i].answer;
    auto entry = std::partition_point(
        predictions_.begin(), predictions_.end(),
        [&](const svma_journal_entry& e) { return e.end_ns + kSlackNs < search.time_ns; });
    for (; entry != predictions_.end() && entry->end_ns <= search.time_ns + kSlackNs; ++entry)
      if (entry->tid == static_cast<int>(search.tid) &&
          (!pairs[i] || distance(search, *entry) < distance(search, *pairs[i])))
        pairs[i] = &*entry;
    if (!pairs[i]) continue;
    const Best mine{i, distance(search, *pairs[i])};
    const auto [best, first] = best_of.try_emplace(pairs[i]->id, mine);
    if (!first && mine.distance < best->second.distance) best->second = mine;
  }
  for (size_t i = 0; i < searches_.size(); ++i)
    if (pairs[i] &&
        (best_of.at(pairs[i]->id).search != i || !same_search(searches_[i].answer, *pairs[i])))
      pairs[i] = nullptr;
  return pairs;
}

void AnswerJudge::judge_searches(Judgement& judgement) {
  const auto pairs = pair_searches();
  std::deque<Search> rest;
  std::unordered_set<uint64_t> used;
  for (size_t i = 0; i < searches_.size(); ++i) {
    const svma_answer& answer = searches_[i].answer;
    if (!pairs[i]) {
      if (searches_[i].missed_once)
        judgement.counts[answer.kind].add_moved(1);
      else
        rest.push_back({answer, true});
      continue;
    }
    const uint64_t live = answer.result < 0 ? 0 : answer.result;
    const uint64_t predicted = pairs[i]->predicted;
    add(judgement, answer.kind,
        judged(answer, live, predicted == live ? "" : fmt::format("{:#x}", predicted),
               live ? fmt::format("{:#x}", live) : "no room"));
    used.insert(pairs[i]->id);
  }
  searches_ = std::move(rest);
  std::erase_if(predictions_,
                [&used](const svma_journal_entry& entry) { return used.contains(entry.id); });
}

void AnswerJudge::distrust(uint64_t now_ns) {
  trusted_from_ns_ = now_ns + 1;
  generation_.reset();
  for (const svma_answer& answer : waiting_) overflow_[answer.kind].add_moved(1);
  waiting_.clear();
}

void AnswerJudge::give_up(Judgement& judgement) {
  judge(judgement);
  for (const svma_answer& answer : waiting_) judgement.counts[answer.kind].add_moved(1);
  judgement.counts[SVMA_ANSWER_UNMAPPED_AREA].add_moved(searches_.size());
  waiting_.clear();
  searches_.clear();
  predictions_.clear();
}

}  // namespace svma
