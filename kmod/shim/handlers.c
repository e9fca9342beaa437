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

#include "compat/args.h"

#include <asm/msr.h>
#include <linux/compat.h>
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
	atomic64_inc(&container_of(svma_kretprobe_of(ri), struct svma_probe_entry, rp)->hits);
}

static bool is_tracked(const struct mm_struct *mm)
{
	bool yes;

	rcu_read_lock();
	yes = mm && svma_find_rcu(mm);
	rcu_read_unlock();
	return yes;
}

/* All that a handler does about a tracked mm lies between these two. */
static void begin_handling(struct svma_tracked *t)
{
	const u64 now = rdtsc();

	svma_lock(&t->lock);
	t->handled_since = now;
}

static void note_handled(u64 since)
{
	svma_duration_add(&svma_handled, svma_cycles_to_ns(rdtsc() - since));
}

static void end_handling(struct svma_tracked *t)
{
	const u64 since = t->handled_since;

	spin_unlock(&t->lock);
	note_handled(since);
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

/* Is @t's shadow to be trusted? Not when probes were switched off since it was loaded. tracked->lock held. */
static bool in_step(struct svma_tracked *t)
{
	if (t->health == SVMA_CLEAN && t->switches != svma_switches())
		svma_suspect(t);
	return t->health == SVMA_CLEAN;
}

/* What the kernel asks besides a call's arguments and the layout; mmap_lock is held for writing. */
static void note_conditions(struct svma_call *call, const struct mm_struct *mm)
{
	struct svma_rlimits before = call->rlimits;

	fill_rlimits(&call->rlimits);
	if (memcmp(&before, &call->rlimits, sizeof(before)))
		call->limits_moved = 1;
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
	struct svma_rlimits limits;

	fill_rlimits(&limits);
	if (memcmp(&limits, &t->op.rlimits, sizeof(limits)))
		t->op.steps |= SVMA_STEP_LIMITS_MOVED;

	t->op.result = result;
	WRITE_ONCE(t->settling, true);
	WRITE_ONCE(t->op_open, false);
	t->announced = true;
	svma_core_end(t->shadow, &t->op, t->mm, &verdict);
	svma_account(t, &t->op, &verdict); /* may have it leave reverse mapping */
	WRITE_ONCE(t->settling, false);
}

/*
 * Open @op on @t. Returns its number, or 0 when it is part of another operation or @t is not in step.
 * tracked->lock held, mmap_lock held for writing by the caller's task.
 */
static u64 begin_operation(struct svma_tracked *t, const struct svma_op *op)
{
	struct svma_verdict verdict = {};

	if (!in_step(t) || t->forking)
		return 0;
	if (t->op_open) {
		if (!ends_by_itself(t->op.kind))
			return 0;
		/* vma_merge() inside mremap's growth in place is its own step, move_vma() replaces it. */
		if (t->op.kind == SVMA_CORE_MREMAP_EXPAND && op->kind == SVMA_CORE_MODIFY)
			return 0;
		if (t->op.kind == SVMA_CORE_MREMAP_EXPAND && op->kind == SVMA_CORE_MREMAP_MOVE)
			WRITE_ONCE(t->op_open, false);
		else
			end_operation(t, 0);
		if (!in_step(t))
			return 0;
	}
	check_step(t, op);
	t->begin_ns = ktime_get_mono_fast_ns();
	t->op = *op;
	t->op.map_count_limit = svma_max_map_count();
	t->op.task = task_pid_nr(current);
	fill_rlimits(&t->op.rlimits);
	t->op_id = atomic64_inc_return(&next_op_id);
	WRITE_ONCE(t->op_open, true);
	if (t->guarding)
		t->op.steps |= SVMA_STEP_GUARDED;
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
		begin_handling(t);
		data->mm = mm;
		/* Did a mapping that failed unmap what it was to replace? */
		if (t->op_open && t->op.kind == SVMA_CORE_MMAP && op->kind == SVMA_CORE_MUNMAP)
			data->outer_id = t->op_id;
		/* Did a driver not want its mapping moved? */
		if (t->op_open && t->op.kind == SVMA_CORE_MREMAP_MOVE && op->kind == SVMA_CORE_MUNMAP &&
		    op->args[0] == t->op.args[4])
			t->op.steps |= SVMA_STEP_UNDONE;
		data->op_id = begin_operation(t, op);
		end_handling(t);
	}
	rcu_read_unlock();
	return data->op_id || data->outer_id ? 0 : 1;
}

/* Of the mapping that the current task is about to make. */
static void note_mmap_step(u64 op_id, u32 step)
{
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(current->mm);
	if (t) {
		begin_handling(t);
		if (t->op_open && t->op.kind == SVMA_CORE_MMAP && (!op_id || t->op_id == op_id))
			t->op.steps |= step;
		end_handling(t);
	}
	rcu_read_unlock();
}

/* vms_gather_munmap_vmas(vms, mas_detach): inside mmap_region(), what is to be replaced is cut out */
static int on_gather(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;

	data->outer_id = 0;
	rcu_read_lock();
	t = current->mm ? svma_find_rcu(current->mm) : NULL;
	if (t) {
		count_hit_ri(ri);
		begin_handling(t);
		if (t->op_open && t->op.kind == SVMA_CORE_MMAP)
			data->outer_id = t->op_id;
		end_handling(t);
	}
	rcu_read_unlock();
	return !data->outer_id;
}

static int on_gathered(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	bool failed = (int)regs_return_value(regs) < 0;

	note_mmap_step(data->outer_id, failed ? SVMA_STEP_UNMAP_FAILED : SVMA_STEP_CUT);
	return 0;
}

