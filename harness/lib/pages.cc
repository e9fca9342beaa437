// SPDX-License-Identifier: GPL-2.0-only
#include "lib/pages.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "lib/error.hpp"
#include "lib/layout.hpp"

namespace svma {
namespace {

// One of the 64-bit words that these files are made of.
std::optional<uint64_t> word_at(const Fd& file, uint64_t index) {
  uint64_t word = 0;
  if (pread(file.get(), &word, sizeof(word), index * sizeof(word)) != sizeof(word))
    return std::nullopt;
  return word;
}

Fd open_or_throw(const char* path) {
  Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) throw Error("{}: {}; only root may read it", path, errno_text(errno));
  return file;
}

}  // namespace

Pages::Pages()
    : counts_(open_or_throw("/proc/kpagecount")), flags_(open_or_throw("/proc/kpageflags")) {}

std::optional<PageEntry> Pages::entry(pid_t pid, uint64_t address) const {
  const Fd pagemap(open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!pagemap) return std::nullopt;
  const auto word = word_at(pagemap, address / kPageSize);
  if (!word) return std::nullopt;
  return PageEntry(*word);
}

FrameState Pages::frame(uint64_t frame) const {
  const auto count = word_at(counts_, frame), flags = word_at(flags_, frame);
  if (!count || !flags) throw Error("/proc/kpagecount: frame {:#x} is not there", frame);
  return {*count, PageFlags(*flags)};
}

}  // namespace svma
