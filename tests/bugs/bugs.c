// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bugs. Each one's comment names what fixed it; tests/bugs/bugs_test.cc has the system calls that meet it.
 *
 * Handlers run with the mmap_lock of the one process held for writing, unless they say otherwise, so what is
 * remembered from a function's entry to its return needs no lock.
 */
#include "bugs.h"

#include "compat/args.h"

#include <linux/list.h>
#include <linux/mman.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

enum {
	NONE,
	VMACACHE_OVERFLOW,
	STACK_GUARD_GAP,
	SEARCH_GUARD_GAP,
	SEARCH_BELOW_LIMIT,
	MPROTECT_ERROR_LOST,
	MLOCK_STOPS,
	MLOCK_TWICE,
	STACK_LOCKED_VM,
	MUNMAP_LOCKED_VM,
	UFFD_CUT,
	MBIND_PREV,
	MERGE_FORKED,
	ANON_VMA_REUSED,
	ANON_VMA_NOT_COPIED,
	MREMAP_NOT_COPIED,
	MREMAP_KEEPS_ANON_VMA,
	MREMAP_INSIDE,
	MREMAP_COPY_PRIVATE,
	MERGE_CASE_3,
	MMAP_RESULT,
	MMAP_LIMIT_LATE,
	BRK_GROWS_FILE,
	SOFT_DIRTY_LOST,
	MAPLE_DUPLICATE,
	PAGE_LEFT_MAPPED,
	PMD_OWNED_TWICE,
	NR_BUGS,
};

/* What a bug remembers. */
static struct {
	struct vm_area_struct *vma;
	struct file *file;
	const struct vm_operations_struct *ops;
	struct anon_vma *anon_vma;
	void *ctx;
	unsigned long address;
	unsigned long value;
	unsigned long pages; /* to be made good */
	unsigned int count;
	bool inside;
	struct list_head rest;
} was;

static unsigned long *gap_bytes; /* the kernel's stack_guard_gap */

void bugs_forget(void)
{
	memset(&was, 0, sizeof(was));
	INIT_LIST_HEAD(&was.rest);
}

int bugs_init(void)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *);
	int err = register_kprobe(&kp);

	if (err)
		return err;
	lookup = (void *)kp.addr;
	unregister_kprobe(&kp);
	gap_bytes = (void *)lookup("stack_guard_gap");
	bugs_forget();
	return gap_bytes ? 0 : -ENOENT;
}

/* Where tests lay out what they want to see changed; see tests/vm/tracee.hpp. */
static bool in_arena(unsigned long address)
{
	const unsigned long start = 0x100000000000, size = 1UL << 40;

	return address - start < size;
}

/* Since v6.3 (bc292ab00f6c) only some functions may write them. */
static vm_flags_t *flags_of(struct vm_area_struct *vma)
{
	return (vm_flags_t *)&vma->vm_flags;
}

/* One of the arguments in registers, which the kernel will find changed. */
static unsigned long *arg(struct pt_regs *regs, unsigned int n)
{
	unsigned long *const at[] = { &regs->di, &regs->si, &regs->dx, &regs->cx, &regs->r8, &regs->r9 };

	return at[n];
}

static void *pointer(struct pt_regs *regs, unsigned int n)
{
	return (void *)svma_arg(regs, n);
}

static void set_result(struct pt_regs *regs, unsigned long result)
{
	regs_set_return_value(regs, result);
}

static bool failed(struct pt_regs *regs)
{
	return (int)regs_return_value(regs) < 0;
}

/* --- lookups and searches ------------------------------------------------------------------------ */

/*
 * CVE-2018-17182: the sequence number that invalidates vmacaches had 32 bits, and when it came round again caches of
 * long ago were taken for new. Fixed by 7a9cdebdcc17 (v4.19). Here an unmap leaves the number as it was.
 */
static void vmacache_unmap(struct pt_regs *regs)
{
	const struct svma_args args = svma_args_munmap(regs);

	was.inside = in_arena(args.start);
}

static void vmacache_unmapped(struct pt_regs *regs)
{
	was.inside = false;
}

