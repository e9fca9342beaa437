// SPDX-License-Identifier: GPL-2.0-only
#include "base/memory.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace svma {
namespace {

struct Sample {
  int first = 1;
  int second = 2;
};

TEST(ConstructAt, DirtyMemory_GetsDefaultValues) {
  alignas(Sample) unsigned char memory[sizeof(Sample)];
  std::memset(memory, 0xa5, sizeof(memory));
  const Sample* const sample = construct_at<Sample>(memory);
  EXPECT_EQ(sample->first, 1);
  EXPECT_EQ(sample->second, 2);
}

TEST(ContainerOf, Member_LeadsToItsObject) {
  Sample sample;
  EXPECT_EQ(SVMA_CONTAINER_OF(&sample.second, Sample, second), &sample);
}

}  // namespace
}  // namespace svma
