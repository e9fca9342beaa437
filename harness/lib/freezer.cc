// SPDX-License-Identifier: GPL-2.0-only
#include "lib/freezer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "lib/error.hpp"
#include "lib/oracle_proc.hpp"

namespace svma {
namespace {

using std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(1);
constexpr int kRemoveAttempts = 50;  // members that were killed leave the cgroup a little later

// The cgroup tree, mounted nowhere: works whether or not, and wherever, the system has mounted it.
Fd mount_cgroup2() {
  Fd context(fsopen("cgroup2", FSOPEN_CLOEXEC));
  if (!context || fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) return {};
  return Fd(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

// Our own cgroup as a path relative to the root of the tree.
std::string own_cgroup() {
  std::string text = read_proc_file("/proc/self/cgroup").value_or("");
  size_t at = text.starts_with("0::/") ? 0 : text.find("\n0::/");
  if (at == std::string::npos) return ".";
  at = text.find('/', at) + 1;
  std::string path = text.substr(at, text.find('\n', at) - at);
  return path.empty() ? "." : path;
}

bool write_at(int directory, const char* file, const std::string& text) {
  Fd fd(openat(directory, file, O_WRONLY | O_CLOEXEC));
  return fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::string read_at(int directory, const char* file) {
  Fd fd(openat(directory, file, O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  ssize_t count;
  while (fd && (count = read(fd.get(), buffer, sizeof(buffer))) > 0) text.append(buffer, count);
  return text;
}

// Thaws, hands the members back to the parent and removes the cgroup.
void dissolve(int parent, int group, const std::string& name) {
  write_at(group, "cgroup.freeze", "0");
  for (int attempt = 0; attempt < kRemoveAttempts; ++attempt) {
    std::string members = read_at(group, "cgroup.procs");
    for (size_t at = 0, end; (end = members.find('\n', at)) != std::string::npos; at = end + 1)
      write_at(parent, "cgroup.procs", members.substr(at, end - at));
    if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace

std::unique_ptr<Freezer> Freezer::create(std::string& why) {
  Fd root = mount_cgroup2();
  if (!root) {
    why = "no cgroup v2: " + errno_text(errno);
    return nullptr;
  }
  Fd parent(openat(root.get(), own_cgroup().c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  std::string name = fmt::format("svma-{}", getpid());
  if (!parent || mkdirat(parent.get(), name.c_str(), 0755) < 0) {
    why = "cannot make a cgroup: " + errno_text(errno);
    return nullptr;
  }
  Fd group(openat(parent.get(), name.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  std::unique_ptr<Freezer> freezer(new Freezer(std::move(parent), std::move(group), name));
  if (faccessat(freezer->group_.get(), "cgroup.freeze", W_OK, 0) == 0) return freezer;
  why = "this kernel's cgroups can't freeze";
  return nullptr;
}

Freezer::Freezer(Fd parent, Fd group, std::string name)
    : parent_(std::move(parent)), group_(std::move(group)), name_(std::move(name)) {
  start_guardian();
}

// The guardian keeps nothing open but the pipe and the two directories, least of all /dev/svma, and
// ignores what a terminal sends to the whole group.
void Freezer::start_guardian() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) throw Error("cannot make a pipe: {}", errno_text(errno));
  Fd read_end(ends[0]), write_end(ends[1]);
  guardian_ = fork();
  if (guardian_ < 0) throw Error("cannot fork: {}", errno_text(errno));
  if (guardian_ > 0) {
    guardian_pipe_ = std::move(write_end);
    return;
  }
  setsid();
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(signal, SIG_IGN);
  const int kept[] = {dup(read_end.get()), dup(parent_.get()), dup(group_.get())};
  for (int i = 0; i < 3; ++i) dup2(kept[i], i);
  close_range(3, ~0U, 0);
  char byte;
  while (read(0, &byte, 1) < 0 && errno == EINTR) continue;
  dissolve(1, 2, name_);
  _exit(0);
}

Freezer::~Freezer() {
  guardian_pipe_.reset();
  waitpid(guardian_, nullptr, 0);
}

bool Freezer::write_file(const char* file, const std::string& text) {
  return write_at(group_.get(), file, text);
}

bool Freezer::add(pid_t pid) { return write_file("cgroup.procs", std::to_string(pid)); }

bool Freezer::is_frozen() {
  return read_at(group_.get(), "cgroup.events").find("frozen 1") != std::string::npos;
}

void Freezer::thaw() { write_file("cgroup.freeze", "0"); }

std::unique_ptr<Freezer::Frozen> Freezer::freeze(std::chrono::milliseconds limit) {
  auto frozen = std::make_unique<Frozen>(*this);
  if (!write_file("cgroup.freeze", "1")) return nullptr;
  const auto deadline = steady_clock::now() + limit;
  while (!is_frozen()) {
    if (steady_clock::now() > deadline) return nullptr;
    std::this_thread::sleep_for(kPollInterval);
  }
  return frozen;
}

}  // namespace svma
