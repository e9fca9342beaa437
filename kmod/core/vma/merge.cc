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
    case MergeVerdict::kAnonPgoff:
      return "anon_pgoff";
    case MergeVerdict::kBothAnonVma:
      return "both_anon_vma";
  }
  return "?";
}

namespace {

// The order in which vma_merge() and what it calls test them.
constexpr MergeCondition kKernelOrder[kMergeConditions] = {
    MergeCondition::kSpecial,  // vma_merge() itself
    MergeCondition::kNeighbour, MergeCondition::kAdjacent, MergeCondition::kPolicy,
    MergeCondition::kFlags,  // is_mergeable_vma()
    MergeCondition::kFile,      MergeCondition::kClose,    MergeCondition::kUffd,
    MergeCondition::kName,
    MergeCondition::kAnonVma,  // is_mergeable_anon_vma()
    MergeCondition::kSingular,
    MergeCondition::kPgoff,  // can_vma_merge_before() and _after()
    MergeCondition::kAnonPgoff,
};
// Where the inner functions begin and end in that order.
constexpr unsigned kVmaRules = 4;
constexpr unsigned kAnonVmaRules = 9;
static_assert(kKernelOrder[kVmaRules] == MergeCondition::kFlags);
static_assert(kKernelOrder[kAnonVmaRules] == MergeCondition::kAnonVma);

constexpr MergeVerdict kVerdictOf[kMergeConditions] = {
    MergeVerdict::kNoNeighbour, MergeVerdict::kNotAdjacent, MergeVerdict::kSpecial,
    MergeVerdict::kPolicy,      MergeVerdict::kFlags,       MergeVerdict::kFile,
    MergeVerdict::kClose,       MergeVerdict::kUffd,        MergeVerdict::kName,
    MergeVerdict::kAnonVma,     MergeVerdict::kAnonVma,     MergeVerdict::kPgoff,
    MergeVerdict::kAnonPgoff,
};

bool exactly_one(u64 a, u64 b) { return (a == 0) != (b == 0); }

// Where the lower one of a pair ends in its file, and where the upper one begins.
struct Seam {
  PageOffset wanted;
  PageOffset found;
};

Seam seam_of(MergeSide side, const Vma& vma, PageOffset pgoff) {
  if (side == MergeSide::kPrev) return {vma.end_pgoff(), pgoff};
  return {pgoff, vma.attrs.vm_pgoff};
}

// The rules. `pgoff` is the range's page offset at the end that faces the neighbour; all but the
// first two conditions need a neighbour or nothing but `attrs`.
bool holds(MergeCondition condition, const MergeQuestion& ask, PageOffset pgoff) {
  const Vma* const vma = ask.neighbour;
  const VmaAttrs& attrs = ask.attrs;
  switch (condition) {
    case MergeCondition::kNeighbour:
      return vma != nullptr;
    case MergeCondition::kAdjacent:
      return ask.side == MergeSide::kPrev ? vma->vm_end == ask.range.start
                                          : vma->vm_start == ask.range.end;
    case MergeCondition::kSpecial:
      return (attrs.vm_flags & kVmSpecial) == 0;
    case MergeCondition::kPolicy:
      return vma->attrs.vm_policy == attrs.vm_policy;
    case MergeCondition::kFlags:
      // Soft-dirty only says that something was written; the caller marks the merged VMA.
      return ((vma->attrs.vm_flags ^ attrs.vm_flags) & ~(kVmSoftDirty | ask.rules.sticky)) == 0;
    case MergeCondition::kFile:
      return vma->attrs.file == attrs.file;
    case MergeCondition::kClose:
      return !(ask.close == CloseAsked::kOfRange ? attrs : vma->attrs).has_close ||
             ask.close == CloseAsked::kOfNobody;
    case MergeCondition::kUffd:
      return vma->attrs.uffd_ctx == attrs.uffd_ctx;
    case MergeCondition::kName:
      return vma->attrs.anon_name == attrs.anon_name;
    case MergeCondition::kAnonVma:
      return is_mergeable_anon_vma(attrs.anon_vma, vma->attrs.anon_vma, nullptr);
    case MergeCondition::kSingular:
      if (!exactly_one(attrs.anon_vma, vma->attrs.anon_vma)) return true;
      if (ask.rules.anon == AnonRule::kEitherBrings && attrs.anon_vma) return attrs.anon_singular;
      return is_mergeable_anon_vma(attrs.anon_vma, vma->attrs.anon_vma, vma);
    case MergeCondition::kPgoff: {
      const Seam seam = seam_of(ask.side, *vma, pgoff);
      return seam.wanted == seam.found;
    }
    case MergeCondition::kAnonPgoff:
      return vma->attrs.anon_shift == attrs.anon_shift || !is_private_file(attrs);
  }
  return false;
}

// The first of the conditions [from, to) in the kernel's order that does not hold.
MergeVerdict verdict_of(unsigned from, unsigned to, const MergeQuestion& ask, PageOffset pgoff) {
  for (unsigned i = from; i < to; ++i) {
    if (!holds(kKernelOrder[i], ask, pgoff)) {
      return kVerdictOf[static_cast<unsigned>(kKernelOrder[i])];
    }
  }
  return MergeVerdict::kMergeable;
}

PageOffset facing_pgoff(const MergeQuestion& ask) {
  return ask.side == MergeSide::kPrev ? ask.attrs.vm_pgoff : ask.attrs.vm_pgoff + ask.range.pages();
}

// What the two sides bring. The neighbour is the lower one on the side of prev.
void add_values(MergeCondition condition, const MergeQuestion& ask, MergeAnswer& answer) {
  const Vma& vma = *ask.neighbour;
  const auto pair = [&](u64 of_neighbour, u64 of_range) {
    const bool below = ask.side == MergeSide::kPrev;
    answer.lower = below ? of_neighbour : of_range;
    answer.upper = below ? of_range : of_neighbour;
  };
  switch (condition) {
    case MergeCondition::kNeighbour:
      return pair(1, 1);
    case MergeCondition::kAdjacent:
      return ask.side == MergeSide::kPrev ? pair(vma.vm_end.value(), ask.range.start.value())
                                          : pair(vma.vm_start.value(), ask.range.end.value());
    case MergeCondition::kSpecial:
      return pair(vma.attrs.vm_flags & kVmSpecial, ask.attrs.vm_flags & kVmSpecial);
    case MergeCondition::kPolicy:
      return pair(vma.attrs.vm_policy, ask.attrs.vm_policy);
    case MergeCondition::kFlags:
      return pair(vma.attrs.vm_flags, ask.attrs.vm_flags);
    case MergeCondition::kFile:
      return pair(vma.attrs.file, ask.attrs.file);
    case MergeCondition::kClose:
      return pair(vma.attrs.has_close, ask.attrs.has_close);
    case MergeCondition::kUffd:
      return pair(vma.attrs.uffd_ctx, ask.attrs.uffd_ctx);
    case MergeCondition::kName:
      return pair(vma.attrs.anon_name, ask.attrs.anon_name);
    case MergeCondition::kAnonVma:
      return pair(vma.attrs.anon_vma, ask.attrs.anon_vma);
    case MergeCondition::kSingular:
      return pair(vma.attrs.anon_singular, ask.attrs.anon_singular);
    case MergeCondition::kPgoff: {
      const Seam seam = seam_of(ask.side, vma, facing_pgoff(ask));
      answer.lower = seam.wanted.value();
      answer.upper = seam.found.value();
      return;
    }
    case MergeCondition::kAnonPgoff:
      return pair(vma.attrs.anon_shift.residue(), ask.attrs.anon_shift.residue());
  }
}

// Whether the kernel gets to this condition when those before it hold.
bool is_asked(MergeCondition condition, const MergeQuestion& ask, bool adjacent) {
  switch (condition) {
    case MergeCondition::kSpecial:
    case MergeCondition::kNeighbour:
      return true;
    case MergeCondition::kAdjacent:
      return ask.neighbour != nullptr;
    case MergeCondition::kClose:
      return adjacent && ask.close != CloseAsked::kOfNobody;
    case MergeCondition::kSingular:
      return adjacent && exactly_one(ask.attrs.anon_vma, ask.neighbour->attrs.anon_vma);
    case MergeCondition::kAnonPgoff:
      return adjacent && is_private_file(ask.attrs);
    default:
      return adjacent;
  }
}

}  // namespace

