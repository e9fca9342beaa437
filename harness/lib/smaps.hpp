// SPDX-License-Identifier: GPL-2.0-only
// What /proc/PID/smaps counts in each VMA. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svma {

// One VMA. Sizes are kB, as they are printed: rounded down. nullopt: this kernel has no such line.
struct SmapsRecord {
  uint64_t start = 0;
  uint64_t end = 0;
  std::optional<uint64_t> rss;
  std::optional<uint64_t> pss;
  std::optional<uint64_t> pss_dirty;  // from v6.0 on
  std::optional<uint64_t> shared_clean;
  std::optional<uint64_t> shared_dirty;
  std::optional<uint64_t> private_clean;
  std::optional<uint64_t> private_dirty;
  std::optional<uint64_t> referenced;
  std::optional<uint64_t> anonymous;
  std::optional<uint64_t> ksm;  // from v6.6 on
  std::optional<uint64_t> lazy_free;
  std::optional<uint64_t> anon_huge;
  std::optional<uint64_t> shmem_huge;
  std::optional<uint64_t> file_huge;
  std::optional<uint64_t> shared_hugetlb;
  std::optional<uint64_t> private_hugetlb;
  std::optional<uint64_t> swap;
  std::optional<uint64_t> swap_pss;
  std::optional<uint64_t> locked;
  std::optional<uint64_t> protection_key;  // a number; where the processor has keys
  std::string flags;                       // " rd ex mr mw me " ...

  // By the two letters of VmFlags.
  bool has_flag(std::string_view letters) const;
};

// The records in the text of a smaps file, without those that are no VMAs ([vsyscall]).
std::vector<SmapsRecord> parse_smaps_records(std::string_view text);

}  // namespace svma
