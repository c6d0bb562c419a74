#include "pg/sync/sync_call.h"

#include "core/base/error.h"
#include "pg/run/call_arguments.h"
#include "pg/run/run_kind.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/server/sql_call.h"
#include "pg/target/target.h"

namespace tablesync::pg {

std::string sql_text(const std::optional<std::string> &value, const char *name) {
  if (!value) return {};
  if (value->find_first_not_of(" \t\r\n\f;") == std::string::npos)
    throw Error("42601", std::string(name) + " is empty", {}, "Leave it out, or pass NULL.");
  return *value;
}

void take_options(SyncSpec &spec, const std::optional<std::string> &json) {
  if (!json) return;
  check_object("options", json);
  for (const Row &row :
       query("SELECT key, value FROM pg_catalog.jsonb_each_text($1::pg_catalog.jsonb)", {*json}))
    set_option(spec, text_of(row[0]), row[1]);
}

WorkerTask task_for(const SyncSpec &spec) { return worker_of(spec, serialize(spec)); }

namespace {

enum Argument {
  arg_server,
  arg_source,
  arg_target,
  arg_sync_mode,
  arg_primary_key,
  arg_incremental_field,
  arg_incremental_field_type,
  arg_custom_select,
  arg_custom_where,
  arg_custom_count,
  arg_delete_missing,
  arg_batch_size,
  arg_chunk_mode,
  arg_enable_checkpoint,
  arg_parallel_workers,
  arg_memory_limit_mb,
  arg_max_retries,
  arg_target_server,
  arg_verify,
  arg_wait,
  arg_options,
};

void refuse_later_feature(bool given, const std::string &what) {
  if (given) throw Error(sqlstate::not_supported, what + " is not in this version");
}

// What the mode needs, and what goes with nothing else.
void check_mode(const SyncSpec &spec) {
  const std::string mode = name_of(spec.mode);
  const auto refuse = [](const std::string &message, const std::string &hint = {}) {
    throw Error(sqlstate::invalid_parameter, message, {}, hint);
  };
  if (spec.mode == SyncMode::incremental && spec.incremental_field.empty())
    refuse("sync_mode \"incremental\" requires incremental_field");
  if (spec.mode != SyncMode::incremental) {
    const std::string hint = "It goes with sync_mode => 'incremental'.";
    if (!spec.incremental_field.empty())
      refuse("sync_mode \"" + mode + "\" does not use incremental_field", hint);
    if (!spec.incremental_field_type.empty())
      refuse("sync_mode \"" + mode + "\" does not use incremental_field_type", hint);
    if (!spec.lookback.empty())
      refuse("sync_mode \"" + mode + "\" does not use the option \"lookback\"", hint);
  }
  if (spec.mode == SyncMode::xmin && !spec.custom_select.empty())
    throw Error(sqlstate::not_supported, "sync_mode \"xmin\" does not go with custom_select",
                "The rows of a query have no xmin.", "Use custom_where, or sync_mode => 'incremental'.");
  if (spec.chunk_mode == ChunkMode::always && !spec.custom_count.empty())
    refuse("custom_count does not go with chunk_mode",
           "The rows of chunks are not those of one moment, which custom_count counts.");
  if (spec.chunk_by == "ctid" && !spec.custom_select.empty())
    refuse("chunk_by \"ctid\" does not go with custom_select", "The rows of a query have no ctid.");
}

void check_sizes(FunctionCallInfo fcinfo) {
  check_range("batch_size", int_argument(fcinfo, arg_batch_size), 1, 2147483647);
  check_range("parallel_workers", int_argument(fcinfo, arg_parallel_workers), 1, 64);
  check_range("memory_limit_mb", int_argument(fcinfo, arg_memory_limit_mb), 16, 65536);
  check_range("max_retries", int_argument(fcinfo, arg_max_retries), 0, 100);
  refuse_later_feature(!PG_ARGISNULL(arg_target_server), "target_server");
}

static_assert(arg_wait == sync_arg_wait);

}  // namespace

SyncSpec sync_spec_from(FunctionCallInfo fcinfo) {
  SyncSpec spec;
  spec.server = required(name_argument(fcinfo, arg_server), "server name");
  spec.source = required(text_argument(fcinfo, arg_source), "source table");
  const std::string target = required(text_argument(fcinfo, arg_target), "target table");
  check_sizes(fcinfo);
  spec.mode = parse_sync_mode(required(text_argument(fcinfo, arg_sync_mode), "sync_mode"));
  spec.primary_key = text_array_argument(fcinfo, arg_primary_key);
  spec.incremental_field = text_argument(fcinfo, arg_incremental_field).value_or("");
  spec.incremental_field_type = text_argument(fcinfo, arg_incremental_field_type).value_or("");
  spec.custom_select = sql_text(text_argument(fcinfo, arg_custom_select), "custom_select");
  spec.custom_where = sql_text(text_argument(fcinfo, arg_custom_where), "custom_where");
  spec.custom_count = sql_text(text_argument(fcinfo, arg_custom_count), "custom_count");
  spec.delete_missing = bool_argument(fcinfo, arg_delete_missing).value_or(spec.mode == SyncMode::full);
  spec.verify = parse_verify(required(text_argument(fcinfo, arg_verify), "verify"));
  spec.parallel_workers = int_argument(fcinfo, arg_parallel_workers).value_or(1);
  spec.memory_limit_mb = int_argument(fcinfo, arg_memory_limit_mb).value_or(memory_limit_mb);
  spec.max_retries = int_argument(fcinfo, arg_max_retries).value_or(spec.max_retries);
  spec.batch_size = int_argument(fcinfo, arg_batch_size).value_or(0);
  if (const std::optional<bool> chunks = bool_argument(fcinfo, arg_chunk_mode))
    spec.chunk_mode = *chunks ? ChunkMode::always : ChunkMode::never;
  spec.enable_checkpoint = bool_argument(fcinfo, arg_enable_checkpoint).value_or(true);
  take_options(spec, jsonb_argument(fcinfo, arg_options));
  check_mode(spec);

  sql_name(spec.source);  // that it is a name at all
  spec.target = resolve_target(target);
  take_session_settings(spec);
  return spec;
}

}  // namespace tablesync::pg
