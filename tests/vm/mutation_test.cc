// SPDX-License-Identifier: GPL-2.0-only
//
// Teeth: with each mutation of kmod/core/base/mutation.hpp switched on, the first thing reported
// must be a divergence, and blamed on the operation that was predicted wrongly. Without one, the
// same steps must be reported as nothing.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>

#include "stage.hpp"
#include "tracee.hpp"

namespace guest {
namespace {

constexpr char kParameter[] = "/sys/module/svma/parameters/mutation";

struct Case {
  const char* mutation;
  uint32_t operation;  // to be blamed
  void (*play)(Stage&);
};

const Case kCases[] = {
    {"skip_merge_below", SVMA_OP_MMAP,
     [](Stage& s) {
       s.Map(0, 2);
       s.Map(2, 2);
     }},
    {"skip_merge_above", SVMA_OP_MMAP,
     [](Stage& s) {
       s.Map(2, 2);
       s.Map(0, 2);
     }},
    {"skip_merge", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 4);
       s.Protect(0, 2, PROT_READ);
       s.Protect(2, 2, PROT_READ);
     }},
    {"mmap_wrong_pgoff", SVMA_OP_MMAP,
     [](Stage& s) { s.Map(0, 4, PROT_READ, MAP_PRIVATE, s.OpenFile(), 3); }},
    {"mmap_not_softdirty", SVMA_OP_MMAP, [](Stage& s) { s.Map(0, 2); }},
    {"mmap_total_vm", SVMA_OP_MMAP, [](Stage& s) { s.Map(0, 2); }},
    {"split_off_by_one", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 8);
       s.Protect(2, 3, PROT_READ);
     }},
    {"split_wrong_pgoff", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 8, kReadWrite, MAP_PRIVATE, s.OpenFile());
       s.Protect(2, 3, PROT_READ);
     }},
    {"munmap_keeps_last", SVMA_OP_MUNMAP,
     [](Stage& s) {
       s.Map(0, 2);
       s.Map(2, 2, PROT_READ);
       s.Unmap(0, 4);
     }},
    {"munmap_one_page_more", SVMA_OP_MUNMAP,
     [](Stage& s) {
       s.Map(0, 6);
       s.Unmap(0, 2);
     }},
    {"munmap_locked_vm", SVMA_OP_MUNMAP,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mlock, {s.At(0), 4 * kPage});
       s.Unmap(0, 4);
     }},
    {"gap_not_updated", SVMA_OP_MUNMAP,
     [](Stage& s) {
       s.Map(0, 2);
       s.Map(100, 2);
       s.Map(300, 2);
       s.Unmap(100, 2);
     }},
    {"hiwater_forgotten", SVMA_OP_MUNMAP,
     [](Stage& s) {
       s.Map(0, 5000);
       s.Unmap(0, 5000);
     }},
    {"stale_vmacache", SVMA_OP_MMAP,  // the next operation looks the address up
     [](Stage& s) {
       s.Map(0, 4);
       s.Protect(1, 1, PROT_READ);
       s.Unmap(1, 1);
       s.Map(1, 1, PROT_NONE);
       s.Protect(1, 1, PROT_READ);
     }},
    {"brk_never_merges", SVMA_OP_BRK,
     [](Stage& s) {
       const uint64_t heap = s.Do(SYS_brk, {0});
       s.Do(SYS_brk, {heap + 16 * kPage});
       s.Do(SYS_brk, {heap + 32 * kPage});
     }},
    {"brk_data_vm", SVMA_OP_BRK,
     [](Stage& s) { s.Do(SYS_brk, {s.Do(SYS_brk, {0}) + 16 * kPage}); }},
    {"mprotect_wrong_account", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 4, PROT_READ);
       s.Protect(0, 4, kReadWrite);
     }},
    {"mprotect_no_account", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 4, PROT_READ);
       s.Protect(0, 4, kReadWrite);
     }},
    {"mlock_locked_vm", SVMA_OP_MLOCK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mlock, {s.At(0), 4 * kPage});
     }},
    {"mremap_keeps_source", SVMA_OP_MREMAP_MOVE,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mremap, {s.At(0), 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, s.At(20)});
     }},
    {"mremap_wrong_pgoff", SVMA_OP_MREMAP_MOVE,
     [](Stage& s) {
       s.Map(0, 6);
       s.Touch(0, 6);
       s.Do(SYS_mremap, {s.At(3), kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, s.At(20)});
     }},
    {"mremap_expand_short", SVMA_OP_MREMAP_EXPAND,
     [](Stage& s) {
       s.Map(0, 2);
       s.Do(SYS_mremap, {s.At(0), 2 * kPage, 6 * kPage, 0});
     }},
    {"madvise_wrong_flag", SVMA_OP_MADVISE,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_madvise, {s.At(1), kPage, MADV_DONTFORK});
     }},
    {"mbind_ignored", SVMA_OP_MBIND,
     [](Stage& s) {
       s.Map(0, 4);
       s.Run(
           [](Words w) -> int64_t {
             const unsigned long nodes = 1;
             return syscall(SYS_mbind, w[0], w[1], 2 /* MPOL_BIND */, &nodes, 8, 0);
           },
           {s.At(1), 2 * kPage});
     }},
    {"uffd_keeps_flags", SVMA_OP_MODIFY,
     [](Stage& s) {
       s.Map(0, 4);
       s.Run(
           [](Words w) -> int64_t {
             const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
             uffdio_api api{};
             api.api = UFFD_API;
             uffdio_register range{};
             range.range = {w[0], w[1]};
             range.mode = UFFDIO_REGISTER_MODE_MISSING;
             return fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range) ? -1
                                                                                                : 0;
           },
           {s.At(1), 2 * kPage});
     }},
    {"anon_vma_lost", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 6);
       s.Protect(2, 2, PROT_NONE);
       s.Touch(4, 1);
       s.Protect(2, 2, kReadWrite);  // joins all three; the lowest takes the anon_vma over
     }},
    {"stack_wrong_pgoff", SVMA_OP_STACK_GROWTH,
     [](Stage& s) {
       s.Map(1000, 4, kReadWrite, kPrivate | MAP_GROWSDOWN);
       s.Touch(998, 1);
     }},
    {"fork_keeps_locked", SVMA_OP_FORK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mlock, {s.At(0), 4 * kPage});
       s.ForkAndReap();
     }},
    {"fork_copies_dontcopy", SVMA_OP_FORK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_madvise, {s.At(0), 4 * kPage, MADV_DONTFORK});
       s.ForkAndReap();
     }},
    {"rmap_prepare_alone", SVMA_OP_ANON_VMA,
     [](Stage& s) {
       s.Map(0, 2);
       s.Map(2, 2, kReadWrite | PROT_EXEC);
       s.Touch(2, 1);
       s.Touch(0, 1);  // shares the neighbour's anon_vma
     }},
    {"rmap_import_forgotten", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 6);
       s.Protect(2, 2, PROT_NONE);
       s.Touch(4, 1);
       s.Protect(2, 2, kReadWrite);
     }},
    {"rmap_clone_not_active", SVMA_OP_MPROTECT,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.Protect(1, 1, PROT_READ);
     }},
    {"rmap_unlink_still_active",
     SVMA_OP_MPROTECT,  // munmap itself is still busy when it is compared
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.Protect(1, 1, PROT_READ);
       s.Unmap(1, 1);
       s.Protect(0, 1, PROT_READ);
     }},
    {"rmap_chain_at_tail", SVMA_OP_FORK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.ForkAndReap();
     }},
    {"rmap_child_not_counted", SVMA_OP_FORK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.ForkAndReap();
     }},
    {"rmap_reuses_active", SVMA_OP_FORK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.ForkAndReap();
     }},
    {"rmap_wrong_parent", SVMA_OP_FORK,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.ForkTwiceAndReap();
     }},
    {"search_off_by_one", SVMA_OP_SEARCH,
     [](Stage& s) {
       s.Do(SYS_mmap, {0, kPage, kReadWrite, kPrivate, ~0ull, 0});
     }},
    {"search_other_limit", SVMA_OP_SEARCH,
     [](Stage& s) {
       s.Do(SYS_mmap, {0, kPage, kReadWrite, kPrivate, ~0ull, 0});
     }},
    {"mremap_call_moves", SVMA_OP_MREMAP_MOVE,  // the call as a whole goes by that name
     [](Stage& s) {
       s.Map(0, 2);
       s.Do(SYS_mremap, {s.At(0), 2 * kPage, 6 * kPage, 0});
     }},
    {"brk_call_longer", SVMA_OP_BRK,
     [](Stage& s) {
       const uint64_t heap = s.Do(SYS_brk, {0});
       s.Do(SYS_brk, {heap + 16 * kPage});
       s.Do(SYS_brk, {heap + 32 * kPage});
     }},
    {"mbind_call_stops", SVMA_OP_MBIND,
     [](Stage& s) {
       s.Map(0, 4);
       s.Map(4, 4, PROT_READ);
       s.Run(
           [](Words w) -> int64_t {
             const unsigned long nodes = 1;
             return syscall(SYS_mbind, w[0], w[1], 2 /* MPOL_BIND */, &nodes, 8, 0);
           },
           {s.At(1), 6 * kPage});
     }},
    {"search_ignores_guard", SVMA_OP_SEARCH, [](Stage& s) { s.SearchBesideGuardGap(); }},
};

