// SPDX-License-Identifier: GPL-2.0-only
// Who maps a page: the module's answer with what the page tables of each process hold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/device.hpp"
#include "lib/pages.hpp"
#include "lib/sharers.hpp"

namespace svma {

std::string comm_of(const svma_mm& mm);

// All processes that have an address space and nobody tracks yet, as long as `device` is open.
void track_everybody(Device& device);

// By mm_id.
std::map<uint64_t, svma_mm> tracked_mms(Device& device);

// What is really at the addresses of these VMAs.
std::vector<Candidate> look_at_candidates(Device& device, const Pages& pages,
                                          const std::vector<svma_sharer>& vmas);

// VMAs of tracked processes that map a page of a file, by their layouts, and that the tree of the
// file does not have. `known`: what it has.
std::vector<Candidate> not_in_tree(Device& device, const Pages& pages, const SharedPage& page,
                                   const std::vector<Candidate>& known);

struct PageLook {
  SharedPage page;
  std::vector<Candidate> candidates;
  std::optional<size_t> asked;  // which of them is the one that was asked for
  std::vector<Candidate> left_out;
};

// The page at an address of the process of the snapshot. `wrong`: what contradicts the shadow, more
// than once, else "". Throws when the page never stands still.
PageLook look_at_page(Device& device, const Pages& pages, const TreeSnapshot& snapshot,
                      uint64_t address, std::string& wrong);

}  // namespace svma
