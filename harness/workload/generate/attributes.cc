// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <utility>

#include "workload/generate/calls.hpp"
#include "workload/generate/flags.hpp"

namespace svma::generate {
namespace {

// Newer than this system's headers.
constexpr uint64_t kMadvCollapse = 25;
constexpr uint64_t kMadvDontNeedLocked = 24;
constexpr uint64_t kSetVma = 0x53564d41;

constexpr uint64_t kPopulateLimit = 4 * kMiB;
constexpr uint64_t kCollapseLimit = 8 * kMiB;

// MADV_HWPOISON and MADV_SOFT_OFFLINE take memory away from the machine and are left out.
constexpr NamedNumber kAdvice[] = {
    {MADV_DONTNEED, "DONTNEED"},
    {MADV_FREE, "FREE"},
    {MADV_REMOVE, "REMOVE"},
    {MADV_WILLNEED, "WILLNEED"},
    {MADV_SEQUENTIAL, "SEQUENTIAL"},
    {MADV_RANDOM, "RANDOM"},
    {MADV_NORMAL, "NORMAL"},
    {MADV_DONTFORK, "DONTFORK"},
    {MADV_DOFORK, "DOFORK"},
    {MADV_HUGEPAGE, "HUGEPAGE"},
    {MADV_NOHUGEPAGE, "NOHUGEPAGE"},
    {MADV_MERGEABLE, "MERGEABLE"},
    {MADV_UNMERGEABLE, "UNMERGEABLE"},
    {MADV_DONTDUMP, "DONTDUMP"},
    {MADV_DODUMP, "DODUMP"},
    {MADV_WIPEONFORK, "WIPEONFORK"},
    {MADV_KEEPONFORK, "KEEPONFORK"},
    {MADV_COLD, "COLD"},
    {MADV_PAGEOUT, "PAGEOUT"},
    {MADV_POPULATE_READ, "POPULATE_READ"},
    {MADV_POPULATE_WRITE, "POPULATE_WRITE"},
    {kMadvDontNeedLocked, "DONTNEED_LOCKED"},
    {kMadvCollapse, "COLLAPSE"},
    {5, "5"},
    {77, "77"},
    {static_cast<uint64_t>(-1), "-1"},
};

constexpr NamedNumber kProtections[] = {{PROT_READ, "READ"},
                                        {PROT_WRITE, "WRITE"},
                                        {PROT_EXEC, "EXEC"},
                                        {PROT_GROWSDOWN, "GROWSDOWN"},
                                        {PROT_GROWSUP, "GROWSUP"}};

constexpr NamedNumber kPolicies[] = {{MPOL_DEFAULT, "DEFAULT"},
                                     {MPOL_PREFERRED, "PREFERRED"},
                                     {MPOL_BIND, "BIND"},
                                     {MPOL_INTERLEAVE, "INTERLEAVE"},
                                     {MPOL_LOCAL, "LOCAL"}};

constexpr NamedNumber kLockFlags[] = {
    {MCL_CURRENT, "CURRENT"}, {MCL_FUTURE, "FUTURE"}, {MCL_ONFAULT, "ONFAULT"}};

struct Policy {
  uint64_t mode;
  unsigned long nodes;
};

Policy draw_policy(Random& random) {
  const Policy policies[] = {
      {MPOL_DEFAULT, 0},      {MPOL_DEFAULT, 0},    {MPOL_PREFERRED, 1}, {MPOL_PREFERRED, 0},
      {MPOL_BIND, 1},         {MPOL_INTERLEAVE, 1}, {MPOL_LOCAL, 0},     {MPOL_BIND, 0},
      {MPOL_BIND, 1ul << 60}, {MPOL_DEFAULT, 1},    {MPOL_PREFERRED, 1}, {77, 1},
      {MPOL_BIND, 1},         {MPOL_INTERLEAVE, 1}, {MPOL_LOCAL, 0},     {MPOL_LOCAL, 1}};
  return random.pick(policies);
}

Range several(Context& context) {
  Range range = context.range();
  if (context.random.one_in(6)) range.size *= context.random.between(2, 8);
  return range;
}

constexpr uint64_t kEvents = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
                             UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP;

// Missing pages must not block anybody: every access to them ends with SIGBUS or EFAULT.
int open_userfaultfd(uint64_t events) {
  int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  if (fd < 0)
    fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd < 0) return -1;
  uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS | events, .ioctls = 0};
  if (ioctl(fd, UFFDIO_API, &api) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

Result register_range(Context& context, int fd) {
  Range range = several(context);
  const uint64_t modes[] = {
      UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_MISSING,
      UFFDIO_REGISTER_MODE_WP,      UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
      UFFDIO_REGISTER_MODE_MINOR,   0};
  const uint64_t mode = context.random.pick(modes);
  context.line.add("UFFDIO_REGISTER({:#x}, {:#x}, mode {})", range.start, range.size, mode);
  if (!context.world().safe(range)) return kRefused;
  uffdio_register question = {.range = {range.start, range.size}, .mode = mode, .ioctls = 0};
  return result_of(ioctl(fd, UFFDIO_REGISTER, &question));
}

Result unregister_range(Context& context, int fd) {
  const Range range = several(context);
  context.line.add("UFFDIO_UNREGISTER({:#x}, {:#x})", range.start, range.size);
  if (!context.world().safe(range)) return kRefused;
  uffdio_range question = {range.start, range.size};
  return result_of(ioctl(fd, UFFDIO_UNREGISTER, &question));
}

}  // namespace

uint64_t draw_prot(Random& random) {
  const uint64_t usual[] = {PROT_READ | PROT_WRITE,
                            PROT_READ | PROT_WRITE,
                            PROT_READ | PROT_WRITE,
                            PROT_READ,
                            PROT_READ,
                            PROT_NONE,
                            PROT_READ | PROT_EXEC,
                            PROT_READ | PROT_WRITE | PROT_EXEC,
                            PROT_WRITE,
                            PROT_EXEC};
  return random.pick(usual);
}

void add_prot(Line& line, uint64_t prot) {
  if (prot == PROT_NONE) return line.add("NONE");
  add_flags(line, prot, kProtections);
}

Result call_mprotect(Context& context) {
  Random& random = context.random;
  const Range range = several(context);
  uint64_t prot = draw_prot(random);
  if (random.one_in(12)) prot |= PROT_GROWSDOWN;
  if (random.one_in(50)) prot |= PROT_GROWSUP;
  if (random.one_in(50)) prot |= 0x100;
  context.line.add("mprotect({:#x}, {:#x}, ", range.start, range.size);
  add_prot(context.line, prot);
  context.line.add(")");
  if (!context.world().safe(range)) return kRefused;
  return result_of(syscall(SYS_mprotect, range.start, range.size, prot));
}

Result call_pkey(Context& context) {
  Random& random = context.random;
  int& key = context.worker.pkey;
  if (key < 0 && random.one_in(2)) {
    context.line.add("pkey_alloc(0, 0)");
    const Result result = result_of(syscall(SYS_pkey_alloc, 0, 0));
    if (result.error == 0) key = static_cast<int>(result.value);
    return result;
  }
  if (key >= 0 && random.one_in(6)) {
    context.line.add("pkey_free({})", key);
    return result_of(syscall(SYS_pkey_free, std::exchange(key, -1)));
  }
  const Range range = several(context);
  const uint64_t prot = draw_prot(random);
  const int used = random.one_in(4) ? -1 : random.one_in(8) ? 15 : key;
  context.line.add("pkey_mprotect({:#x}, {:#x}, ", range.start, range.size);
  add_prot(context.line, prot);
  context.line.add(", {})", used);
  if (!context.world().safe(range)) return kRefused;
  return result_of(syscall(SYS_pkey_mprotect, range.start, range.size, prot, used));
}

Result call_madvise(Context& context) {
  Range range = several(context);
  const NamedNumber& advice = context.random.pick(kAdvice);
  const bool populates =
      advice.number == MADV_POPULATE_READ || advice.number == MADV_POPULATE_WRITE;
  if (populates && range.size > kPopulateLimit) range.size = kPopulateLimit;
  if (advice.number == kMadvCollapse && range.size > kCollapseLimit) range.size = kCollapseLimit;
  context.line.add("madvise({:#x}, {:#x}, {})", range.start, range.size, advice.name);
  if (!context.world().safe(range)) return kRefused;
  return result_of(syscall(SYS_madvise, range.start, range.size, advice.number));
}

// On ourselves; a forked child does it to its parent.
Result call_process_madvise(Context& context) {
  const uint64_t advices[] = {MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, kMadvCollapse, MADV_DONTNEED};
  const uint64_t advice = context.random.pick(advices);
  iovec ranges[3];
  bool safe = true;
  context.line.add("process_madvise(self, {{");
  for (iovec& one : ranges) {
    Range range = context.modest_range();
    if (range.size > kCollapseLimit) range.size = kCollapseLimit;
    safe = safe && context.world().safe(range);
    one = {reinterpret_cast<void*>(range.start), range.size};
    context.line.add("{:#x}+{:#x} ", range.start, range.size);
  }
  context.line.add("}}, ");
  add_name(context.line, advice, kAdvice);
  context.line.add(")");
  if (!safe) return kRefused;
  return result_of(syscall(SYS_process_madvise, context.world().pidfd(), ranges, 3, advice, 0));
}

Result call_mlock(Context& context) {
  const Range range = several(context);
  const uint64_t modes[] = {0, MLOCK_ONFAULT};
  const uint64_t flags = context.random.one_in(20) ? 4 : context.random.pick(modes);
  context.line.add("mlock2({:#x}, {:#x}, {})", range.start, range.size, flags);
  return result_of(syscall(SYS_mlock2, range.start, range.size, flags));
}

Result call_munlock(Context& context) {
  const Range range = several(context);
  context.line.add("munlock({:#x}, {:#x})", range.start, range.size);
  return result_of(syscall(SYS_munlock, range.start, range.size));
}

Result call_mlockall(Context& context) {
  const uint64_t modes[] = {MCL_CURRENT, MCL_CURRENT | MCL_ONFAULT, MCL_CURRENT | MCL_ONFAULT,
                            MCL_ONFAULT, 8};
  const uint64_t flags = context.random.pick(modes);
  context.line.add("mlockall(");
  add_flags(context.line, flags, kLockFlags);
  context.line.add(")");
  return result_of(syscall(SYS_mlockall, flags));
}

Result call_munlockall(Context& context) {
  context.line.add("munlockall()");
  return result_of(syscall(SYS_munlockall));
}

// What the kernel locks by itself from now on, for some steps.
Result call_lock_future(Context& context) {
  const uint64_t modes[] = {MCL_FUTURE, MCL_FUTURE | MCL_ONFAULT, MCL_CURRENT | MCL_FUTURE,
                            MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT};
  const uint64_t flags = context.random.pick(modes);
  context.line.add("mlockall(");
  add_flags(context.line, flags, kLockFlags);
  context.line.add(") {{ ");
  const Result result = result_of(syscall(SYS_mlockall, flags));
  run_inner_steps(context, 6);
  context.line.add("}} munlockall()");
  syscall(SYS_munlockall);
  return result;
}

Result call_mbind(Context& context) {
  Random& random = context.random;
  const Range range = several(context);
  const Policy policy = draw_policy(random);
  const uint64_t flag_sets[] = {
      0, 0, 0, MPOL_MF_STRICT, MPOL_MF_MOVE, MPOL_MF_MOVE | MPOL_MF_STRICT, 64};
  const uint64_t flags = random.pick(flag_sets);
  context.line.add("mbind({:#x}, {:#x}, ", range.start, range.size);
  add_name(context.line, policy.mode, kPolicies);
  context.line.add(", nodes {:#x}, {})", policy.nodes, flags);
  if (!context.world().safe(range)) return kRefused;
  return result_of(syscall(SYS_mbind, range.start, range.size, policy.mode, &policy.nodes,
                           8 * sizeof(policy.nodes), flags));
}

Result call_set_mempolicy(Context& context) {
  const Policy policy = draw_policy(context.random);
  context.line.add("set_mempolicy(");
  add_name(context.line, policy.mode, kPolicies);
  context.line.add(", nodes {:#x})", policy.nodes);
  return result_of(
      syscall(SYS_set_mempolicy, policy.mode, &policy.nodes, 8 * sizeof(policy.nodes)));
}

Result call_userfaultfd(Context& context) {
  std::atomic<int>& fd = context.random.pick(context.worker.uffd);
  // A child works on its parent's memory through the parent's descriptor. Were it to close it, the
  // parent would not know that its own copy is still open, with events that nobody reads.
  if (context.child)
    return context.random.one_in(3) ? unregister_range(context, fd) : register_range(context, fd);
  if (fd < 0) {
    const uint64_t events =
        context.program.userfaultfd_events ? context.random.some_of(kEvents) : 0;
    context.line.add("userfaultfd({:#x}) ", events);
    fd = open_userfaultfd(events);
    if (fd < 0) return result_of(-1);
    return register_range(context, fd);
  }
  switch (context.random.below(8)) {
    case 0:
      context.line.add("close(userfaultfd)");
      return result_of(close(fd.exchange(-1)));
    case 1:
    case 2:
      return unregister_range(context, fd);
    default:
      return register_range(context, fd);
  }
}

Result call_prctl(Context& context) {
  const Range range = several(context);
  const char* names[] = {"alpha", "beta", nullptr, "bad[name]"};
  const char* name = context.random.pick(names);
  context.line.add("prctl(SET_VMA, ANON_NAME, {:#x}, {:#x}, {})", range.start, range.size,
                   name != nullptr ? name : "none");
  if (!context.world().safe(range)) return kRefused;
  return result_of(prctl(kSetVma, 0, range.start, range.size, name));
}

Result call_msync(Context& context) {
  const Range range = several(context);
  const uint64_t kinds[] = {MS_ASYNC, MS_SYNC, MS_INVALIDATE, MS_ASYNC | MS_SYNC};
  const uint64_t flags = context.random.pick(kinds);
  context.line.add("msync({:#x}, {:#x}, {})", range.start, range.size, flags);
  return result_of(syscall(SYS_msync, range.start, range.size, flags));
}

Result call_mincore(Context& context) {
  Range range = context.modest_range();
  unsigned char pages[256];
  if (range.size > sizeof(pages) * kPage) range.size = sizeof(pages) * kPage;
  context.line.add("mincore({:#x}, {:#x})", range.start, range.size);
  return result_of(syscall(SYS_mincore, range.start, range.size, pages));
}

Result call_move_pages(Context& context) {
  void* pages[4];
  int status[4];
  const int nodes[4] = {0, 0, 0, 0};
  context.line.add("move_pages(");
  for (void*& page : pages) {
    page = reinterpret_cast<void*>(context.modest_range().start);
    context.line.add("{} ", fmt::ptr(page));
  }
  context.line.add(")");
  const bool ask = context.random.one_in(2);
  return result_of(
      syscall(SYS_move_pages, 0, 4, pages, ask ? nullptr : nodes, status, MPOL_MF_MOVE));
}

}  // namespace svma::generate
