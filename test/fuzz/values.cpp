#include "fuzz/values.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "copy_bytes.h"

namespace tablesync::fuzz {
namespace {

std::string make_text(Random &random) {
  static constexpr std::string_view parts[] = {
      "a", "key", "\xc3\xb6", "\xe6\xbc\xa2\xe5\xad\x97", "\xf0\x9f\x9a\xa2", " ", "0", "long enough, "};
  std::string text;
  // The longest text with a short header has 126 bytes.
  const std::size_t size = random.one_in(8) ? 120 + random.below(12) : random.below(24);
  while (text.size() < size) text += parts[random.below(std::size(parts))];
  return text;
}

std::string make_numeric(Random &random) {
  const bool odd = random.one_in(8);
  const int count = static_cast<int>(random.below(odd ? 40 : 6));
  const int weight = odd ? static_cast<int>(random.below(140)) - 70 : static_cast<int>(random.below(6)) - 2;
  // numeric_send() writes no digits behind the scale.
  const int behind = 4 * (count - weight - 1);
  const int hidden = behind >= 4 ? static_cast<int>(random.below(4)) : 0;
  const int scale = std::max(0, behind - hidden) + (odd ? static_cast<int>(random.below(8)) : 0);
  constexpr unsigned powers[] = {1, 10, 100, 1000};
  constexpr int signs[] = {0, 0x4000, 0xc000, 0xd000, 0xf000};
  const int sign = signs[random.below(odd ? 5 : 2)];
  std::string value =
      big_endian<2>(count) + big_endian<2>(weight) + big_endian<2>(sign) + big_endian<2>(scale);
  for (int n = 0; n < count; ++n) {
    const unsigned power = n == count - 1 && !odd ? powers[hidden] : 1;
    value += big_endian<2>(power * (1 + random.below(random.one_in(8) ? 10001 / power : 9999 / power)));
  }
  return value;
}

// ---- documents --------------------------------------------------------------------------------------------

std::string make_digits(Random &random, unsigned most) {
  std::string digits;
  for (unsigned n = 1 + random.below(most); n > 0; --n) digits += static_cast<char>('0' + random.below(10));
  return digits;
}

std::string make_number(Random &random) {
  std::string number = random.one_in(4) ? "-" : "";
  std::string whole = make_digits(random, random.one_in(8) ? 24 : 5);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  number += whole;
  if (random.one_in(3)) number += "." + make_digits(random, random.one_in(8) ? 70 : 6);
  return number;
}

std::string make_string(Random &random) {
  if (random.one_in(64)) return '"' + std::string(random.below(17000), 'x') + '"';
  if (random.one_in(32)) return R"("say \"so\"\n\u00e4")";
  return '"' + make_text(random) + '"';
}

std::string make_document(Random &random, unsigned level);

std::string make_key(Random &random) {
  std::string key = "k" + make_digits(random, 4);
  if (random.one_in(4)) key += "\xc3\xb6";
  return key;
}

std::string make_object(Random &random, unsigned members, unsigned level) {
  std::vector<std::string> keys(members);
  for (std::string &key : keys) key = make_key(random);
  std::sort(keys.begin(), keys.end(), [](const std::string &a, const std::string &b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  std::string text;
  for (const std::string &key : keys)
    text += (text.empty() ? "\"" : ", \"") + key + "\": " + make_document(random, level);
  return "{" + text + "}";
}

std::string make_array(Random &random, unsigned members, unsigned level) {
  std::string text;
  for (unsigned n = 0; n < members; ++n) text += (n > 0 ? ", " : "") + make_document(random, level);
  return "[" + text + "]";
}

constexpr unsigned most_levels = 5;

std::string make_document(Random &random, unsigned level) {
  constexpr const char *words[] = {"true", "false", "null"};
  const unsigned kind = random.below(level < most_levels ? 8 : 4);
  if (kind < 2) return make_string(random);
  if (kind == 2) return make_number(random);
  if (kind == 3) return words[random.below(3)];
  // Deeper than the decoder goes.
  if (random.one_in(64)) {
    const unsigned levels = 1 + random.below(20);
    return std::string(levels, '[') + "1" + std::string(levels, ']');
  }
  // An offset stands at each 32nd member, and 256 values and keys are too many.
  const bool large = level == 0 && random.one_in(6);
  const unsigned members = large ? random.below(random.one_in(8) ? 300 : 70) : random.below(5);
  const unsigned below = large ? most_levels : level + 1;
  return kind < 6 ? make_object(random, members, below) : make_array(random, members, below);
}

}  // namespace

std::string make_value(Random &random, Kind kind) {
  constexpr std::int64_t first_time = -211813488000000000, end_of_time = 9223371331200000000;
  switch (kind) {
    case Kind::int4:
      return big_endian<4>(random.odd_number());
    case Kind::boolean:
      return big_endian<1>(random.below(2));
    case Kind::timestamp:
    case Kind::timestamptz:
      return big_endian<8>(random.one_in(4) ? (random.one_in(2) ? first_time : end_of_time) - random.below(2)
                                            : random.odd_number());
    case Kind::text:
      return make_text(random);
    case Kind::numeric:
      return make_numeric(random);
    case Kind::jsonb:
      return '\1' + make_document(random, 0);
    case Kind::other:
      return make_text(random);
    default:
      return big_endian<8>(random.odd_number());
  }
}

std::string_view favorites_of(Kind kind) {
  using namespace std::string_view_literals;
  switch (kind) {
    case Kind::jsonb:
      return "{}[]\"\":,,0123456789-.eE \n\ttfn\\ux"sv;
    case Kind::numeric:
      return "\0\0\1\2\4\x27\x0f\x10\x3f\x40\xff\xc0"sv;
    case Kind::text:
      return "ab\0\x7f\x80\xc3\xb6\xf0\xff\xed\xa0"sv;
    default:
      return "\0\1\x7f\x80\xff"sv;
  }
}

}  // namespace tablesync::fuzz
