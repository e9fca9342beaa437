// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_query.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstdint>

#include "lib/error.hpp"
#include "lib/fd.hpp"

namespace svma {
namespace {

/*
 * The argument of PROCMAP_QUERY as include/uapi/linux/fs.h lays it out since v6.11, up to the
 * device number; headers of Debian 12 do not have it. The kernel takes any size that reaches over
 * query_addr, and what lies behind it (name, build id) is then neither asked for nor answered.
 */
struct MapQuery {
  uint64_t size;
  uint64_t query_flags;
  uint64_t query_addr;
  uint64_t vma_start;
  uint64_t vma_end;
  uint64_t vma_flags;
  uint64_t vma_page_size;
  uint64_t vma_offset;  // bytes
  uint64_t inode;
  uint32_t dev_major;
  uint32_t dev_minor;
};
static_assert(sizeof(MapQuery) == 80);

// The whole structure, whose size is part of the ioctl's number: two sizes and two pointers follow.
constexpr size_t kFullSize = sizeof(MapQuery) + 2 * sizeof(uint32_t) + 2 * sizeof(uint64_t);
constexpr unsigned long kMapQuery = _IOC(_IOC_READ | _IOC_WRITE, 'f', 17, kFullSize);

constexpr uint64_t kReadable = 0x01;
constexpr uint64_t kWritable = 0x02;
constexpr uint64_t kExecutable = 0x04;
constexpr uint64_t kShared = 0x08;  // VM_MAYSHARE, as the "s" of maps
constexpr uint64_t kCoveringOrNext = 0x10;

Vma vma_of(const MapQuery& answer) {
  Vma vma;
  vma.start = answer.vma_start;
  vma.end = answer.vma_end;
  vma.flags = (answer.vma_flags & kReadable ? kVmRead : 0) |
              (answer.vma_flags & kWritable ? kVmWrite : 0) |
              (answer.vma_flags & kExecutable ? kVmExec : 0) |
              (answer.vma_flags & kShared ? kVmMayShare : 0);
  vma.pgoff = answer.vma_offset / kPageSize;
  vma.ino = answer.inode;
  vma.dev = answer.dev_major << kDevMinorBits | answer.dev_minor;
  return vma;
}

// RETURNS: 0 with the VMA, -ENOENT when there is none, another negative errno.
int query(const Fd& maps, uint64_t address, uint64_t flags, Vma& vma) {
  MapQuery argument{};
  argument.size = sizeof(argument);
  argument.query_flags = flags;
  argument.query_addr = address;
  if (ioctl(maps.get(), kMapQuery, &argument)) return -errno;
  vma = vma_of(argument);
  return 0;
}

// Whoever opens maps keeps the mm that the process has at this moment, over an exec.
Fd open_maps(pid_t pid) {
  return Fd(open(fmt::format("/proc/{}/maps", pid).c_str(), O_RDONLY | O_CLOEXEC));
}

// One question. RETURNS: whether the process still has an mm; `vma` is empty when none was found.
bool ask_one(const Fd& maps, uint64_t address, uint64_t flags, std::optional<Vma>& vma) {
  Vma found;
  const int error = query(maps, address, flags, found);
  if (error == -ESRCH) return false;
  if (error != 0 && error != -ENOENT)
    throw Error("PROCMAP_QUERY at {:#x}: {}; no such answer is known, please report it", address,
                errno_text(-error));
  vma = error == 0 ? std::optional(found) : std::nullopt;
  return true;
}

// Every VMA by the question for the next one. One that does not lead on ends the walk, and then the
// layout is not the shadow's.
bool walk_all(const Fd& maps, Layout& layout) {
  std::optional<Vma> vma;
  for (uint64_t address = 0;; address = vma->end) {
    if (!ask_one(maps, address, kCoveringOrNext, vma)) return false;
    if (!vma) return true;
    layout.push_back(*vma);
    if (vma->end <= address) return true;
  }
}

}  // namespace

OracleQuery::OracleQuery() {
  Vma self;
  const Fd maps = open_maps(getpid());
  if (!maps) throw Error("/proc/self/maps: {}; mount /proc", errno_text(errno));
  const int error = query(maps, 0, kCoveringOrNext, self);
  if (error) absent_ = fmt::format("absent ({})", errno_text(-error));
}

std::optional<QueryView> OracleQuery::ask(pid_t pid, std::span<const uint64_t> addresses,
                                          bool walk) {
  const Fd maps = open_maps(pid);
  if (!maps) return std::nullopt;
  QueryView view;
  for (uint64_t address : addresses) {
    QueryAnswer answer{.address = address, .covering = {}, .next = {}};
    if (!ask_one(maps, address, 0, answer.covering) ||
        !ask_one(maps, address, kCoveringOrNext, answer.next))
      return std::nullopt;
    view.answers.push_back(answer);
  }
  if (walk) {
    view.layout.emplace();
    if (!walk_all(maps, *view.layout)) return std::nullopt;
  }
  return view;
}

}  // namespace svma
