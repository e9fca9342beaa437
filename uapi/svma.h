/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The interface of /dev/svma.
 *
 * Rules: fixed-width types only, every hole is an explicit reserved field that must be zero, structures
 * and enumerations only ever grow at the end, a changed meaning gets a new number. Each argument structure
 * begins with its own size, so that an older caller keeps working against a newer module.
 *
 * Units: addresses and lengths are bytes, ranges are half-open [start, end), vm_pgoff and all *_vm counters
 * are pages. Process ids are those of the caller's pid namespace.
 *
 * Errors common to all ioctls: -EFAULT (bad pointer), -EINVAL (size, flags or a reserved field),
 * -ENOTTY (unknown request), -EPROTO (SVMA_IOC_VERSION was not called with a matching version first).
 */
#ifndef _UAPI_SVMA_H
#define _UAPI_SVMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SVMA_ABI_VERSION 1u

/* Name of the device node and of the debugfs directory. */
#define SVMA_DEVICE "/dev/svma"
#define SVMA_DEBUGFS "/sys/kernel/debug/svma"

/* No node: the parent of a root, a neighbour that does not exist. Never a valid vm_start. */
#define SVMA_NONE (~(__u64)0)

/* How much an answer about a tracked mm can be trusted. */
enum svma_health {
	SVMA_CLEAN = 0,		/* every operation was seen and applied */
	SVMA_SUSPECT = 1,	/* something was missed; a resync is due */
	SVMA_RESYNCING = 2,	/* being rebuilt from the live side */
	SVMA_GONE = 3,		/* the mm was torn down */
	SVMA_STARTING = 4,	/* fork or exec has begun and the layout is not complete yet */
};

/* Operations: one entry into mm code that changes an address space. */
enum svma_operation {
	SVMA_OP_NONE = 0,
	SVMA_OP_ATTACH = 1,		/* layout taken over from the live side */
	SVMA_OP_MMAP = 2,
	SVMA_OP_MUNMAP = 3,
	SVMA_OP_BRK = 4,
	SVMA_OP_MPROTECT = 5,
	SVMA_OP_MREMAP_MOVE = 6,
	SVMA_OP_MREMAP_EXPAND = 7,	/* growth in place */
	SVMA_OP_MLOCK = 8,		/* mlock, munlock, mlockall, munlockall */
	SVMA_OP_MODIFY = 9,		/* userfaultfd: attributes of a range */
	SVMA_OP_STACK_GROWTH = 10,
	SVMA_OP_INSERT = 11,		/* special mappings and the first stack of an exec */
	SVMA_OP_STACK_SHIFT = 12,	/* exec moves the finished stack down */
	SVMA_OP_FORK = 13,
	SVMA_OP_EXIT = 14,
	SVMA_OP_ANON_VMA = 15,		/* first anonymous fault gave the VMA an anon_vma */
	SVMA_OP_OTHER = 16,		/* no probe said why the live side changed; or prctl(PR_SET_MEMORY_MERGE) */
	SVMA_OP_EXEC = 17,		/* an empty address space was made for a new program */
	SVMA_OP_MADVISE = 18,		/* advice that changes vm_flags, over the whole range of the call */
	SVMA_OP_MBIND = 19,
	SVMA_OP_SEARCH = 20,		/* vm_unmapped_area(): where would it fit? Changes nothing */
	SVMA_OP_CLEAR_REFS = 21,	/* soft-dirty marks taken off through /proc/PID/clear_refs */
	SVMA_OP_MSEAL = 22,
	SVMA_OP_COUNT = 24,		/* room in arrays; not an operation */
};

/*
 * SVMA_IOC_VERSION - agree on the interface; first call on every descriptor.
 *
 * The caller puts in its SVMA_ABI_VERSION, the module answers with its own.
 * -EPROTO when they differ (the answer is filled in all the same).
 */
struct svma_version {
	__u32 size;
	__u32 abi;
	__u32 features;		/* out: SVMA_FEATURE_ */
	__u32 reserved;
	char module[32];	/* out, version of the module */
	char kernel[64];	/* out, release the module was built for */
};

/* svma_version.features */
#define SVMA_FEATURE_HOLES 1u	/* page tables where there is no VMA are looked at, too */

/* svma_track.flags */
#define SVMA_TRACK_DESCENDANTS 1u	/* follow fork and vfork, too */
#define SVMA_TRACK_CHILDREN 2u		/* pid must be 0: what the caller's own children exec from now on */

/*
 * SVMA_IOC_TRACK - track a process until the descriptor is closed, it is untracked or it ends.
 *
 * A running process is attached: its layout is taken over in parts, each under mmap_lock held for writing for 0.2 ms,
 * or for the module's parameter hold_us if the layout changes too often, and taken only by trylock. From its next
 * exec on the process is followed from an empty address space.
 *
 * -ESRCH no such process; -EINVAL a kernel thread (it has no address space); -EBUSY already tracked;
 * -ENOSPC the memory cap is reached; -EAGAIN the live side was never free to be read, or changed each
 * time while it was; -ENOMEM.
 */
struct svma_track {
	__u32 size;
	__u32 flags;
	__s32 pid;
	__u32 reserved;
	__u64 mm_id;		/* out, 0 with SVMA_TRACK_CHILDREN */
};

/* SVMA_IOC_UNTRACK - stop tracking; by mm_id, or by pid when mm_id is 0. -ENOENT when not tracked. */
struct svma_untrack {
	__u32 size;
	__u32 flags;		/* 0 */
	__s32 pid;
	__u32 reserved;
	__u64 mm_id;
};

