// SPDX-License-Identifier: GPL-2.0-only
//
// Entries of page tables that few programs have. Each is made for real, told by SVMA_IOC_WALK, and
// held by `svma check --pages` against pagemap, smaps, PAGEMAP_SCAN and each level that BPF reads.
//
// Some need a guest of their own: --mem 5G --append "numa=fake=2 hugepagesz=1G hugepages=1
// secretmem.enable=1". Elsewhere these tests are not there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "stopped.hpp"
#include "tracee.hpp"

namespace guest {
namespace {

constexpr int kFailed = 77;  // exit status of a program that did not get what it is for
constexpr size_t kHuge = 2 << 20, kGigantic = 1 << 30;
constexpr int kHwpoison = 100, kGuardInstall = 102;  // MADV_

char* const kPlace = reinterpret_cast<char*>(kArena);

char* MapHere(size_t bytes, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int fd = -1,
              int protection = PROT_READ | PROT_WRITE) {
  void* const at = mmap(kPlace, bytes, protection, flags | MAP_FIXED, fd, 0);
  if (at == MAP_FAILED) {
    perror("mmap");
    _exit(kFailed);
  }
  return static_cast<char*>(at);
}

void Need(long result, const char* what) {
  if (result >= 0) return;
  perror(what);
  _exit(kFailed);
}

// Each leaves what is asked for in its first page.

void Hwpoison() {
  // Who has a broken page is told.
  signal(SIGBUS, [](int) {});
  memset(MapHere(4 * kPage), 1, 4 * kPage);
  Need(madvise(kPlace, kPage, kHwpoison), "MADV_HWPOISON");
}

void Secret() {
  const int fd = static_cast<int>(syscall(447 /* memfd_secret */, 0));
  Need(fd, "memfd_secret");
  Need(ftruncate(fd, 4 * kPage), "ftruncate");
  memset(MapHere(4 * kPage, MAP_SHARED, fd), 1, 4 * kPage);
}

void Key() {
  const int key = static_cast<int>(syscall(SYS_pkey_alloc, 0, 0));
  Need(key, "pkey_alloc");
  memset(MapHere(4 * kPage), 1, 4 * kPage);
  Need(syscall(SYS_pkey_mprotect, kPlace, 2 * kPage, PROT_READ | PROT_WRITE, key), "pkey_mprotect");
}

void Gigantic() {
  constexpr int kSize1g = 30 << 26;
  *MapHere(kGigantic, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | kSize1g) = 1;
}

// Registers of a device, as its driver in user space would map them.
void DeviceMemory() {
  FILE* const list = popen("ls /sys/bus/pci/devices/*/resource[0-9]*", "r");
  char path[256];
  while (list && fgets(path, sizeof(path), list)) {
    path[strcspn(path, "\n")] = 0;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat file;
    if (fd < 0 || fstat(fd, &file) || file.st_size < static_cast<off_t>(kPage)) continue;
    if (mmap(kPlace, kPage, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED) return;
    close(fd);
  }
  _exit(kFailed);
}

void Guard() {
  memset(MapHere(4 * kPage), 1, 4 * kPage);
  Need(madvise(kPlace, 2 * kPage, kGuardInstall), "MADV_GUARD_INSTALL");
}

bool HasGuard() { return madvise(nullptr, 0, kGuardInstall) == 0; }

// Agrees on markers in shared memory. RETURNS: a userfaultfd, or -1: this kernel has none.
int MarkingUserfaultfd() {
  constexpr uint64_t kShmem = 1 << 12;  // UFFD_FEATURE_WP_HUGETLBFS_SHMEM
  const int uffd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | kShmem;
  if (uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) == 0) return uffd;
  close(uffd);
  return -1;
}

bool HasMarkers() {
  const int uffd = MarkingUserfaultfd();
  close(uffd);
  return uffd >= 0;
}

// Pages of shared memory that nobody has touched yet are protected by a marker.
void WriteProtectedHole() {
  const int uffd = MarkingUserfaultfd();
  Need(uffd, "userfaultfd");
  MapHere(4 * kPage, MAP_SHARED | MAP_ANONYMOUS)[3 * kPage] = 1;
  uffdio_register area{};
  area.range = {kArena, 4 * kPage};
  area.mode = UFFDIO_REGISTER_MODE_WP;
  uffdio_writeprotect protect{};
  protect.range = area.range;
  protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  Need(ioctl(uffd, UFFDIO_REGISTER, &area), "UFFDIO_REGISTER");
  Need(ioctl(uffd, UFFDIO_WRITEPROTECT, &protect), "UFFDIO_WRITEPROTECT");
}

constexpr uint32_t KeyOf(uint32_t flags) { return flags >> SVMA_PTE_PKEY_SHIFT & 15; }

bool Booted(const char* word) { return ReadFile("/proc/cmdline").find(word) != std::string::npos; }

bool Always() { return true; }
bool HasGigantic() { return Booted("hugepagesz=1G"); }
// Memory that can be secret came with v5.14.
bool HasSecret() {
  return Booted("secretmem.enable=1") && (syscall(447, ~0u) >= 0 || errno != ENOSYS);
}

constexpr struct Kind {
  const char* name;
  void (*run)();
  bool (*here)();
  uint32_t kind;
  uint32_t shift;
} kKinds[] = {{"hwpoison", Hwpoison, Always, SVMA_ENTRY_HWPOISON, 12},
              {"secret", Secret, HasSecret, SVMA_ENTRY_PAGE, 12},
              {"key", Key, Always, SVMA_ENTRY_PAGE, 12},
              {"gigantic", Gigantic, HasGigantic, SVMA_ENTRY_PAGE, 30},
              {"device", DeviceMemory, Always, SVMA_ENTRY_SPECIAL, 12},
              {"guard", Guard, HasGuard, SVMA_ENTRY_MARKER, 12},
              {"marker", WriteProtectedHole, HasMarkers, SVMA_ENTRY_MARKER, 12}};

std::vector<Kind> KindsHere() {
  std::vector<Kind> kinds;
  for (const Kind& kind : kKinds)
    if (kind.here()) kinds.push_back(kind);
  return kinds;
}

// This file's own programs, before GoogleTest sees the arguments.
__attribute__((constructor)) void RunKindProgram(int argc, char** argv) {
  if (argc != 3 || strcmp(argv[1], "--kind-of") != 0) return;
  setpgid(0, 0);
  for (const Kind& kind : kKinds)
    if (strcmp(argv[2], kind.name) == 0) kind.run();
  raise(SIGSTOP);
  _exit(0);
}

svma_walk Way(const Device& device, pid_t pid, uint64_t address) {
  auto walk = Argument<svma_walk>();
  walk.pid = pid;
  walk.addr = address;
  EXPECT_EQ(device.Ask(SVMA_IOC_WALK, &walk), 0);
  EXPECT_GE(walk.count, 1u);
  EXPECT_LE(walk.count, uint32_t{SVMA_TABLE_LEVELS});
  return walk;
}

class EntryKind : public testing::TestWithParam<Kind> {};

TEST_P(EntryKind, Stopped_IsToldAndAllEqual) {
  const Kind& kind = GetParam();
  char self[256] = "";
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const pid_t pid = Spawn({self, "--kind-of", kind.name});
  ASSERT_EQ(WaitStopped(pid), -1);
  ExpectAllEqual(CheckStopped(pid), kind.name, 100);
  {
    const Device device;
    ASSERT_EQ(device.Track(pid, 0), 0);
    const svma_walk walk = Way(device, pid, kArena);
    const svma_walk_level& last = walk.level[walk.count - 1];
    printf("%s: level %u, entry %#llx\n", kind.name, last.level,
           static_cast<unsigned long long>(last.entry));
    EXPECT_EQ(last.kind, kind.kind);
    EXPECT_EQ(walk.page_shift, kind.shift);
    if (kind.run == Hwpoison) {
      constexpr uint64_t kHwpoisonFlag = 1 << 19;  // KPF_HWPOISON
      uint64_t flags = 0;
      const int file = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
      EXPECT_EQ(pread(file, &flags, 8, static_cast<off_t>(last.target * 8)), 8);
      close(file);
      EXPECT_TRUE(flags & kHwpoisonFlag) << last.target;
    } else if (kind.run == Key) {
      EXPECT_NE(KeyOf(last.flags), 0u);
      EXPECT_EQ(KeyOf(Way(device, pid, kArena + 3 * kPage).level[walk.count - 1].flags), 0u);
    } else if (kind.run == Guard) {
      EXPECT_EQ(last.target, uint64_t{SVMA_MARKER_GUARD});
    } else if (kind.run == WriteProtectedHole) {
      EXPECT_EQ(last.target, uint64_t{SVMA_MARKER_UFFD_WP});
    } else if (kind.run == DeviceMemory) {
      // No memory: the kernel has no page behind it, so no flags (KPF_NOPAGE).
      EXPECT_TRUE(walk.vma_flags & 0x400) << "VM_PFNMAP";
      EXPECT_TRUE(last.flags & SVMA_PTE_NO_CACHE);
    }
  }
  kill(-pid, SIGKILL);
  Reap(pid);
}

INSTANTIATE_TEST_SUITE_P(Each, EntryKind, testing::ValuesIn(KindsHere()),
                         [](const auto& info) { return std::string(info.param.name); });

// Words: pages, whether huge. Its pages move from one node to the other and back, for ever.
int64_t MoveBetweenNodes(Words words) {
  constexpr int kMove = 1 << 1;  // MPOL_MF_MOVE
  static void* at[512];
  static int nodes[512], status[512];
  const uint64_t step = words[1] ? kHuge : kPage;
  for (uint64_t i = 0; i < words[0]; i++) at[i] = reinterpret_cast<void*>(kArena + i * step);
  for (int to = 1;; to = !to) {
    for (uint64_t i = 0; i < words[0]; i++) nodes[i] = to;
    if (syscall(SYS_move_pages, 0, words[0], at, nodes, status, kMove) < 0) return errno;
  }
}

class Migrating : public Tracee, public testing::WithParamInterface<uint8_t> {
 protected:
  void SetUp() override {
    Tracee::SetUp();
    ASSERT_EQ(sched_getaffinity(0, sizeof(before_), &before_), 0);
  }
  void TearDown() override {
    EXPECT_EQ(sched_setaffinity(0, sizeof(before_), &before_), 0);
    Tracee::TearDown();
  }
  void StayOn(pid_t pid, int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    ASSERT_EQ(sched_setaffinity(pid, sizeof(set), &set), 0);
  }
  std::vector<svma_page_run> Runs(uint64_t bytes) {
    std::vector<svma_page_run> runs(1024);
    auto pages = Argument<svma_pages>();
    pages.pid = puppet_.pid();
    pages.start = kArena;
    pages.end = kArena + bytes;
    pages.capacity = runs.size();
    pages.buffer = reinterpret_cast<uint64_t>(runs.data());
    EXPECT_EQ(device_.Ask(SVMA_IOC_PAGES, &pages), 0);
    runs.resize(pages.count);
    return runs;
  }
  // The run of migration entries that covers `address`; nullptr: none does.
  static const svma_page_run* EntryAt(const std::vector<svma_page_run>& runs, uint64_t address) {
    for (const svma_page_run& run : runs)
      if (run.kind == SVMA_ENTRY_MIGRATION && run.start <= address &&
          address < run.start + (uint64_t{run.count} << run.page_shift))
        return &run;
    return nullptr;
  }
  // Looks until `wanted` entries under migration were the same before and after pagemap was read,
  // and holds these against it.
  void Catch(uint64_t bytes, uint8_t shift, int wanted, int walks);

