/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the shim share.
 *
 * Objects: a *session* is an open /dev/svma or debugfs itself; it owns *tracked* mms; each has one
 * *shadow*, which belongs to the core.
 *
 * Locks, outermost first:
 *   mmap_lock of the live mm   held by whoever runs a probed function; taken by this module by trylock only:
 *                              for writing to load a layout, in parts, else for reading
 *   svma_admin                 mutex: track, untrack, close, the worker, journals of ended mms; process context
 *   svma_table_lock            spinlock: the table of tracked mms and each session's list; any context
 *   tracked->lock              spinlock: shadow, counts, the open operation, journal; any context. Two are taken
 *                              in fork only, the parent's first
 *   session->lock              spinlock: sums and reports; any context
 *   rmap_lock                  spinlock, os_services.c: reverse mapping, which all shadows share; any context
 *   pool->lock, bucket->lock   raw spinlocks, pool.c and calls.c; any context
 * Probe handlers run with preemption off, some with interrupts off; no interrupt handler takes any of
 * these locks. What handlers run takes them by svma_lock() and its likes.
 */
#ifndef SVMA_SHIM_H
#define SVMA_SHIM_H

#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "abi/core_api.h"
#include "compat/compat.h"
#include "uapi/svma.h"

#undef pr_fmt
#define pr_fmt(fmt) "svma: " fmt

/* To a count that is changed under a lock and read without, by whoever wants to know roughly. */
#define svma_add_once(count, n) WRITE_ONCE(count, (count) + (n))

/*
 * A handler that a breakpoint calls, which has not become a jump yet or never does, runs in an exception that counts
 * as NMI (exc_int3(), arch/x86/kernel/traps.c). lockdep then objects to each lock that is held elsewhere, too, since an
 * NMI may have interrupted its holder. This one has not: no probed function is called with one of these spinlocks held,
 * nor by an interrupt handler or a real NMI. So there each lock is a class of its own, as those of kretprobes were
 * (kretprobe_table_lock(), kernel/kprobes.c, v5.10).
 */
static inline int svma_nesting(void)
{
	return in_nmi() ? 2 : 0; /* 0 and SINGLE_DEPTH_NESTING are in use */
}

#define svma_lock(lock) spin_lock_nested(lock, svma_nesting())
#define svma_raw_lock(lock) raw_spin_lock_nested(lock, svma_nesting())

/* --- pool.c: memory that probe handlers can take ------------------------------------------------- */

/**
 * struct svma_pool - free objects of one size, refilled by the worker
 * @name: of the slab cache
 * @size: bytes of an object
 * @align: bytes
 * @target: how many free objects the worker keeps
 * @share: it may have 1/@share of the memory cap and no more; 0: all of it
 * @lock: protects the rest; numbers are also read without
 * @free: chained through their first word
 * @nr_free: their number
 * @nr_total: free and in use
 * @empty: how often an allocation found none
 * @refused: how often the kernel had no memory for one more
 */
struct svma_pool {
	const char *name;
	unsigned int size;
	unsigned int align;
	unsigned int target;
	unsigned int share;
	struct kmem_cache *cache;
	raw_spinlock_t lock;
	void *free;
	unsigned long nr_free;
	unsigned long nr_total;
	unsigned long empty;
	unsigned long refused;
};

extern struct svma_pool svma_vma_pool;
extern struct svma_pool svma_avc_pool;
extern struct svma_pool svma_anon_vma_pool;
extern struct svma_pool svma_file_rmap_pool;
extern struct svma_pool svma_shadow_pool;
extern struct svma_pool svma_tracked_pool;
extern struct svma_pool svma_call_pool;
extern struct svma_pool svma_journal_pool;

int svma_pools_init(void);
void svma_pools_exit(void);
void *svma_pool_alloc(struct svma_pool *pool);
void svma_pool_free(struct svma_pool *pool, void *object);
/* Fill up to @free objects; -ENOSPC at the memory cap, -ENOMEM. Process context. */
int svma_pool_fill(struct svma_pool *pool, unsigned long free);
/* Fill or trim all pools to their targets. Process context. */
void svma_pools_balance(void);
/* Objects handed out. */
static inline unsigned long svma_pool_used(const struct svma_pool *pool)
{
	return READ_ONCE(pool->nr_total) - READ_ONCE(pool->nr_free);
}
/* Times at which a tracked mm's VMA, shadow or record was wanted and none was free. */
unsigned long svma_pools_empty(void);
/* Objects that the kernel had no memory for. */
unsigned long svma_pools_refused(void);
unsigned long svma_memory_used(void);
unsigned long svma_memory_cap(void);

