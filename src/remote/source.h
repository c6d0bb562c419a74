// Source: what a sync reads, in one REPEATABLE READ READ ONLY transaction on its server: a table or view, or
// a query that the user gave for it.
#pragma once

#include <cstdint>
#include <string>

#include "core/table.h"
#include "core/watermark.h"
#include "remote/connection.h"

namespace tablesync::remote {

// What else writes the table, with times or numbers that were given elsewhere.
struct Feed {
  bool subscription = false;
  bool tablesync = false;
  std::string mode, field, value;  // of the sync that fills it, and how far that is proven
};

class Source {
 public:
  // Connects. `host` must outlive this.
  Source(Host &host, const ConnectionSettings &settings) : connection_(host, settings) {}

  // Looks the table up; unqualified names with the search_path of the role on that server. Throws 42P01 where
  // there is no such table, 42809 for what is not a table, and the server's own errors.
  void find(const std::string &sql_name);
  // Opens the reading transaction, locks the table against DDL and describes it. A transaction that is open
  // is ended first.
  // `snapshot`: see begin_reading().
  const Table &open(const std::string &snapshot = {});
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
  // From here on the statements run with the table's schema and the role's own search_path, for SQL that the
  // user gave.
  void use_path_of_role();
  // Describes the query that is read instead of the table, and replaces the description's columns. Throws
  // 42601 for what is not one SELECT, VALUES or TABLE, 42P02 where it has parameters, 42701 for columns
  // without a name of their own, 25006 where it writes, and the server's own errors.
  void describe_query(const std::string &sql);
  // Throws 25006 where a query of the user writes. `what`: the argument that it is.
  void refuse_writing(const std::string &what, const std::string &sql);
  // Throws 42601 where `sql` is not one expression, 42804 where it is not boolean, 42P02 where it has
  // parameters, and the server's own errors. `query`: as in SourceRows, what is read instead of the table.
  void check_condition(const std::string &sql, const std::string &query);
  // What the first query of the transaction told.
  const SnapshotPosition &position() const { return position_; }
  // The source's clock after its snapshot was taken: as Horizon::instant.
  const std::string &clock() const { return clock_; }
  // How long one statement of the reading transaction may take from the next open() on; 0: as long as it
  // takes.
  void set_time_limit(std::int64_t ms) { time_limit_ms_ = ms; }
  // What else fills the table, in the same snapshot.
  Feed feed();
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
  Rows ask(const std::string &sql, const std::vector<std::string> &parameters, size_t width);
  void read_position();

  Connection connection_;
  Table table_;
  std::string sql_name_;
  QualifiedName name_;
  std::string kind_;
  std::string path_of_role_;
  SnapshotPosition position_;
  std::string clock_;
  std::int64_t time_limit_ms_ = 0;
};

// One statement of a user, fit to stand in parentheses: without the semicolon that may end it.
std::string trimmed_query(const std::string &sql);

}  // namespace tablesync::remote
