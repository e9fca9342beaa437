// SPDX-License-Identifier: GPL-2.0-only
//
// libFuzzer: bytes become operations on an AddressSpace and on the naive model. After every
// operation both are compared whole and the verifier runs. Some operations are tried with their
// first allocation failing, then their second, and so on until none fails. Everything stays within
// kPages pages, so that operations meet each other. The last byte says by which GapRule the space
// is searched, so that adding the second rule did not change what older inputs do.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>

#include "fuzz_input.hpp"
#include "naive_model.hpp"
#include "os_services.hpp"
#include "vma/address_space.hpp"
#include "vma/verify.hpp"
#include "vma/vmacache.hpp"

namespace svma {
namespace {

// In bytes; the space below is a gap that searches may use. The playground lies across 2 MiB, where
// the slot of a vmacache changes.
constexpr u64 kBase = 0x1e0000;
constexpr u64 kPages = 96;         // the playground
constexpr u64 kGuardPages = 5;     // small, so that guard gaps matter
constexpr unsigned kMaxVmas = 48;  // bounds the time for one input
constexpr unsigned kTasks = 3;     // that look up through caches of their own

using test::Bytes;

// Of the whole run. A fuzzer that has compared nothing has failed.
test::ComparisonCount comparisons;

class Session {
 public:
  Session(Bytes bytes, GapRule rule)
      : bytes_(bytes), mm_(kGuardPages * kPageSize, rule), model_(kGuardPages * kPageSize) {}

  ~Session() {
    test::fail_allocation(0);
    mm_.clear();
    if (test::allocations_outstanding() != 0) die("leak");
  }

  void run() {
    while (!bytes_.empty()) {
      step();
      compare();
    }
  }

 private:
  [[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "after operation %u (%s): %s\n", steps_, what_, why.c_str());
    std::abort();
  }
  void require(bool holds, const char* why) {
    if (!holds) die(why);
  }

  void step() {
    ++steps_;
    const u64 op = bytes_.next();
    if (op >> 5 != 7) return operate(op % kOperations);
    const Bytes arguments = bytes_;
    for (std::uint64_t nth = 1;; ++nth) {
      bytes_ = arguments;
      test::fail_allocation(nth);
      operate(op % kOperations);
      if (test::allocations_asked() < nth) break;  // none failed
      compare();
    }
    test::fail_allocation(0);
  }

  static constexpr unsigned kOperations = 15;

  void operate(u64 op) {
    switch (op) {
      case 0:
      case 1:
        return insert();
      case 2:
        return unlink();
      case 3:
        return munmap();
      case 4:
        return split();
      case 5:
      case 6:
        return merge();
      case 7:
        return expand();
      case 8:
        return set_flags();
      case 9:
        return find();
      case 10:
        return search();
      case 11:
        return adjust();
      case 12:
        return copy();
      case 13:
        return set_bounds();
      default:
        return find_cached();
    }
  }

  AddrRange draw_range() {
    const u64 first = bytes_.below(kPages);
    const u64 pages = 1 + bytes_.below(8);
    return {VirtAddr(kBase + first * kPageSize), VirtAddr(kBase + (first + pages) * kPageSize)};
  }

  // Few values for everything, so that neighbours are often alike.
  VmaAttrs draw_attrs(VirtAddr start) {
    const u64 a = bytes_.next();
    const u64 b = bytes_.next();
    VmaAttrs attrs;
    attrs.vm_flags = draw_flags(a & 15);
    attrs.file = (a >> 4) & 1;
    attrs.vm_pgoff = PageOffset(start.page_number() + ((a >> 5) == 7));
    attrs.anon_vma = b & 3;
    attrs.anon_singular = attrs.anon_vma && (b & 4);
    attrs.has_close = (b >> 3) == 1;
    attrs.uffd_ctx = (b >> 3) == 2;
    attrs.vm_policy = (b >> 3) == 3;
    attrs.anon_name = (b >> 3) == 4;
    return attrs;
  }

