// SPDX-License-Identifier: GPL-2.0-only
//
// What reverse mapping is made of. A page knows an owner and an index: an anonymous page an
// anon_vma, a page of a file the file. The owner knows which VMAs may map it, each over an interval
// of indices. A file has them in one tree. An anon_vma and a VMA are joined by an anon_vma_chain
// (avc), since each can have many of the other: a forked VMA may still map the pages of all its
// ancestors.
//
//       parent's VMA      child's VMA          grandchild's VMA
//            |             |       |            |      |      |      list: same_vma
//           avc           avc     avc          avc    avc    avc
//            |             |       |            |      |      |      tree: rb_root
//            +----- A -----+       +----- B ----+      |      C
//                   +----------------------------------+
//
//   pages of the parent from before the fork: A; what the child wrote since: B; its child: C
#pragma once

#include <cstddef>

#include "base/memory.hpp"
#include "base/types.hpp"
#include "intrusive/interval_tree.hpp"
#include "intrusive/list.hpp"

namespace svma {

struct AnonVma;
struct FileRmap;
struct RmapVma;

// Where a VMA is, and which indices its pages have: page i of it has index pgoff + i in its file,
// anon_pgoff + i in its anon_vma. The two are the same unless RmapSemantics::anon_pgoff_apart.
struct RmapBounds {
  AddrRange range;
  PageOffset pgoff;
  PageOffset anon_pgoff;

  // The same pages, and more or fewer at the start: offsets move along.
  constexpr RmapBounds with_start(VirtAddr start) const {
    // Downwards it wraps, and so do the offsets: back to what they should be.
    const PageCount up(start.page_number() - range.start.page_number());
    return {{start, range.end}, pgoff + up, anon_pgoff + up};
  }
  constexpr RmapBounds with_end(VirtAddr end) const {
    return {{range.start, end}, pgoff, anon_pgoff};
  }

  friend constexpr bool operator==(const RmapBounds&, const RmapBounds&) = default;
};

// The last of the indices that begin at `first`.
constexpr u64 last_index(PageOffset first, PageCount pages) {
  return first.value() + pages.value() - 1;
}

// struct anon_vma_chain.
// Invariants, between two operations: it is in the list of `vma` and in the tree of `anon_vma`;
// cached_start and cached_last are the interval of the VMA's anon_pgoff.
struct AnonVmaChain {
  RbNode rb;
  u64 rb_subtree_last = 0;
  u64 cached_start = 0;
  u64 cached_last = 0;
  RmapVma* vma = nullptr;
  AnonVma* anon_vma = nullptr;
  ListNode<AnonVmaChain> same_vma;
};
static_assert(sizeof(AnonVmaChain) == 80, "a walk stays in the first 64 bytes");

struct AvcRbHook {
  static RbNode* node(AnonVmaChain* avc) { return &avc->rb; }
  static AnonVmaChain* element(RbNode* node) { return SVMA_CONTAINER_OF(node, AnonVmaChain, rb); }
};
struct AvcInterval {
  static u64 start(const AnonVmaChain* avc) { return avc->cached_start; }
  static u64 last(const AnonVmaChain* avc) { return avc->cached_last; }
  static u64& subtree_last(AnonVmaChain* avc) { return avc->rb_subtree_last; }
};
using AvcTree = IntervalTree<AnonVmaChain, AvcRbHook, AvcInterval>;
using AvcList = List<AnonVmaChain, &AnonVmaChain::same_vma>;

// struct anon_vma.
// Invariants: verify.hpp has them by name. What holds it in memory is refcount: one reference while
// its tree holds anything, and in a root one for each other anon_vma of that root.
struct alignas(16) AnonVma {
  AnonVma* root = nullptr;    // itself in a root
  AnonVma* parent = nullptr;  // itself in a root; alive as long as the tree holds anything
  u32 refcount = 0;
  u32 num_children = 0;     // those whose tree holds anything and whose parent this is; in a root
                            // that includes itself
  u32 num_active_vmas = 0;  // whose new pages it gets
  AvcTree rb_root;
  ListNode<AnonVma> all;  // of one Rmap

  u64 number = 0;  // by which people and user space know it: never given twice

  // For who follows a live kernel: identity.hpp.
  u64 identity = 0;  // of the live anon_vma, 0 as long as it is not known
  AnonVma* same_bucket = nullptr;
  bool shared_abroad = false;  // VMAs that nobody follows may count in it
  bool evicted = false;        // its identity was found to be another's

  // What RmapVerifier counts; means nothing to anyone else.
  struct Seen {
    u32 children = 0;
    u32 active_vmas = 0;
    u32 others_of_root = 0;
    const RmapVma* active = nullptr;  // the first whose anon_vma it is
    const RmapVma* chain_of = nullptr;
  } seen;
};
static_assert(sizeof(AnonVma) == 128);
using AnonVmaList = List<AnonVma, &AnonVma::all>;

// What decides whether neighbours may share an anon_vma, beside their bounds.
struct RmapAttrs {
  u64 vm_flags = 0;        // with the bit values of x86-64
  u64 file = 0;            // struct file, 0 for none
  u32 policy = 0;          // digest of the mempolicy
  bool anonymous = false;  // vma_is_anonymous(): has no vm_ops
};

// The part of a VMA that reverse mapping works on. Its memory belongs to the caller.
struct alignas(64) RmapVma {
  RbNode shared_rb;  // in the tree of `mapping`
  u64 shared_subtree_last = 0;
  RmapBounds bounds;

  AnonVma* anon_vma = nullptr;  // gets the pages it will write
  AvcList anon_vma_chain;       // first the newest, unless RmapSemantics::clone_reverses_chain
  FileRmap* mapping = nullptr;  // the file it maps, shared or private; null: none
  u64 mm = 0;                   // whose it is
  RmapAttrs attrs;

  RmapVma() = default;
  // As vm_area_dup(): like `other`, but in no list and no tree. REQUIRES: `other` is another one.
  explicit RmapVma(const RmapVma& other)
      : bounds(other.bounds),
        anon_vma(other.anon_vma),
        mapping(other.mapping),
        mm(other.mm),
        attrs(other.attrs) {}
  RmapVma& operator=(const RmapVma&) = delete;

  bool chain_is_singular() const {
    return !anon_vma_chain.empty() && anon_vma_chain.head() == anon_vma_chain.tail();
  }
};
static_assert(offsetof(RmapVma, anon_vma) == 64, "a walk over a file stays in one cache line");
static_assert(sizeof(RmapVma) == 128);

struct SharedRbHook {
  static RbNode* node(RmapVma* vma) { return &vma->shared_rb; }
  static RmapVma* element(RbNode* node) { return SVMA_CONTAINER_OF(node, RmapVma, shared_rb); }
};
struct FileInterval {
  static u64 start(const RmapVma* vma) { return vma->bounds.pgoff.value(); }
  static u64 last(const RmapVma* vma) {
    return last_index(vma->bounds.pgoff, vma->bounds.range.pages());
  }
  static u64& subtree_last(RmapVma* vma) { return vma->shared_subtree_last; }
};
using FileTree = IntervalTree<RmapVma, SharedRbHook, FileInterval>;

// What reverse mapping needs of a struct address_space. Belongs to the caller.
struct FileRmap {
  FileTree i_mmap;
};

}  // namespace svma
