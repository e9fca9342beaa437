// SPDX-License-Identifier: GPL-2.0-only
#include "lib/device.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "lib/error.hpp"
#include "lib/oracle_proc.hpp"

namespace svma {
namespace {

constexpr uint32_t kFirstCapacity = 1024;  // VMAs, mms or probes asked for at once
constexpr uint32_t kJournalPart = 256;     // entries asked for at once
constexpr int kSnapshotAttempts = 100;  // of a layout that is longer than one part, while it moves

template <typename Argument>
Argument sized() {
  Argument argument{};
  argument.size = sizeof(argument);
  return argument;
}

uint64_t address_of(const void* buffer) { return reinterpret_cast<uintptr_t>(buffer); }

Fd open_device() {
  Fd fd(open(SVMA_DEVICE, O_RDWR | O_CLOEXEC));
  if (fd) return fd;
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      throw Error("{}: the module is not loaded; insmod svma.ko first", SVMA_DEVICE);
    case EACCES:
    case EPERM:
      throw Error("{}: no permission; run as root (CAP_SYS_ADMIN)", SVMA_DEVICE);
    default:
      throw Error("{}: cannot open: {}", SVMA_DEVICE, errno_text(errno));
  }
}

[[noreturn]] void throw_track_error(pid_t pid, int error) {
  std::string why = why_not_checkable(pid);
  if (error == ENOSPC)
    throw Error(
        "process {}: the module's memory cap is reached; raise its parameter memory_cap_mb or "
        "track less",
        pid);
  if (error == EAGAIN)
    throw Error(
        "process {}: its mmap_lock was never free, or its layout changed each time while it was "
        "read; try again, or raise the module's parameter hold_us",
        pid);
  if (!why.empty()) throw Error("process {}: {}", pid, why);
  if (error == ESRCH) throw Error("process {}: it ended before it could be tracked", pid);
  if (error == EINVAL) throw Error("process {}: it has no address space to track", pid);
  throw Error("process {}: cannot track: {}", pid, errno_text(error));
}

}  // namespace

Vma to_vma(const svma_vma& record) {
  return {record.start, record.end, record.flags, record.pgoff, record.ino, record.dev};
}

Totals to_totals(const svma_totals& totals) {
  return {totals.map_count, totals.total_vm, totals.data_vm,
          totals.exec_vm,   totals.stack_vm, totals.locked_vm};
}

Device::Device() : fd_(open_device()), version_(sized<svma_version>()) {
  version_.abi = SVMA_ABI_VERSION;
  switch (int error = call(SVMA_IOC_VERSION, &version_)) {
    case 0:
      return;
    case EPROTO:
      throw Error(
          "{}: the module speaks version {} of the interface, this svma {}; use both from one "
          "build",
          SVMA_DEVICE, version_.abi, SVMA_ABI_VERSION);
    case ENOTTY:
      throw Error("{}: this is not svma's device; insmod svma.ko first", SVMA_DEVICE);
    default:
      throw Error("{}: cannot agree on a version: {}", SVMA_DEVICE, errno_text(error));
  }
}

