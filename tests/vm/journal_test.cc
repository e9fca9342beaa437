// SPDX-License-Identifier: GPL-2.0-only
//
// The journal: what a process did is there, in order, with the right words; and it stays as long as
// it should.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr uint64_t kWrite = 2;          // VM_WRITE
constexpr uint32_t kRingEntries = 256;  // default of the module's parameter journal_entries

struct Read {
  int error = 0;
  svma_journal answer{};
  std::vector<svma_journal_entry> entries;
};

Read ReadJournal(const Device& device, uint64_t mm_id, int pid, uint64_t from = 1,
                 uint32_t capacity = 4096, uint32_t flags = 0) {
  Read read;
  read.entries.resize(capacity);
  auto ask = Argument<svma_journal>();
  ask.flags = flags;
  ask.mm_id = mm_id;
  ask.pid = pid;
  ask.from = from;
  ask.capacity = capacity;
  ask.buffer = reinterpret_cast<uint64_t>(read.entries.data());
  read.error = device.Ask(SVMA_IOC_JOURNAL, &ask);
  read.answer = ask;
  read.entries.resize(read.error ? 0 : ask.count);
  return read;
}

// All of it, part by part.
std::vector<svma_journal_entry> Whole(const Device& device, uint64_t mm_id, int pid = 0) {
  std::vector<svma_journal_entry> all;
  for (uint64_t from = 1;;) {
    Read read = ReadJournal(device, mm_id, pid, from);
    if (read.error) break;
    all.insert(all.end(), read.entries.begin(), read.entries.end());
    if (!read.answer.more || read.entries.empty()) break;
    from = all.back().id + 1;
  }
  return all;
}

// The entries about the arena, faults apart.
std::vector<svma_journal_entry> InArena(const std::vector<svma_journal_entry>& entries) {
  std::vector<svma_journal_entry> found;
  for (const svma_journal_entry& entry : entries) {
    const bool whole = entry.operation == SVMA_OP_ATTACH || entry.operation == SVMA_OP_FORK;
    if (!whole && entry.operation != SVMA_OP_ANON_VMA && entry.start >= kArena &&
        entry.end <= kArena + (1ull << 40))
      found.push_back(entry);
  }
  return found;
}

void ExpectInOrder(const std::vector<svma_journal_entry>& entries) {
  for (size_t i = 0; i < entries.size(); i++) {
    const svma_journal_entry& entry = entries[i];
    SCOPED_TRACE("entry " + std::to_string(entry.id));
    EXPECT_LE(entry.begin_ns, entry.end_ns);
    EXPECT_GT(entry.end_ns, 0u);
    EXPECT_LE(entry.vmas, static_cast<uint32_t>(SVMA_JOURNAL_EXTENTS));
    EXPECT_EQ(entry.bits & (SVMA_JOURNAL_DIVERGED | SVMA_JOURNAL_UNMODELLED), 0u);
    for (uint32_t vma = 1; vma < entry.vmas; vma++)
      EXPECT_LE(entry.vma[vma - 1].end, entry.vma[vma].start);
    if (i == 0) continue;
    EXPECT_EQ(entry.id, entries[i - 1].id + 1);
    EXPECT_GE(entry.seq, entries[i - 1].seq);
    EXPECT_GE(entry.end_ns, entries[i - 1].end_ns);
  }
}

class Journal : public Tracee {};
class JournalForked : public Tracee {
 protected:
  JournalForked() : Tracee(SVMA_TRACK_DESCENDANTS) {}
};

TEST_F(Journal, Attach_IsTheFirstEntry) {
  std::vector<svma_journal_entry> entries = Whole(device_, id_);
  ASSERT_FALSE(entries.empty());
  EXPECT_EQ(entries[0].id, 1u);
  EXPECT_EQ(entries[0].operation, static_cast<uint32_t>(SVMA_OP_ATTACH));
  EXPECT_EQ(entries[0].tid, getpid());
  EXPECT_TRUE(entries[0].bits & SVMA_JOURNAL_CUT);
  EXPECT_EQ(entries[0].vmas, static_cast<uint32_t>(SVMA_JOURNAL_EXTENTS));
  EXPECT_GT(entries[0].end, entries[0].start);
}

