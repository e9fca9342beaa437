// SPDX-License-Identifier: GPL-2.0-only
#include "device.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>
#include <thread>

namespace guest {
namespace {

// Bits of vm_flags, the same in every kernel of interest.
constexpr uint64_t kRead = 1, kWrite = 2, kExec = 4, kMayShare = 0x80;
constexpr uint64_t kPage = 4096;

std::string Hex(uint64_t value) {
  char text[24];
  snprintf(text, sizeof(text), "%llx", static_cast<unsigned long long>(value));
  return text;
}

// Where the hole below a VMA ends for who looks for room.
uint64_t GapEnd(const svma_vma& vma) {
  constexpr uint64_t kGrowsDown = 0x100;
  if (!(vma.flags & kGrowsDown) || GapsAreWholeHoles()) return vma.start;
  return vma.start > kStackGuardGap ? vma.start - kStackGuardGap : 0;
}

}  // namespace

Device::Device(bool agree) : fd_(open(SVMA_DEVICE, O_RDWR | O_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), SVMA_DEVICE);
  if (!agree) return;
  auto version = Argument<svma_version>();
  version.abi = SVMA_ABI_VERSION;
  if (int error = Ask(SVMA_IOC_VERSION, &version)) {
    throw std::system_error(error, std::generic_category(), "SVMA_IOC_VERSION");
  }
}

void Device::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int Device::Ask(unsigned long request, void* argument) const {
  return ioctl(fd_, request, argument) < 0 ? errno : 0;
}

namespace {

// Somebody among them has what we wait for.
void PrintWhoIsAwake() {
  DIR* const proc = opendir("/proc");
  while (const dirent* entry = readdir(proc)) {
    const std::string place = "/proc/" + std::string(entry->d_name);
    const std::string stat = ReadFile(place + "/stat");
    const size_t name = stat.rfind(") ");
    if (atoi(entry->d_name) == 0 || name == std::string::npos) continue;
    const char state = stat[name + 2];
    if (strchr("SIZX", state)) continue;
    printf("%c %s)\n%s", state, stat.substr(0, name).c_str(), ReadFile(place + "/stack").c_str());
  }
  closedir(proc);
}

}  // namespace

int Device::AskUntilFree(unsigned long request, void* argument, int busy) const {
  constexpr int kMostTries = 5;
  int error = Ask(request, argument);
  for (int i = 1; i < kMostTries && error == busy; i++) {
    printf("request %lu: %s, once more\n", request & 0xff, strerror(error));
    PrintWhoIsAwake();
    error = Ask(request, argument);
  }
  return error;
}

int Device::Track(int pid, uint32_t flags, uint64_t* mm_id) const {
  auto track = Argument<svma_track>();
  track.pid = pid;
  track.flags = flags;
  int error = AskUntilFree(SVMA_IOC_TRACK, &track, EAGAIN);
  if (mm_id) *mm_id = track.mm_id;
  return error;
}

int Device::Untrack(int pid, uint64_t mm_id) const {
  auto untrack = Argument<svma_untrack>();
  untrack.pid = pid;
  untrack.mm_id = mm_id;
  return Ask(SVMA_IOC_UNTRACK, &untrack);
}

int Device::Mm(int pid, uint64_t mm_id, svma_mm* out) const {
  *out = Argument<svma_mm>();
  out->pid = pid;
  out->mm_id = mm_id;
  return Ask(SVMA_IOC_MM, out);
}

std::vector<svma_mm> Device::List(uint32_t flags) const {
  std::vector<svma_mm> mms(4096);
  auto list = Argument<svma_list>();
  list.flags = flags;
  list.capacity = mms.size();
  list.buffer = reinterpret_cast<uint64_t>(mms.data());
  if (int error = Ask(SVMA_IOC_LIST, &list)) {
    throw std::system_error(error, std::generic_category(), "SVMA_IOC_LIST");
  }
  mms.resize(std::min<size_t>(list.count, mms.size()));
  return mms;
}

svma_stats Device::Stats(uint32_t flags) const {
  auto stats = Argument<svma_stats>();
  stats.flags = flags;
  if (int error = Ask(SVMA_IOC_STATS, &stats)) {
    throw std::system_error(error, std::generic_category(), "SVMA_IOC_STATS");
  }
  return stats;
}

