// SPDX-License-Identifier: GPL-2.0-only
//
// Memory for anon_vmas, chain entries and trees of files, taken before anything is changed.
#pragma once

#include "base/memory.hpp"
#include "base/status.hpp"
#include "rmap/rmap_vma.hpp"

// Supplied by whoever hosts the core: blocks of sizeof(svma::AnonVmaChain), sizeof(svma::AnonVma)
// and sizeof(svma::FileRmap) bytes aligned to 16, or null.
extern "C" void* svma_os_avc_alloc(void);
extern "C" void svma_os_avc_free(void* avc);
extern "C" void* svma_os_anon_vma_alloc(void);
extern "C" void svma_os_anon_vma_free(void* anon_vma);
extern "C" void* svma_os_file_rmap_alloc(void);
extern "C" void svma_os_file_rmap_free(void* file);

namespace svma {

struct RmapNeed {
  unsigned avcs = 0;
  unsigned anon_vmas = 0;
  unsigned files = 0;
};

// Invariant: a stock is chained through the first word of its blocks and holds as many as it says.
// Complexity: fill and release O(n), take O(1). Locking: none; a reserve belongs to one operation.
class RmapReserve {
 public:
  RmapReserve() = default;
  RmapReserve(const RmapReserve&) = delete;
  RmapReserve& operator=(const RmapReserve&) = delete;
  ~RmapReserve() { release(); }

  // Brings the stocks to at least `need`.
  // RETURNS: -ENOMEM when that fails; what was got until then stays.
  Status fill(RmapNeed need);

  RmapNeed available() const { return {avcs_.count, anon_vmas_.count, files_.count}; }

  // RETURNS: one with default values, or null when the stock is empty.
  AnonVmaChain* take_avc() { return take<AnonVmaChain>(avcs_); }
  AnonVma* take_anon_vma() { return take<AnonVma>(anon_vmas_); }
  FileRmap* take_file() { return take<FileRmap>(files_); }

  // Gives all stocks back to the host.
  void release();

 private:
  struct Stock {
    void** first = nullptr;
    unsigned count = 0;
  };

  static void add(Stock& stock, void* block) {
    void** const words = static_cast<void**>(block);
    *words = stock.first;
    stock.first = words;
    ++stock.count;
  }

  static void* remove(Stock& stock) {
    void** const words = stock.first;
    if (!words) return nullptr;
    stock.first = static_cast<void**>(*words);
    --stock.count;
    return words;
  }

  template <class T>
  static T* take(Stock& stock) {
    void* const block = remove(stock);
    return block ? construct_at<T>(block) : nullptr;
  }

  Stock avcs_;
  Stock anon_vmas_;
  Stock files_;
};

}  // namespace svma
