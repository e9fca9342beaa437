// SPDX-License-Identifier: GPL-2.0-only
// The live page tables and struct page by BPF (svma_pages): single addresses and single frames.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bpf/svma_pages.h"
#include "lib/bpf_iter.hpp"

struct svma_pages_bpf;

namespace svma {

// Invariants: the program is loaded.
class OraclePages {
 public:
  // `cookie_factor` is that of OracleBpf. RETURNS: null when this kernel does not take the program;
  // `why` then says so.
  static std::unique_ptr<OraclePages> create(uint64_t cookie_factor, std::string& why);
  ~OraclePages();

  // One answer for each address, none for a process that has no address space (any more).
  std::vector<svma_bpf_walk> walk(pid_t pid, std::span<const uint64_t> addresses);
  // One answer for each frame; without SVMA_BPF_PAGE_READ where there is no struct page.
  std::vector<svma_bpf_page> pages(std::span<const uint64_t> frames);

 private:
  OraclePages() = default;

  struct Destroy {
    void operator()(svma_pages_bpf* skeleton) const;
  };

  void pass();

  std::unique_ptr<svma_pages_bpf, Destroy> skeleton_;
  IterLinks links_;
};

}  // namespace svma
