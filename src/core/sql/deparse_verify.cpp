#include "core/sql/deparse_verify.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/sql/deparse.h"

namespace tablesync {

const QualifiedName verified_name{"pg_temp", "tablesync_verified"};
const QualifiedName differences_name{"pg_temp", "tablesync_differences"};

namespace {

constexpr char differences[] = "pg_temp.tablesync_differences";
constexpr size_t digits = 8;  // of the hash of one column

std::string in_parentheses(const std::string &sql) { return "(" + sql + "\n)"; }

std::string text_of_value(const std::string &value) { return "(" + value + ")::pg_catalog.text"; }

// The text of a row, which no other row has.
std::string text_of_row(const std::vector<std::string> &values) {
  return "(ROW(" + join(values, ", ") + ")::pg_catalog.record)::pg_catalog.text";
}

std::string array_of(const std::vector<std::string> &values) {
  std::vector<std::string> texts;
  for (const std::string &value : values) texts.push_back(text_of_value(value));
  return "ARRAY[" + join(texts, ", ") + "]::pg_catalog.text[]";
}

// Hashes the text in one encoding, independent of those of the servers.
std::string md5_of(const std::string &text) {
  return "pg_catalog.md5(pg_catalog.convert_to(" + text + ", 'UTF8'))";
}

// A hash of 64 bits, as int8.
std::string hash_of(const std::string &text, const RowHash &hash) {
  if (hash.extended)
    return "pg_catalog.hashtextextended(" + text + ", '" + std::to_string(hash.seed) + "'::pg_catalog.int8)";
  return "('x' OPERATOR(pg_catalog.||) pg_catalog.substr(" + md5_of(text) +
         ", 1, 16))::pg_catalog.bit(64)::pg_catalog.int8";
}

std::string seed_of(const RowHash &hash) { return "'" + std::to_string(hash.seed) + "'::pg_catalog.int8"; }

std::string record_hash_of(const std::vector<std::string> &forms, const RowHash &hash) {
  return "pg_catalog.hash_record_extended(ROW(" + join(forms, ", ") + ")::pg_catalog.record, " +
         seed_of(hash) + ")";
}

// The hash of a record is linear in the hashes of its columns (hash_record_extended(), rowtypes.c): two rows
// that exchange the values of a column would leave the sum as it was. Hashing the hash once more mixes them.
std::string mixed_hash_of(const std::vector<std::string> &forms, const RowHash &hash) {
  return record_hash_of({"pg_catalog.int8send(" + record_hash_of(forms, hash) + ")"}, hash);
}

// Types of which equal values are identical, and whose hash is the same in all versions because partitions
// depend on it.
constexpr std::string_view hashed_as_they_are[] = {"smallint",
                                                   "integer",
                                                   "bigint",
                                                   "oid",
                                                   "boolean",
                                                   "date",
                                                   "uuid",
                                                   "bytea",
                                                   "time without time zone",
                                                   "timestamp without time zone",
                                                   "timestamp with time zone"};

// Of these, equal values can differ. Their binary form is made faster than their text.
constexpr std::pair<std::string_view, std::string_view> hashed_in_binary[] = {
    {"numeric", "numeric_send"}, {"real", "float4send"},        {"double precision", "float8send"},
    {"jsonb", "jsonb_send"},     {"interval", "interval_send"}, {"character", "bpcharsend"},
    {"bpchar", "bpcharsend"}};

// A value of this type as hash_record_extended() takes it. A cast to text may lose something, as that of
// bpchar loses blanks; the text of a row does not.
std::string form_of(const std::string &value, std::string type) {
  if (const size_t at = type.find('('); at != std::string::npos)
    type.erase(at, type.find(')', at) + 1 - at);  // the modifier: timestamp(3) without time zone
  for (const std::string_view name : hashed_as_they_are)
    if (type == name) return value;
  for (const auto &[name, send] : hashed_in_binary)
    if (type == name) return "pg_catalog." + std::string(send) + "(" + value + ")";
  const bool is_text = type == "text" || type == "character varying";
  return (is_text ? text_of_value(value) : text_of_row({value})) + " COLLATE pg_catalog.\"C\"";
}

std::string bucket_of(const DigestedRows &rows) {
  return "(" +
         (rows.hash.record ? record_hash_of(rows.key_forms, rows.hash)
                           : hash_of(text_of_row(rows.key), rows.hash)) +
         " OPERATOR(pg_catalog.&) '" + std::to_string(rows.buckets - 1) +
         "'::pg_catalog.int8)::pg_catalog.int4";
}

// The rows with the columns bucket, hash and pending; on request, also the key and the hashes of the other
// columns.
std::string digests(const DigestedRows &rows, bool in_detail) {
  const auto all = [](std::vector<std::string> key, const std::vector<std::string> &values) {
    key.insert(key.end(), values.begin(), values.end());
    return key;
  };
  const std::string digest = rows.hash.record
                                 ? mixed_hash_of(all(rows.key_forms, rows.value_forms), rows.hash)
                                 : hash_of(text_of_row(all(rows.key, rows.values)), rows.hash);
  std::string select = bucket_of(rows) + " AS bucket, " + digest + " AS digest, " +
                       (rows.pending.empty() ? "false" : in_parentheses(rows.pending) + " IS TRUE") +
                       " AS pending";
  if (in_detail) {
    std::vector<std::string> columns;
    for (const std::string &value : rows.values)
      columns.push_back("pg_catalog.substr(" +
                        md5_of("coalesce('=' OPERATOR(pg_catalog.||) " + text_of_value(value) + ", '')") +
                        ", 1, " + std::to_string(digits) + ")");
    select += ", " + array_of(rows.key) + "::pg_catalog.text AS key, " +
              (columns.empty() ? "''" : join(columns, " OPERATOR(pg_catalog.||) ")) + " AS columns";
  }
  return "(SELECT " + select + " FROM " + rows.from + ")";
}

std::string in_buckets(const std::vector<int> &buckets) {
  std::vector<std::string> numbers;
  for (const int bucket : buckets) numbers.push_back(std::to_string(bucket));
  return "d.bucket OPERATOR(pg_catalog.=) ANY ('{" + join(numbers, ",") + "}'::pg_catalog.int4[])";
}

void add_columns(DigestedRows &rows, const SyncPlan &plan, std::vector<std::string> values) {
  rows.keyed = plan.keyed();
  if (rows.hash.hex_floats)
    for (size_t n = 0; n < plan.columns.size(); ++n)
      for (const auto &[type, send] :
           {std::pair{"double precision", "float8send"}, std::pair{"real", "float4send"}})
        if (plan.columns[n].target_type == type)
          values[n] = "pg_catalog.encode(pg_catalog." + std::string(send) + "(" + values[n] + "), 'hex')";
  const auto add = [&](size_t n, bool to_key) {
    (to_key ? rows.key : rows.values).push_back(values[n]);
    (to_key ? rows.key_forms : rows.value_forms).push_back(form_of(values[n], plan.columns[n].target_type));
  };
  for (const std::string &name : plan.key)
    for (size_t n = 0; n < plan.columns.size(); ++n)
      if (plan.columns[n].name == name) add(n, true);
  for (size_t n = 0; n < plan.columns.size(); ++n)
    if (!plan.columns[n].key || !plan.keyed()) add(n, !plan.keyed());
}

}  // namespace

DigestedRows digested_source(const SourceRows &rows, const SyncPlan &plan, const std::string &pending,
                             int buckets, const RowHash &hash) {
  DigestedRows digested;
  std::vector<std::string> conditions, reads;
  for (const std::string &condition : rows.conditions) conditions.push_back(in_parentheses(condition));
  for (const ColumnPlan &column : plan.columns) reads.push_back(column.read);
  digested.from =
      (rows.query.empty() ? quote_qualified(rows.table->name) : in_parentheses(rows.query) + " AS q") +
      (conditions.empty() ? "" : " WHERE " + join(conditions, " AND "));
  digested.pending = pending;
  digested.buckets = buckets;
  digested.hash = hash;
  add_columns(digested, plan, reads);
  return digested;
}

DigestedRows digested_target(const QualifiedName &target, const SyncPlan &plan, int buckets,
                             const RowHash &hash) {
  DigestedRows digested;
  std::vector<std::string> values;
  for (const ColumnPlan &column : plan.columns) values.push_back("t." + quote_identifier(column.name));
  digested.from = quote_qualified(target) + " AS t";
  digested.buckets = buckets;
  digested.hash = hash;
  add_columns(digested, plan, values);
  return digested;
}

std::string hash_probe(std::int64_t seed) {
  // Jenkins' hash reads blocks of 12 bytes: covers every length of the last one, and multibyte characters.
  return "SELECT pg_catalog.current_setting('server_encoding') OPERATOR(pg_catalog.||) ' ' "
         "OPERATOR(pg_catalog.||) "
         "pg_catalog.string_agg(pg_catalog.hashtextextended(pg_catalog.substr('An "
         "äß0123456789abcdefghijklmnopqrstuvwxyz', "
         "1, n), '" +
         std::to_string(seed) +
         "'::pg_catalog.int8)::pg_catalog.text, ',' ORDER BY n) FROM pg_catalog.generate_series(0, 40) AS n";
}

std::string record_hash_probe(std::int64_t seed) {
  RowHash hash;
  hash.seed = seed;
  const std::vector<std::string> forms = {
      "n::pg_catalog.int2",
      "(7 OPERATOR(pg_catalog.-) n)::pg_catalog.int4",
      "n::pg_catalog.int8 OPERATOR(pg_catalog.*) 123456789012",
      "n::pg_catalog.oid",
      "n OPERATOR(pg_catalog.>) 1",
      "'2000-02-28'::pg_catalog.date OPERATOR(pg_catalog.+) n",
      "pg_catalog.md5(n::pg_catalog.text)::pg_catalog.uuid",
      "pg_catalog.decode(pg_catalog.md5(n::pg_catalog.text), 'hex')",
      "'12:34:56.789'::pg_catalog.time",
      "'2000-02-28 12:34:56.789'::pg_catalog.timestamp",
      "'2000-02-28 12:34:56.789+00'::pg_catalog.timestamptz",
      "pg_catalog.numeric_send(n OPERATOR(pg_catalog./) 7.0)",
      "pg_catalog.float8send(n OPERATOR(pg_catalog./) 7.0::pg_catalog.float8)",
      "NULL::pg_catalog.int4",
      "pg_catalog.repeat('äß', n) COLLATE pg_catalog.\"C\""};
  return "SELECT pg_catalog.string_agg(" + record_hash_of(forms, hash) +
         "::pg_catalog.text, ',' ORDER BY n) FROM pg_catalog.generate_series(0, 40) AS n";
}

std::string sum_buckets(const DigestedRows &rows) {
  return "SELECT d.bucket, pg_catalog.count(*), pg_catalog.sum(d.digest) FROM " + digests(rows, false) +
         " AS d WHERE NOT d.pending GROUP BY d.bucket";
}

std::string list_rows(const DigestedRows &rows, const std::vector<int> &buckets) {
  const std::string where = " AS d WHERE " + in_buckets(buckets);
  if (rows.keyed)
    return "SELECT d.key, d.digest::pg_catalog.text AS digest, d.columns, d.pending FROM " +
           digests(rows, true) + where;
  return "SELECT d.key, pg_catalog.count(*)::pg_catalog.text AS digest, ''::pg_catalog.text AS columns, "
         "pg_catalog.bool_or(d.pending) AS pending FROM " +
         digests(rows, true) + where + " GROUP BY d.key";
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
         ") AS t ON s.key OPERATOR(pg_catalog.=) t.key COLLATE pg_catalog.\"C\" WHERE s.pending IS NOT TRUE "
         "AND (s.key IS NULL OR "
         "t.key IS NULL OR "
         "s.digest OPERATOR(pg_catalog.<>) t.digest)";
}

std::string create_staged_differences(const QualifiedName &target, const SyncPlan &plan, bool but_keys) {
  const auto side = [&](const QualifiedName &table, const std::string &where) {
    DigestedRows rows = digested_target(table, plan, 1, {});
    rows.from += where;
    return "(" + list_rows(rows, {0}) + ")";
  };
  std::vector<std::string> equal;
  for (size_t n = 0; n < plan.key.size(); ++n) {
    const std::string column = quote_identifier(plan.key[n]);
    equal.push_back(plan.key_equality.empty() ? text_of_value("k." + column) + " OPERATOR(pg_catalog.=) " +
                                                    text_of_value("t." + column)
                                              : "k." + column + " " + plan.key_equality[n] + " t." + column);
  }
  const std::string others = but_keys ? " WHERE NOT EXISTS (SELECT FROM " + quote_qualified(keys_name) +
                                            " AS k WHERE " + join(equal, " AND ") + ")"
                                      : "";
  return "CREATE TEMPORARY TABLE tablesync_differences ON COMMIT DROP AS SELECT CASE WHEN t.key IS NULL THEN "
         "'missing' WHEN s.key IS NULL THEN 'extra' ELSE 'different' END AS kind, coalesce(s.key, t.key) AS "
         "key, "
         "s.columns AS source_columns, t.columns AS target_columns, s.digest AS source_digest, t.digest AS "
         "target_digest FROM " +
         side(stage_name, "") + " AS s FULL JOIN " + side(target, others) +
         " AS t ON s.key OPERATOR(pg_catalog.=) t.key WHERE s.key IS NULL OR t.key IS NULL OR s.digest "
         "OPERATOR(pg_catalog.<>) t.digest";
}

namespace {

// The value of a column of the key in a row of tablesync_differences.
std::string key_value(const std::string &alias, const SyncPlan &plan, size_t n) {
  for (const ColumnPlan &column : plan.columns)
    if (column.name == plan.key[n])
      return "CAST((" + alias + ".key::pg_catalog.text[])[" + std::to_string(n + 1) + "] AS " +
             column.target_type + ")" + column.collation;
  throw Error(sqlstate::internal, "the key has a column that is not planned");
}

}  // namespace

std::string match_equal_keys(const SyncPlan &plan) {
  std::vector<std::string> equal;
  for (size_t n = 0; n < plan.key.size(); ++n)
    equal.push_back(key_value("e", plan, n) + " " + plan.key_equality[n] + " " + key_value("m", plan, n));
  const std::string table = differences;
  return "WITH extra AS (DELETE FROM " + table + " AS e USING " + table +
         " AS m WHERE e.kind OPERATOR(pg_catalog.=) 'extra' AND m.kind OPERATOR(pg_catalog.=) 'missing' "
         "AND " +
         join(equal, " AND ") +
         " RETURNING m.key, e.target_columns, e.target_digest), missing AS (DELETE FROM " + table +
         " AS m USING extra AS e WHERE m.kind OPERATOR(pg_catalog.=) 'missing' AND m.key "
         "OPERATOR(pg_catalog.=) e.key RETURNING m.key, m.source_columns, e.target_columns, m.source_digest, "
         "e.target_digest) INSERT INTO " +
         table + " SELECT 'different', d.* FROM missing AS d";
}

std::string count_differences() {
  return std::string(
             "SELECT pg_catalog.count(*) FILTER (WHERE d.kind OPERATOR(pg_catalog.=) 'missing'), "
             "pg_catalog.count(*) FILTER "
             "(WHERE d.kind OPERATOR(pg_catalog.=) "
             "'extra'), pg_catalog.count(*) FILTER (WHERE d.kind OPERATOR(pg_catalog.=) 'different') FROM ") +
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
  return "SELECT " + join(texts, ", ") + " FROM " + differences +
         " AS d WHERE d.kind OPERATOR(pg_catalog.<>) 'extra'";
}

std::string insert_extra_keys(const QualifiedName &table, const SyncPlan &plan) {
  std::vector<std::string> names, values;
  for (size_t n = 0; n < plan.key.size(); ++n) {
    names.push_back(quote_identifier(plan.key[n]));
    values.push_back(key_value("d", plan, n));
  }
  return "INSERT INTO " + quote_qualified(table) + " (" + join(names, ", ") + ") SELECT " +
         join(values, ", ") + " FROM " + differences + " AS d WHERE d.kind OPERATOR(pg_catalog.=) 'extra'";
}

std::string delete_extra(const QualifiedName &target, const SyncPlan &plan) {
  std::vector<std::string> equal;
  for (size_t n = 0; n < plan.key.size(); ++n)
    equal.push_back("t." + quote_identifier(plan.key[n]) + " " + plan.key_equality[n] + " " +
                    key_value("d", plan, n));
  return "DELETE FROM " + quote_qualified(target) + " AS t USING " + differences +
         " AS d WHERE d.kind OPERATOR(pg_catalog.=) 'extra' AND " + join(equal, " AND ");
}

}  // namespace tablesync
