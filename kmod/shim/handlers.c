// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probe table and its handlers.
 *
 * One writer at a time: everything between taking mmap_lock for writing and giving it up belongs to one
 * task, so a tracked mm has room for one open operation. An operation opens at the entry of the function
 * that carries it out and closes at its return; functions called inside are part of it and ignored. What
 * has no return that could be used closes when the next operation opens or when the lock is given up:
 *
 *   mmap_lock taken ... open ... close ... open ... close ... up_write(): totals compared
 *                                 (unmap only) open ... downgrade_write(): closed, compared ... return
 *
 * Handlers run in the task that changes the mm, with preemption off. They take spinlocks of this
 * module only, allocate from pools only, and do work in proportion to what the kernel itself does there.
 */
#include "svma.h"

#include <linux/ktime.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd.h>

static atomic64_t next_op_id = ATOMIC64_INIT(0);

static void count_hit(struct kprobe *kp)
{
	struct svma_probe_entry *entry = container_of(kp, struct svma_probe_entry, kp);

	atomic64_inc(&entry->hits);
}

static void count_hit_ri(struct kretprobe_instance *ri)
{
	atomic64_inc(&container_of(get_kretprobe(ri), struct svma_probe_entry, rp)->hits);
}

/* --- the open operation ------------------------------------------------------------------------- */

static void fill_rlimits(struct svma_rlimits *limits)
{
	limits->as = rlimit(RLIMIT_AS);
	limits->data = rlimit(RLIMIT_DATA);
	limits->data_max = rlimit_max(RLIMIT_DATA);
	limits->stack = rlimit(RLIMIT_STACK);
	limits->memlock = rlimit(RLIMIT_MEMLOCK);
}

/* What the kernel asks besides a call's arguments and the layout; mmap_lock is held for writing. */
static void note_conditions(struct svma_call *call, const struct mm_struct *mm)
{
	fill_rlimits(&call->rlimits);
	call->map_count_limit = svma_max_map_count();
	call->def_flags = mm->def_flags;
	call->brk = mm->brk;
}

/* Is @op a step of the system call that its task is in? Then the call's arguments say what it must be. */
static bool is_step(const struct svma_call_entry *entry, const struct svma_op *op)
{
	switch (entry->call.kind) {
	case SVMA_CALL_MPROTECT:
		return op->kind == SVMA_CORE_MPROTECT;
	case SVMA_CALL_MLOCK:
	case SVMA_CALL_MLOCKALL:
		return op->kind == SVMA_CORE_MLOCK;
	case SVMA_CALL_MMAP:
		return op->kind == SVMA_CORE_MMAP;
	case SVMA_CALL_MUNMAP:
		return op->kind == SVMA_CORE_MUNMAP;
	case SVMA_CALL_UFFD_REGISTER:
	case SVMA_CALL_UFFD_UNREGISTER:
		return op->kind == SVMA_CORE_MODIFY;
	case SVMA_CALL_MREMAP:
		return op->kind == SVMA_CORE_MUNMAP || op->kind == SVMA_CORE_MREMAP_EXPAND ||
		       op->kind == SVMA_CORE_MREMAP_MOVE;
	case SVMA_CALL_BRK:
		return op->kind == SVMA_CORE_MUNMAP || op->kind == SVMA_CORE_BRK;
	case SVMA_CALL_MBIND:
		return op->kind == SVMA_CORE_MBIND;
	default:
		return false;
	}
}

static void check_step(struct svma_tracked *t, const struct svma_op *op)
{
	struct svma_call_entry *entry = svma_call_current(t->mm);
	struct svma_verdict verdict = {};

	if (!entry || !is_step(entry, op))
		return;
	entry->mm = t->mm; /* which a userfaultfd tells only now */
	note_conditions(&entry->call, t->mm);
	svma_core_call_step(t->shadow, &entry->call, op, &verdict);
	svma_account_answers(t, op, &verdict);
}

static void note_step_result(struct svma_tracked *t, s64 result)
{
	struct svma_call_entry *entry = svma_call_current(t->mm);

	if (entry && is_step(entry, &t->op))
		entry->call.failed = result < 0 ? result : 0;
}

/* These have no return probe: they end when the next one begins or the lock is given up. */
static bool ends_by_itself(u32 kind)
{
	return kind == SVMA_CORE_MODIFY || kind == SVMA_CORE_MREMAP_EXPAND;
}

static void end_operation(struct svma_tracked *t, s64 result)
{
	struct svma_verdict verdict = {};

	t->op.result = result;
	t->op_open = false;
	t->announced = true;
	svma_core_end(t->shadow, &t->op, t->mm, &verdict);
	svma_account(t, &t->op, &verdict);
}

/*
 * Open @op on @t. Returns its number, or 0 when it is part of another operation or @t is not in step.
 * tracked->lock held, mmap_lock held for writing by the caller's task.
 */
