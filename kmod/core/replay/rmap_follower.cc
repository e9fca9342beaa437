// SPDX-License-Identifier: GPL-2.0-only
#include "replay/rmap_follower.hpp"

#include "base/mutation.hpp"
#include "replay/compare.hpp"
#include "replay/facts.hpp"
#include "replay/shadow_vma.hpp"
#include "rmap/verify.hpp"
#include "rmap/walk.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// Of two indices only the difference counts, and that of private file mappings is known modulo a
// prime only: AnonShift. Which of those that fit it is, is known of the VMA that this one comes
// from, or was: `shift` pages, if they fit.
RmapBounds bounds_of(const Vma& vma, bool anon_pgoff_apart, u64 shift) {
  if (!anon_pgoff_apart || !is_private_file(vma.attrs)) {
    return {vma.range(), vma.attrs.vm_pgoff, vma.attrs.vm_pgoff};
  }
  const u64 place = vma.vm_start.page_number();
  const AnonShift fits = vma.attrs.anon_shift;
  const VirtAddr first((place + shift) << kPageShift);
  if (!(AnonShift::between(first, vma.vm_start) == fits)) shift = fits.residue();
  return {vma.range(), vma.attrs.vm_pgoff, PageOffset(place + shift)};
}

u64 shift_of(const RmapVma& vma) {
  return vma.bounds.anon_pgoff.value() - vma.bounds.range.start.page_number();
}

FileId id_of(const VmaAttrs& attrs) { return {attrs.dev, attrs.ino}; }

// Whether `mine` is in the tree of the file that `attrs` name, or in none when there is none.
bool file_is_current(const RmapVma& mine, const VmaAttrs& attrs) {
  if (attrs.file == 0) return mine.mapping == nullptr;
  return mine.mapping != nullptr && mine.mapping->id == id_of(attrs);
}

// ~0: of none.
u64 position_of(u64 identity, const svma_live_chain& live) {
  u64 i = 0;
  if (identity == 0) return ~u64{0};
  while (i < live.length && live.link[i].anon_vma != identity) ++i;
  return i;
}

u64 length_of(const RmapVma& vma) {
  u64 length = 0;
  for (const AnonVmaChain* avc = vma.anon_vma_chain.head(); avc; avc = AvcList::next(avc)) ++length;
  return length;
}

}  // namespace

RmapFollower::RmapFollower()
    : VmaObserver{on_inserted, on_bounds_moved, on_splitting, on_copied, on_imported, on_removed} {}

void RmapFollower::follow(AddressSpace& space, SharedRmap& rmap, u64 owner) {
  const RmapLock lock;
  space.set_observer(this);
  space_ = &space;
  shared_ = &rmap;
  following_ = true;
  born_ = rmap.generation();
  own_ = 0;
  owner_ = owner;
}

void RmapFollower::restart() {
  following_ = shared_ != nullptr;
  abroad_ = false;
}

// Brings what VMAs are asked for up to date. Some change without a change of bounds: an unmapped
// source of mremap() gets a new vm_pgoff, and what was adopted may have another file.
// RETURNS: false when a pool ran empty; nothing is followed then.
bool RmapFollower::renew(Vma& vma) {
  RmapVma* const mine = beside(vma);
  if (!renew_file(mine, vma.attrs, nullptr)) return false;
  mine->attrs = {vma.attrs.vm_flags, vma.attrs.file, vma.attrs.vm_policy, vma.attrs.anonymous};
  RmapChange change;
  change.vma = mine;
  change.bounds = bounds_of(vma, shared_->semantics().anon_pgoff_apart, shift_of(*mine));
  if (mine->bounds == change.bounds) return true;
  RmapReserve none;
  SVMA_CHECK(shared_->adjust(change, none).ok());
  return true;
}

// By the bounds that `mine` has, right or not: renew() sees to them. `source`: as
// Rmap::link_file().
bool RmapFollower::renew_file(RmapVma* mine, const VmaAttrs& attrs, RmapVma* source) {
  if (file_is_current(*mine, attrs)) return true;
  RmapReserve reserve;
  if (attrs.file != 0) {
    const Status filled = reserve.fill(shared_->link_file_needs(id_of(attrs)));
    if (!filled.ok()) return note(filled);
  }
  if (mine->mapping && mutated(Mutation::file_change_ignored)) return true;
  shared_->unlink_file_vma(mine);
  return attrs.file == 0 || note(shared_->link_file(mine, id_of(attrs), source, reserve));
}

