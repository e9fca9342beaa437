/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of uapi/svma.h, frozen. A line here may be added with a new field or request, never changed:
 * programs that were built before would break. The includer defines ABI_ASSERT(condition).
 */
#ifndef SVMA_TESTS_ABI_LAYOUT_H
#define SVMA_TESTS_ABI_LAYOUT_H

#include <stddef.h>

/* clang-format off */
#define ABI_SIZE(type, size) ABI_ASSERT(sizeof(struct type) == (size))
#define ABI_AT(type, field, offset) ABI_ASSERT(offsetof(struct type, field) == (offset))
#define ABI_IS(name, value) ABI_ASSERT((name) == (value))

ABI_SIZE(svma_version, 112);
ABI_AT(svma_version, size, 0);
ABI_AT(svma_version, abi, 4);
ABI_AT(svma_version, features, 8);
ABI_AT(svma_version, reserved, 12);
ABI_AT(svma_version, module, 16);
ABI_AT(svma_version, kernel, 48);

ABI_SIZE(svma_track, 24);
ABI_AT(svma_track, size, 0);
ABI_AT(svma_track, flags, 4);
ABI_AT(svma_track, pid, 8);
ABI_AT(svma_track, reserved, 12);
ABI_AT(svma_track, mm_id, 16);

ABI_SIZE(svma_untrack, 24);
ABI_AT(svma_untrack, size, 0);
ABI_AT(svma_untrack, flags, 4);
ABI_AT(svma_untrack, pid, 8);
ABI_AT(svma_untrack, reserved, 12);
ABI_AT(svma_untrack, mm_id, 16);

ABI_SIZE(svma_counts, 448);
ABI_AT(svma_counts, operations, 0);
ABI_AT(svma_counts, compared, 8);
ABI_AT(svma_counts, equal, 16);
ABI_AT(svma_counts, divergent, 24);
ABI_AT(svma_counts, unmodelled, 32);
ABI_AT(svma_counts, missed, 40);
ABI_AT(svma_counts, resyncs, 48);
ABI_AT(svma_counts, facts, 56);
ABI_AT(svma_counts, by_operation, 64);
ABI_AT(svma_counts, unmodelled_by_operation, 256);

ABI_SIZE(svma_totals, 48);
ABI_AT(svma_totals, map_count, 0);
ABI_AT(svma_totals, total_vm, 8);
ABI_AT(svma_totals, data_vm, 16);
ABI_AT(svma_totals, exec_vm, 24);
ABI_AT(svma_totals, stack_vm, 32);
ABI_AT(svma_totals, locked_vm, 40);

ABI_SIZE(svma_mm, 544);
ABI_AT(svma_mm, size, 0);
ABI_AT(svma_mm, flags, 4);
ABI_AT(svma_mm, mm_id, 8);
ABI_AT(svma_mm, pid, 16);
ABI_AT(svma_mm, health, 20);
ABI_AT(svma_mm, seq, 24);
ABI_AT(svma_mm, totals, 32);
ABI_AT(svma_mm, counts, 80);
ABI_AT(svma_mm, comm, 528);

ABI_SIZE(svma_list, 24);
ABI_AT(svma_list, size, 0);
ABI_AT(svma_list, flags, 4);
ABI_AT(svma_list, capacity, 8);
ABI_AT(svma_list, count, 12);
ABI_AT(svma_list, buffer, 16);

ABI_SIZE(svma_vma, 104);
ABI_AT(svma_vma, start, 0);
ABI_AT(svma_vma, end, 8);
ABI_AT(svma_vma, flags, 16);
ABI_AT(svma_vma, pgoff, 24);
ABI_AT(svma_vma, ino, 32);
ABI_AT(svma_vma, dev, 40);
ABI_AT(svma_vma, bits, 44);
ABI_AT(svma_vma, file, 48);
ABI_AT(svma_vma, anon_vma, 56);
ABI_AT(svma_vma, uffd_ctx, 64);
ABI_AT(svma_vma, policy, 72);
ABI_AT(svma_vma, anon_name, 76);
ABI_AT(svma_vma, gap, 80);
ABI_AT(svma_vma, parent, 88);
ABI_AT(svma_vma, depth, 96);
ABI_AT(svma_vma, reserved, 100);

