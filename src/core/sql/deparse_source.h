// The SQL that runs on the source. All names and operators are qualified, because the search_path may be that
// of another role.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/rows.h"
#include "core/table/sync_plan.h"
#include "core/table/table.h"

namespace tablesync {

// Resolves $1 (SQL form of a name): oid, schema, name, relkind, the role's search_path. Runs outside a
// transaction.
std::string resolve_query();

// Opens the reading transaction: first the settings, then the locks that block DDL, and no query yet, so that
// the snapshot is taken after the locks. All settings are SET LOCAL, so nothing leaks through a connection
// pooler.
struct BeginReading {
  std::int64_t time_limit_ms = 0;   // of one statement; 0: the setting of the role
  std::string snapshot;             // exported by another connection; empty: takes its own
  std::string time_zone = "UTC";    // in which the statements run
  std::vector<std::string> locked;  // further relations to lock: names in SQL form
};
std::string begin_reading(const QualifiedName &table, char kind, int server_version_num,
                          const BeginReading &options = {});
// Whether begin_reading() locks all relations that a statement over only this table reads.
bool locks_all_it_reads(char kind, int server_version_num);

// Exports the transaction's snapshot and returns its name. Other connections can import it while the
// transaction is open, so the limit on idle transactions is lifted first.
std::string lift_idle_limit();
std::string export_snapshot_query();
// The files of a table, whose oid is $1, or of its partitions and children. Each row has: whether the server
// is in recovery, the number of blocks, the bytes with TOAST, and a text that changes
// when the file is rewritten.
std::string files_query();

// The position of the snapshot: its xmin with epoch, an LSN after everything that it sees, the timeline, and
// the clock after it (UTC, with zone).
std::string position_query();
// Whether the history of a timeline may be read; whether its file, $1, exists; the file.
std::string may_read_history_query();
std::string history_exists_query();
std::string history_query();

// The relations that the transaction has locked, without system relations and indexes. Each row has: oid,
// name in SQL form, kind (pg_class.relkind), whether this role may lock it by name, whether it was rewritten
// (or created) after the transaction's snapshot, and its marks: see Table::marks. A child of another of these
// relations has no marks.
std::string held_relations_query(int server_version_num);
// A statement that makes the planner lock all relations that `statement` reads.
std::string plan_only(const std::string &statement);

// Whether a subscription fills the table, whose oid is $1, and whether a tablesync on the source records a
// watermark for it; and that watermark: sync_mode, field, value.
std::string feed_query();
std::string feed_watermark_query();
// An index of a relation ($1, its oid) whose first column is $2, as text; or no row.
std::string column_index_query();
// How many numbers a session caches from the sequence that fills a column ($2) of a relation ($1, its oid).
std::string sequence_cache_query();

// The rows that a run reads, independent of the columns.
struct SourceRows {
  const Table *table = nullptr;
  std::string query;                    // custom_select, which replaces the table; or empty
  std::vector<std::string> conditions;  // SQL over its columns; all must hold
};

// Selects these expressions from all rows that satisfy the conditions.
std::string select(const SourceRows &rows, const std::string &expressions);
// COPY ... TO STDOUT in binary format of the planned columns.
std::string copy_out(const SourceRows &rows, const SyncPlan &plan);
// The query within copy_out(), for EXPLAIN.
std::string select_of(const SourceRows &rows, const SyncPlan &plan);
// Conditions for the rows of a table in its blocks from `begin` (0: the first) to before `end` (below 0: to
// the last).
std::vector<std::string> in_blocks(std::int64_t begin, std::int64_t end);
// Inserts the rows into a table, if the source is this database.
std::string insert_selected(const QualifiedName &name, const SourceRows &rows, const SyncPlan &plan);
// Finds a key that several of these rows share, as text: one row or none.
std::string find_repeated_key(const SourceRows &rows, const SyncPlan &plan);
// A condition for the source's rows with one of these keys, each the texts of its columns.
std::string key_is_one_of(const Table &source, const SyncPlan &plan, const Rows &keys);

// A condition for rows that were written, or attached with a partition, by transactions that had not ended in
// an earlier snapshot with this xmin. Valid only until 2^31 transactions have begun after that snapshot.
std::string written_since(const Table &source, std::uint64_t snapshot_xmin);

// Whether a column marks a row as deleted: true, not zero, Y, T, 1, or a timestamp. Throws 42804 for other
// types. `alias`: of the row, or empty.
std::string is_soft_deleted(const Column &column, const std::string &alias);

// A statement of the user without its final semicolon, so that it can be put in parentheses.
std::string trimmed_query(const std::string &sql);

// COPY ... TO STDOUT in binary format of a SELECT.
std::string copy_of(const std::string &select);

}  // namespace tablesync
