// SPDX-License-Identifier: GPL-2.0-only
//
// That lists and trees hold the same entries follows from counting: each list entry is found once
// and belongs to its VMA, each tree entry is found once and linked in its VMA's list, and there are
// as many of the one as of the other, and as were allocated.
#include "rmap/verify.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

RmapVerifier::RmapVerifier(const Rmap& rmap) : rmap_(rmap) {
  const AnonVma* last = nullptr;
  u64 count = 0;
  for (AnonVma* at = rmap.anon_vmas().head(); at && ok(); at = AnonVmaList::next(at)) {
    at->seen = {};
    if (AnonVmaList::prev(at) != last) fail("anon_vma_prev", at);
    last = at;
    ++count;
  }
  if (ok() && rmap.anon_vmas().tail() != last) fail("anon_vma_next", last);
  if (ok()) expect("anon_vma_count", nullptr, count, rmap.anon_vma_count());
}

bool RmapVerifier::fail(const char* invariant, const void* where, u64 expected, u64 found) {
  report_ = {invariant, where, expected, found};
  return false;
}

bool RmapVerifier::expect(const char* invariant, const void* where, u64 expected, u64 found) {
  return expected == found || fail(invariant, where, expected, found);
}

bool RmapVerifier::add(const RmapVma& vma) {
  mapped_ += vma.mapping != nullptr;
  return ok() && check_bounds(vma) && check_chain(vma);
}

bool RmapVerifier::check_bounds(const RmapVma& vma) {
  if (vma.bounds.range.empty()) return fail("empty_range", &vma);
  if (!vma.bounds.range.page_aligned()) return fail("page_alignment", &vma);
  if (rmap_.semantics().anon_pgoff_apart) return true;
  return expect("anon_pgoff", &vma, vma.bounds.pgoff.value(), vma.bounds.anon_pgoff.value());
}

bool RmapVerifier::check_chain(const RmapVma& vma) {
  const AnonVmaChain* last = nullptr;
  u64 length = 0;
  for (AnonVmaChain* at = vma.anon_vma_chain.head(); at; at = AvcList::next(at)) {
    if (AvcList::prev(at) != last) return fail("chain_prev", at);
    if (at->vma != &vma) return fail("avc_vma", at);
    if (at->anon_vma->seen.chain_of == &vma) return fail("avc_twice", at);
    at->anon_vma->seen.chain_of = &vma;
    last = at;
    ++length;
  }
  if (vma.anon_vma_chain.tail() != last) return fail("chain_tail", &vma);
  chained_ += length;
  if (!vma.anon_vma) return length == 0 || fail("chain_without_anon_vma", &vma);
  if (vma.anon_vma->seen.chain_of != &vma) return fail("anon_vma_not_in_chain", &vma);
  return check_against_others(vma, length);
}

// The chain, whose anon_vmas are marked, leads up to the root, and is that of all who fault into
// the same anon_vma; merging relies on it, since it drops one of two chains.
bool RmapVerifier::check_against_others(const RmapVma& vma, u64 length) {
  AnonVma* const own = vma.anon_vma;
  for (const AnonVmaChain* at = vma.anon_vma_chain.head(); at; at = AvcList::next(at)) {
    if (at->anon_vma->root != own->root) return fail("chain_root", at);
    if (at->anon_vma->parent->seen.chain_of != &vma) return fail("parent_not_in_chain", at);
  }
  ++own->seen.active_vmas;
  if (!own->seen.active) own->seen.active = &vma;
  u64 others = 0;
  for (const AnonVmaChain* at = own->seen.active->anon_vma_chain.head(); at;
       at = AvcList::next(at)) {
    if (at->anon_vma->seen.chain_of != &vma) return fail("chain_differs", &vma);
    ++others;
  }
  return expect("chain_differs", &vma, others, length);
}

template <class Tree, class Start, class Visitor>
bool RmapVerifier::check_tree(const Tree& tree, Start start, Visitor visit) {
  const RbCheckResult result = rb_check(tree.set().rb_root());
  if (result.defect != RbDefect::kNone) return fail(to_string(result.defect), result.node);
  if (tree.first() != tree.set().first()) return fail("leftmost", tree.first());
  u64 before = 0;
  for (auto* at = tree.first(); at; at = Tree::next(at)) {
    if (start(at) < before) return fail("order", at, before, start(at));
    before = start(at);
    if (!tree.set().augment().check(at)) return fail("subtree_last", at);
    if (!visit(at)) return false;
  }
  return true;
}

bool RmapVerifier::add(const FileRmap& file) {
  return ok() && check_tree(file.i_mmap, &FileInterval::start, [&](const RmapVma* vma) {
           ++in_files_;
           return vma->mapping == &file || fail("mapping", vma);
         });
}

