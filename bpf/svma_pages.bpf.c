// SPDX-License-Identifier: GPL-2.0-only
/*
 * The live page tables of one process at single addresses, and what struct page says of single frames.
 *
 * All memory is in the kernel's direct mapping, so a table is read where its physical address is in there, from mm->pgd
 * down, and a struct page in the array of them. Nobody holds a lock: an entry is what it was at some moment, and a table may be
 * freed meanwhile, which leaves something that differs, and goes away when one looks again. Nothing here is shared with
 * the module.
 *
 * As on 5.10 iter/task can't be told to look at one process, the program looks for it.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "core_fixes.bpf.h"
#include "svma_pages.h"

char LICENSE[] SEC("license") = "GPL";

/* The same as in svma_vma.bpf.c. */
const volatile __u64 cookie_factor = 1;

/* Where the direct mapping and the array of struct page begin; CONFIG_RANDOMIZE_MEMORY moves both. */
extern const void page_offset_base __ksym;
extern const void vmemmap_base __ksym;
/* Absent without CONFIG_X86_5LEVEL, as in Debian's 5.10. */
extern const void __pgtable_l5_enabled __ksym __weak;

/* Questions, and answers in the same order. */
__s32 wanted_tgid;
__u32 wanted_walks;
__u32 wanted_pages;
struct svma_bpf_walk walks[SVMA_BPF_QUESTIONS];
struct svma_bpf_page pages[SVMA_BPF_QUESTIONS];

/* For the functions below, which the verifier looks at one by one. */
__u64 root;
__u64 direct_map;
__u64 page_array;
__u64 cookie;
__u32 levels;

#define ENTRY_PRESENT 1ULL
#define ENTRY_HUGE (1ULL << 7)
#define ENTRY_TABLE 0x000ffffffffff000ULL	/* PTE_PFN_MASK without memory encryption */

static __always_inline __u64 word_at(__u64 address)
{
	__u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (const void *)address);
	return word;
}

__noinline int walk_one(__u32 i)
{
	struct svma_bpf_walk *walk;
	__u64 table = root, entry = 0;
	__u32 level, step;

	if (i >= SVMA_BPF_QUESTIONS)
		return 0;
	walk = &walks[i];
	walk->levels = levels;
	walk->mm_cookie = cookie;
	walk->last = 0;
	for (step = 0; step < SVMA_BPF_LEVELS; step++) {
		level = SVMA_BPF_LEVELS - step;
		walk->entry[level - 1] = 0;
		if (level > levels || !table)
			continue;
		if (bpf_probe_read_kernel(&entry, sizeof(entry),
					  (const void *)(table + ((walk->addr >> (3 + 9 * level)) & 511) * 8))) {
			table = 0;
			continue;
		}
		walk->entry[level - 1] = entry;
		walk->last = level;
		if (!(entry & ENTRY_PRESENT) || (level <= 3 && (entry & ENTRY_HUGE)))
			table = 0;
		else
			table = direct_map + (entry & ENTRY_TABLE);
	}
	return 0;
}

static __always_inline void read_mapping(struct svma_bpf_page *out, __u64 head)
{
	__u64 mapping = core_page_mapping(head);
	struct inode *inode;

	switch (mapping & 3) {
	case 0:
		if (!mapping)
			break;
		out->mapping_kind = SVMA_BPF_MAPPING_FILE;
		inode = BPF_CORE_READ((struct address_space *)mapping, host);
		out->ino = BPF_CORE_READ(inode, i_ino);
		out->dev = BPF_CORE_READ(inode, i_sb, s_dev);
		break;
	case 1:
		out->mapping_kind = SVMA_BPF_MAPPING_ANON;
		out->anon_vma = (mapping & ~3ULL) * cookie_factor;
		break;
	case 3:
		out->mapping_kind = SVMA_BPF_MAPPING_KSM;
		break;
	default:
		out->mapping_kind = SVMA_BPF_MAPPING_MOVABLE;
	}
}

__noinline int page_one(__u32 i)
{
	struct svma_bpf_page *out;
	__u32 size = bpf_core_type_size(struct page), node_bits, zone_bits;
	__u64 page, head;

	if (i >= SVMA_BPF_QUESTIONS)
		return 0;
	out = &pages[i];
	out->bits = 0;
	out->mapping_kind = SVMA_BPF_MAPPING_NONE;
	out->anon_vma = 0;
	out->ino = 0;
	out->dev = 0;
	page = page_array + out->pfn * size;
	if (core_page_flags(page, &out->flags))
		return 0;
	out->bits = SVMA_BPF_PAGE_READ;
	head = core_compound_head(page);
	if (head != page)
		out->bits |= SVMA_BPF_PAGE_TAIL;
	out->head = out->pfn - (page - head) / size;
	out->index = core_page_index(head);
	out->mapcount = BPF_CORE_READ((struct page *)page, _mapcount.counter) + 1;
	out->refcount = BPF_CORE_READ((struct page *)head, _refcount.counter);
	read_mapping(out, head);
	node_bits = core_node_bits();
	zone_bits = core_zone_bits();
	if (node_bits) {
		out->node = out->flags >> (64 - node_bits);
		out->zone = (out->flags >> (64 - node_bits - zone_bits)) & ((1U << zone_bits) - 1);
		out->bits |= SVMA_BPF_PAGE_NODE;
	}
	return 0;
}

SEC("iter/task")
int answer(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mm_struct *mm;
	__u32 i;

	if (ctx->meta->seq_num == 0) {
		direct_map = word_at((__u64)&page_offset_base);
		page_array = word_at((__u64)&vmemmap_base);
		for (i = 0; i < SVMA_BPF_QUESTIONS && i < wanted_pages; i++)
			page_one(i);
	}
	if (!task || !wanted_walks || BPF_CORE_READ(task, tgid) != wanted_tgid)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	if (!mm)
		return 0;
	root = (__u64)BPF_CORE_READ(mm, pgd);
	cookie = (__u64)mm * cookie_factor;
	levels = &__pgtable_l5_enabled && (__u32)word_at((__u64)&__pgtable_l5_enabled) ? 5 : 4;
	for (i = 0; i < SVMA_BPF_QUESTIONS && i < wanted_walks; i++)
		walk_one(i);
	wanted_walks = 0;
	return 0;
}
