// SPDX-License-Identifier: GPL-2.0-only
//
// The system calls that give a part of the layout other attributes.
#include <algorithm>
#include <cerrno>

#include "naive_kernel.hpp"

namespace svma::test {

namespace {

constexpr u64 kMclCurrent = 1, kMclFuture = 2, kMclOnFault = 4;
constexpr VmFlags kSpecial = kVmIo | kVmDontExpand | kVmPfnMap | kVmMixedMap;
constexpr VmFlags kRights = kVmRead | kVmWrite | kVmExec;
constexpr VmFlags kLockBits = kVmLocked | kVmLockOnFault;
constexpr VmFlags kUffdBits = kVmUffdMissing | kVmUffdWp | kVmUffdMinor;

}  // namespace

// One VMA's part gets `attrs`: joined with a neighbour, or cut out. Only vm_pgoff, which is what
// the kernel hands to vma_merge(), is not taken over.
i64 NaiveKernel::change(u64 start, u64 end, VmaAttrs attrs) {
  if (!model_.merge(start, end, attrs)) {
    if (const i64 error = split(start, true)) return error;
    if (const i64 error = split(end, true)) return error;
  }
  const std::size_t index = *containing(start);
  VmaAttrs changed = model_.vmas()[index].attrs;
  changed.vm_flags = attrs.vm_flags;
  changed.uffd_ctx = attrs.uffd_ctx;
  changed.vm_policy = attrs.vm_policy;
  changed.anon_name = attrs.anon_name;
  model_.set_attrs(index, changed);
  return 0;
}

// What `vma` would be if it began at `start`, which is inside.
static VmaAttrs attrs_at(const NaiveVma& vma, u64 start) {
  VmaAttrs attrs = vma.attrs;
  attrs.vm_pgoff = attrs.vm_pgoff + PageCount((start - vma.start) / kPageSize);
  return attrs;
}

// --- mprotect
// -------------------------------------------------------------------------------------

i64 NaiveKernel::mprotect_fixup(u64 start, u64 end, VmFlags flags) {
  return operate(make(SVMA_CORE_MPROTECT, {start, end, flags}), [&](svma_op& op) -> i64 {
    const NaiveVma vma = model_.vmas()[*containing(start)];
    const VmFlags old_flags = vma.attrs.vm_flags;
    VmaAttrs attrs = attrs_at(vma, start);
    attrs.vm_flags = flags;
    if (flags == old_flags) return 0;
    if (flags & kVmWrite) {
      const u64 pages = (end - start) / kPageSize;
      if (!may_expand(flags, pages) && may_expand(old_flags, pages)) return -ENOMEM;
      if ((old_flags & (kVmAccount | kVmWrite | kVmHugetlb | kVmShared | kVmNoReserve)) == 0) {
        if (!enough_memory(op)) return -ENOMEM;
        attrs.vm_flags |= kVmAccount;
      }
    }
    return change(start, end, attrs);
  });
}

i64 NaiveKernel::mprotect(u64 start, u64 length, u64 prot, i64 pkey) {
  const u64 end = start + page_up(length);
  probes_.call(make_call(SVMA_CALL_MPROTECT, {start, length, prot, static_cast<u64>(pkey), 0}));
  if (!containing(start)) return finish(-ENOMEM);
  for (u64 at = start;;) {
    const NaiveVma vma = model_.vmas()[*containing(at)];
    VmFlags flags = vma.attrs.vm_flags & ~kRights;
    if (pkey >= 0) flags = (flags & ~kVmPkeyMask) | static_cast<VmFlags>(pkey) << 32;
    flags |= prot & 7;
    const VmFlags may = vma.attrs.vm_flags >> 4;
    if (flags & ~may & kRights) return finish(-EACCES);
    const u64 stop = std::min(vma.end, end);
    if (const i64 error = mprotect_fixup(at, stop, flags)) return finish(error);
    at = std::max(stop, model_.vmas()[*containing(at)].end);
    if (at >= end) return finish(0);
    if (!containing(at)) return finish(-ENOMEM);
  }
}

// --- mlock
// ----------------------------------------------------------------------------------------

i64 NaiveKernel::mlock_fixup(u64 start, u64 end, VmFlags flags) {
  svma_op op = make(SVMA_CORE_MLOCK, {start, end, flags});
  op.vma = live_.vmas[*containing(start)];
  return operate(op, [&](svma_op&) -> i64 {
    const NaiveVma vma = model_.vmas()[*containing(start)];
    if (flags == vma.attrs.vm_flags || (vma.attrs.vm_flags & (kSpecial | kVmHugetlb)) ||
        vma.attrs.file == kDax) {
      return 0;
    }
    VmaAttrs attrs = attrs_at(vma, start);
    attrs.vm_flags = flags;
    return change(start, end, attrs);
  });
}

i64 NaiveKernel::mlock(u64 start, u64 length, VmFlags lock) {
  const u64 end = start + length;
  probes_.call(make_call(SVMA_CALL_MLOCK, {start, length, lock}));
  if (!containing(start)) return finish(-ENOMEM);
  for (u64 at = start;;) {
    const NaiveVma vma = model_.vmas()[*containing(at)];
    const u64 stop = std::min(vma.end, end);
    if (const i64 error = mlock_fixup(at, stop, (vma.attrs.vm_flags & ~kLockBits) | lock))
      return finish(error);
    at = std::max(stop, model_.vmas()[*containing(at)].end);
    if (at >= end) return finish(0);
    if (!containing(at)) return finish(-ENOMEM);
  }
}

// apply_mlockall_flags() goes on from where the VMA ended that it began with, and ignores errors.
i64 NaiveKernel::mlockall(u64 flags) {
  VmFlags lock = (flags & kMclCurrent) ? kVmLocked : 0;
  if (lock != 0 && (flags & kMclOnFault)) lock |= kVmLockOnFault;
  def_flags_ &= ~kLockBits;
  if (flags & kMclFuture)
    def_flags_ |= (flags & kMclOnFault) ? kLockBits : static_cast<VmFlags>(kVmLocked);
  probes_.call(make_call(SVMA_CALL_MLOCKALL, {flags}));
  if ((flags & kMclFuture) && !(flags & kMclCurrent)) return finish(0);  // VMAs to come, only
  for (Index at = model_.find(0); at;) {
    const NaiveVma vma = model_.vmas()[*at];
    mlock_fixup(vma.start, vma.end, (vma.attrs.vm_flags & ~kLockBits) | lock);
    at = model_.find(vma.end);
  }
  return finish(0);
}

// --- madvise
// --------------------------------------------------------------------------------------

i64 NaiveKernel::advise(const NaiveVma& vma, i32 advice, VmFlags& flags) {
  const VmFlags no_ksm = kVmMergeable | kVmShared | kVmMayShare | kVmHugetlb | kSpecial;
  switch (advice) {
    case 0:
      flags &= ~(kVmRandRead | kVmSeqRead);
      return 0;
    case 1:
      flags |= kVmRandRead;
      flags &= ~kVmSeqRead;
      return 0;
    case 2:
      flags |= kVmSeqRead;
      flags &= ~kVmRandRead;
      return 0;
    case 10:
      flags |= kVmDontCopy;
      return 0;
    case 11:
      flags &= ~kVmDontCopy;
      return vma.attrs.vm_flags & kVmIo ? -EINVAL : 0;
    case 12:
      if ((vma.attrs.vm_flags & no_ksm) == 0) flags |= kVmMergeable;
      return 0;
    case 13:
      flags &= ~kVmMergeable;
      return 0;
    case 14:
      flags |= kVmHugePage;
      flags &= ~kVmNoHugePage;
      return 0;
    case 15:
      flags |= kVmNoHugePage;
      flags &= ~kVmHugePage;
      return 0;
    case 16:
      flags |= kVmDontDump;
      return 0;
    case 17:
      flags &= ~kVmDontDump;
      return (vma.attrs.vm_flags & kSpecial) && !(vma.attrs.vm_flags & kVmHugetlb) ? -EINVAL : 0;
    case 18:
      flags |= kVmWipeOnFork;
      return vma.attrs.file != 0 || (vma.attrs.vm_flags & kVmShared) ? -EINVAL : 0;
    case 19:
      flags &= ~kVmWipeOnFork;
      return 0;
    default:
      return -EINVAL;
  }
}

// madvise_walk_vmas(): a hole is remembered and passed, a refusal ends it.
i64 NaiveKernel::madvise_walk(u64 start, u64 end, i32 advice) {
  i64 hole = 0;
  for (u64 at = start; at < end;) {
    const Index index = model_.find(at);
    if (!index) return -ENOMEM;
    const NaiveVma vma = model_.vmas()[*index];
    if (vma.start > at) {
      hole = -ENOMEM;
      at = vma.start;
      continue;
    }
    const u64 stop = std::min(vma.end, end);
    VmaAttrs attrs = attrs_at(vma, at);
    if (const i64 error = advise(vma, advice, attrs.vm_flags)) return error;
    if (attrs.vm_flags != vma.attrs.vm_flags) {
      if (const i64 error = change(at, stop, attrs)) return error;
    }
    at = std::max(stop, model_.vmas()[*containing(at)].end);
  }
  return hole;
}

// Reported as a whole once all is done.
i64 NaiveKernel::madvise(u64 start, u64 length, i32 advice) {
  probes_.call(make_call(SVMA_CALL_MADVISE, {start, length, static_cast<u64>(advice)}));
  const u64 end = start + page_up(length);
  const i64 result = madvise_walk(start, end, advice);
  publish();
  operate(make(SVMA_CORE_MADVISE, {start, end, static_cast<u64>(advice)}),
          [](svma_op&) { return 0; });
  return finish(result);
}

void NaiveKernel::clear_refs() {
  probes_.call(make_call(SVMA_CALL_CLEAR_REFS, {}));
  for (std::size_t i = 0; i < model_.vmas().size(); ++i)
    model_.set_flags(i, model_.vmas()[i].attrs.vm_flags & ~kVmSoftDirty);
  publish();
  operate(make(SVMA_CORE_CLEAR_REFS, {}), [](svma_op&) { return 0; });
  finish(0);
}

// --- mbind
// ----------------------------------------------------------------------------------------

i64 NaiveKernel::mbind_range(std::size_t index, u64 start, u64 end, u32 policy) {
  const NaiveVma vma = model_.vmas()[index];
  const svma_op op = make(SVMA_CORE_MBIND, {start, end, policy, vma.start});
  return operate(op, [&](svma_op&) -> i64 {
    if (vma.attrs.vm_policy == policy) return 0;
    const u64 from = std::max(start, vma.start);
    VmaAttrs attrs = attrs_at(vma, from);
    attrs.vm_policy = policy;
    return change(from, std::min(end, vma.end), attrs);
  });
}

i64 NaiveKernel::mbind(u64 start, u64 length, u32 policy) {
  const u64 end = start + page_up(length);
  i64 error = 0;
  for (u64 at = start; at < end && error == 0;) {
    const Index index = model_.find(at);
    if (!index || model_.vmas()[*index].start >= end) break;
    const u64 from = std::max(at, model_.vmas()[*index].start);
    error = mbind_range(*index, start, end, policy);
    at = model_.vmas()[*containing(from)].end;
  }
  return finish(error);
}

// --- userfaultfd
// ----------------------------------------------------------------------------------

// All in the range can be registered, there is something, and nobody else has it.
bool NaiveKernel::uffd_allows(u64 start, u64 end, u64 ctx) const {
  bool found = false;
  for (const NaiveVma& vma : model_.vmas()) {
    if (vma.end <= start || vma.start >= end) continue;
    const bool kind = vma.attrs.anonymous || vma.attrs.file >= kFirstSharedAnon ||
                      (vma.attrs.vm_flags & kVmHugetlb) != 0;
    if (!kind) return false;
    if (ctx != 0 && (vma.attrs.vm_flags & kVmMayWrite) == 0) return false;
    if (ctx != 0 && vma.attrs.uffd_ctx != 0 && vma.attrs.uffd_ctx != ctx) return false;
    found = true;
  }
  return found;
}

// The steps of both; `ctx` 0 unregisters. v6.1 hands the vm_pgoff of the whole VMA to vma_merge().
i64 NaiveKernel::uffd_steps(u64 start, u64 end, VmFlags wanted, u64 ctx) {
  for (u64 at = start; at < end;) {
    const Index index = model_.find(at);
    if (!index || model_.vmas()[*index].start >= end) return 0;
    const NaiveVma vma = model_.vmas()[*index];
    const bool there = vma.attrs.uffd_ctx == ctx && (vma.attrs.vm_flags & wanted) == wanted;
    const u64 from = std::max(at, vma.start);
    at = vma.end;
    if (there) continue;
    VmaAttrs attrs = vma.attrs;
    attrs.vm_flags = (attrs.vm_flags & ~kUffdBits) | wanted;
    attrs.uffd_ctx = ctx;
    const u64 stop = std::min(vma.end, end);
    i64 error = 0;
    operate(
        make(SVMA_CORE_MODIFY, {from, stop, attrs.vm_flags, ctx, attrs.vm_policy, attrs.anon_name}),
        [&](svma_op&) {
          error = change(from, stop, attrs);
          return 0;  // this operation has no return to look at
        });
    if (error != 0) return error;
    at = model_.vmas()[*containing(from)].end;
  }
  return 0;
}

i64 NaiveKernel::uffd_register(u64 start, u64 length, u64 mode, u64 ctx) {
  probes_.call(make_call(SVMA_CALL_UFFD_REGISTER, {start, length, mode, ctx}));
  if (!uffd_allows(start, start + length, ctx)) return finish(-EINVAL);
  VmFlags wanted = 0;
  if (mode & 1) wanted |= kVmUffdMissing;
  if (mode & 2) wanted |= kVmUffdWp;
  if (mode & 4) wanted |= kVmUffdMinor;
  return finish(uffd_steps(start, start + length, wanted, ctx));
}

i64 NaiveKernel::uffd_unregister(u64 start, u64 length) {
  probes_.call(make_call(SVMA_CALL_UFFD_UNREGISTER, {start, length}));
  if (!uffd_allows(start, start + length, 0)) return finish(-EINVAL);
  return finish(uffd_steps(start, start + length, 0, 0));
}

}  // namespace svma::test
