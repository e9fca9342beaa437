// SPDX-License-Identifier: GPL-2.0-only
#include "vma/vmacache.hpp"

#include <gtest/gtest.h>

#include <random>

#include "map_fixture.hpp"

namespace svma {

// Sets the numbers that otherwise only rise.
class VmaCacheTestPeer {
 public:
  static u64& seqnum(AddressSpace& mm) { return mm.vmacache_seqnum_; }
  static auto& seqnum(VmaCache& cache) { return cache.seqnum_; }
};

namespace {

using test::kRead;
using test::kReadWrite;
using test::MapFixture;

constexpr u32 kMax = 65530;

// Maps drawn a page per character lie within one slot of the hash; for others VMAs are put at
// multiples of 2 MiB.
class Vmacache : public MapFixture {
 protected:
  static VirtAddr mib(u64 n) { return VirtAddr(n << 20); }

  Vma* map(u64 mib_start, u64 mib_end) {
    stock(1);
    Vma* const vma = reserve_.take();
    vma->vm_start = mib(mib_start);
    vma->vm_end = mib(mib_end);
    vma->attrs = anonymous(vma->vm_start);
    EXPECT_TRUE(mm_.insert(vma).ok());
    mm_.vm_stat_account(vma->attrs.vm_flags, static_cast<i64>(vma->pages().value()));
    return vma;
  }

  void munmap(AddrRange where) {
    stock(AddressSpace::kMunmapReserve);
    ASSERT_TRUE(mm_.do_munmap(where, reserve_, kMax).ok());
    check();
  }

  unsigned slots_used(const VmaCache& cache) const {
    unsigned used = 0;
    for (unsigned i = 0; i < VmaCache::kSize; ++i) used += cache.slot(i) != nullptr;
    return used;
  }

  VmaCache task_{&mm_};
};

TEST_F(Vmacache, Hash_IsThatOfTheKernel) {
  EXPECT_EQ(VmaCache::hash(VirtAddr(0)), 0u);
  EXPECT_EQ(VmaCache::hash(VirtAddr(0x1fffff)), 0u);
  EXPECT_EQ(VmaCache::hash(VirtAddr(0x200000)), 1u);
  EXPECT_EQ(VmaCache::hash(VirtAddr(0x600000)), 3u);
  EXPECT_EQ(VmaCache::hash(VirtAddr(0x800000)), 0u);
  EXPECT_EQ(VmaCache::hash(VirtAddr(0x7fff00600123)), 3u);
}

TEST_F(Vmacache, Miss_FillsTheSlotOfTheAddress) {
  Vma* const a = map(2, 10);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(4)), nullptr);
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(4)), a);
  EXPECT_EQ(task_.slot(VmaCache::hash(mib(4))), a);
  EXPECT_EQ(slots_used(task_), 1u);
}

TEST_F(Vmacache, Hit_ServesAllAddressesOfTheVma) {
  Vma* const a = map(2, 10);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(4)), a);
  for (u64 at = 2; at < 10; ++at) EXPECT_EQ(task_.vmacache_find(mm_, mib(at)), a) << at;
  EXPECT_EQ(task_.vmacache_find(mm_, mib(10) - 1), a);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(10)), nullptr);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(2) - 1), nullptr);
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(8)), a);
  EXPECT_EQ(slots_used(task_), 1u) << "a hit stores nothing";
}

TEST_F(Vmacache, AddressBelowTheVma_IsStoredButNeverHits) {
  Vma* const b = map(8, 10);
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(4)), b);
  EXPECT_EQ(task_.slot(VmaCache::hash(mib(4))), b);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(4)), nullptr);
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(4)), b);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(8)), b);
}

TEST_F(Vmacache, NothingAbove_StoresNothing) {
  map(2, 4);
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(4)), nullptr);
  EXPECT_EQ(slots_used(task_), 0u);
}

TEST_F(Vmacache, SameSlot_TheLaterReplacesTheEarlier) {
  Vma* const a = map(2, 4);
  Vma* const b = map(10, 12);  // 8 MiB further on: the same slot
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(2)), a);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(10)), b);
  EXPECT_EQ(slots_used(task_), 1u);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(2)), nullptr);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(10)), b);
}

