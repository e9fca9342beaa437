// SPDX-License-Identifier: GPL-2.0-only
/*
 * The live layout of one process: an iter/task_vma program.
 *
 * The kernel calls it for each VMA with the mmap_lock of the mm held for reading. It may drop the lock
 * between two calls (a waiting writer, a full buffer), so a pass isn't a snapshot: whoever reads it proves with the
 * module's sequence number that nothing changed meanwhile.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "core_fixes.bpf.h"
#include "svma_vma.h"

char LICENSE[] SEC("license") = "GPL";

/* Set by the loader to a random odd number, so that mm_cookie tells mms apart without showing an address. */
const volatile __u64 cookie_factor = 1;

static __always_inline void write_header(struct seq_file *seq, struct task_struct *task,
					 struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	__u64 identity = 0;

	/* The verifier lets nobody calculate with a typed pointer, but with the same bytes read as a number. */
	bpf_probe_read_kernel(&identity, sizeof(identity), &vma->vm_mm);

	struct svma_bpf_header header = {
		.kind = SVMA_BPF_HEADER,
		.tid = task->pid,
		.mm_cookie = identity * cookie_factor,
		.map_count = mm->map_count,
		.total_vm = mm->total_vm,
		.data_vm = mm->data_vm,
		.exec_vm = mm->exec_vm,
		.stack_vm = mm->stack_vm,
		.locked_vm = mm->locked_vm,
	};

	bpf_seq_write(seq, &header, sizeof(header));
}

static __always_inline void write_vma(struct seq_file *seq, struct task_struct *task,
				      struct vm_area_struct *vma)
{
	struct inode *inode = core_vma_inode(vma);
	struct svma_bpf_vma record = {
		.kind = SVMA_BPF_VMA,
		.tid = task->pid,
		.start = vma->vm_start,
		.end = vma->vm_end,
		.flags = core_vma_flags(vma),
		.pgoff = vma->vm_pgoff,
	};

	if (inode) {
		record.ino = inode->i_ino;
		record.dev = inode->i_sb->s_dev;
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
		write_header(seq, task, vma);
	write_vma(seq, task, vma);
	return 0;
}
