// SPDX-License-Identifier: GPL-2.0-only
// The same reports for programs. Addresses and flags are "0x..." strings: a JSON number may lose
// bits.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "lib/journal.hpp"
#include "lib/tally.hpp"
#include "lib/tree.hpp"
#include "uapi/svma.h"

namespace svma {

// Keeps the order in which keys were added.
using Json = nlohmann::ordered_json;

Json to_json(const CheckReport& report, int exit_code, const std::string& why);
Json to_json(const Vma& vma);
Json to_json(const Totals& totals);
Json to_json(const Tree& tree);
Json to_json(const std::vector<FreeRange>& gaps);
Json to_json(const svma_stats& stats);
Json to_json(const svma_facts& facts);
Json to_json(const svma_rmap_stats& rmap);
Json to_json(const svma_shape& shape);
Json to_json(std::span<const svma_probe> probes);
Json to_json(std::span<const svma_semantic> choices);
Json to_json(const svma_extent& vma);
Json to_json(const svma_journal_entry& entry);
Json to_json(const Journal& journal);
// Who has owned `address`.
Json owners_json(const Journal& journal, uint64_t address);

// "0x7ffd1000".
std::string hex(uint64_t value);

// Text of a JSON value as a file or stdout gets it; bytes that are no UTF-8 (a program may have any
// name) are replaced.
std::string json_text(const Json& json);

}  // namespace svma
