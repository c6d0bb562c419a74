#include "core/sql/deparse_source.h"

#include <string_view>

#include <algorithm>

#include "core/base/error.h"
#include "core/table/describe.h"

namespace tablesync {

std::string resolve_query() {
  return R"(
SELECT c.oid,
       n.nspname AS schema,
       c.relname,
       c.relkind AS kind,
       pg_catalog.current_setting('search_path') AS path_of_role
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text))";
}

namespace {

// LOCK TABLE takes tables and views only.
bool is_lockable(char kind) { return kind == 'r' || kind == 'p' || kind == 'v'; }

// Before version 13, LOCK TABLE requires a privilege on each partition, which a reader of the parent need not
// have.
bool locks_partitions(int server_version_num) { return server_version_num >= 130000; }

}  // namespace

bool locks_all_it_reads(char kind, int server_version_num) {
  return kind == 'r' || (kind == 'p' && locks_partitions(server_version_num));
}

std::string begin_reading(const QualifiedName &table, char kind, int server_version_num,
                          const BeginReading &options) {
  std::string batch = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;";
  if (!options.snapshot.empty())
    batch += " SET TRANSACTION SNAPSHOT " + quote_literal(options.snapshot) + ";";
  const auto set = [&](const char *name, const std::string &value) {
    batch += std::string(" SET LOCAL ") + name + " = " + value + ";";
  };
  // A view may call functions that depend on the role's search_path.
  if (kind != 'v') set("search_path", "pg_catalog, pg_temp");
  set("datestyle", "ISO");
  set("intervalstyle", "postgres");
  set("extra_float_digits", "3");
  set("bytea_output", "hex");
  set("standard_conforming_strings", "on");
  set("lc_monetary", "'C'");
  set("timezone", quote_literal(options.time_zone));
  set("row_security", "off");  // an error instead of rows silently left out
  if (options.time_limit_ms > 0) set("statement_timeout", std::to_string(options.time_limit_ms));
  // Lets the source notice a lost client within seconds, even while it computes.
  if (server_version_num >= 140000) set("client_connection_check_interval", "'2s'");
  const auto lock = [&](const std::string &only, const std::string &names) {
    batch += " LOCK TABLE " + only + names + " IN ACCESS SHARE MODE;";
  };
  if (is_lockable(kind))
    lock(kind == 'p' && !locks_partitions(server_version_num) ? "ONLY " : "", quote_qualified(table));
  // `locked` also names each partition that may be locked.
  if (!options.locked.empty()) lock("ONLY ", join(options.locked, ", ONLY "));
  return batch;
}

std::string lift_idle_limit() { return "SET LOCAL idle_in_transaction_session_timeout = 0"; }

std::string export_snapshot_query() { return "SELECT pg_catalog.pg_export_snapshot()"; }

std::string files_query() {
  return "WITH RECURSIVE " + parts_of_relation("$1::pg_catalog.oid") + R"(
SELECT pg_catalog.pg_is_in_recovery(),
       greatest(pg_catalog.pg_relation_size(c.oid), 0) OPERATOR(pg_catalog./)
       pg_catalog.current_setting('block_size')::pg_catalog.int8,
       pg_catalog.pg_table_size(c.oid),
       pg_catalog.concat(c.oid, ' ', pg_catalog.pg_relation_filenode(c.oid))
FROM part p
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.oid
WHERE c.relkind OPERATOR(pg_catalog.<>) 'p'
ORDER BY c.oid)";
}

std::string held_relations_query(int server_version_num) {
  const std::string generated = server_version_num >= 120000 ? R"(
  UNION ALL
    SELECT a.attrelid, pg_catalog.concat('generated ', a.attrelid, ' ', a.attnum, ' ', d.adbin)
    FROM named n JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) n.oid
    JOIN pg_catalog.pg_attrdef d ON d.adrelid OPERATOR(pg_catalog.=) a.attrelid
                                AND d.adnum OPERATOR(pg_catalog.=) a.attnum
    WHERE a.attgenerated OPERATOR(pg_catalog.<>) '')"
                                                             : "";
  // pg_class is read in the transaction's snapshot; pg_relation_filenode() and pg_index_column_has_property()
  // return the current state and take no lock. ALTER TABLE that changes a column, as with USING, changes the
  // xmin of its row in pg_attribute.
  return R"(
