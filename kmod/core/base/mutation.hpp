// SPDX-License-Identifier: GPL-2.0-only
//
// Wrong on purpose: what tests switch on to see that a wrong prediction is found and blamed on the
// right operation. Each is one line at the place it corrupts; all are off unless
// svma_core_mutate() was called, and whoever asks is told which one is on.
#pragma once

#include "base/types.hpp"

namespace svma {

// Those of reverse mapping, which the unit tests switch on.
#define SVMA_RMAP_MUTATIONS(X)                                                                 \
  X(rmap_clone_misses_root)     /* a cloned chain lacks its oldest anon_vma */                 \
  X(rmap_clone_not_active)      /* a clone is not counted as faulting into its anon_vma */     \
  X(rmap_undo_forgotten)        /* a clone that fails leaves what it has linked */             \
  X(rmap_chain_at_tail)         /* chain entries are added at the wrong end */                 \
  X(rmap_wrong_parent)          /* a forked anon_vma is a child of the root */                 \
  X(rmap_child_not_counted)     /* a forked anon_vma is no child of its parent */              \
  X(rmap_root_held_twice)       /* a forked anon_vma holds its root twice */                   \
  X(rmap_never_reuses)          /* a fork never reuses an anon_vma */                          \
  X(rmap_reuses_branching)      /* a fork reuses an anon_vma that has two children */          \
  X(rmap_reuses_active)         /* a fork reuses an anon_vma that others fault into */         \
  X(rmap_prepare_alone)         /* a first fault never shares a neighbour's anon_vma */        \
  X(rmap_prepare_shares_forked) /* a first fault shares one with a forked neighbour */         \
  X(rmap_import_forgotten)      /* a merge does not clone the chain of what it swallows */     \
  X(rmap_stale_bounds)          /* a VMA changes without leaving its anon_vmas */              \
  X(rmap_avc_leaked)            /* a chain entry is not given back */                          \
  X(rmap_unlink_still_active)   /* a VMA that goes is still counted as faulting */             \
  X(rmap_fork_file_behind)      /* a forked file mapping is not put right behind its parent */ \
  X(rmap_address_off_by_one)    /* a walk tells addresses one page too high */

// Those of what feeds the trees of files, likewise.
#define SVMA_FILE_MUTATIONS(X)                                                               \
  X(file_split_forgotten)    /* the new part of a split is not put into its file's tree */   \
  X(file_stale_after_shrink) /* what gives pages up to a neighbour keeps its place there */  \
  X(file_change_ignored)     /* a VMA that is found to map another file stays where it is */ \
  X(file_tree_leaked)        /* a tree whose last VMA has gone is kept */

// Those of page tables, likewise.
#define SVMA_PGTABLE_MUTATIONS(X)                                                            \
  X(pgtable_index_off_by_one_bit)  /* the index at a level is taken one bit too high */      \
  X(pgtable_nx_ignored)            /* all pages are executable */                            \
  X(pgtable_upper_ignored)         /* permissions are those of the last entry alone */       \
  X(pgtable_inversion_forgotten)   /* frames and offsets of what is not present */           \
  X(pgtable_protnone_empty)        /* a PROT_NONE page is no page */                         \
  X(pgtable_huge_pat_in_frame)     /* PAT of a huge page belongs to its frame's number */    \
  X(pgtable_swap_soft_dirty)       /* soft-dirty of what is swapped is another bit */        \
  X(pgtable_migration_as_swap)     /* what is being migrated is in a swap area */            \
  X(pgtable_1g_as_2m)              /* a page of 1 GiB is told as one of 2 MiB */             \
  X(pgtable_zero_as_anon)          /* the zero page is told as what it looks like */         \
  X(pgtable_hole_too_far)          /* an entry behind a hole is passed over */               \
  X(pgtable_table_twice)           /* a table is counted again where a walk goes on in it */ \
  X(pgtable_huge_not_clipped)      /* a huge page counts as a whole where a part is asked */ \
  X(pgtable_run_joins_permissions) /* a run goes on where permissions change */

// The name, and what goes wrong. Each name is also what the module parameter `mutation` takes.
#define SVMA_MUTATIONS(X)                                                                 \
  X(skip_merge_below)       /* mmap does not grow the VMA below */                        \
  X(skip_merge_above)       /* mmap does not grow the VMA above */                        \
  X(skip_merge)             /* vma_merge() finds nothing to merge */                      \
  X(mmap_wrong_pgoff)       /* a new file mapping begins one page later in its file */    \
  X(mmap_not_softdirty)     /* a new mapping lacks VM_SOFTDIRTY */                        \
  X(mmap_total_vm)          /* mmap accounts one page too many */                         \
  X(split_off_by_one)       /* a split one page too high */                               \
  X(split_wrong_pgoff)      /* the upper part of a split keeps the offset of the lower */ \
  X(munmap_keeps_last)      /* munmap forgets the last VMA of its range */                \
  X(munmap_one_page_more)   /* munmap takes one page too many */                          \
  X(munmap_locked_vm)       /* munmap does not take locked pages off locked_vm */         \
  X(gap_not_updated)        /* unlinking leaves rb_subtree_gap as it was */               \
  X(hiwater_forgotten)      /* unmapping does not note the high-water mark */             \
  X(stale_vmacache)         /* unmapping does not invalidate the vmacache */              \
  X(brk_never_merges)       /* brk always makes a new VMA */                              \
  X(brk_data_vm)            /* brk does not account data_vm */                            \
  X(mprotect_wrong_account) /* mprotect leaves the counters of the classes */             \
  X(mprotect_no_account)    /* mprotect forgets VM_ACCOUNT */                             \
  X(mlock_locked_vm)        /* mlock does not count locked_vm */                          \
  X(mremap_keeps_source)    /* a move leaves its source mapped */                         \
  X(mremap_wrong_pgoff)     /* a moved mapping gets the offset of its source's start */   \
  X(mremap_expand_short)    /* growth in place is one page short */                       \
  X(madvise_wrong_flag)     /* advice sets VM_DONTDUMP instead */                         \
  X(mbind_ignored)          /* mbind does not change the policy */                        \
  X(uffd_keeps_flags)       /* userfaultfd registers a range without its flags */         \
  X(anon_vma_lost)          /* a merge does not take the anon_vma over */                 \
  X(stack_wrong_pgoff)      /* stack growth leaves vm_pgoff */                            \
  X(fork_keeps_locked)      /* the child inherits VM_LOCKED */                            \
  X(fork_copies_dontcopy)   /* the child inherits what VM_DONTCOPY keeps back */          \
  X(search_off_by_one)      /* an address search answers one page higher */               \
  X(search_ignores_guard)   /* an address search does not mind guard gaps */              \
  X(search_other_limit)     /* an address search is expected to end a page earlier */     \
  X(mremap_call_moves)      /* mremap is thought to move what has room to grow */         \
  X(brk_call_longer)        /* brk is thought to map one page too many */                 \
  X(mbind_call_stops)       /* mbind is thought to visit one VMA only */                  \
  SVMA_RMAP_MUTATIONS(X)                                                                  \
  SVMA_FILE_MUTATIONS(X)                                                                  \
  SVMA_PGTABLE_MUTATIONS(X)

enum class Mutation : u8 {
  none,
#define SVMA_MUTATION_NAME(name) name,
  SVMA_MUTATIONS(SVMA_MUTATION_NAME)
#undef SVMA_MUTATION_NAME
};

// One for all shadows: a test has the machine to itself.
inline constinit Mutation active_mutation = Mutation::none;

inline bool mutated(Mutation mutation) {
  return __builtin_expect(active_mutation == mutation, false);
}

}  // namespace svma