static u64 begin_operation(struct svma_tracked *t, const struct svma_op *op)
{
	struct svma_verdict verdict = {};

	if (t->health != SVMA_CLEAN || t->forking)
		return 0;
	if (t->op_open) {
		if (!ends_by_itself(t->op.kind))
			return 0;
		/* vma_merge() inside mremap's growth in place is its own step, move_vma() replaces it. */
		if (t->op.kind == SVMA_CORE_MREMAP_EXPAND && op->kind == SVMA_CORE_MODIFY)
			return 0;
		if (t->op.kind == SVMA_CORE_MREMAP_EXPAND && op->kind == SVMA_CORE_MREMAP_MOVE)
			t->op_open = false;
		else
			end_operation(t, 0);
		if (t->health != SVMA_CLEAN)
			return 0;
	}
	check_step(t, op);
	t->begin_ns = ktime_get_mono_fast_ns();
	t->op = *op;
	t->op.map_count_limit = svma_max_map_count();
	t->op.task = task_pid_nr(current);
	fill_rlimits(&t->op.rlimits);
	t->op_id = atomic64_inc_return(&next_op_id);
	t->op_open = true;
	svma_core_begin(t->shadow, &t->op, t->mm, &verdict);
	svma_account_answers(t, &t->op, &verdict);
	return t->op_id;
}

/* For entry handlers of return probes: 0 when the return is wanted. */
static int open_at_entry(struct kretprobe_instance *ri, struct mm_struct *mm, struct svma_op *op)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;

	data->op_id = 0;
	data->outer_id = 0;
	rcu_read_lock();
	t = svma_find_rcu(mm);
	if (t) {
		count_hit_ri(ri);
		spin_lock(&t->lock);
		data->mm = mm;
		/* Did a mapping that failed unmap what it was to replace? */
		if (t->op_open && t->op.kind == SVMA_CORE_MMAP && op->kind == SVMA_CORE_MUNMAP)
			data->outer_id = t->op_id;
		data->op_id = begin_operation(t, op);
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return data->op_id || data->outer_id ? 0 : 1;
}

static int close_at_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_verdict verdict = {};
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		spin_lock(&t->lock);
		if (data->outer_id) {
			if (t->op_open && t->op_id == data->outer_id)
				t->op.steps |= (int)regs_return_value(regs) < 0 ? SVMA_STEP_UNMAP_FAILED :
										  SVMA_STEP_UNMAPPED;
		} else if (t->op_open && t->op_id == data->op_id) {
			/* Some of the functions return an int. */
			s64 result = regs_return_value(regs);

			if (t->op.kind != SVMA_CORE_MMAP && t->op.kind != SVMA_CORE_MREMAP_MOVE)
				result = (int)result;
			if (t->health == SVMA_CLEAN)
				end_operation(t, result);
			t->op_open = false;
			note_step_result(t, result);
		} else if (t->unmapping == data->op_id) {
			/* The unmap that went on under the read lock, which it still holds, has counted its pages. */
			t->unmapping = 0;
			t->seq++;
			if (t->health == SVMA_CLEAN && t->op_id == data->op_id) {
				svma_core_release(t->shadow, data->mm, false, true, &verdict);
				svma_account_answers(t, &t->op, &verdict);
			}
		}
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return 0;
}

/* --- the lock is given up ------------------------------------------------------------------------ */

static void copy_forked_layout(struct svma_tracked *child)
{
	struct svma_tracked *parent = svma_find_rcu(child->parent_mm);

	child->forking = false;
	child->parent_mm = NULL;
	if (!parent) {
		svma_suspect(child);
		return;
	}
	/* lock order: parent, child; nobody else can hold the lock of a child that is being made for long */
	if (!spin_trylock(&parent->lock)) {
		spin_unlock(&child->lock);
		spin_lock(&parent->lock);
		spin_lock_nested(&child->lock, SINGLE_DEPTH_NESTING);
	}
	if (parent->health != SVMA_CLEAN || svma_core_fork(child->shadow, parent->shadow))
		svma_suspect(child);
	spin_unlock(&parent->lock);
	/*
	 * Compared here, while the lock is held: dup_mmap() then waits for the readers of a userfaultfd, who may
	 * change the child before it returns. Counted only when it has returned success.
	 */
	memset(&child->fork_verdict, 0, sizeof(child->fork_verdict));
	if (child->health == SVMA_CLEAN)
		svma_core_audit(child->shadow, child->mm, 1, &child->fork_verdict);
}

static void lose_operation(struct svma_tracked *t)
{
	t->op_open = false;
	t->counts.missed++;
	svma_suspect(t);
}

/* The lock is given up inside a system call: apply it as a whole, or note how far it should have come. */
static void release_call(struct svma_tracked *t)
{
	struct svma_call_entry *entry = svma_call_current(t->mm);
	struct svma_op op = {};

	if (!entry || entry->applied || t->health != SVMA_CLEAN)
		return;
	switch (entry->call.kind) {
	case SVMA_CALL_MADVISE:
		op.kind = SVMA_CORE_MADVISE;
		op.args[0] = entry->call.args[0];
		op.args[1] = entry->call.args[0] + PAGE_ALIGN(entry->call.args[1]);
		op.args[2] = entry->call.args[2];
		break;
	case SVMA_CALL_CLEAR_REFS:
		op.kind = SVMA_CORE_CLEAR_REFS;
		break;
	default:
		note_conditions(&entry->call, t->mm);
		svma_core_call_release(t->shadow, &entry->call);
		return;
	}
	entry->applied = true;
	if (begin_operation(t, &op))
		end_operation(t, 0);
}