ABI_SIZE(svma_snapshot, 112);
ABI_AT(svma_snapshot, size, 0);
ABI_AT(svma_snapshot, flags, 4);
ABI_AT(svma_snapshot, mm_id, 8);
ABI_AT(svma_snapshot, pid, 16);
ABI_AT(svma_snapshot, capacity, 20);
ABI_AT(svma_snapshot, start, 24);
ABI_AT(svma_snapshot, buffer, 32);
ABI_AT(svma_snapshot, count, 40);
ABI_AT(svma_snapshot, more, 44);
ABI_AT(svma_snapshot, health, 48);
ABI_AT(svma_snapshot, busy, 52);
ABI_AT(svma_snapshot, seq, 56);
ABI_AT(svma_snapshot, totals, 64);

ABI_SIZE(svma_find, 256);
ABI_AT(svma_find, size, 0);
ABI_AT(svma_find, flags, 4);
ABI_AT(svma_find, mm_id, 8);
ABI_AT(svma_find, pid, 16);
ABI_AT(svma_find, found, 20);
ABI_AT(svma_find, addr, 24);
ABI_AT(svma_find, seq, 32);
ABI_AT(svma_find, health, 40);
ABI_AT(svma_find, reserved, 44);
ABI_AT(svma_find, vma, 48);
ABI_AT(svma_find, prev, 152);

ABI_SIZE(svma_gap, 88);
ABI_AT(svma_gap, size, 0);
ABI_AT(svma_gap, flags, 4);
ABI_AT(svma_gap, mm_id, 8);
ABI_AT(svma_gap, pid, 16);
ABI_AT(svma_gap, error, 20);
ABI_AT(svma_gap, length, 24);
ABI_AT(svma_gap, low_limit, 32);
ABI_AT(svma_gap, high_limit, 40);
ABI_AT(svma_gap, align_mask, 48);
ABI_AT(svma_gap, align_offset, 56);
ABI_AT(svma_gap, result, 64);
ABI_AT(svma_gap, seq, 72);
ABI_AT(svma_gap, health, 80);
ABI_AT(svma_gap, reserved, 84);

ABI_SIZE(svma_stats, 520);
ABI_AT(svma_stats, size, 0);
ABI_AT(svma_stats, flags, 4);
ABI_AT(svma_stats, counts, 8);
ABI_AT(svma_stats, tracked, 456);
ABI_AT(svma_stats, tracked_ever, 464);
ABI_AT(svma_stats, vmas, 472);
ABI_AT(svma_stats, memory, 480);
ABI_AT(svma_stats, memory_cap, 488);
ABI_AT(svma_stats, pool_free, 496);
ABI_AT(svma_stats, pool_empty, 504);
ABI_AT(svma_stats, canary_failures, 512);

ABI_SIZE(svma_probe, 104);
ABI_AT(svma_probe, symbol, 0);
ABI_AT(svma_probe, role, 48);
ABI_AT(svma_probe, state, 80);
ABI_AT(svma_probe, reserved, 84);
ABI_AT(svma_probe, hits, 88);
ABI_AT(svma_probe, missed, 96);

ABI_SIZE(svma_probes, 24);
ABI_AT(svma_probes, size, 0);
ABI_AT(svma_probes, flags, 4);
ABI_AT(svma_probes, capacity, 8);
ABI_AT(svma_probes, count, 12);
ABI_AT(svma_probes, buffer, 16);

ABI_SIZE(svma_divergence, 352);
ABI_AT(svma_divergence, mm_id, 0);
ABI_AT(svma_divergence, seq, 8);
ABI_AT(svma_divergence, time_ns, 16);
ABI_AT(svma_divergence, pid, 24);
ABI_AT(svma_divergence, operation, 28);
ABI_AT(svma_divergence, field, 32);
ABI_AT(svma_divergence, unmodelled, 36);
ABI_AT(svma_divergence, result, 40);
ABI_AT(svma_divergence, args, 48);
ABI_AT(svma_divergence, predicted_value, 112);
ABI_AT(svma_divergence, observed_value, 120);
ABI_AT(svma_divergence, predicted, 128);
ABI_AT(svma_divergence, observed, 232);
ABI_AT(svma_divergence, comm, 336);

ABI_SIZE(svma_divergences, 32);
ABI_AT(svma_divergences, size, 0);
ABI_AT(svma_divergences, flags, 4);
ABI_AT(svma_divergences, capacity, 8);
ABI_AT(svma_divergences, count, 12);
ABI_AT(svma_divergences, buffer, 16);
ABI_AT(svma_divergences, lost, 24);

