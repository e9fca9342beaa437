// SPDX-License-Identifier: GPL-2.0-only
//
// The address space against three well-kept ordered containers, on the same addresses in the same
// run:
//   svma             AddressSpace: tree with gap augmentation, list, map_count
//   boost_intrusive  boost::intrusive::set (normal links), a tree alone
//   std_map          std::map from start to a pointer
//   absl_btree       absl::btree_map from start to a pointer
// Elements are as large as a Vma (128 bytes, cache-line aligned) and lie in shuffled order in
// memory, as a slab hands them out after some use. They are drawn to be like those of real
// processes: 1 to 16 pages each, half of them touching the one below (segments of one library,
// arenas, stacks and their guards), the other holes of 2^0 to 2^15 pages with equal probability.
//
//   find         the VMA at an address, mapped three times out of four; which address is next
//   depends on
//                the result, so that lookups cannot overlap
//   iterate      a walk over all in address order; time per element
//   insert_erase a random VMA is taken out and put back where it was
//   gap_up/down  unmapped_area / _topdown with random lengths and limits; only svma has an index
//   for this
#include <absl/container/btree_map.h>
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <boost/intrusive/set.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "vma/address_space.hpp"

namespace svma {
namespace {

constexpr u64 kBase = 0x10000;

struct Layout {
  explicit Layout(std::size_t n) {
    std::mt19937_64 random(n);
    u64 at = kBase;
    ranges.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      if (random() % 2) at += kPageSize << random() % 16;
      const u64 end = at + (1 + random() % 16) * kPageSize;
      ranges.push_back({VirtAddr(at), VirtAddr(end)});
      at = end;
    }
    order.resize(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
  }

  u64 top() const { return ranges.back().end.value(); }

  // An address in a random VMA, or, in one of four, in the hole below it if there is one.
  u64 some_address(std::mt19937_64& random) const {
    const std::size_t i = random() % ranges.size();
    const u64 below = i ? ranges[i - 1].end.value() : kBase;
    const u64 start = random() % 4 ? ranges[i].start.value() : below;
    return start + random() % (ranges[i].end.value() - start);
  }

  std::vector<AddrRange> ranges;
  std::vector<std::size_t> order;  // memory slot of the i-th range; also the order of insertion
};

// Random values, drawn beforehand: a generator in the loop would be measured too.
template <class Draw>
std::vector<u64> draws(Draw draw) {
  std::mt19937_64 random(99);
  std::vector<u64> values(1 << 16);
  for (u64& value : values) value = draw(random);
  return values;
}

// On huge pages, as the kernel's own memory is: otherwise the chance placement of small pages in
// the cache makes runs incomparable.
template <class T>
class Slab {
 public:
  explicit Slab(std::size_t n) : size_(n) {
    constexpr std::size_t kHuge = 2 << 20;
    const std::size_t bytes = (n * sizeof(T) + kHuge - 1) / kHuge * kHuge;
    items_ = static_cast<T*>(std::aligned_alloc(kHuge, bytes));
    if (!items_) std::abort();
    madvise(items_, bytes, MADV_HUGEPAGE);
    for (std::size_t i = 0; i < n; ++i) new (&items_[i]) T();
  }
  ~Slab() {
    for (std::size_t i = 0; i < size_; ++i) items_[i].~T();
    std::free(items_);
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  T& operator[](std::size_t i) { return items_[i]; }

 private:
  T* items_ = nullptr;
  std::size_t size_;
};

// Each contender: Element* at(i) is the VMA of the i-th range; find() returns the first that ends
// above.
class Svma {
 public:
  using Element = Vma;
  explicit Svma(const Layout& layout) : layout_(layout), slab_(layout.ranges.size()) {
    for (const std::size_t i : layout.order) {
      at(i)->vm_start = layout.ranges[i].start;
      at(i)->vm_end = layout.ranges[i].end;
      insert(i);
    }
  }
  ~Svma() {
    while (mm_.first()) mm_.unlink(mm_.first());
  }

