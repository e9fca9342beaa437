// SPDX-License-Identifier: GPL-2.0-only
//
// Chains that grew before anybody looked. What the anon_vmas count follows from the VMAs that are
// known: where others are not, the live ones count more, and `shared_abroad` says so.
#include "rmap/chain.hpp"
#include "rmap/rmap.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

// An anon_vma is linked to VMAs together with its root and its parent, which are in each chain that
// it is in. One that is not there all the same is taken for the root.
void Rmap::give_place(AnonVma* anon_vma, const ChainLink& link) {
  AnonVma* const root = link.root == link.anon_vma ? anon_vma : index_.find(link.root);
  AnonVma* const parent = link.parent == link.anon_vma ? anon_vma : index_.find(link.parent);
  anon_vma->root = root ? root : anon_vma;
  anon_vma->parent = parent ? parent : anon_vma->root;
  ++anon_vma->parent->num_children;
  if (anon_vma->root != anon_vma) ++anon_vma->root->refcount;
}

AnonVma* Rmap::adopt(const ChainLink& link, RmapReserve& reserve) {
  AnonVma* anon_vma = index_.find(link.anon_vma);
  if (!anon_vma) {
    anon_vma = anon_vma_alloc(reserve);
    index_.bind(anon_vma, link.anon_vma);
    give_place(anon_vma, link);
  } else if (anon_vma->rb_root.empty()) {
    ++anon_vma->refcount;  // a root that only its descendants held
    ++anon_vma->parent->num_children;
  }
  return anon_vma;
}

// From the end: roots and parents are behind their descendants.
Status Rmap::adopt_chain(RmapVma* vma, const ChainLink* links, unsigned count,
                         RmapReserve& reserve) {
  const RmapNeed have = reserve.available();
  if (have.avcs < count || have.anon_vmas < count) return Status::error(kENOMEM);
  for (unsigned i = count; i-- > 0;) {
    AnonVma* const linked = adopt(links[i], reserve);
    AnonVmaChain* const avc = anon_vma_chain_alloc(reserve);
    anon_vma_chain_assign(vma, avc, linked);
    anon_vma_interval_tree_insert(avc);
  }
  ++generation_;
  return kOk;
}

void Rmap::adopt_own(RmapVma* vma, u64 anon_vma) {
  vma->anon_vma = anon_vma != 0 ? index_.find(anon_vma) : nullptr;
  if (vma->anon_vma) ++vma->anon_vma->num_active_vmas;
  ++generation_;
}

}  // namespace svma
