// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are the probes alive? A private function that does nothing is probed at entry and at return; when a call
 * of it goes unnoticed, kprobes were disarmed behind our back (kprobes/enabled, ftrace_enabled), which no
 * counter of missed probes shows.
 */
#include "svma.h"

u64 svma_canary_failures;

static atomic_t entries;
static atomic_t returns;
static bool armed;

/* Neither inlined nor cloned nor optimised away. */
noinline int svma_canary(int x);
noinline int svma_canary(int x)
{
	barrier();
	return x + 1;
}

static int on_canary(struct kprobe *kp, struct pt_regs *regs)
{
	atomic_inc(&entries);
	return 0;
}

static int on_canary_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	atomic_inc(&returns);
	return 0;
}

static struct kprobe entry_probe = {
	.symbol_name = "svma:svma_canary",
	.pre_handler = on_canary,
};

static struct kretprobe return_probe = {
	.kp.symbol_name = "svma:svma_canary",
	.handler = on_canary_return,
	.maxactive = 64,
};

int svma_canary_arm(void)
{
	int err = register_kprobe(&entry_probe);

	if (err)
		return err;
	err = register_kretprobe(&return_probe);
	if (err) {
		unregister_kprobe(&entry_probe);
		return err;
	}
	armed = true;
	return 0;
}

void svma_canary_disarm(void)
{
	if (!armed)
		return;
	unregister_kretprobe(&return_probe);
	unregister_kprobe(&entry_probe);
	armed = false;
}

bool svma_canary_sings(void)
{
	int entry = atomic_read(&entries);
	int ret = atomic_read(&returns);
	bool fired;

	svma_canary(entry);
	fired = atomic_read(&entries) != entry && atomic_read(&returns) != ret;
	if (!fired)
		svma_canary_failures++;
	return fired;
}
