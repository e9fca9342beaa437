// SPDX-License-Identifier: GPL-2.0-only
//
// Reverse mapping, and the interval tree under it against two ready-made peers on the same
// intervals in the same run:
//   svma          IntervalTree: red-black tree with subtree_last
//   std_multiset  std::multiset by start; a question begins as far below as the longest interval is
//                 long, which it is told and never has to keep up to date
//   boost_icl     boost::icl::interval_map from segments to sets of intervals
// Intervals are those of mappings of one file: 1 to 16 pages, one in a hundred 1000 pages, at
// random places, eight pages of file for each.
//
//   tree_overlap       all that meet one page
//   tree_insert_erase  a random interval is taken out and put back
//   walk_anon          rmap_walk_anon() over a page that n processes share, all forked from one;
//                      time per mapping
//   walk_file          rmap_walk_file() over a page of a file that n processes map; per mapping
//   fork_unlink        a VMA is forked and goes, n generations deep
#include <benchmark/benchmark.h>

#include <algorithm>
#include <boost/icl/interval_map.hpp>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "rmap/rmap.hpp"
#include "rmap/walk.hpp"

namespace svma {
namespace {

constexpr u64 kLongest = 1000;

struct Span {
  u64 start = 0;
  u64 last = 0;
  RbNode rb;
  u64 subtree_last = 0;
};

std::vector<Span> make_spans(std::size_t n) {
  std::mt19937_64 random(n);
  std::vector<Span> spans(n);
  for (Span& span : spans) {
    span.start = random() % (8 * n);
    span.last = span.start + (random() % 100 ? random() % 16 : kLongest - 1);
  }
  return spans;
}

class Svma {
 public:
  void insert(Span* span) { tree_.insert(span); }
  void erase(Span* span) { tree_.erase(span); }
  template <class Visit>
  void overlaps(u64 index, Visit visit) const {
    for (const Span* at = tree_.iter_first(index, index); at;
         at = Tree::iter_next(at, index, index)) {
      visit(at);
    }
  }

 private:
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
  Tree tree_;
};

class StdMultiset {
 public:
  void insert(Span* span) { set_.insert(span); }
  void erase(Span* span) {
    auto at = set_.lower_bound(span->start);
    while (*at != span) ++at;
    set_.erase(at);
  }
  template <class Visit>
  void overlaps(u64 index, Visit visit) const {
    for (auto at = set_.lower_bound(index < kLongest ? 0 : index - kLongest + 1);
         at != set_.end() && (*at)->start <= index; ++at) {
      if ((*at)->last >= index) visit(*at);
    }
  }

 private:
  struct ByStart {
    using is_transparent = void;
    bool operator()(const Span* a, const Span* b) const { return a->start < b->start; }
    bool operator()(const Span* a, u64 b) const { return a->start < b; }
    bool operator()(u64 a, const Span* b) const { return a < b->start; }
  };
  std::multiset<Span*, ByStart> set_;
};

class BoostIcl {
 public:
  void insert(Span* span) { map_.add({of(span), {span}}); }
  void erase(Span* span) { map_.subtract({of(span), {span}}); }
  template <class Visit>
  void overlaps(u64 index, Visit visit) const {
    const auto segment = map_.find(index);
    if (segment == map_.end()) return;
    for (const Span* span : segment->second) visit(span);
  }

 private:
  using Map = boost::icl::interval_map<u64, std::set<Span*>>;
  static Map::interval_type of(const Span* span) {
    return Map::interval_type::right_open(span->start, span->last + 1);
  }
  Map map_;
};

template <class Contender>
struct Setup {
  explicit Setup(std::size_t n) : spans(make_spans(n)) {
    for (Span& span : spans) contender.insert(&span);
  }
  std::vector<Span> spans;
  Contender contender;
};

// The one of the current benchmark, which the library calls several times.
template <class Contender>
Setup<Contender>& setup(const benchmark::State& state) {
  static std::unique_ptr<Setup<Contender>> current;
  const auto n = static_cast<std::size_t>(state.range(0));
  if (!current || current->spans.size() != n) current = std::make_unique<Setup<Contender>>(n);
  return *current;
}

template <class Contender>
void tree_overlap(benchmark::State& state) {
  const Setup<Contender>& prepared = setup<Contender>(state);
  std::mt19937_64 random(5);
  std::vector<u64> questions(1 << 12);
  for (u64& question : questions) question = random() % (8 * prepared.spans.size());
  std::size_t i = 0;
  u64 answers = 0;
  for (auto _ : state) {
    prepared.contender.overlaps(questions[i++ & 0xfff], [&](const Span*) { ++answers; });
  }
  benchmark::DoNotOptimize(answers);
  // All must give the same: one more round, held against looking at every interval.
  for (std::size_t k = 0; k < 16; ++k) {
    std::size_t found = 0;
    prepared.contender.overlaps(questions[k], [&](const Span*) { ++found; });
    const auto meets = [&](const Span& span) {
      return span.start <= questions[k] && questions[k] <= span.last;
    };
    if (found != static_cast<std::size_t>(
                     std::count_if(prepared.spans.begin(), prepared.spans.end(), meets))) {
      std::abort();
    }
  }
}

template <class Contender>
void tree_insert_erase(benchmark::State& state) {
  Setup<Contender>& prepared = setup<Contender>(state);
  std::mt19937_64 random(6);
  std::vector<std::size_t> victims(1 << 12);
  for (std::size_t& victim : victims) victim = random() % prepared.spans.size();
  std::size_t i = 0;
  for (auto _ : state) {
    Span* const victim = &prepared.spans[victims[i++ & 0xfff]];
    prepared.contender.erase(victim);
    prepared.contender.insert(victim);
  }
}

// A VMA and its forks.
class Family {
 public:
  explicit Family(FileRmap* file) : rmap_(*find_rmap_semantics("6.12")) {
    RmapVma& first = vmas_.emplace_back();
    first.bounds = {{VirtAddr(0x10000), VirtAddr(0x20000)}, PageOffset(16), PageOffset(16)};
    first.mapping = file;
    if (file) rmap_.vma_link_file(&first);
    if (!reserve_.fill(Rmap::prepare_needs()).ok()) std::abort();
    if (!rmap_.anon_vma_prepare(&first, nullptr, nullptr, reserve_).ok()) std::abort();
  }
  ~Family() {
    for (RmapVma& vma : vmas_) rmap_.free_vma(&vma);
  }

