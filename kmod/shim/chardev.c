// SPDX-License-Identifier: GPL-2.0-only
/* /dev/svma: validate, call, copy. The interface is described in uapi/svma.h. */
#include "svma.h"
#include "request.h"

#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>

/* Records copied under the lock of a shadow in one go. */
#define SVMA_CHUNK 512u
#define SVMA_CHUNK_JOURNAL 256u

static struct mm_struct *mm_of_pid(pid_t nr, struct pid **tgid)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid = find_get_pid(nr);

	if (!pid)
		return ERR_PTR(-ESRCH);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = get_task_mm(task);
	if (!mm)
		mm = ERR_PTR(task->flags & PF_KTHREAD ? -EINVAL : -ESRCH);
	else if (tgid)
		*tgid = get_pid(task_tgid(task));
	put_task_struct(task);
	return mm;
}

int svma_track_pid(struct svma_session *session, pid_t nr, u32 flags, u64 *id)
{
	struct pid *tgid = NULL;
	struct mm_struct *mm = mm_of_pid(nr, &tgid);
	int err;

	if (IS_ERR(mm))
		return PTR_ERR(mm);
	err = mutex_lock_interruptible(&svma_admin);
	if (!err) {
		err = svma_attach(session, mm, tgid, flags, id);
		mutex_unlock(&svma_admin);
	}
	put_pid(tgid);
	mmput(mm);
	return err;
}

struct svma_tracked *svma_tracked_of_pid(pid_t nr)
{
	struct mm_struct *mm = mm_of_pid(nr, NULL);
	struct svma_tracked *t;

	if (IS_ERR(mm))
		return NULL;
	rcu_read_lock();
	t = svma_find_rcu(mm);
	if (t && !kref_get_unless_zero(&t->ref))
		t = NULL;
	rcu_read_unlock();
	mmput(mm);
	return t;
}

int svma_untrack_id(struct svma_session *session, u64 id)
{
	struct svma_tracked *t = svma_tracked_get(id);
	int err = -ENOENT;

	if (!t)
		return err;
	mutex_lock(&svma_admin);
	if (t->session == session) {
		t->forgotten = true;
		svma_tracked_retire(t, false);
		svma_bury();
		svma_journals_forget(session, pid_vnr(t->pid));
		err = 0;
	}
	mutex_unlock(&svma_admin);
	svma_tracked_put(t);
	return err;
}

static struct svma_tracked *get_by(u64 id, pid_t pid)
{
	svma_watch_now();
	return id ? svma_tracked_get(id) : svma_tracked_of_pid(pid);
}

/* --- one function per request; each gets its argument copied in and checked (request.c) --------------------- */

static int do_version(struct svma_session *session, struct svma_version *arg)
{
	bool same = arg->abi == SVMA_ABI_VERSION;

	arg->abi = SVMA_ABI_VERSION;
	arg->features = svma_frees_tables_by_rcu() ? SVMA_FEATURE_HOLES : 0;
	strscpy(arg->module, SVMA_MODULE_VERSION, sizeof(arg->module));
	strscpy(arg->kernel, init_utsname()->release, sizeof(arg->kernel));
	WRITE_ONCE(session->agreed, same);
	return same ? 0 : -EPROTO;
}

static int do_track(struct svma_session *session, struct svma_track *arg)
{
	u32 flags = arg->flags & SVMA_TRACK_DESCENDANTS ? SVMA_MM_DESCENDANTS : 0;

	if (arg->flags & SVMA_TRACK_CHILDREN) {
		WRITE_ONCE(session->children_flags, flags);
		smp_store_release(&session->children, true); /* after its flags: session_of_exec() */
		arg->mm_id = 0;
		return 0;
	}
	return svma_track_pid(session, arg->pid, flags, &arg->mm_id);
}

static int do_untrack(struct svma_session *session, struct svma_untrack *arg)
{
	struct svma_tracked *t;
	u64 id = arg->mm_id;

	if (!id) {
		t = svma_tracked_of_pid(arg->pid);
		if (!t)
			return -ENOENT;
		id = t->id;
		svma_tracked_put(t);
	}
	return svma_untrack_id(session, id);
}