/* The first one that goes: the kernel counts one up when all have gone. */
static bool vmacache_erase(struct pt_regs *regs)
{
#if SVMA_ON(1, 0, 0, 0)
	if (was.inside) {
		current->mm->vmacache_seqnum--;
		was.count++;
		was.inside = false;
	}
#endif
	return false;
}

static void vmacache_repair(struct mm_struct *mm)
{
#if SVMA_ON(1, 0, 0, 0)
	mm->vmacache_seqnum += was.count;
#endif
}

/*
 * CVE-2017-1000364: a stack could grow up to the page beside another mapping. Fixed by 1be7107fbe18 (v4.12), which
 * keeps a gap of 256 pages.
 *
 * 58c5d0d6d522 (v6.3): searches by the maple tree placed mappings in the gap of a stack.
 */
static void no_guard_gap(struct pt_regs *regs)
{
	was.value = *gap_bytes;
	WRITE_ONCE(*gap_bytes, 0);
}

static void guard_gap_again(struct pt_regs *regs)
{
	WRITE_ONCE(*gap_bytes, was.value);
}

/*
 * 7327e8111adb (v6.2): mas_empty_area_rev() let a hole begin below the lower limit.
 * mas_empty_area_rev(mas, min, max, size)
 */
static bool no_lower_limit(struct pt_regs *regs)
{
	*arg(regs, 1) = 0;
	return false;
}

/* --- results ---------------------------------------------------------------------------------------- */

/* 82f951340f25 (v6.3): the error of one VMA was overwritten by ENOMEM when the loop over them had ended early. */
static void mprotect_called(struct pt_regs *regs)
{
	if ((int)regs_return_value(regs) == -EACCES)
		set_result(regs, -ENOMEM);
}

/*
 * 309d08d9b3a3 (v5.10): mmap() returned the start of the VMA with which the new mapping had been merged.
 * mmap_region(file, addr, len, ...)
 */
static void mmap_called(struct pt_regs *regs)
{
	const unsigned long result = regs_return_value(regs);
	struct vm_area_struct *vma;

	if (!in_arena(result))
		return;
	vma = svma_live_next_vma(current->mm, result);
	if (vma && vma->vm_start < result)
		set_result(regs, vma->vm_start);
}

/*
 * e8420a8ece80 (v3.10): RLIMIT_AS was looked at when mmap(MAP_FIXED) had already unmapped what was there. Here the
 * limit is away until then, and then there is no memory.
 */
static void limit_away(struct pt_regs *regs)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_AS];
	const unsigned long pages = svma_arg(regs, 2) >> PAGE_SHIFT;

	was.value = limit->rlim_cur;
	was.inside = current->mm->total_vm + pages > limit->rlim_cur >> PAGE_SHIFT;
	if (was.inside)
		limit->rlim_cur = RLIM_INFINITY;
}

static bool limit_late(struct pt_regs *regs)
{
	if (!was.inside)
		return false;
	set_result(regs, 0);
	return true;
}

static void limit_again(struct pt_regs *regs)
{
	current->signal->rlim[RLIMIT_AS].rlim_cur = was.value;
	was.inside = false;
}

/* --- locked pages ------------------------------------------------------------------------------------- */

/*
 * 2658f94d6792 (v6.5): when the first VMA of a range had been merged the loop of mlock() took the next one for another
 * than it expected, and stopped with ENOMEM. Here it goes on from elsewhere: from the lowest VMA of all, or a page too low.
 * 5.10, 6.1: mlock_fixup(vma, prev, ...); 6.12, 7.3: mlock_fixup(vmi, vma, ...)
 */
static void mlock_step(struct pt_regs *regs)
{
	was.inside = in_arena(svma_args_mlock(regs).start);
	was.ctx = pointer(regs, SVMA_ON(1, 1, 0, 0));
}

static void mlock_stepped(struct pt_regs *regs)
{
	if (!was.inside)
		return;
#if SVMA_ON(1, 1, 0, 0)
	*(struct vm_area_struct **)was.ctx = svma_live_next_vma(current->mm, 0);
#else
	((struct vma_iterator *)was.ctx)->mas.last -= PAGE_SIZE;
#endif
}

