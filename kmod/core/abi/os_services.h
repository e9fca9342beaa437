/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core needs from its surroundings. In the kernel the shim provides these functions
 * (shim/os_services.c, shim/live_mm.c), in user space tests/support does.
 *
 * Context of every function: atomic. None may sleep, none may take a lock that mm code holds while one
 * of the probed functions runs.
 */
#ifndef SVMA_OS_SERVICES_H
#define SVMA_OS_SERVICES_H

#ifdef __cplusplus
extern "C" {
#endif

/* 64 bits everywhere; the kernel's u64 and libstdc++'s uint64_t are different types of the same size. */
typedef unsigned long long svma_u64;
typedef long long svma_s64;
typedef unsigned int svma_u32;
typedef unsigned char svma_u8;
typedef unsigned short svma_u16;

#define SVMA_NEVER_SPLIT 63

/**
 * struct svma_live_vma - one VMA of the live kernel, as plain values
 * @start: first byte
 * @end: first byte after it
 * @flags: vm_flags
 * @pgoff: vm_pgoff in pages
 * @file: identity of the struct file, 0 for none
 * @ino: inode number of the file, 0 for none
 * @anon_vma: identity of the anon_vma, 0 for none
 * @uffd_ctx: identity of the userfaultfd context, 0 for none
 * @dev: dev_t of the file's file system
 * @policy: digest of the mempolicy's content, 0 for none
 * @anon_name: digest of the name, 0 for none
 * @has_close: vm_ops->close is there
 * @anon_singular: the anon_vma_chain has exactly one entry
 * @lock_exempt: mlock never sets VM_LOCKED here (DAX, secretmem, gate)
 * @anonymous: has no vm_ops; a private mapping of /dev/zero is anonymous, too, and has a file
 * @prepared: not of a VMA, but of the file of an mmap(): its driver changes a mapping before it is merged
 * @anon_shift: of a private mapping of a file, where the kernel knows: by how many pages the index of anonymous
 *	pages is off from their address, modulo 65521, the largest prime below 1 << 16
 * @split_shift: it can be split at multiples of 1 << split_shift only (hugetlbfs); 0: anywhere;
 *	SVMA_NEVER_SPLIT: nowhere (the pages of the vdso)
 * @misplaced: the kernel's tree has it under other addresses than those of the VMA
 */
struct svma_live_vma {
	svma_u64 start;
	svma_u64 end;
	svma_u64 flags;
	svma_u64 pgoff;
	svma_u64 file;
	svma_u64 ino;
	svma_u64 anon_vma;
	svma_u64 uffd_ctx;
	svma_u32 dev;
	svma_u32 policy;
	svma_u32 anon_name;
	svma_u8 has_close;
	svma_u8 anon_singular;
	svma_u8 lock_exempt;
	svma_u8 anonymous;
	svma_u8 split_shift;
	svma_u8 prepared;
	svma_u16 anon_shift;
	svma_u8 misplaced;
	svma_u8 reserved[3];
};

/**
 * struct svma_live_totals - the counters of a live mm, pages but for map_count
 */
struct svma_live_totals {
	svma_u64 map_count;
	svma_u64 total_vm;
	svma_u64 data_vm;
	svma_u64 exec_vm;
	svma_u64 stack_vm;
	svma_u64 locked_vm;
	svma_u64 hiwater_vm;
};

/**
 * svma_os_vm_area_alloc - one node of svma_core_vma_size() bytes, aligned to 64
 * Return: the node, not cleared, or NULL when the preallocated pool is empty.
 */
void *svma_os_vm_area_alloc(void);

/**
 * svma_os_vm_area_free - give a node back to the pool
 * @node: from svma_os_vm_area_alloc(); not NULL
 */
void svma_os_vm_area_free(void *node);

/**
 * svma_os_avc_alloc - one block of svma_core_avc_size() bytes, aligned to 16
 * Return: the block, not cleared, or NULL when the preallocated pool is empty.
 */
void *svma_os_avc_alloc(void);

/**
 * svma_os_avc_free - give a block back to the pool
 * @avc: from svma_os_avc_alloc(); not NULL
 */
void svma_os_avc_free(void *avc);

/**
 * svma_os_anon_vma_alloc - one block of svma_core_anon_vma_size() bytes, aligned to 16
 * Return: the block, not cleared, or NULL when the preallocated pool is empty.
 */
void *svma_os_anon_vma_alloc(void);

/**
 * svma_os_anon_vma_free - give a block back to the pool
 * @anon_vma: from svma_os_anon_vma_alloc(); not NULL
 */
void svma_os_anon_vma_free(void *anon_vma);

/**
 * svma_os_file_rmap_alloc - one block of svma_core_file_rmap_size() bytes, aligned to 16
 * Return: the block, not cleared, or NULL when the preallocated pool is empty.
 */
void *svma_os_file_rmap_alloc(void);

/**
 * svma_os_file_rmap_free - give a block back to the pool
 * @file: from svma_os_file_rmap_alloc(); not NULL
 */
void svma_os_file_rmap_free(void *file);

/**
 * svma_os_live_find - find_vma() on the live side
 * @mm: the live mm; its mmap_lock is held, for writing or for reading
 * @addr: bytes
 * @out: the first VMA that ends above @addr
 * Return: 0, or -ENOENT when there is none.
 */
int svma_os_live_find(const void *mm, svma_u64 addr, struct svma_live_vma *out);

/**
 * svma_os_live_totals - read the counters of the live side
 * @mm: the live mm; its mmap_lock is held
 * @out: filled in
 */
void svma_os_live_totals(const void *mm, struct svma_live_totals *out);

/**
 * struct svma_live_node - one VMA in the red-black tree and list of a live mm, where the kernel has them
 * @start: vm_start
 * @end: vm_end
 * @gap: rb_subtree_gap, bytes
 * @parent: identity of the parent, 0 at the root; for svma_os_live_node() as the next two
 * @left: identity of the left child, 0 for none
 * @right: identity of the right child, 0 for none
 * @prev: vm_start of vm_prev, ~0 for none
 * @next: vm_start of vm_next, ~0 for none
 * @red: colour
 */
struct svma_live_node {
	svma_u64 start;
	svma_u64 end;
	svma_u64 gap;
	svma_u64 parent;
	svma_u64 left;
	svma_u64 right;
	svma_u64 prev;
	svma_u64 next;
	svma_u8 red;
	svma_u8 reserved[7];
};

/**
 * struct svma_live_tree - what holds the tree and the list
 * @root: identity of the root, 0 when there are no VMAs
 * @first: vm_start of mm->mmap, ~0 for none
 * @highest_vm_end: bytes
 * @vmacache_seqnum: as it is
 */
struct svma_live_tree {
	svma_u64 root;
	svma_u64 first;
	svma_u64 highest_vm_end;
	svma_u64 vmacache_seqnum;
};

/**
 * svma_os_live_tree - the kernel's own red-black tree
 * Return: 0, or -ENOENT where the kernel keeps its VMAs in something else.
 */
int svma_os_live_tree(const void *mm, struct svma_live_tree *out);

/**
 * svma_os_live_node - one node of it
 * @node: identity of the node; not 0
 */
void svma_os_live_node(svma_u64 node, struct svma_live_node *out);

/* How much of a chain is looked at: a VMA has one entry for each fork between it and its first ancestor with pages. */
#define SVMA_CORE_CHAIN 1024

/**
 * struct svma_live_anon_vma - one anon_vma of a live chain
 * @anon_vma: identity; this and the next two stay while a VMA that is linked to it does
 * @root: identity of its root, its own in a root
 * @parent: identity of its parent, its own in a root
 * @num_children: as it is, without a lock: any relative may change it at any time; likewise the next
 * @num_active_vmas: as it is
 */
struct svma_live_anon_vma {
	svma_u64 anon_vma;
	svma_u64 root;
	svma_u64 parent;
	svma_u64 num_children;
	svma_u64 num_active_vmas;
};

/**
 * struct svma_live_chain - the anon_vma_chain of a live VMA
 * @anon_vma: identity of vma->anon_vma, 0 for none
 * @length: how many of @link are filled in
 * @longer: 1 when there are more
 * @anon_pgoff: index of the VMA's first page in its anon_vmas
 * @link: in the order of the list
 */
struct svma_live_chain {
	svma_u64 anon_vma;
	svma_u32 length;
	svma_u32 longer;
	svma_u64 anon_pgoff;
	struct svma_live_anon_vma link[SVMA_CORE_CHAIN];
};

/**
 * svma_os_live_chain - the chain of a VMA
 * @mm: the live mm; its mmap_lock is held, and where that is for reading nobody faults this VMA in for the first time
 * @start: vm_start of the VMA
 * @out: filled in
 * Return: 0, or -ENOENT when no VMA starts there.
 */
int svma_os_live_chain(const void *mm, svma_u64 start, struct svma_live_chain *out);

/**
 * svma_os_rmap_lock - what anon_vmas count is for one caller at a time, whatever mm they work on
 *
 * Any context; until svma_os_rmap_unlock() nothing is called but the pools and what reads the live side.
 */
void svma_os_rmap_lock(void);
void svma_os_rmap_unlock(void);

/**
 * svma_os_rmap_settled - is no mm but @mm between a change of its live VMAs and the same change of its shadow?
 * Return: 1 if so; 0: what relatives share may differ for a moment.
 */
int svma_os_rmap_settled(const void *mm);

/**
 * svma_os_live_brk - where the heap of the live side ends
 * @mm: the live mm; its mmap_lock is held
 * Return: mm->brk, bytes.
 */
svma_u64 svma_os_live_brk(const void *mm);

/**
 * svma_os_table - a page table
 * @table: its physical address, bytes
 * Return: its 512 entries, NULL when there is no memory at @table. They may be read until interrupts are on again, each
 *	with one load, since others write to them at any time.
 *
 * Context: as svma_core_runs(): what @table holds is a table, or was one a moment ago.
 */
const svma_u64 *svma_os_table(svma_u64 table);

/* svma_os_frames(): what the kernel's struct page says of a frame, from bit SVMA_FRAME_SHIFT on. */
#define SVMA_FRAME_SHIFT 56	/* far above the number of any frame */
#define SVMA_FRAME_KNOWN 1u	/* there is a struct page */
#define SVMA_FRAME_ANON 2u
#define SVMA_FRAME_FILE 4u	/* of the page cache */
#define SVMA_FRAME_SHMEM 8u	/* likewise, and counted as MM_SHMEMPAGES */
#define SVMA_FRAME_ZERO 16u	/* the zero page, or part of the huge one */

/**
 * svma_os_frames - what is in frames, as of some moment of the call; they may be in use for something else by now
 * @frame: numbers of frames that entries map, at most 40 bits; to each its SVMA_FRAME_ bits are added, none when the
 *	kernel has no struct page for it
 * @count: of them
 */
void svma_os_frames(svma_u64 *frame, svma_u32 count);

/**
 * svma_os_check_failed - an invariant of the core does not hold
 * @file: source file of the check
 * @line: its line
 * @what: the condition
 *
 * Reports; in the kernel it also stops all tracking, since the shadow can't be trusted any more. Returns.
 */
void svma_os_check_failed(const char *file, int line, const char *what);

#ifdef __cplusplus
}
#endif

#endif