static u32 tracked_ids(struct svma_session *only, u64 *ids, u32 room)
{
	struct svma_session *s;
	struct svma_tracked *t;
	u32 n = 0;

	spin_lock(&svma_table_lock);
	list_for_each_entry(s, &svma_sessions, node) {
		if (only && s != only)
			continue;
		list_for_each_entry(t, &s->tracked, node) {
			if (n < room)
				ids[n] = t->id;
			n++;
		}
	}
	spin_unlock(&svma_table_lock);
	return n;
}

static int do_list(struct svma_session *session, struct svma_list *arg)
{
	struct svma_mm __user *to = u64_to_user_ptr(arg->buffer);
	u32 room = min_t(u32, arg->capacity, 65536);
	struct svma_tracked *t;
	struct svma_mm mm;
	u32 i, n, out = 0;
	int err = 0;
	u64 *ids;

	ids = kvcalloc(room + 1, sizeof(*ids), GFP_KERNEL);
	if (!ids)
		return -ENOMEM;
	svma_watch_now();
	spin_lock(&session->lock);
	WRITE_ONCE(session->events, 0);
	spin_unlock(&session->lock);
	n = tracked_ids(arg->flags & SVMA_LIST_MINE ? session : NULL, ids, room);
	for (i = 0; i < min(n, room) && !err; i++) {
		t = svma_tracked_get(ids[i]);
		if (!t)
			continue; /* gone since */
		svma_fill_mm(t, session, &mm);
		svma_tracked_put(t);
		if (copy_to_user(&to[out++], &mm, sizeof(mm)))
			err = -EFAULT;
	}
	kvfree(ids);
	/* Those that ended meanwhile are not there; what did not fit is. */
	arg->count = n <= room ? out : n;
	return err;
}

static int do_mm(struct svma_session *session, struct svma_mm *arg)
{
	struct svma_tracked *t = get_by(arg->mm_id, arg->pid);

	if (!t)
		return -ENOENT;
	svma_fill_mm(t, session, arg);
	svma_tracked_put(t);
	return 0;
}

static u32 reported_health(const struct svma_tracked *t)
{
	return t->health == SVMA_CLEAN && t->starting ? SVMA_STARTING : t->health;
}

static int do_snapshot(struct svma_session *session, struct svma_snapshot *arg)
{
	u32 room = min(arg->capacity, SVMA_CHUNK);
	struct svma_live_totals totals;
	struct svma_vma *records = NULL;
	struct svma_tracked *t;
	struct svma_node node;
	u64 at = arg->start;
	int err = 0;

	if (room) {
		records = kvcalloc(room, sizeof(*records), GFP_KERNEL);
		if (!records)
			return -ENOMEM;
	}
	t = get_by(arg->mm_id, arg->pid);
	if (!t) {
		kvfree(records);
		return -ENOENT;
	}
	arg->count = 0;
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	arg->seq = t->seq;
	arg->health = reported_health(t);
	arg->busy = t->unmapping || t->growing || t->guarding;
	svma_core_totals(t->shadow, &totals);
	while (arg->count < room && !svma_core_find(t->shadow, at, &node)) {
		svma_record(&node, &records[arg->count++]);
		at = node.vma.end;
	}
	arg->more = !svma_core_find(t->shadow, at, &node);
	spin_unlock(&t->lock);
	svma_tracked_put(t);
	memcpy(&arg->totals, &totals, sizeof(arg->totals));
	if (arg->count &&
	    copy_to_user(u64_to_user_ptr(arg->buffer), records, arg->count * sizeof(*records)))
		err = -EFAULT;
	kvfree(records);
	return err;
}

static int do_find(struct svma_session *session, struct svma_find *arg)
{
	struct svma_tracked *t;
	struct svma_node node;

	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	arg->found = 0;
	memset(&arg->vma, 0, sizeof(arg->vma));
	memset(&arg->prev, 0, sizeof(arg->prev));
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	arg->seq = t->seq;
	arg->health = reported_health(t);
	if (!svma_core_find(t->shadow, arg->addr, &node)) {
		svma_record(&node, &arg->vma);
		arg->found |= 1;
	}
	if (!svma_core_find_prev(t->shadow, arg->addr, &node)) {
		svma_record(&node, &arg->prev);
		arg->found |= 2;
	}
	spin_unlock(&t->lock);
	svma_tracked_put(t);
	return 0;
}