/* What was counted, for one mm, one descriptor or the whole module. */
struct svma_counts {
	__u64 operations;	/* applied to a shadow */
	__u64 compared;		/* single answers compared inside the module: VMAs and totals */
	__u64 equal;
	__u64 divergent;
	__u64 unmodelled;	/* operations adopted without a prediction */
	__u64 missed;		/* probes or returns known to be lost */
	__u64 resyncs;
	__u64 facts;		/* inputs read from the live side because they can't be computed */
	__u64 by_operation[SVMA_OP_COUNT];
	__u64 unmodelled_by_operation[SVMA_OP_COUNT];
};

/* The mm's own totals, in pages but for map_count. */
struct svma_totals {
	__u64 map_count;
	__u64 total_vm;
	__u64 data_vm;
	__u64 exec_vm;
	__u64 stack_vm;
	__u64 locked_vm;
};

/* svma_mm.flags */
#define SVMA_MM_FROM_EXEC 1u	/* followed since the address space was empty */
#define SVMA_MM_DESCENDANTS 2u
#define SVMA_MM_OWNED 4u	/* tracked by the asking descriptor */

/* One tracked mm. Also the answer of SVMA_IOC_MM, asked by mm_id, or by pid when mm_id is 0. -ENOENT. */
struct svma_mm {
	__u32 size;
	__u32 flags;
	__u64 mm_id;		/* never reused while the module is loaded */
	__s32 pid;		/* thread group leader; 0: not visible from here or not known yet */
	__u32 health;		/* enum svma_health */
	__u64 seq;		/* changes with every change of the shadow */
	struct svma_totals totals;
	struct svma_counts counts;
	char comm[16];
};

/*
 * SVMA_IOC_LIST - the tracked mms. count is how many there are, at most capacity are written.
 * Calling it re-arms poll(): a descriptor becomes readable after a burst of operations or when the set
 * of tracked mms changed.
 */
struct svma_list {
	__u32 size;
	__u32 flags;		/* SVMA_LIST_MINE */
	__u32 capacity;
	__u32 count;		/* out */
	__u64 buffer;		/* struct svma_mm[capacity] */
};
#define SVMA_LIST_MINE 1u	/* only what this descriptor tracks */

/* svma_vma.bits */
#define SVMA_VMA_RED 1u			/* colour of the node */
#define SVMA_VMA_HAS_CLOSE 2u		/* vm_ops->close exists: never merged */
#define SVMA_VMA_ANON_SINGULAR 4u	/* exactly one anon_vma_chain */

/* One VMA of a shadow with its place in the tree. */
struct svma_vma {
	__u64 start;
	__u64 end;
	__u64 flags;		/* vm_flags of the running kernel */
	__u64 pgoff;
	__u64 ino;		/* 0: no file */
	__u32 dev;		/* kernel's dev_t: major << 20 | minor */
	__u32 bits;
	__u64 file;		/* identity of the struct file, hashed; 0: none */
	__u64 anon_vma;		/* identity, hashed; 0: none */
	__u64 uffd_ctx;		/* identity, hashed; 0: none */
	__u32 policy;		/* identity of the mempolicy's content; 0: none */
	__u32 anon_name;	/* identity of the name; 0: none */
	__u64 gap;		/* rb_subtree_gap, bytes */
	__u64 parent;		/* vm_start of the parent node, SVMA_NONE at the root */
	__u32 depth;		/* 0 at the root */
	__u32 reserved;
};

/*
 * SVMA_IOC_SNAPSHOT - the layout in address order, from the first VMA that ends above start.
 *
 * One call is one consistent moment (seq). A layout larger than the buffer is continued by calling again
 * with start = end of the last VMA; the whole is consistent when all parts have the same seq.
 * mm_id 0: by pid. -ENOENT.
 */
struct svma_snapshot {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;
	__s32 pid;
	__u32 capacity;		/* records that fit; 0 asks for seq, health and totals only */
	__u64 start;
	__u64 buffer;		/* struct svma_vma[capacity] */
	__u32 count;		/* out: records written */
	__u32 more;		/* out: 1 when VMAs remain above the last record */
	__u32 health;		/* out */
	__u32 busy;		/* out: 1 while an unmap still runs after it gave up the write lock */
	__u64 seq;		/* out */
	struct svma_totals totals;	/* out; the live totals lag behind while busy */
};

/* SVMA_IOC_FIND - find_vma(addr) on the shadow: the first VMA with end > addr, and its neighbour below. */
struct svma_find {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;
	__s32 pid;
	__u32 found;		/* out: bit 0 vma, bit 1 prev */
	__u64 addr;
	__u64 seq;		/* out */
	__u32 health;		/* out */
	__u32 reserved;
	struct svma_vma vma;	/* out */
	struct svma_vma prev;	/* out: last VMA with end <= addr */
};

/*
 * SVMA_IOC_GAP - unmapped_area / unmapped_area_topdown on the shadow.
 * -ENOMEM is an answer, not a failure: result then holds 0 and error holds ENOMEM.
 */
struct svma_gap {
	__u32 size;
	__u32 flags;		/* SVMA_GAP_TOPDOWN */
	__u64 mm_id;
	__s32 pid;
	__u32 error;		/* out: 0 or ENOMEM */
	__u64 length;
	__u64 low_limit;	/* inclusive */
	__u64 high_limit;	/* exclusive */
	__u64 align_mask;	/* alignment - 1, or, as the kernel's callers say it, without the bits in a page */
	__u64 align_offset;
	__u64 result;		/* out */
	__u64 seq;		/* out */
	__u32 health;		/* out */
	__u32 reserved;
};
#define SVMA_GAP_TOPDOWN 1u

