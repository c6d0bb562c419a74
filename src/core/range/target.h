// Target: the server that a sync writes. Its statements come from core/sql, whatever the target is. The
// server that runs the extension is one (pg/target/local_target.h).
//
// Statements are part of one transaction, which whoever runs the work begins and commits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/base/quote.h"
#include "core/base/rate.h"
#include "core/base/row_source.h"
#include "core/base/rows.h"
#include "core/range/row_filter.h"
#include "core/range/watermark.h"
#include "core/spec/sync_spec.h"
#include "core/table/sync_plan.h"
#include "core/table/table.h"

namespace tablesync {

// What a statement did to the rows of a table.
struct Modified {
  std::int64_t rows = 0;   // written, as the server reports
  std::int64_t meant = 0;  // that the statement gave to the table; a BEFORE trigger can drop some of them
  std::int64_t inserted = 0, updated = 0;  // of a MERGE: how many of `meant` were to be
};

class Target {
 public:
  using Where = std::source_location;  // the caller that has the text of a statement

  Target() = default;
  Target(const Target &) = delete;
  Target &operator=(const Target &) = delete;
  virtual ~Target() = default;

  // ---- statements

  // Runs one statement of ours, with $n as text and a search_path in which no user can put anything; returns
  // its rows as text.
  virtual Rows query(const std::string &sql, const Row &parameters = {},
                     const Where &where = Where::current()) = 0;
  // Runs one statement on the user's tables, with the search_path of the caller's session; returns the number
  // of rows that it processed.
  virtual std::int64_t execute(const std::string &sql, const Where &where = Where::current()) = 0;
  // The same for INSERT, UPDATE, DELETE and MERGE. Sets progress.rows to the rows so far, while it runs.
  virtual Modified modify(const std::string &sql, Progress &progress,
                          const Where &where = Where::current()) = 0;
  // Runs f in a subtransaction. Where f fails with an error of the target for which `handles` is true, its
  // effects are undone and this returns false. All other failures pass.
  virtual bool attempt(const std::function<void()> &f,
                       const std::function<bool(const Diagnostics &)> &handles) = 0;
  // A setting of the session, by its name.
  virtual std::string setting(const std::string &name) = 0;
  virtual void set(const std::string &name, const std::string &value) = 0;

  // ---- the table

  // The oid of the table by that name, 0 where there is none. Takes no lock.
  virtual unsigned int find(const QualifiedName &table) = 0;
  // Checks that the current user may do with spec.target what the call does to it, and locks it against DDL
  // until the end of the transaction. Returns its oid, 0 where there is none. Throws 42501, 42809, 0A000.
  virtual unsigned int hold(const SyncSpec &spec) = 0;
  // Throws what hold() would, and changes and locks nothing. 42P01 where a verification finds no table.
  virtual void check(const SyncSpec &spec) = 0;
  // Tries to keep other writers out until the end of the transaction. Does not wait.
  virtual bool try_lock_exclusively(unsigned int oid) = 0;
  // Throws 42P01 where there is no such table.
  virtual Table describe(const QualifiedName &table) = 0;
  // Makes spec.target, and its schema where that is absent, with the columns of `source` and without a key.
  virtual void make(const SyncSpec &spec, const Table &source) = 0;
  virtual void add_column(const QualifiedName &table, const Column &source) = 0;
  virtual void widen_column(const QualifiedName &table, const Column &source) = 0;

  // ---- rows

  // Whether rows may be stored in the table without a statement.
  virtual bool takes_rows_directly(const QualifiedName &table) = 0;
  // Reads `rows` to their end into the planned columns of `table`, at most at `rate`. Returns the number of
  // rows stored, which a BEFORE trigger can make fewer than were received. `is_new`: no other session sees
  // the table yet.
  virtual std::int64_t load(RowSource &rows, const QualifiedName &table, const SyncPlan &plan, bool is_new,
                            const Rate &rate, Progress &progress) = 0;

  // A filter of streams of the plan's columns, by the rows of `table`, of which nobody else may change any
  // until the end of the transaction. Reads the whole table. Null where that is not possible: then `why_not`
  // is a clause that follows "because". `memory`: bytes that it may use.
  virtual std::unique_ptr<RowFilter> filter(const Table &table, const SyncPlan &plan, std::int64_t memory,
                                            Progress &progress, std::string &why_not) = 0;

  // ---- what it was filled from

  // Nothing where that is unknown. Another role's SQL in it is hidden.
  virtual std::optional<Watermark> watermark(const std::string &oid) = 0;
  // Commits with the rows.
  virtual void record(std::int64_t run_id, const SyncSpec &spec, const std::string &oid,
                      const Watermark &watermark) = 0;
};

}  // namespace tablesync