static int do_gap(struct svma_session *session, struct svma_gap *arg)
{
	struct svma_gap_query query = {
		.length = arg->length,
		.low_limit = arg->low_limit,
		.high_limit = arg->high_limit,
		.align_mask = arg->align_mask,
		.align_offset = arg->align_offset,
		.min_addr = svma_mmap_min_addr(),
		.topdown = arg->flags & SVMA_GAP_TOPDOWN,
	};
	struct svma_tracked *t;
	svma_u32 visited;
	svma_u64 result;
	int err;

	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	arg->seq = t->seq;
	arg->health = reported_health(t);
	err = svma_core_gap(t->shadow, &query, &result, &visited);
	spin_unlock(&t->lock);
	svma_tracked_put(t);
	arg->error = err ? ENOMEM : 0;
	arg->result = err ? 0 : result;
	return 0;
}

static unsigned int personality_of(struct pid *pid)
{
	struct task_struct *task;
	unsigned int personality = 0;

	rcu_read_lock();
	task = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
	if (task)
		personality = READ_ONCE(task->personality);
	rcu_read_unlock();
	return personality;
}

static int do_limits(struct svma_session *session, struct svma_limits *arg)
{
	struct svma_tracked *t;
	int err = -ESRCH;

	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	arg->mm_id = t->id;
	if (mmget_not_zero(t->mm)) {
		svma_live_limits(t->mm, personality_of(t->pid), arg);
		mmput(t->mm);
		err = 0;
	}
	svma_tracked_put(t);
	return err;
}

static_assert(SVMA_CORE_CORNER == SVMA_CORNER_NODES);

static void copy_corner(const struct svma_corner *corner, struct svma_tree_node *out)
{
	unsigned int i;

	for (i = 0; i < SVMA_CORE_CORNER; i++) {
		out[i].start = corner->node[i].start;
		out[i].end = corner->node[i].end;
		out[i].gap = corner->node[i].gap;
		out[i].red = corner->node[i].red;
		out[i].reserved = 0;
	}
}

static int do_structure(struct svma_session *session, struct svma_structure *arg)
{
	const bool module = arg->flags & SVMA_STATS_MODULE;

	arg->compared = atomic64_read(module ? &svma_structure_compared : &session->structure_compared);
	arg->equal = atomic64_read(module ? &svma_structure_equal : &session->structure_equal);
	arg->has_tree = svma_has_live_tree();
	spin_lock(&session->lock);
	arg->differs = session->structure_differs;
	arg->mm_id = session->structure_mm_id;
	copy_corner(&session->predicted_corner, arg->predicted);
	copy_corner(&session->observed_corner, arg->observed);
	spin_unlock(&session->lock);
	return 0;
}

/* A search as a plain mmap() makes it first, see svma_live_limits(). */
static void shape_search(struct svma_tracked *t, struct svma_shape *arg)
{
	struct svma_limits limits = {};
	struct svma_gap_query query = {
		.length = arg->length,
		.min_addr = svma_mmap_min_addr(),
	};
	svma_u64 found = 0;

	svma_live_limits(t->mm, personality_of(t->pid), &limits);
	query.low_limit = limits.low_limit;
	query.high_limit = limits.high_limit;
	query.topdown = limits.topdown;
	spin_lock(&t->lock);
	svma_core_gap(t->shadow, &query, &found, &arg->search_visited);
	spin_unlock(&t->lock);
	arg->found = found;
}

/* VMAs of a shadow looked at under its lock in one go, and of the kernel's tree between two looks at the clock. */
#define SVMA_CHUNK_SHAPE 1024u

/* Nanoseconds after which the mmap_lock is given up when both trees are not yet looked at. */
#define SVMA_HOLD_SHAPE (500 * NSEC_PER_USEC)

/* Moments at which both trees are looked at, until nothing has changed meanwhile. */
#define SVMA_SHAPE_TRIES 50

static void put_shape(const struct svma_core_shape *shape, struct svma_tree_shape *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = SVMA_TREE_RED_BLACK;
	out->height = shape->height;
	out->vmas = shape->vmas;
	out->visited = shape->visited;
	out->bytes = (u64)shape->vmas * SVMA_RB_BYTES;
}

/* The mmap_lock for reading, while something is looked at part by part. */
struct hold {
	struct mm_struct *mm;
	u64 since;
	struct svma_moment first;
	bool held;
	bool in_one_go;
};

static int hold(struct hold *hold)
{
	const int err = svma_live_read_lock(hold->mm, &hold->since);

	hold->held = !err;
	return err;
}

static void release(struct hold *hold)
{
	if (hold->held)
		svma_live_read_unlock(hold->mm, hold->since);
	hold->held = false;
	hold->in_one_go = false;
}

