// Source: what a sync reads, in one REPEATABLE READ READ ONLY transaction on its server: a table or view, or
// a query that the user gave for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/range/incremental_field.h"
#include "core/range/watermark.h"
#include "core/table/table.h"
#include "remote/connection.h"

namespace tablesync::remote {

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

class Source {
 public:
  // Connects. `host` must outlive this.
  Source(Host &host, const ConnectionSettings &settings) : connection_(host, settings) {}

  // Looks the table up; unqualified names with the search_path of the role on that server. Throws 42P01 where
  // there is no such table, 42809 for what is not a table, and the server's own errors.
  void find(const std::string &sql_name);
  // Opens the reading transaction, locks what is read against DDL, and describes it: the table, or the result
  // of the query. A transaction that is open is ended first. `snapshot`: see begin_reading(). Throws
  //   42601  the query is not one SELECT, VALUES or TABLE, the condition not one expression, or the count not
  //          one SELECT of one number
  //   42701  a column of the query has no name of its own
  //   42804  the condition is not boolean
  //   42P02  one of them has parameters
  //   25006  one of them writes
  //   40001  what they read was rewritten again and again
  // and the server's own errors.
  const Table &open(const UserSql &sql = {}, const std::string &snapshot = {});
  // Exports the transaction's snapshot: its name. It serves as long as this transaction is open.
  std::string export_snapshot();
  // The files that hold the table's rows: its own, or those of its partitions and children.
  struct Files {
    bool in_recovery = false;          // the server is
    bool in_blocks = false;            // ranges of blocks can be read without reading the rest
    std::vector<std::int64_t> blocks;  // of each
    std::int64_t bytes = 0;            // of all, with what belongs to them
    std::string identity;              // changes when one is rewritten, comes or goes
    std::int64_t longest() const;      // blocks of the longest one
  };
  Files files();
  // What the first query of the transaction told.
  const SnapshotPosition &position() const { return position_; }
  // The source's clock after its snapshot was taken: as Horizon::instant.
  const std::string &clock() const { return clock_; }
  // In which its statements run.
  const std::string &time_zone() const { return time_zone_; }
  // How long one statement of the reading transaction may take from the next open() on; 0: as long as it
  // takes.
  void set_time_limit(std::int64_t ms) { time_limit_ms_ = ms; }
  // What else fills the table, in the same snapshot.
  Feed feed();
  // The values of a field of days, below `bound`, that name no day. Nothing where no index finds them
  // quickly.
  std::optional<std::vector<std::string>> no_days(const IncrementalField &field, const std::string &bound);
  // How many numbers a session takes ahead from the sequence that fills the column; 1: none ahead, or no
  // sequence.
  std::int64_t sequence_cache(const std::string &column);
  // The first bytes that say where `timeline` ended and another began: the LSN, or empty where this server
  // does not know or this role may not see it.
  std::string switch_point(int timeline);
  // Ends the transaction. Nothing was changed there, so the server may forget it.
  void close();

  const Table &table() const { return table_; }
  // The role there, in SQL form.
  std::string role() const { return display_name(connection_.user()); }
  Connection &connection() { return connection_; }
  const Connection &connection() const { return connection_; }

 private:
  void begin(const UserSql &sql, const std::string &snapshot, const std::vector<std::string> &locked);
  void read_position();
  void describe_table();
  void describe(const UserSql &sql);
  void describe_query(const std::string &sql);
  void check_condition(const UserSql &sql);
  void check_count(const std::string &sql);
  void refuse_writing(const std::string &what, const std::string &sql);
  // The relations that are read.
  struct Held {
    std::vector<std::string> lockable;  // by their names
    std::string rewritten;              // one of them, after the snapshot was taken; or empty
  };
  Held lock_all(const UserSql &sql);

  Connection connection_;
  Table table_;
  std::string sql_name_;
  QualifiedName name_;
  std::string kind_;
  std::string path_of_role_;
  SnapshotPosition position_;
  std::string clock_;
  std::string time_zone_ = "UTC";
  std::int64_t time_limit_ms_ = 0;
};

// One statement of a user, fit to stand in parentheses: without the semicolon that may end it.
std::string trimmed_query(const std::string &sql);

}  // namespace tablesync::remote
