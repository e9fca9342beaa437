// SPDX-License-Identifier: GPL-2.0-only
#include "rmap_world.hpp"

#include <algorithm>

#include "rmap/verify.hpp"
#include "rmap/walk.hpp"

namespace svma::test {

namespace {

constexpr u64 kReadFlag = 0x1, kWriteFlag = 0x2, kSharedFlag = 0x8;
constexpr int kNone = NaiveRmap::kNone;

VirtAddr address_of(u64 page) { return VirtAddr(page << kPageShift); }

std::string text(u64 number) { return std::to_string(number); }

}  // namespace

RmapWorld::RmapWorld(const RmapSemantics& semantics)
    : semantics_(semantics), rmap_(semantics), naive_(semantics) {}

RmapWorld::~RmapWorld() {
  while (!mms_.empty()) exit(mms_.begin()->first);
}

// --- layout

RmapBounds RmapWorld::make_bounds(u64 first, u64 end, u64 pgoff, u64 anon_pgoff) {
  return {{address_of(first), address_of(end)}, PageOffset(pgoff), PageOffset(anon_pgoff)};
}

// Page by page the indices stay what they are.
RmapBounds RmapWorld::bounds_at(const RmapBounds& old, u64 first, u64 end) {
  const u64 moved = first - old.range.start.page_number();
  return make_bounds(first, end, old.pgoff.value() + moved, old.anon_pgoff.value() + moved);
}

RmapWorld::Vma* RmapWorld::find(int mm, u64 page) const {
  for (const auto& [first, vma] : mms_.at(mm).vmas) {
    if (vma->first() <= page && page < vma->end()) return vma.get();
  }
  return nullptr;
}

RmapWorld::Vma* RmapWorld::below(int mm, u64 page) const {
  Vma* found = nullptr;
  for (const auto& [first, vma] : mms_.at(mm).vmas) {
    if (vma->end() <= page) found = vma.get();
  }
  return found;
}

RmapWorld::Vma* RmapWorld::above(int mm, u64 page) const {
  const auto at = mms_.at(mm).vmas.lower_bound(page);
  return at == mms_.at(mm).vmas.end() ? nullptr : at->second.get();
}

std::vector<RmapWorld::Vma*> RmapWorld::in_range(int mm, u64 first, u64 end) const {
  std::vector<Vma*> found;
  for (const auto& [start, vma] : mms_.at(mm).vmas) {
    if (vma->first() < end && first < vma->end()) found.push_back(vma.get());
  }
  return found;
}

bool RmapWorld::is_free(int mm, u64 first, u64 end) const {
  return first < end && first >= kFirstPage && end <= kFirstPage + kPages &&
         in_range(mm, first, end).empty();
}

std::unique_ptr<RmapWorld::Vma> RmapWorld::copy_of(const Vma& vma) {
  return std::make_unique<Vma>(next_vma_++, vma);
}

// The start of a VMA is its key in the map.
void RmapWorld::rekey(int mm) {
  std::map<u64, std::unique_ptr<Vma>> again;
  for (auto& [first, vma] : mms_.at(mm).vmas) {
    const u64 key = vma->first();
    again[key] = std::move(vma);
  }
  mms_.at(mm).vmas = std::move(again);
}

std::vector<int> RmapWorld::mms() const {
  std::vector<int> ids;
  for (const auto& [id, mm] : mms_) ids.push_back(id);
  return ids;
}

const RmapVma* RmapWorld::vma_at(int mm, u64 page) const {
  const Vma* const vma = find(mm, page);
  return vma ? &vma->core : nullptr;
}

std::vector<const RmapVma*> RmapWorld::vmas(int mm) const {
  std::vector<const RmapVma*> found;
  for (const auto& [first, vma] : mms_.at(mm).vmas) found.push_back(&vma->core);
  return found;
}

// --- merging: vma_merge() in v5.10, vma_merge_existing_range() and vma_merge_new_range() later

// is_mergeable_anon_vma(); `existing` is what changes its attributes, null for a new mapping.
bool RmapWorld::anon_vmas_mergeable(const Vma* target, const Vma* existing,
                                    const Vma* copied_from) const {
  const Vma* const source = existing ? existing : copied_from;
  const AnonVma* const ours = source ? source->core.anon_vma : nullptr;
  const AnonVma* const theirs = target->core.anon_vma;
  if (ours == theirs) return true;
  if (ours && theirs) return false;
  if (semantics_.copy_merge_takes_chain) {
    return (ours ? source : target)->core.chain_is_singular();
  }
  return target->core.chain_is_singular();
}

RmapWorld::Merge RmapWorld::mergeable(int mm, const Vma& like, const RmapBounds& where, u64 flags,
                                      const Vma* existing, const Vma* copied_from) const {
  const auto fits = [&](const RmapBounds& a, const RmapBounds& b, const Vma* target) {
    const PageCount pages = a.range.pages();
    const bool anon_fits = b.anon_pgoff == a.anon_pgoff + pages;
    return a.range.end == b.range.start && target->core.attrs.vm_flags == flags &&
           target->core.attrs.file == like.core.attrs.file && b.pgoff == a.pgoff + pages &&
           (anon_fits || like.kind == Kind::kSharedFile) && target != copied_from &&
           anon_vmas_mergeable(target, existing, copied_from);
  };
  Merge merge;
  Vma* const prev = below(mm, where.range.start.page_number());
  Vma* const next = above(mm, where.range.end.page_number());
  if (prev && fits(prev->core.bounds, where, prev)) merge.prev = prev;
  if (next && fits(where, next->core.bounds, next)) merge.next = next;
  if (merge.prev && merge.next) {
    const AnonVma* const a = merge.prev->core.anon_vma;
    const AnonVma* const b = merge.next->core.anon_vma;
    if (a && b && a != b) merge.next = nullptr;
  }
  return merge;
}

// Applies a change to the core and, if that had the memory, to the model.
bool RmapWorld::apply(int mm, RmapChange& change, Vma* vma, Vma* adj, Vma* remove, Vma* remove2) {
  RmapReserve reserve;
  const RmapNeed need = Rmap::adjust_needs(change);
  const Status filled = reserve.fill(need);
  (void)filled.ok();  // too small a reserve is an allocation that fails
  const bool importing = change.importer && !change.importer->anon_vma;
  const RmapVma* from = change.exporter && change.exporter->anon_vma ? change.exporter : nullptr;
  if (!from && change.copied_from && change.copied_from->anon_vma &&
      semantics_.copy_merge_takes_chain) {
    from = change.copied_from;
  }
  const int importer_id = change.importer ? ids_.at(change.importer) : kNone;
  const int from_id = from ? ids_.at(from) : kNone;
  change.vma = &vma->core;
  change.adj_next = adj ? &adj->core : nullptr;
  change.remove = remove ? &remove->core : nullptr;
  change.remove2 = remove2 ? &remove2->core : nullptr;
  if (!rmap_.adjust(change, reserve).ok()) return false;

  if (importing && from_id != kNone) naive_.clone(importer_id, from_id, false);
  std::vector<NaiveRmap::Change> changes{{vma->id, change.bounds}};
  std::vector<NaiveRmap::Change> file_order = changes;
  if (adj) {
    const RmapBounds& old = naive_.vma(adj->id).bounds;
    const NaiveRmap::Change moved{
        adj->id, bounds_at(old, change.adj_start.page_number(), old.range.end.page_number())};
    changes.push_back(moved);
    file_order.insert(file_order.begin(), moved);
  }
  naive_.change(file_order, changes);
  for (Vma* const gone : {remove, remove2}) {
    if (!gone) continue;
    naive_.remove(gone->id);
    ids_.erase(&gone->core);
    std::erase_if(mms_.at(mm).vmas, [&](const auto& entry) { return entry.second.get() == gone; });
  }
  rekey(mm);
  return true;
}

// [first, end) of `vma` gets other flags and becomes part of its neighbours, if it can.
// RETURNS: whether it did.
bool RmapWorld::merge_existing(int mm, Vma* vma, u64 first, u64 end, u64 flags) {
  const bool left = first == vma->first();
  const bool right = end == vma->end();
  const RmapBounds where = bounds_at(vma->core.bounds, first, end);
  Merge merge = mergeable(mm, *vma, where, flags, vma, nullptr);
  if (!left) merge.prev = nullptr;
  if (!right) merge.next = nullptr;
  Vma* const prev = merge.prev;
  Vma* const next = merge.next;
  RmapChange change;
  if (prev && next) {
    change.bounds = bounds_at(prev->core.bounds, prev->first(), next->end());
    change.importer = &prev->core;
    change.exporter = next->core.anon_vma ? &next->core : &vma->core;
    return apply(mm, change, prev, nullptr, vma, next);
  }
  if (prev) {
    change.bounds = bounds_at(prev->core.bounds, prev->first(), end);
    change.importer = &prev->core;
    change.exporter = &vma->core;
    change.adj_start = address_of(end);
    return apply(mm, change, prev, right ? nullptr : vma, right ? vma : nullptr, nullptr);
  }
  if (!next) return false;
  change.importer = &next->core;
  change.exporter = &vma->core;
  if (left) {
    change.bounds = bounds_at(next->core.bounds, first, next->end());
    return apply(mm, change, next, nullptr, vma, nullptr);
  }
  change.bounds = bounds_at(vma->core.bounds, vma->first(), first);
  change.adj_start = address_of(first);
  return apply(mm, change, vma, next, nullptr, nullptr);
}

// A hole [first, end) becomes part of its neighbours.
bool RmapWorld::merge_new(int mm, const Merge& merge, u64 first, u64 end, const Vma* copied_from) {
  Vma* const prev = merge.prev;
  Vma* const next = merge.next;
  RmapChange change;
  change.copied_from = copied_from ? &copied_from->core : nullptr;
  if (!prev) {
    change.bounds = bounds_at(next->core.bounds, first, next->end());
    change.importer = &next->core;
    return apply(mm, change, next, nullptr, nullptr, nullptr);
  }
  change.bounds = bounds_at(prev->core.bounds, prev->first(), next ? next->end() : end);
  change.importer = &prev->core;
  change.exporter = next ? &next->core : nullptr;
  return apply(mm, change, prev, nullptr, next, nullptr);
}

bool RmapWorld::split(int mm, Vma* vma, u64 page, bool new_below) {
  std::unique_ptr<Vma> fresh = copy_of(*vma);
  RmapReserve reserve;
  const Status filled = reserve.fill(Rmap::clone_needs(vma->core));
  (void)filled.ok();
  if (!rmap_.split_vma(&vma->core, &fresh->core, address_of(page), new_below, reserve).ok()) {
    return failed(std::move(fresh));
  }
  const RmapBounds old = naive_.vma(vma->id).bounds;
  const u64 first = old.range.start.page_number();
  const u64 end = old.range.end.page_number();
  const RmapBounds lower = bounds_at(old, first, page);
  const RmapBounds upper = bounds_at(old, page, end);
  naive_.add(fresh->id, new_below ? lower : upper, fresh->file);
  naive_.clone(fresh->id, vma->id, false);
  naive_.link_file(fresh->id, kNone);
  const std::vector<NaiveRmap::Change> change{{vma->id, new_below ? upper : lower}};
  naive_.change(change, change);
  ids_[&fresh->core] = fresh->id;
  rekey(mm);
  const u64 key = fresh->first();
  mms_.at(mm).vmas[key] = std::move(fresh);
  rekey(mm);
  return true;
}

// Kept, since nothing may point to it, which check() wants to see.
bool RmapWorld::failed(std::unique_ptr<Vma> vma) {
  failed_.push_back(std::move(vma));
  return false;
}

// --- operations

int RmapWorld::new_mm() {
  mms_[next_mm_];
  return next_mm_++;
}

bool RmapWorld::mmap(int mm, u64 first, u64 end, Kind kind, int file, u64 file_page) {
  if (!is_free(mm, first, end)) return false;
  auto vma = std::make_unique<Vma>(next_vma_++);
  vma->kind = kind;
  vma->core.mm = static_cast<u64>(mm);
  vma->core.attrs.vm_flags =
      kReadFlag | kWriteFlag | (kind == Kind::kSharedFile ? kSharedFlag : u64{0});
  u64 pgoff = first;
  if (kind == Kind::kAnonymous) {
    vma->core.attrs.anonymous = true;
  } else {
    vma->file = file;
    vma->core.attrs.file = static_cast<u64>(file) + 1;
    vma->core.mapping = &files_[file];
    pgoff = file_page;
  }
  vma->core.bounds = make_bounds(first, end, pgoff, semantics_.anon_pgoff_apart ? first : pgoff);
  const Merge merge =
      mergeable(mm, *vma, vma->core.bounds, vma->core.attrs.vm_flags, nullptr, nullptr);
  if (merge.prev || merge.next) return merge_new(mm, merge, first, end, nullptr);
  if (vma->core.mapping) rmap_.vma_link_file(&vma->core);
  naive_.add(vma->id, vma->core.bounds, vma->file);
  naive_.link_file(vma->id, kNone);
  ids_[&vma->core] = vma->id;
  mms_.at(mm).vmas[first] = std::move(vma);
  return true;
}

void RmapWorld::unmap_page(int mm, u64 page) {
  Mm& of = mms_.at(mm);
  of.files.erase(page);
  const auto at = of.anonymous.find(page);
  if (at == of.anonymous.end()) return;
  Page& mapped = pages_.at(at->second);
  mapped.mappings.erase({mm, page});
  if (mapped.mappings.empty()) pages_.erase(at->second);
  of.anonymous.erase(at);
}

void RmapWorld::drop(int mm, Vma* vma) {
  for (u64 page = vma->first(); page < vma->end(); ++page) unmap_page(mm, page);
  rmap_.free_vma(&vma->core);
  naive_.remove(vma->id);
  ids_.erase(&vma->core);
  mms_.at(mm).vmas.erase(vma->first());
}

bool RmapWorld::munmap(int mm, u64 first, u64 end) {
  Vma* const lowest = find(mm, first);
  if (lowest && lowest->first() < first && !split(mm, lowest, first, false)) return false;
  Vma* const highest = find(mm, end);
  if (highest && highest->first() < end && !split(mm, highest, end, true)) return false;
  for (Vma* const vma : in_range(mm, first, end)) drop(mm, vma);
  return true;
}

bool RmapWorld::mprotect(int mm, u64 first, u64 end, bool writable) {
  for (u64 page = first; page < end;) {
    Vma* vma = find(mm, page);
    if (!vma) return false;
    const u64 upto = std::min(end, vma->end());
    const u64 flags = (vma->core.attrs.vm_flags & ~kWriteFlag) | (writable ? kWriteFlag : u64{0});
    const u64 next = upto;
    if (flags != vma->core.attrs.vm_flags && !merge_existing(mm, vma, page, upto, flags)) {
      if (page > vma->first() && !split(mm, vma, page, true)) return false;
      if (upto < vma->end() && !split(mm, vma, upto, false)) return false;
      vma->core.attrs.vm_flags = flags;
    }
    page = next;
  }
  return true;
}

bool RmapWorld::touch(int mm, u64 page, bool write) {
  Vma* const vma = find(mm, page);
  if (!vma) return false;
  Mm& of = mms_.at(mm);
  const u64 offset = page - vma->first();
  if (vma->kind == Kind::kSharedFile || (!write && vma->kind == Kind::kPrivateFile)) {
    if (of.anonymous.count(page) == 0) {
      of.files[page] = {vma->file, vma->core.bounds.pgoff.value() + offset};
    }
    return true;
  }
  if (!vma->core.anon_vma) {
    Vma* const prev = below(mm, vma->first());
    Vma* const next = above(mm, vma->end());
    RmapReserve reserve;
    const Status filled = reserve.fill(Rmap::prepare_needs());
    (void)filled.ok();
    const auto shares = [&](const Vma* other) {
      if (!other || !other->core.anon_vma || !other->core.chain_is_singular()) return false;
      const Vma* const lower = other->first() < vma->first() ? other : vma;
      const Vma* const upper = lower == other ? vma : other;
      const RmapBounds& a = naive_.vma(lower->id).bounds;
      return naive_.vma(upper->id).bounds ==
                 bounds_at(a, a.range.end.page_number(), upper->end()) &&
             ((other->core.attrs.vm_flags ^ vma->core.attrs.vm_flags) & ~kWriteFlag) == 0 &&
             other->core.attrs.file == vma->core.attrs.file;
    };
    const int shared = shares(next)   ? naive_.vma(next->id).anon_vma
                       : shares(prev) ? naive_.vma(prev->id).anon_vma
                                      : kNone;
    if (!rmap_
             .anon_vma_prepare(&vma->core, prev ? &prev->core : nullptr,
                               next ? &next->core : nullptr, reserve)
             .ok()) {
      return false;
    }
    naive_.prepare(vma->id, shared);
  }
  const auto at = of.anonymous.find(page);
  if (at != of.anonymous.end() && pages_.at(at->second).mappings.size() == 1) return true;
  unmap_page(mm, page);
  pages_[next_page_] = {vma->core.anon_vma,
                        naive_.vma(vma->id).anon_vma,
                        vma->core.bounds.anon_pgoff.value() + offset,
                        {{mm, page}}};
  of.anonymous[page] = next_page_++;
  return true;
}

int RmapWorld::fork(int mm, bool wipe) {
  const int child = new_mm();
  for (const auto& [first, parent] : mms_.at(mm).vmas) {
    std::unique_ptr<Vma> vma = copy_of(*parent);
    vma->core.mm = static_cast<u64>(child);
    const bool wiped = wipe && vma->kind == Kind::kAnonymous;
    RmapReserve reserve;
    const Status filled = reserve.fill(Rmap::fork_needs(parent->core));
    (void)filled.ok();
    if (!rmap_.fork_vma(&vma->core, &parent->core, wiped, reserve).ok()) {
      failed(std::move(vma));
      exit(child);
      return kNone;
    }
    naive_.add(vma->id, naive_.vma(parent->id).bounds, vma->file);
    if (!wiped) naive_.fork(vma->id, parent->id);
    naive_.link_file(vma->id, parent->id);
    ids_[&vma->core] = vma->id;
    for (u64 page = first; page < parent->end() && !wiped; ++page) {
      const auto anonymous = mms_.at(mm).anonymous.find(page);
      if (anonymous != mms_.at(mm).anonymous.end()) {
        mms_.at(child).anonymous[page] = anonymous->second;
        pages_.at(anonymous->second).mappings.insert({child, page});
      }
      const auto file = mms_.at(mm).files.find(page);
      if (file != mms_.at(mm).files.end()) mms_.at(child).files[page] = file->second;
    }
    mms_.at(child).vmas[first] = std::move(vma);
  }
  return child;
}

void RmapWorld::exit(int mm) {
  while (!mms_.at(mm).vmas.empty()) drop(mm, mms_.at(mm).vmas.begin()->second.get());
  mms_.erase(mm);
}

void RmapWorld::move_pages(int mm, u64 first, u64 end, u64 to) {
  Mm& of = mms_.at(mm);
  for (u64 page = first; page < end; ++page) {
    const u64 target = to + (page - first);
    const auto anonymous = of.anonymous.find(page);
    if (anonymous != of.anonymous.end()) {
      Page& moved = pages_.at(anonymous->second);
      moved.mappings.erase({mm, page});
      moved.mappings.insert({mm, target});
      of.anonymous[target] = anonymous->second;
      of.anonymous.erase(page);
    }
    const auto file = of.files.find(page);
    if (file == of.files.end()) continue;
    of.files[target] = file->second;
    of.files.erase(page);
  }
}

bool RmapWorld::mremap(int mm, u64 first, u64 end, u64 to, bool dontunmap) {
  Vma* const source = find(mm, first);
  if (!source || end > source->end() || !is_free(mm, to, to + (end - first))) return false;
  const bool whole = first == source->first() && end == source->end();
  const u64 to_end = to + (end - first);
  const AddrRange target{address_of(to), address_of(to_end)};
  const RmapBounds bounds = rmap_.copy_bounds(source->core, address_of(first), target);
  const Merge merge = mergeable(mm, *source, bounds, source->core.attrs.vm_flags, nullptr, source);
  if (merge.prev || merge.next) {
    if (!merge_new(mm, merge, to, to_end, source)) return false;
  } else {
    std::unique_ptr<Vma> copy = copy_of(*source);
    RmapReserve reserve;
    const Status filled = reserve.fill(Rmap::clone_needs(source->core));
    (void)filled.ok();
    if (!rmap_.copy_vma(&copy->core, &source->core, bounds, reserve).ok()) {
      return failed(std::move(copy));
    }
    naive_.add(copy->id, bounds, copy->file);
    naive_.clone(copy->id, source->id, false);
    naive_.link_file(copy->id, kNone);
    ids_[&copy->core] = copy->id;
    mms_.at(mm).vmas[to] = std::move(copy);
  }
  move_pages(mm, first, end, to);
  if (!dontunmap) return munmap(mm, first, end);
  if (whole) {
    rmap_.dontunmap_complete(&source->core);
    if (semantics_.dontunmap_unfaults) {
      naive_.unlink(source->id);
      const u64 pgoff =
          source->kind == Kind::kAnonymous ? first : naive_.vma(source->id).bounds.pgoff.value();
      naive_.set_bounds(
          source->id, make_bounds(first, end, pgoff, semantics_.anon_pgoff_apart ? first : pgoff));
    }
  }
  return true;
}

bool RmapWorld::grow(int mm, u64 page, u64 pages, bool down) {
  Vma* const vma = find(mm, page);
  if (!vma || pages == 0) return false;
  const u64 first = down ? vma->first() - pages : vma->first();
  const u64 end = down ? vma->end() : vma->end() + pages;
  if (!is_free(mm, down ? first : vma->end(), down ? vma->first() : end)) return false;
  // A stack is faulted in before it grows (expand_downwards()); only what has no file is one.
  if (down && (vma->kind != Kind::kAnonymous || vma->core.bounds.pgoff.value() < pages))
    return false;
  if (down && !touch(mm, page)) return false;
  RmapChange change;
  change.bounds = bounds_at(vma->core.bounds, first, end);
  return apply(mm, change, vma, nullptr, nullptr, nullptr);
}

// --- random operations

void RmapWorld::random_step(const Draw& draw) {
  if (mms_.empty()) new_mm();
  std::vector<int> ids = mms();
  const int mm = ids[draw(ids.size())];
  const u64 what = draw(18);
  const u64 first = kFirstPage + draw(kPages);
  const u64 end = std::min(first + 1 + draw(8), kFirstPage + kPages);
  const auto describe = [&](const char* name) {
    last_step_ = std::string(name) + " mm " + std::to_string(mm) + " [" + text(first) + "," +
                 text(end) + ")";
  };
  if (what < 4) {
    describe("mmap");
    const u64 choice = draw(8);
    const Kind kind = choice < 5   ? Kind::kAnonymous
                      : choice < 7 ? Kind::kPrivateFile
                                   : Kind::kSharedFile;
    const int file = static_cast<int>(draw(kFiles));
    const u64 file_page = draw(4) ? first : draw(kPages);
    if (ids_.size() < kMaxVmas && munmap(mm, first, end)) {
      mmap(mm, first, end, kind, file, file_page);
    }
  } else if (what < 8) {
    const bool write = draw(4) != 0;
    describe(write ? "write" : "read");
    for (u64 page = first; page < end; ++page) touch(mm, page, write);
  } else if (what < 10) {
    describe("mprotect");
    mprotect(mm, first, end, draw(2) != 0);
  } else if (what == 10) {
    describe("munmap");
    munmap(mm, first, end);
  } else if (what == 11) {
    describe("fork");
    const bool wipe = draw(8) == 0;
    if (mms_.size() < kMaxMms && ids_.size() < kMaxVmas) fork(mm, wipe);
  } else if (what == 12) {
    describe("exit");
    exit(mm);
  } else if (what < 15) {
    describe("mremap");
    const u64 to = kFirstPage + draw(kPages);
    const bool dontunmap = draw(4) == 0;
    mremap(mm, first, end, to, dontunmap);
  } else if (what == 15) {
    describe("bridge");  // a mapping that fills the hole between two others
    const Vma* const lower = below(mm, first);
    const Vma* const upper = above(mm, first);
    if (lower && upper) mmap(mm, lower->end(), upper->first(), Kind::kAnonymous);
  } else if (what == 16) {
    describe("daemon");  // the child goes on, the parent does not
    if (ids_.size() < kMaxVmas && fork(mm) != kNone) exit(mm);
  } else {
    describe("grow");
    const u64 pages = 1 + draw(3);
    grow(mm, first, pages, draw(2) != 0);
  }
}

// --- checks

std::string RmapWorld::check() {
  for (const std::unique_ptr<Vma>& vma : failed_) {
    if (!vma->core.anon_vma_chain.empty()) return "what failed has left something behind";
  }
  failed_.clear();
  RmapVerifier verifier(rmap_);
  for (const auto& [id, mm] : mms_) {
    for (const auto& [first, vma] : mm.vmas) verifier.add(vma->core);
  }
  for (const FileRmap& file : files_) verifier.add(file);
  if (!verifier.finish()) {
    const RmapVerifyReport& report = verifier.report();
    return std::string("verify: ") + report.invariant + ", expected " + text(report.expected) +
           ", found " + text(report.found);
  }
  std::string wrong = compare_vmas();
  if (wrong.empty()) wrong = compare_anon_vmas();
  if (wrong.empty()) wrong = compare_files();
  if (wrong.empty()) wrong = check_pages();
  return wrong;
}

// Layout and chains; on the way, which anon_vma is which.
std::string RmapWorld::compare_vmas() {
  known_.clear();
  std::map<int, const AnonVma*> back;
  for (const auto& [id, mm] : mms_) {
    for (const auto& [first, vma] : mm.vmas) {
      const NaiveRmap::VmaState& expected = naive_.vma(vma->id);
      ++comparisons_;
      if (vma->core.bounds != expected.bounds) return "bounds differ";
      std::vector<const AnonVma*> chain;
      for (const AnonVmaChain* avc = vma->core.anon_vma_chain.head(); avc;
           avc = AvcList::next(avc)) {
        chain.push_back(avc->anon_vma);
      }
      if (chain.size() != expected.chain.size()) return "lengths of chains differ";
      for (std::size_t i = 0; i < chain.size(); ++i) {
        const bool same =
            known_.emplace(chain[i], expected.chain[i]).first->second == expected.chain[i] &&
            back.emplace(expected.chain[i], chain[i]).first->second == chain[i];
        if (!same) return "chains differ";
      }
      const AnonVma* const own = expected.anon_vma == kNone ? nullptr : back[expected.anon_vma];
      if (vma->core.anon_vma != own) return "anon_vmas differ";
    }
  }
  return "";
}

std::string RmapWorld::compare_anon_vmas() {
  if (known_.size() != naive_.anon_vmas().size()) return "numbers of anon_vmas differ";
  for (const auto& [anon_vma, id] : known_) {
    const NaiveRmap::AnonVmaState& expected = naive_.anon_vmas().at(id);
    ++comparisons_;
    if (anon_vma->num_children != naive_.children(id)) return "num_children differs";
    if (anon_vma->num_active_vmas != naive_.active(id)) return "num_active_vmas differs";
    if (naive_.anon_vmas().count(expected.parent) && known_[anon_vma->parent] != expected.parent) {
      return "parents differ";
    }
    if (naive_.anon_vmas().count(expected.root) && known_[anon_vma->root] != expected.root) {
      return "roots differ";
    }
    std::vector<int> order, expected_order;
    rmap_walk_anon(*anon_vma, PageOffset(0), PageCount(~u64{0}), [&](const RmapVma& vma, VirtAddr) {
      order.push_back(ids_.at(&vma));
      return true;
    });
    for (const auto& [start, vma] : expected.vmas) expected_order.push_back(vma);
    if (order != expected_order) return "order of a walk differs";
  }
  return "";
}

std::string RmapWorld::compare_files() {
  for (int i = 0; i < kFiles; ++i) {
    std::vector<int> order, expected;
    rmap_walk_file(files_[i], PageOffset(0), PageCount(~u64{0}), [&](const RmapVma& vma, VirtAddr) {
      order.push_back(ids_.at(&vma));
      return true;
    });
    for (const auto& [start, vma] : naive_.file(i)) expected.push_back(vma);
    ++comparisons_;
    if (order != expected) return "order of a walk over a file differs";
  }
  return "";
}

// Nobody who has the page is missing.
std::string RmapWorld::check_pages() {
  using Mappings = std::set<std::pair<int, u64>>;
  const auto collect = [](Mappings& found, bool& twice) {
    return [&](const RmapVma& vma, VirtAddr address) {
      if (!vma.bounds.range.contains(address)) twice = true;
      twice |= !found.insert({static_cast<int>(vma.mm), address.page_number()}).second;
      return true;
    };
  };
  for (const auto& [id, page] : pages_) {
    if (naive_.anon_vmas().count(page.naive_owner) == 0) return "the anon_vma of a page is gone";
    Mappings found;
    bool twice = false;
    rmap_walk_anon(*page.owner, PageOffset(page.index), PageCount(1), collect(found, twice));
    ++comparisons_;
    if (twice) return "a walk finds an address outside or twice";
    if (!std::includes(found.begin(), found.end(), page.mappings.begin(), page.mappings.end())) {
      return "a walk misses who maps a page";
    }
  }
  for (const auto& [id, mm] : mms_) {
    for (const auto& [page, where] : mm.files) {
      Mappings found;
      bool twice = false;
      rmap_walk_file(files_[where.first], PageOffset(where.second), PageCount(1),
                     collect(found, twice));
      ++comparisons_;
      if (twice) return "a walk over a file finds an address outside or twice";
      if (found.count({id, page}) == 0) return "a walk over a file misses who maps a page";
    }
  }
  return "";
}

}  // namespace svma::test
