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
static unsigned int switches_before;
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

static void suspect_all(u64 missed)
{
	struct svma_tracked *t = NULL;
	struct svma_session *s;

	lockdep_assert_held(&svma_admin);
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
	while ((t = svma_tracked_next(t))) {
		spin_lock(&t->lock);
		svma_suspect(t);
		spin_unlock(&t->lock);
		cond_resched();
	}
}

/* What a switch may have silenced for a moment counts as missed once: nobody knows what it was. */
static void watch_probes(void)
{
	const unsigned int switches = svma_switches();
	const bool switched = switches != switches_before;
	u64 missed = svma_probes_missed();

	if (!svma_canary_sings()) {
		if (!disarmed)
			pr_warn("probes went silent; shadows are suspect until they fire again\n");
		WRITE_ONCE(disarmed, true);
		suspect_all(1);
	} else if (missed != missed_before || disarmed || switched) {
		WRITE_ONCE(disarmed, false);
		suspect_all(missed - missed_before + switched);
	}
	WRITE_ONCE(missed_before, missed);
	WRITE_ONCE(switches_before, switches);
}

bool svma_unnoticed(void)
{
	return svma_switches() != READ_ONCE(switches_before) || svma_probes_missed() != READ_ONCE(missed_before) ||
	       !svma_canary_sings();
}

bool svma_unsettled(void)
{
	return READ_ONCE(disarmed) || svma_switching() || svma_switches() != READ_ONCE(switches_before);
}

void svma_watch_now(void)
{
	if (!svma_unnoticed())
		return;
	mutex_lock(&svma_admin);
	if (disarmed && svma_switches() == switches_before)
		suspect_all(0); /* one that was attached since */
	else
		watch_probes();
	mutex_unlock(&svma_admin);
}

/* Who is never at rest is tried ever less often, since others wait meanwhile: for their turn, and for full pools. */
static void resync(struct svma_tracked *t)
{
	if (t->resyncs_failed && time_before(jiffies, t->resync_after))
		return;
	if (svma_resync(t) != -EAGAIN) {
		t->resyncs_failed = 0;
		return;
	}
	t->resync_after = jiffies + (SVMA_PERIOD << min(t->resyncs_failed, 4u));
	t->resyncs_failed++;
}

static void resync_suspects(void)
{
	struct svma_tracked *t = NULL;

	while ((t = svma_tracked_next(t))) {
		/* A fork that is going on is loaded when it is through. */
		if (READ_ONCE(t->health) == SVMA_SUSPECT && !READ_ONCE(t->forking))
			resync(t);
		cond_resched();
	}
}

/* An mm without users whose exit_mmap() was missed would stay for ever. */
static void retire_lost(void)
{
	struct svma_tracked *t = NULL;

	while ((t = svma_tracked_next(t))) {
		if (!atomic_read(&t->mm->mm_users))
			svma_tracked_retire(t, false);
		cond_resched();
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
	if (time_after_eq(jiffies, last_watch + SVMA_PERIOD) || svma_switches() != switches_before) {
		last_watch = jiffies;
		watch_probes();
		retire_lost();
	}
	if (!disarmed && !svma_switching())
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
