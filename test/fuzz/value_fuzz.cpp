// decode_value(): whatever bytes come, it reads no byte beyond them and writes none beyond its room; and what
// it takes is a value of its type, of which the send function makes the same bytes again.
#include <algorithm>
#include <string>

#include "fuzz/fuzzer.h"
#include "fuzz/server/check.h"
#include "fuzz/server/server.h"
#include "fuzz/values.h"
#include "pg/rows/decode_value.h"

namespace tablesync::fuzz {
namespace {

constexpr int first_oid = 1, end_oid = 10000;  // those of the catalogs that initdb makes

int32 make_typmod(Random &random, Kind kind) {
  if (random.one_in(2) || (kind != Kind::numeric && !random.one_in(8))) return -1;
  if (kind != Kind::numeric) return static_cast<int32>(random.below(7));
  const unsigned precision = 1 + random.below(random.one_in(4) ? 1000 : 20);
  const int scale = static_cast<int>(random.below(random.one_in(4) ? 60 : 10)) - (random.one_in(4) ? 20 : 0);
  return static_cast<int32>(((precision << 16) | (static_cast<unsigned>(scale) & 0x7ff)) + VARHDRSZ);
}

// numeric(precision, scale): the value has that scale, and no more digits in front of it.
void check_typmod(const std::string &number, int32 typmod) {
  const auto field = [&](std::size_t at) {
    return static_cast<int16>((static_cast<unsigned char>(number[at]) << 8) |
                              static_cast<unsigned char>(number[at + 1]));
  };
  const int precision = (typmod - VARHDRSZ) >> 16;
  int scale = (typmod - VARHDRSZ) & 0x7ff;
  if (scale >= 1024) scale -= 2048;
  must(field(6) == scale, "the scale of the column");
  const std::string first = std::to_string(field(8));
  must(4 * field(2) + static_cast<int>(first.size()) <= precision - scale, "the precision of the column");
}

std::string expected(Kind kind, std::string bytes) {
  if (kind == Kind::boolean) bytes[0] = bytes[0] != 0 ? 1 : 0;
  return bytes;
}

bool decode(Kind kind, int32 typmod, const std::string &bytes) {
  const Block value(bytes), room(std::string(VARATT_SHORT_MAX, '\x55'));
  Datum datum = 0;
  if (!pg::decode_value(oid_of(kind), typmod, value.begin(), static_cast<int>(value.size()), room.begin(),
                        &datum))
    return false;
  must(bytes == std::string(value.begin(), value.size()), "the bytes as they were");
  must(sent(kind, datum) == expected(kind, bytes), "the value that the bytes mean");
  if (kind == Kind::numeric && typmod != -1) check_typmod(bytes, typmod);
  return true;
}

// A type that decode_value() learns must be one that this program makes values of.
void check_types() {
  Random random(0);
  for (int n = 0; n < 2 * kinds; ++n) {
    const std::string bytes = make_value(random, static_cast<Kind>(n % kinds));
    for (Oid oid = first_oid; oid < end_oid; ++oid) {
      const auto is_known = [&](int kind) { return oid_of(static_cast<Kind>(kind)) == oid; };
      bool known = false;
      for (int kind = 0; kind < static_cast<int>(Kind::other); ++kind) known = known || is_known(kind);
      if (known) continue;
      const Block value(bytes), room(std::string(VARATT_SHORT_MAX, '\0'));
      Datum datum = 0;
      must(!pg::decode_value(oid, -1, value.begin(), static_cast<int>(value.size()), room.begin(), &datum),
           "a type of which values are made here");
    }
  }
}

}  // namespace
}  // namespace tablesync::fuzz

int main(int argc, char **argv) {
  using namespace tablesync::fuzz;
  const Arguments arguments = arguments_of(argc, argv);
  begin_server();
  check_types();
  constexpr unsigned types = static_cast<unsigned>(Kind::jsonb);  // that has its own program
  long decoded = 0, left = 0, refused = 0;
  for (long n = arguments.first; n < arguments.first + arguments.inputs; ++n) {
    Random random = begin_input(arguments, n);
    begin_server();
    const auto kind = static_cast<Kind>(random.below(types));
    const int32 typmod = make_typmod(random, kind);
    std::string bytes = make_value(random, kind);
    if (!random.one_in(8)) {
      const std::string other = make_value(random, static_cast<Kind>(random.below(kinds)));
      bytes = mutate(random, bytes, other, favorites_of(kind));
    }
    try {
      ++(decode(kind, typmod, bytes) ? decoded : left);
    } catch (const Refused &) {
      ++refused;
    }
  }
  must(arguments.inputs < 1000 || decoded > arguments.inputs / 10, "a tenth of the values to be decoded");
  report(arguments, "values of " + std::to_string(types) + " types",
         {{"decoded", decoded}, {"left to the receive function", left}, {"refused", refused}});
  return 0;
}
