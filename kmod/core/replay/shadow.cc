// SPDX-License-Identifier: GPL-2.0-only
#include "replay/shadow.hpp"

#include "base/mutation.hpp"
#include "replay/compare.hpp"
#include "replay/facts.hpp"
#include "replay/predict.hpp"
#include "replay/structure.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

namespace {

u64 next_in_preorder(u64 node, svma_live_node at) {
  if (at.left != 0) return at.left;
  if (at.right != 0) return at.right;
  while (at.parent != 0) {
    svma_live_node above;
    svma_os_live_node(at.parent, &above);
    if (above.left == node && above.right != 0) return above.right;
    node = at.parent;
    at = above;
  }
  return 0;
}

// 0: there is none.
u64 node_at(u64 root, u64 start) {
  svma_live_node at;
  for (u64 node = root; node != 0; node = start < at.start ? at.left : at.right) {
    svma_os_live_node(node, &at);
    if (at.start == start) return node;
  }
  return 0;
}

u64 start_of(u64 node) {
  svma_live_node at;
  if (node == 0) return SVMA_CORE_NO_VMA;
  svma_os_live_node(node, &at);
  return at.start;
}

}  // namespace

VmaAttrs attrs_of(const svma_live_vma& live) {
  VmaAttrs attrs{};
  attrs.vm_flags = live.flags;
  attrs.vm_pgoff = PageOffset(live.pgoff);
  attrs.file = live.file;
  attrs.ino = live.ino;
  attrs.dev = live.dev;
  attrs.vm_policy = live.policy;
  attrs.anon_vma = live.anon_vma;
  attrs.uffd_ctx = live.uffd_ctx;
  attrs.anon_name = live.anon_name;
  attrs.has_close = live.has_close != 0;
  attrs.anon_singular = live.anon_singular != 0;
  attrs.anonymous = live.anonymous != 0;
  attrs.anon_shift = AnonShift(live.anon_shift);
  attrs.split_shift = live.split_shift;
  return attrs;
}

AddrRange range_of(const svma_live_vma& live) { return {VirtAddr(live.start), VirtAddr(live.end)}; }

svma_live_vma record_of(const Vma& vma) {
  svma_live_vma record{};
  record.start = vma.vm_start.value();
  record.end = vma.vm_end.value();
  record.flags = vma.attrs.vm_flags;
  record.pgoff = vma.attrs.vm_pgoff.value();
  record.file = vma.attrs.file;
  record.ino = vma.attrs.ino;
  record.dev = vma.attrs.dev;
  record.policy = vma.attrs.vm_policy;
  record.anon_vma = vma.attrs.anon_vma;
  record.uffd_ctx = vma.attrs.uffd_ctx;
  record.anon_name = vma.attrs.anon_name;
  record.has_close = vma.attrs.has_close;
  record.anon_singular = vma.attrs.anon_singular;
  record.anonymous = vma.attrs.anonymous;
  record.anon_shift = vma.attrs.anon_shift.residue();
  record.split_shift = vma.attrs.split_shift;
  return record;
}

Status insert_copy(AddressSpace& space, const svma_live_vma& live, const RbColor* as) {
  VmaReserve reserve;
  if (Status s = reserve.fill(1); !s.ok()) return s;
  Vma* vma = reserve.take();
  vma->vm_start = VirtAddr(live.start);
  vma->vm_end = VirtAddr(live.end);
  vma->attrs = attrs_of(live);
  const Status inserted = as != nullptr ? space.insert_as(vma, *as) : space.insert(vma);
  SVMA_CHECK(inserted.ok());
  if (!inserted.ok()) vm_area_free(vma);
  return inserted;
}

// First all VMAs, then their chains, then what these count: of relatives that are in several.
Status Shadow::load_part(const void* mm, svma_load& progress, u32 budget) {
  svma_live_tree tree;
  switch (progress.stage) {
    case SVMA_LOAD_BEGIN:
      structure_differs_ = false;
      rmap_.restart();
      progress.stage = SVMA_LOAD_LAYOUT;
      progress.at = live_tree(mm, tree) ? start_of(tree.root) : 0;
      return kOk;
    case SVMA_LOAD_LAYOUT:
      if (live_tree(mm, tree)) return load_tree(mm, tree, progress, budget);
      return load_layout(mm, progress, budget);
    case SVMA_LOAD_CHAINS:
    case SVMA_LOAD_SHARED:
      return load_chains(mm, progress, budget);
    default:
      return kOk;
  }
}

