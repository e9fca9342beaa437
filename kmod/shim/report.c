// SPDX-License-Identifier: GPL-2.0-only
/* Counting, and turning the core's records into those of the user interface. */
#include "svma.h"

#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/siphash.h>

static_assert((int)SVMA_CORE_EXEC == (int)SVMA_OP_EXEC);
static_assert((int)SVMA_CORE_OTHER == (int)SVMA_OP_OTHER);
static_assert((int)SVMA_CORE_STACK_SHIFT == (int)SVMA_OP_STACK_SHIFT);
static_assert((int)SVMA_CORE_MODIFY == (int)SVMA_OP_MODIFY);
static_assert((int)SVMA_CORE_CLEAR_REFS == (int)SVMA_OP_CLEAR_REFS);
static_assert((int)SVMA_CORE_MSEAL == (int)SVMA_OP_MSEAL);
static_assert((int)SVMA_CORE_FIELD_GAP == (int)SVMA_FIELD_GAP);
static_assert((int)SVMA_CORE_FIELD_STRUCTURE == (int)SVMA_FIELD_STRUCTURE);
static_assert((int)SVMA_CORE_FIELD_ACTIVE_VMAS == (int)SVMA_FIELD_ACTIVE_VMAS);
static_assert((int)SVMA_CORE_FIELD_ANON_VMA == (int)SVMA_FIELD_ANON_VMA);
static_assert((int)SVMA_CORE_FIELD_MAP_COUNT == (int)SVMA_FIELD_MAP_COUNT);

const char *const svma_operation_names[SVMA_OP_COUNT] = {
	[SVMA_OP_NONE] = "none",
	[SVMA_OP_ATTACH] = "attach",
	[SVMA_OP_MMAP] = "mmap",
	[SVMA_OP_MUNMAP] = "munmap",
	[SVMA_OP_BRK] = "brk",
	[SVMA_OP_MPROTECT] = "mprotect",
	[SVMA_OP_MREMAP_MOVE] = "mremap-move",
	[SVMA_OP_MREMAP_EXPAND] = "mremap-expand",
	[SVMA_OP_MLOCK] = "mlock",
	[SVMA_OP_MODIFY] = "modify",
	[SVMA_OP_STACK_GROWTH] = "stack-growth",
	[SVMA_OP_INSERT] = "insert",
	[SVMA_OP_STACK_SHIFT] = "stack-shift",
	[SVMA_OP_FORK] = "fork",
	[SVMA_OP_EXIT] = "exit",
	[SVMA_OP_ANON_VMA] = "anon-vma",
	[SVMA_OP_OTHER] = "other",
	[SVMA_OP_EXEC] = "exec",
	[SVMA_OP_MADVISE] = "madvise",
	[SVMA_OP_MBIND] = "mbind",
	[SVMA_OP_SEARCH] = "search",
	[SVMA_OP_CLEAR_REFS] = "clear-refs",
	[SVMA_OP_MSEAL] = "mseal",
};

const char *const svma_health_names[] = {
	[SVMA_CLEAN] = "clean",	  [SVMA_SUSPECT] = "suspect",	[SVMA_RESYNCING] = "resyncing",
	[SVMA_GONE] = "gone",	  [SVMA_STARTING] = "starting",
};

const char *svma_field_name(u32 field)
{
	static const char *const names[] = {
		[SVMA_FIELD_NONE] = "none",	      [SVMA_FIELD_LAYOUT] = "layout",
		[SVMA_FIELD_FLAGS] = "flags",	      [SVMA_FIELD_PGOFF] = "pgoff",
		[SVMA_FIELD_FILE] = "file",	      [SVMA_FIELD_POLICY] = "policy",
		[SVMA_FIELD_UFFD] = "userfaultfd",    [SVMA_FIELD_NAME] = "name",
		[SVMA_FIELD_MAP_COUNT] = "map_count", [SVMA_FIELD_TOTAL_VM] = "total_vm",
		[SVMA_FIELD_DATA_VM] = "data_vm",     [SVMA_FIELD_EXEC_VM] = "exec_vm",
		[SVMA_FIELD_STACK_VM] = "stack_vm",   [SVMA_FIELD_LOCKED_VM] = "locked_vm",
		[SVMA_FIELD_ANON_VMA] = "anon_vma",   [SVMA_FIELD_ADDRESS] = "address",
		[SVMA_FIELD_LOOKUP] = "lookup",	      [SVMA_FIELD_HIWATER_VM] = "hiwater_vm",
		[SVMA_FIELD_ARGUMENT] = "argument",   [SVMA_FIELD_RESULT] = "result",
		[SVMA_FIELD_GAP] = "rb_subtree_gap",  [SVMA_FIELD_STRUCTURE] = "structure",
		[SVMA_FIELD_CHAIN] = "anon_vma_chain", [SVMA_FIELD_ANON_ROOT] = "anon_vma.root",
		[SVMA_FIELD_ANON_PARENT] = "anon_vma.parent", [SVMA_FIELD_CHILDREN] = "num_children",
		[SVMA_FIELD_ACTIVE_VMAS] = "num_active_vmas",
	};

	return field < ARRAY_SIZE(names) ? names[field] : "?";
}

