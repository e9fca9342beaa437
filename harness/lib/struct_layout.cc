// SPDX-License-Identifier: GPL-2.0-only
#include "lib/struct_layout.hpp"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "lib/error.hpp"

namespace svma {
namespace {

// More than any C declaration has; types that lead to themselves are no types.
constexpr int kMaxChain = 64;
constexpr size_t kSimilar = 6;

class Types {
 public:
  explicit Types(const btf& types) : types_(types) {}

  const btf_type& at(uint32_t id) const {
    const btf_type* type = btf__type_by_id(&types_, id);
    if (!type) throw Error("the BTF is damaged: there is no type {}", id);
    return *type;
  }
  std::string text(uint32_t offset) const {
    const char* text = btf__name_by_offset(&types_, offset);
    return text ? text : "";
  }
  std::string name(const btf_type& type) const { return text(type.name_off); }
  uint32_t count() const { return btf__type_cnt(&types_); }

  // Without typedefs and qualifiers.
  uint32_t plain(uint32_t id) const {
    for (int i = 0; i < kMaxChain; ++i) {
      const btf_type& type = at(id);
      if (!btf_is_mod(&type) && !btf_is_typedef(&type)) return id;
      id = type.type;
    }
    throw Error("the BTF is damaged: type {} leads to itself", id);
  }

  // Without qualifiers alone.
  uint32_t unqualified(uint32_t id) const {
    for (int i = 0; i < kMaxChain && btf_is_mod(&at(id)); ++i) id = at(id).type;
    return id;
  }

  // Of void, functions and what is only declared: 0.
  uint64_t bytes(uint32_t id) const {
    const int64_t size = btf__resolve_size(&types_, id);
    return size < 0 ? 0 : size;
  }

  // A declaration in C of `inner`, which is a name or part of one: "*argv[]".
  std::string declare(uint32_t id, std::string inner, int depth = 0) const {
    if (depth > kMaxChain) throw Error("the BTF is damaged: type {} leads to itself", id);
    const btf_type& type = at(id);
    const auto with = [&inner](std::string base) {
      return inner.empty() ? base : base + (inner.starts_with("[") ? "" : " ") + inner;
    };
    switch (btf_kind(&type)) {
      case BTF_KIND_UNKN:
        return with("void");
      case BTF_KIND_PTR: {
        const btf_type& target = at(unqualified(type.type));
        const bool binds = btf_is_array(&target) || btf_is_func_proto(&target);
        return declare(type.type, binds ? "(*" + inner + ")" : "*" + inner, depth + 1);
      }
      case BTF_KIND_ARRAY: {
        const struct btf_array& array = *btf_array_of(type);
        const std::string length = array.nelems ? std::to_string(array.nelems) : "";
        return declare(array.type, inner + "[" + length + "]", depth + 1);
      }
      case BTF_KIND_FUNC_PROTO:
        return declare(type.type, inner + "(" + parameters(type, depth) + ")", depth + 1);
      case BTF_KIND_CONST:
      case BTF_KIND_VOLATILE:
      case BTF_KIND_RESTRICT: {
        const std::string word = qualifier(type);
        if (btf_is_ptr(&at(unqualified(type.type))))
          return declare(type.type, inner.empty() ? word : word + " " + inner, depth + 1);
        return word + " " + declare(type.type, inner, depth + 1);
      }
      case BTF_KIND_TYPE_TAG:
        return declare(type.type, inner, depth + 1);
      default:
        return with(base_name(type));
    }
  }

  // "struct list_head"; of one without a name only the word.
  std::string base_name(const btf_type& type) const {
    std::string word;
    switch (btf_kind(&type)) {
      case BTF_KIND_STRUCT:
        word = "struct";
        break;
      case BTF_KIND_UNION:
        word = "union";
        break;
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
        word = "enum";
        break;
      case BTF_KIND_FWD:
        word = btf_kflag(&type) ? "union" : "struct";
        break;
      default:
        return name(type);
    }
    const std::string own = name(type);
    return word + " " + (own.empty() ? "{...}" : own);
  }

