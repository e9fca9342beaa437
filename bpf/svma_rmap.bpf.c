// SPDX-License-Identifier: GPL-2.0-only
/*
 * The live reverse mapping of one process: the chain of anon_vmas of each of its VMAs.
 *
 * As in svma_vma.bpf.c: iter/task_vma calls dump_chains for each VMA with the mmap_lock held for reading; where the
 * kernel has no such iterator, iter/task calls dump_chain_list, which walks the list of VMAs without any lock. Neither is
 * a snapshot, and under the lock held for reading a first fault may still add to a chain: whoever reads it proves with
 * the module's stamp that nothing changed meanwhile.
 *
 * Another road, on_insert and so on, tells what is put into the trees of anon_vmas and taken out, without looking at
 * any list.
 *
 * What an anon_vma counts changes with relatives, too. Their ends are counted here, since a process that ends has left
 * the module's lists long before its VMAs are unlinked.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "core_fixes.bpf.h"
#include "svma_rmap.h"

/* BPF_PROG() gives every program the raw context, too. */
#pragma clang diagnostic ignored "-Wunused-parameter"

char LICENSE[] SEC("license") = "GPL";

/* The same as in svma_vma.bpf.c, so that both give an mm one cookie. */
const volatile __u64 cookie_factor = 1;

/* The verifier lets nobody calculate with a typed pointer, but with the same bytes read as a number. */
static __always_inline __u64 address_of(const void *object)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &object);
	return address;
}

static __always_inline void write_header(struct seq_file *seq, struct task_struct *task,
					 struct mm_struct *mm)
{
	struct svma_rmap_header header = {
		.kind = SVMA_RMAP_HEADER,
		.tid = BPF_CORE_READ(task, pid),
		.mm_cookie = address_of(mm) * cookie_factor,
		.one_counter = !core_anon_vma_has_two_counters(),
	};

	bpf_seq_write(seq, &header, sizeof(header));
}

/* The list_head that begins the chain of a VMA. */
static __always_inline __u64 chain_head(struct vm_area_struct *vma)
{
	return address_of(vma) + bpf_core_field_offset(struct vm_area_struct, anon_vma_chain);
}

static __always_inline __u64 next_of(__u64 list_head)
{
	return (__u64)BPF_CORE_READ((struct list_head *)list_head, next);
}

/* `node`: the same_vma of an entry. */
static __always_inline void write_link(struct seq_file *seq, struct task_struct *task,
				       struct vm_area_struct *vma, __u64 node, __u32 bits)
{
	struct anon_vma_chain *avc =
		(void *)(node - bpf_core_field_offset(struct anon_vma_chain, same_vma));
	struct anon_vma *anon_vma = BPF_CORE_READ(avc, anon_vma);
	struct svma_rmap_link record = {
		.kind = SVMA_RMAP_LINK,
		.tid = BPF_CORE_READ(task, pid),
		.start = BPF_CORE_READ(vma, vm_start),
		.end = BPF_CORE_READ(vma, vm_end),
		.anon_vma = (__u64)anon_vma * cookie_factor,
		.root = (__u64)BPF_CORE_READ(anon_vma, root) * cookie_factor,
		.parent = (__u64)BPF_CORE_READ(anon_vma, parent) * cookie_factor,
		.bits = bits,
		.refcount = BPF_CORE_READ(anon_vma, refcount.counter),
		.children = core_anon_vma_children(anon_vma),
		.active_vmas = core_anon_vma_active(anon_vma),
	};

	if (BPF_CORE_READ(vma, anon_vma) == anon_vma)
		record.bits |= SVMA_RMAP_OWN;
	bpf_seq_write(seq, &record, sizeof(record));
}

/* The end record as in svma_vma.bpf.c: it comes from the one call without a VMA. */
SEC("iter/task_vma")
int dump_chains(struct bpf_iter__task_vma *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct svma_rmap_end end = { .kind = SVMA_RMAP_END };
	__u64 head, node, next;
	__u32 i;

	if (!task || !vma) {
		bpf_seq_write(seq, &end, sizeof(end));
		return 0;
	}
	if (ctx->meta->seq_num == 0)
		write_header(seq, task, BPF_CORE_READ(vma, vm_mm));
	head = chain_head(vma);
	node = next_of(head);
	for (i = 0; i < SVMA_RMAP_CHAIN && node && node != head; i++) {
		next = next_of(node);
		write_link(seq, task, vma, node,
			   i == SVMA_RMAP_CHAIN - 1 && next != head ? SVMA_RMAP_CUT : 0);
		node = next;
	}
	return 0;
}

/* As dump_list in svma_vma.bpf.c: the reader says which process, and calls again for the next piece. */
__s32 wanted_tgid;
__u64 resume_vma;		/* the VMA to go on with; 0: the first, or no more */
__u64 resume_node;		/* and the entry of its chain; 0: the first */
__u32 pieces;			/* the wanted process was found and looked at this often */

#define SVMA_RMAP_PIECE 400	/* VMAs and entries together; as many records as surely fit */