ABI_IS(SVMA_IOC_VERSION, 0xc070b600u);
ABI_IS(SVMA_IOC_TRACK, 0xc018b601u);
ABI_IS(SVMA_IOC_UNTRACK, 0xc018b602u);
ABI_IS(SVMA_IOC_LIST, 0xc018b603u);
ABI_IS(SVMA_IOC_MM, 0xc220b604u);
ABI_IS(SVMA_IOC_SNAPSHOT, 0xc070b605u);
ABI_IS(SVMA_IOC_FIND, 0xc100b606u);
ABI_IS(SVMA_IOC_GAP, 0xc058b607u);
ABI_IS(SVMA_IOC_STATS, 0xc208b608u);
ABI_IS(SVMA_IOC_PROBES, 0xc018b609u);
ABI_IS(SVMA_IOC_DIVERGENCES, 0xc020b60au);

ABI_IS(SVMA_CLEAN, 0);
ABI_IS(SVMA_SUSPECT, 1);
ABI_IS(SVMA_RESYNCING, 2);
ABI_IS(SVMA_GONE, 3);
ABI_IS(SVMA_STARTING, 4);
ABI_SIZE(svma_facts, 136);
ABI_AT(svma_facts, size, 0);
ABI_AT(svma_facts, flags, 4);
ABI_AT(svma_facts, count, 8);

ABI_SIZE(svma_extent, 48);
ABI_AT(svma_extent, start, 0);
ABI_AT(svma_extent, end, 8);
ABI_AT(svma_extent, flags, 16);
ABI_AT(svma_extent, pgoff, 24);
ABI_AT(svma_extent, ino, 32);
ABI_AT(svma_extent, dev, 40);
ABI_AT(svma_extent, reserved, 44);

ABI_SIZE(svma_journal_entry, 352);
ABI_AT(svma_journal_entry, id, 0);
ABI_AT(svma_journal_entry, seq, 8);
ABI_AT(svma_journal_entry, begin_ns, 16);
ABI_AT(svma_journal_entry, end_ns, 24);
ABI_AT(svma_journal_entry, result, 32);
ABI_AT(svma_journal_entry, args, 40);
ABI_AT(svma_journal_entry, predicted, 104);
ABI_AT(svma_journal_entry, start, 112);
ABI_AT(svma_journal_entry, end, 120);
ABI_AT(svma_journal_entry, tid, 128);
ABI_AT(svma_journal_entry, operation, 132);
ABI_AT(svma_journal_entry, bits, 136);
ABI_AT(svma_journal_entry, vmas, 140);
ABI_AT(svma_journal_entry, vma, 144);
ABI_AT(svma_journal_entry, comm, 336);

ABI_SIZE(svma_journal, 56);
ABI_AT(svma_journal, size, 0);
ABI_AT(svma_journal, flags, 4);
ABI_AT(svma_journal, mm_id, 8);
ABI_AT(svma_journal, pid, 16);
ABI_AT(svma_journal, capacity, 20);
ABI_AT(svma_journal, from, 24);
ABI_AT(svma_journal, buffer, 32);
ABI_AT(svma_journal, count, 40);
ABI_AT(svma_journal, more, 44);
ABI_AT(svma_journal, lost, 48);

ABI_SIZE(svma_report, 2000);
ABI_AT(svma_report, size, 0);
ABI_AT(svma_report, flags, 4);
ABI_AT(svma_report, index, 8);
ABI_AT(svma_report, tid, 12);
ABI_AT(svma_report, predicted, 16);
ABI_AT(svma_report, observed, 20);
ABI_AT(svma_report, frames, 24);
ABI_AT(svma_report, reserved, 28);
ABI_AT(svma_report, divergence, 32);
ABI_AT(svma_report, predicted_map, 384);
ABI_AT(svma_report, observed_map, 672);
ABI_AT(svma_report, task, 960);
ABI_AT(svma_report, stack, 976);

ABI_SIZE(svma_condition, 24);
ABI_AT(svma_condition, lower, 0);
ABI_AT(svma_condition, upper, 8);
ABI_AT(svma_condition, asked, 16);
ABI_AT(svma_condition, held, 20);

ABI_SIZE(svma_why, 1128);
ABI_AT(svma_why, size, 0);
ABI_AT(svma_why, flags, 4);
ABI_AT(svma_why, mm_id, 8);
ABI_AT(svma_why, pid, 16);
ABI_AT(svma_why, found, 20);
ABI_AT(svma_why, addr, 24);
ABI_AT(svma_why, seq, 32);
ABI_AT(svma_why, health, 40);
ABI_AT(svma_why, mergeable, 44);
ABI_AT(svma_why, vma, 48);
ABI_AT(svma_why, prev, 152);
ABI_AT(svma_why, next, 256);
ABI_AT(svma_why, with_prev, 360);
ABI_AT(svma_why, with_next, 744);