/* --- journal.c: the operations of an mm, in a ring ------------------------------------------------ */

#define SVMA_CHUNK_ENTRIES 11

struct svma_journal_chunk;

/**
 * struct svma_ring - the last entries of one journal
 * @oldest: chunks, chained
 * @newest: the last of them
 * @chunks: their number
 * @used: entries in @newest
 * @held: entries in all chunks
 * @last: number of the newest entry, 0 before the first
 */
struct svma_ring {
	struct svma_journal_chunk *oldest;
	struct svma_journal_chunk *newest;
	unsigned int chunks;
	unsigned int used;
	u64 held;
	u64 last;
};

struct svma_session;
struct svma_tracked;

/* Before the pools are filled. */
void svma_journal_init(void);
void svma_ring_free(struct svma_ring *ring);
/* Write an entry; tracked->lock held. @verdict may be NULL. */
void svma_journal_note(struct svma_tracked *t, const struct svma_op *op, const struct svma_verdict *verdict);
/* One without arguments, about the whole layout: attach, resync, exec. */
void svma_journal_note_whole(struct svma_tracked *t, u32 kind);
void svma_journal_note_fault(struct svma_tracked *t, const struct svma_live_vma *vma);
/* Totals differ: the newest entry is what they differ after. */
void svma_journal_blame(struct svma_tracked *t);
/* Ended mms; svma_admin held. Keep the ring of @t in its session. */
void svma_journal_keep(struct svma_tracked *t);
void svma_journals_drop(struct svma_session *session);
/* False when none of that pid was kept. */
bool svma_journals_forget(struct svma_session *session, pid_t nr);
/* Give kept ones up while the pool runs low. */
void svma_journals_squeeze(void);
/* Answer SVMA_IOC_JOURNAL into @out[@room]. Process context. */
int svma_journal_read(struct svma_session *session, struct svma_journal *arg, struct svma_journal_entry *out,
		      u32 room);
/* The first entry numbered @id or higher. */
bool svma_journal_get(struct svma_tracked *t, u64 id, struct svma_journal_entry *out);
/* A task's number as the caller's namespace sees it; 0 when it does not, or when the task is gone. */
pid_t svma_visible_tid(pid_t nr);

/* --- detail.c: the long part of a report ----------------------------------------------------------- */

/* Addresses kept of a stack; the probe machinery's own are among them. */
#define SVMA_RAW_FRAMES 32
#define SVMA_FRAME_LENGTH 64

/**
 * struct svma_detail - what one report knows beyond its svma_divergence
 * @tid: the task that did the operation
 * @predicted: how many of @predicted_map are filled in
 * @observed: how many of @observed_map are filled in
 * @frames: how many of @stack are filled in
 */
struct svma_detail {
	pid_t tid;
	u32 predicted;
	u32 observed;
	u32 frames;
	char task[TASK_COMM_LEN];
	struct svma_extent predicted_map[SVMA_REPORT_EXTENTS];
	struct svma_extent observed_map[SVMA_REPORT_EXTENTS];
	unsigned long stack[SVMA_RAW_FRAMES];
};

/* Any context; @scene may be NULL. */
void svma_detail_fill(struct svma_detail *detail, const struct svma_scene *scene);
/* The stack in words, innermost first, without the probe machinery; returns the number of lines. */
unsigned int svma_detail_stack(const struct svma_detail *detail, char (*out)[SVMA_FRAME_LENGTH], unsigned int room);

/* --- durations.c: for how long things took -------------------------------------------------------- */

#define SVMA_DURATION_BUCKETS 33

/**
 * struct svma_durations - what one processor has counted
 * @bucket: those below 1 << index nanoseconds and not below half of that; the last one has all that are longer
 * @longest: nanoseconds
 */
struct svma_durations {
	u64 bucket[SVMA_DURATION_BUCKETS];
	u64 longest;
};

struct seq_file;

/* Of handlers about a tracked mm: with its lock, and waiting for that. */
DECLARE_PER_CPU(struct svma_durations, svma_handled);
/* The mmap_lock of a target, by this module; not by handlers, which run under the target's own. */
DECLARE_PER_CPU(struct svma_durations, svma_mmap_lock_held);

