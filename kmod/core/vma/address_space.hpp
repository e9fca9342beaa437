// SPDX-License-Identifier: GPL-2.0-only
//
// The shadow of one mm_struct as Linux kept it up to v6.0: VMAs in a red-black tree with gap
// augmentation and in an ordered list. Function names are those of mm/mmap.c; leading underscores,
// which C++ reserves, are left out: __vma_link_rb() is vma_link_rb(). Where to read them:
//   link.hpp          vma_link_list, vma_link_rb, vma_unlink_list, vma_rb_erase, vma_gap_update
//   address_space.cc  find_vma_prev, find_vma_intersection, find_vma_links, vma_link, unlink
//   adjust.cc         vma_adjust, split_vma, vma_expand, expand_downwards
//   merge.cc          vma_merge, can_vma_merge_before, can_vma_merge_after
//   copy_vma.cc       copy_vma
//   unmap.cc          do_munmap, detach_vmas_to_be_unmapped, unmap_region, remove_vma_list
//   unmapped_area.cc  unmapped_area, unmapped_area_topdown
//
// Invariants (verify.hpp checks each by name):
//  - tree and list hold the same VMAs, in address order; no two overlap; bounds are page-aligned;
//  - the tree is a red-black tree (rb_tree.hpp) and each rb_subtree_gap is exact (gap.hpp);
//  - map_count is their number, highest_vm_end the end of the last one, 0 without any;
//  - mmap_cache is null or one of the VMAs; vmacache_seqnum rises whenever a VMA leaves, before its
//    memory is given back (of this, a state shows nothing to check).
// The counters of acct() are the caller's business except where a function says so: as in the
// kernel, accounting and linking are separate steps.
//
// Complexity: searches, link and unlink O(log n); next and prev O(1); do_munmap O(k log n) for the
// k VMAs it touches. Locking: the caller serialises all access; the module holds the shadow's
// spinlock. Nothing here allocates or sleeps: new VMAs come from a VmaReserve, dead ones go to
// svma_os_vm_area_free().
#pragma once

#include "base/check.hpp"
#include "base/select.hpp"
#include "base/status.hpp"
#include "base/types.hpp"
#include "intrusive/list.hpp"
#include "intrusive/rb_set.hpp"
#include "vma/accounting.hpp"
#include "vma/gap.hpp"
#include "vma/merge.hpp"
#include "vma/mmap_cache.hpp"
#include "vma/observer.hpp"
#include "vma/reserve.hpp"
#include "vma/vma.hpp"

namespace svma {

// Which part of a split becomes the new VMA; the other keeps its identity.
enum class SplitSide : u8 { kNewAbove, kNewBelow };

// What rb_subtree_gap is the maximum of, and with it how unmapped space is searched.
enum class GapRule : u8 {
  kLessGuardGap,  // the room left below a stack's guard gap: v5.10, before the maple tree
  kHoles,         // whole holes; guard gaps are minded when one is found: since v6.1, 3499a13168da
                  // "mm/mmap: use maple tree for unmapped_area{_topdown}"
};

// A request for unmapped space, as struct vm_unmapped_area_info; all in bytes.
struct UnmappedAreaInfo {
  u64 length = 0;
  VirtAddr low_limit;   // inclusive
  VirtAddr high_limit;  // exclusive
  u64 align_mask = 0;   // the address satisfies (addr & align_mask) == (align_offset & align_mask)
  u64 align_offset = 0;
  u64 start_gap = 0;       // kept unmapped below the address; GapRule::kHoles only
  u32* visited = nullptr;  // if given, counts the nodes that the search looks at
};

// What of the page tables an unmapped range leaves to free: those that serve nothing outside of
// [floor, ceiling); no ceiling is 0, as USER_PGTABLES_CEILING is on x86.
struct PgtableBounds {
  VirtAddr floor;
  VirtAddr ceiling;

