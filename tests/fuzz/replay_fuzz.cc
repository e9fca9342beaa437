// SPDX-License-Identifier: GPL-2.0-only
//
// libFuzzer: bytes become system calls on a naive kernel, whose probes feed a shadow through the
// core's C interface, as the module does. By its first byte an input is one of two sessions:
//
//  - Faithful: what the probes tell is true. Nothing may differ and nothing may be unmodelled.
//    Before some operations an allocation is set to fail: then the shadow may give up, but has to
//    say so. And sometimes the live side is falsified behind an operation's back, in one respect:
//    then exactly that must be reported, and once adopted nothing differs any more. The falsified
//    state is the truth from there on.
//  - Chaos: operations in any order with any arguments, while the live side does what it likes.
//    Nothing is expected but that no check fails, nothing leaks and all invariants hold.
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "abi/core_api.h"
#include "fuzz_input.hpp"
#include "naive_kernel.hpp"
#include "os_services.hpp"
#include "rmap_check.hpp"

namespace svma {
namespace {

using test::Bytes;
using test::NaiveKernel;
using test::NaiveVma;

// In bytes; the space below is a gap that searches may use. The playground lies across 2 MiB, where
// the slot of a vmacache changes.
constexpr u64 kBase = 0x1e0000;
constexpr u64 kPages = 96;      // the playground
constexpr u64 kGuardPages = 5;  // small, so that guard gaps matter
constexpr u64 kGuard = kGuardPages * kPageSize;
constexpr u64 kLow = kBase - 16 * kPageSize;
constexpr u64 kHigh = kBase + (kPages + 16) * kPageSize;
constexpr u64 kHeap = kBase + 40 * kPageSize;
constexpr unsigned kMaxSteps = 300;  // bounds the time for one input

// Of the whole run. A fuzzer that has compared nothing has failed.
test::ComparisonCount comparisons;

constexpr u64 page(u64 index) { return kBase + index * kPageSize; }

// --- a shadow
// -------------------------------------------------------------------------------------

// What all shadows of an input follow reverse mapping with.
class RmapBox {
 public:
  RmapBox() : memory_(std::aligned_alloc(64, (svma_core_rmap_size() + 63) / 64 * 64)) {
    rmap_ = svma_core_rmap_init(memory_, "6.1");
  }
  ~RmapBox() { std::free(memory_); }
  RmapBox(const RmapBox&) = delete;
  RmapBox& operator=(const RmapBox&) = delete;

  svma_rmap* get() const { return rmap_; }

 private:
  void* memory_;
  svma_rmap* rmap_;
};

class ShadowBox {
 public:
  explicit ShadowBox(const RmapBox& rmap)
      : memory_(std::aligned_alloc(64, (svma_core_shadow_size() + 63) / 64 * 64)) {
    shadow_ = svma_core_shadow_init(memory_, "6.1", kGuard, rmap.get(), 0);
  }
  ~ShadowBox() {
    svma_core_shadow_clear(shadow_);
    std::free(memory_);
  }
  ShadowBox(const ShadowBox&) = delete;
  ShadowBox& operator=(const ShadowBox&) = delete;

  svma_shadow* get() const { return shadow_; }
  u64 map_count() const {
    svma_live_totals totals;
    svma_core_totals(shadow_, &totals);
    return totals.map_count;
  }
  // The invariant that does not hold, if any.
  std::string violated() const {
    char what[64] = "";
    svma_u64 where = 0;
    if (svma_core_verify(shadow_, what, sizeof(what), &where) == 0) return "";
    return "violates " + std::string(what);
  }

 private:
  void* memory_;
  svma_shadow* shadow_;
};

std::string text(const svma_verdict& verdict) {
  std::ostringstream out;
  out << std::hex << "compared " << verdict.compared << " divergent " << verdict.divergent
      << (verdict.unmodelled ? " unmodelled" : "") << (verdict.suspect ? " suspect" : "");
  for (unsigned i = 0; i < verdict.mismatches; ++i) {
    const svma_mismatch& m = verdict.mismatch[i];
    out << "\n  field " << m.field << ": predicted " << m.predicted_value << " ["
        << m.predicted.start << ' ' << m.predicted.end << ") flags " << m.predicted.flags
        << " pgoff " << m.predicted.pgoff << " anon_vma " << m.predicted.anon_vma << ", observed "
        << m.observed_value << " [" << m.observed.start << ' ' << m.observed.end << ") flags "
        << m.observed.flags << " pgoff " << m.observed.pgoff << " anon_vma " << m.observed.anon_vma;
  }
  return out.str();
}

std::string text(const svma_op& op) {
  std::ostringstream out;
  out << std::hex << "operation " << op.kind << '(';
  for (const u64 arg : op.args) out << ' ' << arg;
  out << " ) steps " << op.steps << " result " << op.result;
  return out.str();
}

// --- falsifying the live side
// ---------------------------------------------------------------------

// One change of the live side that the shadow has to notice.
class Falsifier {
 public:
  Falsifier(test::FakeLive& live, const svma_op& op) : live_(live), op_(op) {}

  u32 field() const { return field_; }  // what must be reported
  bool exact() const { return field_ != SVMA_CORE_FIELD_LAYOUT; }

  // RETURNS: whether this one can be done here so that it must be noticed.
  bool apply(u64 what, u64 choice) {
    find_range();
    if (what >= kCounters) return count_wrong(what - kCounters);
    if (start_ >= end_) return false;
    svma_live_vma* const vma = choose(choice);
    if (vma == nullptr) return what == kPhantom && add_phantom();
    return what < kBounds ? change_attribute(*vma, what, choice) : change_bounds(vma, what);
  }