TEST_F(Journal, KnownOperations_AreThereInOrderWithArgumentsAndResults) {
  Map(0, 8);                                   // AAAAAAAA
  Protect(2, 2, PROT_READ);                    // AABBAAAA
  Do("mlock", SYS_mlock, {At(6), 2 * kPage});  // AABBAACC
  Unmap(5, 3);                                 // AABBA
  Do("mremap", SYS_mremap, {At(0), 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(20)});
  Fail("mmap", EEXIST, SYS_mmap,
       {At(20), kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, ~0ull, 0});
  Fail("mprotect", ENOMEM, SYS_mprotect, {At(1000), kPage, PROT_READ});

  std::vector<svma_journal_entry> all = Whole(device_, id_);
  ExpectInOrder(all);
  std::vector<svma_journal_entry> entries = InArena(all);
  const uint32_t expected[] = {SVMA_OP_MMAP, SVMA_OP_MPROTECT, SVMA_OP_MLOCK, SVMA_OP_MUNMAP,
                               SVMA_OP_MREMAP_MOVE};
  // Other operations may stand between them: a step of a call, an address search.
  std::vector<svma_journal_entry> found;
  for (const svma_journal_entry& entry : entries) {
    if (found.size() < std::size(expected) && entry.operation == expected[found.size()])
      found.push_back(entry);
  }
  ASSERT_EQ(found.size(), std::size(expected));

  const svma_journal_entry& mmap = found[0];
  EXPECT_EQ(mmap.args[0], At(0));
  EXPECT_EQ(mmap.args[1], 8 * kPage);
  EXPECT_EQ(mmap.result, static_cast<int64_t>(At(0)));
  EXPECT_EQ(mmap.start, At(0));
  EXPECT_EQ(mmap.end, At(8));
  ASSERT_EQ(mmap.vmas, 1u);
  EXPECT_EQ(mmap.vma[0].start, At(0));
  EXPECT_EQ(mmap.vma[0].end, At(8));
  EXPECT_TRUE(mmap.vma[0].flags & kWrite);
  EXPECT_EQ(mmap.vma[0].ino, 0u);

  const svma_journal_entry& mprotect = found[1];
  EXPECT_EQ(mprotect.args[0], At(2));
  EXPECT_EQ(mprotect.args[1], At(4));
  EXPECT_FALSE(mprotect.args[2] & kWrite);
  EXPECT_EQ(mprotect.result, 0);
  ASSERT_EQ(mprotect.vmas, 1u);
  EXPECT_EQ(mprotect.vma[0].start, At(2));
  EXPECT_EQ(mprotect.vma[0].end, At(4));
  EXPECT_FALSE(mprotect.vma[0].flags & kWrite);

  const svma_journal_entry& munmap = found[3];
  EXPECT_EQ(munmap.args[0], At(5));
  EXPECT_EQ(munmap.args[1], At(8));
  EXPECT_EQ(munmap.start, At(5));
  EXPECT_EQ(munmap.end, At(8));
  EXPECT_EQ(munmap.vmas, 0u);
  EXPECT_EQ(munmap.bits & SVMA_JOURNAL_CUT, 0u);

  const svma_journal_entry& mremap = found[4];
  EXPECT_EQ(mremap.args[1], At(0));
  EXPECT_EQ(mremap.args[4], At(20));
  EXPECT_EQ(mremap.result, static_cast<int64_t>(At(20)));
  EXPECT_TRUE(mremap.bits & SVMA_JOURNAL_CUT) << "what lies between the two places was not touched";
  ASSERT_EQ(mremap.vmas, 1u);
  EXPECT_EQ(mremap.vma[0].start, At(20));

  for (const svma_journal_entry& entry : found) {
    EXPECT_EQ(entry.tid, puppet_.pid());
    EXPECT_GT(entry.end_ns, entry.begin_ns);
    EXPECT_STRNE(entry.comm, "");
  }
}

