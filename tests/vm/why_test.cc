// SPDX-License-Identifier: GPL-2.0-only
//
// SVMA_IOC_WHY: layouts that break one condition of a merge at a time, and one that breaks none.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr uint64_t kRw = PROT_READ | PROT_WRITE;
constexpr uint64_t kVmWrite = 2, kVmAccount = 0x100000;
constexpr uint64_t kVmSpecial = 0x4000 | 0x40000 | 0x400 | 0x10000000;

using Conditions = std::vector<int>;

Conditions NotHeld(const svma_condition (&answers)[SVMA_CONDITION_COUNT]) {
  Conditions ids;
  for (int id = 0; id < SVMA_CONDITION_COUNT; id++) {
    if (answers[id].asked && !answers[id].held) ids.push_back(id);
  }
  return ids;
}

class Why : public Tracee {
 protected:
  svma_why Ask(uint64_t addr) {
    auto why = Argument<svma_why>();
    why.mm_id = id_;
    why.addr = addr;
    EXPECT_EQ(device_.Ask(SVMA_IOC_WHY, &why), 0);
    return why;
  }

  // Asks at the pages on both sides of the seam at `page`; both must blame exactly these
  // conditions. RETURNS: the answer of the upper one.
  svma_why ExpectSeam(uint64_t page, const Conditions& blamed) {
    svma_why lower = Ask(At(page) - kPage), upper = Ask(At(page));
    EXPECT_EQ(lower.found & 5, 5u);
    EXPECT_EQ(upper.found & 3, 3u);
    EXPECT_EQ(upper.vma.start, At(page));
    EXPECT_EQ(upper.prev.start, lower.vma.start);
    EXPECT_EQ(lower.next.start, upper.vma.start);
    EXPECT_EQ(NotHeld(upper.with_prev), blamed);
    EXPECT_EQ(NotHeld(lower.with_next), blamed);
    EXPECT_EQ(upper.mergeable & 1, blamed.empty());
    EXPECT_EQ(lower.mergeable >> 1, blamed.empty());
    for (int id = 0; id < SVMA_CONDITION_COUNT; id++) {
      EXPECT_EQ(upper.with_prev[id].lower, lower.with_next[id].lower) << id;
      EXPECT_EQ(upper.with_prev[id].upper, lower.with_next[id].upper) << id;
    }
    return upper;
  }

  // The page where the second VMA of the arena begins.
  uint64_t Seam() { return (Ask(At(0)).next.start - At(0)) / kPage; }

  int Memfd() {
    int fd = puppet_.Syscall(SYS_memfd_create, {reinterpret_cast<uint64_t>("why"), 0}).value;
    Do("ftruncate", SYS_ftruncate, {static_cast<uint64_t>(fd), 64 * kPage});
    return fd;
  }
};

TEST_F(Why, OtherFlags_OnlyFlagsWithBothValues) {
  Map(0, 4);
  Protect(2, 2, PROT_READ);
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_FLAGS});
  const svma_condition& flags = why.with_prev[SVMA_CONDITION_FLAGS];
  EXPECT_EQ(flags.lower, why.prev.flags);
  EXPECT_EQ(flags.upper, why.vma.flags);
  const uint64_t dropped = Choice("mprotect_drops_account") == "yes" ? kVmAccount : 0;
  EXPECT_EQ(flags.lower ^ flags.upper, kVmWrite | dropped);
}

TEST_F(Why, OtherFile_OnlyFileWithTwoIdentities) {
  int one = Memfd(), two = Memfd();
  Map(0, 2, kRw, MAP_SHARED, one, 0);
  Map(2, 2, kRw, MAP_SHARED, two, 2);
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_FILE});
  const svma_condition& file = why.with_prev[SVMA_CONDITION_FILE];
  EXPECT_EQ(file.lower, why.prev.file);
  EXPECT_EQ(file.upper, why.vma.file);
  EXPECT_NE(file.lower, file.upper);
}

TEST_F(Why, OffsetDoesNotContinue_OnlyPgoffWithExpectedAndFound) {
  int fd = Memfd();
  Map(0, 2, kRw, MAP_SHARED, fd, 3);
  Map(2, 2, kRw, MAP_SHARED, fd, 9);
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_PGOFF});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_PGOFF].lower, 5u);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_PGOFF].upper, 9u);
}

