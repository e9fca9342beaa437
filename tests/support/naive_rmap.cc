// SPDX-License-Identifier: GPL-2.0-only
#include "naive_rmap.hpp"

#include <algorithm>

namespace svma::test {

std::size_t NaiveRmap::children(int anon_vma) const {
  return static_cast<std::size_t>(
      std::count_if(anon_vmas_.begin(), anon_vmas_.end(),
                    [&](const auto& entry) { return entry.second.parent == anon_vma; }));
}

std::size_t NaiveRmap::active(int anon_vma) const {
  return static_cast<std::size_t>(std::count_if(vmas_.begin(), vmas_.end(), [&](const auto& entry) {
    return entry.second.anon_vma == anon_vma;
  }));
}

void NaiveRmap::erase(std::multimap<u64, int>& from, int vma) {
  from.erase(std::find_if(from.begin(), from.end(),
                          [&](const auto& entry) { return entry.second == vma; }));
}

void NaiveRmap::enter(int anon_vma, int vma) {
  anon_vmas_.at(anon_vma).vmas.emplace(vmas_.at(vma).bounds.anon_pgoff.value(), vma);
}

// An anon_vma without VMAs is no more, whatever may still point to it.
void NaiveRmap::leave(int anon_vma, int vma) {
  erase(anon_vmas_.at(anon_vma).vmas, vma);
  if (anon_vmas_.at(anon_vma).vmas.empty()) anon_vmas_.erase(anon_vma);
}

void NaiveRmap::add(int vma, const RmapBounds& bounds, int file) {
  vmas_[vma] = {bounds, kNone, {}, file};
}

void NaiveRmap::prepare(int vma, int shared) {
  if (shared == kNone) {
    shared = next_anon_vma_++;
    anon_vmas_[shared] = {shared, shared, {}};
  }
  vmas_.at(vma).anon_vma = shared;
  vmas_.at(vma).chain = {shared};
  enter(shared, vma);
}

void NaiveRmap::clone(int dst, int src, bool fork) {
  const VmaState& from = vmas_.at(src);
  VmaState& to = vmas_.at(dst);
  to.chain = from.chain;
  // Reuse takes the first that will do, of the oldest first or of the newest.
  std::vector<int> candidates = from.chain;
  if (!semantics_.clone_reverses_chain) std::reverse(candidates.begin(), candidates.end());
  if (semantics_.clone_reverses_chain) std::reverse(to.chain.begin(), to.chain.end());
  to.anon_vma = fork ? kNone : from.anon_vma;
  for (const int candidate : candidates) {
    if (fork && to.anon_vma == kNone && active(candidate) == 0 && children(candidate) < 2) {
      to.anon_vma = candidate;
    }
    enter(candidate, dst);
  }
}

void NaiveRmap::fork(int child, int parent) {
  const int above = vmas_.at(parent).anon_vma;
  if (above == kNone) return;
  clone(child, parent, true);
  VmaState& state = vmas_.at(child);
  if (state.anon_vma != kNone) return;
  const int own = next_anon_vma_++;
  anon_vmas_[own] = {above, anon_vmas_.at(above).root, {}};
  state.anon_vma = own;
  state.chain.insert(state.chain.begin(), own);
  enter(own, child);
}

void NaiveRmap::unlink(int vma) {
  for (const int anon_vma : vmas_.at(vma).chain) leave(anon_vma, vma);
  vmas_.at(vma).chain.clear();
  vmas_.at(vma).anon_vma = kNone;
}

void NaiveRmap::remove(int vma) {
  unlink(vma);
  if (vmas_.at(vma).file != kNone) erase(files_[vmas_.at(vma).file], vma);
  vmas_.erase(vma);
}

void NaiveRmap::link_file(int vma, int behind) {
  const VmaState& state = vmas_.at(vma);
  if (state.file == kNone) return;
  std::multimap<u64, int>& file = files_[state.file];
  const u64 start = state.bounds.pgoff.value();
  if (behind == kNone) {
    file.emplace(start, vma);
    return;
  }
  const auto at = std::find_if(file.begin(), file.end(),
                               [&](const auto& entry) { return entry.second == behind; });
  file.emplace_hint(std::next(at), start, vma);
}

void NaiveRmap::change(const std::vector<Change>& in_file_order,
                       const std::vector<Change>& in_anon_order) {
  for (const Change& change : in_file_order) {
    const VmaState& state = vmas_.at(change.vma);
    for (const int anon_vma : state.chain) erase(anon_vmas_.at(anon_vma).vmas, change.vma);
    if (state.file != kNone) erase(files_[state.file], change.vma);
  }
  for (const Change& change : in_file_order) vmas_.at(change.vma).bounds = change.bounds;
  for (const Change& change : in_file_order) link_file(change.vma, kNone);
  for (const Change& change : in_anon_order) {
    for (const int anon_vma : vmas_.at(change.vma).chain) enter(anon_vma, change.vma);
  }
}

}  // namespace svma::test
