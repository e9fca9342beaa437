// SPDX-License-Identifier: GPL-2.0-only
/* The table of tracked mms, and how one comes into it by attaching. */
#include "svma.h"

#include <linux/delay.h>
#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#define SVMA_HASH_BITS 10

static DEFINE_HASHTABLE(table, SVMA_HASH_BITS);
static LIST_HEAD(all_tracked);
static LIST_HEAD(dead); /* svma_table_lock; retired, not buried */

DEFINE_SPINLOCK(svma_table_lock);
DEFINE_MUTEX(svma_admin);
atomic_t svma_nr_tracked = ATOMIC_INIT(0);
u64 svma_tracked_ever;
struct svma_rmap *svma_rmap;
atomic_t svma_exiting = ATOMIC_INIT(0);
static atomic64_t next_id = ATOMIC64_INIT(0);

struct svma_tracked *svma_find_rcu(const struct mm_struct *mm)
{
	struct svma_tracked *t;

	if (!atomic_read(&svma_nr_tracked))
		return NULL;
	hash_for_each_possible_rcu(table, t, hash, (unsigned long)mm) {
		if (t->mm == mm)
			return t;
	}
	return NULL;
}

struct svma_tracked *svma_tracked_get(u64 id)
{
	struct svma_tracked *t;

	rcu_read_lock();
	list_for_each_entry_rcu(t, &all_tracked, all) {
		if (t->id == id && kref_get_unless_zero(&t->ref)) {
			rcu_read_unlock();
			return t;
		}
	}
	rcu_read_unlock();
	return NULL;
}

/* Who is retired stays where the walk has come to, as long as nobody is buried. */
struct svma_tracked *svma_tracked_next(struct svma_tracked *after)
{
	struct svma_tracked *t;

	lockdep_assert_held(&svma_admin);
	rcu_read_lock();
	if (after)
		t = list_next_or_null_rcu(&all_tracked, &after->all, struct svma_tracked, all);
	else
		t = list_first_or_null_rcu(&all_tracked, struct svma_tracked, all);
	rcu_read_unlock();
	return t;
}

static void tracked_release(struct kref *ref)
{
	struct svma_tracked *t = container_of(ref, struct svma_tracked, ref);

	if (t->shadow) {
		svma_core_shadow_clear(t->shadow);
		svma_pool_free(&svma_shadow_pool, t->shadow);
	}
	svma_ring_free(&t->ring);
	put_pid(t->pid);
	mmdrop(t->mm);
	svma_session_put(t->session);
	svma_pool_free(&svma_tracked_pool, t);
}

void svma_tracked_put(struct svma_tracked *t)
{
	kref_put(&t->ref, tracked_release);
}

static struct svma_shadow *shadow_alloc(u64 owner)
{
	void *memory = svma_pool_alloc(&svma_shadow_pool);

	if (!memory)
		return NULL;
	return svma_core_shadow_init(memory, SVMA_PROFILE, svma_stack_guard_gap(), svma_rmap, owner);
}

static void shadow_free(struct svma_shadow *shadow)
{
	svma_core_shadow_clear(shadow);
	svma_pool_free(&svma_shadow_pool, shadow);
}

struct svma_tracked *svma_tracked_alloc(struct mm_struct *mm, struct svma_session *session)
{
	struct svma_tracked *t = svma_pool_alloc(&svma_tracked_pool);

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->id = atomic64_inc_return(&next_id);
	t->shadow = shadow_alloc(t->id);
	if (!t->shadow) {
		svma_pool_free(&svma_tracked_pool, t);
		return NULL;
	}
	kref_init(&t->ref);
	spin_lock_init(&t->lock);
	INIT_HLIST_NODE(&t->hash);
	INIT_LIST_HEAD(&t->node);
	mmgrab(mm);
	t->mm = mm;
	kref_get(&session->ref);
	t->session = session;
	t->health = SVMA_CLEAN;
	t->switches = svma_switches();
	return t;
}

void svma_tracked_discard(struct svma_tracked *t)
{
	/* mmdrop() may free the mm, which a handler must not do: the worker buries it like any other. */
	svma_lock(&svma_table_lock);
	t->health = SVMA_GONE;
	list_add_tail(&t->node, &dead);
	spin_unlock(&svma_table_lock);
	svma_worker_kick();
}

