// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal: per mm a ring of the operations that were applied to its shadow.
 *
 * Entries lie in chunks from a pool. A ring grows chunk by chunk up to its limit; at the limit, or when
 * the pool is empty, its oldest chunk is used again and what was in it is lost:
 *
 *     oldest -> [ 12..22 ] -> [ 23..33 ] -> [ 34..37       ] <- newest
 *                first entry held: last - held + 1              last = 37
 *
 * All chunks but the newest are full, so the place of an entry follows from its number.
 *
 * The ring of an mm that has ended goes to its session when the mm is buried, and stays there until the
 * session is closed, the process is untracked, or newer ones push it out.
 *
 * Locks: a ring in a tracked mm belongs to tracked->lock, the kept ones to svma_admin.
 */
#include "svma.h"

#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>

static unsigned int journal_entries = 256;
module_param(journal_entries, uint, 0444);
MODULE_PARM_DESC(journal_entries, "Operations kept in the journal of each mm; 0: no journal");

static unsigned int journals_kept = 64;
module_param(journals_kept, uint, 0644);
MODULE_PARM_DESC(journals_kept, "Journals of ended mms kept for each descriptor; the oldest go first");

struct svma_journal_chunk {
	struct svma_journal_chunk *next;
	struct svma_journal_entry entry[SVMA_CHUNK_ENTRIES];
};

/* The journal of an mm that has ended. */
struct svma_kept_journal {
	struct list_head node;
	u64 mm_id;
	struct pid *pid;
	struct svma_ring ring;
};

static_assert(sizeof(struct svma_extent) == sizeof(struct svma_core_extent));
static_assert(offsetof(struct svma_extent, dev) == offsetof(struct svma_core_extent, dev));
static_assert((int)SVMA_JOURNAL_EXTENTS == (int)SVMA_CORE_SCENE_EXTENTS);

/* --- the ring ------------------------------------------------------------------------------------ */

void svma_journal_init(void)
{
	svma_journal_pool.size = sizeof(struct svma_journal_chunk);
	if (!journal_entries)
		svma_journal_pool.target = 0;
}

static unsigned int max_chunks(void)
{
	/* One more, so that the limit is held even when the oldest chunk has just been taken. */
	return journal_entries / SVMA_CHUNK_ENTRIES + 2;
}

static struct svma_journal_chunk *next_chunk(struct svma_ring *ring)
{
	struct svma_journal_chunk *chunk = NULL;

	if (ring->chunks < max_chunks())
		chunk = svma_pool_alloc(&svma_journal_pool);
	if (chunk) {
		ring->chunks++;
	} else {
		chunk = ring->oldest;
		if (!chunk)
			return NULL;
		ring->oldest = chunk->next;
		ring->held -= SVMA_CHUNK_ENTRIES;
	}
	chunk->next = NULL;
	if (ring->oldest)
		ring->newest->next = chunk;
	else
		ring->oldest = chunk;
	ring->newest = chunk;
	ring->used = 0;
	return chunk;
}

/* A new entry, not cleared, or NULL when there is no room at all: then its number is lost. */
static struct svma_journal_entry *append(struct svma_ring *ring)
{
	struct svma_journal_chunk *chunk = ring->newest;

	if (!journal_entries)
		return NULL;
	ring->last++;
	if (!chunk || ring->used == SVMA_CHUNK_ENTRIES)
		chunk = next_chunk(ring);
	if (!chunk)
		return NULL;
	ring->held++;
	return &chunk->entry[ring->used++];
}

/* Number of the oldest entry to be shown; last + 1 when there is none. */
static u64 first_id(const struct svma_ring *ring)
{
	return ring->last + 1 - min_t(u64, ring->held, journal_entries);
}