/* SVMA_IOC_STATS - of this descriptor (since it was opened, ended mms included) or of the module. */
struct svma_stats {
	__u32 size;
	__u32 flags;		/* SVMA_STATS_MODULE */
	struct svma_counts counts;	/* out */
	__u64 tracked;		/* out: mms now */
	__u64 tracked_ever;	/* out */
	__u64 vmas;		/* out: nodes in use */
	__u64 memory;		/* out: bytes held for shadows and pools */
	__u64 memory_cap;	/* out: bytes, module parameter memory_cap_mb */
	__u64 pool_free;	/* out: preallocated nodes */
	__u64 pool_empty;	/* out: how often a handler found none */
	__u64 canary_failures;	/* out: how often the probes were found disarmed */
};
#define SVMA_STATS_MODULE 1u

/* svma_probe.state */
#define SVMA_PROBE_FOUND 1u
#define SVMA_PROBE_ARMED 2u
#define SVMA_PROBE_REQUIRED 4u
#define SVMA_PROBE_RETURN 8u	/* a return probe */

struct svma_probe {
	char symbol[48];
	char role[32];
	__u32 state;
	__u32 reserved;
	__u64 hits;		/* on tracked mms */
	__u64 missed;
};

/* SVMA_IOC_PROBES - the probe table. count is the table's size, at most capacity are written. */
struct svma_probes {
	__u32 size;
	__u32 flags;		/* 0 */
	__u32 capacity;
	__u32 count;		/* out */
	__u64 buffer;		/* struct svma_probe[capacity] */
};

/* svma_divergence.field: what differs. */
enum svma_field {
	SVMA_FIELD_NONE = 0,
	SVMA_FIELD_LAYOUT = 1,	/* a VMA starts or ends elsewhere, is missing or is too many */
	SVMA_FIELD_FLAGS = 2,
	SVMA_FIELD_PGOFF = 3,
	SVMA_FIELD_FILE = 4,
	SVMA_FIELD_POLICY = 5,
	SVMA_FIELD_UFFD = 6,
	SVMA_FIELD_NAME = 7,
	SVMA_FIELD_MAP_COUNT = 8,
	SVMA_FIELD_TOTAL_VM = 9,
	SVMA_FIELD_DATA_VM = 10,
	SVMA_FIELD_EXEC_VM = 11,
	SVMA_FIELD_STACK_VM = 12,
	SVMA_FIELD_LOCKED_VM = 13,
	SVMA_FIELD_ANON_VMA = 14,
	SVMA_FIELD_ADDRESS = 15,	/* an address search found another address */
	SVMA_FIELD_LOOKUP = 16,		/* vmacache and tree find different VMAs */
	SVMA_FIELD_HIWATER_VM = 17,
	SVMA_FIELD_ARGUMENT = 18,	/* a step got another range or other flags than its system call implies */
	SVMA_FIELD_RESULT = 19,		/* succeeded where failure was predicted, or the reverse */
	SVMA_FIELD_GAP = 20,		/* rb_subtree_gap of the shadow is not what its VMAs imply */
	SVMA_FIELD_STRUCTURE = 21,	/* the kernel's own red-black tree has another shape; see SVMA_IOC_STRUCTURE.
					   Of a VMA: the kernel's maple tree has it under other addresses */
	SVMA_FIELD_CHAIN = 22,		/* of a VMA: other anon_vmas, or another order; values: lengths or positions */
	SVMA_FIELD_ANON_ROOT = 23,	/* of an anon_vma in the chain; values: positions in the chain */
	SVMA_FIELD_ANON_PARENT = 24,	/* likewise */
	SVMA_FIELD_CHILDREN = 25,	/* num_children of one of them */
	SVMA_FIELD_ACTIVE_VMAS = 26,	/* num_active_vmas of one of them */
};

/* One report: an operation after which prediction and live side differed, or that had no prediction. */
struct svma_divergence {
	__u64 mm_id;
	__u64 seq;
	__u64 time_ns;		/* CLOCK_MONOTONIC */
	__s32 pid;
	__u32 operation;	/* enum svma_operation */
	__u32 field;		/* enum svma_field */
	__u32 unmodelled;	/* 1: adopted without a prediction; 0: divergence */
	__s64 result;		/* what the operation returned, 0 if not known */
	__u64 args[8];		/* of the operation */
	__u64 predicted_value;	/* of the field, for counters */
	__u64 observed_value;
	struct svma_vma predicted;	/* start == SVMA_NONE: no VMA there */
	struct svma_vma observed;
	char comm[16];
};

/* SVMA_IOC_DIVERGENCES - the first reports of this descriptor's mms; lost counts those beyond the ring. */
struct svma_divergences {
	__u32 size;
	__u32 flags;		/* 0 */
	__u32 capacity;
	__u32 count;		/* out */
	__u64 buffer;		/* struct svma_divergence[capacity] */
	__u64 lost;		/* out */
};

