/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What svma_pages.bpf.c and harness/lib/oracle_pages.cc share: lists of questions and answers in the program's own
 * memory, which both sides see. One pass of the iterator answers all of them.
 */
#ifndef SVMA_BPF_PAGES_H
#define SVMA_BPF_PAGES_H

#define SVMA_BPF_QUESTIONS 256	/* of each kind in a pass */
#define SVMA_BPF_LEVELS 5

/* The page tables down to an address. Nobody holds a lock meanwhile. */
struct svma_bpf_walk {
	unsigned long long addr;
	unsigned long long mm_cookie;	/* as in struct svma_bpf_header */
	unsigned int levels;		/* 4 or 5; 0: the process was not found */
	unsigned int last;		/* level of the last entry that was read: 1 pte ... 5 pgd; 0: none could be */
	unsigned long long entry[SVMA_BPF_LEVELS];	/* by level - 1, raw */
};

/* svma_bpf_page.bits */
#define SVMA_BPF_PAGE_READ 1u	/* there is a struct page, the rest is filled in */
#define SVMA_BPF_PAGE_TAIL 2u	/* of a compound page; identity and index are its head's */
#define SVMA_BPF_PAGE_NODE 4u	/* node and zone are known */

/* svma_bpf_page.mapping_kind: what the low bits of ->mapping say */
#define SVMA_BPF_MAPPING_NONE 0u
#define SVMA_BPF_MAPPING_FILE 1u
#define SVMA_BPF_MAPPING_ANON 2u
#define SVMA_BPF_MAPPING_KSM 3u
#define SVMA_BPF_MAPPING_MOVABLE 4u

/* What its struct page says of a frame. */
struct svma_bpf_page {
	unsigned long long pfn;
	unsigned long long flags;	/* page->flags of the frame itself, raw */
	unsigned long long head;	/* frame of the first page; its own unless it is a tail */
	unsigned long long index;
	unsigned long long anon_vma;	/* hashed as in struct svma_rmap_link, 0: none */
	unsigned long long ino;		/* of a page of a file */
	unsigned int dev;
	unsigned int mapping_kind;
	int mapcount;			/* _mapcount + 1: of this page alone, not of its compound page */
	int refcount;			/* of the head */
	unsigned int node;
	unsigned int zone;		/* 0 DMA, 1 DMA32, 2 Normal, 3 Movable, 4 Device on x86-64 */
	unsigned int bits;
	unsigned int reserved;
};

#endif /* SVMA_BPF_PAGES_H */
