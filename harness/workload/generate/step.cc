// SPDX-License-Identifier: GPL-2.0-only
#include "workload/generate/step.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "workload/generate/calls.hpp"

namespace svma::generate {
namespace {

constexpr Call kCalls[] = {
    // name, weight, compound, steady
    {"mmap", 220, false, true, call_mmap},
    {"munmap", 60, false, true, call_munmap},
    {"mprotect", 110, false, true, call_mprotect},
    {"pkey", 20, false, true, call_pkey},
    {"mremap", 100, false, true, call_mremap},
    {"madvise", 140, false, false, call_madvise},
    {"process_madvise", 6, false, false, call_process_madvise},
    {"mlock", 40, false, false, call_mlock},
    {"munlock", 30, false, true, call_munlock},
    {"mlockall", 2, false, false, call_mlockall},
    {"munlockall", 3, false, true, call_munlockall},
    {"lock_future", 3, true, false, call_lock_future},
    {"brk", 40, false, true, call_brk},
    {"mbind", 40, false, false, call_mbind},
    {"set_mempolicy", 6, false, true, call_set_mempolicy},
    {"userfaultfd", 30, false, true, call_userfaultfd},
    {"prctl", 6, false, true, call_prctl},
    {"remap_file_pages", 20, false, true, call_remap_file_pages},
    {"shmat", 16, false, true, call_shmat},
    {"shmdt", 12, false, true, call_shmdt},
    {"aio", 8, false, false, call_aio},
    {"msync", 6, false, true, call_msync},
    {"mincore", 4, false, true, call_mincore},
    {"move_pages", 4, false, false, call_move_pages},
    {"touch", 120, false, false, call_touch},
    {"grow", 16, false, false, call_grow},
    {"fork", 6, true, false, call_fork},
    {"vfork", 4, true, false, call_vfork},
    {"clone_vm", 4, true, false, call_clone_vm},
    {"exec", 2, true, false, call_exec},
    {"limit", 16, true, false, call_limit},
    {"personality", 4, true, false, call_personality},
    {"sweep", 12, false, true, call_sweep},
    {"int80", 40, false, true, call_int80},
};

// Volatile: only the handler reads it.
thread_local sigjmp_buf* volatile landing = nullptr;

void on_fault(int signal) {
  if (landing != nullptr) siglongjmp(*landing, 1);
  const char text[] = "svma-generate: fault outside of a step's own memory\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

std::span<const Call> all_calls() { return kCalls; }

void Line::print() {
  text_[size_++] = '\n';
  for (size_t done = 0; done < size_;) {
    const ssize_t written = write(STDOUT_FILENO, text_ + done, size_ - done);
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  size_ = 0;
}

void Context::remember(uint64_t address, uint64_t size) {
  if (world().in_window(address)) return;
  const size_t index = random.below(Slots::kCount);
  const Range old = worker.slots.at(index);
  if (old.size != 0 && old.start != address && world().safe(old))
    munmap(reinterpret_cast<void*>(old.start), old.size);
  worker.slots.set(index, {address, page_up(size)});
}

Place Context::draw_place(Random& its_random) const {
  const uint64_t dice = its_random.below(20);
  const Place::Kind kind = dice < 5    ? Place::kAnywhere
                           : dice < 8  ? Place::kHint
                           : dice < 18 ? Place::kFixed
                                       : Place::kIfFree;
  return {kind, world().range(its_random, worker.slots)};
}

// Looks back for a step that makes a mapping and draws its place once more: what a step works on
// still follows from seed and step number alone, whether or not the earlier step was executed.
std::optional<Range> earlier_range(const Context& context, uint32_t back) {
  for (uint32_t step = context.step; back != 0 && step != 0; --back) {
    Random random(mix(context.program.seed, --step));
    if (draw_call(random, context.program.calls)->run != call_mmap) continue;
    const Place place = context.draw_place(random);
    if (place.kind == Place::kFixed || place.kind == Place::kIfFree) return place.range;
  }
  return std::nullopt;
}

Range Context::range() {
  if (random.one_in(3)) return new_range();
  const auto earlier = earlier_range(*this, static_cast<uint32_t>(random.between(1, 40)));
  if (!earlier || earlier->size < kPage) return new_range();
  Range range = *earlier;
  const uint64_t pages = range.size / kPage;
  switch (random.below(6)) {
    case 0:  // its end and what follows
      range.start += random.below(pages) * kPage;
      break;
    case 1: {  // a part
      const uint64_t skipped = random.below(pages);
      range = {range.start + skipped * kPage, random.between(1, pages - skipped) * kPage};
      break;
    }
    default:
      break;
  }
  return range;
}

Range Context::modest_range() {
  const Range wanted = range();
  const bool modest = wanted.start % kPage == 0 && wanted.size != 0 && wanted.size <= 64 * kMiB;
  return modest ? wanted : world().modest_range(random, worker.slots);
}

const Call* draw_call(Random& random, std::span<const Call* const> calls) {
  uint64_t total = 0;
  for (const Call* call : calls) total += call->weight;
  uint64_t dice = random.below(total);
  size_t index = 0;
  while (dice >= calls[index]->weight) dice -= calls[index++]->weight;
  return calls[index];
}

Done run_step(Context& context, std::span<const Call* const> calls) {
  const Call* call = draw_call(context.random, calls);
  errno = 0;
  return {call, call->run(context)};
}

void add_result(Line& line, const Result& result) {
  if (result.refused)
    line.add(" refused");
  else if (result.error != 0)
    line.add(" = {}", strerrorname_np(result.error));
  else
    line.add(" = {:#x}", result.value);
}

int64_t run_inner_steps(Context& context, uint64_t most) {
  int64_t failed = 0;
  if (context.program.simple.empty()) return 0;
  for (uint64_t i = 0; i < most; ++i) {
    const Done done = run_step(context, context.program.simple);
    add_result(context.line, done.result);
    context.line.add("; ");
    if (done.result.error != 0) ++failed;
  }
  return failed;
}

void prepare_thread_for_touching(Worker& worker) {
  stack_t stack{};
  stack.ss_sp = worker.alternate_stack;
  stack.ss_size = sizeof(worker.alternate_stack);
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_fault;
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  sigaction(SIGBUS, &action, nullptr);
}

int touch(uint64_t address, bool write) {
  sigjmp_buf here;
  int error = EFAULT;
  if (sigsetjmp(here, 0) == 0) {
    landing = &here;
    auto* byte = reinterpret_cast<volatile char*>(address);
    if (write)
      *byte = 1;
    else
      (void)*byte;
    landing = nullptr;
    return 0;
  }
  landing = nullptr;
  return error;
}

}  // namespace svma::generate
