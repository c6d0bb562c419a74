#include "core/deparse_verify.h"

#include <algorithm>

#include "core/deparse.h"

namespace tablesync {

const QualifiedName verified_name{"pg_temp", "tablesync_verified"};

namespace {

constexpr char differences[] = "pg_temp.tablesync_differences";
constexpr size_t digits = 8;  // of the hash of one column

std::string in_parentheses(const std::string &sql) { return "(" + sql + "\n)"; }

// What is compared of a value: its text. Moments in UTC, whatever the session's time zone is, and floats as
// bytes where their texts are not the same.
std::string text_of_value(const std::string &value, const std::string &type, bool hex_floats) {
  if (hex_floats && (type == "double precision" || type == "real"))
    return "pg_catalog.encode(pg_catalog." + std::string(type == "real" ? "float4" : "float8") + "send(" +
           value + "), 'hex')";
  if (type.starts_with("timestamp") && type.ends_with("with time zone"))
    return "((" + value + ") AT TIME ZONE 'UTC')::pg_catalog.text";
  return "(" + value + ")::pg_catalog.text";
}

std::string array_of(const std::vector<std::string> &texts) {
  return "ARRAY[" + join(texts, ", ") + "]::pg_catalog.text[]";
}

std::string hash(const std::string &text) { return "pg_catalog.md5(" + text + ")"; }

// Eight hexadecimal digits of a hash as a number.
std::string number_at(const std::string &hash, int at) {
  return "('x' OPERATOR(pg_catalog.||) pg_catalog.substr(" + hash + ", " + std::to_string(at) +
         ", 8))::pg_catalog.bit(32)::pg_catalog.int4";
}

std::string bucket_of(const std::string &key, int buckets) {
  return "(" + number_at(hash(key), 1) + " OPERATOR(pg_catalog.&) " + std::to_string(buckets - 1) + ")";
}

// The rows with their key, bucket, hash and pending as columns.
std::string digests(const DigestedRows &rows, bool with_columns) {
  std::vector<std::string> all = rows.key;
  all.insert(all.end(), rows.values.begin(), rows.values.end());
  std::vector<std::string> columns;
  for (const std::string &value : rows.values)
    columns.push_back("pg_catalog.substr(" + hash("coalesce('=' OPERATOR(pg_catalog.||) " + value + ", '')") +
                      ", 1, " + std::to_string(digits) + ")");
  const std::string of_columns = columns.empty() ? "''" : join(columns, " OPERATOR(pg_catalog.||) ");
  return "(SELECT k.key, " + bucket_of("k.key", rows.buckets) + " AS bucket, k.digest, k.pending" +
         (with_columns ? ", k.columns" : "") + " FROM (SELECT " + array_of(rows.key) +
         "::pg_catalog.text AS key, " + hash(array_of(all) + "::pg_catalog.text") + " AS digest, " +
         (rows.pending.empty() ? "false" : in_parentheses(rows.pending) + " IS TRUE") + " AS pending" +
         (with_columns ? ", " + of_columns + " AS columns" : "") + " FROM " + rows.from + " OFFSET 0) AS k)";
}

std::string in_buckets(const std::vector<int> &buckets) {
  std::vector<std::string> numbers;
  for (const int bucket : buckets) numbers.push_back(std::to_string(bucket));
  return "d.bucket OPERATOR(pg_catalog.=) ANY ('{" + join(numbers, ",") + "}'::pg_catalog.int4[])";
}

void add_columns(DigestedRows &rows, const SyncPlan &plan, const std::vector<std::string> &values,
                 bool hex_floats) {
  rows.keyed = plan.keyed();
  for (const std::string &name : plan.key)
    for (size_t n = 0; n < plan.columns.size(); ++n)
      if (plan.columns[n].name == name)
        rows.key.push_back(text_of_value(values[n], plan.columns[n].target_type, hex_floats));
  for (size_t n = 0; n < plan.columns.size(); ++n)
    if (!plan.columns[n].key || !plan.keyed())
      (plan.keyed() ? rows.values : rows.key)
          .push_back(text_of_value(values[n], plan.columns[n].target_type, hex_floats));
}

}  // namespace

DigestedRows digested_source(const SourceRows &rows, const SyncPlan &plan, const std::string &pending,
                             int buckets, bool hex_floats) {
  DigestedRows digested;
  std::vector<std::string> conditions, reads;
  for (const std::string &condition : rows.conditions) conditions.push_back(in_parentheses(condition));
  for (const ColumnPlan &column : plan.columns) reads.push_back(column.read);
  digested.from =
      (rows.query.empty() ? quote_qualified(rows.table->name) : in_parentheses(rows.query) + " AS q") +
      (conditions.empty() ? "" : " WHERE " + join(conditions, " AND "));
  digested.pending = pending;
  digested.buckets = buckets;
  add_columns(digested, plan, reads, hex_floats);
  return digested;
}

DigestedRows digested_target(const QualifiedName &target, const SyncPlan &plan, int buckets,
                             bool hex_floats) {
  DigestedRows digested;
  std::vector<std::string> values;
  for (const ColumnPlan &column : plan.columns) values.push_back("t." + quote_identifier(column.name));
  digested.from = quote_qualified(target) + " AS t";
  digested.buckets = buckets;
  add_columns(digested, plan, values, hex_floats);
  return digested;
}

std::string sum_buckets(const DigestedRows &rows) {
  return "SELECT d.bucket, pg_catalog.count(*), pg_catalog.sum(" + number_at("d.digest", 1) +
         "), pg_catalog.sum(" + number_at("d.digest", 9) + ") FROM " + digests(rows, false) +
         " AS d WHERE NOT d.pending GROUP BY d.bucket";
}

std::string list_rows(const DigestedRows &rows, const std::vector<int> &buckets) {
  const std::string where = " AS d WHERE " + in_buckets(buckets);
  if (rows.keyed) return "SELECT d.key, d.digest, d.columns, d.pending FROM " + digests(rows, true) + where;
  return "SELECT d.key, pg_catalog.count(*)::pg_catalog.text AS digest, ''::pg_catalog.text AS columns, "
         "pg_catalog.bool_or(d.pending) AS pending FROM " +
         digests(rows, false) + where + " GROUP BY d.key";
}

SyncPlan verified_plan() {
  SyncPlan plan;
  for (const auto &[name, type] : {std::pair{"key", "text"}, std::pair{"digest", "text"},
                                   std::pair{"columns", "text"}, std::pair{"pending", "bool"}}) {
    ColumnPlan column;
    column.name = name;
    column.read = quote_identifier(name);
    column.target_type = std::string("pg_catalog.") + type;
    if (column.target_type == "pg_catalog.text") column.collation = " COLLATE pg_catalog.\"C\"";
    plan.columns.push_back(column);
  }
  return plan;
}

std::string create_differences(const DigestedRows &target, const std::vector<int> &buckets) {
  return "CREATE TEMPORARY TABLE tablesync_differences ON COMMIT DROP AS SELECT CASE WHEN t.key IS NULL THEN "
         "'missing' WHEN s.key IS NULL THEN 'extra' ELSE 'different' END AS kind, coalesce(s.key, t.key) AS "
         "key, "
         "s.columns AS source_columns, t.columns AS target_columns, s.digest AS source_digest, t.digest AS "
         "target_digest FROM " +
         quote_qualified(verified_name) + " AS s FULL JOIN (" + list_rows(target, buckets) +
         ") AS t ON s.key = t.key COLLATE pg_catalog.\"C\" WHERE s.pending IS NOT TRUE AND (s.key IS NULL OR "
         "t.key IS NULL OR "
         "s.digest <> t.digest)";
}

std::string create_staged_differences(const QualifiedName &target, const SyncPlan &plan) {
  const auto side = [&](const QualifiedName &table) {
    return "(" + list_rows(digested_target(table, plan, 1, false), {0}) + ")";
  };
  return "CREATE TEMPORARY TABLE tablesync_differences ON COMMIT DROP AS SELECT CASE WHEN t.key IS NULL THEN "
         "'missing' WHEN s.key IS NULL THEN 'extra' ELSE 'different' END AS kind, coalesce(s.key, t.key) AS "
         "key, "
         "s.columns AS source_columns, t.columns AS target_columns, s.digest AS source_digest, t.digest AS "
         "target_digest FROM " +
         side(stage_name) + " AS s FULL JOIN " + side(target) +
         " AS t ON s.key = t.key WHERE s.key IS NULL OR t.key IS NULL OR s.digest <> t.digest";
}

std::string count_differences() {
  return std::string(
             "SELECT pg_catalog.count(*) FILTER (WHERE d.kind = 'missing'), pg_catalog.count(*) FILTER "
             "(WHERE d.kind = "
             "'extra'), pg_catalog.count(*) FILTER (WHERE d.kind = 'different') FROM ") +
         differences + " AS d";
}

std::string list_differences(int limit) {
  return std::string(
             "SELECT d.kind, pg_catalog.array_to_string(d.key::pg_catalog.text[], ', ', 'NULL'), "
             "d.source_columns, "
             "d.target_columns FROM ") +
         differences + " AS d ORDER BY d.key::pg_catalog.text[] LIMIT " + std::to_string(limit);
}

std::string list_keys_to_fetch(size_t key_columns) {
  std::vector<std::string> texts;
  for (size_t n = 1; n <= key_columns; ++n)
    texts.push_back("(d.key::pg_catalog.text[])[" + std::to_string(n) + "]");
  return "SELECT " + join(texts, ", ") + " FROM " + differences + " AS d WHERE d.kind <> 'extra'";
}

std::string delete_extra(const QualifiedName &target, const SyncPlan &plan) {
  const DigestedRows rows = digested_target(target, plan, 1, false);
  return "DELETE FROM " + quote_qualified(target) + " AS t USING " + differences +
         " AS d WHERE d.kind OPERATOR(pg_catalog.=) 'extra' AND d.key OPERATOR(pg_catalog.=) " +
         array_of(rows.key) + "::pg_catalog.text";
}

}  // namespace tablesync
