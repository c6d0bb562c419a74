#include "core/base/text.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace tablesync {

std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::ptrdiff_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > first; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

namespace {
std::string one_decimal(double value, const char *unit) {
  char text[48];
  std::snprintf(text, sizeof text, "%.1f %s", value, unit);
  return text;
}
}  // namespace

std::string counted(std::int64_t number, const std::string &noun) {
  return with_commas(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string human_bytes(std::int64_t bytes) {
  static const char *const units[] = {"kB", "MB", "GB", "TB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  auto value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit < 3) {
    value /= 1024;
    ++unit;
  }
  return one_decimal(value, units[unit]);
}

std::string human_seconds(double seconds) {
  if (seconds < 60) return one_decimal(std::max(seconds, 0.0), "s");
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

size_t utf8_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  size_t length = 0;
  std::uint32_t code = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
    code = lead & 0x1FU;
  } else if ((lead & 0xF0U) == 0xE0) {
    length = 3;
    code = lead & 0x0FU;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    code = lead & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0U) != 0x80) return 0;
    code = (code << 6U) | (next & 0x3FU);
  }
  if (length == 3 && (code < 0x800 || (code >= 0xD800 && code <= 0xDFFF))) return 0;
  if (length == 4 && (code < 0x10000 || code > 0x10FFFF)) return 0;
  return length;
}

namespace {
std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    char code[8];
    std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned char>(byte));
    text += code;
  }
  return text;
}

// U+0080 to U+009F: some terminals treat U+009B as ESC [.
bool is_control(std::string_view sequence) {
  return sequence.size() == 2 && sequence[0] == '\xC2' && static_cast<unsigned char>(sequence[1]) < 0xA0;
}
}  // namespace

std::string sanitize(std::string_view foreign, const CharacterLength &character) {
  constexpr size_t limit = 8192;
  std::string clean;
  while (!foreign.empty() && clean.size() < limit) {
    const auto byte = static_cast<unsigned char>(foreign[0]);
    size_t length = 1;
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      clean += escaped(foreign.substr(0, 1));
    } else if (byte >= 0x80) {
      length = character(foreign);
      const std::string_view sequence = foreign.substr(0, length);
      if (length == 0)
        clean += '?';
      else
        clean += is_control(sequence) ? escaped(sequence) : std::string(sequence);
      length = std::max<size_t>(length, 1);
    } else {
      clean += foreign[0];
    }
    foreign.remove_prefix(length);
  }
  if (!foreign.empty()) clean += " ...";
  return clean;
}

std::string_view invalid_bytes(std::string_view text, const CharacterLength &character) {
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const size_t length = byte == 0 ? 0 : byte < 0x80 ? 1 : character(text);
    if (length == 0) break;
    text.remove_prefix(length);
  }
  size_t count = std::min<size_t>(text.size(), 1);
  while (count < text.size() && count < 4 && static_cast<unsigned char>(text[count]) >= 0x80) ++count;
  return text.substr(0, count);
}

std::string shorten_own_statements(const std::string &context) {
  constexpr std::string_view begin = "SQL statement \"";
  constexpr size_t kept = 60;
  std::string shortened;
  size_t at = 0;
  while (at < context.size()) {
    size_t end = context.find('\n', at);
    // A statement ends at a quote at the end of a line.
    const bool statement = context.compare(at, begin.size(), begin) == 0;
    while (statement && end != std::string::npos && context[end - 1] != '"')
      end = context.find('\n', end + 1);
    const std::string entry = context.substr(at, end == std::string::npos ? end : end - at);
    const bool ours = statement && (entry.find("pg_temp.tablesync_") != std::string::npos ||
                                    entry.find(".\"tablesync_hidden_") != std::string::npos);
    if (!shortened.empty()) shortened += '\n';
    shortened +=
        ours && entry.size() > begin.size() + kept ? entry.substr(0, begin.size() + kept) + " ...\"" : entry;
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return shortened;
}

namespace {
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}
}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string> &candidates) {
  // Half of the letters wrong is no longer a typing error; 64 bounds the work on hostile input.
  if (word.size() > 64) return {};
  size_t best = word.size() / 2 + 1;
  std::string found;
  for (const std::string &candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace tablesync
