// SPDX-License-Identifier: GPL-2.0-only
// The program that `svma check -- CMD` runs, and the signals that concern it.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/fd.hpp"

namespace svma {

// How a program ended. Follows the shell: 128 + signal when one killed it.
struct ExitStatus {
  int code = 0;
  int signal = 0;
};

// SIGINT, SIGTERM and SIGCHLD as a readable descriptor.
//
// Invariants: the three are blocked in this process while it lives; children must unblock them.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_.get(); }
  // Next pending one, nullopt when there is none.
  std::optional<signalfd_siginfo> next();

 private:
  Fd fd_;
};

// A child process that waits at a gate before it becomes the program.
//
// Its orphans are ours from then on, so what they send to their parent reaches us. As init would,
// we ignore it, but for the signals with which a person ends us; the program starts with what was
// there before.
//
// It gets a process group of its own unless stdin is a terminal: there it must stay in the
// terminal's foreground group, where it gets Ctrl-C and Ctrl-Z itself.
class Program {
 public:
  // Forks; the child waits.
  explicit Program(std::vector<std::string> command);

  pid_t pid() const { return pid_; }

  // Opens the gate. Throws when the command can't be executed.
  void release();

  // Sends a signal to the program: its group, or the process alone when it shares our group.
  void signal(int number);

  // Collects ended children, also adopted ones.
  void reap();

  bool ended() const { return status_.has_value(); }
  std::optional<ExitStatus> status() const { return status_; }

 private:
  [[noreturn]] void become_program(int gate, int error_pipe);

  using OldActions = std::vector<std::pair<int, struct sigaction>>;

  std::vector<std::string> command_;
  bool own_group_;
  pid_t pid_ = -1;
  Fd gate_;        // one byte opens it; end-of-file makes the child give up
  Fd exec_error_;  // errno of a failed exec; end-of-file: the program runs
  OldActions old_actions_;
  std::optional<ExitStatus> status_;
};

}  // namespace svma
