// SPDX-License-Identifier: GPL-2.0-only
// Text for people. Pure: everything comes in as values and goes out as a string.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/layout.hpp"
#include "lib/tally.hpp"
#include "lib/tree.hpp"
#include "uapi/svma.h"

namespace svma {

// "start-end rw-p flags pgoff dev inode" of one VMA.
std::string vma_text(const Vma& vma);

// "rw-p", as /proc/PID/maps writes it.
std::string permissions(uint64_t flags);

// "12.0 MiB".
std::string size_text(uint64_t bytes);

// The last line of every check.
std::string verdict_line(const Verdict& verdict);

// The report of a check, without the verdict line.
std::string report_text(const CheckReport& report);

// One finding in a few lines, without the operations before it.
std::string finding_text(const Finding& finding);

// Findings, and after each group of them that followed the same operation the last operations.
std::string findings_text(std::span<const Finding> findings);

// Lines like those of /proc/PID/maps.
std::string maps_text(const Layout& layout);

// The red-black tree, root at the left margin.
std::string tree_text(const Tree& tree);

// Free ranges, one per line, and the largest.
std::string gaps_text(const std::vector<FreeRange>& gaps);

std::string stats_text(const svma_stats& stats);

// Comparisons of reverse mapping, and what its objects take.
std::string rmap_stats_text(const svma_rmap_stats& rmap);

// One line per kind of fact that occurred, with a heading.
std::string facts_text(const svma_facts& facts);

// Both trees of one process side by side, and the levels of a maple tree.
std::string shape_text(const svma_shape& shape);

std::string probes_text(std::span<const svma_probe> probes);
std::string semantics_text(std::span<const svma_semantic> choices);

}  // namespace svma
