// SPDX-License-Identifier: GPL-2.0-only
// Two neighbourhoods as maps, one above the other, aligned by address. Pure.
//
//                 +0        +2000     +4000          +8000
//     predicted   |AAAAAAAAA|         |BBBBBBBBBBBBBB|
//     observed    |AAAAAAAAAAAAAAAAAAA|BBBBBBBBBBBBBB|
//                           ^^^^^^^^^^
//
// A bar is where a VMA starts or ends, a letter is one mapping: same flags, same file, one
// continuing the other. Widths grow with the logarithm of sizes.
#pragma once

#include <span>
#include <string>

#include "uapi/svma.h"

namespace svma {

// The picture and its legend, `indent` before each line. "" when neither side has anything.
std::string sketch(std::span<const svma_extent> predicted, std::span<const svma_extent> observed,
                   const std::string& indent);

}  // namespace svma
