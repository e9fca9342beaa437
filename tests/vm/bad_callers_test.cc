// SPDX-License-Identifier: GPL-2.0-only
//
// Callers who mean no good: random requests that are mostly well-formed, from several threads that
// close, hand over and inherit one another's descriptors meanwhile. The module must refuse or
// answer, write where it was told to and nowhere else, keep nothing afterwards, and a process that
// somebody else follows must notice none of it.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <system_error>
#include <thread>
#include <vector>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr int kThreads = 4;
constexpr size_t kSlots = 8;
constexpr size_t kVictims = 4;
// Behind what the module may write. No answer consists of it.
constexpr unsigned char kUntouched = 0xa7;

constexpr size_t kNowhere = ~size_t{0};

// Where a request's argument has what; offsets in bytes, kNowhere for what it has not.
struct Shape {
  const char* name;
  unsigned long request;
  size_t pid = kNowhere;
  size_t mm_id = kNowhere;
  size_t capacity = kNowhere;
  size_t buffer = kNowhere;
  size_t record = 0;                 // bytes of one in the buffer
  std::vector<size_t> numbers = {};  // 64 bits each: addresses, lengths, positions
  uint32_t flags = 0;                // that it knows
};

#define OF(field) offsetof(T, field)
#define SHAPE(NAME, type, ...)           \
  [] {                                   \
    using T [[maybe_unused]] = type;     \
    Shape shape{#NAME, SVMA_IOC_##NAME}; \
    __VA_ARGS__;                         \
    return shape;                        \
  }()
#define ABOUT_MM shape.pid = OF(pid), shape.mm_id = OF(mm_id)
#define FILLS(type) \
  shape.capacity = OF(capacity), shape.buffer = OF(buffer), shape.record = sizeof(type)

const std::vector<Shape>& Shapes() {
  static const std::vector<Shape> shapes = {
      SHAPE(VERSION, svma_version, ),
      SHAPE(TRACK, svma_track, shape.pid = OF(pid), shape.flags = SVMA_TRACK_DESCENDANTS),
      SHAPE(UNTRACK, svma_untrack, ABOUT_MM),
      SHAPE(LIST, svma_list, FILLS(svma_mm), shape.flags = SVMA_LIST_MINE),
      SHAPE(MM, svma_mm, ABOUT_MM),
      SHAPE(SNAPSHOT, svma_snapshot, ABOUT_MM, FILLS(svma_vma), shape.numbers = {OF(start)}),
      SHAPE(FIND, svma_find, ABOUT_MM, shape.numbers = {OF(addr)}),
      SHAPE(GAP, svma_gap, ABOUT_MM, shape.flags = SVMA_GAP_TOPDOWN,
            shape.numbers = {OF(length), OF(low_limit), OF(high_limit), OF(align_mask),
                             OF(align_offset)}),
      SHAPE(STATS, svma_stats, shape.flags = SVMA_STATS_MODULE),
      SHAPE(PROBES, svma_probes, FILLS(svma_probe)),
      SHAPE(DIVERGENCES, svma_divergences, FILLS(svma_divergence)),
      SHAPE(FACTS, svma_facts, shape.flags = SVMA_STATS_MODULE),
      SHAPE(JOURNAL, svma_journal, ABOUT_MM, FILLS(svma_journal_entry), shape.numbers = {OF(from)},
            shape.flags = SVMA_JOURNAL_AFTER),
      SHAPE(REPORT, svma_report, ),
      SHAPE(WHY, svma_why, ABOUT_MM, shape.numbers = {OF(addr)}),
      SHAPE(LIMITS, svma_limits, ABOUT_MM),
      SHAPE(SEMANTIC, svma_semantic, ),
      SHAPE(STRUCTURE, svma_structure, shape.flags = SVMA_STATS_MODULE),
      SHAPE(SHAPE, svma_shape, ABOUT_MM, shape.numbers = {OF(length)}),
      SHAPE(RMAP, svma_rmap_stats, shape.flags = SVMA_STATS_MODULE),
      SHAPE(CHAINS, svma_chains, ABOUT_MM, FILLS(svma_chain_link), shape.numbers = {OF(from)}),
      SHAPE(SHARERS, svma_sharers, ABOUT_MM, FILLS(svma_sharer),
            shape.numbers = {OF(ino), OF(addr), OF(page)}, shape.flags = SVMA_SHARERS_FILE),
      SHAPE(WALK, svma_walk, ABOUT_MM, shape.numbers = {OF(addr)}),
      // Sums: of a run a call may tell no more than one and has then begun the next.
      SHAPE(PAGES, svma_pages, ABOUT_MM, FILLS(svma_page_sum), shape.numbers = {OF(start), OF(end)},
            shape.flags = SVMA_PAGES_SUMS),
  };
  return shapes;
}

// Sleeps until it is killed, with some memory of its own.
pid_t StartVictim() {
  const pid_t pid = fork();
  if (pid) return pid;
  char* at = static_cast<char*>(
      mmap(nullptr, 64 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  for (size_t i = 0; i < 64; i += 3) at[i * kPage] = 1;
  for (;;) pause();
}

// What all callers share. A descriptor belongs to who has taken it out of its slot.
struct Common {
  std::array<std::atomic<int>, kSlots> slots;
  std::array<std::atomic<pid_t>, kVictims> victims;
  pid_t witness;
  uint64_t witness_id;
  std::array<std::atomic<uint64_t>, 32> accepted{};
  std::array<std::atomic<uint64_t>, 32> refused{};
  std::atomic<uint64_t> overwritten{0};
  std::atomic<uint64_t> read{0};
  std::atomic<uint64_t> handed_over{0};
};

int OpenDevice(bool agree) {
  const int fd = open(SVMA_DEVICE, O_RDWR | O_CLOEXEC);
  auto version = Argument<svma_version>();
  version.abi = SVMA_ABI_VERSION;
  if (agree && fd >= 0) ioctl(fd, SVMA_IOC_VERSION, &version);
  return fd;
}

class Caller {
 public:
  Caller(Common& common, uint64_t seed) : common_(common), random_(seed) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    around_ = mmap(nullptr, 2 * kFourGiB, PROT_NONE, flags, -1, 0);
    if (around_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    const uint64_t own = (reinterpret_cast<uint64_t>(around_) + kFourGiB - 1) & ~(kFourGiB - 1);
    area_ = reinterpret_cast<unsigned char*>(own + kFourGiB / 4);
    mprotect(area_, kArea, PROT_READ | PROT_WRITE);
  }
  ~Caller() { munmap(around_, 2 * kFourGiB); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void Step() {
    const uint64_t dice = Below(1000);
    if (dice < 920) return Ask();
    if (dice < 950) return Reopen();
    if (dice < 965) return Duplicate();
    if (dice < 970) return HandOver();
    if (dice < 972) return Inherit();
    if (dice < 975) return ReplaceVictim();
    ReadFiles();
  }

 private:
  static constexpr size_t kArea = 64 * kPage;
  // Around the area nothing else has its upper half of the address: a pointer to it whose lower
  // half is damaged leads to where nothing can be written, and not into a heap of the test's.
  static constexpr uint64_t kFourGiB = 1ull << 32;

  uint64_t Below(uint64_t n) { return random_() % n; }
  template <typename T>
  T OneOf(std::initializer_list<T> list) {
    return list.begin()[Below(list.size())];
  }

  int Fd() { return common_.slots[Below(kSlots)].load(); }

  int32_t Pid() {
    if (Below(10)) return common_.victims[Below(kVictims)].load();
    return OneOf<int32_t>({common_.witness, getpid(), 0, -1, 1, 2, 0x3fffffff, INT32_MIN});
  }

  uint64_t Number() {
    const uint64_t at = reinterpret_cast<uint64_t>(area_);
    switch (Below(4)) {
      case 0:
        return OneOf<uint64_t>({0, 1, kPage, 0x7fffffffffff, 0x7ffffffff000, 1ull << 56, 1ull << 63,
                                0xffff888000000000, SVMA_NONE, SVMA_NONE - kPage + 1});
      case 1:
        return at + Below(kArea);
      case 2:
        return kArena + Below(64) * kPage;
      default:
        return random_() >> Below(64);
    }
  }

  // A well-formed argument, then perhaps something about it that is not.
  void Ask() {
    const Shape& shape = Shapes()[Below(Shapes().size())];
    const size_t size = _IOC_SIZE(shape.request);
    alignas(8) unsigned char argument[4096] = {};
    auto put32 = [&](size_t at, uint32_t value) { memcpy(argument + at, &value, 4); };
    auto put64 = [&](size_t at, uint64_t value) { memcpy(argument + at, &value, 8); };
    put32(0, size);
    put32(4, shape.flags ? (Below(2) ? shape.flags : 0) : 0);
    if (shape.request == SVMA_IOC_VERSION) put32(4, SVMA_ABI_VERSION);
    if (shape.pid != kNowhere) put32(shape.pid, Pid());
    if (shape.mm_id != kNowhere && Below(4) == 0) put64(shape.mm_id, common_.witness_id);
    for (size_t at : shape.numbers) put64(at, Number());
    // Records end where the area does, so that one more is not to be had, or before what is
    // watched.
    const uint32_t capacity = shape.record ? Below(kArea / shape.record) : 0;
    const size_t bytes = capacity * shape.record;
    const bool to_the_end = Below(2);
    if (shape.record) {
      put32(shape.capacity, capacity);
      put64(shape.buffer, reinterpret_cast<uint64_t>(area_ + (to_the_end ? kArea - bytes : 0)));
      memset(area_ + bytes, kUntouched, std::min<size_t>(kArea - bytes, 256));
    }
    unsigned long request = shape.request;
    const bool damaged = Below(3) == 0;
    if (damaged) request = Damage(shape, argument, size, request);
    const int answer = ioctl(Fd(), request, argument);
    if (request == shape.request)
      ++(answer == 0 ? common_.accepted : common_.refused)[_IOC_NR(shape.request)];
    if (shape.record && !damaged && !to_the_end)
      for (size_t i = bytes; i < std::min(kArea, bytes + 256); i++)
        if (area_[i] != kUntouched) {
          ++common_.overwritten;
          break;
        }
  }

  unsigned long Damage(const Shape& shape, unsigned char* argument, size_t size,
                       unsigned long request) {
    const uint64_t word =
        OneOf<uint64_t>({0, 1, 2, 0xff, 0xffffffff, 0x80000000, SVMA_NONE, random_(), Number()});
    switch (Below(7)) {
      case 0:  // another word, which may be a reserved one
        memcpy(argument + Below(size / 4) * 4, &word, 4);
        break;
      case 1:
        memcpy(argument + Below(size / 8) * 8, &word, 8);
        break;
      case 2: {
        const uint32_t wrong = OneOf<uint32_t>({0, 4, uint32_t(size - 1), uint32_t(size + 8), ~0u});
        memcpy(argument, &wrong, 4);
        break;
      }
      case 3: {
        const uint32_t many = OneOf<uint32_t>({0, ~0u, 1u << 31, 65536, 65537, 1});
        if (shape.capacity != kNowhere) memcpy(argument + shape.capacity, &many, 4);
        break;
      }
      case 4: {
        const uint64_t end = reinterpret_cast<uint64_t>(area_ + kArea);
        const uint64_t bad = OneOf<uint64_t>(
            {0, 1, end, end - 20, end - 4096 + 3, 1ull << 63, 0xffffffff81000000, SVMA_NONE - 7});
        if (shape.buffer != kNowhere) memcpy(argument + shape.buffer, &bad, 8);
        break;
      }
      case 5:
        request = OneOf<unsigned long>({_IO(SVMA_IOC_MAGIC, _IOC_NR(request)), request + 1,
                                        request ^ (1ul << Below(32)), random_() & 0xffffffff});
        break;
      default:
        for (int i = 0; i < 4; i++) memcpy(argument + Below(size / 4) * 4, &word, 4);
    }
    return request;
  }

  void Put(int fd) {
    const int old = common_.slots[Below(kSlots)].exchange(fd);
    if (old >= 0) close(old);
  }
  void Reopen() { Put(OpenDevice(Below(20) != 0)); }

  void Duplicate() {
    const int fd = fcntl(Fd(), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) Put(fd);
  }

  // Through a socket, as to another process.
  void HandOver() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends)) return;
    char byte = 0;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = Fd();
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    if (sendmsg(ends[0], &message, 0) == 1 && recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC) == 1 &&
        (header = CMSG_FIRSTHDR(&message))) {
      memcpy(&fd, CMSG_DATA(header), sizeof(fd));
      Put(fd);
      ++common_.handed_over;
    }
    close(ends[0]);
    close(ends[1]);
  }

  // A child asks through what it has inherited, and dies with it.
  void Inherit() {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int i = 0; i < 20; i++) Ask();
      _exit(0);
    }
    if (pid > 0) waitpid(pid, nullptr, 0);
  }

  void ReplaceVictim() {
    auto& victim = common_.victims[Below(kVictims)];
    const pid_t fresh = StartVictim();
    const pid_t old = victim.exchange(fresh);
    kill(old, SIGKILL);
    waitpid(old, nullptr, 0);
  }

  void ReadFiles() {
    if (Below(4) == 0) {
      const std::string words = OneOf<std::string>(
          {std::to_string(Pid()), "-" + std::to_string(Pid()), "", "x", "0x10",
           "99999999999999999999", "1 2", std::string(4096, '7'), std::string("1\0002", 3)});
      const int fd = open(SVMA_DEBUGFS "/track", O_WRONLY | O_CLOEXEC);
      if (write(fd, words.data(), words.size()) < 0) ++common_.refused[31];
      close(fd);
      return;
    }
    const std::string dir =
        Below(2) ? std::string(SVMA_DEBUGFS) : DebugDir(Below(2) ? common_.witness : Pid());
    DIR* list = opendir(dir.c_str());
    if (!list) return;
    std::vector<std::string> names;
    while (const dirent* entry = readdir(list))
      if (entry->d_type == DT_REG) names.push_back(dir + "/" + entry->d_name);
    closedir(list);
    if (names.empty()) return;
    const int fd = open(names[Below(names.size())].c_str(), O_RDONLY | O_CLOEXEC);
    const size_t most = OneOf<size_t>({0, 1, 3, 4095, 65536});
    const off_t at = OneOf<off_t>({0, 0, 1, 4096, 1l << 40});
    for (int i = 0; i < 3; i++)
      if (pread(fd, area_, most, at + static_cast<off_t>(i * most)) > 0) ++common_.read;
    close(fd);
  }

  Common& common_;
  std::mt19937_64 random_;
  void* around_;
  unsigned char* area_;
};

