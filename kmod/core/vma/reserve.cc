// SPDX-License-Identifier: GPL-2.0-only
#include "vma/reserve.hpp"

#include "base/check.hpp"
#include "base/memory.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Status VmaReserve::fill(unsigned n) {
  VmaReserve added;
  while (available_ + added.available_ < n) {
    void* const block = svma_os_vm_area_alloc();
    if (!block) return Status::error(kENOMEM);  // `added` gives back what it got
    added.give_back(static_cast<Vma*>(block));
  }
  if (added.stock_ == nullptr) return kOk;
  Vma* last = added.stock_;
  while (last->list.next != nullptr) last = last->list.next;
  last->list.next = stock_;
  stock_ = added.stock_;
  available_ += added.available_;
  added.stock_ = nullptr;
  added.available_ = 0;
  return kOk;
}

Vma* VmaReserve::take() {
  Vma* const vma = stock_;
  if (!vma) return nullptr;
  stock_ = vma->list.next;
  --available_;
  vma->list.next = nullptr;  // the rest is as give_back() made it
  return vma;
}

void VmaReserve::give_back(Vma* vma) {
  construct_at<Vma>(vma);
  vma->list.next = stock_;
  stock_ = vma;
  ++available_;
}

void VmaReserve::release() {
  while (Vma* const vma = take()) vm_area_free(vma);
}

Vma* vm_area_dup(VmaReserve& reserve, const Vma& vma) {
  Vma* const copy = reserve.take();
  if (!copy) return nullptr;
  copy->vm_start = vma.vm_start;
  copy->vm_end = vma.vm_end;
  copy->attrs = vma.attrs;
  return copy;
}

void vm_area_free(Vma* vma) {
  if (vma) svma_os_vm_area_free(vma);
}

}  // namespace svma
