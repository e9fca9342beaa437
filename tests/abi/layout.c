/* SPDX-License-Identifier: GPL-2.0-only */
/* The interface as C: see layout.h. C99 has no static_assert, and an array of -1 elements does as well. */
#include "uapi/svma.h"

#define ABI_NAME2(line) svma_abi_assertion_##line
#define ABI_NAME(line) ABI_NAME2(line)
#define ABI_ASSERT(condition) extern char ABI_NAME(__LINE__)[(condition) ? 1 : -1]

#include "tests/abi/layout.h"
