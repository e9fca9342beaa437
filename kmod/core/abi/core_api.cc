// SPDX-License-Identifier: GPL-2.0-only
#include "abi/core_api.h"

#include "base/memory.hpp"
#include "base/mutation.hpp"
#include "base/text.hpp"
#include "pgtable/sinks.hpp"
#include "pgtable/x86_64.hpp"
#include "replay/advice.hpp"
#include "replay/call.hpp"
#include "replay/compare.hpp"
#include "replay/placement.hpp"
#include "replay/scene.hpp"
#include "replay/shadow.hpp"
#include "replay/shadow_vma.hpp"
#include "rmap/rmap_vma.hpp"
#include "rmap/walk.hpp"
#include "vma/merge.hpp"
#include "vma/tree_shape.hpp"
#include "vma/verify.hpp"

// Always last.
#include "enforce.hpp"

// The opaque type of the C interface is the shadow itself, and room for what its last call saw.
struct svma_rmap : svma::SharedRmap {
  using svma::SharedRmap::SharedRmap;
};

struct svma_shadow : svma::Shadow {
  using svma::Shadow::Shadow;
  svma_scene scene{};
};

namespace svma {
namespace {

svma_node node_of(const AddressSpace& space, const Vma& vma) {
  svma_node node{};
  node.vma = record_of(vma);
  node.gap = vma.rb_subtree_gap;
  const Vma* parent = space.tree().parent(&vma);
  node.parent = parent != nullptr ? parent->vm_start.value() : SVMA_CORE_NO_VMA;
  node.red = vma.rb.is_red();
  for (; parent != nullptr; parent = space.tree().parent(parent)) ++node.depth;
  return node;
}

static_assert(kMergeConditions == SVMA_CORE_CONDITIONS);
static_assert(static_cast<int>(MergeCondition::kFile) == SVMA_CORE_CONDITION_FILE);
static_assert(static_cast<int>(MergeCondition::kUffd) == SVMA_CORE_CONDITION_UFFD);
static_assert(static_cast<int>(MergeCondition::kAnonVma) == SVMA_CORE_CONDITION_ANON_VMA);
static_assert(static_cast<int>(MergeCondition::kPgoff) == SVMA_CORE_CONDITION_PGOFF);

// RETURNS: whether it would merge.
bool explain(const MergeRules& rules, MergeSide side, const Vma* neighbour, const Vma& vma,
             svma_merge_answer* out) {
  const CloseAsked close =
      rules.close == CloseRule::kNeverRemoved ? CloseAsked::kOfRange : CloseAsked::kOfNeighbour;
  const MergeExplanation explanation =
      explain_merge({side, neighbour, vma.range(), vma.attrs, close, rules});
  for (unsigned i = 0; i < kMergeConditions; ++i) {
    const MergeAnswer& answer = explanation.answers[i];
    out[i] = {answer.lower, answer.upper, answer.asked, answer.held};
  }
  return explanation.mergeable;
}

}  // namespace
}  // namespace svma

using svma::AddressSpace;
using svma::VirtAddr;
using svma::Vma;

unsigned long svma_core_shadow_size(void) { return sizeof(svma_shadow); }
unsigned long svma_core_vma_size(void) { return sizeof(svma::ShadowVma); }
unsigned long svma_core_avc_size(void) { return sizeof(svma::AnonVmaChain); }
unsigned long svma_core_anon_vma_size(void) { return sizeof(svma::AnonVma); }
unsigned long svma_core_file_rmap_size(void) { return sizeof(svma::FileRmap); }
unsigned long svma_core_rmap_size(void) { return sizeof(svma_rmap); }

svma_rmap* svma_core_rmap_init(void* memory, const char* profile) {
  const svma::RmapSemantics* semantics = svma::find_rmap_semantics(profile);
  return semantics != nullptr ? svma::construct_at<svma_rmap>(memory, *semantics) : nullptr;
}

void svma_core_rmap_settle(svma_rmap* rmap) {
  const svma::RmapLock lock;
  rmap->raise_generation();
}

void svma_core_rmap_leave(svma_shadow* shadow, int ended) { shadow->leave_rmap(ended != 0); }

void svma_core_rmap_abroad(svma_shadow* shadow) { shadow->share_abroad(); }

svma_shadow* svma_core_shadow_init(void* memory, const char* profile, svma_u64 stack_guard_gap,
                                   svma_rmap* rmap, svma_u64 owner) {
  const svma::Semantics* semantics = svma::find_semantics(profile);
  if (semantics == nullptr) return nullptr;
  auto* const shadow = svma::construct_at<svma_shadow>(memory, *semantics, stack_guard_gap);
  if (rmap != nullptr) shadow->follow(*rmap, owner);
  return shadow;
}

