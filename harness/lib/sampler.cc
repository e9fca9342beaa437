// SPDX-License-Identifier: GPL-2.0-only
#include "lib/sampler.hpp"

#include <utility>

namespace svma {

/*
 *   snapshot: seq S1     status     smaps     query     BPF iterator     moment_of_pid: seq S2
 *
 * S1 == S2, same mm, both times clean: no operation was applied to the shadow in between. The
 * iterator comes last because it takes the mmap_lock. status reads without any lock, and
 * PROCMAP_QUERY, in v7.3, under that of a single VMA, so they may see the middle of an operation;
 * the iterator waits until that operation is over, and by then the module has applied it and S2
 * tells.
 */
Sample Sampler::sample(uint64_t mm_id, pid_t pid, const Depth& depth) {
  Sample sample;
  auto view = shadow_.snapshot(mm_id);
  if (!view || view->health == SVMA_GONE) return sample;
  sample.seq = view->seq;
  if (view->health != SVMA_CLEAN) {
    sample.outcome = Outcome::kNotClean;
    return sample;
  }

  auto status = depth.status ? proc_.status(pid) : std::nullopt;
  auto smaps = depth.smaps ? proc_.smaps(pid) : std::nullopt;
  auto addresses = pick_addresses(view->layout, depth.lookups, random_());
  addresses.insert(addresses.end(), depth.again.begin(), depth.again.end());
  Queried queried = ask(*view, pid, addresses, depth.walk);
  auto live = live_.read(pid);
  if (!live || (depth.status && !status) || (depth.smaps && !smaps)) return sample;

  const bool counts = unmoved(*view, *live, pid);
  Comparison comparison = compare_layouts(view->layout, live->layout, kRoadBpf);
  comparison.add(compare_totals(view->totals, live->totals, live->layout.size()));
  if (status) comparison.add(compare_status(view->totals, *status));
  if (smaps) comparison.add(compare_smaps(view->layout, *smaps));
  if (!counts) {
    sample.outcome = Outcome::kMoved;
    sample.query.add_moved(queried.comparison.compared + queried.moved);
    sample.moved = comparison.compared + sample.query.moved;
    return sample;
  }

  sample.outcome = Outcome::kCompared;
  sample.moved = queried.moved;
  sample.query.add({.compared = queried.comparison.compared,
                    .equal = queried.comparison.equal,
                    .divergent = queried.comparison.divergent});
  sample.query.add_moved(queried.moved);
  sample.comparison = std::move(comparison);
  sample.comparison.add(std::move(queried.comparison));
  add_lookups(sample, *view, *live, addresses);
  sample.mm_cookie = live->mm_cookie;
  sample.layout = std::move(view->layout);
  return sample;
}

// The cookie catches what seq can't: an exec that the module has not noticed yet.
bool Sampler::unmoved(const ShadowView& view, const LiveView& live, pid_t pid) {
  if (view.busy) return false;
  auto after = shadow_.moment_of_pid(pid);
  if (!after || after->mm_id != view.mm_id || after->seq != view.seq || after->health != SVMA_CLEAN)
    return false;
  auto [known, first_time] = cookies_.try_emplace(view.mm_id, live.mm_cookie);
  return live.complete && (first_time || known->second == live.mm_cookie);
}

// The same addresses asked of the shadow's tree and of PROCMAP_QUERY. What the shadow answers at
// another moment has moved.
Sampler::Queried Sampler::ask(const ShadowView& view, pid_t pid,
                              const std::vector<uint64_t>& addresses, bool walk) {
  if (!query_.available() || (addresses.empty() && !walk)) return {};
  const auto live = query_.ask(pid, addresses, walk);
  if (!live) return {};
  Queried result;
  if (live->layout) result.comparison.add(compare_query_walk(view.layout, *live->layout));
  for (const QueryAnswer& answer : live->answers) {
    const auto shadow = shadow_.find(view.mm_id, answer.address);
    if (shadow && shadow->seq == view.seq && shadow->health == SVMA_CLEAN)
      result.comparison.add(
          compare_query(answer.address, shadow->lookup, answer.covering, answer.next));
    else
      result.moved += 2;
  }
  return result;
}

// The live layout is valid at view.seq, so each lookup that was answered at the same seq can be
// judged by it.
void Sampler::add_lookups(Sample& sample, const ShadowView& view, const LiveView& live,
                          const std::vector<uint64_t>& addresses) {
  for (uint64_t address : addresses) {
    auto answer = shadow_.find(view.mm_id, address);
    if (!answer) return;
    if (answer->seq != view.seq || answer->health != SVMA_CLEAN)
      ++sample.moved;
    else
      sample.comparison.add(compare_lookup(address, answer->lookup, live.layout));
  }
}

}  // namespace svma
