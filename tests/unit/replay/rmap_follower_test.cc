// SPDX-License-Identifier: GPL-2.0-only
//
// A shadow that follows reverse mapping, against live chains written down by hand.
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <new>

#include "abi/core_api.h"
#include "live_mm.hpp"
#include "os_services.hpp"

namespace svma::test {
namespace {

constexpr svma_u64 kBase = 0x10000;
constexpr svma_u64 kPage = 0x1000;
constexpr svma_u64 kExec = 0x8100077;  // as FakeLive::add(), and executable

// svma_core_*_size() bytes, aligned as they are to be.
class Block {
 public:
  explicit Block(unsigned long size) : bytes_(::operator new (size, std::align_val_t{64})) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { ::operator delete (bytes_, std::align_val_t{64}); }
  void* get() const { return bytes_; }

 private:
  void* bytes_;
};

struct Process {
  explicit Process(svma_rmap* rmap, u64 owner = 0)
      : memory(svma_core_shadow_size()),
        shadow(svma_core_shadow_init(memory.get(), "6.1", 256 << 12, rmap, owner)) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { svma_core_shadow_clear(shadow); }

  Block memory;
  svma_shadow* shadow;
  FakeLive live;

  // What the chain of the VMA at `start` is like; the first is what it faults into. A root is its
  // own parent and has itself as a child.
  void chain(svma_u64 start, std::initializer_list<svma_live_anon_vma> links) {
    svma_live_chain chain{};
    for (const svma_live_anon_vma& link : links) chain.link[chain.length++] = link;
    chain.anon_vma = chain.link[0].anon_vma;
    live.chains[start] = chain;
    for (svma_live_vma& vma : live.vmas) {
      if (vma.start != start) continue;
      vma.anon_vma = chain.anon_vma;
      vma.anon_singular = chain.length == 1;
    }
  }

  svma_verdict fault(svma_u64 start, bool alone = true) {
    svma_verdict verdict{};
    for (const svma_live_vma& vma : live.vmas) {
      if (vma.start == start) svma_core_anon_vma(shadow, &live, &vma, alone, &verdict);
    }
    return verdict;
  }
};

class RmapFollowerTest : public ::testing::Test {
 protected:
  ~RmapFollowerTest() override {
    fail_allocation(0);
    set_rmap_settled(true);
  }

  // Two neighbours that differ in what mprotect() may change, without pages.
  void load_two() {
    parent_->live.add(kBase, kBase + 4 * kPage);
    parent_->live.add(kBase + 4 * kPage, kBase + 8 * kPage, kExec);
    parent_->live.count();
    ASSERT_EQ(load_whole(parent_->shadow, &parent_->live), 0);
  }
  static constexpr svma_u64 kUpper = kBase + 4 * kPage;

  // The lower one has faulted into anon_vma 100, and a child of it is forked, but not compared.
  void fork_one() {
    load_two();
    parent_->chain(kBase, {{100, 100, 100, 1, 1}});
    ASSERT_EQ(parent_->fault(kBase).rmap_equal, 1u);
    child_ = std::make_unique<Process>(rmap_, 2);
    child_->live.vmas = parent_->live.vmas;
    child_->live.totals = parent_->live.totals;
    ASSERT_EQ(svma_core_fork(child_->shadow, parent_->shadow), 0);
  }
  // mprotect() of the upper one, which changes nothing but that it is faulted in.
  svma_verdict populate(std::initializer_list<svma_live_anon_vma> lower,
                        std::initializer_list<svma_live_anon_vma> upper) {
    svma_op op{};
    op.kind = SVMA_CORE_MPROTECT;
    op.map_count_limit = 65530;
    op.steps = SVMA_STEP_FAULTED;
    op.args[0] = kUpper;
    op.args[1] = kUpper + 4 * kPage;
    op.args[2] = kExec;
    svma_verdict verdict{};
    svma_core_begin(parent_->shadow, &op, &parent_->live, &verdict);
    parent_->chain(kBase, lower);
    parent_->chain(kUpper, upper);
    svma_core_end(parent_->shadow, &op, &parent_->live, &verdict);
    return verdict;
  }
  svma_verdict audit_child() {
    svma_verdict verdict{};
    svma_core_audit(child_->shadow, &child_->live, 1, &verdict);
    return verdict;
  }

