// SPDX-License-Identifier: GPL-2.0-only
//
// Bugs that Linux once had, done again in the live kernel by svma_bugs.ko: the module must report
// a divergence first, with the operation that went wrong and what is wrong. The same system calls
// without the bug must be reported as nothing.
//
// A bug that a kernel can't have is no test there: it lacks the code, or does by design what was a
// bug elsewhere. The table at the end says so.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "stage.hpp"

namespace guest {
namespace {

const std::string kParameters = "/sys/module/svma_bugs/parameters/";

// Pages go, anon_vmas stay.
void Drop(Stage& s, uint64_t page, uint64_t pages) {
  s.Do(SYS_madvise, {s.At(page), pages * kPage, MADV_DONTNEED});
}

// The kernel writes there as a program would; nobody is killed where there is nothing.
void WriteByKernel(Stage& s, uint64_t address) { s.Do(SYS_uname, {address}); }

void Bind(Stage& s, uint64_t page, uint64_t pages) {
  s.Run(
      [](Words w) -> int64_t {
        const unsigned long nodes = 1;
        return syscall(SYS_mbind, w[0], w[1], 2 /* MPOL_BIND */, &nodes, 8, 0);
      },
      {s.At(page), pages * kPage});
}

void Register(Stage& s, uint64_t page, uint64_t pages) {
  s.Run(
      [](Words w) -> int64_t {
        const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
        uffdio_api api{};
        api.api = UFFD_API;
        uffdio_register range{};
        range.range = {w[0], w[1]};
        range.mode = UFFDIO_REGISTER_MODE_MISSING;
        return fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range) ? -1 : 0;
      },
      {s.At(page), pages * kPage});
}

void Move(Stage& s, uint64_t from, uint64_t pages, uint64_t to) {
  s.Do(SYS_mremap, {s.At(from), pages * kPage, pages * kPage,
                    static_cast<uint64_t>(MREMAP_MAYMOVE | MREMAP_FIXED), s.At(to)});
}

struct Case {
  const char* bug;
  const char* fixed;   // by what
  uint32_t operation;  // to be blamed
  uint32_t field;      // that differs
  void (*play)(Stage&);
};

const Case kCases[] = {
    {"vmacache_overflow", "CVE-2018-17182, 7a9cdebdcc17 (v4.19)", SVMA_OP_MUNMAP,
     SVMA_FIELD_STRUCTURE,
     [](Stage& s) {
       s.Map(0, 4);
       s.Unmap(2, 2);  // the lower half is what is cached: nothing dangles
       s.Protect(0, 1, PROT_READ);
     }},
    {"stack_guard_gap", "CVE-2017-1000364, 1be7107fbe18 (v4.12)", SVMA_OP_STACK_GROWTH,
     SVMA_FIELD_RESULT,
     [](Stage& s) {
       s.Map(0, 4);
       s.Map(1000, 4, kReadWrite, kPrivate | MAP_GROWSDOWN);
       WriteByKernel(s, s.At(100));
     }},
    {"search_guard_gap", "58c5d0d6d522 (v6.3)", SVMA_OP_SEARCH, SVMA_FIELD_ADDRESS,
     [](Stage& s) { s.SearchBesideGuardGap(); }},
    {"search_below_limit", "7327e8111adb (v6.2)", SVMA_OP_SEARCH, SVMA_FIELD_ADDRESS,
     [](Stage& s) {
       s.Do(SYS_brk, {s.Do(SYS_brk, {0}) + kPage});
       // All below the program, the lowest pages included, which no mapping may have.
       const uint64_t length = ProcMaps(s.pid()).front().start;
       s.Do(SYS_mmap, {0, length, PROT_NONE, kPrivate | MAP_NORESERVE, ~0ull, 0});
     }},
    {"mprotect_error_lost", "82f951340f25 (v6.3)", SVMA_OP_MPROTECT, SVMA_FIELD_RESULT,
     [](Stage& s) {
       s.Map(0, 2, PROT_READ);
       const int fd = static_cast<int>(s.Run(
           [](Words) -> int64_t { return open("/proc/self/exe", O_RDONLY | O_CLOEXEC); }, {}));
       s.Map(2, 2, PROT_READ, MAP_SHARED, fd);
       s.Protect(0, 4, kReadWrite);  // EACCES at the second
     }},
    {"mlock_stops", "2658f94d6792 (v6.5)", SVMA_OP_MLOCK, SVMA_FIELD_RESULT,
     [](Stage& s) {
       s.Map(0, 1);
       s.Map(10, 2);
       s.Map(12, 2, PROT_READ);
       s.Do(SYS_mlock, {s.At(10), 4 * kPage});
     }},
    {"mlock_twice", "b155b4fde5bd (v4.9)", SVMA_OP_MLOCK, SVMA_FIELD_LOCKED_VM,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mlock2, {s.At(0), 4 * kPage, MLOCK_ONFAULT});
       s.Do(SYS_mlock, {s.At(0), 4 * kPage});
     }},
    {"stack_locked_vm", "acct_stack_growth() and locked_vm (v4.4)", SVMA_OP_STACK_GROWTH,
     SVMA_FIELD_LOCKED_VM,
     [](Stage& s) {
       s.Map(1000, 4, kReadWrite, kPrivate | MAP_GROWSDOWN);
       s.Do(SYS_mlock, {s.At(1000), 4 * kPage});
       WriteByKernel(s, s.At(999));
     }},
    {"munmap_locked_vm", "606c812eb1d5 (v6.4)", SVMA_OP_MUNMAP, SVMA_FIELD_LOCKED_VM,
     [](Stage& s) {
       s.Map(508, 4);
       s.Do(SYS_mlock, {s.At(508), 4 * kPage});
       s.Map(512, 1024, kReadWrite, kPrivate | MAP_HUGETLB | MAP_NORESERVE);
       s.Unmap(508, 100);  // EINVAL: a huge page is not cut
     }},
    {"uffd_cut", "270aa0106206 (v6.4)", SVMA_OP_MODIFY, SVMA_FIELD_LAYOUT,
     [](Stage& s) {
       s.Map(0, 4);
       Register(s, 1, 2);
     }},
    {"mbind_prev", "00ca0f2e86bf (v6.4)", SVMA_OP_MBIND, SVMA_FIELD_LAYOUT,
     [](Stage& s) {
       s.Map(0, 4);
       Bind(s, 0, 2);
       Bind(s, 0, 4);
     }},
    {"merge_forked", "965f55dea0e3 (v3.0)", SVMA_OP_MPROTECT, SVMA_FIELD_LAYOUT,
     [](Stage& s) {
       s.Map(0, 2);
       s.Touch(0, 2);
       s.Run(
           [](Words w) -> int64_t {
             const pid_t pid = fork();
             if (pid == 0) {
               void* const above = reinterpret_cast<void*>(w[0]);
               mmap(above, 2 * kPage, PROT_READ, kPrivate | MAP_FIXED_NOREPLACE, -1, 0);
               _exit(mprotect(above, 2 * kPage, kReadWrite));
             }
             int status;
             return waitpid(pid, &status, 0) == pid ? status : -1;
           },
           {s.At(2)});
     }},
    {"anon_vma_reused", "CVE-2022-42703, 2555283eb40d (v6.0)", SVMA_OP_FORK, SVMA_FIELD_CHAIN,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.ForkAndReap();
     }},
    {"anon_vma_not_copied", "vma_adjust() and anon_vma chains (v2.6.34)", SVMA_OP_MPROTECT,
     SVMA_FIELD_ANON_VMA,
     [](Stage& s) {
       s.Map(0, 6);
       s.Protect(2, 2, PROT_NONE);
       s.Touch(4, 1);
       Drop(s, 4, 1);
       s.Protect(2, 2, kReadWrite);  // joins all three; the lowest takes the anon_vma over
     }},
    {"mremap_not_copied", "61f67c230a5e (v6.19)", SVMA_OP_MREMAP_MOVE, SVMA_FIELD_ANON_VMA,
     [](Stage& s) {
       s.Map(22, 2);
       s.Touch(22, 2);
       Drop(s, 22, 2);
       Move(s, 22, 2, 40);
       s.Map(20, 2);
       Move(s, 40, 2, 22);
     }},
    {"mremap_keeps_anon_vma", "1583aa278f5f (v5.13)", SVMA_OP_MREMAP_MOVE, SVMA_FIELD_ANON_VMA,
     [](Stage& s) {
       s.Map(0, 4);
       s.Touch(0, 4);
       s.Do(SYS_mremap,
            {s.At(0), 4 * kPage, 4 * kPage,
             static_cast<uint64_t>(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP), s.At(20)});
     }},
    {"mremap_inside", "6f12be792fde (v6.2)", SVMA_OP_MREMAP_EXPAND, SVMA_FIELD_LAYOUT,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mremap, {s.At(1), 3 * kPage, 6 * kPage, 0});
     }},
    {"mremap_copy_private", "dba58d3b8c50 (v4.14)", SVMA_OP_MREMAP_MOVE, SVMA_FIELD_ARGUMENT,
     [](Stage& s) {
       s.Map(0, 4);
       s.Do(SYS_mremap, {s.At(0), 0, 4 * kPage, MREMAP_MAYMOVE});
     }},
    {"merge_case_3", "7e7757876f25 (v6.4)", SVMA_OP_MREMAP_MOVE, SVMA_FIELD_PGOFF,
     [](Stage& s) {
       const int fd = s.OpenFile();
       s.Map(2, 2, PROT_READ, MAP_PRIVATE, fd, 2);
       s.Map(10, 2, PROT_READ, MAP_PRIVATE, fd, 0);
       Move(s, 10, 2, 0);  // joins the one above
     }},
    {"mmap_result", "309d08d9b3a3 (v5.10)", SVMA_OP_MMAP, SVMA_FIELD_RESULT,
     [](Stage& s) {
       s.Map(0, 2);
       s.Map(2, 2);
     }},
    {"mmap_limit_late", "e8420a8ece80 (v3.10)", SVMA_OP_MMAP, SVMA_FIELD_LAYOUT,
     [](Stage& s) {
       s.Map(0, 4);
       s.Run(
           [](Words w) -> int64_t {
             const rlimit limit{w[0], RLIM_INFINITY};
             return setrlimit(RLIMIT_AS, &limit);
           },
           {uint64_t{1} << 30});
       s.Map(0, 1 << 20);  // 4 GiB, ENOMEM
     }},
    {"brk_grows_file", "6c28ca6485dd (v6.1)", SVMA_OP_BRK, SVMA_FIELD_LAYOUT,
     [](Stage& s) {
       const uint64_t heap = (s.Do(SYS_brk, {0}) + kPage - 1) / kPage * kPage + 16 * kPage;
       s.Do(SYS_brk, {heap});
       s.Do(SYS_mmap, {heap - 4 * kPage, 4 * kPage, kReadWrite, MAP_PRIVATE | MAP_FIXED,
                       static_cast<uint64_t>(s.OpenFile()), 0});
       s.Do(SYS_brk, {heap + 16 * kPage});
     }},
    {"maple_duplicate", "CVE-2024-50200, bea07fd63192 (v6.12)", SVMA_OP_MMAP, SVMA_FIELD_STRUCTURE,
     [](Stage& s) {
       s.Map(10, 6);
       s.Map(16, 2, PROT_READ);
       s.Map(10, 6, PROT_READ | PROT_EXEC);
     }},
    {"soft_dirty_lost", "6707915e030a (v6.19)", SVMA_OP_MPROTECT, SVMA_FIELD_FLAGS,
     [](Stage& s) {
       s.Map(0, 2);
       EXPECT_EQ(WriteFile("/proc/" + std::to_string(s.pid()) + "/clear_refs", "4"), 0);
       s.Map(2, 2, PROT_READ);
       s.Protect(2, 2, kReadWrite);
     }},
};

