// SPDX-License-Identifier: GPL-2.0-only
// svma-walk-cost: what it takes to learn what a process maps, from /proc/PID/pagemap and smaps,
// which is only read, not understood, and from SVMA_IOC_PAGES; the fastest of some rounds, in
// turns.
//
// The process does not run meanwhile. With run-vm --icount a tick is an instruction, the kernel's
// included.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "uapi/svma.h"

namespace {

constexpr uint64_t kPage = 4096, kMiB = 1 << 20;
constexpr int kRounds = 5;
char* const kArena = reinterpret_cast<char*>(0x100000000000);

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "svma-walk-cost: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

char* map(size_t bytes, int flags = MAP_PRIVATE | MAP_ANONYMOUS) {
  void* const at = mmap(kArena, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0);
  if (at == MAP_FAILED) fail("mmap");
  return static_cast<char*>(at);
}

void write_pages(char* at, size_t bytes, size_t step = kPage) {
  for (size_t i = 0; i < bytes; i += step) at[i] = 1;
}

struct Program {
  const char* name;
  std::function<void()> set_up;
};

const Program kPrograms[] = {
    {"256 MiB of pages",
     [] {
       char* const at = map(256 * kMiB);
       madvise(at, 256 * kMiB, MADV_NOHUGEPAGE);
       write_pages(at, 256 * kMiB);
     }},
    {"256 MiB of huge pages",
     [] {
       char* const at = map(256 * kMiB);
       madvise(at, 256 * kMiB, MADV_HUGEPAGE);
       write_pages(at, 256 * kMiB, 2 * kMiB);
     }},
    {"64 MiB of shared memory",
     [] { write_pages(map(64 * kMiB, MAP_SHARED | MAP_ANONYMOUS), 64 * kMiB); }},
    {"1 GiB, a page in 64 KiB",
     [] {
       char* const at = map(1024 * kMiB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
       madvise(at, 1024 * kMiB, MADV_NOHUGEPAGE);
       write_pages(at, 1024 * kMiB, 16 * kPage);
     }},
    {"20000 VMAs of a page",
     [] {
       char* const at = map(40000 * kPage);
       madvise(at, 40000 * kPage, MADV_NOHUGEPAGE);
       for (size_t i = 0; i < 40000; i += 4) mprotect(at + i * kPage, 2 * kPage, PROT_READ);
       write_pages(at + 2 * kPage, 39998 * kPage, 4 * kPage);
     }},
};

uint64_t fastest(const std::function<void()>& what) {
  uint64_t best = ~uint64_t{0};
  for (int i = 0; i < kRounds; i++) {
    const uint64_t begin = __rdtsc();
    what();
    best = std::min<uint64_t>(best, __rdtsc() - begin);
  }
  return best;
}

// Whole, from start to end.
void read_file(const std::string& path, std::vector<char>& buffer) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path.c_str());
  ssize_t got;
  while ((got = read(fd, buffer.data(), buffer.size())) > 0) continue;
  if (got < 0) fail(path.c_str());
  close(fd);
}

struct Range {
  uint64_t start, end;
};

// Neighbours joined: pagemap is best read in large parts. RETURNS: how many VMAs there are.
size_t find_ranges(pid_t pid, std::vector<Range>& ranges) {
  size_t vmas = 0;
  FILE* const file = std::fopen(("/proc/" + std::to_string(pid) + "/maps").c_str(), "r");
  char line[512];
  if (!file) fail("maps");
  while (std::fgets(line, sizeof(line), file)) {
    unsigned long long start = 0, end = 0;
    if (std::sscanf(line, "%llx-%llx", &start, &end) != 2 || end > uint64_t{1} << 47) continue;
    vmas++;
    if (!ranges.empty() && ranges.back().end == start) {
      ranges.back().end = end;
    } else {
      ranges.push_back({start, end});
    }
  }
  std::fclose(file);
  return vmas;
}

void read_pagemap(pid_t pid, const std::vector<Range>& ranges, std::vector<char>& buffer) {
  const int fd = open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("pagemap");
  for (const Range& range : ranges) {
    uint64_t at = range.start / kPage * 8;
    const uint64_t end = range.end / kPage * 8;
    while (at < end) {
      const size_t wanted = std::min<uint64_t>(buffer.size(), end - at);
      const ssize_t got = pread(fd, buffer.data(), wanted, static_cast<off_t>(at));
      if (got <= 0) fail("pagemap");
      at += got;
    }
  }
  close(fd);
}

struct Told {
  uint64_t records = 0, present = 0, longest_ns = 0;
};

Told ask(int device, pid_t pid, bool sums) {
  static std::vector<svma_page_sum> sum(512);
  static std::vector<svma_page_run> run(4096);
  svma_pages question{};
  Told told;
  question.size = sizeof(question);
  question.flags = sums ? SVMA_PAGES_SUMS : 0;
  question.pid = pid;
  question.end = SVMA_NONE;
  question.capacity = sums ? sum.size() : run.size();
  question.buffer = reinterpret_cast<uint64_t>(sums ? static_cast<void*>(sum.data()) : run.data());
  do {
    if (ioctl(device, SVMA_IOC_PAGES, &question)) fail("SVMA_IOC_PAGES");
    told.records += question.count;
    told.longest_ns = std::max<uint64_t>(told.longest_ns, question.longest_ns);
    for (uint32_t i = 0; sums && i < question.count; i++) told.present += sum[i].present;
  } while (question.start < question.end);
  return told;
}

void measure(int device, const Program& program) {
  const pid_t pid = fork();
  if (pid == 0) {
    program.set_up();
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) fail(program.name);
  svma_track track{};
  track.size = sizeof(track);
  track.pid = pid;
  if (ioctl(device, SVMA_IOC_TRACK, &track)) fail("SVMA_IOC_TRACK");
  std::vector<Range> ranges;
  const double vmas = find_ranges(pid, ranges);
  std::vector<char> buffer(1 << 16);
  const std::string smaps = "/proc/" + std::to_string(pid) + "/smaps";
  const double by_pagemap = fastest([&] { read_pagemap(pid, ranges, buffer); });
  const double by_smaps = fastest([&] { read_file(smaps, buffer); });
  Told told;
  const double by_runs = fastest([&] { ask(device, pid, false); });
  const double by_sums = fastest([&] { told = ask(device, pid, true); });
  const double pages = told.present;
  std::printf("%-26s %8.0f %6.0f %9.2f %9.2f %9.2f %9.2f %8.1f %9.1f %7.0f\n", program.name, pages,
              vmas, by_pagemap / 1e6, by_smaps / 1e6, by_sums / 1e6, by_runs / 1e6,
              (by_pagemap + by_smaps) / by_sums, (by_pagemap + by_smaps) / by_runs,
              told.longest_ns / 1e3);
  std::fflush(stdout);
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
}

}  // namespace

int main() {
  const int device = open(SVMA_DEVICE, O_RDWR | O_CLOEXEC);
  svma_version version{};
  version.size = sizeof(version);
  version.abi = SVMA_ABI_VERSION;
  if (device < 0 || ioctl(device, SVMA_IOC_VERSION, &version)) fail(SVMA_DEVICE);
  std::printf("%-26s %8s %6s %9s %9s %9s %9s %8s %9s %7s\n", "millions of ticks", "pages", "VMAs",
              "pagemap", "smaps", "sums", "runs", "x sums", "x runs", "held us");
  for (const Program& program : kPrograms) measure(device, program);
}
