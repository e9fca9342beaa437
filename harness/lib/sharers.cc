// SPDX-License-Identifier: GPL-2.0-only
#include "lib/sharers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace svma {
namespace {

const char* state_name(SharerState state) {
  switch (state) {
    case SharerState::kMaps:
      return "maps it";
    case SharerState::kOther:
      return "another page";
    case SharerState::kNothing:
      return "nothing";
    case SharerState::kGone:
      return "gone";
  }
  return "?";
}

std::string file_name(const SharedPage& page) {
  return fmt::format("{:02x}:{:02x} inode {}", page.dev >> 20, page.dev & 0xfffff, page.ino);
}

std::string kind_of(const FrameState& frame) {
  if (frame.flags.zero_page()) return "the zero page";
  std::string kind = frame.flags.anonymous() ? "anonymous" : "of a file";
  if (frame.flags.ksm()) kind += ", merged by KSM";
  if (frame.flags.compound()) kind += ", part of a larger one";
  return kind;
}

}  // namespace

SharerState state_of(const Candidate& candidate, const SharedPage& page) {
  if (!candidate.entry) return SharerState::kGone;
  if (!candidate.entry->holds()) return SharerState::kNothing;
  return candidate.entry->same_page(page.entry) ? SharerState::kMaps : SharerState::kOther;
}

uint64_t count_mappers(const SharedPage& page, const std::vector<Candidate>& candidates) {
  return std::count_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    return state_of(candidate, page) == SharerState::kMaps;
  });
}

bool count_is_known(const SharedPage& page) {
  return page.frame && !page.cut && !page.frame->flags.ksm() && !page.frame->flags.zero_page() &&
         !page.frame->flags.compound();
}

std::optional<uint64_t> address_in(const Vma& vma, uint64_t page) {
  const uint64_t pages = (vma.end - vma.start) / kPageSize;
  if (page < vma.pgoff || page - vma.pgoff >= pages) return std::nullopt;
  return vma.start + (page - vma.pgoff) * kPageSize;
}

std::string contradiction(const SharedPage& page, const std::vector<Candidate>& candidates,
                          std::optional<size_t> asked, const std::vector<Candidate>& left_out) {
  for (const Candidate& candidate : left_out)
    if (state_of(candidate, page) == SharerState::kMaps)
      return fmt::format("process {} maps it at {:x} and is not among those that may",
                         candidate.pid, candidate.vma.address);
  if (!count_is_known(page)) return "";
  if (!asked && !page.cut) return "the VMA that maps the page is not among those that may";
  const uint64_t found = count_mappers(page, candidates);
  if (found > page.frame->mapcount)
    return fmt::format("{} VMAs map it, the kernel counts {}", found, page.frame->mapcount);
  if (found < page.frame->mapcount && !page.abroad)
    return fmt::format("all who may map it are tracked, but of {} only {} are found",
                       page.frame->mapcount, found);
  return "";
}

std::string page_text(const SharedPage& page) {
  std::string text;
  if (page.frame)
    text = fmt::format("frame {:#x}, {}, mapped {} times", page.entry.frame(), kind_of(*page.frame),
                       page.frame->mapcount);
  else if (page.entry.swapped())
    text = fmt::format("swapped out, slot {:#x}", page.entry.slot());
  else
    text = "no page is there yet";
  if (page.anon_vma) text += fmt::format("; anon_vma {}", page.anon_vma);
  if (page.ino) text += fmt::format("; page {} of file {}", page.page, file_name(page));
  return text;
}

std::string sharers_text(const SharedPage& page, const std::vector<Candidate>& candidates) {
  std::string text;
  if (!candidates.empty())
    text = fmt::format("  {:>7} {:<16}{:<30}{:<16}{}\n", "pid", "program", "VMA", "address", "");
  for (const Candidate& candidate : candidates) {
    const auto& [mm_id, start, end, address] = candidate.vma;
    text += fmt::format("  {:>7} {:<16}{:<30}{:<16x}{}\n", candidate.pid, candidate.comm,
                        fmt::format("{:x}-{:x}", start, end), address,
                        state_name(state_of(candidate, page)));
  }
  if (page.cut) text += "  ... and more\n";
  const uint64_t found = count_mappers(page, candidates);
  text += fmt::format("{} VMAs may map it", candidates.size());
  if (page.entry.holds()) text += fmt::format(", {} do", found);
  if (!count_is_known(page)) return text + "\n";
  if (page.frame->mapcount > found && page.abroad)
    text +=
        fmt::format("; {} more mappings are of processes that are not tracked (--all tracks each)",
                    page.frame->mapcount - found);
  else if (page.frame->mapcount == found)
    text += "; that is all of them";
  return text + "\n";
}

Json to_json(const SharedPage& page, const std::vector<Candidate>& candidates,
             const std::string& contradiction) {
  Json json;
  if (page.frame) {
    json["frame"] = hex(page.entry.frame());
    json["mapcount"] = page.frame->mapcount;
    json["anonymous"] = page.frame->flags.anonymous();
    json["ksm"] = page.frame->flags.ksm();
    json["compound"] = page.frame->flags.compound();
  }
  json["swapped"] = page.entry.swapped();
  json["anon_vma"] = page.anon_vma;
  if (page.ino)
    json["file"] = {{"major", page.dev >> 20},
                    {"minor", page.dev & 0xfffff},
                    {"ino", page.ino},
                    {"page", page.page}};
  json["mappers"] = count_mappers(page, candidates);
  json["all_tracked"] = !page.abroad;
  json["count_is_known"] = count_is_known(page);
  json["candidates"] = Json::array();
  for (const Candidate& candidate : candidates)
    json["candidates"].push_back({{"pid", candidate.pid},
                                  {"comm", candidate.comm},
                                  {"mm_id", candidate.vma.mm_id},
                                  {"start", hex(candidate.vma.start)},
                                  {"end", hex(candidate.vma.end)},
                                  {"address", hex(candidate.vma.address)},
                                  {"state", state_name(state_of(candidate, page))}});
  json["contradiction"] = contradiction.empty() ? Json() : Json(contradiction);
  return json;
}

}  // namespace svma