static noinline void tracked_lock_released(struct svma_tracked *t, bool downgraded)
{
	struct svma_verdict verdict = {};

	spin_lock(&t->lock);
	if (t->forking) {
		copy_forked_layout(t);
		goto unlock;
	}
	t->unmapping = 0;
	if (t->op_open && t->health == SVMA_CLEAN) {
		if (ends_by_itself(t->op.kind)) {
			end_operation(t, 0);
		} else if (downgraded && t->op.kind == SVMA_CORE_MUNMAP) {
			/* It only gets here when it has succeeded. */
			t->unmapping = t->op_id;
			end_operation(t, 0);
		} else {
			lose_operation(t);
		}
	}
	t->op_open = false;
	release_call(t);
	/* Between the copying of a layout and the end of dup_mmap() only userfaultfd is at work on a child. */
	if (t->starting && !t->announced && t->health == SVMA_CLEAN)
		svma_core_fork_undelivered(t->shadow, t->mm, &verdict);
	if (t->health == SVMA_CLEAN) {
		svma_core_release(t->shadow, t->mm, downgraded && t->unmapping, t->announced, &verdict);
		/* A total that is wrong after an operation is blamed on it. */
		if (t->announced)
			svma_account_answers(t, &t->op, &verdict);
		else
			svma_account(t, NULL, &verdict);
	}
	t->announced = false;
	t->setup_stack = false;
unlock:
	spin_unlock(&t->lock);
}

/* Every writer of every rw_semaphore comes here: it must not clear a verdict before it is known to need one. */
static void write_lock_released(struct kprobe *kp, struct rw_semaphore *sem, bool downgraded)
{
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(container_of(sem, struct mm_struct, mmap_lock));
	if (t) {
		count_hit(kp);
		tracked_lock_released(t, downgraded);
	}
	rcu_read_unlock();
}

static int on_up_write(struct kprobe *kp, struct pt_regs *regs)
{
	write_lock_released(kp, (struct rw_semaphore *)svma_arg(regs, 0), false);
	return 0;
}

static int on_downgrade_write(struct kprobe *kp, struct pt_regs *regs)
{
	write_lock_released(kp, (struct rw_semaphore *)svma_arg(regs, 0), true);
	return 0;
}

/* --- operations ---------------------------------------------------------------------------------- */

/* mmap_region(file, addr, len, vm_flags, pgoff, uf) */
static int on_mmap_region(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_op op = { .kind = SVMA_CORE_MMAP };

	if (!current->mm)
		return 1;
	op.args[0] = svma_arg(regs, 1);
	op.args[1] = svma_arg(regs, 2);
	op.args[2] = svma_arg(regs, 3);
	op.args[3] = svma_arg(regs, 4);
	svma_live_file((struct file *)svma_arg(regs, 0), &op.vma);
	return open_at_entry(ri, current->mm, &op);
}

/* do_mas_align_munmap(mas, vma, mm, start, end, uf, downgrade) */
static int on_munmap(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_op op = { .kind = SVMA_CORE_MUNMAP };

	op.args[0] = svma_arg(regs, 3);
	op.args[1] = svma_arg(regs, 4);
	return open_at_entry(ri, (struct mm_struct *)svma_arg(regs, 2), &op);
}

/* do_brk_flags(mas, vma, addr, len, flags) */
static int on_brk(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 1);
	struct svma_op op = { .kind = SVMA_CORE_BRK };

	if (!current->mm)
		return 1;
	op.args[0] = svma_arg(regs, 2);
	op.args[1] = svma_arg(regs, 3);
	op.args[2] = svma_arg(regs, 4) | VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT | current->mm->def_flags;
	op.args[3] = vma ? vma->vm_start : SVMA_CORE_NO_VMA;
	return open_at_entry(ri, current->mm, &op);
}

/* mprotect_fixup(tlb, vma, pprev, start, end, newflags) */
static int on_mprotect(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 1);
	struct svma_op op = { .kind = SVMA_CORE_MPROTECT };

	op.args[0] = svma_arg(regs, 3);
	op.args[1] = svma_arg(regs, 4);
	op.args[2] = svma_arg(regs, 5);
	return open_at_entry(ri, vma->vm_mm, &op);
}

/* mlock_fixup(vma, prev, start, end, newflags) */
static int on_mlock(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_MLOCK };

	op.args[0] = svma_arg(regs, 2);
	op.args[1] = svma_arg(regs, 3);
	op.args[2] = svma_arg(regs, 4);
	svma_live_read(vma, &op.vma);
	return open_at_entry(ri, vma->vm_mm, &op);
}

static bool in_setup_stack(struct mm_struct *mm)
{
	struct svma_tracked *t;
	bool yes;

	rcu_read_lock();
	t = svma_find_rcu(mm);
	yes = t && t->setup_stack;
	rcu_read_unlock();
	return yes;
}

/* expand_downwards(vma, address) */
static int on_stack_growth(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_STACK_GROWTH };

	op.args[0] = vma->vm_start;
	op.args[1] = svma_arg(regs, 1);
	op.args[2] = in_setup_stack(vma->vm_mm);
	op.args[3] = svma_mmap_min_addr();
	return open_at_entry(ri, vma->vm_mm, &op);
}

