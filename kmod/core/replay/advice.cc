// SPDX-License-Identifier: GPL-2.0-only
#include "replay/advice.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

// mm/ksm.c: mappings that KSM leaves alone; the advice is then ignored, not refused.
constexpr VmFlags kNotForKsm = kVmMergeable | kVmShared | kVmMayShare | kVmPfnMap | kVmIo |
                               kVmDontExpand | kVmHugetlb | kVmMixedMap | kVmDroppable;

// mm/mseal.c can_modify_vma_madv(): what is read-only and in no file would be lost.
bool sealed_anonymous(const Semantics& semantics, const Vma& vma) {
  return vma.has(semantics.sealed()) && vma.attrs.file == 0 && !vma.has(kVmShared);
}

bool sealed_against_loss(const Semantics& semantics, const Vma& vma) {
  return sealed_anonymous(semantics, vma) && !vma.has(kVmWrite);
}

}  // namespace

bool advice_changes_flags(i32 advice) {
  return (advice >= static_cast<i32>(Advice::kNormal) &&
          advice <= static_cast<i32>(Advice::kSequential)) ||
         (advice >= static_cast<i32>(Advice::kDontFork) &&
          advice <= static_cast<i32>(Advice::kKeepOnFork));
}

bool seal_depends_on_key(const Semantics& semantics, const Vma& vma, i32 advice) {
  return (advice == static_cast<i32>(Advice::kDontFork) ||
          advice == static_cast<i32>(Advice::kWipeOnFork)) &&
         sealed_anonymous(semantics, vma) && vma.has(kVmWrite) && vma.has(kVmPkeyMask);
}

VmFlags offered_to_ksm(VmFlags flags) {
  return (flags & kNotForKsm) ? flags : flags | kVmMergeable;
}

Status advised_flags(const Semantics& semantics, const Vma& vma, i32 advice, VmFlags& flags) {
  switch (static_cast<Advice>(advice)) {
    case Advice::kNormal:
      flags &= ~(kVmRandRead | kVmSeqRead);
      return kOk;
    case Advice::kRandom:
      flags = (flags & ~kVmSeqRead) | kVmRandRead;
      return kOk;
    case Advice::kSequential:
      flags = (flags & ~kVmRandRead) | kVmSeqRead;
      return kOk;
    case Advice::kDontFork:
      if (sealed_against_loss(semantics, vma)) return Status::error(kEPERM);
      flags |= kVmDontCopy;
      return kOk;
    case Advice::kDoFork:
      if (vma.has(semantics.dofork_refuses_special ? kVmSpecial : kVmIo)) {
        return Status::error(kEINVAL);
      }
      flags &= ~kVmDontCopy;
      return kOk;
    case Advice::kMergeable:
      if (!vma.has(kNotForKsm)) flags |= kVmMergeable;
      return kOk;
    case Advice::kUnmergeable:
      flags &= ~kVmMergeable;
      return kOk;
    case Advice::kHugePage:
      flags = (flags & ~kVmNoHugePage) | kVmHugePage;
      return kOk;
    case Advice::kNoHugePage:
      flags = (flags & ~kVmHugePage) | kVmNoHugePage;
      return kOk;
    case Advice::kDontDump:
      flags |= kVmDontDump;
      return kOk;
    case Advice::kDoDump:
      if (!vma.has(kVmHugetlb) && vma.has(kVmSpecial)) return Status::error(kEINVAL);
      if (vma.has(kVmDroppable)) return Status::error(kEINVAL);
      flags &= ~kVmDontDump;
      return kOk;
    case Advice::kWipeOnFork:
      if (sealed_against_loss(semantics, vma)) return Status::error(kEPERM);
      if (vma.attrs.file != 0 || vma.has(kVmShared)) return Status::error(kEINVAL);
      flags |= kVmWipeOnFork;
      return kOk;
    case Advice::kKeepOnFork:
      if (vma.has(kVmDroppable)) return Status::error(kEINVAL);
      flags &= ~kVmWipeOnFork;
      return kOk;
  }
  return Status::error(kEINVAL);
}

}  // namespace svma
