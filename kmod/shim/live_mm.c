// SPDX-License-Identifier: GPL-2.0-only
/* Reading the live side into plain values. Each caller says which lock orders the read. */
#include "svma.h"

#include <linux/dax.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/personality.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/userfaultfd_k.h>

int svma_live_read_lock(struct mm_struct *mm, u64 *since)
{
	unsigned long end = jiffies + msecs_to_jiffies(SVMA_LOCK_PATIENCE);

	/* As for a load: whoever waits for the lock should not wait for other programs as well. */
	preempt_disable();
	while (!mmap_read_trylock(mm)) {
		preempt_enable();
		if (time_after(jiffies, end))
			return -EBUSY;
		if (signal_pending(current))
			return -EINTR;
		usleep_range(100, 1000);
		preempt_disable();
	}
	*since = ktime_get_ns();
	return 0;
}

void svma_live_read_unlock(struct mm_struct *mm, u64 since)
{
	const u64 held = ktime_get_ns() - since;

	mmap_read_unlock(mm);
	svma_duration_add(&svma_mmap_lock_held, held);
	preempt_enable();
}

void svma_live_file(struct file *file, struct svma_live_vma *out)
{
	const struct inode *inode;

	if (!file)
		return;
	inode = file_inode(file);
	out->file = (unsigned long)file;
	out->ino = inode->i_ino;
	out->dev = inode->i_sb->s_dev;
	out->prepared = svma_file_prepares(file);
}

u64 svma_live_file_bits(struct file *file)
{
	const struct super_block *sb;
	u64 bits = SVMA_FILE_THERE;

	if (!file)
		return 0;
	sb = file_inode(file)->i_sb;
	if (file->f_mode & FMODE_WRITE)
		bits |= SVMA_FILE_WRITABLE;
	if ((file->f_path.mnt->mnt_flags & MNT_NOEXEC) || (sb->s_iflags & SB_I_NOEXEC))
		bits |= SVMA_FILE_NOEXEC;
	if (file->f_op->get_unmapped_area)
		bits |= SVMA_FILE_OWN_SEARCH;
	if (sb->s_magic == HUGETLBFS_MAGIC)
		bits |= SVMA_FILE_HUGE;
	return bits;
}

void svma_live_read(struct vm_area_struct *vma, struct svma_live_vma *out)
{
	memset(out, 0, sizeof(*out));
	out->start = vma->vm_start;
	out->end = vma->vm_end;
	out->flags = vma->vm_flags;
	out->pgoff = vma->vm_pgoff;
	svma_live_file(vma->vm_file, out);
	out->anon_vma = (unsigned long)READ_ONCE(vma->anon_vma);
	out->anon_singular = out->anon_vma && list_is_singular(&vma->anon_vma_chain);
	out->uffd_ctx = (unsigned long)vma->vm_userfaultfd_ctx.ctx;
	out->policy = svma_policy_digest(vma_policy(vma));
	out->anon_name = svma_vma_anon_name(vma);
	out->has_close = vma->vm_ops && vma->vm_ops->close;
	out->lock_exempt = vma_is_dax(vma) ||
			   (vma->vm_file && svma_is_secretmem(file_inode(vma->vm_file)->i_sb));
	out->anonymous = vma_is_anonymous(vma);
	out->anon_shift = svma_anon_shift(vma);
	if (vma->vm_flags & VM_HUGETLB)
		out->split_shift = ilog2(vma_kernel_pagesize(vma));
	else if (!vma->vm_file && svma_asks_before_split(vma))
		out->split_shift = SVMA_NEVER_SPLIT; /* a special mapping; SysV shm asks, too, and allows it */
}

int svma_os_live_find(const void *mm, svma_u64 addr, struct svma_live_vma *out)
{
	bool misplaced;
	struct vm_area_struct *vma = svma_live_placed_vma((struct mm_struct *)mm, addr, &misplaced);

	if (!vma)
		return -ENOENT;
	svma_live_read(vma, out);
	out->misplaced = misplaced;
	return 0;
}

/*
 * The list is changed under mmap_lock and, by a first fault, page_table_lock. What it links to lives as long as the
 * link; roots and parents never change.
 */
