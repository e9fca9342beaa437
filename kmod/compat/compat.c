// SPDX-License-Identifier: GPL-2.0-only
#include "compat/compat.h"

#include "abi/os_services.h"

#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/kallsyms.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <linux/mm_inline.h>
#include <linux/printk.h>
#include <linux/sched/coredump.h>
#include <linux/userfaultfd_k.h>

/* v6.1 (d4af56c5c7c6) put the VMAs into a maple tree, and 763ecb035029 took the other structures away. */
#define HAS_MAPLE_TREE (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0))
/* v5.17 (9a10064f5625) gave anonymous VMAs names. */
#define HAS_ANON_NAMES (LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0))
/* v5.17 (c6018b4b2549) gave policies a home node, v5.14 (269fbe72cded) one set of nodes. */
#define HAS_HOME_NODE (LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0))
/* v5.11 (dd3b614f858d) renamed vm_operations_struct.split. */
#define HAS_MAY_SPLIT (LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0))
/* v6.10 (529ce23a764f) replaced the pointer to the address search by a flag of the mm. */
#define HAS_TOPDOWN_FLAG (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0))
/* v6.10 has a guard gap below new shadow stacks (include/linux/mm.h struct vm_unmapped_area_info). */
#define HAS_START_GAP (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0))
/* v5.11 (d741bf41d7c7) took the kretprobe out of its instances. */
#define HAS_GET_KRETPROBE (LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0))
/* v6.16 (c84bf6dd2b83) added file_operations.mmap_prepare. */
#define HAS_MMAP_PREPARE (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0))
/* In v7.3 private mappings of files have page offsets of their own for anonymous pages. */
#define HAS_ANON_PGOFF (LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0))
/* v6.18 (bb6525f2f8c4) made the flags of an mm a bitmap. */
#define HAS_FLAGS_BITMAP (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0))

#define HAS_WRITE_TRYLOCK SVMA_ON(1, 1, 0, 0)

#if HAS_MAPLE_TREE
#include <linux/maple_tree.h>
#endif

static int *max_map_count;
static unsigned long *stack_guard_gap_bytes;
static unsigned long *mmap_min_addr_bytes;
static int *overcommit_memory;
static unsigned long *huge_zero_frame;

/* Variables that modules may read but not link against. */
static const struct {
	const char *name;
	void **at;
} variables[] = {
	{ "sysctl_max_map_count", (void **)&max_map_count },
	{ "stack_guard_gap", (void **)&stack_guard_gap_bytes },
	{ "mmap_min_addr", (void **)&mmap_min_addr_bytes },
	{ "sysctl_overcommit_memory", (void **)&overcommit_memory },
	{ "huge_zero_pfn", (void **)&huge_zero_frame },
};
static unsigned long topdown_search; /* unless HAS_TOPDOWN_FLAG */

/* v5.7 (0bd476e6c671) took the export of kallsyms_lookup_name() away; a kprobe still knows its address. */
static unsigned long (*find_lookup_name(void))(const char *)
{
	struct kprobe kp = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *) = NULL;

	if (!register_kprobe(&kp)) {
		lookup = (void *)kp.addr;
		unregister_kprobe(&kp);
	}
	return lookup;
}

int svma_compat_init(void)
{
	unsigned long (*lookup)(const char *) = find_lookup_name();
	unsigned int i;

	if (!lookup) {
		pr_err("svma: kallsyms_lookup_name can't be found; is CONFIG_KPROBES on?\n");
		return -ENOENT;
	}
	topdown_search = lookup("arch_get_unmapped_area_topdown");
	if (!HAS_TOPDOWN_FLAG && !topdown_search) {
		pr_err("svma: arch_get_unmapped_area_topdown is not in kallsyms\n");
		return -ENOENT;
	}
	for (i = 0; i < ARRAY_SIZE(variables); i++) {
		*variables[i].at = (void *)lookup(variables[i].name);
		if (*variables[i].at)
			continue;
		pr_err("svma: %s is not in kallsyms; is CONFIG_KALLSYMS_ALL on?\n", variables[i].name);
		return -ENOENT;
	}
	return 0;
}

