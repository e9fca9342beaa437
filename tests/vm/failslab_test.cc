// SPDX-License-Identifier: GPL-2.0-only
//
// What the module does when the kernel has no memory for it: refuse, or become suspect and catch
// up, and say so. Only where the kernel can be made to fail allocations, as debug kernels can;
// elsewhere there is no test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

#include "tracee.hpp"

namespace guest {
namespace {

const std::string kFailslab = "/sys/kernel/debug/failslab/";

// The n-th allocation of slab memory of this thread from now on fails.
class FailNth {
 public:
  explicit FailNth(int n) : fd_(open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC)) {
    const std::string text = std::to_string(n);
    EXPECT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  ~FailNth() { close(fd_); }
  FailNth(const FailNth&) = delete;
  FailNth& operator=(const FailNth&) = delete;

  // No more from here on. RETURNS: whether it came to that one. REQUIRES: called once.
  bool Failed() {
    char left[16] = {};
    EXPECT_GT(pread(fd_, left, sizeof(left) - 1, 0), 0);
    EXPECT_EQ(write(fd_, "0", 1), 1);
    return atoi(left) == 0;
  }

 private:
  int fd_;
};

void Set(const std::string& name, const std::string& value) {
  EXPECT_EQ(WriteFile(kFailslab + name, value), 0) << name;
}

std::vector<bool> Kernels() {
  return access(kFailslab.c_str(), F_OK) ? std::vector<bool>{} : std::vector<bool>{true};
}

class Failslab : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    // Allocations that may sleep are failed, too, without a stack in the log for each.
    Set("ignore-gfp-wait", "N");
    Set("verbose", "0");
    Set("times", "-1");
  }
  void TearDown() override {
    Set("probability", "0");
    Set("cache-filter", "N");
  }
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Failslab);
INSTANTIATE_TEST_SUITE_P(Kernel, Failslab, testing::ValuesIn(Kernels()));

// Pages with different protections in turn, so that none merges. words: the first page, how many.
int64_t MapStripes(Words words) {
  for (uint64_t i = words[0]; i < words[0] + words[1]; i++) {
    void* at = mmap(reinterpret_cast<void*>(kArena + i * kPage), kPage,
                    i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == MAP_FAILED) return -1;
  }
  return 0;
}

// Makes each allocation of `action` fail in turn, and asks `after` with the result of each.
// RETURNS: how many there are.
int FailEach(const std::function<int()>& action, const std::function<void(int error)>& after) {
  constexpr int kMost = 500;
  for (int n = 1; n <= kMost; n++) {
    SCOPED_TRACE("allocation " + std::to_string(n));
    FailNth fault(n);
    const int error = action();
    const bool failed = fault.Failed();
    EXPECT_TRUE(failed || error == 0) << error;
    after(error);
    if (!failed || testing::Test::HasFailure()) return n - 1;
  }
  ADD_FAILURE() << "there is no end of allocations";
  return kMost;
}

// Holds what others have left in the pool of VMAs beyond what is kept ready in any case.
class SpareVmas {
 public:
  explicit SpareVmas(Device& device) {
    const uint64_t ready = std::stoull(ReadFile("/sys/module/svma/parameters/pool_vmas"));
    for (uint64_t free; (free = Stat("pool_free")) > ready;) {
      holders_.push_back(std::make_unique<Puppet>());
      // A debug kernel is slow with many VMAs in one process.
      const uint64_t stripes = std::min<uint64_t>(free - ready, 2000);
      EXPECT_EQ(holders_.back()->Run(MapStripes, {0, stripes}).value, 0);
      EXPECT_EQ(device.Track(holders_.back()->pid(), 0), 0);
      if (testing::Test::HasFailure()) return;
    }
  }

 private:
  std::vector<std::unique_ptr<Puppet>> holders_;
};