ABI_SIZE(svma_limits, 72);
ABI_AT(svma_limits, size, 0);
ABI_AT(svma_limits, flags, 4);
ABI_AT(svma_limits, mm_id, 8);
ABI_AT(svma_limits, pid, 16);
ABI_AT(svma_limits, topdown, 20);
ABI_AT(svma_limits, low_limit, 24);
ABI_AT(svma_limits, high_limit, 32);
ABI_AT(svma_limits, fallback_low, 40);
ABI_AT(svma_limits, fallback_high, 48);
ABI_AT(svma_limits, task_size, 56);
ABI_AT(svma_limits, stack_guard_gap, 64);

ABI_SIZE(svma_tree_node, 32);
ABI_AT(svma_tree_node, start, 0);
ABI_AT(svma_tree_node, end, 8);
ABI_AT(svma_tree_node, gap, 16);
ABI_AT(svma_tree_node, red, 24);
ABI_AT(svma_tree_node, reserved, 28);

ABI_SIZE(svma_structure, 296);
ABI_AT(svma_structure, size, 0);
ABI_AT(svma_structure, flags, 4);
ABI_AT(svma_structure, compared, 8);
ABI_AT(svma_structure, equal, 16);
ABI_AT(svma_structure, has_tree, 24);
ABI_AT(svma_structure, differs, 28);
ABI_AT(svma_structure, mm_id, 32);
ABI_AT(svma_structure, predicted, 40);
ABI_AT(svma_structure, observed, 168);

ABI_SIZE(svma_tree_level, 16);
ABI_AT(svma_tree_level, nodes, 0);
ABI_AT(svma_tree_level, slots, 4);
ABI_AT(svma_tree_level, used, 8);
ABI_AT(svma_tree_level, empty, 12);

ABI_SIZE(svma_tree_shape, 232);
ABI_AT(svma_tree_shape, kind, 0);
ABI_AT(svma_tree_shape, height, 4);
ABI_AT(svma_tree_shape, vmas, 8);
ABI_AT(svma_tree_shape, truncated, 12);
ABI_AT(svma_tree_shape, visited, 16);
ABI_AT(svma_tree_shape, bytes, 24);
ABI_AT(svma_tree_shape, levels, 32);
ABI_AT(svma_tree_shape, reserved, 36);
ABI_AT(svma_tree_shape, level, 40);

ABI_SIZE(svma_shape, 520);
ABI_AT(svma_shape, size, 0);
ABI_AT(svma_shape, flags, 4);
ABI_AT(svma_shape, mm_id, 8);
ABI_AT(svma_shape, pid, 16);
ABI_AT(svma_shape, health, 20);
ABI_AT(svma_shape, seq, 24);
ABI_AT(svma_shape, length, 32);
ABI_AT(svma_shape, found, 40);
ABI_AT(svma_shape, search_visited, 48);
ABI_AT(svma_shape, map_count, 52);
ABI_AT(svma_shape, shadow, 56);
ABI_AT(svma_shape, live, 288);

ABI_SIZE(svma_rmap_stats, 40);
ABI_AT(svma_rmap_stats, size, 0);
ABI_AT(svma_rmap_stats, flags, 4);
ABI_AT(svma_rmap_stats, compared, 8);
ABI_AT(svma_rmap_stats, equal, 16);
ABI_AT(svma_rmap_stats, cut, 24);
ABI_AT(svma_rmap_stats, unsure, 32);

ABI_SIZE(svma_chain_link, 56);
ABI_AT(svma_chain_link, start, 0);
ABI_AT(svma_chain_link, end, 8);
ABI_AT(svma_chain_link, anon_vma, 16);
ABI_AT(svma_chain_link, root, 24);
ABI_AT(svma_chain_link, parent, 32);
ABI_AT(svma_chain_link, bits, 40);
ABI_AT(svma_chain_link, refcount, 44);
ABI_AT(svma_chain_link, children, 48);
ABI_AT(svma_chain_link, active_vmas, 52);

