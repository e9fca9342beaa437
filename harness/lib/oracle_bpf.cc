// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_bpf.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <random>
#include <span>
#include <string>

#include "bpf/svma_vma.h"
#include "lib/error.hpp"
#include "lib/fd.hpp"
#include "svma_vma.skel.h"

namespace svma {
namespace {

constexpr size_t kReadSize = 64 * 1024;  // the kernel's own buffer holds 32 KiB, less gains nothing

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

bool kernel_has_struct(const char* name) {
  btf* types = btf__load_vmlinux_btf();
  if (!types) throw_load_error(errno);
  const bool found = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT) > 0;
  btf__free(types);
  return found;
}

// Puts the records of one pass together.
class PassReader {
 public:
  // Takes the next whole records. RETURNS: how many bytes they were.
  size_t take(std::span<const char> bytes) {
    size_t done = 0;
    while (!ended_) {
      size_t size = take_one(bytes.subspan(done));
      if (size == 0) break;
      done += size;
    }
    return done;
  }

  bool ended() const { return ended_; }

  std::optional<LiveView> result() && {
    if (!header_) return std::nullopt;
    view_.complete = ended_ && !torn_;
    return std::move(view_);
  }

 private:
  template <typename Record>
  static std::optional<Record> as(std::span<const char> bytes) {
    if (bytes.size() < sizeof(Record)) return std::nullopt;
    Record record;
    std::memcpy(&record, bytes.data(), sizeof(record));
    return record;
  }

  size_t take_one(std::span<const char> bytes) {
    auto kind = as<uint32_t>(bytes);
    if (!kind) return 0;
    switch (*kind) {
      case SVMA_BPF_HEADER:
        return take_header(as<svma_bpf_header>(bytes));
      case SVMA_BPF_VMA:
        return take_vma(as<svma_bpf_vma>(bytes));
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
  bool ended_ = false;
  bool torn_ = false;
};

// One pass of an iterator, to its end or to the end record.
void run_pass(bpf_link* link, PassReader& reader) {
  Fd pass(bpf_iter_create(bpf_link__fd(link)));
  if (!pass) throw Error("BPF iterator: cannot start: {}", errno_text(errno));
  static thread_local char buffer[kReadSize];
  size_t filled = 0;
  while (!reader.ended()) {
    ssize_t count = ::read(pass.get(), buffer + filled, kReadSize - filled);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) throw Error("BPF iterator: cannot read: {}", errno_text(errno));
    if (count == 0) break;
    filled += count;
    size_t used = reader.take({buffer, filled});
    filled -= used;
    std::memmove(buffer, buffer + used, filled);
  }
}

}  // namespace

void OracleBpf::DestroySkeleton::operator()(svma_vma_bpf* skeleton) const {
  svma_vma_bpf::destroy(skeleton);
}

void OracleBpf::DestroyLink::operator()(bpf_link* link) const { bpf_link__destroy(link); }

OracleBpf::OracleBpf() {
  libbpf_set_print(keep_first_warning);
  skeleton_.reset(svma_vma_bpf::open());
  if (!skeleton_) throw_load_error(errno);
  has_task_vma_ = kernel_has_struct("bpf_iter__task_vma");
  bpf_program__set_autoload(skeleton_->progs.dump_vma, has_task_vma_);
  bpf_program__set_autoload(skeleton_->progs.dump_list, !has_task_vma_);
  skeleton_->rodata->cookie_factor = std::random_device()() * uint64_t{0x9e3779b97f4a7c15} | 1;
  int error = svma_vma_bpf::load(skeleton_.get());
  if (error) throw_load_error(-error);
}

OracleBpf::~OracleBpf() = default;

const char* OracleBpf::road() const { return has_task_vma_ ? "iter/task_vma" : "iter/task"; }

uint64_t OracleBpf::cookie_factor() const { return skeleton_->rodata->cookie_factor; }

/*
 * The filter is the thread group, not the thread: with a thread as filter the iterator of 6.1 does
 * not remember, between two read() calls, that it was done, and starts again from the last buffer's
 * end. The kernel's filter is by number, in this process's pid namespace, so a link stays right
 * over an exec.
 */
bpf_link* OracleBpf::link_of(pid_t pid) {
  auto& link = links_[pid];
  if (link) return link.get();
  bpf_iter_link_info info{};
  info.task.pid = pid;
  DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
                      .link_info_len = sizeof(info));
  link.reset(bpf_program__attach_iter(skeleton_->progs.dump_vma, &options));
  if (!link) throw Error("BPF iter/task_vma: cannot attach: {}", errno_text(errno));
  return link.get();
}

std::optional<LiveView> OracleBpf::read(pid_t pid) {
  if (!has_task_vma_) return read_list(pid);
  PassReader reader;
  run_pass(link_of(pid), reader);
  return std::move(reader).result();
}

// The list may change under the program, and then lead anywhere: more pieces than an mm can have
// VMAs for are none.
std::optional<LiveView> OracleBpf::read_list(pid_t pid) {
  constexpr int kMaxPieces = 1000;
  if (!list_link_) list_link_.reset(bpf_program__attach_iter(skeleton_->progs.dump_list, nullptr));
  if (!list_link_) throw Error("BPF iter/task: cannot attach: {}", errno_text(errno));
  PassReader reader;
  skeleton_->bss->wanted_tgid = pid;
  skeleton_->bss->resume = 0;
  for (int i = 0; i < kMaxPieces; i++) {
    skeleton_->bss->pieces = 0;
    run_pass(list_link_.get(), reader);
    if (reader.ended() || skeleton_->bss->resume == 0) break;
  }
  return std::move(reader).result();
}

void OracleBpf::retain(const std::unordered_set<pid_t>& pids) {
  std::erase_if(links_, [&pids](const auto& entry) { return !pids.contains(entry.first); });
}

}  // namespace svma
