/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs that Linux once had, done again to the mm of one process: main.c switches them, bugs.c has them.
 *
 * Nothing here knows svma. A bug is some hooks on the kernel's own functions, which change arguments, results or what
 * the function has just written, so that the live mm really is as the kernel with that bug left it.
 *
 * This module is loaded before svma. Of several probes on a function the one that came last sees the entry first and
 * the return last (kernel/kprobes.c add_new_kprobe(), v5.10 to v7.3). So svma sees the arguments that the caller gave,
 * the kernel works with what is made of them here, and svma sees the result that the caller will see.
 */
#ifndef SVMA_BUGS_H
#define SVMA_BUGS_H

#include "compat/compat.h"

#include <linux/kprobes.h>

/**
 * struct bug - one that can be switched on
 * @name: what the parameter `bug` takes
 * @repair: make good what would do harm when the process exits; mmap_lock held for writing. May be NULL
 */
struct bug {
	const char *name;
	void (*repair)(struct mm_struct *mm);
};

/**
 * struct hook - one function of the kernel's that a bug changes
 * @bug: an index of bugs[]
 * @symbol: of this kernel; NULL where it has no part in the bug
 * @skip: at the entry; true: the function is not executed, regs->ax is what it returns
 * @before: at the entry; may be NULL
 * @after: at the return of a call whose entry was seen; may be NULL
 */
struct hook {
	unsigned int bug;
	const char *symbol;
	bool (*skip)(struct pt_regs *regs);
	void (*before)(struct pt_regs *regs);
	void (*after)(struct pt_regs *regs);
	struct kprobe kp;
	struct kretprobe rp;
	bool armed;
};

/* bugs[0] is "none". */
extern const struct bug bugs[];
extern const unsigned int nr_bugs;
extern struct hook hooks[];
extern const unsigned int nr_hooks;

/* Forget what the last bug remembered. */
void bugs_forget(void);
/* Variables of the kernel that are changed. Return: 0 or -ENOENT. */
int bugs_init(void);

#endif
