// SPDX-License-Identifier: GPL-2.0-only
//
// `svma layout` of the running kernel, against what its allocator says of its own objects.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "device.hpp"

namespace guest {
namespace {

// RETURNS: the exit status.
int Layout(const std::string& arguments, std::string* out) {
  FILE* pipe = popen(("/opt/svma/bin/svma layout " + arguments + " 2>&1").c_str(), "r");
  if (!pipe) return -1;
  char part[4096];
  out->clear();
  while (size_t got = fread(part, 1, sizeof(part), pipe)) out->append(part, got);
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Caches with a constructor are never merged with others, so their objects have the structure's
// size: mm/slab_common.c, slab_unmergeable() in v6.12.
TEST(LayoutCommand, Sizes_AreThoseOfTheAllocator) {
  const std::pair<const char*, const char*> caches[] = {
      {"anon_vma", "anon_vma"},
      {"sighand_cache", "sighand_struct"},
      {"inode_cache", "inode"},
      {"proc_inode_cache", "proc_inode"},
  };
  for (const auto& [cache, name] : caches) {
    const std::string size = ReadFile(std::string("/sys/kernel/slab/") + cache + "/object_size");
    ASSERT_FALSE(size.empty()) << cache;
    std::string text;
    EXPECT_EQ(Layout(name, &text), 0) << text;
    EXPECT_NE(text.find("\nsize " + std::to_string(std::stoul(size)) + " bytes,"),
              std::string::npos)
        << name << ": the allocator says " << size << text;
  }
}

TEST(LayoutCommand, Member_OffsetAndSize) {
  std::string text;
  EXPECT_EQ(Layout("vm_area_struct.vm_start", &text), 0);
  EXPECT_EQ(text, "vm_area_struct.vm_start: offset 0, size 8\n");
  EXPECT_EQ(Layout("'task_struct->comm'", &text), 0);
  EXPECT_NE(text.find(", size 16\n"), std::string::npos) << text;  // TASK_COMM_LEN
}

TEST(LayoutCommand, Unknown_OneClearLine) {
  std::string text;
  EXPECT_EQ(Layout("vm_area_strct", &text), 2);
  EXPECT_EQ(text.find("svma: vm_area_strct: this kernel has no such structure; similar: "), 0u)
      << text;
  EXPECT_NE(text.find("vm_area_struct"), std::string::npos) << text;
  EXPECT_EQ(Layout("page --btf /etc/passwd", &text), 2);
  EXPECT_EQ(text.find("svma: /etc/passwd: no BTF can be read there"), 0u) << text;
}

}  // namespace
}  // namespace guest
