// SPDX-License-Identifier: GPL-2.0-only
#include "rmap_check.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <tuple>

#include "replay/shadow.hpp"
#include "replay/shadow_vma.hpp"
#include "rmap/verify.hpp"

namespace svma::test {
namespace {

// The opaque types of the C interface derive from these (abi/core_api.cc).
const Shadow& shadow_of(const svma_shadow* shadow) {
  return *reinterpret_cast<const Shadow*>(shadow);
}
const SharedRmap& rmap_of(const svma_rmap* rmap) {
  return *reinterpret_cast<const SharedRmap*>(rmap);
}

using Sharer = std::array<svma_u64, 3>;       // start, end, address
using File = std::tuple<svma_u32, svma_u64>;  // dev, ino

std::string verify_all(const svma_rmap* rmap, const std::vector<svma_shadow*>& shadows) {
  RmapVerifier verifier(rmap_of(rmap));
  for (const svma_shadow* const shadow : shadows) {
    const AddressSpace& space = shadow_of(shadow).space();
    for (const Vma* vma = space.first(); vma != nullptr; vma = AddressSpace::next(vma)) {
      verifier.add(*beside(*vma));
    }
  }
  return verifier.finish() ? "" : std::string("the whole: ") + verifier.report().invariant;
}

std::string verify_each(const std::vector<svma_shadow*>& shadows) {
  for (const svma_shadow* const shadow : shadows) {
    char what[64] = "";
    svma_u64 where = 0;
    if (svma_core_verify(shadow, what, sizeof(what), &where) != 0) {
      return std::string("a shadow: ") + what;
    }
  }
  return "";
}

std::vector<Sharer> sharers(svma_rmap* rmap, File file, svma_u64 page) {
  std::vector<svma_core_sharer> found(64);
  const auto ask = [&] {
    return svma_core_sharers_of_file(rmap, std::get<0>(file), std::get<1>(file), page, found.data(),
                                     static_cast<svma_u32>(found.size()));
  };
  const svma_u64 total = ask();
  if (total > found.size()) {
    found.resize(total);
    ask();
  }
  std::vector<Sharer> result;
  for (svma_u64 i = 0; i < total; ++i) {
    result.push_back({found[i].start, found[i].end, found[i].address});
  }
  return result;
}

std::string check_page(svma_rmap* rmap, const std::vector<svma_live_vma>& vmas, File file,
                       svma_u64 page) {
  std::vector<Sharer> expected;
  for (const svma_live_vma& vma : vmas) {
    const svma_u64 pages = (vma.end - vma.start) >> kPageShift;
    if (vma.file == 0 || File(vma.dev, vma.ino) != file) continue;
    if (page == SVMA_CORE_ANY_PAGE) {
      expected.push_back({vma.start, vma.end, vma.start});
      continue;
    }
    if (page < vma.pgoff || page - vma.pgoff >= pages) continue;
    expected.push_back({vma.start, vma.end, vma.start + ((page - vma.pgoff) << kPageShift)});
  }
  std::vector<Sharer> found = sharers(rmap, file, page);
  std::sort(expected.begin(), expected.end());
  std::sort(found.begin(), found.end());
  if (found == expected) return "";
  std::ostringstream out;
  out << "sharers of page " << page << " of inode " << std::get<1>(file) << ": " << expected.size()
      << " expected, " << found.size() << " found, or elsewhere";
  return out.str();
}

}  // namespace

std::string check_rmap(svma_rmap* rmap, const std::vector<svma_shadow*>& shadows) {
  std::string wrong = verify_each(shadows);
  if (wrong.empty()) wrong = verify_all(rmap, shadows);
  std::vector<svma_live_vma> vmas;
  for (const svma_shadow* const shadow : shadows) {
    svma_node node;
    for (svma_u64 at = 0; svma_core_find(shadow, at, &node) == 0; at = node.vma.end) {
      vmas.push_back(node.vma);
    }
  }
  // Where the answer changes, if it changes anywhere.
  std::set<std::tuple<File, svma_u64>> asked;
  for (const svma_live_vma& vma : vmas) {
    const svma_u64 end = vma.pgoff + ((vma.end - vma.start) >> kPageShift);
    if (vma.file == 0) continue;
    for (const svma_u64 page : {vma.pgoff - 1, vma.pgoff, end - 1, end}) {
      asked.emplace(File(vma.dev, vma.ino), page);
    }
  }
  for (const auto& [file, page] : asked) {
    if (!wrong.empty()) break;
    wrong = check_page(rmap, vmas, file, page);
  }
  return wrong;
}

std::uint64_t rmap_blocks(const svma_rmap* rmap) {
  const SharedRmap& counted = rmap_of(rmap);
  return counted.avc_count() + counted.anon_vma_count() + counted.files().count();
}

}  // namespace svma::test
