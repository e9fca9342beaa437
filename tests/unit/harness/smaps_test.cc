// SPDX-License-Identifier: GPL-2.0-only
#include "lib/smaps.hpp"

#include <gtest/gtest.h>

namespace svma::test {
namespace {

// As v6.12 prints it; the name of the second file holds what looks like a line.
constexpr const char* kText =
    "55d0c0a00000-55d0c0a02000 r-xp 00001000 fe:00 131 /usr/bin/true\n"
    "Size:                  8 kB\n"
    "KernelPageSize:        4 kB\n"
    "MMUPageSize:           4 kB\n"
    "Rss:                   8 kB\n"
    "Pss:                   2 kB\n"
    "Pss_Dirty:             1 kB\n"
    "Shared_Clean:          8 kB\n"
    "Shared_Dirty:          0 kB\n"
    "Private_Clean:         0 kB\n"
    "Private_Dirty:         0 kB\n"
    "Referenced:            4 kB\n"
    "Anonymous:             0 kB\n"
    "KSM:                   0 kB\n"
    "LazyFree:              0 kB\n"
    "AnonHugePages:         0 kB\n"
    "ShmemPmdMapped:        0 kB\n"
    "FilePmdMapped:         0 kB\n"
    "Shared_Hugetlb:        0 kB\n"
    "Private_Hugetlb:       0 kB\n"
    "Swap:                  0 kB\n"
    "SwapPss:               0 kB\n"
    "Locked:                2 kB\n"
    "THPeligible:           0\n"
    "ProtectionKey:         3\n"
    "VmFlags: rd ex mr mw me lo\n"
    "7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /tmp/Rss: 9 kB\n"
    "Rss:                   4 kB\n"
    "VmFlags: rd wr sh mr mw me ms \n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"
    "Rss:                   0 kB\n"
    "VmFlags: ex \n";

TEST(Smaps, Text_EachLineInItsField) {
  const auto records = parse_smaps_records(kText);
  ASSERT_EQ(records.size(), 2u) << "vsyscall is in no mm";
  const SmapsRecord& record = records[0];
  EXPECT_EQ(record.start, 0x55d0c0a00000u);
  EXPECT_EQ(record.end, 0x55d0c0a02000u);
  EXPECT_EQ(record.rss, 8u);
  EXPECT_EQ(record.pss, 2u);
  EXPECT_EQ(record.pss_dirty, 1u);
  EXPECT_EQ(record.shared_clean, 8u);
  EXPECT_EQ(record.referenced, 4u);
  EXPECT_EQ(record.locked, 2u);
  EXPECT_EQ(record.protection_key, 3u);
  EXPECT_EQ(records[1].start, 0x7f0000000000u);
  EXPECT_EQ(records[1].rss, 4u);
}

TEST(Smaps, LinesOfOtherKernels_AreAbsent) {
  const auto records = parse_smaps_records(kText);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].ksm, 0u);
  EXPECT_FALSE(records[1].ksm) << "no line, not zero";
  EXPECT_FALSE(records[1].pss_dirty);
  EXPECT_FALSE(records[1].protection_key);
}

TEST(Smaps, Flags_ByWholeLetters) {
  const auto records = parse_smaps_records(kText);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(records[0].has_flag("lo")) << "the last one without a space behind it";
  EXPECT_TRUE(records[0].has_flag("rd"));
  EXPECT_FALSE(records[0].has_flag("sh"));
  EXPECT_TRUE(records[1].has_flag("sh"));
}

TEST(Smaps, CutText_NoCrash) {
  const std::string text(kText);
  for (size_t length = 0; length <= text.size(); ++length)
    EXPECT_LE(parse_smaps_records(text.substr(0, length)).size(), 3u);
}

}  // namespace
}  // namespace svma::test
