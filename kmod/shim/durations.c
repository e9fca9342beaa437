// SPDX-License-Identifier: GPL-2.0-only
/* For how long things took: counted by powers of two, on each processor by itself. */
#include "svma.h"

#include <asm/tsc.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>

DEFINE_PER_CPU(struct svma_durations, svma_handled);
DEFINE_PER_CPU(struct svma_durations, svma_mmap_lock_held);

#define CYCLE_SHIFT 20

static u64 ns_of_cycle; /* << CYCLE_SHIFT */

void svma_durations_init(void)
{
	ns_of_cycle = ((u64)USEC_PER_SEC << CYCLE_SHIFT) / max(tsc_khz, 1U);
}

/* Of less than an hour. */
u64 svma_cycles_to_ns(u64 cycles)
{
	return cycles * ns_of_cycle >> CYCLE_SHIFT;
}

/*
 * What is counted in handlers and what elsewhere are two different ones, so nobody comes in between on a processor but
 * a reader.
 */
void svma_duration_add(struct svma_durations __percpu *to, u64 ns)
{
	struct svma_durations *mine = get_cpu_ptr(to);
	unsigned int bucket = min(fls64(ns), SVMA_DURATION_BUCKETS - 1);

	WRITE_ONCE(mine->bucket[bucket], mine->bucket[bucket] + 1);
	if (ns > mine->longest)
		WRITE_ONCE(mine->longest, ns);
	put_cpu_ptr(to);
}

void svma_durations_show(struct seq_file *m, const char *name, struct svma_durations __percpu *durations)
{
	struct svma_durations sum = {};
	u64 count = 0;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		const struct svma_durations *of = per_cpu_ptr(durations, cpu);

		for (i = 0; i < SVMA_DURATION_BUCKETS; i++)
			sum.bucket[i] += READ_ONCE(of->bucket[i]);
		sum.longest = max(sum.longest, READ_ONCE(of->longest));
	}
	for (i = 0; i < SVMA_DURATION_BUCKETS; i++)
		count += sum.bucket[i];
	seq_printf(m, "%s %llu longest_ns %llu\n", name, count, sum.longest);
	for (i = 0; i < SVMA_DURATION_BUCKETS; i++) {
		if (sum.bucket[i])
			seq_printf(m, "%s_below_ns %llu %llu\n", name, 1ULL << i, sum.bucket[i]);
	}
}
