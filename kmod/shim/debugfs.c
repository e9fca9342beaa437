// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/svma: track, probes, stats, and per tracked process maps, tree, list, gaps, rmap, pgtable,
 * health, journal, divergences. Addresses are those of user space; kernel objects appear hashed.
 */
#include "svma.h"

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

static struct dentry *root;
static struct dentry *track_file;
static struct svma_session *session; /* owns what "track" tracks */

/* --- a walk over the VMAs of one shadow: position = address -------------------------------------- */

static bool node_at(struct svma_tracked *t, u64 addr, struct svma_node *node)
{
	bool found;

	spin_lock(&t->lock);
	found = t->health != SVMA_GONE && !svma_core_find(t->shadow, addr, node);
	spin_unlock(&t->lock);
	return found;
}

struct walk {
	struct svma_tracked *t;
	struct svma_node node;
};

static void *walk_to(struct seq_file *m, loff_t *pos)
{
	struct walk *walk = m->private;

	return node_at(walk->t, *pos, &walk->node) ? walk : NULL;
}

static void *walk_start(struct seq_file *m, loff_t *pos)
{
	return walk_to(m, pos);
}

static void *walk_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct walk *walk = v;

	*pos = walk->node.vma.end;
	return walk_to(m, pos);
}

static void walk_stop(struct seq_file *m, void *v)
{
}

static int walk_open(struct inode *inode, struct file *file, const struct seq_operations *ops)
{
	struct svma_tracked *t = inode->i_private;
	struct walk *walk;

	/* The file is removed before the last reference goes, and debugfs waits for us. */
	kref_get(&t->ref);
	walk = __seq_open_private(file, ops, sizeof(*walk));
	if (!walk) {
		svma_tracked_put(t);
		return -ENOMEM;
	}
	walk->t = t;
	return 0;
}

static int walk_release(struct inode *inode, struct file *file)
{
	struct walk *walk = ((struct seq_file *)file->private_data)->private;

	svma_tracked_put(walk->t);
	return seq_release_private(inode, file);
}

static int maps_show(struct seq_file *m, void *v)
{
	const struct svma_live_vma *vma = &((struct walk *)v)->node.vma;

	seq_printf(m, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu\n", vma->start, vma->end,
		   vma->flags & VM_READ ? 'r' : '-', vma->flags & VM_WRITE ? 'w' : '-',
		   vma->flags & VM_EXEC ? 'x' : '-', vma->flags & VM_MAYSHARE ? 's' : 'p',
		   vma->file ? vma->pgoff << PAGE_SHIFT : 0, MAJOR(vma->dev), MINOR(vma->dev), vma->ino);
	return 0;
}

static int tree_show(struct seq_file *m, void *v)
{
	const struct svma_node *node = &((struct walk *)v)->node;

	seq_printf(m, "%*s%c %llx-%llx gap %llx", (int)(2 * node->depth), "", node->red ? 'R' : 'B',
		   node->vma.start, node->vma.end, node->gap);
	if (node->parent == SVMA_CORE_NO_VMA)
		seq_puts(m, " root\n");
	else
		seq_printf(m, " parent %llx\n", node->parent);
	return 0;
}

static int list_show(struct seq_file *m, void *v)
{
	const struct svma_live_vma *vma = &((struct walk *)v)->node.vma;

	seq_printf(m, "%llx-%llx flags %llx pgoff %llx anon_vma %llx%s\n", vma->start, vma->end, vma->flags,
		   vma->pgoff, svma_hash(vma->anon_vma), vma->anon_singular ? " singular" : "");
	return 0;
}

static int gaps_show(struct seq_file *m, void *v)
{
	struct walk *walk = v;
	const struct svma_live_vma *vma = &walk->node.vma;
	struct svma_node prev;
	u64 below = 0;

	spin_lock(&walk->t->lock);
	if (!svma_core_find_prev(walk->t->shadow, vma->start, &prev))
		below = prev.vma.end;
	spin_unlock(&walk->t->lock);
	if (vma->start > below)
		seq_printf(m, "%llx-%llx %llu KiB\n", below, vma->start, (vma->start - below) >> 10);
	return 0;
}