int svma_os_live_chain(const void *mm, svma_u64 start, struct svma_live_chain *out)
{
	struct vm_area_struct *vma = svma_live_next_vma((struct mm_struct *)mm, start);
	const struct anon_vma_chain *avc;

	if (!vma || vma->vm_start != start)
		return -ENOENT;
	out->anon_vma = (unsigned long)READ_ONCE(vma->anon_vma);
	out->length = 0;
	out->longer = 0;
	out->anon_pgoff = svma_anon_pgoff(vma);
	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma) {
		const struct anon_vma *anon_vma = avc->anon_vma;
		struct svma_live_anon_vma *link = &out->link[out->length];

		if (out->length == SVMA_CORE_CHAIN) {
			out->longer = 1;
			break;
		}
		link->anon_vma = (unsigned long)anon_vma;
		link->root = (unsigned long)anon_vma->root;
		link->parent = (unsigned long)anon_vma->parent;
		link->num_children = READ_ONCE(anon_vma->num_children);
		link->num_active_vmas = READ_ONCE(anon_vma->num_active_vmas);
		out->length++;
	}
	return 0;
}

void svma_os_live_totals(const void *live, struct svma_live_totals *out)
{
	const struct mm_struct *mm = live;

	out->map_count = mm->map_count;
	out->total_vm = mm->total_vm;
	out->data_vm = mm->data_vm;
	out->exec_vm = mm->exec_vm;
	out->stack_vm = mm->stack_vm;
	out->locked_vm = mm->locked_vm;
	out->hiwater_vm = mm->hiwater_vm;
}

svma_u64 svma_os_live_brk(const void *live)
{
	return ((const struct mm_struct *)live)->brk;
}

/*
 * Each mm has two pairs of bases, set in exec before anything is searched, and they stay: one for the searches
 * of 64-bit system calls, one for those of 32-bit ones (arch/x86/mm/mmap.c get_mmap_base() in v6.1). The end of
 * the latter follows the personality of whoever calls (task_size_32bit()).
 */
void svma_live_placement(const struct mm_struct *mm, bool compat, unsigned int personality,
			 struct svma_placement *out)
{
	out->base = mm->mmap_base;
	out->legacy_base = mm->mmap_legacy_base;
	out->end = DEFAULT_MAP_WINDOW;
	out->task_size = mm->task_size;
	out->full_size = TASK_SIZE_MAX;
	out->flags = svma_mm_topdown(mm) ? SVMA_PLACEMENT_TOPDOWN : 0;
	out->reserved = 0;
#ifdef CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES
	if (!compat)
		return;
	out->base = mm->mmap_compat_base;
	out->legacy_base = mm->mmap_compat_legacy_base;
	out->end = personality & ADDR_LIMIT_3GB ? 0xc0000000 : 0xffffe000;
	out->flags |= SVMA_PLACEMENT_COMPAT;
#endif
}

/*
 * arch_get_unmapped_area_topdown() searches below mmap_base and, when that fails, calls
 * arch_get_unmapped_area(), which searches from mmap_legacy_base up; with the legacy layout that one is all
 * there is. The system calls are taken to be of the program's own kind. An address hint above
 * DEFAULT_MAP_WINDOW or MAP_32BIT would give other limits.
 */
void svma_live_limits(const struct mm_struct *mm, unsigned int personality, struct svma_limits *out)
{
	struct svma_placement where;

	svma_live_placement(mm, mm->task_size <= SZ_4G, personality, &where);
	out->topdown = !!(where.flags & SVMA_PLACEMENT_TOPDOWN);
	out->task_size = where.flags & SVMA_PLACEMENT_COMPAT ? where.end : mm->task_size;
	out->stack_guard_gap = svma_stack_guard_gap();
	out->low_limit = where.legacy_base;
	out->high_limit = where.end;
	out->fallback_low = 0;
	out->fallback_high = 0;
	if (!out->topdown)
		return;
	out->fallback_low = out->low_limit;
	out->fallback_high = out->high_limit;
	out->low_limit = PAGE_SIZE;
	out->high_limit = where.base;
}
