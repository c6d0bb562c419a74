#include "remote/source.h"

#include <string_view>

#include "core/deparse.h"
#include "core/describe.h"

namespace tablesync::remote {
namespace {

// Kinds of relations that hold rows to read: tables, partitioned tables, views, materialized views and
// foreign tables (pg_class.relkind).
constexpr std::string_view readable_kinds = "rpvmf";

}  // namespace

// Asks a catalog. Another server may answer anything; what is decoded has the shape that was asked for.
Rows Source::ask(const std::string &sql, const std::string &parameter, size_t width) {
  Rows rows = connection_.query(sql, {parameter});
  if (!rows.empty() && rows[0].size() != width)
    throw Error(sqlstate::protocol_violation, "the source answered a catalog query with " +
                                                  std::to_string(rows[0].size()) + " columns instead of " +
                                                  std::to_string(width));
  return rows;
}

const Table &Source::open(const std::string &sql_name) {
  const Rows found = ask(resolve_query(), sql_name, 5);
  if (found.empty())
    throw Error(sqlstate::undefined_table, "relation " + sql_name + " does not exist on the source", {},
                "Check the name, and that the role of the user mapping has USAGE on its schema.");
  const QualifiedName name{text_of(found[0][1]), text_of(found[0][2])};
  const std::string &kind = text_of(found[0][3]);
  if (kind.size() != 1 || readable_kinds.find(kind[0]) == std::string_view::npos)
    throw Error(sqlstate::wrong_object_type,
                "\"" + display_name(name) + "\" on the source is not a table or view");

  const int version = connection_.server_version();
  connection_.execute(begin_reading(name, kind[0], version));
  // From here on all is read in one snapshot, and the table cannot change its shape.
  const Rows relation = ask(relation_query(), quote_qualified(name), 9);
  if (relation.size() != 1 || text_of(relation[0][3]) != kind)
    throw Error(sqlstate::undefined_table,
                "relation " + sql_name + " was replaced on the source during the call", {}, "Run it again.");
  table_ = decode_relation(relation[0]);
  decode_columns(table_, ask(columns_query(version), table_.oid, 14));
  decode_keys(table_, ask(keys_query(), table_.oid, 5));
  if (table_.columns.empty())
    throw Error(sqlstate::not_supported, "\"" + display_name(name) + "\" on the source has no columns");
  return table_;
}

void Source::close() { connection_.execute("COMMIT"); }

}  // namespace tablesync::remote
