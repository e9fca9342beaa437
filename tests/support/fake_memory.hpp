// SPDX-License-Identifier: GPL-2.0-only
//
// A machine's physical memory as far as page tables are concerned: what svma_os_table() and
// svma_os_frames() see. Tables are pages that were written to; all else is no memory, or frames of
// which struct page says what a test has said.
#pragma once

#include <array>
#include <map>
#include <unordered_map>

#include "abi/os_services.h"
#include "base/types.hpp"

namespace svma::test {

class FakeMemory {
 public:
  static constexpr unsigned kEntries = 512;
  using Table = std::array<u64, kEntries>;

  // The one made last is the machine's; there is one at a time.
  FakeMemory();
  ~FakeMemory();
  FakeMemory(const FakeMemory&) = delete;
  FakeMemory& operator=(const FakeMemory&) = delete;

  // The table at this physical address, empty at first.
  Table& table(u64 address) { return tables_[address]; }
  const Table* find_table(u64 address) const;

  // What svma_os_frames() says of the frames [first, first + count); before, that there are none.
  void set_frames(u64 first, u64 count, u32 what) { frames_[first] = {count, what}; }
  u32 frame(u64 frame) const;

  // What the core asked for.
  struct Asked {
    u64 tables = 0;
    u64 questions = 0;  // about frames
    u64 frames = 0;
  };
  Asked asked;

 private:
  struct Frames {
    u64 count;
    u32 what;
  };
  std::unordered_map<u64, Table> tables_;
  std::map<u64, Frames> frames_;
};

}  // namespace svma::test
