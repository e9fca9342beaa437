// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading page tables of a live mm, while it runs.
 *
 * The mmap_lock held for reading keeps the VMAs, and with them the tables that they use: free_pgtables() leaves alone
 * what neighbours need, and khugepaged takes the lock for writing, or waits for all that have interrupts off, as we
 * have (pte_free_defer() in v6.12). Where there is no VMA an unmap that gave up the write lock may be freeing tables.
 * Only where tables are freed by RCU, see svma_frees_tables_by_rcu(), holes are looked at, too; the interrupt that
 * flushes TLBs does not wait for us, since we are not among the processors that use this mm.
 *
 * Entries are read one by one without a lock of theirs; each is what it was at some moment of the part.
 *
 * The target waits for nobody: the lock is taken by trylock, and given up after SVMA_HOLD_NS.
 */
#include "svma.h"

#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

/* Entries looked at with interrupts off in one go: eight tables, some 200000 instructions when they are full. */
#define SVMA_STEP_ENTRIES (8 * PTRS_PER_PTE)
/* VMAs likewise. */
#define SVMA_STEP_VMAS 16

static_assert(sizeof(struct svma_walk_level) == sizeof(struct svma_core_level));
static_assert(offsetof(struct svma_walk_level, swap_type) == offsetof(struct svma_core_level, swap_type));
static_assert(sizeof(struct svma_page_run) == sizeof(struct svma_core_run));
static_assert(offsetof(struct svma_page_run, page_shift) == offsetof(struct svma_core_run, page_shift));
static_assert(sizeof(struct svma_page_sum) == sizeof(struct svma_core_range_sum));
static_assert(offsetof(struct svma_page_sum, present) == offsetof(struct svma_core_range_sum, sum));
static_assert(offsetof(struct svma_page_sum, tables) == offsetof(struct svma_core_range_sum, sum.tables));
static_assert(SVMA_TABLE_LEVELS == SVMA_CORE_TABLE_LEVELS);
static_assert((int)SVMA_ENTRY_BAD == (int)SVMA_CORE_ENTRY_BAD);
static_assert(SVMA_PTE_EXCLUSIVE == SVMA_CORE_PTE_EXCLUSIVE && SVMA_PTE_SHMEM == SVMA_CORE_PTE_SHMEM);
static_assert(SVMA_PTE_PKEY_SHIFT == SVMA_CORE_PTE_PKEY_SHIFT);

/*
 * Who frees a table waits for us, so it stays in the direct mapping; what is no table, because an entry was garbage, is
 * refused when its first word can't be read: the direct mapping has all of a page or nothing of it.
 */
const svma_u64 *svma_os_table(svma_u64 table)
{
	const svma_u64 *entries;
	svma_u64 word;

	if (!IS_ALIGNED(table, PAGE_SIZE) || !pfn_valid(PHYS_PFN(table)))
		return NULL;
	entries = __va(table);
	return copy_from_kernel_nofault(&word, entries, sizeof(word)) ? NULL : entries;
}

#define FRAME_BITS(bits) ((u64)(bits) << SVMA_FRAME_SHIFT)

/*
 * Racing with whoever frees the page, so not by PageAnon() and the like: a debug kernel's assert that a head is a
 * head, and it may not be one any more. Bit 0 of mapping marks an anonymous page in all versions
 * (include/linux/page-flags.h). Anything else that a process maps is counted as a page of a file, and as shmem when it
 * is swap backed: mm_counter() in include/linux/mm.h.
 */
static __always_inline u64 page_bits(struct page *page)
{
	struct page *head = compound_head(page);

	if ((unsigned long)READ_ONCE(head->mapping) & 1)
		return FRAME_BITS(SVMA_FRAME_KNOWN | SVMA_FRAME_ANON);
	if (svma_page_flags(head) & BIT(PG_swapbacked))
		return FRAME_BITS(SVMA_FRAME_KNOWN | SVMA_FRAME_FILE | SVMA_FRAME_SHMEM);
	return FRAME_BITS(SVMA_FRAME_KNOWN | SVMA_FRAME_FILE);
}

/* The huge zero page is all of a subsection, so no frame of it is mistaken for a neighbour. */
static_assert(HPAGE_PMD_NR % PAGES_PER_SUBSECTION == 0);

static u64 zero_bits(unsigned long pfn, unsigned long huge_zero)
{
	if (is_zero_pfn(pfn) || pfn / HPAGE_PMD_NR == huge_zero / HPAGE_PMD_NR)
		return FRAME_BITS(SVMA_FRAME_KNOWN | SVMA_FRAME_ZERO);
	return 0;
}

/* Whether what was found of this frame, a struct page and not the zero one, is so of its neighbours. */
static bool plain_subsection(unsigned long pfn)
{
	return pfn / PAGES_PER_SUBSECTION != page_to_pfn(ZERO_PAGE(0)) / PAGES_PER_SUBSECTION;
}

