// Numbers, sizes and foreign text, made fit to be read by people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tablesync {

std::string with_commas(std::int64_t number);  // 1204 -> 1,204
std::string human_bytes(std::int64_t bytes);   // 1536 -> 1.5 kB (powers of 1024, as pg_size_pretty)
std::string human_seconds(double seconds);     // 0.4 -> 0.4 s, 95 -> 1 min 35 s

// Text from another server, fit for our log: control characters escaped, at most 8 kB, and where `utf8`,
// no byte sequence that is invalid in UTF-8.
std::string sanitize(std::string_view foreign, bool utf8);

// An error's context with our own long statements cut to their beginning: what the server calls
// SQL statement "MERGE INTO ...". Statements of other people's triggers stay whole.
std::string shorten_own_statements(const std::string &context);

// The candidate nearest to `word` in edit distance, or empty when none is near enough to be meant.
std::string nearest(std::string_view word, const std::vector<std::string> &candidates);

// The bytes that hexadecimal digits stand for, two each.
std::string from_hex(std::string_view digits);
std::string to_hex(std::string_view bytes);

}  // namespace tablesync