// AA  BB, each written to: two anon_vmas. mmap() gives the hole to one of them, and then they
// touch.
TEST_F(Why, AnonVmasOfDifferentOrigin_OnlyAnonVma) {
  Map(0, 2);
  Touch(0, 1);
  Map(4, 2);
  Touch(4, 1);
  Map(2, 2);
  svma_why why = ExpectSeam(Seam(), {SVMA_CONDITION_ANON_VMA});
  const svma_condition& anon = why.with_prev[SVMA_CONDITION_ANON_VMA];
  EXPECT_NE(anon.lower, 0u);
  EXPECT_NE(anon.upper, 0u);
  EXPECT_NE(anon.lower, anon.upper);
  EXPECT_FALSE(why.with_prev[SVMA_CONDITION_SINGULAR].asked);
}

// MREMAP_DONTUNMAP takes the anon_vma from B, where the kernel does that, and asks for no merge of
// what it leaves.
TEST_F(Why, NothingForbidsButNobodyAsked_Mergeable) {
  Map(0, 2);
  Touch(0, 1);
  Map(4, 2);
  Touch(4, 1);
  Map(2, 2);
  const uint64_t seam = Seam(), rest = (6 - seam) * kPage;
  Do("mremap DONTUNMAP", SYS_mremap, {At(seam), rest, rest, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0});
  svma_why upper = Ask(At(seam));
  if (Choice("dontunmap_isolates_source") == "no") {
    EXPECT_EQ(NotHeld(upper.with_prev), Conditions{SVMA_CONDITION_ANON_VMA});
    return;
  }
  EXPECT_EQ(NotHeld(upper.with_prev), Conditions{});
  EXPECT_EQ(upper.mergeable & 1, 1u);
  EXPECT_TRUE(upper.with_prev[SVMA_CONDITION_SINGULAR].asked);
  // Asked from below it is another question: the upper one has no chain that could be singular, but
  // that of the lower one, where it is asked, is.
  const bool brings = Choice("merge_takes_anon_vma_of_range") == "yes";
  EXPECT_EQ(NotHeld(Ask(At(0)).with_next),
            brings ? Conditions{} : Conditions{SVMA_CONDITION_SINGULAR});
  // The kernel agrees as soon as somebody asks.
  Protect(seam, 6 - seam, PROT_READ);
  Protect(seam, 6 - seam, kRw);
  EXPECT_EQ(Ask(At(seam)).vma.start, At(0));
}

TEST_F(Why, OtherPolicy_OnlyPolicy) {
  Map(0, 4);
  Do("mbind LOCAL", SYS_mbind, {At(2), 2 * kPage, 4, 0, 0, 0});
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_POLICY});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_POLICY].lower, 0u);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_POLICY].upper, why.vma.policy);
  EXPECT_NE(why.vma.policy, 0u);
}

TEST_F(Why, OtherUserfaultfd_OnlyUffd) {
  Map(0, 4);
  for (uint64_t page : {0, 2}) {
    uint64_t fd = puppet_.Syscall(SYS_userfaultfd, {O_CLOEXEC}).value;
    Run("register",
        [](Words words) -> int64_t {
          uffdio_api api = {UFFD_API, 0, 0};
          uffdio_register range = {{words[1], 2 * kPage}, UFFDIO_REGISTER_MODE_MISSING, 0};
          return ioctl(words[0], UFFDIO_API, &api) || ioctl(words[0], UFFDIO_REGISTER, &range);
        },
        {fd, At(page)});
  }
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_UFFD});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_UFFD].lower, why.prev.uffd_ctx);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_UFFD].upper, why.vma.uffd_ctx);
}

// Split by a protection that is given back: all is the same again, but for the close operation.
TEST_F(Why, SharedSegmentWithClose_OnlyClose) {
  uint64_t id = puppet_.Syscall(SYS_shmget, {IPC_PRIVATE, 4 * kPage, IPC_CREAT | 0600}).value;
  Do("shmat", SYS_shmat, {id, At(0), 0});
  puppet_.Syscall(SYS_shmctl, {id, IPC_RMID, 0});
  Protect(2, 2, PROT_READ);
  Protect(2, 2, kRw);
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_CLOSE});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_CLOSE].lower, 1u);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_CLOSE].upper, 1u);
}

