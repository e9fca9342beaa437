// SPDX-License-Identifier: GPL-2.0-only
//
// Reverse mapping: who maps a page, asked of the module and held against all page tables of a
// family of processes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr uint64_t kPagesOfFamily = 64;
// Shared by all of a family: how many have come to rest.
constexpr uint64_t kCounterPage = 100000;
constexpr uint64_t kPagesOfGiant = uint64_t{1} << 28;  // a TiB

char* Memory(uint64_t page) { return reinterpret_cast<char*>(kArena + page * kPage); }

std::atomic<int>& AtRest() { return *reinterpret_cast<std::atomic<int>*>(Memory(kCounterPage)); }

[[noreturn]] void Rest() {
  AtRest()++;
  for (;;) pause();
}

// Writes, splits, moves and merges, as `random` says.
void Live(std::mt19937_64& random) {
  for (int i = 0; i < 12; i++) {
    const uint64_t page = random() % kPagesOfFamily;
    char* const at = Memory(page);
    switch (random() % 6) {
      case 0:
        mprotect(at, kPage, PROT_READ);
        break;
      case 1:
        mprotect(Memory(0), kPagesOfFamily * kPage, PROT_READ | PROT_WRITE);
        break;
      case 2:
        mremap(at, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED,
               Memory(kPagesOfFamily + random() % kPagesOfFamily));
        mmap(at, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        break;
      default:
        mprotect(at, kPage, PROT_READ | PROT_WRITE);
        *at = static_cast<char>(i);
    }
  }
}

// A process and its descendants: `fanout` children each, `depth` generations. Each lives before and
// after it forks.
void Bush(uint64_t depth, uint64_t fanout, uint64_t seed) {
  std::mt19937_64 random(seed);
  Live(random);
  for (uint64_t i = 0; depth && i < fanout; i++) {
    const uint64_t seed_of_child = random();
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      Bush(depth - 1, fanout, seed_of_child);
      Rest();
    }
    Live(random);
  }
}

// Words: depth, fanout, processes without this one. RETURNS: 0 when all are at rest.
int64_t GrowBush(Words words) {
  mmap(Memory(kCounterPage), kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
       -1, 0);
  for (uint64_t page = 0; page < kPagesOfFamily; page++) *Memory(page) = 1;
  Bush(words[0], words[1], 7);
  while (AtRest() != static_cast<int>(words[2])) usleep(1000);
  return 0;
}

int64_t ForkSleeper(Words) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  return pid;
}

// Words: first page, pages. The child writes all of them and ends; so does its parent meanwhile.
int64_t CowStorm(Words words) {
  for (int round = 0; round < 6; round++) {
    pid_t children[4];
    for (pid_t& child : children) {
      child = fork();
      if (child == 0) {
        for (uint64_t i = 0; i < words[1]; i++) *Memory(words[0] + i) = static_cast<char>(round);
        _exit(0);
      }
    }
    for (uint64_t i = 0; i < words[1]; i += 3) *Memory(words[0] + i) = static_cast<char>(round);
    for (const pid_t child : children) waitpid(child, nullptr, 0);
  }
  return 0;
}

// Both write into the memory that they share as a whole.
int64_t WriteAndEnd(Words words) {
  *Memory(words[0]) = 2;
  return 0;
}
int64_t VforkWrites(Words words) {
  const pid_t pid = vfork();
  if (pid == 0) {
    *Memory(words[0]) = 1;
    _exit(0);
  }
  waitpid(pid, nullptr, 0);
  return 0;
}
int CloneBody(void* page) {
  const uint64_t words[] = {reinterpret_cast<uint64_t>(page)};
  return WriteAndEnd(words);
}
int64_t CloneVmWrites(Words words) {
  static char stack[16384];
  const pid_t pid = clone(CloneBody, stack + sizeof(stack), CLONE_VM | SIGCHLD,
                          reinterpret_cast<void*>(words[0]));
  if (pid < 0) return 1;
  waitpid(pid, nullptr, 0);
  return 0;
}

