#include "core/pivot/wide_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "core/base/error.h"

namespace tablesync {
namespace {

constexpr int most_row_bytes = 8160;  // MaxHeapTupleSize

// "System Columns"
constexpr std::array<std::string_view, 6> system_columns{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};

// The beginning of the text, at most that many bytes, without a partial UTF-8 character.
std::string_view beginning(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

std::string hash_digits(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::uint64_t hash = XXH3_64bits(text.data(), text.size());
  std::string hex;
  for (int n = 0; n < 8; ++n, hash >>= 4) hex += digits[hash & 15];
  return hex;
}

}  // namespace

std::string folded(std::string_view name) {
  std::string lower(name);
  for (char &c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return lower;
}

std::string wide_table_name(std::string_view prefix, std::string_view ship, std::string_view group) {
  if (ship.empty()) throw Error("42602", "a ship has an empty name");
  std::string name = folded(std::string(prefix) + std::string(ship));
  if (!group.empty()) name += "_" + folded(group);
  if (name.size() > most_name_bytes)
    throw Error("42622", "the name of the wide table of ship \"" + std::string(ship) + "\" is too long",
                "\"" + name + "\" has " + std::to_string(name.size()) + " bytes; a name has at most " +
                    std::to_string(most_name_bytes) + ".",
                "Pass a shorter table_prefix, or shorter group names.");
  return name;
}

std::string wide_column_name(std::string_view channel, const std::set<std::string> &taken) {
  if (channel.empty()) throw Error("42602", "a channel has an empty name");
  std::string name(channel);
  const bool reserved =
      std::find(system_columns.begin(), system_columns.end(), channel) != system_columns.end();
  if (name.size() <= most_name_bytes && !reserved && !taken.contains(name)) return name;
  const std::string suffix = "_" + hash_digits(channel);
  name = std::string(beginning(channel, most_name_bytes - suffix.size())) + suffix;
  if (taken.contains(name))
    throw Error("42710", "channel \"" + std::string(channel) + "\" has no column name of its own",
                "The column cannot have the channel's own name, and another channel has \"" + name + "\".",
                "Rename that column. If it is the column of this channel in a table that is not adopted yet, "
                "give it the comment \"" +
                    wide_column_comment(channel) + "\".");
  return name;
}

namespace {

constexpr std::string_view comment_of_channel = "Readings of channel ";

}  // namespace

std::string wide_column_comment(std::string_view channel) {
  return std::string(comment_of_channel) + std::string(channel);
}

std::string_view channel_of_comment(std::string_view comment) {
  if (!comment.starts_with(comment_of_channel)) return {};
  return comment.substr(comment_of_channel.size());
}

bool RowSize::add(ValueType type) {
  // In a row that is too large the server keeps values that are not longer than an aligned pointer to a
  // toasted value (toast_tuple_find_biggest_attribute()): 20 bytes after a header of one.
  constexpr int longest_text = 21;
  switch (type) {
    case ValueType::boolean:
      return add_unaligned(1);
    case ValueType::string:
      return add_unaligned(longest_text);
    default:
      return add_aligned();
  }
}

void RowSize::add_other(int bytes) {
  ++columns_;
  ++unaligned_;
  bytes_ += bytes;
}

bool RowSize::add_aligned() {
  RowSize larger = *this;
  ++larger.columns_;
  ++larger.aligned_;
  larger.bytes_ += 8;
  if (!larger.fits()) return false;
  *this = larger;
  return true;
}

bool RowSize::add_unaligned(int bytes) {
  RowSize larger = *this;
  larger.add_other(bytes);
  if (!larger.fits()) return false;
  *this = larger;
  return true;
}

int RowSize::bytes() const {
  constexpr int header = 23;  // SizeofHeapTupleHeader
  constexpr int alignment = 8;
  const auto aligned = [](int bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  // Each aligned value behind an unaligned one may have to skip 7 bytes.
  const int skipped = (alignment - 1) * std::min(aligned_, unaligned_);
  return aligned(header + (columns_ + 7) / 8) + bytes_ + skipped;
}

bool RowSize::fits() const {
  constexpr int most_columns = 1600;  // MaxHeapAttributeNumber
  return columns_ <= most_columns && bytes() <= most_row_bytes;
}

int RowSize::toast_target() const {
  constexpr int usual = 2032;  // TOAST_TUPLE_TARGET
  return bytes() < usual / 4 ? 0 : std::min(bytes() + usual, most_row_bytes);
}

}  // namespace tablesync
