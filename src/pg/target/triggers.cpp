#include "pg/target/triggers.h"

#include "core/base/record.h"

namespace tablesync::pg {

namespace {

// The triggers of a table that fire, and of its partitions, which have triggers of their own.
constexpr char list_triggers[] = R"(
SELECT DISTINCT g.tgname
FROM pg_catalog.pg_trigger g
WHERE (g.tgrelid = $1::oid
       OR g.tgrelid IN (SELECT i.relid FROM pg_catalog.pg_partition_tree($1::oid::regclass) i))
  AND NOT g.tgisinternal
  AND g.tgenabled <> 'D')";

}  // namespace

std::vector<std::string> before_row_triggers(Target &target, const Table &table) {
  // pg_trigger.tgtype: bit 0 is ROW, bit 1 is BEFORE.
  return only_column<std::string>(target.query(std::string(list_triggers) + R"(
  AND (g.tgtype & 3) = 3
ORDER BY g.tgname)",
                                               {table.oid}));
}

std::vector<std::string> triggers_of(Target &target, const Table &table) {
  return only_column<std::string>(
      target.query(std::string(list_triggers) + " ORDER BY g.tgname", {table.oid}));
}

bool cascades_to_itself(Target &target, const Table &table) {
  return single<bool>(target.query(R"(
WITH RECURSIVE taken (oid) AS (
    SELECT c.conrelid
    FROM pg_catalog.pg_constraint c
    WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')
      AND c.confrelid = $1::oid
  UNION
    SELECT c.conrelid
    FROM pg_catalog.pg_constraint c
    JOIN taken t ON c.confrelid = t.oid
    WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')
)
SELECT EXISTS (SELECT FROM taken t WHERE t.oid = $1::oid))",
                                   {table.oid}));
}

std::vector<std::string> cascading_references(Target &target, const Table &table) {
  return only_column<std::string>(target.query(R"(
SELECT c.conname
FROM pg_catalog.pg_constraint c
WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')
  AND c.confrelid = $1::oid
ORDER BY c.conname)",
                                               {table.oid}));
}

}  // namespace tablesync::pg
