/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that depends on the version of the kernel. No other file of the module may ask for one.
 */
#ifndef SVMA_COMPAT_H
#define SVMA_COMPAT_H

#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/mm_types.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0) || LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#error "svma: no compat layer for this kernel; supported: 6.1"
#endif

/**
 * svma_compat_init - find the variables that the kernel does not export
 * Return: 0, or -ENOENT with a message that names the missing symbol.
 */
int svma_compat_init(void);

/* Current values of sysctl vm.max_map_count and of the boot parameter stack_guard_gap (bytes). */
unsigned int svma_max_map_count(void);
unsigned long svma_stack_guard_gap(void);
unsigned long svma_mmap_min_addr(void); /* bytes */
int svma_overcommit_memory(void);

/**
 * svma_live_next_vma - the first VMA that ends above @addr
 *
 * Context: mmap_lock held, or nobody else can know the mm. Atomic.
 */
struct vm_area_struct *svma_live_next_vma(struct mm_struct *mm, unsigned long addr);

/* Below this brk() does not go: with CONFIG_COMPAT_BRK that depends on the task. */
unsigned long svma_lowest_brk(const struct mm_struct *mm);

/* Whether a plain mmap() in @mm is placed from the top down; false for the legacy layout. */
bool svma_mm_topdown(const struct mm_struct *mm);

/* The n-th argument, counted from 0, of the function whose first instruction was hit. */
unsigned long svma_arg(struct pt_regs *regs, unsigned int n);

/* The n-th argument of a system call, at the first instruction of its __x64_sys_ function. */
unsigned long svma_syscall_arg(struct pt_regs *regs, unsigned int n);

#endif