  friend constexpr bool operator==(PgtableBounds, PgtableBounds) = default;
};

// What copy_vma() is to do, see there.
struct CopyRequest {
  AddrRange to;                       // free, not empty, page-aligned
  PageOffset pgoff;                   // of the first page that moves, where it is now
  bool keep_source = false;           // MREMAP_DONTUNMAP
  bool merges_beyond_source = false;  // ... and the copy of a VMA without anon_vma, which must not
                                      // become one with it, may still merge on its other side
  bool merges = true;                 // with its neighbours, if it fits
  AnonShift anon_shift = {};          // of the copy, if anonymous pages may come along
};

class AddressSpace {
 public:
  using Tree = RbSet<Vma, VmaRbHook, GapAugment>;
  using VmaList = List<Vma, &Vma::list>;

  constexpr AddressSpace() = default;
  explicit constexpr AddressSpace(u64 stack_guard_gap, GapRule rule = GapRule::kLessGuardGap,
                                  const MergeRules& merge_rules = kFirstMergeRules,
                                  VmFlags shadow_stack = 0)
      : tree_(GapAugment(rule == GapRule::kHoles ? 0 : stack_guard_gap)),
        stack_guard_gap_(stack_guard_gap),
        gap_rule_(rule),
        merge_rules_(merge_rules),
        shadow_stack_(shadow_stack) {}
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  ~AddressSpace() { SVMA_DCHECK(list_.empty()); }

  // --- lookup ----------------------------------------------------------------------------------

  // The first VMA that ends above `addr`, whether or not it contains it, or null:
  //
  //     addr       1  2   3   4 5
  //     map        .AAA....BBBB..      1, 2: A    3, 4: B    5: null
  Vma* find_vma(VirtAddr addr) const;

  // find_vma(), and in `*prev` the VMA before that position (the last one if the result is null).
  // In the picture above: 1, 2: null    3, 4: A    5: B.
  Vma* find_vma_prev(VirtAddr addr, Vma** prev) const;

  // The first VMA that overlaps `range`, or null:
  //
  //     range          |---|  |----|         null for the first, B for the second
  //     map        .AAA....BBBB.CC.
  Vma* find_vma_intersection(AddrRange range) const;

  Vma* first() const { return list_.head(); }
  Vma* last() const { return list_.tail(); }
  static Vma* next(const Vma* vma) { return VmaList::next(vma); }
  static Vma* prev(const Vma* vma) { return VmaList::prev(vma); }

  u32 map_count() const { return map_count_; }
  // The end of the last VMA, 0 without any.
  VirtAddr highest_vm_end() const { return VirtAddr(GapAugment::vm_end_gap(last())); }
  u64 stack_guard_gap() const { return stack_guard_gap_; }  // bytes
  GapRule gap_rule() const { return gap_rule_; }
  const MergeRules& merge_rules() const { return merge_rules_; }
  // Whether vm_start_gap() is below vm_start: VM_STARTGAP_FLAGS.
  bool has_start_gap(const Vma* vma) const { return vma->grows_down() || vma->has(shadow_stack_); }
  // `vma` with the room into which a stack may grow, or with the guard page of a shadow stack.
  VirtAddr vm_start_gap(const Vma* vma) const {
    if (vma->has(shadow_stack_) && !vma->grows_down()) {
      return vma->vm_start.value() != 0 ? vma->vm_start - kPageSize : vma->vm_start;
    }
    return VirtAddr(GapAugment(stack_guard_gap_).vm_start_gap(vma));
  }

  // The tree's structure, to show and to compare: root(), parent(x), left(x), right(x), is_red(x).
  const Tree& tree() const { return tree_; }
  const VmaList& list() const { return list_; }

  // --- lookup caches: vmacache.hpp ---------------------------------------------------------------

  // Raised where v5.10 calls vmacache_invalidate(): by one in unlink(), hence for each VMA that a
  // merge absorbs, and by one for all that one do_munmap() detaches; also in clear().
  u64 vmacache_seqnum() const { return vmacache_seqnum_; }
  // Of a copy of a live mm, which has one of its own.
  void set_vmacache_seqnum(u64 seqnum) { vmacache_seqnum_ = seqnum; }

