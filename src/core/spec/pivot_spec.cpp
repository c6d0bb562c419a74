#include "core/spec/pivot_spec.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/parameter.h"

namespace tablesync {
namespace {

constexpr std::array<const char *, reading_columns> column_names = {
    "ship_id", "data_channel_id", "created_time", "value_format", "bool_v", "str_v", "long_v", "double_v"};

std::string list_of(const std::vector<std::string> &names) {
  std::vector<std::string> quoted;
  for (const std::string &name : names) quoted.push_back(display_name(name));
  return join(quoted, ", ");
}

}  // namespace

const char *name_of(ReadingColumn column) { return column_names[static_cast<size_t>(column)]; }

std::string serialize(const PivotSpec &spec) {
  return write_json(fields_of(spec, PivotSpec(), functions::pivots));
}

PivotSpec deserialize_pivot_spec(std::string_view json) {
  PivotSpec spec;
  set_fields(spec, read_json(json), functions::pivots);
  return spec;
}

std::string to_kept(PivotSpec spec) {
  spec.restart = spec.drop_tables = false;
  return serialize(spec);
}

std::optional<PivotSpec> pivot_from_kept(std::string_view json) {
  try {
    return deserialize_pivot_spec(json);
  } catch (const Error &) {
    return std::nullopt;
  }
}

std::string subject_of(const PivotSpec &spec) {
  std::vector<std::string> ships = spec.ships;
  std::sort(ships.begin(), ships.end());
  // A chunk that is processed again is not part of a running pivot.
  const std::string part =
      spec.failed_chunk != 0 ? "failed chunk " + std::to_string(spec.failed_chunk) + " of " : "";
  return "pivot " + part + describe_spec(spec) + (ships.empty() ? "" : ", ships " + list_of(ships));
}

std::string definition_of(const PivotSpec &spec) {
  std::string text;
  const auto add = [&](const std::string &name, const std::string &value) {
    if (!value.empty()) text += name + ": " + quote_literal(value) + "\n";
  };
  add("mode", name_of(spec.mode));
  add("from_time", spec.from == before_all ? "" : text_of_moment(spec.from));
  add("cutoff_time", spec.cutoff_is_now ? "" : text_of_moment(spec.cutoff));
  add("channels", list_of(spec.channels));
  for (const auto &[group, pattern] : spec.groups) add("group " + group, pattern);
  add("value_type", spec.all_text ? "text" : "");
  add("order", spec.newest_first ? "" : "oldest_first");
  add("order_by", spec.order_by);
  add("time_zone", spec.time_zone);
  for (const auto &[role, column] : spec.columns) add("column of " + role, column.empty() ? "none" : column);
  return text;
}

PivotMode parse_pivot_mode(std::string_view text) {
  std::string mode(text);
  std::replace(mode.begin(), mode.end(), '-', '_');
  if (mode == "full") return PivotMode::full;
  if (mode == "schema_only") return PivotMode::schema_only;
  if (mode == "tables_only") return PivotMode::tables_only;
  if (mode == "migration_only" || mode == "migration") return PivotMode::migration_only;
  for (const char *later : {"realtime", "realtime_only", "concurrent", "hybrid", "streaming", "dual_write"})
    if (mode == later)
      throw Error(sqlstate::not_supported,
                  "mode \"" + std::string(text) + "\" is not supported in this version",
                  "It would keep running and pivot new readings as they arrive.",
                  "mode => 'migration_only' pivots all readings up to now. Call it again, for example from "
                  "pg_cron, to pivot newer ones.");
  throw Error(sqlstate::invalid_parameter, "unrecognized mode \"" + std::string(text) + "\"", {},
              "Valid values are full, schema_only, tables_only and migration_only, also with hyphens.");
}

const char *name_of(PivotMode mode) {
  switch (mode) {
    case PivotMode::full:
      return "full";
    case PivotMode::schema_only:
      return "schema_only";
    case PivotMode::tables_only:
      return "tables_only";
    default:
      return "migration_only";
  }
}

void set_option(PivotSpec &spec, const std::string &key, const Json &value) {
  set_option(spec, functions::pivots, key, value);
}

void take_channels(PivotSpec &spec, const std::vector<std::string> &channels, const char *where) {
  if (!spec.channels.empty())
    throw Error(sqlstate::invalid_parameter,
                "channels and the option \"channels_table\" cannot both be given");
  if (channels.empty())
    throw Error(sqlstate::invalid_parameter, std::string(where) + " is empty", {},
                "Leave it out to pivot every channel.");
  for (const std::string &channel : channels)
    if (channel.empty())
      throw Error("42602", "a channel has an empty name", std::string("It is in ") + where + ".");
  std::vector<std::string> sorted = channels;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end())
    throw Error(sqlstate::invalid_parameter, "channel \"" + *twice + "\" is in " + where + " more than once");
  spec.channels = channels;
}

void set_column(PivotSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  const std::vector<std::string> known(column_names.begin(), column_names.end());
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    const std::string near = nearest(key, known);
    throw Error(
        sqlstate::invalid_parameter, "unrecognized key \"" + key + "\" in the option \"columns\"", {},
        near.empty() ? "Valid keys are " + join(known, ", ") + "." : "Perhaps you meant \"" + near + "\".");
  }
  if (!value && (key == "data_channel_id" || key == "created_time"))
    throw Error(sqlstate::invalid_parameter,
                "the option \"columns\" must name the column of \"" + key + "\"");
  spec.columns.emplace_back(key, value.value_or(""));
}

std::optional<std::string> given_column(const PivotSpec &spec, ReadingColumn column) {
  for (const auto &[role, name] : spec.columns)
    if (role == name_of(column)) return name;
  return std::nullopt;
}

}  // namespace tablesync
