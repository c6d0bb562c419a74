#include "core/spec/special_field.h"

#include "core/base/error.h"
#include "core/spec/field.h"
#include "core/spec/option_value.h"

namespace tablesync {
namespace {

SyncSpec &sync(RunSpec &spec) { return static_cast<SyncSpec &>(spec); }
PivotSpec &pivot(RunSpec &spec) { return static_cast<PivotSpec &>(spec); }

}  // namespace

// ---- of syncs ---------------------------------------------------------------------------------------------

void set_sync_mode(const Parameter & /*parameter*/, RunSpec &spec, const Json &value) {
  sync(spec).mode = parse_sync_mode(value.text);
}

void set_verify(const Parameter & /*parameter*/, RunSpec &spec, const Json &value) {
  sync(spec).verify = parse_verify(value.text);
}

void set_repair(const Parameter &parameter, RunSpec &spec, const Json &value) {
  spec.command = to_bool(parameter.name, value.as_text()) ? Command::repair : Command::verify;
}

void set_lookback(const Parameter &parameter, RunSpec &spec, const Json &value) {
  const std::optional<std::string> text = value.as_text();
  parse_duration_ms(to_text(parameter.name, text, parameter.hint));
  sync(spec).lookback = *text;
}

// ---- of pivots --------------------------------------------------------------------------------------------

void set_pivot_mode(const Parameter & /*parameter*/, RunSpec &spec, const Json &value) {
  pivot(spec).mode = parse_pivot_mode(value.text);
}

void set_ship(const Parameter & /*parameter*/, RunSpec &spec, const Json &value) {
  pivot(spec).ships = {value.text};
}

void set_ships(const Parameter &parameter, RunSpec &spec, const Json &value) {
  std::vector<std::string> ships;
  assign(parameter, ships, value);
  if (ships.empty())
    throw Error(sqlstate::invalid_parameter, "\"ship_ids\" is empty", {},
                "Leave it out to pivot every ship.");
  if (!pivot(spec).ships.empty())
    throw Error(sqlstate::invalid_parameter, "ship_id and ship_ids cannot both be given");
  pivot(spec).ships = std::move(ships);
}

void set_channels(const Parameter &parameter, RunSpec &spec, const Json &value) {
  std::vector<std::string> channels;
  assign(parameter, channels, value);
  take_channels(pivot(spec), channels, parameter.name);
}

void set_groups(const Parameter & /*parameter*/, RunSpec &spec, const Json &value) {
  const auto refuse = [](const std::string &message) {
    throw Error(sqlstate::invalid_parameter, message, {},
                R"(Pass group names and patterns for their channels, like {"engine": "^/me/"}.)");
  };
  if (value.kind != Json::Kind::object) refuse("table_groups must be an object");
  TextPairs groups;
  for (const auto &[group, pattern] : value.members) {
    if (group.empty() || pattern.kind != Json::Kind::text)
      refuse("invalid table_groups: group \"" + group + "\" has no pattern");
    // `all` ends the name of the view that joins a ship's tables; `default` is the group of all other
    // channels.
    if (group == "all" || group == "default")
      refuse("invalid table_groups: group name \"" + group + "\" is reserved");
    groups.emplace_back(group, pattern.text);
  }
  pivot(spec).groups = std::move(groups);
}

void set_columns(const Parameter & /*parameter*/, RunSpec &spec, const Json &value) {
  if (value.kind != Json::Kind::object)
    throw Error(
        sqlstate::invalid_parameter, "the option \"columns\" must be an object", {},
        R"(Pass an object, like {"columns": {"created_time": "ts", "double_v": "value", "ship_id": null}}.)");
  for (const auto &[key, column] : value.members) set_column(pivot(spec), key, column.as_text());
}

Json get_columns(const Parameter & /*parameter*/, const RunSpec &spec) {
  Json object = Json::object();
  for (const auto &[key, column] : static_cast<const PivotSpec &>(spec).columns)
    object.add(key, column.empty() ? Json() : Json(column));
  return object;
}

}  // namespace tablesync