  static constexpr u64 kBounds = 7;
  static constexpr u64 kPhantom = 11;
  static constexpr u64 kCounters = 12;
  static constexpr u64 kWays = kCounters + 7;

 private:
  // What the operation is about: that has to be compared.
  void find_range() {
    start_ = op_.args[0];
    end_ = op_.args[1];
    switch (op_.kind) {
      case SVMA_CORE_MMAP:
      case SVMA_CORE_BRK:
        end_ = start_ + op_.args[1];
        return;
      case SVMA_CORE_MREMAP_MOVE:
        start_ = op_.args[4];
        end_ = start_ + op_.args[3];
        return;
      case SVMA_CORE_MREMAP_EXPAND:
        end_ = start_ + kPageSize;
        return;
      case SVMA_CORE_MBIND:
        if (start_ < op_.args[3]) start_ = op_.args[3];
        end_ = start_ + kPageSize;
        return;
      case SVMA_CORE_STACK_GROWTH:
        start_ = op_.args[1] / kPageSize * kPageSize;
        end_ = op_.args[0] + kPageSize;
        return;
      case SVMA_CORE_STACK_SHIFT:
        start_ = op_.args[0] - op_.args[1];
        end_ = op_.args[0] + kPageSize;
        return;
      case SVMA_CORE_INSERT:
        start_ = op_.vma.start;
        end_ = op_.vma.end;
        return;
      case SVMA_CORE_CLEAR_REFS:
        end_ = ~u64{0};
        return;
      default:
        return;
    }
  }

  svma_live_vma* choose(u64 choice) {
    unsigned candidates = 0;
    for (const svma_live_vma& vma : live_.vmas) candidates += overlaps(vma);
    if (candidates == 0) return nullptr;
    u64 skip = choice % candidates;
    for (svma_live_vma& vma : live_.vmas) {
      if (overlaps(vma) && skip-- == 0) return &vma;
    }
    return nullptr;
  }
  bool overlaps(const svma_live_vma& vma) const { return vma.start < end_ && start_ < vma.end; }

  // What a driver's mapping is like is a fact in part: the shadow takes it over.
  bool takes_facts() const {
    return op_.kind == SVMA_CORE_MMAP && (op_.vma.file != 0 || (op_.args[2] & kVmShared) != 0);
  }

  bool change_attribute(svma_live_vma& vma, u64 what, u64 choice) {
    constexpr u64 kFlags[] = {kVmRead,      kVmWrite,     kVmExec,    kVmLocked,
                              kVmSoftDirty, kVmGrowsDown, kVmAccount, kVmDontCopy};
    switch (what) {
      case 0:
        vma.flags ^= kFlags[(choice >> 4) % (takes_facts() ? 6 : 8)];
        if ((vma.flags & kVmLocked) == 0) vma.flags &= ~kVmLockOnFault;  // never alone
        field_ = SVMA_CORE_FIELD_FLAGS;
        return true;
      case 1:
        ++vma.pgoff;
        field_ = SVMA_CORE_FIELD_PGOFF;
        return !takes_facts();
      case 2:
        ++vma.ino;
        field_ = SVMA_CORE_FIELD_FILE;
        return !takes_facts();
      case 3:
        vma.policy ^= 1;
        field_ = SVMA_CORE_FIELD_POLICY;
        return true;
      case 4:
        vma.uffd_ctx ^= 1;
        field_ = SVMA_CORE_FIELD_UFFD;
        return op_.kind != SVMA_CORE_MREMAP_MOVE;  // who has registered it decides that
      case 5:
        vma.anon_name ^= 1;
        field_ = SVMA_CORE_FIELD_NAME;
        return true;
      default:
        vma.anon_vma += 1000;
        vma.anon_singular ^= 1;
        field_ = SVMA_CORE_FIELD_ANON_VMA;
        return (op_.steps & (SVMA_STEP_FAULTED | SVMA_STEP_FAULTED_BESIDE)) == 0;
    }
  }

  bool change_bounds(svma_live_vma* vma, u64 what) {
    const bool divisible = vma->split_shift == 0 && vma->end - vma->start > kPageSize;
    const auto at = live_.vmas.begin() + (vma - live_.vmas.data());
    field_ = SVMA_CORE_FIELD_LAYOUT;
    if (what == 9) {
      live_.vmas.erase(at);
    } else if (!divisible || what == kPhantom) {
      return false;
    } else if (what == 7) {
      vma->end -= kPageSize;
    } else if (what == 8) {
      vma->start += kPageSize;
      ++vma->pgoff;
    } else {
      svma_live_vma lower = *vma;
      lower.end = lower.start + kPageSize;
      vma->start += kPageSize;
      ++vma->pgoff;
      live_.vmas.insert(at, lower);
    }
    live_.totals.map_count = live_.vmas.size();
    return true;
  }

  bool add_phantom() {
    if (op_.kind == SVMA_CORE_CLEAR_REFS || takes_facts()) return false;
    const svma_live_totals totals = live_.totals;
    live_.add(start_, start_ + kPageSize).anonymous = 1;
    live_.totals = totals;
    live_.totals.map_count = live_.vmas.size();
    field_ = SVMA_CORE_FIELD_LAYOUT;
    return true;
  }