TEST_F(Vmacache, FourSlots_KeepFourAndTheFifthEvictsItsOwn) {
  Vma* vmas[5];
  for (u64 i = 0; i < 5; ++i) vmas[i] = map(2 * i, 2 * i + 1);
  for (u64 i = 0; i < 4; ++i) ASSERT_EQ(find_vma_cached(mm_, task_, mib(2 * i)), vmas[i]);
  for (u64 i = 0; i < 4; ++i) EXPECT_EQ(task_.vmacache_find(mm_, mib(2 * i)), vmas[i]);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(8)), vmas[4]);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(0)), nullptr);
  for (u64 i = 1; i < 5; ++i) EXPECT_EQ(task_.vmacache_find(mm_, mib(2 * i)), vmas[i]);
}

TEST_F(Vmacache, BoundsChange_NeedsNoInvalidation) {
  Vma* const a = map(2, 6);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(2)), a);
  const u64 seqnum = mm_.vmacache_seqnum();
  mm_.set_bounds(a, {mib(2), mib(8)}, a->attrs.vm_pgoff);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(7)), a);
  stock(1);
  ASSERT_TRUE(mm_.split_vma(a, mib(4), SplitSide::kNewAbove, reserve_).ok());
  EXPECT_EQ(task_.vmacache_find(mm_, mib(3)), a);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(5)), nullptr) << "those pages are another VMA's now";
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(5)), AddressSpace::next(a));
  EXPECT_EQ(mm_.vmacache_seqnum(), seqnum);
}

TEST_F(Vmacache, Munmap_IsNoticedByEachTaskAtItsNextLookup) {
  Vma* const a = map(2, 4);
  Vma* const b = map(4, 6);
  VmaCache other(&mm_);
  for (VmaCache* task : {&task_, &other}) {
    ASSERT_EQ(find_vma_cached(mm_, *task, mib(2)), a);
    ASSERT_EQ(find_vma_cached(mm_, *task, mib(4)), b);
  }
  munmap({mib(2), mib(4)});
  for (VmaCache* task : {&task_, &other}) {
    EXPECT_EQ(slots_used(*task), 2u) << "nobody has told it yet";
    EXPECT_EQ(task->vmacache_find(mm_, mib(4)), nullptr) << "b is forgotten, too";
    EXPECT_EQ(slots_used(*task), 0u);
    EXPECT_EQ(task->seqnum(), mm_.vmacache_seqnum());
    EXPECT_EQ(find_vma_cached(mm_, *task, mib(2)), b);
  }
}

TEST_F(Vmacache, AbsorbedByAMerge_IsForgotten) {
  draw("PPPP....NNNN");
  ASSERT_EQ(find_vma_cached(mm_, task_, at(8)), vma('N'));
  Vma* const p = vma('P');
  ASSERT_EQ(mm_.vma_merge(p, {at(4), at(8)}, anonymous(at(4))), p);
  EXPECT_EQ(find_vma_cached(mm_, task_, at(8)), p);
}

TEST_F(Vmacache, OtherMm_IsNeitherLookedUpNorStored) {
  Vma* const a = map(2, 4);
  const AddressSpace other_mm;
  VmaCache foreign(&other_mm);
  VmaCache kernel_thread(nullptr);
  for (VmaCache* task : {&foreign, &kernel_thread}) {
    EXPECT_FALSE(task->vmacache_valid(mm_));
    EXPECT_EQ(find_vma_cached(mm_, *task, mib(2)), a) << "the tree serves everybody";
    EXPECT_EQ(slots_used(*task), 0u);
  }
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(2)), a);
  EXPECT_EQ(find_vma_cached(other_mm, task_, mib(2)), nullptr);
  EXPECT_EQ(task_.vmacache_find(mm_, mib(2)), a) << "asking another mm costs nothing";
}