 private:
  // The function has the name of the structure.
  static const struct btf_array* btf_array_of(const btf_type& type) { return ::btf_array(&type); }

  static std::string qualifier(const btf_type& type) {
    switch (btf_kind(&type)) {
      case BTF_KIND_CONST:
        return "const";
      case BTF_KIND_VOLATILE:
        return "volatile";
      default:
        return "restrict";
    }
  }

  std::string parameters(const btf_type& type, int depth) const {
    std::string text;
    const btf_param* parameter = btf_params(&type);
    for (int i = 0; i < btf_vlen(&type); ++i, ++parameter) {
      if (i) text += ", ";
      // One without a name and a type stands for the rest of a list of any length.
      text += parameter->type ? declare(parameter->type, "", depth + 1) : "...";
    }
    return text.empty() ? "void" : text;
  }

  const btf& types_;
};

class Reader {
 public:
  Reader(const Types& types, bool expand) : types_(types), expand_(expand) {}

  // Fills in the members of a structure that begins at `base` bits; RETURNS: bits unused at its
  // end.
  uint64_t read(const btf_type& type, uint64_t base, std::vector<StructMember>& members,
                int depth = 0) const {
    if (depth > kMaxChain) throw Error("the BTF is damaged: a structure contains itself");
    const bool is_union = btf_is_union(&type);
    uint64_t end = base;
    for (int i = 0; i < btf_vlen(&type); ++i) {
      StructMember member = read_member(type, i, base, depth);
      if (!is_union && member.bit_offset > end) member.hole_bits = member.bit_offset - end;
      end = std::max(end, member.bit_offset + width(member));
      members.push_back(std::move(member));
    }
    const uint64_t size = base + uint64_t{type.size} * 8;
    return size > end ? size - end : 0;
  }

  static uint64_t width(const StructMember& member) {
    return member.bits ? member.bits : member.bytes * 8;
  }

 private:
  StructMember read_member(const btf_type& parent, int index, uint64_t base, int depth) const {
    const btf_member& record = btf_members(&parent)[index];
    StructMember member;
    member.name = types_.text(record.name_off);
    member.bit_offset = base + btf_member_bit_offset(&parent, index);
    member.bytes = types_.bytes(record.type);
    member.bits = bit_field(parent, index, member);
    const uint32_t inside = element(record.type, member.suffix);
    const btf_type& type = types_.at(inside);
    member.opened = opens(record.type, type);
    if (!member.opened) {
      member.suffix.clear();
      member.declaration = types_.declare(record.type, member.name);
      if (member.bits) member.declaration += fmt::format(" : {}", member.bits);
      return member;
    }
    const std::string name = types_.name(type);
    member.declaration =
        (btf_is_union(&type) ? "union" : "struct") + (name.empty() ? "" : " " + name);
    member.padding_bits = read(type, member.bit_offset, member.members, depth + 1);
    return member;
  }

  // Before v4.19 (9d5f9f701b18) a bit field was told by its integer alone.
  uint32_t bit_field(const btf_type& parent, int index, StructMember& member) const {
    if (const uint32_t bits = btf_member_bitfield_size(&parent, index)) return bits;
    const btf_type& type = types_.at(types_.plain(btf_members(&parent)[index].type));
    if (!btf_is_int(&type) || btf_int_bits(&type) == type.size * 8) return 0;
    member.bit_offset += btf_int_offset(&type);
    return btf_int_bits(&type);
  }

  // What an array is of, its lengths appended to `suffix`; of anything else the type itself.
  uint32_t element(uint32_t id, std::string& suffix) const {
    id = expand_ ? types_.plain(id) : types_.unqualified(id);
    for (int i = 0; i < kMaxChain && btf_is_array(&types_.at(id)); ++i) {
      const struct btf_array& array = *::btf_array(&types_.at(id));
      suffix += fmt::format("[{}]", array.nelems ? std::to_string(array.nelems) : "");
      id = expand_ ? types_.plain(array.type) : types_.unqualified(array.type);
    }
    return id;
  }

