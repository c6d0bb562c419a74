#include "pg/pivot/pivot_call.h"

extern "C" {
#include "catalog/pg_collation_d.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

#include <algorithm>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/base/text.h"
#include "core/pivot/wide_table.h"
#include "pg/run/call_arguments.h"
#include "pg/run/run_kind.h"
#include "pg/server/airlock.h"
#include "pg/server/guc.h"
#include "pg/server/spi.h"
#include "pg/source/foreign_server.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

void check_ships(PivotSpec &spec) {
  std::sort(spec.ships.begin(), spec.ships.end());
  spec.ships.erase(std::unique(spec.ships.begin(), spec.ships.end()), spec.ships.end());
  for (size_t n = 0; n < spec.ships.size(); ++n)
    for (size_t other = 0; other < n; ++other)
      if (wide_table_name(spec.target.name, spec.ships[n]) ==
          wide_table_name(spec.target.name, spec.ships[other]))
        throw Error(
            "42710",
            "ships \"" + spec.ships[other] + "\" and \"" + spec.ships[n] + "\" have the same wide table",
            "Table names are in lower case.",
            "Pass each ship in a call of its own, with its own table_prefix.");
  for (const std::string &ship : spec.ships) wide_table_name(spec.target.name, ship);  // throws if it is none
}

void check_times(PivotSpec &spec) {
  spec.cutoff_is_now = spec.cutoff == after_all;
  if (spec.cutoff_is_now) spec.cutoff = call([] { return GetCurrentTimestamp(); });
  if (spec.from >= spec.cutoff)
    throw Error(sqlstate::invalid_parameter, "\"from_time\" must be before \"cutoff_time\"",
                "They are " + text_of_moment(spec.from) + " and " + text_of_moment(spec.cutoff) +
                    (spec.cutoff_is_now ? ", which is now." : "."));
}

// Raises the server's own error where a pattern is not a regular expression.
void check_groups(const PivotSpec &spec) {
  for (const auto &[group, pattern] : spec.groups) {
    const char *const expression = pattern.c_str();
    call([&] {
      return DirectFunctionCall2Coll(textregexeq, C_COLLATION_OID, CStringGetTextDatum(""),
                                     CStringGetTextDatum(expression));
    });
  }
}

// Takes the channels from the only column of a table of this database, in the order of its rows.
void take_channels_table(PivotSpec &spec, const std::string &name) {
  const Table table = describe_readable(sql_name(name));
  if (table.columns.size() != 1)
    throw Error(sqlstate::invalid_parameter,
                "table \"" + display_name(table.name) + "\" must have exactly one column, of channels",
                "It has " + counted(static_cast<std::int64_t>(table.columns.size()), "column") + ".");
  const std::string column = quote_identifier(table.columns[0].name);
  const std::vector<std::string> channels =
      only_column<std::string>(query("SELECT CAST(" + column + " AS pg_catalog.text) FROM " +
                                     quote_qualified(table.name) + " WHERE " + column + " IS NOT NULL"));
  take_channels(spec, channels, "channels_table");
}

void take_options(PivotSpec &spec, FunctionCallInfo fcinfo, unsigned function) {
  for (const auto &[key, value] : options_argument(fcinfo, function).members) {
    if (key == "channels_table")
      take_channels_table(spec, required(value.as_text(), "the option \"channels_table\""));
    else
      set_option(spec, key, value);
  }
}

void check_time_zone(const PivotSpec &spec) {
  if (!spec.time_zone.empty()) query("SELECT pg_catalog.timezone($1, pg_catalog.now())", {spec.time_zone});
}

PivotSpec spec_from(FunctionCallInfo fcinfo, unsigned function, PivotSpec spec) {
  spec.memory_limit_mb = memory_limit_mb;
  take_arguments(spec, function, fcinfo);
  check_ships(spec);
  check_times(spec);
  check_groups(spec);
  take_options(spec, fcinfo, function);
  check_time_zone(spec);
  sql_name(spec.source);  // throws if it is not a name
  // The name is resolved in the caller's session, with its search_path.
  if (spec.server.empty()) spec.source = display_name(resolve_target(spec.source));
  take_session_settings(spec);
  return spec;
}

}  // namespace

void check_early(const PivotSpec &spec) {
  if (spec.server.empty())
    find_readable(spec.source);
  else
    connection_options(connection_source(spec.server));
}

WorkerTask task_for(const PivotSpec &spec) { return worker_of(spec, serialize(spec)); }

PivotSpec pivot_spec_from(FunctionCallInfo fcinfo) { return spec_from(fcinfo, functions::pivot_ship, {}); }

PivotSpec verify_pivot_spec_from(FunctionCallInfo fcinfo) {
  constexpr std::int64_t day = 86'400'000'000;
  PivotSpec spec;
  spec.command = Command::verify_pivot;
  spec.chunk_interval = day;
  return spec_from(fcinfo, functions::verify_pivot, spec);
}

}  // namespace tablesync::pg
