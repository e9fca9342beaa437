// SPDX-License-Identifier: GPL-2.0-only
// svma-cost [--track] --out FILE [-- NAME CMD ARGS...]
//
// What operations on an address space cost, in ticks of the TSC: with run-vm --icount one tick is
// one instruction, the kernel's included. Each operation is done many times over and the mean
// counts, so that the timer interrupts that fall into it weigh as much as they do everywhere. With
// NAME and CMD it is that program, from fork to its end, which is measured.
//
// --track: have the module track this process (and its descendants) through debugfs, which, unlike
// `svma check`, looks at nothing while the program runs.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace {

constexpr size_t kPage = 4096;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "svma-cost: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

void must(bool good, const char* what) {
  if (!good) fail(what);
}

// A NOP that tests/bench/count_plugin.cc knows by its operand; to everything else it is nothing.
void mark_begin() { asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long 0x53564d00" ::: "memory"); }
void mark_end() { asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .long 0x53564d01" ::: "memory"); }

struct Result {
  std::string name;
  uint64_t count;    // operations
  uint64_t ticks;    // of the TSC, for all of them
  uint64_t wall_ns;  // likewise
};

class Stopwatch {
 public:
  Stopwatch() {
    wall_ = std::chrono::steady_clock::now();
    mark_begin();
    ticks_ = __rdtsc();
  }
  Result stop(const char* name, uint64_t count) const {
    const uint64_t ticks = __rdtsc() - ticks_;
    mark_end();
    const auto wall = std::chrono::steady_clock::now() - wall_;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count();
    return {name, count, ticks, static_cast<uint64_t>(ns)};
  }

 private:
  std::chrono::steady_clock::time_point wall_;
  uint64_t ticks_;
};

char* map(size_t pages, int protection) {
  void* at = mmap(nullptr, pages * kPage, protection, kPrivate, -1, 0);
  must(at != MAP_FAILED, "mmap");
  return static_cast<char*>(at);
}

void protect(char* at, size_t pages, int protection) {
  must(mprotect(at, pages * kPage, protection) == 0, "mprotect");
}

// One page of read-write memory that no neighbour can merge with.
char* map_alone() {
  char* page = map(3, PROT_NONE) + kPage;
  protect(page, 1, kReadWrite);
  return page;
}

class Costs {
 public:
  // The first rounds pay for caches and for memory that the kernel keeps; they are not counted.
  void add(const char* name, unsigned count, const std::function<void()>& operation) {
    for (unsigned i = 0; i < count / 10 + 10; ++i) operation();
    Stopwatch watch;
    for (unsigned i = 0; i < count; ++i) operation();
    results.push_back(watch.stop(name, count));
  }

  // For what can be done to each page once only.
  void add_pages(const char* name, unsigned count, size_t stride, char* at) {
    Stopwatch watch;
    for (unsigned i = 0; i < count; ++i) *(volatile char*)(at + i * stride * kPage) = 1;
    results.push_back(watch.stop(name, count));
  }

  std::vector<Result> results;
};

// Ten instructions, to see how exact the count is.
void ten_instructions() {
  asm volatile(
      "nop; nop; nop; nop; nop;"
      "nop; nop; nop; nop; nop");
}

void add_calibration(Costs& costs) {
  constexpr unsigned kCount = 1'000'000;
  for (const char* name : {"ten_nops_1", "ten_nops_2"}) {
    Stopwatch watch;
    for (unsigned i = 0; i < kCount; ++i) ten_instructions();
    costs.results.push_back(watch.stop(name, kCount));
  }
}

void add_faults(Costs& costs) {
  constexpr unsigned kFaults = 4000;
  constexpr unsigned kVmas = 2000;
  char* one = map(kFaults, kReadWrite);
  madvise(one, kFaults * kPage, MADV_NOHUGEPAGE);
  *(volatile char*)one = 1;  // from here on the VMA has its anon_vma
  costs.add_pages("fault", kFaults - 1, 1, one + kPage);
  munmap(one, kFaults * kPage);

  char* many = map(2 * kVmas, PROT_NONE);
  for (unsigned i = 0; i < kVmas; ++i) protect(many + (2 * i + 1) * kPage, 1, kReadWrite);
  costs.add_pages("fault_new_anon_vma", kVmas, 2, many + kPage);
  munmap(many, 2 * kVmas * kPage);
}

void fork_and_wait() {
  const pid_t child = fork();
  must(child >= 0, "fork");
  if (child == 0) _exit(0);
  must(waitpid(child, nullptr, 0) == child, "waitpid");
}

void move_to(char* from, char* to) {
  must(mremap(from, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
}

std::vector<Result> measure_operations() {
  constexpr unsigned kCount = 2000;
  Costs costs;
  add_calibration(costs);
  costs.add("mmap_munmap", kCount, [] { munmap(map(1, kReadWrite), kPage); });
  char* middle = map(3, kReadWrite) + kPage;
  costs.add("mprotect_split_merge", kCount, [=] {
    protect(middle, 1, PROT_READ);
    protect(middle, 1, kReadWrite);
  });
  char* alone = map_alone();
  costs.add("mprotect_whole_twice", kCount, [=] {
    protect(alone, 1, PROT_READ);
    protect(alone, 1, kReadWrite);
  });
  const long end = syscall(SYS_brk, 0);
  costs.add("brk_up_down", kCount, [=] {
    must(syscall(SYS_brk, end + 16 * kPage) != end, "brk");
    syscall(SYS_brk, end);
  });
  add_faults(costs);
  costs.add("fork_exit_wait", 200, fork_and_wait);
  costs.add("madvise_dontfork_dofork", kCount, [=] {
    must(madvise(alone, kPage, MADV_DONTFORK) == 0, "madvise");
    must(madvise(alone, kPage, MADV_DOFORK) == 0, "madvise");
  });
  char* left = map_alone();
  char* right = map_alone();
  costs.add("mremap_there_back", kCount, [=] {
    move_to(left, right);
    move_to(right, left);
  });
  return costs.results;
}

Result measure_program(const char* name, char** argv) {
  Stopwatch watch;
  const pid_t child = fork();
  must(child >= 0, "fork");
  if (child == 0) {
    execvp(argv[0], argv);
    _exit(127);
  }
  int status = 0;
  must(waitpid(child, &status, 0) == child, "waitpid");
  const Result result = watch.stop(name, 1);
  if (status != 0) {
    std::fprintf(stderr, "svma-cost: %s failed, status %#x\n", argv[0], status);
    std::exit(2);
  }
  return result;
}

void track_self() {
  std::FILE* file = std::fopen("/sys/kernel/debug/svma/track", "we");
  must(file && std::fprintf(file, "%d\n", getpid()) > 0 && std::fclose(file) == 0, "track");
}

void write_json(const char* path, const std::vector<Result>& results) {
  std::FILE* file = std::fopen(path, "we");
  must(file, path);
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  std::fprintf(file, "{\"children_cpu_s\": %.6f, \"results\": [\n",
               seconds(usage.ru_utime) + seconds(usage.ru_stime));
  const char* comma = "";
  for (const Result& result : results) {
    std::fprintf(file,
                 "%s  {\"name\": \"%s\", \"count\": %llu, \"ticks\": %llu, \"wall_ns\": %llu}",
                 comma, result.name.c_str(), (unsigned long long)result.count,
                 (unsigned long long)result.ticks, (unsigned long long)result.wall_ns);
    comma = ",\n";
  }
  std::fprintf(file, "\n]}\n");
  must(std::fclose(file) == 0, path);
}

}  // namespace

int main(int argc, char** argv) {
  const char* out = nullptr;
  bool track = false;
  int i = 1;
  for (; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    if (std::strcmp(argv[i], "--track") == 0) {
      track = true;
    } else if (std::strcmp(argv[i], "--out") == 0 && i + 1 < argc) {
      out = argv[++i];
    } else {
      out = nullptr;
      break;
    }
  }
  char** program = i + 2 < argc ? argv + i + 1 : nullptr;
  if (!out || (i < argc && !program)) {
    std::fprintf(stderr, "usage: svma-cost [--track] --out FILE [-- NAME CMD ARGS...]\n");
    return 2;
  }
  if (track) track_self();
  if (program) {
    write_json(out, {measure_program(program[0], program + 1)});
  } else {
    write_json(out, measure_operations());
  }
}
