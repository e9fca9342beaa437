// SPDX-License-Identifier: GPL-2.0-only
// Names of the bits of vm_flags on x86-64.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace svma {

// "VM_READ", ... in the order of the bits; "bit 45" for one without a name here.
std::vector<std::string> vm_flag_names(uint64_t flags);

// The names with spaces between them, "none" when no bit is set.
std::string vm_flags_text(uint64_t flags);

}  // namespace svma