/* shift_arg_pages(vma, shift) */
static int on_stack_shift(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_STACK_SHIFT };

	op.args[0] = vma->vm_start;
	op.args[1] = svma_arg(regs, 1);
	return open_at_entry(ri, vma->vm_mm, &op);
}

/* move_vma(vma, old_addr, old_len, new_len, new_addr, locked, flags, uf, uf_unmap) */
static int on_move_vma(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_MREMAP_MOVE };

	op.args[0] = vma->vm_start;
	op.args[1] = svma_arg(regs, 1);
	op.args[2] = svma_arg(regs, 2);
	op.args[3] = svma_arg(regs, 3);
	op.args[4] = svma_arg(regs, 4);
	op.args[5] = svma_arg(regs, 6);
	return open_at_entry(ri, vma->vm_mm, &op);
}

/* vma_to_resize(addr, old_len, new_len, flags): the check before mremap grows in place or moves */
static int on_resize(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_op op = { .kind = SVMA_CORE_MREMAP_EXPAND };

	if (!current->mm || (svma_arg(regs, 3) & (MREMAP_FIXED | MREMAP_DONTUNMAP)))
		return 1;
	op.args[0] = svma_arg(regs, 0);
	op.args[1] = svma_arg(regs, 1);
	op.args[2] = svma_arg(regs, 2);
	op.args[3] = TASK_SIZE;
	return open_at_entry(ri, current->mm, &op);
}

static int on_resize_checked(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;

	if (!IS_ERR((void *)regs_return_value(regs)))
		return 0; /* it goes on, and ends with the lock */
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		spin_lock(&t->lock);
		if (t->op_id == data->op_id)
			t->op_open = false;
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return 0;
}

static bool in_madvise(const struct mm_struct *mm)
{
	struct svma_call_entry *entry = svma_call_current(mm);

	return entry && entry->call.kind == SVMA_CALL_MADVISE;
}

/* mbind_range(vmi, vma, prev, start, end, new_pol) */
static int on_mbind(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 1);
	struct svma_op op = { .kind = SVMA_CORE_MBIND };

	op.args[0] = svma_arg(regs, 3);
	op.args[1] = svma_arg(regs, 4);
	op.args[2] = svma_live_policy((struct mempolicy *)svma_arg(regs, 5));
	op.args[3] = vma->vm_start;
	return open_at_entry(ri, vma->vm_mm, &op);
}

/*
 * vma_merge(mm, prev, addr, end, vm_flags, anon_vma, file, pgoff, policy, uffd_ctx, anon_name): where no other
 * operation is open and no madvise() goes on, it is userfaultfd.
 */
static int on_vma_merge(struct kprobe *kp, struct pt_regs *regs)
{
	struct mm_struct *mm = (struct mm_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_MODIFY };
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(mm);
	if (t && !in_madvise(mm)) {
		count_hit(kp);
		op.args[0] = svma_arg(regs, 2);
		op.args[1] = svma_arg(regs, 3);
		op.args[2] = svma_arg(regs, 4);
		op.args[3] = svma_arg(regs, 9);
		op.args[4] = svma_live_policy((struct mempolicy *)svma_arg(regs, 8));
		op.args[5] = svma_live_name((struct anon_vma_name *)svma_arg(regs, 10));
		spin_lock(&t->lock);
		begin_operation(t, &op);
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return 0;
}

/* --- faults -------------------------------------------------------------------------------------- */

/* __anon_vma_prepare(vma), mmap_lock held for reading */
static int on_anon_vma(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);
	bool tracked;

	rcu_read_lock();
	tracked = svma_find_rcu(vma->vm_mm) != NULL;
	rcu_read_unlock();
	if (!tracked)
		return 1;
	count_hit_ri(ri);
	data->mm = vma->vm_mm;
	data->vma = vma;
	return 0;
}

static int on_anon_vma_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_live_vma live;
	struct svma_tracked *t;

	if (regs_return_value(regs))
		return 0;
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		spin_lock(&t->lock);
		/* Inside an operation (it populates, or a stack grows) the comparison takes the identity over. */
		if (t->op_open) {
			t->op.steps |= SVMA_STEP_FAULTED;
		} else if (t->health == SVMA_CLEAN && !t->forking) {
			svma_live_read(data->vma, &live);
			svma_core_anon_vma(t->shadow, &live);
			t->counts.facts++;
			t->facts[SVMA_FACT_ANON_VMA]++;
			svma_journal_note_fault(t, &live);
		}
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return 0;
}

/* --- what operations ask --------------------------------------------------------------------------- */

/* vm_unmapped_area(info) of the current mm, mmap_lock held for writing */
static int on_search(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	const struct vm_unmapped_area_info *info = (const void *)svma_arg(regs, 0);
	bool tracked;

	rcu_read_lock();
	tracked = current->mm && svma_find_rcu(current->mm);
	rcu_read_unlock();
	if (!tracked)
		return 1;
	count_hit_ri(ri);
	data->mm = current->mm;
	data->search[0] = info->length;
	data->search[1] = info->low_limit;
	data->search[2] = info->high_limit;
	data->search[3] = info->align_mask;
	data->search[4] = info->align_offset;
	data->search[5] = !!(info->flags & VM_UNMAPPED_AREA_TOPDOWN);
	return 0;
}

