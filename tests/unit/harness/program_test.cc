// SPDX-License-Identifier: GPL-2.0-only
#include "lib/program.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace svma {
namespace {

// Each in a process of its own, since a Program changes what signals do. That one exits with 0.
const auto kPassed = testing::ExitedWithCode(0);

// Starts a shell with `script`, waits for all children. Exits with 0 when the program, or else an
// orphan of it, ended as `expected` says, in waitpid()'s form.
[[noreturn]] void run(const std::string& script, bool orphan, int expected) {
  Program program({"sh", "-c", script});
  program.release();
  bool seen = false;
  int status = 0;
  while (const pid_t pid = waitpid(-1, &status, 0)) {
    if (pid < 0) break;
    if ((pid != program.pid()) == orphan) seen = status == expected;
  }
  std::exit(seen ? 0 : 1);
}

TEST(Program, OrphanSignalsItsParent_WeLive) {
  // stress-ng's helpers tell their parent that they are done; 7 proves that this was us.
  const auto signal_parent = [] {
    const std::string parent = "$(cut -d' ' -f4 /proc/$$/stat)";
    const std::string orphan =
        "sleep 0.3; for s in ALRM USR1 USR2 VTALRM PROF IO RTMIN; do kill -$s " + parent +
        "; done; [ " + parent + " = " + std::to_string(getpid()) + " ] && exit 7";
    setenv("ORPHAN", orphan.c_str(), 1);
    run("sh -c \"$ORPHAN\" & exit 0", true, 7 << 8);
  };
  EXPECT_EXIT(signal_parent(), kPassed, "");
}

TEST(Program, SignalsItself_ItEndsAsWithoutUs) {
  for (int signal : {SIGALRM, SIGUSR1, SIGUSR2, SIGIO, SIGRTMIN})
    EXPECT_EXIT(run("kill -" + std::to_string(signal) + " $$; exit 0", false, signal), kPassed, "");
}

}  // namespace
}  // namespace svma
