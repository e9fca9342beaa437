// SPDX-License-Identifier: GPL-2.0-only
#include "followed_machine.hpp"

#include <new>

#include "os_services.hpp"
#include "rmap_check.hpp"

namespace svma::test {
namespace {

constexpr u64 kGuard = 256 * kPageSize;
constexpr u64 kEnd = FollowedMachine::kBase + 1024 * kPageSize;

}  // namespace

FollowedMachine::Memory::Memory(unsigned long size)
    : bytes(::operator new (size, std::align_val_t{64})) {}
FollowedMachine::Memory::~Memory() { ::operator delete (bytes, std::align_val_t{64}); }

FollowedMachine::Process::Process(const NaiveKernel& like, svma_rmap* rmap)
    : kernel(like),
      memory(svma_core_shadow_size()),
      shadow(svma_core_shadow_init(memory.bytes, "6.1", kGuard, rmap, 0)) {}

FollowedMachine::FollowedMachine()
    : memory_(svma_core_rmap_size()), rmap_(svma_core_rmap_init(memory_.bytes, "6.1")) {}

FollowedMachine::~FollowedMachine() = default;

std::size_t FollowedMachine::spawn() {
  const NaiveKernel empty(*this, kGuard, kBase, kEnd, kEnd);
  processes_.push_back(std::make_unique<Process>(empty, rmap_));
  return processes_.size() - 1;
}

std::size_t FollowedMachine::fork(std::size_t parent) {
  processes_.push_back(std::make_unique<Process>(processes_[parent]->kernel, rmap_));
  Process& child = *processes_.back();
  err_ = svma_core_fork(child.shadow, processes_[parent]->shadow);
  child.suspect = err_ != 0;
  in(processes_.size() - 1).become_child();
  if (child.suspect) return processes_.size() - 1;
  svma_verdict verdict{};
  svma_core_audit(child.shadow, &child.kernel.live(), 1, &verdict);
  judge(child, verdict);
  svma_core_fork_done(child.shadow);
  child.kernel.finish_child();
  return processes_.size() - 1;
}

void FollowedMachine::exit(std::size_t mm) {
  svma_core_rmap_leave(processes_[mm]->shadow, 1);
  processes_[mm].reset();
}

void FollowedMachine::reload(std::size_t mm) {
  Process& process = *processes_[mm];
  svma_core_rmap_leave(process.shadow, 0);
  svma_core_shadow_clear(process.shadow);
  err_ = load_whole(process.shadow, &process.kernel.live());
  process.suspect = err_ != 0;
}

void FollowedMachine::begin_reload(std::size_t mm) {
  Process& process = *processes_[mm];
  give_up(process);
  svma_core_shadow_clear(process.shadow);
  process.progress = {};
}

bool FollowedMachine::reload_part(std::size_t mm, u32 budget) {
  Process& process = *processes_[mm];
  err_ = svma_core_load_part(process.shadow, &process.kernel.live(), &process.progress, budget);
  if (err_ != 0) svma_core_shadow_clear(process.shadow);
  process.suspect = err_ != 0 || process.progress.stage != SVMA_LOAD_DONE;
  return process.suspect && err_ == 0;
}

NaiveKernel& FollowedMachine::in(std::size_t mm) {
  current_ = processes_[mm].get();
  return current_->kernel;
}

i64 FollowedMachine::map(const Mapping& mapping) {
  constexpr u64 kReadWrite = 3, kShared = 0x11, kPrivate = 0x12;  // and MAP_FIXED
  return in(mapping.mm)
      .mmap(page(mapping.at), mapping.pages * kPageSize, kReadWrite,
            mapping.shared ? kShared : kPrivate, mapping.file, mapping.pgoff);
}

svma_verdict FollowedMachine::audit(std::size_t mm) {
  svma_verdict verdict{};
  svma_core_audit(processes_[mm]->shadow, &processes_[mm]->kernel.live(), 0, &verdict);
  if (verdict.suspect != 0) give_up(*processes_[mm]);
  return verdict;
}

std::vector<u64> FollowedMachine::where(u64 file, u64 page_of_file) const {
  svma_core_sharer found[16];
  const svma_u64 total = svma_core_sharers_of_file(rmap_, 0, file, page_of_file, found, 16);
  std::vector<u64> addresses;
  for (svma_u64 i = 0; i < total; ++i) addresses.push_back(found[i].address);
  return addresses;
}

std::string FollowedMachine::check() {
  std::vector<svma_shadow*> followed;
  for (const auto& process : processes_) {
    if (process && !process->suspect) followed.push_back(process->shadow);
  }
  return wrong_.empty() ? check_rmap(rmap_, followed) : wrong_;
}

void FollowedMachine::judge(Process& process, const svma_verdict& verdict) {
  if (verdict.divergent != 0) {
    wrong_ = "a prediction differs in field " + std::to_string(verdict.mismatch[0].field);
  }
  if (verdict.suspect != 0) give_up(process);
}

// As the module does with a shadow that can't be trusted.
void FollowedMachine::give_up(Process& process) {
  process.suspect = true;
  svma_core_rmap_leave(process.shadow, 0);
}

void FollowedMachine::begin(const svma_op& op) {
  svma_verdict verdict{};
  if (current_->suspect) return;
  svma_core_begin(current_->shadow, &op, &current_->kernel.live(), &verdict);
  judge(*current_, verdict);
}

void FollowedMachine::end(const svma_op& op) {
  svma_verdict verdict{};
  if (current_->suspect) return;
  svma_core_end(current_->shadow, &op, &current_->kernel.live(), &verdict);
  announced_ = true;
  judge(*current_, verdict);
}

void FollowedMachine::faulted(const svma_live_vma& vma) {
  svma_verdict verdict{};
  if (current_->suspect) return;
  svma_core_anon_vma(current_->shadow, &current_->kernel.live(), &vma, 1, &verdict);
  judge(*current_, verdict);
}

void FollowedMachine::release(bool downgraded) {
  svma_verdict verdict{};
  if (current_->suspect) return;
  svma_core_release(current_->shadow, &current_->kernel.live(), downgraded, announced_, &verdict);
  announced_ = downgraded;
  judge(*current_, verdict);
}

}  // namespace svma::test
