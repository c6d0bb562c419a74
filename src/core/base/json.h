// Json: a value as jsonb holds it, written as jsonb writes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tablesync {

struct Json {
  enum class Kind { null, boolean, number, text, array, object };

  Json() = default;
  Json(std::nullopt_t) {}
  Json(const char *value) : kind(Kind::text), text(value) {}
  Json(std::string value) : kind(Kind::text), text(std::move(value)) {}
  static Json array() { return {Kind::array, {}}; }
  static Json object() { return {Kind::object, {}}; }
  static Json boolean(bool value) { return {Kind::boolean, value ? "true" : "false"}; }
  static Json number(std::string digits) { return {Kind::number, std::move(digits)}; }

  bool is_null() const { return kind == Kind::null; }
  void append(Json value) { members.emplace_back("", std::move(value)); }
  void add(std::string key, Json value) { members.emplace_back(std::move(key), std::move(value)); }
  // The value as jsonb_each_text() returns it: nothing for null, a text without its quotes.
  std::optional<std::string> as_text() const;

  Kind kind = Kind::null;
  std::string text;  // of a boolean, a number or a text
  // The members of an object, in order, or the elements of an array, with empty keys.
  std::vector<std::pair<std::string, Json>> members;

  bool operator==(const Json &) const = default;

 private:
  Json(Kind given_kind, std::string given_text) : kind(given_kind), text(std::move(given_text)) {}
};

std::string write_json(const Json &value);
// Reads what write_json() or the output function of jsonb wrote. Throws XX000 for other texts, and 54000
// for values in more than 100 levels.
Json read_json(std::string_view text);

}  // namespace tablesync
