#include "pg/pivot/pivot_call.h"

extern "C" {
#include "catalog/pg_collation_d.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

#include <algorithm>

#include "core/base/error.h"
#include "core/pivot/wide_table.h"
#include "pg/run/call_arguments.h"
#include "pg/run/run_kind.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/server/sql_call.h"
#include "pg/source/foreign_server.h"
#include "pg/target/target.h"

namespace tablesync::pg {
namespace {

enum Argument {
  arg_server,
  arg_source,
  arg_ship_id,
  arg_ship_ids,
  arg_mode,
  arg_target_schema,
  arg_table_prefix,
  arg_from_time,
  arg_cutoff_time,
  arg_chunk_interval,
  arg_sample_interval,
  arg_poll_interval,
  arg_channels,
  arg_table_groups,
  arg_value_type,
  arg_drop_tables,
  arg_parallel_workers,
  arg_batch_size,
  arg_memory_limit_mb,
  arg_max_retries,
  arg_job_name,
  arg_wait,
  arg_options,
};
static_assert(arg_wait == pivot_arg_wait);

std::optional<Moment> moment_argument(FunctionCallInfo fcinfo, int n, const char *name) {
  if (PG_ARGISNULL(n)) return std::nullopt;
  const TimestampTz moment = PG_GETARG_TIMESTAMPTZ(n);
  if (TIMESTAMP_NOT_FINITE(moment))
    throw Error("22008", std::string("\"") + name + "\" must be finite", {},
                "Leave it out where there is no such bound.");
  return moment;
}

// In both functions these two follow each other.
void take_ships(PivotSpec &spec, FunctionCallInfo fcinfo, int ship_id) {
  const int ship_ids = ship_id + 1;
  spec.ships = text_array_argument(fcinfo, ship_ids);
  if (!PG_ARGISNULL(ship_ids) && spec.ships.empty())
    throw Error(sqlstate::invalid_parameter, "\"ship_ids\" is empty", {}, "Leave it out for every ship.");
  if (const auto ship = text_argument(fcinfo, ship_id)) {
    if (!spec.ships.empty())
      throw Error(sqlstate::invalid_parameter, "ship_id and ship_ids cannot both be given");
    spec.ships = {*ship};
  }
  std::sort(spec.ships.begin(), spec.ships.end());
  spec.ships.erase(std::unique(spec.ships.begin(), spec.ships.end()), spec.ships.end());
  for (size_t n = 0; n < spec.ships.size(); ++n)
    for (size_t other = 0; other < n; ++other)
      if (wide_table_name(spec.target.name, spec.ships[n]) ==
          wide_table_name(spec.target.name, spec.ships[other]))
        throw Error(
            "42710",
            "ships \"" + spec.ships[other] + "\" and \"" + spec.ships[n] + "\" have the same wide table",
            "Names of tables are in lower case.", "Pass each alone, with a table_prefix of its own.");
  for (const std::string &ship : spec.ships) wide_table_name(spec.target.name, ship);  // that it can be one
}

// So do these.
void take_times(PivotSpec &spec, FunctionCallInfo fcinfo, int from_time) {
  const std::optional<Moment> from = moment_argument(fcinfo, from_time, "from_time");
  const std::optional<Moment> cutoff = moment_argument(fcinfo, from_time + 1, "cutoff_time");
  spec.from = from.value_or(before_all);
  spec.cutoff_is_now = !cutoff;
  spec.cutoff = cutoff.value_or(call([] { return GetCurrentTimestamp(); }));
  if (spec.from >= spec.cutoff)
    throw Error(sqlstate::invalid_parameter, "\"from_time\" must be before \"cutoff_time\"",
                "They are " + text_of_moment(spec.from) + " and " + text_of_moment(spec.cutoff) +
                    (cutoff ? "." : ", which is now."));
}

// In the order of jsonb: that of the keys' lengths, then bytes.
void take_groups(PivotSpec &spec, const std::optional<std::string> &json) {
  if (!json) return;
  const auto refuse = [](const std::string &message) {
    throw Error(sqlstate::invalid_parameter, message, {},
                R"(Like {"engine": "^/me/"}: the name of a group, and a pattern for its channels.)");
  };
  if (!json->starts_with('{')) refuse("table_groups must be an object");
  for (const Row &row : query("SELECT key, value #>> '{}', pg_catalog.jsonb_typeof(value) FROM "
                              "pg_catalog.jsonb_each($1::pg_catalog.jsonb)",
                              {*json})) {
    const std::string &group = text_of(row.at(0)), &pattern = text_of(row.at(1));
    if (group.empty() || text_of(row.at(2)) != "string")
      refuse("invalid table_groups: group \"" + group + "\" has no pattern");
    // What the view that joins a ship's tables ends with, and the group of the rest.
    if (group == "all" || group == "default")
      refuse("invalid table_groups: \"" + group + "\" has a meaning of its own");
    // The server's own words where it is no regular expression.
    const char *const expression = pattern.c_str();
    call([&] {
      return DirectFunctionCall2Coll(textregexeq, C_COLLATION_OID, CStringGetTextDatum(""),
                                     CStringGetTextDatum(expression));
    });
    spec.groups.emplace_back(group, pattern);
  }
}

void take_channels(PivotSpec &spec, const std::vector<std::string> &channels, const char *where) {
  if (!spec.channels.empty())
    throw Error(sqlstate::invalid_parameter,
                "channels and the option \"channels_table\" cannot both be given");
  if (channels.empty())
    throw Error(sqlstate::invalid_parameter, std::string(where) + " is empty", {},
                "Leave it out to take every channel.");
  for (const std::string &channel : channels)
    if (channel.empty())
      throw Error("42602", "a channel has an empty name", std::string("It is in ") + where + ".");
  spec.channels = channels;
  std::vector<std::string> sorted = channels;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    throw Error(sqlstate::invalid_parameter, "channel \"" + *twice + "\" is in " + where + " more than once");
}

// The one column of a table here, in the order of its rows.
void take_channels_table(PivotSpec &spec, const std::string &name) {
  const Table table = describe_readable(sql_name(name));
  if (table.columns.size() != 1)
    throw Error(sqlstate::invalid_parameter,
                "table \"" + display_name(table.name) + "\" must have one column, of channels",
                "It has " + std::to_string(table.columns.size()) + ".");
  const std::string column = quote_identifier(table.columns[0].name);
  std::vector<std::string> channels;
  for (const Row &row : query("SELECT CAST(" + column + " AS pg_catalog.text) FROM " +
                              quote_qualified(table.name) + " WHERE " + column + " IS NOT NULL"))
    channels.push_back(text_of(row.at(0)));
  take_channels(spec, channels, "channels_table");
}

void take_pivot_options(PivotSpec &spec, const std::optional<std::string> &json) {
  if (!json) return;
  check_object("options", json);
  for (const Row &row : query("SELECT key, value #>> '{}', value, pg_catalog.jsonb_typeof(value) FROM "
                              "pg_catalog.jsonb_each($1::pg_catalog.jsonb)",
                              {*json})) {
    const std::string &key = text_of(row.at(0));
    if (key == "columns") {
      if (text_of(row.at(3)) != "object")
        throw Error(sqlstate::invalid_parameter, "the option \"columns\" must be an object", {},
                    R"(Such as {"columns": {"created_time": "ts", "double_v": "value", "ship_id": null}}.)");
      for (const Row &column :
           query("SELECT key, value FROM pg_catalog.jsonb_each_text($1::pg_catalog.jsonb)", {row.at(2)}))
        set_column(spec, text_of(column.at(0)), column.at(1));
    } else if (key == "channels_table") {
      take_channels_table(spec, required(row.at(1), "the option \"channels_table\""));
    } else {
      set_option(spec, key, row.at(1));
    }
  }
}

void check_time_zone(const PivotSpec &spec) {
  if (!spec.time_zone.empty()) query("SELECT pg_catalog.timezone($1, pg_catalog.now())", {spec.time_zone});
}

void finish_spec(PivotSpec &spec) {
  check_time_zone(spec);
  sql_name(spec.source);  // that it is a name at all
  // Here, the caller's search_path says which it is.
  if (spec.server.empty()) spec.source = display_name(resolve_target(spec.source));
  take_session_settings(spec);
}

}  // namespace

// Microseconds. Months have no length: chunks of them would not be of one.
std::int64_t interval_argument(FunctionCallInfo fcinfo, int n, const char *name) {
  if (PG_ARGISNULL(n)) throw Error(sqlstate::null_not_allowed, std::string(name) + " must not be null");
  const Interval *const interval = PG_GETARG_INTERVAL_P(n);
  const auto refuse = [&](const std::string &why, const std::string &hint = {}) {
    throw Error(sqlstate::invalid_parameter, "\"" + std::string(name) + "\" " + why, {}, hint);
  };
  if (interval->month != 0) refuse("must not have months or years", "Give days: '30 days'.");
  constexpr std::int64_t day = 86'400'000'000, most_days = 366 * 1000;
  if (interval->day > most_days || interval->day < -most_days || interval->time / day > most_days)
    refuse("is too long");
  const std::int64_t microseconds = interval->day * day + interval->time;
  if (microseconds <= 0) refuse("must be above 0", "Give it with its unit: '24 hours'; '5' is five seconds.");
  return microseconds;
}

void check_early(const PivotSpec &spec) {
  if (spec.server.empty())
    find_readable(spec.source);
  else
    connection_options(connection_source(spec.server));
}

WorkerTask task_for(const PivotSpec &spec) { return worker_of(spec, serialize(spec)); }

PivotSpec pivot_spec_from(FunctionCallInfo fcinfo) {
  PivotSpec spec;
  spec.command = Command::pivot;
  spec.server = name_argument(fcinfo, arg_server).value_or("");
  spec.source = required(text_argument(fcinfo, arg_source), "source table");
  spec.mode = parse_pivot_mode(required(text_argument(fcinfo, arg_mode), "mode"));
  const std::string prefix = required(text_argument(fcinfo, arg_table_prefix), "table_prefix");
  spec.target = {required(text_argument(fcinfo, arg_target_schema), "target_schema"), prefix};
  take_ships(spec, fcinfo, arg_ship_id);
  take_times(spec, fcinfo, arg_from_time);
  spec.chunk_interval = interval_argument(fcinfo, arg_chunk_interval, "chunk_interval");
  spec.sample_interval = interval_argument(fcinfo, arg_sample_interval, "sample_interval");
  interval_argument(fcinfo, arg_poll_interval, "poll_interval");
  if (!PG_ARGISNULL(arg_channels)) take_channels(spec, text_array_argument(fcinfo, arg_channels), "channels");
  take_groups(spec, jsonb_argument(fcinfo, arg_table_groups));
  const std::string value_type = required(text_argument(fcinfo, arg_value_type), "value_type");
  if (value_type != "native" && value_type != "text")
    throw Error(sqlstate::invalid_parameter, "unrecognized value_type \"" + value_type + "\"", {},
                "Valid: native, text.");
  spec.all_text = value_type == "text";
  spec.drop_tables = bool_argument(fcinfo, arg_drop_tables).value_or(false);
  check_range("parallel_workers", int_argument(fcinfo, arg_parallel_workers), 1, 64);
  check_range("batch_size", int_argument(fcinfo, arg_batch_size), 1, 2147483647);
  check_range("memory_limit_mb", int_argument(fcinfo, arg_memory_limit_mb), 16, 65536);
  check_range("max_retries", int_argument(fcinfo, arg_max_retries), 0, 100);
  if (!PG_ARGISNULL(arg_job_name)) throw Error(sqlstate::not_supported, "job_name is not in this version");
  spec.parallel_workers = int_argument(fcinfo, arg_parallel_workers).value_or(1);
  spec.batch_rows = int_argument(fcinfo, arg_batch_size).value_or(50'000);
  spec.memory_limit_mb = int_argument(fcinfo, arg_memory_limit_mb).value_or(memory_limit_mb);
  spec.max_retries = int_argument(fcinfo, arg_max_retries).value_or(spec.max_retries);
  take_pivot_options(spec, jsonb_argument(fcinfo, arg_options));
  finish_spec(spec);
  return spec;
}

namespace {

enum VerifyArgument {
  verify_server,
  verify_source,
  verify_ship_id,
  verify_ship_ids,
  verify_target_schema,
  verify_table_prefix,
  verify_from_time,
  verify_cutoff_time,
  verify_channels,
  verify_memory_limit_mb,
  verify_options,
};

}  // namespace

PivotSpec verify_pivot_spec_from(FunctionCallInfo fcinfo) {
  PivotSpec spec;
  spec.command = Command::verify_pivot;
  spec.server = name_argument(fcinfo, verify_server).value_or("");
  spec.source = required(text_argument(fcinfo, verify_source), "source table");
  spec.target = {required(text_argument(fcinfo, verify_target_schema), "target_schema"),
                 required(text_argument(fcinfo, verify_table_prefix), "table_prefix")};
  take_ships(spec, fcinfo, verify_ship_id);
  take_times(spec, fcinfo, verify_from_time);
  if (!PG_ARGISNULL(verify_channels))
    take_channels(spec, text_array_argument(fcinfo, verify_channels), "channels");
  check_range("memory_limit_mb", int_argument(fcinfo, verify_memory_limit_mb), 16, 65536);
  spec.memory_limit_mb = int_argument(fcinfo, verify_memory_limit_mb).value_or(memory_limit_mb);
  constexpr std::int64_t day = 86'400'000'000;
  spec.chunk_interval = day;
  take_pivot_options(spec, jsonb_argument(fcinfo, verify_options));
  finish_spec(spec);
  return spec;
}

}  // namespace tablesync::pg
