// SPDX-License-Identifier: GPL-2.0-only
// The running cross-check of all mms that one descriptor tracks: when to sample, what to make of
// it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "lib/device.hpp"
#include "lib/freezer.hpp"
#include "lib/oracle_bpf.hpp"
#include "lib/oracle_proc.hpp"
#include "lib/sampler.hpp"
#include "lib/tally.hpp"

namespace svma {

class Checker {
 public:
  explicit Checker(uint64_t random_seed) : sampler_(device_, live_, proc_, random_seed) {}

  Device& device() { return device_; }

  // Lets busy families be stopped for a moment by `freezer`, which may be null.
  void use_freezer(Freezer* freezer) { freezer_ = freezer; }

  // Compares every mm whose shadow changed since it was last found equal. `final_look`: all of
  // them, in depth.
  void look(bool final_look);

  // How many mms are tracked now, as of the last look.
  size_t tracked() const { return tracked_; }

  // Progress in one line.
  std::string progress() const;

  // The journals of all mms that were tracked, ended ones as far as the module keeps them.
  std::vector<Journal> journals();

  // Adds what was found to a report: tallies, findings, processes, and the module's own counts.
  void finish(CheckReport& report);

 private:
  struct State {
    ProcessSummary summary;
    uint64_t equal_seq = 0;  // last moment found equal
    uint64_t seen_seq = 0;   // last moment compared, so that a difference is counted once
    uint64_t samples = 0;
    unsigned moved_in_a_row = 0;
    uint64_t reported = 0;  // what the module had found in it when reports were last collected
  };

  void look_at(const svma_mm& mm, bool final_look);
  Outcome sample_once(State& state, bool final_look);
  void keep_differences(State& state, const Sample& sample);
  void collect_reports();
  void look_while_frozen(State& state);
  void forget_ended(const std::vector<svma_mm>& mms);

  Device device_;
  OracleBpf live_;
  OracleProc proc_;
  Sampler sampler_;
  Freezer* freezer_ = nullptr;
  std::map<uint64_t, State> states_;  // by mm_id, ended ones included
  std::vector<Finding> findings_;
  std::vector<Finding> reports_;     // the module's, in its order
  std::vector<Finding> unmodelled_;  // likewise
  uint32_t reports_seen_ = 0;
  uint64_t freezes_ = 0;
  size_t tracked_ = 0;
};

}  // namespace svma
