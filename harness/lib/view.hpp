// SPDX-License-Identifier: GPL-2.0-only
// What the subcommands that show one process share.
#pragma once

#include <sys/types.h>

#include "lib/device.hpp"
#include "lib/layout.hpp"

namespace svma {

// The shadow of `pid`, which is tracked for the moment when nobody tracks it yet. Throws when it
// can't be.
TreeSnapshot shadow_of(Device& device, pid_t pid);

// The snapshot's VMAs without the tree.
Layout layout_of(const TreeSnapshot& snapshot);

// "pid 12 (bash): clean, 41 VMAs, seq 27": the line above every picture.
std::string headline(const TreeSnapshot& snapshot);

}  // namespace svma
