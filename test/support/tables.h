// Descriptions of tables, short enough to be written in a test.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/table/table.h"

namespace tablesync {

// A column of a built-in type, as describe.h would read it.
inline Column column(std::string name, const std::string &type, int typmod = -1) {
  Column made;
  made.name = std::move(name);
  made.type = {"pg_catalog", type, false};
  made.typmod = typmod;
  made.sql_type = type;
  made.signature = "/ pg_catalog." + type + " -1";
  made.binary_safe = true;
  return made;
}

inline Column not_null(Column column) {
  column.not_null = true;
  return column;
}

inline Column array_of(Column column) {
  column.type.is_array = true;
  column.sql_type += "[]";
  column.signature =
      "/ pg_catalog._" + column.type.name + " -1, /element/ pg_catalog." + column.type.name + " -1";
  return column;
}

inline Column identity(Column column, char kind) {
  column.identity = kind;
  return column;
}

inline Column generated(Column column) {
  column.generated = true;
  return column;
}

// A column of a type that is not built in, made of what `signature` says.
inline Column user_type(std::string name, const std::string &type, const std::string &signature) {
  Column made = column(std::move(name), type);
  made.type.schema = made.sql_type = "public";
  made.sql_type += "." + type;
  made.signature = signature;
  return made;
}

// The unique index "<first column>_key" on `columns`, with the usual equality.
inline UniqueKey unique_key(std::vector<std::string> columns, bool primary = false) {
  UniqueKey key;
  key.index_name = columns[0] + (primary ? "_pkey" : "_key");
  key.primary = primary;
  key.equality.assign(columns.size(), "OPERATOR(\"pg_catalog\".=)");
  key.columns = std::move(columns);
  return key;
}

inline UniqueKey primary_key(std::vector<std::string> columns) {
  return unique_key(std::move(columns), true);
}

inline Table table(QualifiedName name, std::vector<Column> columns, std::vector<UniqueKey> keys = {}) {
  Table made;
  made.name = std::move(name);
  made.columns = std::move(columns);
  made.keys = std::move(keys);
  return made;
}

// Type modifiers, as the types' typmodin functions encode them.
inline int numeric_typmod(int precision, int scale) { return ((precision << 16) | (scale & 0x7ff)) + 4; }
inline int length_typmod(int length) { return length + 4; }  // varchar, bpchar

}  // namespace tablesync