static int on_search_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_op op = { .kind = SVMA_CORE_SEARCH };
	struct svma_verdict verdict = {};
	struct svma_call_entry *entry;
	struct svma_tracked *t;
	u64 predicted;

	op.result = regs_return_value(regs);
	memcpy(op.args, data->search, sizeof(data->search));
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		entry = svma_call_current(data->mm);
		spin_lock(&t->lock);
		if (t->health == SVMA_CLEAN && !t->forking) {
			svma_core_search(t->shadow, &op, entry ? &entry->call : NULL, &predicted, &verdict);
			svma_journal_note(t, &op, &verdict);
			svma_account_answers(t, &op, &verdict);
			t->counts.by_operation[SVMA_OP_SEARCH]++;
		}
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return 0;
}

/* security_vm_enough_memory_mm(mm, pages): overcommit; asked in the middle of operations */
static int on_enough_memory(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	bool tracked;

	data->mm = (struct mm_struct *)svma_arg(regs, 0);
	rcu_read_lock();
	tracked = svma_find_rcu(data->mm) != NULL;
	rcu_read_unlock();
	if (tracked)
		count_hit_ri(ri);
	return !tracked;
}

static int on_enough_memory_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;

	if (!(int)regs_return_value(regs))
		return 0;
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		spin_lock(&t->lock);
		if (t->op_open)
			t->op.steps |= SVMA_STEP_NO_MEMORY;
		spin_unlock(&t->lock);
	}
	rcu_read_unlock();
	return 0;
}

/* --- system calls that consist of steps -------------------------------------------------------------- */

/* For entry handlers of return probes: 0 when the return is wanted. @mm NULL: known at the release only. */
static int open_call(struct kretprobe_instance *ri, struct mm_struct *mm, const struct svma_call *call)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t = NULL;

	data->mm = mm;
	data->call = NULL;
	rcu_read_lock();
	if (mm)
		t = svma_find_rcu(mm);
	if (t || (!mm && atomic_read(&svma_nr_tracked))) {
		count_hit_ri(ri);
		data->call = svma_call_begin(mm, call);
		if (!data->call && t) {
			spin_lock(&t->lock);
			t->counts.missed++;
			svma_suspect(t);
			spin_unlock(&t->lock);
		}
	}
	rcu_read_unlock();
	return !data->call;
}

static const u32 operation_of_call[] = {
	[SVMA_CALL_MPROTECT] = SVMA_CORE_MPROTECT,
	[SVMA_CALL_MLOCK] = SVMA_CORE_MLOCK,
	[SVMA_CALL_MLOCKALL] = SVMA_CORE_MLOCK,
	[SVMA_CALL_UFFD_REGISTER] = SVMA_CORE_MODIFY,
	[SVMA_CALL_UFFD_UNREGISTER] = SVMA_CORE_MODIFY,
	[SVMA_CALL_MREMAP] = SVMA_CORE_MREMAP_MOVE,
	[SVMA_CALL_BRK] = SVMA_CORE_BRK,
	[SVMA_CALL_MBIND] = SVMA_CORE_MBIND,
};

/* What a call that ended differently is reported as: an operation with the call's arguments. */
static void operation_from_call(const struct svma_call *call, s64 result, struct svma_op *op)
{
	op->kind = operation_of_call[call->kind];
	op->result = result;
	op->args[0] = call->args[0];
	op->args[1] = call->args[0] + call->args[1];
	op->args[2] = call->args[2];
	switch (call->kind) {
	case SVMA_CALL_MREMAP:
		op->args[1] = call->args[0];
		op->args[2] = call->args[1];
		op->args[3] = call->args[2];
		op->args[4] = call->args[4];
		op->args[5] = call->args[3];
		break;
	case SVMA_CALL_BRK:
		op->args[0] = call->args[1];
		op->args[1] = call->args[0] - call->args[1];
		op->args[2] = 0;
		break;
	default:
		op->result = (int)result;
	}
}

static int on_call_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_call *call = &data->call->call;
	struct svma_verdict verdict = {};
	struct svma_op op = {};
	struct svma_tracked *t;

	if (call->kind < ARRAY_SIZE(operation_of_call) && operation_of_call[call->kind]) {
		operation_from_call(call, regs_return_value(regs), &op);
		rcu_read_lock();
		t = data->call->mm ? svma_find_rcu(data->call->mm) : NULL;
		if (t) {
			spin_lock(&t->lock);
			if (t->health == SVMA_CLEAN) {
				svma_core_call_end(t->shadow, call, op.result, &verdict);
				svma_account_answers(t, &op, &verdict);
			}
			spin_unlock(&t->lock);
		}
		rcu_read_unlock();
	}
	svma_call_finish(data->call);
	return 0;
}