  // One without a name can't be looked up, so its members are told here. Those of a typedef's can.
  bool opens(uint32_t member, const btf_type& type) const {
    if (!btf_is_composite(&type)) return false;
    return expand_ || (types_.name(type).empty() && !btf_is_typedef(&types_.at(member)));
  }

  const Types& types_;
  bool expand_;
};

bool names_structure(const Types& types, const btf_type& type) {
  if (btf_is_composite(&type)) return true;
  return btf_is_typedef(&type) && btf_is_composite(&types.at(types.plain(type.type)));
}

// Single characters to insert, remove or replace.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// "; similar: a, b" or nothing.
std::string similar_text(std::string_view wanted, const std::set<std::string>& names) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& name : names) {
    const bool contains = wanted.size() > 2 && name.find(wanted) != std::string::npos;
    const size_t far = distance(wanted, name);
    if (far <= std::max<size_t>(wanted.size() / 3, 1))
      ranked.emplace_back(far, name);
    else if (contains)
      ranked.emplace_back(wanted.size() + far, name);
  }
  std::sort(ranked.begin(), ranked.end());
  std::string text;
  for (size_t i = 0; i < ranked.size() && i < kSimilar; ++i)
    text += (i ? ", " : "; similar: ") + ranked[i].second;
  return text;
}

// The structure of that name, else the typedef. Throws when there is none.
const btf_type& find_structure(const Types& types, std::string_view name) {
  for (std::string_view word : {"struct ", "union "})
    if (name.starts_with(word)) name.remove_prefix(word.size());
  const btf_type* found = nullptr;
  bool declared = false;
  std::set<std::string> names;
  for (uint32_t id = 1; id < types.count(); ++id) {
    const btf_type& type = types.at(id);
    const std::string own = types.name(type);
    if (own == name && btf_is_composite(&type)) return type;
    if (own == name && btf_is_fwd(&type)) declared = true;
    if (own.empty() || !names_structure(types, type)) continue;
    if (own == name && !found) found = &types.at(types.plain(type.type));
    names.insert(own);
  }
  if (found) return *found;
  if (declared)
    throw Error("{}: it is only declared in this kernel, its members are not known", name);
  throw Error("{}: this kernel has no such structure{}", name, similar_text(name, names));
}

// A member of that name, also of an anonymous one inside; nullopt: there is none.
struct Found {
  uint64_t bit_offset;
  uint32_t type;
  uint32_t bits;
};
std::optional<Found> find_member(const Types& types, const btf_type& type, std::string_view name,
                                 std::set<std::string>& names) {
  for (int i = 0; i < btf_vlen(&type); ++i) {
    const btf_member& member = btf_members(&type)[i];
    const std::string own = types.text(member.name_off);
    const uint64_t offset = btf_member_bit_offset(&type, i);
    if (own == name) return Found{offset, member.type, btf_member_bitfield_size(&type, i)};
    if (!own.empty()) {
      names.insert(own);
      continue;
    }
    const btf_type& inner = types.at(types.plain(member.type));
    if (!btf_is_composite(&inner)) continue;
    if (auto found = find_member(types, inner, name, names)) {
      found->bit_offset += offset;
      return found;
    }
  }
  return std::nullopt;
}

std::string amount(uint64_t bits) {
  if (bits % 8) return fmt::format("{} bit{}", bits, bits == 1 ? "" : "s");
  return fmt::format("{} byte{}", bits / 8, bits == 8 ? "" : "s");
}

void add_inner(const std::vector<StructMember>& members, StructSums& sums) {
  for (const StructMember& member : members) {
    for (const StructMember& inner : member.members) {
      sums.inner_holes += inner.hole_bits != 0;
      sums.inner_hole_bits += inner.hole_bits;
    }
    sums.inner_padding_bits += member.padding_bits;
    add_inner(member.members, sums);
  }
}

// One line a member; a line of its own where a cache line begins.
class StructText {
 public:
  std::string draw(const StructLayout& layout) {
    text_ += fmt::format("{:<58}{:>8}{:>9}\n", layout.name + " {", "offset", "size");
    draw_members(layout.members, 1);
    return text_ + "}\n";
  }

