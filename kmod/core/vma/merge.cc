// SPDX-License-Identifier: GPL-2.0-only
#include "vma/merge.hpp"

#include "vma/address_space.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

const char* to_string(MergeVerdict verdict) {
  switch (verdict) {
    case MergeVerdict::kMergeable:
      return "mergeable";
    case MergeVerdict::kSpecial:
      return "special";
    case MergeVerdict::kNoNeighbour:
      return "no_neighbour";
    case MergeVerdict::kNotAdjacent:
      return "not_adjacent";
    case MergeVerdict::kPolicy:
      return "policy";
    case MergeVerdict::kFlags:
      return "flags";
    case MergeVerdict::kFile:
      return "file";
    case MergeVerdict::kClose:
      return "close";
    case MergeVerdict::kUffd:
      return "uffd";
    case MergeVerdict::kName:
      return "name";
    case MergeVerdict::kAnonVma:
      return "anon_vma";
    case MergeVerdict::kPgoff:
      return "pgoff";
    case MergeVerdict::kBothAnonVma:
      return "both_anon_vma";
  }
  return "?";
}

MergeVerdict is_mergeable_vma(const Vma& vma, const VmaAttrs& attrs) {
  // Soft-dirty only says that something was written; the merged VMA is marked by the caller.
  if ((vma.attrs.vm_flags ^ attrs.vm_flags) & ~kVmSoftDirty) return MergeVerdict::kFlags;
  if (vma.attrs.file != attrs.file) return MergeVerdict::kFile;
  if (vma.attrs.has_close) return MergeVerdict::kClose;
  if (vma.attrs.uffd_ctx != attrs.uffd_ctx) return MergeVerdict::kUffd;
  if (vma.attrs.anon_name != attrs.anon_name) return MergeVerdict::kName;
  return MergeVerdict::kMergeable;
}

namespace {

MergeVerdict merge_verdict_at(const Vma& vma, const VmaAttrs& attrs, bool pgoff_continues) {
  const MergeVerdict verdict = is_mergeable_vma(vma, attrs);
  if (verdict != MergeVerdict::kMergeable) return verdict;
  if (!is_mergeable_anon_vma(attrs.anon_vma, vma.attrs.anon_vma, &vma)) {
    return MergeVerdict::kAnonVma;
  }
  return pgoff_continues ? MergeVerdict::kMergeable : MergeVerdict::kPgoff;
}

}  // namespace

MergeVerdict can_vma_merge_after(const Vma& vma, const VmaAttrs& attrs, PageOffset pgoff) {
  return merge_verdict_at(vma, attrs, vma.end_pgoff() == pgoff);
}

MergeVerdict can_vma_merge_before(const Vma& vma, const VmaAttrs& attrs, PageOffset pgoff) {
  return merge_verdict_at(vma, attrs, vma.attrs.vm_pgoff == pgoff);
}

MergeVerdict verdict_with_prev(const Vma* prev, AddrRange range, const VmaAttrs& attrs) {
  if (attrs.vm_flags & kVmSpecial) return MergeVerdict::kSpecial;
  if (!prev) return MergeVerdict::kNoNeighbour;
  if (prev->vm_end != range.start) return MergeVerdict::kNotAdjacent;
  if (prev->attrs.vm_policy != attrs.vm_policy) return MergeVerdict::kPolicy;
  return can_vma_merge_after(*prev, attrs, attrs.vm_pgoff);
}

MergeVerdict verdict_with_next(const Vma* next, AddrRange range, const VmaAttrs& attrs) {
  if (attrs.vm_flags & kVmSpecial) return MergeVerdict::kSpecial;
  if (!next) return MergeVerdict::kNoNeighbour;
  if (next->vm_start != range.end) return MergeVerdict::kNotAdjacent;
  if (next->attrs.vm_policy != attrs.vm_policy) return MergeVerdict::kPolicy;
  return can_vma_merge_before(*next, attrs, attrs.vm_pgoff + range.pages());
}

MergePlan AddressSpace::plan_merge(Vma* prev, AddrRange range, const VmaAttrs& attrs) const {
  MergePlan plan;
  plan.prev = prev;
  plan.mid = prev ? next(prev) : first();
  plan.next = plan.mid;
  if (plan.mid && plan.mid->vm_end == range.end) plan.next = next(plan.mid);  // cases 6, 7, 8
  SVMA_DCHECK(!range.empty() && range.page_aligned());
  SVMA_DCHECK(!prev || prev->vm_start < range.start);
  SVMA_DCHECK(!plan.mid || range.end <= plan.mid->vm_end || range.start >= plan.mid->vm_end);

  plan.with_prev = verdict_with_prev(prev, range, attrs);
  plan.with_next = verdict_with_next(plan.next, range, attrs);
  const bool merge_prev = plan.with_prev == MergeVerdict::kMergeable;
  bool merge_next = plan.with_next == MergeVerdict::kMergeable;
  if (merge_prev && merge_next &&
      !is_mergeable_anon_vma(prev->attrs.anon_vma, plan.next->attrs.anon_vma, nullptr)) {
    plan.with_next = MergeVerdict::kBothAnonVma;
    merge_next = false;
  }

  const bool covers_mid = plan.next != plan.mid;  // the range ends where mid does
  const bool hole = !plan.mid || range.end <= plan.mid->vm_start;
  if (merge_prev && merge_next) {
    plan.merge_case =
        covers_mid ? MergeCase::k6PrevTakesNextAndNextNext : MergeCase::k1PrevTakesAllOfNext;
  } else if (merge_prev) {
    plan.merge_case = hole         ? MergeCase::k2PrevGrowsIntoHole
                      : covers_mid ? MergeCase::k7PrevTakesNext
                                   : MergeCase::k5PrevTakesStartOfNext;
  } else if (merge_next) {
    plan.merge_case = prev && range.start < prev->vm_end ? MergeCase::k4NextTakesEndOfPrev
                      : covers_mid                       ? MergeCase::k8NextNextTakesNext
                                                         : MergeCase::k3NextGrowsIntoHole;
  }
  return plan;
}

Vma* AddressSpace::vma_merge(Vma* prev, AddrRange range, const VmaAttrs& attrs) {
  const MergePlan plan = plan_merge(prev, range, attrs);
  switch (plan.merge_case) {
    case MergeCase::kNone:
      return nullptr;
    case MergeCase::k1PrevTakesAllOfNext:
    case MergeCase::k6PrevTakesNextAndNextNext:
      vma_adjust(prev, {prev->vm_start, plan.next->vm_end}, prev->attrs.vm_pgoff, nullptr, prev);
      return prev;
    case MergeCase::k2PrevGrowsIntoHole:
    case MergeCase::k5PrevTakesStartOfNext:
    case MergeCase::k7PrevTakesNext:
      vma_adjust(prev, {prev->vm_start, range.end}, prev->attrs.vm_pgoff, nullptr, prev);
      return prev;
    case MergeCase::k4NextTakesEndOfPrev:
      vma_adjust(prev, {prev->vm_start, range.start}, prev->attrs.vm_pgoff, nullptr, plan.next);
      return plan.next;
    case MergeCase::k3NextGrowsIntoHole:
    case MergeCase::k8NextNextTakesNext:
      vma_adjust(plan.mid, {range.start, plan.next->vm_end},
                 plan.next->attrs.vm_pgoff - range.pages(), nullptr, plan.next);
      return plan.next;
  }
  return nullptr;
}

}  // namespace svma
