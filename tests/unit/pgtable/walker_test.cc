// SPDX-License-Identifier: GPL-2.0-only
//
// The walk: where it begins and ends, what it passes over, how it goes on, and that no table leads
// it astray. What single entries are is x86_64_test.cc's.
#include "pgtable/walker.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "pgtable/sinks.hpp"
#include "table_world.hpp"

namespace svma::test {
namespace {

using namespace x86;

constexpr u64 k2M = u64{1} << 21, k1G = u64{1} << 30, k512G = u64{1} << 39;
constexpr u64 kAnonFrame = 0x1000, kFileFrame = 0x2000, kZeroFrame = 0x6000;
constexpr u32 kPageFlags = SVMA_CORE_PTE_WRITE | SVMA_CORE_PTE_USER | SVMA_CORE_PTE_ACCESSED |
                           SVMA_CORE_PTE_DIRTY | SVMA_CORE_PTE_ANON;

class PgtableWalk : public testing::TestWithParam<unsigned> {
 protected:
  PgtableWalk() : world_(kKernels[1], GetParam(), 1000) {}

  u64 user_end() const { return world_.user_end(); }
  u64& entry(u64 addr, unsigned level) { return world_.entry(addr, level); }

  // Pages side by side, frames likewise.
  void map(u64 addr, u64 count, u64 frame = kAnonFrame, u64 bits = kPage) {
    for (u64 i = 0; i < count; ++i) {
      entry(addr + i * kPageSize, 1) = present(frame + i, bits);
    }
  }

  svma_core_walk walk_of(u64 start, u64 end) {
    svma_core_walk walk{};
    walk.next = start;
    walk.end = end;
    return walk;
  }

  // All runs of a range, in parts of so many entries, and with room for so many runs in each.
  std::vector<svma_core_run> runs(u64 start, u64 end, u32 budget = ~u32{0}, u32 room = 100) {
    svma_core_walk walk = walk_of(start, end);
    std::vector<svma_core_run> all;
    while (walk.next < end) {
      u32 count = static_cast<u32>(all.size());
      all.resize(count + room);
      svma_core_runs(&world_.pgtable(), &walk, budget, all.data(), &count, count + room);
      all.resize(count);
    }
    last_ = walk;
    return all;
  }

  // Adds what is in [walk.next, walk.end).
  void sum_up(svma_core_walk& walk, u32 budget, svma_core_sum& sum) {
    svma_core_range_sum range{.start = walk.next, .end = walk.end, .vma_flags = 0, .sum = sum};
    const u32 done = svma_core_sum_up(&world_.pgtable(), &walk, budget, &range, 1);
    EXPECT_EQ(done, walk.next >= walk.end ? 1u : 0u);
    sum = range.sum;
  }

  svma_core_sum sum(u64 start, u64 end, u32 budget = ~u32{0}) {
    svma_core_walk walk = walk_of(start, end);
    svma_core_sum sum{};
    while (walk.next < end) sum_up(walk, budget, sum);
    last_ = walk;
    return sum;
  }

  svma_core_way way(u64 addr) {
    svma_core_way way;
    svma_core_find_way(&world_.pgtable(), addr, ~0u, &way);
    return way;
  }

  static std::vector<std::array<u64, 3>> places(const std::vector<svma_core_run>& runs) {
    std::vector<std::array<u64, 3>> places;
    for (const svma_core_run& run : runs) places.push_back({run.start, run.count, run.target});
    return places;
  }
  using Places = std::vector<std::array<u64, 3>>;

