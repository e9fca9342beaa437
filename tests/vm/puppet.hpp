// SPDX-License-Identifier: GPL-2.0-only
//
// A forked child that does one thing at a time on command, and sleeps in read(2) in between: its
// layout is at rest whenever a test looks at it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "device.hpp"

namespace guest {

using Words = const uint64_t*;  // six of them

struct Answer {
  int64_t value;
  int32_t error;  // errno when value is -1
};

class Puppet {
 public:
  Puppet();
  ~Puppet();
  Puppet(const Puppet&) = delete;
  Puppet& operator=(const Puppet&) = delete;

  pid_t pid() const { return pid_; }

  // Runs a function of this program in the child; after fork both have it at the same address.
  Answer Run(int64_t (*function)(Words), std::initializer_list<uint64_t> words = {});
  // As Run(), but the child never answers.
  void Send(int64_t (*function)(Words), std::initializer_list<uint64_t> words = {});
  Answer Syscall(long number, std::initializer_list<uint64_t> words);
  void Kill();

 private:
  pid_t pid_;
  int orders_ = -1;
  int answers_ = -1;
};

// Starts a program, whose descriptors are the caller's, and does not wait. RETURNS: its pid.
pid_t Spawn(const std::vector<const char*>& command);
// RETURNS: its status, as of wait(2).
int Reap(pid_t pid);
void KillAndReap(pid_t pid);

}  // namespace guest