unsigned int svma_max_map_count(void)
{
	return READ_ONCE(*max_map_count);
}

unsigned long svma_stack_guard_gap(void)
{
	return *stack_guard_gap_bytes;
}

unsigned long svma_mmap_min_addr(void)
{
	return READ_ONCE(*mmap_min_addr_bytes);
}

int svma_overcommit_memory(void)
{
	return READ_ONCE(*overcommit_memory);
}

#ifdef MMF_TOPDOWN
static bool mm_flag(const struct mm_struct *mm, int bit)
{
#if HAS_FLAGS_BITMAP
	return mm_flags_test(bit, mm);
#else
	return test_bit(bit, &mm->flags);
#endif
}
#endif

bool svma_mm_topdown(const struct mm_struct *mm)
{
#if HAS_TOPDOWN_FLAG
	return mm_flag(mm, MMF_TOPDOWN);
#else
	return (unsigned long)mm->get_unmapped_area == topdown_search;
#endif
}

unsigned long svma_search_start_gap(const struct vm_unmapped_area_info *info)
{
#if HAS_START_GAP
	return info->start_gap;
#else
	return 0;
#endif
}

unsigned long svma_lowest_brk(const struct mm_struct *mm)
{
#ifdef CONFIG_COMPAT_BRK
	if (!current->brk_randomized)
		return mm->end_data;
#endif
	return mm->start_brk;
}

unsigned long svma_data_default_flags(void)
{
#ifdef VM_DATA_DEFAULT_FLAGS
	return VM_DATA_DEFAULT_FLAGS;
#else
	return vma_flags_to_legacy(VMA_DATA_DEFAULT_FLAGS);
#endif
}

#if HAS_MAPLE_TREE
/*
 * A fork that failed half-way marks the place before it gives up the child's lock; behind it are VMAs of the parent
 * (kernel/fork.c dup_mmap() since v6.8, d24062914837).
 */
static struct vm_area_struct *own_vma(void *entry, const struct mm_struct *mm)
{
	struct vm_area_struct *vma = xa_is_zero(entry) ? NULL : entry;

	return vma && vma->vm_mm == mm ? vma : NULL;
}

unsigned int svma_live_next_vmas(struct mm_struct *mm, unsigned long addr, struct vm_area_struct **out,
				 unsigned int most)
{
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	unsigned int count = 0;

	rcu_read_lock();
	while (count < most && (out[count] = own_vma(mas_find(&mas, ULONG_MAX), mm)))
		count++;
	rcu_read_unlock();
	return count;
}

struct vm_area_struct *svma_live_next_vma(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma;

	return svma_live_next_vmas(mm, addr, &vma, 1) ? vma : NULL;
}

/* What is found ends above @addr whatever the tree says, so whoever goes on from its end gets on. */
struct vm_area_struct *svma_live_placed_vma(struct mm_struct *mm, unsigned long addr, bool *misplaced)
{
	MA_STATE(mas, &mm->mm_mt, addr, addr);
	struct vm_area_struct *vma;

	*misplaced = false;
	rcu_read_lock();
	do {
		vma = own_vma(mas_find(&mas, ULONG_MAX), mm);
		if (!vma)
			break;
		if (mas.index != vma->vm_start || mas.last != vma->vm_end - 1)
			*misplaced = true;
	} while (vma->vm_end <= addr);
	rcu_read_unlock();
	return vma;
}
#else
/* Not find_vma(): that would change the vmacache of the task. */
struct vm_area_struct *svma_live_next_vma(struct mm_struct *mm, unsigned long addr)
{
	struct rb_node *node = mm->mm_rb.rb_node;
	struct vm_area_struct *found = NULL;

