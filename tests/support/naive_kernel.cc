// SPDX-License-Identifier: GPL-2.0-only
#include "naive_kernel.hpp"

#include <algorithm>
#include <cerrno>

namespace svma::test {

namespace {

constexpr u64 kMapShared = 1, kMapType = 0xf, kMapFixed = 0x10, kMapGrowsDown = 0x100,
              kMapLocked = 0x2000, kMapNoReserve = 0x4000, kMapFixedNoReplace = 0x100000;
constexpr u64 kRemapMayMove = 1, kRemapFixed = 2, kRemapDontUnmap = 4;
constexpr VmFlags kSpecial = kVmIo | kVmDontExpand | kVmPfnMap | kVmMixedMap;
constexpr VmFlags kStackFlags = kVmRead | kVmWrite | kVmExec | kVmMayRead | kVmMayWrite |
                                kVmMayExec | kVmGrowsDown | kVmAccount;
constexpr VmFlags kIncompleteStack = kVmRandRead | kVmSeqRead;
constexpr VmFlags kDataDefault =
    kVmRead | kVmWrite | kVmMayRead | kVmMayWrite | kVmMayExec | kVmAccount;

svma_live_vma record(const NaiveVma& vma) {
  svma_live_vma live{};
  live.start = vma.start;
  live.end = vma.end;
  live.flags = vma.attrs.vm_flags;
  live.pgoff = vma.attrs.vm_pgoff.value();
  live.file = vma.attrs.file;
  live.ino = vma.attrs.ino;
  live.dev = vma.attrs.dev;
  live.anon_vma = vma.attrs.anon_vma;
  live.uffd_ctx = vma.attrs.uffd_ctx;
  live.policy = vma.attrs.vm_policy;
  live.anon_name = vma.attrs.anon_name;
  live.has_close = vma.attrs.has_close;
  live.anon_singular = vma.attrs.anon_singular;
  live.anonymous = vma.attrs.anonymous;
  live.split_shift = vma.attrs.split_shift;
  live.lock_exempt = vma.attrs.file == kDax;
  return live;
}

VmaAttrs attributes(const svma_live_vma& live) {
  VmaAttrs attrs;
  attrs.vm_flags = live.flags;
  attrs.vm_pgoff = PageOffset(live.pgoff);
  attrs.file = live.file;
  attrs.ino = live.ino;
  attrs.dev = live.dev;
  attrs.anon_vma = live.anon_vma;
  attrs.uffd_ctx = live.uffd_ctx;
  attrs.vm_policy = live.policy;
  attrs.anon_name = live.anon_name;
  attrs.has_close = live.has_close != 0;
  attrs.anon_singular = live.anon_singular != 0;
  attrs.anonymous = live.anonymous != 0;
  attrs.split_shift = live.split_shift;
  return attrs;
}

}  // namespace

// --- what all operations share
// --------------------------------------------------------------------

svma_op NaiveKernel::make(u32 kind, std::initializer_list<u64> args) const {
  svma_op op{};
  op.kind = kind;
  op.map_count_limit = environment_.map_count_limit;
  op.task = environment_.task;
  op.rlimits = environment_.rlimits;
  std::copy(args.begin(), args.end(), op.args);
  return op;
}

svma_call NaiveKernel::make_call(u32 kind, std::initializer_list<u64> args) {
  svma_call call{};
  call.kind = kind;
  std::copy(args.begin(), args.end(), call.args);
  return call;
}

i64 NaiveKernel::finish(i64 result, bool downgraded) {
  probes_.release(downgraded);
  probes_.call_done(result);
  return result;
}

void NaiveKernel::publish() {
  live_.vmas.clear();
  for (const NaiveVma& vma : model_.vmas()) live_.vmas.push_back(record(vma));
  live_.totals = totals();
}

svma_live_totals NaiveKernel::totals() const {
  const Accounting acct = model_.count();
  return {model_.vmas().size() + skew_.map_count,
          acct.total_vm.value() + skew_.total_vm,
          acct.data_vm.value() + skew_.data_vm,
          acct.exec_vm.value() + skew_.exec_vm,
          acct.stack_vm.value() + skew_.stack_vm,
          acct.locked_vm.value() + skew_.locked_vm,
          hiwater_};
}

void NaiveKernel::accept_live() {
  model_ = NaiveModel(stack_guard_gap_);
  for (const svma_live_vma& vma : live_.vmas) model_.insert({vma.start, vma.end, attributes(vma)});
  const Accounting acct = model_.count();
  const svma_live_totals& live = live_.totals;
  skew_ = {live.map_count - model_.vmas().size(),
           live.total_vm - acct.total_vm.value(),
           live.data_vm - acct.data_vm.value(),
           live.exec_vm - acct.exec_vm.value(),
           live.stack_vm - acct.stack_vm.value(),
           live.locked_vm - acct.locked_vm.value(),
           0};
  hiwater_ = live.hiwater_vm;
}

NaiveKernel::Index NaiveKernel::containing(u64 addr) const {
  return model_.find_intersection(addr, addr + 1);
}

bool NaiveKernel::may_split(const NaiveVma& vma, u64 addr) {
  if (vma.attrs.split_shift == SVMA_NEVER_SPLIT) return false;
  return vma.attrs.split_shift == 0 || addr % kHugePage == 0;
}

// Cuts what is at `addr`, if that is not a border already. `limited`: as split_vma(), which asks
// for the number of VMAs; __split_vma() does not.
i64 NaiveKernel::split(u64 addr, bool limited) {
  const Index at = containing(addr);
  if (!at || model_.vmas()[*at].start == addr) return 0;
  if (limited && model_.vmas().size() >= environment_.map_count_limit) return -ENOMEM;
  if (!may_split(model_.vmas()[*at], addr)) return -EINVAL;
  model_.split(*at, addr);
  return 0;
}

bool NaiveKernel::may_expand(VmFlags flags, u64 pages) const {
  const svma_live_totals now = totals();
  const svma_rlimits& limits = environment_.rlimits;
  if (now.total_vm + pages > limits.as / kPageSize) return false;
  if ((flags & (kVmWrite | kVmShared | kVmGrowsDown)) != kVmWrite) return true;
  if (now.data_vm + pages <= limits.data / kPageSize) return true;
  return limits.data == 0 && now.data_vm + pages <= limits.data_max / kPageSize;
}

bool NaiveKernel::enough_memory(svma_op& op) const {
  if (environment_.no_memory) op.steps |= SVMA_STEP_NO_MEMORY;
  return !environment_.no_memory;
}

void NaiveKernel::note_hiwater() { hiwater_ = std::max(hiwater_, totals().total_vm); }

// --- munmap
// ---------------------------------------------------------------------------------------

// do_mas_align_munmap(): a cut that was made stays if the second one is refused.
i64 NaiveKernel::unmap(u64 start, u64 end) {
  if (!mapped(start, end)) return 0;
  if (model_.munmap_exceeds(start, end, environment_.map_count_limit)) return -ENOMEM;
  if (const i64 error = split(start, false)) return error;
  if (const i64 error = split(end, false)) return error;
  note_hiwater();
  model_.munmap(start, end);
  return 0;
}

i64 NaiveKernel::unmap_operation(u64 start, u64 end) {
  if (!mapped(start, end)) return 0;  // do_mas_munmap() returns before there is anything to see
  return operate(make(SVMA_CORE_MUNMAP, {start, end}), [&](svma_op&) { return unmap(start, end); });
}

// With the lock downgraded, the VMAs are gone before their pages are counted.
i64 NaiveKernel::munmap(u64 start, u64 length) {
  const u64 end = start + page_up(length);
  probes_.call(make_call(SVMA_CALL_MUNMAP, {start, length}));
  if (!environment_.downgrade) return finish(unmap_operation(start, end));
  if (!mapped(start, end)) return finish(0);
  svma_op op = make(SVMA_CORE_MUNMAP, {start, end});
  const svma_live_totals before = totals();
  probes_.begin(op);
  op.result = unmap(start, end);
  publish();
  const svma_live_totals after = live_.totals;
  if (op.result == 0) {
    live_.totals = before;
    live_.totals.map_count = after.map_count;
    live_.totals.locked_vm = after.locked_vm;
  }
  probes_.end(op);
  if (op.result == 0) probes_.release(true);
  live_.totals = after;
  return finish(op.result);
}

// --- mmap
// -----------------------------------------------------------------------------------------

i64 NaiveKernel::search_one(const UnmappedAreaInfo& info, bool topdown) {
  const std::optional<u64> found =
      topdown ? model_.highest_in_holes(info) : model_.lowest_in_holes(info);
  svma_op op = make(SVMA_CORE_SEARCH, {info.length, info.low_limit.value(), info.high_limit.value(),
                                       info.align_mask, info.align_offset, topdown});
  op.result = found ? static_cast<i64>(*found) : -ENOMEM;
  probes_.search(op);
  return op.result;
}

void NaiveKernel::search(const UnmappedAreaInfo& info, bool topdown) { search_one(info, topdown); }

// arch_get_unmapped_area_topdown(): the hint, from above, from below.
i64 NaiveKernel::unmapped_area(u64 hint, u64 length) {
  if (hint != 0) {
    const Index above = model_.find(hint);
    if (!above || hint + length <= model_.guarded_start(model_.vmas()[*above])) {
      return static_cast<i64>(hint);
    }
  }
  if (length > kTaskSize) return -ENOMEM;
  UnmappedAreaInfo info;
  info.length = length;
  info.low_limit = VirtAddr(low_);
  info.high_limit = VirtAddr(high_);
  const i64 found = search_one(info, true);
  return found < 0 ? search_one(info, false) : found;
}

VmFlags NaiveKernel::mmap_flags(u64 prot, u64 flags, u64 file) {
  VmFlags vm_flags = (prot & 7) | kVmMayRead | kVmMayWrite | kVmMayExec;
  if (flags & kMapGrowsDown) vm_flags |= kVmGrowsDown;
  if (flags & kMapLocked) vm_flags |= kVmLocked;
  if (flags & kMapNoReserve) vm_flags |= kVmNoReserve;
  if ((flags & kMapType) != kMapShared) return vm_flags;
  vm_flags |= kVmShared | kVmMayShare;
  return file == kReadOnlyFile ? vm_flags & ~(kVmMayWrite | kVmShared) : vm_flags;
}

i64 NaiveKernel::mmap(u64 hint, u64 length, u64 prot, u64 flags, u64 file, u64 pgoff) {
  const bool shared = (flags & kMapType) == kMapShared;
  const bool reads_only = file == kReadOnlyFile;
  if (file != kNoFile || shared) flags &= ~kMapGrowsDown;
  if (file == kHugetlb) {
    length = (length + kHugePage - 1) / kHugePage * kHugePage;
    hint = hint / kHugePage * kHugePage;
    flags |= kMapFixed;
  }
  if (shared && reads_only) prot &= ~u64{2};
  u64 bits = file != kNoFile ? SVMA_FILE_THERE : 0;
  if (file != kNoFile && !reads_only) bits |= SVMA_FILE_WRITABLE;
  if (file == kHugetlb) bits |= SVMA_FILE_HUGE | SVMA_FILE_OWN_SEARCH;
  svma_call call =
      make_call(SVMA_CALL_MMAP, {hint, length, prot, flags, pgoff, def_flags_, bits, kMinAddr});
  call.placement.base = high_;
  call.placement.legacy_base = low_;
  call.placement.end = high_;
  call.placement.task_size = kTaskSize;
  call.placement.full_size = kTaskSize;
  call.placement.flags = SVMA_PLACEMENT_TOPDOWN;
  probes_.call(call);
  length = page_up(length);
  if (model_.vmas().size() > environment_.map_count_limit) return finish(-ENOMEM);

  i64 addr = static_cast<i64>(hint);
  if ((flags & (kMapFixed | kMapFixedNoReplace)) == 0) {
    hint = hint / kPageSize * kPageSize;
    addr = unmapped_area(hint == 0 ? 0 : std::max(hint, kMinAddr), length);
  }
  if (addr < 0) return finish(addr);
  if (static_cast<u64>(addr) < kMinAddr) return finish(-EPERM);
  const u64 start = static_cast<u64>(addr);
  if ((flags & kMapFixedNoReplace) && mapped(start, start + length)) return finish(-EEXIST);

  VmaAttrs attrs;
  attrs.vm_flags = mmap_flags(prot, flags, file) | def_flags_;
  attrs.file = file;
  attrs.ino = file;
  if (file == kNoFile) pgoff = shared ? 0 : start / kPageSize;
  attrs.vm_pgoff = PageOffset(pgoff);

  svma_op op = make(SVMA_CORE_MMAP, {start, length, attrs.vm_flags, pgoff});
  op.vma.file = file;
  op.vma.ino = file;
  op.vma.lock_exempt = file == kDax;
  return finish(
      operate(op, [&](svma_op& o) { return mmap_region(o, start, start + length, attrs); }));
}

i64 NaiveKernel::mmap_region(svma_op& op, u64 start, u64 end, VmaAttrs attrs) {
  const u64 pages = (end - start) / kPageSize;
  u64 replaced = 0;
  for (const NaiveVma& vma : model_.vmas()) {
    const u64 low = std::max(start, vma.start), high = std::min(end, vma.end);
    if (low < high) replaced += (high - low) / kPageSize;
  }
  if (!may_expand(attrs.vm_flags, pages) && !may_expand(attrs.vm_flags, pages - replaced))
    return -ENOMEM;
  if (mapped(start, end)) {
    const bool failed = unmap(start, end) != 0;
    op.steps |= failed ? SVMA_STEP_UNMAP_FAILED : SVMA_STEP_UNMAPPED;
    if (failed) return -ENOMEM;
  }
  if (attrs.file != kHugetlb &&
      (attrs.vm_flags & (kVmNoReserve | kVmShared | kVmWrite)) == kVmWrite) {
    if (!enough_memory(op)) return -ENOMEM;
    attrs.vm_flags |= kVmAccount;
  }
  if (!expand_neighbour(start, end, attrs)) {
    if (const i64 error = map_new(start, end, attrs)) return error;
  }
  const std::size_t index = *containing(start);
  VmaAttrs mapped_as = model_.vmas()[index].attrs;
  const bool exempt = (mapped_as.vm_flags & (kSpecial | kVmHugetlb)) != 0 || mapped_as.file == kDax;
  if ((mapped_as.vm_flags & kVmLocked) && exempt)
    mapped_as.vm_flags &= ~(kVmLocked | kVmLockOnFault);
  mapped_as.vm_flags |= kVmSoftDirty;
  model_.set_attrs(index, mapped_as);
  return static_cast<i64>(start);
}

// The VMA above is asked first, and the one below then has to agree with its anon_vma.
bool NaiveKernel::expand_neighbour(u64 start, u64 end, VmaAttrs attrs) {
  if (attrs.vm_flags & kSpecial) return false;
  const Index below = start == 0 ? std::nullopt : containing(start - 1);
  const Index above = containing(end);
  const bool joins_above =
      above && model_.vmas()[*above].start == end &&
      NaiveModel::joins_above(model_.vmas()[*above], attrs, (end - start) / kPageSize);
  if (joins_above) attrs.anon_vma = model_.vmas()[*above].attrs.anon_vma;
  const bool joins_below = below && NaiveModel::joins_below(model_.vmas()[*below], attrs);
  if (joins_below) {
    const NaiveVma lower = model_.vmas()[*below];
    const u64 reach = joins_above ? model_.vmas()[*above].end : end;
    model_.expand(*below, lower.start, reach, lower.attrs.vm_pgoff.value(), joins_above);
  } else if (joins_above) {
    const NaiveVma upper = model_.vmas()[*above];
    model_.expand(*above, start, upper.end, attrs.vm_pgoff.value(), false);
  }
  return joins_below || joins_above;
}

i64 NaiveKernel::map_new(u64 start, u64 end, VmaAttrs attrs) {
  const VmFlags asked = attrs.vm_flags;
  if (attrs.file == kNoFile) {
    attrs.anonymous = (attrs.vm_flags & kVmShared) == 0;
    if (!attrs.anonymous) attrs.file = ++identity_;
  } else {
    if (environment_.driver_fails) return -ENODEV;
    call_driver(attrs);
    const bool something_below = !model_.vmas().empty() && model_.vmas()[0].start < start;
    if (attrs.vm_flags != asked && something_below && model_.merge(start, end, attrs)) return 0;
  }
  model_.insert({start, end, attrs});
  return 0;
}

void NaiveKernel::call_driver(VmaAttrs& attrs) {
  switch (attrs.file) {
    case kDevZero:
      attrs.anonymous = (attrs.vm_flags & kVmShared) == 0;
      if (!attrs.anonymous) attrs.file = ++identity_;
      return;
    case kDevice:
      attrs.vm_flags |= kVmIo | kVmPfnMap | kVmDontExpand | kVmDontDump;
      attrs.has_close = true;
      return;
    case kHugetlb:
      attrs.vm_flags |= kVmHugetlb | kVmDontExpand;
      attrs.split_shift = 13;
      attrs.has_close = true;
      return;
    case kSysvShm:
      attrs.has_close = true;
      return;
    case kHugePages:
      attrs.vm_flags |= kVmHugePage;
      return;
    case kIoOnly:
      attrs.vm_flags |= kVmIo;
      return;
    default:
      return;
  }
}

// --- brk
// ------------------------------------------------------------------------------------------

i64 NaiveKernel::brk(u64 brk) {
  const u64 old_end = page_up(brk_), new_end = page_up(brk);
  if (brk < start_brk_) return finish(static_cast<i64>(brk_));
  if (new_end == old_end) {
    brk_ = brk;
  } else if (new_end < old_end) {
    const Index at = model_.find(new_end);
    if (at && model_.vmas()[*at].start < old_end && unmap_operation(new_end, old_end) == 0)
      brk_ = brk;
  } else {
    const Index above = model_.find(old_end);
    if (above && new_end + kPageSize > model_.guarded_start(model_.vmas()[*above]))
      return finish(static_cast<i64>(brk_));
    Index below = model_.find(old_end);
    const std::size_t count = below.value_or(model_.vmas().size());
    below = count == 0 ? std::nullopt : Index(count - 1);
    if (below && model_.vmas()[*below].end <= start_brk_) below = std::nullopt;
    const u64 given = below ? model_.vmas()[*below].start : SVMA_CORE_NO_VMA;
    const svma_op op =
        make(SVMA_CORE_BRK, {old_end, new_end - old_end, kDataDefault | def_flags_, given});
    if (operate(op, [&](svma_op& o) { return grow_brk(o, old_end, new_end); }) == 0) brk_ = brk;
  }
  return finish(static_cast<i64>(brk_));
}

i64 NaiveKernel::grow_brk(svma_op& op, u64 start, u64 end) {
  VmaAttrs attrs;
  attrs.vm_flags = kDataDefault | def_flags_;
  attrs.vm_pgoff = PageOffset(start / kPageSize);
  attrs.anonymous = true;
  if (!may_expand(attrs.vm_flags, (end - start) / kPageSize)) return -ENOMEM;
  if (model_.vmas().size() > environment_.map_count_limit) return -ENOMEM;
  if (!enough_memory(op)) return -ENOMEM;
  Index at = containing(start - 1);
  if (at && op.args[3] != SVMA_CORE_NO_VMA && NaiveModel::joins_below(model_.vmas()[*at], attrs)) {
    const NaiveVma heap = model_.vmas()[*at];
    model_.expand(*at, heap.start, end, heap.attrs.vm_pgoff.value(), false);
  } else {
    model_.insert({start, end, attrs});
    at = containing(start);
  }
  VmaAttrs marked = model_.vmas()[*at].attrs;
  marked.vm_flags |= kVmSoftDirty;
  model_.set_attrs(*at, marked);
  return 0;
}

// --- mremap
// ---------------------------------------------------------------------------------------

// vma_to_resize()
i64 NaiveKernel::resize_check(u64 addr, u64 old_length, u64 new_length, u64 flags) const {
  const Index at = containing(addr);
  if (!at) return -EFAULT;
  const NaiveVma& vma = model_.vmas()[*at];
  const VmFlags vm_flags = vma.attrs.vm_flags;
  if (old_length == 0 && (vm_flags & (kVmShared | kVmMayShare)) == 0) return -EINVAL;
  if ((flags & kRemapDontUnmap) && (vm_flags & (kVmDontExpand | kVmPfnMap))) return -EINVAL;
  if (old_length > vma.end - addr) return -EFAULT;
  if (new_length == old_length) return 0;
  const u64 pgoff = vma.attrs.vm_pgoff.value() + (addr - vma.start) / kPageSize;
  if (pgoff + new_length / kPageSize < pgoff) return -EINVAL;
  if (vm_flags & (kVmDontExpand | kVmPfnMap)) return -EFAULT;
  return may_expand(vm_flags, (new_length - old_length) / kPageSize) ? 0 : -ENOMEM;
}

i64 NaiveKernel::mremap(u64 addr, u64 old_length, u64 new_length, u64 flags, u64 new_addr) {
  const Index at = containing(addr);
  if (!at || new_length == 0) return finish(-EFAULT);
  if (model_.vmas()[*at].attrs.vm_flags & kVmHugetlb) return finish(-EINVAL);
  if (flags & (kRemapFixed | kRemapDontUnmap))
    return finish(remap_to(addr, old_length, new_length, flags, new_addr));
  if (old_length >= new_length)
    return finish(unmap_operation(addr + new_length, addr + old_length));

  svma_op op = make(SVMA_CORE_MREMAP_EXPAND, {addr, old_length, new_length, kTaskSize});
  probes_.begin(op);
  i64 result = resize_check(addr, old_length, new_length, flags);
  if (result != 0) {
    probes_.cancel(op);
    return finish(result);
  }
  result = -ENOMEM;
  const bool at_end = old_length == model_.vmas()[*at].end - addr;
  const bool settled = at_end && expand_in_place(op, addr, new_length, result);
  if (settled || (flags & kRemapMayMove) == 0) {
    publish();
    probes_.end(op);
    return finish(result);
  }
  const i64 place = unmapped_area(0, new_length);
  if (place < 0) {
    probes_.end(op);
    return finish(place);
  }
  probes_.cancel(op);
  return finish(move(addr, old_length, new_length, flags, static_cast<u64>(place)));
}

// RETURNS: whether the kernel goes no further than this.
bool NaiveKernel::expand_in_place(svma_op& op, u64 addr, u64 new_length, i64& result) {
  const std::size_t index = *containing(addr);
  const NaiveVma vma = model_.vmas()[index];
  const u64 end = addr + new_length;
  if (end < vma.end || end > kTaskSize || mapped(vma.end, end)) return false;
  if ((vma.attrs.vm_flags & kVmAccount) && !enough_memory(op)) return true;
  if (vma.attrs.has_close) {
    model_.expand(index, vma.start, end, vma.attrs.vm_pgoff.value(), false);
  } else {
    VmaAttrs attrs = vma.attrs;
    attrs.vm_pgoff = attrs.vm_pgoff + PageCount(vma.pages());
    if (!model_.merge(vma.end, end, attrs)) return true;
  }
  result = static_cast<i64>(addr);
  return true;
}

i64 NaiveKernel::remap_to(u64 addr, u64 old_length, u64 new_length, u64 flags, u64 new_addr) {
  const bool fixed = (flags & kRemapFixed) != 0;
  if ((flags & kRemapDontUnmap) && old_length != new_length) return -EINVAL;
  if (new_length > kTaskSize || new_addr > kTaskSize - new_length) return -EINVAL;
  if (fixed && addr < new_addr + new_length && new_addr < addr + old_length) return -EINVAL;
  if (static_cast<i64>(model_.vmas().size()) + 2 >=
      static_cast<i64>(environment_.map_count_limit) - 3) {
    return -ENOMEM;
  }
  if (fixed) {
    if (const i64 error = unmap_operation(new_addr, new_addr + new_length)) return error;
  }
  if (old_length > new_length) {
    if (const i64 error = unmap_operation(addr + new_length, addr + old_length)) return error;
    old_length = new_length;
  }
  if (const i64 error = resize_check(addr, old_length, new_length, flags)) return error;
  const Index at = containing(addr);
  if ((flags & kRemapDontUnmap) &&
      !may_expand(model_.vmas()[*at].attrs.vm_flags, old_length / kPageSize)) {
    return -ENOMEM;
  }
  const i64 place = fixed ? static_cast<i64>(new_addr) : unmapped_area(new_addr, new_length);
  if (place < 0) return place;
  return move(addr, old_length, new_length, flags, static_cast<u64>(place));
}

i64 NaiveKernel::move(u64 addr, u64 old_length, u64 new_length, u64 flags, u64 new_addr) {
  const u64 vma_start = model_.vmas()[*containing(addr)].start;
  const bool keep = (flags & kRemapDontUnmap) != 0;
  const svma_op op =
      make(SVMA_CORE_MREMAP_MOVE, {vma_start, addr, old_length, new_length, new_addr, flags});
  return operate(
      op, [&](svma_op& o) { return move_vma(o, addr, old_length, new_length, keep, new_addr); });
}

i64 NaiveKernel::move_vma(svma_op& op, u64 addr, u64 old_length, u64 new_length, bool keep,
                          u64 new_addr) {
  const u64 old_end = addr + old_length;
  if (static_cast<i64>(model_.vmas().size()) >=
      static_cast<i64>(environment_.map_count_limit) - 3) {
    return -ENOMEM;
  }
  const NaiveVma source = model_.vmas()[*containing(addr)];
  if (source.start != addr && !may_split(source, addr)) return -EINVAL;
  if (source.end != old_end && !may_split(source, old_end)) return -EINVAL;
  if (keep && (source.attrs.vm_flags & kVmLocked)) {
    split(addr, false);
    split(old_end, false);
  }
  if ((source.attrs.vm_flags & kVmAccount) && !enough_memory(op)) return -ENOMEM;

  const u64 pgoff = source.attrs.vm_pgoff.value() + (addr - source.start) / kPageSize;
  model_.copy(*containing(addr), new_addr, new_addr + new_length, pgoff, keep);
  const std::size_t copy = *containing(new_addr);
  VmaAttrs attrs = model_.vmas()[copy].attrs;
  if (attrs.uffd_ctx != 0 && !environment_.keeps_context) {
    attrs.uffd_ctx = 0;
    attrs.vm_flags &= ~(kVmUffdMissing | kVmUffdWp | kVmUffdMinor);
    model_.set_attrs(copy, attrs);
  }
  if (keep) {
    const std::size_t index = *containing(addr);
    const NaiveVma& left = model_.vmas()[index];
    VmaAttrs emptied = left.attrs;
    emptied.vm_flags &= ~(kVmLocked | kVmLockOnFault);
    if (left.start == addr && left.end == old_end) {
      emptied.anon_vma = 0;
      emptied.anon_singular = false;
      if (emptied.anonymous && emptied.file == 0) emptied.vm_pgoff = PageOffset(addr / kPageSize);
    }
    model_.set_attrs(index, emptied);
  } else if (old_length != 0) {
    const u64 hiwater = hiwater_;
    split(addr, false);
    split(old_end, false);
    model_.munmap(addr, old_end);
    hiwater_ = hiwater;
  }
  return static_cast<i64>(new_addr);
}

// --- stacks, faults, special mappings
// -------------------------------------------------------------

void NaiveKernel::prepare_anon_vma(std::size_t index) {
  VmaAttrs attrs = model_.vmas()[index].attrs;
  if (attrs.anon_vma != 0) return;
  attrs.anon_vma = environment_.anon_vma != 0 ? environment_.anon_vma : ++identity_;
  attrs.anon_singular = true;
  model_.set_attrs(index, attrs);
}

i64 NaiveKernel::expand_downwards(svma_op& op, std::size_t index, u64 addr) {
  const NaiveVma& vma = model_.vmas()[index];
  if ((vma.attrs.vm_flags & kVmGrowsDown) == 0) return -EFAULT;
  if (addr < kMinAddr) return -EPERM;
  if (index > 0) {
    const NaiveVma& below = model_.vmas()[index - 1];
    const bool accessible = (below.attrs.vm_flags & (kVmRead | kVmWrite | kVmExec)) != 0;
    const bool stack = (below.attrs.vm_flags & kVmGrowsDown) != 0;
    if (!stack && accessible && addr - below.end < stack_guard_gap_) return -ENOMEM;
  }
  if (vma.attrs.anon_vma == 0) op.steps |= SVMA_STEP_FAULTED_BESIDE;
  prepare_anon_vma(index);
  if (addr >= vma.start) return 0;
  const u64 grow = (vma.start - addr) / kPageSize;
  if (grow > vma.attrs.vm_pgoff.value()) return -ENOMEM;
  if (!may_expand(vma.attrs.vm_flags, grow)) return -ENOMEM;
  if (vma.end - addr > environment_.rlimits.stack) return -ENOMEM;
  if (!enough_memory(op)) return -ENOMEM;
  model_.set_bounds(index, addr, vma.end);
  return 0;
}

// The first VMA that ends above `addr` is touched there: below its start a stack grows.
void NaiveKernel::fault(u64 addr) {
  const Index at = model_.find(addr);
  if (!at) return;
  const NaiveVma vma = model_.vmas()[*at];
  if (vma.start > addr) {
    if ((vma.attrs.vm_flags & kVmGrowsDown) == 0) return;
    const svma_op op = make(SVMA_CORE_STACK_GROWTH, {vma.start, addr, 0, kMinAddr});
    operate(op, [&](svma_op& o) { return expand_downwards(o, *at, addr / kPageSize * kPageSize); });
    probes_.release(false);
    return;
  }
  if (vma.attrs.anon_vma != 0 || (vma.attrs.vm_flags & kVmShared)) return;
  prepare_anon_vma(*at);
  publish();
  probes_.faulted(live_.vmas[*at]);
}

void NaiveKernel::special_mapping(u64 addr, u64 length) {
  NaiveVma vma{addr, addr + page_up(length), {}};
  vma.attrs.vm_flags =
      kVmRead | kVmExec | kVmMayRead | kVmMayWrite | kVmMayExec | kVmDontExpand | kVmSoftDirty;
  vma.attrs.split_shift = SVMA_NEVER_SPLIT;
  svma_op op = make(SVMA_CORE_INSERT, {0});
  op.vma = record(vma);
  operate(op, [&](svma_op&) { return model_.insert(vma) ? 0 : -ENOMEM; });
  probes_.release(false);
}

// __bprm_mm_init(), the copying of the arguments, setup_arg_pages().
void NaiveKernel::exec(u64 stack_end, u64 pages, u64 shift, u64 grow) {
  model_ = NaiveModel(stack_guard_gap_);
  skew_ = {};
  hiwater_ = 0;
  def_flags_ = 0;
  brk_ = start_brk_;
  publish();
  NaiveVma stack{stack_end - kPageSize, stack_end, {}};
  stack.attrs.vm_flags = kStackFlags | kIncompleteStack | kVmSoftDirty;
  stack.attrs.anonymous = true;
  svma_op op = make(SVMA_CORE_INSERT, {1});
  op.vma = record(stack);
  stack.attrs.vm_pgoff = PageOffset(stack.start / kPageSize);
  operate(op, [&](svma_op&) { return model_.insert(stack) ? 0 : -ENOMEM; });
  probes_.release(false);

  const u64 low = stack_end - pages * kPageSize;
  if (low < stack.start) fault(low);
  const NaiveVma whole = model_.vmas()[0];
  mprotect_fixup(whole.start, whole.end, whole.attrs.vm_flags & ~kVmExec);
  probes_.release(false);
  if (shift != 0) {
    operate(make(SVMA_CORE_STACK_SHIFT, {whole.start, shift}), [&](svma_op&) {
      const PageOffset pgoff = model_.vmas()[0].attrs.vm_pgoff;  // stays
      model_.set_bounds(0, whole.start - shift, whole.end - shift);
      VmaAttrs attrs = model_.vmas()[0].attrs;
      attrs.vm_pgoff = pgoff;
      model_.set_attrs(0, attrs);
      return 0;
    });
    probes_.release(false);
  }
  const u64 base = model_.vmas()[0].start;
  op = make(SVMA_CORE_STACK_GROWTH, {base, base - grow, 1, kMinAddr});
  operate(op, [&](svma_op& o) {
    VmaAttrs attrs = model_.vmas()[0].attrs;
    attrs.vm_flags &= ~kIncompleteStack;
    model_.set_attrs(0, attrs);
    return expand_downwards(o, 0, base - grow);
  });
  probes_.release(false);
}

// dup_mmap(): the counters are the parent's, less what is not copied; the mark comes later.
void NaiveKernel::become_child() {
  const NaiveModel parent = model_;
  model_ = NaiveModel(stack_guard_gap_);
  for (const NaiveVma& vma : parent.vmas()) {
    NaiveVma copy = vma;
    if (vma.attrs.vm_flags & kVmDontCopy) continue;
    copy.attrs.vm_flags &= ~(kVmLocked | kVmLockOnFault);
    if (vma.attrs.uffd_ctx == 0 || !environment_.keeps_context) {
      copy.attrs.uffd_ctx = 0;
      copy.attrs.vm_flags &= ~(kVmUffdMissing | kVmUffdWp | kVmUffdMinor);
    } else {
      copy.attrs.uffd_ctx += 16;  // a new context
    }
    const bool wiped = (vma.attrs.vm_flags & kVmWipeOnFork) != 0;
    copy.attrs.anon_vma = vma.attrs.anon_vma != 0 && !wiped ? ++identity_ : 0;
    copy.attrs.anon_singular = false;
    model_.insert(copy);
  }
  skew_.locked_vm = 0;
  def_flags_ = 0;
  publish();
}

void NaiveKernel::drop_contexts() {
  for (std::size_t i = 0; i < model_.vmas().size(); ++i) {
    VmaAttrs attrs = model_.vmas()[i].attrs;
    attrs.uffd_ctx = 0;
    attrs.vm_flags &= ~(kVmUffdMissing | kVmUffdWp | kVmUffdMinor);
    model_.set_attrs(i, attrs);
  }
  publish();
}

void NaiveKernel::finish_child() {
  hiwater_ = totals().total_vm;
  publish();
}

}  // namespace svma::test