// Of these no call's report can tell, since all VMAs are as predicted: a look at the pages does,
// and the journal says what was done last to the address.
struct PageCase {
  const char* bug;
  const char* fixed;
  const char* operation;  // that had the VMA there go
  void (*play)(Stage&);
  uint64_t page;  // that is mapped where no VMA is
};

const PageCase kPageCases[] = {
    {"page_left_mapped", "CVE-2018-18281, eb66ae030829 (v4.19)", "munmap",
     [](Stage& s) {
       s.Map(0, 8);
       s.Touch(0, 8);
       s.Unmap(2, 2);
     },
     2},
    {"pmd_owned_twice", "CVE-2024-50066, 6fa1066fc5d0 (v6.12)", "mremap move",
     [](Stage& s) {
       s.Map(0, 1);  // so that the tables above stay
       s.Map(1024, 512);
       s.Do(SYS_madvise, {s.At(1024), 512 * kPage, MADV_NOHUGEPAGE});
       s.Touch(1024, 3);
       Move(s, 1024, 512, 2048);
     },
     1024},
};

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Those that this kernel can have.
template <typename C, size_t N>
std::vector<C> Available(const C (&all)[N]) {
  const auto names = Lines(ReadFile(kParameters + "available"));
  std::vector<C> cases;
  for (const C& c : all) {
    if (std::find(names.begin(), names.end(), c.bug) != names.end()) cases.push_back(c);
  }
  return cases;
}

