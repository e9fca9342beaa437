// SPDX-License-Identifier: GPL-2.0-only
// The live side's answers to PROCMAP_QUERY, which looks VMAs up one by one where maps and smaps are
// read from start to end. Since commit ed5d583a88a9 (v6.11).
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

#include "lib/sources.hpp"

namespace svma {

class OracleQuery : public QuerySource {
 public:
  // Asks the kernel about this process, so as to know whether it answers at all.
  OracleQuery();

  bool available() const override { return absent_.empty(); }
  std::optional<QueryView> ask(pid_t pid, std::span<const uint64_t> addresses, bool walk) override;

  // "on", or why the kernel does not answer.
  std::string state() const { return absent_.empty() ? "on" : absent_; }

 private:
  std::string absent_;
};

}  // namespace svma