  MmapCache& mmap_cache() { return mmap_cache_; }
  const MmapCache& mmap_cache() const { return mmap_cache_; }

  // --- linking ---------------------------------------------------------------------------------

  // Where a VMA at `range` goes: list and tree position in one descent.
  //
  //     range         |--|                      B             rb_parent = C
  //     map       AA..    ..BB..CC..DD        /   \           rb_link   = its left link
  //                     or  |-| after BB     A     C          prev = B, next = C
  //                                                 \         (for the second range)
  //                                                  D
  //
  // REQUIRES: `range` is not empty.
  // RETURNS: -ENOMEM if a VMA overlaps it, as find_vma_links() in v5.10.
  Result<VmaLinks> find_vma_links(AddrRange range) const;

  // Links `vma` into list and tree: vma_link_list(), vma_link_rb(). The kernel's also links it to
  // its file. REQUIRES: `links` is fresh, from find_vma_links(vma->range()).
  void vma_link(Vma* vma, const VmaLinks& links);

  // find_vma_links() and vma_link(). RETURNS: -ENOMEM on overlap, -EINVAL for bad bounds.
  Status insert(Vma* vma);

  // insert() without rebalancing, to copy a tree that is there: linked parents first, each node
  // finds the place that it has there. REQUIRES: the whole tree is copied before anything else.
  Status insert_as(Vma* vma, RbColor color);

  // Takes `vma` out of tree and list, as __vma_unlink(): vma_unlink_list(), vma_rb_erase(). The
  // caller owns it then. Does not account.
  void unlink(Vma* vma);

  // Frees all VMAs and resets all counters, as exit_mmap().
  void clear();

  // Takes `vma` out and frees it. Does not account.
  void remove_vma(Vma* vma);

  // Who is told of all changes from now on; null: nobody.
  void set_observer(VmaObserver* observer) { observer_ = observer; }

  // --- change ----------------------------------------------------------------------------------

  // Moves the bounds of `vma` within the space between its neighbours. Does not account.
  // REQUIRES: `range` is page-aligned, not empty and overlaps no other VMA.
  void set_bounds(Vma* vma, AddrRange range, PageOffset pgoff);

  // Changes vm_flags, minding that VM_GROWSDOWN moves a gap. Does not account.
  void set_flags(Vma* vma, VmFlags flags);

  // Replaces all attributes, as set_flags() and set_bounds() would.
  void set_attrs(Vma* vma, const VmaAttrs& attrs);

  // Gives `vma` new bounds with all that follows for the VMAs above it, as __vma_adjust() in v6.1:
  //  - `insert`, if given, is the other part of a split and is linked;
  //  - VMAs wholly covered are freed, one partly covered yields;
  //  - `expand` says which VMA gains: `vma`, or the one above (merge cases 4 and 8; in case 8 it
  //    is `vma` that is freed);
  //  - the gaining VMA takes over an anon_vma if it had none.
  // REQUIRES: as in the eight cases of merge.hpp. Does not account: the pages were and stay mapped,
  // or the caller accounts for the new ones.
  void vma_adjust(Vma* vma, AddrRange range, PageOffset pgoff, Vma* insert, Vma* expand);

  // Cuts `vma` at `addr` in two with the same attributes.
  // REQUIRES: `addr` is page-aligned and strictly inside. The limit on map_count is the caller's.
  // RETURNS: -ENOMEM, with nothing changed, if `reserve` is empty.
  Status split_vma(Vma* vma, VirtAddr addr, SplitSide side, VmaReserve& reserve);

  // Expands `vma` to `range`, over `next` if `range` ends where that does, which is then freed and
  // whose anon_vma `vma` takes over if it has none. Whether they may merge is the caller's
  // question; vma_expand() in v6.1. Does not account.
  // REQUIRES: `range` contains `vma` and overlaps nothing else but, entirely, `next`.
  void vma_expand(Vma* vma, AddrRange range, PageOffset pgoff, Vma* next);

