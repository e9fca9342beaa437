// SPDX-License-Identifier: GPL-2.0-only
//
// A tracked puppet, and the question asked after each of its steps: does the shadow say what the
// kernel says, and did the module predict it?
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "device.hpp"
#include "puppet.hpp"

namespace guest {

constexpr uint64_t kPage = 4096;
// Far from anything that a program has by itself; tests lay their pages out from here.
constexpr uint64_t kArena = 0x100000000000;

// What the module had counted at the last check.
struct Seen {
  uint64_t divergent = 0;
  uint64_t unmodelled = 0;
  uint64_t missed = 0;
  size_t reports = 0;
};

// Layout, totals and tree of a tracked mm at rest, and what the module counted since `seen`.
void CheckMm(const Device& device, const std::string& step, int pid, uint64_t id, Seen* seen);

// Runs the test that calls it once more in a process of that personality. RETURNS: true in there.
bool InPersonality(unsigned long wanted);

// Words of /proc/PID/pagemap: what is in place of a page that is present or swapped.
constexpr uint64_t kPagemapPresent = uint64_t{1} << 63, kPagemapSwapped = uint64_t{1} << 62;
constexpr uint64_t kPagemapPlace = (uint64_t{1} << 55) - 1;
std::vector<uint64_t> Pagemap(pid_t pid, uint64_t address, uint64_t pages = 1);

// A swap area, as long as it exists.
class SwapFile {
 public:
  SwapFile();
  ~SwapFile();
  SwapFile(const SwapFile&) = delete;
  SwapFile& operator=(const SwapFile&) = delete;
};

class Tracee : public testing::Test {
 protected:
  explicit Tracee(uint32_t flags = 0) : flags_(flags) {}

  void SetUp() override {
    ASSERT_EQ(device_.Track(puppet_.pid(), flags_, &id_), 0);
    Check("attach");
  }
  void TearDown() override {
    if (HasFailure()) printf("%s", ReadFile(DebugDir(puppet_.pid()) + "/divergences").c_str());
  }

  static uint64_t At(uint64_t page) { return kArena + page * kPage; }

  // A system call of the puppet that must succeed. RETURNS: its result.
  int64_t Do(const std::string& step, long number, std::initializer_list<uint64_t> words) {
    Answer answer = puppet_.Syscall(number, words);
    EXPECT_NE(answer.value, -1) << step << ": " << strerror(answer.error);
    Check(step);
    return answer.value;
  }
  // One that must fail with `error`.
  void Fail(const std::string& step, int error, long number,
            std::initializer_list<uint64_t> words) {
    Answer answer = puppet_.Syscall(number, words);
    EXPECT_EQ(answer.value, -1) << step;
    EXPECT_EQ(answer.error, error) << step << ": " << strerror(answer.error);
    Check(step);
  }
  // A function run in the puppet, which must return 0.
  void Run(const std::string& step, int64_t (*function)(Words),
           std::initializer_list<uint64_t> words = {}) {
    Answer answer = puppet_.Run(function, words);
    EXPECT_EQ(answer.value, 0) << step << ": " << strerror(answer.error);
    Check(step);
  }

  void Map(uint64_t page, uint64_t pages, int protection = PROT_READ | PROT_WRITE,
           int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1, uint64_t file_page = 0);
  void Unmap(uint64_t page, uint64_t pages);
  void Protect(uint64_t page, uint64_t pages, int protection);
  // Writes into every page.
  void Touch(uint64_t page, uint64_t pages);
  // Swaps out what was written to. REQUIRES: a swap area.
  void PageOut(uint64_t page, uint64_t pages);
  // How many VMAs lie in the arena.
  size_t ArenaVmas() const;

  void Check(const std::string& step) { CheckMm(step, puppet_.pid(), id_, &seen_); }
  void CheckMm(const std::string& step, int pid, uint64_t id, Seen* seen) {
    guest::CheckMm(device_, step, pid, id, seen);
  }

  uint32_t flags_;
  Puppet puppet_;  // forked before the device is open, so that it holds no descriptor of it
  Device device_;
  uint64_t id_ = 0;
  Seen seen_;
};

}  // namespace guest
