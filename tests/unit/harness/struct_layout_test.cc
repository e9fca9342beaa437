// SPDX-License-Identifier: GPL-2.0-only
// Layouts of BTF that is built here: what a compiler would write for the declarations beside it.
#include "lib/struct_layout.hpp"

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <functional>

#include "lib/error.hpp"

namespace svma::test {
namespace {

class StructLayoutTest : public testing::Test {
 protected:
  StructLayoutTest() : types_(btf__new_empty()) {
    char_ = btf__add_int(types_.get(), "char", 1, BTF_INT_CHAR);
    int_ = btf__add_int(types_.get(), "int", 4, BTF_INT_SIGNED);
    long_ = btf__add_int(types_.get(), "long", 8, BTF_INT_SIGNED);
  }

  btf* types() { return types_.get(); }
  // Offset in bits; bits 0: no bit field.
  void field(const char* name, int type, uint32_t offset, uint32_t bits = 0) {
    ASSERT_EQ(btf__add_field(types(), name, type, offset, bits), 0) << name;
  }
  int array(int of, uint32_t length) { return btf__add_array(types(), int_, of, length); }
  StructLayout layout(const char* name, bool expand = false) {
    return struct_layout(*types(), name, expand);
  }
  std::string message(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  }
  // A member's bits, and the holes and the padding, are all of a structure, at every depth.
  static void expect_adds_up(const StructLayout& layout) {
    const StructSums sums = sums_of(layout);
    EXPECT_EQ(sums.member_bits + sums.hole_bits + layout.padding_bits, layout.bytes * 8);
  }

  Btf types_;
  int char_ = 0;
  int int_ = 0;
  int long_ = 0;
};

// struct s { char a; long b; char c; };
TEST_F(StructLayoutTest, Holes_BetweenMembersAndAtTheEnd) {
  btf__add_struct(types(), "s", 24);
  field("a", char_, 0);
  field("b", long_, 64);
  field("c", char_, 128);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[1].hole_bits, 56u);
  EXPECT_EQ(s.members[2].hole_bits, 0u);
  EXPECT_EQ(s.padding_bits, 56u);
  EXPECT_EQ(sums_of(s).holes, 1u);
  expect_adds_up(s);
  EXPECT_EQ(struct_text(s),
            "struct s {                                                  offset     size\n"
            "    char a;                                                      0        1\n"
            "    -- hole of 7 bytes --\n"
            "    long b;                                                      8        8\n"
            "    char c;                                                     16        1\n"
            "}\n"
            "size 24 bytes, cache lines 1, members 3\n"
            "members take 10 bytes, holes 1 (7 bytes), padding 7 bytes\n"
            "of the last cache line it has 24 bytes\n");
}

// struct s { int a : 3; int b : 7; int : 0; int c : 30; int d : 5; char e; };
TEST_F(StructLayoutTest, BitFields_AcrossUnits) {
  btf__add_struct(types(), "s", 12);
  field("a", int_, 0, 3);
  field("b", int_, 3, 7);
  field("c", int_, 32, 30);
  field("d", int_, 64, 5);
  field("e", char_, 72);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[0].declaration, "int a : 3");
  EXPECT_EQ(s.members[2].hole_bits, 22u);
  EXPECT_EQ(s.members[3].hole_bits, 2u);
  EXPECT_EQ(s.members[4].hole_bits, 3u);
  EXPECT_EQ(s.members[4].bits, 0u);
  EXPECT_EQ(s.padding_bits, 16u);
  expect_adds_up(s);
  EXPECT_NE(struct_text(s).find(" 0:3 "), std::string::npos);
  EXPECT_NE(struct_text(s).find("-- hole of 22 bits --"), std::string::npos);
  const auto steps = follow_path(*types(), "s.b");
  EXPECT_EQ(path_text(steps), "s.b: offset 0, bit 3, 7 bits wide\n");
}

// A field that begins in one unit of its type and ends in the next, as packed ones do.
TEST_F(StructLayoutTest, PackedBitField_OverTheEndOfItsUnit) {
  btf__add_struct(types(), "s", 8);
  field("a", int_, 0, 20);
  field("b", int_, 20, 30);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[1].bit_offset, 20u);
  EXPECT_EQ(s.padding_bits, 14u);
  expect_adds_up(s);
}

