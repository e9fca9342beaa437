// SPDX-License-Identifier: GPL-2.0-only
// Holding a process family still for a moment, by a cgroup of its own.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "lib/fd.hpp"

namespace svma {

// A cgroup (version 2) below the caller's own, for one process and all its descendants.
//
// Programs can't see this stop: no signal is sent, no parent is woken. A guardian process thaws and
// removes the cgroup when the harness dies, however it dies.
//
// Invariants: thawed except while a Frozen exists. The destructor moves who is left to the parent
// cgroup.
class Freezer {
 public:
  // RETURNS: null when this system has no cgroup v2 freezer for us; `why` then says so.
  static std::unique_ptr<Freezer> create(std::string& why);
  ~Freezer();
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;

  // Moves a process in; its later children are born inside. RETURNS: success.
  bool add(pid_t pid);

  // Thaws at its end.
  class Frozen {
   public:
    explicit Frozen(Freezer& freezer) : freezer_(freezer) {}
    ~Frozen() { freezer_.thaw(); }
    Frozen(const Frozen&) = delete;
    Frozen& operator=(const Frozen&) = delete;

   private:
    Freezer& freezer_;
  };

  // Stops the family; null when it is not still within `limit` (it was thawed again).
  std::unique_ptr<Frozen> freeze(std::chrono::milliseconds limit);

 private:
  Freezer(Fd parent, Fd group, std::string name);
  void start_guardian();
  bool write_file(const char* file, const std::string& text);
  bool is_frozen();
  void thaw();

  Fd parent_;  // directory of the caller's own cgroup
  Fd group_;   // directory of the new one
  std::string name_;
  pid_t guardian_ = -1;
  Fd guardian_pipe_;  // its other end reads end-of-file when this process is gone
};

}  // namespace svma