TEST_F(Journal, FailedCall_HasItsErrno) {
  Map(0, 1);
  // An address beyond a file's end is fine, one that no file system maps is not: a pipe has no
  // mmap.
  Answer limit = puppet_.Run([](Words) -> int64_t {
    int ends[2];
    if (pipe(ends)) return -1;
    void* mapped = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, ends[0], 0);
    return mapped == MAP_FAILED && errno == ENODEV ? 0 : 1;
  });
  ASSERT_EQ(limit.value, 0);
  // Overcommit: mmap_region() itself refuses.
  puppet_.Syscall(SYS_mmap,
                  {At(10), 1ull << 46, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, ~0ull, 0});
  bool found = false;
  for (const svma_journal_entry& entry : Whole(device_, id_))
    found |= entry.operation == SVMA_OP_MMAP && entry.args[0] == At(10) &&
             entry.result == -ENOMEM && entry.vmas == 0;
  EXPECT_TRUE(found);
}

TEST_F(Journal, FirstFault_IsAnEntry) {
  Map(0, 4);
  Touch(0, 1);
  std::optional<svma_journal_entry> fault;
  for (const svma_journal_entry& entry : Whole(device_, id_))
    if (entry.operation == SVMA_OP_ANON_VMA && entry.start == At(0)) fault = entry;
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->end, At(4));
  EXPECT_EQ(fault->vmas, 1u);
  EXPECT_EQ(fault->tid, puppet_.pid());
}

TEST_F(Journal, TwoThreads_EachUnderItsTid) {
  struct Shared {
    uint64_t tids[2];
  };
  Map(0, 1);
  Answer answer = puppet_.Run(
      [](Words words) -> int64_t {
        auto* shared = reinterpret_cast<Shared*>(words[0]);
        auto work = [&](int which) {
          shared->tids[which] = gettid();
          char* at = reinterpret_cast<char*>(words[0]) + (10 + 10 * which) * kPage;
          mmap(at, kPage, kReadWrite, kPrivate | MAP_FIXED, -1, 0);
        };
        std::thread one(work, 0);
        one.join();
        std::thread two(work, 1);
        two.join();
        return shared->tids[0] != shared->tids[1] ? shared->tids[0] << 32 | shared->tids[1] : -1;
      },
      {At(0)});
  ASSERT_NE(answer.value, -1);
  const int tids[] = {static_cast<int>(answer.value >> 32),
                      static_cast<int>(answer.value & 0xffffffff)};
  std::vector<svma_journal_entry> all = Whole(device_, id_);
  ExpectInOrder(all);
  for (int which : {0, 1}) {
    bool found = false;
    for (const svma_journal_entry& entry : all)
      found |= entry.operation == SVMA_OP_MMAP && entry.args[0] == At(10 + 10 * which) &&
               entry.tid == tids[which];
    EXPECT_TRUE(found) << "thread " << which << " tid " << tids[which];
  }
}

TEST_F(Journal, MoreThanTheRingHolds_OldestAreLostAndCounted) {
  constexpr uint64_t kRounds = 400;
  for (uint64_t i = 0; i < kRounds; i++) {
    puppet_.Syscall(SYS_mprotect, {At(0), kPage, i % 2 ? 1ull : 3ull});
    if (i == 0) Map(0, 2);
  }
  const uint64_t last = Whole(device_, id_).back().id;
  ASSERT_GT(last, kRingEntries);
  Read read = ReadJournal(device_, id_, 0);
  EXPECT_EQ(read.answer.lost, last - kRingEntries);
  ASSERT_FALSE(read.entries.empty());
  EXPECT_EQ(read.entries[0].id, last - kRingEntries + 1);
  std::vector<svma_journal_entry> all = Whole(device_, id_);
  EXPECT_EQ(all.size(), kRingEntries);
  ExpectInOrder(all);
  // From a place that is still held, nothing is lost.
  Read tail = ReadJournal(device_, id_, 0, last - 10);
  EXPECT_EQ(tail.answer.lost, 0u);
  EXPECT_EQ(tail.entries.size(), 11u);
  EXPECT_EQ(tail.entries[0].id, last - 10);
  EXPECT_EQ(tail.answer.more, 0u);
}

