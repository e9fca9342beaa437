// SPDX-License-Identifier: GPL-2.0-only
// The protocol that makes two accounts of a moving thing comparable (see harness/README.md).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

#include "lib/answers.hpp"
#include "lib/compare.hpp"
#include "lib/sources.hpp"

namespace svma {

// Which roads one sample takes besides the BPF iterator.
struct Depth {
  bool status = false;
  bool smaps = false;
  bool walk = false;              // of PROCMAP_QUERY from VMA to VMA
  unsigned lookups = 0;           // at addresses worth asking about
  std::vector<uint64_t> again{};  // and at these
};

enum class Outcome {
  kCompared,  // the shadow did not change while the live side was read
  kMoved,     // it did: the answers do not count
  kVanished,  // the process has ended or is not tracked any more
  kNotClean,  // the module itself does not vouch for the shadow now
};

struct Sample {
  Outcome outcome = Outcome::kVanished;
  uint64_t seq = 0;
  Comparison comparison;  // of a kCompared sample
  uint64_t moved = 0;     // answers thrown away
  QuestionCounts query;   // of PROCMAP_QUERY, contained in the two above
  // Of a kCompared sample: which mm, and the shadow's layout.
  uint64_t mm_cookie = 0;
  Layout layout;
};

// Compares shadow and live side of one mm at one moment.
class Sampler {
 public:
  Sampler(ShadowSource& shadow, LiveSource& live, ProcSource& proc, QuerySource& query,
          uint64_t random_seed)
      : shadow_(shadow), live_(live), proc_(proc), query_(query), random_(random_seed) {}

  // One sample of the mm that `pid` has.
  Sample sample(uint64_t mm_id, pid_t pid, const Depth& depth);

  // Forgets an mm that has ended.
  void forget(uint64_t mm_id) { cookies_.erase(mm_id); }

 private:
  // What PROCMAP_QUERY answered: compared, or thrown away.
  struct Queried {
    Comparison comparison;
    uint64_t moved = 0;
  };

  bool unmoved(const ShadowView& view, const LiveView& live, pid_t pid);
  void add_lookups(Sample& sample, const ShadowView& view, const LiveView& live,
                   const std::vector<uint64_t>& addresses);
  Queried ask(const ShadowView& view, pid_t pid, const std::vector<uint64_t>& addresses, bool walk);

  ShadowSource& shadow_;
  LiveSource& live_;
  ProcSource& proc_;
  QuerySource& query_;
  std::mt19937_64 random_;
  std::unordered_map<uint64_t, uint64_t> cookies_;  // mm_id -> LiveView::mm_cookie
};

}  // namespace svma
