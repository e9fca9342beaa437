// SPDX-License-Identifier: GPL-2.0-only
// svma rmap: who maps a page, and the family tree of a process's anon_vmas.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/family.hpp"
#include "lib/oracle_proc.hpp"
#include "lib/sharers.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

// Of a page that goes to another frame while it is looked at.
constexpr int kAttempts = 50;

struct RmapOptions {
  pid_t pid = 0;
  std::string address;
  std::string file;
  int64_t page = -1;  // -1: any
  bool tree = false;
  bool dot = false;
  bool all = false;
};

std::string comm_of(const svma_mm& mm) {
  return std::string(mm.comm, strnlen(mm.comm, sizeof(mm.comm)));
}

// All processes that have an address space and nobody tracks yet, as long as `device` is open.
void track_everybody(Device& device) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const pid_t pid = std::stoi(name);
    if (!why_not_checkable(pid).empty()) continue;
    try {
      device.track(pid, 0);
    } catch (const Error&) {
      continue;  // it ended meanwhile, or can't be tracked: it is one of those "not tracked"
    }
  }
}

std::map<uint64_t, svma_mm> tracked_mms(Device& device) {
  std::map<uint64_t, svma_mm> mms;
  for (const svma_mm& mm : device.list_all()) mms[mm.mm_id] = mm;
  return mms;
}

std::vector<Candidate> look_at(Device& device, const Pages& pages,
                               const std::vector<svma_sharer>& vmas) {
  const auto mms = tracked_mms(device);
  std::vector<Candidate> candidates;
  for (const svma_sharer& vma : vmas) {
    Candidate candidate{vma, 0, "", std::nullopt};
    if (const auto mm = mms.find(vma.mm_id); mm != mms.end()) {
      candidate.pid = mm->second.pid;
      candidate.comm = comm_of(mm->second);
      candidate.entry = pages.entry(candidate.pid, vma.address);
    }
    candidates.push_back(candidate);
  }
  return candidates;
}

// VMAs of tracked processes that map a page of a file, by their layouts, and that the tree of the
// file does not have. `known`: what it has.
std::vector<Candidate> not_in_tree(Device& device, const Pages& pages, const SharedPage& page,
                                   const std::vector<Candidate>& known) {
  std::vector<svma_sharer> vmas;
  for (const svma_mm& mm : device.list_all()) {
    const auto view = device.snapshot(mm.mm_id);
    if (!view) continue;
    for (const Vma& vma : view->layout) {
      if (vma.ino != page.ino || vma.dev != page.dev) continue;
      const auto address = address_in(vma, page.page);
      if (!address || std::any_of(known.begin(), known.end(), [&](const Candidate& candidate) {
            return candidate.vma.mm_id == mm.mm_id && candidate.vma.address == *address;
          }))
        continue;
      vmas.push_back({mm.mm_id, vma.start, vma.end, *address});
    }
  }
  return look_at(device, pages, vmas);
}

// One look; nullopt: the page moved meanwhile.
struct Look {
  SharedPage page;
  std::vector<Candidate> candidates;
  std::optional<size_t> asked;
  std::vector<Candidate> left_out;
};

bool mergeable(const TreeSnapshot& snapshot, uint64_t address) {
  constexpr uint64_t kVmMergeable = 0x80000000;
  return std::any_of(snapshot.vmas.begin(), snapshot.vmas.end(), [&](const svma_vma& vma) {
    return vma.start <= address && address < vma.end && (vma.flags & kVmMergeable);
  });
}

std::optional<Look> look_once(Device& device, const Pages& pages, const TreeSnapshot& snapshot,
                              uint64_t address) {
  const svma_mm& mm = snapshot.mm;
  Look look;
  const auto entry = pages.entry(mm.pid, address);
  if (!entry) throw Error("process {}: it ended before its pages could be read", mm.pid);
  look.page.entry = *entry;
  if (entry->present()) {
    look.page.frame = pages.frame(entry->frame());
    PageFlags& flags = look.page.frame->flags;
    if (!mergeable(snapshot, address)) flags = flags.without_ksm();
  }
  Sharers sharers = device.sharers(mm.pid, address);
  look.page.anon_vma = sharers.anon_vma;
  look.page.dev = sharers.dev;
  look.page.ino = sharers.ino;
  look.page.page = sharers.page;
  look.page.abroad = sharers.abroad;
  // Of a page that is there it is known to whom it belongs.
  const bool of_file = sharers.ino && !(look.page.frame && look.page.frame->flags.anonymous());
  if (of_file) {
    const Sharers mappers = device.sharers_of_file(sharers.dev, sharers.ino, sharers.page);
    if (look.page.frame) sharers.vmas.clear();
    for (const svma_sharer& vma : mappers.vmas)
      if (std::none_of(sharers.vmas.begin(), sharers.vmas.end(), [&](const svma_sharer& other) {
            return other.mm_id == vma.mm_id && other.address == vma.address;
          }))
        sharers.vmas.push_back(vma);
    sharers.total = mappers.total;
    look.page.abroad = true;
  }
  look.page.cut = sharers.total > sharers.vmas.size();
  look.candidates = look_at(device, pages, sharers.vmas);
  if (of_file && look.page.frame)
    look.left_out = not_in_tree(device, pages, look.page, look.candidates);
  for (size_t i = 0; i < look.candidates.size(); ++i)
    if (look.candidates[i].vma.mm_id == mm.mm_id &&
        look.candidates[i].vma.address == address / kPageSize * kPageSize)
      look.asked = i;
  const auto after = pages.entry(mm.pid, address);
  if (!after || after->holds() != entry->holds() || (entry->holds() && !after->same_page(*entry)))
    return std::nullopt;
  if (look.page.frame && pages.frame(entry->frame()).mapcount != look.page.frame->mapcount)
    return std::nullopt;
  return look;
}