// free_pgtables(), in all four kernels: first the anon_vmas, then the file.
void RmapFollower::unlink(RmapVma* vma) {
  shared_->unlink_anon_vmas(vma);
  shared_->unlink_file_vma(vma);
}

// RETURNS: whether all is well; else nothing is followed from here on.
bool RmapFollower::note(Status status) {
  if (!status.ok()) leave_locked(/*ended=*/false);
  return following_;
}

void RmapFollower::leave_locked(bool ended) {
  if (!following_) return;
  if (!ended) share_abroad_locked();
  for (Vma* vma = space_->first(); vma != nullptr; vma = AddressSpace::next(vma)) {
    unlink(beside(*vma));
  }
  following_ = false;
}

void RmapFollower::leave(bool ended) {
  if (shared_ == nullptr) return;
  const RmapLock lock;
  leave_locked(ended);
}

void RmapFollower::share_abroad_locked() {
  for (Vma* vma = space_->first(); vma != nullptr; vma = AddressSpace::next(vma)) {
    for (AnonVmaChain* avc = beside(*vma)->anon_vma_chain.head(); avc; avc = AvcList::next(avc)) {
      avc->anon_vma->shared_abroad = true;
    }
  }
}

void RmapFollower::share_abroad() {
  if (shared_ == nullptr) return;
  const RmapLock lock;
  if (following_) share_abroad_locked();
  abroad_ = true;
}

// --- what happens to VMAs

void RmapFollower::on_inserted(VmaObserver& observer, Vma& vma) {
  RmapFollower& self = static_cast<RmapFollower&>(observer);
  if (!self.following_) return;
  RmapVma* const mine = construct_at<RmapVma>(beside(vma));
  mine->bounds = bounds_of(vma, self.shared_->semantics().anon_pgoff_apart, 0);
  mine->mm = reinterpret_cast<u64>(&self);
  if (vma.attrs.file == 0) return;
  const RmapLock lock;
  self.renew_file(mine, vma.attrs, self.fork_source_);
}

void RmapFollower::on_bounds_moved(VmaObserver& observer, Vma& vma) {
  RmapFollower& self = static_cast<RmapFollower&>(observer);
  const RmapLock lock;
  if (!self.following_) return;
  if (mutated(Mutation::file_stale_after_shrink) && vma.attrs.file != 0 &&
      vma.pages() < beside(vma)->bounds.range.pages()) {
    return;
  }
  self.renew(vma);
}

void RmapFollower::on_splitting(VmaObserver& observer, Vma& vma, Vma& fresh, VirtAddr addr,
                                SplitSide side) {
  RmapFollower& self = static_cast<RmapFollower&>(observer);
  const RmapLock lock;
  if (!self.following_ || !self.renew(vma)) return;
  RmapVma* const copy = construct_at<RmapVma>(beside(fresh), *beside(vma));
  RmapReserve reserve;
  Status split = reserve.fill(Rmap::clone_needs(*beside(vma)));
  if (split.ok()) {
    const u64 before = self.shared_->generation();
    split = self.shared_->split_vma(beside(vma), copy, addr, side == SplitSide::kNewBelow, reserve);
    self.own_ += self.shared_->generation() - before;
  }
  self.note(split);
}

void RmapFollower::on_copied(VmaObserver& observer, Vma& copy, const Vma& source) {
  RmapFollower& self = static_cast<RmapFollower&>(observer);
  const RmapLock lock;
  if (!self.following_) return;
  RmapReserve reserve;
  Status cloned = reserve.fill(Rmap::clone_needs(*beside(source)));
  if (cloned.ok()) {
    const u64 skipped = copy.attrs.vm_pgoff.value() - source.attrs.vm_pgoff.value();
    const u64 first = beside(source)->bounds.anon_pgoff.value() + skipped;
    beside(copy)->bounds = bounds_of(copy, self.shared_->semantics().anon_pgoff_apart,
                                     first - copy.vm_start.page_number());
    beside(copy)->anon_vma = beside(source)->anon_vma;
    cloned = self.shared_->anon_vma_clone(beside(copy), beside(source), CloneKind::kRemap, reserve);
  }
  self.note(cloned);
}