/* What feeds a prediction without being predicted; the table with the reasons is in kmod/core/replay/facts.hpp. */
enum svma_fact {
	SVMA_FACT_ANON_VMA = 0,		/* which anon_vma the first fault gave, and is its chain singular */
	SVMA_FACT_DRIVER = 1,		/* what a file's ->mmap() made of vm_flags, vm_pgoff, vm_file, vm_ops */
	SVMA_FACT_SHARED_ANON = 2,	/* the shmem file of MAP_SHARED|MAP_ANONYMOUS */
	SVMA_FACT_FORK = 3,		/* identities that fork gives a child: anon_vma, userfaultfd context */
	SVMA_FACT_REMAP_EVENT = 4,	/* did mremap keep the userfaultfd context */
	SVMA_FACT_FAILURE = 5,		/* the kernel failed for a reason outside of the address space */
	SVMA_FACT_SPECIAL = 6,		/* a special mapping: its place and attributes are its creator's choice */
	SVMA_FACT_ADDRESS = 7,		/* an address chosen by a driver or a random draw */
	SVMA_FACT_FILE = 8,		/* access mode, seals and mount options of a mapped file */
	SVMA_FACT_RESOURCE = 9,		/* an rlimit, a sysctl, a capability or prctl() */
	SVMA_FACT_ORDER = 10,		/* who came first of a growing stack and an unmap: hiwater_vm depends on it */
	SVMA_FACT_COUNT = 16,		/* room in arrays */
};

/* SVMA_IOC_FACTS - facts by kind; of this descriptor, or with SVMA_STATS_MODULE of the module. */
struct svma_facts {
	__u32 size;
	__u32 flags;
	__u64 count[SVMA_FACT_COUNT];	/* out, by enum svma_fact */
};

/* One VMA in few bytes. */
struct svma_extent {
	__u64 start;
	__u64 end;
	__u64 flags;		/* vm_flags */
	__u64 pgoff;
	__u64 ino;		/* 0: no file */
	__u32 dev;
	__u32 reserved;
};

#define SVMA_JOURNAL_EXTENTS 4

/* svma_journal.flags */
#define SVMA_JOURNAL_AFTER 1u	/* of this descriptor's mm with the lowest mm_id above the given one */

/* svma_journal_entry.bits */
#define SVMA_JOURNAL_DIVERGED 1u	/* some answer about this operation differed */
#define SVMA_JOURNAL_UNMODELLED 2u	/* adopted without a prediction */
#define SVMA_JOURNAL_CUT 4u		/* more VMAs in [start, end) than are listed */

/* One operation as it was applied, oldest first; for SVMA_OP_SEARCH nothing changed. */
struct svma_journal_entry {
	__u64 id;		/* number of the entry, from 1, without holes */
	__u64 seq;		/* of the shadow, after the operation */
	__u64 begin_ns;		/* CLOCK_MONOTONIC: when the kernel's function was entered ... */
	__u64 end_ns;		/* ... and when the operation was applied to the shadow */
	__s64 result;		/* of the kernel's function; 0 if not known */
	__u64 args[8];		/* as in svma_divergence */
	__u64 predicted;	/* SEARCH: the shadow's answer, 0 for ENOMEM; else 0 */
	__u64 start;		/* what was compared and may have changed: [start, end) */
	__u64 end;
	__s32 tid;		/* the task that did it */
	__u32 operation;	/* enum svma_operation */
	__u32 bits;
	__u32 vmas;		/* how many of vma[] are filled in */
	struct svma_extent vma[SVMA_JOURNAL_EXTENTS];	/* what [start, end) holds afterwards */
	char comm[16];
};

/*
 * SVMA_IOC_JOURNAL - the last operations of an mm, also after its exit until the descriptor that tracked it is
 * closed. mm_id 0: by pid; then the newest mm of that pid. -ENOENT. Entries with id >= from are written;
 * when the ring has dropped some of them, lost says how many.
 */
struct svma_journal {
	__u32 size;
	__u32 flags;		/* SVMA_JOURNAL_AFTER */
	__u64 mm_id;		/* in and out */
	__s32 pid;		/* in and out */
	__u32 capacity;		/* 0 asks for mm_id, pid and lost only; a call writes no more than a few hundred */
	__u64 from;
	__u64 buffer;		/* struct svma_journal_entry[capacity] */
	__u32 count;		/* out: entries written */
	__u32 more;		/* out: 1 when newer ones remain */
	__u64 lost;		/* out */
};

#define SVMA_REPORT_EXTENTS 6
#define SVMA_REPORT_FRAMES 16

/*
 * SVMA_IOC_REPORT - all about one divergence: number index of the descriptor's SVMA_IOC_DIVERGENCES.
 * -ENOENT past the last one. The neighbourhoods are what the comparison saw before it adopted anything.
 */
struct svma_report {
	__u32 size;
	__u32 flags;		/* 0 */
	__u32 index;
	__s32 tid;		/* out */
	__u32 predicted;	/* out: how many of predicted_map[] */
	__u32 observed;		/* out: how many of observed_map[] */
	__u32 frames;		/* out: how many of stack[] */
	__u32 reserved;
	struct svma_divergence divergence;	/* out */
	struct svma_extent predicted_map[SVMA_REPORT_EXTENTS];	/* out */
	struct svma_extent observed_map[SVMA_REPORT_EXTENTS];	/* out */
	char task[16];		/* out: name of the task that did it, at that moment */
	char stack[SVMA_REPORT_FRAMES][64];	/* out: symbol+offset, innermost first; no addresses */
};

