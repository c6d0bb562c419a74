// COPY in binary format, as a server writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tablesync {

template <int bytes>
std::string big_endian(std::int64_t number) {
  std::string made(bytes, '\0');
  for (int n = 0; n < bytes; ++n)
    made[static_cast<std::size_t>(n)] =
        static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * (bytes - 1 - n)));
  return made;
}

inline std::string copy_header() { return std::string("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19); }
inline std::string copy_trailer() { return "\377\377"; }

inline const std::string copy_null = big_endian<4>(-1);
inline std::string copy_field(std::string_view value) {
  return big_endian<4>(static_cast<std::int64_t>(value.size())).append(value);
}
template <int bytes>
std::string copy_number(std::int64_t number) {
  return copy_field(big_endian<bytes>(number));
}

// Of fields as the functions above make them.
inline std::string copy_row(const std::vector<std::string> &fields) {
  std::string row = big_endian<2>(static_cast<std::int64_t>(fields.size()));
  for (const std::string &field : fields) row += field;
  return row;
}

}  // namespace tablesync
