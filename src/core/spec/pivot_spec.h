// PivotSpec: the settings of one pivot_ship() call.
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

// The columns of a narrow table, by their role.
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
const char *name_of(ReadingColumn column);  // its default name

struct PivotOptions {
  PivotMode mode = PivotMode::full;
  std::vector<std::string> ships;     // empty: every one
  Moment from = before_all;           // readings from it on
  Moment cutoff = after_all;          // and below it
  bool cutoff_is_now = false;         // none was given
  std::int64_t chunk_interval = 0;    // microseconds
  std::int64_t sample_interval = 0;   // microseconds
  std::vector<std::string> channels;  // in the order of their columns; empty: every one
  // Groups of channels: name and regular expression. A channel belongs to the first group that matches.
  std::vector<std::pair<std::string, std::string>> groups;
  bool all_text = false;  // every column of a new table is text
  bool drop_tables = false;
  std::int64_t batch_rows = 50'000;  // maximum of wide rows written at a time
  std::int64_t failed_chunk = 0;     // the row of tablesync.failed_chunk to process again; 0: none
  // From `options`:
  bool newest_first = true;
  std::string
      order_by;  // a column of the source: of two readings of one cell, the one with the greater value wins
  // name_of() a ReadingColumn, and the column of the source; empty: it has none.
  std::vector<std::pair<std::string, std::string>> columns;

  bool operator==(const PivotOptions &) const = default;
};

struct PivotSpec : RunSpec, PivotOptions {
  PivotSpec() { command = Command::pivot; }
  bool operator==(const PivotSpec &) const = default;
};

// As for SyncSpec: see core/spec/sync_spec.h.
std::string serialize(const PivotSpec &spec);
PivotSpec deserialize_pivot_spec(std::string_view json);
std::string to_kept(PivotSpec spec);
std::optional<PivotSpec> pivot_from_kept(std::string_view json);

// The key of a pivot's records: pivots of the same ships of the same source into the same tables share it.
std::string subject_of(const PivotSpec &spec);
// The settings that make two calls the same pivot, as lines "name: value".
std::string definition_of(const PivotSpec &spec);

// Parses `mode`, with hyphens or underscores. Throws 22023 for an unknown one, 0A000 for those of a later
// version.
PivotMode parse_pivot_mode(std::string_view text);
const char *name_of(PivotMode mode);

// Sets one key of `options`, except channels_table, which the caller reads. Throws as set_option() in
// core/spec/parameter.h.
void set_option(PivotSpec &spec, const std::string &key, const Json &value);
// Sets the channels that `where` lists, an argument or an option. Throws 22023 for an empty list, a
// duplicate, or channels that were already set, 42602 for an empty name.
void take_channels(PivotSpec &spec, const std::vector<std::string> &channels, const char *where);
// Sets one key of the object `columns`. Throws 22023 for an unknown key (hint: the nearest).
void set_column(PivotSpec &spec, const std::string &key, const std::optional<std::string> &value);
// The source's name for the column, as the call gave it; nothing if it gave none, empty if it gave null.
std::optional<std::string> given_column(const PivotSpec &spec, ReadingColumn column);

}  // namespace tablesync
