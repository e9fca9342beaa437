// SPDX-License-Identifier: GPL-2.0-only
#include "lib/rmap_check.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace svma {
namespace {

constexpr int kQuietTries = 5;
constexpr std::chrono::milliseconds kBetweenTries(2);
constexpr size_t kPairsUntilPruned = 65536;

bool usable(const Chains& chains) { return chains.health == SVMA_CLEAN && !chains.busy; }

}  // namespace

RmapCheck::RmapCheck(Device& device, uint64_t cookie_factor)
    : device_(device), prune_at_(kPairsUntilPruned) {
  std::string why;
  oracle_ = OracleRmap::create(cookie_factor, why);
  road_ = oracle_ ? oracle_->road() : "none on this kernel: " + why;
}

// Of all tracked mms, which must be at rest.
std::optional<RmapCheck::Moments> RmapCheck::moments() {
  Moments moments;
  for (const svma_mm& mm : device_.list_mine()) {
    const auto chains = device_.chains(mm.mm_id);
    if (!chains || !usable(*chains)) return std::nullopt;
    moments[mm.mm_id] = chains->stamp;
  }
  return moments;
}

// nullopt: it moved.
std::optional<RmapCheck::Reading> RmapCheck::read_unmoved(uint64_t mm_id, pid_t pid,
                                                          uint64_t mm_cookie) {
  read_last_ = 0;
  const auto before = device_.chains(mm_id);
  if (!before || !usable(*before)) return std::nullopt;
  auto live = oracle_->read(pid);
  if (!live) return std::nullopt;
  read_last_ = live->topology.chains.size();
  const auto after = device_.chains(mm_id);
  if (!after || !usable(*after) || after->stamp != before->stamp) return std::nullopt;
  if (!live->complete || live->mm_cookie != mm_cookie) return std::nullopt;
  return Reading{to_topology(before->links), std::move(live->topology), false};
}

std::optional<RmapCheck::Reading> RmapCheck::read(uint64_t mm_id, pid_t pid, uint64_t mm_cookie,
                                                  bool quiet) {
  if (!quiet) return read_unmoved(mm_id, pid, mm_cookie);
  const uint64_t exits = oracle_->exits_done();
  const auto before = moments();
  auto reading = read_unmoved(mm_id, pid, mm_cookie);
  if (reading) reading->quiet = before && before == moments() && oracle_->exits_begun() == exits;
  return reading;
}

std::unordered_set<uint64_t> RmapCheck::names_in_shadows() {
  std::unordered_set<uint64_t> names;
  for (const svma_mm& mm : device_.list_mine()) {
    const auto chains = device_.chains(mm.mm_id);
    if (!chains) continue;
    for (const svma_chain_link& link : chains->links)
      names.insert({link.anon_vma, link.root, link.parent});
  }
  return names;
}

RmapComparison RmapCheck::compare(const Reading& reading) {
  std::optional<std::unordered_set<uint64_t>> names;
  const auto alive = [&](uint64_t name) {
    if (!names) names = names_in_shadows();
    return names->contains(name);
  };
  return compare_topologies(reading.shadow, reading.live, renaming_, alive);
}

// Without quiet, chains that differ may be those of another moment. Equal ones are equal; what they
// count is left out.
RmapCheck::Sample RmapCheck::settle(const RmapComparison& comparison, bool quiet) {
  Sample sample;
  sample.comparison.compared = sample.comparison.equal = comparison.equal;
  for (const RmapDifference& found : comparison.differences) {
    if (quiet) {
      sample.comparison.add_difference(found.difference);
    } else if (found.counted) {
      sample.comparison.add_equal();
      ++tally_.unsure;
    } else {
      ++sample.moved;
    }
  }
  tally_.cut += comparison.cut;
  return sample;
}

RmapCheck::Sample RmapCheck::sample(uint64_t mm_id, pid_t pid, uint64_t mm_cookie) {
  Sample sample;
  if (!oracle_) return sample;
  std::optional<RmapComparison> found;
  bool quiet = false;
  for (int i = 0; i <= kQuietTries && !quiet; ++i) {
    if (i > 0) std::this_thread::sleep_for(kBetweenTries);
    const auto reading = read(mm_id, pid, mm_cookie, /*quiet=*/i > 0);
    if (!reading) {
      // One that moves is not asked again and again; one that differed is.
      if (!found) break;
      continue;
    }
    found = compare(*reading);
    quiet = reading->quiet || found->differences.empty();
  }
  if (found)
    sample = settle(*found, quiet);
  else
    sample.moved = read_last_;
  tally_.add(sample.comparison);
  tally_.moved += sample.moved;
  if (renaming_.size() >= prune_at_) {
    renaming_.retain(names_in_shadows());
    prune_at_ = kPairsUntilPruned + 2 * renaming_.size();
  }
  return sample;
}

void RmapCheck::retain(const std::unordered_set<pid_t>& pids) {
  if (oracle_) oracle_->retain(pids);
}

}  // namespace svma