int svma_core_choice(const char* profile, unsigned int index, svma_choice* out) {
  const svma::Semantics* const semantics = svma::find_semantics(profile);
  svma::Choice choice{};
  if (semantics == nullptr) return -svma::kENOENT;
  const svma::u32 count = svma::choice_count();
  const bool found = index < count ? svma::describe_choice(*semantics, index, choice)
                                   : svma::describe_rmap_choice(*svma::find_rmap_semantics(profile),
                                                                index - count, choice);
  if (!found) return -svma::kENOENT;
  *out = {choice.name, choice.value, choice.source};
  return 0;
}

void svma_core_shadow_clear(svma_shadow* shadow) { shadow->clear(); }

int svma_core_load_part(svma_shadow* shadow, const void* mm, svma_load* progress, svma_u32 budget) {
  return shadow->load_part(mm, *progress, budget).err();
}

int svma_core_fork(svma_shadow* child, const svma_shadow* parent) {
  return child->fork_from(*parent).err();
}

void svma_core_audit(svma_shadow* shadow, const void* mm, int take_facts, svma_verdict* verdict) {
  const svma::SceneOfCall scene(shadow->scene, shadow->space(), *verdict);
  shadow->audit(mm, take_facts != 0, *verdict);
}

void svma_core_structure(svma_shadow* shadow, const void* mm, svma_verdict* verdict) {
  const svma::SceneOfCall scene(shadow->scene, shadow->space(), *verdict);
  shadow->compare_structure(mm, *verdict);
}

int svma_core_structure_differs(const svma_shadow* shadow, svma_corner* predicted,
                                svma_corner* observed) {
  return shadow->structure_differs(*predicted, *observed) ? 0 : -svma::kENOENT;
}

void svma_core_fork_undelivered(svma_shadow* shadow, const void* mm, svma_verdict* verdict) {
  shadow->drop_undelivered_uffd(mm, *verdict);
}

void svma_core_fork_done(svma_shadow* shadow) { shadow->fork_done(); }

void svma_core_begin(svma_shadow* shadow, const svma_op* op, const void* mm,
                     svma_verdict* verdict) {
  shadow->begin(*op, mm, *verdict);
}

void svma_core_end(svma_shadow* shadow, const svma_op* op, const void* mm, svma_verdict* verdict) {
  const svma::SceneOfCall scene(shadow->scene, shadow->space(), *verdict);
  shadow->end(*op, mm, *verdict);
}

void svma_core_search(svma_shadow* shadow, const svma_op* op, const svma_placement* where,
                      svma_call* call, svma_u64* predicted, svma_verdict* verdict) {
  const svma::SceneOfCall scene(shadow->scene, shadow->space(), *verdict);
  if (where != nullptr) {
    svma::Placement(shadow->semantics(), *where).check_limits(*op, call, *verdict);
  }
  *predicted = shadow->search(*op, *verdict);
  shadow->scene.predicted_address = *predicted;
  if (call == nullptr) return;
  call->searched = *predicted;
  call->searched_length = op->args[0];
}

void svma_core_vmacache_find(svma_shadow* shadow, svma_u32 task, svma_u64 addr, svma_u64 hit,
                             int in_flux, svma_verdict* verdict) {
  shadow->vmacache_find(task, VirtAddr(addr), hit, in_flux != 0, *verdict);
}

void svma_core_vmacache_update(svma_shadow* shadow, svma_u32 task, svma_u64 addr, svma_u64 start,
                               int in_flux) {
  shadow->vmacache_update(task, VirtAddr(addr), VirtAddr(start), in_flux != 0);
}

void svma_core_call_step(svma_shadow* shadow, svma_call* call, const svma_op* op,
                         svma_verdict* verdict) {
  call->heap = shadow->heap_end();
  svma::CallCheck(shadow->semantics(), shadow->space(), *call).step(*op, *verdict);
}

void svma_core_call_release(svma_shadow* shadow, svma_call* call) {
  call->heap = shadow->heap_end();
  svma::CallCheck(shadow->semantics(), shadow->space(), *call).release();
}

void svma_core_call_end(svma_shadow* shadow, svma_call* call, svma_s64 result,
                        svma_verdict* verdict) {
  svma::CallCheck(shadow->semantics(), shadow->space(), *call).end(result, *verdict);
}

int svma_core_advice_changes(int advice) { return svma::advice_changes_flags(advice); }

namespace svma {
namespace {

constexpr const char* kMutationNames[] = {"none",
#define SVMA_MUTATION_TEXT(name) #name,
                                          SVMA_MUTATIONS(SVMA_MUTATION_TEXT)
#undef SVMA_MUTATION_TEXT
};

}  // namespace
}  // namespace svma