	while (node) {
		struct vm_area_struct *vma = rb_entry(node, struct vm_area_struct, vm_rb);

		if (vma->vm_end <= addr) {
			node = node->rb_right;
			continue;
		}
		found = vma;
		if (vma->vm_start <= addr)
			break;
		node = node->rb_left;
	}
	return found;
}

/* A red-black tree has no addresses of its own. */
struct vm_area_struct *svma_live_placed_vma(struct mm_struct *mm, unsigned long addr, bool *misplaced)
{
	*misplaced = false;
	return svma_live_next_vma(mm, addr);
}

unsigned int svma_live_next_vmas(struct mm_struct *mm, unsigned long addr, struct vm_area_struct **out,
				 unsigned int most)
{
	struct vm_area_struct *vma = svma_live_next_vma(mm, addr);
	unsigned int count;

	for (count = 0; vma && count < most; vma = vma->vm_next)
		out[count++] = vma;
	return count;
}
#endif

#if HAS_MAPLE_TREE
bool svma_has_live_tree(void)
{
	return false;
}

int svma_os_live_tree(const void *mm, struct svma_live_tree *out)
{
	return -ENOENT;
}

void svma_os_live_node(svma_u64 node, struct svma_live_node *out)
{
	memset(out, 0, sizeof(*out));
}
#else
bool svma_has_live_tree(void)
{
	return true;
}

static svma_u64 start_of(const struct vm_area_struct *vma)
{
	return vma ? vma->vm_start : ~0ull;
}

int svma_os_live_tree(const void *live, struct svma_live_tree *out)
{
	const struct mm_struct *mm = live;

	out->root = (unsigned long)mm->mm_rb.rb_node;
	out->first = start_of(mm->mmap);
	out->highest_vm_end = mm->highest_vm_end;
	out->vmacache_seqnum = mm->vmacache_seqnum;
	return 0;
}

void svma_os_live_node(svma_u64 node, struct svma_live_node *out)
{
	const struct rb_node *rb = (const struct rb_node *)(unsigned long)node;
	const struct vm_area_struct *vma = rb_entry(rb, struct vm_area_struct, vm_rb);

	memset(out, 0, sizeof(*out));
	out->start = vma->vm_start;
	out->end = vma->vm_end;
	out->gap = vma->rb_subtree_gap;
	out->parent = (unsigned long)rb_parent(rb);
	out->left = (unsigned long)rb->rb_left;
	out->right = (unsigned long)rb->rb_right;
	out->prev = start_of(vma->vm_prev);
	out->next = start_of(vma->vm_next);
	out->red = !(rb->__rb_parent_color & 1);
}
#endif

bool svma_layout_trylock(struct mm_struct *mm)
{
#if HAS_WRITE_TRYLOCK
	return mmap_write_trylock(mm);
#else
	/* As mmap_write_lock_killable() in include/linux/mmap_lock.h of v6.12, which has lost the trying one. */
	if (!down_write_trylock(&mm->mmap_lock))
		return false;
	mm_lock_seqcount_begin(mm);
	return true;
#endif
}

void svma_layout_unlock(struct mm_struct *mm)
{
	mmap_write_unlock(mm);
}

bool svma_file_prepares(const struct file *file)
{
#if HAS_MMAP_PREPARE
	return file->f_op->mmap_prepare;
#else
	return false;
#endif
}

unsigned long svma_anon_pgoff(const struct vm_area_struct *vma)
{
#if HAS_ANON_PGOFF
	return vma_start_anon_pgoff(vma);
#else
	return vma->vm_pgoff;
#endif
}

u16 svma_anon_shift(const struct vm_area_struct *vma)
{
#if HAS_ANON_PGOFF
	enum { LARGEST_PRIME = 65521 };
	unsigned long place = vma->vm_start >> PAGE_SHIFT;

	if (!vma->vm_file || !vma_is_cow_mapping(vma))
		return 0;
	return (vma_start_anon_pgoff(vma) % LARGEST_PRIME + LARGEST_PRIME - place % LARGEST_PRIME) % LARGEST_PRIME;
#else
	return 0;
#endif
}

