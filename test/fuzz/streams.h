// COPY streams in binary format, message by message as libpq gives them, and what may come instead.
#pragma once

#include <string>
#include <vector>

#include "fuzz/fuzzer.h"
#include "fuzz/values.h"

namespace tablesync::fuzz {

struct Stream {
  std::vector<std::string> messages;
  long rows = 0;  // that it was made with
  bool is_valid = true;
};

// Rows of these columns, with NULLs; most streams are then mutated, in their values, their rows, their
// header, and in which bytes are a message.
Stream make_stream(Random &random, const std::vector<Kind> &columns);

}  // namespace tablesync::fuzz
