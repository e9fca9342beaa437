// SPDX-License-Identifier: GPL-2.0-only
#include "replay/compare.hpp"

#include "replay/facts.hpp"
#include "replay/scene.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

AddrRange hull_of(const Vma* vma, const svma_live_vma* live) {
  AddrRange hull = live != nullptr ? range_of(*live) : AddrRange{vma->vm_start, vma->vm_end};
  if (vma != nullptr && vma->vm_start < hull.start) hull.start = vma->vm_start;
  if (vma != nullptr && vma->vm_end > hull.end) hull.end = vma->vm_end;
  return hull;
}

}  // namespace

bool compare_value(svma_verdict& verdict, u32 field, u64 predicted, u64 observed) {
  ++verdict.compared;
  if (predicted == observed) {
    ++verdict.equal;
    return true;
  }
  ++verdict.divergent;
  constexpr u32 kRoom = sizeof(verdict.mismatch) / sizeof(verdict.mismatch[0]);
  if (verdict.mismatches >= kRoom) return false;
  svma_mismatch& mismatch = verdict.mismatch[verdict.mismatches++];
  mismatch = svma_mismatch{};
  mismatch.field = field;
  mismatch.predicted_value = predicted;
  mismatch.observed_value = observed;
  return false;
}

void Comparer::touch(AddrRange range) {
  if (verdict_.scene != nullptr) svma::touch(*verdict_.scene, range);
}

void Comparer::capture(AddrRange around) {
  if (verdict_.scene != nullptr) svma::capture(*verdict_.scene, space_, mm_, around);
}

// Where nothing better is known, the neighbourhood is that of the operation.
svma_mismatch* Comparer::new_mismatch(u32 field) {
  if (verdict_.scene != nullptr && verdict_.scene->ranges != 0) {
    capture({VirtAddr(verdict_.scene->start), VirtAddr(verdict_.scene->end)});
  }
  constexpr u32 kRoom = sizeof(verdict_.mismatch) / sizeof(verdict_.mismatch[0]);
  if (verdict_.mismatches >= kRoom) return nullptr;
  svma_mismatch* m = &verdict_.mismatch[verdict_.mismatches++];
  *m = svma_mismatch{};
  m->field = field;
  return m;
}

void Comparer::count(u32 field, const Vma* vma, const svma_live_vma* live) {
  ++verdict_.compared;
  if (field == SVMA_CORE_FIELD_NONE) {
    ++verdict_.equal;
    return;
  }
  ++verdict_.divergent;
  if (vma != nullptr || live != nullptr) capture(hull_of(vma, live));
  svma_mismatch* m = new_mismatch(field);
  if (m == nullptr) return;
  m->has_predicted = vma != nullptr;
  m->has_observed = live != nullptr;
  if (vma != nullptr) m->predicted = record_of(*vma);
  if (live != nullptr) m->observed = *live;
}

// Which anon_vma a first fault has made is a fact.
bool Comparer::take_first_fault(Vma& vma, const svma_live_vma& live) {
  if (vma.attrs.anon_vma != 0 || live.anon_vma == 0) return false;
  vma.attrs.anon_vma = live.anon_vma;
  vma.attrs.anon_singular = live.anon_singular != 0;
  count_fact(verdict_, Fact::kAnonVma);
  return true;
}

// An operation may populate what it has made writable (mprotect_fixup() of locked memory), in the
// order of addresses: each first fault sees what those below have left, and is counted by
// neighbours that are compared before.
void Comparer::predict_faults(AddrRange range) {
  for (Vma* vma = space_.find_vma(range.start); vma != nullptr && vma->vm_start < range.end;
       vma = AddressSpace::next(vma)) {
    svma_live_vma live;
    if (svma_os_live_find(mm_, vma->vm_start.value(), &live) != 0) return;
    if (live.start != vma->vm_start.value() || live.end != vma->vm_end.value()) continue;
    if (take_first_fault(*vma, live)) rmap_.prepare(*vma, mm_, /*alone=*/true, verdict_);
  }
}