  static VmFlags draw_flags(u64 bits) {
    VmFlags flags = kVmRead;
    if (bits == 1) flags |= kVmWrite;
    if (bits == 2) flags |= kVmExec;
    if (bits == 3) flags |= kVmLocked;
    if (bits == 4) flags |= kVmSoftDirty;
    if (bits == 5 || bits == 6) flags |= kVmGrowsDown;
    if (bits == 7) flags |= kVmIo;
    return flags;
  }

  // A VMA chosen by a byte, and its index in the model.
  Vma* draw_vma(std::size_t* index) {
    if (model_.vmas().empty()) return nullptr;
    *index = bytes_.below(model_.vmas().size());
    Vma* vma = mm_.first();
    for (std::size_t i = 0; i < *index; ++i) vma = AddressSpace::next(vma);
    return vma;
  }

  void account(VmFlags flags, i64 pages) {
    mm_.vm_stat_account(flags, pages);
    if (flags & kVmLocked) mm_.acct().locked_vm += PageCount(static_cast<u64>(pages));
  }

  void insert() {
    what_ = "insert";
    const AddrRange where = draw_range();
    const VmaAttrs attrs = draw_attrs(where.start);
    VmaReserve reserve;
    if (mm_.map_count() >= kMaxVmas || !reserve.fill(1).ok()) return;
    Vma* const vma = vm_area_alloc(reserve);
    vma->vm_start = where.start;
    vma->vm_end = where.end;
    vma->attrs = attrs;
    vma->attrs.ino = steps_;  // not compared by merge: shows which VMA survived
    const bool linked = mm_.insert(vma).ok();
    require(linked == model_.insert({where.start.value(), where.end.value(), vma->attrs}),
            "insert: result differs");
    if (linked) {
      account(attrs.vm_flags, static_cast<i64>(where.pages().value()));
    } else {
      vm_area_free(vma);
    }
  }

  void unlink() {
    what_ = "unlink";
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    if (!vma) return;
    account(vma->attrs.vm_flags, -static_cast<i64>(vma->pages().value()));
    mm_.unlink(vma);
    vm_area_free(vma);
    model_.erase(index);
  }

  void munmap() {
    what_ = "munmap";
    const AddrRange where = draw_range();
    const u64 start = where.start.value();
    const u64 end = where.end.value();
    const u32 max_map_count = bytes_.next() % 4 ? kMaxVmas : mm_.map_count();
    VmaReserve reserve;
    const Status filled = reserve.fill(static_cast<unsigned>(bytes_.below(3)));
    (void)filled.ok();  // a failed or small reserve is what is tried here
    const bool possible = !model_.munmap_exceeds(start, end, max_map_count) &&
                          reserve.available() >= model_.munmap_cuts(start, end);
    require(mm_.do_munmap(where, reserve, max_map_count).ok() == possible,
            "munmap: result differs");
    if (possible) model_.munmap(start, end);
  }

  void split() {
    what_ = "split";
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    const u64 choice = bytes_.next();
    if (!vma || vma->pages() < PageCount(2)) return;
    const VirtAddr addr = vma->vm_start + PageCount(1 + (choice >> 1) % (vma->pages().value() - 1));
    VmaReserve reserve;
    if (mm_.map_count() >= kMaxVmas) return;
    const bool filled = reserve.fill(1).ok();
    const SplitSide side = choice & 1 ? SplitSide::kNewAbove : SplitSide::kNewBelow;
    require(mm_.split_vma(vma, addr, side, reserve).ok() == filled, "split: result differs");
    if (!filled) return;
    require((side == SplitSide::kNewAbove ? vma->vm_end : vma->vm_start) == addr,
            "split: the wrong side is new");
    model_.split(index, addr.value());
  }

