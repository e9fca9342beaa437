// SPDX-License-Identifier: GPL-2.0-only
/*
 * How deep the kernel's own tree of VMAs is, whichever kind it has. Read in place: a copy would say nothing about
 * how full the nodes are.
 */
#include "compat/compat.h"

#include "uapi/svma.h"

#include <linux/sched.h>

/* More than that is not looked at: while it is, the mmap_lock is held. */
#define MAX_STEPS 65536u

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
	unsigned long max; /* last address that the node is about, inclusive */
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

/* Return: false for a type that a tree of VMAs does not have; its slots could be anything. */
static bool enter(const void *encoded, unsigned long max, struct step *step, struct svma_tree_level *level)
{
	const unsigned long bits = (unsigned long)encoded;

	step->node = (const struct maple_node *)(bits & ~MAPLE_NODE_MASK);
	step->type = (bits >> MAPLE_NODE_TYPE_SHIFT) & MAPLE_NODE_TYPE_MASK;
	if (step->type < maple_leaf_64 || step->type > maple_arange_64)
		return false;
	step->max = max;
	step->at = 0;
	step->end = last_slot(step->node, step->type, max);
	level->nodes++;
	level->slots += step->type == maple_arange_64 ? MAPLE_ARANGE64_SLOTS : MAPLE_RANGE64_SLOTS;
	level->used += step->end + 1;
	return true;
}

static void count_leaf(struct step *leaf, struct svma_tree_shape *out, struct svma_tree_level *level)
{
	for (; leaf->at <= leaf->end; leaf->at++) {
		if (slot_of(leaf))
			out->vmas++;
		else
			level->empty++;
	}
}

/* From node to node in order of addresses; a stack of one step for each level. */
static void walk(const void *root, struct svma_tree_shape *out)
{
	struct step steps[SVMA_TREE_LEVELS];
	unsigned int level = 0, nodes = 1;

	out->truncated = !enter(root, ULONG_MAX, &steps[0], &out->level[0]);
	out->levels = 1;
	while (!out->truncated) {
		struct step *step = &steps[level];

		if (step->type == maple_leaf_64)
			count_leaf(step, out, &out->level[level]);
		if (step->at > step->end) {
			if (!level--)
				return;
			steps[level].at++;
			continue;
		}
		if (level + 1 == SVMA_TREE_LEVELS || nodes++ == MAX_STEPS) {
			out->truncated = 1;
			return;
		}
		out->truncated = !enter(slot_of(step), max_of_slot(step), &steps[level + 1], &out->level[level + 1]);
		level++;
		out->levels = max(out->levels, level + 1);
	}
}

void svma_live_tree_shape(struct mm_struct *mm, struct svma_tree_shape *out)
{
	const void *root = rcu_dereference_protected(mm->mm_mt.ma_root, true);
	unsigned int i;

	memset(out, 0, sizeof(*out));
	out->kind = SVMA_TREE_MAPLE;
	out->height = mt_height(&mm->mm_mt);
	if (xa_is_node(root))
		walk(root, out);
	else
		out->vmas = !!root;
	out->visited = (u64)out->vmas * out->height;
	for (i = 0; i < out->levels; i++)
		out->bytes += (u64)out->level[i].nodes * sizeof(struct maple_node);
}

#else

void svma_live_tree_shape(struct mm_struct *mm, struct svma_tree_shape *out)
{
	const struct rb_node *node = mm->mm_rb.rb_node, *from = NULL;
	u32 depth = 1;

	memset(out, 0, sizeof(*out));
	out->kind = SVMA_TREE_RED_BLACK;
	/* Down to the left, down to the right, up: each link is gone along twice. */
	while (node) {
		const bool arrives = from == rb_parent(node);

		if (arrives) {
			if (out->vmas == MAX_STEPS) {
				out->truncated = 1;
				break;
			}
			out->vmas++;
			out->visited += depth;
			out->height = max(out->height, depth);
		}
		if (arrives && node->rb_left) {
			from = node;
			node = node->rb_left;
			depth++;
		} else if (node->rb_right && from != node->rb_right) {
			from = node;
			node = node->rb_right;
			depth++;
		} else {
			from = node;
			node = rb_parent(node);
			depth--;
		}
	}
	out->bytes = (u64)out->vmas * SVMA_RB_BYTES;
}

#endif
