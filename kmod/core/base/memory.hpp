// SPDX-License-Identifier: GPL-2.0-only
//
// The only place of the core where an object comes to life in raw memory.
#pragma once

#include <new>

namespace svma {

// Builds a T from `args`, value-initialised without any, in `memory`, which the caller owns and
// which is large and aligned enough. No destructor will run: the memory goes back as it is.
template <class T, class... Args>
inline T* construct_at(void* memory, Args&&... args) {
  return ::new (memory) T(static_cast<Args&&>(args)...);
}

// The object of type T whose member `member` is at `pointer`.
#define SVMA_CONTAINER_OF(pointer, T, member) \
  reinterpret_cast<T*>(reinterpret_cast<char*>(pointer) - __builtin_offsetof(T, member))

}  // namespace svma
