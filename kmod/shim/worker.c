// SPDX-License-Identifier: GPL-2.0-only
/* What handlers may not do: refill pools, bury, resync, wake readers, watch the probes. */
#include "svma.h"

#include <linux/jiffies.h>

/* How often the probes are checked and readers of slow targets are woken. */
#define SVMA_PERIOD msecs_to_jiffies(100)

static void work(struct work_struct *unused);
static void kick(struct irq_work *unused);

static struct workqueue_struct *queue;
static DECLARE_DELAYED_WORK(svma_work, work);
static struct irq_work svma_kick_work;
static bool stopping;
static u64 missed_before;
static bool disarmed;

static void kick(struct irq_work *unused)
{
	if (!READ_ONCE(stopping))
		mod_delayed_work(queue, &svma_work, 0);
}

void svma_worker_kick(void)
{
	irq_work_queue(&svma_kick_work);
}

/* Every tracked mm of every session, one after the other, with a reference. */
static struct svma_tracked *next_tracked(u64 after)
{
	struct svma_tracked *t, *found = NULL;
	struct svma_session *s;

	spin_lock(&svma_table_lock);
	list_for_each_entry(s, &svma_sessions, node) {
		list_for_each_entry(t, &s->tracked, node) {
			if (t->id > after && (!found || t->id < found->id))
				found = t;
		}
	}
	if (found)
		kref_get(&found->ref);
	spin_unlock(&svma_table_lock);
	return found;
}

static void suspect_all(u64 missed)
{
	struct svma_session *s;
	struct svma_tracked *t;
	u64 after = 0;

	spin_lock(&svma_table_lock);
	list_for_each_entry(s, &svma_sessions, node) {
		if (list_empty(&s->tracked))
			continue;
		spin_lock(&s->lock);
		s->missed += missed;
		spin_unlock(&s->lock);
	}
	spin_unlock(&svma_table_lock);
	/* A suspect leaves reverse mapping VMA by VMA: too long for the table's lock. */
	while ((t = next_tracked(after))) {
		after = t->id;
		spin_lock(&t->lock);
		svma_suspect(t);
		spin_unlock(&t->lock);
		svma_tracked_put(t);
		cond_resched();
	}
}

static void watch_probes(void)
{
	u64 missed = svma_probes_missed();

	if (!svma_canary_sings()) {
		if (!disarmed)
			pr_warn("probes went silent; shadows are suspect until they fire again\n");
		WRITE_ONCE(disarmed, true);
		suspect_all(1);
	} else if (missed != missed_before || disarmed) {
		WRITE_ONCE(disarmed, false);
		suspect_all(missed - missed_before);
	}
	missed_before = missed;
}

void svma_watch_now(void)
{
	if (svma_canary_sings())
		return;
	if (READ_ONCE(disarmed)) {
		suspect_all(0); /* one that was attached since */
		return;
	}
	mutex_lock(&svma_admin);
	watch_probes();
	mutex_unlock(&svma_admin);
}

static void resync_suspects(void)
{
	struct svma_tracked *t;
	u64 after = 0;

	while ((t = next_tracked(after))) {
		after = t->id;
		/* A fork that is going on is loaded when it is through. */
		if (READ_ONCE(t->health) == SVMA_SUSPECT && !READ_ONCE(t->forking))
			svma_resync(t);
		svma_tracked_put(t);
		cond_resched();
	}
}

/* An mm without users whose exit_mmap() was missed would stay for ever. */
static void retire_lost(void)
{
	struct svma_tracked *t;
	u64 after = 0;

	while ((t = next_tracked(after))) {
		after = t->id;
		if (!atomic_read(&t->mm->mm_users))
			svma_tracked_retire(t, false);
		svma_tracked_put(t);
	}
}

static void wake_readers(void)
{
	struct svma_session *s;

	spin_lock(&svma_table_lock);
	list_for_each_entry(s, &svma_sessions, node) {
		if (READ_ONCE(s->events))
			wake_up_interruptible(&s->wait);
	}
	spin_unlock(&svma_table_lock);
}

static void work(struct work_struct *unused)
{
	static unsigned long last_watch;

	svma_pools_balance();
	mutex_lock(&svma_admin);
	svma_bury();
	svma_journals_squeeze();
	if (time_after_eq(jiffies, last_watch + SVMA_PERIOD)) {
		last_watch = jiffies;
		watch_probes();
		retire_lost();
	}
	if (!disarmed)
		resync_suspects();
	svma_debugfs_update();
	mutex_unlock(&svma_admin);
	wake_readers();
	/* Sleep when there is nothing to watch. */
	if (atomic_read(&svma_nr_tracked) && !READ_ONCE(stopping))
		queue_delayed_work(queue, &svma_work, SVMA_PERIOD);
}

int svma_worker_start(void)
{
	init_irq_work(&svma_kick_work, kick);
	queue = alloc_workqueue("svma", WQ_HIGHPRI | WQ_UNBOUND | WQ_MEM_RECLAIM, 1);
	missed_before = svma_probes_missed();
	return queue ? 0 : -ENOMEM;
}

/* Probes are disarmed and sessions closed: nobody kicks any more but what is in flight. */
void svma_worker_stop(void)
{
	WRITE_ONCE(stopping, true);
	irq_work_sync(&svma_kick_work);
	cancel_delayed_work_sync(&svma_work);
	destroy_workqueue(queue);
}
