// SPDX-License-Identifier: GPL-2.0-only
// Who maps a page: what the shadow says, held against the page tables. Pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/json.hpp"
#include "lib/layout.hpp"
#include "lib/pages.hpp"
#include "uapi/svma.h"

namespace svma {

// A VMA that may map the page, and what is really there.
struct Candidate {
  svma_sharer vma{};
  pid_t pid = 0;
  std::string comm;
  std::optional<PageEntry> entry;  // nullopt: the process has gone
};

// The page that was asked for.
struct SharedPage {
  PageEntry entry;
  std::optional<FrameState> frame;  // of one that is present
  uint64_t anon_vma = 0;            // number, 0: none
  uint32_t dev = 0;                 // of the file that is mapped there
  uint64_t ino = 0;                 // 0: none
  uint64_t page = 0;                // number in the file
  bool abroad = false;              // somebody who is not tracked may map it
  bool cut = false;                 // there are more candidates than are listed
};

enum class SharerState { kMaps, kOther, kNothing, kGone };

SharerState state_of(const Candidate& candidate, const SharedPage& page);

// How many of the candidates map it.
uint64_t count_mappers(const SharedPage& page, const std::vector<Candidate>& candidates);

// Whether the kernel's own count of mappings can be held against that of the candidates: not of
// pages that are found by another way, or counted together with others.
bool count_is_known(const SharedPage& page);

// What contradicts the shadow, in words; "" if nothing does. `asked`: index of the candidate whose
// address was asked for, nullopt: it is not among them. `left_out`: VMAs of what is tracked that
// map the page of the file, by their layouts, and are not among the candidates.
std::string contradiction(const SharedPage& page, const std::vector<Candidate>& candidates,
                          std::optional<size_t> asked, const std::vector<Candidate>& left_out = {});

// Where page `page` of a file is in a VMA of that file; nullopt: not in it. Bytes.
std::optional<uint64_t> address_in(const Vma& vma, uint64_t page);

// "frame 1a2b, anonymous, mapped 3 times; anon_vma 17".
std::string page_text(const SharedPage& page);
// A table of the candidates and a summary.
std::string sharers_text(const SharedPage& page, const std::vector<Candidate>& candidates);
Json to_json(const SharedPage& page, const std::vector<Candidate>& candidates,
             const std::string& contradiction);

}  // namespace svma