  // As the kernel calls it: a hole next to VMAs, or the whole, the start or the end of a VMA that
  // is about to change its attributes.
  void merge() {
    what_ = "merge";
    AddrRange where;
    VmaAttrs attrs;
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    if (!vma) return;
    const u64 choice = bytes_.next();
    if (choice & 1) {
      if (!hole_above(vma, choice >> 1, &where)) return;
      attrs = draw_attrs(where.start);
    } else {
      where = part_of(vma, choice >> 1);
      attrs = vma->attrs;
      attrs.vm_pgoff = vma->attrs.vm_pgoff + AddrRange{vma->vm_start, where.start}.pages();
      const u64 change = bytes_.next();
      attrs.vm_flags = draw_flags(change & 15);
      if (change >> 4 == 1) attrs.vm_policy ^= 1;
      if (change >> 4 == 2) attrs.uffd_ctx ^= 1;
      if (change >> 4 == 3) attrs.anon_name ^= 1;
      // The kernel has excluded "no change" before, and a change of soft-dirty alone does not get
      // here.
      if (((attrs.vm_flags ^ vma->attrs.vm_flags) & ~kVmSoftDirty) == 0 && change >> 4 == 0) return;
    }
    Vma* prev = nullptr;
    Vma* const at = mm_.find_vma_prev(where.start, &prev);
    if (at && at->vm_start < where.start) prev = at;

    const MergePlan plan = mm_.plan_merge(prev, where, attrs);
    charge(where, -1);
    Vma* const merged = mm_.vma_merge(prev, where, attrs);
    const bool joined = model_.merge(where.start.value(), where.end.value(), attrs);
    require((merged != nullptr) == joined, "merge: result differs");
    require((plan.merge_case != MergeCase::kNone) == joined, "merge: plan differs");
    require(!merged || merged->range().contains(where),
            "merge: the result does not cover the range");
    charge(where, 1);
  }

  // Books the pages under `where`, if mapped, out (-1) or in (1) under the flags they have now.
  void charge(AddrRange where, i64 sign) {
    const Vma* const vma = mm_.find_vma_intersection(where);
    if (!vma) return;
    account(vma->attrs.vm_flags, sign * static_cast<i64>(where.pages().value()));
  }

  // 1 to 8 pages directly above `vma`, or filling the hole there.
  bool hole_above(const Vma* vma, u64 choice, AddrRange* where) const {
    const Vma* const next = AddressSpace::next(vma);
    const VirtAddr limit = next ? next->vm_start : vma->vm_end + PageCount(8);
    if (limit == vma->vm_end) return false;
    *where = {vma->vm_end, limit};
    if (choice & 1)
      where->end = where->start + PageCount(1 + (choice >> 2) % where->pages().value());
    if (choice & 2) where->start = where->end - PageCount(1);
    return true;
  }

  // The whole of `vma`, its start, or its end.
  static AddrRange part_of(const Vma* vma, u64 choice) {
    AddrRange where = vma->range();
    const PageCount part(1 + (choice >> 2) % vma->pages().value());
    if ((choice & 3) == 1) where.end = where.start + part;
    if ((choice & 3) == 2) where.start = where.end - part;
    return where;
  }

  void expand() {
    what_ = "expand";
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    const u64 choice = bytes_.next();
    if (!vma) return;
    if (choice & 1) {
      const u64 addr = vma->vm_start.value() - (choice >> 1) * 100;
      const bool grown = mm_.expand_downwards(vma, VirtAddr(addr)).ok();
      const u64 start_before = model_.vmas()[index].start;
      require(grown == model_.expand_downwards(index, addr), "expand_downwards: result differs");
      account(vma->attrs.vm_flags,
              static_cast<i64>((start_before - vma->vm_start.value()) / kPageSize));
      return;
    }
    Vma* const next = AddressSpace::next(vma);
    const bool over_next = next && (choice & 2);
    if (over_next) account(next->attrs.vm_flags, -static_cast<i64>(next->pages().value()));
    const VirtAddr limit = over_next ? next->vm_end
                           : next    ? next->vm_start
                                     : vma->vm_end + PageCount(choice % 8);
    const AddrRange where{vma->vm_start, limit};
    account(vma->attrs.vm_flags, static_cast<i64>(where.pages().value() - vma->pages().value()));
    model_.expand(index, where.start.value(), where.end.value(), vma->attrs.vm_pgoff.value(),
                  over_next);
    mm_.vma_expand(vma, where, vma->attrs.vm_pgoff, next);
  }

