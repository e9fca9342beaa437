// SPDX-License-Identifier: GPL-2.0-only
//
// Who maps a page of a file, through all that happens to the VMAs that do. After each step
// FollowedMachine::check() verifies the whole and asks for every page where the answer changes.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/mutation.hpp"
#include "followed_machine.hpp"
#include "os_services.hpp"
#include "replay/rmap_follower.hpp"
#include "replay/shadow_vma.hpp"

namespace svma::test {
namespace {

using Addresses = std::vector<u64>;

constexpr u64 page(u64 number) { return FollowedMachine::page(number); }
constexpr u64 bytes(u64 pages) { return pages * kPageSize; }
constexpr u64 kReadOnly = 1, kReadWrite = 3;  // PROT_*
constexpr u64 kOther = kSysvShm;              // a file that is not kPlainFile
constexpr i32 kDontFork = 10;                 // MADV_*
constexpr u64 kMayMove = 1, kFixed = 2, kDontUnmap = 4;

class FileFollowerTest : public ::testing::Test {
 protected:
  ~FileFollowerTest() override {
    fail_allocation(0);
    machine_.reset();
    EXPECT_EQ(allocations_outstanding(), 0u);
  }

  FollowedMachine& machine() { return *machine_; }
  Addresses where(u64 page_of_file) { return machine_->where(kPlainFile, page_of_file); }
  void expect_right() { EXPECT_EQ(machine_->check(), ""); }

