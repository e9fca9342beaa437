// SPDX-License-Identifier: GPL-2.0-only
// Why two neighbouring VMAs are not one, in words. Pure.
#pragma once

#include <string>

#include "lib/json.hpp"
#include "uapi/svma.h"

namespace svma {

// "pgoff" for SVMA_CONDITION_PGOFF; nullptr for a number without a meaning.
const char* condition_name(unsigned condition);

// One line on one condition: what both sides bring, and what that means. `has_anon_vma`: whether
// the neighbour has one.
std::string condition_text(unsigned condition, const svma_condition& answer, bool has_anon_vma);

// The whole answer. REQUIRES: a VMA was found.
std::string why_text(const svma_why& why);
Json to_json(const svma_why& why);

}  // namespace svma
