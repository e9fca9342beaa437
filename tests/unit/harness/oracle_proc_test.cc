// SPDX-License-Identifier: GPL-2.0-only
#include "lib/oracle_proc.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace svma::test {
namespace {

TEST(Faults, MinorAndMajor_ChildrensNot) {
  EXPECT_EQ(parse_faults("42 (cat) R 1 42 42 34816 42 4194304 107 900 3 70 0 0 0 0 20 0 1 0\n"),
            110u);
}

TEST(Faults, NameWithWhatEndsNames_TheLastCounts) {
  EXPECT_EQ(parse_faults("42 (a) R 1 2) (b) S 1 42 42 0 -1 4194304 5 0 6 0 0 0\n"), 11u);
}

TEST(Faults, CutText_None) {
  EXPECT_EQ(parse_faults(""), std::nullopt);
  EXPECT_EQ(parse_faults("42 (cat"), std::nullopt);
  EXPECT_EQ(parse_faults("42 (cat) R 1 42 42 34816 42 4194304 107 900"), std::nullopt);
}

TEST(Faults, OfThisProcess_RaisedByAFault) {
  const auto before = faults_of(getpid());
  ASSERT_TRUE(before.has_value());
  constexpr size_t kSize = size_t{1} << 16;
  void* const memory =
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  *static_cast<volatile char*>(memory) = 1;
  EXPECT_GT(faults_of(getpid()), before);
  munmap(memory, kSize);
}

}  // namespace
}  // namespace svma::test