/* b155b4fde5bd (v4.9): what mlock2(MLOCK_ONFAULT) had counted as locked was counted again by mlock(). */
static void mlock_vma(struct pt_regs *regs)
{
	const struct svma_args args = svma_args_mlock(regs);

	was.value = 0;
	if ((args.flags & VM_LOCKED) && (args.vma->vm_flags & VM_LOCKED) && args.vma->vm_flags != args.flags)
		was.value = (args.end - args.start) >> PAGE_SHIFT;
}

static void mlocked_vma(struct pt_regs *regs)
{
	if (failed(regs))
		return;
	current->mm->locked_vm += was.value;
	was.pages += was.value;
}

static void locked_too_many(struct mm_struct *mm)
{
	mm->locked_vm -= was.pages;
}

/*
 * "mm: fix the racy mm->locked_vm change in acct_stack_growth()" (v4.4): two stacks that grew at a time could lose one
 * of their changes of locked_vm. Here the change is always lost.
 * expand_downwards(vma, address); 5.10: mmap_lock held for reading
 */
static void locked_stack_grows(struct pt_regs *regs)
{
	was.value = current->mm->locked_vm;
}

static void locked_stack_grown(struct pt_regs *regs)
{
	was.pages += current->mm->locked_vm - was.value;
	current->mm->locked_vm = was.value;
}

/* 606c812eb1d5 (v6.4): an unmap that failed had already taken what it met first off locked_vm. */
static void unmap_locked(struct pt_regs *regs)
{
	const struct svma_args args = svma_args_munmap(regs);
	const struct vm_area_struct *vma = svma_live_next_vma(args.mm, args.start);

	was.value = 0;
	if (vma && vma->vm_flags & VM_LOCKED)
		was.value = (min(vma->vm_end, args.end) - max(vma->vm_start, args.start)) >> PAGE_SHIFT;
}

static void unmapped_locked(struct pt_regs *regs)
{
	if (!failed(regs))
		return;
	current->mm->locked_vm -= was.value;
	was.pages += was.value;
}

static void locked_too_few(struct mm_struct *mm)
{
	mm->locked_vm += was.pages;
}

/* --- attributes ------------------------------------------------------------------------------------------ */

/*
 * 270aa0106206 (v6.4): a range registered with a userfaultfd that began inside of a VMA was given to vma_merge() with
 * the wrong neighbour, and could change more than the range. Here the cut at its start is left out.
 * 5.10, 6.1: split_vma(mm, vma, addr, new_below); 6.12, 7.3: vma_modify_flags_uffd(vmi, prev, vma, start, ...)
 */
static void uffd_call(struct pt_regs *regs)
{
	was.inside = true;
}

static void uffd_called(struct pt_regs *regs)
{
	was.inside = false;
}

static bool uffd_cut(struct pt_regs *regs)
{
	if (SVMA_ON(true, true, false, false)) {
		if (!was.inside || !svma_arg(regs, 3))
			return false;
		set_result(regs, 0);
		return true;
	}
	*arg(regs, 1) = 0;
	*arg(regs, 3) = ((struct vm_area_struct *)pointer(regs, 2))->vm_start;
	return false;
}

/*
 * 00ca0f2e86bf (v6.4): behind a VMA that had the policy already mbind() gave vma_merge() the wrong previous one, which
 * then merged with nothing.
 * 5.10, 6.1: vma_merge(...); 6.12, 7.3: vma_modify_policy(vmi, prev, ...)
 */
static void mbind_call(struct pt_regs *regs)
{
	was.inside = true;
}

static void mbind_called(struct pt_regs *regs)
{
	was.inside = false;
}

static bool mbind_prev(struct pt_regs *regs)
{
	if (!was.inside)
		return false;
	if (SVMA_ON(true, true, false, false)) {
		set_result(regs, 0);
		return true;
	}
	*arg(regs, 1) = 0;
	return false;
}

