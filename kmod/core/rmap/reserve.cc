// SPDX-License-Identifier: GPL-2.0-only
#include "rmap/reserve.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Status RmapReserve::fill(RmapNeed need) {
  while (avcs_.count < need.avcs) {
    void* const block = svma_os_avc_alloc();
    if (!block) return Status::error(kENOMEM);
    add(avcs_, block);
  }
  while (anon_vmas_.count < need.anon_vmas) {
    void* const block = svma_os_anon_vma_alloc();
    if (!block) return Status::error(kENOMEM);
    add(anon_vmas_, block);
  }
  while (files_.count < need.files) {
    void* const block = svma_os_file_rmap_alloc();
    if (!block) return Status::error(kENOMEM);
    add(files_, block);
  }
  return kOk;
}

void RmapReserve::release() {
  while (void* const block = remove(avcs_)) svma_os_avc_free(block);
  while (void* const block = remove(anon_vmas_)) svma_os_anon_vma_free(block);
  while (void* const block = remove(files_)) svma_os_file_rmap_free(block);
}

}  // namespace svma
