#include "core/table/sync_plan.h"

#include <algorithm>
#include <optional>

#include "core/base/error.h"
#include "core/table/conversion.h"

namespace tablesync {
namespace {

ColumnPlan plan_column(const Column &source, const Column &target, const Table &target_table,
                       bool empty_string_as_null) {
  ColumnPlan plan;
  plan.name = source.name;
  plan.target_type = qualified_type(target);
  plan.always_identity = target.identity == 'a';
  if (target.collation) plan.collation = " COLLATE " + quote_qualified(*target.collation);
  const std::optional<Conversion> conversion = find_conversion(source, target, empty_string_as_null);
  if (!conversion && source.type == target.type && source.signature != target.signature)
    throw Error(sqlstate::datatype_mismatch,
                "column \"" + source.name + "\": source type " + source.sql_type +
                    " differs from the target's type of that name",
                "On the source it is " + source.signature + "; on the target it is " + target.signature + ".",
                "Define both types with the same fields in the same order, or give the target a column "
                "of type text.");
  if (!conversion)
    throw Error(sqlstate::datatype_mismatch,
                "column \"" + source.name + "\": source type " + source.sql_type + " cannot be assigned to " +
                    target.sql_type,
                "Copying values into " + display_name(target_table.name) + " could lose or change them.",
                "Give the target column a type that holds every value of the source: ALTER TABLE " +
                    display_name(target_table.name) + " ALTER COLUMN " + display_name(source.name) +
                    " TYPE ....");
  plan.read = conversion->read;
  plan.wire_type = conversion->wire_type;
  plan.convert = conversion->convert;
  return plan;
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
            std::string("The key names it, but the ") + (table == &source ? "source" : "target") +
                " lacks it.");
    if (target.find_column(*column)->generated)
      throw Error(sqlstate::invalid_key, "key column \"" + *column + "\" of the target is generated",
                  "A generated column cannot be written.");
  }
}

// The columns by which rows are matched: the user's, else the source's primary key, else (for example for a
// view) the target's.
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

// `required`: rows will be written by the key.
void use_target_index(SyncPlan &plan, const Table &target, bool required) {
  const UniqueKey *index = target.find_key(plan.key);
  if (index == nullptr && !required) return;
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
    if (required && !target.find_column(column)->not_null)
      throw Error(sqlstate::invalid_key, "key column \"" + column + "\" allows nulls",
                  "Nulls never match and would be inserted again on every run.",
                  "ALTER TABLE " + display_name(target.name) + " ALTER COLUMN " + display_name(column) +
                      " SET NOT NULL.");
  plan.key = index->columns;
  plan.key_equality = index->equality;
}

// Why two rows of the source may have the same key; empty if its primary key excludes that.
std::string doubt_of_source(const Table &source, const SyncPlan &plan) {
  const std::string name = "\"" + display_name(source.name) + "\"";
  const UniqueKey *primary = source.primary_key();
  if (source.is_query) return "A query may return a row of " + name + " more than once.";
  if (primary == nullptr || source.find_key(plan.key) != primary)
    return "It is not the primary key of " + name + ".";
  if (source.kind == 'r' && source.has_children)
    return "The primary key of " + name + " does not cover the rows of its child tables.";
  return {};
}

// Why two keys of the source may be equal on the target; empty if they cannot.
std::string doubt_of_column(const ColumnPlan &column, const Column &source, const Column &target) {
  if (column.converted()) return "Column \"" + column.name + "\" is converted during the copy.";
  const bool same = !source.deterministic && source.collation == target.collation;
  if (target.deterministic || same) return {};
  return "The collation " + (target.collation ? display_name(*target.collation) : "of its type") +
         " of column \"" + column.name + "\" on the target treats different texts as equal.";
}

}  // namespace

bool SyncPlan::converts() const {
  return std::any_of(columns.begin(), columns.end(), [](const auto &c) { return c.converted(); });
}

SyncPlan SyncPlan::key_alone() const {
  SyncPlan plan = *this;
  std::erase_if(plan.columns, [](const auto &c) { return !c.key; });
  plan.mark.reset();
  return plan;
}

SyncPlan SyncPlan::staged() const {
  SyncPlan plan = *this;
  if (mark) plan.columns.push_back(*mark);
  return plan;
}

bool SyncPlan::has_updatable_columns() const {
  return std::any_of(columns.begin(), columns.end(), [](const auto &c) { return !c.always_identity; });
}

bool SyncPlan::updates_need_replace() const {
  return std::any_of(columns.begin(), columns.end(),
                     [](const auto &c) { return c.always_identity && !c.key; });
}

SyncPlan plan_sync(const Table &source, const Table &target, const std::vector<std::string> &wanted_key,
                   bool target_is_new, bool empty_string_as_null) {
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
    if (!counterpart->generated)
      plan.columns.push_back(plan_column(column, *counterpart, target, empty_string_as_null));
  }

  plan.key = choose_key(source, target, wanted_key);
  check_key_columns(plan.key, source, target);
  if (plan.keyed()) plan.key_doubt = doubt_of_source(source, plan);
  plan.target_key_pending = target_is_new && plan.keyed();
  if (plan.keyed()) use_target_index(plan, target, !target_is_new);
  for (ColumnPlan &column : plan.columns) {
    column.key = std::find(plan.key.begin(), plan.key.end(), column.name) != plan.key.end();
    if (!column.key) continue;
    const std::string doubt =
        doubt_of_column(column, *source.find_column(column.name), *target.find_column(column.name));
    if (doubt.empty()) continue;
    plan.key_is_coarser = true;
    plan.key_doubt = doubt;
  }
  plan.key_proven = plan.keyed() && plan.key_doubt.empty();
  return plan;
}

}  // namespace tablesync