/*
 * 6707915e030a (v6.19): when a VMA marked soft-dirty was merged with one that was not, the mark was lost. Only kernels
 * with that change keep it.
 */
static void soft_dirty_mprotect(struct pt_regs *regs)
{
	was.address = svma_args_mprotect(regs).start;
}

static void soft_dirty_lost(struct pt_regs *regs)
{
	struct vm_area_struct *vma = svma_live_next_vma(current->mm, was.address);

	if (vma && in_arena(vma->vm_start) && vma->vm_start < was.address)
		*flags_of(vma) &= ~VM_SOFTDIRTY;
}

/* --- merges ------------------------------------------------------------------------------------------------ */

/*
 * 965f55dea0e3 (v3.0): VMAs that share anon_vmas with relatives were merged, too. Here the chain looks as if it were
 * of one link while that is judged.
 * 5.10, 6.1: vma_merge(mm, prev, ...); 6.12, 7.3: vma_modify_flags(vmi, prev, ...)
 */
static void forked_merge(struct pt_regs *regs)
{
	struct vm_area_struct *prev = pointer(regs, 1);
	struct list_head *chain;

	was.vma = NULL;
	if (!prev || !in_arena(prev->vm_start) || !prev->anon_vma)
		return;
	chain = &prev->anon_vma_chain;
	if (list_is_singular(chain))
		return;
	was.vma = prev;
	/* was.rest gets the first entry, the chain keeps the others; then they change places. */
	list_cut_position(&was.rest, chain, chain->next);
	list_swap(&was.rest, chain);
}

/* Before anybody walks along the chain: __vma_adjust() or init_multi_vma_prep(), else at the return. */
static void link_rest(void)
{
	if (!was.vma)
		return;
	list_splice_tail_init(&was.rest, &was.vma->anon_vma_chain);
	was.vma = NULL;
}

static bool forked_adjust(struct pt_regs *regs)
{
	link_rest();
	return false;
}

static void forked_merged(struct pt_regs *regs)
{
	link_rest();
}

/*
 * CVE-2022-42703: a fork reused an anon_vma that VMAs still faulted into, since children and VMAs were counted in one
 * number. Fixed by 2555283eb40d (v6.0).
 * anon_vma_clone(dst, src[, operation]); of a fork: with the mmap_locks of both
 */
static void reuse_clone(struct pt_regs *regs)
{
	const struct vm_area_struct *dst = pointer(regs, 0), *src = pointer(regs, 1);

	was.anon_vma = NULL;
	if (dst->vm_mm == src->vm_mm || !in_arena(src->vm_start) || !src->anon_vma)
		return;
	was.anon_vma = src->anon_vma;
	was.value = was.anon_vma->num_active_vmas;
	was.anon_vma->num_active_vmas = 0;
}

static void reuse_cloned(struct pt_regs *regs)
{
	if (was.anon_vma)
		was.anon_vma->num_active_vmas += was.value;
}

/*
 * "vma_adjust: fix the copying of anon_vma chains" (v2.6.34): a VMA that took pages over from its neighbour did not
 * always get the neighbour's anon_vmas.
 *
 * 61f67c230a5e (v6.19): nor did one that is merged with what mremap() moves beside it.
 *
 * Tests see to it that there are no pages, so that nothing points to an anon_vma that is not held.
 */
static bool not_copied(struct pt_regs *regs)
{
	struct vm_area_struct *dst = pointer(regs, 0);
	const struct vm_area_struct *src = pointer(regs, 1);

	if (dst->vm_mm != src->vm_mm || !in_arena(src->vm_start) || !src->anon_vma)
		return false;
	dst->anon_vma = NULL;
	set_result(regs, 0);
	return true;
}

/*
 * 7e7757876f25 (v6.4): what was merged with the next VMA, extending that one downwards, left its page offset as it was.
 * copy_vma(vmap, addr, len, pgoff, ...)
 */
static void case_3(struct pt_regs *regs)
{
	was.address = svma_arg(regs, 1) + svma_arg(regs, 2);
	was.value = svma_arg(regs, 2) >> PAGE_SHIFT;
}

