// SPDX-License-Identifier: GPL-2.0-only
// What the live kernel answers to single questions, by BPF programs that record it (svma_answers).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bpf/svma_answers.h"

struct ring_buffer;
struct svma_answers_bpf;

namespace svma {

// Invariants: the programs are attached. Only mms that are followed give records.
class AnswerStream {
 public:
  using Sink = std::function<void(const svma_answer&)>;

  // Loads and attaches; `cookie_factor` is that of OracleBpf. RETURNS: null when this kernel does
  // not take the programs; `why` then says so.
  static std::unique_ptr<AnswerStream> create(uint64_t cookie_factor, std::string& why);
  ~AnswerStream();

  // Follows an mm from now on, by its cookie. RETURNS: false when too many are followed.
  bool follow(uint64_t mm_cookie);
  void forget(uint64_t mm_cookie);

  // Of an mm that is followed.
  std::optional<uint64_t> generation(uint64_t mm_cookie) const;

  // Hands on all records that are there.
  void drain(const Sink& sink);

  // Write sections whose end went by uncounted: a kernel that preempts BPF programs (7.3) does not
  // run one a second time on the same CPU meanwhile. Generations from before one mean nothing after
  // it. Never falls.
  uint64_t missed_sections() const;

  uint64_t dropped() const;  // records lost because the ring was full
  uint64_t inside() const;   // answers of find_vma() inside write sections, for which there is none

 private:
  AnswerStream() = default;

  struct Destroy {
    void operator()(svma_answers_bpf* skeleton) const;
    void operator()(ring_buffer* ring) const;
  };

  static int on_record(void* self, void* data, size_t size);

  std::unique_ptr<svma_answers_bpf, Destroy> skeleton_;
  std::unique_ptr<ring_buffer, Destroy> ring_;
  const Sink* sink_ = nullptr;  // while drain() runs
};

}  // namespace svma