// Words: seconds. The parent splits what its child has from it, and merges it again; meanwhile the
// child maps beside that and unmaps, which has the chains of the neighbours compared. RETURNS: 0,
// or what of that failed.
int64_t SplitsBesideChild(Words words) {
  const time_t end = time(nullptr) + words[0];
  char* const memory = Memory(0);
  const pid_t child = fork();
  if (child == 0) {
    for (bool well = true; time(nullptr) < end;) {
      char* const beside = Memory(kPagesOfFamily);
      well =
          mmap(beside, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == beside;
      if (!well || munmap(beside, kPage) != 0) _exit(1);
    }
    _exit(0);
  }
  while (time(nullptr) < end) {
    if (madvise(memory + 8 * kPage, kPage, MADV_DONTFORK) != 0) return 2;
    if (madvise(memory + 8 * kPage, kPage, MADV_DOFORK) != 0) return 3;
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

// Words: seconds. Forks that fail at the VMA in the middle, which is more than the system has;
// meanwhile a thread has the chains of one above compared. RETURNS: forks, or -1 when one
// succeeded.
int64_t ForksThatFail(Words words) {
  const time_t end = time(nullptr) + words[0];
  int64_t forks = 0;
  std::thread beside([end] {
    char* const at = Memory(3 * kPagesOfFamily + kPagesOfGiant);
    while (time(nullptr) < end) {
      mmap(at, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      munmap(at, kPage);
    }
  });
  while (time(nullptr) < end && forks >= 0) {
    const pid_t pid = fork();
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, nullptr, 0);
    forks = pid < 0 ? forks + 1 : -1;
  }
  beside.join();
  return forks;
}

// Words: first page, pages. All of them get the same content.
int64_t FillAlike(Words words) {
  memset(Memory(words[0]), 0x5a, words[1] * kPage);
  return 0;
}

using Place = std::pair<uint64_t, uint64_t>;  // mm_id, address

class Rmap : public Tracee {
 protected:
  Rmap() : Tracee(SVMA_TRACK_DESCENDANTS) {}

  std::vector<svma_sharer> Sharers(uint64_t mm_id, uint64_t address, svma_sharers* question) {
    std::vector<svma_sharer> sharers(1024);
    *question = Argument<svma_sharers>();
    question->mm_id = mm_id;
    question->addr = address;
    question->capacity = sharers.size();
    question->buffer = reinterpret_cast<uint64_t>(sharers.data());
    EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, question), 0) << std::hex << address;
    EXPECT_EQ(question->total, question->count);
    sharers.resize(question->count);
    return sharers;
  }

  std::vector<svma_chain_link> Chains(uint64_t mm_id) {
    std::vector<svma_chain_link> links;
    auto question = Argument<svma_chains>();
    question.mm_id = mm_id;
    do {
      std::vector<svma_chain_link> part(7);
      question.capacity = part.size();
      question.buffer = reinterpret_cast<uint64_t>(part.data());
      if (device_.Ask(SVMA_IOC_CHAINS, &question) != 0) {
        ADD_FAILURE() << "SVMA_IOC_CHAINS";
        break;
      }
      links.insert(links.end(), part.begin(), part.begin() + question.count);
    } while (question.more);
    return links;
  }

  void ExpectCommand(uint64_t page, const std::string& part) {
    std::string out;
    char arguments[64];
    snprintf(arguments, sizeof(arguments), "%d %lx", puppet_.pid(), static_cast<long>(At(page)));
    EXPECT_EQ(Command(arguments, &out), 0) << out;
    EXPECT_NE(out.find(part), std::string::npos) << out;
  }

  pid_t ForkChild() {
    const Answer child = puppet_.Run(ForkSleeper);
    EXPECT_GT(child.value, 0);
    Check("fork");
    return child.value;
  }

  svma_rmap_stats Counts() {
    auto counts = Argument<svma_rmap_stats>();
    EXPECT_EQ(device_.Ask(SVMA_IOC_RMAP, &counts), 0);
    return counts;
  }

  // All pages of the arena of all tracked mms, by frame. Nothing of them runs.
  void LookEverywhere() {
    for (const svma_mm& mm : device_.List()) {
      mms_[mm.mm_id] = mm.pid;
      for (const svma_vma& vma : device_.Snapshot(mm.mm_id)) {
        if (vma.start < kArena || vma.start >= kArena + 2 * kPagesOfFamily * kPage) continue;
        const std::vector<uint64_t> words =
            Pagemap(mm.pid, vma.start, (vma.end - vma.start) / kPage);
        for (size_t i = 0; i < words.size(); i++) {
          if (!(words[i] & kPagemapPresent)) continue;
          const Place place(mm.mm_id, vma.start + i * kPage);
          by_frame_[words[i] & kPagemapPlace].insert(place);
          frame_at_[place] = words[i] & kPagemapPlace;
        }
      }
    }
  }

  // Who maps the page at `place`, by the module's word, verified; against what every page table
  // says.
  void ExpectAllSharers(const Place& place) {
    svma_sharers question;
    std::set<Place> found;
    const uint64_t frame = frame_at_.at(place);
    for (const svma_sharer& sharer : Sharers(place.first, place.second, &question)) {
      const Place there(sharer.mm_id, sharer.address);
      EXPECT_LE(sharer.start, sharer.address);
      EXPECT_LT(sharer.address, sharer.end);
      const auto at = frame_at_.find(there);
      if (at != frame_at_.end() && at->second == frame) {
        EXPECT_TRUE(found.insert(there).second) << "told twice";
      }
    }
    EXPECT_EQ(found, by_frame_.at(frame)) << std::hex << place.second;
    EXPECT_EQ(question.abroad, 0u);
    if (found.count(place)) compared_++;
  }

  // As `svma rmap` is called. RETURNS: its exit status.
  int Command(const std::string& arguments, std::string* out) {
    FILE* pipe = popen(("/opt/svma/bin/svma rmap " + arguments + " 2>&1").c_str(), "r");
    if (!pipe) return -1;
    char part[4096];
    out->clear();
    while (size_t got = fread(part, 1, sizeof(part), pipe)) out->append(part, got);
    const int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::map<uint64_t, int> mms_;
  std::map<uint64_t, std::set<Place>> by_frame_;
  std::map<Place, uint64_t> frame_at_;
  uint64_t compared_ = 0;
};

TEST_F(Rmap, Chains_ForkedTwice_LinkedToAllAncestors) {
  Map(0, 4);
  Touch(0, 4);
  const Answer child = puppet_.Run(ForkSleeper);
  ASSERT_GT(child.value, 0);
  Check("fork");
  svma_mm mm;
  ASSERT_EQ(device_.Mm(child.value, 0, &mm), 0);
  std::vector<svma_chain_link> links;
  for (const svma_chain_link& link : Chains(mm.mm_id))
    if (link.start == At(0)) links.push_back(link);
  ASSERT_EQ(links.size(), 2u);
  const svma_chain_link& own = links[0].bits & SVMA_LINK_OWN ? links[0] : links[1];
  const svma_chain_link& old = links[0].bits & SVMA_LINK_OWN ? links[1] : links[0];
  EXPECT_EQ(own.bits, SVMA_LINK_OWN);
  EXPECT_EQ(own.parent, old.anon_vma);
  EXPECT_EQ(own.root, old.root);
  EXPECT_EQ(own.end, At(4));
  EXPECT_EQ(own.children, 0u);
  EXPECT_EQ(own.active_vmas, 1u);
  EXPECT_GE(old.children, 1u);
  bool same = false;
  for (const svma_chain_link& link : Chains(id_))
    same |= link.start == At(0) && link.anon_vma == old.anon_vma && link.bits & SVMA_LINK_OWN;
  EXPECT_TRUE(same) << "the parent's own anon_vma is the child's second";
  KillAndReap(child.value);
}

TEST_F(Rmap, Sharers_FamilyOf255_EveryPageEveryone) {
  constexpr uint64_t kDepth = 7, kFanout = 2, kChildren = 254;  // 2 + 4 + ... + 128
  Map(0, kPagesOfFamily);
  const Answer grown = puppet_.Run(GrowBush, {kDepth, kFanout, kChildren});
  ASSERT_EQ(grown.value, 0);
  LookEverywhere();
  ASSERT_EQ(mms_.size(), kChildren + 1);
  std::vector<Place> places;
  for (const auto& [place, frame] : frame_at_) places.push_back(place);
  ASSERT_GT(places.size(), 5000u);
  std::mt19937_64 random(11);
  std::shuffle(places.begin(), places.end(), random);
  places.resize(std::min<size_t>(places.size(), 10000));
  size_t most = 0;
  for (const Place& place : places) {
    ExpectAllSharers(place);
    if (HasFailure()) break;
    most = std::max(most, by_frame_.at(frame_at_.at(place)).size());
  }
  EXPECT_EQ(compared_, places.size());
  EXPECT_GT(most, 20u) << "hardly anything is shared: the bush is too thin";
  RecordProperty("pages", places.size());
  RecordProperty("most_sharers", most);
  Check("bush");
}

TEST_F(Rmap, Command_ForkedPage_AllOfThem) {
  Map(0, 4);
  Touch(0, 4);
  const Answer child = puppet_.Run(ForkSleeper);
  ASSERT_GT(child.value, 0);
  std::string out;
  char arguments[64];
  snprintf(arguments, sizeof(arguments), "%d %lx", puppet_.pid(), static_cast<long>(At(1) + 5));
  EXPECT_EQ(Command(arguments, &out), 0) << out;
  EXPECT_NE(out.find("2 VMAs may map it, 2 do; that is all of them"), std::string::npos) << out;
  // A page of its own after it was written.
  EXPECT_EQ(puppet_.Syscall(SYS_madvise, {At(1), kPage, MADV_DONTNEED}).value, 0);
  Touch(1, 1);
  EXPECT_EQ(Command(arguments, &out), 0) << out;
  EXPECT_NE(out.find("2 VMAs may map it, 1 do; that is all of them"), std::string::npos) << out;
  snprintf(arguments, sizeof(arguments), "--tree %d", puppet_.pid());
  EXPECT_EQ(Command(arguments, &out), 0) << out;
  char own[64];
  snprintf(own, sizeof(own), "own of %d %lx-", static_cast<int>(child.value),
           static_cast<long>(At(0)));
  EXPECT_NE(out.find(own), std::string::npos) << out;
  KillAndReap(child.value);
}

// What stands before and behind the target, and what comes there: all that the merge selftest of
// v6.17 (tools/testing/selftests/mm/merge.c) has about mremap(), each combination.
TEST_F(Rmap, Mremap_BetweenFaultedAndUnfaulted_ChainsArePredicted) {
  enum Neighbour { kNone, kUnfaulted, kFaulted };
  uint64_t base = 0;
  const svma_rmap_stats before = Counts();
  for (int combination = 0; combination < 3 * 3 * 2 * 2 * 2; combination++, base += 1000) {
    int rest = combination;
    const auto take = [&rest](int kinds) {
      const int kind = rest % kinds;
      rest /= kinds;
      return kind;
    };
    const int prev = take(3), next = take(3);
    const bool source_faulted = take(2), forked = take(2), dontunmap = take(2);
    char name[80];
    snprintf(name, sizeof(name), "prev %d next %d source faulted %d forked %d dontunmap %d", prev,
             next, source_faulted, forked, dontunmap);
    // In one piece first, so that offsets and anon_vmas fit where they may.
    const uint64_t target = base + 3, away = base + 500;
    Map(target, 3);
    if (source_faulted) Touch(target, 1);
    if (prev == kFaulted) {
      Map(base, 3);
      Touch(base, 3);
    }
    if (next == kFaulted) {
      Map(base + 6, 3);
      Touch(base + 6, 3);
    }
    const pid_t child = forked ? ForkChild() : 0;
    ASSERT_NE(puppet_
                  .Syscall(SYS_mremap, {At(target), 3 * kPage, 3 * kPage,
                                        MREMAP_MAYMOVE | MREMAP_FIXED, At(away)})
                  .value,
              -1)
        << name;
    if (prev == kUnfaulted) Map(base, 3);
    if (next == kUnfaulted) Map(base + 6, 3);
    const uint64_t flags =
        MREMAP_MAYMOVE | MREMAP_FIXED | (dontunmap ? uint64_t{MREMAP_DONTUNMAP} : 0);
    ASSERT_NE(
        puppet_.Syscall(SYS_mremap, {At(away), 3 * kPage, 3 * kPage, flags, At(target)}).value, -1)
        << name;
    Check(name);
    // First faults afterwards choose by what the merge has left.
    Touch(target, 3);
    if (prev) Touch(base, 3);
    if (next) Touch(base + 6, 3);
    if (child) KillAndReap(child);
    if (HasFailure()) return;
  }
  const svma_rmap_stats after = Counts();
  EXPECT_GT(after.compared, before.compared + 300);
  EXPECT_EQ(after.compared - after.equal, before.compared - before.equal);
}

TEST_F(Rmap, CowStorm_AndSharedAddressSpaces_ChainsArePredicted) {
  const svma_rmap_stats before = Counts();
  Map(0, 256);
  Touch(0, 256);
  Run("storm", CowStorm, {0, 256});
  Map(300, 4);
  Run("vfork", VforkWrites, {300});
  Run("clone(CLONE_VM)", CloneVmWrites, {302});
  ExpectCommand(0, "that is all of them");
  const svma_rmap_stats after = Counts();
  EXPECT_GT(after.compared, before.compared + 24);
  EXPECT_EQ(after.compared - after.equal, before.compared - before.equal);
}

// A relative in the middle of a call that the shadow follows as a whole.
TEST_F(Rmap, RelativeSplitsMeanwhile_NothingFalselyDiffers) {
  const svma_rmap_stats before = Counts();
  Map(0, kPagesOfFamily);
  Touch(0, kPagesOfFamily);
  Run("splits", SplitsBesideChild, {5ull * Patience()});
  const svma_rmap_stats after = Counts();
  printf("split meanwhile: %llu compared, %llu unsure\n",
         static_cast<unsigned long long>(after.compared - before.compared),
         static_cast<unsigned long long>(after.unsure - before.unsure));
  EXPECT_GT(after.compared, before.compared + 1000);
  EXPECT_EQ(after.compared - after.equal, before.compared - before.equal);
}

// Since v6.8 the tree of a child whose fork fails has VMAs of its parent above the place.
TEST_F(Rmap, ForkFailsHalfWay_NothingFalselyDiffers) {
  Setting overcommit("/proc/sys/vm/overcommit_memory");
  ASSERT_EQ(overcommit.Set("1"), 0);
  Map(0, kPagesOfFamily);
  Map(kPagesOfFamily, kPagesOfGiant);
  Map(2 * kPagesOfFamily + kPagesOfGiant, kPagesOfFamily);
  Touch(0, kPagesOfFamily);
  Touch(2 * kPagesOfFamily + kPagesOfGiant, kPagesOfFamily);
  ASSERT_EQ(overcommit.Set("0"), 0);
  const svma_rmap_stats before = Counts();
  const int64_t forks = puppet_.Run(ForksThatFail, {5ull * Patience()}).value;
  const svma_rmap_stats after = Counts();
  EXPECT_EQ(overcommit.PutBack(), 0);
  printf("%lld forks failed, %llu compared\n", static_cast<long long>(forks),
         static_cast<unsigned long long>(after.compared - before.compared));
  EXPECT_GT(forks, 20);
  EXPECT_GT(after.compared, before.compared + 1000);
  EXPECT_EQ(after.compared - after.equal, before.compared - before.equal);
  Check("forks that fail");
}

// MADV_SOFT_OFFLINE moves a page to another frame and never uses the old one again.
TEST_F(Rmap, Migration_SharersStayTheSame) {
  constexpr uint64_t kSoftOffline = 101;
  Map(0, 4);
  Touch(0, 4);
  const pid_t child = ForkChild();
  const uint64_t frame = Pagemap(puppet_.pid(), At(1))[0] & kPagemapPlace;
  ASSERT_EQ(puppet_.Syscall(SYS_madvise, {At(1), kPage, kSoftOffline}).value, 0);
  Check("migrated");
  const uint64_t there = Pagemap(puppet_.pid(), At(1))[0] & kPagemapPlace;
  EXPECT_NE(there, frame);
  EXPECT_EQ(Pagemap(child, At(1))[0] & kPagemapPlace, there);
  ExpectCommand(1, "2 VMAs may map it, 2 do; that is all of them");
  KillAndReap(child);
}

TEST_F(Rmap, SwappedOut_FoundByItsSlot) {
  const SwapFile swap;
  Map(0, 4);
  Touch(0, 4);
  PageOut(0, 4);
  ASSERT_TRUE(Pagemap(puppet_.pid(), At(1))[0] & kPagemapSwapped);
  const pid_t child = ForkChild();
  ExpectCommand(1, "swapped out, slot");
  ExpectCommand(1, "2 VMAs may map it, 2 do\n");
  Touch(1, 1);
  ExpectCommand(1, "2 VMAs may map it, 1 do");
  KillAndReap(child);
}

TEST_F(Rmap, HugePage_ForkedAndSplit_AllOfThem) {
  constexpr uint64_t kHuge = 512;
  Map(0, 2 * kHuge);
  ASSERT_EQ(puppet_.Syscall(SYS_madvise, {At(0), 2 * kHuge * kPage, MADV_HUGEPAGE}).value, 0);
  Touch(kHuge, kHuge);
  const pid_t child = ForkChild();
  ExpectCommand(kHuge + 7, "anonymous, part of a larger one");
  ExpectCommand(kHuge + 7, "2 VMAs may map it, 2 do");
  Protect(kHuge + 5, 1, PROT_READ);  // the page table is split, the page is not
  ExpectCommand(kHuge + 5, "2 VMAs may map it, 2 do");
  Touch(kHuge + 9, 1);
  ExpectCommand(kHuge + 9, "2 VMAs may map it, 1 do");
  KillAndReap(child);
}

// Whose pages are alike is no matter of reverse mapping: those that share a merged page are found
// by another way, and nothing is claimed about them.
TEST_F(Rmap, Ksm_MergedPage_CountIsNotClaimed) {
  Map(0, 64);
  Run("fill", FillAlike, {0, 64});
  ASSERT_EQ(puppet_.Syscall(SYS_madvise, {At(0), 64 * kPage, MADV_MERGEABLE}).value, 0);
  Check("mergeable");
  Setting run("/sys/kernel/mm/ksm/run"), pages("/sys/kernel/mm/ksm/pages_to_scan");
  ASSERT_EQ(pages.Set("10000"), 0);
  ASSERT_EQ(run.Set("1"), 0);
  EXPECT_TRUE(WaitFor([&] {
    const std::vector<uint64_t> words = Pagemap(puppet_.pid(), At(0), 64);
    return (words[3] & kPagemapPlace) == (words[60] & kPagemapPlace);
  }));
  ExpectCommand(3, "anonymous, merged by KSM");
  EXPECT_EQ(run.Set("2"), 0);  // unmerges all
  EXPECT_EQ(run.PutBack(), 0);
  ASSERT_EQ(puppet_.Syscall(SYS_madvise, {At(0), 64 * kPage, MADV_UNMERGEABLE}).value, 0);
  Check("unmergeable");
  ExpectCommand(3, "1 VMAs may map it, 1 do; that is all of them");
}

constexpr char kFile[] = "/rmap-test-file";

class RmapFile : public Rmap {
 protected:
  // Page 1 of the file is mapped thrice: shared, private, and shared once more at another offset.
  void SetUp() override {
    Rmap::SetUp();
    // Page by page: what is written at once may become one large folio, whose parts are counted
    // in another way.
    const std::string content(kPage, 'f');
    const int fd = open(kFile, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ASSERT_GE(fd, 0);
    for (int i = 0; i < 8; i++) {
      ASSERT_EQ(write(fd, content.data(), kPage), static_cast<ssize_t>(kPage));
    }
    close(fd);
    const int64_t file =
        puppet_.Syscall(SYS_open, {reinterpret_cast<uint64_t>(kFile), O_RDWR}).value;
    ASSERT_GE(file, 0);
    Map(0, 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    Map(10, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    Map(20, 2, PROT_READ | PROT_WRITE, MAP_SHARED, file, 1);
    Run("read", ReadAll);
  }
  void TearDown() override {
    unlink(kFile);
    Rmap::TearDown();
  }

  static int64_t ReadAll(Words) {
    for (const uint64_t page : {0, 1, 10, 11, 20}) {
      if (*static_cast<volatile char*>(Memory(page)) != 'f') return 1;
    }
    return 0;
  }

  // The places at which the module says that a page of the file may be.
  std::set<Place> FileSharers(uint64_t page) {
    svma_sharers question;
    Sharers(id_, At(0), &question);
    std::vector<svma_sharer> sharers(64);
    auto of_file = Argument<svma_sharers>();
    of_file.flags = SVMA_SHARERS_FILE;
    of_file.dev = question.dev;
    of_file.ino = question.ino;
    of_file.page = page;
    of_file.capacity = sharers.size();
    of_file.buffer = reinterpret_cast<uint64_t>(sharers.data());
    EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, &of_file), 0);
    EXPECT_EQ(of_file.total, of_file.count);
    std::set<Place> places;
    for (uint32_t i = 0; i < of_file.count; i++) {
      EXPECT_TRUE(places.insert({sharers[i].mm_id, sharers[i].address}).second) << "told twice";
    }
    return places;
  }
};

TEST_F(RmapFile, Sharers_ManyProcesses_AllThatMapThePage) {
  std::vector<pid_t> children;
  for (int i = 0; i < 8; i++) children.push_back(ForkChild());
  Protect(1, 1, PROT_READ);  // of the parent alone: its shared mapping is three VMAs now
  LookEverywhere();
  ASSERT_EQ(mms_.size(), 9u);
  std::set<Place> expected;
  for (const auto& [mm_id, pid] : mms_) {
    for (const uint64_t page : {1, 11, 20}) expected.insert({mm_id, At(page)});
  }
  EXPECT_EQ(FileSharers(1), expected);
  // What was read is in each page table of the parent; children get shared pages by their own
  // faults.
  for (const Place& place : by_frame_.at(frame_at_.at({id_, At(1)}))) {
    EXPECT_TRUE(expected.count(place)) << std::hex << place.second;
  }
  EXPECT_EQ(FileSharers(6).size(), 0u);
  EXPECT_EQ(FileSharers(SVMA_NONE).size(), 9u * 3 + 2);
  ExpectCommand(1, "of a file, mapped");
  for (const pid_t child : children) KillAndReap(child);
}

TEST_F(RmapFile, PrivateCopy_IsFoundAsAnonymous) {
  ExpectCommand(11, "3 VMAs may map it, 3 do; that is all of them");
  Touch(11, 1);
  ExpectCommand(11, "anonymous, mapped 1 times");
  ExpectCommand(11, "1 VMAs may map it, 1 do; that is all of them");
  ExpectCommand(1, "3 VMAs may map it, 2 do; that is all of them");
  const pid_t child = ForkChild();
  ExpectCommand(11, "2 VMAs may map it, 2 do; that is all of them");
  KillAndReap(child);
}

// Wherever it is moved to, the indices of what was written stay: in 7.3 they are no offsets in the
// file.
TEST_F(RmapFile, PrivateCopy_Moved_IsFoundFromBothEnds) {
  Touch(11, 1);
  const pid_t child = ForkChild();
  uint64_t at = 10;
  for (const uint64_t to : {1010, 5, 70000}) {
    Do("mremap", SYS_mremap, {At(at), 4 * kPage, 4 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, At(to)});
    ExpectCommand(to + 1, "2 VMAs may map it, 2 do; that is all of them");
    at = to;
  }
  KillAndReap(child);
}

TEST_F(RmapFile, Command_ByName_ListsMappings) {
  std::string out;
  EXPECT_EQ(Command(std::string("--file ") + kFile, &out), 0) << out;
  EXPECT_NE(out.find("3 VMAs may map it"), std::string::npos) << out;
  EXPECT_EQ(Command(std::string("--file ") + kFile + " --page 1", &out), 0) << out;
  EXPECT_NE(out.find("3 VMAs may map it, 3 do"), std::string::npos) << out;
  EXPECT_EQ(Command("--file /no/such/file", &out), 2);
  EXPECT_NE(out.find("No such file"), std::string::npos) << out;
  EXPECT_EQ(Command("", &out), 2) << out;
}

TEST_F(Rmap, Debugfs_SaysTheSameAsTheIoctl) {
  Map(0, 4);
  Touch(0, 4);
  Map(8, 4);
  size_t lines = 0;
  const std::string text = ReadFile(DebugDir(puppet_.pid()) + "/rmap");
  for (size_t at = 0; (at = text.find("  anon_vma ", at)) != std::string::npos; at++) lines++;
  EXPECT_EQ(lines, Chains(id_).size());
  char header[64];
  snprintf(header, sizeof(header), "%lx-%lx\n", static_cast<long>(At(0)), static_cast<long>(At(4)));
  EXPECT_NE(text.find(header), std::string::npos) << text;
  snprintf(header, sizeof(header), "%lx-", static_cast<long>(At(8)));
  EXPECT_EQ(text.find(header), std::string::npos) << "it has no page yet";
}

TEST_F(Rmap, Sharers_BadQuestions_Refused) {
  svma_sharer sharer;
  auto question = Argument<svma_sharers>();
  question.mm_id = id_;
  question.addr = At(0);
  question.capacity = 1;
  question.buffer = reinterpret_cast<uint64_t>(&sharer);
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, &question), ENOENT) << "nothing is mapped there";
  question.flags = 4;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, &question), EINVAL);
  question.flags = 0;
  question.mm_id = ~0ull;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, &question), ENOENT);
  Map(0, 1);
  Touch(0, 1);
  question.mm_id = id_;
  question.buffer = 8;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, &question), EFAULT);
  question.capacity = 0;
  EXPECT_EQ(device_.Ask(SVMA_IOC_SHARERS, &question), 0);
  EXPECT_EQ(question.total, 1u);
  auto chains = Argument<svma_chains>();
  chains.mm_id = id_;
  chains.reserved = 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_CHAINS, &chains), EINVAL);
}

}  // namespace
}  // namespace guest
