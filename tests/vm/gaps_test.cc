// SPDX-License-Identifier: GPL-2.0-only
//
// Where will the next mmap() land? SVMA_IOC_LIMITS and SVMA_IOC_GAP are asked, then the kernel is:
// this process tracks itself, so that nothing happens between the two but what a test does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>

#include "tracee.hpp"

namespace guest {
namespace {

constexpr uint64_t kHuge = 2ull << 20;
constexpr uint64_t kTaskSize = 0x7ffffffff000;

// How a mapping is asked for, and what that makes of the search.
struct Request {
  uint64_t length;
  int flags;  // of mmap()
  uint64_t align_mask = 0;
};

class Gaps : public testing::Test {
 protected:
  void SetUp() override {
    mapped_.reserve(20000);
    ASSERT_EQ(device_.Track(getpid(), 0, &id_), 0);
    limits_ = Argument<svma_limits>();
    limits_.mm_id = id_;
    ASSERT_EQ(device_.Ask(SVMA_IOC_LIMITS, &limits_), 0);
  }
  void TearDown() override {
    for (auto [start, length] : mapped_) munmap(reinterpret_cast<void*>(start), length);
  }

  std::optional<uint64_t> Search(const Request& request, uint32_t flags, uint64_t low,
                                 uint64_t high) {
    auto gap = Argument<svma_gap>();
    gap.mm_id = id_;
    gap.flags = flags;
    gap.length = request.length;
    gap.low_limit = low;
    gap.high_limit = high;
    gap.align_mask = request.align_mask;
    EXPECT_EQ(device_.Ask(SVMA_IOC_GAP, &gap), 0);
    return gap.error ? std::nullopt : std::optional<uint64_t>(gap.result);
  }

  // Some kernels put what is as long as huge pages where one begins, if there is room.
  std::optional<uint64_t> Predict(const Request& request) {
    static const bool at_huge_pages = Choice("places_at_huge_pages") == "yes";
    if (!at_huge_pages || (request.flags & MAP_HUGETLB) || request.length % kHuge != 0) {
      return PredictPlain(request);
    }
    const auto padded = PredictPlain({request.length + kHuge, request.flags});
    if (!padded) return PredictPlain(request);
    const bool last = limits_.topdown && *padded % kHuge == 0;
    return last ? *padded + kHuge : (*padded + kHuge - 1) / kHuge * kHuge;
  }

  std::optional<uint64_t> PredictPlain(const Request& request) {
    if (request.flags & MAP_32BIT) return Search(request, 0, 0x40000000, 0x80000000);
    auto first = Search(request, limits_.topdown ? SVMA_GAP_TOPDOWN : 0, limits_.low_limit,
                        limits_.high_limit);
    if (first || !limits_.fallback_high) return first;
    return Search(request, 0, limits_.fallback_low, limits_.fallback_high);
  }