 private:
  cpu_set_t before_;
};

void Migrating::Catch(uint64_t bytes, uint8_t shift, int wanted, int walks) {
  int met = 0, caught = 0, walk = 0;
  for (; walk < walks && caught < wanted && !HasFailure(); walk++) {
    const auto before = Runs(bytes);
    for (const svma_page_run& run : before) {
      if (run.kind != SVMA_ENTRY_MIGRATION || run.page_shift != shift) continue;
      met++;
      const uint64_t word = Pagemap(puppet_.pid(), run.start)[0];
      const svma_walk way = Way(device_, puppet_.pid(), run.start);
      const auto after = Runs(bytes);
      const svma_page_run* const again = EntryAt(after, run.start);
      if (!again || again->page_shift != shift || again->swap_type != run.swap_type) break;
      const uint64_t target =
          again->target + ((run.start - again->start) >> again->page_shift << (shift - 12));
      if (target != run.target) break;
      EXPECT_TRUE(word & kPagemapSwapped);
      EXPECT_EQ(word & 31, run.swap_type);
      EXPECT_EQ((word & kPagemapPlace) >> 5, run.target);
      const svma_walk_level& last = way.level[way.count - 1];
      EXPECT_EQ(last.kind, uint32_t{SVMA_ENTRY_MIGRATION});
      EXPECT_EQ(way.page_shift, shift);
      EXPECT_EQ(last.target, run.target);
      caught++;
      break;
    }
  }
  printf("migration: %d walks, %d met an entry, %d held still for pagemap\n", walk, met, caught);
  EXPECT_GE(caught, wanted);
}

// Pages of 4 KiB and of 2 MiB, where the guest was to have two nodes.
std::vector<uint8_t> Movable() {
  if (ReadFile("/proc/cmdline").find("numa=fake=2") == std::string::npos) return {};
  return {12, 21};
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Migrating);

TEST_P(Migrating, Entries_AreThoseOfPagemap) {
  const bool huge = GetParam() != 12;
  const uint64_t count = huge ? 16 : 512, pages = huge ? count * 512 : count;
  Map(0, pages);
  puppet_.Syscall(SYS_madvise, {kArena, pages * kPage,
                                static_cast<uint64_t>(huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE)});
  for (uint64_t i = 0; i < count; i++) Touch(huge ? i * 512 : i, 1);
  StayOn(puppet_.pid(), 1);
  StayOn(0, 0);
  puppet_.Send(MoveBetweenNodes, {count, huge});
  // On one processor's thread an entry is met when the other's turn ends within a move: seldom.
  Catch(pages * kPage, GetParam(), 4, 60000);
  puppet_.Kill();
}

INSTANTIATE_TEST_SUITE_P(Shift, Migrating, testing::ValuesIn(Movable()));

}  // namespace
}  // namespace guest