/* What a merge asks, in the order in which the kernel asks it. */
enum svma_condition_id {
	SVMA_CONDITION_NEIGHBOUR = 0,	/* there is a VMA on that side */
	SVMA_CONDITION_ADJACENT = 1,	/* it touches; values: end and start */
	SVMA_CONDITION_SPECIAL = 2,	/* none of VM_IO, VM_DONTEXPAND, VM_PFNMAP, VM_MIXEDMAP; values: these flags */
	SVMA_CONDITION_POLICY = 3,
	SVMA_CONDITION_FLAGS = 4,	/* equal but for VM_SOFTDIRTY (and VM_MAYBE_GUARD); values: vm_flags */
	SVMA_CONDITION_FILE = 5,	/* same struct file; values: identities, hashed */
	SVMA_CONDITION_CLOSE = 6,	/* no vm_ops->close; values: 1 where there is one */
	SVMA_CONDITION_UFFD = 7,
	SVMA_CONDITION_NAME = 8,
	SVMA_CONDITION_ANON_VMA = 9,	/* same, or one is missing; values: identities */
	SVMA_CONDITION_SINGULAR = 10,	/* asked where one is missing: the other's chain is singular; values: 1 or 0 */
	SVMA_CONDITION_PGOFF = 11,	/* they continue each other; values: wanted and found, in pages */
	SVMA_CONDITION_ANON_PGOFF = 12,	/* asked of private file mappings: how far indices of anonymous pages are off */
	SVMA_CONDITION_COUNT = 16,	/* room in arrays */
};

/* Values are filled in where there is a neighbour. Next to a hole, what follows ADJACENT is answered, not asked. */
struct svma_condition {
	__u64 lower;		/* value on the lower side; PGOFF: what must follow the lower VMA */
	__u64 upper;
	__u32 asked;		/* 1: this kernel asks it in this situation */
	__u32 held;		/* 1: it holds; all asked ones hold: mergeable */
};

/*
 * SVMA_IOC_WHY - would the VMA at addr merge with its neighbours, and why not. -ENOENT: no such mm;
 * found bit 0 clear: no VMA contains addr.
 */
struct svma_why {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;
	__s32 pid;
	__u32 found;		/* out: bit 0 vma, bit 1 prev, bit 2 next */
	__u64 addr;
	__u64 seq;		/* out */
	__u32 health;		/* out */
	__u32 mergeable;	/* out: bit 0 with prev, bit 1 with next */
	struct svma_vma vma;	/* out */
	struct svma_vma prev;	/* out: the VMA below, touching or not */
	struct svma_vma next;	/* out: the VMA above */
	struct svma_condition with_prev[SVMA_CONDITION_COUNT];	/* out, by enum svma_condition_id */
	struct svma_condition with_next[SVMA_CONDITION_COUNT];	/* out */
};

/*
 * SVMA_IOC_LIMITS - what bounds an address search in this mm, read from the live side at this moment: the
 * arguments that vm_unmapped_area() would get for a system call of the program's own kind, 64-bit or 32-bit.
 * -ENOENT; -ESRCH when the mm is being torn down.
 */
struct svma_limits {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;
	__s32 pid;
	__u32 topdown;		/* out: 1 unless the mm has the legacy layout */
	__u64 low_limit;	/* out: inclusive */
	__u64 high_limit;	/* out: exclusive */
	__u64 fallback_low;	/* out: bottom-up search after a failed one from the top */
	__u64 fallback_high;	/* out; 0: there is no second search */
	__u64 task_size;	/* out: what was found but ends above this is refused */
	__u64 stack_guard_gap;	/* out: bytes */
};

/*
 * SVMA_IOC_SEMANTIC - one choice of the semantics profile in use: how this kernel does what others do in another way.
 * By index from 0; -ENOENT behind the last one. Strings end with a zero.
 */
struct svma_semantic {
	__u32 size;
	__u32 index;
	char profile[16];	/* out */
	char name[48];		/* out */
	char value[32];		/* out */
	char source[96];	/* out: versions and commits */
};

/* A node of a tree, as one side has it; start == SVMA_NONE: there is none. Bytes. */
struct svma_tree_node {
	__u64 start;
	__u64 end;
	__u64 gap;		/* rb_subtree_gap */
	__u32 red;
	__u32 reserved;
};

#define SVMA_CORNER_NODES 4	/* itself, parent, left child, right child */

/*
 * SVMA_IOC_STRUCTURE - how often the kernel's own red-black tree was compared with the shadow's, node by node; of this
 * descriptor, or with SVMA_STATS_MODULE of the module. Where they first differed: both corners of the tree.
 */
struct svma_structure {
	__u32 size;
	__u32 flags;
	__u64 compared;		/* out: nodes, and what holds tree and list */
	__u64 equal;		/* out */
	__u32 has_tree;		/* out: this kernel keeps its VMAs in one */
	__u32 differs;		/* out: the rest is filled in */
	__u64 mm_id;		/* out */
	struct svma_tree_node predicted[SVMA_CORNER_NODES];	/* out */
	struct svma_tree_node observed[SVMA_CORNER_NODES];	/* out */
};

enum svma_tree_kind {
	SVMA_TREE_RED_BLACK = 1,
	SVMA_TREE_MAPLE = 2,
};

/* The nodes of one level of a maple tree. */
struct svma_tree_level {
	__u32 nodes;
	__u32 slots;		/* that they have */
	__u32 used;		/* of these */
	__u32 empty;		/* used for a range without a VMA; leaves only */
};

#define SVMA_TREE_LEVELS 12

/* How deep a tree is, and what it takes. */
struct svma_tree_shape {
	__u32 kind;		/* enum svma_tree_kind */
	__u32 height;		/* nodes on the longest way down; a maple tree's own account of it */
	__u32 vmas;		/* found in it */
	__u32 truncated;	/* not all of it was looked at: its form is another than expected */
	__u64 visited;		/* nodes looked at when each VMA is looked up once, together */
	__u64 bytes;		/* of its nodes, or of the links inside VMAs */
	__u32 levels;		/* found; 0 for a red-black tree */
	__u32 reserved;
	struct svma_tree_level level[SVMA_TREE_LEVELS];	/* the root's first */
};

