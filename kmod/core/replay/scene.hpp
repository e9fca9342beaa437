// SPDX-License-Identifier: GPL-2.0-only
//
// What an operation touched and left behind, and what both sides held where they first differed:
// what a journal entry and a divergence report need beyond the verdict. The record itself is the
// plain C one of abi/core_api.h, so that the caller can read it.
//
//     open_scene()      the call begins: nothing touched, nothing captured
//     touch()           [start, end) is compared or adopted
//     capture()         the two sides around a mismatch, before anything is adopted; first one wins
//     close_scene()     lists what the shadow holds now in what was touched
#pragma once

#include "abi/core_api.h"
#include "vma/address_space.hpp"

namespace svma {

void open_scene(svma_scene& scene);

// Adds to what was touched. A range too many joins the last one.
void touch(svma_scene& scene, AddrRange range);

// Both sides from the VMA below `around` to the one above it, as many as there is room for.
// REQUIRES: mmap_lock as for any comparison.
void capture(svma_scene& scene, const AddressSpace& space, const void* mm, AddrRange around);

// O(log n) for each VMA listed.
void close_scene(svma_scene& scene, const AddressSpace& space);

// A scene for the time of one call, which the verdict points to.
class SceneOfCall {
 public:
  SceneOfCall(svma_scene& scene, const AddressSpace& space, svma_verdict& verdict)
      : scene_(scene), space_(space) {
    open_scene(scene);
    verdict.scene = &scene;
  }
  ~SceneOfCall() { close_scene(scene_, space_); }
  SceneOfCall(const SceneOfCall&) = delete;
  SceneOfCall& operator=(const SceneOfCall&) = delete;

 private:
  svma_scene& scene_;
  const AddressSpace& space_;
};

}  // namespace svma
