// The SQL that runs on the source. Names and operators are qualified throughout: it may run with the
// search_path of somebody else.
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

// Opens the reading transaction: settings first, then the locks that hold off DDL, and no query yet, so that
// the snapshot is taken after the locks. All settings are SET LOCAL: nothing leaks through a connection
// pooler.
struct BeginReading {
  std::int64_t time_limit_ms = 0;  // of one statement; 0: what the role has
  std::string snapshot;            // one that another connection exports, instead of one of its own; or empty
  std::string time_zone = "UTC";   // in which the statements run
  std::vector<std::string> locked;  // relations that are locked beside the table: names in SQL form
};
std::string begin_reading(const QualifiedName &table, char kind, int server_version_num,
                          const BeginReading &options = {});
// Whether begin_reading() locks all that a statement over the table alone reads.
bool locks_all_it_reads(char kind, int server_version_num);

// Exports the transaction's snapshot for other connections, which may take it over as long as the transaction
// is open: its name. The transaction may then be idle for long: that limit is lifted.
std::string lift_idle_limit();
std::string export_snapshot_query();
// The files of a table, whose oid is $1, or those of its partitions and children: a row for each with whether
// the server is in recovery, whether the rows have places in blocks, the number of blocks, the bytes with all
// that belongs to it, and a text that changes when it is rewritten.
std::string files_query();

// The snapshot of the transaction: its xmin with epoch, an LSN behind all that it sees, the timeline, and the
// clock after it (UTC, with zone).
std::string position_query();
// Whether the history of a timeline may be read; whether its file, $1, exists; the file.
std::string may_read_history_query();
std::string history_exists_query();
std::string history_query();

// The relations that the transaction holds locks on, those of the system and indexes left out: a row for each
// with its oid, its name in SQL form, its kind (pg_class.relkind), whether this role may lock it by name,
// whether it was rewritten (or made) after the transaction's snapshot was taken, and the marks of what its
// rows are made of: see Table::marks. A child of another one of them has no marks.
std::string held_relations_query(int server_version_num);
// What makes the planner lock all that a statement will read.
std::string plan_only(const std::string &statement);

// Whether the table, whose oid is $1, is fed by a subscription, and whether a tablesync there says how far it
// has filled it; then what that says: sync_mode, field, value.
std::string feed_query();
std::string feed_watermark_query();
// The index of a relation ($1, its oid) that finds the values of a column ($2) in their order, as text; or no
// row.
std::string column_index_query();
// Of a relation ($1, its oid) and its column ($2): how many numbers a session takes ahead from the sequence
// that fills it.
std::string sequence_cache_query();

// The rows that a run reads, before its columns are chosen.
struct SourceRows {
  const Table *table = nullptr;
  std::string query;                    // custom_select, in the place of the table; or empty
  std::vector<std::string> conditions;  // SQL over its columns; all must hold
};

// These expressions, of all rows that the conditions let through.
std::string select(const SourceRows &rows, const std::string &expressions);
// COPY ... TO STDOUT in binary format of the planned columns.
std::string copy_out(const SourceRows &rows, const SyncPlan &plan);
// The query in it, as text: what EXPLAIN takes.
std::string select_of(const SourceRows &rows, const SyncPlan &plan);
// Conditions over the rows of a table: those in its blocks from `begin` on (0: all) and before `end` (below
// 0: to the last).
std::vector<std::string> in_blocks(std::int64_t begin, std::int64_t end);
// The same rows into a table, where the source is this database.
std::string insert_selected(const QualifiedName &name, const SourceRows &rows, const SyncPlan &plan);
// A key that more than one of these rows have, as text: one row or none.
std::string find_repeated_key(const SourceRows &rows, const SyncPlan &plan);
// A condition over the source's rows: those whose key is one of these, each the texts of its columns.
std::string key_is_one_of(const Table &source, const SyncPlan &plan, const Rows &keys);

// Rows that a transaction wrote, or made rows of the source by attaching a partition, that had not ended in
// an earlier snapshot, whose xmin is given. Right only while no more than 2^31 transactions have begun since.
std::string written_since(const Table &source, std::uint64_t snapshot_xmin);

// Whether a row is marked as deleted, by a column of one of the types that can say so: true, not zero, Y, T,
// 1, or a moment. Throws 42804 for other types. `alias`: of the row, or empty.
std::string is_soft_deleted(const Column &column, const std::string &alias);

// One statement of a user, fit to stand in parentheses: without the semicolon that may end it.
std::string trimmed_query(const std::string &sql);

// A SELECT as a statement whose rows a client reads, in the binary format.
std::string copy_of(const std::string &select);

}  // namespace tablesync