/*
 * SVMA_IOC_SHAPE - the shadow's tree and the kernel's own, at one moment. -EBUSY when the process never let go of its
 * mmap_lock, -EAGAIN when its layout changed each time meanwhile, -EINTR, -ESRCH when it has ended.
 */
struct svma_shape {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;		/* in: or by pid; out */
	__s32 pid;
	__u32 health;		/* out: enum svma_health */
	__u64 seq;		/* out */
	__u64 length;		/* in: bytes to search for as a plain mmap() does, without its fallback; 0: don't */
	__u64 found;		/* out: where; 0: nowhere */
	__u32 search_visited;	/* out: nodes that the search looked at */
	__u32 map_count;	/* out: the live mm's */
	struct svma_tree_shape shadow;	/* out */
	struct svma_tree_shape live;	/* out */
};

/*
 * SVMA_IOC_RMAP - how often the chain of anon_vmas of a VMA was compared with the shadow's; of this descriptor, or with
 * SVMA_STATS_MODULE of the module.
 */
struct svma_rmap_stats {
	__u32 size;
	__u32 flags;
	__u64 compared;		/* out: VMAs, each as a whole */
	__u64 equal;		/* out */
	__u64 cut;		/* out: of these, chains of which only the beginning was compared */
	__u64 unsure;		/* out: what is counted was not compared, since relatives were busy; after a fork all */
	__u64 anon_vmas;	/* out: of all shadows together, whatever the flags; likewise the next */
	__u64 chain_links;	/* out: anon_vma_chain entries */
	__u64 files;		/* out: that some VMA maps */
	__u32 anon_vma_bytes;	/* out: that one takes; likewise the next */
	__u32 chain_link_bytes;
	__u32 file_bytes;
	__u32 reserved;
};

/* svma_chain_link.bits */
#define SVMA_LINK_OWN 1u	/* vma->anon_vma: what the VMA writes from now on belongs to it */
#define SVMA_LINK_ABROAD 2u	/* VMAs that nobody tracks may count in it */

/*
 * An entry of a VMA's chain: an anon_vma that some of its pages may belong to. An anon_vma is told by a number that the
 * module gave it, never twice; 0 is none.
 */
struct svma_chain_link {
	__u64 start;		/* of the VMA, bytes */
	__u64 end;		/* exclusive */
	__u64 anon_vma;
	__u64 root;		/* itself in a root; likewise the next */
	__u64 parent;
	__u32 bits;
	__u32 refcount;		/* one while a VMA is linked to it, and in a root one for each other of that root */
	__u32 children;		/* num_children: anon_vmas whose parent it is; a root is its own */
	__u32 active_vmas;	/* num_active_vmas: VMAs whose own it is */
};

/*
 * SVMA_IOC_CHAINS - the chains of an mm's VMAs as its shadow has them, by address and in the order of each list.
 * -ENOENT.
 */
struct svma_chains {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;		/* in: or by pid; out */
	__s32 pid;
	__u32 health;		/* out: enum svma_health; not clean: the shadow may follow no reverse mapping */
	__u64 stamp;		/* out: another one whenever the chain of a VMA of this mm may have changed */
	__u64 from;		/* in: VMAs that end above this; out: what to ask for next */
	__u32 skip;		/* in: entries of the first of them to leave out; out: likewise */
	__u32 more;		/* out: 1 when there are more */
	__u32 capacity;		/* a call writes no more than a few hundred */
	__u32 count;		/* out */
	__u32 busy;		/* out: 1 while a change of the live chains goes on that the shadow has not seen yet */
	__u32 reserved;
	__u64 buffer;		/* struct svma_chain_link[capacity] */
};

/* A VMA that may map a page. */
struct svma_sharer {
	__u64 mm_id;		/* SVMA_IOC_LIST knows its pid */
	__u64 start;		/* of the VMA, bytes */
	__u64 end;		/* exclusive */
	__u64 address;		/* where the page would be in it */
};

/* So many are looked for. */
#define SVMA_SHARERS_MOST 65536u

/* svma_sharers.flags */
#define SVMA_SHARERS_FILE 1u	/* a page of the file dev:ino, instead of one of an mm */

/*
 * SVMA_IOC_SHARERS - who may map a page, among those that are tracked by anybody. Of the page at an address of an mm:
 * all that the tree of its anon_vma's root finds; when the VMA maps a file, those that map that page of the file are
 * asked for with a second call, about the dev and ino that the first one returns. -ENOENT: no such mm, or no VMA there;
 * -EAGAIN: the shadow is not clean.
 */
struct svma_sharers {
	__u32 size;
	__u32 flags;
	__u64 mm_id;		/* in: or by pid; out. With SVMA_SHARERS_FILE 0, and pid 0 */
	__s32 pid;
	__u32 dev;		/* in with SVMA_SHARERS_FILE, else out: as in struct svma_vma */
	__u64 ino;		/* likewise; 0: no file */
	__u64 addr;		/* in, without SVMA_SHARERS_FILE: any byte of the page */
	__u64 page;		/* in with SVMA_SHARERS_FILE (SVMA_NONE: any), else out: its number in the file */
	__u64 anon_vma;		/* out: what the VMA's new pages belong to, 0: none */
	__u32 capacity;
	__u32 count;		/* out: written */
	__u64 total;		/* out: there are that many, or more than SVMA_SHARERS_MOST; more than count: not all */
	__u32 abroad;		/* out: 1 when VMAs that nobody tracks may map it, too */
	__u32 reserved;
	__u64 buffer;		/* struct svma_sharer[capacity] */
};

