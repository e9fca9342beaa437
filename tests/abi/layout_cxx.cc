// SPDX-License-Identifier: GPL-2.0-only
// The interface as C++20: see layout.h.
#include <type_traits>

#include "uapi/svma.h"

#define ABI_ASSERT(condition) static_assert(condition, #condition)

#include "tests/abi/layout.h"

#define ABI_PLAIN(type) \
  static_assert(std::is_standard_layout_v<type> && std::is_trivially_copyable_v<type>)

ABI_PLAIN(svma_version);
ABI_PLAIN(svma_mm);
ABI_PLAIN(svma_vma);
ABI_PLAIN(svma_find);
ABI_PLAIN(svma_divergence);