void RmapFollower::on_imported(VmaObserver& observer, Vma& to, const Vma& from) {
  RmapFollower& self = static_cast<RmapFollower&>(observer);
  const RmapLock lock;
  if (!self.following_) return;
  RmapReserve reserve;
  Status imported = reserve.fill(Rmap::clone_needs(*beside(from)));
  if (imported.ok()) imported = self.shared_->dup_anon_vma(beside(to), beside(from), reserve);
  self.note(imported);
}

void RmapFollower::on_removed(VmaObserver& observer, Vma& vma) {
  RmapFollower& self = static_cast<RmapFollower&>(observer);
  const RmapLock lock;
  if (self.following_) self.unlink(beside(vma));
}

void RmapFollower::unfault(Vma& vma) {
  const RmapLock lock;
  if (following_) shared_->unlink_anon_vmas(beside(vma));
}

// --- what is there, faults, fork

u32 RmapFollower::adopt_some(Vma& vma, const void* mm, u32& done, u32 most) {
  RmapVma* const mine = beside(vma);
  svma_live_chain& live = shared_->live;
  const u32 begun = done;
  done = 0;
  if (begun == 0) shared_->unlink_anon_vmas(mine);
  if (!renew(vma)) return 0;
  if (svma_os_live_chain(mm, vma.vm_start.value(), &live) != 0 || live.length <= begun) return 0;
  // An anon_vma is kept by the VMAs of its descendants, each of which has to be linked to it.
  if (live.longer) {
    leave_locked(/*ended=*/false);
    return 0;
  }
  if (shared_->semantics().anon_pgoff_apart && is_private_file(vma.attrs)) {
    mine->bounds.anon_pgoff = PageOffset(live.anon_pgoff);
  }
  const u32 left = live.length - begun;
  const u32 count = left < most ? left : most;
  for (u32 i = 0; i < count; ++i) {
    const svma_live_anon_vma& link = live.link[left - count + i];
    shared_->links[i] = {link.anon_vma, link.root, link.parent};
  }
  RmapReserve reserve;
  Status adopted = reserve.fill(Rmap::adopt_needs(count));
  if (adopted.ok()) adopted = shared_->adopt_chain(mine, shared_->links, count, reserve);
  if (!note(adopted)) return count;
  if (count == left) {
    shared_->adopt_own(mine, live.anon_vma);
  } else {
    done = begun + count;
  }
  return count;
}

void RmapFollower::adopt_locked(Vma& vma, const void* mm) {
  u32 done = 0;
  adopt_some(vma, mm, done, SVMA_CORE_CHAIN);
}

void RmapFollower::adopt(Vma& vma, const void* mm) {
  u32 done = 0;
  adopt_part(vma, mm, done, SVMA_CORE_CHAIN);
}

u32 RmapFollower::adopt_part(Vma& vma, const void* mm, u32& done, u32 most) {
  if (shared_ == nullptr) return 0;
  const RmapLock lock;
  return following_ ? adopt_some(vma, mm, done, most) : 0;
}

// Whether those that are known account for all that the live anon_vmas count.
u32 RmapFollower::judge_shared(const Vma& vma, const void* mm, u32& done, u32 most) {
  const u32 begun = done;
  done = 0;
  if (shared_ == nullptr) return 0;
  const RmapLock lock;
  svma_live_chain& live = shared_->live;
  if (!following_ || beside(vma)->anon_vma_chain.empty()) return 0;
  if (svma_os_live_chain(mm, vma.vm_start.value(), &live) != 0 || live.length <= begun) return 0;
  const u32 left = live.length - begun;
  const u32 count = left < most ? left : most;
  for (u32 i = begun; i < begun + count; ++i) {
    AnonVma* const known = shared_->index().find(live.link[i].anon_vma);
    if (known && (known->num_children != live.link[i].num_children ||
                  known->num_active_vmas != live.link[i].num_active_vmas)) {
      known->shared_abroad = true;
    }
  }
  if (count < left) done = begun + count;
  return count;
}

