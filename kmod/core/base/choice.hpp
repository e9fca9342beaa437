// SPDX-License-Identifier: GPL-2.0-only
//
// A named choice of how this kernel does what others do in another way, in words.
#pragma once

namespace svma {

struct Choice {
  const char* name;
  const char* value;
  const char* source;  // versions and commits
};

}  // namespace svma