static const struct svma_journal_entry *entry_at(const struct svma_ring *ring, u64 id)
{
	u64 index = id - (ring->last + 1 - ring->held);
	const struct svma_journal_chunk *chunk = ring->oldest;

	for (; index >= SVMA_CHUNK_ENTRIES; index -= SVMA_CHUNK_ENTRIES)
		chunk = chunk->next;
	return &chunk->entry[index];
}

void svma_ring_free(struct svma_ring *ring)
{
	struct svma_journal_chunk *chunk = ring->oldest, *next;

	for (; chunk; chunk = next) {
		next = chunk->next;
		svma_pool_free(&svma_journal_pool, chunk);
	}
	memset(ring, 0, sizeof(*ring));
}

/* --- writing; tracked->lock held, or nobody else knows @t yet ------------------------------------- */

static void copy_scene(struct svma_journal_entry *entry, const struct svma_scene *scene)
{
	entry->start = scene->start;
	entry->end = scene->end;
	entry->vmas = scene->vmas;
	if (scene->cut)
		entry->bits |= SVMA_JOURNAL_CUT;
	memcpy(entry->vma, scene->vma, scene->vmas * sizeof(entry->vma[0]));
}

/* @begin_ns 0: it was over when it was seen. */
static struct svma_journal_entry *note(struct svma_tracked *t, u32 kind, u64 begin_ns)
{
	struct svma_journal_entry *entry = append(&t->ring);

	if (!entry)
		return NULL;
	memset(entry, 0, sizeof(*entry));
	entry->id = t->ring.last;
	entry->seq = t->seq;
	entry->end_ns = ktime_get_mono_fast_ns();
	entry->begin_ns = begin_ns ? begin_ns : entry->end_ns;
	entry->operation = kind;
	entry->tid = task_pid_nr(current);
	memcpy(entry->comm, current->comm, sizeof(entry->comm));
	return entry;
}

void svma_journal_note(struct svma_tracked *t, const struct svma_op *op, const struct svma_verdict *verdict)
{
	/* The time of another operation, begun and never ended, may still stand there. */
	bool opened = op == &t->op || op->kind == SVMA_CORE_FORK;
	struct svma_journal_entry *entry = note(t, op->kind, opened ? t->begin_ns : 0);

	if (!entry)
		return;
	entry->result = op->result;
	BUILD_BUG_ON(sizeof(entry->args) != sizeof(op->args));
	memcpy(entry->args, op->args, sizeof(entry->args));
	if (!verdict)
		return;
	if (verdict->divergent)
		entry->bits |= SVMA_JOURNAL_DIVERGED;
	if (verdict->unmodelled)
		entry->bits |= SVMA_JOURNAL_UNMODELLED;
	if (!verdict->scene)
		return;
	entry->predicted = verdict->scene->predicted_address;
	if (verdict->scene->complete)
		copy_scene(entry, verdict->scene);
}

void svma_journal_note_whole(struct svma_tracked *t, u32 kind)
{
	struct svma_journal_entry *entry = note(t, kind, 0);

	if (entry)
		copy_scene(entry, svma_core_survey(t->shadow));
}

void svma_journal_note_fault(struct svma_tracked *t, const struct svma_live_vma *vma)
{
	struct svma_journal_entry *entry = note(t, SVMA_OP_ANON_VMA, 0);

	if (!entry)
		return;
	entry->args[0] = vma->start;
	entry->args[1] = vma->end;
	entry->start = vma->start;
	entry->end = vma->end;
	entry->vmas = 1;
	entry->vma[0].start = vma->start;
	entry->vma[0].end = vma->end;
	entry->vma[0].flags = vma->flags;
	entry->vma[0].pgoff = vma->pgoff;
	entry->vma[0].ino = vma->ino;
	entry->vma[0].dev = vma->dev;
}

void svma_journal_blame(struct svma_tracked *t)
{
	if (t->ring.held)
		t->ring.newest->entry[t->ring.used - 1].bits |= SVMA_JOURNAL_DIVERGED;
}

/* --- journals of ended mms ------------------------------------------------------------------------ */