void svma_durations_init(void);
/* A handler stays on its processor and reads the TSC alone: sched_clock() costs ten times as much. */
u64 svma_cycles_to_ns(u64 cycles);
/* Each kind is added to either in handlers or elsewhere. */
void svma_duration_add(struct svma_durations __percpu *to, u64 ns);
void svma_durations_show(struct seq_file *m, const char *name, struct svma_durations __percpu *durations);

/* --- session.c ----------------------------------------------------------------------------------- */

#define SVMA_MAX_REPORTS 256

/* Operations after which a reader in poll() is woken. */
#define SVMA_BURST 64

/* How often chains of anon_vmas were compared: see struct svma_verdict. */
struct svma_rmap_counts {
	atomic64_t compared;
	atomic64_t equal;
	atomic64_t cut;
	atomic64_t unsure;
};

/**
 * struct svma_session - one owner of tracked mms
 * @ref: the file, and each tracked mm
 * @owner: thread group that opened it
 * @children: track what the owner's children exec
 * @children_flags: SVMA_TRACK_ flags for these
 * @tracked: its mms; svma_table_lock
 * @kept: journals of its ended mms, oldest first; svma_admin
 * @nr_kept: their number
 * @closing: nothing is kept any more; svma_admin
 * @lock: protects all below
 * @ended: counts of mms that are gone
 * @ended_facts: likewise their facts by kind
 * @reports: the first SVMA_MAX_REPORTS are kept
 * @details: of each of @reports
 * @structure_compared: nodes of the kernel's own tree, any context
 * @structure_equal: of these
 * @rmap: of chains of anon_vmas, any context
 * @structure_differs: the first difference is in the two corners
 * @events: operations and changes of the set since the last SVMA_IOC_LIST
 */
struct svma_session {
	struct kref ref;
	struct list_head node;
	struct pid *owner;
	bool children;
	u32 children_flags;
	bool agreed;
	struct list_head tracked;
	struct list_head kept;
	unsigned int nr_kept;
	bool closing;

	spinlock_t lock;
	struct svma_counts ended;
	u64 ended_facts[SVMA_FACT_COUNT];
	u64 missed;
	u64 tracked_ever;
	struct svma_divergence *reports;
	struct svma_detail *details;
	unsigned int nr_reports;
	u64 lost_reports;
	atomic64_t structure_compared;
	atomic64_t structure_equal;
	struct svma_rmap_counts rmap;
	bool structure_differs;
	u64 structure_mm_id;
	struct svma_corner predicted_corner;
	struct svma_corner observed_corner;
	unsigned long events;
	wait_queue_head_t wait;
};

struct svma_session *svma_session_create(void);
/* Untracks all; the memory goes with the last reference. */
void svma_session_close(struct svma_session *session);
void svma_session_put(struct svma_session *session);
void svma_session_sum(struct svma_session *session, struct svma_counts *out);
void svma_session_facts(struct svma_session *session, u64 *sum);
void svma_facts_add(u64 *to, const u64 *from);
void svma_counts_add(struct svma_counts *to, const struct svma_counts *from);

extern struct list_head svma_sessions; /* svma_table_lock; readers also under RCU */
extern struct svma_counts svma_ended_counts; /* of closed sessions; svma_admin */
extern u64 svma_ended_facts[SVMA_FACT_COUNT]; /* likewise */

/* --- calls.c: system calls that are going on ------------------------------------------------------- */

/**
 * struct svma_call_entry - one task inside one system call
 * @node: in its bucket
 * @task: the task
 * @mm: the address space it works on; NULL when that is known only at the release of the lock
 * @applied: the whole call was applied as one operation
 * @policy_seen: an mbind has come to the first VMA, and
 * @policy: the digest of what it wants is known
 * @call: what the core makes of it
 */
struct svma_call_entry {
	struct hlist_node node;
	struct task_struct *task;
	const struct mm_struct *mm;
	bool applied;
	bool policy_seen;
	unsigned int policy;
	struct svma_call call;
};

void svma_calls_init(void);
void svma_calls_exit(void);
/* NULL when the pool is empty. Any context. */
struct svma_call_entry *svma_call_begin(struct mm_struct *mm, const struct svma_call *call);
void svma_call_finish(struct svma_call_entry *entry);
/* What the current task is doing to @mm, or NULL. Any context. */
struct svma_call_entry *svma_call_current(const struct mm_struct *mm);

/* --- tracked.c: the table ------------------------------------------------------------------------ */

/* Milliseconds for which whoever needs the mmap_lock of a target tries to get it before giving up for now. */
#define SVMA_LOCK_PATIENCE 2000

