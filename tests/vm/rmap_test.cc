// SPDX-License-Identifier: GPL-2.0-only
//
// Reverse mapping: who maps a page, asked of the module and held against all page tables of a
// family of processes.
#include <fcntl.h>
#include <gtest/gtest.h>
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

#include "tracee.hpp"

namespace guest {
namespace {

constexpr uint64_t kPagesOfFamily = 64;
// Shared by all of a family: how many have come to rest.
constexpr uint64_t kCounterPage = 100000;

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

constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kPlace = (uint64_t{1} << 55) - 1;

// /proc/PID/pagemap of whole VMAs.
std::vector<uint64_t> Pagemap(int pid, uint64_t start, uint64_t end) {
  std::vector<uint64_t> words((end - start) / kPage);
  const int fd = open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY);
  EXPECT_GE(fd, 0);
  const ssize_t size = words.size() * sizeof(words[0]);
  EXPECT_EQ(pread(fd, words.data(), size, start / kPage * sizeof(words[0])), size);
  close(fd);
  return words;
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

  // All pages of the arena of all tracked mms, by frame. Nothing of them runs.
  void LookEverywhere() {
    for (const svma_mm& mm : device_.List()) {
      mms_[mm.mm_id] = mm.pid;
      for (const svma_vma& vma : device_.Snapshot(mm.mm_id)) {
        if (vma.start < kArena || vma.start >= kArena + 2 * kPagesOfFamily * kPage) continue;
        const std::vector<uint64_t> words = Pagemap(mm.pid, vma.start, vma.end);
        for (size_t i = 0; i < words.size(); i++) {
          if (!(words[i] & kPresent)) continue;
          const Place place(mm.mm_id, vma.start + i * kPage);
          by_frame_[words[i] & kPlace].insert(place);
          frame_at_[place] = words[i] & kPlace;
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

TEST_F(Rmap, Sharers_FamilyOf200_EveryPageEveryone) {
  constexpr uint64_t kDepth = 3, kFanout = 5, kChildren = 5 + 25 + 125;
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
  places.resize(std::min<size_t>(places.size(), 2000));
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