WITH RECURSIVE held (oid) AS (
    SELECT DISTINCT l.relation FROM pg_catalog.pg_locks l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted
      AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
      AND l.database OPERATOR(pg_catalog.=) (
          SELECT d.oid FROM pg_catalog.pg_database d
          WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
      AND l.relation OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid
), named (oid) AS (
    SELECT h.oid FROM held h
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN held p ON p.oid OPERATOR(pg_catalog.=) i.inhparent
                      WHERE i.inhrelid OPERATOR(pg_catalog.=) h.oid)
), attribute (oid, type) AS (
    SELECT n.oid, a.atttypid FROM named n JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) n.oid
    WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
), )" + parts_of_types(server_version_num) +
         R"(, mark (oid, text) AS (
    SELECT a.attrelid, pg_catalog.concat('column ', a.attrelid, ' ', a.attnum, ' ', a.xmin, ' ', a.attname)
    FROM named n JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) n.oid
    WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
  UNION ALL
    SELECT r.ev_class, pg_catalog.concat('view ', r.ev_class, ' ', r.ev_action)
    FROM named n JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) n.oid
    WHERE r.ev_type OPERATOR(pg_catalog.=) '1'
  UNION ALL
    SELECT r.ev_class, pg_catalog.concat('function ', f.oid, ' ', f.prosrc, f.probin,
                                         pg_catalog.to_jsonb(f) OPERATOR(pg_catalog.->>) 'prosqlbody')
    FROM named n JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) n.oid
    JOIN pg_catalog.pg_depend d
      ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
         AND d.objid OPERATOR(pg_catalog.=) r.oid
         AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
    JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) d.refobjid
  UNION ALL
    SELECT a.oid, pg_catalog.concat('label ', e.enumtypid, ' ', e.oid, ' ', e.enumlabel)
    FROM attribute a JOIN part p ON p.root OPERATOR(pg_catalog.=) a.type
    JOIN pg_catalog.pg_enum e ON e.enumtypid OPERATOR(pg_catalog.=) p.type)" +
         generated + R"(
), marked (oid, marks) AS (
    SELECT m.oid, pg_catalog.string_agg(DISTINCT pg_catalog.substr(pg_catalog.md5(m.text), 1, 8), ' ')
    FROM mark m GROUP BY m.oid
)
SELECT h.oid,
       CASE WHEN c.oid IS NULL THEN h.oid::pg_catalog.regclass::pg_catalog.text
            ELSE pg_catalog.format('%I.%I', n.nspname, c.relname) END AS relation,
       coalesce(c.relkind, '') AS kind,
       coalesce(c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v}')
                AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), false) AS lockable,
       c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}')
           AND coalesce(c.relfilenode OPERATOR(pg_catalog.<>) pg_catalog.pg_relation_filenode(c.oid), true)
           AS rewritten,
       m.marks
FROM held h
LEFT JOIN marked m ON m.oid OPERATOR(pg_catalog.=) h.oid
LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.oid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f}')
   OR c.oid IS NULL AND pg_catalog.pg_index_column_has_property(h.oid, 1, 'orderable') IS NULL
ORDER BY h.oid)";
}

std::string plan_only(const std::string &statement) { return "EXPLAIN (COSTS OFF) " + statement; }

std::string position_query() {
  // The transaction id with epoch uses the old functions, which every version has. A standby has no
  // insert position, and pg_walfile_name() does not run there: the control file knows the timeline.
  return R"(
SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) AS xmin,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END AS lsn,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline,
                                  (SELECT w.received_tli FROM pg_catalog.pg_stat_wal_receiver w))
                  FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r)
            ELSE ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.pg_walfile_name(
                  pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int4 END AS timeline,
       pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
       OPERATOR(pg_catalog.||) '+00' AS clock)";
}

std::string feed_query() {
  return R"(
SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s
               WHERE s.srrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid),
       EXISTS (SELECT FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
               WHERE n.nspname OPERATOR(pg_catalog.=) 'tablesync' AND c.relname OPERATOR(pg_catalog.=) 'cascade'
                 AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                 AND pg_catalog.has_table_privilege(c.oid, 'SELECT')))";
}

