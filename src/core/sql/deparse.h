// The SQL that touches the user's tables on the target. Names and operators are qualified throughout, since
// it runs with the caller's search_path (so that the target's triggers see the path that they would see in
// the caller's own session).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/table/sync_plan.h"
#include "core/table/table.h"

namespace tablesync {

// ---- on the target -------------------------------------------------------------------------------------

// One column of a table to be made: its description on the source and its type here.
struct NewColumn {
  const Column *source;
  std::string sql_type;
  bool has_collation = false;  // the source's collation exists here
};
std::string create_table(const QualifiedName &name, const std::vector<NewColumn> &columns);
// COMMENT statements for the table and its columns; empty where the source has none.
std::vector<std::string> comments(const QualifiedName &name, const Table &source);
std::string add_primary_key(const QualifiedName &name, const std::vector<std::string> &key);
// The same with the help of one parallel worker, for large tables. PostgreSQL would take one by itself only
// where maintenance_work_mem is 64 MB or more; asked by the table's own setting, it takes one at any size.
std::string add_primary_key_in_parallel(const QualifiedName &name, const std::vector<std::string> &key);
// Sets the sequence of an identity column to the column's highest value, never back.
std::string advance_identity(const QualifiedName &name, const std::string &column);
std::string rename_table(const QualifiedName &table, const std::string &name);
std::string drop_table(const QualifiedName &table);
std::string is_empty(const QualifiedName &name);    // one boolean
std::string count_rows(const QualifiedName &name);  // one bigint
// Of the given columns; of all where none is given.
std::string analyze(const QualifiedName &name, const std::vector<std::string> &columns = {});

// ---- staging -------------------------------------------------------------------------------------------

extern const QualifiedName stage_name;  // of SyncPlan::stage, unless a run says otherwise
extern const QualifiedName keys_name;   // the keys of all rows that the source has

// What came over the wire in another form than the target's, before it is converted into the stage.
extern const QualifiedName received_name;

// What becomes of it when its transaction commits: it is gone, or there for others of this session, without
// or with its rows.
enum class OnCommit { drop, empty, keep };
std::string create_stage(const QualifiedName &name, const SyncPlan &plan,
                         OnCommit on_commit = OnCommit::drop);
// The same as a table that other sessions see too: several of them fill it.
std::string create_shared_stage(const QualifiedName &name, const SyncPlan &plan);
std::string create_received(const SyncPlan &plan);
std::string convert_received(const QualifiedName &stage_table, const SyncPlan &plan);
std::string drop_received();
std::string table_exists(const QualifiedName &table);  // one boolean
// A key that a table of the plan's columns holds more than once, or with a null in it: one row, text and true
// if null; or none.
std::string find_bad_key(const QualifiedName &table, const SyncPlan &plan);
// So many keys of the stage, as text.
std::string staged_keys(const SyncPlan &plan, std::int64_t count);
std::string count_staged(const SyncPlan &plan);  // one bigint: without those that are to be deleted

// Rows of the target whose key is not in the stage, or not among the keys.
enum class KeysOf { stage, keys };
std::string delete_missing(const QualifiedName &target, const SyncPlan &plan, KeysOf kept);
// Keys, as text, that are neither in the target nor in the stage.
std::string find_absent_keys(const QualifiedName &target, const SyncPlan &plan);
// Rows of the target that the stage marks as deleted. All other statements leave these out.
std::string delete_marked(const QualifiedName &target, const SyncPlan &plan);

// With a key: changed and new rows. Unchanged rows are not touched; "changed" is record identity (*<>), which
// sees -0 and 0, 1.0 and 1.00, and the spaces in json.
std::string merge(const QualifiedName &target, const SyncPlan &plan);
// The same as two statements, each of which says exactly how many rows it meant: then insert_absent().
std::string update_changed(const QualifiedName &target, const SyncPlan &plan);
// The same by deleting first, for swapped values under a second unique index and for columns that cannot be
// updated: delete the changed rows, then insert what is absent.
std::string delete_changed(const QualifiedName &target, const SyncPlan &plan);
std::string insert_absent(const QualifiedName &target, const SyncPlan &plan);

// A row of the target, not the one with the same key, that holds the values of the unique index which a row
// of the stage has: the texts of its key and of the values. Or none.
std::string find_blocking_row(const QualifiedName &target, const SyncPlan &plan, const UniqueKey &index);

// Rows of a target that has no key yet, whose key others have too.
std::string delete_repeated(const QualifiedName &target, const SyncPlan &plan);

// Without a key: both sides as multisets of rows (of their text, which tells apart what identity does).
std::string create_difference(const QualifiedName &target, const SyncPlan &plan);
// One row: rows that the target lacks, rows that it has too many.
std::string sum_difference();
std::string delete_surplus(const QualifiedName &target, const SyncPlan &plan);
std::string insert_shortfall(const QualifiedName &target, const SyncPlan &plan);

}  // namespace tablesync
