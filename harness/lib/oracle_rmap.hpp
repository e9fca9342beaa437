// SPDX-License-Identifier: GPL-2.0-only
// The live side's reverse mapping by BPF (svma_rmap): iter/task_vma, or where the kernel has none
// (before v5.12) iter/task and a walk over the list of VMAs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "lib/bpf_iter.hpp"
#include "lib/rmap_topology.hpp"

struct bpf_program;
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

  // Drops the links of all processes but these.
  void retain(const std::unordered_set<pid_t>& pids) { links_.retain(pids); }

 private:
  OracleRmap() = default;

  struct Destroy {
    void operator()(svma_rmap_bpf* skeleton) const;
  };

  bool has_task_vma_ = false;
  std::unique_ptr<svma_rmap_bpf, Destroy> skeleton_;
  IterLinks links_;
};

}  // namespace svma