ABI_SIZE(svma_chains, 72);
ABI_AT(svma_chains, size, 0);
ABI_AT(svma_chains, flags, 4);
ABI_AT(svma_chains, mm_id, 8);
ABI_AT(svma_chains, pid, 16);
ABI_AT(svma_chains, health, 20);
ABI_AT(svma_chains, stamp, 24);
ABI_AT(svma_chains, from, 32);
ABI_AT(svma_chains, skip, 40);
ABI_AT(svma_chains, more, 44);
ABI_AT(svma_chains, capacity, 48);
ABI_AT(svma_chains, count, 52);
ABI_AT(svma_chains, busy, 56);
ABI_AT(svma_chains, reserved, 60);
ABI_AT(svma_chains, buffer, 64);

ABI_SIZE(svma_sharer, 32);
ABI_AT(svma_sharer, mm_id, 0);
ABI_AT(svma_sharer, start, 8);
ABI_AT(svma_sharer, end, 16);
ABI_AT(svma_sharer, address, 24);

ABI_SIZE(svma_sharers, 80);
ABI_AT(svma_sharers, size, 0);
ABI_AT(svma_sharers, flags, 4);
ABI_AT(svma_sharers, mm_id, 8);
ABI_AT(svma_sharers, pid, 16);
ABI_AT(svma_sharers, dev, 20);
ABI_AT(svma_sharers, ino, 24);
ABI_AT(svma_sharers, addr, 32);
ABI_AT(svma_sharers, page, 40);
ABI_AT(svma_sharers, anon_vma, 48);
ABI_AT(svma_sharers, capacity, 56);
ABI_AT(svma_sharers, count, 60);
ABI_AT(svma_sharers, total, 64);
ABI_AT(svma_sharers, buffer, 72);

ABI_SIZE(svma_semantic, 200);
ABI_AT(svma_semantic, size, 0);
ABI_AT(svma_semantic, index, 4);
ABI_AT(svma_semantic, profile, 8);
ABI_AT(svma_semantic, name, 24);
ABI_AT(svma_semantic, value, 72);
ABI_AT(svma_semantic, source, 104);

