// SPDX-License-Identifier: GPL-2.0-only
//
// libFuzzer: bytes become the life of some processes (tests/support/rmap_world.hpp). After each
// step core/rmap is verified, held against the naive model, and every page must be found by a walk
// wherever it is mapped. The first byte says whose choices are followed; a step whose first byte is
// large enough is given one allocation that fails.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "abi/core_api.h"
#include "fuzz_input.hpp"
#include "os_services.hpp"
#include "rmap_world.hpp"

namespace svma {
namespace {

constexpr const char* kKernels[] = {"5.10", "6.1", "6.12", "7.3"};
constexpr unsigned kMaxSteps = 200;

// Of the whole run. A fuzzer that has compared nothing has failed.
test::ComparisonCount comparisons;

[[noreturn]] void die(unsigned step, const std::string& what, const std::string& why) {
  std::fprintf(stderr, "after step %u (%s): %s\n", step, what.c_str(), why.c_str());
  std::abort();
}

void run(test::Bytes bytes) {
  test::RmapWorld world(*find_rmap_semantics(kKernels[bytes.below(4)]));
  for (unsigned step = 1; step <= kMaxSteps && !bytes.empty(); ++step) {
    const u64 choice = bytes.next();
    test::fail_allocation(choice >= 224 ? 1 + choice % 8 : 0);
    world.random_step([&](u64 limit) { return bytes.below(limit); });
    test::fail_allocation(0);
    const std::string wrong = world.check();
    if (!wrong.empty()) die(step, world.last_step(), wrong);
  }
  comparisons += world.comparisons();
}

}  // namespace
}  // namespace svma

extern "C" int LLVMFuzzerInitialize(int*, char***) { return svma::test::switch_mutation_on(); }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  svma::run(svma::test::Bytes(data, size));
  if (svma::test::allocations_outstanding() != 0) {
    std::fprintf(stderr, "leak\n");
    std::abort();
  }
  return 0;
}