/* do_madvise(mm, start, len, behavior) */
static int on_madvise(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MADVISE };

	if (!svma_core_advice_changes((int)svma_arg(regs, 3)))
		return 1;
	call.args[0] = svma_arg(regs, 1);
	call.args[1] = svma_arg(regs, 2);
	call.args[2] = (int)svma_arg(regs, 3);
	return open_call(ri, (struct mm_struct *)svma_arg(regs, 0), &call);
}

/* do_mprotect_pkey(start, len, prot, pkey) */
static int on_mprotect_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MPROTECT };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
	call.args[1] = svma_arg(regs, 1);
	call.args[2] = svma_arg(regs, 2);
	call.args[3] = (int)svma_arg(regs, 3);
	call.args[4] = !!(current->personality & READ_IMPLIES_EXEC);
	return open_call(ri, current->mm, &call);
}

/* apply_vma_lock_flags(start, len, flags), mmap_lock held for writing */
static int on_mlock_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MLOCK };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
	call.args[1] = svma_arg(regs, 1);
	call.args[2] = svma_arg(regs, 2);
	return open_call(ri, current->mm, &call);
}

/* apply_mlockall_flags(flags), mmap_lock held for writing */
static int on_mlockall_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MLOCKALL };

	if (!current->mm)
		return 1;
	call.args[0] = (int)svma_arg(regs, 0);
	return open_call(ri, current->mm, &call);
}

/* do_mmap(file, addr, len, prot, flags, pgoff, populate, uf), mmap_lock held for writing */
static int on_mmap_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MMAP };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 1);
	call.args[1] = svma_arg(regs, 2);
	call.args[2] = svma_arg(regs, 3);
	call.args[3] = svma_arg(regs, 4);
	call.args[4] = svma_arg(regs, 5);
	call.args[5] = current->mm->def_flags;
	call.args[6] = svma_live_file_bits((struct file *)svma_arg(regs, 0));
	if (current->personality & READ_IMPLIES_EXEC)
		call.args[6] |= SVMA_TASK_READ_IMPLIES_EXEC;
	if (svma_overcommit_memory() == OVERCOMMIT_NEVER)
		call.args[6] |= SVMA_TASK_STRICT_OVERCOMMIT;
	call.args[7] = TASK_SIZE;
	call.args[8] = svma_mmap_min_addr();
	return open_call(ri, current->mm, &call);
}

/* __vm_munmap(start, len, downgrade) */
static int on_munmap_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MUNMAP };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
	call.args[1] = svma_arg(regs, 1);
	return open_call(ri, current->mm, &call);
}

/* mremap(addr, old_len, new_len, flags, new_addr) */
static int on_mremap_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MREMAP };
	unsigned int i;

	if (!current->mm)
		return 1;
	for (i = 0; i < 5; i++)
		call.args[i] = svma_syscall_arg(regs, i);
	call.args[5] = TASK_SIZE;
	call.args[6] = svma_mmap_min_addr();
	return open_call(ri, current->mm, &call);
}

/* brk(brk); the fields of the mm are read without the lock, and the core checks that they were still true */
static int on_brk_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_BRK };
	struct mm_struct *mm = current->mm;

	if (!mm)
		return 1;
	call.args[0] = svma_syscall_arg(regs, 0);
	call.args[1] = READ_ONCE(mm->brk);
	call.args[2] = svma_lowest_brk(mm);
	call.args[3] = mm->start_brk;
	call.args[4] = mm->end_data - mm->start_data;
	call.args[5] = TASK_SIZE;
	call.args[6] = svma_mmap_min_addr();
	return open_call(ri, mm, &call);
}

/* do_mbind(start, len, mode, mode_flags, nmask, flags) */
static int on_mbind_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MBIND };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
	call.args[1] = svma_arg(regs, 1);
	call.args[2] = (u16)svma_arg(regs, 2);
	call.args[3] = svma_arg(regs, 5);
	return open_call(ri, current->mm, &call);
}

/* clear_refs_write(file, buf, count, ppos): "4" takes the soft-dirty marks off, anything else no marks */
static int on_clear_refs(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_CLEAR_REFS };
	size_t count = svma_arg(regs, 2);
	char text[8] = "";
	int type;

	if (!atomic_read(&svma_nr_tracked) || !count)
		return 1;
	count = min(count, sizeof(text) - 1);
	if (copy_from_user_nofault(text, (const void __user *)svma_arg(regs, 1), count))
		return 1; /* the text is not in memory; the harness finds what it did */
	if (kstrtoint(strim(text), 10, &type) || type != 4)
		return 1;
	return open_call(ri, NULL, &call);
}

/* userfaultfd_ioctl(file, cmd, arg) */
static int on_userfaultfd(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int cmd = svma_arg(regs, 1);
	struct svma_call call = {};
	struct uffdio_register want = {};

	if (!atomic_read(&svma_nr_tracked) || (cmd != UFFDIO_REGISTER && cmd != UFFDIO_UNREGISTER))
		return 1;
	/* Both arguments begin with the range. When they are not in memory the steps are all there is to check. */
	if (copy_from_user_nofault(&want, (const void __user *)svma_arg(regs, 2),
				   cmd == UFFDIO_REGISTER ? sizeof(want) : sizeof(want.range)))
		return 1;
	call.kind = cmd == UFFDIO_REGISTER ? SVMA_CALL_UFFD_REGISTER : SVMA_CALL_UFFD_UNREGISTER;
	call.args[0] = want.range.start;
	call.args[1] = want.range.len;
	call.args[2] = want.mode;
	call.args[3] = (unsigned long)((struct file *)svma_arg(regs, 0))->private_data;
	return open_call(ri, NULL, &call);
}