/* The kernel's tree; what is left of it in the end is as it was at first. 0: the lock is held. */
static int live_shape(struct hold *at, struct svma_tree_shape *out)
{
	unsigned long from = 0;
	int err;

	memset(out, 0, sizeof(*out));
	while (svma_live_tree_shape(at->mm, &from, SVMA_CHUNK_SHAPE, out)) {
		if (ktime_get_ns() - at->since < SVMA_HOLD_NS)
			continue;
		release(at);
		/* Who waits for the lock would lose against us, who are already running. */
		usleep_range(20, 100);
		err = hold(at);
		if (err)
			return err;
		if (svma_changed_since(&at->first))
			return -EAGAIN;
	}
	return 0;
}

/* The shadow's; with the lock nothing changes it, and of a large one the rest is looked at without. */
static void shadow_shape(struct hold *at, struct svma_tracked *t, struct svma_tree_shape *out)
{
	struct svma_core_shape shape = {};
	u64 from = 0;
	int more;

	do {
		if (at->held && ktime_get_ns() - at->since >= SVMA_HOLD_SHAPE)
			release(at);
		spin_lock(&t->lock);
		more = svma_core_tree_shape(t->shadow, &from, SVMA_CHUNK_SHAPE, &shape);
		spin_unlock(&t->lock);
		if (!at->held)
			cond_resched();
	} while (more);
	put_shape(&shape, out);
}

/* -EAGAIN when something has changed between two parts, or may have. */
static int shape_once(struct svma_tracked *t, struct svma_shape *arg)
{
	struct hold at = { .mm = t->mm, .in_one_go = true };
	int err;

	err = hold(&at);
	if (err)
		return err;
	at.first = svma_this_moment();
	spin_lock(&t->lock);
	arg->seq = t->seq;
	arg->health = reported_health(t);
	spin_unlock(&t->lock);
	arg->map_count = t->mm->map_count;
	arg->found = 0;
	arg->search_visited = 0;
	err = live_shape(&at, &arg->live);
	if (!err) {
		shadow_shape(&at, t, &arg->shadow);
		if (arg->length)
			shape_search(t, arg);
		if (!at.in_one_go && (!svma_canary_sings() || svma_changed_since(&at.first)))
			err = -EAGAIN;
	}
	release(&at);
	return err;
}

static int do_shape(struct svma_session *session, struct svma_shape *arg)
{
	unsigned int tries = SVMA_SHAPE_TRIES;
	struct svma_tracked *t;
	int err = -ESRCH;

	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	arg->mm_id = t->id;
	if (mmget_not_zero(t->mm)) {
		do {
			mutex_lock(&svma_admin);
			svma_reading_begin(t->mm);
			err = shape_once(t, arg);
			svma_reading_end();
			mutex_unlock(&svma_admin);
			if (err != -EAGAIN || !--tries)
				break;
			usleep_range(100, 1000);
			if (signal_pending(current))
				err = -EINTR;
		} while (err == -EAGAIN);
		mmput(t->mm);
	}
	svma_tracked_put(t);
	return err;
}

static int do_rmap(struct svma_session *session, struct svma_rmap_stats *arg)
{
	const struct svma_rmap_counts *counts = arg->flags & SVMA_STATS_MODULE ? &svma_rmap_counts : &session->rmap;

	arg->compared = atomic64_read(&counts->compared);
	arg->equal = atomic64_read(&counts->equal);
	arg->cut = atomic64_read(&counts->cut);
	arg->unsure = atomic64_read(&counts->unsure);
	arg->anon_vmas = svma_pool_used(&svma_anon_vma_pool);
	arg->chain_links = svma_pool_used(&svma_avc_pool);
	arg->files = svma_pool_used(&svma_file_rmap_pool);
	arg->anon_vma_bytes = svma_anon_vma_pool.size;
	arg->chain_link_bytes = svma_avc_pool.size;
	arg->file_bytes = svma_file_rmap_pool.size;
	return 0;
}

static_assert(sizeof(struct svma_chain_link) == sizeof(struct svma_core_link));
static_assert(offsetof(struct svma_chain_link, active_vmas) == offsetof(struct svma_core_link, active_vmas));
static_assert(SVMA_LINK_OWN == SVMA_CORE_LINK_OWN && SVMA_LINK_ABROAD == SVMA_CORE_LINK_ABROAD);
static_assert(sizeof(struct svma_sharer) == sizeof(struct svma_core_sharer));
static_assert(offsetof(struct svma_sharer, address) == offsetof(struct svma_core_sharer, address));

