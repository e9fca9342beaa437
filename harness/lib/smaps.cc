// SPDX-License-Identifier: GPL-2.0-only
#include "lib/smaps.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cinttypes>
#include <cstdio>

namespace svma {
namespace {

struct Line {
  std::string_view name;
  std::optional<uint64_t> SmapsRecord::*field;
};

constexpr Line kLines[] = {
    {"Rss", &SmapsRecord::rss},
    {"Pss", &SmapsRecord::pss},
    {"Pss_Dirty", &SmapsRecord::pss_dirty},
    {"Shared_Clean", &SmapsRecord::shared_clean},
    {"Shared_Dirty", &SmapsRecord::shared_dirty},
    {"Private_Clean", &SmapsRecord::private_clean},
    {"Private_Dirty", &SmapsRecord::private_dirty},
    {"Referenced", &SmapsRecord::referenced},
    {"Anonymous", &SmapsRecord::anonymous},
    {"KSM", &SmapsRecord::ksm},
    {"LazyFree", &SmapsRecord::lazy_free},
    {"AnonHugePages", &SmapsRecord::anon_huge},
    {"ShmemPmdMapped", &SmapsRecord::shmem_huge},
    {"FilePmdMapped", &SmapsRecord::file_huge},
    {"Shared_Hugetlb", &SmapsRecord::shared_hugetlb},
    {"Private_Hugetlb", &SmapsRecord::private_hugetlb},
    {"Swap", &SmapsRecord::swap},
    {"SwapPss", &SmapsRecord::swap_pss},
    {"Locked", &SmapsRecord::locked},
    {"ProtectionKey", &SmapsRecord::protection_key},
};

// [vsyscall] lives above user space, in no mm.
constexpr uint64_t kKernelHalf = 0x8000000000000000;

std::optional<SmapsRecord> parse_head(std::string_view line) {
  const std::string text(line.substr(0, 64));
  SmapsRecord record;
  char permissions[5];
  if (std::sscanf(text.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &record.start, &record.end,
                  permissions) != 3)
    return std::nullopt;
  return record;
}

void parse_value(std::string_view name, std::string_view value, SmapsRecord& record) {
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  for (const Line& line : kLines) {
    if (line.name != name) continue;
    uint64_t number = 0;
    if (std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc())
      record.*line.field = number;
  }
}

}  // namespace

bool SmapsRecord::has_flag(std::string_view letters) const {
  return flags.find(fmt::format(" {} ", letters)) != std::string::npos;
}

std::vector<SmapsRecord> parse_smaps_records(std::string_view text) {
  std::vector<SmapsRecord> records;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // A path may hold a colon, but a head has its dash before that.
    const size_t colon = line.find(':'), dash = line.find('-');
    if (dash < colon) {
      if (auto record = parse_head(line)) records.push_back(*std::move(record));
    } else if (!records.empty() && colon != std::string_view::npos) {
      const std::string_view name = line.substr(0, colon), value = line.substr(colon + 1);
      if (name == "VmFlags")
        records.back().flags = std::string(value) + " ";
      else
        parse_value(name, value, records.back());
    }
  }
  std::erase_if(records, [](const SmapsRecord& record) { return record.start >= kKernelHalf; });
  return records;
}

}  // namespace svma
