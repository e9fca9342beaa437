/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place of the BPF side that knows how kernel structures differ between versions.
 *
 * Every read goes by field name through CO-RE relocation. A field that was renamed or changed its type
 * gets a flavour (struct name___suffix) and a feature test here, citing commit and version; no program
 * tests a version number.
 */
#ifndef SVMA_CORE_FIXES_BPF_H
#define SVMA_CORE_FIXES_BPF_H

#include <bpf/bpf_core_read.h>

/*
 * Flags of a VMA, all bits.
 *
 * Commit bc292ab00f6c ("mm: introduce vma->vm_flags wrapper functions", v6.3) put vm_flags into an anonymous
 * union. The name stayed, and CO-RE looks through anonymous unions: one read serves both.
 */
static __always_inline __u64 core_vma_flags(struct vm_area_struct *vma)
{
	return BPF_CORE_READ(vma, vm_flags);
}

/*
 * The inode behind a mapping, NULL when there is none.
 *
 * This is file_inode(): on a stacked file system the inode that the page cache belongs to. Kernels that show
 * file_user_inode() in /proc/PID/maps may show another one there, on overlayfs only.
 */
static __always_inline struct inode *core_vma_inode(struct vm_area_struct *vma)
{
	struct file *file = BPF_CORE_READ(vma, vm_file);

	return file ? BPF_CORE_READ(file, f_inode) : NULL;
}

/*
 * The list of VMAs in address order. Commit 763ecb035029 ("mm: remove the vma linked list", v6.1) took it away; from
 * then on there is bpf_iter__task_vma, which has been since v5.12.
 */
struct mm_struct___with_list {
	struct vm_area_struct *mmap;
};

struct vm_area_struct___with_list {
	struct vm_area_struct *vm_next;
};

static __always_inline struct vm_area_struct *core_first_vma(struct mm_struct *mm)
{
	return BPF_CORE_READ((struct mm_struct___with_list *)mm, mmap);
}

static __always_inline struct vm_area_struct *core_next_vma(struct vm_area_struct *vma)
{
	return BPF_CORE_READ((struct vm_area_struct___with_list *)vma, vm_next);
}

/*
 * Whether somebody holds the mmap_lock for writing: RWSEM_WRITER_LOCKED, bit 0 of rwsem's count since commit
 * 64489e78004c ("locking/rwsem: Implement a new locking scheme", v5.3). Kernels with PREEMPT_RT have no such
 * count; true is the safe answer there, nothing is compared then.
 */
static __always_inline bool core_mmap_write_locked(struct mm_struct *mm)
{
	if (!bpf_core_field_exists(mm->mmap_lock.count))
		return true;
	return BPF_CORE_READ(mm, mmap_lock.count.counter) & 1;
}

/*
 * What an anon_vma counts. Commit 2555283eb40d ("mm/rmap: Fix anon_vma->degree ambiguity leading to double-reuse", v6.0,
 * and in 5.10's stable series) made two counters out of one, degree.
 */
struct anon_vma___one_counter {
	unsigned int degree;
};

static __always_inline bool core_anon_vma_has_two_counters(void)
{
	return bpf_core_field_exists(struct anon_vma, num_active_vmas);
}

/* Its children; where there is one counter, degree. */
static __always_inline __u32 core_anon_vma_children(struct anon_vma *anon_vma)
{
	struct anon_vma___one_counter *old = (void *)anon_vma;

	if (core_anon_vma_has_two_counters())
		return BPF_CORE_READ(anon_vma, num_children);
	return BPF_CORE_READ(old, degree);
}

static __always_inline __u32 core_anon_vma_active(struct anon_vma *anon_vma)
{
	if (core_anon_vma_has_two_counters())
		return BPF_CORE_READ(anon_vma, num_active_vmas);
	return 0;
}

/*
 * Flags of a struct page. In v7.3 they are a structure, memdesc_flags_t, of one word.
 */
struct page___flags_in_struct {
	struct {
		unsigned long f;
	} flags;
};

static __always_inline long core_page_flags(__u64 page, void *out)
{
	struct page *plain = (struct page *)page;
	struct page___flags_in_struct *wrapped = (struct page___flags_in_struct *)page;

	if (bpf_core_field_exists(wrapped->flags.f))
		return bpf_core_read(out, sizeof(long), &wrapped->flags.f);
	return bpf_core_read(out, sizeof(long), &plain->flags);
}

static __always_inline __u64 core_page_mapping(__u64 page)
{
	return (__u64)BPF_CORE_READ((struct page *)page, mapping);
}

/* Its place in the file or anon_vma: index, in v7.3 __folio_index. */
struct page___folio_index {
	unsigned long __folio_index;
};

static __always_inline __u64 core_page_index(__u64 page)
{
	struct page *plain = (struct page *)page;
	struct page___folio_index *renamed = (struct page___folio_index *)page;

	if (bpf_core_field_exists(renamed->__folio_index))
		return BPF_CORE_READ(renamed, __folio_index);
	return BPF_CORE_READ(plain, index);
}

/*
 * The first page of a compound page, of any other itself. A tail has bit 0 set in compound_head, which is the address of
 * the head; v7.3 calls it compound_info, and has a mask for the tail's own address in there where
 * CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP is set. A mask leaves out few low bits, so it is above all addresses of the array.
 */
struct page___compound_info {
	unsigned long compound_info;
};

static __always_inline __u64 core_compound_head(__u64 page)
{
	struct page *plain = (struct page *)page;
	struct page___compound_info *renamed = (struct page___compound_info *)page;
	__u64 info;

	if (bpf_core_field_exists(renamed->compound_info))
		info = BPF_CORE_READ(renamed, compound_info);
	else
		info = BPF_CORE_READ(plain, compound_head);
	if (!(info & 1))
		return page;
	return info >= 0xffffffff00000000ULL ? page & info & ~1ULL : info - 1;
}

/*
 * In page->flags the node is in the highest bits and the zone below it (include/linux/page-flags-layout.h, v5.10 to v7.3,
 * with SPARSEMEM_VMEMMAP). How many nodes there may be tells the size of a nodemask_t; up to 64 it does not: 0.
 */
static __always_inline __u32 core_node_bits(void)
{
	__u32 nodes = bpf_core_type_size(nodemask_t) * 8;

	return nodes == 1024 ? 10 : nodes == 512 ? 9 : nodes == 256 ? 8 : nodes == 128 ? 7 : 0;
}

static __always_inline __u32 core_zone_bits(void)
{
	__u32 zones = bpf_core_enum_value(enum zone_type, __MAX_NR_ZONES);

	return zones <= 1 ? 0 : zones <= 2 ? 1 : zones <= 4 ? 2 : 3;
}

#endif /* SVMA_CORE_FIXES_BPF_H */