  std::unique_ptr<FollowedMachine> machine_ = std::make_unique<FollowedMachine>();
  std::size_t mm_ = machine_->spawn();
};

//     file     0....5....10...15
//     mm_           FFFFFFFFFF          from page 20 on
//     other              FFFFFFFFFF     private, from page 60 on
TEST_F(FileFollowerTest, Mmap_TwoProcessesAtDifferentOffsets_EachWhereItsPageIs) {
  const std::size_t other = machine().spawn();
  machine().map({mm_, 20, 10, kPlainFile, 5});
  machine().map({other, 60, 10, kPlainFile, 10, /*shared=*/false});
  EXPECT_EQ(where(4), Addresses{});
  EXPECT_EQ(where(5), Addresses{page(20)});
  EXPECT_EQ(where(12), (Addresses{page(27), page(62)}));
  EXPECT_EQ(where(19), Addresses{page(69)});
  EXPECT_EQ(machine().where(kOther, 12), Addresses{});
  expect_right();
}

TEST_F(FileFollowerTest, Mmap_AnonymousMemory_IsInNoTree) {
  machine().map({mm_, 20, 10, kNoFile, 0, /*shared=*/false});
  EXPECT_EQ(machine().where(kNoFile, page(20) / kPageSize), Addresses{});
  expect_right();
}

// Private and from /dev/zero: anonymous to the fault, but in the tree of its file. Without pages it
// moves to the offset that its new address suggests (copy_vma()).
TEST_F(FileFollowerTest, Mremap_OfDevZero_TakesTheOffsetOfItsNewPlace) {
  machine().map({mm_, 20, 4, kDevZero, 0, /*shared=*/false});
  EXPECT_EQ(machine().where(kDevZero, 1), Addresses{page(21)});
  machine().in(mm_).mremap(page(20), bytes(4), bytes(4), kMayMove | kFixed, page(40));
  EXPECT_EQ(machine().where(kDevZero, 1), Addresses{});
  EXPECT_EQ(machine().where(kDevZero, page(41) / kPageSize), Addresses{page(41)});
  expect_right();
}

//     AAAAAAAA  -->  AAAbbAAA  -->  AAAAAAAA
TEST_F(FileFollowerTest, Mprotect_SplitsAndMerges_EachPageStaysOnce) {
  machine().map({mm_, 20, 8, kPlainFile, 0});
  machine().in(mm_).mprotect(page(23), bytes(2), kReadOnly, -1);
  for (u64 i = 0; i < 8; ++i) EXPECT_EQ(where(i), Addresses{page(20 + i)});
  expect_right();
  machine().in(mm_).mprotect(page(23), bytes(2), kReadWrite, -1);
  for (u64 i = 0; i < 8; ++i) EXPECT_EQ(where(i), Addresses{page(20 + i)});
  EXPECT_EQ(where(8), Addresses{});
  expect_right();
}

//     AAAABBBB  -->  AAAAAABB  -->  AABBBBBB
TEST_F(FileFollowerTest, Mprotect_MovesABoundary_BothFollow) {
  machine().map({mm_, 20, 8, kPlainFile, 0});
  machine().in(mm_).mprotect(page(24), bytes(4), kReadOnly, -1);
  machine().in(mm_).mprotect(page(24), bytes(2), kReadWrite, -1);
  expect_right();
  machine().in(mm_).mprotect(page(22), bytes(4), kReadOnly, -1);
  for (u64 i = 0; i < 8; ++i) EXPECT_EQ(where(i), Addresses{page(20 + i)});
  expect_right();
}

//     AA..AA  -->  AAAAAA: one is left, which covers the other's pages
TEST_F(FileFollowerTest, Mmap_FillsAHole_OneIsLeft) {
  machine().map({mm_, 20, 2, kPlainFile, 0});
  machine().map({mm_, 24, 2, kPlainFile, 4});
  machine().map({mm_, 22, 2, kPlainFile, 2});
  for (u64 i = 0; i < 6; ++i) EXPECT_EQ(where(i), Addresses{page(20 + i)});
  expect_right();
}

TEST_F(FileFollowerTest, Munmap_Parts_LeaveTheRest) {
  machine().map({mm_, 20, 9, kPlainFile, 0});
  machine().in(mm_).munmap(page(23), bytes(3));
  EXPECT_EQ(where(2), Addresses{page(22)});
  EXPECT_EQ(where(4), Addresses{});
  EXPECT_EQ(where(6), Addresses{page(26)});
  expect_right();
  machine().in(mm_).munmap(page(20), bytes(9));
  EXPECT_EQ(where(2), Addresses{});
  expect_right();
  EXPECT_EQ(allocations_outstanding(), 0u);
}

TEST_F(FileFollowerTest, Mremap_MovesGrowsAndKeeps) {
  machine().map({mm_, 20, 8, kPlainFile, 100});
  machine().in(mm_).mremap(page(22), bytes(4), bytes(4), kMayMove | kFixed, page(60));
  EXPECT_EQ(where(103), Addresses{page(61)});
  EXPECT_EQ(where(107), Addresses{page(27)});
  expect_right();
  machine().in(mm_).mremap(page(60), bytes(4), bytes(6), kMayMove, 0);
  EXPECT_EQ(where(107), (Addresses{page(65), page(27)}));  // 102 is before 106
  expect_right();
  machine().in(mm_).mremap(page(20), bytes(2), bytes(2), kMayMove | kFixed | kDontUnmap, page(80));
  EXPECT_EQ(where(101), (Addresses{page(21), page(81)}));
  expect_right();
}

// The third one does not stand behind the second, but behind the one it is a copy of.
TEST_F(FileFollowerTest, Fork_EqualStarts_TheChildIsBehindItsParent) {
  const std::size_t other = machine().spawn();
  machine().map({mm_, 20, 4, kPlainFile, 7});
  machine().map({other, 60, 4, kPlainFile, 7});
  ASSERT_EQ(where(7), (Addresses{page(20), page(60)}));
  const std::size_t child = machine().fork(mm_);
  EXPECT_EQ(where(7), (Addresses{page(20), page(20), page(60)}));
  expect_right();
  machine().exit(mm_);
  EXPECT_EQ(where(8), (Addresses{page(21), page(61)}));
  machine().in(child).munmap(page(20), bytes(4));
  EXPECT_EQ(where(8), Addresses{page(61)});
  expect_right();
}

TEST_F(FileFollowerTest, Fork_WhatStaysBehindOrIsLocked) {
  machine().map({mm_, 20, 4, kPlainFile, 0});
  machine().map({mm_, 30, 4, kPlainFile, 0, /*shared=*/false});
  machine().in(mm_).madvise(page(20), bytes(4), kDontFork);
  machine().in(mm_).mlock(page(30), bytes(4), kVmLocked);
  machine().in(mm_).fault(page(30));
  machine().fork(mm_);
  EXPECT_EQ(where(0), (Addresses{page(20), page(30), page(30)}));
  expect_right();
}

TEST_F(FileFollowerTest, Exit_TheOthersStay) {
  const std::size_t child = machine().fork(mm_);
  machine().map({mm_, 20, 4, kPlainFile, 0});
  machine().map({child, 20, 4, kPlainFile, 0});
  machine().exit(child);
  EXPECT_EQ(where(3), Addresses{page(23)});
  expect_right();
}

TEST_F(FileFollowerTest, Adoption_OfAnotherFile_MovesToItsTree) {
  machine().map({mm_, 20, 4, kPlainFile, 0});
  svma_live_vma& live = machine().in(mm_).live().vmas[0];
  live.file = live.ino = kOther;
  const svma_verdict verdict = machine().audit(mm_);
  EXPECT_EQ(verdict.divergent, 1u);
  EXPECT_EQ(verdict.mismatch[0].field, static_cast<u32>(SVMA_CORE_FIELD_FILE));
  EXPECT_EQ(where(1), Addresses{});
  EXPECT_EQ(machine().where(kOther, 1), Addresses{page(21)});
  expect_right();
}

TEST_F(FileFollowerTest, Adoption_OfNoFileOrAnOffset) {
  machine().map({mm_, 20, 4, kPlainFile, 0});
  machine().map({mm_, 30, 4, kPlainFile, 50});
  machine().in(mm_).live().vmas[0].file = 0;
  machine().in(mm_).live().vmas[1].pgoff = 60;
  EXPECT_EQ(machine().audit(mm_).divergent, 2u);
  EXPECT_EQ(where(1), Addresses{});
  EXPECT_EQ(where(51), Addresses{});
  EXPECT_EQ(where(61), Addresses{page(31)});
  expect_right();
}

TEST_F(FileFollowerTest, Adoption_OfAnotherLayout) {
  machine().map({mm_, 20, 4, kPlainFile, 0});
  machine().in(mm_).live().vmas[0].end -= bytes(2);
  machine().audit(mm_);
  EXPECT_EQ(where(1), Addresses{page(21)});
  EXPECT_EQ(where(2), Addresses{});
  expect_right();
}

TEST_F(FileFollowerTest, Leave_AndComeBack) {
  const std::size_t other = machine().spawn();
  machine().map({mm_, 20, 4, kPlainFile, 0});
  machine().map({other, 20, 4, kPlainFile, 0});
  machine().fork(mm_);
  machine().reload(mm_);
  ASSERT_EQ(machine().err(), 0);
  EXPECT_EQ(where(0), (Addresses{page(20), page(20), page(20)}));
  expect_right();
  machine().exit(other);
  EXPECT_EQ(where(0), (Addresses{page(20), page(20)}));
  expect_right();
}

// What is unmapped while the shadow is out of reverse mapping is in no tree any more.
TEST_F(FileFollowerTest, Leave_ThenChange_TouchesNoTree) {
  const std::size_t other = machine().spawn();
  machine().map({mm_, 20, 4, kPlainFile, 0});
  machine().map({other, 20, 4, kPlainFile, 0});
  machine().map({other, 40, 4, kOther, 0});
  fail_allocation(2);  // the VMA of the next mapping, then the tree of its file
  machine().map({mm_, 40, 1, kDax, 0});
  fail_allocation(0);
  ASSERT_TRUE(machine().suspect(mm_));
  EXPECT_EQ(where(0), Addresses{page(20)});
  machine().in(mm_).munmap(page(20), bytes(2));
  expect_right();
  machine().reload(mm_);
  EXPECT_EQ(where(3), (Addresses{page(23), page(23)}));
  EXPECT_EQ(where(0), Addresses{page(20)});
  expect_right();
}

// --- memory

struct Operation {
  const char* name;
  void (*play)(FollowedMachine& machine, std::size_t mm);
};

class FileFollowerMemory : public FileFollowerTest,
                           public testing::WithParamInterface<Operation> {};

const Operation kOperations[] = {
    {"mmap",
     [](FollowedMachine& m, std::size_t mm) {
       m.map({mm, 90, 4, kDax, 0});
     }},
    {"split", [](FollowedMachine& m,
                 std::size_t mm) { m.in(mm).mprotect(page(22), bytes(1), kReadOnly, -1); }},
    {"munmap", [](FollowedMachine& m, std::size_t mm) { m.in(mm).munmap(page(21), bytes(2)); }},
    {"mremap",
     [](FollowedMachine& m, std::size_t mm) {
       m.in(mm).mremap(page(31), bytes(2), bytes(2), kMayMove | kFixed, page(80));
     }},
    {"fork", [](FollowedMachine& m, std::size_t mm) { m.fork(mm); }},
    {"load", [](FollowedMachine& m, std::size_t mm) { m.reload(mm); }},
    {"adopt",
     [](FollowedMachine& m, std::size_t mm) {
       svma_live_vma& live = m.in(mm).live().vmas[0];
       live.file = live.ino = kDax;
       m.audit(mm);
     }},
    {"adopt_layout",
     [](FollowedMachine& m, std::size_t mm) {
       m.in(mm).live().vmas[0].end -= bytes(1);
       m.audit(mm);
     }},
};

// Of each operation each allocation fails once. Then the shadow says so and all else is right; and
// after a resync so is it.
TEST_P(FileFollowerMemory, EachAllocation_Fails_OthersAreRight) {
  bool failed = true;
  for (u64 nth = 1; failed; ++nth) {
    FollowedMachine machine;
    const std::size_t mm = machine.spawn();
    const std::size_t other = machine.spawn();
    machine.map({mm, 20, 4, kPlainFile, 0});
    machine.map({mm, 30, 4, kPlainFile, 0, /*shared=*/false});
    machine.map({other, 30, 4, kPlainFile, 0});
    machine.in(mm).fault(page(31));
    ASSERT_EQ(machine.check(), "");
    fail_allocation(nth);
    GetParam().play(machine, mm);
    failed = allocations_asked() >= nth;
    fail_allocation(0);
    EXPECT_EQ(machine.check(), "") << nth;
    const bool refused = machine.suspect(mm) || machine.err() != 0;
    EXPECT_EQ(refused, failed) << nth;
    machine.reload(mm);
    ASSERT_EQ(machine.err(), 0);
    EXPECT_EQ(machine.check(), "") << nth;
  }
  EXPECT_EQ(allocations_outstanding(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, FileFollowerMemory, testing::ValuesIn(kOperations),
                         [](const auto& tested) { return std::string(tested.param.name); });

// --- many

TEST(FileFollowerBound, MoreSharersThanALockIsHeldFor_AreCutOff) {
  constexpr u64 kMany = SVMA_CORE_SHARERS + 10;
  const std::unique_ptr<void, void (*)(void*)> memory(
      std::aligned_alloc(64, (svma_core_rmap_size() + 63) / 64 * 64), std::free);
  svma_rmap* const rmap = svma_core_rmap_init(memory.get(), "6.1");
  RmapFollower follower;
  AddressSpace space(0, GapRule::kHoles, {}, 0);
  follower.follow(space, *reinterpret_cast<SharedRmap*>(rmap), 0);
  for (u64 i = 0; i < kMany; ++i) {
    Vma* const vma = construct_at<Vma>(svma_os_vm_area_alloc());
    vma->vm_start = VirtAddr(page(2 * i));
    vma->vm_end = VirtAddr(page(2 * i + 1));
    vma->attrs.file = vma->attrs.ino = kPlainFile;
    ASSERT_TRUE(space.insert(vma).ok());
  }
  svma_core_sharer first[2];
  EXPECT_EQ(svma_core_sharers_of_file(rmap, 0, kPlainFile, 0, first, 2), SVMA_CORE_SHARERS + 1);
  EXPECT_EQ(first[1].start, page(2));
  EXPECT_EQ(first[1].end, page(3));
  space.clear();
  EXPECT_EQ(svma_core_sharers_of_file(rmap, 0, kPlainFile, 0, first, 2), 0u);
  EXPECT_EQ(allocations_outstanding(), 0u);
}

// --- random lives

// RETURNS: what the checks said first, or "".
std::string live(FollowedMachine& machine, u64 seed) {
  std::mt19937_64 random(seed);
  std::vector<std::size_t> mms{machine.spawn(), machine.spawn()};
  const auto below = [&](u64 limit) { return random() % limit; };
  for (int step = 0; step < 150; ++step) {
    const std::size_t which = below(mms.size());
    const std::size_t mm = mms[which];
    NaiveKernel& kernel = machine.in(mm);
    const u64 at = below(40), pages = 1 + below(8);
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
        machine.map({mm, at, pages, below(4) ? u64{kPlainFile} : kOther, below(3) ? at : below(40),
                     below(2) == 0});
        break;
      case 3:
        kernel.munmap(page(at), bytes(pages));
        break;
      case 4:
      case 5:
        kernel.mprotect(page(at), bytes(pages), below(2) ? kReadOnly : kReadWrite, -1);
        break;
      case 6:
        kernel.mremap(page(at), bytes(pages), bytes(1 + below(8)), kMayMove | kFixed,
                      page(below(40)));
        break;
      case 7:
        kernel.fault(page(at));
        break;
      case 8:
        if (mms.size() < 5) mms.push_back(machine.fork(mm));
        break;
      default:
        if (below(2)) {
          machine.reload(mm);
        } else if (mms.size() > 2) {
          machine.exit(mm);
          mms.erase(mms.begin() + static_cast<long>(which));
        }
    }
    std::string wrong = machine.check();
    if (!wrong.empty()) return wrong;
  }
  for (const std::size_t mm : mms) machine.exit(mm);
  return machine.check();
}

TEST(FileFollowerRandom, Lives_AllPagesAreFound) {
  for (u64 seed = 1; seed <= 12; ++seed) {
    FollowedMachine machine;
    EXPECT_EQ(live(machine, seed), "") << "seed " << seed;
    EXPECT_EQ(allocations_outstanding(), 0u);
  }
}

// --- teeth

// Steps of which each mutation spoils one. RETURNS: what the checks said first, or "".
std::string play(FollowedMachine& machine) {
  const std::size_t mm = machine.spawn();
  const std::function<void()> steps[] = {
      [&] {
        machine.map({mm, 20, 8, kPlainFile, 0});
      },
      [&] { machine.in(mm).mprotect(page(24), bytes(4), kReadOnly, -1); },   // AAAABBBB
      [&] { machine.in(mm).mprotect(page(24), bytes(2), kReadWrite, -1); },  // AAAAAABB
      [&] {
        machine.in(mm).live().vmas[0].ino = kDax;
        machine.in(mm).accept_live();
        machine.audit(mm);
      },
      [&] { machine.in(mm).munmap(page(20), bytes(8)); },
  };
  for (const auto& step : steps) {
    step();
    std::string wrong = machine.check();
    if (!wrong.empty()) return wrong;
  }
  return "";
}

TEST_F(FileFollowerTest, StepsOfTheMutations_Unspoilt_PassTheChecks) {
  EXPECT_EQ(play(machine()), "");
}

struct Case {
  Mutation mutation;
  const char* name;
  const char* caught_as;  // a regular expression
};

#define CASE(name, caught_as) \
  { Mutation::name, #name, caught_as }

const Case kCases[] = {
    CASE(file_split_forgotten, "a shadow: rmap_file"),
    CASE(file_stale_after_shrink, "a shadow: rmap_range"),
    CASE(file_change_ignored, "a shadow: rmap_file"),
    CASE(file_tree_leaked, "the whole: file_empty"),
    // One of the walk, so that the question asked of each page has shown its teeth, too.
    CASE(rmap_address_off_by_one, "sharers of page"),
};

#define COUNT(name) +1
static_assert(sizeof(kCases) / sizeof(kCases[0]) == 1 SVMA_FILE_MUTATIONS(COUNT),
              "each mutation has its case");

class FileMutation : public testing::TestWithParam<Case> {};

TEST_P(FileMutation, Checks_FindIt) {
  const auto mutated_run = [] {
    active_mutation = GetParam().mutation;
    // Never torn down: who knows what it looks like.
    FollowedMachine& machine = *new FollowedMachine;
    const std::string wrong = play(machine);
    if (wrong.empty()) std::exit(EXIT_SUCCESS);
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  };
  EXPECT_DEATH(mutated_run(), GetParam().caught_as);
}

INSTANTIATE_TEST_SUITE_P(All, FileMutation, testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace svma::test
