// SPDX-License-Identifier: GPL-2.0-only
// Calls through int $0x80: a 64-bit program may make them, too, and the kernel then looks for room
// below 4 GiB.
#include <sys/mman.h>

#include <cerrno>

#include "workload/generate/calls.hpp"

namespace svma::generate {
namespace {

// arch/x86/entry/syscalls/syscall_32.tbl
enum : uint32_t { kMunmap = 91, kMprotect = 125, kMremap = 163, kMmap2 = 192 };

struct Registers {
  uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
};

asm(R"(
    .text
    .type svma_int80, @function
svma_int80:
    push %rbx
    push %rbp
    mov (%rdi), %eax
    mov 4(%rdi), %ebx
    mov 8(%rdi), %ecx
    mov 12(%rdi), %edx
    mov 16(%rdi), %esi
    mov 24(%rdi), %ebp
    mov 20(%rdi), %edi
    int $0x80
    pop %rbp
    pop %rbx
    ret
    .size svma_int80, . - svma_int80
)");
extern "C" uint32_t svma_int80(const Registers* registers);

Result int80(const Registers& registers) {
  const uint32_t value = svma_int80(&registers);
  if (value > 0xfffff000) return {-1, -static_cast<int32_t>(value), false};
  return {value, 0, false};
}

// What the registers can hold: a range of some call, or one in the window of MAP_32BIT.
Range low_range(Context& context) {
  const Range range = context.range();
  if (range.start <= UINT32_MAX && range.size <= UINT32_MAX) return range;
  const Range window = context.world().window(kLow);
  const uint64_t page = context.random.below(window.size / kPage);
  return {window.start + page * kPage, context.random.small(48) * kPage};
}

Result map_low(Context& context, Range range, uint32_t prot) {
  Random& random = context.random;
  const uint32_t places[] = {0, 0, MAP_FIXED, MAP_FIXED_NOREPLACE};
  const uint32_t extras[] = {0, 0, 0, MAP_32BIT, MAP_GROWSDOWN, MAP_NORESERVE, MAP_HUGETLB};
  const uint64_t hints[] = {0, 0, range.start, 0xfffef000, 0xffffe000, 0xbffff000};
  const uint32_t flags = MAP_PRIVATE | MAP_ANONYMOUS | random.pick(places) | random.pick(extras);
  if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) range.start = random.pick(hints);
  if (random.one_in(10)) range.size = random.between(1, 3) * kGiB;
  context.line.add("mmap2({:#x}, {:#x}, {:#x}, {:#x})", range.start, range.size, prot, flags);
  if ((flags & MAP_FIXED) && !context.world().safe(range)) return kRefused;
  const Result result = int80({kMmap2, static_cast<uint32_t>(range.start),
                               static_cast<uint32_t>(range.size), prot, flags, ~0u, 0});
  if (result.error == 0) context.remember(static_cast<uint64_t>(result.value), range.size);
  return result;
}

Result remap_low(Context& context, Range from) {
  const uint32_t size = static_cast<uint32_t>(from.size + context.random.small(32) * kPage);
  context.line.add("mremap({:#x}, {:#x}, {:#x}, MAYMOVE)", from.start, from.size, size);
  if (!context.world().safe({from.start, from.size ? from.size : kPage})) return kRefused;
  const Result result = int80({kMremap, static_cast<uint32_t>(from.start),
                               static_cast<uint32_t>(from.size), size, MREMAP_MAYMOVE, 0, 0});
  if (result.error == 0 && static_cast<uint64_t>(result.value) != from.start)
    context.remember(static_cast<uint64_t>(result.value), size);
  return result;
}

}  // namespace

Result call_int80(Context& context) {
  const Range range = low_range(context);
  const auto prot = static_cast<uint32_t>(draw_prot(context.random));
  const uint64_t dice = context.random.below(10);
  context.line.add("int80 ");
  if (dice < 5) return map_low(context, range, prot);
  if (dice < 6) return remap_low(context, range);
  const bool unmaps = dice < 8;
  context.line.add("{}({:#x}, {:#x}, {:#x})", unmaps ? "munmap" : "mprotect", range.start,
                   range.size, prot);
  if (!context.world().safe(range)) return kRefused;
  return int80({unmaps ? kMunmap : kMprotect, static_cast<uint32_t>(range.start),
                static_cast<uint32_t>(range.size), prot, 0, 0, 0});
}

}  // namespace svma::generate
