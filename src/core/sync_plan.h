// SyncPlan: how each column travels from the source to the target, and which key rows are matched by.
// Decided once per run, from the two descriptions; a pair of types that could lose or garble a value is
// refused here, before a row is read.
#pragma once

#include <string>
#include <vector>

#include "core/table.h"

namespace tablesync {

struct ColumnPlan {
  std::string name;
  std::string read;             // expression over the source's row
  std::string stage_type;       // SQL type of the staging column
  std::string stage_collation;  // " COLLATE ..." or empty
  bool cast_in_merge = false;   // staged as text; the MERGE casts it to target_type
  std::string target_type;
  bool always_identity = false;  // may be inserted (OVERRIDING SYSTEM VALUE), never updated
  bool key = false;
};

struct SyncPlan {
  std::vector<ColumnPlan> columns;
  std::vector<std::string> key;           // target columns; empty: rows are compared as a multiset
  std::vector<std::string> key_equality;  // per key column: OPERATOR(schema.=)
  bool key_proven = false;                // the source's own primary key: unique and not null there
  bool target_key_pending = false;        // the target is new: its primary key is built after the load

  bool keyed() const { return !key.empty(); }
  bool needs_stage() const;  // some column must be cast after it arrived
  bool has_updatable_columns() const;
  bool updates_need_replace() const;  // a changed GENERATED ALWAYS identity cannot be updated
};

// Plans a sync of `source` into `target`. `wanted_key`: what the user gave, or empty. `target_is_new`: it was
// made by this run and has no key yet. Throws 42703 (column without counterpart, key column missing), 42701
// (key column twice), 42804 (types that do not fit), 42P10 (no usable unique index, nullable key column).
SyncPlan plan_sync(const Table &source, const Table &target, const std::vector<std::string> &wanted_key,
                   bool target_is_new);

}  // namespace tablesync
