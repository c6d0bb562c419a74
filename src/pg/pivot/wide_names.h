// WideNames: what the wide tables of ships are called, which group a channel is of, and whose a table is.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/pivot_spec.h"

namespace tablesync::pg {

class WideNames {
 public:
  explicit WideNames(const PivotSpec &spec) : spec_(spec) {}

  // The groups that a ship's channels can be of: one, without a name, where the call has none.
  std::vector<std::string> groups() const;
  std::string group_of(const std::string &channel) const;
  // Of the `number`th table of the ship's group, from 1. Throws as wide_table_name().
  std::string table_name(const std::string &ship, const std::string &group, int number) const;

  // The relation by that name as it is there, in whichever spelling; empty where there is none. The schema is
  // looked at once. Throws 42725 where there are several.
  std::string find(const std::string &table);
  // Others may make relations: the schema is looked at again.
  void forget_relations() { relations_.reset(); }

  void give(const std::string &table, const std::string &ship) { owners_[table] = ship; }
  // Throws 42710 where it is another ship's.
  void refuse_other_ship(const std::string &ship, const std::string &table) const;

 private:
  void read_relations();

  const PivotSpec &spec_;
  std::optional<std::multimap<std::string, std::string>> relations_;  // by their folded names
  std::map<std::string, std::string> owners_;                         // of tables: ships
};

}  // namespace tablesync::pg