/*
 * Nanoseconds for which it is held in one go, but for the last step; also for how long nothing else may run. There is
 * hold_us (tracked.c) for who is never at rest, and SVMA_HOLD_SHAPE (chardev.c) for two trees at one moment.
 */
#define SVMA_HOLD_NS (200 * NSEC_PER_USEC)

/* Stacks that may grow at the same time; more are too much to keep track of. */
#define SVMA_MAX_GROWN 8

/* A stack that has grown under mmap_lock held for reading. */
struct svma_growth {
	u64 vma_start; /* before */
	u64 address;
	s64 result;
	struct svma_rlimits rlimits; /* at the entry */
};

/**
 * struct svma_tracked - one tracked mm
 * @hash: in the table, by @mm; RCU
 * @all: with all others that are in the table; RCU
 * @node: in session->tracked, or in the list of the dead
 * @ref: the table, and each reader
 * @mm: the live mm; its memory is pinned (mm_count), its contents are not
 * @id: never reused
 * @pid: thread group leader, NULL until fork is through
 * @resyncs_failed: how often in a row, since it was never at rest; the worker's, as is the next
 * @resync_after: jiffies; not before, after one that has failed
 * @lock: protects all below; what tells that something is going on is also read without, by svma_os_rmap_settled(),
 *	and so written by WRITE_ONCE(): one is on before the one before it goes off
 * @handled_since: when the handler that holds @lock began to wait for it; cycles of the TSC
 * @shadow: NULL before the first load
 * @switches: svma_switches() before it was loaded
 * @op: the operation that is open; written only by the holder of mmap_lock for writing
 * @op_id: number of @op, so that a late return probe does not close another one
 * @op_open: @op has begun and not ended
 * @forking: dup_mmap() has not copied the layout yet
 * @announced: an operation ended since the write lock was taken
 * @unmapping: op_id of an unmap that goes on under the read lock, else 0
 * @setup_stack: exec is between setup_arg_pages() and the release of the lock
 * @starting: fork or exec has not finished the layout yet
 * @begin_ns: when @op, or the fork that makes this mm, began; CLOCK_MONOTONIC
 * @ring: the journal
 * @ring_moved: the journal is in the session now
 * @forgotten: untracked on request: no journal is kept; svma_admin
 * @growing: stacks that grow just now under mmap_lock held for reading (5.10)
 * @guarding: VMAs that are being marked just now under their own locks
 * @settling: what is over for the live side is being done to the shadow; set before, cleared after
 * @faulting: first faults that are going on just now
 * @fault_seq: raised when one begins or ends
 * @beside_unmap: an unmap that went on under that lock, too, has ended meanwhile
 * @nr_grown: how many are in @grown
 * @grown: that have grown meanwhile, not applied yet
 * @parent_mm: of a fork that is going on, else NULL; to look up, not to follow
 * @fork_verdict: of a fork that is going on, not counted yet
 */
struct svma_tracked {
	struct hlist_node hash;
	struct list_head all;
	struct list_head node;
	struct rcu_head rcu;
	struct kref ref;
	struct mm_struct *mm;
	struct svma_session *session;
	u64 id;
	u32 flags;
	struct pid *pid;
	char comm[TASK_COMM_LEN];
	struct dentry *dir;
	unsigned int resyncs_failed;
	unsigned long resync_after;

	spinlock_t lock;
	u64 handled_since;
	struct svma_shadow *shadow;
	enum svma_health health;
	unsigned int switches;
	bool listed;
	u64 seq;
	struct svma_counts counts;
	u64 facts[SVMA_FACT_COUNT];
	struct svma_op op;
	u64 op_id;
	bool op_open;
	bool announced;
	bool forking;
	u64 unmapping;
	bool setup_stack;
	bool starting;
	u64 begin_ns;
	struct svma_ring ring;
	bool ring_moved;
	bool forgotten;
	unsigned int growing;
	unsigned int guarding;
	bool settling;
	unsigned int faulting;
	u64 fault_seq;
	bool beside_unmap;
	unsigned int nr_grown;
	struct svma_growth grown[SVMA_MAX_GROWN];
	struct mm_struct *parent_mm;
	struct svma_verdict fork_verdict;
};

extern spinlock_t svma_table_lock;
extern struct svma_rmap *svma_rmap; /* what all shadows share */
/* mms that are inside exit_mmap(): their shadows have left already, the live VMAs go one by one. */
extern atomic_t svma_exiting;
extern struct mutex svma_admin;
extern atomic_t svma_nr_tracked;
extern u64 svma_tracked_ever;