/* What an entry of a page table is. */
enum svma_entry_kind {
	SVMA_ENTRY_NONE = 0,	/* empty */
	SVMA_ENTRY_TABLE = 1,	/* leads to a table of the next level */
	SVMA_ENTRY_PAGE = 2,	/* maps memory, also where PROT_NONE or NUMA hinting keeps the processor away */
	SVMA_ENTRY_ZERO = 3,	/* maps the zero page, or the huge one */
	SVMA_ENTRY_SPECIAL = 4,	/* maps a frame whose struct page, if any, does not count: PFN mappings */
	SVMA_ENTRY_SWAP = 5,
	SVMA_ENTRY_MIGRATION = 6,
	SVMA_ENTRY_HWPOISON = 7,
	SVMA_ENTRY_DEVICE = 8,	/* memory of a device */
	SVMA_ENTRY_MARKER = 9,	/* no page: userfaultfd-wp, poisoned or guard */
	SVMA_ENTRY_BAD = 10,	/* nothing that the kernel writes there */
};

/* Flags of an entry. WRITE, EXEC and USER of an answer about a page are what all levels together allow. */
#define SVMA_PTE_WRITE 1u
#define SVMA_PTE_EXEC 2u	/* not NX */
#define SVMA_PTE_USER 4u
#define SVMA_PTE_ACCESSED 8u
#define SVMA_PTE_DIRTY 16u
#define SVMA_PTE_SOFT_DIRTY 32u	/* also of swapped entries; likewise the next */
#define SVMA_PTE_UFFD_WP 64u
#define SVMA_PTE_PROTNONE 128u	/* PAGE that the processor may not touch */
#define SVMA_PTE_GLOBAL 256u
#define SVMA_PTE_WRITE_THROUGH 512u
#define SVMA_PTE_NO_CACHE 1024u
#define SVMA_PTE_PAT 2048u
#define SVMA_PTE_EXCLUSIVE 4096u	/* SWAP: nobody else has it */
/* Of the page behind a PAGE; none of the three: it is not known, or of no such kind. */
#define SVMA_PTE_ANON 0x10000u
#define SVMA_PTE_FILE 0x20000u	/* the page cache's, shmem included */
#define SVMA_PTE_SHMEM 0x40000u	/* with SVMA_PTE_FILE: counted as MM_SHMEMPAGES */
#define SVMA_PTE_PKEY_SHIFT 24	/* four bits: protection key */

/* Bits of a MARKER: what it marks. */
#define SVMA_MARKER_UFFD_WP 1u
#define SVMA_MARKER_POISONED 2u	/* also what could not be swapped in */
#define SVMA_MARKER_GUARD 4u

#define SVMA_TABLE_LEVELS 5

/* One entry on the way down to an address. */
struct svma_walk_level {
	__u64 table;		/* physical address of the table, bytes */
	__u64 entry;		/* raw */
	__u64 target;		/* a frame's number, of SWAP the offset in its area, of MARKER its bits; else 0 */
	__u32 level;		/* 5 pgd, 4 p4d (or pgd with four levels), 3 pud, 2 pmd, 1 pte */
	__u32 index;		/* in the table */
	__u32 kind;		/* enum svma_entry_kind */
	__u32 flags;		/* SVMA_PTE_, of this entry alone */
	__u32 swap_type;	/* of what is not present: the kernel's number for the kind, or of the swap area */
	__u32 reserved;
};

/*
 * SVMA_IOC_WALK - the page tables of a tracked mm, from the root down to an address, as they are; where there is no
 * VMA, and not SVMA_FEATURE_HOLES, the root's entry alone. -ENOENT: not tracked;
 * -ESRCH: the process has ended; -EBUSY: it never let go of its mmap_lock.
 */
struct svma_walk {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 mm_id;		/* in: or by pid; out */
	__s32 pid;
	__u32 health;		/* out: enum svma_health */
	__u64 addr;		/* in: any byte below the end of user space; -EINVAL */
	__u64 seq;		/* out */
	__u32 table_levels;	/* out: 4 or 5 */
	__u32 count;		/* out: how many of level[] are filled in, the root's first */
	__u32 allowed;		/* out: SVMA_PTE_WRITE, EXEC and USER that all levels together allow; 0: no page */
	__u32 page_shift;	/* out: of the last entry, which maps or could map 1 << page_shift bytes */
	__u64 vma_start;	/* out: the live VMA that contains addr; SVMA_NONE: there is none */
	__u64 vma_end;
	__u64 vma_flags;	/* vm_flags */
	struct svma_walk_level level[SVMA_TABLE_LEVELS];	/* out */
};

/*
 * Neighbouring entries of one kind, with the same flags and size, whose targets follow each other; those of ZERO,
 * MARKER and BAD have the same target.
 */
struct svma_page_run {
	__u64 start;		/* bytes */
	__u64 target;		/* of the first entry, as in svma_walk_level; frames are of 4 KiB */
	__u32 count;		/* entries */
	__u32 flags;		/* SVMA_PTE_, the permissions of all levels together */
	__u16 swap_type;
	__u8 kind;		/* enum svma_entry_kind, neither NONE nor TABLE */
	__u8 page_shift;	/* of one entry: 12, 21 or 30; of BAD also 39, 48 or 57 */
	__u32 reserved;
};

/* svma_pages.flags */
#define SVMA_PAGES_SUMS 1u	/* count what each VMA has instead: buffer is struct svma_page_sum[capacity] */

