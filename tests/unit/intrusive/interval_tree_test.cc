// SPDX-License-Identifier: GPL-2.0-only
#include "intrusive/interval_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

#include "base/memory.hpp"
#include "intrusive/rb_check.hpp"

namespace svma {
namespace {

struct Span {
  u64 start = 0;
  u64 last = 0;
  RbNode rb;
  u64 subtree_last = 0;
};

struct Hook {
  static RbNode* node(Span* span) { return &span->rb; }
  static Span* element(RbNode* node) { return SVMA_CONTAINER_OF(node, Span, rb); }
};

struct Interval {
  static u64 start(const Span* span) { return span->start; }
  static u64 last(const Span* span) { return span->last; }
  static u64& subtree_last(Span* span) { return span->subtree_last; }
};

using Tree = IntervalTree<Span, Hook, Interval>;
constexpr u64 kMax = ~u64{0};

void check(const Tree& tree, const std::list<Span*>& expected) {
  const RbCheckResult result = rb_check(tree.set().rb_root());
  ASSERT_EQ(result.defect, RbDefect::kNone) << to_string(result.defect);
  ASSERT_EQ(result.nodes, expected.size());
  Span* at = tree.first();
  for (Span* span : expected) {
    ASSERT_EQ(at, span);
    ASSERT_TRUE(tree.set().augment().check(at));
    at = Tree::next(at);
  }
  ASSERT_EQ(at, nullptr);
}

std::vector<Span*> overlaps(const Tree& tree, u64 first, u64 last) {
  std::vector<Span*> found;
  for (Span* at = tree.iter_first(first, last); at; at = Tree::iter_next(at, first, last)) {
    found.push_back(at);
  }
  return found;
}

std::vector<Span*> overlaps(const std::list<Span*>& spans, u64 first, u64 last) {
  std::vector<Span*> found;
  std::copy_if(spans.begin(), spans.end(), std::back_inserter(found),
               [&](const Span* span) { return span->start <= last && first <= span->last; });
  return found;
}

// The plain way: a list in order.
void insert(std::list<Span*>& spans, Span* span) {
  spans.insert(std::find_if(spans.begin(), spans.end(),
                            [&](const Span* other) { return other->start > span->start; }),
               span);
}

TEST(IntervalTree, Empty_HasNoAnswers) {
  Tree tree;
  EXPECT_EQ(tree.first(), nullptr);
  EXPECT_EQ(tree.iter_first(0, kMax), nullptr);
}

// The example at the top of the header.
TEST(IntervalTree, IterFirst_FindsWhatBeganLongBefore) {
  Tree tree;
  Span a{0, 2, {}, 0}, b{1, 11, {}, 0}, c{4, 5, {}, 0}, d{8, 9, {}, 0};
  for (Span* span : {&a, &c, &d, &b}) tree.insert(span);
  EXPECT_EQ(overlaps(tree, 10, 10), std::vector<Span*>{&b});
  EXPECT_EQ(overlaps(tree, 2, 4), (std::vector<Span*>{&a, &b, &c}));
  EXPECT_EQ(overlaps(tree, 12, kMax), std::vector<Span*>{});
}

TEST(IntervalTree, EqualStarts_ComeInOrderOfInsertion) {
  Tree tree;
  std::vector<Span> spans(50);
  std::list<Span*> expected;
  for (Span& span : spans) {
    span.start = 7;
    span.last = 7 + 3 * (&span - spans.data()) % 11;
    tree.insert(&span);
    expected.push_back(&span);
    check(tree, expected);
  }
}

TEST(IntervalTree, InsertAfter_IsDirectlyBehind) {
  for (const std::size_t target : {0u, 1u, 24u, 49u}) {
    Tree tree;
    std::vector<Span> spans(51);
    std::list<Span*> expected;
    for (std::size_t i = 0; i < 50; ++i) {
      spans[i] = {7, 9, {}, 0};
      tree.insert(&spans[i]);
      expected.push_back(&spans[i]);
    }
    spans[50] = {7, 100, {}, 0};  // longer than all: each ancestor must learn of it
    tree.insert_after(&spans[50], &spans[target]);
    expected.insert(std::next(expected.begin(), static_cast<long>(target) + 1), &spans[50]);
    check(tree, expected);
    EXPECT_EQ(overlaps(tree, 50, 50), std::vector<Span*>{&spans[50]});
  }
}

TEST(IntervalTree, EndsOfTheRange_AreNoSpecialCase) {
  Tree tree;
  Span whole{0, kMax, {}, 0}, top{kMax, kMax, {}, 0}, bottom{0, 0, {}, 0};
  for (Span* span : {&whole, &top, &bottom}) tree.insert(span);
  EXPECT_EQ(overlaps(tree, 0, 0), (std::vector<Span*>{&whole, &bottom}));
  EXPECT_EQ(overlaps(tree, kMax, kMax), (std::vector<Span*>{&whole, &top}));
  EXPECT_EQ(overlaps(tree, 1, kMax - 1), std::vector<Span*>{&whole});
}

TEST(IntervalTree, RandomOperations_AnswerAsAListDoes) {
  for (const u64 seed : {1u, 2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Tree tree;
    std::vector<Span> spans(120);
    std::vector<Span*> out, in;
    for (Span& span : spans) out.push_back(&span);
    std::list<Span*> expected;
    for (int step = 0; step < 3000; ++step) {
      const u64 what = random() % 5;
      if (what < 2 && !out.empty()) {
        std::swap(out[random() % out.size()], out.back());
        Span* const span = out.back();
        out.pop_back();
        span->start = random() % 60;
        span->last = span->start + (random() % 4 ? random() % 4 : random() % 60);
        if (what == 1 && !in.empty()) {
          Span* const prev = in[random() % in.size()];
          span->start = prev->start;
          span->last = std::max(span->start, span->last);
          tree.insert_after(span, prev);
          expected.insert(std::next(std::find(expected.begin(), expected.end(), prev)), span);
        } else {
          tree.insert(span);
          insert(expected, span);
        }
        in.push_back(span);
      } else if (what < 4 && !in.empty()) {
        std::swap(in[random() % in.size()], in.back());
        tree.erase(in.back());
        expected.remove(in.back());
        out.push_back(in.back());
        in.pop_back();
      }
      check(tree, expected);
      if (HasFatalFailure()) return;
      const u64 first = random() % 64;
      const u64 last = first + random() % 8;
      ASSERT_EQ(overlaps(tree, first, last), overlaps(expected, first, last));
    }
  }
}

}  // namespace
}  // namespace svma