int show_page(const RmapOptions& options, bool json) {
  const uint64_t address = parse_address(options.address);
  Device device;
  const Pages pages;
  if (options.all) track_everybody(device);
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  std::optional<Look> look;
  std::string wrong;
  // Processes go on meanwhile: what contradicts the shadow has to do so twice.
  for (int attempt = 0; attempt < kAttempts && (!look || !wrong.empty()); ++attempt) {
    look = look_once(device, pages, snapshot, address);
    if (look) wrong = contradiction(look->page, look->candidates, look->asked, look->left_out);
  }
  if (!look)
    throw Error("process {}: the page at {:#x} is moved or mapped too often to be looked at",
                options.pid, address);
  if (json) {
    Json answer = {{"pid", options.pid}, {"address", hex(address)}};
    answer.update(to_json(look->page, look->candidates, wrong));
    fmt::print("{}\n", json_text(answer));
  } else {
    fmt::print("{}{:x}: {}\n{}", headline(snapshot), address, page_text(look->page),
               sharers_text(look->page, look->candidates));
    if (!wrong.empty()) fmt::print("DIVERGENT: {}\n", wrong);
  }
  return wrong.empty() ? kExitEqual : kExitDivergent;
}

int show_file(const RmapOptions& options, bool json) {
  struct stat info;
  if (stat(options.file.c_str(), &info) != 0)
    throw Error("{}: {}", options.file, errno_text(errno));
  Device device;
  const Pages pages;
  if (options.all) track_everybody(device);
  const uint32_t dev = major(info.st_dev) << 20 | minor(info.st_dev);
  const uint64_t number = options.page < 0 ? SVMA_NONE : options.page;
  const Sharers sharers = device.sharers_of_file(dev, info.st_ino, number);
  SharedPage page;
  page.dev = dev;
  page.ino = info.st_ino;
  page.page = options.page < 0 ? 0 : options.page;
  page.abroad = true;
  page.cut = sharers.total > sharers.vmas.size();
  const std::vector<Candidate> candidates = look_at(device, pages, sharers.vmas);
  // The page that the file's mappings have in common; a private one may be a copy by now.
  for (const Candidate& candidate : candidates) {
    if (options.page < 0 || !candidate.entry || !candidate.entry->present()) continue;
    const FrameState frame = pages.frame(candidate.entry->frame());
    if (frame.flags.anonymous() || page.frame) continue;
    page.entry = *candidate.entry;
    page.frame = frame;
  }
  std::string wrong;
  if (page.frame)
    wrong = contradiction(page, candidates, 0, not_in_tree(device, pages, page, candidates));
  if (json) {
    fmt::print("{}\n", json_text(to_json(page, candidates, wrong)));
  } else {
    fmt::print("{}: {}\n{}", options.file, page_text(page), sharers_text(page, candidates));
    if (!wrong.empty()) fmt::print("DIVERGENT: {}\n", wrong);
  }
  return wrong.empty() ? kExitEqual : kExitDivergent;
}

int show_family(const RmapOptions& options, bool json) {
  Device device;
  if (options.all) track_everybody(device);
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  std::vector<ProcessChains> processes;
  for (const auto& [mm_id, mm] : tracked_mms(device)) {
    auto chains = device.chains(mm_id);
    if (!chains) continue;
    processes.push_back({mm.pid, comm_of(mm), std::move(chains->links)});
    if (mm_id == snapshot.mm.mm_id) std::swap(processes.front(), processes.back());
  }
  if (processes.empty() || processes.front().pid != options.pid)
    throw Error("process {}: it changes faster than its chains can be read; try again",
                options.pid);
  const Family family = build_family(processes);
  if (options.dot)
    fmt::print("{}", family_dot(family));
  else if (json)
    fmt::print("{}\n", json_text(to_json(family)));
  else
    fmt::print("{}{}", headline(snapshot), family_text(family));
  return kExitEqual;
}

int run(const RmapOptions& options, bool json) {
  if (!options.file.empty()) {
    if (options.pid) throw Error("rmap: PID and --file exclude each other");
    return show_file(options, json);
  }
  if (!options.pid)
    throw Error("rmap: PID and ADDR, --tree PID, or --file PATH; see svma rmap --help");
  if (options.tree) return show_family(options, json);
  if (options.address.empty()) throw Error("rmap: an address is missing; see svma rmap --help");
  return show_page(options, json);
}

}  // namespace

void add_rmap(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("rmap", "Tell who maps a page, and verify it page by page");
  auto options = std::make_shared<RmapOptions>();
  auto* pid = command->add_option("PID", options->pid, "Process")->check(kPidRange);
  auto* address =
      command->add_option("ADDR", options->address, "Any address in the page, hexadecimal");
  auto* tree = command->add_flag("--tree", options->tree, "Draw the family tree of its anon_vmas");
  command->add_flag("--dot", options->dot, "With --tree: for Graphviz")->needs(tree);
  auto* file = command->add_option("--file", options->file, "Who maps this file")
                   ->excludes(pid)
                   ->excludes(address)
                   ->excludes(tree);
  command->add_option("--page", options->page, "With --file: this page of it, from 0")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 52))
      ->needs(file);
  tree->excludes(address);
  command->add_flag("--all", options->all,
                    "Track every process for the moment, so that all who share are found");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return run(*options, invocation.json); };
  });
}

}  // namespace svma
