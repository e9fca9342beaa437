// SPDX-License-Identifier: GPL-2.0-only
//
// /dev/svma for the guest tests: plain ioctls, and what is needed to judge their answers. Nothing
// here is shared with the harness, so that a mistake there can't hide the same mistake here.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "uapi/svma.h"

namespace guest {

// An open descriptor. Answers are 0 or the errno, so that a test reads EXPECT_EQ(Ask(...), EPROTO).
class Device {
 public:
  // With agree false, SVMA_IOC_VERSION is left to the test.
  explicit Device(bool agree = true);
  ~Device() { Close(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  int fd() const { return fd_; }
  void Close();

  // RETURNS: 0 or errno.
  int Ask(unsigned long request, void* argument) const;

  // As Ask(), and again, a few times, when that says `busy`: the mmap_lock was not to be had for 2
  // s. An emulator's processors take turns of 0.1 s, so whoever holds it and is nice may well be as
  // slow, as khugepaged is. Each time is printed, with the stacks of all that do not sleep.
  int AskUntilFree(unsigned long request, void* argument, int busy) const;

  // Until the process lets itself be looked at.
  int Track(int pid, uint32_t flags, uint64_t* mm_id = nullptr) const;
  int Untrack(int pid, uint64_t mm_id = 0) const;
  int Mm(int pid, uint64_t mm_id, svma_mm* out) const;
  std::vector<svma_mm> List(uint32_t flags = SVMA_LIST_MINE) const;
  svma_stats Stats(uint32_t flags) const;
  std::vector<svma_probe> Probes() const;
  std::vector<svma_divergence> Divergences() const;

  // One consistent layout, read in parts of `chunk` records. Empty when there is none to be had.
  std::vector<svma_vma> Snapshot(uint64_t mm_id, uint32_t chunk = 512) const;

 private:
  int fd_;
};

// A zeroed argument structure that knows its size.
template <typename T>
T Argument() {
  T argument{};
  argument.size = sizeof(T);
  return argument;
}

// One line of /proc/PID/maps; [vsyscall] is not an mm's and is left out.
struct Mapping {
  uint64_t start;
  uint64_t end;
  std::string permissions;
  uint64_t offset;  // bytes
  uint32_t major;
  uint32_t minor;
  uint64_t ino;
  std::string path;
};

std::vector<Mapping> ProcMaps(int pid);
// Also for the maps file of debugfs, whose lines have the same form without a path.
std::vector<Mapping> ParseMaps(const std::string& text);
// Empty when both say the same, else the first line that differs.
std::string Difference(const std::vector<svma_vma>& shadow, const std::vector<Mapping>& live);

// The value of a choice of the semantics profile in use; empty when there is no such choice.
std::string Choice(const std::string& name);
// Whether gaps reach up to the next VMA: otherwise they end at its guard gap.
bool GapsAreWholeHoles();

constexpr uint64_t kStackGuardGap = 256 << 12;

// RETURNS: what is wrong with the tree that the records describe; empty when it is a red-black tree
// with right gaps.
std::string TreeFault(const std::vector<svma_vma>& records);

std::string ReadFile(const std::string& path);
// RETURNS: 0 or errno.
int WriteFile(const std::string& path, const std::string& text);

// A setting of the kernel or the module, put back as it was however the test ends.
class Setting {
 public:
  explicit Setting(const std::string& path) : path_(path), before_(ReadFile(path)) {}
  ~Setting();
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  // RETURNS: 0 or errno.
  int Set(const std::string& value) { return WriteFile(path_, value); }
  int PutBack() { return WriteFile(path_, before_); }

 private:
  const std::string path_, before_;
};

// A line of debugfs' stats. Throws when there is none of that name.
uint64_t Stat(const std::string& name);
// The per-process directory of debugfs.
std::string DebugDir(int pid);

// How many times as long as usual to wait for something: run-vm says how slow the kernel is.
int Patience();

// Whether the kernel is one of build-kernel's, with KASAN and all.
bool DebugKernel();

// How many VMAs to make where `wanted` are usual. A debug kernel goes through all of them after
// each change (validate_mm() in mm/mmap.c, v6.1): 65000 are a matter of hours.
uint64_t VmasToMake(uint64_t wanted);

// Asks every 10 ms until `condition` is true. RETURNS: false after `milliseconds` times Patience().
bool WaitFor(const std::function<bool()>& condition, int milliseconds = 2000);

}  // namespace guest