  bool count_wrong(u64 which) {
    svma_live_totals& totals = live_.totals;
    const std::array<std::pair<svma_u64*, u32>, 7> counters = {{
        {&totals.map_count, SVMA_CORE_FIELD_MAP_COUNT},
        {&totals.total_vm, SVMA_CORE_FIELD_TOTAL_VM},
        {&totals.data_vm, SVMA_CORE_FIELD_DATA_VM},
        {&totals.exec_vm, SVMA_CORE_FIELD_EXEC_VM},
        {&totals.stack_vm, SVMA_CORE_FIELD_STACK_VM},
        {&totals.locked_vm, SVMA_CORE_FIELD_LOCKED_VM},
        {&totals.hiwater_vm, SVMA_CORE_FIELD_HIWATER_VM},
    }};
    ++*counters[which].first;
    field_ = counters[which].second;
    return true;
  }

  test::FakeLive& live_;
  const svma_op& op_;
  u64 start_ = 0;
  u64 end_ = 0;
  u32 field_ = SVMA_CORE_FIELD_NONE;
};

// Thrown through the naive kernel: what it was about to do next rests on what is not true any more.
struct Falsified {};

// --- faithful
// -------------------------------------------------------------------------------------

class Faithful : public test::KernelProbes {
 public:
  explicit Faithful(Bytes bytes)
      : bytes_(bytes),
        kernel_(std::make_unique<NaiveKernel>(*this, kGuard, kLow, kHigh, kHeap)),
        shadow_(std::make_unique<ShadowBox>(rmap_)) {}

  ~Faithful() override {
    test::fail_allocation(0);
    shadow_.reset();
    relative_.reset();
    if (test::allocations_outstanding() != 0) die("leak");
  }

  void run() {
    while (!bytes_.empty() && steps_ < kMaxSteps) {
      step();
      test::fail_allocation(0);
      if (suspect_) resync();
      compare();
    }
  }

  // The probes.
  void call(const svma_call& call) override {
    call_ = call;
    in_call_ = true;
  }
  void begin(const svma_op& op) override {
    if (suspect_) return;
    svma_verdict verdict{};
    if (in_call_ && is_step(op)) check_step(op);
    svma_core_begin(shadow_->get(), &op, live(), &verdict);
    judge(verdict, op);
  }
  void end(const svma_op& op) override {
    if (suspect_) return;
    if (plan_) falsify(op);
    svma_verdict verdict{};
    svma_core_end(shadow_->get(), &op, live(), &verdict);
    announced_ = true;
    judge(verdict, op);
    if (in_call_ && is_step(op) && op.kind != SVMA_CORE_MODIFY)
      call_.failed = op.result < 0 ? op.result : 0;
  }
  void cancel(const svma_op&) override {}
  void search(const svma_op& op) override {
    if (suspect_) return;
    svma_verdict verdict{};
    svma_u64 predicted = 0;
    svma_core_search(shadow_->get(), &op, nullptr, in_call_ ? &call_ : nullptr, &predicted,
                     &verdict);
    judge(verdict, op);
    svma_op wrong = op;
    wrong.result =
        op.result < 0 ? static_cast<i64>(kBase) : op.result + static_cast<i64>(kPageSize);
    svma_verdict noticed{};
    svma_core_search(shadow_->get(), &wrong, nullptr, nullptr, &predicted, &noticed);
    require_only(noticed, SVMA_CORE_FIELD_ADDRESS, wrong);
  }
  void faulted(const svma_live_vma& vma) override {
    if (suspect_) return;
    svma_verdict verdict{};
    svma_core_anon_vma(shadow_->get(), live(), &vma, 1, &verdict);
    judge(verdict, {});
  }
  void release(bool downgraded) override {
    if (suspect_) return;
    svma_verdict verdict{};
    if (in_call_ && !downgraded) svma_core_call_release(shadow_->get(), &call_);
    svma_core_release(shadow_->get(), live(), downgraded, announced_, &verdict);
    judge(verdict, {});
    announced_ = downgraded;
  }
  void call_done(i64 result) override {
    const bool checked = in_call_ && ends_checked();
    in_call_ = false;
    if (suspect_ || !checked) return;
    svma_verdict verdict{};
    svma_core_call_end(shadow_->get(), &call_, result, &verdict);
    svma_op op{};
    op.kind = call_.kind;
    op.result = result;
    judge(verdict, op);
    // The very same call, had it returned something else. Where nothing is compared there is
    // nothing to notice.
    svma_verdict noticed{};
    svma_core_call_end(shadow_->get(), &call_, result == 0 ? -EPERM : 0, &noticed);
    if (verdict.compared != 0 && noticed.compared != 0)
      require_only(noticed, SVMA_CORE_FIELD_RESULT, op);
  }

 private:
  [[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "after call %u (%s): %s\nlive side:\n%s", steps_, what_, why.c_str(),
                 kernel_->model().to_string().c_str());
    std::abort();
  }
  void require(bool holds, const char* why) {
    if (!holds) die(why);
  }
  const void* live() { return &kernel_->live(); }

  bool is_step(const svma_op& op) const {
    switch (call_.kind) {
      case SVMA_CALL_MPROTECT:
        return op.kind == SVMA_CORE_MPROTECT;
      case SVMA_CALL_MLOCK:
      case SVMA_CALL_MLOCKALL:
        return op.kind == SVMA_CORE_MLOCK;
      case SVMA_CALL_MMAP:
        return op.kind == SVMA_CORE_MMAP;
      case SVMA_CALL_MUNMAP:
        return op.kind == SVMA_CORE_MUNMAP;
      case SVMA_CALL_UFFD_REGISTER:
      case SVMA_CALL_UFFD_UNREGISTER:
        return op.kind == SVMA_CORE_MODIFY;
      default:
        return false;
    }
  }
  bool ends_checked() const {
    return call_.kind == SVMA_CALL_MPROTECT || call_.kind == SVMA_CALL_MLOCK ||
           call_.kind == SVMA_CALL_MLOCKALL || call_.kind == SVMA_CALL_UFFD_REGISTER ||
           call_.kind == SVMA_CALL_UFFD_UNREGISTER;
  }

