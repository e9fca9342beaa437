// SPDX-License-Identifier: GPL-2.0-only
#include "lib/view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "lib/error.hpp"
#include "lib/names.hpp"

namespace svma {

TreeSnapshot shadow_of(Device& device, pid_t pid) {
  device.track(pid, 0);  // false, tracked by somebody already, is as good
  auto snapshot = device.tree(pid);
  if (!snapshot) throw Error("process {}: it ended before its shadow could be read", pid);
  return *std::move(snapshot);
}

Layout layout_of(const TreeSnapshot& snapshot) {
  Layout layout;
  std::transform(snapshot.vmas.begin(), snapshot.vmas.end(), std::back_inserter(layout), to_vma);
  return layout;
}

std::string headline(const TreeSnapshot& snapshot) {
  const svma_mm& mm = snapshot.mm;
  return fmt::format("pid {} ({}): {}, {} VMAs, seq {}\n", mm.pid,
                     std::string(mm.comm, strnlen(mm.comm, sizeof(mm.comm))),
                     health_name(snapshot.health), snapshot.vmas.size(), snapshot.seq);
}

}  // namespace svma
