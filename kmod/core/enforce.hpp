// SPDX-License-Identifier: GPL-2.0-only
//
// The last include of every .cc of the core: from here to the end of the file, what a freestanding
// core may not use is a compile error with the offender's name in it.
//
// A poison cannot be lifted and would also hit headers included later in the same translation unit.
// In the kernel all .cc files are one unit, which says so with SVMA_UNITY and skips this; the check
// is not lost, since the same files are compiled one by one in user space, and a lint of the
// module's undefined symbols stands behind it.
#pragma once

#ifndef SVMA_UNITY

// Memory comes from a reserve filled beforehand; the one placement new is in base/memory.hpp.
#pragma GCC poison new delete malloc calloc realloc free alloca
// No libc: neither its output nor its memory functions (the compiler may still emit calls to
// memcpy and memset for copies of structs; the kernel has those).
#pragma GCC poison printf fprintf sprintf snprintf puts abort exit assert errno
#pragma GCC poison memcpy memmove memset memcmp strlen strcmp strcpy
// No exceptions, no run-time types, no thread-local objects, no dispatch through tables.
#pragma GCC poison throw try catch typeid dynamic_cast thread_local virtual
// No floating point: the kernel's FPU state belongs to user space.
#pragma GCC poison float double

#endif  // SVMA_UNITY
