// Plain data that describes a table on any server; describe.h reads it from a catalog.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/quote.h"

namespace tablesync {

// A type by name, because oids differ between servers. Arrays are named by their element.
struct TypeName {
  std::string schema;
  std::string name;
  bool is_array = false;
  bool operator==(const TypeName &) const = default;
};

struct Column {
  std::string name;
  TypeName type;
  int typmod = -1;
  std::string sql_type;      // as format_type() writes it. From another server: for messages only
  std::string signature;     // the type with all its parts; equal texts mean equal wire formats
  bool binary_safe = false;  // send and receive functions exist and mean the same on every server
  bool not_null = false;
  char identity = 0;  // 0, 'a' (ALWAYS) or 'd' (BY DEFAULT), as pg_attribute.attidentity
  bool generated = false;
  std::optional<QualifiedName> collation;  // if it is not the type's own
  bool deterministic = true;               // false: its collation treats different texts as equal
  std::string comment;
};

// A unique btree index that can serve as a key: valid, immediate, not partial, on plain columns.
struct UniqueKey {
  std::string index_name;
  bool primary = false;
  std::vector<std::string> columns;
  std::vector<std::string> equality;  // per column, the index's own equality: OPERATOR(schema.=)
};

struct Table {
  std::string oid;  // decimal
  QualifiedName name;
  char kind = 'r';  // pg_class.relkind
  bool has_children = false;
  std::int64_t row_estimate = -1;  // pg_class.reltuples; below 0: unknown
  std::string comment;
  std::string system_identifier;  // of its cluster; empty if the role may not read it
  std::string database_oid;
  bool has_citus = false;  // its database has Citus
  // The first of its partitions and children, or itself, whose rows are not in a heap of its database, so
  // that their xmin and ctid are meaningless: a view, a foreign table, a distributed table. Empty: there is
  // none.
  std::string outside_heap;
  // The names of other relations that the user's SQL reads.
  std::vector<std::string> joined;
  // The foreign tables and materialized views that are read: the open transactions that write their rows
  // cannot be seen.
  std::vector<std::string> fed_from_elsewhere;
  // Hashes of what determines its rows: columns, view definitions, generation expressions, labels of enums.
  // If a mark disappears, rows may have changed without being written.
  std::vector<std::string> marks;
  std::vector<Column> columns;
  std::vector<UniqueKey> keys;  // the primary key first
  bool is_query = false;        // its columns are those of a query

  const Column *find_column(const std::string &column) const {
    for (const Column &c : columns)
      if (c.name == column) return &c;
    return nullptr;
  }
  const UniqueKey *primary_key() const {
    return !keys.empty() && keys.front().primary ? &keys.front() : nullptr;
  }
  // The unique key over exactly these columns, in any order.
  const UniqueKey *find_key(const std::vector<std::string> &key_columns) const;
};

// Qualifies `formatted`, the type as format_type() writes it, for SQL that runs with any search_path. Types
// that the grammar itself maps to pg_catalog stay unqualified.
std::string qualified_type(const TypeName &type, const std::string &formatted);
inline std::string qualified_type(const Column &column) {
  return qualified_type(column.type, column.sql_type);
}

}  // namespace tablesync