  Vma* at(std::size_t i) { return &slab_[layout_.order[i]]; }
  const Vma* find(u64 addr) const { return mm_.find_vma(VirtAddr(addr)); }
  void insert(std::size_t i) {
    if (!mm_.insert(at(i)).ok()) std::abort();
  }
  void erase(std::size_t i) { mm_.unlink(at(i)); }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const Vma* vma = mm_.first(); vma; vma = AddressSpace::next(vma)) visit(*vma);
  }

  const AddressSpace& mm() const { return mm_; }

 private:
  const Layout& layout_;
  Slab<Vma> slab_;
  AddressSpace mm_;
};

struct alignas(64) BoostVma
    : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
  VirtAddr vm_start;
  VirtAddr vm_end;
  VmaAttrs attrs;
  bool operator<(const BoostVma& other) const { return vm_start < other.vm_start; }
};
static_assert(sizeof(BoostVma) == sizeof(Vma));

class BoostIntrusive {
 public:
  using Element = BoostVma;
  explicit BoostIntrusive(const Layout& layout) : layout_(layout), slab_(layout.ranges.size()) {
    for (const std::size_t i : layout.order) {
      at(i)->vm_start = layout.ranges[i].start;
      at(i)->vm_end = layout.ranges[i].end;
      insert(i);
    }
  }
  ~BoostIntrusive() { set_.clear(); }

  BoostVma* at(std::size_t i) { return &slab_[layout_.order[i]]; }
  const BoostVma* find(u64 addr) const {
    const auto found = set_.upper_bound(VirtAddr(addr), ByEnd());
    return found == set_.end() ? nullptr : &*found;
  }
  void insert(std::size_t i) { set_.insert(*at(i)); }
  void erase(std::size_t i) { set_.erase(set_.iterator_to(*at(i))); }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const BoostVma& vma : set_) visit(vma);
  }

 private:
  struct ByEnd {
    bool operator()(VirtAddr addr, const BoostVma& vma) const { return addr < vma.vm_end; }
    bool operator()(const BoostVma& vma, VirtAddr addr) const { return vma.vm_end < addr; }
  };

  const Layout& layout_;
  Slab<BoostVma> slab_;
  // The size is not counted, just as map_count is the only thing beyond a tree that svma would
  // need.
  boost::intrusive::set<BoostVma> set_;
};

struct alignas(64) MapVma {
  VirtAddr vm_start;
  VirtAddr vm_end;
  VmaAttrs attrs;
};

// std::map and btree_map, keyed by the last byte so that lower_bound(addr) is find_vma(addr).
template <class Map>
class Keyed {
 public:
  using Element = MapVma;
  explicit Keyed(const Layout& layout) : layout_(layout), slab_(layout.ranges.size()) {
    for (const std::size_t i : layout.order) {
      at(i)->vm_start = layout.ranges[i].start;
      at(i)->vm_end = layout.ranges[i].end;
      insert(i);
    }
  }

  MapVma* at(std::size_t i) { return &slab_[layout_.order[i]]; }
  const MapVma* find(u64 addr) const {
    const auto found = map_.lower_bound(addr);
    return found == map_.end() ? nullptr : found->second;
  }
  void insert(std::size_t i) { map_.emplace(at(i)->vm_end.value() - 1, at(i)); }
  void erase(std::size_t i) { map_.erase(at(i)->vm_end.value() - 1); }

  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& entry : map_) visit(*entry.second);
  }

 private:
  const Layout& layout_;
  Slab<MapVma> slab_;
  Map map_;
};
using StdMap = Keyed<std::map<u64, MapVma*>>;
using AbslBtree = Keyed<absl::btree_map<u64, MapVma*>>;

template <class Contender>
struct Setup {
  explicit Setup(std::size_t n) : layout(n), contender(layout) {}
  const Layout layout;
  Contender contender;
};

