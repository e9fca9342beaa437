// SPDX-License-Identifier: GPL-2.0-only
//
// The files people read.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>

#include "tracee.hpp"

namespace guest {
namespace {

const char kTrack[] = SVMA_DEBUGFS "/track";

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

size_t Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

class Debugfs : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(WriteFile(kTrack, std::to_string(puppet_.pid())), 0); }
  void TearDown() override {
    int pid = puppet_.pid();
    puppet_.Kill();
    if (pid) {
      EXPECT_TRUE(WaitFor([&] { return !Exists(DebugDir(pid)); }));
    }
  }
  std::string File(const char* name) { return DebugDir(puppet_.pid()) + "/" + name; }
  bool HasDir() {
    return WaitFor([&] { return Exists(File("divergences")); });
  }
  Puppet puppet_;
  Device device_;
};

TEST_F(Debugfs, Tracked_FilesExistAndAgree) {
  ASSERT_TRUE(HasDir());
  svma_mm mm;
  ASSERT_EQ(device_.Mm(puppet_.pid(), 0, &mm), 0);
  std::vector<svma_vma> shadow = device_.Snapshot(mm.mm_id);
  EXPECT_EQ(Difference(shadow, ParseMaps(ReadFile(File("maps")))), "");
  EXPECT_EQ(Difference(shadow, ProcMaps(puppet_.pid())), "");
  EXPECT_EQ(Lines(ReadFile(File("tree"))), shadow.size());
  EXPECT_EQ(Lines(ReadFile(File("list"))), shadow.size());
  EXPECT_EQ(Lines(ReadFile(File("pgtable"))), shadow.size());
  EXPECT_EQ(ReadFile(File("divergences")), "");
  std::string health = ReadFile(File("health"));
  EXPECT_NE(health.find("invariants hold\n"), std::string::npos) << health;
  EXPECT_NE(health.find("\nmap_count " + std::to_string(shadow.size()) + "\n"), std::string::npos)
      << health;
  for (const char* name :
       {"maps", "tree", "list", "gaps", "rmap", "pgtable", "health", "journal", "divergences"}) {
    struct stat status;
    ASSERT_EQ(stat(File(name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 07777, 0400u) << name;
  }
}

TEST_F(Debugfs, Pgtable_SaysTheSameAsTheIoctl) {
  ASSERT_TRUE(HasDir());
  // Stopped, so that it touches nothing between the two.
  int status = 0;
  ASSERT_EQ(kill(puppet_.pid(), SIGSTOP), 0);
  ASSERT_EQ(waitpid(puppet_.pid(), &status, WUNTRACED), puppet_.pid());
  std::istringstream lines(ReadFile(File("pgtable")));
  std::vector<svma_page_sum> sums(512);
  auto question = Argument<svma_pages>();
  question.flags = SVMA_PAGES_SUMS;
  question.pid = puppet_.pid();
  question.end = SVMA_NONE;
  question.capacity = sums.size();
  question.buffer = reinterpret_cast<uint64_t>(sums.data());
  ASSERT_EQ(device_.Ask(SVMA_IOC_PAGES, &question), 0);
  uint64_t pages = 0;
  for (uint32_t i = 0; i < question.count; i++) {
    unsigned long long start = 0, end = 0, present = 0, anon = 0, file = 0, shmem = 0;
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    ASSERT_EQ(sscanf(line.c_str(), "%llx-%llx present %llu anon %llu file %llu shmem %llu", &start,
                     &end, &present, &anon, &file, &shmem),
              6)
        << line;
    EXPECT_EQ(start, sums[i].start);
    EXPECT_EQ(end, sums[i].end);
    EXPECT_EQ(present, sums[i].present) << line;
    EXPECT_EQ(anon, sums[i].anon) << line;
    EXPECT_EQ(file, sums[i].file) << line;
    EXPECT_EQ(shmem, sums[i].shmem) << line;
    pages += present;
  }
  EXPECT_GT(pages, 50u);
  std::string rest;
  EXPECT_FALSE(std::getline(lines, rest)) << rest;
}

TEST_F(Debugfs, Gaps_AreTheHolesOfTheSnapshot) {
  ASSERT_TRUE(HasDir());
  svma_mm mm;
  ASSERT_EQ(device_.Mm(puppet_.pid(), 0, &mm), 0);
  std::istringstream gaps(ReadFile(File("gaps")));
  uint64_t below = 0;
  for (const svma_vma& vma : device_.Snapshot(mm.mm_id)) {
    if (vma.start > below) {
      unsigned long long start = 0, end = 0, kib = 0;
      std::string line;
      ASSERT_TRUE(std::getline(gaps, line));
      ASSERT_EQ(sscanf(line.c_str(), "%llx-%llx %llu KiB", &start, &end, &kib), 3) << line;
      EXPECT_EQ(start, below);
      EXPECT_EQ(end, vma.start);
      EXPECT_EQ(kib, (end - start) / 1024);
    }
    below = vma.end;
  }
  std::string rest;
  EXPECT_FALSE(std::getline(gaps, rest)) << rest;
}

TEST_F(Debugfs, TrackFile_ListsProcess) {
  std::string line = "\n" + ReadFile(kTrack);
  EXPECT_NE(line.find("\n" + std::to_string(puppet_.pid()) + " "), std::string::npos) << line;
}

TEST_F(Debugfs, NegativePid_Untracks) {
  ASSERT_TRUE(HasDir());
  std::string minus = "-" + std::to_string(puppet_.pid());
  EXPECT_EQ(WriteFile(kTrack, minus + "\n"), 0);
  EXPECT_TRUE(WaitFor([&] { return !Exists(DebugDir(puppet_.pid())); }));
  EXPECT_EQ(WriteFile(kTrack, minus), ENOENT);
}

TEST_F(Debugfs, Exit_DirectoryDisappears) {
  ASSERT_TRUE(HasDir());
  std::string dir = DebugDir(puppet_.pid());
  puppet_.Kill();
  EXPECT_TRUE(WaitFor([&] { return !Exists(dir); }));
}

TEST_F(Debugfs, Fork_ChildGetsADirectory) {
  int pid = puppet_
                .Run([](Words) -> int64_t {
                  pid_t child = fork();
                  if (child == 0) {
                    for (;;) pause();
                  }
                  return child;
                })
                .value;
  EXPECT_TRUE(WaitFor([&] { return Exists(DebugDir(pid) + "/divergences"); }));
  kill(pid, SIGKILL);
  EXPECT_TRUE(WaitFor([&] { return !Exists(DebugDir(pid)); }));
}

TEST_F(Debugfs, ReaderStaysOpen_ExitIsNotHeldUp) {
  ASSERT_TRUE(HasDir());
  FILE* file = fopen(File("maps").c_str(), "r");
  ASSERT_NE(file, nullptr);
  std::string dir = DebugDir(puppet_.pid());
  puppet_.Kill();
  EXPECT_TRUE(WaitFor([&] { return !Exists(dir); }));
  char line[256];
  EXPECT_EQ(fgets(line, sizeof(line), file), nullptr);
  fclose(file);
}

TEST_F(Debugfs, BadWrites_Errno) {
  EXPECT_EQ(WriteFile(kTrack, "garbage"), EINVAL);
  EXPECT_EQ(WriteFile(kTrack, "12x"), EINVAL);
  EXPECT_EQ(WriteFile(kTrack, "\n"), EINVAL);
  EXPECT_EQ(WriteFile(kTrack, "0"), EINVAL);
  EXPECT_EQ(WriteFile(kTrack, "4194303"), ESRCH);
  EXPECT_EQ(WriteFile(kTrack, "-4194303"), ENOENT);
  EXPECT_EQ(WriteFile(kTrack, "2147483648"), EINVAL);
  EXPECT_EQ(WriteFile(kTrack, "99999999999999999999"), ERANGE);
  EXPECT_EQ(WriteFile(kTrack, "2"), EINVAL);
  EXPECT_EQ(WriteFile(kTrack, std::to_string(puppet_.pid())), EBUSY);
}

TEST_F(Debugfs, TrackedByDescriptor_NotUntrackedHere) {
  Puppet other;
  ASSERT_EQ(device_.Track(other.pid(), 0), 0);
  EXPECT_EQ(WriteFile(kTrack, "-" + std::to_string(other.pid())), ENOENT);
  EXPECT_EQ(device_.Untrack(other.pid()), 0);
}

TEST_F(Debugfs, Stats_HasTheModulesNumbers) {
  std::string text = "\n" + ReadFile(SVMA_DEBUGFS "/stats");
  for (const char* name : {"tracked", "tracked_ever", "memory", "memory_cap", "vmas", "pool_free",
                           "pool_empty", "canary_failures", "operations", "compared", "equal",
                           "divergent", "unmodelled", "missed", "resyncs", "facts"}) {
    EXPECT_NE(text.find("\n" + std::string(name) + " "), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace guest
