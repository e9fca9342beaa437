// SPDX-License-Identifier: GPL-2.0-only
//
// Chains that grew before anybody looked. What the anon_vmas count follows from the VMAs that are
// known: where others are not, the live ones count more, and `shared_abroad` says so.
#include "rmap/chain.hpp"
#include "rmap/rmap.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

AnonVma* Rmap::adopt(u64 identity, RmapReserve& reserve) {
  if (AnonVma* const known = index_.find(identity)) return known;
  AnonVma* const anon_vma = anon_vma_alloc(reserve);
  if (!anon_vma) return nullptr;
  anon_vma->root = nullptr;  // give_place() is due
  index_.bind(anon_vma, identity);
  return anon_vma;
}

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

Status Rmap::adopt_chain(RmapVma* vma, const ChainLink* links, unsigned count, u64 anon_vma,
                         RmapReserve& reserve) {
  const RmapNeed have = reserve.available();
  if (have.avcs < count || have.anon_vmas < count) return Status::error(kENOMEM);
  for (unsigned i = 0; i < count; ++i) adopt(links[i].anon_vma, reserve);
  for (unsigned i = 0; i < count; ++i) {
    AnonVma* const adopted = index_.find(links[i].anon_vma);
    if (!adopted->root) {
      give_place(adopted, links[i]);
    } else if (adopted->rb_root.empty()) {
      ++adopted->refcount;  // a root that only its descendants held
      ++adopted->parent->num_children;
    }
  }
  for (unsigned i = count; i-- > 0;) {
    AnonVma* const linked = index_.find(links[i].anon_vma);
    AnonVmaChain* const avc = anon_vma_chain_alloc(reserve);
    anon_vma_chain_assign(vma, avc, linked);
    anon_vma_interval_tree_insert(avc);
  }
  vma->anon_vma = anon_vma != 0 ? index_.find(anon_vma) : nullptr;
  if (vma->anon_vma) ++vma->anon_vma->num_active_vmas;
  ++generation_;
  return kOk;
}

}  // namespace svma