static void show_link(struct seq_file *m, const struct svma_core_link *link)
{
	seq_printf(m, "  anon_vma %llu root %llu parent %llu refcount %u children %u active %u%s%s\n", link->anon_vma,
		   link->root, link->parent, link->refcount, link->children, link->active_vmas,
		   link->bits & SVMA_CORE_LINK_OWN ? " own" : "",
		   link->bits & SVMA_CORE_LINK_ABROAD ? " abroad" : "");
}

static int rmap_show(struct seq_file *m, void *v)
{
	struct walk *walk = v;
	const struct svma_live_vma *vma = &walk->node.vma;
	struct svma_core_link links[8];
	u32 skip = 0, first = 1, count, more, i;
	u64 from;

	do {
		from = vma->start;
		spin_lock(&walk->t->lock);
		count = svma_core_chains(walk->t->shadow, &from, &skip, links, ARRAY_SIZE(links), &more);
		spin_unlock(&walk->t->lock);
		for (i = 0; i < count && links[i].start == vma->start; i++) {
			if (first)
				seq_printf(m, "%llx-%llx\n", vma->start, vma->end);
			first = 0;
			show_link(m, &links[i]);
		}
	} while (more && i == count && from == vma->start);
	return 0;
}

/* What the page tables hold in the live VMAs of this range, in pages of 4 KiB. */
static int pgtable_show(struct seq_file *m, void *v)
{
	struct walk *walk = v;
	struct svma_pages part = {
		.flags = SVMA_PAGES_SUMS,
		.start = walk->node.vma.start,
		.end = walk->node.vma.end,
	};
	struct svma_page_sum sum;
	int err;

	while (part.start < part.end) {
		memset(&sum, 0, sizeof(sum));
		err = svma_live_pages(walk->t->mm, &part, &sum, 1);
		if (err)
			return err == -ESRCH ? 0 : err;
		if (!part.count)
			continue;
		seq_printf(m, "%llx-%llx present %llu anon %llu file %llu shmem %llu zero %llu special %llu swap %llu",
			   sum.start, sum.end, sum.present, sum.anon, sum.file, sum.shmem, sum.zero, sum.special,
			   sum.swap);
		seq_printf(m, " other %llu accessed %llu dirty %llu huge %llu\n",
			   sum.migration + sum.hwpoison + sum.device + sum.marker + sum.bad, sum.accessed, sum.dirty,
			   sum.huge_2m + sum.huge_1g);
	}
	return 0;
}

#define WALK_FILE(name)                                                                                  \
	static const struct seq_operations name##_ops = {                                                \
		.start = walk_start, .next = walk_next, .stop = walk_stop, .show = name##_show           \
	};                                                                                               \
	static int name##_open(struct inode *inode, struct file *file)                                   \
	{                                                                                                \
		return walk_open(inode, file, &name##_ops);                                              \
	}                                                                                                \
	static const struct file_operations name##_fops = {                                              \
		.owner = THIS_MODULE, .open = name##_open, .read = seq_read, .llseek = seq_lseek,        \
		.release = walk_release,                                                                 \
	}

WALK_FILE(maps);
WALK_FILE(tree);
WALK_FILE(list);
WALK_FILE(gaps);
WALK_FILE(rmap);
WALK_FILE(pgtable);

/* --- one page of text each ------------------------------------------------------------------------- */

static void show_counts(struct seq_file *m, const struct svma_counts *counts)
{
	unsigned int i;

	seq_printf(m, "operations %llu\ncompared %llu\nequal %llu\ndivergent %llu\nunmodelled %llu\n",
		   counts->operations, counts->compared, counts->equal, counts->divergent, counts->unmodelled);
	seq_printf(m, "missed %llu\nresyncs %llu\nfacts %llu\n", counts->missed, counts->resyncs,
		   counts->facts);
	for (i = 0; i < SVMA_OP_COUNT; i++) {
		if (counts->by_operation[i] || counts->unmodelled_by_operation[i])
			seq_printf(m, "operation %s %llu unmodelled %llu\n", svma_operation_names[i],
				   counts->by_operation[i], counts->unmodelled_by_operation[i]);
	}
}

static const char *health_name(u32 health)
{
	return svma_health_names[health == SVMA_CLEAN && svma_unnoticed() ? SVMA_SUSPECT : health];
}