MergeExplanation explain_merge(const MergeQuestion& ask) {
  MergeExplanation explanation;
  explanation.mergeable = true;
  bool adjacent = false;
  for (const MergeCondition condition : kKernelOrder) {
    MergeAnswer& answer = explanation.answers[static_cast<unsigned>(condition)];
    const bool answerable = ask.neighbour || condition == MergeCondition::kNeighbour ||
                            condition == MergeCondition::kSpecial;
    answer.asked = is_asked(condition, ask, adjacent);
    answer.held = answerable && holds(condition, ask, facing_pgoff(ask));
    if (ask.neighbour) add_values(condition, ask, answer);
    if (condition == MergeCondition::kAdjacent) adjacent = answer.held;
    if (answer.asked && !answer.held) explanation.mergeable = false;
  }
  return explanation;
}

MergeVerdict is_mergeable_vma(const Vma& vma, const VmaAttrs& attrs) {
  return verdict_of(kVmaRules, kAnonVmaRules, {MergeSide::kPrev, &vma, {}, attrs}, {});
}

MergeVerdict can_vma_merge_after(const Vma& vma, const VmaAttrs& attrs, PageOffset pgoff,
                                 const MergeRules& rules) {
  return verdict_of(kVmaRules, kMergeConditions,
                    {MergeSide::kPrev, &vma, {}, attrs, CloseAsked::kOfNeighbour, rules}, pgoff);
}

