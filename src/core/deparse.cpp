#include "core/deparse.h"

namespace tablesync {

const QualifiedName stage_name{"pg_temp", "tablesync_stage"};

namespace {

constexpr char equals[] = " OPERATOR(pg_catalog.=) ";
constexpr char stage_table[] = "pg_temp.tablesync_stage";
constexpr char difference_table[] = "pg_temp.tablesync_difference";

template <typename Range, typename F>
std::string list(const Range &range, std::string_view separator, F text) {
  std::vector<std::string> texts;
  for (const auto &item : range) texts.push_back(text(item));
  return join(texts, separator);
}

std::string column_names(const SyncPlan &plan) {
  return list(plan.columns, ", ", [](const ColumnPlan &c) { return quote_identifier(c.name); });
}

// A staged value in the target's type.
std::string staged(const ColumnPlan &column, std::string_view alias) {
  const std::string value = std::string(alias) + "." + quote_identifier(column.name);
  // From text to regclass there is a function that does not know '-'; from bpchar it is the type's own input.
  return column.cast_in_merge ? "CAST(CAST(" + value + " AS pg_catalog.bpchar) AS " + column.target_type + ")"
                              : value;
}

// The stage as a FROM item `s` whose columns have the target's types.
std::string stage_source(const SyncPlan &plan) {
  if (!plan.needs_stage()) return std::string(stage_table) + " AS s";
  return "(SELECT " +
         list(plan.columns, ", ",
              [](const ColumnPlan &c) { return staged(c, "r") + " AS " + quote_identifier(c.name); }) +
         " FROM " + stage_table + " AS r) AS s";
}

std::string row_of(const SyncPlan &plan, const std::string &alias) {
  return "ROW(" +
         list(plan.columns, ", ",
              [&](const ColumnPlan &c) { return alias + "." + quote_identifier(c.name); }) +
         ")::pg_catalog.record";
}

std::string row_text(const SyncPlan &plan, const std::string &alias) {
  return "(" + row_of(plan, alias) + ")::pg_catalog.text";
}

std::string keys_match(const SyncPlan &plan) {
  std::vector<std::string> terms;
  for (size_t i = 0; i < plan.key.size(); ++i) {
    const std::string column = quote_identifier(plan.key[i]);
    terms.push_back("t." + column + " " + plan.key_equality[i] + " s." + column);
  }
  return join(terms, " AND ");
}

std::string rows_differ(const SyncPlan &plan) {
  return row_of(plan, "t") + " OPERATOR(pg_catalog.*<>) " + row_of(plan, "s");
}

std::string overriding(const SyncPlan &plan) {
  for (const ColumnPlan &column : plan.columns)
    if (column.always_identity) return " OVERRIDING SYSTEM VALUE";
  return "";
}

std::string assignments(const SyncPlan &plan) {
  std::vector<std::string> sets;
  for (const ColumnPlan &column : plan.columns)
    if (!column.always_identity)
      sets.push_back(quote_identifier(column.name) + " = s." + quote_identifier(column.name));
  return join(sets, ", ");
}

std::string insert_into(const QualifiedName &target, const SyncPlan &plan) {
  return "INSERT INTO " + quote_qualified(target) + " (" + column_names(plan) + ")" + overriding(plan) +
         " SELECT " +
         list(plan.columns, ", ", [](const ColumnPlan &c) { return "s." + quote_identifier(c.name); });
}

}  // namespace

std::string resolve_query() {
  return R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.current_setting('server_version_num')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text))";
}

std::string begin_reading(const QualifiedName &table, char kind, int server_version_num) {
  std::string batch = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;";
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
  set("timezone", "'UTC'");
  set("row_security", "off");  // an error instead of rows silently left out
  // The source notices within seconds that we are gone, also while it computes.
  if (server_version_num >= 140000) set("client_connection_check_interval", "'2s'");
  // LOCK TABLE takes tables and views only.
  if (kind == 'r' || kind == 'p' || kind == 'v')
    batch += " LOCK TABLE " + quote_qualified(table) + " IN ACCESS SHARE MODE;";
  return batch;
}

std::string copy_out(const Table &source, const SyncPlan &plan) {
  bool plain = source.kind == 'r' && !source.has_children;
  for (const ColumnPlan &column : plan.columns) {
    plain = plain && column.read == quote_identifier(column.name);
    plain = plain && !source.find_column(column.name)->generated;
  }
  // COPY of a table leaves out children and generated columns, so it serves plain tables only.
  const std::string what = plain ? quote_qualified(source.name) + " (" + column_names(plan) + ")"
                                 : "(SELECT " +
                                       list(plan.columns, ", ", [](const ColumnPlan &c) { return c.read; }) +
                                       " FROM " + quote_qualified(source.name) + ")";
  return "COPY " + what + " TO STDOUT (FORMAT binary)";
}

