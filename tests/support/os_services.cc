// SPDX-License-Identifier: GPL-2.0-only
#include "os_services.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.hpp"
#include "vma/reserve.hpp"

namespace {

std::uint64_t fail_at = 0;
std::uint64_t asked = 0;
std::uint64_t outstanding = 0;

}  // namespace

namespace svma::test {

void fail_allocation(std::uint64_t nth) {
  fail_at = nth;
  asked = 0;
}

std::uint64_t allocations_asked() { return asked; }

std::uint64_t allocations_outstanding() { return outstanding; }

}  // namespace svma::test

extern "C" void svma_os_check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
  std::abort();
}

extern "C" void* svma_os_vm_area_alloc(void) {
  if (++asked == fail_at) return nullptr;
  void* const block = std::aligned_alloc(alignof(svma::Vma), sizeof(svma::Vma));
  if (!block) std::abort();
  // A slab cache hands out memory with its former content, too.
  std::memset(block, 0xa5, sizeof(svma::Vma));
  ++outstanding;
  return block;
}

extern "C" void svma_os_vm_area_free(void* vma) {
  if (!vma || outstanding == 0) std::abort();
  --outstanding;
  std::free(vma);
}
