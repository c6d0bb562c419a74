// ReadingStream: whatever messages come, it reads no byte beyond them; a reading that it makes has what is in
// its message; and a stream that is a server's is read to its end.
#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "copy_bytes.h"
#include "core/base/error.h"
#include "core/pivot/reading_stream.h"
#include "fuzz/fuzzer.h"
#include "fuzz/streams.h"

namespace tablesync::fuzz {
namespace {

// A check that reads all bytes, as that of the server does.
void check_text(std::string_view text) {
  for (const char c : text)
    if (c == '\0' || c == '\xff') throw Error("22021", "not a text");
}

// With the columns in any order, some of them absent.
ReadingPlan make_plan(Random &random) {
  ReadingPlan plan;
  plan.places.fill(-1);
  std::vector<std::size_t> order(reading_columns);
  for (std::size_t n = 0; n < order.size(); ++n) order[n] = n;
  for (std::size_t n = order.size() - 1; n > 0; --n)
    std::swap(order[n], order[random.below(static_cast<unsigned>(n) + 1)]);
  for (const std::size_t n : order)
    if (!random.one_in(8)) plan.places[n] = plan.width++;
  if (plan.width == 0) plan.places[0] = plan.width++;
  if (plan.place(ReadingColumn::ship_id) < 0) plan.ship = "the ship of the call";
  return plan;
}

std::vector<Kind> kinds_of(const ReadingPlan &plan) {
  constexpr Kind of_columns[] = {Kind::text,    Kind::text, Kind::timestamptz, Kind::text,
                                 Kind::boolean, Kind::text, Kind::int8,        Kind::float8};
  static_assert(std::size(of_columns) == reading_columns);
  std::vector<Kind> kinds(static_cast<std::size_t>(plan.width));
  for (std::size_t n = 0; n < reading_columns; ++n)
    if (plan.places[n] >= 0) kinds[static_cast<std::size_t>(plan.places[n])] = of_columns[n];
  return kinds;
}

// The fields of the reading as the server would send them.
std::vector<std::string> fields_of(const ReadingPlan &plan, const Reading &reading) {
  std::vector<std::string> fields(static_cast<std::size_t>(plan.width));
  const auto put = [&](ReadingColumn which, bool there, const std::string &bytes) {
    if (plan.place(which) < 0)
      return must(!there || which == ReadingColumn::ship_id, "a column that is there");
    fields[static_cast<std::size_t>(plan.place(which))] = there ? copy_field(bytes) : copy_null;
  };
  const auto put_text = [&](ReadingColumn which, MaybeText text) {
    put(which, is_there(text), std::string(text));
  };
  const RawValue &value = reading.value;
  put_text(ReadingColumn::ship_id, reading.ship);
  put_text(ReadingColumn::data_channel_id, reading.channel);
  put(ReadingColumn::created_time, reading.time.has_value(), big_endian<8>(reading.time.value_or(0)));
  put_text(ReadingColumn::value_format, value.format);
  put(ReadingColumn::bool_v, value.bool_v.has_value(), big_endian<1>(value.bool_v.value_or(false) ? 1 : 0));
  put_text(ReadingColumn::str_v, value.str_v);
  put(ReadingColumn::long_v, value.long_v.has_value(), big_endian<8>(value.long_v.value_or(0)));
  put(ReadingColumn::double_v, value.double_v.has_value(),
      big_endian<8>(std::bit_cast<std::int64_t>(value.double_v.value_or(0))));
  return fields;
}

// The message ends with the row; in front of it is at most the header.
void check_reading(const ReadingPlan &plan, const Reading &reading, std::string message) {
  const std::vector<std::string> fields = fields_of(plan, reading);
  const std::string row = copy_row(fields);
  must(message.size() >= row.size(), "a row of the size of its message");
  message.erase(0, message.size() - row.size());
  // Any byte but zero is true.
  if (const int place = plan.place(ReadingColumn::bool_v);
      place >= 0 && reading.value.bool_v.value_or(false)) {
    std::size_t at = 2 + 4;
    for (int n = 0; n < place; ++n) at += fields[static_cast<std::size_t>(n)].size();
    must(message[at] != 0, "a boolean");
    message[at] = 1;
  }
  must(message == row, "a reading of its message");
  if (reading.time) must(is_known(*reading.time), "a time within its range");
}

long read(const ReadingPlan &plan, const Stream &stream) {
  ReadingStream readings(plan, check_text);
  long rows = 0;
  for (const std::string &bytes : stream.messages) {
    const Block message(bytes);
    if (!readings.take(message.begin(), message.size())) continue;
    ++rows;
    check_reading(plan, readings.reading(), bytes);
  }
  readings.finish();
  return rows;
}

}  // namespace
}  // namespace tablesync::fuzz

int main(int argc, char **argv) {
  using namespace tablesync::fuzz;
  const Arguments arguments = arguments_of(argc, argv);
  long complete = 0, refused = 0, rows = 0;
  for (long n = arguments.first; n < arguments.first + arguments.inputs; ++n) {
    Random random = begin_input(arguments, n);
    const tablesync::ReadingPlan plan = make_plan(random);
    const Stream stream = make_stream(random, kinds_of(plan));
    try {
      const long taken = read(plan, stream);
      must(!stream.is_valid || taken == stream.rows, "all rows of a stream");
      rows += taken;
      ++complete;
    } catch (const tablesync::Error &) {
      must(!stream.is_valid, "a stream that is valid");
      ++refused;
    }
  }
  report(arguments, "streams of readings",
         {{"read to their end", complete}, {"refused", refused}, {"rows", rows}});
  return 0;
}
