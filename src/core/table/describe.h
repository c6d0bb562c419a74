// Reads a table's description from a PostgreSQL catalog (11 to 18). The statements run here through SPI and
// there through libpq; the decoding is the same. All names in them are qualified or in pg_catalog, which
// must be alone on the search_path.
#pragma once

#include <string>
#include <vector>

#include "core/base/rows.h"
#include "core/table/table.h"

namespace tablesync {

// Takes $1: a qualified name in SQL form, as text. One row, or none where there is no such relation.
std::string relation_query();
// Take $1: the oid as text.
std::string columns_query(int server_version_num);
std::string keys_query();
// The common table expression `part` (oid), recursive: the relation `root` (SQL) and all that inherits from
// it.
std::string parts_of_relation(const std::string &root);
// The common table expression `part` (root, path, type, typmod): the types that the types of the relation
// `attribute`, in its column "type", are made of, themselves too.
std::string parts_of_types(int server_version_num);
// Whether the table, whose oid is $1, or a partition or child of it, is one that Citus has spread over
// servers. To be asked where relation_query() says that Citus is there.
std::string distributed_query();
// The same columns for the result of a query, from what the server says of it. Takes no parameter.
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