  TableWorld world_;
  svma_core_walk last_{};
};

TEST_P(PgtableWalk, NothingMapped_OneEntryForEachHalfOfTheRoot) {
  EXPECT_TRUE(runs(0, ~u64{0}).empty());
  EXPECT_EQ(last_.entries, 256u);
  EXPECT_EQ(last_.next, ~u64{0});
  EXPECT_EQ(last_.tables[GetParam() - 1], 1u);
  EXPECT_EQ(last_.tables[0], 0u);
}

TEST_P(PgtableWalk, BoundariesOfAllLevels_PagesOnBothSidesAreFound) {
  Places expected;
  std::vector<u64> edges = {k2M, k1G, k512G, 3 * k512G, user_end() / 2};
  for (const u64 edge : edges) {
    map(edge - kPageSize, 2);
    expected.push_back({edge - kPageSize, 2, kAnonFrame});
  }
  map(0, 1, kFileFrame);
  expected.insert(expected.begin(), {0, 1, kFileFrame});
  map(user_end() - kPageSize, 1, kFileFrame);
  expected.push_back({user_end() - kPageSize, 1, kFileFrame});
  EXPECT_EQ(places(runs(0, ~u64{0})), expected);
  EXPECT_EQ(places(runs(0, user_end())), expected);
  // The range cuts where it says.
  for (const u64 edge : edges) {
    EXPECT_EQ(places(runs(edge - kPageSize, edge)), (Places{{edge - kPageSize, 1, kAnonFrame}}));
    EXPECT_EQ(places(runs(edge, edge + kPageSize)), (Places{{edge, 1, kAnonFrame + 1}}));
    EXPECT_EQ(last_.next, edge + kPageSize);
    EXPECT_EQ(sum(edge - kPageSize, edge + kPageSize).anon, 2u);
  }
}

// Neighbours in memory are no run where there is a hole between them, however wide it is.
TEST_P(PgtableWalk, FramesInARowAcrossHoles_ARunOnEachSide) {
  Places expected;
  u64 at = k2M, frame = kAnonFrame;
  for (u64 hole = 1; hole <= 20; ++hole) {
    map(at, 2, frame);
    expected.push_back({at, 2, frame});
    at += (2 + hole) * kPageSize;
    frame += 2;
  }
  EXPECT_EQ(places(runs(0, ~u64{0})), expected);
  EXPECT_EQ(sum(0, ~u64{0}).anon, 40u);
}

TEST_P(PgtableWalk, EndInsideOfAPage_ThePageIsTold) {
  map(k2M, 3);
  EXPECT_EQ(places(runs(k2M + 5, k2M + kPageSize + 1)), (Places{{k2M, 2, kAnonFrame}}));
  EXPECT_EQ(last_.next, k2M + 2 * kPageSize);
}

TEST_P(PgtableWalk, WalkThatIsAtItsEnd_StaysThere) {
  map(k2M, 1);
  for (const u64 at : {k2M, user_end(), ~u64{0}}) {
    svma_core_walk walk = walk_of(at, k2M);
    u32 count = 0;
    svma_core_run run;
    svma_core_runs(&world_.pgtable(), &walk, 10, &run, &count, 1);
    EXPECT_EQ(walk.next, at);
    EXPECT_EQ(walk.entries, 0u);
    EXPECT_EQ(count, 0u);
  }
}

TEST_P(PgtableWalk, AboveTheEndOfUserSpace_NothingIsLookedAt) {
  map(0, 1);
  EXPECT_TRUE(runs(user_end(), ~u64{0}).empty());
  EXPECT_EQ(last_.next, ~u64{0});
  EXPECT_EQ(last_.entries, 0u);
  EXPECT_EQ(way(user_end()).count, 0u);
  EXPECT_EQ(way(~u64{0}).count, 0u);
}

TEST_P(PgtableWalk, AnyBudget_IsAsInOneGo) {
  map(k2M - 3 * kPageSize, 70);
  map(k1G - kPageSize, 2, kFileFrame);
  entry(2 * k1G, 2) = present(0x8000, kPage | kPse);
  entry(4 * k1G, 3) = present(0x40000, kPage | kPse);
  entry(k1G + 9 * kPageSize, 1) = swapped(1, 17);
  const std::vector<svma_core_run> whole = runs(0, 8 * k1G);
  const svma_core_sum counted = sum(0, 8 * k1G);
  const svma_core_walk once = last_;
  ASSERT_EQ(whole.size(), 5u);
  for (u32 budget = 0; budget <= 700; ++budget) {
    const std::vector<svma_core_run> parts = runs(0, 8 * k1G, budget);
    ASSERT_EQ(parts.size(), whole.size()) << budget;
    EXPECT_EQ(std::memcmp(parts.data(), whole.data(), whole.size() * sizeof(whole[0])), 0)
        << budget;
    const svma_core_sum summed = sum(0, 8 * k1G, budget);
    EXPECT_EQ(std::memcmp(&summed, &counted, sizeof(summed)), 0) << budget;
    EXPECT_EQ(std::memcmp(last_.tables, once.tables, sizeof(once.tables)), 0) << budget;
  }
}

TEST_P(PgtableWalk, AnyRoom_IsAsInOneGo) {
  for (u64 i = 0; i < 12; ++i) map(k2M + 2 * i * kPageSize, 1);
  const std::vector<svma_core_run> whole = runs(0, k1G);
  ASSERT_EQ(whole.size(), 12u);
  for (u32 room = 1; room <= 13; ++room) {
    EXPECT_EQ(places(runs(0, k1G, ~u32{0}, room)), places(whole)) << room;
  }
}

TEST_P(PgtableWalk, NoRoom_EndsBeforeTheFirstEntry) {
  map(k2M, 1);
  svma_core_walk walk = walk_of(0, k1G);
  u32 count = 0;
  svma_core_runs(&world_.pgtable(), &walk, 10000, nullptr, &count, 0);
  EXPECT_EQ(walk.next, k2M);
  EXPECT_EQ(count, 0u);
}

TEST_P(PgtableWalk, FullRoom_TheLastRunStillGoesOn) {
  map(k2M, 100);
  svma_core_walk walk = walk_of(0, k1G);
  svma_core_run run;
  u32 count = 0;
  while (walk.next < k1G) svma_core_runs(&world_.pgtable(), &walk, 7, &run, &count, 1);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(run.count, 100u);
}

TEST_P(PgtableWalk, HugePages_AreOneEntryEach) {
  entry(2 * k1G, 2) = present(0x1000, kPage | kPse);
  entry(2 * k1G + k2M, 2) = present(0x1200, kPage | kPse);
  entry(4 * k1G, 3) = present(0x40000, kPage | kPse);
  entry(5 * k1G, 3) = present(0x80000, kPage | kPse);
  const std::vector<svma_core_run> found = runs(0, 8 * k1G);
  EXPECT_EQ(places(found), (Places{{2 * k1G, 2, 0x1000}, {4 * k1G, 2, 0x40000}}));
  EXPECT_EQ(found[0].page_shift, 21);
  EXPECT_EQ(found[1].page_shift, 30);
  const svma_core_sum all = sum(0, 8 * k1G);
  EXPECT_EQ(all.huge_2m, 1024u);
  EXPECT_EQ(all.huge_1g, 2u << 18);
  EXPECT_EQ(all.present, 1024u + (2u << 18));
}

TEST_P(PgtableWalk, PartOfAHugePage_RunsTellItWholeAndSumsThePart) {
  entry(2 * k1G, 2) = present(0x1000, kPage | kPse);
  const u64 start = 2 * k1G + 3 * kPageSize;
  EXPECT_EQ(places(runs(start, start + kPageSize)), (Places{{2 * k1G, 1, 0x1000}}));
  // So it is not told again by who asks for what follows.
  EXPECT_EQ(last_.next, 2 * k1G + k2M);
  EXPECT_EQ(sum(start, start + kPageSize).present, 1u);
  EXPECT_EQ(last_.next, start + kPageSize);
  EXPECT_EQ(sum(start, 4 * k1G).huge_2m, 509u);
  EXPECT_EQ(sum(0, start).huge_2m, 3u);
}

TEST_P(PgtableWalk, FrameOfAHugePage_IsAskedForOnce) {
  entry(2 * k1G, 2) = present(0x1000, kPage | kPse);
  map(k2M, 3);
  world_.memory().asked = {};
  sum(0, 8 * k1G);
  EXPECT_EQ(world_.memory().asked.frames, 4u);
}

TEST_P(PgtableWalk, FramesOfATable_AreAskedForTogether) {
  for (unsigned i = 0; i < 512; i += 2) entry(k2M + i * kPageSize, 1) = present(0x1000 + i, kPage);
  world_.memory().asked = {};
  EXPECT_EQ(sum(0, k1G).present, 256u);
  EXPECT_EQ(world_.memory().asked.frames, 256u);
  EXPECT_LE(world_.memory().asked.questions, 256u / 64);
}

// From one to the next no table is looked for that was on the way already.
TEST_P(PgtableWalk, RangesOfATable_AreSummedUpOnOneWayDown) {
  map(k2M, 512);
  svma_core_range_sum ranges[100]{};
  for (u64 i = 0; i < 100; ++i) {
    ranges[i].start = k2M + 5 * i * kPageSize;
    ranges[i].end = ranges[i].start + 2 * kPageSize;
  }
  svma_core_walk walk{};
  world_.memory().asked = {};
  EXPECT_EQ(svma_core_sum_up(&world_.pgtable(), &walk, 1000, ranges, 100), 100u);
  for (const svma_core_range_sum& range : ranges) EXPECT_EQ(range.sum.present, 2u);
  EXPECT_EQ(world_.memory().asked.tables, GetParam());
  EXPECT_EQ(ranges[0].sum.tables[0], 1u);
  EXPECT_EQ(ranges[1].sum.tables[0], 0u);
}

TEST_P(PgtableWalk, EmptyTables_AreFoundOnce) {
  entry(k2M, 1) = 0;
  world_.memory().asked = {};
  sum(0, k1G);
  EXPECT_EQ(world_.memory().asked.tables, GetParam());
  // 512 entries of the lowest level, 512 above it, some on the way down.
  EXPECT_LE(last_.entries, 512u + 512 + 5);
}

TEST_P(PgtableWalk, Permissions_AreThoseOfAllLevelsTogether) {
  map(k2M, 1, kAnonFrame, kTable);
  for (unsigned level = 2; level <= GetParam(); ++level) {
    for (const auto& [bit, flag] :
         {std::pair{kRw, SVMA_CORE_PTE_WRITE}, std::pair{kUser, SVMA_CORE_PTE_USER}}) {
      entry(k2M, level) &= ~bit;
      EXPECT_EQ(runs(k2M, 2 * k2M)[0].flags & kPermissions, kPermissions & ~flag) << level;
      EXPECT_EQ(way(k2M).allowed, kPermissions & ~flag) << level;
      EXPECT_EQ(sum(k2M, 2 * k2M).writable, flag == SVMA_CORE_PTE_WRITE ? 0u : 1u) << level;
      entry(k2M, level) |= bit;
    }
  }
  EXPECT_EQ(way(k2M).allowed, kPermissions);
  // Page table isolation.
  entry(k2M, GetParam()) |= kNx;
  EXPECT_EQ(way(k2M).allowed, kPermissions);
  EXPECT_EQ(way(k2M).level[0].flags & SVMA_CORE_PTE_EXEC, 0u);
}

TEST_P(PgtableWalk, ProtNone_IsThereAndAllowsNothing) {
  entry(k2M, 1) = kept(kAnonFrame, kProtNone | kAccessed);
  const std::vector<svma_core_run> found = runs(0, k1G);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].kind, SVMA_CORE_ENTRY_PAGE);
  EXPECT_EQ(found[0].flags, SVMA_CORE_PTE_PROTNONE | SVMA_CORE_PTE_ACCESSED | SVMA_CORE_PTE_ANON);
  EXPECT_EQ(way(k2M).allowed, 0u);
  EXPECT_EQ(sum(0, k1G).protnone, 1u);
  EXPECT_EQ(sum(0, k1G).present, 1u);
}

