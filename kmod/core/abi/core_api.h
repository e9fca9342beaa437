/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core offers to the shim. All functions may be called in atomic context, none sleeps.
 *
 * Locking: the caller serialises every call on one shadow (the shim holds the tracked mm's lock). Where a
 * function reads the live side, the caller also holds that mm's mmap_lock: for writing in
 * svma_core_begin/end/release, at least for reading in svma_core_load and svma_core_anon_vma.
 */
#ifndef SVMA_CORE_API_H
#define SVMA_CORE_API_H

#include "os_services.h"

#ifdef __cplusplus
extern "C" {
#endif

struct svma_shadow;

/* Operations. The numbers are those of enum svma_operation in uapi/svma.h; the shim asserts it. */
enum svma_core_op {
	SVMA_CORE_NONE = 0,
	SVMA_CORE_ATTACH = 1,
	SVMA_CORE_MMAP = 2,	     /* args: addr, len, vm_flags, pgoff; fact: file */
	SVMA_CORE_MUNMAP = 3,	     /* args: start, end */
	SVMA_CORE_BRK = 4,	     /* args: addr, len, vm_flags, start of the VMA to grow or SVMA_CORE_NO_VMA */
	SVMA_CORE_MPROTECT = 5,	     /* args: start, end, new vm_flags */
	SVMA_CORE_MREMAP_MOVE = 6,   /* args: vma start, old_addr, old_len, new_len, new_addr, MREMAP_ flags */
	SVMA_CORE_MREMAP_EXPAND = 7, /* args: addr, old_len, new_len, TASK_SIZE */
	SVMA_CORE_MLOCK = 8,	     /* args: start, end, new vm_flags */
	SVMA_CORE_MODIFY = 9,	     /* args: start, end, new vm_flags, uffd_ctx, policy, anon_name */
	SVMA_CORE_STACK_GROWTH = 10, /* args: vma start, address, 1 in setup_arg_pages */
	SVMA_CORE_INSERT = 11,	     /* fact: the whole VMA */
	SVMA_CORE_STACK_SHIFT = 12,  /* args: vma start, shift in bytes */
	SVMA_CORE_FORK = 13,
	SVMA_CORE_EXIT = 14,
	SVMA_CORE_ANON_VMA = 15,
	SVMA_CORE_OTHER = 16,
	SVMA_CORE_EXEC = 17,
	SVMA_CORE_MADVISE = 18, /* args: start, end, advice */
	SVMA_CORE_MBIND = 19,	/* args: start, end, digest of the policy */
	SVMA_CORE_SEARCH = 20,	/* see svma_core_search() */
};

#define SVMA_CORE_NO_VMA (~(svma_u64)0)

/* Fields a comparison can differ in. The numbers are those of enum svma_field in uapi/svma.h. */
enum svma_core_field {
	SVMA_CORE_FIELD_NONE = 0,
	SVMA_CORE_FIELD_LAYOUT = 1,
	SVMA_CORE_FIELD_FLAGS = 2,
	SVMA_CORE_FIELD_PGOFF = 3,
	SVMA_CORE_FIELD_FILE = 4,
	SVMA_CORE_FIELD_POLICY = 5,
	SVMA_CORE_FIELD_UFFD = 6,
	SVMA_CORE_FIELD_NAME = 7,
	SVMA_CORE_FIELD_MAP_COUNT = 8,
	SVMA_CORE_FIELD_TOTAL_VM = 9,
	SVMA_CORE_FIELD_DATA_VM = 10,
	SVMA_CORE_FIELD_EXEC_VM = 11,
	SVMA_CORE_FIELD_STACK_VM = 12,
	SVMA_CORE_FIELD_LOCKED_VM = 13,
	SVMA_CORE_FIELD_ANON_VMA = 14,
	SVMA_CORE_FIELD_ADDRESS = 15,
	SVMA_CORE_FIELD_LOOKUP = 16,
	SVMA_CORE_FIELD_HIWATER_VM = 17,
	SVMA_CORE_FIELD_ARGUMENT = 18,
	SVMA_CORE_FIELD_RESULT = 19,
};

/**
 * struct svma_op - one operation as the probes saw it
 * @kind: enum svma_core_op
 * @map_count_limit: sysctl_max_map_count when it ran
 * @result: return value of the kernel's function; negative errno on failure
 * @args: see enum svma_core_op; bytes unless said otherwise
 * @vma: facts that only the caller knows (the file of an mmap, the VMA of an insert)
 */
struct svma_op {
	svma_u32 kind;
	svma_u32 map_count_limit;
	svma_s64 result;
	svma_u64 args[8];
	struct svma_live_vma vma;
};

/**
 * struct svma_mismatch - one prediction that did not hold
 * @field: enum svma_core_field
 * @has_predicted: @predicted is a VMA
 * @has_observed: @observed is a VMA
 * @predicted_value: for a counter
 * @observed_value: for a counter
 */
struct svma_mismatch {
	svma_u32 field;
	svma_u8 has_predicted;
	svma_u8 has_observed;
	svma_u8 reserved[2];
	svma_u64 predicted_value;
	svma_u64 observed_value;
	struct svma_live_vma predicted;
	struct svma_live_vma observed;
};

/**
 * struct svma_verdict - what a comparison found; the caller clears it before the call
 * @compared: single answers compared: VMAs and counters
 * @equal: of these
 * @divergent: of these
 * @facts: inputs taken from the live side because they can't be computed
 * @unmodelled: 1 when the operation was adopted without a prediction
 * @suspect: 1 when the shadow can't be trusted any more (a pool was empty, a change nobody announced)
 * @mismatches: how many of @mismatch are filled in
 * @mismatch: the first ones
 */
struct svma_verdict {
	svma_u32 compared;
	svma_u32 equal;
	svma_u32 divergent;
	svma_u32 facts;
	svma_u8 unmodelled;
	svma_u8 suspect;
	svma_u8 mismatches;
	svma_u8 reserved;
	struct svma_mismatch mismatch[2];
};

/**
 * struct svma_node - one VMA of a shadow with its place in the tree
 * @vma: its attributes
 * @gap: rb_subtree_gap in bytes
 * @parent: vm_start of the parent, SVMA_CORE_NO_VMA at the root
 * @depth: 0 at the root
 * @red: colour
 */
struct svma_node {
	struct svma_live_vma vma;
	svma_u64 gap;
	svma_u64 parent;
	svma_u32 depth;
	svma_u32 red;
};

/**
 * struct svma_gap_query - a search for free space; bytes
 * @length: wanted
 * @low_limit: lowest allowed start, inclusive
 * @high_limit: first address the mapping must not reach beyond
 * @align_mask: bits of (address - @align_offset) that must be zero
 * @align_offset: see @align_mask
 * @topdown: search from @high_limit down
 */
struct svma_gap_query {
	svma_u64 length;
	svma_u64 low_limit;
	svma_u64 high_limit;
	svma_u64 align_mask;
	svma_u64 align_offset;
	svma_u32 topdown;
	svma_u32 reserved;
};

/* Conditions of a merge; their order is that of enum svma_condition_id in uapi/svma.h. */
#define SVMA_CORE_CONDITIONS 12
#define SVMA_CORE_CONDITION_FILE 5
#define SVMA_CORE_CONDITION_UFFD 7
#define SVMA_CORE_CONDITION_ANON_VMA 9
#define SVMA_CORE_CONDITION_PGOFF 11

/**
 * struct svma_merge_answer - one condition of a merge, see struct svma_condition in uapi/svma.h
 * @lower: what the lower VMA brings; identities as in struct svma_live_vma
 * @upper: what the upper VMA brings
 * @asked: the kernel asks it here
 * @held: it holds
 */
struct svma_merge_answer {
	svma_u64 lower;
	svma_u64 upper;
	svma_u32 asked;
	svma_u32 held;
};

/**
 * struct svma_merge_report - would the VMA at an address merge with its neighbours
 * @found: bit 0: @vma is there, bit 1: @prev, bit 2: @next
 * @mergeable: bit 0: with @prev, bit 1: with @next
 * @vma: the VMA that contains the address
 * @prev: the VMA below, touching or not
 * @next: the VMA above
 * @with_prev: the conditions towards @prev
 * @with_next: the conditions towards @next
 */
struct svma_merge_report {
	svma_u32 found;
	svma_u32 mergeable;
	struct svma_node vma;
	struct svma_node prev;
	struct svma_node next;
	struct svma_merge_answer with_prev[SVMA_CORE_CONDITIONS];
	struct svma_merge_answer with_next[SVMA_CORE_CONDITIONS];
};

/* Bytes to allocate for a shadow, and for one node of svma_os_vm_area_alloc(). */
unsigned long svma_core_shadow_size(void);
unsigned long svma_core_vma_size(void);

/**
 * svma_core_shadow_init - make an empty shadow
 * @memory: svma_core_shadow_size() bytes, aligned to 64
 * @profile: name of a semantics profile, such as "6.1"
 * @stack_guard_gap: bytes
 * Return: the shadow, or NULL when there is no such profile.
 */
struct svma_shadow *svma_core_shadow_init(void *memory, const char *profile, svma_u64 stack_guard_gap);

/**
 * svma_core_shadow_clear - free all nodes; the shadow is empty afterwards and can be used again
 */
void svma_core_shadow_clear(struct svma_shadow *shadow);

/**
 * svma_core_load - take over the whole live layout
 * @shadow: empty
 * @mm: the live mm, mmap_lock held at least for reading
 * Return: 0, or -ENOMEM when the pool ran empty (the shadow is empty again).
 */
int svma_core_load(struct svma_shadow *shadow, const void *mm);

/**
 * svma_core_fork - predict the child of a fork
 * @child: empty
 * @parent: the parent's shadow, caller holds the parent's mmap_lock for writing, too
 * Return: 0, or -ENOMEM when the pool ran empty (@child is empty again).
 */
int svma_core_fork(struct svma_shadow *child, const struct svma_shadow *parent);

/**
 * svma_core_audit - compare the whole shadow with the live side
 * @shadow: the shadow
 * @mm: the live mm
 * @take_facts: 1 right after a fork: identities that can't be computed are taken over first
 * @verdict: added to
 */
void svma_core_audit(struct svma_shadow *shadow, const void *mm, int take_facts, struct svma_verdict *verdict);

/**
 * svma_core_begin - an operation is about to change the live side
 *
 * Takes over what faults have changed since (anon_vma), around the operation's range.
 */
void svma_core_begin(struct svma_shadow *shadow, const struct svma_op *op, const void *mm,
		     struct svma_verdict *verdict);

/**
 * svma_core_end - the operation is done: predict, observe, compare, adopt
 */
void svma_core_end(struct svma_shadow *shadow, const struct svma_op *op, const void *mm,
		   struct svma_verdict *verdict);

/**
 * svma_core_release - the write lock is about to be given up: compare the totals
 * @downgraded: 1 when an unmap goes on under the read lock; its page counters are not updated yet
 * @announced: 1 when any operation ended since the lock was taken
 */
void svma_core_release(struct svma_shadow *shadow, const void *mm, int downgraded, int announced,
		       struct svma_verdict *verdict);

/**
 * svma_core_anon_vma - a fault gave a VMA its anon_vma
 */
void svma_core_anon_vma(struct svma_shadow *shadow, const struct svma_live_vma *vma);

/* Questions. -ENOENT when there is no such VMA. */
void svma_core_totals(const struct svma_shadow *shadow, struct svma_live_totals *out);
int svma_core_find(const struct svma_shadow *shadow, svma_u64 addr, struct svma_node *out);
int svma_core_find_prev(const struct svma_shadow *shadow, svma_u64 addr, struct svma_node *out);

/**
 * svma_core_gap - unmapped_area or unmapped_area_topdown on the shadow
 * Return: 0, or -ENOMEM when there is no such gap (@result is 0).
 */
int svma_core_gap(const struct svma_shadow *shadow, const struct svma_gap_query *query, svma_u64 *result);

/**
 * svma_core_why - every condition of a merge of the VMA at @addr with either neighbour
 *
 * Without a VMA at @addr only its neighbours are filled in.
 */
void svma_core_why(const struct svma_shadow *shadow, svma_u64 addr, struct svma_merge_report *out);

/**
 * svma_core_verify - check every invariant of the shadow
 * @what: name of the first one that does not hold, at most @size bytes with the terminating zero
 * @where: vm_start of the node concerned
 * Return: 0 or -EINVAL.
 */
int svma_core_verify(const struct svma_shadow *shadow, char *what, unsigned long size, svma_u64 *where);

/**
 * svma_core_selftest - run the containers through a fixed sequence; needs 64 nodes from the pool
 * Return: 0, -ENOMEM, or -EINVAL when an invariant broke.
 */
int svma_core_selftest(void);

#ifdef __cplusplus
}
#endif

#endif
