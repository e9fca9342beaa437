// SPDX-License-Identifier: GPL-2.0-only
//
// copy_vma() row by row, in the notation of situation_fixture.hpp. The expectations follow from
// reading copy_vma() and vma_merge() of v6.1. S is what mremap is about to move.
#include "situation_fixture.hpp"

namespace svma::test {
namespace {

class Copy : public SituationFixture {};

TEST_P(Copy, Situation_IsAsDrawn) { run(GetParam()); }

// clang-format off

// A new VMA. Not yet faulted anonymous memory takes the offset of its new address.
const Situation kNew[] = {
    {"Unfaulted",             "SSSS........", "",                  "copy S ........RRRR",           "SSSS....ssss", "0 8"},
    {"UnfaultedDown",         "........SSSS", "",                  "copy S RRRR........",           "ssss....SSSS", "0 8"},
    {"Faulted",               "SSSS........", "S=X*",              "copy S ........RRRR",           "SSSS....ssss", "0 0"},
    {"FaultedForked",         "SSSS........", "S=X~",              "copy S ........RRRR",           "SSSS....ssss", "0 0"},
    {"UnfaultedPart",         "SSSS........", "",                  "copy S ........RR.. from=2",    "SSSS....ss..", "0 8"},
    {"FaultedPart",           "SSSS........", "S=X*",              "copy S ........RR.. from=2",    "SSSS....ss..", "0 2"},
    {"FaultedGrows",          "SSSS........", "S=X*",              "copy S ......RRRRRR",           "SSSS..ssssss", "0 0"},
    {"File",                  "SSSS........", "S=f",               "copy S ........RRRR",           "SSSS....ssss", "0 0"},
    {"FilePart",              "SSSS........", "S=ro,f,pgoff=9",    "copy S ........R... from=3",    "SSSS....s...", "=9 =12"},
    {"AllAttributes",         "SSSS........", "S=locked,account,pol1,uffd1,name1,X~", "copy S ........RRRR", "SSSS....ssss", "0 0"},
    {"Vdso_OffsetStays",      "SS..........", "S=rx,dontexpand,driver", "copy S ........RR..",    "SS......ss..", "0 0"},
    {"DevZero_OffsetFollows", "SS..........", "S=f,zero",          "copy S ........RR..",           "SS......ss..", "0 8"},
    {"DevZeroFaulted_OffsetStays", "SS..........", "S=f,zero,X*",  "copy S ........RR..",           "SS......ss..", "0 0"},
    {"NeighbourUnlike",       "SSSS....PPPP....", "P=ro",          "copy S ............RRRR",       "SSSS....PPPPssss", "0 8 12"},
    {"NeighbourOtherOffset",  "SSSS....PPPP....", "PS=X*",         "copy S ............RRRR",       "SSSS....PPPPssss", "0 8 0"},
    {"NeighbourUnfaulted",    "SSSS....PPPP....", "S=X* P=off-12", "copy S ............RRRR",       "SSSS....PPPPssss", "0 -4 0"},
    {"NeighbourOtherAnonVma", "SSSS....PPPP....", "S=X* P=Y*,off-12", "copy S ............RRRR",    "SSSS....PPPPssss", "0 -4 0"},
    {"Special",               "SSSS....PPPP....", "PS=io",         "copy S ............RRRR",       "SSSS....PPPPssss", "0 8 12"},
};

// Merged with what is at the new place.
const Situation kMerged[] = {
    {"WithPrev",              "SSSS....PPPP....", "",              "copy S ............RRRR",       "SSSS....PPPPPPPP", "0 8"},
    {"WithNext",              "SSSS......NN",     "",              "copy S ......RRRR..",           "SSSS..NNNNNN",     "0 6"},
    {"WithBoth",              "SS..PP..NN",       "",              "copy S ......RR..",             "SS..PPPPPP",       "0 4"},
    {"PartWithPrev",          "SSSS....PPPP....", "",              "copy S ............RR.. from=1", "SSSS....PPPPPP..", "0 8"},
    {"FaultedNeighbour",      "SSSS....PPPP....", "P=X*",          "copy S ............RRRR",       "SSSS....PPPPPPPP", "0 8"},
    {"FaultedNeighbourForked", "SSSS....PPPP....", "P=X~",         "copy S ............RRRR",       "SSSS....PPPPssss", "0 8 12"},
    {"BothImport",            "SS..PP..NN",       "N=X*",          "copy S ......RR..",             "SS..PPPPPP",       "0 4", "P=X*"},
    {"FaultedByChance",       "SSSS....PPPP....", "S=X* P=X*,off-12", "copy S ............RRRR",    "SSSS....PPPPPPPP", "0 -4"},
    {"FaultedForkedByChance", "SSSS....PPPP....", "S=X~ P=X~,off-12", "copy S ............RRRR",    "SSSS....PPPPPPPP", "0 -4"},
    {"FileByChance",          "SSSS....PPPP....", "S=f P=f,off-12", "copy S ............RRRR",      "SSSS....PPPPPPPP", "0 -4"},
    {"CloseOfSource_NotAsked", "SSSS....PPPP....", "S=f,close P=f,off-12", "copy S ............RRRR", "SSSS....PPPPPPPP", "0 -4"},
    {"CloseOfNeighbour",      "SSSS....PPPP....", "S=f P=f,close,off-12", "copy S ............RRRR", "SSSS....PPPPssss", "0 -4 0"},
    {"KeptApart",             "SSSS....PPPP....", "",              "copy S ............RRRR keep",  "SSSS....PPPPPPPP", "0 8"},
    {"WithoutMemory",         "SSSS....PPPP....", "",              "copy S ............RRRR reserve=0", "SSSS....PPPPPPPP", "0 8"},
};

// The new place touches the old one: an unfaulted source is merged with its copy, unless it is kept.
const Situation kSelf[] = {
    {"Above",                 "SSSS....",     "",                  "copy S ....RRRR self=S",        "SSSSSSSS",     "0"},
    {"Below",                 "....SSSS",     "",                  "copy S RRRR.... self=S",        "SSSSSSSS",     "0"},
    {"SwallowedByPrev",       "PPPP....SSSS", "",                  "copy S ....RRRR.... self=P",    "PPPPPPPPPPPP", "0"},
    {"SwallowedByFaultedPrev", "PPPP....SSSS", "P=X*",             "copy S ....RRRR.... self=P",    "PPPPPPPPPPPP", "0"},
    {"SwallowsNext",          "SSSS....NNNN", "",                  "copy S ....RRRR.... self=S",    "SSSSSSSSSSSS", "0"},
    {"SwallowsFaultedNext",   "SSSS....NNNN", "N=X*",              "copy S ....RRRR.... self=S",    "SSSSSSSSSSSS", "0", "S=X*"},
    {"AboveKept",             "SSSS....",     "",                  "copy S ....RRRR keep",          "SSSSssss",     "0 4"},
    {"BelowKept",             "....SSSS",     "",                  "copy S RRRR.... keep",          "ssssSSSS",     "0 4"},
    {"KeptNextNotAskedEither", "SSSS....NNNN", "",                 "copy S ....RRRR.... keep",      "SSSSssssNNNN", "0 4 8"},
    {"KeptPrevNotAskedEither", "PPPP....SSSS", "",                 "copy S ....RRRR.... keep",      "PPPPssssSSSS", "0 4 8"},
    {"KeptFaultedMergesOther", "SSSS....NNNN", "S=X* N=X*,off-4",  "copy S ....RRRR.... keep",      "SSSSNNNNNNNN", "0 0"},
    {"FaultedAbove",          "SSSS....",     "S=X*",              "copy S ....RRRR",               "SSSSssss",     "0 0"},
    {"FaultedBelow",          "....SSSS",     "S=X*",              "copy S RRRR....",               "ssssSSSS",     "4 4"},
    {"FileAbove",             "SSSS....",     "S=f",               "copy S ....RRRR",               "SSSSssss",     "0 0"},
};

const Situation kRefused[] = {
    {"OccupiedAtTheEnd",      "SSSS..AA",     "",                  "copy S ....RRRR",               "SSSS..AA",     "0 6", "", "", -kENOMEM},
    {"OccupiedAtTheStart",    "SSSS.AA.",     "",                  "copy S ......RR",               "SSSS.AA.",     "0 5", "", "", -kENOMEM},
    {"OccupiedByItself",      "SSSS....",     "",                  "copy S ...RRRR.",               "SSSS....",     "0",   "", "", -kENOMEM},
    {"NoMemory",              "SSSS........", "S=X*",              "copy S ........RRRR reserve=0", "SSSS........", "0",   "", "", -kENOMEM},
};

// clang-format on

INSTANTIATE_TEST_SUITE_P(New, Copy, testing::ValuesIn(kNew), situation_name);
INSTANTIATE_TEST_SUITE_P(Merged, Copy, testing::ValuesIn(kMerged), situation_name);
INSTANTIATE_TEST_SUITE_P(Self, Copy, testing::ValuesIn(kSelf), situation_name);
INSTANTIATE_TEST_SUITE_P(Refused, Copy, testing::ValuesIn(kRefused), situation_name);

}  // namespace
}  // namespace svma::test
