// SPDX-License-Identifier: GPL-2.0-only
//
// The rules by which two neighbouring ranges may become one VMA, each condition by name, so that
// the same code decides a merge and explains why there was none. Rules of v6.1: mm/mmap.c
// is_mergeable_vma(), is_mergeable_anon_vma(), can_vma_merge_before(), can_vma_merge_after().
#pragma once

#include "base/types.hpp"
#include "vma/vma.hpp"

namespace svma {

// What a merge with a neighbour asks. The numbers are those of enum svma_condition_id in
// uapi/svma.h; the shim asserts it.
enum class MergeCondition : u8 {
  kNeighbour = 0,
  kAdjacent = 1,
  kSpecial = 2,
  kPolicy = 3,
  kFlags = 4,
  kFile = 5,
  kClose = 6,
  kUffd = 7,
  kName = 8,
  kAnonVma = 9,    // the same, or one is missing
  kSingular = 10,  // asked where one is missing, see AnonRule
  kPgoff = 11,
  kAnonPgoff = 12,  // of private file mappings: indices of anonymous pages continue each other, too
};
inline constexpr unsigned kMergeConditions = 13;

// The first condition that forbids a merge, in the order in which the kernel tests them.
enum class MergeVerdict : u8 {
  kMergeable,
  kSpecial,      // VM_IO, VM_DONTEXPAND, VM_PFNMAP or VM_MIXEDMAP
  kNoNeighbour,  // there is no VMA on that side
  kNotAdjacent,  // there is one, but not directly at the range
  kPolicy,       // different memory policies
  kFlags,        // vm_flags differ in more than VM_SOFTDIRTY and MergeRules::sticky
  kFile,         // different files, or a file and anonymous memory
  kClose,        // somebody has vm_ops->close, see CloseAsked
  kUffd,         // different userfaultfd contexts
  kName,         // different names of anonymous memory
  kAnonVma,      // different anon_vmas, or one whose chain shows that it is shared with a fork
  kPgoff,        // page offsets do not continue each other
  kAnonPgoff,    // ... and neither do those of anonymous pages
  kBothAnonVma,  // each side would merge, but their anon_vmas differ: only the lower side does
};

const char* to_string(MergeVerdict verdict);

// Which picture of vma_merge() applies; the numbers are those of the kernel's comment in v6.1. P is
// prev, N the VMA after it, X the one after that; A, in the line above, the range of the request.
//
//   hole (mmap, brk, mremap):          mapped (mprotect, mlock, madvise, mbind ...):
//          AAAA                            AAAA             AAAA            AAAA
//      PPPP    NNNN                    PPPPPPNNNN       PPPPPPNNNN      PPPPNNNNXXXX
//   1  PPPPPPPPPPPP                 4  PPNNNNNNNN    (prev = P, A at its end)
//   2  PPPPPPPPNNNN                 5                PPPPPPPPPPNN  (A at the start of N)
//   3  PPPPNNNNNNNN                 6                                   PPPPPPPPPPPP
//                                   7                                   PPPPPPPPXXXX
//                                   8                                   PPPPXXXXXXXX
enum class MergeCase : u8 {
  kNone = 0,
  k1PrevTakesAllOfNext = 1,
  k2PrevGrowsIntoHole = 2,
  k3NextGrowsIntoHole = 3,
  k4NextTakesEndOfPrev = 4,
  k5PrevTakesStartOfNext = 5,
  k6PrevTakesNextAndNextNext = 6,
  k7PrevTakesNext = 7,
  k8NextNextTakesNext = 8,
};

// What vma_merge() would do, and why.
struct MergePlan {
  MergeCase merge_case = MergeCase::kNone;
  MergeVerdict with_prev = MergeVerdict::kNoNeighbour;
  MergeVerdict with_next = MergeVerdict::kNoNeighbour;
  Vma* prev = nullptr;
  Vma* mid = nullptr;   // the VMA after prev: under the range, or above it when the range is a hole
  Vma* next = nullptr;  // the VMA that begins, if adjacent, at the end of the range
};

// Which side of a range a neighbour is on.
enum class MergeSide : u8 { kPrev, kNext };

// When vm_ops->close, by which a driver counts its VMAs, forbids a merge.
enum class CloseRule : u8 {
  kNeverMerged,   // whenever the neighbour has it, which would grow or go
  kNeverRemoved,  // only if a VMA that has it would go. v6.12, 01c373e9a5ce "mm: rework
                  // vm_ops->close() handling on VMA merge"
};

// When an anon_vma may come to a range or a neighbour that has none. The one that brings it must
// not have been cloned in fork: its chain has exactly one entry.
enum class AnonRule : u8 {
  kNeighbourBrings,  // only the neighbour may bring one
  kEitherBrings,  // v6.16, 879bca0a2c4f "mm/vma: fix incorrectly disallowed anonymous VMA merges"
};

// What of a merge differs between kernels.
struct MergeRules {
  CloseRule close = CloseRule::kNeverMerged;
  AnonRule anon = AnonRule::kNeighbourBrings;
  // Flags that a merged VMA has if any of its parts had them; they need not be equal.
  VmFlags sticky = 0;
};

// Of whom a merge asks whether it has vm_ops->close; see CloseRule.
enum class CloseAsked : u8 {
  kOfNeighbour,
  kOfRange,  // the range is all of a VMA, which goes
  kOfNobody,
};

// Those of v6.1 and before.
inline constexpr MergeRules kFirstMergeRules{};

// One merge to be judged: a range with `attrs`, and its neighbour on one side.
struct MergeQuestion {
  MergeSide side;
  const Vma* neighbour;  // null: there is none
  AddrRange range;
  const VmaAttrs& attrs;
  CloseAsked close = CloseAsked::kOfNeighbour;
  const MergeRules& rules = kFirstMergeRules;
};

// One condition of a merge, with what each side brings: for kAdjacent the end of the lower and the
// start of the upper one, for kPgoff the page offset that must follow the lower one and that of the
// upper one, for kClose and kSingular 1 where it is so, else the attribute itself.
struct MergeAnswer {
  u64 lower = 0;
  u64 upper = 0;
  bool asked = false;
  bool held = false;
};

struct MergeExplanation {
  MergeAnswer answers[kMergeConditions];  // by MergeCondition
  bool mergeable = false;                 // all conditions that are asked hold
};

// Every condition, not only the first that fails. Without a neighbour only kNeighbour and kSpecial
// are asked, next to a hole all but those two and kAdjacent are answered without being asked.
MergeExplanation explain_merge(const MergeQuestion& question);

// Flags, file, close, uffd, name. Not symmetric: only `vma`, which would grow or go, is asked for a
// close operation.
MergeVerdict is_mergeable_vma(const Vma& vma, const VmaAttrs& attrs);

// Whether ranges with these anon_vmas may become one VMA. Equal ones may. One of them may be
// missing only if the chain of `vma` has exactly one entry: a longer one was cloned in fork, and
// extending it would make more pages share the parent's lock. `vma` null waives that test.
//
// Note what follows, and is so in the kernel: an empty chain is not singular either, so a range
// that has an anon_vma does not merge with a `vma` that has none.
// That is AnonRule::kNeighbourBrings; with the other, the range may bring one, if its own chain is
// singular.
constexpr bool is_mergeable_anon_vma(u64 anon_vma1, u64 anon_vma2, const Vma* vma) {
  if ((!anon_vma1 || !anon_vma2) && (!vma || vma->attrs.anon_singular)) return true;
  return anon_vma1 == anon_vma2;
}

// Whether a range with `attrs` at page offset `pgoff` can be merged behind `vma`, which ends where
// the range begins. Policy and adjacency are the caller's, as in the kernel.
MergeVerdict can_vma_merge_after(const Vma& vma, const VmaAttrs& attrs, PageOffset pgoff,
                                 const MergeRules& rules = kFirstMergeRules);

// The same for a range before `vma`; `pgoff` is the page offset of the range's *end*.
MergeVerdict can_vma_merge_before(const Vma& vma, const VmaAttrs& attrs, PageOffset pgoff);

// All conditions towards the lower and the upper neighbour of `range`, which may be null.
MergeVerdict verdict_with_prev(const Vma* prev, AddrRange range, const VmaAttrs& attrs,
                               CloseAsked close = CloseAsked::kOfNeighbour,
                               const MergeRules& rules = kFirstMergeRules);
MergeVerdict verdict_with_next(const Vma* next, AddrRange range, const VmaAttrs& attrs,
                               CloseAsked close = CloseAsked::kOfNeighbour,
                               const MergeRules& rules = kFirstMergeRules);

}  // namespace svma