void svma_os_frames(svma_u64 *frame, svma_u32 count)
{
	/* There are struct pages for all of a subsection or for none: pfn_section_valid() in include/linux/mmzone.h. */
	unsigned long plain = 0, plain_pages = 0; /* the first frame of one that is plain, and how many it has */
	struct page *const map = vmemmap;	  /* the compiler would read it again for each */
	u32 i;

	for (i = 0; i < count; i++) {
		const unsigned long pfn = frame[i];

		if (unlikely(pfn - plain >= plain_pages)) {
			const u64 zero = zero_bits(pfn, svma_huge_zero_frame());

			frame[i] |= zero;
			if (zero || !pfn_valid(pfn))
				continue;
			plain = ALIGN_DOWN(pfn, PAGES_PER_SUBSECTION);
			plain_pages = plain_subsection(pfn) ? PAGES_PER_SUBSECTION : 0;
		}
		frame[i] = pfn | page_bits(map + pfn);
	}
}

static void number_swap(struct svma_swap_kinds *out)
{
	memset(out, 0xff, sizeof(*out));
#ifdef CONFIG_MIGRATION
	out->migration[0] = SWP_MIGRATION_READ;
	out->migration[1] = SWP_MIGRATION_WRITE;
#ifdef SWP_MIGRATION_READ_EXCLUSIVE
	out->migration[2] = SWP_MIGRATION_READ_EXCLUSIVE;
#endif
#endif
#ifdef CONFIG_MEMORY_FAILURE
	out->hwpoison = SWP_HWPOISON;
#endif
#ifdef SWP_SWAPIN_ERROR
	out->swapin_error = SWP_SWAPIN_ERROR;
#endif
#ifdef SWP_PTE_MARKER
	out->marker = SWP_PTE_MARKER;
#endif
#ifdef CONFIG_DEVICE_PRIVATE
	out->device[0] = SWP_DEVICE_READ;
	out->device[1] = SWP_DEVICE_WRITE;
#ifdef SWP_DEVICE_EXCLUSIVE
	out->device[2] = SWP_DEVICE_EXCLUSIVE;
#elif defined(SWP_DEVICE_EXCLUSIVE_READ)
	out->device[2] = SWP_DEVICE_EXCLUSIVE_READ;
	out->device[3] = SWP_DEVICE_EXCLUSIVE_WRITE;
#endif
#endif
}

/*
 * An mm that is read does not go away; a process that ends meanwhile leaves that to us, in mmput(), so nothing is held
 * for longer than one part.
 */
static int take(struct mm_struct *mm, u64 *since)
{
	int err;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	err = svma_live_read_lock(mm, since);
	if (err)
		mmput(mm);
	return err;
}

static void give_back(struct mm_struct *mm, u64 since)
{
	svma_live_read_unlock(mm, since);
	mmput(mm);
}

static void tables_of(struct mm_struct *mm, struct svma_pgtable *out)
{
	memset(out, 0, sizeof(*out));
	out->root = __pa(mm->pgd);
	out->frame_mask = PTE_PFN_MASK;
	out->levels = pgtable_l5_enabled() ? 5 : 4;
#ifdef _PAGE_BIT_SAVED_DIRTY
	out->dirty_bit = _PAGE_BIT_SAVED_DIRTY;
#endif
#ifdef _PAGE_BIT_DEVMAP
	out->special_bit = _PAGE_BIT_DEVMAP;
#endif
	if (sme_me_mask)
		out->ignored_bit = __ffs64(sme_me_mask);
	number_swap(&out->swap);
}

int svma_live_way(struct mm_struct *mm, u64 addr, struct svma_core_way *out, struct svma_walk *answer)
{
	struct svma_pgtable pgtable;
	struct vm_area_struct *vma;
	unsigned long flags;
	u32 most = ~0U;
	u64 since;
	int err;

	tables_of(mm, &pgtable);
	err = take(mm, &since);
	if (err)
		return err;
	vma = svma_live_next_vma(mm, addr);
	answer->vma_start = SVMA_NONE;
	answer->vma_end = SVMA_NONE;
	answer->vma_flags = 0;
	if (vma && vma->vm_start <= addr) {
		answer->vma_start = vma->vm_start;
		answer->vma_end = vma->vm_end;
		answer->vma_flags = vma->vm_flags;
	} else if (!svma_frees_tables_by_rcu()) {
		most = 1; /* the root stays */
	}
	local_irq_save(flags);
	svma_core_find_way(&pgtable, addr, most, out);
	local_irq_restore(flags);
	give_back(mm, since);
	answer->table_levels = pgtable.levels;
	return 0;
}

/**
 * struct job - a range that is being told
 * @sums: of VMAs, else of runs
 * @count: records complete in @records
 * @open: sums: so many records behind them are for the VMAs that they name; the first may be summed up in part
 */
struct job {
	struct mm_struct *mm;
	struct svma_pgtable pgtable;
	struct svma_core_walk walk;
	u64 end;
	bool sums;
	u32 open;
	u32 count;
	u32 room;
	u64 moved;
	union {
		void *records;
		struct svma_core_run *runs;
		struct svma_core_range_sum *sum;
	};
};

