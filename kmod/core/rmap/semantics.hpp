// SPDX-License-Identifier: GPL-2.0-only
//
// In what the reverse mapping of one kernel differs from that of another, as named choices; the
// algorithms ask for a choice, never for a version.
//
// Looked at and found without consequence, hence no choice: 5.10 leaves vma->anon_vma behind in
// unlink_anon_vmas(), 6.1 and later clear it (only VMAs that are about to be freed get there on
// 5.10); before v7.0 every clone might reuse an anon_vma if its destination had none, which happens
// at fork only; from v6.12 on a chain entry is put into its VMA's list before the root's lock is
// taken; 7.3 has lost a test in the tree search that is always true.
#pragma once

#include "base/choice.hpp"
#include "base/types.hpp"

namespace svma {

struct RmapSemantics {
  const char* name;

  // An anon_vma has one counter, degree, of its children and of the VMAs that fault into it, and
  // what counts below two is reused at fork, unless the parent faults into it. Two counters since
  // v6.0, and in 5.10.262, 2555283eb40d "mm/rmap: Fix anon_vma->degree ambiguity leading to
  // double-reuse".
  bool counts_degree;

  // anon_vma_clone() allocates all it needs before it links anything; before, it linked entry by
  // entry and took back what it had linked when one was not to be had. v7.0, bfc2b13b05a1 "mm/rmap:
  // allocate anon_vma_chain objects unlocked when possible".
  bool clone_allocates_first;

  // The entries of a cloned chain are in the reverse order of their source, and reuse at fork looks
  // at them in the order of the source; before, the order was the same, and looked at from its end.
  // Follows from the loops of bfc2b13b05a1 as above; mm/rmap.c anon_vma_clone() in v7.3.
  bool clone_reverses_chain;

  // anon_vma_fork() has the child's own anon_vma and entry before it clones, and gives them back
  // when one is reused; before, it got them after. mm/rmap.c anon_vma_fork() in v7.3 and v6.12.
  bool fork_allocates_first;

  // Anonymous pages of a private file mapping are indexed by where they were mapped first, not by
  // their offset in the file: a VMA has a second offset for them. include/linux/mm.h
  // vma_start_anon_pgoff() in v7.3; not in v6.12.
  bool anon_pgoff_apart;

  // A moving mremap() that merges its copy into a VMA without pages gives that VMA the source's
  // chain; before, such a merge was not allowed. mm/vma.c vma_expand() in v7.3; not in v6.12.
  bool copy_merge_takes_chain;

  // A merge that removes two VMAs takes two rounds, each of which removes its survivor from all
  // trees and inserts it again. mm/mmap.c __vma_adjust() in v5.10; one round in v6.1.
  bool removes_one_by_one;

  // A VMA whose pages mremap() has moved away as a whole, while MREMAP_DONTUNMAP keeps it, loses
  // its anon_vmas and is as good as new. v5.13, 1583aa278f5f "mm: mremap: unlink anon_vmas when
  // mremap with MREMAP_DONTUNMAP success".
  bool dontunmap_unfaults;

  // VM_MAYBE_GUARD does not keep neighbours from sharing an anon_vma; before, there was no such
  // flag. mm/vma.c anon_vma_compatible() in v7.3.
  bool prepare_ignores_guard;
};

// RETURNS: the profile of a kernel, such as "6.1", or null. "degree" is 5.10 as it was before
// counts_degree changed, which none of Debian's kernels is any more.
const RmapSemantics* find_rmap_semantics(const char* name);

// The choice number `index`, from 0 in the order above. RETURNS: false behind the last one.
bool describe_rmap_choice(const RmapSemantics& semantics, u32 index, Choice& choice);

}  // namespace svma
