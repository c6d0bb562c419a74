#include "core/pivot/reading_stream.h"

#include <bit>
#include <cstdint>
#include <string>

#include "core/base/copy_binary.h"
#include "core/base/error.h"

namespace tablesync {
namespace {

[[noreturn]] void bad_format(const char *what) {
  throw Error("22P04", std::string("the source sent ") + what);
}

MaybeText take_field(CopyMessage &message) {
  const auto length = take<std::int32_t, bad_format>(message);
  if (length == -1) return {};
  if (length < 0 || length > message.left()) bad_format("a truncated row");
  const MaybeText field(message.at, static_cast<std::size_t>(length));
  message.at += length;
  return field;
}

// A number or a moment of 8 bytes.
std::optional<std::int64_t> number_in(MaybeText field) {
  if (!is_there(field)) return std::nullopt;
  CopyMessage bytes{const_cast<char *>(field.data()), const_cast<char *>(field.data()) + field.size()};
  if (bytes.left() != 8) bad_format("a number of unexpected size");
  return take<std::int64_t, bad_format>(bytes);
}

// Refuses times that the server could store but not show.
std::optional<Moment> time_in(MaybeText field) {
  const std::optional<Moment> time = number_in(field);
  if (time && !is_known(*time)) throw Error("22008", "the source sent a timestamp out of range");
  return time;
}

std::optional<double> decimal_in(MaybeText field) {
  const std::optional<std::int64_t> bits = number_in(field);
  return bits ? std::optional(std::bit_cast<double>(*bits)) : std::nullopt;
}

std::optional<bool> boolean_in(MaybeText field) {
  if (!is_there(field)) return std::nullopt;
  if (field.size() != 1) bad_format("a boolean of unexpected size");
  return field[0] != 0;
}

// Also checks for a zero byte, which no text of the server has: subtracting one sets the highest bit.
bool is_ascii(MaybeText text) {
  unsigned int bits = 0;
  for (const char c : text) bits |= static_cast<unsigned char>(c) | (static_cast<unsigned char>(c) - 1U);
  return (bits & 0x80) == 0;
}

}  // namespace

bool ReadingStream::take(char *bytes, std::size_t size) {
  CopyMessage message{bytes, bytes + size};
  if (!header_taken_) take_header<bad_format>(message);
  header_taken_ = true;
  if (message.left() == 0) return false;
  if (trailer_taken_) bad_format("data after the end of the COPY");
  trailer_taken_ = !take_row<bad_format>(message, plan_.width);
  if (trailer_taken_) return false;
  for (int n = 0; n < plan_.width; ++n) fields_[static_cast<std::size_t>(n)] = take_field(message);
  if (message.left() != 0) bad_format("a row that is too long");
  return true;
}

ReadingStream::Field ReadingStream::text(ReadingColumn which) const {
  const Field text = field(which);
  if (!is_ascii(text)) check_text_(text);
  return text;
}

// Initialized at once, because filling an empty reading afterwards is twice the work.
Reading ReadingStream::reading() const {
  const Field decimal = field(ReadingColumn::double_v);
  const NumberRead number =
      plan_.decimals_are_texts ? read_number(decimal) : NumberRead{decimal_in(decimal), {}};
  return {plan_.ship.empty() ? text(ReadingColumn::ship_id) : plan_.ship,
          text(ReadingColumn::data_channel_id),
          time_in(field(ReadingColumn::created_time)),
          {text(ReadingColumn::value_format), boolean_in(field(ReadingColumn::bool_v)),
           text(ReadingColumn::str_v), number_in(field(ReadingColumn::long_v)), number.double_v,
           number.beyond_double}};
}

void ReadingStream::finish() const {
  if (!trailer_taken_) bad_format("a COPY without a trailer");
}

}  // namespace tablesync
