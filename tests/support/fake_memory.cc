// SPDX-License-Identifier: GPL-2.0-only
#include "fake_memory.hpp"

#include <cstdlib>

namespace svma::test {
namespace {

FakeMemory* machine = nullptr;

}  // namespace

FakeMemory::FakeMemory() {
  if (machine != nullptr) std::abort();
  machine = this;
}

FakeMemory::~FakeMemory() { machine = nullptr; }

const FakeMemory::Table* FakeMemory::find_table(u64 address) const {
  const auto found = tables_.find(address);
  return found == tables_.end() ? nullptr : &found->second;
}

u32 FakeMemory::frame(u64 frame) const {
  auto found = frames_.upper_bound(frame);
  if (found == frames_.begin()) return 0;
  --found;
  return frame - found->first < found->second.count ? found->second.what : 0;
}

}  // namespace svma::test

extern "C" const svma_u64* svma_os_table(svma_u64 table) {
  if (svma::test::machine == nullptr) std::abort();
  ++svma::test::machine->asked.tables;
  const svma::test::FakeMemory::Table* const found = svma::test::machine->find_table(table);
  return found == nullptr ? nullptr : found->data();
}

extern "C" void svma_os_frames(svma_u64* frame, svma_u32 count) {
  if (svma::test::machine == nullptr) std::abort();
  ++svma::test::machine->asked.questions;
  svma::test::machine->asked.frames += count;
  for (svma_u32 i = 0; i < count; ++i) {
    frame[i] |= svma_u64{svma::test::machine->frame(frame[i])} << SVMA_FRAME_SHIFT;
  }
}