static siphash_key_t hash_key __read_mostly;

void svma_report_init(void)
{
	get_random_bytes(&hash_key, sizeof(hash_key));
}

u64 svma_hash(u64 identity)
{
	return identity ? siphash_1u64(identity, &hash_key) : 0;
}

static void record_live(const struct svma_live_vma *vma, struct svma_vma *out)
{
	memset(out, 0, sizeof(*out));
	out->start = vma->start;
	out->end = vma->end;
	out->flags = vma->flags;
	out->pgoff = vma->pgoff;
	out->ino = vma->ino;
	out->dev = vma->dev;
	out->file = svma_hash(vma->file);
	out->anon_vma = svma_hash(vma->anon_vma);
	out->uffd_ctx = svma_hash(vma->uffd_ctx);
	out->policy = vma->policy;
	out->anon_name = vma->anon_name;
	out->parent = SVMA_NONE;
	if (vma->has_close)
		out->bits |= SVMA_VMA_HAS_CLOSE;
	if (vma->anon_singular)
		out->bits |= SVMA_VMA_ANON_SINGULAR;
}

void svma_record(const struct svma_node *node, struct svma_vma *out)
{
	record_live(&node->vma, out);
	out->gap = node->gap;
	out->parent = node->parent;
	out->depth = node->depth;
	if (node->red)
		out->bits |= SVMA_VMA_RED;
}

void svma_fill_mm(struct svma_tracked *t, const struct svma_session *asking, struct svma_mm *out)
{
	struct svma_live_totals totals;

	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	spin_lock(&t->lock);
	out->flags = t->flags | (t->session == asking ? SVMA_MM_OWNED : 0);
	out->mm_id = t->id;
	out->pid = pid_vnr(t->pid);
	out->health = t->health == SVMA_CLEAN && t->starting ? SVMA_STARTING : t->health;
	out->seq = t->seq;
	svma_core_totals(t->shadow, &totals);
	out->counts = t->counts;
	memcpy(out->comm, t->comm, sizeof(out->comm));
	spin_unlock(&t->lock);
	BUILD_BUG_ON(sizeof(totals) < sizeof(out->totals)); /* hiwater_vm is not shown */
	memcpy(&out->totals, &totals, sizeof(out->totals));
}

static void keep_report(struct svma_tracked *t, const struct svma_op *op, const struct svma_mismatch *m,
			const struct svma_verdict *verdict)
{
	struct svma_session *session = t->session;
	struct svma_divergence *d;

	if (session->nr_reports == SVMA_MAX_REPORTS) {
		session->lost_reports++;
		return;
	}
	svma_detail_fill(&session->details[session->nr_reports], verdict->scene);
	d = &session->reports[session->nr_reports++];
	memset(d, 0, sizeof(*d));
	d->mm_id = t->id;
	d->seq = t->seq;
	d->time_ns = ktime_get_mono_fast_ns();
	d->pid = pid_nr(t->pid);
	d->operation = op ? op->kind : SVMA_OP_OTHER;
	d->unmodelled = verdict->unmodelled;
	memcpy(d->comm, t->comm, sizeof(d->comm));
	if (op) {
		d->result = op->result;
		BUILD_BUG_ON(sizeof(d->args) != sizeof(op->args));
		memcpy(d->args, op->args, sizeof(d->args));
	}
	d->predicted.start = SVMA_NONE;
	d->observed.start = SVMA_NONE;
	if (!m)
		return;
	d->field = m->field;
	d->predicted_value = m->predicted_value;
	d->observed_value = m->observed_value;
	if (m->has_predicted)
		record_live(&m->predicted, &d->predicted);
	if (m->has_observed)
		record_live(&m->observed, &d->observed);
}