/**
 * struct svma_reading - the mm that is read in parts, between which the lock is given up; svma_admin: one at a time
 * @mm: NULL: none
 * @reader: whose own holds of the lock are no changes
 * @changes: raised by handlers before whoever changes @mm gives the lock up
 */
struct svma_reading {
	const struct mm_struct *mm;
	const struct task_struct *reader;
	atomic_t changes;
};

extern struct svma_reading svma_reading;

/* What must be the same at all parts; at the last one the canaries must sing, too. */
struct svma_moment {
	int changes;
	unsigned int switches;
	u64 missed;
};

/* With svma_admin; a moment is taken with the lock held. */
void svma_reading_begin(struct mm_struct *mm);
void svma_reading_end(void);
struct svma_moment svma_this_moment(void);
bool svma_changed_since(const struct svma_moment *before);

extern u64 svma_loads_restarted; /* since the mm changed between two parts; svma_admin */
extern u64 svma_loads_given_up; /* since it always did; svma_admin */

/* The current task changes @mm, whether or not that is tracked. Any context. */
static inline void svma_note_change(const struct mm_struct *mm)
{
	if (unlikely(READ_ONCE(svma_reading.mm) == mm) && current != svma_reading.reader)
		atomic_inc(&svma_reading.changes);
}

int svma_tracked_init(void);
void svma_tracked_exit(void);
/* Under RCU. */
struct svma_tracked *svma_find_rcu(const struct mm_struct *mm);
/* With a reference, or NULL. Process context. */
struct svma_tracked *svma_tracked_get(u64 id);
void svma_tracked_put(struct svma_tracked *t);
/* Every one in the table, one after the other; NULL: the first. svma_admin held, until the last. Process context. */
struct svma_tracked *svma_tracked_next(struct svma_tracked *after);
/* From the pools, with an empty shadow, in no table; NULL when they are empty. Any context. */
struct svma_tracked *svma_tracked_alloc(struct mm_struct *mm, struct svma_session *session);
void svma_tracked_discard(struct svma_tracked *t);
/* Into the table; -EBUSY if the mm is there already. Any context. */
int svma_tracked_publish(struct svma_tracked *t);
/* Out of the table, for the worker to bury. Any context; idempotent. */
void svma_tracked_retire(struct svma_tracked *t, bool ended);
/* Bury all that were retired. svma_admin held. */
void svma_bury(void);
/* Attach a running process. svma_admin held. */
int svma_attach(struct svma_session *session, struct mm_struct *mm, struct pid *tgid, u32 flags, u64 *id);
int svma_resync(struct svma_tracked *t);

/* --- live_mm.c ------------------------------------------------------------------------------------ */

/*
 * Take mmap_lock for reading, for as long as SVMA_LOCK_PATIENCE by trylock alone: the target is never made to wait.
 * -EBUSY, -EINTR. Process context; what holds it does not sleep, nor is anything else run.
 */
int svma_live_read_lock(struct mm_struct *mm, u64 *since);
void svma_live_read_unlock(struct mm_struct *mm, u64 since);
void svma_live_read(struct vm_area_struct *vma, struct svma_live_vma *out);
void svma_live_file(struct file *file, struct svma_live_vma *out);
u64 svma_live_file_bits(struct file *file); /* SVMA_FILE_ bits */
/* What bounds the choice of an address in @mm for a system call of this kind by a task of this personality. */
void svma_live_placement(const struct mm_struct *mm, bool compat, unsigned int personality,
			 struct svma_placement *out);
/* What bounds a search in @mm by a program of @personality; the caller holds a user of it (mm_users). */
void svma_live_limits(const struct mm_struct *mm, unsigned int personality, struct svma_limits *out);

/* --- live_pgtable.c: page tables; the caller keeps the mm_struct ---------------------------------------- */

/* The way down to @addr, and the VMA there. -ESRCH, -EBUSY, -EINTR. Process context. */
int svma_live_way(struct mm_struct *mm, u64 addr, struct svma_core_way *out, struct svma_walk *answer);
/*
 * Answer SVMA_IOC_PAGES for [start, end) of @arg, which is checked, into @records[@room], which are cleared. Likewise.
 */
int svma_live_pages(struct mm_struct *mm, struct svma_pages *arg, void *records, u32 room);

/* --- probes.c: the table; handlers.c: what they do ---------------------------------------------- */

/**
 * struct svma_probe_entry - one row of the probe table
 * @symbol: function of the kernel
 * @role: what it tells, for people
 * @required: without it the module does not load
 * @pre: handler at entry, for a plain kprobe
 * @entry: handler at entry, for a return probe
 * @ret: handler at return
 */