static void case_3_done(struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)regs_return_value(regs);

	if (!vma || !in_arena(vma->vm_start) || vma->vm_end <= was.address)
		return;
	vma->vm_pgoff += was.value;
	was.vma = vma;
	was.pages = was.value;
}

static void case_3_repair(struct mm_struct *mm)
{
	if (was.vma)
		was.vma->vm_pgoff -= was.pages;
}

/* --- mremap, brk ----------------------------------------------------------------------------------------------- */

/*
 * 1583aa278f5f (v5.13): after mremap(MREMAP_DONTUNMAP) the old VMA kept the anon_vmas of the pages that it had lost.
 */
static void dontunmap(struct pt_regs *regs)
{
	const struct svma_remap remap = svma_args_move(regs);

	was.vma = remap.flags & MREMAP_DONTUNMAP ? remap.vma : NULL;
}

static void dontunmap_done(struct pt_regs *regs)
{
	was.vma = NULL;
}

static bool keep_anon_vma(struct pt_regs *regs)
{
	return was.vma && was.vma == pointer(regs, 0);
}

/*
 * 6f12be792fde (v6.2): mremap() that grows a VMA in place from an address inside of it calculated a wrong page offset,
 * so that vma_merge() refused.
 */
static void inside_check(struct pt_regs *regs)
{
	was.inside = in_arena(svma_args_resize(regs).addr);
}

static bool inside_merge(struct pt_regs *regs)
{
	if (!was.inside)
		return false;
	was.inside = false;
	set_result(regs, 0);
	return true;
}

/* dba58d3b8c50 (v4.14): mremap() of no bytes made a second mapping, a new one, of what is private. */
static void copy_private(struct pt_regs *regs)
{
	const struct svma_remap remap = svma_args_resize(regs);

	was.vma = NULL;
	if (remap.old_len || !in_arena(remap.addr))
		return;
	was.vma = remap.vma ? remap.vma : svma_live_next_vma(current->mm, remap.addr);
	*flags_of(was.vma) |= VM_MAYSHARE;
}

static void copied_private(struct pt_regs *regs)
{
	if (was.vma)
		*flags_of(was.vma) &= ~VM_MAYSHARE;
}

/*
 * 6c28ca6485dd (v6.1): brk() extended the mapping of a file that ended where the heap did. Here it looks like a heap
 * while that is judged.
 */
static void brk_grows(struct pt_regs *regs)
{
	const struct svma_args args = svma_args_brk(regs);
	struct vm_area_struct *vma = args.vma;

	was.vma = NULL;
	if (!vma || !vma->vm_file || vma->vm_end != args.start)
		return;
	was.vma = vma;
	was.file = vma->vm_file;
	was.ops = vma->vm_ops;
	was.value = vma->vm_pgoff;
	vma->vm_file = NULL;
	vma->vm_ops = NULL;
	vma->vm_pgoff = vma->vm_start >> PAGE_SHIFT;
}

static void brk_grown(struct pt_regs *regs)
{
	if (!was.vma)
		return;
	was.vma->vm_file = was.file;
	was.vma->vm_ops = was.ops;
	was.vma->vm_pgoff = was.value;
}

/* --- the maple tree ------------------------------------------------------------------------------------------------- */

/* What the tree has for these addresses; the mmap_lock is the tree's. */
static void store(unsigned long start, unsigned long end, struct vm_area_struct *vma)
{
#if SVMA_ON(0, 1, 1, 1)
	MA_STATE(mas, &vma->vm_mm->mm_mt, start, end - 1);

	WARN_ON(mas_store_gfp(&mas, vma, GFP_ATOMIC));
#endif
}

/*
 * CVE-2024-50200: a store that went over from one node of the maple tree to another could leave the entry behind it
 * there twice. Fixed by bea07fd63192 (v6.12). Here it is until the lock is given up.
 */