void svma_suspect(struct svma_tracked *t)
{
	if (t->health == SVMA_CLEAN) {
		t->health = SVMA_SUSPECT;
		svma_core_rmap_leave(t->shadow, 0);
	}
	svma_worker_kick();
}

atomic64_t svma_structure_compared = ATOMIC64_INIT(0);
atomic64_t svma_structure_equal = ATOMIC64_INIT(0);
struct svma_rmap_counts svma_rmap_counts;

static void count_rmap(struct svma_rmap_counts *counts, const struct svma_verdict *verdict)
{
	atomic64_add(verdict->rmap_compared, &counts->compared);
	atomic64_add(verdict->rmap_equal, &counts->equal);
	atomic64_add(verdict->rmap_cut, &counts->cut);
	atomic64_add(verdict->rmap_unsure, &counts->unsure);
}

/* The first one is kept. session->lock held. */
static void keep_structure(struct svma_tracked *t, const struct svma_verdict *verdict)
{
	struct svma_session *session = t->session;

	if (verdict->structure_compared == verdict->structure_equal || session->structure_differs)
		return;
	if (svma_core_structure_differs(t->shadow, &session->predicted_corner, &session->observed_corner))
		return;
	session->structure_differs = true;
	session->structure_mm_id = t->id;
}

static void count(struct svma_tracked *t, const struct svma_verdict *verdict)
{
	unsigned int i;

	BUILD_BUG_ON(SVMA_CORE_FACTS > SVMA_FACT_COUNT);
	t->counts.compared += verdict->compared;
	t->counts.equal += verdict->equal;
	t->counts.divergent += verdict->divergent;
	t->counts.facts += verdict->facts;
	if (verdict->structure_compared) {
		atomic64_add(verdict->structure_compared, &t->session->structure_compared);
		atomic64_add(verdict->structure_equal, &t->session->structure_equal);
		atomic64_add(verdict->structure_compared, &svma_structure_compared);
		atomic64_add(verdict->structure_equal, &svma_structure_equal);
	}
	if (verdict->rmap_compared || verdict->rmap_unsure) {
		count_rmap(&t->session->rmap, verdict);
		count_rmap(&svma_rmap_counts, verdict);
	}
	if (!verdict->facts)
		return;
	for (i = 0; i < SVMA_CORE_FACTS; i++)
		t->facts[i] += verdict->facts_by_kind[i];
}

void svma_account_answers(struct svma_tracked *t, const struct svma_op *op, const struct svma_verdict *verdict)
{
	struct svma_session *session = t->session;
	unsigned int i;

	count(t, verdict);
	if (verdict->suspect)
		svma_suspect(t);
	if (!verdict->mismatches)
		return;
	t->seq++; /* what differed was adopted */
	svma_journal_blame(t);
	svma_lock(&session->lock);
	for (i = 0; i < verdict->mismatches; i++)
		keep_report(t, op, &verdict->mismatch[i], verdict);
	keep_structure(t, verdict);
	spin_unlock(&session->lock);
}

void svma_account(struct svma_tracked *t, const struct svma_op *op, const struct svma_verdict *verdict)
{
	static const struct svma_op other = { .kind = SVMA_CORE_OTHER };
	struct svma_session *session = t->session;
	u32 kind = op ? op->kind : SVMA_OP_OTHER;
	unsigned int i;
	bool wake;

	count(t, verdict);
	if (verdict->unmodelled) {
		t->counts.unmodelled++;
		t->counts.unmodelled_by_operation[kind]++;
	}
	if (op) {
		t->counts.operations++;
		t->counts.by_operation[kind]++;
		t->seq++;
	} else if (verdict->mismatches) {
		t->seq++; /* totals were adopted */
	}
	if (op)
		svma_journal_note(t, op, verdict);
	else if (verdict->unmodelled)
		svma_journal_note(t, &other, verdict);
	svma_lock(&session->lock);
	for (i = 0; i < verdict->mismatches; i++)
		keep_report(t, op, &verdict->mismatch[i], verdict);
	keep_structure(t, verdict);
	if (verdict->unmodelled && !verdict->mismatches)
		keep_report(t, op, NULL, verdict);
	if (op)
		svma_add_once(session->events, 1);
	wake = op && session->events == SVMA_BURST;
	spin_unlock(&session->lock);
	if (wake)
		svma_worker_kick();
	if (verdict->suspect)
		svma_suspect(t);
}
