// SPDX-License-Identifier: GPL-2.0-only
//
// libFuzzer: bytes become page tables in a small memory, garbage allowed, and walks over them
// (tests/support/table_world.hpp). Runs, sums and ways must be those of the naive model, whatever
// the budgets, and each part of a walk goes forward and keeps to its budget. The first byte says
// whose format it is.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "abi/core_api.h"
#include "fuzz_input.hpp"
#include "table_world.hpp"

namespace svma {
namespace {

constexpr unsigned kMaxSteps = 64;

// Of the whole run. A fuzzer that has compared nothing has failed.
test::ComparisonCount comparisons;

[[noreturn]] void die(unsigned step, const std::string& why) {
  std::fprintf(stderr, "after step %u: %s\n", step, why.c_str());
  std::abort();
}

void run(test::Bytes bytes) {
  const u64 format = bytes.below(8);
  test::TableWorld world(test::x86::kKernels[format % 4], 4 + format / 4);
  // A number above 255 takes two bytes.
  const auto choose = [&](u64 limit) {
    const u64 low = bytes.next();
    return (limit > 256 ? low << 8 | bytes.next() : low) % limit;
  };
  for (unsigned step = 1; step <= kMaxSteps && !bytes.empty(); ++step) {
    world.random_step(choose);
    if (bytes.below(4) != 0 && !bytes.empty()) continue;
    const std::string wrong = world.check(choose);
    if (!wrong.empty()) die(step, wrong);
  }
  comparisons += world.comparisons();
}

}  // namespace
}  // namespace svma

extern "C" int LLVMFuzzerInitialize(int*, char***) { return svma::test::switch_mutation_on(); }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  svma::run(svma::test::Bytes(data, size));
  return 0;
}
