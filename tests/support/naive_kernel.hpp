// SPDX-License-Identifier: GPL-2.0-only
//
// A simple-minded v6.1: the system calls of mm on a NaiveModel, each written after the kernel's
// function of that name, and nothing of the shadow's algorithms. What it leaves behind is the live
// side; what the module's probes would see of it is told to whoever listens, in the same order.
//
//     mmap, munmap, brk, mremap, exec ...             naive_kernel.cc
//     mprotect, mlock, madvise, mbind, userfaultfd    naive_kernel_change.cc
#pragma once

#include <optional>

#include "abi/core_api.h"
#include "live_mm.hpp"
#include "naive_model.hpp"

namespace svma::test {

// The probes. The live side is up to date whenever one of them is called.
class KernelProbes {
 public:
  virtual ~KernelProbes() = default;
  virtual void call(const svma_call& call) = 0;  // a system call begins
  virtual void begin(const svma_op& op) = 0;
  virtual void end(const svma_op& op) = 0;
  virtual void cancel(const svma_op& op) = 0;  // it will not end: it failed early, or is another
  virtual void search(const svma_op& op) = 0;
  virtual void faulted(const svma_live_vma& vma) = 0;
  virtual void release(bool downgraded) = 0;
  virtual void call_done(i64 result) = 0;
};

// Files, by what mapping them does.
enum NaiveFile : u64 {
  kNoFile = 0,
  kPlainFile = 1,
  kReadOnlyFile = 2,  // opened for reading
  kDevZero = 3,       // private: anonymous with a file; shared: replaced by a new file
  kDevice = 4,        // I/O memory with vm_ops->close
  kHugetlb = 5,       // with pages of twice the size
  kDax = 6,           // never mlocked
  kHugePages = 7,     // its driver sets VM_HUGEPAGE
  kIoOnly = 8,        // its driver sets VM_IO and nothing else
  kSysvShm = 9,       // with vm_ops->close and nothing else
  kFiles = 10,
  kFirstSharedAnon = 100,  // each shared anonymous mapping is a file of its own
};

class NaiveKernel {
 public:
  static constexpr u64 kHugePage = 2 * kPageSize;
  static constexpr u64 kTaskSize = u64{1} << 47;
  static constexpr u64 kMinAddr = 0x10000;  // vm.mmap_min_addr

  // What the outside decides about the next call.
  struct Environment {
    u32 map_count_limit = 65530;
    u32 task = 1;
    svma_rlimits rlimits{~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
    bool no_memory = false;      // overcommit says no
    bool driver_fails = false;   // so does ->mmap()
    bool downgrade = false;      // munmap goes on under the read lock
    bool keeps_context = false;  // userfaultfd: mremap or fork events are wanted
    u64 anon_vma = 0;            // what a first fault finds; 0: makes a new one
  };

  // `low` and `high`: between them mmap() searches.
  NaiveKernel(KernelProbes& probes, u64 stack_guard_gap, u64 low, u64 high, u64 start_brk)
      : probes_(probes),
        model_(stack_guard_gap),
        stack_guard_gap_(stack_guard_gap),
        low_(low),
        high_(high),
        start_brk_(start_brk),
        brk_(start_brk) {
    live_.says_anonymous = true;
  }

  Environment& environment() { return environment_; }
  const NaiveModel& model() const { return model_; }
  FakeLive& live() { return live_; }
  u64 brk_now() const { return brk_; }

  // The live side was changed by hand: from now on that is the truth.
  void accept_live();

  i64 mmap(u64 hint, u64 length, u64 prot, u64 flags, u64 file, u64 pgoff);
  i64 munmap(u64 start, u64 length);
  i64 brk(u64 brk);
  i64 mremap(u64 addr, u64 old_length, u64 new_length, u64 flags, u64 new_addr);
  void search(const UnmappedAreaInfo& info, bool topdown);
  void special_mapping(u64 addr, u64 length);
  void fault(u64 addr);
  // Everything is new: a stack of `pages`, which is then moved down by `shift`.
  void exec(u64 stack_end, u64 pages, u64 shift, u64 grow);
  // What the child is; `layout` is what dup_mmap() has made before the high-water mark is set.
  void become_child();
  void drop_contexts();  // nobody has read the fork event
  void finish_child();

