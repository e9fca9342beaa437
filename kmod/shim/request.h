/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a request of /dev/svma may say, before anything it speaks of is looked up: its number, its size, its flags,
 * its reserved fields, its ranges. Of the kernel this needs types and error numbers only: it is built for user space,
 * too, where tests/fuzz/request_fuzz.cc calls it.
 */
#ifndef SVMA_SHIM_REQUEST_H
#define SVMA_SHIM_REQUEST_H

#include "uapi/svma.h"

/* The argument of any request. All begin with their size in bytes. */
union svma_argument {
	__u32 size;
	struct svma_version version;
	struct svma_track track;
	struct svma_untrack untrack;
	struct svma_list list;
	struct svma_mm mm;
	struct svma_snapshot snapshot;
	struct svma_find find;
	struct svma_gap gap;
	struct svma_stats stats;
	struct svma_probes probes;
	struct svma_divergences divergences;
	struct svma_facts facts;
	struct svma_journal journal;
	struct svma_report report;
	struct svma_why why;
	struct svma_limits limits;
	struct svma_semantic semantic;
	struct svma_structure structure;
	struct svma_shape shape;
	struct svma_rmap_stats rmap;
	struct svma_chains chains;
	struct svma_sharers sharers;
	struct svma_walk walk;
	struct svma_pages pages;
};

/* True if CMD is a request of this interface, number, direction and size of its argument (_IOC_SIZE) included. */
int svma_request_known(unsigned int cmd);

/*
 * ARG is what the caller of CMD, a known one, handed over: _IOC_SIZE(CMD) bytes, of which no more is read, and none
 * changed. TASK_SIZE is the first address (bytes) that no process can have. 0, or -EINVAL as uapi/svma.h says.
 */
int svma_request_check(unsigned int cmd, const union svma_argument *arg, __u64 task_size);

#endif
