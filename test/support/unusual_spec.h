// Specifications in which nothing is as by default. The bindings name every field: a new one does not compile
// until it is here, and must get a value of its own.
#pragma once

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "core/spec/pivot_spec.h"
#include "core/spec/sync_spec.h"

namespace tablesync {

inline auto all_fields(RunSpec &spec) {
  auto &[command, server, source, target, parallel_workers, memory_limit_mb, enable_checkpoint,
         failed_chunks_only, max_retries, if_running, timeout_ms, retry_delay_ms, max_rate, source_limits,
         time_zone, restart, trust_owner, settings] = spec;
  return std::tie(command, server, source, target.schema, target.name, parallel_workers, memory_limit_mb,
                  enable_checkpoint, failed_chunks_only, max_retries, if_running, timeout_ms, retry_delay_ms,
                  max_rate, source_limits.lag_ms, source_limits.sessions, time_zone, restart, trust_owner,
                  settings);
}

inline auto all_fields(SyncOptions &spec) {
  auto &[mode, primary_key, incremental_field, incremental_field_type, custom_select, custom_where,
         custom_count, delete_missing, verify, chunk_mode, batch_size, max_delete_fraction, allow_empty,
         adopt, lookback, soft_delete_column, soft_delete_action, empty_string_as_null, on_schema_change,
         on_bad_row, compare, chunk_by, max_differences] = spec;
  return std::tie(mode, primary_key, incremental_field, incremental_field_type, custom_select, custom_where,
                  custom_count, delete_missing, verify, chunk_mode, batch_size, max_delete_fraction,
                  allow_empty, adopt, lookback, soft_delete_column, soft_delete_action, empty_string_as_null,
                  on_schema_change, on_bad_row, compare, chunk_by, max_differences);
}

inline auto all_fields(PivotOptions &spec) {
  auto &[mode, ships, from, cutoff, cutoff_is_now, chunk_interval, sample_interval, channels, groups,
         all_text, drop_tables, batch_rows, failed_chunk, newest_first, order_by, columns] = spec;
  return std::tie(mode, ships, from, cutoff, cutoff_is_now, chunk_interval, sample_interval, channels, groups,
                  all_text, drop_tables, batch_rows, failed_chunk, newest_first, order_by, columns);
}

// `ours` has each field that `defaults` has, with another value.
template <typename Options>
void expect_all_unusual(Options ours, Options defaults) {
  std::vector<bool> differs;
  std::apply(
      [&](const auto &...fields) {
        std::apply([&](const auto &...others) { differs = {(fields != others)...}; }, all_fields(defaults));
      },
      all_fields(ours));
  for (size_t n = 0; n < differs.size(); ++n) EXPECT_TRUE(differs[n]) << "field " << n;
}

inline RunSpec unusual_run() {
  RunSpec spec;
  spec.command = Command::repair;
  spec.server = "Shop";
  spec.source = "public.\"Users\"";
  spec.target = {"raw", std::string("zero\0byte", 9)};
  spec.parallel_workers = 65;  // what a worker is given has no bounds
  spec.memory_limit_mb = 2147483647;
  spec.enable_checkpoint = false;
  spec.failed_chunks_only = true;
  spec.max_retries = 101;
  spec.if_running = IfRunning::wait;
  spec.timeout_ms = 2147483647;
  spec.retry_delay_ms = 1;
  spec.max_rate = {0, 1234567};
  spec.source_limits = {7, 8};
  spec.time_zone = "Europe/Berlin";
  spec.restart = true;
  spec.trust_owner = true;
  spec.settings = {{"search_path", "\"$user\", public"}, {"timezone", ""}};
  return spec;
}

inline SyncSpec unusual_sync() {
  SyncSpec spec;
  static_cast<RunSpec &>(spec) = unusual_run();
  spec.mode = SyncMode::xmin;
  spec.primary_key = {"id", "", "naïve\n"};
  spec.incremental_field = "updated at";
  spec.incremental_field_type = "datetime";
  spec.custom_select = "SELECT 1; --";
  spec.custom_where = "a = 'b\\'\t";
  spec.custom_count = "SELECT count(*) FROM users";
  spec.delete_missing = false;
  spec.verify = VerifyMode::none;
  spec.chunk_mode = ChunkMode::never;
  spec.batch_size = 1;
  spec.max_delete_fraction = 0.1;
  spec.allow_empty = true;
  spec.adopt = true;
  spec.lookback = "10 min";
  spec.soft_delete_column = "deleted_at";
  spec.soft_delete_action = SoftDelete::mark;
  spec.empty_string_as_null = true;
  spec.on_schema_change = OnSchemaChange::ignore;
  spec.on_bad_row = OnBadRow::reject;
  spec.compare = CompareBy::stage;
  spec.chunk_by = "key";
  spec.max_differences = 7;
  return spec;
}

inline PivotSpec unusual_pivot() {
  PivotSpec spec;
  static_cast<RunSpec &>(spec) = unusual_run();
  spec.command = Command::verify_pivot;
  spec.mode = PivotMode::migration_only;
  spec.ships = {"HS4", "", "größe\n"};
  spec.from = -5;
  spec.cutoff = 5;
  spec.cutoff_is_now = true;
  spec.chunk_interval = 1;
  spec.sample_interval = 2;
  spec.channels = {"b", "a"};
  spec.groups = {{"engine", "^/me"}};
  spec.all_text = true;
  spec.drop_tables = true;
  spec.batch_rows = 3;
  spec.failed_chunk = 4;
  spec.newest_first = false;
  spec.order_by = "revision";
  spec.columns = {{"double_v", "value"}, {"ship_id", ""}};
  return spec;
}

}  // namespace tablesync
