#include "core/spec/parameter.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/spec/option_value.h"
#include "core/spec/parameter_table.h"

namespace tablesync {
namespace {

bool is_named(const Parameter &parameter, std::string_view name) {
  return parameter.name == name || std::any_of(parameter.old_names.begin(), parameter.old_names.end(),
                                               [&](const char *old_name) { return old_name == name; });
}

// The parameter of that name that one of these functions accepts; null if there is none.
const Parameter *find_parameter(unsigned of, bool option, std::string_view name) {
  for (const Parameter &parameter : parameters())
    if ((parameter.functions & of) != 0 && (parameter.place == ParameterPlace::option) == option &&
        is_named(parameter, name))
      return &parameter;
  return nullptr;
}

std::vector<std::string> names_of_options(unsigned of) {
  std::vector<std::string> names;
  for (const Parameter &parameter : parameters())
    if ((parameter.functions & of) != 0 && parameter.place == ParameterPlace::option && !parameter.later)
      names.emplace_back(parameter.name);
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void refuse_key(unsigned of, const std::string &key) {
  const std::vector<std::string> known = names_of_options(of);
  std::string hint;
  if (const Parameter *option = find_parameter(of, true, key); option != nullptr)
    hint = "Perhaps you meant the option \"" + std::string(option->name) + "\".";
  else if (const Parameter *argument = find_parameter(of, false, key);
           argument != nullptr && argument->name != key)
    hint = "Perhaps you meant the argument \"" + std::string(argument->name) + "\".";
  else if (const std::string near = nearest(key, known); !near.empty())
    hint = "Perhaps you meant the option \"" + near + "\".";
  else
    hint = "Valid options are " + join(known, ", ") + ".";
  throw Error(sqlstate::invalid_parameter, "unrecognized option \"" + key + "\"", {}, hint);
}

void check_range(const Parameter &parameter, const Json &value) {
  const std::int64_t number = std::stoll(value.text);
  if (number < parameter.low || number > parameter.high)
    throw Error(sqlstate::invalid_parameter,
                "\"" + std::string(parameter.name) + "\" must be between " + std::to_string(parameter.low) +
                    " and " + std::to_string(parameter.high),
                "It is " + value.text + ".");
}

}  // namespace

std::span<const Parameter> parameters() {
  static const std::vector<Parameter> all = [] {
    std::vector<Parameter> parts;
    for (const auto part : {sync_parameters(), pivot_parameters(), run_parameters()})
      parts.insert(parts.end(), part.begin(), part.end());
    return parts;
  }();
  return all;
}

std::vector<const Parameter *> arguments_of(unsigned function) {
  std::vector<const Parameter *> arguments;
  for (const Parameter &parameter : parameters())
    if ((parameter.functions & function) != 0 && parameter.place == ParameterPlace::argument)
      arguments.push_back(&parameter);
  return arguments;
}

int argument_number(unsigned function, std::string_view name) {
  const std::vector<const Parameter *> arguments = arguments_of(function);
  const auto found = std::find_if(arguments.begin(), arguments.end(),
                                  [&](const Parameter *argument) { return argument->name == name; });
  if (found == arguments.end()) throw Error(sqlstate::internal, "no argument \"" + std::string(name) + "\"");
  return static_cast<int>(found - arguments.begin());
}

void set_argument(RunSpec &spec, unsigned function, const Parameter &parameter,
                  const std::optional<Json> &value) {
  if (!value) {
    if ((parameter.required_by & function) == 0) return;
    throw Error(
        sqlstate::null_not_allowed,
        std::string(parameter.noun != nullptr ? parameter.noun : parameter.name) + " must not be null");
  }
  if (parameter.later)
    throw Error(sqlstate::not_supported, std::string(parameter.name) + " is not supported in this version");
  if (parameter.type == ParameterType::integer) check_range(parameter, *value);
  if (parameter.field.set != nullptr) parameter.field.set(parameter, spec, *value);
}

void set_option(RunSpec &spec, unsigned function, const std::string &key, const Json &value) {
  const Parameter *const option = find_parameter(function, true, key);
  if (option == nullptr || option->name != key) refuse_key(function, key);
  if (option->later)
    throw Error(sqlstate::not_supported, "option \"" + key + "\" is not supported in this version", {},
                "This version has the options " + join(names_of_options(function), ", ") + ".");
  if (option->field.set == nullptr) throw Error(sqlstate::internal, "option \"" + key + "\" has no setter");
  option->field.set(*option, spec, value);
}

Json fields_of(const RunSpec &spec, const RunSpec &defaults, unsigned of) {
  Json object = Json::object(), options = Json::object();
  for (const Parameter &parameter : parameters()) {
    if ((parameter.functions & of) == 0 || parameter.field.get == nullptr) continue;
    Json value = parameter.field.get(parameter, spec);
    const bool always = parameter.name == std::string_view("command");
    if (!always && value == parameter.field.get(parameter, defaults)) continue;
    (parameter.place == ParameterPlace::option ? options : object).add(parameter.name, std::move(value));
  }
  if (!options.members.empty()) object.add("options", std::move(options));
  return object;
}

void set_fields(RunSpec &spec, const Json &object, unsigned of) {
  const auto set = [&](const std::string &key, const Json &value, bool option) {
    const Parameter *const parameter = find_parameter(of, option, key);
    if (parameter == nullptr || parameter->field.get == nullptr)
      throw Error(sqlstate::invalid_parameter, "unrecognized key \"" + key + "\"");
    parameter->field.set(*parameter, spec, value);
  };
  const auto is_command = [](const auto &member) { return member.first == "command"; };
  if (std::none_of(object.members.begin(), object.members.end(), is_command))
    throw Error(sqlstate::internal, "invalid specification");
  for (const auto &[key, value] : object.members) {
    if (key != "options") {
      set(key, value, false);
      continue;
    }
    for (const auto &[option, option_value] : value.members) set(option, option_value, true);
  }
}

}  // namespace tablesync
