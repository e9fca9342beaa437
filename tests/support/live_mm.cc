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

extern "C" svma_u64 svma_os_live_brk(const void* mm) {
  return static_cast<const svma::test::FakeLive*>(mm)->brk;
}
