// SPDX-License-Identifier: GPL-2.0-only
// An operation as people write it: its arguments, its result, flags by name. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "uapi/svma.h"

namespace svma {

using Arguments = std::span<const __u64, 8>;

// "rw-p growsdown locked": permissions, and what else is set. Left out is what nearly every VMA
// has: the VM_MAY bits that permissions imply, VM_ACCOUNT and VM_SOFTDIRTY.
std::string flags_text(uint64_t flags);

// "write account": every bit of a mask by its kernel name, VM_ left out.
std::string flag_names(uint64_t mask);

// "mprotect 7f12000-7f14000 r--p". [start, end) is what was compared, for operations whose
// arguments don't say.
std::string call_text(uint32_t operation, Arguments args, uint64_t start = 0, uint64_t end = 0);

// "-ENOMEM", "0", or the address for operations that return one.
std::string result_text(uint32_t operation, int64_t result);

// Did the kernel's function fail?
bool failed(int64_t result);

// "08:01 1234" or "anonymous".
std::string file_text(uint32_t dev, uint64_t ino);

// "7f12000-7f14000".
std::string range_text(uint64_t start, uint64_t end);

}  // namespace svma
