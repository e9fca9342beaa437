// SPDX-License-Identifier: GPL-2.0-only
/*
 * The live layout of one process.
 *
 * Where the kernel has iter/task_vma it calls dump_vma for each VMA, with the mmap_lock of the mm held for reading. It
 * may drop the lock between two calls (a waiting writer, a full buffer). Where it has not, iter/task calls
 * dump_list, which walks the list without any lock. Neither is a snapshot: whoever reads it proves with the module's
 * sequence number that nothing changed meanwhile.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "core_fixes.bpf.h"
#include "svma_vma.h"

char LICENSE[] SEC("license") = "GPL";

/* Set by the loader to a random odd number, so that mm_cookie tells mms apart without showing an address. */
const volatile __u64 cookie_factor = 1;

static __always_inline void write_header(struct seq_file *seq, struct task_struct *task,
					 struct mm_struct *mm)
{
	__u64 identity = 0;

	/* The verifier lets nobody calculate with a typed pointer, but with the same bytes read as a number. */
	bpf_probe_read_kernel(&identity, sizeof(identity), &mm);

	struct svma_bpf_header header = {
		.kind = SVMA_BPF_HEADER,
		.tid = BPF_CORE_READ(task, pid),
		.mm_cookie = identity * cookie_factor,
		.map_count = BPF_CORE_READ(mm, map_count),
		.total_vm = BPF_CORE_READ(mm, total_vm),
		.data_vm = BPF_CORE_READ(mm, data_vm),
		.exec_vm = BPF_CORE_READ(mm, exec_vm),
		.stack_vm = BPF_CORE_READ(mm, stack_vm),
		.locked_vm = BPF_CORE_READ(mm, locked_vm),
	};

	bpf_seq_write(seq, &header, sizeof(header));
}

static __always_inline void write_vma(struct seq_file *seq, struct task_struct *task,
				      struct vm_area_struct *vma)
{
	struct inode *inode = core_vma_inode(vma);
	struct svma_bpf_vma record = {
		.kind = SVMA_BPF_VMA,
		.tid = BPF_CORE_READ(task, pid),
		.start = BPF_CORE_READ(vma, vm_start),
		.end = BPF_CORE_READ(vma, vm_end),
		.flags = core_vma_flags(vma),
		.pgoff = BPF_CORE_READ(vma, vm_pgoff),
	};

	if (inode) {
		record.ino = BPF_CORE_READ(inode, i_ino);
		record.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	}
	bpf_seq_write(seq, &record, sizeof(record));
}

/*
 * The end record comes from the call without a VMA, which the kernel makes once when the pass is over. A
 * record that did not fit makes the kernel call again for the same VMA with a fresh buffer: header and VMA
 * of the first call are then taken back together.
 */
SEC("iter/task_vma")
int dump_vma(struct bpf_iter__task_vma *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct svma_bpf_end end = { .kind = SVMA_BPF_END };

	if (!task || !vma) {
		bpf_seq_write(seq, &end, sizeof(end));
		return 0;
	}
	if (ctx->meta->seq_num == 0)
		write_header(seq, task, BPF_CORE_READ(vma, vm_mm));
	write_vma(seq, task, vma);
	return 0;
}

/*
 * iter/task can't be told to look at one process, and its buffer holds all that is written about one task or nothing.
 * So the reader says which process, and calls again for the next piece of the list until there is none.
 */
__s32 wanted_tgid;
__u64 resume;			/* the VMA to go on with; 0: the first, or no more */
__u32 pieces;			/* the wanted process was found and looked at this often */

#define SVMA_BPF_PIECE 400	/* VMAs; as many records as surely fit */

SEC("iter/task")
int dump_list(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct svma_bpf_end end = { .kind = SVMA_BPF_END };
	struct vm_area_struct *vma;
	struct mm_struct *mm;
	__u32 i;

	if (!task || BPF_CORE_READ(task, tgid) != wanted_tgid || pieces)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	if (!mm)
		return 0;
	pieces++;
	if (resume)
		vma = (struct vm_area_struct *)resume;
	else
		vma = core_first_vma(mm);
	if (!resume)
		write_header(seq, task, mm);
	resume = 0;
	if (core_mmap_write_locked(mm))
		return 0;
	for (i = 0; i < SVMA_BPF_PIECE && vma; i++) {
		write_vma(seq, task, vma);
		vma = core_next_vma(vma);
	}
	if (core_mmap_write_locked(mm))
		return 0;
	if (vma)
		resume = (__u64)vma;
	else
		bpf_seq_write(seq, &end, sizeof(end));
	return 0;
}