static int health_show(struct seq_file *m, void *unused)
{
	struct svma_tracked *t = m->private;
	svma_u64 where = 0;
	struct svma_mm mm;
	char what[32];
	int err;

	svma_fill_mm(t, NULL, &mm);
	spin_lock(&t->lock);
	err = svma_core_verify(t->shadow, what, sizeof(what), &where);
	spin_unlock(&t->lock);
	seq_printf(m, "health %s\nseq %llu\nmap_count %llu\n", health_name(mm.health), mm.seq,
		   mm.totals.map_count);
	if (err)
		seq_printf(m, "invariant %s broken at %llx\n", what, where);
	else
		seq_puts(m, "invariants hold\n");
	show_counts(m, &mm.counts);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(health);

static void show_side(struct seq_file *m, const char *name, const struct svma_vma *vma)
{
	if (vma->start == SVMA_NONE)
		seq_printf(m, "  %s none\n", name);
	else
		seq_printf(m, "  %s %llx-%llx flags %llx pgoff %llx dev %x ino %llu anon_vma %llx\n", name,
			   vma->start, vma->end, vma->flags, vma->pgoff, vma->dev, vma->ino, vma->anon_vma);
}

static void show_map(struct seq_file *m, const char *name, const struct svma_extent *map, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		seq_printf(m, "  %s map %llx-%llx flags %llx pgoff %llx dev %x ino %llu\n", name, map[i].start,
			   map[i].end, map[i].flags, map[i].pgoff, map[i].dev, map[i].ino);
}

static void show_detail(struct seq_file *m, const struct svma_detail *detail)
{
	char frames[SVMA_REPORT_FRAMES][SVMA_FRAME_LENGTH];
	unsigned int i, n;

	show_map(m, "predicted", detail->predicted_map, detail->predicted);
	show_map(m, "observed ", detail->observed_map, detail->observed);
	seq_printf(m, "  task %d %.16s\n", detail->tid, detail->task);
	n = svma_detail_stack(detail, frames, ARRAY_SIZE(frames));
	for (i = 0; i < n; i++)
		seq_printf(m, "  stack %s\n", frames[i]);
}

static int divergences_show(struct seq_file *m, void *unused)
{
	struct svma_tracked *t = m->private;
	struct svma_session *s = t->session;
	unsigned int i, n;

	spin_lock(&s->lock);
	n = s->nr_reports;
	spin_unlock(&s->lock);
	for (i = 0; i < n; i++) {
		const struct svma_divergence *d = &s->reports[i];

		if (d->mm_id != t->id)
			continue;
		seq_printf(m, "%s %s field %s result %lld args %llx %llx %llx %llx %llx %llx",
			   d->unmodelled ? "unmodelled" : "divergence", svma_operation_names[d->operation],
			   svma_field_name(d->field), d->result, d->args[0], d->args[1], d->args[2], d->args[3],
			   d->args[4], d->args[5]);
		seq_printf(m, " predicted %llu observed %llu\n", d->predicted_value, d->observed_value);
		show_side(m, "predicted", &d->predicted);
		show_side(m, "observed ", &d->observed);
		show_detail(m, &s->details[i]);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(divergences);

/* --- journal: position = number of an entry --------------------------------------------------------- */

struct journal_walk {
	struct svma_tracked *t;
	struct svma_journal_entry entry;
};

static void *journal_to(struct seq_file *m, loff_t *pos)
{
	struct journal_walk *walk = m->private;

	if (!svma_journal_get(walk->t, *pos, &walk->entry))
		return NULL;
	*pos = walk->entry.id;
	return walk;
}

static void *journal_start(struct seq_file *m, loff_t *pos)
{
	return journal_to(m, pos);
}

static void *journal_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct journal_walk *walk = v;

	*pos = walk->entry.id + 1;
	return journal_to(m, pos);
}

static void journal_stop(struct seq_file *m, void *v)
{
}

static int journal_show(struct seq_file *m, void *v)
{
	const struct svma_journal_entry *e = &((struct journal_walk *)v)->entry;
	unsigned int i;

	seq_printf(m, "%llu seq %llu begin %llu end %llu tid %d %.16s %s result %lld args", e->id, e->seq,
		   e->begin_ns, e->end_ns, e->tid, e->comm, svma_operation_names[e->operation], e->result);
	for (i = 0; i < 6; i++)
		seq_printf(m, " %llx", e->args[i]);
	seq_printf(m, "%s%s\n", e->bits & SVMA_JOURNAL_DIVERGED ? " diverged" : "",
		   e->bits & SVMA_JOURNAL_UNMODELLED ? " unmodelled" : "");
	if (e->start != e->end)
		seq_printf(m, "  in %llx-%llx%s\n", e->start, e->end, e->bits & SVMA_JOURNAL_CUT ? " cut" : "");
	show_map(m, "after", e->vma, e->vmas);
	return 0;
}

static const struct seq_operations journal_ops = {
	.start = journal_start, .next = journal_next, .stop = journal_stop, .show = journal_show
};

static int journal_open(struct inode *inode, struct file *file)
{
	struct svma_tracked *t = inode->i_private;
	struct journal_walk *walk;

	kref_get(&t->ref);
	walk = __seq_open_private(file, &journal_ops, sizeof(*walk));
	if (!walk) {
		svma_tracked_put(t);
		return -ENOMEM;
	}
	walk->t = t;
	return 0;
}

static int journal_release(struct inode *inode, struct file *file)
{
	struct journal_walk *walk = ((struct seq_file *)file->private_data)->private;

	svma_tracked_put(walk->t);
	return seq_release_private(inode, file);
}

static const struct file_operations journal_fops = {
	.owner = THIS_MODULE, .open = journal_open, .read = seq_read, .llseek = seq_lseek,
	.release = journal_release,
};

static int probes_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	seq_puts(m, "symbol                   found armed       hits missed role\n");
	for (i = 0; i < svma_nr_probes; i++) {
		struct svma_probe_entry *entry = &svma_probe_table[i];

		seq_printf(m, "%-24s %-5s %-5s %10lld %6llu %s\n", entry->symbol,
			   entry->found ? "yes" : "no", entry->armed ? "yes" : "no",
			   (long long)atomic64_read(&entry->hits), svma_probe_missed(entry), entry->role);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(probes);

static int stats_show(struct seq_file *m, void *unused)
{
	struct svma_counts all, sum;
	struct svma_session *s;
	u64 restarted, given_up;

	mutex_lock(&svma_admin);
	all = svma_ended_counts;
	list_for_each_entry(s, &svma_sessions, node) {
		svma_session_sum(s, &sum);
		svma_counts_add(&all, &sum);
	}
	restarted = svma_loads_restarted;
	given_up = svma_loads_given_up;
	mutex_unlock(&svma_admin);
	seq_printf(m, "tracked %d\ntracked_ever %llu\nmemory %lu\nmemory_cap %lu\n",
		   atomic_read(&svma_nr_tracked), READ_ONCE(svma_tracked_ever), svma_memory_used(), svma_memory_cap());
	seq_printf(m, "vmas %lu\npool_free %lu\npool_empty %lu\npool_refused %lu\ncanary_failures %llu\n",
		   svma_pool_used(&svma_vma_pool), READ_ONCE(svma_vma_pool.nr_free), svma_pools_empty(),
		   svma_pools_refused(), (u64)atomic64_read(&svma_canary_failures));
	seq_printf(m, "anon_vmas %lu of %u bytes\nchain_links %lu of %u bytes\nfiles %lu of %u bytes\n",
		   svma_pool_used(&svma_anon_vma_pool), svma_anon_vma_pool.size, svma_pool_used(&svma_avc_pool),
		   svma_avc_pool.size, svma_pool_used(&svma_file_rmap_pool), svma_file_rmap_pool.size);
	show_counts(m, &all);
	seq_printf(m, "loads_restarted %llu\nloads_given_up %llu\n", restarted, given_up);
	svma_durations_show(m, "mmap_lock_held", &svma_mmap_lock_held);
	svma_durations_show(m, "handled", &svma_handled);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static int semantics_show(struct seq_file *m, void *unused)
{
	struct svma_choice choice;
	unsigned int i;

	seq_printf(m, "profile %s\n", SVMA_PROFILE);
	for (i = 0; !svma_core_choice(SVMA_PROFILE, i, &choice); i++)
		seq_printf(m, "%-28s %-16s %s\n", choice.name, choice.value, choice.source);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(semantics);

/* --- track: a pid tracks, a negative one untracks --------------------------------------------------- */

static ssize_t track_write(struct file *file, const char __user *user, size_t size, loff_t *pos)
{
	struct svma_tracked *t;
	long nr;
	u64 id;
	int err;

	err = kstrtol_from_user(user, size, 10, &nr);
	if (err)
		return err;
	if (!nr || nr > INT_MAX || nr < -INT_MAX)
		return -EINVAL;
	if (nr > 0) {
		err = svma_track_pid(session, nr, SVMA_MM_DESCENDANTS, &id);
		return err ? err : size;
	}
	t = svma_tracked_of_pid(-nr);
	if (!t) {
		/* One that has ended: what is left is its journal. */
		mutex_lock(&svma_admin);
		svma_bury();
		err = svma_journals_forget(session, -nr) ? 0 : -ENOENT;
		mutex_unlock(&svma_admin);
		return err ? err : size;
	}
	id = t->id;
	svma_tracked_put(t);
	err = svma_untrack_id(session, id);
	return err ? err : size;
}

static int track_show(struct seq_file *m, void *unused)
{
	struct svma_session *s;
	struct svma_tracked *t;

	spin_lock(&svma_table_lock);
	list_for_each_entry(s, &svma_sessions, node) {
		list_for_each_entry(t, &s->tracked, node)
			seq_printf(m, "%d %.16s %s\n", pid_nr(t->pid), t->comm, svma_health_names[t->health]);
	}
	spin_unlock(&svma_table_lock);
	return 0;
}

static int track_open(struct inode *inode, struct file *file)
{
	return single_open(file, track_show, NULL);
}

static const struct file_operations track_fops = {
	.owner = THIS_MODULE,
	.open = track_open,
	.read = seq_read,
	.write = track_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* --- directories -------------------------------------------------------------------------------------- */

static void make_dir(struct svma_tracked *t)
{
	struct dentry *dir;
	char name[16];

	snprintf(name, sizeof(name), "%d", pid_nr(t->pid));
	/* The former mm of a process that is in exec may still be there; then wait for its burial. */
	dir = debugfs_lookup(name, root);
	if (dir) {
		dput(dir);
		return;
	}
	dir = debugfs_create_dir(name, root);
	if (IS_ERR(dir))
		return;
	debugfs_create_file("maps", 0400, dir, t, &maps_fops);
	debugfs_create_file("tree", 0400, dir, t, &tree_fops);
	debugfs_create_file("list", 0400, dir, t, &list_fops);
	debugfs_create_file("gaps", 0400, dir, t, &gaps_fops);
	debugfs_create_file("rmap", 0400, dir, t, &rmap_fops);
	debugfs_create_file("pgtable", 0400, dir, t, &pgtable_fops);
	debugfs_create_file("health", 0400, dir, t, &health_fops);
	debugfs_create_file("journal", 0400, dir, t, &journal_fops);
	debugfs_create_file("divergences", 0400, dir, t, &divergences_fops);
	t->dir = dir;
}

static struct svma_tracked *without_dir(void)
{
	struct svma_tracked *t, *found = NULL;
	struct svma_session *s;

	spin_lock(&svma_table_lock);
	list_for_each_entry(s, &svma_sessions, node) {
		list_for_each_entry(t, &s->tracked, node) {
			if (!t->listed && t->pid && !t->starting && !found) {
				found = t;
				t->listed = true;
			}
		}
	}
	spin_unlock(&svma_table_lock);
	return found;
}

void svma_debugfs_update(void)
{
	struct svma_tracked *t;

	/* Burials need svma_admin, which is held: what is found stays. */
	while ((t = without_dir()))
		make_dir(t);
}

void svma_debugfs_remove_mm(struct svma_tracked *t)
{
	debugfs_remove(t->dir);
	t->dir = NULL;
}

int svma_debugfs_init(void)
{
	session = svma_session_create();
	if (!session)
		return -ENOMEM;
	root = debugfs_create_dir("svma", NULL);
	track_file = debugfs_create_file("track", 0600, root, NULL, &track_fops);
	debugfs_create_file("probes", 0400, root, NULL, &probes_fops);
	debugfs_create_file("stats", 0400, root, NULL, &stats_fops);
	debugfs_create_file("semantics", 0400, root, NULL, &semantics_fops);
	return 0;
}

void svma_debugfs_exit(void)
{
	/*
	 * Waits for writers: nobody can begin to track through here any more. The directories of mms go
	 * with the mms, before their parent.
	 */
	debugfs_remove(track_file);
	svma_session_close(session);
	debugfs_remove(root);
}