bool RmapFollower::prepare(Vma& vma, const void* mm, bool alone, svma_verdict& verdict) {
  if (shared_ == nullptr) return false;
  const RmapLock lock;
  if (!following_) return false;
  Vma* const prev = AddressSpace::prev(&vma);
  Vma* const next = AddressSpace::next(&vma);
  Vma* const concerned[] = {&vma, prev, next};
  for (Vma* const each : concerned) {
    if (each && !renew(*each)) return false;
  }
  if (!alone) {
    count_fact(verdict, Fact::kOrder);
    adopt_locked(vma, mm);
    return false;
  }
  RmapReserve reserve;
  Status prepared = reserve.fill(Rmap::prepare_needs());
  if (prepared.ok()) {
    prepared = shared_->anon_vma_prepare(beside(vma), prev ? beside(*prev) : nullptr,
                                         next ? beside(*next) : nullptr, reserve);
  }
  if (!note(prepared)) return false;
  if (abroad_) beside(vma)->anon_vma->shared_abroad = true;
  return true;
}

void RmapFollower::first_fault(Vma& vma, const void* mm, bool alone, svma_verdict& verdict) {
  if (prepare(vma, mm, alone, verdict)) compare(vma, mm, /*forked=*/false, verdict);
}

void RmapFollower::set_fork_source(Vma* parent) {
  fork_source_ = parent != nullptr ? beside(*parent) : nullptr;
}

void RmapFollower::fork(Vma& child, Vma& parent) {
  if (shared_ == nullptr) return;
  const RmapLock lock;
  if (!following_ || !renew(child)) return;
  // It has the same pages at the same indices.
  beside(child)->bounds =
      bounds_of(child, shared_->semantics().anon_pgoff_apart, shift_of(*beside(parent)));
  RmapReserve reserve;
  const u64 before = shared_->generation();
  Status forked = reserve.fill(Rmap::fork_needs(*beside(parent)));
  if (forked.ok()) forked = shared_->anon_vma_fork(beside(child), beside(parent), reserve);
  own_ += shared_->generation() - before;
  note(forked);
}

// --- questions

namespace {

svma_core_link link_of(const RmapVma& vma, const AnonVma& anon_vma) {
  u32 bits = vma.anon_vma == &anon_vma ? SVMA_CORE_LINK_OWN : 0;
  if (anon_vma.shared_abroad) bits |= SVMA_CORE_LINK_ABROAD;
  return {.start = vma.bounds.range.start.value(),
          .end = vma.bounds.range.end.value(),
          .anon_vma = anon_vma.number,
          .root = anon_vma.root->number,
          .parent = anon_vma.parent->number,
          .bits = bits,
          .refcount = anon_vma.refcount,
          .children = anon_vma.num_children,
          .active_vmas = anon_vma.num_active_vmas};
}

}  // namespace

u32 RmapFollower::links(u64& from, u32& skip, svma_core_link* out, u32 room, u32& more) const {
  u32 count = 0;
  more = 0;
  if (shared_ == nullptr) return 0;
  const RmapLock lock;
  if (!following_) return 0;
  // VMAs without a chain fill no room.
  u32 looks = 8 * room + 8;
  for (const Vma* vma = space_->find_vma(VirtAddr(from)); vma; vma = AddressSpace::next(vma)) {
    const AnonVmaChain* avc = beside(*vma)->anon_vma_chain.head();
    for (u32 passed = 0; avc && passed < skip; ++passed) avc = AvcList::next(avc);
    for (; avc && count < room; avc = AvcList::next(avc), ++skip) {
      out[count++] = link_of(*beside(*vma), *avc->anon_vma);
    }
    if (avc || --looks == 0) {
      more = 1;
      return count;
    }
    from = vma->vm_end.value();
    skip = 0;
  }
  return count;
}

svma_core_sharer RmapFollower::sharer_of(const RmapVma& vma, VirtAddr address) {
  const AddrRange range = vma.bounds.range;
  return {.owner = reinterpret_cast<const RmapFollower*>(vma.mm)->owner_,
          .start = range.start.value(),
          .end = range.end.value(),
          .address = address.value()};
}

