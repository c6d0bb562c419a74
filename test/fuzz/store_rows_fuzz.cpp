// store_rows(): whatever messages come, it reads no byte beyond them and writes none but the one behind each;
// the values of each row that it stores are those of their types; and a stream that is a server's is stored
// whole.
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fuzz/fuzzer.h"
#include "fuzz/server/server.h"
#include "fuzz/server/table.h"
#include "fuzz/streams.h"
#include "fuzz/values.h"
#include "pg/rows/store_rows.h"

namespace tablesync::fuzz {
namespace {

const Stream *current = nullptr;
std::size_t messages_taken = 0;
std::optional<Block> last;

// libpq's messages have a zero behind them; each goes when the next one is asked for.
char *next_message(void *, size_t *size) {
  last.reset();
  if (messages_taken == current->messages.size()) return nullptr;
  last.emplace(current->messages[messages_taken++], 1);
  *size = last->size();
  return last->begin();
}

std::vector<Kind> make_columns(Random &random) {
  std::vector<Kind> columns(1 + random.below(6));
  for (Kind &column : columns) column = static_cast<Kind>(random.below(kinds));
  return columns;
}

// Whether the bytes are a row and nothing else, as the documentation of COPY has it.
bool is_row(std::string_view bytes, std::size_t columns) {
  const auto take = [&](std::size_t size) {
    std::uint64_t number = 0;
    for (std::size_t n = 0; n < size && !bytes.empty(); ++n, bytes.remove_prefix(1))
      number = (number << 8) | static_cast<unsigned char>(bytes[0]);
    return number;
  };
  if (bytes.size() < 2 || take(2) != columns) return false;
  for (std::size_t n = 0; n < columns; ++n) {
    if (bytes.size() < 4) return false;
    const std::uint64_t length = take(4);
    if (length == 0xffffffff) continue;
    if (length > bytes.size()) return false;
    bytes.remove_prefix(length);
  }
  return bytes.empty();
}

// Of a stream that was read to its end: whatever is no header, no trailer and not empty.
long rows_of(const Stream &stream, std::size_t columns) {
  long rows = 0;
  for (std::size_t n = 0; n < stream.messages.size(); ++n) {
    std::string_view bytes = stream.messages[n];
    constexpr std::size_t header = 19, length_at = 18;  // the lengths made here need one byte of its four
    if (n == 0) bytes.remove_prefix(header + static_cast<unsigned char>(bytes[length_at]));
    if (bytes.empty() || bytes.substr(0, 2) == "\xff\xff") continue;
    must(is_row(bytes, columns), "a row");
    ++rows;
  }
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
    begin_server();
    const std::vector<Kind> columns = make_columns(random);
    const Stream stream = make_stream(random, columns);
    const bool freeze = random.one_in(2);
    Relation const table = make_table(random, columns, random.one_in(2));
    current = &stream;
    messages_taken = 0;
    try {
      const auto stored = static_cast<long>(tablesync::pg::store_rows(
          table, names_of_table().data(), static_cast<int>(columns.size()), freeze, next_message, nullptr));
      must(stored == rows_in_table() && stored == rows_of(stream, columns.size()), "the number of the rows");
      must(!stream.is_valid || stored == stream.rows, "all rows of a stream");
      ++complete;
    } catch (const Refused &) {
      must(!stream.is_valid || table_refuses_values(), "a stream that is valid");
      ++refused;
    }
    rows += rows_in_table();
  }
  report(arguments, "streams of rows",
         {{"read to their end", complete}, {"refused", refused}, {"rows stored", rows}});
  return 0;
}
