// SPDX-License-Identifier: GPL-2.0-only
//
// Changes of VMAs. In the pictures a letter is a page of a VMA.
#include "rmap_fixture.hpp"

namespace svma::test {
namespace {

using Vmas = std::vector<const RmapVma*>;

class RmapChanges : public RmapFixture, public testing::WithParamInterface<const char*> {
 protected:
  RmapChanges() : RmapFixture(GetParam()) {}

  ~RmapChanges() override {
    for (RmapVma& vma : vmas_) {
      if (linked(&vma)) rmap_.remove_shared_vm_struct(&vma);
    }
  }

  bool linked(const RmapVma* vma) const {
    for (const RmapVma* at = file_.i_mmap.first(); at; at = FileTree::next(at)) {
      if (at == vma) return true;
    }
    return false;
  }

  RmapVma* make_file(u64 first, u64 end, u64 pgoff) {
    RmapVma* const vma = make(first, end);
    vma->bounds = bounds(first, end, pgoff);
    vma->attrs.anonymous = false;
    vma->attrs.file = 1;
    vma->mapping = &file_;
    rmap_.vma_link_file(vma);
    return vma;
  }

  // All of them, in the order of a walk.
  Vmas in_file() const {
    Vmas all;
    for (const RmapVma* at = file_.i_mmap.first(); at; at = FileTree::next(at)) all.push_back(at);
    return all;
  }
};

// --- split

//     AAAAAAAA  -->  AAAAaaaa   or   aaaaAAAA
TEST_P(RmapChanges, Split_BothPartsAreFoundByTheirPages) {
  for (const bool new_below : {false, true}) {
    RmapVma* const vma = make_faulted(8, 16);
    RmapVma* const fresh = copy(vma);
    stock(1, 0);
    ASSERT_TRUE(rmap_.split_vma(vma, fresh, at(12), new_below, reserve_).ok());
    const RmapVma* const lower = new_below ? fresh : vma;
    const RmapVma* const upper = new_below ? vma : fresh;
    EXPECT_EQ(lower->bounds, bounds(8, 12, 8));
    EXPECT_EQ(upper->bounds, bounds(12, 16, 12));
    EXPECT_EQ(walk(vma->anon_vma, 11), Vmas{lower});
    EXPECT_EQ(walk(vma->anon_vma, 12), Vmas{upper});
    EXPECT_EQ(walk(vma->anon_vma, 11, 2), (Vmas{lower, upper}));
    EXPECT_EQ(verify(), "");
  }
}

TEST_P(RmapChanges, Split_WithoutMemoryLeavesTheVma) {
  RmapVma* const vma = make_faulted(8, 16);
  stock_only(0, 0);
  EXPECT_EQ(rmap_.split_vma(vma, copy(vma), at(12), false, reserve_).err(), -kENOMEM);
  vmas_.pop_back();
  EXPECT_EQ(vma->bounds, bounds(8, 16, 8));
  EXPECT_EQ(walk(vma->anon_vma, 12), Vmas{vma});
  EXPECT_EQ(verify(), "");
}

// The new part is in the tree before the old one leaves it and comes back.
TEST_P(RmapChanges, Split_OfAFileMappingGoesBehindWhatStartsAlike) {
  RmapVma* const vma = make_file(8, 16, 0);
  RmapVma* const same = make_file(30, 38, 0);
  RmapVma* const fresh = copy(vma);
  ASSERT_TRUE(rmap_.split_vma(vma, fresh, at(12), false, reserve_).ok());
  EXPECT_EQ(in_file(), (Vmas{same, vma, fresh}));
  EXPECT_EQ(walk(file_, 5), (Vmas{same, fresh}));
  EXPECT_EQ(verify(), "");
}

// --- merge

//     case 1, 6   PPVVNN  -->  PPPPPP   the chain comes from the one that has one
TEST_P(RmapChanges, Adjust_SwallowsTwoAndImportsTheChain) {
  for (const bool middle_faulted : {false, true}) {
    RmapVma* const prev = make(8, 10);
    RmapVma* const vma = middle_faulted ? make_faulted(10, 12) : make(10, 12);
    RmapVma* const next = make(12, 14);
    if (!middle_faulted) prepare(next);
    RmapVma* const source = middle_faulted ? vma : next;
    const AnonVma* const anon_vma = source->anon_vma;
    RmapChange change;
    change.vma = prev;
    change.bounds = bounds(8, 14, 8);
    change.remove = vma;
    change.remove2 = next;
    change.importer = prev;
    change.exporter = source;
    EXPECT_EQ(Rmap::adjust_needs(change).avcs, 1u);
    stock(1, 0);
    ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
    EXPECT_EQ(prev->bounds, bounds(8, 14, 8));
    EXPECT_EQ(prev->anon_vma, anon_vma);
    for (const u64 page : {8u, 10u, 12u, 13u}) EXPECT_EQ(walk(anon_vma, page), Vmas{prev});
    EXPECT_EQ(vma->anon_vma, nullptr);
    EXPECT_EQ(next->anon_vma, nullptr);
    EXPECT_EQ(verify(), "");
  }
}

TEST_P(RmapChanges, Adjust_WithoutMemoryChangesNothing) {
  RmapVma* const prev = make(8, 10);
  RmapVma* const next = make_faulted(10, 12);
  RmapChange change;
  change.vma = prev;
  change.bounds = bounds(8, 12, 8);
  change.remove = next;
  change.importer = prev;
  change.exporter = next;
  stock_only(0, 0);
  EXPECT_EQ(rmap_.adjust(change, reserve_).err(), -kENOMEM);
  EXPECT_EQ(prev->bounds, bounds(8, 10, 8));
  EXPECT_EQ(prev->anon_vma, nullptr);
  EXPECT_EQ(next->bounds, bounds(10, 12, 10));
  EXPECT_EQ(walk(next->anon_vma, 11), Vmas{next});
  EXPECT_EQ(verify(), "");
}

//     case 5   PPVVVV  -->  PPPPVV        case 4   VVVVNN  -->  VVNNNN
TEST_P(RmapChanges, Adjust_MovesABoundaryInBothTrees) {
  RmapVma* const lower = make_faulted(8, 12);
  RmapVma* const upper = copy(lower);
  stock(1, 0);
  ASSERT_TRUE(rmap_.split_vma(lower, upper, at(10), false, reserve_).ok());
  RmapChange change;
  change.vma = lower;
  change.bounds = bounds(8, 11, 8);
  change.adj_next = upper;
  change.adj_start = at(11);
  change.importer = lower;
  change.exporter = upper;
  EXPECT_EQ(Rmap::adjust_needs(change).avcs, 0u);
  ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
  EXPECT_EQ(upper->bounds, bounds(11, 12, 11));
  EXPECT_EQ(walk(lower->anon_vma, 10), Vmas{lower});
  EXPECT_EQ(verify(), "");
  change.bounds = bounds(8, 9, 8);
  change.adj_start = at(9);
  ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
  EXPECT_EQ(upper->bounds, bounds(9, 12, 9));
  EXPECT_EQ(walk(lower->anon_vma, 10), Vmas{upper});
  EXPECT_EQ(verify(), "");
}

//     case 8   VVNN  -->  NNNN   of a file: the survivor comes back behind what starts alike
TEST_P(RmapChanges, Adjust_OfFileMappingsKeepsTheTree) {
  RmapVma* const vma = make_file(8, 10, 0);
  RmapVma* const next = make_file(10, 12, 2);
  RmapVma* const other = make_file(30, 34, 0);
  RmapChange change;
  change.vma = next;
  change.bounds = bounds(8, 12, 0);
  change.remove = vma;
  ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
  EXPECT_EQ(in_file(), (Vmas{other, next}));
  EXPECT_EQ(walk(file_, 3), (Vmas{other, next}));
  EXPECT_EQ(verify(), "");
}

//     PPPPPPPP   another mapping   a third   of the same index: who changes goes to the end
TEST_P(RmapChanges, Adjust_PutsBehindEverythingThatStartsAlike) {
  RmapVma* const vma = make_faulted(8, 16);
  RmapVma* const child = fork(vma);
  AnonVma* const anon_vma = vma->anon_vma;
  EXPECT_EQ(walk(anon_vma, 8), (Vmas{vma, child}));
  RmapChange change;
  change.vma = vma;
  change.bounds = bounds(8, 17, 8);
  ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
  EXPECT_EQ(walk(anon_vma, 8), (Vmas{child, vma}));
  EXPECT_EQ(walk(anon_vma, 16), Vmas{vma});
  EXPECT_EQ(verify(), "");
}

//     ....SSSS  -->  ..SSSSSS   a stack grows
TEST_P(RmapChanges, Adjust_GrowsAStack) {
  RmapVma* const stack = make_faulted(12, 16);
  RmapChange change;
  change.vma = stack;
  change.bounds = stack->bounds.with_start(at(10));
  ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
  EXPECT_EQ(stack->bounds, bounds(10, 16, 10));
  EXPECT_EQ(walk(stack->anon_vma, 10), Vmas{stack});
  EXPECT_EQ(verify(), "");
}

// --- mremap

TEST_P(RmapChanges, CopyBounds_FollowThePagesOrThePlace) {
  const AddrRange to{at(40), at(43)};
  RmapVma* const faulted = make_faulted(8, 16);
  EXPECT_EQ(rmap_.copy_bounds(*faulted, at(10), to), bounds(40, 43, 10));
  RmapVma* const untouched = make(8, 16);
  EXPECT_EQ(rmap_.copy_bounds(*untouched, at(10), to), bounds(40, 43, 40));
  const bool apart = rmap_.semantics().anon_pgoff_apart;
  RmapVma* const file = make_file(8, 16, 100);
  RmapBounds expected = bounds(40, 43, 102);
  if (apart) expected.anon_pgoff = PageOffset(40);
  EXPECT_EQ(rmap_.copy_bounds(*file, at(10), to), expected);
}

TEST_P(RmapChanges, CopyVma_FindsMovedPagesByTheirOldIndex) {
  RmapVma* const source = make_faulted(8, 16);
  RmapVma* const moved = copy(source);
  stock(1, 0);
  ASSERT_TRUE(rmap_.copy_vma(moved, source, bounds(40, 42, 10), reserve_).ok());
  EXPECT_EQ(walk(source->anon_vma, 11), (Vmas{source, moved}));
  VirtAddr found;
  rmap_walk_anon(*source->anon_vma, PageOffset(11), PageCount(1),
                 [&](const RmapVma& vma, VirtAddr address) {
                   if (&vma == moved) found = address;
                   return true;
                 });
  EXPECT_EQ(found, at(41));
  EXPECT_EQ(verify(), "");
}

// A copy that merges into a VMA without pages, which older kernels do not allow.
TEST_P(RmapChanges, Adjust_TakesTheChainOfACopyOnlyInNewKernels) {
  RmapVma* const source = make_faulted(8, 10);
  RmapVma* const target = make(40, 42);
  target->bounds = bounds(40, 42, 6);
  RmapChange change;
  change.vma = target;
  change.bounds = bounds(40, 44, 6);
  change.importer = target;
  change.copied_from = source;
  stock(1, 0);
  ASSERT_TRUE(rmap_.adjust(change, reserve_).ok());
  EXPECT_EQ(target->anon_vma,
            rmap_.semantics().copy_merge_takes_chain ? source->anon_vma : nullptr);
  EXPECT_EQ(verify(), "");
}

TEST_P(RmapChanges, DontunmapComplete_LeavesWhatIsAsGoodAsNew) {
  RmapVma* const source = make_faulted(8, 16);
  RmapVma* const moved = copy(source);
  stock(1, 0);
  ASSERT_TRUE(rmap_.copy_vma(moved, source, bounds(40, 48, 8), reserve_).ok());
  AnonVma* const anon_vma = moved->anon_vma;
  rmap_.dontunmap_complete(source);
  const bool unfaults = rmap_.semantics().dontunmap_unfaults;
  EXPECT_EQ(source->anon_vma, unfaults ? nullptr : anon_vma);
  EXPECT_EQ(walk(anon_vma, 9), unfaults ? Vmas{moved} : (Vmas{source, moved}));
  EXPECT_EQ(verify(), "");
}

// --- fork of file mappings

//     a page of the file: parent and child one after the other, then the third process
TEST_P(RmapChanges, Fork_OfAFileMappingIsRightBehindItsParent) {
  RmapVma* const parent = make_file(8, 16, 0);
  RmapVma* const other = make_file(30, 38, 0);
  RmapVma* const child = fork(parent);
  RmapVma* const second = fork(parent);
  EXPECT_EQ(walk(file_, 3), (Vmas{parent, second, child, other}));
  EXPECT_EQ(verify(), "");
}

TEST_P(RmapChanges, FreeVma_LeavesFileAndAnonVmas) {
  RmapVma* const vma = make_file(8, 16, 0);
  prepare(vma);
  rmap_.free_vma(vma);
  EXPECT_EQ(in_file(), Vmas{});
  EXPECT_EQ(rmap_.anon_vma_count(), 0u);
  EXPECT_EQ(verify(), "");
}

INSTANTIATE_TEST_SUITE_P(Kernels, RmapChanges, testing::Values("5.10", "6.1", "6.12", "7.3"),
                         [](const auto& kernel) {
                           std::string name = kernel.param;
                           name[name.find('.')] = '_';
                           return name;
                         });

// Before the maple tree the survivor of a merge of three left its trees twice. It shows in the
// shape of some trees only: all places in all trees of up to twenty are tried.
class RmapRounds : public testing::Test {
 protected:
  // Of a file with `n` mappings, each of one page, of which those at `first` and behind merge.
  static std::string shape(const char* kernel, u64 n, u64 first) {
    Rmap rmap(*find_rmap_semantics(kernel));
    FileRmap file;
    std::deque<RmapVma> vmas(n);
    for (u64 i = 0; i < n; ++i) {
      vmas[i].mapping = &file;
      vmas[i].bounds = {
          {VirtAddr(i * kPageSize), VirtAddr((i + 1) * kPageSize)}, PageOffset(i), PageOffset(i)};
      rmap.vma_link_file(&vmas[i]);
    }
    RmapChange change;
    change.vma = &vmas[first];
    change.bounds = vmas[first].bounds.with_end(vmas[first + 2].bounds.range.end);
    change.remove = &vmas[first + 1];
    change.remove2 = &vmas[first + 2];
    RmapReserve reserve;
    EXPECT_TRUE(rmap.adjust(change, reserve).ok());
    EXPECT_TRUE(RmapVerifier(rmap).add(file));
    std::string text;
    for (const RmapVma* vma = file.i_mmap.first(); vma; vma = FileTree::next(vma)) {
      unsigned depth = 0;
      for (const RbNode* node = vma->shared_rb.parent(); node; node = node->parent()) ++depth;
      text += std::to_string(vma->bounds.pgoff.value()) + ":" + std::to_string(depth) +
              (vma->shared_rb.is_red() ? "r " : "b ");
    }
    return text;
  }

  static unsigned differing(const char* kernel, const char* other) {
    unsigned count = 0;
    for (u64 n = 3; n <= 20; ++n) {
      for (u64 first = 0; first + 2 < n; ++first) {
        if (shape(kernel, n, first) != shape(other, n, first)) ++count;
      }
    }
    return count;
  }
};

TEST_F(RmapRounds, Adjust_TakesTwoBefore61) {
  EXPECT_GT(differing("5.10", "6.1"), 0u);
  EXPECT_EQ(differing("6.1", "6.12"), 0u);
}

}  // namespace
}  // namespace svma::test
