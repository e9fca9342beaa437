// SPDX-License-Identifier: GPL-2.0-only
//
// Which VMA is in the tree of which file. The kernel's tree is a part of the inode and is there as
// long as that is; here it is made for the first VMA of the file and goes with the last.
#include "base/mutation.hpp"
#include "rmap/rmap.hpp"

// Always last.
#include "enforce.hpp"

namespace svma {

Status Rmap::link_file(RmapVma* vma, FileId id, RmapVma* source, RmapReserve& reserve) {
  FileRmap* file = files_.find(id);
  if (!file) {
    file = reserve.take_file();
    if (!file) return Status::error(kENOMEM);
    file->id = id;
    files_.add(file);
  }
  vma->mapping = file;
  if (source) {
    insert_behind(vma, source);
  } else {
    vma_link_file(vma);
  }
  return kOk;
}

void Rmap::unlink_file_vma(RmapVma* vma) {
  FileRmap* const file = vma->mapping;
  if (!file) return;
  remove_shared_vm_struct(vma);
  if (!file->i_mmap.empty() || mutated(Mutation::file_tree_leaked)) return;
  files_.remove(file);
  svma_os_file_rmap_free(file);
}

}  // namespace svma
