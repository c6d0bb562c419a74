// WideNames: the names of the wide tables of ships, the group of a channel, and the ship of a table.
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

  // The groups that a ship's channels can belong to: one, without a name, where the call has none.
  std::vector<std::string> groups() const;
  std::string group_of(const std::string &channel) const;
  // The name of the `number`th table of the ship's group, from 1. Throws like wide_table_name().
  std::string table_name(const std::string &ship, const std::string &group, int number) const;

  // Returns the existing relation of that name, in whichever spelling; empty where there is none. Reads the
  // schema once. Throws 42725 where several relations match.
  std::string find(const std::string &table);
  // The same by table_name(). Empty where that name would be too long.
  std::string find(const std::string &ship, const std::string &group, int number);
  // Makes find() read the schema again, because others may create relations.
  void forget_relations() { relations_.reset(); }

  // Assigns the table to that group of the ship, in this pivot.
  void give(const std::string &table, const std::string &ship, const std::string &group) {
    owners_[table] = {ship, group};
  }
  // Throws 42710 where the table exists and has the readings of another ship or group.
  void refuse_other_ship(const std::string &ship, const std::string &group, const std::string &table);
  // Whether a relation, as find() returns it, is recorded as a table of the ship; or of another ship or
  // group.
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
