// SPDX-License-Identifier: GPL-2.0-only
#include "svma.h"

#include <linux/module.h>
#include <linux/string.h>

static int set_mutation(const char *value, const struct kernel_param *unused)
{
	char name[32];

	if (strscpy(name, value, sizeof(name)) < 0)
		return -EINVAL;
	return svma_core_mutate(strim(name));
}

static int get_mutation(char *buffer, const struct kernel_param *unused)
{
	return sysfs_emit(buffer, "%s\n", svma_core_mutation());
}

static const struct kernel_param_ops mutation_ops = { .set = set_mutation, .get = get_mutation };

/* A module that is wrong on purpose says so: svma shows it beside every verdict. */
module_param_cb(mutation, &mutation_ops, NULL, 0600);
MODULE_PARM_DESC(mutation, "For tests: corrupt predictions in a named way (kmod/core/base/mutation.hpp)");

/* Tracking begins only through the device, so the order is: memory, probes, proof that they fire, doors. */
static int __init svma_init(void)
{
	int err = svma_compat_init();

	if (err)
		return err;
	svma_durations_init();
	svma_report_init();
	svma_probes_init();
	err = svma_pools_init();
	if (err)
		return err;
	svma_calls_init();
	err = svma_tracked_init();
	if (err)
		goto pools;
	err = svma_canary_arm();
	if (err) {
		pr_err("the self-test function can't be probed (%d); is CONFIG_KPROBES on?\n", err);
		goto tracked;
	}
	if (!svma_canary_sings()) {
		pr_err("probes don't fire; write 1 to /sys/kernel/debug/kprobes/enabled\n");
		pr_err("and to /proc/sys/kernel/ftrace_enabled\n");
		err = -EIO;
		goto canary;
	}
	err = svma_worker_start();
	if (err)
		goto canary;
	err = svma_probes_arm();
	if (err)
		goto worker;
	err = svma_debugfs_init();
	if (err)
		goto probes;
	err = svma_chardev_init();
	if (err)
		goto debugfs;
	return 0;

debugfs:
	svma_debugfs_exit();
probes:
	svma_probes_disarm();
worker:
	svma_worker_stop();
canary:
	svma_canary_disarm();
tracked:
	svma_tracked_exit();
pools:
	svma_pools_exit();
	return err;
}

/* An open descriptor holds the module, so only what debugfs tracks can be left. */
static void __exit svma_exit(void)
{
	svma_chardev_exit();
	svma_debugfs_exit();
	svma_probes_disarm();
	svma_worker_stop();
	svma_canary_disarm();
	/* Nothing can run a handler or hold a shadow under RCU after this. */
	synchronize_rcu();
	mutex_lock(&svma_admin);
	svma_bury();
	mutex_unlock(&svma_admin);
	svma_tracked_exit();
	svma_calls_exit();
	svma_pools_exit();
}

module_init(svma_init);
module_exit(svma_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Shadow of Linux address spaces: predicts each mm operation and compares");
MODULE_VERSION(SVMA_MODULE_VERSION);