  // Counters are the caller's: moves them by as much as `change` moves what the model counts.
  template <class Function>
  void accounting_for(Function change) {
    const Accounting before = model_.count();
    change();
    const Accounting after = model_.count();
    Accounting& kept = mm_.acct();
    kept.total_vm += after.total_vm - before.total_vm;
    kept.data_vm += after.data_vm - before.data_vm;
    kept.exec_vm += after.exec_vm - before.exec_vm;
    kept.stack_vm += after.stack_vm - before.stack_vm;
    kept.locked_vm += after.locked_vm - before.locked_vm;
  }

  // vma_adjust() where VMAs above change, too.
  void adjust() {
    what_ = "adjust";
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    const u64 form = bytes_.below(5);
    const u64 choice = bytes_.next();
    Vma* const next = vma ? AddressSpace::next(vma) : nullptr;
    if (!next) return;
    const PageOffset pgoff = vma->attrs.vm_pgoff;
    const VirtAddr start = vma->vm_start;
    accounting_for([&] {
      if (form == 0 && next->pages() > PageCount(1)) {  // case 5
        const VirtAddr end = next->vm_start + PageCount(1 + choice % (next->pages().value() - 1));
        model_.move_boundary(index, end.value());
        mm_.vma_adjust(vma, {start, end}, pgoff, nullptr, vma);
      } else if (form == 1 && vma->vm_end == next->vm_start && vma->pages() > PageCount(1)) {
        const VirtAddr end = start + PageCount(1 + choice % (vma->pages().value() - 1));  // case 4
        model_.move_boundary(index, end.value());
        mm_.vma_adjust(vma, {start, end}, pgoff, nullptr, next);
      } else if (form == 2) {  // cases 1, 7
        model_.swallow(index, 1);
        mm_.vma_adjust(vma, {start, next->vm_end}, pgoff, nullptr, vma);
      } else if (form == 3 && AddressSpace::next(next)) {  // case 6
        model_.swallow(index, 2);
        mm_.vma_adjust(vma, {start, AddressSpace::next(next)->vm_end}, pgoff, nullptr, vma);
      } else if (form == 4) {  // case 8
        model_.yield(index);
        mm_.vma_adjust(vma, {start, next->vm_end}, pgoff, nullptr, next);
        require(mm_.find_vma(start) == next, "adjust: the wrong VMA gained");
      }
    });
  }

  // New bounds between the neighbours, by vma_adjust() or directly; a stack that exec moves.
  void set_bounds() {
    what_ = "set_bounds";
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    const u64 choice = bytes_.next();
    const u64 first = bytes_.next();
    const u64 pages = bytes_.next();
    if (!vma) return;
    const Vma* const below = AddressSpace::prev(vma);
    const Vma* const above = AddressSpace::next(vma);
    const AddrRange room{below ? below->vm_end : VirtAddr(kBase),
                         above ? above->vm_start : VirtAddr(kBase + (kPages + 16) * kPageSize)};
    if (room.empty()) return;
    const VirtAddr start = room.start + PageCount(first % room.pages().value());
    const PageCount most = AddrRange{start, room.end}.pages();
    const AddrRange where{start, start + PageCount(1 + pages % most.value())};
    const PageOffset pgoff(vma->attrs.vm_pgoff.value() + start.page_number() -
                           vma->vm_start.page_number());
    accounting_for([&] {
      model_.set_bounds(index, where.start.value(), where.end.value());
      if (choice & 1) {
        mm_.set_bounds(vma, where, pgoff);
      } else {
        mm_.vma_adjust(vma, where, pgoff, nullptr, vma);
      }
    });
  }