static int do_chains(struct svma_session *session, struct svma_chains *arg)
{
	u32 room = min(arg->capacity, SVMA_CHUNK);
	struct svma_core_link *links;
	struct svma_tracked *t;
	int err = 0;

	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	links = kvcalloc(room + 1, sizeof(*links), GFP_KERNEL);
	if (links) {
		spin_lock(&t->lock);
		arg->mm_id = t->id;
		arg->stamp = t->seq + t->fault_seq;
		arg->health = reported_health(t);
		arg->busy = t->op_open || t->forking || t->faulting || t->unmapping || t->growing;
		arg->count = svma_core_chains(t->shadow, &arg->from, &arg->skip, links, room, &arg->more);
		spin_unlock(&t->lock);
		if (copy_to_user(u64_to_user_ptr(arg->buffer), links, arg->count * sizeof(*links)))
			err = -EFAULT;
	} else {
		err = -ENOMEM;
	}
	svma_tracked_put(t);
	kvfree(links);
	return err;
}

static int sharers_of_page(struct svma_sharers *arg, struct svma_core_sharer *found, u32 room)
{
	struct svma_tracked *t = get_by(arg->mm_id, arg->pid);
	struct svma_core_page page = {};
	int err = -EAGAIN;

	if (!t)
		return -ENOENT;
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	if (t->health == SVMA_CLEAN)
		err = svma_core_sharers(t->shadow, arg->addr, &page, found, room, &arg->total);
	spin_unlock(&t->lock);
	svma_tracked_put(t);
	arg->dev = page.dev;
	arg->ino = page.ino;
	arg->page = page.page;
	arg->anon_vma = page.anon_vma;
	arg->abroad = page.abroad;
	return err;
}

static_assert(SVMA_CORE_ANY_PAGE == SVMA_NONE && SVMA_CORE_SHARERS == SVMA_SHARERS_MOST);

static int sharers_of_file(struct svma_sharers *arg, struct svma_core_sharer *found, u32 room)
{
	arg->total = svma_core_sharers_of_file(svma_rmap, arg->dev, arg->ino, arg->page, found, room);
	arg->abroad = 1; /* who maps a file is told to nobody */
	return 0;
}

static int do_sharers(struct svma_session *session, struct svma_sharers *arg)
{
	u32 room = min_t(u32, arg->capacity, SVMA_CORE_SHARERS);
	struct svma_core_sharer *found;
	int err;

	found = kvcalloc(room + 1, sizeof(*found), GFP_KERNEL);
	if (!found)
		return -ENOMEM;
	err = arg->flags ? sharers_of_file(arg, found, room) : sharers_of_page(arg, found, room);
	if (!err) {
		arg->count = min_t(u64, arg->total, room);
		if (copy_to_user(u64_to_user_ptr(arg->buffer), found, arg->count * sizeof(*found)))
			err = -EFAULT;
	}
	kvfree(found);
	return err;
}

static int do_walk(struct svma_session *session, struct svma_walk *arg)
{
	struct svma_core_way way = {};
	struct svma_tracked *t;
	int err;

	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	err = svma_live_way(t->mm, arg->addr, &way, arg);
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	arg->seq = t->seq;
	arg->health = reported_health(t);
	spin_unlock(&t->lock);
	svma_tracked_put(t);
	arg->count = way.count;
	arg->allowed = way.allowed;
	arg->page_shift = way.page_shift;
	memcpy(arg->level, way.level, sizeof(arg->level));
	return err;
}

/* Records that one call fills. */
#define SVMA_CHUNK_RUNS 4096u
#define SVMA_CHUNK_SUMS 512u

