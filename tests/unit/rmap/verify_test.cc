// SPDX-License-Identifier: GPL-2.0-only
//
// Damage of every kind, and the name it is reported by. Each is repaired before the end.
#include "rmap/verify.hpp"

#include <string>
#include <utility>

#include "rmap_fixture.hpp"

namespace svma::test {
namespace {

class RmapVerify : public RmapFixture {
 protected:
  // root: first, second; child: a fork of first, with two entries in its chain.
  RmapVerify() {
    first_ = make_faulted(10, 14);
    second_ = copy(first_);
    stock(1, 0);
    EXPECT_TRUE(rmap_.split_vma(first_, second_, at(12), false, reserve_).ok());
    child_ = fork(first_);
    root_ = first_->anon_vma;
    own_ = child_->anon_vma;
    EXPECT_EQ(verify(), "");
  }
  ~RmapVerify() override { EXPECT_EQ(verify(), ""); }

  // Sets a value, has it found, and sets it back.
  template <class T>
  std::string with(T& place, T value) {
    std::swap(place, value);
    const std::string found = verify();
    std::swap(place, value);
    return found;
  }

  AnonVmaChain* avc(const RmapVma* vma) { return vma->anon_vma_chain.head(); }

  RmapVma* first_ = nullptr;
  RmapVma* second_ = nullptr;
  RmapVma* child_ = nullptr;
  AnonVma* root_ = nullptr;
  AnonVma* own_ = nullptr;
};

TEST_F(RmapVerify, Counters) {
  EXPECT_EQ(with(root_->num_children, 3u), "num_children");
  EXPECT_EQ(with(root_->num_children, 1u), "num_children");
  EXPECT_EQ(with(root_->num_active_vmas, 1u), "num_active_vmas");
  EXPECT_EQ(with(own_->num_active_vmas, 2u), "num_active_vmas");
  EXPECT_EQ(with(root_->refcount, 1u), "refcount");
  EXPECT_EQ(with(own_->refcount, 2u), "refcount");
}

TEST_F(RmapVerify, Relations) {
  EXPECT_EQ(with(own_->parent, own_), "parent_root");
  EXPECT_EQ(with(own_->root, own_), "chain_root");
  EXPECT_EQ(with(root_->parent, own_), "parent_not_in_chain");
  // A root that all agree on and that is none.
  own_->root = root_->root = own_;
  EXPECT_EQ(verify(), "root");
  own_->root = root_->root = root_;
  RmapVma* const stranger = make_faulted(40, 44);
  EXPECT_EQ(with(own_->parent, stranger->anon_vma), "parent_not_in_chain");
}

TEST_F(RmapVerify, Chains) {
  EXPECT_EQ(with(first_->anon_vma, static_cast<AnonVma*>(nullptr)), "chain_without_anon_vma");
  EXPECT_EQ(with(first_->anon_vma, own_), "anon_vma_not_in_chain");
  EXPECT_EQ(with(child_->anon_vma, root_), "chain_differs");
  EXPECT_EQ(with(avc(first_)->vma, second_), "avc_vma");
  EXPECT_EQ(with(avc(first_)->same_vma.prev, avc(child_)), "chain_prev");
  EXPECT_EQ(with(avc(child_)->same_vma.next, static_cast<AnonVmaChain*>(nullptr)), "chain_tail");
  AnonVmaChain* const head = avc(child_);
  EXPECT_EQ(with(AvcList::next(head)->anon_vma, own_), "avc_twice");
}

TEST_F(RmapVerify, Trees) {
  AnonVmaChain* const entry = avc(second_);
  EXPECT_EQ(with(entry->cached_last, entry->cached_last + 5), "subtree_last");
  EXPECT_EQ(with(entry->rb_subtree_last, entry->rb_subtree_last + 5), "subtree_last");
  EXPECT_EQ(with(entry->cached_start, u64{0}), "order");
  EXPECT_EQ(with(avc(first_)->cached_start, u64{9}), "cached_bounds");
  entry->vma->anon_vma_chain.erase(entry);
  second_->anon_vma = nullptr;
  EXPECT_EQ(verify(), "avc_not_in_chain");
  second_->anon_vma = root_;
  second_->anon_vma_chain.insert_after(nullptr, entry);
  own_->rb_root.erase(avc(child_));
  EXPECT_EQ(verify(), "unreferenced");
  own_->rb_root.insert(avc(child_));
  RbNode& node = root_->rb_root.set().root()->rb;
  node.set_red();
  EXPECT_EQ(verify(), "rb_root_red");
  node.set_black();
}

TEST_F(RmapVerify, Bounds) {
  EXPECT_EQ(with(first_->bounds.range.end, at(10)), "empty_range");
  EXPECT_EQ(with(first_->bounds.range.end, at(12) + 1), "page_alignment");
  EXPECT_EQ(with(first_->bounds.anon_pgoff, PageOffset(3)), "anon_pgoff");
  // Without having left the tree.
  EXPECT_EQ(with(first_->bounds, bounds(10, 11, 10)), "cached_bounds");
}

// A VMA that nobody mentions has entries that no list shows.
TEST_F(RmapVerify, EntriesOfUnknownVmas) {
  RmapVerifier verifier(rmap_);
  verifier.add(*first_);
  verifier.add(*second_);
  EXPECT_FALSE(verifier.finish());
  EXPECT_STREQ(verifier.report().invariant, "num_active_vmas");
}

TEST_F(RmapVerify, ListOfAnonVmas) {
  EXPECT_EQ(with(own_->all.prev, own_), "anon_vma_prev");
  EXPECT_EQ(with(root_->all.next, static_cast<AnonVma*>(nullptr)), "anon_vma_next");
}

TEST_F(RmapVerify, Files) {
  FileRmap other;
  first_->mapping = &file_;
  rmap_.vma_link_file(first_);
  EXPECT_EQ(verify(), "");
  EXPECT_EQ(with(first_->mapping, &other), "mapping");
  EXPECT_EQ(with(first_->shared_subtree_last, u64{99}), "subtree_last");
  second_->mapping = &file_;
  EXPECT_EQ(verify(), "mapped");
  second_->mapping = nullptr;
  rmap_.remove_shared_vm_struct(first_);
}

TEST_F(RmapVerify, IndexOfFiles) {
  ASSERT_TRUE(reserve_.fill({0, 0, 1}).ok());
  ASSERT_TRUE(rmap_.link_file(first_, {1, 2}, nullptr, reserve_).ok());
  FileRmap* const file = first_->mapping;
  EXPECT_EQ(verify(), "");
  EXPECT_EQ(with(file->id.ino, u64{3}), "file_index");
  file->i_mmap.erase(first_);
  EXPECT_EQ(verify(), "file_empty");
  file->i_mmap.insert(first_);
  rmap_.unlink_file_vma(first_);
  EXPECT_EQ(rmap_.files().count(), 0u);
}

// What one VMA alone tells.
TEST_F(RmapVerify, Links) {
  const auto broken = [](const RmapVma* vma) {
    const char* const invariant = broken_link(*vma);
    return std::string(invariant ? invariant : "");
  };
  const auto spoilt = [&](auto& place, auto value, const RmapVma* vma) {
    std::swap(place, value);
    const std::string found = broken(vma);
    std::swap(place, value);
    return found;
  };
  ASSERT_TRUE(reserve_.fill({0, 0, 1}).ok());
  ASSERT_TRUE(rmap_.link_file(first_, {1, 2}, nullptr, reserve_).ok());
  ASSERT_TRUE(rmap_.link_file(second_, {1, 2}, nullptr, reserve_).ok());
  for (const RmapVma& vma : vmas_) EXPECT_EQ(broken(&vma), "");
  FileRmap* const file = first_->mapping;
  FileRmap other;
  EXPECT_EQ(spoilt(first_->mapping, &other, first_), "file_not_linked");
  EXPECT_EQ(spoilt(second_->mapping, &other, second_), "file_not_linked");
  EXPECT_EQ(spoilt(first_->shared_subtree_last, u64{99}, first_), "subtree_last");
  EXPECT_EQ(spoilt(first_->bounds.pgoff, PageOffset(70), first_), "order");
  EXPECT_EQ(spoilt(second_->bounds.pgoff, PageOffset(3), second_), "order");
  file->i_mmap.erase(second_);
  EXPECT_EQ(broken(second_), "file_not_linked");
  file->i_mmap.insert(second_);

  EXPECT_EQ(spoilt(first_->anon_vma, own_, first_), "anon_vma_not_in_chain");
  AnonVma* const none = nullptr;
  EXPECT_EQ(spoilt(first_->anon_vma, none, first_), "chain_without_anon_vma");
  EXPECT_EQ(spoilt(avc(first_)->vma, second_, first_), "avc_vma");
  EXPECT_EQ(spoilt(avc(first_)->same_vma.prev, avc(child_), first_), "chain_prev");
  EXPECT_EQ(spoilt(avc(first_)->cached_last, u64{99}, first_), "cached_bounds");
  EXPECT_EQ(spoilt(avc(first_)->rb_subtree_last, u64{99}, first_), "subtree_last");
  own_->rb_root.erase(avc(child_));
  EXPECT_EQ(broken(child_), "avc_not_linked");
  own_->rb_root.insert(avc(child_));
  rmap_.unlink_file_vma(first_);
  rmap_.unlink_file_vma(second_);
}

// The report says what and how much.
TEST_F(RmapVerify, Report_HasTheNumbers) {
  root_->num_children = 7;
  RmapVerifier verifier(rmap_);
  for (const RmapVma& vma : vmas_) verifier.add(vma);
  EXPECT_FALSE(verifier.finish());
  EXPECT_EQ(verifier.report().where, root_);
  EXPECT_EQ(verifier.report().expected, 2u);
  EXPECT_EQ(verifier.report().found, 7u);
  root_->num_children = 2;
}

}  // namespace
}  // namespace svma::test
