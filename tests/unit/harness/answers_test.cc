// SPDX-License-Identifier: GPL-2.0-only
#include "lib/answers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

namespace svma {
namespace {

constexpr uint64_t kTid = 77;

uint64_t generation(uint64_t count, uint64_t tid = kTid) {
  return count << SVMA_GENERATION_TID_BITS | tid;
}

// "11 23 . . 8": [1000, 2000) and [2000, 5000) touch, [8000, 9000) stands alone.
Layout three() {
  return {{0x1000, 0x2000, 0x73, 1, 0, 0},
          {0x2000, 0x5000, 0x71, 2, 7, 9},
          {0x8000, 0x9000, 0x75, 8, 0, 0}};
}

svma_answer find_vma(uint64_t address, const Vma* vma, uint64_t count = 5) {
  svma_answer answer{};
  answer.kind = SVMA_ANSWER_FIND_VMA;
  answer.generation = generation(count);
  answer.args[0] = address;
  if (vma) {
    answer.result = 1;
    answer.vma_start = vma->start;
    answer.vma_end = vma->end;
    answer.vma_flags = vma->flags;
  }
  return answer;
}

svma_answer call(svma_answer_kind kind, int64_t result, uint64_t arg0 = 0, uint64_t arg1 = 0,
                 uint64_t arg2 = 0, uint64_t arg3 = 0) {
  svma_answer answer{};
  answer.kind = kind;
  answer.generation = generation(5);
  answer.result = result;
  answer.args[0] = arg0;
  answer.args[1] = arg1;
  answer.args[2] = arg2;
  answer.args[3] = arg3;
  return answer;
}

void expect_equal(const svma_answer& answer) {
  const Comparison comparison = compare_answer(answer, three());
  EXPECT_EQ(comparison.equal, 1u);
  EXPECT_EQ(comparison.compared, 1u);
}

void expect_divergent(const svma_answer& answer) {
  const Comparison comparison = compare_answer(answer, three());
  EXPECT_EQ(comparison.divergent, 1u);
  ASSERT_EQ(comparison.differences.size(), 1u);
  EXPECT_EQ(comparison.differences[0].field, question_name(answer.kind));
  EXPECT_EQ(comparison.differences[0].road, kRoadAnswers);
}

// --- what an answer implies
// -----------------------------------------------------------------------

TEST(CompareAnswer, FindVma_SameVma_Equal) {
  const Layout layout = three();
  expect_equal(find_vma(0x1000, &layout[0]));
  expect_equal(find_vma(0x4fff, &layout[1]));
  expect_equal(find_vma(0x5000, &layout[2]));
  expect_equal(find_vma(0x9000, nullptr));
}

TEST(CompareAnswer, FindVma_OtherVmaBoundsOrFlags_Divergent) {
  const Layout layout = three();
  expect_divergent(find_vma(0x1000, &layout[1]));
  expect_divergent(find_vma(0x1000, nullptr));
  expect_divergent(find_vma(0x9000, &layout[2]));
  for (uint64_t Vma::*field : {&Vma::start, &Vma::end, &Vma::flags}) {
    Vma vma = layout[1];
    vma.*field ^= 0x1000;
    expect_divergent(find_vma(0x2000, &vma));
  }
}

TEST(CompareAnswer, Mmap_CoveredByOneVma_Equal) {
  expect_equal(call(SVMA_ANSWER_MMAP, 0x2000, 0, 0x3000));
  expect_equal(call(SVMA_ANSWER_MMAP, 0x3000, 0, 1));
  expect_divergent(call(SVMA_ANSWER_MMAP, 0x1000, 0, 0x2000));
  expect_divergent(call(SVMA_ANSWER_MMAP, 0x4000, 0, 0x1001));
  expect_divergent(call(SVMA_ANSWER_MMAP, 0x6000, 0, 0x1000));
}

TEST(CompareAnswer, Munmap_NothingLeft_Equal) {
  expect_equal(call(SVMA_ANSWER_MUNMAP, 0, 0x5000, 0x3000));
  expect_equal(call(SVMA_ANSWER_MUNMAP, 0, 0x9000, 1));
  expect_divergent(call(SVMA_ANSWER_MUNMAP, 0, 0x5000, 0x3001));
  expect_divergent(call(SVMA_ANSWER_MUNMAP, 0, 0x4000, 0x1000));
}

TEST(CompareAnswer, Brk_GrowsAndShrinks_WhatMovedIsThereOrGone) {
  expect_equal(call(SVMA_ANSWER_BRK, 0x5000, 0, 0x3000));
  expect_divergent(call(SVMA_ANSWER_BRK, 0x6000, 0, 0x3000));
  expect_equal(call(SVMA_ANSWER_BRK, 0x5000, 0, 0x7000));
  expect_divergent(call(SVMA_ANSWER_BRK, 0x4000, 0, 0x7000));
  EXPECT_EQ(compare_answer(call(SVMA_ANSWER_BRK, 0x4010, 0, 0x4f00), three()).compared, 0u)
      << "within one page: nothing follows";
}

// [8000, 9000) came from further up, and what was behind it stayed a hole.
TEST(CompareAnswer, Mremap_FixedOverAHole_EqualWhereSeveralMayMove) {
  const svma_answer moved = call(SVMA_ANSWER_MREMAP, 0x8000, 0x20000, 0x3000, 0x3000, 3);
  expect_divergent(moved);
  EXPECT_EQ(compare_answer(moved, three(), /*moves_many=*/true).equal, 1u);
  const svma_answer elsewhere = call(SVMA_ANSWER_MREMAP, 0x9000, 0x20000, 0x3000, 0x3000, 3);
  EXPECT_EQ(compare_answer(elsewhere, three(), /*moves_many=*/true).divergent, 1u);
}

TEST(CompareAnswer, Mremap_NewIsThereOldIsGone_Equal) {
  expect_equal(call(SVMA_ANSWER_MREMAP, 0x2000, 0x5000, 0x1000, 0x3000));
  expect_divergent(call(SVMA_ANSWER_MREMAP, 0x2000, 0x8000, 0x1000, 0x3000));
  expect_divergent(call(SVMA_ANSWER_MREMAP, 0x2000, 0x5000, 0x1000, 0x4000));
  expect_equal(call(SVMA_ANSWER_MREMAP, 0x2000, 0x8000, 0x1000, 0x1000, 4));
  expect_equal(call(SVMA_ANSWER_MREMAP, 0x2000, 0x2000, 0x4000, 0x3000));
  expect_divergent(call(SVMA_ANSWER_MREMAP, 0x2000, 0x2000, 0x3000, 0x1000));
  expect_equal(call(SVMA_ANSWER_MREMAP, 0x2000, 0x1000, 0, 0x1000));  // a copy leaves the old
}

// --- generations
// ----------------------------------------------------------------------------------

class Judge : public testing::Test {
 protected:
  QuestionCounts judged() {
    Judgement judgement;
    judge_.judge(judgement);
    judge_.judge_searches(judgement);
    QuestionCounts sum;
    for (const QuestionCounts& counts : judgement.counts) sum.add(counts);
    EXPECT_EQ(sum.compared, sum.equal + sum.divergent + sum.moved);
    EXPECT_EQ(judgement.differences.size(), sum.divergent);
    return sum;
  }

