// SPDX-License-Identifier: GPL-2.0-only
#include "workload/generate/world.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

namespace svma::generate {
namespace {

constexpr uint64_t kStackRoom = 16 * kMiB;  // for the main thread's stack to grow into
constexpr uint64_t kHugePage = 2 * kMiB;

// Far from what the kernel chooses by itself; heap comes later.
constexpr Range kPlaces[kWindows] = {
    {0x200000000000, 96 * kPage}, {0x210000000000, 64 * kMiB}, {0x220000000000, 4 * kTiB},
    {0x270000000000, 16 * kMiB},  {0x40000000, 16 * kMiB},     {},
};

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

int checked(const char* what, int fd) {
  if (fd < 0) fail(what);
  return fd;
}

int sized_memfd(const char* name, unsigned flags) {
  const int fd = checked(name, memfd_create(name, MFD_CLOEXEC | flags));
  if (ftruncate(fd, kFilePages * kPage) < 0) fail(name);
  return fd;
}

void reserve(Range range) {
  void* at = mmap(reinterpret_cast<void*>(range.start), range.size, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (at == MAP_FAILED) fail("a window of address space");
}

}  // namespace

void World::add_file(const char* name, int fd) {
  files_.at(file_count_++) = {name, checked(name, fd)};
}

void World::open_files() {
  add_file("memfd", sized_memfd("memfd", 0));
  const int no_write = sized_memfd("sealed", MFD_ALLOW_SEALING);
  fcntl(no_write, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
  add_file("sealed-write", no_write);
  const int future = sized_memfd("sealed", MFD_ALLOW_SEALING);
  fcntl(future, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
  add_file("sealed-future-write", future);

  char path[] = "/tmp/svma-generate-XXXXXX";
  const int file = checked(path, mkostemp(path, O_CLOEXEC));
  add_file("file", file);
  add_file("read-only", open(path, O_RDONLY | O_CLOEXEC));
  add_file("write-only", open(path, O_WRONLY | O_CLOEXEC));
  unlink(path);
  if (ftruncate(file, kFilePages * kPage) < 0) fail(path);
  add_file("/dev/zero", open("/dev/zero", O_RDWR | O_CLOEXEC));
  add_file("program", open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  add_file("path-only", open("/", O_PATH | O_CLOEXEC));
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
}

void World::set_up(bool huge) {
  huge_ = huge;
  open_files();
  std::copy(std::begin(kPlaces), std::end(kPlaces), windows_.begin());
  reserve(windows_[kSmall]);
  reserve(windows_[kMedium]);
  if (huge) reserve(windows_[kHuge]);
}

// Nobody calls malloc() from here on, so that what lies above the break is the steps'.
void World::keep_heap() {
  const uint64_t top = page_up(reinterpret_cast<uint64_t>(sbrk(0)));
  if (brk(reinterpret_cast<void*>(top)) < 0) fail("brk");
  windows_[kHeap] = {top, 64 * kPage};
  keep({top - kMiB, kMiB});
}

void World::keep(Range range) { kept_.at(kept_count_++) = range; }

void World::keep_what_is_mapped() {
  {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
      uint64_t start = 0, end = 0;
      if (std::sscanf(line.c_str(), "%lx-%lx", &start, &end) != 2 || in_window(start)) continue;
      // Nobody here needs the vDSO, and it is a mapping of its own kind.
      if (line.ends_with("[vdso]") || line.ends_with("[vvar]")) {
        if (vdso_.size == 0) vdso_.start = start;
        vdso_.size = end - vdso_.start;
        continue;
      }
      if (line.ends_with("[stack]")) {
        start -= kStackRoom;
        stack_low_ = start;
      }
      keep({start, end - start});
    }
  }
  keep_heap();
}

bool World::safe(Range range) const {
  const uint64_t start = range.start & -kPage;
  const uint64_t end = page_up(range.end());
  if (end <= start) return true;  // empty, or wraps: refused by every call
  return std::none_of(kept_.begin(), kept_.begin() + kept_count_,
                      [&](const Range& kept) { return start < kept.end() && kept.start < end; });
}

bool World::in_window(uint64_t address) const {
  return std::any_of(windows_.begin(), windows_.end(), [&](const Range& window) {
    return address >= window.start && address < window.end();
  });
}

Range World::in(WindowId id, Random& random) const {
  const Range& window = windows_[id];
  if (id == kHuge) {
    const uint64_t start = random.below(window.size / kGiB) * kGiB;
    return {window.start + start, kGiB << random.below(11)};
  }
  if (id == kMedium && random.one_in(3)) {
    const uint64_t start = random.below(window.size / kHugePage) * kHugePage;
    return {window.start + start, random.between(1, 4) * kHugePage};
  }
  const uint64_t start = random.below(window.size / kPage) * kPage;
  return {window.start + start, random.small(48) * kPage};
}

Range World::near_slot(Random& random, const Slots& slots) const {
  const Range slot = slots.at(random.below(Slots::kCount));
  if (slot.size == 0) return in(kSmall, random);
  const uint64_t pages = slot.size / kPage + 1;
  switch (random.below(4)) {
    case 0:
      return {slot.start + random.below(pages) * kPage, random.small(48) * kPage};
    case 1:
      return {slot.start - random.small(4) * kPage, random.small(16) * kPage};
    default:
      return slot;
  }
}

Range World::modest_range(Random& random, const Slots& slots) const {
  const uint64_t dice = random.below(100);
  if (dice < 55) return in(kSmall, random);
  if (dice < 70) return in(kMedium, random);
  if (dice < 76) return in(kHeap, random);
  if (dice < 80) return in(kLow, random);
  if (dice < 84) return in(kGrow, random);
  return near_slot(random, slots);
}

Range World::range(Random& random, const Slots& slots) const {
  Range range = huge_ && random.one_in(14) ? in(kHuge, random) : modest_range(random, slots);
  switch (random.below(80)) {
    case 5:
      return {vdso_.start + random.below(4) * kPage, random.between(1, 6) * kPage};
    case 0:
      range.start += random.between(1, kPage - 1);
      break;
    case 1:
      range.size -= random.between(1, kPage - 1);
      break;
    case 2:
      range.size = 0;
      break;
    case 3:
      range.size = random.one_in(2) ? ~0ull : -range.start;
      break;
    case 4: {
      const uint64_t starts[] = {0, kPage, 16 * kPage, kTaskSize, kTaskSize + kPage, 1ull << 63};
      range.start = random.pick(starts);
      break;
    }
    default:
      break;
  }
  return range;
}

}  // namespace svma::generate
