// SPDX-License-Identifier: GPL-2.0-only
// BPF iterators over the VMAs of one process, and how their records are read.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>

struct bpf_link;
struct bpf_program;

namespace svma {

// Whether this kernel has iter/task_vma (v5.12); else there is iter/task.
bool kernel_has_task_vma();

// Puts the records of one pass together.
class IterRecords {
 public:
  // Takes the next whole records. RETURNS: how many bytes they were.
  size_t take(std::span<const char> bytes);

  // The end record was there.
  bool ended() const { return ended_; }

 protected:
  ~IterRecords() = default;

  // Takes one record. RETURNS: its size; 0 when it is not whole.
  virtual size_t take_one(std::span<const char> bytes) = 0;

  template <typename Record>
  static std::optional<Record> record_as(std::span<const char> bytes) {
    if (bytes.size() < sizeof(Record)) return std::nullopt;
    Record record;
    std::memcpy(&record, bytes.data(), sizeof(record));
    return record;
  }

  bool ended_ = false;
};

// One pass of an iterator, to its end or to the end record.
void run_pass(bpf_link* link, IterRecords& records);

// Invariants: one link per process asked about, until retain() drops it. All of one program.
class IterLinks {
 public:
  // Of an iter/task_vma program: only the VMAs of the process `pid`, a thread group leader.
  bpf_link* of(bpf_program* program, pid_t pid);
  // Of an iter/task program.
  bpf_link* of_all(bpf_program* program);

  // Drops the links of all processes but these.
  void retain(const std::unordered_set<pid_t>& pids);

 private:
  struct Destroy {
    void operator()(bpf_link* link) const;
  };
  using Link = std::unique_ptr<bpf_link, Destroy>;

  std::unordered_map<pid_t, Link> links_;
  Link all_;
};

}  // namespace svma