  void take(uint64_t count) {
    const Layout layout = three();
    judge_.take(find_vma(0x1000, &layout[0], count));
  }

  AnswerJudge judge_;
};

TEST_F(Judge, NoWindow_Waits) {
  take(5);
  EXPECT_TRUE(judge_.wants_window());
  EXPECT_EQ(judged().compared, 0u);
}

TEST_F(Judge, WindowOfItsGeneration_Compared) {
  take(5);
  judge_.open_window(generation(5), 9, three());
  take(5);
  EXPECT_FALSE(judge_.wants_window());
  EXPECT_EQ(judged().equal, 2u);
  EXPECT_EQ(judged().compared, 0u) << "decided once";
}

TEST_F(Judge, OlderThanTheWindow_Moved) {
  take(4);
  judge_.open_window(generation(5), 9, three());
  take(4);
  EXPECT_EQ(judged().moved, 2u);
}

TEST_F(Judge, YoungerThanTheWindow_WaitsForTheNext) {
  judge_.open_window(generation(5), 9, three());
  take(6);
  EXPECT_EQ(judged().compared, 0u);
  EXPECT_TRUE(judge_.wants_window());
  judge_.open_window(generation(7), 11, three());
  EXPECT_EQ(judged().moved, 1u) << "its generation had no window";
}

TEST_F(Judge, WrongAnswerInWindow_Divergent) {
  judge_.open_window(generation(5), 9, three());
  judge_.take(find_vma(0x1000, nullptr));
  EXPECT_EQ(judged().divergent, 1u);
  EXPECT_EQ(judge_.window_seq(), 9u);
}

TEST_F(Judge, SameCountOfAnotherThread_IsNotTheSameGeneration) {
  take(5);
  judge_.open_window(generation(5, kTid + 1), 9, three());
  EXPECT_EQ(judged().moved, 1u);
}

TEST_F(Judge, OvertakenCall_MovedAtOnce) {
  svma_answer answer = call(SVMA_ANSWER_MMAP, 0x2000, 0, 0x3000);
  answer.bits = SVMA_ANSWER_OVERTAKEN;
  judge_.take(answer);
  EXPECT_FALSE(judge_.wants_window());
  EXPECT_EQ(judged().moved, 1u);
}

TEST_F(Judge, TooManyWaiting_TheOldestHaveMoved) {
  for (size_t i = 0; i < AnswerJudge::kMaxPending + 3; ++i) take(5);
  EXPECT_EQ(judged().moved, 3u);
  judge_.open_window(generation(5), 9, three());
  EXPECT_EQ(judged().equal, AnswerJudge::kMaxPending);
}

// A write section went by uncounted: the numbers from before it may be those of another layout.
TEST_F(Judge, Distrusted_WhatWasAnsweredByThenHasMoved) {
  take(5);
  judge_.open_window(generation(5), 9, three());
  judge_.distrust(1000);
  EXPECT_EQ(judged().moved, 1u);
  judge_.open_window(generation(5), 9, three());
  const Layout layout = three();
  svma_answer late = find_vma(0x1000, &layout[0], 5);
  late.time_ns = 1000;  // was still in the ring
  judge_.take(late);
  EXPECT_EQ(judged().moved, 1u);
  late.time_ns = 1001;
  judge_.take(late);
  EXPECT_EQ(judged().equal, 1u);
}

TEST_F(Judge, GivenUp_AllThatWaitsHasMoved) {
  take(6);
  judge_.take(call(SVMA_ANSWER_UNMAPPED_AREA, 0x7000, 0x1000));
  Judgement judgement;
  judge_.give_up(judgement);
  EXPECT_EQ(judgement.counts[SVMA_ANSWER_FIND_VMA].moved, 1u);
  EXPECT_EQ(judgement.counts[SVMA_ANSWER_UNMAPPED_AREA].moved, 1u);
}

// --- searches
// -------------------------------------------------------------------------------------

class JudgeSearch : public Judge {
 protected:
  static inline uint64_t next_id = 0;

