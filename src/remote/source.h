// Source: the table that a sync reads, in one REPEATABLE READ READ ONLY transaction on its server.
#pragma once

#include <string>

#include "core/table.h"
#include "remote/connection.h"

namespace tablesync::remote {

class Source {
 public:
  // Connects. `host` must outlive this.
  Source(Host &host, const ConnectionSettings &settings) : connection_(host, settings) {}

  // Opens the reading transaction, locks the table against DDL and describes it. `sql_name`: the table's name
  // in SQL form; unqualified names are looked up with the search_path of the role on that server. Throws
  // 42P01 where there is no such table, 42809 for what is not a table, and the server's own errors.
  const Table &open(const std::string &sql_name);
  // Ends the transaction. Nothing was changed there, so the server may forget it.
  void close();

  const Table &table() const { return table_; }
  Connection &connection() { return connection_; }

 private:
  Rows ask(const std::string &sql, const std::string &parameter, size_t width);

  Connection connection_;
  Table table_;
};

}  // namespace tablesync::remote
