// SPDX-License-Identifier: GPL-2.0-only
#include "lib/ddmin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace svma {
namespace {

// Part `index` of `count` nearly equal ones.
struct Part {
  size_t begin;
  size_t end;
};

Part part_of(size_t size, size_t index, size_t count) {
  return {size * index / count, size * (index + 1) / count};
}

Steps only(const Steps& steps, Part part) {
  return {steps.begin() + static_cast<ptrdiff_t>(part.begin),
          steps.begin() + static_cast<ptrdiff_t>(part.end)};
}

Steps without(const Steps& steps, Part part) {
  Steps rest = only(steps, {0, part.begin});
  rest.insert(rest.end(), steps.begin() + static_cast<ptrdiff_t>(part.end), steps.end());
  return rest;
}

Steps joined(const Steps& first, const Steps& second) {
  Steps all;
  std::merge(first.begin(), first.end(), second.begin(), second.end(), std::back_inserter(all));
  return all;
}

// One failing sequence on its way down.
class Shrinker {
 public:
  Shrinker(Steps steps, const std::function<bool(const Steps&)>& fails, size_t most_runs)
      : steps_(std::move(steps)), fails_(fails), most_runs_(most_runs) {}

  Shrunk shrink() {
    bisect();
    for (size_t parts = 2; steps_.size() > 1;) {
      parts = std::min(parts, steps_.size());
      if (keep_one(parts)) {
        parts = 2;
      } else if (drop_one(parts)) {
        parts = std::max<size_t>(parts - 1, 2);
      } else if (used_up() || parts == steps_.size()) {
        break;
      } else {
        parts *= 2;
      }
    }
    return {steps_, runs_, !used_up()};
  }

 private:
  bool used_up() const { return runs_ >= most_runs_; }

  // RETURNS: whether `steps` fails; it is then what we go on with.
  bool take(Steps steps) {
    if (used_up()) return false;
    ++runs_;
    if (!fails_(steps)) return false;
    steps_ = std::move(steps);
    return true;
  }

  // Finds one step that matters after the other, each by bisection.
  void bisect() {
    Steps needed = {steps_.back()};
    Steps earlier = only(steps_, {0, steps_.size() - 1});
    while (!used_up() && !take(needed) && !earlier.empty()) {
      // The shortest end of `earlier` that fails together with `needed` begins with a needed step.
      size_t first = 0, past = earlier.size();
      while (past - first > 1 && !used_up()) {
        const size_t middle = first + (past - first) / 2;
        if (take(joined(only(earlier, {middle, earlier.size()}), needed)))
          first = middle;
        else
          past = middle;
      }
      needed = joined(needed, {earlier[first]});
      earlier = only(earlier, {first + 1, earlier.size()});
    }
  }

  // The last part first: what fails is at the end of the sequence.
  bool keep_one(size_t parts) {
    for (size_t i = parts; i-- > 0;)
      if (take(only(steps_, part_of(steps_.size(), i, parts)))) return true;
    return false;
  }

  bool drop_one(size_t parts) {
    if (parts == 2) return false;  // what is left then is the other part
    for (size_t i = 0; i < parts; ++i)
      if (take(without(steps_, part_of(steps_.size(), i, parts)))) return true;
    return false;
  }

  Steps steps_;
  const std::function<bool(const Steps&)>& fails_;
  const size_t most_runs_;
  size_t runs_ = 0;
};

}  // namespace

Shrunk ddmin(Steps steps, const std::function<bool(const Steps&)>& fails, size_t most_runs) {
  return Shrinker(std::move(steps), fails, most_runs).shrink();
}

std::string steps_text(const Steps& steps) {
  std::string text;
  for (size_t first = 0, next; first < steps.size(); first = next) {
    next = first + 1;
    while (next < steps.size() && steps[next] == steps[next - 1] + 1) ++next;
    if (!text.empty()) text += ',';
    text += std::to_string(steps[first]);
    if (next - first > 1) text += fmt::format("-{}", steps[next - 1]);
  }
  return text;
}

}  // namespace svma
