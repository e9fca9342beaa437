// SPDX-License-Identifier: GPL-2.0-only
#include "lib/rmap_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "lib/names.hpp"

namespace svma {
namespace {

// By address; of each VMA its end and the anon_vmas, by the shadow's names (0: one that has none).
struct Members {
  uint64_t end = 0;
  std::vector<uint64_t> names;

  bool operator==(const Members&) const = default;
};
using MembersByVma = std::map<uint64_t, Members>;

template <typename Name>
MembersByVma members_of(const RmapTopology& topology, Name name) {
  MembersByVma members;
  for (const RmapChain& chain : topology.chains) {
    Members& of_vma = members[chain.start];
    of_vma.end = chain.end;
    for (const RmapLink& link : chain.links) of_vma.names.push_back(name(link.anon_vma));
    std::sort(of_vma.names.begin(), of_vma.names.end());
  }
  return members;
}

std::string text_of(const MembersByVma& side, uint64_t start) {
  const auto vma = side.find(start);
  if (vma == side.end()) return "linked to nothing";
  std::string text = fmt::format("until {:x} linked to", vma->second.end);
  for (const uint64_t name : vma->second.names) text += name ? fmt::format(" {}", name) : " new";
  return text;
}

}  // namespace

void RmapGraph::apply(const svma_rmap_event& event) {
  switch (event.kind) {
    case SVMA_RMAP_BORN:
      mms_[event.mm_cookie];
      break;
    case SVMA_RMAP_INSERTED:
      remove(event.entry);
      if (const auto mm = mms_.find(event.mm_cookie); mm != mms_.end()) {
        mm->second[event.entry] = {event.start, event.end, event.anon_vma};
        mm_of_[event.entry] = event.mm_cookie;
      }
      break;
    case SVMA_RMAP_REMOVED:
      remove(event.entry);
      break;
  }
}

void RmapGraph::remove(uint64_t entry) {
  const auto mm = mm_of_.find(entry);
  if (mm == mm_of_.end()) return;
  mms_[mm->second].erase(entry);
  mm_of_.erase(mm);
}

void RmapGraph::lost() {
  mms_.clear();
  mm_of_.clear();
}

std::optional<RmapTopology> RmapGraph::topology(uint64_t mm_cookie) const {
  const auto mm = mms_.find(mm_cookie);
  if (mm == mms_.end()) return std::nullopt;
  std::map<uint64_t, RmapChain> chains;
  for (const auto& [entry, link] : mm->second) {
    RmapChain& chain = chains[link.start];
    chain.start = link.start;
    chain.end = link.end;
    chain.links.push_back({.anon_vma = link.anon_vma});
  }
  RmapTopology topology;
  for (auto& [start, chain] : chains) topology.chains.push_back(std::move(chain));
  return topology;
}

RmapComparison compare_membership(const RmapTopology& shadow, const RmapTopology& live,
                                  const RmapRenaming& renaming) {
  const MembersByVma mine = members_of(shadow, [](uint64_t name) { return name; });
  const MembersByVma seen =
      members_of(live, [&renaming](uint64_t name) { return renaming.shadow_of(name); });
  RmapComparison result;
  const auto differ = [&](uint64_t start) {
    result.differences.push_back({{std::string(kRoadRmapEvents), field_name(SVMA_FIELD_CHAIN),
                                   start, text_of(mine, start), text_of(seen, start)},
                                  false});
  };
  for (const auto& [start, members] : mine) {
    ++result.compared;
    const auto other = seen.find(start);
    if (other != seen.end() && other->second == members)
      ++result.equal;
    else
      differ(start);
  }
  for (const auto& [start, members] : seen) {
    if (mine.contains(start)) continue;
    ++result.compared;
    differ(start);
  }
  return result;
}

}  // namespace svma
