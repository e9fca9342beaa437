// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>

#include "rmap_fixture.hpp"

namespace svma::test {
namespace {

using Chain = std::vector<const AnonVma*>;
using Vmas = std::vector<const RmapVma*>;

class RmapAnonVma : public RmapFixture {};
class RmapAnonVma73 : public RmapFixture {
 protected:
  RmapAnonVma73() : RmapFixture("7.3") {}
};
class RmapDegree : public RmapFixture {
 protected:
  RmapDegree() : RmapFixture("degree") {}
};

// --- prepare

TEST_F(RmapAnonVma, Prepare_AloneGetsARoot) {
  RmapVma* const vma = make_faulted(10, 14);
  ASSERT_NE(vma->anon_vma, nullptr);
  EXPECT_EQ(chain(vma), Chain{vma->anon_vma});
  EXPECT_EQ(vma->anon_vma->root, vma->anon_vma);
  EXPECT_EQ(vma->anon_vma->parent, vma->anon_vma);
  EXPECT_EQ(vma->anon_vma->refcount, 1u);
  EXPECT_EQ(vma->anon_vma->num_children, 1u);
  EXPECT_EQ(vma->anon_vma->num_active_vmas, 1u);
  EXPECT_EQ(verify(), "");
}

TEST_F(RmapAnonVma, Prepare_SecondTimeChangesNothing) {
  RmapVma* const vma = make_faulted(10, 14);
  reserve_.release();
  EXPECT_TRUE(rmap_.anon_vma_prepare(vma, nullptr, nullptr, reserve_).ok());
  EXPECT_EQ(rmap_.avc_count(), 1u);
}

//     PPPPVVVVNNNN   the one above is asked first
TEST_F(RmapAnonVma, Prepare_SharesWithTheNextThenThePrevious) {
  RmapVma* const prev = make_faulted(6, 10);
  RmapVma* const vma = make(10, 14);
  RmapVma* const next = make_faulted(14, 18);
  prepare(vma, prev, next);
  EXPECT_EQ(vma->anon_vma, next->anon_vma);
  EXPECT_EQ(next->anon_vma->num_active_vmas, 2u);
  RmapVma* const other = make(10, 14);
  prepare(other, prev, nullptr);
  EXPECT_EQ(other->anon_vma, prev->anon_vma);
  EXPECT_EQ(verify(), "");
}

TEST_F(RmapAnonVma, Prepare_SharesAcrossWhatMprotectMayChange) {
  RmapVma* const prev = make_faulted(6, 10);
  RmapVma* const vma = make(10, 14);
  vma->attrs.vm_flags ^= 0x8000007;  // read, write, exec, soft-dirty
  prepare(vma, prev, nullptr);
  EXPECT_EQ(vma->anon_vma, prev->anon_vma);
}

TEST_F(RmapAnonVma, Prepare_DoesNotShareWithWhatDiffers) {
  RmapVma* const prev = make_faulted(6, 10);
  const auto alone = [&](RmapVma* vma) {
    prepare(vma, prev, nullptr);
    return vma->anon_vma != prev->anon_vma;
  };
  RmapVma* vma = make(11, 14);
  EXPECT_TRUE(alone(vma)) << "a hole between";
  vma = make(10, 14);
  vma->attrs.vm_flags |= 0x2000;
  EXPECT_TRUE(alone(vma)) << "other flags";
  vma = make(10, 14);
  vma->attrs.file = 1;
  EXPECT_TRUE(alone(vma)) << "another file";
  vma = make(10, 14);
  vma->attrs.policy = 1;
  EXPECT_TRUE(alone(vma)) << "another policy";
  vma = make(10, 14);
  vma->bounds = bounds(10, 14, 11);
  EXPECT_TRUE(alone(vma)) << "other indices";
  vma = make(10, 14);
  vma->attrs.vm_flags |= 0x800;
  EXPECT_TRUE(alone(vma)) << "there is no VM_MAYBE_GUARD yet";
}

TEST_F(RmapAnonVma73, Prepare_DoesNotMindGuardsButAnonymousIndices) {
  RmapVma* const prev = make_faulted(6, 10);
  RmapVma* const guarded = make(10, 14);
  guarded->attrs.vm_flags |= 0x800;
  prepare(guarded, prev, nullptr);
  EXPECT_EQ(guarded->anon_vma, prev->anon_vma);
  RmapVma* const elsewhere = make(10, 14);
  elsewhere->bounds.anon_pgoff = PageOffset(99);
  prepare(elsewhere, prev, nullptr);
  EXPECT_NE(elsewhere->anon_vma, prev->anon_vma);
}

TEST_F(RmapAnonVma, Prepare_DoesNotShareWithAForkedNeighbour) {
  RmapVma* const prev = fork(make_faulted(6, 10));
  RmapVma* const vma = make(10, 14);
  prepare(vma, prev, nullptr);
  EXPECT_EQ(vma->anon_vma->root, vma->anon_vma);
  EXPECT_EQ(verify(), "");
}

// --- clone

TEST_F(RmapAnonVma, Clone_HasTheSameChainInTheSameOrder) {
  RmapVma* const vma = fork(fork(make_faulted(10, 14)));
  RmapVma* const other = copy(vma);
  stock(3, 0);
  ASSERT_TRUE(rmap_.anon_vma_clone(other, vma, CloneKind::kSplit, reserve_).ok());
  EXPECT_EQ(chain(other), chain(vma));
  EXPECT_EQ(other->anon_vma, vma->anon_vma);
  EXPECT_EQ(vma->anon_vma->num_active_vmas, 2u);
  EXPECT_EQ(verify(), "");
}

TEST_F(RmapAnonVma73, Clone_ReversesTheChain) {
  RmapVma* const vma = fork(fork(make_faulted(10, 14)));
  RmapVma* const other = copy(vma);
  stock(3, 0);
  ASSERT_TRUE(rmap_.anon_vma_clone(other, vma, CloneKind::kSplit, reserve_).ok());
  Chain reversed = chain(vma);
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(chain(other), reversed);
  EXPECT_EQ(verify(), "");
}

TEST_F(RmapAnonVma, Clone_OfNothingIsNothing) {
  RmapVma* const vma = make(10, 14);
  RmapVma* const other = copy(vma);
  ASSERT_TRUE(rmap_.anon_vma_clone(other, vma, CloneKind::kSplit, reserve_).ok());
  EXPECT_EQ(other->anon_vma, nullptr);
  EXPECT_EQ(rmap_.avc_count(), 0u);
}

TEST_F(RmapAnonVma, DupAnonVma_ImportsOnlyWhereThereIsNone) {
  RmapVma* const source = make_faulted(10, 14);
  RmapVma* const empty = make(6, 10);
  RmapVma* const own = make_faulted(6, 10);
  const AnonVma* const before = own->anon_vma;
  stock(1, 0);
  ASSERT_TRUE(rmap_.dup_anon_vma(own, source, reserve_).ok());
  EXPECT_EQ(own->anon_vma, before);
  ASSERT_TRUE(rmap_.dup_anon_vma(empty, source, reserve_).ok());
  EXPECT_EQ(empty->anon_vma, source->anon_vma);
  EXPECT_EQ(walk(source->anon_vma, 6), Vmas{empty});
  EXPECT_EQ(verify(), "");
}

// --- fork

// Each generation has all its ancestors' anon_vmas and one of its own on top.
TEST_F(RmapAnonVma, Fork_FiveDeep) {
  std::vector<RmapVma*> line{make_faulted(10, 14)};
  const AnonVma* const root = line[0]->anon_vma;
  for (std::size_t depth = 1; depth <= 5; ++depth) {
    RmapVma* const child = fork(line.back());
    const AnonVma* const own = child->anon_vma;
    EXPECT_EQ(own->parent, line.back()->anon_vma);
    EXPECT_EQ(own->root, root);
    EXPECT_EQ(own->refcount, 1u);
    EXPECT_EQ(own->num_children, 0u);
    EXPECT_EQ(line.back()->anon_vma->num_children, depth == 1 ? 2u : 1u);
    Chain expected = chain(line.back());
    expected.insert(expected.begin(), own);
    EXPECT_EQ(chain(child), expected);
    line.push_back(child);
    ASSERT_EQ(verify(), "");
  }
  EXPECT_EQ(root->refcount, 6u);
  // A page of generation g may be mapped by it and all that came after.
  for (std::size_t g = 0; g < line.size(); ++g) {
    EXPECT_EQ(walk(line[g]->anon_vma, 12), Vmas(line.begin() + static_cast<long>(g), line.end()));
  }
}

TEST_F(RmapAnonVma, Fork_OfWhatWasNeverFaultedInIsNothing) {
  RmapVma* const child = fork(make(10, 14));
  EXPECT_EQ(child->anon_vma, nullptr);
  EXPECT_EQ(rmap_.anon_vma_count(), 0u);
}

TEST_F(RmapAnonVma, Fork_WipedHasNoAnonVma) {
  RmapVma* const parent = make_faulted(10, 14);
  RmapVma* const child = copy(parent);
  ASSERT_TRUE(rmap_.fork_vma(child, parent, true, reserve_).ok());
  EXPECT_EQ(child->anon_vma, nullptr);
  EXPECT_EQ(verify(), "");
}

// The picture in anon_vma.cc: init, a, b, c; when a has gone, c faults into its anon_vma.
TEST_F(RmapAnonVma, Fork_ReusesTheAnonVmaOfAParentThatHasGone) {
  RmapVma* const a = fork(make_faulted(10, 14));
  const AnonVma* const of_a = a->anon_vma;
  RmapVma* const b = fork(a);
  rmap_.unlink_anon_vmas(a);
  EXPECT_EQ(of_a->num_active_vmas, 0u);
  RmapVma* const c = fork(b);
  EXPECT_EQ(c->anon_vma, of_a);
  EXPECT_EQ(chain(c), chain(b));
  EXPECT_EQ(verify(), "");
}

TEST_F(RmapAnonVma, Fork_DoesNotReuseWhatHasTwoChildren) {
  RmapVma* const a = fork(make_faulted(10, 14));
  RmapVma* const b = fork(a);
  fork(a);
  const AnonVma* const of_a = a->anon_vma;
  rmap_.unlink_anon_vmas(a);
  RmapVma* const c = fork(b);
  EXPECT_NE(c->anon_vma, of_a);
  EXPECT_EQ(c->anon_vma->parent, b->anon_vma);
  EXPECT_EQ(verify(), "");
}

// The root is its own child, so that with one more it has two.
TEST_F(RmapAnonVma, Fork_NeverReusesTheRoot) {
  RmapVma* const first = make_faulted(10, 14);
  const AnonVma* const root = first->anon_vma;
  RmapVma* const a = fork(first);
  rmap_.unlink_anon_vmas(first);
  RmapVma* const b = fork(a);
  EXPECT_NE(b->anon_vma, root);
  EXPECT_EQ(chain(b).size(), 3u);
}

// A daemon that goes on as its child keeps a chain of at most three.
TEST_F(RmapAnonVma, Fork_EndlesslyDoesNotGrow) {
  RmapVma* vma = make_faulted(10, 14);
  for (int i = 0; i < 50; ++i) {
    RmapVma* const child = fork(vma);
    rmap_.unlink_anon_vmas(vma);
    vma = child;
    ASSERT_LE(chain(vma).size(), 3u);
    ASSERT_LE(rmap_.anon_vma_count(), 3u);
    ASSERT_EQ(verify(), "");
  }
}

// Two may be reused: before, the older one; since v7.0 the newer.
//
//     root -> a -> b -> c -> d -> e(child of d), a and c have gone; b and d still run
TEST_F(RmapAnonVma, Fork_ReusesTheOldestThatWillDo) {
  RmapVma* const a = fork(make_faulted(10, 14));
  RmapVma* const b = fork(a);
  RmapVma* const c = fork(b);
  RmapVma* const d = fork(c);
  const AnonVma* const of_a = a->anon_vma;
  rmap_.unlink_anon_vmas(a);
  rmap_.unlink_anon_vmas(c);
  EXPECT_EQ(fork(d)->anon_vma, of_a);
  EXPECT_EQ(verify(), "");
}

TEST_F(RmapAnonVma73, Fork_ReusesByTheOrderOfTheSource) {
  RmapVma* const a = fork(make_faulted(10, 14));
  RmapVma* const b = fork(a);
  RmapVma* const c = fork(b);
  RmapVma* const d = fork(c);
  const AnonVma* const of_a = a->anon_vma;
  const AnonVma* const of_c = c->anon_vma;
  const Chain source = chain(d);
  rmap_.unlink_anon_vmas(a);
  rmap_.unlink_anon_vmas(c);
  const AnonVma* const expected = *std::find_if(
      source.begin(), source.end(), [&](auto* each) { return each == of_a || each == of_c; });
  EXPECT_EQ(fork(d)->anon_vma, expected);
  EXPECT_EQ(verify(), "");
}

// 2555283eb40d: whoever reuses an anon_vma has no new one that would be a child of its parent's.
//
//     root -> a -> b -> c -> d
//
// a has gone and c has taken A. So B has one VMA, b, and no child: with one counter for both that
// looks like one child and no VMA, and d takes B while b still faults into it.
TEST_F(RmapDegree, Fork_ReusesWhatIsStillInUse) {
  RmapVma* const a = fork(make_faulted(10, 14));
  RmapVma* const b = fork(a);
  const AnonVma* const of_a = a->anon_vma;
  const AnonVma* const of_b = b->anon_vma;
  rmap_.unlink_anon_vmas(a);
  RmapVma* const c = fork(b);
  ASSERT_EQ(c->anon_vma, of_a);
  RmapVma* const d = fork(c);
  EXPECT_EQ(d->anon_vma, of_b) << "which b still faults into";
  EXPECT_EQ(of_b->num_active_vmas, 2u);
}

TEST_F(RmapAnonVma, Fork_DoesNotReuseALeafInUse) {
  RmapVma* const a = fork(make_faulted(10, 14));
  RmapVma* const b = fork(a);
  rmap_.unlink_anon_vmas(a);
  RmapVma* const c = fork(b);
  RmapVma* const d = fork(c);
  EXPECT_NE(d->anon_vma, b->anon_vma);
  EXPECT_EQ(d->anon_vma->parent, c->anon_vma);
  EXPECT_EQ(verify(), "");
}

// --- unlink

TEST_F(RmapAnonVma, Unlink_ParentsFirstLeavesTheRootToItsChildren) {
  RmapVma* const first = make_faulted(10, 14);
  RmapVma* const second = fork(first);
  RmapVma* const third = fork(second);
  const AnonVma* const root = first->anon_vma;
  rmap_.unlink_anon_vmas(first);
  rmap_.unlink_anon_vmas(second);
  EXPECT_EQ(rmap_.anon_vma_count(), 3u) << "the child is in all of their trees";
  EXPECT_EQ(root->refcount, 3u);
  EXPECT_EQ(verify(), "");
  rmap_.unlink_anon_vmas(third);
  EXPECT_EQ(rmap_.anon_vma_count(), 0u);
}

TEST_F(RmapAnonVma, Unlink_ChildrenFirstGivesEachBack) {
  RmapVma* const first = make_faulted(10, 14);
  RmapVma* const second = fork(first);
  RmapVma* const third = fork(second);
  rmap_.unlink_anon_vmas(third);
  EXPECT_EQ(rmap_.anon_vma_count(), 2u);
  EXPECT_EQ(second->anon_vma->num_children, 0u);
  rmap_.unlink_anon_vmas(second);
  EXPECT_EQ(rmap_.anon_vma_count(), 1u);
  EXPECT_EQ(first->anon_vma->num_children, 1u);
  EXPECT_EQ(first->anon_vma->refcount, 1u);
  EXPECT_EQ(verify(), "");
}

// --- failure: whatever the reserve runs out of, nothing has changed

class RmapFailure : public RmapFixture, public testing::WithParamInterface<const char*> {
 protected:
  RmapFailure() : RmapFixture(GetParam()) {}
};

TEST_P(RmapFailure, Prepare_LeavesNothing) {
  for (unsigned avcs = 0; avcs < 2; ++avcs) {
    RmapVma* const vma = make(10, 14);
    stock_only(avcs, 0);
    EXPECT_EQ(rmap_.anon_vma_prepare(vma, nullptr, nullptr, reserve_).err(), -kENOMEM);
    EXPECT_EQ(vma->anon_vma, nullptr);
    EXPECT_EQ(rmap_.avc_count(), 0u);
    EXPECT_EQ(verify(), "");
  }
}

TEST_P(RmapFailure, Clone_LeavesNothing) {
  RmapVma* const vma = fork(fork(fork(make_faulted(10, 14))));
  const u64 before = rmap_.avc_count();
  const RmapNeed need = Rmap::clone_needs(*vma);
  EXPECT_EQ(need.avcs, 4u);
  for (unsigned avcs = 0; avcs < need.avcs; ++avcs) {
    RmapVma* const other = copy(vma);
    stock_only(avcs, 0);
    EXPECT_EQ(rmap_.anon_vma_clone(other, vma, CloneKind::kSplit, reserve_).err(), -kENOMEM);
    EXPECT_EQ(other->anon_vma, nullptr);
    EXPECT_TRUE(other->anon_vma_chain.empty());
    EXPECT_EQ(rmap_.avc_count(), before);
    EXPECT_EQ(verify(), "");
  }
}

TEST_P(RmapFailure, Fork_LeavesNothing) {
  RmapVma* const vma = fork(fork(make_faulted(10, 14)));
  const u64 avcs_before = rmap_.avc_count();
  const u64 anon_vmas_before = rmap_.anon_vma_count();
  const RmapNeed need = Rmap::fork_needs(*vma);
  EXPECT_EQ(need.avcs, 4u);
  EXPECT_EQ(need.anon_vmas, 1u);
  for (unsigned anon_vmas = 0; anon_vmas <= need.anon_vmas; ++anon_vmas) {
    for (unsigned avcs = 0; avcs <= need.avcs; ++avcs) {
      if (avcs == need.avcs && anon_vmas == need.anon_vmas) continue;
      RmapVma* const child = copy(vma);
      stock_only(avcs, anon_vmas);
      EXPECT_EQ(rmap_.fork_vma(child, vma, false, reserve_).err(), -kENOMEM);
      EXPECT_EQ(child->anon_vma, nullptr);
      EXPECT_TRUE(child->anon_vma_chain.empty());
      EXPECT_EQ(rmap_.avc_count(), avcs_before);
      EXPECT_EQ(rmap_.anon_vma_count(), anon_vmas_before);
      EXPECT_EQ(verify(), "") << avcs << " " << anon_vmas;
    }
  }
}

// 7.3 needs an anon_vma even to find out that it does not.
TEST_P(RmapFailure, Fork_ThatReusesNeedsAnAnonVmaOnlyIfItAllocatesFirst) {
  RmapVma* const a = fork(make_faulted(10, 14));
  RmapVma* const b = fork(a);
  rmap_.unlink_anon_vmas(a);
  stock_only(4, 0);
  const bool forked = rmap_.fork_vma(copy(b), b, false, reserve_).ok();
  EXPECT_EQ(forked, !rmap_.semantics().fork_allocates_first);
  EXPECT_EQ(verify(), "");
}

INSTANTIATE_TEST_SUITE_P(Kernels, RmapFailure, testing::Values("5.10", "6.1", "6.12", "7.3"),
                         [](const auto& kernel) {
                           std::string name = kernel.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

TEST(RmapReserve, Fill_ThatFailsKeepsWhatItGot) {
  {
    RmapReserve reserve;
    fail_allocation(3);
    EXPECT_EQ(reserve.fill({5, 5}).err(), -kENOMEM);
    fail_allocation(0);
    EXPECT_EQ(reserve.available().avcs, 2u);
    EXPECT_EQ(reserve.available().anon_vmas, 0u);
    EXPECT_TRUE(reserve.fill({5, 1}).ok());
    EXPECT_EQ(reserve.available().avcs, 5u);
    EXPECT_EQ(allocations_outstanding(), 6u);
  }
  EXPECT_EQ(allocations_outstanding(), 0u);
}

TEST(RmapSemantics, Profiles_AreFoundByName) {
  for (const char* const name : {"5.10", "6.1", "6.12", "7.3", "degree"}) {
    ASSERT_NE(find_rmap_semantics(name), nullptr);
    EXPECT_STREQ(find_rmap_semantics(name)->name, name);
  }
  EXPECT_EQ(find_rmap_semantics("6"), nullptr);
  EXPECT_EQ(find_rmap_semantics("6.10"), nullptr);
  EXPECT_EQ(find_rmap_semantics(""), nullptr);
}

}  // namespace
}  // namespace svma::test