// `at`: where the VMAs end that have been looked at; `links`: so much of the next one's chain.
Status Shadow::load_chains(const void* mm, svma_load& progress, u32 budget) {
  const bool adopts = progress.stage == SVMA_LOAD_CHAINS;
  Vma* vma = space_.find_vma(VirtAddr(progress.at));
  for (u32 work = 0; vma != nullptr && work < budget;) {
    work += 1 + (adopts ? rmap_.adopt_part(*vma, mm, progress.links, budget)
                        : rmap_.judge_shared(*vma, mm, progress.links, budget));
    if (progress.links != 0) continue;
    progress.at = vma->vm_end.value();
    vma = AddressSpace::next(vma);
  }
  if (rmap_.failed()) return Status::error(kENOMEM);
  if (vma != nullptr) return kOk;
  progress = {.stage = progress.stage + 1, .links = 0, .at = 0};
  if (progress.stage == SVMA_LOAD_DONE) finish_load(mm);
  return kOk;
}

void Shadow::finish_load(const void* mm) {
  svma_verdict ignored{};
  Comparer(space_, rmap_, mm, ignored).adopt_totals();
  heap_end_ = svma_os_live_brk(mm);
}

// `at`: where the VMAs end that are there.
Status Shadow::load_layout(const void* mm, svma_load& progress, u32 budget) {
  svma_live_vma live;
  for (u32 work = 0; work < budget; ++work) {
    if (svma_os_live_find(mm, progress.at, &live) != 0) {
      progress = {.stage = SVMA_LOAD_CHAINS, .links = 0, .at = 0};
      return kOk;
    }
    if (Status s = insert_copy(space_, live); !s.ok()) return s;
    progress.at = live.end;
  }
  return kOk;
}

// Node by node, parents first, so that the shape comes over, too. `at`: where the VMA of the next
// one starts. Not the node itself: should a change have gone unnoticed, it may not be there.
Status Shadow::load_tree(const void* mm, const svma_live_tree& tree, svma_load& progress,
                         u32 budget) {
  u64 node = node_at(tree.root, progress.at);
  if (node == 0 && progress.at != SVMA_CORE_NO_VMA) return Status::error(kENOENT);
  for (u32 work = 0; node != 0 && work < budget; ++work) {
    svma_live_node at;
    svma_os_live_node(node, &at);
    svma_live_vma live;
    if (svma_os_live_find(mm, at.start, &live) != 0) return Status::error(kENOENT);
    const RbColor color = at.red != 0 ? RbColor::kRed : RbColor::kBlack;
    if (Status s = insert_copy(space_, live, &color); !s.ok()) return s;
    node = next_in_preorder(node, at);
  }
  progress.at = start_of(node);
  if (node != 0) return kOk;
  space_.set_vmacache_seqnum(tree.vmacache_seqnum);
  progress = {.stage = SVMA_LOAD_CHAINS, .links = 0, .at = 0};
  return kOk;
}

void Shadow::note_structure(bool equal, svma_verdict& verdict) {
  if (equal) return;
  structure_differs_ = true;
  verdict.suspect = 1;  // the live shape is taken over when it is loaded anew
  compare_value(verdict, SVMA_CORE_FIELD_STRUCTURE, 1, 0);
}

void Shadow::compare_structure(const void* mm, svma_verdict& verdict) {
  if (structure_differs_) return;
  note_structure(
      StructureCheck(space_, mm, verdict).compare_all(predicted_corner_, observed_corner_),
      verdict);
}

// Both ends of what was touched; what lies in between was compared VMA by VMA.
void Shadow::compare_structure_at(const void* mm, const Touched& touched, svma_verdict& verdict) {
  StructureCheck check(space_, mm, verdict);
  for (u32 i = 0; i < touched.count; ++i) {
    const VirtAddr ends[] = {touched.range[i].start, touched.range[i].end};
    for (VirtAddr addr : ends) {
      if (structure_differs_) return;
      note_structure(check.compare_path(addr, predicted_corner_, observed_corner_), verdict);
    }
  }
}