// The set-up of the current benchmark, which the library calls several times: a million insertions
// each time would take longer than all measurements. One is alive at a time.
std::shared_ptr<void> alive;

template <class Contender>
Setup<Contender>& setup(const benchmark::State& state) {
  static std::weak_ptr<Setup<Contender>> last;
  const auto n = static_cast<std::size_t>(state.range(0));
  std::shared_ptr<Setup<Contender>> current = last.lock();
  if (!current || current->layout.ranges.size() != n) {
    current.reset();
    alive.reset();
    current = std::make_shared<Setup<Contender>>(n);
    last = current;
    alive = current;
  }
  return *current;
}

template <class Contender>
void find(benchmark::State& state) {
  auto& prepared = setup<Contender>(state);
  const Layout& layout = prepared.layout;
  Contender& contender = prepared.contender;
  const std::vector<u64> addresses =
      draws([&](std::mt19937_64& random) { return layout.some_address(random); });
  u64 carry = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    const auto* const found = contender.find(addresses[(i++ + carry) & 0xffff]);
    carry = found->vm_start.value() & 1;  // always 0, which the processor cannot know
  }
  benchmark::DoNotOptimize(carry);
}

template <class Contender>
void iterate(benchmark::State& state) {
  const Contender& contender = setup<Contender>(state).contender;
  u64 sum = 0;
  for (auto _ : state) {
    contender.for_each([&](const auto& vma) { sum += vma.vm_end.value(); });
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class Contender>
void insert_erase(benchmark::State& state) {
  auto& prepared = setup<Contender>(state);
  const Layout& layout = prepared.layout;
  Contender& contender = prepared.contender;
  const std::vector<u64> victims =
      draws([&](std::mt19937_64& random) { return random() % layout.ranges.size(); });
  std::size_t i = 0;
  for (auto _ : state) {
    const std::size_t victim = victims[i++ & 0xffff];
    contender.erase(victim);
    contender.insert(victim);
  }
}

enum class Direction { kUp, kDown };

template <Direction direction>
void gap(benchmark::State& state) {
  auto& prepared = setup<Svma>(state);
  const Layout& layout = prepared.layout;
  const Svma& contender = prepared.contender;
  const std::vector<u64> limits =
      draws([&](std::mt19937_64& random) { return layout.some_address(random) & kPageMask; });
  std::size_t i = 0;
  u64 carry = 0;
  for (auto _ : state) {
    const u64 limit = limits[(i++ + carry) & 0xffff];
    UnmappedAreaInfo info;
    info.length = kPageSize << i % 12;
    info.low_limit = VirtAddr(direction == Direction::kUp ? limit : kPageSize);
    info.high_limit = VirtAddr(direction == Direction::kUp ? layout.top() * 2 : limit);
    const Result<VirtAddr> found = direction == Direction::kUp
                                       ? contender.mm().unmapped_area(info)
                                       : contender.mm().unmapped_area_topdown(info);
    carry = found.value_or(VirtAddr(0)).value() & 1;
  }
  benchmark::DoNotOptimize(carry);
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const int n : {50, 500, 5000, 65530, 1000000}) benchmark->Arg(n);
}

#define SVMA_BENCH(operation)                                                              \
  BENCHMARK(operation<Svma>)->Name(#operation "/svma")->Apply(sizes);                      \
  BENCHMARK(operation<BoostIntrusive>)->Name(#operation "/boost_intrusive")->Apply(sizes); \
  BENCHMARK(operation<StdMap>)->Name(#operation "/std_map")->Apply(sizes);                 \
  BENCHMARK(operation<AbslBtree>)->Name(#operation "/absl_btree")->Apply(sizes)

SVMA_BENCH(find);
SVMA_BENCH(iterate);
SVMA_BENCH(insert_erase);
BENCHMARK(gap<Direction::kUp>)->Name("gap_up/svma")->Apply(sizes);
BENCHMARK(gap<Direction::kDown>)->Name("gap_down/svma")->Apply(sizes);

}  // namespace
}  // namespace svma

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
