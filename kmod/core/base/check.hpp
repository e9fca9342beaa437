// SPDX-License-Identifier: GPL-2.0-only
//
// Two assertions. SVMA_CHECK stays in every build, for what would corrupt the shadow if it were
// false. SVMA_DCHECK documents a caller's duty and is compiled (and type-checked), but not
// evaluated, unless SVMA_DEBUG is defined, as it is in all tests.
#pragma once

// Supplied by whoever hosts the core: the shim warns once and marks the shadow broken, user space
// aborts. It may return; code after a check must not run into undefined behaviour because of that.
extern "C" void svma_os_check_failed(const char* file, int line, const char* what);

#define SVMA_CHECK(condition)                               \
  do {                                                      \
    if (!(condition)) [[unlikely]]                          \
      svma_os_check_failed(__FILE__, __LINE__, #condition); \
  } while (0)

#ifdef SVMA_DEBUG
#define SVMA_DCHECK(condition) SVMA_CHECK(condition)
#else
#define SVMA_DCHECK(condition)         \
  do {                                 \
    (void)sizeof((condition) ? 1 : 0); \
  } while (0)
#endif
