// SPDX-License-Identifier: GPL-2.0-only
#include "svma.h"

#include <linux/module.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/string.h>

static unsigned int memory_cap_mb = 256;
module_param(memory_cap_mb, uint, 0644);
MODULE_PARM_DESC(memory_cap_mb, "Most memory for shadows and pools, in MiB; at the cap new tracking is refused");

/* A fork copies a whole layout at once, in one handler; the worker has to be faster than forks. */
static unsigned int pool_vmas = 16384;
module_param(pool_vmas, uint, 0444);
MODULE_PARM_DESC(pool_vmas, "VMA nodes kept ready for probe handlers");

struct svma_pool svma_vma_pool = { .name = "svma_vma", .align = 64 };
struct svma_pool svma_avc_pool = { .name = "svma_avc", .align = 16 };
struct svma_pool svma_anon_vma_pool = { .name = "svma_anon_vma", .align = 16 };
struct svma_pool svma_file_rmap_pool = { .name = "svma_file_rmap", .align = 16 };
struct svma_pool svma_shadow_pool = { .name = "svma_shadow", .align = 64, .target = 256 };
struct svma_pool svma_call_pool = { .name = "svma_call", .align = 8, .target = 512 };
struct svma_pool svma_tracked_pool = { .name = "svma_tracked", .align = 64, .target = 256 };
/* Journals are a convenience: they leave most of the memory to the shadows. */
struct svma_pool svma_journal_pool = { .name = "svma_journal", .align = 64, .target = 256, .share = 4 };

static struct svma_pool *const pools[] = { &svma_vma_pool, &svma_avc_pool, &svma_anon_vma_pool,
					   &svma_file_rmap_pool, &svma_shadow_pool, &svma_tracked_pool, &svma_call_pool,
					   &svma_journal_pool };

unsigned long svma_memory_cap(void)
{
	return (unsigned long)READ_ONCE(memory_cap_mb) << 20;
}

unsigned long svma_pools_empty(void)
{
	return READ_ONCE(svma_vma_pool.empty) + READ_ONCE(svma_shadow_pool.empty) + READ_ONCE(svma_tracked_pool.empty);
}

unsigned long svma_pools_refused(void)
{
	unsigned long refused = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pools); i++)
		refused += READ_ONCE(pools[i]->refused);
	return refused;
}

unsigned long svma_memory_used(void)
{
	unsigned long bytes = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pools); i++)
		bytes += READ_ONCE(pools[i]->nr_total) * pools[i]->size;
	return bytes;
}

/*
 * KASAN does not see what is freed into a pool. On a kernel that has it free objects are filled with a pattern that
 * is no address, so that following one is a fault, and looked at when they are handed out again.
 */
static void poison(const struct svma_pool *pool, void *object)
{
	if (IS_ENABLED(CONFIG_KASAN))
		memset(object, POISON_FREE, pool->size);
}

/* The first word of a free object belongs to the pool. */
static void check_poison(const struct svma_pool *pool, const void *object)
{
	if (IS_ENABLED(CONFIG_KASAN))
		WARN_ONCE(memchr_inv(object + sizeof(void *), POISON_FREE, pool->size - sizeof(void *)),
			  "svma: an object of %s was written to after it had been freed\n", pool->name);
}

void *svma_pool_alloc(struct svma_pool *pool)
{
	unsigned long flags;
	bool low;
	void *object;

	raw_spin_lock_irqsave_nested(&pool->lock, flags, svma_nesting());
	object = pool->free;
	if (object) {
		pool->free = *(void **)object;
		svma_add_once(pool->nr_free, -1);
	} else {
		svma_add_once(pool->empty, 1);
	}
	low = pool->nr_free < pool->target / 2;
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (low)
		svma_worker_kick();
	if (object)
		check_poison(pool, object);
	return object;
}