  // Moves the start of a stack down to the page of `addr`, if that is below it. Limits, guard gap
  // and accounting are the caller's.
  // RETURNS: -EFAULT if it does not grow down; -ENOMEM if something is in the way or the page
  // offset would become negative. Nothing is changed then.
  Status expand_downwards(Vma* vma, VirtAddr addr);

  // The mapping of `*vma`, or of a part of it, once more at `request.to`: merged with what is there
  // or as a new VMA, as copy_vma() in v6.1. The pages are not moved and the source is not unmapped:
  // both are the caller's next steps, as is accounting.
  // `*vma` changes if the source was merged with its own copy and may be gone; see copy_vma.cc.
  // RETURNS: the VMA that covers `request.to`; -ENOMEM, with nothing changed, if something is
  // mapped there or `reserve` is empty when a new VMA is due.
  Result<Vma*> copy_vma(Vma** vma, const CopyRequest& request, VmaReserve& reserve);

  // --- merge -----------------------------------------------------------------------------------

  // What vma_merge() would do with the same arguments.
  MergePlan plan_merge(Vma* prev, AddrRange range, const VmaAttrs& attrs,
                       const Vma* apart = nullptr) const;

  // Merges `range`, which has or is about to get `attrs`, with its neighbours, as vma_merge() in
  // v6.1. `prev` is the last VMA that starts below `range`, null if there is none. `range` is a
  // hole, or lies within one VMA: at the end of `prev` (case 4) or at the start of the VMA behind
  // `prev`. Absorbed VMAs are freed. Does not account.
  // vma_merge_new_range() and vma_merge_existing_range() of v6.12 do the same with other
  // merge_rules(). `apart` is a VMA that does not take part.
  // RETURNS: the VMA that now covers `range`, or null if nothing was done. Of its flags only sticky
  // ones are changed; they may differ in VM_SOFTDIRTY.
  Vma* vma_merge(Vma* prev, AddrRange range, const VmaAttrs& attrs, const Vma* apart = nullptr);

  // Whether vma_merge() would join `range`, which is all of a VMA and gets `attrs`, with the VMA
  // below, if only that did not make it go. CloseRule::kNeverRemoved only.
  bool only_close_forbids_merge_below(AddrRange range, const VmaAttrs& attrs) const;

  // --- removal ---------------------------------------------------------------------------------

  // The most VMAs a munmap may need from its reserve: both ends split.
  static constexpr unsigned kMunmapReserve = 2;

  // Unmaps `range`: splits at both ends, detaches, accounts (all counters of acct()), frees. If
  // anything was mapped there, unmap_region()'s answer is put into `*pgtables`, if given.
  // RETURNS: -EINVAL for a bad range; -ENOMEM if a VMA would be split in the middle with map_count
  // at its limit, or `reserve` has too few VMAs. On failure nothing has changed. (The kernel may
  // leave the first split behind when the second fails for want of memory. What its allocator
  // does cannot be predicted.)
  Status do_munmap(AddrRange range, VmaReserve& reserve, u32 max_map_count,
                   PgtableBounds* pgtables = nullptr);

  // Of a VMA that is cut, do_munmap() removes the one that was there and keeps the new one.
  void set_munmap_keeps_clones(bool yes) { munmap_keeps_clones_ = yes; }

  // Whether unmapping `range` fails for want of VMAs: it would cut one in the middle.
  bool munmap_needs_more_maps(AddrRange range, u32 max_map_count) const;

  // How many pages of `range` are mapped.
  PageCount count_vma_pages_range(AddrRange range) const;

  // --- unmapped space --------------------------------------------------------------------------

  // The lowest / highest address at which `info` fits, by the algorithm that goes with gap_rule():
  // unmapped_area.cc or empty_area.cc. RETURNS: -ENOMEM if there is none.
  Result<VirtAddr> unmapped_area(const UnmappedAreaInfo& info) const;
  Result<VirtAddr> unmapped_area_topdown(const UnmappedAreaInfo& info) const;

