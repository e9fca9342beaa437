/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the probed functions are given, whatever place a kernel has it in. Each reader names the functions whose
 * arguments it knows, one line for each kernel; which of them is probed is in the table in shim/handlers.c.
 */
#ifndef SVMA_ARGS_H
#define SVMA_ARGS_H

#include "compat/compat.h"

#include <linux/mempolicy.h>

/**
 * struct svma_args - the arguments of a probed function; a reader fills in what its functions have
 * @mm: the address space
 * @vma: the VMA it is about
 * @start: first byte
 * @end: first byte after it
 * @flags: vm_flags wanted
 * @policy: mempolicy wanted
 * @uffd_ctx: userfaultfd context wanted
 * @name: svma_anon_name() wanted
 */
struct svma_args {
	struct mm_struct *mm;
	struct vm_area_struct *vma;
	unsigned long start;
	unsigned long end;
	unsigned long flags;
	struct mempolicy *policy;
	unsigned long uffd_ctx;
	unsigned int name;
};

/*
 * The vm_flags that are wanted. In 7.3 they are a vma_flags_t, one word as well; some functions are given its address.
 * @arg: that argument
 */
static inline unsigned long svma_flags_wanted(unsigned long arg)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
	return vma_flags_to_legacy(*(const vma_flags_t *)arg);
#else
	return arg;
#endif
}

/* In v6.15 the functions of mremap() got one argument in common, a structure that mm/mremap.c keeps to itself. */
#define HAS_REMAP_STRUCT (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0))

/**
 * struct svma_remap - what a function of mremap() is to do
 * @vma: the VMA that is resized or moved; vma_to_resize() looks for it itself
 * @addr: first byte of the old range
 * @old_len: its length, bytes
 * @new_len: the length wanted, bytes
 * @new_addr: first byte of the new range, where it moves
 * @flags: MREMAP_ flags
 */
struct svma_remap {
	struct vm_area_struct *vma;
	unsigned long addr;
	unsigned long old_len;
	unsigned long new_len;
	unsigned long new_addr;
	unsigned long flags;
};

#if HAS_REMAP_STRUCT
/* The words of struct vma_remap_struct. */
enum {
	REMAP_ADDR,
	REMAP_OLD_LEN,
	REMAP_NEW_LEN,
	REMAP_FLAGS,
	REMAP_NEW_ADDR,
	REMAP_VMA = 8, /* after three pointers for userfaultfd */
};

static inline struct svma_remap svma_remap_of(struct pt_regs *regs)
{
	const unsigned long *words = (const unsigned long *)svma_arg(regs, 0);

	return (struct svma_remap){
		.vma = (struct vm_area_struct *)words[REMAP_VMA],
		.addr = words[REMAP_ADDR],
		.old_len = words[REMAP_OLD_LEN],
		.new_len = words[REMAP_NEW_LEN],
		.new_addr = words[REMAP_NEW_ADDR],
		.flags = words[REMAP_FLAGS],
	};
}
#endif

/*
 * 5.10, 6.1, 6.12: move_vma(vma, old_addr, old_len, new_len, new_addr, locked, flags, uf, uf_unmap[, ...])
 * 7.3: move_vma(vrm)
 */
static inline struct svma_remap svma_args_move(struct pt_regs *regs)
{
#if HAS_REMAP_STRUCT
	return svma_remap_of(regs);
#else
	return (struct svma_remap){
		.vma = (struct vm_area_struct *)svma_arg(regs, 0),
		.addr = svma_arg(regs, 1),
		.old_len = svma_arg(regs, 2),
		.new_len = svma_arg(regs, 3),
		.new_addr = svma_arg(regs, 4),
		.flags = svma_arg(regs, 6),
	};
#endif
}

/*
 * 5.10, 6.1, 6.12: vma_to_resize(addr, old_len, new_len, flags[, ...]), a VMA or an error
 * 7.3: check_prep_vma(vrm), 0 or an error; for all of mremap(), not only for what maps something new
 */
static inline struct svma_remap svma_args_resize(struct pt_regs *regs)
{
#if HAS_REMAP_STRUCT
	struct svma_remap remap = svma_remap_of(regs);

	if (!remap.vma)
		remap.new_len = remap.old_len; /* refused at once; the others find out before they call */
	return remap;
#else
	return (struct svma_remap){
		.addr = svma_arg(regs, 0),
		.old_len = svma_arg(regs, 1),
		.new_len = svma_arg(regs, 2),
		.flags = svma_arg(regs, 3),
	};
#endif
}

static inline bool svma_resize_refused(struct pt_regs *regs)
{
#if HAS_REMAP_STRUCT
	return (int)regs_return_value(regs) < 0;
#else
	return IS_ERR((void *)regs_return_value(regs));
#endif
}

/*
 * 5.10: __do_munmap(mm, start, len, uf, downgrade)
 * 6.1: do_mas_align_munmap(mas, vma, mm, start, end, uf, downgrade)
 * 6.12, 7.3: do_vmi_align_munmap(vmi, vma, mm, start, end, uf, unlock)
 */
static inline struct svma_args svma_args_munmap(struct pt_regs *regs)
{
	struct svma_args args = {
		.mm = (struct mm_struct *)svma_arg(regs, SVMA_ON(0, 2, 2, 2)),
		.start = svma_arg(regs, SVMA_ON(1, 3, 3, 3)),
	};

	args.end = SVMA_ON(args.start + PAGE_ALIGN(svma_arg(regs, 2)), svma_arg(regs, 4), svma_arg(regs, 4),
			   svma_arg(regs, 4));
	return args;
}