TEST_F(Journal, SmallParts_MakeTheWhole) {
  for (int i = 0; i < 20; i++) Map(2 * i, 1);
  std::vector<svma_journal_entry> all = Whole(device_, id_), parts;
  uint64_t from = 1;
  for (bool more = true; more;) {
    Read read = ReadJournal(device_, id_, 0, from, 3);
    ASSERT_EQ(read.error, 0);
    ASSERT_LE(read.entries.size(), 3u);
    parts.insert(parts.end(), read.entries.begin(), read.entries.end());
    from = parts.back().id + 1;
    more = read.answer.more;
  }
  ASSERT_EQ(parts.size(), all.size());
  EXPECT_EQ(memcmp(parts.data(), all.data(), all.size() * sizeof(all[0])), 0);
}

TEST_F(Journal, ByPid_IsTheSame) {
  Map(0, 1);
  Read read = ReadJournal(device_, 0, puppet_.pid());
  ASSERT_EQ(read.error, 0);
  EXPECT_EQ(read.answer.mm_id, id_);
  EXPECT_EQ(read.answer.pid, puppet_.pid());
  Device other;
  EXPECT_EQ(ReadJournal(other, 0, puppet_.pid()).entries.size(), read.entries.size());
}

TEST_F(Journal, AfterExit_StaysUntilClose) {
  Map(0, 3);
  int pid = puppet_.pid();
  Device other;
  puppet_.Kill();
  std::vector<svma_journal_entry> all = Whole(device_, id_);
  ASSERT_FALSE(all.empty());
  ExpectInOrder(all);
  EXPECT_EQ(all.back().operation, static_cast<uint32_t>(SVMA_OP_EXIT));
  EXPECT_FALSE(InArena(all).empty());
  EXPECT_EQ(Whole(device_, 0, pid).size(), all.size());
  EXPECT_EQ(Whole(other, id_).size(), all.size());
  device_.Close();
  EXPECT_EQ(ReadJournal(other, id_, 0).error, ENOENT);
  EXPECT_EQ(ReadJournal(other, 0, pid).error, ENOENT);
}

TEST_F(Journal, Untracked_IsGone) {
  Map(0, 1);
  ASSERT_EQ(device_.Untrack(puppet_.pid()), 0);
  EXPECT_EQ(ReadJournal(device_, id_, 0).error, ENOENT);
  EXPECT_EQ(ReadJournal(device_, 0, puppet_.pid()).error, ENOENT);
}

TEST_F(JournalForked, Child_StartsItsOwnWithFork) {
  Map(0, 2);
  int child = puppet_
                  .Run([](Words) -> int64_t {
                    pid_t pid = fork();
                    if (pid == 0) {
                      mmap(reinterpret_cast<void*>(kArena + 50 * kPage), kPage, kReadWrite,
                           kPrivate | MAP_FIXED, -1, 0);
                      for (;;) pause();
                    }
                    return pid;
                  })
                  .value;
  ASSERT_GT(child, 0);
  std::vector<svma_journal_entry> entries;
  EXPECT_TRUE(WaitFor([&] {
    entries = Whole(device_, 0, child);
    for (const svma_journal_entry& entry : entries)
      if (entry.operation == SVMA_OP_MMAP && entry.args[0] == At(50)) return true;
    return false;
  }));
  ASSERT_FALSE(entries.empty());
  ExpectInOrder(entries);
  EXPECT_EQ(entries[0].id, 1u);
  EXPECT_EQ(entries[0].operation, static_cast<uint32_t>(SVMA_OP_FORK));
  EXPECT_EQ(entries[0].tid, puppet_.pid()) << "the parent makes the child's mm";
  EXPECT_EQ(entries.back().tid, child);
  for (const svma_journal_entry& entry : Whole(device_, id_))
    EXPECT_NE(entry.args[0], At(50)) << "the parent's journal";
  kill(child, SIGKILL);
}

