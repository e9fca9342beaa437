/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records that svma_answers.bpf.c writes and harness/lib/answer_stream.cc reads: what the live kernel answered
 * to single questions about address spaces that are followed.
 *
 * A *generation* of an address space is the time between two sections under its mmap_lock held for writing. Its layout
 * does not change within a generation, so two answers of one generation are about the same layout. The number is made
 * of a count and the thread that ended the last section.
 */
#ifndef SVMA_BPF_ANSWERS_H
#define SVMA_BPF_ANSWERS_H

enum svma_answer_kind {
	SVMA_ANSWER_FIND_VMA = 0,	/* args: address; result: 1 found */
	SVMA_ANSWER_UNMAPPED_AREA = 1,	/* args: length, low_limit, high_limit, align_mask, align_offset, 1 top-down */
	SVMA_ANSWER_MMAP = 2,		/* args: address, length, prot, flags */
	SVMA_ANSWER_MUNMAP = 3,		/* args: address, length */
	SVMA_ANSWER_BRK = 4,		/* args: wanted, end of the heap before; result: end of the heap */
	SVMA_ANSWER_MREMAP = 5,		/* args: address, old length, new length, flags */
	SVMA_ANSWER_KINDS = 6,
};

/* svma_answer.bits */
#define SVMA_ANSWER_OVERTAKEN 1u	/* the layout changed between the system call's own section and its return */

/* Bytes unless said otherwise. */
struct svma_answer {
	unsigned int kind;
	unsigned int tid;		/* kernel's own number */
	unsigned int bits;
	unsigned int reserved;
	unsigned long long time_ns;	/* CLOCK_MONOTONIC */
	unsigned long long mm_cookie;	/* as in struct svma_bpf_header */
	unsigned long long generation;
	unsigned long long args[6];
	long long result;
	unsigned long long vma_start;	/* FIND_VMA */
	unsigned long long vma_end;
	unsigned long long vma_flags;
};

/* Low bits of a generation: the thread that ended the section before it. PID_MAX_LIMIT is 2^22. */
#define SVMA_GENERATION_TID_BITS 22

#endif /* SVMA_BPF_ANSWERS_H */
