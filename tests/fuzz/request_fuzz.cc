// SPDX-License-Identifier: GPL-2.0-only
//
// libFuzzer: bytes become a request and its argument, mostly near one that is allowed. What the
// module's first look (kmod/shim/request.h) says of it must be what the table of
// tests/support/request_spec.hpp says; it may read the argument and nothing behind it.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz_input.hpp"
#include "request_spec.hpp"

namespace svma {
namespace {

// Of the whole run. A fuzzer that has compared nothing has failed.
test::ComparisonCount comparisons;

u64 number(test::Bytes& bytes, u64 task_size) {
  const u64 raw = bytes.next() | bytes.next() << 8;
  switch (bytes.below(8)) {
    case 0:
      return raw;
    case 1:
      return raw << 12;
    case 2:
      return task_size - (raw % 3) * 4096;
    case 3:
      return task_size + raw;
    case 4:
      return (1ull << raw % 64) - 1;
    case 5:
      return ~u64{0} << raw % 64;
    case 6:
      return ~u64{0};
    default:
      return 0;
  }
}

[[noreturn]] void die(const test::RequestSpec& spec, test::RequestArgument& argument, int said) {
  std::fprintf(stderr, "%s: the module says %d of\n", spec.name, said);
  for (std::size_t i = 0; i < argument.size(); i += 4)
    std::fprintf(stderr, "%4zu: %08x\n", i, argument.get32(i));
  std::abort();
}

void known_or_not(u64 command) {
  bool known = false;
  for (const test::RequestSpec& spec : test::kRequests) known = known || spec.command == command;
  if (known != !!svma_request_known(static_cast<unsigned>(command))) {
    std::fprintf(stderr, "request %#llx: known or not?\n",
                 static_cast<unsigned long long>(command));
    std::abort();
  }
  ++comparisons;
}

void run(test::Bytes bytes) {
  const test::RequestSpec& spec = test::kRequests[bytes.below(test::kRequests.size())];
  const u64 task_size = bytes.below(2) ? test::kTaskSize4Levels : (1ull << 56) - 4096;
  known_or_not(spec.command ^ (bytes.below(4) ? 0 : 1u << bytes.below(32)));

  test::RequestArgument argument(spec.command);
  const u64 changes = bytes.below(8);
  for (u64 i = 0; i < changes; ++i) {
    const u64 words = argument.size() / 4;
    const u64 word = (bytes.next() | bytes.next() << 8) % words;
    const u64 value = number(bytes, task_size);
    if (bytes.below(2) && word + 1 < words) {
      argument.put64(word / 2 * 8 + 8 <= argument.size() ? word / 2 * 8 : 0, value);
    } else {
      argument.put32(word * 4, static_cast<std::uint32_t>(value));
    }
    // What reaches the ranges has a right size.
    if (bytes.below(8)) argument.put32(0, static_cast<std::uint32_t>(argument.size()));
  }

  const std::string before = argument.bytes();
  const int said = svma_request_check(spec.command, argument.argument(), task_size);
  const bool allowed = test::allowed(spec, argument, task_size);
  if (said != (allowed ? 0 : -EINVAL) || before != argument.bytes()) die(spec, argument, said);
  ++comparisons;
}

}  // namespace
}  // namespace svma

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  svma::run(svma::test::Bytes(data, size));
  return 0;
}
