// SPDX-License-Identifier: GPL-2.0-only
//
// 32-bit programs, 32-bit system calls of 64-bit programs, and 64-bit ones of 32-bit programs:
// which bases and which end a search has is a matter of the call, what may be mapped one of the
// program.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

#include "report.hpp"
#include "tracee.hpp"

namespace guest {
namespace {

constexpr char kProgram[] = "/opt/svma/bin/ia32";
constexpr uint64_t kLowArena = 0x20000000;
constexpr uint64_t kIa32End = 0xffffe000, kIa32End3Gb = 0xc0000000;
constexpr uint32_t kPage32 = kPage;
constexpr uint32_t kReadWrite = PROT_READ | PROT_WRITE;
constexpr uint32_t kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

// arch/x86/entry/syscalls/syscall_32.tbl
enum Ia32Call : uint32_t {
  kBrk = 45,
  kMunmap = 91,
  kMprotect = 125,
  kPersonality = 136,
  kMlock = 150,
  kMremap = 163,
  kMmap2 = 192,
  kMadvise = 219,
  // Orders of ia32.c.
  kTouch = 0x10000,
  kGrowStack = 0x10001,
  kFork = 0x10002,
  kOldMmap = 0x10003,
  kCall64 = 0x20000,
};

bool IsError(int64_t result) { return result < 0 && result >= -4095; }

// ia32.c, waiting for orders.
class Program {
 public:
  explicit Program(unsigned long more_personality = 0) {
    int orders[2], answers[2];
    if (pipe(orders) || pipe(answers)) throw std::runtime_error("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(orders[0], 0);
      dup2(answers[1], 1);
      for (int fd : {orders[0], orders[1], answers[0], answers[1]}) close(fd);
      personality(personality(0xffffffff) | more_personality);
      execl(kProgram, kProgram, nullptr);
      _exit(127);
    }
    close(orders[0]);
    close(answers[1]);
    orders_ = orders[1];
    answers_ = answers[0];
    Order(0x1000, {});  // no such call: once it answers, it is there
  }
  ~Program() {
    KillAndReap(pid_);
    close(orders_);
    close(answers_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }

  // RETURNS: what the call returned; addresses above 2 GiB are positive.
  int64_t Order(uint32_t number, const std::array<uint32_t, 6>& words) {
    const uint32_t order[7] = {number, words[0], words[1], words[2], words[3], words[4], words[5]};
    uint32_t answer = 0;
    if (write(orders_, order, sizeof(order)) != sizeof(order) ||
        read(answers_, &answer, sizeof(answer)) != sizeof(answer)) {
      throw std::runtime_error("the 32-bit program does not answer");
    }
    return answer > 0xfffff000 ? static_cast<int32_t>(answer) : static_cast<int64_t>(answer);
  }

 private:
  pid_t pid_ = 0;
  int orders_ = -1;
  int answers_ = -1;
};

// Such a program, tracked.
class Ia32 : public testing::Test {
 protected:
  explicit Ia32(unsigned long more_personality = 0) : program_(more_personality) {}

  void SetUp() override {
    ASSERT_EQ(device_.Track(program_.pid(), 0, &id_), 0);
    Check("attach");
  }
  void TearDown() override {
    if (HasFailure()) printf("%s", ReadFile(DebugDir(program_.pid()) + "/divergences").c_str());
  }

  void Check(const std::string& step) { CheckMm(device_, step, program_.pid(), id_, &seen_); }

  int64_t Do(const std::string& step, uint32_t number, const std::array<uint32_t, 6>& words) {
    const int64_t result = program_.Order(number, words);
    EXPECT_FALSE(IsError(result)) << step << ": " << -result;
    Check(step);
    return result;
  }
  void Fail(const std::string& step, int error, uint32_t number,
            const std::array<uint32_t, 6>& words) {
    EXPECT_EQ(program_.Order(number, words), -error) << step;
    Check(step);
  }

  svma_limits Limits() {
    auto limits = Argument<svma_limits>();
    limits.mm_id = id_;
    EXPECT_EQ(device_.Ask(SVMA_IOC_LIMITS, &limits), 0);
    return limits;
  }

  std::optional<uint64_t> Search(uint64_t length, uint32_t flags, uint64_t low, uint64_t high) {
    auto gap = Argument<svma_gap>();
    gap.mm_id = id_;
    gap.flags = flags;
    gap.length = length;
    gap.low_limit = low;
    gap.high_limit = high;
    EXPECT_EQ(device_.Ask(SVMA_IOC_GAP, &gap), 0);
    return gap.error ? std::nullopt : std::optional<uint64_t>(gap.result);
  }

