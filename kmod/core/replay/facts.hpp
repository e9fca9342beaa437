// SPDX-License-Identifier: GPL-2.0-only
//
// The whole list of what feeds a prediction without being predicted. Everything else about an
// operation is computed from its arguments and the shadow. Each use is counted by its kind.
#pragma once

#include "abi/core_api.h"
#include "base/types.hpp"

namespace svma {

// The numbers are those of enum svma_fact in uapi/svma.h.
enum class Fact : u8 {
  kAnonVma = 0,     // an anon_vma is an object: which one a first fault made is its identity
  kDriver = 1,      // ->mmap() of a file may change vm_flags, vm_pgoff, vm_file and vm_ops
  kSharedAnon = 2,  // MAP_SHARED|MAP_ANONYMOUS gets a new shmem file: its identity
  kFork = 3,        // fork makes new objects: anon_vmas, mempolicies, userfaultfd contexts
  kRemapEvent = 4,  // the owner of a userfaultfd context chose whether mremap keeps it
  kFailure = 5,     // memory, a driver or a security module said no
  kSpecial = 6,     // a special mapping's place and attributes are chosen by who makes it
  kAddress = 7,     // an address chosen by a driver or drawn at random
  kFile = 8,        // access mode, mount options and seals of a file
  kResource = 9,    // an rlimit, a sysctl or a capability decided; prctl() moved the heap
  kOrder = 10,      // holders of the lock for reading counted in an order that is not seen
};

inline void count_fact(svma_verdict& verdict, Fact fact) {
  ++verdict.facts;
  ++verdict.facts_by_kind[static_cast<u8>(fact)];
}

}  // namespace svma