class BadCallers : public Tracee {};

TEST_F(BadCallers, RandomRequests_RefusedOrAnsweredAndNothingIsLeft) {
  const char* const wanted = getenv("SVMA_BAD_CALLS");
  const uint64_t calls = wanted ? strtoull(wanted, nullptr, 0) : 20000;
  const svma_stats before = device_.Stats(SVMA_STATS_MODULE);
  ASSERT_EQ(before.tracked, 1u);
  Common common{};
  common.witness = puppet_.pid();
  common.witness_id = id_;
  for (auto& victim : common.victims) victim = StartVictim();
  for (auto& slot : common.slots) slot = OpenDevice(true);
  std::vector<std::thread> threads;
  std::atomic<bool> done{false};
  for (int i = 0; i < kThreads; i++)
    threads.emplace_back([&, i] {
      Caller caller(common, 1000 + i);
      for (uint64_t n = 0; n < calls / kThreads; n++) caller.Step();
    });
  std::thread end([&] {
    for (std::thread& thread : threads) thread.join();
    done = true;
  });
  // Whoever is followed by somebody else goes on as if nothing were.
  uint64_t rounds = 0;
  do {
    Map(0, 8);
    Touch(1, 3);
    Protect(2, 2, PROT_READ);
    Unmap(0, 8);
    rounds++;
  } while (!done && !HasFailure());
  end.join();
  for (auto& slot : common.slots) close(slot);
  for (auto& victim : common.victims) KillAndReap(victim);
  // Through debugfs somebody may have begun to follow whom nobody closes.
  for (const svma_mm& mm : device_.List(0))
    if (mm.mm_id != id_) WriteFile(SVMA_DEBUGFS "/track", std::to_string(-mm.pid));

  EXPECT_EQ(common.overwritten, 0u);
  for (const Shape& shape : Shapes()) {
    // There was nothing to report.
    if (shape.request != SVMA_IOC_REPORT) {
      EXPECT_GT(common.accepted[_IOC_NR(shape.request)], 0u) << shape.name;
    }
    EXPECT_GT(common.refused[_IOC_NR(shape.request)], 0u) << shape.name;
  }
  EXPECT_GT(common.read, 0u);
  EXPECT_GT(common.handed_over, 0u);
  EXPECT_TRUE(WaitFor([&] { return device_.Stats(SVMA_STATS_MODULE).tracked == 1; }, 10000));
  const svma_stats after = device_.Stats(SVMA_STATS_MODULE);
  EXPECT_EQ(after.counts.divergent, before.counts.divergent);
  EXPECT_EQ(after.vmas, before.vmas);
  printf("bad callers: %llu calls, the witness went round %llu times\n",
         static_cast<unsigned long long>(calls), static_cast<unsigned long long>(rounds));
}

}  // namespace
}  // namespace guest
