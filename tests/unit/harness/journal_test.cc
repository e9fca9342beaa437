// SPDX-License-Identifier: GPL-2.0-only
#include "lib/journal.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "lib/calls.hpp"
#include "lib/json.hpp"
#include "lib/tally.hpp"

namespace svma {
namespace {

constexpr uint64_t kMapped = 0x8100073, kReadOnly = 0x8100071;
constexpr uint64_t kBase = 0x100000000000;

uint64_t at(uint64_t page) { return kBase + page * 0x1000; }

svma_extent vma(uint64_t from, uint64_t to, uint64_t flags = kMapped) {
  return {at(from), at(to), flags, at(from) >> 12, 0, 0, 0};
}

// Builds a journal entry by entry, as the module would.
class Story {
 public:
  svma_journal_entry& add(uint32_t operation, std::initializer_list<uint64_t> args, uint64_t start,
                          uint64_t end, std::initializer_list<svma_extent> after,
                          int64_t result = 0) {
    svma_journal_entry entry{};
    entry.id = entries.size() + 1;
    entry.seq = entry.id;
    entry.begin_ns = 1000 * entry.id;
    entry.end_ns = entry.begin_ns + 500;
    entry.operation = operation;
    entry.result = result;
    entry.start = start;
    entry.end = end;
    entry.tid = 7;
    strcpy(entry.comm, "tester");
    std::copy(args.begin(), args.end(), entry.args);
    for (const svma_extent& extent : after) entry.vma[entry.vmas++] = extent;
    entries.push_back(entry);
    return entries.back();
  }
  void mmap(uint64_t from, uint64_t to, std::initializer_list<svma_extent> after,
            uint64_t flags = kMapped) {
    add(SVMA_OP_MMAP, {at(from), at(to) - at(from), flags, at(from) >> 12}, at(from), at(to), after,
        static_cast<int64_t>(at(from)));
  }
  void munmap(uint64_t from, uint64_t to) {
    add(SVMA_OP_MUNMAP, {at(from), at(to)}, at(from), at(to), {});
  }
  void mprotect(uint64_t from, uint64_t to, uint64_t flags,
                std::initializer_list<svma_extent> after) {
    add(SVMA_OP_MPROTECT, {at(from), at(to), flags}, at(from), at(to), after);
  }
  // The numbers of the entries that changed the owner.
  std::vector<uint64_t> at_page(uint64_t page) const {
    std::vector<uint64_t> ids;
    for (const OwnerChange& change : owners_at(entries, at(page)))
      ids.push_back(entries[change.index].id);
    return ids;
  }

