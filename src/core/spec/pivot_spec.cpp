#include "core/spec/pivot_spec.h"

#include <algorithm>
#include <array>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/option_value.h"
#include "core/spec/spec_bytes.h"

namespace tablesync {
namespace {

// See each_run_field().
template <typename Spec, typename Visitor>
void each_field(Spec &spec, Visitor &visit) {
  auto &[mode, ships, from, cutoff, cutoff_is_now, chunk_interval, sample_interval, channels, groups,
         all_text, drop_tables, batch_rows, failed_chunk, newest_first, order_by, columns] = spec;
  visit(mode), visit(ships), visit(from), visit(cutoff), visit(cutoff_is_now), visit(chunk_interval);
  visit(sample_interval), visit(channels), visit(groups), visit(all_text), visit(drop_tables);
  visit(batch_rows), visit(failed_chunk), visit(newest_first), visit(order_by);
  visit(columns);
}

constexpr std::array<const char *, reading_columns> column_names = {
    "ship_id", "data_channel_id", "created_time", "value_format", "bool_v", "str_v", "long_v", "double_v"};

std::vector<std::string> known_keys() {
  std::vector<std::string> keys{"channels_table", "columns", "order", "order_by"};
  keys.insert(keys.end(), run_option_keys.begin(), run_option_keys.end());
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::string version_of_kept() { return "pivot " + std::to_string(serialize(PivotSpec()).size()) + "\n"; }

std::string list_of(const std::vector<std::string> &names) {
  std::vector<std::string> quoted;
  for (const std::string &name : names) quoted.push_back(display_name(name));
  return join(quoted, ", ");
}

}  // namespace

const char *name_of(ReadingColumn column) { return column_names[static_cast<size_t>(column)]; }

std::string serialize(const PivotSpec &spec) {
  SpecWriter writer;
  each_run_field(static_cast<const RunSpec &>(spec), writer);
  each_field(static_cast<const PivotOptions &>(spec), writer);
  return writer.take();
}

PivotSpec deserialize_pivot_spec(std::string_view bytes) {
  PivotSpec spec;
  SpecReader reader(bytes);
  each_run_field(static_cast<RunSpec &>(spec), reader);
  each_field(static_cast<PivotOptions &>(spec), reader);
  return spec;
}

std::string to_kept(PivotSpec spec) {
  spec.restart = spec.drop_tables = false;
  return version_of_kept() + serialize(spec);
}

std::optional<PivotSpec> pivot_from_kept(std::string_view bytes) {
  const std::string version = version_of_kept();
  if (!bytes.starts_with(version)) return std::nullopt;
  return deserialize_pivot_spec(bytes.substr(version.size()));
}

std::string subject_of(const PivotSpec &spec) {
  std::vector<std::string> ships = spec.ships;
  std::sort(ships.begin(), ships.end());
  // What is done again alone is no part of a pivot that is going on.
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
      throw Error(
          sqlstate::not_supported, "mode \"" + std::string(text) + "\" is not in this version",
          "It would go on with new readings as they come.",
          "mode => 'migration_only' takes all readings up to now; call it again, from pg_cron say, for "
          "those that came since.");
  throw Error(sqlstate::invalid_parameter, "unrecognized mode \"" + std::string(text) + "\"", {},
              "Valid: full, schema_only, tables_only, migration_only (with hyphens too).");
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

void set_option(PivotSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  if (set_run_option(spec, key, value)) return;
  if (key == "order")
    spec.newest_first = to_word(key, value, {std::pair{"newest_first", true}, {"oldest_first", false}});
  else if (key == "order_by")
    spec.order_by = to_text(key, value, "Name a column of the source: the reading with more of it wins.");
  else
    unknown_option(key, known_keys(), {"every"});
}

void set_column(PivotSpec &spec, const std::string &key, const std::optional<std::string> &value) {
  const std::vector<std::string> known(column_names.begin(), column_names.end());
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    const std::string near = nearest(key, known);
    throw Error(sqlstate::invalid_parameter, "unrecognized key \"" + key + "\" in the option \"columns\"", {},
                near.empty() ? "Valid: " + join(known, ", ") + "." : "Perhaps you meant \"" + near + "\".");
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
