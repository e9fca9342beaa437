// SPDX-License-Identifier: GPL-2.0-only
// Delta debugging: a small part of a failing sequence that still fails. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace svma {

using Steps = std::vector<uint32_t>;

struct Shrunk {
  Steps steps;
  size_t runs = 0;
  bool minimal = false;  // no single step can be left out; false when the runs were used up before
};

// First by bisection, as if the last step and few others mattered, whatever stands between them:
//
//     ................M   the last step alone?
//     ........████████M   shortest end that fails; its first step matters: keep it, go on above it
//     ........m...████M
//
// Then ddmin of Zeller and Hildebrandt (Simplifying and Isolating Failure-Inducing Input, 2002)
// makes sure of what is left:
//
//     n = 2    ████████ ████████      fails with one part?       go on with it, n = 2
//     n = 4    ████ ████ ████ ████    fails without one part?    go on without it, n - 1
//                                     neither                    parts half as long
//
// REQUIRES: `steps` is not empty and fails. `fails` is called at most `most_runs` times. Where k of
// n steps matter, k * log n + k * k runs are to be expected.
Shrunk ddmin(Steps steps, const std::function<bool(const Steps&)>& fails, size_t most_runs);

// "3,7,10-20" of ascending numbers: the form of svma-generate --steps.
std::string steps_text(const Steps& steps);

}  // namespace svma