/* --- fork, exec, exit ------------------------------------------------------------------------------ */

/* dup_mmap(mm, oldmm) */
static int on_fork(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct mm_struct *child_mm = (struct mm_struct *)svma_arg(regs, 0);
	struct mm_struct *mm = (struct mm_struct *)svma_arg(regs, 1);
	struct svma_tracked *parent, *child;
	int unwanted = 1;

	rcu_read_lock();
	parent = svma_find_rcu(mm);
	if (!parent || !(parent->flags & SVMA_MM_DESCENDANTS))
		goto out;
	count_hit_ri(ri);
	child = svma_tracked_alloc(child_mm, parent->session);
	if (!child) {
		spin_lock(&parent->lock);
		parent->counts.missed++;
		spin_unlock(&parent->lock);
		goto out;
	}
	child->flags = parent->flags & ~SVMA_MM_OWNED;
	child->parent_mm = mm;
	child->forking = true;
	child->starting = true;
	child->begin_ns = ktime_get_mono_fast_ns();
	memcpy(child->comm, current->comm, sizeof(child->comm));
	if (svma_tracked_publish(child)) {
		svma_tracked_discard(child);
		goto out;
	}
	data->mm = child_mm;
	unwanted = 0;
out:
	rcu_read_unlock();
	return unwanted;
}

/* The child's mm is complete and nobody else knows it yet. */
static int on_fork_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_op op = { .kind = SVMA_CORE_FORK };
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (!t)
		goto out;
	if ((int)regs_return_value(regs)) {
		svma_tracked_retire(t);
		goto out;
	}
	spin_lock(&t->lock);
	t->starting = false;
	if (t->forking) {
		t->forking = false;
		lose_operation(t);
	}
	if (t->health == SVMA_CLEAN) {
		if (t->counts.operations)
			t->fork_verdict.scene = NULL; /* another operation has used it since */
		svma_account(t, &op, &t->fork_verdict);
	}
	spin_unlock(&t->lock);
out:
	rcu_read_unlock();
	return 0;
}

/* wake_up_new_task(task): now the child's process exists */
static int on_new_task(struct kprobe *kp, struct pt_regs *regs)
{
	struct task_struct *task = (struct task_struct *)svma_arg(regs, 0);
	struct svma_tracked *t;

	rcu_read_lock();
	t = task->mm ? svma_find_rcu(task->mm) : NULL;
	if (t && !t->pid) {
		count_hit(kp);
		spin_lock(&t->lock);
		t->pid = get_pid(task_tgid(task));
		svma_core_fork_done(t->shadow);
		spin_unlock(&t->lock);
		svma_worker_kick();
	}
	rcu_read_unlock();
	return 0;
}

/* Who, if anybody, wants to track what the current task is about to exec? */
static struct svma_session *session_of_exec(u32 *flags)
{
	struct svma_tracked *t = current->mm ? svma_find_rcu(current->mm) : NULL;
	struct svma_session *session;
	struct pid *parent;

	if (t && (t->pid == task_tgid(current) || (t->flags & SVMA_MM_DESCENDANTS))) {
		*flags = t->flags;
		return t->session;
	}
	parent = task_tgid(rcu_dereference(current->real_parent));
	list_for_each_entry_rcu(session, &svma_sessions, node) {
		if (READ_ONCE(session->children) && session->owner == parent) {
			*flags = session->children_flags;
			return session;
		}
	}
	return NULL;
}

static void track_exec(struct mm_struct *mm)
{
	struct svma_session *session;
	struct svma_tracked *t;
	u32 flags = 0;

	session = session_of_exec(&flags);
	if (!session)
		return;
	t = svma_tracked_alloc(mm, session);
	if (!t) {
		spin_lock(&session->lock);
		session->missed++;
		spin_unlock(&session->lock);
		return;
	}
	t->flags = flags | SVMA_MM_FROM_EXEC;
	t->starting = true;
	t->pid = get_pid(task_tgid(current));
	t->counts.by_operation[SVMA_OP_EXEC] = 1;
	t->counts.operations = 1;
	memcpy(t->comm, current->comm, sizeof(t->comm));
	svma_journal_note_whole(t, SVMA_OP_EXEC);
	if (svma_tracked_publish(t))
		svma_tracked_discard(t);
}

/* insert_vm_struct(mm, vma): special mappings, and as the first of all the stack of an exec */
static int on_insert(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct mm_struct *mm = (struct mm_struct *)svma_arg(regs, 0);
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 1);
	struct svma_op op = { .kind = SVMA_CORE_INSERT };

	rcu_read_lock();
	if (mm != current->mm && !mm->map_count && !svma_find_rcu(mm))
		track_exec(mm);
	rcu_read_unlock();
	svma_live_read(vma, &op.vma);
	op.args[0] = vma_is_anonymous(vma);
	return open_at_entry(ri, mm, &op);
}

