// SPDX-License-Identifier: GPL-2.0-only
//
// The whole reverse mapping of some shadows: by the core's verifier, and who maps a page of a file
// against what follows from their VMAs one by one.
#pragma once

#include <string>
#include <vector>

#include "abi/core_api.h"

namespace svma::test {

// `shadows`: all that follow `rmap`. RETURNS: what is wrong, or "".
std::string check_rmap(svma_rmap* rmap, const std::vector<svma_shadow*>& shadows);

// Blocks that are handed out for it.
std::uint64_t rmap_blocks(const svma_rmap* rmap);

}  // namespace svma::test