  // A step with other arguments is noticed; then the true one.
  void check_step(const svma_op& op) {
    svma_call other = call_;
    svma_op wrong = op;
    wrong.args[op.kind == SVMA_CORE_MMAP ? 1 : 0] += kPageSize;
    svma_verdict noticed{};
    svma_core_call_step(shadow_->get(), &other, &wrong, &noticed);
    require(noticed.divergent != 0, "a step with a wrong argument was not noticed");
    svma_verdict verdict{};
    svma_core_call_step(shadow_->get(), &call_, &op, &verdict);
    judge(verdict, op);
  }

  void judge(const svma_verdict& verdict, const svma_op& op) {
    comparisons += verdict.compared;
    if (verdict.divergent != 0) die("differs in " + text(op) + "\n" + text(verdict));
    require(verdict.equal == verdict.compared, "the numbers of a verdict do not add up");
    if (!verdict.unmodelled && !verdict.suspect) return;
    // Only for want of memory. Where that was wanted for reverse mapping alone, all else is right.
    const bool starved = failing_ != 0 && test::allocations_asked() >= failing_;
    if (!starved || !verdict.suspect) die("not modelled: " + text(op) + "\n" + text(verdict));
    give_up();
  }

  // As the module does with a shadow that can't be trusted.
  void give_up() {
    suspect_ = true;
    svma_core_rmap_leave(shadow_->get(), 0);
  }

  void require_only(const svma_verdict& verdict, u32 field, const svma_op& op) {
    comparisons += verdict.compared;
    if (verdict.divergent == 1 && verdict.mismatches == 1 && verdict.mismatch[0].field == field &&
        !verdict.unmodelled) {
      return;
    }
    die("expected to differ in field " + std::to_string(field) + ": " + text(op) + "\n" +
        text(verdict));
  }

  // The operation was carried out, and then something else happened to the live side.
  void falsify(const svma_op& op) {
    Falsifier falsifier(kernel_->live(), op);
    const test::FakeLive truth = kernel_->live();
    const auto [what, choice] = *plan_;
    if (!falsifier.apply(what, choice)) {
      kernel_->live() = truth;
      return;
    }
    plan_.reset();
    svma_verdict verdict{};
    svma_core_end(shadow_->get(), &op, live(), &verdict);
    svma_core_release(shadow_->get(), live(), 0, 1, &verdict);
    if (falsifier.exact()) {
      require_only(verdict, falsifier.field(), op);
    } else if (verdict.divergent == 0 || verdict.divergent > 3 ||
               verdict.mismatch[0].field != falsifier.field() || verdict.unmodelled) {
      die("expected another layout: " + text(op) + "\n" + text(verdict));
    }
    const bool miscounted = falsifier.field() == SVMA_CORE_FIELD_MAP_COUNT;
    require((verdict.suspect != 0) == miscounted, "suspect at the wrong time");
    if (miscounted) {  // the layout itself can't be trusted then
      kernel_->live() = truth;
      give_up();
    } else {
      audit("after adoption");
    }
    kernel_->accept_live();
    throw Falsified{};
  }

  void audit(const char* when) {
    svma_verdict verdict{};
    svma_core_audit(shadow_->get(), live(), 0, &verdict);
    comparisons += verdict.compared;
    if (verdict.divergent != 0 || verdict.unmodelled || verdict.suspect)
      die(std::string(when) + ": " + text(verdict));
  }

  void resync() {
    svma_core_shadow_clear(shadow_->get());
    require(test::load_whole(shadow_->get(), live()) == 0, "load failed");
    suspect_ = false;
  }

  // The whole shadow, node by node, against the naive side: no code of the core compares here.
  void compare() {
    const std::string violated = shadow_->violated();
    if (!violated.empty()) die(violated);
    u64 at = 0;
    for (const svma_live_vma& vma : kernel_->live().vmas) {
      svma_node node;
      require(svma_core_find(shadow_->get(), at, &node) == 0, "the shadow ends early");
      svma_live_vma expected = vma;
      expected.lock_exempt = 0;  // not kept
      require(std::memcmp(&node.vma, &expected, sizeof(expected)) == 0, "a VMA differs");
      at = vma.end;
    }
    svma_node node;
    require(svma_core_find(shadow_->get(), at, &node) != 0, "the shadow goes on");
    svma_live_totals totals;
    svma_core_totals(shadow_->get(), &totals);
    require(std::memcmp(&totals, &kernel_->live().totals, sizeof(totals)) == 0, "totals differ");
    std::vector<svma_shadow*> shadows{shadow_->get()};
    if (relative_) shadows.push_back(relative_->get());
    const std::string wrong = test::check_rmap(rmap_.get(), shadows);
    if (!wrong.empty()) die(wrong);
    const u64 relatives = relative_ ? relative_->map_count() : 0;
    require(test::allocations_outstanding() ==
                totals.map_count + relatives + test::rmap_blocks(rmap_.get()),
            "lost or leaked");
    comparisons += 1 + kernel_->live().vmas.size();
  }

  // --- drawing
  // ------------------------------------------------------------------------------------

