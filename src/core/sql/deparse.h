// The SQL that touches the user's tables on the target. All names and operators are qualified, because it
// runs with the caller's search_path, so that the target's triggers see the path of the caller's session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/rows.h"
#include "core/table/sync_plan.h"
#include "core/table/table.h"

namespace tablesync {

// ---- on the target -------------------------------------------------------------------------------------

// One column of a table to be created: its description on the source and its type on the target.
struct NewColumn {
  const Column *source;
  std::string sql_type;
  bool has_collation = false;  // the source's collation exists on the target
};
std::string create_table(const QualifiedName &name, const std::vector<NewColumn> &columns);
// COMMENT statements for the table and its columns; empty if the source has none.
std::vector<std::string> comments(const QualifiedName &name, const Table &source);
std::string add_primary_key(const QualifiedName &name, const std::vector<std::string> &key);
// Adds a primary key with the help of one parallel worker, for large tables. By default PostgreSQL uses one
// only if maintenance_work_mem is 64 MB or more; with the table's parallel_workers it uses one at any size.
std::string add_primary_key_in_parallel(const QualifiedName &name, const std::vector<std::string> &key);
// Sets the sequence of an identity column to the column's highest value, never back.
std::string advance_identity(const QualifiedName &name, const std::string &column);
std::string rename_table(const QualifiedName &table, const std::string &name);
std::string drop_table(const QualifiedName &table);
std::string is_empty(const QualifiedName &name);    // one boolean
std::string count_rows(const QualifiedName &name);  // one bigint
// Analyzes the given columns, or all if none is given.
std::string analyze(const QualifiedName &name, const std::vector<std::string> &columns = {});

// ---- staging -------------------------------------------------------------------------------------------

extern const QualifiedName stage_name;   // of SyncPlan::stage, unless a run says otherwise
extern const QualifiedName keys_name;    // the keys of all rows that the source has
extern const QualifiedName absent_name;  // see insert_absent_keys()
extern const QualifiedName gone_name;    // see gone_rows()

// Rows that arrived in another form than the target's, before they are converted into the stage.
extern const QualifiedName received_name;

// What happens to the stage when its transaction commits: it is dropped, or kept for later transactions of
// this session, emptied or with its rows.
enum class OnCommit { drop, empty, keep };
std::string create_stage(const QualifiedName &name, const SyncPlan &plan,
                         OnCommit on_commit = OnCommit::drop);
// Creates the stage as a table that other sessions see, so that several can fill it.
std::string create_shared_stage(const QualifiedName &name, const SyncPlan &plan);
std::string create_received(const SyncPlan &plan);
std::string convert_received(const QualifiedName &stage_table, const SyncPlan &plan);
std::string drop_received();
std::string table_exists(const QualifiedName &table);  // one boolean
// Finds a key that is duplicated in a table of the plan's columns, or has a null: one row with its text and
// whether it has a null, or none.
std::string find_bad_key(const QualifiedName &table, const SyncPlan &plan);
// Up to `count` keys of the stage, as text.
std::string staged_keys(const SyncPlan &plan, std::int64_t count);
// The lowest and the highest value of the stage in each column of the key for which within_bounds() has a
// condition, as text; or no row. Empty where there is no such column.
std::string select_bounds(const SyncPlan &plan);
// SyncPlan::bounds from the result of select_bounds(). The planner then sees which partitions of the target
// can have rows with these keys.
std::string within_bounds(const SyncPlan &plan, const Row &bounds);
std::string count_staged(const SyncPlan &plan);  // one bigint, without rows marked as deleted

// Deletes rows of the target whose key is not in the stage, or not in keys_name.
enum class KeysOf { stage, keys };
std::string delete_missing(const QualifiedName &target, const SyncPlan &plan, KeysOf kept);
// The columns of gone_name, which lists rows of the target that the source lacks: their key; where the table
// has none, the place of each row.
SyncPlan gone_rows(const SyncPlan &plan);
// Deletes the rows in gone_name, but none whose key is in the stage: it may look different there, as 1.0 and
// 1.00 do.
std::string delete_gone(const QualifiedName &target, const SyncPlan &plan);
// Puts into absent_name the keys of keys_name that are neither in the target nor in the stage.
std::string insert_absent_keys(const QualifiedName &target, const SyncPlan &plan);
// The keys in so many blocks of absent_name from `block` on, as text.
std::string absent_keys(const SyncPlan &plan, std::int64_t block, std::int64_t blocks);
// Deletes rows of the target that the stage marks as deleted. All other statements ignore marked rows.
std::string delete_marked(const QualifiedName &target, const SyncPlan &plan);

// With a key: writes changed and new rows. "Changed" is record identity (*<>), which distinguishes -0 and
// 0, 1.0 and 1.00, and spaces in json. Unchanged rows are not touched.
std::string merge(const QualifiedName &target, const SyncPlan &plan);
// merge() as two statements, each of which returns an exact row count: insert_absent() follows.
std::string update_changed(const QualifiedName &target, const SyncPlan &plan);
// merge() by deletion, for swapped values under a second unique index and for columns that cannot be updated:
// deletes the changed rows; insert_absent() follows.
std::string delete_changed(const QualifiedName &target, const SyncPlan &plan);
std::string insert_absent(const QualifiedName &target, const SyncPlan &plan);
// Inserts all rows of the stage.
std::string insert_staged(const QualifiedName &target, const SyncPlan &plan);

// Finds a row of the target that has the values of a unique index which a row of the stage with another key
// has: the texts of its key and of the values; or no row.
std::string find_blocking_row(const QualifiedName &target, const SyncPlan &plan, const UniqueKey &index);

// Deletes rows with duplicate keys from a target that has no key yet.
std::string delete_repeated(const QualifiedName &target, const SyncPlan &plan);

// Without a key: compares both sides as multisets of rows, by their text, which differs if identity does.
std::string create_difference(const QualifiedName &target, const SyncPlan &plan);
// One row: how many rows the target lacks, and how many it has too many.
std::string sum_difference();
std::string delete_surplus(const QualifiedName &target, const SyncPlan &plan);
std::string insert_shortfall(const QualifiedName &target, const SyncPlan &plan);

}  // namespace tablesync
