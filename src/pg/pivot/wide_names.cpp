#include "pg/pivot/wide_names.h"

extern "C" {
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

#include <algorithm>
#include <iterator>

#include "core/base/error.h"
#include "core/base/record.h"
#include "core/pivot/wide_table.h"
#include "pg/record/pivot_record.h"
#include "pg/server/airlock.h"
#include "pg/server/spi.h"

namespace tablesync::pg {
namespace {

constexpr char default_group[] = "default";

}  // namespace

std::vector<std::string> WideNames::groups() const {
  std::vector<std::string> groups;
  for (const auto &[group, pattern] : spec_.groups) groups.push_back(group);
  groups.emplace_back(groups.empty() ? "" : default_group);
  return groups;
}

std::string WideNames::group_of(const std::string &channel) const {
  for (const auto &[group, pattern] : spec_.groups) {
    const char *const text = channel.c_str();
    const char *const expression = pattern.c_str();
    if (call([&] {
          return DatumGetBool(DirectFunctionCall2Coll(textregexeq, C_COLLATION_OID, CStringGetTextDatum(text),
                                                      CStringGetTextDatum(expression)));
        }))
      return group;
  }
  return spec_.groups.empty() ? "" : default_group;
}

std::string WideNames::table_name(const std::string &ship, const std::string &group, int number) const {
  const std::string &prefix = spec_.target.name;
  if (number == 1) return wide_table_name(prefix, ship, group);
  return wide_table_name(prefix, ship,
                         group.empty() ? std::to_string(number) : group + "_" + std::to_string(number));
}

void WideNames::read_relations() {
  relations_.emplace();
  ships_.clear();
  std::map<unsigned int, std::string> by_oid;
  // In "C", lower() changes only ASCII letters.
  const Rows found = query(R"(
SELECT c.relname, c.oid
FROM pg_catalog.pg_class c
WHERE c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1)
  AND pg_catalog.starts_with(pg_catalog.lower(c.relname COLLATE "C"), $2)
ORDER BY c.relname)",
                           {spec_.target.schema, folded(spec_.target.name)});
  std::vector<unsigned int> oids;
  for (const Row &row : found) {
    const auto [name, oid] = values_of<std::string, unsigned int>(row);
    relations_->emplace(folded(name), name);
    oids.push_back(oid);
    by_oid.emplace(oid, name);
  }
  for (const ShipOfTable &known : ships_of_tables(oids)) ships_.emplace(by_oid.at(known.table), known.ship);
}

std::string WideNames::find(const std::string &table) {
  if (!relations_) read_relations();
  const auto [first, end] = relations_->equal_range(folded(table));
  if (first == end) return {};
  const auto second = std::next(first);
  if (second == end) return first->second;
  throw Error("42725",
              "there is more than one table that could be \"" +
                  display_name(QualifiedName{spec_.target.schema, table}) + "\"",
              "Among them are \"" + first->second + "\" and \"" + second->second + "\".",
              "Rename or drop all but one.");
}

std::string WideNames::find(const std::string &ship, const std::string &group, int number) {
  const std::string first = table_name(ship, group, 1);
  if (number > 1 && first.size() + 1 + std::to_string(number).size() > most_name_bytes) return {};
  return find(table_name(ship, group, number));
}

bool WideNames::is_of(const std::string &ship, const std::string &relation) const {
  const auto [first, end] = ships_.equal_range(relation);
  return std::any_of(first, end, [&](const auto &known) { return known.second == ship; });
}

bool WideNames::is_of_another(const std::string &ship, const std::string &group,
                              const std::string &relation) const {
  return find_other(ship, group, relation).has_value();
}

std::optional<WideNames::Owner> WideNames::find_other(const std::string &ship, const std::string &group,
                                                      const std::string &table) const {
  const auto owner = owners_.find(table);
  if (owner != owners_.end() && (owner->second.ship != ship || owner->second.group != group))
    return owner->second;
  const auto [first, end] = ships_.equal_range(table);
  const auto other = std::find_if(first, end, [&](const auto &known) { return known.second != ship; });
  return other == end ? std::nullopt : std::optional(Owner{other->second, {}});
}

void WideNames::refuse_other_ship(const std::string &ship, const std::string &group,
                                  const std::string &table) {
  const std::string existing = find(table);
  const std::optional<Owner> other = find_other(ship, group, existing.empty() ? table : existing);
  if (!other) return;
  const std::string same =
      " have the same wide table, \"" + display_name(QualifiedName{spec_.target.schema, table}) + "\"";
  if (other->ship == ship)
    throw Error("42710",
                "groups \"" + other->group + "\" and \"" + group + "\" of ship \"" + ship + "\"" + same,
                "The names of further tables of a group end with a number.", "Rename one of the groups.");
  throw Error("42710", "ships \"" + other->ship + "\" and \"" + ship + "\"" + same,
              "Table names are in lower case.",
              "Pass each ship in a call of its own, with its own table_prefix.");
}

}  // namespace tablesync::pg
