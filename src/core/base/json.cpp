#include "core/base/json.h"

#include <algorithm>
#include <cstdio>

#include "core/base/error.h"

namespace tablesync {
namespace {

void write_text(std::string &json, const std::string &text) {
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[7];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      json += escaped;
    } else {
      json += c;
    }
  }
  json += '"';
}

void write(std::string &json, const Json &value) {
  if (value.kind == Json::Kind::null) {
    json += "null";
  } else if (value.kind == Json::Kind::text) {
    write_text(json, value.text);
  } else if (value.kind == Json::Kind::boolean || value.kind == Json::Kind::number) {
    json += value.text;
  } else {
    const bool is_object = value.kind == Json::Kind::object;
    json += is_object ? '{' : '[';
    const char *separator = "";
    for (const auto &[key, member] : value.members) {
      json += separator;
      separator = ", ";
      if (is_object) {
        write_text(json, key);
        json += ": ";
      }
      write(json, member);
    }
    json += is_object ? '}' : ']';
  }
}

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : rest_(text) {}

  Json read() {
    Json value = read_value(0);
    if (!rest_.empty()) fail();
    return value;
  }

 private:
  [[noreturn]] static void fail() { throw Error(sqlstate::internal, "invalid JSON"); }

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  void require(std::string_view token) {
    if (!take(token)) fail();
  }

  Json read_value(int depth) {
    if (depth > 100) throw Error("54000", "JSON value is nested more than 100 levels deep");
    if (take("null")) return {};
    if (take("true")) return Json::boolean(true);
    if (take("false")) return Json::boolean(false);
    if (rest_.starts_with('"')) return read_text();
    if (take("{")) return read_members(Json::object(), '}', depth);
    if (take("[")) return read_members(Json::array(), ']', depth);
    return read_number();
  }

  Json read_members(Json value, char end, int depth) {
    if (take({&end, 1})) return value;
    do {
      std::string key;
      if (value.kind == Json::Kind::object) {
        key = read_text();
        require(": ");
      }
      value.add(std::move(key), read_value(depth + 1));
    } while (take(", "));
    require({&end, 1});
    return value;
  }

  Json read_number() {
    const size_t size = std::min(rest_.find_first_not_of("+-.0123456789eE"), rest_.size());
    if (size == 0) fail();
    std::string digits(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return Json::number(std::move(digits));
  }

  std::string read_text() {
    require("\"");
    std::string text;
    while (!take("\"")) {
      if (rest_.empty()) fail();
      const char c = rest_[0];
      rest_.remove_prefix(1);
      text += c == '\\' ? read_escaped() : c;
    }
    return text;
  }

  // The output function of jsonb escapes control characters, quotes and backslashes alone.
  char read_escaped() {
    static constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (rest_.empty()) fail();
    const char letter = rest_[0];
    rest_.remove_prefix(1);
    if (const size_t n = letters.find(letter); n != std::string_view::npos) return meant[n];
    if (letter != 'u' || rest_.size() < 4 || !rest_.starts_with("00")) fail();
    int code = 0;
    for (const char digit : rest_.substr(2, 2)) {
      const size_t value = std::string_view("0123456789abcdef").find(digit);
      if (value == std::string_view::npos) fail();
      code = code * 16 + static_cast<int>(value);
    }
    if (code > 0x7f) fail();
    rest_.remove_prefix(4);
    return static_cast<char>(code);
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::string> Json::as_text() const {
  if (kind == Kind::null) return std::nullopt;
  return kind == Kind::array || kind == Kind::object ? write_json(*this) : text;
}

std::string write_json(const Json &value) {
  std::string json;
  write(json, value);
  return json;
}

Json read_json(std::string_view text) { return JsonReader(text).read(); }

}  // namespace tablesync
