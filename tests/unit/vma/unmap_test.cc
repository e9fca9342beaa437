// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <random>

#include "map_fixture.hpp"
#include "naive_model.hpp"
#include "os_services.hpp"
#include "vma/address_space.hpp"

namespace svma {
namespace {

using test::kReadWrite;
using test::MapFixture;

constexpr u32 kMax = 65530;  // the default of vm.max_map_count

struct Unmap {
  const char* before;
  const char* request;
  const char* after;  // small letters: new VMAs
  unsigned cuts;      // each needs a new VMA, most of which are unmapped at once
};

const Unmap kUnmaps[] = {
    {"AAAA", "UUUU", "....", 0},       {"AAAA", "UU..", "..AA", 1},
    {"AAAA", "..UU", "AA..", 1},       {"AAAA", ".UU.", "A..a", 2},
    {".AAAA.", "UUUUUU", "......", 0}, {"AABBCC", "..UU..", "AA..CC", 0},
    {"AABBCC", ".UUUU.", "A....C", 2}, {"AABBCC", "UUUUU.", ".....C", 1},
    {"AABBCC", ".UUUUU", "A.....", 1}, {"AA..BB", "..UU..", "AA..BB", 0},
    {"AA..BB", ".UUUU.", "A....B", 2}, {"AA..BB", "..UUU.", "AA...B", 1},
    {"AA..BB", ".UUU..", "A...BB", 1}, {"A.B.C.D", ".UUUU..", "A.....D", 0},
    {"......", ".UUU..", "......", 0},
};

class DoMunmap : public MapFixture, public testing::WithParamInterface<Unmap> {};

TEST_P(DoMunmap, Drawn_GivesTheDrawnResult) {
  const Unmap& unmap = GetParam();
  draw(unmap.before);
  stock(AddressSpace::kMunmapReserve);
  const u64 hiwater = mm_.acct().total_vm.value();
  ASSERT_TRUE(mm_.do_munmap(range(unmap.request), reserve_, kMax).ok());
  check();
  EXPECT_EQ(picture(), unmap.after);
  EXPECT_EQ(reserve_.available(), AddressSpace::kMunmapReserve - unmap.cuts);
  const bool touched = std::string(unmap.before) != unmap.after;
  EXPECT_EQ(mm_.acct().hiwater_vm.value(), touched ? hiwater : 0);
}

INSTANTIATE_TEST_SUITE_P(Pictures, DoMunmap, testing::ValuesIn(kUnmaps));

class Munmap : public MapFixture {};

TEST_F(Munmap, Bad_RangesAreRefused) {
  draw("AAAA");
  stock(2);
  EXPECT_EQ(mm_.do_munmap({at(1), at(1)}, reserve_, kMax).err(), -kEINVAL);
  EXPECT_EQ(mm_.do_munmap({at(2), at(1)}, reserve_, kMax).err(), -kEINVAL);
  EXPECT_EQ(mm_.do_munmap({at(1) + 1, at(2)}, reserve_, kMax).err(), -kEINVAL);
  check();
  EXPECT_EQ(picture(), "AAAA");
}

TEST_F(Munmap, MiddleWithMapCountAtLimit_IsRefusedUntouched) {
  draw("AAAA.B");
  stock(2);
  EXPECT_EQ(mm_.do_munmap({at(1), at(2)}, reserve_, 2).err(), -kENOMEM);
  check();
  EXPECT_EQ(picture(), "AAAA.B");
  EXPECT_TRUE(mm_.do_munmap({at(1), at(2)}, reserve_, 3).ok());
  check();
  EXPECT_EQ(picture(), "A.aa.B");
}

TEST_F(Munmap, EndsWithMapCountAtLimit_AreAllowed) {
  draw("AAAA.BB");
  stock(2);
  EXPECT_TRUE(mm_.do_munmap({at(3), at(4)}, reserve_, 2).ok());
  EXPECT_TRUE(mm_.do_munmap({at(0), at(1)}, reserve_, 2).ok());
  stock(2);
  EXPECT_TRUE(mm_.do_munmap({at(2), at(6)}, reserve_, 2).ok());
  check();
}

TEST_F(Munmap, Locked_LeavesLockedVm) {
  draw("AAAABB", [](char name, VmaAttrs& attrs) {
    if (name == 'A') attrs.vm_flags |= kVmLocked;
  });
  stock(2);
  ASSERT_TRUE(mm_.do_munmap({at(1), at(5)}, reserve_, kMax).ok());
  check();
  EXPECT_EQ(mm_.acct().locked_vm, PageCount(1));
  EXPECT_EQ(mm_.acct().total_vm, PageCount(2));
}

TEST_F(Munmap, TooSmallReserve_ChangesNothing) {
  for (const Unmap& unmap : kUnmaps) {
    for (unsigned have = 0; have <= AddressSpace::kMunmapReserve; ++have) {
      SCOPED_TRACE(std::string(unmap.before) + " - " + unmap.request);
      reserve_.release();
      draw(unmap.before);
      stock(have);
      const Status status = mm_.do_munmap(range(unmap.request), reserve_, kMax);
      EXPECT_EQ(status.err(), have < unmap.cuts ? -kENOMEM : 0);
      check();
      if (!status.ok()) {
        EXPECT_EQ(picture(), unmap.before);
      }
      mm_.clear();
    }
  }
}

// The whole of an operation as the caller writes it: fill the reserve, then change.
TEST_F(Munmap, NthAllocationFails_ChangesNothing) {
  for (unsigned nth = 1; nth <= AddressSpace::kMunmapReserve + 1; ++nth) {
    draw("AAAAAA");
    reserve_.release();
    test::fail_allocation(nth);
    Status status = reserve_.fill(AddressSpace::kMunmapReserve);
    if (status.ok()) status = mm_.do_munmap({at(2), at(4)}, reserve_, kMax);
    EXPECT_EQ(status.ok(), nth > AddressSpace::kMunmapReserve);
    EXPECT_EQ(picture(), status.ok() ? "AA..aa" : "AAAAAA");
    test::fail_allocation(0);
    check();
    mm_.clear();
  }
}

TEST_F(Munmap, RandomRanges_MatchTheNaiveModel) {
  std::mt19937 random(11);
  test::NaiveModel model(mm_.stack_guard_gap());
  for (int step = 0; step < 3000; ++step) {
    const u64 first = random() % 120;
    const AddrRange where{at(first), at(first + 1 + random() % 20)};
    stock(3);
    if (random() % 2) {
      Vma* const vma = reserve_.take();
      vma->vm_start = where.start;
      vma->vm_end = where.end;
      vma->attrs = anonymous(where.start, random() % 4 ? kReadWrite : kReadWrite | kVmLocked);
      vma->attrs.ino = static_cast<u64>(step);
      if (mm_.insert(vma).ok()) {
        ASSERT_TRUE(model.insert({where.start.value(), where.end.value(), vma->attrs}));
        mm_.vm_stat_account(vma->attrs.vm_flags, static_cast<i64>(vma->pages().value()));
        if (vma->has(kVmLocked)) mm_.acct().locked_vm += vma->pages();
      } else {
        reserve_.give_back(vma);
      }
    } else {
      ASSERT_TRUE(mm_.do_munmap(where, reserve_, kMax).ok());
      model.munmap(where.start.value(), where.end.value());
    }
    check();
    ASSERT_EQ(difference(mm_, model), "") << "step " << step;
    ASSERT_FALSE(HasFailure()) << "step " << step;
  }
}

}  // namespace
}  // namespace svma