  void draw_environment() {
    NaiveKernel::Environment& env = kernel_->environment();
    env = {};
    const u64 choice = bytes_.next();
    env.task = 1 + choice % 6;
    env.anon_vma = choice / 8 % 4;
    if (choice < 160) return;
    const u64 total = kernel_->live().totals.total_vm;
    const u64 data = kernel_->live().totals.data_vm;
    switch (choice % 8) {
      case 0:
        env.no_memory = true;
        return;
      case 1:
        env.driver_fails = true;
        return;
      case 2:
        env.map_count_limit = static_cast<u32>(kernel_->model().vmas().size() + choice / 8 % 6);
        return;
      case 3:
        env.rlimits.as = (total + choice / 8 % 8) * kPageSize;
        return;
      case 4:
        (choice & 16 ? env.rlimits.data : env.rlimits.data_max) = (data + choice / 32) * kPageSize;
        if ((choice & 16) == 0) env.rlimits.data = 0;
        return;
      case 5:
        env.rlimits.stack = choice / 8 % 8 * kPageSize;
        return;
      case 6:
        env.downgrade = !plan_;
        return;
      default:
        env.keeps_context = true;
        return;
    }
  }

  struct Range {
    u64 start;
    u64 length;
  };

  // Anywhere, or what is made up of the borders of VMAs.
  Range draw_range() {
    const u64 choice = bytes_.next();
    const u64 size = bytes_.next();
    const auto& vmas = kernel_->model().vmas();
    if (vmas.empty() || (choice & 1) == 0)
      return {page((choice >> 1) % kPages), (1 + size % 12) * kPageSize};
    const NaiveVma& vma = vmas[(choice >> 1) % vmas.size()];
    const u64 part = (1 + (size >> 3) % vma.pages()) * kPageSize;
    switch (size % 6) {
      case 0:
        return {vma.start, vma.end - vma.start};
      case 1:
        return {vma.start, part};
      case 2:
        return {vma.end - part, part};
      case 3:
        return {vma.end, (1 + (size >> 3) % 8) * kPageSize};
      case 4:
        return {vma.end - part, part + (size >> 3) % 8 * kPageSize};
      default:  // one page inside, if there is an inside
        return {vma.start + part - (part == vma.end - vma.start ? part : 0), kPageSize};
    }
  }

  // --- one call
  // -----------------------------------------------------------------------------------

  // Of the upper bits, one says that the live side is falsified and one that allocations fail.
  void step() {
    ++steps_;
    const u64 choice = bytes_.next();
    failing_ = 0;
    plan_.reset();
    if (choice >> 5 == 7) {
      failing_ = 1 + bytes_.below(4);
      test::fail_allocation(failing_);
    } else if (choice >> 6 == 2) {
      const u64 what = bytes_.below(Falsifier::kWays);
      plan_ = Plan{what, bytes_.next()};
    }
    draw_environment();
    in_call_ = false;
    announced_ = false;
    try {
      operate(choice & 31);
    } catch (const Falsified&) {
      in_call_ = false;
    }
  }