static void duplicate_next(struct pt_regs *regs)
{
	const unsigned long start = regs_return_value(regs);
	struct vm_area_struct *vma, *next;

	if (!in_arena(start))
		return;
	vma = svma_live_next_vma(current->mm, start);
	next = vma ? svma_live_next_vma(current->mm, vma->vm_end) : NULL;
	if (!next || next->vm_start != vma->vm_end)
		return;
	was.vma = vma;
	store(vma->vm_end - PAGE_SIZE, vma->vm_end, next);
}

/* up_write(sem), of any */
static bool remove_duplicate(struct pt_regs *regs)
{
	if (was.vma && pointer(regs, 0) == &current->mm->mmap_lock) {
		store(was.vma->vm_start, was.vma->vm_end, was.vma);
		was.vma = NULL;
	}
	return false;
}

/* --- page tables ---------------------------------------------------------------------------------------------------- */

/*
 * svma looks at tables where there is no VMA on v7.3 only (kmod/shim/live_pgtable.c).
 *
 * The entry for @address in its table of @level, 1 for the lowest; NULL where there is no such table. The one process
 * that has these tables does nothing else meanwhile, and of the pages in question nothing else knows.
 */
static u64 *entry_of(struct mm_struct *mm, unsigned long address, unsigned int level)
{
	u64 *table = (u64 *)mm->pgd, *entry;
	unsigned int at = pgtable_l5_enabled() ? 5 : 4;

	for (;; at--) {
		entry = table + (address >> (PAGE_SHIFT + 9 * (at - 1))) % PTRS_PER_PTE;
		if (at == level)
			return entry;
		if (!(*entry & _PAGE_PRESENT) || *entry & _PAGE_PSE)
			return NULL;
		table = __va(*entry & PTE_PFN_MASK);
	}
}

static void remember_entry(struct mm_struct *mm, unsigned long address, unsigned int level)
{
	const u64 *entry = in_arena(address) ? entry_of(mm, address, level) : NULL;

	if (was.pages) /* the one to be made good */
		return;
	was.address = address;
	was.value = entry ? *entry : 0;
}

static void entry_again(struct mm_struct *mm, unsigned int level)
{
	u64 *entry = was.value ? entry_of(mm, was.address, level) : NULL;

	if (entry && !*entry) {
		WRITE_ONCE(*entry, was.value);
		was.pages = 1;
	}
}

static void clear_entry(struct mm_struct *mm, unsigned int level)
{
	u64 *entry = was.pages ? entry_of(mm, was.address, level) : NULL;

	if (entry)
		WRITE_ONCE(*entry, 0);
}

/*
 * CVE-2018-18281: a page could still be reached, through the TLB, where mremap() had taken it away. Fixed by
 * eb66ae030829 (v4.19). Here through the table, where munmap() had: the first page's entry is as it was.
 */
static void unmap_page(struct pt_regs *regs)
{
	const struct svma_args args = svma_args_munmap(regs);

	remember_entry(args.mm, args.start, 1);
}

/* Here the lock may have been given up; the process does nothing else, so nobody minds. */
static void page_again(struct pt_regs *regs)
{
	entry_again(current->mm, 1);
}

static void page_repair(struct mm_struct *mm)
{
	clear_entry(mm, 1);
}

/*
 * CVE-2024-50066: mremap() could move a PMD entry that was no longer what it had looked at. Fixed by 6fa1066fc5d0
 * (v6.12). Here the entry is at both addresses afterwards, so that two own one table.
 */
static void move_pmd(struct pt_regs *regs)
{
	const struct svma_remap remap = svma_args_move(regs);

	remember_entry(current->mm, remap.addr, 2);
	if (was.value & _PAGE_PSE)
		was.value = 0;
}

static void pmd_again(struct pt_regs *regs)
{
	entry_again(current->mm, 2);
}

static void pmd_repair(struct mm_struct *mm)
{
	clear_entry(mm, 2);
}

/* --- the tables ---------------------------------------------------------------------------------------------------- */

