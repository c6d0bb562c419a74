// Numbers, sizes and foreign text in a form for people.
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

// Returns the length of the valid character of an encoding that a text begins with, 0 if it begins with none.
// The text is not empty, and its first byte is not below 0x80.
using CharacterLength = std::function<std::size_t(std::string_view)>;
std::size_t utf8_character(std::string_view text);  // RFC 3629

// Makes text from another server safe for our log: escapes control characters, replaces invalid bytes by "?",
// and truncates it to 8 kB between two characters.
std::string sanitize(std::string_view foreign, const CharacterLength &character);

// The first invalid bytes of `text`, four at most; empty if all of it is valid. A zero byte is invalid.
std::string_view invalid_bytes(std::string_view text, const CharacterLength &character);

// Truncates our own long statements in an error's context, which the server shows as
// SQL statement "MERGE INTO ...". Statements of users' triggers stay whole.
std::string shorten_own_statements(const std::string &context);

// The candidate nearest to `word` in edit distance, or empty if none is near enough to be meant.
std::string nearest(std::string_view word, const std::vector<std::string> &candidates);

// The bytes as hexadecimal digits, two each.
std::string to_hex(std::string_view bytes);

}  // namespace tablesync
