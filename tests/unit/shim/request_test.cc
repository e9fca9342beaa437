// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <cerrno>

#include "request_spec.hpp"

namespace svma {
namespace {

using test::allowed;
using test::kNowhere;
using test::kTaskSize4Levels;
using test::RequestArgument;
using test::RequestSpec;

// One that is allowed.
RequestArgument plain(const RequestSpec& spec) {
  RequestArgument a(spec.command);
  if (spec.command == SVMA_IOC_TRACK) a.put32(offsetof(svma_track, pid), 1);
  if (spec.command == SVMA_IOC_GAP) a.put64(offsetof(svma_gap, length), 4096);
  if (spec.command == SVMA_IOC_PAGES) {
    a.put32(offsetof(svma_pages, capacity), 1);
    a.put64(offsetof(svma_pages, end), 4096);
  }
  return a;
}

int check(const RequestSpec& spec, const RequestArgument& a) {
  return svma_request_check(spec.command, a.argument(), kTaskSize4Levels);
}

class Request : public testing::TestWithParam<RequestSpec> {};

TEST_P(Request, Plain_Accepted) {
  EXPECT_TRUE(svma_request_known(GetParam().command));
  EXPECT_EQ(check(GetParam(), plain(GetParam())), 0);
}

TEST_P(Request, OtherSizeOrDirection_Unknown) {
  EXPECT_FALSE(svma_request_known(GetParam().command + (8u << _IOC_SIZESHIFT)));
  EXPECT_FALSE(svma_request_known(GetParam().command ^ (_IOC_READ << _IOC_DIRSHIFT)));
}

TEST_P(Request, SizeFieldOfAnother_Refused) {
  RequestArgument a = plain(GetParam());
  for (std::uint32_t size :
       {std::uint32_t{0}, std::uint32_t(a.size() - 1), std::uint32_t(a.size() + 8)}) {
    a.put32(0, size);
    EXPECT_EQ(check(GetParam(), a), -EINVAL) << size;
  }
}

TEST_P(Request, UnknownFlag_Refused) {
  const RequestSpec& spec = GetParam();
  if (spec.flags == kNowhere) {
    EXPECT_TRUE(spec.command == SVMA_IOC_VERSION || spec.command == SVMA_IOC_MM ||
                spec.command == SVMA_IOC_SEMANTIC);
    return;
  }
  for (unsigned bit = 0; bit < 32; ++bit) {
    RequestArgument a = plain(spec);
    a.put32(spec.flags, 1u << bit);
    if (spec.command == SVMA_IOC_TRACK && 1u << bit == SVMA_TRACK_CHILDREN)
      a.put32(offsetof(svma_track, pid), 0);
    EXPECT_EQ(check(spec, a), spec.known >> bit & 1 ? 0 : -EINVAL) << "bit " << bit;
  }
}

TEST_P(Request, ReservedNotZero_Refused) {
  const RequestSpec& spec = GetParam();
  if (spec.reserved == kNowhere) {
    EXPECT_EQ(check(spec, plain(spec)), 0);
    return;
  }
  for (unsigned bit = 0; bit < 32; ++bit) {
    RequestArgument a = plain(spec);
    a.put32(spec.reserved, 1u << bit);
    EXPECT_EQ(check(spec, a), -EINVAL) << "bit " << bit;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Request, testing::ValuesIn(test::kRequests),
                         [](const auto& each) { return std::string(each.param.name); });

int check_gap(std::uint64_t length, std::uint64_t low, std::uint64_t high, std::uint64_t mask) {
  svma_argument a = {};
  a.gap.size = sizeof(a.gap);
  a.gap.length = length;
  a.gap.low_limit = low;
  a.gap.high_limit = high;
  a.gap.align_mask = mask;
  return svma_request_check(SVMA_IOC_GAP, &a, kTaskSize4Levels);
}

TEST(RequestOfGap, Ranges) {
  EXPECT_EQ(check_gap(4096, 0, kTaskSize4Levels, 0), 0);
  EXPECT_EQ(check_gap(4096, 4096, 4096, 0), 0);
  EXPECT_EQ(check_gap(0, 0, kTaskSize4Levels, 0), -EINVAL);
  EXPECT_EQ(check_gap(4095, 0, kTaskSize4Levels, 0), -EINVAL);
  EXPECT_EQ(check_gap(4096, 0, kTaskSize4Levels + 1, 0), -EINVAL);
  EXPECT_EQ(check_gap(4096, 8192, 4096, 0), -EINVAL);
}

TEST(RequestOfGap, MasksAreThoseOfPowersOfTwo) {
  for (std::uint64_t mask : {0x0ull, 0xfffull, 0x1fffffull, 0x1ff000ull, ~0ull, ~0xfffull})
    EXPECT_EQ(check_gap(4096, 0, 4096, mask), 0) << std::hex << mask;
  for (std::uint64_t mask : {0x5ull, 0x800ull, 0x1ff800ull, 0x2000ull, ~0xffull})
    EXPECT_EQ(check_gap(4096, 0, 4096, mask), -EINVAL) << std::hex << mask;
}

int check_pages(std::uint64_t start, std::uint64_t end, std::uint32_t capacity) {
  svma_argument a = {};
  a.pages.size = sizeof(a.pages);
  a.pages.start = start;
  a.pages.end = end;
  a.pages.capacity = capacity;
  return svma_request_check(SVMA_IOC_PAGES, &a, kTaskSize4Levels);
}

TEST(RequestOfPages, Ranges) {
  EXPECT_EQ(check_pages(0, SVMA_NONE, 1), 0);
  EXPECT_EQ(check_pages(4096, kTaskSize4Levels, 1), 0);
  EXPECT_EQ(check_pages(4096, 4096, 1), -EINVAL);
  EXPECT_EQ(check_pages(kTaskSize4Levels, SVMA_NONE, 1), -EINVAL);
  EXPECT_EQ(check_pages(0, kTaskSize4Levels + 4096, 1), -EINVAL);
  EXPECT_EQ(check_pages(1, 4096, 1), -EINVAL);
  EXPECT_EQ(check_pages(0, 4097, 1), -EINVAL);
  EXPECT_EQ(check_pages(0, 4096, 0), -EINVAL);
}

TEST(RequestOfTrack, ChildrenNameNoPid) {
  svma_argument a = {};
  a.track.size = sizeof(a.track);
  EXPECT_EQ(svma_request_check(SVMA_IOC_TRACK, &a, kTaskSize4Levels), -EINVAL);
  a.track.pid = -1;
  EXPECT_EQ(svma_request_check(SVMA_IOC_TRACK, &a, kTaskSize4Levels), -EINVAL);
  a.track.pid = 1;
  a.track.flags = SVMA_TRACK_CHILDREN;
  EXPECT_EQ(svma_request_check(SVMA_IOC_TRACK, &a, kTaskSize4Levels), -EINVAL);
}

TEST(RequestOfSharers, FileNamesNoProcess) {
  svma_argument a = {};
  a.sharers.size = sizeof(a.sharers);
  a.sharers.pid = 1;
  EXPECT_EQ(svma_request_check(SVMA_IOC_SHARERS, &a, kTaskSize4Levels), 0);
  a.sharers.flags = SVMA_SHARERS_FILE;
  EXPECT_EQ(svma_request_check(SVMA_IOC_SHARERS, &a, kTaskSize4Levels), -EINVAL);
}

TEST(RequestOfWalk, AddressOfAProcess) {
  svma_argument a = {};
  a.walk.size = sizeof(a.walk);
  a.walk.addr = kTaskSize4Levels - 1;
  EXPECT_EQ(svma_request_check(SVMA_IOC_WALK, &a, kTaskSize4Levels), 0);
  a.walk.addr = kTaskSize4Levels;
  EXPECT_EQ(svma_request_check(SVMA_IOC_WALK, &a, kTaskSize4Levels), -EINVAL);
}

}  // namespace
}  // namespace svma
