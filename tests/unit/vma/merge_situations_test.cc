// SPDX-License-Identifier: GPL-2.0-only
//
// vma_merge() row by row: the eight pictures of merge.hpp, each with all that may fit or not. The
// expectations follow from reading is_mergeable_vma(), is_mergeable_anon_vma(), vma_merge() and
// __vma_adjust() of v6.1; situation_fixture.hpp explains the notation.
//
// P is the VMA below the request, N the one above it, M the one the request is a part of.
#include "situation_fixture.hpp"

namespace svma::test {
namespace {

class Merge : public SituationFixture {};

TEST_P(Merge, Situation_IsAsDrawn) { run(GetParam()); }

// clang-format off

// Both sides fit, or one of them does not after all: then it is case 2 or 3, or none.
const Situation kCase1[] = {
    {"Plain",               "PPPP....NNNN", "",                  "merge:1 ....RRRR....",            "PPPPPPPPPPPP", "0"},
    {"OnePage",             "PPPPP.NNNNNN", "",                  "merge:1 .....R......",            "PPPPPPPPPPPP", "0"},
    {"OnePageEach",         "P.N",          "",                  "merge:1 .R.",                     "PPP",          "0"},
    {"OthersAround",        "AAPP.NNBB",    "AB=ro",             "merge:1 ....R....",               "AAPPPPPBB",    "0 2 7"},
    {"RequestSoftDirty",    "PPPP....NNNN", "",                  "merge:1 ....RRRR.... soft-dirty", "PPPPPPPPPPPP", "0"},
    {"PrevSoftDirty",       "PPPP....NNNN", "P=soft-dirty",      "merge:1 ....RRRR....",            "PPPPPPPPPPPP", "0"},
    {"NextSoftDirty",       "PPPP....NNNN", "N=soft-dirty",      "merge:1 ....RRRR....",            "PPPPPPPPPPPP", "0"},
    {"PrevOneFlagMore",     "PPPP....NNNN", "P=locked",          "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "0 4"},
    {"PrevOneFlagLess",     "PPPP....NNNN", "N=account",         "merge:3 ....RRRR.... account",    "PPPPNNNNNNNN", "0 4"},
    {"NextOneFlagMore",     "PPPP....NNNN", "N=hugepage",        "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"NextOtherKey",        "PPPP....NNNN", "N=pkey",            "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"RequestOneFlagMore",  "PPPP....NNNN", "",                  "merge:0 ....RRRR.... exec",       "PPPP....NNNN", "0 8"},
    {"AllIo",               "PPPP....NNNN", "PN=io",             "merge:0 ....RRRR.... io",         "PPPP....NNNN", "0 8"},
    {"AllDontExpand",       "PPPP....NNNN", "PN=dontexpand",     "merge:0 ....RRRR.... dontexpand", "PPPP....NNNN", "0 8"},
    {"AllPfnMap",           "PPPP....NNNN", "PN=pfnmap",         "merge:0 ....RRRR.... pfnmap",     "PPPP....NNNN", "0 8"},
    {"AllMixedMap",         "PPPP....NNNN", "PN=mixedmap",       "merge:0 ....RRRR.... mixedmap",   "PPPP....NNNN", "0 8"},
    {"OnlyNeighboursIo",    "PPPP....NNNN", "PN=io",             "merge:0 ....RRRR....",            "PPPP....NNNN", "0 8"},
    {"SameFile",            "PPPP....NNNN", "PN=f",              "merge:1 ....RRRR.... f",          "PPPPPPPPPPPP", "0"},
    {"SameFileFurtherOn",   "PPPP....NNNN", "PN=f,off+70",       "merge:1 ....RRRR.... f,off+70",   "PPPPPPPPPPPP", "70"},
    {"SameFileShared",      "PPPP....NNNN", "PN=f,shared",       "merge:1 ....RRRR.... f,shared",   "PPPPPPPPPPPP", "0"},
    {"NextOtherFile",       "PPPP....NNNN", "P=f N=g",           "merge:2 ....RRRR.... f",          "PPPPPPPPNNNN", "0 8"},
    {"PrevOtherFile",       "PPPP....NNNN", "P=g N=f",           "merge:3 ....RRRR.... f",          "PPPPNNNNNNNN", "0 4"},
    {"AnonBetweenFiles",    "PPPP....NNNN", "PN=f",              "merge:0 ....RRRR....",            "PPPP....NNNN", "0 8"},
    {"FileBetweenAnon",     "PPPP....NNNN", "",                  "merge:0 ....RRRR.... f",          "PPPP....NNNN", "0 8"},
    {"PrevOffByOneDown",    "PPPP....NNNN", "P=off-1",           "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "-1 4"},
    {"PrevOffByOneUp",      "PPPP....NNNN", "P=off+1",           "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "1 4"},
    {"NextOffByOneUp",      "PPPP....NNNN", "N=off+1",           "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 9"},
    {"NextOffByOneDown",    "PPPP....NNNN", "N=off-1",           "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 7"},
    {"RequestOffByOne",     "PPPP....NNNN", "",                  "merge:0 ....RRRR.... off+1",      "PPPP....NNNN", "0 8"},
    {"PrevPolicy",          "PPPP....NNNN", "P=pol1",            "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "0 4"},
    {"NextPolicy",          "PPPP....NNNN", "N=pol1",            "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"RequestPolicy",       "PPPP....NNNN", "",                  "merge:0 ....RRRR.... pol1",       "PPPP....NNNN", "0 8"},
    {"SamePolicy",          "PPPP....NNNN", "PN=pol1",           "merge:1 ....RRRR.... pol1",       "PPPPPPPPPPPP", "0"},
    {"PrevOtherPolicy",     "PPPP....NNNN", "P=pol1 N=pol2",     "merge:3 ....RRRR.... pol2",       "PPPPNNNNNNNN", "0 4"},
    {"PrevUffd",            "PPPP....NNNN", "P=uffd1",           "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "0 4"},
    {"NextUffd",            "PPPP....NNNN", "N=uffd1",           "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"SameUffd",            "PPPP....NNNN", "PN=uffd1",          "merge:1 ....RRRR.... uffd1",      "PPPPPPPPPPPP", "0"},
    {"PrevName",            "PPPP....NNNN", "P=name1",           "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "0 4"},
    {"NextName",            "PPPP....NNNN", "N=name1",           "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"SameName",            "PPPP....NNNN", "PN=name1",          "merge:1 ....RRRR.... name1",      "PPPPPPPPPPPP", "0"},
    {"PrevOtherName",       "PPPP....NNNN", "P=name1 N=name2",   "merge:3 ....RRRR.... name2",      "PPPPNNNNNNNN", "0 4"},
    {"PrevClose",           "PPPP....NNNN", "P=close",           "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "0 4"},
    {"NextClose",           "PPPP....NNNN", "N=close",           "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"BothClose",           "PPPP....NNNN", "PN=close",          "merge:0 ....RRRR....",            "PPPP....NNNN", "0 8"},
    {"RequestClose",        "PPPP....NNNN", "",                  "merge:1 ....RRRR.... close",      "PPPPPPPPPPPP", "0"},
};

// anon_vma of prev, of the request, of next: 0 is none, S has a chain of one entry, F a longer one.
const Situation kCase1AnonVma[] = {
    {"P0_R0_NS",  "PPPP....NNNN", "N=X*",      "merge:1 ....RRRR....",    "PPPPPPPPPPPP", "0", "P=X*"},
    {"P0_R0_NF",  "PPPP....NNNN", "N=X~",      "merge:2 ....RRRR....",    "PPPPPPPPNNNN", "0 8"},
    {"PS_R0_N0",  "PPPP....NNNN", "P=X*",      "merge:1 ....RRRR....",    "PPPPPPPPPPPP", "0"},
    {"PF_R0_N0",  "PPPP....NNNN", "P=X~",      "merge:3 ....RRRR....",    "PPPPNNNNNNNN", "0 4"},
    {"PS_R0_NS",  "PPPP....NNNN", "PN=X*",     "merge:1 ....RRRR....",    "PPPPPPPPPPPP", "0"},
    {"PS_R0_NF",  "PPPP....NNNN", "P=X* N=X~", "merge:2 ....RRRR....",    "PPPPPPPPNNNN", "0 8"},
    {"PF_R0_NS",  "PPPP....NNNN", "P=X~ N=X*", "merge:3 ....RRRR....",    "PPPPNNNNNNNN", "0 4"},
    {"PF_R0_NF",  "PPPP....NNNN", "PN=X~",     "merge:0 ....RRRR....",    "PPPP....NNNN", "0 8"},
    {"PS_R0_NSOther", "PPPP....NNNN", "P=X* N=Y*", "merge:2 ....RRRR....", "PPPPPPPPNNNN", "0 8"},
    {"PS_R0_NFOther", "PPPP....NNNN", "P=X* N=Y~", "merge:2 ....RRRR....", "PPPPPPPPNNNN", "0 8"},
    {"PF_R0_NSOther", "PPPP....NNNN", "P=X~ N=Y*", "merge:3 ....RRRR....", "PPPPNNNNNNNN", "0 4"},
    {"PF_R0_NFOther", "PPPP....NNNN", "P=X~ N=Y~", "merge:0 ....RRRR....", "PPPP....NNNN", "0 8"},
    {"P0_R_N0",   "PPPP....NNNN", "",          "merge:0 ....RRRR.... X*", "PPPP....NNNN", "0 8"},
    {"PS_R_N0",   "PPPP....NNNN", "P=X*",      "merge:2 ....RRRR.... X*", "PPPPPPPPNNNN", "0 8"},
    {"PF_R_N0",   "PPPP....NNNN", "P=X~",      "merge:2 ....RRRR.... X*", "PPPPPPPPNNNN", "0 8"},
    {"P0_R_NS",   "PPPP....NNNN", "N=X*",      "merge:3 ....RRRR.... X*", "PPPPNNNNNNNN", "0 4"},
    {"P0_R_NF",   "PPPP....NNNN", "N=X~",      "merge:3 ....RRRR.... X*", "PPPPNNNNNNNN", "0 4"},
    {"PS_R_NS",   "PPPP....NNNN", "PN=X*",     "merge:1 ....RRRR.... X*", "PPPPPPPPPPPP", "0"},
    {"PS_R_NF",   "PPPP....NNNN", "P=X* N=X~", "merge:1 ....RRRR.... X*", "PPPPPPPPPPPP", "0"},
    {"PF_R_NF",   "PPPP....NNNN", "PN=X~",     "merge:1 ....RRRR.... X~", "PPPPPPPPPPPP", "0"},
    {"PSOther_R_NS", "PPPP....NNNN", "P=Y* N=X*", "merge:3 ....RRRR.... X*", "PPPPNNNNNNNN", "0 4"},
    {"PS_R_NSOther", "PPPP....NNNN", "P=X* N=Y*", "merge:2 ....RRRR.... X*", "PPPPPPPPNNNN", "0 8"},
    {"BothOther", "PPPP....NNNN", "PN=Y*",     "merge:0 ....RRRR.... X*", "PPPP....NNNN", "0 8"},
    {"ThreeOthers", "PPPP....NNNN", "P=Y* N=Z*", "merge:0 ....RRRR.... X*", "PPPP....NNNN", "0 8"},
};

// Nothing, or nothing that touches, or nothing that fits above the hole.
const Situation kCase2[] = {
    {"NothingAbove",     "PPPP........", "",           "merge:2 ....RRRR....",            "PPPPPPPP....", "0"},
    {"NextFurtherUp",    "PPPP......NN", "",           "merge:2 ....RRRR....",            "PPPPPPPP..NN", "0 10"},
    {"NextDiffers",      "PPPP....NNNN", "N=ro",       "merge:2 ....RRRR....",            "PPPPPPPPNNNN", "0 8"},
    {"SoftDirty",        "PPPP........", "P=soft-dirty", "merge:2 ....RRRR....",          "PPPPPPPP....", "0"},
    {"OneFlagMore",      "PPPP........", "P=exec",     "merge:0 ....RRRR....",            "PPPP........", "0"},
    {"Special",          "PPPP........", "P=mixedmap", "merge:0 ....RRRR.... mixedmap",   "PPPP........", "0"},
    {"SameFile",         "PPPP........", "P=f",        "merge:2 ....RRRR.... f",          "PPPPPPPP....", "0"},
    {"OtherFile",        "PPPP........", "P=f",        "merge:0 ....RRRR.... g",          "PPPP........", "0"},
    {"FileThenAnon",     "PPPP........", "P=f",        "merge:0 ....RRRR....",            "PPPP........", "0"},
    {"FileOffByOne",     "PPPP........", "P=f",        "merge:0 ....RRRR.... f,off-1",    "PPPP........", "0"},
    {"FileAgainFromStart", "PPPP........", "P=f,pgoff=0", "merge:0 ....RRRR.... f,pgoff=0", "PPPP........", "=0"},
    {"FileFromPageFour", "PPPP........", "P=f,pgoff=0", "merge:2 ....RRRR.... f,pgoff=4", "PPPPPPPP....", "=0"},
    {"Policy",           "PPPP........", "P=pol1",     "merge:0 ....RRRR....",            "PPPP........", "0"},
    {"Uffd",             "PPPP........", "P=uffd1",    "merge:0 ....RRRR....",            "PPPP........", "0"},
    {"Name",             "PPPP........", "",           "merge:0 ....RRRR.... name1",      "PPPP........", "0"},
    {"Close",            "PPPP........", "P=f,close",  "merge:0 ....RRRR.... f",          "PPPP........", "0"},
    {"AnonVmaSingular",  "PPPP........", "P=X*",       "merge:2 ....RRRR....",            "PPPPPPPP....", "0"},
    {"AnonVmaForked",    "PPPP........", "P=X~",       "merge:0 ....RRRR....",            "PPPP........", "0"},
    {"AnonVmaForkedSame", "PPPP........", "P=X~",      "merge:2 ....RRRR.... X~",         "PPPPPPPP....", "0"},
    {"StackGrowsDown",   "SSSS........", "S=down",     "merge:2 ....RRRR.... down",       "SSSSSSSS....", "0"},
    {"HoleBetween",      "PPPP........", "",           "merge:0 .....RRR....",            "PPPP........", "0"},
};

// The mirror image; what grows downwards gets a smaller page offset.
const Situation kCase3[] = {
    {"NothingBelow",     "....NNNN....", "",           "merge:3 ..RR........",            "..NNNNNN....", "2"},
    {"PrevFurtherDown",  "PP......NNNN", "",           "merge:3 ....RRRR....",            "PP..NNNNNNNN", "0 4"},
    {"PrevDiffers",      "PPPP....NNNN", "P=ro",       "merge:3 ....RRRR....",            "PPPPNNNNNNNN", "0 4"},
    {"OthersAbove",      "....NNNNAAAA", "A=ro",       "merge:3 ..RR........",            "..NNNNNNAAAA", "2 8"},
    {"SoftDirty",        "....NNNN....", "N=soft-dirty", "merge:3 ..RR........",          "..NNNNNN....", "2"},
    {"OneFlagMore",      "....NNNN....", "N=locked",   "merge:0 ..RR........",            "....NNNN....", "4"},
    {"Special",          "....NNNN....", "N=io",       "merge:0 ..RR........ io",         "....NNNN....", "4"},
    {"SameFile",         "....NNNN....", "N=f,off+90", "merge:3 ..RR........ f,off+90",   "..NNNNNN....", "92"},
    {"FileFromPageZero", "....NNNN....", "N=f,pgoff=2", "merge:3 ..RR........ f,pgoff=0", "..NNNNNN....", "=0"},
    {"OtherFile",        "....NNNN....", "N=f",        "merge:0 ..RR........ g",          "....NNNN....", "4"},
    {"AnonThenFile",     "....NNNN....", "N=f",        "merge:0 ..RR........",            "....NNNN....", "4"},
    {"FileOffByOne",     "....NNNN....", "N=f",        "merge:0 ..RR........ f,off+1",    "....NNNN....", "4"},
    {"Policy",           "....NNNN....", "N=pol1",     "merge:0 ..RR........ pol2",       "....NNNN....", "4"},
    {"Uffd",             "....NNNN....", "N=uffd1",    "merge:0 ..RR........",            "....NNNN....", "4"},
    {"Name",             "....NNNN....", "N=name1",    "merge:0 ..RR........ name2",      "....NNNN....", "4"},
    {"Close",            "....NNNN....", "N=f,close",  "merge:0 ..RR........ f",          "....NNNN....", "4"},
    {"AnonVmaSingular",  "....NNNN....", "N=X*",       "merge:3 ..RR........",            "..NNNNNN....", "2"},
    {"AnonVmaForked",    "....NNNN....", "N=X~",       "merge:0 ..RR........",            "....NNNN....", "4"},
    {"AnonVmaForkedSame", "....NNNN....", "N=X~",      "merge:3 ..RR........ X~",         "..NNNNNN....", "2"},
    {"BelowAStack",      "....SSSS....", "S=down",     "merge:3 ..RR........ down",       "..SSSSSS....", "2"},
    {"HoleBetween",      "....NNNN....", "",           "merge:0 .RR.........",            "....NNNN....", "4"},
};

// The end of P is about to become like N. Only N is asked.
const Situation kCase4[] = {
    {"Plain",            "PPPPPPNNNN..", "P=ro",              "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"LastPage",         "PPPPPPNNNN..", "P=ro",              "change:4 .....R...... rw",       "PPPPPNNNNN..", "0 5"},
    {"AllButFirstPage",  "PPPPPPNNNN..", "P=ro",              "change:4 .RRRRR...... rw",       "PNNNNNNNNN..", "0 1"},
    {"NotUpToTheEnd",    "PPPPPPNNNN..", "P=ro",              "change:0 ..RRR....... rw",       "PPPPPPNNNN..", "0 6"},
    {"HoleAbove",        "PPPPPP.NNNN.", "P=ro",              "change:0 ..RRRR...... rw",       "PPPPPP.NNNN.", "0 7"},
    {"SoftDirty",        "PPPPPPNNNN..", "P=ro N=soft-dirty", "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"OneFlagMore",      "PPPPPPNNNN..", "P=ro N=exec",       "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"Special",          "PPPPPPNNNN..", "P=ro,io N=io",      "change:0 ..RRRR...... rw,io",    "PPPPPPNNNN..", "0 6"},
    {"SameFile",         "PPPPPPNNNN..", "P=ro,f N=f",        "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"SameFileLocked",   "PPPPPPNNNN..", "P=f N=f,locked",    "change:4 ..RRRR...... locked",   "PPNNNNNNNN..", "0 2"},
    {"OtherFile",        "PPPPPPNNNN..", "P=ro,f N=g",        "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"FileOffByOne",     "PPPPPPNNNN..", "P=ro,f N=f,off+1",  "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 7"},
    {"PolicyOfNext",     "PPPPPPNNNN..", "P=ro N=pol1",       "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"PolicyChanges",    "PPPPPPNNNN..", "N=pol1",            "change:4 ..RRRR...... pol1",     "PPNNNNNNNN..", "0 2"},
    {"UffdOfNext",       "PPPPPPNNNN..", "P=ro N=uffd1",      "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"UffdChanges",      "PPPPPPNNNN..", "N=uffd1",           "change:4 ..RRRR...... uffd1",    "PPNNNNNNNN..", "0 2"},
    {"NameOfNext",       "PPPPPPNNNN..", "P=ro N=name1",      "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"NameChanges",      "PPPPPPNNNN..", "N=name1",           "change:4 ..RRRR...... name1",    "PPNNNNNNNN..", "0 2"},
    {"CloseOfNext",      "PPPPPPNNNN..", "P=ro N=close",      "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"CloseOfPrev_NotAsked", "PPPPPPNNNN..", "P=ro,close",    "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"P0_NS",            "PPPPPPNNNN..", "P=ro N=X*",         "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"P0_NF",            "PPPPPPNNNN..", "P=ro N=X~",         "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"PS_N0",            "PPPPPPNNNN..", "P=ro,X*",           "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
    {"PS_NS",            "PPPPPPNNNN..", "P=ro,X* N=X*",      "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"PF_NF",            "PPPPPPNNNN..", "P=ro,X~ N=X~",      "change:4 ..RRRR...... rw",       "PPNNNNNNNN..", "0 2"},
    {"PS_NSOther",       "PPPPPPNNNN..", "P=ro,X* N=Y*",      "change:0 ..RRRR...... rw",       "PPPPPPNNNN..", "0 6"},
};

// The start of N is about to become like P. Only P is asked.
const Situation kCase5[] = {
    {"Plain",            "PPPPNNNNNN..", "N=ro",              "change:5 ....RRRR.... rw",       "PPPPPPPPNN..", "0 8"},
    {"FirstPage",        "PPPPNNNNNN..", "N=ro",              "change:5 ....R....... rw",       "PPPPPNNNNN..", "0 5"},
    {"AllButLastPage",   "PPPPNNNNNN..", "N=ro",              "change:5 ....RRRRR... rw",       "PPPPPPPPPN..", "0 9"},
    {"NotFromTheStart",  "PPPPNNNNNN..", "N=ro",              "change:0 .....RRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"HoleBelow",        "PPP.NNNNNN..", "N=ro",              "change:0 ....RRRR.... rw",       "PPP.NNNNNN..", "0 4"},
    {"SoftDirty",        "PPPPNNNNNN..", "N=ro P=soft-dirty", "change:5 ....RRRR.... rw",       "PPPPPPPPNN..", "0 8"},
    {"OneFlagMore",      "PPPPNNNNNN..", "N=ro P=exec",       "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"Special",          "PPPPNNNNNN..", "N=ro,pfnmap P=pfnmap", "change:0 ....RRRR.... rw,pfnmap", "PPPPNNNNNN..", "0 4"},
    {"SameFile",         "PPPPNNNNNN..", "N=ro,f P=f",        "change:5 ....RRRR.... rw",       "PPPPPPPPNN..", "0 8"},
    {"SameFileUnlocked", "PPPPNNNNNN..", "N=f,locked P=f",    "change:5 ....RRRR.... !locked",  "PPPPPPPPNN..", "0 8"},
    {"OtherFile",        "PPPPNNNNNN..", "N=ro,f P=g",        "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"FileOffByOne",     "PPPPNNNNNN..", "N=ro,f P=f,off-1",  "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "-1 4"},
    {"PolicyOfPrev",     "PPPPNNNNNN..", "N=ro P=pol1",       "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"PolicyChanges",    "PPPPNNNNNN..", "P=pol1",            "change:5 ....RRRR.... pol1",     "PPPPPPPPNN..", "0 8"},
    {"UffdChanges",      "PPPPNNNNNN..", "P=uffd1",           "change:5 ....RRRR.... uffd1",    "PPPPPPPPNN..", "0 8"},
    {"NameChanges",      "PPPPNNNNNN..", "P=name1",           "change:5 ....RRRR.... name1",    "PPPPPPPPNN..", "0 8"},
    {"CloseOfPrev",      "PPPPNNNNNN..", "N=ro P=close",      "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"CloseOfNext_NotAsked", "PPPPNNNNNN..", "N=ro,close",    "change:5 ....RRRR.... rw",       "PPPPPPPPNN..", "0 8"},
    {"PS_N0",            "PPPPNNNNNN..", "N=ro P=X*",         "change:5 ....RRRR.... rw",       "PPPPPPPPNN..", "0 8"},
    {"PF_N0",            "PPPPNNNNNN..", "N=ro P=X~",         "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"P0_NS",            "PPPPNNNNNN..", "N=ro,X*",           "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
    {"PF_NS",            "PPPPNNNNNN..", "N=ro,X* P=X~",      "change:5 ....RRRR.... rw",       "PPPPPPPPNN..", "0 8"},
    {"PS_NSOther",       "PPPPNNNNNN..", "N=ro,X* P=Y*",      "change:0 ....RRRR.... rw",       "PPPPNNNNNN..", "0 4"},
};

// All of M is about to become like both neighbours; with one of them unlike it is case 7 or 8.
const Situation kCase6[] = {
    {"Plain",            "PPPPMMMMNNNN", "M=ro",              "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"OnePageEach",      "PMN",          "M=ro",              "change:6 .R. rw",                "PPP",          "0"},
    {"OthersAround",     "APPMMNNB",     "AMB=ro",            "change:6 ...RR... rw",           "APPPPPPB",     "0 1 7"},
    {"SoftDirty",        "PPPPMMMMNNNN", "M=ro,soft-dirty",   "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"PrevOneFlagMore",  "PPPPMMMMNNNN", "M=ro P=locked",     "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"NextOneFlagMore",  "PPPPMMMMNNNN", "M=ro N=locked",     "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"Special",          "PPPPMMMMNNNN", "M=ro,io PN=io",     "change:0 ....RRRR.... rw,io",    "PPPPMMMMNNNN", "0 4 8"},
    {"SameFile",         "PPPPMMMMNNNN", "M=ro,f PN=f",       "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"PrevOtherFile",    "PPPPMMMMNNNN", "M=ro,f P=g N=f",    "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"NextOtherFile",    "PPPPMMMMNNNN", "M=ro,f P=f N=g",    "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"AnonBetweenFiles", "PPPPMMMMNNNN", "M=ro PN=f",         "change:0 ....RRRR.... rw",       "PPPPMMMMNNNN", "0 4 8"},
    {"PrevOffByOne",     "PPPPMMMMNNNN", "M=ro,f PN=f P=off+1", "change:8 ....RRRR.... rw",     "PPPPNNNNNNNN", "1 4"},
    {"NextOffByOne",     "PPPPMMMMNNNN", "M=ro,f PN=f N=off-1", "change:7 ....RRRR.... rw",     "PPPPPPPPNNNN", "0 7"},
    {"MidOffByOne",      "PPPPMMMMNNNN", "M=ro,f,off+1 PN=f", "change:0 ....RRRR.... rw",       "PPPPMMMMNNNN", "0 5 8"},
    {"PolicyChanges",    "PPPPMMMMNNNN", "PN=pol1",           "change:6 ....RRRR.... pol1",     "PPPPPPPPPPPP", "0"},
    {"PolicyGoes",       "PPPPMMMMNNNN", "M=pol1",            "change:6 ....RRRR.... pol0",     "PPPPPPPPPPPP", "0"},
    {"PrevPolicy",       "PPPPMMMMNNNN", "M=ro P=pol1",       "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"UffdChanges",      "PPPPMMMMNNNN", "PN=uffd1",          "change:6 ....RRRR.... uffd1",    "PPPPPPPPPPPP", "0"},
    {"NextUffd",         "PPPPMMMMNNNN", "M=ro N=uffd1",      "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"NameChanges",      "PPPPMMMMNNNN", "PN=name1",          "change:6 ....RRRR.... name1",    "PPPPPPPPPPPP", "0"},
    {"PrevName",         "PPPPMMMMNNNN", "M=ro P=name1",      "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"PrevClose",        "PPPPMMMMNNNN", "M=ro P=close",      "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"NextClose",        "PPPPMMMMNNNN", "M=ro N=close",      "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"MidClose_NotAsked", "PPPPMMMMNNNN", "M=ro,close",       "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"P0_M0_NS",         "PPPPMMMMNNNN", "M=ro N=X*",         "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0", "P=X*"},
    {"P0_M0_NF",         "PPPPMMMMNNNN", "M=ro N=X~",         "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"PS_M0_N0",         "PPPPMMMMNNNN", "M=ro P=X*",         "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"PF_M0_N0",         "PPPPMMMMNNNN", "M=ro P=X~",         "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"PF_M0_NF",         "PPPPMMMMNNNN", "M=ro PN=X~",        "change:0 ....RRRR.... rw",       "PPPPMMMMNNNN", "0 4 8"},
    {"PS_M0_NS",         "PPPPMMMMNNNN", "M=ro PN=X*",        "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"PS_M0_NSOther",    "PPPPMMMMNNNN", "M=ro P=X* N=Y*",    "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"P0_MS_N0",         "PPPPMMMMNNNN", "M=ro,X*",           "change:0 ....RRRR.... rw",       "PPPPMMMMNNNN", "0 4 8"},
    {"PS_MS_N0",         "PPPPMMMMNNNN", "M=ro,X* P=X*",      "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"P0_MS_NS",         "PPPPMMMMNNNN", "M=ro,X* N=X*",      "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"PS_MS_NS",         "PPPPMMMMNNNN", "M=ro,X* PN=X*",     "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"PF_MS_NF",         "PPPPMMMMNNNN", "M=ro,X* PN=X~",     "change:6 ....RRRR.... rw",       "PPPPPPPPPPPP", "0"},
    {"PSOther_MS_NS",    "PPPPMMMMNNNN", "M=ro,X* P=Y* N=X*", "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"PS_MS_NSOther",    "PPPPMMMMNNNN", "M=ro,X* P=X* N=Y*", "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
};

// All of M is about to become like P. Above it: nothing, a hole, or something unlike.
const Situation kCase7[] = {
    {"NextDiffers",      "PPPPMMMMNNNN", "MN=ro",             "change:7 ....RRRR.... rw",       "PPPPPPPPNNNN", "0 8"},
    {"NothingAbove",     "PPPPMMMM....", "M=ro",              "change:7 ....RRRR.... rw",       "PPPPPPPP....", "0"},
    {"HoleAbove",        "PPPPMMMM..NN", "M=ro",              "change:7 ....RRRR.... rw",       "PPPPPPPP..NN", "0 10"},
    {"SoftDirty",        "PPPPMMMM....", "M=ro P=soft-dirty", "change:7 ....RRRR.... rw",       "PPPPPPPP....", "0"},
    {"OneFlagMore",      "PPPPMMMM....", "M=ro P=account",    "change:0 ....RRRR.... rw",       "PPPPMMMM....", "0 4"},
    {"SameFile",         "PPPPMMMM....", "M=rx,f P=ro,f",     "change:7 ....RRRR.... ro",       "PPPPPPPP....", "0"},
    {"OtherFile",        "PPPPMMMM....", "M=rx,f P=ro,g",     "change:0 ....RRRR.... ro",       "PPPPMMMM....", "0 4"},
    {"FileOffByOne",     "PPPPMMMM....", "M=rx,f,off+1 P=ro,f", "change:0 ....RRRR.... ro",     "PPPPMMMM....", "0 5"},
    {"Close",            "PPPPMMMM....", "M=ro,f PM=f P=close", "change:0 ....RRRR.... rw",     "PPPPMMMM....", "0 4"},
    {"PS_M0",            "PPPPMMMM....", "M=ro P=X*",         "change:7 ....RRRR.... rw",       "PPPPPPPP....", "0"},
    {"PF_MF",            "PPPPMMMM....", "M=ro,X~ P=X~",      "change:7 ....RRRR.... rw",       "PPPPPPPP....", "0"},
    {"P0_MS",            "PPPPMMMM....", "M=ro,X*",           "change:0 ....RRRR.... rw",       "PPPPMMMM....", "0 4"},
};

// All of M is about to become like N, and M goes. Below it: nothing, a hole, or something unlike.
const Situation kCase8[] = {
    {"PrevDiffers",      "PPPPMMMMNNNN", "PM=ro",             "change:8 ....RRRR.... rw",       "PPPPNNNNNNNN", "0 4"},
    {"NothingBelow",     "....MMMMNNNN", "M=ro",              "change:8 ....RRRR.... rw",       "....NNNNNNNN", "4"},
    {"HoleBelow",        "PP..MMMMNNNN", "M=ro",              "change:8 ....RRRR.... rw",       "PP..NNNNNNNN", "0 4"},
    {"SoftDirty",        "....MMMMNNNN", "M=ro N=soft-dirty", "change:8 ....RRRR.... rw",       "....NNNNNNNN", "4"},
    {"OneFlagMore",      "....MMMMNNNN", "M=ro N=account",    "change:0 ....RRRR.... rw",       "....MMMMNNNN", "4 8"},
    {"SameFile",         "....MMMMNNNN", "M=rx,f N=ro,f",     "change:8 ....RRRR.... ro",       "....NNNNNNNN", "4"},
    {"OtherFile",        "....MMMMNNNN", "M=rx,f N=ro,g",     "change:0 ....RRRR.... ro",       "....MMMMNNNN", "4 8"},
    {"FileOffByOne",     "....MMMMNNNN", "M=rx,f N=ro,f,off+1", "change:0 ....RRRR.... ro",     "....MMMMNNNN", "4 9"},
    {"Close",            "....MMMMNNNN", "M=ro N=close",      "change:0 ....RRRR.... rw",       "....MMMMNNNN", "4 8"},
    {"M0_NS",            "....MMMMNNNN", "M=ro N=X*",         "change:8 ....RRRR.... rw",       "....NNNNNNNN", "4"},
    {"MF_NF",            "....MMMMNNNN", "MN=X~ N=exec",      "change:8 ....RRRR.... exec",     "....NNNNNNNN", "4"},
    {"MS_N0",            "....MMMMNNNN", "M=ro,X*",           "change:0 ....RRRR.... rw",       "....MMMMNNNN", "4 8"},
};

// The inner part of a VMA, and VMAs alone, have nobody to merge with.
const Situation kNone[] = {
    {"Middle",           "PPPPPPPP",     "P=ro",              "change:0 ..RRRR.. rw",           "PPPPPPPP",     "0"},
    {"Start",            "PPPPPPPP",     "P=ro",              "change:0 RRRR.... rw",           "PPPPPPPP",     "0"},
    {"End",              "PPPPPPPP",     "P=ro",              "change:0 ....RRRR rw",           "PPPPPPPP",     "0"},
    {"Whole",            "PPPPPPPP",     "P=ro",              "change:0 RRRRRRRR rw",           "PPPPPPPP",     "0"},
    {"EmptyMap",         "........",     "",                  "merge:0 ..RRRR..",               "........",     ""},
};

// clang-format on

INSTANTIATE_TEST_SUITE_P(Case1, Merge, testing::ValuesIn(kCase1), situation_name);
INSTANTIATE_TEST_SUITE_P(Case1AnonVma, Merge, testing::ValuesIn(kCase1AnonVma), situation_name);
INSTANTIATE_TEST_SUITE_P(Case2, Merge, testing::ValuesIn(kCase2), situation_name);
INSTANTIATE_TEST_SUITE_P(Case3, Merge, testing::ValuesIn(kCase3), situation_name);
INSTANTIATE_TEST_SUITE_P(Case4, Merge, testing::ValuesIn(kCase4), situation_name);
INSTANTIATE_TEST_SUITE_P(Case5, Merge, testing::ValuesIn(kCase5), situation_name);
INSTANTIATE_TEST_SUITE_P(Case6, Merge, testing::ValuesIn(kCase6), situation_name);
INSTANTIATE_TEST_SUITE_P(Case7, Merge, testing::ValuesIn(kCase7), situation_name);
INSTANTIATE_TEST_SUITE_P(Case8, Merge, testing::ValuesIn(kCase8), situation_name);
INSTANTIATE_TEST_SUITE_P(NoCase, Merge, testing::ValuesIn(kNone), situation_name);

}  // namespace
}  // namespace svma::test