  RmapVma* first() { return &vmas_.front(); }
  RmapVma* last() { return &vmas_.back(); }
  void fork(RmapVma* parent) {
    RmapVma& child = vmas_.emplace_back(*parent);
    child.mm = vmas_.size();
    if (!reserve_.fill(Rmap::fork_needs(*parent)).ok()) std::abort();
    if (!rmap_.fork_vma(&child, parent, false, reserve_).ok()) std::abort();
  }
  void drop_last() {
    rmap_.free_vma(&vmas_.back());
    vmas_.pop_back();
  }

 private:
  Rmap rmap_;
  RmapReserve reserve_;
  std::deque<RmapVma> vmas_;
};

template <class Walk>
void walk(benchmark::State& state, Walk walk_page) {
  u64 sum = 0;
  for (auto _ : state) {
    i64 found = 0;
    walk_page([&](const RmapVma& vma, VirtAddr address) {
      sum += vma.mm + address.value();
      ++found;
      return true;
    });
    if (found != state.range(0)) std::abort();
  }
  benchmark::DoNotOptimize(sum);
}

void walk_anon(benchmark::State& state) {
  Family family(nullptr);
  for (i64 i = 1; i < state.range(0); ++i) family.fork(family.first());
  const AnonVma& anon_vma = *family.first()->anon_vma;
  walk(state, [&](auto visit) { rmap_walk_anon(anon_vma, PageOffset(20), PageCount(1), visit); });
}

void walk_file(benchmark::State& state) {
  FileRmap file;
  Family family(&file);
  for (i64 i = 1; i < state.range(0); ++i) family.fork(family.first());
  walk(state, [&](auto visit) { rmap_walk_file(file, PageOffset(20), PageCount(1), visit); });
}

void fork_unlink(benchmark::State& state) {
  Family family(nullptr);
  for (i64 i = 1; i < state.range(0); ++i) family.fork(family.last());
  for (auto _ : state) {
    family.fork(family.last());
    family.drop_last();
  }
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int n : {50, 500, 5000, 65530}) benchmark->Arg(n);
}
void sharers(benchmark::internal::Benchmark* benchmark) {
  for (const int n : {1, 10, 1000, 10000}) benchmark->Arg(n);
}

#define SVMA_BENCH(operation)                                                        \
  BENCHMARK(operation<Svma>)->Name(#operation "/svma")->Apply(sizes);                \
  BENCHMARK(operation<StdMultiset>)->Name(#operation "/std_multiset")->Apply(sizes); \
  BENCHMARK(operation<BoostIcl>)->Name(#operation "/boost_icl")->Apply(sizes)

SVMA_BENCH(tree_overlap);
SVMA_BENCH(tree_insert_erase);
BENCHMARK(walk_anon)->Name("walk_anon/svma")->Apply(sharers);
BENCHMARK(walk_file)->Name("walk_file/svma")->Apply(sharers);
BENCHMARK(fork_unlink)->Name("fork_unlink/svma")->Arg(1)->Arg(2)->Arg(5)->Arg(20);

}  // namespace
}  // namespace svma

int main(int argc, char** argv) {
  using namespace svma;
  benchmark::AddCustomContext("bytes_per_avc", std::to_string(sizeof(AnonVmaChain)));
  benchmark::AddCustomContext("bytes_per_anon_vma", std::to_string(sizeof(AnonVma)));
  benchmark::AddCustomContext("bytes_per_vma", std::to_string(sizeof(RmapVma)));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
