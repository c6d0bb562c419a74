// SyncPlan: how each column is copied from the source to the target, and by which key rows are matched. It is
// made once per run from the two descriptions. Pairs of types that could lose or change a value are refused
// before a row is read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/table/table.h"

namespace tablesync {

struct ColumnPlan {
  std::string name;
  std::string read;              // expression over the source's row
  std::string target_type;       // SQL type of the column on the target and in the stage
  std::string collation;         // " COLLATE ..." or empty
  std::string wire_type;         // the type in which the value arrives, if not the target's
  std::string convert;           // then the expression over the received row r for the target's value
  bool always_identity = false;  // may be inserted (OVERRIDING SYSTEM VALUE), never updated
  bool key = false;

  bool converted() const { return !convert.empty(); }
};

struct SyncPlan {
  std::vector<ColumnPlan> columns;
  std::vector<std::string> key;           // target columns; empty: rows are compared as a multiset
  std::vector<std::string> key_equality;  // per key column: OPERATOR(schema.=); empty without an index
  bool key_proven = false;                // it is the source's primary key: unique and not null on both sides
  std::string key_doubt;                  // why not, in a sentence; empty if key_proven, or without a key
  bool key_is_coarser = false;            // different keys of the source may be equal on the target
  QualifiedName stage{"pg_temp", "tablesync_stage"};  // the table of rows to apply
  bool target_key_pending = false;  // the target is new: its primary key is built after the load
  // A condition that rows t of the target meet whose key is in the stage: see within_bounds(). Or empty.
  std::string bounds;
  std::optional<ColumnPlan> mark;  // soft delete: a further column of the stage, true for rows to delete

  bool keyed() const { return !key.empty(); }
  bool converts() const;       // a column is converted after it arrived
  SyncPlan key_alone() const;  // the same with the key's columns only
  SyncPlan staged() const;     // the same with all columns of the stage
  bool has_updatable_columns() const;
  bool updates_need_replace() const;  // a changed GENERATED ALWAYS identity cannot be updated
};

// Plans a sync of `source` into `target`. `wanted_key`: the user's key, or empty. `target_is_new`: this run
// created it, without a key. Throws 42703 (column without counterpart, key column missing), 42701
// (key column twice), 42804 (types that do not fit), 42P10 (no usable unique index, nullable key column).
SyncPlan plan_sync(const Table &source, const Table &target, const std::vector<std::string> &wanted_key,
                   bool target_is_new, bool empty_string_as_null = false);

}  // namespace tablesync