TEST_P(PgtableWalk, ZeroPage_IsToldFromAnonAndSpecial) {
  // As do_anonymous_page() maps it, and the huge one; the part of a split one is special, too.
  for (u64 i = 0; i < 5; ++i) {
    entry(k2M + i * kPageSize, 1) = present(kZeroFrame, (kTable & ~kRw) | kSpecial | kNx);
  }
  entry(2 * k1G, 2) = present(0x6200, (kTable & ~kRw) | kPse | kNx);
  const std::vector<svma_core_run> found = runs(0, 8 * k1G);
  // All have the same frame.
  EXPECT_EQ(places(found), (Places{{k2M, 5, kZeroFrame}, {2 * k1G, 1, 0x6200}}));
  EXPECT_EQ(found[0].kind, SVMA_CORE_ENTRY_ZERO);
  EXPECT_EQ(found[1].kind, SVMA_CORE_ENTRY_ZERO);
  const svma_core_sum counted = sum(0, 8 * k1G);
  EXPECT_EQ(counted.zero, 517u);
  EXPECT_EQ(counted.huge_2m, 512u);
  EXPECT_EQ(counted.present + counted.special + counted.anon, 0u);
}

TEST_P(PgtableWalk, FrameWithoutStructPage_IsSpecial) {
  map(k2M, 1, 0x5000);
  map(k2M + kPageSize, 1, kAnonFrame, kPage | kSpecial);
  const svma_core_sum counted = sum(0, k1G);
  EXPECT_EQ(counted.special, 2u);
  EXPECT_EQ(counted.writable, 2u);
  EXPECT_EQ(counted.present + counted.anon, 0u);
}

