// SPDX-License-Identifier: GPL-2.0-only
/*
 * How deep the kernel's own tree of VMAs is, whichever kind it has. Read in place: a copy would say nothing about
 * how full the nodes are.
 */
#include "compat/compat.h"

#include "uapi/svma.h"

/* v6.1 (d4af56c5c7c6) put the VMAs into a maple tree. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#include <linux/maple_tree.h>

/*
 * Slots and pivots hold encoded pointers to nodes: nodes are 256 bytes aligned to as much, and bits 3 to 6 say their
 * type (lib/maple_tree.c mte_to_node() and mte_node_type(), the same in v6.1 and v7.3). Their root is one when
 * xa_is_node() says so, else it is the only entry. A lookup goes from the root to a leaf, always.
 */
struct step {
	const struct maple_node *node;
	unsigned long min, max; /* addresses that the node is about, inclusive */
	enum maple_type type;
	unsigned int at;
	unsigned int end; /* last slot in use */
};

/* The tree changes under the mmap_lock held for writing only, and the caller holds it for reading. */
static const void *slot_of(const struct step *step)
{
	if (step->type == maple_arange_64)
		return rcu_dereference_protected(step->node->ma64.slot[step->at], true);
	return rcu_dereference_protected(step->node->mr64.slot[step->at], true);
}

/* The last slot in use has no pivot, or that of the whole node. */
static unsigned long max_of_slot(const struct step *step)
{
	if (step->at == step->end)
		return step->max;
	return step->type == maple_arange_64 ? step->node->ma64.pivot[step->at] : step->node->mr64.pivot[step->at];
}

static unsigned long min_of_slot(const struct step *step)
{
	if (!step->at)
		return step->min;
	return 1 + (step->type == maple_arange_64 ? step->node->ma64.pivot[step->at - 1]
						  : step->node->mr64.pivot[step->at - 1]);
}

/*
 * A node with gaps (arange) notes its end. Others do in the place of their last slot, unless that is in use, which
 * the last pivot tells (lib/maple_tree.c ma_data_end()).
 */
static unsigned int last_slot(const struct maple_node *node, enum maple_type type, unsigned long max)
{
	const unsigned int last_pivot = MAPLE_RANGE64_SLOTS - 2;

	if (type == maple_arange_64)
		return node->ma64.meta.end;
	if (!node->mr64.pivot[last_pivot])
		return node->mr64.meta.end;
	return node->mr64.pivot[last_pivot] == max ? last_pivot : last_pivot + 1;
}

/*
 * A node that begins below @from has been counted, and so has what is below @from in it. Return: false for a type that
 * a tree of VMAs does not have; its slots could be anything.
 */
static bool enter(const void *encoded, struct step *step, unsigned long from, struct svma_tree_level *level)
{
	const unsigned long bits = (unsigned long)encoded;

	step->node = (const struct maple_node *)(bits & ~MAPLE_NODE_MASK);
	step->type = (bits >> MAPLE_NODE_TYPE_SHIFT) & MAPLE_NODE_TYPE_MASK;
	if (step->type < maple_leaf_64 || step->type > maple_arange_64)
		return false;
	step->at = 0;
	step->end = last_slot(step->node, step->type, step->max);
	if (step->min < from) {
		while (step->at < step->end && max_of_slot(step) < from)
			step->at++;
		return true;
	}
	level->nodes++;
	level->slots += step->type == maple_arange_64 ? MAPLE_ARANGE64_SLOTS : MAPLE_RANGE64_SLOTS;
	level->used += step->end + 1;
	return true;
}

static void count_leaf(struct step *leaf, struct svma_tree_shape *out, struct svma_tree_level *level)
{
	void __rcu *const *slot = leaf->node->mr64.slot;
	u32 vmas = 0;

	for (; leaf->at <= leaf->end; leaf->at++)
		vmas += !!rcu_access_pointer(slot[leaf->at]);
	out->vmas += vmas;
	level->empty += leaf->end + 1 - vmas;
}

