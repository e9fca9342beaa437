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

// The start of the last VMA that is shown: the one above on either side, the higher of the two.
VirtAddr upper_end(const AddressSpace& space, const void* mm, VirtAddr end) {
  const Vma* vma = space.find_vma(end);
  if (vma != nullptr && vma->vm_start < end) vma = AddressSpace::next(vma);
  VirtAddr to = vma != nullptr ? vma->vm_start : end - 1;
  svma_live_vma live;
  for (u64 at = end.value(); svma_os_live_find(mm, at, &live) == 0; at = live.end) {
    if (live.start < end.value()) continue;
    if (live.start > to.value()) to = VirtAddr(live.start);
    break;
  }
  return to;
}

// When `full` has no room left, takes from `other` what begins behind its end.
void cut_behind(const svma_core_extent* full, u32 full_count, const svma_core_extent* other,
                u32& other_count) {
  if (full_count < SVMA_CORE_SIDE_EXTENTS) return;
  while (other_count != 0 && other[other_count - 1].start >= full[full_count - 1].end)
    --other_count;
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
  const VirtAddr to = upper_end(space, mm, around.end);

  for (const Vma* vma = space.find_vma(from); vma != nullptr && vma->vm_start <= to;
       vma = AddressSpace::next(vma)) {
    if (scene.predicted == SVMA_CORE_SIDE_EXTENTS) break;
    scene.predicted_map[scene.predicted++] = extent_of(*vma);
  }
  svma_live_vma live;
  for (u64 at = from.value(); svma_os_live_find(mm, at, &live) == 0 && live.start <= to.value();
       at = live.end) {
    if (scene.observed == SVMA_CORE_SIDE_EXTENTS) break;
    scene.observed_map[scene.observed++] = extent_of(live);
  }
  // Where one side had no room for more, the other ends, too: what is shown on one side only
  // differs.
  cut_behind(scene.predicted_map, scene.predicted, scene.observed_map, scene.observed);
  cut_behind(scene.observed_map, scene.observed, scene.predicted_map, scene.predicted);
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
