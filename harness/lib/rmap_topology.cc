// SPDX-License-Identifier: GPL-2.0-only
#include "lib/rmap_topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/names.hpp"

namespace svma {
namespace {

constexpr const char* kNoChain = "no chain";
constexpr const char* kNothing = "nothing";

std::string name_of(uint64_t shadow) { return std::to_string(shadow); }

// "12* 9 3": each anon_vma by its `name`, * behind the VMA's own.
template <typename Name>
std::string chain_text(const RmapChain& chain, Name name) {
  std::string text;
  for (const RmapLink& link : chain.links)
    text += (text.empty() ? "" : " ") + name(link.anon_vma) + (link.own ? "*" : "");
  return chain.cut ? text + " ..." : text;
}

// Compares the chains of one VMA.
class ChainPair {
 public:
  ChainPair(const RmapChain& shadow, const RmapChain& live, RmapRenaming& renaming,
            const RmapRenaming::Alive& alive)
      : shadow_(shadow), live_(live), renaming_(renaming), alive_(alive) {}

  // nullopt: they are the same chain.
  std::optional<Difference> differing_link();
  // REQUIRES: the same chain.
  std::optional<Difference> differing_count(bool one_counter);

 private:
  // Of the live side: the shadow's name for it.
  std::string live_name(uint64_t name) const {
    const uint64_t known = renaming_.shadow_of(name);
    return known ? std::to_string(known) : "new";
  }
  Difference at(size_t position, std::string field, const std::string& shadow,
                const std::string& live) const {
    const auto live_chain = chain_text(live_, [this](uint64_t name) { return live_name(name); });
    return {
        std::string(kRoadRmap), std::move(field), live_.start,
        fmt::format("position {}: {}, chain {}", position, shadow, chain_text(shadow_, name_of)),
        fmt::format("position {}: {}, chain {}", position, live, live_chain)};
  }
  Difference other_entry(size_t i) const {
    return at(i, field_name(SVMA_FIELD_CHAIN),
              i < shadow_.links.size() ? name_of(shadow_.links[i].anon_vma) : kNothing,
              i < live_.links.size() ? live_name(live_.links[i].anon_vma) : kNothing);
  }

