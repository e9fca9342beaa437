// SPDX-License-Identifier: GPL-2.0-only
// An address space as every road describes it: the module, BPF and procfs.
#pragma once

#include <cstdint>
#include <vector>

namespace svma {

// One VMA. Addresses are bytes, [start, end); pgoff is pages.
struct Vma {
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t flags = 0;  // vm_flags of the running kernel
  uint64_t pgoff = 0;
  uint64_t ino = 0;
  uint32_t dev = 0;  // kernel's dev_t: major << 20 | minor

  // A System V segment may have inode 0, but its device never is.
  bool has_file() const { return ino != 0 || dev != 0; }
  bool operator==(const Vma&) const = default;
};

// Invariants: in address order, no overlaps.
using Layout = std::vector<Vma>;

// The mm's own totals, in pages but for map_count.
struct Totals {
  uint64_t map_count = 0;
  uint64_t total_vm = 0;
  uint64_t data_vm = 0;
  uint64_t exec_vm = 0;
  uint64_t stack_vm = 0;
  uint64_t locked_vm = 0;

  bool operator==(const Totals&) const = default;
};

// vm_flags bits that the harness shows; the same on all kernels since 2.6.
inline constexpr uint64_t kVmRead = 0x1;
inline constexpr uint64_t kVmWrite = 0x2;
inline constexpr uint64_t kVmExec = 0x4;
inline constexpr uint64_t kVmMayShare = 0x80;

inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint32_t kDevMinorBits = 20;

// First byte above user space with four levels of page tables; TASK_SIZE_MAX of x86-64.
inline constexpr uint64_t kTaskSize = 0x7ffffffff000;

}  // namespace svma