  // Asks both. RETURNS: whether they agree; the mapping, if any, is kept.
  bool Agree(const Request& request) {
    const auto predicted = Predict(request);
    void* got = mmap(nullptr, request.length, PROT_NONE,
                     request.flags | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const int error = errno;
    std::optional<uint64_t> live;
    if (got != MAP_FAILED) {
      live = reinterpret_cast<uint64_t>(got);
      mapped_.push_back({*live, request.length});
    } else {
      EXPECT_EQ(error, ENOMEM);
    }
    compared_++;
    EXPECT_EQ(predicted.value_or(0), live.value_or(0))
        << std::hex << "length " << request.length << " flags " << request.flags;
    return predicted == live;
  }

  // A piece of something that is mapped, or all of it.
  void UnmapSomething() {
    if (mapped_.empty()) return;
    auto& one = mapped_[random_() % mapped_.size()];
    auto [start, length] = one;
    const bool whole = random_() % 2 || length % kHuge == 0;
    const uint64_t pages = length / kPage;
    const uint64_t first = whole ? 0 : random_() % pages;
    const uint64_t count = whole ? pages : 1 + random_() % (pages - first);
    munmap(reinterpret_cast<void*>(start + first * kPage), count * kPage);
    one = mapped_.back();
    mapped_.pop_back();
    if (first) mapped_.push_back({start, first * kPage});
    if (first + count < pages)
      mapped_.push_back({start + (first + count) * kPage, (pages - first - count) * kPage});
  }

  uint64_t RandomLength() {
    switch (random_() % 8) {
      case 0:
        return (1 + random_() % 600) * kHuge;
      case 1:
        return (1ull << (12 + random_() % 34)) + (random_() % 2) * kPage;
      default:
        return (1 + random_() % (random_() % 4 ? 20 : 3000)) * kPage;
    }
  }

  void CompareMany(int times, int flags, bool with_huge) {
    for (int i = 0; i < times / Patience(); i++) {
      Request request{RandomLength(), flags};
      if (with_huge && i % 3 == 0) {
        // hugetlb_get_unmapped_area() aligns; without a reservation no huge page is needed.
        request = {(1 + random_() % 8) * kHuge, MAP_HUGETLB, (kHuge - 1) & ~(kPage - 1)};
      }
      if (!Agree(request)) {
        ASSERT_LT(++failures_, 5) << "step " << i;
      }
      while (random_() % 5 < 2 || mapped_.size() > 900) UnmapSomething();
    }
    printf("%d answers compared, %d differ\n", compared_, failures_);
    EXPECT_EQ(failures_, 0);
  }

  Device device_;
  uint64_t id_ = 0;
  svma_limits limits_{};
  std::vector<std::pair<uint64_t, uint64_t>> mapped_;
  std::mt19937_64 random_{20240608};
  int compared_ = 0;
  int failures_ = 0;
};

TEST_F(Gaps, Limits_TopDownLayout_AsTheKernelUsesThem) {
  EXPECT_EQ(limits_.topdown, 1u);
  EXPECT_EQ(limits_.low_limit, kPage);
  EXPECT_LT(limits_.high_limit, kTaskSize - (128ull << 20) + 1);
  EXPECT_GT(limits_.high_limit, kTaskSize / 6);
  EXPECT_GT(limits_.fallback_low, kTaskSize / 3 - kPage);
  EXPECT_EQ(limits_.fallback_high, kTaskSize);
  EXPECT_EQ(limits_.task_size, kTaskSize);
  EXPECT_EQ(limits_.stack_guard_gap, 256 * kPage);
}

TEST_F(Gaps, Limits_BadArguments_Refused) {
  auto limits = Argument<svma_limits>();
  limits.mm_id = id_;
  limits.flags = 1;
  EXPECT_EQ(device_.Ask(SVMA_IOC_LIMITS, &limits), EINVAL);
  limits.flags = 0;
  limits.mm_id = ~0ull;
  EXPECT_EQ(device_.Ask(SVMA_IOC_LIMITS, &limits), ENOENT);
}

TEST_F(Gaps, PlainMmap_ThousandsOfTimes_LandsWherePredicted) { CompareMany(6000, 0, false); }

TEST_F(Gaps, HugePagesBetween_LandsWherePredicted) { CompareMany(3000, 0, true); }

// What does not fit below mmap_base is searched once more from the legacy base upwards. How many
// mappings that makes depends on where randomisation put the base: what is certain is that each
// size is refused in the end, and that some land above the base, where only the second search
// looks.
TEST_F(Gaps, AlmostEverything_LandsWherePredictedOrEnomem) {
  int sizes = 0;
  for (uint64_t mib = 40000 << 10; mib > 0; mib = mib * 3 / 4) {
    sizes++;
    size_t before;
    do {
      before = mapped_.size();
      ASSERT_TRUE(Agree({mib << 20, 0}));
    } while (mapped_.size() > before);
  }
  EXPECT_EQ(compared_, sizes + static_cast<int>(mapped_.size()));
  const auto above_base = std::count_if(mapped_.begin(), mapped_.end(), [this](const auto& range) {
    return range.first >= limits_.high_limit;
  });
  EXPECT_GT(above_base, 0);
  EXPECT_LT(static_cast<size_t>(above_base), mapped_.size());
}

TEST_F(Gaps, LegacyLayout_LandsWherePredicted) {
  if (!InPersonality(ADDR_COMPAT_LAYOUT)) return;
  EXPECT_EQ(limits_.topdown, 0u);
  EXPECT_EQ(limits_.fallback_high, 0u);
  CompareMany(6000, 0, true);
}

// With address randomisation each such call draws its own lower end.
TEST_F(Gaps, Map32Bit_ByLimits_LandsWherePredicted) {
  if (!InPersonality(ADDR_NO_RANDOMIZE)) return;
  CompareMany(5000, MAP_32BIT, false);
}

TEST(GapsCommand, ForSleepingProcess_LandsWherePredicted) {
  Puppet puppet;
  std::mt19937_64 random(3);
  for (int i = 0; i < 12; i++) {
    const uint64_t length = (1 + random() % 700) * kPage;
    char command[128];
    unsigned long long predicted = 0;
    snprintf(command, sizeof(command), "/opt/svma/bin/svma gaps %d --len %llu", puppet.pid(),
             static_cast<unsigned long long>(length));
    FILE* out = popen(command, "r");
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(fscanf(out, "%llx", &predicted), 1);
    EXPECT_EQ(pclose(out), 0);
    Answer got =
        puppet.Syscall(SYS_mmap, {0, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0});
    EXPECT_EQ(static_cast<unsigned long long>(got.value), predicted);
  }
}

}  // namespace
}  // namespace guest