bool Shadow::structure_differs(svma_corner& predicted, svma_corner& observed) const {
  if (!structure_differs_) return false;
  predicted = predicted_corner_;
  observed = observed_corner_;
  return true;
}

// kernel/fork.c dup_mmap() in v6.1: VM_DONTCOPY stays behind, locks are not inherited, and so isn't
// a userfaultfd context unless its owner asked for fork events (Fact::kFork, taken by
// audit()).
Status Shadow::fork_from(const Shadow& parent) {
  if (!rmap_.may_fork_from(parent.rmap_)) return Status::error(kENOMEM);
  space_.acct() = parent.space_.acct();
  space_.acct().locked_vm = PageCount(0);
  for (Vma* from = parent.space_.first(); from != nullptr; from = AddressSpace::next(from)) {
    const VmFlags flags = from->attrs.vm_flags;
    const AddrRange range{from->vm_start, from->vm_end};
    if ((flags & kVmDontCopy) && !mutated(Mutation::fork_copies_dontcopy)) {
      space_.vm_stat_account(flags, -static_cast<i64>(range.pages().value()));
      continue;
    }
    svma_live_vma child = record_of(*from);
    child.flags &= ~(kVmLockedMask | semantics_->uffd_flags());
    if (mutated(Mutation::fork_keeps_locked)) child.flags |= flags & kVmLockedMask;
    child.uffd_ctx = 0;
    // The child gets an anon_vma of its own (anon_vma_fork()); which one is learnt by audit().
    child.anon_vma = 0;
    child.anon_singular = 0;
    rmap_.set_fork_source(from);
    const Status inserted = insert_copy(space_, child);
    rmap_.set_fork_source(nullptr);
    if (!inserted.ok()) {
      clear();
      return inserted;
    }
    // A wiped VMA begins without pages.
    if (!from->has(kVmWipeOnFork)) rmap_.fork(*space_.find_vma(range.start), *from);
  }
  if (!rmap_.failed()) return kOk;
  clear();
  return Status::error(kENOMEM);
}

void Shadow::first_fault(const svma_live_vma& live, const void* mm, bool alone,
                         svma_verdict& verdict) {
  Vma* vma = space_.find_vma(VirtAddr(live.start));
  if (vma == nullptr || vma->vm_start.value() != live.start) return;
  vma->attrs.anon_vma = live.anon_vma;
  vma->attrs.anon_singular = live.anon_singular != 0;
  rmap_.first_fault(*vma, mm, alone, verdict);
  if (rmap_.failed()) verdict.suspect = 1;
}

// mm/madvise.c madvise_guard_install() in v7.3.
void Shadow::note_guard(VirtAddr addr, i64 result, svma_verdict& verdict) {
  Vma* const vma = space_.find_vma(addr);
  if (vma == nullptr || vma->vm_start > addr) return;
  const bool refused = vma->has(kVmSpecial | kVmHugetlb | kVmLocked);
  compare_value(verdict, SVMA_CORE_FIELD_RESULT, refused, result == -kEINVAL);
  if (!refused && semantics_->madvise_marks_guards) vma->attrs.vm_flags |= kVmMaybeGuard;
}

// What the operation is going to change, as far as its arguments say.
AddrRange Shadow::range_at_entry(const svma_op& op) const {
  const VirtAddr start(op.args[0]);
  switch (op.kind) {
    case SVMA_CORE_MMAP:
    case SVMA_CORE_BRK:
      return {start, start + op.args[1]};
    case SVMA_CORE_MREMAP_MOVE:
      return {VirtAddr(op.args[1]), VirtAddr(op.args[1]) + op.args[2]};
    case SVMA_CORE_MREMAP_EXPAND:
      return {start, start + op.args[2]};
    default:
      return {start, VirtAddr(op.args[1])};
  }
}