static void drop(struct svma_session *session, struct svma_kept_journal *kept)
{
	list_del(&kept->node);
	session->nr_kept--;
	svma_ring_free(&kept->ring);
	put_pid(kept->pid);
	kfree(kept);
}

static struct svma_kept_journal *oldest_kept(struct svma_session *session)
{
	return list_first_entry_or_null(&session->kept, struct svma_kept_journal, node);
}

void svma_journal_keep(struct svma_tracked *t)
{
	struct svma_session *session = t->session;
	struct svma_kept_journal *kept = NULL;
	struct svma_ring ring;
	bool wanted;

	lockdep_assert_held(&svma_admin);
	spin_lock(&t->lock);
	ring = t->ring;
	memset(&t->ring, 0, sizeof(t->ring));
	t->ring_moved = true;
	/* What an exec that failed had made was never the process's. */
	wanted = ring.last && !t->starting;
	spin_unlock(&t->lock);

	if (wanted && !t->forgotten && !session->closing && READ_ONCE(journals_kept))
		kept = kzalloc(sizeof(*kept), GFP_KERNEL);
	if (!kept) {
		svma_ring_free(&ring);
		return;
	}
	kept->mm_id = t->id;
	kept->pid = get_pid(t->pid);
	kept->ring = ring;
	list_add_tail(&kept->node, &session->kept);
	session->nr_kept++;
	while (session->nr_kept > READ_ONCE(journals_kept))
		drop(session, oldest_kept(session));
}

void svma_journals_drop(struct svma_session *session)
{
	struct svma_kept_journal *kept;

	lockdep_assert_held(&svma_admin);
	while ((kept = oldest_kept(session)))
		drop(session, kept);
}

bool svma_journals_forget(struct svma_session *session, pid_t nr)
{
	struct svma_kept_journal *kept, *next;
	bool any = false;

	lockdep_assert_held(&svma_admin);
	list_for_each_entry_safe(kept, next, &session->kept, node) {
		if (pid_vnr(kept->pid) == nr) {
			drop(session, kept);
			any = true;
		}
	}
	return any;
}

/* The pool can't be refilled (the cap is reached): those who are tracked now go before those who were. */
void svma_journals_squeeze(void)
{
	struct svma_kept_journal *kept, *oldest;
	struct svma_session *session, *owner;

	lockdep_assert_held(&svma_admin);
	while (READ_ONCE(svma_journal_pool.nr_free) < svma_journal_pool.target / 2) {
		oldest = NULL;
		list_for_each_entry(session, &svma_sessions, node) {
			kept = oldest_kept(session);
			if (kept && (!oldest || kept->mm_id < oldest->mm_id)) {
				oldest = kept;
				owner = session;
			}
		}
		if (!oldest)
			return;
		drop(owner, oldest);
	}
}

/* --- reading --------------------------------------------------------------------------------------- */

static void copy_ring(const struct svma_ring *ring, struct svma_journal *arg, struct svma_journal_entry *out,
		      u32 room)
{
	u64 first = first_id(ring);
	u64 id = max_t(u64, arg->from, 1);

	arg->count = 0;
	arg->lost = id < first ? first - id : 0;
	for (id = max(id, first); id <= ring->last && arg->count < room; id++)
		out[arg->count++] = *entry_at(ring, id);
	arg->more = id <= ring->last;
}

/* False when the ring has moved to the session since @t was found. */
static bool read_tracked(struct svma_tracked *t, struct svma_journal *arg, struct svma_journal_entry *out,
			 u32 room)
{
	bool here;

	spin_lock(&t->lock);
	here = !t->ring_moved;
	if (here) {
		arg->mm_id = t->id;
		arg->pid = pid_vnr(t->pid);
		copy_ring(&t->ring, arg, out, room);
	}
	spin_unlock(&t->lock);
	return here;
}