  const RmapChain& shadow_;
  const RmapChain& live_;
  RmapRenaming& renaming_;
  const RmapRenaming::Alive& alive_;
};

std::optional<Difference> ChainPair::differing_link() {
  if (shadow_.end != live_.end)
    return Difference{std::string(kRoadRmap), "layout", live_.start,
                      fmt::format("ends at {:x}", shadow_.end),
                      fmt::format("ends at {:x}", live_.end)};
  const size_t both = std::min(shadow_.links.size(), live_.links.size());
  for (size_t i = 0; i < both; ++i)
    if (!renaming_.join(shadow_.links[i].anon_vma, live_.links[i].anon_vma, alive_))
      return other_entry(i);
  if (live_.links.size() > both || (shadow_.links.size() > both && !live_.cut))
    return other_entry(both);
  for (size_t i = 0; i < both; ++i) {
    const RmapLink& shadow = shadow_.links[i];
    const RmapLink& live = live_.links[i];
    if (shadow.own != live.own)
      return at(i, field_name(SVMA_FIELD_ANON_VMA), shadow.own ? "its own" : "not its own",
                live.own ? "its own" : "not its own");
    if (!renaming_.join(shadow.root, live.root, alive_))
      return at(i, field_name(SVMA_FIELD_ANON_ROOT), name_of(shadow.root), live_name(live.root));
    if (!renaming_.join(shadow.parent, live.parent, alive_))
      return at(i, field_name(SVMA_FIELD_ANON_PARENT), name_of(shadow.parent),
                live_name(live.parent));
  }
  return std::nullopt;
}

std::optional<Difference> ChainPair::differing_count(bool one_counter) {
  for (size_t i = 0; i < live_.links.size(); ++i) {
    const RmapLink& shadow = shadow_.links[i];
    const RmapLink& live = live_.links[i];
    if (shadow.abroad) continue;
    const auto differ = [&](std::string field, uint32_t mine, uint32_t seen) {
      return at(i, std::move(field), fmt::format("{} has {}", name_of(shadow.anon_vma), mine),
                fmt::format("{} has {}", live_name(live.anon_vma), seen));
    };
    if (one_counter) {
      if (shadow.children + shadow.active_vmas != live.children)
        return differ("degree", shadow.children + shadow.active_vmas, live.children);
    } else if (shadow.children != live.children) {
      return differ(field_name(SVMA_FIELD_CHILDREN), shadow.children, live.children);
    } else if (shadow.active_vmas != live.active_vmas) {
      return differ(field_name(SVMA_FIELD_ACTIVE_VMAS), shadow.active_vmas, live.active_vmas);
    }
    if (live.refcount < shadow.refcount) return differ("refcount", shadow.refcount, live.refcount);
  }
  return std::nullopt;
}

void compare_pair(RmapComparison& result, const RmapChain& shadow, const RmapTopology& live_side,
                  const RmapChain& live, RmapRenaming& renaming, const RmapRenaming::Alive& alive) {
  ++result.compared;
  if (live.cut) ++result.cut;
  ChainPair pair(shadow, live, renaming, alive);
  renaming.keep();
  if (auto difference = pair.differing_link()) {
    renaming.undo();
    result.differences.push_back({*std::move(difference), false});
    return;
  }
  renaming.keep();
  if (auto difference = pair.differing_count(live_side.one_counter))
    result.differences.push_back({*std::move(difference), true});
  else
    ++result.equal;
}

void add_lonely(RmapComparison& result, uint64_t start, std::string shadow, std::string live) {
  ++result.compared;
  result.differences.push_back({{std::string(kRoadRmap), field_name(SVMA_FIELD_CHAIN), start,
                                 std::move(shadow), std::move(live)},
                                false});
}

}  // namespace

RmapTopology to_topology(std::span<const svma_chain_link> links) {
  RmapTopology topology;
  for (const svma_chain_link& link : links) {
    if (topology.chains.empty() || topology.chains.back().start != link.start)
      topology.chains.push_back({.start = link.start, .end = link.end, .links = {}});
    topology.chains.back().links.push_back({.anon_vma = link.anon_vma,
                                            .root = link.root,
                                            .parent = link.parent,
                                            .own = (link.bits & SVMA_LINK_OWN) != 0,
                                            .abroad = (link.bits & SVMA_LINK_ABROAD) != 0,
                                            .refcount = link.refcount,
                                            .children = link.children,
                                            .active_vmas = link.active_vmas});
  }
  return topology;
}

bool RmapRenaming::join(uint64_t shadow, uint64_t live, const Alive& alive) {
  if (const auto known = live_of_.find(shadow); known != live_of_.end())
    return known->second == live;
  if (const auto known = shadow_of_.find(live); known != shadow_of_.end()) {
    if (alive(known->second)) return false;
    live_of_.erase(known->second);
    shadow_of_.erase(known);
  }
  live_of_[shadow] = live;
  shadow_of_[live] = shadow;
  joined_.push_back(shadow);
  return true;
}

void RmapRenaming::undo() {
  for (const uint64_t shadow : joined_) {
    const auto pair = live_of_.find(shadow);
    if (pair == live_of_.end()) continue;
    shadow_of_.erase(pair->second);
    live_of_.erase(pair);
  }
  joined_.clear();
}

uint64_t RmapRenaming::shadow_of(uint64_t live) const {
  const auto known = shadow_of_.find(live);
  return known == shadow_of_.end() ? 0 : known->second;
}

void RmapRenaming::retain(const std::unordered_set<uint64_t>& shadow) {
  joined_.clear();
  std::erase_if(live_of_, [&](const auto& pair) { return !shadow.contains(pair.first); });
  std::erase_if(shadow_of_, [&](const auto& pair) { return !shadow.contains(pair.second); });
}

/*
 * Both lists are walked together: one start, one VMA; else the one that starts lower has no chain
 * on the other side.
 */
RmapComparison compare_topologies(const RmapTopology& shadow, const RmapTopology& live,
                                  RmapRenaming& renaming, const RmapRenaming::Alive& alive) {
  RmapComparison result;
  auto s = shadow.chains.begin();
  auto l = live.chains.begin();
  while (s != shadow.chains.end() || l != live.chains.end()) {
    if (s != shadow.chains.end() && l != live.chains.end() && s->start == l->start) {
      compare_pair(result, *s++, live, *l++, renaming, alive);
    } else if (l == live.chains.end() || (s != shadow.chains.end() && s->start < l->start)) {
      add_lonely(result, s->start, "chain " + chain_text(*s, name_of), kNoChain);
      ++s;
    } else {
      add_lonely(result, l->start, kNoChain, fmt::format("chain of {}", l->links.size()));
      ++l;
    }
  }
  return result;
}

}  // namespace svma
