// SPDX-License-Identifier: GPL-2.0-only
#include "vma/verify.hpp"

#include "intrusive/rb_check.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

namespace {

class Verifier {
 public:
  explicit Verifier(const AddressSpace& mm) : mm_(mm) {}

  bool run(VerifyOptions options) {
    return check_tree() && check_elements() && check_totals() &&
           (!options.accounting || check_accounting());
  }

  const VerifyReport& report() const { return report_; }

 private:
  bool fail(const char* invariant, const Vma* vma, u64 expected = 0, u64 found = 0) {
    report_ = {invariant, vma ? vma->vm_start : VirtAddr(), expected, found};
    return false;
  }

  bool expect_equal(const char* invariant, u64 expected, u64 found) {
    return expected == found || fail(invariant, nullptr, expected, found);
  }

  bool check_tree() {
    const RbCheckResult result = rb_check(mm_.tree().rb_root());
    nodes_ = result.nodes;
    if (result.defect == RbDefect::kNone) return true;
    return fail(to_string(result.defect), VmaRbHook::element(const_cast<RbNode*>(result.node)));
  }

  // Walks the tree, which is sound by now, and holds the list against it.
  bool check_elements() {
    const Vma* below = nullptr;
    for (const Vma* vma = mm_.tree().first(); vma; vma = AddressSpace::Tree::next(vma)) {
      if (!check_bounds(vma, below) || !check_list(vma, below)) return false;
      account(*vma);
      if (mm_.mmap_cache().vma() == vma) mmap_cache_linked_ = true;
      below = vma;
    }
    if (mm_.list().tail() != below) return fail("list_tail", below);
    if (below && AddressSpace::next(below)) return fail("list_next", below);
    // gap(v) reads the list, so only now.
    for (const Vma* vma = mm_.first(); vma; vma = AddressSpace::next(vma)) {
      if (!mm_.tree().augment().check(vma)) return fail_gap(vma);
    }
    return true;
  }

  bool check_bounds(const Vma* vma, const Vma* below) {
    if (vma->vm_end <= vma->vm_start) return fail("empty_range", vma);
    if (!vma->range().page_aligned()) return fail("page_alignment", vma);
    if (vma->grows_down() != vma->has(kVmGrowsDown)) return fail("grows_down", vma);
    if (!below) return true;
    if (vma->vm_start < below->vm_start) return fail("rb_order", vma);
    if (vma->vm_start < below->vm_end) return fail("overlap", vma);
    return true;
  }

  bool check_list(const Vma* vma, const Vma* below) {
    if (!below && mm_.list().head() != vma) return fail("list_head", vma);
    if (below && AddressSpace::next(below) != vma) return fail("list_next", below);
    if (AddressSpace::prev(vma) != below) return fail("list_prev", vma);
    return true;
  }

  bool fail_gap(const Vma* vma) {
    Vma right = *vma;  // in no tree: only its numbers are used
    mm_.tree().augment().recompute(&right);
    return fail("rb_subtree_gap", vma, right.rb_subtree_gap, vma->rb_subtree_gap);
  }

  bool check_totals() {
    const Vma* const last = mm_.tree().last();
    if (mm_.mmap_cache().vma() && !mmap_cache_linked_) return fail("mmap_cache", nullptr);
    return expect_equal("map_count", nodes_, mm_.map_count()) &&
           expect_equal("highest_vm_end", last ? last->vm_end.value() : 0,
                        mm_.highest_vm_end().value());
  }

  void account(const Vma& vma) {
    vm_stat_account(sum_, vma.attrs.vm_flags, static_cast<i64>(vma.pages().value()));
    if (vma.has(kVmLocked)) sum_.locked_vm += vma.pages();
  }

  bool check_accounting() {
    const Accounting& kept = mm_.acct();
    return expect_equal("total_vm", sum_.total_vm.value(), kept.total_vm.value()) &&
           expect_equal("data_vm", sum_.data_vm.value(), kept.data_vm.value()) &&
           expect_equal("exec_vm", sum_.exec_vm.value(), kept.exec_vm.value()) &&
           expect_equal("stack_vm", sum_.stack_vm.value(), kept.stack_vm.value()) &&
           expect_equal("locked_vm", sum_.locked_vm.value(), kept.locked_vm.value());
  }

  const AddressSpace& mm_;
  VerifyReport report_;
  Accounting sum_;
  u64 nodes_ = 0;
  bool mmap_cache_linked_ = false;
};

}  // namespace

bool verify(const AddressSpace& mm, VerifyReport* report, VerifyOptions options) {
  Verifier verifier(mm);
  const bool sound = verifier.run(options);
  if (report) *report = verifier.report();
  return sound;
}

}  // namespace svma