struct svma_probe_entry {
	const char *symbol;
	const char *role;
	bool required;
	int (*pre)(struct kprobe *kp, struct pt_regs *regs);
	int (*entry)(struct kretprobe_instance *ri, struct pt_regs *regs);
	int (*ret)(struct kretprobe_instance *ri, struct pt_regs *regs);

	bool found;
	bool armed;
	atomic64_t hits;
	union {
		struct kprobe kp;
		struct kretprobe rp;
	};
};

/* What a return probe remembers from the entry: the operation it opened, or the one it is a part of. */
struct svma_return_data {
	struct mm_struct *mm;
	u64 op_id;
	u64 outer_id;
	u64 tracked_id; /* of whom the entry counted in */
	struct vm_area_struct *vma;
	struct svma_call_entry *call;
	u64 search[8];
	struct svma_growth growth;
	u64 start;
	u64 fault_seq;
};

extern struct svma_probe_entry svma_probe_table[];
extern unsigned int svma_nr_probes;

/* Once: drops the rows that are for other kernels. */
void svma_probes_init(void);
int svma_probes_arm(void);
void svma_probes_disarm(void);
u64 svma_probe_missed(const struct svma_probe_entry *entry);
u64 svma_probes_missed(void);

/* --- selftest.c: are the probes alive? ----------------------------------------------------------- */

int svma_canary_arm(void);
void svma_canary_disarm(void);
/* Calls a private function of each kind; false when the probes of one did not fire. Process context. */
bool svma_canary_sings(void);
extern atomic64_t svma_canary_failures;
/* Somebody switches kprobes or ftrace off or on; any context. */
void svma_switch_begins(void);
void svma_switch_ends(void);
/* Another number after each of the two. */
unsigned int svma_switches(void);
/* Is one between the two? */
bool svma_switching(void);

/* --- worker.c: what handlers may not do ---------------------------------------------------------- */

/*
 * Nobody is told that a shadow is clean when probes missed something or went silent since the worker last looked.
 * Before a question: svma_watch_now() looks, and takes svma_admin. Where that can't be taken, since debugfs waits
 * under it for readers, svma_unnoticed() says whether there is anything.
 */
bool svma_unnoticed(void);
/* Are probes silent, as the worker knows, or may they have become so since it looked? Any context. */
bool svma_unsettled(void);
void svma_watch_now(void);

int svma_worker_start(void);
void svma_worker_stop(void);
/* Any context. */
void svma_worker_kick(void);

/* --- report.c ------------------------------------------------------------------------------------- */

void svma_report_init(void);
/* Count a verdict and keep its mismatches; tracked->lock held. */
void svma_account(struct svma_tracked *t, const struct svma_op *op, const struct svma_verdict *verdict);
/* Likewise, of further answers about @op, which has been counted or changes nothing. */
void svma_account_answers(struct svma_tracked *t, const struct svma_op *op, const struct svma_verdict *verdict);
void svma_suspect(struct svma_tracked *t);
/* Of all sessions since the module was loaded. */
extern atomic64_t svma_structure_compared;
extern atomic64_t svma_structure_equal;
extern struct svma_rmap_counts svma_rmap_counts;
/* An identity that can be shown: equal for equal pointers, and says nothing about the address. */
u64 svma_hash(u64 identity);
void svma_record(const struct svma_node *node, struct svma_vma *out);
void svma_fill_mm(struct svma_tracked *t, const struct svma_session *asking, struct svma_mm *out);
extern const char *const svma_operation_names[SVMA_OP_COUNT];
extern const char *const svma_health_names[];
const char *svma_field_name(u32 field);

/* --- chardev.c, debugfs.c ------------------------------------------------------------------------ */

int svma_chardev_init(void);
void svma_chardev_exit(void);
/* Resolve a pid of the caller's namespace and track it; svma_admin not held. */
int svma_track_pid(struct svma_session *session, pid_t nr, u32 flags, u64 *id);
int svma_untrack_id(struct svma_session *session, u64 id);
/* The tracked mm of a process, with a reference, or NULL. */
struct svma_tracked *svma_tracked_of_pid(pid_t nr);

int svma_debugfs_init(void);
void svma_debugfs_exit(void);
/* Make and remove the directories of mms; svma_admin held. */
void svma_debugfs_update(void);
void svma_debugfs_remove_mm(struct svma_tracked *t);

#endif