MergeVerdict can_vma_merge_before(const Vma& vma, const VmaAttrs& attrs, PageOffset pgoff) {
  return verdict_of(kVmaRules, kMergeConditions, {MergeSide::kNext, &vma, {}, attrs}, pgoff);
}

MergeVerdict verdict_with_prev(const Vma* prev, AddrRange range, const VmaAttrs& attrs,
                               CloseAsked close, const MergeRules& rules) {
  const MergeQuestion ask{MergeSide::kPrev, prev, range, attrs, close, rules};
  return verdict_of(0, kMergeConditions, ask, facing_pgoff(ask));
}

MergeVerdict verdict_with_next(const Vma* next, AddrRange range, const VmaAttrs& attrs,
                               CloseAsked close, const MergeRules& rules) {
  const MergeQuestion ask{MergeSide::kNext, next, range, attrs, close, rules};
  return verdict_of(0, kMergeConditions, ask, facing_pgoff(ask));
}

// Where only a VMA that goes is asked: the VMA of the range goes when it is merged as a whole.
CloseAsked AddressSpace::close_asked(const Vma* mid, AddrRange range) const {
  if (merge_rules_.close == CloseRule::kNeverMerged) return CloseAsked::kOfNeighbour;
  return mid && mid->range() == range ? CloseAsked::kOfRange : CloseAsked::kOfNobody;
}

MergePlan AddressSpace::plan_merge(Vma* prev, AddrRange range, const VmaAttrs& attrs,
                                   const Vma* apart) const {
  MergePlan plan;
  plan.prev = prev;
  plan.mid = prev ? next(prev) : first();
  plan.next = plan.mid;
  if (plan.mid && plan.mid->vm_end == range.end) plan.next = next(plan.mid);  // cases 6, 7, 8
  SVMA_DCHECK(!range.empty() && range.page_aligned());
  SVMA_DCHECK(!prev || prev->vm_start < range.start);
  SVMA_DCHECK(!plan.mid || range.end <= plan.mid->vm_end || range.start >= plan.mid->vm_end);

  const CloseAsked close = close_asked(plan.mid, range);
  const auto partner = [&](const Vma* vma) { return vma != apart ? vma : nullptr; };
  plan.with_prev = verdict_with_prev(partner(prev), range, attrs, close, merge_rules_);
  plan.with_next = verdict_with_next(partner(plan.next), range, attrs, close, merge_rules_);
  const bool merge_prev = plan.with_prev == MergeVerdict::kMergeable;
  bool merge_next = plan.with_next == MergeVerdict::kMergeable;
  if (merge_prev && merge_next &&
      !is_mergeable_anon_vma(prev->attrs.anon_vma, plan.next->attrs.anon_vma, nullptr)) {
    plan.with_next = MergeVerdict::kBothAnonVma;
    merge_next = false;
  }
  if (merge_prev && merge_next && merge_rules_.close == CloseRule::kNeverRemoved &&
      plan.next->attrs.has_close) {
    plan.with_next = MergeVerdict::kClose;  // it would go; prev alone may still grow
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

bool AddressSpace::only_close_forbids_merge_below(AddrRange range, const VmaAttrs& attrs) const {
  Vma* prev = nullptr;
  const Vma* const vma = find_vma_prev(range.start, &prev);
  return merge_rules_.close == CloseRule::kNeverRemoved && vma && vma->range() == range &&
         vma->attrs.has_close &&
         verdict_with_prev(prev, range, attrs, CloseAsked::kOfNobody, merge_rules_) ==
             MergeVerdict::kMergeable;
}

Vma* AddressSpace::vma_merge(Vma* prev, AddrRange range, const VmaAttrs& attrs, const Vma* apart) {
  const MergePlan plan = plan_merge(prev, range, attrs, apart);
  VmFlags kept = attrs.vm_flags;
  if (plan.with_prev == MergeVerdict::kMergeable) kept |= prev->attrs.vm_flags;
  if (plan.with_next == MergeVerdict::kMergeable) kept |= plan.next->attrs.vm_flags;
  Vma* const merged = carry_out(plan, range);
  if (merged != nullptr) merged->attrs.vm_flags |= kept & merge_rules_.sticky;
  return merged;
}

Vma* AddressSpace::carry_out(const MergePlan& plan, AddrRange range) {
  Vma* const prev = plan.prev;
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