int Device::call(unsigned long request, void* argument) {
  for (;;) {
    if (ioctl(fd_.get(), request, argument) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool Device::call_or_throw(unsigned long request, void* argument, const char* name, int tolerated) {
  int error = call(request, argument);
  if (error == 0) return true;
  if (error == tolerated) return false;
  throw Error("{}: {}: {}", SVMA_DEVICE, name, errno_text(error));
}

bool Device::track(pid_t pid, uint32_t flags) {
  auto question = sized<svma_track>();
  question.pid = pid;
  question.flags = flags;
  int error = call(SVMA_IOC_TRACK, &question);
  if (error != 0 && error != EBUSY) throw_track_error(pid, error);
  return error == 0;
}

std::vector<svma_mm> Device::list_mine() { return list(SVMA_LIST_MINE); }

std::vector<svma_mm> Device::list_all() { return list(0); }

std::vector<svma_mm> Device::list(uint32_t flags) {
  std::vector<svma_mm> mms(kFirstCapacity);
  for (;;) {
    auto question = sized<svma_list>();
    question.flags = flags;
    question.capacity = mms.size();
    question.buffer = address_of(mms.data());
    call_or_throw(SVMA_IOC_LIST, &question, "list");
    const bool all = question.count <= mms.size();
    mms.resize(all ? question.count : 2 * size_t{question.count});
    if (all) return mms;
  }
}

std::optional<svma_mm> Device::mm_of_pid(pid_t pid) {
  auto question = sized<svma_mm>();
  question.pid = pid;
  if (!call_or_throw(SVMA_IOC_MM, &question, "mm", ENOENT)) return std::nullopt;
  return question;
}

std::optional<ShadowMoment> Device::moment_of_pid(pid_t pid) {
  auto mm = mm_of_pid(pid);
  if (!mm) return std::nullopt;
  return ShadowMoment{mm->mm_id, mm->seq, mm->health};
}

bool Device::read_parts(svma_snapshot& question, std::vector<svma_vma>& vmas) {
  std::optional<uint64_t> seq;
  size_t filled = 0;
  vmas.resize(std::max<size_t>(vmas.size(), kFirstCapacity));
  for (;;) {
    question.capacity = vmas.size() - filled;
    question.start = filled ? vmas[filled - 1].end : 0;
    question.buffer = address_of(vmas.data() + filled);
    if (!call_or_throw(SVMA_IOC_SNAPSHOT, &question, "snapshot", ENOENT)) return false;
    if (seq && *seq != question.seq) return false;
    seq = question.seq;
    filled += question.count;
    if (!question.more) break;
    if (filled == vmas.size()) vmas.resize(2 * vmas.size());
  }
  vmas.resize(filled);
  return true;
}

std::optional<ShadowView> Device::snapshot(uint64_t mm_id) {
  std::vector<svma_vma> records;
  for (int attempt = 0; attempt < kSnapshotAttempts; ++attempt) {
    auto question = sized<svma_snapshot>();
    question.mm_id = mm_id;
    if (!read_parts(question, records)) continue;
    ShadowView view{
        mm_id, question.seq, question.health, question.busy != 0, to_totals(question.totals), {}};
    std::transform(records.begin(), records.end(), std::back_inserter(view.layout), to_vma);
    return view;
  }
  return std::nullopt;
}

std::optional<Chains> Device::chains(uint64_t mm_id) {
  for (int attempt = 0; attempt < kSnapshotAttempts; ++attempt) {
    Chains chains;
    auto question = sized<svma_chains>();
    question.mm_id = mm_id;
    bool whole = true;
    do {
      const size_t filled = chains.links.size();
      chains.links.resize(filled + kFirstCapacity);
      question.capacity = kFirstCapacity;
      question.buffer = address_of(chains.links.data() + filled);
      if (!call_or_throw(SVMA_IOC_CHAINS, &question, "chains", ENOENT)) return std::nullopt;
      whole = filled == 0 || question.stamp == chains.stamp;
      chains.links.resize(filled + question.count);
      chains.stamp = question.stamp;
      chains.health = question.health;
      chains.busy = question.busy != 0;
    } while (whole && question.more);
    if (whole) return chains;
  }
  return std::nullopt;
}

Sharers Device::read_sharers(svma_sharers question) {
  Sharers answer;
  for (uint32_t capacity = kFirstCapacity;; capacity *= 2) {
    answer.vmas.resize(capacity);
    question.capacity = capacity;
    question.buffer = address_of(answer.vmas.data());
    switch (int error = call(SVMA_IOC_SHARERS, &question)) {
      case 0:
        break;
      case ENOENT:
        throw Error("process {}: it ended, or nothing is mapped at {:#x}", question.pid,
                    question.addr);
      case EAGAIN:
        throw Error("process {}: its shadow is being built anew; try again", question.pid);
      default:
        throw Error("{}: sharers: {}", SVMA_DEVICE, errno_text(error));
    }
    if (question.count == question.total || capacity >= SVMA_SHARERS_MOST) break;
  }
  answer.vmas.resize(question.count);
  answer.total = question.total;
  answer.dev = question.dev;
  answer.ino = question.ino;
  answer.page = question.page;
  answer.anon_vma = question.anon_vma;
  answer.abroad = question.abroad != 0;
  return answer;
}

Sharers Device::sharers(pid_t pid, uint64_t address) {
  auto question = sized<svma_sharers>();
  question.pid = pid;
  question.addr = address;
  return read_sharers(question);
}

Sharers Device::sharers_of_file(uint32_t dev, uint64_t ino, uint64_t page) {
  auto question = sized<svma_sharers>();
  question.flags = SVMA_SHARERS_FILE;
  question.dev = dev;
  question.ino = ino;
  question.page = page;
  return read_sharers(question);
}

std::optional<TreeSnapshot> Device::tree(pid_t pid) {
  for (int attempt = 0; attempt < kSnapshotAttempts; ++attempt) {
    auto mm = mm_of_pid(pid);
    if (!mm) return std::nullopt;
    auto question = sized<svma_snapshot>();
    question.mm_id = mm->mm_id;
    TreeSnapshot tree;
    if (!read_parts(question, tree.vmas)) continue;
    tree.mm = *mm;
    tree.seq = question.seq;
    tree.health = question.health;
    tree.totals = to_totals(question.totals);
    return tree;
  }
  throw Error("process {}: it changes faster than its layout can be read; try again", pid);
}

std::optional<ShadowLookup> Device::find(uint64_t mm_id, uint64_t address) {
  auto question = sized<svma_find>();
  question.mm_id = mm_id;
  question.addr = address;
  if (!call_or_throw(SVMA_IOC_FIND, &question, "find", ENOENT)) return std::nullopt;
  ShadowLookup answer{question.seq, question.health, {}};
  if (question.found & 1) answer.lookup.vma = to_vma(question.vma);
  if (question.found & 2) answer.lookup.prev = to_vma(question.prev);
  return answer;
}

std::optional<uint64_t> Device::gap(svma_gap question) {
  question.size = sizeof(question);
  switch (int error = call(SVMA_IOC_GAP, &question)) {
    case 0:
      break;
    case ENOENT:
      throw Error("process {}: it is not tracked any more", question.pid);
    case EINVAL:
      throw Error(
          "gap: the module refuses these limits; length, alignment (a power of two) and "
          "low < high must make sense");
    default:
      throw Error("{}: gap: {}", SVMA_DEVICE, errno_text(error));
  }
  if (question.error) return std::nullopt;
  return question.result;
}

std::optional<svma_limits> Device::limits(uint64_t mm_id) {
  auto question = sized<svma_limits>();
  question.mm_id = mm_id;
  switch (int error = call(SVMA_IOC_LIMITS, &question)) {
    case 0:
      return question;
    case ENOENT:
    case ESRCH:
      return std::nullopt;
    default:
      throw Error("{}: limits: {}", SVMA_DEVICE, errno_text(error));
  }
}

std::optional<uint64_t> Device::place(svma_gap question, const svma_limits& limits) {
  auto found = gap(question);
  if (!found && limits.fallback_high) {
    question.flags = 0;
    question.low_limit = limits.fallback_low;
    question.high_limit = limits.fallback_high;
    found = gap(question);
  }
  // get_unmapped_area() refuses what lies beyond TASK_SIZE, which a personality may have lowered.
  if (found && *found + question.length > limits.task_size) return std::nullopt;
  return found;
}

std::optional<svma_why> Device::why(uint64_t mm_id, uint64_t address) {
  auto question = sized<svma_why>();
  question.mm_id = mm_id;
  question.addr = address;
  if (!call_or_throw(SVMA_IOC_WHY, &question, "why", ENOENT)) return std::nullopt;
  return question;
}

std::optional<svma_facts> Device::facts(uint32_t flags) {
  auto question = sized<svma_facts>();
  question.flags = flags;
  if (!call_or_throw(SVMA_IOC_FACTS, &question, "facts", ENOTTY)) return std::nullopt;
  return question;
}

svma_stats Device::stats(uint32_t flags) {
  auto question = sized<svma_stats>();
  question.flags = flags;
  call_or_throw(SVMA_IOC_STATS, &question, "stats");
  return question;
}

std::optional<svma_structure> Device::structure(uint32_t flags) {
  auto question = sized<svma_structure>();
  question.flags = flags;
  if (!call_or_throw(SVMA_IOC_STRUCTURE, &question, "structure", ENOTTY)) return std::nullopt;
  return question;
}

svma_shape Device::shape(uint64_t mm_id, uint64_t length) {
  auto question = sized<svma_shape>();
  question.mm_id = mm_id;
  question.length = length;
  if (!call_or_throw(SVMA_IOC_SHAPE, &question, "shape of the tree", EAGAIN))
    throw Error("the layout changed each time while its trees were looked at; try again");
  return question;
}

std::optional<svma_rmap_stats> Device::rmap(uint32_t flags) {
  auto question = sized<svma_rmap_stats>();
  question.flags = flags;
  if (!call_or_throw(SVMA_IOC_RMAP, &question, "rmap", ENOTTY)) return std::nullopt;
  return question;
}

std::vector<svma_semantic> Device::semantics() {
  std::vector<svma_semantic> choices;
  auto question = sized<svma_semantic>();
  while (call_or_throw(SVMA_IOC_SEMANTIC, &question, "semantics", ENOENT)) {
    choices.push_back(question);
    question.index++;
  }
  return choices;
}

std::vector<svma_probe> Device::probes() {
  std::vector<svma_probe> probes(kFirstCapacity);
  auto question = sized<svma_probes>();
  question.capacity = probes.size();
  question.buffer = address_of(probes.data());
  call_or_throw(SVMA_IOC_PROBES, &question, "probes");
  probes.resize(std::min(question.count, question.capacity));
  return probes;
}

std::optional<svma_walk> Device::walk(pid_t pid, uint64_t address) {
  auto question = sized<svma_walk>();
  question.pid = pid;
  question.addr = address;
  switch (int error = call(SVMA_IOC_WALK, &question)) {
    case 0:
      return question;
    case ENOENT:
    case ESRCH:
      return std::nullopt;
    case EINVAL:
      throw Error("{:x} is no address of user space", address);
    default:
      throw Error("{}: walk: {}", SVMA_DEVICE, errno_text(error));
  }
}

template <typename Record>
std::optional<PageTables> Device::read_pages(svma_pages question,
                                             std::vector<Record> PageTables::*kind) {
  constexpr uint32_t kPart = 4096;
  PageTables result;
  std::vector<Record>& records = result.*kind;
  do {
    const size_t filled = records.size();
    records.resize(filled + kPart);
    question.capacity = kPart;
    question.buffer = address_of(records.data() + filled);
    const int error = call(SVMA_IOC_PAGES, &question);
    if (error == ENOENT || error == ESRCH || error == EBUSY) return std::nullopt;
    if (error) throw Error("{}: pages: {}", SVMA_DEVICE, errno_text(error));
    records.resize(filled + question.count);
    result.parts += question.parts;
    result.moved += question.moved;
    result.entries += question.entries;
    result.longest_ns = std::max<uint64_t>(result.longest_ns, question.longest_ns);
    for (size_t i = 0; i < result.tables.size(); i++) result.tables[i] += question.tables[i];
  } while (question.start < question.end);
  result.mm_id = question.mm_id;
  result.seq = question.seq;
  result.health = question.health;
  return result;
}

namespace {

svma_pages pages_question(uint32_t flags, uint64_t mm_id, uint64_t start, uint64_t end) {
  auto question = sized<svma_pages>();
  question.flags = flags;
  question.mm_id = mm_id;
  question.start = start;
  question.end = end;
  return question;
}

}  // namespace

std::optional<PageTables> Device::page_runs(uint64_t mm_id, uint64_t start, uint64_t end) {
  return read_pages(pages_question(0, mm_id, start, end), &PageTables::runs);
}

std::optional<PageTables> Device::page_sums(uint64_t mm_id, uint64_t start, uint64_t end) {
  return read_pages(pages_question(SVMA_PAGES_SUMS, mm_id, start, end), &PageTables::sums);
}

DivergenceReports Device::divergences(uint32_t capacity) {
  DivergenceReports result;
  result.reports.resize(capacity);
  auto question = sized<svma_divergences>();
  question.capacity = capacity;
  question.buffer = address_of(result.reports.data());
  call_or_throw(SVMA_IOC_DIVERGENCES, &question, "divergences");
  result.reports.resize(std::min(question.count, capacity));
  result.lost = question.lost + (question.count - result.reports.size());
  return result;
}

std::optional<svma_report> Device::report(uint32_t index) {
  auto question = sized<svma_report>();
  question.index = index;
  if (!call_or_throw(SVMA_IOC_REPORT, &question, "report", ENOENT)) return std::nullopt;
  return question;
}

// The parts of one journal follow each other by number; what the ring drops meanwhile is counted,
// not left out in silence.
std::optional<Journal> Device::read_journal(svma_journal question) {
  Journal journal;
  std::vector<svma_journal_entry> part(kJournalPart);
  const uint64_t from = question.from;
  for (bool more = true; more;) {
    question.capacity = kJournalPart;
    question.buffer = address_of(part.data());
    if (!call_or_throw(SVMA_IOC_JOURNAL, &question, "journal", ENOENT)) break;
    if (question.lost) journal.entries.clear();
    journal.entries.insert(journal.entries.end(), part.begin(), part.begin() + question.count);
    journal.mm_id = question.mm_id;
    journal.pid = question.pid;
    more = question.more != 0;
    question.flags = 0;
    if (!journal.entries.empty()) question.from = journal.entries.back().id + 1;
  }
  if (journal.mm_id == 0) return std::nullopt;
  if (!journal.entries.empty()) journal.lost = journal.entries.front().id - from;
  return journal;
}

std::optional<Journal> Device::journal(uint64_t mm_id, pid_t pid, uint64_t from) {
  auto question = sized<svma_journal>();
  question.mm_id = mm_id;
  question.pid = pid;
  question.from = from;
  return read_journal(question);
}

std::optional<Journal> Device::journal_after(uint64_t mm_id) {
  auto question = sized<svma_journal>();
  question.flags = SVMA_JOURNAL_AFTER;
  question.mm_id = mm_id;
  question.from = 1;
  return read_journal(question);
}

}  // namespace svma