  void copy() {
    what_ = "copy";
    std::size_t index = 0;
    Vma* const source = draw_vma(&index);
    const u64 choice = bytes_.next();
    AddrRange to = draw_range();
    if (!source || mm_.map_count() >= kMaxVmas) return;
    source->attrs.anonymous = (choice & 1) != 0;
    model_.set_anonymous(index, source->attrs.anonymous);
    const AddrRange source_range = source->range();
    const Vma* const below = AddressSpace::prev(source);
    if (choice & 4) {
      to = {source_range.end, source_range.end + to.pages()};
    } else if ((choice & 8) && below && below->vm_end < source->vm_start) {
      to = {below->vm_end, source->vm_start};
    }
    const PageCount from((choice >> 3) % source->pages().value());
    const CopyRequest request{
        .to = to, .pgoff = source->attrs.vm_pgoff + from, .keep_source = (choice & 2) != 0};
    VmaReserve reserve;
    const bool filled = reserve.fill(1).ok();
    test::NaiveModel copied = model_;
    const auto outcome = copied.copy(index, to.start.value(), to.end.value(), request.pgoff.value(),
                                     request.keep_source);
    const bool possible = outcome == test::NaiveModel::Copied::kMerged ||
                          (outcome == test::NaiveModel::Copied::kNew && filled);
    Vma* vma = source;
    const Result<Vma*> result = mm_.copy_vma(&vma, request, reserve);
    require(result.ok() == possible, "copy: result differs");
    require(vma == mm_.find_vma(source_range.start), "copy: the source is not where it was");
    if (!possible) return;
    require(*result == mm_.find_vma(to.start), "copy: the result is another VMA");
    accounting_for([&] { model_ = copied; });
  }

  // Some tasks, and the cache of old, look up; one of them may have come from exec.
  void find_cached() {
    what_ = "find_cached";
    const u64 choice = bytes_.next();
    if (choice & 8) tasks_[choice % kTasks].set_mm(&mm_);
    for (unsigned i = 0; i < kTasks; ++i) {
      if (choice >> 4 & (1u << i)) continue;
      const VirtAddr addr(kBase + bytes_.below(kPages) * kPageSize + (choice & 7));
      require(find_vma_cached(mm_, tasks_[i], addr) == mm_.find_vma(addr), "vmacache differs");
    }
    const VirtAddr addr(kBase + bytes_.below(kPages) * kPageSize);
    require(find_vma_mmap_cached(mm_, addr) == mm_.find_vma(addr), "mmap_cache differs");
  }

  void set_flags() {
    what_ = "set_flags";
    std::size_t index = 0;
    Vma* const vma = draw_vma(&index);
    const VmFlags flags = draw_flags(bytes_.below(16));
    if (!vma) return;
    const i64 pages = static_cast<i64>(vma->pages().value());
    account(vma->attrs.vm_flags, -pages);
    account(flags, pages);
    mm_.set_flags(vma, flags);
    model_.set_flags(index, flags);
  }

  void find() {
    what_ = "find";
    const u64 addr = kBase + bytes_.below(kPages + 16) * kPageSize + bytes_.next();
    const std::optional<std::size_t> expected = model_.find(addr);
    Vma* prev = nullptr;
    const Vma* const found = mm_.find_vma_prev(VirtAddr(addr), &prev);
    require(found == mm_.find_vma(VirtAddr(addr)), "find_vma_prev finds another VMA");
    require_is(found, expected, "find_vma differs");
    const std::size_t below = expected.value_or(model_.vmas().size());
    require_is(prev, below ? std::optional(below - 1) : std::nullopt, "find_vma_prev differs");
    const AddrRange where = draw_range();
    require_is(mm_.find_vma_intersection(where),
               model_.find_intersection(where.start.value(), where.end.value()),
               "find_vma_intersection differs");
    require(
        mm_.find_vma_links(where).ok() == model_.free_range(where.start.value(), where.end.value()),
        "find_vma_links differs");
  }