TEST_F(Vmacache, NewMmWithTheSameNumber_StartsEmpty) {
  Vma* const a = map(2, 4);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(2)), a);
  AddressSpace new_mm;
  VmaCacheTestPeer::seqnum(new_mm) = mm_.vmacache_seqnum();
  task_.set_mm(&new_mm);
  EXPECT_TRUE(task_.vmacache_valid(new_mm));
  EXPECT_EQ(find_vma_cached(new_mm, task_, mib(2)), nullptr);
}

// The mutation: what a lookup would give if the number did not rise. The VMA is kept alive by the
// test, in the kernel its memory might be anything by then.
TEST_F(Vmacache, StaleSlotWithoutInvalidation_GivesAVmaThatIsNotThere) {
  Vma* const a = map(2, 4);
  Vma* const b = map(6, 8);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(2)), a);
  mm_.unlink(a);
  ASSERT_EQ(mm_.find_vma(mib(2)), b);

  VmaCache uninvalidated = task_;
  VmaCacheTestPeer::seqnum(uninvalidated) = mm_.vmacache_seqnum();
  EXPECT_EQ(find_vma_cached(mm_, uninvalidated, mib(2)), a) << "wrong, as expected";
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(2)), b);
  reserve_.give_back(a);
}

// The same after 2^32 changes: with a number of 32 bits this lookup would give `a`.
TEST_F(Vmacache, NumberAfterFourBillionChanges_IsStillAnother) {
  Vma* const a = map(2, 4);
  Vma* const b = map(6, 8);
  ASSERT_EQ(find_vma_cached(mm_, task_, mib(2)), a);
  const u64 cached_at = mm_.vmacache_seqnum();
  mm_.unlink(a);
  VmaCacheTestPeer::seqnum(mm_) = cached_at + (u64{1} << 32);
  EXPECT_FALSE(task_.vmacache_valid(mm_));
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(2)), b);
  reserve_.give_back(a);
}

TEST_F(Vmacache, NumberComesRound_ForgetsAsEver) {
  VmaCacheTestPeer::seqnum(mm_) = ~u64{0};
  map(2, 4);
  Vma* const b = map(6, 8);
  ASSERT_NE(find_vma_cached(mm_, task_, mib(2)), b);
  munmap({mib(2), mib(4)});
  EXPECT_EQ(mm_.vmacache_seqnum(), 0u);
  EXPECT_EQ(find_vma_cached(mm_, task_, mib(2)), b);
}

// By how much each operation raises the number: where v5.10 calls vmacache_invalidate().
class VmacacheSeqnum : public MapFixture {
 protected:
  // The drawn maps have M read-only and all others writable.
  u64 raised_by(const char* map, const std::function<void()>& operate) {
    draw(map, [](char name, VmaAttrs& attrs) {
      if (name == 'M') attrs.vm_flags = kRead;
      if (name == 'S') attrs.vm_flags |= kVmGrowsDown;
    });
    stock(3);
    const u64 before = mm_.vmacache_seqnum();
    operate();
    check(false);
    const u64 raised = mm_.vmacache_seqnum() - before;
    mm_.clear();
    EXPECT_EQ(mm_.vmacache_seqnum(), before + raised + 1) << "clear() frees VMAs as well";
    return raised;
  }

  u64 merged(const char* map, const char* request) {
    return raised_by(map, [&] {
      const AddrRange where = range(request);
      Vma* prev = nullptr;
      Vma* const at = mm_.find_vma_prev(where.start, &prev);
      if (at && at->vm_start < where.start) prev = at;
      EXPECT_NE(mm_.vma_merge(prev, where, anonymous(where.start)), nullptr);
    });
  }

  u64 unmapped(const char* map, const char* request, bool ok = true) {
    return raised_by(
        map, [&] { EXPECT_EQ(mm_.do_munmap(range(request), reserve_, ok ? kMax : 0).ok(), ok); });
  }
};

