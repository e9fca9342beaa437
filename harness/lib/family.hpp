// SPDX-License-Identifier: GPL-2.0-only
// The family tree of the anon_vmas of a process: all that have their root in common with one of
// its own, and whose they are. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lib/json.hpp"
#include "uapi/svma.h"

namespace svma {

// The chains of one process.
struct ProcessChains {
  pid_t pid = 0;
  std::string comm;
  std::vector<svma_chain_link> links;
};

// A VMA that is linked to an anon_vma.
struct FamilyVma {
  pid_t pid = 0;
  uint64_t start = 0;
  uint64_t end = 0;
  bool own = false;  // it faults into it
};

struct FamilyNode {
  svma_chain_link anon_vma{};  // as one of its links tells of it
  std::vector<FamilyVma> vmas;
  std::vector<size_t> children;  // indices, in the order of their numbers
};

// Nodes in the order of their numbers.
struct Family {
  std::vector<FamilyNode> nodes;
  std::vector<size_t> roots;
};

// `processes`: all that are tracked, the first one asked for.
Family build_family(std::span<const ProcessChains> processes);

std::string family_text(const Family& family);
// For Graphviz.
std::string family_dot(const Family& family);
Json to_json(const Family& family);

}  // namespace svma
