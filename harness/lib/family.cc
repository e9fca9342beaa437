// SPDX-License-Identifier: GPL-2.0-only
#include "lib/family.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace svma {
namespace {

std::string node_text(const FamilyNode& node) {
  const svma_chain_link& a = node.anon_vma;
  return fmt::format("anon_vma {}: refcount {}, children {}, active VMAs {}, chains {}{}",
                     a.anon_vma, a.refcount, a.children, a.active_vmas, node.vmas.size(),
                     a.bits & SVMA_LINK_ABROAD ? ", shared with processes not tracked" : "");
}

std::string owners_text(const FamilyNode& node, const std::string& margin) {
  std::string text;
  for (const FamilyVma& vma : node.vmas)
    if (vma.own)
      text += fmt::format("{}own of {} {:x}-{:x}\n", margin, vma.pid, vma.start, vma.end);
  return text;
}

// Children are drawn below their parent. No deeper than there are forks between them.
std::string subtree_text(const Family& family, size_t index, const std::string& margin) {
  const FamilyNode& node = family.nodes[index];
  std::string text = node_text(node) + "\n";
  text += owners_text(node, margin + (node.children.empty() ? "    " : "|   "));
  for (size_t child : node.children) {
    text += margin + "+-- ";
    text += subtree_text(family, child, margin + (child == node.children.back() ? "    " : "|   "));
  }
  return text;
}

}  // namespace

Family build_family(std::span<const ProcessChains> processes) {
  std::set<uint64_t> roots;
  if (!processes.empty())
    for (const svma_chain_link& link : processes.front().links) roots.insert(link.root);
  std::map<uint64_t, FamilyNode> nodes;
  for (const ProcessChains& process : processes)
    for (const svma_chain_link& link : process.links) {
      if (!roots.contains(link.root)) continue;
      FamilyNode& node = nodes[link.anon_vma];
      node.anon_vma = link;
      node.vmas.push_back({process.pid, link.start, link.end, (link.bits & SVMA_LINK_OWN) != 0});
    }
  Family family;
  std::map<uint64_t, size_t> index;
  for (auto& [number, node] : nodes) {
    index[number] = family.nodes.size();
    family.nodes.push_back(std::move(node));
  }
  for (size_t i = 0; i < family.nodes.size(); ++i) {
    const svma_chain_link& a = family.nodes[i].anon_vma;
    const auto parent = index.find(a.parent);
    if (a.parent == a.anon_vma || parent == index.end())
      family.roots.push_back(i);
    else
      family.nodes[parent->second].children.push_back(i);
  }
  return family;
}

std::string family_text(const Family& family) {
  if (family.roots.empty()) return "no page has been written yet: there is no anon_vma\n";
  std::string text;
  for (size_t root : family.roots) text += subtree_text(family, root, "");
  return text;
}

std::string family_dot(const Family& family) {
  std::string text = "digraph anon_vmas {\n  node [shape=box];\n";
  for (const FamilyNode& node : family.nodes) {
    const svma_chain_link& a = node.anon_vma;
    text += fmt::format("  a{0} [label=\"anon_vma {0}\\nrefcount {1} children {2} active {3}\"];\n",
                        a.anon_vma, a.refcount, a.children, a.active_vmas);
    if (a.parent != a.anon_vma) text += fmt::format("  a{} -> a{};\n", a.parent, a.anon_vma);
    for (const FamilyVma& vma : node.vmas) {
      const std::string name = fmt::format("\"{} {:x}-{:x}\"", vma.pid, vma.start, vma.end);
      text += fmt::format("  {} [shape=ellipse];\n  a{} -> {} [style={}, dir=none];\n", name,
                          a.anon_vma, name, vma.own ? "bold" : "dotted");
    }
  }
  return text + "}\n";
}

Json to_json(const Family& family) {
  Json json = Json::array();
  for (const FamilyNode& node : family.nodes) {
    const svma_chain_link& a = node.anon_vma;
    Json vmas = Json::array();
    for (const FamilyVma& vma : node.vmas)
      vmas.push_back(
          {{"pid", vma.pid}, {"start", hex(vma.start)}, {"end", hex(vma.end)}, {"own", vma.own}});
    json.push_back({{"anon_vma", a.anon_vma},
                    {"root", a.root},
                    {"parent", a.parent},
                    {"refcount", a.refcount},
                    {"children", a.children},
                    {"active_vmas", a.active_vmas},
                    {"all_tracked", !(a.bits & SVMA_LINK_ABROAD)},
                    {"vmas", vmas}});
  }
  return json;
}

}  // namespace svma