const char* OperationName(uint32_t operation) {
  static const std::map<uint32_t, const char*> names = {
      {SVMA_OP_MMAP, "mmap"},     {SVMA_OP_MUNMAP, "munmap"},
      {SVMA_OP_BRK, "brk"},       {SVMA_OP_MPROTECT, "mprotect"},
      {SVMA_OP_MLOCK, "mlock"},   {SVMA_OP_MREMAP_MOVE, "mremap-move"},
      {SVMA_OP_FORK, "fork"},     {SVMA_OP_MREMAP_EXPAND, "mremap-expand"},
      {SVMA_OP_MODIFY, "modify"}, {SVMA_OP_STACK_GROWTH, "stack-growth"},
      {SVMA_OP_MBIND, "mbind"},   {SVMA_OP_SEARCH, "search"},
      {SVMA_OP_OTHER, "other"}};
  const auto found = names.find(operation);
  return found == names.end() ? "?" : found->second;
}

const char* FieldName(uint32_t field) {
  static const std::map<uint32_t, const char*> names = {
      {SVMA_FIELD_LAYOUT, "layout"},       {SVMA_FIELD_FLAGS, "flags"},
      {SVMA_FIELD_PGOFF, "pgoff"},         {SVMA_FIELD_UFFD, "userfaultfd"},
      {SVMA_FIELD_ANON_VMA, "anon_vma"},   {SVMA_FIELD_ADDRESS, "address"},
      {SVMA_FIELD_STRUCTURE, "structure"}, {SVMA_FIELD_ARGUMENT, "argument"},
      {SVMA_FIELD_RESULT, "result"},       {SVMA_FIELD_LOCKED_VM, "locked_vm"},
      {SVMA_FIELD_CHAIN, "anon_vma_chain"}};
  const auto found = names.find(field);
  return found == names.end() ? "?" : found->second;
}