TEST_F(VmacacheSeqnum, Merge_OncePerVmaAbsorbed) {
  EXPECT_EQ(merged("PPPP....NNNN", "....RRRR...."), 1u) << "case 1";
  EXPECT_EQ(merged("PPPP........", "....RRRR...."), 0u) << "case 2";
  EXPECT_EQ(merged("........NNNN", "....RRRR...."), 0u) << "case 3";
  EXPECT_EQ(merged("MMMMMMNNNN..", "..RRRR......"), 0u) << "case 4";
  EXPECT_EQ(merged("PPPPMMMMMM..", "....RRRR...."), 0u) << "case 5";
  EXPECT_EQ(merged("PPPPMMMMNNNN", "....RRRR...."), 2u) << "case 6";
  EXPECT_EQ(merged("PPPPMMMM....", "....RRRR...."), 1u) << "case 7";
  EXPECT_EQ(merged("....MMMMNNNN", "....RRRR...."), 1u) << "case 8";
}

TEST_F(VmacacheSeqnum, Munmap_OnceForAll) {
  EXPECT_EQ(unmapped("AAAA", "UUUU"), 1u);
  EXPECT_EQ(unmapped("AAAA", ".UU."), 1u);
  EXPECT_EQ(unmapped("A.B.C.D.E", ".UUUUUUU."), 1u);
  EXPECT_EQ(unmapped("AA..BB", "..UU.."), 0u) << "nothing there";
  EXPECT_EQ(unmapped("AAAA", ".UU.", false), 0u) << "refused";
}

TEST_F(VmacacheSeqnum, WithoutLoss_NotAtAll) {
  EXPECT_EQ(
      raised_by("AAAA",
                [&] {
                  EXPECT_TRUE(mm_.split_vma(vma('A'), at(2), SplitSide::kNewAbove, reserve_).ok());
                  EXPECT_TRUE(mm_.split_vma(vma('A'), at(1), SplitSide::kNewBelow, reserve_).ok());
                }),
      0u);
  EXPECT_EQ(raised_by("A..SS", [&] { EXPECT_TRUE(mm_.expand_downwards(vma('S'), at(2)).ok()); }),
            0u);
  EXPECT_EQ(raised_by("AA", [&] { mm_.set_flags(vma('A'), kRead); }), 0u);
  EXPECT_EQ(
      raised_by("AA..BB",
                [&] {
                  mm_.vma_expand(vma('A'), {at(0), at(3)}, vma('A')->attrs.vm_pgoff, vma('B'));
                }),
      0u);
}

TEST_F(VmacacheSeqnum, ExpandOverNextAndUnlink_Once) {
  EXPECT_EQ(
      raised_by("AA..BB",
                [&] {
                  mm_.vma_expand(vma('A'), {at(0), at(6)}, vma('A')->attrs.vm_pgoff, vma('B'));
                }),
      1u);
  EXPECT_EQ(raised_by("AA..BB",
                      [&] {
                        Vma* const gone = vma('B');
                        mm_.unlink(gone);
                        reserve_.give_back(gone);
                      }),
            1u);
}

class MmapCacheTest : public MapFixture {
 protected:
  Vma* find(std::size_t page) { return find_vma_mmap_cached(mm_, at(page)); }
  const Vma* remembered() const { return mm_.mmap_cache().vma(); }
};

TEST_F(MmapCacheTest, Lookup_RemembersTheLastFound) {
  draw(".AA..BB.");
  EXPECT_EQ(remembered(), nullptr);
  EXPECT_EQ(find(1), vma('A'));
  EXPECT_EQ(remembered(), vma('A'));
  EXPECT_EQ(mm_.mmap_cache().find(at(2)), vma('A'));
  EXPECT_EQ(mm_.mmap_cache().find(at(3)), nullptr);
  EXPECT_EQ(mm_.mmap_cache().find(at(0)), nullptr);
  EXPECT_EQ(find(4), vma('B'));
  EXPECT_EQ(remembered(), vma('B')) << "although the address is below it";
  EXPECT_EQ(find(7), nullptr);
  EXPECT_EQ(remembered(), vma('B'));
}