// Linux before v6.1 began nearly every operation with find_vma(), and that with the task's
// vmacache. The shadow does the same, and holds what the cache says against the tree.
void Shadow::begin(const svma_op& op, const void*, svma_verdict& verdict) {
  if (semantics_->has_vmacache) return;  // there the kernel's own lookups are followed
  compare_lookup(cache_of(op.task).cache, range_at_entry(op).start, verdict);
}

void Shadow::vmacache_find(u32 task, VirtAddr addr, u64 hit, bool in_flux, svma_verdict& verdict) {
  TaskCache& slot = cache_of(task);
  if (in_flux) {
    slot.state = TaskCache::kUnknown;
    return;
  }
  const bool flushes = !slot.cache.vmacache_valid(space_);
  if (slot.state == TaskCache::kUnknown) {
    slot.state = TaskCache::kInStep;  // the kernel has just brought the task's number up to date
    return;
  }
  if (flushes) slot.state = TaskCache::kSame;
  if (slot.state != TaskCache::kSame) return;
  const Vma* const remembered = flushes ? nullptr : slot.cache.vmacache_find(space_, addr);
  const u64 predicted = remembered != nullptr ? remembered->vm_start.value() : SVMA_CORE_NO_VMA;
  compare_value(verdict, SVMA_CORE_FIELD_LOOKUP, predicted, hit);
}

void Shadow::vmacache_update(u32 task, VirtAddr addr, VirtAddr start, bool in_flux) {
  TaskCache& slot = cache_of(task);
  Vma* const vma = space_.find_vma(start);
  if (in_flux || vma == nullptr || vma->vm_start != start) slot.state = TaskCache::kUnknown;
  if (slot.state == TaskCache::kSame) slot.cache.vmacache_update(space_, addr, vma);
}

Shadow::TaskCache& Shadow::cache_of(u32 task) {
  TaskCache* oldest = &caches_[0];
  ++lookups_;
  for (TaskCache& slot : caches_) {
    if (slot.task == task && slot.last_use != 0) {
      slot.last_use = lookups_;
      return slot;
    }
    if (slot.last_use < oldest->last_use) oldest = &slot;
  }
  oldest->task = task;
  oldest->last_use = lookups_;
  oldest->state = TaskCache::kUnknown;
  oldest->cache.set_mm(&space_);
  return *oldest;
}

// A hit must be the VMA that the tree finds. mmap_cache is there for the times before v3.15.
void Shadow::compare_lookup(VmaCache& cache, VirtAddr addr, svma_verdict& verdict) {
  const Vma* const found = space_.find_vma(addr);
  const Vma* const remembered = find_vma_mmap_cached(space_, addr);
  if (Vma* const hit = cache.vmacache_find(space_, addr)) {
    compare_value(verdict, SVMA_CORE_FIELD_LOOKUP, hit == found, true);
  } else {
    cache.vmacache_update(space_, addr, const_cast<Vma*>(found));
  }
  if (remembered != found) compare_value(verdict, SVMA_CORE_FIELD_LOOKUP, false, true);
}

Result<VirtAddr> Shadow::unmapped_area(UnmappedAreaInfo info, bool topdown, u64 min_addr) const {
  if (semantics_->search_minds_min_addr && info.low_limit.value() < min_addr) {
    info.low_limit = VirtAddr(min_addr);
  }
  const u64 length = info.length + info.align_mask + info.start_gap;
  const u64 low = info.low_limit.value();
  const u64 high = info.high_limit.value();
  if (semantics_->search_measures_limits && length >= info.length &&
      (low >= high || high - low < length)) {
    return Status::error(kENOMEM);
  }
  return topdown ? space_.unmapped_area_topdown(info) : space_.unmapped_area(info);
}

u64 Shadow::search(const svma_op& op, svma_verdict& verdict) {
  const UnmappedAreaInfo info{.length = op.args[0],
                              .low_limit = VirtAddr(op.args[1]),
                              .high_limit = VirtAddr(op.args[2]),
                              .align_mask = op.args[3],
                              .align_offset = op.args[4],
                              .start_gap = op.args[6]};
  const Result<VirtAddr> found = unmapped_area(info, op.args[5] != 0, op.args[7]);
  u64 answer = found.ok() ? found->value() : 0;
  if (mutated(Mutation::search_off_by_one) && answer != 0) answer += kPageSize;
  // 0 stands for no place, unless the kernel has found that one.
  const bool lowest = op.result == 0 && !found.ok();
  compare_value(verdict, SVMA_CORE_FIELD_ADDRESS, lowest ? ~u64{0} : answer,
                op.result < 0 ? 0 : static_cast<u64>(op.result));
  return answer;
}

