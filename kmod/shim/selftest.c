// SPDX-License-Identifier: GPL-2.0-only
/*
 * Are the probes alive? Private functions that do nothing are probed at entry and at return; when a call
 * of one goes unnoticed, kprobes were disarmed behind our back (kprobes/enabled, ftrace_enabled), which no
 * counter of missed probes shows.
 *
 * Probes come in two kinds, and ftrace_enabled silences one alone: a function that calls __fentry__ is probed
 * through ftrace, any other (what a kernel declares inline is such a one, even when it is not inlined) by a
 * breakpoint. So there is a canary of each kind.
 *
 * A canary is asked now and then. What was missed before, or while they were off for a moment, must not be taken for
 * a divergence: so whoever throws a switch is noticed, too, before it works.
 */
#include "svma.h"

atomic64_t svma_canary_failures;

static atomic_t switches_begun;
static atomic_t switches_ended;

void svma_switch_begins(void)
{
	atomic_inc(&switches_begun);
	svma_worker_kick();
}

void svma_switch_ends(void)
{
	atomic_inc(&switches_ended);
	svma_worker_kick();
}

unsigned int svma_switches(void)
{
	return (unsigned int)atomic_read(&switches_begun) + atomic_read(&switches_ended);
}

bool svma_switching(void)
{
	return atomic_read(&switches_begun) != atomic_read(&switches_ended);
}

/* Neither inlined nor cloned nor optimised away. */
noinline int svma_canary(int x);
noinline int svma_canary(int x)
{
	barrier();
	return x + 1;
}

/* Without __fentry__. */
noinline notrace int svma_canary_notrace(int x);
noinline notrace int svma_canary_notrace(int x)
{
	barrier();
	return x + 2;
}

/**
 * struct canary - a private function and its probes
 * @entries: how often the probe at its entry fired
 * @returns: the one at its return
 */
struct canary {
	int (*call)(int x);
	struct kprobe entry;
	struct kretprobe ret;
	atomic_t entries;
	atomic_t returns;
	bool armed;
};

static int on_canary(struct kprobe *kp, struct pt_regs *regs)
{
	atomic_inc(&container_of(kp, struct canary, entry)->entries);
	return 0;
}

static int on_canary_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	atomic_inc(&container_of(svma_kretprobe_of(ri), struct canary, ret)->returns);
	return 0;
}

#define CANARY(function)						\
	{								\
		.call = function,					\
		.entry.symbol_name = "svma:" #function,			\
		.entry.pre_handler = on_canary,				\
		.ret.kp.symbol_name = "svma:" #function,		\
		.ret.handler = on_canary_return,			\
		.ret.maxactive = 64,					\
	}

static struct canary canaries[] = {
	CANARY(svma_canary),
	CANARY(svma_canary_notrace),
};

static int arm(struct canary *canary)
{
	int err = register_kprobe(&canary->entry);

	if (err)
		return err;
	err = register_kretprobe(&canary->ret);
	if (err) {
		unregister_kprobe(&canary->entry);
		return err;
	}
	canary->armed = true;
	return 0;
}

int svma_canary_arm(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(canaries) && !err; i++)
		err = arm(&canaries[i]);
	if (err)
		svma_canary_disarm();
	return err;
}

void svma_canary_disarm(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(canaries); i++) {
		if (!canaries[i].armed)
			continue;
		unregister_kretprobe(&canaries[i].ret);
		unregister_kprobe(&canaries[i].entry);
		canaries[i].armed = false;
	}
}

static bool sings(struct canary *canary)
{
	const int entries = atomic_read(&canary->entries);
	const int returns = atomic_read(&canary->returns);

	canary->call(entries);
	return atomic_read(&canary->entries) != entries && atomic_read(&canary->returns) != returns;
}

bool svma_canary_sings(void)
{
	unsigned int i;
	bool all = true;

	for (i = 0; i < ARRAY_SIZE(canaries); i++)
		all &= sings(&canaries[i]);
	if (!all)
		atomic64_inc(&svma_canary_failures);
	return all;
}
