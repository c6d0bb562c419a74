// Compares two texts, for inner loops that do so for every row.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace tablesync {

// Names are short: calling memcmp() costs more than comparing them inline.
inline bool is_same(std::string_view a, std::string_view b) {
  constexpr std::size_t long_text = 64;
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  if (size > long_text) return std::memcmp(a.data(), b.data(), size) == 0;
  const auto differ = [&]<typename Word>(std::size_t at, Word) {
    Word x, y;
    std::memcpy(&x, a.data() + at, sizeof x);
    std::memcpy(&y, b.data() + at, sizeof y);
    return x ^ y;
  };
  // The last word may lie over the one before.
  constexpr std::uint64_t eight = 0;
  constexpr std::uint32_t four = 0;
  if (size >= sizeof eight) {
    std::uint64_t found = differ(size - sizeof eight, eight);
    for (std::size_t at = 0; at + sizeof eight < size; at += sizeof eight) found |= differ(at, eight);
    return found == 0;
  }
  if (size >= sizeof four) return (differ(0, four) | differ(size - sizeof four, four)) == 0;
  for (std::size_t at = 0; at < size; ++at)
    if (a[at] != b[at]) return false;
  return true;
}

}  // namespace tablesync
