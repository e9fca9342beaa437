// SPDX-License-Identifier: GPL-2.0-only
#include "map_fixture.hpp"

#include <algorithm>
#include <cctype>

#include "os_services.hpp"

namespace svma::test {

MapFixture::~MapFixture() {
  fail_allocation(0);
  mm_.clear();
  reserve_.release();
  EXPECT_EQ(allocations_outstanding(), 0u) << "leak";
}

void MapFixture::draw(const std::string& map, const std::function<void(char, VmaAttrs&)>& change) {
  width_ = map.size();
  std::size_t page = 0;
  while (page < map.size()) {
    const std::size_t run = std::min(map.find_first_not_of(map[page], page), map.size());
    if (map[page] != '.') {
      stock(1);
      Vma* const vma = vm_area_alloc(reserve_);
      vma->vm_start = at(page);
      vma->vm_end = at(run);
      vma->attrs = anonymous(vma->vm_start);
      vma->attrs.ino = static_cast<u64>(map[page]);
      if (change) change(map[page], vma->attrs);
      ASSERT_TRUE(mm_.insert(vma).ok());
      mm_.vm_stat_account(vma->attrs.vm_flags, static_cast<i64>(vma->pages().value()));
      if (vma->has(kVmLocked)) mm_.acct().locked_vm += vma->pages();
      names_[vma] = map[page];
    }
    page = run;
  }
  check();
}

std::string MapFixture::picture() const {
  std::string map(width_, '.');
  for (const Vma* vma = mm_.first(); vma; vma = AddressSpace::next(vma)) {
    const auto named = names_.find(vma);
    const char name = named != names_.end()
                          ? named->second
                          : static_cast<char>(std::tolower(static_cast<int>(vma->attrs.ino)));
    const std::size_t from = vma->vm_start.page_number() - VirtAddr(kBase).page_number();
    const std::size_t pages = vma->pages().value();
    if (from + pages > map.size()) map.resize(from + pages, '.');
    map.replace(from, pages, pages, name);
  }
  return map;
}

Vma* MapFixture::vma(char name) const {
  for (Vma* vma = mm_.first(); vma; vma = AddressSpace::next(vma)) {
    const auto named = names_.find(vma);
    if (named != names_.end() && named->second == name) return vma;
  }
  return nullptr;
}

AddrRange MapFixture::range(const std::string& map) const {
  const std::size_t from = map.find_first_not_of('.');
  return {at(from), at(map.find_last_not_of('.') + 1)};
}

VmaAttrs MapFixture::anonymous(VirtAddr start, VmFlags flags) const {
  VmaAttrs attrs;
  attrs.vm_flags = flags;
  attrs.vm_pgoff = PageOffset(start.page_number());
  attrs.anonymous = true;
  return attrs;
}

void MapFixture::stock(unsigned n) { ASSERT_TRUE(reserve_.fill(n).ok()); }

void MapFixture::check(bool accounting) const {
  VerifyReport report;
  EXPECT_TRUE(verify(mm_, &report, {.accounting = accounting}))
      << report.invariant << " at " << std::hex << report.addr.value() << ": expected "
      << report.expected << ", found " << report.found;
  EXPECT_EQ(allocations_outstanding(), mm_.map_count() + reserve_.available()) << "lost or leaked";
}

}  // namespace svma::test