  static void expect_all_equal(const svma_verdict& verdict, svma_u32 compared) {
    EXPECT_EQ(verdict.divergent, 0u) << "field " << verdict.mismatch[0].field;
    EXPECT_EQ(verdict.rmap_compared, compared);
    EXPECT_EQ(verdict.rmap_equal, compared);
  }
  static void expect_field(const svma_verdict& verdict, svma_u32 field) {
    EXPECT_EQ(verdict.divergent, 1u);
    EXPECT_EQ(verdict.mismatch[0].field, field);
    EXPECT_LT(verdict.rmap_equal, verdict.rmap_compared);
  }

  Block memory_{svma_core_rmap_size()};
  svma_rmap* rmap_ = svma_core_rmap_init(memory_.get(), "6.1");
  std::unique_ptr<Process> parent_ = std::make_unique<Process>(rmap_, 1);
  std::unique_ptr<Process> child_;
};

TEST_F(RmapFollowerTest, FirstFault_NewAnonVma_IsBound) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  expect_all_equal(parent_->fault(kBase), 1);
}

TEST_F(RmapFollowerTest, FirstFault_NeighbourFits_ItsAnonVmaIsPredicted) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->fault(kBase);
  parent_->chain(kUpper, {{100, 100, 100, 1, 2}});
  expect_all_equal(parent_->fault(kUpper), 1);
}

TEST_F(RmapFollowerTest, FirstFault_NewOneWhereANeighbourFits_Diverges) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->fault(kBase);
  parent_->chain(kUpper, {{200, 200, 200, 1, 1}});
  expect_field(parent_->fault(kUpper), SVMA_CORE_FIELD_CHAIN);
}

TEST_F(RmapFollowerTest, FirstFault_NotAlone_IsTakenOver) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->fault(kBase);
  parent_->chain(kUpper, {{200, 200, 200, 1, 1}});
  const svma_verdict verdict = parent_->fault(kUpper, /*alone=*/false);
  EXPECT_EQ(verdict.divergent, 0u);
  EXPECT_EQ(verdict.facts, 1u);
  EXPECT_EQ(verdict.rmap_compared, 0u);
}

// mprotect() populates locked memory that becomes writable before it ends.
TEST_F(RmapFollowerTest, FaultInsideAnOperation_NeighbourFits_CountsOfBothArePredicted) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->fault(kBase);
  expect_all_equal(populate({{100, 100, 100, 1, 2}}, {{100, 100, 100, 1, 2}}), 2);
}

TEST_F(RmapFollowerTest, FaultInsideAnOperation_NewOneWhereANeighbourFits_Diverges) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->fault(kBase);
  const svma_verdict verdict = populate({{100, 100, 100, 1, 1}}, {{200, 200, 200, 1, 1}});
  EXPECT_GE(verdict.divergent, 1u);
  EXPECT_LT(verdict.rmap_equal, verdict.rmap_compared);
}

TEST_F(RmapFollowerTest, Counts_DifferWhenSettled_Diverge) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 2, 1}});
  expect_field(parent_->fault(kBase), SVMA_CORE_FIELD_CHILDREN);
}

TEST_F(RmapFollowerTest, Counts_DifferWhileSomebodyIsBusy_AreNotJudged) {
  load_two();
  set_rmap_settled(false);
  parent_->chain(kBase, {{100, 100, 100, 1, 2}});
  const svma_verdict verdict = parent_->fault(kBase);
  expect_all_equal(verdict, 1);
  EXPECT_EQ(verdict.rmap_unsure, 1u);
}

TEST_F(RmapFollowerTest, Fork_OwnAnonVmaOnTop_IsPredicted) {
  fork_one();
  child_->chain(kBase, {{300, 100, 100, 0, 1}, {100, 100, 100, 2, 1}});
  expect_all_equal(audit_child(), 1);
}

TEST_F(RmapFollowerTest, Fork_IdentityOfTheParent_IsNoNewOne) {
  fork_one();
  child_->chain(kBase, {{100, 100, 100, 2, 1}, {100, 100, 100, 2, 1}});
  expect_field(audit_child(), SVMA_CORE_FIELD_CHAIN);
}

TEST_F(RmapFollowerTest, Fork_OtherParent_Diverges) {
  fork_one();
  child_->chain(kBase, {{300, 100, 300, 0, 1}, {100, 100, 100, 2, 1}});
  expect_field(audit_child(), SVMA_CORE_FIELD_ANON_PARENT);
}