// The anon_vma must be the one the shadow has, with a chain that is as long; but others may have
// faulted beside the operation.
u32 Comparer::differing_field(Vma& vma, const svma_live_vma& live) {
  const VmaAttrs seen = attrs_of(live);
  VmaAttrs& mine = vma.attrs;
  if ((steps_ & SVMA_STEP_GUARDED) && (seen.vm_flags & ~mine.vm_flags) == kVmMaybeGuard) {
    mine.vm_flags |= kVmMaybeGuard;
    count_fact(verdict_, Fact::kOrder);
  }
  if ((steps_ & SVMA_STEP_FAULTED_BESIDE) && take_first_fault(vma, live)) {
    rmap_.adopt(vma, mm_);
    adopted_ = &vma;
  }
  if (mine.vm_flags != seen.vm_flags) return SVMA_CORE_FIELD_FLAGS;
  if (mine.vm_pgoff != seen.vm_pgoff) return SVMA_CORE_FIELD_PGOFF;
  if (mine.anon_shift != seen.anon_shift) return SVMA_CORE_FIELD_PGOFF;
  if (mine.file != seen.file || mine.ino != seen.ino || mine.dev != seen.dev)
    return SVMA_CORE_FIELD_FILE;
  if (mine.vm_policy != seen.vm_policy) return SVMA_CORE_FIELD_POLICY;
  if (mine.uffd_ctx != seen.uffd_ctx) return SVMA_CORE_FIELD_UFFD;
  if (mine.anon_name != seen.anon_name) return SVMA_CORE_FIELD_NAME;
  if (mine.anon_vma != seen.anon_vma) return SVMA_CORE_FIELD_ANON_VMA;
  if (mine.anon_singular != seen.anon_singular) return SVMA_CORE_FIELD_ANON_VMA;
  if (!space_.tree().augment().check(&vma)) return SVMA_CORE_FIELD_GAP;
  if (live.misplaced) return SVMA_CORE_FIELD_STRUCTURE;
  return SVMA_CORE_FIELD_NONE;
}

void Comparer::compare_pair(Vma* vma, const svma_live_vma* live) {
  if (vma == nullptr || live == nullptr || vma->vm_start.value() != live->start ||
      vma->vm_end.value() != live->end) {
    count(SVMA_CORE_FIELD_LAYOUT, vma, live);
    adopt_layout(hull_of(vma, live));
    return;
  }
  const u32 field = differing_field(*vma, *live);
  count(field, vma, live);
  if (field == SVMA_CORE_FIELD_NONE) {
    if (adopted_ != vma) rmap_.compare(*vma, mm_, forked_, verdict_);
    return;
  }
  if (field == SVMA_CORE_FIELD_GAP) {
    verdict_.suspect = 1;  // the tree itself is wrong: it has to be built again
    return;
  }
  space_.set_attrs(vma, attrs_of(*live));
  rmap_.adopt(*vma, mm_);
}

void Comparer::compare_layout(AddrRange range) {
  touch(range);
  if (steps_ & SVMA_STEP_FAULTED) predict_faults(range);
  Vma* below = nullptr;
  space_.find_vma_prev(range.start, &below);
  VirtAddr cursor = below != nullptr ? below->vm_start : VirtAddr(0);
  for (bool last = false; !last;) {
    Vma* vma = space_.find_vma(cursor);
    svma_live_vma record;
    const svma_live_vma* live =
        svma_os_live_find(mm_, cursor.value(), &record) == 0 ? &record : nullptr;
    if (vma == nullptr && live == nullptr) return;
    last = (vma == nullptr || vma->vm_start >= range.end) &&
           (live == nullptr || live->start >= range.end.value());
    // The lower of the two is next; it stands alone when the other begins above its end.
    const bool apart = vma != nullptr && live != nullptr &&
                       (vma->vm_end.value() <= live->start || live->end <= vma->vm_start.value());
    const bool take_vma = vma != nullptr && !(apart && live->start < vma->vm_start.value());
    const bool take_live = live != nullptr && !(apart && vma->vm_start.value() < live->start);
    cursor = take_live ? VirtAddr(live->end) : vma->vm_end;
    compare_pair(take_vma ? vma : nullptr, take_live ? live : nullptr);
    if (verdict_.suspect) return;
  }
}

