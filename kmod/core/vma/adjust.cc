// SPDX-License-Identifier: GPL-2.0-only
//
// What moves the boundaries of VMAs, after mm/mmap.c __split_vma(), __vma_adjust(), vma_expand()
// and expand_downwards() in v6.1.
#include "base/mutation.hpp"
#include "vma/address_space.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

// The survivor covers pages of `from` from now on, so it must be findable from their anon_vma. The
// kernel clones the whole chain, hence singular stays what it was.
void AddressSpace::import_anon_vma(Vma* survivor, const Vma* from) {
  if (survivor->attrs.anon_vma || !from->attrs.anon_vma) return;
  if (mutated(Mutation::anon_vma_lost)) return;
  survivor->attrs.anon_vma = from->attrs.anon_vma;
  survivor->attrs.anon_singular = from->attrs.anon_singular;
  if (observer_) observer_->imported(*observer_, *survivor, *from);
}

// A is `vma`, B the VMA above it, C the one above that; the dashes are `range`.
//
//     case 2, 3     AA....BB   and when it splits, or a stack moves
//                   ----
//                   AAAA..BB
//     case 1, 7     AA..BBCC                    case 8        AABB        B gains, A is freed
//                   ------                                    ----
//                   AAAAAACC   B is freed                     BBBB
//     case 6        AABBCC                      case 4        AAAABBBB    B gains
//                   ------                                    --
//                   AAAAAA     B, C are freed                 AABBBBBB
//     case 5        AAAABBBB
//                   ------
//                   AAAAAABB
void AddressSpace::vma_adjust(Vma* vma, AddrRange range, PageOffset pgoff, Vma* insert,
                              Vma* expand) {
  Vma* const above = next(vma);
  if (insert || !above || (range.end <= above->vm_start && expand != above)) {
    set_bounds(vma, range, pgoff);
    if (insert) {
      const Status linked = insert_unobserved(insert);
      SVMA_CHECK(linked.ok());
    }
  } else if (range.end >= above->vm_end && expand == above) {  // case 8
    import_anon_vma(above, vma);
    remove_vma(vma);
    set_bounds(above, range, pgoff);
  } else if (range.end >= above->vm_end) {  // cases 1, 6, 7
    Vma* const beyond = range.end > above->vm_end ? next(above) : nullptr;
    SVMA_DCHECK(!beyond || range.end == beyond->vm_end);
    import_anon_vma(vma, beyond && !above->attrs.anon_vma ? beyond : above);
    remove_vma(above);
    if (beyond) remove_vma(beyond);
    set_bounds(vma, range, pgoff);
  } else if (range.end > above->vm_start) {  // case 5: the boundary moves up
    const PageCount moved = AddrRange{above->vm_start, range.end}.pages();
    import_anon_vma(vma, above);
    set_bounds(above, {range.end, above->vm_end}, above->attrs.vm_pgoff + moved);
    set_bounds(vma, range, pgoff);
  } else {  // case 4: the boundary moves down
    const PageCount moved = AddrRange{range.end, vma->vm_end}.pages();
    SVMA_DCHECK(above->vm_start == vma->vm_end);
    import_anon_vma(above, vma);
    set_bounds(vma, range, pgoff);
    set_bounds(above, {range.end, above->vm_end}, above->attrs.vm_pgoff - moved);
  }
}

//     kNewAbove   AAAAAAAA  -->  AAAAaaaa        kNewBelow   AAAAAAAA  -->  aaaaAAAA
//                     | addr                                     | addr
Status AddressSpace::split_vma(Vma* vma, VirtAddr addr, SplitSide side, VmaReserve& reserve) {
  SVMA_DCHECK(addr.page_aligned() && vma->vm_start < addr && addr < vma->vm_end);
  if (mutated(Mutation::split_off_by_one) && addr + kPageSize < vma->vm_end)
    addr = addr + kPageSize;
  Vma* const fresh = vm_area_dup(reserve, *vma);
  if (!fresh) return Status::error(kENOMEM);
  const PageOffset pgoff_at_addr =
      mutated(Mutation::split_wrong_pgoff)
          ? vma->attrs.vm_pgoff
          : vma->attrs.vm_pgoff + AddrRange{vma->vm_start, addr}.pages();
  if (side == SplitSide::kNewBelow) {
    fresh->vm_end = addr;
    if (observer_) observer_->splitting(*observer_, *vma, *fresh, addr, side);
    vma_adjust(vma, {addr, vma->vm_end}, pgoff_at_addr, fresh, nullptr);
  } else {
    fresh->vm_start = addr;
    fresh->attrs.vm_pgoff = pgoff_at_addr;
    if (observer_) observer_->splitting(*observer_, *vma, *fresh, addr, side);
    vma_adjust(vma, {vma->vm_start, addr}, vma->attrs.vm_pgoff, fresh, nullptr);
  }
  return kOk;
}

//     AA..NN          AA..NN        N is `next`, the dashes are `range`
//     ----            ------
//     AAAANN          AAAAAA        N is freed
void AddressSpace::vma_expand(Vma* vma, AddrRange range, PageOffset pgoff, Vma* next) {
  SVMA_DCHECK(range.contains(vma->range()));
  if (next && next != vma && range.end == next->vm_end) {
    import_anon_vma(vma, next);
    remove_vma(next);
  }
  set_bounds(vma, range, pgoff);
}

//     AA......SSSS
//          | addr           only S moves; a VMA below that is in the way stops it
//     AA...SSSSSSS
Status AddressSpace::expand_downwards(Vma* vma, VirtAddr addr) {
  if (!vma->has(kVmGrowsDown)) return Status::error(kEFAULT);
  const VirtAddr start = addr.page_down();
  if (start >= vma->vm_start) return kOk;
  const PageCount grow = AddrRange{start, vma->vm_start}.pages();
  const Vma* const below = prev(vma);
  if (below && start < below->vm_end) return Status::error(kENOMEM);
  if (grow.value() > vma->attrs.vm_pgoff.value()) return Status::error(kENOMEM);
  set_bounds(vma, {start, vma->vm_end}, vma->attrs.vm_pgoff - grow);
  return kOk;
}

}  // namespace svma
