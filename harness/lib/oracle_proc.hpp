// SPDX-License-Identifier: GPL-2.0-only
// The live side's answers in /proc: counters of status, records of smaps, and what kind of process
// a pid is.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "lib/compare.hpp"
#include "lib/layout.hpp"
#include "lib/sources.hpp"

namespace svma {

// The vm_flags that smaps shows by letters and whose bits are the same on all supported kernels.
extern const uint64_t kSmapsFlags;

// Counters in the text of /proc/PID/status; nullopt when it has none (a zombie, a kernel thread).
std::optional<StatusCounters> parse_status(std::string_view text);

// Records in the text of /proc/PID/smaps, without those that are no VMAs ([vsyscall]).
Layout parse_smaps(std::string_view text);

// Reads procfs of the running system.
class OracleProc : public ProcSource {
 public:
  std::optional<StatusCounters> status(pid_t pid) override;
  std::optional<Layout> smaps(pid_t pid) override;
};

// A whole file of /proc, nullopt when it can't be read (the process is gone).
std::optional<std::string> read_proc_file(const std::string& path);

// Faults that all threads of the process took so far, in the text of /proc/PID/stat: counted when
// they end. nullopt when that is no such text.
std::optional<uint64_t> parse_faults(std::string_view stat);

// The same of a process; nullopt when it is gone.
std::optional<uint64_t> faults_of(pid_t pid);

// Why a process has no address space to check: "no such process", "a zombie: ...", "a kernel
// thread: ...", "a thread of process N: ..."; "" when procfs sees nothing wrong with it.
std::string why_not_checkable(pid_t pid);

}  // namespace svma
