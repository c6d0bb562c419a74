// Values as the send functions of the server write them.
#pragma once

#include <string>
#include <string_view>

#include "fuzz/fuzzer.h"

namespace tablesync::fuzz {

// The types that decode_value() knows; `other` stands for all those that it does not.
enum class Kind {
  int4,
  int8,
  float8,
  boolean,
  timestamp,
  timestamptz,
  text,
  numeric,
  jsonb,
  other,
};
inline constexpr int kinds = static_cast<int>(Kind::other) + 1;

std::string make_value(Random &random, Kind kind);
// Bytes that mean something within such a value.
std::string_view favorites_of(Kind kind);

}  // namespace tablesync::fuzz
