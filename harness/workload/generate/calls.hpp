// SPDX-License-Identifier: GPL-2.0-only
// The calls by subject; step.cc puts them together.
#pragma once

#include "workload/generate/step.hpp"

namespace svma::generate {

// mapping.cc: what makes, moves and removes mappings.
Result call_mmap(Context& context);
Result call_munmap(Context& context);
Result call_mremap(Context& context);
Result call_brk(Context& context);
Result call_remap_file_pages(Context& context);
Result call_shmat(Context& context);
Result call_shmdt(Context& context);
Result call_aio(Context& context);
Result call_sweep(Context& context);

// ia32.cc: the same, as a 32-bit program asks for it.
Result call_int80(Context& context);

// attributes.cc: what changes attributes of mappings.
Result call_mprotect(Context& context);
Result call_pkey(Context& context);
Result call_madvise(Context& context);
Result call_process_madvise(Context& context);
Result call_mlock(Context& context);
Result call_munlock(Context& context);
Result call_mlockall(Context& context);
Result call_munlockall(Context& context);
Result call_mbind(Context& context);
Result call_set_mempolicy(Context& context);
Result call_userfaultfd(Context& context);
Result call_prctl(Context& context);
Result call_msync(Context& context);
Result call_mincore(Context& context);
Result call_move_pages(Context& context);

// process.cc: faults, processes and limits.
Result call_touch(Context& context);
Result call_grow(Context& context);
Result call_fork(Context& context);
Result call_vfork(Context& context);
Result call_clone_vm(Context& context);
Result call_exec(Context& context);
Result call_limit(Context& context);
Result call_personality(Context& context);
Result call_lock_future(Context& context);

// prot argument of a call: mostly valid.
uint64_t draw_prot(Random& random);
void add_prot(Line& line, uint64_t prot);

}  // namespace svma::generate