TEST_F(RmapFollowerTest, Fork_ReuseThatARelativeMayHaveMadePossible_IsAFact) {
  fork_one();
  set_rmap_settled(false);
  child_->chain(kBase, {{100, 100, 100, 1, 2}});
  const svma_verdict verdict = audit_child();
  EXPECT_EQ(verdict.divergent, 0u);
  EXPECT_EQ(verdict.rmap_compared, 0u);
  EXPECT_EQ(verdict.rmap_unsure, 1u);
}

TEST_F(RmapFollowerTest, Identity_TurnsUpElsewhere_TheOlderOneIsEvicted) {
  fork_one();
  child_->chain(kBase, {{300, 100, 100, 0, 1}, {100, 100, 100, 2, 1}});
  audit_child();
  Process stranger(rmap_);
  stranger.live.add(kBase, kBase + kPage);
  stranger.live.count();
  ASSERT_EQ(load_whole(stranger.shadow, &stranger.live), 0);
  stranger.chain(kBase, {{300, 300, 300, 1, 1}});
  expect_all_equal(stranger.fault(kBase), 1);
  svma_verdict verdict{};
  svma_core_audit(child_->shadow, &child_->live, 0, &verdict);
  expect_field(verdict, SVMA_CORE_FIELD_CHAIN);
}

TEST_F(RmapFollowerTest, Load_ForkedProcessAlone_TakesTheTopologyOver) {
  parent_->live.add(kBase, kBase + kPage);
  parent_->live.count();
  parent_->chain(kBase, {{300, 100, 200, 0, 1}, {200, 100, 100, 1, 1}, {100, 100, 100, 2, 1}});
  ASSERT_EQ(load_whole(parent_->shadow, &parent_->live), 0);
  svma_verdict verdict{};
  svma_core_audit(parent_->shadow, &parent_->live, 0, &verdict);
  expect_all_equal(verdict, 1);
}

TEST_F(RmapFollowerTest, Load_ChainInParts_TakesTheTopologyOver) {
  parent_->live.add(kBase, kBase + kPage);
  parent_->live.count();
  parent_->chain(kBase, {{500, 100, 400, 0, 1},
                         {400, 100, 200, 1, 0},
                         {300, 100, 200, 0, 0},
                         {200, 100, 100, 2, 0},
                         {100, 100, 100, 2, 0}});
  for (svma_u32 budget = 1; budget <= 7; ++budget) {
    svma_load progress{};
    while (progress.stage != SVMA_LOAD_DONE) {
      ASSERT_EQ(svma_core_load_part(parent_->shadow, &parent_->live, &progress, budget), 0);
    }
    svma_verdict verdict{};
    svma_core_audit(parent_->shadow, &parent_->live, 0, &verdict);
    expect_all_equal(verdict, 1);
    svma_core_shadow_clear(parent_->shadow);
  }
}

TEST_F(RmapFollowerTest, Chains_InParts_EachLinkOnce) {
  fork_one();
  svma_u64 from = 0;
  svma_u32 skip = 0;
  svma_u32 more = 1;
  std::vector<svma_core_link> links;
  while (more) {
    svma_core_link part{};
    const svma_u32 count = svma_core_chains(child_->shadow, &from, &skip, &part, /*room=*/1, &more);
    ASSERT_LE(count, 1u);
    if (count == 1) links.push_back(part);
    ASSERT_LE(links.size(), 2u);
  }
  ASSERT_EQ(links.size(), 2u);
  EXPECT_EQ(links[0].start, kBase);
  EXPECT_EQ(links[0].end, kUpper);
  EXPECT_EQ(links[0].bits, SVMA_CORE_LINK_OWN);
  EXPECT_EQ(links[0].root, links[1].anon_vma);
  EXPECT_EQ(links[0].parent, links[1].anon_vma);
  EXPECT_EQ(links[0].children, 0u);
  EXPECT_EQ(links[0].active_vmas, 1u);
  EXPECT_EQ(links[0].refcount, 1u);
  EXPECT_NE(links[0].anon_vma, links[1].anon_vma);
  EXPECT_EQ(links[1].bits, 0u);
  EXPECT_EQ(links[1].root, links[1].anon_vma);
  EXPECT_EQ(links[1].children, 2u);
  EXPECT_EQ(links[1].refcount, 2u);
}

