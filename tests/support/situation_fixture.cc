// SPDX-License-Identifier: GPL-2.0-only
#include "situation_fixture.hpp"

#include <cctype>
#include <sstream>
#include <stdexcept>

namespace svma::test {

namespace {

constexpr unsigned kReserve = 3;  // more than any operation of a row takes

[[noreturn]] void unknown(const std::string& word) {
  throw std::invalid_argument("a row has an unknown word: " + word);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

bool starts_with(const std::string& word, const std::string& prefix) {
  return word.compare(0, prefix.size(), prefix) == 0;
}

VmFlags flag_of(const std::string& word) {
  static const std::map<std::string, VmFlags> kFlags = {
      {"exec", kVmExec},       {"shared", kVmShared | kVmMayShare},
      {"locked", kVmLocked},   {"soft-dirty", kVmSoftDirty},
      {"io", kVmIo},           {"dontexpand", kVmDontExpand},
      {"pfnmap", kVmPfnMap},   {"mixedmap", kVmMixedMap},
      {"account", kVmAccount}, {"down", kVmGrowsDown},
      {"pkey", u64{1} << 32},  {"hugepage", kVmHugePage},
  };
  const auto found = kFlags.find(word);
  if (found == kFlags.end()) unknown(word);
  return found->second;
}

// One word of a legend, applied.
void apply(const std::string& word, VmaAttrs& attrs) {
  const char last = word.back();
  if (word == "ro") {
    attrs.vm_flags = kRead;
  } else if (word == "rw") {
    attrs.vm_flags = kReadWrite;
  } else if (word == "rx") {
    attrs.vm_flags = kRead | kVmExec;
  } else if (word.size() == 2 && (last == '*' || last == '~')) {
    attrs.anon_vma = static_cast<u64>(word[0]);
    attrs.anon_singular = last == '*';
  } else if (word == "av0") {
    attrs.anon_vma = 0;
    attrs.anon_singular = false;
  } else if (word == "f" || word == "g") {
    attrs.file = static_cast<u64>(last);
    attrs.anonymous = false;
  } else if (word == "driver" || word == "zero") {
    attrs.anonymous = word == "zero";
  } else if (starts_with(word, "pol")) {
    attrs.vm_policy = static_cast<u32>(last - '0');
  } else if (starts_with(word, "uffd")) {
    attrs.uffd_ctx = static_cast<u64>(last - '0');
  } else if (starts_with(word, "name")) {
    attrs.anon_name = static_cast<u32>(last - '0');
  } else if (word == "close") {
    attrs.has_close = true;
  } else if (starts_with(word, "off")) {
    const i64 pages = std::stoll(word.substr(3));
    attrs.vm_pgoff = attrs.vm_pgoff + PageCount(static_cast<u64>(pages));
  } else if (starts_with(word, "pgoff=")) {
    attrs.vm_pgoff = PageOffset(std::stoull(word.substr(6)));
  } else if (word[0] == '!') {
    attrs.vm_flags &= ~flag_of(word.substr(1));
  } else {
    attrs.vm_flags |= flag_of(word);
  }
}

void apply_all(const std::vector<std::string>& words, std::size_t from, VmaAttrs& attrs) {
  for (std::size_t i = from; i < words.size(); ++i) {
    for (const std::string& word : split(words[i], ',')) apply(word, attrs);
  }
}

// What `legend` says of `name`.
void apply_legend(const std::string& legend, char name, VmaAttrs& attrs) {
  for (const std::string& entry : split(legend, ' ')) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) unknown(entry);
    if (entry.substr(0, equals).find(name) == std::string::npos) continue;
    apply_all({entry.substr(equals + 1)}, 0, attrs);
  }
}

std::size_t bar(const std::string& map) {
  const std::size_t column = map.find('|');
  if (column == std::string::npos) unknown(map);
  return column;
}

// The number behind `key` in one of `words`, or `otherwise`.
u32 number(const std::vector<std::string>& words, const std::string& key, u32 otherwise) {
  for (const std::string& word : words) {
    if (starts_with(word, key)) return static_cast<u32>(std::stoul(word.substr(key.size())));
  }
  return otherwise;
}

}  // namespace