  std::vector<svma_journal_entry> entries;
};

using Ids = std::vector<uint64_t>;

// AAAA -> ABBA -> A..A -> C
TEST(OwnersAt, MapProtectUnmapMap_EachIsAnOwner) {
  Story story;
  story.mmap(0, 4, {vma(0, 4)});
  story.mprotect(1, 3, kReadOnly, {vma(1, 3, kReadOnly)});
  story.munmap(1, 3);
  story.mmap(1, 2, {vma(1, 2, kReadOnly)}, kReadOnly);
  EXPECT_EQ(story.at_page(1), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(story.at_page(2), (Ids{1, 2, 3}));
  EXPECT_EQ(story.at_page(0), (Ids{1}));
  EXPECT_EQ(story.at_page(9), Ids{});
}

TEST(OwnersAt, BeforeAndAfter_AreGiven) {
  Story story;
  story.mmap(0, 4, {vma(0, 4)});
  story.munmap(1, 2);
  const auto changes = owners_at(story.entries, at(1));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].before.state, Owner::State::kUnknown);
  EXPECT_EQ(changes[0].after.state, Owner::State::kMapped);
  EXPECT_EQ(changes[0].after.vma.end, at(4));
  EXPECT_EQ(changes[1].before.state, Owner::State::kMapped);
  EXPECT_EQ(changes[1].after.state, Owner::State::kNone);
}

// A mapping with the same attributes over the old one is another owner; growing beside it is not.
TEST(OwnersAt, SameAttributes_NewMappingCountsNeighbourDoesNot) {
  Story story;
  story.mmap(0, 4, {vma(0, 4)});
  story.mmap(4, 6, {vma(0, 6)});
  story.mmap(1, 2, {vma(0, 6)});
  EXPECT_EQ(story.at_page(1), (Ids{1, 3}));
  EXPECT_EQ(story.at_page(0), (Ids{1}));
}

TEST(OwnersAt, FailedOperation_ChangesNothing) {
  Story story;
  story.mmap(0, 2, {vma(0, 2)});
  story.add(SVMA_OP_MMAP, {at(0), 0x1000, kMapped, 0}, at(0), at(1), {vma(0, 2)}, -12);
  EXPECT_EQ(story.at_page(0), (Ids{1}));
}

// AA...BB. -> ...BBAA: what lies between the places of an mremap is not its business.
TEST(OwnersAt, Mremap_BothPlacesAndNothingBetween) {
  Story story;
  story.mmap(0, 2, {vma(0, 2)});
  story.mmap(5, 7, {vma(5, 7, kReadOnly)}, kReadOnly);
  story
      .add(SVMA_OP_MREMAP_MOVE, {at(0), at(0), 0x2000, 0x2000, at(7), 3}, at(0), at(9), {vma(7, 9)},
           static_cast<int64_t>(at(7)))
      .bits = SVMA_JOURNAL_CUT;
  EXPECT_EQ(story.at_page(0), (Ids{1, 3}));
  EXPECT_EQ(story.at_page(6), (Ids{2}));
  EXPECT_EQ(story.at_page(8), (Ids{3}));
  EXPECT_EQ(owners_at(story.entries, at(0)).back().after.state, Owner::State::kNone);
}

TEST(OwnersAt, SoftDirty_IsNoOwner) {
  Story story;
  story.mmap(0, 2, {vma(0, 2)});
  story.mprotect(0, 2, kMapped, {vma(0, 2, kMapped & ~0x8000000ull)});
  EXPECT_EQ(story.at_page(0), (Ids{1}));
}

// A list that was cut tells about what is below its end, and nothing above.
TEST(OwnersAt, AttachWithCutList_UnknownAboveIt) {
  Story story;
  story.add(SVMA_OP_ATTACH, {}, at(0), at(100), {vma(0, 1), vma(2, 3), vma(4, 5), vma(6, 7)}).bits =
      SVMA_JOURNAL_CUT;
  story.mprotect(50, 51, kReadOnly, {vma(50, 51, kReadOnly)});
  story.munmap(50, 51);
  EXPECT_EQ(story.at_page(2), (Ids{1}));
  EXPECT_EQ(owners_at(story.entries, at(3))[0].after.state, Owner::State::kNone);
  EXPECT_EQ(story.at_page(50), (Ids{2, 3}));
  EXPECT_EQ(story.at_page(60), Ids{});
}

TEST(OwnersAt, Exit_OwnsNothing) {
  Story story;
  story.mmap(0, 1, {vma(0, 1)});
  story.add(SVMA_OP_EXIT, {}, 0, 0, {});
  EXPECT_EQ(story.at_page(0), (Ids{1, 2}));
}

TEST(OwnersAt, Empty_HasNone) { EXPECT_TRUE(owners_at({}, kBase).empty()); }

TEST(CallText, EachOperation_NamesItsArguments) {
  const __u64 args[8] = {at(0), at(2), kReadOnly, 0, 0, 0, 0, 0};
  const __u64 length[8] = {at(0), 0x2000, kMapped, at(0) >> 12, 0, 0, 0, 0};
  const __u64 move[8] = {at(0), at(0), 0x1000, 0x2000, at(8), 3, 0, 0};
  const __u64 advice[8] = {at(0), at(1), 16, 0, 0, 0, 0, 0};
  const __u64 unknown[8] = {1, 0, 2, 0, 0, 0, 0, 0};
  EXPECT_EQ(call_text(SVMA_OP_MMAP, length), "mmap 100000000000-100000002000 rw-p");
  EXPECT_EQ(call_text(SVMA_OP_MUNMAP, args), "munmap 100000000000-100000002000");
  EXPECT_EQ(call_text(SVMA_OP_MPROTECT, args), "mprotect 100000000000-100000002000 r--p");
  EXPECT_EQ(call_text(SVMA_OP_MREMAP_MOVE, move),
            "mremap move 100000000000-100000001000 to 100000008000-10000000a000 maymove fixed");
  EXPECT_EQ(call_text(SVMA_OP_MADVISE, advice), "madvise 100000000000-100000001000 dontdump");
  EXPECT_EQ(call_text(SVMA_OP_INSERT, unknown, 0x1000, 0x2000), "insert 1000-2000");
  EXPECT_EQ(call_text(SVMA_OP_FORK, unknown), "fork");
  EXPECT_EQ(call_text(23, unknown), "operation 23 0x1, 0x0, 0x2");
}

TEST(ResultText, ErrorsByName_AddressesInHex) {
  EXPECT_EQ(result_text(SVMA_OP_MMAP, -12), "-ENOMEM");
  EXPECT_EQ(result_text(SVMA_OP_MMAP, 0x1000), "1000");
  EXPECT_EQ(result_text(SVMA_OP_MUNMAP, 0), "0");
  EXPECT_EQ(result_text(SVMA_OP_MUNMAP, -4095), "-4095");
}

TEST(FlagsText, UsualOnesLeftOut_OthersByName) {
  EXPECT_EQ(flags_text(kMapped), "rw-p");
  EXPECT_EQ(flags_text(kMapped | 0x2100), "rw-p growsdown locked");
  EXPECT_EQ(flag_names(0x100000000000002), "write 0x100000000000000");
  EXPECT_EQ(flag_names(0x300000000), "pkey=3");
  EXPECT_EQ(flag_names(0), "");
}

TEST(JournalText, Lines_HaveNumberTimeTaskCallResultAndRest) {
  Story story;
  story.mmap(0, 4, {vma(0, 4)});
  story.munmap(1, 2);
  story.entries[1].bits = SVMA_JOURNAL_DIVERGED;
  const std::string text = journal_text({3, 7, 5, story.entries});
  EXPECT_NE(text.find("pid 7, mm 3: 2 entries, 5 before them are lost\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("mmap 100000000000-100000004000 rw-p = 100000000000  -> rw-p\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("!     2     0.000001      0.5 us       7 tester          munmap"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("= 0  -> nothing\n"), std::string::npos) << text;
}

TEST(JournalText, BoundsOfAnotherVma_AreShown) {
  Story story;
  story.mmap(2, 4, {vma(0, 4)});
  EXPECT_NE(journal_text({1, 1, 0, story.entries}).find("-> 100000000000-100000004000 rw-p\n"),
            std::string::npos);
}

TEST(OwnersText, Address_HasOneBlockForEachOwner) {
  Story story;
  story.mmap(0, 4, {vma(0, 4)});
  story.munmap(1, 2);
  const std::string text = owners_text({3, 7, 0, story.entries}, at(1));
  EXPECT_NE(text.find("100000001000 was owned by\n"), std::string::npos) << text;
  EXPECT_NE(text.find("100000000000-100000004000 rw-p, anonymous, pgoff 100000000\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("nothing\n"), std::string::npos) << text;
  EXPECT_NE(owners_text({3, 7, 0, story.entries}, at(50)).find("no entry is about"),
            std::string::npos);
}

TEST(JournalJson, Entries_CarryAll) {
  Story story;
  story.mmap(0, 4, {vma(0, 4)});
  const Json json = to_json(Journal{3, 7, 5, story.entries});
  EXPECT_EQ(json["mm_id"], 3);
  EXPECT_EQ(json["lost"], 5);
  EXPECT_EQ(json["entries"][0]["operation"], "mmap");
  EXPECT_EQ(json["entries"][0]["args"][1], "0x4000");
  EXPECT_EQ(json["entries"][0]["after"][0]["end"], "0x100000004000");
  const Json owners = owners_json(Journal{3, 7, 5, story.entries}, at(0));
  EXPECT_EQ(owners["changes"][0]["after"]["state"], "mapped");
  EXPECT_EQ(owners["changes"][0]["before"]["state"], "unknown");
}

TEST(LeadingTo, Moment_LastFiveUpToIt) {
  Story story;
  for (uint64_t i = 0; i < 20; ++i) story.munmap(i, i + 1);
  const auto before = leading_to(story.entries, 10);
  ASSERT_EQ(before.size(), kOperationsBefore);
  EXPECT_EQ(before.back().seq, 10u);
  EXPECT_EQ(leading_to(story.entries, 2).size(), 2u);
  EXPECT_EQ(leading_to(story.entries, 0).size(), 0u);
  EXPECT_EQ(leading_to({}, 5).size(), 0u);
}

}  // namespace
}  // namespace svma
