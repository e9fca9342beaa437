// SPDX-License-Identifier: GPL-2.0-only
//
// A layout that is loaded in parts, while others who share its anon_vmas and files go on.
#include <gtest/gtest.h>

#include <memory>

#include "followed_machine.hpp"
#include "os_services.hpp"

namespace svma::test {
namespace {

constexpr u64 page(u64 number) { return FollowedMachine::page(number); }
constexpr u64 kReadOnly = 1;

class LoadInParts : public testing::TestWithParam<u32> {
 protected:
  void SetUp() override {
    machine_->map({parent_, 10, 4, kPlainFile, 0});
    machine_->map({parent_, 20, 4, kPlainFile, 0, /*shared=*/false});
    machine_->map({parent_, 30, 8, 0, 0, /*shared=*/false});
    machine_->in(parent_).fault(page(21));
    machine_->in(parent_).fault(page(31));
    child_ = machine_->fork(parent_);
    machine_->in(child_).mprotect(page(32), 2 * kPageSize, kReadOnly, -1);
    grandchild_ = machine_->fork(child_);
    ASSERT_EQ(machine_->check(), "");
  }
  ~LoadInParts() override {
    fail_allocation(0);
    machine_.reset();
    EXPECT_EQ(allocations_outstanding(), 0u);
  }

  // One of what relatives do, by turns.
  void let_relatives_go_on() {
    const u64 at = 100 + 10 * turn_;
    switch (turn_++ % 6) {
      case 0:
        machine_->map({parent_, at, 4, kPlainFile, 0, /*shared=*/false});
        machine_->in(parent_).fault(page(at));
        return;
      case 1:
        machine_->in(parent_).munmap(page(30), 2 * kPageSize);
        return;
      case 2:
        forked_ = machine_->fork(parent_);
        return;
      case 3:
        machine_->in(grandchild_).mprotect(page(34), kPageSize, kReadOnly, -1);
        return;
      case 4:
        machine_->exit(forked_);
        return;
      default:
        machine_->in(grandchild_).mremap(page(21), kPageSize, kPageSize, 3, page(at));
    }
  }

  // RETURNS: the number of parts.
  u32 load(std::size_t mm) {
    u32 parts = 0;
    machine_->begin_reload(mm);
    do {
      let_relatives_go_on();
      ++parts;
    } while (machine_->reload_part(mm, GetParam()));
    EXPECT_EQ(machine_->err(), 0);
    return parts;
  }

  void expect_in_step(std::size_t mm) {
    EXPECT_EQ(machine_->audit(mm).divergent, 0u);
    EXPECT_FALSE(machine_->suspect(mm));
    EXPECT_EQ(machine_->check(), "");
  }

  std::unique_ptr<FollowedMachine> machine_ = std::make_unique<FollowedMachine>();
  std::size_t parent_ = machine_->spawn();
  std::size_t child_ = 0, grandchild_ = 0, forked_ = 0;
  u64 turn_ = 0;
};

TEST_P(LoadInParts, RelativesGoOn_InStepAtTheEnd) {
  const u32 parts = load(child_);
  if (GetParam() == 1) {
    EXPECT_GT(parts, 12u);
  }
  expect_in_step(child_);
  load(grandchild_);
  expect_in_step(grandchild_);
  for (int i = 0; i < 12; ++i) let_relatives_go_on();
  machine_->in(child_).fault(page(36));
  machine_->fork(child_);
  expect_in_step(child_);
}

// As the module does when a probe has seen it.
TEST_P(LoadInParts, ChangedBetweenParts_BegunAnew) {
  for (u32 given_up = 1; given_up < 16; ++given_up) {
    machine_->begin_reload(child_);
    bool more = true;
    for (u32 i = 0; more && i < given_up; ++i) more = machine_->reload_part(child_, GetParam());
    if (!more) break;
    machine_->in(child_).munmap(page(20 + given_up), kPageSize);
    machine_->in(child_).fault(page(37));
    load(child_);
    expect_in_step(child_);
  }
}

TEST_P(LoadInParts, EachAllocation_Fails_EmptyAndCanBeginAnew) {
  bool failed = true;
  for (u64 nth = 1; failed; ++nth) {
    machine_->begin_reload(child_);
    fail_allocation(nth);
    while (machine_->reload_part(child_, GetParam())) {
    }
    failed = allocations_asked() >= nth;
    fail_allocation(0);
    EXPECT_EQ(machine_->err() != 0, failed) << nth;
    EXPECT_EQ(machine_->check(), "") << nth;
    load(child_);
    expect_in_step(child_);
  }
}

INSTANTIATE_TEST_SUITE_P(Budgets, LoadInParts, testing::Values(1, 2, 5, ~0u));

}  // namespace
}  // namespace svma::test
