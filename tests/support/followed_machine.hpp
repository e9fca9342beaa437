// SPDX-License-Identifier: GPL-2.0-only
//
// Naive kernels of several processes, and a shadow of each; all follow one reverse mapping.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "abi/core_api.h"
#include "naive_kernel.hpp"

namespace svma::test {

class FollowedMachine : public KernelProbes {
 public:
  static constexpr u64 kBase = 0x100000;  // of what tests map; a search would find room there, too
  static constexpr u64 page(u64 number) { return kBase + number * kPageSize; }
  struct Mapping {
    std::size_t mm;
    u64 at;  // page(at)
    u64 pages;
    u64 file;
    u64 pgoff;
    bool shared = true;
  };

  FollowedMachine();
  ~FollowedMachine() override;
  FollowedMachine(const FollowedMachine&) = delete;
  FollowedMachine& operator=(const FollowedMachine&) = delete;

  std::size_t spawn();                           // without any VMA
  std::size_t fork(std::size_t parent);          // its shadow is empty if that failed: see err()
  void exit(std::size_t mm);                     // which nobody may name again
  void reload(std::size_t mm);                   // out of reverse mapping, and back by a resync
  void begin_reload(std::size_t mm);             // also anew: forgets what was loaded
  bool reload_part(std::size_t mm, u32 budget);  // whether there is more; err(): not at all

  // A kernel whose calls the shadow of `mm` follows.
  NaiveKernel& in(std::size_t mm);
  i64 map(const Mapping& mapping);
  svma_verdict audit(std::size_t mm);

  // Addresses of a page of a file, in the order of the tree.
  std::vector<u64> where(u64 file, u64 page_of_file) const;

  // The first thing that is wrong, in a verdict, or now anywhere; or "".
  std::string check();
  // The shadow has said that it can't be trusted; it is reloaded by reload().
  bool suspect(std::size_t mm) const { return processes_[mm]->suspect; }
  int err() const { return err_; }  // of the last fork() or reload()

  svma_rmap* rmap() const { return rmap_; }

 private:
  struct Memory {
    explicit Memory(unsigned long size);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    void* bytes;
  };
  struct Process {
    Process(const NaiveKernel& like, svma_rmap* rmap);
    ~Process() { svma_core_shadow_clear(shadow); }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    NaiveKernel kernel;
    Memory memory;
    svma_shadow* shadow;
    bool suspect = false;
    svma_load progress{};
  };

  void call(const svma_call&) override {}
  void begin(const svma_op& op) override;
  void end(const svma_op& op) override;
  void cancel(const svma_op&) override {}
  void search(const svma_op&) override {}
  void faulted(const svma_live_vma& vma) override;
  void release(bool downgraded) override;
  void call_done(i64) override {}

  void judge(Process& process, const svma_verdict& verdict);
  static void give_up(Process& process);

  Memory memory_;
  svma_rmap* rmap_;
  std::vector<std::unique_ptr<Process>> processes_;
  Process* current_ = nullptr;
  bool announced_ = false;
  std::string wrong_;
  int err_ = 0;
};

}  // namespace svma::test