static int do_pages(struct svma_session *session, struct svma_pages *arg)
{
	bool sums = arg->flags & SVMA_PAGES_SUMS;
	size_t size = sums ? sizeof(struct svma_page_sum) : sizeof(struct svma_page_run);
	u32 room = min(arg->capacity, sums ? SVMA_CHUNK_SUMS : SVMA_CHUNK_RUNS);
	struct svma_tracked *t;
	int err = -ENOMEM;
	void *records;

	if (arg->end == SVMA_NONE)
		arg->end = TASK_SIZE_MAX;
	t = get_by(arg->mm_id, arg->pid);
	if (!t)
		return -ENOENT;
	records = kvcalloc(room, size, GFP_KERNEL);
	if (!records)
		goto out;
	arg->parts = 0;
	arg->longest_ns = 0;
	err = svma_live_pages(t->mm, arg, records, room);
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	arg->seq = t->seq;
	arg->health = reported_health(t);
	spin_unlock(&t->lock);
	if (!err && copy_to_user(u64_to_user_ptr(arg->buffer), records, arg->count * size))
		err = -EFAULT;
	kvfree(records);
out:
	svma_tracked_put(t);
	return err;
}

static int do_semantic(struct svma_semantic *arg)
{
	struct svma_choice choice;
	int err = svma_core_choice(SVMA_PROFILE, arg->index, &choice);

	if (err)
		return err;
	strscpy(arg->profile, SVMA_PROFILE, sizeof(arg->profile));
	strscpy(arg->name, choice.name, sizeof(arg->name));
	strscpy(arg->value, choice.value, sizeof(arg->value));
	strscpy(arg->source, choice.source, sizeof(arg->source));
	return 0;
}

static_assert(SVMA_CORE_CONDITIONS <= SVMA_CONDITION_COUNT);
static_assert(SVMA_CORE_CONDITION_FILE == SVMA_CONDITION_FILE);
static_assert(SVMA_CORE_CONDITION_UFFD == SVMA_CONDITION_UFFD);
static_assert(SVMA_CORE_CONDITION_ANON_VMA == SVMA_CONDITION_ANON_VMA);
static_assert(SVMA_CORE_CONDITION_PGOFF == SVMA_CONDITION_PGOFF);

/* Kernel objects leave the module as hashes only. */
static void record_conditions(const struct svma_merge_answer *from, struct svma_condition *to)
{
	static const u32 identities = BIT(SVMA_CONDITION_FILE) | BIT(SVMA_CONDITION_UFFD) |
				      BIT(SVMA_CONDITION_ANON_VMA);
	u32 i;

	for (i = 0; i < SVMA_CORE_CONDITIONS; i++) {
		bool hide = identities & BIT(i);

		to[i].lower = hide ? svma_hash(from[i].lower) : from[i].lower;
		to[i].upper = hide ? svma_hash(from[i].upper) : from[i].upper;
		to[i].asked = from[i].asked;
		to[i].held = from[i].held;
	}
}

static int do_why(struct svma_session *session, struct svma_why *arg)
{
	struct svma_merge_report *report;
	struct svma_tracked *t;

	report = kzalloc(sizeof(*report), GFP_KERNEL);
	if (!report)
		return -ENOMEM;
	t = get_by(arg->mm_id, arg->pid);
	if (!t) {
		kfree(report);
		return -ENOENT;
	}
	spin_lock(&t->lock);
	arg->mm_id = t->id;
	arg->seq = t->seq;
	arg->health = reported_health(t);
	svma_core_why(t->shadow, arg->addr, report);
	spin_unlock(&t->lock);
	svma_tracked_put(t);
	arg->found = report->found;
	arg->mergeable = report->mergeable;
	svma_record(&report->vma, &arg->vma);
	svma_record(&report->prev, &arg->prev);
	svma_record(&report->next, &arg->next);
	memset(arg->with_prev, 0, sizeof(arg->with_prev));
	memset(arg->with_next, 0, sizeof(arg->with_next));
	record_conditions(report->with_prev, arg->with_prev);
	record_conditions(report->with_next, arg->with_next);
	kfree(report);
	return 0;
}

static int do_stats(struct svma_session *session, struct svma_stats *arg)
{
	struct svma_session *s;
	struct svma_counts sum;

	if (arg->flags & SVMA_STATS_MODULE) {
		mutex_lock(&svma_admin);
		arg->counts = svma_ended_counts;
		/* Sessions come and go under svma_admin and svma_table_lock; with the first held none goes. */
		list_for_each_entry(s, &svma_sessions, node) {
			svma_session_sum(s, &sum);
			svma_counts_add(&arg->counts, &sum);
		}
		arg->tracked = atomic_read(&svma_nr_tracked);
		arg->tracked_ever = READ_ONCE(svma_tracked_ever);
		mutex_unlock(&svma_admin);
	} else {
		svma_session_sum(session, &arg->counts);
		arg->tracked = tracked_ids(session, NULL, 0);
		arg->tracked_ever = READ_ONCE(session->tracked_ever);
	}
	arg->vmas = svma_pool_used(&svma_vma_pool);
	arg->memory = svma_memory_used();
	arg->memory_cap = svma_memory_cap();
	arg->pool_free = READ_ONCE(svma_vma_pool.nr_free);
	arg->pool_empty = svma_pools_empty();
	arg->canary_failures = atomic64_read(&svma_canary_failures);
	return 0;
}

