// SPDX-License-Identifier: GPL-2.0-only
#include "lib/program.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "lib/error.hpp"

namespace svma {
namespace {

constexpr int kShellNotExecuted = 127;
constexpr int kShellSignalBase = 128;

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&set, signal);
  return set;
}

// What processes send to each other for purposes of their own, and what would end us.
std::vector<int> signals_of_orphans() {
  std::vector<int> signals{SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGIO, SIGPWR};
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++) signals.push_back(signal);
  return signals;
}

std::array<Fd, 2> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) throw Error("cannot make a pipe: {}", errno_text(errno));
  return {Fd(ends[0]), Fd(ends[1])};
}

ExitStatus to_exit_status(int status) {
  if (WIFSIGNALED(status)) return {kShellSignalBase + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

Signals::Signals() {
  sigset_t set = our_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  fd_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw Error("cannot make a signalfd: {}", errno_text(errno));
}

Signals::~Signals() {
  sigset_t set = our_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

std::optional<signalfd_siginfo> Signals::next() {
  signalfd_siginfo info;
  if (read(fd_.get(), &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return info;
}

Program::Program(std::vector<std::string> command)
    : command_(std::move(command)), own_group_(!isatty(STDIN_FILENO)) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  for (int signal : signals_of_orphans()) {
    struct sigaction old;
    sigaction(signal, &ignore, &old);
    old_actions_.emplace_back(signal, old);
  }
  auto [gate_read, gate_write] = make_pipe();
  auto [error_read, error_write] = make_pipe();
  pid_ = fork();
  if (pid_ < 0) throw Error("cannot fork: {}", errno_text(errno));
  if (pid_ == 0) {
    gate_write.reset();
    become_program(gate_read.get(), error_write.get());
  }
  if (own_group_) setpgid(pid_, pid_);  // the child does it, too: whoever is first
  gate_ = std::move(gate_write);
  exec_error_ = std::move(error_read);
}

void Program::become_program(int gate, int error_pipe) {
  if (own_group_) setpgid(0, 0);
  sigset_t set = our_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  for (const auto& [signal, action] : old_actions_) sigaction(signal, &action, nullptr);
  std::vector<char*> arguments;
  for (std::string& argument : command_) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  char byte;
  if (read(gate, &byte, 1) == 1) {
    execvp(arguments[0], arguments.data());
    int error = errno;
    if (write(error_pipe, &error, sizeof(error)) < 0) _exit(kShellNotExecuted);
  }
  _exit(kShellNotExecuted);
}

void Program::release() {
  const char byte = 0;
  int error = 0;
  if (write(gate_.get(), &byte, 1) != 1)
    throw Error("the child ended before it could start the program");
  while (read(exec_error_.get(), &error, sizeof(error)) < 0 && errno == EINTR) continue;
  if (error == 0) return;
  waitpid(pid_, nullptr, 0);
  if (error == ENOENT)
    throw Error("{}: command not found; check its spelling or give its full path", command_[0]);
  if (error == EACCES)
    throw Error("{}: not executable; it needs to be a program with execute permission",
                command_[0]);
  throw Error("{}: cannot execute: {}", command_[0], errno_text(error));
}

void Program::signal(int number) {
  if (!ended()) kill(own_group_ ? -pid_ : pid_, number);
}

void Program::reap() {
  int status;
  while (pid_t pid = waitpid(-1, &status, WNOHANG)) {
    if (pid < 0) return;
    if (pid == pid_) status_ = to_exit_status(status);
  }
}

}  // namespace svma
