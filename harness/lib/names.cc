// SPDX-License-Identifier: GPL-2.0-only
#include "lib/names.hpp"

#include <fmt/format.h>

#include <iterator>
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

std::string entry_kind_name(uint32_t kind) {
  static constexpr const char* kNames[] = {"none",    "table",  "page",      "zero page",
                                           "special", "swap",   "migration", "hwpoison",
                                           "device",  "marker", "bad"};
  return kind < std::size(kNames) ? kNames[kind] : fmt::format("kind {}", kind);
}

std::string level_name(uint32_t level, bool root) {
  static constexpr const char* kNames[] = {"?", "pte", "pmd", "pud", "p4d", "pgd"};
  if (root) return "pgd";
  return level < std::size(kNames) ? kNames[level] : fmt::format("level {}", level);
}

namespace {

struct FlagName {
  uint32_t flag;
  const char* name;
};

constexpr FlagName kFlagNames[] = {
    {SVMA_PTE_WRITE, "write"},         {SVMA_PTE_EXEC, "exec"},
    {SVMA_PTE_USER, "user"},           {SVMA_PTE_ACCESSED, "accessed"},
    {SVMA_PTE_DIRTY, "dirty"},         {SVMA_PTE_SOFT_DIRTY, "soft-dirty"},
    {SVMA_PTE_UFFD_WP, "uffd-wp"},     {SVMA_PTE_PROTNONE, "prot-none"},
    {SVMA_PTE_GLOBAL, "global"},       {SVMA_PTE_WRITE_THROUGH, "write-through"},
    {SVMA_PTE_NO_CACHE, "no-cache"},   {SVMA_PTE_PAT, "pat"},
    {SVMA_PTE_EXCLUSIVE, "exclusive"}, {SVMA_PTE_ANON, "anon"},
    {SVMA_PTE_FILE, "file"},           {SVMA_PTE_SHMEM, "shmem"},
};

}  // namespace

std::vector<std::string> pte_flag_names(uint32_t flags) {
  std::vector<std::string> names;
  for (const FlagName& known : kFlagNames) {
    if (flags & known.flag) names.push_back(known.name);
  }
  if (const uint32_t key = flags >> SVMA_PTE_PKEY_SHIFT & 15) {
    names.push_back(fmt::format("pkey={}", key));
  }
  return names;
}

}  // namespace svma
