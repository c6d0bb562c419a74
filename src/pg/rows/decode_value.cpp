#include "pg/rows/decode_value.h"

extern "C" {
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"
}

#include "pg/rows/decode_jsonb.h"

// All of this is plain data in memory contexts: an ereport may leave it from anywhere.
namespace tablesync::pg {
namespace {

uint16 big_endian_16(const char *bytes) {
  uint16 value;
  memcpy(&value, bytes, sizeof value);
  return pg_ntoh16(value);
}

uint64 big_endian_64(const char *bytes) {
  uint64 value;
  memcpy(&value, bytes, sizeof value);
  return pg_ntoh64(value);
}

// ---- numeric ----------------------------------------------------------------------------------------------

constexpr int digits_of_digit = 4;  // decimal ones in a digit to the base of 10000 (DEC_DIGITS in numeric.c)

// As numeric_send() writes it: the number of digits, the weight of the first (a power of 10000), sign,
// display scale, digits; 16 bits each.
struct NumericMessage {
  int count;
  int weight;
  uint16 sign;
  int scale;
  const char *digits;
};

// Whether it fits numeric(precision, scale) unchanged, as apply_typmod() in numeric.c checks.
bool fits(const NumericMessage &number, int32 typmod) {
  if (typmod < static_cast<int32>(VARHDRSZ)) return true;
  const auto bits = static_cast<uint32>(typmod) - VARHDRSZ;
  const auto precision = static_cast<int>((bits >> 16) & 0xffff);
  const int scale = static_cast<int>((bits & 0x7ff) ^ 1024) - 1024;
  return number.scale == scale && (number.weight + 1) * digits_of_digit <= precision - scale;
}

// The short form of a number in a tuple (NumericShort in numeric.c): a header of two bytes, then its digits.
bool decode_numeric(const char *bytes, int length, int32 typmod, char *room, Datum *value) {
  constexpr int head = 8;
  constexpr int most_digits = 32;
  constexpr uint16 negative = 0x4000;
  if (length < head) return false;
  const NumericMessage number{big_endian_16(bytes), static_cast<int16>(big_endian_16(bytes + 2)),
                              big_endian_16(bytes + 4), big_endian_16(bytes + 6), bytes + head};
  if (number.count == 0 || number.count > most_digits || length != head + 2 * number.count) return false;
  if (number.sign != 0 && number.sign != negative) return false;
  if (number.scale > 63 || number.weight < -64 || number.weight > 63 || !fits(number, typmod)) return false;
  // Digits after the display scale would be truncated.
  if ((number.count - number.weight - 1) * digits_of_digit > number.scale + digits_of_digit - 1) return false;

  uint16 digits[most_digits];
  for (int i = 0; i < number.count; ++i) {
    digits[i] = big_endian_16(number.digits + 2 * i);
    if (digits[i] > 9999) return false;
  }
  if (digits[0] == 0 || digits[number.count - 1] == 0) return false;
  static constexpr int powers[] = {1, 10, 100, 1000};
  const int behind = (number.count - number.weight - 1) * digits_of_digit - number.scale;
  if (behind > 0 && digits[number.count - 1] % powers[behind] != 0) return false;

  const auto header =
      static_cast<uint16>(0x8000 | (number.sign == negative ? 0x2000 : 0) | (number.scale << 7) |
                          (number.weight < 0 ? 0x0040 : 0) | (number.weight & 0x003f));
  char *at = room + VARHDRSZ;
  memcpy(at, &header, sizeof header);
  memcpy(at + sizeof header, digits, sizeof(uint16) * static_cast<size_t>(number.count));
  SET_VARSIZE(room, VARHDRSZ + sizeof header + sizeof(uint16) * static_cast<size_t>(number.count));
  *value = PointerGetDatum(room);
  return true;
}

}  // namespace

bool decode_value(Oid type, int32 typmod, char *bytes, int length, char *room, Datum *value) {
  switch (type) {
    case INT8OID:
    case FLOAT8OID:
      if (length != 8) return false;
      *value = static_cast<Datum>(big_endian_64(bytes));
      return true;
    case INT4OID: {
      if (length != 4) return false;
      uint32 number;
      memcpy(&number, bytes, sizeof number);
      *value = Int32GetDatum(static_cast<int32>(pg_ntoh32(number)));
      return true;
    }
    case BOOLOID:
      if (length != 1) return false;
      *value = BoolGetDatum(*bytes != 0);
      return true;
    case TIMESTAMPOID:
    case TIMESTAMPTZOID: {
      if (length != 8 || typmod != -1) return false;
      const auto time = static_cast<Timestamp>(big_endian_64(bytes));
      if (!IS_VALID_TIMESTAMP(time)) return false;
      *value = TimestampGetDatum(time);
      return true;
    }
    case TEXTOID:
      if (length > short_text) return false;
      // The worker's client encoding is the database's: there is nothing to convert.
      pg_verifymbstr(bytes, length, false);
      SET_VARSIZE_SHORT(room, length + VARHDRSZ_SHORT);
      memcpy(room + VARHDRSZ_SHORT, bytes, static_cast<size_t>(length));
      *value = PointerGetDatum(room);
      return true;
    case NUMERICOID:
      return decode_numeric(bytes, length, typmod, room, value);
    case JSONBOID: {
      struct varlena *const document = decode_jsonb(bytes, length);
      *value = PointerGetDatum(document);
      return document != nullptr;
    }
    default:
      return false;
  }
}

}  // namespace tablesync::pg
