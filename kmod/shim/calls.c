// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that are going on.
 *
 * A call is noted at the entry of its function and forgotten at the return, and in between the steps of the
 * same task find it. Some of these functions take mmap_lock themselves, so many threads of one mm can be
 * inside at a time; only the holder of the lock makes steps.
 *
 *   entry ............ lock ... step ... step ... unlock ......... return
 *   svma_call_begin()           svma_call_current()                svma_call_finish()
 *
 * The entries are not part of the return probe's instances, which the kernel frees when it likes once the
 * module is being unloaded.
 */
#include "svma.h"

#include <linux/hash.h>

#define SVMA_CALL_BITS 8

/* Protects its list; any context. A task's entry is added, found and removed by the task itself. */
struct call_bucket {
	raw_spinlock_t lock;
	struct hlist_head calls;
};

static struct call_bucket buckets[1 << SVMA_CALL_BITS];

static struct call_bucket *bucket_of(const struct task_struct *task)
{
	return &buckets[hash_ptr(task, SVMA_CALL_BITS)];
}

void svma_calls_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(buckets); i++) {
		raw_spin_lock_init(&buckets[i].lock);
		INIT_HLIST_HEAD(&buckets[i].calls);
	}
}

/* No probe is armed any more; what is left belongs to calls whose return was not waited for. */
void svma_calls_exit(void)
{
	struct svma_call_entry *entry;
	struct hlist_node *next;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(buckets); i++) {
		hlist_for_each_entry_safe(entry, next, &buckets[i].calls, node)
			svma_pool_free(&svma_call_pool, entry);
	}
}

struct svma_call_entry *svma_call_begin(struct mm_struct *mm, const struct svma_call *call)
{
	struct call_bucket *bucket = bucket_of(current);
	struct svma_call_entry *entry = svma_pool_alloc(&svma_call_pool);

	if (!entry)
		return NULL;
	entry->task = current;
	entry->mm = mm;
	entry->applied = false;
	entry->policy_seen = false;
	entry->call = *call;
	svma_raw_lock(&bucket->lock);
	hlist_add_head(&entry->node, &bucket->calls);
	raw_spin_unlock(&bucket->lock);
	return entry;
}

void svma_call_finish(struct svma_call_entry *entry)
{
	struct call_bucket *bucket = bucket_of(current);

	svma_raw_lock(&bucket->lock);
	hlist_del(&entry->node);
	raw_spin_unlock(&bucket->lock);
	svma_pool_free(&svma_call_pool, entry);
}

struct svma_call_entry *svma_call_current(const struct mm_struct *mm)
{
	struct call_bucket *bucket = bucket_of(current);
	struct svma_call_entry *entry;

	if (hlist_empty(&bucket->calls))
		return NULL;
	svma_raw_lock(&bucket->lock);
	hlist_for_each_entry(entry, &bucket->calls, node) {
		if (entry->task == current && (entry->mm == mm || !entry->mm))
			break;
	}
	raw_spin_unlock(&bucket->lock);
	return entry;
}
