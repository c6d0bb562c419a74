#include "core/base/array.h"

#include "core/base/error.h"

namespace tablesync {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  throw Error(sqlstate::protocol_violation, "\"" + std::string(text) + "\" is not an array of texts");
}

// Parses the element at `at` and moves `at` past it.
Cell take_element(std::string_view text, size_t &at) {
  std::string element;
  const bool quoted = at < text.size() && text[at] == '"';
  if (quoted) ++at;
  for (;; ++at) {
    if (at >= text.size()) refuse(text);
    if (quoted ? text[at] == '"' : text[at] == ',' || text[at] == '}') break;
    if (text[at] == '\\' && ++at >= text.size()) refuse(text);
    element += text[at];
  }
  if (quoted) ++at;
  return !quoted && element == "NULL" ? Cell() : Cell(element);
}

}  // namespace

std::string array_text(const Row &elements) {
  std::string text = "{";
  for (const Cell &element : elements) {
    if (text.size() > 1) text += ',';
    if (!element) {
      text += "NULL";
      continue;
    }
    text += '"';
    for (const char c : *element) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

std::string array_text(const std::vector<std::string> &elements) {
  return array_text(Row(elements.begin(), elements.end()));
}

Row parse_array(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') refuse(text);
  Row elements;
  if (text == "{}") return elements;
  size_t at = 0;
  do {
    ++at;  // the brace or comma before it
    elements.push_back(take_element(text, at));
  } while (at < text.size() && text[at] == ',');
  if (at + 1 != text.size()) refuse(text);
  return elements;
}

}  // namespace tablesync
