#include "pg/sync/sync_call.h"

#include "core/base/error.h"
#include "pg/run/call_arguments.h"
#include "pg/run/run_kind.h"
#include "pg/server/guc.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {

void take_options(SyncSpec &spec, FunctionCallInfo fcinfo, unsigned function) {
  for (const auto &[key, value] : options_argument(fcinfo, function).members) set_option(spec, key, value);
}

WorkerTask task_for(const SyncSpec &spec) { return worker_of(spec, serialize(spec)); }

namespace {

// Checks which arguments the mode requires, and which exclude each other.
void check_mode(const SyncSpec &spec) {
  const std::string mode = name_of(spec.mode);
  const auto refuse = [](const std::string &message, const std::string &hint = {}) {
    throw Error(sqlstate::invalid_parameter, message, {}, hint);
  };
  if (spec.mode == SyncMode::incremental && spec.incremental_field.empty())
    refuse("sync_mode \"incremental\" requires incremental_field");
  if (spec.mode != SyncMode::incremental) {
    const std::string hint = "Use it with sync_mode => 'incremental'.";
    if (!spec.incremental_field.empty())
      refuse("sync_mode \"" + mode + "\" does not use incremental_field", hint);
    if (!spec.incremental_field_type.empty())
      refuse("sync_mode \"" + mode + "\" does not use incremental_field_type", hint);
    if (!spec.lookback.empty())
      refuse("sync_mode \"" + mode + "\" does not use the option \"lookback\"", hint);
  }
  if (spec.mode == SyncMode::xmin && !spec.custom_select.empty())
    throw Error(sqlstate::not_supported, "sync_mode \"xmin\" cannot be combined with custom_select",
                "The rows of a query have no xmin.", "Use custom_where, or sync_mode => 'incremental'.");
  if (spec.chunk_mode == ChunkMode::always && !spec.custom_count.empty())
    refuse("custom_count cannot be combined with chunk_mode",
           "custom_count counts the rows of one snapshot, and each chunk is read in a snapshot of its own.");
  if (spec.chunk_by == "ctid" && !spec.custom_select.empty())
    refuse("chunk_by \"ctid\" cannot be combined with custom_select", "The rows of a query have no ctid.");
}

}  // namespace

SyncSpec sync_spec_from(FunctionCallInfo fcinfo) {
  SyncSpec spec;
  spec.memory_limit_mb = memory_limit_mb;
  take_arguments(spec, functions::sync_table, fcinfo);
  if (!is_given(fcinfo, functions::sync_table, "delete_missing"))
    spec.delete_missing = spec.mode == SyncMode::full;
  take_options(spec, fcinfo, functions::sync_table);
  check_mode(spec);

  sql_name(spec.source);  // throws if it is not a name
  spec.target = resolve_target(spec.target.name);
  take_session_settings(spec);
  return spec;
}

}  // namespace tablesync::pg
