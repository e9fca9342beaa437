// SPDX-License-Identifier: GPL-2.0-only
// Who answers the sampler's questions. The real ones are Device, OracleBpf, OracleProc and
// OracleQuery; tests bring their own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lib/compare.hpp"
#include "lib/layout.hpp"
#include "uapi/svma.h"

namespace svma {

// The shadow of one mm at one moment, `seq`.
struct ShadowView {
  uint64_t mm_id = 0;
  uint64_t seq = 0;
  uint32_t health = SVMA_GONE;
  bool busy = false;  // an unmap still counts its pages: the live totals are about to change
  Totals totals;
  Layout layout;
};

// find_vma on the shadow, and the moment it was answered in.
struct ShadowLookup {
  uint64_t seq = 0;
  uint32_t health = SVMA_GONE;
  Lookup lookup;
};

// Which mm a pid has now, by the module's account, and its moment.
struct ShadowMoment {
  uint64_t mm_id = 0;
  uint64_t seq = 0;
  uint32_t health = SVMA_GONE;
};

// The module. Every question: nullopt when the mm is not tracked (any more).
class ShadowSource {
 public:
  virtual ~ShadowSource() = default;
  virtual std::optional<ShadowView> snapshot(uint64_t mm_id) = 0;
  virtual std::optional<ShadowMoment> moment_of_pid(pid_t pid) = 0;
  virtual std::optional<ShadowLookup> find(uint64_t mm_id, uint64_t address) = 0;
};

// The live layout as one pass of the iterator saw it, which is not yet one moment.
struct LiveView {
  uint64_t mm_cookie = 0;  // tells mms apart
  bool complete = false;   // the pass reached its end, all of it in one task
  Totals totals;
  Layout layout;
};

// The live kernel through BPF. nullopt: the process has no address space (any more).
class LiveSource {
 public:
  virtual ~LiveSource() = default;
  virtual std::optional<LiveView> read(pid_t pid) = 0;
};

// The live kernel through procfs. nullopt: the process has no address space (any more).
class ProcSource {
 public:
  virtual ~ProcSource() = default;
  virtual std::optional<StatusCounters> status(pid_t pid) = 0;
  virtual std::optional<Layout> smaps(pid_t pid) = 0;
};

// What PROCMAP_QUERY says of one address, asked both ways. Of flags, only what kQueryFlags has.
struct QueryAnswer {
  uint64_t address = 0;
  std::optional<Vma> covering;
  std::optional<Vma> next;  // the covering one, else the first one behind
};

struct QueryView {
  std::vector<QueryAnswer> answers;
  std::optional<Layout> layout;  // of a walk from VMA to VMA
};

// The live kernel through PROCMAP_QUERY, where it has that.
class QuerySource {
 public:
  virtual ~QuerySource() = default;
  virtual bool available() const = 0;
  // nullopt: the process has no address space (any more). REQUIRES: available().
  virtual std::optional<QueryView> ask(pid_t pid, std::span<const uint64_t> addresses,
                                       bool walk) = 0;
};

}  // namespace svma
