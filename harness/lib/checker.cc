// SPDX-License-Identifier: GPL-2.0-only
#include "lib/checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <unordered_set>
#include <utility>

namespace svma {
namespace {

constexpr int kTriesPerMoment = 3;         // of a target that moves while it is read
constexpr unsigned kMovedUntilFreeze = 5;  // moments in a row
constexpr uint64_t kStatusEvery = 10;      // samples of one mm between two readings of
                                           // /proc/PID/status, and two walks by PROCMAP_QUERY
constexpr unsigned kLookups = 8;           // find_vma questions per sample
constexpr int kMaxOfOneKind = 8;           // reports of the same field after the same operation
constexpr std::chrono::milliseconds kFreezeLimit(500);

// The cheap roads always, the slow ones at the first sample, now and then, and at the end.
Depth depth_of(uint64_t samples, bool final_look) {
  return {.status = final_look || samples % kStatusEvery == 0,
          .smaps = final_look || samples == 0,
          .walk = final_look || samples % kStatusEvery == 0,
          .lookups = kLookups};
}

// Where a generator's process stands now: at the step that made the difference, or a little later.
std::optional<StepName> step_of(pid_t pid) {
  const std::string name = read_proc_file(fmt::format("/proc/{}/comm", pid)).value_or("");
  return parse_step_name(name.substr(0, name.find('\n')));
}

// A report lists few of each kind, so that the frequent ones leave room for the others.
bool is_news(const std::vector<Finding>& list, const Finding& finding) {
  return std::count_if(list.begin(), list.end(), [&finding](const Finding& other) {
           return other.operation == finding.operation &&
                  other.difference.field == finding.difference.field;
         }) < kMaxOfOneKind;
}

}  // namespace

Checker::Checker(uint64_t random_seed, bool stream, bool pages)
    : sampler_(device_, live_, proc_, query_, random_seed),
      rmap_(device_, live_.cookie_factor(), stream) {
  if (pages) pages_.emplace(device_, live_.cookie_factor());
  if (!stream) return;
  stream_ = AnswerStream::create(live_.cookie_factor(), stream_state_);
  if (!stream_) return;
  stream_state_ = "on";
  for (const svma_semantic& choice : device_.semantics())
    if (std::string_view(choice.name) == "mremap_moves_many")
      moves_many_ = std::string_view(choice.value) == "yes";
}

// Answers are judged before the samples, by the windows that are open, and after them, by the new
// ones.
void Checker::look(bool final_look) {
  const auto mms = device_.list_mine();
  tracked_ = mms.size();
  rmap_.drain();
  drain_answers();
  bool news = false;
  for (const svma_mm& mm : mms) {
    judge_answers(states_[mm.mm_id]);
    look_at(mm, final_look);
    const uint64_t reported = mm.counts.divergent + mm.counts.unmodelled;
    news |= reported != std::exchange(states_[mm.mm_id].reported, reported);
  }
  drain_answers();
  for (const svma_mm& mm : mms) judge_answers(states_[mm.mm_id]);
  // While the operations that led there are still in the journal.
  if (news) collect_reports();
  forget_ended(mms);
}

void Checker::look_at(const svma_mm& mm, bool final_look) {
  State& state = states_[mm.mm_id];
  ProcessSummary& summary = state.summary;
  summary.mm_id = mm.mm_id;
  summary.pid = mm.pid;
  summary.comm.assign(mm.comm, strnlen(mm.comm, sizeof(mm.comm)));
  summary.health = mm.health;
  summary.operations = mm.counts.operations;
  summary.vmas = mm.totals.map_count;
  if (mm.pid <= 0 || mm.health == SVMA_STARTING || mm.health == SVMA_GONE) return;
  if (stream_ && state.cookie == 0) {
    const auto view = live_.read(mm.pid);
    if (view) follow(state, view->mm_cookie);
  }
  const bool faulted = mm.counts.facts != std::exchange(state.facts, mm.counts.facts);
  if (!final_look && mm.seq == state.seen_seq) {
    if (faulted) look_at_rmap(state);
    renew_window(state);
    pages_now_and_then(state, final_look);
    return;
  }

  // One that moved last time, too, is likely to move again: asking once tells.
  const int tries = state.moved_in_a_row == 0 ? kTriesPerMoment : 1;
  for (int i = 0; i < tries; ++i) {
    const Outcome outcome = sample_once(state, final_look);
    if (outcome == Outcome::kCompared) pages_now_and_then(state, final_look);
    if (outcome != Outcome::kMoved) return;
  }
  if (++state.moved_in_a_row >= kMovedUntilFreeze) look_while_frozen(state);
}

Outcome Checker::sample_once(State& state, bool final_look) {
  Tally& tally = state.summary.tally;
  const auto generation = generation_of(state);
  Sample sample =
      sampler_.sample(state.summary.mm_id, state.summary.pid, depth_of(state.samples, final_look));
  tally.add_moved(sample.moved);
  queries_.add(sample.query);
  switch (sample.outcome) {
    case Outcome::kMoved:
      ++tally.moved_samples;
      break;
    case Outcome::kVanished:
      ++tally.vanished;
      break;
    case Outcome::kNotClean:
      ++tally.not_clean;
      break;
    case Outcome::kCompared:
      ++tally.samples;
      ++state.samples;
      state.moved_in_a_row = 0;
      tally.add(sample.comparison);
      keep_differences(state, sample);
      state.seen_seq = sample.seq;
      if (sample.comparison.divergent == 0) state.equal_seq = sample.seq;
      state.live_cookie = sample.mm_cookie;
      open_window(state, generation, sample);
      look_at_rmap(state);
      break;
  }
  return sample.outcome;
}

// After a sample that counted: the mm is `live_cookie`.
void Checker::look_at_rmap(State& state) {
  const RmapCheck::Sample sample =
      rmap_.sample(state.summary.mm_id, state.summary.pid, state.live_cookie);
  state.summary.tally.add(sample.comparison);
  state.summary.tally.add_moved(sample.moved);
  for (const Difference& difference : sample.comparison.differences)
    keep_finding(state, state.seen_seq, difference);
}

// A look takes its time, so there are pauses: a quarter of the time is spent on them at most. When
// much of what was looked at moved, the family is stopped for the next look; when all did, at once.
void Checker::pages_now_and_then(State& state, bool final_look) {
  if (!pages_ || (!final_look && Clock::now() < state.next_pages)) return;
  const auto begin = Clock::now();
  bool compared = false;
  if (!state.pages_moved || freezer_ == nullptr)
    compared = look_at_pages(state, final_look, /*still=*/false);
  if (!compared && freezer_ != nullptr) {
    const auto frozen = freeze();
    look_at_pages(state, final_look, frozen != nullptr);
  }
  state.next_pages = Clock::now() + 3 * (Clock::now() - begin);
}

// RETURNS: whether anything was compared.
bool Checker::look_at_pages(State& state, bool whole, bool still) {
  const ProcessSummary& process = state.summary;
  const PageCheck::Sample sample =
      pages_->look(process.mm_id, process.pid, whole, still, [this] { return freeze(); });
  state.pages_moved = sample.all_moved || sample.moved > sample.comparison.compared / 16;
  state.summary.tally.add(sample.comparison);
  state.summary.tally.add_moved(sample.moved);
  for (const Difference& difference : sample.comparison.differences)
    keep_finding(state, state.seen_seq, difference);
  return !sample.all_moved;
}

Finding Checker::finding_of(const State& state, uint64_t seq, const Difference& difference) {
  Finding finding;
  finding.found_by = "harness";
  finding.mm_id = state.summary.mm_id;
  finding.pid = state.summary.pid;
  finding.comm = state.summary.comm;
  finding.step = step_of(finding.pid);
  finding.seq = seq;
  finding.last_equal_seq = state.equal_seq;
  finding.difference = difference;
  return finding;
}

void Checker::keep_finding(const State& state, uint64_t seq, const Difference& difference) {
  if (findings_.size() < kMaxFindings) findings_.push_back(finding_of(state, seq, difference));
}

// A difference that a second reading at once does not show again may be a change without a probe.
void Checker::keep_differences(State& state, const Sample& sample) {
  if (sample.comparison.differences.empty()) return;
  const auto journal = device_.journal(state.summary.mm_id, 0);
  Depth depth = depth_of(0, true);
  for (const Difference& difference : sample.comparison.differences)
    depth.again.push_back(difference.address);
  const Sample again = sampler_.sample(state.summary.mm_id, state.summary.pid, depth);
  for (const Difference& difference : sample.comparison.differences) {
    if (findings_.size() >= kMaxFindings) return;
    Finding finding = finding_of(state, sample.seq, difference);
    if (again.outcome == Outcome::kCompared) {
      const auto& found = again.comparison.differences;
      finding.confirmed = std::find(found.begin(), found.end(), difference) != found.end();
    }
    if (journal) finding.before = leading_to(journal->entries, sample.seq);
    findings_.push_back(finding);
  }
}

// Reports are asked for one by one from where the last collection ended.
void Checker::collect_reports() {
  while (const auto report = device_.report(reports_seen_)) {
    ++reports_seen_;
    const svma_divergence& found = report->divergence;
    auto& list = found.unmodelled ? unmodelled_ : reports_;
    Finding finding = to_finding(found);
    if (list.size() >= kMaxFindings || !is_news(list, finding)) continue;
    finding.report = *report;
    finding.step =
        parse_step_name(std::string(report->task, strnlen(report->task, sizeof(report->task))));
    if (const auto journal = device_.journal(found.mm_id, 0))
      finding.before = leading_to(journal->entries, found.seq);
    list.push_back(std::move(finding));
  }
}

std::vector<Journal> Checker::journals() {
  std::vector<Journal> all;
  uint64_t after = 0;
  while (auto journal = device_.journal_after(after)) {
    after = journal->mm_id;
    all.push_back(*std::move(journal));
  }
  return all;
}

std::unique_ptr<Freezer::Frozen> Checker::freeze() {
  if (freezer_ == nullptr) return nullptr;
  auto frozen = freezer_->freeze(kFreezeLimit);
  if (frozen) ++freezes_;
  return frozen;
}

void Checker::look_while_frozen(State& state) {
  state.moved_in_a_row = 0;
  const auto frozen = freeze();
  if (!frozen) return;
  // The whole family stands still, so all of it is compared.
  for (const svma_mm& mm : device_.list_mine()) {
    const auto other = states_.find(mm.mm_id);
    if (other == states_.end() || mm.pid <= 0 || mm.health != SVMA_CLEAN) continue;
    if (mm.seq != other->second.seen_seq) sample_once(other->second, false);
    if (pages_) look_at_pages(other->second, false, /*still=*/true);
  }
}

void Checker::forget_ended(const std::vector<svma_mm>& mms) {
  std::unordered_set<pid_t> pids;
  std::unordered_set<uint64_t> ids;
  for (const svma_mm& mm : mms) {
    pids.insert(mm.pid);
    ids.insert(mm.mm_id);
  }
  for (auto& [id, state] : states_) {
    if (ids.contains(id)) continue;
    if (state.summary.health != SVMA_GONE) end_answers(state);
    state.summary.health = SVMA_GONE;
    sampler_.forget(id);
  }
  live_.retain(pids);
  rmap_.retain(pids);
  if (pages_) pages_->retain(ids);
}

// --- single answers
// -------------------------------------------------------------------------------

void Checker::follow(State& state, uint64_t cookie) {
  if (!stream_ || state.cookie == cookie) return;
  if (state.cookie != 0) end_answers(state);
  if (!stream_->follow(cookie)) return;
  state.cookie = cookie;
  state.judge = AnswerJudge(moves_many_);
  owners_[cookie] = state.summary.mm_id;
}

std::optional<uint64_t> Checker::generation_of(const State& state) const {
  if (!stream_ || state.cookie == 0) return std::nullopt;
  return stream_->generation(state.cookie);
}

// `before`: the generation before the sample was taken.
void Checker::open_window(State& state, std::optional<uint64_t> before, Sample& sample) {
  if (!stream_) return;
  if (sample.mm_cookie != state.cookie) {
    follow(state, sample.mm_cookie);
    return;
  }
  const auto after = generation_of(state);
  if (before && before == after)
    state.judge.open_window(*before, sample.seq, std::move(sample.layout));
}

// The shadow has not changed since it was compared, but a write section went by: answers may wait
// for a window of the new generation. What the sample compares was counted already.
void Checker::renew_window(State& state) {
  if (!stream_ || !state.judge.wants_window()) return;
  const auto before = generation_of(state);
  Sample sample = sampler_.sample(state.summary.mm_id, state.summary.pid, Depth{});
  if (sample.outcome == Outcome::kCompared) open_window(state, before, sample);
}

void Checker::drain_answers() {
  if (!stream_) return;
  stream_->drain([this](const svma_answer& answer) {
    const auto owner = owners_.find(answer.mm_cookie);
    if (owner != owners_.end())
      states_[owner->second].judge.take(answer);
    else if (answer.kind < SVMA_ANSWER_KINDS)
      orphans_[answer.kind].add_moved(1);
  });
}

// After every window and every answer that is to be judged, and before they are.
void Checker::distrust_generations() {
  const uint64_t missed = stream_->missed_sections();
  if (missed == missed_sections_) return;
  missed_sections_ = missed;
  const uint64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  for (auto& [id, state] : states_) state.judge.distrust(now);
}

void Checker::judge_answers(State& state) {
  if (!stream_) return;
  distrust_generations();
  Judgement judgement;
  state.judge.judge(judgement);
  if (state.judge.wants_journal()) {
    read_journal(state);
    state.judge.judge_searches(judgement);
  }
  count(state, judgement);
}

void Checker::read_journal(State& state) {
  const auto journal = device_.journal(state.summary.mm_id, 0, state.journal_from);
  if (!journal || journal->entries.empty()) return;
  state.judge.take_journal(journal->entries);
  state.journal_from = journal->entries.back().id + 1;
}

void Checker::end_answers(State& state) {
  if (!stream_ || state.cookie == 0) return;
  judge_answers(state);
  Judgement judgement;
  state.judge.give_up(judgement);
  count(state, judgement);
  // Its memory may serve a new mm by now, which then has the cookie.
  const auto owner = owners_.find(state.cookie);
  if (owner != owners_.end() && owner->second == state.summary.mm_id) {
    owners_.erase(owner);
    stream_->forget(state.cookie);
  }
  state.cookie = 0;
}

void Checker::count(State& state, const Judgement& judgement) {
  for (unsigned kind = 0; kind < SVMA_ANSWER_KINDS; ++kind)
    questions_[kind].add(judgement.counts[kind]);
  state.summary.tally.add(judgement.counts);
  for (const Difference& difference : judgement.differences)
    keep_finding(state, state.judge.window_seq(), difference);
}

std::string Checker::progress() const {
  Tally sum;
  uint64_t operations = 0;
  for (const auto& [id, state] : states_) {
    sum.compared += state.summary.tally.compared;
    sum.divergent += state.summary.tally.divergent;
    sum.moved += state.summary.tally.moved;
    operations += state.summary.operations;
  }
  return fmt::format("processes {} operations {} compared {} divergent {} moved {}", tracked_,
                     operations, sum.compared, sum.divergent, sum.moved);
}

void Checker::finish(CheckReport& report) {
  drain_answers();
  for (auto& [id, state] : states_) end_answers(state);
  report.stream = stream_state_;
  report.road = std::string("bpf ") + live_.road();
  report.query = query_.state();
  report.queries = queries_;
  if (stream_) {
    orphans_[SVMA_ANSWER_FIND_VMA].add_moved(stream_->inside());
    report.dropped_answers = stream_->dropped();
    report.missed_sections = stream_->missed_sections();
  }
  report.harness.add(orphans_);
  for (unsigned kind = 0; kind < SVMA_ANSWER_KINDS; ++kind) {
    report.questions[kind] = questions_[kind];
    report.questions[kind].add(orphans_[kind]);
  }
  report.module_version = device_.version().module;
  report.kernel = device_.version().kernel;
  report.mutation = read_proc_file("/sys/module/svma/parameters/mutation").value_or("unknown");
  report.mutation.erase(report.mutation.find_last_not_of('\n') + 1);
  report.freezes = freezes_;
  report.module = device_.stats(0);
  report.structure = device_.structure(0);
  report.rmap = device_.rmap(0);
  report.rmap_road = rmap_.road();
  report.rmap_oracle = rmap_.tally();
  report.rmap_events_state = rmap_.events_state();
  report.rmap_events = rmap_.events();
  report.rmap_events_lost = rmap_.lost();
  if (pages_) {
    report.pages = pages_->tally();
    report.pages->walks_state = pages_->walks_state();
    report.pages->scan_state = pages_->scan_state();
  }
  report.divergences = findings_;
  collect_reports();
  for (const Finding& finding : reports_) {
    if (report.divergences.size() < kMaxFindings) report.divergences.push_back(finding);
  }
  report.unmodelled = unmodelled_;
  for (const auto& [id, state] : states_) {
    const Tally& tally = state.summary.tally;
    report.harness.compared += tally.compared;
    report.harness.equal += tally.equal;
    report.harness.divergent += tally.divergent;
    report.harness.moved += tally.moved;
    report.harness.samples += tally.samples;
    report.harness.moved_samples += tally.moved_samples;
    report.harness.not_clean += tally.not_clean;
    report.harness.vanished += tally.vanished;
    report.processes.push_back(state.summary);
    if (tally.samples != 0) ++report.processes_checked;
  }
  std::stable_sort(report.processes.begin(), report.processes.end(),
                   [](const auto& a, const auto& b) { return a.operations > b.operations; });
}

}  // namespace svma