u64 RmapFollower::sharers(const Vma& vma, VirtAddr addr, svma_core_page& page,
                          svma_core_sharer* out, u32 room) const {
  const u64 offset = addr.page_number() - vma.vm_start.page_number();
  page = {.ino = vma.attrs.ino,
          .page = vma.attrs.vm_pgoff.value() + offset,
          .anon_vma = 0,
          .dev = vma.attrs.dev,
          .abroad = 0};
  if (shared_ == nullptr) return 0;
  const RmapLock lock;
  const RmapVma& mine = *beside(vma);
  if (!following_ || mine.anon_vma_chain.empty()) return 0;
  if (mine.anon_vma) page.anon_vma = mine.anon_vma->number;
  for (const AnonVmaChain* avc = mine.anon_vma_chain.head(); avc; avc = AvcList::next(avc)) {
    if (avc->anon_vma->shared_abroad) page.abroad = 1;
  }
  // Whoever is in the tree of an anon_vma is in that of its root, too.
  const AnonVma& root = *mine.anon_vma_chain.head()->anon_vma->root;
  u64 total = 0;
  rmap_walk_anon(root, mine.bounds.anon_pgoff + PageCount(offset), PageCount(1),
                 [&](const RmapVma& sharer, VirtAddr address) {
                   if (total < room) out[total] = sharer_of(sharer, address);
                   return ++total <= SVMA_CORE_SHARERS;
                 });
  return total;
}

// --- checks

// An anonymous VMA that nothing was faulted into has an offset that nobody asks for.
const char* RmapFollower::verify(const Vma& vma) const {
  const RmapLock lock;
  if (!following_) return nullptr;
  const RmapVma& mine = *beside(vma);
  if (!(mine.bounds.range == vma.range())) return "rmap_range";
  if (!file_is_current(mine, vma.attrs)) return "rmap_file";
  if (mine.mapping && mine.bounds.pgoff != vma.attrs.vm_pgoff) return "rmap_pgoff";
  return broken_link(mine);
}

// --- comparison

// Whether a VMA of this mm is linked to it, as far as a bounded look tells.
bool RmapFollower::is_mine(const AnonVma& anon_vma) const {
  const AnonVmaChain* avc = anon_vma.rb_root.iter_first(0, ~u64{0});
  for (u32 i = 0; avc && i < SVMA_CORE_CHAIN; ++i) {
    if (avc->vma->mm == reinterpret_cast<u64>(this)) return true;
    avc = AvcTree::iter_next(avc, 0, ~u64{0});
  }
  return false;
}

// Whether `mine` stands for the live anon_vma `seen`; from now on, if neither stood for any.
bool RmapFollower::same_identity(AnonVma* mine, u64 seen) {
  if (mine->evicted) return false;
  if (mine->identity != 0) return mine->identity == seen;
  if (AnonVma* const older = shared_->index().find(seen)) {
    if (is_mine(*older)) return false;  // this mm is in step: it can't have gone
    shared_->index().unbind(older);
    older->evicted = true;
  }
  shared_->index().bind(mine, seen);
  return true;
}

// Identities are addresses: where they differ, positions in the chain are told.
u32 RmapFollower::differing_field(const RmapVma& vma, const svma_live_chain& live, u64& mine,
                                  u64& seen) {
  u32 i = 0;
  const AnonVmaChain* avc = vma.anon_vma_chain.head();
  for (; avc && i < live.length; avc = AvcList::next(avc), ++i) {
    if (same_identity(avc->anon_vma, live.link[i].anon_vma)) continue;
    mine = position_of(avc->anon_vma->identity, live);
    seen = i;
    return SVMA_CORE_FIELD_CHAIN;
  }
  mine = length_of(vma);
  seen = live.length;
  if (i < live.length || (avc && !live.longer)) return SVMA_CORE_FIELD_CHAIN;
  const u64 own = vma.anon_vma ? vma.anon_vma->identity : 0;
  if (own != live.anon_vma) {
    mine = position_of(own, live);
    seen = position_of(live.anon_vma, live);
    return SVMA_CORE_FIELD_ANON_VMA;
  }
  if (live.longer) return SVMA_CORE_FIELD_NONE;  // roots are at the end
  i = 0;
  for (avc = vma.anon_vma_chain.head(); avc; avc = AvcList::next(avc), ++i) {
    seen = position_of(live.link[i].root, live);
    mine = position_of(avc->anon_vma->root->identity, live);
    if (mine != seen) return SVMA_CORE_FIELD_ANON_ROOT;
    seen = position_of(live.link[i].parent, live);
    mine = position_of(avc->anon_vma->parent->identity, live);
    if (mine != seen) return SVMA_CORE_FIELD_ANON_PARENT;
  }
  return SVMA_CORE_FIELD_NONE;
}

