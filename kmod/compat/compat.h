/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that depends on the version of the kernel. No other file of the module may ask for one.
 */
#ifndef SVMA_COMPAT_H
#define SVMA_COMPAT_H

#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/version.h>

struct anon_vma_name;
struct mempolicy;
struct svma_tree_shape;

/*
 * The kernels there is a column for. SVMA_ON(a, b, c, d) is what the column of this kernel says; the others are not
 * evaluated, but must compile.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 10, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define SVMA_ON(on_5_10, on_6_1, on_6_12, on_7_3) (on_5_10)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define SVMA_ON(on_5_10, on_6_1, on_6_12, on_7_3) (on_6_1)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define SVMA_ON(on_5_10, on_6_1, on_6_12, on_7_3) (on_6_12)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0) && LINUX_VERSION_CODE < KERNEL_VERSION(7, 4, 0)
#define SVMA_ON(on_5_10, on_6_1, on_6_12, on_7_3) (on_7_3)
#else
#error "svma: no compat layer for this kernel; supported: 5.10, 6.1, 6.12, 7.3"
#endif

/**
 * svma_compat_init - find the variables that the kernel does not export
 * Return: 0, or -ENOENT with a message that names the missing symbol.
 */
int svma_compat_init(void);

/* Current values of sysctl vm.max_map_count and of the boot parameter stack_guard_gap (bytes). */
unsigned int svma_max_map_count(void);
unsigned long svma_stack_guard_gap(void);
unsigned long svma_mmap_min_addr(void); /* bytes */
int svma_overcommit_memory(void);

/* What brk() adds to the flags of the heap; depends on the task. */
unsigned long svma_data_default_flags(void);

/**
 * svma_live_next_vma - the first VMA that ends above @addr
 *
 * Context: mmap_lock held, or nobody else can know the mm. Atomic.
 */
struct vm_area_struct *svma_live_next_vma(struct mm_struct *mm, unsigned long addr);

/**
 * svma_live_placed_vma - as svma_live_next_vma(), with a look at where the kernel's tree has it
 * @misplaced: set when a maple tree has it under another range than its own, or one below @addr under @addr
 *
 * Context: as svma_live_next_vma().
 */
struct vm_area_struct *svma_live_placed_vma(struct mm_struct *mm, unsigned long addr, bool *misplaced);

/**
 * svma_live_next_vmas - the first VMAs that end above @addr
 * @most: of them, not 0
 * Return: how many were put into @out.
 *
 * Context: as svma_live_next_vma().
 */
unsigned int svma_live_next_vmas(struct mm_struct *mm, unsigned long addr, struct vm_area_struct **out,
				 unsigned int most);

/* Below this brk() does not go: with CONFIG_COMPAT_BRK that depends on the task. */
unsigned long svma_lowest_brk(const struct mm_struct *mm);

/* Whether the kernel keeps its VMAs in a red-black tree; see svma_os_live_tree(). */
bool svma_has_live_tree(void);

/* What a VMA of v5.10 has for tree and list: vm_rb, rb_subtree_gap, vm_next, vm_prev. */
#define SVMA_RB_BYTES (sizeof(struct rb_node) + sizeof(unsigned long) + 2 * sizeof(void *))

/**
 * svma_live_tree_shape - add a part of the kernel's own tree of VMAs to @out, so that the lock need not be held for all
 * @from: address at which to go on, 0 at first
 * @limit: VMAs, about, after which a part ends
 * @out: cleared before the first part
 *
 * Context: mmap_lock held at least for reading, and the tree as it was at the part before.
 * Return: whether there is more.
 */
bool svma_live_tree_shape(struct mm_struct *mm, unsigned long *from, u32 limit, struct svma_tree_shape *out);

/* How many bytes below the new mapping a search for free space keeps unmapped. */
unsigned long svma_search_start_gap(const struct vm_unmapped_area_info *info);

/* Whether the driver of @file changes a new mapping before it may be merged. */
bool svma_file_prepares(const struct file *file);

/* Index of the first page of @vma in its anon_vmas. */
unsigned long svma_anon_pgoff(const struct vm_area_struct *vma);

/* svma_live_vma.anon_shift of @vma; 0 where the kernel does not keep such indices. */
u16 svma_anon_shift(const struct vm_area_struct *vma);

/* Whether a plain mmap() in @mm is placed from the top down; false for the legacy layout. */
bool svma_mm_topdown(const struct mm_struct *mm);

/*
 * Lock the layout of @mm against all changes, its counters and first faults included: those take the mmap_lock for
 * reading, and before v6.5 stacks grow under that, too.
 */
bool svma_layout_trylock(struct mm_struct *mm);
void svma_layout_unlock(struct mm_struct *mm);

/* Whether new VMAs of @mm are offered to KSM without being asked for: prctl(PR_SET_MEMORY_MERGE). */
bool svma_mm_merges_any(const struct mm_struct *mm);

/* Whether somebody holds the mmap_lock of @mm for writing. */
bool svma_mm_write_locked(const struct mm_struct *mm);

/* Of its content: equal for policies that mpol_equal() takes for equal, 0 for none. */
unsigned int svma_policy_digest(struct mempolicy *policy);

/* Identities of a name and of that of a VMA; 0 for none, and where the kernel has no such names. */
unsigned int svma_anon_name(const struct anon_vma_name *name);
unsigned int svma_vma_anon_name(struct vm_area_struct *vma);

/* Whether the file system is that of memfd_secret(). */
bool svma_is_secretmem(const struct super_block *sb);

/* Whether the VMA's driver is asked before it is split. */
bool svma_asks_before_split(const struct vm_area_struct *vma);

/* The first frame of the huge zero page, ~0 while there is none. */
unsigned long svma_huge_zero_frame(void);

/* In v7.3 the flags of a page are wrapped in a type of their own. */
static inline unsigned long svma_page_flags(const struct page *page)
{
#if SVMA_ON(0, 0, 0, 1)
	return READ_ONCE(page->flags.f);
#else
	return READ_ONCE(page->flags);
#endif
}

/*
 * Whether page tables are freed only after all who have interrupts off: x86 does so in v7.3. Before, native kernels
 * free them once the TLBs of the processors that use the mm are flushed (native_tlb_remove_table() in v6.12
 * arch/x86/kernel/paravirt.c), whatever CONFIG_MMU_GATHER_RCU_TABLE_FREE says.
 */
static inline bool svma_frees_tables_by_rcu(void)
{
	return SVMA_ON(false, false, false, true);
}

struct kretprobe *svma_kretprobe_of(struct kretprobe_instance *ri);

/* The n-th argument, counted from 0, of the function whose first instruction was hit. */
unsigned long svma_arg(struct pt_regs *regs, unsigned int n);

#endif
