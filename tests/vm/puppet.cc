// SPDX-License-Identifier: GPL-2.0-only
#include "puppet.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace guest {
namespace {

struct Order {
  int64_t (*function)(Words);
  uint64_t words[7];
};

[[noreturn]] void Obey(int orders, int answers) {
  Order order;
  while (read(orders, &order, sizeof(order)) == sizeof(order)) {
    Answer answer{};
    errno = 0;
    answer.value = order.function(order.words);
    answer.error = answer.value == -1 ? errno : 0;
    if (write(answers, &answer, sizeof(answer)) != sizeof(answer)) break;
  }
  _exit(0);
}

int64_t DoSyscall(Words words) {
  return syscall(words[0], words[1], words[2], words[3], words[4], words[5], words[6]);
}

}  // namespace

Puppet::Puppet() {
  int orders[2], answers[2];
  if (pipe2(orders, O_CLOEXEC) || pipe2(answers, O_CLOEXEC)) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(orders[1]);
    close(answers[0]);
    Obey(orders[0], answers[1]);
  }
  close(orders[0]);
  close(answers[1]);
  orders_ = orders[1];
  answers_ = answers[0];
}

Puppet::~Puppet() {
  Kill();
  close(orders_);
  close(answers_);
}

void Puppet::Kill() {
  if (pid_ <= 0) return;
  KillAndReap(pid_);
  pid_ = 0;
}

void Puppet::Send(int64_t (*function)(Words), std::initializer_list<uint64_t> words) {
  Order order{function, {}};
  std::copy(words.begin(), words.end(), order.words);
  if (write(orders_, &order, sizeof(order)) != sizeof(order)) {
    throw std::runtime_error("the puppet takes no orders");
  }
}

Answer Puppet::Run(int64_t (*function)(Words), std::initializer_list<uint64_t> words) {
  Send(function, words);
  Answer answer;
  if (read(answers_, &answer, sizeof(answer)) != sizeof(answer)) {
    throw std::runtime_error("the puppet died");
  }
  return answer;
}

Answer Puppet::Syscall(long number, std::initializer_list<uint64_t> words) {
  Order order{DoSyscall, {static_cast<uint64_t>(number)}};
  std::copy(words.begin(), words.end(), order.words + 1);
  const uint64_t* w = order.words;
  return Run(DoSyscall, {w[0], w[1], w[2], w[3], w[4], w[5], w[6]});
}

pid_t Spawn(const std::vector<const char*>& command) {
  std::vector<char*> argv;
  for (const char* word : command) argv.push_back(const_cast<char*>(word));
  argv.push_back(nullptr);
  pid_t pid = fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  return pid;
}

int Reap(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

void KillAndReap(pid_t pid) {
  kill(pid, SIGKILL);
  Reap(pid);
}

}  // namespace guest
