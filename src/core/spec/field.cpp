#include "core/spec/field.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/error.h"
#include "core/spec/option_value.h"

namespace tablesync {
namespace {

constexpr std::string_view microseconds = " us";

[[noreturn]] void refuse(const Parameter &parameter, const Json &value) {
  bad_value(parameter.name, value.as_text(), parameter.hint);
}

template <typename Number>
Number to_number(const Parameter &parameter, const Json &value, std::string_view unit = {}) {
  std::string text = value.as_text().value_or("");
  if (!text.ends_with(unit)) refuse(parameter, value);
  text.resize(text.size() - unit.size());
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) refuse(parameter, value);
  return number;
}

template <typename Number>
std::string shortest(Number number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

}  // namespace

// ---- to JSON ----------------------------------------------------------------------------------------------

Json json_of_word(const Parameter &parameter, int value) {
  for (const Word &word : parameter.words)
    if (word.value == value)
      return parameter.type == ParameterType::boolean ? Json::boolean(std::strcmp(word.name, "true") == 0)
                                                      : Json(word.name);
  return {};
}

Json json_of(const Parameter &parameter, bool value) {
  return parameter.words.empty() ? Json::boolean(value) : json_of_word(parameter, value ? 1 : 0);
}

Json json_of(const Parameter & /*parameter*/, int value) { return Json::number(std::to_string(value)); }

Json json_of(const Parameter &parameter, std::int64_t value) {
  switch (parameter.type) {
    case ParameterType::duration:
      return std::to_string(value) + " ms";
    case ParameterType::interval:
      return std::to_string(value) + std::string(microseconds);
    case ParameterType::timestamptz:
      return text_of_moment(value);
    default:
      return Json::number(std::to_string(value));
  }
}

Json json_of(const Parameter & /*parameter*/, double value) { return Json::number(shortest(value)); }

Json json_of(const Parameter & /*parameter*/, const std::string &value) { return value; }

Json json_of(const Parameter & /*parameter*/, const std::vector<std::string> &value) {
  Json array = Json::array();
  for (const std::string &text : value) array.append(text);
  return array;
}

Json json_of(const Parameter & /*parameter*/, const TextPairs &value) {
  Json object = Json::object();
  for (const auto &[key, text] : value) object.add(key, text);
  return object;
}

Json json_of(const Parameter & /*parameter*/, const Rate &value) {
  if (value.rows > 0) return std::to_string(value.rows) + " rows";
  // Exact: a power of two divides it.
  return shortest(static_cast<double>(value.bytes) / 1024) + " kB";
}

Json json_of(const Parameter & /*parameter*/, const QualifiedName &value) {
  Json array = Json::array();
  array.append(value.schema);
  array.append(value.name);
  return array;
}

// ---- from JSON --------------------------------------------------------------------------------------------

int word_of(const Parameter &parameter, const Json &value) {
  const std::optional<std::string> text = value.as_text();
  std::vector<std::string> valid;
  for (const Word &word : parameter.words) {
    if (text == word.name) return word.value;
    valid.emplace_back(word.name);
  }
  const std::string hint = "Valid values are " + join(valid, ", ") + ".";
  if (parameter.place == ParameterPlace::option) bad_value(parameter.name, text, hint);
  throw Error(sqlstate::invalid_parameter,
              std::string("unrecognized ") + parameter.name + " \"" + text.value_or("") + "\"", {}, hint);
}

void assign(const Parameter &parameter, bool &field, const Json &value) {
  field = parameter.words.empty() ? to_bool(parameter.name, value.as_text()) : word_of(parameter, value) != 0;
}

void assign(const Parameter &parameter, int &field, const Json &value) {
  field = parameter.place == ParameterPlace::option ? to_count(parameter.name, value.as_text())
                                                    : to_number<int>(parameter, value);
}

void assign(const Parameter &parameter, std::int64_t &field, const Json &value) {
  switch (parameter.type) {
    case ParameterType::duration: {
      const std::int64_t duration = to_timeout(parameter.name, value.as_text());
      if (duration < parameter.low) refuse(parameter, value);
      field = duration;
      break;
    }
    case ParameterType::interval:
      field = to_number<std::int64_t>(parameter, value, microseconds);
      break;
    case ParameterType::timestamptz: {
      const std::optional<Moment> moment = parse_moment(value.as_text().value_or(""));
      if (!moment) refuse(parameter, value);
      field = *moment;
      break;
    }
    default:
      field = to_number<std::int64_t>(parameter, value);
  }
}

void assign(const Parameter &parameter, double &field, const Json &value) {
  field = to_fraction(parameter.name, value.as_text());
}

void assign(const Parameter &parameter, std::string &field, const Json &value) {
  const std::optional<std::string> text = value.as_text();
  if (!parameter.words.empty()) {
    word_of(parameter, value);
  } else if (parameter.type == ParameterType::sql) {
    if (!text || text->find_first_not_of(" \t\r\n\f;") == std::string::npos)
      throw Error("42601", std::string(parameter.name) + " is empty", {}, "Leave it out, or pass NULL.");
  } else if (parameter.place == ParameterPlace::option) {
    to_text(parameter.name, text, parameter.hint);
  }
  field = text.value_or("");
}

void assign(const Parameter &parameter, std::vector<std::string> &field, const Json &value) {
  if (value.kind != Json::Kind::array) refuse(parameter, value);
  std::vector<std::string> texts;
  for (const auto &[key, text] : value.members) texts.push_back(text.as_text().value_or(""));
  field = std::move(texts);
}

void assign(const Parameter &parameter, TextPairs &field, const Json &value) {
  if (value.kind != Json::Kind::object) refuse(parameter, value);
  TextPairs pairs;
  for (const auto &[key, text] : value.members) pairs.emplace_back(key, text.as_text().value_or(""));
  field = std::move(pairs);
}

void assign(const Parameter &parameter, Rate &field, const Json &value) {
  field = parse_rate(to_text(parameter.name, value.as_text(), rate_hint));
}

void assign(const Parameter &parameter, QualifiedName &field, const Json &value) {
  if (value.kind == Json::Kind::text) {
    field = {"", value.text};
  } else {
    std::vector<std::string> names;
    assign(parameter, names, value);
    if (names.size() != 2) refuse(parameter, value);
    field = {names[0], names[1]};
  }
}

}  // namespace tablesync