TEST_P(PgtableWalk, Content_IsWhatStructPageSays) {
  map(k2M, 2, kAnonFrame);
  map(k2M + 2 * kPageSize, 3, kFileFrame);
  map(k2M + 5 * kPageSize, 4, 0x3000);
  map(k2M + 9 * kPageSize, 5, 0x4000);
  const svma_core_sum counted = sum(0, k1G);
  EXPECT_EQ(counted.anon, 2u);
  EXPECT_EQ(counted.file, 3u);
  EXPECT_EQ(counted.shmem, 4u);
  EXPECT_EQ(counted.present, 14u);
  const std::vector<svma_core_run> found = runs(0, k1G);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].flags, kPageFlags);
  EXPECT_EQ(found[2].flags & (SVMA_CORE_PTE_ANON | SVMA_CORE_PTE_FILE | SVMA_CORE_PTE_SHMEM),
            SVMA_CORE_PTE_FILE | SVMA_CORE_PTE_SHMEM);
}

TEST_P(PgtableWalk, RunsBreak_WhereAnythingChanges) {
  const u64 a = k2M;
  map(a, 9);
  entry(a + kPageSize, 1) ^= kRw;
  entry(a + 3 * kPageSize, 1) ^= kSoftDirty;
  entry(a + 5 * kPageSize, 1) = present(kAnonFrame + 6, kPage);
  entry(a + 7 * kPageSize, 1) = swapped(1, 5);
  EXPECT_EQ(places(runs(0, k1G)), (Places{{a, 1, kAnonFrame},
                                          {a + kPageSize, 1, kAnonFrame + 1},
                                          {a + 2 * kPageSize, 1, kAnonFrame + 2},
                                          {a + 3 * kPageSize, 1, kAnonFrame + 3},
                                          {a + 4 * kPageSize, 1, kAnonFrame + 4},
                                          {a + 5 * kPageSize, 1, kAnonFrame + 6},
                                          {a + 6 * kPageSize, 1, kAnonFrame + 6},
                                          {a + 7 * kPageSize, 1, 5},
                                          {a + 8 * kPageSize, 1, kAnonFrame + 8}}));
}