TEST_F(JournalForked, Exec_NewMmNewJournalOldOneStays) {
  int child = puppet_
                  .Run([](Words) -> int64_t {
                    pid_t pid = fork();
                    if (pid == 0) {
                      execlp("sleep", "sleep", "100", nullptr);
                      _exit(127);
                    }
                    return pid;
                  })
                  .value;
  ASSERT_GT(child, 0);
  ASSERT_TRUE(WaitFor([&] {
    std::vector<svma_journal_entry> entries = Whole(device_, 0, child);
    return !entries.empty() && entries[0].operation == SVMA_OP_EXEC && entries.size() > 10;
  }));
  const uint64_t new_mm = ReadJournal(device_, 0, child).answer.mm_id;
  // Every journal of the descriptor in turn. The child had two mms; those of execs that failed on
  // the way through PATH don't count.
  std::vector<uint64_t> of_child;
  for (uint64_t after = 0;;) {
    Read read = ReadJournal(device_, after, 0, 1, 1, SVMA_JOURNAL_AFTER);
    if (read.error) {
      EXPECT_EQ(read.error, ENOENT);
      break;
    }
    ASSERT_GT(read.answer.mm_id, after);
    after = read.answer.mm_id;
    if (read.answer.pid == child) of_child.push_back(after);
  }
  ASSERT_EQ(of_child.size(), 2u);
  EXPECT_EQ(of_child[1], new_mm);
  std::vector<svma_journal_entry> old = Whole(device_, of_child[0]);
  ASSERT_FALSE(old.empty());
  EXPECT_EQ(old.front().operation, static_cast<uint32_t>(SVMA_OP_FORK));
  EXPECT_EQ(old.back().operation, static_cast<uint32_t>(SVMA_OP_EXIT));
  kill(child, SIGKILL);
}

TEST_F(JournalForked, ManyShortProcesses_LastOnesAreKept) {
  constexpr int kChildren = 100, kKept = 64;  // default of the module's parameter journals_kept
  for (int i = 0; i < kChildren; i++) {
    puppet_.Run([](Words) -> int64_t {
      pid_t pid = fork();
      if (pid == 0) _exit(0);
      int status;
      waitpid(pid, &status, 0);
      return 0;
    });
  }
  ASSERT_TRUE(WaitFor([&] { return device_.List().size() == 1; }));
  int kept = 0;
  for (uint64_t after = 0;;) {
    Read read = ReadJournal(device_, after, 0, 1, 0, SVMA_JOURNAL_AFTER);
    if (read.error) break;
    after = read.answer.mm_id;
    kept += after != id_;
  }
  EXPECT_EQ(kept, kKept);
}

TEST_F(Journal, BadInput_Errno) {
  EXPECT_EQ(ReadJournal(device_, 1ull << 60, 0).error, ENOENT);
  EXPECT_EQ(ReadJournal(device_, 0, 0).error, ENOENT);
  EXPECT_EQ(ReadJournal(device_, 0, -1).error, ENOENT);
  EXPECT_EQ(ReadJournal(device_, 0, getpid()).error, ENOENT);
  EXPECT_EQ(ReadJournal(device_, id_, 0, 1, 1, 2).error, EINVAL);
  EXPECT_EQ(ReadJournal(device_, id_, 0, 1, 1, ~0u).error, EINVAL);

  auto ask = Argument<svma_journal>();
  ask.mm_id = id_;
  EXPECT_EQ(device_.Ask(SVMA_IOC_JOURNAL, &ask), 0) << "capacity 0 asks whether there is anything";
  EXPECT_EQ(ask.count, 0u);
  EXPECT_EQ(ask.more, 1u);
  EXPECT_EQ(ask.pid, puppet_.pid());
  ask.capacity = 1;
  ask.buffer = 8;
  EXPECT_EQ(device_.Ask(SVMA_IOC_JOURNAL, &ask), EFAULT);
  // A capacity beyond all reason is no reason to write beyond the entries there are.
  std::vector<svma_journal_entry> room(kRingEntries);
  ask.buffer = reinterpret_cast<uint64_t>(room.data());
  ask.capacity = ~0u;
  ask.from = 0;
  EXPECT_EQ(device_.Ask(SVMA_IOC_JOURNAL, &ask), 0);
  EXPECT_LE(ask.count, kRingEntries);
  // Beyond the end there is nothing, and nothing is lost.
  ask.from = ~0ull;
  EXPECT_EQ(device_.Ask(SVMA_IOC_JOURNAL, &ask), 0);
  EXPECT_EQ(ask.count, 0u);
  EXPECT_EQ(ask.more, 0u);
  EXPECT_EQ(ask.lost, 0u);
}

