#include "core/deparse_source.h"

#include <algorithm>

#include "core/error.h"

namespace tablesync {

std::string resolve_query() {
  return R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.current_setting('search_path')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text))";
}

std::string begin_reading(const QualifiedName &table, char kind, int server_version_num,
                          std::int64_t time_limit_ms, const std::string &snapshot) {
  std::string batch = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;";
  if (!snapshot.empty()) batch += " SET TRANSACTION SNAPSHOT " + quote_literal(snapshot) + ";";
  const auto set = [&](const char *name, const char *value) {
    batch += std::string(" SET LOCAL ") + name + " = " + value + ";";
  };
  // A view may call functions that rely on the role's own search_path.
  if (kind != 'v') set("search_path", "pg_catalog, pg_temp");
  set("datestyle", "ISO");
  set("intervalstyle", "postgres");
  set("extra_float_digits", "3");
  set("bytea_output", "hex");
  set("standard_conforming_strings", "on");
  set("lc_monetary", "'C'");
  set("timezone", "'UTC'");
  set("row_security", "off");  // an error instead of rows silently left out
  if (time_limit_ms > 0) set("statement_timeout", std::to_string(time_limit_ms).c_str());
  // The source notices within seconds that we are gone, also while it computes.
  if (server_version_num >= 140000) set("client_connection_check_interval", "'2s'");
  // LOCK TABLE takes tables and views only. Before version 13 it asks for a privilege on each partition,
  // which a reader of the whole needs not have: there they are locked when they are read.
  const bool alone = kind == 'p' && server_version_num < 130000;
  if (kind == 'r' || kind == 'p' || kind == 'v')
    batch += std::string(" LOCK TABLE ") + (alone ? "ONLY " : "") + quote_qualified(table) +
             " IN ACCESS SHARE MODE;";
  return batch;
}

std::string lift_idle_limit() { return "SET LOCAL idle_in_transaction_session_timeout = 0"; }

std::string export_snapshot_query() { return "SELECT pg_catalog.pg_export_snapshot()"; }

std::string files_query() {
  return R"(
WITH RECURSIVE part (oid) AS (
    SELECT $1::pg_catalog.oid
    UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN part p ON i.inhparent OPERATOR(pg_catalog.=) p.oid
)
SELECT pg_catalog.pg_is_in_recovery(),
       coalesce(a.amname OPERATOR(pg_catalog.=) 'heap', false),
       greatest(pg_catalog.pg_relation_size(c.oid), 0) OPERATOR(pg_catalog./)
       pg_catalog.current_setting('block_size')::pg_catalog.int8,
       pg_catalog.pg_table_size(c.oid),
       pg_catalog.concat(c.oid, ' ', pg_catalog.pg_relation_filenode(c.oid))
FROM part p
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.oid
LEFT JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
WHERE c.relkind OPERATOR(pg_catalog.<>) 'p'
ORDER BY c.oid)";
}

std::string position_query() {
  // The transaction id with its epoch is of the old functions, which every version has. A standby has no
  // insert position, and pg_walfile_name() does not run there: the control file knows the timeline.
  return R"(
SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()),
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline,
                                  (SELECT w.received_tli FROM pg_catalog.pg_stat_wal_receiver w))
                  FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r)
            ELSE ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(pg_catalog.pg_walfile_name(
                  pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int4 END,
       pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
       OPERATOR(pg_catalog.||) '+00')";
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

// A query or condition of the user ends with a new line: it may end in a comment.
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

// age() counts modulo 2^32 back from the newest transaction. A row that was frozen long ago can seem to be of
// the future (below 0), which it is not; or of the window by a whole turn, and is then read in vain.
std::string is_as_young(const std::string &xmin, const std::string &since) {
  return "pg_catalog.age(" + xmin + ") OPERATOR(pg_catalog.<=) pg_catalog.age('" + since +
         "'::pg_catalog.xid) AND pg_catalog.age(" + xmin + ") OPERATOR(pg_catalog.>=) 0";
}

}  // namespace

std::string written_since(const Table &source, std::uint64_t snapshot_xmin) {
  // 0 to 2 are no transactions: age() of them says nothing. The one before them is as good, being older.
  constexpr std::uint64_t first_normal = 3, last = 0xffffffff;
  const std::uint64_t low = snapshot_xmin & last;
  const std::string since = std::to_string(low < first_normal ? last : low);
  const std::string written = is_as_young("xmin", since);
  if (source.kind != 'p' && !source.has_children) return written;
  // A table that was attached brings rows that are older.
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

}  // namespace tablesync
