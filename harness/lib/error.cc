// SPDX-License-Identifier: GPL-2.0-only
#include "lib/error.hpp"

#include <system_error>

namespace svma {

std::string errno_text(int error) { return std::generic_category().message(error); }

}  // namespace svma