 private:
  static constexpr int kOffsetColumn = 58;

  void note(int depth, const std::string& words) {
    text_ += fmt::format("{:>{}}-- {} --\n", "", depth * 4, words);
  }

  void line(const std::string& words, int depth, const std::string& place, uint64_t bytes) {
    text_ += fmt::format("{:>{}}{:<{}}{:>8}{:>9}\n", "", depth * 4, words,
                         std::max(kOffsetColumn - depth * 4, 0), place, bytes);
  }

  void cross(uint64_t offset, int depth) {
    const uint64_t begun = offset / kCacheLine;
    if (begun <= cache_line_) return;
    cache_line_ = begun;
    const uint64_t ago = offset % kCacheLine;
    note(depth, fmt::format("cache line {} at {}{}", begun, begun * kCacheLine,
                            ago ? fmt::format(", {} bytes ago", ago) : ""));
  }

  void draw_members(const std::vector<StructMember>& members, int depth) {
    for (const StructMember& member : members) {
      if (member.hole_bits) note(depth, "hole of " + amount(member.hole_bits));
      cross(member.offset(), depth);
      const std::string place = member.bits
                                    ? fmt::format("{}:{}", member.offset(), member.bit_offset % 8)
                                    : fmt::format("{}", member.offset());
      if (!member.opened) {
        line(member.declaration + ";", depth, place, member.bytes);
        continue;
      }
      text_ += fmt::format("{:>{}}{} {{\n", "", depth * 4, member.declaration);
      draw_members(member.members, depth + 1);
      if (member.padding_bits) note(depth + 1, "unused at the end: " + amount(member.padding_bits));
      line("}" + (member.name.empty() ? "" : " " + member.name) + member.suffix + ";", depth, place,
           member.bytes);
    }
  }

  std::string text_;
  uint64_t cache_line_ = 0;
};

Json members_json(const std::vector<StructMember>& members) {
  Json json = Json::array();
  for (const StructMember& member : members) {
    Json one = {{"name", member.name},
                {"declaration", member.declaration + member.suffix},
                {"offset", member.offset()},
                {"size", member.bytes}};
    if (member.bits) {
      one["bit_offset"] = member.bit_offset % 8;
      one["bits"] = member.bits;
    }
    one["hole_before_bits"] = member.hole_bits;
    if (member.opened) {
      one["padding_bits"] = member.padding_bits;
      one["members"] = members_json(member.members);
    }
    json.push_back(one);
  }
  return json;
}

}  // namespace

void BtfFree::operator()(btf* types) const { btf__free(types); }

Btf read_btf(const std::string& file) {
  // It says on stderr what the exception says.
  libbpf_set_print(nullptr);
  Btf types(btf__parse(file.c_str(), nullptr));
  if (!types) throw Error("{}: no BTF can be read there: {}", file, errno_text(errno));
  return types;
}

StructLayout struct_layout(const btf& btf_types, std::string_view name, bool expand) {
  const Types types(btf_types);
  const btf_type& type = find_structure(types, name);
  StructLayout layout;
  layout.name = types.name(type).empty() ? std::string(name) : types.base_name(type);
  layout.is_union = btf_is_union(&type);
  layout.bytes = type.size;
  layout.padding_bits = Reader(types, expand).read(type, 0, layout.members);
  return layout;
}

