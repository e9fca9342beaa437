// SPDX-License-Identifier: GPL-2.0-only
#include "request.h"

#include <linux/errno.h>

#define PAGE_BYTES 4096ull

static int aligned(__u64 bytes)
{
	return !(bytes % PAGE_BYTES);
}

/* All ones below a power of two, or what is left of that in whole pages, as the kernel's callers say it. */
static int is_align_mask(__u64 mask)
{
	if (mask && aligned(mask))
		mask |= PAGE_BYTES - 1;
	return !(mask & (mask + 1));
}

static int track_fits(const struct svma_track *arg)
{
	if (arg->flags & ~(SVMA_TRACK_DESCENDANTS | SVMA_TRACK_CHILDREN) || arg->reserved)
		return 0;
	return arg->flags & SVMA_TRACK_CHILDREN ? !arg->pid : arg->pid > 0;
}

static int gap_fits(const struct svma_gap *arg, __u64 task_size)
{
	if (arg->flags & ~SVMA_GAP_TOPDOWN || arg->reserved)
		return 0;
	return arg->length && aligned(arg->length) && arg->low_limit <= arg->high_limit &&
	       arg->high_limit <= task_size && is_align_mask(arg->align_mask);
}

static int sharers_fit(const struct svma_sharers *arg)
{
	if (arg->flags & ~SVMA_SHARERS_FILE || arg->reserved)
		return 0;
	return !arg->flags || (!arg->mm_id && !arg->pid);
}

static int pages_fit(const struct svma_pages *arg, __u64 task_size)
{
	const __u64 end = arg->end == SVMA_NONE ? task_size : arg->end;

	if (arg->flags & ~SVMA_PAGES_SUMS || !arg->capacity)
		return 0;
	return arg->start < end && end <= task_size && aligned(arg->start) && aligned(end);
}

int svma_request_known(unsigned int cmd)
{
	switch (cmd) {
	case SVMA_IOC_VERSION:
	case SVMA_IOC_TRACK:
	case SVMA_IOC_UNTRACK:
	case SVMA_IOC_LIST:
	case SVMA_IOC_MM:
	case SVMA_IOC_SNAPSHOT:
	case SVMA_IOC_FIND:
	case SVMA_IOC_GAP:
	case SVMA_IOC_STATS:
	case SVMA_IOC_PROBES:
	case SVMA_IOC_DIVERGENCES:
	case SVMA_IOC_FACTS:
	case SVMA_IOC_JOURNAL:
	case SVMA_IOC_REPORT:
	case SVMA_IOC_WHY:
	case SVMA_IOC_LIMITS:
	case SVMA_IOC_SEMANTIC:
	case SVMA_IOC_STRUCTURE:
	case SVMA_IOC_SHAPE:
	case SVMA_IOC_RMAP:
	case SVMA_IOC_CHAINS:
	case SVMA_IOC_SHARERS:
	case SVMA_IOC_WALK:
	case SVMA_IOC_PAGES:
		return 1;
	default:
		return 0;
	}
}

static int fits(unsigned int cmd, const union svma_argument *arg, __u64 task_size)
{
	switch (cmd) {
	case SVMA_IOC_VERSION:
		return !arg->version.reserved;
	case SVMA_IOC_TRACK:
		return track_fits(&arg->track);
	case SVMA_IOC_UNTRACK:
		return !arg->untrack.flags && !arg->untrack.reserved;
	case SVMA_IOC_LIST:
		return !(arg->list.flags & ~SVMA_LIST_MINE);
	case SVMA_IOC_SNAPSHOT:
		return !arg->snapshot.flags;
	case SVMA_IOC_FIND:
		return !arg->find.flags && !arg->find.reserved;
	case SVMA_IOC_GAP:
		return gap_fits(&arg->gap, task_size);
	case SVMA_IOC_STATS:
		return !(arg->stats.flags & ~SVMA_STATS_MODULE);
	case SVMA_IOC_PROBES:
		return !arg->probes.flags;
	case SVMA_IOC_DIVERGENCES:
		return !arg->divergences.flags;
	case SVMA_IOC_FACTS:
		return !(arg->facts.flags & ~SVMA_STATS_MODULE);
	case SVMA_IOC_JOURNAL:
		return !(arg->journal.flags & ~SVMA_JOURNAL_AFTER);
	case SVMA_IOC_REPORT:
		return !arg->report.flags && !arg->report.reserved;
	case SVMA_IOC_WHY:
		return !arg->why.flags;
	case SVMA_IOC_LIMITS:
		return !arg->limits.flags;
	case SVMA_IOC_STRUCTURE:
		return !(arg->structure.flags & ~SVMA_STATS_MODULE);
	case SVMA_IOC_SHAPE:
		return !arg->shape.flags && aligned(arg->shape.length) && arg->shape.length <= task_size;
	case SVMA_IOC_RMAP:
		return !(arg->rmap.flags & ~SVMA_STATS_MODULE) && !arg->rmap.reserved;
	case SVMA_IOC_CHAINS:
		return !arg->chains.flags && !arg->chains.reserved;
	case SVMA_IOC_SHARERS:
		return sharers_fit(&arg->sharers);
	case SVMA_IOC_WALK:
		return !arg->walk.flags && arg->walk.addr < task_size;
	case SVMA_IOC_PAGES:
		return pages_fit(&arg->pages, task_size);
	default: /* what has neither flags nor ranges */
		return 1;
	}
}

int svma_request_check(unsigned int cmd, const union svma_argument *arg, __u64 task_size)
{
	return arg->size == _IOC_SIZE(cmd) && fits(cmd, arg, task_size) ? 0 : -EINVAL;
}
