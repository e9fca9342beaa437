// SPDX-License-Identifier: GPL-2.0-only
//
// What moves bounds without asking whether it may: split_vma(), vma_adjust(), vma_expand(),
// expand_downwards(), set_flags(); row by row, in the notation of situation_fixture.hpp. The
// expectations follow from reading __split_vma(), __vma_adjust(), vma_expand() and
// expand_downwards() of v6.1. None of them accounts.
#include "situation_fixture.hpp"

namespace svma::test {
namespace {

class Change : public SituationFixture {};

TEST_P(Change, Situation_IsAsDrawn) { run(GetParam()); }

// clang-format off

const Situation kSplit[] = {
    {"AboveFirstPage",     "AAAA",     "",             "split above A|AAA",        "Aaaa",     "0 1"},
    {"AboveMiddle",        "AAAA",     "",             "split above AA|AA",        "AAaa",     "0 2"},
    {"AboveLastPage",      "AAAA",     "",             "split above AAA|A",        "AAAa",     "0 3"},
    {"BelowFirstPage",     "AAAA",     "",             "split below A|AAA",        "aAAA",     "0 1"},
    {"BelowMiddle",        "AAAA",     "",             "split below AA|AA",        "aaAA",     "0 2"},
    {"BelowLastPage",      "AAAA",     "",             "split below AAA|A",        "aaaA",     "0 3"},
    {"AboveTwoPages",      "AA",       "",             "split above A|A",          "Aa",       "0 1"},
    {"BelowTwoPages",      "AA",       "",             "split below A|A",          "aA",       "0 1"},
    {"AboveBetweenOthers", "BAAAAC",   "",             "split above BAA|AAC",      "BAAaaC",   "0 1 3 5"},
    {"BelowBetweenOthers", "BAAAAC",   "",             "split below BAA|AAC",      "BaaAAC",   "0 1 3 5"},
    {"AboveBetweenHoles",  "B.AAAA.C", "",             "split above B.A|AAA.C",    "B.Aaaa.C", "0 2 3 7"},
    {"BelowBetweenHoles",  "B.AAAA.C", "",             "split below B.A|AAA.C",    "B.aAAA.C", "0 2 3 7"},
    {"AboveFile",          "AAAA",     "A=ro,f,pgoff=7", "split above A|AAA",      "Aaaa",     "=7 =8"},
    {"BelowFile",          "AAAA",     "A=ro,f,pgoff=7", "split below AAA|A",      "aaaA",     "=7 =10"},
    {"AboveSpecial",       "AAAA",     "A=io,pfnmap,close", "split above AA|AA",   "AAaa",     "0 2"},
    {"AboveLocked",        "AAAA",     "A=locked",     "split above AA|AA",        "AAaa",     "0 2"},
    {"BelowStack",         "..SSSS",   "S=down",       "split below ..SS|SS",      "..ssSS",   "2 4"},
    {"AboveStack",         "A.SSSS",   "S=down",       "split above A.SS|SS",      "A.SSss",   "0 2 4"},
    {"AboveAnonVma",       "AAAA",     "A=X*",         "split above AA|AA",        "AAaa",     "0 2"},
    {"BelowAnonVmaForked", "AAAA",     "A=X~",         "split below AA|AA",        "aaAA",     "0 2"},
    {"AboveEverything",    "AAAA",     "A=pol1,uffd1,name1,X*,account", "split above AA|AA", "AAaa", "0 2"},
    {"AboveNoMemory",      "AAAA",     "A=X*",         "split above AA|AA reserve=0", "AAAA",  "0",   "", "", -kENOMEM},
    {"BelowNoMemory",      "AAAA",     "",             "split below AA|AA reserve=0", "AAAA",  "0",   "", "", -kENOMEM},
};

// No VMA beside A changes: the branches of __vma_adjust() with neither next nor boundary.
const Situation kAdjustAlone[] = {
    {"LastGrowsUp",        "AA....",   "",             "adjust A AAAA.. A",        "AAAA..",   "0"},
    {"LastShrinksAbove",   "AAAA",     "",             "adjust A AA.. A",          "AA..",     "0"},
    {"LastShrinksBelow",   "AAAA",     "",             "adjust A ..AA A",          "..AA",     "2"},
    {"LastMovesDown",      "B..AAA",   "",             "adjust A .AAA.. A",        "BAAA..",   "0 1"},
    {"FirstGrowsDown",     "..AAB",    "",             "adjust A AAAA. A",         "AAAAB",    "0 4"},
    {"StartMovesUp",       "AAAABBBB", "",             "adjust A ..AA.... A",      "..AABBBB", "2 4"},
    {"UpToNext",           "AA..BB",   "",             "adjust A AAAA.. A",        "AAAABB",   "0 4"},
    {"UpTowardsNext",      "AA...BB",  "",             "adjust A AAAA... A",       "AAAA.BB",  "0 5"},
    {"BothEnds",           "..AA..BB", "",             "adjust A .AAAAA.. A",      ".AAAAABB", "1 6"},
    {"UpToNext_NoImport",  "AA..BB",   "B=X*",         "adjust A AAAA.. A",        "AAAABB",   "0 4"},
    {"UpTowardsStack",     "AA....SS", "S=down",       "adjust A AAAA.... A",      "AAAA..SS", "0 6"},
    {"StackDown",          "A....SSS", "S=down",       "adjust S ..SSSSSS S",      "A.SSSSSS", "0 2"},
};

// A covers next entirely, or next and the one after it: cases 1, 7 and 6.
const Situation kAdjustSwallow[] = {
    {"One",                "AABB",     "",             "adjust A AAAA A",          "AAAA",     "0"},
    {"OneOverAHole",       "AA..BB",   "",             "adjust A AAAAAA A",        "AAAAAA",   "0"},
    {"OneOfTwo",           "AABBCC",   "",             "adjust A AAAA.. A",        "AAAACC",   "0 4"},
    {"OneBeforeAHole",     "AABB.C",   "",             "adjust A AAAA.. A",        "AAAA.C",   "0 5"},
    {"OneUnlike",          "AABB",     "B=ro,f,locked,off+7", "adjust A AAAA A",   "AAAA",     "0"},
    {"OneAndDown",         ".AABB",    "",             "adjust A AAAAA A",         "AAAAA",    "0"},
    {"Stack",              "AA..SS",   "S=down",       "adjust A AAAAAA A",        "AAAAAA",   "0"},
    {"Two",                "AABBCC",   "",             "adjust A AAAAAA A",        "AAAAAA",   "0"},
    {"TwoOfThree",         "AABBCCDD", "",             "adjust A AAAAAA.. A",      "AAAAAADD", "0 6"},
    {"TwoBeforeAHole",     "AABBCC.D", "",             "adjust A AAAAAA.. A",      "AAAAAA.D", "0 7"},
    {"One_A0_BS",          "AABB",     "B=X*",         "adjust A AAAA A",          "AAAA",     "0", "A=X*"},
    {"One_A0_BF",          "AABB",     "B=X~",         "adjust A AAAA A",          "AAAA",     "0", "A=X~"},
    {"One_AS_B0",          "AABB",     "A=X*",         "adjust A AAAA A",          "AAAA",     "0"},
    {"One_AF_BS",          "AABB",     "A=X~ B=X*",    "adjust A AAAA A",          "AAAA",     "0"},
    {"One_A0_B0_CS",       "AABBCC",   "C=X*",         "adjust A AAAA.. A",        "AAAACC",   "0 4"},
    {"Two_A0_B0_CS",       "AABBCC",   "C=X*",         "adjust A AAAAAA A",        "AAAAAA",   "0", "A=X*"},
    {"Two_A0_B0_CF",       "AABBCC",   "C=X~",         "adjust A AAAAAA A",        "AAAAAA",   "0", "A=X~"},
    {"Two_A0_BF_C0",       "AABBCC",   "B=X~",         "adjust A AAAAAA A",        "AAAAAA",   "0", "A=X~"},
    {"Two_A0_BF_CS",       "AABBCC",   "B=X~ C=X*",    "adjust A AAAAAA A",        "AAAAAA",   "0", "A=X~"},
    {"Two_AS_BF_CF",       "AABBCC",   "A=X* BC=X~",   "adjust A AAAAAA A",        "AAAAAA",   "0"},
};

// A goes and next takes its place: case 8.
const Situation kAdjustYield[] = {
    {"Plain",              "AABB",     "",             "adjust A AAAA B",          "BBBB",     "0"},
    {"BetweenOthers",      "CAABBD",   "",             "adjust A .AAAA. B",        "CBBBBD",   "0 1 5"},
    {"BetweenHoles",       "C.AABB.D", "",             "adjust A ..AAAA.. B",      "C.BBBB.D", "0 2 7"},
    {"AndDown",            "..AABB",   "",             "adjust A AAAAAA B",        "BBBBBB",   "0"},
    {"Stack",              "C..AASS",  "S=down",       "adjust A ...AAAA S",       "C..SSSS",  "0 3"},
    {"AS_B0",              "AABB",     "A=X*",         "adjust A AAAA B",          "BBBB",     "0", "B=X*"},
    {"AF_B0",              "AABB",     "A=X~",         "adjust A AAAA B",          "BBBB",     "0", "B=X~"},
    {"A0_BS",              "AABB",     "B=X*",         "adjust A AAAA B",          "BBBB",     "0"},
    {"AS_BF",              "AABB",     "A=X* B=X~",    "adjust A AAAA B",          "BBBB",     "0"},
};

// The boundary between A and next moves: up is case 5, down is case 4.
const Situation kAdjustBoundary[] = {
    {"UpOnePage",          "AAAABBBB", "",             "adjust A AAAAA... A",      "AAAAABBB", "0 5"},
    {"UpAllButOne",        "AAAABBBB", "",             "adjust A AAAAAAA. A",      "AAAAAAAB", "0 7"},
    {"UpOverAHole",        "AA..BBBB", "",             "adjust A AAAAAA.. A",      "AAAAAABB", "0 6"},
    {"UpWithOtherOffset",  "AAAABBBB", "B=f,pgoff=20", "adjust A AAAAAA.. A",      "AAAAAABB", "0 =22"},
    {"UpBeforeOther",      "AABBBBCC", "",             "adjust A AAAA.... A",      "AAAABBCC", "0 4 6"},
    {"UpIntoStack",        "AAAASSSS", "S=down",       "adjust A AAAAAA.. A",      "AAAAAASS", "0 6"},
    {"Up_A0_BS",           "AAAABBBB", "B=X*",         "adjust A AAAAAA.. A",      "AAAAAABB", "0 6", "A=X*"},
    {"Up_A0_BF",           "AAAABBBB", "B=X~",         "adjust A AAAAAA.. A",      "AAAAAABB", "0 6", "A=X~"},
    {"Up_AS_B0",           "AAAABBBB", "A=X*",         "adjust A AAAAAA.. A",      "AAAAAABB", "0 6"},
    {"DownOnePage",        "AAAABBBB", "",             "adjust A AAA..... B",      "AAABBBBB", "0 3"},
    {"DownAllButOne",      "AAAABBBB", "",             "adjust A A....... B",      "ABBBBBBB", "0 1"},
    {"DownWithOtherOffset", "AAAABBBB", "B=f,pgoff=20", "adjust A AA...... B",     "AABBBBBB", "0 =18"},
    {"DownBehindOther",    "CCAAAABB", "",             "adjust A ..AA.... B",      "CCAABBBB", "0 2 4"},
    {"DownOfStack",        "AAAASSSS", "S=down",       "adjust A AA...... S",      "AASSSSSS", "0 2"},
    {"Down_AS_B0",         "AAAABBBB", "A=X*",         "adjust A AA...... B",      "AABBBBBB", "0 2", "B=X*"},
    {"Down_AF_B0",         "AAAABBBB", "A=X~",         "adjust A AA...... B",      "AABBBBBB", "0 2", "B=X~"},
    {"Down_A0_BS",         "AAAABBBB", "B=X*",         "adjust A AA...... B",      "AABBBBBB", "0 2"},
    {"Down_AS_BF",         "AAAABBBB", "A=X* B=X~",    "adjust A AA...... B",      "AABBBBBB", "0 2"},
};

const Situation kExpand[] = {
    {"NothingAbove",       "AA..",     "",             "expand A AAAA",            "AAAA",     "0"},
    {"BothEnds",           "..AA..B",  "",             "expand A .AAAA.. B",       ".AAAA.B",  "1 6"},
    {"UpToNext",           "AA..BB",   "B=X*",         "expand A AAAA.. B",        "AAAABB",   "0 4"},
    {"DownNextIsItself",   "A..BB",    "",             "expand B ..BBB B",         "A.BBB",    "0 2"},
    {"DownToPrev",         "A..BB",    "A=X*",         "expand B .BBBB B",         "ABBBB",    "0 1"},
    {"DownFile",           "..BB",     "B=f,pgoff=9",  "expand B .BBB B",          ".BBB",     "=8"},
    {"OverNext",           "AA..BB",   "",             "expand A AAAAAA B",        "AAAAAA",   "0"},
    {"OverNextWithoutHole", "AABB",    "",             "expand A AAAA B",          "AAAA",     "0"},
    {"OverNextOfTwo",      "AA..BBCC", "C=X*",         "expand A AAAAAA.. B",      "AAAAAACC", "0 6"},
    {"OverNextAndDown",    ".AA.B.C",  "",             "expand A AAAAA.. B",       "AAAAA.C",  "0 6"},
    {"OverStack",          "AA..SS",   "S=down",       "expand A AAAAAA S",        "AAAAAA",   "0"},
    {"OverNext_A0_BS",     "AA..BB",   "B=X*",         "expand A AAAAAA B",        "AAAAAA",   "0", "A=X*"},
    {"OverNext_A0_BF",     "AA..BB",   "B=X~",         "expand A AAAAAA B",        "AAAAAA",   "0", "A=X~"},
    {"OverNext_AS_B0",     "AA..BB",   "A=X*",         "expand A AAAAAA B",        "AAAAAA",   "0"},
    {"OverNext_AF_BS",     "AA..BB",   "A=X~ B=X*",    "expand A AAAAAA B",        "AAAAAA",   "0"},
};

const Situation kGrow[] = {
    {"OnePage",            "A.....SS", "S=down",         "grow S .....|",          "A....SSS", "0 5"},
    {"SeveralPages",       "A.....SS", "S=down",         "grow S ...|",            "A..SSSSS", "0 3"},
    {"UpToPrev",           "A.....SS", "S=down",         "grow S .|",              "ASSSSSSS", "0 1"},
    {"NothingBelow",       "......SS", "S=down",         "grow S |",               "SSSSSSSS", "0"},
    {"OwnFirstPage",       "A.....SS", "S=down",         "grow S ......|",         "A.....SS", "0 6"},
    {"OwnLastPage",        "A.....SS", "S=down",         "grow S .......|",        "A.....SS", "0 6"},
    {"AboveIt",            "A.SS....", "S=down",         "grow S ......|",         "A.SS....", "0 2"},
    {"OntoPrev",           "AA....SS", "S=down",         "grow S .|",              "AA....SS", "0 6", "", "", -kENOMEM},
    {"BelowPrev",          ".A....SS", "S=down",         "grow S |",               ".A....SS", "1 6", "", "", -kENOMEM},
    {"NotAStack",          "A.....SS", "",               "grow S ...|",            "A.....SS", "0 6", "", "", -kEFAULT},
    {"NotAStackInside",    "A.....SS", "",               "grow S .......|",        "A.....SS", "0 6", "", "", -kEFAULT},
    {"OffsetTooSmall",     "......SS", "S=down,pgoff=1", "grow S ....|",           "......SS", "=1",  "", "", -kENOMEM},
    {"OffsetJustEnough",   "......SS", "S=down,pgoff=2", "grow S ....|",           "....SSSS", "=0"},
    {"NextToStack",        "TT....SS", "ST=down",        "grow S ...|",            "TT.SSSSS", "0 3"},
    {"BelowOther",         "A...SSBB", "S=down",         "grow S ..|",             "A.SSSSBB", "0 2 6"},
    {"Locked",             "A...SS",   "S=down,locked",  "grow S ..|",             "A.SSSS",   "0 2"},
    {"AnonVma",            "A...SS",   "S=down,X~",      "grow S ..|",             "A.SSSS",   "0 2"},
};

const Situation kSetFlags[] = {
    {"One",                "A.BB",     "",             "flags B locked",           "A.BB",     "0 2",   "B=locked"},
    {"BecomesStack",       "A..BB.C",  "",             "flags B down",             "A..BB.C",  "0 3 6", "B=down"},
    {"IsStackNoMore",      "A..BB.C",  "B=down",       "flags B !down",            "A..BB.C",  "0 3 6", "B=!down"},
    {"StaysStack",         "A..BB.C",  "B=down",       "flags B locked",           "A..BB.C",  "0 3 6", "B=locked"},
};

// clang-format on

INSTANTIATE_TEST_SUITE_P(Split, Change, testing::ValuesIn(kSplit), situation_name);
INSTANTIATE_TEST_SUITE_P(AdjustAlone, Change, testing::ValuesIn(kAdjustAlone), situation_name);
INSTANTIATE_TEST_SUITE_P(AdjustSwallow, Change, testing::ValuesIn(kAdjustSwallow), situation_name);
INSTANTIATE_TEST_SUITE_P(AdjustYield, Change, testing::ValuesIn(kAdjustYield), situation_name);
INSTANTIATE_TEST_SUITE_P(AdjustBoundary, Change, testing::ValuesIn(kAdjustBoundary),
                         situation_name);
INSTANTIATE_TEST_SUITE_P(Expand, Change, testing::ValuesIn(kExpand), situation_name);
INSTANTIATE_TEST_SUITE_P(Grow, Change, testing::ValuesIn(kGrow), situation_name);
INSTANTIATE_TEST_SUITE_P(SetFlags, Change, testing::ValuesIn(kSetFlags), situation_name);

}  // namespace
}  // namespace svma::test
