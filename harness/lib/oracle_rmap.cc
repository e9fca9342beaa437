// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_rmap.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "bpf/svma_rmap.h"
#include "lib/error.hpp"
#include "svma_rmap.skel.h"

namespace svma {
namespace {

// Puts the records of one pass together.
class PassReader : public IterRecords {
 public:
  std::optional<LiveRmap> result() && {
    if (!header_) return std::nullopt;
    rmap_.complete = ended_ && !torn_;
    return std::move(rmap_);
  }

 private:
  size_t take_one(std::span<const char> bytes) override {
    const auto kind = record_as<uint32_t>(bytes);
    if (!kind) return 0;
    switch (*kind) {
      case SVMA_RMAP_HEADER:
        return take_header(record_as<svma_rmap_header>(bytes));
      case SVMA_RMAP_LINK:
        return take_link(record_as<svma_rmap_link>(bytes));
      case SVMA_RMAP_END:
        ended_ = bytes.size() >= sizeof(svma_rmap_end);
        return ended_ ? sizeof(svma_rmap_end) : 0;
      default:
        throw Error("BPF iterator: unknown record {}; svma and its BPF program do not match",
                    *kind);
    }
  }

  size_t take_header(const std::optional<svma_rmap_header>& header) {
    if (!header) return 0;
    header_ = header;
    rmap_.mm_cookie = header->mm_cookie;
    rmap_.topology.one_counter = header->one_counter != 0;
    return sizeof(*header);
  }

  // A second task of the process begins from the first VMA again: as in oracle_bpf.cc.
  size_t take_link(const std::optional<svma_rmap_link>& link) {
    if (!link) return 0;
    auto& chains = rmap_.topology.chains;
    const bool same_vma = !chains.empty() && chains.back().start == link->start;
    if (!header_ || link->tid != header_->tid ||
        (!same_vma && !chains.empty() && link->start < chains.back().end)) {
      torn_ = true;
      return sizeof(*link);
    }
    if (!same_vma) chains.push_back({.start = link->start, .end = link->end, .links = {}});
    chains.back().cut = (link->bits & SVMA_RMAP_CUT) != 0;
    chains.back().links.push_back({.anon_vma = link->anon_vma,
                                   .root = link->root,
                                   .parent = link->parent,
                                   .own = (link->bits & SVMA_RMAP_OWN) != 0,
                                   .refcount = link->refcount,
                                   .children = link->children,
                                   .active_vmas = link->active_vmas});
    return sizeof(*link);
  }

  LiveRmap rmap_;
  std::optional<svma_rmap_header> header_;
  bool torn_ = false;
};

bool kernel_has_function(const char* name) {
  return libbpf_find_vmlinux_btf_id(name, BPF_TRACE_FENTRY) > 0;
}

// Runs of a program that went by: a kernel that preempts BPF programs (7.3) does not run a second
// one on the same CPU meanwhile.
uint64_t misses(const bpf_program* program) {
  bpf_prog_info info{};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0)
    throw Error("BPF: cannot read what a program missed: {}", errno_text(errno));
  return info.recursion_misses;
}

}  // namespace

void OracleRmap::Destroy::operator()(svma_rmap_bpf* skeleton) const {
  svma_rmap_bpf::destroy(skeleton);
}

void OracleRmap::Destroy::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

std::unique_ptr<OracleRmap> OracleRmap::create(uint64_t cookie_factor, std::string& why) {
  std::unique_ptr<OracleRmap> oracle(new OracleRmap);
  auto refuse = [&why](const char* what, int error) {
    why = std::string(what) + ": " + errno_text(error);
    return nullptr;
  };
  oracle->has_task_vma_ = kernel_has_task_vma();
  svma_rmap_bpf* const skeleton = svma_rmap_bpf::open();
  if (!skeleton) return refuse("cannot open the BPF programs", errno);
  oracle->skeleton_.reset(skeleton);
  skeleton->rodata->cookie_factor = cookie_factor;
  bpf_program__set_autoload(skeleton->progs.dump_chains, oracle->has_task_vma_);
  bpf_program__set_autoload(skeleton->progs.dump_chain_list, !oracle->has_task_vma_);
  const bool renamed = kernel_has_function("anon_rmap_tree_insert");
  bpf_program__set_autoload(skeleton->progs.on_insert, !renamed);
  bpf_program__set_autoload(skeleton->progs.on_remove, !renamed);
  bpf_program__set_autoload(skeleton->progs.on_rmap_insert, renamed);
  bpf_program__set_autoload(skeleton->progs.on_rmap_remove, renamed);
  if (int error = svma_rmap_bpf::load(skeleton))
    return refuse("cannot load the BPF programs", -error);
  // The iterators are attached for each process, by IterLinks. Who is seen to begin is then seen to
  // be done.
  skeleton->links.on_exit_done = bpf_program__attach(skeleton->progs.on_exit_done);
  if (!skeleton->links.on_exit_done) return refuse("cannot attach the BPF programs", errno);
  skeleton->links.on_exit_begins = bpf_program__attach(skeleton->progs.on_exit_begins);
  if (!skeleton->links.on_exit_begins) return refuse("cannot attach the BPF programs", errno);
  oracle->attach_events();
  return oracle;
}