std::string create_table(const QualifiedName &name, const std::vector<NewColumn> &columns) {
  return "CREATE TABLE " + quote_qualified(name) + " (" +
         list(columns, ", ",
              [](const NewColumn &column) {
                const Column &source = *column.source;
                std::string text = quote_identifier(source.name) + " " + column.sql_type;
                if (column.has_collation) text += " COLLATE " + quote_qualified(*source.collation);
                if (source.not_null) text += " NOT NULL";
                if (source.identity == 'a') text += " GENERATED ALWAYS AS IDENTITY";
                if (source.identity == 'd') text += " GENERATED BY DEFAULT AS IDENTITY";
                return text;
              }) +
         ")";
}

std::vector<std::string> comments(const QualifiedName &name, const Table &source) {
  std::vector<std::string> statements;
  const std::string table = quote_qualified(name);
  if (!source.comment.empty())
    statements.push_back("COMMENT ON TABLE " + table + " IS " + quote_literal(source.comment));
  for (const Column &column : source.columns)
    if (!column.comment.empty())
      statements.push_back("COMMENT ON COLUMN " + table + "." + quote_identifier(column.name) + " IS " +
                           quote_literal(column.comment));
  return statements;
}

std::string add_primary_key(const QualifiedName &name, const std::vector<std::string> &key) {
  return "ALTER TABLE " + quote_qualified(name) + " ADD PRIMARY KEY (" +
         list(key, ", ", [](const std::string &c) { return quote_identifier(c); }) + ")";
}

std::string add_primary_key_in_parallel(const QualifiedName &name, const std::vector<std::string> &key) {
  const std::string table = "ALTER TABLE " + quote_qualified(name);
  return table + " SET (parallel_workers = 1); " + add_primary_key(name, key) + "; " + table +
         " RESET (parallel_workers)";
}

std::string advance_identity(const QualifiedName &name, const std::string &column) {
  const std::string table = quote_literal(quote_qualified(name));
  return "SELECT pg_catalog.setval(q.id, CASE WHEN q.seqincrement > 0 THEN greatest(q.edge, l.last_value) "
         "ELSE least(q.edge, l.last_value) END) FROM (SELECT s.seqrelid::pg_catalog.regclass AS id, "
         "s.seqincrement, CASE WHEN s.seqincrement > 0 THEN (SELECT max(t." +
         quote_identifier(column) + ") FROM " + quote_qualified(name) + " t) ELSE (SELECT min(t." +
         quote_identifier(column) + ") FROM " + quote_qualified(name) +
         " t) END AS edge FROM pg_catalog.pg_sequence s WHERE s.seqrelid = "
         "pg_catalog.pg_get_serial_sequence(" +
         table + ", " + quote_literal(column) +
         ")::pg_catalog.regclass AND pg_catalog.has_sequence_privilege(s.seqrelid, 'UPDATE')) q, LATERAL "
         "(SELECT "
         "pg_catalog.pg_sequence_last_value(q.id)) AS l (last_value) WHERE q.edge IS NOT NULL";
}

std::string is_empty(const QualifiedName &name) {
  return "SELECT NOT EXISTS (SELECT FROM " + quote_qualified(name) + ")";
}

std::string count_rows(const QualifiedName &name) {
  return "SELECT pg_catalog.count(*) FROM " + quote_qualified(name);
}

std::string analyze(const QualifiedName &name) { return "ANALYZE " + quote_qualified(name); }

std::string create_stage(const SyncPlan &plan) {
  return "CREATE TEMPORARY TABLE tablesync_stage (" +
         list(plan.columns, ", ",
              [](const ColumnPlan &c) {
                return quote_identifier(c.name) + " " + c.stage_type + c.stage_collation;
              }) +
         ") ON COMMIT DROP";
}

std::string find_bad_key(const SyncPlan &plan) {
  const auto staged_key = [&](const std::string &c) { return "s." + quote_identifier(c); };
  const std::string key = list(plan.key, ", ", staged_key);
  const std::string row = "(ROW(" + key + ")::pg_catalog.record)::pg_catalog.text";
  const std::string any_null =
      list(plan.key, " OR ", [&](const std::string &c) { return staged_key(c) + " IS NULL"; });
  return "(SELECT " + row + ", true FROM " + stage_source(plan) + " WHERE " + any_null +
         " LIMIT 1) UNION ALL (SELECT (ROW(" + key + ")::pg_catalog.record)::pg_catalog.text, false FROM " +
         stage_source(plan) + " GROUP BY " + key +
         " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1)";
}