std::vector<PathStep> follow_path(const btf& btf_types, std::string_view path) {
  const Types types(btf_types);
  const size_t first = path.find_first_of(".-");
  const btf_type* type = &find_structure(types, path.substr(0, first));
  std::vector<PathStep> steps;
  std::string at = std::string(path.substr(0, first));
  bool fresh = true;  // the next member is counted from the start of a structure
  while (!path.empty() && path.find_first_of(".-") != std::string_view::npos) {
    path.remove_prefix(path.find_first_of(".-"));
    const bool arrow = path.starts_with("->");
    if (!arrow && !path.starts_with(".")) throw Error("{}: write STRUCT.a.b or STRUCT->a->b", path);
    path.remove_prefix(arrow ? 2 : 1);
    const std::string name(path.substr(0, path.find_first_of(".-")));
    if (!btf_is_composite(type)) throw Error("{}: it has no members", at);
    std::set<std::string> names;
    const auto found = find_member(types, *type, name, names);
    if (!found) throw Error("{}: it has no member {}{}", at, name, similar_text(name, names));
    PathStep step{at + "." + name, types.declare(found->type, name), found->bit_offset,
                  types.bytes(found->type), found->bits};
    if (!fresh) {
      step.bit_offset += steps.back().bit_offset;
      steps.pop_back();
    }
    at = step.text;
    steps.push_back(step);
    type = &types.at(types.plain(found->type));
    fresh = false;
    if (btf_is_ptr(type)) {
      type = &types.at(types.plain(type->type));
      if (btf_is_fwd(type)) type = &find_structure(types, types.name(*type));
      if (btf_is_composite(type) && path.find_first_of(".-") != std::string_view::npos) {
        at = types.name(*type).empty() ? "{...}" : types.name(*type);
        fresh = true;
      }
    }
  }
  return steps;
}

StructSums sums_of(const StructLayout& layout) {
  StructSums sums;
  for (const StructMember& member : layout.members) {
    ++sums.members;
    sums.member_bits += Reader::width(member);
    sums.holes += member.hole_bits != 0;
    sums.hole_bits += member.hole_bits;
  }
  add_inner(layout.members, sums);
  return sums;
}

std::string struct_text(const StructLayout& layout) {
  const StructSums sums = sums_of(layout);
  std::string text = StructText().draw(layout);
  text += fmt::format("size {}, cache lines {}, members {}\n", amount(layout.bytes * 8),
                      (layout.bytes + kCacheLine - 1) / kCacheLine, sums.members);
  if (!layout.is_union)
    text += fmt::format("members take {}, holes {} ({})", amount(sums.member_bits), sums.holes,
                        amount(sums.hole_bits));
  else
    text += "members overlap";
  text += fmt::format(", padding {}\n", amount(layout.padding_bits));
  if (sums.inner_holes || sums.inner_padding_bits)
    text +=
        fmt::format("inside of members shown here: holes {} ({}), padding {}\n", sums.inner_holes,
                    amount(sums.inner_hole_bits), amount(sums.inner_padding_bits));
  if (const uint64_t last = layout.bytes % kCacheLine)
    text += fmt::format("of the last cache line it has {} bytes\n", last);
  return text;
}

std::string path_text(const std::vector<PathStep>& steps) {
  std::string text;
  for (const PathStep& step : steps) {
    text += fmt::format("{}: offset {}", step.text, step.bit_offset / 8);
    if (step.bits)
      text += fmt::format(", bit {}, {} wide\n", step.bit_offset % 8, amount(step.bits));
    else
      text += fmt::format(", size {}\n", step.bytes);
  }
  return text;
}

Json to_json(const StructLayout& layout) {
  const StructSums sums = sums_of(layout);
  return {{"name", layout.name},
          {"size", layout.bytes},
          {"cache_lines", (layout.bytes + kCacheLine - 1) / kCacheLine},
          {"members_bits", sums.member_bits},
          {"holes", sums.holes},
          {"hole_bits", sums.hole_bits},
          {"padding_bits", layout.padding_bits},
          {"inner_holes", sums.inner_holes},
          {"inner_hole_bits", sums.inner_hole_bits},
          {"inner_padding_bits", sums.inner_padding_bits},
          {"members", members_json(layout.members)}};
}

Json to_json(const std::vector<PathStep>& steps) {
  Json json = Json::array();
  for (const PathStep& step : steps) {
    Json one = {{"path", step.text},
                {"declaration", step.declaration},
                {"offset", step.bit_offset / 8},
                {"size", step.bytes}};
    if (step.bits) {
      one["bit_offset"] = step.bit_offset % 8;
      one["bits"] = step.bits;
    }
    json.push_back(one);
  }
  return json;
}

}  // namespace svma
