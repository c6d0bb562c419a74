// ServerSource: a table, view or query on another server, read in a REPEATABLE READ READ ONLY transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/range/source.h"
#include "remote/connection.h"

namespace tablesync::remote {

class ServerSource final : public Source {
 public:
  // Connects. `host` must outlive this object.
  ServerSource(Host &host, const ConnectionSettings &settings) : connection_(host, settings) {}

  void find(const std::string &sql_name) override;
  SourceLoad load() override;
  Horizon horizon(std::int64_t lookback_ms, const std::string &time_zone) override;
  void set_time_limit(std::int64_t ms) override { time_limit_ms_ = ms; }

  const Table &open(const UserSql &sql = {}, const std::string &snapshot = {}) override;
  const Table &table() const override { return table_; }
  const SnapshotPosition &position() const override { return position_; }
  const std::string &clock() const override { return clock_; }
  const std::string &time_zone() const override { return time_zone_; }
  std::string export_snapshot() override;
  void execute(const std::string &set_local) override;
  Rows query(const std::string &sql, const std::vector<std::string> &parameters = {}) override;
  void start_query(const std::string &sql) override;
  Rows finish_query() override;
  std::unique_ptr<RowSource> rows(const SourceRows &rows, const SyncPlan &plan) override;
  std::unique_ptr<RowSource> rows(const std::string &select) override;
  SourceFiles files() override;
  Feed feed() override;
  std::optional<std::vector<std::string>> no_days(const IncrementalField &field,
                                                  const std::string &bound) override;
  std::int64_t sequence_cache(const std::string &column) override;
  std::string switch_point(int timeline) override;
  void close() override;

  std::string role() const override { return display_name(connection_.user()); }
  int server_version() const override { return connection_.server_version(); }
  std::string server_version_text() const override { return connection_.server_version_text(); }

  Connection &connection() { return connection_; }
  const Connection &connection() const { return connection_; }

 private:
  Rows ask(const std::string &sql, const std::vector<std::string> &parameters, size_t width);
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
    std::string rewritten;              // one that was rewritten after the snapshot; or empty
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

}  // namespace tablesync::remote
