#include "pg/target/plain_table.h"

extern "C" {
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "utils/acl.h"
#include "utils/rel.h"
}

#include <string>

#include "core/base/record.h"
#include "pg/server/airlock.h"
#include "pg/server/spi.h"
#include "pg/target/target_table.h"

namespace tablesync::pg {
namespace {

std::string plan_of(const std::string &statement) {
  return single<std::string>(query("EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) " + statement));
}

// The nodes of a plan ($1), and the tables that hold the rows of $2: itself, or its partitions.
constexpr char nodes_and_leaves[] = R"(
WITH node AS (
    SELECT n.json ->> 'Node Type' AS type, n.json ->> 'Schema' AS schema, n.json ->> 'Relation Name' AS name
    FROM pg_catalog.jsonb_path_query($1::pg_catalog.jsonb, '$.** ? (exists (@."Node Type"))') AS n (json)
), leaf AS (
    SELECT s.nspname AS schema, c.relname AS name, c.relkind, c.relam
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
    WHERE c.oid = ANY (SELECT t.relid FROM pg_catalog.pg_partition_tree($2::pg_catalog.regclass) t WHERE t.isleaf
                       UNION ALL SELECT $2::pg_catalog.regclass)
      AND c.relkind <> 'p'
))";

// Whether no extension takes part in planning. Then the planner need not be asked, which takes milliseconds.
bool plans_alone() {
  return planner_hook == nullptr && set_rel_pathlist_hook == nullptr && get_relation_info_hook == nullptr &&
         create_upper_paths_hook == nullptr;
}

// Whether the table, and all that hold rows of it, are heaps without rules that the user may read and write.
bool is_ordinary(unsigned int table) {
  return call([&] {
    List *const all = find_all_inheritors(table, AccessShareLock, nullptr);
    bool ordinary = pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
                    pg_class_aclcheck(table, GetUserId(), ACL_INSERT) == ACLCHECK_OK;
    for (int n = 0; ordinary && n < list_length(all); ++n) {
      Relation const relation = table_open(list_nth_oid(all, n), NoLock);
      Form_pg_class const description = relation->rd_rel;
      ordinary = !description->relhasrules &&
                 (description->relkind == RELKIND_PARTITIONED_TABLE ||
                  (description->relkind == RELKIND_RELATION && description->relam == HEAP_TABLE_AM_OID));
      table_close(relation, NoLock);
    }
    return ordinary;
  });
}

}  // namespace

bool is_read_in_place(const QualifiedName &table) {
  const std::string name = quote_qualified(table);
  return single<bool>(query(std::string(nodes_and_leaves) + R"(
SELECT NOT EXISTS (SELECT FROM node n WHERE n.type NOT IN ('Append', 'Bitmap Heap Scan', 'Bitmap Index Scan',
                   'Gather', 'Index Only Scan', 'Index Scan', 'Result', 'Seq Scan'))
   AND NOT EXISTS (SELECT FROM leaf l WHERE l.relkind <> 'r' OR l.relam <> $3::pg_catalog.oid OR NOT EXISTS (
                   SELECT FROM node n WHERE n.schema = l.schema AND n.name = l.name)))",
                            {plan_of("SELECT FROM " + name), name, std::to_string(HEAP_TABLE_AM_OID)}));
}

bool is_plain_table(const QualifiedName &table) {
  const std::string name = quote_qualified(table);
  if (plans_alone() && is_ordinary(find_target(table))) return true;
  const bool may_read_and_write = single<bool>(query(R"(
SELECT pg_catalog.has_table_privilege($1::pg_catalog.regclass, 'SELECT')
   AND pg_catalog.has_table_privilege($1::pg_catalog.regclass, 'INSERT'))",
                                                     {name}));
  if (!may_read_and_write || !is_read_in_place(table)) return false;
  return single<bool>(query(std::string(nodes_and_leaves) + R"(
SELECT NOT EXISTS (SELECT FROM node n WHERE n.type NOT IN ('ModifyTable', 'Result'))
   AND EXISTS (SELECT FROM node n JOIN pg_catalog.pg_class c ON c.oid = $2::pg_catalog.regclass
               JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
               WHERE n.type = 'ModifyTable' AND n.schema = s.nspname AND n.name = c.relname))",
                            {plan_of("INSERT INTO " + name + " DEFAULT VALUES"), name}));
}

}  // namespace tablesync::pg
