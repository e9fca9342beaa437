// SPDX-License-Identifier: GPL-2.0-only
#include "lib/calls.hpp"

#include <fmt/format.h>

#include <cstring>
#include <iterator>

#include "lib/layout.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

struct Bit {
  uint64_t mask;
  const char* name;
};

// include/linux/mm.h; the same on x86-64 from 5.10 on but for the last ones, which only newer
// kernels set.
constexpr Bit kFlags[] = {
    {0x1, "read"},
    {0x2, "write"},
    {0x4, "exec"},
    {0x8, "shared"},
    {0x10, "mayread"},
    {0x20, "maywrite"},
    {0x40, "mayexec"},
    {0x80, "mayshare"},
    {0x100, "growsdown"},
    {0x200, "uffd_missing"},
    {0x400, "pfnmap"},
    {0x1000, "uffd_wp"},
    {0x2000, "locked"},
    {0x4000, "io"},
    {0x8000, "seq_read"},
    {0x10000, "rand_read"},
    {0x20000, "dontcopy"},
    {0x40000, "dontexpand"},
    {0x80000, "lockonfault"},
    {0x100000, "account"},
    {0x200000, "noreserve"},
    {0x400000, "hugetlb"},
    {0x800000, "sync"},
    {0x1000000, "pat"},
    {0x2000000, "wipeonfork"},
    {0x4000000, "dontdump"},
    {0x8000000, "softdirty"},
    {0x10000000, "mixedmap"},
    {0x20000000, "hugepage"},
    {0x40000000, "nohugepage"},
    {0x80000000, "mergeable"},
    {0xf00000000, "pkey"},
    {0x2000000000, "uffd_minor"},  // of v6.1, v6.6 and v7.3
    {0x4000000000, "uffd_minor"},
    {0x20000000000, "uffd_minor"},
    {0x10000000000, "droppable"},
    {0x40000000000, "sealed"},  // of v7.3 and v6.10
    {0x8000000000000000, "sealed"},
    {0x80000000000, "uffd_rwp"},
};

// Shown by permissions, or on nearly every VMA.
constexpr uint64_t kUsual =
    0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x100000 | 0x8000000;

struct Advice {
  uint64_t number;
  const char* name;
};

// include/uapi/asm-generic/mman-common.h
constexpr Advice kAdvice[] = {
    {0, "normal"},           {1, "random"},         {2, "sequential"},
    {3, "willneed"},         {4, "dontneed"},       {8, "free"},
    {9, "remove"},           {10, "dontfork"},      {11, "dofork"},
    {12, "mergeable"},       {13, "unmergeable"},   {14, "hugepage"},
    {15, "nohugepage"},      {16, "dontdump"},      {17, "dodump"},
    {18, "wipeonfork"},      {19, "keeponfork"},    {20, "cold"},
    {21, "pageout"},         {22, "populate_read"}, {23, "populate_write"},
    {24, "dontneed_locked"}, {25, "collapse"},      {102, "guard_install"},
    {103, "guard_remove"},
};

// What operations fail with; include/uapi/asm-generic/errno-base.h and errno.h.
constexpr Advice kErrors[] = {
    {1, "EPERM"},      {3, "ESRCH"},       {4, "EINTR"},   {6, "ENXIO"},    {9, "EBADF"},
    {11, "EAGAIN"},    {12, "ENOMEM"},     {13, "EACCES"}, {14, "EFAULT"},  {16, "EBUSY"},
    {17, "EEXIST"},    {19, "ENODEV"},     {22, "EINVAL"}, {26, "ETXTBSY"}, {28, "ENOSPC"},
    {75, "EOVERFLOW"}, {95, "EOPNOTSUPP"},
};

std::string name_in(std::span<const Advice> names, uint64_t number) {
  for (const Advice& known : names)
    if (known.number == number) return known.name;
  return std::to_string(number);
}

std::string length_range(uint64_t start, uint64_t length) {
  return range_text(start, start + length);
}

std::string mmap_text(Arguments args) {
  std::string text = fmt::format("{} {}", length_range(args[0], args[1]), flags_text(args[2]));
  if (args[3] != args[0] / kPageSize) text += fmt::format(" pgoff {:x}", args[3]);
  return text;
}

std::string mremap_text(Arguments args) {
  constexpr Bit kBits[] = {{1, "maymove"}, {2, "fixed"}, {4, "dontunmap"}};
  std::string text =
      fmt::format("{} to {}", length_range(args[1], args[2]), length_range(args[4], args[3]));
  for (const Bit& bit : kBits)
    if (args[5] & bit.mask) text += fmt::format(" {}", bit.name);
  return text;
}

