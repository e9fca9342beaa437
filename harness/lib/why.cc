// SPDX-License-Identifier: GPL-2.0-only
#include "lib/why.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "lib/device.hpp"
#include "lib/names.hpp"
#include "lib/render.hpp"
#include "lib/vm_flags.hpp"

namespace svma {
namespace {

constexpr const char* kConditions[] = {
    "neighbour", "adjacent", "special",  "policy",   "flags", "file",       "close",
    "uffd",      "name",     "anon_vma", "singular", "pgoff", "anon_pgoff",
};

constexpr uint64_t kVmSoftDirty = 0x8000000;

std::string same_or_not(const svma_condition& answer, const char* none, const char* same,
                        const char* differ) {
  if (answer.held) return answer.lower ? same : none;
  if (!answer.lower) return fmt::format("{}: only the upper one has one", differ);
  if (!answer.upper) return fmt::format("{}: only the lower one has one", differ);
  return fmt::format("{}: {:#x} and {:#x}", differ, answer.lower, answer.upper);
}

std::string flags_line(const svma_condition& answer) {
  const uint64_t differ = answer.lower ^ answer.upper;
  if (answer.held)
    return vm_flags_text(answer.lower & answer.upper) +
           (differ & kVmSoftDirty ? "; VM_SOFTDIRTY differs and is not asked" : "");
  std::string text = "differ in";
  for (unsigned bit = 0; bit < 64; ++bit) {
    const uint64_t flag = uint64_t{1} << bit;
    if (differ & flag & ~kVmSoftDirty)
      text +=
          fmt::format(" {} ({} one)", vm_flags_text(flag), answer.lower & flag ? "lower" : "upper");
  }
  return text + fmt::format("; both have {}", vm_flags_text(answer.lower & answer.upper));
}

std::string anon_vma_line(const svma_condition& answer) {
  if (!answer.lower && !answer.upper) return "neither has an anon_vma: nothing was written yet";
  if (answer.lower == answer.upper) return "both have the same anon_vma";
  if (!answer.lower) return "only the upper one has an anon_vma";
  if (!answer.upper) return "only the lower one has an anon_vma";
  return fmt::format("each has an anon_vma of its own: {:#x} and {:#x}", answer.lower,
                     answer.upper);
}

// Asked of the one that has an anon_vma, or, until v6.16, of the neighbour: its chain must have one
// entry.
std::string singular_line(const svma_condition& answer, bool neighbour_has_anon_vma) {
  if (!answer.asked) return "not asked: no anon_vma is missing on one side only";
  if (answer.held)
    return neighbour_has_anon_vma
               ? "the neighbour's anon_vma chain is singular: its anon_vma can be shared"
               : "its own anon_vma chain is singular: the neighbour can share it";
  if (neighbour_has_anon_vma)
    return "the neighbour's anon_vma chain has several entries: it was forked";
  if (!answer.lower && !answer.upper)
    return "the anon_vma chain of the one that has one has several entries: it was forked";
  return "the neighbour has no anon_vma, and so no chain that could be singular";
}

std::string pgoff_line(const svma_condition& answer) {
  if (answer.held) return fmt::format("page offset {:#x} continues the lower one", answer.upper);
  return fmt::format("page offset: expected {:#x}, found {:#x}", answer.lower, answer.upper);
}

std::string anon_pgoff_line(const svma_condition& answer) {
  if (!answer.asked) return "not asked: no private mapping of a file, or the file's offset decides";
  if (answer.held) return "the indices of anonymous pages continue each other, too";
  return "anonymous pages came from elsewhere by mremap: their indices do not continue each other";
}

std::string refusals(const svma_condition (&answers)[SVMA_CONDITION_COUNT]) {
  std::string text;
  for (unsigned i = 0; i < std::size(kConditions); ++i)
    if (answers[i].asked && !answers[i].held)
      text += fmt::format("{}{}", text.empty() ? "" : ", ", kConditions[i]);
  return text;
}

constexpr const char* kNeverAsked =
    "nothing forbids it: they would merge if an operation asked. None did: the pages became "
    "neighbours, or alike, by an operation that does not try to merge here (munmap, mremap, "
    "mprotect to what they were, a fault)";

std::string conclusion(const svma_condition (&answers)[SVMA_CONDITION_COUNT], bool mergeable) {
  if (mergeable) return kNeverAsked;
  if (!answers[SVMA_CONDITION_NEIGHBOUR].held) return "there is no VMA on this side";
  return "does not merge: " + refusals(answers);
}

std::string side_text(const char* where, const svma_vma& neighbour,
                      const svma_condition (&answers)[SVMA_CONDITION_COUNT], bool mergeable) {
  const bool there = answers[SVMA_CONDITION_NEIGHBOUR].held != 0;
  std::string text =
      fmt::format("{}: {}\n", where, there ? vma_text(to_vma(neighbour)) : std::string("no VMA"));
  for (unsigned i = 0; there && i < std::size(kConditions); ++i) {
    const svma_condition& answer = answers[i];
    if (i == SVMA_CONDITION_NEIGHBOUR) continue;
    text += fmt::format("  {:<4} {:<9} {}\n",
                        !answer.asked ? "-"
                        : answer.held ? "ok"
                                      : "NO",
                        kConditions[i], condition_text(i, answer, neighbour.anon_vma != 0));
  }
  return text + fmt::format("  => {}\n", conclusion(answers, mergeable));
}

Json side_json(const svma_vma& neighbour, const svma_condition (&answers)[SVMA_CONDITION_COUNT],
               bool mergeable) {
  const bool there = answers[SVMA_CONDITION_NEIGHBOUR].held != 0;
  Json conditions = Json::array();
  for (unsigned i = 0; i < std::size(kConditions); ++i) {
    const svma_condition& answer = answers[i];
    Json json = {
        {"name", kConditions[i]},     {"asked", answer.asked != 0},
        {"held", answer.held != 0},   {"lower", hex(answer.lower)},
        {"upper", hex(answer.upper)}, {"text", condition_text(i, answer, neighbour.anon_vma != 0)}};
    if (i == SVMA_CONDITION_FLAGS) {
      json["lower_flags"] = vm_flag_names(answer.lower);
      json["upper_flags"] = vm_flag_names(answer.upper);
      json["differing_flags"] = vm_flag_names((answer.lower ^ answer.upper) & ~kVmSoftDirty);
    }
    conditions.push_back(json);
  }
  return {{"vma", there ? to_json(to_vma(neighbour)) : Json()},
          {"mergeable", mergeable},
          {"conclusion", conclusion(answers, mergeable)},
          {"conditions", conditions}};
}

}  // namespace

const char* condition_name(unsigned condition) {
  return condition < std::size(kConditions) ? kConditions[condition] : nullptr;
}

std::string condition_text(unsigned condition, const svma_condition& answer, bool has_anon_vma) {
  switch (condition) {
    case SVMA_CONDITION_NEIGHBOUR:
      return answer.held ? "there is a VMA on this side" : "there is no VMA on this side";
    case SVMA_CONDITION_ADJACENT: {
      const uint64_t low = std::min(answer.lower, answer.upper);
      const uint64_t high = std::max(answer.lower, answer.upper);
      return answer.held
                 ? fmt::format("they touch at {:x}", low)
                 : fmt::format("a hole of {} at {:x}-{:x}", size_text(high - low), low, high);
    }
    case SVMA_CONDITION_SPECIAL:
      return answer.held ? "no special mapping"
                         : fmt::format("special mappings never merge; lower {}, upper {}",
                                       vm_flags_text(answer.lower), vm_flags_text(answer.upper));
    case SVMA_CONDITION_POLICY:
      return same_or_not(answer, "no memory policy", "equal memory policies (mbind)",
                         "different memory policies (mbind)");
    case SVMA_CONDITION_FLAGS:
      return flags_line(answer);
    case SVMA_CONDITION_FILE:
      return same_or_not(answer, "no file", "the same open file", "different open files");
    case SVMA_CONDITION_CLOSE:
      return answer.held ? "the neighbour's driver has no close operation"
                         : "the neighbour's driver has a close operation: it counts its VMAs";
    case SVMA_CONDITION_UFFD:
      return same_or_not(answer, "no userfaultfd", "the same userfaultfd",
                         "different userfaultfds");
    case SVMA_CONDITION_NAME:
      return same_or_not(answer, "no name", "the same name", "different names (PR_SET_VMA)");
    case SVMA_CONDITION_ANON_VMA:
      return anon_vma_line(answer);
    case SVMA_CONDITION_SINGULAR:
      return singular_line(answer, has_anon_vma);
    case SVMA_CONDITION_PGOFF:
      return pgoff_line(answer);
    case SVMA_CONDITION_ANON_PGOFF:
      return anon_pgoff_line(answer);
    default:
      return "";
  }
}

std::string why_text(const svma_why& why) {
  return fmt::format("{:x} is in {}\n", why.addr, vma_text(to_vma(why.vma))) +
         side_text("below", why.prev, why.with_prev, why.mergeable & 1) +
         side_text("above", why.next, why.with_next, why.mergeable & 2);
}

Json to_json(const svma_why& why) {
  return {{"address", hex(why.addr)},
          {"mm_id", why.mm_id},
          {"seq", why.seq},
          {"health", health_name(why.health)},
          {"vma", to_json(to_vma(why.vma))},
          {"prev", side_json(why.prev, why.with_prev, why.mergeable & 1)},
          {"next", side_json(why.next, why.with_next, why.mergeable & 2)}};
}

}  // namespace svma
