// SPDX-License-Identifier: GPL-2.0-only
// One step: a call with arguments that follow from seed and step number alone.
#pragma once

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <span>

#include "workload/generate/random.hpp"
#include "workload/generate/world.hpp"

namespace svma::generate {

// One line of text in a buffer of fixed size: steps must not allocate. Does nothing unless enabled.
class Line {
 public:
  explicit Line(bool enabled) : enabled_(enabled) {}

  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    if (!enabled_) return;
    const auto done = fmt::format_to_n(text_ + size_, sizeof(text_) - 1 - size_, format,
                                       std::forward<Args>(args)...);
    size_ = static_cast<size_t>(done.out - text_);
  }

  bool enabled() const { return enabled_; }
  // Writes the line to stdout at once, so that lines of threads do not mix.
  void print();

 private:
  bool enabled_;
  size_t size_ = 0;
  char text_[4096];
};

// What a call came to. Refused: it would have hit the program itself, and was not made.
struct Result {
  int64_t value = 0;
  int error = 0;
  bool refused = false;
};

inline constexpr Result kRefused{0, 0, true};

// From what a system call returned, -1 and errno on failure.
inline Result result_of(int64_t value) { return {value, value == -1 ? errno : 0, false}; }

// What belongs to one thread.
struct Worker {
  Slots slots;
  std::array<Range, 4> segments{};                 // of System V
  std::array<std::atomic<int>, 2> uffd{{-1, -1}};  // the reader of events looks at them, too
  std::array<uint64_t, 2> aio{};
  int pkey = -1;
  alignas(16) char helper_stack[1 << 16];     // of a process that shares the address space
  alignas(16) char alternate_stack[1 << 16];  // of signal handlers
};

struct Call;

// What all steps share, and what their arguments depend on. Read-only while steps run.
struct Program {
  World world;
  std::span<const Call* const> calls;   // those that are wanted
  std::span<const Call* const> simple;  // those among them that may be part of a compound step
  uint32_t seed = 0;
  bool userfaultfd_events = false;  // somebody reads them, so that nobody waits for ever
};

// Where a mapping shall go: anywhere, near a hint, exactly there, exactly there if it is free.
struct Place {
  enum Kind { kAnywhere, kHint, kFixed, kIfFree } kind;
  Range range;
};

struct Context {
  const Program& program;
  Worker& worker;
  Line& line;
  uint32_t step;
  Random random;
  bool child = false;  // another process: with files of its own, and perhaps with the same memory

  Context(const Program& program, Worker& worker, Line& line, uint32_t step)
      : program(program), worker(worker), line(line), step(step), random(mix(program.seed, step)) {}

  const World& world() const { return program.world; }
  // A range that has nothing to do with other steps.
  Range new_range() { return world().range(random, worker.slots); }
  // What a step that makes a mapping draws first from its random numbers.
  Place draw_place(Random& its_random) const;
  // Where a recent step made a mapping, or a part of that, or a new range.
  Range range();
  // The same, never nonsense and never huge.
  Range modest_range();
  // Remembers a mapping whose place the kernel chose; what the slot held before is unmapped.
  void remember(uint64_t address, uint64_t size);
};

struct Call {
  const char* name;
  unsigned weight;
  bool compound;  // runs other steps inside
  bool steady;    // result depends on the arguments alone, not on free memory or time
  Result (*run)(Context&);
};

// All there are.
std::span<const Call> all_calls();

// The call that `random` draws first. REQUIRES: calls isn't empty.
const Call* draw_call(Random& random, std::span<const Call* const> calls);

struct Done {
  const Call* call;
  Result result;
};

// Draws a call and its arguments from context.random and makes it. REQUIRES: calls isn't empty.
Done run_step(Context& context, std::span<const Call* const> calls);

// " = 0x1000", " = ENOMEM" or " refused".
void add_result(Line& line, const Result& result);

// Runs `most` simple steps as a part of the current one. RETURNS: how many failed.
int64_t run_inner_steps(Context& context, uint64_t most);

// Gives the calling thread an alternate stack and the process the handlers that touch() needs.
void prepare_thread_for_touching(Worker& worker);

// Reads or writes one byte. RETURNS: 0, or EFAULT when the kernel answered with a signal.
int touch(uint64_t address, bool write);

}  // namespace svma::generate