  std::optional<uint64_t> Predict(uint64_t length) {
    const svma_limits limits = Limits();
    auto found =
        Search(length, limits.topdown ? SVMA_GAP_TOPDOWN : 0, limits.low_limit, limits.high_limit);
    if (!found && limits.fallback_high) {
      found = Search(length, 0, limits.fallback_low, limits.fallback_high);
    }
    return found && *found + length > limits.task_size ? std::nullopt : found;
  }

  // Maps until nothing of any size is left, and gives some of it back. RETURNS: how many mappings.
  int FillUp() {
    int mapped = 0;
    std::mt19937 random(17);
    for (uint64_t length = 1u << 30; length >= 1u << 20; length /= 2) {
      for (;;) {
        const auto predicted = Predict(length);
        const int64_t got = program_.Order(
            kMmap2, {0, static_cast<uint32_t>(length), PROT_NONE, kPrivate | MAP_NORESERVE, ~0u});
        EXPECT_EQ(predicted.value_or(-ENOMEM), static_cast<uint64_t>(got)) << "length " << length;
        if (IsError(got)) break;
        mapped++;
        if (random() % 4 == 0) program_.Order(kMunmap, {static_cast<uint32_t>(got), 1u << 19});
      }
    }
    Check("fill up");
    return mapped;
  }

