// SPDX-License-Identifier: GPL-2.0-only
// How a structure lies in memory, by the BTF that a kernel carries. Pure: the BTF comes in parsed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/json.hpp"

struct btf;

namespace svma {

struct BtfFree {
  void operator()(btf* types) const;
};
using Btf = std::unique_ptr<btf, BtfFree>;

inline constexpr uint64_t kCacheLine = 64;  // bytes, of every x86-64 processor that Linux runs on

// One member. Offsets are from the start of the outermost structure. BTF does not tell a
// flexible array from one of no elements.
struct StructMember {
  std::string name;         // empty: an anonymous structure or union
  std::string declaration;  // in C, with the name; of what is opened only "struct" and its name
  std::string suffix;       // of what is opened: "[2]" of an array; its members are the first's
  uint64_t bit_offset = 0;
  uint64_t bytes = 0;
  uint32_t bits = 0;          // of a bit field; 0: it is none
  uint64_t hole_bits = 0;     // unused between the member before and this one
  uint64_t padding_bits = 0;  // of what is opened: unused behind its last member
  bool opened = false;        // its members are told, too
  std::vector<StructMember> members;

  uint64_t offset() const { return bit_offset / 8; }
};

// Invariants, of a structure whose members do not overlap: bits of members + holes + padding are
// its size.
struct StructLayout {
  std::string name;  // "struct mm_struct"
  bool is_union = false;
  uint64_t bytes = 0;
  uint64_t padding_bits = 0;
  std::vector<StructMember> members;
};

// What a layout adds up to.
struct StructSums {
  uint64_t members = 0;  // at the first level, as are the next three
  uint64_t member_bits = 0;
  uint64_t holes = 0;
  uint64_t hole_bits = 0;
  uint64_t inner_holes = 0;  // in what is opened, at any depth; paddings there likewise
  uint64_t inner_hole_bits = 0;
  uint64_t inner_padding_bits = 0;
};

// One member on a path; a pointer begins a new one.
struct PathStep {
  std::string text;  // "mm_struct.pgd"
  std::string declaration;
  uint64_t bit_offset = 0;  // from the start of the structure that `text` begins with
  uint64_t bytes = 0;
  uint32_t bits = 0;
};

// The types of `file`, as sysfs has them or in an ELF file. Throws when there are none.
Btf read_btf(const std::string& file);

// `name` may be a structure, a union, or a typedef of one. With `expand` members of a named type
// are opened as well. Throws when there is none, with the names that are like it.
StructLayout struct_layout(const btf& types, std::string_view name, bool expand);

// "mm_struct.pgd", "task_struct->mm->pgd". Throws at the first part that does not exist.
std::vector<PathStep> follow_path(const btf& types, std::string_view path);

StructSums sums_of(const StructLayout& layout);

std::string struct_text(const StructLayout& layout);
std::string path_text(const std::vector<PathStep>& steps);
Json to_json(const StructLayout& layout);
Json to_json(const std::vector<PathStep>& steps);

}  // namespace svma