void svma_pool_free(struct svma_pool *pool, void *object)
{
	unsigned long flags;

	poison(pool, object);
	raw_spin_lock_irqsave_nested(&pool->lock, flags, svma_nesting());
	*(void **)object = pool->free;
	pool->free = object;
	svma_add_once(pool->nr_free, 1);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}

static int pool_grow(struct svma_pool *pool)
{
	unsigned long flags;
	void *object;

	if (svma_memory_used() + pool->size > svma_memory_cap())
		return -ENOSPC;
	if (pool->share && (READ_ONCE(pool->nr_total) + 1) * pool->size > svma_memory_cap() / pool->share)
		return -ENOSPC;
	object = kmem_cache_alloc(pool->cache, GFP_KERNEL | __GFP_NOWARN);
	raw_spin_lock_irqsave(&pool->lock, flags);
	if (object)
		svma_add_once(pool->nr_total, 1);
	else
		svma_add_once(pool->refused, 1);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (!object)
		return -ENOMEM;
	svma_pool_free(pool, object);
	return 0;
}

static bool pool_shrink(struct svma_pool *pool)
{
	unsigned long flags;
	void *object;

	raw_spin_lock_irqsave(&pool->lock, flags);
	object = pool->free;
	if (object) {
		pool->free = *(void **)object;
		svma_add_once(pool->nr_free, -1);
		svma_add_once(pool->nr_total, -1);
	}
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (object)
		kmem_cache_free(pool->cache, object);
	return object != NULL;
}

int svma_pool_fill(struct svma_pool *pool, unsigned long free)
{
	int err = 0;

	while (!err && READ_ONCE(pool->nr_free) < free) {
		err = pool_grow(pool);
		cond_resched();
	}
	return err;
}

void svma_pools_balance(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		struct svma_pool *pool = pools[i];

		svma_pool_fill(pool, pool->target);
		/* Keep twice the target: what was needed once is likely to be needed again. */
		while (READ_ONCE(pool->nr_free) > 2UL * pool->target && pool_shrink(pool))
			cond_resched();
	}
}

int svma_pools_init(void)
{
	unsigned int i;
	int err;

	svma_vma_pool.size = svma_core_vma_size();
	svma_vma_pool.target = pool_vmas;
	svma_avc_pool.size = svma_core_avc_size();
	svma_avc_pool.target = pool_vmas;
	svma_anon_vma_pool.size = svma_core_anon_vma_size();
	svma_anon_vma_pool.target = pool_vmas / 2;
	svma_file_rmap_pool.size = svma_core_file_rmap_size();
	svma_file_rmap_pool.target = pool_vmas / 4; /* of files that nobody maps yet; a fork needs none */
	svma_shadow_pool.size = svma_core_shadow_size();
	svma_tracked_pool.size = sizeof(struct svma_tracked);
	svma_call_pool.size = sizeof(struct svma_call_entry);
	svma_journal_init();

	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		struct svma_pool *pool = pools[i];

		raw_spin_lock_init(&pool->lock);
		pool->cache = kmem_cache_create(pool->name, pool->size, pool->align, 0, NULL);
		if (!pool->cache) {
			svma_pools_exit();
			return -ENOMEM;
		}
		err = svma_pool_fill(pool, pool->target);
		/* One with a share does with less. */
		if (err && !(err == -ENOSPC && pool->share)) {
			if (err == -ENOSPC)
				pr_err("%u MiB (memory_cap_mb) don't hold the pools; raise it or lower pool_vmas\n",
				       memory_cap_mb);
			svma_pools_exit();
			return err;
		}
	}
	return 0;
}

void svma_pools_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pools); i++) {
		struct svma_pool *pool = pools[i];

		if (!pool->cache)
			continue;
		while (pool_shrink(pool))
			cond_resched();
		/* Objects still in use would be a leak; kmem_cache_destroy() says so. */
		WARN_ON_ONCE(pool->nr_total);
		kmem_cache_destroy(pool->cache);
		pool->cache = NULL;
	}
}
