// SPDX-License-Identifier: GPL-2.0-only
/* Arming, disarming and counting of the probe table. The table itself is in handlers.c. */
#include "svma.h"

#define SVMA_MAX_PROBES 64

/* Functions run with mmap_lock held for writing, so instances are limited by mms, not by threads. */
#define SVMA_MAXACTIVE 512

static int arm(struct svma_probe_entry *entry)
{
	int err;

	if (entry->entry || entry->ret) {
		entry->rp.kp.symbol_name = entry->symbol;
		entry->rp.entry_handler = entry->entry;
		entry->rp.handler = entry->ret;
		entry->rp.maxactive = SVMA_MAXACTIVE;
		entry->rp.data_size = sizeof(struct svma_return_data);
		err = register_kretprobe(&entry->rp);
	} else {
		entry->kp.symbol_name = entry->symbol;
		entry->kp.pre_handler = entry->pre;
		err = register_kprobe(&entry->kp);
	}
	entry->found = err != -ENOENT;
	entry->armed = !err;
	return err;
}

void svma_probes_init(void)
{
	unsigned int i, kept = 0;

	for (i = 0; i < svma_nr_probes; i++) {
		if (svma_probe_table[i].symbol)
			svma_probe_table[kept++] = svma_probe_table[i];
	}
	svma_nr_probes = kept;
}

int svma_probes_arm(void)
{
	unsigned int i;
	int err;

	if (WARN_ON(svma_nr_probes > SVMA_MAX_PROBES))
		return -E2BIG;

	for (i = 0; i < svma_nr_probes; i++) {
		struct svma_probe_entry *entry = &svma_probe_table[i];

		err = arm(entry);
		if (!err)
			continue;
		if (!entry->required) {
			pr_info("optional probe %s can't be armed: %d\n", entry->symbol, err);
			continue;
		}
		pr_err("required symbol %s (%s) can't be probed: %s (%d)\n", entry->symbol, entry->role,
		       err == -ENOENT ? "not in this kernel" : "refused by kprobes", err);
		svma_probes_disarm();
		return err;
	}
	return 0;
}

/* All of a kind at once: the kernel waits for those that are running, and that once, not for each. */
void svma_probes_disarm(void)
{
	static struct kprobe *kprobes[SVMA_MAX_PROBES];
	static struct kretprobe *kretprobes[SVMA_MAX_PROBES];
	unsigned int i, nr_kprobes = 0, nr_kretprobes = 0;

	for (i = 0; i < svma_nr_probes; i++) {
		struct svma_probe_entry *entry = &svma_probe_table[i];

		if (!entry->armed)
			continue;
		if (entry->entry || entry->ret)
			kretprobes[nr_kretprobes++] = &entry->rp;
		else
			kprobes[nr_kprobes++] = &entry->kp;
		entry->armed = false;
	}
	unregister_kretprobes(kretprobes, nr_kretprobes);
	unregister_kprobes(kprobes, nr_kprobes);
}

u64 svma_probe_missed(const struct svma_probe_entry *entry)
{
	if (!entry->armed)
		return 0;
	if (entry->entry || entry->ret)
		return entry->rp.nmissed + entry->rp.kp.nmissed;
	return entry->kp.nmissed;
}

u64 svma_probes_missed(void)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < svma_nr_probes; i++)
		sum += svma_probe_missed(&svma_probe_table[i]);
	return sum;
}