  void operate(u64 op) {
    switch (op) {
      case 0 ... 6:
        return mmap();
      case 7:
      case 8:
        what_ = "munmap";
        return on_range([&](u64 start, u64 length) { kernel_->munmap(start, length); });
      case 9:
      case 10:
        what_ = "brk";
        kernel_->brk(kHeap - kPageSize + bytes_.below(24) * kPageSize / 2);
        return;
      case 11 ... 13:
        return mprotect();
      case 14:
      case 15:
        what_ = "mlock";
        return on_range([&](u64 start, u64 length) {
          constexpr VmFlags kLocks[] = {0, kVmLocked, kVmLocked | kVmLockOnFault};
          kernel_->mlock(start, length, kLocks[bytes_.below(3)]);
        });
      case 16:
      case 17:
        what_ = "madvise";
        return on_range([&](u64 start, u64 length) {
          constexpr i32 kAdvice[] = {0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
          const u64 advice = bytes_.next();
          const bool all = advice >> 4 == 15;  // as far as it goes
          kernel_->madvise(start, all ? ~start & kPageMask : length, kAdvice[advice % 13]);
        });
      case 18:
        what_ = "mbind";
        return on_range([&](u64 start, u64 length) {
          kernel_->mbind(start, length, static_cast<u32>(bytes_.below(3)));
        });
      case 19 ... 22:
        return mremap();
      case 23:
        return part_and_rejoin();
      case 24:
        what_ = "fault";
        return on_range([&](u64 start, u64 length) { kernel_->fault(start + length - 1); });
      case 25:
      case 26:
        return userfaultfd();
      case 27:
        return rarely(bytes_.next());
      case 28:
        return search();
      case 29:
        what_ = "fork";
        return fork(bytes_.next());
      case 30:
        what_ = "special mapping";
        return on_range([&](u64 start, u64 length) { kernel_->special_mapping(start, length); });
      default:
        return questions();
    }
  }

  template <class Call>
  void on_range(Call call) {
    const Range range = draw_range();
    call(range.start, range.length);
  }

  void mmap() {
    what_ = "mmap";
    const Range range = draw_range();
    const u64 kind = bytes_.next();
    constexpr u64 kProt[] = {3, 3, 1, 7, 5, 0, 2, 3};
    u64 flags = kind & 1 ? 0x10 : 0;   // MAP_FIXED
    flags |= (kind & 6) == 6 ? 1 : 2;  // MAP_SHARED, MAP_PRIVATE
    const u64 more = bytes_.next();
    if ((more & 7) == 1) flags |= 0x100;                           // MAP_GROWSDOWN
    if ((more & 7) == 2) flags |= 0x2000;                          // MAP_LOCKED
    if ((more & 7) == 3) flags |= 0x4000;                          // MAP_NORESERVE
    if ((more & 7) == 4) flags = (flags & ~u64{0x10}) | 0x100000;  // MAP_FIXED_NOREPLACE
    const u64 file = more >> 3 < test::kFiles ? more >> 3 : test::kNoFile;
    const u64 hint = (more & 7) == 5 ? 0 : range.start;
    const u64 pgoff = range.start / kPageSize + (kind >> 6 == 3);
    kernel_->mmap(hint, range.length - (kind >> 6 == 2), kProt[kind >> 3 & 7], flags, file, pgoff);
  }

  void mprotect() {
    what_ = "mprotect";
    const Range range = draw_range();
    const u64 choice = bytes_.next();
    const i64 key = choice >> 4 == 1 ? static_cast<i64>(choice >> 3 & 1) : -1;
    kernel_->mprotect(range.start, range.length, choice & 7, key);
  }

  // A part of a VMA changes and changes back, and in between some of the pieces are faulted in:
  // which of them has an anon_vma decides what may merge, and who takes it over.
  //
  //     AAAAAAAA  -->  AAbbbAAA  -->  faults  -->  AAAAAAAA, or not
  void part_and_rejoin() {
    what_ = "part and rejoin";
    const Range range = draw_range();
    const u64 choice = bytes_.next();
    const std::optional<std::size_t> at = kernel_->model().find(range.start);
    if (!at) return;
    const u64 end = kernel_->model().vmas()[*at].end;
    kernel_->madvise(range.start, range.length, 10);  // MADV_DONTFORK
    if (choice & 1) kernel_->fault(range.start - 1);
    if (choice & 2) kernel_->fault(range.start);
    if (choice & 4) kernel_->fault(end - 1);
    kernel_->madvise(range.start, range.length, 11);  // MADV_DOFORK
  }

  void mremap() {
    what_ = "mremap";
    const Range from = draw_range();
    const u64 choice = bytes_.next();
    const u64 to = page(bytes_.below(kPages));
    constexpr u64 kFlags[] = {1, 0, 3, 5, 7, 1, 3, 5};  // MAYMOVE 1, FIXED 2, DONTUNMAP 4
    u64 old_length = from.length;
    u64 new_length = old_length;
    if ((choice >> 3 & 3) == 1) new_length += (1 + (choice >> 5)) * kPageSize;
    if ((choice >> 3 & 3) == 2) new_length = (1 + (choice >> 5)) * kPageSize;
    if ((choice >> 3) == 31) old_length = 0;
    if ((choice >> 3) == 27) new_length = ~u64{0} << bytes_.below(52) & kPageMask;
    kernel_->mremap(from.start, old_length, new_length, kFlags[choice & 7], to);
  }

  void userfaultfd() {
    what_ = "userfaultfd";
    const Range range = draw_range();
    const u64 choice = bytes_.next();
    if (choice & 1) {
      kernel_->uffd_register(range.start, range.length, 1 + (choice >> 1) % 7,
                             1 + (choice >> 6) % 2);
    } else {
      kernel_->uffd_unregister(range.start, range.length);
    }
  }

  void rarely(u64 choice) {
    if (choice % 8 == 0) {
      what_ = "exec";
      svma_core_shadow_clear(shadow_->get());
      suspect_ = false;
      kernel_->exec(page(kPages), 1 + (choice >> 3 & 3), (choice >> 4 & 3) * 3 * kPageSize,
                    (choice >> 6) * 4 * kPageSize);
    } else if (choice % 8 < 4) {
      what_ = "clear_refs";
      kernel_->clear_refs();
    } else {
      what_ = "mlockall";
      kernel_->mlockall(choice >> 3 & 7);
    }
  }

  UnmappedAreaInfo draw_query() {
    UnmappedAreaInfo info;
    info.length = (1 + bytes_.below(24)) * kPageSize;
    info.low_limit = VirtAddr(page(bytes_.below(kPages)));
    info.high_limit = VirtAddr(page(bytes_.below(2 * kPages)));
    const u64 align = bytes_.next();
    info.align_mask = align & 1 ? 0 : ((kPageSize << (align >> 1) % 5) - 1) & kPageMask;
    info.align_offset = (align >> 4) * kPageSize;
    return info;
  }

  void search() {
    what_ = "search";
    const UnmappedAreaInfo info = draw_query();
    kernel_->search(info, true);
    kernel_->search(info, false);
  }

  // One of both goes on; the other one stays as it is until the next fork.
  void fork(u64 choice) {
    auto child = std::make_unique<ShadowBox>(rmap_);
    const int forked = svma_core_fork(child->get(), shadow_->get());
    if (forked != 0) {
      require(forked == -ENOMEM && failing_ != 0 && child->map_count() == 0, "fork failed");
      return;
    }
    const bool child_goes_on = (choice & 1) != 0;
    NaiveKernel as_parent = *kernel_;
    kernel_->become_child();
    std::swap(child, shadow_);
    svma_verdict verdict{};
    svma_core_audit(shadow_->get(), live(), 1, &verdict);
    judge(verdict, {});
    if (choice & 2) {
      kernel_->drop_contexts();
      svma_core_fork_undelivered(shadow_->get(), live(), &verdict);
    }
    announced_ = false;
    release(false);  // the high-water mark is still the parent's
    svma_core_fork_done(shadow_->get());
    kernel_->finish_child();
    announced_ = true;
    release(false);
    const bool child_failed = suspect_;
    if (!child_goes_on) {
      std::swap(child, shadow_);
      kernel_ = std::make_unique<NaiveKernel>(as_parent);
      suspect_ = false;
    }
    relative_.reset();
    if (child_goes_on || !child_failed) relative_ = std::move(child);
  }

  void questions() {
    what_ = "questions";
    const u64 addr = page(bytes_.below(kPages));
    svma_node node;
    const std::optional<std::size_t> at = kernel_->model().find(addr);
    require((svma_core_find(shadow_->get(), addr, &node) == 0) == at.has_value(), "find differs");
    const std::size_t below = at.value_or(kernel_->model().vmas().size());
    require((svma_core_find_prev(shadow_->get(), addr, &node) == 0) == (below != 0),
            "find_prev differs");
    if (below != 0)
      require(node.vma.start == kernel_->model().vmas()[below - 1].start, "find_prev differs");
    svma_merge_report report;
    svma_core_why(shadow_->get(), addr, &report);
    audit("between calls");
  }

  struct Plan {
    u64 what;
    u64 choice;
  };

  Bytes bytes_;
  RmapBox rmap_;
  std::unique_ptr<NaiveKernel> kernel_;
  std::unique_ptr<ShadowBox> shadow_;
  std::unique_ptr<ShadowBox> relative_;
  svma_call call_{};
  bool in_call_ = false;
  bool announced_ = false;
  bool suspect_ = false;  // as the module, it ignores everything until it is loaded again
  u64 failing_ = 0;       // the allocation that fails, 0 for none
  std::optional<Plan> plan_;
  const char* what_ = "";
  unsigned steps_ = 0;
};

// --- chaos
// ----------------------------------------------------------------------------------------

class Chaos : public test::KernelProbes {
 public:
  explicit Chaos(Bytes bytes)
      : bytes_(bytes),
        kernel_(*this, kGuard, kLow, kHigh, kHeap),
        shadow_(std::make_unique<ShadowBox>(rmap_)),
        other_(std::make_unique<ShadowBox>(rmap_)) {}