  static svma_answer search(int64_t result) {
    svma_answer answer = call(SVMA_ANSWER_UNMAPPED_AREA, result, 0x3000, 0x1000, 0x9000);
    answer.args[5] = 1;
    answer.tid = kTid;
    answer.time_ns = 1'000'000'000;
    return answer;
  }

  // What the module saw of a search that returned `seen`.
  static svma_journal_entry entry(uint64_t predicted, int64_t seen) {
    svma_journal_entry entry{};
    entry.result = seen;
    entry.id = ++next_id;
    entry.operation = SVMA_OP_SEARCH;
    entry.tid = kTid;
    entry.begin_ns = 999'999'000;
    entry.end_ns = 999'999'900;
    entry.predicted = predicted;
    const svma_answer asked = search(0);
    std::copy(std::begin(asked.args), std::end(asked.args), std::begin(entry.args));
    return entry;
  }

  static svma_journal_entry entry(uint64_t predicted) {
    return entry(predicted, static_cast<int64_t>(predicted));
  }

  QuestionCounts judge(svma_answer answer, svma_journal_entry entry) {
    judge_.take(answer);
    EXPECT_TRUE(judge_.wants_journal());
    judge_.take_journal({&entry, 1});
    return judged();
  }
};

TEST_F(JudgeSearch, SameAddress_Equal) {
  EXPECT_EQ(judge(search(0x5000), entry(0x5000)).equal, 1u);
  EXPECT_EQ(judge(search(-12), entry(0, -12)).equal, 1u) << "ENOMEM";
}

TEST_F(JudgeSearch, OtherAddress_Divergent) {
  EXPECT_EQ(judge(search(0x5000), entry(0x6000, 0x5000)).divergent, 1u);
  EXPECT_EQ(judge(search(-12), entry(0x6000, -12)).divergent, 1u);
  EXPECT_EQ(judge(search(0x5000), entry(0, 0x5000)).divergent, 1u);
}

// The journal lost the entry of this search; that of its like, a moment later, is not it.
TEST_F(JudgeSearch, EntryOfAnotherResult_IsNotThisSearch) {
  judge_.take(search(0x5000));
  const svma_journal_entry other = entry(0x6000, 0x6000);
  judge_.take_journal({&other, 1});
  EXPECT_EQ(judged().divergent, 0u);
  EXPECT_EQ(judged().moved, 1u);
}

TEST_F(JudgeSearch, NoEntryOfThisSearch_MovedAtTheSecondLook) {
  svma_journal_entry others[] = {entry(0x5000), entry(0x5000), entry(0x5000), entry(0x5000)};
  others[0].tid++;
  others[1].args[2]++;
  others[2].operation = SVMA_OP_MMAP;
  others[3].end_ns += 1'000'000'000;
  judge_.take(search(0x5000));
  judge_.take_journal(others);
  EXPECT_EQ(judged().compared, 0u);
  EXPECT_EQ(judged().moved, 1u);
}

TEST_F(JudgeSearch, EntryReadBeforeTheAnswer_Matches) {
  const svma_journal_entry early = entry(0x5000);
  judge_.take_journal({&early, 1});
  judge_.take(search(0x5000));
  EXPECT_EQ(judged().equal, 1u);
}

// The same question again and again; the journal has lost the entry of the first.
TEST_F(JudgeSearch, RepeatedAndOneEntryLost_TheOthersKeepTheirs) {
  svma_answer first = search(0x5000), second = search(0x6000), third = search(0x7000);
  second.time_ns += 300'000;
  third.time_ns += 600'000;
  svma_journal_entry entries[] = {entry(0x6000), entry(0x7000)};
  entries[0].end_ns = second.time_ns + 20'000;
  entries[1].end_ns = third.time_ns + 20'000;
  for (const svma_answer& answer : {first, second, third}) judge_.take(answer);
  judge_.take_journal(entries);
  EXPECT_EQ(judged().equal, 2u);
  EXPECT_EQ(judged().moved, 1u);
}

TEST_F(JudgeSearch, OneEntryForTwoAnswers_ServesTheNearer) {
  svma_answer earlier = search(0x5000);
  earlier.time_ns -= 100'000;
  judge_.take(earlier);
  EXPECT_EQ(judge(search(0x5000), entry(0x5000)).equal, 1u);
  EXPECT_EQ(judged().moved, 1u);
}

}  // namespace
}  // namespace svma
