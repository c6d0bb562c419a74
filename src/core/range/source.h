// Source: what a sync reads. It can be described, asked, and read as a stream of rows, all under one
// snapshot. A table, view or query on a server over libpq is one (remote/server_source.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/row_source.h"
#include "core/base/rows.h"
#include "core/range/incremental_field.h"
#include "core/range/watermark.h"
#include "core/spec/source_limits.h"
#include "core/sql/deparse_source.h"
#include "core/table/sync_plan.h"
#include "core/table/table.h"

namespace tablesync {

// What else writes the table, with times or numbers that were given elsewhere.
struct Feed {
  bool subscription = false;
  bool tablesync = false;
  std::string mode, field, value;  // of the sync that fills it, and how far that is proven
};

// SQL of the user that is read in the table's place or along with it. Empty: none.
struct UserSql {
  std::string query;      // custom_select: as SourceRows::query
  std::string condition;  // custom_where
  std::string count;      // custom_count
  std::string time_zone;  // in which it runs, and a view that is read; empty: UTC
  bool any() const { return !query.empty() || !condition.empty() || !count.empty(); }
};

// The files that hold a table's rows: its own, or those of its partitions and children.
struct SourceFiles {
  bool in_recovery = false;          // the server is
  bool in_blocks = false;            // ranges of blocks can be read without reading the rest
  std::vector<std::int64_t> blocks;  // of each
  std::int64_t bytes = 0;            // of all, with what belongs to them
  std::string identity;              // changes when one is rewritten, comes or goes
  // Blocks of the longest one.
  std::int64_t longest() const {
    return blocks.empty() ? 0 : *std::max_element(blocks.begin(), blocks.end());
  }
};

// A moment below which every transaction that could still write has ended. A watermark of an incremental sync
// may not exceed it, because a row becomes visible when its transaction commits and carries a time from
// before that.
struct Horizon {
  // The moment, in UTC and with zone; empty where nothing is proven.
  std::string instant;
  // The same without zone, as writers in `time_zone` would have it; never later than a row that is still to
  // come, also on the day when local clocks go back.
  std::string local;
  std::string clock;  // of the source, when it was read
  bool standby = false;
  bool hidden = false;     // some sessions may not be seen by this role: the lookback is used
  bool untracked = false;  // some sessions have track_activities off: the lookback is used
  bool prepared = false;   // prepared transactions, of which nobody knows when they began: nothing is proven
  std::string oldest_pid;  // the session that holds the horizon back; empty where there is none
  double oldest_seconds = 0;
};

class Source {
 public:
  Source() = default;
  Source(const Source &) = delete;
  Source &operator=(const Source &) = delete;
  virtual ~Source() = default;

  // ---- before its snapshot

  // Looks the table up; unqualified names with the search_path of the role on that server. Throws 42P01 where
  // there is no such table, 42809 for what is not a table, and the server's own errors.
  virtual void find(const std::string &sql_name) = 0;
  // How busy it is, in one statement of its own. Throws 42501 where the role may not see it.
  virtual SourceLoad load() = 0;
  // Reads the horizon. `lookback_ms`: how long a transaction may last, where that cannot be seen.
  // `time_zone`: of columns without zone; empty: the earlier of UTC and what the source's role is set to.
  virtual Horizon horizon(std::int64_t lookback_ms, const std::string &time_zone) = 0;
  // How long one statement may take from the next open() on; 0: as long as it takes.
  virtual void set_time_limit(std::int64_t ms) = 0;

  // ---- its snapshot

  // Takes the snapshot, or the one that another session has exported; locks what is read against DDL, and
  // describes it: the table, or the result of the query. A transaction that is open is ended first. Throws
  //   42601  the query is not one SELECT, VALUES or TABLE, the condition not one expression, or the count not
  //          one SELECT of one number
  //   42701  a column of the query has no name of its own
  //   42804  the condition is not boolean
  //   42P02  one of them has parameters
  //   25006  one of them writes
  //   40001  what they read was rewritten again and again
  // and the server's own errors.
  virtual const Table &open(const UserSql &sql = {}, const std::string &snapshot = {}) = 0;
  virtual const Table &table() const = 0;
  // Of the snapshot.
  virtual const SnapshotPosition &position() const = 0;
  // The source's clock after its snapshot was taken: as Horizon::instant.
  virtual const std::string &clock() const = 0;
  // In which its statements run.
  virtual const std::string &time_zone() const = 0;
  // Exports the snapshot: its name. It serves until close().
  virtual std::string export_snapshot() = 0;
  // Runs SET LOCAL, which holds until close().
  virtual void execute(const std::string &set_local) = 0;
  // Runs one statement with $n as text, under the snapshot; its rows as text.
  virtual Rows query(const std::string &sql, const std::vector<std::string> &parameters = {}) = 0;
  // The same in two steps: other work can be done until it has answered.
  virtual void start_query(const std::string &sql) = 0;
  virtual Rows finish_query() = 0;
  // The rows as a stream. One stream at a time, and no query until it has come to its end or is gone.
  virtual std::unique_ptr<RowSource> rows(const SourceRows &rows, const SyncPlan &plan) = 0;
  // The same of a SELECT.
  virtual std::unique_ptr<RowSource> rows(const std::string &select) = 0;
  virtual SourceFiles files() = 0;
  // What else fills the table.
  virtual Feed feed() = 0;
  // The values of a field of days, below `bound`, that name no day. Nothing where no index finds them
  // quickly.
  virtual std::optional<std::vector<std::string>> no_days(const IncrementalField &field,
                                                          const std::string &bound) = 0;
  // How many numbers a session takes ahead from the sequence that fills the column; 1: none ahead, or no
  // sequence.
  virtual std::int64_t sequence_cache(const std::string &column) = 0;
  // The first bytes that say where `timeline` ended and another began: the LSN, or empty where this server
  // does not know or this role may not see it.
  virtual std::string switch_point(int timeline) = 0;
  // Ends the transaction. Nothing was changed there, so the server may forget it.
  virtual void close() = 0;

  // ---- who it is

  // The role there, in SQL form.
  virtual std::string role() const = 0;
  virtual int server_version() const = 0;  // as server_version_num
  virtual std::string server_version_text() const = 0;
};

}  // namespace tablesync