void Comparer::adopt_layout(AddrRange range) {
  touch(range);
  capture(range);
  // No VMA of the shadow may straddle the border of what is replaced.
  while (Vma* vma = space_.find_vma_intersection(range)) {
    if (vma->vm_start < range.start) range.start = vma->vm_start;
    if (vma->vm_end > range.end) range.end = vma->vm_end;
    space_.remove_vma(vma);
  }
  svma_live_vma live;
  for (u64 at = range.start.value();
       svma_os_live_find(mm_, at, &live) == 0 && live.start < range.end.value(); at = live.end) {
    // What reaches out of the range may meet VMAs of the shadow there; those go, too.
    while (Vma* vma = space_.find_vma_intersection(range_of(live))) {
      if (vma->vm_end > range.end) range.end = vma->vm_end;
      space_.remove_vma(vma);
    }
    if (!insert_copy(space_, live).ok()) {
      verdict_.suspect = 1;
      return;
    }
    rmap_.adopt(*space_.find_vma(VirtAddr(live.start)), mm_);
  }
}

void Comparer::compare_counter(u32 field, u64 predicted, u64 observed, bool announced) {
  if (predicted == observed) {
    count(SVMA_CORE_FIELD_NONE, nullptr, nullptr);
    return;
  }
  if (!announced) {
    // Somebody changed the mm in a way that has no probe: not a wrong prediction, but none at all.
    verdict_.unmodelled = 1;
    if (field == SVMA_CORE_FIELD_MAP_COUNT) verdict_.suspect = 1;
  } else {
    ++verdict_.compared;
    ++verdict_.divergent;
  }
  if (svma_mismatch* m = new_mismatch(field)) {
    m->predicted_value = predicted;
    m->observed_value = observed;
  }
}

void Comparer::compare_totals(bool paged, bool announced, bool hiwater) {
  svma_live_totals live;
  svma_os_live_totals(mm_, &live);
  const Accounting& mine = space_.acct();
  compare_counter(SVMA_CORE_FIELD_MAP_COUNT, space_.map_count(), live.map_count, announced);
  compare_counter(SVMA_CORE_FIELD_LOCKED_VM, mine.locked_vm.value(), live.locked_vm, announced);
  if (paged) {
    compare_counter(SVMA_CORE_FIELD_TOTAL_VM, mine.total_vm.value(), live.total_vm, announced);
    compare_counter(SVMA_CORE_FIELD_DATA_VM, mine.data_vm.value(), live.data_vm, announced);
    compare_counter(SVMA_CORE_FIELD_EXEC_VM, mine.exec_vm.value(), live.exec_vm, announced);
    compare_counter(SVMA_CORE_FIELD_STACK_VM, mine.stack_vm.value(), live.stack_vm, announced);
    if (hiwater) {
      compare_counter(SVMA_CORE_FIELD_HIWATER_VM, mine.hiwater_vm.value(), live.hiwater_vm,
                      announced);
    }
    adopt_totals();
  } else {
    space_.acct().locked_vm = PageCount(live.locked_vm);
  }
  // A VMA count that differs can't be adopted as a number: the layout itself is wrong somewhere.
  if (space_.map_count() != live.map_count) verdict_.suspect = 1;
}

void Comparer::adopt_totals() {
  svma_live_totals live;
  svma_os_live_totals(mm_, &live);
  Accounting& mine = space_.acct();
  mine.total_vm = PageCount(live.total_vm);
  mine.data_vm = PageCount(live.data_vm);
  mine.exec_vm = PageCount(live.exec_vm);
  mine.stack_vm = PageCount(live.stack_vm);
  mine.locked_vm = PageCount(live.locked_vm);
  mine.hiwater_vm = PageCount(live.hiwater_vm);
}

}  // namespace svma