TEST_P(Failslab, Attach_EachAllocationFails_RefusedThenEqual) {
  Device others;
  const SpareVmas spare(others);
  Puppet puppet;
  Device device;
  const uint64_t refused = Stat("pool_refused");
  constexpr uint64_t kMore = 16;
  uint64_t id = 0, stripes = 0;
  int errors = 0;
  auto more_vmas = [&] {
    // More of them each time, so that the pools don't have enough.
    EXPECT_EQ(puppet.Run(MapStripes, {stripes, kMore}).value, 0);
    stripes += kMore;
  };
  more_vmas();
  const int allocations = FailEach(
      [&] { return device.Track(puppet.pid(), 0, &id); },
      [&](int error) {
        if (error) {
          errors++;
          EXPECT_EQ(error, ENOMEM);
          EXPECT_EQ(device.List().size(), 0u);
          ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
        }
        Seen seen;
        EXPECT_NE(puppet
                      .Syscall(SYS_mmap, {kArena + (1 << 20) * kPage, kPage, PROT_READ,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, ~0ull, 0})
                      .value,
                  -1);
        CheckMm(device, "attach", puppet.pid(), id, &seen);
        ASSERT_EQ(device.Untrack(puppet.pid()), 0);
        more_vmas();
      });
  printf("%d allocations, %d errors\n", allocations, errors);
  EXPECT_GE(errors, static_cast<int>(kMore));
  EXPECT_GT(Stat("pool_refused"), refused);
}

TEST_P(Failslab, Open_EachAllocationFails_Enomem) {
  int errors = 0, fd = -1;
  FailEach(
      [&] {
        fd = open(SVMA_DEVICE, O_RDWR | O_CLOEXEC);
        return fd < 0 ? errno : 0;
      },
      [&](int error) {
        if (error) {
          errors++;
          EXPECT_EQ(error, ENOMEM);
        } else {
          close(fd);
        }
      });
  // The struct file, the session. What holds its reports comes in whole pages where there are some.
  EXPECT_GE(errors, 2);
  Device device;
  EXPECT_EQ(device.List(0).size(), 0u);
}

TEST_P(Failslab, Questions_EachAllocationFails_EnomemOrTheAnswer) {
  Puppet puppet;
  Device device;
  uint64_t id = 0;
  ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
  std::vector<svma_vma> vmas(256);
  std::vector<svma_mm> mms(4);
  std::vector<svma_probe> probes(256);
  std::vector<svma_journal_entry> entries(64);
  const size_t expected = device.Snapshot(id).size();
  const struct {
    const char* name;
    std::function<int()> ask;
  } kQuestions[] = {
      {"snapshot",
       [&] {
         auto ask = Argument<svma_snapshot>();
         ask.mm_id = id;
         ask.capacity = vmas.size();
         ask.buffer = reinterpret_cast<uint64_t>(vmas.data());
         int error = device.Ask(SVMA_IOC_SNAPSHOT, &ask);
         return error || ask.count == expected ? error : EBADMSG;
       }},
      {"list",
       [&] {
         auto ask = Argument<svma_list>();
         ask.capacity = mms.size();
         ask.buffer = reinterpret_cast<uint64_t>(mms.data());
         int error = device.Ask(SVMA_IOC_LIST, &ask);
         return error || ask.count == 1 ? error : EBADMSG;
       }},
      {"probes",
       [&] {
         auto ask = Argument<svma_probes>();
         ask.capacity = probes.size();
         ask.buffer = reinterpret_cast<uint64_t>(probes.data());
         return device.Ask(SVMA_IOC_PROBES, &ask);
       }},
      {"journal",
       [&] {
         auto ask = Argument<svma_journal>();
         ask.mm_id = id;
         ask.capacity = entries.size();
         ask.buffer = reinterpret_cast<uint64_t>(entries.data());
         int error = device.Ask(SVMA_IOC_JOURNAL, &ask);
         return error || ask.count == 1 ? error : EBADMSG;
       }},
  };
  for (const auto& question : kQuestions) {
    SCOPED_TRACE(question.name);
    int errors = 0;
    FailEach(question.ask, [&](int error) {
      errors += error != 0;
      EXPECT_TRUE(error == 0 || error == ENOMEM) << error;
    });
    EXPECT_GE(errors, 1);  // the argument at least
  }
  Seen seen;
  CheckMm(device, "the questions", puppet.pid(), id, &seen);
}

// A fork takes the kernel stack of a task that ended on the same processor, if there is one left
// (alloc_thread_stack_node(), kernel/fork.c). Where it has to make one, vmalloc() writes to the
// kernel's log that it failed, which is an alarm, and not the module's fault.
void LeaveKernelStacks() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  pid_t pids[2];
  for (pid_t& pid : pids) {
    pid = fork();
    if (pid == 0) _exit(0);
  }
  for (const pid_t pid : pids) Reap(pid);
  usleep(10'000 * Patience());  // until they are off the processor
}

