// SyncSpec: what one sync_table() call asks for. The caller fills it, the worker carries it out;
// in between it travels as bytes through shared memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/quote.h"
#include "core/rate.h"
#include "core/source_limits.h"

namespace tablesync {

enum class SyncMode { full, incremental, xmin };
enum class IfRunning { raise, skip, wait };
enum class VerifyMode { none, count, full };
enum class SoftDelete { remove, mark };
enum class OnSchemaChange { raise, add, ignore };
enum class OnBadRow { raise, reject };
enum class ChunkMode { by_size, always, never };

enum class Command { sync, verify, repair };

struct SyncSpec {
  Command command = Command::sync;
  std::string server;    // empty: this database
  std::string source;    // as the user wrote it; resolved on the source
  QualifiedName target;  // resolved by the caller, with the caller's search_path
  SyncMode mode = SyncMode::full;
  std::vector<std::string> primary_key;  // empty: the source's
  std::string incremental_field;
  std::string incremental_field_type;  // empty: from the column
  std::string custom_select;           // empty: the table itself
  std::string custom_where;
  std::string custom_count;
  bool delete_missing = true;
  VerifyMode verify = VerifyMode::count;
  int parallel_workers = 1;  // that read the source
  int memory_limit_mb = 64;
  ChunkMode chunk_mode = ChunkMode::by_size;
  std::int64_t batch_size = 0;  // rows of the first chunk; 0: the default
  bool enable_checkpoint = true;
  bool failed_chunks_only = false;  // what retry_chunks() asks for
  // From `options`:
  double max_delete_fraction = 0.5;
  bool allow_empty = false;
  bool adopt = false;
  IfRunning if_running = IfRunning::raise;
  std::int64_t timeout_ms = 0;  // 0: none
  int max_retries = 3;          // attempts after the first, where a failure may pass by itself
  std::int64_t retry_delay_ms = 2000;
  Rate max_rate;               // of reading the source
  SourceLimits source_limits;  // above which it is not read
  std::string lookback;        // empty: the default. A duration, or a number of values for integer fields
  std::string time_zone;       // of a field without one; empty: the source's, and UTC
  std::string soft_delete_column;
  SoftDelete soft_delete_action = SoftDelete::remove;
  bool empty_string_as_null = false;
  OnSchemaChange on_schema_change = OnSchemaChange::raise;
  OnBadRow on_bad_row = OnBadRow::raise;
  std::string chunk_by;        // ctid or key; empty: ctid where the source can be read by it
  bool restart = false;        // from the first chunk, whatever was begun
  int max_differences = 1000;  // that are listed by a verification
  // Settings of the caller's session that the worker takes over: name and value.
  std::vector<std::pair<std::string, std::string>> settings;

  // Whether the target is written at all.
  bool writes() const { return command != Command::verify; }

  bool operator==(const SyncSpec &) const = default;
};

std::string serialize(const SyncSpec &spec);
SyncSpec deserialize_sync_spec(std::string_view bytes);
// The same for bytes that are kept: from_kept() returns nothing where another version of this library wrote
// them.
std::string to_kept(const SyncSpec &spec);
std::optional<SyncSpec> from_kept(std::string_view bytes);

// What makes two calls syncs of the same rows in the same way, as lines "name: value". `source`: the name as
// resolved.
std::string definition_of(const SyncSpec &spec, const QualifiedName &source);
// The first difference of two definitions: "Now custom_where: ...; then not given.".
std::string first_change(const std::string &then, const std::string &now);

// "shop: public.orders -> raw.orders", for messages and records.
std::string describe_spec(const SyncSpec &spec);

// Parses sync_mode with its old names; throws 22023 for anything else.
SyncMode parse_sync_mode(std::string_view text);
const char *name_of(SyncMode mode);
const char *name_of(Command command);  // of the SQL function

// Parses `verify`. Throws 22023 for an unknown word.
VerifyMode parse_verify(std::string_view text);

// Takes one key of `options jsonb`, its value as text, into the spec. Throws 22023 for an unknown key (hint:
// the nearest) or a bad value, 0A000 for a key whose feature is not in this version.
void set_option(SyncSpec &spec, const std::string &key, const std::optional<std::string> &value);

// Parses a duration like '90', '90s', '5 min', '2 hours', '3d' into milliseconds; a bare number is seconds.
// Throws 22023.
std::int64_t parse_duration_ms(const std::string &text);

}  // namespace tablesync
