// SPDX-License-Identifier: GPL-2.0-only
//
// A tracked puppet that plays a few system calls, for tests in which something is wrong on purpose.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <vector>

#include "device.hpp"
#include "puppet.hpp"
#include "tracee.hpp"

namespace guest {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;

// A puppet in an arena of its own; nothing is checked in between.
class Stage {
 public:
  Stage() {
    if (device_.Track(puppet_.pid(), SVMA_TRACK_DESCENDANTS)) throw std::runtime_error("track");
  }

  int64_t Do(long number, std::initializer_list<uint64_t> words) {
    return puppet_.Syscall(number, words).value;
  }
  int64_t Run(int64_t (*function)(Words), std::initializer_list<uint64_t> words) {
    return puppet_.Run(function, words).value;
  }
  static uint64_t At(uint64_t page) { return kArena + page * kPage; }
  void Map(uint64_t page, uint64_t pages, int protection = kReadWrite, int flags = kPrivate,
           int fd = -1, uint64_t file_page = 0) {
    Do(SYS_mmap,
       {At(page), pages * kPage, static_cast<uint64_t>(protection),
        static_cast<uint64_t>(flags | MAP_FIXED), static_cast<uint64_t>(fd), file_page * kPage});
  }
  void Unmap(uint64_t page, uint64_t pages) { Do(SYS_munmap, {At(page), pages * kPage}); }
  void Protect(uint64_t page, uint64_t pages, int protection) {
    Do(SYS_mprotect, {At(page), pages * kPage, static_cast<uint64_t>(protection)});
  }
  void Touch(uint64_t page, uint64_t pages) {
    Run(
        [](Words w) -> int64_t {
          for (uint64_t i = 0; i < w[1]; ++i) reinterpret_cast<volatile char*>(w[0])[i * kPage] = 1;
          return 0;
        },
        {At(page), pages});
  }
  int OpenFile() {
    return static_cast<int>(Run(
        [](Words w) -> int64_t {
          char name[] = "/tmp/svma-mutation-XXXXXX";
          const int fd = mkstemp(name);
          return fd < 0 || unlink(name) || ftruncate(fd, w[0]) ? -1 : fd;
        },
        {64 * kPage}));
  }
  void ForkAndReap() {
    Run(
        [](Words) -> int64_t {
          const pid_t pid = fork();
          if (pid == 0) _exit(0);
          int status;
          return waitpid(pid, &status, 0) == pid ? 0 : -1;
        },
        {});
  }

  // The only hole that would do but for the guard gap of the stack at its end. How many others
  // there are above, the random layout decides; these are filled first.
  void SearchBesideGuardGap() {
    const int64_t hole = Do(SYS_mmap, {0, 1000 * kPage, PROT_NONE, kPrivate, ~0ull, 0});
    while (Do(SYS_mmap, {0, 300 * kPage, PROT_READ, kPrivate, ~0ull, 0}) > hole) {
    }
    const uint64_t start = hole;
    Do(SYS_munmap, {start, 1000 * kPage});
    Do(SYS_mmap, {start + 996 * kPage, 4 * kPage, kReadWrite,
                  static_cast<uint64_t>(kPrivate | MAP_FIXED | MAP_GROWSDOWN), ~0ull, 0});
    Do(SYS_mmap, {0, 300 * kPage, PROT_READ, kPrivate, ~0ull, 0});
  }

  // The child is its own anon_vma's first user, so that of the grandchild is no child of the root.
  void ForkTwiceAndReap() {
    Run(
        [](Words) -> int64_t {
          int status;
          const pid_t pid = fork();
          if (pid == 0) {
            const pid_t below = fork();
            if (below == 0) _exit(0);
            _exit(waitpid(below, &status, 0) == below ? 0 : 1);
          }
          return waitpid(pid, &status, 0) == pid ? 0 : -1;
        },
        {});
  }

  // So that another may track it.
  void LetGo() { EXPECT_EQ(device_.Untrack(puppet_.pid()), 0); }

  int pid() const { return puppet_.pid(); }
  std::vector<svma_divergence> Reports() const { return device_.Divergences(); }
  svma_stats Stats() const { return device_.Stats(0); }

 private:
  Puppet puppet_;
  Device device_;
};

}  // namespace guest