  Program program_;
  Device device_;
  uint64_t id_ = 0;
  Seen seen_;
};

class Ia32Legacy : public Ia32 {
 protected:
  Ia32Legacy() : Ia32(ADDR_COMPAT_LAYOUT) {}
};
class Ia32ThreeGb : public Ia32 {
 protected:
  Ia32ThreeGb() : Ia32(ADDR_LIMIT_3GB) {}
};
class Ia32LegacyThreeGb : public Ia32 {
 protected:
  Ia32LegacyThreeGb() : Ia32(ADDR_COMPAT_LAYOUT | ADDR_LIMIT_3GB | ADDR_NO_RANDOMIZE) {}
};
class Ia32ReadImpliesExec : public Ia32 {
 protected:
  Ia32ReadImpliesExec() : Ia32(READ_IMPLIES_EXEC | MMAP_PAGE_ZERO) {}
};

TEST_F(Ia32, EachCall_Layout_Equal) {
  const uint32_t at = kLowArena;
  Do("mmap2", kMmap2, {at, 16 * kPage, kReadWrite, kPrivate | MAP_FIXED, ~0u});
  Do("touch", kTouch, {at, 16});
  Do("old mmap", kOldMmap, {at + 16 * kPage, 4 * kPage, kReadWrite, kPrivate | MAP_FIXED, ~0u});
  Do("mprotect", kMprotect, {at + 4 * kPage, 4 * kPage, PROT_READ});
  Do("mlock", kMlock, {at, 2 * kPage});
  Do("madvise", kMadvise, {at + 8 * kPage, 2 * kPage, MADV_DONTFORK});
  Do("mremap", kMremap, {at, 2 * kPage, 40 * kPage, MREMAP_MAYMOVE});
  Do("munmap", kMunmap, {at + 10 * kPage, 3 * kPage});
  const uint32_t heap = Do("brk 0", kBrk, {});
  EXPECT_EQ(Do("grow", kBrk, {heap + 20 * kPage32}), heap + 20 * kPage);
  Do("shrink", kBrk, {heap + 3 * kPage32});
  Do("stack", kGrowStack, {200});
  Do("fork", kFork, {});
}

TEST_F(Ia32, Limits_AreThoseOfItsCalls) {
  const svma_limits limits = Limits();
  EXPECT_EQ(limits.topdown, 1u);
  EXPECT_EQ(limits.task_size, kIa32End);
  EXPECT_LT(limits.high_limit, kIa32End);
  EXPECT_GT(limits.high_limit, kIa32End / 6);
  EXPECT_LT(limits.fallback_low, limits.high_limit);
  EXPECT_EQ(limits.fallback_high, kIa32End);
}

TEST_F(Ia32, AlmostEverything_LandsWherePredictedOrEnomem) { EXPECT_GT(FillUp(), 5); }
TEST_F(Ia32Legacy, AlmostEverything_LandsWherePredictedOrEnomem) {
  EXPECT_EQ(Limits().topdown, 0u);
  EXPECT_GT(FillUp(), 5);
}
TEST_F(Ia32ThreeGb, AlmostEverything_LandsWherePredictedOrEnomem) {
  EXPECT_EQ(Limits().task_size, kIa32End3Gb);
  EXPECT_GT(FillUp(), 5);
}
TEST_F(Ia32LegacyThreeGb, AlmostEverything_LandsWherePredictedOrEnomem) {
  EXPECT_EQ(Limits().high_limit, kIa32End3Gb);
  EXPECT_GT(FillUp(), 5);
}

// MAP_32BIT is a flag of 64-bit calls.
TEST_F(Ia32, Map32Bit_MeansNothing) {
  const auto predicted = Predict(4 * kPage);
  EXPECT_EQ(Do("mmap2", kMmap2, {0, 4 * kPage, PROT_NONE, kPrivate | MAP_32BIT, ~0u}),
            static_cast<int64_t>(predicted.value_or(0)));
  EXPECT_EQ(Do("hint", kMmap2, {kLowArena, kPage, PROT_NONE, kPrivate | MAP_32BIT, ~0u}),
            static_cast<int64_t>(kLowArena));
}

TEST_F(Ia32, HintsAroundTheEnd_TakenOrSearched) {
  for (uint32_t hint : {0xffff0000u, 0xffffd000u, 0xffffe000u, 0xbffff000u, 0xc0000000u}) {
    Do("hint " + std::to_string(hint), kMmap2, {hint, kPage, PROT_NONE, kPrivate, ~0u});
  }
  Fail("fixed above", ENOMEM, kMmap2, {0xffffe000, kPage, PROT_NONE, kPrivate | MAP_FIXED, ~0u});
}

// The end follows the personality of the moment, the bases stay: what is found below the base may
// lie above the end, and is refused without a second search.
TEST_F(Ia32, PersonalityChanges_EndFollows) {
  Do("3 GiB", kPersonality, {ADDR_LIMIT_3GB});
  EXPECT_EQ(Limits().fallback_high, kIa32End3Gb);
  Fail("fixed above", ENOMEM, kMmap2, {0xc0000000, kPage, PROT_NONE, kPrivate | MAP_FIXED, ~0u});
  Fail("search above", ENOMEM, kMmap2, {0, 2 * kPage, PROT_NONE, kPrivate, ~0u});
  EXPECT_EQ(Predict(2 * kPage), std::nullopt);
  EXPECT_GT(Search(2 * kPage, SVMA_GAP_TOPDOWN, kPage, Limits().high_limit).value_or(0),
            kIa32End3Gb);
  Do("hint below", kMmap2, {0xbfff0000, 2 * kPage, PROT_NONE, kPrivate, ~0u});
  Do("read implies exec", kPersonality, {READ_IMPLIES_EXEC});
  EXPECT_EQ(Limits().fallback_high, kIa32End);
  Do("mmap2", kMmap2, {kLowArena, 4 * kPage, PROT_READ, kPrivate, ~0u});
  Do("mprotect", kMprotect, {kLowArena + kPage, kPage, kReadWrite});
  FillUp();
}

TEST_F(Ia32ReadImpliesExec, PageZeroAndAllExecutable_Equal) {
  Do("personality", kPersonality, {READ_IMPLIES_EXEC});
  Do("mmap2", kMmap2, {kLowArena, 8 * kPage, PROT_READ, kPrivate, ~0u});
  Do("mprotect", kMprotect, {kLowArena + kPage, kPage, PROT_READ});
  const uint32_t heap = Do("brk 0", kBrk, {});
  Do("grow", kBrk, {heap + 8 * kPage32});
}

// A 64-bit call of a 32-bit program searches below the 64-bit base, where the program must not map.
TEST_F(Ia32, SixtyFourBitCalls_SearchedWithTheOtherBase) {
  const uint32_t mmap64 = kCall64 + SYS_mmap;
  Fail("mmap", ENOMEM, mmap64, {0, kPage, PROT_NONE, kPrivate, ~0u});
  EXPECT_EQ(Do("hint", mmap64, {kLowArena, kPage, PROT_NONE, kPrivate, ~0u}),
            static_cast<int64_t>(kLowArena));
  const int64_t low = Do("low", mmap64, {0, kPage, PROT_NONE, kPrivate | MAP_32BIT, ~0u});
  EXPECT_GE(low, 0x40000000);
  EXPECT_LT(low, 0x42000000);
  Do("munmap", kCall64 + SYS_munmap, {kLowArena, kPage});
}

TEST_F(Ia32, GapsCommand_LandsWherePredicted) {
  for (uint32_t pages : {1, 70, 3000, 100000}) {
    char command[128];
    unsigned long long predicted = 0;
    snprintf(command, sizeof(command), "/opt/svma/bin/svma gaps %d --len %lu", program_.pid(),
             pages * kPage);
    FILE* out = popen(command, "r");
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(fscanf(out, "%llx", &predicted), 1);
    EXPECT_EQ(pclose(out), 0);
    EXPECT_EQ(Do("mmap2", kMmap2, {0, pages * kPage32, PROT_NONE, kPrivate, ~0u}),
              static_cast<int64_t>(predicted));
  }
}

// --- int $0x80 in a 64-bit program

asm(R"(
    .text
    .type int80, @function
int80:
    push %rbx
    push %rbp
    mov (%rdi), %eax
    mov 8(%rdi), %ebx
    mov 16(%rdi), %ecx
    mov 24(%rdi), %edx
    mov 32(%rdi), %esi
    mov 48(%rdi), %ebp
    mov 40(%rdi), %edi
    int $0x80
    pop %rbp
    pop %rbx
    ret
    .size int80, . - int80
)");
extern "C" uint32_t int80(const uint64_t* number_and_six);

class Int80 : public Tracee {
 protected:
  int64_t Do80(const std::string& step, uint32_t number, std::array<uint32_t, 6> words) {
    const Answer answer =
        puppet_.Run([](Words w) -> int64_t { return int80(w); },
                    {number, words[0], words[1], words[2], words[3], words[4], words[5]});
    Check(step);
    return answer.value > 0xfffff000 ? static_cast<int32_t>(answer.value) : answer.value;
  }
};

TEST_F(Int80, EachCall_Layout_Equal) {
  const uint32_t at = kLowArena;
  EXPECT_EQ(Do80("mmap2", kMmap2, {at, 16 * kPage, kReadWrite, kPrivate | MAP_FIXED, ~0u}), at);
  EXPECT_EQ(Do80("mprotect", kMprotect, {at + 4 * kPage, 4 * kPage, PROT_READ}), 0);
  EXPECT_EQ(Do80("mlock", kMlock, {at, 2 * kPage}), 0);
  EXPECT_EQ(Do80("madvise", kMadvise, {at + 8 * kPage, 2 * kPage, MADV_DONTFORK}), 0);
  EXPECT_EQ(Do80("munmap", kMunmap, {at + 12 * kPage, 2 * kPage}), 0);
  EXPECT_GT(Do80("mremap", kMremap, {at, 2 * kPage, 40 * kPage, MREMAP_MAYMOVE}), 0);
}

TEST_F(Int80, NoHint_LandsBelow4Gb) {
  for (uint32_t pages : {1, 5, 700, 30000}) {
    const int64_t got =
        Do80("mmap2", kMmap2, {0, pages * kPage32, PROT_NONE, kPrivate | MAP_32BIT, ~0u});
    EXPECT_GT(got, 0xc0000000 / 2);
    EXPECT_LT(got, static_cast<int64_t>(kIa32End));
    EXPECT_GT(Do("mmap", SYS_mmap, {0, pages * kPage, PROT_NONE, kPrivate, ~0ull, 0}),
              int64_t{1} << 32);
  }
}

// From the top down a hint is judged by the size of the program, which is not that of a 32-bit one.
TEST_F(Int80, HintsAtFourGb_TakenByA64BitProgram) {
  EXPECT_EQ(Do80("hint", kMmap2, {0xfffef000, 8 * kPage, PROT_NONE, kPrivate, ~0u}), 0xfffef000);
  EXPECT_EQ(Do80("hint", kMmap2, {0xffffe000, kPage, PROT_NONE, kPrivate, ~0u}), 0xffffe000);
}

TEST_F(Int80, EverythingBelow4Gb_LandsWherePredictedOrEnomem) {
  int mapped = 0;
  for (uint32_t length = 1u << 30; length >= 1u << 22; length /= 2) {
    while (Do80("mmap2", kMmap2, {0, length, PROT_NONE, kPrivate | MAP_NORESERVE, ~0u}) > 0) {
      mapped++;
    }
  }
  EXPECT_GT(mapped, 5);
  Do("mmap", SYS_mmap, {0, kPage, PROT_NONE, kPrivate, ~0ull, 0});
}

// With the legacy layout it is judged by the end of the search.
TEST_F(Int80, LegacyLayout_HintsAtFourGb_Searched) {
  if (!InPersonality(ADDR_COMPAT_LAYOUT)) return;
  EXPECT_EQ(Do80("hint", kMmap2, {0xfffef000, 8 * kPage, PROT_NONE, kPrivate, ~0u}), 0xfffef000);
  for (uint32_t hint : {0xffffe000u, 0xfffff000u}) {
    const int64_t got = Do80("hint", kMmap2, {hint, kPage, PROT_NONE, kPrivate, ~0u});
    EXPECT_GT(got, 0);
    EXPECT_LT(got, 0xc0000000);
  }
  Do("personality", SYS_personality, {ADDR_LIMIT_3GB});
  EXPECT_LT(Do80("hint", kMmap2, {0xc0000000, kPage, PROT_NONE, kPrivate, ~0u}), 0xc0000000);
  Do("hint", SYS_mmap, {0xc0000000, kPage, PROT_NONE, kPrivate, ~0ull, 0});
}

TEST_F(Int80, ReadImpliesExec_EachCallOf64Bits_Equal) {
  Do("personality", SYS_personality, {READ_IMPLIES_EXEC});
  Map(0, 8, PROT_READ);
  Protect(2, 2, PROT_READ | PROT_WRITE);
  Protect(4, 2, PROT_NONE);
  const uint64_t heap = Do("brk 0", SYS_brk, {0});
  Do("grow", SYS_brk, {heap + 20 * kPage});
  EXPECT_EQ(Do80("mmap2", kMmap2, {kLowArena, 4 * kPage, PROT_READ, kPrivate, ~0u}), kLowArena);
}

TEST_F(Int80, Map32Bit_HintAndSearch_Equal) {
  for (uint64_t hint : {0x50000000ul, 0x7ffff000ul, 0x80000000ul, 0x10000ul, 0x50000000ul}) {
    Do("hint", SYS_mmap, {hint, 2 * kPage, PROT_NONE, kPrivate | MAP_32BIT, ~0ull, 0});
  }
}

TEST_F(Int80, HugePages_Equal) {
  constexpr uint32_t kHuge = 2u << 20;
  Do80("mmap2", kMmap2, {0, 3 * kHuge, PROT_NONE, kPrivate | MAP_HUGETLB | MAP_NORESERVE, ~0u});
  Do("mmap", SYS_mmap, {0, 3 * kHuge, PROT_NONE, kPrivate | MAP_HUGETLB | MAP_NORESERVE, ~0ull, 0});
}

// --- from exec to exit, by the harness

TEST(Ia32Check, RandomCalls_NothingDiffers) {
  for (const char* before :
       {"", "setarch -L ", "setarch -3 ", "setarch -R -L -3 -X ", "setarch -B -Z "}) {
    const std::string json = CheckCommand(std::string(before) + kProgram + " random 3 2500");
    EXPECT_GT(Number(json, {"operations"}), 1500) << before;
    EXPECT_EQ(Number(json, {"divergent"}), 0) << before;
    EXPECT_EQ(Number(json, {"unmodelled"}), 0) << before;
  }
}

// The harness sees 32-bit calls by itself, too.
TEST(Ia32Check, SlowCalls_EachQuestionComparedNoneDivergent) {
  // On a slow kernel fewer calls happen to fall between two looks that agree.
  const std::string steps = std::to_string(400 * std::min(Patience(), 3));
  const std::string json =
      CheckCommand(std::string(kProgram) + " slow 4 " + steps, "--interval 10");
  for (const char* question : {"find_vma", "unmapped_area", "mmap", "munmap", "brk", "mremap"}) {
    printf("%s: %ld equal\n", question, Number(json, {"questions", question, "equal"}));
    EXPECT_GT(Number(json, {"questions", question, "equal"}), 0) << question;
    EXPECT_EQ(Number(json, {"questions", question, "divergent"}), 0) << question;
  }
}

TEST(Ia32Check, ExecOfBothKindsForkPersonality_NothingDiffers) {
  const std::string json = CheckCommand(std::string(kProgram) + " tour /bin/true");
  EXPECT_EQ(Number(json, {"divergent"}), 0);
  EXPECT_EQ(Number(json, {"unmodelled"}), 0);
}

}  // namespace
}  // namespace guest