int svma_core_mutate(const char* name) {
  if (*name == '\0') name = svma::kMutationNames[0];
  svma::u8 index = 0;
  for (const char* const candidate : svma::kMutationNames) {
    if (svma::same_text(candidate, name)) {
      svma::active_mutation = static_cast<svma::Mutation>(index);
      return 0;
    }
    ++index;
  }
  return -svma::kEINVAL;
}

const char* svma_core_mutation(void) {
  return svma::kMutationNames[static_cast<svma::u8>(svma::active_mutation)];
}

void svma_core_release(svma_shadow* shadow, const void* mm, int downgraded, int announced,
                       svma_verdict* verdict) {
  // What the last operation touched stays: a counter that differs is shown with it.
  shadow->scene.complete = 0;
  shadow->scene.captured = 0;
  shadow->scene.predicted = shadow->scene.observed = 0;
  verdict->scene = &shadow->scene;
  shadow->release(mm, downgraded != 0, announced != 0, *verdict);
}

void svma_core_anon_vma(svma_shadow* shadow, const void* mm, const svma_live_vma* vma, int alone,
                        svma_verdict* verdict) {
  shadow->first_fault(*vma, mm, alone != 0, *verdict);
}

void svma_core_guard(svma_shadow* shadow, svma_u64 addr, svma_s64 result, svma_verdict* verdict) {
  const svma::SceneOfCall scene(shadow->scene, shadow->space(), *verdict);
  shadow->note_guard(VirtAddr(addr), result, *verdict);
}

const svma_scene* svma_core_survey(svma_shadow* shadow) {
  svma::open_scene(shadow->scene);
  svma::touch(shadow->scene, {VirtAddr(0), VirtAddr(~svma::u64{0})});
  svma::close_scene(shadow->scene, shadow->space());
  return &shadow->scene;
}

void svma_core_totals(const svma_shadow* shadow, svma_live_totals* out) {
  const svma::Accounting& acct = shadow->space().acct();
  out->map_count = shadow->space().map_count();
  out->total_vm = acct.total_vm.value();
  out->data_vm = acct.data_vm.value();
  out->exec_vm = acct.exec_vm.value();
  out->stack_vm = acct.stack_vm.value();
  out->locked_vm = acct.locked_vm.value();
  out->hiwater_vm = acct.hiwater_vm.value();
}

int svma_core_find(const svma_shadow* shadow, svma_u64 addr, svma_node* out) {
  const Vma* vma = shadow->space().find_vma(VirtAddr(addr));
  if (vma == nullptr) return -svma::kENOENT;
  *out = svma::node_of(shadow->space(), *vma);
  return 0;
}

int svma_core_find_prev(const svma_shadow* shadow, svma_u64 addr, svma_node* out) {
  Vma* prev = nullptr;
  shadow->space().find_vma_prev(VirtAddr(addr), &prev);
  if (prev == nullptr) return -svma::kENOENT;
  *out = svma::node_of(shadow->space(), *prev);
  return 0;
}

svma_u32 svma_core_chains(const svma_shadow* shadow, svma_u64* from, svma_u32* skip,
                          svma_core_link* out, svma_u32 room, svma_u32* more) {
  return shadow->rmap().links(*from, *skip, out, room, *more);
}

int svma_core_sharers(const svma_shadow* shadow, svma_u64 addr, svma_core_page* page,
                      svma_core_sharer* out, svma_u32 room, svma_u64* total) {
  Vma* const vma = shadow->space().find_vma(VirtAddr(addr));
  if (vma == nullptr || vma->vm_start > VirtAddr(addr)) return -svma::kENOENT;
  *total = shadow->rmap().sharers(*vma, VirtAddr(addr), *page, out, room);
  return 0;
}

svma_u64 svma_core_sharers_of_file(svma_rmap* rmap, svma_u32 dev, svma_u64 ino, svma_u64 page,
                                   svma_core_sharer* out, svma_u32 room) {
  const svma::RmapLock lock;
  const svma::FileRmap* const file = rmap->files().find({dev, ino});
  svma_u64 total = 0;
  if (file == nullptr) return 0;
  const bool any = page == SVMA_CORE_ANY_PAGE;
  svma::rmap_walk_file(*file, svma::PageOffset(any ? 0 : page), svma::PageCount(any ? ~0ull : 1),
                       [&](const svma::RmapVma& vma, VirtAddr address) {
                         if (total < room) out[total] = svma::RmapFollower::sharer_of(vma, address);
                         return ++total <= SVMA_CORE_SHARERS;
                       });
  return total;
}