/* setup_arg_pages(bprm, stack_top, executable_stack): the new mm is current->mm now */
static int on_setup_stack(struct kprobe *kp, struct pt_regs *regs)
{
	struct svma_tracked *t;

	rcu_read_lock();
	t = current->mm ? svma_find_rcu(current->mm) : NULL;
	if (t) {
		count_hit(kp);
		spin_lock(&t->lock);
		t->setup_stack = true;
		t->starting = false;
		memcpy(t->comm, current->comm, sizeof(t->comm));
		spin_unlock(&t->lock);
		svma_worker_kick();
	}
	rcu_read_unlock();
	return 0;
}

/* exit_mmap(mm): the last user is gone, the layout is still whole */
static int on_exit(struct kprobe *kp, struct pt_regs *regs)
{
	struct mm_struct *mm = (struct mm_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_EXIT };
	struct svma_verdict verdict = {};
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(mm);
	if (t) {
		count_hit(kp);
		spin_lock(&t->lock);
		if (t->health == SVMA_CLEAN && !t->starting && !t->forking) {
			svma_core_release(t->shadow, mm, false, true, &verdict);
			svma_account(t, &op, &verdict);
		} else {
			svma_journal_note(t, &op, NULL);
		}
		spin_unlock(&t->lock);
		svma_tracked_retire(t);
	}
	rcu_read_unlock();
	return 0;
}

/* --- the table ------------------------------------------------------------------------------------- */

#define REQUIRED_RETURN(name, what, at_entry, at_return) \
	{ .symbol = name, .role = what, .required = true, .entry = at_entry, .ret = at_return }
#define REQUIRED(name, what, handler) \
	{ .symbol = name, .role = what, .required = true, .pre = handler }

struct svma_probe_entry svma_probe_table[] = {
	REQUIRED("up_write", "release: totals compared", on_up_write),
	REQUIRED("downgrade_write", "release: unmap goes on", on_downgrade_write),
	REQUIRED_RETURN("mmap_region", "mmap", on_mmap_region, close_at_return),
	REQUIRED_RETURN("do_mas_align_munmap", "munmap, brk shrink", on_munmap, close_at_return),
	REQUIRED_RETURN("do_brk_flags", "brk", on_brk, close_at_return),
	REQUIRED_RETURN("mprotect_fixup", "mprotect", on_mprotect, close_at_return),
	REQUIRED_RETURN("mlock_fixup", "mlock family", on_mlock, close_at_return),
	REQUIRED_RETURN("move_vma", "mremap that moves", on_move_vma, close_at_return),
	REQUIRED_RETURN("vma_to_resize", "mremap in place", on_resize, on_resize_checked),
	REQUIRED("vma_merge", "userfaultfd: one VMA", on_vma_merge),
	REQUIRED_RETURN("mbind_range", "mbind", on_mbind, close_at_return),
	REQUIRED_RETURN("vm_unmapped_area", "address search", on_search, on_search_done),
	REQUIRED_RETURN("security_vm_enough_memory_mm", "overcommit's answer", on_enough_memory,
			on_enough_memory_done),
	REQUIRED_RETURN("do_mmap", "mmap: the call", on_mmap_call, on_call_done),
	REQUIRED_RETURN("__vm_munmap", "munmap: the call", on_munmap_call, on_call_done),
	REQUIRED_RETURN("do_mprotect_pkey", "mprotect: the call", on_mprotect_call, on_call_done),
	REQUIRED_RETURN("do_madvise", "madvise: the call", on_madvise, on_call_done),
	REQUIRED_RETURN("apply_vma_lock_flags", "mlock: the call", on_mlock_call, on_call_done),
	REQUIRED_RETURN("apply_mlockall_flags", "mlockall: the call", on_mlockall_call, on_call_done),
	REQUIRED_RETURN("__x64_sys_mremap", "mremap: the call", on_mremap_call, on_call_done),
	REQUIRED_RETURN("__x64_sys_brk", "brk: the call", on_brk_call, on_call_done),
	REQUIRED_RETURN("do_mbind", "mbind: the call", on_mbind_call, on_call_done),
	REQUIRED_RETURN("userfaultfd_ioctl", "userfaultfd: the call", on_userfaultfd, on_call_done),
	REQUIRED_RETURN("clear_refs_write", "clear_refs", on_clear_refs, on_call_done),
	REQUIRED_RETURN("expand_downwards", "stack growth", on_stack_growth, close_at_return),
	REQUIRED_RETURN("insert_vm_struct", "special mappings, exec", on_insert, close_at_return),
	REQUIRED("setup_arg_pages", "exec: new mm in use", on_setup_stack),
	REQUIRED_RETURN("shift_arg_pages", "exec: stack moves", on_stack_shift, close_at_return),
	REQUIRED_RETURN("dup_mmap", "fork", on_fork, on_fork_done),
	REQUIRED("wake_up_new_task", "fork: the child's pid", on_new_task),
	REQUIRED_RETURN("__anon_vma_prepare", "first anonymous fault", on_anon_vma, on_anon_vma_done),
	REQUIRED("exit_mmap", "exit", on_exit),
};

const unsigned int svma_nr_probes = ARRAY_SIZE(svma_probe_table);
