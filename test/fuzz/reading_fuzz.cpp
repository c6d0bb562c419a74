// Values of readings: a conversion that is made can be turned back, so that nothing was lost; and what a
// reading's value is does not depend on what the other columns hold, unless its own is absent.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/copy_binary.h"
#include "core/base/error.h"
#include "core/pivot/reading.h"

namespace tablesync {
namespace {

void must(bool condition) {
  if (!condition) std::abort();
}

void check_conversions(const Value &value) {
  for (const ValueType type :
       {ValueType::boolean, ValueType::integer, ValueType::decimal, ValueType::string}) {
    std::string room, back_room;
    const std::optional<Value> converted = convert(value, type, room);
    if (!converted) continue;
    must(converted->type == type);
    // A boolean as 0.0 or 1.0 is plain, though no decimal is taken for a boolean.
    if (value.type == ValueType::boolean && type == ValueType::decimal) continue;
    // Beyond 2^53 only some integers are decimals: one that came from a decimal is.
    if (value.type == ValueType::decimal && type == ValueType::integer) {
      must(static_cast<double>(converted->integer) == value.decimal);
      continue;
    }
    const std::optional<Value> back = convert(*converted, value.type, back_room);
    must(back && *back == value);
  }
}

[[noreturn]] void bad_format(const char *what) { throw Error("22P04", what); }

// Any bytes as messages of a COPY: an error, or an end, and no byte beyond them.
void read_messages(char *at, std::size_t size) {
  CopyMessage message{at, at + size};
  try {
    take_header<bad_format>(message);
    while (message.left() > 0 && take_row<bad_format>(message, 2))
      for (int n = 0; n < 2; ++n) {
        const auto length = take<std::int32_t, bad_format>(message);
        if (length > message.left()) bad_format("a truncated row");
        if (length > 0) message.at += length;
      }
  } catch (const Error &) {
    return;
  }
}

}  // namespace
}  // namespace tablesync

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace tablesync;
  std::string bytes(reinterpret_cast<const char *>(data), size);
  read_messages(bytes.data(), bytes.size());
  const std::string with_header = std::string("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19) + bytes;
  std::string copy = with_header;
  read_messages(copy.data(), copy.size());
  check_conversions(Value::of(std::string_view(bytes)));
  if (size >= 8) {
    std::int64_t number = 0;
    double decimal = 0;
    std::memcpy(&number, data, 8);
    std::memcpy(&decimal, data, 8);
    check_conversions(Value::of(number));
    if (decimal == decimal) check_conversions(Value::of(decimal));
    check_conversions(Value::of(number % 2 == 0));
  }
  return 0;
}
