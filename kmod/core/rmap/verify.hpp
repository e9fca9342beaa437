// SPDX-License-Identifier: GPL-2.0-only
//
// The one checker of reverse mapping, for unit tests, fuzzer and whoever holds a shadow. Pointers
// must be null or point to what they say; everything else is checked.
//
//     RmapVerifier verifier(rmap);
//     for each VMA: verifier.add(vma);
//     for each file: verifier.add(file);
//     verifier.finish();
//
// The files of Rmap::files() are added by finish().
//
// Complexity: O(n) time for n chain entries and VMAs, O(1) memory: counts are kept in the anon_vmas
// (`seen`).
#pragma once

#include "base/types.hpp"
#include "intrusive/rb_check.hpp"
#include "rmap/rmap.hpp"

namespace svma {

// The first invariant found violated. `invariant` is one of:
//   VMA               page_alignment empty_range anon_pgoff (differs from pgoff and may not)
//   its chain         chain_prev chain_next chain_tail avc_vma avc_twice chain_without_anon_vma
//                     anon_vma_not_in_chain parent_not_in_chain chain_root (another one)
//                     chain_differs (two VMAs fault into one anon_vma and have different chains)
//   a tree            rb_root_parent rb_root_red rb_parent rb_red_red rb_black_height
//   (rb_check.hpp)
//                     order leftmost subtree_last
//   an anon_vma       avc_anon_vma avc_not_in_chain cached_bounds root parent_root
//                     num_children num_active_vmas refcount unreferenced
//   the whole         anon_vma_prev anon_vma_next anon_vma_count avc_count
//   a file            mapping file_empty (and kept all the same) file_index file_count
//                     mapped (fewer VMAs are in trees than have a file, or more)
struct RmapVerifyReport {
  const char* invariant = nullptr;  // null: none
  const void* where = nullptr;      // the VMA, chain entry or anon_vma
  u64 expected = 0;                 // where it is about a number
  u64 found = 0;
};

class RmapVerifier {
 public:
  explicit RmapVerifier(const Rmap& rmap);

  // Each returns whether all is well so far.
  bool add(const RmapVma& vma);
  bool add(const FileRmap& file);
  // REQUIRES: all VMAs have been added.
  bool finish();

  const RmapVerifyReport& report() const { return report_; }

 private:
  bool ok() const { return report_.invariant == nullptr; }
  bool fail(const char* invariant, const void* where, u64 expected = 0, u64 found = 0);
  bool expect(const char* invariant, const void* where, u64 expected, u64 found);

  bool check_bounds(const RmapVma& vma);
  bool check_chain(const RmapVma& vma);
  bool check_against_others(const RmapVma& vma, u64 length);
  bool check_anon_vma(AnonVma* anon_vma);
  bool check_avc(const AnonVmaChain* avc, const AnonVma* anon_vma);
  bool check_counts(const AnonVma* anon_vma);
  bool check_files();
  // rb_check, order, leftmost and subtree_last; visit(x) for each element.
  template <class Tree, class Start, class Visitor>
  bool check_tree(const Tree& tree, Start start, Visitor visit);

  const Rmap& rmap_;
  RmapVerifyReport report_;
  u64 chained_ = 0;   // chain entries met in lists of VMAs
  u64 in_trees_ = 0;  // and in trees of anon_vmas
  u64 mapped_ = 0;    // VMAs with a file
  u64 in_files_ = 0;  // and in trees of files
};

// What can be told of one VMA without all the others: whether it is in each tree that it should be
// in, in order there, and its chain in one piece. For who must not hold a lock for all of them.
// RETURNS: the first invariant violated, by the names above and file_not_linked, avc_not_linked; or
// null. Complexity: O(k log n), as to unlink it.
const char* broken_link(const RmapVma& vma);

}  // namespace svma
