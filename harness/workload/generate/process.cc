// SPDX-License-Identifier: GPL-2.0-only
#include <sched.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "workload/generate/calls.hpp"
#include "workload/generate/flags.hpp"

namespace svma::generate {
namespace {

constexpr NamedNumber kLimits[] = {
    {RLIMIT_AS, "AS"}, {RLIMIT_DATA, "DATA"}, {RLIMIT_STACK, "STACK"}, {RLIMIT_MEMLOCK, "MEMLOCK"}};

// RETURNS: how the child ended; a signal is an error.
Result wait_for(pid_t pid) {
  if (pid < 0) return result_of(-1);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return result_of(-1);
  }
  if (WIFSIGNALED(status)) return {WTERMSIG(status), EFAULT, false};
  return {WEXITSTATUS(status), 0, false};
}

[[noreturn]] void be_child(Context& context, uint64_t steps) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Context inner = context;
  inner.child = true;
  _exit(static_cast<int>(run_inner_steps(inner, steps)));
}

int helper_main(void* argument) { be_child(*static_cast<Context*>(argument), 4); }

}  // namespace

Result call_touch(Context& context) {
  Random& random = context.random;
  const Range range = context.modest_range();
  const bool write = random.one_in(2);
  const uint64_t pages = random.one_in(3) ? random.small(16) : 1;
  context.line.add("{}({:#x}, {} pages)", write ? "write" : "read", range.start, pages);
  if (!context.world().safe({range.start, pages * kPage})) return kRefused;
  Result result;
  for (uint64_t page = 0; page < pages; ++page) {
    if (touch(range.start + page * kPage, write) != 0) result.error = EFAULT;
  }
  return result;
}

// A mapping that grows down, with or without room below, and faults below it.
Result call_grow(Context& context) {
  Random& random = context.random;
  const Range window = context.world().window(kGrow);
  const uint64_t pages = window.size / kPage;
  const Range stack{window.start + random.between(600, pages - 64) * kPage,
                    random.small(16) * kPage};
  const uint64_t rooms[] = {0, 1, 8, 256, 257, 300, 512, 600};
  const uint64_t room = random.pick(rooms) * kPage;
  const uint64_t flags =
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN | (random.one_in(6) ? MAP_LOCKED : 0);
  const uint64_t step = random.one_in(3) ? random.small(64) * kPage : kPage;
  const uint64_t touches = random.between(1, 8);
  context.line.add("grow({:#x}, {:#x}, flags {:#x}; room {:#x}; {} touches, {:#x} apart)",
                   stack.start, stack.size, flags, room, touches, step);
  if (room != 0) munmap(reinterpret_cast<void*>(stack.start - room), room);
  if (mmap(reinterpret_cast<void*>(stack.start), stack.size, PROT_READ | PROT_WRITE,
           static_cast<int>(flags), -1, 0) == MAP_FAILED)
    return result_of(-1);
  Result result;
  for (uint64_t i = 1; i <= touches && result.error == 0; ++i)
    result.error = touch(stack.start - i * step, random.one_in(2));
  return result;
}

Result call_fork(Context& context) {
  context.line.add("fork() {{ ");
  const uint64_t steps = context.random.below(8);
  const pid_t pid = fork();
  if (pid == 0) be_child(context, steps);
  const Result result = wait_for(pid);
  context.line.add("}}");
  return result;
}

// The child uses the parent's memory and stack while the parent waits.
Result call_vfork(Context& context) {
  context.line.add("vfork() {{ ");
  const uint64_t steps = context.random.below(4);
  const pid_t pid = vfork();
  if (pid == 0) be_child(context, steps);
  const Result result = wait_for(pid);
  context.line.add("}}");
  return result;
}

Result call_clone_vm(Context& context) {
  context.line.add("clone(VM|VFORK) {{ ");
  char* top = context.worker.helper_stack + sizeof(context.worker.helper_stack);
  const Result result =
      wait_for(clone(helper_main, top, CLONE_VM | CLONE_VFORK | SIGCHLD, &context));
  context.line.add("}}");
  return result;
}

Result call_exec(Context& context) {
  static char program[] = "/bin/true";
  static char* const arguments[] = {program, nullptr};
  static char* const environment[] = {nullptr};
  const bool share = context.random.one_in(2);
  context.line.add("{} and exec {}", share ? "vfork" : "fork", program);
  const pid_t pid = share ? vfork() : fork();
  if (pid == 0) {
    execve(program, arguments, environment);
    _exit(127);
  }
  return wait_for(pid);
}

// A lower limit for some steps.
Result call_limit(Context& context) {
  Random& random = context.random;
  const NamedNumber& which = random.pick(kLimits);
  const uint64_t sizes[] = {0, 4 * kPage, kMiB, 64 * kMiB, kGiB, kTiB, 5 * kTiB};
  const uint64_t size = random.pick(sizes);
  const auto resource = static_cast<__rlimit_resource_t>(which.number);
  rlimit old{};
  getrlimit(resource, &old);
  rlimit lower = old;
  if (size < lower.rlim_cur) lower.rlim_cur = size;
  context.line.add("setrlimit({}, {:#x}) {{ ", which.name, size);
  const Result result = result_of(setrlimit(resource, &lower));
  run_inner_steps(context, 6);
  setrlimit(resource, &old);
  context.line.add("}}");
  return result;
}

// Readable means executable for some steps.
Result call_personality(Context& context) {
  const int old = personality(0xffffffff);
  context.line.add("personality(READ_IMPLIES_EXEC) {{ ");
  personality(static_cast<unsigned>(old) | READ_IMPLIES_EXEC);
  run_inner_steps(context, 6);
  personality(static_cast<unsigned>(old));
  context.line.add("}}");
  return {};
}

}  // namespace svma::generate
