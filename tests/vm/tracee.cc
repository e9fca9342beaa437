// SPDX-License-Identifier: GPL-2.0-only
#include "tracee.hpp"

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace guest {
namespace {

std::string Side(const svma_vma& vma) {
  if (vma.start == SVMA_NONE) return "none";
  std::ostringstream text;
  text << std::hex << vma.start << "-" << vma.end << " flags " << vma.flags << " pgoff "
       << vma.pgoff << " ino " << std::dec << vma.ino << std::hex << " anon_vma " << vma.anon_vma
       << " policy " << vma.policy << " name " << vma.anon_name << " uffd " << vma.uffd_ctx;
  return text.str();
}

std::string Report(const svma_divergence& report) {
  std::ostringstream text;
  text << (report.unmodelled ? "unmodelled" : "divergence") << " operation " << report.operation
       << " field " << report.field << " result " << report.result << " args" << std::hex;
  for (uint64_t arg : report.args) text << " " << arg;
  text << std::dec << " predicted " << report.predicted_value << " observed "
       << report.observed_value << "\n    predicted " << Side(report.predicted)
       << "\n    observed  " << Side(report.observed);
  return text.str();
}

// A field of /proc/PID/status in kB, as pages.
uint64_t StatusPages(const std::string& status, const std::string& field) {
  size_t at = status.find("\n" + field + ":");
  return at == std::string::npos ? 0 : std::stoull(status.substr(at + field.size() + 2)) / 4;
}

}  // namespace

bool InPersonality(unsigned long wanted) {
  const unsigned long now = personality(0xffffffff);
  if ((now & wanted) == wanted) return true;
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  std::string filter =
      std::string("--gtest_filter=") + info->test_suite_name() + "." + info->name();
  pid_t pid = fork();
  if (pid == 0) {
    personality(now | wanted);
    execl("/proc/self/exe", "guest-tests", filter.c_str(), "--gtest_brief=1", nullptr);
    _exit(127);
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0) << "the test in the other process failed";
  return false;
}

std::vector<uint64_t> Pagemap(pid_t pid, uint64_t address, uint64_t pages) {
  std::vector<uint64_t> words(pages);
  const int fd = open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t size = pages * sizeof(words[0]);
  EXPECT_EQ(pread(fd, words.data(), size, address / kPage * sizeof(words[0])), size);
  close(fd);
  return words;
}

SwapFile::SwapFile() {
  EXPECT_EQ(system("dd if=/dev/zero of=/test-swap bs=1M count=16 status=none && "
                   "chmod 600 /test-swap && mkswap -q /test-swap && swapon /test-swap"),
            0);
}

SwapFile::~SwapFile() { EXPECT_EQ(system("swapoff /test-swap && rm /test-swap"), 0); }

void Tracee::PageOut(uint64_t page, uint64_t pages) {
  // A page that a processor has still to put on a list of the kernel's is passed over by
  // MADV_PAGEOUT; compaction begins by telling all of them to do so (compact_nodes() in
  // mm/compaction.c, v5.10 to v7.3).
  ASSERT_EQ(WriteFile("/proc/sys/vm/compact_memory", "1"), 0);
  Do("page out", SYS_madvise, {At(page), pages * kPage, MADV_PAGEOUT});
}

void Tracee::Map(uint64_t page, uint64_t pages, int protection, int flags, int fd,
                 uint64_t file_page) {
  std::ostringstream step;
  step << "mmap page " << page << " pages " << pages << " protection " << protection;
  if (!(flags & MAP_FIXED)) flags |= MAP_FIXED_NOREPLACE;
  Do(step.str(), SYS_mmap,
     {At(page), pages * kPage, static_cast<uint64_t>(protection), static_cast<uint64_t>(flags),
      static_cast<uint64_t>(fd), file_page * kPage});
}

void Tracee::Unmap(uint64_t page, uint64_t pages) {
  Do("munmap page " + std::to_string(page), SYS_munmap, {At(page), pages * kPage});
}

void Tracee::Protect(uint64_t page, uint64_t pages, int protection) {
  Do("mprotect page " + std::to_string(page) + " to " + std::to_string(protection), SYS_mprotect,
     {At(page), pages * kPage, static_cast<uint64_t>(protection)});
}

void Tracee::Touch(uint64_t page, uint64_t pages) {
  Run("touch page " + std::to_string(page),
      [](Words words) -> int64_t {
        for (uint64_t i = 0; i < words[1]; i++) {
          *reinterpret_cast<volatile char*>(words[0] + i * kPage) = 1;
        }
        return 0;
      },
      {At(page), pages});
}

size_t Tracee::ArenaVmas() const {
  size_t count = 0;
  for (const svma_vma& vma : device_.Snapshot(id_)) {
    count += vma.start >= kArena && vma.start < kArena + (1ull << 40);
  }
  return count;
}

void CheckMm(const Device& device, const std::string& step, int pid, uint64_t id, Seen* seen) {
  SCOPED_TRACE("after " + step);
  std::vector<svma_vma> shadow = device.Snapshot(id);
  EXPECT_FALSE(shadow.empty());
  EXPECT_EQ(Difference(shadow, ProcMaps(pid)), "");
  EXPECT_EQ(TreeFault(shadow), "");

  svma_mm mm;
  ASSERT_EQ(device.Mm(0, id, &mm), 0);
  EXPECT_EQ(mm.health, static_cast<uint32_t>(SVMA_CLEAN));
  EXPECT_EQ(mm.totals.map_count, shadow.size());
  std::string status = ReadFile("/proc/" + std::to_string(pid) + "/status");
  EXPECT_EQ(mm.totals.total_vm, StatusPages(status, "VmSize"));
  EXPECT_EQ(mm.totals.locked_vm, StatusPages(status, "VmLck"));
  EXPECT_EQ(mm.totals.data_vm, StatusPages(status, "VmData"));
  EXPECT_EQ(mm.totals.stack_vm, StatusPages(status, "VmStk"));

  EXPECT_EQ(mm.counts.divergent - seen->divergent, 0u);
  EXPECT_EQ(mm.counts.unmodelled - seen->unmodelled, 0u);
  EXPECT_EQ(mm.counts.missed - seen->missed, 0u);
  EXPECT_EQ(mm.counts.equal + mm.counts.divergent, mm.counts.compared);
  seen->divergent = mm.counts.divergent;
  seen->unmodelled = mm.counts.unmodelled;
  seen->missed = mm.counts.missed;
  size_t number = 0;
  for (const svma_divergence& report : device.Divergences()) {
    if (report.mm_id == id && ++number > seen->reports) ADD_FAILURE() << Report(report);
  }
  seen->reports = std::max(seen->reports, number);
}

}  // namespace guest