std::vector<svma_probe> Device::Probes() const {
  std::vector<svma_probe> rows(256);
  auto probes = Argument<svma_probes>();
  probes.capacity = rows.size();
  probes.buffer = reinterpret_cast<uint64_t>(rows.data());
  if (int error = Ask(SVMA_IOC_PROBES, &probes)) {
    throw std::system_error(error, std::generic_category(), "SVMA_IOC_PROBES");
  }
  rows.resize(std::min<size_t>(probes.count, rows.size()));
  return rows;
}

std::vector<svma_divergence> Device::Divergences() const {
  std::vector<svma_divergence> reports(256);
  auto divergences = Argument<svma_divergences>();
  divergences.capacity = reports.size();
  divergences.buffer = reinterpret_cast<uint64_t>(reports.data());
  if (int error = Ask(SVMA_IOC_DIVERGENCES, &divergences)) {
    throw std::system_error(error, std::generic_category(), "SVMA_IOC_DIVERGENCES");
  }
  reports.resize(std::min<size_t>(divergences.count, reports.size()));
  return reports;
}

std::vector<svma_vma> Device::Snapshot(uint64_t mm_id, uint32_t chunk) const {
  for (int attempt = 0; attempt < 20; attempt++) {
    std::vector<svma_vma> records, part(chunk);
    uint64_t start = 0, seq = 0;
    bool first = true, whole = true;
    for (;;) {
      auto snapshot = Argument<svma_snapshot>();
      snapshot.mm_id = mm_id;
      snapshot.capacity = chunk;
      snapshot.start = start;
      snapshot.buffer = reinterpret_cast<uint64_t>(part.data());
      if (Ask(SVMA_IOC_SNAPSHOT, &snapshot)) return {};
      if (!first && snapshot.seq != seq) whole = false;
      first = false;
      seq = snapshot.seq;
      records.insert(records.end(), part.begin(), part.begin() + snapshot.count);
      if (!whole || !snapshot.more || !snapshot.count) break;
      start = records.back().end;
    }
    if (whole) return records;
  }
  return {};
}

std::vector<Mapping> ParseMaps(const std::string& text) {
  std::vector<Mapping> maps;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    unsigned long long start, end, offset, ino;
    unsigned major, minor;
    char permissions[8], path[4096] = "";
    if (sscanf(line.c_str(), "%llx-%llx %4s %llx %x:%x %llu %4095[^\n]", &start, &end, permissions,
               &offset, &major, &minor, &ino, path) < 7) {
      throw std::runtime_error("no line of a maps file: " + line);
    }
    if (strcmp(path, "[vsyscall]") == 0) continue;
    maps.push_back({start, end, permissions, offset, major, minor, ino, path});
  }
  return maps;
}

std::vector<Mapping> ProcMaps(int pid) {
  return ParseMaps(ReadFile("/proc/" + std::to_string(pid) + "/maps"));
}

std::string Difference(const std::vector<svma_vma>& shadow, const std::vector<Mapping>& live) {
  auto line = [](uint64_t start, uint64_t end, const std::string& permissions, uint64_t offset,
                 uint32_t major, uint32_t minor, uint64_t ino) {
    return Hex(start) + "-" + Hex(end) + " " + permissions + " " + Hex(offset) + " " + Hex(major) +
           ":" + Hex(minor) + " " + std::to_string(ino);
  };
  for (size_t i = 0; i < std::max(shadow.size(), live.size()); i++) {
    std::string mine = "nothing", theirs = "nothing";
    if (i < shadow.size()) {
      const svma_vma& vma = shadow[i];
      std::string permissions = {vma.flags & kRead ? 'r' : '-', vma.flags & kWrite ? 'w' : '-',
                                 vma.flags & kExec ? 'x' : '-', vma.flags & kMayShare ? 's' : 'p'};
      mine = line(vma.start, vma.end, permissions, vma.file ? vma.pgoff * kPage : 0, vma.dev >> 20,
                  vma.dev & 0xfffff, vma.ino);
    }
    if (i < live.size()) {
      const Mapping& map = live[i];
      theirs = line(map.start, map.end, map.permissions, map.offset, map.major, map.minor, map.ino);
    }
    if (mine != theirs) return "shadow " + mine + ", live " + theirs;
  }
  return "";
}

