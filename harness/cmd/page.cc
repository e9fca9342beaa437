// SPDX-License-Identifier: GPL-2.0-only
// svma page: what the kernel knows of the page at an address, or of a frame, and who maps it.
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "cmd/commands.hpp"
#include "lib/error.hpp"
#include "lib/json.hpp"
#include "lib/oracle_pages.hpp"
#include "lib/page_compare.hpp"
#include "lib/page_look.hpp"
#include "lib/view.hpp"

namespace svma {
namespace {

constexpr int kTries = 5;  // of entries that change while they are read

struct PageOptions {
  pid_t pid = 0;
  std::string address;
  std::string pfn;
  bool all = false;
};

// What is known of a frame, by struct page and by /proc.
struct FrameFacts {
  uint64_t frame = 0;
  FrameState state;
  std::optional<uint64_t> cgroup;
  svma_bpf_page page{};
};

std::unique_ptr<OraclePages> open_oracle() {
  std::random_device random;
  std::string why;
  auto oracle = OraclePages::create(uint64_t{random()} << 32 | random() | 1, why);
  if (!oracle) throw Error("struct page can't be read: {}", why);
  return oracle;
}

uint64_t parse_frame(const std::string& text) {
  const bool hexadecimal = text.starts_with("0x");
  uint64_t frame = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] =
      std::from_chars(text.data() + (hexadecimal ? 2 : 0), end, frame, hexadecimal ? 16 : 10);
  if (error != std::errc() || stop != end || frame >> 40)
    throw Error("{}: no number of a frame; write it in decimal, or in hexadecimal with 0x", text);
  return frame;
}

FrameFacts facts_of(OraclePages& oracle, const Pages& pages, uint64_t frame) {
  FrameFacts facts{frame, pages.frame(frame), pages.cgroup(frame), {}};
  facts.page = oracle.pages(std::span(&frame, 1)).at(0);
  if (facts.page.mapping_kind != SVMA_BPF_MAPPING_KSM) {
    facts.state.flags = facts.state.flags.without_ksm();
  }
  return facts;
}

const char* zone_name(uint32_t zone) {
  static constexpr const char* kNames[] = {"DMA", "DMA32", "Normal", "Movable", "Device"};
  return zone < std::size(kNames) ? kNames[zone] : "?";
}

std::string identity_text(const svma_bpf_page& page) {
  switch (page.mapping_kind) {
    case SVMA_BPF_MAPPING_FILE:
      return fmt::format("page {} of file {:02x}:{:02x} inode {}", page.index, page.dev >> 20,
                         page.dev & 0xfffff, page.ino);
    case SVMA_BPF_MAPPING_ANON:
      return fmt::format("anonymous, anon_vma {:016x}, index {:#x}", page.anon_vma, page.index);
    case SVMA_BPF_MAPPING_KSM:
      return "merged by KSM";
    case SVMA_BPF_MAPPING_MOVABLE:
      return "a movable page of a driver";
    default:
      return "neither anonymous nor of a file";
  }
}

// Memory that belongs to no user, as slabs do, has other things where a page has its mapping.
bool has_identity(const FrameFacts& facts) {
  constexpr uint64_t kSlab = 1 << 7, kLru = 1 << 5, kMapped = 1 << 11;
  const uint64_t flags = facts.state.flags.raw();
  return (facts.page.bits & SVMA_BPF_PAGE_READ) && !(flags & kSlab) && (flags & (kLru | kMapped));
}

std::string facts_text(const FrameFacts& facts) {
  const svma_bpf_page& page = facts.page;
  std::string text = fmt::format("frame       {:#x}\n", facts.frame);
  if (page.bits & SVMA_BPF_PAGE_NODE)
    text += fmt::format("node        {}, zone {}\n", page.node, zone_name(page.zone));
  text += fmt::format("kpageflags  {}\nkpagecount  {}\n", page_flag_names(facts.state.flags),
                      facts.state.mapcount);
  if (facts.cgroup)
    text +=
        *facts.cgroup ? fmt::format("cgroup      inode {}\n", *facts.cgroup) : "cgroup      none\n";
  if (!(page.bits & SVMA_BPF_PAGE_READ)) return text + "struct page none\n";
  text += fmt::format("struct page flags {:#x}, refcount {}, mapcount of its own {}\n", page.flags,
                      page.refcount, page.mapcount);
  if (page.bits & SVMA_BPF_PAGE_TAIL)
    text += fmt::format("compound    page {} of the one that begins at frame {:#x}\n",
                        facts.frame - page.head, page.head);
  if (has_identity(facts)) text += fmt::format("identity    {}\n", identity_text(page));
  return text;
}

Json to_json(const FrameFacts& facts) {
  const svma_bpf_page& page = facts.page;
  Json json = {{"frame", hex(facts.frame)},
               {"kpageflags", hex(facts.state.flags.raw())},
               {"flag_names", page_flag_names(facts.state.flags)},
               {"kpagecount", facts.state.mapcount}};
  if (facts.cgroup) json["kpagecgroup"] = *facts.cgroup;
  if (page.bits & SVMA_BPF_PAGE_NODE) {
    json["node"] = page.node;
    json["zone"] = zone_name(page.zone);
  }
  if (!(page.bits & SVMA_BPF_PAGE_READ)) return json;
  json["struct_page"] = {{"flags", hex(page.flags)},
                         {"refcount", page.refcount},
                         {"mapcount", page.mapcount},
                         {"head", hex(page.head)}};
  if (!has_identity(facts)) return json;
  json["struct_page"]["index"] = page.index;
  if (page.mapping_kind == SVMA_BPF_MAPPING_ANON)
    json["struct_page"]["anon_vma"] = hex(page.anon_vma);
  if (page.mapping_kind == SVMA_BPF_MAPPING_FILE)
    json["struct_page"]["file"] = {
        {"major", page.dev >> 20}, {"minor", page.dev & 0xfffff}, {"ino", page.ino}};
  return json;
}

svma_walk walk_of(Device& device, pid_t pid, uint64_t address) {
  const auto walk = device.walk(pid, address);
  if (!walk) throw Error("process {}: it ended before its page tables could be read", pid);
  return *walk;
}

// Why there is no page.
std::string absence(const svma_walk& walk) {
  if (walk.vma_start == SVMA_NONE) return "no VMA is there";
  if (walk.count == 0) return "its page tables can't be read";
  const svma_walk_level& last = walk.level[walk.count - 1];
  switch (last.kind) {
    case SVMA_ENTRY_NONE:
      return fmt::format("the entry of level {} is empty, nothing was touched there yet",
                         last.level);
    case SVMA_ENTRY_SWAP:
      return fmt::format("it is swapped out, to area {} at offset {:#x}", last.swap_type,
                         uint64_t{last.target});
    case SVMA_ENTRY_MIGRATION:
      return fmt::format("it is just being migrated from frame {:#x}", uint64_t{last.target});
    case SVMA_ENTRY_HWPOISON:
      return fmt::format("frame {:#x} was there, which is broken", uint64_t{last.target});
    case SVMA_ENTRY_DEVICE:
      return "it is in the memory of a device";
    case SVMA_ENTRY_MARKER:
      return fmt::format("only a marker is there, {:#x}: {}", uint64_t{last.target},
                         last.target & SVMA_MARKER_GUARD      ? "guard region"
                         : last.target & SVMA_MARKER_POISONED ? "poisoned"
                                                              : "userfaultfd-wp");
    default:
      return fmt::format("an entry that the kernel does not write: {:#x}", uint64_t{last.entry});
  }
}

// The module's walk against that of BPF, while the process may run.
Comparison compare_roads(Device& device, OraclePages& oracle, pid_t pid, uint64_t address) {
  Comparison comparison;
  for (int i = 0; i < kTries; ++i) {
    const svma_walk before = walk_of(device, pid, address);
    const auto live = oracle.walk(pid, std::span(&address, 1));
    if (live.empty()) throw Error("process {}: it ended before its page tables could be read", pid);
    comparison = compare_walks(before, live[0], /*running=*/true);
    if (comparison.divergent == 0) break;
  }
  return comparison;
}

int show_frame(const PageOptions& options, bool json) {
  const Pages pages;
  const auto oracle = open_oracle();
  const FrameFacts facts = facts_of(*oracle, pages, parse_frame(options.pfn));
  fmt::print("{}", json ? json_text(to_json(facts)) + "\n" : facts_text(facts));
  return kExitEqual;
}

int show_address(const PageOptions& options, bool json) {
  const uint64_t address = parse_address(options.address);
  Device device;
  const Pages pages;
  const auto oracle = open_oracle();
  if (options.all) track_everybody(device);
  const TreeSnapshot snapshot = shadow_of(device, options.pid);
  const auto entry = pages.entry(options.pid, address);
  if (!entry) throw Error("process {}: it ended before its pages could be read", options.pid);
  if (!entry->present())
    throw Error("process {}: no page at {:x}: {}", options.pid, address,
                absence(walk_of(device, options.pid, address)));
  const Comparison roads = compare_roads(device, *oracle, options.pid, address);
  std::string wrong;
  const PageLook look = look_at_page(device, pages, snapshot, address, wrong);
  if (!look.page.entry.present())
    throw Error("process {}: the page at {:x} was taken away just now", options.pid, address);
  const FrameFacts facts = facts_of(*oracle, pages, look.page.entry.frame());
  if (json) {
    Json answer = {{"pid", options.pid}, {"address", hex(address)}};
    answer.update(to_json(facts));
    answer["rmap"] = to_json(look.page, look.candidates, wrong);
    answer["walk_equal"] = roads.divergent == 0;
    fmt::print("{}\n", json_text(answer));
  } else {
    fmt::print("{}{:x}: {}\n{}{}", headline(snapshot), address, page_text(look.page),
               facts_text(facts), sharers_text(look.page, look.candidates));
    for (const Difference& difference : roads.differences)
      fmt::print("DIVERGENT: {} by the module, {} by BPF\n", difference.shadow, difference.live);
    if (!wrong.empty()) fmt::print("DIVERGENT: {}\n", wrong);
  }
  return wrong.empty() && roads.divergent == 0 ? kExitEqual : kExitDivergent;
}

int run(const PageOptions& options, bool json) {
  if (!options.pfn.empty()) {
    if (options.pid) throw Error("page: PID and --pfn exclude each other");
    return show_frame(options, json);
  }
  if (!options.pid || options.address.empty())
    throw Error("page: PID and ADDR, or --pfn N; see svma page --help");
  return show_address(options, json);
}

}  // namespace

void add_page(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("page", "Tell what the kernel knows of a page");
  auto options = std::make_shared<PageOptions>();
  command->add_option("PID", options->pid, "Process")->check(kPidRange);
  command->add_option("ADDR", options->address, "Any address in the page, hexadecimal");
  command->add_option("--pfn", options->pfn, "Of this frame instead, whoever has it");
  command->add_flag("--all", options->all,
                    "Track every process for the moment, so that all who map it are found");
  command->callback([&invocation, options] {
    invocation.run = [&invocation, options] { return run(*options, invocation.json); };
  });
}

}  // namespace svma