TEST_F(Journal, Report_NoDivergence_Enoent) {
  for (uint32_t index : {0u, 1u, 255u, 256u, ~0u}) {
    auto ask = Argument<svma_report>();
    ask.index = index;
    EXPECT_EQ(device_.Ask(SVMA_IOC_REPORT, &ask), ENOENT) << index;
  }
}

// Whatever made the module report something: the long form agrees with the short one, names the
// kernel's way there, and the journal marks the entry. Without a fault in kernel or module there is
// nothing to look at.
TEST_F(Journal, Report_AsManyAsDivergences_Agree) {
  std::vector<svma_divergence> reports = device_.Divergences();
  for (uint32_t index = 0; index < reports.size(); index++) {
    auto ask = Argument<svma_report>();
    ask.index = index;
    ASSERT_EQ(device_.Ask(SVMA_IOC_REPORT, &ask), 0);
    EXPECT_EQ(memcmp(&ask.divergence, &reports[index], sizeof(reports[index])), 0);
    EXPECT_LE(ask.predicted, static_cast<uint32_t>(SVMA_REPORT_EXTENTS));
    EXPECT_LE(ask.observed, static_cast<uint32_t>(SVMA_REPORT_EXTENTS));
    EXPECT_GT(ask.frames, 0u);
    for (uint32_t frame = 0; frame < ask.frames; frame++) {
      std::string text(ask.stack[frame], strnlen(ask.stack[frame], sizeof(ask.stack[frame])));
      EXPECT_TRUE(text == "?" || text.find('+') != std::string::npos) << text;
      EXPECT_EQ(text.find("ffffffff"), std::string::npos) << text;
    }
  }
}

TEST(JournalDebugfs, File_ListsOperationsAndUntrackForgets) {
  Puppet puppet;
  Device device;
  const std::string track = SVMA_DEBUGFS "/track";
  ASSERT_EQ(WriteFile(track, std::to_string(puppet.pid())), 0);
  const std::string file = DebugDir(puppet.pid()) + "/journal";
  ASSERT_TRUE(WaitFor([&] { return access(file.c_str(), F_OK) == 0; }));
  puppet.Syscall(SYS_mmap,
                 {kArena, 2 * kPage, kReadWrite, kPrivate | MAP_FIXED_NOREPLACE, ~0ull, 0});
  for (int i = 0; i < 100; i++) puppet.Syscall(SYS_mprotect, {kArena, kPage, i % 2 ? 1ull : 3ull});
  const std::string text = ReadFile(file);
  EXPECT_EQ(text.rfind("1 seq 1 ", 0), 0u) << text.substr(0, 200);
  EXPECT_NE(text.find(" attach result 0"), std::string::npos);
  EXPECT_NE(text.find(" mmap result 17592186044416 args 100000000000 2000"), std::string::npos)
      << text;
  EXPECT_NE(text.find(" mprotect result 0 args 100000000000 100000001000"), std::string::npos);
  const int pid = puppet.pid();
  puppet.Kill();
  EXPECT_FALSE(Whole(device, 0, pid).empty()) << "debugfs keeps it";
  EXPECT_EQ(WriteFile(track, "-" + std::to_string(pid)), 0);
  EXPECT_EQ(ReadJournal(device, 0, pid).error, ENOENT);
  EXPECT_EQ(WriteFile(track, "-" + std::to_string(pid)), ENOENT);
}

}  // namespace
}  // namespace guest