  // Part of a hole between two VMAs; bounds are inclusive.
  struct EmptyArea {
    u64 first = 0;
    u64 last = 0;
    const Vma* above = nullptr;  // the VMA at the upper end of the hole, null above all
  };

  // The lowest / highest `size` bytes within [min, max] that no VMA covers, guard gaps aside;
  // mas_empty_area() and mas_empty_area_rev() of lib/maple_tree.c in v6.1, on this tree.
  // REQUIRES: gap_rule() is kHoles. RETURNS: -EBUSY if there are none, -EINVAL unless min < max.
  // `visited`, if given, counts the nodes looked at.
  Result<EmptyArea> empty_area(u64 min, u64 max, u64 size, u32* visited = nullptr) const;
  Result<EmptyArea> empty_area_rev(u64 min, u64 max, u64 size, u32* visited = nullptr) const;

  // --- accounting ------------------------------------------------------------------------------

  Accounting& acct() { return acct_; }
  const Accounting& acct() const { return acct_; }
  void vm_stat_account(VmFlags flags, i64 pages) {
    if (flags & shadow_stack_) flags |= kVmGrowsDown;  // counts as a stack
    svma::vm_stat_account(acct_, flags, pages);
  }

 private:
  friend class VerifierTestPeer;
  friend class AddressSpaceTestPeer;
  friend class VmaCacheTestPeer;

  Result<VirtAddr> unmapped_area_by_holes(const UnmappedAreaInfo& info) const;
  Result<VirtAddr> unmapped_area_topdown_by_holes(const UnmappedAreaInfo& info) const;

  CloseAsked close_asked(const Vma* mid, AddrRange range) const;
  Vma* carry_out(const MergePlan& plan, AddrRange range);

  bool descend(AddrRange range, VmaLinks* links) const;
  void link_at(Vma* vma, const VmaLinks& links);
  Status insert_unobserved(Vma* vma);
  void import_anon_vma(Vma* survivor, const Vma* from);

  void vmacache_invalidate() { ++vmacache_seqnum_; }

  // --- steps of the above; between them not all invariants hold --------------------------------

  // link.hpp
  inline void vma_link_list(Vma* vma, Vma* prev);
  inline void vma_link_rb(Vma* vma, const VmaLinks& links);
  inline void vma_link_leaf(Vma* vma, const VmaLinks& links);
  inline void vma_unlink_list(Vma* vma);
  inline void vma_rb_erase(Vma* vma, Vma* successor);
  inline void unlink_uncached(Vma* vma);
  inline void vma_gap_update(Vma* vma);

  // unmap.cc
  Vma* detach_vmas_to_be_unmapped(Vma* vma, VirtAddr end);
  static PgtableBounds unmap_region(const Vma* prev, const Vma* next);
  void remove_vma_list(Vma* detached);

  Tree tree_;
  VmaList list_;
  u64 stack_guard_gap_ = kDefaultStackGuardGap;
  u32 map_count_ = 0;
  GapRule gap_rule_ = GapRule::kLessGuardGap;
  MergeRules merge_rules_;
  VmFlags shadow_stack_ = 0;
  Accounting acct_;
  u64 vmacache_seqnum_ = 0;
  MmapCache mmap_cache_;
  VmaObserver* observer_ = nullptr;
  bool munmap_keeps_clones_ = false;
};

inline Vma* AddressSpace::find_vma(VirtAddr addr) const {
  Vma* found = nullptr;
  RbNode* node = tree_.rb_root().node;
  while (node) {
    Vma* const vma = VmaRbHook::element(node);
    // Whether it contains addr, in one comparison: below vm_start the difference wraps around.
    if (addr - vma->vm_start < vma->vm_end - vma->vm_start) return vma;
    found = select_above(vma->vm_end.value(), addr.value(), vma, found);
    node = select_above(vma->vm_end.value(), addr.value(), node->left(), node->right());
  }
  return found;
}

}  // namespace svma
