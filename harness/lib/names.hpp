// SPDX-License-Identifier: GPL-2.0-only
// Names of the numbers in uapi/svma.h.
#pragma once

#include <cstdint>
#include <string>

namespace svma {

// "mmap" for SVMA_OP_MMAP; "operation 23" for one this build does not know.
std::string operation_name(uint32_t operation);

// "pgoff" for SVMA_FIELD_PGOFF.
std::string field_name(uint32_t field);

// "anon_vma" for SVMA_FACT_ANON_VMA.
std::string fact_name(uint32_t fact);

// "clean" for SVMA_CLEAN.
std::string health_name(uint32_t health);

// "maple" for SVMA_TREE_MAPLE.
std::string tree_kind_name(uint32_t kind);

}  // namespace svma
