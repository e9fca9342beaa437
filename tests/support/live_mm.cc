// SPDX-License-Identifier: GPL-2.0-only
#include "live_mm.hpp"

#include <algorithm>
#include <cerrno>

#include "vma/accounting.hpp"

namespace svma::test {

svma_live_vma& FakeLive::add(svma_u64 start, svma_u64 end, svma_u64 flags) {
  svma_live_vma vma{};
  vma.start = start;
  vma.end = end;
  vma.flags = flags;
  vma.pgoff = start >> kPageShift;
  const auto above = std::find_if(vmas.begin(), vmas.end(),
                                  [start](const auto& other) { return other.start > start; });
  const auto added = vmas.insert(above, vma);
  count();
  return *added;
}

void FakeLive::count() {
  Accounting acct;
  for (const svma_live_vma& vma : vmas) {
    const auto pages = static_cast<i64>((vma.end - vma.start) >> kPageShift);
    vm_stat_account(acct, vma.flags, pages);
    if (vma.flags & kVmLocked) acct.locked_vm += PageCount(static_cast<u64>(pages));
  }
  totals = {vmas.size(),          acct.total_vm.value(), acct.data_vm.value(),
            acct.exec_vm.value(), acct.stack_vm.value(), acct.locked_vm.value(),
            totals.hiwater_vm};
}

int load_whole(svma_shadow* shadow, const void* mm) {
  svma_load progress{};
  while (progress.stage != SVMA_LOAD_DONE) {
    if (const int err = svma_core_load_part(shadow, mm, &progress, ~svma_u32{0})) {
      svma_core_shadow_clear(shadow);
      return err;
    }
  }
  return 0;
}

}  // namespace svma::test

extern "C" int svma_os_live_find(const void* mm, svma_u64 addr, svma_live_vma* out) {
  const auto* const live = static_cast<const svma::test::FakeLive*>(mm);
  for (const svma_live_vma& vma : live->vmas) {
    if (vma.end <= addr) continue;
    *out = vma;
    if (!live->says_anonymous) out->anonymous = vma.file == 0;
    return 0;
  }
  return -ENOENT;
}

extern "C" void svma_os_live_totals(const void* mm, svma_live_totals* out) {
  *out = static_cast<const svma::test::FakeLive*>(mm)->totals;
}

namespace {
svma_u64 start_of(const svma::Vma* vma) { return vma ? vma->vm_start.value() : SVMA_CORE_NO_VMA; }
svma_u64 node_of(const svma::RbNode* node) { return reinterpret_cast<svma_u64>(node); }
}  // namespace

extern "C" int svma_os_live_tree(const void* mm, svma_live_tree* out) {
  const svma::AddressSpace* const tree = static_cast<const svma::test::FakeLive*>(mm)->tree;
  if (!tree) return -ENOENT;
  out->root = node_of(tree->tree().rb_root().node);
  out->first = start_of(tree->first());
  out->highest_vm_end = tree->highest_vm_end().value();
  out->vmacache_seqnum = tree->vmacache_seqnum();
  return 0;
}

extern "C" void svma_os_live_node(svma_u64 node, svma_live_node* out) {
  const auto* rb = reinterpret_cast<const svma::RbNode*>(node);
  const auto* vma = reinterpret_cast<const svma::Vma*>(rb);
  *out = {};
  out->start = vma->vm_start.value();
  out->end = vma->vm_end.value();
  out->gap = vma->rb_subtree_gap;
  out->parent = node_of(rb->parent());
  out->left = node_of(rb->left());
  out->right = node_of(rb->right());
  out->prev = start_of(svma::AddressSpace::prev(vma));
  out->next = start_of(svma::AddressSpace::next(vma));
  out->red = rb->is_red();
}

extern "C" svma_u64 svma_os_live_brk(const void* mm) {
  return static_cast<const svma::test::FakeLive*>(mm)->brk;
}

extern "C" int svma_os_live_chain(const void* mm, svma_u64 start, svma_live_chain* out) {
  const auto& chains = static_cast<const svma::test::FakeLive*>(mm)->chains;
  const auto found = chains.find(start);
  if (found == chains.end()) return -ENOENT;
  *out = found->second;
  return 0;
}