static int do_probes(struct svma_session *session, struct svma_probes *arg)
{
	struct svma_probe __user *to = u64_to_user_ptr(arg->buffer);
	u32 i;

	for (i = 0; i < svma_nr_probes && i < arg->capacity; i++) {
		struct svma_probe_entry *entry = &svma_probe_table[i];
		struct svma_probe probe = {};

		strscpy(probe.symbol, entry->symbol, sizeof(probe.symbol));
		strscpy(probe.role, entry->role, sizeof(probe.role));
		probe.state = (entry->found ? SVMA_PROBE_FOUND : 0) | (entry->armed ? SVMA_PROBE_ARMED : 0) |
			      (entry->required ? SVMA_PROBE_REQUIRED : 0) |
			      (entry->entry ? SVMA_PROBE_RETURN : 0);
		probe.hits = atomic64_read(&entry->hits);
		probe.missed = svma_probe_missed(entry);
		if (copy_to_user(&to[i], &probe, sizeof(probe)))
			return -EFAULT;
	}
	arg->count = svma_nr_probes;
	return 0;
}

static int do_divergences(struct svma_session *session, struct svma_divergences *arg)
{
	struct svma_divergence __user *to = u64_to_user_ptr(arg->buffer);
	u32 n;

	spin_lock(&session->lock);
	n = session->nr_reports;
	arg->lost = session->lost_reports;
	spin_unlock(&session->lock);
	/* Reports are only ever added, so the first n stay as they are. */
	if (copy_to_user(to, session->reports, min(n, arg->capacity) * sizeof(*to)))
		return -EFAULT;
	arg->count = n;
	return 0;
}

static int do_journal(struct svma_session *session, struct svma_journal *arg)
{
	u32 room = min(arg->capacity, SVMA_CHUNK_JOURNAL);
	struct svma_journal_entry *entries = NULL;
	u32 i;
	int err;

	if (room) {
		entries = kvcalloc(room, sizeof(*entries), GFP_KERNEL);
		if (!entries)
			return -ENOMEM;
	}
	err = svma_journal_read(session, arg, entries, room);
	if (err)
		goto out;
	for (i = 0; i < arg->count; i++)
		entries[i].tid = svma_visible_tid(entries[i].tid);
	if (arg->count && copy_to_user(u64_to_user_ptr(arg->buffer), entries, arg->count * sizeof(*entries)))
		err = -EFAULT;
out:
	kvfree(entries);
	return err;
}

static int do_report(struct svma_session *session, struct svma_report *arg)
{
	const struct svma_detail *detail;
	bool there;

	spin_lock(&session->lock);
	there = arg->index < session->nr_reports;
	spin_unlock(&session->lock);
	if (!there)
		return -ENOENT;
	/* Reports are only ever added, so one that is there stays as it is. */
	arg->divergence = session->reports[arg->index];
	detail = &session->details[arg->index];
	arg->tid = svma_visible_tid(detail->tid);
	arg->predicted = detail->predicted;
	arg->observed = detail->observed;
	memcpy(arg->predicted_map, detail->predicted_map, sizeof(arg->predicted_map));
	memcpy(arg->observed_map, detail->observed_map, sizeof(arg->observed_map));
	memcpy(arg->task, detail->task, sizeof(arg->task));
	memset(arg->stack, 0, sizeof(arg->stack));
	BUILD_BUG_ON(sizeof(arg->stack[0]) != SVMA_FRAME_LENGTH);
	arg->frames = svma_detail_stack(detail, arg->stack, SVMA_REPORT_FRAMES);
	return 0;
}

static int do_facts(struct svma_session *session, struct svma_facts *arg)
{
	struct svma_session *s;

	memset(arg->count, 0, sizeof(arg->count));
	if (!(arg->flags & SVMA_STATS_MODULE)) {
		svma_session_facts(session, arg->count);
		return 0;
	}
	mutex_lock(&svma_admin);
	svma_facts_add(arg->count, svma_ended_facts);
	list_for_each_entry(s, &svma_sessions, node)
		svma_session_facts(s, arg->count);
	mutex_unlock(&svma_admin);
	return 0;
}