/*
 * 5.10: do_brk_flags(addr, len, flags, uf)
 * 6.1: do_brk_flags(mas, vma, addr, len, flags)
 * 6.12, 7.3: do_brk_flags(vmi, vma, addr, len, flags)
 */
static inline struct svma_args svma_args_brk(struct pt_regs *regs)
{
	struct svma_args args = {
		.vma = (struct vm_area_struct *)SVMA_ON(0, svma_arg(regs, 1), svma_arg(regs, 1), svma_arg(regs, 1)),
		.start = svma_arg(regs, SVMA_ON(0, 2, 2, 2)),
		.flags = svma_arg(regs, SVMA_ON(2, 4, 4, 4)),
	};

	args.end = args.start + svma_arg(regs, SVMA_ON(1, 3, 3, 3));
	return args;
}

/*
 * 5.10: mprotect_fixup(vma, pprev, start, end, newflags)
 * 6.1: mprotect_fixup(tlb, vma, pprev, start, end, newflags)
 * 6.12, 7.3: mprotect_fixup(vmi, tlb, vma, pprev, start, end, newflags)
 */
static inline struct svma_args svma_args_mprotect(struct pt_regs *regs)
{
	return (struct svma_args){
		.vma = (struct vm_area_struct *)svma_arg(regs, SVMA_ON(0, 1, 2, 2)),
		.start = svma_arg(regs, SVMA_ON(2, 3, 4, 4)),
		.end = svma_arg(regs, SVMA_ON(3, 4, 5, 5)),
		.flags = svma_arg(regs, SVMA_ON(4, 5, 6, 6)),
	};
}

/*
 * 5.10, 6.1: mlock_fixup(vma, prev, start, end, newflags)
 * 6.12, 7.3: mlock_fixup(vmi, vma, prev, start, end, newflags)
 */
static inline struct svma_args svma_args_mlock(struct pt_regs *regs)
{
	return (struct svma_args){
		.vma = (struct vm_area_struct *)svma_arg(regs, SVMA_ON(0, 0, 1, 1)),
		.start = svma_arg(regs, SVMA_ON(2, 2, 3, 3)),
		.end = svma_arg(regs, SVMA_ON(3, 3, 4, 4)),
		.flags = svma_flags_wanted(svma_arg(regs, SVMA_ON(4, 4, 5, 5))),
	};
}

/* 6.1, 6.12, 7.3: mbind_range(vmi, vma, prev, start, end, new_pol) */
static inline struct svma_args svma_args_mbind(struct pt_regs *regs)
{
	return (struct svma_args){
		.vma = (struct vm_area_struct *)svma_arg(regs, 1),
		.start = svma_arg(regs, 3),
		.end = svma_arg(regs, 4),
		.policy = (struct mempolicy *)svma_arg(regs, 5),
	};
}

/*
 * 5.10, 6.1: vma_merge(mm, prev, addr, end, vm_flags, anon_vma, file, pgoff, policy, uffd_ctx[, anon_name])
 * 6.12, 7.3: vma_modify_flags_uffd(vmi, prev, vma, start, end, new_flags, new_ctx, give_up_on_oom)
 */
static inline struct svma_args svma_args_merge(struct pt_regs *regs)
{
#if SVMA_ON(1, 1, 0, 0)
	return (struct svma_args){
		.mm = (struct mm_struct *)svma_arg(regs, 0),
		.start = svma_arg(regs, 2),
		.end = svma_arg(regs, 3),
		.flags = svma_arg(regs, 4),
		.policy = (struct mempolicy *)svma_arg(regs, 8),
		.uffd_ctx = svma_arg(regs, 9),
		.name = SVMA_ON(0, svma_anon_name((struct anon_vma_name *)svma_arg(regs, 10)), 0, 0),
	};
#else
	struct vm_area_struct *vma = (struct vm_area_struct *)svma_arg(regs, 2);

	return (struct svma_args){
		.mm = vma->vm_mm,
		.start = svma_arg(regs, 3),
		.end = svma_arg(regs, 4),
		.flags = svma_flags_wanted(svma_arg(regs, 5)),
		.policy = vma_policy(vma),
		.uffd_ctx = svma_arg(regs, 6),
		.name = svma_vma_anon_name(vma),
	};
#endif
}

/* 7.3: madvise_guard_install(madv_behavior), a structure that mm/madvise.c keeps to itself */
static inline struct vm_area_struct *svma_guarded_vma(struct pt_regs *regs)
{
	enum { BEHAVIOR_VMA = 8 }; /* after mm, behavior, tlb, lock_mode, anon_name, range and prev */

	return ((struct vm_area_struct *const *)svma_arg(regs, 0))[BEHAVIOR_VMA];
}

/*
 * 6.12: do_mseal(start, len, flags)
 * 7.3: mseal_range(start, end)
 */
static inline unsigned long svma_mseal_length(struct pt_regs *regs)
{
	return SVMA_ON(0, 0, svma_arg(regs, 1), svma_arg(regs, 1) - svma_arg(regs, 0));
}

/*
 * 5.10, 6.1: do_mmap(file, addr, len, prot, flags, pgoff, populate, uf)
 * 6.12, 7.3: do_mmap(file, addr, len, prot, flags, vm_flags, pgoff, populate, uf)
 */
static inline unsigned long svma_mmap_pgoff(struct pt_regs *regs)
{
	return svma_arg(regs, SVMA_ON(5, 5, 6, 6));
}

static inline unsigned long svma_mmap_vm_flags(struct pt_regs *regs)
{
	return SVMA_ON(0, 0, svma_arg(regs, 5), svma_arg(regs, 5));
}

#endif