bool RmapVerifier::check_avc(const AnonVmaChain* avc, const AnonVma* anon_vma) {
  if (avc->anon_vma != anon_vma) return fail("avc_anon_vma", avc);
  const AvcList& chain = avc->vma->anon_vma_chain;
  const AnonVmaChain* const prev = AvcList::prev(avc);
  const AnonVmaChain* const next = AvcList::next(avc);
  if ((prev ? AvcList::next(prev) : chain.head()) != avc) return fail("avc_not_in_chain", avc);
  if ((next ? AvcList::prev(next) : chain.tail()) != avc) return fail("chain_next", avc);
  const RmapBounds& bounds = avc->vma->bounds;
  ++in_trees_;
  return expect("cached_bounds", avc, bounds.anon_pgoff.value(), avc->cached_start) &&
         expect("cached_bounds", avc, last_index(bounds.anon_pgoff, bounds.range.pages()),
                avc->cached_last);
}

bool RmapVerifier::check_anon_vma(AnonVma* anon_vma) {
  AnonVma* const root = anon_vma->root;
  if (root->root != root || root->parent != root) return fail("root", anon_vma);
  if (anon_vma != root) {
    ++root->seen.others_of_root;
    if (anon_vma->rb_root.empty()) return fail("unreferenced", anon_vma);
    if (anon_vma->parent == anon_vma || anon_vma->parent->root != root) {
      return fail("parent_root", anon_vma);
    }
  }
  if (!anon_vma->rb_root.empty()) ++anon_vma->parent->seen.children;
  return check_tree(anon_vma->rb_root, &AvcInterval::start,
                    [&](const AnonVmaChain* avc) { return check_avc(avc, anon_vma); });
}

bool RmapVerifier::check_counts(const AnonVma* anon_vma) {
  const u64 references = u64{!anon_vma->rb_root.empty()} + anon_vma->seen.others_of_root;
  return expect("num_children", anon_vma, anon_vma->seen.children, anon_vma->num_children) &&
         expect("num_active_vmas", anon_vma, anon_vma->seen.active_vmas,
                anon_vma->num_active_vmas) &&
         expect("refcount", anon_vma, references, anon_vma->refcount);
}

bool RmapVerifier::check_files() {
  u64 count = 0;
  rmap_.files().for_each([&](const FileRmap& file) {
    ++count;
    if (rmap_.files().find(file.id) != &file) return fail("file_index", &file);
    if (file.i_mmap.empty()) return fail("file_empty", &file);
    return add(file);
  });
  return ok() && expect("file_count", nullptr, count, rmap_.files().count()) &&
         expect("mapped", nullptr, mapped_, in_files_);
}

bool RmapVerifier::finish() {
  for (AnonVma* at = rmap_.anon_vmas().head(); at && ok(); at = AnonVmaList::next(at)) {
    check_anon_vma(at);
  }
  for (AnonVma* at = rmap_.anon_vmas().head(); at && ok(); at = AnonVmaList::next(at)) {
    check_counts(at);
  }
  return ok() && expect("avc_count", nullptr, in_trees_, chained_) &&
         expect("avc_count", nullptr, in_trees_, rmap_.avc_count()) && check_files();
}

namespace {

// Each parent knows its child, up to the root of this very tree.
template <class Tree, class T>
bool is_linked(const Tree& tree, const T* x) {
  using Set = typename Tree::Set;
  for (const T* up = Set::parent(x); up; x = up, up = Set::parent(up)) {
    if (Set::left(up) != x && Set::right(up) != x) return false;
  }
  return tree.set().root() == x;
}

template <class Tree, class T>
const char* broken_place(const Tree& tree, const T* x, u64 (*start)(const T*)) {
  const T* const before = Tree::Set::prev(x);
  const T* const after = Tree::next(x);
  if (before && start(before) > start(x)) return "order";
  if (after && start(after) < start(x)) return "order";
  return tree.set().augment().check(x) ? nullptr : "subtree_last";
}

}  // namespace

const char* broken_link(const RmapVma& vma) {
  if (vma.mapping) {
    const FileTree& files = vma.mapping->i_mmap;
    if (!is_linked(files, &vma)) return "file_not_linked";
    if (const char* const broken = broken_place(files, &vma, &FileInterval::start)) return broken;
  }
  bool has_own = false;
  const AnonVmaChain* last = nullptr;
  for (const AnonVmaChain* at = vma.anon_vma_chain.head(); at; last = at, at = AvcList::next(at)) {
    if (AvcList::prev(at) != last) return "chain_prev";
    if (at->vma != &vma) return "avc_vma";
    if (at->cached_start != vma.bounds.anon_pgoff.value() ||
        at->cached_last != last_index(vma.bounds.anon_pgoff, vma.bounds.range.pages())) {
      return "cached_bounds";
    }
    const AvcTree& tree = at->anon_vma->rb_root;
    if (!is_linked(tree, at)) return "avc_not_linked";
    if (const char* const broken = broken_place(tree, at, &AvcInterval::start)) return broken;
    if (at->anon_vma == vma.anon_vma) has_own = true;
  }
  if (vma.anon_vma) return has_own ? nullptr : "anon_vma_not_in_chain";
  return last ? "chain_without_anon_vma" : nullptr;
}

}  // namespace svma
