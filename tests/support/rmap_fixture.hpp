// SPDX-License-Identifier: GPL-2.0-only
//
// VMAs of reverse mapping without processes around them, for tests of single functions.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "os_services.hpp"
#include "rmap/rmap.hpp"
#include "rmap/verify.hpp"
#include "rmap/walk.hpp"

namespace svma::test {

class RmapFixture : public testing::Test {
 protected:
  explicit RmapFixture(const char* kernel = "6.1") : rmap_(*find_rmap_semantics(kernel)) {}

  ~RmapFixture() override {
    for (RmapVma& vma : vmas_) rmap_.unlink_anon_vmas(&vma);
    reserve_.release();
    EXPECT_EQ(rmap_.anon_vma_count(), 0u);
    EXPECT_EQ(rmap_.avc_count(), 0u);
    EXPECT_EQ(allocations_outstanding(), 0u);
  }

  static VirtAddr at(u64 page) { return VirtAddr(page * kPageSize); }
  static RmapBounds bounds(u64 first, u64 end, u64 pgoff) {
    return {{at(first), at(end)}, PageOffset(pgoff), PageOffset(pgoff)};
  }

  // Anonymous memory at [first, end), faulted in nowhere.
  RmapVma* make(u64 first, u64 end) {
    RmapVma* const vma = &vmas_.emplace_back();
    vma->bounds = bounds(first, end, first);
    vma->attrs.vm_flags = 0x3;
    vma->attrs.anonymous = true;
    return vma;
  }
  RmapVma* copy(const RmapVma* vma) { return &vmas_.emplace_back(*vma); }

  // The same with an anon_vma.
  RmapVma* make_faulted(u64 first, u64 end) {
    RmapVma* const vma = make(first, end);
    prepare(vma);
    return vma;
  }
  void prepare(RmapVma* vma, const RmapVma* prev = nullptr, const RmapVma* next = nullptr) {
    stock(1, 1);
    ASSERT_TRUE(rmap_.anon_vma_prepare(vma, prev, next, reserve_).ok());
  }
  RmapVma* fork(RmapVma* parent) {
    RmapVma* const child = copy(parent);
    stock(20, 20);
    EXPECT_TRUE(rmap_.fork_vma(child, parent, false, reserve_).ok());
    return child;
  }

  void stock(unsigned avcs, unsigned anon_vmas) {
    ASSERT_TRUE(reserve_.fill({avcs, anon_vmas}).ok());
  }
  // Exactly that many of each.
  void stock_only(unsigned avcs, unsigned anon_vmas) {
    reserve_.release();
    stock(avcs, anon_vmas);
  }

  static std::vector<const AnonVma*> chain(const RmapVma* vma) {
    std::vector<const AnonVma*> anon_vmas;
    for (const AnonVmaChain* avc = vma->anon_vma_chain.head(); avc; avc = AvcList::next(avc)) {
      anon_vmas.push_back(avc->anon_vma);
    }
    return anon_vmas;
  }
  static std::vector<const RmapVma*> walk(const AnonVma* anon_vma, u64 index, u64 pages = 1) {
    std::vector<const RmapVma*> found;
    rmap_walk_anon(*anon_vma, PageOffset(index), PageCount(pages),
                   [&](const RmapVma& vma, VirtAddr) {
                     found.push_back(&vma);
                     return true;
                   });
    return found;
  }
  static std::vector<const RmapVma*> walk(const FileRmap& file, u64 index, u64 pages = 1) {
    std::vector<const RmapVma*> found;
    rmap_walk_file(file, PageOffset(index), PageCount(pages), [&](const RmapVma& vma, VirtAddr) {
      found.push_back(&vma);
      return true;
    });
    return found;
  }

  // The name of the first invariant violated, or "".
  std::string verify() const {
    RmapVerifier verifier(rmap_);
    for (const RmapVma& vma : vmas_) verifier.add(vma);
    verifier.add(file_);
    return verifier.finish() ? "" : verifier.report().invariant;
  }

  Rmap rmap_;
  RmapReserve reserve_;
  std::deque<RmapVma> vmas_;  // which do not move
  FileRmap file_;
};

}  // namespace svma::test
