/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records that svma_vma.bpf.c writes and harness/lib/oracle_bpf.cc reads.
 *
 * One pass over one process is: one SVMA_BPF_HEADER, one SVMA_BPF_VMA per VMA in address order, one
 * SVMA_BPF_END. A pass without its end record is incomplete and must not be compared.
 */
#ifndef SVMA_BPF_VMA_H
#define SVMA_BPF_VMA_H

enum svma_bpf_kind {
	SVMA_BPF_HEADER = 1,
	SVMA_BPF_VMA = 2,
	SVMA_BPF_END = 3,
};

/* The mm as a whole. Counters are pages but for map_count. */
struct svma_bpf_header {
	unsigned int kind;
	unsigned int tid;		/* kernel's own number: same for all records of one pass */
	unsigned long long mm_cookie;	/* which mm this is; a hash, never an address */
	unsigned long long map_count;
	unsigned long long total_vm;
	unsigned long long data_vm;
	unsigned long long exec_vm;
	unsigned long long stack_vm;
	unsigned long long locked_vm;
};

struct svma_bpf_vma {
	unsigned int kind;
	unsigned int tid;
	unsigned long long start;	/* bytes, [start, end) */
	unsigned long long end;
	unsigned long long flags;	/* vm_flags of the running kernel */
	unsigned long long pgoff;	/* pages */
	unsigned long long ino;		/* 0: no file */
	unsigned int dev;		/* kernel's dev_t: major << 20 | minor */
	unsigned int reserved;
};

struct svma_bpf_end {
	unsigned int kind;
	unsigned int reserved;
};

#endif /* SVMA_BPF_VMA_H */
