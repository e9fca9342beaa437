// SPDX-License-Identifier: GPL-2.0-only
#include "report.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "device.hpp"

namespace guest {

long Number(const std::string& json, std::initializer_list<const char*> path) {
  size_t at = 0;
  for (const char* key : path) {
    at = json.find('"' + std::string(key) + "\":", at);
    if (at == std::string::npos) return -1;
    at += strlen(key) + 3;
  }
  return strtol(json.c_str() + at, nullptr, 10);
}

std::string CheckCommand(const std::string& command, const std::string& options) {
  const std::string file = "/tmp/svma-report.json", log = "/tmp/svma-report.log";
  unlink(file.c_str());
  const std::string line = "/opt/svma/bin/svma check " + options + " --json-file " + file + " -- " +
                           command + " >" + log + " 2>&1";
  EXPECT_EQ(system(line.c_str()), 0) << line << "\n" << ReadFile(log);
  return ReadFile(file);
}

}  // namespace guest