/* What the page tables hold between the ends of a live VMA. All counts but tables are in pages of 4 KiB. */
struct svma_page_sum {
	__u64 start;
	__u64 end;
	__u64 vma_flags;	/* vm_flags */
	__u64 present;		/* PAGE, of any size: anon + file, and what is neither */
	__u64 anon;
	__u64 file;		/* without shmem */
	__u64 shmem;
	__u64 zero;
	__u64 special;
	__u64 swap;
	__u64 migration;
	__u64 hwpoison;
	__u64 device;
	__u64 marker;
	__u64 bad;
	__u64 protnone;		/* of present */
	__u64 writable;		/* of present, zero and special; likewise down to uffd_wp */
	__u64 accessed;
	__u64 dirty;
	__u64 soft_dirty;
	__u64 uffd_wp;
	__u64 huge_2m;		/* of present and zero; likewise huge_1g */
	__u64 huge_1g;
	__u64 tables[SVMA_TABLE_LEVELS];	/* by level - 1: first met in this VMA or the hole below */
};

/*
 * SVMA_IOC_PAGES - what the page tables of a tracked mm map in [start, end), by address.
 *
 * The target's mmap_lock is taken for reading, by trylock, for a part at a time, so a large range is not one moment:
 * the caller compares seq, and what it reads twice. Runs of holes are told with SVMA_FEATURE_HOLES. A
 * VMA that changed while it was summed up is told in pieces, each as long as it stayed.
 * Errors as SVMA_IOC_WALK; -EINVAL: end is not above start.
 */
struct svma_pages {
	__u32 size;
	__u32 flags;
	__u64 mm_id;		/* in: or by pid; out */
	__s32 pid;
	__u32 health;		/* out: enum svma_health */
	__u64 start;		/* in; out: what to ask for next, end when all was told */
	__u64 end;		/* in: exclusive, SVMA_NONE: all of user space; out: where that ends */
	__u64 seq;		/* out: the shadow's at the last part */
	__u32 capacity;
	__u32 count;		/* out: records written */
	__u32 parts;		/* out: how often the lock was taken */
	__u32 moved;		/* out: VMAs that changed between two parts */
	__u64 longest_ns;	/* out: for how long it was held at most */
	__u64 entries;		/* out: of page tables, looked at */
	/* In and out, by level - 1: tables begun below this are not counted again. 0 at first, then as it came back. */
	__u64 below[SVMA_TABLE_LEVELS];
	__u64 tables[SVMA_TABLE_LEVELS];	/* out, by level - 1: tables met in this call */
	__u64 buffer;		/* struct svma_page_run or svma_page_sum[capacity] */
};

#define SVMA_IOC_MAGIC 0xB6
#define SVMA_IOC_VERSION _IOWR(SVMA_IOC_MAGIC, 0, struct svma_version)
#define SVMA_IOC_TRACK _IOWR(SVMA_IOC_MAGIC, 1, struct svma_track)
#define SVMA_IOC_UNTRACK _IOWR(SVMA_IOC_MAGIC, 2, struct svma_untrack)
#define SVMA_IOC_LIST _IOWR(SVMA_IOC_MAGIC, 3, struct svma_list)
#define SVMA_IOC_MM _IOWR(SVMA_IOC_MAGIC, 4, struct svma_mm)
#define SVMA_IOC_SNAPSHOT _IOWR(SVMA_IOC_MAGIC, 5, struct svma_snapshot)
#define SVMA_IOC_FIND _IOWR(SVMA_IOC_MAGIC, 6, struct svma_find)
#define SVMA_IOC_GAP _IOWR(SVMA_IOC_MAGIC, 7, struct svma_gap)
#define SVMA_IOC_STATS _IOWR(SVMA_IOC_MAGIC, 8, struct svma_stats)
#define SVMA_IOC_PROBES _IOWR(SVMA_IOC_MAGIC, 9, struct svma_probes)
#define SVMA_IOC_DIVERGENCES _IOWR(SVMA_IOC_MAGIC, 10, struct svma_divergences)
#define SVMA_IOC_FACTS _IOWR(SVMA_IOC_MAGIC, 11, struct svma_facts)
#define SVMA_IOC_JOURNAL _IOWR(SVMA_IOC_MAGIC, 12, struct svma_journal)
#define SVMA_IOC_REPORT _IOWR(SVMA_IOC_MAGIC, 13, struct svma_report)
#define SVMA_IOC_WHY _IOWR(SVMA_IOC_MAGIC, 14, struct svma_why)
#define SVMA_IOC_LIMITS _IOWR(SVMA_IOC_MAGIC, 15, struct svma_limits)
#define SVMA_IOC_SEMANTIC _IOWR(SVMA_IOC_MAGIC, 16, struct svma_semantic)
#define SVMA_IOC_STRUCTURE _IOWR(SVMA_IOC_MAGIC, 17, struct svma_structure)
#define SVMA_IOC_SHAPE _IOWR(SVMA_IOC_MAGIC, 18, struct svma_shape)
#define SVMA_IOC_RMAP _IOWR(SVMA_IOC_MAGIC, 19, struct svma_rmap_stats)
#define SVMA_IOC_CHAINS _IOWR(SVMA_IOC_MAGIC, 20, struct svma_chains)
#define SVMA_IOC_SHARERS _IOWR(SVMA_IOC_MAGIC, 21, struct svma_sharers)
#define SVMA_IOC_WALK _IOWR(SVMA_IOC_MAGIC, 22, struct svma_walk)
#define SVMA_IOC_PAGES _IOWR(SVMA_IOC_MAGIC, 23, struct svma_pages)

#endif /* _UAPI_SVMA_H */
