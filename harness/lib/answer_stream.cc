// SPDX-License-Identifier: GPL-2.0-only
#include "lib/answer_stream.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

#include "lib/error.hpp"
#include "svma_answers.skel.h"

namespace svma {
namespace {

// Without CONFIG_IA32_EMULATION there are no 32-bit system calls, and libbpf would load nothing.
void leave_out_what_is_absent(bpf_object* object) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const std::string_view section = bpf_program__section_name(program);
    const std::string function(section.substr(section.find('/') + 1));
    if (function.starts_with("__ia32_") &&
        libbpf_find_vmlinux_btf_id(function.c_str(), BPF_TRACE_FEXIT) <= 0)
      bpf_program__set_autoload(program, false);
  }
}

}  // namespace

void AnswerStream::Destroy::operator()(svma_answers_bpf* skeleton) const {
  svma_answers_bpf::destroy(skeleton);
}

void AnswerStream::Destroy::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

std::unique_ptr<AnswerStream> AnswerStream::create(uint64_t cookie_factor, std::string& why) {
  std::unique_ptr<AnswerStream> stream(new AnswerStream);
  auto refuse = [&why](const char* what, int error) {
    why = std::string(what) + ": " + errno_text(error);
    return nullptr;
  };
  stream->skeleton_.reset(svma_answers_bpf::open());
  if (!stream->skeleton_) return refuse("cannot open the BPF programs", errno);
  stream->skeleton_->rodata->cookie_factor = cookie_factor;
  leave_out_what_is_absent(stream->skeleton_->obj);
  if (int error = svma_answers_bpf::load(stream->skeleton_.get()))
    return refuse("cannot load the BPF programs", -error);
  if (int error = svma_answers_bpf::attach(stream->skeleton_.get()))
    return refuse("cannot attach the BPF programs", -error);
  const int ring = bpf_map__fd(stream->skeleton_->maps.answers);
  stream->ring_.reset(ring_buffer__new(ring, on_record, stream.get(), nullptr));
  if (!stream->ring_) return refuse("cannot map the ring", errno);
  return stream;
}

AnswerStream::~AnswerStream() = default;

// The first generation is taken from the clock, which runs faster than sections can follow each
// other: so a cookie that comes again does not repeat the generations it had before.
bool AnswerStream::follow(uint64_t mm_cookie) {
  const int map = bpf_map__fd(skeleton_->maps.followed);
  uint64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  uint64_t first = now << SVMA_GENERATION_TID_BITS;
  return bpf_map_update_elem(map, &mm_cookie, &first, BPF_NOEXIST) == 0 || errno == EEXIST;
}

void AnswerStream::forget(uint64_t mm_cookie) {
  bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.followed), &mm_cookie);
}

std::optional<uint64_t> AnswerStream::generation(uint64_t mm_cookie) const {
  uint64_t generation = 0;
  const int map = bpf_map__fd(skeleton_->maps.followed);
  if (bpf_map_lookup_elem(map, &mm_cookie, &generation) != 0) return std::nullopt;
  return generation;
}

int AnswerStream::on_record(void* self, void* data, size_t size) {
  if (size < sizeof(svma_answer)) return 0;
  svma_answer answer;
  std::memcpy(&answer, data, sizeof(answer));
  (*static_cast<AnswerStream*>(self)->sink_)(answer);
  return 0;
}

void AnswerStream::drain(const Sink& sink) {
  sink_ = &sink;
  ring_buffer__consume(ring_.get());
  sink_ = nullptr;
}

uint64_t AnswerStream::missed_sections() const {
  uint64_t missed = 0;
  for (const bpf_program* program :
       {skeleton_->progs.on_up_write, skeleton_->progs.on_downgrade_write,
        skeleton_->progs.on_growth, skeleton_->progs.on_growth_done}) {
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0)
      missed += info.recursion_misses;
  }
  return missed;
}

uint64_t AnswerStream::dropped() const { return skeleton_->bss->dropped; }

uint64_t AnswerStream::inside() const { return skeleton_->bss->inside; }

}  // namespace svma
