// SPDX-License-Identifier: GPL-2.0-only
//
// svma check on a family of processes whose every step is known: the chains of anon_vmas that BPF
// reads must equal the shadow's, and must not when the module is wrong on purpose.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "device.hpp"
#include "report.hpp"

namespace guest {
namespace {

constexpr size_t kPage = 4096;
constexpr int kRounds = 8;
constexpr char kParameter[] = "/sys/module/svma/parameters/mutation";

void Rest() {
  timespec time{0, 80'000'000};
  nanosleep(&time, nullptr);
}

char* Map(size_t pages) {
  void* at =
      mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
}

void Touch(char* at, size_t pages) {
  for (size_t i = 0; i < pages; i++) static_cast<volatile char*>(at)[i * kPage] = 1;
}

// A split, a first fault of its own, a move: each changes chains. A rest behind each.
bool ChangeChains(char* inherited) {
  Rest();
  Touch(inherited, 16);
  Rest();
  if (mprotect(inherited + 4 * kPage, 4 * kPage, PROT_READ) != 0) return false;
  Rest();
  char* const own = Map(8);
  if (!own) return false;
  Touch(own, 8);
  Rest();
  if (mremap(own, 8 * kPage, 32 * kPage, MREMAP_MAYMOVE) == MAP_FAILED) return false;
  Rest();
  return munmap(inherited + 12 * kPage, kPage) == 0;
}

// `generations` of processes, each of which changes what it has inherited while the others live.
bool Family(char* inherited, int generations) {
  const pid_t pid = fork();
  if (pid < 0) return false;
  if (pid == 0)
    _exit(generations > 1 ? !Family(inherited, generations - 1) : !ChangeChains(inherited));
  const bool changed = ChangeChains(inherited);
  int status = 1;
  return waitpid(pid, &status, 0) == pid && status == 0 && changed;
}

bool KnownFamily() {
  for (int i = 0; i < kRounds; i++) {
    char* const arena = Map(16);
    if (!arena) return false;
    Touch(arena, 16);
    Rest();
    if (!Family(arena, 3)) return false;
    if (munmap(arena, 16 * kPage) != 0) return false;
  }
  return true;
}

// What the mutation rmap_unlink_still_active spoils, and no operation behind it that would make the
// module look there.
bool SplitAndUnmap() {
  char* const arena = Map(16);
  if (!arena) return false;
  Touch(arena, 16);
  if (mprotect(arena + 4 * kPage, 4 * kPage, PROT_READ) != 0) return false;
  Rest();
  if (munmap(arena + 4 * kPage, 4 * kPage) != 0) return false;
  for (int i = 0; i < 10; i++) Rest();
  return true;
}

// This file's own programs, before GoogleTest sees the arguments.
__attribute__((constructor)) void RunRmapProgram(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--known-family") == 0) _exit(KnownFamily() ? 0 : 1);
  if (argc == 2 && strcmp(argv[1], "--split-and-unmap") == 0) _exit(SplitAndUnmap() ? 0 : 1);
}

std::string Self() {
  char self[256] = "";
  EXPECT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  return self;
}

// RETURNS: how many events went by.
long CheckFamily() {
  const std::string json = CheckCommand(Self() + " --known-family", "--interval 10");
  const auto oracle = [&](const char* name) { return Number(json, {"rmap", "oracle", name}); };
  printf("rmap oracle: %ld compared, %ld equal, %ld moved, %ld unsure\n", oracle("compared"),
         oracle("equal"), oracle("moved"), oracle("unsure"));
  EXPECT_NE(json.find("\"road\": \"iter/task"), std::string::npos);
  EXPECT_GT(oracle("compared"), 1000);
  EXPECT_EQ(oracle("equal"), oracle("compared"));
  EXPECT_EQ(oracle("divergent"), 0);
  EXPECT_LT(oracle("unsure"), oracle("compared") / 4);
  const auto events = [&](const char* name) { return Number(json, {"rmap", "events", name}); };
  printf("rmap events: %ld compared, %ld equal, %ld moved, %ld lost\n", events("compared"),
         events("equal"), events("moved"), events("lost"));
  // A debug kernel may have two functions of that name: tests/run-all, verdict_problem().
  const bool refused =
      DebugKernel() && json.find("kprobe/mm_init: Cannot assign") != std::string::npos;
  if (refused) {
    EXPECT_EQ(events("compared"), 0);
  } else {
    EXPECT_GT(events("compared"), 1000);
  }
  EXPECT_EQ(events("equal"), events("compared"));
  EXPECT_EQ(Number(json, {"rmap_compared"}),
            Number(json, {"rmap", "module", "compared"}) + oracle("compared") + events("compared"));
  EXPECT_EQ(Number(json, {"rmap_equal"}), Number(json, {"rmap_compared"}));
  return events("lost");
}

// Whoever is preempted in a system call on a BPF map keeps programs at kprobes of that processor
// from running until he goes on (bpf_disable_instrumentation() in v7.3, where that can be), so that
// events may be lost once, but not each time. All else must hold in each run.
TEST(RmapOracle, ForkedFamily_ChainsComparedAllEqual) {
  long lost = CheckFamily();
  for (int again = 0; again < 2 && lost != 0; again++) lost = CheckFamily();
  EXPECT_EQ(lost, 0);
}

class RmapTeeth : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(WriteFile(kParameter, "none"), 0); }
};

TEST_F(RmapTeeth, UnlinkedStillActive_OracleDiffers) {
  ASSERT_EQ(WriteFile(kParameter, "rmap_unlink_still_active"), 0);
  const std::string file = "/tmp/svma-rmap.json";
  unlink(file.c_str());
  const std::string line = "/opt/svma/bin/svma check --interval 10 --json-file " + file + " -- " +
                           Self() + " --split-and-unmap >/tmp/svma-rmap.log 2>&1";
  const int status = system(line.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << ReadFile("/tmp/svma-rmap.log");
  const std::string json = ReadFile(file);
  EXPECT_GT(Number(json, {"rmap", "oracle", "divergent"}), 0) << json;
  EXPECT_NE(json.find("\"road\": \"bpf rmap\""), std::string::npos);
  EXPECT_NE(json.find("\"field\": \"num_active_vmas\""), std::string::npos);
}

TEST_F(RmapTeeth, SameStepsWithoutMutation_NothingDiffers) {
  const std::string json = CheckCommand(Self() + " --split-and-unmap", "--interval 10");
  EXPECT_GT(Number(json, {"rmap", "oracle", "compared"}), 0);
  EXPECT_EQ(Number(json, {"rmap", "oracle", "divergent"}), 0);
}

}  // namespace
}  // namespace guest
