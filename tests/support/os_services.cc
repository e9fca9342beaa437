// SPDX-License-Identifier: GPL-2.0-only
#include "os_services.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.hpp"
#include "replay/shadow_vma.hpp"
#include "rmap/reserve.hpp"
#include "vma/reserve.hpp"

namespace {

std::uint64_t fail_at = 0;
std::uint64_t asked = 0;
std::uint64_t outstanding = 0;
bool settled = true;

}  // namespace

namespace svma::test {

void fail_allocation(std::uint64_t nth) {
  fail_at = nth;
  asked = 0;
}

std::uint64_t allocations_asked() { return asked; }

void set_rmap_settled(bool yes) { settled = yes; }

std::uint64_t allocations_outstanding() { return outstanding; }

}  // namespace svma::test

extern "C" void svma_os_check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
  std::abort();
}

namespace {

void* allocate(std::size_t alignment, std::size_t bytes) {
  if (++asked == fail_at) return nullptr;
  void* const block = std::aligned_alloc(alignment, bytes);
  if (!block) std::abort();
  // A slab cache hands out memory with its former content, too.
  std::memset(block, 0xa5, bytes);
  ++outstanding;
  return block;
}

void give_back(void* block) {
  if (!block || outstanding == 0) std::abort();
  --outstanding;
  std::free(block);
}

}  // namespace

extern "C" void* svma_os_vm_area_alloc(void) {
  return allocate(alignof(svma::ShadowVma), sizeof(svma::ShadowVma));
}
extern "C" void svma_os_vm_area_free(void* vma) { give_back(vma); }

extern "C" void svma_os_rmap_lock(void) {}
extern "C" void svma_os_rmap_unlock(void) {}
extern "C" int svma_os_rmap_settled(const void*) { return settled; }

extern "C" void* svma_os_avc_alloc(void) { return allocate(16, sizeof(svma::AnonVmaChain)); }
extern "C" void svma_os_avc_free(void* avc) { give_back(avc); }

extern "C" void* svma_os_anon_vma_alloc(void) { return allocate(16, sizeof(svma::AnonVma)); }
extern "C" void svma_os_anon_vma_free(void* anon_vma) { give_back(anon_vma); }

extern "C" void* svma_os_file_rmap_alloc(void) { return allocate(16, sizeof(svma::FileRmap)); }
extern "C" void svma_os_file_rmap_free(void* file) { give_back(file); }