// Without the flag that newer BTF has, an integer of fewer bits is what tells a bit field.
TEST_F(StructLayoutTest, OldBitField_ToldByItsInteger) {
  const int narrow = btf__add_int(types(), "narrow", 4, 0);
  auto* type = const_cast<btf_type*>(btf__type_by_id(types(), narrow));
  constexpr uint32_t kOffset = 5 << 16, kBits = 7;
  *reinterpret_cast<uint32_t*>(type + 1) = kOffset | kBits;
  btf__add_struct(types(), "s", 4);
  field("a", narrow, 8);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[0].bits, 7u);
  EXPECT_EQ(s.members[0].bit_offset, 13u);
  EXPECT_EQ(s.padding_bits, 12u);
  expect_adds_up(s);
}

// struct s { long n; char tail[]; };
TEST_F(StructLayoutTest, FlexibleArray_TakesNothing) {
  const int tail = array(char_, 0);
  btf__add_struct(types(), "s", 8);
  field("n", long_, 0);
  field("tail", tail, 64);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[1].declaration, "char tail[]");
  EXPECT_EQ(s.members[1].bytes, 0u);
  EXPECT_EQ(s.padding_bits, 0u);
  expect_adds_up(s);
}

// struct s { struct far *far; }; and nothing about far.
TEST_F(StructLayoutTest, ForwardDeclaration_PointerOnly) {
  const int far = btf__add_fwd(types(), "far", BTF_FWD_STRUCT);
  const int pointer = btf__add_ptr(types(), far);
  btf__add_struct(types(), "s", 8);
  field("far", pointer, 0);
  EXPECT_EQ(layout("s").members[0].declaration, "struct far *far");
  EXPECT_EQ(message([&] { layout("far"); }),
            "far: it is only declared in this kernel, its members are not known");
  EXPECT_NE(message([&] { follow_path(*types(), "s->far->x"); }).find("only declared"),
            std::string::npos);
}

// struct s { char a; union { long wide; struct { int low; char high; }; }; struct { char x; }
// named[2]; };
TEST_F(StructLayoutTest, Anonymous_OpenedWhereverTheyAre) {
  const int inner = btf__add_struct(types(), nullptr, 8);
  field("low", int_, 0);
  field("high", char_, 32);
  const int both = btf__add_union(types(), nullptr, 8);
  field("wide", long_, 0);
  field(nullptr, inner, 0);
  const int nameless = btf__add_struct(types(), nullptr, 1);
  field("x", char_, 0);
  const int two = array(nameless, 2);
  btf__add_struct(types(), "s", 24);
  field("a", char_, 0);
  field(nullptr, both, 64);
  field("named", two, 128);
  const StructLayout s = layout("s");
  ASSERT_TRUE(s.members[1].opened);
  const StructMember& low_high = s.members[1].members[1];
  EXPECT_EQ(low_high.members[1].offset(), 12u);
  EXPECT_EQ(low_high.padding_bits, 24u);
  EXPECT_EQ(low_high.hole_bits, 0u) << "members of a union begin where it does";
  EXPECT_EQ(s.members[2].suffix, "[2]");
  EXPECT_EQ(s.members[2].members[0].offset(), 16u);
  EXPECT_EQ(sums_of(s).inner_padding_bits, 24u);
  expect_adds_up(s);
  EXPECT_EQ(path_text(follow_path(*types(), "s.high")), "s.high: offset 12, size 1\n");
}

// const volatile through two typedefs, and a pointer that is const itself.
TEST_F(StructLayoutTest, Qualifiers_WhereTheyStandInC) {
  const int alias = btf__add_typedef(types(), "alias_t", int_);
  const int again = btf__add_typedef(types(), "again_t", alias);
  const int both = btf__add_const(types(), btf__add_volatile(types(), again));
  const int fixed = btf__add_const(types(), btf__add_ptr(types(), btf__add_const(types(), char_)));
  btf__add_struct(types(), "s", 16);
  field("a", both, 0);
  field("p", fixed, 64);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[0].declaration, "const volatile again_t a");
  EXPECT_EQ(s.members[0].bytes, 4u);
  EXPECT_EQ(s.members[1].declaration, "const char *const p");
}