/* --- the dispatcher ------------------------------------------------------------------------------ */

static int dispatch(struct svma_session *session, unsigned int cmd, union svma_argument *arg)
{
	switch (cmd) {
	case SVMA_IOC_VERSION:
		return do_version(session, &arg->version);
	case SVMA_IOC_TRACK:
		return do_track(session, &arg->track);
	case SVMA_IOC_UNTRACK:
		return do_untrack(session, &arg->untrack);
	case SVMA_IOC_LIST:
		return do_list(session, &arg->list);
	case SVMA_IOC_MM:
		return do_mm(session, &arg->mm);
	case SVMA_IOC_SNAPSHOT:
		return do_snapshot(session, &arg->snapshot);
	case SVMA_IOC_FIND:
		return do_find(session, &arg->find);
	case SVMA_IOC_GAP:
		return do_gap(session, &arg->gap);
	case SVMA_IOC_STATS:
		return do_stats(session, &arg->stats);
	case SVMA_IOC_PROBES:
		return do_probes(session, &arg->probes);
	case SVMA_IOC_DIVERGENCES:
		return do_divergences(session, &arg->divergences);
	case SVMA_IOC_FACTS:
		return do_facts(session, &arg->facts);
	case SVMA_IOC_JOURNAL:
		return do_journal(session, &arg->journal);
	case SVMA_IOC_REPORT:
		return do_report(session, &arg->report);
	case SVMA_IOC_WHY:
		return do_why(session, &arg->why);
	case SVMA_IOC_LIMITS:
		return do_limits(session, &arg->limits);
	case SVMA_IOC_STRUCTURE:
		return do_structure(session, &arg->structure);
	case SVMA_IOC_SHAPE:
		return do_shape(session, &arg->shape);
	case SVMA_IOC_RMAP:
		return do_rmap(session, &arg->rmap);
	case SVMA_IOC_CHAINS:
		return do_chains(session, &arg->chains);
	case SVMA_IOC_SHARERS:
		return do_sharers(session, &arg->sharers);
	case SVMA_IOC_WALK:
		return do_walk(session, &arg->walk);
	case SVMA_IOC_PAGES:
		return do_pages(session, &arg->pages);
	case SVMA_IOC_SEMANTIC:
		return do_semantic(&arg->semantic);
	default:
		return -ENOTTY;
	}
}

static long svma_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct svma_session *session = file->private_data;
	void __user *at = (void __user *)user;
	union svma_argument *arg;
	u32 size;
	int err;

	if (!svma_request_known(cmd))
		return -ENOTTY;
	if (!READ_ONCE(session->agreed) && cmd != SVMA_IOC_VERSION)
		return -EPROTO;
	size = _IOC_SIZE(cmd);
	arg = kzalloc(sizeof(*arg), GFP_KERNEL);
	if (!arg)
		return -ENOMEM;
	err = -EFAULT;
	if (copy_from_user(arg, at, size))
		goto out;
	err = svma_request_check(cmd, arg, TASK_SIZE_MAX);
	if (err)
		goto out;
	err = dispatch(session, cmd, arg);
	/* A version that does not fit is answered with ours. */
	if ((!err || err == -EPROTO) && copy_to_user(at, arg, size))
		err = -EFAULT;
out:
	kfree(arg);
	return err;
}

static int svma_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	file->private_data = svma_session_create();
	return file->private_data ? 0 : -ENOMEM;
}

static int svma_release(struct inode *inode, struct file *file)
{
	svma_session_close(file->private_data);
	return 0;
}

static __poll_t svma_poll(struct file *file, poll_table *wait)
{
	struct svma_session *session = file->private_data;

	poll_wait(file, &session->wait, wait);
	return READ_ONCE(session->events) >= SVMA_BURST ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations svma_fops = {
	.owner = THIS_MODULE,
	.open = svma_open,
	.release = svma_release,
	.unlocked_ioctl = svma_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = svma_poll,
	.llseek = noop_llseek,
};

static struct miscdevice svma_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "svma",
	.fops = &svma_fops,
	.mode = 0600,
};

int svma_chardev_init(void)
{
	return misc_register(&svma_device);
}

void svma_chardev_exit(void)
{
	misc_deregister(&svma_device);
}
