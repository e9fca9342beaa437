// SPDX-License-Identifier: GPL-2.0-only
//
// Programs that were not written for this: started, stopped at a random moment, and everything
// that the module reads in their page tables must be equal with what /proc and BPF say.
#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "device.hpp"
#include "puppet.hpp"
#include "stopped.hpp"

namespace guest {
namespace {

struct Process {
  pid_t pid = 0;
  char state = 0;
  long pages = 0;  // in memory
};

// Those of a process group; /proc/PID/stat, proc(5).
std::vector<Process> Group(pid_t group) {
  std::vector<Process> processes;
  DIR* const proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    const std::string stat = ReadFile("/proc/" + std::string(entry->d_name) + "/stat");
    const size_t name = stat.rfind(')');
    if (atoi(entry->d_name) == 0 || name == std::string::npos) continue;
    Process process;
    int of = 0;
    process.pid = atoi(entry->d_name);
    if (sscanf(stat.c_str() + name + 1,
               " %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u "
               "%ld",
               &process.state, &of, &process.pages) == 3 &&
        of == group)
      processes.push_back(process);
  }
  closedir(proc);
  return processes;
}

// The one that has most is the one that does the work.
Process Largest(pid_t group) {
  Process largest;
  for (const Process& process : Group(group))
    if (process.pages > largest.pages) largest = process;
  return largest;
}

// Sleeping in a vfork() it can't be stopped; zombies have nothing any more.
bool AllStopped(pid_t group) {
  for (const Process& process : Group(group))
    if (process.state != 'T' && process.state != 'Z' && process.state != 'X') return false;
  return true;
}

struct Program {
  const char* name;
  const char* line;  // of bash
};

// Those that take all there is are held back by ulimit (KiB): in want of memory the kernel takes
// pages away also from who is stopped, or somebody is killed.
class Programs : public testing::TestWithParam<Program> {};

TEST_P(Programs, StoppedAtARandomMoment_AllEqual) {
  static std::mt19937 random{std::random_device()()};
  // Not in /tmp, which can't hold a swap file.
  const std::string line = std::string("cd $(mktemp -d -p /); ") + GetParam().line;
  pid_t pid = 0;
  Process largest;
  // stress-ng may give up by itself, as when it gets no swap: then once more.
  for (int tries = 0; tries < 3; tries++) {
    pid = Spawn({"setsid", "bash", "-c", line.c_str()});
    // From when it does something: before it is in a group of its own it would not be stopped, and
    // of a small one /proc may say that it has no page (the counters are per processor since v6.2).
    WaitFor([&] { return Largest(pid).pages > 300; }, 5000);
    const unsigned moment = (1500 + random() % 1500) * Patience();
    usleep(moment * 1000);
    kill(-pid, SIGSTOP);
    for (int i = 0; i < 500 && !AllStopped(pid); i++) usleep(10'000);
    ASSERT_TRUE(AllStopped(pid)) << moment;
    largest = Largest(pid);
    printf("%s: stopped after %u ms, process %d with %ld pages\n", GetParam().name, moment,
           largest.pid, largest.pages);
    if (largest.pages > 0) break;
    kill(-pid, SIGKILL);
    printf("%s: had ended, status %#x\n", GetParam().name, Reap(pid));
  }
  ASSERT_GT(largest.pages, 0);
  ExpectAllEqual(CheckStopped(largest.pid), GetParam().name, 200);
  kill(-pid, SIGKILL);
  Reap(pid);
}

INSTANTIATE_TEST_SUITE_P(
    Real, Programs,
    testing::Values(
        Program{"bash", "while :; do x=$(ls /usr/lib/*); y+=$x; done"},
        Program{"perl", "exec perl -e 'while (1) { $x{$i++ % 200000} = \"y\" x 50 }'"},
        Program{"python3",
                "exec python3 -c 'import json\n"
                "while 1: y = json.dumps([str(i) for i in range(100000)])'"},
        Program{"compiler", "while :; do echo '#include <regex>' | g++ -x c++ -c -; done"},
        Program{"vm", "exec stress-ng --quiet --vm 1 --vm-bytes 64M"},
        Program{"vm_rw", "exec stress-ng --quiet --vm-rw 1 --vm-rw-bytes 16M"},
        Program{"mmap", "exec stress-ng --quiet --mmap 1 --mmap-bytes 32M"},
        Program{"mmaphuge", "ulimit -v 700000; exec stress-ng --quiet --mmaphuge 1"},
        Program{"mremap", "exec stress-ng --quiet --mremap 1 --mremap-bytes 16M"},
        Program{"swap", "exec stress-ng --quiet --swap 1"},
        Program{"pagemove", "exec stress-ng --quiet --pagemove 1"},
        Program{"userfaultfd", "exec stress-ng --quiet --userfaultfd 1"},
        Program{"shm", "exec stress-ng --quiet --shm 1"},
        Program{"bigheap",
                "ulimit -v 700000; exec stress-ng --quiet --bigheap 1 --bigheap-growth 1M"}),
    [](const auto& info) { return std::string(info.param.name); });

// What programs print, each of which says the same each time it is run: their results, what they
// were refused, how they ended, and where things are in their address space.
const char kTalkative[] = R"(
exec >$1 2>&1
export PYTHONHASHSEED=0
seq 2000 | sort -r | awk '{ s += $1 * NR } END { print s }'
setarch -R cat /proc/self/maps
setarch -R python3 -c 'print(open("/proc/self/maps").read())'
python3 - <<'PY'
import hashlib, mmap, multiprocessing, threading
def work(n):
    area = mmap.mmap(-1, 1 << 20)
    for i in range(0, 1 << 20, 4096): area[i] = (i >> 12) * n % 251
    return hashlib.md5(area[:]).hexdigest()
with multiprocessing.get_context("fork").Pool(3) as pool: print(pool.map(work, range(6)))
results = [None] * 8
def thread(i): results[i] = work(i)
threads = [threading.Thread(target=thread, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(results)
PY
(ulimit -v 300000; python3 -c 'try: bytearray(1 << 30)
except MemoryError: print("refused")')
perl -e 'my %x; $x{$_ % 977} .= $_ for 1 .. 50000; print length(join("", map { $x{$_} } sort keys %x)), "\n"'
echo 'int f(int a) { return a * 3; }' | gcc -O2 -S -x c - -o - | md5sum
{ bash -c 'kill -SEGV $$'; } 2>/dev/null; echo $?
)";

// RETURNS: what kTalkative wrote, run by `command`, which must end with 0.
std::string Says(std::vector<const char*> command) {
  const char file[] = "/tmp/says";
  unlink(file);
  for (const char* word : {"bash", "-c", kTalkative, "bash", file}) command.push_back(word);
  const int status = Reap(Spawn(command));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  return ReadFile(file);
}

TEST(TrackedOrNot, ProgramsSayTheSame) {
  const std::string alone = Says({});
  EXPECT_GT(alone.size(), 2000u);
  EXPECT_NE(alone.find("refused"), std::string::npos) << alone;
  EXPECT_EQ(Says({}), alone);
  EXPECT_EQ(Says({"/opt/svma/bin/svma", "check", "--pages", "--"}), alone);
}

}  // namespace
}  // namespace guest
