// SPDX-License-Identifier: GPL-2.0-only
#include "compat/compat.h"

#include <linux/kallsyms.h>
#include <linux/maple_tree.h>
#include <linux/printk.h>

static int *max_map_count;
static unsigned long *stack_guard_gap_bytes;
static unsigned long topdown_search;

/* v5.7 (0bd476e6c671) took the export of kallsyms_lookup_name() away; a kprobe still knows its address. */
static unsigned long (*find_lookup_name(void))(const char *)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *) = NULL;

	if (!register_kprobe(&kp)) {
		lookup = (void *)kp.addr;
		unregister_kprobe(&kp);
	}
	return lookup;
}

int svma_compat_init(void)
{
	unsigned long (*lookup)(const char *) = find_lookup_name();

	if (!lookup) {
		pr_err("svma: kallsyms_lookup_name can't be found; is CONFIG_KPROBES on?\n");
		return -ENOENT;
	}
	max_map_count = (int *)lookup("sysctl_max_map_count");
	stack_guard_gap_bytes = (unsigned long *)lookup("stack_guard_gap");
	topdown_search = lookup("arch_get_unmapped_area_topdown");
	if (!topdown_search) {
		pr_err("svma: arch_get_unmapped_area_topdown is not in kallsyms\n");
		return -ENOENT;
	}
	if (!max_map_count || !stack_guard_gap_bytes) {
		pr_err("svma: %s is not in kallsyms; is CONFIG_KALLSYMS_ALL on?\n",
		       max_map_count ? "stack_guard_gap" : "sysctl_max_map_count");
		return -ENOENT;
	}
	return 0;
}

unsigned int svma_max_map_count(void)
{
	return READ_ONCE(*max_map_count);
}

unsigned long svma_stack_guard_gap(void)
{
	return *stack_guard_gap_bytes;
}

/* v6.10 (529ce23a764f) replaced the pointer by a flag of the mm. */
bool svma_mm_topdown(const struct mm_struct *mm)
{
	return (unsigned long)mm->get_unmapped_area == topdown_search;
}

struct vm_area_struct *svma_live_next_vma(struct mm_struct *mm, unsigned long addr)
{
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;

	rcu_read_lock();
	vma = mas_find(&mas, ULONG_MAX);
	rcu_read_unlock();
	return vma;
}

unsigned long svma_arg(struct pt_regs *regs, unsigned int n)
{
	switch (n) {
	case 0:
		return regs->di;
	case 1:
		return regs->si;
	case 2:
		return regs->dx;
	case 3:
		return regs->cx;
	case 4:
		return regs->r8;
	case 5:
		return regs->r9;
	default:
		/* At the first instruction the return address is on top of the stack. */
		return ((unsigned long *)regs->sp)[n - 5];
	}
}
