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

const Table &Source::open(const std::string &sql_name) {
  const Rows found = connection_.query(resolve_query(), {sql_name});
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
  const Rows relation = connection_.query(relation_query(), {quote_qualified(name)});
  if (relation.size() != 1 || relation[0].size() < 9 || text_of(relation[0][3]) != kind)
    throw Error(sqlstate::undefined_table,
                "relation " + sql_name + " was replaced on the source during the call", {}, "Run it again.");
  table_ = decode_relation(relation[0]);
  decode_columns(table_, connection_.query(columns_query(version), {table_.oid}));
  decode_keys(table_, connection_.query(keys_query(), {table_.oid}));
  if (table_.columns.empty())
    throw Error(sqlstate::not_supported, "\"" + display_name(name) + "\" on the source has no columns");
  return table_;
}

void Source::close() { connection_.execute("COMMIT"); }

}  // namespace tablesync::remote
