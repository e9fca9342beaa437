// SPDX-License-Identifier: GPL-2.0-only
// The journal of one mm: as text, as JSON, and the question who has owned an address. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "uapi/svma.h"

namespace svma {

// Invariants: entries are in order of id, without holes.
struct Journal {
  uint64_t mm_id = 0;
  pid_t pid = 0;
  uint64_t lost = 0;  // entries before the first that are gone
  std::vector<svma_journal_entry> entries;
};

// Who owns an address, as far as the journal tells.
struct Owner {
  enum class State {
    kUnknown,  // the journal does not say
    kNone,     // nothing is mapped there
    kMapped,
  };
  State state = State::kUnknown;
  svma_extent vma{};  // of kMapped
};

// After entries[index] the address had another owner than before, or the first one that is known.
struct OwnerChange {
  size_t index = 0;
  Owner before;
  Owner after;
};

// Another owner is: mapped or not, other flags (VM_SOFTDIRTY apart), another file or another part
// of it; and always a mapping that was made anew over the old one. That neighbours were merged into
// or split off the same VMA does not change who owns the address.
std::vector<OwnerChange> owners_at(std::span<const svma_journal_entry> entries, uint64_t address);

// The parts of [start, end) that an operation touched; mremap has two.
std::vector<std::pair<uint64_t, uint64_t>> touched_ranges(const svma_journal_entry& entry);

// What the entry lists of [start, end) afterwards.
std::span<const svma_extent> extents(const svma_journal_entry& entry);

// The operation with its arguments in words.
std::string call_of(const svma_journal_entry& entry);

std::string owner_text(const Owner& owner);

// One line: number, time since `origin_ns`, duration, task, call, result, what is there afterwards.
std::string entry_text(const svma_journal_entry& entry, uint64_t origin_ns, size_t call_width = 0);

std::string journal_text(const Journal& journal);
std::string owners_text(const Journal& journal, uint64_t address);

// "pid 12, mm 3: 40 entries, 8 lost before them".
std::string journal_headline(const Journal& journal);

}  // namespace svma