TEST_F(MmapCacheTest, RememberedUnlinked_ItsPredecessorIsInstead) {
  draw("AA.BB.CC");
  ASSERT_EQ(find(3), vma('B'));
  Vma* const gone = vma('B');
  mm_.unlink(gone);
  reserve_.give_back(gone);
  EXPECT_EQ(remembered(), vma('A'));
  EXPECT_EQ(find(3), vma('C'));
}

TEST_F(MmapCacheTest, FirstUnlinked_NoneIsRemembered) {
  draw("AA.BB");
  ASSERT_EQ(find(0), vma('A'));
  Vma* const gone = vma('A');
  mm_.unlink(gone);
  reserve_.give_back(gone);
  EXPECT_EQ(remembered(), nullptr);
}

TEST_F(MmapCacheTest, OtherUnlinked_StaysRemembered) {
  draw("AA.BB.CC");
  ASSERT_EQ(find(0), vma('A'));
  Vma* const gone = vma('C');
  mm_.unlink(gone);
  reserve_.give_back(gone);
  EXPECT_EQ(remembered(), vma('A'));
}

TEST_F(MmapCacheTest, AbsorbedByAMerge_TheSurvivorIsInstead) {
  draw("PPPP....NNNN");
  ASSERT_EQ(find(8), vma('N'));
  ASSERT_EQ(mm_.vma_merge(vma('P'), {at(4), at(8)}, anonymous(at(4))), vma('P'));
  EXPECT_EQ(remembered(), vma('P'));
}

TEST_F(MmapCacheTest, Munmap_ForgetsEvenWhatStays) {
  draw("AA.BB");
  stock(2);
  ASSERT_EQ(find(0), vma('A'));
  ASSERT_TRUE(mm_.do_munmap({at(3), at(5)}, reserve_, kMax).ok());
  EXPECT_EQ(remembered(), nullptr);
  ASSERT_EQ(find(0), vma('A'));
  mm_.clear();
  EXPECT_EQ(remembered(), nullptr);
}

// Three tasks and the old cache look up while the map changes; freed VMAs are really freed, so a
// slot that outlived its VMA would be caught by the address sanitiser, too.
TEST_F(Vmacache, RandomChanges_CachesAndTreeAgree) {
  std::mt19937 random(7);
  VmaCache tasks[] = {VmaCache(&mm_), VmaCache(&mm_), VmaCache(&mm_)};
  for (int step = 0; step < 4000; ++step) {
    const u64 first = random() % 40;
    const AddrRange where{mib(first), mib(first + 1 + random() % 6)};
    stock(3);
    const unsigned choice = random() % 8;
    if (choice < 2) {
      Vma* const vma = reserve_.take();
      vma->vm_start = where.start;
      vma->vm_end = where.end;
      vma->attrs = anonymous(where.start, random() % 2 ? kReadWrite : kRead);
      if (!mm_.insert(vma).ok()) reserve_.give_back(vma);
    } else if (choice == 2) {
      ASSERT_TRUE(mm_.do_munmap(where, reserve_, kMax).ok());
    } else if (choice == 3) {
      Vma* prev = nullptr;
      Vma* const at = mm_.find_vma_prev(where.start, &prev);
      if (prev && (!at || at->vm_start >= where.end)) {
        mm_.vma_merge(prev, where, anonymous(where.start));
      }
    } else if (choice == 4) {
      Vma* const vma = mm_.find_vma_intersection({where.start, where.start + kPageSize});
      if (vma && vma->vm_start < where.start) {
        ASSERT_TRUE(mm_.split_vma(vma, where.start, SplitSide::kNewBelow, reserve_).ok());
      }
    }
    for (VmaCache& task : tasks) {
      if (random() % 3 == 0) continue;
      const VirtAddr addr = mib(random() % 48) + random() % kPageSize;
      ASSERT_EQ(find_vma_cached(mm_, task, addr), mm_.find_vma(addr)) << "step " << step;
    }
    const VirtAddr addr = mib(random() % 48);
    ASSERT_EQ(find_vma_mmap_cached(mm_, addr), mm_.find_vma(addr)) << "step " << step;
    check(false);
  }
}

}  // namespace
}  // namespace svma
