// SPDX-License-Identifier: GPL-2.0-only
#include "replay/scene.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {
namespace {

svma_core_extent extent_of(const Vma& vma) {
  return {vma.vm_start.value(),
          vma.vm_end.value(),
          vma.attrs.vm_flags,
          vma.attrs.vm_pgoff.value(),
          vma.attrs.ino,
          vma.attrs.dev,
          0};
}

svma_core_extent extent_of(const svma_live_vma& vma) {
  return {vma.start, vma.end, vma.flags, vma.pgoff, vma.ino, vma.dev, 0};
}

AddrRange range_at(const svma_scene& scene, u32 i) {
  return {VirtAddr(scene.range[i].start), VirtAddr(scene.range[i].end)};
}

void set_range(svma_scene& scene, u32 i, AddrRange range) {
  scene.range[i] = {range.start.value(), range.end.value()};
}

// The address from which both sides are shown: that of the VMA below, the lower of the two.
VirtAddr lower_end(const AddressSpace& space, const void* mm, VirtAddr start) {
  Vma* below = nullptr;
  const Vma* vma = space.find_vma_prev(start, &below);
  VirtAddr from = start;
  if (below != nullptr) {
    from = below->vm_start;
  } else if (vma != nullptr && vma->vm_start < start) {
    from = vma->vm_start;
  }
  svma_live_vma live;
  if (svma_os_live_find(mm, from.value(), &live) == 0 && live.start < from.value())
    from = VirtAddr(live.start);
  return from;
}

bool in_a_range(const svma_scene& scene, const Vma& vma) {
  for (u32 i = 0; i < scene.ranges; ++i) {
    if (range_at(scene, i).overlaps({vma.vm_start, vma.vm_end})) return true;
  }
  return false;
}

// Where the next range begins, at or above `at`; the end of all when there is none.
VirtAddr next_range(const svma_scene& scene, VirtAddr at) {
  VirtAddr next(scene.end);
  for (u32 i = 0; i < scene.ranges; ++i) {
    const VirtAddr start = range_at(scene, i).start;
    if (start >= at && start < next) next = start;
  }
  return next;
}

// What was asked about may be the whole address space; what is reported ends with the last VMA.
void clip(svma_scene& scene, const AddressSpace& space) {
  const Vma* first = space.first();
  if (first == nullptr) return;
  if (scene.start == 0) scene.start = first->vm_start.value();
  if (scene.end == ~u64{0}) scene.end = space.last()->vm_end.value();
}

}  // namespace

// What the counts don't cover stays as it was: this runs in every operation.
void open_scene(svma_scene& scene) {
  scene.start = scene.end = 0;
  scene.predicted_address = 0;
  scene.ranges = scene.vmas = 0;
  scene.predicted = scene.observed = 0;
  scene.cut = scene.captured = scene.complete = 0;
}

void touch(svma_scene& scene, AddrRange range) {
  if (range.empty()) return;
  if (scene.ranges == 0 || range.start.value() < scene.start) scene.start = range.start.value();
  if (scene.ranges == 0 || range.end.value() > scene.end) scene.end = range.end.value();
  for (u32 i = 0; i < scene.ranges; ++i) {
    if (range_at(scene, i).contains(range)) return;
  }
  if (scene.ranges < SVMA_CORE_SCENE_RANGES) {
    set_range(scene, scene.ranges++, range);
    return;
  }
  AddrRange last = range_at(scene, scene.ranges - 1);
  if (range.start < last.start) last.start = range.start;
  if (range.end > last.end) last.end = range.end;
  set_range(scene, scene.ranges - 1, last);
}

void capture(svma_scene& scene, const AddressSpace& space, const void* mm, AddrRange around) {
  if (scene.captured != 0) return;
  scene.captured = 1;
  const VirtAddr from = lower_end(space, mm, around.start);

  const Vma* vma = space.find_vma(from);
  for (bool above = false; vma != nullptr && !above && scene.predicted < SVMA_CORE_SIDE_EXTENTS;
       vma = AddressSpace::next(vma)) {
    above = vma->vm_start >= around.end;
    scene.predicted_map[scene.predicted++] = extent_of(*vma);
  }
  svma_live_vma live;
  u64 at = from.value();
  for (bool above = false; !above && scene.observed < SVMA_CORE_SIDE_EXTENTS; at = live.end) {
    if (svma_os_live_find(mm, at, &live) != 0) return;
    above = live.start >= around.end.value();
    scene.observed_map[scene.observed++] = extent_of(live);
  }
}

// Between two ranges may lie VMAs that were not touched: those are left out, and said to be.
void close_scene(svma_scene& scene, const AddressSpace& space) {
  scene.complete = 1;
  VirtAddr at(scene.start);
  while (const Vma* vma = space.find_vma(at)) {
    if (vma->vm_start.value() >= scene.end) break;
    if (in_a_range(scene, *vma)) {
      if (scene.vmas == SVMA_CORE_SCENE_EXTENTS) {
        scene.cut = 1;
        break;
      }
      scene.vma[scene.vmas++] = extent_of(*vma);
      at = vma->vm_end;
    } else {
      scene.cut = 1;
      at = next_range(scene, vma->vm_end);
    }
  }
  clip(scene, space);
}

}  // namespace svma
