// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_bpf.hpp"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <random>
#include <span>
#include <string>

#include "bpf/svma_vma.h"
#include "lib/error.hpp"
#include "svma_vma.skel.h"

namespace svma {
namespace {

// libbpf says why a load failed only through this; the first warning names the cause.
std::string first_warning;

int keep_first_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || !first_warning.empty()) return 0;
  char text[256];
  std::vsnprintf(text, sizeof(text), format, arguments);
  first_warning = text;
  first_warning.erase(first_warning.find_last_not_of('\n') + 1);
  first_warning.resize(std::min(first_warning.size(), first_warning.find('\n')));
  return 0;
}

[[noreturn]] void throw_load_error(int error) {
  if (error == EPERM || error == EACCES)
    throw Error("BPF iterator: no permission; run as root (CAP_BPF, CAP_PERFMON)");
  throw Error(
      "BPF iterator: cannot load: {}{}; the kernel must be 5.10 or newer with "
      "CONFIG_DEBUG_INFO_BTF",
      errno_text(error), first_warning.empty() ? "" : " (" + first_warning + ")");
}

// Puts the records of one pass together.
class PassReader : public IterRecords {
 public:
  std::optional<LiveView> result() && {
    if (!header_) return std::nullopt;
    view_.complete = ended_ && !torn_;
    return std::move(view_);
  }

 private:
  size_t take_one(std::span<const char> bytes) override {
    auto kind = record_as<uint32_t>(bytes);
    if (!kind) return 0;
    switch (*kind) {
      case SVMA_BPF_HEADER:
        return take_header(record_as<svma_bpf_header>(bytes));
      case SVMA_BPF_VMA:
        return take_vma(record_as<svma_bpf_vma>(bytes));
      case SVMA_BPF_END:
        ended_ = bytes.size() >= sizeof(svma_bpf_end);
        return ended_ ? sizeof(svma_bpf_end) : 0;
      default:
        throw Error("BPF iterator: unknown record {}; svma and its BPF program do not match",
                    *kind);
    }
  }

  size_t take_header(const std::optional<svma_bpf_header>& header) {
    if (!header) return 0;
    header_ = header;
    view_.mm_cookie = header->mm_cookie;
    view_.totals = {header->map_count, header->total_vm, header->data_vm,
                    header->exec_vm,   header->stack_vm, header->locked_vm};
    return sizeof(*header);
  }

  // A second task of the process (the first one ended, or has files of its own) begins from the
  // first VMA again.
  size_t take_vma(const std::optional<svma_bpf_vma>& vma) {
    if (!vma) return 0;
    const uint64_t last_end = view_.layout.empty() ? 0 : view_.layout.back().end;
    if (!header_ || vma->tid != header_->tid || vma->start < last_end)
      torn_ = true;
    else
      view_.layout.push_back({vma->start, vma->end, vma->flags, vma->pgoff, vma->ino, vma->dev});
    return sizeof(*vma);
  }

  LiveView view_;
  std::optional<svma_bpf_header> header_;
  bool torn_ = false;
};

}  // namespace

void OracleBpf::DestroySkeleton::operator()(svma_vma_bpf* skeleton) const {
  svma_vma_bpf::destroy(skeleton);
}

OracleBpf::OracleBpf() {
  libbpf_set_print(keep_first_warning);
  skeleton_.reset(svma_vma_bpf::open());
  if (!skeleton_) throw_load_error(errno);
  has_task_vma_ = kernel_has_task_vma();
  bpf_program__set_autoload(skeleton_->progs.dump_vma, has_task_vma_);
  bpf_program__set_autoload(skeleton_->progs.dump_list, !has_task_vma_);
  skeleton_->rodata->cookie_factor = std::random_device()() * uint64_t{0x9e3779b97f4a7c15} | 1;
  int error = svma_vma_bpf::load(skeleton_.get());
  if (error) throw_load_error(-error);
}

OracleBpf::~OracleBpf() = default;

const char* OracleBpf::road() const { return has_task_vma_ ? "iter/task_vma" : "iter/task"; }

uint64_t OracleBpf::cookie_factor() const { return skeleton_->rodata->cookie_factor; }

std::optional<LiveView> OracleBpf::read(pid_t pid) {
  if (!has_task_vma_) return read_list(pid);
  PassReader reader;
  run_pass(links_.of(skeleton_->progs.dump_vma, pid), reader);
  return std::move(reader).result();
}

// The list may change under the program, and then lead anywhere: more pieces than an mm can have
// VMAs for are none.
std::optional<LiveView> OracleBpf::read_list(pid_t pid) {
  constexpr int kMaxPieces = 1000;
  PassReader reader;
  skeleton_->bss->wanted_tgid = pid;
  skeleton_->bss->resume = 0;
  for (int i = 0; i < kMaxPieces; i++) {
    skeleton_->bss->pieces = 0;
    run_pass(links_.of_all(skeleton_->progs.dump_list), reader);
    if (reader.ended() || skeleton_->bss->resume == 0) break;
  }
  return std::move(reader).result();
}

void OracleBpf::retain(const std::unordered_set<pid_t>& pids) { links_.retain(pids); }

}  // namespace svma
