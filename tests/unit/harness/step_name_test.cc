// SPDX-License-Identifier: GPL-2.0-only
#include "lib/step_name.hpp"

#include <gtest/gtest.h>

namespace svma {
namespace {

TEST(StepName, KnownNumbers_InBase36) {
  EXPECT_EQ(to_text({0, 0}), "g0.0");
  EXPECT_EQ(to_text({35, 36}), "gZ.10");
  EXPECT_EQ(to_text({155, 1230}), "g4B.Y6");
}

TEST(StepName, LargestNumbers_FitAThreadName) {
  const std::string text = to_text({UINT32_MAX, kMaxStep});
  EXPECT_EQ(text, "g1Z141Z3.ZZZZZZ");
  EXPECT_EQ(text.size(), kThreadNameSize - 1);
}

TEST(StepName, Written_IsReadBack) {
  for (uint32_t seed : {0u, 1u, 35u, 36u, 1295u, 1296u, UINT32_MAX})
    for (uint32_t step : {0u, 9u, 10u, 46655u, kMaxStep}) {
      const StepName name{seed, step};
      EXPECT_EQ(parse_step_name(to_text(name)), name);
    }
}

TEST(StepName, OtherNames_AreNoSteps) {
  for (const char* text : {"", "g", "g.", "g1.", "g.1", "bash", "go.mod", "g1.2.3", "g-1.2", "G1.2",
                           "g1.01", "g00.1", "g1Z141Z4.0", "g0.1000000", "svma-generate", "g1 .2"})
    EXPECT_EQ(parse_step_name(text), std::nullopt) << text;
}

}  // namespace
}  // namespace svma
