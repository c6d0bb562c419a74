// Rate: how fast a source may be read.
#pragma once

#include <cstdint>
#include <string>

namespace tablesync {

struct Rate {
  std::int64_t rows = 0, bytes = 0;  // per second; 0: no limit
  bool limited() const { return rows > 0 || bytes > 0; }
  bool operator==(const Rate &) const = default;
};

// Parses "5000 rows", "10 MB", with or without "/s": rows, or bytes in kB, MB, GB (powers of 1024), per
// second. Throws 22023.
inline constexpr char rate_hint[] =
    "Give rows or bytes per second, like \"5000 rows\" or \"10 MB\" (kB, MB, GB).";
Rate parse_rate(const std::string &text);

// The share of the rate for each of `readers` readers.
Rate part_of(const Rate &whole, int readers);

// How many milliseconds ahead of the rate a reader is that has read this many rows and bytes in `elapsed_ms`.
std::int64_t ms_ahead(const Rate &rate, std::int64_t rows, std::int64_t bytes, std::int64_t elapsed_ms);

}  // namespace tablesync