// Births last: of an mm that is seen to be born everything is seen.
void OracleRmap::attach_events() {
  auto& progs = skeleton_->progs;
  auto& links = skeleton_->links;
  const auto attach = [this](bpf_program* program, bpf_link*& link) {
    if (!bpf_program__autoload(program) || !events_state_.empty()) return;
    link = bpf_program__attach(program);
    if (!link)
      events_state_ = std::string(bpf_program__section_name(program)) + ": " + errno_text(errno);
  };
  attach(progs.on_remove, links.on_remove);
  attach(progs.on_rmap_remove, links.on_rmap_remove);
  attach(progs.on_insert, links.on_insert);
  attach(progs.on_rmap_insert, links.on_rmap_insert);
  attach(progs.on_birth, links.on_birth);
  if (!events_state_.empty()) return;
  ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.events), on_event, this, nullptr));
  events_state_ = ring_ ? "on" : std::string("cannot map the ring: ") + errno_text(errno);
}

int OracleRmap::on_event(void* self, void* data, size_t size) {
  if (size < sizeof(svma_rmap_event)) return 0;
  svma_rmap_event event;
  std::memcpy(&event, data, sizeof(event));
  auto* const oracle = static_cast<OracleRmap*>(self);
  ++oracle->drained_;
  (*oracle->sink_)(event);
  return 0;
}

// An event that is being written stops the reader, though later ones may be whole.
bool OracleRmap::drain(const Sink& sink) {
  if (!ring_) return false;
  sink_ = &sink;
  ring_buffer__consume(ring_.get());
  sink_ = nullptr;
  return drained_ == __atomic_load_n(&skeleton_->bss->submitted, __ATOMIC_ACQUIRE);
}

uint64_t OracleRmap::dropped() const {
  const auto& progs = skeleton_->progs;
  uint64_t dropped = skeleton_->bss->dropped;
  for (const bpf_program* program : {progs.on_remove, progs.on_rmap_remove, progs.on_insert,
                                     progs.on_rmap_insert, progs.on_birth})
    if (bpf_program__autoload(program)) dropped += misses(program);
  return dropped;
}

OracleRmap::~OracleRmap() = default;

const char* OracleRmap::road() const { return has_task_vma_ ? "iter/task_vma" : "iter/task"; }

std::optional<LiveRmap> OracleRmap::read(pid_t pid) {
  PassReader reader;
  if (has_task_vma_) {
    run_pass(links_.of(skeleton_->progs.dump_chains, pid), reader);
    return std::move(reader).result();
  }
  // The list may change under the program: as in oracle_bpf.cc. Entries count as VMAs do.
  constexpr int kMaxPieces = 1000;
  skeleton_->bss->wanted_tgid = pid;
  skeleton_->bss->resume_vma = 0;
  for (int i = 0; i < kMaxPieces; i++) {
    skeleton_->bss->pieces = 0;
    run_pass(links_.of_all(skeleton_->progs.dump_chain_list), reader);
    if (reader.ended() || skeleton_->bss->resume_vma == 0) break;
  }
  return std::move(reader).result();
}

uint64_t OracleRmap::exits_begun() const { return skeleton_->bss->exits_begun; }

uint64_t OracleRmap::exits_unseen() const { return misses(skeleton_->progs.on_exit_begins); }

uint64_t OracleRmap::exits_done() const {
  return skeleton_->bss->exits_done + misses(skeleton_->progs.on_exit_done);
}

}  // namespace svma