// The BIOS, by /dev/mem: VM_IO, VM_PFNMAP, VM_DONTEXPAND and no close operation. What the driver
// makes of the flags is not the question here, so the steps are not checked one by one.
TEST_F(Why, DeviceMemory_OnlySpecial) {
  int fd = puppet_.Syscall(SYS_open, {reinterpret_cast<uint64_t>("/dev/mem"), O_RDONLY}).value;
  ASSERT_GE(fd, 0);
  Answer mapped = puppet_.Syscall(SYS_mmap, {At(0), 4 * kPage, PROT_READ, MAP_SHARED | MAP_FIXED,
                                             static_cast<uint64_t>(fd), 0xf0000});
  ASSERT_EQ(static_cast<uint64_t>(mapped.value), At(0)) << strerror(mapped.error);
  for (uint64_t protection : {PROT_NONE, PROT_READ}) {
    EXPECT_EQ(puppet_.Syscall(SYS_mprotect, {At(2), 2 * kPage, protection}).value, 0);
  }
  svma_why why = ExpectSeam(2, {SVMA_CONDITION_SPECIAL});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_SPECIAL].lower, why.prev.flags & kVmSpecial);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_SPECIAL].upper, why.vma.flags & kVmSpecial);
  EXPECT_NE(why.vma.flags & kVmSpecial, 0u);
}

TEST_F(Why, HoleBetween_OnlyAdjacentAndTheRestNotAsked) {
  Map(0, 1);
  Map(2, 1);
  svma_why why = Ask(At(2));
  EXPECT_EQ(NotHeld(why.with_prev), Conditions{SVMA_CONDITION_ADJACENT});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_ADJACENT].lower, At(1));
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_ADJACENT].upper, At(2));
  EXPECT_FALSE(why.with_prev[SVMA_CONDITION_FLAGS].asked);
  EXPECT_TRUE(why.with_prev[SVMA_CONDITION_FLAGS].held);
  EXPECT_EQ(why.mergeable & 1, 0u);
}

TEST_F(Why, LowestVma_OnlyNeighbour) {
  std::vector<svma_vma> vmas = device_.Snapshot(id_);
  ASSERT_FALSE(vmas.empty());
  svma_why why = Ask(vmas.front().start);
  EXPECT_EQ(why.found & 3, 1u);
  EXPECT_EQ(NotHeld(why.with_prev), Conditions{SVMA_CONDITION_NEIGHBOUR});
}

TEST_F(Why, Hole_NoVmaButBothNeighbours) {
  Map(0, 1);
  Map(4, 1);
  svma_why why = Ask(At(2));
  EXPECT_EQ(why.found, 6u);
  EXPECT_EQ(why.prev.start, At(0));
  EXPECT_EQ(why.next.start, At(4));
  EXPECT_EQ(why.mergeable, 0u);
}

TEST_F(Why, BadArguments_Refused) {
  auto why = Argument<svma_why>();
  why.mm_id = id_;
  why.flags = 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_WHY, &why), EINVAL);
  why.flags = 0;
  why.mm_id = ~0ull;
  EXPECT_EQ(device_.Ask(SVMA_IOC_WHY, &why), ENOENT);
}

TEST_F(Why, CommandLine_NamesTheDifferingFlag) {
  Map(0, 4);
  Protect(2, 2, PROT_READ);
  // The command opens the device itself; two descriptors may ask about one mm.
  char command[128], line[512];
  snprintf(command, sizeof(command), "/opt/svma/bin/svma why %d %llx", puppet_.pid(),
           static_cast<unsigned long long>(At(2)));
  std::string text;
  FILE* out = popen(command, "r");
  ASSERT_NE(out, nullptr);
  while (fgets(line, sizeof(line), out)) text += line;
  EXPECT_EQ(pclose(out), 0);
  EXPECT_NE(text.find("differ in VM_WRITE (lower one)"), std::string::npos) << text;
  EXPECT_NE(text.find("does not merge: flags"), std::string::npos) << text;
}

// Memory that the test process had written to before it forked the puppet.
struct Inherited {
  Inherited() {
    void* at = reinterpret_cast<void*>(kArena);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    if (mmap(at, 2 * kPage, kRw, flags, -1, 0) == at) *static_cast<volatile char*>(at) = 1;
  }
  ~Inherited() { munmap(reinterpret_cast<void*>(kArena), 2 * kPage); }
};

class WhyForked : public Inherited, public Why {};

TEST_F(WhyForked, ForkedAnonVma_OnlySingular) {
  Map(2, 2);
  svma_why why = Ask(At(2));
  EXPECT_EQ(why.prev.start, At(0));
  EXPECT_NE(why.prev.anon_vma, 0u);
  EXPECT_EQ(NotHeld(why.with_prev), Conditions{SVMA_CONDITION_SINGULAR});
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_SINGULAR].lower, 0u);
  EXPECT_TRUE(why.with_prev[SVMA_CONDITION_ANON_VMA].held);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_ANON_VMA].lower, why.prev.anon_vma);
  EXPECT_EQ(why.with_prev[SVMA_CONDITION_ANON_VMA].upper, 0u);
}

}  // namespace
}  // namespace guest