std::string sequence_cache_query() {
  // A sequence belongs to a column (serial, identity), or its default uses one.
  return R"(
SELECT coalesce(pg_catalog.max(s.seqcache), 1)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef f
       ON f.adrelid OPERATOR(pg_catalog.=) a.attrelid AND f.adnum OPERATOR(pg_catalog.=) a.attnum
JOIN pg_catalog.pg_depend d
  ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum
  OR d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
     AND d.objid OPERATOR(pg_catalog.=) f.oid
JOIN pg_catalog.pg_sequence s
  ON s.seqrelid OPERATOR(pg_catalog.=) d.objid OR s.seqrelid OPERATOR(pg_catalog.=) d.refobjid
WHERE a.attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
  AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name)";
}

std::string column_index_query() {
  // 403 is the access method btree (pg_am.dat).
  return R"(
SELECT i.indexrelid::pg_catalog.regclass
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid AND c.relam OPERATOR(pg_catalog.=) 403
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
                              AND a.attnum OPERATOR(pg_catalog.=) i.indkey[0]
                              AND a.attcollation OPERATOR(pg_catalog.=) i.indcollation[0]
WHERE i.indrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid
  AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name AND i.indisvalid AND i.indpred IS NULL
LIMIT 1)";
}

std::string feed_watermark_query() {
  return "SELECT c.sync_mode, c.field, c.value FROM tablesync.cascade c WHERE c.target_oid "
         "OPERATOR(pg_catalog.=) "
         "$1::pg_catalog.oid";
}

std::string may_read_history_query() {
  return "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_read_file(pg_catalog.text)', 'EXECUTE') "
         "AND "
         "pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(pg_catalog.text, pg_catalog.bool)', "
         "'EXECUTE')";
}

std::string history_exists_query() {
  return "SELECT (pg_catalog.pg_stat_file($1::pg_catalog.text, true)).size IS NOT NULL";
}

std::string history_query() { return "SELECT pg_catalog.pg_read_file($1::pg_catalog.text)"; }

namespace {

// A newline follows a query or condition of the user, because it may end with a comment.
std::string in_parentheses(const std::string &sql) { return "(" + sql + "\n)"; }

std::string copy(const std::string &what) { return "COPY " + what + " TO STDOUT (FORMAT binary)"; }

}  // namespace

std::string select(const SourceRows &rows, const std::string &expressions) {
  std::vector<std::string> conditions;
  for (const std::string &condition : rows.conditions) conditions.push_back(in_parentheses(condition));
  return "SELECT " + expressions + " FROM " +
         (rows.query.empty() ? quote_qualified(rows.table->name) : in_parentheses(rows.query) + " AS q") +
         (conditions.empty() ? "" : " WHERE " + join(conditions, " AND "));
}

std::string copy_out(const SourceRows &rows, const SyncPlan &plan) {
  const Table &source = *rows.table;
  bool plain = source.kind == 'r' && !source.has_children && rows.query.empty() && rows.conditions.empty();
  std::vector<std::string> names;
  for (const ColumnPlan &column : plan.columns) {
    names.push_back(quote_identifier(column.name));
    plain = plain && column.read == names.back() && !source.find_column(column.name)->generated;
  }
  // COPY of a table leaves out children and generated columns, so it serves plain tables only.
  if (plain) return copy(quote_qualified(source.name) + " (" + join(names, ", ") + ")");
  return copy(in_parentheses(select_of(rows, plan)));
}

std::string select_of(const SourceRows &rows, const SyncPlan &plan) {
  std::vector<std::string> reads;
  for (const ColumnPlan &column : plan.columns) reads.push_back(column.read);
  return select(rows, join(reads, ", "));
}

std::vector<std::string> in_blocks(std::int64_t begin, std::int64_t end) {
  const auto compare = [](const char *comparison, std::int64_t block) {
    return std::string("ctid OPERATOR(pg_catalog.") + comparison + ") '(" + std::to_string(block) +
           ",0)'::pg_catalog.tid";
  };
  std::vector<std::string> conditions;
  if (begin > 0) conditions.push_back(compare(">=", begin));
  if (end >= 0) conditions.push_back(compare("<", end));
  return conditions;
}

std::string insert_selected(const QualifiedName &name, const SourceRows &rows, const SyncPlan &plan) {
  return "INSERT INTO " + quote_qualified(name) + " " + select_of(rows, plan);
}

std::string find_repeated_key(const SourceRows &rows, const SyncPlan &plan) {
  std::vector<std::string> columns, texts;
  for (const std::string &name : plan.key) {
    columns.push_back(quote_identifier(name));
    texts.push_back(columns.back() + "::pg_catalog.text");
  }
  const std::string key = join(columns, ", ");
  return "SELECT pg_catalog.concat('(', pg_catalog.array_to_string(ARRAY[" + join(texts, ", ") +
         "], ', ', 'NULL'), ')') FROM (" + select(rows, key) + ") AS k GROUP BY " + key +
         " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1";
}