void PrintTo(const Situation& situation, std::ostream* out) {
  *out << '"' << situation.before << "\" (" << situation.legend << ") + " << situation.operation
       << " -> \"" << situation.after << '"';
}

void SituationFixture::run(const Situation& situation) {
  draw_before(situation);
  stock(kReserve);
  const Accounting counters_before = mm_.acct();
  EXPECT_EQ(operate(situation.operation), situation.err);
  check(false);
  expect_after(situation);
  expect_counters(situation.counters, counters_before);
}

void SituationFixture::draw_before(const Situation& situation) {
  for (const std::string& entry : split(situation.legend, ' ')) {
    for (const char name : entry.substr(0, entry.find('='))) {
      if (std::string(situation.before).find(name) == std::string::npos) unknown(entry);
    }
  }
  draw(situation.before, [&](char name, VmaAttrs& attrs) {
    apply_legend(situation.legend, name, attrs);
    drawn_[name] = attrs;
  });
}

Vma* SituationFixture::named(const std::string& word) const {
  Vma* const found = word.size() == 1 ? vma(word[0]) : nullptr;
  if (!found) unknown(word);
  return found;
}

Vma* SituationFixture::optional(const Words& words, std::size_t index) const {
  return index < words.size() ? named(words[index]) : nullptr;
}

int SituationFixture::operate(const std::string& operation) {
  const Words words = split(operation, ' ');
  const std::string& what = words.at(0);
  if (const u32 reserve = number(words, "reserve=", kReserve); reserve < kReserve) {
    reserve_.release();
    stock(reserve);
  }
  if (starts_with(what, "merge:") || starts_with(what, "change:")) {
    merge(words, what[0] == 'c');
    return 0;
  }
  if (what == "split") {
    const bool above = words.at(1) == "above";
    if (!above && words.at(1) != "below") unknown(words.at(1));
    const VirtAddr cut = at(bar(words.at(2)));
    const SplitSide side = above ? SplitSide::kNewAbove : SplitSide::kNewBelow;
    return mm_.split_vma(mm_.find_vma(cut), cut, side, reserve_).err();
  }
  if (what == "adjust" || what == "expand") {
    Vma* const vma = named(words.at(1));
    const AddrRange where = range(words.at(2));
    Vma* const other = optional(words, 3);
    const PageOffset pgoff(vma->attrs.vm_pgoff.value() + where.start.page_number() -
                           vma->vm_start.page_number());
    if (what == "adjust") {
      mm_.vma_adjust(vma, where, pgoff, nullptr, other);
    } else {
      mm_.vma_expand(vma, where, pgoff, other);
    }
    return 0;
  }
  if (what == "grow") {
    return mm_.expand_downwards(named(words.at(1)), at(bar(words.at(2))) + 123).err();
  }
  if (what == "munmap") {
    return mm_.do_munmap(range(words.at(1)), reserve_, number(words, "max=", 65530)).err();
  }
  if (what == "copy") return copy(words);
  if (what == "flags") {
    Vma* const vma = named(words.at(1));
    VmaAttrs attrs = vma->attrs;
    apply_all(words, 2, attrs);
    mm_.set_flags(vma, attrs.vm_flags);
    return 0;
  }
  unknown(what);
}

void SituationFixture::merge(const Words& words, bool change) {
  const int expected = std::stoi(words.at(0).substr(words[0].find(':') + 1));
  const AddrRange request = range(words.at(1));
  // As the kernel's callers do: prev is the last VMA that starts below the request.
  Vma* prev = nullptr;
  Vma* const at = mm_.find_vma_prev(request.start, &prev);
  if (at && at->vm_start < request.start) prev = at;

  VmaAttrs attrs = anonymous(request.start);
  if (change) {
    ASSERT_TRUE(at && at->range().contains(request)) << "nothing to change there";
    attrs = at->attrs;
    attrs.vm_pgoff = at->attrs.vm_pgoff + AddrRange{at->vm_start, request.start}.pages();
  } else {
    ASSERT_EQ(mm_.find_vma_intersection(request), nullptr) << "not a hole";
  }
  apply_all(words, 2, attrs);
  EXPECT_EQ(static_cast<int>(mm_.plan_merge(prev, request, attrs).merge_case), expected);
  Vma* const merged = mm_.vma_merge(prev, request, attrs);
  EXPECT_EQ(merged != nullptr, expected != 0);
  if (merged) {
    EXPECT_EQ(merged, mm_.find_vma(request.start));
    EXPECT_TRUE(merged->range().contains(request));
  }
}

