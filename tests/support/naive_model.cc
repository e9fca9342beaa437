// SPDX-License-Identifier: GPL-2.0-only
#include "naive_model.hpp"

#include <algorithm>
#include <sstream>

namespace svma::test {

namespace {

// The attributes of `vma` if it began at `start` instead.
VmaAttrs attrs_from(const NaiveVma& vma, u64 start) {
  VmaAttrs attrs = vma.attrs;
  const u64 pgoff = attrs.vm_pgoff.value();
  attrs.vm_pgoff = PageOffset(start >= vma.start ? pgoff + (start - vma.start) / kPageSize
                                                 : pgoff - (vma.start - start) / kPageSize);
  return attrs;
}

bool aligned(u64 addr, const UnmappedAreaInfo& info) {
  return (addr & info.align_mask) == (info.align_offset & info.align_mask);
}

// How far apart aligned addresses are: align_mask is a run of ones that may begin at the page
// shift.
u64 period(const UnmappedAreaInfo& info) {
  return info.align_mask ? (info.align_mask | (kPageSize - 1)) + 1 : 1;
}

// The address nearest below or at `addr` that is aligned as asked.
u64 align_down(u64 addr, const UnmappedAreaInfo& info) {
  const u64 candidate = (addr & ~info.align_mask) | (info.align_offset & info.align_mask);
  return candidate <= addr ? candidate : candidate - period(info);
}

// Everything but anon_vma and offset, which depend on the side.
bool alike(const NaiveVma& neighbour, const VmaAttrs& attrs) {
  const VmFlags never = 0x4000 | 0x40000 | 0x400 | 0x10000000;  // IO, DONTEXPAND, PFNMAP, MIXEDMAP
  const VmFlags soft_dirty = 0x8000000;
  return (attrs.vm_flags & never) == 0 && !neighbour.attrs.has_close &&
         (neighbour.attrs.vm_flags | soft_dirty) == (attrs.vm_flags | soft_dirty) &&
         neighbour.attrs.file == attrs.file && neighbour.attrs.uffd_ctx == attrs.uffd_ctx &&
         neighbour.attrs.anon_name == attrs.anon_name &&
         neighbour.attrs.vm_policy == attrs.vm_policy;
}

bool anon_vma_fits(const NaiveVma& neighbour, const VmaAttrs& attrs) {
  if (neighbour.attrs.anon_vma == attrs.anon_vma) return true;
  if (neighbour.attrs.anon_vma && attrs.anon_vma) return false;
  return neighbour.attrs.anon_singular;
}

}  // namespace

std::optional<std::size_t> NaiveModel::find(u64 addr) const {
  for (std::size_t i = 0; i < vmas_.size(); ++i) {
    if (addr < vmas_[i].end) return i;
  }
  return std::nullopt;
}

std::optional<std::size_t> NaiveModel::find_intersection(u64 start, u64 end) const {
  for (std::size_t i = 0; i < vmas_.size(); ++i) {
    if (std::max(start, vmas_[i].start) < std::min(end, vmas_[i].end)) return i;
  }
  return std::nullopt;
}

bool NaiveModel::insert(const NaiveVma& vma) {
  if (!free_range(vma.start, vma.end)) return false;
  vmas_.push_back(vma);
  std::sort(vmas_.begin(), vmas_.end(),
            [](const NaiveVma& a, const NaiveVma& b) { return a.start < b.start; });
  return true;
}

void NaiveModel::split(std::size_t index, u64 addr) {
  NaiveVma upper = vmas_[index];
  upper.attrs = attrs_from(upper, addr);
  upper.start = addr;
  vmas_[index].end = addr;
  vmas_.insert(vmas_.begin() + static_cast<long>(index) + 1, upper);
}

bool NaiveModel::expand_downwards(std::size_t index, u64 addr) {
  NaiveVma& vma = vmas_[index];
  if ((vma.attrs.vm_flags & kVmGrowsDown) == 0) return false;
  const u64 start = addr / kPageSize * kPageSize;
  if (start >= vma.start) return true;
  if (index > 0 && vmas_[index - 1].end > start) return false;
  if (vma.attrs.vm_pgoff.value() < (vma.start - start) / kPageSize) return false;
  vma.attrs = attrs_from(vma, start);
  vma.start = start;
  return true;
}

unsigned NaiveModel::munmap_cuts(u64 start, u64 end) const {
  unsigned cuts = 0;
  for (const NaiveVma& vma : vmas_) {
    if (vma.start < start && start < vma.end) ++cuts;
    if (vma.start < end && end < vma.end) ++cuts;
  }
  return cuts;
}

bool NaiveModel::munmap_exceeds(u64 start, u64 end, u32 max_map_count) const {
  for (const NaiveVma& vma : vmas_) {
    if (vma.start < start && end < vma.end) return vmas_.size() >= max_map_count;
  }
  return false;
}

void NaiveModel::munmap(u64 start, u64 end) {
  std::vector<NaiveVma> kept;
  for (const NaiveVma& vma : vmas_) {
    NaiveVma below = vma;
    below.end = std::min(vma.end, start);
    if (below.start < below.end) kept.push_back(below);
    NaiveVma above = vma;
    above.start = std::max(vma.start, end);
    above.attrs = attrs_from(vma, above.start);
    if (above.start < above.end) kept.push_back(above);
  }
  vmas_ = kept;
}

bool NaiveModel::joins_below(const NaiveVma& neighbour, const VmaAttrs& attrs) {
  return alike(neighbour, attrs) && anon_vma_fits(neighbour, attrs) &&
         neighbour.attrs.vm_pgoff.value() + neighbour.pages() == attrs.vm_pgoff.value();
}

bool NaiveModel::joins_above(const NaiveVma& neighbour, const VmaAttrs& attrs, u64 pages) {
  return alike(neighbour, attrs) && anon_vma_fits(neighbour, attrs) &&
         attrs.vm_pgoff.value() + pages == neighbour.attrs.vm_pgoff.value();
}

bool NaiveModel::merge(u64 start, u64 end, const VmaAttrs& attrs) {
  // What lies under the range now, if anything, and what would touch it at both sides. The rest of
  // a VMA that the range is cut out of is not a neighbour to join: the caller's attributes differ
  // from its.
  const std::optional<std::size_t> owner_index = find_intersection(start, end);
  std::optional<NaiveVma> owner;
  if (owner_index) owner = vmas_[*owner_index];
  std::optional<NaiveVma> left;
  std::optional<NaiveVma> right;
  for (const NaiveVma& vma : vmas_) {
    if (vma.end == start) left = vma;
    if (vma.start == end) right = vma;
  }
  const bool join_left = left && joins_below(*left, attrs);
  bool join_right = right && joins_above(*right, attrs, (end - start) / kPageSize);
  if (join_left && join_right && left->attrs.anon_vma && right->attrs.anon_vma &&
      left->attrs.anon_vma != right->attrs.anon_vma) {
    join_right = false;
  }
  if (!join_left && !join_right) return false;

  NaiveVma joined = join_left ? *left : *right;
  joined.start = join_left ? left->start : start;
  joined.end = join_right ? right->end : end;
  if (!join_left) joined.attrs = attrs_from(*right, start);
  for (const std::optional<NaiveVma>& absorbed : {owner, right}) {
    if (!absorbed || joined.attrs.anon_vma || (!join_right && absorbed == right)) continue;
    joined.attrs.anon_vma = absorbed->attrs.anon_vma;
    joined.attrs.anon_singular = absorbed->attrs.anon_singular;
  }
  munmap(joined.start, joined.end);
  return insert(joined);
}

void NaiveModel::expand(std::size_t index, u64 start, u64 end, u64 pgoff, bool over_next) {
  NaiveVma& vma = vmas_[index];
  vma.start = start;
  vma.end = end;
  vma.attrs.vm_pgoff = PageOffset(pgoff);
  if (!over_next) return;
  if (!vma.attrs.anon_vma) {
    vma.attrs.anon_vma = vmas_[index + 1].attrs.anon_vma;
    vma.attrs.anon_singular = vmas_[index + 1].attrs.anon_singular;
  }
  erase(index + 1);
}

void NaiveModel::inherit(VmaAttrs& heir, const VmaAttrs& from) const {
  if (heir.anon_vma) return;
  heir.anon_vma = from.anon_vma;
  heir.anon_singular = from.anon_singular;
}

void NaiveModel::move_boundary(std::size_t index, u64 addr) {
  NaiveVma& vma = vmas_[index];
  NaiveVma& next = vmas_[index + 1];
  const bool vma_gains = addr > next.start;
  inherit(vma_gains ? vma.attrs : next.attrs, vma_gains ? next.attrs : vma.attrs);
  next.attrs = attrs_from(next, addr);
  next.start = addr;
  vma.end = addr;
}

void NaiveModel::swallow(std::size_t index, std::size_t count) {
  for (; count > 0; --count) {
    inherit(vmas_[index].attrs, vmas_[index + 1].attrs);
    vmas_[index].end = vmas_[index + 1].end;
    erase(index + 1);
  }
}

void NaiveModel::yield(std::size_t index) {
  NaiveVma& next = vmas_[index + 1];
  inherit(next.attrs, vmas_[index].attrs);
  next.start = vmas_[index].start;
  next.attrs.vm_pgoff = vmas_[index].attrs.vm_pgoff;
  erase(index);
}

void NaiveModel::set_bounds(std::size_t index, u64 start, u64 end) {
  vmas_[index].attrs = attrs_from(vmas_[index], start);
  vmas_[index].start = start;
  vmas_[index].end = end;
}

NaiveModel::Copied NaiveModel::copy(std::size_t index, u64 start, u64 end, u64 pgoff, bool keep) {
  if (!free_range(start, end)) return Copied::kOccupied;
  const NaiveVma source = vmas_[index];
  NaiveVma fresh{start, end, source.attrs};
  fresh.attrs.vm_pgoff = PageOffset(pgoff);
  const bool untouched = source.attrs.anonymous && !source.attrs.anon_vma;
  if (untouched) fresh.attrs.vm_pgoff = PageOffset(start / kPageSize);
  const bool beside = source.end == start || end == source.start;
  if (!(untouched && keep && beside) && merge(start, end, fresh.attrs)) return Copied::kMerged;
  insert(fresh);
  return Copied::kNew;
}

u64 NaiveModel::guarded_start(const NaiveVma& vma) const {
  if ((vma.attrs.vm_flags & kVmGrowsDown) == 0) return vma.start;
  return vma.start < stack_guard_gap_ ? 0 : vma.start - stack_guard_gap_;
}

std::vector<NaiveModel::Gap> NaiveModel::gaps() const {
  std::vector<Gap> gaps;
  u64 at = 0;
  for (const NaiveVma& vma : vmas_) {
    if (guarded_start(vma) > at) gaps.push_back({at, guarded_start(vma)});
    at = vma.end;
  }
  gaps.push_back({at, ~u64{0}});
  return gaps;
}

std::optional<u64> NaiveModel::lowest_fit(const UnmappedAreaInfo& info) const {
  const u64 room = info.length + info.align_mask;
  for (const Gap& gap : gaps()) {
    const u64 low = std::max(gap.start, info.low_limit.value());
    const u64 high = std::min(gap.end, info.high_limit.value());
    if (low > high || high - low < room) continue;
    return aligned(low, info) ? low : align_down(low, info) + period(info);
  }
  return std::nullopt;
}

std::optional<u64> NaiveModel::highest_fit(const UnmappedAreaInfo& info) const {
  const u64 room = info.length + info.align_mask;
  std::vector<Gap> downwards = gaps();
  std::reverse(downwards.begin(), downwards.end());
  for (const Gap& gap : downwards) {
    const u64 low = std::max(gap.start, info.low_limit.value());
    const u64 high = std::min(gap.end, info.high_limit.value());
    if (low > high || high - low < room) continue;
    return align_down(high - info.length, info);
  }
  return std::nullopt;
}

std::vector<NaiveModel::Hole> NaiveModel::holes() const {
  std::vector<Hole> holes;
  u64 at = 0;
  for (const NaiveVma& vma : vmas_) {
    if (vma.start > at) holes.push_back({at, vma.start, guarded_start(vma)});
    at = vma.end;
  }
  holes.push_back({at, ~u64{0}, ~u64{0}});
  return holes;
}

std::optional<u64> NaiveModel::lowest_in_holes(const UnmappedAreaInfo& info) const {
  const u64 room = info.length + info.align_mask;
  const u64 limit = info.high_limit.value();
  for (const Hole& hole : holes()) {
    const u64 low = std::max(hole.start, info.low_limit.value());
    const u64 high = std::min(hole.end, limit);
    if (low >= high || high - low < room) continue;
    const u64 at = aligned(low, info) ? low : align_down(low, info) + period(info);
    // The worst loss to alignment counts as used, though it was used already: so does the kernel.
    if (hole.guard < hole.end && at + room - 1 > hole.guard) continue;
    return at;
  }
  return std::nullopt;
}

// The highest hole that is long enough and begins low enough is the only one looked at. If the
// lower limit takes from it what is needed, there is no answer; if it is a stack's guard gap that
// does, everything is asked again below that.
std::optional<u64> NaiveModel::highest_in_holes(const UnmappedAreaInfo& info) const {
  const u64 room = info.length + info.align_mask;
  const u64 low = info.low_limit.value();
  std::vector<Hole> downwards = holes();
  std::reverse(downwards.begin(), downwards.end());
  for (u64 high = info.high_limit.value(); low + 1 < high && room <= high;) {
    const auto candidate = std::find_if(downwards.begin(), downwards.end(), [&](const Hole& hole) {
      return hole.end - hole.start >= room && hole.start <= high - room;
    });
    if (candidate == downwards.end()) return std::nullopt;
    if (candidate->end < low || candidate->end - low < room) return std::nullopt;
    const u64 top = std::min(candidate->end, high);
    if (candidate->guard >= top) return align_down(top - info.length, info);
    high = candidate->guard;
  }
  return std::nullopt;
}

bool NaiveModel::fits_at(u64 addr, const UnmappedAreaInfo& info) const {
  if (!aligned(addr, info)) return false;
  if (addr < info.low_limit.value() || addr + info.length > info.high_limit.value()) return false;
  for (const Gap& gap : gaps()) {
    if (gap.start <= addr && addr + info.length <= gap.end) return true;
  }
  return false;
}

bool NaiveModel::gap_ends_out_of_order() const {
  for (std::size_t i = 1; i < vmas_.size(); ++i) {
    if (guarded_start(vmas_[i]) < guarded_start(vmas_[i - 1])) return true;
  }
  return false;
}

Accounting NaiveModel::count() const {
  Accounting acct;
  for (const NaiveVma& vma : vmas_) {
    const PageCount pages(vma.pages());
    const bool exec = (vma.attrs.vm_flags & 0x4) != 0;
    const bool write = (vma.attrs.vm_flags & 0x2) != 0;
    const bool shared = (vma.attrs.vm_flags & 0x8) != 0;
    const bool stack = (vma.attrs.vm_flags & 0x100) != 0;
    acct.total_vm += pages;
    if (stack) acct.stack_vm += pages;
    if (!stack && exec && !write) acct.exec_vm += pages;
    if (!stack && write && !shared) acct.data_vm += pages;
    if ((vma.attrs.vm_flags & 0x2000) != 0) acct.locked_vm += pages;
  }
  return acct;
}

std::string NaiveModel::to_string() const {
  std::ostringstream out;
  out << std::hex;
  for (const NaiveVma& vma : vmas_) {
    out << vma.start << '-' << vma.end << " flags=" << vma.attrs.vm_flags
        << " pgoff=" << vma.attrs.vm_pgoff.value() << " file=" << vma.attrs.file
        << " ino=" << vma.attrs.ino << " anon_vma=" << vma.attrs.anon_vma
        << (vma.attrs.anon_singular ? "*" : "") << " policy=" << vma.attrs.vm_policy << '\n';
  }
  return out.str();
}

std::string difference(const AddressSpace& mm, const NaiveModel& model) {
  NaiveModel seen(mm.stack_guard_gap());
  for (const Vma* vma = mm.first(); vma; vma = AddressSpace::next(vma)) {
    const NaiveVma as_seen{vma->vm_start.value(), vma->vm_end.value(), vma->attrs};
    if (!seen.insert(as_seen)) return "overlap in the core";
  }
  if (seen.vmas() == model.vmas()) return "";
  return "core:\n" + seen.to_string() + "model:\n" + model.to_string();
}

}  // namespace svma::test
