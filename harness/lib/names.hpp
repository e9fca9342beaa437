// SPDX-License-Identifier: GPL-2.0-only
// Names of the numbers in uapi/svma.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
std::string entry_kind_name(uint32_t kind);
// Of a table's level: "pte", "pmd" ...; the highest one in use is the pgd, the root.
std::string level_name(uint32_t level, bool root);
// The SVMA_PTE_ bits that are set, as words.
std::vector<std::string> pte_flag_names(uint32_t flags);

}  // namespace svma