  i64 mprotect(u64 start, u64 length, u64 prot, i64 pkey);
  i64 mlock(u64 start, u64 length, VmFlags lock);
  i64 mlockall(u64 flags);
  i64 madvise(u64 start, u64 length, i32 advice);
  i64 mbind(u64 start, u64 length, u32 policy);
  i64 uffd_register(u64 start, u64 length, u64 mode, u64 ctx);
  i64 uffd_unregister(u64 start, u64 length);
  void clear_refs();

 private:
  using Index = std::optional<std::size_t>;

  // One operation: begins, changes by `change(op)`, which returns its result, ends.
  template <class Change>
  i64 operate(svma_op op, Change change);
  svma_op make(u32 kind, std::initializer_list<u64> args) const;
  static svma_call make_call(u32 kind, std::initializer_list<u64> args);
  i64 finish(i64 result, bool downgraded = false);
  void publish();

  // naive_kernel.cc
  static VmFlags mmap_flags(u64 prot, u64 flags, u64 file);
  i64 mmap_region(svma_op& op, u64 start, u64 end, VmaAttrs attrs);
  bool expand_neighbour(u64 start, u64 end, VmaAttrs attrs);
  i64 map_new(u64 start, u64 end, VmaAttrs attrs);
  void call_driver(VmaAttrs& attrs);
  i64 unmapped_area(u64 hint, u64 length);
  i64 search_one(const UnmappedAreaInfo& info, bool topdown);
  i64 unmap(u64 start, u64 end);
  i64 unmap_operation(u64 start, u64 end);
  i64 grow_brk(svma_op& op, u64 start, u64 end);
  i64 remap_to(u64 addr, u64 old_length, u64 new_length, u64 flags, u64 new_addr);
  i64 resize_check(u64 addr, u64 old_length, u64 new_length, u64 flags) const;
  bool expand_in_place(svma_op& op, u64 addr, u64 new_length, i64& result);
  i64 move(u64 addr, u64 old_length, u64 new_length, u64 flags, u64 new_addr);
  i64 move_vma(svma_op& op, u64 addr, u64 old_length, u64 new_length, bool keep, u64 new_addr);
  i64 expand_downwards(svma_op& op, std::size_t index, u64 addr);
  void prepare_anon_vma(std::size_t index);

  // naive_kernel_change.cc
  i64 change(u64 start, u64 end, VmaAttrs attrs);
  i64 mprotect_fixup(u64 start, u64 end, VmFlags flags);
  i64 mlock_fixup(u64 start, u64 end, VmFlags flags);
  i64 mbind_range(std::size_t index, u64 start, u64 end, u32 policy);
  static i64 advise(const NaiveVma& vma, i32 advice, VmFlags& flags);
  i64 madvise_walk(u64 start, u64 end, i32 advice);
  bool uffd_allows(u64 start, u64 end, u64 ctx) const;
  i64 uffd_steps(u64 start, u64 end, VmFlags wanted, u64 ctx);

  // Both.
  Index containing(u64 addr) const;
  bool mapped(u64 start, u64 end) const { return model_.find_intersection(start, end).has_value(); }
  static bool may_split(const NaiveVma& vma, u64 addr);
  i64 split(u64 addr, bool limited);
  svma_live_totals totals() const;
  bool may_expand(VmFlags flags, u64 pages) const;
  bool enough_memory(svma_op& op) const;
  void note_hiwater();

  KernelProbes& probes_;
  NaiveModel model_;
  FakeLive live_;
  Environment environment_;
  u64 stack_guard_gap_;
  u64 low_;
  u64 high_;
  u64 start_brk_;
  u64 brk_;
  VmFlags def_flags_ = 0;
  u64 hiwater_ = 0;
  u64 identity_ = kFirstSharedAnon;  // the last one given
  svma_live_totals skew_{};          // what accept_live() found in the counters beyond the layout
};

// Inclusive of what is not a multiple of a page.
constexpr u64 page_up(u64 bytes) { return (bytes + kPageSize - 1) / kPageSize * kPageSize; }

template <class Change>
i64 NaiveKernel::operate(svma_op op, Change change) {
  probes_.begin(op);
  op.result = change(op);
  publish();
  probes_.end(op);
  return op.result;
}

}  // namespace svma::test
