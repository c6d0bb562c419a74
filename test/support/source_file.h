// A file of this source tree.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tablesync {

inline std::string path_of(const std::string &name) { return std::string(TABLESYNC_SOURCE) + "/" + name; }

inline std::string read_source(const std::string &name) {
  std::ifstream file(path_of(name));
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path_of(name);
  return text.str();
}

}  // namespace tablesync
