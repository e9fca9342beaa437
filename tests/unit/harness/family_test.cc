// SPDX-License-Identifier: GPL-2.0-only
#include "lib/family.hpp"

#include <gtest/gtest.h>

namespace svma::test {
namespace {

svma_chain_link link(uint64_t start, uint64_t anon_vma, uint64_t parent, uint64_t root,
                     uint32_t bits = 0) {
  svma_chain_link link{};
  link.start = start;
  link.end = start + 0x1000;
  link.anon_vma = anon_vma;
  link.parent = parent;
  link.root = root;
  link.bits = bits;
  link.refcount = 1;
  return link;
}

// A parent with two VMAs, of which one is shared with child and grandchild; and a stranger.
std::vector<ProcessChains> three_generations() {
  return {
      {10, "parent", {link(0x1000, 1, 1, 1, SVMA_LINK_OWN), link(0x5000, 2, 2, 2, SVMA_LINK_OWN)}},
      {11, "child", {link(0x1000, 3, 1, 1, SVMA_LINK_OWN), link(0x1000, 1, 1, 1)}},
      {12,
       "grandchild",
       {link(0x1000, 4, 3, 1, SVMA_LINK_OWN), link(0x1000, 3, 1, 1), link(0x1000, 1, 1, 1)}},
      {13, "stranger", {link(0x1000, 9, 9, 9, SVMA_LINK_OWN)}}};
}

TEST(Family, ThreeGenerations_OneTreeEach) {
  const Family family = build_family(three_generations());
  ASSERT_EQ(family.nodes.size(), 4u) << "the stranger is no relative";
  EXPECT_EQ(family.roots, (std::vector<size_t>{0, 1}));
  EXPECT_EQ(family.nodes[0].vmas.size(), 3u);
  EXPECT_TRUE(family.nodes[0].vmas[0].own);
  EXPECT_FALSE(family.nodes[0].vmas[1].own);
  EXPECT_EQ(family.nodes[0].children, (std::vector<size_t>{2}));
  EXPECT_EQ(family.nodes[2].children, (std::vector<size_t>{3}));
  EXPECT_TRUE(family.nodes[1].children.empty());
}

TEST(Family, Text_ChildrenBelowTheirParent) {
  EXPECT_EQ(family_text(build_family(three_generations())),
            "anon_vma 1: refcount 1, children 0, active VMAs 0, chains 3\n"
            "|   own of 10 1000-2000\n"
            "+-- anon_vma 3: refcount 1, children 0, active VMAs 0, chains 2\n"
            "    |   own of 11 1000-2000\n"
            "    +-- anon_vma 4: refcount 1, children 0, active VMAs 0, chains 1\n"
            "            own of 12 1000-2000\n"
            "anon_vma 2: refcount 1, children 0, active VMAs 0, chains 1\n"
            "    own of 10 5000-6000\n");
}

TEST(Family, Dot_EdgesToChildrenAndVmas) {
  const std::string dot = family_dot(build_family(three_generations()));
  EXPECT_NE(dot.find("a1 -> a3;"), std::string::npos) << dot;
  EXPECT_NE(dot.find("a3 -> a4;"), std::string::npos);
  EXPECT_NE(dot.find("a3 -> \"12 1000-2000\" [style=dotted"), std::string::npos);
  EXPECT_NE(dot.find("a4 -> \"12 1000-2000\" [style=bold"), std::string::npos);
  EXPECT_EQ(dot.find("a1 -> a1"), std::string::npos);
}

TEST(Family, ParentUnknown_DrawnAsRoot) {
  const std::vector<ProcessChains> alone{{7, "child", {link(0x1000, 3, 2, 1, SVMA_LINK_OWN)}}};
  const Family family = build_family(alone);
  EXPECT_EQ(family.roots, (std::vector<size_t>{0}));
}

TEST(Family, Nothing_SaysSo) {
  EXPECT_EQ(family_text(build_family({})), "no page has been written yet: there is no anon_vma\n");
}

TEST(Family, Json_AllOfIt) {
  const Json json = to_json(build_family(three_generations()));
  ASSERT_EQ(json.size(), 4u);
  EXPECT_EQ(json[3]["anon_vma"], 4);
  EXPECT_EQ(json[3]["parent"], 3);
  EXPECT_EQ(json[3]["vmas"][0]["pid"], 12);
  EXPECT_EQ(json[3]["all_tracked"], true);
}

}  // namespace
}  // namespace svma::test
