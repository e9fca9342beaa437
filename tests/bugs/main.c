// SPDX-License-Identifier: GPL-2.0-only
/*
 * The switch. Parameters: `tgid`, the process; `bug`, which one its system calls, and those of its children, meet;
 * `available`, those that this kernel can have.
 */
#include "bugs.h"

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#define MAXACTIVE 64

static DEFINE_MUTEX(switching);
static unsigned int active;
static int target;

module_param_named(tgid, target, int, 0600);

static bool meant(const struct hook *hook)
{
	const int tgid = READ_ONCE(target);
	bool yes;

	if (READ_ONCE(active) != hook->bug || !current->mm)
		return false;
	rcu_read_lock();
	yes = task_tgid_nr(current) == tgid || task_tgid_nr(rcu_dereference(current->real_parent)) == tgid;
	rcu_read_unlock();
	return yes;
}

/* Where a skipped function goes: back to its caller, with the registers as they are. */
static noinline notrace void just_return(void)
{
	asm volatile("");
}

static int on_entry(struct kprobe *kp, struct pt_regs *regs)
{
	struct hook *hook = container_of(kp, struct hook, kp);

	if (!meant(hook) || !hook->skip(regs))
		return 0;
	regs->ip = (unsigned long)just_return;
	return 1;
}

static int on_call(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct hook *hook = container_of(svma_kretprobe_of(ri), struct hook, rp);

	if (!meant(hook))
		return 1;
	if (hook->before)
		hook->before(regs);
	return !hook->after;
}

static int on_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	container_of(svma_kretprobe_of(ri), struct hook, rp)->after(regs);
	return 0;
}

static int arm(struct hook *hook)
{
	int err;

	if (hook->skip) {
		hook->kp.symbol_name = hook->symbol;
		hook->kp.pre_handler = on_entry;
		err = register_kprobe(&hook->kp);
	} else {
		hook->rp.kp.symbol_name = hook->symbol;
		hook->rp.entry_handler = on_call;
		hook->rp.handler = on_return;
		hook->rp.maxactive = MAXACTIVE;
		err = register_kretprobe(&hook->rp);
	}
	hook->armed = !err;
	if (err)
		pr_err("svma_bugs: %s, for %s, can't be probed: %d\n", hook->symbol, bugs[hook->bug].name, err);
	return err;
}

static void disarm(void)
{
	unsigned int i;

	for (i = 0; i < nr_hooks; i++) {
		if (!hooks[i].armed)
			continue;
		if (hooks[i].skip)
			unregister_kprobe(&hooks[i].kp);
		else
			unregister_kretprobe(&hooks[i].rp);
	}
}

static bool available(unsigned int bug)
{
	unsigned int i;

	for (i = 0; i < nr_hooks; i++) {
		if (hooks[i].bug == bug && hooks[i].symbol)
			return true;
	}
	return false;
}

/* The process may have ended: then there is nothing left to make good. */
static void repair(unsigned int bug)
{
	struct task_struct *task;
	struct mm_struct *mm = NULL;

	rcu_read_lock();
	task = pid_task(find_pid_ns(target, &init_pid_ns), PIDTYPE_TGID);
	if (task)
		mm = get_task_mm(task);
	rcu_read_unlock();
	if (!mm)
		return;
	mmap_write_lock(mm);
	bugs[bug].repair(mm);
	mmap_write_unlock(mm);
	mmput(mm);
}

static int set_bug(const char *text, const struct kernel_param *param)
{
	unsigned int bug, old;

	for (bug = 0; bug < nr_bugs; bug++) {
		if (sysfs_streq(text, bugs[bug].name))
			break;
	}
	if (bug == nr_bugs || (bug && !available(bug)))
		return -ENOENT;
	mutex_lock(&switching);
	old = active;
	WRITE_ONCE(active, 0);
	synchronize_rcu(); /* handlers run with preemption off */
	if (old && bugs[old].repair)
		repair(old);
	bugs_forget();
	WRITE_ONCE(active, bug);
	mutex_unlock(&switching);
	return 0;
}

static int get_bug(char *text, const struct kernel_param *param)
{
	return sprintf(text, "%s\n", bugs[active].name);
}

static const struct kernel_param_ops bug_ops = { .set = set_bug, .get = get_bug };
module_param_cb(bug, &bug_ops, NULL, 0600);

static int get_available(char *text, const struct kernel_param *param)
{
	unsigned int bug;
	int length = 0;

	for (bug = 1; bug < nr_bugs; bug++) {
		if (available(bug))
			length += scnprintf(text + length, PAGE_SIZE - length, "%s\n", bugs[bug].name);
	}
	return length;
}

static const struct kernel_param_ops available_ops = { .get = get_available };
module_param_cb(available, &available_ops, NULL, 0400);

static int __init svma_bugs_init(void)
{
	unsigned int i;
	int err = bugs_init();

	for (i = 0; !err && i < nr_hooks; i++) {
		if (hooks[i].symbol)
			err = arm(&hooks[i]);
	}
	if (err)
		disarm();
	return err;
}

static void __exit svma_bugs_exit(void)
{
	disarm();
}

module_init(svma_bugs_init);
module_exit(svma_bugs_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Bugs that Linux once had, for tests of svma");