std::string Choice(const std::string& name) {
  Device device;
  auto choice = Argument<svma_semantic>();
  for (; device.Ask(SVMA_IOC_SEMANTIC, &choice) == 0; choice.index++) {
    if (choice.name == name) return choice.value;
  }
  return "";
}

bool GapsAreWholeHoles() {
  static const bool holes = Choice("gap_rule") == "holes";
  return holes;
}

std::string TreeFault(const std::vector<svma_vma>& records) {
  struct Node {
    const svma_vma* vma;
    uint64_t hole;
    Node* left = nullptr;
    Node* right = nullptr;
  };
  std::map<uint64_t, Node> nodes;
  uint64_t below = 0;
  for (const svma_vma& vma : records) {
    if (vma.start >= vma.end || vma.start < below) return "order at " + Hex(vma.start);
    uint64_t top = GapEnd(vma);
    nodes[vma.start] = Node{&vma, top > below ? top - below : 0};
    below = vma.end;
  }
  Node* root = nullptr;
  for (auto& [start, node] : nodes) {
    if (node.vma->parent == SVMA_NONE) {
      if (root) return "second root at " + Hex(start);
      root = &node;
      continue;
    }
    auto parent = nodes.find(node.vma->parent);
    if (parent == nodes.end()) return "unknown parent at " + Hex(start);
    Node*& link = start < parent->first ? parent->second.left : parent->second.right;
    if (link) return "third child of " + Hex(parent->first);
    link = &node;
  }
  if (!root) return records.empty() ? "" : "no root";
  if (root->vma->bits & SVMA_VMA_RED) return "red root";

  std::string fault;
  size_t reached = 0;
  auto blame = [&](const char* what, const Node* node) {
    if (fault.empty()) fault = std::string(what) + " at " + Hex(node->vma->start);
  };
  // Depth is bounded by the check on it; returns {black height, largest hole}.
  std::function<std::pair<int, uint64_t>(Node*, uint32_t, uint64_t, uint64_t)> check =
      [&](Node* node, uint32_t depth, uint64_t low, uint64_t high) -> std::pair<int, uint64_t> {
    if (!node) return {0, 0};
    reached++;
    if (node->vma->depth != depth) blame("depth", node);
    if (node->vma->start < low || node->vma->start >= high) blame("search order", node);
    bool red = node->vma->bits & SVMA_VMA_RED;
    for (Node* child : {node->left, node->right}) {
      if (red && child && child->vma->bits & SVMA_VMA_RED) blame("red below red", child);
    }
    auto [left_black, left_hole] = check(node->left, depth + 1, low, node->vma->start);
    auto [right_black, right_hole] = check(node->right, depth + 1, node->vma->start, high);
    if (left_black != right_black) blame("black height", node);
    uint64_t hole = std::max({node->hole, left_hole, right_hole});
    if (node->vma->gap != hole) blame("gap", node);
    return {left_black + !red, hole};
  };
  check(root, 0, 0, SVMA_NONE);
  if (fault.empty() && reached != nodes.size()) fault = "nodes in a cycle";
  return fault;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int WriteFile(const std::string& path, const std::string& text) {
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = write(fd, text.data(), text.size()) < 0 ? errno : 0;
  close(fd);
  return error;
}

Setting::~Setting() { EXPECT_EQ(PutBack(), 0) << path_; }

uint64_t Stat(const std::string& name) {
  std::istringstream lines(ReadFile(SVMA_DEBUGFS "/stats"));
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(name + " ", 0) == 0) return std::stoull(line.substr(name.size() + 1));
  throw std::runtime_error("no " + name + " in stats");
}

std::string DebugDir(int pid) { return std::string(SVMA_DEBUGFS "/") + std::to_string(pid); }

int Patience() {
  static const char* const factor = getenv("SVMA_PATIENCE");
  return factor ? std::max(1, atoi(factor)) : 1;
}

bool DebugKernel() { return access("/sys/kernel/debug/kmemleak", F_OK) == 0; }

uint64_t VmasToMake(uint64_t wanted) { return DebugKernel() ? wanted / 32 : wanted; }

bool WaitFor(const std::function<bool()>& condition, int milliseconds) {
  auto end =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds) * Patience();
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace guest
