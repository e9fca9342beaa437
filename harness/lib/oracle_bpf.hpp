// SPDX-License-Identifier: GPL-2.0-only
// The live side's layout and counters by BPF: iter/task_vma, or where the kernel has none (before
// 5.12) iter/task and a walk over the list of VMAs.
#pragma once

#include <sys/types.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "lib/sources.hpp"

struct bpf_link;
struct svma_vma_bpf;

namespace svma {

// Invariants: the program is loaded; one link per process asked about, until retain() drops it.
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
  struct DestroyLink {
    void operator()(bpf_link* link) const;
  };

  bpf_link* link_of(pid_t pid);
  std::optional<LiveView> read_list(pid_t pid);

  bool has_task_vma_;

  std::unique_ptr<svma_vma_bpf, DestroySkeleton> skeleton_;
  std::unordered_map<pid_t, std::unique_ptr<bpf_link, DestroyLink>> links_;
  std::unique_ptr<bpf_link, DestroyLink> list_link_;
};

}  // namespace svma
