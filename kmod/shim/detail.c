// SPDX-License-Identifier: GPL-2.0-only
/* What a report knows beyond svma_divergence: both neighbourhoods, the task, the kernel's stack. */
#include "svma.h"

#include <linux/module.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

static_assert((int)SVMA_REPORT_EXTENTS == (int)SVMA_CORE_SIDE_EXTENTS);

void svma_detail_fill(struct svma_detail *detail, const struct svma_scene *scene)
{
	memset(detail, 0, sizeof(*detail));
	detail->tid = task_pid_nr(current);
	memcpy(detail->task, current->comm, sizeof(detail->task));
	detail->frames = stack_trace_save(detail->stack, ARRAY_SIZE(detail->stack), 0);
	if (!scene || !scene->captured)
		return;
	detail->predicted = scene->predicted;
	detail->observed = scene->observed;
	memcpy(detail->predicted_map, scene->predicted_map, scene->predicted * sizeof(detail->predicted_map[0]));
	memcpy(detail->observed_map, scene->observed_map, scene->observed * sizeof(detail->observed_map[0]));
}

/* How the kernel gets from the probed function to a handler: nothing that the reader asks about. */
static bool is_machinery(const char *symbol)
{
	static const char *const prefixes[] = {
		"stack_trace_", "arch_stack_walk", "kprobe", "kretprobe", "__kretprobe", "rethook", "arch_rethook",
		"ftrace_", "opt_pre_handler", "optimized_callback", "aggr_", "pre_handler_kretprobe", "exc_int3",
		"asm_exc_int3", "do_int3", "trampoline_handler", "__kprobe",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (str_has_prefix(symbol, prefixes[i]))
			return true;
	}
	return false;
}

unsigned int svma_detail_stack(const struct svma_detail *detail, char (*out)[SVMA_FRAME_LENGTH], unsigned int room)
{
	unsigned int i, n = 0;

	for (i = 0; i < detail->frames && n < room; i++) {
		/* Ours and the machinery's come first; below them nothing is left out. */
		if (!n && within_module(detail->stack[i], THIS_MODULE))
			continue;
		snprintf(out[n], SVMA_FRAME_LENGTH, "%pB", (void *)detail->stack[i]);
		/* What has no symbol would be printed as an address; first of all that is a trampoline. */
		if (out[n][0] == '0')
			strscpy(out[n], "?", SVMA_FRAME_LENGTH);
		if (!n && (out[n][0] == '?' || is_machinery(out[n])))
			continue;
		n++;
	}
	if (n < room)
		memset(out[n], 0, SVMA_FRAME_LENGTH);
	return n;
}
