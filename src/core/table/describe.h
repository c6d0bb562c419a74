// Reads a table's description from a PostgreSQL catalog (11 to 18). The statements run through SPI on the
// target and through libpq on the source; the decoding is the same. All names are qualified or in pg_catalog,
// which must be the only schema on the search_path.
#pragma once

#include <string>
#include <vector>

#include "core/base/rows.h"
#include "core/table/table.h"

namespace tablesync {

// Takes $1: a qualified name in SQL form, as text. Returns one row, or none if there is no such relation.
std::string relation_query();
// Take $1: the oid as text.
std::string columns_query(int server_version_num);
std::string keys_query();
// The common table expression `part` (oid), recursive: the relation `root` (SQL) and all that inherits from
// it.
std::string parts_of_relation(const std::string &root);
// The common table expression `part` (root, path, type, typmod): the types in the column "type" of the
// relation `attribute`, and all types of which they are composed.
std::string parts_of_types(int server_version_num);
// Whether Citus distributes the table, whose oid is $1, or a partition or child of it. Run it only if
// relation_query() found Citus.
std::string distributed_query();
// The rows of columns_query() for the result of a query, as the server described it. Takes no parameter.
struct ResultColumn {
  std::string name;
  unsigned int type_oid = 0;
  int typmod = -1;
};
std::string result_columns_query(int server_version_num, const std::vector<ResultColumn> &columns);

Table decode_relation(const Row &row);
void decode_columns(Table &table, const Rows &rows);
void decode_keys(Table &table, const Rows &rows);

}  // namespace tablesync
