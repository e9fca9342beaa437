// SPDX-License-Identifier: GPL-2.0-only
#include "lib/names.hpp"

#include <fmt/format.h>

#include <span>

#include "uapi/svma.h"

namespace svma {
namespace {

constexpr const char* kOperations[] = {
    "none",        "attach",        "mmap",   "munmap",     "brk",          "mprotect",
    "mremap move", "mremap expand", "mlock",  "modify",     "stack growth", "insert",
    "stack shift", "fork",          "exit",   "anon_vma",   "other",        "exec",
    "madvise",     "mbind",         "search", "clear_refs", "mseal",
};

constexpr const char* kFields[] = {
    "none",
    "layout",
    "flags",
    "pgoff",
    "file",
    "policy",
    "uffd",
    "name",
    "map_count",
    "total_vm",
    "data_vm",
    "exec_vm",
    "stack_vm",
    "locked_vm",
    "anon_vma",
    "address",
    "lookup",
    "hiwater_vm",
    "argument",
    "result",
    "rb_subtree_gap",
    "structure",
    "anon_vma_chain",
    "anon_vma.root",
    "anon_vma.parent",
    "num_children",
    "num_active_vmas",
};

constexpr const char* kFacts[] = {
    "anon_vma", "driver", "shared anonymous", "fork",  "remap event", "failure", "special",
    "address",  "file",   "resource",         "order",
};

constexpr const char* kHealth[] = {"clean", "suspect", "resyncing", "gone", "starting"};

std::string name_of(std::span<const char* const> names, uint32_t index, const char* kind) {
  return index < names.size() ? names[index] : fmt::format("{} {}", kind, index);
}

}  // namespace

std::string operation_name(uint32_t operation) {
  return name_of(kOperations, operation, "operation");
}

std::string field_name(uint32_t field) { return name_of(kFields, field, "field"); }

std::string fact_name(uint32_t fact) { return name_of(kFacts, fact, "fact"); }

std::string health_name(uint32_t health) { return name_of(kHealth, health, "health"); }

std::string tree_kind_name(uint32_t kind) {
  switch (kind) {
    case SVMA_TREE_RED_BLACK:
      return "red-black";
    case SVMA_TREE_MAPLE:
      return "maple";
    default:
      return "tree " + std::to_string(kind);
  }
}

}  // namespace svma