class Mutation : public testing::TestWithParam<Case> {
 protected:
  void TearDown() override { EXPECT_EQ(WriteFile(kParameter, "none"), 0); }
};

// Where the kernel has a vmacache its number is compared at once; otherwise a later lookup tells.
uint32_t BlamedOn(const Case& c) {
  const bool at_once =
      std::string(c.mutation) == "stale_vmacache" && Choice("has_vmacache") == "yes";
  return at_once ? uint32_t{SVMA_OP_MUNMAP} : c.operation;
}

TEST_P(Mutation, SwitchedOn_BlamedOnItsOperation) {
  const Case& c = GetParam();
  Stage stage;
  ASSERT_EQ(WriteFile(kParameter, c.mutation), 0);
  c.play(stage);
  const auto reports = stage.Reports();
  ASSERT_FALSE(reports.empty()) << "nothing was noticed";
  EXPECT_EQ(reports[0].operation, BlamedOn(c));
  EXPECT_EQ(reports[0].unmodelled, 0u);
  EXPECT_GT(stage.Stats().counts.divergent, 0u);
}

TEST_P(Mutation, SwitchedOff_SameStepsReportNothing) {
  Stage stage;
  GetParam().play(stage);
  const svma_stats stats = stage.Stats();
  EXPECT_EQ(stage.Reports().size(), 0u);
  EXPECT_EQ(stats.counts.divergent, 0u);
  EXPECT_EQ(stats.counts.unmodelled, 0u);
  EXPECT_GT(stats.counts.operations, 1u);
}

// Where the pools fill what is freed (kmod/shim/pool.c) no cache finds a VMA that has gone.
std::vector<Case> Cases() {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  if (DebugKernel())
    std::erase_if(cases, [](const Case& c) { return !strcmp(c.mutation, "stale_vmacache"); });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, Mutation, testing::ValuesIn(Cases()),
                         [](const auto& info) { return std::string(info.param.mutation); });

TEST(MutationSwitch, UnknownName_Refused) { EXPECT_EQ(WriteFile(kParameter, "no_such"), EINVAL); }

TEST(MutationSwitch, None_IsWhatItSays) { EXPECT_EQ(ReadFile(kParameter), "none\n"); }

}  // namespace
}  // namespace guest