int svma_tracked_publish(struct svma_tracked *t)
{
	int err = 0;

	svma_lock(&svma_table_lock);
	rcu_read_lock();
	if (svma_find_rcu(t->mm)) {
		err = -EBUSY;
	} else {
		hash_add_rcu(table, &t->hash, (unsigned long)t->mm);
		list_add_tail_rcu(&t->all, &all_tracked);
		list_add_tail(&t->node, &t->session->tracked);
		atomic_inc(&svma_nr_tracked);
		svma_add_once(svma_tracked_ever, 1);
	}
	rcu_read_unlock();
	spin_unlock(&svma_table_lock);
	if (err)
		return err;

	svma_lock(&t->session->lock);
	svma_add_once(t->session->tracked_ever, 1);
	svma_add_once(t->session->events, SVMA_MAX_REPORTS); /* a change of the set wakes readers at once */
	spin_unlock(&t->session->lock);
	svma_worker_kick();
	return 0;
}

void svma_tracked_retire(struct svma_tracked *t, bool ended)
{
	bool ours = false;

	/* Before it is out of the table: what it is in the middle of must be seen as long as anybody relies on it. */
	svma_lock(&t->lock);
	svma_core_rmap_leave(t->shadow, ended);
	spin_unlock(&t->lock);
	svma_lock(&svma_table_lock);
	if (!hlist_unhashed(&t->hash)) {
		hash_del_rcu(&t->hash);
		list_del_rcu(&t->all);
		list_move_tail(&t->node, &dead);
		atomic_dec(&svma_nr_tracked);
		ours = true;
	}
	spin_unlock(&svma_table_lock);
	if (!ours)
		return;

	svma_lock(&t->lock);
	t->health = SVMA_GONE;
	svma_lock(&t->session->lock);
	svma_counts_add(&t->session->ended, &t->counts);
	memset(&t->counts, 0, sizeof(t->counts));
	svma_facts_add(t->session->ended_facts, t->facts);
	memset(t->facts, 0, sizeof(t->facts));
	svma_add_once(t->session->events, SVMA_MAX_REPORTS);
	spin_unlock(&t->session->lock);
	spin_unlock(&t->lock);
	svma_worker_kick();
}

void svma_bury(void)
{
	struct svma_tracked *t, *next;
	LIST_HEAD(list);

	lockdep_assert_held(&svma_admin);
	spin_lock(&svma_table_lock);
	list_splice_init(&dead, &list);
	spin_unlock(&svma_table_lock);
	if (list_empty(&list))
		return;

	synchronize_rcu();
	list_for_each_entry_safe(t, next, &list, node) {
		list_del_init(&t->node);
		svma_debugfs_remove_mm(t);
		svma_journal_keep(t);
		svma_tracked_put(t);
	}
}

static u64 layout_locked_since; /* svma_admin: one layout is loaded at a time */

static bool lock_layout(struct mm_struct *mm)
{
	/* Whoever waits for the lock should not wait for other programs as well. */
	preempt_disable();
	if (!svma_layout_trylock(mm)) {
		preempt_enable();
		return false;
	}
	layout_locked_since = ktime_get_ns();
	return true;
}

static void unlock_layout(struct mm_struct *mm)
{
	const u64 held = ktime_get_ns() - layout_locked_since;

	svma_layout_unlock(mm);
	svma_duration_add(&svma_mmap_lock_held, held);
	preempt_enable();
}

/* So many VMAs and links between two looks at the clock. */
#define SVMA_LOAD_STEP 64
/* So often a load begins anew with parts of SVMA_HOLD_NS, and as often with parts of hold_us. */
#define SVMA_LOAD_TRIES 8

static unsigned int hold_us = 500;
module_param(hold_us, uint, 0644);
MODULE_PARM_DESC(hold_us, "Microseconds for which the mmap_lock of a process that is never at rest is held at most");

struct svma_reading svma_reading;
u64 svma_loads_restarted;
u64 svma_loads_given_up;

void svma_reading_begin(struct mm_struct *mm)
{
	lockdep_assert_held(&svma_admin);
	svma_reading.reader = current;
	WRITE_ONCE(svma_reading.mm, mm);
}

void svma_reading_end(void)
{
	WRITE_ONCE(svma_reading.mm, NULL);
}

struct svma_moment svma_this_moment(void)
{
	return (struct svma_moment) {
		.changes = atomic_read(&svma_reading.changes),
		.switches = svma_switches(),
		.missed = svma_probes_missed(),
	};
}

bool svma_changed_since(const struct svma_moment *before)
{
	const struct svma_moment now = svma_this_moment();

	return now.changes != before->changes || now.switches != before->switches || now.missed != before->missed;
}

static bool wait_for_layout(struct mm_struct *mm)
{
	unsigned long end = jiffies + msecs_to_jiffies(SVMA_LOCK_PATIENCE);

	while (!lock_layout(mm)) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(100, 1000);
	}
	return true;
}

