// Messages of a COPY in binary format ("COPY", Binary Format): a row each, in network byte order.
//
// `bad_format(what)` handles data that is not in this format, and must not return. So the same code serves
// readers that throw and readers that raise errors of the server.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tablesync {

struct CopyMessage {
  char *at;
  char *end;
  std::ptrdiff_t left() const { return end - at; }
};

// Takes a number of 2, 4 or 8 bytes.
template <typename T, auto bad_format>
T take(CopyMessage &message) {
  static_assert(std::endian::native == std::endian::little);
  if (message.left() < static_cast<std::ptrdiff_t>(sizeof(T))) bad_format("a truncated row");
  T value;
  std::memcpy(&value, message.at, sizeof value);
  message.at += sizeof value;
  if constexpr (sizeof(T) == 2) return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  return value;
}

// Takes the header of the stream, which comes before the first row: signature, flags, and an extension, which
// is skipped.
template <auto bad_format>
void take_header(CopyMessage &message) {
  constexpr char signature[] = "PGCOPY\n\377\r\n";  // with its terminating zero
  constexpr std::ptrdiff_t size = 11;
  if (message.left() < size || std::memcmp(message.at, signature, size) != 0)
    bad_format("data that is not COPY in binary format");
  message.at += size;
  if (take<std::uint32_t, bad_format>(message) != 0) bad_format("an unknown kind of COPY in binary format");
  const auto extension = take<std::int32_t, bad_format>(message);
  if (extension < 0 || extension > message.left()) bad_format("a truncated header");
  message.at += extension;
}

// Takes the number of fields of a row, which must be `fields`. Returns false for the trailer.
template <auto bad_format>
bool take_row(CopyMessage &message, int fields) {
  const auto count = take<std::int16_t, bad_format>(message);
  if (count != -1 && count != fields) bad_format("a row with an unexpected number of columns");
  return count != -1;
}

}  // namespace tablesync
