/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core offers to the shim. All functions may be called in atomic context, none sleeps.
 *
 * Locking: the caller serialises every call on one shadow (the shim holds the tracked mm's lock). Where a
 * function reads the live side, the caller also holds that mm's mmap_lock: for writing in
 * svma_core_begin/end/release, at least for reading in svma_core_load_part and svma_core_anon_vma.
 */
#ifndef SVMA_CORE_API_H
#define SVMA_CORE_API_H

#include "os_services.h"

#ifdef __cplusplus
extern "C" {
#endif

struct svma_shadow;
struct svma_rmap;

/* Operations. The numbers are those of enum svma_operation in uapi/svma.h; the shim asserts it. */
enum svma_core_op {
	SVMA_CORE_NONE = 0,
	SVMA_CORE_ATTACH = 1,
	SVMA_CORE_MMAP = 2,	     /* args: addr, len, vm_flags, pgoff, 1 when KSM may merge all; fact: file */
	SVMA_CORE_MUNMAP = 3,	     /* args: start, end */
	SVMA_CORE_BRK = 4,	     /* args: addr, len, vm_flags, start of the VMA to grow or SVMA_CORE_NO_VMA,
				      * 1 when KSM may merge all
				      */
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
	SVMA_CORE_OTHER = 16,	/* args: KSM may merge all from now on, it could before */
	SVMA_CORE_EXEC = 17,
	SVMA_CORE_MADVISE = 18, /* args: start, end, advice, 1 when KSM refused, where;
				 * over the whole range of the call
				 */
	SVMA_CORE_MBIND = 19,	/* args: start, end, digest of the policy, start of the VMA it was called for,
				 * or SVMA_CORE_NO_VMA: of all in the range, one after another
				 */
	SVMA_CORE_SEARCH = 20,	/* args: length, low_limit, high_limit, align_mask, align_offset, topdown, start_gap,
				 * vm.mmap_min_addr
				 */
	SVMA_CORE_CLEAR_REFS = 21, /* soft-dirty marks of all VMAs are taken off */
	SVMA_CORE_MSEAL = 22,	/* args: start, end; over the whole range of the call */
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
	SVMA_CORE_FIELD_GAP = 20,
	SVMA_CORE_FIELD_STRUCTURE = 21,
	SVMA_CORE_FIELD_CHAIN = 22,
	SVMA_CORE_FIELD_ANON_ROOT = 23,
	SVMA_CORE_FIELD_ANON_PARENT = 24,
	SVMA_CORE_FIELD_CHILDREN = 25,
	SVMA_CORE_FIELD_ACTIVE_VMAS = 26,
};

/* svma_op.steps: what was seen of functions that the operation called. */
#define SVMA_STEP_UNMAPPED 1u	/* the unmap inside succeeded */
#define SVMA_STEP_NO_MEMORY 2u	/* overcommit refused the pages */
#define SVMA_STEP_UNMAP_FAILED 4u	/* the unmap inside failed */
#define SVMA_STEP_FAULTED 8u		/* a fault inside, by nobody else, gave a VMA its anon_vma */
#define SVMA_STEP_LIMITS_MOVED 16u	/* the rlimits were not the same at begin and end */
#define SVMA_STEP_UNDONE 32u		/* a move was undone: its target was unmapped again */
#define SVMA_STEP_CUT 64u		/* what the unmap inside concerns was cut off at both ends */
#define SVMA_STEP_BESIDE_UNMAP 128u	/* an unmap went on under the lock held for reading */
#define SVMA_STEP_MORE_GREW 256u	/* other stacks have grown, too, which follow: compare after the last */
#define SVMA_STEP_GUARDED 512u		/* madvise() marked a VMA beside it, or was about to */
#define SVMA_STEP_FAULTED_BESIDE 1024u	/* others may have faulted meanwhile */

/* Why a prediction may need an input; see replay/facts.hpp. The numbers are those of enum svma_fact. */
#define SVMA_CORE_FACTS 11

/**
 * struct svma_rlimits - limits of the task, bytes; ~0 is no limit
 * @as: RLIMIT_AS
 * @data: RLIMIT_DATA
 * @data_max: its hard limit
 * @stack: RLIMIT_STACK
 * @memlock: RLIMIT_MEMLOCK
 */
struct svma_rlimits {
	svma_u64 as;
	svma_u64 data;
	svma_u64 data_max;
	svma_u64 stack;
	svma_u64 memlock;
};

/**
 * struct svma_op - one operation as the probes saw it
 * @kind: enum svma_core_op
 * @map_count_limit: sysctl_max_map_count when it ran
 * @steps: SVMA_STEP_ bits
 * @task: who did it; its lookups go through its own vmacache
 * @result: return value of the kernel's function; negative errno on failure
 * @args: see enum svma_core_op; bytes unless said otherwise
 * @rlimits: of that task
 * @vma: facts that only the caller knows (the file of an mmap, the VMA of an insert)
 */
struct svma_op {
	svma_u32 kind;
	svma_u32 map_count_limit;
	svma_u32 steps;
	svma_u32 task;
	svma_s64 result;
	svma_u64 args[8];
	struct svma_rlimits rlimits;
	struct svma_live_vma vma;
};

/* System calls that consist of steps, each an operation of its own. */
enum svma_call_kind {
	SVMA_CALL_NONE = 0,
	SVMA_CALL_MADVISE = 1,	/* args: start, length, advice; one operation, when the lock is released */
	SVMA_CALL_MPROTECT = 2, /* args: start, length, prot, pkey, 1 with READ_IMPLIES_EXEC */
	SVMA_CALL_MLOCK = 3,	/* args: start, length, lock flags to set */
	SVMA_CALL_MLOCKALL = 4, /* args: MCL_ flags */
	SVMA_CALL_MMAP = 5,	/* args: addr, length, prot, flags, pgoff, def_flags, SVMA_FILE_ bits,
				 * vm.mmap_min_addr; and the placement
				 */
	SVMA_CALL_MUNMAP = 6,	/* args: start, length */
	SVMA_CALL_CLEAR_REFS = 7,
	SVMA_CALL_UFFD_REGISTER = 8,	/* args: start, length, UFFDIO_REGISTER_MODE_ bits, context */
	SVMA_CALL_UFFD_UNREGISTER = 9,	/* args: start, length */
	SVMA_CALL_MREMAP = 10,	/* args: addr, old length, new length, MREMAP_ flags, new addr, TASK_SIZE,
				 * vm.mmap_min_addr
				 */
	SVMA_CALL_BRK = 11,	/* args: brk, mm->brk at entry, lowest brk allowed, start_brk,
				 * end_data - start_data, TASK_SIZE, vm.mmap_min_addr
				 */
	SVMA_CALL_MBIND = 12,	/* args: start, length, mode without its flags, MPOL_MF_ flags */
	SVMA_CALL_MBIND_WHOLE = 13, /* the same; one operation, when the lock is released */
	SVMA_CALL_MSEAL = 14,	/* args: start, length; one operation, when the lock is released */
};

/* Of the file and the task of an mmap. */
#define SVMA_FILE_THERE 1u
#define SVMA_FILE_WRITABLE 2u		/* FMODE_WRITE */
#define SVMA_FILE_NOEXEC 4u		/* on a noexec mount */
#define SVMA_FILE_OWN_SEARCH 8u		/* has a get_unmapped_area() of its own, or may be sealed */
#define SVMA_FILE_HUGE 16u		/* hugetlbfs */
#define SVMA_TASK_READ_IMPLIES_EXEC 32u
#define SVMA_TASK_STRICT_OVERCOMMIT 64u

/* svma_placement.flags */
#define SVMA_PLACEMENT_TOPDOWN 1u	/* the mm does not have the legacy layout */
#define SVMA_PLACEMENT_COMPAT 2u	/* in_32bit_syscall() */
#define SVMA_PLACEMENT_RANDOM 4u	/* PF_RANDOMIZE */

/**
 * struct svma_placement - what bounds the choice of an address, for one mm, task and kind of system call; bytes
 * @base: mmap_base or mmap_compat_base
 * @legacy_base: mmap_legacy_base or mmap_compat_legacy_base
 * @end: where a search from the bottom up ends: task_size_32bit() or task_size_64bit(0)
 * @task_size: TASK_SIZE of the task
 * @full_size: TASK_SIZE_MAX, which a hint above the lower 47 bits gives access to
 * @flags: SVMA_PLACEMENT_ bits
 * @reserved: 0
 */
struct svma_placement {
	svma_u64 base;
	svma_u64 legacy_base;
	svma_u64 end;
	svma_u64 task_size;
	svma_u64 full_size;
	svma_u32 flags;
	svma_u32 reserved;
};

/**
 * struct svma_call - a system call that is going on
 * @kind: enum svma_call_kind
 * @state: the core's own
 * @args: see enum svma_call_kind
 * @placement: of an mmap
 * @searched: result of the last address search inside it
 * @searched_length: for how many bytes that was
 * @failed: what the last step returned when it failed, else 0
 * @cursor: the core's own
 * @end: the core's own
 * @passed: the core's own
 * @expected: the core's own
 * @heap: the core's own
 * @map_count_limit: sysctl_max_map_count; this and what follows as it is at each step, and when the lock is given up
 * @limits_moved: 1 when @rlimits were not always the same: nobody knows which the kernel asked
 * @def_flags: mm->def_flags
 * @brk: mm->brk
 * @rlimits: of the task
 */
struct svma_call {
	svma_u32 kind;
	svma_u32 state;
	svma_u64 args[8];
	struct svma_placement placement;
	svma_u64 searched;
	svma_u64 searched_length;
	svma_s64 failed;
	svma_u64 cursor;
	svma_u64 end;
	svma_u64 passed;
	svma_s64 expected;
	svma_u64 heap;
	svma_u32 map_count_limit;
	svma_u32 limits_moved;
	svma_u64 def_flags;
	svma_u64 brk;
	struct svma_rlimits rlimits;
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

/* How much a scene can list. */
#define SVMA_CORE_SCENE_RANGES 4
#define SVMA_CORE_SCENE_EXTENTS 4
#define SVMA_CORE_SIDE_EXTENTS 6

/**
 * struct svma_core_extent - one VMA in few bytes; the layout is that of struct svma_extent in uapi/svma.h
 * @start: first byte
 * @end: first byte after it
 * @flags: vm_flags
 * @pgoff: vm_pgoff in pages
 * @ino: inode number of the file, 0 for none
 * @dev: dev_t of the file's file system
 */
struct svma_core_extent {
	svma_u64 start;
	svma_u64 end;
	svma_u64 flags;
	svma_u64 pgoff;
	svma_u64 ino;
	svma_u32 dev;
	svma_u32 reserved;
};

/**
 * struct svma_scene - what an operation touched, and what both sides held where they first differed
 * @start: of the hull of all that was compared or adopted; equal to @end when nothing was
 * @end: first byte after it
 * @predicted_address: of a search: the shadow's answer, 0 for -ENOMEM
 * @ranges: how many of @range are filled in
 * @vmas: how many of @vma are filled in
 * @predicted: how many of @predicted_map are filled in
 * @observed: how many of @observed_map are filled in
 * @cut: the hull holds more VMAs than are listed
 * @captured: something differed, and the two maps are what both sides held before anything was adopted
 * @complete: @vma was filled in by the call that gave the scene; else all but the maps is of an earlier one
 * @range: the parts of the hull that were touched
 * @vma: what the shadow holds in @range afterwards, in address order
 * @predicted_map: the shadow's VMAs around the first difference
 * @observed_map: the live ones
 */
struct svma_scene {
	svma_u64 start;
	svma_u64 end;
	svma_u64 predicted_address;
	svma_u32 ranges;
	svma_u32 vmas;
	svma_u32 predicted;
	svma_u32 observed;
	svma_u8 cut;
	svma_u8 captured;
	svma_u8 complete;
	svma_u8 reserved[5];
	struct {
		svma_u64 start;
		svma_u64 end;
	} range[SVMA_CORE_SCENE_RANGES];
	struct svma_core_extent vma[SVMA_CORE_SCENE_EXTENTS];
	struct svma_core_extent predicted_map[SVMA_CORE_SIDE_EXTENTS];
	struct svma_core_extent observed_map[SVMA_CORE_SIDE_EXTENTS];
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
 * @structure_compared: nodes of the kernel's own tree, and what holds it, compared; not part of @compared
 * @structure_equal: of these
 * @rmap_compared: VMAs whose anon_vma_chain was compared, up to SVMA_CORE_CHAIN entries; not part of @compared
 * @rmap_equal: of these
 * @rmap_cut: of these, those with longer chains
 * @rmap_unsure: VMAs that differed while relatives, or an unmap, were in the middle of something: what their anon_vmas
 *		 count was not compared, and after a fork nothing
 * @facts_by_kind: @facts, by enum svma_fact
 * @mismatch: the first ones
 * @scene: out: what was touched and seen; belongs to the shadow and lasts until the next call on it. It is not a
 *	   part of the verdict because verdicts live on the stacks of probe handlers
 */
struct svma_verdict {
	svma_u32 compared;
	svma_u32 equal;
	svma_u32 divergent;
	svma_u32 facts;
	svma_u32 structure_compared;
	svma_u32 structure_equal;
	svma_u32 rmap_compared;
	svma_u32 rmap_equal;
	svma_u32 rmap_cut;
	svma_u32 rmap_unsure;
	svma_u8 unmodelled;
	svma_u8 suspect;
	svma_u8 mismatches;
	svma_u8 reserved;
	svma_u8 facts_by_kind[SVMA_CORE_FACTS];
	struct svma_mismatch mismatch[2];
	struct svma_scene *scene;
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
 * @min_addr: vm.mmap_min_addr
 * @topdown: search from @high_limit down
 */
struct svma_gap_query {
	svma_u64 length;
	svma_u64 low_limit;
	svma_u64 high_limit;
	svma_u64 align_mask;
	svma_u64 align_offset;
	svma_u64 min_addr;
	svma_u32 topdown;
	svma_u32 reserved;
};

/* Conditions of a merge; their order is that of enum svma_condition_id in uapi/svma.h. */
#define SVMA_CORE_CONDITIONS 13
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

#define SVMA_CORE_LINK_OWN 1u
#define SVMA_CORE_LINK_ABROAD 2u

/* An entry of a chain, see struct svma_chain_link in uapi/svma.h. */
struct svma_core_link {
	svma_u64 start;
	svma_u64 end;
	svma_u64 anon_vma;
	svma_u64 root;
	svma_u64 parent;
	svma_u32 bits;
	svma_u32 refcount;
	svma_u32 children;
	svma_u32 active_vmas;
};

/* A VMA that may map a page, see struct svma_sharer in uapi/svma.h; @owner as in svma_core_shadow_init(). */
struct svma_core_sharer {
	svma_u64 owner;
	svma_u64 start;
	svma_u64 end;
	svma_u64 address;
};

/**
 * struct svma_core_page - what a page belongs to
 * @ino: of the file, 0: none
 * @page: its number in the file
 * @anon_vma: number of the VMA's own anon_vma, 0: none
 * @dev: of the file
 * @abroad: 1 when VMAs that nobody follows may map it, too
 */
struct svma_core_page {
	svma_u64 ino;
	svma_u64 page;
	svma_u64 anon_vma;
	svma_u32 dev;
	svma_u32 abroad;
};

/* Bytes to allocate for a shadow, and for what svma_os_vm_area_alloc() and its likes hand out. */
unsigned long svma_core_shadow_size(void);
unsigned long svma_core_vma_size(void);
unsigned long svma_core_avc_size(void);
unsigned long svma_core_anon_vma_size(void);
unsigned long svma_core_file_rmap_size(void);
unsigned long svma_core_rmap_size(void);

/**
 * svma_core_rmap_init - reverse mapping: what all shadows that follow it share
 * @memory: svma_core_rmap_size() bytes, aligned to 64
 * @profile: as svma_core_shadow_init()
 * Return: it, or NULL when there is no such profile.
 */
struct svma_rmap *svma_core_rmap_init(void *memory, const char *profile);

/* An mm that had left it has gone: what happened meanwhile is settled only for those who look from now on. */
void svma_core_rmap_settle(struct svma_rmap *rmap);

/**
 * svma_core_shadow_init - make an empty shadow
 * @memory: svma_core_shadow_size() bytes, aligned to 64
 * @profile: name of a semantics profile, such as "6.1"
 * @stack_guard_gap: bytes
 * @rmap: what it follows reverse mapping with; NULL: it does not
 * @owner: by what svma_core_sharers() tells its VMAs from those of others
 * Return: the shadow, or NULL when there is no such profile.
 */
struct svma_shadow *svma_core_shadow_init(void *memory, const char *profile, svma_u64 stack_guard_gap,
					  struct svma_rmap *rmap, svma_u64 owner);

/* One choice of a semantics profile, in words. */
struct svma_choice {
	const char *name;
	const char *value;
	const char *source;
};

/**
 * svma_core_choice - the choice number @index of a profile
 * Return: 0, -ENOENT behind the last one or when there is no such profile.
 */
int svma_core_choice(const char *profile, unsigned int index, struct svma_choice *out);

/**
 * svma_core_shadow_clear - free all nodes; the shadow is empty afterwards and can be used again
 */
void svma_core_shadow_clear(struct svma_shadow *shadow);

/**
 * svma_core_rmap_leave - the shadow follows reverse mapping no more, until it is loaded anew
 * @ended: 1: so does its mm; 0: its mm lives on, and what it shares with others is not known any more
 */
void svma_core_rmap_leave(struct svma_shadow *shadow, int ended);

/**
 * svma_core_rmap_abroad - a child that nobody tracks is about to share the mm's anon_vmas
 */
void svma_core_rmap_abroad(struct svma_shadow *shadow);

/* svma_load.stage */
enum svma_load_stage {
	SVMA_LOAD_BEGIN = 0,
	SVMA_LOAD_LAYOUT = 1,
	SVMA_LOAD_CHAINS = 2,
	SVMA_LOAD_SHARED = 3,
	SVMA_LOAD_DONE = 4,
};

/**
 * struct svma_load - how far a load in parts has come; the caller clears it before the first
 * @stage: enum svma_load_stage
 * @links: the core's own
 * @at: the core's own
 */
struct svma_load {
	svma_u32 stage;
	svma_u32 links;
	svma_u64 at;
};

/**
 * svma_core_load_part - take over a part of the live layout
 * @shadow: empty before the first part; nobody else may use it before the last
 * @mm: the live mm, mmap_lock held; between two parts it may be given up as long as nothing changes that mm,
 *	while others go on as they like
 * @progress: what the part before has left
 * @budget: ends after about so many VMAs and entries of their chains; not 0
 * Return: 0; -ENOMEM when the pool ran empty; -ENOENT when the layout was seen to have changed. After an error the
 *	shadow has to be cleared, without a lock if that is better.
 */
int svma_core_load_part(struct svma_shadow *shadow, const void *mm, struct svma_load *progress, svma_u32 budget);

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
 * svma_core_fork_undelivered - a child's userfaultfd contexts were taken back, mmap_lock held for writing
 */
void svma_core_fork_undelivered(struct svma_shadow *shadow, const void *mm, struct svma_verdict *verdict);

/**
 * svma_core_fork_done - the child is complete, its counters included
 */
void svma_core_fork_done(struct svma_shadow *shadow);

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
 * svma_core_search - the kernel searched unmapped space: where it should have, and with the shadow's answer?
 * @op: SVMA_CORE_SEARCH; result: the address found or -ENOMEM
 * @where: of the task that searched; NULL: its limits are not judged
 * @call: the system call inside which it happened, or NULL
 * @predicted: the shadow's answer, 0 for -ENOMEM
 */
void svma_core_search(struct svma_shadow *shadow, const struct svma_op *op, const struct svma_placement *where,
		      struct svma_call *call, svma_u64 *predicted, struct svma_verdict *verdict);

/**
 * svma_core_vmacache_find - the kernel looked into a task's vmacache: does the shadow's hit and miss alike?
 * @task: whose
 * @addr: bytes
 * @hit: vm_start of what was found there, SVMA_CORE_NO_VMA for a miss
 * @in_flux: the layout is being changed just now, so that it can't be said
 */
void svma_core_vmacache_find(struct svma_shadow *shadow, svma_u32 task, svma_u64 addr, svma_u64 hit, int in_flux,
			     struct svma_verdict *verdict);

/**
 * svma_core_vmacache_update - the kernel put the VMA at @start into the slot of @addr
 */
void svma_core_vmacache_update(struct svma_shadow *shadow, svma_u32 task, svma_u64 addr, svma_u64 start,
			       int in_flux);

/**
 * svma_core_call_step - is the step that is about to begin what the call's arguments imply?
 */
void svma_core_call_step(struct svma_shadow *shadow, struct svma_call *call, const struct svma_op *op,
			 struct svma_verdict *verdict);

/**
 * svma_core_call_release - the write lock is about to be given up inside @call
 *
 * Works out where the call should have ended, as long as the layout says so.
 */
void svma_core_call_release(struct svma_shadow *shadow, struct svma_call *call);

/**
 * svma_core_call_end - the call returned @result: did it go as far as it should?
 */
void svma_core_call_end(struct svma_shadow *shadow, struct svma_call *call, svma_s64 result,
			struct svma_verdict *verdict);

/* 1 when the advice of madvise() can change vm_flags, and so takes mmap_lock for writing. */
int svma_core_advice_changes(int advice);

/**
 * svma_core_mutate - corrupt all predictions from now on, for tests
 * @name: one of base/mutation.hpp, or "" or "none"
 * Return: 0, or -EINVAL for an unknown name.
 */
int svma_core_mutate(const char *name);

/* The mutation that is on, "none" when there is none. */
const char *svma_core_mutation(void);

/**
 * svma_core_release - the write lock is about to be given up: compare the totals
 * @downgraded: 1 when an unmap goes on under the read lock; its page counters are not updated yet
 * @announced: 1 when any operation ended since the lock was taken
 */
void svma_core_release(struct svma_shadow *shadow, const void *mm, int downgraded, int announced,
		       struct svma_verdict *verdict);

/* A corner of a tree: a node, its parent and its children; @start is SVMA_CORE_NO_VMA where there is none. */
#define SVMA_CORE_CORNER 4
struct svma_corner {
	struct {
		svma_u64 start;
		svma_u64 end;
		svma_u64 gap;
		svma_u32 red;
		svma_u32 reserved;
	} node[SVMA_CORE_CORNER]; /* itself, parent, left, right */
};

/**
 * svma_core_structure - compare the whole tree and list with the kernel's own; nothing where it has none
 */
void svma_core_structure(struct svma_shadow *shadow, const void *mm, struct svma_verdict *verdict);

/**
 * svma_core_structure_differs - where they first differed
 * Return: 0, or -ENOENT when they did not.
 */
int svma_core_structure_differs(const struct svma_shadow *shadow, struct svma_corner *predicted,
				struct svma_corner *observed);

/**
 * svma_core_anon_vma - a fault gave a VMA its anon_vma: a neighbour's or a new one, as predicted?
 * @alone: 1 when no other fault did the same to this mm meanwhile, so that it is known what the kernel saw
 */
void svma_core_anon_vma(struct svma_shadow *shadow, const void *mm, const struct svma_live_vma *vma, int alone,
			struct svma_verdict *verdict);

/**
 * svma_core_chains - the chains of all VMAs, by address and in the order of each list
 * @from: in: VMAs that end above this; out: where to go on
 * @skip: in: entries of the first of them to leave out; out: likewise
 * @out: the entries
 * @room: how many fit
 * @more: out: 1 when there may be more; bounded work: that can be so although there is room left
 * Return: how many are written.
 */
svma_u32 svma_core_chains(const struct svma_shadow *shadow, svma_u64 *from, svma_u32 *skip,
			  struct svma_core_link *out, svma_u32 room, svma_u32 *more);

/**
 * svma_core_sharers - which VMAs may map the anonymous page at an address
 * @page: out: what the page belongs to
 * @out: all that the tree of the root finds, in its order
 * @room: how many fit
 * @total: out: how many there are, or one more than SVMA_CORE_SHARERS
 * Return: 0, or -ENOENT when there is no VMA.
 */
int svma_core_sharers(const struct svma_shadow *shadow, svma_u64 addr, struct svma_core_page *page,
		      struct svma_core_sharer *out, svma_u32 room, svma_u64 *total);

/**
 * svma_core_sharers_of_file - the VMAs of all shadows that map a page of a file, in the order of the file's tree
 * @rmap: what they follow; an mm in the middle of an operation is found as its shadow has it at that moment
 * @dev: of the file's super block, as in struct svma_live_vma
 * @ino: of the file
 * @page: number of the page in the file; SVMA_CORE_ANY_PAGE: all that map any of it, at the first one they map
 * @out: the first @room of them
 * Return: how many there are, or one more than SVMA_CORE_SHARERS.
 */
svma_u64 svma_core_sharers_of_file(struct svma_rmap *rmap, svma_u32 dev, svma_u64 ino, svma_u64 page,
				   struct svma_core_sharer *out, svma_u32 room);

#define SVMA_CORE_ANY_PAGE (~0ull)

/* A walk ends behind so many: a lock is held meanwhile. */
#define SVMA_CORE_SHARERS 65536

/**
 * svma_core_guard - madvise(MADV_GUARD_INSTALL) marked the VMA at @addr, under its lock alone
 * @result: what the kernel's function for one VMA returned
 * @verdict: the answer is counted here
 */
void svma_core_guard(struct svma_shadow *shadow, svma_u64 addr, svma_s64 result, struct svma_verdict *verdict);

/**
 * svma_core_survey - the whole layout as a scene, for what has no operation: an attach, a resync
 * Return: the shadow's scene, which lasts until the next call on it.
 */
const struct svma_scene *svma_core_survey(struct svma_shadow *shadow);

/* Questions. -ENOENT when there is no such VMA. */
void svma_core_totals(const struct svma_shadow *shadow, struct svma_live_totals *out);
int svma_core_find(const struct svma_shadow *shadow, svma_u64 addr, struct svma_node *out);
int svma_core_find_prev(const struct svma_shadow *shadow, svma_u64 addr, struct svma_node *out);

/**
 * svma_core_gap - unmapped_area or unmapped_area_topdown on the shadow
 * @visited: out: nodes that the search looked at
 * Return: 0, or -ENOMEM when there is no such gap (@result is 0).
 */
int svma_core_gap(const struct svma_shadow *shadow, const struct svma_gap_query *query, svma_u64 *result,
		  svma_u32 *visited);

/**
 * struct svma_core_shape - how deep VMAs lie in their tree
 * @vmas: their number
 * @height: nodes on the longest way down
 * @visited: nodes looked at when each VMA is looked up once, together
 */
struct svma_core_shape {
	svma_u32 vmas;
	svma_u32 height;
	svma_u64 visited;
};

/**
 * svma_core_tree_shape - add some VMAs of the shadow to @shape, so that a lock need not be held for all of them
 * @from: the first one ends above this; out: where to go on
 * @limit: so many at most
 * Return: 1 when there are more, else 0.
 */
int svma_core_tree_shape(const struct svma_shadow *shadow, svma_u64 *from, svma_u32 limit,
			 struct svma_core_shape *shape);

/**
 * svma_core_why - every condition of a merge of the VMA at @addr with either neighbour
 *
 * Without a VMA at @addr only its neighbours are filled in.
 */
void svma_core_why(const struct svma_shadow *shadow, svma_u64 addr, struct svma_merge_report *out);

/* --- page tables ---------------------------------------------------------------------------------- */

#define SVMA_CORE_TABLE_LEVELS 5

/* What an entry is. The numbers are those of enum svma_entry_kind in uapi/svma.h; the shim asserts it. */
enum svma_core_entry {
	SVMA_CORE_ENTRY_NONE = 0,
	SVMA_CORE_ENTRY_TABLE = 1,
	SVMA_CORE_ENTRY_PAGE = 2,
	SVMA_CORE_ENTRY_ZERO = 3,
	SVMA_CORE_ENTRY_SPECIAL = 4,
	SVMA_CORE_ENTRY_SWAP = 5,
	SVMA_CORE_ENTRY_MIGRATION = 6,
	SVMA_CORE_ENTRY_HWPOISON = 7,
	SVMA_CORE_ENTRY_DEVICE = 8,
	SVMA_CORE_ENTRY_MARKER = 9,
	SVMA_CORE_ENTRY_BAD = 10,
};

/* Flags of an entry: SVMA_PTE_ in uapi/svma.h, likewise. */
#define SVMA_CORE_PTE_WRITE 1u
#define SVMA_CORE_PTE_EXEC 2u
#define SVMA_CORE_PTE_USER 4u
#define SVMA_CORE_PTE_ACCESSED 8u
#define SVMA_CORE_PTE_DIRTY 16u
#define SVMA_CORE_PTE_SOFT_DIRTY 32u
#define SVMA_CORE_PTE_UFFD_WP 64u
#define SVMA_CORE_PTE_PROTNONE 128u
#define SVMA_CORE_PTE_GLOBAL 256u
#define SVMA_CORE_PTE_WRITE_THROUGH 512u
#define SVMA_CORE_PTE_NO_CACHE 1024u
#define SVMA_CORE_PTE_PAT 2048u
#define SVMA_CORE_PTE_EXCLUSIVE 4096u
#define SVMA_CORE_PTE_ANON 0x10000u
#define SVMA_CORE_PTE_FILE 0x20000u
#define SVMA_CORE_PTE_SHMEM 0x40000u
#define SVMA_CORE_PTE_PKEY_SHIFT 24

/* Kinds of what is not present, by the type of a swap entry; all other types are swap areas. */
struct svma_swap_kinds {
	svma_u8 migration[3];	/* types; 255: this kernel has none. Likewise the others */
	svma_u8 hwpoison;
	svma_u8 marker;
	svma_u8 device[4];
	svma_u8 swapin_error;	/* what could not be swapped in; before there was a marker for it (6.1) */
	svma_u8 reserved[6];
};

/**
 * struct svma_pgtable - the page tables of a live mm
 * @root: physical address of the pgd, bytes
 * @frame_mask: bits of an entry that hold a physical address
 * @levels: 4 or 5
 * @dirty_bit: number of the bit that says dirty as the processor's own does (_PAGE_BIT_SAVED_DIRTY), 0: there is none
 * @special_bit: number of the bit that says special as _PAGE_BIT_SPECIAL does (_PAGE_BIT_DEVMAP), 0: there is none
 * @ignored_bit: number of the bit below 52 that tells of encryption, 0: there is none
 * @reserved: 0
 * @swap: how this kernel numbers what is not present
 */
struct svma_pgtable {
	svma_u64 root;
	svma_u64 frame_mask;
	svma_u8 levels;
	svma_u8 dirty_bit;
	svma_u8 special_bit;
	svma_u8 ignored_bit;
	svma_u8 reserved[4];
	struct svma_swap_kinds swap;
};

/* One entry on the way down; layout and meaning are those of struct svma_walk_level in uapi/svma.h. */
struct svma_core_level {
	svma_u64 table;
	svma_u64 entry;
	svma_u64 target;
	svma_u32 level;
	svma_u32 index;
	svma_u32 kind;
	svma_u32 flags;
	svma_u32 swap_type;
	svma_u32 reserved;
};

/**
 * struct svma_core_way - the entries from the root down to an address
 * @count: how many of @level are filled in
 * @allowed: what all levels together allow: SVMA_PTE_WRITE, EXEC and USER; 0 when nothing is mapped, or the processor
 *	is kept away
 * @page_shift: of the last entry
 * @reserved: 0
 */
struct svma_core_way {
	svma_u32 count;
	svma_u32 allowed;
	svma_u32 page_shift;
	svma_u32 reserved;
	struct svma_core_level level[SVMA_CORE_TABLE_LEVELS];
};

/* struct svma_page_run in uapi/svma.h. */
struct svma_core_run {
	svma_u64 start;
	svma_u64 target;
	svma_u32 count;
	svma_u32 flags;
	svma_u16 swap_type;
	svma_u8 kind;
	svma_u8 page_shift;
	svma_u32 reserved;
};

/* struct svma_page_sum in uapi/svma.h, behind its first three fields. */
struct svma_core_sum {
	svma_u64 present;
	svma_u64 anon;
	svma_u64 file;
	svma_u64 shmem;
	svma_u64 zero;
	svma_u64 special;
	svma_u64 swap;
	svma_u64 migration;
	svma_u64 hwpoison;
	svma_u64 device;
	svma_u64 marker;
	svma_u64 bad;
	svma_u64 protnone;
	svma_u64 writable;
	svma_u64 accessed;
	svma_u64 dirty;
	svma_u64 soft_dirty;
	svma_u64 uffd_wp;
	svma_u64 huge_2m;
	svma_u64 huge_1g;
	svma_u64 tables[SVMA_CORE_TABLE_LEVELS];
};

/* struct svma_page_sum in uapi/svma.h: what is mapped in [start, end). */
struct svma_core_range_sum {
	svma_u64 start;
	svma_u64 end;
	svma_u64 vma_flags;
	struct svma_core_sum sum;
};

/**
 * struct svma_core_walk - a walk over a range, part by part; the caller sets the first two and clears the rest
 * @next: bytes, where to go on; the page that holds it
 * @end: bytes, exclusive, rounded up to a page
 * @entries: entries looked at so far
 * @tables: tables met so far by level - 1, each once
 * @below: by level - 1: what lies below this, bytes, is in a table that was met already
 */
struct svma_core_walk {
	svma_u64 next;
	svma_u64 end;
	svma_u64 entries;
	svma_u64 tables[SVMA_CORE_TABLE_LEVELS];
	svma_u64 below[SVMA_CORE_TABLE_LEVELS];
};

/**
 * svma_core_find_way - the entries from the root down to @addr
 * @most: so many of them, where the tables below may not be looked at; ~0: all
 *
 * Context of this and the next two: mmap_lock held for reading and interrupts off, from before the root is read until
 * the return, and what is looked at is in VMAs, or else tables are freed after all processors had interrupts on: a
 * table that was reached stays memory. Entries may change at any time, whatever is read is bounded by
 * @pgtable->levels, and what they hold is believed to lead to memory only as far as svma_os_table() does.
 */
void svma_core_find_way(const struct svma_pgtable *pgtable, svma_u64 addr, svma_u32 most, struct svma_core_way *out);

/**
 * svma_core_runs - what is mapped from walk->next on
 * @walk: walk->next reaches walk->end when all is told, and is behind it when the last entry maps more than was asked
 *	for; likewise the first one may begin below walk->next
 * @budget: ends after about so many entries, whether or not walk->end is reached
 * @out: runs[0] .. runs[*count - 1] are there already, and the last of them is continued when the first new entry does
 * @count: in and out
 * @room: how many fit; ends when there is none left
 */
void svma_core_runs(const struct svma_pgtable *pgtable, struct svma_core_walk *walk, svma_u32 budget,
		    struct svma_core_run *out, svma_u32 *count, svma_u32 room);

/**
 * svma_core_sum_up - sum up ranges, from walk->next on, which is in the first of them or below; an entry that also maps
 *	what is outside of one counts only as far as it is inside
 * @walk: walk->next reaches the end of each; walk->end is set
 * @range: one after the other in the address space, with sums to which to add; neighbours cost least
 * @count: of them, not 0
 * Return: how many are complete.
 */
svma_u32 svma_core_sum_up(const struct svma_pgtable *pgtable, struct svma_core_walk *walk, svma_u32 budget,
			  struct svma_core_range_sum *range, svma_u32 count);

/**
 * svma_core_verify - check every invariant of the shadow, and of its part in reverse mapping what can be told without
 *	the others'
 * @what: name of the first one that does not hold, at most @size bytes with the terminating zero
 * @where: vm_start of the node concerned
 * Return: 0 or -EINVAL.
 */
int svma_core_verify(const struct svma_shadow *shadow, char *what, unsigned long size, svma_u64 *where);

#ifdef __cplusplus
}
#endif

#endif
