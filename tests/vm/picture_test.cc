// SPDX-License-Identifier: GPL-2.0-only
//
// `svma picture` of a process with known mappings: each is there in every form, with the pages that
// were touched, and of many none is lost.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "tracee.hpp"

namespace guest {
namespace {

// RETURNS: the exit status.
int Command(const std::string& line, std::string* out) {
  FILE* pipe = popen((line + " 2>&1").c_str(), "r");
  if (!pipe) return -1;
  char part[4096];
  out->clear();
  while (size_t got = fread(part, 1, sizeof(part), pipe)) out->append(part, got);
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class PictureCommand : public Tracee {
 protected:
  // The file's content.
  std::string Draw(const std::string& kind) {
    const std::string file = "/tmp/picture." + kind;
    std::string said;
    EXPECT_EQ(Command("/opt/svma/bin/svma picture " + std::to_string(puppet_.pid()) + " -o " + file,
                      &said),
              0)
        << said;
    if (kind == "svg") {
      EXPECT_EQ(
          Command("python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' " + file,
                  &said),
          0)
          << said;
    }
    return ReadFile(file);
  }

  static std::string Range(const Mapping& mapping) {
    char text[64];
    snprintf(text, sizeof(text), "%llx-%llx", static_cast<unsigned long long>(mapping.start),
             static_cast<unsigned long long>(mapping.end));
    return text;
  }

  // The line of the list of VMAs for the one that begins there.
  std::string Row(const std::string& text, uint64_t page) {
    char start[32];
    snprintf(start, sizeof(start), " %llx-", static_cast<unsigned long long>(At(page)));
    const size_t at = text.find(start);
    return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
  }
};

TEST_F(PictureCommand, KnownMappings_InEveryForm) {
  Map(0, 8);
  Touch(0, 3);
  Map(16, 4, PROT_READ);
  Map(32, 5, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  Touch(32, 5);
  const auto mappings = ProcMaps(puppet_.pid());
  ASSERT_LE(mappings.size(), 64u) << "more than a picture shows one by one";
  for (const char* kind : {"svg", "html", "dot", "txt"}) {
    const std::string text = Draw(kind);
    for (const Mapping& mapping : mappings)
      EXPECT_NE(text.find(Range(mapping)), std::string::npos) << kind << ": " << Range(mapping);
  }
  const std::string text = Draw("txt");
  EXPECT_NE(Row(text, 0).find("32.0 KiB rw-p [AAAAAAAA............]  12.0 KiB anonymous"),
            std::string::npos)
      << Row(text, 0);
  EXPECT_NE(Row(text, 16).find("16.0 KiB r--p [....................]         - anonymous"),
            std::string::npos)
      << Row(text, 16);
  EXPECT_NE(
      Row(text, 32).find("20.0 KiB rw-s [SSSSSSSSSSSSSSSSSSSS]  20.0 KiB /dev/zero (deleted)"),
      std::string::npos)
      << Row(text, 32);
  // Without -o it is the same, on stdout.
  std::string printed;
  EXPECT_EQ(Command("/opt/svma/bin/svma picture " + std::to_string(puppet_.pid()), &printed), 0);
  EXPECT_NE(printed.find(Row(text, 32)), std::string::npos) << printed;
}

// Every other page read-only: a thousand VMAs, of which each second one has its page.
TEST_F(PictureCommand, ManyMappings_FoldedAndNoneLost) {
  Map(0, 1000);
  Touch(0, 1000);
  for (uint64_t page = 1; page < 1000; page += 2) Protect(page, 1, PROT_READ);
  const size_t count = ProcMaps(puppet_.pid()).size();
  ASSERT_GT(count, 1000u);
  const std::string text = Draw("txt");
  const size_t list = text.find("\nVMAs by address"), tree = text.find("\nred-black tree");
  ASSERT_NE(tree, std::string::npos) << text;
  std::istringstream lines(text.substr(list + 1, tree - list - 1));
  std::string line;
  std::getline(lines, line);
  size_t rows = 0, told = 0;
  while (std::getline(lines, line) && !line.empty()) {
    ++rows;
    const size_t at = line.find(" mappings: ");
    told += at == std::string::npos ? 1 : std::stoul(line.substr(line.rfind(' ', at - 1)));
  }
  EXPECT_LE(rows, 64u);
  EXPECT_EQ(told, count);
  EXPECT_GT(Draw("svg").size(), 10000u);
}

TEST_F(PictureCommand, WrongName_OneClearLine) {
  std::string said;
  EXPECT_EQ(Command("/opt/svma/bin/svma picture 1 -o /tmp/picture.png", &said), 2);
  EXPECT_NE(said.find("/tmp/picture.png: the name tells what is drawn"), std::string::npos) << said;
  EXPECT_EQ(Command("/opt/svma/bin/svma picture 1 -o /nowhere/picture.svg", &said), 2);
  EXPECT_NE(said.find("/nowhere/picture.svg: it can't be written"), std::string::npos) << said;
}

}  // namespace
}  // namespace guest
