// Source: the data that a sync reads. It is described, queried and read as a stream of rows under one
// snapshot, for example a table, view or query on a server over libpq (remote/server_source.h).
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

// Other writers of the table, whose times and numbers were assigned elsewhere.
struct Feed {
  bool subscription = false;
  bool tablesync = false;
  std::string mode, field, value;  // of the sync that fills it: mode, field and watermark
};

// SQL of the user that replaces or filters the table. Empty: none.
struct UserSql {
  std::string query;      // custom_select: as SourceRows::query
  std::string condition;  // custom_where
  std::string count;      // custom_count
  std::string time_zone;  // of this SQL and of views; empty: UTC
  bool any() const { return !query.empty() || !condition.empty() || !count.empty(); }
};

// The files that hold a table's rows: its own, or those of its partitions and children.
struct SourceFiles {
  bool in_recovery = false;          // of the server
  bool in_blocks = false;            // ranges of blocks can be read without reading the rest
  std::vector<std::int64_t> blocks;  // of each file
  std::int64_t bytes = 0;            // of all files, with TOAST
  std::string identity;              // changes when a file is rewritten, added or removed
  // Blocks of the longest file.
  std::int64_t longest() const {
    return blocks.empty() ? 0 : *std::max_element(blocks.begin(), blocks.end());
  }
};

// A moment below which every transaction that could still write has ended. A watermark of an incremental sync
// may not exceed it, because a row becomes visible when its transaction commits, but has a time before that.
struct Horizon {
  // The moment, in UTC and with zone; empty if nothing is proven.
  std::string instant;
  // The moment without zone, as writers in `time_zone` would write it; never later than a row that may still
  // appear, even when local clocks go back.
  std::string local;
  std::string clock;  // of the source, when the horizon was read
  bool standby = false;
  bool hidden = false;     // this role cannot see some sessions: the lookback is used
  bool untracked = false;  // some sessions have track_activities off: the lookback is used
  bool prepared = false;   // prepared transactions began at an unknown time: nothing is proven
  std::string oldest_pid;  // the session that holds the horizon back; or empty
  double oldest_seconds = 0;
};

class Source {
 public:
  Source() = default;
  Source(const Source &) = delete;
  Source &operator=(const Source &) = delete;
  virtual ~Source() = default;

  // ---- before its snapshot

  // Looks the table up; unqualified names use the search_path of the role on that server. Throws 42P01 if
  // there is no such table, 42809 for other objects, and the server's own errors.
  virtual void find(const std::string &sql_name) = 0;
  // Reads the load of the source in a statement of its own. Throws 42501 if the role may not see it.
  virtual SourceLoad load() = 0;
  // Reads the horizon. `lookback_ms`: the longest assumed transaction if transactions cannot be seen.
  // `time_zone`: of columns without zone; empty: the earlier of UTC and the zone of the source's role.
  virtual Horizon horizon(std::int64_t lookback_ms, const std::string &time_zone) = 0;
  // Limits the duration of each statement from the next open() on; 0: no limit.
  virtual void set_time_limit(std::int64_t ms) = 0;

  // ---- its snapshot

  // Takes a snapshot, or imports one that another session has exported; locks the relations that are read
  // against DDL, and describes the table or the result of the query. Ends an open transaction first. Throws
  //   42601  the query is not one SELECT, VALUES or TABLE, the condition not one expression, or the count not
  //          one SELECT of one number
  //   42701  a column of the query has no name of its own
  //   42804  the condition is not boolean
  //   42P02  one of them has parameters
  //   25006  one of them writes
  //   40001  a relation that is read was rewritten repeatedly
  // and the server's own errors.
  virtual const Table &open(const UserSql &sql = {}, const std::string &snapshot = {}) = 0;
  virtual const Table &table() const = 0;
  // The position of the snapshot.
  virtual const SnapshotPosition &position() const = 0;
  // The source's clock after its snapshot was taken, in the form of Horizon::instant.
  virtual const std::string &clock() const = 0;
  // The time zone in which its statements run.
  virtual const std::string &time_zone() const = 0;
  // Exports the snapshot and returns its name, which is valid until close().
  virtual std::string export_snapshot() = 0;
  // Runs SET LOCAL, which holds until close().
  virtual void execute(const std::string &set_local) = 0;
  // Runs one statement with text parameters under the snapshot, and returns its rows as text.
  virtual Rows query(const std::string &sql, const std::vector<std::string> &parameters = {}) = 0;
  // query() in two steps: the caller can do other work before finish_query().
  virtual void start_query(const std::string &sql) = 0;
  virtual Rows finish_query() = 0;
  // Returns the rows as a stream. Until it ends or is destroyed, no other stream or query may begin.
  virtual std::unique_ptr<RowSource> rows(const SourceRows &rows, const SyncPlan &plan) = 0;
  // Returns the rows of a SELECT as a stream.
  virtual std::unique_ptr<RowSource> rows(const std::string &select) = 0;
  virtual SourceFiles files() = 0;
  // Reads which other writers fill the table.
  virtual Feed feed() = 0;
  // The values of a field of days, below `bound`, that are no day. Nothing if no index finds them quickly.
  virtual std::optional<std::vector<std::string>> no_days(const IncrementalField &field,
                                                          const std::string &bound) = 0;
  // How many numbers a session caches from the sequence that fills the column; 1: none, or no sequence.
  virtual std::int64_t sequence_cache(const std::string &column) = 0;
  // The LSN at which `timeline` ended and another began; empty if this server does not know it or this role
  // may not see it.
  virtual std::string switch_point(int timeline) = 0;
  // Ends the transaction, which has changed nothing on the source.
  virtual void close() = 0;

  // ---- its identity

  // The role on the source, in SQL form.
  virtual std::string role() const = 0;
  virtual int server_version() const = 0;  // as server_version_num
  virtual std::string server_version_text() const = 0;
};

}  // namespace tablesync
