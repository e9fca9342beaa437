// SPDX-License-Identifier: GPL-2.0-only
//
// The user-space host of the core: what svma_os_* does in tests, and how a test controls it.
#pragma once

#include <cstdint>

namespace svma::test {

// Makes the n-th allocation from now on fail (1 is the next one), and only that one; 0: none fails.
void fail_allocation(std::uint64_t nth);

// Allocations asked for since start or the last fail_allocation(), failed ones included.
std::uint64_t allocations_asked();

// What svma_os_rmap_settled() answers.
void set_rmap_settled(bool yes);

// Blocks that were handed out and not yet given back.
std::uint64_t allocations_outstanding();

}  // namespace svma::test
