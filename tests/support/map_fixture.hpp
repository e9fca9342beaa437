// SPDX-License-Identifier: GPL-2.0-only
//
// Address spaces drawn as text, for tests: one character is one page, a run of one letter is one
// VMA,
// '.' is unmapped. "AAA..B" is a VMA A of three pages, a hole of two, and a VMA B of one.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "vma/address_space.hpp"
#include "vma/verify.hpp"

namespace svma::test {

inline constexpr VmFlags kRead = kVmRead | kVmMayRead | kVmMayWrite;
inline constexpr VmFlags kReadWrite = kRead | kVmWrite;

class MapFixture : public testing::Test {
 protected:
  static constexpr u64 kBase = 0x10000000;  // where the first character is

  ~MapFixture() override;

  // Links and accounts for what is drawn. Attributes are those of anonymous memory, readable and
  // writable, unless `change` alters them; vm_pgoff follows the address, so that neighbours
  // continue each other.
  void draw(const std::string& map,
            const std::function<void(char name, VmaAttrs& attrs)>& change = {});

  // The same notation. A VMA that was not drawn, such as the new part of a split, appears as the
  // small letter of the one it was copied from.
  std::string picture() const;

  Vma* vma(char name) const;

  VirtAddr at(std::size_t page) const { return VirtAddr(kBase) + PageCount(page); }

  // The range that is not '.' in, for example, "..AAA".
  AddrRange range(const std::string& map) const;

  // Attributes of anonymous memory at `start`.
  VmaAttrs anonymous(VirtAddr start, VmFlags flags = kReadWrite) const;

  // Fills the reserve to `n`.
  void stock(unsigned n);

  // All invariants and, if asked, the accounting; and no VMA lost or leaked.
  void check(bool accounting = true) const;

  AddressSpace mm_;
  VmaReserve reserve_;

 private:
  std::map<const Vma*, char> names_;
  std::size_t width_ = 0;
};

}  // namespace svma::test
