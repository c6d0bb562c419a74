// Numbers, sizes and foreign text, made fit to be read by people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tablesync {

std::string with_commas(std::int64_t number);                       // 1204 -> 1,204
std::string counted(std::int64_t number, const std::string &noun);  // 1 row, 1,204 rows
std::string human_bytes(std::int64_t bytes);  // 1536 -> 1.5 kB (powers of 1024, as pg_size_pretty)
std::string human_seconds(double seconds);    // 0.4 -> 0.4 s, 95 -> 1 min 35 s

// Knows an encoding: returns the length of the valid character that a text begins with, 0 where there is
// none. The text is not empty, and its first byte is not below 0x80.
using CharacterLength = std::function<std::size_t(std::string_view)>;
std::size_t utf8_character(std::string_view text);  // RFC 3629

// Text from another server, fit for our log: control characters are escaped, bytes that are no character
// become "?", and what exceeds 8 kB is cut off between two characters.
std::string sanitize(std::string_view foreign, const CharacterLength &character);

// The first bytes of `text` that are no character, four at most; empty where all of it is valid. A zero byte
// is no character.
std::string_view invalid_bytes(std::string_view text, const CharacterLength &character);

// An error's context with our own long statements cut to their beginning: what the server calls
// SQL statement "MERGE INTO ...". Statements of other people's triggers stay whole.
std::string shorten_own_statements(const std::string &context);

// The candidate nearest to `word` in edit distance, or empty when none is near enough to be meant.
std::string nearest(std::string_view word, const std::vector<std::string> &candidates);

// The bytes as hexadecimal digits, two each.
std::string to_hex(std::string_view bytes);

}  // namespace tablesync