std::string key_is_one_of(const Table &source, const SyncPlan &plan, const Rows &keys) {
  std::vector<std::string> columns, types, tuples;
  for (const std::string &name : plan.key) {
    columns.push_back(quote_identifier(name));
    types.push_back(qualified_type(*source.find_column(name)));
  }
  for (const Row &key : keys) {
    std::vector<std::string> values;
    for (size_t n = 0; n < key.size(); ++n)
      values.push_back("CAST(" + quote_literal(text_of(key[n])) + " AS " + types[n] + ")");
    tuples.push_back("(" + join(values, ", ") + ")");
  }
  return "(" + join(columns, ", ") + ") OPERATOR(pg_catalog.=) ANY (VALUES " + join(tuples, ", ") + ")";
}

namespace {

// age() counts modulo 2^32 back from the newest transaction. A row that was frozen long ago can seem to be in
// the future (below 0), which is ignored, or in the window after a wraparound, and is then read
// unnecessarily.
std::string is_as_young(const std::string &xmin, const std::string &since) {
  return "pg_catalog.age(" + xmin + ") OPERATOR(pg_catalog.<=) pg_catalog.age('" + since +
         "'::pg_catalog.xid) AND pg_catalog.age(" + xmin + ") OPERATOR(pg_catalog.>=) 0";
}

}  // namespace

std::string written_since(const Table &source, std::uint64_t snapshot_xmin) {
  // 0 to 2 are no transactions, so their age() is meaningless. The one before them serves, because it is
  // older.
  constexpr std::uint64_t first_normal = 3, last = 0xffffffff;
  const std::uint64_t low = snapshot_xmin & last;
  const std::string since = std::to_string(low < first_normal ? last : low);
  const std::string written = is_as_young("xmin", since);
  if (source.kind != 'p' && !source.has_children) return written;
  // A table that was attached has older rows.
  return written +
         " OR tableoid OPERATOR(pg_catalog.=) ANY (ARRAY(WITH RECURSIVE attached AS (SELECT i.inhrelid FROM "
         "pg_catalog.pg_inherits i WHERE " +
         is_as_young("i.xmin", since) +
         " UNION SELECT i.inhrelid FROM attached a JOIN pg_catalog.pg_inherits i ON i.inhparent "
         "OPERATOR(pg_catalog.=) a.inhrelid) SELECT a.inhrelid FROM attached a))";
}

std::string is_soft_deleted(const Column &column, const std::string &alias) {
  const std::string value = (alias.empty() ? "" : alias + ".") + quote_identifier(column.name);
  const auto is_one_of = [&](std::initializer_list<const char *> types) {
    return column.type.schema == "pg_catalog" && !column.type.is_array &&
           std::any_of(types.begin(), types.end(),
                       [&](const char *type) { return column.type.name == type; });
  };
  if (is_one_of({"bool"})) return value;
  if (is_one_of({"int2", "int4", "int8", "numeric"})) return value + " OPERATOR(pg_catalog.<>) 0";
  if (is_one_of({"text", "varchar", "bpchar"}))
    return "pg_catalog.upper(pg_catalog.btrim(" + value +
           "::pg_catalog.text)) OPERATOR(pg_catalog.=) ANY "
           "(ARRAY['Y', 'YES', 'T', 'TRUE', '1']::pg_catalog.text[])";
  if (is_one_of({"timestamp", "timestamptz", "date"})) return value + " IS NOT NULL";
  throw Error(
      sqlstate::datatype_mismatch,
      "column \"" + column.name + "\" of type " + column.sql_type + " cannot be used as soft_delete_column",
      {}, "It must be a boolean, a number, a text (Y, T, 1) or a timestamp.");
}

std::string trimmed_query(const std::string &sql) {
  constexpr std::string_view space = " \t\r\n\f";
  size_t end = sql.find_last_not_of(space);
  if (end != std::string::npos && sql[end] == ';')
    end = end == 0 ? std::string::npos : sql.find_last_not_of(space, end - 1);
  return end == std::string::npos ? "" : sql.substr(0, end + 1);
}

std::string copy_of(const std::string &select) { return "COPY (" + select + ") TO STDOUT (FORMAT binary)"; }

}  // namespace tablesync