ABI_IS(SVMA_OP_NONE, 0);
ABI_IS(SVMA_OP_ATTACH, 1);
ABI_IS(SVMA_OP_MMAP, 2);
ABI_IS(SVMA_OP_MUNMAP, 3);
ABI_IS(SVMA_OP_BRK, 4);
ABI_IS(SVMA_OP_MPROTECT, 5);
ABI_IS(SVMA_OP_MREMAP_MOVE, 6);
ABI_IS(SVMA_OP_MREMAP_EXPAND, 7);
ABI_IS(SVMA_OP_MLOCK, 8);
ABI_IS(SVMA_OP_MODIFY, 9);
ABI_IS(SVMA_OP_STACK_GROWTH, 10);
ABI_IS(SVMA_OP_INSERT, 11);
ABI_IS(SVMA_OP_STACK_SHIFT, 12);
ABI_IS(SVMA_OP_FORK, 13);
ABI_IS(SVMA_OP_EXIT, 14);
ABI_IS(SVMA_OP_ANON_VMA, 15);
ABI_IS(SVMA_OP_OTHER, 16);
ABI_IS(SVMA_OP_EXEC, 17);
ABI_IS(SVMA_OP_MADVISE, 18);
ABI_IS(SVMA_OP_MBIND, 19);
ABI_IS(SVMA_OP_SEARCH, 20);
ABI_IS(SVMA_OP_CLEAR_REFS, 21);
ABI_IS(SVMA_OP_COUNT, 24);
ABI_IS(SVMA_FIELD_NONE, 0);
ABI_IS(SVMA_FIELD_LAYOUT, 1);
ABI_IS(SVMA_FIELD_FLAGS, 2);
ABI_IS(SVMA_FIELD_PGOFF, 3);
ABI_IS(SVMA_FIELD_FILE, 4);
ABI_IS(SVMA_FIELD_POLICY, 5);
ABI_IS(SVMA_FIELD_UFFD, 6);
ABI_IS(SVMA_FIELD_NAME, 7);
ABI_IS(SVMA_FIELD_MAP_COUNT, 8);
ABI_IS(SVMA_FIELD_TOTAL_VM, 9);
ABI_IS(SVMA_FIELD_DATA_VM, 10);
ABI_IS(SVMA_FIELD_EXEC_VM, 11);
ABI_IS(SVMA_FIELD_STACK_VM, 12);
ABI_IS(SVMA_FIELD_LOCKED_VM, 13);
ABI_IS(SVMA_FIELD_ANON_VMA, 14);
ABI_IS(SVMA_FIELD_ADDRESS, 15);
ABI_IS(SVMA_FIELD_LOOKUP, 16);
ABI_IS(SVMA_FIELD_HIWATER_VM, 17);
ABI_IS(SVMA_FIELD_ARGUMENT, 18);
ABI_IS(SVMA_FIELD_RESULT, 19);
ABI_IS(SVMA_FIELD_GAP, 20);
ABI_IS(SVMA_FIELD_STRUCTURE, 21);
ABI_IS(SVMA_FACT_ANON_VMA, 0);
ABI_IS(SVMA_FACT_DRIVER, 1);
ABI_IS(SVMA_FACT_SHARED_ANON, 2);
ABI_IS(SVMA_FACT_FORK, 3);
ABI_IS(SVMA_FACT_REMAP_EVENT, 4);
ABI_IS(SVMA_FACT_FAILURE, 5);
ABI_IS(SVMA_FACT_SPECIAL, 6);
ABI_IS(SVMA_FACT_ADDRESS, 7);
ABI_IS(SVMA_FACT_FILE, 8);
ABI_IS(SVMA_FACT_RESOURCE, 9);
ABI_IS(SVMA_FACT_ORDER, 10);
ABI_IS(SVMA_FACT_COUNT, 16);
ABI_IS(SVMA_CONDITION_NEIGHBOUR, 0);
ABI_IS(SVMA_CONDITION_ADJACENT, 1);
ABI_IS(SVMA_CONDITION_SPECIAL, 2);
ABI_IS(SVMA_CONDITION_POLICY, 3);
ABI_IS(SVMA_CONDITION_FLAGS, 4);
ABI_IS(SVMA_CONDITION_FILE, 5);
ABI_IS(SVMA_CONDITION_CLOSE, 6);
ABI_IS(SVMA_CONDITION_UFFD, 7);
ABI_IS(SVMA_CONDITION_NAME, 8);
ABI_IS(SVMA_CONDITION_ANON_VMA, 9);
ABI_IS(SVMA_CONDITION_SINGULAR, 10);
ABI_IS(SVMA_CONDITION_PGOFF, 11);
ABI_IS(SVMA_CONDITION_COUNT, 16);
ABI_IS(SVMA_JOURNAL_DIVERGED, 1);
ABI_IS(SVMA_JOURNAL_UNMODELLED, 2);
ABI_IS(SVMA_JOURNAL_CUT, 4);
ABI_IS(SVMA_JOURNAL_AFTER, 1);
ABI_IS(SVMA_FIELD_CHAIN, 22);
ABI_IS(SVMA_FIELD_ANON_ROOT, 23);
ABI_IS(SVMA_FIELD_ANON_PARENT, 24);
ABI_IS(SVMA_FIELD_CHILDREN, 25);
ABI_IS(SVMA_FIELD_ACTIVE_VMAS, 26);
ABI_IS(SVMA_IOC_RMAP, 0xc028b613u);
ABI_IS(SVMA_IOC_CHAINS, 0xc048b614u);
ABI_IS(SVMA_IOC_SHARERS, 0xc050b615u);
ABI_IS(SVMA_IOC_JOURNAL, 0xc038b60cu);
ABI_IS(SVMA_IOC_REPORT, 0xc7d0b60du);
ABI_IS(SVMA_IOC_SHAPE, 0xc208b612u);
ABI_IS(SVMA_ABI_VERSION, 1);
ABI_IS(SVMA_MM_DESCENDANTS, 2);
ABI_IS(SVMA_GAP_TOPDOWN, 1);
ABI_IS(SVMA_STATS_MODULE, 1);
ABI_IS(SVMA_PROBE_FOUND, 1);
ABI_IS(SVMA_PROBE_ARMED, 2);
ABI_IS(SVMA_PROBE_REQUIRED, 4);
ABI_IS(SVMA_TRACK_DESCENDANTS, 1);
ABI_IS(SVMA_TRACK_CHILDREN, 2);
ABI_IS(SVMA_MM_FROM_EXEC, 1);
ABI_IS(SVMA_MM_OWNED, 4);
ABI_IS(SVMA_LIST_MINE, 1);
ABI_IS(SVMA_VMA_RED, 1);
ABI_IS(SVMA_TREE_RED_BLACK, 1);
ABI_IS(SVMA_TREE_MAPLE, 2);
ABI_IS(SVMA_TREE_LEVELS, 12);
ABI_IS(SVMA_VMA_HAS_CLOSE, 2);
ABI_IS(SVMA_VMA_ANON_SINGULAR, 4);
ABI_IS(SVMA_PROBE_RETURN, 8);

#endif /* SVMA_TESTS_ABI_LAYOUT_H */