void Shadow::end(const svma_op& op, const void* mm, svma_verdict& verdict) {
  Touched touched;
  const Status predicted = Predictor(*this, mm, verdict).apply(op, touched);
  if (op.steps & SVMA_STEP_BESIDE_UNMAP) hiwater_unsure_ = true;
  if (predicted.ok() && (op.steps & SVMA_STEP_MORE_GREW)) return;
  Comparer comparer(space_, rmap_, mm, verdict, op.steps);
  for (u32 i = 0; i < touched.count; ++i) {
    if (predicted.ok()) {
      comparer.compare_layout(touched.range[i]);
    } else {
      comparer.adopt_layout(touched.range[i]);
    }
  }
  if (rmap_.failed()) verdict.suspect = 1;
  if (predicted.ok()) return compare_structure_at(mm, touched, verdict);
  verdict.unmodelled = 1;
  verdict.suspect = 1;
}

// An unmap that goes on under the read lock raises hiwater_vm to the total_vm that it finds there,
// with a stack that grows at the same time (5.10) or without it.
void Shadow::release(const void* mm, bool downgraded, bool announced, svma_verdict& verdict) {
  const bool unsure = hiwater_unsure_ && !downgraded;
  if (unsure) count_fact(verdict, Fact::kOrder);
  Comparer(space_, rmap_, mm, verdict).compare_totals(!downgraded, announced, !forking_ && !unsure);
  if (unsure) hiwater_unsure_ = false;
  heap_end_ = svma_os_live_brk(mm);
}

void Shadow::audit(const void* mm, bool take_facts, svma_verdict& verdict) {
  if (take_facts) {
    for (Vma* vma = space_.first(); vma != nullptr; vma = AddressSpace::next(vma)) {
      svma_live_vma live;
      if (svma_os_live_find(mm, vma->vm_start.value(), &live) != 0) break;
      if (live.start != vma->vm_start.value()) continue;
      vma->attrs.anon_vma = live.anon_vma;
      vma->attrs.anon_singular = live.anon_singular != 0;
      if (live.anon_vma != 0) count_fact(verdict, Fact::kFork);
      if (live.uffd_ctx != 0) {
        vma->attrs.uffd_ctx = live.uffd_ctx;
        vma->attrs.vm_flags |= live.flags & semantics_->uffd_flags();
        count_fact(verdict, Fact::kFork);
      }
    }
  }
  Comparer comparer(space_, rmap_, mm, verdict, /*steps=*/0, /*forked=*/take_facts);
  comparer.compare_layout({VirtAddr(0), VirtAddr(~u64{0})});
  if (rmap_.failed()) verdict.suspect = 1;
  if (take_facts) forking_ = true;
  heap_end_ = svma_os_live_brk(mm);
  comparer.compare_totals(/*paged=*/true, /*announced=*/true, /*hiwater=*/!forking_);
}

// fs/userfaultfd.c userfaultfd_event_wait_completion(): nobody read of the fork, so what the child
// inherited of a context is taken back.
void Shadow::drop_undelivered_uffd(const void* mm, svma_verdict& verdict) {
  for (Vma* vma = space_.first(); vma != nullptr; vma = AddressSpace::next(vma)) {
    svma_live_vma live;
    if (vma->attrs.uffd_ctx == 0) continue;
    if (svma_os_live_find(mm, vma->vm_start.value(), &live) != 0 || live.uffd_ctx != 0) continue;
    vma->attrs.uffd_ctx = 0;
    vma->attrs.vm_flags &= ~semantics_->uffd_flags();
    count_fact(verdict, Fact::kFork);
  }
}

// kernel/fork.c dup_mm(), after dup_mmap().
void Shadow::fork_done() {
  space_.acct().hiwater_vm = space_.acct().total_vm;
  forking_ = false;
}

}  // namespace svma
