// SPDX-License-Identifier: GPL-2.0-only
// A drawing as SVG, alone or in a page of HTML. Pure.
#pragma once

#include <string>

#include "lib/picture_draw.hpp"

namespace svma {

std::string svg_text(const Drawing& drawing);
std::string html_text(const Drawing& drawing);

// As XML's text or attribute. Control characters and bytes that are no UTF-8, which XML can't have
// in any form, become "?".
std::string xml_escaped(const std::string& text);

}  // namespace svma
