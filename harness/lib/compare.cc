// SPDX-License-Identifier: GPL-2.0-only
#include "lib/compare.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "lib/oracle_proc.hpp"
#include "lib/render.hpp"

namespace svma {
namespace {

constexpr const char* kNothing = "no VMA";

std::string text_of(const std::optional<Vma>& vma) { return vma ? vma_text(*vma) : kNothing; }

// Names what differs between two records of the same place, "" when nothing does.
std::string differing_fields(const Vma& shadow, const Vma& live) {
  std::string fields;
  auto note = [&fields](bool differs, const char* name) {
    if (differs) fields += fields.empty() ? name : std::string(",") + name;
  };
  note(shadow.start != live.start || shadow.end != live.end, "layout");
  note(shadow.flags != live.flags, "flags");
  note(shadow.pgoff != live.pgoff, "pgoff");
  note(shadow.dev != live.dev || shadow.ino != live.ino, "file");
  return fields;
}

void compare_pair(Comparison& result, const Vma& shadow, const Vma& live, std::string_view road) {
  std::string fields = differing_fields(shadow, live);
  if (fields.empty()) {
    result.add_equal();
    return;
  }
  result.add_difference({std::string(road), fields, live.start, vma_text(shadow), vma_text(live)});
}

void compare_counter(Comparison& result, std::string_view road, const char* name, uint64_t shadow,
                     uint64_t live) {
  if (shadow == live)
    result.add_equal();
  else
    result.add_difference(
        {std::string(road), name, 0, std::to_string(shadow), std::to_string(live)});
}

// Leaves in a shadow's record what procfs can show of it: the flags that it names, and the offset
// of files.
Vma as_shown(Vma vma, uint64_t flags) {
  vma.flags &= flags;
  if (!vma.has_file()) vma.pgoff = 0;
  return vma;
}

Layout as_shown(Layout layout, uint64_t flags) {
  for (Vma& vma : layout) vma = as_shown(vma, flags);
  return layout;
}

}  // namespace

void Comparison::add_equal() {
  ++compared;
  ++equal;
}

void Comparison::add_difference(Difference difference) {
  ++compared;
  ++divergent;
  differences.push_back(std::move(difference));
}

void Comparison::add(Comparison other) {
  compared += other.compared;
  equal += other.equal;
  divergent += other.divergent;
  std::move(other.differences.begin(), other.differences.end(), std::back_inserter(differences));
}

/*
 * Both lists are walked together:
 *
 *   shadow   AAAA BBBB      CCCC         equal start or equal end: the same VMA, compare its fields
 *   live     AAAA BBB  XXX  CCCC DD      otherwise the one that starts lower has no partner
 */
Comparison compare_layouts(const Layout& shadow, const Layout& live, std::string_view road) {
  Comparison result;
  auto s = shadow.begin();
  auto l = live.begin();
  while (s != shadow.end() || l != live.end()) {
    if (s != shadow.end() && l != live.end() && (s->start == l->start || s->end == l->end)) {
      compare_pair(result, *s++, *l++, road);
    } else if (l == live.end() || (s != shadow.end() && s->start < l->start)) {
      result.add_difference({std::string(road), "layout", s->start, vma_text(*s), kNothing});
      ++s;
    } else {
      result.add_difference({std::string(road), "layout", l->start, kNothing, vma_text(*l)});
      ++l;
    }
  }
  return result;
}

Comparison compare_totals(const Totals& shadow, const Totals& live, size_t live_vmas) {
  Comparison result;
  compare_counter(result, kRoadBpf, "map_count", shadow.map_count, live.map_count);
  compare_counter(result, kRoadBpf, "total_vm", shadow.total_vm, live.total_vm);
  compare_counter(result, kRoadBpf, "data_vm", shadow.data_vm, live.data_vm);
  compare_counter(result, kRoadBpf, "exec_vm", shadow.exec_vm, live.exec_vm);
  compare_counter(result, kRoadBpf, "stack_vm", shadow.stack_vm, live.stack_vm);
  compare_counter(result, kRoadBpf, "locked_vm", shadow.locked_vm, live.locked_vm);
  compare_counter(result, kRoadBpf, "number of VMAs", shadow.map_count, live_vmas);
  return result;
}

Comparison compare_status(const Totals& shadow, const StatusCounters& live) {
  Comparison result;
  compare_counter(result, kRoadStatus, "total_vm", shadow.total_vm, live.total_vm);
  compare_counter(result, kRoadStatus, "data_vm", shadow.data_vm, live.data_vm);
  compare_counter(result, kRoadStatus, "exec_vm", shadow.exec_vm, live.exec_vm);
  compare_counter(result, kRoadStatus, "stack_vm", shadow.stack_vm, live.stack_vm);
  compare_counter(result, kRoadStatus, "locked_vm", shadow.locked_vm, live.locked_vm);
  return result;
}

Comparison compare_smaps(const Layout& shadow, const Layout& live) {
  return compare_layouts(as_shown(shadow, kSmapsFlags), live, kRoadSmaps);
}

Comparison compare_query_walk(const Layout& shadow, const Layout& live) {
  return compare_layouts(as_shown(shadow, kQueryFlags), live, kRoadQuery);
}

Comparison compare_query(uint64_t address, const Lookup& shadow, const std::optional<Vma>& covering,
                         const std::optional<Vma>& next) {
  std::optional<Vma> found;
  if (shadow.vma) found = as_shown(*shadow.vma, kQueryFlags);
  Comparison result;
  const auto compare_one = [&](const char* question, const std::optional<Vma>& expected,
                               const std::optional<Vma>& live) {
    if (expected == live)
      result.add_equal();
    else
      result.add_difference(
          {std::string(kRoadQuery), question, address, text_of(expected), text_of(live)});
  };
  compare_one("covering VMA", found && found->start <= address ? found : std::nullopt, covering);
  compare_one("covering or next VMA", found, next);
  return result;
}

Comparison compare_lookup(uint64_t address, const Lookup& shadow, const Layout& live) {
  Comparison result;
  Lookup expected = find_in(live, address);
  if (shadow == expected) {
    result.add_equal();
    return result;
  }
  auto text = [](const Lookup& lookup) {
    return text_of(lookup.vma) + ", below it " + text_of(lookup.prev);
  };
  result.add_difference({std::string(kRoadBpf), "find_vma", address, text(shadow), text(expected)});
  return result;
}

Lookup find_in(const Layout& layout, uint64_t address) {
  auto first = std::partition_point(layout.begin(), layout.end(),
                                    [address](const Vma& vma) { return vma.end <= address; });
  Lookup lookup;
  if (first != layout.end()) lookup.vma = *first;
  if (first != layout.begin()) lookup.prev = *std::prev(first);
  return lookup;
}

std::vector<uint64_t> pick_addresses(const Layout& layout, unsigned count, uint64_t random) {
  std::vector<uint64_t> addresses;
  if (layout.empty()) return addresses;
  for (unsigned i = 0; i < count; ++i) {
    size_t index = (random + i * (layout.size() / count + 1)) % layout.size();
    const Vma& vma = layout[index];
    uint64_t next = index + 1 < layout.size() ? layout[index + 1].start : kTaskSize;
    uint64_t hole_middle = vma.end + (std::max(next, vma.end) - vma.end) / 2;
    const uint64_t choices[] = {vma.start, vma.end - 1, vma.end, hole_middle};
    addresses.push_back(choices[(random + i) % std::size(choices)]);
  }
  return addresses;
}

}  // namespace svma