const struct bug bugs[] = {
	[NONE] = { "none" },
	[VMACACHE_OVERFLOW] = { "vmacache_overflow", vmacache_repair },
	[STACK_GUARD_GAP] = { "stack_guard_gap" },
	[SEARCH_GUARD_GAP] = { "search_guard_gap" },
	[SEARCH_BELOW_LIMIT] = { "search_below_limit" },
	[MPROTECT_ERROR_LOST] = { "mprotect_error_lost" },
	[MLOCK_STOPS] = { "mlock_stops" },
	[MLOCK_TWICE] = { "mlock_twice", locked_too_many },
	[STACK_LOCKED_VM] = { "stack_locked_vm", locked_too_few },
	[MUNMAP_LOCKED_VM] = { "munmap_locked_vm", locked_too_few },
	[UFFD_CUT] = { "uffd_cut" },
	[MBIND_PREV] = { "mbind_prev" },
	[MERGE_FORKED] = { "merge_forked" },
	[ANON_VMA_REUSED] = { "anon_vma_reused" },
	[ANON_VMA_NOT_COPIED] = { "anon_vma_not_copied" },
	[MREMAP_NOT_COPIED] = { "mremap_not_copied" },
	[MREMAP_KEEPS_ANON_VMA] = { "mremap_keeps_anon_vma" },
	[MREMAP_INSIDE] = { "mremap_inside" },
	[MREMAP_COPY_PRIVATE] = { "mremap_copy_private" },
	[MERGE_CASE_3] = { "merge_case_3", case_3_repair },
	[MMAP_RESULT] = { "mmap_result" },
	[MMAP_LIMIT_LATE] = { "mmap_limit_late" },
	[BRK_GROWS_FILE] = { "brk_grows_file" },
	[SOFT_DIRTY_LOST] = { "soft_dirty_lost" },
	[MAPLE_DUPLICATE] = { "maple_duplicate" },
	[PAGE_LEFT_MAPPED] = { "page_left_mapped", page_repair },
	[PMD_OWNED_TWICE] = { "pmd_owned_twice", pmd_repair },
};

const unsigned int nr_bugs = ARRAY_SIZE(bugs);
static_assert(ARRAY_SIZE(bugs) == NR_BUGS);

/* The symbol on 5.10, 6.1, 6.12 and 7.3. */
#define AT(what, ...) .bug = what, .symbol = SVMA_ON(__VA_ARGS__)
#define EVERYWHERE(symbol) symbol, symbol, symbol, symbol
#define SKIP(at_entry) .skip = at_entry
#define AROUND(at_entry, at_return) .before = at_entry, .after = at_return

