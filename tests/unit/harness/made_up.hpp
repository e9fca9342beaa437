// SPDX-License-Identifier: GPL-2.0-only
// Processes that never were, as what the module says of them.
#pragma once

#include "lib/picture.hpp"

namespace svma::test {

// Balanced links, colours and gaps for VMAs in address order.
void link_tree(std::vector<svma_vma>& vmas);

// `count` VMAs: a program, heap, libraries, anonymous ones with and without holes, a stack; with
// page tables that hold memory of each kind.
PictureInput made_up(size_t count);

}  // namespace svma::test
