// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_proc.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "lib/fd.hpp"

namespace svma {
namespace {

struct FlagLetters {
  char letters[3];
  uint64_t bit;
};

// show_smap_vma_flags() of fs/proc/task_mmu.c, without the bits that moved between kernels.
constexpr FlagLetters kFlagLetters[] = {
    {"rd", 0x00000001}, {"wr", 0x00000002}, {"ex", 0x00000004}, {"sh", 0x00000008},
    {"mr", 0x00000010}, {"mw", 0x00000020}, {"me", 0x00000040}, {"ms", 0x00000080},
    {"gd", 0x00000100}, {"um", 0x00000200}, {"pf", 0x00000400}, {"uw", 0x00001000},
    {"lo", 0x00002000}, {"io", 0x00004000}, {"sr", 0x00008000}, {"rr", 0x00010000},
    {"dc", 0x00020000}, {"de", 0x00040000}, {"ac", 0x00100000}, {"nr", 0x00200000},
    {"ht", 0x00400000}, {"sf", 0x00800000}, {"wf", 0x02000000}, {"dd", 0x04000000},
    {"sd", 0x08000000}, {"mm", 0x10000000}, {"hg", 0x20000000}, {"nh", 0x40000000},
    {"mg", 0x80000000},
};

// [vsyscall] lives above user space, in no mm.
constexpr uint64_t kKernelHalf = 0x8000000000000000;

constexpr uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD in the flags of /proc/PID/stat

// Cuts the first line off `text`.
std::string_view take_line(std::string_view& text) {
  size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// The value of a "Name:   123 kB" line of status, in pages.
std::optional<uint64_t> pages_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    std::string value(line.substr(name.size() + 1));
    return std::strtoull(value.c_str(), nullptr, 10) * 1024 / kPageSize;
  }
  return std::nullopt;
}

uint64_t parse_flags(std::string_view line) {
  uint64_t flags = 0;
  for (const FlagLetters& flag : kFlagLetters)
    if (line.find(fmt::format(" {} ", flag.letters)) != std::string_view::npos) flags |= flag.bit;
  return flags;
}

// The head of a record: "start-end perms offset major:minor inode  path".
std::optional<Vma> parse_record_head(std::string_view line) {
  const std::string text(line.substr(0, 128));
  Vma vma;
  uint64_t offset = 0;
  unsigned major = 0, minor = 0;
  int fields = std::sscanf(text.c_str(), "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64,
                           &vma.start, &vma.end, &offset, &major, &minor, &vma.ino);
  if (fields != 6) return std::nullopt;
  vma.pgoff = offset / kPageSize;
  vma.dev = major << kDevMinorBits | minor;
  return vma;
}

}  // namespace

const uint64_t kSmapsFlags =
    std::accumulate(std::begin(kFlagLetters), std::end(kFlagLetters), uint64_t{0},
                    [](uint64_t bits, const FlagLetters& flag) { return bits | flag.bit; });

std::optional<StatusCounters> parse_status(std::string_view text) {
  auto total = pages_of(text, "VmSize"), locked = pages_of(text, "VmLck");
  auto data = pages_of(text, "VmData"), stack = pages_of(text, "VmStk");
  auto exe = pages_of(text, "VmExe"), lib = pages_of(text, "VmLib");
  if (!total || !locked || !data || !stack || !exe || !lib) return std::nullopt;
  return StatusCounters{*total, *data, *exe + *lib, *stack, *locked};
}

Layout parse_smaps(std::string_view text) {
  Layout layout;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (line.starts_with("VmFlags:")) {
      // The kernel ends the list with a space; make sure of it for the search by whole words.
      if (!layout.empty()) layout.back().flags = parse_flags(std::string(line) + " ");
    } else if (auto vma = parse_record_head(line)) {
      layout.push_back(*vma);
    }
  }
  std::erase_if(layout, [](const Vma& vma) { return vma.start >= kKernelHalf; });
  return layout;
}

std::optional<std::string> read_proc_file(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::string text;
  char buffer[16384];
  ssize_t count;
  while ((count = read(fd.get(), buffer, sizeof(buffer))) > 0) text.append(buffer, count);
  if (count < 0) return std::nullopt;
  return text;
}

std::optional<StatusCounters> OracleProc::status(pid_t pid) {
  auto text = read_proc_file(fmt::format("/proc/{}/status", pid));
  return text ? parse_status(*text) : std::nullopt;
}

std::optional<Layout> OracleProc::smaps(pid_t pid) {
  auto text = read_proc_file(fmt::format("/proc/{}/smaps", pid));
  if (!text || text->empty()) return std::nullopt;
  return parse_smaps(*text);
}

// "pid (comm) state ppid pgrp session tty tpgid flags minflt cminflt majflt ..."; comm may hold
// anything, even ") ".
std::optional<uint64_t> parse_faults(std::string_view stat) {
  const size_t after_comm = stat.rfind(')');
  uint64_t minor = 0, major = 0;
  if (after_comm == std::string_view::npos ||
      std::sscanf(std::string(stat.substr(after_comm + 1)).c_str(),
                  " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &minor, &major) != 2)
    return std::nullopt;
  return minor + major;
}

std::optional<uint64_t> faults_of(pid_t pid) {
  const auto stat = read_proc_file(fmt::format("/proc/{}/stat", pid));
  return stat ? parse_faults(*stat) : std::nullopt;
}

std::string why_not_checkable(pid_t pid) {
  auto stat = read_proc_file(fmt::format("/proc/{}/stat", pid));
  auto status = read_proc_file(fmt::format("/proc/{}/status", pid));
  if (!stat || !status) return "no such process";

  char state = '?';
  uint64_t flags = 0;
  size_t after_comm = stat->rfind(')');
  if (after_comm == std::string::npos ||
      std::sscanf(stat->c_str() + after_comm + 1, " %c %*d %*d %*d %*d %*d %" SCNu64, &state,
                  &flags) != 2)
    return "";
  if (flags & kKernelThread) return "a kernel thread: it has no address space of its own";
  if (state == 'Z' || state == 'X') return "a zombie: its address space is gone";

  int tgid = pid;
  size_t at = status->find("\nTgid:");
  if (at != std::string::npos) tgid = std::atoi(status->c_str() + at + 6);
  if (tgid != pid) return fmt::format("a thread of process {}: check that one", tgid);
  return "";
}

}  // namespace svma