TEST_P(PgtableWalk, RunsJoin_OverTheEndOfATable) {
  map(k1G - 5 * kPageSize, 10);
  EXPECT_EQ(places(runs(0, 2 * k1G)), (Places{{k1G - 5 * kPageSize, 10, kAnonFrame}}));
}

TEST_P(PgtableWalk, RunsOfSwapAndMarkers_FollowTheirTargets) {
  for (u64 i = 0; i < 6; ++i) {
    entry(k2M + i * kPageSize, 1) = swapped(1, 100 + i);
    entry(k2M + (8 + i) * kPageSize, 1) = swapped(30, 4);
    entry(k2M + (16 + i) * kPageSize, 1) = swapped(2, 100 + i / 3 * 10 + i % 3);
  }
  EXPECT_EQ(places(runs(0, k1G)), (Places{{k2M, 6, 100},
                                          {k2M + 8 * kPageSize, 6, 4},
                                          {k2M + 16 * kPageSize, 3, 100},
                                          {k2M + 19 * kPageSize, 3, 110}}));
  const svma_core_sum counted = sum(0, k1G);
  EXPECT_EQ(counted.swap, 12u);
  EXPECT_EQ(counted.marker, 6u);
}

TEST_P(PgtableWalk, Tables_AreCountedOnceOverAllPiecesOfAWalk) {
  map(k2M, 512 + 3);
  map(2 * k1G, 1);
  svma_core_sum sum{};
  svma_core_walk walk{};
  for (u64 end = k2M + kPageSize; walk.next < 3 * k1G; end = walk.next + 7 * kPageSize) {
    // The next VMA, far behind a hole.
    if (end > 3 * k2M && end < 2 * k1G) walk.next = end = 2 * k1G;
    walk.end = end + kPageSize;
    if (walk.end > 2 * k1G + k2M) walk.end = 3 * k1G;
    sum_up(walk, 5, sum);
  }
  EXPECT_EQ(sum.tables[0], 3u);
  EXPECT_EQ(sum.tables[1], 2u);
  EXPECT_EQ(sum.tables[2], 1u);
  EXPECT_EQ(sum.tables[3], 1u);
  EXPECT_EQ(sum.tables[4], GetParam() - 4);
  EXPECT_EQ(std::memcmp(sum.tables, walk.tables, sizeof(sum.tables)), 0);
  EXPECT_EQ(sum.present, 512u + 3 + 1);
}

