// PivotSpec: what one pivot_ship() call asks for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.h"
#include "core/base/moment.h"
#include "core/spec/run_spec.h"

namespace tablesync {

enum class PivotMode { full, schema_only, tables_only, migration_only };

// The columns of a narrow table, by what they are for.
enum class ReadingColumn {
  ship_id,
  data_channel_id,
  created_time,
  value_format,
  bool_v,
  str_v,
  long_v,
  double_v
};
inline constexpr int reading_columns = 8;
const char *name_of(ReadingColumn column);  // its name, where none is given

struct PivotOptions {
  PivotMode mode = PivotMode::full;
  std::vector<std::string> ships;     // empty: every one
  Moment from = before_all;           // readings from it on
  Moment cutoff = after_all;          // and below it
  bool cutoff_is_now = false;         // none was given
  std::int64_t chunk_interval = 0;    // microseconds
  std::int64_t sample_interval = 0;   // microseconds
  std::vector<std::string> channels;  // in the order that their columns are to have; empty: every one
  // Groups of channels: name and regular expression. The first that matches has it.
  std::vector<std::pair<std::string, std::string>> groups;
  bool all_text = false;  // every column of a new table is text
  bool drop_tables = false;
  std::int64_t batch_rows = 50'000;  // wide rows that are written at a time, at most
  std::int64_t failed_chunk = 0;     // of tablesync.failed_chunk, which is to be done again; 0: none
  // From `options`:
  bool newest_first = true;
  std::string order_by;  // a column of the source: of two readings of one cell, that with more of it wins
  // name_of() a ReadingColumn, and the column of the source; empty: it has none.
  std::vector<std::pair<std::string, std::string>> columns;

  bool operator==(const PivotOptions &) const = default;
};

struct PivotSpec : RunSpec, PivotOptions {
  PivotSpec() { command = Command::pivot; }
  bool operator==(const PivotSpec &) const = default;
};

// See core/spec/sync_spec.h.
std::string serialize(const PivotSpec &spec);
PivotSpec deserialize_pivot_spec(std::string_view json);
std::string to_kept(PivotSpec spec);
std::optional<PivotSpec> pivot_from_kept(std::string_view json);

// What its records are found by: two pivots of the same ships of the same source into the same tables are
// one.
std::string subject_of(const PivotSpec &spec);
// What makes two calls the same pivot, as lines "name: value".
std::string definition_of(const PivotSpec &spec);

// Parses `mode`, with hyphens or underscores. Throws 22023 for an unknown one, 0A000 for those of a later
// version.
PivotMode parse_pivot_mode(std::string_view text);
const char *name_of(PivotMode mode);

// Takes one key of `options`, but for channels_table, which the caller reads. Throws as set_option() in
// core/spec/parameter.h.
void set_option(PivotSpec &spec, const std::string &key, const Json &value);
// Takes the channels that `where` lists, an argument or an option. Throws 22023 where there are none, one is
// there twice or others were given before, 42602 for an empty name.
void take_channels(PivotSpec &spec, const std::vector<std::string> &channels, const char *where);
// One key of the object `columns`. Throws 22023 for an unknown one (hint: the nearest).
void set_column(PivotSpec &spec, const std::string &key, const std::optional<std::string> &value);
// The name in the source that was given for it; nothing where none was, empty where it has none.
std::optional<std::string> given_column(const PivotSpec &spec, ReadingColumn column);

}  // namespace tablesync