/* Nanoseconds for which the next part of a load may hold the lock, but for its last step. */
static u64 hold_of_load(unsigned int stale)
{
	if (stale < SVMA_LOAD_TRIES)
		return SVMA_HOLD_NS;
	return clamp_t(u64, READ_ONCE(hold_us) * NSEC_PER_USEC, SVMA_HOLD_NS, 10 * NSEC_PER_SEC);
}

/* Returns 1 when there is more to load. The lock is held. */
static int load_part(struct mm_struct *mm, struct svma_shadow *shadow, struct svma_load *progress, u64 hold)
{
	int err;

	do {
		err = svma_core_load_part(shadow, mm, progress, SVMA_LOAD_STEP);
	} while (!err && progress->stage != SVMA_LOAD_DONE && ktime_get_ns() - layout_locked_since < hold);
	return err ? err : progress->stage != SVMA_LOAD_DONE;
}

/*
 * Part by part, and the lock is given up in between. Whoever changes the layout meanwhile has run into a probe before
 * he gave the lock up, so it shows when the lock is held again: writers at up_write() and downgrade_write(), first
 * faults and stacks that grow under the lock held for reading at their own functions. An unmap that goes on after
 * downgrade_write() keeps us out until it is through. Whether the probes fired all the time is asked at the end.
 *
 * -EAGAIN: the lock was not to be had; -ESTALE or -ENOENT: something changed, or may have; -ENOMEM.
 */
static int load_parts(struct mm_struct *mm, struct svma_shadow *shadow, u64 hold)
{
	struct svma_load progress = {};
	struct svma_moment first;
	bool at_once = true;
	int err;

	if (!lock_layout(mm))
		return -EAGAIN;
	first = svma_this_moment();
	while ((err = load_part(mm, shadow, &progress, hold)) > 0) {
		at_once = false;
		unlock_layout(mm);
		/* Who spins for the lock would lose against us, who are already running. */
		usleep_range(20, 100);
		if (!wait_for_layout(mm))
			return -EAGAIN;
		if (svma_changed_since(&first)) {
			err = -ESTALE;
			break;
		}
	}
	if (!err && !at_once && (!svma_canary_sings() || svma_changed_since(&first)))
		err = -ESTALE;
	if (err)
		unlock_layout(mm);
	return err;
}

static int fill_pools(unsigned long vmas, unsigned long chained)
{
	int err;

	err = svma_pool_fill(&svma_vma_pool, svma_vma_pool.target + vmas);
	if (!err)
		err = svma_pool_fill(&svma_avc_pool, svma_avc_pool.target + chained);
	if (!err)
		err = svma_pool_fill(&svma_anon_vma_pool, svma_anon_vma_pool.target + chained);
	if (!err)
		err = svma_pool_fill(&svma_file_rmap_pool, svma_file_rmap_pool.target + vmas);
	return err;
}

/*
 * Fill an empty shadow from the live side. Takes mmap_lock by trylock only, with pauses: the target is never made to
 * wait for us, but for SVMA_HOLD_NS, or for hold_us if it does not leave its layout alone for as long as loading takes
 * then. On success the lock is held, so that no operation can begin before the caller has published the result.
 *
 * -EAGAIN: the lock was not to be had, or the layout changed each time; -ENOSPC, -ENOMEM.
 */
static int load_locked(struct mm_struct *mm, struct svma_shadow *shadow)
{
	unsigned long end = jiffies + msecs_to_jiffies(SVMA_LOCK_PATIENCE);
	unsigned long chained = mm->map_count;
	unsigned int stale = 0;
	int err;

	lockdep_assert_held(&svma_admin);
	do {
		err = fill_pools(mm->map_count, chained);
		if (err)
			return err;
		err = load_parts(mm, shadow, hold_of_load(stale));
		if (!err)
			return 0;
		svma_core_shadow_clear(shadow);
		if (err == -ESTALE || err == -ENOENT) {
			svma_loads_restarted++;
			if (++stale == 2 * SVMA_LOAD_TRIES) {
				svma_loads_given_up++;
				break;
			}
			end = jiffies + msecs_to_jiffies(SVMA_LOCK_PATIENCE);
		} else if (err == -ENOMEM) { /* forks were faster than we at the pool, or chains are long */
			chained *= 2;
		}
		/* Who has slept for long runs before others who wake up at the same moment, and finds the lock free. */
		usleep_range(100 << min(stale, 6u), 1000 << min(stale, 6u));
	} while (!time_after(jiffies, end));
	return -EAGAIN;
}

/* Likewise. What the probes see of @mm is counted meanwhile. */
static int load(struct mm_struct *mm, struct svma_shadow *shadow)
{
	int err;

	svma_reading_begin(mm);
	err = load_locked(mm, shadow);
	svma_reading_end();
	return err;
}

