// SPDX-License-Identifier: GPL-2.0-only
#include "compat/compat.h"

#include <linux/kallsyms.h>
#include <linux/maple_tree.h>
#include <linux/printk.h>

static int *max_map_count;
static unsigned long *stack_guard_gap_bytes;
static unsigned long *mmap_min_addr_bytes;
static int *overcommit_memory;

/* Variables that modules may read but not link against. */
static const struct {
	const char *name;
	void **at;
} variables[] = {
	{ "sysctl_max_map_count", (void **)&max_map_count },
	{ "stack_guard_gap", (void **)&stack_guard_gap_bytes },
	{ "mmap_min_addr", (void **)&mmap_min_addr_bytes },
	{ "sysctl_overcommit_memory", (void **)&overcommit_memory },
};
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
	unsigned int i;

	if (!lookup) {
		pr_err("svma: kallsyms_lookup_name can't be found; is CONFIG_KPROBES on?\n");
		return -ENOENT;
	}
	topdown_search = lookup("arch_get_unmapped_area_topdown");
	if (!topdown_search) {
		pr_err("svma: arch_get_unmapped_area_topdown is not in kallsyms\n");
		return -ENOENT;
	}
	for (i = 0; i < ARRAY_SIZE(variables); i++) {
		*variables[i].at = (void *)lookup(variables[i].name);
		if (*variables[i].at)
			continue;
		pr_err("svma: %s is not in kallsyms; is CONFIG_KALLSYMS_ALL on?\n", variables[i].name);
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

unsigned long svma_mmap_min_addr(void)
{
	return READ_ONCE(*mmap_min_addr_bytes);
}

int svma_overcommit_memory(void)
{
	return READ_ONCE(*overcommit_memory);
}

/* v6.10 (529ce23a764f) replaced the pointer by a flag of the mm. */
bool svma_mm_topdown(const struct mm_struct *mm)
{
	return (unsigned long)mm->get_unmapped_area == topdown_search;
}

unsigned long svma_lowest_brk(const struct mm_struct *mm)
{
#ifdef CONFIG_COMPAT_BRK
	if (!current->brk_randomized)
		return mm->end_data;
#endif
	return mm->start_brk;
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

unsigned long svma_syscall_arg(struct pt_regs *regs, unsigned int n)
{
	struct pt_regs *user = (struct pt_regs *)regs->di;

	return n == 3 ? user->r10 : svma_arg(user, n);
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