TEST_F(RmapFollowerTest, Sharers_ForkedPage_BothAtItsAddress) {
  fork_one();
  svma_core_page page{};
  svma_core_sharer sharers[3]{};
  svma_u64 total = 0;
  ASSERT_EQ(svma_core_sharers(parent_->shadow, kBase + 2 * kPage + 5, &page, sharers, 3, &total),
            0);
  ASSERT_EQ(total, 2u);
  EXPECT_EQ(sharers[0].owner + sharers[1].owner, 3u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(sharers[i].start, kBase);
    EXPECT_EQ(sharers[i].end, kUpper);
    EXPECT_EQ(sharers[i].address, kBase + 2 * kPage);
  }
  EXPECT_NE(page.anon_vma, 0u);
  EXPECT_EQ(page.ino, 0u);

  ASSERT_EQ(svma_core_sharers(parent_->shadow, kBase, &page, sharers, 1, &total), 0);
  EXPECT_EQ(total, 2u) << "counted, although only one fits";
}

TEST_F(RmapFollowerTest, Sharers_NothingThere_SaysSo) {
  fork_one();
  svma_core_page page{};
  svma_u64 total = 7;
  EXPECT_EQ(svma_core_sharers(parent_->shadow, kBase - 1, &page, nullptr, 0, &total), -2);
  ASSERT_EQ(svma_core_sharers(parent_->shadow, kUpper, &page, nullptr, 0, &total), 0);
  EXPECT_EQ(total, 0u) << "never faulted";
  EXPECT_EQ(page.anon_vma, 0u);
}

TEST_F(RmapFollowerTest, Fork_FaultsIntoAnotherOfTheChain_Diverges) {
  fork_one();
  child_->chain(kBase, {{300, 100, 100, 0, 1}, {100, 100, 100, 2, 1}});
  child_->live.chains[kBase].anon_vma = 100;
  const svma_verdict verdict = audit_child();
  expect_field(verdict, SVMA_CORE_FIELD_ANON_VMA);
  EXPECT_EQ(verdict.mismatch[0].predicted_value, 0u);
  EXPECT_EQ(verdict.mismatch[0].observed_value, 1u);
}

TEST_F(RmapFollowerTest, Abroad_ThenFirstFault_CountsAreNotJudged) {
  load_two();
  svma_core_rmap_abroad(parent_->shadow);
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  expect_all_equal(parent_->fault(kBase), 1);
  parent_->chain(kBase, {{100, 100, 100, 2, 2}});
  svma_verdict verdict{};
  svma_core_audit(parent_->shadow, &parent_->live, 0, &verdict);
  expect_all_equal(verdict, 1);
}

TEST_F(RmapFollowerTest, Load_ChainTooLongToBeTakenOver_Refused) {
  parent_->live.add(kBase, kBase + kPage);
  parent_->live.count();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->live.chains[kBase].longer = 1;
  EXPECT_NE(load_whole(parent_->shadow, &parent_->live), 0);
  parent_.reset();
  EXPECT_EQ(allocations_outstanding(), 0u);
}

TEST_F(RmapFollowerTest, Leave_Loaded_TakesNothingAlong) {
  fork_one();
  svma_core_rmap_leave(parent_->shadow, 1);
  svma_core_rmap_leave(child_->shadow, 1);
  child_.reset();
  parent_.reset();
  EXPECT_EQ(allocations_outstanding(), 0u);
}

TEST_F(RmapFollowerTest, EachAllocation_Fails_ForkIsTakenBack) {
  load_two();
  parent_->chain(kBase, {{100, 100, 100, 1, 1}});
  parent_->fault(kBase);
  const auto before = allocations_outstanding();
  int err = -1;
  for (unsigned nth = 1; err != 0; ++nth) {
    Process child(rmap_);
    fail_allocation(nth);
    err = svma_core_fork(child.shadow, parent_->shadow);
    const bool failed = nth <= allocations_asked();
    fail_allocation(0);
    EXPECT_EQ(err != 0, failed) << nth;
    if (err) {
      EXPECT_EQ(allocations_outstanding(), before) << nth;
    }
  }
}

TEST_F(RmapFollowerTest, FirstFault_NoMemory_SuspectAndNothingLeaks) {
  for (unsigned nth = 1; nth <= 2; ++nth) {
    Process process(rmap_);
    process.live.add(kBase, kBase + kPage);
    process.live.count();
    ASSERT_EQ(load_whole(process.shadow, &process.live), 0);
    process.chain(kBase, {{100, 100, 100, 1, 1}});
    const auto before = allocations_outstanding();
    fail_allocation(nth);
    const svma_verdict verdict = process.fault(kBase);
    fail_allocation(0);
    EXPECT_EQ(verdict.suspect, 1u);
    EXPECT_EQ(verdict.divergent, 0u);
    EXPECT_EQ(allocations_outstanding(), before);
  }
}

}  // namespace
}  // namespace svma::test
