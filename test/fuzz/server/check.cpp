#include "fuzz/server/check.h"

extern "C" {
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

#include <cstring>
#include <vector>

#include "copy_bytes.h"

namespace tablesync::fuzz {
namespace {

template <typename T>
T read(const char *at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct Number {
  bool negative;
  int weight, scale;
  std::vector<int> digits;
};

// Of the short form (NumericShort in numeric.c), whole with its header.
Number number_of(const char *bytes, std::size_t size) {
  constexpr std::size_t head = VARHDRSZ + sizeof(uint16);
  must(size >= head && size % 2 == 0, "the size of a number");
  const auto header = read<uint16>(bytes + VARHDRSZ);
  must((header & 0xc000) == 0x8000, "a number of the short form");
  Number number{(header & 0x2000) != 0, (header & 0x3f) - (header & 0x40), (header >> 7) & 0x3f, {}};
  for (std::size_t at = head; at < size; at += 2) number.digits.push_back(read<uint16>(bytes + at));
  for (const int digit : number.digits) must(digit <= 9999, "a digit of a number");
  must(number.digits.empty() || (number.digits.front() != 0 && number.digits.back() != 0),
       "a number without zeros at its ends");
  must(!number.digits.empty() || !number.negative, "a zero without a sign");
  const int behind = 4 * (static_cast<int>(number.digits.size()) - number.weight - 1) - number.scale;
  constexpr int powers[] = {1, 10, 100, 1000};
  must(behind <= 0 || (behind < 4 && number.digits.back() % powers[behind] == 0),
       "no digits behind the scale of a number");
  return number;
}

std::string sent_number(const Number &number) {
  std::string bytes = big_endian<2>(static_cast<std::int64_t>(number.digits.size())) +
                      big_endian<2>(number.weight) + big_endian<2>(number.negative ? 0x4000 : 0) +
                      big_endian<2>(number.scale);
  for (const int digit : number.digits) bytes += big_endian<2>(digit);
  return bytes;
}

std::string text_of_number(const Number &number) {
  const auto digits_at = [&](int place) {
    const int n = number.weight - place;
    const bool known = n >= 0 && n < static_cast<int>(number.digits.size());
    const std::string digits = std::to_string(known ? number.digits[static_cast<std::size_t>(n)] : 0);
    return std::string(4 - digits.size(), '0') + digits;
  };
  std::string whole, behind;
  for (int place = std::max(number.weight, 0); place >= 0; --place) whole += digits_at(place);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  for (int place = -1; static_cast<int>(behind.size()) < number.scale; --place) behind += digits_at(place);
  behind.resize(static_cast<std::size_t>(number.scale));
  return (number.negative ? "-" : "") + whole + (behind.empty() ? "" : "." + behind);
}

std::string text_of(std::string_view text) {
  must(pg_encoding_verifymbstr(PG_UTF8, text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size()),
       "a text that is valid");
  return std::string(text);
}

// ---- jsonb: a container is its header, an entry for each member, then the members -------------------------

// `start`: of the whole value, by which numbers and containers are aligned.
struct Part {
  const char *start;
  std::size_t begin, end;
};

std::string text_of_container(const Part &part, bool at_root);

std::size_t skip_padding(const Part &part) {
  std::size_t at = part.begin;
  for (; at % sizeof(uint32) != 0; ++at) must(at < part.end && part.start[at] == 0, "a padding");
  return at;
}

std::string text_of_member(const Part &part, JEntry entry) {
  const bool is_empty = part.begin == part.end;
  if (JBE_ISNULL(entry) || JBE_ISBOOL(entry)) {
    must(is_empty, "a word without bytes");
    return JBE_ISNULL(entry) ? "null" : JBE_ISBOOL_TRUE(entry) ? "true" : "false";
  }
  if (JBE_ISSTRING(entry)) return '"' + text_of({part.start + part.begin, part.end - part.begin}) + '"';
  const Part aligned{part.start, skip_padding(part), part.end};
  if (JBE_ISCONTAINER(entry)) return text_of_container(aligned, false);
  must(JBE_ISNUMERIC(entry), "a type of jsonb");
  const char *const number = aligned.start + aligned.begin;
  must(aligned.end - aligned.begin == VARSIZE(number), "the size of a number in jsonb");
  return text_of_number(number_of(number, aligned.end - aligned.begin));
}

std::vector<std::string> texts_of_members(const Part &part, std::size_t entries, std::size_t count) {
  std::vector<std::string> texts;
  const std::size_t first = entries + count * sizeof(JEntry);
  must(first <= part.end, "entries within their container");
  std::size_t begin = first;
  for (std::size_t n = 0; n < count; ++n) {
    const auto entry = read<JEntry>(part.start + entries + n * sizeof(JEntry));
    must(JBE_HAS_OFF(entry) == (n % JB_OFFSET_STRIDE == 0), "an offset at each 32nd member");
    const std::size_t end = JBE_OFFLENFLD(entry) + (JBE_HAS_OFF(entry) ? first : begin);
    must(end >= begin && end <= part.end, "a member within its container");
    texts.push_back(text_of_member({part.start, begin, end}, entry));
    begin = end;
  }
  must(begin == part.end, "a container that ends with its last member");
  return texts;
}

std::string text_of_object(const std::vector<std::string> &texts) {
  std::string text;
  const std::size_t pairs = texts.size() / 2;
  for (std::size_t n = 0; n < pairs; ++n) {
    must(texts[n][0] == '"', "a key that is a string");
    if (n > 0)
      must(texts[n - 1].size() < texts[n].size() ||
               (texts[n - 1].size() == texts[n].size() && texts[n - 1] < texts[n]),
           "keys in their order");
    text += (n > 0 ? "," : "") + texts[n] + ":" + texts[pairs + n];
  }
  return "{" + text + "}";
}

std::string text_of_container(const Part &part, bool at_root) {
  must(part.end - part.begin >= sizeof(uint32), "a container with its header");
  const auto header = read<uint32>(part.start + part.begin);
  const std::size_t members = header & JB_CMASK;
  const bool of_object = (header & JB_FOBJECT) != 0, is_scalar = (header & JB_FSCALAR) != 0;
  must(of_object != ((header & JB_FARRAY) != 0), "an object or an array");
  must(!is_scalar || (at_root && !of_object && members == 1), "a scalar as an array of one");
  const std::vector<std::string> texts =
      texts_of_members(part, part.begin + sizeof header, of_object ? 2 * members : members);
  if (of_object) return text_of_object(texts);
  std::string text;
  for (const std::string &member : texts) text += (text.empty() ? "" : ",") + member;
  return is_scalar ? text : "[" + text + "]";
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

Oid oid_of(Kind kind) {
  constexpr Oid oids[] = {INT4OID,        INT8OID, FLOAT8OID,  BOOLOID,  TIMESTAMPOID,
                          TIMESTAMPTZOID, TEXTOID, NUMERICOID, JSONBOID, UUIDOID};
  static_assert(std::size(oids) == kinds);
  return oids[static_cast<int>(kind)];
}

std::string sent(Kind kind, Datum value) {
  switch (kind) {
    case Kind::boolean:
      must(value <= 1, "a boolean");
      return big_endian<1>(static_cast<std::int64_t>(value));
    case Kind::int4:
      must(value == Int32GetDatum(DatumGetInt32(value)), "a number of four bytes");
      return big_endian<4>(DatumGetInt32(value));
    case Kind::timestamp:
    case Kind::timestamptz:
      must(IS_VALID_TIMESTAMP(DatumGetTimestamp(value)), "a time within its range");
      return big_endian<8>(DatumGetInt64(value));
    case Kind::text: {
      const auto *const text = reinterpret_cast<const char *>(DatumGetPointer(value));
      must(VARATT_IS_SHORT(text), "a text with a short header");
      return text_of({VARDATA_SHORT(text), VARSIZE_SHORT(text) - std::size_t{VARHDRSZ_SHORT}});
    }
    case Kind::numeric: {
      const auto *const number = reinterpret_cast<const char *>(DatumGetPointer(value));
      must(VARATT_IS_4B_U(number), "a number with a long header");
      return sent_number(number_of(number, VARSIZE(number)));
    }
    default:
      return big_endian<8>(DatumGetInt64(value));
  }
}

std::string text_of_jsonb(Datum value) {
  const auto *const bytes = reinterpret_cast<const char *>(DatumGetPointer(value));
  must(VARATT_IS_4B_U(bytes), "a document with a long header");
  return text_of_container({bytes, VARHDRSZ, VARSIZE(bytes)}, true);
}

std::string without_spaces(std::string_view json) {
  std::string text;
  bool in_string = false;
  for (const char c : json) {
    if (c == '"') in_string = !in_string;
    must(!in_string || static_cast<unsigned char>(c) >= ' ', "a string without control characters");
    if (!in_string && is_space(c)) continue;
    text += c;
  }
  // The sign of a zero: behind "-", nothing but zeros and a point.
  in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') in_string = !in_string;
    if (in_string || text[at] != '-') continue;
    const std::size_t end = text.find_first_not_of("0123456789.", at + 1);
    const std::string_view number = std::string_view(text).substr(at + 1, end - at - 1);
    if (number.find_first_of("123456789") == std::string_view::npos) text.erase(at--, 1);
  }
  return text;
}

}  // namespace tablesync::fuzz
