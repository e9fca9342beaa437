// SPDX-License-Identifier: GPL-2.0-only
#include "stopped.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "device.hpp"
#include "report.hpp"

namespace guest {
namespace {

// Whether the module looks at page tables where there is no VMA.
bool SeesHoles() {
  const Device device(false);
  auto version = Argument<svma_version>();
  version.abi = SVMA_ABI_VERSION;
  EXPECT_EQ(device.Ask(SVMA_IOC_VERSION, &version), 0);
  return version.features & SVMA_FEATURE_HOLES;
}

// PAGEMAP_SCAN is there since v6.7; before, that file has no ioctl.
bool HasPagemapScan() {
  const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const bool has = ioctl(fd, _IOWR('f', 16, uint64_t[12]), nullptr) != -1 || errno != ENOTTY;
  close(fd);
  return has;
}

// Nobody but the process itself changes its page tables, except khugepaged, which makes huge pages
// of what a stopped process has, too. Here it does not run.
class WithoutKhugepaged {
 public:
  WithoutKhugepaged() {
    const std::string text = ReadFile(kEnabled);  // "always [madvise] never"
    const size_t open = text.find('['), end = text.find(']');
    if (open != std::string::npos && end != std::string::npos)
      before_ = text.substr(open + 1, end - open - 1);
    EXPECT_FALSE(before_.empty()) << text;
    EXPECT_EQ(WriteFile(kEnabled, "never"), 0);
    // The kernel has waited for it to end.
    EXPECT_EQ(system("pgrep -x khugepaged >/dev/null"), 256);
  }
  ~WithoutKhugepaged() { EXPECT_EQ(WriteFile(kEnabled, before_), 0); }
  WithoutKhugepaged(const WithoutKhugepaged&) = delete;
  WithoutKhugepaged& operator=(const WithoutKhugepaged&) = delete;

 private:
  static constexpr char kEnabled[] = "/sys/kernel/mm/transparent_hugepage/enabled";
  std::string before_;
};

}  // namespace

int WaitStopped(pid_t pid) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, WUNTRACED), pid);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  EXPECT_TRUE(WIFSTOPPED(status)) << status;
  kill(-pid, SIGSTOP);
  return -1;
}

std::string CheckStopped(pid_t pid) {
  const WithoutKhugepaged quiet;
  const std::string file = "/tmp/svma-pages.json", log = "/tmp/svma-pages.log";
  unlink(file.c_str());
  const std::string line = "/opt/svma/bin/svma check --pages -p " + std::to_string(pid) +
                           " --no-stream --duration 1 --json-file " + file + " >" + log + " 2>&1";
  EXPECT_EQ(system(line.c_str()), 0) << ReadFile(log);
  return ReadFile(file);
}

void ExpectAllEqual(const std::string& json, const std::string& what, long pages) {
  for (const char* kind :
       {"pages", "vmas", "entries", "tables", "counters", "bpf", "pagemap_scan"}) {
    const auto count = [&](const char* name) { return Number(json, {"page_tables", kind, name}); };
    printf("%s: %s %ld compared, %ld equal, %ld moved\n", what.c_str(), kind, count("compared"),
           count("equal"), count("moved"));
    const bool absent = (strcmp(kind, "tables") == 0 && !SeesHoles()) ||
                        (strcmp(kind, "pagemap_scan") == 0 && !HasPagemapScan());
    if (!absent) {
      EXPECT_GT(count("compared"), 0) << kind;
    } else {
      EXPECT_EQ(count("compared"), 0) << kind;
    }
    EXPECT_EQ(count("equal"), count("compared")) << kind;
    // Others may map the same pages of files meanwhile, and DAMON clears accessed bits.
    EXPECT_LE(count("moved"), strcmp(kind, "vmas") == 0 ? count("compared") / 4 : 0) << kind;
  }
  EXPECT_GE(Number(json, {"pages_compared"}), pages);
  EXPECT_EQ(Number(json, {"pages_equal"}), Number(json, {"pages_compared"}));
  EXPECT_EQ(Number(json, {"pages_divergent"}), 0);
  EXPECT_EQ(Number(json, {"pages_moved"}), 0);
}

}  // namespace guest