struct hook hooks[] = {
	{ AT(VMACACHE_OVERFLOW, "__do_munmap", NULL, NULL, NULL), AROUND(vmacache_unmap, vmacache_unmapped) },
	{ AT(VMACACHE_OVERFLOW, "__vma_rb_erase", NULL, NULL, NULL), SKIP(vmacache_erase) },
	{ AT(STACK_GUARD_GAP, EVERYWHERE("expand_downwards")), AROUND(no_guard_gap, guard_gap_again) },
	{ AT(SEARCH_GUARD_GAP, EVERYWHERE("vm_unmapped_area")), AROUND(no_guard_gap, guard_gap_again) },
	{ AT(SEARCH_BELOW_LIMIT, NULL, "mas_empty_area_rev", "mas_empty_area_rev", "mas_empty_area_rev"),
	  SKIP(no_lower_limit) },
	{ AT(MPROTECT_ERROR_LOST, EVERYWHERE("do_mprotect_pkey")), AROUND(NULL, mprotect_called) },
	{ AT(MLOCK_STOPS, EVERYWHERE("mlock_fixup")), AROUND(mlock_step, mlock_stepped) },
	{ AT(MLOCK_TWICE, EVERYWHERE("mlock_fixup")), AROUND(mlock_vma, mlocked_vma) },
	{ AT(STACK_LOCKED_VM, EVERYWHERE("expand_downwards")), AROUND(locked_stack_grows, locked_stack_grown) },
	{ AT(MUNMAP_LOCKED_VM, NULL, "do_mas_align_munmap", "do_vmi_align_munmap", "do_vmi_align_munmap"),
	  AROUND(unmap_locked, unmapped_locked) },
	{ AT(UFFD_CUT, EVERYWHERE("userfaultfd_ioctl")), AROUND(uffd_call, uffd_called) },
	{ AT(UFFD_CUT, "split_vma", "split_vma", "vma_modify_flags_uffd", "vma_modify_flags_uffd"),
	  SKIP(uffd_cut) },
	{ AT(MBIND_PREV, EVERYWHERE("do_mbind")), AROUND(mbind_call, mbind_called) },
	{ AT(MBIND_PREV, "vma_merge", "vma_merge", "vma_modify_policy", "vma_modify_policy"), SKIP(mbind_prev) },
	{ AT(MERGE_FORKED, "vma_merge", "vma_merge", "vma_modify_flags", "vma_modify_flags"),
	  AROUND(forked_merge, forked_merged) },
	{ AT(MERGE_FORKED, "__vma_adjust", "__vma_adjust", "init_multi_vma_prep", "init_multi_vma_prep"),
	  SKIP(forked_adjust) },
	{ AT(ANON_VMA_REUSED, EVERYWHERE("anon_vma_clone")), AROUND(reuse_clone, reuse_cloned) },
	{ AT(ANON_VMA_NOT_COPIED, EVERYWHERE("anon_vma_clone")), SKIP(not_copied) },
	{ AT(MREMAP_NOT_COPIED, NULL, NULL, NULL, "anon_vma_clone"), SKIP(not_copied) },
	{ AT(MREMAP_KEEPS_ANON_VMA, NULL, "move_vma", "move_vma", "move_vma"), AROUND(dontunmap, dontunmap_done) },
	{ AT(MREMAP_KEEPS_ANON_VMA, NULL, "unlink_anon_vmas", "unlink_anon_vmas", "unlink_anon_vmas"),
	  SKIP(keep_anon_vma) },
	{ AT(MREMAP_INSIDE, NULL, "vma_to_resize", "vma_to_resize", "check_prep_vma"),
	  AROUND(inside_check, NULL) },
	{ AT(MREMAP_INSIDE, NULL, "vma_merge", "vma_merge_extend", "vma_merge_extend"), SKIP(inside_merge) },
	{ AT(MREMAP_COPY_PRIVATE, "vma_to_resize", "vma_to_resize", "vma_to_resize", "check_prep_vma"),
	  AROUND(copy_private, copied_private) },
	{ AT(MERGE_CASE_3, EVERYWHERE("copy_vma")), AROUND(case_3, case_3_done) },
	{ AT(MMAP_RESULT, EVERYWHERE("mmap_region")), AROUND(NULL, mmap_called) },
	{ AT(MMAP_LIMIT_LATE, "mmap_region", "mmap_region", NULL, NULL), AROUND(limit_away, limit_again) },
	{ AT(MMAP_LIMIT_LATE, "vm_area_alloc", "vm_area_alloc", NULL, NULL), SKIP(limit_late) },
	{ AT(BRK_GROWS_FILE, NULL, "do_brk_flags", "do_brk_flags", "do_brk_flags"),
	  AROUND(brk_grows, brk_grown) },
	{ AT(SOFT_DIRTY_LOST, NULL, NULL, NULL, "mprotect_fixup"), AROUND(soft_dirty_mprotect, soft_dirty_lost) },
	{ AT(MAPLE_DUPLICATE, NULL, "mmap_region", "mmap_region", "mmap_region"), AROUND(NULL, duplicate_next) },
	{ AT(MAPLE_DUPLICATE, NULL, "up_write", "up_write", "up_write"), SKIP(remove_duplicate) },
	{ AT(PAGE_LEFT_MAPPED, NULL, NULL, NULL, "do_vmi_align_munmap"), AROUND(unmap_page, page_again) },
	{ AT(PMD_OWNED_TWICE, NULL, NULL, NULL, "move_vma"), AROUND(move_pmd, pmd_again) },
};

const unsigned int nr_hooks = ARRAY_SIZE(hooks);