static bool finished(const struct job *job)
{
	return job->walk.next >= job->end || (job->count >= job->room && !job->open);
}

/*
 * Go to the next VMA where holes are not looked at; returns where what may be read ends: VMAs that touch each other
 * are read as one.
 */
static u64 pass_hole(struct job *job)
{
	struct vm_area_struct *vma[SVMA_STEP_VMAS];
	u32 found, i;
	u64 end;

	if (svma_frees_tables_by_rcu())
		return job->end;
	found = svma_live_next_vmas(job->mm, job->walk.next, vma, SVMA_STEP_VMAS);
	if (!found || vma[0]->vm_start >= job->end) {
		job->walk.next = job->end;
		return job->end;
	}
	job->walk.next = max_t(u64, job->walk.next, vma[0]->vm_start);
	end = vma[0]->vm_end;
	for (i = 1; i < found && vma[i]->vm_start == end; i++)
		end = vma[i]->vm_end;
	return min_t(u64, end, job->end);
}

static void run_on(struct job *job)
{
	unsigned long flags;

	job->walk.end = pass_hole(job);
	if (job->walk.next >= job->walk.end)
		return;
	local_irq_save(flags);
	svma_core_runs(&job->pgtable, &job->walk, SVMA_STEP_ENTRIES, job->runs, &job->count, job->room);
	local_irq_restore(flags);
}

/* Sum up the VMAs that are open, from walk.next on. */
static void sum_on(struct job *job)
{
	unsigned long flags;
	u32 done;

	local_irq_save(flags);
	done = svma_core_sum_up(&job->pgtable, &job->walk, SVMA_STEP_ENTRIES, &job->sum[job->count], job->open);
	local_irq_restore(flags);
	job->count += done;
	job->open -= done;
}

/* Open records of the next VMAs, or go to the end where there are none. Records that nothing was added to are zero. */
static void open_sums(struct job *job)
{
	u32 most = min_t(u32, SVMA_STEP_VMAS, job->room - job->count), found, i;
	struct vm_area_struct *vma[SVMA_STEP_VMAS];

	found = svma_live_next_vmas(job->mm, job->walk.next, vma, most);
	for (i = 0; i < found && vma[i]->vm_start < job->end; i++) {
		struct svma_core_range_sum *sum = &job->sum[job->count + i];

		sum->start = max_t(u64, vma[i]->vm_start, job->walk.next);
		sum->end = min_t(u64, vma[i]->vm_end, job->end);
		sum->vma_flags = vma[i]->vm_flags;
	}
	job->open = i;
	if (!i)
		job->walk.next = job->end;
}

/*
 * The lock was given up meanwhile. VMAs that were not come to are looked for again. Is the one that was summed up in
 * part still the same? Else its record ends where it has come.
 */
static void look_again(struct job *job)
{
	struct svma_core_range_sum *sum = &job->sum[job->count];
	struct vm_area_struct *vma;

	if (!job->open)
		return;
	job->open = 0;
	if (job->walk.next <= sum->start)
		return;
	vma = svma_live_next_vma(job->mm, job->walk.next);
	if (vma && vma->vm_start <= job->walk.next && min_t(u64, vma->vm_end, job->end) == sum->end &&
	    vma->vm_flags == sum->vma_flags) {
		job->open = 1;
		return;
	}
	sum->end = job->walk.next;
	job->count++;
	job->moved++;
}

/* As much as may be done under the lock, which is held for reading; returns for how long that was. */
static u64 one_part(struct job *job)
{
	u64 begin = ktime_get_ns();

	if (job->sums)
		look_again(job);
	/* What was open may have been closed, and have filled the last record. */
	while (!finished(job)) {
		if (job->sums && !job->open)
			open_sums(job);
		if (!job->sums)
			run_on(job);
		else if (job->open)
			sum_on(job);
		if (ktime_get_ns() - begin >= SVMA_HOLD_NS)
			break;
	}
	return ktime_get_ns() - begin;
}

int svma_live_pages(struct mm_struct *mm, struct svma_pages *arg, void *records, u32 room)
{
	struct job job = {
		.mm = mm,
		.walk.next = arg->start,
		.end = arg->end,
		.sums = arg->flags & SVMA_PAGES_SUMS,
		.room = room,
		.records = records,
	};
	int err = 0;
	u64 since;

	tables_of(mm, &job.pgtable);
	memcpy(job.walk.below, arg->below, sizeof(job.walk.below));
	while (!err && !finished(&job)) {
		err = take(mm, &since);
		if (err)
			break;
		arg->longest_ns = max(arg->longest_ns, one_part(&job));
		give_back(mm, since);
		arg->parts++;
		cond_resched();
	}
	arg->start = min(job.walk.next, job.end);
	arg->count = job.count;
	arg->moved = job.moved;
	arg->entries = job.walk.entries;
	memcpy(arg->below, job.walk.below, sizeof(arg->below));
	memcpy(arg->tables, job.walk.tables, sizeof(arg->tables));
	return err;
}