  ~Chaos() override {
    test::fail_allocation(0);
    shadow_.reset();
    other_.reset();
    if (test::allocations_outstanding() != 0) die("leak");
  }

  void run() {
    while (!bytes_.empty() && steps_ < kMaxSteps) {
      ++steps_;
      const u64 choice = bytes_.next();
      if (choice >> 5 == 7) test::fail_allocation(1 + bytes_.below(4));
      act(choice & 15);
      test::fail_allocation(0);
      check();
    }
  }

  // The live side does what it likes; nobody tells the shadow.
  void call(const svma_call&) override {}
  void begin(const svma_op&) override {}
  void end(const svma_op&) override {}
  void cancel(const svma_op&) override {}
  void search(const svma_op&) override {}
  void faulted(const svma_live_vma&) override {}
  void release(bool) override {}
  void call_done(i64) override {}

 private:
  [[noreturn]] void die(const std::string& why) {
    std::fprintf(stderr, "after act %u (%s): %s\n", steps_, text(op_).c_str(), why.c_str());
    std::abort();
  }

  void check() {
    for (const ShadowBox* box : {shadow_.get(), other_.get()}) {
      const std::string violated = box->violated();
      if (!violated.empty()) die(violated);
      ++comparisons;
    }
    if (test::allocations_outstanding() !=
        shadow_->map_count() + other_->map_count() + test::rmap_blocks(rmap_.get())) {
      die("lost or leaked");
    }
  }

  u64 draw_number() {
    constexpr u64 kAbsurd[] = {0,          1,          0xfff,     kPageSize, ~u64{0}, ~u64{0xfff},
                               1ull << 47, 1ull << 63, kBase + 1, kBase,     kHigh,   1ull << 32};
    const u64 choice = bytes_.next();
    const u64 index = choice >> 3;
    const auto& vmas = kernel_.model().vmas();
    switch (choice & 7) {
      case 0:
      case 1:
        if (!vmas.empty()) return vmas[index % vmas.size()].start;
        return page(index);
      case 2:
        if (!vmas.empty()) return vmas[index % vmas.size()].end;
        return page(index);
      case 3:
      case 4:
        return page(index * 3);
      case 5:
        return index * kPageSize;
      case 6:
        return kAbsurd[index % std::size(kAbsurd)];
      default: {
        u64 number = 0;
        for (int i = 0; i < 8; ++i) number = number << 8 | bytes_.next();
        return number;
      }
    }
  }

  svma_live_vma draw_vma() {
    svma_live_vma vma{};
    vma.start = draw_number();
    vma.end = draw_number();
    const u64 choice = bytes_.next();
    vma.flags = choice & 1 ? draw_number() : kVmRead | kVmWrite;
    vma.pgoff = choice & 2 ? draw_number() : vma.start / kPageSize;
    vma.anon_vma = choice >> 2 & 3;
    vma.anon_singular = choice >> 4 & 1;
    vma.file = choice >> 5 & 1;
    vma.has_close = choice >> 6 & 1;
    vma.split_shift = choice >> 7 ? static_cast<svma_u8>(bytes_.below(64)) : 0;
    return vma;
  }

  void draw_op() {
    op_ = {};
    const u64 choice = bytes_.next();
    op_.kind = static_cast<u32>(choice & 31);
    op_.map_count_limit = choice & 32 ? static_cast<u32>(bytes_.below(40)) : 65530;
    op_.task = static_cast<u32>(choice >> 6);
    op_.rlimits = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    for (int i = 0; i < 6; ++i) op_.args[i] = draw_number();
    const u64 ending = bytes_.next();
    op_.steps = static_cast<u32>(ending & 15);
    if ((ending >> 4 & 3) == 1) op_.result = -ENOMEM;
    if ((ending >> 4 & 3) == 2) op_.result = static_cast<i64>(draw_number());
    if (ending >> 6 == 1) op_.rlimits = {draw_number(), draw_number(), 0, draw_number(), 0};
    if (ending >> 6 >= 2) op_.vma = draw_vma();
  }

