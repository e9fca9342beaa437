// SPDX-License-Identifier: GPL-2.0-only
#include "vma/accounting.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

struct Classified {
  const char* what;
  VmFlags flags;
  bool exec, stack, data;
};

const Classified kClasses[] = {
    {"code", kVmRead | kVmExec, true, false, false},
    {"code of a shared mapping", kVmExec | kVmShared, true, false, false},
    {"writable code", kVmRead | kVmWrite | kVmExec, false, false, true},
    {"heap", kVmRead | kVmWrite, false, false, true},
    {"shared memory", kVmRead | kVmWrite | kVmShared, false, false, false},
    {"constants", kVmRead, false, false, false},
    {"stack", kVmRead | kVmWrite | kVmGrowsDown, false, true, false},
    {"executable stack", kVmRead | kVmWrite | kVmExec | kVmGrowsDown, false, true, false},
    {"stack without access", kVmGrowsDown, false, true, false},
};

TEST(Accounting, EachMapping_HasAtMostOneClass) {
  for (const Classified& c : kClasses) {
    EXPECT_EQ(is_exec_mapping(c.flags), c.exec) << c.what;
    EXPECT_EQ(is_stack_mapping(c.flags), c.stack) << c.what;
    EXPECT_EQ(is_data_mapping(c.flags), c.data) << c.what;
  }
}

TEST(Accounting, AddThenSubtract_LeavesZero) {
  for (const Classified& c : kClasses) {
    Accounting acct;
    vm_stat_account(acct, c.flags, 7);
    EXPECT_EQ(acct.total_vm, PageCount(7)) << c.what;
    EXPECT_EQ(acct.exec_vm, PageCount(c.exec ? 7 : 0)) << c.what;
    EXPECT_EQ(acct.stack_vm, PageCount(c.stack ? 7 : 0)) << c.what;
    EXPECT_EQ(acct.data_vm, PageCount(c.data ? 7 : 0)) << c.what;
    vm_stat_account(acct, c.flags, -7);
    EXPECT_EQ(acct, Accounting()) << c.what;
  }
}

TEST(Accounting, Hiwater_OnlyRises) {
  Accounting acct;
  acct.total_vm = PageCount(5);
  update_hiwater_vm(acct);
  acct.total_vm = PageCount(3);
  update_hiwater_vm(acct);
  EXPECT_EQ(acct.hiwater_vm, PageCount(5));
}

}  // namespace
}  // namespace svma