// What became of each, in words, for the table.
struct Outcome {
  std::string named = "-";
  bool seen = false;
  bool quiet = false;
};
std::map<std::string, Outcome>& Outcomes() {
  static std::map<std::string, Outcome> outcomes;
  return outcomes;
}

// On, as long as it exists, for a process and its children.
class Bug {
 public:
  Bug(const char* name, pid_t pid) {
    EXPECT_EQ(WriteFile(kParameters + "tgid", std::to_string(pid)), 0);
    EXPECT_EQ(WriteFile(kParameters + "bug", name), 0);
  }
  ~Bug() { EXPECT_EQ(WriteFile(kParameters + "bug", "none"), 0); }
  Bug(const Bug&) = delete;
  Bug& operator=(const Bug&) = delete;
};

class KnownBug : public testing::TestWithParam<Case> {};

TEST_P(KnownBug, InTheKernel_NamedWithOperationAndField) {
  const Case& c = GetParam();
  Stage stage;
  const Bug bug(c.bug, stage.pid());
  c.play(stage);
  const auto reports = stage.Reports();
  ASSERT_FALSE(reports.empty()) << "nothing was noticed";
  Outcome& outcome = Outcomes()[c.bug];
  outcome.named =
      std::string(OperationName(reports[0].operation)) + ": " + FieldName(reports[0].field);
  EXPECT_STREQ(OperationName(reports[0].operation), OperationName(c.operation));
  EXPECT_STREQ(FieldName(reports[0].field), FieldName(c.field));
  EXPECT_EQ(reports[0].unmodelled, 0u);
  EXPECT_GT(stage.Stats().counts.divergent, 0u);
  outcome.seen = !HasFailure();
}

void ExpectNothingReported(const Stage& stage) {
  const svma_stats stats = stage.Stats();
  EXPECT_EQ(stage.Reports().size(), 0u);
  EXPECT_EQ(stats.counts.divergent, 0u);
  EXPECT_EQ(stats.counts.unmodelled, 0u);
  EXPECT_GT(stats.counts.operations, 1u);
}

TEST_P(KnownBug, NotInTheKernel_SameCallsReportNothing) {
  const Case& c = GetParam();
  Stage stage;
  c.play(stage);
  ExpectNothingReported(stage);
  Outcomes()[c.bug].quiet = !HasFailure();
}

INSTANTIATE_TEST_SUITE_P(All, KnownBug, testing::ValuesIn(Available(kCases)),
                         [](const auto& info) { return std::string(info.param.bug); });

class KnownPageBug : public testing::TestWithParam<PageCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KnownPageBug);

