// SPDX-License-Identifier: GPL-2.0-only
//
// A small machine for reverse mapping: processes that map, fault, split, merge, move, fork and
// exit. Each step is done three times: by core/rmap; by the naive model, which must have the same
// structure afterwards; and on the pages themselves, which know who has them in a page table: a
// walk must find each of those, and nobody twice.
//
// Which VMAs merge is decided after vma_merge() of each kernel. An allocation that fails
// (test::fail_allocation) ends the operation where it would end in the kernel.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "naive_rmap.hpp"
#include "rmap/rmap.hpp"

namespace svma::test {

class RmapWorld {
 public:
  // Of each address space, and of each file.
  static constexpr u64 kFirstPage = 64;
  static constexpr u64 kPages = 40;
  static constexpr int kFiles = 2;
  static constexpr std::size_t kMaxMms = 6;
  static constexpr std::size_t kMaxVmas = 48;

  enum class Kind { kAnonymous, kPrivateFile, kSharedFile };

  explicit RmapWorld(const RmapSemantics& semantics);
  ~RmapWorld();

  // Page numbers; ranges are [first, end). Each returns false if it was not possible or memory ran
  // out.
  int new_mm();
  bool mmap(int mm, u64 first, u64 end, Kind kind, int file = 0, u64 file_page = 0);
  bool munmap(int mm, u64 first, u64 end);
  bool mprotect(int mm, u64 first, u64 end, bool writable);
  bool touch(int mm, u64 page, bool write = true);
  int fork(int mm, bool wipe = false);  // kNone if it fails
  void exit(int mm);
  bool mremap(int mm, u64 first, u64 end, u64 to, bool dontunmap = false);
  bool grow(int mm, u64 page, u64 pages, bool down);  // the VMA at `page`, a stack if `down`

  // Any of these, with arguments below what `draw` is asked for.
  using Draw = std::function<u64(u64 limit)>;
  void random_step(const Draw& draw);
  const std::string& last_step() const { return last_step_; }

  // Verifies, compares and walks.
  // RETURNS: what is wrong, or "".
  std::string check();
  u64 comparisons() const { return comparisons_; }

  const Rmap& rmap() const { return rmap_; }
  const NaiveRmap& naive() const { return naive_; }
  std::vector<int> mms() const;
  // The VMA at a page, or null.
  const RmapVma* vma_at(int mm, u64 page) const;
  std::vector<const RmapVma*> vmas(int mm) const;

 private:
  struct Vma {
    int id;
    RmapVma core;
    Kind kind;
    int file = NaiveRmap::kNone;

    explicit Vma(int number) : id(number) {}
    Vma(int number, const Vma& other)
        : id(number), core(other.core), kind(other.kind), file(other.file) {}

    u64 first() const { return core.bounds.range.start.page_number(); }
    u64 end() const { return core.bounds.range.end.page_number(); }
  };
  struct Page {  // an anonymous one
    const AnonVma* owner;
    int naive_owner;
    u64 index;
    std::set<std::pair<int, u64>> mappings;  // mm, page number
  };
  struct Mm {
    std::map<u64, std::unique_ptr<Vma>> vmas;  // by first page
    std::map<u64, int> anonymous;              // page number to page
    std::map<u64, std::pair<int, u64>> files;  // page number to file and index
  };
  // A range that is to become part of its neighbours, or not.
  struct Merge {
    Vma* prev = nullptr;
    Vma* next = nullptr;
  };

  Vma* find(int mm, u64 page) const;
  Vma* below(int mm, u64 page) const;  // the last that ends at or before it
  Vma* above(int mm, u64 page) const;  // the first that starts at or after it
  std::vector<Vma*> in_range(int mm, u64 first, u64 end) const;
  bool is_free(int mm, u64 first, u64 end) const;
  static RmapBounds bounds_at(const RmapBounds& old, u64 first, u64 end);
  static RmapBounds make_bounds(u64 first, u64 end, u64 pgoff, u64 anon_pgoff);
  std::unique_ptr<Vma> copy_of(const Vma& vma);
  void rekey(int mm);

  bool split(int mm, Vma* vma, u64 page, bool new_below);
  Merge mergeable(int mm, const Vma& like, const RmapBounds& where, u64 flags, const Vma* existing,
                  const Vma* copied_from) const;
  bool anon_vmas_mergeable(const Vma* target, const Vma* existing, const Vma* copied_from) const;
  bool apply(int mm, RmapChange& change, Vma* vma, Vma* adj, Vma* remove, Vma* remove2);
  bool merge_existing(int mm, Vma* vma, u64 first, u64 end, u64 flags);
  bool merge_new(int mm, const Merge& merge, u64 first, u64 end, const Vma* copied_from);
  bool failed(std::unique_ptr<Vma> vma);
  void drop(int mm, Vma* vma);
  void unmap_page(int mm, u64 page);
  void move_pages(int mm, u64 first, u64 end, u64 to);

  std::string compare_vmas();
  std::string compare_anon_vmas();
  std::string compare_files();
  std::string check_pages();

  const RmapSemantics& semantics_;
  Rmap rmap_;
  NaiveRmap naive_;
  FileRmap files_[kFiles];
  std::map<int, Mm> mms_;
  std::map<int, Page> pages_;
  std::map<const RmapVma*, int> ids_;
  std::map<const AnonVma*, int> known_;       // the bijection, as of the last check()
  std::vector<std::unique_ptr<Vma>> failed_;  // what an operation that failed leaves to its caller
  std::string last_step_;
  int next_mm_ = 1;
  int next_vma_ = 1;
  int next_page_ = 1;
  u64 comparisons_ = 0;
};

}  // namespace svma::test
