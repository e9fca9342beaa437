// SPDX-License-Identifier: GPL-2.0-only
#include "lib/bpf_iter.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#include "lib/error.hpp"
#include "lib/fd.hpp"

namespace svma {
namespace {

constexpr size_t kReadSize = 64 * 1024;  // the kernel's own buffer holds 32 KiB, less gains nothing

}  // namespace

bool kernel_has_task_vma() {
  btf* types = btf__load_vmlinux_btf();
  if (!types)
    throw Error(
        "BPF iterator: cannot read the kernel's types: {}; the kernel must have "
        "CONFIG_DEBUG_INFO_BTF",
        errno_text(errno));
  const bool found = btf__find_by_name_kind(types, "bpf_iter__task_vma", BTF_KIND_STRUCT) > 0;
  btf__free(types);
  return found;
}

size_t IterRecords::take(std::span<const char> bytes) {
  size_t done = 0;
  while (!ended_) {
    size_t size = take_one(bytes.subspan(done));
    if (size == 0) break;
    done += size;
  }
  return done;
}

void run_pass(bpf_link* link, IterRecords& records) {
  Fd pass(bpf_iter_create(bpf_link__fd(link)));
  if (!pass) throw Error("BPF iterator: cannot start: {}", errno_text(errno));
  static thread_local char buffer[kReadSize];
  size_t filled = 0;
  while (!records.ended()) {
    ssize_t count = ::read(pass.get(), buffer + filled, kReadSize - filled);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) throw Error("BPF iterator: cannot read: {}", errno_text(errno));
    if (count == 0) break;
    filled += count;
    size_t used = records.take({buffer, filled});
    filled -= used;
    std::memmove(buffer, buffer + used, filled);
  }
}

void IterLinks::Destroy::operator()(bpf_link* link) const { bpf_link__destroy(link); }

/*
 * The filter is the thread group, not the thread: with a thread as filter the iterator of 6.1 does
 * not remember, between two read() calls, that it was done, and starts again from the last buffer's
 * end. The kernel's filter is by number, in this process's pid namespace, so a link stays right
 * over an exec.
 */
bpf_link* IterLinks::of(bpf_program* program, pid_t pid) {
  Link& link = links_[pid];
  if (link) return link.get();
  bpf_iter_link_info info{};
  info.task.pid = pid;
  DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
                      .link_info_len = sizeof(info));
  link.reset(bpf_program__attach_iter(program, &options));
  if (!link) throw Error("BPF iter/task_vma: cannot attach: {}", errno_text(errno));
  return link.get();
}

bpf_link* IterLinks::of_all(bpf_program* program) {
  if (!all_) all_.reset(bpf_program__attach_iter(program, nullptr));
  if (!all_) throw Error("BPF iter/task: cannot attach: {}", errno_text(errno));
  return all_.get();
}

void IterLinks::retain(const std::unordered_set<pid_t>& pids) {
  std::erase_if(links_, [&pids](const auto& entry) { return !pids.contains(entry.first); });
}

}  // namespace svma
