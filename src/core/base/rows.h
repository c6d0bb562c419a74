// Rows: the result of a catalog query as text, in the same form from this server and from others. cell.h and
// record.h parse them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tablesync {

using Cell = std::optional<std::string>;  // nullopt is SQL NULL
using Row = std::vector<Cell>;
using Rows = std::vector<Row>;

inline const std::string &text_of(const Cell &cell) {
  static const std::string none;
  return cell ? *cell : none;
}
// NULL for an empty text.
inline Cell optional_text(const std::string &text) { return text.empty() ? Cell() : Cell(text); }

}  // namespace tablesync
