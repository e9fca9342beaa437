// SPDX-License-Identifier: GPL-2.0-only
//
// svma check on a program whose every step is known: the live kernel's answers to single questions
// must be seen, and must equal the shadow's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "report.hpp"

namespace guest {
namespace {

constexpr size_t kPage = 4096;
constexpr int kRounds = 60;

void Rest() {
  timespec time{0, 60'000'000};
  nanosleep(&time, nullptr);
}

// The program: each kind of change, then a rest in which the harness can look at it. RETURNS:
// whether all went well.
bool KnownProgram() {
  for (int i = 0; i < kRounds; i++) {
    void* kept =
        mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (kept == MAP_FAILED) return false;
    Rest();
    for (size_t page = 0; page < 16; page++) static_cast<volatile char*>(kept)[page * kPage] = 1;
    Rest();
    void* moved = mremap(kept, 16 * kPage, (i % 2 ? 40 : 8) * kPage, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) return false;
    Rest();
    if (sbrk((i % 3 ? 9 : -8) * static_cast<intptr_t>(kPage)) == reinterpret_cast<void*>(-1))
      return false;
    Rest();
    if (i % 4) {
      if (munmap(static_cast<char*>(moved) + kPage, 3 * kPage) != 0) return false;
      Rest();
    }
  }
  return true;
}

// This file's own program, before GoogleTest sees the arguments.
__attribute__((constructor)) void RunKnownProgram(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "--known-program") == 0) _exit(KnownProgram() ? 0 : 1);
}

// RETURNS: the report.
std::string CheckProgram(const std::string& options) {
  char self[256] = "";
  EXPECT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  return CheckCommand(std::string(self) + " --known-program", options);
}

// Whether the kernel answers PROCMAP_QUERY, asked here with the whole structure that v6.11 has.
bool KernelHasQuery() {
  uint64_t words[13] = {sizeof(words), 0x10 /* or the next VMA */};
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  const int error = ioctl(maps, _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, sizeof(words)), words);
  close(maps);
  return error == 0 && words[3] > words[2];
}

void ExpectQueried(const std::string& json) {
  const auto number = [&](const char* name) {
    return Number(json, {"oracles", "procmap_query", name});
  };
  const bool on = json.find("\"procmap_query\": {\n      \"state\": \"on\"") != std::string::npos;
  EXPECT_EQ(on, KernelHasQuery());
  EXPECT_EQ(json.find("\"PROCMAP_QUERY\"") != std::string::npos, on);
  printf("PROCMAP_QUERY: %ld equal, %ld moved\n", number("equal"), number("moved"));
  EXPECT_EQ(number("divergent"), 0);
  EXPECT_EQ(number("compared"), number("equal") + number("moved"));
  if (on)
    EXPECT_GT(number("equal"), 100);
  else
    EXPECT_EQ(number("compared"), 0);
}

TEST(Answers, KnownProgram_EachQuestionComparedNoneDivergent) {
  const std::string json = CheckProgram("--interval 10");
  EXPECT_EQ(Number(json, {"divergent"}), 0);
  for (const char* question : {"find_vma", "unmapped_area", "mmap", "munmap", "brk", "mremap"}) {
    const long equal = Number(json, {"questions", question, "equal"});
    const long moved = Number(json, {"questions", question, "moved"});
    printf("%s: %ld equal, %ld moved\n", question, equal, moved);
    EXPECT_GT(equal, 0) << question;
    EXPECT_EQ(Number(json, {"questions", question, "divergent"}), 0) << question;
    EXPECT_EQ(Number(json, {"questions", question, "compared"}), equal + moved) << question;
  }
  EXPECT_EQ(Number(json, {"questions", "dropped"}), 0);
  ExpectQueried(json);
}

TEST(Answers, NoStream_NothingIsAsked) {
  const std::string json = CheckProgram("--no-stream");
  EXPECT_NE(json.find("\"stream\": \"off\""), std::string::npos);
  EXPECT_EQ(Number(json, {"questions", "find_vma", "compared"}), 0);
}

}  // namespace
}  // namespace guest