static void copy_comm(struct svma_tracked *t, struct pid *tgid)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	if (task)
		memcpy(t->comm, task->comm, sizeof(t->comm));
	rcu_read_unlock();
}

int svma_attach(struct svma_session *session, struct mm_struct *mm, struct pid *tgid, u32 flags, u64 *id)
{
	struct svma_tracked *t;
	int err;

	lockdep_assert_held(&svma_admin);
	rcu_read_lock();
	err = svma_find_rcu(mm) ? -EBUSY : 0;
	rcu_read_unlock();
	if (err)
		return err;
	if (svma_memory_used() + (u64)mm->map_count * svma_vma_pool.size > svma_memory_cap())
		return -ENOSPC;

	t = svma_tracked_alloc(mm, session);
	if (!t) {
		svma_pools_balance();
		t = svma_tracked_alloc(mm, session);
		if (!t)
			return svma_memory_used() + PAGE_SIZE > svma_memory_cap() ? -ENOSPC : -ENOMEM;
	}
	t->pid = get_pid(tgid);
	t->flags = flags;
	copy_comm(t, tgid);
	err = load(mm, t->shadow);
	if (err) {
		svma_tracked_put(t);
		return err;
	}
	t->counts.by_operation[SVMA_OP_ATTACH] = 1;
	t->counts.operations = 1;
	t->seq = 1;
	svma_journal_note_whole(t, SVMA_OP_ATTACH);
	err = svma_tracked_publish(t);
	unlock_layout(mm);
	*id = t->id;
	if (err)
		svma_tracked_put(t);
	return err;
}

int svma_resync(struct svma_tracked *t)
{
	const unsigned int switches = svma_switches();
	struct svma_shadow *fresh, *old;
	int err;

	if (!mmget_not_zero(t->mm))
		return -ESRCH; /* exit is on its way */
	fresh = shadow_alloc(t->id);
	if (!fresh) {
		mmput(t->mm);
		return -ENOMEM;
	}
	err = load(t->mm, fresh);
	if (err) {
		shadow_free(fresh);
		mmput(t->mm);
		return err;
	}
	spin_lock(&t->lock);
	old = t->shadow;
	t->shadow = fresh;
	if (t->health != SVMA_GONE)
		t->health = SVMA_CLEAN;
	else
		svma_core_rmap_leave(fresh, 0);
	t->switches = switches;
	WRITE_ONCE(t->op_open, false);
	t->announced = false;
	WRITE_ONCE(t->forking, false);
	WRITE_ONCE(t->unmapping, 0);
	t->counts.resyncs++;
	t->seq++;
	svma_journal_note_whole(t, SVMA_OP_ATTACH);
	spin_unlock(&t->lock);
	unlock_layout(t->mm);
	mmput(t->mm);
	shadow_free(old);
	return 0;
}

/*
 * Whoever changes another mm holds its lock until the shadow has followed, some calls with no operation open; the rest
 * is what happens under that lock held for reading, and what has been unlinked in the shadow only. A parent's lock is
 * held for the fork of @mm alone, which changes nothing of the parent.
 */
int svma_os_rmap_settled(const void *mm)
{
	bool settled = !atomic_read(&svma_exiting);
	const struct mm_struct *parent;
	struct svma_tracked *t;

	rcu_read_lock();
	t = svma_find_rcu(mm);
	parent = t ? t->parent_mm : NULL;
	list_for_each_entry_rcu(t, &all_tracked, all) {
		if (READ_ONCE(t->unmapping) || READ_ONCE(t->faulting))
			settled = false;
		if (t->mm != mm && t->mm != parent && svma_mm_write_locked(t->mm))
			settled = false;
		/* The order is that in which they are set: one is on while the other goes off. */
		if (t->mm != mm && (READ_ONCE(t->op_open) || READ_ONCE(t->forking) || READ_ONCE(t->growing) ||
				    READ_ONCE(t->settling)))
			settled = false;
	}
	rcu_read_unlock();
	return settled;
}

int svma_tracked_init(void)
{
	void *memory = vmalloc(svma_core_rmap_size());

	if (!memory)
		return -ENOMEM;
	svma_rmap = svma_core_rmap_init(memory, SVMA_PROFILE);
	if (!svma_rmap) {
		vfree(memory);
		return -EINVAL;
	}
	hash_init(table);
	return 0;
}

void svma_tracked_exit(void)
{
	WARN_ON_ONCE(atomic_read(&svma_nr_tracked));
	WARN_ON_ONCE(!list_empty(&dead));
	vfree(svma_rmap);
}