  void require_is(const Vma* vma, std::optional<std::size_t> index, const char* why) {
    require((vma != nullptr) == index.has_value(), why);
    require(!vma || vma->vm_start.value() == model_.vmas()[*index].start, why);
  }

  void search() {
    what_ = "search";
    UnmappedAreaInfo info;
    info.length = (1 + bytes_.below(24)) * kPageSize;
    info.low_limit = VirtAddr(kBase + bytes_.below(kPages) * kPageSize);
    info.high_limit = VirtAddr(kBase + bytes_.below(2 * kPages) * kPageSize);
    const u64 align = bytes_.next();
    info.align_mask = align & 1 ? 0 : ((kPageSize << (align >> 1) % 5) - 1) & kPageMask;
    info.align_offset = (align >> 4) * kPageSize;
    if (mm_.gap_rule() == GapRule::kHoles) {
      require_same(mm_.unmapped_area(info), model_.lowest_in_holes(info), info);
      require_same(mm_.unmapped_area_topdown(info), model_.highest_in_holes(info), info);
      return;
    }
    check_search(mm_.unmapped_area(info), model_.lowest_fit(info), info);
    check_search(mm_.unmapped_area_topdown(info), model_.highest_fit(info), info);
  }

  void check_search(Result<VirtAddr> found, std::optional<u64> expected,
                    const UnmappedAreaInfo& info) {
    if (model_.gap_ends_out_of_order()) {
      // Gaps may be missed then (unmapped_area.cc), but what is found must be one.
      require(!found.ok() || model_.fits_at(found->value(), info), "search: found no gap");
      return;
    }
    require_same(found, expected, info);
  }

  void require_same(Result<VirtAddr> found, std::optional<u64> expected,
                    const UnmappedAreaInfo& info) {
    if (found.ok() == expected.has_value() && (!found.ok() || found->value() == *expected)) return;
    std::ostringstream why;
    why << std::hex << "search for " << info.length << " in " << info.low_limit.value() << '-'
        << info.high_limit.value() << ", mask " << info.align_mask << ", offset "
        << info.align_offset << ": core " << (found.ok() ? found->value() : 0) << ", model "
        << expected.value_or(0) << '\n'
        << model_.to_string();
    die(why.str());
  }

  void compare() {
    ++comparisons;
    const std::string differs = difference(mm_, model_);
    if (!differs.empty()) die(differs);
    VerifyReport report;
    if (!verify(mm_, &report)) die(std::string("violates ") + report.invariant);
    const Accounting counted = model_.count();
    const Accounting& kept = mm_.acct();
    require(kept.total_vm == counted.total_vm && kept.data_vm == counted.data_vm &&
                kept.exec_vm == counted.exec_vm && kept.stack_vm == counted.stack_vm &&
                kept.locked_vm == counted.locked_vm,
            "counters differ");
    require(test::allocations_outstanding() == mm_.map_count(), "lost or leaked");
  }

  Bytes bytes_;
  AddressSpace mm_;
  test::NaiveModel model_;
  VmaCache tasks_[kTasks] = {VmaCache(&mm_), VmaCache(&mm_), VmaCache(&mm_)};
  const char* what_ = "";
  unsigned steps_ = 0;
};

}  // namespace
}  // namespace svma

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const svma::GapRule rule =
      size != 0 && (data[size - 1] & 1) ? svma::GapRule::kHoles : svma::GapRule::kLessGuardGap;
  svma::Session(svma::test::Bytes(data, size), rule).run();
  return 0;
}
