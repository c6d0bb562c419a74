#include "core/base/cell.h"

#include <charconv>

#include "core/base/error.h"

namespace tablesync {
namespace {

[[noreturn]] void refuse(const Cell &cell, const char *wanted) {
  throw Error(
      sqlstate::protocol_violation,
      "a query returned " + (cell ? "\"" + *cell + "\"" : std::string("NULL")) + " instead of " + wanted);
}

template <typename Number>
Number parse(const Cell &cell, const char *wanted) {
  Number number{};
  const std::string &text = text_of(cell);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) refuse(cell, wanted);
  return number;
}

}  // namespace

std::int64_t as_int64(const Cell &cell) { return parse<std::int64_t>(cell, "a bigint"); }
int as_int(const Cell &cell) { return parse<int>(cell, "an integer"); }
std::uint64_t as_uint64(const Cell &cell) { return parse<std::uint64_t>(cell, "a positive number"); }
unsigned int as_oid(const Cell &cell) { return parse<unsigned int>(cell, "an oid"); }
double as_double(const Cell &cell) { return parse<double>(cell, "a number"); }

bool as_bool(const Cell &cell) {
  const std::string &text = text_of(cell);
  if (text == "t" || text == "true") return true;
  if (text != "f" && text != "false") refuse(cell, "a boolean");
  return false;
}

std::optional<std::int64_t> as_optional_int64(const Cell &cell) {
  return cell ? std::optional(as_int64(cell)) : std::nullopt;
}

std::optional<double> as_optional_double(const Cell &cell) {
  return cell ? std::optional(as_double(cell)) : std::nullopt;
}

}  // namespace tablesync