SEC("iter/task")
int dump_chain_list(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct svma_rmap_end end = { .kind = SVMA_RMAP_END };
	struct vm_area_struct *vma;
	struct mm_struct *mm;
	__u64 node;
	__u32 i;

	if (!task || BPF_CORE_READ(task, tgid) != wanted_tgid || pieces)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	if (!mm)
		return 0;
	pieces++;
	if (resume_vma) {
		vma = (struct vm_area_struct *)resume_vma;
		node = resume_node;
	} else {
		vma = core_first_vma(mm);
		node = 0;
		write_header(seq, task, mm);
	}
	resume_vma = 0;
	if (core_mmap_write_locked(mm))
		return 0;
	for (i = 0; i < SVMA_RMAP_PIECE && vma; i++) {
		if (!node)
			node = next_of(chain_head(vma));
		if (!node)
			return 0;
		if (node == chain_head(vma)) {
			vma = core_next_vma(vma);
			node = 0;
			continue;
		}
		write_link(seq, task, vma, node, 0);
		node = next_of(node);
	}
	if (core_mmap_write_locked(mm))
		return 0;
	resume_node = node;
	if (vma)
		resume_vma = (__u64)vma;
	else
		bpf_seq_write(seq, &end, sizeof(end));
	return 0;
}

/*
 * Of all mms. Read by the harness. __mmput() calls exit_aio() before exit_mmap(), at whose entry the module lets go of an
 * mm: so no moment is left out between the two (kernel/fork.c, v5.10 to v7.3). Only an end whose beginning was seen
 * counts, so the two are equal when none is under way.
 */
__u64 exits_begun;
__u64 exits_done;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);	/* address of the mm */
	__type(value, __u32);
} ending SEC(".maps");

SEC("fentry/exit_aio")
int BPF_PROG(on_exit_begins, struct mm_struct *mm)
{
	__u64 key = address_of(mm);
	__u32 value = 1;

	/* Who finds no room is not seen to be done either: a difference then stands that need not. */
	if (bpf_map_update_elem(&ending, &key, &value, BPF_ANY) == 0)
		__sync_fetch_and_add(&exits_begun, 1);
	return 0;
}

SEC("fexit/exit_mmap")
int BPF_PROG(on_exit_done, struct mm_struct *mm)
{
	__u64 key = address_of(mm);

	if (bpf_map_delete_elem(&ending, &key) == 0)
		__sync_fetch_and_add(&exits_done, 1);
	return 0;
}

/*
 * --- events of all mms
 *
 * By kprobes, at the entries: a kernel that preempts BPF programs (7.3) would leave out some runs of fentry ones.
 */
__u64 submitted;		/* events that are in the ring, all of them whole */
__u64 dropped;			/* events that found it full */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

static __always_inline int tell(const struct svma_rmap_event *event)
{
	if (bpf_ringbuf_output(&events, (void *)event, sizeof(*event), BPF_RB_NO_WAKEUP))
		__sync_fetch_and_add(&dropped, 1);
	else
		__sync_fetch_and_add(&submitted, 1);
	return 0;
}

static __always_inline int inserted(struct anon_vma_chain *avc)
{
	struct vm_area_struct *vma = BPF_CORE_READ(avc, vma);
	struct svma_rmap_event event = {
		.kind = SVMA_RMAP_INSERTED,
		.mm_cookie = (__u64)BPF_CORE_READ(vma, vm_mm) * cookie_factor,
		.entry = (__u64)avc * cookie_factor,
		.anon_vma = (__u64)BPF_CORE_READ(avc, anon_vma) * cookie_factor,
		.start = BPF_CORE_READ(vma, vm_start),
		.end = BPF_CORE_READ(vma, vm_end),
	};

	return tell(&event);
}

static __always_inline int removed(struct anon_vma_chain *avc)
{
	struct svma_rmap_event event = {
		.kind = SVMA_RMAP_REMOVED,
		.entry = (__u64)avc * cookie_factor,
	};

	return tell(&event);
}

/* fork and exec; its first argument is the new mm. */
SEC("kprobe/mm_init")
int BPF_KPROBE(on_birth, struct mm_struct *mm)
{
	struct svma_rmap_event event = {
		.kind = SVMA_RMAP_BORN,
		.mm_cookie = (__u64)mm * cookie_factor,
	};

	return tell(&event);
}

SEC("kprobe/anon_vma_interval_tree_insert")
int BPF_KPROBE(on_insert, struct anon_vma_chain *avc)
{
	return inserted(avc);
}

SEC("kprobe/anon_vma_interval_tree_remove")
int BPF_KPROBE(on_remove, struct anon_vma_chain *avc)
{
	return removed(avc);
}

/* The same by other names: mm/interval_tree.c in v7.3; not yet in v6.12. */
SEC("kprobe/anon_rmap_tree_insert")
int BPF_KPROBE(on_rmap_insert, struct anon_vma_chain *avc)
{
	return inserted(avc);
}

SEC("kprobe/anon_rmap_tree_remove")
int BPF_KPROBE(on_rmap_remove, struct anon_vma_chain *avc)
{
	return removed(avc);
}
