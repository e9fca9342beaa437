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

RmapCheck::RmapCheck(Device& device, uint64_t cookie_factor, bool wanted)
    : device_(device), road_("off"), prune_at_(kPairsUntilPruned) {
  if (!wanted) return;
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
  std::optional<RmapTopology> linked;
  if (caught_up()) linked = graph_.topology(mm_cookie);
  const auto after = device_.chains(mm_id);
  if (!after || !usable(*after) || after->stamp != before->stamp) return std::nullopt;
  if (!live->complete || live->mm_cookie != mm_cookie) return std::nullopt;
  return Reading{to_topology(before->links), std::move(live->topology), std::move(linked), false};
}

std::optional<RmapCheck::Reading> RmapCheck::read(uint64_t mm_id, pid_t pid, uint64_t mm_cookie,
                                                  bool quiet) {
  if (!quiet) return read_unmoved(mm_id, pid, mm_cookie);
  const uint64_t exits = oracle_->exits_done(), unseen = oracle_->exits_unseen();
  const auto before = moments();
  auto reading = read_unmoved(mm_id, pid, mm_cookie);
  if (reading)
    reading->quiet = before && before == moments() && oracle_->exits_begun() == exits &&
                     oracle_->exits_unseen() == unseen;
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

void RmapCheck::drain() {
  if (oracle_) caught_up();
}

// Whether the graph is up to date.
bool RmapCheck::caught_up() {
  constexpr int kTries = 3;  // others go on meanwhile
  bool all = false;
  for (int i = 0; i < kTries && !all; ++i)
    all = oracle_->drain([this](const svma_rmap_event& event) { graph_.apply(event); });
  // Who silences the module's probes silences those that send events, too.
  const svma_counts counts = device_.stats(0).counts;
  const uint64_t silences = counts.missed + counts.resyncs;
  if (lost_ == oracle_->dropped() && silences_ == silences) return all;
  lost_ = oracle_->dropped();
  silences_ = silences;
  graph_.lost();
  return false;
}

RmapCheck::Found RmapCheck::compare(const Reading& reading) {
  std::optional<std::unordered_set<uint64_t>> names;
  const auto alive = [&](uint64_t name) {
    if (!names) names = names_in_shadows();
    return names->contains(name);
  };
  Found found;
  found.chains = compare_topologies(reading.shadow, reading.live, renaming_, alive);
  if (reading.linked) found.links = compare_membership(reading.shadow, *reading.linked, renaming_);
  return found;
}

// Without quiet, chains that differ may be those of another moment. Equal ones are equal; what they
// count is left out.
RmapCheck::Sample RmapCheck::settle(const RmapComparison& comparison, bool quiet,
                                    RmapTally& tally) {
  Sample sample;
  sample.comparison.compared = sample.comparison.equal = comparison.equal;
  for (const RmapDifference& found : comparison.differences) {
    if (quiet) {
      sample.comparison.add_difference(found.difference);
    } else if (found.counted) {
      sample.comparison.add_equal();
      ++tally.unsure;
    } else {
      ++sample.moved;
    }
  }
  tally.cut += comparison.cut;
  tally.moved += sample.moved;
  tally.add(sample.comparison);
  return sample;
}

RmapCheck::Sample RmapCheck::sample(uint64_t mm_id, pid_t pid, uint64_t mm_cookie) {
  Sample sample;
  if (!oracle_) return sample;
  std::optional<Found> found;
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
    quiet = reading->quiet || found->equal();
  }
  if (found) {
    sample = settle(found->chains, quiet, tally_);
    Sample links = settle(found->links, quiet, events_);
    sample.comparison.add(std::move(links.comparison));
    sample.moved += links.moved;
  } else {
    sample.moved = read_last_;
    tally_.moved += read_last_;
  }
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
