// SPDX-License-Identifier: GPL-2.0-only
// The live side's reverse mapping by BPF (svma_rmap): iter/task_vma, or where the kernel has none
// (before v5.12) iter/task and a walk over the list of VMAs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "bpf/svma_rmap.h"
#include "lib/bpf_iter.hpp"
#include "lib/rmap_topology.hpp"

struct ring_buffer;
struct svma_rmap_bpf;

namespace svma {

// One pass, which is not yet one moment.
struct LiveRmap {
  uint64_t mm_cookie = 0;
  bool complete = false;  // the pass reached its end, all of it in one task
  RmapTopology topology;
};

// Invariants: the programs are loaded and attached.
class OracleRmap {
 public:
  // `cookie_factor` is that of OracleBpf. RETURNS: null when this kernel does not take the
  // programs; `why` then says so.
  static std::unique_ptr<OracleRmap> create(uint64_t cookie_factor, std::string& why);
  ~OracleRmap();

  // "iter/task_vma" or "iter/task".
  const char* road() const;

  // nullopt: the process has no address space (any more).
  std::optional<LiveRmap> read(pid_t pid);

  // How often an mm, tracked or not, began to be taken apart, and how often that was done. While
  // the first is what the second was before, no VMA of an ended process is unlinked.
  uint64_t exits_begun() const;
  uint64_t exits_done() const;
  // Beginnings that went by; their ends are not counted either.
  uint64_t exits_unseen() const;

  using Sink = std::function<void(const svma_rmap_event&)>;

  // "on", or why this kernel gives no events.
  const std::string& events_state() const { return events_state_; }

  // Hands on all events that are there. RETURNS: whether these are all that happened until now;
  // false may also mean that one is just being written.
  bool drain(const Sink& sink);

  // Events lost because the ring was full, or a program did not run.
  uint64_t dropped() const;

  // Drops the links of all processes but these.
  void retain(const std::unordered_set<pid_t>& pids) { links_.retain(pids); }

 private:
  OracleRmap() = default;

  struct Destroy {
    void operator()(svma_rmap_bpf* skeleton) const;
    void operator()(ring_buffer* ring) const;
  };

  void attach_events();
  static int on_event(void* self, void* data, size_t size);

  bool has_task_vma_ = false;
  std::string events_state_;
  const Sink* sink_ = nullptr;
  uint64_t drained_ = 0;
  std::unique_ptr<svma_rmap_bpf, Destroy> skeleton_;
  std::unique_ptr<ring_buffer, Destroy> ring_;
  IterLinks links_;
};

}  // namespace svma
