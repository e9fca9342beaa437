// SPDX-License-Identifier: GPL-2.0-only
//
// The protocol of a sample with sources that answer what the test says. They start with equal
// answers on every road, so that each test has one cause.
#include "lib/sampler.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

constexpr pid_t kPid = 7;
constexpr uint64_t kMm = 3;

Layout three() {
  return {{0x1000, 0x2000, 0x73, 1, 0, 0},
          {0x2000, 0x5000, 0xf1, 2, 7, 9},
          {0x8000, 0x9000, 0x75, 8, 0, 0}};
}

struct Shadow : ShadowSource {
  Layout layout = three();
  uint64_t seq = 5;
  uint64_t seq_at_find = 5;
  uint64_t seq_after = 5;

  std::optional<ShadowView> snapshot(uint64_t mm_id) override {
    ShadowView view;
    view.mm_id = mm_id;
    view.seq = seq;
    view.health = SVMA_CLEAN;
    view.totals.map_count = layout.size();
    view.layout = layout;
    return view;
  }
  std::optional<ShadowMoment> moment_of_pid(pid_t) override {
    return ShadowMoment{kMm, seq_after, SVMA_CLEAN};
  }
  std::optional<ShadowLookup> find(uint64_t, uint64_t address) override {
    return ShadowLookup{seq_at_find, SVMA_CLEAN, find_in(layout, address)};
  }
};

struct Live : LiveSource {
  std::optional<LiveView> read(pid_t) override {
    LiveView view;
    view.mm_cookie = 11;
    view.complete = true;
    view.layout = three();
    view.totals.map_count = view.layout.size();
    return view;
  }
};

struct Proc : ProcSource {
  std::optional<StatusCounters> status(pid_t) override { return std::nullopt; }
  std::optional<Layout> smaps(pid_t) override { return std::nullopt; }
};

struct Query : QuerySource {
  bool there = true;
  bool gone = false;
  uint64_t off_by = 0;  // bytes, in the end of every VMA
  std::vector<uint64_t> asked;

  bool available() const override { return there; }
  std::optional<QueryView> ask(pid_t, std::span<const uint64_t> addresses, bool walk) override {
    if (gone) return std::nullopt;
    asked.insert(asked.end(), addresses.begin(), addresses.end());
    Layout shown = three();
    for (Vma& vma : shown) {
      vma.flags &= kQueryFlags;
      if (!vma.has_file()) vma.pgoff = 0;
    }
    QueryView view;
    for (uint64_t address : addresses) {
      auto next = find_in(shown, address).vma;
      if (next) next->end += off_by;
      view.answers.push_back({address, next && next->start <= address ? next : std::nullopt, next});
    }
    for (Vma& vma : shown) vma.end += off_by;
    if (walk) view.layout = shown;
    return view;
  }
};

class SamplerQuery : public testing::Test {
 protected:
  Sample take(bool walk, unsigned lookups, std::vector<uint64_t> again = {}) {
    Sampler sampler(shadow_, live_, proc_, query_, 1);
    Depth depth;
    depth.walk = walk;
    depth.lookups = lookups;
    depth.again = std::move(again);
    Sample sample = sampler.sample(kMm, kPid, depth);
    const QuestionCounts& query = sample.query;
    EXPECT_EQ(query.compared, query.equal + query.divergent + query.moved);
    return sample;
  }

  Shadow shadow_;
  Live live_;
  Proc proc_;
  Query query_;
};

// 3 VMAs and 7 counters by the iterator; of each address find_vma and two queries; 3 VMAs by walk.
TEST_F(SamplerQuery, SameAnswers_CountAsEqualAndInTheSum) {
  const Sample sample = take(true, 4);
  EXPECT_EQ(sample.outcome, Outcome::kCompared);
  EXPECT_EQ(sample.query.equal, 3u + 4 * 2);
  EXPECT_EQ(sample.query.compared, sample.query.equal);
  EXPECT_EQ(sample.comparison.compared, 3u + 7 + 4 + sample.query.compared);
  EXPECT_EQ(sample.comparison.divergent, 0u);
  EXPECT_EQ(sample.moved, 0u);
}

TEST_F(SamplerQuery, EndOffByAPage_IsDivergentInEachAnswerAndNamed) {
  query_.off_by = kPageSize;
  const Sample sample = take(true, 0, {0x1800});
  EXPECT_EQ(sample.query.divergent, 3u + 2);
  EXPECT_EQ(sample.comparison.divergent, 3u + 2);
  for (const Difference& difference : sample.comparison.differences)
    EXPECT_EQ(difference.road, kRoadQuery);
}

TEST_F(SamplerQuery, ShadowMovedBehindTheSnapshot_AllMoved) {
  query_.off_by = kPageSize;
  shadow_.seq_after = 6;
  const Sample sample = take(true, 4);
  EXPECT_EQ(sample.outcome, Outcome::kMoved);
  EXPECT_EQ(sample.query.moved, 3u + 4 * 2);
  EXPECT_EQ(sample.query.compared, sample.query.moved);
  EXPECT_EQ(sample.moved, 3u + 7 + sample.query.moved);
}

TEST_F(SamplerQuery, ShadowsLookupOfAnotherMoment_HasMoved) {
  shadow_.seq_at_find = 6;
  const Sample sample = take(true, 4);
  EXPECT_EQ(sample.outcome, Outcome::kCompared);
  EXPECT_EQ(sample.query.equal, 3u);
  EXPECT_EQ(sample.query.moved, 4u * 2);
  EXPECT_EQ(sample.moved, 4u + 4 * 2);
}

TEST_F(SamplerQuery, NotThere_IsNotAsked) {
  query_.there = false;
  const Sample sample = take(true, 4);
  EXPECT_EQ(sample.outcome, Outcome::kCompared);
  EXPECT_EQ(sample.query.compared, 0u);
  EXPECT_TRUE(query_.asked.empty());
}

TEST_F(SamplerQuery, ProcessGoneForIt_OtherRoadsStillCount) {
  query_.gone = true;
  const Sample sample = take(true, 4);
  EXPECT_EQ(sample.outcome, Outcome::kCompared);
  EXPECT_EQ(sample.query.compared, 0u);
  EXPECT_EQ(sample.comparison.compared, 3u + 7 + 4);
}

TEST_F(SamplerQuery, AddressesAskedAgain_AreAskedBothSides) {
  const Sample sample = take(false, 0, {0x1fff, 0x6000});
  EXPECT_EQ(query_.asked, (std::vector<uint64_t>{0x1fff, 0x6000}));
  EXPECT_EQ(sample.query.equal, 2u * 2);
}

}  // namespace
}  // namespace svma