std::string modify_text(Arguments args) {
  std::string text = fmt::format("{} {}", range_text(args[0], args[1]), flags_text(args[2]));
  if (args[3]) text += " userfaultfd";
  if (args[4]) text += fmt::format(" policy {:x}", args[4]);
  if (args[5]) text += fmt::format(" name {:x}", args[5]);
  return text;
}

std::string raw_text(Arguments args) {
  size_t used = args.size();
  while (used != 0 && args[used - 1] == 0) --used;
  std::string text;
  for (size_t i = 0; i < used; ++i) text += fmt::format("{}{:#x}", i ? ", " : "", args[i]);
  return text;
}

std::string arguments_of(uint32_t operation, Arguments args, uint64_t start, uint64_t end) {
  switch (operation) {
    case SVMA_OP_MMAP:
      return mmap_text(args);
    case SVMA_OP_MUNMAP:
    case SVMA_OP_ANON_VMA:
      return range_text(args[0], args[1]);
    case SVMA_OP_BRK:
      return fmt::format("{} {}", length_range(args[0], args[1]), flags_text(args[2]));
    case SVMA_OP_MPROTECT:
    case SVMA_OP_MLOCK:
      return fmt::format("{} {}", range_text(args[0], args[1]), flags_text(args[2]));
    case SVMA_OP_MREMAP_MOVE:
      return mremap_text(args);
    case SVMA_OP_MREMAP_EXPAND:
      return fmt::format("{} to {:x}", length_range(args[0], args[1]), args[0] + args[2]);
    case SVMA_OP_MODIFY:
      return modify_text(args);
    case SVMA_OP_STACK_GROWTH:
      return fmt::format("{:x} down to {:x}", args[0], args[1] & ~(kPageSize - 1));
    case SVMA_OP_STACK_SHIFT:
      return fmt::format("{:x} down by {:#x}", args[0], args[1]);
    case SVMA_OP_MADVISE:
      return fmt::format("{} {}", range_text(args[0], args[1]), name_in(kAdvice, args[2]));
    case SVMA_OP_MBIND:
      return fmt::format("{} policy {:x}", range_text(args[0], args[1]), args[2]);
    case SVMA_OP_INSERT:
      return start < end ? range_text(start, end) : "";
    case SVMA_OP_FORK:
    case SVMA_OP_EXIT:
    case SVMA_OP_EXEC:
    case SVMA_OP_ATTACH:
      return "";
    default:
      return raw_text(args);
  }
}

bool returns_address(uint32_t operation) {
  return operation == SVMA_OP_MMAP || operation == SVMA_OP_MREMAP_MOVE ||
         operation == SVMA_OP_SEARCH;
}

}  // namespace

std::string flag_names(uint64_t mask) {
  std::string text;
  auto add = [&text](const std::string& name) { text += (text.empty() ? "" : " ") + name; };
  for (const Bit& bit : kFlags) {
    if (!(mask & bit.mask)) continue;
    const uint64_t value = (mask & bit.mask) / (bit.mask & -bit.mask);
    add(bit.mask & (bit.mask - 1) ? fmt::format("{}={}", bit.name, value) : std::string(bit.name));
    mask &= ~bit.mask;
  }
  if (mask) add(fmt::format("{:#x}", mask));
  return text;
}

std::string flags_text(uint64_t flags) {
  const std::string others = flag_names(flags & ~kUsual);
  return permissions(flags) + (others.empty() ? "" : " ") + others;
}

std::string call_text(uint32_t operation, Arguments args, uint64_t start, uint64_t end) {
  const std::string arguments = arguments_of(operation, args, start, end);
  return operation_name(operation) + (arguments.empty() ? "" : " ") + arguments;
}

bool failed(int64_t result) { return result < 0 && result >= -4095; }

std::string result_text(uint32_t operation, int64_t result) {
  if (failed(result)) return "-" + name_in(kErrors, static_cast<uint64_t>(-result));
  if (returns_address(operation)) return fmt::format("{:x}", static_cast<uint64_t>(result));
  return std::to_string(result);
}

std::string file_text(uint32_t dev, uint64_t ino) {
  if (dev == 0 && ino == 0) return "anonymous";
  return fmt::format("file {:02x}:{:02x} {}", dev >> kDevMinorBits,
                     dev & ((1u << kDevMinorBits) - 1), ino);
}

std::string range_text(uint64_t start, uint64_t end) {
  return fmt::format("{:x}-{:x}", start, end);
}

}  // namespace svma
