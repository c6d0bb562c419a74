#include "fuzz/streams.h"

#include <algorithm>
#include <utility>

#include "copy_bytes.h"

namespace tablesync::fuzz {
namespace {

using namespace std::string_view_literals;

// Bytes that mean something between values: lengths, numbers of columns.
constexpr auto of_rows = "\0\0\0\1\2\3\4\x08\x10\x7f\x80\xff\xff\xff\xfe"sv;

// What a valid row has: no value that a receive function could refuse.
std::string make_row(Random &random, const std::vector<Kind> &columns, bool mutated) {
  const std::size_t chosen = mutated ? random.below(static_cast<unsigned>(columns.size())) : columns.size();
  std::vector<std::string> fields;
  for (std::size_t n = 0; n < columns.size(); ++n) {
    const Kind kind = columns[n];
    std::string value = kind == Kind::timestamp || kind == Kind::timestamptz
                            ? big_endian<8>(static_cast<std::int64_t>(random.bits() >> 8))
                            : make_value(random, kind);
    if (n == chosen) value = mutate(random, value, make_value(random, kind), favorites_of(kind));
    fields.push_back(random.one_in(6) ? copy_null : copy_field(value));
  }
  return copy_row(fields);
}

std::size_t any_of(Random &random, const std::vector<std::string> &messages) {
  return random.below(static_cast<unsigned>(messages.size()));
}

void cut(Random &random, std::vector<std::string> &messages) {
  const std::size_t n = any_of(random, messages);
  const std::size_t at = random.below(static_cast<unsigned>(messages[n].size()) + 1);
  messages.insert(messages.begin() + static_cast<std::ptrdiff_t>(n) + 1, messages[n].substr(at));
  messages[n].resize(at);
}

void merge(Random &random, std::vector<std::string> &messages) {
  const std::size_t n = any_of(random, messages);
  if (n + 1 == messages.size()) return;
  messages[n] += messages[n + 1];
  messages.erase(messages.begin() + static_cast<std::ptrdiff_t>(n) + 1);
}

void change(Random &random, std::vector<std::string> &messages) {
  const std::size_t n = any_of(random, messages);
  const auto place = messages.begin() + static_cast<std::ptrdiff_t>(n);
  switch (random.below(8)) {
    case 0:
      return cut(random, messages);
    case 1:
      return merge(random, messages);
    case 2:
      messages.insert(place, std::string(*place));
      return;
    case 3:
      return std::swap(messages[n], messages[any_of(random, messages)]);
    case 4:
      messages.resize(n + 1);
      return;
    case 5:
      messages[0] = mutate(random, messages[0], messages[n], of_rows);
      return;
    default:
      messages[n] = mutate(random, messages[n], messages[any_of(random, messages)], of_rows);
  }
}

// Flags are none; the extension is to be skipped.
std::string make_header(Random &random) {
  if (!random.one_in(8)) return copy_header();
  const std::string extension(random.below(20), 'e');
  return copy_header().substr(0, 15) + copy_field(extension);
}

}  // namespace

Stream make_stream(Random &random, const std::vector<Kind> &columns) {
  Stream stream;
  stream.is_valid = random.one_in(4);
  const unsigned rows = random.one_in(32) ? 1100 : random.below(12);
  const bool values_mutated = !stream.is_valid && random.one_in(2);
  stream.messages.push_back(make_header(random));
  for (unsigned n = 0; n < rows; ++n)
    stream.messages.push_back(make_row(random, columns, values_mutated && random.one_in(4)));
  stream.messages.push_back(copy_trailer());
  stream.rows = rows;
  // A server may send the header with what follows it.
  if (random.one_in(2)) {
    stream.messages[0] += stream.messages[1];
    stream.messages.erase(stream.messages.begin() + 1);
  }
  if (!stream.is_valid && !(values_mutated && random.one_in(2)))
    for (unsigned changes = 1 + random.below(3); changes > 0; --changes) change(random, stream.messages);
  return stream;
}

}  // namespace tablesync::fuzz
