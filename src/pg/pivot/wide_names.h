// WideNames: what the wide tables of ships are called, which group a channel is of, and whose a table is.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/spec/pivot_spec.h"

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
  // The same by table_name(). None has a name that is too long.
  std::string find(const std::string &ship, const std::string &group, int number);
  // Others may make relations: the schema is looked at again.
  void forget_relations() { relations_.reset(); }

  // In this pivot the table is of that group of the ship.
  void give(const std::string &table, const std::string &ship, const std::string &group) {
    owners_[table] = {ship, group};
  }
  // Throws 42710 where the table, if it is there, has the readings of another ship, or of another group.
  void refuse_other_ship(const std::string &ship, const std::string &group, const std::string &table);
  // Of a relation as find() gives it: whether it is on record as a table of the ship; or of another one, or
  // another group.
  bool is_of(const std::string &ship, const std::string &relation) const;
  bool is_of_another(const std::string &ship, const std::string &group, const std::string &relation) const;

 private:
  struct Owner {
    std::string ship, group;
  };

  void read_relations();
  std::optional<Owner> find_other(const std::string &ship, const std::string &group,
                                  const std::string &table) const;

  const PivotSpec &spec_;
  std::optional<std::multimap<std::string, std::string>> relations_;  // by their folded names
  std::multimap<std::string, std::string> ships_;  // of relations, by the records of every pivot
  std::map<std::string, Owner> owners_;            // of tables
};

}  // namespace tablesync::pg