TEST_P(PgtableWalk, TableOutsideOfMemory_IsABadEntry) {
  entry(k2M, 2) = present(0x7777, kTable);
  entry(3 * k1G, 3) = present(0x7777, kTable);
  const std::vector<svma_core_run> found = runs(0, 8 * k1G);
  EXPECT_EQ(places(found), (Places{{k2M, 1, 0}, {3 * k1G, 1, 0}}));
  EXPECT_EQ(found[0].kind, SVMA_CORE_ENTRY_BAD);
  EXPECT_EQ(found[0].page_shift, 21);
  EXPECT_EQ(found[1].page_shift, 30);
  EXPECT_EQ(last_.tables[0], 0u);
  EXPECT_EQ(sum(k2M + kPageSize, k2M + 3 * kPageSize).bad, 2u);
  const svma_core_way down = way(k2M);
  EXPECT_EQ(down.count, GetParam() - 1);
  EXPECT_EQ(down.level[down.count - 1].kind, SVMA_CORE_ENTRY_BAD);
  EXPECT_EQ(down.allowed, 0u);
}

TEST_P(PgtableWalk, RootOutsideOfMemory_IsOneBadEntry) {
  svma_pgtable nowhere = world_.pgtable();
  nowhere.root = 0x7777000;
  svma_core_walk walk = walk_of(0, ~u64{0});
  svma_core_run run;
  u32 count = 0;
  svma_core_runs(&nowhere, &walk, 10, &run, &count, 1);
  EXPECT_EQ(walk.next, ~u64{0});
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(run.kind, SVMA_CORE_ENTRY_BAD);
  EXPECT_EQ(run.page_shift, GetParam() == 5 ? 57 : 48);
  svma_core_way down;
  svma_core_find_way(&nowhere, 0, ~0u, &down);
  EXPECT_EQ(down.count, 0u);
}

TEST_P(PgtableWalk, TableThatLeadsToItself_EndsAtTheLowestLevel) {
  FakeMemory::Table& root = world_.memory().table(0x1000);
  for (u64& entry : root) entry = 0x1000 | kTable;
  const svma_core_way down = way(0x123456789000);
  EXPECT_EQ(down.count, GetParam());
  EXPECT_EQ(down.level[down.count - 1].kind, SVMA_CORE_ENTRY_SPECIAL);
  svma_core_walk walk = walk_of(0, user_end());
  svma_core_sum sum{};
  for (u32 part = 1; part <= 100; ++part) {
    const u64 before = walk.next;
    sum_up(walk, 1000, sum);
    EXPECT_GT(walk.next, before);
    EXPECT_LE(walk.entries, part * 1010);
  }
  EXPECT_EQ(sum.special, walk.next / kPageSize);
}

TEST_P(PgtableWalk, Way_TellsEachLevel) {
  map(k2M + 7 * kPageSize, 1);
  const svma_core_way down = way(k2M + 7 * kPageSize + 123);
  ASSERT_EQ(down.count, GetParam());
  EXPECT_EQ(down.page_shift, 12u);
  u64 table = world_.pgtable().root;
  for (unsigned i = 0; i < down.count; ++i) {
    const svma_core_level& level = down.level[i];
    EXPECT_EQ(level.table, table);
    EXPECT_EQ(level.level, GetParam() - i);
    EXPECT_EQ(level.index, level.level == 1 ? 7u : level.level == 2 ? 1u : 0u);
    EXPECT_EQ(level.entry, world_.memory().table(table)[level.index]);
    EXPECT_EQ(level.kind, level.level == 1 ? SVMA_CORE_ENTRY_PAGE : SVMA_CORE_ENTRY_TABLE);
    table = level.target << kPageShift;
  }
  EXPECT_EQ(down.level[down.count - 1].target, kAnonFrame);
  EXPECT_EQ(down.allowed, SVMA_CORE_PTE_WRITE | SVMA_CORE_PTE_USER);
}

TEST_P(PgtableWalk, WayToNothing_EndsAtTheEmptyEntry) {
  map(k2M, 1);
  const svma_core_way down = way(k1G);
  EXPECT_EQ(down.count, GetParam() - 2);
  EXPECT_EQ(down.level[down.count - 1].kind, SVMA_CORE_ENTRY_NONE);
  EXPECT_EQ(down.page_shift, 30u);
  EXPECT_EQ(down.allowed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Levels, PgtableWalk, testing::Values(4u, 5u));

}  // namespace
}  // namespace svma::test
