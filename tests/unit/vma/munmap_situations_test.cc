// SPDX-License-Identifier: GPL-2.0-only
//
// do_munmap() row by row: none to many VMAs, cut at neither, one or both ends, in the notation of
// situation_fixture.hpp. The expectations follow from reading do_mas_align_munmap() and remove_mt()
// of v6.1: the new part of a split is the one outside of the range below it and inside of it above,
// so that what stays is the VMA it was. hiwater grows to what total was.
#include "situation_fixture.hpp"

namespace svma::test {
namespace {

class Munmap : public SituationFixture {};

TEST_P(Munmap, Situation_IsAsDrawn) {
  run(GetParam());
  check(true);
}

// clang-format off

const Situation kLayout[] = {
    {"Whole",                "AAAA",       "", "munmap UUUU",       "....",       "",      "", "total-4 data-4 hiwater+4"},
    {"Start",                "AAAA",       "", "munmap UU..",       "..AA",       "2",     "", "total-2 data-2 hiwater+4"},
    {"FirstPage",            "AAAA",       "", "munmap U...",       ".AAA",       "1",     "", "total-1 data-1 hiwater+4"},
    {"AllButLastPage",       "AAAA",       "", "munmap UUU.",       "...A",       "3",     "", "total-3 data-3 hiwater+4"},
    {"End",                  "AAAA",       "", "munmap ..UU",       "AA..",       "0",     "", "total-2 data-2 hiwater+4"},
    {"LastPage",             "AAAA",       "", "munmap ...U",       "AAA.",       "0",     "", "total-1 data-1 hiwater+4"},
    {"AllButFirstPage",      "AAAA",       "", "munmap .UUU",       "A...",       "0",     "", "total-3 data-3 hiwater+4"},
    {"Middle",               "AAAA",       "", "munmap .UU.",       "A..a",       "0 3",   "", "total-2 data-2 hiwater+4"},
    {"MiddleOnePage",        "AAAAA",      "", "munmap ..U..",      "AA.aa",      "0 3",   "", "total-1 data-1 hiwater+5"},
    {"OnePageVma",           "A",          "", "munmap U",          ".",          "",      "", "total-1 data-1 hiwater+1"},
    {"WiderThanTheVma",      ".AAAA.",     "", "munmap UUUUUU",     "......",     "",      "", "total-4 data-4 hiwater+4"},
    {"NothingMapped",        "......",     "", "munmap .UUU..",     "......",     ""},
    {"HoleBetween",          "AA..BB",     "", "munmap ..UU..",     "AA..BB",     "0 4"},
    {"HoleBelow",            "..AA",       "", "munmap UU..",       "..AA",       "2"},
    {"HoleAbove",            "AA..",       "", "munmap ..UU",       "AA..",       "0"},
    {"OneOfThree",           "AABBCC",     "", "munmap ..UU..",     "AA..CC",     "0 4",   "", "total-2 data-2 hiwater+6"},
    {"FirstOfThree",         "AABBCC",     "", "munmap UU....",     "..BBCC",     "2 4",   "", "total-2 data-2 hiwater+6"},
    {"LastOfThree",          "AABBCC",     "", "munmap ....UU",     "AABB..",     "0 2",   "", "total-2 data-2 hiwater+6"},
    {"AllThree",             "AABBCC",     "", "munmap UUUUUU",     "......",     "",      "", "total-6 data-6 hiwater+6"},
    {"TwoWithoutCuts",       "AABBCCDD",   "", "munmap ..UUUU..",   "AA....DD",   "0 6",   "", "total-4 data-4 hiwater+8"},
    {"TwoCutBelow",          "AABB",       "", "munmap .UUU",       "A...",       "0",     "", "total-3 data-3 hiwater+4"},
    {"TwoCutAbove",          "AABB",       "", "munmap UUU.",       "...B",       "3",     "", "total-3 data-3 hiwater+4"},
    {"TwoCutBoth",           "AABB",       "", "munmap .UU.",       "A..B",       "0 3",   "", "total-2 data-2 hiwater+4"},
    {"TwoCutBothOverHole",   "AA..BB",     "", "munmap .UUUU.",     "A....B",     "0 5",   "", "total-2 data-2 hiwater+4"},
    {"CutBelowIntoHole",     "AA..BB",     "", "munmap .UUU..",     "A...BB",     "0 4",   "", "total-1 data-1 hiwater+4"},
    {"CutAboveFromHole",     "AA..BB",     "", "munmap ..UUU.",     "AA...B",     "0 5",   "", "total-1 data-1 hiwater+4"},
    {"ThreeCutBoth",         "AABBCC",     "", "munmap .UUUU.",     "A....C",     "0 5",   "", "total-4 data-4 hiwater+6"},
    {"ThreeCutBelow",        "AABBCC",     "", "munmap .UUUUU",     "A.....",     "0",     "", "total-5 data-5 hiwater+6"},
    {"ThreeCutAbove",        "AABBCC",     "", "munmap UUUUU.",     ".....C",     "5",     "", "total-5 data-5 hiwater+6"},
    {"ManyWithHoles",        "A.B.C.D",    "", "munmap .UUUU..",    "A.....D",    "0 6",   "", "total-2 data-2 hiwater+4"},
    {"FiveCutBoth",          "AABCDEE",    "", "munmap .UUUUU.",    "A.....E",    "0 6",   "", "total-5 data-5 hiwater+7"},
    {"MiddleBetweenOthers",  "BAAAAC",     "", "munmap ..UU..",     "BA..aC",     "0 1 4 5", "", "total-2 data-2 hiwater+6"},
};

// What stays keeps its attributes and its place in the file.
const Situation kAttributes[] = {
    {"FileMiddle",           "AAAA",       "A=ro,f,pgoff=7", "munmap .UU.",   "A..a",   "=7 =10", "", "total-2 hiwater+4"},
    {"FileStart",            "AAAA",       "A=ro,f,pgoff=7", "munmap UU..",   "..AA",   "=9",     "", "total-2 hiwater+4"},
    {"FileEnd",              "AAAA",       "A=ro,f,pgoff=7", "munmap ..UU",   "AA..",   "=7",     "", "total-2 hiwater+4"},
    {"AnonVmaMiddle",        "AAAA",       "A=X*",           "munmap .UU.",   "A..a",   "0 3",    "", "total-2 data-2 hiwater+4"},
    {"AnonVmaForkedMiddle",  "AAAA",       "A=X~",           "munmap .UU.",   "A..a",   "0 3",    "", "total-2 data-2 hiwater+4"},
    {"EverythingMiddle",     "AAAA",       "A=pol1,uffd1,name1,close", "munmap .UU.", "A..a", "0 3", "", "total-2 data-2 hiwater+4"},
    {"StackStart",           "..SSSS",     "S=down",         "munmap ..UU..", "....SS", "4",      "", "total-2 stack-2 hiwater+4"},
    {"StackEnd",             "..SSSS",     "S=down",         "munmap ....UU", "..SS..", "2",      "", "total-2 stack-2 hiwater+4"},
    {"StackMiddle",          "..SSSS",     "S=down",         "munmap ...UU.", "..S..s", "2 5",    "", "total-2 stack-2 hiwater+4"},
    {"BelowStack",           "AA..SS",     "S=down",         "munmap UU....", "....SS", "4",      "", "total-2 data-2 hiwater+4"},
};

// Which counters, by the class of each VMA.
const Situation kCounters[] = {
    {"ReadOnly",             "AAAA",       "A=ro",           "munmap .UUU",   "A...",   "0",   "", "total-3 hiwater+4"},
    {"Code",                 "AAAA",       "A=rx,f",         "munmap .UUU",   "A...",   "0",   "", "total-3 exec-3 hiwater+4"},
    {"WritableCode",         "AAAA",       "A=rw,exec",      "munmap .UUU",   "A...",   "0",   "", "total-3 data-3 hiwater+4"},
    {"Shared",               "AAAA",       "A=f,shared",     "munmap .UUU",   "A...",   "0",   "", "total-3 hiwater+4"},
    {"Stack",                "AAAA",       "A=down",         "munmap .UUU",   "A...",   "0",   "", "total-3 stack-3 hiwater+4"},
    {"ExecutableStack",      "AAAA",       "A=down,exec",    "munmap .UUU",   "A...",   "0",   "", "total-3 stack-3 hiwater+4"},
    {"Locked",               "AAAA",       "A=locked",       "munmap .UUU",   "A...",   "0",   "", "total-3 data-3 locked-3 hiwater+4"},
    {"LockedMiddle",         "AAAA",       "A=locked",       "munmap .UU.",   "A..a",   "0 3", "", "total-2 data-2 locked-2 hiwater+4"},
    {"LockedStays",          "AABB",       "A=locked",       "munmap ..UU",   "AA..",   "0",   "", "total-2 data-2 hiwater+4"},
    {"OneOfEach",            "ABCD",       "A=ro B=rx C=down", "munmap UUUU", "....",   "",    "", "total-4 exec-1 stack-1 data-1 hiwater+4"},
    {"LockedCutBoth",        "AABBCC",     "AC=locked",      "munmap .UUUU.", "A....C", "0 5", "", "total-4 data-4 locked-2 hiwater+6"},
};

// Refused, with nothing changed; or just not.
const Situation kLimits[] = {
    {"MiddleAtMapCount",     "AAAA",       "", "munmap .UU. max=1",       "AAAA",   "0",   "", "", -kENOMEM},
    {"MiddleAboveMapCount",  "AAAA.B",     "", "munmap .UU... max=1",     "AAAA.B", "0 5", "", "", -kENOMEM},
    {"MiddleBelowMapCount",  "AAAA",       "", "munmap .UU. max=2",       "A..a",   "0 3", "", "total-2 data-2 hiwater+4"},
    {"StartAtMapCount",      "AAAA",       "", "munmap UU.. max=1",       "..AA",   "2",   "", "total-2 data-2 hiwater+4"},
    {"EndAtMapCount",        "AAAA",       "", "munmap ..UU max=1",       "AA..",   "0",   "", "total-2 data-2 hiwater+4"},
    {"CutBothAtMapCount",    "AABB",       "", "munmap .UU. max=2",       "A..B",   "0 3", "", "total-2 data-2 hiwater+4"},
    {"NoMemoryForMiddle",    "AAAA",       "", "munmap .UU. reserve=1",   "AAAA",   "0",   "", "", -kENOMEM},
    {"NoMemoryForStart",     "AAAA",       "", "munmap UU.. reserve=0",   "AAAA",   "0",   "", "", -kENOMEM},
    {"NoMemoryForEnd",       "AAAA",       "", "munmap ..UU reserve=0",   "AAAA",   "0",   "", "", -kENOMEM},
    {"NoMemoryForSecondCut", "AABB",       "", "munmap .UU. reserve=1",   "AABB",   "0 2", "", "", -kENOMEM},
    {"OneForOneCut",         "AABB",       "", "munmap .UUU reserve=1",   "A...",   "0",   "", "total-3 data-3 hiwater+4"},
    {"WholeWithoutMemory",   "AABB",       "", "munmap UUUU reserve=0",   "....",   "",    "", "total-4 data-4 hiwater+4"},
    {"HoleWithoutMemory",    "AA..BB",     "", "munmap ..UU.. reserve=0", "AA..BB", "0 4"},
};

// clang-format on

INSTANTIATE_TEST_SUITE_P(Layout, Munmap, testing::ValuesIn(kLayout), situation_name);
INSTANTIATE_TEST_SUITE_P(Attributes, Munmap, testing::ValuesIn(kAttributes), situation_name);
INSTANTIATE_TEST_SUITE_P(Counters, Munmap, testing::ValuesIn(kCounters), situation_name);
INSTANTIATE_TEST_SUITE_P(Limits, Munmap, testing::ValuesIn(kLimits), situation_name);

}  // namespace
}  // namespace svma::test