std::string delete_missing(const QualifiedName &target, const SyncPlan &plan) {
  return "DELETE FROM " + quote_qualified(target) + " AS t WHERE NOT EXISTS (SELECT FROM " +
         stage_source(plan) + " WHERE " + keys_match(plan) + ")";
}

std::string merge(const QualifiedName &target, const SyncPlan &plan) {
  const std::string sets = assignments(plan);
  std::string statement = "MERGE INTO " + quote_qualified(target) + " AS t USING " + stage_source(plan) +
                          " ON " + keys_match(plan);
  if (!sets.empty()) statement += " WHEN MATCHED AND " + rows_differ(plan) + " THEN UPDATE SET " + sets;
  return statement + " WHEN NOT MATCHED THEN INSERT (" + column_names(plan) + ")" + overriding(plan) +
         " VALUES (" +
         list(plan.columns, ", ", [](const ColumnPlan &c) { return "s." + quote_identifier(c.name); }) + ")";
}

std::string update_changed(const QualifiedName &target, const SyncPlan &plan) {
  return "UPDATE " + quote_qualified(target) + " AS t SET " + assignments(plan) + " FROM " +
         stage_source(plan) + " WHERE " + keys_match(plan) + " AND " + rows_differ(plan);
}

std::string delete_changed(const QualifiedName &target, const SyncPlan &plan) {
  return "DELETE FROM " + quote_qualified(target) + " AS t USING " + stage_source(plan) + " WHERE " +
         keys_match(plan) + " AND " + rows_differ(plan);
}

std::string insert_absent(const QualifiedName &target, const SyncPlan &plan) {
  return insert_into(target, plan) + " FROM " + stage_source(plan) + " WHERE NOT EXISTS (SELECT FROM " +
         quote_qualified(target) + " AS t WHERE " + keys_match(plan) + ")";
}

std::string create_difference(const QualifiedName &target, const SyncPlan &plan) {
  return "CREATE TEMPORARY TABLE tablesync_difference ON COMMIT DROP AS SELECT u.image, "
         "pg_catalog.sum(u.n)::pg_catalog.int8 AS surplus FROM (SELECT " +
         row_text(plan, "s") + " AS image, 1 AS n FROM " + stage_source(plan) + " UNION ALL SELECT " +
         row_text(plan, "t") + ", -1 FROM " + quote_qualified(target) +
         " AS t) AS u GROUP BY u.image HAVING pg_catalog.sum(u.n) OPERATOR(pg_catalog.<>) 0";
}

std::string sum_difference() {
  return std::string(
             "SELECT coalesce(pg_catalog.sum(d.surplus) FILTER (WHERE d.surplus > 0), 0), "
             "coalesce(-pg_catalog.sum(d.surplus) FILTER (WHERE d.surplus < 0), 0) FROM ") +
         difference_table + " AS d";
}

std::string delete_surplus(const QualifiedName &target, const SyncPlan &plan) {
  return "DELETE FROM " + quote_qualified(target) +
         " AS t USING (SELECT x.tableoid, x.ctid, d.surplus, pg_catalog.row_number() OVER (PARTITION BY "
         "d.image) "
         "AS nth FROM " +
         quote_qualified(target) + " AS x JOIN " + difference_table + " AS d ON d.image" + equals +
         row_text(plan, "x") +
         " AND d.surplus OPERATOR(pg_catalog.<) 0) AS g WHERE g.nth OPERATOR(pg_catalog.<=) "
         "(OPERATOR(pg_catalog.-) g.surplus) AND t.tableoid" +
         equals + "g.tableoid AND t.ctid" + equals + "g.ctid";
}

std::string insert_shortfall(const QualifiedName &target, const SyncPlan &plan) {
  return insert_into(target, plan) +
         " FROM (SELECT s.*, d.surplus AS tablesync_surplus, pg_catalog.row_number() OVER (PARTITION BY "
         "d.image) AS "
         "tablesync_nth FROM " +
         stage_source(plan) + " JOIN " + difference_table + " AS d ON d.image" + equals +
         row_text(plan, "s") +
         " AND d.surplus OPERATOR(pg_catalog.>) 0) AS s WHERE s.tablesync_nth OPERATOR(pg_catalog.<=) "
         "s.tablesync_surplus";
}

}  // namespace tablesync