TEST_F(StructLayoutTest, Declarators_BindAsInC) {
  const int color = btf__add_enum(types(), "color", 4);
  btf__add_enum_value(types(), "RED", 0);
  const int nothing = btf__add_func_proto(types(), 0);
  const int text = btf__add_ptr(types(), btf__add_const(types(), char_));
  const int print = btf__add_func_proto(types(), int_);
  btf__add_func_param(types(), "format", text);
  btf__add_func_param(types(), nullptr, 0);
  const int call = btf__add_ptr(types(), nothing);
  const int grid = array(array(int_, 3), 2);
  const int to_row = btf__add_ptr(types(), array(int_, 4));
  const int calls = array(call, 2);
  const int to_print = btf__add_ptr(types(), print);
  btf__add_struct(types(), "s", 72);
  field("color", color, 0);
  field("call", call, 64);
  field("grid", grid, 128);
  field("to_row", to_row, 320);
  field("calls", calls, 384);
  field("print", to_print, 512);
  const StructLayout s = layout("s");
  EXPECT_EQ(s.members[0].declaration, "enum color color");
  EXPECT_EQ(s.members[1].declaration, "void (*call)(void)");
  EXPECT_EQ(s.members[2].declaration, "int grid[2][3]");
  EXPECT_EQ(s.members[2].bytes, 24u);
  EXPECT_EQ(s.members[3].declaration, "int (*to_row)[4]");
  EXPECT_EQ(s.members[4].declaration, "void (*calls[2])(void)");
  EXPECT_EQ(s.members[5].declaration, "int (*print)(const char *, ...)");
}

TEST_F(StructLayoutTest, Expand_OpensNamedOnes) {
  const int pair = btf__add_struct(types(), "pair", 16);
  field("a", int_, 0);
  field("b", long_, 64);
  const int pair_t = btf__add_typedef(types(), "pair_t", pair);
  btf__add_struct(types(), "s", 24);
  field("n", long_, 0);
  field("pair", pair_t, 64);
  EXPECT_FALSE(layout("s").members[1].opened);
  const StructLayout s = layout("s", true);
  ASSERT_TRUE(s.members[1].opened);
  EXPECT_EQ(s.members[1].members[1].offset(), 16u);
  EXPECT_EQ(sums_of(s).inner_hole_bits, 32u);
  EXPECT_EQ(layout("pair_t").name, "struct pair");
}

TEST_F(StructLayoutTest, CacheLines_MarkedOnceWhereTheyBegin) {
  const int big = array(char_, 60);
  btf__add_struct(types(), "s", 144);
  field("big", big, 0);
  field("over", long_, 480);
  field("second", long_, 544);
  field("third", long_, 1024);
  const std::string text = struct_text(layout("s"));
  EXPECT_NE(text.find("-- cache line 1 at 64, 4 bytes ago --\n    long second;"), std::string::npos)
      << text;
  EXPECT_NE(text.find("-- cache line 2 at 128 --\n    long third;"), std::string::npos) << text;
  EXPECT_NE(text.find("cache lines 3"), std::string::npos);
}

// Through a pointer the count begins again; through a member it goes on.
TEST_F(StructLayoutTest, Path_EachPointerBeginsAStep) {
  const int inner = btf__add_struct(types(), "inner", 16);
  field("x", long_, 0);
  field("y", long_, 64);
  const int to_inner = btf__add_ptr(types(), inner);
  btf__add_struct(types(), "outer", 32);
  field("n", long_, 0);
  field("in", inner, 64);
  field("to", to_inner, 192);
  EXPECT_EQ(path_text(follow_path(*types(), "outer.in.y")), "outer.in.y: offset 16, size 8\n");
  EXPECT_EQ(path_text(follow_path(*types(), "outer->in.y")), "outer.in.y: offset 16, size 8\n");
  EXPECT_EQ(path_text(follow_path(*types(), "outer->to->y")),
            "outer.to: offset 24, size 8\ninner.y: offset 8, size 8\n");
  EXPECT_EQ(message([&] { follow_path(*types(), "outer.ni"); }),
            "outer: it has no member ni; similar: n");
  EXPECT_EQ(message([&] { follow_path(*types(), "outer.n.x"); }), "outer.n: it has no members");
}

TEST_F(StructLayoutTest, UnknownName_SimilarOnesAreTold) {
  for (const char* name : {"mm_struct", "vm_struct", "page"}) btf__add_struct(types(), name, 0);
  EXPECT_EQ(message([&] { layout("mm_strct"); }),
            "mm_strct: this kernel has no such structure; similar: mm_struct, vm_struct");
  EXPECT_EQ(message([&] { layout("zzzzzz"); }), "zzzzzz: this kernel has no such structure");
}

TEST_F(StructLayoutTest, Json_HasWhatTheTextHas) {
  btf__add_struct(types(), "s", 16);
  field("a", char_, 0);
  field("b", int_, 32, 5);
  const Json json = to_json(layout("s"));
  EXPECT_EQ(json["size"], 16);
  EXPECT_EQ(json["hole_bits"], 24);
  EXPECT_EQ(json["padding_bits"], 91);
  EXPECT_EQ(json["members"][1]["bits"], 5);
  EXPECT_EQ(json["members"][1]["offset"], 4);
}

}  // namespace
}  // namespace svma::test
