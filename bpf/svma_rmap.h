/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records that svma_rmap.bpf.c writes and harness/lib/oracle_rmap.cc reads: which anon_vmas the pages of a VMA may
 * belong to, by the VMA's own list.
 *
 * One pass over one process is: one SVMA_RMAP_HEADER, one SVMA_RMAP_LINK per entry of each VMA's anon_vma_chain, by
 * address and in the order of each list, one SVMA_RMAP_END. A VMA without entries leaves no record. A pass without its
 * end record is incomplete and must not be compared.
 */
#ifndef SVMA_BPF_RMAP_H
#define SVMA_BPF_RMAP_H

enum svma_rmap_kind {
	SVMA_RMAP_HEADER = 1,
	SVMA_RMAP_LINK = 2,
	SVMA_RMAP_END = 3,
};

struct svma_rmap_header {
	unsigned int kind;
	unsigned int tid;		/* kernel's own number: same for all records of one pass */
	unsigned long long mm_cookie;	/* as in struct svma_bpf_header */
	unsigned int one_counter;	/* this kernel's anon_vmas have degree in place of the two counters */
	unsigned int reserved;
};

/* svma_rmap_link.bits */
#define SVMA_RMAP_OWN 1u	/* vma->anon_vma */
#define SVMA_RMAP_CUT 2u	/* the chain goes on, but no further entry of it is listed */

/* anon_vmas are told by hashes, never by addresses. */
struct svma_rmap_link {
	unsigned int kind;
	unsigned int tid;
	unsigned long long start;	/* of the VMA: bytes, [start, end) */
	unsigned long long end;
	unsigned long long anon_vma;
	unsigned long long root;
	unsigned long long parent;
	unsigned int bits;
	unsigned int refcount;
	unsigned int children;		/* num_children; where there is one counter, degree */
	unsigned int active_vmas;	/* num_active_vmas; where there is one counter, 0 */
};

struct svma_rmap_end {
	unsigned int kind;
	unsigned int reserved;
};

/*
 * What happens to the trees of anon_vmas, in order: from these alone follows which VMA is linked to which anon_vma, of
 * every mm that was born meanwhile.
 */
enum svma_rmap_event_kind {
	SVMA_RMAP_BORN = 1,	/* an mm */
	SVMA_RMAP_INSERTED = 2,	/* an entry, into the tree of its anon_vma */
	SVMA_RMAP_REMOVED = 3,	/* an entry, of which no more is told */
};

struct svma_rmap_event {
	unsigned int kind;
	unsigned int reserved;
	unsigned long long mm_cookie;
	unsigned long long entry;
	unsigned long long anon_vma;
	unsigned long long start;	/* of the VMA, then */
	unsigned long long end;
};

/* Entries of one chain that are listed at most. */
#define SVMA_RMAP_CHAIN 64

#endif /* SVMA_BPF_RMAP_H */
