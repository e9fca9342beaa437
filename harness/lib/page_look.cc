// SPDX-License-Identifier: GPL-2.0-only
#include "lib/page_look.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "lib/error.hpp"
#include "lib/oracle_proc.hpp"

namespace svma {
namespace {

// Of a page that goes to another frame while it is looked at.
constexpr int kAttempts = 50;

bool mergeable(const TreeSnapshot& snapshot, uint64_t address) {
  constexpr uint64_t kVmMergeable = 0x80000000;
  return std::any_of(snapshot.vmas.begin(), snapshot.vmas.end(), [&](const svma_vma& vma) {
    return vma.start <= address && address < vma.end && (vma.flags & kVmMergeable);
  });
}

// nullopt: the page moved meanwhile.
std::optional<PageLook> look_once(Device& device, const Pages& pages, const TreeSnapshot& snapshot,
                                  uint64_t address) {
  const svma_mm& mm = snapshot.mm;
  PageLook look;
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
  look.candidates = look_at_candidates(device, pages, sharers.vmas);
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

}  // namespace

std::string comm_of(const svma_mm& mm) {
  return std::string(mm.comm, strnlen(mm.comm, sizeof(mm.comm)));
}

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

std::vector<Candidate> look_at_candidates(Device& device, const Pages& pages,
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
  return look_at_candidates(device, pages, vmas);
}

PageLook look_at_page(Device& device, const Pages& pages, const TreeSnapshot& snapshot,
                      uint64_t address, std::string& wrong) {
  std::optional<PageLook> look;
  // Processes go on meanwhile: what contradicts the shadow has to do so twice.
  for (int attempt = 0; attempt < kAttempts && (!look || !wrong.empty()); ++attempt) {
    look = look_once(device, pages, snapshot, address);
    if (look) wrong = contradiction(look->page, look->candidates, look->asked, look->left_out);
  }
  if (!look)
    throw Error("process {}: the page at {:#x} is moved or mapped too often to be looked at",
                snapshot.mm.pid, address);
  return *std::move(look);
}

}  // namespace svma
