// SPDX-License-Identifier: GPL-2.0-only
// The live side's layout and counters by BPF: iter/task_vma, or where the kernel has none (before
// 5.12) iter/task and a walk over the list of VMAs.
#pragma once

#include <sys/types.h>

#include <memory>
#include <unordered_set>

#include "lib/bpf_iter.hpp"
#include "lib/sources.hpp"

struct svma_vma_bpf;

namespace svma {

// Invariants: the program is loaded.
class OracleBpf : public LiveSource {
 public:
  // Loads the program into the running kernel.
  OracleBpf();
  ~OracleBpf() override;

  // One pass over the layout of the process `pid` (a thread group leader), at most one lock hold
  // per 32 KiB.
  std::optional<LiveView> read(pid_t pid) override;

  // "iter/task_vma" or "iter/task".
  const char* road() const;

  // What mm cookies are made with.
  uint64_t cookie_factor() const;

  // Drops the links of all processes but these.
  void retain(const std::unordered_set<pid_t>& pids);

 private:
  struct DestroySkeleton {
    void operator()(svma_vma_bpf* skeleton) const;
  };

  std::optional<LiveView> read_list(pid_t pid);

  bool has_task_vma_;

  std::unique_ptr<svma_vma_bpf, DestroySkeleton> skeleton_;
  IterLinks links_;
};

}  // namespace svma
