// SPDX-License-Identifier: GPL-2.0-only
#include "svma.h"

#include <linux/mm.h>
#include <linux/slab.h>

LIST_HEAD(svma_sessions);
struct svma_counts svma_ended_counts;
u64 svma_ended_facts[SVMA_FACT_COUNT];

void svma_facts_add(u64 *to, const u64 *from)
{
	unsigned int i;

	for (i = 0; i < SVMA_FACT_COUNT; i++)
		to[i] += from[i];
}

void svma_counts_add(struct svma_counts *to, const struct svma_counts *from)
{
	/* The structure is nothing but counters. */
	const u64 *src = (const u64 *)from;
	u64 *dst = (u64 *)to;
	unsigned int i;

	BUILD_BUG_ON(sizeof(*to) % sizeof(u64));
	for (i = 0; i < sizeof(*to) / sizeof(u64); i++)
		dst[i] += src[i];
}

struct svma_session *svma_session_create(void)
{
	struct svma_session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->reports = kvcalloc(SVMA_MAX_REPORTS, sizeof(*session->reports), GFP_KERNEL);
	session->details = kvcalloc(SVMA_MAX_REPORTS, sizeof(*session->details), GFP_KERNEL);
	if (!session->reports || !session->details) {
		kvfree(session->reports);
		kvfree(session->details);
		kfree(session);
		return NULL;
	}
	kref_init(&session->ref);
	session->owner = get_pid(task_tgid(current));
	INIT_LIST_HEAD(&session->tracked);
	INIT_LIST_HEAD(&session->kept);
	spin_lock_init(&session->lock);
	init_waitqueue_head(&session->wait);
	spin_lock(&svma_table_lock);
	list_add_tail_rcu(&session->node, &svma_sessions);
	spin_unlock(&svma_table_lock);
	return session;
}

static void session_release(struct kref *ref)
{
	struct svma_session *session = container_of(ref, struct svma_session, ref);

	put_pid(session->owner);
	kvfree(session->reports);
	kvfree(session->details);
	kfree(session);
}

void svma_session_put(struct svma_session *session)
{
	kref_put(&session->ref, session_release);
}

static struct svma_tracked *first_tracked(struct svma_session *session)
{
	struct svma_tracked *t;

	spin_lock(&svma_table_lock);
	t = list_first_entry_or_null(&session->tracked, struct svma_tracked, node);
	/* The table's reference can't go before svma_bury(), which needs svma_admin. */
	spin_unlock(&svma_table_lock);
	return t;
}

void svma_session_close(struct svma_session *session)
{
	struct svma_tracked *t;
	struct svma_counts sum;

	mutex_lock(&svma_admin);
	spin_lock(&svma_table_lock);
	list_del_rcu(&session->node);
	WRITE_ONCE(session->children, false);
	spin_unlock(&svma_table_lock);
	session->closing = true;
	/* No handler can begin to track for this session any more. */
	synchronize_rcu();
	/* A fork that saw its parent before may still have published the child: look again after the burial. */
	while ((t = first_tracked(session))) {
		do {
			svma_tracked_retire(t, false);
		} while ((t = first_tracked(session)));
		svma_bury();
	}
	svma_bury();
	svma_journals_drop(session);
	svma_session_sum(session, &sum);
	svma_counts_add(&svma_ended_counts, &sum);
	svma_session_facts(session, svma_ended_facts);
	mutex_unlock(&svma_admin);
	svma_session_put(session);
}

void svma_session_sum(struct svma_session *session, struct svma_counts *out)
{
	struct svma_tracked *t;

	memset(out, 0, sizeof(*out));
	spin_lock(&svma_table_lock);
	list_for_each_entry(t, &session->tracked, node) {
		spin_lock(&t->lock);
		svma_counts_add(out, &t->counts);
		spin_unlock(&t->lock);
	}
	spin_lock(&session->lock);
	svma_counts_add(out, &session->ended);
	out->missed += session->missed;
	spin_unlock(&session->lock);
	spin_unlock(&svma_table_lock);
}

/* Adds to @sum. */
void svma_session_facts(struct svma_session *session, u64 *sum)
{
	struct svma_tracked *t;

	spin_lock(&svma_table_lock);
	list_for_each_entry(t, &session->tracked, node) {
		spin_lock(&t->lock);
		svma_facts_add(sum, t->facts);
		spin_unlock(&t->lock);
	}
	spin_lock(&session->lock);
	svma_facts_add(sum, session->ended_facts);
	spin_unlock(&session->lock);
	spin_unlock(&svma_table_lock);
}
