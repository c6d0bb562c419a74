#include "core/sync_plan.h"

#include <algorithm>
#include <optional>

#include "core/error.h"

namespace tablesync {
namespace {

bool builtin(const Column &column, const char *name) {
  return column.type.schema == "pg_catalog" && !column.type.is_array && column.type.name == name;
}

bool is_string(const Column &c) {
  return builtin(c, "text") || builtin(c, "varchar") || builtin(c, "bpchar");
}

bool same_type(const Column &a, const Column &b) { return a.type == b.type && a.signature == b.signature; }

// Whether every value of the source's typmod fits the target's unchanged, or is refused with an error when it
// arrives (character types: 22001). The encodings are those of the types' typmodin functions.
bool typmod_fits(const Column &source, const Column &target) {
  if (target.typmod == -1 || source.typmod == target.typmod) return true;
  if (is_string(target)) return true;
  if (target.type.is_array || source.typmod == -1) return false;
  if (builtin(target, "numeric")) {
    // numerictypmodin(): precision in the upper 16 bits, scale in the lower 11 (signed), plus 4.
    const auto precision = [](int typmod) { return ((typmod - 4) >> 16) & 0xffff; };
    const auto scale = [](int typmod) { return (((typmod - 4) & 0x7ff) ^ 1024) - 1024; };
    return scale(target.typmod) >= scale(source.typmod) &&
           precision(target.typmod) - scale(target.typmod) >= precision(source.typmod) - scale(source.typmod);
  }
  const bool by_size = builtin(target, "varbit") || builtin(target, "timestamp") ||
                       builtin(target, "timestamptz") || builtin(target, "time") || builtin(target, "timetz");
  return by_size && target.typmod >= source.typmod;
}

// Pairs of different types that lose nothing. The cast is done by the source, so that the bytes on the wire
// are those of the target's type.
std::optional<std::string> lossless_cast(const Column &source, const Column &target) {
  struct Pair {
    const char *from, *to;
  };
  static constexpr Pair pairs[] = {
      {"int2", "int4"},    {"int2", "int8"},     {"int2", "numeric"},   {"int4", "int8"},
      {"int4", "numeric"}, {"int8", "numeric"},  {"int2", "float4"},    {"int2", "float8"},
      {"int4", "float8"},  {"float4", "float8"}, {"date", "timestamp"},
  };
  if (target.typmod == -1)
    for (const Pair &pair : pairs)
      if (builtin(source, pair.from) && builtin(target, pair.to))
        return std::string("::pg_catalog.") + pair.to;
  if (is_string(source) && is_string(target)) return "::pg_catalog.text";
  // Anything can be kept as its text: what a target gets that was made where the type is missing.
  if ((builtin(target, "text") || builtin(target, "varchar")) && target.typmod == -1)
    return "::pg_catalog.text";
  return std::nullopt;
}

ColumnPlan plan_column(const Column &source, const Column &target, const Table &target_table) {
  ColumnPlan plan;
  plan.name = source.name;
  plan.read = quote_identifier(source.name);
  plan.stage_type = plan.target_type = target.sql_type;
  plan.always_identity = target.identity == 'a';
  if (target.collation) plan.stage_collation = " COLLATE " + quote_qualified(*target.collation);

  if (same_type(source, target) && typmod_fits(source, target)) {
    if (!source.binary_safe || !target.binary_safe) {
      plan.read += "::pg_catalog.text";
      plan.stage_type = "pg_catalog.text";
      plan.stage_collation.clear();
      plan.cast_in_merge = true;
    }
    return plan;
  }
  if (const auto cast = lossless_cast(source, target)) {
    plan.read += *cast;
    return plan;
  }
  throw Error(sqlstate::datatype_mismatch,
              "column \"" + source.name + "\": source type " + source.sql_type + " cannot be assigned to " +
                  target.sql_type,
              "Values could be lost or changed on the way into " + display_name(target_table.name) + ".",
              "Give the target column a type that holds every value of the source: ALTER TABLE " +
                  display_name(target_table.name) + " ALTER COLUMN " + display_name(source.name) +
                  " TYPE ....");
}

void check_key_columns(const std::vector<std::string> &key, const Table &source, const Table &target) {
  for (auto column = key.begin(); column != key.end(); ++column) {
    if (std::find(key.begin(), column, *column) != column)
      throw Error("42701", "column \"" + *column + "\" specified more than once in primary_key");
    for (const Table *table : {&source, &target})
      if (table->find_column(*column) == nullptr)
        throw Error(
            sqlstate::undefined_column,
            "column \"" + *column + "\" of relation \"" + display_name(table->name) + "\" does not exist",
            std::string("It is named in the key, and missing on the ") +
                (table == &source ? "source." : "target."));
    if (target.find_column(*column)->generated)
      throw Error(sqlstate::invalid_key, "key column \"" + *column + "\" of the target is generated",
                  "A generated column cannot be written.");
  }
}

// Which columns rows are matched by: what the user gave, else the source's primary key, else (for a view,
// say) the target's own.
std::vector<std::string> choose_key(const Table &source, const Table &target,
                                    const std::vector<std::string> &wanted) {
  if (!wanted.empty()) return wanted;
  if (const UniqueKey *primary = source.primary_key()) return primary->columns;
  if (const UniqueKey *primary = target.primary_key()) {
    const bool in_source = std::all_of(primary->columns.begin(), primary->columns.end(),
                                       [&](const auto &c) { return source.find_column(c) != nullptr; });
    if (in_source) return primary->columns;
  }
  return {};
}

void use_target_index(SyncPlan &plan, const Table &target) {
  const UniqueKey *index = target.find_key(plan.key);
  std::vector<std::string> names;
  for (const std::string &column : plan.key) names.push_back(display_name(column));
  const std::string columns = join(names, ", ");
  if (index == nullptr)
    throw Error(
        sqlstate::invalid_key,
        "there is no usable unique index on key (" + columns + ") of \"" + display_name(target.name) + "\"",
        "It must be unique, valid, not deferrable, not partial, and on these columns alone.",
        "ALTER TABLE " + display_name(target.name) + " ADD PRIMARY KEY (" + columns +
            "), or pass primary_key => ARRAY[...].");
  for (const std::string &column : index->columns)
    if (!target.find_column(column)->not_null)
      throw Error(sqlstate::invalid_key, "key column \"" + column + "\" allows nulls",
                  "Nulls never match and would be inserted again on every run.",
                  "ALTER TABLE " + display_name(target.name) + " ALTER COLUMN " + display_name(column) +
                      " SET NOT NULL.");
  plan.key = index->columns;
  plan.key_equality = index->equality;
}

}  // namespace

bool SyncPlan::needs_stage() const {
  return std::any_of(columns.begin(), columns.end(), [](const auto &c) { return c.cast_in_merge; });
}

bool SyncPlan::has_updatable_columns() const {
  return std::any_of(columns.begin(), columns.end(), [](const auto &c) { return !c.always_identity; });
}

bool SyncPlan::updates_need_replace() const {
  return std::any_of(columns.begin(), columns.end(),
                     [](const auto &c) { return c.always_identity && !c.key; });
}

SyncPlan plan_sync(const Table &source, const Table &target, const std::vector<std::string> &wanted_key,
                   bool target_is_new) {
  SyncPlan plan;
  for (const Column &column : source.columns) {
    const Column *counterpart = target.find_column(column.name);
    if (counterpart == nullptr)
      throw Error(sqlstate::undefined_column,
                  "source column \"" + column.name + "\" has no target column in \"" +
                      display_name(target.name) + "\"",
                  {},
                  "ALTER TABLE " + display_name(target.name) + " ADD COLUMN " + display_name(column.name) +
                      " " + column.sql_type + ".");
    if (!counterpart->generated) plan.columns.push_back(plan_column(column, *counterpart, target));
  }

  plan.key = choose_key(source, target, wanted_key);
  check_key_columns(plan.key, source, target);
  const UniqueKey *primary = source.primary_key();
  plan.key_proven = primary != nullptr && source.find_key(plan.key) == primary;
  plan.target_key_pending = target_is_new && plan.keyed();
  if (plan.keyed() && !target_is_new) use_target_index(plan, target);
  for (ColumnPlan &column : plan.columns)
    column.key = std::find(plan.key.begin(), plan.key.end(), column.name) != plan.key.end();
  return plan;
}

}  // namespace tablesync