/* v6.4 (d7597f59d1d3) added the prctl(). */
bool svma_mm_merges_any(const struct mm_struct *mm)
{
#ifdef MMF_VM_MERGE_ANY
	return mm_flag(mm, MMF_VM_MERGE_ANY);
#else
	return false;
#endif
}

/* kernel/locking/rwsem.c: the lowest bit of the count says that a writer has it. */
bool svma_mm_write_locked(const struct mm_struct *mm)
{
	return atomic_long_read(&mm->mmap_lock.count) & 1;
}

/* mm/mempolicy.c, mpol_store_user_nodemask(): v7.3 has a name for these flags. */
#ifdef MPOL_USER_NODEMASK_FLAGS
#define USER_NODEMASK_FLAGS MPOL_USER_NODEMASK_FLAGS
#else
#define USER_NODEMASK_FLAGS MPOL_MODE_FLAGS
#endif

/*
 * Of what __mpol_equal() looks at and no more: the nodes of a local policy are whatever its memory had before
 * (mm/mempolicy.c, mpol_set_nodemask(), v6.12).
 */
unsigned int svma_policy_digest(struct mempolicy *policy)
{
#ifdef CONFIG_NUMA
	u32 digest;

	if (!policy)
		return 0;
#if HAS_HOME_NODE
	digest = jhash_3words(policy->mode, policy->flags, policy->home_node, 0x73766d61);
#else
	digest = jhash_2words(policy->mode, policy->flags, 0x73766d61);
#endif
	if (policy->flags & USER_NODEMASK_FLAGS)
		digest = jhash(&policy->w, sizeof(policy->w), digest);
#if HAS_HOME_NODE
	if (policy->mode != MPOL_LOCAL)
		digest = jhash(&policy->nodes, sizeof(policy->nodes), digest);
#else
	if (policy->mode == MPOL_PREFERRED && !(policy->flags & MPOL_F_LOCAL))
		digest = jhash_1word((u16)policy->v.preferred_node, digest);
	else if (policy->mode == MPOL_BIND || policy->mode == MPOL_INTERLEAVE)
		digest = jhash(&policy->v.nodes, sizeof(policy->v.nodes), digest);
#endif
	return digest | 1;
#else
	return 0;
#endif
}

unsigned int svma_anon_name(const struct anon_vma_name *name)
{
	return name ? (u32)hash_long((unsigned long)name, 31) | 1 : 0;
}

unsigned int svma_vma_anon_name(struct vm_area_struct *vma)
{
#if HAS_ANON_NAMES
	return svma_anon_name(anon_vma_name(vma));
#else
	return 0;
#endif
}

/* vma_is_secretmem() is not exported. v5.14 (1507f51255c9) added the file system. */
bool svma_is_secretmem(const struct super_block *sb)
{
#ifdef SECRETMEM_MAGIC
	return sb->s_magic == SECRETMEM_MAGIC;
#else
	return false;
#endif
}

bool svma_asks_before_split(const struct vm_area_struct *vma)
{
#if HAS_MAY_SPLIT
	return vma->vm_ops && vma->vm_ops->may_split;
#else
	return vma->vm_ops && vma->vm_ops->split;
#endif
}

struct kretprobe *svma_kretprobe_of(struct kretprobe_instance *ri)
{
#if HAS_GET_KRETPROBE
	return get_kretprobe(ri);
#else
	return ri->rp;
#endif
}

unsigned long svma_arg(struct pt_regs *regs, unsigned int n)
{
	switch (n) {
	case 0:
		return regs->di;
	case 1:
		return regs->si;
	case 2:
		return regs->dx;
	case 3:
		return regs->cx;
	case 4:
		return regs->r8;
	case 5:
		return regs->r9;
	default:
		/* At the first instruction the return address is on top of the stack. */
		return ((unsigned long *)regs->sp)[n - 5];
	}
}

unsigned long svma_huge_zero_frame(void)
{
	return READ_ONCE(*huge_zero_frame);
}