constexpr int64_t kStarved = 1 << 16;

// In the puppet. words: n, a system call's number, its first five arguments. Its n-th allocation
// fails. RETURNS: its error, and kStarved if it came to that allocation.
int64_t Starve(Words words) {
  const int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
  char text[16] = {};
  const int length = snprintf(text, sizeof(text), "%d", static_cast<int>(words[0]));
  if (words[1] == SYS_fork) LeaveKernelStacks();
  if (write(fd, text, length) != length) return -1;
  const long result = syscall(words[1], words[2], words[3], words[4], words[5], words[6], 0);
  const int error = result == -1 ? errno : 0;
  if (words[1] == SYS_fork && result == 0) _exit(0);
  memset(text, 0, sizeof(text));
  if (pread(fd, text, sizeof(text) - 1, 0) <= 0 || write(fd, "0", 1) != 1) return -1;
  close(fd);
  if (words[1] == SYS_fork && result > 0) Reap(static_cast<pid_t>(result));
  return error | (atoi(text) == 0 ? kStarved : 0);
}

// What the kernel makes of an operation whose allocation fails midway is not predicted: it may show
// as a divergence, but what is called clean is right, before long and without a trace.
TEST_P(Failslab, Operations_EachAllocationFails_EqualAgain) {
  constexpr uint64_t kPlain = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  Puppet puppet;
  Device device;
  uint64_t id = 0, at = kArena;
  ASSERT_EQ(device.Track(puppet.pid(), 0, &id), 0);
  const auto page = [&](uint64_t n) { return at + n * kPage; };
  const struct {
    const char* name;
    long number;
    std::function<std::array<uint64_t, 5>()> words;
  } kOperations[] = {
      {"mmap", SYS_mmap,
       [&] {
         return std::array{page(8), kPage, 1ul, kPlain, ~0ul};
       }},
      {"munmap", SYS_munmap,
       [&] {
         return std::array{page(2), kPage, 0ul, 0ul, 0ul};
       }},
      {"mprotect", SYS_mprotect,
       [&] {
         return std::array{page(2), kPage, 1ul, 0ul, 0ul};
       }},
      {"mremap", SYS_mremap,
       [&] {
         return std::array{page(2), kPage, kPage, uint64_t{MREMAP_MAYMOVE | MREMAP_FIXED},
                           page(10)};
       }},
      {"madvise", SYS_madvise,
       [&] {
         return std::array{page(2), kPage, uint64_t{MADV_DONTFORK}, 0ul, 0ul};
       }},
      {"mlock", SYS_mlock,
       [&] {
         return std::array{page(2), kPage, 0ul, 0ul, 0ul};
       }},
      {"fork", SYS_fork, [&] { return std::array<uint64_t, 5>{}; }},
  };
  svma_mm mm;
  for (const auto& operation : kOperations) {
    // A fork has some for each VMA, and takes long.
    const bool forks = operation.number == SYS_fork;
    const int step = forks ? 3 : 1;
    int failed = 0, refused = 0, n = 1;
    uint64_t divergent = 0;
    for (bool starved = true; starved && n < 200 && !HasFailure(); n += step, at += 16 * kPage) {
      SCOPED_TRACE(std::string(operation.name) + ", allocation " + std::to_string(n));
      ASSERT_EQ(
          puppet.Syscall(SYS_mmap, {at, 5 * kPage, PROT_READ | PROT_WRITE, kPlain, ~0ul, 0}).value,
          static_cast<int64_t>(at));
      // All of it, so that it has an anon_vma.
      ASSERT_EQ(puppet.Syscall(SYS_madvise, {at, 5 * kPage, 23 /* MADV_POPULATE_WRITE */}).value,
                0);
      ASSERT_EQ(device.Mm(0, id, &mm), 0);
      const uint64_t before = mm.counts.divergent;
      const auto w = operation.words();
      const int64_t result =
          puppet
              .Run(Starve, {static_cast<uint64_t>(n), static_cast<uint64_t>(operation.number), w[0],
                            w[1], w[2], w[3], w[4]})
              .value;
      ASSERT_GE(result, 0);
      starved = result & kStarved;
      failed += starved;
      const int64_t error = result & ~kStarved;
      // madvise() says EAGAIN instead, madvise_vma_behavior() in mm/madvise.c.
      EXPECT_TRUE(error == 0 || (starved && (error == ENOMEM ||
                                             (error == EAGAIN && operation.number == SYS_madvise))))
          << error;
      EXPECT_TRUE(
          WaitFor([&] { return device.Mm(0, id, &mm) == 0 && mm.health == SVMA_CLEAN; }, 20'000));
      EXPECT_EQ(Difference(device.Snapshot(id), ProcMaps(puppet.pid())), "");
      if (!starved) {
        EXPECT_EQ(mm.counts.divergent, before);
      }
      divergent += mm.counts.divergent - before;
      refused += error != 0;
    }
    printf("%s: %d allocations failed, %d errors, %llu divergent\n", operation.name, failed,
           refused, static_cast<unsigned long long>(divergent));
    EXPECT_GE(refused, 1) << operation.name;
    if (!forks) {
      EXPECT_LT(n, 200);
    }
  }
}

TEST_P(Failslab, PoolsNotRefilled_SuspectThenEqualAgain) {
  // On v6.1 a cache can be chosen at boot only (slub_debug=A,...; mm/slub.c); run-vm does that.
  ASSERT_EQ(ReadFile("/sys/kernel/slab/svma_vma/failslab"), "1\n");
  constexpr uint64_t kStripes = 2000;
  constexpr int kForks = 24;  // together more VMAs than the pool ever keeps ready
  Puppet puppet;
  Device device;
  ASSERT_EQ(puppet.Run(MapStripes, {0, kStripes}).value, 0);
  ASSERT_EQ(device.Track(puppet.pid(), SVMA_TRACK_DESCENDANTS), 0);
  const uint64_t refused = Stat("pool_refused"), empty = Stat("pool_empty");
  std::vector<pid_t> children;
  auto count = [&](uint32_t health) {
    size_t found = 0;
    for (const svma_mm& mm : device.List()) found += mm.health == health;
    return found;
  };
  // A clean one must be right at any moment; all of them are at rest.
  auto check_clean = [&] {
    size_t checked = 0;
    for (const svma_mm& mm : device.List()) {
      if (mm.health != SVMA_CLEAN) continue;
      const std::vector<svma_vma> shadow = device.Snapshot(mm.mm_id);
      if (shadow.empty()) continue;  // it has become suspect meanwhile
      EXPECT_EQ(Difference(shadow, ProcMaps(mm.pid)), "") << mm.pid;
      checked++;
    }
    return checked;
  };

  Set("cache-filter", "Y");
  Set("probability", "100");
  for (int i = 0; i < kForks; i++) {
    const pid_t child = puppet
                            .Run([](Words) -> int64_t {
                              pid_t pid = fork();
                              if (pid == 0) {
                                for (;;) pause();
                              }
                              return pid;
                            })
                            .value;
    ASSERT_GT(child, 0);
    children.push_back(child);
  }
  EXPECT_TRUE(WaitFor([&] { return count(SVMA_SUSPECT) > 0; }));
  EXPECT_GT(check_clean(), 0u);
  // Also what goes on meanwhile is either followed or not believed.
  ASSERT_EQ(puppet.Run(MapStripes, {2 * kStripes, 100}).value, 0);
  check_clean();
  EXPECT_GT(Stat("pool_refused"), refused);
  EXPECT_GT(Stat("pool_empty"), empty);
  EXPECT_GT(count(SVMA_SUSPECT), 0u);  // nothing has made memory of nothing

  Set("probability", "0");
  EXPECT_TRUE(WaitFor([&] { return count(SVMA_CLEAN) == kForks + 1; }, 20'000))
      << count(SVMA_CLEAN) << " clean, " << count(SVMA_SUSPECT) << " suspect";
  EXPECT_EQ(check_clean(), size_t{kForks + 1});
  const svma_stats stats = device.Stats(0);
  printf("pool_refused %lu pool_empty %lu resyncs %llu missed %llu\n",
         Stat("pool_refused") - refused, Stat("pool_empty") - empty, stats.counts.resyncs,
         stats.counts.missed);
  EXPECT_GT(stats.counts.resyncs, 0u);
  EXPECT_EQ(stats.counts.divergent, 0u);
  for (pid_t child : children) kill(child, SIGKILL);
}

}  // namespace
}  // namespace guest
