// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_pages.hpp"

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "lib/error.hpp"
#include "svma_pages.skel.h"

namespace svma {
namespace {

// The program answers in memory, and writes no records.
class NoRecords : public IterRecords {
  size_t take_one(std::span<const char>) override { return 0; }
};

}  // namespace

void OraclePages::Destroy::operator()(svma_pages_bpf* skeleton) const {
  svma_pages_bpf::destroy(skeleton);
}

OraclePages::~OraclePages() = default;

std::unique_ptr<OraclePages> OraclePages::create(uint64_t cookie_factor, std::string& why) {
  std::unique_ptr<OraclePages> oracle(new OraclePages);
  svma_pages_bpf* const skeleton = svma_pages_bpf::open();
  if (!skeleton) {
    why = std::string("cannot open the BPF program: ") + errno_text(errno);
    return nullptr;
  }
  oracle->skeleton_.reset(skeleton);
  skeleton->rodata->cookie_factor = cookie_factor;
  if (int error = svma_pages_bpf::load(skeleton)) {
    why = std::string("cannot load the BPF program: ") + errno_text(-error);
    return nullptr;
  }
  return oracle;
}

void OraclePages::pass() {
  NoRecords none;
  run_pass(links_.of_all(skeleton_->progs.answer), none);
}

std::vector<svma_bpf_walk> OraclePages::walk(pid_t pid, std::span<const uint64_t> addresses) {
  std::vector<svma_bpf_walk> answers;
  auto& memory = *skeleton_->bss;
  memory.wanted_pages = 0;
  memory.wanted_tgid = pid;
  for (size_t done = 0; done < addresses.size();) {
    const size_t count = std::min<size_t>(addresses.size() - done, SVMA_BPF_QUESTIONS);
    for (size_t i = 0; i < count; ++i) {
      memory.walks[i] = {};
      memory.walks[i].addr = addresses[done + i];
    }
    memory.wanted_walks = count;
    pass();
    if (memory.wanted_walks != 0) return {};  // nobody was found
    answers.insert(answers.end(), memory.walks, memory.walks + count);
    done += count;
  }
  return answers;
}

std::vector<svma_bpf_page> OraclePages::pages(std::span<const uint64_t> frames) {
  std::vector<svma_bpf_page> answers;
  auto& memory = *skeleton_->bss;
  memory.wanted_walks = 0;
  for (size_t done = 0; done < frames.size();) {
    const size_t count = std::min<size_t>(frames.size() - done, SVMA_BPF_QUESTIONS);
    for (size_t i = 0; i < count; ++i) {
      memory.pages[i] = {};
      memory.pages[i].pfn = frames[done + i];
    }
    memory.wanted_pages = count;
    pass();
    answers.insert(answers.end(), memory.pages, memory.pages + count);
    done += count;
  }
  return answers;
}

}  // namespace svma