/* From node to node in order of addresses; a stack of one step for each level. A part ends with a leaf. */
static bool walk(const void *root, unsigned long *from, u32 limit, struct svma_tree_shape *out)
{
	struct step steps[SVMA_TREE_LEVELS];
	const u32 enough = out->vmas + limit;
	unsigned int level = 0;

	steps[0].min = 0;
	steps[0].max = ULONG_MAX;
	out->truncated = !enter(root, &steps[0], *from, &out->level[0]);
	while (!out->truncated) {
		struct step *step = &steps[level];
		struct step *below = step + 1;

		out->levels = max(out->levels, level + 1);
		if (step->type == maple_leaf_64) {
			count_leaf(step, out, &out->level[level]);
			*from = step->max + 1;
			if (*from && out->vmas >= enough)
				return true;
		}
		if (step->at > step->end) {
			if (!level--)
				return false;
			steps[level].at++;
			continue;
		}
		if (++level == SVMA_TREE_LEVELS) {
			out->truncated = 1;
			break;
		}
		below->min = min_of_slot(step);
		below->max = max_of_slot(step);
		out->truncated = !enter(slot_of(step), below, *from, &out->level[level]);
	}
	return false;
}

bool svma_live_tree_shape(struct mm_struct *mm, unsigned long *from, u32 limit, struct svma_tree_shape *out)
{
	const void *root = rcu_dereference_protected(mm->mm_mt.ma_root, true);
	bool more = false;
	unsigned int i;

	out->kind = SVMA_TREE_MAPLE;
	out->height = mt_height(&mm->mm_mt);
	if (xa_is_node(root))
		more = walk(root, from, limit, out);
	else
		out->vmas = !!root;
	out->visited = (u64)out->vmas * out->height;
	out->bytes = 0;
	for (i = 0; i < out->levels; i++)
		out->bytes += (u64)out->level[i].nodes * sizeof(struct maple_node);
	return more;
}

#else

/* The first one that ends above @from; @depth: nodes down to it, itself included. */
static const struct vm_area_struct *first_above(struct mm_struct *mm, unsigned long from, u32 *depth)
{
	const struct rb_node *node = mm->mm_rb.rb_node;
	const struct vm_area_struct *found = NULL;
	u32 down = 0;

	while (node) {
		const struct vm_area_struct *vma = rb_entry(node, struct vm_area_struct, vm_rb);

		down++;
		if (vma->vm_end <= from) {
			node = node->rb_right;
			continue;
		}
		found = vma;
		*depth = down;
		node = node->rb_left;
	}
	return found;
}

/* rb_next() that knows how deep it is. */
static const struct rb_node *rb_next_at(const struct rb_node *node, u32 *depth)
{
	const struct rb_node *from;

	if (node->rb_right) {
		node = node->rb_right;
		for (++*depth; node->rb_left; ++*depth)
			node = node->rb_left;
		return node;
	}
	do {
		from = node;
		node = rb_parent(node);
		--*depth;
	} while (node && from == node->rb_right);
	return node;
}

bool svma_live_tree_shape(struct mm_struct *mm, unsigned long *from, u32 limit, struct svma_tree_shape *out)
{
	u32 depth = 0;
	const struct vm_area_struct *vma = first_above(mm, *from, &depth);
	const struct rb_node *node = vma ? &vma->vm_rb : NULL;

	out->kind = SVMA_TREE_RED_BLACK;
	for (; node && limit; limit--) {
		out->vmas++;
		out->visited += depth;
		out->height = max(out->height, depth);
		*from = rb_entry(node, struct vm_area_struct, vm_rb)->vm_end;
		node = rb_next_at(node, &depth);
	}
	out->bytes = (u64)out->vmas * SVMA_RB_BYTES;
	return node;
}

#endif
