// SPDX-License-Identifier: GPL-2.0-only
//
// Tables of situations: a map, an operation on it, the map afterwards. The notation of maps is that
// of map_fixture.hpp; since a letter stands for one VMA object, the map afterwards also says which
// of them survived. The rest of a row is words:
//
//   legend   "P=X* N=ro,f,off+1"   what is special about P and N; without a word they are anonymous
//                                  memory, readable and writable, at a page offset that follows the
//                                  address. Letters before '=' share their words.
//     flags  ro rw rx; then any of exec shared locked soft-dirty io dontexpand pfnmap mixedmap
//            account down pkey hugepage, with '!' before one that is taken away
//     anon_vma  X* Y* Z*: the VMA's chain has one entry; X~ Y~ Z~: a longer one, as after fork;
//            av0: none
//     files  f g: two files; zero behind one: /dev/zero, which is anonymous; driver: neither a file
//            nor anonymous, as the vdso
//     others pol1 pol2, uffd1, name1 name2, none is pol0 ...; close: vm_ops->close
//     exists offset off+N, off-N: from where it would be; pgoff=N: exactly that
//   operation
//     merge:C ..RRR. [words]   vma_merge() on a hole for anonymous memory with these words. C is
//     the
//                              number of the picture in merge.hpp that is expected, 0 for none
//     change:C ..RRR. words    the same for a part of a VMA that is about to change so
//     split above|below AA|A   split_vma() where the bar is; which part becomes a new VMA
//     adjust A AAAA.. [B]      vma_adjust(): A gets that range, B is the one that gains
//     expand A AAAA.. [B]      vma_expand(): the same, B is the next VMA
//     grow A ..|               expand_downwards() to an address in the page of the bar
//     munmap .UU. [max=N]      do_munmap(); N is the limit on map_count
//     copy A ..RR. [from=N] [keep] [self=B]
//                              copy_vma(): A from its page N (0) on is copied to that range. keep:
//                              the source is kept. self=B: the source is afterwards a part of B
//     flags A words            set_flags()
//                              any of them: reserve=N, with so many VMAs in reserve
//   page offsets   "0 4"       one for each VMA afterwards, in pages from the first character of
//   the
//                              map; "=4" is exactly 4
//   counters   "total-4 locked-1"  by how many pages those of acct() change; none else does
#pragma once

#include <string>

#include "map_fixture.hpp"

namespace svma::test {

struct Situation {
  const char* name;
  const char* before;
  const char* legend;
  const char* operation;
  const char* after;
  const char* pgoffs;
  const char* changed = "";  // legend: what the survivors' attributes are in difference to before
  const char* counters = "";
  int err = 0;  // a negative errno that the operation returns

  friend void PrintTo(const Situation& situation, std::ostream* out);
};

// For INSTANTIATE_TEST_SUITE_P.
inline std::string situation_name(const testing::TestParamInfo<Situation>& row) {
  return row.param.name;
}

// Draws, operates, verifies all invariants, and compares map, identities, attributes and counters.
class SituationFixture : public MapFixture, public testing::WithParamInterface<Situation> {
 protected:
  void run(const Situation& situation);

 private:
  using Words = std::vector<std::string>;

  void draw_before(const Situation& situation);
  int operate(const std::string& operation);
  void merge(const Words& words, bool change);
  int copy(const Words& words);
  void expect_after(const Situation& situation);
  void expect_counters(const std::string& words, Accounting before);

  // The VMA whose letter is `word`.
  Vma* named(const std::string& word) const;
  Vma* optional(const Words& words, std::size_t index) const;

  std::map<char, VmaAttrs> drawn_;  // by letter
};

}  // namespace svma::test