/* vms_clean_up_area(vms, mas_detach): mmap_region() gives up what it replaces; if it fails now, a hole is left */
static int on_clean_up(struct kprobe *kp, struct pt_regs *regs)
{
	if (!is_tracked(current->mm))
		return 0;
	count_hit(kp);
	note_mmap_step(0, SVMA_STEP_UNMAPPED);
	return 0;
}

/*
 * remove_vma(vma, unreachable): an unmap that goes on under the read lock has counted its pages. Where this is probed
 * it lets go of the lock before it returns.
 */
static int on_remove_vma(struct kprobe *kp, struct pt_regs *regs)
{
	struct mm_struct *mm = ((struct vm_area_struct *)svma_arg(regs, 0))->vm_mm;
	struct svma_verdict verdict = {};
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(mm);
	if (t) {
		count_hit(kp);
		begin_handling(t);
		if (t->unmapping) {
			if (in_step(t) && t->op_id == t->unmapping && !t->growing) {
				svma_core_release(t->shadow, mm, false, true, &verdict);
				svma_account_answers(t, &t->op, &verdict);
			}
			WRITE_ONCE(t->unmapping, 0);
			t->seq++;
		}
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

static int close_at_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_verdict verdict = {};
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		begin_handling(t);
		if (data->outer_id) {
			if (t->op_open && t->op_id == data->outer_id)
				t->op.steps |= (int)regs_return_value(regs) < 0 ? SVMA_STEP_UNMAP_FAILED :
										  SVMA_STEP_UNMAPPED;
		} else if (t->op_open && t->op_id == data->op_id) {
			/* Some of the functions return an int. */
			s64 result = regs_return_value(regs);

			if (t->op.kind != SVMA_CORE_MMAP && t->op.kind != SVMA_CORE_MREMAP_MOVE)
				result = (int)result;
			if (in_step(t))
				end_operation(t, result);
			WRITE_ONCE(t->op_open, false);
			note_step_result(t, result);
		} else if (t->unmapping == data->op_id) {
			/* The unmap that went on under the read lock, which it still holds, has counted its pages. */
			WRITE_ONCE(t->unmapping, 0);
			t->beside_unmap = t->growing;
			t->seq++;
			if (in_step(t) && t->op_id == data->op_id && !t->growing) {
				svma_core_release(t->shadow, data->mm, false, true, &verdict);
				svma_account_answers(t, &t->op, &verdict);
			}
		}
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

/* --- the lock is given up ------------------------------------------------------------------------ */

static void copy_forked_layout(struct svma_tracked *child)
{
	struct svma_tracked *parent = svma_find_rcu(child->parent_mm);

	if (!parent) {
		WRITE_ONCE(child->forking, false);
		svma_suspect(child);
		goto out;
	}
	/* lock order: parent, child; nobody else can hold the lock of a child that is being made for long */
	if (!spin_trylock(&parent->lock)) {
		spin_unlock(&child->lock);
		svma_lock(&parent->lock);
		spin_lock_nested(&child->lock, svma_nesting() + SINGLE_DEPTH_NESTING);
	}
	if (!in_step(parent) || svma_core_fork(child->shadow, parent->shadow)) {
		svma_suspect(child);
		svma_core_rmap_abroad(parent->shadow);
	}
	spin_unlock(&parent->lock);
	/* Not before: until then the child's share in its relatives' anon_vmas is in the live ones only. */
	WRITE_ONCE(child->forking, false);
	/*
	 * Compared here, while the lock is held: dup_mmap() then waits for the readers of a userfaultfd, who may
	 * change the child before it returns. Counted only when it has returned success.
	 */
	memset(&child->fork_verdict, 0, sizeof(child->fork_verdict));
	if (in_step(child)) {
		svma_core_audit(child->shadow, child->mm, 1, &child->fork_verdict);
		svma_core_structure(child->shadow, child->mm, &child->fork_verdict);
	}
out:
	child->parent_mm = NULL;
}

static void lose_operation(struct svma_tracked *t)
{
	t->counts.missed++;
	/* Relatives see that it is in the middle of something until it has left reverse mapping. */
	svma_suspect(t);
	WRITE_ONCE(t->op_open, false);
}

/* The lock is given up inside a system call: apply it as a whole, or note how far it should have come. */
static void release_call(struct svma_tracked *t)
{
	struct svma_call_entry *entry = svma_call_current(t->mm);
	struct svma_op op = {};

	if (!entry || entry->applied || !in_step(t))
		return;
	switch (entry->call.kind) {
	case SVMA_CALL_MADVISE:
		op.kind = SVMA_CORE_MADVISE;
		op.args[0] = entry->call.args[0];
		op.args[1] = entry->call.args[0] + PAGE_ALIGN(entry->call.args[1]);
		op.args[2] = entry->call.args[2];
		op.args[3] = entry->call.failed != 0;
		op.args[4] = entry->call.cursor;
		break;
	case SVMA_CALL_MBIND_WHOLE:
		if (!entry->policy_seen)
			return; /* it did not get as far as the first VMA */
		op.kind = SVMA_CORE_MBIND;
		op.args[0] = entry->call.args[0];
		op.args[1] = entry->call.args[0] + PAGE_ALIGN(entry->call.args[1]);
		op.args[2] = entry->policy;
		op.args[3] = SVMA_CORE_NO_VMA;
		break;
	case SVMA_CALL_MSEAL:
		op.kind = SVMA_CORE_MSEAL;
		op.args[0] = entry->call.args[0];
		op.args[1] = entry->call.args[0] + PAGE_ALIGN(entry->call.args[1]);
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

	begin_handling(t);
	if (t->forking) {
		copy_forked_layout(t);
		goto unlock;
	}
	WRITE_ONCE(t->unmapping, 0);
	if (t->op_open && in_step(t)) {
		if (ends_by_itself(t->op.kind)) {
			end_operation(t, 0);
		} else if (downgraded && t->op.kind == SVMA_CORE_MUNMAP) {
			/* It only gets here when it has succeeded. */
			WRITE_ONCE(t->unmapping, t->op_id);
			end_operation(t, 0);
		} else {
			lose_operation(t);
		}
	}
	WRITE_ONCE(t->op_open, false);
	release_call(t);
	/* Between the copying of a layout and the end of dup_mmap() only userfaultfd is at work on a child. */
	if (t->starting && !t->announced && in_step(t))
		svma_core_fork_undelivered(t->shadow, t->mm, &verdict);
	if (in_step(t)) {
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
	end_handling(t);
}

/* Every writer of every rw_semaphore comes here: it must not clear a verdict before it is known to need one. */
static void write_lock_released(struct kprobe *kp, struct rw_semaphore *sem, bool downgraded)
{
	const struct mm_struct *mm = container_of(sem, struct mm_struct, mmap_lock);
	struct svma_tracked *t;

	svma_note_change(mm);
	rcu_read_lock();
	t = svma_find_rcu(mm);
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
	op.args[4] = svma_mm_merges_any(current->mm);
	svma_live_file((struct file *)svma_arg(regs, 0), &op.vma);
	return open_at_entry(ri, current->mm, &op);
}

static int on_munmap(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_args args = svma_args_munmap(regs);
	struct svma_op op = { .kind = SVMA_CORE_MUNMAP };
	const struct vm_area_struct *first;

	/* Some kernels look only inside whether the range makes sense and there is anything to unmap. */
	if (!is_tracked(args.mm) || !PAGE_ALIGNED(args.start) || args.start >= args.end || args.end > TASK_SIZE)
		return 1;
	first = svma_live_next_vma(args.mm, args.start);
	if (!first || first->vm_start >= args.end)
		return 1;
	op.args[0] = args.start;
	op.args[1] = args.end;
	return open_at_entry(ri, args.mm, &op);
}

static int on_brk(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_args args = svma_args_brk(regs);
	struct svma_op op = { .kind = SVMA_CORE_BRK };

	/* 5.10 looks only inside whether the range makes sense. */
	if (!current->mm || args.start > args.end || args.end > TASK_SIZE)
		return 1;
	op.args[0] = args.start;
	op.args[1] = args.end - args.start;
	op.args[2] = args.flags | svma_data_default_flags() | VM_ACCOUNT | current->mm->def_flags;
	op.args[3] = args.vma ? args.vma->vm_start : SVMA_CORE_NO_VMA;
	op.args[4] = svma_mm_merges_any(current->mm);
	return open_at_entry(ri, current->mm, &op);
}

static int on_mprotect(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_args args = svma_args_mprotect(regs);
	struct svma_op op = { .kind = SVMA_CORE_MPROTECT };

	op.args[0] = args.start;
	op.args[1] = args.end;
	op.args[2] = args.flags;
	return open_at_entry(ri, args.vma->vm_mm, &op);
}

static int on_mlock(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_args args = svma_args_mlock(regs);
	struct svma_op op = { .kind = SVMA_CORE_MLOCK };

	op.args[0] = args.start;
	op.args[1] = args.end;
	op.args[2] = args.flags;
	svma_live_read(args.vma, &op.vma);
	return open_at_entry(ri, args.vma->vm_mm, &op);
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

/*
 * 5.10 lets stacks grow under mmap_lock held for reading, several at a time; no operation is open then, and none
 * begins before all have grown. Each is applied when nothing can have moved since, that is by the last one.
 * tracked->lock held.
 */
static void apply_growths(struct svma_tracked *t)
{
	struct svma_verdict verdict = {};
	unsigned int i;

	for (i = 0; i < t->nr_grown && in_step(t); i++) {
		/* Meanwhile others may fault: a neighbour may have its anon_vma before that is noted. */
		struct svma_op op = { .kind = SVMA_CORE_STACK_GROWTH, .steps = SVMA_STEP_FAULTED_BESIDE };

		op.args[0] = t->grown[i].vma_start;
		op.args[1] = t->grown[i].address;
		op.args[3] = svma_mmap_min_addr();
		if (!begin_operation(t, &op))
			continue;
		t->op.rlimits = t->grown[i].rlimits;
		if (t->unmapping || t->beside_unmap)
			t->op.steps |= SVMA_STEP_BESIDE_UNMAP;
		if (i + 1 < t->nr_grown)
			t->op.steps |= SVMA_STEP_MORE_GREW;
		end_operation(t, t->grown[i].result);
	}
	t->nr_grown = 0;
	t->beside_unmap = false;
	if (!in_step(t) || t->unmapping)
		return;
	svma_core_release(t->shadow, t->mm, false, true, &verdict);
	svma_account_answers(t, &t->op, &verdict);
	t->announced = false;
}

static int on_shared_growth_done(struct svma_return_data *data, s64 result)
{
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t && t->id == data->tracked_id) { /* else it was untracked meanwhile, and perhaps tracked anew */
		begin_handling(t);
		data->growth.result = result;
		if (t->nr_grown < SVMA_MAX_GROWN)
			t->grown[t->nr_grown++] = data->growth;
		else
			lose_operation(t);
		svma_add_once(t->growing, -1);
		if (!t->growing)
			apply_growths(t);
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

static int on_shared_growth(struct kretprobe_instance *ri, const struct vm_area_struct *vma, u64 address)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(vma->vm_mm);
	if (t) {
		count_hit_ri(ri);
		data->mm = vma->vm_mm;
		data->op_id = 0;
		data->tracked_id = t->id;
		data->growth.vma_start = vma->vm_start;
		data->growth.address = address;
		fill_rlimits(&data->growth.rlimits);
		begin_handling(t);
		svma_add_once(t->growing, 1);
		t->seq++; /* whoever reads both sides from here on must not take them for the same moment */
		end_handling(t);
	}
	rcu_read_unlock();
	return !t;
}

static int on_stack_growth_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;

	if (data->op_id)
		return close_at_return(ri, regs);
	return on_shared_growth_done(data, (int)regs_return_value(regs));
}

/* expand_downwards(vma, address) */
static int on_stack_growth(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_STACK_GROWTH };

	svma_note_change(vma->vm_mm);
	if (!svma_mm_write_locked(vma->vm_mm))
		return on_shared_growth(ri, vma, svma_arg(regs, 1));
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

static int on_move_vma(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_remap remap = svma_args_move(regs);
	struct svma_op op = { .kind = SVMA_CORE_MREMAP_MOVE };

	op.args[0] = remap.vma->vm_start;
	op.args[1] = remap.addr;
	op.args[2] = remap.old_len;
	op.args[3] = remap.new_len;
	op.args[4] = remap.new_addr;
	op.args[5] = remap.flags;
	return open_at_entry(ri, remap.vma->vm_mm, &op);
}

/* The check before mremap grows in place or moves; it grows unless told where to go. */
static int on_resize(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_remap remap = svma_args_resize(regs);
	struct svma_op op = { .kind = SVMA_CORE_MREMAP_EXPAND };

	if (!current->mm || (remap.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) || remap.new_len <= remap.old_len)
		return 1;
	op.args[0] = remap.addr;
	op.args[1] = remap.old_len;
	op.args[2] = remap.new_len;
	op.args[3] = TASK_SIZE;
	return open_at_entry(ri, current->mm, &op);
}

static int on_resize_checked(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;

	if (!svma_resize_refused(regs))
		return 0; /* it goes on, and ends with the lock */
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		begin_handling(t);
		if (t->op_id == data->op_id)
			WRITE_ONCE(t->op_open, false);
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

static int on_ksm_all(struct kretprobe_instance *ri, struct mm_struct *mm, bool offered)
{
	struct svma_op op = { .kind = SVMA_CORE_OTHER };

	op.args[0] = offered;
	op.args[1] = svma_mm_merges_any(mm);
	return open_at_entry(ri, mm, &op);
}

/* ksm_enable_merge_any(mm) */
static int on_ksm_enable(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return on_ksm_all(ri, (struct mm_struct *)svma_arg(regs, 0), true);
}

/* ksm_disable_merge_any(mm) */
static int on_ksm_disable(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return on_ksm_all(ri, (struct mm_struct *)svma_arg(regs, 0), false);
}

static int on_mbind(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const struct svma_args args = svma_args_mbind(regs);
	struct svma_op op = { .kind = SVMA_CORE_MBIND };

	op.args[0] = args.start;
	op.args[1] = args.end;
	op.args[2] = svma_policy_digest(args.policy);
	op.args[3] = args.vma->vm_start;
	return open_at_entry(ri, args.vma->vm_mm, &op);
}

/* Calls that are applied as a whole: what merges inside them is a part of that. */
static bool is_whole_call(const struct svma_call_entry *entry)
{
	return entry && (entry->call.kind == SVMA_CALL_MADVISE || entry->call.kind == SVMA_CALL_MBIND_WHOLE);
}

static bool in_whole_call(const struct mm_struct *mm, unsigned int policy)
{
	struct svma_call_entry *entry = svma_call_current(mm);

	if (entry && entry->call.kind == SVMA_CALL_MBIND_WHOLE) {
		entry->policy_seen = true;
		entry->policy = policy;
	}
	return is_whole_call(entry);
}

/* Where no other operation is open and no such call goes on, it is userfaultfd. */
static int on_merge(struct kprobe *kp, struct pt_regs *regs)
{
	const struct svma_args args = svma_args_merge(regs);
	struct svma_op op = { .kind = SVMA_CORE_MODIFY };
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(args.mm);
	if (t && !in_whole_call(args.mm, svma_policy_digest(args.policy))) {
		count_hit(kp);
		op.args[0] = args.start;
		op.args[1] = args.end;
		op.args[2] = args.flags;
		op.args[3] = args.uffd_ctx;
		op.args[4] = svma_policy_digest(args.policy);
		op.args[5] = args.name;
		begin_handling(t);
		begin_operation(t, &op);
		end_handling(t);
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
	struct svma_tracked *t;

	svma_note_change(vma->vm_mm);
	rcu_read_lock();
	t = svma_find_rcu(vma->vm_mm);
	if (t) {
		count_hit_ri(ri);
		data->mm = vma->vm_mm;
		data->tracked_id = t->id;
		data->vma = vma;
		begin_handling(t);
		svma_add_once(t->faulting, 1);
		data->fault_seq = ++t->fault_seq;
		end_handling(t);
	}
	rcu_read_unlock();
	return !t;
}

/* tracked->lock held. */
static void first_fault(struct svma_tracked *t, struct vm_area_struct *vma, bool alone)
{
	struct svma_op op = { .kind = SVMA_CORE_ANON_VMA, .task = task_pid_nr(current) };
	struct svma_verdict verdict = {};
	struct svma_live_vma live;

	svma_live_read(vma, &live);
	op.args[0] = live.start;
	op.args[1] = live.end;
	svma_core_anon_vma(t->shadow, t->mm, &live, alone, &verdict);
	t->counts.facts++;
	t->facts[SVMA_FACT_ANON_VMA]++;
	svma_journal_note_fault(t, &live);
	svma_account_answers(t, &op, &verdict);
}

static int on_anon_vma_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_tracked *t;
	bool alone;

	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t && t->id == data->tracked_id) { /* else it was untracked meanwhile, and perhaps tracked anew */
		begin_handling(t);
		WRITE_ONCE(t->settling, true);
		svma_add_once(t->faulting, -1);
		alone = !t->faulting && t->fault_seq == data->fault_seq;
		t->fault_seq++;
		/* Inside an operation that populates, its end predicts the chain; a stack grows later. */
		if (regs_return_value(regs))
			; /* no memory */
		else if (t->op_open && t->op.kind != SVMA_CORE_STACK_GROWTH)
			t->op.steps |= SVMA_STEP_FAULTED;
		else if (in_step(t) && !t->forking)
			first_fault(t, data->vma, alone);
		WRITE_ONCE(t->settling, false);
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

/* --- what operations ask --------------------------------------------------------------------------- */

/* Which bases count is a matter of the system call; an exec pretends to be one of the new program's kind. */
static void own_placement(struct svma_placement *out)
{
	svma_live_placement(current->mm, in_32bit_syscall(), current->personality, out);
	out->task_size = TASK_SIZE;
	if (current->flags & PF_RANDOMIZE)
		out->flags |= SVMA_PLACEMENT_RANDOM;
}

/* vm_unmapped_area(info) of the current mm, mmap_lock held for writing */
static int on_search(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	const struct vm_unmapped_area_info *info = (const void *)svma_arg(regs, 0);

	if (!is_tracked(current->mm))
		return 1;
	count_hit_ri(ri);
	data->mm = current->mm;
	data->search[0] = info->length;
	data->search[1] = info->low_limit;
	data->search[2] = info->high_limit;
	data->search[3] = info->align_mask;
	data->search[4] = info->align_offset;
	data->search[5] = !!(info->flags & VM_UNMAPPED_AREA_TOPDOWN);
	data->search[6] = svma_search_start_gap(info);
	data->search[7] = svma_mmap_min_addr();
	return 0;
}

static int on_search_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_op op = { .kind = SVMA_CORE_SEARCH };
	struct svma_verdict verdict = {};
	struct svma_placement where;
	struct svma_call_entry *entry;
	struct svma_tracked *t;
	u64 predicted;

	op.result = regs_return_value(regs);
	memcpy(op.args, data->search, sizeof(data->search));
	own_placement(&where);
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		entry = svma_call_current(data->mm);
		begin_handling(t);
		if (in_step(t) && !t->forking) {
			svma_core_search(t->shadow, &op, &where, entry ? &entry->call : NULL, &predicted,
					 &verdict);
			svma_journal_note(t, &op, &verdict);
			svma_account_answers(t, &op, &verdict);
			t->counts.by_operation[SVMA_OP_SEARCH]++;
		}
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

/*
 * The task's vmacache, below find_vma(); mmap_lock held at least for reading. Inside an operation, and inside a call
 * that is applied as a whole, the live side is ahead of the shadow.
 */
static bool in_flux(const struct svma_tracked *t)
{
	return t->op_open || t->growing || t->forking || t->starting || is_whole_call(svma_call_current(t->mm));
}

/* vmacache_find(mm, addr) */
static int on_vmacache_find(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;

	data->mm = (struct mm_struct *)svma_arg(regs, 0);
	data->start = svma_arg(regs, 1);
	if (data->mm != current->mm || (current->flags & PF_KTHREAD) || !is_tracked(data->mm))
		return 1;
	count_hit_ri(ri);
	return 0;
}

static int on_vmacache_found(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	const struct vm_area_struct *hit = (const void *)regs_return_value(regs);
	struct svma_op op = { .kind = SVMA_CORE_OTHER, .task = task_pid_nr(current) };
	struct svma_verdict verdict = {};
	struct svma_tracked *t;

	op.args[0] = data->start;
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t) {
		begin_handling(t);
		if (in_step(t)) {
			svma_core_vmacache_find(t->shadow, op.task, data->start, hit ? hit->vm_start : SVMA_CORE_NO_VMA,
						in_flux(t), &verdict);
			svma_account_answers(t, &op, &verdict);
		}
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

/* vmacache_update(addr, vma) */
static int on_vmacache_update(struct kprobe *kp, struct pt_regs *regs)
{
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 1);
	struct svma_tracked *t;

	if (vma->vm_mm != current->mm || (current->flags & PF_KTHREAD))
		return 0;
	rcu_read_lock();
	t = svma_find_rcu(vma->vm_mm);
	if (t) {
		count_hit(kp);
		begin_handling(t);
		if (in_step(t))
			svma_core_vmacache_update(t->shadow, task_pid_nr(current), svma_arg(regs, 0), vma->vm_start,
						  in_flux(t));
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

/* security_vm_enough_memory_mm(mm, pages): overcommit; asked in the middle of operations */
static int on_enough_memory(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;

	data->mm = (struct mm_struct *)svma_arg(regs, 0);
	if (!is_tracked(data->mm))
		return 1;
	count_hit_ri(ri);
	return 0;
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
		begin_handling(t);
		if (t->op_open)
			t->op.steps |= SVMA_STEP_NO_MEMORY;
		end_handling(t);
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
		if (data->call)
			fill_rlimits(&data->call->call.rlimits);
		if (!data->call && t) {
			begin_handling(t);
			t->counts.missed++;
			svma_suspect(t);
			end_handling(t);
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
	case SVMA_CALL_MLOCKALL:
		op->result = 0; /* always; 7.3's compiler has left the return value out */
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
			begin_handling(t);
			if (in_step(t)) {
				svma_core_call_end(t->shadow, call, op.result, &verdict);
				svma_account_answers(t, &op, &verdict);
			}
			end_handling(t);
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

/* ksm_madvise(vma, start, end, advice, vm_flags): it may be interrupted, or not have the memory */
static int on_ksm(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 0);

	if (!is_tracked(vma->vm_mm))
		return 1;
	count_hit_ri(ri);
	data->mm = vma->vm_mm;
	data->start = svma_arg(regs, 1);
	return 0;
}

static int on_ksm_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	int result = regs_return_value(regs);
	struct svma_call_entry *entry;

	if (!result)
		return 0;
	entry = svma_call_current(data->mm);
	if (entry && entry->call.kind == SVMA_CALL_MADVISE) {
		entry->call.failed = result;
		entry->call.cursor = data->start;
	}
	return 0;
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
	call.args[2] = svma_flags_wanted(svma_arg(regs, 2));
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

/* do_mmap(file, addr, len, prot, flags, ...), mmap_lock held for writing */
static int on_mmap_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MMAP };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 1);
	call.args[1] = svma_arg(regs, 2);
	call.args[2] = svma_arg(regs, 3);
	call.args[3] = svma_arg(regs, 4);
	call.args[4] = svma_mmap_pgoff(regs);
	call.args[5] = current->mm->def_flags | svma_mmap_vm_flags(regs);
	call.args[6] = svma_live_file_bits((struct file *)svma_arg(regs, 0));
	if (current->personality & READ_IMPLIES_EXEC)
		call.args[6] |= SVMA_TASK_READ_IMPLIES_EXEC;
	if (svma_overcommit_memory() == OVERCOMMIT_NEVER)
		call.args[6] |= SVMA_TASK_STRICT_OVERCOMMIT;
	call.args[7] = svma_mmap_min_addr();
	own_placement(&call.placement);
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
		call.args[i] = svma_arg(regs, i);
	call.args[5] = TASK_SIZE;
	call.args[6] = svma_mmap_min_addr();
	own_placement(&call.placement);
	return open_call(ri, current->mm, &call);
}

/* brk(brk); the fields of the mm are read without the lock, and the core checks that they were still true */
static int on_brk_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_BRK };
	struct mm_struct *mm = current->mm;

	if (!mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
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
	struct svma_call call = {
		.kind = SVMA_ON(SVMA_CALL_MBIND_WHOLE, SVMA_CALL_MBIND, SVMA_CALL_MBIND, SVMA_CALL_MBIND),
	};

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
	call.args[1] = svma_arg(regs, 1);
	call.args[2] = (u16)svma_arg(regs, 2);
	call.args[3] = svma_arg(regs, 5);
	return open_call(ri, current->mm, &call);
}

/* do_mseal(start, len, flags) */
static int on_mseal(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_call call = { .kind = SVMA_CALL_MSEAL };

	if (!current->mm)
		return 1;
	call.args[0] = svma_arg(regs, 0);
	call.args[1] = svma_mseal_length(regs);
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

/* The child that @t forks will not be tracked. */
static void share_abroad(struct svma_tracked *t)
{
	begin_handling(t);
	svma_core_rmap_abroad(t->shadow);
	end_handling(t);
}

/*
 * mm_init(mm, task, ...): of an exec when the task is the current one, else of a fork, which goes on with dup_mmap().
 * That one itself is inlined in some kernels.
 */
static int on_mm_init(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_tracked *parent;
	bool wanted;

	if (!current->mm || (struct task_struct *)svma_arg(regs, 1) == current)
		return 1;
	rcu_read_lock();
	parent = svma_find_rcu(current->mm);
	wanted = parent && (parent->flags & SVMA_MM_DESCENDANTS);
	if (parent && !wanted)
		share_abroad(parent);
	rcu_read_unlock();
	if (!wanted)
		return 1;
	count_hit_ri(ri);
	return 0;
}

/* Of one that is born while probes are silent only some operations are seen: it is not in step, see in_step(). */
static struct svma_tracked *born(struct mm_struct *mm, struct svma_session *session)
{
	struct svma_tracked *t = svma_tracked_alloc(mm, session);

	if (t && svma_unsettled())
		t->switches--;
	return t;
}

static int on_mm_init_done(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct mm_struct *child_mm = (struct mm_struct *)regs_return_value(regs);
	struct svma_tracked *parent, *child;

	if (!child_mm)
		return 0;
	rcu_read_lock();
	parent = svma_find_rcu(current->mm);
	if (!parent)
		goto out;
	child = born(child_mm, parent->session);
	if (!child) {
		svma_lock(&parent->lock);
		parent->counts.missed++;
		svma_core_rmap_abroad(parent->shadow);
		spin_unlock(&parent->lock);
		goto out;
	}
	child->flags = parent->flags & ~SVMA_MM_OWNED;
	child->parent_mm = current->mm;
	WRITE_ONCE(child->forking, true);
	child->starting = true;
	child->begin_ns = ktime_get_mono_fast_ns();
	memcpy(child->comm, current->comm, sizeof(child->comm));
	if (svma_tracked_publish(child)) {
		svma_tracked_discard(child);
		share_abroad(parent);
	}
out:
	rcu_read_unlock();
	return 0;
}

/* The child's mm is complete; so far nobody else knows it. tracked->lock held. */
static void fork_done(struct svma_tracked *t)
{
	const struct svma_op op = { .kind = SVMA_CORE_FORK };

	t->starting = false;
	if (t->forking) {
		WRITE_ONCE(t->forking, false);
		lose_operation(t);
	}
	if (!in_step(t))
		return;
	if (t->counts.operations)
		t->fork_verdict.scene = NULL; /* another operation has used it since */
	svma_account(t, &op, &t->fork_verdict);
	svma_core_fork_done(t->shadow);
}

/* wake_up_new_task(task): now the child's process exists. A fork that fails ends in exit_mmap(). */
static int on_new_task(struct kprobe *kp, struct pt_regs *regs)
{
	struct task_struct *task = (struct task_struct *)svma_arg(regs, 0);
	struct svma_tracked *t;

	rcu_read_lock();
	t = task->mm ? svma_find_rcu(task->mm) : NULL;
	if (t && !t->pid) {
		count_hit(kp);
		begin_handling(t);
		t->pid = get_pid(task_tgid(task));
		fork_done(t);
		end_handling(t);
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
		if (smp_load_acquire(&session->children) && session->owner == parent) {
			*flags = READ_ONCE(session->children_flags);
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
	t = born(mm, session);
	if (!t) {
		svma_lock(&session->lock);
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
		begin_handling(t);
		t->setup_stack = true;
		t->starting = false;
		memcpy(t->comm, current->comm, sizeof(t->comm));
		end_handling(t);
		svma_worker_kick();
	}
	rcu_read_unlock();
	return 0;
}

/* exit_mmap(mm): the last user is gone, the layout is still whole */
static int on_exit(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct mm_struct *mm = (struct mm_struct *)svma_arg(regs, 0);
	struct svma_op op = { .kind = SVMA_CORE_EXIT };
	struct svma_verdict verdict = {};
	struct svma_tracked *t;
	u64 begin;

	rcu_read_lock();
	t = svma_find_rcu(mm);
	if (t) {
		count_hit_ri(ri);
		atomic_inc(&svma_exiting);
		begin_handling(t);
		if (in_step(t) && !t->starting && !t->forking) {
			svma_core_release(t->shadow, mm, false, true, &verdict);
			svma_core_structure(t->shadow, mm, &verdict);
			svma_account(t, &op, &verdict);
		} else {
			svma_journal_note(t, &op, NULL);
		}
		end_handling(t);
		begin = rdtsc();
		svma_tracked_retire(t, true);
		note_handled(begin);
	}
	rcu_read_unlock();
	return !t;
}

/* The VMAs are gone. */
static int on_exited(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	svma_core_rmap_settle(svma_rmap);
	atomic_dec(&svma_exiting);
	return 0;
}

/*
 * madvise() of guard regions marks a VMA under its own lock or mmap_lock held for reading, so an operation on other
 * VMAs may be open. The VMA itself stays what it is until this returns.
 */
static int on_guard(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	const struct vm_area_struct *vma = svma_guarded_vma(regs);
	struct svma_tracked *t;

	svma_note_change(vma->vm_mm);
	rcu_read_lock();
	t = svma_find_rcu(vma->vm_mm);
	if (t) {
		count_hit_ri(ri);
		data->mm = vma->vm_mm;
		data->tracked_id = t->id;
		data->start = vma->vm_start;
		begin_handling(t);
		t->guarding++;
		t->seq++;
		if (t->op_open)
			t->op.steps |= SVMA_STEP_GUARDED;
		end_handling(t);
	}
	rcu_read_unlock();
	return !t;
}

static int on_guarded(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct svma_return_data *data = (struct svma_return_data *)ri->data;
	struct svma_op op = { .kind = SVMA_CORE_MADVISE, .args[0] = data->start, .task = task_pid_nr(current) };
	struct svma_verdict verdict = {};
	struct svma_tracked *t;

	op.result = (long)regs_return_value(regs);
	rcu_read_lock();
	t = svma_find_rcu(data->mm);
	if (t && t->id == data->tracked_id) { /* else it was untracked meanwhile, and perhaps tracked anew */
		begin_handling(t);
		t->guarding--;
		t->seq++;
		if (in_step(t) && !t->forking) {
			svma_core_guard(t->shadow, data->start, op.result, &verdict);
			svma_account_answers(t, &op, &verdict);
		}
		end_handling(t);
	}
	rcu_read_unlock();
	return 0;
}

/* --- the switches ---------------------------------------------------------------------------------- */

/* Somebody switches kprobes or ftrace off or on. Between the two nobody knows which probes fire. */
static int on_switch(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	count_hit_ri(ri);
	svma_switch_begins();
	return 0;
}

/* The handler of a sysctl, who is also called by readers. */
static int on_ftrace_switch(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	const bool write = (int)regs_get_kernel_argument(regs, 1);

	return write ? on_switch(ri, regs) : 1;
}

static int on_switched(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	svma_switch_ends();
	return 0;
}

/* --- the table ------------------------------------------------------------------------------------- */

/* A row: the symbol on 5.10, 6.1, 6.12 and 7.3, NULL where another row does its work. */
#define OPTIONAL(what, ...) .symbol = SVMA_ON(__VA_ARGS__), .role = what
#define ROW(what, ...) OPTIONAL(what, __VA_ARGS__), .required = true
#define KPROBE(handler) .pre = handler
#define KRETPROBE(at_entry, at_return) .entry = at_entry, .ret = at_return
#define EVERYWHERE(symbol) symbol, symbol, symbol, symbol

struct svma_probe_entry svma_probe_table[] = {
	{ OPTIONAL("kprobes are switched", EVERYWHERE("write_enabled_file_bool")),
	  KRETPROBE(on_switch, on_switched) },
	/* v7.3 refuses to (kernel/trace/ftrace.c ftrace_enable_sysctl()). */
	{ OPTIONAL("ftrace is switched", "ftrace_enable_sysctl", "ftrace_enable_sysctl", "ftrace_enable_sysctl", NULL),
	  KRETPROBE(on_ftrace_switch, on_switched) },
	{ ROW("release: totals compared", EVERYWHERE("up_write")), KPROBE(on_up_write) },
	{ ROW("release: unmap goes on", EVERYWHERE("downgrade_write")), KPROBE(on_downgrade_write) },
	{ ROW("mmap", EVERYWHERE("mmap_region")), KRETPROBE(on_mmap_region, close_at_return) },
	{ ROW("mmap: cuts out what is there", NULL, NULL, "vms_gather_munmap_vmas", "vms_gather_munmap_vmas"),
	  KRETPROBE(on_gather, on_gathered) },
	{ ROW("mmap: unmaps what is there", NULL, NULL, "vms_clean_up_area", "vms_complete_munmap_vmas"),
	  KPROBE(on_clean_up) },
	{ ROW("munmap: pages counted", NULL, NULL, "remove_vma", "remove_vma"), KPROBE(on_remove_vma) },
	{ ROW("munmap, brk shrink", "__do_munmap", "do_mas_align_munmap", "do_vmi_align_munmap", "do_vmi_align_munmap"),
	  KRETPROBE(on_munmap, close_at_return) },
	{ ROW("brk", EVERYWHERE("do_brk_flags")), KRETPROBE(on_brk, close_at_return) },
	{ ROW("mprotect", EVERYWHERE("mprotect_fixup")), KRETPROBE(on_mprotect, close_at_return) },
	{ ROW("mlock family", EVERYWHERE("mlock_fixup")), KRETPROBE(on_mlock, close_at_return) },
	{ ROW("mremap that moves", EVERYWHERE("move_vma")), KRETPROBE(on_move_vma, close_at_return) },
	{ ROW("mremap in place", "vma_to_resize", "vma_to_resize", "vma_to_resize", "check_prep_vma"),
	  KRETPROBE(on_resize, on_resize_checked) },
	{ ROW("userfaultfd: one VMA", "vma_merge", "vma_merge", "vma_modify_flags_uffd", "vma_modify_flags_uffd"),
	  KPROBE(on_merge) },
	{ ROW("mbind", NULL, "mbind_range", "mbind_range", "mbind_range"),
	  KRETPROBE(on_mbind, close_at_return) },
	{ ROW("address search", EVERYWHERE("vm_unmapped_area")), KRETPROBE(on_search, on_search_done) },
	{ ROW("vmacache: what is asked", "vmacache_find", NULL, NULL, NULL),
	  KRETPROBE(on_vmacache_find, on_vmacache_found) },
	{ ROW("vmacache: what is put in", "vmacache_update", NULL, NULL, NULL), KPROBE(on_vmacache_update) },
	{ ROW("overcommit's answer", EVERYWHERE("security_vm_enough_memory_mm")),
	  KRETPROBE(on_enough_memory, on_enough_memory_done) },
	{ ROW("mmap: the call", EVERYWHERE("do_mmap")), KRETPROBE(on_mmap_call, on_call_done) },
	{ ROW("munmap: the call", EVERYWHERE("__vm_munmap")), KRETPROBE(on_munmap_call, on_call_done) },
	{ ROW("mprotect: the call", EVERYWHERE("do_mprotect_pkey")),
	  KRETPROBE(on_mprotect_call, on_call_done) },
	/* 5.10 has the tests of the arguments in its callers, too, and calls the rest. */
	{ ROW("madvise: the call", "do_madvise.part.0", "do_madvise", "do_madvise", "do_madvise"),
	  KRETPROBE(on_madvise, on_call_done) },
	{ ROW("KSM is offered everything", NULL, NULL, "ksm_enable_merge_any", "ksm_enable_merge_any"),
	  KRETPROBE(on_ksm_enable, close_at_return) },
	{ ROW("KSM is denied everything", NULL, NULL, "ksm_disable_merge_any", "ksm_disable_merge_any"),
	  KRETPROBE(on_ksm_disable, close_at_return) },
	{ ROW("madvise: KSM's answer", EVERYWHERE("ksm_madvise")), KRETPROBE(on_ksm, on_ksm_done) },
	/* The part that the system calls of 64-bit and of 32-bit programs share. */
	{ ROW("mremap: the call", EVERYWHERE("__do_sys_mremap")), KRETPROBE(on_mremap_call, on_call_done) },
	{ ROW("brk: the call", EVERYWHERE("__do_sys_brk")), KRETPROBE(on_brk_call, on_call_done) },
	{ ROW("mbind: the call", EVERYWHERE("do_mbind")), KRETPROBE(on_mbind_call, on_call_done) },
	{ ROW("mseal: the call", NULL, NULL, "do_mseal", "mseal_range"), KRETPROBE(on_mseal, on_call_done) },
	{ ROW("mlock: the call", EVERYWHERE("apply_vma_lock_flags")), KRETPROBE(on_mlock_call, on_call_done) },
	{ ROW("mlockall: the call", "apply_mlockall_flags", "apply_mlockall_flags", "apply_mlockall_flags",
	      "apply_mlockall_flags.isra.0"), KRETPROBE(on_mlockall_call, on_call_done) },
	{ ROW("userfaultfd: the call", EVERYWHERE("userfaultfd_ioctl")),
	  KRETPROBE(on_userfaultfd, on_call_done) },
	{ ROW("clear_refs", EVERYWHERE("clear_refs_write")), KRETPROBE(on_clear_refs, on_call_done) },
	{ ROW("stack growth", EVERYWHERE("expand_downwards")),
	  KRETPROBE(on_stack_growth, on_stack_growth_done) },
	{ ROW("special mappings, exec", EVERYWHERE("insert_vm_struct")),
	  KRETPROBE(on_insert, close_at_return) },
	{ ROW("exec: new mm in use", EVERYWHERE("setup_arg_pages")), KPROBE(on_setup_stack) },
	{ ROW("exec: stack moves", "shift_arg_pages", "shift_arg_pages", "relocate_vma_down", "relocate_vma_down"),
	  KRETPROBE(on_stack_shift, close_at_return) },
	{ ROW("fork: the child's mm", EVERYWHERE("mm_init")), KRETPROBE(on_mm_init, on_mm_init_done) },
	{ ROW("fork: the child's process", EVERYWHERE("wake_up_new_task")), KPROBE(on_new_task) },
	{ ROW("madvise: a guarded VMA", NULL, NULL, NULL, "madvise_guard_install"),
	  KRETPROBE(on_guard, on_guarded) },
	{ ROW("first anonymous fault", EVERYWHERE("__anon_vma_prepare")),
	  KRETPROBE(on_anon_vma, on_anon_vma_done) },
	{ ROW("exit", EVERYWHERE("exit_mmap")), KRETPROBE(on_exit, on_exited) },
};

unsigned int svma_nr_probes = ARRAY_SIZE(svma_probe_table);