int SituationFixture::copy(const Words& words) {
  Vma* const source = named(words.at(1));
  CopyRequest request{.to = range(words.at(2)), .pgoff = source->attrs.vm_pgoff};
  request.pgoff = request.pgoff + PageCount(number(words, "from=", 0));
  Vma* source_after = source;
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (words[i] == "keep") {
      request.keep_source = true;
    } else if (starts_with(words[i], "self=")) {
      source_after = named(words[i].substr(5));
    } else if (!starts_with(words[i], "from=") && !starts_with(words[i], "reserve=")) {
      unknown(words[i]);
    }
  }
  Vma* vma = source;
  const Result<Vma*> copied = mm_.copy_vma(&vma, request, reserve_);
  EXPECT_EQ(vma, source_after);
  if (copied.ok()) {
    EXPECT_EQ(*copied, mm_.find_vma(request.to.start));
    EXPECT_TRUE((*copied)->range().contains(request.to));
  }
  return copied.err();
}

void SituationFixture::expect_after(const Situation& situation) {
  EXPECT_EQ(picture(), situation.after);
  const Words pgoffs = split(situation.pgoffs, ' ');
  EXPECT_EQ(mm_.map_count(), pgoffs.size());
  std::size_t index = 0;
  for (const Vma* vma = mm_.first(); vma; vma = AddressSpace::next(vma), ++index) {
    const std::size_t column = vma->vm_start.page_number() - at(0).page_number();
    const char name = picture()[column];
    VmaAttrs expected = drawn_[static_cast<char>(std::toupper(name))];
    apply_legend(situation.changed, name, expected);
    ASSERT_LT(index, pgoffs.size());
    const std::string& pgoff = pgoffs[index];
    expected.vm_pgoff = pgoff[0] == '='
                            ? PageOffset(std::stoull(pgoff.substr(1)))
                            : PageOffset(at(0).page_number() + static_cast<u64>(std::stoll(pgoff)));
    SCOPED_TRACE(std::string("VMA ") + name);
    EXPECT_EQ(vma->attrs.vm_pgoff.value(), expected.vm_pgoff.value());
    EXPECT_EQ(vma->attrs.vm_flags, expected.vm_flags);
    EXPECT_EQ(vma->attrs.anon_vma, expected.anon_vma);
    EXPECT_EQ(vma->attrs.anon_singular, expected.anon_singular);
    EXPECT_TRUE(vma->attrs == expected) << "some other attribute";
  }
}

void SituationFixture::expect_counters(const std::string& words, Accounting expected) {
  const std::map<std::string, PageCount Accounting::*> kCounters = {
      {"total", &Accounting::total_vm},   {"data", &Accounting::data_vm},
      {"exec", &Accounting::exec_vm},     {"stack", &Accounting::stack_vm},
      {"locked", &Accounting::locked_vm}, {"hiwater", &Accounting::hiwater_vm},
  };
  for (const std::string& word : split(words, ' ')) {
    const std::size_t sign = word.find_first_of("+-");
    const auto counter = kCounters.find(word.substr(0, sign));
    if (sign == std::string::npos || counter == kCounters.end()) unknown(word);
    expected.*(counter->second) += PageCount(static_cast<u64>(std::stoll(word.substr(sign))));
  }
  for (const auto& [name, counter] : kCounters) {
    EXPECT_EQ((mm_.acct().*counter).value(), (expected.*counter).value()) << name;
  }
}

}  // namespace svma::test
