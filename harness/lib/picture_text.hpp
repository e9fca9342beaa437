// SPDX-License-Identifier: GPL-2.0-only
// A picture as text for people, and as a graph for Graphviz. Pure.
#pragma once

#include <string>

#include "lib/picture.hpp"

namespace svma {

std::string picture_text(const Picture& picture);
std::string picture_dot(const Picture& picture);

}  // namespace svma