u32 RmapFollower::differing_count(const RmapVma& vma, const svma_live_chain& live, u64& mine,
                                  u64& seen, AnonVma*& which) {
  u32 i = 0;
  for (const AnonVmaChain* avc = vma.anon_vma_chain.head(); avc && i < live.length;
       avc = AvcList::next(avc), ++i) {
    if (avc->anon_vma->shared_abroad) continue;
    which = avc->anon_vma;
    mine = avc->anon_vma->num_children;
    seen = live.link[i].num_children;
    if (mine != seen) return SVMA_CORE_FIELD_CHILDREN;
    mine = avc->anon_vma->num_active_vmas;
    seen = live.link[i].num_active_vmas;
    if (mine != seen) return SVMA_CORE_FIELD_ACTIVE_VMAS;
  }
  return SVMA_CORE_FIELD_NONE;
}

// Whether fork() knew all that the kernel went by: no relative is unknown, and none has done
// anything since the child was begun.
bool RmapFollower::sure_of_fork(const RmapVma& vma, const void* mm) const {
  for (const AnonVmaChain* avc = vma.anon_vma_chain.head(); avc; avc = AvcList::next(avc)) {
    if (avc->anon_vma->shared_abroad) return false;
  }
  return shared_->generation() - own_ == born_ && svma_os_rmap_settled(mm);
}

// With the VMA, which is the same on both sides.
void RmapFollower::report(u32 field, u64 mine, u64 seen, const Vma& vma, const void* mm,
                          svma_verdict& verdict) {
  const u32 before = verdict.mismatches;
  compare_value(verdict, field, mine, seen);
  if (verdict.mismatches == before) return;
  svma_mismatch& mismatch = verdict.mismatch[before];
  mismatch.predicted = record_of(vma);
  mismatch.has_predicted = 1;
  mismatch.has_observed = svma_os_live_find(mm, vma.vm_start.value(), &mismatch.observed) == 0;
}

void RmapFollower::compare(Vma& vma, const void* mm, bool forked, svma_verdict& verdict) {
  if (shared_ == nullptr) return;
  const RmapLock lock;
  if (!following_) return;
  RmapVma& chained = *beside(vma);
  svma_live_chain& live = shared_->live;
  if (chained.anon_vma_chain.empty() && vma.attrs.anon_vma == 0) return;
  if (svma_os_live_chain(mm, vma.vm_start.value(), &live) != 0 || !renew(vma)) return;
  u64 mine = 0, seen = 0;
  AnonVma* miscounted = nullptr;
  u32 field = differing_field(chained, live, mine, seen);
  if (field != SVMA_CORE_FIELD_NONE && forked && !sure_of_fork(chained, mm)) {
    count_fact(verdict, Fact::kOrder);
    ++verdict.rmap_unsure;
    adopt_locked(vma, mm);
    return;
  }
  if (field == SVMA_CORE_FIELD_NONE &&
      differing_count(chained, live, mine, seen, miscounted) != 0) {
    // Who has finished meanwhile has made both sides alike again; who begins meanwhile can't end:
    // its shadow waits for the lock. Else the chain is all that can be judged.
    const bool was_settled =
        svma_os_rmap_settled(mm) != 0 && svma_os_live_chain(mm, vma.vm_start.value(), &live) == 0;
    if (was_settled) field = differing_count(chained, live, mine, seen, miscounted);
    if (!was_settled || (field != SVMA_CORE_FIELD_NONE && !svma_os_rmap_settled(mm))) {
      field = SVMA_CORE_FIELD_NONE;
      ++verdict.rmap_unsure;
    }
  }
  ++verdict.rmap_compared;
  if (live.longer) ++verdict.rmap_cut;
  if (field == SVMA_CORE_FIELD_NONE) {
    ++verdict.rmap_equal;
    return;
  }
  report(field, mine, seen, vma, mm, verdict);
  if (field == SVMA_CORE_FIELD_CHILDREN || field == SVMA_CORE_FIELD_ACTIVE_VMAS) {
    miscounted->shared_abroad = true;  // reported once
  } else {
    adopt_locked(vma, mm);
  }
}

}  // namespace svma