static struct svma_kept_journal *find_kept(u64 mm_id, pid_t nr)
{
	struct svma_kept_journal *kept, *found = NULL;
	struct svma_session *session;

	list_for_each_entry(session, &svma_sessions, node) {
		list_for_each_entry(kept, &session->kept, node) {
			if (mm_id ? kept->mm_id != mm_id : pid_vnr(kept->pid) != nr)
				continue;
			if (!found || kept->mm_id > found->mm_id)
				found = kept;
		}
	}
	return found;
}

/* The lowest mm_id above @after of those that @session tracks or has kept; 0 when there is none. */
static u64 id_after(struct svma_session *session, u64 after)
{
	struct svma_kept_journal *kept;
	struct svma_tracked *t;
	u64 id = 0;

	list_for_each_entry(kept, &session->kept, node) {
		if (kept->mm_id > after && (!id || kept->mm_id < id))
			id = kept->mm_id;
	}
	spin_lock(&svma_table_lock);
	list_for_each_entry(t, &session->tracked, node) {
		if (t->id > after && (!id || t->id < id))
			id = t->id;
	}
	spin_unlock(&svma_table_lock);
	return id;
}

static bool read_found(struct svma_tracked *t, struct svma_journal *arg, struct svma_journal_entry *out, u32 room)
{
	bool done = false;

	if (t) {
		done = read_tracked(t, arg, out, room);
		svma_tracked_put(t);
	}
	return done;
}

static bool read_kept(u64 mm_id, pid_t nr, struct svma_journal *arg, struct svma_journal_entry *out, u32 room)
{
	struct svma_kept_journal *kept = find_kept(mm_id, nr);

	if (!kept)
		return false;
	arg->mm_id = kept->mm_id;
	arg->pid = pid_vnr(kept->pid);
	copy_ring(&kept->ring, arg, out, room);
	return true;
}

static int read_next(struct svma_session *session, struct svma_journal *arg, struct svma_journal_entry *out,
		     u32 room)
{
	bool found = false;
	u64 id;

	mutex_lock(&svma_admin);
	do {
		svma_bury();
		id = id_after(session, arg->mm_id);
		if (!id)
			break;
		/* Neither when it was retired since the burial: then the next one shows it, or what follows it. */
		found = read_found(svma_tracked_get(id), arg, out, room) || read_kept(id, 0, arg, out, room);
	} while (!found);
	mutex_unlock(&svma_admin);
	return found ? 0 : -ENOENT;
}

int svma_journal_read(struct svma_session *session, struct svma_journal *arg, struct svma_journal_entry *out,
		      u32 room)
{
	struct svma_tracked *t;
	bool found;

	if (arg->flags & SVMA_JOURNAL_AFTER)
		return read_next(session, arg, out, room);
	t = arg->mm_id ? svma_tracked_get(arg->mm_id) : svma_tracked_of_pid(arg->pid);
	if (read_found(t, arg, out, room))
		return 0;
	/* Retired, or gone for longer: once buried, all of those have their rings in a session. */
	mutex_lock(&svma_admin);
	svma_bury();
	found = read_kept(arg->mm_id, arg->pid, arg, out, room);
	mutex_unlock(&svma_admin);
	return found ? 0 : -ENOENT;
}

bool svma_journal_get(struct svma_tracked *t, u64 id, struct svma_journal_entry *out)
{
	bool found;

	spin_lock(&t->lock);
	id = max(id, first_id(&t->ring));
	found = id <= t->ring.last;
	if (found)
		*out = *entry_at(&t->ring, id);
	spin_unlock(&t->lock);
	return found;
}

pid_t svma_visible_tid(pid_t nr)
{
	struct pid *pid;
	pid_t visible;

	if (task_active_pid_ns(current) == &init_pid_ns)
		return nr;
	rcu_read_lock();
	pid = find_pid_ns(nr, &init_pid_ns);
	visible = pid ? pid_vnr(pid) : 0;
	rcu_read_unlock();
	return visible;
}
