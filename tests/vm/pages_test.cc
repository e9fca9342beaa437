// SPDX-License-Identifier: GPL-2.0-only
//
// svma check --pages on programs that have made every kind of mapping and are stopped: what the
// module reads in their page tables and what /proc says must be equal, page by page.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "device.hpp"
#include "puppet.hpp"
#include "report.hpp"
#include "stopped.hpp"

namespace guest {
namespace {

constexpr size_t kPage = 4096, kHuge = 2 << 20;

char* Map(size_t pages, int protection = PROT_READ | PROT_WRITE,
          int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1) {
  void* const at = mmap(nullptr, pages * kPage, protection, flags, fd, 0);
  if (at == MAP_FAILED) _exit(2);
  return static_cast<char*>(at);
}

// Every `step`th page.
void Write(char* at, size_t pages, size_t step = 1) {
  for (size_t i = 0; i < pages; i += step) static_cast<volatile char*>(at)[i * kPage] = 1;
}

void Read(char* at, size_t pages, size_t step = 1) {
  for (size_t i = 0; i < pages; i += step) (void)static_cast<volatile char*>(at)[i * kPage];
}

char* HugeAligned(size_t huge_pages) {
  char* const at = Map((huge_pages + 1) * kHuge / kPage);
  const uintptr_t rest = reinterpret_cast<uintptr_t>(at) % kHuge;
  return at + (rest ? kHuge - rest : 0);
}

void Anonymous() {
  Write(Map(64), 64, 3);
  Read(Map(64), 64, 2);  // the zero page
  char* const none = Map(16);
  Write(none, 16);
  mprotect(none, 8 * kPage, PROT_NONE);
  char* const read_only = Map(16);
  Write(read_only, 16);
  mprotect(read_only, 16 * kPage, PROT_READ);
  char* const locked = Map(16);
  Write(locked, 8);
  mlock(locked, 16 * kPage);
  char* const lazy = Map(32);
  Write(lazy, 32);
  madvise(lazy, 16 * kPage, MADV_FREE);
  char* const executable = Map(4, PROT_READ | PROT_WRITE | PROT_EXEC);
  Write(executable, 4);
}

void Files() {
  const int fd = open("/proc/self/exe", O_RDONLY);
  Read(Map(32, PROT_READ, MAP_SHARED, fd), 32);
  char* const copied = Map(32, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  Read(copied, 32);
  Write(copied, 32, 5);
  const int own = open("/tmp/svma-pages", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (own < 0 || ftruncate(own, 32 * kPage) != 0) _exit(2);
  Write(Map(32, PROT_READ | PROT_WRITE, MAP_SHARED, own), 32, 2);
}

void Shmem() {
  Write(Map(64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS), 64, 3);
  const int fd = memfd_create("pages", 0);
  if (fd < 0 || ftruncate(fd, 32 * kPage) != 0) _exit(2);
  Write(Map(32, PROT_READ | PROT_WRITE, MAP_SHARED, fd), 32, 2);
  char* const copied = Map(32, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
  Read(copied, 32);
  Write(copied, 32, 4);
}

void HugePages() {
  char* const huge = HugeAligned(2);
  madvise(huge, 2 * kHuge, MADV_HUGEPAGE);
  Write(huge, 2 * kHuge / kPage, 512);
  char* const zero = HugeAligned(1);
  madvise(zero, kHuge, MADV_HUGEPAGE);
  Read(zero, 1);
  // Mapped page by page afterwards.
  char* const split = HugeAligned(1);
  madvise(split, kHuge, MADV_HUGEPAGE);
  Write(split, 1);
  mprotect(split + 16 * kPage, 16 * kPage, PROT_READ);
}

void Hugetlb() {
  WriteFile("/proc/sys/vm/nr_hugepages", "4");
  char* const memory =
      Map(2 * kHuge / kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
  Write(memory, 1);
  char* const shared =
      Map(kHuge / kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB);
  Write(shared, 1);
}

// More than is looked at in one go.
void Large() {
  char* const memory = Map(30000);
  madvise(memory, 30000 * kPage, MADV_NOHUGEPAGE);
  Write(memory, 30000);
  Write(Map(64), 64);
}

// As many VMAs as a process may have (max_map_count), but for a few.
void ManyVmas() {
  const size_t pairs = VmasToMake(65000) / 2;
  char* const memory = Map(2 * pairs);
  for (size_t i = 0; i < pairs; i++) {
    if (mprotect(memory + 2 * i * kPage, kPage, PROT_READ) != 0) _exit(2);
    if (i % 3 == 0) memory[(2 * i + 1) * kPage] = 1;
  }
}

// A child that has a part of the pages as copies.
void Forked() {
  char* const memory = Map(64);
  Write(memory, 64);
  const pid_t pid = fork();
  if (pid == 0) {
    Write(memory, 16);
    for (;;) pause();
  }
  usleep(200'000);
  Write(memory + 32 * kPage, 8);
}

// Constant, since it is used before constructors of objects have run.
constexpr struct {
  const char* name;
  void (*run)();
} kPrograms[] = {{"anonymous", Anonymous}, {"files", Files},     {"shmem", Shmem},
                 {"huge", HugePages},      {"hugetlb", Hugetlb}, {"forked", Forked},
                 {"large", Large},         {"vmas", ManyVmas}};

// This file's own programs, before GoogleTest sees the arguments.
__attribute__((constructor)) void RunPagesProgram(int argc, char** argv) {
  if (argc != 3 || strcmp(argv[1], "--pages-of") != 0) return;
  setpgid(0, 0);
  for (const auto& program : kPrograms)
    if (strcmp(argv[2], program.name) == 0) program.run();
  raise(SIGSTOP);
  _exit(0);
}

class PagesOf : public testing::TestWithParam<const char*> {};

TEST_P(PagesOf, Stopped_AllEqual) {
  char self[256] = "";
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const pid_t pid = Spawn({self, "--pages-of", GetParam()});
  ASSERT_EQ(WaitStopped(pid), -1);
  ExpectAllEqual(CheckStopped(pid), GetParam(), 100);
  kill(-pid, SIGKILL);
  Reap(pid);
}

INSTANTIATE_TEST_SUITE_P(Kinds, PagesOf,
                         testing::Values("anonymous", "files", "shmem", "huge", "hugetlb", "forked",
                                         "large"),
                         [](const auto& info) { return std::string(info.param); });

double Seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Runs a line of bash that must succeed, and prints how long it took.
void Timed(const char* what, const std::string& line) {
  const double begin = Seconds();
  EXPECT_EQ(system(line.c_str()), 0) << line << "\n" << ReadFile("/tmp/svma-pages.log");
  printf("%s: %.1f s\n", what, Seconds() - begin);
}

// max_map_count VMAs: compared as a whole, told in sums, and drawn.
TEST(Pages, SixtyFiveThousandVmas_AllEqualAndFolded) {
  char self[256] = "";
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const pid_t pid = Spawn({self, "--pages-of", "vmas"});
  ASSERT_EQ(WaitStopped(pid), -1);
  const long vmas = VmasToMake(65000);
  const double begin = Seconds();
  const std::string json = CheckStopped(pid);
  printf("%ld VMAs: checked in %.1f s\n", vmas, Seconds() - begin);
  ExpectAllEqual(json, "many VMAs", vmas * 2 / 13);
  // MGLRU clears the accessed bits of a table of 512 at once (walk_pte_range() in mm/vmscan.c,
  // v6.12), also of a stopped process, while they are being read.
  EXPECT_GE(Number(json, {"page_tables", "vmas", "compared"}) +
                Number(json, {"page_tables", "vmas", "moved"}),
            vmas);
  const std::string number = std::to_string(pid);
  Timed("svma walk --all --summary", "/opt/svma/bin/svma walk " + number +
                                         " --all --summary >/tmp/svma-walk.txt"
                                         " 2>/tmp/svma-pages.log");
  Timed("svma picture", "/opt/svma/bin/svma picture " + number +
                            " -o /tmp/svma-pages.svg >/tmp/svma-pages.log 2>&1");
  // A line for each VMA; of the picture, few boxes for many.
  const std::string told = ReadFile("/tmp/svma-walk.txt");
  EXPECT_GE(std::count(told.begin(), told.end(), '\n'), vmas);
  const std::string drawn = ReadFile("/tmp/svma-pages.svg");
  printf("picture: %zu KiB\n", drawn.size() >> 10);
  EXPECT_GT(drawn.size(), 10'000u);
  EXPECT_LT(drawn.size(), 1'000'000u);
  kill(-pid, SIGKILL);
  Reap(pid);
}

TEST(Pages, PythonStopped_AllEqual) {
  const pid_t pid =
      Spawn({"python3", "-c", "import json, os, signal; os.kill(os.getpid(), signal.SIGSTOP)"});
  ASSERT_EQ(WaitStopped(pid), -1);
  ExpectAllEqual(CheckStopped(pid), "python3", 1000);
  KillAndReap(pid);
}

// Teeth: what the walker reads wrongly is found by what /proc says.
class PagesMutated : public testing::TestWithParam<const char*> {};

TEST_P(PagesMutated, Stopped_Diverges) {
  constexpr char kParameter[] = "/sys/module/svma/parameters/mutation";
  char self[256] = "";
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const pid_t pid = Spawn({self, "--pages-of", "anonymous"});
  ASSERT_EQ(WaitStopped(pid), -1);
  ASSERT_EQ(WriteFile(kParameter, GetParam()), 0);
  const std::string line = "/opt/svma/bin/svma check --pages -p " + std::to_string(pid) +
                           " --no-stream --duration 1 --json-file /tmp/svma-pages.json"
                           " >/tmp/svma-pages.log 2>&1";
  const int exited = system(line.c_str());
  EXPECT_EQ(WriteFile(kParameter, "none"), 0);
  EXPECT_EQ(WEXITSTATUS(exited), 1) << ReadFile("/tmp/svma-pages.log");
  // What is passed over need not be among the addresses that BPF is asked for.
  if (GetParam() != std::string("pgtable_hole_too_far")) {
    EXPECT_GT(Number(ReadFile("/tmp/svma-pages.json"), {"page_tables", "bpf", "divergent"}), 0);
  }
  kill(-pid, SIGKILL);
  Reap(pid);
}

INSTANTIATE_TEST_SUITE_P(Each, PagesMutated,
                         testing::Values("pgtable_index_off_by_one_bit", "pgtable_nx_ignored",
                                         "pgtable_inversion_forgotten", "pgtable_protnone_empty",
                                         "pgtable_hole_too_far"),
                         [](const auto& info) { return std::string(info.param); });

// Checks a Python program that does `setup` once and then `body` for 8 s, or longer where the
// kernel is slow: a busy machine looks seldom.
std::string CheckLoop(const std::string& setup, const std::string& body,
                      const std::string& options) {
  return CheckCommand("python3 -c 'import json, mmap, time\n" + setup +
                          "\n"
                          "end = time.time() + " +
                          std::to_string(8 * Patience()) +
                          "\n"
                          "while time.time() < end:\n" +
                          body + "'",
                      options);
}

// Huge pages come all the time, without any change of the layout, and each brings a table with it
// that no entry shows. Looks that met some half-way once found too few tables.
TEST(Pages, HugePagesComeWhileCountersAreRead_AllEqual) {
  const std::string json = CheckLoop(
      "m = mmap.mmap(-1, 48 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
      "m.madvise(mmap.MADV_HUGEPAGE)",
      "  for i in range(0, 48 << 20, 2 << 20): m[i] = 1\n"
      "  m.madvise(mmap.MADV_DONTNEED)",
      "--pages --no-freeze");
  const long compared = Number(json, {"page_tables", "counters", "compared"});
  const long moved = Number(json, {"page_tables", "counters", "moved"});
  printf("huge pages come: %ld counters compared, %ld moved\n", compared, moved);
  EXPECT_GT(compared + moved, 0);
  EXPECT_EQ(Number(json, {"page_tables", "counters", "divergent"}), 0);
}

// The same frames go and come back in a loop: they may be there before and after /proc or BPF
// looked, and not in between, reading after reading, whether the process can be stopped or not.
class GoAndComeBack : public testing::TestWithParam<const char*> {};

TEST_P(GoAndComeBack, InALoop_NothingFalselyDiffers) {
  const std::string json = CheckLoop(
      "m = mmap.mmap(-1, 64 << 12, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
      "m.madvise(mmap.MADV_NOHUGEPAGE)",
      "  for i in range(0, 64 << 12, 1 << 12): m[i] = 1\n"
      "  for i in range(3000): pass\n"
      "  m.madvise(mmap.MADV_DONTNEED)\n"
      "  for i in range(1000): pass",
      std::string("--pages") + GetParam());
  printf("go and come back: %ld pages compared, %ld moved\n", Number(json, {"pages_compared"}),
         Number(json, {"pages_moved"}));
  EXPECT_GT(Number(json, {"pages_compared"}), 1000);
  EXPECT_GT(Number(json, {"pages_moved"}), 0);
  EXPECT_EQ(Number(json, {"pages_divergent"}), 0);
}

INSTANTIATE_TEST_SUITE_P(Pages, GoAndComeBack, testing::Values("", " --no-freeze"),
                         [](const auto& info) { return *info.param ? "running" : "stopped"; });

// Running programs move; what is compared must still be equal, and something must be.
TEST(Pages, PythonRunning_ComparedAllEqual) {
  const std::string json =
      CheckLoop("x = [str(i) for i in range(200000)]", "  y = json.dumps(x)", "--pages");
  printf("running: %ld pages compared, %ld moved\n", Number(json, {"pages_compared"}),
         Number(json, {"pages_moved"}));
  EXPECT_GT(Number(json, {"pages_compared"}), 1000);
  EXPECT_EQ(Number(json, {"pages_equal"}), Number(json, {"pages_compared"}));
  EXPECT_EQ(Number(json, {"pages_divergent"}), 0);
}

}  // namespace
}  // namespace guest
