// SyncSpec: the settings of one sync_table() or verify_table() call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"
#include "core/spec/run_spec.h"

namespace tablesync {

enum class SyncMode { full, incremental, xmin };
enum class VerifyMode { none, count, full };
enum class SoftDelete { remove, mark };
enum class OnSchemaChange { raise, add, ignore };
enum class OnBadRow { raise, reject };
enum class CompareBy { filter, stage, digest };
enum class ChunkMode { by_size, always, never };

struct SyncOptions {
  SyncMode mode = SyncMode::full;
  std::vector<std::string> primary_key;  // empty: the source's
  std::string incremental_field;
  std::string incremental_field_type;  // empty: from the column
  std::string custom_select;           // empty: the table itself
  std::string custom_where;
  std::string custom_count;
  bool delete_missing = true;
  VerifyMode verify = VerifyMode::count;
  ChunkMode chunk_mode = ChunkMode::by_size;
  std::int64_t batch_size = 0;  // rows of the first chunk; 0: the default
  // From `options`:
  double max_delete_fraction = 0.5;
  bool allow_empty = false;
  bool adopt = false;
  std::string lookback;  // empty: the default. A duration, or a number of values for integer fields
  std::string soft_delete_column;
  // The column whose marked rows are deleted; empty if marked rows are kept.
  std::string deleting_column() const {
    return soft_delete_action == SoftDelete::remove ? soft_delete_column : "";
  }
  SoftDelete soft_delete_action = SoftDelete::remove;
  // Whether rows of the target may have to be deleted.
  bool may_delete() const { return delete_missing || !soft_delete_column.empty(); }
  bool empty_string_as_null = false;
  OnSchemaChange on_schema_change = OnSchemaChange::raise;
  OnBadRow on_bad_row = OnBadRow::raise;
  CompareBy compare = CompareBy::filter;
  std::string chunk_by;        // ctid or key; empty: ctid if the source can be read by it
  int max_differences = 1000;  // maximum that a verification lists

  bool operator==(const SyncOptions &) const = default;
};

struct SyncSpec : RunSpec, SyncOptions {
  bool operator==(const SyncSpec &) const = default;
};

// Converts the fields without default values to a JSON object of the table of parameters, and back. Throws
// XX000 for other texts, 22023 for keys and values that this version does not accept.
std::string serialize(const SyncSpec &spec);
SyncSpec deserialize_sync_spec(std::string_view json);
// Converts a call that is kept to be resumed later, so without `restart`. from_kept() returns nothing for a
// call of a newer version or of another function, because this version might not know an essential part of
// it.
std::string to_kept(SyncSpec spec);
std::optional<SyncSpec> from_kept(std::string_view json);

// The settings that make two calls syncs of the same rows in the same way, as lines "name: value". `source`:
// the resolved name.
std::string definition_of(const SyncSpec &spec, const QualifiedName &source);

// Parses sync_mode with its old names; throws 22023 for anything else.
SyncMode parse_sync_mode(std::string_view text);
const char *name_of(SyncMode mode);

// Parses `verify`. Throws 22023 for an unknown word.
VerifyMode parse_verify(std::string_view text);

// Sets one key of `options`. Throws as set_option() in core/spec/parameter.h.
void set_option(SyncSpec &spec, const std::string &key, const Json &value);

}  // namespace tablesync
