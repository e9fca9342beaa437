// SPDX-License-Identifier: GPL-2.0-only
//
// The one translation unit that kbuild compiles. Several C++ objects in one module would share
// inline functions in COMDAT groups, which `ld -r` discards while __mcount_loc still refers to
// them.
#define SVMA_UNITY

#include "abi/core_api.cc"
#include "replay/advice.cc"
#include "replay/call.cc"
#include "replay/compare.cc"
#include "replay/placement.cc"
#include "replay/plan.cc"
#include "replay/plan_brk.cc"
#include "replay/plan_mbind.cc"
#include "replay/plan_mremap.cc"
#include "replay/predict.cc"
#include "replay/rmap_follower.cc"
#include "replay/scene.cc"
#include "replay/semantics.cc"
#include "replay/shadow.cc"
#include "replay/structure.cc"
#include "rmap/adopt.cc"
#include "rmap/anon_vma.cc"
#include "rmap/change.cc"
#include "rmap/file.cc"
#include "rmap/reserve.cc"
#include "rmap/semantics.cc"
#include "rmap/verify.cc"
#include "vma/address_space.cc"
#include "vma/adjust.cc"
#include "vma/copy_vma.cc"
#include "vma/empty_area.cc"
#include "vma/merge.cc"
#include "vma/reserve.cc"
#include "vma/unmap.cc"
#include "vma/unmapped_area.cc"
#include "vma/verify.cc"
