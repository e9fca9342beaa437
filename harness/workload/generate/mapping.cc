// SPDX-License-Identifier: GPL-2.0-only
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "workload/generate/calls.hpp"
#include "workload/generate/flags.hpp"

namespace svma::generate {
namespace {

constexpr uint64_t kPopulateLimit = 4 * kMiB;  // bounds the memory that steps use

constexpr NamedNumber kMapFlags[] = {
    {MAP_SHARED_VALIDATE, "SHARED_VALIDATE"},
    {MAP_SHARED, "SHARED"},
    {MAP_PRIVATE, "PRIVATE"},
    {MAP_ANONYMOUS, "ANONYMOUS"},
    {MAP_FIXED, "FIXED"},
    {MAP_FIXED_NOREPLACE, "FIXED_NOREPLACE"},
    {MAP_32BIT, "32BIT"},
    {MAP_GROWSDOWN, "GROWSDOWN"},
    {MAP_STACK, "STACK"},
    {MAP_NORESERVE, "NORESERVE"},
    {MAP_LOCKED, "LOCKED"},
    {MAP_POPULATE, "POPULATE"},
    {MAP_NONBLOCK, "NONBLOCK"},
    {MAP_HUGETLB, "HUGETLB"},
    {MAP_SYNC, "SYNC"},
};

constexpr NamedNumber kRemapFlags[] = {
    {MREMAP_MAYMOVE, "MAYMOVE"}, {MREMAP_FIXED, "FIXED"}, {MREMAP_DONTUNMAP, "DONTUNMAP"}};

constexpr NamedNumber kAttachFlags[] = {
    {SHM_RDONLY, "RDONLY"}, {SHM_RND, "RND"}, {SHM_REMAP, "REMAP"}, {SHM_EXEC, "EXEC"}};

struct MmapArguments {
  Range range;
  uint64_t prot = 0;
  uint64_t flags = 0;
  File file{"-1", -1};
  uint64_t offset = 0;
};

void draw_place(Context& context, MmapArguments& arguments) {
  Random& random = context.random;
  const Place place = context.draw_place(random);
  arguments.range = place.range;
  switch (place.kind) {
    case Place::kAnywhere:
      arguments.range.start = 0;
      break;
    case Place::kHint:
      if (random.one_in(4))
        arguments.range.start = context.world().stack_low() - random.below(512) * kPage;
      break;
    case Place::kFixed:
      arguments.flags |= MAP_FIXED;
      break;
    case Place::kIfFree:
      arguments.flags |= MAP_FIXED_NOREPLACE;
      break;
  }
  if (context.world().has_huge() && random.one_in(30)) {
    const uint64_t sizes[] = {kGiB,       512 * kGiB, 2 * kTiB, 64 * kTiB,
                              127 * kTiB, 200 * kTiB, ~0ull,    -2 * kPage};
    arguments.range.size = random.pick(sizes);
  }
}

void draw_kind(Context& context, MmapArguments& arguments) {
  Random& random = context.random;
  const uint64_t kinds[] = {MAP_PRIVATE, MAP_PRIVATE, MAP_PRIVATE,
                            MAP_PRIVATE, MAP_SHARED,  MAP_SHARED};
  arguments.flags |= random.pick(kinds);
  if (random.one_in(40)) arguments.flags |= MAP_SHARED_VALIDATE;
  if (random.one_in(60)) arguments.flags &= ~static_cast<uint64_t>(MAP_TYPE);
  if (!random.one_in(3)) {
    arguments.flags |= MAP_ANONYMOUS;
    return;
  }
  arguments.file = context.world().file(random);
  if (random.one_in(40)) arguments.file = {"closed", 999};
  arguments.offset = random.below(kFilePages + 8) * kPage;
  // Neighbours in a file are what merges: let offsets often continue the addresses.
  if (!random.one_in(3)) arguments.offset = arguments.range.start % (kFilePages * kPage) & -kPage;
  if (random.one_in(30)) arguments.offset = random.one_in(2) ? 1 : -arguments.range.size & -kPage;
}

void draw_extras(Context& context, MmapArguments& arguments) {
  Random& random = context.random;
  const bool big = arguments.range.size > kPopulateLimit;
  auto maybe = [&](uint64_t count, uint64_t flag) {
    if (random.one_in(count)) arguments.flags |= flag;
  };
  maybe(12, MAP_32BIT);
  maybe(10, MAP_GROWSDOWN);
  maybe(16, MAP_STACK);
  maybe(big ? 1 : 6, random.one_in(6) ? 0 : MAP_NORESERVE);
  maybe(14, big ? 0 : MAP_LOCKED);
  maybe(10, big ? 0 : MAP_POPULATE);
  maybe(20, MAP_NONBLOCK);
  maybe(50, MAP_HUGETLB);
  maybe(50, MAP_SYNC);
  arguments.prot = draw_prot(random);
}

}  // namespace

Result call_mmap(Context& context) {
  MmapArguments arguments;
  draw_place(context, arguments);
  draw_kind(context, arguments);
  draw_extras(context, arguments);
  const auto& [range, prot, flags, file, offset] = arguments;
  Line& line = context.line;
  line.add("mmap({:#x}, {:#x}, ", range.start, range.size);
  add_prot(line, prot);
  line.add(", ");
  add_flags(line, flags, kMapFlags);
  line.add(", {}, {:#x})", file.name, offset);
  const bool fixed = (flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE);
  if (fixed && !context.world().safe(range)) return kRefused;
  const Result result =
      result_of(syscall(SYS_mmap, range.start, range.size, prot, flags, file.fd, offset));
  if (result.error == 0) context.remember(static_cast<uint64_t>(result.value), range.size);
  return result;
}

Result call_munmap(Context& context) {
  Range range = context.range();
  // Over several mappings and holes.
  if (context.random.one_in(12)) range.size *= context.random.between(2, 8);
  context.line.add("munmap({:#x}, {:#x})", range.start, range.size);
  if (!context.world().safe(range)) return kRefused;
  return result_of(syscall(SYS_munmap, range.start, range.size));
}

Result call_mremap(Context& context) {
  Random& random = context.random;
  Range from = context.range();
  Range to = context.range();
  if (random.one_in(12)) from.size = 0;
  const uint64_t sizes[] = {from.size,     from.size, from.size + random.small(32) * kPage,
                            from.size / 2, to.size,   to.size};
  to.size = random.pick(sizes);
  const uint64_t kinds[] = {0,
                            MREMAP_MAYMOVE,
                            MREMAP_MAYMOVE,
                            MREMAP_MAYMOVE | MREMAP_FIXED,
                            MREMAP_MAYMOVE | MREMAP_FIXED,
                            MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
                            MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
                            MREMAP_FIXED,
                            0x10};
  const uint64_t flags = random.pick(kinds);
  if ((flags & MREMAP_DONTUNMAP) && !random.one_in(6)) to.size = from.size;

  Line& line = context.line;
  line.add("mremap({:#x}, {:#x}, {:#x}, ", from.start, from.size, to.size);
  add_flags(line, flags, kRemapFlags);
  line.add(", {:#x})", to.start);
  if (!context.world().safe({from.start, from.size ? from.size : kPage})) return kRefused;
  if ((flags & MREMAP_FIXED) && !context.world().safe(to)) return kRefused;
  const Result result =
      result_of(syscall(SYS_mremap, from.start, from.size, to.size, flags, to.start));
  if (result.error == 0 && static_cast<uint64_t>(result.value) != from.start)
    context.remember(static_cast<uint64_t>(result.value), to.size);
  return result;
}

// The break itself is the system call's result; a failure returns the old one.
Result call_brk(Context& context) {
  Random& random = context.random;
  const uint64_t first = context.world().first_brk();
  uint64_t wanted = first + random.below(64) * kPage;
  if (random.one_in(10)) wanted += random.between(1, kPage - 1);
  if (random.one_in(20)) wanted = first + (random.one_in(2) ? kTiB : 100 * kTiB);
  if (random.one_in(40)) wanted = random.one_in(2) ? 0 : kPage;
  context.line.add("brk({:#x})", wanted);
  const auto now = static_cast<uint64_t>(syscall(SYS_brk, wanted));
  return {static_cast<int64_t>(now), now == wanted ? 0 : ENOMEM, false};
}

Result call_remap_file_pages(Context& context) {
  Random& random = context.random;
  Range range = context.range();
  if (range.size > kPopulateLimit) range.size = kPopulateLimit;  // it populates what it maps
  const uint64_t prot = random.one_in(10) ? PROT_READ : 0;
  const uint64_t pgoff = random.below(kFilePages);
  const uint64_t flags = random.one_in(4) ? MAP_NONBLOCK : 0;
  context.line.add("remap_file_pages({:#x}, {:#x}, {}, {}, {:#x})", range.start, range.size, prot,
                   pgoff, flags);
  if (!context.world().safe(range)) return kRefused;
  return result_of(syscall(SYS_remap_file_pages, range.start, range.size, prot, pgoff, flags));
}

// The segment is marked for removal at once: it goes with its last mapping, whatever happens to us.
Result call_shmat(Context& context) {
  Random& random = context.random;
  const uint64_t size = random.small(16) * kPage;
  uint64_t at = random.one_in(2) ? 0 : context.modest_range().start;
  if (random.one_in(8)) at += random.between(1, kPage - 1);
  uint64_t flags = random.some_of(SHM_RDONLY | SHM_EXEC);
  flags |= random.one_in(3) ? 0 : random.some_of(SHM_RND | SHM_REMAP);
  context.line.add("shmat({:#x} bytes, {:#x}, ", size, at);
  add_flags(context.line, flags, kAttachFlags);
  context.line.add(")");
  if ((flags & SHM_REMAP) && !context.world().safe({at & -kPage, size + kPage})) return kRefused;
  const int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
  if (id < 0) return result_of(-1);
  const Result result = result_of(syscall(SYS_shmat, id, at, flags));
  shmctl(id, IPC_RMID, nullptr);
  if (result.error == 0) {
    const auto address = static_cast<uint64_t>(result.value);
    context.remember(address, size);
    random.pick(context.worker.segments) = {address, size};
  }
  return result;
}

Result call_shmdt(Context& context) {
  Range range = context.random.pick(context.worker.segments);
  if (range.size == 0 || context.random.one_in(8)) range = context.range();
  context.line.add("shmdt({:#x})", range.start);
  if (!context.world().safe({range.start, range.size ? range.size : kPage})) return kRefused;
  return result_of(syscall(SYS_shmdt, range.start));
}

// The ring of asynchronous I/O is a mapping that the kernel makes and removes by itself.
Result call_aio(Context& context) {
  uint64_t& ring = context.random.pick(context.worker.aio);
  if (ring != 0) {
    context.line.add("io_destroy({:#x})", ring);
    return result_of(syscall(SYS_io_destroy, std::exchange(ring, 0)));
  }
  const uint64_t events = context.random.between(1, 512);
  context.line.add("io_setup({})", events);
  const Result result = result_of(syscall(SYS_io_setup, events, &ring));
  if (result.error == 0) context.remember(ring, 4 * kPage);
  return result;
}

// A whole window and some slots are cleared now and then, so that the layout stays small.
Result call_sweep(Context& context) {
  Random& random = context.random;
  const auto id = static_cast<WindowId>(random.below(kWindows));
  Range window = context.world().window(id);
  const bool reserve = id != kHeap && id != kGrow && !random.one_in(4);
  if (id == kHuge && !context.world().has_huge()) window = context.world().window(kSmall);
  context.line.add("sweep({:#x}, {:#x}, {})", window.start, window.size,
                   reserve ? "reserve" : "unmap");
  for (int i = 0; i < 4; ++i) {
    const size_t index = random.below(Slots::kCount);
    const Range slot = context.worker.slots.at(index);
    context.worker.slots.set(index, {});
    if (slot.size != 0 && context.world().safe(slot)) syscall(SYS_munmap, slot.start, slot.size);
  }
  if (!reserve) return result_of(syscall(SYS_munmap, window.start, window.size));
  return result_of(syscall(SYS_mmap, window.start, window.size, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0));
}

}  // namespace svma::generate