// RETURNS: what svma check says of the puppet, which waits, as exit status; the report is in
// `json`.
int CheckPages(Stage& stage, std::string* json) {
  stage.LetGo();
  const std::string file = "/tmp/svma-bug.json";
  unlink(file.c_str());
  const std::string line = "/opt/svma/bin/svma check --pages -p " + std::to_string(stage.pid()) +
                           " --no-stream --duration 1 --json-file " + file +
                           " >/tmp/svma-bug.log 2>&1";
  const int status = system(line.c_str());
  *json = ReadFile(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// RETURNS: the operation that changed last what VMA is at `address`, as svma journal says.
std::string LastOperation(const Stage& stage, const std::string& address) {
  const std::string line = "/opt/svma/bin/svma journal " + std::to_string(stage.pid()) + " --at " +
                           address + " --json >/tmp/svma-journal.json 2>&1";
  EXPECT_EQ(system(line.c_str()), 0) << ReadFile("/tmp/svma-journal.json");
  const std::string json = ReadFile("/tmp/svma-journal.json"), key = "\"operation\": \"";
  const size_t at = json.rfind(key);
  if (at == std::string::npos) return "none: " + json;
  return json.substr(at + key.size(), json.find('"', at + key.size()) - at - key.size());
}

TEST_P(KnownPageBug, InTheKernel_NamedWithAddressAndOperation) {
  const PageCase& c = GetParam();
  Stage stage;
  const Bug bug(c.bug, stage.pid());
  c.play(stage);
  ExpectNothingReported(stage);
  char address[32];
  snprintf(address, sizeof(address), "0x%llx", static_cast<unsigned long long>(stage.At(c.page)));
  const std::string operation = LastOperation(stage, address);
  EXPECT_EQ(operation, c.operation);
  std::string json;
  EXPECT_EQ(CheckPages(stage, &json), 1) << ReadFile("/tmp/svma-bug.log");
  EXPECT_NE(json.find("\"address\": \"" + std::string(address) + "\""), std::string::npos) << json;
  EXPECT_NE(json.find("outside of all VMAs"), std::string::npos) << json;
  Outcome& outcome = Outcomes()[c.bug];
  outcome.named = operation + ": page, no VMA";
  outcome.seen = !HasFailure();
}

TEST_P(KnownPageBug, NotInTheKernel_SameCallsReportNothing) {
  const PageCase& c = GetParam();
  Stage stage;
  c.play(stage);
  ExpectNothingReported(stage);
  std::string json;
  EXPECT_EQ(CheckPages(stage, &json), 0) << ReadFile("/tmp/svma-bug.log");
  EXPECT_EQ(json.find("outside of all VMAs"), std::string::npos) << json;
  Outcomes()[c.bug].quiet = !HasFailure();
}

INSTANTIATE_TEST_SUITE_P(All, KnownPageBug, testing::ValuesIn(Available(kPageCases)),
                         [](const auto& info) { return std::string(info.param.bug); });

TEST(KnownBugs, ModuleAndTable_NameTheSame) {
  const auto names = Lines(ReadFile(kParameters + "available"));
  EXPECT_EQ(names.size(), Available(kCases).size() + Available(kPageCases).size());
  EXPECT_GE(names.size(), 10u);
}

class Table : public testing::Environment {
 public:
  void TearDown() override {
    utsname kernel{};
    uname(&kernel);
    printf("\nknown bugs, done again on Linux %s\n", kernel.release);
    printf("  %-22s %-44s %-26s %s\n", "bug", "fixed by", "first report", "result");
    for (const Case& c : kCases) Row(c.bug, c.fixed);
    for (const PageCase& c : kPageCases) Row(c.bug, c.fixed);
    printf("%zu bugs seen\n", seen_);
  }

 private:
  void Row(const char* bug, const char* fixed) {
    const auto names = Lines(ReadFile(kParameters + "available"));
    const auto found = Outcomes().find(bug);
    if (found == Outcomes().end()) {
      const bool can = std::find(names.begin(), names.end(), bug) != names.end();
      printf("  %-22s %-44s %-26s %s\n", bug, fixed, "-",
             can ? "not run" : "not run: not a test on this kernel");
      return;
    }
    const Outcome& o = found->second;
    const bool good = o.seen && o.quiet;
    seen_ += good;
    printf("  %-22s %-44s %-26s %s\n", bug, fixed, o.named.c_str(),
           good      ? "seen; nothing without it"
           : !o.seen ? "NOT SEEN as it should"
                     : "REPORTS WITHOUT IT");
  }

  size_t seen_ = 0;
};

[[maybe_unused]] auto* const table = testing::AddGlobalTestEnvironment(new Table);

}  // namespace
}  // namespace guest