int svma_core_gap(const svma_shadow* shadow, const svma_gap_query* query, svma_u64* result,
                  svma_u32* visited) {
  *visited = 0;
  const svma::UnmappedAreaInfo info{.length = query->length,
                                    .low_limit = VirtAddr(query->low_limit),
                                    .high_limit = VirtAddr(query->high_limit),
                                    .align_mask = query->align_mask,
                                    .align_offset = query->align_offset,
                                    .visited = visited};
  const svma::Result<VirtAddr> found =
      shadow->unmapped_area(info, query->topdown != 0, query->min_addr);
  *result = found.ok() ? found->value() : 0;
  return found.err();
}

int svma_core_tree_shape(const svma_shadow* shadow, svma_u64* from, svma_u32 limit,
                         svma_core_shape* shape) {
  svma::TreeShape sum{shape->vmas, shape->height, shape->visited};
  const Vma* const next = svma::add_shape(shadow->space(), VirtAddr(*from), limit, sum);
  *shape = {sum.vmas, sum.height, sum.visited};
  if (next != nullptr) *from = next->vm_start.value();
  return next != nullptr;
}

void svma_core_why(const svma_shadow* shadow, svma_u64 addr, svma_merge_report* out) {
  const AddressSpace& space = shadow->space();
  Vma* prev = nullptr;
  const Vma* vma = space.find_vma_prev(VirtAddr(addr), &prev);
  const bool inside = vma != nullptr && vma->range().contains(VirtAddr(addr));
  const Vma* const next = inside ? AddressSpace::next(vma) : vma;
  *out = {};
  if (prev != nullptr) {
    out->found |= 2;
    out->prev = svma::node_of(space, *prev);
  }
  if (next != nullptr) {
    out->found |= 4;
    out->next = svma::node_of(space, *next);
  }
  if (!inside) return;
  out->found |= 1;
  out->vma = svma::node_of(space, *vma);
  const svma::MergeRules& rules = space.merge_rules();
  if (svma::explain(rules, svma::MergeSide::kPrev, prev, *vma, out->with_prev)) out->mergeable |= 1;
  if (svma::explain(rules, svma::MergeSide::kNext, next, *vma, out->with_next)) out->mergeable |= 2;
}

namespace svma {
namespace {

// Calls visit(policy) with the policy of these page tables.
template <class Visitor>
void with_policy(const svma_pgtable& pgtable, Visitor visit) {
  if (pgtable.levels == 5) {
    visit(X86_64<5>(pgtable));
  } else {
    visit(X86_64<4>(pgtable));
  }
}

}  // namespace
}  // namespace svma

void svma_core_find_way(const svma_pgtable* pgtable, svma_u64 addr, svma_u32 most,
                        svma_core_way* out) {
  svma::with_policy(*pgtable, [&](const auto& policy) {
    svma::find_way(policy, pgtable->root, VirtAddr(addr), most, *out);
  });
}

void svma_core_runs(const svma_pgtable* pgtable, svma_core_walk* walk, svma_u32 budget,
                    svma_core_run* out, svma_u32* count, svma_u32 room) {
  svma::RunSink sink(out, *count, room);
  svma::with_policy(*pgtable, [&](const auto& policy) {
    svma::walk_range(policy, pgtable->root, *walk, budget, sink);
  });
}

svma_u32 svma_core_sum_up(const svma_pgtable* pgtable, svma_core_walk* walk, svma_u32 budget,
                          svma_core_range_sum* range, svma_u32 count) {
  svma_u32 done = 0;
  svma::with_policy(*pgtable, [&](const auto& policy) {
    done = svma::sum_ranges(policy, pgtable->root, *walk, budget, range, count);
  });
  return done;
}

namespace svma {
namespace {

int report_broken(const char* invariant, VirtAddr addr, char* what, unsigned long size,
                  svma_u64* where) {
  unsigned long i = 0;
  for (; size != 0 && i + 1 < size && invariant[i] != '\0'; ++i) what[i] = invariant[i];
  if (size != 0) what[i] = '\0';
  *where = addr.value();
  return -kEINVAL;
}

}  // namespace
}  // namespace svma

int svma_core_verify(const svma_shadow* shadow, char* what, unsigned long size, svma_u64* where) {
  svma::VerifyReport report;
  if (!svma::verify(shadow->space(), &report)) {
    return svma::report_broken(report.invariant, report.addr, what, size, where);
  }
  for (const Vma* vma = shadow->space().first(); vma != nullptr; vma = AddressSpace::next(vma)) {
    const char* const broken = shadow->verify_rmap(*vma);
    if (broken != nullptr) return svma::report_broken(broken, vma->vm_start, what, size, where);
  }
  return 0;
}