  void act(u64 choice) {
    svma_verdict verdict{};
    svma_shadow* const shadow = shadow_->get();
    const void* const live = &kernel_.live();
    switch (choice) {
      case 0 ... 4:
        draw_op();
        svma_core_begin(shadow, &op_, live, &verdict);
        if (choice & 1) change_live();
        return svma_core_end(shadow, &op_, live, &verdict);
      case 5:
        draw_op();
        return svma_core_begin(shadow, &op_, live, &verdict);
      case 6:
        return svma_core_end(shadow, &op_, live, &verdict);
      case 7:
        return svma_core_release(shadow, live, static_cast<int>(bytes_.below(2)),
                                 static_cast<int>(bytes_.below(2)), &verdict);
      case 8:
        return svma_core_audit(shadow, live, static_cast<int>(bytes_.below(2)), &verdict);
      case 9:
        return in_a_call();
      case 10: {
        const svma_live_vma vma = draw_vma();
        return svma_core_anon_vma(shadow, live, &vma, static_cast<int>(bytes_.below(2)), &verdict);
      }
      case 11:
        return fork();
      case 12:
        return ask();
      case 13:
        svma_core_shadow_clear(shadow);
        (void)test::load_whole(shadow, live);
        return;
      default:
        return change_live();
    }
  }

  void in_a_call() {
    svma_verdict verdict{};
    svma_call call{};
    call.kind = static_cast<u32>(bytes_.below(12));
    call.state = static_cast<u32>(bytes_.below(16));
    for (svma_u64& arg : call.args) arg = draw_number();
    const u64 choice = bytes_.next();
    if (choice & 1) call.cursor = draw_number();
    if (choice & 2) call.end = draw_number();
    if (choice & 4) call.failed = -ENOMEM;
    draw_op();
    if (choice & 8) svma_core_call_step(shadow_->get(), &call, &op_, &verdict);
    svma_u64 predicted = 0;
    svma_placement where{};
    for (svma_u64* field :
         {&where.base, &where.legacy_base, &where.end, &where.task_size, &where.full_size})
      *field = draw_number();
    where.flags = static_cast<u32>(bytes_.below(8));
    call.placement = where;
    if (choice & 16) svma_core_search(shadow_->get(), &op_, &where, &call, &predicted, &verdict);
    if (choice & 32) svma_core_call_release(shadow_->get(), &call);
    if (choice & 64) svma_core_call_end(shadow_->get(), &call, op_.result, &verdict);
  }

  void fork() {
    svma_verdict verdict{};
    const u64 choice = bytes_.next();
    svma_core_shadow_clear(other_->get());
    (void)svma_core_fork(other_->get(), shadow_->get());
    if (choice & 1) svma_core_audit(other_->get(), &kernel_.live(), 1, &verdict);
    if (choice & 2) svma_core_fork_undelivered(other_->get(), &kernel_.live(), &verdict);
    if (choice & 4) svma_core_fork_done(other_->get());
    if (choice & 8) std::swap(shadow_, other_);
  }

  void ask() {
    svma_shadow* const shadow = shadow_->get();
    svma_node node;
    (void)svma_core_find(shadow, draw_number(), &node);
    (void)svma_core_find_prev(shadow, draw_number(), &node);
    svma_merge_report report;
    svma_core_why(shadow, draw_number(), &report);
    svma_gap_query query{};
    query.length = draw_number();
    query.low_limit = draw_number();
    query.high_limit = draw_number();
    query.align_mask = draw_number();
    query.align_offset = draw_number();
    query.topdown = static_cast<u32>(bytes_.below(2));
    svma_u64 found = 0;
    u32 visited = 0;
    (void)svma_core_gap(shadow, &query, &found, &visited);
    (void)svma_core_survey(shadow);
  }

  void change_live() {
    const u64 choice = bytes_.next();
    const u64 start = page(bytes_.below(kPages));
    const u64 length = (1 + (choice >> 4)) * kPageSize;
    switch (choice & 7) {
      case 0 ... 2:
        kernel_.mmap(start, length, 3, 0x12, bytes_.below(test::kFiles), start / kPageSize);
        return;
      case 3:
        kernel_.mmap(start, length, 3, 0x112, 0, 0);  // a stack
        return;
      case 4:
        kernel_.mprotect(start, length, choice >> 4 & 7, -1);
        return;
      case 5:
        kernel_.mlock(start, length, kVmLocked);
        return;
      case 6:
        kernel_.fault(start);
        return;
      default:
        kernel_.munmap(start, length);
    }
  }

  Bytes bytes_;
  RmapBox rmap_;
  NaiveKernel kernel_;
  std::unique_ptr<ShadowBox> shadow_;
  std::unique_ptr<ShadowBox> other_;
  svma_op op_{};
  unsigned steps_ = 0;
};

}  // namespace
}  // namespace svma

extern "C" int LLVMFuzzerInitialize(int*, char***) { return svma::test::switch_mutation_on(); }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const svma::test::Bytes bytes(data + 1, size - 1);
  if (data[0] % 4 == 0) {
    svma::Chaos(bytes).run();
  } else {
    svma::Faithful(bytes).run();
  }
  return 0;
}
