// SPDX-License-Identifier: GPL-2.0-only
// Page tables in words: one way down to a page, what a range maps, and what each VMA has of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/device.hpp"

namespace svma {

// The way from the root down to question.addr, as a person would draw it.
std::string walk_text(const svma_walk& walk);
// A line for each run of neighbouring entries.
std::string runs_text(std::span<const svma_page_run> runs);
// A line for each VMA, what of it is backed by huge pages, and the tables of each level.
std::string sums_text(const PageTables& tables);

svma_page_sum total_of(std::span<const svma_page_sum> sums);

// Parts of [start, end) that pages of 2 MiB and more are behind, neighbours joined.
struct HugePart {
  uint64_t start;
  uint64_t end;  // bytes, exclusive
};
std::vector<HugePart> huge_parts(std::span<const svma_page_run> runs);

}  // namespace svma
